#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Monitors and runs that wait, as an administrator meets them: a file system that fills and is emptied, a unit that fails
# and is reset, and a daemon that is killed, restarted and reloaded in between.

. "$(dirname "$0")/lib.sh"

readonly DISK=/run/monitored

make_disk() {
        { local -; set +x; } 2>/dev/null
        mkdir -p $DISK
        mountpoint -q $DISK || mount -t tmpfs -o size=1M tmpfs $DISK
        rm -f $DISK/*
}

fill() { # KiB
        dd if=/dev/zero of=$DISK/file bs=1K count="$1" 2>/dev/null
}

# The state of the job's monitor: "ok", "raised".
state_of() {
        { local -; set +x; } 2>/dev/null
        busctl $SOCKET --json=short get-property org.vaktd1 "/org/vaktd1/job/$1" org.vaktd1.Job Watches |
                python3 -c 'import json, sys; print(*(w[2] for w in json.load(sys.stdin)["data"] if w[0] == "Monitor"))'
}

is_in_state() { # JOB STATE
        [ "$(state_of "$1")" = "$2" ]
}

ran() { # JOB: how often
        cat "/run/ran-$1" 2>/dev/null | wc -l
}

has_run() { # JOB TIMES
        [ "$(ran "$1")" = "$2" ]
}

disk_jobs() { # [LINE]
        { local -; set +x; } 2>/dev/null
        rm -f /run/ran-*
        job disk <<END
[Monitor]
When=disk-free $DISK < 20%
Clear=disk-free $DISK > 50%
SampleSec=1s
ClearForSec=0
OnClear=fine
${1-}
[Run]
Shell=echo "\$VAKT_CAUSE|\$VAKT_SUBJECT|\$VAKT_LIMIT|\$VAKT_CONDITION|\$VAKT_COUNT" >>/run/ran-disk; env >/run/environment
END
        job fine <<'END'
[Run]
Shell=echo "$VAKT_PARENT_JOB" >>/run/ran-fine
END
}

test_a_disk_fills_and_is_emptied() {
        make_disk
        disk_jobs
        systemctl start vaktd
        within 20 is_in_state disk ok
        fill 900
        within 20 has_run disk 1
        same "monitor|$DISK|20%|disk-free $DISK < 20%|1" "$(cat /run/ran-disk)"
        shows '^VAKT_VALUE=1[0-9.]*% ' /run/environment
        shows -E '^VAKT_SINCE=20[0-9-]+T[0-9:.]+Z$' /run/environment
        vaktctl status disk | shows "Monitor=disk-free $DISK < 20% (raised): disk-free $DISK is 1[0-9.]*% .* and < 20%; raised since "
        vaktctl why disk | shows "Its monitor is raised: disk-free $DISK is "
        fill 700
        within 20 is_in_state disk clearing
        fill 900
        within 20 is_in_state disk raised
        rm $DISK/file
        within 20 has_run fine 1
        same disk "$(cat /run/ran-fine)"
        is_in_state disk ok
        same "1 1" "$(ran disk) $(ran fine)"
}

# Many starts in a row are no failure here.
start_without_limit() {
        drop_in limit <<'END'
[Unit]
StartLimitIntervalSec=0
END
        systemctl start vaktd
}

test_nothing_twice_and_nothing_lost() {
        local pid
        make_disk
        disk_jobs
        fill 900
        start_without_limit
        within 20 has_run disk 1
        for _ in 1 2 3; do
                pid=$(main_pid)
                kill -KILL "$pid"
                within 30 is_restarted "$pid"
                systemctl reload vaktd
                is_in_state disk raised
        done
        systemctl restart vaktd
        is_in_state disk raised
        # It is over while nobody looks.
        systemctl stop vaktd
        rm $DISK/file
        systemctl start vaktd
        within 20 has_run fine 1
        systemctl restart vaktd
        within 20 is_in_state disk ok
        same "1 1" "$(ran disk) $(ran fine)"
}

test_half_of_its_time_counts() {
        local killed pid since
        make_disk
        disk_jobs ForSec=10s
        fill 900
        systemctl start vaktd
        within 10 is_in_state disk pending
        ask fine # is answered when it is written, with all that was before it
        pid=$(main_pid)
        killed=$(now_ms)
        kill -KILL "$pid"
        within 30 is_restarted "$pid"
        within 60 has_run disk 1
        # It did not begin anew, and all of its time has passed.
        since=$(date -d "$(sed -n 's/^VAKT_SINCE=//p' /run/environment)" +%s%3N)
        [ "$since" -le "$killed" ]
        [ "$(date -r /run/ran-disk +%s%3N)" -ge $((since + 9900)) ]
}

unit_job() { # CLEAR-FOR VARIABLE, of which it writes down the value
        { local -; set +x; } 2>/dev/null
        disk_jobs
        job unit <<END
[Monitor]
When=unit doomed-*.service is failed
ClearForSec=$1
OnClear=fine
[Run]
Shell=echo "\$$2" >>/run/ran-unit
END
        systemctl start vaktd
        within 20 is_in_state unit ok
}

test_a_unit_fails() {
        unit_job 1s VAKT_SUBJECT
        systemd-run --unit=doomed-1 false
        within 20 has_run unit 1
        same doomed-1.service "$(cat /run/ran-unit)"
        systemctl restart vaktd
        within 20 is_in_state unit raised
        systemctl reset-failed doomed-1
        within 20 is_in_state unit ok
        within 20 has_run fine 1
        same 1 "$(ran unit)"
        # One that fails and is restarted at once is seen, too, and is not in that state any more.
        rm -f /run/has-failed
        systemd-run --unit=doomed-2 -p Restart=on-failure -p RestartSec=100ms \
                sh -c '[ -e /run/has-failed ] && exec sleep infinity; touch /run/has-failed; exit 1'
        within 20 eval '[ "$(ran unit)" -ge 2 ]'
        within 20 is_in_state unit ok
        systemctl stop doomed-2
}

# One alarm, which counts, and is over once; the run sees what failed first.
test_a_unit_fails_twenty_times() {
        rm -f /run/failures
        unit_job 5s VAKT_COUNT
        systemd-run --unit=doomed-3 -p Restart=on-failure -p RestartSec=100ms -p StartLimitIntervalSec=0 \
                sh -c 'echo x >>/run/failures; [ "$(wc -l </run/failures)" -gt 20 ] && exec sleep infinity; exit 1'
        within 30 eval '[ "$(wc -l </run/failures)" = 21 ]'
        vaktctl status unit | shows -E 'raised since .*, true ([2-9]|1[0-9]|20) times'
        within 30 is_in_state unit ok
        journal -u vaktd | shows -E 'Its monitor is cleared: .*, true ([2-9]|1[0-9]|20) times'
        within 20 has_run fine 1
        same 1 "$(cat /run/ran-unit)"
        systemctl stop doomed-3
}

test_a_run_waits() {
        local id pid
        make_disk
        fill 900
        job wait <<END
[Run]
WaitFor=disk-free $DISK > 50%
QueueMax=5
Shell=echo x >>/run/ran-wait
END
        rm -f /run/ran-*
        systemctl start vaktd
        id=$(ask wait)
        within 20 eval '[ "$(run_property '"$id"' State)" = waiting ]'
        within 20 eval "vaktctl why wait | shows 'disk-free $DISK is 1[0-9.]*% .* and not > 50% (WaitFor=)'"
        pid=$(main_pid)
        kill -KILL "$pid"
        within 30 is_restarted "$pid"
        systemctl reload vaktd
        within 20 eval '[ "$(run_property '"$id"' State)" = waiting ]'
        vaktctl run --now --wait wait
        same 1 "$(ran wait)"
        within 20 eval '[ "$(run_property '"$id"' State)" = waiting ]'
        rm $DISK/file
        within 60 is_done "$id"
        same "success 0" "$(outcome "$id")"
        same 2 "$(ran wait)"
}

test_a_run_gives_up() {
        local id
        make_disk
        fill 900
        job wait <<END
[Run]
WaitFor=disk-free $DISK > 50%
WaitMaxSec=3s
Shell=echo x >>/run/ran-wait
END
        rm -f /run/ran-*
        systemctl start vaktd
        id=$(ask wait)
        within 30 is_done "$id"
        same "skipped 0" "$(outcome "$id")"
        vaktctl history wait | shows skipped
        vaktctl status "$id" | shows "It waited longer than 3s (WaitMaxSec=): disk-free $DISK is 1[0-9.]*% .* and not > 50% (WaitFor=)"
        same 0 "$(ran wait)"
        umount $DISK
}

run_tests
