#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What vaktctl --json prints: every verb in the shape that its schema gives, records in arrays with one a line, and
# errors as objects. Wants VAKTD_BIN and VAKTCTL_BIN. TAP on standard output.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

schema=${0%/*}/../../src/ctl/vaktctl.schema.json

job good <<END
[Job]
Tags=one
OnSuccess=next
[Timer]
OnCalendar=hourly
[Run]
Exec=/bin/true
END
job next <<<$'[Run]\nExec=/bin/true'
job fail <<<$'[Run]\nShell=exit 7'
job nothing <<<$'[Run]\nExec=/no/such/program'
job waits <<END
[Run]
Exec=/bin/true
WaitFor=file-exists $scratch/no-such
END
mkdir "$scratch/tree"
touch "$scratch/tree/"$'bad\xff'
job tree <<END
[Path]
PathChanged=$scratch/tree
[Run]
Exec=/bin/true
END
job watch <<<$'[Monitor]\nWhen=load1 < 100000\n[Run]\nExec=/bin/true'
job clean <<END
[Clean]
Path=$scratch/tree
MaxAge=1d
END
job bad <<<$'[Run]\nExec=/bin/true\nNoSuchKey=1'

# --- errors ---

error() { # DESCRIPTION, Python expression about the error e
        python3 -c 'import json, sys; e = json.load(sys.stdin)["error"]; sys.exit(not ('"$2"'))' \
                <"$scratch/err" 2>>"$scratch/out"
        ok $? "$1"
}

ctl --json list
ends 6 "list without a daemon"
[ ! -s "$scratch/out" ]
ok $? "it answers nothing"
error "and the error tells its exit status" "e['exit_status'] == 6 and 'vaktd does not answer' in e['message'] and e['job'] is None"
ctl --json --no-such-option
error "an option that is unknown" "e['exit_status'] == 2 and e['name'] is None"
ctl --json test 'load1 >'
error "a mistake in a condition is told without a mark" "e['exit_status'] == 2 and 'column' in e['message']"

start_daemon

ctl --json status no-such-job
ends 4 "status of no job"
error "tells the job and the name of the error" \
        "(e['job'], e['run'], e['exit_status'], e['name']) == ('no-such-job', None, 4, 'org.vaktd1.Error.NoSuchJob')"
[ ! -s "$scratch/out" ]
ok $? "and nothing else"
ctl --json status 4711
error "status of no run tells the number" "(e['job'], e['run'], e['exit_status']) == (None, 4711, 4)"
ctl --json pause no-such good nor-this
ends 4 "several jobs"
json "have an answer for each that succeeded" "[o['job'] for o in j] == ['good']"
[ "$(wc -l <"$scratch/err")" = 2 ] && grep -q '"job":"nor-this"' "$scratch/err"
ok $? "and an error for each other one"
ctl --json run fail --wait
ends 3 "a run that fails"
json "is the answer" "(j['job'], j['result'], j['code']) == ('fail', 'exit', 7)"
error "and an error" "(e['job'], e['run'] > 0, e['exit_status']) == ('fail', True, 3)"
ctl --json run nothing --wait
json "a run that cannot be started has an errno" "(j['result'], j['code']) == ('start-failed', 2)"
ctl --json run waits
json "a run that waits has nothing yet" "(j['state'], j['result'], j['code'], j['started_usec']) == ('waiting', None, None, None)"
ctl --json top
ends 1 "top"
error "is a screen" "'vaktctl list' in e['message']"

# --- answers ---

ctl --json run good --wait
json "run is an object" "(j['job'], j['result'], j['code'], j['unit'], j['parent_run']) == ('good', 'success', 0, None, None)"
ctl --json list
json "list" "[(r['job'], r['state']) for r in j if r['invalid_file']] == [('bad', 'invalid')]"
json "what is not known is null" \
        "[(r['last_result'], r['last_code'], r['description']) for r in j if r['job'] == 'clean'] == [(None, None, None)]"
[ "$(grep -c '^{"job":.*},\?$' "$scratch/out")" = 9 ]
ok $? "one job a line"
ctl --json list no-such-job
[ "$(cat "$scratch/out")" = '[]' ]
ok $? "no record is an empty array"
ctl --json status
json "status of the daemon" "j['failed_jobs'] == ['fail', 'nothing'] and j['alarms'] == [] and j['jobs'] == 9 and [d['line'] for d in j['diagnostics']] == [3]"
ctl --json status good
json "status of a job is an object" "j['job'] == 'good'"
ctl --json status good fail tree watch clean bad 1
json "of several an array" "[r['job'] for r in j] == ['good', 'fail', 'tree', 'watch', 'clean', 'bad', j[-1]['job']]"
ln -s /dev/null "$jobs/off.job"
job many@ <<<$'[Run]\nExec=/bin/echo %i'
mkdir "$jobs/good.job.d"
echo '[Job]' >"$jobs/good.job.d/10.conf"
ctl --json status off many@ good
json "what makes no job has a state" "[(r['state'], r['file']) for r in j[:2]] == [('masked', '$jobs/off.job'), ('template', '$jobs/many@.job')]"
json "drop-ins are told" "[r['drop_ins'] for r in j] == [[], [], ['$jobs/good.job.d/10.conf']]"
ctl --json is-failed good fail
ends 0 "is-failed of a job that did and one that did not"
json "is-failed" "[(r['job'], r['failed'], r['last_code']) for r in j] == [('fail', True, 7), ('good', False, 0)]"
ctl --json run good fail --wait
ends 3 "runs of two jobs"
json "are an array" "[(r['job'], r['result']) for r in j] == [('good', 'success'), ('fail', 'exit')]"
error "and an error for the one that failed" "(e['job'], e['exit_status']) == ('fail', 3)"
printf '[Run]\nExec=/bin/false\n' >"$jobs/good.job.d/10.conf"
ctl --json diff
json "diff" "[(d['job'], d['change']) for d in j if d['change'] != 'invalid'] == [('good', 'changed')]"
rm -r "$jobs/good.job.d"
status=0
"$VAKTCTL_BIN" --socket="$socket" --json edit good --stdin <<<$'[Job]\nDescription=edited' >"$scratch/json/c.edit" 2>"$scratch/err"
ctl --json status 1
json "of a run an object" "j['run'] == 1 and j['host']"
ctl --json history
json "history" "{r['job']: r['result'] for r in j}['fail'] == 'exit'"
ctl --json history no-such-job
ends 4 "history of no job"
ctl --json why good
json "why" "j['job'] == 'good' and 'timer' in [r['topic'] for r in j['reasons']]"
ctl --json why tree "$scratch/tree/"$'bad\xff'
json "why of a file that is no UTF-8" "j['path'].endswith('bad\\\\xFF') and j['path_base64']"
ctl --json plan tree
json "plan of files" "'path_base64' in j[0]"
ctl --json pause good --until=tomorrow
ctl --json resume good
ctl --json pause --all
json "all jobs" "j == [{'job': None, 'paused': True, 'until_usec': None}]"
ctl --json resume --all
ctl --json reset-failed fail
ctl --json skip good 1
json "skip" "j == {'job': 'good', 'skip': 1}"
ctl --json cancel good
ctl --json reload
ends 1 "reload with a problem"
json "tells it as an answer" "[d['line'] for d in j] == [3]"
ctl --json check "$jobs/bad.job" "$jobs/nothing.job"
json "check" "[d['severity'] for d in j] == ['error', 'warning']"
ctl --json cat good
ctl --json conditions
ctl --json calendar -n 2 daily nonsense
json "calendar" "[(o['error'] is None, len(o['elapses_usec'])) for o in j] == [(True, 2), (False, 0)]"
ctl --json calendar 2020-01-01
json "what never elapses" "j[0]['elapses_usec'] == []"
ctl --json test 'load1 < 100000 and listening tcp 1'
json "test" "j['result'] == 'false' and j['tests'][1]['limit'] is None"
ctl --json test 'job good is failed or job none is failed'
ctl --json values
json "values" "[v['probe'] for v in j] == ['file-exists $scratch/no-such', 'load1']"
ctl --json values load1
json "values of one" "j['probe'] == 'load1' and 'buckets' in j"
ctl --json new made --calendar=daily -o "$scratch" -- /bin/true
printf '0 5 * * * /bin/true\n@reboot /bin/false\nnonsense\n' >"$scratch/tab"
ctl --json import-crontab "$scratch/tab"
ends 1 "import with a remark"
json "import" "len(j['jobs']) == 2 and [r['line'] for r in j['remarks']] == [1, 3] and j['jobs'][0]['source_line'] == 1"

ctl --json once --in=1h --name=later -- /bin/true
json "once" "j['job'] == 'later' and j['next_usec']"
ctl --json once
json "what is to run once" "[(r['job'], r['state']) for r in j] == [('later', 'waiting')]"
ctl --json cancel later
json "is removed" "j == [{'run': None, 'job': 'later'}]"
ctl --json once --in=1s --wait -- /bin/true
json "once that is waited for" "j['result'] == 'success'"

# plan of such jobs reads the directories of the system; here, the programs that it executes.
"$VAKTD_PROGRAM_DIR/vakt-clean" --plan --json "Path=$scratch/tree" MaxAge=1h >"$scratch/json/a.plan"
"$VAKTD_PROGRAM_DIR/vakt-rotate" --plan --json "Path=$scratch/tab" MaxSize=1 >"$scratch/json/b.plan"

# --- the schema ---

json_fits_schema
# log reads a journal, which tests/system has.
seen=$(printf '%s\n' "$scratch"/json/* | sed 's/.*\.//' | sort -u)
for verb in $json_verbs; do
        case $verb in
        complete | help | top) continue ;; # which have no JSON
        import-*) verb=import ;;
        esac
        grep -q "^                \"$verb\": " "$schema"
        ok $? "the schema has $verb"
        [ "$verb" = log ] || grep -qx -- "$verb" <<<"$seen"
        ok $? "its output was held against it"
done
sed 's/"paused", //; /"last_code": /d' "$schema" >"$scratch/wrong.json"
! "${0%/*}/check-json.py" "$scratch/wrong.json" "$scratch"/json/* >"$scratch/out" 2>&1
ok $? "another schema is not held for right"
stop_daemon TERM
echo "1..$number"
