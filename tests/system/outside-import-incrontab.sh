#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tables of incron, imported: what happens to files starts the same commands, with the same names, as incron itself
# starts. incron is downloaded here, where there is a network; only its daemon gets into the box. It runs itself inside.
#
#   outside-import-incrontab.sh NAME     NAME is a box that is up (tests/system/box)

set -uo pipefail

readonly TOP=/opt/import-incrontab

# shellcheck source=tests/system/import-lib.sh
. "$(dirname "$0")/import-lib.sh"

# --- outside ---

download() {
        fetch incron || return
        dpkg-deb --fsys-tarfile incron_*.deb | tar -x ./usr/sbin/incrond && rm incron_*.deb
}

# --- inside ---

write_tables() {
        mkdir -p /etc/incron.d /var/spool/incron $TOP/lock
        rm -f /etc/incron.d/* /var/spool/incron/*
        cat >/etc/incron.d/vakt-test <<END
$TOP/w IN_CLOSE_WRITE,IN_MOVED_TO echo "tree \$@/\$#" >>$TOP/log
$TOP/flat IN_CLOSE_WRITE,IN_MOVED_TO,recursive=false echo flat \$@ \$# \$\$0 \$x \$\$PATH >>$TOP/log
$TOP/dots IN_CLOSE_WRITE,IN_MOVED_TO,dotdirs=true echo dots \$# >>$TOP/log
$TOP/gone IN_DELETE,IN_MOVED_FROM echo "gone \$#" >>$TOP/log
$TOP/number 136 echo number \$# >>$TOP/log
$TOP/files/* IN_MODIFY,loopable=true echo files \$@ \$# >>$TOP/log
$TOP/w IN_ATTRIB echo never >>$TOP/log
END
        cat >/var/spool/incron/daemon <<END
$TOP/of-daemon IN_CLOSE_WRITE,IN_MOVED_TO echo "user \$(id)" >>$TOP/log; echo "user \$\$HOME \$\$PATH \$\$LOGNAME \$\$USERNAME \$\$(id -un) \$\$PWD \$@/\$#" >>$TOP/log
END
}

make_files() {
        rm -rf $TOP/{w,flat,dots,gone,number,files,of-daemon,log}
        mkdir -p $TOP/w/sub/deeper $TOP/w/.hidden $TOP/flat/sub $TOP/dots/.hidden $TOP/gone $TOP/number $TOP/files $TOP/of-daemon
        touch $TOP/gone/{a,b} $TOP/files/{a,b} $TOP/log
        chown daemon $TOP/of-daemon
        chmod 666 $TOP/log
}

# What is done to the files; "with blank" is in quotes for both.
events() {
        echo 1 >"$TOP/w/with blank"
        echo 1 >$TOP/w/sub/deeper/x
        echo 1 >$TOP/w/.hidden/x
        echo 1 >$TOP/outside
        mv $TOP/outside $TOP/w/.moved
        echo 1 >$TOP/flat/x
        echo 1 >$TOP/flat/sub/x
        echo 1 >$TOP/dots/.hidden/x
        rm $TOP/gone/a
        mv $TOP/gone/b $TOP/outside
        echo 1 >$TOP/number/x
        echo 1 >>$TOP/files/a
        setpriv --reuid=daemon --clear-groups sh -c "echo 1 >$TOP/of-daemon/x"
        echo 1 >$TOP/w/last
}

# What is logged, but for how it became known that incron watches.
logged() {
        grep -v /ready $TOP/log | sort -u
}

all_is_logged() {
        [ "$(logged | wc -l)" = 12 ]
}

by_incron() {
        printf '%s\n' 'system_table_dir = /etc/incron.d' 'user_table_dir = /var/spool/incron' "lockfile_dir = $TOP/lock" \
                'lockfile_name = incrond' "allowed_users = $TOP/none" "denied_users = $TOP/none" >$TOP/conf
        systemd-run --quiet --unit=vakt-test-incron --property=KillMode=process $TOP/usr/sbin/incrond -n -f $TOP/conf
        # it says nothing of when it watches: the last of the tables is the user's
        within 30 eval 'touch $TOP/of-daemon/ready; [ -s $TOP/log ]'
        events
        within 30 all_is_logged
        systemctl stop vakt-test-incron
        rm -rf $TOP/lock/*
}

is_watching() {
        [ "$(vaktctl --json status "$@" | grep -o '"state":"active"' | wc -l)" -ge $# ]
}

test_the_same_commands_are_started() {
        local names
        make_files
        write_tables
        by_incron
        sed -i '1i# What arrives' /etc/incron.d/vakt-test # incrond takes a comment for a path, and watches all below /
        # incron puts a backslash in front of a blank, which stays within quotes; $(id) is not executed
        logged | sed 's/with\\ blank/with blank/' | sort >$TOP/theirs
        make_files
        systemctl start vaktd
        vaktctl import-incrontab --write --disable-source /etc/incron.d /var/spool/incron || true # remarks
        same 9 "$(cat /etc/incron.d/vakt-test /var/spool/incron/daemon | grep -c '^#')"
        mapfile -t names < <(basename -s .job "$JOBS"/*.job)
        same 7 ${#names[@]}
        within 60 is_watching "${names[@]}"
        events
        within 60 all_is_logged
        logged >$TOP/ours
        diff $TOP/theirs $TOP/ours
        echo "# figure: ${#names[@]} lines of incron, $(wc -l <$TOP/ours) lines of what they print compared"
        rm -rf /etc/incron.d /var/spool/incron
}

if [ "$1" != --inside ]; then
        outside "$1" "imported jobs do what incron does"
else
        # shellcheck source=tests/system/lib.sh
        . "$(dirname "$0")/lib.sh"
        run_tests
fi
