"""Sends the lines of a file to an http source on 127.0.0.1 (--handler lines), some at a time, and
keeps those whose request was answered 200.

usage: http_client.py PORT FILE ANSWERED
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import http_lines


def main() -> None:
    with open(sys.argv[2], "rb") as file:
        lines = file.read().splitlines()
    with open(sys.argv[3], "wb") as answered:
        def keep(batch):
            answered.write(b"".join(line + b"\n" for line in batch))
            answered.flush()
        http_lines.send_lines(int(sys.argv[1]), lines, on_answer=keep)


if __name__ == "__main__":
    main()
