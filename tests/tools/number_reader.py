#!/usr/bin/env python3
"""The end of a pipeline that prints which number each event has in a log above.

usage: number_reader.py

A line for the header of each stream (HEADER LOG FIRST), and one for each event (LOG NUMBER BODY);
- is a log or a number that is not known. It acknowledges what it has printed.
"""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from position_log import items  # noqa: E402


class Numbers:
    def __init__(self, metadata):
        self.up = socket.socket(socket.AF_UNIX)
        self.up.connect(metadata["fl.ack"])
        self.up.sendall(b"FL/1 %b\nat printed\n" % metadata["fl.stream"])
        self.lines, self.marks, self.count, self.end = b"", [], 0, None
        header = [metadata.get(key, b"-").decode() for key in ("fl.log", "fl.first")]
        print("HEADER", *header, flush=True)

    def hear(self, flags=socket.MSG_DONTWAIT):
        try:
            while data := self.up.recv(65536, flags):
                self.lines += data
                *whole, self.lines = self.lines.split(b"\n")
                for line in whole:
                    word, _, rest = line.decode().partition(" ")
                    if word == "number":
                        at, log, number = (rest.split(" ") + [""])[:3]
                        self.marks.append((int(at), log, number))
                    elif word == "end":
                        self.end = int(rest)
                if flags == 0:
                    return True
            return False
        except BlockingIOError:
            return True

    def take(self, bodies):
        self.hear()  # the numbers of this block were sent before it
        for body in bodies:
            known = [mark for mark in self.marks if mark[0] <= self.count]
            at, log, number = known[-1] if known else (0, "-", "")
            print(log, int(number) + self.count - at if number else "-", body)
            self.count += 1
        sys.stdout.flush()
        self.up.sendall(b"ack %d\n" % self.count)


def main():
    numbers, is_whole = None, True
    for metadata, bodies in items():
        if metadata is not None:
            numbers = Numbers(metadata)
        elif bodies is not None:
            numbers.take(bodies)
        else:
            is_whole = False
    while numbers.end is None and numbers.hear(0):
        pass
    sys.exit(0 if numbers.end == numbers.count and is_whole else 75)


main()
