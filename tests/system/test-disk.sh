#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The disk of the ledger is full, or the ledger damaged, while jobs run: the daemon says so, goes on, writes again as
# soon as it can, and starts nothing twice.

. "$(dirname "$0")/lib.sh"

readonly STATE=/var/lib/vaktd EFFECTS=/run/vakt-effects GATE=/run/vakt-disk-gate

# Every run leaves its number; "long" also waits until the gate is opened.
jobs_with_effects() {
        rm -f $EFFECTS
        job tick <<<$'[Timer]\nOnInterval=1s\n[Run]\nShell=echo $VAKT_RUN >>'$EFFECTS
        job long <<<$'[Run]\nShell=echo $VAKT_RUN >>'"$EFFECTS; flock -s $GATE true"
        job quick <<<$'[Run]\nShell=echo $VAKT_RUN >>'$EFFECTS
        exec {gate}>$GATE
        flock -x "$gate"
}

open_gate() {
        exec {gate}>&-
}

nothing_ran_twice() {
        same "" "$(sort $EFFECTS | uniq -d)"
}

all_that_ran_is_remembered() {
        local id
        while read -r id; do
                same "success 0" "$(outcome "$id")"
        done <$EFFECTS
}

says() { # MESSAGE
        journal_has -u vaktd MESSAGE_ID="$(message_id "$1")"
}

# --- a full disk ---

small_disk() {
        mkdir -p -m 700 $STATE
        mount -t tmpfs -o size=4m,mode=700 vaktbox $STATE
        trap 'systemctl stop vaktd.socket vaktd.service; umount $STATE' EXIT
}

fill_disk() {
        cat /dev/zero >$STATE/ballast 2>/dev/null || true
        same 0 "$(stat -f -c %a $STATE)"
}

make_room() {
        rm $STATE/ballast
}

test_a_full_disk_stops_nothing() {
        local long quick
        small_disk
        jobs_with_effects
        systemctl start vaktd
        long=$(ask long)
        within 5 has_runs tick 2
        fill_disk
        within 20 says LEDGER_DEGRADED
        within 5 eval 'property StatusText | shows "only in memory"'
        # Runs are started, followed and remembered as before.
        quick=$(ask quick)
        within 5 is_done "$quick"
        same "success 0" "$(outcome "$quick")"
        is_running "$long"
        vaktctl history quick | shows success
        # shellcheck disable=SC2086
        busctl call $MANAGER Diagnostics | shows 'disk is full'
        make_room
        within 40 says LEDGER_RECOVERED
        open_gate
        within 5 is_done "$long"
        # What was held in memory is in the file: another daemon knows it.
        systemctl restart vaktd
        same "success 0" "$(outcome "$quick")"
        same "success 0" "$(outcome "$long")"
        fails eval 'property StatusText | shows "only in memory"'
        vaktctl pause tick
        nothing_ran_twice
        all_that_ran_is_remembered
}

# What PID 1 keeps is the only record then.
test_killed_with_a_full_disk_it_finds_its_runs_again() {
        local long quick
        small_disk
        jobs_with_effects
        rm $JOBS/tick.job
        systemctl start vaktd
        within 5 eval 'vaktctl list | shows quick'
        fill_disk
        long=$(ask long)
        quick=$(ask quick)
        within 20 says LEDGER_DEGRADED
        within 5 is_running "$long"
        within 5 eval '[ "$(wc -l <$EFFECTS)" = 2 ]'
        within 10 is_restarted "$(p=$(main_pid); kill -KILL "$p"; echo "$p")"
        within 10 is_running "$long"
        within 10 is_done "$quick"
        same "success 0" "$(outcome "$quick")"
        # Nobody else gets their numbers.
        [ "$(ask quick)" -gt "$quick" ]
        make_room
        open_gate
        within 40 says LEDGER_RECOVERED
        within 5 is_done "$long"
        same "success 0" "$(outcome "$long")"
        within 10 nothing_is_kept
        nothing_ran_twice
        same 3 "$(wc -l <$EFFECTS)"
}

# Nothing is written for a while, and the daemon dies in it, twice: no occurrence is run twice, or not at all, and what
# follows from a run follows once.
test_no_occurrence_is_lost_or_doubled() {
        local i
        small_disk
        rm -f $EFFECTS
        install -D -m 644 /dev/stdin /etc/vaktd/vaktd.conf <<<$'[Manager]\nResumeRampSec=1s'
        for i in 1 2 3 4 5 6 7 8; do
                job "tick$i" <<<$'[Timer]\nOnCalendar=*:*:*\nAccuracySec=1ms\nCatchUp=all\nCatchUpMax=1000\n[Run]\nQueueMax=1000
Shell=echo $VAKT_JOB $VAKT_SCHEDULED $VAKT_ATTEMPT >>'$EFFECTS
        done
        cat >>$JOBS/tick1.job <<<$'[Job]\nOnSuccess=after'
        job after <<<$'[Run]\nQueueMax=1000\nShell=echo $VAKT_JOB $VAKT_PARENT_RUN >>'$EFFECTS
        # Fails, and is tried again once.
        job again <<<$'[Timer]\nOnCalendar=*:*:*\nAccuracySec=1ms\nCatchUp=all\nCatchUpMax=1000
[Run]\nOverlap=parallel\nMaxParallel=100\nQueueMax=1000\nRetry=1\nRetryDelaySec=0
Shell=echo $VAKT_JOB $VAKT_SCHEDULED $VAKT_ATTEMPT >>'$EFFECTS'; exit 1'
        systemctl start vaktd
        within 10 has_effects_of tick8 2
        fill_disk
        within 20 says LEDGER_DEGRADED
        for i in 1 2; do
                within 20 has_effects_of tick8 $(($(effects_of tick8) + 4))
                within 20 is_restarted "$(p=$(main_pid); kill -KILL "$p"; echo "$p")"
        done
        within 20 has_effects_of tick8 $(($(effects_of tick8) + 4))
        make_room
        within 60 says LEDGER_RECOVERED
        within 20 has_effects_of tick8 $(($(effects_of tick8) + 2))
        vaktctl pause tick{1..8} again # what follows from runs still does
        within 30 nothing_goes_on
        nothing_ran_twice
        for i in 'tick1 .* 1$' 'tick8 .* 1$' 'again .* 1$' 'again .* 2$'; do
                without_gaps "$i"
        done
        same "$(grep -c '^tick1 ' $EFFECTS)" "$(grep -c '^after ' $EFFECTS)"
        same "" "$(vaktctl history -n 10000 tick2 | grep -w manual || true)"
        rm /etc/vaktd/vaktd.conf
}

# The same for files: what was dealt with while nothing could be written is not dealt with again, items of a spool are
# put away, and what changes meanwhile is dealt with, too.
test_no_file_is_lost_or_doubled() {
        local i how top=/run/vakt-disk-files
        small_disk
        rm -rf $EFFECTS $top
        mkdir -p $top/{all,each,in,done,failed}
        job item <<<$'[Job]\nOnSuccess=after\nOnFailure=after\n[Path]\nSpool='$top$'/in\nSpoolDone='$top$'/done\nSpoolFailed='$top$'/failed
[Run]\nOverlap=parallel\nMaxParallel=10\nShell=echo "item ${VAKT_PATH##*/}" >>'$EFFECTS'; case ${VAKT_PATH##*/} in bad*) exit 1;; esac'
        job all <<<$'[Job]\nOnSuccess=after\n[Path]\nPathChanged='$top$'/all\nRecursive=yes\nBatch=all
[Run]\nShell=tr "\\\\0" "\\\\n" <"$VAKT_PATHS" | sed s,^,all\\ , >>'$EFFECTS
        job each <<<$'[Job]\nOnSuccess=after\n[Path]\nPathChanged='$top$'/each\nRecursive=yes\nBatch=each
[Run]\nOverlap=parallel\nMaxParallel=10\nShell=echo "each $VAKT_PATH" >>'$EFFECTS
        job after <<<$'[Run]\nQueueMax=1000\nShell=echo "after $VAKT_PARENT_RUN" >>'$EFFECTS
        systemctl start vaktd
        files_are_dealt_with 0
        fill_disk
        files_are_dealt_with 1
        within 20 says LEDGER_DEGRADED
        for how in restart KILL restart; do
                if [ $how = KILL ]; then
                        within 20 is_restarted "$(p=$(main_pid); kill -KILL "$p"; echo "$p")"
                else
                        systemctl restart vaktd
                fi
                i=$((${i:-1} + 1))
                files_are_dealt_with $i
        done
        make_room
        within 60 says LEDGER_RECOVERED
        within 30 nothing_is_kept
        within 30 eval '[ "$(find '$top'/in -type f | wc -l)" = 0 ]'
        files_are_dealt_with 9
        within 30 nothing_goes_on
        nothing_ran_twice
        same 12 "$(find $top/done -type f | wc -l)"
        same 6 "$(find $top/failed -type f | wc -l)"
        same "" "$(find $top/done -name '*bad*'; find $top/failed -type f ! -name '*bad*')"
        same "" "$(find /run/vaktd/batches -type f)"
}

files_are_dealt_with() { # NUMBER
        local n
        n=$(effects_of after)
        echo >$top/all/a$1
        echo >"$top/each/e 100% $1"
        echo >$top/each/$'\t\xff'$1
        echo >$top/in/i$1
        echo >"$top/in/i 100% $1"
        echo >$top/in/bad$1
        within 20 grep -qx "all $top/all/a$1" $EFFECTS
        within 20 has_effects_of after $((n + 6))
}

effects_of() { # JOB
        grep -c "^$1 " $EFFECTS || true
}

has_effects_of() { # JOB AT-LEAST
        [ "$(effects_of "$1")" -ge "$2" ]
}

nothing_goes_on() {
        property StatusText | shows ' 0 running'
}

# Every second between the first and the last of these has its line.
without_gaps() { # PATTERN
        local first last n
        first=$(date -d "$(grep "^$1" $EFFECTS | cut -d' ' -f2 | sort | head -n 1)" +%s)
        last=$(date -d "$(grep "^$1" $EFFECTS | cut -d' ' -f2 | sort | tail -n 1)" +%s)
        n=$(grep -c "^$1" $EFFECTS)
        same "$((last - first + 1))" "$n"
}

test_it_starts_with_a_full_disk() {
        local quick
        small_disk
        jobs_with_effects
        fill_disk
        systemctl start vaktd
        quick=$(ask quick)
        within 5 is_done "$quick"
        says LEDGER_DEGRADED
        make_room
        within 40 says LEDGER_RECOVERED
        systemctl restart vaktd
        same "success 0" "$(outcome "$quick")"
        nothing_ran_twice
}

# --- a damaged ledger ---

# damage SEEK COUNT: pages of the database, and its log gone, so that they are looked at.
damage() {
        dd if=/dev/urandom of=$STATE/ledger.db bs=4096 seek="$1" count="$2" conv=notrunc status=none
        : >$STATE/ledger.db-wal
}

# The daemon is killed with the damage done, so the next one finds it.
has_more_effects_than() { # N
        [ "$(wc -l <$EFFECTS)" -gt "$1" ]
}

survives_damage() { # SEEK COUNT
        local long quick before
        jobs_with_effects
        systemctl start vaktd
        long=$(ask long)
        quick=$(ask quick)
        within 5 is_done "$quick"
        within 5 has_runs tick 3
        systemctl stop vaktd.socket vaktd.service
        damage "$1" "$2"
        before=$(wc -l <$EFFECTS)
        systemctl start vaktd
        within 5 says LEDGER_REPLACED
        within 10 is_running "$long"
        within 5 has_runs tick 1
        open_gate
        within 5 is_done "$long"
        same "success 0" "$(outcome "$long")"
        # The run that goes on was not started again, and what comes is written.
        within 5 has_more_effects_than "$before"
        vaktctl pause tick
        nothing_ran_twice
        systemctl restart vaktd
        same "success 0" "$(outcome "$long")"
        same 1 "$(find $STATE -name 'ledger.db.corrupt-*' ! -name '*-wal' ! -name '*-shm' | wc -l)"
        within 10 nothing_is_kept
}

test_a_ledger_whose_head_is_damaged() {
        survives_damage 0 1
}

test_a_ledger_whose_pages_are_damaged() {
        survives_damage 1 100
}

# What SQLite has read it does not read again, so the daemon that did not do the damage may never meet it.
test_a_ledger_that_is_damaged_under_the_daemon() {
        local long quick
        jobs_with_effects
        systemctl start vaktd
        long=$(ask long)
        within 5 has_runs tick 2
        dd if=/dev/urandom of=$STATE/ledger.db bs=4096 count=100 conv=notrunc status=none
        dd if=/dev/urandom of=$STATE/ledger.db-wal bs=4096 count=100 conv=notrunc status=none
        quick=$(ask quick)
        within 5 is_done "$quick"
        is_running "$long"
        within 10 is_restarted "$(p=$(main_pid); kill -KILL "$p"; echo "$p")"
        within 5 says LEDGER_REPLACED
        within 5 is_running "$long"
        within 5 has_runs tick 1
        open_gate
        within 5 is_done "$long"
        same "success 0" "$(outcome "$long")"
        vaktctl pause tick
        nothing_ran_twice
        within 10 nothing_is_kept
}

run_tests
