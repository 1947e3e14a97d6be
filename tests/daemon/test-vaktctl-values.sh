#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What vaktctl shows of the values that conditions ask for: those of a month that another vaktd has kept, and new ones.
# Wants VAKTD_BIN, VAKTCTL_BIN and FILL_VALUES_BIN; VAKTD_WRAPPER is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

mkdir -m 700 "$scratch/state"
printf '[Manager]\n' >"$scratch/vaktd.conf"

start_daemon
ctl values
ends 0 "without any"
out "says so" '^No job has a condition whose values are kept'
ctl --json values
json "and in JSON" "j == []"
stop_daemon TERM

"$FILL_VALUES_BIN" "$scratch/state" || bail_out "no values"
job watch <<END
[Monitor]
When=process vakt-no-such count > 100 or mounted /vakt-no-such
[Run]
Exec=/bin/true
END
start_daemon

# --- the list ---

# Until both probes of the job have answered.
wait_for_answers() {
        for ((SECONDS = 0; SECONDS < 60;)); do
                ctl --json values
                [ "$(grep -o '"used":true' "$scratch/out" | wc -l)" = 2 ] && return
        done
        bail_out "the probes do not answer: $(cat "$scratch/out")"
}

wait_for_answers
json "a list in JSON" "[(v['probe'], v['unit'], v['used']) for v in j] == [('disk-free /vakt-no-such', 'bytes', False),
        ('mounted /vakt-no-such', 'boolean', True), ('process vakt-no-such count', 'count', True)]"
json "has the last values" "[(v['known'], v['value']) for v in j] == [(False, None), (True, 0), (True, 0)]"
json "and why one is not known" "j[0]['reason'] == 'The disk is gone.' and j[0]['time_usec'] is None"
ctl values
out "the list has a line of bars" '^mounted /vakt-no-such +[▁▂▃▄▅▆▇█ ]+ no$'
out "with a gap where it was not known" '^disk-free /vakt-no-such +▄+ +unknown: The disk is gone$'
out "and a heading" '^PROBE +LAST 24H +VALUE$'

# --- one ---

ctl values process vakt-no-such count
ends 0 "one"
out "shows its last value" '^process vakt-no-such count: 0, (.* ago|now)$'
bars=$(sed -n 2p "$scratch/out")
[ "${#bars}" = 80 ] && [[ $bars = *▁*█* || $bars = *█*▁* ]]
ok $? "a line of bars is as wide as a terminal"
out "the table has minimum, mean and maximum" '^[0-9]{4}-[0-9-]+ [0-9:]+ +[0-9]+ +[0-9.]+ +[0-9]+'
[ "$(grep -cE '^[0-9]{4}-' "$scratch/out")" -le 37 ]
ok $? "and can be read"
ctl --since=-30d values "process  vakt-no-such count"
out "a month, by other words" '^[0-9]{4}-[0-9-]+ 00:00:00 +0 +4[45](\.[0-9]+)? +90$'
TERM=dumb ctl values process vakt-no-such count
out "another terminal has other bars" '^[-_.=+*#@ ]{80}$'
LC_ALL=C ctl values process vakt-no-such count
out "and so has another locale" '^[-_.=+*#@ ]{80}$'
ctl --since=-12h --until=-2h values mounted //vakt-no-such/
out "of what is true or not, the mean is a share of time" ' +no +50% +yes$'
ctl --since=-30d values mounted /vakt-no-such
out "a quarter" ' 00:00:00 +no +25% +yes$'
ctl values disk-free /vakt-no-such
out "sizes have their unit" '^[0-9]{4}-[0-9-]+ [0-9:]+ +3G +3G +3G'
out "what is not known is no zero" '^[0-9]{4}-[0-9-]+ [0-9:]+ +- +- +- +The disk is gone\.$'
out "and nobody asks" 'no job asks for it now$'

ctl --json values mounted /vakt-no-such
json "one in JSON has minutes" "j['grain_usec'] == 60000000 and 1400 < len(j['buckets']) < 1500"
json "with numbers" "all(b['mean'] == b['min'] == b['max'] for b in j['buckets'][5:-20])"
json "and gaps while vaktd was not running" "any(b['known_usec'] == 0 and b['min'] is None and b['mean'] is None and
        b['reason'] == 'vaktd was not running.' for b in j['buckets'][-20:])"
ctl --json --since=-30d values mounted /vakt-no-such
json "or hours, of a month" "j['grain_usec'] == 3600000000 and 700 < len(j['buckets']) < 750"
json "with means" "all(abs(b['mean'] - 0.25) < 0.001 for b in j['buckets'][2:-3])"
if have_terminal; then
        terminal 60 --since=-2d values process vakt-no-such count
        [ "$(sed -n 2p "$scratch/out" | LC_ALL=C.UTF-8 wc -m)" = 61 ]
        ok $? "a line of bars is as wide as this terminal"
else
        skip "a line of bars is as wide as this terminal" "no script(1)"
fi

# --- mistakes ---

ctl values load1
ends 4 "a probe that no job has"
err "is named" '^No job has asked for "load1" in the last 30 days; use .vaktctl values. to see all values\.$'
ctl values load2
ends 2 "a wrong word"
err "is corrected" 'Did you mean "load[0-9]+"\?$'
ctl values 'load1 > 8'
ends 2 "a limit"
err "is refused" '^Invalid probe \(column 7\): This is not a part of the question\. Write only what stands before'
ctl --since=+1d values
ends 2 "the future"
err "has no history" '^There is no history of the time from --since= to --until= yet\.$'
ctl --since=never values
ends 2 "what is no time"
ctl --since=-1d --until=-2d values
ends 2 "a wrong order"

# --- it survives ---

# Prints the time in µs of which the value is known.
known() {
        ctl --json --since=-3h values mounted /vakt-no-such
        python3 -c 'import json, sys; print(sum(b["known_usec"] for b in json.load(sys.stdin)["buckets"]))' \
                <"$scratch/out"
}

before=$(known)
stop_daemon TERM
start_daemon
wait_for_answers
[ "$(known)" -ge "$before" ]
ok $? "a stop loses nothing"
stop_daemon KILL
start_daemon
wait_for_answers
ctl --json --since=-30d values mounted /vakt-no-such
json "a death takes nothing of it" "700 < len(j['buckets']) < 750 and abs(j['buckets'][9]['mean'] - 0.25) < 0.001"
rm "$jobs/watch.job"
ctl reload
ctl --json values
json "a job that is gone asks no more" "[v['used'] for v in j] == [False] * 3 and
        j[1]['reason'] == 'No job asks for it.'"
stop_daemon TERM
json_fits_schema
echo "1..$number"
