#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cleaning beside find -delete, systemd-tmpfiles and tmpreaper: the same files, in turns, on the same file system.

  tests/bench/bench-clean.py BUILDDIR [--files N] [--rounds N] [--directory DIR] [--calls]

Half of the files, in 200 directories, are old. What is measured is the time from start to end, the CPU time, and the most
memory; --calls counts system calls by strace instead. "choice" is vakt-clean by MaxCount=, which has to remember all files.
All but find ask for a lock on each file that they remove. Peers that are not installed are left out."""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

DIRECTORIES = 200
OLD_DAYS = 20


def fill(top, n):
    old = time.time() - OLD_DAYS * 86400
    for d in range(DIRECTORIES):
        (top / f"d{d}").mkdir(parents=True)
    for i in range(n):
        path = top / f"d{i % DIRECTORIES}" / f"file-{i:07}"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        if i // DIRECTORIES % 2 == 0:
            os.utime(path, (old, old))


def commands(build, top, scratch, n):
    clean = [f"{build}/src/upkeep/vakt-clean", f"Path={top}", "AgeBy=modify"]
    conf = scratch / "tmpfiles.conf"
    conf.write_text(f"d {top} 0755 root root m:{OLD_DAYS // 2}d\n")
    all_of_them = {
        "vakt-clean": clean + [f"MaxAge={OLD_DAYS // 2}d"],
        "choice": clean + [f"MaxCount={n // 2}"],
        "find": ["find", top, "-type", "f", "-mtime", f"+{OLD_DAYS // 2}", "-delete"],
        "tmpfiles": ["systemd-tmpfiles", "--clean", conf],
        "tmpreaper": ["tmpreaper", "-m", "--runtime=0", f"{OLD_DAYS // 2}d", top],
    }
    return {name: list(map(str, c)) for name, c in all_of_them.items() if shutil.which(c[0])}


def resident(pid):
    """The most so far, in KiB. Not by ru_maxrss, in which our own memory counts."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next((int(line.split()[1]) for line in f if line.startswith("VmHWM:")), 0)


def measure(command):
    begin = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ,
                          file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    memory, ended = 0, 0
    while not ended:
        memory = max(memory, resident(pid))
        time.sleep(0.002)
        ended, status, usage = os.wait4(pid, os.WNOHANG)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{command[0]} failed")
    return time.monotonic() - begin, usage.ru_utime, usage.ru_stime, memory


def count_calls(command, scratch):
    counts = scratch / "strace"
    subprocess.run(["strace", "-f", "-c", "-o", counts, *command], stdout=subprocess.DEVNULL, check=True)
    rows = [line.split() for line in counts.read_text().splitlines()[2:]]
    calls = {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit()}
    return {name: n for name, n in calls.items() if n >= DIRECTORIES and name != "total"}


def left(top):
    return sum(len(files) for _, _, files in os.walk(top))


def turn(arguments, name, scratch):
    top = scratch / "tree"
    fill(top, arguments.files)
    command = commands(arguments.build, top, scratch, arguments.files)[name]
    result = count_calls(command, scratch) if arguments.calls else measure(command)
    if left(top) != arguments.files // 2:
        raise SystemExit(f"{name} left {left(top)} files")
    shutil.rmtree(top)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=200000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=pathlib.Path)
    parser.add_argument("--calls", action="store_true")
    arguments = parser.parse_args()
    arguments.build = arguments.build.resolve()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="vakt-bench-clean-", dir=arguments.directory))
    os.chmod(scratch, 0o755)
    try:
        names = list(commands(arguments.build, scratch, scratch, 0))
        if arguments.calls:
            for name in names:
                print(name, turn(arguments, name, scratch))
            return
        results = {name: [] for name in names}
        for _ in range(arguments.rounds):
            for name in names:
                results[name].append(turn(arguments, name, scratch))
        find = statistics.median(r[0] for r in results["find"])
        for name in names:
            wall, user, system, memory = (statistics.median(r[i] for r in results[name]) for i in range(4))
            print(f"{name:11} {wall:7.3f} s  ({wall / find:.2f} × find)  user {user:.3f} s  system {system:.3f} s  "
                  f"{memory / 1024:.1f} MiB")
    finally:
        shutil.rmtree(scratch)


main()
