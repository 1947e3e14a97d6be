#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Files that are removed and made again, rotated and swapped: no name is lost, whether vaktd heard of it at once, in one
# go after it was held up, or at its start; and what is watched is watched on.

. "$(dirname "$0")/paths-lib.sh"

# On the file system of the system: on disk, a new file gets the number that the old one had.
readonly DISK=/srv/vakt-rotate

file_job() {
        job file <<END
[Path]
PathChanged=$DISK/f
TriggerLimitBurst=0
[Run]
Shell=cat "\$VAKT_PATHS" >>$LIST
END
        rm -rf $DISK
        mkdir $DISK
        : >$LIST
}

test_a_file_is_made_again_and_watched_on() {
        local i n=0
        file_job
        echo 0 >$DISK/f
        systemctl start vaktd
        within 60 is_watched file
        for i in {1..20}; do
                rm $DISK/f
                echo "$i" >$DISK/f
                within 60 has_listed $((n + 1))
                within 60 is_quiet file
                n=$(n_listed)
                echo again >>$DISK/f
                within 60 has_listed $((n + 1))
                within 60 is_quiet file
                n=$(n_listed)
        done
}

# Of the log, another file has the name afterwards; the two others are exchanged.
rotate() { # ROUND
        mv $TREE/log "$TREE/log.$1"
        echo "$1" >$TREE/log
        mv $TREE/a $TREE/t
        mv $TREE/b $TREE/a
        mv $TREE/t $TREE/b
}

# The name that was there for a moment may be, too.
all_are_listed() { # ROUND
        tr '\0' '\n' <$LIST | grep -v '/t$' | sort -u | cmp -s - <(printf "$TREE/%s\n" a b log "log.$1")
}

test_rotation() {
        local i pid
        fast_restart
        tree_job tree
        fresh_tree
        touch $TREE/a $TREE/b $TREE/log
        systemctl start vaktd
        within 60 is_watched tree
        for i in {1..30}; do
                : >$LIST
                case $((i % 3)) in
                0)
                        pid=$(main_pid)
                        kill -STOP "$pid"
                        rotate "$i"
                        kill -CONT "$pid"
                        ;;
                1)
                        systemctl stop vaktd
                        rotate "$i"
                        systemctl start vaktd
                        ;;
                2) rotate "$i" ;;
                esac
                within 60 all_are_listed "$i"
                within 60 is_quiet tree
        done
}

test_a_pattern_behind_a_link() {
        job field <<END
[Path]
PathExistsGlob=/var/run/field-*
[Run]
Shell=rm "\$VAKT_PATH" && echo "\$VAKT_PATH" >>$LIST
END
        : >$LIST
        systemctl start vaktd
        within 60 is_watched field
        touch /run/field-x
        within 60 grep -qx /var/run/field-x $LIST
        fails test -e /run/field-x
}

run_tests
