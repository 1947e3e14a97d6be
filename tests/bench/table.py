#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of what vaktd does beside the limit of the machine and beside comparable programs: tests/run bench.

usage: table.py [--accept] [--small] --build=BUILDDIR [ROW...]      (default: all; a name selects all rows that begin with it)

Each source, a program of this directory, measures some rows in several rounds, vaktd and the others in turn, and prints a
line for each figure, "sample ROW WHO FIGURE", or "skip ROW WHO REASON". A line of the table is for people and programs, in
columns without blanks; others begin with "#":

  ROW  WHO  UNIT  figure of WHO  figure of vaktd  RATIO  MIN  MAX  AIM  ACCEPTED

Figures are medians. RATIO is the median, MIN and MAX the range over the rounds, of the figure of vaktd divided by that of
WHO: where the unit is one of time or memory, less is better. AIM is what we want beside the limit, and ACCEPTED is from the
file "ratios". A ratio that is 15 % worse than that is measured up to three times before it is a warning, which is not a
failure. --accept writes the ratios of this run to the file. --small divides all sizes by ten, to see whether all rows
work; its figures say nothing."""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import typing

HERE = pathlib.Path(__file__).resolve().parent
ACCEPTED = HERE / "ratios"
WORSE, TRIES = 0.15, 3
SOURCE_SECONDS = 900


class Row(typing.NamedTuple):
    name: str
    title: str
    unit: str
    sources: tuple
    limit: str = ""  # who is the limit; others are peers
    aim: float = 0


ROWS = [
    Row("runs-true", "children, /bin/true, the ledger in TMPDIR", "runs/s", ("runs",), "spawn-loop", .9),
    Row("runs-noop", "children, a static program that does nothing, the ledger in TMPDIR", "runs/s", ("runs",), "spawn-loop", .8),
    Row("runs-tmpfs-true", "children, /bin/true, the ledger on tmpfs", "runs/s", ("runs",), "spawn-loop", .9),
    Row("runs-tmpfs-noop", "children, the static program, the ledger on tmpfs", "runs/s", ("runs",), "spawn-loop", .8),
    Row("burst-child-first", "1,000 due in one second, until the first child begins", "ms", ("box",), "spawn-loop"),
    Row("burst-child-last", "1,000 due in one second, until the last child begins", "ms", ("box",), "spawn-loop", 1.25),
    Row("burst-unit-first", "1,000 due in one second, until the first unit begins", "ms", ("box",), "bare-client"),
    Row("burst-unit-last", "1,000 due in one second, until the last unit begins", "ms", ("box",), "bare-client", 1.05),
    Row("memory", "memory of a calendar job, of 10,000 (PSS)", "bytes", ("daemon", "box"), "cron", 2),
    Row("memory-listed", "memory of a calendar job, of 10,000, after a list", "bytes", ("daemon", "box"), "cron", 2),
    Row("get-idle-p50", "Get of a property, nothing else to do, median", "us", ("get",), "sd-bus-service"),
    Row("get-idle-p99", "Get of a property, nothing else to do, 99th percentile", "us", ("get",), "sd-bus-service"),
    Row("get-busy-p50", "Get of a property while runs go on, 8 at once, median", "us", ("get",), "sd-bus-service", 1.6),
    Row("get-busy-p99", "Get of a property while runs go on, 99th percentile", "us", ("get",), "sd-bus-service", 5),
    Row("change-p50", "from the change of a file to its command, a child, median", "us", ("paths",), "bare-inotify", 1.15),
    Row("change-p99", "from the change of a file to its command, 99th percentile", "us", ("paths",), "bare-inotify"),
    Row("setup", "50,000 directories, until all are watched", "ms", ("paths",), "walk", 1.05),
    Row("setup-fanotify", "50,000 directories, with CAP_SYS_ADMIN", "ms", ("paths",), "walk"),
    Row("nest", "20,000 files in 2,000 new directories, until all are reported", "ms", ("paths",), "writer", 1.2),
    Row("nest-fanotify", "20,000 files in 2,000 new directories, with CAP_SYS_ADMIN", "ms", ("paths",), "writer"),
    Row("spool", "items of a spool, 8 at once, children", "items/s", ("paths",), "spawn-loop", .75),
    Row("unit-runs", "units, 8 at once", "runs/s", ("box",), "bare-client", .97),
    Row("warm-runs", "a warm runner, in one sandbox, 8 at once", "runs/s", ("box",), "sandboxed-loop", .64),
    Row("list", "vaktctl list, 10,000 jobs", "ms", ("daemon", "box"), "transfer", 1.33),
    Row("ready", "start with 10,000 jobs, until READY=1", "ms", ("daemon", "box"), "read-files"),
]

SOURCES = {
    "runs": lambda build, rows: [build / "tests/bench/bench-runs", *rows],
    "daemon": lambda build, rows: [HERE / "bench-daemon.py", build, *rows],
    "get": lambda build, rows: [HERE / "bench-get.py", build, *rows],
    "paths": lambda build, rows: [HERE / "bench-paths.py", build, *rows],
    "box": lambda build, rows: [HERE / "bench-box.py", build, *rows],
}


# --- ratios ---


def ratios(ours, theirs):
    """Those of the rounds: in pairs if both took part in each, otherwise with the median of the others."""
    if len(ours) == len(theirs):
        return [a / b for a, b in zip(ours, theirs)]
    return [a / statistics.median(theirs) for a in ours]


def is_worse(ratio, accepted, unit):
    """Whether it is 15 % worse: more, or less if the unit is one of a rate."""
    return ratio < accepted * (1 - WORSE) if unit.endswith("/s") else ratio > accepted * (1 + WORSE)


def read_ratios(text):
    """{(row, who): ratio}"""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            row, who, ratio = line.split()
            found[row, who] = float(ratio)
    return found


def write_ratios(accepted):
    head = "# The ratios that were accepted last, written by: tests/run bench --accept\n# ROW WHO RATIO\n"
    return head + "".join(f"{row} {who} {ratio:.3f}\n" for (row, who), ratio in accepted.items())


# --- measuring ---


def read_samples(text):
    """{(row, who): [figure, ...]}, {(row, who): why it was skipped}, and the lines that are neither."""
    samples, skipped, rest = {}, {}, []
    for line in text.splitlines():
        words = line.split(" ", 3)
        if words[0] == "sample":
            samples.setdefault((words[1], words[2]), []).append(float(words[3]))
        elif words[0] == "skip":
            skipped[words[1], words[2]] = words[3]
        else:
            rest.append(line)
    return samples, skipped, rest


def run_source(command):
    """What it prints, and why it failed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            output, reason = process.communicate(timeout=SOURCE_SECONDS)[0], ""
        except subprocess.TimeoutExpired:
            process.terminate()  # it removes what it has made
            output, reason = process.communicate()[0], f"took more than {SOURCE_SECONDS} s"
    return output, reason or (process.returncode and f"failed with status {process.returncode}")


def measure(build, rows):
    """One try: the samples of these rows, and what was skipped. A source that fails skips its rows."""
    samples, skipped = {}, {}
    for source, command in SOURCES.items():
        names = [r.name for r in rows if source in r.sources]
        if not names:
            continue
        output, reason = run_source(command(build, names))
        found, left_out, rest = read_samples(output)
        samples.update(found)
        skipped.update(left_out)
        print("".join(f"# {line}\n" for line in rest), end="", flush=True)
        if reason:
            skipped.update({(name, source): f"{source} {reason}" for name in names})
    return samples, skipped


class Figures(typing.NamedTuple):
    theirs: float
    ours: float
    ratio: float
    low: float
    high: float


def compare(row, samples):
    """{who: Figures} of a row, the limit first."""
    ours = samples.get((row.name, "vaktd"))
    others = [who for name, who in samples if name == row.name and who != "vaktd"] if ours else []
    found = {}
    for who in sorted(others, key=lambda w: w != row.limit):
        theirs = samples[row.name, who]
        if min(ours + theirs) <= 0:  # too small a difference to measure
            continue
        all_of_them = ratios(ours, theirs)
        found[who] = Figures(statistics.median(theirs), statistics.median(ours), statistics.median(all_of_them),
                             min(all_of_them), max(all_of_them))
    return found


def worse_rows(rows, samples, accepted):
    return [row for row in rows if any((row.name, who) in accepted and is_worse(f.ratio, accepted[row.name, who], row.unit)
                                       for who, f in compare(row, samples).items())]


def show(row, samples, skipped, accepted):
    print(f"# {row.name}: {row.title}")
    shown = compare(row, samples)
    for who, f in shown.items():
        aim = f"{row.aim:.2f}" if row.aim and who == row.limit else "-"
        before = accepted.get((row.name, who))
        print(f"{row.name:<18} {who:<16} {row.unit:<8} {f.theirs:>9.5g} {f.ours:>9.5g} {f.ratio:>7.3f} {f.low:>7.3f} "
              f"{f.high:>7.3f} {aim:>5} {f'{before:.3f}' if before else '-':>8}")
    for (name, who), reason in skipped.items():
        if name == row.name:
            print(f"# skipped: {row.name} {who}: {reason}")
    if not shown and not any(name == row.name for name, _ in skipped):
        print(f"# skipped: {row.name}: nothing to compare")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("rows", nargs="*")
    arguments = parser.parse_args()
    rows = [r for r in ROWS if not arguments.rows or r.name.startswith(tuple(arguments.rows))]
    unknown = [name for name in arguments.rows if not any(r.name.startswith(name) for r in ROWS)]
    if unknown:
        sys.exit(f"There is no row '{unknown[0]}'. The rows are: {' '.join(r.name for r in ROWS)}")
    if arguments.small:
        os.environ["VAKT_BENCH_DIVISOR"] = "10"
    accepted = read_ratios(ACCEPTED.read_text(encoding="ascii")) if ACCEPTED.exists() and not arguments.small else {}
    build = arguments.build.resolve()
    print(f"# load {os.getloadavg()[0]:.1f}", flush=True)
    samples, skipped = measure(build, rows)
    worse = worse_rows(rows, samples, accepted)
    for _ in range(TRIES - 1):
        if not worse or arguments.accept:
            break
        print(f"# once more, because it is worse than accepted: {' '.join(r.name for r in worse)}", flush=True)
        again = measure(build, worse)[0]
        samples.update({key: values for key, values in again.items() if key[0] in [r.name for r in worse]})
        worse = worse_rows(worse, samples, accepted)
    print(f"{'# ROW':<18} {'WHO':<16} {'UNIT':<8} {'ITS':>9} {'VAKTD':>9} {'RATIO':>7} {'MIN':>7} {'MAX':>7} {'AIM':>5} ACCEPTED")
    for row in rows:
        show(row, samples, skipped, accepted)
    if arguments.accept and not arguments.small:
        accepted.update({(r.name, who): f.ratio for r in rows for who, f in compare(r, samples).items()})
        order = [r.name for r in ROWS]
        kept = sorted((item for item in accepted.items() if item[0][0] in order), key=lambda i: order.index(i[0][0]))
        ACCEPTED.write_text(write_ratios(dict(kept)), encoding="ascii")
    elif worse:
        print(f"warning: 15 % worse than accepted in {TRIES} tries: {' '.join(r.name for r in worse)}")
    if any(" failed " in reason or " took " in reason for reason in skipped.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
