# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# For tests of vaktctl against a real daemon without any bus, to be sourced: a scratch directory, the daemon in it, and
# what holds vaktctl's output against what it should be. TAP on standard output.

set -u

scratch=$(mktemp -d "${TMPDIR:-/tmp}/vaktctl.XXXXXX")
chmod 755 "$scratch"
jobs=$scratch/jobs.d
socket=$scratch/control
mkdir "$jobs" "$scratch/json"
mkfifo "$scratch/started" "$scratch/release"
export LC_ALL=C.UTF-8 TZ=UTC TERM=xterm XDG_RUNTIME_DIR=$scratch/run
export SYSTEMD_PAGER='' SYSTEMD_PAGERSECURE=no
unset LANGUAGE VAKTD_SOCKET NO_COLOR SYSTEMD_COLORS COLUMNS NOTIFY_SOCKET PAGER SYSTEMD_LESS SUDO_UID
daemon=
holder_pid=
number=0

clean_up() {
        [ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null
        [ -z "$holder_pid" ] || kill "$holder_pid" 2>/dev/null
        # In this order: a run that comes to its gate finds none, or reads its end.
        rm -rf "$scratch"
        exec 8>&- 9>&-
}
trap clean_up EXIT

# --- reporting ---

ok() { # STATUS DESCRIPTION
        number=$((number + 1))
        if [ "$1" = 0 ]; then
                echo "ok $number - $2"
        else
                echo "not ok $number - $2"
                echo "# exit status $status"
                sed 's/^/# out: /' "$scratch/out"
                sed 's/^/# err: /' "$scratch/err"
        fi
}

skip() { # DESCRIPTION REASON
        number=$((number + 1))
        echo "ok $number - $1 # SKIP $2"
}

bail_out() {
        echo "Bail out! $1"
        exit 1
}

# Runs vaktctl; $status, $scratch/out and $scratch/err hold what came of it.
ctl() {
        status=0
        "$VAKTCTL_BIN" --socket="$socket" "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
        [ "${1-}" != --json ] || keep_json "$@"
}

# What was printed with --json is kept, and held against the schema at the end: json_fits_schema.
n_json=0
keep_json() {
        local word verb=
        n_json=$((n_json + 1))
        for word in "$@"; do
                [ -n "$verb" ] || ! [[ " $json_verbs " == *" $word "* ]] || verb=$word
        done
        [ ! -s "$scratch/out" ] || cp "$scratch/out" "$scratch/json/$n_json.${verb/import-*/import}"
        [ ! -s "$scratch/err" ] || cp "$scratch/err" "$scratch/json/$n_json.error"
}
json_verbs=$("$VAKTCTL_BIN" --help | sed -nE '/^Verbs:/,/^Options:/s/^  ([a-z-]+) .*/\1/p' | tr '\n' ' ')

json_fits_schema() {
        "${0%/*}/check-json.py" "${0%/*}/../../src/ctl/vaktctl.schema.json" "$scratch"/json/* >"$scratch/out" 2>&1
        status=$?
        ok $status "all $n_json answers with --json are as the schema says"
}

# STATUS DESCRIPTION, after ctl.
ends() {
        [ "$status" = "$1" ]
        ok $? "$2 ends with $1"
}

out() { # DESCRIPTION, extended regular expression in the output
        grep -qE -- "$2" "$scratch/out"
        ok $? "$1"
}

err() {
        grep -qE -- "$2" "$scratch/err"
        ok $? "$1"
}

# DESCRIPTION, Python expression about the JSON document j
json() {
        python3 -c 'import json, sys; j = json.load(sys.stdin); sys.exit(not ('"$2"'))' <"$scratch/out" 2>>"$scratch/err"
        ok $? "$1"
}

# --- the daemon ---

# Returns when it says READY=1, told by its notification socket.
start_daemon() {
        local line
        exec 7< <(exec python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(60)
print("bound", flush=True)
try:
    while "READY=1" not in s.recv(65536).decode().split("\n"):
        pass
    print("ready", flush=True)
finally:
    os.unlink(sys.argv[1])' "$scratch/supervisor")
        read -r line <&7
        # shellcheck disable=SC2086 # the wrapper is words
        NOTIFY_SOCKET=$scratch/supervisor ${VAKTD_WRAPPER-} "$VAKTD_BIN" --no-bus --executor=child \
                --config="$scratch/vaktd.conf" --jobs-dir="$jobs" --state-dir="$scratch/state" \
                --socket="$socket" 2>>"$scratch/log" 7<&- 8<&- 9<&- &
        daemon=$!
        read -r line <&7 || bail_out "the daemon did not start: $(tail -n 5 "$scratch/log")"
        exec 7<&-
}

stop_daemon() { # SIGNAL
        kill "-$1" "$daemon"
        wait "$daemon" 2>/dev/null
        daemon=
}

job() { # NAME, content on standard input
        cat >"$jobs/$1.job"
        chmod 644 "$jobs/$1.job"
}

# A run says by a line into $scratch/started that it runs, and ends when there is one in $scratch/release.
exec 8<>"$scratch/started" 9<>"$scratch/release"
wait_for_run() { read -rt 60 _ <&8 || bail_out "no run started: $(tail -n 5 "$scratch/log")"; }
release_run() { echo >&9; }

# --- a terminal ---

have_terminal() {
        command -v script >/dev/null && script -qefc true /dev/null </dev/null >/dev/null 2>&1
}

# As ctl, on a terminal so wide.
terminal() { # COLUMNS ARGUMENT…
        SHELL=/bin/sh script -qefc "stty cols $1; exec '$VAKTCTL_BIN' --socket='$socket' ${*:2}" "$scratch/typescript" \
                </dev/null 2>"$scratch/err" | tr -d '\r' >"$scratch/out"
        status=${PIPESTATUS[0]}
}

# --- somebody else ---

have_nobody() {
        [ "$(id -u)" = 0 ] && setpriv --reuid=nobody --clear-groups test -x "$VAKTCTL_BIN" -a -w "$socket"
}

# As ctl, as a user that may do nothing.
nobody() {
        status=0
        setpriv --reuid=nobody --clear-groups "$VAKTCTL_BIN" --socket="$socket" "$@" \
                >"$scratch/out" 2>"$scratch/err" || status=$?
}
