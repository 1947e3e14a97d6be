#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The crontabs and scripts of Debian packages, imported: the jobs elapse when cron would start the entries, and a run
# gets and does what it gets and does of cron itself. The packages are downloaded here, where there is a network, and
# only their crontabs, and cron, get into the box. It runs itself inside.
#
#   outside-import-crontab.sh NAME     NAME is a box that is up (tests/system/box)

set -uo pipefail

readonly TOP=/opt/import-crontab
readonly PACKAGES=(acct amavisd-new anacron approx apt-listbugs apt-show-versions aptitude atop awstats backupninja cacti
        calendar certbot checksecurity chkrootkit cron-apt cron-daemon-common debsums dlocate dma dpkg e2fsprogs
        etckeeper exim4-base fcheck inn2 john leafnode locate logcheck logrotate mailman3 man-db mdadm mlmmj munin
        munin-node ntpsec ocsinventory-agent php-common plocate popularity-contest quota rkhunter roundcube-core
        rsnapshot sa-exim slrnpull spamassassin sysstat tiger tripwire webalizer)
readonly AT_LEAST=30 # packages

# shellcheck source=tests/system/import-lib.sh
. "$(dirname "$0")/import-lib.sh"

# --- outside ---

download() {
        local deb n=0
        fetch cron "${PACKAGES[@]}" || return
        for deb in *.deb; do
                dpkg-deb --fsys-tarfile "$deb" | tar -x --wildcards './etc/cron.*/*' './etc/crontab' './etc/anacrontab' \
                        './etc/pam.d/cron' './usr/sbin/cron' './usr/sbin/anacron' 2>/dev/null
                dpkg-deb --fsys-tarfile "$deb" | tar -t | grep -E '^\./etc/(cron\.[a-z]*/[^.]|crontab|anacrontab)' >/dev/null && n=$((n + 1))
        done
        rm -f ./*.deb
        echo $n >packages
        [ $n -ge $AT_LEAST ]
}

# --- inside: times ---

# JOB: its file and line, schedule and zone.
schedules() { # DIRECTORY
        local job
        for job in "$1"/*.job; do
                sed -nE 's/^# From (.*), line ([0-9]+)\.$/\1|\2/p; s/^OnCron=([^@].*|@[^r].*)$/\1/p' "$job" | paste -sd'|'
        done | grep '|.*|'
}

# As cron-model.py prints it, by vaktctl.
elapses() { # ZONE DATE
        local lines schedules
        mapfile -t lines <"$TOP/schedules"
        mapfile -t schedules < <(cut -d'|' -f3 "$TOP/schedules")
        vaktctl --json calendar --cron -n 50 --from="$2 11:00" --timezone="$1" "${schedules[@]}" |
                sed -n '/elapses_usec/{s/.*"elapses_usec":\[\([^]]*\)\].*/\1,/; s/000000,/ /g; s/ $//; p}' |
                paste -d'|' <(printf '%s\n' "${lines[@]/%/|$1}") -
}

test_jobs_elapse_when_cron_would_start_them() {
        local zone date files
        mapfile -t files < <(find $TOP/etc/cron.d -type f; echo $TOP/etc/crontab)
        mkdir $TOP/jobs
        vaktctl import-crontab --output=$TOP/jobs $TOP/etc/cron.d $TOP/etc/crontab || true # remarks
        vaktctl check $TOP/jobs/*.job
        schedules $TOP/jobs >$TOP/schedules
        # all but @reboot have become a job
        same "$(cat "${files[@]}" | grep -cE '^[-0-9*@]')" \
                "$(($(wc -l <$TOP/schedules) + $(cat "${files[@]}" | grep -c '^@reboot')))"
        for zone in UTC Europe/Oslo Australia/Lord_Howe; do
                for date in 2027-02-25 2027-03-27 2027-04-03 2027-10-30; do
                        python3 $TOP/cron-model.py --zone=$zone --from=$date "${files[@]}" | sort >$TOP/theirs
                        elapses $zone $date | sort >$TOP/ours
                        diff $TOP/theirs $TOP/ours
                done
        done
        echo "# figure: $(cat $TOP/packages) packages, $(wc -l <$TOP/schedules) entries, 12 times 50 elapses of each"
}

# --- inside: runs ---

# What a run gets, into the directory of the one who starts it. It leaves standard input to the command.
make_probe() {
        cat >$TOP/probe <<'END'
#!/bin/sh
{ echo "id=$(id)"; echo "directory=$(pwd)"; echo "umask=$(umask)"; echo "nice=$(nice)"; env | sort; } >"/opt/import-crontab/$(cat /opt/import-crontab/who)/$1" 2>&1
END
        cat >/usr/sbin/sendmail <<'END'
#!/bin/sh
cat >"$(mktemp "/opt/import-crontab/$(cat /opt/import-crontab/who)/mail.XXXXXX")"
END
        chmod 755 $TOP/probe /usr/sbin/sendmail
        mkdir -m 1777 $TOP/cron $TOP/vakt
}

# The entries of packages, each minute, with a probe in front. Their output is mailed.
probe_entries() {
        local file
        for file in $TOP/etc/cron.d/* $TOP/etc/crontab; do
                awk -v file="${file##*/}" 'BEGIN { print "MAILTO=ops@example.org" }
                        /^MAILTO=/ { next }
                        /^(@[a-z]+|[-0-9*])/ {
                                n = /^@/ ? 1 : 5
                                for (i = 0; i < n; i++) sub(/^[^ \t]+[ \t]+/, "")
                                user = $1
                                sub(/^[^ \t]+[ \t]+/, "")
                                print "* * * * *", user, "/opt/import-crontab/probe " file "." NR "; " $0
                                next
                        }
                        { print }' "$file" >"/etc/cron.d/vakt-${file##*/}"
        done
        # those that wait, fetch, or look through all files
        sed -i -E '/(mdcheck|e2scrub|anacron|run-parts|checkarray|dma -q)/s/(probe [^;]*); .*/\1/' /etc/cron.d/vakt-*
}

# What entries can be made of, to be compared as well: quotes, per cent signs, variables, shells, users, results.
kinds_of_entries() {
        cat >/etc/cron.d/vakt-kinds <<'END'
MAILTO=ops@example.org
PLAIN=one
  SPACED  =  two words  
QUOTED=" a  'b'"
SINGLE='c "d"'
DOLLAR=$PLAIN
HASH=a # b
EMPTY=""
* * * * * root /opt/import-crontab/probe kinds.1; echo 1 "$PLAIN|$SPACED|$QUOTED|$SINGLE|$DOLLAR|$HASH|$EMPTY"
* * * * * root echo 2 plain words
* * * * * root echo '3 single $HOME'
* * * * * root echo "4 double $HOME $LOGNAME"
* * * * * root echo 5 back\\slash \$HOME \"q\" \ x
* * * * * root echo 6 per \% cent \%\%
* * * * * root cat%7 from input%second line%
* * * * * root tr ' ' _%8 with \% and \n and  blanks  
* * * * * root cat; echo 9 no input
* * * * * root echo 10; exit 3
* * * * * root echo 11 >&2
* * * * * root echo 12 one; echo two >&2; echo three
* * * * * root true
* * * * * root echo 14 | tr 1 x
* * * * * root (cd /tmp && echo 15 `pwd` $(pwd))
* * * * * root for i in a b; do echo 16 $i; done
* * * * * root if [ -d / ]; then echo 17; else echo no; fi
* * * * * root FOO=bar sh -c 'echo 18 $FOO'
* * * * * root echo 19 $((1+2)) ${HOME:-x} ${NOTHING:-y}
* * * * * root echo 20 * | wc -w | tr -dc '0-9\n' | sed 's/.*/20 files/'
* * * * * root printf '21\ttab\n'
* * * * * root echo 22 # no comment for cron
* * * * * root echo 23; kill -TERM $$
* * * * * root no-such-program-24
* * * * * root echo "25 umask $(umask)"
* * * * * root echo "26 tty $(tty)"
* * * * * root echo "27 $0 $#"
* * * * *	daemon	echo 28 $(id -un) $(pwd) $HOME $SHELL $PATH
* * * * * games /opt/import-crontab/probe kinds.29; echo 29 $(id -un) $(pwd)
*/1 0-23 1-31 1-12 0-7 www-data /opt/import-crontab/probe kinds.30; echo 30 $(id -Gn)
SHELL=/bin/bash
* * * * * root [[ 31 == 3* ]] && echo 31 ${BASH_VERSION:+bash} {a,b}
* * * * * root echo 32 $'a\'b' "$0"
* * * * * root cat <<<"33 $((0x10))"%ignored
HOME=/tmp
* * * * * root /opt/import-crontab/probe kinds.34; echo 34 $PWD ~
* * * * * daemon /opt/import-crontab/probe kinds.35; echo 35 $PWD ~
PATH=/opt/import-crontab:/bin:/usr/bin
* * * * * root probe kinds.36; echo 36 $PATH
SHELL=/bin/sh
HOME=/no/such/directory
* * * * * root echo 37 $HOME
HOME=/tmp
MAILTO=other@example.org
* * * * * root echo 38 to another
MAILTO=""
* * * * * root /opt/import-crontab/probe kinds.39; echo 39 nobody reads this
MAILTO=ops@example.org
* * * * * root printf 40
* * * * * root printf '41 æøå\n  indented\n'
* * * * * root echo 42 ö; echo -- -n
END
        chmod 644 /etc/cron.d/vakt-*
}

add_users() {
        local name
        for name in $(sed -nE 's/^[-*@0-9][^A-Za-z]*([A-Za-z][A-Za-z0-9_-]*)[ \t].*/\1/p' /etc/cron.d/vakt-* | sort -u); do
                getent passwd "$name" >/dev/null || useradd --badname -r "$name"
                mkdir -p "$(getent passwd "$name" | cut -d: -f6)" # without a home, the two differ
        done
}

cron_is_through() {
        [ "$(find $TOP/cron -name '*.*' ! -name 'mail.*' | wc -l)" = "$(cat /etc/cron.d/vakt-* | grep -cE '^[*].*probe [a-z]')" ] &&
                grep -l '^42 ö' $TOP/cron/mail.* && grep -l '^no-such\|no-such-program-24' $TOP/cron/mail.*
}

vakt_is_through() {
        [ "$(find $TOP/vakt -name 'mail.*' | wc -l)" -ge "$1" ] && [ -z "$(vaktctl --json list | grep -o '"running":[1-9]')" ]
}

# The mails of one: to whom, and what is in them.
mails() { # WHO
        python3 - "$TOP/$1" <<'END'
import glob, sys
found = set()
for path in glob.glob(sys.argv[1] + "/mail.*"):
    head, _, body = open(path, encoding="utf-8").read().partition("\n\n")
    to = next(l for l in head.splitlines() if l.startswith("To: "))
    found.add(to + "\n" + body.rstrip("\n"))
print("\n--\n".join(sorted(found)))
END
}

# All that cron gives is there, and what is more is of the service manager and of vaktd.
compare_records() {
        python3 - $TOP <<'END'
import glob, os, re, sys
top, bad, n = sys.argv[1], 0, 0
more = re.compile(r"(VAKT_\w+|USER|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|MEMORY_PRESSURE_\w+|NOTIFY_SOCKET|CREDENTIALS_DIRECTORY|LANG|OLDPWD)=|umask=0022")
for path in glob.glob(top + "/cron/*.*"):
    name = os.path.basename(path)
    if name.startswith("mail."):
        continue
    theirs, ours = (set(open(f"{top}/{who}/{name}").read().splitlines()) for who in ("cron", "vakt"))
    n += 1
    for line in (l for l in theirs - ours if not l.startswith(("OLDPWD=", "umask=0002"))):  # of "cd /", and of PAM in Debian 13
        bad += 1
        print(f"{name}: of cron only: {line}")
    for line in ours - theirs:
        if not more.match(line):
            bad += 1
            print(f"{name}: of vaktd only: {line}")
print(f"# figure: the environment of {n} entries compared")
sys.exit(bad > 0)
END
}

run_by_cron() {
        mkdir -p /var/spool/cron/crontabs
        cp $TOP/etc/pam.d/cron /etc/pam.d/
        echo cron >$TOP/who
        systemd-run --quiet --unit=vakt-test-cron --property=KillMode=process $TOP/usr/sbin/cron -f
        within 150 cron_is_through
        systemctl stop vakt-test-cron
        within 60 fails pgrep -x cron # its children send mails
}

run_by_vaktd() {
        local job
        echo vakt >$TOP/who
        vaktctl import-crontab --output="$JOBS" /etc/cron.d || true # remarks
        rm /etc/cron.d/vakt-*
        systemctl start vaktd
        for job in "$JOBS"/cron-vakt-*.job; do
                vaktctl --quiet run --wait "$(basename "$job" .job)" || true # some fail, as they should
        done
        within 60 vakt_is_through "$1"
}

test_runs_get_and_do_what_they_do_of_cron() {
        rm -rf /etc/cron.d
        mkdir -p /etc/cron.d
        make_probe
        probe_entries
        kinds_of_entries
        add_users
        run_by_cron
        mails cron >$TOP/mails-cron
        run_by_vaktd "$(grep -c '^To: ' $TOP/mails-cron)"
        mails vakt >$TOP/mails-vakt
        compare_records
        diff $TOP/mails-cron $TOP/mails-vakt
        echo "# figure: $(grep -c '^To: ' $TOP/mails-cron) mails compared"
        rm /usr/sbin/sendmail
}

# --- inside: scripts ---

# By run-parts, as the line of /etc/crontab has it, and by jobs; what each script gets is compared.
test_scripts_get_what_run_parts_gives_them() {
        local directory script job
        rm -rf $TOP/cron $TOP/vakt /etc/cron.daily /etc/cron.weekly /etc/cron.monthly
        mkdir -m 1777 $TOP/cron $TOP/vakt
        for directory in daily weekly monthly; do
                cp -r $TOP/etc/cron.$directory /etc/
                for script in /etc/cron."$directory"/*; do
                        printf '#!/bin/sh\nexec %s/probe %s.%s\n' $TOP "$directory" "${script##*/}" >"$script"
                        chmod 755 "$script"
                done
        done
        echo cron >$TOP/who
        for directory in daily weekly monthly; do
                env -i HOME=/root LOGNAME=root SHELL=/bin/sh PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin \
                        sh -c "cd / && run-parts --report /etc/cron.$directory" </dev/null
        done
        echo vakt >$TOP/who
        vaktctl import-crontab --output="$JOBS" /etc/cron.daily /etc/cron.weekly /etc/cron.monthly || true # remarks
        systemctl start vaktd
        for job in "$JOBS"/*.job; do
                vaktctl --quiet run --wait "$(basename "$job" .job)"
        done
        same "$(ls $TOP/cron)" "$(ls $TOP/vakt)"
        compare_records
        rm -rf /etc/cron.daily /etc/cron.weekly /etc/cron.monthly
}

if [ "$1" != --inside ]; then
        outside "$1" "imported jobs do what cron does" "$(dirname "$0")/../daemon/cron-model.py"
else
        # shellcheck source=tests/system/lib.sh
        . "$(dirname "$0")/lib.sh"
        run_tests
fi
