# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests of path triggers share: jobs that append the names that they get to a list, and the questions that one
# asks of a job that watches.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly TREE=/srv/vakt-tree LIST=/srv/vakt-list
tools=$(dirname "${BASH_SOURCE[0]}")
export PYTHONDONTWRITEBYTECODE=1

# tree_job NAME [LINE of Path…]: watches the tree and appends all names, each with a NUL behind it, to the list.
tree_job() {
        { local -; set +x; } 2>/dev/null
        local name=$1
        shift
        job "$name" <<END
[Path]
PathChanged=$TREE
Recursive=yes
TriggerLimitBurst=0
$(printf '%s\n' "$@")
[Run]
Shell=cat "\$VAKT_PATHS" >>$LIST
END
}

# A new tree and an empty list, and a daemon that watches it.
watch_tree() { # JOB…
        fresh_tree
        systemctl start vaktd
        for name in "$@"; do
                within 20 is_watched "$name"
        done
}

# On a file system whose times tell two writes apart, a file is reported once; elsewhere (the overlay of the box is one)
# it may be twice when it was written just as its directory was read for the first time.
fresh_tree() {
        { local -; set +x; } 2>/dev/null
        ! mountpoint -q $TREE || umount -l $TREE
        mkdir -p $TREE
        mount -t tmpfs -o mode=755 vakt-tree $TREE
        : >$LIST
}

# job_property JOB PROPERTY: as busctl prints it.
job_property() {
        { local -; set +x; } 2>/dev/null
        busctl $SOCKET get-property org.vaktd1 "/org/vaktd1/job/$1" org.vaktd1.Job "$2" 2>/dev/null
}

# counter JOB NAME: of its watches.
counter() {
        { local -; set +x; } 2>/dev/null
        job_property "$1" WatchCounters | grep -oE "\"$2\" [0-9]+" | cut -d' ' -f2
}

# watch_says JOB: key, path, state and message of each line.
watch_says() {
        { local -; set +x; } 2>/dev/null
        job_property "$1" Watches
}

is_watched() { # JOB
        watch_says "$1" | shows ' "active" '
}

# Nothing waits, nothing runs, and nothing is left to look at.
is_quiet() { # JOB
        { local -; set +x; } 2>/dev/null
        local counters
        counters=$(job_property "$1" WatchCounters) || return 1
        for name in waiting running looking; do
                grep -q "\"$name\" 0\>" <<<"$counters" || return 1
        done
}

n_listed() {
        { local -; set +x; } 2>/dev/null
        tr -dc '\0' <$LIST | wc -c
}

has_listed() { # AT-LEAST
        { local -; set +x; } 2>/dev/null
        [ "$(n_listed)" -ge "$1" ]
}

is_listed() { # PATH, without a newline in it
        { local -; set +x; } 2>/dev/null
        grep -qzxF -- "$1" $LIST
}

path_files() {
        "$tools/path-files.py" "$@"
}

# Half a minute without a word would be the end of it.
without_watchdog() {
        drop_in 50-watchdog <<<$'[Service]\nWatchdogSec=0'
}

kill_daemon() {
        { local -; set +x; } 2>/dev/null
        local pid
        pid=$(main_pid)
        kill -KILL "$pid"
        within 10 is_restarted "$pid"
}

fast_restart() {
        drop_in 50-crash <<<$'[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=0'
}

# Where files got stuck: in the kernel, which has told of more or fewer files than there are; in the watches, which have
# reported them or not; or waiting for a run.
explain_more() {
        local job pid
        for job in "$JOBS"/*.job; do
                watch_says "$(basename "$job" .job)"
                job_property "$(basename "$job" .job)" WatchCounters
        done
        pid=$(main_pid)
        grep -hE 'State|ctxt_switches' "/proc/$pid/status"
        cat "/proc/$pid/wchan"
        grep -H . "/proc/$pid"/fdinfo/* | grep -vE 'inotify wd|(ino|mnt_id|flags):'
        [ ! -d $TREE ] || path_files same $LIST $TREE ""
}
