#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A job that changes what it watches is slowed down and says so, and others do not feel it.

. "$(dirname "$0")/paths-lib.sh"

is_limited() { # JOB
        vaktctl why "$1" | shows '^limit: '
}

# It writes into its own folder: each run makes the next one.
chasing_job() {
        job chaser <<END
[Path]
PathChanged=$TREE/own
TriggerLimitBurst=5
TriggerLimitIntervalSec=1s
[Run]
Shell=cat "\$VAKT_PATHS" >>$LIST-chaser; date >$TREE/own/out
END
        : >$LIST-chaser
        mkdir -p $TREE/own
}

other_job() {
        job other <<END
[Path]
PathChanged=$TREE/other
[Run]
Shell=date +%%s%%3N >>$LIST-other
END
        : >$LIST-other
        mkdir -p $TREE/other
}

has_lines() { # FILE N
        [ "$(wc -l <"$1")" -ge "$2" ]
}

test_a_job_that_changes_what_it_watches() {
        local i start sum=0
        fresh_tree
        chasing_job
        other_job
        systemctl start vaktd
        within 10 is_watched chaser
        within 10 is_watched other
        echo x >$TREE/own/in
        within 20 is_limited chaser
        within 10 journal_has VAKT_JOB=chaser MESSAGE_ID="$(message_id PATH_LIMITED)"
        same 1 "$(journal VAKT_JOB=chaser MESSAGE_ID="$(message_id PATH_LIMITED)" -o cat | wc -l)"
        # Others get their runs meanwhile.
        for i in {1..10}; do
                echo x >$TREE/.part
                start=$(now_ms)
                mv $TREE/.part $TREE/other/$i
                within 5 has_lines $LIST-other $i
                sum=$((sum + $(tail -n 1 $LIST-other) - start))
        done
        # By now it has had its five, and one for each delay that is over; without a limit it would be hundreds.
        [ "$(runs_of chaser)" -lt 15 ]
        echo "# figure: beside a job that chases its tail, another one's run begins after $((sum / 10)) ms (mean)"
        # It is slower each time and never stops.
        start=$(now_ms)
        within 60 has_runs chaser 8
        [ $(($(now_ms) - start)) -gt 2000 ]
        # What others change there is in its next run.
        echo x >$TREE/own/late
        within 60 eval 'grep -qzxF $TREE/own/late $LIST-chaser'
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p err
}

# The way out that its manual shows.
test_a_job_that_leaves_out_what_it_writes() {
        fresh_tree
        chasing_job
        sed -i '/^PathChanged/a Exclude=out' "$JOBS/chaser.job"
        systemctl start vaktd
        within 10 is_watched chaser
        echo x >$TREE/own/in
        within 10 eval 'test -e $TREE/own/out && is_quiet chaser'
        echo x >$TREE/own/more
        within 10 eval 'has_runs chaser 2 && is_quiet chaser'
        same "in more" "$(tr '\0' '\n' <$LIST-chaser | sed 's,.*/,,' | sort -u | xargs)"
        [ "$(runs_of chaser)" -le 4 ]
}

run_tests
