#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What vaktctl shows of a monitor and of a run that waits, and a run that does not. Conditions are about other jobs, which
# needs no probe. Wants VAKTD_BIN and VAKTCTL_BIN; VAKTD_WRAPPER is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

job other <<END
[Run]
Shell=echo >$scratch/started; read line <$scratch/release; exit \$line
END
job watch <<END
[Monitor]
When=job other is failed
[Run]
Shell=echo "\$VAKT_CONDITION, \$VAKT_VALUE, <\$VAKT_LIMIT>, \$VAKT_COUNT" >$scratch/told
END
job wait <<END
[Run]
WaitFor=not job other is running
QueueMax=5
Exec=/bin/true
END
printf '[Manager]\n' >"$scratch/vaktd.conf"
start_daemon

# ERE COMMAND…: until vaktctl shows it.
wait_for() {
        for ((SECONDS = 0; SECONDS < 60;)); do
                ctl "${@:2}"
                grep -qE -- "$1" "$scratch/out" && return
        done
        bail_out "vaktctl ${*:2} does not show '$1': $(cat "$scratch/out")"
}

wait_for '\(ok\)' status watch
out "status shows the monitor and what decides" '^ +Watches: Monitor=job other is failed \(ok\): job other is failed: no$'
ctl why watch
out "why says so, too" '^monitor: +Its monitor is ok: job other is failed: no\.$'

# --- a run that waits ---

ctl -q run other
wait_for_run
ctl run wait
ends 0 "a run that waits is accepted"
ctl why wait
out "why says what it waits for" 'Run [0-9]+ waits until its condition is true: job other is running: yes \(WaitFor=\)\.$'
ctl --json history wait
json "it is waiting" "[r['state'] for r in j] == ['waiting']"
ctl run --now --wait wait
ends 0 "one that does not wait"
ctl --json history wait
json "goes before it" "[(r['state'], r['result']) for r in j] == [('done', 'success'), ('waiting', None)]"
echo 7 >&9
wait_for '"run":2,.*"state":"done"' --json history wait
json "which starts once that is over" "[r['result'] for r in j] == ['success', 'success']"

# --- a monitor that is raised ---

wait_for '\(raised\)' status watch
out "status says since when" 'Monitor=job other is failed \(raised\): job other is failed: yes; raised since [A-Z][a-z]{2} 2'
wait_for success history watch
ctl --json history watch
json "by its cause" "[r['cause'] for r in j] == ['monitor']"
cp "$scratch/told" "$scratch/out"
out "its run is told what was seen" '^job other is failed, yes, <>, 1$'
ctl --json status watch
json "in JSON" "[(w['key'], w['state']) for w in j['watches']] == [('Monitor', 'raised')]"

stop_daemon KILL
start_daemon
wait_for '\(raised\)' status watch
ctl --json history watch
json "and asks once, also over a death" "len(j) == 1"

ctl run --now nobody
ends 4 "no such job"
ctl list --now
ends 2 "an option of another verb"
stop_daemon TERM

units=${0%/*}/../../units
ctl check "$units"/examples/*.job
ends 0 "the example jobs are good"
diff <(cd "$units" && printf '%s\n' examples/*.job | sort) \
        <(grep -o 'examples/[^/]*\.job' "$units/meson.build" | sort) >"$scratch/err"
ok $? "the example jobs are installed"
json_fits_schema
echo "1..$number"
