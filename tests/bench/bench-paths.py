#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Path triggers of the whole daemon beside the watchers that Debian has, in turns in one run, on tmpfs:

  setup    50,000 directories until the watcher is quiet, beside a bare walk with inotify_add_watch(2); its memory then;
           and its processor time and wake-ups in VAKT_BENCH_IDLE=30 seconds in which nothing happens
  latency  a file that is there is written and closed: until the command that is run for it begins
  burst    100,000 files into 1,000 directories, 20,000 into 2,000 new nested ones: files a second until all are reported,
           and how many never were; and 2,000 files, one run for each
  box      latency once more, by units: vaktd beside a path unit, in a booted systemd (root; tests/system/box)

usage: bench-paths.py BUILDDIR [PART...]      (default: all; VAKT_BENCH_ROUNDS=3 rounds, VAKT_BENCH_DIRECTORIES=50000;
VAKT_BENCH_ONLY=vaktd: only those with that in their name)

Peers that are not in PATH are skipped: inotifywait, incrond, watchman, fswatch, entr. Quiet is who sleeps in all threads
and used less than 2 ms of processor time in 0.3 s; set-up is over when that began. Reported is who has
handed the name to a command."""

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

ROUNDS = int(os.environ.get("VAKT_BENCH_ROUNDS", "3"))
DIRECTORIES = int(os.environ.get("VAKT_BENCH_DIRECTORIES", "50000"))
ONLY = os.environ.get("VAKT_BENCH_ONLY", "")
IDLE_SECONDS = float(os.environ.get("VAKT_BENCH_IDLE", "30"))
CHANGES = 150
PAUSE_SECONDS = 0.1  # between two changes: whoever still works on the last one is not measured with it
GIVE_UP_CHANGES = 5  # without a run
QUIET_SECONDS, QUIET_USAGE_NSEC = 0.3, 2_000_000
REST_SECONDS = 5  # after set-up, before idle is measured: vaktd writes down a second later what it has seen
STUCK_SECONDS = 10  # nothing new is reported for so long: what is missing now is lost
BURST_DIRECTORIES, BURST_FILES = 1000, 100000
NEST_DIRECTORIES, NEST_FILES = 2000, 20000
EACH_FILES = 2000


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


def load():
    return os.getloadavg()[0]


class Place:
    """Where a run of the bench keeps its things, and who is told when a command begins."""

    def __init__(self, helper, vaktd=None):
        self.helper, self.vaktd = helper, vaktd
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
        return int(subprocess.check_output([self.helper, *map(str, arguments)]))

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


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


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
            return [self.place.helper, "stamp", self.place.sock_path]
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
    name, backend = "vaktd", "auto"
    each = False
    again = False  # with the state of the last one

    def job(self):
        name = " ${VAKT_PATH}" if self.action == "stamp" else ""
        lines = [f"[Path]\nPathChanged={self.tree}\nRecursive=yes\nTriggerLimitBurst=0\n"
                 f"Backend={self.backend}",
                 "Batch=each" if self.action == "stamp" else "Batch=all",
                 f"[Run]\nExec={' '.join(self.command())}{name}"]
        if self.each:
            lines += ["Overlap=parallel", "MaxParallel=8"]
        return "\n".join(lines) + "\n"

    def start(self):
        jobs = f"{self.own}/jobs"
        os.mkdir(jobs, 0o755)
        with open(f"{jobs}/bench.job", "w", encoding="utf-8") as f:
            f.write(self.job())
        os.chmod(f"{jobs}/bench.job", 0o644)
        if not self.again:
            shutil.rmtree(f"{self.place.state}/vaktd", ignore_errors=True)
        build = self.place.vaktd
        self.began = time.monotonic()
        return self.run(
            [f"{build}/src/vaktd", "--no-bus", "--executor=child", f"--config={self.own}/vaktd.conf",
             f"--jobs-dir={jobs}", f"--state-dir={self.place.state}/vaktd", f"--socket={self.own}/control"],
            env={"PATH": os.environ["PATH"], "VAKTD_PROGRAM_DIR": f"{build}/src/exec"}).pid

    @classmethod
    def is_there(cls):
        return True


class VaktdAgain(Vaktd):
    name = "vaktd, second start"
    actions = ("nothing",)
    again = True


class VaktdInotify(Vaktd):
    """With CAP_SYS_ADMIN, as here, auto may be fanotify: this is what the service has as it is installed."""

    name, backend = "vaktd, Backend=inotify", "inotify"


class VaktdInotifyAgain(VaktdInotify):
    name = "vaktd, Backend=inotify, second start"
    actions = ("nothing",)
    again = True


class VaktdEach(Vaktd):
    name = "vaktd, 8 at once"
    actions = ()
    each = True


class Bare(Watcher):
    """The limit for a change: no name, no tree, no outcome, nothing remembered."""

    name = "bare inotify and posix_spawn"
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


WATCHERS = [Vaktd, VaktdAgain, VaktdInotify, VaktdInotifyAgain, VaktdEach, Bare, Inotifywait, Fswatch, Incron,
            Watchman, Entr]


def those_that_can(action):
    return [w for w in WATCHERS if action in w.actions and w.is_there() and (w is Bare or ONLY in w.name)]


# --- set-up, memory, idle ---


def make_tree(place, n):
    tree = place.new("tree")
    for i in range(n):
        os.mkdir(f"{tree}/{i}" if i % 100 == 0 else f"{tree}/{i - i % 100}/{i}")
    return tree


def measure_idle(watcher):
    time.sleep(REST_SECONDS)
    before = schedstat(watcher.pid)
    time.sleep(IDLE_SECONDS)
    after = schedstat(watcher.pid)
    return (after[0] - before[0]) / 1e6, after[1] - before[1]


def setup(place):
    tree = make_tree(place, DIRECTORIES)
    place.call("walk", tree)
    rows = {}
    for i in range(ROUNDS):
        for kind in those_that_can("nothing"):
            bare = place.call("walk", tree) / 1e6  # right before: on a shared machine it differs by half in a minute
            watcher = kind(place, tree, "nothing")
            try:
                seconds = watcher.wait_until_ready()
                memory = pss(watcher.pid)
                watches = count_watches(watcher.pid)
                idle = measure_idle(watcher) if i == ROUNDS - 1 else None
                later = pss(watcher.pid)
            finally:
                watcher.stop()
            rows.setdefault(kind.name, []).append((seconds, seconds / bare, memory, later, watches, idle))
        print(f"# round {i + 1}: the last bare walk {bare:.3f} s, load {load():.1f}", flush=True)
    for name, row in rows.items():
        best = min(row)
        print(f"set-up, {DIRECTORIES} directories: {name}: {best[0]:.3f} s, ratio to the bare walk "
              f"{quantile([r[1] for r in row], .5):.2f} of {', '.join(f'{r[1]:.2f}' for r in row)}; "
              f"PSS {min(r[2] for r in row) / 1024:.1f} MiB, "
              f"at rest {row[-1][3] / 1024:.1f}; {row[-1][4]} watches; "
              f"{row[-1][5][0]:.1f} ms of processor and {row[-1][5][1]} wake-ups in {IDLE_SECONDS:.0f} s idle",
              flush=True)
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


def report_latency(title, took, lost, limit):
    if not took:
        print(f"latency: {title}: nothing came")
        return
    print(f"latency: {title}: p50 {quantile(took, .5) / 1000:.2f} ms, p99 {quantile(took, .99) / 1000:.2f}, "
          f"max {max(took) / 1000:.2f} ({len(took)} changes, {lost} without a run)"
          + (f", ratio of the medians {quantile(took, .5) / quantile(limit, .5):.2f}" if limit else ""), flush=True)


def latency(place):
    tree = place.new("tree")
    path = f"{tree}/file"
    with open(path, "w", encoding="ascii"):
        pass
    rows = {}
    for i in range(ROUNDS):
        for kind in those_that_can("stamp"):
            watcher = kind(place, tree, "stamp")
            try:
                watcher.wait_until_ready()
                took, lost = measure_changes(place, path, CHANGES, PAUSE_SECONDS)
            finally:
                watcher.stop()
            row = rows.setdefault(kind.name, ([], [0], []))
            row[0].extend(took)
            row[1][0] += lost
        print(f"# round {i + 1}: load {load():.1f}", flush=True)
    for name, row in rows.items():
        report_latency(name, row[0], row[1][0], rows[Bare.name][0])
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


def burst_once(place, kind, what, n_directories, n_files):
    tree = place.new("tree")
    if what == "burst":
        for i in range(n_directories):
            os.mkdir(f"{tree}/directory-{i}")
    log = Log(f"{place.directory}/names")
    watcher = kind(place, tree, "collect", log.path)
    writer = {}
    try:
        watcher.wait_until_ready()
        begin = time.monotonic()
        thread = threading.Thread(target=lambda: writer.update(us=place.call(what, tree, n_directories, n_files)))
        thread.start()
        end = log.wait_for(n_files)
        thread.join()
    finally:
        watcher.stop()
        if os.path.exists(log.path):
            os.unlink(log.path)
    shutil.rmtree(tree)
    return end - begin, writer["us"] / 1e6, n_files - len(log.names), log.reports - len(log.names)


def each_once(place, kind):
    """One run for each file, all files written at once."""
    tree = place.new("tree")
    os.mkdir(f"{tree}/directory-0")
    watcher = kind(place, tree, "stamp")
    names = set()
    try:
        watcher.wait_until_ready()
        begin = end = time.monotonic()
        thread = threading.Thread(target=lambda: place.call("burst", tree, 1, EACH_FILES))
        thread.start()
        while len(names) < EACH_FILES:
            stamp = place.receive(STUCK_SECONDS)
            if not stamp:
                break
            names.add(stamp[1])
            end = time.monotonic()
        thread.join()
    finally:
        watcher.stop()
    shutil.rmtree(tree)
    return EACH_FILES / (end - begin), EACH_FILES - len(names)


def burst(place):
    for what, n_directories, n_files in (("burst", BURST_DIRECTORIES, BURST_FILES), ("nest", NEST_DIRECTORIES, NEST_FILES)):
        rows = {}
        for i in range(ROUNDS):
            for kind in those_that_can("collect"):
                rows.setdefault(kind.name, []).append(burst_once(place, kind, what, n_directories, n_files))
            print(f"# round {i + 1}: load {load():.1f}", flush=True)
        for name, row in rows.items():
            print(f"{what}, {n_files} files in {n_directories} directories: {name}: lost {[r[2] for r in row]}, "
                  f"reported again {[r[3] for r in row]}, "
                  f"{', '.join(f'{(n_files - r[2]) / r[0]:.0f}' for r in row)} files/s; "
                  f"time beside that of the writer "
                  f"{', '.join(f'{r[0] / r[1]:.2f}' for r in row)}", flush=True)
    for kind in (Vaktd, VaktdEach, Inotifywait, Incron):
        if kind.is_there():
            rate, lost = each_once(place, kind)
            print(f"one run for each of {EACH_FILES} files: {kind.name}: {rate:.0f} runs/s, {lost} lost", flush=True)


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


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def inside(helper):
    """In the box: the same file, the same command; the one or the other watches."""
    place = Place(helper)
    rows = {"a path unit": [], "vaktd, unit executor": []}
    path = f"{place.directory}/file"
    command = f"{helper} stamp {place.sock_path}"
    write(path, "")
    write("/run/systemd/system/bench.path", PATH_UNIT.format(path=path))
    write("/run/systemd/system/bench.service", PATH_SERVICE.format(command=command))
    write("/etc/vaktd/jobs.d/bench.job", JOB.format(path=path, command=command))
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    try:
        for _ in range(ROUNDS):
            for unit, name in (("bench.path", "a path unit"), ("vaktd.service", "vaktd, unit executor")):
                subprocess.run(["systemctl", "start", unit], check=True)
                time.sleep(1)
                rows[name].append(measure_changes(place, path, CHANGES // 2, 2 * PAUSE_SECONDS))
                subprocess.run(["systemctl", "stop", unit], check=True)
            print(f"# box: load {load():.1f}", flush=True)
    finally:
        place.close()
    limit = sum((r[0] for r in rows["a path unit"]), [])
    for name, row in rows.items():
        report_latency(name, sum((r[0] for r in row), []), sum(r[1] for r in row), limit)


def box(build):
    here = os.path.dirname(os.path.abspath(__file__))
    program, name = f"{here}/../system/box", f"bench-paths-{os.getpid()}"
    if os.geteuid() != 0 or not shutil.which("systemd-nspawn"):
        print("box: skipped, it needs root and systemd-nspawn")
        return
    environment = os.environ | {"VAKT_BOX_OWNER": str(os.getpid())}
    subprocess.run([program, "up", name, build], check=True, env=environment)
    try:
        root = subprocess.check_output([program, "root", name], text=True).strip()
        for file in (__file__, f"{build}/tests/bench/bench-paths-helper"):
            shutil.copy(file, f"{root}/opt/vaktd-tests/")
        subprocess.run([program, "run", name, "env", f"VAKT_BENCH_ROUNDS={ROUNDS}", "/opt/vaktd-tests/bench-paths.py",
                        "--inside", "/opt/vaktd-tests/bench-paths-helper"], check=True)
    finally:
        subprocess.run([program, "down", name], check=True, env=environment)


def main():
    if sys.argv[1] == "--inside":
        inside(sys.argv[2])
        return
    build = os.path.abspath(sys.argv[1])
    parts = sys.argv[2:] or ["setup", "latency", "burst", "box"]
    for kind in WATCHERS:
        if not kind.is_there():
            print(f"# {kind.name} is not in PATH, skipped")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    place = Place(f"{build}/tests/bench/bench-paths-helper", build)
    try:
        for part, run in (("setup", setup), ("latency", latency), ("burst", burst)):
            if part in parts:
                run(place)
    finally:
        place.close()
    if "box" in parts:
        box(build)


main()
