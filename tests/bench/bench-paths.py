#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Path triggers of the whole daemon beside the watchers that Debian has, in turns in one run, on tmpfs:

  setup    50,000 directories until the watcher is quiet, beside a bare walk with inotify_add_watch(2); its memory then;
           and, with VAKT_BENCH_IDLE=30, its processor time and wake-ups in so many seconds in which nothing happens
  change   a file that is there is written and closed: until the command that is run for it begins
  nest     20,000 files into 2,000 new nested directories: until all are reported, beside the one who writes them
  spool    2,000 files are moved into a spool: one run for each, 8 at once
  files    100,000 files into 1,000 directories: as nest
  others   100,000 files elsewhere on the same file system: processor time of vaktd that has CAP_SYS_ADMIN
  box      change once more, by units: vaktd beside a path unit, in a booted systemd (root; tests/system/box)

usage: bench-paths.py BUILDDIR [ROW...]      (default: all but box; a row of table.py or one of these;
VAKT_BENCH_ONLY=vaktd: only those with that in their name)

"vaktd" is the backend of the service as it is installed, inotify; "-fanotify" what CAP_SYS_ADMIN permits. Peers that are not
in PATH are skipped: inotifywait, incrond, watchman, fswatch, entr. Quiet is who sleeps in all threads and used less than 2 ms
of processor time in 0.3 s; set-up is over when that began. Reported is who has handed the name to a command."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from common import Box, Daemon, call, exit_on_sigterm, pss, quantile, rounds, sample, size, skip, write

ROUNDS = rounds(3)
DIRECTORIES = size(50000)
ONLY = os.environ.get("VAKT_BENCH_ONLY", "")
IDLE_SECONDS = float(os.environ.get("VAKT_BENCH_IDLE", "0"))
CHANGES = size(200)
PAUSE_SECONDS = 0.03  # between two changes: a program that still works on the last one is not measured with it
GIVE_UP_CHANGES = 5  # without a run
QUIET_SECONDS, QUIET_USAGE_NSEC = 0.3, 2_000_000
REST_SECONDS = 5  # after set-up, before idle is measured: vaktd writes down a second later what it has seen
STUCK_SECONDS = 10  # nothing new is reported for so long: what is missing now is lost
FILES = {"files": (size(1000), size(100000)), "nest": (size(2000), size(20000))}
SPOOL_FILES, AT_ONCE = size(2000), 8


class Place:
    """Where a run of the bench keeps its things, and who is told when a command begins."""

    def __init__(self, helper, vaktd=None):
        self.helper, self.vaktd = helper, vaktd
        self.what_runs = None  # other than to send a stamp
        self.directory = tempfile.mkdtemp(prefix="vakt-bench-paths-", dir="/dev/shm")
        self.state = tempfile.mkdtemp(prefix="vakt-bench-paths-")  # the ledger is on a disk, where it would be
        self.sock_path = f"{self.directory}/stamps"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.sock_path)
        os.chmod(self.sock_path, 0o777)

    def new(self, name):
        path = f"{self.directory}/{name}"
        shutil.rmtree(path, ignore_errors=True)
        os.mkdir(path)
        return path

    def receive(self, timeout):
        """When the command began, in µs, and its file; None when it did not."""
        self.sock.settimeout(timeout)
        try:
            stamp, path = self.sock.recv(8192).split(b" ", 1)
        except (TimeoutError, BlockingIOError):
            return None
        return int(stamp), path

    def call(self, *arguments):
        return int(call(self.helper, *arguments))

    def close(self):
        self.sock.close()
        shutil.rmtree(self.directory)
        shutil.rmtree(self.state)


# --- processes ---


def schedstat(pid):
    """Nanoseconds on a processor and number of times put on one, of all threads."""
    ran = times = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                fields = f.read().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ran, times = ran + int(fields[0]), times + int(fields[2])
    return ran, times


def sleeps(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii", errors="replace") as f:
                if f.read().rsplit(") ", 1)[1][0] != "S":
                    return False
        except (FileNotFoundError, ProcessLookupError):
            continue
    return True


def quiet_since(pid):
    """Waits until it is quiet and returns since when."""
    last, since = 0, time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        now = schedstat(pid)[0]
        if now - last > QUIET_USAGE_NSEC or not sleeps(pid):
            last, since = now, time.monotonic()
        time.sleep(0.004)
    return since


def count_watches(pid):
    n = 0
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
            n += sum(line.startswith("inotify wd") for line in f)
    return n


# --- those who watch ---


class Watcher:
    """Watches a tree: and does nothing; or runs the stamp for each file; or hands all names to what keeps them."""

    name = program = None
    actions = ("nothing", "stamp", "collect")

    def __init__(self, place, tree, action, log=None):
        self.place, self.tree, self.action, self.log = place, tree, action, log
        self.processes = []
        self.own = place.new("watcher")
        self.began = time.monotonic()
        self.pid = self.start()

    @classmethod
    def is_there(cls):
        return shutil.which(cls.program) is not None

    def run(self, command, **settings):
        settings.setdefault("stderr", subprocess.DEVNULL)
        process = subprocess.Popen(command, **settings)
        self.processes.append(process)
        return process

    def command(self):
        """What is run for one file, without its name; or for all, from standard input."""
        if self.action == "nothing":
            return ["/bin/true"]
        if self.action == "stamp":
            return self.place.what_runs or [self.place.helper, "stamp", self.place.sock_path]
        return [self.place.helper, "collect", self.log]

    def pipe(self, command):
        """Names on standard output, a line each: into what the shell makes of them."""
        if self.action == "nothing":
            return self.run(command, stdout=subprocess.DEVNULL).pid
        watcher = self.run(command, stdout=subprocess.PIPE)
        reader = self.command()
        if self.action == "stamp":
            reader = ["sh", "-c", 'while IFS= read -r f; do "$@" "$f"; done', "sh", *reader]
        self.run(reader, stdin=watcher.stdout)
        watcher.stdout.close()
        return watcher.pid

    def wait_until_ready(self):
        return quiet_since(self.pid) - self.began

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(60)


class Vaktd(Watcher):
    name, backend = "vaktd", "inotify"
    kind, more = "PathChanged={tree}\nRecursive=yes\nBackend={backend}", ""
    again = False  # with the state of the last one

    def job(self):
        name, batch = (" ${VAKT_PATH}", "each") if self.action == "stamp" else ("", "all")
        return (f"[Path]\n{self.kind.format(tree=self.tree, backend=self.backend)}\nTriggerLimitBurst=0\nBatch={batch}\n"
                f"[Run]\nExec={' '.join(self.command())}{name}\n{self.more}")

    def start(self):
        state = f"{self.place.state}/vaktd"
        if not self.again:
            shutil.rmtree(state, ignore_errors=True)
        self.daemon = Daemon(self.place.vaktd, {"bench": self.job()}, self.own)
        self.began = time.monotonic()
        self.daemon.start(state)
        self.processes.append(self.daemon.process)
        return self.daemon.process.pid

    @classmethod
    def is_there(cls):
        return True


class VaktdAgain(Vaktd):
    name = "vaktd-again"
    actions = ("nothing",)
    again = True


class VaktdFanotify(Vaktd):
    name, backend = "vaktd-fanotify", "fanotify"

    @classmethod
    def is_there(cls):
        return os.geteuid() == 0


class VaktdFanotifyAgain(VaktdFanotify):
    name = "vaktd-fanotify-again"
    actions = ("nothing",)
    again = True


class VaktdSpool(Vaktd):
    name, kind, more = "vaktd", "Spool={tree}", f"Overlap=parallel\nMaxParallel={AT_ONCE}\n"


class Bare(Watcher):
    """The limit for a change: no name, no tree, no outcome, nothing remembered."""

    name = "bare-inotify"
    actions = ("stamp",)

    def start(self):
        return self.run([self.place.helper, "react", self.tree, *self.command()]).pid

    @classmethod
    def is_there(cls):
        return True


class Inotifywait(Watcher):
    name = program = "inotifywait"

    def start(self):
        return self.pipe(["inotifywait", "-q", "-m", "-r", "-e", "close_write", "--format", "%w%f", self.tree])


class Fswatch(Watcher):
    name = program = "fswatch"

    def start(self):
        # A new file is only Created for it; Updated comes for one that was there.
        event = "Updated" if self.action == "stamp" else "Created"
        return self.pipe(["fswatch", "--allow-overflow", "-r", "-l", "0.1", "--event", event, self.tree])


class Incron(Watcher):
    """In a pid namespace of its own: it leaves children behind."""

    name, program = "incron", "incrond"
    actions = ("nothing", "stamp")

    def start(self):
        for directory in ("system", "user"):
            os.mkdir(f"{self.own}/{directory}")
        with open(f"{self.own}/conf", "w", encoding="utf-8") as f:
            f.write(f"system_table_dir = {self.own}/system\nuser_table_dir = {self.own}/user\n"
                    f"lockfile_dir = {self.own}\nlockfile_name = incrond\n")
        with open(f"{self.own}/system/bench", "w", encoding="utf-8") as f:
            name = " $@/$#" if self.action == "stamp" else ""
            f.write(f"{self.tree} IN_CLOSE_WRITE {' '.join(self.command())}{name}\n")
        outer = self.run(["unshare", "--pid", "--fork", "--kill-child", "incrond", "-n", "-f", f"{self.own}/conf"])
        while True:
            with open(f"/proc/{outer.pid}/task/{outer.pid}/children", encoding="ascii") as f:
                children = f.read().split()
            if children:
                return int(children[0])
            time.sleep(0.001)

    def stop(self):
        os.kill(self.pid, signal.SIGKILL)  # as the first one there it takes all with it; unshare heeds no SIGTERM
        super().stop()


class Watchman(Watcher):
    name = program = "watchman"

    def ask(self, *request):
        subprocess.run(["watchman", f"--sockname={self.own}/sock", "--no-spawn", "-j"], check=True, text=True,
                       input=json.dumps(request), stdout=subprocess.DEVNULL)

    def start(self):
        process = self.run(["watchman", "--foreground", f"--sockname={self.own}/sock", f"--logfile={self.own}/log",
                            f"--statefile={self.own}/state", f"--pidfile={self.own}/pid", "--no-save-state"])
        while not os.path.exists(f"{self.own}/sock"):
            time.sleep(0.001)
        self.ask("watch", self.tree)
        if self.action != "nothing":
            trigger = {"name": "bench", "expression": ["type", "f"], "command": self.command()}
            trigger |= {"append_files": True} if self.action == "stamp" else {"stdin": "NAME_PER_LINE"}
            self.ask("trigger", self.tree, trigger)
        return process.pid


class Entr(Watcher):
    """Wants to be told every file, and hears of none that is made later."""

    name = program = "entr"
    actions = ("stamp",)

    def start(self):
        entr = self.run(["entr", "-n", "-p", *self.command(), "/_"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for directory, _, files in os.walk(self.tree):
            for name in files:
                entr.stdin.write(f"{directory}/{name}\n".encode())
        entr.stdin.close()
        return entr.pid


WATCHERS = [Bare, Vaktd, Inotifywait, VaktdAgain, VaktdFanotify, VaktdFanotifyAgain, Fswatch, Incron, Watchman, Entr]


def those_that_can(action):
    return [w for w in WATCHERS if action in w.actions and w.is_there() and (w is Bare or ONLY in w.name)]


def report(row, kind, figure, limit=None, beside=0):
    """A variant of vaktd has a row of its own, with the limit."""
    variant = kind.name.removeprefix("vaktd") if kind.name.startswith("vaktd") else None
    if limit and variant is not None:
        sample(row + variant, limit, beside)
    sample(row + (variant or ""), kind.name if variant is None else "vaktd", figure)


# --- set-up, memory, idle ---


def make_tree(place, n):
    tree = place.new("tree")
    for i in range(n):
        os.mkdir(f"{tree}/{i}" if i % 100 == 0 else f"{tree}/{i - i % 100}/{i}")
    return tree


def show_idle(kind, pid):
    print(f"set-up: {kind.name}: PSS {pss(pid) / 2**20:.1f} MiB, {count_watches(pid)} watches", end="")
    time.sleep(REST_SECONDS)
    before = schedstat(pid)
    time.sleep(IDLE_SECONDS)
    after = schedstat(pid)
    print(f"; at rest {pss(pid) / 2**20:.1f} MiB, {(after[0] - before[0]) / 1e6:.1f} ms of processor and "
          f"{after[1] - before[1]} wake-ups in {IDLE_SECONDS:.0f} s idle", flush=True)


def setup(place):
    tree = make_tree(place, DIRECTORIES)
    place.call("walk", tree)
    for i in range(ROUNDS):
        for kind in those_that_can("nothing"):
            bare = place.call("walk", tree)  # right before: on a shared machine it differs by half in a minute
            watcher = kind(place, tree, "nothing")
            try:
                report("setup", kind, watcher.wait_until_ready() * 1e3, "walk", bare / 1e3)
                if IDLE_SECONDS and i == ROUNDS - 1:
                    show_idle(kind, watcher.pid)
            finally:
                watcher.stop()
    shutil.rmtree(tree)


# --- a change ---


def change(path):
    """Returns when it was made, in µs."""
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, b"changed\n")
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    os.close(fd)
    return now


def measure_changes(place, path, n, pause):
    took, lost = [], 0
    for _ in range(n):
        while place.receive(0.0001):  # of the last one: some report a change twice
            pass
        made = change(path)
        stamp = place.receive(2)
        if stamp:
            took.append(stamp[0] - made)
        else:
            lost += 1
        if lost >= GIVE_UP_CHANGES:
            break
        time.sleep(pause)
    return took, lost


def report_changes(row, kind, took, lost):
    if took:
        report(f"{row}-p50", kind, quantile(took, .5))
        report(f"{row}-p99", kind, quantile(took, .99))
    if lost:
        print(f"{row}: {kind.name}: {lost} changes without a run", flush=True)


def changes(place):
    tree = place.new("tree")
    path = f"{tree}/file"
    write(path, "")
    for _ in range(ROUNDS):
        for kind in those_that_can("stamp"):
            watcher = kind(place, tree, "stamp")
            try:
                watcher.wait_until_ready()
                report_changes("change", kind, *measure_changes(place, path, CHANGES, PAUSE_SECONDS))
            finally:
                watcher.stop()
    shutil.rmtree(tree)


# --- many files at once ---


class Log:
    """The names that were handed over, read as they come."""

    def __init__(self, path):
        self.path, self.names, self.reports, self.rest, self.at = path, set(), 0, b"", 0

    def read(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.at)
                new = f.read()
        except FileNotFoundError:
            return
        self.at += len(new)
        *names, self.rest = (self.rest + new).replace(b"\0", b"\n").split(b"\n")
        names = [n.rsplit(b"/", 1)[-1] for n in names if b"/file-" in n or n.startswith(b"file-")]
        self.reports += len(names)
        self.names.update(names)

    def wait_for(self, n):
        """When the last one came, whether all did."""
        last, since = 0, time.monotonic()
        while len(self.names) < n and time.monotonic() - since < STUCK_SECONDS:
            self.read()
            if self.reports > last:
                last, since = self.reports, time.monotonic()
            time.sleep(0.02)
        return since


def burst_once(place, kind, row, n_directories, n_files):
    """Seconds until all were reported, and of the writer; how many never were."""
    tree = place.new("tree")
    if row == "files":
        for i in range(n_directories):
            os.mkdir(f"{tree}/directory-{i}")
    log = Log(f"{place.directory}/names")
    watcher = kind(place, tree, "collect", log.path)
    writer = {}
    try:
        watcher.wait_until_ready()
        begin = time.monotonic()
        thread = threading.Thread(target=lambda: writer.update(
            us=place.call("nest" if row == "nest" else "burst", tree, n_directories, n_files)))
        thread.start()
        end = log.wait_for(n_files)
        thread.join()
    finally:
        watcher.stop()
        if os.path.exists(log.path):
            os.unlink(log.path)
    shutil.rmtree(tree)
    return end - begin, writer["us"] / 1e6, n_files - len(log.names)


def burst(place, row):
    for _ in range(ROUNDS):
        for kind in those_that_can("collect"):
            took, writer, lost = burst_once(place, kind, row, *FILES[row])
            if lost:
                skip(row, kind.name, f"lost {lost} of {FILES[row][1]} files")
            else:
                report(row, kind, took * 1e3, "writer", writer * 1e3)


def others(place):
    """What files elsewhere on the same file system cost who watches all of that."""
    n = FILES["files"][1]
    watcher = VaktdFanotify(place, place.new("tree"), "nothing")
    try:
        watcher.wait_until_ready()
        elsewhere = place.new("elsewhere")
        os.mkdir(f"{elsewhere}/directory-0")
        before = schedstat(watcher.pid)[0]
        place.call("burst", elsewhere, 1, n)
        quiet_since(watcher.pid)
        print(f"others: {(schedstat(watcher.pid)[0] - before) / 1e3 / n:.2f} us of processor time for each of {n} files")
    finally:
        watcher.stop()


# --- a spool ---


class InotifywaitXargs(Inotifywait):
    name = "inotifywait-xargs"

    def start(self):
        watcher = self.run(["inotifywait", "-q", "-m", "-e", "moved_to", "--format", "%w%f", self.tree],
                           stdout=subprocess.PIPE)
        self.run(["xargs", "-P", str(AT_ONCE), "-n", "1", *self.command()], stdin=watcher.stdout)
        watcher.stdout.close()
        return watcher.pid


def fill_spool(place, spool):
    """Returns when it began, in µs."""
    ready = place.new("ready")
    for i in range(SPOOL_FILES):
        write(f"{ready}/file-{i}", "x")
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    for name in os.listdir(ready):
        os.rename(f"{ready}/{name}", f"{spool}/{name}")
    return began


def count_notes(path):
    """How many there are, and the last of them."""
    try:
        with open(path, encoding="ascii") as f:
            notes = f.read().split("\n")[:-1]
    except FileNotFoundError:
        return 0, 0
    return len(notes), int(max(notes, default="0"))


def spool_once(place, kind):
    """Items a second, from the first one that is there to the begin of the last run; 0 if some had none."""
    tree, notes = place.new("tree"), f"{place.directory}/notes"
    if os.path.exists(notes):
        os.unlink(notes)
    place.what_runs = [f"{place.helper}-static", "note", notes]
    if kind is None:
        fill_spool(place, tree)
        began = int(call(place.helper, "drain", tree, AT_ONCE, *place.what_runs).split()[0])
    else:
        watcher = kind(place, tree, "stamp")
        try:
            watcher.wait_until_ready()
            began = fill_spool(place, tree)
            give_up = time.monotonic() + STUCK_SECONDS
            while count_notes(notes)[0] < SPOOL_FILES and time.monotonic() < give_up:
                time.sleep(0.01)
        finally:
            watcher.stop()
    place.what_runs = None
    n, last = count_notes(notes)
    return n * 1e6 / (last - began) if n == SPOOL_FILES else 0


def spool(place):
    for _ in range(ROUNDS):
        for name, kind in (("spawn-loop", None), ("vaktd", VaktdSpool), ("inotifywait-xargs", InotifywaitXargs)):
            rate = spool_once(place, kind) if kind is None or kind.is_there() else None
            if rate:
                sample("spool", name, rate)
            else:
                skip("spool", name, "not installed" if rate is None else f"not all {SPOOL_FILES} items had a run")


# --- by units ---

PATH_UNIT = """[Unit]
StartLimitIntervalSec=0
[Path]
PathChanged={path}
TriggerLimitIntervalSec=0
"""

PATH_SERVICE = """[Unit]
StartLimitIntervalSec=0
[Service]
Type=oneshot
ExecStart={command}
"""

JOB = """[Path]
PathChanged={path}
TriggerLimitBurst=0
[Run]
Exec={command}
"""


def inside(helper):
    """In the box: the same file, the same command; the one or the other watches."""
    place = Place(helper)
    path = f"{place.directory}/file"
    command = f"{helper} stamp {place.sock_path}"
    write(path, "")
    write("/run/systemd/system/bench.path", PATH_UNIT.format(path=path))
    write("/run/systemd/system/bench.service", PATH_SERVICE.format(command=command))
    write("/etc/vaktd/jobs.d/bench.job", JOB.format(path=path, command=command))
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    try:
        for _ in range(ROUNDS):
            for unit, name in (("bench.path", "path-unit"), ("vaktd.service", "vaktd")):
                subprocess.run(["systemctl", "start", unit], check=True)
                time.sleep(1)
                took, lost = measure_changes(place, path, CHANGES // 2, 2 * PAUSE_SECONDS)
                print(f"unit-change: {name}: {lost} changes without a run")
                sample("unit-change-p50", name, quantile(took, .5))
                sample("unit-change-p99", name, quantile(took, .99))
                subprocess.run(["systemctl", "stop", unit], check=True)
    finally:
        place.close()


def box(build):
    if Box.why_not():
        skip("unit-change", "vaktd", Box.why_not())
        return
    with Box(build) as machine:
        machine.run("bench-paths.py", "--inside", "/opt/vaktd-tests/bench-helper")


def main():
    exit_on_sigterm()
    if sys.argv[1] == "--inside":
        inside(sys.argv[2])
        return
    build, rows = os.path.abspath(sys.argv[1]), sys.argv[2:]
    for row in rows:
        for kind in (Inotifywait, Watchman):
            if not kind.is_there() and (kind is Inotifywait or row.startswith("nest")):
                skip(row, kind.name, "not installed")
    parts = {"setup": setup, "change": changes, "nest": lambda p: burst(p, "nest"), "files": lambda p: burst(p, "files"),
             "spool": spool, "others": others}
    place = Place(f"{build}/tests/bench/bench-helper", build)
    try:
        for name, run in parts.items():
            if not rows or any(row.startswith(name) for row in rows):
                run(place)
    finally:
        place.close()
    if "box" in rows:
        box(build)


main()
