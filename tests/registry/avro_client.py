"""Sends the lines of a file to an avro source on 127.0.0.1, in batches, and keeps those whose batch
was answered with OK.

usage: avro_client.py PORT FILE ANSWERED
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import avro_rpc

BATCH = 500


def main() -> None:
    with open(sys.argv[2], "rb") as file:
        lines = file.read().splitlines()
    with avro_rpc.connect(int(sys.argv[1])) as client, open(sys.argv[3], "wb") as answered:
        try:
            for i in range(0, len(lines), BATCH):
                batch = lines[i:i + BATCH]
                if client.append_batch([({}, line) for line in batch]) != "OK":
                    break
                answered.write(b"".join(line + b"\n" for line in batch))
                answered.flush()
        except OSError:
            pass  # it has died: what was answered counts


if __name__ == "__main__":
    main()
