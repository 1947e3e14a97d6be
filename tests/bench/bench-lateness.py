#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How late a job of each second is started, with AccuracySec=1us, on a machine that has nothing else to do. Beside it, how
late a bare clock_nanosleep() to the same moments wakes up. (A thousand jobs due in one second: bench-box.py.)

usage: bench-lateness.py BUILDDIR"""

import json
import sys
import time

from common import Daemon, exit_on_sigterm, quantile, sample, size

SECONDS = size(20)
JOB = "[Timer]\nOnCalendar=*:*:*\nAccuracySec=1us\n[Run]\nExec=/bin/true\n"


def report(who, values):
    sample("lateness-p50", who, quantile(values, .5))
    sample("lateness-p99", who, quantile(values, .99))


def sleep_lateness():
    """What the kernel gives to a process that does nothing but wait for each whole second; µs."""
    late = []
    for _ in range(SECONDS):
        due = int(time.time()) + 1
        time.sleep(due - time.time())
        late.append((time.time() - due) * 1e6)
    return late


def main():
    exit_on_sigterm()
    report("sleep", sleep_lateness())
    with Daemon(sys.argv[1], {"single": JOB}) as daemon:
        time.sleep(SECONDS + 0.5)
        runs = json.loads(daemon.vaktctl("--json", "history", "-n", "10000", capture_output=True).stdout)
        daemon.stop()
    report("vaktd", [r["started_usec"] - r["scheduled_usec"] for r in runs if r["cause"] == "timer" and r["started_usec"]])


main()
