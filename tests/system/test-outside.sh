#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Conditions about files, file systems, certificates and programs, in the sandbox of the service: each becomes true and
# false again by what really happens. probe-driver stands in the daemon's place and writes each reading down.

. "$(dirname "$0")/lib.sh"

readonly DIRECTORY=/srv/probe-driver

make_directory() {
        rm -rf $DIRECTORY
        mkdir -p $DIRECTORY
        trap 'umount -l $DIRECTORY/* 2>/dev/null || true; systemctl stop vaktd; rm -rf $DIRECTORY' EXIT
}

# watch CONDITION
watch() {
        drop_in 90-driver <<END
[Service]
Type=exec
BusName=
ExecStart=
ExecStart=$(realpath "$(dirname "$0")")/probe-driver '$1'
Restart=no
WatchdogSec=0
StandardOutput=truncate:/run/probe-driver
END
        systemctl restart vaktd.service
}

# The last reading begins so.
now_is() {
        [[ "$(tail -n 1 /run/probe-driver)" == $1* ]]
}

turns() { # WORDS
        { local -; set +x; } 2>/dev/null
        within 20 now_is "$1" || { cat /run/probe-driver; return 1; }
}

make_tmpfs() { # OPTIONS
        mkdir -p $DIRECTORY/disk
        mount -t tmpfs -o "$1" probe-driver $DIRECTORY/disk
}

test_a_disk_is_filled_and_emptied() {
        make_directory
        make_tmpfs size=10m
        watch "disk-free $DIRECTORY/disk < 15%"
        turns "false | 100%"
        head -c 9m /dev/zero >$DIRECTORY/disk/a
        turns "true | 10%"
        rm $DIRECTORY/disk/a
        turns "false | 100%"
}

test_inodes_are_used_up() {
        make_directory
        make_tmpfs nr_inodes=11
        watch "inode-free $DIRECTORY/disk < 1"
        turns "false | 90.9% (10)"
        touch $DIRECTORY/disk/{0..9}
        turns "true | 0% (0)"
        rm $DIRECTORY/disk/3
        turns "false"
}

test_a_file_grows_byte_by_byte() {
        local i
        make_directory
        watch "file-size $DIRECTORY/log > 10"
        turns "unknown | $DIRECTORY/log does not exist."
        : >$DIRECTORY/log
        for i in {1..10}; do
                printf x >>$DIRECTORY/log
                turns "false | ${i}B"
        done
        printf x >>$DIRECTORY/log
        turns "true | 11B"
        : >$DIRECTORY/log
        turns "false | 0B"
        rm $DIRECTORY/log
        turns unknown
}

test_a_file_system_is_mounted_and_unmounted() {
        make_directory
        mkdir $DIRECTORY/disk
        watch "mounted $DIRECTORY/disk and not file-exists $DIRECTORY/disk/x"
        turns "false | no | no"
        make_tmpfs size=1m
        turns "true | yes | no"
        touch $DIRECTORY/disk/x
        turns "false | yes | yes"
        umount $DIRECTORY/disk
        turns "false | no | no"
}

# Other users' directories are looked at, too.
test_a_backup_is_too_old() {
        make_directory
        install -d -o nobody -m 700 $DIRECTORY/private
        touch -d "2 days ago" $DIRECTORY/private/backup
        chown nobody $DIRECTORY/private/backup
        watch "file-age $DIRECTORY/private/backup > 26h or entries $DIRECTORY/private > 1"
        turns "true | 2d"
        touch $DIRECTORY/private/backup
        turns false
        touch $DIRECTORY/private/another
        turns true
}

make_certificate() { # DAYS: with a key that only its owner may read
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test -days "$1" \
                -keyout $DIRECTORY/key -out $DIRECTORY/new 2>/dev/null
        cat $DIRECTORY/key >>$DIRECTORY/new
        chown nobody $DIRECTORY/new
        chmod 600 $DIRECTORY/new
        mv $DIRECTORY/new $DIRECTORY/cert.pem
}

test_a_certificate_runs_out() {
        make_directory
        make_certificate 90
        watch "cert-days $DIRECTORY/cert.pem < 14"
        turns "false | 89"
        make_certificate 3
        turns "true | 2"
        echo nothing >$DIRECTORY/cert.pem
        turns "unknown | $DIRECTORY/cert.pem contains no certificate"
        make_certificate 90
        turns "false | 89"
}

# As nobody, and with nothing of what the daemon may.
test_a_program_is_asked() {
        make_directory
        cat >/usr/local/bin/vakt-asked <<'END'
#!/bin/sh
{ id -u; id -G; grep -E "^(Cap|NoNewPrivs)" /proc/self/status; ls /proc/self/fd; env; } >/tmp/vakt-asked-$(id -u)
test -e /srv/probe-driver/yes
END
        chmod 755 /usr/local/bin/vakt-asked
        rm -f /tmp/vakt-asked-*
        watch "exec /usr/local/bin/vakt-asked"
        turns "false | no"
        touch $DIRECTORY/yes
        turns "true | yes"
        cat /tmp/vakt-asked-65534
        same "65534 65534" "$(head -n 2 /tmp/vakt-asked-65534 | xargs)"
        shows -E 'CapPrm:.*0000000000000000' /tmp/vakt-asked-65534
        shows -E 'CapEff:.*0000000000000000' /tmp/vakt-asked-65534
        shows -E 'NoNewPrivs:.*1' /tmp/vakt-asked-65534
        fails grep -E 'NOTIFY_SOCKET|WATCHDOG|LISTEN_' /tmp/vakt-asked-65534
        rm -f /tmp/vakt-asked-* /usr/local/bin/vakt-asked
}

test_a_program_does_not_end() {
        make_directory
        watch "exec \"/bin/sleep 54321\" or file-exists $DIRECTORY/yes"
        turns "unknown | /bin/sleep 54321 does not end within 5s. | no"
        touch $DIRECTORY/yes
        turns "true"
        within 10 fails pgrep -x sleep
        systemctl stop vaktd
        same success "$(property Result)"
}

test_lines_of_the_journal_are_counted() {
        make_directory
        watch "journal-matches SYSLOG_IDENTIFIER=vakt-counted-$$ 1h > 2"
        turns "false | 0"
        logger -t vakt-counted-$$ one
        logger -t vakt-counted-$$ two
        turns "false | 2"
        logger -t vakt-counted-$$ three
        turns "true | 3"
}

# What vakt-probe keeps of the daemon's privileges.
test_it_drops_what_it_does_not_need() {
        local pid
        make_directory
        watch "file-exists $DIRECTORY"
        turns true
        pid=$(pgrep -x vakt-probe)
        shows -E 'CapPrm:.*0000000000000004' "/proc/$pid/status"
        shows -E 'CapEff:.*0000000000000004' "/proc/$pid/status"
        shows -E 'CapInh:.*0000000000000000' "/proc/$pid/status"
        shows -E 'NoNewPrivs:.*1' "/proc/$pid/status"
        shows -E 'Seccomp:.*2' "/proc/$pid/status"
        systemctl kill -s KILL --kill-who=main vaktd
        within 10 fails test -e "/proc/$pid"
}

# A helper that is killed is replaced.
test_it_is_killed() {
        make_directory
        watch "file-exists $DIRECTORY/yes"
        turns false
        pkill -KILL -x vakt-probe
        touch $DIRECTORY/yes
        turns true
}

# A FUSE that takes questions and never answers: the others go on.
test_a_file_system_hangs() {
        [ -c /dev/fuse ] || mknod /dev/fuse c 10 229
        make_directory
        mkdir $DIRECTORY/hang
        python3 "$(dirname "$0")/hang.py" $DIRECTORY/hang &
        trap 'kill $! 2>/dev/null || true; umount -l $DIRECTORY/hang 2>/dev/null || true; systemctl stop vaktd; rm -rf $DIRECTORY' EXIT
        within 10 grep -q $DIRECTORY/hang /proc/self/mountinfo # who looks at it hangs
        watch "file-exists $DIRECTORY/hang/a or file-exists $DIRECTORY/yes"
        turns "unknown | $DIRECTORY/hang/a does not answer for 5s. | no"
        touch $DIRECTORY/yes
        turns "true | $DIRECTORY/hang/a does not answer"
        rm $DIRECTORY/yes
        turns "unknown"
        # Its process can neither be killed nor waited for.
        pgrep -x vakt-probe -r D
        within 20 now_is "unknown | $DIRECTORY/hang/a does not answer for 1"
        kill $!
        turns "unknown | Cannot look at $DIRECTORY/hang/a: Transport endpoint is not connected. | no"
        umount -l $DIRECTORY/hang
        turns "false | no | no"
}

run_tests
