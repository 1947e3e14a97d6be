#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Names are bytes: whatever they are, they arrive unharmed, by each way that a run can get them.

. "$(dirname "$0")/paths-lib.sh"

readonly ODD=48

# name_job NAME LIST Path-LINE Run-LINE: it appends what it gets to its own list.
name_job() {
        job "$1" <<END
[Path]
$2
TriggerLimitBurst=0
[Run]
Overlap=parallel
MaxParallel=8
$3
END
        : >"$LIST-$1"
}

all_arrived() { # NAME
        [ "$(tr -dc '\0' <"$LIST-$1" | wc -c)" -ge $ODD ]
}

test_names_arrive_unharmed() {
        local ways='file input exec shell' way
        name_job file "PathChanged=$TREE" "Shell=cat \"\$VAKT_PATHS\" >>$LIST-file"
        name_job input "PathChanged=$TREE" "Shell=cat >>$LIST-input"
        # A program gets the name as a word, a shell in a variable.
        name_job exec "PathChanged=$TREE"$'\nRecursive=yes\nBatch=each' \
                "Exec=/bin/sh -c 'printf \"%%s\\\\0\" \"\$\$1\" >>$LIST-exec' sh \${VAKT_PATH}"
        name_job shell "PathModified=$TREE"$'\nBatch=each\nSettleSec=300ms' \
                "Shell=printf '%%s\\0' \"\$VAKT_PATH\" >>$LIST-shell"
        # shellcheck disable=SC2086 # names of jobs
        watch_tree $ways
        path_files odd $TREE
        for way in $ways; do
                within 60 all_arrived $way
                within 60 is_quiet $way
                path_files same "$LIST-$way" $TREE ''
        done
        path_files once "$LIST-shell" $TREE ''
        # A journal and a terminal take no harm either, and a file can be asked about.
        vaktctl why shell "$TREE/two"$'\n'lines | shows 'PathModified=.* covers it'
        vaktctl --json history exec | python3 -c 'import json, sys; json.load(sys.stdin.buffer)'
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p warning
}

test_names_go_through_a_spool() {
        local spool=/srv/vakt-names
        rm -rf $spool
        mkdir -p $spool/{in,done,first}
        name_job spool "Spool=$spool/in"$'\n'"SpoolDone=$spool/done" \
                "Shell=printf '%%s\\0' \"$spool/first/\${VAKT_PATH##*/}\" >>$LIST-spool; cat <\"\$VAKT_PATH\" | grep -qx x"
        path_files odd $spool/first
        systemctl start vaktd
        path_files odd $spool/in
        within 60 all_arrived spool
        within 60 is_quiet spool
        path_files once "$LIST-spool" $spool/first ''
        diff -r $spool/first $spool/done
        # The same again: each name is taken there now, also those that cannot get longer.
        path_files odd $spool/in
        within 60 eval '[ "$(find $spool/done -type f -printf x | wc -c)" = $((2 * ODD)) ]'
        same $ODD "$(find $spool/done -name '*~????????????????' -printf x | wc -c)"
        same "" "$(find $spool/in -type f)"
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p warning
        rm -rf $spool
}

# Everything that another user can see of a run and of the service manager: no name of a file is in it.
others_see_no_name() { # UNIT JOB
        local seen=/tmp/vakt-seen
        setpriv --reuid=nobody --regid=nogroup --clear-groups sh -c '
                systemctl show "$1"; systemctl cat "$1"; cat /run/systemd/transient/"$1"
                cat /run/vaktd/batches/*; ls /run/vaktd/batches; find /run/credentials/"$1" -type f -exec cat {} +
                vaktctl status "$2"; vaktctl --json history "$2"; vaktctl why "$2"; vaktctl log "$2"' \
                sh "$1" "$2" >$seen 2>&1 || true
        shows "$1" $seen
        fails shows secret $seen
}

test_names_are_private() {
        local job name gate=/run/vakt-gate
        rm -f $gate
        mkfifo -m 666 $gate
        for job in one odd all dynamic; do
                job $job <<END
[Path]
PathChanged=$TREE/$job
Batch=$(case $job in one | odd) echo each ;; *) echo all ;; esac)
[Run]
Shell=[ -z "\$VAKT_PATHS" ] || tr '\0' '\n' <"\$VAKT_PATHS"; echo "\$VAKT_PATH"; [ -z "\$VAKT_PATHS" ] || cat | tr '\0' '\n'; cat $gate
[Service]
$([ $job = dynamic ] && echo DynamicUser=yes || echo User=daemon)
END
        done
        fresh_tree
        mkdir -p $TREE/{one,odd,all,dynamic}
        systemctl start vaktd
        for job in one odd all dynamic; do
                within 20 is_watched $job
                name="secret \$HOME \"'"
                [ $job != odd ] || name=$'secret \tHOME \033\''
                touch "$TREE/$job/$name"
        done
        for job in one odd all dynamic; do
                within 20 journal_has VAKT_JOB=$job -g "^$TREE/$job/secret .HOME .'$"
                others_see_no_name "$(vakt_units | grep "^vakt-$job-" | head -n 1)" $job
        done
        # The list is seen twice: as a file and as the input.
        [ "$(journal VAKT_JOB=dynamic -o cat | grep -c "^$TREE/dynamic/secret")" -ge 2 ]
        # root sees which.
        vaktctl --json history dynamic | shows secret
        systemctl stop 'vakt-*.service'
        rm $gate
}

run_tests
