#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an ordinary user does all day to get at what is not theirs: attack.py WHAT SECONDS, run as that user.

directories HOME TARGET   HOME/in and HOME/done are theirs, then links to TARGET, then what they find in HOME/other
items SPOOL TARGET        SPOOL/item is a file, then a link to TARGET, a FIFO, a file with two names
watched HOME TARGET       HOME/w is a directory, then a link to TARGET
many HOME N               N files in HOME/w, with names that are long, and touched in reverse; then all of it goes away
"""

import contextlib
import os
import sys
import time


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
