#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check-exports.sh BUILD
#
# What a file of src/ gives to others is used by others of src/; else it is static, or is not there. The exceptions are
# what a test must reach: a seam by which it hands in a clock, a bus or a problem, or a figure that nothing else shows.
# TAP on standard output.

set -euo pipefail

# shellcheck source=tests/unit/check-lib.sh
. "$(dirname "$0")/check-lib.sh"
build=$1
readonly SEAMS="
        boot_id_make                    another boot
        cgroup_of_text                  the text of another process
        child_properties                both sides of the table of settings
        diagnose_program                what must not be said of a user's files
        execution_state_to_string       the table of transitions, printed
        execution_transition_to_string  the same
        file_name_absolute              another working directory
        job_loader_files_read           that nothing is read twice
        job_loader_load_at              the clock, and a lower bound
        job_loader_n_instances          that instances are forgotten
        ledger_upkeep                   the clock
        probes_list                     that equal questions have one probe
        open_files_max                  that the files of all processes are too many
        outside_count                   how many processes there are, and how many hang
        properties_read                 an answer that no bus has sent
        monitor_phase_to_string         the table of transitions, printed
        monitor_transition_to_string    the same
        run_stage_to_string             the table of transitions, printed
        run_transition_to_string        the same
        unit_executor_new_at            the service manager
        unit_message_append_property    what the service manager says to each property
        watcher_counters                how things were heard
        watcher_is_idle                 when all was looked at
"

# Not those of files that were renamed or removed, which an older build has left there.
objects=$(ninja -C "$build" -t targets all | sed -n "s|^\\(src/.*\\.o\\): .*|$build/\\1|p")
found=$(LC_ALL=C xargs nm -A --format=posix <<<"$objects" | awk -v seams="$SEAMS" '
        BEGIN {
                n = split(seams, lines, "\n")
                for (i = 1; i <= n; i++) {
                        split(lines[i], words, " ")
                        if (words[1] != "")
                                seam[words[1]] = 1
                }
        }
        $3 ~ /[TDBRVC]/ { defined[$2] = $1 }
        $3 == "U" { used[$2] = 1 }
        END {
                for (name in defined)
                        if (!(name in used) && !(name in seam) && name != "main" && name !~ /^__/) # of sanitizers
                                print "export", name, defined[name]
                for (name in seam)
                        if (!(name in defined) || name in used)
                                print "seam", name
        }' | LC_ALL=C sort)

result "what a file exports, another one uses" < <(grep "^export " <<<"$found")
result "each exception is one" < <(grep "^seam " <<<"$found")
echo "1..$number"
