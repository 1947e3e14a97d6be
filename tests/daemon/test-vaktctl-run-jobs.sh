#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl run with several jobs and patterns, and what tells them from files. Wants VAKTD_BIN and VAKTCTL_BIN;
# VAKTD_WRAPPER is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

mkdir "$scratch/tree"
touch "$scratch/tree/hello"
job hello <<<$'[Run]\nExec=/bin/true'
job fail <<<$'[Run]\nShell=exit 7'
job killed <<<$'[Run]\nShell=kill -TERM $$'
job off <<<$'[Job]\nEnabled=no\n[Run]\nExec=/bin/true'
job slow <<END
[Run]
Shell=echo >"$scratch/started"; read line <"$scratch/release"
END
job watches <<END
[Path]
PathExists=$scratch/tree/missing
[Run]
Shell=echo "path: \$VAKT_PATH"
END
printf '[Manager]\n' >"$scratch/vaktd.conf"
start_daemon

ctl run 'fai*' 'kille[d]' hello fail --wait
ends 3 "run --wait of several jobs, of which two fail,"
[ "$(cat "$scratch/out" "$scratch/err" | grep -cE '^Run [0-9]+ of job (fail|killed|hello) ')" = 3 ]
ok $? "run --wait of several jobs prints one line for each"
ctl run hello hell no-such-job
ends 4 "run of several jobs, of which two are not there,"
out "the others are run" '^Run [0-9]+ of job hello was requested'
[ "$(grep -c "^There is no job 'hell'\|^There is no job 'no-such-job'" "$scratch/err")" = 2 ]
ok $? "run of several jobs names each that is not there"
err "and the one that is probably meant" "^There is no job 'hell'\. Did you mean 'hello'\?$"
ctl why hello-world
err "a name with more words" "^There is no job 'hello-world'\. Did you mean 'hello'\?$"
ctl why hello.job
err "so is one by its file" "^There is no job 'hello.job'\. Did you mean 'hello'\?$"
ln -s /dev/null "$jobs/masked.job"
printf '[Run]\nExec=/bin/true\n' >"$jobs/new.job"
printf '[Run]\nExec=/bin/true\n' >"$jobs/tpl@.job"
while read -r job message; do
        for verb in run why pause history log; do
                ctl $verb "$job"
                ends 4 "$verb $job"
                err "tells why there is none" "$message"
        done
done <<END
new ^vaktd has not read $jobs/new.job yet; use 'vaktctl reload'
masked ^Job 'masked' is masked: $jobs/masked.job is a link to /dev/null
tpl@ ^'tpl@' is a template: $jobs/tpl@.job. Write the name of an instance, such as 'tpl@NAME'
END
rm "$jobs/masked.job" "$jobs/new.job" "$jobs/tpl@.job"
ctl run 'x*' 'hell?'
ends 4 "run of a pattern that matches nothing"
err "it says so" "^No job that is enabled matches 'x\*'"
out "the others are run" '^Run [0-9]+ of job hello was requested'
ctl run 'of*'
ends 4 "run of a pattern that matches a disabled job"
ctl run 'hell*' off --wait --json
ends 1 "run --wait in JSON of several jobs, of which one is disabled,"
json "run --wait of several jobs in JSON" "[(r['job'], r['result']) for r in j] == [('hello', 'success')]"
ctl run hello fail --follow
ends 2 "run --follow of several jobs"
ctl run 'fai*' --follow
ends 7 "run --follow of a pattern with one job"
ctl -q run 'hello*' hello fail
[ "$(grep -cxE '[0-9]+' "$scratch/out")" = 2 ]
ok $? "run -q of several jobs prints the bare numbers"
"$VAKTCTL_BIN" --socket="$socket" run slow hello --wait >"$scratch/out" 2>"$scratch/err" &
waiter=$!
wait_for_run
kill -INT $waiter
status=0
wait $waiter || status=$?
ends 130 "run --wait of several jobs that is interrupted"
err "it says that the first one goes on" '^Run [0-9]+ of job slow continues; use '
err "and the other one, too" '^Run [0-9]+ of job hello (continues, too|succeeded)'
release_run

# A word behind a job that watches paths is a file, also when a job is called so.
cd "$scratch/tree" || bail_out "no directory"
ctl run watches hello --follow
ends 0 "run of a job with a file"
out "the file is passed on" "^path: $scratch/tree/hello$"
ctl run hello ./hello
ends 2 "run of a job without paths, with a file"
err "says that it takes none" "takes no files"

echo "1..$number"
