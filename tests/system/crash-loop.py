#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills vaktd again and again while fifty jobs run and more are asked for, then counts.

  crash-loop.py ROUNDS [SEED]

Runs as root in a machine of its own (tests/system/box). Each run appends its number to a file by O_APPEND. In the end
every run that a client was told of, and every row of the ledger, must have a result, and the file must have the number
of each run that was executed once. What was found is printed; exit status 1 when something is wrong."""

import collections
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

JOBS = "/etc/vaktd/jobs.d"
EFFECTS = "/run/vakt-effects"
LEDGER = "/var/lib/vaktd/ledger.db"
CGROUP = "/sys/fs/cgroup/system.slice/vaktd.service/cgroup.procs"
CLIENTS = 4
SETTLE_S = 120

# 0 to 3 s, by the number of the run, so that no two in a row are alike.
RUN = f"echo $VAKT_RUN >>{EFFECTS}; sleep $((VAKT_RUN * 7 %% 31))e-1"

# How many jobs of a kind, what stands in [Job], [Timer] and [Run], and how the command ends.
Kind = collections.namedtuple("Kind", "n job timer run end")
KINDS = {
    "queue": Kind(10, "", "", "Overlap=queue\nQueueMax=3", ""),
    "parallel": Kind(10, "", "", "Overlap=parallel\nMaxParallel=4\nQueueMax=3", ""),
    "skip": Kind(5, "", "", "Overlap=skip", ""),
    "replace": Kind(5, "", "", "Overlap=replace", ""),
    "timer": Kind(3, "", "OnInterval=1s", "Overlap=queue\nQueueMax=3", ""),
    "calendar": Kind(3, "", "OnCalendar=*:*:0/2\nCatchUp=all\nAccuracySec=1ms", "Overlap=parallel\nMaxParallel=4", ""),
    "pool": Kind(4, "", "", "Overlap=parallel\nMaxParallel=4\nQueueMax=3\nPool=two", ""),
    "chain": Kind(3, "OnSuccess=link", "", "Overlap=queue\nQueueMax=3", ""),
    "link": Kind(1, "", "", "Overlap=parallel\nMaxParallel=20\nQueueMax=1000", ""),
    "fail": Kind(3, "OnFailure=alarm", "", "Overlap=queue\nQueueMax=5\nRetry=1\nRetryDelaySec=200ms", "; exit 3"),
    "alarm": Kind(1, "", "", "Overlap=parallel\nMaxParallel=20\nQueueMax=1000", ""),
    "term": Kind(2, "", "", "Overlap=queue\nQueueMax=5", "; kill -TERM $$"),
    # Few runs in a runner, and a short life of it: most of them are killed about the beginning or the end of one.
    "warm": Kind(5, "", "", "Overlap=parallel\nMaxParallel=4\nQueueMax=3\nRunner=warm\nRunnerIdleSec=1s\n"
                            "RunnerSlots=3\nRunnerMaxRuns=8", ""),
    "warmtimer": Kind(2, "", "OnInterval=1s", "Overlap=queue\nQueueMax=3\nRunner=warm\nRunnerIdleSec=500ms", ""),
    "warmfail": Kind(2, "OnFailure=alarm", "", "Overlap=queue\nQueueMax=5\nRetry=1\nRetryDelaySec=200ms\n"
                                               "Runner=warm\nRunnerIdleSec=1s", "; exit 3"),
}
# What is asked for by other jobs only.
FOLLOWERS = ("link", "alarm")
RETRIED = ("fail", "warmfail")
RESULTS = {"fail": ("exit", 3), "warmfail": ("exit", 3), "term": ("signal", 15)}


def kind_of(job):
    return job.rstrip("0123456789")


def write_jobs():
    os.makedirs(JOBS, exist_ok=True)
    names = []
    for name, k in KINDS.items():
        for i in range(k.n):
            job = name if k.n == 1 else f"{name}{i}"
            names.append(job)
            with open(f"{JOBS}/{job}.job", "w") as f:
                f.write(f"[Job]\n{k.job}\n" + (f"[Timer]\n{k.timer}\n" if k.timer else "")
                        + f"[Run]\n{k.run}\nShell={RUN}{k.end}\n")
    with open("/etc/vaktd/vaktd.conf", "w") as f:
        f.write("[Manager]\nHistoryKeep=infinity\nResumeRampSec=0\n[Pool two]\nSlots=2\n")
    return names


def run(*command, timeout=60):
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


class Clients:
    """Ask for runs, each in a thread of its own, and remember the numbers that they were told."""

    def __init__(self, jobs, seed):
        self.jobs = [j for j in jobs if kind_of(j) not in FOLLOWERS]
        self.told, self.unanswered, self.lock, self.over = [], 0, threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(random.Random(f"{seed}-{i}"),))
                        for i in range(CLIENTS)]
        for t in self.threads:
            t.start()

    def ask(self, rng):
        while not self.over.is_set():
            p = run("vaktctl", "-q", "run", rng.choice(self.jobs))
            with self.lock:
                if p.returncode == 0 and p.stdout.strip().isdigit():
                    self.told.append(int(p.stdout))
                else:
                    self.unanswered += 1
            self.over.wait(rng.uniform(0, 0.2))

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join()


def daemon_pid():
    try:
        with open(CGROUP) as f:
            pids = f.read().split()
        return int(pids[0]) if pids else 0
    except OSError:
        return 0


def wait_for(what, condition, seconds):
    """Nothing tells an onlooker of these."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.002)


DISTURBANCES = {
    "none": (70, None),
    "daemon-reexec": (10, ["systemctl daemon-reexec"]),
    "restart of dbus": (6, ["systemctl reset-failed dbus.service", "systemctl restart dbus.service"]),
    "restart of vaktd": (10, ["systemctl restart vaktd.service"]),
    "daemon-reload": (4, ["systemctl daemon-reload"]),
}


def one_round(rng, counts):
    wait_for("a new vaktd", daemon_pid, 30)
    # Some die before they have said that they are ready.
    time.sleep(rng.uniform(0, 0.06) if rng.random() < 0.25 else rng.uniform(0.06, 1.2))
    name = rng.choices(list(DISTURBANCES), [d[0] for d in DISTURBANCES.values()])[0]
    commands = DISTURBANCES[name][1]
    disturbance = None
    if commands:
        counts[name] += 1
        disturbance = subprocess.Popen(["sh", "-c", "; ".join(commands)], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, 0.3))
    pid = daemon_pid()
    if pid:
        os.kill(pid, signal.SIGKILL)
        counts["kill"] += 1
        wait_for("the end of vaktd", lambda: daemon_pid() != pid, 30)
    if disturbance:
        disturbance.wait(60)
        subprocess.run(["systemctl", "start", "vaktd.service"], capture_output=True, timeout=60)


def query(sql):
    db = sqlite3.connect(f"file:{LEDGER}?mode=ro", uri=True, timeout=10)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def history():
    """What the daemon says; its ledger is read when it is stopped, since it lets nobody else in."""
    return json.loads(run("vaktctl", "--json", "history", "-n", "1000000").stdout)


def settle(jobs):
    """Lets everything come to its end; returns the history as it is then, and stops the daemon."""
    run("systemctl", "start", "vaktd.service")
    for job in jobs:
        if KINDS[kind_of(job)].timer:
            p = run("vaktctl", "pause", job)
            if p.returncode:
                raise RuntimeError(f"cannot pause {job}: {p.stderr}")
    try:
        wait_for("the end of all runs", lambda: time.sleep(0.2) or all(r["state"] == "done" for r in history()),
                 SETTLE_S)
        # The last ones are released a moment after they were written down.
        wait_for("the release of the last run", lambda: not kept_units(), 10)
    except TimeoutError as e:
        print("not settled:", e, kept_units())
    shown = history()
    run("systemctl", "stop", "vaktd.socket", "vaktd.service")
    return shown


def kept_units():
    return run("systemctl", "list-units", "--all", "--plain", "--no-legend", "vakt-*.service").stdout


class Verdict:
    def __init__(self):
        self.problems = []

    def check(self, good, text):
        if not good:
            self.problems.append(text)


def expected_effects(job, result, code):
    """How often a run that ended so may have written its number: a set; None where it may not end so."""
    if result in ("skipped", "missed"):
        return {0}
    if result == "cancelled":
        return {0, 1} if kind_of(job) == "replace" else None
    return {1} if (result, code) == RESULTS.get(kind_of(job), ("success", 0)) else None


def check_rows(v, rows, effects):
    for i, (job, cause, state, result, code, attempt, parent, reason) in rows.items():
        about = (f"run {i} of {job} ({cause}, attempt {attempt}): {state} {result} {code}, {effects[i]} effects, "
                 f"{reason}")
        allowed = expected_effects(job, result, code) if state == "done" else None
        v.check(allowed is not None, "may not be: " + about)
        if allowed is not None:
            v.check(effects[i] in allowed, "effects: " + about)


def check_follow_ups(v, rows):
    children = collections.Counter((cause, parent) for _, cause, _, _, _, _, parent, _ in rows.values())
    for i, (job, cause, state, result, code, attempt, parent, reason) in rows.items():
        if state != "done":
            continue
        failed = result == "exit"
        retried = failed and attempt == 1 and kind_of(job) in RETRIED
        chained = result == "success" and kind_of(job) == "chain" or failed and attempt == 2
        for by, wanted in (("retry", retried), ("chain", chained)):
            n = children[by, i]
            v.check(n == wanted, f"run {i} of {job} ({result}) has {n} runs by {by}")


def validate(told, shown):
    v = Verdict()
    with open(EFFECTS) as f:
        effects = collections.Counter(int(line) for line in f)
    columns = "id, job, cause, state, result, code, attempt, parent, reason"
    rows = {r[0]: r[1:] for r in query(f"SELECT {columns} FROM runs")}
    v.check(sum(effects.values()) > 50, "hardly anything was executed")
    v.check(query("PRAGMA integrity_check") == [("ok",)], "the ledger is damaged")
    v.check(len(set(told)) == len(told), "a number was given to two clients")
    for i in set(told) - rows.keys():
        v.check(False, f"run {i} was accepted and has no row; {effects[i]} effects")
    for i in effects.keys() - rows.keys():
        v.check(False, f"run {i} was executed and has no row")
    check_rows(v, rows, effects)
    check_follow_ups(v, rows)
    # What the daemon says is what its ledger has.
    said = {r["run"]: (r["job"], r["result"] or "", r["code"] or 0) for r in shown}
    v.check(len(said) == len(shown), "history has a run twice")
    written = {i: (r[0], r[3], r[4]) for i, r in rows.items()}
    # A timer that is paused goes on writing its refusals after we have looked.
    for i in said.keys() | {i for i in written if i <= max(said)}:
        v.check(said.get(i) == written.get(i), f"run {i}: history says {said.get(i)}, the ledger {written.get(i)}")
    return v.problems, rows, effects


def main(argv):
    rounds = int(argv[0])
    seed = int(argv[1]) if len(argv) > 1 else random.SystemRandom().randrange(1 << 32)
    rng, counts = random.Random(seed), collections.Counter()
    print(f"# seed {seed}", flush=True)
    jobs = write_jobs()
    open(EFFECTS, "w").close()
    begin = time.monotonic()
    run("systemctl", "start", "vaktd.service")
    clients = Clients(jobs, seed)
    try:
        for _ in range(rounds):
            one_round(rng, counts)
    finally:
        clients.end()
    loop = time.monotonic() - begin
    shown = settle(jobs)
    problems, rows, effects = validate(clients.told, shown)
    results = collections.Counter(r[3] for r in rows.values())
    print(f"# figure: {rounds} rounds in {loop:.0f} s, seed {seed}: "
          + ", ".join(f"{n} × {k}" for k, n in counts.items()))
    print(f"# figure: {len(rows)} runs ({len(clients.told)} told to clients, {clients.unanswered} requests refused or "
          f"without answer), {sum(effects.values())} executed: "
          + ", ".join(f"{n} {k or 'none'}" for k, n in results.items()))
    for f in problems[:40]:
        print("problem:", f)
    if problems:
        print(f"{len(problems)} problems")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
