#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes many files, and compares a list of names with what is there.

  path-files.py make ROOT DIRECTORIES FILES PREFIX   FILES files in DIRECTORIES directories, which are made, too, below each other
  path-files.py odd ROOT                         files with names that nobody would choose
  path-files.py once LIST ROOT PREFIX            each file PREFIX… below ROOT is in LIST, once
  path-files.py same LIST ROOT PREFIX            each is in LIST, at least once, and no other name

A list has a NUL behind each name. Exit status 1, and the first of what is wrong, when something is."""

import collections
import os
import sys

FAN_OUT = 8
ODD_NAMES = (
    b"two\nlines", b"\n", b"ends in a newline\n", b"'", b'"', b"it's \"so\"", b"$HOME", b"${VAKT_JOB}", b"$$", b"$(id)",
    b"`id`", b"%n", b"%", b"100%%", b"-rf", b"--", b"-", b" ", b"  blanks  ", b"\t", b"*", b"?", b"[a]", b"~", b"~root",
    b"a;b", b"a&b", b"a|b", b"a>b", b"#", b"\\", b"\\n", b"\\x41", b"=", b"A=B", b".hidden", b"...", b"!", b"{a,b}",
    b"\xff\xfe", b"\xc3\x28", b"cut \xe2\x82", b"\x01\x02\x1b[31m\x7f", "gr\u00fc\u00dfe \u20ac \U0001f600".encode(),
    b"\xed\xa0\x80", b"x" * 255, b"\xff" * 255, b"-" + b"\n" * 254,
)


def directory_of(number):
    """The tree is as wide at each place, so that it grows deep, too."""
    names = []
    while number > 0:
        names.append(b"d%d" % number)
        number = (number - 1) // FAN_OUT
    return b"/".join(reversed(names))


def make(root, directories, files, prefix):
    root, n, total = os.fsencode(root), int(directories), int(files)
    for i in range(n):
        directory = os.path.join(root, directory_of(i))
        os.makedirs(directory, exist_ok=True)
        for k in range(total * i // n, total * (i + 1) // n):
            with open(b"%s/%s%d" % (directory, prefix.encode(), k), "wb") as f:
                f.write(b"x")


def make_odd(root):
    for name in ODD_NAMES:
        with open(os.path.join(os.fsencode(root), name), "xb") as f:
            f.write(b"x")


def read_list(name):
    with open(name, "rb") as f:
        names = f.read().split(b"\0")
    if names.pop():
        raise ValueError("the list does not end with a NUL")
    return collections.Counter(names)


def files_below(root, prefix):
    return {os.path.join(directory, name) for directory, _, names in os.walk(os.fsencode(root)) for name in names
            if name.startswith(prefix.encode())}


def compare(listed, there, at_most_once):
    problems = [("not reported", p) for p in sorted(there - listed.keys())]
    problems += [("reported and not there", p) for p in sorted(listed.keys() - there)]
    if at_most_once:
        problems += [(f"reported {n} times", p) for p, n in listed.items() if n > 1]
    for what, path in problems[:20]:
        print(what, path)
    print(f"{len(there)} files, {sum(listed.values())} names, {len(problems)} problems")
    return 1 if problems else 0


def main(argv):
    verb, *rest = argv
    if verb == "make":
        return make(*rest)
    if verb == "odd":
        return make_odd(*rest)
    name, root, prefix = rest
    return compare(read_list(name), files_below(root, prefix), verb == "once")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
