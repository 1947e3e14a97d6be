#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs as units: what becomes of every way to end, with the daemon there and away, what a run sees of its settings,
# and that nothing is left in the service manager. Most jobs here wait at a gate, a lock that the test holds, so that
# whatever is to happen to the daemon happens while they run.

. "$(dirname "$0")/lib.sh"

readonly GATE=/run/vakt-units-gate BEGUN=/run/vakt-units-begun

declare -A expected=() reason=() ids=()
behind_gate=()

# --- jobs for every way to end ---

# outcome_job NAME EXPECTED [REASON], the file on standard input. EXPECTED is what outcome prints.
outcome_job() {
        { local -; set +x; } 2>/dev/null
        job "$1"
        expected[$1]=$2
        reason[$1]=${3-}
}

# gated_job NAME EXPECTED COMMAND [LINE…]: one that says it runs, waits at the gate, and ends by COMMAND.
gated_job() {
        { local -; set +x; } 2>/dev/null
        local name=$1 result=$2 command=$3
        shift 3
        behind_gate+=("$name")
        outcome_job "$name" "$result" <<END
[Run]
Shell=touch $BEGUN/\$VAKT_JOB; flock -s $GATE true; $command
$(printf '%s\n' "$@")
END
}

jobs_that_end() {
        gated_job zero 'success 0' 'exit 0'
        gated_job seven 'exit 7' 'exit 7'
        gated_job accepted 'success 0' 'exit 9' SuccessExitStatus=9
        gated_job like-systemd 'exit 203' 'exit 203'
        gated_job by-term 'signal 15' 'kill -TERM $$'
        gated_job by-kill 'signal 9' 'kill -KILL $$'
        gated_job by-segv 'signal 11' 'kill -SEGV $$'
        gated_job with-child 'success 0' 'sleep 1000 &'
        gated_job with-failing-child 'exit 3' 'sleep 1000 & exit 3'
}

jobs_that_take_too_long() {
        outcome_job slow 'timeout 15' <<<$'[Run]\nTimeoutSec=2s\nExec=/bin/sleep 1000'
        outcome_job deaf 'timeout 9' <<END
[Run]
TimeoutSec=1s
Shell=trap '' TERM; while :; do sleep 1000; done
[Service]
TimeoutStopSec=1s
END
        outcome_job slow-line 'timeout 15' <<<$'[Run]\nTimeoutSec=2s\nExec=/bin/true\nExec=/bin/sleep 1000'
}

# The code is an errno or what systemd says of the step; the message is what counts.
jobs_that_cannot_start() {
        outcome_job no-user start-failed 'User' <<<$'[Run]\nExec=/bin/true\n[Service]\nUser=no-such-user'
        outcome_job no-group start-failed 'Group' <<<$'[Run]\nExec=/bin/true\n[Service]\nGroup=no-such-group'
        outcome_job no-directory start-failed 'WorkingDirectory' \
                <<<$'[Run]\nExec=/bin/true\n[Service]\nWorkingDirectory=/no/such'
        outcome_job no-root start-failed 'RootDirectory' <<<$'[Run]\nExec=/bin/true\n[Service]\nRootDirectory=/no/such'
        outcome_job no-program start-failed '' <<<$'[Run]\nExec=/no/such/program'
        outcome_job no-secret start-failed 'LoadCredential' \
                <<<$'[Run]\nExec=/bin/true\n[Service]\nLoadCredential=key:/no/such'
        outcome_job no-file start-failed '' \
                <<<$'[Run]\nExec=/bin/true\n[Service]\nEnvironmentFile=/no/such'
}

jobs_of_several_commands() {
        outcome_job all-good 'success 0' <<<$'[Run]\nExec=/bin/true\nExec=-/bin/false\nExec=/bin/true'
        outcome_job second-bad 'exit 1' <<<$'[Run]\nExec=/bin/true\nExec=/bin/false\nExec=/bin/touch /run/vakt-third'
        outcome_job ignored 'success 0' <<<$'[Run]\nExec=-/bin/false'
}

# After a daemon-reload systemd 252 does not know commands any more that came as ExecStartEx, and spoils a $ in those that
# came as ExecStart: what was not begun by then would be left out, without any failure.
jobs_of_several_commands_at_the_gate() {
        behind_gate+=(lines dollars)
        outcome_job lines 'success 0' <<END
[Run]
Exec=/bin/touch $BEGUN/lines
Exec=/usr/bin/flock -s $GATE true
Exec=/bin/touch /run/vakt-last-lines
END
        outcome_job dollars 'exit 4' <<END
[Run]
Exec=/bin/touch $BEGUN/dollars
Exec=/usr/bin/flock -s $GATE true
Exec=/bin/touch /run/vakt-last-\${VAKT_JOB}
Exec=:/bin/sh -c 'x=4; exit \$x'
END
}

# --- what happens meanwhile ---

close_gate() {
        rm -rf $BEGUN
        mkdir $BEGUN
        exec {gate}>$GATE
        flock -x "$gate"
}

open_gate() {
        exec {gate}>&-
}

all_wait_at_the_gate() {
        [ "$(find $BEGUN -type f | wc -l)" = ${#behind_gate[@]} ]
}

request_all() {
        local name
        for name in "${!expected[@]}"; do
                ids[$name]=$(ask "$name")
        done
}

kill_daemon() {
        local pid
        pid=$(main_pid)
        kill -KILL "$pid"
        echo "$pid"
}

check_outcomes() {
        { local -; set +x; } 2>/dev/null
        local name found why bad=0
        for name in "${!expected[@]}"; do
                found=$(outcome "${ids[$name]}")
                why=$(run_property "${ids[$name]}" Reason)
                if [[ $found != "${expected[$name]}" && $found != "${expected[$name]} "* ]] ||
                        ! grep -q -- "${reason[$name]}" <<<"$why"; then
                        echo "$name: expected '${expected[$name]}' (${reason[$name]}), got '$found' ($why)"
                        bad=1
                fi
                # Asked for once, written down once.
                [ "$(runs_of "$name")" = 1 ] || { echo "$name: $(runs_of "$name") rows"; bad=1; }
        done
        return $bad
}

# Everything once, with COMMAND while it runs. What COMMAND stops it starts again, after the gate was opened, by START.
everything_ends_well() { # COMMAND [START]
        jobs_that_end
        jobs_that_take_too_long
        jobs_that_cannot_start
        jobs_of_several_commands
        jobs_of_several_commands_at_the_gate
        rm -f /run/vakt-third /run/vakt-last-*
        close_gate
        systemctl start vaktd
        request_all
        within 20 all_wait_at_the_gate
        eval "$1"
        open_gate
        eval "${2-}"
        within 30 is_done "${ids[@]}"
        check_outcomes
        fails test -e /run/vakt-third
        test -e /run/vakt-last-lines
        test -e /run/vakt-last-dollars
        # What the ledger has is not kept anywhere else, and no child of a run lives on.
        within 10 nothing_is_kept
        fails systemctl -q is-active 'vakt-*.service'
        fails pgrep -fx 'sleep 1000'
        fails journal_has -u vaktd -p err
}

test_outcomes() {
        everything_ends_well true
}

test_outcomes_when_the_daemon_is_killed() {
        # shellcheck disable=SC2016
        everything_ends_well 'pid=$(kill_daemon)' 'within 10 is_restarted "$pid"'
}

test_outcomes_when_the_daemon_is_killed_at_once() {
        jobs_that_cannot_start
        jobs_of_several_commands
        outcome_job brief 'success 0' <<<$'[Run]\nExec=/bin/true'
        systemctl start vaktd
        request_all
        within 10 is_restarted "$(kill_daemon)"
        within 20 is_done "${ids[@]}"
        check_outcomes
        within 10 nothing_is_kept
}

test_outcomes_while_the_daemon_is_stopped() {
        everything_ends_well 'systemctl stop vaktd.socket vaktd.service' 'within 10 no_job_lives; systemctl start vaktd'
}

# Those that are over, the gated ones and the too slow ones included, keep nothing but their result.
no_job_lives() {
        ! pgrep -f "flock -s $GATE" && ! pgrep -fx '/bin/sleep 1000'
}

test_outcomes_over_a_restart_of_the_daemon() {
        everything_ends_well 'systemctl restart vaktd'
}

test_outcomes_over_a_restart_of_the_bus() {
        everything_ends_well restart_bus
}

test_outcomes_over_a_daemon_reexec() {
        everything_ends_well 'systemctl daemon-reexec'
}

# JOB REASON: its run does not start, with this reason and an errno.
does_not_start() {
        { local -; set +x; } 2>/dev/null
        status=0
        vaktctl run "$1" --wait >/tmp/out 2>&1 || status=$?
        same 3 "$status"
        shows "could not be started after .*$2" /tmp/out
}

test_failed_starts_name_errno_and_path() {
        chmod 644 /etc/hosts
        printf '#!/no/such/interpreter\n' >/run/orphan
        chmod 755 /run/orphan
        job plain <<<$'[Run]\nExec=/etc/hosts'
        job orphan <<<$'[Run]\nExec=/run/orphan'
        job environment <<<$'[Run]\nExec=/bin/true\n[Service]\nEnvironmentFile=/no/such.env'
        job view <<<$'[Run]\nExec=/bin/true\n[Service]\nReadWritePaths=/tmp /no/such'
        job output <<<$'[Run]\nExec=/bin/true\n[Service]\nStandardOutput=append:/no/such/log'
        job credential <<<$'[Run]\nExec=/bin/true\n[Service]\nLoadCredential=x:/no/such'
        systemctl start vaktd
        does_not_start plain 'could not be executed: /etc/hosts: Permission denied (step EXEC)'
        does_not_start orphan '/run/orphan: its interpreter /no/such/interpreter: No such file or directory (step EXEC)'
        does_not_start environment 'the file /no/such.env of EnvironmentFile=: No such file or directory'
        does_not_start view 'ReadWritePaths=/no/such: No such file or directory (step NAMESPACE)'
        does_not_start output 'StandardOutput=.* /no/such/log: No such file or directory (step STDOUT)'
        does_not_start credential 'LoadCredential=/no/such: No such file or directory (step CREDENTIALS)'
        vaktctl --json history plain -n 1 | shows '"result":"start-failed","code":13'
        # A child of vaktd says the same, since it knows.
        install -D -m 644 /dev/stdin /etc/vaktd/vaktd.conf <<<$'[Manager]\nExecutor=child'
        systemctl restart vaktd
        does_not_start plain 'Cannot execute /etc/hosts: Permission denied'
        does_not_start orphan 'Cannot execute /run/orphan: its interpreter /no/such/interpreter: No such file'
        does_not_start environment 'the file /no/such.env of EnvironmentFile=: No such file or directory'
        rm /etc/vaktd/vaktd.conf
}

# The service manager has not come to the second program, and the daemon does not look at it in its place.
test_a_failed_start_looks_at_nothing_that_hangs() {
        local hang=/run/vakt-hang
        mkdir -p $hang
        [ -c /dev/fuse ] || mknod /dev/fuse c 10 229
        python3 "$(dirname "$0")/hang.py" $hang &
        trap 'kill $! 2>/dev/null || true; umount -l '$hang' 2>/dev/null || true' EXIT
        within 10 grep -q $hang /proc/self/mountinfo
        printf '\177ELF' >/run/garbled
        chmod 755 /run/garbled
        job hangs <<<$'[Run]\nExec=/run/garbled\nExec='$hang$'/tool\n'
        systemctl start vaktd
        vaktctl run hangs --wait >/tmp/out 2>&1 && return 1
        grep -E 'could not be executed|exit code 203' /tmp/out # systemd 257 tells no step that it has handed over at
        timeout 20 vaktctl list | shows hangs
}

test_outcomes_over_a_daemon_reload() {
        everything_ends_well 'systemctl daemon-reload'
}

test_outcomes_over_all_of_it() {
        # shellcheck disable=SC2016
        everything_ends_well 'pid=$(kill_daemon); systemctl daemon-reexec; restart_bus; systemctl daemon-reload' \
                'within 10 is_restarted "$pid"; systemctl daemon-reexec'
}

# --- somebody ends it ---

gated() { # NAME [LINE…]: a job at the gate, running; its id is in $id
        { local -; set +x; } 2>/dev/null
        local name=$1
        shift
        close_gate
        gated_job "$name" 'success 0' 'exit 0' "$@"
        systemctl start vaktd
        id=$(ask "$name")
        within 10 is_running "$id"
        within 10 test -e "$BEGUN/$name"
}

test_a_run_is_cancelled() {
        gated long
        vaktctl cancel "$id"
        within 5 is_done "$id"
        same "cancelled 15" "$(outcome "$id")"
        within 5 nothing_is_kept
}

test_an_administrator_stops_a_run() {
        gated long
        systemctl stop "$(run_property "$id" Unit)"
        within 5 is_done "$id"
        same cancelled "$(run_property "$id" Result)"
        run_property "$id" Reason | shows -i 'stopped'
        within 5 nothing_is_kept
}

test_an_administrator_stops_a_run_of_a_daemon_that_is_away() {
        gated long
        systemctl stop vaktd.socket vaktd.service
        systemctl stop "vakt-long-$id.service"
        systemctl start vaktd
        within 5 is_done "$id"
        run_property "$id" Result | shows -xE 'lost|cancelled'
        same 1 "$(runs_of long)"
}

test_a_run_is_killed() {
        gated long
        systemctl kill -s KILL "vakt-long-$id.service"
        within 5 is_done "$id"
        same "signal 9" "$(outcome "$id")"
        within 5 nothing_is_kept
}

test_runs_go_on_over_a_restart_and_are_followed() {
        local pid
        gated long
        pid=$(run_property "$id" MainPID)
        systemctl restart vaktd
        within 5 is_running "$id"
        same "$pid" "$(run_property "$id" MainPID)"
        test -d "/proc/$pid"
        systemctl restart vaktd
        open_gate
        within 5 is_done "$id"
        same "success 0" "$(outcome "$id")"
        within 5 nothing_is_kept
}

test_a_stop_leaves_runs_alone_and_is_quick() {
        local start pid
        gated long
        pid=$(run_property "$id" MainPID)
        start=$(now_ms)
        systemctl stop vaktd.socket vaktd.service
        [ $(($(now_ms) - start)) -lt 1000 ]
        test -d "/proc/$pid"
        same active "$(systemctl is-active "vakt-long-$id.service")"
}

# --- what a run is ---

test_a_unit_says_whose_it_is() {
        local unit
        gated long
        unit=$(run_property "$id" Unit)
        same "vakt-long-$id.service" "$unit"
        same vakt.slice "$(systemctl show --value -p Slice "$unit")"
        same "$(systemctl show --value -p InvocationID "$unit")" "$(run_property "$id" InvocationId)"
        systemctl show --value -p After "$unit" | shows -w vaktd.service
        systemctl cat "$unit" | shows '^Type=exec'
}

test_a_job_with_an_odd_name() {
        job odd_Name.x-1@ <<<$'[Run]\nShell=echo "instance %i"'
        ln -s odd_Name.x-1@.job "$JOBS/odd_Name.x-1@a.b-c.job"
        systemctl start vaktd
        id=$(ask odd_Name.x-1@a.b-c)
        within 5 is_done "$id"
        same "success 0" "$(outcome "$id")"
        same "instance a.b-c" "$(run_output "$id")"
        within 5 nothing_is_kept
}

test_the_journal_knows_a_run_by_job_and_number() {
        job talk <<<$'[Run]\nShell=echo out; echo err >&2'
        systemctl start vaktd
        id=$(ask talk)
        within 5 is_done "$id"
        same "err out" "$(journal VAKT_JOB=talk VAKT_RUN="$id" _TRANSPORT=stdout -o cat | sort | xargs)"
        same "err out" "$(journal -u "vakt-talk-$id" -t talk -o cat | sort | xargs)"
        journal_has -u vaktd VAKT_RUN="$id" MESSAGE_ID="$(message_id RUN_SUCCEEDED)"
}

test_dollars_are_expanded_when_asked_for_only() {
        job exec <<<$'[Run]\nExec=/bin/echo $VAKT_JOB ${VAKT_JOB}s $$HOME a$VAKT_JOB'
        job literal <<<$'[Run]\nExec=:/bin/echo $VAKT_JOB ${VAKT_JOB}s $$HOME'
        job shell <<<$'[Run]\nShell=echo $VAKT_JOB ${VAKT_JOB}s \'$$HOME\''
        systemctl start vaktd
        for name in exec literal shell; do
                ids[$name]=$(ask $name)
        done
        within 5 is_done "${ids[@]}"
        # shellcheck disable=SC2016
        {
                same 'exec execs $HOME a$VAKT_JOB' "$(run_output "${ids[exec]}")"
                same '$VAKT_JOB ${VAKT_JOB}s $$HOME' "$(run_output "${ids[literal]}")"
                same 'shell shells $$HOME' "$(run_output "${ids[shell]}")"
        }
}

test_what_a_run_says_about_itself() {
        close_gate
        job says <<END
[Run]
Shell=systemd-notify STATUS='42%% of it'; touch $BEGUN/says; flock -s $GATE true
END
        systemctl start vaktd
        id=$(ask says)
        within 5 test -e $BEGUN/says
        within 5 eval '[ "$(run_property "$id" StatusText)" = "42% of it" ]'
        open_gate
        within 5 is_done "$id"
        same "success 0 42% of it" "$(outcome "$id") $(run_property "$id" StatusText)"
}

test_what_a_run_cost() {
        job busy <<<$'[Run]\nShell=i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'
        systemctl start vaktd
        id=$(ask busy)
        within 20 is_done "$id"
        same "success 0" "$(outcome "$id")"
        # At least 10 ms and less than it took.
        [ "$(run_property "$id" CPUUsage)" -gt 10000 ]
        [ "$(run_property "$id" CPUUsage)" -lt $((2 * ($(run_property "$id" Ended) - $(run_property "$id" Started)))) ]
        vaktctl --json history busy | shows '"cpu'
}

# --- its settings, seen from inside ---

# seen NAME COMMAND [LINE…]: what a run with these lines in [Service] prints by COMMAND.
seen() {
        { local -; set +x; } 2>/dev/null
        local name=$1 command=$2
        shift 2
        job "$name" <<END
[Run]
Shell=$command
[Service]
$(printf '%s\n' "$@")
END
        systemctl reload vaktd
        vaktctl -q run "$name" --wait >/dev/null || true
        journal VAKT_JOB="$name" _TRANSPORT=stdout -o cat
}

test_what_a_run_may_do() {
        systemctl start vaktd
        touch /tmp/vakt-outside
        echo "a secret" >/etc/vakt-secret
        chmod 600 /etc/vakt-secret
        same root "$(seen plain 'id -un')"
        same "nobody nogroup" "$(seen user 'echo $(id -un) $(id -gn)' User=nobody)"
        same "yes" "$(seen dynamic '[ $(id -u) -ge 61184 ] && [ $(id -u) -le 65519 ] && echo yes' DynamicUser=yes)"
        same "0" "$(seen tmp 'ls /tmp | wc -l' PrivateTmp=yes)"
        same "Read-only file system" "$(seen strict 'touch /etc/vakt-x 2>&1 | grep -o "Read-only file system"' \
                ProtectSystem=strict)"
        same "written" "$(seen hole 'touch /etc/vakt-x && echo written; rm -f /etc/vakt-x' ProtectSystem=strict \
                ReadWritePaths=/etc)"
        same "a secret" "$(seen secret 'cat $CREDENTIALS_DIRECTORY/key' LoadCredential=key:/etc/vakt-secret User=nobody)"
        same "None" "$(seen lonely 'ls /sys/class/net | grep -qvx lo || echo None' PrivateNetwork=yes)"
        same "1" "$(seen nnp 'sed -n "s/^NoNewPrivs:.//p" /proc/self/status' NoNewPrivileges=yes)"
        same "0000000000000000" "$(seen caps 'sed -n "s/^CapEff:.//p" /proc/self/status' CapabilityBoundingSet=)"
        rm -f /tmp/vakt-outside /etc/vakt-secret
}

test_what_a_run_is_given() {
        systemctl start vaktd
        printf 'FROM_FILE="in a file"\n' >/etc/vakt-environment
        same "one|two words|in a file|" "$(seen environment 'echo "$A|$B|$FROM_FILE|$C"' 'Environment=A=one "B=two words"' \
                EnvironmentFile=/etc/vakt-environment Environment=C=3 UnsetEnvironment=C)"
        # Nothing takes the daemon's word from a run.
        same "named" "$(seen named 'echo $VAKT_JOB' Environment=VAKT_JOB=liar)"
        same "/usr/bin" "$(seen directory pwd WorkingDirectory=/usr/bin)"
        same "/" "$(seen no-directory pwd WorkingDirectory=-/no/such)"
        same "123 456" "$(seen files 'echo $(ulimit -Sn) $(ulimit -Hn)' LimitNOFILE=123:456)"
        same "0027" "$(seen umask umask UMask=0027)"
        same "5" "$(seen nice nice Nice=5)"
        same "300" "$(seen oom 'cat /proc/self/oom_score_adj' OOMScoreAdjust=300)"
        same "/vakt.slice" "$(seen group 'sed -En "s,^0::(.*)/vakt-group-[0-9]+.service$,\1,p" /proc/self/cgroup')"
        same "/other.slice" "$(seen slice 'sed -En "s,^0::(.*)/vakt-slice-[0-9]+.service$,\1,p" /proc/self/cgroup' \
                Slice=other.slice)"
        same "hello" "$(echo hello >/run/vakt-input; seen input cat StandardInput=file:/run/vakt-input)"
        rm -f /etc/vakt-environment /run/vakt-input
}

test_what_a_run_knows() {
        job knows <<END
[Job]
OnSuccess=next
[Run]
Shell=echo "\$VAKT_JOB \$VAKT_RUN \$VAKT_CAUSE \$VAKT_ATTEMPT \$VAKT_SCHEDULED"
END
        # shellcheck disable=SC2016
        job next <<<$'[Run]\nShell=echo "$VAKT_CAUSE $VAKT_PARENT_JOB $VAKT_PARENT_RESULT"'
        systemctl start vaktd
        id=$(ask knows)
        within 5 is_done "$id"
        run_output "$id" | shows -xE "knows $id manual 1 20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)"
        within 5 has_runs next 1
        within 5 eval '[ "$(journal VAKT_JOB=next _TRANSPORT=stdout -o cat)" = "chain knows success" ]'
}

# No controller for memory may be there in a container, so the limit is looked at and not run into.
test_limits_reach_the_unit() {
        close_gate
        job limited <<END
[Run]
Shell=touch $BEGUN/limited; flock -s $GATE true
[Service]
MemoryMax=64M
CPUQuota=20%
TasksMax=10
IOWeight=50
END
        systemctl start vaktd
        id=$(ask limited)
        within 5 test -e $BEGUN/limited
        same "CPUQuotaPerSecUSec=200ms IOWeight=50 MemoryMax=67108864 TasksMax=10" "$(systemctl show -p MemoryMax \
                -p CPUQuotaPerSecUSec -p TasksMax -p IOWeight "vakt-limited-$id" | sort | xargs)"
}

# --- Unit= ---

# The service PROGRAM of the machine, and a job that starts it.
service() { # NAME LINE…
        { local -; set +x; } 2>/dev/null
        local name=$1
        shift
        printf '%s\n' '[Service]' "$@" >"/run/systemd/system/$name.service"
        systemctl daemon-reload
        job "$name" <<<$'[Run]\nUnit='"$name.service"
}

test_an_existing_unit_is_started_and_its_result_is_the_runs() {
        service good Type=oneshot ExecStart=/bin/true
        service bad Type=oneshot 'ExecStart=/bin/sh -c "exit 5"'
        service gone ExecStart=/no/such/program
        close_gate
        service waits "ExecStart=/bin/sh -c 'touch $BEGUN/waits; flock -s $GATE true; exit 6'"
        printf '[Unit]\nConditionPathExists=/no/such\n[Service]\nType=oneshot\nExecStart=/bin/true\n' \
                >/run/systemd/system/unmet.service
        job unmet <<<$'[Run]\nUnit=unmet.service'
        job nothing <<<$'[Run]\nUnit=no-such-unit.service'
        job target <<<$'[Run]\nUnit=timers.target'
        systemctl daemon-reload
        systemctl start vaktd
        for name in good bad gone waits unmet nothing target; do
                ids[$name]=$(ask $name)
        done
        within 5 test -e $BEGUN/waits
        # It goes on when the daemon dies, and so does its run.
        within 10 is_restarted "$(kill_daemon)"
        within 5 is_running "${ids[waits]}"
        open_gate
        within 10 is_done "${ids[@]}"
        same "success 0" "$(outcome "${ids[good]}")"
        same "exit 5" "$(outcome "${ids[bad]}")"
        same "exit 6" "$(outcome "${ids[waits]}")"
        same "start-failed" "$(run_property "${ids[gone]}" Result)"
        same "skipped" "$(run_property "${ids[unmet]}" Result)"
        same "start-failed" "$(run_property "${ids[nothing]}" Result)"
        same "success 0" "$(outcome "${ids[target]}")"
        rm /run/systemd/system/{good,bad,gone,waits,unmet}.service
        systemctl daemon-reload
        systemctl reset-failed
}

# --- more than one ---

test_a_hundred_runs_at_once() {
        local id i
        job many <<<$'[Run]\nOverlap=parallel\nMaxParallel=200\nQueueMax=1000\nShell=echo $VAKT_RUN >>/run/vakt-many'
        rm -f /run/vakt-many
        systemctl start vaktd
        for i in {1..100}; do
                ids[$i]=$(ask many)
        done
        within 20 is_done "${ids[@]}"
        for id in "${ids[@]}"; do
                same "success 0" "$(outcome "$id")"
        done
        same "$(printf '%s\n' "${ids[@]}" | sort -n)" "$(sort -n /run/vakt-many)"
        within 10 nothing_is_kept
        rm /run/vakt-many
}

run_tests
