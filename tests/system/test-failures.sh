#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktd when it is killed, stopped, restarted under its clients, or loses the bus.

. "$(dirname "$0")/lib.sh"

ticking() {
        job tick <<<$'[Timer]\nOnInterval=1s\n[Run]\nExec=/bin/true'
}

test_killed_it_is_back_and_jobs_go_on() {
        local pid child id
        ticking
        job long <<<$'[Run]\nExec=/bin/sleep 1000'
        systemctl start vaktd
        id=$(ask long)
        within 5 is_running "$id"
        child=$(run_property "$id" MainPID)
        pid=$(main_pid)
        kill -KILL "$pid"
        within 10 is_restarted "$pid"
        within 10 has_runs tick 2
        # What the dead daemon left running is the new one's.
        within 5 is_running "$id"
        same "$child 1" "$(run_property "$id" MainPID) $(runs_of long)"
        test -e "/proc/$child"
        same 1 "$(property NRestarts)"
}

test_killed_it_is_back_for_a_client_that_waits() {
        local pid
        ticking
        systemctl start vaktd
        pid=$(main_pid)
        kill -KILL "$pid"
        vaktctl list | shows tick
        within 10 is_restarted "$pid"
}

test_hanging_it_is_restarted_by_the_watchdog() {
        local pid
        ticking
        drop_in watchdog <<<$'[Service]\nWatchdogSec=2s'
        systemctl start vaktd
        pid=$(main_pid)
        # Left alone it keeps the watchdog quiet.
        within 10 has_runs tick 3
        same "$pid" "$(main_pid)"
        kill -STOP "$pid"
        within 15 is_restarted "$pid"
        journal_has _PID=1 -g 'Watchdog timeout'
        within 10 has_runs tick 2
}

is_given_up() {
        [ "$(property ActiveState)" = failed ] && journal_has _PID=1 -g 'Start request repeated too quickly'
}

test_a_crash_loop_ends_at_the_start_limit() {
        ticking
        # shellcheck disable=SC2016
        drop_in crash <<<$'[Service]\nExecStartPost=/bin/sh -c "kill -SEGV $MAINPID"'
        systemctl start vaktd || true
        within 30 is_given_up
        journal_has _PID=1 -g 'status=11/SEGV'
        # Its clients do not start it again either.
        same service-start-limit-hit "$(systemctl show --value -p Result vaktd.socket)"
        # shellcheck disable=SC2086
        fails busctl --address=unix:path=/run/vaktd/control call $MANAGER ListJobs
        # Mended, it is started as the comment in the unit says.
        rm /run/systemd/system/vaktd.service.d/crash.conf
        systemctl daemon-reload
        systemctl reset-failed vaktd.service
        systemctl start vaktd.socket vaktd.service
        vaktctl list | shows tick
}

# Calls one after the other until the restarts are over; a line on standard output for each, "bad" with its reason for one
# that failed.
caller() { # FLAG-FILE COMMAND…
        local flag=$1 answer
        shift
        while [ -e "$flag" ]; do
                answer=$("$@" 2>&1 >/dev/null) && echo good || echo "bad $? $answer"
        done
}

test_calls_during_restarts_are_answered() {
        local flag calls pids=()
        flag=$(mktemp)
        calls=$(mktemp)
        ticking
        systemctl start vaktd
        for _ in 1 2; do
                # shellcheck disable=SC2086
                caller "$flag" busctl --address=unix:path=/run/vaktd/control call $MANAGER ListJobs >>"$calls" &
                pids+=($!)
                caller "$flag" vaktctl list >>"$calls" &
                pids+=($!)
        done
        for _ in {1..10}; do
                systemctl reset-failed vaktd.service
                systemctl restart vaktd
        done
        rm "$flag"
        wait "${pids[@]}"
        sort "$calls" | uniq -c
        fails shows -v '^good$' "$calls"
        [ "$(wc -l <"$calls")" -ge 50 ]
}

test_two_hundred_clients_wait_for_a_start() {
        local pids=() answers
        answers=$(mktemp)
        ticking
        systemctl start vaktd.socket
        for _ in {1..200}; do
                # shellcheck disable=SC2086
                busctl --address=unix:path=/run/vaktd/control call $MANAGER ListJobs >>"$answers" 2>&1 &
                pids+=($!)
        done
        wait "${pids[@]}"
        same 200 "$(grep -c '^a(sssstttto) 1 "tick"' "$answers")"
}

owns_its_name() {
        [ "$(busctl call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s org.vaktd1)" = "b true" ]
}

test_a_new_bus_gets_the_daemon_back() {
        ticking
        systemctl start vaktd
        restart_bus
        within 10 owns_its_name
        same active "$(systemctl is-active vaktd)"
        list_jobs | shows '"tick"'
        # The socket has served all the time, and the jobs went on.
        vaktctl list | shows tick
        within 5 has_runs tick 2
}

test_without_a_bus_the_socket_serves() {
        ticking
        systemctl stop dbus.socket dbus.service
        systemctl start vaktd.socket
        vaktctl list | shows tick
        within 5 journal_has -u vaktd VAKT_JOB=tick
        systemctl start dbus.socket dbus.service
        within 20 owns_its_name
        restart_bus
}

run_tests
