#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each job of units/examples, installed as it is and run by what it is for; the test looks at what it left. Drop-ins and sed
# replace only times that a test cannot wait for, and paths and addresses that it cannot have.

. "$(dirname "$0")/lib.sh"

readonly DISK=/run/examples-disk SEEN=/run/examples

# example NAME [SED-EXPRESSION]: installs it.
example() {
        { local -; set +x; } 2>/dev/null
        sed -e "${2-}" "$EXAMPLES/jobs.d/$1.job" | job "$1"
}

# faster NAME [LINE…]: a drop-in with short times, and more lines for [Monitor].
faster() {
        { local -; set +x; } 2>/dev/null
        local name=$1
        shift
        {
                printf '[Monitor]\nForSec=0\nClearForSec=0\nSampleSec=1s\n'
                [ $# = 0 ] || printf '%s\n' "$@"
        } | install -D -m 644 /dev/stdin "$JOBS/$name.job.d/faster.conf"
}

# stand_in NAME <<END: a program in place of one that the machine does not have, or not to be used here.
stand_in() {
        { local -; set +x; } 2>/dev/null
        install -D -m 755 /dev/stdin "/usr/local/bin/$1"
}

state_of() {
        { local -; set +x; } 2>/dev/null
        busctl $SOCKET --json=short get-property org.vaktd1 "/org/vaktd1/job/${1//-/_2d}" org.vaktd1.Job Watches |
                python3 -c 'import json, sys; print(*(w[2] for w in json.load(sys.stdin)["data"] if w[0] == "Monitor"))'
}

is_in_state() { # JOB STATE
        [ "$(state_of "$1")" = "$2" ]
}

begin() {
        # What an earlier test has left that failed.
        systemctl stop listener.service 2>/dev/null || true
        rm -rf $SEEN
        mkdir -m 777 $SEEN
        vaktctl check
        systemctl start vaktd
}

# The number of the job's newest run, once it is over; fails while there are not as many as that.
run_is_over() { # JOB COUNT
        { local -; set +x; } 2>/dev/null
        vaktctl --json history "$1" -n 1000 | python3 -c '
import json, sys
runs = json.load(sys.stdin)
sys.exit(len(runs) < int(sys.argv[1]) or any(r["state"] != "done" for r in runs))' "$2"
}

newest_run() { # JOB
        vaktctl --json history "$1" -n 1 | sed -nE 's/.*"run":([0-9]+).*/\1/p'
}

# What the job printed in its newest run, which succeeded, with this priority: "crit" is 2.
printed() { # JOB PRIORITY
        { local -; set +x; } 2>/dev/null
        local id
        id=$(newest_run "$1")
        same "success 0" "$(outcome "$id")"
        journal VAKT_RUN="$id" _TRANSPORT=stdout PRIORITY="$2" -o cat
}

ran() { # JOB TIMES
        same "$2" "$(vaktctl --json history "$1" -n 1000 | grep -c '"run":')"
}

# --- monitors ---

test_disk_full() {
        mkdir -p $DISK
        mount -t tmpfs -o size=1M tmpfs $DISK
        example disk-full "s,/var,$DISK,g; s,load1 < 8,load1 < 1000," # the machine is shared
        faster disk-full
        begin
        dd if=/dev/zero of=$DISK/file bs=1K count=960
        within 20 run_is_over disk-full 1
        # It says what it was for, and journalctl has made room.
        printed disk-full 6 | shows -E "^$DISK: [0-9.]+% \(.*K\), limit 10%, since 20.*Z$"
        # (It writes to the journal itself and ends, so whose it was may not be known any more.)
        journal SYSLOG_IDENTIFIER=journalctl -o cat | shows 'Vacuuming done'
        ran disk-full 1
        # How fast it fills is known after two minutes only, so that it is over is told without that.
        faster disk-full When= "When=disk-free $DISK < 10%"
        systemctl reload vaktd
        within 20 run_is_over disk-full 2
        rm $DISK/file
        within 20 is_in_state disk-full ok
        ran disk-full 2
        umount $DISK
}

test_memory_pressure() {
        example memory-pressure
        # What a test cannot do to a machine that it shares.
        faster memory-pressure When= 'When=memory-available > 1%' Clear= 'Clear=memory-available < 1%'
        begin
        within 20 run_is_over memory-pressure 1
        printed memory-pressure 4 >$SEEN/report
        shows -E '^memory-available > 1%: [0-9.]+% \(' $SEEN/report
        for what in cpu io memory; do
                shows "^$what:some avg10=" $SEEN/report
        done
        shows -E '^ *PID +USER +RSS +COMMAND' $SEEN/report
        [ "$(sed -n '/ PID/,$p' $SEEN/report | wc -l)" -ge 5 ]
}

certificate() { # DAYS
        openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=example -days "$1" -keyout /dev/null \
                -out /etc/ssl/server.pem 2>/dev/null
}

test_certificate_expires() {
        example certificate-expires
        faster certificate-expires
        certificate 3
        begin
        within 20 run_is_over certificate-expires 1
        printed certificate-expires 2 | shows -xE 'The certificate /etc/ssl/server.pem expires. Days left: [23].'
        certificate 90
        within 20 is_in_state certificate-expires ok
        ran certificate-expires 1
        rm /etc/ssl/server.pem
}

# The job that makes it, and the job that misses it.
test_backup_and_backup_too_old() {
        local id
        command -v zstd || stand_in zstd <<'END'
#!/bin/sh
exec gzip "$@"
END
        rm -rf /var/backups/vaktd
        mkdir -p /srv/data
        echo precious >/srv/data/file
        example backup
        example report-failure
        example backup-too-old
        faster backup-too-old
        begin
        within 20 run_is_over backup-too-old 1
        printed backup-too-old 2 | shows -x 'The backup is too old or missing:'
        mkdir -p /var/backups/vaktd
        vaktctl run --wait backup
        same "success 0" "$(outcome "$(newest_run backup)")"
        same precious "$(tar --extract --to-stdout --zstd --file=/var/backups/vaktd/srv.tar.zst srv/data/file)"
        within 20 is_in_state backup-too-old ok
        touch -d '2 days ago' /var/backups/vaktd/srv.tar.zst
        within 20 run_is_over backup-too-old 2
        printed backup-too-old 2 | shows 'srv\.tar\.zst$'
        vaktctl why backup | shows 'Its next timer elapses at'
        rm -r /var/backups/vaktd
}

# There is no RAID here, so the file that tells of it is another one.
test_raid_degraded() {
        example raid-degraded 's,/proc/mdstat,/run/mdstat,'
        faster raid-degraded
        printf 'md0 : active raid1 sdb1[1] sda1[0]\n      976630464 blocks super 1.2 [2/2] [UU]\n' >/run/mdstat
        begin
        within 20 is_in_state raid-degraded ok
        printf 'md0 : active raid1 sda1[0]\n      976630464 blocks super 1.2 [2/1] [U_]\n' >/run/mdstat
        within 20 run_is_over raid-degraded 1
        printed raid-degraded 2 | shows -F '[2/1] [U_]'
        printf 'md0 : active raid1 sdb1[1] sda1[0]\n      976630464 blocks super 1.2 [2/2] [UU]\n' >/run/mdstat
        within 20 is_in_state raid-degraded ok
        ran raid-degraded 1
        rm /run/mdstat
}

# By a process that is still there when journald asks whose it is.
as_sshd() { # PRIORITY TEXT TIMES
        cat >$SEEN/sshd.py <<'END'
import subprocess, sys, syslog
syslog.openlog("sshd", 0, syslog.LOG_AUTH)
for i in range(int(sys.argv[3])):
    syslog.syslog(getattr(syslog, "LOG_" + sys.argv[1].upper()), f"{sys.argv[2]} {i + 1}")
subprocess.run(["journalctl", "--sync"], check=True)
END
        # in place of the real one, if there is one
        printf '[Service]\nType=oneshot\nExecStart=python3 %s/sshd.py %s "%s" %s\n' $SEEN "$1" "$2" "$3" \
                >/run/systemd/system/ssh.service
        systemctl daemon-reload
        systemctl start ssh.service
        rm /run/systemd/system/ssh.service
        systemctl daemon-reload
}

test_failed_logins() {
        # As PAM has it, and what is not a failure, or not of sshd.
        example failed-logins
        faster failed-logins
        begin
        as_sshd notice 'authentication failure; user=root no.' 20
        within 20 is_in_state failed-logins ok
        as_sshd info 'Accepted publickey for root no.' 5
        logger --tag sshd --priority auth.notice 'authentication failure of somebody else'
        as_sshd notice 'authentication failure; user=admin no.' 1
        within 20 run_is_over failed-logins 1
        printed failed-logins 4 >$SEEN/logins
        shows -x 'Failed logins within ten minutes: 21. The last ones:' $SEEN/logins
        shows -x 'authentication failure; user=admin no. 1' $SEEN/logins
        shows -x 'authentication failure; user=root no. 20' $SEEN/logins
        fails grep -E 'Accepted|somebody else' $SEEN/logins
        same 21 "$(wc -l <$SEEN/logins)"
}

# --- failed units ---

fail_unit() { # NAME TEXT
        systemd-run --quiet --unit="$1" sh -c "echo $2; exit 1"
}

# One mail for each failure, with the last lines of its journal.
test_unit_failed() {
        stand_in sendmail <<END
#!/bin/sh
cat >$SEEN/mail.\$(date +%s%N)
END
        rm -rf /var/lib/vakt-unit-failed
        example unit-failed
        faster unit-failed EverySec=1s
        begin
        fail_unit broken-1 'I am the first'
        within 20 eval '[ "$(ls $SEEN/mail.* | wc -l)" = 1 ]'
        shows -x 'To: root' $SEEN/mail.*
        shows -x "Subject: Failed services on $(hostname)" $SEEN/mail.*
        shows -x 'broken-1.service has failed:' $SEEN/mail.*
        shows 'I am the first' $SEEN/mail.*
        shows "Failed with result 'exit-code'" $SEEN/mail.*
        # It runs on, and has nothing to tell; also after a restart.
        systemctl restart vaktd
        within 20 run_is_over unit-failed 4
        printed unit-failed 6 | shows 'There is no failure that was not told of.'
        same 1 "$(ls $SEEN/mail.* | wc -l)"
        rm $SEEN/mail.*
        # Another one, and the same one once more.
        fail_unit broken-2 'I am the second'
        within 20 eval 'grep -x "broken-2.service has failed:" $SEEN/mail.*'
        fails grep -x 'broken-1.service has failed:' $SEEN/mail.*
        rm $SEEN/mail.*
        systemctl reset-failed broken-1
        fail_unit broken-1 'I am the third'
        within 20 eval 'grep "I am the third" $SEEN/mail.*'
        fails grep broken-2 $SEEN/mail.*
        systemctl reset-failed broken-1 broken-2
        within 20 is_in_state unit-failed ok
        rm /usr/local/bin/sendmail
}

test_unit_failed_without_sendmail() {
        rm -rf /var/lib/vakt-unit-failed
        example unit-failed
        faster unit-failed
        begin
        fail_unit broken-1 'I am the first'
        within 20 run_is_over unit-failed 1
        printed unit-failed 6 | shows 'I am the first'
        systemctl reset-failed broken-1
}

# As a form that comes by POST; the first request is refused.
listener() {
        cat <<'END'
import http.server, sys, urllib.parse
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.n += 1
        self.send_response(503 if self.server.n == 1 else 200)
        self.end_headers()
        with open(f"{sys.argv[1]}/post.{self.server.n}", "w") as f:
            for key, value in urllib.parse.parse_qsl(body):
                print(f"{key}={value}", file=f)
server = http.server.HTTPServer(("127.0.0.1", 8099), Handler)
server.n = 0
server.serve_forever()
END
}

test_unit_failed_webhook() {
        command -v curl || stand_in curl <<'END'
#!/usr/bin/python3
# What curl does with these options.
import sys, urllib.parse, urllib.request
form = [tuple(w.split("=", 1)) for w in sys.argv[1:-1] if w.startswith(("host=", "unit="))] + [("journal", sys.stdin.read())]
urllib.request.urlopen(sys.argv[-1], urllib.parse.urlencode(form).encode())
END
        example unit-failed-webhook 's,https://hooks.example.org,http://127.0.0.1:8099,'
        faster unit-failed-webhook '[Run]' RetryDelaySec=1s
        begin
        listener >$SEEN/listener.py
        systemd-run --quiet --unit=listener python3 $SEEN/listener.py $SEEN
        within 20 eval 'ss -ltn | grep -F 127.0.0.1:8099 || grep -i ":1FA3 .* 0A " /proc/net/tcp'
        fail_unit broken-1 'I am the first'
        within 60 test -s $SEEN/post.2
        shows -x unit=broken-1.service $SEEN/post.2
        shows -x "host=$(hostname)" $SEEN/post.2
        shows 'I am the first' $SEEN/post.2
        within 20 run_is_over unit-failed-webhook 2
        same "success 0" "$(outcome "$(newest_run unit-failed-webhook)")"
        same 2 "$(ls $SEEN/post.* | wc -l)"
        systemctl stop listener
        systemctl reset-failed broken-1
}

# --- others ---

test_hello_and_tick() {
        example hello
        example tick
        begin
        within 20 run_is_over hello 1
        printed hello 6 | shows -xE 'Hello from hello: this is run [0-9]+, requested by timer\.'
        within 40 run_is_over tick 2
        printed tick 6 | shows -xE '[0-9]{2}:[0-9]{2}:[0-9]{2}'
}

test_disks() {
        example disks
        begin
        vaktctl run --follow disks >$SEEN/disks || true # without anything else than what it leaves out, df fails
        shows -E 'Filesystem|no file systems processed' $SEEN/disks
}

test_report_failure() {
        example report-failure
        job breaks <<'END'
[Job]
OnFailure=report-failure
[Run]
Exec=/bin/false
END
        begin
        fails vaktctl run --wait breaks
        within 20 run_is_over report-failure 1
        printed report-failure 2 | shows -x 'Job breaks needs a look: exit.'
}

test_mail_failure() {
        [ ! -e /usr/sbin/sendmail ]
        printf '#!/bin/sh\n[ "$*" = "-i -t" ] && cat >%s/mail.part && mv %s/mail.part %s/mail\n' $SEEN $SEEN $SEEN |
                install -m 755 /dev/stdin /usr/sbin/sendmail
        example mail-failure
        job breaks <<'END'
[Job]
OnFailure=mail-failure
[Run]
Shell=echo I am the reason; exit 3
END
        begin
        fails vaktctl run --wait breaks
        within 30 test -e $SEEN/mail
        same "To: root
Subject: breaks on $(hostname): exit

I am the reason" "$(cat $SEEN/mail)"
        rm /usr/sbin/sendmail
}

# The list is right, and so is what becomes of it on the command line; the other machine is a directory here.
test_mirror_site() {
        [ ! -e /usr/bin/rsync ] || mv /usr/bin/rsync /usr/bin/rsync.real
        install -m 755 /dev/stdin /usr/bin/rsync <<'END'
#!/usr/bin/python3
import os, shutil, sys
words = sys.argv[1:]
assert words[-2:] == ["/", "mirror.example.org:/"] and {"--archive", "--from0", "--ignore-missing-args"} < set(words)
for path in open(next(w for w in words if w.startswith("--files-from="))[13:], "rb").read().split(b"\0")[:-1]:
    if os.path.isfile(path):
        os.makedirs(b"/run/examples/mirror" + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, b"/run/examples/mirror" + path)
END
        rm -rf /srv/www
        mkdir -p /srv/www/a
        example mirror-site
        example report-failure
        begin
        within 20 eval 'vaktctl status mirror-site | shows "(active)"'
        echo one >"/srv/www/a/with blank"
        echo two >/srv/www/new
        echo no >/srv/www/.hidden
        echo no >'/srv/www/new~'
        within 30 run_is_over mirror-site 1
        same "success 0" "$(outcome "$(newest_run mirror-site)")"
        same one "$(cat "$SEEN/mirror/srv/www/a/with blank")"
        same two "$(cat $SEEN/mirror/srv/www/new)"
        same 2 "$(find $SEEN/mirror -type f | wc -l)"
        ran mirror-site 1
        rm /usr/bin/rsync
        [ ! -e /usr/bin/rsync.real ] || mv /usr/bin/rsync.real /usr/bin/rsync
}

# Without a network: from a repository in a directory.
test_package_lists() {
        mkdir -p /srv/repo /run/apt-sources
        printf 'Package: vakt-example\nVersion: 1\nArchitecture: all\nFilename: ./x.deb\nSize: 1\nMD5sum: 0\n\n' \
                >/srv/repo/Packages
        rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
        echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
        example package-lists
        begin
        vaktctl run --wait package-lists
        same "success 0" "$(outcome "$(newest_run package-lists)")"
        ls /var/lib/apt/lists | shows 'srv_repo_.*Packages'
        vaktctl why package-lists | shows 'Its next timer elapses at'
}

archive() { # NAME TEXT
        local dir
        dir=$(mktemp -d)
        echo "$2" >"$dir/$1.txt"
        tar --create --gzip --file="$dir/$1.tar.gz" --directory="$dir" "$1.txt"
        chmod 644 "$dir/$1.tar.gz"
        chown nobody: "$dir/$1.tar.gz"
        mv "$dir/$1.tar.gz" "/srv/intake/new/$1.tar.gz"
        rm -r "$dir"
}

test_unpack() {
        rm -rf /srv/intake /var/lib/unpacked /var/lib/private/unpacked
        install -d -m 755 /srv/intake /srv/intake/done /srv/intake/failed
        install -d -m 1777 /srv/intake/new
        example unpack
        faster unpack '[Run]' RetryDelaySec=1s
        sed -i '/^\[Monitor\]/,/^SampleSec/d' $JOBS/unpack.job.d/faster.conf
        begin
        archive one first
        archive two second
        echo 'no archive' >/srv/intake/new/bad.tar.gz
        chown nobody: /srv/intake/new/bad.tar.gz
        within 30 test -e /srv/intake/done/one.tar.gz
        within 30 test -e /srv/intake/done/two.tar.gz
        same first "$(cat /var/lib/unpacked/one.txt)"
        same second "$(cat /var/lib/unpacked/two.txt)"
        within 60 test -e /srv/intake/failed/bad.tar.gz
        same "" "$(ls /srv/intake/new)"
        within 20 run_is_over unpack 5 # three of them are tries
        ran unpack 5
}

# --- upkeep ---

test_rotate_app() {
        rm -rf /var/log/app
        mkdir -p /var/log/app
        printf '[Service]\nExecStart=/bin/sleep infinity\nExecReload=/bin/touch %s/reloaded\n' $SEEN >/run/systemd/system/app.service
        systemctl daemon-reload
        echo small >/var/log/app/small.log
        example rotate-app
        begin
        systemctl start app
        within 20 eval 'vaktctl status rotate-app | shows "(active)"'
        truncate --size=101M /var/log/app/big.log
        within 30 run_is_over rotate-app 1
        same "success 0" "$(outcome "$(newest_run rotate-app)")"
        same $((101 << 20)) "$(stat --format=%s /var/log/app/big.log.1)"
        same 0 "$(stat --format=%s /var/log/app/big.log)"
        within 20 test -e $SEEN/reloaded
        systemctl stop app
        rm -r /run/systemd/system/app.service /var/log/app
}

# A test cannot set back when a file was created or its attributes were changed.
test_clean_tmp() {
        rm -rf /srv/one
        mkdir -p /srv/one/tmp/empty /srv/one/tmp/a /srv/one/other
        touch -d '11 days ago' /srv/one/tmp/{old,.gitkeep,a/old} /srv/one/other/old
        touch /srv/one/tmp/new
        touch -d '11 days ago' /srv/one/tmp/empty
        example clean-tmp 's/^AgeBy=.*/AgeBy=modify/'
        begin
        vaktctl run --wait clean-tmp
        fails test -e /srv/one/tmp/old
        fails test -e /srv/one/tmp/a/old
        test -e /srv/one/tmp/new
        test -e /srv/one/tmp/.gitkeep
        test -e /srv/one/other/old
        rm -r /srv/one
}

test_clean_full() {
        local i
        mkdir -p $DISK
        mount -t tmpfs -o size=10M tmpfs $DISK
        mkdir $DISK/recordings $DISK/cache
        for i in {10..29}; do
                head -c 470K /dev/zero >$DISK/recordings/$i
                touch -d "$((40 - i)) days ago" $DISK/recordings/$i
        done
        example clean-full "s,/srv,$DISK,"
        faster clean-full
        begin
        within 20 run_is_over clean-full 1
        same "success 0" "$(outcome "$(newest_run clean-full)")"
        fails test -e $DISK/recordings/10 # the oldest
        for i in {20..29}; do
                test -e $DISK/recordings/$i
        done
        [ "$(df --output=avail -k $DISK | tail -n 1)" -ge 1536 ]
        within 20 is_in_state clean-full ok
        umount $DISK
}

run_tests
