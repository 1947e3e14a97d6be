#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""false-daemon.py SOCKET NAME: answers the calls of one client with (NAME, 1), whatever they are, but for Hello."""

import socket
import struct
import sys

# As sd-bus begins a connection: all lines at once, and the identity in one of its own.
ANSWERS = {b"AUTH": b"DATA\r\n", b"DATA": b"OK 00112233445566778899aabbccddeeff\r\n", b"NEGO": b"AGREE_UNIX_FD\r\n"}


def align(data, size):
    return data + bytes(-len(data) % size)


def text(value):
    return struct.pack("<I", len(value)) + value + b"\0"


def reply(serial, signature, body):
    fields = b"\5\1u\0" + struct.pack("<I", serial)
    fields = align(fields, 8) + b"\6\1s\0" + text(b":1.0")
    fields = align(fields, 8) + b"\10\1g\0" + bytes([len(signature)]) + signature + b"\0"
    return align(b"l\2\1\1" + struct.pack("<III", len(body), 1, len(fields)) + fields, 8) + body


def take_message(stream):
    head = stream.read(16)
    if len(head) < 16:
        sys.exit(0)
    n_body, serial, n_fields = struct.unpack("<III", head[4:])
    stream.read(n_fields + -n_fields % 8 + n_body)
    return serial


def main():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    print("ready", flush=True)
    peer, _ = listener.accept()
    stream = peer.makefile("rb")
    stream.read(1)
    while True:
        line = stream.readline()
        if line.startswith(b"BEGIN") or not line:
            break
        peer.sendall(ANSWERS[line[:4]])
    peer.sendall(reply(take_message(stream), b"s", text(b":1.0")))
    while True:
        body = align(text(sys.argv[2].encode()), 8) + struct.pack("<Q", 1)
        peer.sendall(reply(take_message(stream), b"st", body))


main()
