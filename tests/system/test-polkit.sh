#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# polkit, as Debian has it: what a user may do who is not root, with and without a rule, and when polkit does not answer.

. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2086 # words: $CALL, $MANAGER, $SOCKET
readonly USER=vaktuser RULES=/etc/polkit-1/rules.d CALL="busctl call $MANAGER"

as_user() {
        runuser -u $USER -- env -u SYSTEMD_PAGER HOME=/ USER=$USER "$@"
}

# rule ID <<END: a rule until the next test. polkit watches the directory; a restart does not depend on when it looks.
rule() {
        install -m 644 /dev/stdin "$RULES/40-$1.rules"
        systemctl restart polkit
}

setup_users() {
        local name
        for name in $USER vaktother; do
                id -u $name >/dev/null 2>&1 || useradd --create-home --shell /bin/bash $name
        done
        gpasswd --delete $USER backup >/dev/null 2>&1 || true
        mkdir -p $RULES
        rm -f $RULES/*.rules
        systemctl unmask --runtime polkit
        systemctl restart polkit
        job backup-home <<<$'[Run]\nExec=/bin/sleep 0'
        job other <<<$'[Run]\nExec=/bin/sleep 0'
        job backup-long <<<$'[Run]\nExec=/bin/sleep infinity'
        systemctl start vaktd
}

test_the_actions_are_known_in_two_languages() {
        setup_users
        pkaction --verbose --action-id org.vaktd1.run | shows 'implicit active: *auth_admin$'
        pkaction --verbose --action-id org.vaktd1.manage | shows 'description: *Manage jobs'
        shows 'xml:lang="nb">Autentisering kreves' /usr/share/polkit-1/actions/org.vaktd1.policy
}

test_without_a_rule_a_user_changes_nothing() {
        setup_users
        status 0 as_user vaktctl list
        status 5 as_user vaktctl run backup-home
        says 'This requires authentication (org.vaktd1.run, job backup-home)'
        status 5 as_user vaktctl pause backup-home
        says 'org.vaktd1.manage, job backup-home'
        status 5 as_user vaktctl pause --all
        status 5 as_user vaktctl reload
        status 4 as_user vaktctl run no-such-job
        status 1 as_user $CALL Run 'sa{sv}' backup-home 0
        status 1 as_user $CALL Plan su backup-home 0
        status 1 as_user busctl $SOCKET call org.vaktd1 /org/vaktd1 org.vaktd1.Manager Run 'sa{sv}' backup-home 0
        says 'Only root and the user that vaktd runs as may do this'
        same 0 "$(runs_of backup-home)"
}

# The example of the documentation, as it is installed.
test_the_example_permits_some_jobs_to_a_group() {
        local id
        setup_users
        rule backup <"$EXAMPLES/polkit-1/rules.d/50-vaktd-backup.rules"
        status 5 as_user vaktctl run backup-home
        gpasswd --add $USER backup
        status 0 as_user vaktctl run backup-home --wait
        status 5 as_user vaktctl run other
        says 'This requires authentication (org.vaktd1.run, job other)'
        status 5 as_user vaktctl run backup-home --now
        status 5 as_user vaktctl pause backup-home
        status 5 runuser -u vaktother -- vaktctl run backup-home
        id=$(as_user vaktctl -q run backup-long)
        within 10 is_running "$id"
        status 0 as_user vaktctl cancel "$id"
        id=$(vaktctl -q run other)
        within 10 is_done "$id"
        same 1 "$(runs_of other)"
}

test_a_rule_permits_to_manage() {
        setup_users
        rule manage <<END
polkit.addRule(function(action, subject) {
        if (action.id == "org.vaktd1.manage" && subject.user == "$USER" && action.lookup("job") != "other")
                return polkit.Result.YES;
        if (action.id.indexOf("org.vaktd1.") == 0 && subject.user == "vaktother")
                return polkit.Result.NO;
});
END
        status 0 as_user vaktctl pause backup-home
        vaktctl --json list backup-home | shows '"paused": *true'
        status 0 as_user vaktctl resume backup-home
        status 0 as_user vaktctl run backup-home --now --wait
        status 0 as_user vaktctl run backup-home --wait # which is implied, for the same jobs
        status 5 as_user vaktctl run other
        status 5 as_user vaktctl pause other
        status 0 as_user vaktctl pause --all
        status 0 as_user vaktctl resume --all
        # It reads the files, and tells no more of them than everybody may know.
        install -m 600 /dev/stdin $JOBS/secret.job <<<$'[Run]\nExec=/bin/true\nPassword=hunter2'
        status 1 as_user vaktctl reload
        says secret.job
        fails says Password
        status 1 vaktctl reload
        says Password
        status 5 as_user systemctl service-log-level vaktd debug || status 1 as_user systemctl service-log-level vaktd debug
        status 5 runuser -u vaktother -- vaktctl pause backup-home
        says 'polkit does not permit this (org.vaktd1.manage, job backup-home).'
}

test_without_polkit_only_root_is_permitted() {
        setup_users
        systemctl mask --runtime --now polkit
        status 5 as_user vaktctl run backup-home
        says 'Only root and the user that vaktd runs as may do this (org.vaktd1.run, job backup-home), because polkit'
        says 'cannot be asked'
        status 0 vaktctl run backup-home --wait
        systemctl unmask --runtime polkit
        status 5 as_user vaktctl run backup-home
        says 'This requires authentication'
}

# A rule that does not come to an end keeps polkit from answering anybody. Sets asking to the process that asks.
ask_in_vain() {
        rm -rf /run/vakt-hang
        install -d -m 1777 /run/vakt-hang # polkit is not root
        rule hang <<'END'
polkit.addRule(function(action, subject) {
        if (action.id == "org.vaktd1.run" && action.lookup("job") == "backup-long")
                polkit.spawn(["/bin/sh", "-c", "echo $$ >/run/vakt-hang/pid; exec sleep 1000"]);
});
END
        as_user $CALL Run 'sa{sv}' backup-long 0 >/tmp/asking 2>&1 &
        asking=$!
        within 20 test -e /run/vakt-hang/pid
}

test_the_daemon_works_while_polkit_hangs() {
        local asking
        setup_users
        ask_in_vain
        status 0 vaktctl run other --wait
        status 0 runuser -u vaktother -- vaktctl list
        # The caller leaves: nothing is run, whatever polkit says.
        kill $asking
        wait $asking || true
        systemctl restart polkit
        status 0 vaktctl run other --wait
        same 0 "$(runs_of backup-long)"
}

test_a_stop_does_not_wait_for_polkit() {
        local asking
        setup_users
        ask_in_vain
        systemctl stop vaktd.socket vaktd
        ! wait $asking
        shows 'shutting down' /tmp/asking
        systemctl restart polkit
}

# A person types the password of root on a terminal, which pkttyagent asks for.
test_a_password_is_asked_for_on_a_terminal() {
        setup_users
        echo root:opensesame | chpasswd
        status 0 python3 "$(dirname "$0")/polkit-tty.py" $USER opensesame vaktctl run backup-home --wait
        says 'to run the job backup-home, or to cancel it'
        same 1 "$(runs_of backup-home)"
        status 5 python3 "$(dirname "$0")/polkit-tty.py" $USER wrong vaktctl run backup-home --wait
        status 5 python3 "$(dirname "$0")/polkit-tty.py" $USER opensesame vaktctl --no-ask-password run backup-home
        fails says Password
        same 1 "$(runs_of backup-home)"
        passwd --lock root
}

run_tests
