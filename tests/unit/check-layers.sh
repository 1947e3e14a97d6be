#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The house rules that a grep can hold: a directory of src/ includes itself and lower layers only, directories of one layer do
# not know each other, three libraries are seen in certain directories only, and what decides about jobs and runs reads no
# clock. TAP on standard output.

set -euo pipefail

# shellcheck source=tests/unit/check-lib.sh
. "$(dirname "$0")/check-lib.sh"
cd "$(dirname "$0")/../../src"

# Directory -> layer. Definitions (job/) hold parsed expressions, so time/ and condition/ stand below job/. What talks to the
# daemon (client) and vaktctl (ctl) stand beside the house, and may use what is pure.
declare -A layer=(
        [util]=0 [fs]=1 [time]=1 [condition]=2 [job]=3 [systemd]=4
        [config]=5 [sched]=5 [watch]=5 [probe]=5 [exec]=5 [ledger]=5
        [core]=6 [upkeep]=6 [runner]=6 [bus]=7 [trigger]=7 [vaktd]=8
)
client_may="util"
ctl_may="util time condition job config sched probe client"

# Prints "FILE INCLUDED" for every include with quotes, FILE without src/.
includes() {
        grep -rHoE '^#[ ]*include "[^"]+"' --include='*.[ch]' . | sed -E 's|^\./([^:]+):#[ ]*include "([^"]+)"|\1 \2|'
}

directory_of() {
        case $1 in
        */*) echo "${1%%/*}" ;;
        *) echo "${1%.*}" ;;
        esac
}

may_include() { # FROM TO (directories)
        [ "$1" = "$2" ] && return
        case $1 in
        client) [[ " $client_may " == *" $2 "* ]] ;;
        ctl) [[ " $ctl_may " == *" $2 "* ]] ;;
        *) [ -n "${layer[$1]-}" ] && [ -n "${layer[$2]-}" ] && [ "${layer[$2]}" -lt "${layer[$1]}" ] ;;
        esac
}

wrong_layers() {
        local file included from to
        while read -r file included; do
                [ "$included" != config.h ] || continue # made by meson
                from=$(directory_of "$file")
                to=$(directory_of "$included")
                may_include "$from" "$to" || echo "$file includes $included"
        done
}

# What a kind of trigger sees of the core.
trigger_sees_more() {
        includes | grep -E '^trigger/' | grep -E ' core/' | grep -vE ' core/(trigger|manager)\.h$' || true
}

unknown_directories() {
        local directory
        for directory in */; do
                directory=${directory%/}
                [[ " man client ctl " == *" $directory "* ]] || [ -n "${layer[$directory]-}" ] || echo "$directory has no layer"
        done
}

# HEADER (an extended regular expression), then the directories that may see it.
seen_elsewhere() {
        local header=$1
        shift
        grep -rlE "^#[ ]*include <$header>" --include='*.[ch]' . | sed 's|^\./||' |
                grep -vE "^($(IFS='|'; echo "$*"))/" || true
}

# A clock that is read, or a timer that is set by one that nobody handed in.
reads_clock() { # DIRECTORY...
        grep -rnE '\<(now_[a-z]+|clock_gettime|gettimeofday|sd_event_now)[ ]*\(|\<time\((NULL|&)' --include='*.[ch]' \
                "$@" || true
}

# client/ hands back what it has to say: its callers may be no programs with a terminal, and do not end with one call.
loud_client() {
        grep -rnE --include='*.[ch]' \
                -e '\b(v?d?f?printf|f?puts|f?putc|putchar|fwrite|perror|v?syslog|v?(warn|err)x?|_?exit|_Exit|abort)\(' \
                -e '\bstd(out|err)\b|\bEXIT_|\bCTL_|\blog_[a-z]+\(|util/log' client || true
}

result "every directory of src/ has its layer" < <(unknown_directories)
result "includes lead to lower layers only" < <(includes | wrong_layers)
result "trigger/ sees core/trigger.h and core/manager.h of core/" < <(trigger_sees_more)
result "sqlite3.h is seen in ledger/ only" < <(seen_elsewhere 'sqlite3\.h' ledger)
result "ini.h is seen in config/ only" < <(seen_elsewhere 'ini\.h' config)
result "sd-bus.h is seen in bus/, systemd/, exec/, probe/ and client/ only" < \
        <(seen_elsewhere 'systemd/sd-bus.*\.h' bus systemd exec probe client)
result "client/ neither prints nor ends the program" < <(loud_client)
result "core/, trigger/, sched/, job/ and time/ have the time from turn_now() or as a parameter" < \
        <(reads_clock core trigger sched job time)
echo "1..$number"
