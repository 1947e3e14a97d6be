#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Prints all that a run can see of what it was given, a line each, for tests that compare two runs. All but the signals:
# Python has changed them before it comes to this.

import ctypes
import os
import resource
import stat
import sys


def kind_of(fd):
    mode = os.fstat(fd).st_mode
    for name, is_it in (("socket", stat.S_ISSOCK), ("pipe", stat.S_ISFIFO), ("file", stat.S_ISREG)):
        if is_it(mode):
            return name
    return os.readlink(f"/proc/self/fd/{fd}")


def fields(path, names):
    for line in open(path, encoding="utf-8"):
        name, _, value = line.partition(":")
        if name in names:
            yield name, " ".join(value.split())


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().strip("\0\n")


def seen():
    for name, value in os.environ.items():
        yield f"environment {name}", value
    yield "arguments", sys.argv[1:]
    yield from fields("/proc/self/status", {
        "Uid", "Gid", "Groups", "Umask", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
        "NoNewPrivs", "Seccomp", "Cpus_allowed_list"})
    for name in sorted(n for n in dir(resource) if n.startswith("RLIMIT_")):
        yield name, resource.getrlimit(getattr(resource, name))
    yield "working directory", os.getcwd()
    for fd in sorted(int(n) for n in os.listdir("/proc/self/fd")):
        try:
            yield f"fd {fd}", kind_of(fd)
        except OSError:
            pass  # the one that lists them
    yield "leads its session", os.getsid(0) == os.getpid()
    yield "leads its process group", os.getpgid(0) == os.getpid()
    yield "has a terminal", os.path.exists("/dev/tty") and not open_fails("/dev/tty")
    yield "nice", os.nice(0)
    yield "scheduling", (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority)
    libc = ctypes.CDLL(None)
    yield "I/O priority", libc.syscall(252 if os.uname().machine == "x86_64" else 31, 1, 0)
    for name, option in (("securebits", 27), ("timer slack", 30), ("subreaper", 37), ("dumpable", 3)):
        value = ctypes.c_int(0)
        result = libc.prctl(option, ctypes.byref(value) if option == 37 else 0, 0, 0, 0)
        yield name, value.value if option == 37 else result
    for name in ("oom_score_adj", "coredump_filter", "personality", "loginuid"):
        yield name, read(f"/proc/self/{name}")
    for name in sorted(os.listdir("/proc/self/ns")):
        yield f"namespace {name}", os.readlink(f"/proc/self/ns/{name}")


def open_fails(path):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return True
    return False


for what, value in seen():
    print(f"{what}: {value!r}")
