#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl import-path: the jobs of path units, and what is said about them. How files are read, and drop-ins, is the same
# as for timers, see test-import-timer.sh. Wants VAKTCTL_BIN.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

mkdir -p "$scratch/etc/x.path.d" "$scratch/etc/multi-user.target.wants" "$scratch/etc/paths.target.wants"
export SYSTEMD_UNIT_PATH=$scratch/etc

# What becomes of lines: [Path] and [Run] of the job, and the remarks with their line only.
becomes() { # LINES EXPECTED [REMARK…]
        local remarks
        remarks=$([ $# = 2 ] || printf '%s\n' "${@:3}" | cut -c 1-40 | tr '\n' '|')
        printf '[Path]\n%s\n' "$1" >"$scratch/etc/x.path"
        ctl import-path x.path
        [ "$status" = "$([ $# = 2 ] && echo 0 || echo 1)" ] &&
                [ "$(sed -n '/^\[Path\]/,$p' "$scratch/out" | grep -vE '^$|^\[Path\]|^Unit=x.service$|^\[Run\]|^Overlap=skip$' | tr '\n' '|')" = "${2:+$2|}" ] &&
                [ "$(sed -nE "s,^$scratch/etc/x\.path:([0-9]+: .*),\1,p" "$scratch/err" | cut -c 1-40 | tr '\n' '|')" = "$remarks" ]
        ok $? "${1//$'\n'/; }"
}

all=$'PathExists=/a\nPathExistsGlob=/b/*.c\nPathChanged=/d e\nPathModified=/f\nDirectoryNotEmpty=/g\nMakeDirectory=yes\nDirectoryMode=0700'
becomes "$all" "${all//$'\n'/|}"
becomes $'PathChanged=/a\nUnit=other.service' 'PathChanged=/a|Unit=other.service'
becomes $'PathChanged=/a\nPathExists=/b\nPathModified=\nPathExists=/c' 'PathExists=/c'
becomes $'PathExists=/a\nPathExists=/a\nPathChanged=/a' 'PathExists=/a|PathChanged=/a'
becomes $'PathExists=/a\nPathExistsGlob=/a/*\nMakeDirectory=yes' 'PathExists=/a|PathExistsGlob=/a/*'
becomes $'PathExistsGlob=/a/{b,c}' 'PathExistsGlob=/a/{b,c}' "2: Braces are no part of a pattern in a jo"
becomes $'PathChanged=/a\nTriggerLimitIntervalSec=5s\nTriggerLimitBurst=3' 'PathChanged=/a|TriggerLimitIntervalSec=5s|TriggerLimitBurst=3' \
        "3: TriggerLimitIntervalSec= becomes Trigger" "4: TriggerLimitBurst= becomes TriggerLimit"
becomes $'PathChanged=/a/%%\nPathChanged=/home/%h' 'PathChanged=/a/%%|PathChanged=/home/%h' "3: A specifier is something else in a job, or"
becomes $'PathChanged=/a\n[Unit]\nConditionPathExists=/x' 'PathChanged=/a' "4: ConditionPathExists= has no counterpart"
printf '[Unit]\nDefaultDependencies=no\n[Path]\nPathChanged=/a\n' >"$scratch/etc/x.path"
ctl import-path x
ends 1 "DefaultDependencies=no"
err "a unit for the start of the machine" 'x\.path: The path unit is for the start or the end of the machine'
becomes 'PathChanged=/a' 'PathChanged=/a'
out "how the path unit is turned off" 'systemctl disable --now x\.path$'

printf '[Path]\nPathExists=/y\n' >"$scratch/etc/y.path"
ln -s ../x.path "$scratch/etc/multi-user.target.wants/x.path"
ln -s ../y.path "$scratch/etc/paths.target.wants/y.path"
ctl import-path --all --output="$scratch/written"
ends 0 "all that are enabled"
ctl check "$scratch/written/x.job" "$scratch/written/y.job"
ends 0 "check of the files that were written"
ctl import-path ../x.path
ends 1 "no name of a path unit"
err "says so" 'is no path unit that can be imported'
ctl import-path
ends 2 "nothing"

# --- where they are written ---

export XDG_CONFIG_HOME=$scratch/config HOME=$scratch
mkdir "$scratch/config"
ctl --user import-path --write x y
ends 0 "--write"
[ "$(find "$scratch/config/vaktd/jobs.d" -type f -printf '%f %m\n' | sort | xargs)" = "x.job 644 y.job 644" ]
ok $? "writes to the directory of the user"
err "says where" "^They are in $scratch/config/vaktd/jobs\.d\. Read them, and run 'vaktctl --user reload'\.$"
echo mine >"$scratch/config/vaktd/jobs.d/y.job"
rm "$scratch/config/vaktd/jobs.d/x.job"
ctl --user import-path --write x y
ends 1 "a job that is there"
[ "$(cat "$scratch/config/vaktd/jobs.d/"*)" = mine ]
ok $? "is kept, and no other is written"
ctl --user import-path --disable-source x
ends 2 "--disable-source without --write"
ctl --user import-path --write --output="$scratch/written" x
ends 2 "two directories"
ctl --user --socket="$scratch/nobody" import-path --write --disable-source x
ends 6 "--disable-source without a daemon"
[ "$(cat "$scratch/config/vaktd/jobs.d/"*)" = mine ]
ok $? "writes nothing"
ctl import-monit --disable-source "$scratch/etc/x.path"
ends 2 "--disable-source of monit"
unset SYSTEMD_UNIT_PATH
ctl --quiet import-path --all
[ "$status" -le 1 ]
ok $? "the path units of this machine"
echo "1..$number"
