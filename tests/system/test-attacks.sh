#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Ordinary users, in the service as it is installed, who want more than they may: user1 attacks, user2 and root own what
# is to be got at. Each attack goes on for VAKT_ATTACK_SECONDS.

. "$(dirname "$0")/lib.sh"

readonly SECONDS_EACH=${VAKT_ATTACK_SECONDS:-6}
readonly HOME1=/home/user1 HOME2=/home/user2

as() { # USER COMMAND…
        local user=$1
        shift
        setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
}

attack() { # WHAT HOME TARGET
        as user1 python3 "$(dirname "$0")/attack.py" "$1" "$SECONDS_EACH" "$2" "$3" | sed 's/^/# figure: rounds of the attack: /'
}

# What must not change, whatever user1 does: everything that is root's or user2's, by name, owner, mode and content.
secrets() {
        find /root -maxdepth 1 -printf '%p %u %m %y %l\n' | sort
        find $HOME2 /etc/shadow /etc/passwd $HOME1/other -printf '%p %u %m %y %l\n' | sort
        find $HOME2 $HOME1/other -type f -exec md5sum {} + | sort
        md5sum /etc/shadow /etc/passwd
}

make_users() {
        local user
        for user in user1 user2; do
                id -u $user >/dev/null 2>&1 || useradd -m $user
                rm -rf "/home/$user"
                install -d -o $user -g $user -m 755 /home/$user
        done
        install -d -o user2 -g user2 -m 700 $HOME2/private
        echo diary >$HOME2/private/diary
        chown user2: $HOME2/private/diary
        chmod 600 $HOME2/private/diary
        install -d -m 755 $HOME1/other
        echo roots >$HOME1/other/item
        install -d -o user1 -g user1 $HOME1/in $HOME1/done $HOME1/w
        rm -rf /srv/drop /srv/names
        install -d -m 1777 /srv/drop
}

nothing_was_got() {
        same "$before" "$(secrets)"
        fails grep -rs 'root:[^/]*:0:' /srv/names
}

test_the_spool_of_a_user_works() {
        make_users
        job own <<END
[Path]
Spool=$HOME1/in
SpoolDone=$HOME1/done
[Run]
Shell=id -un >$HOME1/who
[Service]
User=user1
END
        systemctl start vaktd
        as user1 touch $HOME1/in/a
        within 60 test -e $HOME1/done/a
        same user1 "$(cat $HOME1/who)"
        same user1 "$(stat -c %U $HOME1/in/.vakt-own)"
        vaktctl status own
}

test_whose_runs_and_spool_do_not_fit_is_told() {
        make_users
        job roots <<END
[Path]
Spool=$HOME1/in
[Run]
Exec=/bin/cat \${VAKT_PATH}
END
        systemctl start vaktd
        as user1 touch $HOME1/in/a
        within 60 eval 'vaktctl status roots | shows "belongs to user1, who could redirect runs as root to other files: set User=user1"'
        test -e $HOME1/in/a
        vaktctl why roots | shows 'set User=user1'
        # It is mended without a reload.
        chown root: $HOME1 $HOME1/in
        within 60 eval '! test -e $HOME1/in/a'
        within 60 has_runs roots 1
}

# They have the user's number, and could all the same read what the user cannot.
test_runs_with_more_rights_do_not_fit() {
        make_users
        local setting
        for setting in Group=shadow SupplementaryGroups=shadow AmbientCapabilities=CAP_DAC_READ_SEARCH; do
                job more <<END
[Path]
Spool=$HOME1/in
[Run]
Exec=/bin/true
[Service]
User=user1
$setting
END
                systemctl start vaktd
                within 60 eval 'vaktctl status more | shows "belongs to user1, who could redirect runs as another user, or with more privileges,"'
                systemctl stop vaktd
        done
        job more <<END
[Path]
Spool=$HOME1/in
[Run]
Exec=/bin/true
[Service]
User=user1
Group=user1
END
        systemctl start vaktd
        as user1 touch $HOME1/in/a
        within 60 has_runs more 1
        # Nor when they get them later.
        echo SupplementaryGroups=shadow >>$JOBS/more.job
        systemctl reload vaktd
        within 60 eval 'vaktctl status more | shows "or with more privileges,"'
}

test_what_is_wrong_with_an_item_names_it_to_nobody() {
        make_users
        install -d -o user2 -g user2 -m 700 $HOME2/in
        job private <<END
[Path]
Spool=$HOME2/in
[Run]
Exec=/bin/true
[Service]
User=user2
END
        systemctl start vaktd
        within 60 test -d $HOME2/in/.vakt-private
        as user2 sh -c "exec 3>$HOME2/in/diagnosis; chmod 500 $HOME2/in; exec 3>&-"
        within 60 eval 'vaktctl status private | shows "cannot be moved"'
        fails eval 'as user1 vaktctl status private | shows diagnosis'
}

test_directories_are_swapped() {
        make_users
        job own <<END
[Path]
Spool=$HOME1/in
SpoolDone=$HOME1/done
[Run]
Exec=/bin/true
Retry=1
[Service]
User=user1
END
        systemctl start vaktd
        for target in /root $HOME2/private; do
                before=$(secrets)
                attack directories $HOME1 $target
                nothing_was_got
        done
        systemctl -q is-active vaktd
        # What a state directory has is not taken for a spool's.
        attack directories $HOME1 /var/lib/vaktd
        test -s /var/lib/vaktd/ledger.db
        # The attack leaves thousands of items that would come first.
        find $HOME1/in -maxdepth 1 -type f -delete
        as user1 touch $HOME1/in/last
        within 300 test -e $HOME1/done/last
}

test_items_are_swapped() {
        make_users
        job drop <<END
[Path]
Spool=/srv/drop
[Run]
Shell=stat -c %%F "\$VAKT_PATH" >>/srv/names; cat "\$VAKT_PATH" >>/srv/names
END
        systemctl start vaktd
        before=$(secrets)
        attack items /srv/drop /etc/shadow
        nothing_was_got
        within 60 eval '! test -f /srv/drop/item'
        fails grep -vE '^regular (empty )?file$' /srv/names
        echo "# figure: items taken: $(wc -l </srv/names)"
        systemctl -q is-active vaktd
}

test_the_claims_belong_to_somebody_else() {
        make_users
        as user1 mkdir /srv/drop/.vakt-drop
        job drop <<END
[Path]
Spool=/srv/drop
[Run]
Exec=/bin/true
END
        systemctl start vaktd
        as user1 touch /srv/drop/a
        within 60 eval 'vaktctl status drop | shows "/srv/drop/.vakt-drop belongs to user1 but must belong to root: move it away"'
        rmdir /srv/drop/.vakt-drop
        within 60 eval '! test -e /srv/drop/a'
        # And removed, it is made anew.
        within 60 rmdir /srv/drop/.vakt-drop # when the item of the last run is gone
        as user1 touch /srv/drop/b
        within 60 eval '! test -e /srv/drop/b'
}

test_directories_are_not_made_through_links() {
        make_users
        before=$(secrets)
        as user1 ln -s /root $HOME1/link
        job make <<END
[Path]
PathChanged=$HOME1/link/sub
MakeDirectory=yes
DirectoryMode=0777
[Run]
Exec=/bin/true
END
        job good <<END
[Path]
PathChanged=$HOME1/made/sub
MakeDirectory=yes
[Run]
Exec=/bin/true
[Service]
User=user1
END
        systemctl start vaktd
        within 60 test -d $HOME1/made/sub
        same user1 "$(stat -c %U $HOME1/made/sub)"
        nothing_was_got
        within 60 journal_has --grep 'link is a symbolic link that user1 can change'
}

test_names_of_others_are_not_told() {
        make_users
        job names <<END
[Path]
PathChanged=$HOME1/w
Recursive=yes
[Run]
Shell=cat >>$HOME1/names
[Service]
User=user1
END
        systemctl start vaktd
        attack watched $HOME1 $HOME2/private &
        local pid=$! n=0
        while kill -0 $pid 2>/dev/null; do
                as user2 touch $HOME2/private/letter-$((n % 50))
                n=$((n + 1))
        done
        wait $pid
        as user1 touch $HOME1/w/last
        within 60 grep -qz /w/last $HOME1/names
        fails grep -zE 'letter|diary' $HOME1/names
}

# So many files that looking at them, forgetting them or listing them in one go would take longer than the watchdog waits,
# and with paths so long that their names would fill the memory. Meanwhile others get answers.
test_many_files_do_not_keep_it_from_others() {
        local pid memory n=0
        make_users
        job many <<END
[Path]
PathChanged=$HOME1/w
Recursive=yes
Events=create close move delete attrib
SettleSec=1s
SettleMaxSec=3s
[Run]
Shell=grep -qzx $HOME1/w/last && touch $HOME1/seen; true
[Service]
User=user1
END
        job each <<END
[Path]
PathChanged=$HOME1/w
Batch=each
SettleSec=1s
[Run]
Exec=/bin/true
[Service]
User=user1
END
        drop_in 50-watchdog <<<$'[Service]\nWatchdogSec=10s'
        systemctl start vaktd
        pid=$(main_pid)
        attack many $HOME1 100000 &
        while kill -0 $! 2>/dev/null; do
                timeout 10 vaktctl list >/dev/null
                n=$((n + 1))
        done
        wait $!
        [ $n -gt 0 ]
        # What is there now is seen, whatever it took to get rid of the rest.
        rm $JOBS/each.job
        systemctl reload vaktd
        as user1 touch $HOME1/w/last
        within 120 test -e $HOME1/seen
        same "$pid" "$(main_pid)"
        same 0 "$(systemctl show -P NRestarts vaktd)"
        memory=$(awk '/^VmHWM:/ { print $2 }' "/proc/$pid/status")
        [ "$memory" -lt 1000000 ]
        echo "# figure: lists while the attack went on: $n; memory at most: $memory kB"
}

# --- upkeep ---

make_upkeep() {
        local dir name
        make_users
        rm -rf /root/logs
        install -d -m 755 /root/logs /root/logs/sub $HOME1/quiet $HOME1/far/away
        install -d -o user2 -g user2 $HOME2/logs $HOME2/logs/sub
        for dir in /root/logs $HOME2/logs; do
                for name in app.log second.log app.log.1 app.log.2.gz .app.log.vakt-new .app.log.vakt-tell file sub/app.log; do
                        seq 2000 >$dir/$name
                        touch -d '20 days ago' $dir/$name
                done
        done
        chown -R user2: $HOME2/logs
        seq 1000 >$HOME1/quiet/app.log
        seq 1000 >/srv/drop/root.log
        touch -d '20 days ago' $HOME1/far/away/old
        chown -R user1: $HOME1/quiet $HOME1/far
        job rotate <<END
[Rotate]
Path=$HOME1/log/*.log
Path=$HOME1/*/app.log
Path=/srv/drop/*.log
MaxSize=2K
Keep=3
Compress=gzip
END
        job cut <<END
[Rotate]
Path=$HOME1/log/*
Exclude=/srv
Mode=copytruncate
Compress=zstd
CompressDelay=1
Suffix=date
Keep=3
END
        job move <<END
[Rotate]
Path=$HOME1/log/second.log
OldDir=$HOME1/old
END
        job clean <<END
[Clean]
Path=$HOME1/cache
Path=$HOME1/far
Path=/srv/drop
MaxAge=10d
AgeBy=modify
EmptyDirectories=yes
KeepOpen=yes
END
        job few <<END
[Clean]
Path=$HOME1/log/*
Path=$HOME1/old
MaxCount=2
UntilInodesFree=1
END
}

# Runs of all jobs at once, as long as the attackers are there. A run may fail; it may not hang, nor may vaktd.
upkeep_goes_on() { # PID of an attacker
        { local -; set +x; } 2>/dev/null
        local n=0 status job pids
        while kill -0 "$1" 2>/dev/null; do
                pids=()
                for job in rotate cut move clean few; do
                        timeout 100 vaktctl run --wait $job >/dev/null 2>&1 &
                        pids+=($!)
                done
                timeout 10 vaktctl list >/dev/null || { echo "vaktd does not answer"; return 1; }
                for job in "${pids[@]}"; do
                        status=0
                        wait "$job" || status=$?
                        [ $status -lt 100 ] || { echo "a run hangs: $status"; return 1; }
                        n=$((n + 1))
                done
        done
        echo "# figure: runs during the attack: $n"
}

# What stat(1) says of them: sizes, times, owners, modes and numbers of names do not change, nor what is in them.
logs_of_others() {
        find /root/logs $HOME2/logs -printf '%p %s %T@ %u %m %n\n' | sort
        find /root/logs -type f -exec md5sum {} + | sort
}

content() { # OWNER LOG: what is in its copies of that user's, the oldest first, and in itself
        find "$(dirname "$2")" -maxdepth 1 -type f -user "$1" -regex "$2\.[0-9]+\(\.gz\)?" | sort -rV | xargs -r zcat -f
        cat "$2"
}

test_upkeep_of_root_in_directories_of_a_user() {
        local pid target attackers seconds=${VAKT_TEST_FULL:+60}
        make_upkeep
        before=$(secrets; logs_of_others)
        systemctl start vaktd
        pid=$(main_pid)
        for target in /root/logs $HOME2/logs; do
                as user1 python3 "$(dirname "$0")/attack.py" upkeep "${seconds:-5}" $HOME1 $target >/tmp/attack-1 &
                attackers=$!
                as user1 python3 "$(dirname "$0")/attack.py" upkeep "${seconds:-5}" /srv/drop $target >/tmp/attack-2 &
                upkeep_goes_on $attackers
                wait
                sed 's/^/# figure: rounds of the attack: /' /tmp/attack-1 /tmp/attack-2
                [ "$(cat /tmp/attack-1)" -gt 100 ]
        done
        { set +x; } 2>/dev/null
        same "$before" "$(secrets; logs_of_others)"
        set -x
        same "" "$(find $HOME1 -mindepth 1 -user root ! -path "$HOME1/other*")"
        same "$pid 0" "$(main_pid) $(systemctl show -P NRestarts vaktd)"
        # What is the user's own and intact was rotated and cleaned all the time, and is afterwards.
        cmp <(seq 1000) <(content user1 $HOME1/quiet/app.log)
        test -e $HOME1/quiet/app.log.1.gz
        fails test -e $HOME1/far/away
        cmp <(seq 1000) <(content root /srv/drop/root.log)
        rm -rf $HOME1/log $HOME1/cache
        as user1 sh -c "mkdir $HOME1/log $HOME1/cache; seq 3000 >$HOME1/log/app.log; touch -d '20 days ago' $HOME1/cache/old"
        within 60 test -e $HOME1/log/app.log.1.gz # by its size
        cmp <(seq 3000) <(zcat $HOME1/log/app.log.1.gz)
        vaktctl run --wait clean || true
        fails test -e $HOME1/cache/old
}

run_tests
