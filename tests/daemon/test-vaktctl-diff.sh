#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl diff: what is on disk against what is in force. Wants VAKTD_BIN and VAKTCTL_BIN; VAKTD_WRAPPER is put before
# the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

job backup <<'END'
# A comment.
[Job]
Description=The backup
[Timer]
OnCalendar=*-*-* 05:00
OnCalendar=*-*-* 17:00
[Run]
Exec=/bin/true one
Exec=/bin/true two
TimeoutSec=1h
END
job gone <<<$'[Timer]\nOnCalendar=daily\n[Run]\nExec=/bin/true'
job masked <<<$'[Run]\nExec=/bin/true'
job same <<<$'[Run]\nExec=/bin/echo 100%%\\\n  %j'
job each@ <<<$'[Timer]\nOnCalendar=daily\n[Run]\nExec=/bin/echo %i'
printf '[Manager]\n' >"$scratch/vaktd.conf"
start_daemon
ctl run each@one --wait

# --- nothing ---

ctl diff
ends 0 "diff of nothing"
out "says so" '^What is on disk is in force\.$'
ctl diff --json
json "diff of nothing in JSON" "j == []"
sed -i 's/^#.*/; Another one./; s/^Exec=/Exec = /' "$jobs/backup.job"
ctl diff backup same each@one
ends 0 "diff of comments and blanks"
ctl diff no-such-job ../x each@
ends 4 "diff of a job that is nowhere"
err "says so" "^There is no job 'no-such-job', neither in force nor on disk"
err "and of an impossible name" "is no name of a job"
err "and of a template" "^each@ is a template"

# --- one job ---

cat >"$jobs/backup.job" <<'END'
[Timer]
OnCalendar=*-*-* 05:00
OnCalendar=*-*-* 18:30
[Run]
Exec=/bin/true two
Exec=/bin/true one
TimeoutSec=1h
END
mkdir "$jobs/backup.job.d"
printf '\n[Run]\nTimeoutSec=\nTimeoutSec=2h\nRetry=3\n' >"$jobs/backup.job.d/more.conf"
ctl diff backup
ends 1 "diff of a job that has changed"
cat >"$scratch/expected" <<END
● backup: changed
  [Timer]
  -OnCalendar=*-*-* 17:00
  +OnCalendar=*-*-* 18:30  ($jobs/backup.job:3)
  [Run]
  -Exec=/bin/true one
  -Exec=/bin/true two
  +Exec=/bin/true two  ($jobs/backup.job:5)
  +Exec=/bin/true one  ($jobs/backup.job:6)
  -TimeoutSec=1h
  +TimeoutSec=2h  ($jobs/backup.job.d/more.conf:4)
  +Retry=3  ($jobs/backup.job.d/more.conf:5)
  [Job]
  -Description=The backup
END
head -n 14 "$scratch/out" | diff - "$scratch/expected" >>"$scratch/err"
ok $? "each line, with its place"
out "elapses of both" '^ *NEXT ELAPSES IN FORCE +NEXT ELAPSES ON DISK$'
[ "$(grep -cE '^  [A-Z][a-z]{2} .* [A-Z][a-z]{2} ' "$scratch/out")" = 5 ]
ok $? "five of each"
out "and what to do" "^1 job differs; 'vaktctl reload' puts"
ctl --json diff backup
ends 1 "diff in JSON"
json "tells the same" "[(k['section'], k['key'], [v['value'] for v in k['before']], [(v['value'], v['line']) for v in k['after']]) for k in j[0]['keys']][0] == ('Timer', 'OnCalendar', ['*-*-* 17:00'], [('*-*-* 18:30', 3)])"
json "with the elapses" "[t // 60000000 % 1440 for t in sorted(j[0]['elapses_before_usec'], key=lambda t: t // 1000000 % 86400)][::3] == [300, 1020] and {t // 60000000 % 1440 for t in j[0]['elapses_after_usec']} == {300, 1110}"

# --- several ---

rm "$jobs/gone.job"
ln -s /dev/null "$scratch/null"
: >"$jobs/masked.job"
printf '[Run]\nExec=/bin/true\nNice=x\n' >"$jobs/same.job"
job new <<<$'[Timer]\nOnCalendar=hourly\n[Run]\nExec=/bin/true'
sed -i 's/OnCalendar=.*/OnCalendar=weekly/' "$jobs/each@.job"
ctl diff
ends 1 "diff of all"
out "a job that is gone" "^● gone: removed, because $jobs/gone\.job does not exist any more$"
out "a job that is masked" "^● masked: masked by $jobs/masked\.job$"
out "a job that is invalid" "^● same: invalid, so that the previous version stays in force$"
out "and why" "^  $jobs/same\.job:3: Nice="
out "a job that is new" "^● new: added by $jobs/new\.job$"
out "an instance of a template" "^● each@one: changed$"
out "what a reload does not change" '^1 of them is invalid, and a reload does not change it\.$'
out "the sum" '^6 jobs differ; '
ctl --json diff
json "all in JSON" "{d['job']: d['change'] for d in j} == {'backup': 'changed', 'each@one': 'changed', 'gone': 'removed', 'masked': 'masked', 'new': 'added', 'same': 'invalid'}"
ctl diff same
out "a job that a reload does not change" "^1 job differs, but is invalid; correct its files before 'vaktctl reload'\.$"
printf '[Run]\nExec=/bin/true\n' >"$jobs/same.job"
ctl reload
ctl diff
ends 0 "diff after a reload"

if have_nobody; then
        nobody diff
        ends 5 "diff of somebody else"
else
        skip "diff of somebody else" "not root"
fi

stop_daemon TERM
jobs=$scratch/jobs$'\033'
mkdir "$jobs"
job odd <<<$'[Run]\nExec=/bin/true'
start_daemon
rm "$jobs/odd.job"
ctl diff
out "a path that a terminal would obey is escaped" '^● odd: removed, because .*/jobs\\x1B/odd\.job does not exist'

echo "1..$number"
