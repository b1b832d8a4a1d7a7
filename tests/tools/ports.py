"""Ports for servers that a test starts later, or starts again.

A port that the system picks (port 0) may be given to somebody's end of a connection as soon as it
is free again. These come from below the ports that are given out so, and no other test gets them
meanwhile: an abstract socket, which goes with the process, reserves each.
"""
import collections
import os
import pathlib
import random
import socket
import threading

LOWEST = 10_000
KEPT = 400  # the last so many of this process are not given to others
RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")

_lock = threading.Lock()
_kept = collections.deque(maxlen=KEPT)
_next = None


def _keep(port):
    """A socket that reserves the port; None if another process has it."""
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0fl-test-port-{port}")
    except OSError:
        mark.close()
        return None
    return mark


def _is_free(port, host):
    with socket.socket() as one:
        # As servers do it: what is left of an old connection does not block the port.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(count, host="127.0.0.1"):
    global _next
    end = max(LOWEST + 2000, min(int(RANGE.read_text().split()[0]), 32_768))
    found = []
    with _lock:
        if _next is None:
            _next = random.SystemRandom().randrange(LOWEST, end)
        for _ in range(end - LOWEST):
            port = _next
            _next = port + 1 if port + 1 < end else LOWEST
            mark = _keep(port)
            if mark is None:
                continue
            if not _is_free(port, host):
                mark.close()
                continue
            if len(_kept) == KEPT:
                _kept.popleft().close()
            _kept.append(mark)
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"{os.getpid()}: there are not {count} free ports on {host}")


def free_port(host="127.0.0.1"):
    return free_ports(1, host)[0]
