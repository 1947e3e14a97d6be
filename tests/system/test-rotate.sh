#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vakt-rotate killed and failing anywhere, on full disks, with writers that do not wait for it, and in directories whose
# owners do not mean well. With VAKT_TEST_FULL= at every system call, in every mode, as every user.

. "$(dirname "$0")/lib.sh"

readonly ROTATE=/usr/lib/vaktd/vakt-rotate
readonly DIR=/var/tmp/rotate
readonly FULL=${VAKT_TEST_FULL-}
here=$(dirname "$0")

stride=9
[ -z "$FULL" ] || stride=1

rotate() { # KEY=VALUE…
        $ROTATE --state-directory=$DIR.state "$@"
}

fresh() {
        ! mountpoint -q $DIR || umount $DIR
        rm -rf $DIR $DIR.state
        mkdir -p $DIR
}

test_killed_at_every_call() {
        "$here/rotate-kill.py" --stride $stride ${FULL:+--full} kill
}

test_every_call_fails() {
        "$here/rotate-kill.py" --stride $stride ${FULL:+--full} fail
}

test_old_dir_is_gone_or_closed_in_the_middle() {
        "$here/rotate-kill.py" --stride $((stride * 3)) ${FULL:+--full} old
}

test_what_has_to_be_on_the_disk_first() {
        "$here/rotate-kill.py" ${FULL:+--full} order
}

# --- full disks ---

# The log, its copies and what is written later are all there when there is room again.
full_disk() { # MOUNT-OPTIONS KEY=VALUE…
        local options=$1
        shift
        fresh
        mount -t tmpfs -o "$options" vaktrotate $DIR
        seq 1000 1999 >$DIR/log
        rotate "Path=$DIR/log" "$@"
        seq 2000 2999 >>$DIR/log
        exec {writer}>>$DIR/log
        dd if=/dev/zero of=$DIR/ballast bs=1k 2>/dev/null || true
        while touch "$DIR/file$n" 2>/dev/null; do n=$((n + 1)); done
        # Whether it fails is up to what it needs; the writer always has its log.
        rotate "Path=$DIR/log" "$@" || true
        test -e $DIR/log
        fails ls $DIR/.*.vakt-*
        rm $DIR/ballast $DIR/file*
        seq 3000 3999 >&"$writer"
        exec {writer}>&-
        rotate "Path=$DIR/log" "$@"
        # shellcheck disable=SC2046 # names without blanks
        (cd $DIR && zcat -f $(printf '%s\n' log.* | sort -r) log) | cmp - <(seq 1000 3999)
        umount $DIR
}

test_full_disk() {
        local mode compress n=0 writer
        for mode in rename copytruncate; do
                for compress in none gzip; do
                        full_disk size=100k,nr_inodes=1000 "Mode=$mode" "Compress=$compress"
                        full_disk size=10M,nr_inodes=12 "Mode=$mode" "Compress=$compress"
                done
        done
}

# What cannot be rotated on a read-only file system can be after it.
test_read_only() {
        fresh
        mount -t tmpfs vaktrotate $DIR
        seq 100 >$DIR/log
        mount -o remount,ro $DIR
        fails rotate "Path=$DIR/log"
        mount -o remount,rw $DIR
        same "$(seq 100)" "$(cat $DIR/log)"
        rotate "Path=$DIR/log"
        same "$(seq 100)" "$(cat $DIR/log.1)"
        umount $DIR
}

# --- writers ---

begin_writer() {
        fresh
        cp "$here/rotate-writer.py" /run/rotate-writer.py
        cat >/run/systemd/system/rotate-writer.service <<END
[Service]
ExecStart=/usr/bin/python3 /run/rotate-writer.py write $DIR/log 50000
ExecReload=/bin/kill -HUP \$MAINPID
END
        systemctl daemon-reload
        systemctl start rotate-writer.service
        within 10 test -s $DIR/log
}

# Rotations as soon as something was written since the last one.
many_rotations() { # NUMBER KEY=VALUE…
        local n=$1 i
        shift
        for ((i = 0; i < n; i++)); do
                within 10 test -s $DIR/log
                rotate "Path=$DIR/log" Keep=infinity "$@"
        done
        systemctl stop rotate-writer.service
        rm /run/systemd/system/rotate-writer.service
}

test_no_line_is_lost_by_rename() {
        local missing twice broken n
        begin_writer
        many_rotations 100 ReloadUnit=rotate-writer.service
        test -e $DIR/log.100
        read -r missing twice broken _ n < <("$here/rotate-writer.py" check $DIR/log)
        same "0 0 0" "$missing $twice $broken"
        echo "# figure: rename and reload: $missing of $n lines lost in 100 rotations"
}

# Without a file system that can cut a file at its beginning, the window is from the last look to the cut.
test_window_of_copytruncate() {
        local missing twice n
        begin_writer
        many_rotations 100 Mode=copytruncate
        read -r missing twice _ _ n < <("$here/rotate-writer.py" check $DIR/log)
        same 0 "$twice"
        [ "$missing" -lt $((n / 10)) ]
        echo "# figure: copytruncate on $(stat -f -c %T $DIR): $missing of $n lines lost in 100 rotations"
}

test_signal() {
        begin_writer
        many_rotations 3 "Signal=SIGHUP rotate-writer.service"
        same "0 0 0 1" "$("$here/rotate-writer.py" check $DIR/log | cut -d' ' -f1-4)"
}

# A unit that is not running has no log open; one that is not there is a mistake.
test_units_that_do_not_run() {
        fresh
        printf '[Service]\nExecStart=/bin/sleep infinity\nExecReload=/bin/true\n' >/run/systemd/system/rotate-idle.service
        systemctl daemon-reload
        echo 1 >$DIR/log
        rotate "Path=$DIR/log" ReloadUnit=rotate-idle.service "Signal=SIGHUP rotate-idle.service"
        fails ls $DIR/.log.vakt-tell
        rotate "Path=$DIR/log" "Signal=SIGHUP rotate-idle.service"
        fails rotate "Path=$DIR/log" ReloadUnit=rotate-none.service
        test -e $DIR/.log.vakt-tell
        rm $DIR/.log.vakt-tell
        fails rotate "Path=$DIR/log" "Signal=SIGHUP rotate-none.service"
        test -e $DIR/.log.vakt-tell
        rm /run/systemd/system/rotate-idle.service
}

# Two at once do not disturb each other.
test_two_runs() {
        local i a
        fresh
        for ((i = 0; i < 20; i++)); do
                seq $((i * 100 + 100)) $((i * 100 + 199)) >>$DIR/log
                rotate "Path=$DIR/log" Keep=infinity SkipEmpty=yes Compress=gzip &
                a=$!
                rotate "Path=$DIR/*" Keep=infinity SkipEmpty=yes Compress=gzip
                wait $a
        done
        (cd $DIR && for ((i = 20; i > 0; i--)); do zcat log.$i.gz; done) | cmp - <(seq 100 2099)
}

# --- owners ---

# The user swaps directories for links, and the log for a link and back, while root rotates. Nothing elsewhere changes.
test_swapped_directories() {
        local i attacker before after n=60
        [ -z "$FULL" ] || n=1500
        fresh
        chmod 755 $DIR
        mkdir -p /root/secret $DIR/alice
        echo secret >/root/secret/log
        chown nobody $DIR/alice
        before=$(find /root/secret -printf '%p %s %T@ %C@ %n\n' | sort)
        setpriv --reuid=nobody --regid=nogroup --clear-groups bash -c "cd $DIR/alice
                while :; do
                        mkdir -p a; echo x >a/log 2>/dev/null; mv a b; ln -sfn /root/secret a; rm -f a; mv b a
                        rm -f a/log; ln -s /root/secret/log a/log; rm -f a/log; ln /etc/passwd a/log 2>/dev/null
                        rm -rf a/log* a/.log*
                done" >/dev/null 2>&1 &
        attacker=$!
        for ((i = 0; i < n; i++)); do
                rotate "Path=$DIR/alice/a/log" Compress=gzip >/dev/null 2>&1 || true
                rotate "Path=$DIR/alice/*/log" Mode=copytruncate >/dev/null 2>&1 || true
        done
        kill $attacker
        wait $attacker || true
        after=$(find /root/secret -printf '%p %s %T@ %C@ %n\n' | sort)
        same "$before" "$after"
        same 1 "$(stat -c %h /etc/passwd)"
        same "" "$(find $DIR/alice -user root)"
        rm -rf /root/secret
}

# --- a job ---

test_job() {
        fresh
        seq 1000 >$DIR/app.log
        job rotated <<END
[Rotate]
Path=$DIR/*.log
Compress=gzip
END
        systemctl start vaktd.service
        same 0 "$(vaktctl run --wait rotated >/dev/null; echo $?)"
        same "$(seq 1000)" "$(zcat $DIR/app.log.1.gz)"
        test -e $DIR/app.log
        vaktctl --json history -n 1 | shows '"files": *2'
}

run_tests
fresh
rm -rf $DIR
