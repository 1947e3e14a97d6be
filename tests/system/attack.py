#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an ordinary user does all day to get at what is not theirs: attack.py WHAT SECONDS, run as that user.

directories HOME TARGET   HOME/in and HOME/done are theirs, then links to TARGET, then what they find in HOME/other
items SPOOL TARGET        SPOOL/item is a file, then a link to TARGET, a FIFO, a file with two names
watched HOME TARGET       HOME/w is a directory, then a link to TARGET
many HOME N               N files in HOME/w, with names that are long, and touched in reverse; then all of it goes away
upkeep HOME TARGET        HOME/log, HOME/old and HOME/cache, and all that is in them, are theirs, then links to TARGET, FIFOs
                          and what else there is; locked, leased, not to be entered, moved; and names of copies are taken
"""

import contextlib
import ctypes
import fcntl
import os
import random
import shutil
import signal
import socket
import stat
import sys
import time

RENAME_EXCHANGE = 2
AT_FDCWD = -100
libc = ctypes.CDLL(None)


def touch(path):
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def do(call, *args):
    with contextlib.suppress(OSError):
        call(*args)


def behave():
    time.sleep(0.002)


def swap(name, target):
    do(os.rename, name, name + ".mine")
    do(os.symlink, target, name)
    behave()
    do(os.unlink, name)
    do(os.rename, "other", name)
    behave()
    do(os.rename, name, "other")
    do(os.rename, name + ".mine", name)


def directories(n, target):
    touch(f"in/item-{n}")
    behave()
    swap("done", target)
    touch(f"in/item-{n}-b")
    swap("in", target)
    behave()


def items(n, target):
    touch("new")
    do(os.rename, "new", "item")
    behave()
    do(os.symlink, target, "link")
    do(os.rename, "link", "item")
    do(os.mkfifo, "fifo")
    do(os.rename, "fifo", "item")
    touch("new")
    do(os.rename, "new", "item")
    do(os.link, "item", "item-2")
    behave()
    do(os.unlink, "item-2")
    do(os.symlink, target, f".vakt-{n % 3}")


def watched(n, target):
    touch(f"w/file-{n}")
    do(os.rename, "w", "w.mine")
    do(os.symlink, target, "w")
    behave()
    do(os.unlink, "w")
    do(os.rename, "w.mine", "w")


def without_a_name(name):
    fd = os.open("w", os.O_TMPFILE | os.O_WRONLY, 0o600)
    try:
        os.link(f"/proc/self/fd/{fd}", f"w/{name}", follow_symlinks=True)
    finally:
        os.close(fd)


# A directory deep down, as far as one can get with so many steps.
def deep(steps):
    here = os.open("w", os.O_DIRECTORY)
    for _ in range(steps):
        do(lambda name: os.mkdir(name, dir_fd=here), "d" * 250)
        below = os.open("d" * 250, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    for i in range(1500):
        os.close(os.open(str(i), os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=here))
    os.close(here)


def many(n, count):
    for i in range(int(count)):
        touch(f"w/{i}")
    for i in reversed(range(int(count))):
        do(os.utime, f"w/{i}")
    for i in range(3000):
        do(without_a_name, f"nameless-{i}")
    deep(100)
    os.rename("w", f"gone-{n}")
    os.mkdir("w")


# --- upkeep: nothing here opens what it does not know without O_NONBLOCK, or it would wait for itself ---

LOGS = ["app.log", "second.log", "root.log", "-rf.log", "two\nlines.log"]
OURS = [".{}.vakt-new", ".{}.vakt-copy", ".{}.vakt-cut", ".{}.vakt-tell", ".{}.1.vakt-zip", "{}.1", "{}.1.gz", "{}.2",
        "{}.2.gz", "{}.3", "{}-20260101", "{}.1.1"]
held = []


def exchange(a, b):
    libc.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE)


def put_file(path, _):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    os.write(fd, b"mine\n" * random.randrange(3000))
    os.close(fd)
    if random.randrange(2):
        os.utime(path, (1e9, 1e9), follow_symlinks=False)


def put_socket(path, _):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)


def put_hard_link(path, target):
    os.link(random.choice(["mine", f"{target}/app.log", "/etc/passwd"]), path, follow_symlinks=False)


def put_tree(path, _):
    for i in range(20):
        path += f"/{i}"
        os.makedirs(path)
    put_file(f"{path}/file", "")


PUT = [put_file, put_file, put_file, put_socket, put_hard_link, put_tree, lambda path, _: os.mkfifo(path),
       lambda path, target: os.symlink(f"{target}/app.log", path), lambda path, target: os.symlink(target, path),
       lambda path, _: os.symlink("/proc/self/root/root", path), lambda path, _: os.mkdir(path),
       lambda path, _: os.mknod(path, 0o644 | stat.S_IFCHR, os.makedev(0, 0))]


def remove(path):
    do(os.unlink, path)
    if not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)


def replace(path, target):
    put = random.choice(PUT)
    remove("new")
    do(put, "new", target)
    exchange("new", path)
    do(os.rename, "new", path)


def hold(path):
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    held.append(fd)
    while len(held) > 20:
        os.close(held.pop(0))
    random.choice([lambda: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB),
                   lambda: fcntl.fcntl(fd, fcntl.F_SETLEASE, random.choice([fcntl.F_RDLCK, fcntl.F_WRLCK])),
                   lambda: None])()


def upkeep(n, target):
    signal.signal(signal.SIGIO, signal.SIG_IGN) # somebody else wants what we have leased
    do(put_file, "mine", target)
    for name in ("log", "old", "cache"):
        do(os.mkdir, name)
        do(os.chmod, name, random.choice([0o755, 0o755, 0o755, 0o777, 0o1777, 0o311, 0]))
    do(os.symlink, target, "link")
    name = random.choice([*LOGS, *(o.format(random.choice(LOGS)) for o in OURS)])
    place = random.choice(["log", "log", "log", "old", "cache", "."])
    for _ in range(20):
        do(random.choice([
            lambda: replace(f"{place}/{name}", target),
            lambda: do(put_file, f"{place}/{random.choice(LOGS)}", target),
            lambda: hold(f"{place}/{name}"), lambda: hold(place),
            lambda: os.rename(f"{place}/{name}", f"{place}/{random.choice(LOGS)}"),
            lambda: exchange(place, "link"), lambda: exchange(place, "link"), lambda: exchange("old", "log"),
            lambda: (os.rename(place, "away"), os.rename("away", place)),
            lambda: remove(f"{place}/{name}")]))
    if os.path.islink(place):
        exchange(place, "link")
    if n % 50 == 0 and place != ".":
        remove(place)


def main():
    what, seconds, home, target = sys.argv[1:]
    end = time.monotonic() + float(seconds)
    n = 0
    os.chdir(home)
    while time.monotonic() < end:
        globals()[what](n, target)
        n += 1
    print(n)


main()
