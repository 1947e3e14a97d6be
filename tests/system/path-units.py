#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Path triggers beside path units of the service manager: the same is done to two directories, one watched by each, and
what triggered is compared. Runs as root in a machine of its own (tests/system/box); exit status 1 when they differ.

Each case has a unit and a job of its own, and everything is done once. That nothing more comes is known when a file
that is changed last, a sentinel, has been seen twice by both. The cases come in parts: a path unit takes an inotify
instance for itself, of which all machines of this host together have 128."""

import os
import subprocess
import sys
import time

TOP = "/srv/vakt-compare"
UNITS = "/run/systemd/system"
JOBS = "/etc/vaktd/jobs.d"
SIDES = ("systemd", "vaktd")
CONDITIONS = ("PathExists", "PathExistsGlob", "DirectoryNotEmpty")
TIMEOUT_S = 60
PART = 24  # cases at once

held = []  # files that stay open


def write(path, text="x", mode="w"):
    with open(path, mode) as f:
        f.write(text)


def write_and_hold(path):
    """What is written is there, and not closed."""
    f = open(path, "a", buffering=1)
    f.write("held\n")
    held.append(f)


def swap_link(path, target):
    os.symlink(target, path + ".new")
    os.rename(path + ".new", path)


def nothing(base):
    pass


# Below its directory, "t" is what is watched; "other" is beside it.
def file_there(b):
    write(f"{b}/t")


def link_there(b):
    write(f"{b}/one")
    write(f"{b}/two")
    os.symlink("one", f"{b}/t")


def directory_there(b):
    os.makedirs(f"{b}/t/sub")
    for name in ("t/file", "t/sub/deep", "other"):
        write(f"{b}/{name}")


def empty_directory(b):
    os.mkdir(f"{b}/t")
    write(f"{b}/other")


def other_there(b):
    write(f"{b}/other")


FILE_ACTIONS = {
    "close": (file_there, lambda b: write(f"{b}/t", "y")),
    "append": (file_there, lambda b: write(f"{b}/t", "y", "a")),
    "write-open": (file_there, lambda b: write_and_hold(f"{b}/t")),
    "chmod": (file_there, lambda b: os.chmod(f"{b}/t", 0o600)),
    "touch": (file_there, lambda b: os.utime(f"{b}/t", (1, 1))),
    "unlink": (file_there, lambda b: os.unlink(f"{b}/t")),
    "read": (file_there, lambda b: open(f"{b}/t").close()),
    "create": (nothing, lambda b: write(f"{b}/t")),
    "create-parent": (nothing, lambda b: (os.makedirs(f"{b}/deep/er"), write(f"{b}/deep/er/t"))),
    "mkdir": (nothing, lambda b: os.mkdir(f"{b}/t")),
    "rename-in": (other_there, lambda b: os.rename(f"{b}/other", f"{b}/t")),
    "rename-over": (lambda b: (file_there(b), other_there(b)), lambda b: os.rename(f"{b}/other", f"{b}/t")),
    "rename-out": (file_there, lambda b: os.rename(f"{b}/t", f"{b}/gone")),
    "link-target": (link_there, lambda b: write(f"{b}/one", "y")),
    "link-other": (link_there, lambda b: write(f"{b}/two", "y")),
    "beside": (lambda b: (file_there(b), other_there(b)), lambda b: write(f"{b}/other", "y")),
}
DIRECTORY_ACTIONS = {
    "create": (directory_there, lambda b: write(f"{b}/t/new")),
    "mkdir": (directory_there, lambda b: os.mkdir(f"{b}/t/new")),
    "close": (directory_there, lambda b: write(f"{b}/t/file", "y")),
    "write-open": (directory_there, lambda b: write_and_hold(f"{b}/t/file")),
    "chmod": (directory_there, lambda b: os.chmod(f"{b}/t/file", 0o600)),
    "chmod-self": (directory_there, lambda b: os.chmod(f"{b}/t", 0o700)),
    "touch": (directory_there, lambda b: os.utime(f"{b}/t/file", (1, 1))),
    "unlink": (directory_there, lambda b: os.unlink(f"{b}/t/file")),
    "rename-in": (directory_there, lambda b: os.rename(f"{b}/other", f"{b}/t/new")),
    "rename-out": (directory_there, lambda b: os.rename(f"{b}/t/file", f"{b}/gone")),
    "rename-within": (directory_there, lambda b: os.rename(f"{b}/t/file", f"{b}/t/new")),
    "rename-self": (directory_there, lambda b: os.rename(f"{b}/t", f"{b}/gone")),
    "symlink": (directory_there, lambda b: os.symlink("nowhere", f"{b}/t/new")),
    "deep": (directory_there, lambda b: write(f"{b}/t/sub/deep", "y")),
    "deep-new": (directory_there, lambda b: write(f"{b}/t/sub/new")),
    "read": (directory_there, lambda b: open(f"{b}/t/file").close()),
    "start": (directory_there, nothing),
}
EXISTS_ACTIONS = {
    "start": (file_there, nothing),
    "start-missing": (nothing, nothing),
    "create": (nothing, lambda b: write(f"{b}/t")),
    "mkdir": (nothing, lambda b: os.mkdir(f"{b}/t")),
    "rename-in": (other_there, lambda b: os.rename(f"{b}/other", f"{b}/t")),
    "symlink": (other_there, lambda b: os.symlink("other", f"{b}/t")),
    "dangling": (nothing, lambda b: os.symlink("nowhere", f"{b}/t")),
    "swap": (lambda b: (other_there(b), os.symlink("nowhere", f"{b}/t")), lambda b: swap_link(f"{b}/t", "other")),
    "other": (nothing, lambda b: write(f"{b}/other")),
    "gone": (nothing, lambda b: (write(f"{b}/other"), os.unlink(f"{b}/other"))),
}
GLOB_ACTIONS = {
    "start": (lambda b: write(f"{b}/t1"), nothing),
    "create": (nothing, lambda b: write(f"{b}/t1")),
    "mkdir": (nothing, lambda b: os.mkdir(f"{b}/t1")),
    "rename-in": (other_there, lambda b: os.rename(f"{b}/other", f"{b}/t2")),
    "other": (nothing, lambda b: write(f"{b}/other")),
    "hidden": (nothing, lambda b: write(f"{b}/.t")),
}
NOT_EMPTY_ACTIONS = {
    "start": (directory_there, nothing),
    "start-empty": (empty_directory, nothing),
    "start-missing": (nothing, nothing),
    "create": (empty_directory, lambda b: write(f"{b}/t/new")),
    "mkdir": (empty_directory, lambda b: os.mkdir(f"{b}/t/new")),
    "rename-in": (empty_directory, lambda b: os.rename(f"{b}/other", f"{b}/t/new")),
    "hidden": (empty_directory, lambda b: write(f"{b}/t/.new")),
    "backup": (empty_directory, lambda b: write(f"{b}/t/new~")),
    "directory-comes": (nothing, lambda b: (os.mkdir(f"{b}/t"), write(f"{b}/t/new"))),
    "becomes-file": (nothing, lambda b: write(f"{b}/t")),
}
# What is appended to the case's directory in the key.
TARGETS = {"create-parent": "deep/er/t"}


def cases():
    """name: (key, target, setup, action)"""
    for key in ("PathChanged", "PathModified"):
        for what, actions in (("file", FILE_ACTIONS), ("directory", DIRECTORY_ACTIONS)):
            for name, (setup, action) in actions.items():
                yield f"{key}-{what}-{name}", (key, TARGETS.get(name, "t"), setup, action)
    for key, target, actions in (("PathExists", "t", EXISTS_ACTIONS), ("PathExistsGlob", "t[0-9]", GLOB_ACTIONS),
                                 ("DirectoryNotEmpty", "t", NOT_EMPTY_ACTIONS)):
        for name, (setup, action) in actions.items():
            yield f"{key}-{name}", (key, target, setup, action)


SENTINEL = ("PathChanged", "t", file_there, nothing)


class Part:
    """Some cases and their sentinel, in a directory of their own."""
    def __init__(self, number, some):
        self.top = f"{TOP}/{number}"
        self.cases = {**some, "sentinel": SENTINEL}

    def command(self, side, name):
        """A condition that holds for good would make runs without end."""
        key, base = self.cases[name][0], f"{self.top}/{side}/{name}"
        clear = f"; rm -rf {base}/t*" if key in CONDITIONS else ""
        return f"echo {name} >>{self.top}/{side}.log{clear}"

    def prepare(self):
        os.makedirs(JOBS, exist_ok=True)
        for name, (key, target, setup, _) in self.cases.items():
            for side in SIDES:
                os.makedirs(f"{self.top}/{side}/{name}")
                setup(f"{self.top}/{side}/{name}")
            write(f"{UNITS}/compare-{name}.path", "[Unit]\nStartLimitIntervalSec=0\n[Path]\n"
                  f"TriggerLimitIntervalSec=0\n{key}={self.top}/systemd/{name}/{target}\n")
            write(f"{UNITS}/compare-{name}.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\n"
                  f"ExecStart=/bin/sh -c '{self.command('systemd', name)}'\n")
            write(f"{JOBS}/{name}.job", f"[Path]\n{key}={self.top}/vaktd/{name}/{target}\n"
                  f"[Run]\nShell={self.command('vaktd', name)}\n")
        for side in SIDES:
            write(f"{self.top}/{side}.log", "")

    def triggered(self, side):
        with open(f"{self.top}/{side}.log") as f:
            return f.read().split()

    def watches_all(self):
        return run("vaktctl", "--json", "status", *self.cases).count('"state":"starting"') == 0

    def see_sentinel(self, times):
        """The longer way: through the kernel's queues, and through both daemons."""
        for side in SIDES:
            write(f"{self.top}/{side}/sentinel/t", "y")
        wait_for("the sentinel", lambda: all(self.triggered(side).count("sentinel") >= times for side in SIDES))
        wait_for("the end of all runs", nothing_runs)

    def start(self):
        run("systemctl", "daemon-reload")
        run("systemctl", "start", *(f"compare-{name}.path" for name in self.cases))
        run("systemctl", "start", "vaktd.service")
        wait_for("all watches", self.watches_all)
        self.see_sentinel(1)

    def end(self):
        while held:
            held.pop().close()
        run("systemctl", "stop", "vaktd.socket", "vaktd.service", *(f"compare-{name}.path" for name in self.cases))
        for name in self.cases:
            for path in (f"{UNITS}/compare-{name}.path", f"{UNITS}/compare-{name}.service", f"{JOBS}/{name}.job"):
                os.unlink(path)
        run("systemctl", "daemon-reload")

    def play(self):
        """What triggered, of each side."""
        self.prepare()
        self.start()
        for name, (_, _, _, action) in self.cases.items():
            for side in SIDES:
                action(f"{self.top}/{side}/{name}")
        for times in (2, 3):
            self.see_sentinel(times)
        seen = [set(self.triggered(side)) - {"sentinel"} for side in SIDES]
        self.end()
        return seen


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=TIMEOUT_S).stdout


def wait_for(what, condition):
    """Nothing tells an onlooker of these."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {TIMEOUT_S} s")
        time.sleep(0.02)


def nothing_runs():
    return not run("systemctl", "list-jobs", "--no-legend", "compare-*") and \
        not run("systemctl", "list-units", "--no-legend", "--state=activating,active", "compare-*.service",
                "vakt-*.service")


def main():
    every = list(cases())
    seen = {side: set() for side in SIDES}
    for first in range(0, len(every), PART):
        for side, some in zip(SIDES, Part(first, dict(every[first:first + PART])).play()):
            seen[side] |= some
    differ = sorted(seen["systemd"] ^ seen["vaktd"])
    for name in differ:
        print(f"{name}: " + ", ".join(f"{side} {'triggers' if name in seen[side] else 'does not'}" for side in SIDES))
    print(f"# figure: {len(every)} cases beside path units: {len(seen['systemd'])} trigger, {len(differ)} differ")
    return bool(differ) or len(seen["systemd"]) < len(every) / 2


if __name__ == "__main__":
    sys.exit(main())
