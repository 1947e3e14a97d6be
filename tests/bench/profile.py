#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the time of a run goes, in a booted copy of this machine (tests/system/box):

  child    /bin/true as a child, 8 at once
  unit     the same as a unit, 8 at once
  warm     a static program by a warm runner, 8 at once
  change   a file is changed, a child is started: one at a time

usage: profile.py BUILDDIR [KIND...]      (root; needs perf, strace)

For each process that takes part: µs of processor time, switches (waits, and those for another process) and system calls a
run. Then the functions of vaktd, and of the runner, that take most of its time, with what they call. For their names build with

    meson setup DIR -Dbuildtype=release -Ddebug=true -Dc_args=-fno-omit-frame-pointer -Dtests=true"""

import os
import re
import signal
import subprocess
import sys
import time

from common import Box, call, exit_on_sigterm, size, start_service, write

PROGRAMS = "/opt/vaktd-tests"
NOOP = f"{PROGRAMS}/bench-noop"
NOTES, PLACE = "/run/profile-notes", "/run/profile-tree"
AT_ONCE = 8
SHOWN_PERCENT = 2
PARALLEL = "Overlap=parallel\nMaxParallel=64\nQueueMax=1000\n"
JOBS = {
    "child": (f"[Run]\nExec=/bin/true\n{PARALLEL}", 4000),
    "unit": (f"[Run]\nExec=/bin/true\n{PARALLEL}", 1000),
    "warm": (f"[Run]\nRunner=warm\nExec={NOOP}\n{PARALLEL}[Service]\nPrivateTmp=yes\nProtectSystem=strict\n", 4000),
    "change": (f"[Path]\nPathChanged={PLACE}/file\nTriggerLimitBurst=0\n[Run]\nExec={PROGRAMS}/bench-helper-static note {NOTES}\n", 400),
}


# --- what a process has used ---


def processes():
    """{name: pid} of those that may take part."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
                name = f.read().strip()
        except OSError:
            continue
        if name in ("vaktd", "vakt-runner", "systemd-journal", "dbus-daemon") or pid == "1":
            found.setdefault(name, int(pid))
    return found


def used(pid):
    """µs of processor time, waits, switches for another process."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        took = int(f.read().split()[0]) / 1000
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        switches = re.findall(r"ctxt_switches:\s+(\d+)", f.read())
    return took, *map(int, switches)


# --- work ---


def runs_of(kind):
    def work(n):
        call(f"{PROGRAMS}/bench-client", "load", "/run/vaktd/control", kind, n, AT_ONCE)

    return work


def notes():
    return os.path.getsize(NOTES) if os.path.exists(NOTES) else 0


def changes(n):
    for _ in range(n):
        before = notes()
        write(f"{PLACE}/file", "changed\n")
        end = time.monotonic() + 5
        while notes() == before and time.monotonic() < end:
            time.sleep(0.0002)
        time.sleep(0.005)  # the run is over


# --- the three passes ---


def show_costs(work, n):
    before = {name: used(pid) for name, pid in processes().items()}
    work(n)
    print(f"{'process':<16} {'µs/run':>8} {'waits/run':>10} {'preempted/run':>14}")
    for name, pid in processes().items():
        first = before.get(name)
        if first:
            took, waits, others = ((a - b) / n for a, b in zip(used(pid), first))
            print(f"{name:<16} {took:>8.1f} {waits:>10.2f} {others:>14.2f}")


def show_calls(name, pid, work, n):
    with subprocess.Popen(["strace", "-c", "-S", "calls", "-p", str(pid), "-o", "/run/profile-calls"],
                          stderr=subprocess.PIPE) as tracer:
        tracer.stderr.readline()  # it is attached
        work(n)
        tracer.send_signal(signal.SIGINT)
        tracer.stderr.read()
    with open("/run/profile-calls", encoding="ascii") as f:
        rows = [line.split() for line in f]
    shown = [f"{row[-1]} {int(row[3]) / n:.2f}" for row in rows if len(row) >= 5 and row[3].isdigit() and int(row[3]) / n >= 0.05
             and row[-1] != "total"]
    print(f"system calls of {name} a run: {', '.join(shown)}")


def show_functions(name, pid, work, n):
    with subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "5000", "-g", "-p", str(pid), "-o",
                           "/run/profile-perf"], stderr=subprocess.DEVNULL) as tracer:
        time.sleep(0.5)  # it tells nobody that it is attached
        work(n)
        tracer.send_signal(signal.SIGINT)
    report = subprocess.run(["perf", "report", "-i", "/run/profile-perf", "--comm", name, "--children", "-g", "none", "--percentage",
                             "relative", "--sort", "symbol", "--percent-limit", str(SHOWN_PERCENT)], check=False,
                            capture_output=True, text=True).stdout
    print(f"functions of {name}: % with what they call, % alone")
    for line in report.splitlines():
        found = re.match(r"\s+([\d.]+)%\s+([\d.]+)%\s+\[(.)\] (\S+)", line)
        if found:
            print(f"  {found[1]:>6} {found[2]:>6}  {'kernel ' if found[3] == 'k' else ''}{found[4]}")


def inside(kinds):
    os.makedirs(PLACE, exist_ok=True)
    write(f"{PLACE}/file", "")
    for kind in kinds:
        text, n = JOBS[kind]
        n = size(n)
        start_service({kind: text}, "child" if kind in ("child", "change") else "unit")
        work = changes if kind == "change" else runs_of(kind)
        work(AT_ONCE)
        print(f"\n# {kind}: {n} runs")
        show_costs(work, n)
        for name in ("vaktd", "vakt-runner")[:2 if kind == "warm" else 1]:
            show_calls(name, processes()[name], work, n // 4)
            show_functions(name, processes()[name], work, n)
        sys.stdout.flush()


def main():
    exit_on_sigterm()
    if sys.argv[1] == "--inside":
        inside(sys.argv[2:])
        return
    kinds = sys.argv[2:] or list(JOBS)
    unknown = [kind for kind in kinds if kind not in JOBS]
    if unknown or Box.why_not():
        sys.exit(Box.why_not() or f"unknown: {' '.join(unknown)}")
    with Box(os.path.abspath(sys.argv[1])) as box:
        box.run("profile.py", "--inside", *kinds)


main()
