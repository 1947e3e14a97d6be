#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What holds for every run, whatever it does itself: its time, its output, and that it sees the same with both executors.

. "$(dirname "$0")/lib.sh"

declare -A ids=()

have_user() { # NAME
        id "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$1"
}

last_run() { # JOB
        vaktctl --json history "$1" | sed -nE 's/.*"id":([0-9]+).*/\1/p' | head -n 1
}

# --- time ---

test_a_run_cannot_move_its_bound() {
        local id begin
        have_user runner
        job extends <<'END'
[Run]
TimeoutSec=2s
Shell=systemd-notify EXTEND_TIMEOUT_USEC=600000000; exec sleep 300
[Service]
User=runner
END
        job extends-steps <<'END'
[Run]
TimeoutSec=3s
Exec=/bin/sleep 2
Exec=/bin/sleep 2
Exec=/bin/sleep 300
END
        job extends-prepare <<'END'
[Run]
TimeoutSec=2s
Exec=/bin/true
[Service]
ExecStartPre=/bin/sleep 300
END
        systemctl start vaktd
        begin=$(now_ms)
        for name in extends extends-steps extends-prepare; do
                ids[$name]=$(ask "$name")
        done
        within 20 is_done "${ids[@]}"
        [ $(($(now_ms) - begin)) -lt 20000 ]
        for name in extends extends-steps extends-prepare; do
                same timeout "$(run_property "${ids[$name]}" Result)"
        done
}

test_a_run_cannot_move_the_time_to_its_kill() {
        local id
        have_user runner
        job deaf <<'END'
[Run]
TimeoutSec=1s
Shell=trap 'systemd-notify EXTEND_TIMEOUT_USEC=600000000' TERM; while :; do sleep 1; done
[Service]
User=runner
TimeoutStopSec=2s
END
        systemctl start vaktd
        id=$(ask deaf)
        within 30 is_done "$id"
        same "timeout 9" "$(outcome "$id")"
        within 5 nothing_is_kept
}

test_the_bound_holds_over_a_restart_of_the_daemon() {
        local id
        job extends <<'END'
[Run]
TimeoutSec=3s
Shell=systemd-notify EXTEND_TIMEOUT_USEC=600000000; exec sleep 300
END
        systemctl start vaktd
        id=$(ask extends)
        within 10 is_running "$id"
        systemctl restart vaktd
        within 20 is_done "$id"
        same timeout "$(run_property "$id" Result)"
}

# --- a session of PAM ---

test_a_run_in_a_session() {
        local id
        have_user runner
        job session <<'END'
[Run]
TimeoutSec=3s
Shell=echo begins as $(id -un); sleep 300
[Service]
User=runner
PAMName=login
END
        job session-talks <<'END'
[Run]
Shell=echo out; echo err >&2; sh -c 'sleep 1; echo child'; exit 5
[Service]
User=runner
PAMName=login
END
        job session-steps <<'END'
[Run]
Exec=/bin/echo one
Exec=/bin/echo two
[Service]
User=runner
PAMName=login
END
        job session-none <<'END'
[Run]
Exec=/no/such/program
[Service]
User=runner
PAMName=login
END
        systemctl start vaktd
        id=$(ask session)
        within 10 is_running "$id"
        within 20 is_done "$id"
        same timeout "$(run_property "$id" Result)"
        within 5 nothing_is_kept
        same "begins as runner" "$(vaktctl log "$id" --output cat | grep begins | tail -n 1)"

        same "out err child" "$(vaktctl run session-talks --follow 2>/dev/null | xargs)"
        id=$(last_run session-talks)
        same "exit 5" "$(outcome "$id")"
        same "out err child" "$(vaktctl log "$id" --output cat | grep -xE 'out|err|child' | tail -n 3 | xargs)"
        same "out err child" "$(vaktctl log session-talks --all-runs --output cat | grep -xE 'out|err|child' | tail -n 3 | xargs)"
        same "one two" "$(vaktctl run session-steps --follow 2>/dev/null | xargs)"
        id=$(ask session-none)
        within 10 is_done "$id"
        same start-failed "$(run_property "$id" Result)"
}

# --- output ---

test_no_line_of_a_run_is_dropped() {
        local id
        job flood <<'END'
[Run]
Exec=:/usr/bin/python3 -c "import sys; [print(i) for i in range(60000)]; sys.stdout.flush(); sys.exit('FATAL')"
END
        systemctl start vaktd
        id=$(ask flood)
        within 60 is_done "$id"
        same "exit 1" "$(outcome "$id")"
        journalctl --sync
        same 60001 "$(vaktctl log "$id" --output cat | grep -cE '^[0-9]+$|^FATAL$')"
        vaktctl log "$id" --output cat | shows -x FATAL
}

# The journal tells of lines that it has dropped with the next one that it takes.
test_lines_that_were_dropped_are_missed() {
        local id
        job limited <<'END'
[Run]
Shell=seq 1000; sleep 3; echo end
[Service]
LogRateLimitIntervalSec=2s
LogRateLimitBurst=10
END
        systemctl start vaktd
        vaktctl run limited --follow >/tmp/out 2>/tmp/err
        shows -E 'dropped [0-9]+ lines' </tmp/err
        same end "$(tail -n 1 /tmp/out)"
        id=$(last_run limited)
        vaktctl log "$id" | shows -E 'Suppressed [0-9]+ messages'
        vaktctl log limited --all-runs | shows -E 'Suppressed [0-9]+ messages'
}

run_tests
