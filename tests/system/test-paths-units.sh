#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What systemd.path(5) has is as it is there: the same triggers fire for the same actions.

. "$(dirname "$0")/paths-lib.sh"

test_beside_path_units() {
        mkdir -p /srv/vakt-compare
        mount -t tmpfs vakt-compare /srv/vakt-compare
        trap 'umount -l /srv/vakt-compare' EXIT
        "$tools/path-units.py"
}

run_tests
