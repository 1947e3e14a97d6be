#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A job that changes what it watches is slowed down and says so, and others do not feel it.

. "$(dirname "$0")/paths-lib.sh"

is_limited() { # JOB
        vaktctl why "$1" | shows '^limit: '
}

# It writes into its own directory: each run makes the next one. Two runs within the interval are few enough for a machine
# on which each of them takes seconds.
chasing_job() {
        job chaser <<END
[Path]
PathChanged=$TREE/own
TriggerLimitBurst=2
TriggerLimitIntervalSec=6s
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

limit_messages() {
        journal VAKT_JOB=chaser MESSAGE_ID="$(message_id PATH_LIMITED)" -o cat | wc -l
}

test_a_job_that_changes_what_it_watches() {
        local i start begin sum=0
        fresh_tree
        chasing_job
        other_job
        systemctl start vaktd
        within 60 is_watched chaser
        within 60 is_watched other
        begin=$(now_ms)
        echo x >$TREE/own/in
        within 60 is_limited chaser
        within 60 eval '[ "$(limit_messages)" -ge 1 ]'
        # Others get their runs meanwhile.
        for i in {1..10}; do
                echo x >$TREE/.part
                start=$(now_ms)
                mv $TREE/.part $TREE/other/$i
                within 60 has_lines $LIST-other $i
                sum=$((sum + $(tail -n 1 $LIST-other) - start))
        done
        echo "# figure: beside a job that chases its tail, another one's run begins after $((sum / 10)) ms (mean)"
        # What others change there is in one of its next runs.
        echo x >$TREE/own/late
        within 120 eval 'grep -qzxF $TREE/own/late $LIST-chaser'
        # It never stops, and is slower each time: of these five runs, the third waits for the interval, and the others
        # for once and twice as long. However slow the machine is, it cannot be sooner.
        within 120 has_runs chaser 5
        [ $(($(now_ms) - begin)) -ge 24000 ]
        [ "$(limit_messages)" -le "$(runs_of chaser)" ]
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p err
}

# The way out that its manual shows.
test_a_job_that_leaves_out_what_it_writes() {
        fresh_tree
        chasing_job
        sed -i '/^PathChanged/a Exclude=out' "$JOBS/chaser.job"
        systemctl start vaktd
        within 60 is_watched chaser
        echo x >$TREE/own/in
        within 60 eval 'test -e $TREE/own/out && is_quiet chaser'
        same 1 "$(runs_of chaser)"
        echo x >$TREE/own/more
        within 60 eval 'has_runs chaser 2 && is_quiet chaser'
        same 2 "$(runs_of chaser)"
        same "in more" "$(tr '\0' '\n' <$LIST-chaser | sed 's,.*/,,' | xargs)"
}

run_tests
