#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rotation beside logrotate: the same logs, in turns, on the same file system; prints the ratios.

  tests/bench/bench-rotate.py BUILDDIR [--small N] [--big MIB] [--rounds N] [--directory DIR]

Many small logs and one big one: without compression, with gzip and with zstd, each as either program compresses by default,
and gzip at the same level. Each log has one old copy before. What is measured is the time from start to end, the CPU time of the program and of all that it
starts, and the most memory of any of them. Both end with the data on the disk: sync(2) is part of the time of either.
"""

import argparse
import os
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import time

COMPRESS = {"none": "nocompress", "gzip": "compress", "zstd": "compress\n compresscmd /usr/bin/zstd\n compressext .zst"}


def lines(size, seed):
    rnd = random.Random(seed)
    words = [f"word{rnd.randrange(10**6)}" for _ in range(2000)]
    parts, n = [], 0
    while n < size:
        line = f"2026-11-30T10:{rnd.randrange(60):02}:{rnd.randrange(60):02} host app[{rnd.randrange(9999)}]: " + \
            " ".join(rnd.choices(words, k=8)) + "\n"
        parts.append(line)
        n += len(line)
    return "".join(parts)[:size].encode()


def fill_small(directory, n):
    text = lines(4096, 1)
    for i in range(n):
        (directory / f"app{i}.log").write_bytes(text)


def fill_big(directory, mib):
    chunk = lines(1 << 20, 2)
    with open(directory / "big.log", "wb") as f:
        for _ in range(mib):
            f.write(chunk)


def child(arguments):
    """Runs it; returns seconds, CPU seconds and the peak memory in KiB."""
    os.sync()
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        null = os.open("/dev/null", os.O_WRONLY)
        os.dup2(null, 1)
        os.execv(arguments[0], [str(a) for a in arguments])
    _, status, usage = os.wait4(pid, 0)
    os.sync()
    took = time.monotonic() - start
    if status:
        sys.exit(f"{arguments[0]} failed: {status}")
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def vaktd(build, directory, compress):
    state = directory.parent / "state-vaktd"
    state.mkdir(exist_ok=True)
    return child([build / "src/upkeep/vakt-rotate", f"--state-directory={state}", f"Path={directory}/*.log", "Keep=5",
                  f"Compress={compress}"])


def logrotate(directory, compress):
    config = directory.parent / "logrotate.conf"
    config.write_text(f"{directory}/*.log {{\n rotate 5\n size 1\n create\n {COMPRESS[compress]}\n}}\n")
    config.chmod(0o644)
    return child(["/usr/sbin/logrotate", "-f", "-s", directory.parent / "state-logrotate", config])


def measure(options, title, fill, size, compress):
    figures = {"logrotate": [], "vaktd": []}
    for number in range(options.rounds):
        order = [("logrotate", logrotate), ("vaktd", lambda d, c: vaktd(options.build, d, c))]
        for name, run in order if number % 2 == 0 else order[::-1]:
            top = pathlib.Path(tempfile.mkdtemp(dir=options.directory))
            directory = top / "log"
            directory.mkdir(mode=0o755)
            for _ in range(2):  # each has its state from the first one, as on all days but one
                fill(directory, size)
                taken = run(directory, compress)
            figures[name].append(taken)
            rotated = sum(1 for f in directory.iterdir() if ".log.1" in f.name)
            if rotated != sum(1 for f in directory.iterdir() if f.name.endswith(".log")):
                sys.exit(f"{name} left logs alone in {directory}")
            shutil.rmtree(top)
    median = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in figures.items()}
    theirs, ours = median["logrotate"], median["vaktd"]
    print(f"{title:<22} {compress:<5} logrotate {theirs[0]:7.2f} s {theirs[1]:7.2f} s CPU {theirs[2] / 1024:6.1f} MiB   "
          f"vaktd {ours[0]:7.2f} s {ours[1]:7.2f} s CPU {ours[2] / 1024:6.1f} MiB   "
          f"ratio {ours[0] / theirs[0]:.2f} (CPU {ours[1] / theirs[1]:.2f}), aim: 1 or less", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--small", type=int, default=10000)
    parser.add_argument("--big", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", default=None)
    options = parser.parse_args()
    options.build = options.build.resolve()
    if not shutil.which("logrotate", path="/usr/sbin:/usr/bin"):
        sys.exit("Install logrotate, to which this compares.")
    for compress in COMPRESS:
        measure(options, f"{options.small} logs of 4 KiB", fill_small, options.small, compress)
    for compress in COMPRESS:
        measure(options, f"one of {options.big} MiB", fill_big, options.big, compress)


main()
