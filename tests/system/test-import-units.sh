#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is imported from the service manager and from crontabs, and turned off there in the same step: path units and
# timers whose jobs start the same units, at the same times.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly UNITS=/etc/systemd/system TOP=/tmp/import-units

service() { # NAME: says what it was started for
        printf '[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo . >>%s/%s"\n' $TOP "$1" >"$UNITS/$1.service"
}

starts() { # NAME COUNT
        [ "$(wc -l <"$TOP/$1")" = "$2" ]
}

forget() {
        systemctl stop 'test-vakt-*' || true
        rm -rf $TOP $UNITS/test-vakt-* $UNITS/*.wants/test-vakt-* /etc/cron.d/vakt-test
        systemctl daemon-reload
}

test_path_unit_is_handed_over() {
        forget
        mkdir -p $TOP
        service test-vakt-p
        printf '[Path]\nPathChanged=%s/in\nMakeDirectory=yes\n[Install]\nWantedBy=multi-user.target\n' $TOP >$UNITS/test-vakt-p.path
        systemctl daemon-reload
        systemctl enable --now test-vakt-p.path
        touch $TOP/in/one
        within 60 starts test-vakt-p 1
        systemctl start vaktd
        vaktctl import-path test-vakt-p --write --disable-source
        fails systemctl is-active test-vakt-p.path
        fails systemctl is-enabled test-vakt-p.path
        touch $TOP/in/two
        within 60 starts test-vakt-p 2
        has_runs test-vakt-p 1
        fails vaktctl import-path test-vakt-p --write # it is there already
        forget
}

test_timer_that_a_package_enables_stays_off() {
        forget
        mkdir -p $TOP /usr/lib/systemd/system/timers.target.wants
        service test-vakt-t
        printf '[Timer]\nOnCalendar=yearly\n' >/usr/lib/systemd/system/test-vakt-t.timer
        ln -sf ../test-vakt-t.timer /usr/lib/systemd/system/timers.target.wants/
        systemctl daemon-reload
        systemctl start test-vakt-t.timer vaktd
        vaktctl import-timer test-vakt-t --write --disable-source
        fails systemctl is-active test-vakt-t.timer
        same masked "$(systemctl is-enabled test-vakt-t.timer)"
        vaktctl run --wait test-vakt-t
        within 60 starts test-vakt-t 1
        systemctl unmask test-vakt-t.timer
        rm /usr/lib/systemd/system/test-vakt-t.timer /usr/lib/systemd/system/timers.target.wants/test-vakt-t.timer
        forget
}

test_lines_of_a_crontab_become_comments() {
        forget
        mkdir -p /etc/cron.d
        # the last one is no line of a crontab, and stays; there is no newline at the end
        printf '# mine\nMAILTO=""\n0 0 1 1 * daemon true\n1 0 1 1 * daemon\n2 0 1 1 * root true%%x' >/etc/cron.d/vakt-test
        chown daemon:games /etc/cron.d/vakt-test
        chmod 640 /etc/cron.d/vakt-test
        cp -p /etc/cron.d/vakt-test /tmp/vakt-test-before
        fails vaktctl import-crontab --write --disable-source /etc/cron.d/vakt-test # no daemon
        cmp /tmp/vakt-test-before /etc/cron.d/vakt-test
        [ -z "$(ls "$JOBS")" ]
        systemctl start vaktd
        vaktctl import-crontab --write --disable-source /etc/cron.d/vakt-test || true # a remark
        printf '# mine\nMAILTO=""\n#vaktd# 0 0 1 1 * daemon true\n1 0 1 1 * daemon\n#vaktd# 2 0 1 1 * root true%%x' |
                cmp - /etc/cron.d/vakt-test
        same "640 daemon games" "$(stat -c '%a %U %G' /etc/cron.d/vakt-test)"
        same vakt-test "$(find /etc/cron.d -name '*vakt*' -printf '%f')"
        vaktctl why cron-vakt-test-2
        sed -i 's/^#vaktd# //' /etc/cron.d/vakt-test
        cmp /tmp/vakt-test-before /etc/cron.d/vakt-test
        rm /tmp/vakt-test-before
        forget
}

# What cannot be turned off goes on there, and only there.
test_what_cannot_be_turned_off_has_no_job() {
        forget
        mkdir -p /etc/cron.d
        printf 'MAILTO=""\n0 0 1 1 * root true\n' >/tmp/vakt-test-crontab
        ln -s /tmp/vakt-test-crontab /etc/cron.d/vakt-test
        systemctl start vaktd
        fails vaktctl import-crontab --write --disable-source /etc/cron.d/vakt-test
        [ -z "$(ls "$JOBS")" ]
        fails grep vaktd /tmp/vakt-test-crontab
        rm /tmp/vakt-test-crontab
        forget
}

# All timers that Debian ships here: each job elapses next when its timer would.
test_timers_of_debian_elapse_as_before() {
        local timer calendar theirs n=0
        systemctl start vaktd
        find /usr/lib/systemd/system -maxdepth 1 -name '*.timer' ! -name '*@*' -printf '%f\0' |
                xargs -0 vaktctl import-timer --write || true # remarks
        vaktctl reload
        for timer in "$JOBS"/*.job; do
                while IFS= read -r calendar; do
                        theirs=$(systemd-analyze calendar --iterations=20 --base-time="2027-02-25 11:00" "$calendar" |
                                sed -nE 's/^ *(Next elapse|Iter\. #[0-9]+|Iteration #[0-9]+): (.*)/\2/p' |
                                while read -r t; do [ "$t" = never ] || date -d "$t" +%s000000; done | tr '\n' ,)
                        same "$theirs" "$(vaktctl --json calendar -n 20 --from="2027-02-25 11:00" "$calendar" |
                                sed -n 's/.*"elapses_usec":\[\([^]]*\)\].*/\1,/p')"
                        n=$((n + 1))
                done < <(sed -n 's/^OnCalendar=//p' "$timer")
        done
        [ "$n" -ge 2 ]
        echo "# figure: $n calendar expressions of $(find "$JOBS" -name '*.job' | wc -l) timers"
}

run_tests
