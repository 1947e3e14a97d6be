#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Swaps directories of a tree for links that lead out of it, and back, as fast as it can, and fills them meanwhile.

  swap-links.py TREE OUTSIDE ROUNDS

Each round makes TREE/rN/swapped with directories in it that OUTSIDE has, too, and exchanges it for a link to OUTSIDE and
back, many times, while it is read. In the end it is a directory in even rounds and a link in odd ones."""

import ctypes
import os
import sys
import time

DIRECTORIES = 30
SWAPPING_S = 0.04  # a round, in which the directories are read some times
RENAME_EXCHANGE = 2
AT_FDCWD = -100
libc = ctypes.CDLL(None, use_errno=True)


def exchange(a, b):
    if libc.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE) < 0:
        raise OSError(ctypes.get_errno(), "cannot exchange", a)


def fill(directory, prefix):
    for i in range(DIRECTORIES):
        os.makedirs(f"{directory}/deep{i}", exist_ok=True)
        for k in range(3):
            with open(f"{directory}/deep{i}/{prefix}{k}", "w") as f:
                f.write("x")


def one_round(tree, outside, n):
    swapped, spare = f"{tree}/r{n}/swapped", f"{tree}/spare{n}"
    os.symlink(outside, spare)
    fill(swapped, "f")
    end = time.monotonic() + SWAPPING_S
    while time.monotonic() < end:
        exchange(swapped, spare)
        exchange(swapped, spare)
    if n % 2:
        exchange(swapped, spare)


def main(tree, outside, rounds):
    fill(outside, "o")
    for n in range(int(rounds)):
        one_round(tree, outside, n)


main(*sys.argv[1:])
