#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a command as a user on a terminal of its own, in a session of logind, without which polkit uses no agent of a
terminal. Types a password whenever it is asked for one.

usage: polkit-tty.py USER PASSWORD COMMAND..."""

import os
import pty
import shlex
import sys
import termios
import time


def wait_for_silence(terminal):
    """The prompt comes first; what is typed before the terminal stops to echo is discarded. Nothing tells when."""
    deadline = time.monotonic() + 20
    while termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < deadline:
        time.sleep(0.01)


user, password, command = sys.argv[1], sys.argv[2], sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("runuser", ["runuser", "-l", user, "--session-command", "exec " + shlex.join(command)])
seen = b""
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
    seen += data
    if seen.endswith(b"Password: "):
        seen = b""
        wait_for_silence(terminal)
        os.write(terminal, password.encode() + b"\n")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
