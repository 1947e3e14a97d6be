#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs of jobs with Runner=warm, in a runner that is a unit of a real systemd.

. "$(dirname "$0")/lib.sh"

runners() {
        vakt_units | grep '\.runner-'
}

no_runner() {
        ! runners
}

# warm NAME SHELL [SETTINGS]: a job; each run adds its number to /run/vakt-warm/NAME.
warm() {
        { local -; set +x; } 2>/dev/null
        install -d -m 1777 /run/vakt-warm
        rm -f /run/vakt-warm/go
        job "$1" <<END
[Run]
Shell=echo \$VAKT_RUN >>/run/vakt-warm/$1; $2
Runner=warm
Overlap=parallel
MaxParallel=100
${3-}
END
}

effects() { # JOB
        sort -n "/run/vakt-warm/$1" | xargs
}

main_pid_of() { # UNIT
        systemctl show --value -p MainPID "$1"
}

test_two_runs_share_a_sandbox() {
        local first second
        # shellcheck disable=SC2016 # for the run
        warm box 'echo "I am $(id -un)"; touch /etc/x; test -e /tmp/mark && echo seen; touch /tmp/mark' \
                $'[Service]\nUser=daemon\nProtectSystem=strict\nReadWritePaths=/run/vakt-warm\nPrivateTmp=yes'
        systemctl start vaktd
        first=$(ask box)
        within 10 is_done "$first"
        second=$(ask box)
        within 10 is_done "$first" "$second"
        same "success 0 success 0" "$(outcome "$first") $(outcome "$second")"
        same "vakt-box.runner-$first.service" "$(run_property "$second" Unit)"
        same "vakt-box.runner-$first.service" "$(runners)"
        journalctl --sync
        vaktctl log "$first" | shows 'I am daemon'
        vaktctl log "$first" | shows 'Read-only file system'
        vaktctl log "$second" | shows seen
        vaktctl log "$first" | fails shows seen
        vaktctl log --all-runs box >/tmp/said
        same 2 "$(grep -c 'I am' /tmp/said)"
        vaktctl status "$second" | shows "vakt-box.runner-$first.service"
        # shellcheck disable=SC2086
        same 's "warm"' "$(busctl $SOCKET get-property org.vaktd1 /org/vaktd1/job/box org.vaktd1.Job Runner)"
}

# Not even before it has hidden itself: the kernel does that for a program that its user cannot read.
test_the_runner_cannot_be_traced() {
        local pid
        cp /bin/sleep /usr/local/bin/vakt-sleep
        chmod --reference=/usr/lib/vaktd/vakt-runner /usr/local/bin/vakt-sleep
        systemd-run -q --unit=vakt-test-traced -p Type=exec -p User=daemon /usr/local/bin/vakt-sleep 1000
        pid=$(main_pid_of vakt-test-traced)
        same vakt-sleep "$(cat "/proc/$pid/comm")"
        same root "$(stat -c %U "/proc/$pid/mem")"
        systemctl stop vakt-test-traced
        rm /usr/local/bin/vakt-sleep
}

# The journal takes any field from anybody.
test_a_run_speaks_for_itself_only() {
        local id what
        warm honest 'echo honest word'
        # shellcheck disable=SC2016 # for the run
        warm liar 'printf "MESSAGE=forged word\nVAKT_JOB=honest\nVAKT_RUN=1\n" | logger --journald' '[Service]
User=daemon' # a process of root that is gone before the journal looks is believed
        systemctl start vaktd
        id=$(ask honest)
        within 10 is_done "$id"
        within 10 is_done "$(ask liar)"
        journalctl --sync
        journalctl -b VAKT_JOB=honest | shows 'forged word'
        for what in "$id" honest "--all-runs honest" "--all-runs --all honest"; do
                # shellcheck disable=SC2086 # options
                vaktctl log $what >/tmp/said
                shows 'honest word' </tmp/said
                fails shows 'forged word' /tmp/said
        done
}

test_results_are_as_those_of_a_unit() {
        local a b c d e
        warm exit7 'exit 7'
        # shellcheck disable=SC2016
        warm term 'kill -TERM $$'
        warm slow 'sleep 100' $'TimeoutSec=200ms'
        job gone <<<$'[Run]\nExec=/no/such/program\nRunner=warm'
        printf '#!/no/such/interpreter\n' >/usr/local/bin/script
        chmod +x /usr/local/bin/script
        job script <<<$'[Run]\nExec=/usr/local/bin/script\nRunner=warm'
        systemctl start vaktd
        a=$(ask exit7) b=$(ask term) c=$(ask slow) d=$(ask gone) e=$(ask script)
        within 20 is_done "$a" "$b" "$c" "$d" "$e"
        same "exit 7" "$(outcome "$a")"
        same "signal 15" "$(outcome "$b")"
        same timeout "$(run_property "$c" Result)"
        same "start-failed 2" "$(outcome "$d")"
        run_property "$d" Reason | shows /no/such/program
        same "start-failed 2" "$(outcome "$e")"
        run_property "$e" Reason | shows '/usr/local/bin/script: its interpreter /no/such/interpreter: No such file'
        rm /usr/local/bin/script
}

test_a_user_that_is_not_there() {
        local id
        warm nobody true $'[Service]\nUser=no-such-user'
        systemctl start vaktd
        id=$(ask nobody)
        within 10 is_done "$id"
        same start-failed "$(run_property "$id" Result)"
        run_property "$id" Reason | shows 'User='
}

test_killed_in_the_middle() {
        local ids=() id pid unit
        warm mid 'while test ! -e /run/vakt-warm/go; do sleep 0.05; done; exit 3'
        systemctl start vaktd
        for _ in 1 2 3 4 5; do ids+=("$(ask mid)"); done
        within 10 is_running "${ids[4]}"
        unit=$(run_property "${ids[0]}" Unit)
        pid=$(main_pid)
        kill -KILL "$pid"
        within 10 is_restarted "$pid"
        within 5 is_running "${ids[4]}"
        # What ends while there is no daemon, too.
        systemctl stop vaktd.socket vaktd
        touch /run/vakt-warm/go
        within 10 same "${ids[*]}" "$(effects mid)"
        systemctl start vaktd.socket vaktd
        within 10 is_done "${ids[@]}"
        for id in "${ids[@]}"; do same "exit 3" "$(outcome "$id")"; done
        same "${ids[*]}" "$(effects mid)"
        # It was adopted, and gets no more runs.
        id=$(ask mid)
        within 10 is_done "$id"
        fails same "$unit" "$(run_property "$id" Unit)"
        within 20 fails systemctl -q is-active "$unit"
        test ! -e "/run/vaktd/runners/${ids[0]}.table"
}

test_systemd_and_the_bus_go_and_come() {
        local id
        warm again 'while test ! -e /run/vakt-warm/go; do sleep 0.05; done'
        systemctl start vaktd
        id=$(ask again)
        within 10 is_running "$id"
        systemctl daemon-reexec
        restart_bus
        systemctl daemon-reload
        touch /run/vakt-warm/go
        within 10 is_done "$id"
        same "success 0" "$(outcome "$id")"
        # It is of use to the next run as before.
        local other
        other=$(ask again)
        within 10 is_done "$other"
        same "$(run_property "$id" Unit)" "$(run_property "$other" Unit)"
        same "$id $other" "$(effects again)"
}

test_the_runner_is_killed() {
        local id unit
        warm lost 'sleep 1000'
        systemctl start vaktd
        id=$(ask lost)
        within 10 is_running "$id"
        unit=$(run_property "$id" Unit)
        kill -KILL "$(main_pid_of "$unit")"
        within 10 is_done "$id"
        same lost "$(run_property "$id" Result)"
        run_property "$id" Reason | shows runner
        within 10 no_runner
        same "" "$(ls /run/vaktd/runners)"
}

test_its_unit_is_stopped() {
        local id
        warm stopped 'sleep 1000'
        systemctl start vaktd
        id=$(ask stopped)
        within 10 is_running "$id"
        systemctl stop "$(run_property "$id" Unit)"
        within 10 is_done "$id"
        same cancelled "$(run_property "$id" Result)"
        run_property "$id" Reason | shows 'not by vaktd'
}

test_cancel_ends_one_of_two() {
        local a b
        warm two 'sleep 1000'
        systemctl start vaktd
        a=$(ask two) b=$(ask two)
        within 10 is_running "$a"
        within 10 is_running "$b"
        vaktctl cancel "$a"
        within 15 is_done "$a"
        same cancelled "$(run_property "$a" Result)"
        is_running "$b"
}

test_reload_changes_the_job() {
        local a b
        warm change 'while test ! -e /run/vakt-warm/go; do sleep 0.05; done'
        systemctl start vaktd
        a=$(ask change)
        within 10 is_running "$a"
        warm change 'exit 9' $'[Service]\nNice=5'
        systemctl reload vaktd
        b=$(ask change)
        within 10 is_done "$b"
        same "exit 9" "$(outcome "$b")"
        is_running "$a"
        fails same "$(run_property "$a" Unit)" "$(run_property "$b" Unit)"
        touch /run/vakt-warm/go
        within 10 is_done "$a"
        within 20 fails systemctl -q is-active "$(run_property "$a" Unit)"
}

test_idle_it_goes() {
        local id
        warm idle true 'RunnerIdleSec=100ms'
        systemctl start vaktd
        id=$(ask idle)
        within 10 is_done "$id"
        within 10 no_runner
        within 10 same "" "$(ls /run/vaktd/runners)"
}

# The table of a runner has its room from the beginning: without, it would die of it in the middle.
test_no_room_for_its_table() {
        local a b
        warm room 'while test ! -e /run/vakt-warm/go; do sleep 0.5; done' RunnerSlots=100
        warm other true
        mkdir -p /run/vaktd/runners
        mount -t tmpfs -o size=128k,mode=700 tmpfs /run/vaktd/runners
        systemctl start vaktd
        a=$(ask room)
        within 10 is_running "$a"
        fails dd if=/dev/zero of=/run/vaktd/runners/x bs=4k status=none
        for _ in {1..70}; do b=$(ask room); done # more than on one page
        within 20 is_running "$b"
        touch /run/vakt-warm/go
        within 20 is_done "$a" "$b"
        same "success 0 success 0" "$(outcome "$a") $(outcome "$b")"
        same "vakt-room.runner-$a.service" "$(run_property "$b" Unit)"
        b=$(ask other)
        within 10 is_done "$b"
        same start-failed "$(run_property "$b" Result)"
        run_property "$b" Reason | shows 'No space left'
        test ! -e "/run/vaktd/runners/$b.table"
        systemctl stop vaktd.socket vaktd
        umount /run/vaktd/runners
        rmdir /run/vaktd/runners
}

test_files_are_given_to_it() {
        local id
        mkdir -p /run/vakt-files
        touch /run/vakt-files/a "/run/vakt-files/b c"
        job files <<'END'
[Path]
PathChanged=/run/vakt-files
[Run]
Shell=tr '\0' '\n'; echo "and $(tr '\0' '\n' <"$VAKT_PATHS" | wc -l)"
Runner=warm
[Service]
DynamicUser=yes
END
        systemctl start vaktd
        id=$(vaktctl -q run files /run/vakt-files/a "/run/vakt-files/b c")
        within 10 is_done "$id"
        same "success 0" "$(outcome "$id")"
        journalctl --sync
        vaktctl log "$id" | shows '/run/vakt-files/b c'
        vaktctl log "$id" | shows 'and 2'
        rm -r /run/vakt-files
}


run_tests
rm -rf /run/vakt-warm
