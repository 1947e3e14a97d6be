#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl top: what it refuses, and with test-top.py what it does in a terminal. Wants VAKTD_BIN and VAKTCTL_BIN;
# VAKTD_WRAPPER is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

cat >"$scratch/report" <<EOF
#!/usr/bin/env python3
import os, socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"STATUS=42% of it", os.environ["NOTIFY_SOCKET"])
open("$scratch/release", "rb").read(1)
EOF
chmod 755 "$scratch/report"
job wait <<<"[Run]"$'\n'"Overlap=queue"$'\n'"Exec=$scratch/report"
job fails <<<$'[Run]\nShell=exit 3'
job later <<<$'[Timer]\nOnCalendar=2090-01-01\n[Run]\nExec=/bin/true'
job there <<<$'[Monitor]\nWhen=file-exists '"$jobs"$'\n[Run]\nExec=/bin/true'
printf '[Manager]\n' >"$scratch/vaktd.conf"
start_daemon

status=0
ctl top
ends 1 "without a terminal, it"
err "and says so" '^Standard input and output have to be a terminal\. Use .vaktctl list'
if have_terminal; then
        TERM=dumb terminal 80 top
        ends 1 "on a dumb terminal, it"
        out "and says so on that" "TERM is 'dumb' or not set"
fi

coproc screen { exec python3 "${0%/*}/test-top.py" "$number" "$VAKTCTL_BIN" --socket="$socket"; }
in=${screen[1]} out=${screen[0]}
while read -r line; do
        case $line in
        '#! stop') stop_daemon TERM ;;
        '#! start') start_daemon ;;
        '#! freeze') kill -STOP "$daemon" ;;
        '#! thaw') kill -CONT "$daemon" ;;
        *)
                echo "$line"
                continue
                ;;
        esac
        echo >&"$in"
done <&"$out"
