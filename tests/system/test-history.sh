#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What ran, and what it said: history, log and run --follow over runs that are units, in a journal that a real journald
# writes; who may read it; and vaktctl when vaktd cannot start.

# shellcheck disable=SC2016 # $VAKT_RUN is for the shell of the job
. "$(dirname "$0")/lib.sh"

readonly GATE=/run/vakt-gate

# talk NAME COMMAND [LINE…]: a job that says something.
talk() {
        { local -; set +x; } 2>/dev/null
        local name=$1 command=$2
        shift 2
        job "$name" <<END
[Run]
Shell=$command
$(printf '%s\n' "$@")
END
}

# Runs vaktctl; $status, /tmp/out and /tmp/err hold what came of it.
ctl() {
        { local -; set +x; } 2>/dev/null
        status=0
        vaktctl "$@" >/tmp/out 2>/tmp/err || status=$?
}

# Status and output of the last ctl.
came() { # STATUS LINES
        { local -; set +x; } 2>/dev/null
        same "$1" "$status" && same "$2" "$(cat /tmp/out)"
}

start() {
        systemctl start vaktd
        vaktctl list >/dev/null
}

# A FIFO that a job of close_gate's reads until open_gate writes to it.
close_gate() {
        rm -f $GATE
        mkfifo $GATE
}

open_gate() {
        timeout 20 sh -c "echo >$GATE"
}

executor_is_unit() {
        vaktctl --json status | shows '"executor": *"unit"'
}

run_id() { # JOB: of its last run
        vaktctl --json history "$1" -n 1 | sed -nE 's/^.*"run":([0-9]+),.*$/\1/p'
}

# --- what journalctl shows ---

test_every_line_about_a_job_names_it() {
        talk talk 'echo first'
        start
        vaktctl run talk --wait
        vaktctl pause talk
        journal -u vaktd -o cat | shows '^talk: Run 1 started (manual)\.$'
        journal -u vaktd -o cat | shows '^talk: Paused: '
        fails journal_has -u vaktd VAKT_JOB=talk --grep='^(?!talk: )'
}

# --- run --follow ---

test_follow_shows_all_that_a_unit_prints() {
        talk talk 'echo first; echo second >&2; printf last'
        start
        executor_is_unit
        ctl run talk --follow
        came 0 $'first\nsecond\nlast'
        shows 'succeeded' /tmp/err
        # The last line of a run that is over at once is there, each time.
        talk quick 'echo line-$VAKT_RUN'
        vaktctl reload
        for _ in {1..20}; do
                ctl run quick --follow
                came 0 "line-$(run_id quick)"
        done
}

test_follow_ends_as_the_run_does() {
        talk seven 'echo bye; exit 7'
        talk killed 'kill -TERM $$'
        talk slow 'exec sleep 1000' TimeoutSec=1s
        start
        ctl run seven --follow
        came 7 bye
        ctl run killed --follow
        came 143 ''
        ctl run slow --follow
        came 3 ''
        ctl run no-such-job --follow
        came 4 ''
}

test_follow_over_a_restart() {
        close_gate
        talk long "echo before; read x <$GATE; echo after"
        start
        vaktctl run long --follow >/tmp/out 2>/tmp/err &
        local follower=$! status=0
        within 20 shows before /tmp/out
        systemctl restart vaktd
        systemctl restart vaktd
        open_gate
        wait $follower || status=$?
        came 0 $'before\nafter'
}

test_follow_many_lines() {
        job many <<<$'[Run]\nExec=/usr/bin/seq 5000\n[Service]\nLogRateLimitIntervalSec=0'
        start
        ctl run many --follow
        came 0 "$(seq 5000)"
}

test_follow_of_an_existing_unit() {
        printf '[Service]\nType=oneshot\nExecStart=/bin/echo from the unit\n' >/run/systemd/system/existing.service
        systemctl daemon-reload
        job existing <<<$'[Run]\nUnit=existing.service'
        start
        for _ in {1..10}; do
                ctl run existing --follow
                came 0 'from the unit'
        done
        same 1 "$(vaktctl log existing | grep -c 'from the unit')"
        rm /run/systemd/system/existing.service
}

# --- log ---

test_log_of_a_run() {
        local first
        # logger is there until the journal has its line, and knows whose it is
        talk talk 'echo out-$VAKT_RUN; echo err-$VAKT_RUN >&2; { echo said-$VAKT_RUN; until journalctl -qt other -o cat | grep -qx said-$VAKT_RUN; do :; done; } | logger -t other'
        start
        vaktctl run talk --wait
        first=$(run_id talk)
        vaktctl run talk --wait
        ctl log talk -o cat
        shows -x "out-$(run_id talk)" /tmp/out
        shows -x "err-$(run_id talk)" /tmp/out
        fails shows -x "out-$first" /tmp/out
        shows -x "said-$(run_id talk)" /tmp/out
        fails shows 'Run [0-9]* started' /tmp/out
        ctl log "$first"
        shows -E "^[A-Z][a-z]{2} [0-9 ]{2} [0-9:]{8} vaktbox [^ ]+\[[0-9]+\]: out-$first$" /tmp/out
        fails shows "out-$(run_id talk)" /tmp/out
        ctl log talk --all-runs -o cat
        shows -x "out-$first" /tmp/out
        shows -x "out-$(run_id talk)" /tmp/out
        ctl log talk -n 1 --all-runs
        same 1 "$(wc -l </tmp/out)"
        ctl log talk --since=-1h -n 1 -o cat --all-runs
        same 1 "$(wc -l </tmp/out)"
        ctl log talk --since=tomorrow
        same 0 "$(wc -l </tmp/out)"
        ctl log talk --until=-1h
        same 0 "$(wc -l </tmp/out)"
        shows 'No entry matches' /tmp/err
        ctl log talk -g '^ERR-' -o cat --all-runs
        same 0 "$(wc -l </tmp/out)"
        ctl log talk -g '^(out|err)-' -o cat
        same 2 "$(wc -l </tmp/out)"
        ctl log talk -g '^err-' -n 1 -o cat
        came 0 "err-$(run_id talk)"
        ctl log talk -p notice -o cat
        came 0 "said-$(run_id talk)"
        ctl log talk -p info..debug -o cat
        came 0 "out-$(run_id talk)"$'\n'"err-$(run_id talk)"
        ctl log talk --all -o cat
        shows -x "out-$(run_id talk)" /tmp/out
        shows "Run $(run_id talk) started" /tmp/out
        ctl --json log "$first"
        cp /tmp/out /tmp/1.log
        ! python3 -c 'import jsonschema' || # which a bare Debian does not have
                "$(dirname "$0")/check-json.py" /usr/share/vaktd/vaktctl.schema.json /tmp/1.log
        python3 -c '
import json, sys
lines = json.load(open("/tmp/out"))
said = [l for l in lines if l["message"] == "out-" + sys.argv[1]]
assert len(said) == 1, lines
assert said[0]["job"] == "talk" and said[0]["run"] == int(sys.argv[1]) and said[0]["priority"] == 6
assert said[0]["time_usec"] > 10**15 and said[0]["pid"] > 1 and said[0]["host"]' "$first"
}

# Why a run did not start stands there, though the run never said a word.
test_log_of_a_run_that_did_not_start() {
        job lost <<<$'[Run]\nExec=/bin/true\n[Service]\nWorkingDirectory=/no/such'
        start
        fails vaktctl run lost --wait
        ctl log lost
        shows -E 'working directory failed|Run [0-9]* of job lost .*WorkingDirectory=' /tmp/out /tmp/err
        fails shows 'Main process exited' /tmp/out
        vaktctl log lost --all >/tmp/out
        # Of a unit with eight variables and two log fields of its own, as each of ours has, systemd 257 loses what its
        # executor says. What we say names the reason on both.
        if [ "$(systemctl --version | sed -nE '1s/^systemd ([0-9]+).*/\1/p')" -lt 255 ]; then
                shows -E '\(true\)\[[0-9]+\]: .*working directory failed' /tmp/out
        fi
        shows -E 'WorkingDirectory= could not be entered: /no/such' /tmp/out
        shows -E 'systemd\[1\]: vakt-lost-[0-9]+\.service: Main process exited, code=exited, status=200/CHDIR' /tmp/out
        shows 'vaktd\[[0-9]*\]: lost: Run [0-9]* failed' /tmp/out
}

# Anybody may write VAKT_RUN= into the journal; that makes it no line of the run.
test_log_believes_no_stranger() {
        talk talk 'echo true word'
        start
        vaktctl run talk --wait
        setpriv --reuid=nobody --clear-groups logger --journald <<END
MESSAGE=forged word
VAKT_JOB=talk
VAKT_RUN=$(run_id talk)
END
        logger --journald <<END
MESSAGE=word of root
VAKT_JOB=talk
VAKT_RUN=$(run_id talk)
END
        journalctl --sync
        journal VAKT_JOB=talk | shows 'forged word'
        ctl log talk -o cat
        shows -x 'true word' /tmp/out
        fails shows 'word of root' /tmp/out
        ctl log talk --all
        shows 'true word' /tmp/out
        shows 'word of root' /tmp/out
        fails shows 'forged word' /tmp/out
        ctl log talk --all-runs --all
        shows 'true word' /tmp/out
        fails shows 'forged word' /tmp/out
}

test_log_follows_a_run_to_its_end() {
        close_gate
        talk long "echo before; read x <$GATE; echo after"
        start
        vaktctl run long
        timeout 30 vaktctl log "$(run_id long)" -f -o cat >/tmp/out 2>/tmp/err &
        local follower=$!
        within 20 shows -x before /tmp/out
        open_gate
        wait $follower
        shows -x after /tmp/out
}

test_log_follows_a_job() {
        talk talk 'echo said-$VAKT_RUN; sleep 0.1'
        start
        vaktctl run talk --wait
        vaktctl log talk -f -o cat >/tmp/out 2>/tmp/err &
        local follower=$! last
        within 20 shows -x "said-$(run_id talk)" /tmp/out
        vaktctl run talk --wait
        last=$(run_id talk)
        within 20 shows -x "said-$last" /tmp/out
        kill -INT $follower
        status=0
        wait $follower || status=$?
        same 130 "$status"
}

test_log_without_permission() {
        talk talk 'echo secret'
        start
        vaktctl run talk --wait
        status=0
        setpriv --reuid=nobody --clear-groups vaktctl log talk >/tmp/out 2>/tmp/err || status=$?
        came 5 ''
        shows 'systemd-journal' /tmp/err
        setpriv --reuid=nobody --groups="$(getent group systemd-journal | cut -d: -f3)" vaktctl log talk |
                shows secret
}

test_log_of_a_child() {
        talk talk 'echo from the child'
        install -D -m 644 /dev/stdin /etc/vaktd/vaktd.conf <<<$'[Manager]\nExecutor=child'
        start
        ctl run talk --follow
        came 0 'from the child'
        ctl log talk -o cat
        shows -x 'from the child' /tmp/out
        fails shows 'Run [0-9]* started' /tmp/out
        ctl log talk -o cat --all
        shows -x 'from the child' /tmp/out
        shows 'Run [0-9]* started' /tmp/out
}

# A user's own vaktd: its units have no VAKT_RUN=, and the system's vaktd is somebody else.
test_log_of_a_user() {
        local uid since
        since=$(date '+%F %T')
        talk mine 'echo of the system'
        start
        vaktctl run mine --wait
        id -u vakttester 2>/dev/null || useradd --create-home --groups systemd-journal vakttester
        uid=$(id -u vakttester)
        mkdir -p /var/lib/systemd/linger
        touch /var/lib/systemd/linger/vakttester
        systemctl start "user@$uid.service"
        as_user() {
                runuser -u vakttester -- env HOME=/home/vakttester USER=vakttester XDG_RUNTIME_DIR="/run/user/$uid" \
                        DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" "$@"
        }
        install -D -m 644 -o vakttester /dev/stdin /home/vakttester/.config/vaktd/jobs.d/mine.job \
                <<<$'[Run]\nShell=echo of the user $VAKT_RUN; sleep 0.1'
        as_user systemctl --user stop vaktd.socket vaktd.service
        as_user systemctl --user start vaktd
        as_user vaktctl --user run mine --follow >/tmp/out
        same 'of the user 1' "$(cat /tmp/out)"
        as_user vaktctl --user run mine --wait
        as_user vaktctl --user log mine -o cat >/tmp/out
        shows -x 'of the user 2' /tmp/out
        fails shows 'of the user 1' /tmp/out
        fails shows 'of the system' /tmp/out
        as_user vaktctl --user log mine --all-runs -o cat --since="$since" >/tmp/out
        same $'of the user 1\nof the user 2' "$(grep '^of' /tmp/out)"
        # And the system's shows nothing of the user's.
        vaktctl log mine --all-runs -o cat --since="$since" >/tmp/out
        same 'of the system' "$(grep '^of' /tmp/out)"
        as_user systemctl --user stop vaktd.socket vaktd.service
        rm -rf /home/vakttester/.config/vaktd /home/vakttester/.local/state/vaktd
}

# --- history and status ---

test_history_of_units() {
        talk good true
        talk bad 'exit 3'
        start
        vaktctl run good --wait
        fails vaktctl run bad --wait
        vaktctl --json history bad -n 1 >/tmp/out
        python3 -c '
import json
[r] = json.load(open("/tmp/out"))
assert r["unit"] == "vakt-bad-%d.service" % r["run"], r
assert len(r["invocation"]) == 32 and r["cpu_usec"] > 0, r
assert (r["result"], r["code"]) == ("exit", 3), r'
        same 1 "$(vaktctl --no-legend history --result=failed | wc -l)"
        ctl status "$(run_id bad)"
        same 3 "$status"
        shows -E '^ +Unit: vakt-bad-[0-9]+\.service$' /tmp/out
        shows -E '^ +Invocation: [0-9a-f]{32}$' /tmp/out
        shows -E '^ +CPU: [0-9.]+[mu]?s$' /tmp/out
        # Over a restart, and without the ledger being asked by anybody else.
        systemctl restart vaktd
        same 1 "$(vaktctl --no-legend history --result=failed | wc -l)"
        same 1 "$(vaktctl --no-legend history good --since=today | wc -l)"
}

# --- a daemon that cannot start ---

test_no_daemon_is_told_at_once() {
        local begin
        drop_in broken <<<$'[Service]\nExecStart=\nExecStart=vaktd --no-such-option'
        systemctl start vaktd.socket
        fails systemctl start vaktd.service
        within 30 eval 'for i in 1 2 3 4 5 6 7 8; do systemctl start vaktd.service; done; systemctl is-failed -q vaktd.service vaktd.socket'
        begin=$(now_ms)
        ctl list
        came 6 ''
        [ $(($(now_ms) - begin)) -lt 5000 ]
        shows 'vaktd.service has failed (.*reset-failed vaktd.service vaktd.socket' /tmp/err
        # The bus still waits for that start, and asks for no other one.
        systemctl stop vaktd.socket vaktd.service
        systemctl reset-failed vaktd.service vaktd.socket
        begin=$(now_ms)
        ctl list
        came 6 ''
        [ $(($(now_ms) - begin)) -lt 8000 ]
        shows "systemctl start vaktd" /tmp/err
        # And what was said helps.
        rm /run/systemd/system/vaktd.service.d/broken.conf
        systemctl daemon-reload
        systemctl start vaktd.socket vaktd.service
        vaktctl list >/dev/null
}

# Over the bus, without any socket: the call starts it.
test_the_bus_starts_it() {
        talk talk true
        systemctl stop vaktd.socket vaktd.service
        rm -f /run/vaktd/control
        vaktctl pause talk
        vaktctl list | shows '^talk '
}

run_tests
