#!/usr/bin/env python3
"""A reader of a stream that acknowledges as it is told to.

usage: ack_reader.py TAKE ACK [FILE]    takes events until TAKE bodies with the word `line` have
       come, makes FILE if there is one, and acknowledges the first ACK events. With FILE it stays
       until the writer has gone.
"""
import os
import socket
import sys

take, acked = int(sys.argv[1]), int(sys.argv[2])
made = sys.argv[3] if len(sys.argv) > 3 else None
taken = b""


def more() -> bytes:
    data = os.read(0, 65536)
    if not data:
        sys.exit("the stream has ended")
    return data


def field(key: bytes) -> bytes:
    """A value of the header's metadata; its length is a variable-length integer, doubled."""
    at = taken.index(key) + len(key)
    size, shift = 0, 0
    while True:
        byte = taken[at]
        at += 1
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return taken[at:at + size // 2]


while b"fl.ack" not in taken or b"fl.stream" not in taken:
    taken += more()  # the header is written in one piece
writer = socket.socket(socket.AF_UNIX)
writer.connect(field(b"fl.ack"))
writer.sendall(b"FL/1 %b\nat printed\n" % field(b"fl.stream"))
while taken.count(b"line") < take:
    taken += more()
if made:
    open(made, "w").close()
writer.sendall(b"ack %d\n" % acked)
while made and writer.recv(4096):
    pass
