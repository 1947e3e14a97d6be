#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl import-incrontab: the jobs of lines, what is said about them, and what a run gets. What incron itself does was
# tried with incron 0.5.12; tests/system/outside-import-incrontab.sh compares. Wants VAKTCTL_BIN and VAKTD_BIN.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

mkdir -p "$scratch/incron.d" "$scratch/incron" "$scratch/w/one" "$scratch/w/two"
w=$scratch/w
: >"$w/file"

# What becomes of a line: [Path], [Run] and [Service] of the job, and the remarks with their line only.
becomes() { # LINES EXPECTED [REMARK…]
        local remarks
        remarks=$([ $# = 2 ] || printf '%s\n' "${@:3}" | cut -c 1-40 | tr '\n' '|')
        printf '%s\n' "$1" >"$scratch/incron.d/x"
        ctl import-incrontab "$scratch/incron.d/x"
        [ "$status" = "$([ $# = 2 ] && echo 0 || echo 1)" ] &&
                [ "$(grep -E '^[A-Z][A-Za-z]*=' "$scratch/out" | grep -vE '^(Description|Batch=each|Overlap=parallel)' | sed "s,$w,W,g" | tr '\n' '|')" = "${2:+$2|}" ] &&
                [ "$(sed -nE "s,^$scratch/incron\.d/x:([0-9]+: .*),\1,p" "$scratch/err" | cut -c 1-40 | tr '\n' '|')" = "$remarks" ]
        ok $? "${1//$'\n'/; }"
}

tree='PathChanged=W|Recursive=yes|Exclude=.*/'

# --- masks ---

moved_in='A file that is moved in starts a run as '
becomes "$w IN_CLOSE_WRITE,IN_MOVED_TO a" "$tree|Events=close move|Exec=:/bin/bash -c a"
becomes "$w	IN_CLOSE_WRITE,IN_MOVE	a b" "$tree|Events=close delete move|Exec=:/bin/bash -c \"a b\"" \
        "1: A file that is removed starts a run as well."
becomes "$w IN_CLOSE_WRITE,IN_MOVED_TO,recursive=false a" "PathChanged=W|Events=close move|Exec=:/bin/bash -c a"
becomes "$w IN_CLOSE_WRITE,IN_MOVED_TO,dotdirs=true a" "PathChanged=W|Recursive=yes|Events=close move|Exec=:/bin/bash -c a"
becomes "$w IN_CLOSE_WRITE,IN_MOVED_TO,loopable=true a" "$tree|Events=close move|Exec=:/bin/bash -c a|Overlap=queue"
becomes "$w IN_NO_LOOP,IN_MODIFY a" "$tree|Events=write|Exec=:/bin/bash -c a|Overlap=queue"
becomes "$w IN_MODIFY,loopable=false,recursive=true,dotdirs=false,IN_ONLYDIR a" "$tree|Events=write|Exec=:/bin/bash -c a"
becomes "$w IN_CLOSE_WRITE a" "$tree|Events=close|Exec=:/bin/bash -c a" "1: $moved_in"
becomes "$w IN_MOVED_TO a" "$tree|Events=move|Exec=:/bin/bash -c a" "1: A file that is written and closed starts a run as well."
becomes "$w 136 a" "$tree|Events=close move|Exec=:/bin/bash -c a"
becomes "$w 136,recursive=false a" "$tree|Events=close move|Exec=:/bin/bash -c a" \
        "1: incron reads nothing behind a number, and so it is in the job."
only_files='A run is for files only: a directory that is created'
becomes "$w IN_ATTRIB a" "$tree|Events=attrib|Exec=:/bin/bash -c a" "1: $only_files"
becomes "$w IN_DELETE,IN_MOVED_FROM a" "$tree|Events=delete|Exec=:/bin/bash -c a" "1: $only_files"
becomes "$w IN_DELETE,IN_MODIFY a" "$tree|Events=write delete|Exec=:/bin/bash -c a" "1: $only_files" \
        "1: A file that is moved away starts a run as well."
becomes "$w IN_ACCESS,IN_OPEN,IN_CLOSE_NOWRITE a" "" "1: IN_ACCESS,IN_CLOSE_NOWRITE,IN_OPEN: a job does" \
        "1: There is no event that a job can run for."
becomes "$w IN_DELETE_SELF,IN_MOVE_SELF a" "" "1: IN_DELETE_SELF,IN_MOVE_SELF: a job does not run" \
        "1: There is no event that a job can run for."
becomes "$w IN_MODIFY,IN_BOGUS,IN_ONESHOT,IN_DONT_FOLLOW a" "$tree|Events=write|Exec=:/bin/bash -c a" \
        '1: "IN_BOGUS" is no event; incron ignores it, and so' "1: IN_ONESHOT: the job runs each time. For once" \
        "1: IN_DONT_FOLLOW: a job follows symbolic links"
becomes "$w/file IN_MODIFY,IN_DELETE_SELF a" "PathChanged=W/file|Events=write delete|Exec=:/bin/bash -c a"

# --- paths ---

becomes "$w/with\\ blank\\\\%,a IN_MODIFY a" 'PathChanged=W/with blank\%%,a|Recursive=yes|Exclude=.*/|Events=write|Exec=:/bin/bash -c a'
becomes "$w/*o* IN_MODIFY a" "PathChanged=W/one|PathChanged=W/two|Recursive=yes|Exclude=.*/|Events=write|Exec=:/bin/bash -c a" \
        "1: The pattern stands for the 2 paths that match now"
becomes "$w/f* IN_MODIFY a \$@ \$#" 'PathChanged=W/file|Events=write|Exec=:/bin/bash -c "a \"${VAKT_PATH}\" "' \
        "1: The pattern stands for the 1 paths that match now"
becomes "$w/* IN_MODIFY a" "" "1: The pattern stands for the 3 paths that match now" \
        "1: The pattern stands for files and directories"
becomes "$w IN_MODIFY a
$w IN_MODIFY b" "$tree|Events=write|Exec=:/bin/bash -c a" "2: incron passes over this line, because a line above"
becomes "w IN_MODIFY a" "" '1: This is no valid job: PathChanged=w is'
becomes "$w IN_MODIFY" "" "1: This is no line of incrontab(5)."
becomes "$w" "" "1: This is no line of incrontab(5)."
becomes $'# a comment\n\n' ""

# --- commands ---

runs() { # COMMAND EXPECTED [REMARK…]
        becomes "$w IN_MODIFY $1" "$tree|Events=write|$2" "${@:3}"
}
runs 'abcd $@/$# $%' 'Exec=:/bin/bash -c "abcd \"${VAKT_PATH}\" IN_MODIFY"'
runs 'a $# $& $@' 'Exec=:/bin/bash -c "a \"${VAKT_PATH##*/}\" 2 \"${VAKT_PATH%%/*}\""'
runs 'a "$@/$#" '"'"'x $#'"'" 'Exec=:/bin/bash -c "a \"${VAKT_PATH}\" '"'x '"'\"${VAKT_PATH##*/}\"'"''"'"'
runs 'a \"$# \'"'"'$#' 'Exec=:/bin/bash -c "a \\\"\"${VAKT_PATH##*/}\" \\'"'"'\"${VAKT_PATH##*/}\""'
runs '$$HOME $HOME $(x) 100% a$' 'Exec=:/bin/bash -c "$HOME HOME (x) 100%% a"'
runs 'a | b >/x; c &' 'Exec=:/bin/bash -c "a | b >/x; c &"|KillMode=process'
becomes "$w IN_CLOSE_WRITE,IN_MOVED_TO echo \$% \$&" \
        "$tree|Events=close move|Exec=:/bin/bash -c \"echo IN_CLOSE_WRITE,IN_MOVED_TO 136\"" \
        '1: $%: a run is not told the event. It gets all' '1: $&: a run is not told the event. It gets all'

# --- kinds of tables ---

out "named after the table" '^# incron-x\.job$'
printf '%s\n' '# Import' "$w IN_MODIFY a" >"$scratch/incron/games"
printf '%s\n' "$w/one IN_MODIFY a" >"$scratch/incron/root"
touch "$scratch/incron/.hidden"
ctl import-incrontab "$scratch/incron/"
ends 0 "tables of users"
[ "$(grep -E '^(User|Environment|Description)=' "$scratch/out" | xargs)" = "Description=Import User=games Environment=USERNAME=games Environment=PATH=/usr/local/bin:/usr/bin:/bin:/usr/X11R6/bin Description=a" ]
ok $? "run as their users, in the environment of incron"
out "named after user and path" '^# incron-games-w\.job$'
cp "$scratch/incron/games" "$scratch/table"
ctl import-incrontab -u games "$scratch/table"
out "the user of the option" '^User=games$'
ctl --user import-incrontab "$scratch/table"
[ "$(grep -cE '^(User|Environment)=' "$scratch/out")" = 0 ]
ok $? "jobs of a user instance name no user"
ctl import-incrontab
ends 2 "nothing"
ctl import-incrontab --system "$scratch/table"
ends 2 "the system and a file"
ctl import-incrontab "$scratch/nothing"
ends 1 "a file that is not there"
err "says so" "^Cannot read $scratch/nothing: No such file or directory\.$"
ctl import-incrontab -u no/body
ends 1 "no user"
ctl import-incrontab -u nobody-has-this-table
[ "$status" = 1 ] && grep -q '^Cannot read /var/spool/incron/nobody-has-this-table: ' "$scratch/err"
ok $? "a user without a table"
head -c 200000 /dev/urandom >"$scratch/incron.d/x"
ctl import-incrontab "$scratch/incron.d/x"
[ "$status" -le 1 ]
ok $? "noise"

# --- what a run gets ---

mkdir "$w/.dir"
cat >"$scratch/incron.d/x" <<END
$w IN_CLOSE_WRITE,IN_MOVED_TO printf '%s\n' "whole \$@/\$#" "dir \$@" name\ \$# '\$#' \$% >>$scratch/seen; echo >$scratch/started
$w/file IN_MODIFY printf '%s\n' file \$@ >>$scratch/one; echo >$scratch/started
END
ctl import-incrontab --output="$jobs" "$scratch/incron.d/x"
ctl check "$jobs"/*.job
ends 0 "check of the files that were written"
start_daemon
for ((SECONDS = 0; SECONDS < 60;)); do
        ctl --json status incron-x incron-x-2
        [ "$(grep -o '"state":"active"' "$scratch/out" | wc -l)" != 2 ] || break
done
echo >"$w/.dir/hidden"
name='a b;echo $HOME `id` "q"'\''\'
echo >"$w/one/$name"
wait_for_run
mv "$scratch/table" "$w/.name"
wait_for_run
echo more >>"$w/file"
wait_for_run
wait_for_run
printf '%s\n' "whole $w/one/$name" "dir $w/one" "name $name" "$name" IN_CLOSE_WRITE,IN_MOVED_TO \
        "whole $w/.name" "dir $w" "name .name" .name IN_CLOSE_WRITE,IN_MOVED_TO \
        "whole $w/file" "dir $w" "name file" file IN_CLOSE_WRITE,IN_MOVED_TO | cmp - "$scratch/seen" >"$scratch/out" &&
        [ "$(xargs <"$scratch/one")" = "file $w/file" ]
ok $? "the names that runs get, whatever is in them"

# --- what is turned off ---

printf '%s\n' '# kept' "$w IN_MODIFY a" "$w IN_ATTRIB b" "$w/two IN_OPEN c" >"$scratch/incron/games"
export XDG_CONFIG_HOME=$scratch/config HOME=$scratch
mkdir "$scratch/config"
ctl --user import-incrontab --write --disable-source "$scratch/incron/games"
ends 1 "--disable-source, with remarks"
[ "$(cat "$scratch/incron/games")" = "$(printf '%s\n' '# kept' "#vaktd# $w IN_MODIFY a" "#vaktd# $w IN_ATTRIB b" "$w/two IN_OPEN c")" ]
ok $? "turns off the line of the job, and what would take its place"
err "says how to undo it" "To undo: sed -i 's/\^#vaktd# //' $scratch/incron/games$"

# --- what belongs to a user ---

chmod 0600 "$scratch/incron/games"
printf '%s\n' "$w/one IN_CLOSE_WRITE,IN_MOVED_TO a" >"$scratch/incron/games"
ctl --user import-incrontab --write "$scratch/incron/games"
written=$(ls -t "$scratch/config/vaktd/jobs.d"/incron-games-one*.job | head -n 1)
[ "$(stat -c %a "$written")" = 600 ]
ok $? "a table that not all may read becomes a job that not all may read"
if [ "$(id -u)" = 0 ]; then
        mkdir -m 0700 "$w/private"
        mkdir "$w/private/secret" "$w/public" "$w/public/known"
        chmod 0711 "$scratch"
        printf '%s\n' "$w/private/* IN_CLOSE_WRITE,IN_MOVED_TO a" "$w/public/* IN_CLOSE_WRITE,IN_MOVED_TO b" \
                >"$scratch/incron/games"
        ctl import-incrontab "$scratch/incron/games"
        out "a pattern of a user stands for what that user sees" "^PathChanged=$w/public/known$"
        ! grep -q secret "$scratch/out" "$scratch/err"
        ok $? "and for nothing else"
else
        skip "a pattern of a user" "only root can read the table of another user"
fi
stop_daemon TERM
echo "1..$number"
