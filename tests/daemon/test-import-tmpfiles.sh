#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl import-tmpfiles: the jobs of lines with an age, what these spare, and what is said about the rest. Wants
# VAKTCTL_BIN.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

conf=$scratch/t.conf

# What becomes of lines: all [Clean] sections of the output without what is the same for all, and the remarks without
# their file.
becomes() { # LINES EXPECTED [REMARK]
        local remark=${3-}
        printf '%s\n' "$1" >"$conf"
        ctl import-tmpfiles "$conf"
        [ "$status" = "$([ -z "$remark" ] && echo 0 || echo 1)" ] &&
                [ "$(sed -n '/^\[Clean\]/,/^$/p' "$scratch/out" | grep -vxE 'EmptyDirectories=yes|AgeBy=access birth change modify|')" = "${2//|/$'\n'}" ] &&
                [ "$(sed -nE "s,^$conf:,,p" "$scratch/err" | cut -c "1-$((${#remark} > 0 ? ${#remark} : 999))")" = "$remark" ]
        ok $? "${1//$'\n'/; }"
}

becomes "" ""
becomes "d /t/a 0755 root root 10d -" "[Clean]|Path=/t/a|MaxAge=10d"
for type in D e v q Q C d! 'q+' 'd-' 'd='; do
        case $type in
        *!) becomes "$type /t/a - - - 1w" "" "1: The age counts at boot only. Write a job with OnBootSec= if /t/a" ;;
        *) becomes "$type /t/a - - - 1w" "[Clean]|Path=/t/a|MaxAge=1w" ;;
        esac
done
becomes $'# d /t - - - 1d\n\n  d /t/a\t- - - 0\r' "[Clean]|Path=/t/a|MaxAge=0"
becomes "d /t/a - - - 30" "[Clean]|Path=/t/a|MaxAge=30s"
becomes "d /t/a - - - -" ""
becomes "d /t/a" ""
becomes "f /t/a 0644 root root 5d" "" "1: The age of a line of type f has no effect."
becomes 'd "/t/a b" - - - 1d' "[Clean]|Path=/t/a b|MaxAge=1d"
becomes 'd "/t/a*[\\" - - - 1d' '[Clean]|Path=/t/a\*\[\\|MaxAge=1d'
becomes 'e /t/a*/[bc]/ - - - 1d' '[Clean]|Path=/t/a*/[bc]|MaxAge=1d'
becomes "d %T/%%t - - - 1d" "[Clean]|Path=/tmp/%%t|MaxAge=1d"
for pair in "V /var/tmp" "t /run" "S /var/lib" "C /var/cache" "L /var/log" "h /root"; do
        becomes "d %${pair% *}/x - - - 1d" "[Clean]|Path=${pair#* }/x|MaxAge=1d"
done
becomes "e /t/%b - - - 1d" "" "1: A specifier of the path is not known here."

# --- ages ---

becomes "d /t/a - - - 1d12h" "[Clean]|Path=/t/a|MaxAge=1d12h"
becomes "d /t/a - - - ~1d" "[Clean]|Path=/t/a/*/*|MaxAge=1d" "1: ~1d: What is directly in the directory stays"
becomes "d /t/a - - - m:1d" "[Clean]|Path=/t/a|AgeBy=modify|MaxAge=1d"
becomes "d /t/a - - - bmaBCM:1d" "[Clean]|Path=/t/a|AgeBy=access birth modify|MaxAge=1d"
becomes "d /t/a - - - ~am:1d" "[Clean]|Path=/t/a/*/*|AgeBy=access modify|MaxAge=1d" "1: ~am:1d: What is directly"
becomes "d /t/a - - - aM:1d" "[Clean]|Path=/t/a|AgeBy=access|MaxAge=1d" "1: An empty directory is as old as"
becomes $'d /t/a - - - m:1d\nX /t/a/b' "[Clean]|Path=/t/a|AgeBy=modify|MaxAge=1d|Exclude=/t/a/b|[Clean]|Path=/t/a/b|MaxAge=1d"
for age in soon M:1d ma: x:1d : '~' -5 '!1d'; do
        becomes "d /t/a - - - $age" "" "1: $age is no age of files."
done

# --- exclusions and groups ---

becomes $'d /t/a - - - 1d\nd /t/b - - - 1d\nd /t/c - - - 2d\nd /t/d - - - m:1d' \
        "[Clean]|Path=/t/a|Path=/t/b|MaxAge=1d|[Clean]|Path=/t/c|MaxAge=2d|[Clean]|Path=/t/d|AgeBy=modify|MaxAge=1d"
becomes $'d /t/a - - - 1d\nx /t/a/keep\nx /t/a/b*/%b-*\nL /t/a/l*nk - - - - /x\nr! /t/a/r*\nx /t/ab\nf /t/f' \
        '[Clean]|Path=/t/a|MaxAge=1d|Exclude=/t/a/keep|Exclude=/t/a/b*/*-*|Exclude=/t/a/l\*nk|Exclude=/t/a/r*' \
        "6: /t/ab is in no directory that is cleaned"
becomes $'d /t/a - - - 1d\nX /t/a/p-*\nx /t/a/p-*/x\nx /t/a/p-*/x' \
        "[Clean]|Path=/t/a|MaxAge=1d|Exclude=/t/a/p-*|Exclude=/t/a/p-*/x|[Clean]|Path=/t/a/p-*|MaxAge=1d|Exclude=/t/a/p-*/x"
becomes $'d /t/a - - - 1d\nd /t/a/b - - - 2d\nX /t/a/b/c\nX! /t/a/d' \
        "[Clean]|Path=/t/a|MaxAge=1d|Exclude=/t/a/b|Exclude=/t/a/b/c|Exclude=/t/a/d|[Clean]|Path=/t/a/b|MaxAge=2d|Exclude=/t/a/b/c|[Clean]|Path=/t/a/b/c|MaxAge=2d"
becomes $'e /t/*/z - - - 1d\nx /t/y/z/k\nx /t/*/z/l*\nx /t/y/y/k' \
        "[Clean]|Path=/t/*/z|MaxAge=1d|Exclude=/t/y/z/k|Exclude=/t/*/z/l*" "4: /t/y/y/k is in no directory"
becomes $'d /t/a - - - ~1d\nx /t/a/b' "" "1: /t/a/b cannot be spared with the age ~1d."
becomes $'d /t/y/z - - - 1d\nx /t/*/z/k' "[Clean]|Path=/t/y/z|MaxAge=1d|Exclude=/t/*/z/k"
becomes $'d /t/a - - - 1d\nd /t/a - - - 2d' "[Clean]|Path=/t/a|MaxAge=1d" "2: /t/a is already in $conf:1. Only that counts."
becomes "d /var/log - - - 1d" "" "1: This is no valid job: "

# --- what is wrong ---

becomes "d" "" "1: This is no line of tmpfiles.d(5)."
becomes "d relative - - - 1d" "" "1: This is no line of tmpfiles.d(5)."
becomes 'd "/t/a - - - 1d' "" "1: "
becomes 'd "/t/a\nb" - - - 1d' "" "1: This is no line of tmpfiles.d(5)."
becomes 'd /t/\q - - - 1d' "" "1: "

# --- files ---

mkdir -p "$scratch/etc" "$scratch/run" "$scratch/lib"
echo 'd /t/etc - - - 1d' >"$scratch/etc/b.conf"
echo 'd /t/hidden - - - 1d' >"$scratch/run/b.conf"
echo 'd /t/hidden - - - 1d' >"$scratch/lib/b.conf"
ln -s /dev/null "$scratch/etc/masked.conf"
echo 'd /t/hidden - - - 1d' >"$scratch/lib/masked.conf"
echo 'd /t/run - - - 1d' >"$scratch/run/a.conf"
printf 'd /t/lib - - - 3d\nx /t/etc/x\nf /t/f\n' >"$scratch/lib/z.conf"
echo 'd /t/no - - - 1d' >"$scratch/lib/z.conf.dpkg-old"
ctl import-tmpfiles "$scratch/etc" "$scratch/run" "$scratch/lib"
ends 0 "three directories"
[ "$(grep -E '^(Path|Exclude)|job$' "$scratch/out" | xargs)" = "# clean-a.job Path=/t/run # clean-b.job Path=/t/etc Exclude=/t/etc/x # clean-z.job Path=/t/lib" ]
ok $? "the first directory counts, in the order of the names: $(grep -E '^(Path|Exclude)|job$' "$scratch/out" | xargs)"
out "where it comes from" "^# From $scratch/run/a\.conf, line 1\.\$"
out "when it runs" '^OnInterval=1d$'
err "the rest" '^1 line without an age remains the business of systemd-tmpfiles'
ctl import-tmpfiles --output="$scratch/run" "$scratch/lib/z.conf" "$scratch/etc/b.conf"
ends 0 "files"
ctl check "$scratch"/run/*.job
ends 0 "check of the files that were written"
ctl --quiet import-tmpfiles
[ "$status" -le 1 ]
ok $? "without an argument"
ctl import-tmpfiles "$scratch/etc" "$scratch/nothing"
ends 1 "a file that is not there"
err "says so" "^Cannot read $scratch/nothing: No such file or directory\.$"
ctl import-tmpfiles "$scratch/started"
err "a FIFO is not waited for" "started: Cannot be read: It is not a regular file\.\$"
{ printf 'd /t/'; head -c 1000000 /dev/zero | tr '\0' x; echo ' - - - 1d'; } >"$conf"
ctl import-tmpfiles "$conf"
ends 1 "a line of a megabyte"
head -c 1100000 /dev/zero >"$conf"
ctl import-tmpfiles "$conf"
ends 1 "a file that is too large"
for ((i = 0; i < 4200; i++)); do echo "d /t/$i - - - ${i}s"; done >"$conf"
ctl import-tmpfiles "$conf"
err "too many lines" ':4097: There are too many lines before this one'
err "too many jobs" 'There are more than 1000 jobs'
for ((i = 0; i < 1100; i++)); do echo "d /t/$i - - - 1d"; done >"$conf"
ctl import-tmpfiles "$conf"
ends 0 "more paths than fit in a job"
out "another job" '^# clean-t-2.job$'
head -c 200000 /dev/urandom >"$conf"
ctl import-tmpfiles "$conf"
[ "$status" -le 1 ]
ok $? "noise"
echo "1..$number"
