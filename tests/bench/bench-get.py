#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long clients wait for the Get of a property over the control socket: of a daemon that has nothing to do, and of one
that starts runs as fast as it can. Beside it, the same Get of an sd-bus service with one property, a call of each in turn.

usage: bench-get.py BUILDDIR [ROW...]      (rows of table.py)"""

import subprocess
import sys
import time

from common import Daemon, call, exit_on_sigterm, rounds, sample, size

GETS_IDLE, GETS_BUSY = 5000, 2000
AT_ONCE = 8


def measure(client, daemon, service, state, n):
    figures = call(client, "get", service, daemon.socket, size(n)).splitlines()
    for who, line in zip(("sd-bus-service", "vaktd"), figures):
        for name, figure in zip(("p50", "p99"), line.split()):
            sample(f"get-{state}-{name}", who, float(figure))


def main():
    build, rows = sys.argv[1], sys.argv[2:]
    client = f"{build}/tests/bench/bench-client"
    exit_on_sigterm()
    job = f"[Run]\nExec={build}/tests/bench/bench-noop\nOverlap=parallel\nMaxParallel=64\nQueueMax=1000\n"
    with Daemon(build, {"nothing": job}) as daemon:
        service = f"{daemon.directory}/service"
        with subprocess.Popen([client, "serve", service]) as server:
            while subprocess.run([client, "get", service, service, "1"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, check=False).returncode != 0:
                time.sleep(0.01)
            for _ in range(rounds(5)):
                if not rows or any("idle" in row for row in rows):
                    measure(client, daemon, service, "idle", GETS_IDLE)
                if not rows or any("busy" in row for row in rows):
                    with subprocess.Popen([client, "load", daemon.socket, "nothing", "0", str(AT_ONCE)]) as load:
                        measure(client, daemon, service, "busy", GETS_BUSY)
                        load.kill()
            server.kill()


main()
