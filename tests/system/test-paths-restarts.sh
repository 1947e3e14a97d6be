#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Files that wait, settle, or are in a run when the daemon goes: none is forgotten, and none is taken for news again.

. "$(dirname "$0")/paths-lib.sh"

readonly GATE=/run/vakt-paths-gate BEGUN=/run/vakt-paths-begun

close_gate() {
        : >$GATE
        exec 8>$GATE
        flock 8
}

open_gate() {
        exec 8>&-
}

# gated_job NAME LINE…: its runs add what they get to a list of its own, and wait at the gate.
gated_job() {
        local name=$1
        shift
        job "$name" <<END
[Path]
PathChanged=$TREE/$name
$(printf '%s\n' "$@")
[Run]
Shell=cat "\$VAKT_PATHS" >>$LIST-$name; touch $BEGUN; flock -s $GATE true
END
        : >"$LIST-$name"
        mkdir -p "$TREE/$name"
}

# put JOB FILE: it appears whole.
put() {
        echo x >"$TREE/.part"
        mv "$TREE/.part" "$TREE/$1/$2"
}

counts() { # JOB WAITING RUNNING
        [ "$(counter "$1" waiting) $(counter "$1" running)" = "$2 $3" ]
}

listed() { # JOB: names, sorted
        tr '\0' '\n' <"$LIST-$1" | sed 's,.*/,,' | sort | xargs
}

# One file in a run, one that waits for its end, and one that settles.
nothing_is_forgotten() { # COMMAND [START]
        fresh_tree
        close_gate
        rm -f $BEGUN
        gated_job run
        gated_job settle SettleSec=2s
        systemctl start vaktd
        for name in run settle; do
                within 60 is_watched $name
        done
        put run first
        within 60 test -e $BEGUN
        within 60 counts run 0 1
        put run second
        put settle file
        put run third
        within 60 counts run 2 1
        within 60 counts settle 1 0
        eval "$1"
        eval "${2-}"
        for name in run settle; do
                within 60 is_watched $name
        done
        # They are where they were.
        counts run 2 1
        same first "$(listed run)"
        open_gate
        within 60 is_quiet run
        within 60 is_quiet settle
        same "first second third" "$(listed run)"
        same file "$(listed settle)"
        same "2 1" "$(runs_of run) $(runs_of settle)"
}

test_a_restart() {
        nothing_is_forgotten 'systemctl restart vaktd'
}

test_a_kill() {
        nothing_is_forgotten kill_daemon
}

test_a_stop_while_more_comes() {
        nothing_is_forgotten 'systemctl stop vaktd.socket vaktd.service; echo y >>$TREE/run/third; echo y >>$TREE/settle/file' \
                'systemctl start vaktd'
}

# Snapshots are written from time to time only, so that what was in a run may be in another one; but no file is missed.
test_kills_while_files_come() {
        local i files=500 kills=12
        tree_job tree
        fast_restart
        watch_tree tree
        for ((i = 0; i < kills; i++)); do
                path_files make $TREE 50 $files "round$i-" &
                kill_daemon
                wait $!
        done
        within 60 has_listed $((kills * files))
        within 60 is_quiet tree
        path_files same $LIST $TREE round
        echo "# figure: $((kills * files)) files while it was killed $kills times: $(n_listed) names in $(runs_of tree) runs"
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p err
}

run_tests
