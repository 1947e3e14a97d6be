#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Backend=fanotify in the service, with the rights of the shipped drop-in and without them: what it cannot do it says,
# and what a run of the job wrote itself is no reason for another one.

. "$(dirname "$0")/paths-lib.sh"

# Each run writes where it watches.
tail_job() {
        tree_job "$1" Backend=fanotify Events="close" "${@:2}"
        sed -i "s|^Shell=.*|Shell=cat \"\$VAKT_PATHS\" >>$LIST; echo own >$TREE/own-\$VAKT_RUN; mkdir -p $TREE/sub/\$VAKT_RUN; echo own >$TREE/sub/\$VAKT_RUN/file|" \
                "$JOBS/$1.job"
}

listed() { # N: so many names are in the list
        [ "$(tr -dc '\0' <$LIST | wc -c)" -eq "$1" ]
}

has_ended() { # N: so many runs of the job have succeeded
        [ "$(vaktctl --json history tail | grep -c '"result": *"success"')" -eq "$1" ]
}

test_own_changes_are_no_reason_for_a_run() {
        drop_in fanotify <"$EXAMPLES/vaktd.service.d/10-fanotify.conf"
        tail_job tail
        watch_tree tail
        [ "$(counter tail marks)" -ge 1 ]
        touch $TREE/first
        within 60 has_ended 1
        # What comes later comes later: once the second file has had its run, the first run's own files would have had theirs.
        touch $TREE/second
        within 60 has_ended 2
        touch $TREE/third
        within 60 has_ended 3
        listed 3
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
