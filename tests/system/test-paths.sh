#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a path trigger gives a run arrives unharmed, through either executor: paths-driver stands in the daemon's place,
# in the sandbox of its service, or with the drop-in for children.

. "$(dirname "$0")/lib.sh"

readonly DIRECTORY=/run/paths-driver

# A file system in which a long list has no room.
make_small() {
        mkdir -p $DIRECTORY/small
        mount -t tmpfs -o size=1m paths-driver $DIRECTORY/small
        trap 'umount -l $DIRECTORY/small; rm -rf $DIRECTORY' EXIT
}

is_over() {
        ! systemctl -q is-active vaktd.service
}

# drive KIND MODE:OWNER. Its start must be over before its runs begin: they are ordered after the daemon.
drive() {
        drop_in 90-driver <<END
[Service]
Type=exec
BusName=
ExecStart=
ExecStart=$(realpath "$(dirname "$0")")/paths-driver $1 $2
Restart=no
WatchdogSec=0
ReadWritePaths=$DIRECTORY
StandardOutput=file:$DIRECTORY/tap
END
        systemctl start vaktd.service
        within 300 is_over
        grep -v '^ok' $DIRECTORY/tap
        grep -q '^1\.\.' $DIRECTORY/tap
        fails grep '^not ok' $DIRECTORY/tap
        same success "$(property Result)"
        within 60 nothing_is_kept
}

# The user of a run is let in by an access control list: the service may not give files away.
test_units() {
        make_small
        drive unit 440:root
}

test_units_in_a_tighter_sandbox() {
        make_small
        drop_in 10-tighter <<'END'
[Service]
CapabilityBoundingSet=
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_WAKE_ALARM
ProtectSystem=strict
ProtectHome=read-only
SystemCallFilter=~@chown
END
        drive unit 440:root
}

test_children() {
        make_small
        drop_in 10-child-executor <"$EXAMPLES/vaktd.service.d/10-child-executor.conf"
        drive child 400:nobody
}

run_tests
