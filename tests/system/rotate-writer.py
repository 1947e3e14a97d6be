#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Appends numbered lines to a log as fast as it is told, and reopens the log on SIGHUP; or counts them.

  rotate-writer.py write LOG LINES-A-SECOND     until SIGTERM; then the number of lines is in LOG.count
  rotate-writer.py check LOG                    reads LOG and its copies LOG.1, LOG.2 …; prints how many lines are missing
                                                and how many are there twice"""

import os
import re
import signal
import sys
import time


def write(path, rate):
    stop, reopen = [], []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    signal.signal(signal.SIGHUP, lambda *_: reopen.append(1))
    fd, n, begin = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 0, time.monotonic()
    while not stop:
        if reopen:
            os.close(fd)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            reopen.clear()
        os.write(fd, b"line %012d\n" % n)
        n += 1
        if n % 100 == 0:
            time.sleep(max(0.0, begin + n / rate - time.monotonic()))
    with open(f"{path}.count", "w") as f:
        f.write(f"{n}\n")


def check(path):
    names = [n for n in os.listdir(os.path.dirname(path)) if re.fullmatch(re.escape(os.path.basename(path)) + r"\.\d+", n)]
    names.sort(key=lambda n: -int(n.rsplit(".", 1)[1]))
    data = b""
    for name in [*names, os.path.basename(path)]:
        with open(f"{os.path.dirname(path)}/{name}", "rb") as f:
            data += f.read()
    with open(f"{path}.count") as f:
        n = int(f.read())
    lines = data.decode().splitlines()
    numbers = [int(m[1]) for m in (re.fullmatch(r"line (\d{12})", line) for line in lines) if m]
    print(n - len(set(numbers)), len(numbers) - len(set(numbers)), len(lines) - len(numbers),
          int(numbers == sorted(numbers)), n)


if sys.argv[1] == "write":
    write(sys.argv[2], float(sys.argv[3]))
else:
    check(sys.argv[2])
