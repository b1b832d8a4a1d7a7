"""An avro source on 127.0.0.1 that appends bodies to a file as lines, until it is ended.

usage: avro_server.py PORT FILE
"""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import avro_rpc


def main() -> None:
    with open(sys.argv[2], "ab", buffering=0) as file:
        def store(events):
            file.write(b"".join(body + b"\n" for _, body in events))
            return "OK"
        with avro_rpc.Server(store, port=int(sys.argv[1])):
            signal.pause()


if __name__ == "__main__":
    main()
