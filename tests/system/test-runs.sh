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
        vaktctl --json history "$1" | sed -nE 's/.*"run":([0-9]+).*/\1/p' | head -n 1
}

# --- time ---

test_a_run_cannot_move_its_bound() {
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
        all_time_out extends extends-steps extends-prepare
        systemctl stop vaktd.socket vaktd.service
        rm "$JOBS/extends-prepare.job"
        as_children
        systemctl start vaktd
        all_time_out extends extends-steps
}

all_time_out() { # JOB…
        local name
        ids=()
        for name in "$@"; do
                ids[$name]=$(ask "$name")
        done
        within 20 is_done "${ids[@]}"
        for name in "$@"; do
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

# The journal tells of lines that it has dropped with the next one that it takes; when another unit logs for the first
# time between the end of the interval and that line, it forgets them.
test_lines_that_were_dropped_are_missed() {
        local id
        job limited <<'END'
[Run]
Shell=seq 1000; sleep 2.02; echo end
[Service]
LogRateLimitIntervalSec=2s
LogRateLimitBurst=10
END
        systemctl start vaktd
        vaktctl run limited --follow >/tmp/out 2>/tmp/err
        shows -E 'dropped [0-9]+ lines' </tmp/err
        same end "$(tail -n 1 /tmp/out)"
        id=$(last_run limited)
        vaktctl why limited | shows -E 'dropped [0-9]+ lines'
        vaktctl --json why limited | shows -E 'dropped [0-9]+ lines'
        vaktctl run limited --wait 2>&1 | shows -E 'dropped [0-9]+ lines'
        vaktctl log "$id" | shows -E 'Suppressed [0-9]+ messages'
        vaktctl log limited --all-runs | shows -E 'Suppressed [0-9]+ messages'
}

# --- the same with both executors ---

# What cannot be the same. A child's output goes through vaktd, which must not stop reading when the journal does; the
# rest tells which unit or process it is. posix_spawn(3) leaves the C library's own two signals, 32 and 33, ignored.
readonly OF_ITSELF='environment (INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|NOTIFY_SOCKET|MEMORY_PRESSURE_[A-Z]*|VAKT_RUN|VAKT_SCHEDULED)|fd [12]'

probe_jobs() {
        job probe <<'END'
[Run]
Exec=/bin/sh -c "grep ^Sig[BCI] /proc/self/status; exec python3 /opt/vaktd-tests/probe.py a$$HOME $$USER"
END
        job probe-user <<'END'
[Run]
Exec=/usr/bin/python3 /opt/vaktd-tests/probe.py
[Service]
User=runner
SupplementaryGroups=daemon
EnvironmentFile=/run/probe.env
EnvironmentFile=-/run/no-such.env
Environment=FROM=job
UMask=0027
Nice=3
OOMScoreAdjust=200
LimitNOFILE=100:200
LimitCORE=0
WorkingDirectory=~
END
        job probe-steps <<'END'
[Run]
Exec=/bin/true
Exec=/bin/sh -c "grep ^Sig[BCI] /proc/self/status; exec python3 /opt/vaktd-tests/probe.py"
[Service]
User=nobody
IgnoreSIGPIPE=yes
NoNewPrivileges=yes
CPUSchedulingPolicy=batch
IOSchedulingClass=idle
TimerSlackNSec=123456
END
        printf '# a comment\nA=1\nB="two words"\nexport C=3\nD.E=4\n' >/run/probe.env
}

probe_all() { # DIRECTORY
        local name
        rm -rf "$1"
        mkdir "$1"
        for name in probe probe-user probe-steps; do
                vaktctl run "$name" --follow 2>/dev/null | grep -vE "^($OF_ITSELF): " |
                        sed '/^SigIgn/s/000000018/000000000/' | sort >"$1/$name"
                [ "$(wc -l <"$1/$name")" -gt 40 ]
        done
}

as_children() {
        drop_in 10-child-executor <"$EXAMPLES/vaktd.service.d/10-child-executor.conf"
}

test_a_run_sees_the_same_with_both_executors() {
        have_user runner
        probe_jobs
        systemctl start vaktd
        probe_all /run/probe-units
        systemctl stop vaktd.socket vaktd.service
        as_children
        systemctl start vaktd
        probe_all /run/probe-children
        diff -ru /run/probe-units /run/probe-children
        grep -x "environment HOME: '/root'" /run/probe-units/probe
        grep -x "environment USER: 'root'" /run/probe-units/probe
        grep -E '^SigIgn:.0*$' /run/probe-units/probe
        grep -E '^SigIgn:.0*1000$' /run/probe-children/probe-steps
        fails grep SHELL: /run/probe-units/probe-steps
}

# JOB: its last run says which lines of the file were left out, and the next one which file is not there.
says_what_is_wrong_with_the_file() {
        vaktctl log --all "$(last_run probe-user)" | shows "export C=3.*/run/probe.env\|/run/probe.env.*export C=3"
        vaktctl log --all "$(last_run probe-user)" | shows "D.E=4"
        { vaktctl run no-file --wait 2>&1 || true; } | shows /no/such.env
        { vaktctl run no-user --wait 2>&1 || true; } | shows User=
        same start-failed "$(run_property "$(last_run no-user)" Result)"
}

test_what_is_wrong_is_said_with_both_executors() {
        have_user runner
        probe_jobs
        job no-file <<<$'[Run]\nExec=/bin/true\n[Service]\nEnvironmentFile=-/no/other.env\nEnvironmentFile=/no/such.env'
        job no-user <<<$'[Run]\nExec=/bin/true\n[Service]\nUser=54321'
        systemctl start vaktd
        vaktctl run probe-user --wait
        says_what_is_wrong_with_the_file
        systemctl stop vaktd.socket vaktd.service
        as_children
        systemctl start vaktd
        vaktctl run probe-user --wait
        says_what_is_wrong_with_the_file
}

run_tests
