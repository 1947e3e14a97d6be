#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The service with runs as its own children, by the drop-in of the examples.

. "$(dirname "$0")/lib.sh"

children() {
        drop_in 10-child-executor <"$EXAMPLES/vaktd.service.d/10-child-executor.conf"
}

long_job() {
        job long <<<$'[Run]\nRetry=1\nRetryDelaySec=1h\nExec=/bin/sleep 1000'
}

test_runs_are_children_in_groups_of_their_own() {
        local id pid
        children
        long_job
        systemctl start vaktd
        id=$(ask long)
        within 5 is_running "$id"
        pid=$(run_property "$id" MainPID)
        same "0::/system.slice/vaktd.service/run-$id" "$(grep ^0:: "/proc/$pid/cgroup")"
        nothing_is_kept
        # The daemon's own shutters are open.
        same "$(sed -n 's/^CapEff:.//p' /proc/1/status)" "$(sed -n 's/^CapEff:.//p' "/proc/$pid/status")"
        vaktctl cancel "$id"
        within 5 is_done "$id"
        same "cancelled 15" "$(outcome "$id")"
}

test_a_stop_ends_them_in_order() {
        local id pid
        children
        long_job
        systemctl start vaktd
        id=$(ask long)
        within 5 is_running "$id"
        pid=$(run_property "$id" MainPID)
        systemctl stop vaktd.socket vaktd.service
        fails test -e "/proc/$pid"
        same success "$(property Result)"
        fails journal_has _PID=1 -g 'Killing process|Failed with result'
        systemctl start vaktd
        same "cancelled 15" "$(outcome "$id")"
}

test_what_a_stop_interrupts_is_made_again() {
        local id
        children
        job plain <<<$'[Run]\nExec=/bin/sleep 1000'
        systemctl start vaktd
        id=$(ask plain)
        within 5 is_running "$id"
        systemctl restart vaktd
        same "cancelled 15" "$(outcome "$id")"
        within 10 has_runs plain 2
        within 10 eval 'vaktctl --json history plain | shows "\"retry\""'
        within 10 is_running $((id + 1))
}

test_killed_with_the_daemon_they_are_lost_and_tried_again() {
        local id pid
        children
        long_job
        systemctl start vaktd
        id=$(ask long)
        within 5 is_running "$id"
        pid=$(run_property "$id" MainPID)
        within 10 is_restarted "$(p=$(main_pid); kill -KILL "$p"; echo "$p")"
        fails test -e "/proc/$pid"
        within 5 is_done "$id"
        same lost "$(run_property "$id" Result)"
        within 5 has_runs long 2
        vaktctl --json history long | shows '"retry"'
}

test_settings_that_would_not_protect_are_refused() {
        children
        job strict <<<$'[Run]\nExec=/bin/true\n[Service]\nProtectSystem=strict'
        job nobody <<<$'[Run]\nShell=id -un\n[Service]\nUser=nobody\nWorkingDirectory=/usr\nLimitNOFILE=100'
        systemctl start vaktd
        # shellcheck disable=SC2086
        busctl call $MANAGER Diagnostics | shows 'strict.job" 4 ".*ProtectSystem.*'
        fails vaktctl run strict
        vaktctl run nobody --wait
        same nobody "$(journal VAKT_JOB=nobody -t nobody -o cat)"
}

# A daemon that is process 1, on a state that is kept.
boots_a_container() { # SCRATCH
        unshare --pid --fork --kill-child=KILL --mount-proc vaktd --no-bus --executor=child --config="$1/vaktd.conf" \
                --jobs-dir="$1/jobs" --state-dir="$1/state" --socket="$1/control" 2>>"$1/log" &
}

test_each_start_of_a_container_is_a_boot() {
        local scratch=/run/vakt-container i pid
        mkdir -p $scratch/jobs
        printf '[Timer]\nOnCron=@reboot\n[Run]\nShell=echo reboot >>%s/lines\n' $scratch >$scratch/jobs/a.job
        printf '[Timer]\nOnBootSec=2s\n[Run]\nShell=echo after >>%s/lines\n' $scratch >$scratch/jobs/b.job
        touch $scratch/lines
        for i in 1 2; do
                boots_a_container $scratch
                pid=$!
                within 30 eval '[ "$(grep -c reboot $scratch/lines)" = '$i' ]'
                within 30 eval '[ "$(grep -c after $scratch/lines)" = '$i' ]'
                kill -KILL $pid
                wait $pid || true
                within 10 eval '! vaktctl --socket=$scratch/control list'
        done
        rm -rf $scratch
}

run_tests
