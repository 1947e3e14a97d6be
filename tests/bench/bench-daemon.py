#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a daemon costs that has nothing to do: start to READY=1, memory and who holds it, a list of its jobs, reload,
wake-ups.

usage: bench-daemon.py BUILDDIR [ROW...]      (rows of table.py; default: all, and wake-ups and reloads)
VAKT_BENCH_IDLE=60 seconds are spent idle for the wake-ups."""

import os
import re
import signal
import subprocess
import sys
import time

import common

IDLE_SECONDS = float(os.environ.get("VAKT_BENCH_IDLE", "60"))
FEW, MANY = 10, common.size(10000)

JOB = """[Job]
Description=Job number {n} of the benchmark

[Timer]
OnCalendar=*-*-* 3:00

[Run]
Exec=/usr/bin/env true --number {n}
TimeoutSec=10min
"""


class Daemon(common.Daemon):
    def __init__(self, build, n_jobs):
        super().__init__(build, {f"job{n:06}": JOB.format(n=n) for n in range(n_jobs)})

    def reload_seconds(self):
        return self.until_ready(lambda: self.process.send_signal(signal.SIGHUP))

    def memory(self):
        time.sleep(1)  # pages of the start are settled; nothing is waited for
        return common.pss(self.process.pid)

    def list_seconds(self):
        begin = time.monotonic()
        self.vaktctl("list", stdout=subprocess.DEVNULL)
        return time.monotonic() - begin

    def switches(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)


class CountedDaemon(Daemon):
    wrapper = "valgrind", "--quiet", "--tool=massif", "--massif-out-file=/dev/null"

    def allocations(self):
        """Bytes in use by the function that has allocated them, the most first."""
        snapshot = f"{self.directory}/snapshot"
        subprocess.run(["vgdb", f"--pid={self.process.pid}", "detailed_snapshot", snapshot], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(snapshot, encoding="utf-8") as f:
            return re.findall(r"^ n\d+: (\d+) 0x\w+: (\S+)", f.read(), re.MULTILINE)


def read_all_seconds(directory):
    """The physical limit of a load: every file opened and read once."""
    return int(common.call(f"{sys.argv[1]}/tests/bench/bench-helper", "read", directory)) / 1e6


def measure_once(build, few):
    """few: memory of a daemon with few jobs, before and after a list."""
    with Daemon(build, MANY) as d:
        d.stop()  # the first start has a ledger to make, and the files are not in the cache
        common.sample("ready", "read-files", read_all_seconds(f"{d.directory}/jobs") * 1e3)
        common.sample("ready", "vaktd", d.start() * 1e3)
        common.sample("memory", "vaktd", (d.memory() - few[0]) / (MANY - FEW))
        transfer = common.call(f"{build}/tests/bench/bench-client", "list", d.socket, 1)
        common.sample("list", "transfer", int(transfer) / 1e3)
        common.sample("list", "vaktd", d.list_seconds() * 1e3)
        common.sample("memory-listed", "vaktd", (d.memory() - few[1]) / (MANY - FEW))


def measure_rest(build):
    for n in (FEW, MANY):
        with Daemon(build, n) as d:
            limit = read_all_seconds(f"{d.directory}/jobs")
            common.write(f"{d.directory}/jobs/job{0:06}.job", JOB.format(n=0) + "Overlap=skip\n")
            one, none = d.reload_seconds(), d.reload_seconds()
            print(f"{n} jobs: reload with one changed {one * 1000:.1f} ms, with none {none * 1000:.1f} ms, "
                  f"reading all files {limit * 1000:.1f} ms (ratio {one / limit:.2f})")
            before = d.switches()
            time.sleep(IDLE_SECONDS)
            print(f"{n} jobs: {d.switches() - before} wake-ups in {IDLE_SECONDS:.0f} idle seconds")
            d.stop()


def print_allocations(build):
    with CountedDaemon(build, MANY) as d:
        d.stop()
        d.start()
        time.sleep(1)
        for n, function in d.allocations():
            if int(n) >= MANY:
                print(f"{MANY} jobs: {int(n) / MANY:.0f} bytes a job in {function}()")
        d.stop()


def main():
    build, rows = sys.argv[1], sys.argv[2:]
    common.exit_on_sigterm()
    with Daemon(build, FEW) as d:
        few = d.memory()
        d.list_seconds()
        few = few, d.memory()
    for _ in range(common.rounds(3)):
        measure_once(build, few)
    if not rows:
        measure_rest(build)
        print_allocations(build)


main()
