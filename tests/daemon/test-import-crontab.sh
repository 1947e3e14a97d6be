#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl import-crontab: the jobs of entries, and what is said about them; when they elapse is held against a model of
# cron in tests/daemon/cron-model.py. Wants VAKTCTL_BIN.

# shellcheck disable=SC2016 # dollar signs are for other shells
# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

mkdir -p "$scratch/cron.d" "$scratch/crontabs" "$scratch/cron.daily" "$scratch/other"
table=$scratch/crontabs/daemon
file=$table

# What becomes of lines in $file: the output without comments and what is the same for all, and the remarks with their
# line only.
becomes() { # LINES EXPECTED [REMARK…]
        local remarks
        remarks=$([ $# = 2 ] || printf '%s\n' "${@:3}" | cut -c 1-40 | tr '\n' '|')
        printf '%s\n' "$1" >"$file"
        ctl import-crontab "$file"
        [ "$status" = "$([ $# = 2 ] && echo 0 || echo 1)" ] &&
                [ "$(grep -vE '^(#|$|\[|Description|Overlap=parallel$|WorkingDirectory=-~$|User=daemon$|Environment=(MAILTO|SHELL=/bin/sh|PATH=/usr/bin:/bin$))' "$scratch/out" | tr '\n' '|')" = "${2:+$2|}" ] &&
                [ "$(sed -nE "s,^$file:([0-9]+: .*),\1,p" "$scratch/err" | cut -c 1-40 | tr '\n' '|')" = "$remarks" ]
        ok $? "${1//$'\n'/; }"
}

# --- whole jobs ---

printf '%s\n' '# Keep the mirror' '# fresh' 'MAILTO=""' '1 2 * * * true' >"$table"
ctl import-crontab "$table"
ends 0 "an entry"
cat >"$scratch/expected" <<END
# cron-daemon-true.job
# From $table, line 4.

[Job]
Description=true

[Timer]
OnCron=1 2 * * *

[Run]
Shell=true
Overlap=parallel

[Service]
User=daemon
WorkingDirectory=-~
Environment=SHELL=/bin/sh
Environment=PATH=/usr/bin:/bin
Environment=MAILTO=

END
diff "$scratch/expected" "$scratch/out" | sed 's/^/# /'
cmp -s "$scratch/expected" "$scratch/out"
ok $? "all of a job"
err "cron goes on" '^Cron runs these as well until their lines are removed there\.$'

describes() { # LINES DESCRIPTION
        printf 'MAILTO=""\n%s\n' "$1" >"$table"
        ctl import-crontab "$table"
        [ "$(sed -n 's/^Description=//p' "$scratch/out" | tail -n 1)" = "$2" ]
        ok $? "described by: $2"
}
describes $'# Keep the mirror\n## fresh, 100%\n* * * * * true' 'Keep the mirror fresh, 100%%'
describes $'# Of the file\n\n* * * * * true x' 'true x'
describes $'# of the line before\nA=1\n* * * * * true y' 'true y'
describes $'#0 5 * * * old\n* * * * * true z' 'true z'
describes $'# a\n#0 5 * * * old\n# b\n* * * * * true' 'b'
describes $'# a\n# b\n# c\n# d\n* * * * * four' 'four'
out "the other comments are kept" '^# d$'
describes $'# a\n#\n# b\n* * * * * true' 'b'
describes $'* * * * * date +\\%F' 'date +%%F'
describes $'# ends with \\\n* * * * * true' 'ends with '
describes "$(printf '# %0150d' 0)"$'\n* * * * * true' "$(printf '%0120d' 0)"

# --- environment ---

M='MAILTO=""'
becomes "$M" ""
becomes "$M
0 0 * * * true" "OnCron=0 0 * * *|Shell=true"
becomes "$M
FOO=bar
  A = \"b c\"
B='\"q\" \\ %'
PATH=/opt/bin
0 0 * * * true" 'OnCron=0 0 * * *|Shell=true|Environment=FOO=bar|Environment="A=b c"|Environment="B=\"q\" \\ %%"|Environment=PATH=/opt/bin'
becomes "$M
A=1
0 0 * * * one
A=2
B=3
0 1 * * * two" 'OnCron=0 0 * * *|Shell=one|Environment=A=1|OnCron=0 1 * * *|Shell=two|Environment=A=2|Environment=B=3'
becomes "$M
HOME=/srv/x
0 0 * * * true" "OnCron=0 0 * * *|Shell=true|WorkingDirectory=-/srv/x|Environment=HOME=/srv/x"
becomes "$M
EMPTY=
TZ=Asia/Tokyo
0 0 * * * true" "OnCron=0 0 * * *|Shell=true|Environment=EMPTY=|Environment=TZ=Asia/Tokyo"
becomes "$M
LOGNAME=root
USER=root
a-b=1
0 0 * * * true" "OnCron=0 0 * * *|Shell=true" "2: LOGNAME= has no effect: it is the use" "3: USER= has no effect: it is the user o" \
        '4: "a-b" is no name of a variable for a j'
becomes "$M
CRON_TZ=Europe/Oslo
0 0 * * * true
CRON_TZ=
0 1 * * * true" "OnCron=0 0 * * *|TimeZone=Europe/Oslo|Shell=true|Environment=CRON_TZ=Europe/Oslo|OnCron=0 1 * * *|Shell=true|Environment=CRON_TZ=" \
        "2: Times are meant in Europe/Oslo from h"
becomes "$M
CRON_TZ=Mars/Olympus
0 0 * * * true" "" "2: Times are meant in Mars/Olympus from " "3: This is no valid job: TimeZone=Mars/O"
becomes "$M
SHELL=/bin/bash
0 0 * * * [[ \$x == \"a\\b\" ]] && date +\\%F" 'OnCron=0 0 * * *|Exec=:/bin/bash -c "[[ $x == \"a\\b\" ]] && date +%%F"|Environment=SHELL=/bin/bash'

# --- commands ---

runs() { # COMMAND EXPECTED [REMARK…]
        becomes "$M
0 0 * * * $1" "OnCron=0 0 * * *|$2" "${@:3}"
}
runs 'a "b" $c `d` ${e:-f}; g | h >i 2>&1 && j' 'Shell=a "b" $c `d` ${e:-f}; g | h >i 2>&1 && j'
runs 'FOO=bar prog' 'Shell=FOO=bar prog'
runs 'date +\%Y\%m' 'Shell=date +%%Y%%m'
two="2: Debian's cron reads two backslashes of a"
runs 'printf \\x \\\% \n' 'Shell=printf \x \%% \n' "$two"
runs 'cat%one' 'Shell=cat|StandardInput=data|StandardInputText=one'
runs 'cat % one %%two\%\a\\b % ' 'Shell=cat |StandardInput=data|StandardInputText=\x20one \n\ntwo%%\\a\\\\b \n\x20'
runs 'cat%%' 'Shell=cat|StandardInput=data|StandardInputData=Cg=='
runs 'cat%%%' 'Shell=cat|StandardInput=data|StandardInputText=\n'
runs 'cat%' 'Shell=cat'
becomes "$M
0 0 * * * cat\\\\%x" "" "$two" "2: A command that ends in a backslash ca"
runs 'cat \\\\%x' 'Shell=cat \\;|StandardInput=data|StandardInputText=x' "$two"
runs 'echo a\ ' 'Shell=echo a\ ;'
runs 'sleep 9 &' 'Shell=sleep 9 &|KillMode=process' "2: What the command leaves in the backgr"
runs 'a >&2 && b &>c && wget "http://x/?a&b" \& '"'&'" 'Shell=a >&2 && b &>c && wget "http://x/?a&b" \& '"'&'"
becomes "$M
0 0 * * * echo \\" "" "2: A command that ends in a backslash ca"
becomes "$M"$'\n0 0 * * * a\x01' "" "2: This is no valid job: The line contai"

# --- entries that are none ---

for line in "0 0 * * true" "0 0 * *" "60 * * * * true" "* * * * * " "@fortnightly true" "0 0 * * 8 true" "@daily" '"A=1' "*/0 * * * * true" "5~9 * * * * true"; do
        printf '%s\n' "$M" "$line" >"$table"
        ctl import-crontab "$table"
        [ "$status" = 1 ] && grep -q "^$table:2: This is no " "$scratch/err" && [ ! -s "$scratch/out" ]
        ok $? "refused: $line"
done
becomes "$M
5/15 0 1,3/2,9 * 1-5/2 true" "OnCron=5 0 1,3 * 1-5/2|Shell=true" "2: Debian's cron reads 5/15 as 5, because a step" "2: Debian's cron reads 1,3/2,9 as 1,3, because"
becomes "$M
-0 0 * * * quiet" "OnCron=0 0 * * *|Shell=quiet"

# --- mail ---

printf '%s\n' '0 0 * * * a' '1 0 * * * b' 'MAILTO=ops@example.org' '2 0 * * * c' 'MAILTO=x%y' '3 0 * * * d' \
        'MAILTO=ops@example.org' '4 0 * * * e' >"$table"
ctl import-crontab "$table"
ends 1 "mail"
[ "$(grep -c 'Without MAILTO=' "$scratch/err")" = 1 ]
ok $? "one remark for all lines without MAILTO="
[ "$(grep -c '^Shell=journalctl' "$scratch/out")" = 2 ] &&
        [ "$(grep '^OnSuccess' "$scratch/out" | tr '\n' ' ')" = "OnSuccess=cron-mail-ops-example.org OnSuccess=cron-mail-x-y OnSuccess=cron-mail-ops-example.org " ] &&
        [ "$(grep -c '^OnFailure' "$scratch/out")" = 3 ]
ok $? "one job for each address"
# What the mailer says to sendmail and journalctl, which are replaced.
mkdir "$scratch/bin"
printf '#!/bin/sh\n[ "$1" = --sync ] || { echo "$*" >"%s"; printf "one\\n%%s\\n" two; }\n' "$scratch/asked" >"$scratch/bin/journalctl"
printf '#!/bin/sh\ncat\n' >"$scratch/bin/sendmail"
chmod 755 "$scratch/bin/"*
sed -n 's/^Shell=\(journalctl.*ops@.*\)/\1/p' "$scratch/out" | sed "s/%%/%/g; s,/usr/sbin/sendmail,$scratch/bin/sendmail," >"$scratch/mailer"
PATH=$scratch/bin:$PATH VAKT_PARENT_JOB=c VAKT_PARENT_RUN=7 sh "$scratch/mailer" >"$scratch/mail"
[ "$(cat "$scratch/mail")" = "To: ops@example.org
Subject: Cron <$(uname -n)> c
Auto-Submitted: auto-generated

one
two" ] && grep -q 'VAKT_JOB=c VAKT_RUN=7$' "$scratch/asked"
ok $? "what is mailed"
printf '#!/bin/sh\n' >"$scratch/bin/journalctl"
PATH=$scratch/bin:$PATH VAKT_PARENT_JOB=c VAKT_PARENT_RUN=7 sh "$scratch/mailer" >"$scratch/mail"
[ ! -s "$scratch/mail" ]
ok $? "nothing is mailed of a silent run"
becomes $'MAILTO="; rm -rf /"\n0 0 * * * true' 'OnCron=0 0 * * *|Shell=true|Environment="MAILTO=; rm -rf /"' "2: The output is not mailed to ; rm -rf /"
ctl --user import-crontab "$table"
[ "$(grep -cE '^(User|WorkingDirectory)=' "$scratch/out")" = 0 ]
ok $? "jobs of a user instance name no user"

# --- kinds of files ---

file=$scratch/cron.d/backup
becomes "$M
0 0 * * * nobody true
@reboot root	true two" "OnCron=0 0 * * *|Shell=true|User=nobody|OnCron=@reboot|Shell=true two|User=root"
out "named after the file" '^# cron-backup\.job$'
out "with a number" '^# cron-backup-2\.job$'
becomes "$M
0 0 * * * root" "" "2: This is no line of crontab(5)."
file=$scratch/crontab
becomes "$M
17 * * * * root cd / && run-parts --report /etc/cron.hourly" "OnCron=17 * * * *|Shell=cd / && run-parts --report /etc/cron.hourly|User=root"
out "named after its directory" '^# cron-hourly\.job$'
file=$scratch/anacrontab
becomes "$M
1 5 cron.daily date +%F" "OnCron=35 7 * * *|CatchUp=once|Shell=date +%%F|User=root|WorkingDirectory=-/" "2: Anacron runs it when it is started fo"
out "named after its identifier" '^# anacron-cron\.daily\.job$'
becomes "$M
START_HOURS_RANGE=3-22
RANDOM_DELAY=45
@monthly 70 m true
7 1 w true
10 1 t true" "OnCron=10 4 1 * *|CatchUp=once|RandomizedDelaySec=45min|Shell=true|User=root|WorkingDirectory=-/|Environment=START_HOURS_RANGE=3-22|Environment=RANDOM_DELAY=45|OnInterval=7d|CatchUp=once|RandomizedDelaySec=45min|Shell=true|User=root|WorkingDirectory=-/|Environment=START_HOURS_RANGE=3-22|Environment=RANDOM_DELAY=45|OnInterval=10d|CatchUp=once|RandomizedDelaySec=45min|Shell=true|User=root|WorkingDirectory=-/|Environment=START_HOURS_RANGE=3-22|Environment=RANDOM_DELAY=45" \
        "4: Anacron runs it when it is started fo" "5: The days are counted from when vaktd " "6: The days are counted from when vaktd "
for line in "0 5 x true" "1 x x true" "1 5 x" "@often 5 x true"; do
        becomes "$M
$line" "" "2: This is no line of anacrontab(5)."
done

printf '0 0 * * * root true\n' >"$scratch/cron.d/backup~"
ctl import-crontab "$scratch/cron.d/"
err "what cron passes over" "^$scratch/cron\.d/backup~:0?:? ?Cron passes over|^$scratch/cron\.d/backup~: Cron passes over"
printf 'MAILTO=""\n0 0 * * * true\n' | tee "$scratch/crontabs/daemon" >"$scratch/crontabs/games"
ctl import-crontab "$scratch/crontabs"
ends 0 "crontabs of users"
[ "$(grep ^User= "$scratch/out" | xargs)" = "User=daemon User=games" ]
ok $? "whose names are those of the files"
for name in b a c.bak; do printf '#!/bin/sh\n' >"$scratch/cron.daily/$name"; done
chmod 755 "$scratch/cron.daily/"*
touch "$scratch/cron.daily/dull"
ctl import-crontab "$scratch/cron.daily"
[ "$(grep -E '^(Exec|OnCron)=' "$scratch/out" | xargs)" = "OnCron=25 6 * * * Exec=:$scratch/cron.daily/a OnCron=25 6 * * * Exec=:$scratch/cron.daily/b" ]
ok $? "scripts that run-parts would run"
out "their names" '^# cron-daily-a\.job$'
err "others" 'dull: This is no program'
err "their time" 'Cron runs these one after the other'
ctl import-crontab "$scratch/other"
ends 1 "another directory"
err "says so" 'This is none of the directories'
printf 'MAILTO=""\n0 0 * * * true\n' >"$scratch/other/mine"
ctl import-crontab -u games "$scratch/other/mine"
ends 0 "a file of somebody"
out "the user of the option" '^User=games$'
ctl import-crontab "$scratch/other/mine"
out "without it, the calling user" "^User=$(id -un)\$"
ctl import-crontab -u "$(printf '%0500d' 1)" "$scratch/other/mine"
ends 0 "a user with a long name"
out "which a job's name cuts" '^# cron-0{40,60}\.job$'
printf 'MAILTO=""\n0 0 * * * true\n' >"$scratch/crontabs/"$'a\nb'
ctl import-crontab "$scratch/crontabs/"$'a\nb'
ends 1 "a file whose name would end a comment"
ctl import-crontab -u no/body
ends 1 "no user"
ctl import-crontab --system
[ "$status" -le 1 ]
ok $? "the system"
ctl import-crontab --system "$scratch/other/mine"
ends 2 "the system and a file"
ctl import-crontab
ends 2 "nothing"
ctl import-crontab "$scratch/nothing"
ends 1 "a file that is not there"
err "says so" "^Cannot read $scratch/nothing: No such file or directory\.$"
ctl import-crontab "$scratch/started"
err "a FIFO is not waited for" "^Cannot read $scratch/started: It is not a regular file\.\$"
{ printf '0 0 * * * '; head -c 100000 /dev/zero | tr '\0' x; echo; } >"$table"
ctl import-crontab "$table"
ends 1 "a long line"
for ((i = 0; i < 1100; i++)); do echo "0 0 * * * true"; done >"$table"
ctl import-crontab "$table"
err "too many jobs" 'There are more than 1000 jobs'
head -c 200000 /dev/urandom >"$table"
ctl import-crontab "$table"
[ "$status" -le 1 ]
ok $? "noise"

# --- when they run ---

mkdir "$scratch/written"
cp "${0%/*}/crontab-of-all-kinds" "$scratch/crontabs/root"
ctl import-crontab --output="$scratch/written" "$scratch/crontabs/root"
[ "$(find "$scratch/written" -name '*.job' | wc -l)" = "$(grep -cE '^[0-9*@]' "$scratch/crontabs/root")" ]
ok $? "a job for each line"
ctl check "$scratch"/written/*.job
ends 0 "check of the files that were written"
n=0
while IFS='|' read -r _ line schedule zone theirs; do
        job=$(grep -lxF "# From $scratch/crontabs/root, line $line." "$scratch"/written/*.job)
        ours=$(sed -n 's/^OnCron=//p' "$job")
        our_zone=$(sed -n 's/^TimeZone=//p' "$job")
        ctl --json calendar --cron -n 50 --from="2027-02-25 11:00" --timezone="${our_zone:-UTC}" "$ours"
        [ "${our_zone:-UTC}" = "$zone" ] &&
                [ "$(sed -n 's/.*"elapses_usec":\[\([^]]*\)\].*/\1,/; s/000000,/ /g; s/ $//p' "$scratch/out")" = "$theirs" ]
        ok $? "the next 50 elapses of $schedule"
        n=$((n + 1))
done < <(python3 "${0%/*}/cron-model.py" "$scratch/crontabs/root")
[ "$n" -ge 40 ]
ok $? "$n lines"

# Over a change of the clock, all lines at once, but for those whose step the import takes away. The clock of Lord Howe
# goes forward and back by half an hour.
sed -E '/^CRON_TZ=/,$d; /(^|[ ,])[0-9]+\//d' "$scratch/crontabs/root" >"$scratch/local"
mapfile -t schedules < <(sed -nE 's/ true$//p' "$scratch/local")
while read -r zone date; do
        python3 "${0%/*}/cron-model.py" --zone="$zone" --from="$date" "$scratch/local" | cut -d'|' -f5 >"$scratch/theirs"
        ctl --json calendar --cron -n 50 --from="$date 11:00" --timezone="$zone" "${schedules[@]}"
        [ "$(wc -l <"$scratch/theirs")" = "${#schedules[@]}" ] &&
                sed -n '/elapses_usec/{s/.*"elapses_usec":\[\([^]]*\)\].*/\1,/; s/000000,/ /g; s/ $//; p}' "$scratch/out" | cmp -s - "$scratch/theirs"
        ok $? "the next 50 elapses of ${#schedules[@]} lines in $zone after $date"
done <<END
Europe/Oslo 2027-03-27
Europe/Oslo 2027-10-30
America/New_York 2027-03-13
America/New_York 2027-11-06
Australia/Lord_Howe 2027-10-02
Australia/Lord_Howe 2027-04-03
END
echo "1..$number"
