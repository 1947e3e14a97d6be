#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Holds what vaktd.architecture(7) and src/README.md name against the source. In the page a function (Fn) with a file
# (Pa) on its line is defined in that file, one without is defined somewhere; types (Vt), constants (Dv) and event
# sources (Ql) exist; a constant followed by an id on the next line is that MESSAGE_ID. In the README this holds for
# what stands between backticks: a path, `name()`, `TypeName`, `CONSTANT`. The results, keys and defaults that
# vaktctl(1), vaktd.job(5) and vaktd.conf(5) name are those of the source. TAP on standard output.

set -euo pipefail

# shellcheck source=tests/unit/check-lib.sh
. "$(dirname "$0")/check-lib.sh"
cd "$(dirname "$0")/../.."
page=src/man/vaktd.architecture.7
readme=src/README.md

all=$(mktemp)
trap 'rm -f "$all" "$all.part"' EXIT
find src -name '*.[ch]' -exec cat {} + >"$all"

is_function() { # NAME [FILE]
        grep -E "^[A-Za-z_].*[ *]$1\(" "${2:-$all}" | grep -qv ';$'
}

is_type() {
        grep -qE "^(typedef )?(struct|enum|union) $1( |;|\$)|^} $1;" "$all"
}

is_constant() {
        grep -qwE "^#define +$1|^ +$1( =.*)?,.*" "$all"
}

# Prints MACRO NAME [FILE] for each macro of these kinds in the page.
names_of_page() {
        awk '/^\.\\"/ { next }
             /^\./ {
                n = split($0, word, /[ .]*[ ]+|^\./)
                file = ""
                for (i = 1; i < n; i++)
                        if (word[i] == "Pa" && word[i + 1] ~ /\.[ch]$/) file = word[i + 1]
                for (i = 1; i < n; i++)
                        if (word[i] ~ /^(Fn|Vt|Dv|Ql|Pa)$/) print word[i], word[i + 1], (word[i] == "Fn" ? file : "")
             }' $page
}

wrong_in_page() { # MACRO
        local macro name file
        names_of_page | awk -v macro="$1" '$1 == macro' | sort -u | while read -r macro name file; do
                case $macro in
                Fn) [ -z "$file" ] || [ -e "src/$file" ] || { echo "there is no src/$file"; continue; }
                        is_function "$name" ${file:+"src/$file"} || echo "$name() is not defined in src/$file" ;;
                Vt) is_type "$name" || echo "there is no type $name" ;;
                Dv) is_constant "$name" || echo "there is no constant $name" ;;
                Ql) grep -qF "\"$name\"" "$all" || echo "there is no event source $name" ;;
                Pa) [[ $name != *.[ch] && $name != *.md && $name != */ ]] || [ -e "src/${name#src/}" ] ||
                        echo "there is no src/$name" ;;
                esac
        done
}

wrong_ids() {
        awk '/^\.It Dv MESSAGE_/ { name = $3; next } name { print name, $1; name = "" }' $page |
                while read -r name id; do
                        grep -qE "^#define $name +\"$id\"" src/util/log-messages.h || echo "$name is not $id"
                done
}

# shellcheck disable=SC2016
names_of_readme() {
        awk '/^ *```/ { code = !code } !code' $readme | grep -oE '`[^` ]+`' | tr -d '`' | sort -u
}

# Paths are below src/, or begin with tests/, units/; * stands for a part of a name.
wrong_in_readme() {
        names_of_readme | while read -r name; do
                case $name in
                *\(\)) is_function "${name%()}" || echo "$name is not defined" ;;
                *=*) ;;
                */* | *.[ch] | *.md | *.sh | *.xml | *.build)
                        compgen -G "$name" >/dev/null || compgen -G "src/$name" >/dev/null || echo "there is no $name" ;;
                *[!A-Z0-9_]*) [[ ! $name =~ ^[A-Z][a-z]+[A-Z][A-Za-z]*$ ]] || is_type "$name" ||
                        echo "there is no type $name" ;;
                *_*) grep -qwF "$name" "$all" tests/run tests/unit/*.h || echo "nothing is called $name" ;;
                esac
        done
}

# The words of vaktctl(1) behind the line that matches a pattern, up to the end of the sentence.
words_after() { # PATTERN
        awk -v from="$1" '$0 ~ from { on = 1; sub(from, "") }
                on && /^\.Li / { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z]/) print $i }
                on && /(^| )\.$/ { exit }' src/man/vaktctl.1
}

words_of_results() { # constants on standard input
        while read -r name; do
                sed -n "s/^ *\[$name\] = \"\(.*\)\",\$/\1/p" src/job/run.c
        done
}

# The results and those that are failures are listed in vaktctl(1) as they stand in job/run.h, in the same sequence.
wrong_results() {
        local all failed
        all=$(sed -n '/^typedef enum RunResult/,/^}/s/^ *\(RUN_RESULT_[A-Z_]*\).*/\1/p' src/job/run.h | grep -v _NONE)
        failed=$(sed -n '/^#define RUN_RESULTS_FAILED/,/[^\\]$/p' src/job/run.h | grep -oE 'RUN_RESULT_[A-Z_]+')
        diff <(words_of_results <<<"$all") <(words_after '^Results are') || true
        diff <(words_of_results <<<"$failed") <(words_after '^stands for all failures') || true
        [ "$(wc -w <<<"$failed")" -ge 6 ] || echo "job/run.h has the failures $failed"
}

# "MEMBER VALUE" of what FILE initializes VARIABLE with, each value as a manual page has it.
defaults_of_source() { # FILE VARIABLE
        sed -n "/^[a-z].* $2 = {/,/^};/p" "$1" | sed 's/\.\(def\|rare\)\././' | grep -oE '\.[a-z_]+ = (\{|[^,{}]+)|\}' |
                awk '/\{$/ { prefix = substr($1, 2) "."; next }
                     /^\}/ { prefix = ""; next }
                     { print prefix substr($1, 2), $3 == "true" ? "yes" : $3 $5 }' |
                sed -E 's/ USEC_PER/ 1USEC_PER/; s/USEC_PER_(.).*/\1/; s/USEC_INFINITY/infinity/' |
                awk '{ print $1, $2 ~ /^[0-9]/ ? tolower($2) : $2 }'
}

# "KEY MEMBER" of the rows of the table of keys in FILE that have a default.
keys_of_source() { # FILE...
        sed -n 's/^ *{ "[A-Za-z]*", "\([A-Za-z]*\)", .*VALUE(\([a-z_.]*\)).*/\1 \2/p' "$@" | sed 's/ \(def\|rare\)\./ /'
}

# "KEY VALUE" for each "The default is VALUE" behind a single key.
defaults_of_manual() { # PAGE
        awk '/^\.It Va / { key = NF == 5 ? $3 : "" }
             /^The default is/ { value = $4; if (NF == 3) { getline; value = $1 == ".Li" ? $2 : ""; if (value == "") key = "" }
                                 sub(/[.,;]$/, "", value); if (key != "") print key, value; key = "" }' "$1"
}

wrong_defaults() { # PAGE FILES-OF-KEYS VARIABLE ITS-FILE AT-LEAST
        local key value member found n=0 files
        read -ra files <<<"$2"
        declare -A is member_of
        while read -r member value; do is[$member]=$value; done < <(defaults_of_source "$4" "$3")
        while read -r key member; do member_of[$key]=$member; done < <(keys_of_source "${files[@]}")
        while read -r key value; do
                member=${member_of[$key]:-}
                [ -n "$member" ] || continue
                found=${is[$member]:-0}
                n=$((n + 1))
                [ "${value/#no/0}" = "$found" ] || echo "$key= defaults to $found in $3, to $value in $1"
        done < <(defaults_of_manual "$1")
        [ $n -ge "$5" ] || echo "$1 has $n defaults of the table in $2"
}

# "SECTION KEY" of the sections of a job file that have a table of their own.
keys_of_manual() {
        awk '/^\.Sh / { section = $2; gsub(/[][]/, "", section) }
             /^\.It Va / && section ~ /^(JOB|TIMER|PATH|MONITOR|RUN|ROTATE|CLEAN)$/ {
                for (i = 3; i < NF; i++) if ($(i + 1) == "Ns") print section, $i }' src/man/vaktd.job.5 | sort
}

wrong_keys() {
        diff <(sed -n 's/^ *{ "\([A-Z][a-z]*\)", "\([A-Z][A-Za-z]*\)", .*/\U\1\E \2/p' src/config/job-*.c | sort) \
                <(keys_of_manual) || true
        [ "$(keys_of_manual | wc -l)" -ge 100 ] || echo "vaktd.job(5) has too few keys"
}

# The kinds of conditions, and what each is: "Sampled." or "By event", in the section of the manual.
kinds_of_manual() {
        awk '/^\.Sh / { on = /TESTS/; if (!on) next }
             on && /^\.It Li / { name = ""; for (i = 3; i <= NF; i++) if ($i ~ /^[a-z][a-z0-9-]+$/ && ($(i - 1) == "Li" || $(i - 1) == ",")) name = name " " $i }
             on && /^(Sampled|By event)/ { n = split(name, names, " "); for (i = 1; i <= n; i++) print names[i]; name = "" }' \
                src/man/vaktd.condition.7 | sort -u
}

kinds_of_source() {
        sed -n 's/^ *\[CONDITION_[A-Z0-9_]*\] = { "\([a-z0-9-]*\)", CONDITION_.*/\1/p' src/condition/kind.c | sort
}

wrong_kinds() {
        diff <(kinds_of_source) <(kinds_of_manual) || true
        [ "$(kinds_of_source | wc -l)" -ge 25 ] || echo "src/condition/kind.c has too few kinds"
        for kind in $(kinds_of_source); do
                grep -qE "\`[^\`]*\<$kind\>[^\`]*\`" README.md || echo "README.md does not name $kind"
        done
}

# Where nothing is found, nothing is wrong either.
too_few() {
        local macro n
        for macro in Fn:60 Pa:60 Vt:5 Dv:10 Ql:5; do
                n=$(names_of_page | grep -c "^${macro%:*} ") || true
                [ "$n" -ge "${macro#*:}" ] || echo "the page has $n ${macro%:*}"
        done
        n=$(names_of_readme | wc -l)
        [ "$n" -ge 40 ] || echo "the README has $n names"
}

result "names are found" < <(too_few)
result "functions are where the page says" < <(wrong_in_page Fn)
result "files of the page exist" < <(wrong_in_page Pa)
result "types of the page exist" < <(wrong_in_page Vt)
result "constants of the page exist" < <(wrong_in_page Dv)
result "event sources of the page exist" < <(wrong_in_page Ql)
result "ids of messages are those of the page" < <(wrong_ids)
result "the results of vaktctl(1) are those of job/run.h" < <(wrong_results)
result "keys in vaktd.job(5) are those of the source" < <(wrong_keys)
result "defaults in vaktd.job(5) are those of the source" < <(
        wrong_defaults src/man/vaktd.job.5 "src/config/job-file.c src/config/job-timer.c" \
                job_def_defaults src/job/job-def.c 15)
result "defaults of [Rotate] and [Clean] are those of the source" < <(
        sed -n '/^\.Sh \[ROTATE\]/,/^\.Sh \[SERVICE\]/p' src/man/vaktd.job.5 >"$all.part"
        wrong_defaults "$all.part" src/config/job-upkeep.c '\(rotate\|clean\)_def_defaults' src/job/upkeep-def.c 10)
result "defaults in vaktd.conf(5) are those of the source" < <(
        wrong_defaults src/man/vaktd.conf.5 src/config/settings.c settings_defaults src/config/settings.c 3)
result "what src/README.md names exists" < <(wrong_in_readme)
result "conditions in vaktd.condition(7) and README.md are those of the source" < <(wrong_kinds)
echo "1..$number"
