#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Fewer inotify watches than directories: what cannot be watched is polled, and that is said. The limit is that of a user
# namespace which the daemon has to itself here, so nobody else feels it.

. "$(dirname "$0")/paths-lib.sh"

readonly PROC=/run/vakt-proc

set_limit() {
        nsenter -t "$(main_pid)" -U sh -c "echo $1 >$PROC/sys/user/max_inotify_watches"
}

test_the_limit_of_watches_is_reached() {
        local polled
        # In a container /proc/sys is read-only.
        mkdir -p $PROC
        mount -t proc proc $PROC
        trap 'umount $PROC' EXIT
        drop_in 50-users <<<$'[Service]\nPrivateUsers=yes'
        fresh_tree
        path_files make $TREE 500 500 before
        systemctl start vaktd
        set_limit 100
        tree_job tree PollSec=200ms
        systemctl reload vaktd
        within 60 eval 'watch_says tree | shows " \"degraded\" "'
        watch_says tree | shows 'limit of inotify watches is reached.*raise fs.inotify.max_user_watches'
        vaktctl status tree | shows 'degraded'
        vaktctl why tree | shows '^watch: .*limit of inotify watches'
        polled=$(counter tree polled-directories)
        [ "$polled" -ge 400 ]
        [ "$(counter tree watches)" -le 100 ]
        # All are reported: those of watched directories, of polled ones, and of new ones.
        path_files make $TREE 700 7000 after
        within 60 has_listed 7000
        within 60 is_quiet tree
        path_files same $LIST $TREE after
        # A file is taken when it is complete, here too.
        exec 7>$TREE/open
        echo half >&7
        mv $TREE/after0 $TREE/moved
        within 60 is_listed $TREE/moved
        fails is_listed $TREE/open
        exec 7>&-
        within 60 is_listed $TREE/open
        # When there are more, they are taken.
        set_limit 10000
        within 60 is_watched tree
        same 0 "$(counter tree polled-directories)"
        echo x >$TREE/d1/last
        within 60 is_listed $TREE/d1/last
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p err
}

run_tests
