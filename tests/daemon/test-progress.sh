#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The progress of runs: on a terminal by test-progress.py, and none anywhere else. Wants VAKTD_BIN and VAKTCTL_BIN;
# VAKTD_WRAPPER is put before the daemon.

# shellcheck source=tests/daemon/vaktctl-harness.sh
. "${0%/*}/vaktctl-harness.sh"

# Goes on from one status to the next, and to its end, when it is told to.
cat >"$scratch/report" <<EOF
#!/usr/bin/env python3
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
go = open("$scratch/release", "rb", buffering=0)
for text in (b"42% of it", b"Copied 80% of it, \033[31m", b"nothing to count"):
    s.sendto(b"STATUS=" + text, os.environ["NOTIFY_SOCKET"])
    go.read(1)
EOF
chmod 755 "$scratch/report"
job report <<<"[Run]"$'\n'"Exec=$scratch/report"
job second <<<"[Run]"$'\n'"Exec=$scratch/report"
printf '[Manager]\n' >"$scratch/vaktd.conf"
start_daemon

printf '\n\n\n' >&9
ctl run --wait report
out "without a terminal, there is a message only" '^Run [0-9]+ of job report succeeded after '
! grep -q $'[\r\033]' "$scratch/out"
ok $? "and no bar"
python3 "${0%/*}/test-progress.py" "$number" "$scratch/release" "$VAKTCTL_BIN" --socket="$socket"
