#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl against a real daemon without any bus, in a scratch directory: what each verb prints, and every exit code.
# Wants VAKTD_BIN and VAKTCTL_BIN; VAKTD_WRAPPER is put before the daemon. TAP on standard output.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

job hello <<'END'
[Job]
Description=Grüßt, with a description that is far too long for any terminal that people still sit in front of
Tags=first second
[Timer]
OnInterval=1d
[Run]
Shell=echo to output; echo to error >&2; printf 'a bell \a here\n'
END
job fail <<<$'[Run]\nShell=exit 7'
job killed <<<$'[Run]\nShell=kill -TERM $$'
job late <<<$'[Run]\nShell=exec sleep 1000\nTimeoutSec=50ms'
job off <<<$'[Job]\nEnabled=no\n[Run]\nExec=/bin/true'
job slow <<END
[Run]
Shell=echo >"$scratch/started"; read line <"$scratch/release"
END
job only <<END
[Run]
Shell=echo >"$scratch/started"; read line <"$scratch/release"
Overlap=skip
END

# --- without a daemon ---

ctl list
ends 6 "list without a daemon"
err "it says how to start one" "vaktd does not answer at $socket .*start it"
ctl --help
ends 0 "--help"
out "--help names the verbs" '^  reload '
! grep -E '^.{81}' "$scratch/out" >/dev/null
ok $? "no line of it is wider than a terminal"
ctl pause --help
out "the help of a verb has its options" '^     --until=TIME '
! grep -e --lines "$scratch/out" >/dev/null
ok $? "and no others"
ctl hello run
ends 2 "a verb behind the job"
err "is said to come first" "^Unknown verb 'hello'. The verb comes first: 'vaktctl run hello'\.$"
ctl --version
ends 0 "--version"
for usage in "no-such-verb" "list --sort=size" "list --state=failed" "run" "plan a b" "--no-such-option" "-x" "--wait list" "-n x history" "--lines" \
        "run hello --json --follow" "why" "why a b c" "plan" "plan a b" "plan a --limit=0" "plan a --json -0" \
        "list --null" "list --limit=1" "skip" "skip hello x" "skip hello -- -1" "skip hello 4294967296" \
        "pause hello --until=yesterday" "pause hello --until=nonsense" "resume hello --until=tomorrow" \
        "pause" "resume" "pause hello --all" "resume --all hello" "pause --all --until=tomorrow" "reset-failed" \
        "list --all" "log" "log a b" "log hello --output=fancy" "log hello --json --output=cat" \
        "log hello --since=nonsense" "log hello --until=yesterday --since=today" "log hello -p loud" "log hello -p info..8" "log hello -g (" "list --since=today" "history --result=nonsense" \
        "history --result=exit,,signal" "history --cause=nobody" "history --since=nonsense" \
        "history --since=today --until=yesterday" "status --result=exit" \
        "calendar" "-n 100001 calendar daily" "--from=nonsense calendar daily" "--timezone=No/Where calendar daily" \
        "test" "test load1" "test load1 > much" "test load1 > 1 and" "list --watch" \
        "list --cron" "list --pid=1" "reload --pid=x" "reload --pid=0"; do
        # shellcheck disable=SC2086 # words
        ctl $usage
        ends 2 "'$usage'"
done
while read -r given meant; do
        ctl "$given"
        ends 2 "'$given'"
        err "'$given' is told '$meant'" "Did you mean '$meant'\?"
done <<'END'
start run
statsu status
reset reset-failed
daemon-reload reload
--folow --follow
--pager --no-pager
END
ctl frobnicate
err "a verb that is near none" "^Unknown verb 'frobnicate'; see 'vaktctl --help'\."
ctl check "$jobs/hello.job" "$jobs/fail.job"
ends 0 "check of good files"
out "check says how many" '^2 files checked, no problems\.'
ctl check hello
ends 1 "check of the name of a job"
out "asks for a path" '^hello: The file does not exist. Write the path of a file, and not the name of a job\.$'
ctl check "$jobs"
ends 1 "check of a directory"
out "says that it is one" "^$jobs: This is a directory\."
printf '[Run]\nExec=/bin/true\nNoSuchKey=1\n' >"$scratch/bad.job"
chmod 644 "$scratch/bad.job"
ctl check "$jobs/hello.job" "$scratch/bad.job"
ends 1 "check of a bad file"
out "check gives file, line and message" "^$scratch/bad\.job:3: .*NoSuchKey"
printf '[Monitor]\nWhen=online and disk-fre / < 10%%\n[Run]\nExec=/bin/true\n' >"$scratch/monitor.job"
chmod 644 "$scratch/monitor.job"
ctl check "$scratch/monitor.job"
out "check gives the column of a condition" "^$scratch/monitor\.job:2: .*column 12: \"disk-fre\" is not .*\"disk-free\"\?"
ctl --json check "$scratch/bad.job"
json "check in JSON" "[(d['file'], d['line'], d['severity']) for d in j] == [('$scratch/bad.job', 3, 'error')]"
mkdir -p "$scratch/config/vaktd/jobs.d"
cp "$scratch/bad.job" "$scratch/config/vaktd/jobs.d/"
printf '[Manager]\nMaxRunning=many\n' >"$scratch/config/vaktd/vaktd.conf"
XDG_CONFIG_HOME=$scratch/config ctl --user check
ends 1 "check of all files"
out "check reads job directories" "^$scratch/config/vaktd/jobs.d/bad.job:3: "
out "check reads the settings" "^$scratch/config/vaktd/vaktd.conf:2: "


# --- check: warnings ---

draft() { # TEXT: checks a job file
        printf '%b' "$1" >"$scratch/draft.job"
        chmod 644 "$scratch/draft.job"
        ctl check "$scratch/draft.job"
}
warns() { # NAME TEXT REGEX
        draft "$2"
        ends 0 "check warns: $1"
        out "the warning: $1" "^$scratch/draft\.job:? ?[0-9]*:? ?Warning: $3"
}
warns "no such program" '[Run]\nExec=/no/such x\n' 'Exec=/no/such: There is no such program\.'
warns "not in PATH" '[Run]\nExec=no-such x\n' 'Exec=no-such: There is no such program in PATH\.'
warns "not executable" '[Run]\nExec=/etc/passwd\n' 'Exec=/etc/passwd: The file is not executable\.'
warns "a directory" '[Run]\nExec=/usr\n' 'Exec=/usr: The file is not executable\.'
warns "unknown user" '[Run]\nExec=/bin/true\n[Service]\nUser=no-such-user\n' 'User=no-such-user does not exist\.'
warns "unknown group" '[Run]\nExec=/bin/true\n[Service]\nGroup=no-such-group\n' 'Group=no-such-group does not'
warns "no environment file" '[Run]\nExec=/bin/true\n[Service]\nEnvironmentFile=-/no/a\nEnvironmentFile=/no/b\n' \
        'EnvironmentFile=/no/b does not exist'
warns "no unit" '[Run]\nUnit=no-such.service\n' 'Unit=no-such\.service: There is no file of such a unit\.'
warns "never elapses" '[Timer]\nOnCalendar=2001-01-01\n[Run]\nExec=/bin/true\n' \
        'OnCalendar=2001-01-01 never elapses again\.'
warns "never elapses, cron" '[Timer]\nOnCron=0 0 30 2 *\n[Run]\nExec=/bin/true\n' 'OnCron=0 0 30 2 \* never'
warns "unknown job" '[Job]\nOnFailure=no-such\n[Run]\nExec=/bin/true\n' 'OnFailure=no-such: There is no such job\.'
warns "a suffix" '[Job]\nOnFailure=x.job\n[Run]\nExec=/bin/true\n' 'OnFailure=x\.job: .* Write the name without \.job\.'
warns "no effect" '[Run]\nExec=/bin/true\nOverlap=skip\nQueueMax=3\n' 'QueueMax= has no effect without Overlap=queue\.'
warns "never due" '[Rotate]\nPath=/var/log/x/*.log\nMaxAge=7d\n' 'MaxAge= is looked at .* no trigger'
ctl --strict check "$scratch/draft.job"
ends 1 "--strict"
ctl --json check "$scratch/draft.job"
json "a warning in JSON" "[(d['severity'], d['message'].split()[0]) for d in j] == [('warning', 'MaxAge=')]"
ctl --strict list
ends 2 "--strict of another verb"
draft '[Job]\nOnFailure=draft-b t@x\n[Timer]\nOnCron=@reboot\n[Run]\nExec=true\n[Service]\nUser=0\nEnvironmentFile=/no/*\n'
out "jobs next to the draft are looked for" 'OnFailure=draft-b: '
printf '[Run]\nExec=/bin/true\n' | tee "$scratch/draft-b.job" >"$scratch/t@.job"
ctl --strict check "$scratch/draft.job"
ends 0 "nothing to warn about"
pushd "$scratch" >/dev/null || exit
ctl --strict check draft.job
ends 0 "nor from the directory of the draft"
popd >/dev/null || exit
draft '[Run]\nExec=/no/such\nFoo=1\n'
ends 1 "a problem is a problem"
rm "$scratch"/draft*.job "$scratch/t@.job"
mkdir -p "$scratch/passed/vaktd/jobs.d/"{sub,gone.job.d,there.job.d,t@x.job.d}
(
        cd "$scratch/passed/vaktd/jobs.d" || exit
        touch backup.jobs README .hidden old.job~
        printf '[Run]\nExec=/bin/true\n' | tee there.job >t@.job
        printf '[Rotate]\nPath=/var/log/x/a.log\nPath=/var/log/x/*.log\n' | tee one.job >two.job
        printf '[Rotate]\nPath=/var/log/x/*.log\nExclude=b*\n' >three.job
        printf '[Job]\nEnabled=no\n[Rotate]\nPath=/var/log/x/*.log\n' >four.job
        chmod -R go-w .
)
XDG_CONFIG_HOME=$scratch/passed ctl --user check
ends 0 "check of a directory with what is passed over"
out "a file" "/jobs\.d/backup\.jobs: Warning: The file is not read"
out "a directory" "/jobs\.d/sub: Warning: The directory is not read"
out "drop-ins" "/jobs\.d/gone\.job\.d: Warning: The drop-ins are not read"
out "two jobs with one log" "/jobs\.d/two\.job: Warning: Path=/var/log/x/a\.log of \[Rotate\] is in .*/one\.job, too"
out "two jobs with one pattern" "/jobs\.d/two\.job: Warning: Path=/var/log/x/\*\.log of \[Rotate\] is in .*/one\.job, too"
out "and nothing else" 'no problems, 5 warnings\.$'

# --- test, without a daemon ---

ctl test 'memory-available >= 0% and not listening unix /no/where'
ends 0 "test of a true condition"
out "a row for each test" '^memory-available +[0-9.]+% .* +>= 0% +every 1s +true$'
out "and one without a limit" '^listening unix /no/where +no +- +every 1s +false$'
out "the truth of all" '^The condition is true\.$'
ctl test memory-available '<' 0%
ends 1 "test of a false condition, in words"
out "that is false" '^The condition is false\.$'
export VAKTD_PROGRAM_DIR=${VAKTD_BIN%/*}/exec # where vakt-probe is
ctl test 'temperature no-such-zone > 1'
ends 7 "test of what is unknown"
out "with the reason" 'unknown: The machine has no thermal zone and no sensor called no-such-zone\.$'
ctl test 'temperature no-such-zone > 1 or memory-available >= 0%'
ends 0 "unknown or true"
ctl --json test 'job hello is running or listening unix /no/where'
ends 7 "test of a job without a daemon"
json "test in JSON" "(j['result'], [(t['test'], t['result'], t['source']) for t in j['tests']]) == \
        ('unknown', [('job hello is running', 'unknown', 'daemon'), ('listening unix /no/where', 'false', 'sample')])"
ctl test 'load1 > 1 or load2 > 1'
ends 2 "test of an invalid condition"
err "the column of the problem" '\(column 14\)'
exec 7< <(exec "$VAKTCTL_BIN" test --watch "listening unix $scratch/later" 2>&1)
watcher=$!
watched() { # TEXT: reads lines until one contains it
        while read -rt 60 line <&7; do
                [[ $line != *"$1"* ]] || return 0
        done
        return 1
}
watched "The condition is false."
ok $? "test --watch prints the state"
python3 -c 'import signal, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
signal.pause()' "$scratch/later" &
listener=$!
watched "listening unix $scratch/later: yes, true"
ok $? "and each change"
watched "The condition is now true."
ok $? "and of the condition"
kill $listener
watched "The condition is now false."
ok $? "and back"
kill -INT $watcher
! watched "nothing"
ok $? "and ends when it is interrupted"
exec 7<&-

# --- calendar, without a daemon ---

ctl calendar 'Mon,Fri 12:00' -n 2 --from='2026-03-28 10:00' --timezone=Europe/Oslo
ends 0 "calendar"
sed -i 's/^\( *From now: \).*/\1…/' "$scratch/out"
cmp -s - "$scratch/out" <<'END'
  Original form: Mon,Fri 12:00
Normalized form: Mon,Fri *-*-* 12:00:00
    Next elapse: Mon 2026-03-30 12:00:00 CEST
       (in UTC): Mon 2026-03-30 10:00:00 UTC
       From now: …
       Iter. #2: Fri 2026-04-03 12:00:00 CEST
       (in UTC): Fri 2026-04-03 10:00:00 UTC
       From now: …
END
ok $? "calendar prints what systemd-analyze calendar does"
ctl calendar '*-*-* 02:30:00 Europe/Oslo' --from=2026-03-29
out "a time that does not exist is told of" '^ +Clock change: Sun 2026-03-29 02:30 does not exist in Europe/Oslo: it is left out$'
out "a zone of the expression's own is shown" '^  \(in its zone\): Mon 2026-03-30 02:30:00 CEST$'
ctl calendar --cron '30 2 * * *' '5,10 2 * * *' --timezone=Europe/Oslo --from=2026-03-29
out "with what is made up for" 'Sun 2026-03-29 02:30 does not exist in Europe/Oslo: it runs at 03:00$'
out "several of one gap" 'Sun 2026-03-29 02:05 and 02:10 do not exist in Europe/Oslo: they run once, at 03:00$'
ctl calendar '2026-03-29 02:30 Europe/Oslo' --from=2026-01-01
out "a gap on the way to never" 'it is left out$'
out "never" '^ +Next elapse: never$'
ctl calendar '*-*-* 12:00 Pacific/Apia' -n 2 --from=2011-12-29
out "a day that does not exist" 'Fri 2011-12-30 12:00 does not exist in Pacific/Apia: it is left out$'
ctl calendar '*:*:0/0.0001 Europe/Oslo' '*:0/15 Europe/Oslo' -n 2 --from='2026-03-29 01:59:59.9998 Europe/Oslo'
out "more than can be counted" 'Sun 2026-03-29 02:00 and 999 times or more after it do not exist in Europe/Oslo: they are left out$'
out "a range" 'Sun 2026-03-29 02:00 to 02:45 do not exist in Europe/Oslo: these times are left out$'
ctl calendar '02:30 Europe/Oslo' --from=2026-10-25
out "a time that comes twice" 'Sun 2026-10-25 02:30 comes twice in Europe/Oslo: this is the first time, the second does not count$'
ctl calendar --cron '30 * * * *' -n 2 --timezone=Europe/Oslo --from='2026-10-25 01:30'
out "and counts twice" 'this is the first time, the second counts as well$'
ctl calendar --cron '*/5 * * * *'
out "a step is normalized" '^Normalized form: 0 \*/5 \* \* \* \*$'
ctl calendar --cron '30 * * * *' '@weekly' '@reboot' daily
ends 0 "calendar --cron"
out "cron is normalized" '^Normalized form: 0 30 \* \* \* \*$'
out "@reboot has no time" '^ +Next elapse: when vaktd is first started after boot$'
out "a calendar expression stays one" '^Normalized form: \*-\*-\* 00:00:00$'
ctl calendar '30 * * * *' '*-*-* 25:00' daily
ends 1 "calendar with expressions that are none"
err "it tells what takes cron expressions" 'Use --cron to accept cron expressions\.$'
err "it tells the column" '^Invalid calendar expression: .* \(column 7\)\.$'
err "it marks the place" '^          \^$'
out "the others are shown" '^Normalized form: \*-\*-\* 00:00:00$'
printf 'daily\n*-*-* 25:00\n2020-01-01\nUTC\n' >"$scratch/expressions"
printf 'a\0b\n%0100001d' 0 >>"$scratch/expressions"
ctl --json calendar -n 2 --from=@1700000000 Mon - <"$scratch/expressions"
ends 1 "calendar in JSON with a bad one"
[ "$(grep -c '^{.*}' "$scratch/out")" = 7 ] && [ ! -s "$scratch/err" ]
ok $? "one object a line and nothing else"
python3 -c '
import json, sys
j = json.load(sys.stdin)
assert j[0] == {"expression": "Mon", "normalized": "Mon *-*-* 00:00:00", "elapses_usec": [1700438400000000, 1701043200000000], "error": None, "column": None}
assert j[1]["elapses_usec"] == [1700006400000000, 1700092800000000]
assert j[2]["normalized"] is None and j[2]["column"] == 7
assert j[3]["elapses_usec"] == []
assert all(o["error"] for o in j[4:]) and len(j[6]["expression"]) == 100000' <"$scratch/out" 2>>"$scratch/err"
ok $? "calendar in JSON"
TZ=CET-1CEST ctl calendar daily
ends 2 "calendar with a TZ that names no zone"

# --- looking ---

printf '[Pool disk]\nSlots=2\n' >"$scratch/vaktd.conf"
start_daemon
ctl
ends 0 "list"
out "list has titles" '^JOB +STATE +LAST +NEXT +RUNS +DESCRIPTION$'
out "list shows a job that is due" '^hello +waiting +- +in 23h 59min +0 Grüßt, .* in front of$'
out "list shows a disabled job" '^off +disabled '
out "list ends with a legend" '^7 jobs listed, 0 running, 1 disabled\.$'
ctl --no-legend
[ "$(wc -l <"$scratch/out")" = 7 ]
ok $? "--no-legend prints the jobs alone"
SYSTEMD_COLORS=1 ctl list
out "SYSTEMD_COLORS forces colours" $'\x1b'
SYSTEMD_COLORS=1 ctl --no-color list
! grep -q $'\x1b' "$scratch/out"
ok $? "--no-color has the last word"
ctl --json list
json "list in JSON" "[r['job'] for r in j] == ['fail', 'hello', 'killed', 'late', 'off', 'only', 'slow'] and j[0]['next_usec'] is None and j[1]['next_usec'] > 10**15 and j[0]['runs'] == 0"
VAKTD_SOCKET=$socket "$VAKTCTL_BIN" -q list >"$scratch/out" 2>"$scratch/err"
ok $? "VAKTD_SOCKET names the socket"
ctl status
ends 0 "status"
out "status shows the daemon" '^ +Jobs: 7$'
out "and what runs are" '^ +Runs are: children of vaktd$'
ctl --json status
json "status in JSON" "j['jobs'] == 7 and not j['paused'] and j['executor'] == 'child' and j['pools'] == [{'pool': 'disk', 'slots': 2, 'running': 0, 'waiting': 0}] and j['diagnostics'] == [] and j['started_usec'] > 10**15"
ctl status hello off
ends 0 "status of jobs"
out "status shows the file" "^ +File: $jobs/hello\.job$"
out "status shows triggers" '^ +Triggers: OnInterval=1d$'
out "status shows the second job" '^\S+ off$'
ctl --json status hello
json "status of a job in JSON" "j['job'] == 'hello' and j['tags'] == ['first', 'second'] and j['triggers'] == [{'key': 'OnInterval', 'value': '1d'}] and j['last_runs'] == []"
ctl history
ends 0 "history of nothing"
out "history says that nothing ran" '^Nothing has run yet'
for verb in "status" "history" "history --result=failed" "log" "log --all-runs" "log --follow" "reset-failed" "cat" \
        "run" "run --wait" "run --follow" "pause" "pause --until=tomorrow" "resume" "skip" "why" "plan" "cancel"; do
        # shellcheck disable=SC2086 # words
        ctl $verb no-such-job
        ends 4 "$verb of a job that is not there"
done
for verb in cancel status log "log -f"; do
        # shellcheck disable=SC2086 # words
        ctl $verb 4711
        ends 4 "$verb of a run that is not there"
done
ctl status hello no-such-job off
ends 4 "status with one job that is not there"
out "the others are shown" '^\S+ off$'

# --- running ---

ctl run hello --wait
ends 0 "run --wait"
out "run --wait tells the result" '^Run 1 of job hello succeeded after [0-9.]+[mu]?s\.$'
out "and what it used" '^It used [0-9.]+[mu]?s of CPU'
ctl --json run hello --wait
json "run --wait in JSON" "j['job'] == 'hello' and j['state'] == 'done' and j['result'] == 'success' and j['cause'] == 'manual' and j['ended_usec'] >= j['started_usec'] > 0"
ctl -q --wait run hello
grep -qx "[0-9]\+" "$scratch/out"
ok $? "-q prints its number only"
ctl run fail --wait
ends 3 "run --wait of a job that fails"
err "it tells the exit code" '^Run [0-9]+ of job fail failed with exit code 7 after '
ctl run killed --wait
ends 3 "run --wait of a job that is killed"
err "it tells the signal" 'was killed by signal TERM after '
ctl run hello --follow
ends 0 "run --follow"
printf 'to output\na bell \a here\n' | cmp -s - "$scratch/out"
ok $? "--follow prints the output as it is"
err "--follow prints standard error" '^to error$'
err "--follow tells the result on standard error" '^Run [0-9]+ of job hello succeeded '
job paint <<<$'[Run]\nShell=printf "\\\\033]0;owned\\\\007\\\\302\\\\233 \\\\tgr\\\\303\\\\274n\\\\n"'
ctl -q reload
ctl -q run paint --wait
ends 0 "a run that paints"
grep -q '\\x1B]0;owned\\x07\\xC2\\x9B .grün$' "$scratch/log" && ! grep -q $'[\033\007]\|\302\233' "$scratch/log"
ok $? "what it prints drives no terminal from the daemon's standard error"
job fast <<<$'[Run]\nShell=seq 300000; echo LAST'
job wide <<<$'[Run]\nShell=printf "%%40000s\\n" x'
ctl reload
ctl run fast --follow
ends 0 "run --follow of a job that writes faster than it is read"
[ "$(tail -n 1 "$scratch/out")" = LAST ]
ok $? "--follow keeps the end of the output"
[ "$(wc -l <"$scratch/out")" = 300001 ] || grep -q '^\[vaktd dropped [0-9]* lines' "$scratch/err"
ok $? "--follow says so when it leaves out lines"
ctl run wide --follow
[ "$(wc -l <"$scratch/out")" = 1 ] && [ "$(wc -c <"$scratch/out")" = 40001 ]
ok $? "--follow prints a long line as one"
rm "$jobs/fast.job" "$jobs/wide.job"
ctl reload
ctl -q run fail --follow
ends 7 "run --follow of a job that fails, as the run did,"
ctl -q run killed --follow
ends 143 "run --follow of a job that is killed by SIGTERM"
ctl run late --follow
ends 3 "run --follow of a job that takes too long"
ctl run off
ends 1 "run of a disabled job"
err "it says why" 'disabled'

ctl -q run only
id=$(cat "$scratch/out")
[ "$status" = 0 ] && [ -n "$id" ] && [ -z "${id//[0-9]/}" ]
ok $? "run -q prints the bare number"
ctl -q run fail --wait
ends 3 "run -q --wait of a job that fails"
out "run -q --wait prints the bare number, too" '^[0-9]+$'
wait_for_run
ctl list
out "list shows the run" '^only +running '
ctl --failed list
out "list --failed shows the failure in words" '^fail +waiting +failed \(exit 7\), '
! grep -q '^hello ' "$scratch/out"
ok $? "list --failed leaves out what succeeded"
ctl --json list
python3 - "$scratch/out" >"$scratch/order" <<'EOF'
import json, sys
last = {j["job"]: (j["last_end_usec"] or j["last_start_usec"] or 0) for j in json.load(open(sys.argv[1]))}
print(*sorted(last, key=lambda name: (-last[name], name)))
EOF
ctl --sort=last --no-legend list
[ "$(sed 's/^[^A-Za-z0-9]*\([^ ]*\).*/\1/' "$scratch/out" | tr '\n' ' ')" = "$(cat "$scratch/order") " ]
ok $? "list --sort=last begins with the job that ran last"
ctl --state=running list
[ "$(grep -c '^[a-z].* running ' "$scratch/out")" = 1 ] && grep -q '^only ' "$scratch/out"
ok $? "list --state shows jobs in that state only"
ctl list 'f*' nothing
out "list with patterns" '^1 job listed, 0 running, 1 failed\.$'
ctl --sort=last --full list
out "list --full shows absolute times" '^hello +waiting +succeeded, [A-Z][a-z]{2} [0-9]{4}-[0-9-]+ [0-9:]+ '
ctl list
out "list counts it" ', 1 running, .*[0-9] failed, '
ctl run only
ends 1 "run that is refused"
err "it says why" '^Run [0-9]+ of job only was refused: '
ctl -q run only
ends 1 "run -q that is refused"
[ "$(cat "$scratch/out")" -gt "$id" ]
ok $? "run -q prints the number of that one, too"
ctl run only --wait
ends 3 "run --wait that is refused"
err "it says why" '^Run [0-9]+ of job only was refused: '
ctl cancel "$id"
ends 0 "cancel of a run"
ctl cancel only
ends 0 "cancel of a job"
ctl --json cancel hello
json "cancel of nothing in JSON" "j == []"

"$VAKTCTL_BIN" --socket="$socket" run slow --wait >"$scratch/out" 2>"$scratch/err" &
waiter=$!
wait_for_run
kill -INT $waiter
status=0
wait $waiter || status=$?
ends 130 "run --wait that is interrupted"
err "it says that the run goes on" '^Run [0-9]+ of job slow continues; use .vaktctl cancel [0-9]+. to end it\.$'
release_run

ctl history fail
ends 0 "history of a job"
out "history tells the exit code" '^ *[0-9]+ +manual +exit 7 +20[0-9-]+ [0-9:]+ +[0-9.]+[mu]?s'
ctl --json -n 2 history
json "history -n in JSON" "len(j) == 2 and j[0]['run'] > j[1]['run']"
ctl --json history fail -n 1
json "all columns" "list(j[0]) == ['run', 'job', 'cause', 'state', 'result', 'code', 'reason', 'attempt', 'scheduled_usec', 'requested_usec', 'started_usec', 'ended_usec', 'object', 'unit', 'invocation', 'cpu_usec', 'memory_peak', 'parent_run', 'parent_job', 'payload', 'files', 'bytes_freed']"
ctl --json history --result=failed -n 1000
json "history of failures" "{r['result'] for r in j} == {'exit', 'signal', 'timeout'}"
ctl --json history --result=exit,signal
json "history of results" "{r['result'] for r in j} == {'exit', 'signal'}"
ctl --json history --result=skipped --cause=manual only
json "history by result, cause and job" "[(r['job'], r['result']) for r in j] == [('only', 'skipped')] * 3"
ctl history --cause=timer
ends 0 "history that matches nothing"
out "it says so" '^No run matches\.$'
ctl --json history --cause=timer
json "and prints none in JSON" "j == []"
ctl history --until=2000-01-01
out "history until a time" '^No run matches\.$'
ctl history --since=2000-01-01 --until=tomorrow hello
out "history between times" '^ *1 +manual +success '
ctl history --since='2000-01-01 00:00' -n 2
[ "$(wc -l <"$scratch/out")" = 3 ]
ok $? "history -n with a filter"
ctl history --result=nonsense
err "a wrong word names the right ones" "^--result requires a list, separated by commas, of failed, success, exit, .*, not 'nonsense'\."

# --- a run ---

ctl status 1
ends 0 "status of a run"
out "it names the job" '^\S+ run 1 - of job hello$'
out "it tells the result" '^ +Result: success$'
out "it tells the cause" '^ +Cause: manual$'
out "it tells how long it took" '^ +Took: [0-9.]+[mu]?s$'
out "it tells what it used" '^ +CPU: [0-9.]+[mu]?s$'
ctl --json status 1 fail
json "status of a run in JSON" "(j[0]['run'], j[0]['job'], j[0]['status_text'], j[0]['pid']) == (1, 'hello', None, None) and j[0]['cpu_usec'] > 0 and j[0]['host'] and j[1]['job'] == 'fail'"
ctl log hello
case $status in
0 | 1) err "log without any line of it in a journal says where else to look" 'its own standard error' ;;
*) err "log without the right to read the journal says so" 'systemd-journal' ;;
esac
ctl status fail
ends 3 "status of a job that failed"
out "status tells the result as list does" '^ +Last: failed \(exit 7\), .* ago \('
ctl status hello fail
ends 3 "status of one that failed and one that did not"
ctl status
out "status of the daemon names jobs that failed" '^ +Failed: fail: failed \(exit 7\), .* ago$'
ctl is-failed fail
ends 0 "is-failed of a job that failed"
out "it says how" '^failed \(exit 7\)$'
ctl -q is-failed hello
ends 1 "is-failed of one that did not"
[ ! -s "$scratch/out" ]
ok $? "and -q says nothing"
ctl is-failed 'h*' 'f*'
ends 0 "is-failed of patterns of which one matches a failure"
out "it names them" '^hello: succeeded$'
ctl is-failed no-such-job
ends 4 "is-failed of no job"
ctl is-failed 'no-such*'
ends 1 "is-failed of a pattern that matches nothing"
ctl --json status fail
json "status shows the last runs" "[r['code'] for r in j['last_runs']] == [7, 7, 7]"

# --- what makes no job, what is in force, what goes on ---

ln -s /dev/null "$jobs/gone.job"
job many@ <<<$'[Run]\nExec=/bin/echo %i'
ctl status gone
ends 0 "status of a masked job"
out "it says so" "^ +File: $jobs/gone\.job \(a link to /dev/null\)$"
ctl status many@
out "status of a template" '^ +State: template$'
out "tells how to run it" "^ +Instances: 'vaktctl run many@NAME'$"
rm "$jobs/gone.job" "$jobs/many@.job"
mkdir "$jobs/hello.job.d"
printf '[Run]\n' >"$jobs/hello.job.d/10-more.conf"
ctl status hello
out "status shows drop-ins" "^ +Drop-ins: $jobs/hello\.job\.d/10-more\.conf$"
rm -r "$jobs/hello.job.d"
ctl run slow
wait_for_run
ctl status slow
out "status shows the run that goes on, and its process" '^ +Active: run [0-9]+, main PID [0-9]+$'
ctl cancel slow
for ((SECONDS = 0; SECONDS < 60;)); do
        ctl why slow
        ! grep -q '^last:' "$scratch/out" || break
done
out "why tells of a run that was cancelled" '^last: +Run [0-9]+ of .* was cancelled: '
ctl run slow
wait_for_run
release_run
for ((SECONDS = 0; SECONDS < 60;)); do
        ctl --json history slow -n 1
        ! grep -q success "$scratch/out" || break
done
ctl why slow
! grep -q '^last:' "$scratch/out"
ok $? "and no more after a success"

# --- changing ---

ctl pause hello fail
ends 0 "pause"
ctl list
out "list shows what is paused" '^hello +paused '
ctl --json resume hello fail
json "resume in JSON" "j == [{'job': job, 'paused': False, 'until_usec': None} for job in ('hello', 'fail')]"
ctl pause no-such-job hello
ends 4 "pause with one job that is not there"
ctl resume hello
ends 0 "resume"
ctl pause hello --until='2199-01-01 UTC'
ends 0 "pause --until"
out "it tells the end" '^Job hello is paused until Tue 2199-01-01 00:00:00 UTC'
ctl status hello
out "status shows the end" '^ +Paused: until Tue 2199-01-01 00:00:00 UTC \(in 17[0-9]y[ )]'
out "and what becomes of elapses till then" '^ +Next: in .* UTC\), refused while it is paused$'
ctl --json status hello
json "status shows it in JSON" "j['paused'] and j['pause_until_usec'] == 7226582400000000"
ctl test job fail is failed and not job hello is failed and not job hello is running and not job hello is overdue
ends 0 "test of jobs, which the daemon answers,"
out "it says so" '^job fail is failed +yes +- +daemon +true$'
ctl test job nobody is failed
ends 7 "test of a job that is not there"
out "the reason is that of the daemon" "unknown: There is no job 'nobody'"
ctl why hello
ends 0 "why"
out "why tells of a pause" '^paused: +It is paused until '
ctl --json why hello
json "why in JSON" "j['job'] == 'hello' and j['path'] is None and 'paused' in [s['topic'] for s in j['reasons']]"
ctl --json pause hello --until='2199-01-01 UTC'
json "pause --until in JSON" "j == [{'job': 'hello', 'paused': True, 'until_usec': 7226582400000000}]"
ctl -q resume hello
ctl --json status hello
json "status shows elapses in JSON" "not j['paused'] and j['pause_until_usec'] is None and len(j['next_elapses_usec']) == 5 and abs(j['next_elapses_usec'][0] - j['next_usec']) < 10**6"
ctl status hello
[ "$(grep -cE '^ +(Next: )? *in .*UTC\)$' "$scratch/out")" = 5 ]
ok $? "status shows five elapses"
ctl skip hello
ends 0 "skip"
out "skip says so" '^Job hello skips its next occurrence'
ctl --json skip hello 2
json "skip in JSON" "j == {'job': 'hello', 'skip': 2}"
ctl status hello
out "status shows what is skipped" '^ +Skips: the next 2 occurrences$'
[ "$(grep -c 'UTC), skipped$' "$scratch/out")" = 2 ]
ok $? "and which elapses those are"
ctl list hello
out "list shows that the next one is skipped" '^hello .* in [^ ]+( [^ ]+)?, skipped '
ctl --json list hello
json "list shows in JSON how many are" "j[0]['skip'] == 2"
ctl why hello
out "why tells of it" '^skip: +The next 2 occurrences '
ctl skip hello 0
out "skip 0 takes it back" '^Job hello skips nothing\.$'
ctl --json status hello
json "status shows no skip" "j['skip'] == 0"
ctl pause --all
ends 0 "pause --all"
out "it says so" '^All jobs are paused: no trigger starts them until .vaktctl resume --all.\.$'
ctl list
[ "$(head -n 1 "$scratch/out")" = "All jobs are paused: no trigger starts them until 'vaktctl resume --all'." ]
ok $? "list says so above everything"
ctl --no-legend list
! grep -q '^All jobs' "$scratch/out"
ok $? "but not without a legend"
ctl status
out "status says so" '^ +Paused: all jobs, until'
ctl --json status
json "status says so in JSON" "j['paused']"
ctl pause hello
ctl resume hello
ends 0 "resume of one while all are paused"
out "it says that they are" "^Job hello is no longer paused by name, but all jobs are paused: .*resume --all"
ctl --json resume --all
json "resume --all in JSON" "j == [{'job': None, 'paused': False, 'until_usec': None}]"
ctl list
! grep -q '^All jobs' "$scratch/out"
ok $? "list says nothing any more"
ctl --json reset-failed fail
json "reset-failed in JSON" "j == [{'job': 'fail'}]"
ctl list
out "reset-failed forgets the last result" '^fail +waiting +- '
job policy <<'END'
[Job]
SlowSec=1ms
OnAlarm=page
[Run]
Exec=/bin/sleep 1000
Retry=3
Priority=5
Pool=disk
END
job page <<<$'[Run]\nShell=echo >'"$scratch/started"
job named <<<$'[Run]\nExec=/bin/true\nPool=lock\nRetry=infinity'
job fortnight <<<$'[Timer]\nOnInterval=2w\nAnchor=2026-01-05 03:00\nTimeZone=Europe/Oslo\n[Run]\nExec=/bin/true'
ctl reload
ctl status fortnight
grep -A1 '^ *Triggers: OnInterval=2w$' "$scratch/out" | grep -qx ' *Anchor=Mon 2026-01-05 03:00:00 CET'
ok $? "status shows the anchor of an interval"
job again <<<$'[Run]\nExec=/bin/false\nRetry=1\nRetryDelaySec=1h'
ctl reload
ctl -q run again --wait
ctl list again
out "list counts a retry that waits as such only" '^1 job listed, 0 running, 1 failed, 1 retrying\.$'
ctl -q cancel again
rm "$jobs/fortnight.job" "$jobs/again.job"
ctl reload
ends 0 "reload"
out "reload says so" '^Reloaded\.$'
ctl status policy named
out "status shows the retries" '^ +Retry: up to 3 times after a failure$'
out "status shows the priority" '^ +Priority: 5$'
out "status shows the pool" '^ +Pool: disk: 0 of 2 slots taken, 0 wait$'
out "status shows endless retries" '^ +Retry: until it succeeds$'
out "status shows a pool that nobody is in" '^ +Pool: lock: not in use$'
ctl -q run policy
wait_for_run # page
ctl status policy
out "status shows an alarm" '^ +Alarm: Run [0-9]+ takes longer than 1ms \(SlowSec=\)\. \(.*\)$'
ctl --json status policy
json "status shows it in JSON" "[a['key'] for a in j['alarms']] == ['slow'] and (j['pool'], j['priority'], j['retry']) == ('disk', 5, 3)"
ctl status
out "status shows a pool in use" '^ +Pools: disk: 1 of 2 slots taken, 0 wait$'
ctl history page -n 1
out "history shows what an alarm asked for" '^ *[0-9]+ +chain '
ctl --json history page -n 1
ctl --json status "$(sed -nE 's/^.*"run":([0-9]+),.*$/\1/p' "$scratch/out")"
json "status of that run tells the alarm" "j['alarm'] == 'slow' and j['parent_job'] == 'policy'"
ctl cancel policy
rm "$jobs/policy.job" "$jobs/named.job" "$jobs/page.job"
for name in same edited gone extended template@; do
        job "$name" <<<$'[Run]\nExec=/bin/true'
done
mkdir "$jobs/extended.job.d" "$jobs/template@.job.d"
ctl -q reload
ctl -q run template@one --wait
ctl list
! grep -q 'changed on disk' "$scratch/out"
ok $? "list shows no job whose files were read"
# The clock of files is some milliseconds late, so a file is written until it is later than one of after the reload.
touch "$scratch/mark"
# Twice: the clock of files may be behind the one of the daemon by one tick.
later() {
        until [ "$1" -nt "$scratch/mark" ]; do
                echo "$2" >"$1"
        done
        touch -r "$1" "$scratch/mark"
        until [ "$1" -nt "$scratch/mark" ]; do
                echo "$2" >"$1"
        done
}
later "$jobs/edited.job" '# edited'
rm "$jobs/gone.job"
later "$jobs/extended.job.d/10.conf" '# new'
later "$jobs/template@.job.d/10.conf" '# new'
ctl list
[ "$(grep 'changed on disk' "$scratch/out" | cut -d' ' -f1 | tr '\n' ' ')" = 'edited extended gone template@one ' ]
ok $? "list shows jobs whose file, drop-ins or template's drop-ins were changed, and one whose file is gone"
ctl --json list
json "and in JSON" "[x['job'] for x in j if x['changed_on_disk']] == ['edited', 'extended', 'gone', 'template@one']"
ln -s "$scratch/elsewhere" "$jobs/link.job"
job elsewhere <<<$'[Run]\nExec=/bin/true'
mv "$jobs/elsewhere.job" "$scratch/elsewhere"
ctl -q reload
touch "$scratch/mark"
later "$scratch/elsewhere" '# changed'
ctl list
[ "$(grep 'changed on disk' "$scratch/out" | cut -d' ' -f1 | tr '\n' ' ')" = 'link ' ]
ok $? "list shows a job whose file is a link to one that was changed elsewhere"
rm "$jobs/link.job"
ctl -q reload
rm -r "$jobs"/{same,edited,template@}.job "$jobs"/{extended,template@}.job.d "$jobs/extended.job"
ctl -q reload
mkdir "$jobs/hello.job.d"
printf '[Run]\nTimeoutSec=1min\n' >"$jobs/hello.job.d/10-time.conf"
printf '[Run]\nNoSuchKey=1\n' >"$jobs/fail.job"
cp "$scratch/bad.job" "$jobs/bad.job"
ctl reload
ends 1 "reload with bad files"
err "reload tells file and line" "^$jobs/bad\.job:3: "
ctl --json reload
ends 1 "reload in JSON with bad files"
json "reload in JSON" "[(d['file'], d['line']) for d in j] == [('$jobs/bad.job', 3), ('$jobs/fail.job', 2)]"
ctl list
ends 0 "list with bad files"
out "list shows a file that was never good" '^bad +invalid '
out "list tells the problem" "^$jobs/fail\.job:2: "
out "list tells that the older version is in force" '^Job fail still uses the last valid version of its file\.$'
ctl status fail
out "status tells the problem" "^ +Problem: $jobs/fail\.job:2: "
ctl run bad
ends 1 "run of a job that was never good"
ctl run fail --wait
ends 3 "run of the version in force"
ctl cat hello
ends 0 "cat"
{
        echo "# $jobs/hello.job"
        cat "$jobs/hello.job"
        printf '\n# %s\n' "$jobs/hello.job.d/10-time.conf"
        cat "$jobs/hello.job.d/10-time.conf"
} | cmp -s - "$scratch/out"
ok $? "cat prints the file and its drop-ins"
ctl --json cat bad
json "cat in JSON" "j == [{'file': '$jobs/bad.job', 'content': '[Run]\nExec=/bin/true\nNoSuchKey=1\n'}]"
rm "$jobs/bad.job" && ctl -q reload

# --- on a terminal ---

if have_terminal; then
        terminal 60 --no-color list
        python3 -c 'import sys; l = sys.stdin.read().split("\n"); sys.exit(max(map(len, l[:8])) > 60 or "…" not in l[2])' \
                <"$scratch/out"
        ok $? "a table is cut to the terminal"
        terminal 60 list
        out "a terminal gets colours" $'\x1b\\[0;1;31m'
        NO_COLOR=1 terminal 60 list
        ! grep -q $'\x1b' "$scratch/out"
        ok $? "NO_COLOR turns them off"
        terminal 80 run hello --follow
        out "a terminal gets no control character from a run" '^a bell \\x07 here$'

        for verb in list status "status hello" history "cat hello" "status 1"; do
                # shellcheck disable=SC2086 # words
                SYSTEMD_PAGER="sed s/^/paged:/" terminal 80 --no-color $verb
                ends 0 "$verb through a pager"
                [ -s "$scratch/out" ] && ! grep -qv '^paged:' "$scratch/out"
                ok $? "all of $verb goes through it"
        done
        SYSTEMD_PAGER="sed s/^/paged:/" terminal 80 --no-pager list
        ! grep -q '^paged:' "$scratch/out" && grep -q '^hello' "$scratch/out"
        ok $? "--no-pager"
        TERM=dumb SYSTEMD_PAGER="sed s/^/paged:/" terminal 80 list
        ! grep -q '^paged:' "$scratch/out" && grep -q '^hello' "$scratch/out"
        ok $? "a terminal that can do nothing goes through none"
        SYSTEMD_PAGER="sed s/^/paged:/" terminal 80 --json list
        ! grep -q '^paged:' "$scratch/out" && grep -q hello "$scratch/out"
        ok $? "JSON goes through none"
        SYSTEMD_PAGER="sed s/^/paged:/" terminal 80 status hello no-such-job
        ends 4 "a failure behind a pager"
        out "what is wrong goes through it, too" '^paged:There is no job'
        SYSTEMD_PAGER=$scratch/no-such-pager terminal 80 --no-color list
        out "a pager that is not there loses nothing" '^hello '
        SYSTEMD_PAGER=true terminal 80 history -n 1000
        ends 0 "a pager that is left at once"
        mkdir "$scratch/bin"
        printf '#!/bin/sh\necho "less: $LESS, secure: $LESSSECURE"; cat\n' >"$scratch/bin/less"
        chmod 755 "$scratch/bin/less"
        paged() { PATH=$scratch/bin:$PATH terminal 80 --no-color list; }
        (unset SYSTEMD_PAGER && paged)
        out "less is what there is without a word" '^less: FRSXMK, secure: $'
        (unset SYSTEMD_PAGER && PAGER="sed s/^/own:/" paged)
        out "PAGER is taken" '^own:hello '
        SYSTEMD_PAGER="sed s/^/own:/" SYSTEMD_PAGERSECURE='' SUDO_UID=1000 paged
        out "but not with somebody else's rights" '^less: FRSXMK, secure: 1$'
else
        skip "on a terminal" "no pseudo terminal"
fi

# --- who may ---

if have_nobody; then
        nobody list
        ends 0 "list as nobody"
        for verb in "run hello" "run --wait hello" "pause hello" "pause hello --until=tomorrow" "resume hello" \
                "skip hello" "reload" "cancel 1"; do
                # shellcheck disable=SC2086 # words
                nobody $verb
                ends 5 "$verb as nobody"
        done
        err "a refusal says so" '.'
else
        skip "what nobody may" "needs root, and a directory that nobody can reach"
fi

# --- when the daemon goes ---

"$VAKTCTL_BIN" --socket="$socket" run slow --wait >"$scratch/out" 2>"$scratch/err" &
waiter=$!
wait_for_run
ctl list # when this is answered, the waiter was
stop_daemon KILL
start_daemon
release_run # it went on meanwhile
status=0
wait $waiter || status=$?
ends 3 "run --wait over a daemon that was killed"
err "it says that nobody saw how it ended" '^Run [0-9]+ of job slow was lost[^:]*: vaktd was restarted wh(ile|en) it '

# One that hangs accepts nobody, and holds nobody up for long; who knows its process learns of its end.
gone=$daemon
kill -STOP "$daemon"
"$VAKTCTL_BIN" --socket="$socket" --pid="$gone" reload >"$scratch/out" 2>"$scratch/reload" &
waiter=$!
if [ -z "${VAKTD_WRAPPER-}" ]; then
        status=0
        timeout 60 "$VAKTCTL_BIN" --socket="$socket" list >"$scratch/out" 2>"$scratch/err" || status=$?
        ends 1 "list while the daemon hangs"
        err "it says that there is no answer" '^vaktd did not answer'
fi
status=0
wait $waiter || status=$?
cp "$scratch/reload" "$scratch/err"
ends 1 "reload while the daemon hangs"
"$VAKTCTL_BIN" --socket="$socket" --pid="$gone" reload >"$scratch/out" 2>"$scratch/err" &
waiter=$!
stop_daemon KILL
status=0
wait $waiter || status=$?
ends 6 "reload while the daemon dies"

start_daemon
ctl reload --pid="$gone"
ends 6 "reload of a daemon that is gone"
err "it says that the daemon has exited" "^vaktd \\(process $gone\\) has exited"
ctl reload --pid="$daemon"
ends 1 "reload of a daemon by its process"
[ ! -s "$scratch/err" ]
ok $? "it leaves the problems to the log of the daemon"
stop_daemon TERM
ctl list
ends 6 "list after the daemon"

# As under a service manager: the listening socket stays while the daemon is killed and started again.
coproc HOLDER { exec python3 -c '
import os, signal, socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(sys.argv[1])
listener.listen(128)
child = None
print("listening", flush=True)
for command in sys.stdin:
    if child:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        child = None
    if command.strip() == "start":
        child = os.fork()
        if child == 0:
            if listener.fileno() != 3:
                os.dup2(listener.fileno(), 3)
            os.set_inheritable(3, True)
            os.environ["LISTEN_FDS"] = "1"
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.execvp(sys.argv[2], sys.argv[2:])
    print("done", flush=True)
if child:
    os.kill(child, signal.SIGKILL)
' "$scratch/held" ${VAKTD_WRAPPER-} "$VAKTD_BIN" --no-bus --executor=child --config="$scratch/vaktd.conf" \
        --jobs-dir="$jobs" --state-dir="$scratch/state" --socket="$scratch/held" 2>>"$scratch/log"; }
holder() {
        echo "$1" >&"${HOLDER[1]}"
        read -r _ <&"${HOLDER[0]}"
}
holder_pid=$HOLDER_PID
read -r _ <&"${HOLDER[0]}"
socket=$scratch/held
clients=()
holder start
for _ in {1..20}; do
        "$VAKTCTL_BIN" --socket="$socket" --json list >>"$scratch/lists" 2>>"$scratch/complaints" &
        clients+=($!)
done
holder start
for _ in {1..20}; do
        "$VAKTCTL_BIN" --socket="$socket" --json list >>"$scratch/lists" 2>>"$scratch/complaints" &
        clients+=($!)
done
ctl run hello --wait
ends 0 "run --wait while the daemon starts"
failed=0
for client in "${clients[@]}"; do
        wait "$client" || failed=$((failed + 1))
done
status=$failed
cp "$scratch/complaints" "$scratch/err"
[ $failed = 0 ] && [ "$(grep -c '^]$' "$scratch/lists")" = 40 ]
ok $? "40 lists over two restarts are answered"
holder stop # and its daemon
json_fits_schema
echo "1..$number"
