#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Files that wait, settle, or are in a run when the machine goes down, in order and without: seen from outside of it,
# by the box.
#
#   outside-paths.sh NAME     NAME is a box that is up (tests/system/box)

set -uo pipefail

readonly BOX=$1
readonly TOP=/srv/vakt-reboot
here=$(dirname "$0")

inside() {
        "$here/box" run "$BOX" "$@"
}

job() {
        inside install -D -m 644 /dev/stdin "/etc/vaktd/jobs.d/$1.job"
}

same() {
        [ "$1" = "$2" ] || { echo "expected '$1', got '$2'"; return 1; }
}

within() { # SECONDS COMMAND…
        local deadline=$((SECONDS + $1))
        shift
        until "$@"; do
                [ $SECONDS -lt $deadline ] || { echo "not within its time: $*"; return 1; }
                sleep 0.1
        done
}

# Each file appears whole.
put() { # DIRECTORY NAME…
        # shellcheck disable=SC2016
        inside sh -c 'for name; do echo x >$0/.part && mv $0/.part "$0/$name"; done' "$TOP/$1" "${@:2}"
}

counts() { # JOB WAITING RUNNING
        local counters
        counters=$(inside busctl --address=unix:path=/run/vaktd/control get-property org.vaktd1 \
                "/org/vaktd1/job/$1" org.vaktd1.Job WatchCounters 2>/dev/null) || return 1
        [[ $counters = *'"waiting" '"$2 "* && $counters = *'"running" '"$3 "* ]]
}

# Names of a list, without repeats: what was in a run when the machine went down is in another one, too.
listed() { # JOB
        inside sh -c "tr '\\0' '\\n' <$TOP/list-$1 2>/dev/null | sed 's,.*/,,' | sort -u | xargs"
}

is_listed() { # JOB NAMES
        [ "$(listed "$1")" = "$2" ]
}

# A run hangs until the machine is gone, and is quick afterwards.
files_under_way() {
        inside systemctl stop vaktd.socket vaktd.service 'vakt-*.service'
        inside rm -rf /etc/vaktd /var/lib/vaktd $TOP
        inside mkdir -p $TOP/{run,settle,in,done,failed}
        job run <<<$'[Path]\nPathChanged='$TOP$'/run\nExclude=.*\n[Run]\nShell=[ -e '$TOP$'/go ] || exec sleep 1000; cat "$VAKT_PATHS" >>'$TOP/list-run
        job settle <<<$'[Path]\nPathChanged='$TOP$'/settle\nExclude=.*\nSettleSec=5s\n[Run]\nShell=cat "$VAKT_PATHS" >>'$TOP/list-settle
        # A run that the machine takes with it is no failure of its item.
        job spool <<<$'[Path]\nSpool='$TOP$'/in\nExclude=.*\nSpoolDone='$TOP$'/done\nSpoolFailed='$TOP$'/failed\n[Run]\nShell=[ -e '$TOP$'/go ] || exec sleep 1000; printf "%%s\\0" "$VAKT_PATH" >>'$TOP/list-spool
        inside systemctl enable --now vaktd
        within 10 counts run 0 0
        put run first
        put in first
        within 10 counts run 0 1
        within 10 inside sh -c "ls $TOP/in/.vakt-spool/*.1/first"
        put run second third
        put in second
        put settle file
        within 10 counts run 2 1
        within 10 counts settle 1 0
        inside sync
        inside touch $TOP/go
}

nothing_is_forgotten() {
        within 20 inside systemctl -q is-active vaktd
        within 20 is_listed run 'first second third'
        within 20 is_listed settle file
        within 20 is_listed spool 'first second'
        within 10 same "first second" "$(inside ls $TOP/done | xargs)"
        same "" "$(inside find $TOP/in -mindepth 1 ! -name .vakt-spool)"
        same "" "$(inside ls $TOP/failed)"
}

test_a_reboot() {
        files_under_way
        "$here/box" reboot "$BOX"
        nothing_is_forgotten
}

test_a_power_cut() {
        files_under_way
        "$here/box" cut "$BOX"
        nothing_is_forgotten
}

test_files_that_come_while_it_is_off() {
        files_under_way
        inside systemctl disable vaktd
        "$here/box" reboot "$BOX"
        put run fourth
        put in third
        inside systemctl enable --now vaktd
        within 20 is_listed run 'first fourth second third'
        within 20 is_listed spool 'first second third'
}

clean_up() {
        inside systemctl disable --now vaktd
        inside systemctl stop vaktd.socket 'vakt-*.service'
        inside rm -rf /etc/vaktd /var/lib/vaktd $TOP
} 2>/dev/null

number=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for name in $(grep -oE '^test_[a-z0-9_]+' "$0"); do
        number=$((number + 1))
        (
                set -eE
                exec >"$log" 2>&1
                set -x
                "$name"
        )
        # shellcheck disable=SC2181
        if [ $? = 0 ]; then
                echo "ok $number - ${name#test_}"
        else
                sed 's/^/# /' "$log"
                inside journalctl --no-pager -o short-precise -n 100 -u vaktd | sed 's/^/# journal: /'
                echo "not ok $number - ${name#test_}"
        fi
        clean_up
done
echo "1..$number"
