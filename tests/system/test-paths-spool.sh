#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# No item of a spool is lost, doubled or taken too early, whatever dies and when. At full size, with the same random
# numbers again:
#   VAKT_TEST_FULL=1 VAKT_CRASH_SEED=1

. "$(dirname "$0")/paths-lib.sh"

test_no_item_is_lost_or_doubled() {
        local size=(1000 10)
        [ -z "${VAKT_TEST_FULL-}" ] || size=(10000 50)
        fast_restart
        rm -rf /srv/vakt-spool
        # shellcheck disable=SC2086 # no seed is no argument
        "$tools/spool-loop.py" "${size[@]}" ${VAKT_CRASH_SEED-}
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p err
        within 60 nothing_is_kept
        rm -rf /srv/vakt-spool
}

# One of nobody's, in which nobody else may look, with a user's run.
test_a_spool_of_another_user() {
        local top=/srv/vakt-nobody as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
        rm -rf $top
        install -d -o nobody -g nogroup -m 700 $top $top/in $top/done
        job intake <<END
[Path]
Spool=$top/in
SpoolDone=$top/done
[Run]
Shell=id -un; cat "\$VAKT_PATH" >>$top/book
[Service]
User=nobody
END
        systemctl start vaktd
        # What is open is not taken, not even by a daemon that has only just come.
        $as sh -c "umask 077; exec 7>$top/in/held; echo half >&7; touch $top/in/open; until [ -e $top/go ]; do sleep 0.05; done; echo whole >&7" &
        within 60 test -e $top/done/open
        test -e $top/in/held
        kill_daemon
        $as sh -c "umask 077; echo x >$top/in/next"
        within 60 test -e $top/done/next
        test -e $top/in/held
        $as touch $top/go
        wait $!
        within 60 test -e $top/done/held
        same "half whole x" "$(sort $top/book | xargs)"
        same "nobody 600" "$(stat -c '%U %a' $top/done/held)"
        same nobody "$(journal VAKT_JOB=intake _TRANSPORT=stdout -o cat | sort -u)"
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p warning
        rm -rf $top
}

# What waits to be tried again belongs to no job then.
test_a_job_gets_another_name() {
        local top=/srv/vakt-renamed
        rm -rf $top
        mkdir -p $top/in $top/done
        job old <<END
[Path]
Spool=$top/in
SpoolDone=$top/done
[Run]
Shell=test "\$VAKT_JOB" = new
Retry=9
RetryDelaySec=2s
END
        systemctl start vaktd
        within 60 is_watched old
        echo x >$top/in/item
        within 60 has_runs old 1
        within 60 fails test -e $top/in/item
        mv "$JOBS/old.job" "$JOBS/new.job"
        systemctl reload vaktd
        within 60 test -e $top/done/item
        # By a job that is gone it is put back for whoever comes.
        echo y >$top/in/other
        within 60 test -e $top/done/other
        sed -i 's/= new/= never/' "$JOBS/new.job"
        systemctl reload vaktd
        echo z >$top/in/last
        within 60 has_runs new 3
        rm "$JOBS/new.job"
        systemctl reload vaktd
        within 60 test -e $top/in/last
        rm -rf $top
}

run_tests
