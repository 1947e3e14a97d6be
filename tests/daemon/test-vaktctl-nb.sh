#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl in Norwegian, and what stays English. Wants VAKTD_BIN, VAKTCTL_BIN and VAKTCTL_LOCALE_DIR; the locale is made
# here, so that none has to be installed.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

export LOCPATH=$scratch/locales
mkdir "$LOCPATH"
if ! localedef -i nb_NO -f UTF-8 "$LOCPATH/nb_NO.UTF-8" 2>"$scratch/err"; then
        echo "1..0 # SKIP no definition of the locale nb_NO (package locales)"
        exit
fi

job fine <<<$'[Job]\nDescription=Blåbærsyltetøy\n[Run]\nExec=/bin/true'
job fails <<<$'[Run]\nShell=exit 3'
job wrong <<<$'[Run]\nExec=/bin/true\nColour=red'
printf '[Manager]\n' >"$scratch/vaktd.conf"
start_daemon

export LC_ALL=nb_NO.UTF-8
ctl --help
ends 0 "--help"
out "and is in Norwegian" '^Vis og styr jobbene til vaktd\.$'
out "its verbs" '^  history +\[JOB\] +Vis tidligere kjøringer, de nyeste først$'
out "and options" ' --json +Skriv JSON$'
out "and end" '^Avslutningsstatus: 0 vellykket'

ctl run --wait fine
out "a run is told of" '^Kjøring 1 av jobben fine lyktes etter '
ctl run --wait fails
ends 3 "a run that fails"
err "is told of" '^Kjøring 2 av jobben fails mislyktes med avslutningskode 3 etter '

ctl list
out "a table has headings" '^JOBB +TILSTAND +SISTE +NESTE +KJØRINGER BESKRIVELSE$'
out "states stay words of options" '^fine +waiting +lyktes, for .* siden +-  +1 Blåbærsyltetøy$'
out "sums have a plural" '^3 jobber vist, 0 kjører, 1 mislyktes, 1 med ugyldig fil\.$'
out "columns are as wide as they look" '^fine .* - {13}1 Blåbærsyltetøy$'
ctl list fine
out "and a singular" '^1 jobb vist, 0 kjører\.$'
ctl check "$jobs/fine.job" "$jobs/fails.job"
out "two numbers have a plural each" '^2 filer kontrollert, ingen problemer\.$'
ctl history --result=nonsense
err "words of options stay" 'krever en liste, .* av failed, success, '
ctl status fine
out "labels are translated" '^       Siste: lyktes, '
out "and aligned by what they show" '^   Kjøringer: 1 i alt$'

ctl run no-such-job
ends 4 "an unknown job"
err "is the daemon's answer, in English" "^No job|^There is no"
ctl cancel
err "a wrong command line is told of" '^Bruk: .vaktctl cancel ID.JOB\.\.\..; se .vaktctl cancel --help.\.$'
ctl --jsn
err "and a wrong option" '^Valget .--jsn. er ukjent eller brukt feil\. Mente du .--json.\?$'
VAKTCTL_LOCALE_DIR=/nonexistent ctl cancel
err "without the translation it is English" "^Usage: 'vaktctl cancel"
stop_daemon TERM
ctl list
ends 6 "no daemon"
err "is told of, with the reason of the C library in the same language" '^vaktd svarer ikke på .* \(Ingen slik fil .*\); start den med '
start_daemon

ctl --json status fails
json "JSON is the same in all languages" 'j["state"] == "waiting" and j["last_result"] == "exit"'
ctl --json cancel
err "and so is an error in it" '"message":"Usage: '
LC_ALL=C.UTF-8 ctl list fine
out "and the locale C is English" '^1 job listed, 0 running\.$'
LC_ALL=C LANGUAGE=nb ctl list fine
out "also when a language is preferred" '^1 job listed, 0 running\.$'
! grep -qE 'kjøring|jobb' "$scratch/log"
ok $? "the log is English"
stop_daemon TERM
echo "1..$number"
