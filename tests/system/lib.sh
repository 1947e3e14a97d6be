# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the system tests share. A test is a function test_…() of its script; run_tests runs them in the order in which
# they stand, each with vaktd off and without jobs, and prints TAP. A test fails at the first command that fails; then its
# trace and what the journal said meanwhile are shown.
#
# They run as root in a machine of their own (tests/system/box), whose vaktd they start, kill and reconfigure.

set -uo pipefail

export PAGER=cat SYSTEMD_PAGER=cat SYSTEMD_COLORS=0
readonly JOBS=/etc/vaktd/jobs.d
readonly MANAGER="org.vaktd1 /org/vaktd1 org.vaktd1.Manager"
readonly SOCKET=--address=unix:path=/run/vaktd/control
# shellcheck disable=SC2034 # for the tests
readonly EXAMPLES=/usr/share/doc/vaktd/examples

# --- what a test says ---
#
# The trace of a test that failed shows what it called, not what is done in here: "local -; set +x".

# job NAME <<END: writes a job file. Nothing is told to the daemon.
job() {
        { local -; set +x; } 2>/dev/null
        install -D -m 644 /dev/stdin "$JOBS/$1.job"
}

# drop_in NAME <<END: settings for vaktd.service until the test is over.
drop_in() {
        install -D -m 644 /dev/stdin "/run/systemd/system/vaktd.service.d/$1.conf"
        systemctl daemon-reload
}

# within SECONDS COMMAND…: waits until the command succeeds. For facts that nothing announces.
within() {
        { local -; set +x; } 2>/dev/null
        local deadline
        deadline=$(($(now_ms) + $1 * 1000))
        shift
        until "$@"; do
                [ "$(now_ms)" -lt "$deadline" ] || { echo "not within its time: $*"; return 1; }
                sleep 0.05
        done
}

# Like grep -q, but reads to the end: who writes into a pipe that was closed early fails.
shows() {
        grep "$@" >/dev/null
}

fails() {
        ! "$@"
}

same() { # EXPECTED ACTUAL
        { local -; set +x; } 2>/dev/null
        [ "$1" = "$2" ] || { echo "expected '$1', got '$2'"; return 1; }
}

# status EXPECTED COMMAND…: its exit status; what it says is in /tmp/said.
status() {
        { local -; set +x; } 2>/dev/null
        local expected=$1 actual=0
        shift
        "$@" >/tmp/said 2>&1 || actual=$?
        [ "$actual" = "$expected" ] || { echo "exit status $actual instead of $expected: $*"; cat /tmp/said; return 1; }
}

# What the command before has said.
says() {
        { local -; set +x; } 2>/dev/null
        grep -F -e "$1" /tmp/said >/dev/null || { echo "does not say: $1"; cat /tmp/said; return 1; }
}

now_ms() {
        echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# The service's property, as systemd has it.
property() {
        { local -; set +x; } 2>/dev/null
        systemctl show --value -p "$1" vaktd.service
}

main_pid() {
        property MainPID
}

is_restarted() { # OLD PID: another one runs, and says it is ready
        [ "$(main_pid)" != "$1" ] && [ "$(main_pid)" != 0 ] && systemctl -q is-active vaktd
}

# What the journal got since the test began. (--after-cursor with a match loses the first entry, in systemd 252.)
journal() {
        { local -; set +x; } 2>/dev/null
        journalctl --sync
        journalctl --quiet --cursor="$cursor" "$@"
}

journal_has() {
        { local -; set +x; } 2>/dev/null
        [ -n "$(journal "$@")" ]
}

# Prints the MESSAGE_ID that src/util/log-messages.h calls MESSAGE_$1.
message_id() {
        { local -; set +x; } 2>/dev/null
        sed -nE "s/^#define +MESSAGE_$1 +\"([0-9a-f]{32})\"\$/\1/p" "$(dirname "${BASH_SOURCE[0]}")/log-messages.h" |
                grep .
}

# How many runs of a job the daemon remembers; 0 while it does not answer.
runs_of() {
        local reply
        # shellcheck disable=SC2086 # three words
        reply=$(busctl call $MANAGER ListRuns stu "$1" 0 1000) && cut -d' ' -f2 <<<"$reply" || echo 0
}

has_runs() { # JOB AT-LEAST
        [ "$(runs_of "$1")" -ge "$2" ]
}

list_jobs() {
        # shellcheck disable=SC2086
        busctl call $MANAGER ListJobs
}

# --- runs ---

# ask JOB: requests a run and prints its id, whatever becomes of it.
ask() {
        { local -; set +x; } 2>/dev/null
        local id
        # shellcheck disable=SC2086
        read -r _ id _ < <(busctl $SOCKET call $MANAGER Run 'sa{sv}' "$1" 0) && echo "$id"
}

# run_property ID NAME…: what the daemon knows of a run, one a line. By the socket, which is there without a bus too.
run_property() {
        { local -; set +x; } 2>/dev/null
        local id=$1
        shift
        busctl $SOCKET get-property org.vaktd1 "/org/vaktd1/run/$id" org.vaktd1.Run "$@" |
                sed -E 's/^[a-z]+ //; s/^"(.*)"$/\1/'
}

# outcome ID: its result and exit status or signal: "exit 7", "success 0".
outcome() {
        { local -; set +x; } 2>/dev/null
        run_property "$1" Result Code | xargs
}

is_done() { # ID…
        local id
        for id in "$@"; do
                [ "$(run_property "$id" State)" = "done" ] || return 1
        done
}

is_running() { # ID
        [ "$(run_property "$1" State)" = running ]
}

# Everything that PID 1 keeps of runs, over or not.
vakt_units() {
        systemctl list-units --all --plain --no-legend 'vakt-*.service' | cut -d' ' -f1
}

nothing_is_kept() {
        [ -z "$(vakt_units)" ]
}

# run_output ID: what the run printed.
run_output() {
        journal VAKT_RUN="$1" _TRANSPORT=stdout -o cat
}

# --- the machine ---

# systemd-logind of version 257 does not come back to a new bus by itself, and user sessions wait for it.
restart_bus() {
        systemctl restart dbus.service
        systemctl restart systemd-logind.service
}

# --- how they are run ---

reset() {
        systemctl stop vaktd.socket vaktd.service 2>/dev/null
        systemctl stop 'vakt-*.service' 2>/dev/null
        rm -rf /etc/vaktd /run/vaktd /var/lib/vaktd /var/lib/vaktd-rotate /run/systemd/system/vaktd.service{,.d}
        systemctl daemon-reload
        systemctl reset-failed
        mkdir -p $JOBS
}

run_one() { # FUNCTION LOG
        logger -t vaktd-tests "$1 begins"
        journalctl --sync
        cursor=$(journalctl --quiet -t vaktd-tests -n 1 -o json | sed -E 's/.*"__CURSOR":"([^"]*)".*/\1/')
        (
                set -eE
                exec >"$2" 2>&1
                set -x
                "$1"
        )
}

# What the daemon and the service manager say when a test has failed. A script may have more to say: explain_more.
explain() {
        local job
        systemctl --lines=0 status vaktd.service
        systemctl list-units --all --no-legend --plain 'vakt-*'
        systemctl list-jobs --no-legend --plain
        systemctl -q is-active vaktd.service || return # nobody is to start it by asking
        for job in "$JOBS"/*.job; do
                timeout 20 vaktctl status "$(basename "$job" .job)"
                timeout 20 vaktctl why "$(basename "$job" .job)"
        done
        ! declare -F explain_more >/dev/null || explain_more
}

run_tests() {
        local names name number=0 log
        mapfile -t names < <(grep -oE '^test_[a-z0-9_]+' "$0")
        log=$(mktemp)
        for name in "${names[@]}"; do
                number=$((number + 1))
                reset
                run_one "$name" "$log"
                # Not "if run_one": a command whose status is asked for does not stop at its first failure.
                # shellcheck disable=SC2181
                if [ $? = 0 ]; then
                        echo "ok $number - ${name#test_}"
                        grep '^# figure: ' "$log"
                else
                        sed 's/^/# /' "$log"
                        explain 2>&1 | sed 's/^/# /'
                        journal -o short-precise | sed 's/^/# journal: /'
                        echo "not ok $number - ${name#test_}"
                fi
        done
        reset
        rm -f "$log"
        echo "1..$number"
}
