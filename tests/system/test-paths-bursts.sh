#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Many files at once: each is reported, and once, while the daemon watches, sleeps, is away, or is killed meanwhile.

. "$(dirname "$0")/paths-lib.sh"

readonly MANY=100000

all_reported_once() { # PREFIX N
        within 120 has_listed "$2"
        within 60 is_quiet tree
        path_files once $LIST $TREE "$1"
}

test_new_directories_below_each_other() {
        tree_job tree
        watch_tree tree
        path_files make $TREE 2000 20000 new
        all_reported_once new 20000
}

test_while_it_is_stopped_for_a_while() {
        local start
        tree_job tree
        without_watchdog
        watch_tree tree
        path_files make $TREE 500 1000 before
        all_reported_once before 1000
        : >$LIST
        systemctl kill -s STOP --kill-who=main vaktd
        path_files make $TREE 500 $MANY stopped
        start=$(now_ms)
        systemctl kill -s CONT --kill-who=main vaktd
        all_reported_once stopped $MANY
        [ "$(counter tree overflows)" -gt 0 ]
        echo "# figure: $MANY files while it was stopped: all reported $(($(now_ms) - start)) ms after it went on"
}

test_while_it_is_away() {
        local start
        tree_job tree
        watch_tree tree
        path_files make $TREE 500 1000 before
        all_reported_once before 1000
        : >$LIST
        systemctl stop vaktd.socket vaktd.service
        path_files make $TREE 500 $MANY away
        start=$(now_ms)
        systemctl start vaktd
        all_reported_once away $MANY
        echo "# figure: $MANY files while it was away: all reported $(($(now_ms) - start)) ms after its start"
        # The next start finds nothing that is new.
        systemctl restart vaktd
        within 60 is_watched tree
        is_quiet tree
        path_files once $LIST $TREE away
}

run_tests
