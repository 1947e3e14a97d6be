#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much is called for one run: by a timer, and for a file that was written and closed.

usage: trace-turns.py [--calls] [TREE]      (default: this one; TREE is another checkout, to compare with)

Builds TREE without optimisation and with -finstrument-functions, starts its daemon with children as runs, and counts
for each turn of the event loop in which something was called: calls of functions, hops (calls from one file into
another), and functions that are entered while they are under way already. --calls prints the calls themselves, indented."""

import collections
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
LEAVE, TURN = 1 << 62, 1 << 63
QUIET_SECONDS = 3  # nothing is to be done until then


def build(tree, scratch):
    directory = tree / ".build/trace"
    if not (directory / "build.ninja").exists():
        subprocess.run(["meson", "setup", directory, "-Dtests=false", "-Dman=false", "-Dbuildtype=debug",
                        "-Dc_args=-finstrument-functions"], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", directory], check=True, stdout=subprocess.DEVNULL)
    shim = scratch / "trace.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", shim, TOP / "tests/bench/trace-turns.c", "-ldl"], check=True)
    return directory, shim


def trace(directory, shim, job, cause):
    """The records of a daemon that lives until its run is over, and from when on they count."""
    # Not in /tmp: what others do there is heard of, as of every directory on the way.
    with tempfile.TemporaryDirectory(prefix="home-", dir=directory) as home:
        home = pathlib.Path(home)
        (home / "jobs").mkdir()
        (home / "watched").mkdir()
        (home / "vaktd.conf").write_text("[Manager]\nExecutor=child\n")
        (home / "jobs/job.job").write_text(job.format(home=home))
        daemon = subprocess.Popen(
            [directory / "src/vaktd", "--no-bus", f"--config={home}/vaktd.conf", f"--jobs-dir={home}/jobs",
             f"--state-dir={home}/state", f"--socket={home}/run/control"],
            env={**os.environ, "LD_PRELOAD": str(shim), "VAKT_TRACE": f"{home}/trace",
                 "VAKTD_PROGRAM_DIR": str(directory / "src/exec")}, stderr=subprocess.DEVNULL)
        time.sleep(QUIET_SECONDS)
        begin = time.monotonic_ns()
        cause(home)
        while not (home / "done").exists():
            if daemon.poll() is not None:
                sys.exit("The daemon has ended.")
            time.sleep(0.01)
        time.sleep(1)
        end = time.monotonic_ns()
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
        data = (home / "trace").read_bytes()
    return struct.unpack(f"{len(data) // 8}Q", data), begin, end


def where(directory, addresses):
    """{address: (function, file)}"""
    out = subprocess.run(["addr2line", "-f", "-e", directory / "src/vaktd"], input="\n".join(map(hex, addresses)),
                         capture_output=True, text=True, check=True).stdout.split("\n")
    return {a: (out[2 * i], re.sub(r"^.*?/src/|:.*$", "", out[2 * i + 1])) for i, a in enumerate(addresses)}


def count(directory, records, begin, end, want_calls):
    base, records = records[0], records[1:]
    names = where(directory, sorted({(r & ~LEAVE) - base for r in records if not r & TURN}))
    stack, turn, turns = [], None, []
    for r in records:
        if r & TURN:
            at = r & ~TURN
            turn = collections.Counter() if begin <= at <= end else None
            turns += [turn] if turn is not None else []
            inside, depth = collections.Counter(), len(stack)
        elif r & LEAVE:
            if stack and stack[-1] == (r & ~LEAVE) - base:
                function = stack.pop()
                if turn is not None:
                    inside[function] -= 1
        else:
            address = r - base
            function, file = names[address]
            if turn is not None:
                turn["calls"] += 1
                caller = names[stack[-1]][1] if len(stack) > depth else ""
                turn["hops"] += caller != "" and caller != file
                turn["reentered"] += inside[address] > 0 and file.startswith(("core/", "trigger/"))
                inside[address] += 1
                if want_calls:
                    print(f"{len(turns):3} {'  ' * (len(stack) - depth)}{function}  {file}")
            stack.append(address)
    return [t for t in turns if t["calls"]]


def main():
    arguments = [a for a in sys.argv[1:] if a != "--calls"]
    tree = pathlib.Path(arguments[0]).resolve() if arguments else TOP
    cases = {
        "one run of a timer": ("[Timer]\nOnStartupSec=4s\n[Run]\nShell=touch {home}/done\n", lambda home: None),
        "one file, closed": ("[Path]\nPathChanged={home}/watched\n[Run]\nShell=touch {home}/done\n",
                             lambda home: (home / "watched/file").write_text("x")),
    }
    with tempfile.TemporaryDirectory(prefix="vakt-trace-") as scratch:
        directory, shim = build(tree, pathlib.Path(scratch))
        for name, (job, cause) in cases.items():
            turns = count(directory, *trace(directory, shim, job, cause), "--calls" in sys.argv)
            print(f"{name}: {len(turns)} turns, {sum(t['calls'] for t in turns)} calls, "
                  f"{sum(t['hops'] for t in turns)} hops, {sum(t['reentered'] for t in turns)} reentered")
            for i, t in enumerate(turns, 1):
                print(f"  turn {i}: {t['calls']} calls, {t['hops']} hops, {t['reentered']} reentered")


main()
