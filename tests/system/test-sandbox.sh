#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The service with the tight drop-in of the examples: that it works, and that it is tight.

. "$(dirname "$0")/lib.sh"

readonly EXAMPLES=/usr/share/doc/vaktd/examples

sandboxed() {
        drop_in 10-sandbox <$EXAMPLES/vaktd.service.d/10-sandbox.conf
}

test_the_daemon_works_in_the_sandbox() {
        local pid
        sandboxed
        job tick <<<$'[Timer]\nOnInterval=1s\n[Run]\nExec=/bin/true'
        job jail <<<$'[Run]\nShell=! touch /etc/vaktd/x && ! test -e /dev/kmsg && grep "^CapEff:" /proc/self/status'
        systemctl start vaktd
        list_jobs | shows '"tick"'
        vaktctl list | shows tick
        within 5 has_runs tick 2
        # A job is as shut in as the daemon, whose only capabilities are two that give no power over anybody (a
        # container has one of them only).
        vaktctl run jail --follow | shows 'CapEff:.*0000000[08]00000004'
        sed -i 's/1s/1h/' "$JOBS/tick.job"
        systemctl reload vaktd
        pid=$(main_pid)
        systemctl kill -s KILL --kill-who=main vaktd
        within 10 is_restarted "$pid"
        systemctl stop vaktd
        same success "$(property Result)"
        fails journal_has -u vaktd -p err
}

test_the_socket_starts_it_in_the_sandbox() {
        sandboxed
        job hello <<<$'[Run]\nExec=/bin/echo hello'
        systemctl start vaktd.socket
        vaktctl run hello --wait
}

exposure() {
        systemd-analyze security --no-pager "$@" | sed -nE 's/.*Overall exposure level for .*: ([0-9]+)\.([0-9]+) .*/\1\2/p'
}

test_systemd_analyze_rates_it_safe() {
        sandboxed
        systemctl start vaktd
        [ "$(exposure vaktd.service)" -le 10 ]
}

run_tests
