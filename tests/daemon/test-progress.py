#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The line that shows progress, on a pty. Called by test-progress.sh with the number of the last test, the FIFO that
lets the job go on, and the words of vaktctl; TAP on standard output."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios

number = int(sys.argv[1])
release = sys.argv[2]
vaktctl = sys.argv[3:]
failed = False
ERASE = b"\r\x1b[K"


def ok(good, what, text=b""):
    global number, failed
    number += 1
    print(("ok" if good else "not ok") + f" {number} - {what}", flush=True)
    if not good:
        failed = True
        print(f"# {text!r}")


def ctl(*arguments):
    return subprocess.run(vaktctl + list(arguments), capture_output=True, text=True, check=False).stdout


def go_on(n=1):
    with open(release, "w", encoding="ascii") as fifo:
        fifo.write("\n" * n)


class Terminal:
    def __init__(self, *arguments, columns=80, **environment):
        self.text = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.environ.update(environment)
            os.execvp(vaktctl[0], vaktctl + list(arguments))

    def read(self):
        if not select.select([self.fd], [], [], 60)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += data
        return bool(data)

    def shows(self, pattern):
        """Waits until the text matches."""
        while not re.search(pattern, self.text.decode(errors="ignore")):
            if not self.read():
                return False
        return True

    def end(self):
        """Its exit status."""
        while self.read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def lines(self):
        """What stays on the screen."""
        return [line.split(ERASE)[-1].decode() for line in self.text.replace(b"\r\n", b"\n").split(b"\n")]


def until_status(job, text):
    """The newest run of the job has reported this."""
    while True:
        for run in json.loads(ctl("--json", "history", "-n", "1", job)):
            if (json.loads(ctl("--json", "status", str(run["run"])))["status_text"] or "").startswith(text):
                return


t = Terminal("run", "--wait", "report")
ok(t.shows(r"\r\x1b\[Kreport █{8}░{12} 42% of it$"), "a bar", t.text)
go_on()
ok(t.shows(r"\r\x1b\[Kreport █{16}░{4} Copied 80% of it, [^\x1b]*$"), "it is replaced, and harmless", t.text)
status = Terminal("status", "report", SYSTEMD_PAGER="cat")
ok(status.end() == 0 and re.search("Active: .*█{16}░{4} Copied 80%", status.text.decode()), "status shows it as well",
   status.text)
go_on()
ok(t.shows(r"\r\x1b\[K$"), "a text without a percentage removes it", t.text)
go_on()
ok(t.end() == 0 and t.lines()[0].startswith("Run ") and "█" not in "".join(t.lines()), "the message takes its place",
   t.text)

t = Terminal("run", "--wait", "report", columns=20, LC_ALL="C")
ok(t.shows(r"\r\x1b\[Kreport #{8}-\.\.\.$"), "it is cut to the terminal, in ASCII", t.text)
os.write(t.fd, b"\x03")
ok(t.end() == 130 and re.match(r"Run \d+ of job report continues; use ", t.lines()[0]), "Ctrl-C removes it", t.text)
go_on(3)
while json.loads(ctl("--json", "history", "-n", "1", "report"))[0]["state"] != "done":
    pass
t = Terminal("run", "--wait", "report", "second")
ok(t.shows("report █+░+ 42%"), "with several, that of the one that is waited for", t.text)
go_on(6)
ok(t.end() == 0 and [re.sub(r".* job (\w+) succeeded.*", r"\1", line) for line in t.lines() if "succeeded" in line] ==
   ["report", "second"] and "█" not in "".join(t.lines()), "and each has its message", t.text)

t = Terminal("once", "--wait", "--name", "at-once", "--in", "1s", "--", os.path.dirname(release) + "/report")
ok(t.shows(r"\r\x1b\[Kat-once █{8}░{12} 42% of it"), "once --wait", t.text)
go_on(3)
ok(t.end() == 0 and any(re.match(r"Run \d+ of job at-once succeeded", line) for line in t.lines()) and
   "█" not in "".join(t.lines()), "and its message", t.text)

for words, environment in ((["-q"], {}), (["--json"], {}), ([], {"TERM": "dumb"}), ([], {"TERM": ""})):
    t = Terminal(*words, "run", "--wait", "report", **environment)
    until_status("report", "42%")
    go_on()
    until_status("report", "Copied")
    go_on(2)
    ok(t.end() == 0 and b"\x1b" not in t.text and "█".encode() not in t.text, f"none with {words or environment}",
       t.text)
print(f"1..{number}")
sys.exit(failed)
