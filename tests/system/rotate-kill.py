#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills vakt-rotate as it enters its first, second, third … system call, or lets that call fail, up to the last one.

  rotate-kill.py [--program PATH] [--stride N] [--full] [--only TEXT] [--directory DIR] [kill|fail|order|old]…

A program that appends numbered lines has the log open all the time, and reopens it when PostRotate= says so. After the
run that was hit, the log must be there; it goes on writing; and after the next run, which is not hit, no byte is
missing or there twice, from the oldest copy to the log, in the order of their names, and nothing else is left. In some
scenarios the next run has other settings: then copies have names of both kinds, and no byte is missing.

"order" looks at the calls of a run that is not hit: what a later call takes for granted after a power failure was synced
before it.

"old" stops a run at each call, and meanwhile its OldDir= is moved away, cannot be written to any more, or is removed with
all that is in it. While that is so, a run says so and the log has its file; afterwards the next run finishes."""

import argparse
import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

ALICE = 54321
ERRORS = ["EIO", "ENOSPC", "EROFS"]
FAILING = ["openat", "write", "pwrite64", "linkat", "renameat", "renameat2", "unlinkat", "fchown", "fchmod", "fsync",
           "fdatasync", "ftruncate", "fallocate", "utimensat", "syncfs"]


# A call; what has to be synced after it, before: another call. As strace -y prints them, with the paths of descriptors.
DIRECTORY, LOG, COPY = r"fsync\(\d+<[^>]*/(log|old)>\)", r"f(data)?sync\(\d+<[^>]*/app\.log>\)", \
    r"f(data)?sync\(\d+<[^>]*/\.app\.log\.vakt-copy>\)"
CUT = r"(fallocate|ftruncate)\(\d+<[^>]*/app\.log>"
ORDERS = [
    (r"pwrite64\(\d+<[^>]*vakt-copy>", COPY, r'renameat.*, "\.app\.log\.vakt-cut"'),
    (r'renameat.*, "\.app\.log\.vakt-cut"', DIRECTORY, CUT),
    (CUT + r".* = 0", LOG, r'renameat2?\(.*"\.app\.log\.vakt-cut", '),
    (r"write\(\d+<[^>]*vakt-zip>", r"f(data)?sync\(\d+<[^>]*vakt-zip>|syncfs", r'renameat2?\(.*vakt-zip", '),
    (r'renameat2?\(.*vakt-zip", ', DIRECTORY, r'unlinkat\(.*"app[^"]*"'),
]


class Scenario:
    """What is rotated how, and by whom: the user of the run and the owner of the directory."""

    def __init__(self, name, lines, user=0, owner=0, inject=(), may_miss=False, then=None):
        self.name, self.lines, self.user, self.owner = name, lines, user, owner
        self.then = then  # the settings of the next run, if it has others
        self.inject = inject  # what fails always, to reach other branches
        self.may_miss = may_miss  # there is a moment without a log


def scenarios(full):
    made = []
    kinds = {"root": (0, 0), "root-in-alice": (0, ALICE), "alice": (ALICE, ALICE)}
    rename, cut = ["Mode=rename"], ["Mode=copytruncate"]
    forms = [("rename", rename), ("rename-gzip", [*rename, "Compress=gzip"]),
             ("rename-zstd-delay", [*rename, "Compress=zstd", "CompressDelay=1"]),
             ("rename-date-zstd", [*rename, "Suffix=date", "Compress=zstd"]),
             ("rename-olddir-gzip", [*rename, "OldDir=old", "Compress=gzip", "Extension=.log"]),
             ("copy-olddir", [*cut, "OldDir=old"]), ("copy", cut), ("copy-gzip", [*cut, "Compress=gzip"]),
             ("copy-date-zstd", [*cut, "Suffix=date", "Compress=zstd"])]
    for who, (user, owner) in kinds.items():
        for name, lines in forms:
            if full or who == "root" or name in ("rename-gzip", "copy", "rename-olddir-gzip"):
                made.append(Scenario(f"{name}-{who}", lines, user, owner))
    made.append(Scenario("without-links", [*rename, "Compress=gzip"], inject=["linkat:error=EPERM"]))
    made.append(Scenario("without-links-dates", [*rename, "Suffix=date"], inject=["linkat:error=EPERM"]))
    made.append(Scenario("without-exchange", rename, inject=["linkat:error=EPERM", "renameat2:error=EINVAL"],
                         may_miss=True))
    made.append(Scenario("without-collapse", cut, inject=["fallocate:error=EOPNOTSUPP"]))
    changes = {"date": ["Suffix=date"], "olddir": ["OldDir=old"], "zstd": ["Compress=zstd"],
               "plain": ["Compress=none"], "extension": ["Extension=.log"],
               "all": ["Suffix=date", "OldDir=old", "Compress=zstd", "Extension=.log"]}
    for name, then in changes.items():
        if full or name in ("all", "olddir"):
            for kind, lines in {"rename": rename, "copy": cut}.items():
                made.append(Scenario(f"{kind}-then-{name}", [*lines, "Compress=gzip"], then=[*lines, *then]))
    made.append(Scenario("rename-then-copy", [*rename, "Compress=gzip"], then=cut))
    made.append(Scenario("copy-then-rename", [*cut, "Suffix=date"], then=rename))
    return made


class Writer:
    """Appends numbered lines to the log, and reopens it when somebody opens ask, which it acknowledges in ack. Both are
    FIFOs, and a thread waits for them: a signal that comes just before the main thread waits for the run would only be
    seen when that wait is over."""

    def __init__(self, path, ask, ack, owner):
        self.path, self.ask, self.ack, self.owner, self.n, self.fd = path, ask, ack, owner, 0, -1
        self.lock, self.is_done = threading.Lock(), False
        self.reopen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def reopen(self):
        with self.lock:
            if self.fd >= 0:
                os.close(self.fd)
            self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
            os.fchown(self.fd, self.owner, self.owner)

    def write(self, lines):
        text = "".join(f"line {self.n + i:07}\n" for i in range(lines))
        self.n += lines
        with self.lock:
            os.write(self.fd, text.encode())

    def serve(self):
        while True:
            with open(self.ask):
                pass
            if self.is_done:
                return
            self.reopen()
            with open(self.ack, "w") as f:
                f.write("\n")

    def done(self):
        self.is_done = True
        with open(self.ask, "w"):
            self.thread.join()
        os.close(self.fd)

    def expected(self):
        return "".join(f"line {i:07}\n" for i in range(self.n)).encode()


class World:
    """One directory with one log, some copies of it, and its writer."""

    def __init__(self, base, scenario, program):
        self.s, self.program = scenario, program
        self.top = tempfile.mkdtemp(prefix="kill-", dir=base)
        os.chmod(self.top, 0o755)
        self.dir, self.state = f"{self.top}/log", f"{self.top}/state"
        self.lines = scenario.lines
        old = any(x.startswith("OldDir=") for x in [*scenario.lines, *(scenario.then or [])])
        self.old = f"{self.dir}/old" if old else self.dir
        for path, owner in [(self.dir, scenario.owner), (self.old, scenario.owner), (self.state, scenario.user)]:
            os.makedirs(path, exist_ok=True)
            os.chown(path, owner, owner)
        self.ask, self.ack = f"{self.top}/ask", f"{self.top}/ack"
        for path in (self.ask, self.ack):
            os.mkfifo(path)
        self.log = f"{self.dir}/app.log"
        self.writer = Writer(self.log, self.ask, self.ack, scenario.owner)
        # Two rotations that nothing disturbs, one of them small.
        for lines in (3, 900):
            self.writer.write(lines)
            if self.run().returncode != 0:
                raise RuntimeError("a run that is not disturbed fails")
        self.writer.write(1000)

    def command(self):
        drop = ["setpriv", f"--reuid={self.s.user}", f"--regid={self.s.user}", "--clear-groups"] if self.s.user else []
        # Run by a user, it says so in a file, and the log is reopened a little later only.
        tell = f": >{self.ask} && read x <{self.ack}" if not self.s.user else f": >{self.state}/told"
        return drop, [self.program, f"--state-directory={self.state}", f"Path={self.dir}/*.log", "Keep=infinity",
                      f"PostRotate={tell}", *self.lines]

    def stopped(self, call, n, meanwhile):
        """A run that is stopped as it enters this call; the finished process."""
        drop, command = self.command()
        trace = f"{self.top}/trace"
        os.mkfifo(trace)
        os.chmod(trace, 0o666)
        p = subprocess.Popen([*drop, "strace", "-qq", "-o", trace, "-e", f"trace={call}", "-e",
                              f"inject={call}:signal=STOP:when={n}", *command], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        p.was_stopped = False
        with open(trace) as f:
            if any("stopped by SIGSTOP" in line for line in iter(f.readline, "")):
                p.was_stopped = True
                meanwhile()
                with open(f"/proc/{p.pid}/task/{p.pid}/children") as c:
                    os.kill(int(c.read()), signal.SIGCONT)
            for _ in f:
                pass
        p.output = p.communicate(timeout=120)[0]
        os.unlink(trace)
        self.look_if_told()
        return p

    def look_if_told(self):
        if os.path.exists(f"{self.state}/told"):
            os.unlink(f"{self.state}/told")
            self.writer.reopen()

    def run(self, *tracing):
        drop, command = self.command()
        always = [x for i in self.s.inject for x in ("-e", f"inject={i}")]
        strace = ["strace", "-qq", *always, *tracing] if tracing or always else []
        if strace and not tracing:
            strace += ["-o", "/dev/null"]
        p = subprocess.run([*drop, *strace, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=120)
        self.look_if_told()
        return p

    def copies(self):
        """The oldest first."""
        def age(name):
            date = re.search(r"-(\d{8})(?:\.(\d+))?", name)
            if date:
                return (int(date[1]), int(date[2] or 0))
            return (-int(re.search(r"\.(\d+)", name)[1]), 0)
        names = [n for n in os.listdir(self.old) if n != "app.log" and not n.startswith(".") and n != "old"]
        return sorted(names, key=age)

    def read(self, name):
        with open(name, "rb") as f:
            data = f.read()
        if name.endswith(".gz"):
            return gzip.decompress(data)
        if name.endswith(".zst"):
            return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
        return data

    def content(self):
        return b"".join(map(self.read, [*(f"{self.old}/{n}" for n in self.copies()), self.log]))

    def first_missing(self):
        """Of copies in both directories, whatever their names are: where no copy goes on, or None."""
        wanted, at, parts = self.writer.expected(), 0, []
        for path in {f"{d}/{n}" for d in (self.dir, self.old) for n in os.listdir(d)}:
            data = self.read(path) if os.path.isfile(path) else b""
            if data not in wanted:
                return f"{path} has what nobody has written"
            parts.append((wanted.find(data), len(data)))
        for begin, n in sorted(parts):
            if begin > at:
                break
            at = max(at, begin + n)
        return f"what was written at {at} is missing" if at < len(wanted) else None

    def problems(self):
        left = [n for d in (self.dir, self.old) for n in os.listdir(d) if ".vakt-" in n]
        if left:
            yield f"left: {left}"
        if not os.path.exists(self.log):
            yield "the log has no file"
            return
        if self.s.then:
            missing = self.first_missing()
            if missing:
                yield missing
            return
        found, wanted = self.content(), self.writer.expected()
        if found != wanted:
            at = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), min(len(found), len(wanted)))
            yield f"{len(found)} bytes instead of {len(wanted)}, the first difference at {at}"
        if self.s.owner != os.stat(self.log).st_uid:
            yield "the log has another owner"

    def done(self):
        self.writer.done()
        shutil.rmtree(self.top)


def after_hit(w):
    """What has to be true after the run that was hit, and after the next one."""
    if not w.s.may_miss and not os.path.exists(w.log):
        yield "the log has no file"
    w.writer.write(7)
    w.lines = w.s.then or w.s.lines
    p = w.run()
    if p.returncode != 0:
        yield f"the next run ends with {p.returncode}: {p.stdout}{p.stderr}"
    w.writer.write(7)
    yield from w.problems()
    # And once more, now that everything is told.
    p = w.run()
    yield from w.problems()


class Test:
    def __init__(self, base, args):
        self.base, self.args, self.n_problems = base, args, 0

    def try_point(self, scenario, what, *tracing):
        """Returns the finished process of the run that was to be hit."""
        w = World(self.base, scenario, self.args.program)
        try:
            p = w.run("-o", "/dev/null", *tracing)
            found = list(after_hit(w))
            listing = sorted(os.listdir(w.dir))
        finally:
            w.done()
        for f in found:
            self.n_problems += 1
            print(f"problem: {scenario.name}: {what}: {f}\n  {listing}\n  {p.stdout}", flush=True)
        return p

    def calls(self, scenario):
        """The names of the system calls of a run, and which is the first one that is about our files."""
        w = World(self.base, scenario, self.args.program)
        try:
            trace = f"{w.top}/trace"
            open(trace, "w").close()
            os.chmod(trace, 0o666)
            w.run("-o", trace)
            with open(trace) as f:
                lines = [m[1] for m in (re.match(r"(\w+)\(", line) for line in f) if m]
            with open(trace) as f:
                text = [line for line in f if re.match(r"\w+\(", line)]
            name = f'"{os.path.basename(w.state)}"'  # it is opened from the directory above it
            first = next(i for i, line in enumerate(text) if i > 0 and name in line)
        finally:
            w.done()
        return lines, first

    def kill(self, scenario):
        lines, first = self.calls(scenario)
        always = {i.split(":")[0] for i in scenario.inject}
        hit = 0
        for i in range(first, len(lines), self.args.stride):
            call, n = lines[i], lines[:i + 1].count(lines[i])
            if call not in always:
                p = self.try_point(scenario, f"killed at {call} {n}, call {i}", "-e",
                                   f"inject={call}:signal=KILL:when={n}")
                hit += p.returncode != 0
        print(f"# figure: {scenario.name}: killed at {hit} of {len(lines) - first} calls", flush=True)

    def fail(self, scenario):
        lines, first = self.calls(scenario)
        always = {i.split(":")[0] for i in scenario.inject}
        points = [(call, n) for call in FAILING if call not in always
                  for n in range(lines[:first].count(call) + 1, lines.count(call) + 1)]
        tried = 0
        for i, (call, n) in list(enumerate(points))[::self.args.stride]:
            # Once, and from then on: what is tried after a failure fails as well.
            for when in (f"{n}", f"{n}+"):
                error = ERRORS[(i + len(when)) % len(ERRORS)]
                p = self.try_point(scenario, f"{call} {when} fails with {error}", "-e",
                                   f"inject={call}:error={error}:when={when}")
                tried += 1
                if p.returncode not in (0, 1, 71):  # 71: it cannot print
                    self.n_problems += 1
                    print(f"problem: {scenario.name}: {call} {when} {error}: ends with {p.returncode}")
        print(f"# figure: {scenario.name}: {tried} failing calls", flush=True)

    def problems_of_old(self, w, what, call, n):
        gone, rights = f"{w.top}/gone", os.stat(w.old)
        change = {"moved": lambda: os.rename(w.old, gone), "closed": lambda: os.chmod(w.old, 0o500),
                  "removed": lambda: shutil.rmtree(w.old)}[what]
        p = w.stopped(call, n, change)
        if not p.was_stopped:  # it had one call less than the run that they were counted in
            return
        if not os.path.exists(w.log):
            yield "the log has no file"
        w.writer.write(7)
        before = w.read(w.log)
        again = w.run()
        if not again.returncode:
            yield f"the next run does not say so: {again.stdout}"
        if not w.read(w.log).endswith(before):
            yield "the next run has taken something from the log"
        if what == "moved":
            os.rename(gone, w.old)
        elif what == "closed":
            os.chmod(w.old, rights.st_mode & 0o777)
        else:
            os.mkdir(w.old, 0o755)
            os.chown(w.old, rights.st_uid, rights.st_gid)
            if w.run().returncode:
                yield "the run after that fails"
            # Where it was removed with the log in it, that is also where the writer wrote to until it was told.
            if not w.writer.expected().endswith(w.content()) or not w.content().endswith(before):
                yield f"what is left is not the end of what was written: {p.output}"
            w.writer.write(3)
            if not w.read(w.log) or not w.writer.expected().endswith(w.read(w.log)):
                yield f"the writer was not told: {p.output}"
            return
        yield from after_hit(w)

    def old(self, scenario):
        if scenario.then or scenario.inject or not any(x.startswith("OldDir=") for x in scenario.lines):
            return
        lines, first = self.calls(scenario)
        tried = 0
        for i in range(first, len(lines), self.args.stride):
            for what in ("moved", "removed", "closed")[:3 if scenario.owner else 2]:
                w = World(self.base, scenario, self.args.program)
                try:
                    found = list(self.problems_of_old(w, what, lines[i], lines[:i + 1].count(lines[i])))
                finally:
                    w.done()
                tried += 1
                for f in found:
                    self.n_problems += 1
                    print(f"problem: {scenario.name}: OldDir= {what} at {lines[i]}, call {i}: {f}", flush=True)
        print(f"# figure: {scenario.name}: OldDir= gone or closed {tried} times", flush=True)

    def order(self, scenario):
        """After each call of the first kind, the sync comes before a call of the last kind."""
        w = World(self.base, scenario, self.args.program)
        try:
            trace = f"{w.top}/trace"
            open(trace, "w").close()
            os.chmod(trace, 0o666)
            w.run("-y", "-o", trace)
            with open(trace) as f:
                text = f.read().splitlines()
        finally:
            w.done()
        found = 0
        for call, sync, later in ORDERS:
            pending = False
            for line in text:
                if pending and re.search(later, line):
                    self.n_problems += 1
                    print(f"problem: {scenario.name}: not synced before {line}", flush=True)
                found += bool(re.search(later, line))
                pending = (pending or re.search(call, line)) and not re.search(sync, line)
        if found < ("copytruncate" in str(scenario.lines)) * 3:
            self.n_problems += 1
            print(f"problem: {scenario.name}: the calls of a rotation were not found", flush=True)
        print(f"# figure: {scenario.name}: {found} calls that rely on a sync", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--program", default="/usr/lib/vaktd/vakt-rotate")
    p.add_argument("--stride", type=int, default=1)
    p.add_argument("--full", action="store_true")
    p.add_argument("--only", default="")
    # Not in /tmp, below which everything belongs to whoever made it.
    p.add_argument("--directory", default="/var/tmp")
    p.add_argument("what", nargs="*", default=["kill", "fail"])
    args = p.parse_args()
    base = tempfile.mkdtemp(prefix="vakt-rotate-kill-", dir=args.directory)
    os.chmod(base, 0o755)
    test = Test(base, args)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # with what is to be removed
    try:
        for scenario in scenarios(args.full):
            if args.only in scenario.name and ("zstd" not in scenario.name or shutil.which("zstd")):
                for what in args.what:
                    getattr(test, what)(scenario)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return bool(test.n_problems)


if __name__ == "__main__":
    sys.exit(main())
