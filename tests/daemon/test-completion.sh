#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What bash completes behind vaktctl, with a daemon and without. Wants VAKTD_BIN and VAKTCTL_BIN; VAKTD_WRAPPER is put
# before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"
# shellcheck source=units/bash-completion/vaktctl
. "${0%/*}/../../units/bash-completion/vaktctl"

status=0
: >"$scratch/out"
: >"$scratch/err"
mkdir "$scratch/bin"
ln -s "$(realpath "$VAKTCTL_BIN")" "$scratch/bin/vaktctl"
PATH=$scratch/bin:$PATH

# DESCRIPTION EXPECTED WORD...: what the last word can become.
completes() {
        local description=$1 expected=$2
        shift 2
        COMP_WORDS=(vaktctl "$@")
        COMP_CWORD=$#
        COMPREPLY=()
        _vaktctl
        printf '%s\n' "${COMPREPLY[@]}" >"$scratch/out"
        [ "${COMPREPLY[*]}" = "$expected" ]
        ok $? "$description"
}

job hello <<<$'[Run]\nExec=/bin/true'
job hourly <<<$'[Run]\nExec=/bin/true'
printf '[Manager]\n' >"$scratch/vaktd.conf"
touch "$scratch/monitrc"

export VAKTD_SOCKET=$socket
completes "no daemon, no jobs" "" run h
completes "options of edit" "--full" edit --fu
start_daemon
completes "verbs" "cancel cat calendar" ca
completes "one verb" "import-monit" import-m
completes "verbs that import" "import-crontab import-incrontab import-logrotate import-monit import-path import-timer import-tmpfiles" im
completes "one verb" "conditions" con
completes "an option" "--follow --failed --full --from=" --f
completes "an option with a value" "--output=" log --outp
completes "jobs" "hello hourly" run h
completes "jobs behind an option" "hello" run --wait he
completes "jobs of another socket" "" --socket = "$scratch/nothing" run h
completes "files" "$scratch/monitrc" import-monit "$scratch/mo"
completes "files of another import" "$scratch/monitrc" import-tmpfiles "$scratch/mo"
completes "users" "root" import-crontab -u roo
completes "conditions" "disk-free disk-full-in" test disk
completes "words between conditions" "and" test an
completes "no arguments" "" conditions ""
job values <<<$'[Monitor]\nWhen=mounted /vakt-no-such or process vakt-no-such count > 1\n[Run]\nExec=/bin/true'
ctl reload
for ((SECONDS = 0; SECONDS < 60;)); do
        ctl --json values
        [ "$(grep -o '"used":true' "$scratch/out" | wc -l)" != 2 ] || break
done
completes "probes" "mounted" values mou
completes "and what they are about" "/vakt-no-such" values mounted /

ctl run hello --wait
completes "run numbers" "1" log 1
completes "values of an option" "failed" history --result = fail
completes "states" "raised retrying running" list --state = r
completes "orders" "next" list --sort = ne
completes "verbs to be helped with" "history help" help h
completes "calendar words" "weekly" calendar we
if command -v fish >/dev/null; then
        HOME=$scratch fish --no-config -c "source ${0%/*}/../../units/fish-completion/vaktctl.fish
                complete -C 'vaktctl run --wait he'; complete -C 'vaktctl ca'" >"$scratch/out" 2>"$scratch/err"
        out "fish: jobs" '^hello$'
        out "fish: verbs, with what they do" $'^cancel\tCancel a run'
fi
ctl conditions
ends 0 "the list of conditions"
out "a condition" '^disk-free +size +the free space of the file system of a path$'
out "with an example" '^ +disk-free /var < 10%$'
[ "$(grep -cE '^[a-z]' "$scratch/out")" -ge 28 ]
ok $? "all conditions are listed"
ctl --json conditions
json "the same in JSON" "[k['unit'] for k in j if k['name'] == 'load1' and k['example'] == 'load1 > 8'] == ['number']"
echo "1..$number"
