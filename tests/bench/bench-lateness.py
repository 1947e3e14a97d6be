#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How late runs are started: a thousand jobs due in the same second, and one job at a time on a machine that has nothing
else to do, all with AccuracySec=1us. Beside it, how late a bare clock_nanosleep() to the same moments wakes up.

usage: bench-lateness.py VAKTD VAKTCTL [JOBS]      (default: 1000)"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

JOB = """[Timer]
OnCalendar={expression}
AccuracySec=1us

[Run]
Exec=/bin/true
"""


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


def report(title, values):
    print(f"{title}: p50 {quantile(values, .5):.0f} us, p99 {quantile(values, .99):.0f} us, max {max(values):.0f} us")


def measure(vaktd, vaktctl, jobs, seconds):
    """The lateness in us of every run that a timer asked for."""
    directory = tempfile.mkdtemp(prefix="vakt-bench-")
    os.mkdir(f"{directory}/jobs", 0o755)
    for name, expression in jobs.items():
        path = f"{directory}/jobs/{name}.job"
        with open(path, "w", encoding="utf-8") as f:
            f.write(JOB.format(expression=expression))
        os.chmod(path, 0o644)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(f"{directory}/notify")
    daemon = subprocess.Popen(
        [vaktd, "--no-bus", f"--config={directory}/vaktd.conf", f"--jobs-dir={directory}/jobs",
         f"--state-dir={directory}/state", f"--socket={directory}/control"],
        env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": f"{directory}/notify"}, stderr=subprocess.DEVNULL)
    try:
        while "READY=1" not in notify.recv(4096).decode():
            pass
        notify.close()  # nobody reads what else it says, and it would wait for that
        time.sleep(seconds)
        runs = json.loads(subprocess.check_output(
            [vaktctl, f"--socket={directory}/control", "--json", "history", "-n", "10000"]))
    finally:
        daemon.terminate()
        daemon.wait(30)
        shutil.rmtree(directory)
    return [r["started_usec"] - r["scheduled_usec"] for r in runs if r["cause"] == "timer" and r["started_usec"]]


def sleep_lateness(seconds):
    """What the kernel gives to a process that does nothing but wait for each whole second."""
    late = []
    for _ in range(seconds):
        due = int(time.time()) + 1
        time.sleep(due - time.time())
        late.append((time.time() - due) * 1e6)
    return late


def main():
    vaktd, vaktctl = sys.argv[1:3]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    limit = sleep_lateness(20)
    report("bare sleep to a whole second", limit)
    single = measure(vaktd, vaktctl, {"single": "*:*:*"}, 20.5)
    report(f"one job a second ({len(single)} runs)", single)
    print(f"ratio of the medians: {quantile(single, .5) / quantile(limit, .5):.1f}")
    due = time.gmtime(time.time() + 5)
    same = measure(vaktd, vaktctl, {f"job{i}": time.strftime("%Y-%m-%d %H:%M:%S UTC", due) for i in range(n)}, 20)
    report(f"{n} jobs in one second ({len(same)} runs)", same)


main()
