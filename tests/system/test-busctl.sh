#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Everything that vaktctl does is done with busctl, once on the bus and once on the socket, and comes to the same. The
# calls are those of the table in org.vaktd1(5): all of its rows are used, and no others.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly TOP=/tmp/busctl
where=() # "" for the bus

# m METHOD [SIGNATURE ARGUMENT…]
m() {
        { local -; set +x; } 2>/dev/null
        echo "$1 ${2-}" | sed 's/ $//' >>$TOP/calls
        # shellcheck disable=SC2086 # three words
        busctl "${where[@]}" call $MANAGER "$@"
}

property_of() { # OBJECT INTERFACE NAME
        { local -; set +x; } 2>/dev/null
        echo "get-property $2 $3" >>$TOP/calls
        busctl "${where[@]}" get-property org.vaktd1 "$1" "org.vaktd1.$2" "$3" | sed -E 's/^[a-z()]+ //; s/^"(.*)"$/\1/'
}

# What vaktctl says, for comparison: a Python expression about j.
ctl_says() { # EXPRESSION ARGUMENT…
        { local -; set +x; } 2>/dev/null
        vaktctl --json "${@:2}" | python3 -c "import json, sys; j = json.load(sys.stdin); print($1)"
}

start_run() { # [RUN ARGUMENT…]: its number
        m Run 'sa{sv}' "$@" | sed -nE 's/^to ([0-9]+) .*/\1/p'
}

run_is() { # ID STATE
        [ "$(property_of "/org/vaktd1/run/$1" Run State)" = "$2" ]
}

begin() {
        rm -rf $TOP
        mkdir -p $TOP/tree
        echo one >"$TOP/tree/a file"
        job hello <<<$'[Job]\nDescription=Say hello\n[Timer]\nOnCalendar=2099-01-01\nOnCalendar=2099-02-01\n[Run]\nExec=/bin/echo hello'
        job sleeper <<<$'[Run]\nExec=/bin/sleep infinity\nWaitFor=file-exists '$TOP$'/go\nPool=one'
        job breaks <<<$'[Job]\nExpectSec=1s\n[Run]\nExec=/bin/false'
        job tree <<<$'[Path]\nPathChanged='$TOP$'/tree\nInclude=*\n[Run]\nShell=tr "\\\\0" "\\\\n" <"$VAKT_PATHS" >>'$TOP/seen
        job mon <<<$'[Monitor]\nWhen=load1 > 100000\n[Run]\nExec=/bin/true'
        systemctl start vaktd
}

# list, status, top, cat
reading() {
        same 5 "$(m QueryJobs | cut -d' ' -f2)"
        m QueryJobs | shows '"hello" "Say hello" "waiting"'
        same "$(ctl_says "len(j)" list)" "$(m ListJobs | cut -d' ' -f2)"
        same "a(sus) 0" "$(m Diagnostics)"
        same "$(ctl_says "j['version']" status)" "$(property_of /org/vaktd1 Manager Version)"
        same "o \"/org/vaktd1/job/hello\"" "$(m GetJob s hello)"
        same waiting "$(property_of /org/vaktd1/job/hello Job State)"
        cmp "$(property_of /org/vaktd1/job/hello Job Fragment)" <(vaktctl cat hello | grep -v '^#')
        same "at 2 4070908800000000 4073587200000000" "$(m NextElapses su hello 2)"
        same "a(suuu) 0" "$(m ListPools)" # one of no vaktd.conf is there while it is used
        m ListLiveRuns u 100
        m Explain s hello | shows 'timer'
}

# run, cancel, history, log
running() {
        local id
        id=$(start_run hello 0)
        within 30 run_is "$id" done
        same success "$(property_of "/org/vaktd1/run/$id" Run Result)"
        same "o \"/org/vaktd1/run/$id\"" "$(m GetRun t "$id")"
        m ListRuns stu hello 0 1 | shows "1 $id \"hello\" \"manual\" \"done\" \"success\""
        m QueryRuns 'a{sv}tu' 1 results as 1 success 0 10 | shows " $id \"hello\""
        within 30 eval "journal VAKT_JOB=hello VAKT_RUN=$id -o cat | shows -x hello"
        # waits for its condition, or does not
        id=$(start_run sleeper 0)
        within 30 eval "m ListLiveRuns u 100 | shows ' $id \"sleeper\"'"
        m Explain s sleeper | shows file-exists
        m Cancel t "$id"
        within 30 run_is "$id" done
        same cancelled "$(property_of "/org/vaktd1/run/$id" Run Result)"
        id=$(start_run sleeper 1 now b true)
        within 30 run_is "$id" running
        m ListPools | shows '"one" 1 1 0'
        m Cancel t "$id"
        within 30 run_is "$id" done
        # with a file that it watches: "/tmp/busctl/tree/a file" in bytes
        within 30 eval 'm Plan su tree 10 | shows "^aayt 1"'
        # shellcheck disable=SC2046 # numbers
        id=$(start_run tree 1 files aay 1 $(bytes "$TOP/tree/a file"))
        within 30 run_is "$id" done
        shows -x "$TOP/tree/a file" $TOP/seen
        # shellcheck disable=SC2046
        m ExplainPath say tree $(bytes "$TOP/tree/a file") | shows run
}

bytes() { # TEXT: how many, and each
        local numbers
        mapfile -t numbers < <(printf %s "$1" | od -An -v -tu1 -w1)
        echo ${#numbers[@]} "${numbers[@]}"
}

# pause, resume, skip, reset-failed, reload, values
changing() {
        local id
        m Pause s hello
        same true "$(property_of /org/vaktd1/job/hello Job Paused)"
        m Resume s hello
        m PauseUntil st hello 4000000000000000
        same 4000000000000000 "$(property_of /org/vaktd1/job/hello Job PauseUntil)"
        m Resume s hello
        m PauseAll
        same true "$(property_of /org/vaktd1 Manager Paused)"
        m ResumeAll
        same false "$(property_of /org/vaktd1 Manager Paused)"
        m Skip su hello 1
        same 1 "$(property_of /org/vaktd1/job/hello Job Skip)"
        m Skip su hello 0
        id=$(start_run breaks 0)
        within 30 run_is "$id" done
        within 30 eval 'm ListAlarms s breaks | shows "\"breaks\" \"expect\""'
        m ResetFailed s breaks
        same "a(sstts) 0" "$(m ListAlarms s breaks)"
        same "" "$(property_of /org/vaktd1/job/breaks Job LastResult)"
        m CreateOnce sts later 4070908800000000 $'[Run]\nExec=/bin/true\n' | shows '^st "later" 4070908800000000'
        job wrong <<<$'[Run]\nExce=/bin/true'
        m Reload | shows 'wrong.job" 2 "'
        rm $JOBS/wrong.job
        same "a(sus) 0" "$(m Reload)"
        within 30 eval 'm ListValues | shows "\"load1\" \"milli\" true"'
        m QueryValues sttt load1 0 0 0 | shows 'milli'
}

# "METHOD SIGNATURE" of the rows of the manual.
calls_of_manual() {
        local page
        page=$(find /usr/share/man /usr/local/share/man -name 'org.vaktd1.5*' | head -n 1)
        case $page in *.gz) zcat "$page" ;; *) cat "$page" ;; esac |
                sed -n '/^\.Sh WITH BUSCTL/,/^\.Sh SEE/p' | sed -nE 's/^\.It .* Ta Li //p' |
                sed -E 's/^(get-property .*|[A-Z][A-Za-z]*( [a-z(){}]+)?).*/\1/' | grep -E '^[A-Zg]'
}

transcript() {
        begin
        reading
        running
        changing
        grep -v '^get-property' $TOP/calls | sort -u >$TOP/used
        calls_of_manual | sort -u | grep -v '^get-property' | diff - $TOP/used
}

test_on_the_bus() {
        where=()
        transcript
}

test_on_the_socket() {
        # shellcheck disable=SC2206 # one word
        where=($SOCKET)
        transcript
}

run_tests
rm -rf $TOP
