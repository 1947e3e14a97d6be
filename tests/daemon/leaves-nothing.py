#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a test, and fails it if it leaves a process behind: whatever its daemon or it itself has started becomes our child
when its parent ends. What is about to end has time to do so."""

import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
SECONDS = 60


def children():
    """Those that have not ended, with their words."""
    found = {}
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        for pid in file.read().split():
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as words:
                found[int(pid)] = words.read().replace("\0", " ")
    return found


def wait_for_all(seconds):
    """False if some are left by then."""
    end = time.monotonic() + seconds
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        if time.monotonic() > end:
            return False
        signal.sigtimedwait([signal.SIGCHLD], 1)


if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0:
    sys.exit("Cannot become a subreaper.")
status = subprocess.call(sys.argv[1:])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
if not wait_for_all(SECONDS):
    while left := children():
        for pid, words in left.items():
            print(f"# Left behind: {pid} {words}", file=sys.stderr)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    status = status or 1
sys.exit(status if status >= 0 else 128 - status)
