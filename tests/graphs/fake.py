#!/usr/bin/env python3
"""A stage that does wrong, for the judge's own test: copies lines from stdin to stdout.

usage: fake.py drop|double|swap|invent|damage|cut|hang|honest
"""
import signal
import sys

mode = sys.argv[1]
lines = sys.stdin.buffer.read().splitlines(keepends=True)
middle = len(lines) // 2
if mode == "drop":
    del lines[middle]
elif mode == "double":
    lines.insert(middle, lines[middle])
elif mode == "swap":
    lines[middle], lines[middle + 1] = lines[middle + 1], lines[middle]
elif mode == "invent":
    lines.insert(middle, b"never sent\n")
elif mode == "damage":
    lines[middle] = lines[middle][:-3] + b"?" + lines[middle][-2:]
elif mode == "cut":
    del lines[middle:]
elif mode == "hang":
    signal.pause()
sys.stdout.buffer.write(b"".join(lines))
