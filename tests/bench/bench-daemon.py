#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a daemon costs that has nothing to do: start to READY=1, memory, wake-ups, reload.

usage: bench-daemon.py VAKTD [JOBS...]      (default: 10 10000)
VAKT_BENCH_IDLE=60 seconds are spent idle for the wake-ups."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

IDLE_SECONDS = float(os.environ.get("VAKT_BENCH_IDLE", "60"))

JOB = """[Job]
Description=Job number {n} of the benchmark

[Timer]
OnInterval=12h

[Run]
Exec=/usr/bin/env true --number {n}
TimeoutSec=10min
"""


class Daemon:
    def __init__(self, vaktd, n_jobs):
        self.directory = tempfile.mkdtemp(prefix="vakt-bench-")
        os.mkdir(f"{self.directory}/jobs", 0o755)
        for n in range(n_jobs):
            self.write_job(n)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(f"{self.directory}/notify")
        self.notify.settimeout(120)
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [vaktd, "--no-bus", f"--config={self.directory}/vaktd.conf", f"--jobs-dir={self.directory}/jobs",
             f"--state-dir={self.directory}/state", f"--socket={self.directory}/control"],
            env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": f"{self.directory}/notify"},
            stderr=subprocess.DEVNULL)
        self.wait_for("READY=1")
        self.start_seconds = time.monotonic() - begin

    def write_job(self, n, extra=""):
        path = f"{self.directory}/jobs/job{n:06}.job"
        with open(path, "w", encoding="utf-8") as f:
            f.write(JOB.format(n=n) + extra)
        os.chmod(path, 0o644)

    def wait_for(self, word):
        while word not in self.notify.recv(4096).decode():
            pass

    def reload_seconds(self):
        begin = time.monotonic()
        self.process.send_signal(signal.SIGHUP)
        self.wait_for("RELOADING=1")
        self.wait_for("READY=1")
        return time.monotonic() - begin

    def memory(self, field="Pss"):
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as f:
            for line in f:
                if line.startswith(f"{field}:"):
                    return int(line.split()[1]) * 1024
        return 0

    def switches(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.notify.close()
        shutil.rmtree(self.directory)
        return self.process.returncode


def read_all_seconds(directory):
    """The physical limit of a load: every file opened and read once."""
    begin = time.monotonic()
    for entry in os.scandir(directory):
        with open(entry.path, "rb") as f:
            f.read()
    return time.monotonic() - begin


def main():
    vaktd = sys.argv[1]
    counts = [int(a) for a in sys.argv[2:]] or [10, 10000]
    pss = {}
    for n in counts:
        d = Daemon(vaktd, n)
        try:
            time.sleep(1)  # pages of the start are settled; nothing is waited for
            pss[n] = d.memory()
            print(f"{n} jobs: start to READY {d.start_seconds * 1000:.1f} ms, PSS idle {pss[n] / 1024:.0f} KiB")
            limit = read_all_seconds(f"{d.directory}/jobs")
            d.write_job(0, "Overlap=skip\n")
            one = d.reload_seconds()
            none = d.reload_seconds()
            print(f"{n} jobs: reload with one changed {one * 1000:.1f} ms, with none {none * 1000:.1f} ms, "
                  f"reading all files {limit * 1000:.1f} ms (ratio {one / limit:.2f})")
            before = d.switches()
            time.sleep(IDLE_SECONDS)
            print(f"{n} jobs: {d.switches() - before} wake-ups in {IDLE_SECONDS:.0f} idle seconds")
        finally:
            status = d.stop()
        if status != 0:
            sys.exit(f"vaktd ended with {status}")
    if len(counts) > 1:
        a, b = counts[0], counts[-1]
        print(f"bytes a job: {(pss[b] - pss[a]) / (b - a):.0f}")


main()
