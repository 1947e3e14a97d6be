#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Jobs with [Rotate] and [Clean], as an administrator meets them: a log is rotated when it has reached its size, by a run
# in a unit of its own, in a sandbox, as root and as a user; and what a daemon that is killed, restarted or reloaded in
# between changes about that: nothing.

. "$(dirname "$0")/lib.sh"

readonly LOGS=/var/log/upkeep-test

make_logs() { # [OWNER]
        { local -; set +x; } 2>/dev/null
        rm -rf $LOGS
        install -d -m 755 -o "${1:-root}" -g "${1:-root}" $LOGS
        install -m 640 -o "${1:-root}" -g "${1:-root}" /dev/null $LOGS/app.log
}

grow() { # BYTES
        head -c "$1" /dev/zero >>$LOGS/app.log
}

size_is() { # BYTES [FILE]
        [ "$(stat -c %s "$LOGS/${2-app.log}" 2>/dev/null)" = "$1" ]
}

is_rotated() { # COPY with so many BYTES
        size_is "$2" "app.log.$1" && size_is 0
}

state_of() { # JOB: of its first line of Path=
        { local -; set +x; } 2>/dev/null
        busctl $SOCKET --json=short get-property org.vaktd1 "/org/vaktd1/job/$1" org.vaktd1.Job Watches |
                python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0][2])'
}

is_in_state() { # JOB STATE
        [ "$(state_of "$1")" = "$2" ]
}

rotate_job() { # [LINES]
        { local -; set +x; } 2>/dev/null
        job rotate <<END
[Rotate]
Path=$LOGS/*.log
MaxSize=100K
Keep=5
$(printf '%b' "${1-}")
END
}

test_a_log_is_rotated_at_its_size() {
        make_logs
        rotate_job '[Service]\nProtectSystem=strict\nReadWritePaths='$LOGS
        systemctl start vaktd
        within 30 is_in_state rotate active
        grow 102399
        same 0 "$(runs_of rotate)"
        grow 1
        within 30 is_rotated 1 102400
        within 30 is_done 1
        same "success 0" "$(outcome 1)"
        same "path" "$(run_property 1 Cause)"
        same 1 "$(run_property 1 Files)"
        shows "Rotated 1 log" <<<"$(run_property 1 StatusText)"
        shows "$LOGS/app.log" <<<"$(run_output 1)"
        same "700 root" "$(stat -c '%a %U' /var/lib/vaktd/rotate)"
        [ -n "$(ls /var/lib/vaktd/rotate)" ]
        same "640" "$(stat -c %a $LOGS/app.log)"
        # Nothing else follows until another log is that big.
        head -c 102400 /dev/zero >$LOGS/other.log
        within 30 size_is 102400 other.log.1
        within 30 is_done 2
        same "1 2" "$(run_property 2 Files) $(runs_of rotate)"
}

# The daemon is gone when the log gets there, is killed while the run is about to start, and reloads.
test_whatever_the_daemon_does() {
        local pid
        make_logs
        rotate_job
        systemctl start vaktd
        within 30 is_in_state rotate active
        systemctl stop vaktd.socket vaktd
        grow 102400
        systemctl start vaktd
        within 30 is_rotated 1 102400
        within 30 is_in_state rotate active
        pid=$(main_pid)
        grow 102401
        kill -KILL "$pid"
        within 60 is_rotated 1 102401
        size_is 102400 app.log.2
        within 60 is_restarted "$pid"
        within 30 is_in_state rotate active
        systemctl reload vaktd
        grow 102402
        within 30 is_rotated 1 102402
        size_is 102400 app.log.3
        rotate_job 'KeepSec=1d'
        systemctl reload vaktd
        within 30 is_in_state rotate active
        systemctl restart vaktd
        grow 102403
        within 30 is_rotated 1 102403
        size_is 102400 app.log.4
}

# In a directory of the user's, with that user's rights and state.
test_a_job_with_a_user() {
        id -u upkeeper >/dev/null 2>&1 || useradd --system --no-create-home upkeeper
        make_logs upkeeper
        rotate_job '[Service]\nUser=upkeeper\nProtectSystem=strict\nReadWritePaths='$LOGS
        systemctl start vaktd
        within 30 is_in_state rotate active
        grow 102400
        within 30 is_rotated 1 102400
        within 30 is_done 1
        same "success 0" "$(outcome 1)"
        same "700 upkeeper" "$(stat -c '%a %U' /var/lib/vaktd-rotate/rotate)"
        [ -n "$(ls /var/lib/vaktd-rotate/rotate)" ]
        same "upkeeper" "$(stat -c %U $LOGS/app.log)"
}

# A log that is refused is no reason for one run after the other.
test_what_is_refused_is_not_asked_for_all_the_time() {
        make_logs
        ln $LOGS/app.log $LOGS/another-name
        rotate_job
        systemctl start vaktd
        within 30 is_in_state rotate active
        grow 102400
        within 30 is_in_state rotate degraded
        grow 1
        same "exit 1" "$(outcome 1)"
        journal_has VAKT_JOB=rotate --grep 'has reached MaxSize=100K and was not rotated'
        rm $LOGS/another-name
        within 60 is_rotated 1 102401
        within 30 is_in_state rotate active
        # The next one came ten seconds later, whatever was written in between.
        same 2 "$(runs_of rotate)"
        [ $(($(run_property 2 Requested | cut -d' ' -f1) - $(run_property 1 Ended | cut -d' ' -f1))) -ge 9900000 ]
}

test_a_plan_is_what_happens() {
        make_logs
        rotate_job
        job clean <<END
[Clean]
Path=$LOGS
Exclude=*.log
MaxCount=1
AgeBy=modify
END
        touch -d '1 hour ago' $LOGS/first
        touch $LOGS/second
        systemctl start vaktd
        vaktctl plan clean | shows "$LOGS/first"
        vaktctl --json plan rotate | python3 -c 'import json, sys; assert len(json.load(sys.stdin)) == 1'
        [ -e $LOGS/first ]
        vaktctl run clean --wait | shows 'changed 1 file and freed'
        [ ! -e $LOGS/first ]
        [ -e $LOGS/second ]
}

# From the write that crosses the size to the new log, as a writer sees it. It prints figures and asserts none.
test_how_long_it_takes() {
        make_logs
        rotate_job
        systemctl start vaktd
        within 30 is_in_state rotate active
        python3 - $LOGS/app.log <<'END'
import os, sys, time
path, spans = sys.argv[1], []
for i in range(30):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    inode, size = os.fstat(fd).st_ino, 0
    while size < 102400: # 1,000 lines of 100 bytes and some in a fifth of a second
        size += os.write(fd, b"x" * 99 + b"\n")
        time.sleep(0.0002)
    begin = time.monotonic()
    while os.stat(path).st_ino == inode:
        assert time.monotonic() - begin < 60
        time.sleep(0.0005)
    spans.append((time.monotonic() - begin) * 1000)
    os.close(fd)
spans.sort()
print("# figure: from crossing the size to rotated, ms: median %.0f, 9 of 10 %.0f, longest %.0f" %
      (spans[15], spans[26], spans[29]))
END
}

run_tests
