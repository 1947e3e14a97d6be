#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every verb of vaktctl: as root, as a user without and with a rule of polkit, in a container (--machine=) and over ssh
# (--host=), with its exit status and what it says.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/remote-lib.sh
. "$(dirname "$0")/remote-lib.sh"

readonly WORK=/run/vakt-verbs RULE=/etc/polkit-1/rules.d/40-verbs.rules
readonly -A refusals=(
        [p]='5 requires authentication'
        [o]='5 Only root and the user that vaktd runs as may do this.'
        [w]='5 Cannot write /etc/vaktd/jobs.d/'
        [j]='5 You may not read the journal'
        [n]='4 There is no job'
        [x]='2 works with the files of this machine'
)

# In the order in which they are done: what comes of it for root, the user, the user with a rule, and on another machine;
# the words behind vaktctl; what it says. That is an exit status, or a letter for one with a message of its own: the keys
# of $refusals.
table() {
        cat <<'END'
0 0 0 0 | list                                              | 7 jobs listed, 
2 2 2 2 | list --state=failed                               | use --failed
0 0 0 0 | list --state=waiting 'g*'                         | 1 job listed
2 2 2 2 | good list                                         | The verb comes first: 'vaktctl list good'.
2 2 2 2 | lits                                              | Did you mean 'list'?
2 2 2 2 | --waitt run good                                  | Did you mean '--wait'?
0 0 0 0 | status                                            | Main PID
0 0 0 0 | status good                                       | A good one
4 4 4 4 | status none 99999                                 | There is no run 99999
1 1 1 1 | top                                               | have to be a terminal
0 p 0 0 | run good --wait                                   | of job good succeeded after
3 p 3 3 | run bad --wait                                    | of job bad failed with exit code 7 after
3 p 3 3 | run 'b*' good --wait                              | of job good succeeded after
4 4 4 4 | run goodd                                         | There is no job 'goodd'. Did you mean 'good'?
4 4 4 4 | run 'zz*'                                         | No job that is enabled matches 'zz*'
1 p 1 1 | run off                                           | is disabled; set Enabled=yes
1 p 1 1 | run invalid                                       | The file of job 'invalid' is invalid
0 0 0 0 | is-failed good bad                                | bad: failed (exit 7)
1 1 1 1 | is-failed good                                    | succeeded
3 3 3 3 | status bad                                        | failed (exit 7)
0 p 0 0 | -q run long                                       |
0 p 0 0 | cancel long                                       | is being cancelled
1 p 1 1 | cancel 1                                          | has already ended
4 4 4 4 | cancel 99999                                      | There is no run 99999
0 p 0 0 | pause good                                        | until 'vaktctl resume good'
0 0 0 0 | why good                                          | It is
0 p 0 0 | resume good                                       | Job good is no longer paused.
2 2 2 2 | pause                                             | Write 'vaktctl pause JOB...' or 'vaktctl pause --all'
2 2 2 2 | pause good --until=yesterday                      | A pause must end in the future
0 p 0 0 | pause --all                                       | until 'vaktctl resume --all'
0 p 0 0 | resume --all                                      | All jobs are resumed
0 p 0 0 | skip good 2                                       | Job good skips its next 2 occurrences
1 p 1 1 | skip good 99999                                   | At most 10000 occurrences can be skipped
0 p 0 0 | skip good 0                                       | Job good skips nothing.
0 p 0 0 | reset-failed bad                                  | Job bad
0 0 0 0 | history bad                                       | exit 7
2 2 2 2 | history --result=fialed                           | --result requires a list
4 4 4 4 | history none                                      | There is no job 'none'
0 j j 0 | log good                                          | said good
0 0 0 0 | log never                                         | Job never has not run yet.
4 4 4 4 | why none                                          | There is no job 'none'
0 o o 0 | plan never                                        |
2 2 2 x | once --at=yesterday -- true                       | is in the past
2 2 2 x | once true                                         | Say when it is to run
0 o o x | once --at='tomorrow 02:00' --name=later -- true   | Job later runs at
0 0 0 x | once                                              |
0 n n n | cancel later                                      | Job later is removed and does not run.
0 w w x | edit good --stdin <$WORK/drop-in                  | +TimeoutSec=1h
1 1 1 x | edit good --stdin <$WORK/bad.job                  | Unknown key Exce=
0 o o x | diff good                                         | What is on disk is in force.
0 0 0 x | cat good                                          | said good
0 w w x | new made --calendar=daily -- /bin/true            | Created /etc/vaktd/jobs.d/made.job.
1 p 1 1 | reload                                            | invalid.job:2: Unknown key Exce=
0 0 0 x | conditions                                        | disk-free
0 0 0 x | import-crontab $WORK/table                        | OnCron=5 4 * * *
1 1 1 x | import-crontab $WORK/none                         | No such file or directory
0 0 0 x | import-incrontab $WORK/incrontab                  | PathChanged=/srv
0 0 0 x | import-logrotate $WORK/logrotate                  | Path=/var/log/x.log
0 0 0 x | import-monit $WORK/monit                          | When=
0 0 0 x | import-path verbs.path                            | Unit=verbs.service
0 0 0 x | import-timer verbs.timer                          | Unit=verbs.service
1 1 1 x | import-timer none.timer                           | There is no timer 'none.timer'
0 0 0 x | import-tmpfiles $WORK/tmpfiles.conf               | MaxAge=
1 1 1 x | check $WORK/bad.job                               | bad.job:2: Unknown key Exce= in section [Run]. Did you mean Exec=?
1 1 1 x | calendar dialy                                    | Invalid calendar expression
0 0 0 x | calendar daily                                    | *-*-* 00:00:00
0 0 0 x | test 'load1 < 100000'                             | The condition is true.
1 1 1 x | test 'load1 > 100000'                             | The condition is false.
0 0 0 0 | values                                            | load1
4 4 4 4 | values load5                                      | No job has asked for
0 0 0 0 | complete -- statu                                 | status
0 0 0 0 | help                                              | vaktctl [OPTIONS...] [VERB]
END
}

# make_jobs DIRECTORY
make_jobs() {
        local dir=$1
        rm -rf "$dir"
        mkdir -p "$dir"
        printf '[Job]\nDescription=A good one\n[Timer]\nOnCalendar=daily\n[Run]\nShell=echo said good\n' >"$dir/good.job"
        printf '[Run]\nShell=exit 7\n' >"$dir/bad.job"
        printf '[Run]\nExec=/bin/sleep infinity\n' >"$dir/long.job"
        printf '[Job]\nEnabled=no\n[Run]\nExec=/bin/true\n' >"$dir/off.job"
        printf '[Run]\nExce=/bin/true\n' >"$dir/invalid.job"
        printf '[Path]\nPathChanged=/run/nothing\n[Run]\nExec=/bin/true\n' >"$dir/never.job"
        printf '[Monitor]\nWhen=load1 > 100000\n[Run]\nExec=/bin/true\n' >"$dir/load.job"
}

setup() {
        id -u $USER >/dev/null 2>&1 || useradd --create-home --shell /bin/bash $USER
        rm -rf $WORK $RULE
        mkdir -p $WORK
        printf '[Run]\nExce=/bin/true\n' >$WORK/bad.job
        printf '[Run]\nTimeoutSec=1h\n' >$WORK/drop-in
        printf 'MAILTO=""\n5 4 * * * /bin/true\n' >$WORK/table
        printf '/srv IN_MODIFY /bin/true\n' >$WORK/incrontab
        printf '/var/log/x.log {\n weekly\n rotate 4\n}\n' >$WORK/logrotate
        printf 'check filesystem root with path /\n if space usage > 80%% then exec "/bin/true"\n' >$WORK/monit
        printf 'd /tmp/x 0755 root root 3d\n' >$WORK/tmpfiles.conf
        printf '[Timer]\nOnCalendar=daily\n' >/run/systemd/system/verbs.timer
        printf '[Path]\nPathChanged=/srv\n' >/run/systemd/system/verbs.path
        printf '[Service]\nExecStart=/bin/true\n' >/run/systemd/system/verbs.service
        make_jobs $JOBS
        systemctl restart polkit
        systemctl start vaktd
}

# rows COLUMN COMMAND…: every row, with what comes before "vaktctl" and behind it.
rows() {
        { local -; set +x; } 2>/dev/null
        local column=$1 bad=0 expected words message statuses line
        shift
        while IFS='|' read -r line words message; do
                read -ra statuses <<<"$line"
                read -r words <<<"$words"
                read -r message <<<"$message"
                expected=${statuses[$column]}
                [ -z "${refusals[$expected]-}" ] || read -r expected message <<<"${refusals[$expected]}"
                { eval "status $expected $* $words" && { [ -z "$message" ] || says "$message"; }; } || { echo "ROW: $words"; bad=$((bad + 1)); }
        done < <(table | grep -v '^$')
        [ $bad = 0 ]
}

test_every_verb_is_in_the_table() {
        table | cut -d'|' -f2 | awk '{ print $1 }' | sort -u >/tmp/tested
        vaktctl --help | sed -nE '/^Verbs:/,/^$/s/^  ([a-z][a-z-]*).*/\1/p' | sort -u >/tmp/verbs
        [ -s /tmp/verbs ]
        same "" "$(comm -13 /tmp/tested /tmp/verbs)"
}

test_root() {
        setup
        rows 0 vaktctl
}

test_a_user() {
        setup
        vaktctl run good bad --wait || true
        vaktctl -q run long
        rows 1 runuser -u $USER -- vaktctl --no-ask-password
}

test_a_user_with_a_rule() {
        setup
        install -m 644 /dev/stdin $RULE <<END
polkit.addRule(function(action, subject) {
        if (action.id.indexOf("org.vaktd1.") == 0 && subject.user == "$USER")
                return polkit.Result.YES;
});
END
        systemctl restart polkit
        rows 2 runuser -u $USER -- vaktctl
        rm $RULE
}

test_a_container() {
        setup
        setup_inner
        inner stop vaktd.socket vaktd
        rm -rf $INNER/root/var/lib/vaktd
        make_jobs $INNER/root$JOBS
        inner start vaktd
        rows 3 vaktctl --machine=inner
        inner_is_gone
}

test_a_host() {
        setup_ssh
        systemctl stop vaktd.socket vaktd
        setup
        rows 3 vaktctl --host=localhost
        systemctl stop ssh
}

# What asks only says so; what works without a daemon does.
test_without_a_daemon() {
        local verb
        setup
        systemctl stop vaktd.socket vaktd
        for verb in list status is-failed 'history good' 'why good' 'diff good' 'cat good' values once; do
                # shellcheck disable=SC2086 # words
                status 6 vaktctl $verb
                says "vaktd is stopped; start it with 'systemctl start vaktd'."
        done
        status 0 vaktctl calendar daily
        status 1 vaktctl check
        status 0 vaktctl complete -- run ''
        systemctl mask --runtime vaktd
        status 6 vaktctl list
        says masked
        systemctl unmask --runtime vaktd
}

run_tests
rm -rf $WORK $RULE /run/systemd/system/verbs.*
