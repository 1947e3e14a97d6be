#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Monitors beside monit and beside a timer unit that polls with a script, at the same time in one booted systemd:

  idle      50 checks of which none is true, by vaktd as it comes and by monit with its cycle of 30 seconds: CPU seconds an
            hour and wake-ups a minute. The CPU time is that of the control groups, with all children; it hardly depends on
            what else the machine does
  events    the same with 50 checks that vaktd is told of and monit asks for: 40 units, by systemctl, and 10 mounts; systemctl
            makes the service manager send signals that wake vaktd up, which sleeps otherwise: see cost
  reaction  a unit that fails, a file system that is filled at once and one that is filled in a minute: until the command
            that is run for it begins
  cost      1,000 monitors on 1,000 units: bytes of memory (PSS) for each beside the same jobs without a monitor, and
            wake-ups

usage: bench-monitor.py BUILDDIR [PART...]   (default: all; VAKT_BENCH_SECONDS=240 of idle, VAKT_BENCH_ROUNDS=3)

Needs root and systemd-nspawn (tests/system/box). monit is unpacked into the box from its package, which apt-get downloads,
and started for the measurement only."""

import glob
import os
import random
import shutil
import subprocess
import sys
import time

import common
from common import Box, call, quantile, start_service as start_vaktd, write

SECONDS = int(os.environ.get("VAKT_BENCH_SECONDS", "240"))
ROUNDS = int(os.environ.get("VAKT_BENCH_ROUNDS", "3"))
SETTLE_SECONDS = 60
CYCLE = 30
GIVE_UP_SECONDS = 4 * CYCLE
PLACE = "/run/bench"
FILES, DISKS, PROCESSES, PORTS, UNITS = 10, 10, 10, 5, 40

STAMP = f"""#!/bin/sh
echo "$1 $(date +%s%N)" >>{PLACE}/$2
"""
# What people write: a unit that is started by a timer and remembers what it has told.
POLLER = f"""
told() {{ [ -e {PLACE}/told.$1 ] || {{ touch {PLACE}/told.$1; {PLACE}/stamp timer $1; }}; }}
if systemctl -q is-failed broken.service; then told unit; else rm -f {PLACE}/told.unit; fi
used=$(df --output=pcent {PLACE}/disk0 | tail -n 1 | tr -dc 0-9)
if [ "$used" -gt 90 ]; then told disk; else rm -f {PLACE}/told.disk; fi
"""


# --- the checks, once for each ---


def conditions():
    """What vaktd monitors: 50 conditions."""
    found = [f"file-size {PLACE}/file{i} > 100M" for i in range(FILES)]
    found += [f"file-age {PLACE}/file{i} > 26h" for i in range(FILES)]
    found += [f"disk-free {PLACE}/disk{i} < 10%" for i in range(DISKS)]
    found += [f"process bench-{i}- count < 1" for i in range(PROCESSES)]
    found += [f"not listening tcp {9000 + i}" for i in range(PORTS)]
    return found + ["load1 > 1000", "load5 > 1000", "load15 > 1000", "memory-available < 1%", "swap-free < 0%"]


def monit_checks():
    """The same for monit."""
    act = 'then exec "/bin/true"'
    lines = [f"check file file{i} with path {PLACE}/file{i}\n if size > 100 MB {act}\n if timestamp > 26 hours {act}"
             for i in range(FILES)]
    lines += [f'check filesystem disk{i} with path {PLACE}/disk{i}\n if space usage > 90% then exec '
              f'"{PLACE}/stamp monit disk"' for i in range(DISKS)]
    lines += [f'check process bench{i} matching "^bench-{i}-"\n if not exist {act}' for i in range(PROCESSES)]
    lines += [f"check host port{i} with address 127.0.0.1\n if failed port {9000 + i} {act}" for i in range(PORTS)]
    lines += ["check system bench\n" + "\n".join(
        f" if {what} {act}" for what in ("loadavg (1min) > 1000", "loadavg (5min) > 1000", "loadavg (15min) > 1000",
                                         "memory usage > 99%", "swap usage > 99%"))]
    return lines


def event_conditions():
    found = [f"unit listener-{i}.service is failed" for i in range(UNITS)]
    return found + [f"not mounted {PLACE}/disk{i}" for i in range(DISKS)]


def event_checks():
    lines = []
    for i in range(UNITS):
        write(f"{PLACE}/is-failed-{i}", f"#!/bin/sh\nexec systemctl -q is-failed listener-{i}.service\n", 0o755)
        lines.append(f'check program unit{i} with path "{PLACE}/is-failed-{i}"\n if status = 0 then exec "/bin/true"')
    return lines + [f'check filesystem disk{i} with path {PLACE}/disk{i}' for i in range(DISKS)]


def prepare():
    write(f"{PLACE}/stamp", STAMP, 0o755)
    for i in range(FILES):
        write(f"{PLACE}/file{i}", "x")
    for i in range(DISKS):
        os.makedirs(f"{PLACE}/disk{i}", exist_ok=True)
        call("mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", f"{PLACE}/disk{i}")
    for i in range(PROCESSES):  # a name that both find: the program is called so
        shutil.copy("/usr/bin/sleep", f"{PLACE}/bench-{i}-")
        call("systemd-run", "--quiet", f"--unit=bench-{i}", "sh", "-c", f"cd {PLACE}; PATH=. exec bench-{i}- infinity")
    listen = "import socket, time\nall = [socket.create_server(('127.0.0.1', 9000 + i), backlog=128) for i in range(5)]\n" \
             "import select\nwhile True:\n for s in select.select(all, [], [])[0]:\n  s.accept()[0].close()"
    call("systemd-run", "--quiet", "--unit=listener", "python3", "-c", listen)


def start_monit(checks):
    settings = [f"set daemon {CYCLE}", f"set pidfile {PLACE}/monit.pid", f"set idfile {PLACE}/monit.id",
                f"set statefile {PLACE}/monit.state", f"set logfile {PLACE}/monit.log"]
    write(f"{PLACE}/monitrc", "\n".join(settings + checks) + "\n", 0o600)
    call("monit", "-t", "-c", f"{PLACE}/monitrc")
    call("systemd-run", "--quiet", "--unit=monit-bench", "-p", "CPUAccounting=yes", "monit", "-I", "-c",
         f"{PLACE}/monitrc")


def job(condition, command="/bin/true", more=""):
    return f"[Monitor]\nWhen={condition}\n{more}\n[Run]\nShell={command}\n"


# --- figures of a unit ---


def pids(unit):
    group = call("systemctl", "show", "--value", "-p", "ControlGroup", unit).strip()
    for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"):
        found = []
        for path in glob.glob(f"{base}{group}/**/cgroup.procs", recursive=True):
            with open(path, encoding="ascii") as f:
                found += f.read().split()
        if found:
            return found
    return []


def wake_ups(unit):
    """Of the processes that are there; what came and went is not in it."""
    n = 0
    for pid in pids(unit):
        for path in glob.glob(f"/proc/{pid}/task/*/status"):
            with open(path, encoding="ascii", errors="replace") as f:
                n += sum(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
    return n


def cpu_seconds(unit):
    return int(call("systemctl", "show", "--value", "-p", "CPUUsageNSec", unit)) / 1e9


def pss(unit):
    return sum(common.pss(pid) for pid in pids(unit)) // 1024


# --- the parts ---


def measure_idle(part, wanted, checks):
    start_vaktd({f"job{i}": job(c) for i, c in enumerate(wanted)})
    start_monit(checks)
    time.sleep(SETTLE_SECONDS)
    units = {"vaktd": "vaktd.service", "monit": "monit-bench.service"}
    before = {name: (cpu_seconds(unit), wake_ups(unit)) for name, unit in units.items()}
    time.sleep(SECONDS)
    result = {}
    for name, unit in units.items():
        cpu, wakes = cpu_seconds(unit) - before[name][0], wake_ups(unit) - before[name][1]
        result[name] = cpu * 3600 / SECONDS, wakes * 60 / SECONDS
        print(f"{part}, {len(wanted)} checks: {name}: {result[name][0]:.2f} CPU s an hour, {result[name][1]:.1f} wake-ups a "
              f"minute, {pss(unit)} KiB", flush=True)
    print(f"ratio monit to vaktd: CPU {result['monit'][0] / result['vaktd'][0]:.1f}, wake-ups "
          f"{result['monit'][1] / max(result['vaktd'][1], .1):.1f}")
    print(f"monitors that are not ok: {call('vaktctl', 'list').count('raised')}; runs: "
          f"{call('vaktctl', 'history', '-n', '5').count('monitor')}", flush=True)
    call("systemctl", "stop", "monit-bench.service")


def idle():
    measure_idle("idle", conditions(), monit_checks())


def events():
    measure_idle("events", event_conditions(), event_checks())


def wait_for(what, names, since):
    """Seconds until each has told of it."""
    seen = {}
    end = time.monotonic() + GIVE_UP_SECONDS
    while len(seen) < len(names) and time.monotonic() < end:
        time.sleep(0.02)
        if os.path.exists(f"{PLACE}/{what}"):
            with open(f"{PLACE}/{what}", encoding="ascii") as f:
                for name, stamp in (line.split() for line in f):
                    seen.setdefault(name, (int(stamp) - since) / 1e9)
    return seen


def fail_unit():
    subprocess.run(["systemctl", "reset-failed", "broken.service"], stderr=subprocess.DEVNULL, check=False)
    since = time.time_ns()
    call("systemd-run", "--quiet", "--unit=broken", "false")
    return since


def fill(seconds):
    """Returns when the limit was reached."""
    since = time.time_ns()
    with open(f"{PLACE}/disk0/file", "wb") as f:
        for i in range(3900 // 50):  # KiB, in steps
            f.write(bytes(50 * 1024))
            f.flush()
            if i * 50 <= 4096 * .9:
                since = time.time_ns()
            time.sleep(seconds * 50 / 3900)
    return since


def recover():
    subprocess.run(["systemctl", "reset-failed", "broken.service"], stderr=subprocess.DEVNULL, check=False)
    if os.path.exists(f"{PLACE}/disk0/file"):
        os.unlink(f"{PLACE}/disk0/file")
    # All have to see that it is over; monit takes the result of a program in the next cycle.
    time.sleep(2 * CYCLE + 5 + random.uniform(0, CYCLE))
    for what in ("unit", "disk"):
        if os.path.exists(f"{PLACE}/{what}"):
            os.unlink(f"{PLACE}/{what}")


def reaction():
    start_vaktd({"unit": job("unit broken.service is failed", f"{PLACE}/stamp vaktd unit", "ClearForSec=0"),
                 "disk": job(f"disk-free {PLACE}/disk0 < 10%", f"{PLACE}/stamp vaktd disk", "ClearForSec=0")})
    write(f"{PLACE}/is-failed", "#!/bin/sh\nsystemctl -q is-failed broken.service\n", 0o755)
    start_monit(monit_checks() + [f'check program broken with path "{PLACE}/is-failed"\n if status = 0 then exec '
                                  f'"{PLACE}/stamp monit unit"'])
    call("systemd-run", "--quiet", "--unit=poller", f"--on-active={CYCLE}", f"--on-unit-active={CYCLE}",
         "--timer-property=AccuracySec=1us", "sh", "-c", POLLER)
    names = ("vaktd", "monit", "timer")
    events = {"unit fails": ("unit", fail_unit), "disk is filled at once": ("disk", lambda: fill(0)),
              "disk is filled in a minute": ("disk", lambda: fill(60))}
    seen = {event: {name: [] for name in names} for event in events}
    for _ in range(ROUNDS):
        for event, (what, act) in events.items():
            recover()
            for name, seconds in wait_for(what, names, act()).items():
                seen[event][name].append(seconds)
    for event, by_name in seen.items():
        shown = ", ".join(f"{name} {quantile(v, .5):.3f} s (max {max(v):.3f}, {len(v)} of {ROUNDS})" if v else
                          f"{name} never" for name, v in by_name.items())
        print(f"{event}: median until the command begins: {shown}")
        if by_name["vaktd"]:
            print("ratio to vaktd: " + ", ".join(
                f"{name} {quantile(by_name[name], .5) / quantile(by_name['vaktd'], .5):.1f}" for name in names[1:]
                if by_name[name]), flush=True)
    call("systemctl", "stop", "monit-bench.service", "poller.timer")


def cost():
    n, found = 1000, {}
    plain = {f"job{i}": "[Run]\nShell=/bin/true\n" for i in range(n)}
    monitors = {f"job{i}": job(f"unit unit-{i}.service is failed") for i in range(n)}
    for name, jobs in (("without", plain), ("with", monitors)):
        start_vaktd(jobs)
        time.sleep(20)
        before = wake_ups("vaktd.service")
        time.sleep(60)
        found[name] = pss("vaktd.service"), wake_ups("vaktd.service") - before
        print(f"{n} jobs {name} a monitor of a unit of its own: {found[name][0]} KiB, {found[name][1]} wake-ups in a "
              f"minute", flush=True)
    print(f"a monitor: {(found['with'][0] - found['without'][0]) * 1024 / n:.0f} bytes")


def outside(build, parts):
    if Box.why_not():
        print(f"skipped: {Box.why_not()}")
        return
    with Box(build) as box:
        if not box.add("monit"):
            sys.exit("monit cannot be downloaded.")
        box.run("bench-monitor.py", "--inside", *parts, VAKT_BENCH_SECONDS=SECONDS, VAKT_BENCH_ROUNDS=ROUNDS)


def main():
    parts = sys.argv[2:] or ["idle", "events", "reaction", "cost"]
    if sys.argv[1] != "--inside":
        outside(sys.argv[1], parts)
        return
    prepare()
    print(f"# load {os.getloadavg()[0]:.1f}", flush=True)
    for part in parts:
        {"idle": idle, "events": events, "reaction": reaction, "cost": cost}[part]()


main()
