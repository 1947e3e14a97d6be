#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A machine that goes down with runs in progress, in order and without: seen from outside of it, by the box.
#
#   outside-reboot.sh NAME     NAME is a box that is up (tests/system/box)

set -uo pipefail

readonly BOX=$1
here=$(dirname "$0")
readonly BUSCTL="busctl --address=unix:path=/run/vaktd/control get-property org.vaktd1"

inside() {
        "$here/box" run "$BOX" "$@"
}

job() {
        inside install -D -m 644 /dev/stdin "/etc/vaktd/jobs.d/$1.job"
}

property() { # ID NAME
        inside $BUSCTL "/org/vaktd1/run/$1" org.vaktd1.Run "$2" | sed -E 's/^[a-z]+ //; s/^"(.*)"$/\1/'
}

same() {
        [ "$1" = "$2" ] || { echo "expected '$1', got '$2'"; return 1; }
}

within() { # SECONDS COMMAND…
        local deadline=$((SECONDS + $1))
        shift
        until "$@"; do
                [ $SECONDS -lt $deadline ] || { echo "not within its time: $*"; return 1; }
                sleep 0.1
        done
}

has() { # ID PROPERTY VALUE
        [ "$(property "$1" "$2")" = "$3" ]
}

is_running() {
        has "$1" State running
}

says() { # ID WORDS: so the reason reads
        { local -; set +x; } 2>/dev/null
        local reason
        reason=$(property "$1" Reason)
        [[ $reason = *$2* ]] || { echo "the reason of run $1 is '$reason'"; return 1; }
}

# The number of the try that follows a run of the job "retried".
try_after() { # ID
        inside vaktctl --json history retried | grep -oE '"run":[0-9]+' | grep -oE '[0-9]+$' |
                sort -n | awk -v id="$1" '$1 > id' | head -n 1
}

rows_of() { # JOB
        inside vaktctl --no-legend history "$1" | grep -c .
}

# When its PID 1 began.
boot_time_usec() {
        inside busctl get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager \
                UserspaceTimestamp | cut -d' ' -f2
}

# Jobs that are under way when the machine goes down. They leave their number where it is kept.
jobs_under_way() {
        inside systemctl stop vaktd.socket vaktd.service 'vakt-*.service'
        inside rm -rf /etc/vaktd /var/lib/vaktd /root/effects
        job long <<<$'[Run]\nShell=echo $VAKT_RUN >>/root/effects; exec sleep 1000'
        job retried <<<$'[Run]\nRetry=1\nRetryDelaySec=1ms\nShell=echo $VAKT_RUN >>/root/effects; exec sleep 1000'
        job graceful <<<$'[Run]\nShell=echo $VAKT_RUN >>/root/effects; trap "exit 4" TERM; sleep 1000 & wait'
        job over <<<$'[Run]\nShell=echo $VAKT_RUN >>/root/effects; exit 5'
        job waiting <<<$'[Run]\nOverlap=queue\nShell=echo $VAKT_RUN >>/root/effects; exec sleep 1000'
        inside systemctl enable --now vaktd
        over=$(inside vaktctl -q run over)
        long=$(inside vaktctl -q run long)
        retried=$(inside vaktctl -q run retried)
        graceful=$(inside vaktctl -q run graceful)
        first=$(inside vaktctl -q run waiting)
        second=$(inside vaktctl -q run waiting)
        for id in $long $retried $graceful $first; do
                within 10 is_running "$id"
        done
        within 10 same "exit" "$(property "$over" Result)"
}

nothing_ran_twice() {
        same "" "$(inside sort /root/effects | uniq -d)"
}

test_a_reboot_is_recorded_before_it() {
        local id
        jobs_under_way
        "$here/box" reboot "$BOX"
        within 20 inside systemctl -q is-active vaktd
        booted=$(boot_time_usec)
        for id in $long $retried $graceful $first; do
                same "lost" "$(property "$id" Result)"
                # By the daemon that saw it, not by the one that came after.
                says "$id" 'was shut down while it ran'
                [ "$(property "$id" Ended)" -le "$booted" ]
        done
        # What waited was accepted, and so was the next try: they are run now, each for the first time.
        within 10 eval '[ "$(rows_of retried)" = 2 ]'
        same exit "$(property "$over" Result)"
        within 10 is_running "$second"
        within 10 is_running "$(try_after "$retried")"
        same 2 "$(property "$(try_after "$retried")" Attempt)"
        nothing_ran_twice
}

test_after_a_power_cut_runs_are_lost_and_retried() {
        local id
        jobs_under_way
        "$here/box" cut "$BOX"
        within 20 inside systemctl -q is-active vaktd
        for id in $long $retried $graceful $first; do
                within 10 has "$id" Result lost
                says "$id" 'went down'
        done
        same exit "$(property "$over" Result)"
        # Retry= counts it as a failure; what waited is run.
        within 10 eval '[ "$(rows_of retried)" = 2 ]'
        same 1 "$(rows_of long)"
        within 10 is_running "$second"
        within 10 eval '[ "$(inside wc -l </dev/null -- /root/effects | cut -d" " -f1)" = 7 ]'
        nothing_ran_twice
}

is_held() { # ID: it waits for its start, as if nobody had tried
        has "$1" State queued && has "$1" Started 0
}

# vaktd has to stay until the shutdown is cancelled, although it is told nothing of that.
test_a_shutdown_that_is_cancelled() {
        local pid third
        jobs_under_way
        third=$(inside vaktctl -q run over)
        within 10 has "$third" Result "exit"
        inside install -D -m 644 /dev/stdin /run/systemd/system/slow-to-stop.service <<<$'[Unit]\nAfter=vaktd.service
[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\nExecStop=sleep 1000\nTimeoutStopSec=infinity'
        inside systemctl daemon-reload
        inside systemctl start slow-to-stop.service
        pid=$(inside systemctl show --value -p MainPID vaktd)

        inside systemctl --no-block --job-mode=replace-irreversibly start poweroff.target
        for id in $long $retried $graceful $first; do
                within 10 has "$id" Result lost
                says "$id" 'was shut down while it ran'
        done
        within 10 is_held "$second"
        within 10 is_held "$(try_after "$retried")"
        inside vaktctl why waiting | grep 'shutting down'
        # Asking for more is no mistake.
        third=$(inside vaktctl -q run over)
        within 10 is_held "$third"

        inside systemctl cancel
        within 10 is_running "$second"
        within 10 is_running "$(try_after "$retried")"
        within 10 has "$third" Result "exit"
        same "$pid" "$(inside systemctl show --value -p MainPID vaktd)"
        nothing_ran_twice
        inside systemctl kill --signal=KILL slow-to-stop.service
        "$here/box" reboot "$BOX"
}

run_one() { # FUNCTION LOG
        (
                set -eE
                exec >"$2" 2>&1
                set -x
                "$1"
        )
}

# The journal of the boot before tells how it ended.
inside rm /etc/systemd/journald.conf.d/vaktbox.conf
inside mkdir -p /var/log/journal
inside systemctl restart systemd-journald

number=0
log=$(mktemp)
mapfile -t names < <(grep -oE '^test_[a-z0-9_]+' "$0")
for name in "${names[@]}"; do
        number=$((number + 1))
        run_one "$name" "$log"
        # shellcheck disable=SC2181 # see lib.sh
        if [ $? = 0 ]; then
                echo "ok $number - ${name#test_}"
        else
                sed 's/^/# /' "$log"
                inside journalctl -u vaktd -u 'vakt-*' -o short-precise | sed 's/^/# journal: /'
                echo "not ok $number - ${name#test_}"
        fi
done
rm -f "$log"
echo "1..$number"
