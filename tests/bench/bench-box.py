#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What needs a service manager, in a booted copy of this machine (tests/system/box):

  burst      1,000 jobs due in one second, by children and by units, beside a bare loop, a bare client of the service
             manager, systemd's timers and cron: until the first and the last command begins
  unit-runs  /bin/true as a unit, beside a bare client (bench-units) and systemd-run --wait, 8 at once
  warm-runs  a static program by a warm runner, beside a loop in one sandboxed unit
  memory, list, ready   those of systemd's timers, and of cron: bench-daemon.py measures vaktd's

usage: bench-box.py BUILDDIR [ROW...]      (rows of table.py; root)

cron is unpacked into the box from its package, which apt-get downloads."""

import os
import shutil
import subprocess
import sys
import time

from common import Box, call, exit_on_sigterm, pss, rounds, sample, size, skip, start_service, write, write_jobs

PROGRAMS = "/opt/vaktd-tests"
HELPER = f"{PROGRAMS}/bench-helper-static"
NOTES = "/run/bench-notes"
NOTE = f"{HELPER} note {NOTES}"
UNITS = "/run/systemd/system"
DUE, JOBS, AT_ONCE = size(1000), size(10000), 8
GIVE_UP_SECONDS = 60
SANDBOX = ["PrivateTmp=yes", "ProtectSystem=strict", "ProtectHome=yes", "NoNewPrivileges=yes"]


# --- many at once ---


def notes():
    try:
        with open(NOTES, encoding="ascii") as f:
            return [int(line) for line in f.read().split("\n")[:-1]]
    except FileNotFoundError:
        return []


def wait_for_notes(rows, who, began):
    """Waits until all have begun. began: µs of CLOCK_MONOTONIC."""
    end = time.monotonic() + GIVE_UP_SECONDS
    while len(notes()) < DUE and time.monotonic() < end:
        time.sleep(0.05)
    found = sorted(notes())[:DUE]
    for row in rows:
        if len(found) < DUE:
            skip(f"{row}-last", who, f"{DUE - len(found)} of {DUE} did not begin")
        else:
            sample(f"{row}-first", who, (found[0] - began) / 1e3)
            sample(f"{row}-last", who, (found[-1] - began) / 1e3)


def forget_notes():
    if os.path.exists(NOTES):
        os.unlink(NOTES)


def due_in(seconds):
    """A whole second, as a calendar expression, and in µs of CLOCK_MONOTONIC."""
    due = int(time.time() + seconds) + 1
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(due)), (due - time.time() + time.monotonic()) * 1e6


def wait_for_due(who, due):
    if time.monotonic() * 1e6 > due:
        raise OSError(f"{who} was not ready in time")


def burst_vaktd(row, executor):
    expression, due = due_in(4)
    forget_notes()
    start_service({f"job{i}": f"[Timer]\nOnCalendar={expression}\nAccuracySec=1us\n[Run]\nExec={NOTE}\n" for i in range(DUE)},
                  executor)
    wait_for_due("vaktd", due)
    wait_for_notes([row], "vaktd", due)
    subprocess.run(["systemctl", "stop", "vaktd.service", "vaktd.socket"], check=True)


def write_timers(n, timer, command):
    for i in range(n):
        write(f"{UNITS}/bench-{i}.timer", f"[Timer]\n{timer}\n")
        write(f"{UNITS}/bench-{i}.service", f"[Service]\nExecStart={command}\n")
        os.makedirs(f"{UNITS}/bench.target.wants", exist_ok=True)
        os.symlink(f"../bench-{i}.timer", f"{UNITS}/bench.target.wants/bench-{i}.timer")
    write(f"{UNITS}/bench.target", "[Unit]\nDescription=All timers\n")


def start_timers():
    call("systemctl", "daemon-reload")
    call("systemctl", "start", "bench.target")


def remove_timers(n):
    call("systemctl", "stop", "bench.target", *(f"bench-{i}.timer" for i in range(n)))
    shutil.rmtree(f"{UNITS}/bench.target.wants")
    for name in os.listdir(UNITS):
        if name.startswith("bench"):
            os.unlink(f"{UNITS}/{name}")
    call("systemctl", "daemon-reload")


def burst_systemd(rows):
    expression, due = due_in(15)
    forget_notes()
    write_timers(DUE, f"OnCalendar={expression}\nAccuracySec=1us", NOTE)
    start_timers()
    wait_for_due("systemd", due)
    wait_for_notes(rows, "systemd-timers", due)
    remove_timers(DUE)


def start_cron():
    call("groupadd", "--force", "--system", "crontab")  # as its package does
    call("systemd-run", "--quiet", "--collect", "--unit=bench-cron", "cron", "-f")


def stop_cron():
    call("systemctl", "stop", "bench-cron.service")
    for name in os.listdir("/etc/cron.d"):
        if name.startswith("bench"):
            os.unlink(f"/etc/cron.d/{name}")


def burst_cron(rows):
    forget_notes()
    write("/etc/cron.d/bench", f"* * * * * root {NOTE}\n" * DUE)
    if time.time() % 60 > 55:
        time.sleep(10)
    due = (time.monotonic() + 60 - time.time() % 60) * 1e6
    start_cron()
    time.sleep(60 - time.time() % 60)
    wait_for_notes(rows, "cron", due)
    stop_cron()


def burst_bare(row, who, *command):
    forget_notes()
    wait_for_notes([row], who, int(call(*command, DUE, DUE, *NOTE.split()).split()[0]))


def burst(rows, has_cron):
    children, units = ([f"burst-{kind}"] * any(kind in row for row in rows) for kind in ("child", "unit"))
    for i in range(rounds(3)):
        for row in children:
            burst_bare(row, "spawn-loop", HELPER, "loop")
            burst_vaktd(row, "child")
        for row in units:
            burst_bare(row, "bare-client", f"{PROGRAMS}/bench-units", "bare")
            burst_vaktd(row, "unit")
        burst_systemd(children + units)
        if has_cron and children and i == 0:  # it takes a minute
            burst_cron(children)


# --- runs ---


def unit_runs():
    n = size(100)
    for _ in range(rounds(5)):
        print(call(f"{PROGRAMS}/bench-units", size(400), min(AT_ONCE, size(400)), 1), end="", flush=True)
        begin = time.monotonic()
        call("xargs", "-n", 1, "-P", AT_ONCE, "systemd-run", "--wait", "--quiet", "/bin/true", input="\n".join("x" * n))
        sample("unit-runs", "systemd-run", n / (time.monotonic() - begin))


def warm_runs():
    n = size(5000)
    job = "\n".join(["[Run]", "Runner=warm", f"Exec={PROGRAMS}/bench-noop", "Overlap=parallel", "MaxParallel=64",
                     "QueueMax=1000", "[Service]", *SANDBOX]) + "\n"
    write_jobs("/run/bench-jobs", {"warm": job})
    if subprocess.run(["vaktd", "--check", "--jobs-dir=/run/bench-jobs"], capture_output=True, check=False).returncode != 0:
        skip("warm-runs", "vaktd", "this vaktd has no Runner=warm")
        return
    start_service({"warm": job})
    load = [f"{PROGRAMS}/bench-client", "load", "/run/vaktd/control", "warm"]
    call(*load, AT_ONCE, AT_ONCE)  # the runner is there
    for _ in range(rounds(5)):
        output = call("systemd-run", "--wait", "--pipe", "--quiet", *(f"--property={s}" for s in SANDBOX), HELPER, "loop", n,
                      AT_ONCE, f"{PROGRAMS}/bench-noop")
        sample("warm-runs", "sandboxed-loop", n * 1e6 / int(output.split()[1]))
        sample("warm-runs", "vaktd", n * 1e6 / int(call(*load, n, AT_ONCE)))


# --- many jobs ---


def sample_memory(who, figure):
    for row in ("memory", "memory-listed"):
        sample(row, who, figure)


def cron_memory():
    figures = []
    for n in (10, JOBS):
        for start in range(0, n, 900):  # it refuses longer files
            write(f"/etc/cron.d/bench{start}", "".join(f"0 3 * * * root /usr/bin/true --number {i}\n"
                                                        for i in range(start, min(n, start + 900))))
        start_cron()
        time.sleep(2)  # it tells nobody that it has read them
        figures.append(pss(int(call("systemctl", "show", "--value", "-p", "MainPID", "bench-cron.service"))))
        stop_cron()
    sample_memory("cron", (figures[1] - figures[0]) / (JOBS - 10))


def systemd_timers():
    before = pss(1)
    write_timers(JOBS, "OnCalendar=*-*-* 3:00", "/usr/bin/true")
    begin = time.monotonic()
    start_timers()
    sample("ready", "systemd-timers", (time.monotonic() - begin) * 1e3)
    for _ in range(rounds(3)):
        begin = time.monotonic()
        call("systemctl", "list-timers", "--all")
        sample("list", "list-timers", (time.monotonic() - begin) * 1e3)
    sample_memory("systemd-timers", (pss(1) - before) / JOBS)


# --- the whole ---


def inside(rows, has_cron):
    parts = (("burst", lambda: burst(rows, has_cron)), ("unit-runs", unit_runs), ("warm-runs", warm_runs),
             ("memory", cron_memory if has_cron else lambda: None), (("memory", "list", "ready"), systemd_timers))
    for names, run in parts:
        wanted = [row for row in rows if row.startswith(names)]
        try:
            if wanted:
                run()
        except (subprocess.CalledProcessError, OSError, ValueError) as e:
            for row in wanted:
                skip(row, "box", f"has failed: {e}")


def main():
    exit_on_sigterm()
    if sys.argv[1] == "--inside":
        inside(sys.argv[3:], sys.argv[2] == "cron")
        return
    build = os.path.abspath(sys.argv[1])
    rows = sys.argv[2:] or ["burst-child", "burst-unit", "unit-runs", "warm-runs", "memory", "list", "ready"]
    if Box.why_not():
        for row in rows:
            skip(row, "box", Box.why_not())
        return
    wants_cron = any(row.startswith(("burst-child", "memory")) for row in rows)
    with Box(build) as box:
        has_cron = wants_cron and box.add("cron")
        if wants_cron and not has_cron:
            for row in rows:
                if row.startswith(("burst-child", "memory")):
                    skip(row, "cron", "the package cannot be downloaded")
        box.run("bench-box.py", "--inside", "cron" if has_cron else "none", *rows)


main()
