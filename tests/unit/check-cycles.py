#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check-cycles.py BUILD [DIRECTORY...]
# check-cycles.py --graph BUILD [DIRECTORY...]
#
# The files of a directory have an order: no more than three of them need each other in a cycle. A file is its .c and
# its .h together. There are two graphs, because a header may stand for files above its own:
#
#   includes   what either of the two includes in quotes
#   calls      the symbols that the object file wants and one of another file defines, as nm tells: functions and data,
#              called or put into a table. A table that a function is handed counts for who filled it in, not for who
#              calls through it: that is how a lower file reaches an upper one without knowing it.
#
# With --graph it prints what each file needs, lowest files first; those in cycles have a mark. Else TAP.

import collections
import pathlib
import re
import subprocess
import sys

DIRECTORIES = ["config", "core", "trigger"]
MOST = 3

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src"


def includes(directory):
    """{file: {file it needs: why}}"""
    graph = collections.defaultdict(dict)
    for path in sorted((SOURCE / directory).glob("*.[ch]")):
        needs = graph[path.stem]
        for name in re.findall(rf'^#\s*include "{directory}/(.+)\.h"', path.read_text(), re.M):
            needs.setdefault(name, f"{name}.h")
    return graph


def calls(directory, build):
    objects = [build / "src" / directory / f"libvakt-{directory}.a.p" / f"{path.name}.o"
               for path in sorted((SOURCE / directory).glob("*.c"))]
    nm = subprocess.run(["nm", "-A", "--format=posix", *objects], check=True, stdout=subprocess.PIPE, text=True)
    symbols = re.findall(r"^.*/(.+)\.c\.o: (\S+) (\w)", nm.stdout, re.M)
    owner = {name: file for file, name, kind in symbols if kind in "TDBRVWC"}
    graph = collections.defaultdict(dict)
    for file, name, kind in symbols:
        needs = graph[file]
        if kind == "U" and name in owner:
            needs.setdefault(owner[name], name)
    return graph


def components(graph):
    """The strongly connected ones, by Tarjan's algorithm: those that others need come first."""
    index, low, path, found = {}, {}, [], []

    def visit(file):
        index[file] = low[file] = len(index)
        path.append(file)
        for other in graph.get(file, {}):
            if other not in index:
                visit(other)
            if other in path:
                low[file] = min(low[file], low[other])
        if low[file] == index[file]:
            at = path.index(file)
            found.append(path[at:])
            del path[at:]

    for file in sorted(graph):
        if file not in index:
            visit(file)
    return found


def show(graph):
    for files in components(graph):
        for file in sorted(files):
            print(f"{'*' if len(files) > 1 else ' '} {file}:", *sorted(set(graph[file]) - {file}))


def main(arguments):
    want_graph = arguments[:1] == ["--graph"]
    build, *directories = arguments[want_graph:]
    number = 0
    for directory in directories or DIRECTORIES:
        for kind, graph in (("includes", includes(directory)), ("calls", calls(directory, pathlib.Path(build)))):
            if want_graph:
                print(f"--- {directory}, {kind}")
                show(graph)
                continue
            number += 1
            large = [sorted(files) for files in components(graph) if len(files) > MOST]
            for files in large:
                print(f"# {len(files)} files of src/{directory} need each other by {kind}:")
                for file in files:
                    needs = [f"{other} ({graph[file][other]})" for other in files
                             if other in graph[file] and other != file]
                    print(f"#   {file}:", *needs)
            verdict = "not ok" if large else "ok"
            print(f"{verdict} {number} - src/{directory}: no cycle of more than {MOST} files by {kind}")
    if not want_graph:
        print(f"1..{number}")


main(sys.argv[1:])
