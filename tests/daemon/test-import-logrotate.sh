#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl import-logrotate: what becomes of each directive, of scripts, of included files, and of what is wrong. Wants
# VAKTCTL_BIN.
#
# shellcheck disable=SC2016,SC1003 # scripts are texts here

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

conf=$scratch/l.conf

# The lines of a job of the output, without comments and blank lines.
job_text() { # NAME
        sed -n "/^# $1\.job\$/,/^# .*\.job\$/p" "$scratch/out" | grep -vE '^(#|$)'
}

# What becomes of the lines of a block, behind "daily" and "rotate 3": the lines of the job from [Timer] on, but for
# those that are the same for all, and the remarks, without their place.
becomes() {
        local remark=${3-}
        printf '/l/a.log {\ndaily\nrotate 3\n%s\n}\n' "$1" >"$conf"
        ctl import-logrotate "$conf"
        [ "$status" = "$([ -z "$remark" ] && echo 0 || echo 1)" ] &&
                [ "$(job_text rotate-l | sed -n '/^\[Timer\]/,$p' | grep -vxE '\[Timer\]|\[Rotate\]|CatchUp=once|Path=/l/a.log|Keep=3|Create=no')" = "${2//^/$'\n'}" ] &&
                [ "$(sed -nE "s,^$conf:[0-9]+: ,,p" "$scratch/err" | cut -c "1-$((${#remark} > 0 ? ${#remark} : 999))")" = "$remark" ]
        ok $? "${1//$'\n'/; }"
}

# --- when ---

becomes "" "OnCalendar=daily"
becomes "hourly" "OnCalendar=hourly"
becomes "weekly" "OnCalendar=Sun"
becomes "weekly 3" "OnCalendar=Wed"
becomes "weekly 7" "OnCalendar=daily^MaxAge=7d"
becomes "monthly" "OnCalendar=monthly"
becomes "yearly" "OnCalendar=yearly"
becomes "minutes 5" "OnCalendar=*:0/5"
becomes "minutes 120" "OnCalendar=0/2:00"
becomes "minutes 7" "OnCalendar=*:0/7" "minutes 7: The minutes are counted"
becomes "minutes 90" "OnCalendar=hourly" "minutes 90: This is no whole number of hours"
becomes "size 10k" "OnCalendar=daily^MaxSize=10K"
becomes "size=5" "OnCalendar=daily^MaxSize=5"
becomes $'size = 2M\nweekly' "OnCalendar=Sun"
becomes $'size 1M\nmaxsize 2M' "OnCalendar=daily^MaxSize=1M" "maxsize 2M: There is a size already"
becomes "maxsize 1G" "OnCalendar=daily^MaxSize=1G^MaxAge=1d"
becomes $'weekly\nminsize 1M' "OnCalendar=daily^MinSize=1M^MaxAge=7d"
becomes $'monthly\nminsize 1k\nmaxsize 3k' "OnCalendar=daily^MinSize=1K^MaxSize=3K^MaxAge=30d"
becomes $'hourly\nminsize 1k' "OnCalendar=hourly^MinSize=1K^MaxAge=1h"
becomes $'yearly\nmaxsize 1k' "OnCalendar=daily^MaxSize=1K^MaxAge=365d"
becomes $'minutes 5\nmaxsize 1k' "OnCalendar=*:0/5^MaxSize=1K^MaxAge=5min"
becomes "minage 2" "OnCalendar=daily" "minage 2: Young logs are rotated, too."

# --- copies and names ---

becomes "maxage 30" "OnCalendar=daily^KeepSec=30d"
becomes "start 0" "OnCalendar=daily" "start 0: The newest copy has the number 1."
becomes "compress" "OnCalendar=daily^Compress=gzip"
becomes $'compress\nnocompress\ndelaycompress' "OnCalendar=daily"
becomes $'compress\ndelaycompress' "OnCalendar=daily^Compress=gzip^CompressDelay=yes"
becomes $'compress\ndelaycompress\nnodelaycompress' "OnCalendar=daily^Compress=gzip"
becomes $'compress\ncompressoptions -9' "OnCalendar=daily^Compress=gzip^CompressLevel=9"
becomes $'compress\ncompresscmd /usr/bin/zstd\nuncompresscmd /usr/bin/unzstd\ncompressext .zst\ncompressoptions -3 -T2' \
        "OnCalendar=daily^Compress=zstd^CompressLevel=3^CompressThreads=2"
becomes $'compress\ncompresscmd zstd\ncompressoptions --threads=4 --long' "OnCalendar=daily^Compress=zstd^CompressThreads=4" \
        "compressoptions --threads=4 --long: There is no key for --long."
becomes $'compress\ncompressoptions -19' "OnCalendar=daily^Compress=gzip" "compressoptions -19: There is no key for -19."
becomes $'compress\ncompresscmd /usr/bin/xz\ncompressext .xz\ncompressoptions -9e' "OnCalendar=daily^Compress=zstd" \
        "compresscmd /usr/bin/xz: Copies are compressed by gzip or zstd only"
becomes $'compress\ncompresscmd bzip2' "OnCalendar=daily^Compress=zstd" "compresscmd bzip2: Copies are compressed by"
becomes $'compress\ncompressext .z' "OnCalendar=daily^Compress=gzip" "compressext .z: Names of compressed copies end with .gz."
becomes "dateext" "OnCalendar=daily^Suffix=date"
becomes $'dateext\nnodateext\ndateformat -%s' "OnCalendar=daily"
becomes $'dateext\ndateformat -%Y-%m-%d' "OnCalendar=daily^Suffix=date^DateFormat=-%Y-%m-%d"
becomes $'hourly\ndateext' "OnCalendar=hourly^Suffix=date^DateFormat=-%Y%m%d%H"
becomes $'dateext\ndateyesterday' "OnCalendar=daily^Suffix=date" "dateyesterday: The name has the date of the rotation."
becomes $'dateext\ndatehourago' "OnCalendar=daily^Suffix=date" "datehourago: The name has the time of the rotation."
becomes "extension .log" "OnCalendar=daily^Extension=.log"
becomes "addextension .log" "OnCalendar=daily^Extension=.log"
becomes "addextension .old" "OnCalendar=daily" "addextension .old: Nothing is put behind the number or date"
becomes "olddir old" "OnCalendar=daily^OldDir=old"
becomes $'olddir /l/old 100%\nnoolddir' "OnCalendar=daily"
becomes $'olddir /l/old\ncreateolddir 0750 root adm' "OnCalendar=daily^OldDir=/l/old" \
        "createolddir 0750 root adm: The directory is not made."
becomes $'createolddir\nnocreateolddir' "OnCalendar=daily"

# --- the log ---

becomes "create" "OnCalendar=daily"
becomes "create 0640 root adm" "OnCalendar=daily^Create=0640 root adm"
becomes "create root adm" "OnCalendar=daily^Create=root adm"
becomes "copytruncate" "OnCalendar=daily^Mode=copytruncate"
becomes $'create 640 root adm\ncopytruncate' "OnCalendar=daily^Mode=copytruncate"
becomes $'copytruncate\nnocopytruncate' "OnCalendar=daily"
becomes $'copytruncate\nrenamecopy' "OnCalendar=daily"
becomes $'renamecopy\ncopytruncate\nolddir o' "OnCalendar=daily^OldDir=o^Mode=copytruncate"
becomes $'olddir o\nrenamecopy' "OnCalendar=daily^OldDir=o" "renamecopy: Logs are renamed, so OldDir= has to be"
becomes $'copy\nnocopy' "OnCalendar=daily"
becomes "copy" "" "copy: Logs are moved or emptied, so there is no job."
becomes "notifempty" "OnCalendar=daily^SkipEmpty=yes"
becomes $'notifempty\nifempty\nmissingok\nnomissingok' "OnCalendar=daily"
becomes "su app app" "OnCalendar=daily"
becomes "su roots adm" "OnCalendar=daily"
becomes "su root adm" "OnCalendar=daily" "su root adm: A directory that others than root"
becomes $'shred\nshredcycles 3' "OnCalendar=daily" "shred: Copies are removed without being overwritten."
becomes $'shred\nnoshred' "OnCalendar=daily"
becomes $'mail root@localhost\nmailfirst' "OnCalendar=daily" "mail root@localhost: No log is mailed."
becomes $'mail root@localhost\nnomail' "OnCalendar=daily"
becomes "allowhardlink" "OnCalendar=daily" "allowhardlink: A log with further hard links is refused."
becomes $'allowhardlink\nnoallowhardlink\nerrors x' "OnCalendar=daily"

# --- scripts ---

reloads() { # SCRIPT LINE
        becomes $'sharedscripts\npostrotate\n'"$1"$'\nendscript' "OnCalendar=daily^$2"
}

script() { # DIRECTIVE SCRIPT: a block of it
        printf '%s\n%s\nendscript' "$1" "$2"
}

reloads "systemctl reload nginx" "ReloadUnit=nginx.service"
reloads "  /usr/bin/systemctl --quiet reload nginx.service >/dev/null 2>&1 || true" "ReloadUnit=nginx.service"
reloads "systemctl kill -s HUP rsyslog.service" "Signal=SIGHUP rsyslog.service"
reloads "systemctl kill --kill-who=main --signal=SIGUSR1 app" "Signal=SIGUSR1 app.service"
reloads "systemctl kill --kill-whom all -sUSR2 app > /dev/null" "Signal=SIGUSR2 app.service"
reloads "invoke-rc.d --quiet cups reload > /dev/null" "ReloadUnit=cups.service"
reloads "/usr/sbin/invoke-rc.d cups reload" "ReloadUnit=cups.service"
reloads "service x reload >/dev/null" "ReloadUnit=x.service"
reloads "/etc/init.d/x reload" "ReloadUnit=x.service"
for line in "systemctl restart nginx" "systemctl reload a b" "systemctl reload" "systemctl --root=/x reload a" \
        "systemctl kill --kill-who=control a" "invoke-rc.d x rotate" "service x reload now" "x || systemctl reload a" \
        "systemctl reload a || echo no" "systemctl reload a >/log" "systemctl reload a; x" 'service $x reload' \
        "/x/y reload" "kill -HUP 1"; do
        reloads "$line" "PostRotate=$line"
done
reloads $'systemctl reload a\nsystemctl reload b' "PostRotate=systemctl reload a^PostRotate=systemctl reload b"
reloads $'\n  if true; then \\\n\t\tdate +%s\n # x \\\n  fi \\' \
        'PostRotate=if true; then  date +%%s^PostRotate=# x^PostRotate=fi'
becomes "$(script postrotate 'systemctl reload a')" "OnCalendar=daily^ReloadUnit=a.service"
becomes "$(script postrotate 'x "$1"')" 'OnCalendar=daily^PostRotate=x "$1"^ScriptPer=file'
becomes "$(script postrotate 'x "$2"')" 'OnCalendar=daily^PostRotate=x "$2"^ScriptPer=file' \
        "postrotate: The argument of the script is the log."
becomes "$(script prerotate 'x $1')"$'\nsharedscripts' 'OnCalendar=daily^PreRotate=x $1' \
        "prerotate: The arguments of the script are the logs"
becomes "$(script prerotate a)"$'\n'"$(script postrotate b)" "OnCalendar=daily^PreRotate=a^PostRotate=b^ScriptPer=file"
becomes "$(script prerotate a)"$'\nsharedscripts\nnosharedscripts' "OnCalendar=daily^PreRotate=a^ScriptPer=file"
becomes "$(script firstaction a)" "OnCalendar=daily^PreRotate=a"
becomes "$(script lastaction a)" "OnCalendar=daily^PostRotate=a" "lastaction: PostRotate= runs before copies are"
becomes "$(script firstaction a)"$'\n'"$(script prerotate b)" "OnCalendar=daily^PreRotate=b^ScriptPer=file" \
        "firstaction: There is one script before a rotation"
becomes "$(script firstaction a)"$'\n'"$(script postrotate b)" \
        "OnCalendar=daily^PreRotate=a^PostRotate=b^ScriptPer=file" "Both scripts run for each log."
becomes "$(script preremove a)" "OnCalendar=daily" "preremove: Nothing runs before a copy is removed."
becomes "$(script postrotate $'cat <<X\n  a\nX')" \
        "OnCalendar=daily^PostRotate=cat <<X^PostRotate=a^PostRotate=X^ScriptPer=file" "postrotate: Indented lines of a here-document"
becomes "$(script postrotate 'a \\\\')" 'OnCalendar=daily^PostRotate=a^ScriptPer=file' "postrotate: Indented lines"
becomes $'prerotate\nendscript' "OnCalendar=daily"

# --- files and blocks ---

mkdir "$scratch/d" "$scratch/d/dir"
cat >"$scratch/main.conf" <<END2
# globals before, and after
rotate 2
monthly
missingok
tabooext + .no, .never
include $scratch/d
/l/main.log {
}
rotate 9
weekly
create
"/l/with blank.log" /l/a\\ b.log
# /l/not.log
/l/'c{}'
END2
sed -i "s/c{}/c 100%/" "$scratch/main.conf"
echo '{ rotate -1 }' >>"$scratch/main.conf"
printf '/l/b1 {\n}\n/l/b2 /l/b3 {\n  rotate 0x10\n}\n' >"$scratch/d/b"
printf 'rotate 5\n/l/a {\n  include %s\n}\n' "$scratch/inner" >"$scratch/d/a.conf"
printf 'compress\nyearly\n' >"$scratch/inner"
for name in x.no x.never x.dpkg-old x~ 'a,v'; do printf '/l/no {\n}\n' >"$scratch/d/$name"; done
printf 'rotate 77\n/l/c {\n}\n!\n/l/never {\n}\n' >"$scratch/d/c"
ctl import-logrotate "$scratch/main.conf"
ends 1 "a file that includes others"

is_job() { # NAME LINES
        [ "$(job_text "rotate-$1" | sed -n '/^\[Timer\]/,$p' | grep -vxE '\[Timer\]|\[Rotate\]|CatchUp=once')" = "${2//^/$'\n'}" ]
        ok $? "job $1"
}

is_job a "OnCalendar=yearly^Path=/l/a^Keep=5^Compress=gzip^Create=no"
is_job b "OnCalendar=monthly^Path=/l/b1^Keep=5^Create=no"
is_job b-2 "OnCalendar=monthly^Path=/l/b2^Path=/l/b3^Keep=16^Create=no"
is_job c "OnCalendar=monthly^Path=/l/c^Keep=77^Create=no"
is_job main "OnCalendar=monthly^Path=/l/main.log^Keep=5^Create=no"
[ "$(grep -c '^# rotate-.*\.job$' "$scratch/out")" = 5 ]
ok $? "no other jobs"
err "the name of a log with a brace ends there, as for logrotate" "main\.conf:15: rotate -1 \}: This is not a valid number"
printf '/l/a /l/*.log {\ndaily\nrotate 1\n}\n/l/*a /l/.x/[ab] {\ndaily\nrotate 1\n}\n/l/a* {\nrotate 1\ndaily\n}\n' >"$conf"
cp "$scratch/err" "$scratch/err-main"
ctl import-logrotate "$conf"
is_job l "OnCalendar=daily^Path=/l/a^Path=/l/*.log^Exclude=.*^Keep=1^Create=no"
is_job l-2 "OnCalendar=daily^Path=/l/*a^Path=/l/.x/[ab]^Keep=1^Create=no"
is_job l-3 "OnCalendar=daily^Path=/l/a*^Keep=1^Create=no"
mv "$scratch/err-main" "$scratch/err"
err "a file with a mistake sets nothing for the others" "/d/c:4: A line begins with a directive"

sed -i 's/{ rotate -1 }/{\nrotate -1\n}/; s/^rotate 9/rotate 08/' "$scratch/main.conf"
ctl import-logrotate "$scratch/main.conf"
err "an octal number that is none" "main\.conf:9: rotate 08: This is not a valid number"
sed -i 's/^rotate 08/rotate 9/' "$scratch/main.conf"
ctl import-logrotate "$scratch/main.conf"
is_job main-2 "OnCalendar=Sun^Path=/l/with blank.log^Path=/l/a b.log^Path=/l/c 100%%^Keep=infinity"
out "a comment says where it comes from" "^# From $scratch/main\.conf, line 12\.\$"

# REMARK, file: what is wrong, and that there is no job of it but that of the block /l/good.
refuses() {
        printf '%b' "$2" >"$conf"
        ctl import-logrotate "$conf"
        [ "$status" = 1 ] && grep -qE -- "l\.conf:$1" "$scratch/err" && [ "$(grep -c ^Path= "$scratch/out")" = "$(grep -m 1 -c /l/good "$conf")" ]
        ok $? "$1"
}

good='/l/good {\ndaily\n}\n'
refuses '2: rotate x: This is not a valid number' "/l/a {\nrotate x\n}\n$good"
refuses '2: maxage -1: This is not' "/l/a {\nmaxage -1\n}\n$good"
refuses '2: weekly 8: A weekday' "/l/a {\nweekly 8\n}\n$good"
refuses '2: size 10q: This is not a size' "/l/a {\nsize 10q\n}\n$good"
refuses '2: size : This is not a size' "/l/a {\nsize\n}\n$good"
refuses '2: olddir has no value' "/l/a {\nolddir =\n}\n$good"
refuses '2: hourly: A blank or the end' "/l/a {\nhourly}\n}\n$good"
refuses '5: postrotate has no endscript' "$good/l/a { daily\npostrotate\nx\n"
refuses '1: postrotate stands outside' "postrotate\nx\nendscript\ndaily\n"
refuses '2: A } is missing' "/l/a {\n/l/b {\n}\n$good"
refuses '4: A \{ is missing' "$good/l/a\n/l/b\n"
# shellcheck disable=SC2088 # logrotate expands it
refuses '1: ~/x: This is no absolute path' "~/x {\ndaily\n}\n$good"
refuses '2: A line begins with' "/l/a {\n42\n}\n$good"
refuses '1: A line begins with' "}\n"
refuses '1: "frobnicate" is no directive' "frobnicate 7\n$good"
refuses '1: /l/good is already in .*l\.conf:1' "/l/good /l/good {\ndaily\n}\n#"
refuses '4: /l/good is already in .*l\.conf:1' "$good/l/good {\nweekly\n}\n#/l/good"
refuses '1: include /nothing: Cannot be read: No such file' "include /nothing\n$good"
refuses '2: tabooext has to stand outside' "/l/a {\ntabooext .x\n}\n$good"
refuses '1: The block does not end with' "/l/good {\ndaily\n"
refuses '1: No interval is set, so a log is rotated when it has 1M, and no copy' "/l/good {\n}\n"
refuses '1: This is no valid job: ' "/l/** {\ndaily\n}\n$good"
refuses ' Lines end with CR LF' "${good//\\n/\\r\\n}"
printf 'ignoreduplicates\n%b%b' "$good" "$good" >"$conf"
ctl import-logrotate "$conf"
ends 0 "ignored duplicates"
printf 'include %s\n%b' "$conf" "$good" >"$conf"
ctl import-logrotate "$conf"
ends 1 "a file that includes itself"

# --- the verb ---

ctl import-logrotate "$scratch/d"
ends 1 "a directory"
out "its files are read" '^Path=/l/b1$'
mkdir "$scratch/made"
ctl import-logrotate "$scratch/main.conf" --output "$scratch/made"
ctl check "$scratch"/made/*.job
ends 0 "check of the files that were written"
ctl import-logrotate "$scratch/nothing"
ends 1 "a file that is not there"
err "says so" "^Cannot read $scratch/nothing: No such file or directory\.$"
ctl import-logrotate "$scratch/started"
err "a FIFO is not waited for" "^Cannot read $scratch/started: It is not a regular file\.\$"
: >"$scratch/empty"
ctl import-logrotate "$scratch/empty"
ends 0 "an empty file"
head -c 1100000 /dev/zero >"$conf"
ctl import-logrotate "$conf"
ends 1 "a file that is too large"
{ printf '/l/'; head -c 1000000 /dev/zero | tr '\0' x; printf ' {\ndaily\n}\n'; } >"$conf"
ctl import-logrotate "$conf"
ends 1 "a line of a megabyte"
{ printf '/l/a {\ndaily\npostrotate\n'; head -c 1000000 /dev/zero | tr '\0' x; printf '\nendscript\n}\n'; } >"$conf"
ctl import-logrotate "$conf"
ends 1 "a script of a megabyte"
yes / | head -n 400000 >"$conf"
ctl import-logrotate "$conf"
err "too many names" ':1: The block has more than 1024 names'
for ((i = 0; i < 1100; i++)); do echo "/l/$i { daily"$'\n}'; done >"$conf"
ctl import-logrotate "$conf"
err "too many jobs" 'There are more than 1000 jobs'
yes ! | head -n 20000 >"$conf"
{ echo '/l/a {'; yes ! | head -n 20000; } >"$conf"
ctl import-logrotate "$conf"
err "too many remarks" '^0 jobs made, 10001 remarks'
head -c 200000 /dev/urandom >"$conf"
ctl import-logrotate "$conf"
[ "$status" -le 1 ]
ok $? "noise"
for ((i = 0; i < 40; i++)); do
        head -c $((RANDOM % $(stat -c %s "$scratch/main.conf"))) "$scratch/main.conf" >"$conf"
        ctl import-logrotate "$conf"
        [ "$status" -le 1 ] || break
done
[ "$status" -le 1 ]
ok $? "a file that is cut anywhere"
echo "1..$number"
