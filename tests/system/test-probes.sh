#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is asked of a real machine and a real service manager, as vaktctl test --watch tells of each change; and that the
# daemon's sandbox lets it ask the same.

. "$(dirname "$0")/lib.sh"

readonly UNITS=/run/systemd/system
watcher=

# watch CONDITION: tells of it until the test is over. It has said the first thing when this returns.
watch() {
        { local -; set +x; } 2>/dev/null
        exec 7< <(exec vaktctl test --watch "$1" 2>&1)
        watcher=$!
        trap 'kill $watcher 2>/dev/null' EXIT
        saw "The condition is "
}

# saw TEXT [NOT]: reads what it says until a line contains TEXT, and none before it contains NOT.
saw() {
        { local -; set +x; } 2>/dev/null
        local line
        while read -rt 60 line <&7; do
                echo "watched: $line"
                [ -z "${2-}" ] || [[ $line != *"$2"* ]] || return 1
                [[ $line != *"$1"* ]] || return 0
        done
        echo "not seen: $1"
        return 1
}

# unit NAME, its lines on the standard input.
unit() {
        install -D -m 644 /dev/stdin "$UNITS/$1.service"
        systemctl daemon-reload
}

truth() { # EXIT-STATUS CONDITION
        local status=0
        timeout 60 vaktctl test "$2" || status=$?
        same "$1" "$status"
}

test_a_unit_fails_and_is_reset() {
        unit vakt-flop <<<$'[Service]\nType=oneshot\nExecStart=/bin/false'
        truth 1 'unit vakt-flop is failed'
        truth 0 'unit vakt-flop is inactive'
        truth 7 'unit vakt-no-such-unit is inactive'
        watch 'unit vakt-flop is failed'
        fails systemctl start vakt-flop
        saw "now true"
        truth 0 'unit vakt-flop* is failed'
        truth 0 'failed-units > 0'
        systemctl reset-failed vakt-flop
        saw "now false"
        truth 1 'unit vakt-flop* is failed'
}

test_the_number_of_failed_units() {
        unit vakt-flop <<<$'[Service]\nType=oneshot\nExecStart=/bin/false'
        watch 'failed-units > 0'
        fails systemctl start vakt-flop
        saw "now true"
        systemctl reset-failed vakt-flop
        saw "now false"
}

# It fails once, and then it runs: the state "failed" is never there to be asked for.
flap() { # RESTARTSEC CONDITION
        rm -f /run/vakt-flapped
        unit vakt-flap <<END
[Service]
ExecStart=/bin/sh -c 'test -e /run/vakt-flapped && exec sleep 1000; touch /run/vakt-flapped; exit 1'
Restart=on-failure
RestartSec=$1
END
        watch "$2"
        systemctl start vakt-flap
        saw "now true"
        saw "now false"
        within 10 systemctl -q is-active vakt-flap
        rm /run/vakt-flapped
        systemctl kill -s SEGV vakt-flap
        saw "now true"
        saw "now false"
        systemctl stop vakt-flap
}

test_a_unit_fails_and_is_restarted_at_once() {
        flap 100ms 'unit vakt-flap is failed'
}

test_one_of_many_units_fails_and_is_restarted_at_once() {
        flap 100ms 'unit vakt-fl*.service is failed'
}

test_a_unit_is_restarted_without_a_pause() {
        flap 0 'unit vakt-flap is failed'
}

# The connection is lost and comes back, which says nothing about units.
test_the_manager_executes_itself_anew() {
        unit vakt-stays <<<$'[Service]\nExecStart=/bin/sleep 1000'
        systemctl start vakt-stays
        watch 'unit vakt-stays is active'
        systemctl daemon-reexec
        systemctl daemon-reload
        systemctl stop vakt-stays
        saw "now false" unknown
}

test_the_bus_goes_away() {
        unit vakt-stays <<<$'[Service]\nExecStart=/bin/sleep 1000'
        exec 7< <(exec setpriv --reuid=nobody --regid=nogroup --clear-groups \
                vaktctl test --watch 'unit vakt-stays is active' 2>&1)
        watcher=$!
        trap 'kill $watcher' EXIT
        saw "The condition is false"
        restart_bus
        systemctl start vakt-stays
        saw "now true"
        systemctl stop vakt-stays
}

test_a_process_comes_and_goes() {
        local pid
        cp /bin/sleep /run/vakt-sleeper
        watch 'process vakt-sleeper count > 1'
        /run/vakt-sleeper 1000 &
        pid=$!
        /run/vakt-sleeper 1000 &
        saw "now true"
        kill $pid
        saw "now false"
        kill $!
}

test_a_socket_listens() {
        local server
        watch 'listening tcp 127.0.0.1:4711 or listening unix /run/vakt-listens'
        python3 -c 'import signal, socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 4711))
s.listen()
signal.pause()' &
        server=$!
        saw "now true"
        kill $server
        saw "now false"
        rm -f /run/vakt-listens
        python3 -c 'import signal, socket
s = socket.socket(socket.AF_UNIX)
s.bind("/run/vakt-listens")
s.listen()
signal.pause()' &
        server=$!
        saw "now true"
        kill $server
        saw "now false"
}

# On a machine that others use as well: much more than they do.
test_memory_is_used_up() {
        local available user
        available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
        watch "memory-available < $((available - 700))M"
        python3 -c 'import signal
memory = bytearray(1400 << 20)
signal.pause()' &
        user=$!
        saw "now true"
        kill $user
        saw "now false"
}

# The processors may be busy before, but then they stay so.
test_there_is_pressure() {
        local pids=() _
        fails grep -q . /proc/pressure/cpu && return
        watch 'pressure cpu some > 3%'
        for _ in 1 2 3 4; do
                nice sh -c 'while :; do :; done' &
                pids+=($!)
        done
        saw "some: "
        kill "${pids[@]}"
        truth 0 'pressure cpu some > 0% or not pressure cpu some > 0%'
}

# With all settings of the service, but another program.
in_the_sandbox() { # CONDITION
        sed -E '/^(Type|BusName|Sockets|Restart.*|WatchdogSec|ExecReload|StateDirectory.*|RuntimeDirectory.*)=/d;
                s|^ExecStart=.*|ExecStart=/usr/bin/vaktctl --json test "'"$1"'"\nType=oneshot|;
                s|^SuccessExitStatus=.*||' "$(systemctl show --value -p FragmentPath vaktd.service)" |
                unit vakt-sandbox
        systemctl start vakt-sandbox || [ "$(systemctl show --value -p ExecMainStatus vakt-sandbox)" = 1 ]
}

test_the_sandbox_hides_nothing() {
        local condition
        for condition in 'load1 >= 0' 'load5 >= 0' 'load15 >= 0' 'memory-available >= 0' 'fd-free >= 0' \
                'pids-free >= 0' 'ac-power or not ac-power' 'online or not online' \
                'process systemd count > 0' 'failed-units >= 0' \
                'unit vakt-sandbox is active or not unit vakt-sandbox is active' \
                'listening tcp 1 or not listening tcp 1' 'listening unix /run/systemd/private' \
                'disk-free / >= 0%' 'inode-free / >= 0%' 'mounted /proc' 'file-exists /etc/passwd' \
                'entries /etc > 1' 'file-size /etc/passwd > 1' 'file-age /etc/passwd >= 0' 'exec /bin/true'; do
                in_the_sandbox "$condition"
                same 0 "$(systemctl show --value -p ExecMainStatus vakt-sandbox)"
        done
        # A container may not let anybody ask.
        if systemd-run --quiet --wait vaktctl test 'clock-synchronized or not clock-synchronized'; then
                in_the_sandbox 'clock-synchronized or not clock-synchronized'
                same 0 "$(systemctl show --value -p ExecMainStatus vakt-sandbox)"
        fi
        if grep -q . /proc/pressure/cpu; then
                in_the_sandbox 'pressure cpu some >= 0%'
                same 0 "$(systemctl show --value -p ExecMainStatus vakt-sandbox)"
        fi
}

run_tests
