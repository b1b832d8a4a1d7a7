"""A web server on 127.0.0.1 that appends the bodies of requests to a file, until it is ended.

usage: web_server.py PORT FILE
"""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
from http_server import Server


def main() -> None:
    with open(sys.argv[2], "ab", buffering=0) as file:
        def store(request):
            file.write(request.body)
            return 200
        with Server(store, port=int(sys.argv[1])):
            signal.pause()


if __name__ == "__main__":
    main()
