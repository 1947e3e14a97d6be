#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl edit: what it saves is valid and in force; what it does not save is kept as a draft. Wants VAKTD_BIN and
# VAKTCTL_BIN; VAKTD_WRAPPER is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

job backup <<'END'
[Timer]
OnCalendar=*-*-* 05:00
[Run]
Exec=/bin/true
END
job each@ <<<$'[Run]\nExec=/bin/echo %i'
job bad <<<$'[Run]\nExce=/bin/true'
ln -s /dev/null "$jobs/masked.job"
printf '[Manager]\n' >"$scratch/vaktd.conf"
dropin=$jobs/backup.job.d/override.conf
start_daemon

edit_stdin() { # TEXT ARGUMENT…
        status=0
        printf '%s' "$1" | "$VAKTCTL_BIN" --socket="$socket" edit --stdin "${@:2}" >"$scratch/out" 2>"$scratch/err" ||
                status=$?
}

# Nothing but the files of jobs and their drop-ins is left.
is_clean() { # DESCRIPTION
        [ -z "$(find "$jobs" -name '.*' -o -name '*.new')" ]
        ok $? "$1"
}

# --- standard input ---

edit_stdin $'[Timer]\nOnCalendar=\nOnCalendar=*-*-* 06:00\n' backup
ends 0 "a drop-in"
out "says where" "^Saved $dropin\.$"
out "what has changed" '^  -OnCalendar=\*-\*-\* 05:00$'
out "with its place" "^  \+OnCalendar=\*-\*-\* 06:00  \\($dropin:3\\)$"
out "and the elapses" '^ *NEXT ELAPSES BEFORE +NEXT ELAPSES NOW$'
err "reloads, and tells of other jobs" '^Reloaded with 1 problem\.$'
[ "$(stat -c %a "$dropin")" = 644 ]
ok $? "everybody may read it"
ctl status backup
out "it is in force" '06:00'
chmod 600 "$dropin"
edit_stdin $'\n\n[Run]\nTimeoutSec=1h' backup
ends 0 "another drop-in"
printf '[Run]\nTimeoutSec=1h\n' | cmp -s - "$dropin"
ok $? "takes the place of the first one"
[ "$(stat -c %a "$dropin")" = 600 ]
ok $? "with its mode"
cp "$dropin" "$scratch/before"
edit_stdin $'[Run]\n\nTimeoutSec=soon\n' backup
ends 1 "an invalid one"
err "names the line" "^$dropin:3: TimeoutSec=soon is not a time span"
err "says what became of it" '^Nothing was written\.$'
cmp -s "$dropin" "$scratch/before"
ok $? "leaves the old one"
for text in '' $'\n' "$(cat "$dropin")"; do
        edit_stdin "$text" backup
        ends 0 "nothing new"
        out "says so" '^Nothing was changed\.$'
done
edit_stdin $'[Timer]\nOnCalendar=hourly\n[Run]\nExec=/bin/true 2\n' backup --full --json
ends 0 "the whole file"
json "what has changed in JSON" "(j['job'], j['change']) == ('backup', 'changed')"
ctl cat backup
out "is replaced" '^Exec=/bin/true 2$'
edit_stdin $'[Run]\nTimeoutSec=2h\n' each@
ends 0 "a template"
edit_stdin $'[Run]\nTimeoutSec=3h\n' each@one
ends 0 "an instance of it"
[ -e "$jobs/each@.job.d/override.conf" ] && [ -e "$jobs/each@one.job.d/override.conf" ]
ok $? "have drop-ins of their own"
edit_stdin $'[Run]\nTimeoutSec=x%q\n' each@
ends 1 "an invalid template"
edit_stdin $'[Run]\nExec=/bin/true\n' bad --full
ends 0 "a job that was never valid"
out "reloads" '^Reloaded\.$'
edit_stdin $'[Run]\nExec=/no/such/program\n' bad --full
ends 0 "one that will not work"
err "is warned of" '^Warning: .*/no/such/program'
chmod 0600 "$jobs/bad.job"
edit_stdin $'[Run]\nTimeoutSec=2h\n' bad
[ "$status $(stat -c %a "$jobs/bad.job.d/override.conf")" = "0 600" ]
ok $? "a drop-in of a file that not all may read can be read by nobody else, either"
is_clean "nothing else is left"

edit_stdin x no-such-job
ends 4 "a job that is not there"
err "says what to do" "^There is no file of a job 'no-such-job'; use 'vaktctl new"
edit_stdin x ../x
ends 4 "an impossible name"
edit_stdin x masked
ends 4 "a masked job"
err "names the mask" "is masked by $jobs/masked\.job"
mv "$jobs/bad.job" "$scratch/other.job"
ln -s "$scratch/other.job" "$jobs/bad.job"
edit_stdin $'[Run]\nExec=/bin/false\n' bad --full
ends 1 "a link"
err "is not followed" "^$jobs/bad\.job is a link\."
ctl edit backup </dev/null
ends 2 "no terminal"

# --- an editor ---

# Its steps are in files, and what it was given is left beside them.
cat >"$scratch/editor" <<END
#!/bin/bash
n=\$(cat "$scratch/step")
echo \$((n + 1)) >"$scratch/step"
echo "\$@" >"$scratch/arguments.\$n"
file=\${!#}
cp "\$file" "$scratch/draft.\$n"
. "$scratch/step.\$n"
END
chmod +x "$scratch/editor"
ln -s editor "$scratch/vi"
export EDITOR=/bin/false VAKTCTL_EDITOR="$scratch/vi -x"

step() { # NUMBER, commands on standard input
        echo 0 >"$scratch/step"
        cat >"$scratch/step.$1"
}

edit() { # INPUT ARGUMENT…
        status=0
        printf '%s' "$1" | SHELL=/bin/sh script -qefc "exec '$VAKTCTL_BIN' --socket='$socket' edit ${*:2}" \
                "$scratch/typescript" 2>"$scratch/err" | tr -d '\r' >"$scratch/out"
        status=${PIPESTATUS[1]}
}

# shellcheck disable=SC2016 # what an editor does is expanded there
if have_terminal; then
        rm "$dropin"
        step 0 <<<'sed -i "4i [Run]\nTimeoutSec=soon\n[Timer]" "$file"'
        step 1 <<<'sed -i "s/soon/5min/" "$file"'
        edit $'y\n' backup
        ends 0 "an editor that is used twice"
        grep -q "^-x +4 $jobs/\.backup\.[0-9]*\.conf$" "$scratch/arguments.0"
        ok $? "begins at the first line of the file"
        grep -q "^#> Exec=/bin/true 2$" "$scratch/draft.0"
        ok $? "shows the file of the job"
        grep -A1 "^#> PROBLEM: TimeoutSec=soon is not a time span" "$scratch/draft.1" | grep -q '^TimeoutSec=soon$'
        ok $? "shows the problem above its line"
        line=$(grep -n '^TimeoutSec=soon$' "$scratch/draft.1")
        grep -q " +${line%%:*} " "$scratch/arguments.1"
        ok $? "begins there the second time"
        out "the problem is told with its place" "^$jobs/\.backup\.[0-9]*\.conf:5: TimeoutSec=soon"
        printf '[Run]\nTimeoutSec=5min\n[Timer]\n' | cmp -s - "$dropin"
        ok $? "saves what is not marked"
        is_clean "no draft is left"

        step 0 <<<'sed -i "s/^TimeoutSec=.*/TimeoutSec=never/" "$file"'
        edit $'n\n' backup
        ends 1 "an editor that is not used again"
        out "says where the draft is" "The draft is kept in $jobs/\.backup\.[0-9]*\.conf\.$"
        grep -q '^TimeoutSec=never$' "$jobs"/.backup.*.conf
        ok $? "which has what was written"
        ctl check
        rm "$jobs"/.backup.*.conf

        # Ctrl-C is typed when the question is there: before, it would end what runs then.
        step 0 <<<'sed -i "s/^TimeoutSec=.*/TimeoutSec=never/" "$file"'
        mkfifo "$scratch/screen"
        exec 5<>"$scratch/screen"
        { read -r -d '?' -u 5; printf '\003'; } | SHELL=/bin/sh script -qefc \
                "exec '$VAKTCTL_BIN' --socket='$socket' edit backup" "$scratch/typescript" >&5 2>&1
        status=${PIPESTATUS[1]}
        exec 5<&-
        ends 130 "Ctrl-C at the question"
        grep -q "The draft is kept in $jobs/" "$scratch/typescript"
        ok $? "also says where the draft is"
        rm "$jobs"/.backup.*.conf

        step 0 <<<"sed -i 's/^TimeoutSec=.*/TimeoutSec=1min/' \"\$file\"; echo 'X-other=1' >>'$dropin'"
        edit '' backup
        ends 1 "a file that changes meanwhile"
        out "is told" "^$dropin was changed by somebody else meanwhile"
        out "loses nothing" "^The draft is kept in "
        grep -q '^X-other=1$' "$dropin" && grep -q '^TimeoutSec=1min$' "$jobs"/.backup.*.conf
        ok $? "on either side"
        rm "$jobs"/.backup.*.conf

        step 0 <<<'exit 7'
        edit '' backup
        ends 1 "an editor that fails"
        out "is told" '^The editor failed with exit status 7\.$'
        is_clean "without a draft that says nothing new"
        step 0 <<<'sed -i "s/^TimeoutSec=.*/TimeoutSec=2min/" "$file"; kill -TERM $$'
        edit '' backup
        ends 1 "an editor that is killed"
        out "is told" '^The editor was killed by signal 15\.$'
        grep -q '^TimeoutSec=2min$' "$jobs"/.backup.*.conf
        ok $? "and loses nothing"
        rm "$jobs"/.backup.*.conf
        for nothing in : 'true >"$file"'; do
                step 0 <<<"$nothing"
                edit '' backup
                ends 0 "an editor that does '$nothing'"
                out "changes nothing" '^Nothing was changed\.$'
        done
        step 0 <<<'kill -INT $PPID; sed -i "s/^Exec=.*/Exec=\/bin\/true 3/" "$file"'
        edit '' backup --full
        ends 0 "an interrupt while the editor runs"
        grep -q '^Exec=/bin/true 3$' "$jobs/backup.job"
        ok $? "is the editor's"
        VAKTCTL_EDITOR=/no/such/editor edit '' backup
        ends 1 "an editor that does not exist"
        out "is told" "^Cannot start the editor '/no/such/editor': No such file"
        is_clean "nothing is left"
        VAKTCTL_EDITOR='' edit '' backup
        ends 1 "the editor of another variable"
        out "is used" '^The editor failed with exit status 1\.$'
else
        skip "an editor" "no script(1)"
fi

echo "1..$number"
