#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a run by hand of a job with [Path] is given: never an empty path. Wants VAKTD_BIN and VAKTCTL_BIN; VAKTD_WRAPPER
# is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

bad=$(printf 'bad\xff')
mkdir -p "$scratch"/{spool,done,each,tree/sub,nothing}
touch "$scratch"/tree/{a,sub/b} "$scratch/each/$bad"

show='if [ "${VAKT_PATH+x}" ]; then echo "path: <$VAKT_PATH>"; fi; tr "\\0" "\\n" </dev/stdin | sed "s/^/list: /"'
job spool <<END
[Path]
Spool=$scratch/spool
SpoolDone=$scratch/done
SettleSec=1h
[Run]
Shell=$show
END
for name in each condition all none; do
        case $name in
        each) lines="PathChanged=$scratch/each"$'\n'"Batch=each" ;;
        condition) lines="PathExists=$scratch/missing" ;;
        all) lines="PathChanged=$scratch/tree"$'\n'"Recursive=yes" ;;
        none) lines="PathChanged=$scratch/nothing"$'\n'"Recursive=yes" ;;
        esac
        job $name <<END
[Path]
$lines
[Run]
Shell=$show
END
done
job plain <<<$'[Run]\nExec=/bin/true'
job chain <<<$'[Job]\nOnSuccess=spool each\n[Run]\nExec=/bin/true'
printf '[Manager]\n' >"$scratch/vaktd.conf"
start_daemon

# JOB COUNT: until its watches know so many files.
wait_for_files() {
        for ((SECONDS = 0; SECONDS < 60;)); do
                ctl plan "$1"
                [ "$(wc -l <"$scratch/out")" = "$2" ] && return
        done
        bail_out "job $1 does not list $2 files: $(tail -n 5 "$scratch/log")"
}
wait_for_files all 2

# --- a spool ---

touch "$scratch/spool/item" "$scratch/outside"
ctl run spool
ends 2 "a spool without a file"
err "says what to do" "^Each run of job 'spool' requires one file: use 'vaktctl run JOB FILE'; .*plan"
ctl run spool "$scratch/outside"
ends 2 "a file that does not lie in the spool"
err "says so" "is not in the Spool= of job 'spool'"
ctl run spool "$scratch/spool/missing"
ends 1 "a file that is not there"
err "says so" "does not exist, is not a regular file, or is being written"
ctl run spool "$scratch/spool/item" "$scratch/spool/item"
ends 2 "two files for one run"
err "says so" "gets only one file: run it once for each"
[ -e "$scratch/spool/item" ]
ok $? "what was refused lies where it lay"
ctl run spool "$scratch/spool/item" --follow
ends 0 "a file of the spool"
out "it was claimed" "^path: <$scratch/spool/\.vakt-spool/[0-9a-f]+\.1/item>$"
for ((SECONDS = 0; SECONDS < 60;)); do
        [ ! -e "$scratch/done/item" ] || break
done
[ -e "$scratch/done/item" ] && [ ! -e "$scratch/spool/item" ]
ok $? "and is put away when the run is over"
ctl history spool
[ "$(grep -c success "$scratch/out")" = 1 ]
ok $? "it is run once"

# --- one file a run ---

ctl run each
ends 2 "Batch=each without a file"
err "says what to do" "requires one file"
cd "$scratch/each" && ctl run each "$bad" --follow
ends 0 "Batch=each with a relative name"
printf 'path: <%s>\nlist: %s\n' "$scratch/each/$bad" "$scratch/each/$bad" | cmp -s - "$scratch/out" ||
        printf 'path: <%s>\n' "$scratch/each/$bad" | cmp -s - "$scratch/out"
ok $? "and any bytes"
ctl run condition
ends 2 "a condition without a file"
err "says what to do" "requires one file"
ctl run condition "$scratch/outside" --follow
out "a condition with a file" "^path: <$scratch/outside>$"

# --- all that changed ---

ctl run all --follow
ends 0 "Batch=all without files"
printf 'list: %s\n' "$scratch/tree/a" "$scratch/tree/sub/b" | cmp -s - <(grep ^list "$scratch/out" | sort)
ok $? "gets what plan lists"
ctl run all "$scratch/tree/sub/b" "$scratch/outside" --follow
printf 'list: %s\n' "$scratch/tree/sub/b" "$scratch/outside" | cmp -s - <(grep ^list "$scratch/out")
ok $? "or what is named, in that order"
ctl run none --follow
ends 0 "Batch=all where nothing is"
[ ! -s "$scratch/out" ]
ok $? "gets an empty list, and no path"

# --- names ---

cd "$scratch/tree" || exit 1
ctl run all "" --follow
ends 2 "an empty name, such as that of a variable that is not set"
err "is no name of the working directory" "^An argument of .vaktctl run. is empty"
ctl run all a "" --follow
ends 2 "nor beside others"
ctl why all ""
ends 2 "nor to ask about"
cd / || exit 1

# --- others ---

ctl run plain "$scratch/outside"
ends 2 "files for a job that takes none"
err "says why" "takes no files: its file has no \[Path\] section"
ctl run chain --wait
for name in spool each; do
        for ((SECONDS = 0; SECONDS < 60;)); do
                ctl history $name
                ! grep -q skipped "$scratch/out" || break
        done
        out "a chain has no file to give to $name" "chain +skipped .*A run of this job requires one file"
done

stop_daemon TERM
echo "1..$number"
