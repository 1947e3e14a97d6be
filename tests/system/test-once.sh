#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Jobs of vaktctl once as units: as whom and where they run, and that each runs exactly once while the daemon is killed
# again and again.

. "$(dirname "$0")/lib.sh"

readonly ONCE=/var/lib/vaktd/once.d
readonly RAN=/run/vakt-once

is_over() { # JOBS: none of them is left
        local out
        out=$(vaktctl -q once 2>/dev/null) && [ -z "$out" ]
}

test_as_a_unit() {
        rm -rf "$RAN"
        mkdir "$RAN"
        systemctl start vaktd
        (cd "$RAN" && umask 027 && A='b "c"' vaktctl once --in=1s --name=unit --wait -- \
                /bin/sh -c 'echo "$A" "$1" >out; pwd >>out; systemctl --version >/dev/null' x '50% $HOME')
        same 'b "c" 50% $HOME'$'\n'"$RAN" "$(cat "$RAN/out")"
        same 640 "$(stat -c %a "$RAN/out")"
        same 700 "$(stat -c %a "$ONCE")"
        fails vaktctl status unit
        vaktctl history unit | shows success
}

# Who creates a job has not chosen what is in its environment, and nobody else is to see it.
test_environment_is_private() {
        systemctl start vaktd
        PASSWORD='hunter2 $x' vaktctl once --in=1s --name=private -- /bin/sh -c 'sleep 600; true'
        within 20 systemctl -q is-active 'vakt-private-*'
        same 'PASSWORD=hunter2 $x' "$(tr '\0' '\n' <"/proc/$(systemctl show -P MainPID 'vakt-private-*')/environ" |
                grep ^PASSWORD)"
        fails grep -q hunter2 <<<"$(setpriv --reuid=65534 --regid=65534 --clear-groups systemctl show 'vakt-private-*')"
        fails setpriv --reuid=65534 --regid=65534 --clear-groups grep -rqs hunter2 /run/vaktd /var/lib/vaktd
        vaktctl cancel private
}

test_killed_again_and_again() {
        local i
        rm -rf "$RAN"
        mkdir "$RAN"
        drop_in limits <<<$'[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=0'
        systemctl start vaktd
        # What the caller is told is that it is accepted; what it is not told may be lost.
        for i in {1..40}; do
                (vaktctl -q once --in="$((1 + i % 4))s" --name="kill-$i" -- \
                        /bin/sh -c "echo x >>$RAN/$i" >/dev/null 2>&1 && touch "$RAN/accepted-$i") &
                [ $((i % 3)) != 0 ] || systemctl kill --kill-who=main -s KILL vaktd || true # between two of them
        done
        wait
        for i in {1..30}; do
                systemctl kill --kill-who=main -s KILL vaktd || true
                sleep "0.$((RANDOM % 30 + 1))"
        done
        within 60 systemctl -q is-active vaktd
        within 60 is_over
        for i in {1..40}; do
                if [ -e "$RAN/accepted-$i" ]; then
                        same x "$(cat "$RAN/$i")"
                fi
        done
        [ "$(find "$RAN" -name 'accepted-*' | wc -l)" -gt 10 ]
        same "" "$(ls -A "$ONCE")"
}

run_tests
