#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktd as systemd sees it: start, reload, stop, activation, the bus, the journal.

. "$(dirname "$0")/lib.sh"

hello_job() {
        job hello <<'END'
[Job]
Description=A friendly word
[Run]
Shell=echo "hello from $VAKT_JOB"
END
}

tick_job() {
        job tick <<'END'
[Timer]
OnInterval=1s
[Run]
Exec=/bin/true
END
}

test_start_returns_only_when_ready() {
        local i
        hello_job
        for i in {1..500}; do
                printf '[Run]\nExec=/bin/true\n' >"$JOBS/j$i.job"
        done
        systemctl start vaktd
        same active "$(systemctl is-active vaktd)"
        # All of this at once, without any further waiting: the bus name, the socket, all jobs, the journal entry.
        same "b true" "$(busctl call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s org.vaktd1)"
        list_jobs | shows '^a(sssstttto) 501 '
        same 501 "$(vaktctl --no-legend list | wc -l)"
        journal_has -u vaktd MESSAGE_ID="$(message_id STARTED)"
        same running "$(property SubState)"
        property StatusText | shows '501 jobs'
        same vaktd "$(cat "/proc/$(main_pid)/comm")"
}

test_everything_is_installed_and_enabled_by_one_command() {
        systemctl enable vaktd
        same "enabled enabled" "$(systemctl is-enabled vaktd.service vaktd.socket | xargs)"
        systemctl disable vaktd
        test -e /usr/share/doc/vaktd/examples/jobs.d/hello.job
        systemd-analyze verify --man=no vaktd.service vaktd.socket
}

test_the_example_jobs_are_good() {
        install -m 644 /usr/share/doc/vaktd/examples/jobs.d/*.job $JOBS
        vaktd --check
        vaktctl check $JOBS/*.job
}

test_reload_puts_a_good_edit_into_force() {
        hello_job
        systemctl start vaktd
        vaktctl run hello --wait
        sed -i 's/friendly/kind/' $JOBS/hello.job
        job second <<<$'[Run]\nExec=/bin/true'
        systemctl reload vaktd
        same 's "A kind word"' "$(busctl get-property org.vaktd1 /org/vaktd1/job/hello org.vaktd1.Job Description)"
        vaktctl list | shows second
        has_runs hello 1
        journal_has -u vaktd MESSAGE_ID="$(message_id RELOADED)"
        same active "$(systemctl is-active vaktd)"
}

test_reload_fails_on_a_bad_file_and_keeps_the_last_good_version() {
        local before
        hello_job
        tick_job
        systemctl start vaktd
        printf '[Job]\nDescription=Worse\n[Run]\nExec=/bin/true\nNoSuchKey=1\n' >"$JOBS/hello.job"
        fails systemctl reload vaktd
        # The reason, with file and line.
        journal_has -u vaktd MESSAGE_ID="$(message_id CONFIG_PROBLEM)" CONFIG_FILE=$JOBS/hello.job CONFIG_LINE=5
        journal -u vaktd -o cat | shows 'hello.job:5.*NoSuchKey'
        # shellcheck disable=SC2086
        busctl call $MANAGER Diagnostics | shows 'a(sus) 1 "/etc/vaktd/jobs.d/hello.job" 5 ".*NoSuchKey'
        vaktctl list | shows hello
        # The old version is in force, and other jobs go on.
        same active "$(systemctl is-active vaktd)"
        same 's "A friendly word"' "$(busctl get-property org.vaktd1 /org/vaktd1/job/hello org.vaktd1.Job Description)"
        vaktctl run hello --follow | shows 'hello from hello'
        before=$(runs_of tick)
        within 5 has_runs tick $((before + 2))
        # Mended, it is as if nothing had been.
        hello_job
        systemctl reload vaktd
        # shellcheck disable=SC2086
        same "a(sus) 0" "$(busctl call $MANAGER Diagnostics)"
}

test_stop_is_clean() {
        local pid
        job long <<<$'[Run]\nExec=/bin/sleep 1000'
        systemctl start vaktd
        vaktctl run long
        within 5 journal_has VAKT_JOB=long MESSAGE_ID="$(message_id RUN_STARTED)"
        pid=$(systemctl show --value -p MainPID "$(vakt_units)")
        timeout 30 systemctl stop vaktd # it waits for nothing
        same inactive "$(systemctl is-active vaktd)"
        same "success 1 0" "$(property Result) $(property ExecMainCode) $(property ExecMainStatus)"
        # The run is a unit of its own and none of the daemon's business now.
        test -e "/proc/$pid"
        journal_has MESSAGE_ID="$(message_id STOPPED)"
        fails journal_has _PID=1 -g 'Killing process|Failed with result'
}

# The first client is answered before systemd has heard that the daemon is ready.
was_started() {
        local state
        state=$(systemctl is-active vaktd.service) || true
        [[ $state == activ* ]] # active, or activating
        systemctl start vaktd.service
        same active "$(systemctl is-active vaktd.service)"
}

test_the_first_client_of_the_socket_starts_the_daemon() {
        hello_job
        systemctl start vaktd.socket
        same inactive "$(systemctl is-active vaktd.service)"
        same "666 socket" "$(stat -c '%a %F' /run/vaktd/control)"
        vaktctl pause hello
        was_started
        vaktctl list | shows hello
        # And again after a stop, which leaves the socket where it is.
        systemctl stop vaktd.service
        same active "$(systemctl is-active vaktd.socket)"
        # shellcheck disable=SC2086
        busctl $SOCKET call $MANAGER ListJobs | shows hello
        was_started
}

# says_stopped PATTERN COMMAND…: vaktctl finds no daemon, says so, and starts none.
says_stopped() {
        local pattern=$1 status=0
        shift
        "$@" >/tmp/out 2>&1 || status=$?
        cat /tmp/out
        same 6 $status
        shows "$pattern" /tmp/out
        same inactive "$(systemctl is-active vaktd.service)"
}

test_looking_starts_nothing() {
        local verb
        hello_job
        for verb in vaktd.service "vaktd.service vaktd.socket"; do
                systemctl start vaktd.socket vaktd.service
                # shellcheck disable=SC2086
                systemctl stop $verb
                for verb in list status "status hello" history "why hello" "plan hello" "cat hello"; do
                        # shellcheck disable=SC2086
                        says_stopped "vaktd is stopped; start it with 'systemctl start vaktd'" \
                                setpriv --reuid=nobody --clear-groups vaktctl $verb
                done
        done
        same inactive "$(systemctl is-active vaktd.socket)"
        # What changes something may.
        vaktctl pause hello
        same active "$(systemctl is-active vaktd.service)"
}

test_who_waits_for_a_run_starts_no_daemon() {
        local waiter status=0
        job long <<<$'[Run]\nExec=/bin/sleep 1000'
        systemctl start vaktd.socket vaktd.service
        vaktctl run long --wait >/tmp/wait 2>&1 &
        waiter=$!
        within 10 journal_has VAKT_JOB=long MESSAGE_ID="$(message_id RUN_STARTED)"
        systemctl stop vaktd.service
        wait $waiter || status=$?
        same 6 $status
        shows 'vaktd is stopped' /tmp/wait
        same "inactive active" "$(systemctl is-active vaktd.service vaktd.socket | xargs)"
}

test_a_masked_daemon_is_not_started() {
        hello_job
        systemctl start vaktd.socket
        systemctl mask --runtime vaktd.service
        says_stopped 'systemctl unmask vaktd.service' vaktctl list
        says_stopped 'systemctl unmask vaktd.service' vaktctl pause hello
        systemctl stop vaktd.socket
        says_stopped 'systemctl unmask vaktd.service' vaktctl list
        says_stopped 'systemctl unmask vaktd.service' vaktctl pause hello
        systemctl unmask --runtime vaktd.service
        vaktctl pause hello
}

# The client of a reload must not keep systemd from starting the daemon again.
test_a_death_during_a_reload() {
        local pid reload list start
        hello_job
        systemctl start vaktd
        pid=$(main_pid)
        kill -STOP "$pid"
        systemctl reload vaktd &
        reload=$!
        within 10 eval '[ "$(property SubState)" = reload ]'
        timeout 60 vaktctl list >/tmp/list &
        list=$!
        start=$(now_ms)
        kill -KILL "$pid"
        within 60 is_restarted "$pid"
        # The watchdog would have broken it after two minutes; RestartSec= is one second.
        [ $(($(now_ms) - start)) -lt 15000 ]
        fails wait $reload
        wait $list
        shows hello /tmp/list
}

test_a_call_on_the_bus_starts_the_daemon() {
        hello_job
        list_jobs | shows '^a(sssstttto) 1 "hello"'
        same active "$(systemctl is-active vaktd.service)"
}

test_busctl_introspects_all_objects() {
        local path objects
        objects=$(mktemp)
        hello_job
        systemctl start vaktd
        vaktctl run hello --wait
        busctl introspect org.vaktd1 /org/vaktd1 >"$objects"
        shows -E '^\.ListJobs +method +- +a\(sssstttto\)' "$objects"
        shows -E '^\.RunFinished +signal' "$objects"
        shows -E '^\.LogLevel +property' <(busctl introspect org.vaktd1 /org/freedesktop/LogControl1)
        busctl tree --list org.vaktd1 >"$objects"
        shows -x /org/vaktd1/job/hello "$objects"
        path=$(grep -E '^/org/vaktd1/run/.' "$objects")
        busctl introspect org.vaktd1 "$path" | shows -E '^\.Result +property +s +"success"'
        rm "$objects"
}

test_busctl_speaks_to_the_socket_without_a_bus() {
        local address=--address=unix:path=/run/vaktd/control
        hello_job
        systemctl start vaktd.socket
        # shellcheck disable=SC2086
        {
                busctl $address call $MANAGER ListJobs | shows '^a(sssstttto) 1 "hello"'
                busctl $address call $MANAGER Run 'sa{sv}' hello 0 | shows -E '^to [0-9]+ "/org/vaktd1/run/'
                busctl $address get-property $MANAGER Jobs | shows -x 'u 1'
        }
        busctl $address introspect org.vaktd1 /org/vaktd1/job/hello | shows '"A friendly word"'
}

test_the_journal_has_a_jobs_runs_with_their_fields() {
        local run
        hello_job
        job bad <<<$'[Run]\nShell=echo oh no >&2; exit 7'
        systemctl start vaktd
        vaktctl run hello --wait
        fails vaktctl run bad --wait
        run=$(journal -u vaktd VAKT_JOB=hello MESSAGE_ID="$(message_id RUN_STARTED)" -o json |
                sed -nE 's/.*"VAKT_RUN":"([0-9]+)".*/\1/p')
        journal_has -u vaktd VAKT_JOB=hello VAKT_RUN="$run" MESSAGE_ID="$(message_id RUN_SUCCEEDED)"
        journal_has -u vaktd VAKT_JOB=bad MESSAGE_ID="$(message_id RUN_FAILED)"
        # What it printed stands under its own name, once, with the same fields.
        same "hello from hello" "$(journal -t hello VAKT_JOB=hello -o cat)"
        same "oh no" "$(journal -t bad VAKT_JOB=bad -o cat)"
        same 1 "$(journal -u vaktd VAKT_JOB=bad MESSAGE_ID="$(message_id RUN_FAILED)" -o cat | grep -c .)"
}

test_the_output_of_a_followed_run_is_in_the_journal_too() {
        hello_job
        systemctl start vaktd
        same "hello from hello" "$(vaktctl run hello --follow)"
        same "hello from hello" "$(journal VAKT_JOB=hello SYSLOG_IDENTIFIER=hello -o cat)"
}

test_the_journal_explains_entries() {
        hello_job
        systemctl start vaktd
        vaktctl run hello --wait
        journal -x -u vaktd MESSAGE_ID="$(message_id RUN_SUCCEEDED)" | shows 'Subject: Job hello has succeeded'
        same "$(grep -c '^#define MESSAGE_' "$(dirname "$0")/log-messages.h")" "$(journalctl --list-catalog | grep -c ' vaktd: ')"
}

test_systemctl_sets_the_log_level() {
        hello_job
        systemctl start vaktd
        same info "$(systemctl service-log-level vaktd)"
        systemctl service-log-level vaktd warning
        same warning "$(systemctl service-log-level vaktd)"
        vaktctl run hello --wait
        fails journal_has -u vaktd MESSAGE_ID="$(message_id RUN_STARTED)"
        systemctl service-log-level vaktd debug
        vaktctl run hello --wait
        journal_has -u vaktd MESSAGE_ID="$(message_id RUN_STARTED)"
        # Neither a reload nor a wrong word changes it.
        systemctl reload vaktd
        fails systemctl service-log-level vaktd nonsense
        same debug "$(systemctl service-log-level vaktd)"
        systemctl stop vaktd
        journal_has -u vaktd -p debug..debug
}

test_sighup_reloads() {
        systemctl start vaktd
        hello_job
        systemctl kill -s HUP --kill-who=main vaktd
        within 5 journal_has -u vaktd MESSAGE_ID="$(message_id RELOADED)"
        vaktctl list | shows hello
        within 5 systemctl -q is-active vaktd
}

test_sigusr1_writes_the_state_to_the_journal() {
        hello_job
        job long <<<$'[Run]\nExec=/bin/sleep 1000'
        systemctl start vaktd
        within 5 is_running "$(ask long)"
        systemctl kill -s USR1 --kill-who=main vaktd
        within 5 journal_has -u vaktd -g '^State: .*jobs'
        within 5 journal_has -u vaktd VAKT_JOB=long -g '^long: State: run .* is running'
}

test_a_bad_vaktd_conf_keeps_nobody_from_running() {
        hello_job
        printf '[Manager]\nMaxRunning=many\n' >/etc/vaktd/vaktd.conf
        systemctl start vaktd
        journal_has -u vaktd CONFIG_FILE=/etc/vaktd/vaktd.conf CONFIG_LINE=2
        property StatusText | shows 'vaktd.conf has errors'
        # shellcheck disable=SC2086
        busctl call $MANAGER Diagnostics | shows 'vaktd.conf" 2'
        vaktctl list 2>&1 | shows 'vaktd.conf:2: '
        fails vaktctl check
        vaktctl run hello --wait
        rm /etc/vaktd/vaktd.conf
        systemctl reload vaktd
        within 5 eval 'property StatusText | fails shows errors'
        # A reload with a bad one says so, and the settings in force stay.
        printf '[Manager]\nMaxRunning=many\n' >/etc/vaktd/vaktd.conf
        fails systemctl reload vaktd
        same active "$(systemctl is-active vaktd)"
}

test_everybody_reads_and_only_root_changes() {
        local address=--address=unix:path=/run/vaktd/control nobody="setpriv --reuid=nobody --regid=nogroup --clear-groups"
        hello_job
        systemctl start vaktd
        $nobody vaktctl list | shows hello
        local status=0
        $nobody vaktctl run hello || status=$?
        same 5 $status
        # shellcheck disable=SC2086
        {
                $nobody busctl call $MANAGER ListJobs | shows hello
                fails $nobody busctl call $MANAGER Run 'sa{sv}' hello 0
                fails $nobody busctl call $MANAGER Reload
                fails $nobody busctl $address call $MANAGER Run 'sa{sv}' hello 0
                fails $nobody busctl set-property org.vaktd1 /org/freedesktop/LogControl1 \
                        org.freedesktop.LogControl1 LogLevel s debug
        }
        same 0 "$(runs_of hello)"
        same 4 "$(vaktctl run no-such-job >/dev/null 2>&1 || echo $?)"
}

run_tests
