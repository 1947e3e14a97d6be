#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check-cycles.py BUILD [DIRECTORY...]
# check-cycles.py --graph BUILD [DIRECTORY...]
#
# The files of a directory have an order: no more than three of them need each other in a cycle. A file is its .c and
# its .h together. It needs another one
#
#   whose header either of the two includes, or
#   which defines a symbol that its object file wants, as nm tells: functions and data, called or put into a table. A
#   table that a function is handed counts for who filled it in, not for who calls through it: that is how a lower file
#   reaches an upper one without knowing it.
#
# With --graph it prints what each file needs, lowest files first; those in cycles have a mark. Else TAP.

import collections
import pathlib
import re
import subprocess
import sys

DIRECTORIES = ["config", "core", "ledger", "trigger", "watch"]
MOST = 3

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src"


def read_graph(directory, build):
    """{file: {file it needs: why}}"""
    graph = collections.defaultdict(dict)
    objects = []
    for path in sorted((SOURCE / directory).glob("*.[ch]")):
        if path.suffix == ".c":
            objects.append(f"{build}/src/{directory}/libvakt-{directory}.a.p/{path.name}.o")
        needs = graph[path.stem]
        for name in re.findall(rf'^#\s*include "{directory}/(.+)\.h"', path.read_text(), re.M):
            needs.setdefault(name, f"{name}.h")
    nm = subprocess.run(["nm", "-A", "--format=posix", *objects], check=True, stdout=subprocess.PIPE, text=True)
    symbols = re.findall(r"^.*/(.+)\.c\.o: (\S+) (\w)", nm.stdout, re.M)
    owner = {name: file for file, name, kind in symbols if kind in "TDBRVWC"}
    for file, name, kind in symbols:
        if kind == "U" and name in owner:
            graph[file].setdefault(owner[name], name)
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
    for number, directory in enumerate(directories or DIRECTORIES, 1):
        graph = read_graph(directory, build)
        if want_graph:
            print(f"--- {directory}")
            show(graph)
            continue
        large = [sorted(files) for files in components(graph) if len(files) > MOST]
        for files in large:
            print(f"# {len(files)} files of src/{directory} need each other:")
            for file in files:
                needs = [f"{other} ({graph[file][other]})" for other in files if other in graph[file] and other != file]
                print(f"#   {file}:", *needs)
        print(f"{'not ok' if large else 'ok'} {number} - src/{directory} has no cycle of more than {MOST} files")
    if not want_graph:
        print(f"1..{number}")


main(sys.argv[1:])
