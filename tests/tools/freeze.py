"""Processes that are stopped, and known to be."""
import os
import time

LIMIT = 30  # seconds, for hangs


def wait_still(pid: int) -> None:
    """SIGSTOP was sent: waits until no thread of the process runs. On a busy machine one may go on
    for a while, and a server answer."""
    end = time.monotonic() + LIMIT
    while not _is_still(pid) and time.monotonic() < end:
        time.sleep(0.002)


def _is_still(pid: int) -> bool:
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat") as file:
                if file.read().rpartition(") ")[2][0] not in "TtZX":
                    return False
    except FileNotFoundError:
        return not os.path.exists(f"/proc/{pid}")  # else a thread has ended meanwhile
    return True
