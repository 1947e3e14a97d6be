#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon's command line and its exit statuses. TAP; VAKTD_BIN is the daemon.

set -u

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/jobs.d"
n=0

report() { # OK TITLE
        n=$((n + 1))
        if [ "$1" = 0 ]; then
                echo "ok $n - $2"
        else
                echo "not ok $n - $2"
                sed 's/^/# /' "$scratch/out"
        fi
}

# STATUS TITLE PATTERN ARGUMENT…: ends with that status and prints something that matches.
expect() {
        local status=$1 title=$2 pattern=$3 got=0
        shift 3
        "$VAKTD_BIN" "$@" >"$scratch/out" 2>&1 </dev/null || got=$?
        [ "$got" = "$status" ] && grep -q -- "$pattern" "$scratch/out"
        report $? "$title (status $got)"
}

places=(--no-bus "--jobs-dir=$scratch/jobs.d" "--state-dir=$scratch/state" "--socket=$scratch/control"
        "--config=$scratch/vaktd.conf")

echo 1..14
expect 0 "--help" "--jobs-dir=DIR" --help
expect 0 "--version" "^vaktd [0-9]" --version
expect 64 "an unknown option" "nonsense" --nonsense
expect 64 "an argument" "unexpected argument 'start'" start
expect 64 "an executor that is none" "not 'magic'" --executor=magic
expect 64 "an empty path" "empty" --socket=

expect 0 "--check of nothing" "^0 jobs, 0 problems" --check "${places[@]}"
printf '[Run]\nExec=/bin/true\n' >"$scratch/jobs.d/good.job"
printf '[Run]\nExec=/bin/true\nColour=red\n' >"$scratch/jobs.d/bad.job"
expect 78 "--check of a bad job" "bad.job:3: .*Colour" --check "${places[@]}"
rm "$scratch/jobs.d/bad.job"
expect 0 "--check of a good job" "^1 job, 0 problems" --check "${places[@]}"

printf '[Manager]\nMaxRunning=many\n' >"$scratch/vaktd.conf"
expect 78 "--check of a bad vaktd.conf" "vaktd.conf:2: " --check "${places[@]}"
rm "$scratch/vaktd.conf"

touch "$scratch/file"
expect 73 "a state directory that cannot be made" "state directory" --no-bus "--state-dir=$scratch/file/state" \
        "--socket=$scratch/control"
expect 69 "a socket that cannot be made" "control" --no-bus "--jobs-dir=$scratch/jobs.d" "--state-dir=$scratch/state" \
        "--socket=/proc/control"
# Whoever holds the lock of the directory for the state is another daemon.
mkdir -p "$scratch/state"
(
        exec 5>"$scratch/state/ledger.lock"
        flock 5
        expect 69 "a state directory that another daemon uses" "Another vaktd uses" "${places[@]}" "--socket=$scratch/other"
)
n=$((n + 1))
XDG_RUNTIME_DIR='' HOME='' expect 71 "a user instance without a home" "HOME" --user
