"""Sends the lines of a file to 127.0.0.1 and keeps those that were answered with OK.

usage: tcp_client.py PORT FILE ANSWERED
"""
import socket
import sys
import threading
import time

LIMIT = 30  # seconds until somebody listens


def connect(port: int) -> socket.socket:
    end = time.monotonic() + LIMIT
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def main() -> None:
    with open(sys.argv[2], "rb") as file:
        lines = file.read().splitlines(keepends=True)
    with connect(int(sys.argv[1])) as server, open(sys.argv[3], "wb") as answered:
        def send():
            try:
                server.sendall(b"".join(lines))
                server.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has died: what was answered counts
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        with server.makefile("rb") as answers:
            try:
                for line, answer in zip(lines, answers):
                    if answer != b"OK\n":
                        break
                    answered.write(line)
                    answered.flush()
            except OSError:
                pass


if __name__ == "__main__":
    main()
