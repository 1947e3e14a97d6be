#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vaktctl top in a real terminal, a pty, with a real daemon: what the screen shows, follows and does, how it ends,
and that it sleeps meanwhile. Called by test-top.sh with the number of the last test and the words of vaktctl; TAP on standard output.

The screen is what a terminal makes of the output: the few sequences that vaktctl writes are carried out, and an unknown
one is an error."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

vaktctl = sys.argv[2:]
number = int(sys.argv[1])
failed = False


def ok(good, what, screen=None):
    global number, failed
    number += 1
    print(("ok" if good else "not ok") + f" {number} - {what}", flush=True)
    if not good:
        failed = True
        for line in (screen.text() if screen else []):
            print("# |" + line)


class Screen:
    SEQUENCE = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])")

    def __init__(self, rows=24, columns=80, environment=None):
        self.lines = [b""] * rows
        self.main, self.cursor, self.cleared = True, True, 0
        self.row, self.rest, self.all = 0, b"", b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(environment or {})
            for ignored in signal.SIGINT, signal.SIGQUIT:  # by a shell that runs the tests in the background
                signal.signal(ignored, signal.SIG_DFL)
            os.execvp(vaktctl[0], vaktctl + ["top"])
        self.resize(rows, columns)

    def resize(self, rows, columns):
        self.lines = [b""] * rows
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def mode(self):
        return termios.tcgetattr(self.fd)[3]

    def feed(self, data):
        """A read may end anywhere: what is not whole waits for the rest."""
        self.all += data
        data, self.rest = self.rest + data, b""
        while data:
            m = self.SEQUENCE.match(data)
            if m:
                arguments, final = m.group(1), m.group(2)
                if final == b"H":
                    self.row = int(arguments or b"1") - 1
                    if self.row < len(self.lines):
                        self.lines[self.row] = b""
                elif final == b"J":
                    self.lines, self.cleared = [b""] * len(self.lines), self.cleared + 1
                elif final in (b"h", b"l") and arguments == b"?1049":
                    self.main = final == b"l"
                elif final in (b"h", b"l") and arguments == b"?25":
                    self.cursor = final == b"h"
                elif final not in (b"m", b"K"):
                    raise ValueError(f"unknown sequence {m.group(0)}")
                data = data[m.end():]
                continue
            if data.startswith(b"\x1b"):
                self.rest = data
                return
            end = data.find(b"\x1b")
            text = data[:end] if end > 0 else data
            if self.row < len(self.lines):
                self.lines[self.row] += text
            data = data[len(text):]

    def read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.feed(data)
        return bool(data)

    def text(self):
        return [line.decode("utf-8", "replace") for line in self.lines]

    def shows(self, pattern, seconds=30):
        """Waits until some line matches."""
        end = time.monotonic() + seconds
        while not any(re.search(pattern, line) for line in self.text()):
            if time.monotonic() > end or not self.read(end - time.monotonic()):
                return any(re.search(pattern, line) for line in self.text())
        return True

    def hides(self, pattern, seconds=30):
        end = time.monotonic() + seconds
        while any(re.search(pattern, line) for line in self.text()):
            if time.monotonic() > end or not self.read(end - time.monotonic()):
                return False
        return True

    def key(self, keys):
        os.write(self.fd, keys.encode())

    def end(self):
        """Its wait status, and what it wrote up to there."""
        while self.read(60):
            pass
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def ctl(*arguments):
    return subprocess.run(vaktctl + list(arguments), capture_output=True, text=True)


def wait_stopped(pid):
    return os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])


def daemon(command):
    """The shell that called us stops and starts it."""
    print(f"#! {command}", flush=True)
    sys.stdin.readline()


# --- what it shows ---

s = Screen()
cooked = termios.ICANON | termios.ECHO
ok(s.shows(r"^vaktd: \d+ jobs, 0 running, 0 queued"), "the title", s)
ok(s.shows(r"^CONDITIONS") and s.shows(r"^ !file-exists .*yes  raised: there"), "a condition and its monitor", s)
ok(s.shows(r"^. later +in "), "what is next", s)
ok(not s.main and not s.cursor and not s.mode() & cooked, "it has the whole screen", s)
ctl("run", "wait")
ok(s.shows(r"^. wait +\d+ +\d+s .* 42%  42% of it"), "a run with its progress", s)
ctl("run", "wait")
ok(s.shows(r"^. wait +\d+ +\d+s +queued"), "a run that waits", s)
ok(s.shows(r"1 running, 1 queued"), "their numbers", s)
ctl("run", "fails")
ok(s.shows(r"^. fails +\d+  exit 3, \d+s ago"), "a failure", s)
ok(s.cleared == 2, "nothing is cleared but at first", s)  # by entering, and the first frame

# --- keys ---

s.key("\x1b[H")
ok(s.shows(r"^> wait "), "Home selects the first row", s)
s.key("w")
ok(s.shows(r"^Why: job wait") and s.shows(r"^state: +It is running"), "w explains", s)
s.key("q")
ok(s.shows(r"^RUNNING") and s.hides("^Why"), "q goes back", s)
s.key("c")
ok(s.shows(r"^Cancel run \d+ of job wait\? \[y/N\]"), "c asks", s)
s.key("n")
ok(s.hides(r"\[y/N\]") and "1 running" in s.text()[0], "another key is no", s)
s.key("cy")
ok(s.shows(r"is cancelled"), "y cancels", s)
s.key("p")
ok(s.shows(r"^Job wait is paused"), "p pauses", s)
s.key("p")
ok(s.shows(r"^Job wait is resumed"), "p resumes", s)
s.key("ry")
ok(s.shows(r"^Run \d+ of job wait was requested"), "r runs", s)

# --- size ---

s.resize(10, 40)
ok(s.shows(r"^vaktd: .* pre…$") and all(len(line) <= 40 for line in s.text()), "a small screen", s)
s.resize(24, 80)
ok(s.shows(r"^vaktd: .* memory \d+%$"), "and back", s)

# --- stop and go on ---

s.key("\x1a")
ok(wait_stopped(s.pid), "Ctrl-Z stops it")
while s.read(0):
    pass
ok(s.main and s.cursor and s.mode() & cooked == cooked, "the terminal is as before meanwhile", s)
os.kill(s.pid, signal.SIGCONT)
s.lines = [b""] * 24
ok(s.shows(r"^vaktd: ") and not s.main and not s.mode() & cooked, "it goes on", s)

# --- another daemon ---

daemon("stop")
ok(s.shows(r"^No connection for \d+s, trying again"), "a daemon that is gone is told", s)
daemon("start")
ok(s.shows(r"^Connected again") and s.shows(r"^. fails +\d+  exit 3"), "it connects again", s)
ctl("run", "fails")
ok(s.shows(r"^RECENT FAILURES \([2-9]"), "and hears signals", s)

# --- a daemon that hangs ---

daemon("freeze")
s.key("\x1b[Hw")
ok(s.shows(r"^vaktd did not answer \w+ in time", 20), "a daemon that hangs is told, without the patience of other verbs", s)
daemon("thaw")
s.key("w")
ok(s.shows(r"^Why: job "), "and it is asked again", s)
s.key("q")

# --- the ends ---

s.key("q")
ok(s.end() == 0 and s.main and s.cursor, "q quits")
for keys, number_of_signal in (("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT), (None, signal.SIGTERM)):
    s = Screen()
    s.shows(r"^vaktd: ")
    if keys:
        s.key(keys)
    else:
        os.kill(s.pid, number_of_signal)
    while s.main is False and s.read(60):
        pass
    mode = s.mode()
    ok(s.end() == -number_of_signal and s.main and s.cursor and mode & cooked == cooked,
       f"{number_of_signal.name} ends it, and the terminal is as before", s)

# --- no colours, ASCII ---

s = Screen(environment={"NO_COLOR": "1", "LC_ALL": "C"})
ok(s.shows(r"^vaktd: ") and b"[0;1;3" not in s.all and b"[0;38" not in s.all, "NO_COLOR", s)
s.key("q")
s.end()
print(f"1..{number}")
sys.exit(failed)
