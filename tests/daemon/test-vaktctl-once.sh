#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl once: a job that runs one time and is gone; nothing that was accepted is lost when the daemon is killed. Wants
# VAKTD_BIN and VAKTCTL_BIN; VAKTD_WRAPPER is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

once=$scratch/state/once.d
job held <<<$'[Run]\nExec=/bin/true'
printf '[Manager]\nResumeRampSec=0\n' >"$scratch/vaktd.conf"
start_daemon

# Until no job is to run once.
wait_for_end() {
        for ((SECONDS = 0; SECONDS < 60;)); do
                ctl once
                grep -q '^No job is to run once\.$' "$scratch/out" && return
        done
        bail_out "a job stays: $(cat "$scratch/out" "$scratch/log")"
}

# NAME: until that job is gone.
wait_until_gone() {
        for ((SECONDS = 0; SECONDS < 60;)); do
                ctl status "$1"
                [ "$status" = 4 ] && return
        done
        bail_out "job $1 stays: $(cat "$scratch/out" "$scratch/log")"
}

# NAME: the time of that job comes while a daemon that was killed is down.
kill_until_later() {
        stop_daemon KILL
        sed -i "s/^OnCalendar=.*/OnCalendar=$(date -u -d '5 seconds ago' '+%F %T') UTC/" "$once/$1.job"
        touch -d '10 seconds ago' "$once/$1.job"
        start_daemon
}

# --- what it does ---

ctl once
ends 0 "nothing"
out "says so" '^No job is to run once\.$'
mkdir "$scratch/dir"
status=0
# shellcheck disable=SC2016 # no variable is meant
(cd "$scratch/dir" && umask 027 && A='b c"%h' exec "$VAKTCTL_BIN" --socket="$socket" once --in=1s --name=first --wait \
        -- /bin/sh -c 'echo "$A" "$1"; pwd; umask; echo >>made' x 'two  words %j $HOME') \
        >"$scratch/out" 2>"$scratch/err" || status=$?
ends 0 "one that is waited for"
out "is announced" "^Job first runs at .* \\(in .*\\); use 'vaktctl cancel first' to remove it\\.$"
out "succeeds" '^Run 1 of job first succeeded'
[ "$(stat -c %a "$scratch/dir/made")" = 640 ]
ok $? "directory and umask are those of the caller"
ctl history first
ends 0 "its history"
out "stays" ' first .* success|success'
ctl status first
ends 4 "the job does not"
[ -z "$(ls -A "$once")" ]
ok $? "nor does its file"
ctl once --when='load1 >= 0' --wait -- "(exit 3)"
ends 3 "a condition, a shell, a failure"
out "is announced" "^Job once-[0-9]{8}-[0-9]{6} runs when load1 >= 0; "
err "fails" 'failed with exit code 3'
ctl once --in=1s --when='load1 >= 0' --wait --json -- /bin/true
json "the run in JSON" "(j['result'], j['cause']) == ('success', 'timer')"
wait_for_end

# --- a time that comes later ---

ctl once --at='2199-01-01 12:00' --name=later -- /bin/echo one
ends 0 "a time"
out "is told" "^Job later runs at Tue 2199-01-01 12:00:00 UTC "
[ "$(stat -c %a "$once/later.job")" = 600 ]
ok $? "its file is private"
ctl once --json --at='2199-01-01 13:00' -- /bin/echo two
json "another one in JSON" "j['next_usec'] == 7226629200000000"
name=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["job"])' <"$scratch/out")
[ "$name" = once-21990101-130000 ]
ok $? "has a name of its time"
ctl -q once --at='2199-01-01 13:00' -- /bin/echo three
[ "$(cat "$scratch/out")" = "$name.2" ]
ok $? "and the next one another"
mkdir "$jobs/once-21990101-140000.job.d" "$jobs/kept.job.d"
ctl -q once --at='2199-01-01 14:00' --json -- /bin/echo four
json "nor has it one with drop-ins" "j['job'] == 'once-21990101-140000.2'"
ctl -q cancel once-21990101-140000.2
rmdir "$jobs/once-21990101-140000.job.d"
ctl list
out "list shows them" '^later '
ctl list later --json
json "it does not count as changed on disk" "not j[0]['changed_on_disk']"
ctl once
out "once shows when and what" '^later +Tue 2199-01-01 12:00:00 UTC +waiting +/bin/echo one$'
ctl once --json
json "in JSON" "sorted(r['job'] for r in j) == ['later', '$name', '$name.2']"
ctl diff
ends 0 "diff knows them"
ctl reload
ctl cancel "$name.2" later
ends 0 "cancel"
out "removes one" '^Job later is removed and does not run\.$'
ctl history later
out "its history tells that" 'cancelled'
ctl cancel held
out "other jobs are cancelled as before" '^No run of job held'

refuses() { # STATUS REGEX ARGUMENT…
        ctl once "${@:3}"
        ends "$1" "'${*:3}'"
        err "says why" "$2"
}
refuses 2 "Say when it is to run" -- /bin/true
refuses 2 "Say when it is to run" --in=1s --at=tomorrow -- /bin/true
refuses 2 "Write the command behind '--'" --in=1s
refuses 2 "requires a time span" --in=soon -- /bin/true
refuses 2 "requires a point in time" --at=soon -- /bin/true
refuses 2 "is in the past; for the next day write 'tomorrow 00:00:00'" --at=00:00:00 -- /bin/true
refuses 2 "is in the past" --at='today 00:00' -- /bin/true
refuses 2 "is in the past\.$" --at='2020-01-01 00:00' -- /bin/true
refuses 2 "^Invalid condition of --when \(column 8\): The limit is missing" --when='load1 >' -- /bin/true
refuses 2 "There is a job 'held', or a file of one, already" --in=1h --name=held -- /bin/true
refuses 2 "^There are drop-ins for a job 'kept' in a directory kept\.job\.d; remove them, or choose another name" \
        --in=1h --name=kept -- /bin/true
refuses 2 "^'../x' is no name of a job: use letters" --in=1h --name=../x -- /bin/true
[ "$(ls -A "$once")" = "$name.job" ]
ok $? "what is refused leaves nothing behind"
if have_nobody; then
        nobody once --in=1h -- /bin/true
        ends 5 "somebody else"
else
        skip "somebody else" "not root"
fi

# --- a daemon that is killed ---

touch "$once/.left.job.1"
ctl once --in=1h --name=missed -- /bin/sh -c "echo missed >>'$scratch/ran'"
ends 0 "accepted, and the daemon is killed"
kill_until_later missed
wait_until_gone missed
[ "$(cat "$scratch/ran")" = missed ]
ok $? "it is made up for, once"
ctl history missed
out "as what was missed" 'catch-up'
[ "$(ls -A "$once")" = "$name.job" ]
ok $? "what is not over stays, and remains of a killed daemon do not"

ctl once --when='file-exists '"$scratch/flag" --name=flag -- /bin/sh -c "echo flag >>'$scratch/ran'"
for ((SECONDS = 0; SECONDS < 60;)); do
        ctl status flag --json
        grep -q '"queued":1' "$scratch/out" && break
done
ctl list
out "list counts what waits" 'listed, 0 running, 1 queued'
stop_daemon KILL
start_daemon
ctl once
out "one that waits for its condition waits again" '^flag '
touch "$scratch/flag"
wait_until_gone flag
[ "$(tail -n 1 "$scratch/ran")" = flag ] && [ "$(wc -l <"$scratch/ran")" = 2 ]
ok $? "and runs once"

ctl pause --all
ctl once --in=1h --name=paused -- /bin/sh -c "echo paused >>'$scratch/ran'"
kill_until_later paused
ctl once
out "one that is paused stays" '^paused '
ctl resume --all
wait_until_gone paused
[ "$(tail -n 1 "$scratch/ran")" = paused ]
ok $? "and runs after the pause"

ctl once --in=1h --name=slow -- /bin/sh -c "echo >'$scratch/started'; read line <'$scratch/release'"
ctl run slow
wait_for_run
ctl cancel slow
out "a run by hand is cancelled" '^Run [0-9]+ is being cancelled'
ctl once
out "and the job waits for its time" '^slow '

# --- a daemon of somebody else, as behind --host=, says what it likes ---

stop_daemon TERM
exec 7< <(exec "${0%/*}/false-daemon.py" "$scratch/false" $'\033]0;owned\007')
read -r _ <&7
"$VAKTCTL_BIN" --socket="$scratch/false" -q once --in=1h -- /bin/true >"$scratch/out" 2>"$scratch/err"
status=$?
ends 0 "once with --quiet"
out "escapes the name that it is told" '^\\x1B\]0;owned\\x07$'
exec 7<&-

echo "1..$number"
