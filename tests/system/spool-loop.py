#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fills a spool by eight writers while vaktd and the runs that work it off are killed again and again, then counts.

  spool-loop.py FILES KILLS [SEED]

Runs as root in a machine of its own (tests/system/box). Whatever was killed, each item must have been processed, and
must then lie in SpoolDone= or, if its runs always failed, in SpoolFailed=; the runs themselves (spool-item.sh) write
down when one of them finds a file half written, not there, or in another run. What was found is printed; exit status 1
when something is wrong."""

import collections
import glob
import os
import random
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = "/srv/vakt-spool"
IN, DONE, FAILED, PARTS, BOOK = (f"{TOP}/{n}" for n in ("in", "done", "failed", "parts", "book"))
CLAIMS = f"{IN}/.vakt-intake"
LOGS = ("begun", "processed", "problems")
CGROUP = "/sys/fs/cgroup/system.slice/vaktd.service/cgroup.procs"
RUNS = "/sys/fs/cgroup/vakt.slice/vakt-intake-*.service/cgroup.kill"
WRITERS = 8
NOBODY = 1 << 22  # no process has this number
TRIES = 4
BAD_SHARE = 0.02
SETTLE_S = 120

JOB = f"""[Path]
Spool={IN}
SpoolDone={DONE}
SpoolFailed={FAILED}
[Run]
Overlap=parallel
MaxParallel=8
Retry={TRIES - 1}
RetryDelaySec=100ms
RetryFactor=1
Shell=exec {HERE}/spool-item.sh {BOOK}
"""


def prepare():
    for directory in (IN, DONE, FAILED, PARTS, BOOK, f"{BOOK}/locks", "/etc/vaktd/jobs.d"):
        os.makedirs(directory, exist_ok=True)
    for name in LOGS:
        open(f"{BOOK}/{name}", "w").close()
    with open("/etc/vaktd/jobs.d/intake.job", "w") as f:
        f.write(JOB)


# --- writers ---

def body(name, rng):
    return f"begin {name}\n" + "x\n" * rng.randrange(200) + f"end {name}\n"


def write_at_once(name, text, rng):
    with open(f"{IN}/{name}", "x") as f:
        f.write(text)


def write_slowly(name, text, rng):
    """Open for as long as a kill or two may take."""
    with open(f"{IN}/{name}", "x", buffering=1) as f:
        f.write(text[:len(text) // 2])
        time.sleep(rng.choice((0.001, 0.05, 1)) * rng.random())
        f.write(text[len(text) // 2:])


def rename_in(name, text, rng):
    with open(f"{PARTS}/{name}", "x") as f:
        f.write(text)
    os.rename(f"{PARTS}/{name}", f"{IN}/{name}")


def link_in(name, text, rng):
    with open(f"{PARTS}/{name}", "x") as f:
        f.write(text)
    os.link(f"{PARTS}/{name}", f"{IN}/{name}")
    os.unlink(f"{PARTS}/{name}")


STYLES = {"once": (write_at_once, 6), "slow": (write_slowly, 1), "rename": (rename_in, 3), "link": (link_in, 1)}


class Writers:
    def __init__(self, files, pace, seed):
        self.names, self.lock, self.problem = [], threading.Lock(), None
        self.threads = [threading.Thread(target=self.write, args=(i, files // WRITERS, pace,
                                                                  random.Random(f"{seed}-{i}")))
                        for i in range(WRITERS)]
        for t in self.threads:
            t.start()

    def write(self, writer, n, pace, rng):
        try:
            for i in range(n):
                style = rng.choices(list(STYLES), [s[1] for s in STYLES.values()])[0]
                name = f"{style}-{'bad-' if rng.random() < BAD_SHARE else ''}{writer}-{i}"
                STYLES[style][0](name, body(name, rng), rng)
                with self.lock:
                    self.names.append(name)
                time.sleep(rng.random() * 2 * pace)
        except OSError as e:
            self.problem = e

    def are_at_it(self):
        return any(t.is_alive() for t in self.threads)

    def end(self):
        for t in self.threads:
            t.join()
        if self.problem:
            raise self.problem


# --- kills ---

def daemon_pid():
    try:
        with open(CGROUP) as f:
            return int(f.readline() or 0)
    except OSError:
        return 0


def wait_for(what, condition, seconds, pause=0.002):
    """Nothing tells an onlooker of these."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)


def kill_daemon(rng):
    wait_for("a vaktd", daemon_pid, 30)
    try:
        os.kill(daemon_pid() or NOBODY, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def kill_run(rng):
    """With all its children at once: the shell must not go on without one of them."""
    runs = glob.glob(RUNS)
    if not runs:
        return False
    try:
        with open(rng.choice(runs), "w") as f:
            f.write("1")
        return True
    except OSError:
        return False


def kill_both(rng):
    """The daemon first learns of the end of the run when it is there again."""
    return kill_run(rng) and kill_daemon(rng)


def restart(rng):
    subprocess.run(["systemctl", "restart", "vaktd.service"], check=True, timeout=60)
    return True


def reload(rng):
    """It may die of the next kill, so the reload may fail."""
    subprocess.run(["systemctl", "reload", "vaktd.service"], timeout=60, capture_output=True)
    return True


DISTURBANCES = {kill_daemon: 10, kill_run: 6, kill_both: 4, restart: 2, reload: 1}


def disturb(n, files, rng, counts):
    """Spread over the time that the items take, each at a random moment."""
    kills = 0
    for i in range(n):
        wait_for("progress", lambda: count_left(files) <= files * (n - i) / (n + 1), SETTLE_S + files / 20, 0.01)
        time.sleep(rng.random() * 0.2)
        what = rng.choices(list(DISTURBANCES), list(DISTURBANCES.values()))[0]
        if what(rng):
            counts[what.__name__] += 1
            kills += 1
    return kills


# --- what became of it ---

def count_left(files):
    return files - len(os.listdir(DONE)) - len(os.listdir(FAILED))


def lines(name):
    with open(f"{BOOK}/{name}") as f:
        return f.read().splitlines()


def entries_left():
    """What is in the spool or claimed still."""
    left = [n for n in os.listdir(IN) if not n.startswith(".vakt-")]
    return left + [os.path.join(directory, n) for directory, directories, files in os.walk(CLAIMS) for n in directories + files]


def validate(names, kills):
    problems = lines("problems")
    begun = collections.Counter(line.split()[0] for line in lines("begun"))
    processed = collections.Counter(line.split()[0] for line in lines("processed"))
    done, failed = os.listdir(DONE), os.listdir(FAILED)
    problems += [f"{name} was acknowledged and not processed" for name in done if not processed[name]]
    problems += [f"{n} is in the spool still" for n in entries_left()]
    unseen = 0
    for name in names:
        where = [n for n in done + failed if n == name or n.startswith(name + "~")]
        if len(where) != 1:
            problems.append(f"{name} is there {len(where)} times: {where}, begun {begun[name]}")
        elif name in failed or "bad" in name:
            if name not in failed or begun[name] > TRIES:
                problems.append(f"{name} always failed: begun {begun[name]} times, given up: {name in failed}")
            unseen += TRIES - begun[name]
    # Each is tried as often as Retry= says. A run that was killed at once could not write down that it had begun.
    if unseen > kills:
        problems.append(f"{unseen} tries of items that were given up are missing, and {kills} runs were killed")
    return problems, begun, processed, done, failed


def main(argv):
    files, kills = int(argv[0]) // WRITERS * WRITERS, int(argv[1])
    seed = int(argv[2]) if len(argv) > 2 else random.SystemRandom().randrange(1 << 32)
    rng, counts = random.Random(seed), collections.Counter()
    print(f"# seed {seed}", flush=True)
    prepare()
    subprocess.run(["systemctl", "start", "vaktd.service"], check=True, timeout=60)
    begin = time.monotonic()
    writers = Writers(files, WRITERS / 200, seed)
    try:
        disturb(kills, files, rng, counts)
    finally:
        writers.end()
    subprocess.run(["systemctl", "start", "vaktd.service"], timeout=60)
    try:
        wait_for("the end of all items", lambda: count_left(files) <= 0 and not entries_left(), SETTLE_S + files / 20,
                 0.05)
    except TimeoutError as e:
        print("not settled:", e)
    took = time.monotonic() - begin
    problems, begun, processed, done, failed = validate(writers.names, counts["kill_run"] + counts["kill_both"])
    print(f"# figure: {files} items in {took:.0f} s ({files / took:.0f} a second), seed {seed}: "
          + ", ".join(f"{n} × {k}" for k, n in counts.items()))
    print(f"# figure: {len(done)} done, {len(failed)} given up, {sum(begun.values())} runs, "
          f"{sum(n > 1 for n in processed.values())} items processed more than once")
    for f in problems[:40]:
        print("problem:", f)
    if problems:
        print(f"{len(problems)} problems")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
