#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attacks a cleaner as an ordinary user: exchanges what is in a directory, as fast as it can.

  swap-clean.py UID TREE OUTSIDE SECONDS

TREE is a directory of the user's, or one where everybody may write. In TREE/UID-N, a directory and a link to OUTSIDE take
turns under each of several names, at two depths; both have files of the same names, old ones. Files are exchanged with
links, FIFOs and hard links to the user's other files, directories are moved into each other. Ends after so many seconds
and prints how many exchanges it did."""

import ctypes
import os
import random
import shutil
import sys
import time

RENAME_EXCHANGE = 2
AT_FDCWD = -100
OLD = 1000000000
libc = ctypes.CDLL(None, use_errno=True)


def exchange(a, b):
    return libc.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE) == 0


def quietly(f, *args):
    try:
        f(*args)
    except OSError:
        pass


def fill(directory):
    quietly(os.mkdir, directory)
    quietly(os.mkdir, f"{directory}/sub")
    for where in (directory, f"{directory}/sub"):
        for i in range(4):
            path = f"{where}/file{i}"
            quietly(lambda: os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)))
            quietly(lambda: os.utime(path, (OLD, OLD), follow_symlinks=False))


def prepare(place, outside):
    quietly(os.mkdir, place)
    for name in ("link", "link2"):
        quietly(os.symlink, outside, f"{place}/{name}")
    quietly(os.symlink, f"{outside}/sub", f"{place}/link3")
    quietly(os.mkfifo, f"{place}/fifo")
    for name in ("real", "real2"):
        fill(f"{place}/{name}")


def attack(place):
    a, b = f"{place}/real", f"{place}/link"
    n = 0
    for _ in range(20):
        n += exchange(a, b)
        n += exchange(f"{place}/real2/sub", f"{place}/link3")
        n += exchange(a, b)
        n += exchange(f"{place}/real2/file1", f"{place}/link2")
        n += exchange(f"{place}/real2/file2", f"{place}/fifo")
        n += exchange(f"{place}/real2/sub", f"{place}/real")
    quietly(os.link, f"{place}/real2/file3", f"{place}/real2/again")
    quietly(os.rename, f"{place}/real/sub", f"{place}/real2/moved")
    return n


def main(uid, tree, outside, seconds):
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
    end, n = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        place = f"{tree}/{uid}-{random.randrange(4)}"
        prepare(place, outside)
        n += attack(place)
        if random.randrange(8) == 0:
            shutil.rmtree(place, ignore_errors=True)
    print(n)


main(*sys.argv[1:])
