#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The service is shut in tightly: that it works so, that it is tight, and that no job feels it.

. "$(dirname "$0")/lib.sh"

test_the_daemon_works_in_its_sandbox() {
        local pid
        job tick <<<$'[Timer]\nOnInterval=1s\n[Run]\nExec=/bin/true'
        systemctl start vaktd
        list_jobs | shows '"tick"'
        vaktctl list | shows tick
        within 5 has_runs tick 2
        sed -i 's/1s/1h/' "$JOBS/tick.job"
        systemctl reload vaktd
        pid=$(main_pid)
        systemctl kill -s KILL --kill-who=main vaktd
        within 10 is_restarted "$pid"
        systemctl stop vaktd
        same success "$(property Result)"
        fails journal_has -u vaktd -p err
}

test_the_daemon_is_shut_in() {
        local pid
        systemctl start vaktd
        pid=$(main_pid)
        # To read, to look at and move files as the users whose they are, and to wake the machine (which a container does
        # not have): none to write what is not root's, nor over processes, devices, the network or the system.
        shows -E 'CapEff:.*0000000[08]000000c4' "/proc/$pid/status"
        shows -E 'CapBnd:.*0000000[08]000000c4' "/proc/$pid/status"
        shows -E 'NoNewPrivs:.*1' "/proc/$pid/status"
        shows -E 'Seccomp:.*2' "/proc/$pid/status"
        # As its files look to it: a mount that is not writable comes before any privilege.
        fails nsenter -t "$pid" -m touch /etc/vakt-x
        fails nsenter -t "$pid" -m touch /usr/vakt-x
        # Spools may be anywhere else.
        nsenter -t "$pid" -m touch /srv/vakt-x
        rm /srv/vakt-x
        fails nsenter -t "$pid" -m head -c 0 /dev/kmsg
        nsenter -t "$pid" -m touch /var/lib/vaktd/x
        same "AF_NETLINK AF_UNIX" "$(property RestrictAddressFamilies | xargs -n 1 | sort | xargs)"
}

has_run_after_touch() { # FILE JOB: the first look at a directory takes what is there for known
        touch "$1"
        has_runs "$2" 1
}

# What comes and goes there is what a job waits for: a disk, a serial line.
test_it_sees_what_is_in_dev() {
        rm -rf /dev/vakt-x /dev/vakt-dir
        mkdir /dev/vakt-dir
        trap 'rm -rf /dev/vakt-x /dev/vakt-dir' EXIT
        job disk <<<$'[Path]\nPathExists=/dev/vakt-x\n[Run]\nExec=/bin/rm /dev/vakt-x'
        job lines <<<$'[Path]\nPathChanged=/dev/vakt-dir\n[Run]\nExec=/bin/true'
        systemctl start vaktd
        touch /dev/vakt-x
        within 30 has_runs disk 1
        within 30 has_run_after_touch /dev/vakt-dir/a lines
        within 30 fails test -e /dev/vakt-x
}

test_a_job_does_not_feel_it() {
        job free <<END
[Run]
Shell=touch /etc/vakt-x && rm /etc/vakt-x && sed -n 's/^CapEff:.//p' /proc/self/status && umask
END
        systemctl start vaktd
        vaktctl run free --wait
        same "$(sed -n 's/^CapEff:.//p' /proc/1/status) 0022" \
                "$(journal VAKT_JOB=free _TRANSPORT=stdout -o cat | xargs)"
}

test_the_socket_starts_it_in_its_sandbox() {
        job hello <<<$'[Run]\nExec=/bin/echo hello'
        systemctl start vaktd.socket
        vaktctl run hello --wait
}

exposure() {
        systemd-analyze security --no-pager "$@" |
                sed -nE 's/.*Overall exposure level for .*: ([0-9]+)\.([0-9]+) .*/\1\2/p'
}

# The right to act as others counts for more there than the rights to write everywhere, which it replaced.
# The sight of the network, which conditions need, counts for 0.6, though no packet can be sent.
test_systemd_analyze_rates_it_safe() {
        systemctl start vaktd
        [ "$(exposure vaktd.service)" -le 28 ]
}

# As vaktd(8) has it, for where no job needs more.
test_systemd_analyze_rates_it_safer_with_the_drop_in() {
        drop_in 10-tighter <<'END'
[Service]
CapabilityBoundingSet=
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_WAKE_ALARM
ProtectSystem=strict
ProtectHome=read-only
PrivateDevices=yes
SystemCallFilter=~@privileged
SystemCallFilter=capset adjtimex clock_adjtime
END
        job tick <<<$'[Timer]\nOnInterval=1s\n[Run]\nExec=/bin/true'
        job disk <<<$'[Monitor]\nWhen=disk-free / > 1\n[Run]\nExec=/bin/true'
        systemctl start vaktd
        within 30 has_runs tick 2
        within 30 has_runs disk 1
        [ "$(exposure vaktd.service)" -le 22 ]
}

run_tests
