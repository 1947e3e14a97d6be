#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon is killed at every single write to its ledger and at every message that it sends. With VAKT_TEST_FULL= this
# is done on every version of systemd, else on that of Debian 12, and at every fourth place on newer ones: the ledger is
# the same there.

. "$(dirname "$0")/lib.sh"

stride=1
version=$(systemctl --version | awk 'NR == 1 { print $2 }')
[ "$version" = 252 ] || [ -n "${VAKT_TEST_FULL-}" ] || stride=4

killed_at() {
        "$(dirname "$0")/kill-at-write.py" --stride $stride "$@"
        fails pgrep -u root -x vaktd
}

test_killed_at_every_write_to_the_ledger() {
        killed_at pwrite64
}

test_killed_at_every_sync_of_the_ledger() {
        killed_at fdatasync fsync
}

test_killed_at_every_message() {
        killed_at sendmsg
}

test_killed_at_every_change_of_a_directory() {
        killed_at rename renameat renameat2 unlink unlinkat
}

run_tests
