#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl new: what it writes is loaded and runs; what it refuses leaves nothing behind; three questions on a terminal.
# Wants VAKTD_BIN and VAKTCTL_BIN; VAKTD_WRAPPER is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

printf '[Manager]\n' >"$scratch/vaktd.conf"
start_daemon

# shellcheck disable=SC2016 # no variable is meant
ctl new hello --calendar='2199-01-01 05:30' -o "$jobs" --reload -- /bin/echo "two  words" 'a"b' '$HOME' 50% $'a\tb'
ends 0 "a time"
out "says where" "^Created $jobs/hello\.job\.$"
out "says when" "^It elapses at Tue 2199-01-01 05:30:00 UTC \(in "
out "reloads" "^Reloaded\.$"
[ "$(stat -c %a "$jobs/hello.job")" = 644 ]
ok $? "everybody may read it"
ctl run hello --follow
# shellcheck disable=SC2016
printf 'two  words a"b $HOME 50%% a\tb\n' | cmp -s - "$scratch/out"
ok $? "the words arrive as they were"
sed 's/^#\([A-Z]\)/\1/; /OnFailure/d' "$jobs/hello.job" >"$scratch/all.job"
ctl check "$scratch/all.job"
ends 0 "the keys in comments are right"

cp "$jobs/hello.job" "$scratch/before"
ctl new hello --calendar=daily -o "$jobs" -- /bin/true
ends 1 "a job that is there"
err "says so" "^$jobs/hello\.job exists already and was not changed"
cmp -s "$scratch/before" "$jobs/hello.job"
ok $? "is not overwritten"

refuses() { # STATUS REGEX ARGUMENT…
        ctl new "${@:3}" -o "$jobs"
        ends "$1" "'${*:3}'"
        err "says why" "$2"
}
refuses 2 "is no name of a job" ../x -- /bin/true
refuses 2 "is no name of a job" x@ -- /bin/true
refuses 2 "Only one of" x --calendar=daily --path=/srv -- /bin/true
refuses 2 "or answer questions on a terminal" x --calendar=daily
refuses 2 "cannot be combined" x --json --reload -- /bin/true
refuses 1 "Nothing was written" x --calendar=nonsense -- /bin/true
refuses 1 "Nothing was written" x --when='load1 >' -- /bin/true
[ "$(find "$jobs" -mindepth 1)" = "$jobs/hello.job" ]
ok $? "what is refused leaves nothing behind"
mkdir -m 777 "$scratch/open"
chmod 777 "$scratch/open"
ctl new x -o "$scratch/open" -- /bin/true
ends 1 "a directory that others can write to"

ctl new odd -o "$jobs" -- /no/such/program
ends 0 "a program that does not exist"
err "is warned of" '^Warning: Exec=/no/such/program: There is no such program\.$'
rm "$jobs/odd.job"

cd "$scratch" || exit 1
ctl --json new p --path=sub/../in -o jobs.d -- 'cat x | grep 50%'
ends 0 "a path, and a line for a shell"
json "in JSON" "j == {'job': 'p', 'file': '$jobs/p.job', 'elapses_usec': []}"
grep -qx "PathChanged=$scratch/in" "$jobs/p.job" && grep -qx 'Shell=cat x | grep 50%%' "$jobs/p.job"
ok $? "are written as they are meant"
ctl new w --when='disk-free / < 10%' -o "$jobs" -- /bin/true
ends 0 "a condition"
out "says by what it runs and how to load it" "^It runs by When=disk-free / < 10%|vaktctl reload"
ctl new cron --calendar='*/5 * * * *' -o "$jobs" -- /bin/true
grep -qx 'OnCron=\*/5 \* \* \* \*' "$jobs/cron.job"
ok $? "a schedule of cron"
ctl reload
ends 0 "all of them are valid"
XDG_CONFIG_HOME=$scratch/config ctl --user new u --calendar=daily -- /bin/true
ends 0 "without -o"
[ -f "$scratch/config/vaktd/jobs.d/u.job" ]
ok $? "it is where the instance looks"

# Answers the questions of 'new NAME', each after it was asked.
answer() { # NAME ANSWER…
        status=0
        python3 -c '
import os, pty, sys
binary, socket, jobs, name, *answers = sys.argv[1:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(binary, [binary, "--socket=" + socket, "new", name, "-o", jobs])
seen, told = b"", 0
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    if seen.endswith(b"? ") and told < len(answers):
        os.write(fd, answers[told].encode() + (b"" if answers[told] == "\x04" else b"\n"))
        told += 1
sys.stdout.buffer.write(seen.replace(b"\r", b""))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))' "$VAKTCTL_BIN" "$socket" "$jobs" "$@" \
                >"$scratch/out" 2>"$scratch/err" || status=$?
}
answer asked 'echo a >/dev/null' 'nonsense at noon' 'Mon 05:30' nobody
ends 0 "three questions"
out "a wrong answer is told" "^'nonsense at noon' is no time .* and no condition"
out "and asked for again" "^It elapses at Mon .* 05:30:00 UTC"
grep -qx 'Shell=echo a >/dev/null' "$jobs/asked.job" && grep -qx 'OnCalendar=Mon 05:30' "$jobs/asked.job" &&
        grep -qx 'User=nobody' "$jobs/asked.job"
ok $? "the answers are in the file"
answer every '/bin/true -x' 'every 10min' ''
grep -qx 'OnInterval=10min' "$jobs/every.job" && grep -qx 'Exec=/bin/true -x' "$jobs/every.job" &&
        ! grep -q '^User=' "$jobs/every.job"
ok $? "an interval, and no user"
answer ended '/bin/true' $'\x04'
ends 1 "the end of the input"
[ ! -e "$jobs/ended.job" ]
ok $? "writes nothing"

stop_daemon TERM
json_fits_schema
echo "1..$number"
