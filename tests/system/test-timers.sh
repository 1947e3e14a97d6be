#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Timers over a stop, as an administrator meets it: what was due meanwhile is made up for by CatchUp=, and an edit of the
# expression fires nothing.

. "$(dirname "$0")/lib.sh"

# due_job NAME EXPRESSION [LINE]: a job that leaves a line in a file for every run.
due_job() {
        { local -; set +x; } 2>/dev/null
        job "$1" <<END
[Timer]
OnCalendar=$2
AccuracySec=1ms
${3-}
[Run]
Shell=echo "\$VAKT_CAUSE" >>/run/ran-$1
END
}

ran() { # NAME
        cat "/run/ran-$1" 2>/dev/null | wc -l
}

settings() {
        install -D -m 644 /dev/stdin /etc/vaktd/vaktd.conf
}

test_what_was_due_while_it_was_stopped() {
        local minute second when expression
        rm -f /run/ran-*
        settings <<'END'
[Manager]
ResumeRampSec=0
END
        # Three seconds of one minute, soon.
        within 60 eval '[ "$(date +%-S)" -lt 45 ]'
        when=$(date +%s)
        minute=$(date -u -d "@$when" +'%Y-%m-%d %H:%M')
        second=$(date -u -d "@$when" +%-S)
        expression="$minute:$((second + 4)),$((second + 5)),$((second + 6)) UTC"
        due_job all "$expression" CatchUp=all
        due_job once "$expression" CatchUp=once
        due_job none "$expression"
        due_job late "$expression" $'CatchUp=all\nCatchUpWithinSec=1ms'
        systemctl start vaktd
        within 2 eval 'vaktctl --no-legend list | shows "^all "'
        systemctl stop vaktd
        [ "$(date +%s)" -lt $((when + 4)) ]
        within 20 eval "[ \$(date +%s) -ge $((when + 8)) ]"
        systemctl start vaktd
        within 10 eval '[ "$(ran all)" = 3 ] && [ "$(ran once)" = 1 ]'
        same "catch-up" "$(sort -u /run/ran-all)"
        vaktctl history none | shows ' missed '
        vaktctl history late | shows ' missed '
        # And not again.
        systemctl restart vaktd
        vaktctl list >/dev/null
        same "3 1 0 0" "$(ran all) $(ran once) $(ran none) $(ran late)"
        rm -f /etc/vaktd/vaktd.conf
}

test_an_edit_fires_nothing() {
        local expression
        rm -f /run/ran-*
        due_job edited 'yearly' CatchUp=all
        systemctl start vaktd
        # Each of these was due not long ago, if anybody had asked for it then.
        for expression in hourly daily "$(date -u -d '-3 seconds' +'*-*-* %H:%M:%S') UTC"; do
                due_job edited "$expression" CatchUp=all
                systemctl reload vaktd
        done
        due_job edited 'yearly' CatchUp=all
        systemctl reload vaktd
        systemctl restart vaktd
        vaktctl --no-legend list | shows '^edited '
        same 0 "$(vaktctl --json history edited | grep -c '"job"' || true)"
        same 0 "$(ran edited)"
}

test_pause_survives_a_restart() {
        due_job often '*:*:*'
        systemctl start vaktd
        within 5 eval '[ "$(ran often)" -ge 1 ]'
        vaktctl pause often
        systemctl restart vaktd
        vaktctl --no-legend list | shows '^often  *paused'
        vaktctl resume often
        vaktctl --no-legend list | shows '^often  *\(waiting\|running\|queued\)'
}

test_history_survives_a_kill() {
        local pid
        job hello <<'END'
[Run]
Exec=/bin/echo hello
END
        systemctl start vaktd
        vaktctl run hello --wait
        pid=$(main_pid)
        kill -9 "$pid"
        within 10 eval '[ "$(main_pid)" != 0 ] && [ "$(main_pid)" != '"$pid"' ] && vaktctl list >/dev/null'
        vaktctl history hello | shows ' success '
}

run_tests
