#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl import-monit: the job files of a control file, and what is said about the rest. Wants VAKTCTL_BIN.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

cat >"$scratch/monitrc" <<'END'
set daemon 60 with start delay 20
set log syslog
set alert root@localhost not on { instance, action }
set alert "$(reboot)"
set mail-format {
  subject: if check then $EVENT
}
check system $HOST
  if loadavg (1min) > 4 then alert
  if swap usage > 25% then alert
  if memory usage > 75% for 5 cycles then alert
  group server
CHECK FILESYSTEM "root fs" WITH PATH /
  if space usage > 80% for 5 times within 15 cycles then alert
  if space free < 5 GB then exec "/usr/local/bin/clean --all 50%" as uid nobody and gid adm repeat every 10 cycles
    else if succeeded for 2 cycles then exec "/bin/fine"
check process nginx with pidfile /run/nginx.pid every 2 cycles
  start program = "/usr/bin/systemctl start nginx" with timeout 60 seconds
  stop program  = "/usr/bin/systemctl stop nginx"
  if failed port 80 protocol http then restart
  if 3 restarts within 5 cycles then unmonitor
  depends on other, data
check process db with pidfile /run/db/postmaster.pid
  start program = "/usr/bin/systemctl start postgresql"
check process mail matching "^/usr/sbin/exim4 -bd"
  if not exist then alert
check file conf path /etc/nginx.conf
  if changed checksum then exec "/bin/reload"
  if size > 1 MB then start
check program raid with path "/usr/local/bin/check-raid --quiet"
  if status != 0 then exec "check raid"
check host far with address example.org
  if failed port 22 then alert
include /etc/monit/conf.d/*
END

# What a job of the output consists of, without blank lines and comments.
job_text() { # NAME
        sed -n "/^# $1\.job\$/,/^# .*\.job\$/p" "$scratch/out" | grep -vE '^(#|$)'
}

is_job() { # NAME TEXT
        diff <(job_text "$1") <(echo "$2") >>"$scratch/err"
        ok $? "job $1"
}

ctl import-monit "$scratch/monitrc"
ends 1 "a file with more than can be translated"
# shellcheck disable=SC2016 # for the shell of the job
mail='Shell=echo "$VAKT_CONDITION: $VAKT_VALUE" | mail -s "%j on %h" root@localhost'
is_job system "[Job]
Description=Check of system system
Tags=server
[Monitor]
When=load1 > 4 or swap-free < 75%
[Run]
$mail"
is_job system-2 "[Job]
Description=Check of system system
Tags=server
[Monitor]
When=memory-available < 25%
ForSec=5min
[Run]
$mail"
is_job root-fs "[Job]
Description=Check of filesystem root fs
[Monitor]
When=disk-free / < 20%
ForSec=5min
[Run]
$mail"
is_job root-fs-2 "[Job]
Description=Check of filesystem root fs
[Monitor]
When=disk-free / < 5G
EverySec=10min
OnClear=root-fs-clear
[Run]
Exec=:/usr/local/bin/clean --all 50%%
[Service]
User=nobody
Group=adm"
is_job root-fs-clear "[Job]
Description=Check of filesystem root fs
[Run]
Exec=:/bin/fine"
is_job nginx "[Job]
Description=Check of process nginx
[Monitor]
When=not listening tcp 80
SampleSec=2min
[Run]
Exec=-:/usr/bin/systemctl stop nginx
Exec=:/usr/bin/systemctl start nginx"
is_job nginx-2 '[Job]
Description=Check of process nginx
[Monitor]
When=process nginx count < 1
SampleSec=2min
[Run]
Exec=:/usr/bin/systemctl start nginx'
# shellcheck disable=SC2016 # as above
is_job mail "[Job]
Description=Check of process mail
[Monitor]
When=not exec \"/usr/bin/pgrep --full -- \\\"^/usr/sbin/exim4 -bd\\\"\"
[Run]
$mail"
is_job conf "[Job]
Description=Check of file conf
[Path]
PathModified=/etc/nginx.conf
[Run]
Exec=:/bin/reload"
is_job raid '[Job]
Description=Check of program raid
[Monitor]
When=not exec "/usr/local/bin/check-raid --quiet"
[Run]
Exec=:check raid'

remark='^# exec runs as the user nobody without network; the program and what it reads must be accessible to it'
[ "$(grep -A 1 "$remark" "$scratch/out" | grep -cF 'When=not exec')" = 2 ] && [ "$(grep -c "$remark" "$scratch/out")" = 2 ]
ok $? "each exec has a remark in its job file"
sed -E "s|^$scratch/monitrc:([0-9]+): .*|\1|" "$scratch/err" | grep -E '^[0-9]+$' | xargs >"$scratch/lines"
[ "$(cat "$scratch/lines")" = "4 5 14 17 20 21 22 23 23 29 32 33 34" ]
ok $? "each remark has its line: $(cat "$scratch/lines")"
err "an address is no shell command" ':4: "\$\(reboot\)" is not a mail address'
err "what is lost is said" ':20: It is tested that something listens, but not what it replies'
err "a name that may be wrong" ':17: PID files are not read\. The process is found by its name'
err "a process without a name" ':23: PID files are not read\. Write unit NAME is failed for a service, or process NAME'
err "a check without a program" ':29: The check has no program for this action'
err "a host" ':33: No connections are made to other machines'
err "a summary" '^10 jobs made, 13 remarks\.$'

ctl import-monit "$scratch/monitrc" --output "$scratch/made/below"
err "a directory without a parent" "^Cannot open or make the directory $scratch/made/below: No such file or directory\\.\$"
ctl --quiet import-monit "$scratch/monitrc" --output "$scratch/made"
[ ! -s "$scratch/out" ] && [ "$(find "$scratch/made" -name '*.job' | wc -l)" = 10 ]
ok $? "files are written, to a directory that is made"
ctl check "$scratch"/made/*.job
ends 0 "check of the files"
ctl import-monit "$scratch/monitrc" --output "$scratch/made"
ends 1 "a file that is there"
err "no file is overwritten" "^$scratch/made/system\.job exists already and was not changed; nothing was written\."
ln -s "$scratch/link" "$scratch/made/other.job"
printf 'check host other with address localhost\n if failed port 80 then alert\n' >"$scratch/link.monitrc"
ctl import-monit "$scratch/link.monitrc" --output "$scratch/made"
err "a link is not followed" "^$scratch/made/other\.job exists already and was not changed"

printf 'check system x\n if loadavg (1min) > 4 then alert\n' >"$scratch/good"
ctl import-monit "$scratch/good"
ends 0 "a file that can be translated"
out "without an address, the journal is told" '^SyslogLevel=alert$'
: >"$scratch/empty"
ctl import-monit "$scratch/empty"
ends 0 "an empty file"
ctl import-monit "$scratch/nothing"
ends 1 "a file that is not there"
err "says so" "^Cannot read $scratch/nothing: No such file or directory\.$"
ctl import-monit "$scratch/started"
err "a FIFO is not waited for" "^Cannot read $scratch/started: It is not a regular file\.\$"
head -c 2000000 /dev/zero >"$scratch/large"
ctl import-monit "$scratch/large"
ends 1 "a large file"
head -c 200000 /dev/urandom >"$scratch/noise"
ctl import-monit "$scratch/noise"
ends 1 "noise"
for ((i = 0; i < 20; i++)); do
        head -c $((RANDOM % 1400)) "$scratch/monitrc" >"$scratch/cut"
        ctl import-monit "$scratch/cut"
        [ "$status" -le 1 ] || break
done
[ "$status" -le 1 ]
ok $? "a file that is cut anywhere"
echo "1..$number"
