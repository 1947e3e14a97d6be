#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A job with [Rotate] and its log, with the real program: rotated at MaxSize=, by a run that says what it did; and what
# vaktctl shows of all that. Wants VAKTD_BIN, VAKTCTL_BIN and VAKTD_PROGRAM_DIR; VAKTD_WRAPPER is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

logs=$scratch/logs
mkdir -m 755 "$logs"
job rotate <<END
[Rotate]
Path=$logs/*.log
MaxSize=10000
Keep=3
END
job both <<END
[Rotate]
Path=$logs/*.log
[Run]
Exec=/bin/true
END
start_daemon
"$VAKTD_PROGRAM_DIR/vakt-rotate" --plan --state-directory="$scratch/none" "Path=$logs/*.log" >"$scratch/out" 2>&1
[ "$(cat "$scratch/out")" = "There is no log." ] && [ ! -e "$scratch/none" ]
ok $? "a plan makes no directory for what the runs remember"
ctl status rotate
out "status tells that there is no log" ' Path=.* \(waiting\): there is no log yet'
echo first >"$logs/app.log"

# Waits until so many runs of the job are over.
wait_for_runs() { # NUMBER
        for ((SECONDS = 0; SECONDS < 60;)); do
                ctl --json history rotate
                [ "$(grep -c '"state":"done"' "$scratch/out")" -lt "$1" ] || return
        done
        bail_out "there are no $1 runs: $(tail -n 5 "$scratch/log")"
}

for ((SECONDS = 0; SECONDS < 60;)); do
        ctl status rotate
        ! grep -q 'there is no log' "$scratch/out" || continue
        break
done
ctl status both
out "a job with [Rotate] and Exec= is bad" 'both \[Rotate\] and Exec=\. Remove one of them'
ctl --json status rotate
json "status knows what it is, and watches its logs" \
        "(j['upkeep'], j['watches'][0]['path'], j['watch_counters']['logs']) == ('rotate', '$logs/*.log', 1)"
ctl status rotate
out "status shows the size of the largest log" ' Path=.* \(active\): 1 log; the largest has 6B of 9\.7K'
ctl history rotate
out "a small log is left alone" '^Job .* has not run yet'

# --- the mark ---

head -c 10000 /dev/zero >>"$logs/app.log"
wait_for_runs 1
ctl --json history rotate
json "a run was made for the log" \
        "(len(j), j[0]['cause'], j[0]['result'], j[0]['payload']) == (1, 'path', 'success', '$logs/app.log')"
json "with the files that it changed" "j[0]['files'] >= 1 and j[0]['bytes_freed'] is not None"
[ "$(wc -c <"$logs/app.log.1")" = 10006 ] && [ "$(wc -c <"$logs/app.log")" = 0 ]
ok $? "the log is rotated"
ctl status 1
out "status of the run tells what it changed" '^ +Changed: [0-9]+ files? and freed '
out "status of the run has the program's own words" '^ +Status: Rotated 1 log'
ctl why rotate
out "why tells the size of the largest log" 'is active: 1 log; the largest has 0B of 9\.7K'
ctl why rotate "$logs/app.log"
out "why of a log tells its size" 'It has 0B of 9\.7K'
head -c 10000 /dev/zero >>"$logs/app.log"
wait_for_runs 2
ok 0 "and so it is again"

# --- plan ---

head -c 100 /dev/zero >>"$logs/app.log"
ctl plan rotate
ends 0 "plan"
out "plan is that of the program" "$logs/app\.log"
ctl --json plan rotate
json "plan in JSON" "isinstance(j, list) and any('$logs/app.log' in str(row) for row in j)"
[ "$(wc -c <"$logs/app.log")" = 100 ]
ok $? "and changes nothing"
ctl plan both
ends 1 "plan of a job that is bad"

mkdir -m 1777 "$scratch/shared"
"$VAKTD_PROGRAM_DIR/vakt-rotate" --state-directory="$scratch/shared" "Path=$logs/*.log" MaxSize=1M >"$scratch/out" 2>&1
[ -z "$(ls "$scratch/shared")" ]
ok $? "a state directory in which others can write is not used"
out "and that is told" 'Other users can write to the state directory, so nothing is remembered'

# A name that others choose is in the reason, too.
mkdir -p -m 755 "$scratch/hostile"
mkdir "$scratch/hostile/"$'a\n\e[2Jb'
chmod 777 "$scratch/hostile/"*
for program in "vakt-rotate" "vakt-clean MaxAge=1d"; do
        # shellcheck disable=SC2086 # words
        "$VAKTD_PROGRAM_DIR/"$program --plan --json "Path=$scratch/hostile/*/f" >"$scratch/out" 2>"$scratch/err"
        json "$program escapes what it refuses" \
                "len(j) == 1 and j[0]['action'] == 'refuse' and r'a\x0A\x1B[2Jb is writable' in j[0]['reason']"
done

# --- it grows while no daemon runs ---

stop_daemon KILL
head -c 10000 /dev/zero >>"$logs/app.log"
start_daemon
wait_for_runs 3
[ "$(wc -c <"$logs/app.log")" = 0 ]
ok $? "what has grown in the meantime is rotated at the start"

stop_daemon TERM
json_fits_schema
echo "1..$number"
