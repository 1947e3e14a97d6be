#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Symbolic links below a watched directory are never followed, also those that take a directory's place while it is read.

. "$(dirname "$0")/paths-lib.sh"

# On the same file system, or that alone would keep them apart.
readonly IN=$TREE/in OUTSIDE=$TREE/outside

watch_in() { # JOB…
        fresh_tree
        mkdir $IN $OUTSIDE
        sed -i "s,^PathChanged=.*,PathChanged=$IN," $JOBS/*.job
        systemctl start vaktd
        for name in "$@"; do
                within 60 is_watched "$name"
        done
}

nothing_of_outside_is_listed() {
        fails grep -qzF $OUTSIDE $LIST
        fails grep -qzE '/(o[0-9]+|secret)$' $LIST
}

test_links_that_leave_the_tree() {
        tree_job tree
        watch_in tree
        mkdir $OUTSIDE/deep
        echo x >$OUTSIDE/secret
        ln -s $OUTSIDE $IN/directory
        ln -s $OUTSIDE/secret $IN/file
        ln -s ../outside $IN/relative
        ln -s nowhere $IN/dangling
        ln -s loop $IN/loop
        echo x >$OUTSIDE/deep/o1
        echo y >$OUTSIDE/secret
        echo x >$IN/after
        within 60 is_listed $IN/after
        within 60 is_quiet tree
        # A link is one of the tree's files, and that is all.
        for name in directory file relative dangling loop; do
                within 60 is_listed $IN/$name
        done
        nothing_of_outside_is_listed
}

test_a_directory_is_swapped_for_a_link_while_it_is_read() {
        local rounds=40 i
        tree_job tree
        tree_job slow SettleSec=1s
        watch_in tree slow
        "$tools/swap-links.py" $IN $OUTSIDE $rounds
        # In the end they are directories: their files are found, however the races went.
        within 60 is_quiet tree
        within 60 is_quiet slow
        nothing_of_outside_is_listed
        for ((i = 0; i < rounds; i += 2)); do
                is_listed $IN/r$i/swapped/deep7/f2
        done
        echo x >$IN/r0/swapped/deep7/last
        within 60 is_listed $IN/r0/swapped/deep7/last
        # What is watched at last is in the tree: nobody hears of this.
        echo x >$OUTSIDE/deep7/o1000
        rm -rf $OUTSIDE/deep7
        echo x >$IN/done
        within 60 is_listed $IN/done
        within 60 is_quiet tree
        nothing_of_outside_is_listed
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p warning
}

run_tests
