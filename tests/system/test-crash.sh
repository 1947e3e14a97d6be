#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# No run is lost or doubled, whenever the daemon dies. How long is tried, and with which random numbers:
#   VAKT_CRASH_ROUNDS=300 VAKT_CRASH_SEED=1

. "$(dirname "$0")/lib.sh"

test_no_run_is_lost_or_doubled() {
        # It is started as often as it dies.
        drop_in crash <<<$'[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=0'
        # shellcheck disable=SC2086 # no seed is no argument
        "$(dirname "$0")/crash-loop.py" "${VAKT_CRASH_ROUNDS:-15}" ${VAKT_CRASH_SEED-}
        # Its own troubles were none: what the journal has at this level is PID 1's about the kills.
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p err
        restart_bus
        rm -f /run/vakt-effects
}

run_tests
