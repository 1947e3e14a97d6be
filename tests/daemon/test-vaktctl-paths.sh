#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What vaktctl shows of path triggers: plan, why of a file, watches and their state, what a run was given; with names
# that nobody would think of. Wants VAKTD_BIN and VAKTCTL_BIN; VAKTD_WRAPPER is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

tree=$scratch/tree
bad=$(printf 'bad\xff')
mkdir -p "$tree/sub"
touch "$tree/a" "$tree/sub/b" "$tree/sub/c.tmp" "$tree/line"$'\n'"break" "$tree/$bad" "$tree/-x"
ln -s tree "$scratch/link"

job tree <<END
[Path]
PathChanged=$tree
Recursive=yes
Exclude=**/*.tmp
[Run]
Shell=echo >"$scratch/started"; read line <"$scratch/release"
END
job settle <<END
[Path]
PathModified=$tree
Recursive=yes
SettleSec=1h
[Run]
Exec=/bin/true
END
job later <<END
[Path]
PathChanged=$scratch/later
[Run]
Exec=/bin/true
END
job timer <<<$'[Run]\nExec=/bin/true'
printf '[Manager]\n' >"$scratch/vaktd.conf"
start_daemon

# JOB STATE: asks until its first watch is in this state, for at most a minute.
wait_for_state() {
        for ((SECONDS = 0; SECONDS < 60;)); do
                ctl --json status "$1"
                python3 -c 'import json, sys; sys.exit(json.load(sys.stdin)["watches"][0]["state"] != sys.argv[1])' \
                        "$2" <"$scratch/out" && return
        done
        bail_out "job $1 did not get $2: $(tail -n 5 "$scratch/log")"
}
wait_for_state tree active
wait_for_state settle active
wait_for_state later waiting

# --- plan ---

ctl plan tree
ends 0 "plan"
printf '%s\n' "$tree/-x" "$tree/a" "$tree/$bad" "$tree/line"$'\n'"break" "$tree/sub/b" | cmp -s - "$scratch/out"
ok $? "plan prints paths as they are, in order, and nothing else"
[ ! -s "$scratch/err" ]
ok $? "a list that is whole is not complained about"
ctl plan tree -0
printf '%s\0' "$tree/-x" "$tree/a" "$tree/$bad" "$tree/line"$'\n'"break" "$tree/sub/b" | cmp -s - "$scratch/out"
ok $? "-0 ends each in a NUL"
cp "$scratch/out" "$scratch/names"
ctl --json plan tree
json "plan in JSON" "[f['path'] for f in j] == ['$tree/' + n for n in ('-x', 'a', 'bad\\\\xFF', 'line\\nbreak', 'sub/b')]"
json "a path that is no UTF-8 has its bytes beside" \
        "[__import__('base64').b64decode(f['path_base64']) for f in j if 'path_base64' in f] == [b'$tree/bad\\xff']"
ctl plan tree --limit=2 -0
ends 0 "plan --limit"
[ "$(tr -dc '\0' <"$scratch/out" | wc -c)" = 2 ]
ok $? "plan --limit lists so many"
err "and says that there are more" '^2 of 5 files are listed; use --limit=5 to list all\.$'
ctl --json plan tree --limit=2
json "the same in JSON" "len(j) == 2"
err "which is complained about, too" '"message":"2 of 5 files '
ctl plan later
ends 0 "plan of what is not there"
[ ! -s "$scratch/out" ] && [ ! -s "$scratch/err" ]
ok $? "prints nothing where no terminal is"
ctl plan timer
ends 1 "plan of a job that watches nothing"
err "it says why" "^Job 'timer' watches no files: its file has no \[Path\] section\.$"

# --- why of a file ---

ctl why tree "$tree/sub/c.tmp"
ends 0 "why of a file"
out "a file that is left out" '^filter: .*Exclude='
ctl why tree "$scratch/elsewhere"
out "a file that nothing covers" '^watch: +No line of the \[Path\] section covers '
cp "$scratch/out" "$scratch/absolute"
cd "$tree/sub" || exit 1
ctl why tree ../..//./elsewhere
cmp -s "$scratch/absolute" "$scratch/out"
ok $? "a relative name is made absolute"
ctl why tree b
out "below the working directory" '^watch: +PathChanged='
cd "$scratch/link" || exit 1
ctl why tree a
out "which has the name that the shell gave it" '^watch: +No line '
cd /
ctl --json why tree "$tree/a"
json "why of a file in JSON" "j['path'] == '$tree/a' and 'watch' in [s['topic'] for s in j['reasons']]"
ctl why timer /a
ends 1 "why of a file of a job that watches nothing"
ctl why no-such-job /a
ends 4 "why of a file of a job that is not there"

# --- runs ---

echo >>"$tree/a"
wait_for_run
ctl why tree "$tree/a"
out "a file in a run" '^run: +It is in run 1, which is running\.$'
for ((SECONDS = 0; SECONDS < 60;)); do # it has no run that would tell
        ctl why settle "$tree/a"
        ! grep -q '^settle: ' "$scratch/out" || break
done
out "a file that has to come to rest" '^settle: .*\(SettleSec=\)'
ctl history tree
out "history shows what a run was given" '^RUN CAUSE +RESULT +STARTED +DURATION FILES +REASON$'
out "by its path" "^ +1 path +running .* $tree/a\$"
ctl --json history tree
json "history in JSON" "[(r['cause'], r['payload']) for r in j] == [('path', '$tree/a')]"
ctl status 1
out "status of a run shows it" "^ +Files: $tree/a\$"
ctl -q run timer --wait
ctl history timer
! grep -q FILES "$scratch/out"
ok $? "history without such runs has no such column"
ctl --json history timer
json "payload is empty then" "j[0]['payload'] is None"
release_run

# --- watches ---

ctl status tree
out "status shows watches" "^ +Watches: PathChanged=$tree \(active\)\$"
! grep -q Trouble "$scratch/out"
ok $? "and no trouble where there is none"
[ "$(grep -c "PathChanged=$tree" "$scratch/out")" = 1 ]
ok $? "and each trigger once"
ctl status later
out "with what is waited for" "^ +Watches: PathChanged=$scratch/later \(waiting\)"
ctl --json status tree
json "status in JSON" "[(w['key'], w['path'], w['state']) for w in j['watches']] == [('PathChanged', '$tree', 'active')] and j['watch_counters']['overflows'] == 0 and j['watch_counters']['reported'] > 0"
json "its triggers are those of all kinds" "[(t['key'], t['value']) for t in j['triggers']] == [('PathChanged', '$tree')]"
ctl --json status timer
json "of a job without any" "j['watches'] == [] and j['watch_counters'] == {}"

# --- on a terminal ---

if have_terminal; then
        terminal 200 plan tree
        out "a terminal gets no control character" "^$tree/line\\\\x0Abreak\$"
        out "and no invalid one" "^$tree/bad\\\\xFF\$"
        out "and a total" '^5 files match\.$'
        terminal 200 plan tree --limit=1
        out "or what is not shown" '^1 of 5 files are listed; use --limit=5 to list all\.$'
        terminal 200 plan tree --no-legend
        ! grep -q match "$scratch/out"
        ok $? "not with --no-legend"
        terminal 200 plan later
        out "nothing is nothing" '^Nothing matches\.$'
        out "and why is told" "^PathChanged=$scratch/later is waiting"
        SYSTEMD_PAGER="sed s/^/paged:/" terminal 200 plan tree
        [ -s "$scratch/out" ] && ! grep -qv '^paged:' "$scratch/out"
        ok $? "all of plan goes through a pager"
        terminal 200 plan tree -0
        cmp -s "$scratch/names" "$scratch/out"
        ok $? "-0 is as it is on a terminal, too"
else
        skip "on a terminal" "no pseudo terminal"
fi

# --- who may ---

if have_nobody; then
        nobody status tree
        out "nobody sees how it is with the watches" '^ +Watches: '
        nobody plan tree
        ends 5 "plan as nobody"
        nobody why tree "$tree/a"
        ends 5 "why of a file as nobody"
        nobody why tree
        ends 0 "why of a job as nobody"
else
        skip "what nobody may" "needs root, and a directory that nobody can reach"
fi

stop_daemon TERM
json_fits_schema
echo "1..$number"
