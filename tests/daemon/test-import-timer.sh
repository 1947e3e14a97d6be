#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl import-timer: the jobs of timer units and their drop-ins, and what is said about them. Wants VAKTCTL_BIN.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

mkdir -p "$scratch/etc/x.timer.d" "$scratch/lib/x.timer.d" "$scratch/etc/timers.target.wants"
export SYSTEMD_UNIT_PATH=$scratch/etc:$scratch/lib

# What becomes of lines: [Timer] and [Run] of the job, and the remarks with their line only.
becomes() { # LINES EXPECTED [REMARK…]
        local remarks
        remarks=$([ $# = 2 ] || printf '%s\n' "${@:3}" | cut -c 1-40 | tr '\n' '|')
        printf '%s\n' "$1" >"$scratch/etc/x.timer"
        ctl import-timer x.timer
        [ "$status" = "$([ $# = 2 ] && echo 0 || echo 1)" ] &&
                [ "$(sed -n '/^\[Timer\]/,$p' "$scratch/out" | grep -vE '^$|^\[Timer\]|^Unit=x.service$|^\[Run\]|^Overlap=skip$' | tr '\n' '|')" = "${2:+$2|}" ] &&
                [ "$(sed -nE "s,^$scratch/etc/x\.timer:([0-9]+: .*),\1,p" "$scratch/err" | cut -c 1-40 | tr '\n' '|')" = "$remarks" ]
        ok $? "${1//$'\n'/; }"
}

T='[Timer]'
becomes "[Unit]
Description=Of x, 100%%
Documentation=man:x(8)
After=y.service

$T
OnCalendar=Mon..Fri 02:30 Europe/Oslo
OnCalendar = \\
  daily
; comment
Persistent=true
RandomizedDelaySec=10min
FixedRandomDelay=yes
AccuracySec=1h
WakeSystem=yes
X-Foo=bar

[Install]
WantedBy=timers.target
[X-Mine]
A=b" "OnCalendar=Mon..Fri 02:30 Europe/Oslo|OnCalendar=daily|Persistent=true|RandomizedDelaySec=10min|FixedRandomDelay=yes|AccuracySec=1h|WakeSystem=yes"
out "its description" '^Description=Of x, 100%%$'
out "its documentation" '^Documentation=man:x\(8\)$'
out "its unit" '^Unit=x\.service$'
out "how the timer is turned off" 'systemctl disable --now x\.timer$'
err "how it goes on" '^The service manager starts these units as well until they are disabled there\.$'
becomes "$T
OnBootSec=15min
Unit=other.service" "OnBootSec=15min|Unit=other.service"
becomes "$T
OnActiveSec=5
OnStartupSec=6
OnUnitActiveSec=1d" "OnStartupSec=5|OnStartupSec=6|OnInterval=1d" "2: OnActiveSec= becomes OnStartupSec=, which" \
        "3: OnStartupSec= becomes OnStartupSec=, whi" "4: OnUnitActiveSec= becomes OnInterval=, wh"
becomes "$T
OnUnitInactiveSec=1h" "OnInterval=1h|IntervalFrom=end" "2: OnUnitInactiveSec= becomes OnInterval=, "
becomes "$T
OnUnitInactiveSec=1h
OnCalendar=daily
OnBootSec=
OnCalendar=weekly" "OnCalendar=weekly" "2: OnUnitInactiveSec= becomes OnInterval=, "
becomes "[Unit]
ConditionPathExists=/x
$T
OnCalendar=daily
OnClockChange=yes" "OnCalendar=daily" "2: ConditionPathExists= has no counterpart" "5: OnClockChange= has no counterpart in a j"
becomes "$T
OnCalendar=daily
what is this" "OnCalendar=daily" "3: The line has no \"=\". Write KEY=VALUE, or"
becomes "$T
OnUnitActiveSec=1h
OnUnitInactiveSec=2h" "OnInterval=1h|OnInterval=2h|IntervalFrom=end" "2: OnUnitActiveSec= becomes OnInterval=, which" \
        "3: OnUnitInactiveSec= becomes OnInterval=, wh"
err "both kinds of intervals" 'A job counts all intervals from the same'
printf '[Timer]\nOnCalendar=at noon\n' >"$scratch/etc/x.timer"
ctl import-timer x
ends 1 "a time that is none"
err "is no job" 'This is no valid job: OnCalendar='
[ ! -s "$scratch/out" ]
ok $? "and is not printed"

# --- files ---

printf '[Timer]\nOnCalendar=hourly\n' >"$scratch/etc/x.timer"
printf '[Timer]\nOnCalendar=never\n' >"$scratch/lib/x.timer"
printf '[Timer]\nOnCalendar=\nOnCalendar=yearly\n' >"$scratch/lib/x.timer.d/20.conf"
printf '[Timer]\nOnCalendar=monthly\n' >"$scratch/etc/x.timer.d/10.conf"
printf '[Timer]\nOnCalendar=never\n' >"$scratch/lib/x.timer.d/10.conf"
ln -s /dev/null "$scratch/etc/x.timer.d/30.conf"
printf '[Timer]\nOnCalendar=never\n' >"$scratch/lib/x.timer.d/30.conf"
ctl import-timer x
ends 0 "drop-ins"
[ "$(grep ^OnCalendar "$scratch/out" | xargs)" = OnCalendar=yearly ]
ok $? "in the order of their names, and the first of each"
ln -s ../x.timer "$scratch/etc/timers.target.wants/x.timer"
printf '[Timer]\nOnCalendar=weekly\n' >"$scratch/lib/a.timer"
ln -s "$scratch/lib/a.timer" "$scratch/etc/timers.target.wants/a.timer"
ln -s "$scratch/lib/a.timer" "$scratch/etc/timers.target.wants/i@1.timer"
printf '[Timer]\nOnCalendar=weekly\n' >"$scratch/lib/disabled.timer"
mkdir "$scratch/written"
ctl import-timer --all --output="$scratch/written"
ends 1 "all that are enabled, and an instance"
[ "$(find "$scratch/written" -printf '%P\n' | sort | xargs)" = "a.job x.job" ]
ok $? "are written"
err "of an instance" 'i@1\.timer: An instance of a template, or an escaped name, cannot be imported\.$'
ctl check "$scratch"/written/*.job
ends 0 "check of the files that were written"
printf '[Timer]\nOnCalendar=weekly\n' >"$scratch/lib/a:b.timer"
ctl import-timer a:b a:b
[ "$(grep -E '^(# a|Unit)' "$scratch/out" | xargs)" = "# a-b.job Unit=a:b.service # a-b-2.job Unit=a:b.service" ]
ok $? "the unit does not depend on the name of the job"
ln -s /dev/null "$scratch/etc/masked.timer"
ctl import-timer masked
err "a masked timer" 'The unit is masked'
ctl import-timer ../x.timer
ends 1 "no name of a timer"
ctl import-timer nothing
ends 1 "a timer that is not there"
err "says so" "^There is no timer 'nothing' in the directories of systemd.unit"
ctl import-timer
ends 2 "nothing"
ctl import-timer --all x
ends 2 "all and one"
head -c 100000 /dev/urandom >"$scratch/etc/x.timer"
ctl import-timer x
[ "$status" -le 1 ]
ok $? "noise"
unset SYSTEMD_UNIT_PATH
ctl --quiet import-timer --all
[ "$status" -le 1 ]
ok $? "the timers of this machine"
echo "1..$number"
