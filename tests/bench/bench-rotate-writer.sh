#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/bench/bench-rotate-writer.sh BUILDDIR [FILE-SYSTEM…]
#
# A program that appends 50,000 lines a second through 100 rotations, on ext4, XFS and btrfs in images that are mounted for
# it: how many lines are lost. Needs root and loop devices, which a box does not have.

set -euo pipefail

rotate=$(realpath "${1:?}")/src/upkeep/vakt-rotate
tools=$(realpath "$(dirname "$0")/../system")
shift
[ -n "${VAKT_IN_NAMESPACE-}" ] || VAKT_IN_NAMESPACE=1 exec unshare --mount "$0" "${rotate%/src/*}" "$@"
top=$(mktemp -d /var/tmp/rotate-writer.XXXXXX)
chmod 755 "$top"
# shellcheck disable=SC2317 # by the trap
clean_up() {
        kill "$(cat "$top/pid")" 2>/dev/null || true
        ! mountpoint -q "$top/fs" || umount "$top/fs"
        rm -rf "$top"
}
trap clean_up EXIT

rotate_often() { # MINIMUM SIZE, KEY=VALUE…
        local i minimum=$1
        shift
        rm -rf "$top/state" "$top"/fs/log*
        python3 "$tools/rotate-writer.py" write "$top/fs/log" 50000 &
        echo $! >"$top/pid"
        for ((i = 0; i < 100; i++)); do
                until [ "$(stat -c %s "$top/fs/log" 2>/dev/null || echo 0)" -gt "$minimum" ]; do sleep 0.002; done
                "$rotate" --state-directory="$top/state" "Path=$top/fs/log" Keep=infinity "$@" >/dev/null
        done
        kill "$(cat "$top/pid")"
        wait
        test -e "$top/fs/log.100"
        "$tools/rotate-writer.py" check "$top/fs/log"
}

try() { # FILE-SYSTEM
        local missing twice broken n minimum
        truncate -s 1G "$top/image"
        "mkfs.$1" -q "$top/image"
        mount -o loop "$top/image" "$top/fs"
        read -r missing twice broken _ n < <(rotate_often 0 "PostRotate=kill -HUP \$(cat $top/pid)")
        echo "$1: rename: $missing of $n lines lost, $twice twice, $broken broken"
        [ "$missing $twice $broken" = "0 0 0" ] || status=1
        for minimum in 0 8192; do
                read -r missing twice _ _ n < <(rotate_often $minimum Mode=copytruncate)
                echo "$1: copytruncate, logs of more than $minimum bytes: $missing of $n lines lost, $twice twice"
                [ "$twice" = 0 ] || status=1
                [ "$1" = btrfs ] || [ $minimum = 0 ] || [ "$missing" = 0 ] || status=1
        done
        umount "$top/fs"
        rm "$top/image"
}

status=0
mkdir "$top/fs"
[ $# -gt 0 ] || set -- ext4 xfs btrfs
for kind in "$@"; do
        try "$kind"
done
exit $status
