#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Jobs with [Clean], and vakt-clean by hand: full file systems, hostile trees, and what is left when it is killed.

. "$(dirname "$0")/lib.sh"

readonly CLEAN=${VAKT_CLEAN:-/usr/lib/vaktd/vakt-clean} TREE=/srv/clean
readonly FULL=${VAKT_TEST_FULL:+60}
readonly ATTACK_SECONDS=${FULL:-6}
tools=$(dirname "${BASH_SOURCE[0]}")
readonly tools

fresh_tree() {
        { local -; set +x; } 2>/dev/null
        mountpoint -q $TREE && umount $TREE
        rm -rf $TREE
        mkdir -p $TREE
}

old_file() { # FILE [DAYS]
        { local -; set +x; } 2>/dev/null
        mkdir -p "$(dirname "$1")"
        echo x >"$1"
        touch -h -d "${2-20} days ago" "$1"
}

# All that is there, with a dot for each directory.
listing() {
        (cd "$1" && find . -printf '%y %P\n' | sort)
}

test_a_job_that_cleans() {
        local id
        fresh_tree
        old_file $TREE/old
        old_file $TREE/new 0
        job clean <<END
[Clean]
Path=$TREE
MaxAge=10d
AgeBy=modify
END
        systemctl start vaktd
        id=$(ask clean)
        within 60 is_done "$id"
        same "success 0" "$(outcome "$id")"
        [ ! -e $TREE/old ]
        [ -e $TREE/new ]
        run_output "$id" | shows -F "removed $TREE/old: is older than MaxAge="
        same "1 4096" "$(run_property "$id" Files BytesFreed | xargs)"
}

free_percent() {
        df --output=avail,size $TREE | awk 'NR == 2 { print int($1 * 100 / $2) }'
}

test_a_full_file_system() {
        local holder i
        fresh_tree
        mount -t tmpfs -o size=12M,mode=0755 clean $TREE
        mkdir $TREE/a $TREE/b
        for ((i = 0; i < 200; i++)); do
                head -c 65536 /dev/zero >$TREE/a/$i 2>/dev/null || true
                touch -d "$((300 - i)) days ago" $TREE/a/$i
        done
        same 0 "$(free_percent)"
        sleep infinity 3<$TREE/a/2 &
        holder=$!
        exec 4<$TREE/a/1
        flock -s 4
        job full <<END
[Clean]
Path=$TREE/*
Exclude=0
UntilFree=30%
AgeBy=modify
KeepOpen=yes
END
        systemctl start vaktd
        vaktctl run --wait full
        kill $holder
        exec 4<&-
        same 30 "$(free_percent)"
        # Oldest first: a prefix is gone, but for what is excluded, locked or open.
        [ -e $TREE/a/0 ]
        [ -e $TREE/a/1 ]
        [ -e $TREE/a/2 ]
        [ ! -e $TREE/a/3 ]
        for ((i = 4; i < 200; i++)); do
                [ ! -e $TREE/a/$i ] || [ -e $TREE/a/$((i + 1)) ] || [ $i = 199 ]
        done
        umount $TREE
}

test_a_plan_is_what_is_done() {
        local keys=("Path=$TREE" MaxAge=10d AgeBy=modify Exclude=keep EmptyDirectories=yes)
        fresh_tree
        old_file $TREE/a/1
        old_file $TREE/a/keep
        old_file $TREE/b/2
        old_file $TREE/b/c/3
        ln $TREE/b/2 $TREE/b/again
        old_file "$TREE/-rf"
        old_file "$TREE/two
lines"
        mkfifo $TREE/fifo
        touch -d '20 days ago' $TREE/fifo
        "$CLEAN" --plan "${keys[@]}" >/tmp/plan
        "$CLEAN" "${keys[@]}" >/tmp/done
        diff <(sed -n 's/^remove /removed /p' /tmp/plan | sort) <(sed -n '/^removed /p' /tmp/done | sort)
        shows -F 'removed /srv/clean/two\x0Alines: ' </tmp/done
        same "d 
d a
f a/keep" "$(listing $TREE)"
        "$CLEAN" --plan --json "${keys[@]}" | python3 -c 'import json, sys; assert json.load(sys.stdin)'
        same 64 "$("$CLEAN" Path=/ MaxAge=1d >/dev/null 2>&1; echo $?)"
        same 64 "$("$CLEAN" Path=$TREE >/dev/null 2>&1; echo $?)"
}

outside_is_whole() { # WHAT IT WAS
        diff "$1" <(listing $TREE/outside)
}

# As root against ordinary users who swap what it looks at for links that lead out. Each rule works in its own way.
test_swaps() {
        local rules=("MaxAge=10d" "MaxCount=0" "MaxAge=10d EmptyDirectories=yes" "MaxCount=2 EmptyDirectories=yes")
        # Every other run with a pause before each call that has a name, in which there is time for an exchange.
        local slow=(strace -qq -o /dev/null -e 'trace=openat,openat2,unlinkat,statx'
                -e 'inject=openat,openat2,unlinkat,statx:delay_enter=200')
        local attackers=() runs=0 removed=0 replaced=0 n
        fresh_tree
        mount -t tmpfs -o mode=0755 clean $TREE # on one file system, or that alone would keep them apart
        mkdir -m 1777 $TREE/shared
        install -d -o 54321 -g 54321 $TREE/user $TREE/outside $TREE/outside/sub
        chown root:root $TREE/outside{,/sub}
        for n in 0 1 2 3; do
                old_file $TREE/outside/file$n
                old_file $TREE/outside/sub/file$n
        done
        listing $TREE/outside >/tmp/outside
        "$tools/swap-clean.py" 54321 $TREE/user $TREE/outside "$ATTACK_SECONDS" >/tmp/swaps-1 &
        attackers+=($!)
        "$tools/swap-clean.py" 54321 $TREE/shared $TREE/outside "$ATTACK_SECONDS" >/tmp/swaps-2 &
        attackers+=($!)
        "$tools/swap-clean.py" 54322 $TREE/shared $TREE/outside "$ATTACK_SECONDS" >/tmp/swaps-3 &
        attackers+=($!)
        { set +x; } 2>/dev/null
        while kill -0 "${attackers[0]}" 2>/dev/null; do
                # shellcheck disable=SC2086
                "${slow[@]:0:runs % 2 * 8}" "$CLEAN" Path=$TREE/shared Path=$TREE/user AgeBy=modify \
                        ${rules[runs / 2 % 4]} >/tmp/done || [ $? = 1 ]
                n=$(grep -c ^removed /tmp/done || true)
                removed=$((removed + n))
                n=$(grep -c 'was replaced meanwhile' /tmp/done || true)
                replaced=$((replaced + n))
                runs=$((runs + 1))
        done
        set -x
        wait "${attackers[@]}"
        [ "$(cat /tmp/swaps-1)" -gt 100 ]
        [ "$runs" -gt 4 ]
        [ "$removed" -gt 10 ]
        [ "$replaced" -gt 0 ]
        outside_is_whole /tmp/outside
        umount $TREE
}

test_a_directory_that_grows() {
        local pid
        fresh_tree
        (
                set +x
                i=0
                while :; do
                        : >$TREE/$i
                        i=$((i + 1))
                done
        ) &
        pid=$!
        within 20 test -e $TREE/1000
        timeout 60 "$CLEAN" Path=$TREE MaxAge=0 AgeBy=modify >/tmp/done
        timeout 60 "$CLEAN" Path=$TREE MaxCount=0 AgeBy=modify >/tmp/done
        kill $pid
}

make_kill_tree() {
        { local -; set +x; } 2>/dev/null
        fresh_tree
        old_file $TREE/a/1 30
        old_file $TREE/a/b/2 29
        old_file $TREE/a/keep
        old_file $TREE/a/new 0
        old_file $TREE/user/3 28
        ln -s $TREE-outside $TREE/a/link
        touch -h -d '20 days ago' $TREE/a/link
        chown -R 54321:54321 $TREE/user
}

# Whatever happened before: what has to stay is there, and the next run ends as if nothing had been.
check_kill_tree() { # RULE…
        { local -; set +x; } 2>/dev/null
        [ -e $TREE/a/keep ] && [ -e $TREE/a/new ] && [ -e $TREE-outside/file ] &&
                "$CLEAN" Path=$TREE AgeBy=modify Exclude=keep "$@" >/dev/null &&
                [ "$(find $TREE ! -type d | sort | tr '\n' ' ')" = "$TREE/a/keep $TREE/a/new " ]
}

test_killed_anywhere() {
        local rule call n status points=0
        old_file $TREE-outside/file
        for rule in MaxAge=10d MaxCount=1; do
                for call in openat openat2 newfstatat statx getdents64 flock unlinkat close write setgroups setfsuid; do
                        for ((n = 1; n < 500; n++)); do
                                { set +x; } 2>/dev/null
                                make_kill_tree
                                status=0
                                strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n \
                                        "$CLEAN" Path=$TREE AgeBy=modify Exclude=keep EmptyDirectories=yes $rule \
                                        >/dev/null 2>&1 || status=$?
                                check_kill_tree $rule || { echo "killed at $call $n with $rule"; false; }
                                [ $status != 0 ] || break
                                points=$((points + 1))
                        done
                        set -x
                        [ $status = 0 ]
                done
        done
        [ $points -gt 50 ]
        rm -rf $TREE-outside
}

# Twenty files of 64 KiB and one that is excluded on 2 MiB, number 1 the oldest; nine have to go for UntilFree=60%.
make_full_tree() {
        { local -; set +x; } 2>/dev/null
        local i
        mountpoint -q $TREE || {
                fresh_tree
                mount -t tmpfs -o size=2M,mode=0755 clean $TREE
                rm -rf $TREE-full
                mkdir -p $TREE-full/a/b $TREE-full/user
                for ((i = 0; i <= 20; i++)); do
                        head -c 65536 /dev/zero >$TREE-full/$i
                        touch -d "$((100 - i)) days ago" $TREE-full/$i
                done
                mv $TREE-full/0 $TREE-full/a/keep
                mv $TREE-full/[1-6] $TREE-full/a
                mv $TREE-full/[789] $TREE-full/1? $TREE-full/a/b
                mv $TREE-full/20 $TREE-full/a
                mv $TREE-full/a/[56] $TREE-full/user
                chown -R 54321:54321 $TREE-full/user
        }
        rm -rf $TREE/*
        cp -a $TREE-full/. $TREE
}

files_left() {
        find $TREE -type f -printf '%f\n' | sort -n | xargs
}

make_room() { # COMMAND that it is run by…
        "$@" "$CLEAN" Path=$TREE AgeBy=modify Exclude=keep UntilFree=60% KeepMin=3 >/dev/null 2>&1
}

# Whatever happened before: never more than necessary is gone, the oldest first, and the next run makes room.
check_room() { # "killed" or "failed"
        { local -; set +x; } 2>/dev/null
        local left
        left=$(files_left)
        if [ "$1" = killed ]; then
                [[ " $(seq -s' ' 20) " = *" ${left#keep }"* && "$left" = "keep "*"10 11 12 13 14 15 16 17 18 19 20" ]] ||
                        { echo "left: $left"; return 1; }
        fi
        make_room || return 1
        left=$(files_left)
        if [ "$1" = killed ]; then
                same "keep $(seq -s" " 10 20)" "$left"
        else
                [[ "$left" = "keep "*" 18 19 20" && $(wc -w <<<"$left") = 12 ]] || { echo "left: $left"; return 1; }
        fi
}

test_killed_and_failing_while_it_makes_room() {
        local call n status injected points=0
        make_full_tree
        make_room
        check_room killed
        for call in openat openat2 newfstatat statx getdents64 flock unlinkat fstatfs statfs fcntl close write setfsuid; do
                for injected in signal=KILL error=EIO; do
                        [ "$call $injected" != "close error=EIO" ] || continue
                        for ((n = 1; n < 500; n++)); do
                                { set +x; } 2>/dev/null
                                # Errors while the program is loaded are nobody's business, and close(2) closes all the same.
                                [ $injected = signal=KILL ] || [[ ! $call =~ ^(openat|newfstatat|fcntl)$ || $n -gt 12 ]] || continue
                                make_full_tree
                                status=0
                                make_room strace -qq -o /tmp/trace -e trace=$call -e inject=$call:$injected:when=$n || status=$?
                                # Who says that all is well has made room.
                                if [ $status = 0 ] && [ "$(free_percent)" -lt 60 ]; then
                                        echo "$call $n $injected: no room, and no word of it"
                                        false
                                fi
                                if [ $injected = signal=KILL ]; then
                                        check_room killed
                                else
                                        check_room failed
                                fi || { echo "at $call $n $injected"; false; }
                                shows -E 'INJECTED|killed by' </tmp/trace || break
                                points=$((points + 1))
                        done
                        set -x
                        [ "$n" -lt 500 ]
                done
        done
        [ $points -gt 100 ]
        echo "# figure: calls at which it was killed or that failed: $points"
        # With too little that may go, the floor of the rule is what stays.
        make_full_tree
        fails "$CLEAN" Path=$TREE AgeBy=modify Exclude=keep UntilFree=95% KeepMin=3
        same "keep 18 19 20" "$(files_left)"
        umount $TREE
        rm -rf $TREE-full
}

# Both clean the same place at once, and both respect the same locks.
test_beside_systemd_tmpfiles() {
        local i pid
        fresh_tree
        for ((i = 0; i < 500; i++)); do
                old_file $TREE/d$((i % 20))/$i
        done
        exec 4<$TREE/d3
        flock -s 4
        echo "d $TREE 0755 root root m:10d" >/tmp/tmpfiles.conf
        systemd-tmpfiles --clean /tmp/tmpfiles.conf &
        pid=$!
        "$CLEAN" Path=$TREE AgeBy=modify MaxAge=10d >/tmp/done
        wait $pid
        exec 4<&-
        [ -e $TREE/d3/3 ]
        "$CLEAN" Path=$TREE AgeBy=modify MaxAge=10d >/tmp/done
        same "" "$(find $TREE -type f)"
}

run_tests
