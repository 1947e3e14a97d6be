#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The user instance, under the manager of a user who need not be logged in.

. "$(dirname "$0")/lib.sh"

readonly TESTER=vakttester

# Runs a command as the user, as in a session of that user.
as_user() {
        runuser -u $TESTER -- env -u SYSTEMD_PAGER HOME=/home/$TESTER USER=$TESTER \
                XDG_RUNTIME_DIR="/run/user/$uid" DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" "$@"
}

user_job() { # NAME, the file on standard input
        # shellcheck disable=SC2016 # for the inner shell
        as_user sh -c 'mkdir -p ~/.config/vaktd/jobs.d && cat >~/.config/vaktd/jobs.d/"$1".job' sh "$1"
}

setup_user() {
        # In the group because the box keeps its journal in memory, where no user has a part of it for oneself.
        id -u $TESTER 2>/dev/null || useradd --create-home --shell /bin/bash --groups systemd-journal $TESTER
        uid=$(id -u $TESTER)
        mkdir -p /var/lib/systemd/linger
        touch /var/lib/systemd/linger/$TESTER
        systemctl start "user@$uid.service"
        as_user systemctl --user stop vaktd.socket vaktd.service
        as_user systemctl --user stop 'vakt-*.service'
        as_user systemctl --user reset-failed
        rm -rf /home/$TESTER/.config /home/$TESTER/.local
        as_user systemctl --user daemon-reload
        user_job hello <<<$'[Run]\nShell=echo "hello from $(id -un)"'
}

is_active() {
        as_user systemctl --user is-active vaktd.service
}

test_the_user_instance_starts_and_serves() {
        setup_user
        as_user systemctl --user start vaktd
        same active "$(is_active)"
        as_user vaktctl --user list | shows hello
        as_user vaktctl --user run hello --follow | shows "hello from $TESTER"
        as_user busctl --user call org.vaktd1 /org/vaktd1 org.vaktd1.Manager ListJobs | shows '"hello"'
        # Its own directories, and nothing of the system's.
        test -d /home/$TESTER/.local/state/vaktd
        fails test -e /run/vaktd/control
        same "$TESTER" "$(stat -c %U "/run/user/$uid/vaktd/control")"
        as_user systemctl --user stop vaktd
        same inactive "$(is_active)"
}

test_a_warm_runner_of_a_user() {
        setup_user
        user_job warm <<<$'[Run]\nShell=echo "warm $VAKT_RUN"; setsid sleep 1000 >&- 2>&- &\nRunner=warm'
        as_user systemctl --user start vaktd
        as_user vaktctl --user -q run warm --wait
        as_user vaktctl --user run warm --follow | shows "warm 2"
        within 5 fails pgrep -u $TESTER -x sleep # what a run leaves behind
        as_user systemctl --user list-units --plain --no-legend 'vakt-*' | shows vakt-warm.runner-1.service
        journalctl --sync
        as_user vaktctl --user log 1 | shows "warm 1"
        as_user vaktctl --user log 1 | fails shows "warm 2"
        as_user systemctl --user stop vaktd
}

test_the_user_instance_reloads_and_says_what_is_bad() {
        setup_user
        as_user systemctl --user start vaktd
        user_job second <<<$'[Run]\nExec=/bin/true'
        as_user systemctl --user reload vaktd
        as_user vaktctl --user list | shows second
        user_job second <<<$'[Run]\nExec='
        fails as_user systemctl --user reload vaktd
        as_user vaktctl --user run second --wait
}

test_the_user_instance_is_started_by_its_socket() {
        setup_user
        as_user systemctl --user start vaktd.socket
        same inactive "$(is_active)"
        same 600 "$(stat -c %a "/run/user/$uid/vaktd/control")"
        fails as_user vaktctl --user list
        same inactive "$(is_active)"
        as_user vaktctl --user pause hello
        same active "$(is_active)"
}

test_the_user_instance_is_started_by_the_bus() {
        setup_user
        as_user busctl --user call org.vaktd1 /org/vaktd1 org.vaktd1.Manager ListJobs | shows '"hello"'
        same active "$(is_active)"
}

# What of a user's daemon is shut in is not its jobs.
test_the_user_instance_works_in_its_sandbox() {
        setup_user
        user_job free <<<$'[Run]\nShell=grep NoNewPrivs /proc/self/status'
        as_user systemctl --user start vaktd
        as_user vaktctl --user run free --follow | shows 'NoNewPrivs:.*0'
        shows 'NoNewPrivs:.*1' "/proc/$(as_user systemctl --user show --value -p MainPID vaktd)/status"
}

# What a user's manager takes and does not do (before version 254) is a problem of the file, with its line.
test_a_sandbox_that_is_not_applied_is_told_at_load() {
        local setting own
        setup_user
        as_user systemctl --user start vaktd
        own=$(readlink /proc/self/ns/mnt)
        if [ "$(systemctl --version | sed -nE '1s/^systemd ([0-9]+).*/\1/p')" -lt 254 ]; then
                same "$own" "$(as_user systemd-run --user --quiet --pipe -p PrivateTmp=yes -p ProtectSystem=strict \
                        readlink /proc/self/ns/mnt)"
        fi
        for setting in PrivateTmp=yes ProtectSystem=strict ProtectHome=yes ReadOnlyPaths=/ InaccessiblePaths=/mnt \
                TemporaryFileSystem=/mnt BindReadOnlyPaths=/mnt PrivateDevices=yes PrivateNetwork=yes PrivateIPC=yes \
                ProtectHostname=yes ProtectClock=yes ProtectKernelTunables=yes ProtectKernelModules=yes \
                ProtectKernelLogs=yes PrivateMounts=yes CapabilityBoundingSet=CAP_KILL; do
                user_job shut <<<$'[Run]\nExec=/bin/true\n[Service]\n'"$setting"
                fails as_user systemctl --user reload vaktd
                as_user vaktctl --user list >/tmp/list || true
                shows "shut.job:4: ${setting%%=*}= silently has no effect in a job of a user without PrivateUsers=yes" \
                        /tmp/list
        done
        for setting in User=nobody DynamicUser=yes ProtectProc=invisible IPAddressDeny=any DevicePolicy=closed; do
                user_job shut <<<$'[Run]\nExec=/bin/true\n[Service]\n'"$setting"
                fails as_user systemctl --user reload vaktd
                as_user vaktctl --user list >/tmp/list || true
                shows "shut.job:4: ${setting%%=*}= requires the service manager of the system" /tmp/list
        done
        journal_has _UID="$uid" MESSAGE_ID="$(message_id CONFIG_PROBLEM)"
        # With that line, it is in force.
        user_job shut <<'END'
[Run]
Shell=readlink /proc/self/ns/mnt; touch ~/written || echo cannot write
[Service]
PrivateUsers=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
END
        as_user systemctl --user reload vaktd
        as_user vaktctl --user run shut --follow >/tmp/shut
        shows -x 'cannot write' /tmp/shut
        fails shows -F "$own" /tmp/shut
        fails test -e /home/$TESTER/written
}

has_succeeded() { # JOB
        as_user vaktctl --user history "$1" | grep success
}

# A journal that is late finds no process any more whose line it could be, and knows nothing of a user's units.
test_output_is_found_that_the_journal_took_in_late() {
        local output=/tmp/late follow
        setup_user
        as_user systemctl --user start vaktd
        as_user vaktctl --user list # it is up, and the journal has no part in what follows
        systemctl kill --signal=STOP systemd-journald.service
        as_user vaktctl --user run hello --follow >$output &
        follow=$!
        within 5 has_succeeded hello
        systemctl kill --signal=CONT systemd-journald.service
        wait $follow
        same "hello from $TESTER" "$(cat $output)"
        journal -o json _UID="$uid" SYSLOG_IDENTIFIER=hello | fails shows '"_SYSTEMD_USER_UNIT"'
        as_user vaktctl --user log hello --all-runs | shows "hello from $TESTER"
}

# A run of a user is a unit of that user's manager, and outlives the daemon.
test_runs_of_the_user_instance_are_units() {
        local id
        setup_user
        user_job long <<<$'[Run]\nExec=/bin/sleep 1000'
        as_user systemctl --user start vaktd
        id=$(as_user vaktctl --user -q run long)
        within 5 as_user systemctl --user -q is-active "vakt-long-$id.service"
        as_user systemctl --user kill -s KILL vaktd
        within 5 as_user systemctl --user -q is-active vaktd
        as_user systemctl --user -q is-active "vakt-long-$id.service"
        as_user vaktctl --user cancel "$id"
        within 5 fails as_user systemctl --user -q is-active "vakt-long-$id.service"
        as_user vaktctl --user history long | shows cancelled
}

test_the_user_instance_runs_children() {
        setup_user
        as_user install -D -m 644 "$EXAMPLES/user/vaktd.service.d/10-child-executor.conf" \
                "/home/$TESTER/.config/systemd/user/vaktd.service.d/10-child-executor.conf"
        as_user systemctl --user daemon-reload
        as_user systemctl --user start vaktd
        as_user vaktctl --user run hello --follow | shows "hello from $TESTER"
        same "" "$(as_user systemctl --user list-units --all --plain --no-legend 'vakt-*.service')"
}

test_files_are_watched_and_spools_worked_off() {
        setup_user
        user_job list <<END
[Path]
PathChanged=/home/$TESTER/watched
[Run]
Shell=tr '\0' '\n' <"\$VAKT_PATHS" >>\$HOME/list
END
        user_job intake <<END
[Path]
Spool=/home/$TESTER/spool
[Run]
Shell=cat "\$VAKT_PATH" >>\$HOME/done
END
        as_user mkdir -p /home/$TESTER/watched /home/$TESTER/spool
        rm -f /home/$TESTER/list /home/$TESTER/done
        as_user systemctl --user start vaktd
        within 10 watches list
        within 10 watches intake
        as_user touch "/home/$TESTER/watched/a file"
        within 10 shows -x "/home/$TESTER/watched/a file" /home/$TESTER/list
        as_user sh -c 'echo item >~/spool/one'
        within 10 shows item /home/$TESTER/done
        within 10 fails test -e /home/$TESTER/spool/one
        as_user vaktctl --user plan list | shows 'a file'
}

watches() { # JOB
        as_user vaktctl --user status "$1" | shows '(active)'
}

# The ready-made job for the desktop, with something in the place of notify-send.
test_a_failed_service_is_shown() {
        setup_user
        install -m 755 /dev/stdin /usr/local/bin/notify-send <<'END'
#!/bin/sh
printf '%s\n' "$@" >>~/shown
END
        sed 's/^ForSec=.*/ForSec=0/' "$EXAMPLES/jobs.d/unit-failed-desktop.job" | user_job unit-failed-desktop
        as_user systemctl --user start vaktd
        as_user systemd-run --user --quiet --unit=broken sh -c 'echo I am broken; exit 1'
        within 20 grep 'I am broken' /home/$TESTER/shown
        shows -x 'broken.service has failed' /home/$TESTER/shown
        same 1 "$(grep -c 'has failed$' /home/$TESTER/shown)"
        as_user systemctl --user reset-failed
        as_user systemctl --user stop vaktd
        rm /usr/local/bin/notify-send /home/$TESTER/shown
}

run_tests
