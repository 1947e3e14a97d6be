#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hang.py DIRECTORY: mounts a FUSE there that takes every question and answers none but the first, which is about
itself. Who asks hangs, and not even SIGKILL ends that, until this program ends."""

import ctypes
import os
import struct
import sys

FUSE_INIT = 26


def main():
    fd = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"hang", sys.argv[1].encode(), b"fuse", 0, options.encode()) < 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    while True:
        _, opcode, unique = struct.unpack_from("=IIQ", os.read(fd, 1 << 20))
        if opcode == FUSE_INIT:
            init = struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 0, 0, 0, 0)
            os.write(fd, struct.pack("=IiQ", 16 + len(init), 0, unique) + init)


main()
