#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills vaktd at the first, the second, the third … of a system call, until a scenario passes without being hit.

  kill-at-write.py [--stride N] [--start N] SYSCALL…

Runs as root in a machine of its own (tests/system/box), under its PID 1. strace kills the daemon as it enters the call,
so what the call would have done is not done. A second daemon, not traced, then goes on where the first one died. After
each pass the ledger must be whole, every run must have one row with a result, what was executed must have been so
once, and what a client was told must be true. With a stride only every Nth call is tried."""

import argparse
import collections
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

JOBS = "/etc/vaktd/jobs.d"
STATE = "/var/lib/vaktd"
SOCKET = "/run/vaktd/control"
EFFECTS = "/run/vakt-effects"
POINTS_MAX = 5000
STEP_S = 30
NO_DAEMON = 6  # exit status of vaktctl

# A chain, a refusal with its reason, a retry, a run of several commands; two of them in a warm runner.
WARM = "Runner=warm\nRunnerIdleSec=1ms\n"
FILES = {
    "first": f"[Job]\nOnSuccess=second refused\n[Run]\nShell=echo $VAKT_RUN >>{EFFECTS}\n",
    "second": f"[Run]\n{WARM}Shell=echo $VAKT_RUN >>{EFFECTS}\n",
    "refused": f"[Run]\nShell=echo $VAKT_RUN >>{EFFECTS}\n",
    "retried": f"[Run]\n{WARM}Retry=1\nRetryDelaySec=1ms\nShell=echo $VAKT_RUN >>{EFFECTS}; exit 3\n",
}


def write_jobs():
    os.makedirs(JOBS, exist_ok=True)
    for name, text in FILES.items():
        with open(f"{JOBS}/{name}.job", "w") as f:
            f.write(text)


class Daemon:
    """One life of vaktd; point: where it is killed, as (system call, number of the call), or None."""

    def __init__(self, point):
        command = ["vaktd", "--no-bus", "--executor=unit"]
        if point:
            command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={point[0]}",
                       "-e", f"inject={point[0]}:signal=KILL:when={point[1]}", *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)

    def is_alive(self):
        return self.process.poll() is None

    def stop(self):
        if self.is_alive():
            # strace passes no signal on: its child is the daemon.
            children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
            os.kill(int(children[0]) if children else self.process.pid, signal.SIGTERM)
        return self.process.wait(STEP_S)


class Scenario:
    """Two lives: the first one is killed at the point, the second one is not."""

    def __init__(self, point):
        shutil.rmtree(STATE, ignore_errors=True)
        open(EFFECTS, "w").close()
        self.point, self.lives, self.accepted, self.paused = point, 0, [], None
        self.daemon = None
        self.be_served()

    def be_served(self):
        if self.daemon and self.daemon.is_alive():
            return
        if self.lives > 1:
            raise RuntimeError("the second daemon died by itself")
        self.daemon = Daemon(self.point if self.lives == 0 else None)
        self.lives += 1

    def ctl(self, *args):
        """One call, with a new daemon as soon as the old one is dead. Returns exit status and standard output."""
        deadline = time.monotonic() + STEP_S
        while True:
            while not answers():
                self.be_served()
                check_time(deadline, "the daemon does not answer")
            p = subprocess.Popen(["vaktctl", f"--socket={SOCKET}", "-q", *args], text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
            while p.poll() is None:
                self.be_served()
                if time.monotonic() > deadline:
                    p.kill()
                    raise RuntimeError(f"vaktctl {args} does not end")
                time.sleep(0.002)
            if p.returncode != NO_DAEMON:
                return p.returncode, p.stdout.read()
            check_time(deadline, "vaktctl does not reach the daemon")

    def run(self, job):
        if self.ctl("run", job, "--wait")[0] in (0, 3):
            self.accepted.append(job)

    def change(self, verb, job):
        """The answer is a promise; without one either may be."""
        answered = self.ctl(verb, job)[0] == 0
        self.paused = {verb == "pause"} if answered else {True, False}

    def play(self):
        self.change("pause", "refused")
        self.run("first")
        # Of a run whose end nobody was told of, what follows may be asked for after the pause.
        self.pause_was_promised = self.paused == {True} and "first" in self.accepted
        self.run("retried")
        self.change("resume", "refused")
        self.run("second")
        self.settle()

    def settle(self):
        deadline = time.monotonic() + STEP_S
        while True:
            status, text = self.ctl("--json", "history", "-n", "1000")
            rows = json.loads(text) if status == 0 else []
            if rows and all(r["state"] == "done" for r in rows) and not kept_units():
                return
            check_time(deadline, f"not over: {rows}, kept: {kept_units()}")


def check_time(deadline, what):
    if time.monotonic() > deadline:
        raise RuntimeError(what)
    time.sleep(0.005)


def answers():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        return s.connect_ex(SOCKET) == 0


def query(sql):
    """Of the ledger itself; only when the daemon is gone, which lets nobody else in."""
    db = sqlite3.connect(f"file:{STATE}/ledger.db?mode=ro", uri=True, timeout=10)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def kept_units():
    return subprocess.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "vakt-*.service"],
                          capture_output=True, text=True, timeout=STEP_S).stdout


WANTED = {"first": ("success", 0), "second": ("success", 0), "retried": ("exit", 3)}


def problems_of(s):
    with open(EFFECTS) as f:
        effects = collections.Counter(int(line) for line in f)
    rows = query("SELECT id, job, cause, state, result, code, attempt, parent FROM runs")
    children = collections.Counter((job, cause, parent) for _, job, cause, _, _, _, _, parent in rows)
    if query("PRAGMA integrity_check") != [("ok",)]:
        yield "the ledger is damaged"
    for i in effects.keys() - {r[0] for r in rows}:
        yield f"run {i} was executed and has no row"
    for job, n in collections.Counter(s.accepted).items():
        # A run that was asked for without an answer may be there as well.
        if n > sum(r[1] == job and r[2] == "manual" for r in rows):
            yield f"{job} was accepted {n} times and has fewer rows"
    for i, job, cause, state, result, code, attempt, parent in rows:
        about = f"run {i} of {job} ({cause}, attempt {attempt}, parent {parent}): {state} {result} {code}"
        refused = job == "refused" and (result == "skipped" or not s.pause_was_promised)
        if not refused and (result, code) != WANTED.get(job):
            yield "may not be: " + about
        if effects[i] != (result != "skipped"):
            yield f"{effects[i]} effects: {about}"
        if job == "first" and (children["second", "chain", i] != 1 or children["refused", "chain", i] != 1):
            yield f"not followed by one of each: {about}"
        if job == "retried" and children["retried", "retry", i] != (attempt == 1):
            yield f"{children['retried', 'retry', i]} retries: {about}"


def try_point(point):
    """Returns whether the daemon was hit."""
    s = Scenario(point)
    try:
        s.play()
        status = s.daemon.stop()
        paused = query("SELECT 1 FROM job_state WHERE job = 'refused' AND paused") != []
        hit = s.lives > 1 or status != 0
        problems = list(problems_of(s))
        if s.paused is not None and paused not in s.paused:
            problems.append(f"paused is {paused}, and the client was told otherwise")
    finally:
        if s.daemon and s.daemon.is_alive():
            s.daemon.process.kill()
            s.daemon.process.wait()
    for f in problems:
        print(f"problem: killed at {point[0]} {point[1]}: {f}")
    return hit, len(problems)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--stride", type=int, default=1)
    p.add_argument("--start", type=int, default=1)
    p.add_argument("syscalls", nargs="+")
    args = p.parse_args()
    n_problems = 0
    write_jobs()
    os.makedirs("/run/vaktd", exist_ok=True)
    for syscall in args.syscalls:
        begin, n = time.monotonic(), 0
        for number in range(args.start, POINTS_MAX, args.stride):
            hit, problems = try_point((syscall, number))
            n_problems += problems
            n += hit
            if not hit:
                break
        took = time.monotonic() - begin
        print(f"# figure: {syscall}: killed at {n} points, the last one before {number}, {took:.0f} s", flush=True)
    return bool(n_problems)


if __name__ == "__main__":
    sys.exit(main())
