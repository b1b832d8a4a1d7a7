"""Whether a stage's loop waits for a disk: what strace saw of it.

    words = loop_syncs.traced(words, "trace")      # the stage itself, with the tracer beside it
    calls = loop_syncs.in_loop("trace", pid)       # once all have ended

A sync belongs in a thread: as long as it takes, no signal and no acknowledgement is heard by the
loop that has called it. What is synced before the loop begins, or after its last acknowledgement,
keeps nobody waiting.
"""
import re
import shutil

STRACE = shutil.which("strace")


def traced(words, path):
    return [STRACE, "-D", "-f", "--seccomp-bpf", "-s", "65536", "-o", path, "-e",
            "trace=poll,fsync,fdatasync,syncfs,sync,sendto,recvfrom"] + words


def in_loop(path, pid):
    """The calls that sync which the process's first thread made between its first poll and its last
    acknowledgement, sent or received."""
    with open(path, errors="replace") as file:
        rows = [match.groups() for match in
                (re.match(r"(\d+) +(?:<\.\.\. )?(\w+)(.*)", row) for row in file) if match]
    mine = [(call, rest) for thread, call, rest in rows if int(thread) == pid]
    polls = [i for i, (call, _) in enumerate(mine) if call == "poll"]
    acks = [i for i, (call, rest) in enumerate(mine) if call in ("sendto", "recvfrom") and
            re.search(r'(?:"|\\n)ack \d', rest)]
    if not polls:
        raise AssertionError(f"no poll of {pid} in {path}")
    begin, end = polls[0], acks[-1] if acks else polls[0]
    return [call + rest for call, rest in mine[begin:end]
            if call in ("fsync", "fdatasync", "syncfs", "sync") and rest.startswith("(")]
