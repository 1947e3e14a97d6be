#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Backend=fanotify in the service, with the rights of the shipped drop-in and without them: what it cannot do it says,
# and what a run of the job wrote itself is no reason for another one.

. "$(dirname "$0")/paths-lib.sh"

readonly GATE=/run/vakt-fanotify-gate

# Each run writes where it watches, and stays until it is let go: of a process that is gone before the daemon reads what
# it did, nobody can say any more in which run it was.
tail_job() {
        rm -f $GATE*
        mkfifo $GATE
        tree_job "$1" Backend=fanotify Events="close" "${@:2}"
        sed -i "s|^Shell=.*|Shell=cat \"\$VAKT_PATHS\" >>$LIST; echo own >$TREE/own-\$VAKT_RUN; mkdir -p $TREE/sub/\$VAKT_RUN; echo own >$TREE/sub/\$VAKT_RUN/file; : >$GATE-\$VAKT_RUN; read line <$GATE|" \
                "$JOBS/$1.job"
}

listed() { # N: so many names are in the list
        [ "$(tr -dc '\0' <$LIST | wc -c)" -eq "$1" ]
}

has_ended() { # N: so many runs of the job have succeeded
        [ "$(vaktctl --json history tail | grep -c '"result": *"success"')" -eq "$1" ]
}

only_one_waits() {
        [ "$(counter tail waiting)" -eq 1 ]
}

test_own_changes_are_no_reason_for_a_run() {
        local n
        drop_in fanotify <"$EXAMPLES/vaktd.service.d/10-fanotify.conf"
        tail_job tail
        watch_tree tail
        [ "$(counter tail marks)" -ge 1 ]
        touch $TREE/file1
        for n in 1 2 3; do
                within 60 test -e $GATE-$n
                # Events are read in their order: once the daemon has heard of this one, it has heard of the run's own.
                touch $TREE/file$((n + 1))
                within 60 only_one_waits
                echo >$GATE
                within 60 has_ended $n
        done
        within 60 test -e $GATE-4
        listed 4
        echo >$GATE
        within 60 has_ended 4
        [ -e $TREE/own-1 ] && [ -e $TREE/sub/3/file ]
}

test_without_the_right_it_says_so() {
        tail_job tail
        fresh_tree
        systemctl start vaktd
        within 60 shows_state failed
        vaktctl status tail | shows 10-fanotify.conf
        vaktctl why tail | shows -i fanotify
}

shows_state() {
        vaktctl status tail | shows "($1"
}

run_tests
