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

run_tests
