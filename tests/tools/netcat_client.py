"""A client of fl-source netcat."""
import socket
import threading

import harness


def send_lines(port: int, lines: list, is_gone) -> int:
    """Connects as soon as the source listens, sends all lines and reads an answer for each: how
    many were answered with OK, from the first on. `is_gone`: the source has ended. Raises OSError
    or harness.Hang."""
    def connected():
        if is_gone():
            return "gone"
        try:
            return socket.create_connection(("127.0.0.1", port), harness.HANG)
        except OSError:
            return None

    link = harness.poll(connected, "a source that listens")
    if link == "gone":
        return 0
    answered = 0
    with link:
        def send():
            try:
                link.sendall(b"".join(line + b"\n" for line in lines))
                link.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        try:
            with link.makefile("rb") as answers:
                for _, answer in zip(lines, answers):
                    if answer != b"OK\n":
                        break
                    answered += 1
        except OSError:
            pass  # it was reset: what was answered before counts
        sender.join(harness.HANG)
    return answered
