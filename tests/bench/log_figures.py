"""Figures of the durable log: put, commit, take, reopen."""
import os
import shutil
import statistics
import time

BATCH = 100  # events in a commit


def log(bench):
    """A pipeline through the log against one through memory, and against cat and sync."""
    path, count = bench.lines_file(300)
    directory = os.path.join(bench.work, "log")
    copy = os.path.join(bench.work, "copy")
    room = os.path.join(bench.work, "room")  # a file of that size, to be written over
    shutil.copyfile(path, room)

    def through(*channel):
        return [bench.fl("fl-source", "stdin", path),
                bench.fl("fl-channel", *channel, "--stream"), bench.fl("fl-sink", "null", "--stream")]

    def remove():
        shutil.rmtree(directory, ignore_errors=True)
        if os.path.exists(copy):
            os.unlink(copy)
        os.sync()  # the next one begins with a clean cache

    runs = bench.interleaved({
        "file": (through("file", directory), None, remove),
        "put": (through("file", directory, "--put")[:2], None, remove),
        "memory": (through("memory"), None, remove),
        "cat": ([["sh", "-c", 'cat "$1" > "$2"; sync "$2"', "sh", path, copy]], None, remove),
        "disk": ([["dd", f"if={path}", f"of={room}", "bs=1M", "oflag=direct", "conv=notrunc",
                   "status=none"]], None, remove),
        "new": ([["dd", f"if={path}", f"of={copy}", "bs=1M", "oflag=direct", "conv=fdatasync",
                  "status=none"]], None, remove)})
    os.unlink(room)
    bench.compare("stdin | file | null : the same with memory", runs["file"], runs["memory"], count,
                  0.6)
    bench.compare("stdin | file | null : cat > f; sync f", runs["file"], runs["cat"], count, 1.2)
    bench.compare("stdin | file --put : cat > f; sync f", runs["put"], runs["cat"], count, None)
    # What no log can pass here: the disk alone, without the cache; over a file that is there, and
    # into one that grows, as a new log does.
    bench.compare("limit: dd oflag=direct : stdin | memory | null", runs["disk"], runs["memory"],
                  count, None)
    bench.compare("limit: dd oflag=direct : cat > f; sync f", runs["disk"], runs["cat"], count, None)
    bench.compare("limit: the same into a new file", runs["new"], runs["cat"], count, None)


def commits(bench):
    """Blocks of 100 events, each synced, against dd that syncs as many bytes, and against a process
    that writes, syncs and acknowledges them, and does no more (bare_log.cpp)."""
    directory = os.path.join(bench.work, "log")
    copy = os.path.join(bench.work, "copy")
    blocks, body = 2000, 340
    size = BATCH * (body + 3) + 40

    def write(window):
        return [os.path.join(bench.tools, "commits"), str(blocks), str(BATCH), str(body), str(window)]

    def put(window):
        return [write(window), bench.fl("fl-channel", "file", directory, "--put", "--stream")]

    def bare(window):
        return [write(window), [os.path.join(bench.tools, "bare_log"), copy, str(window)]]

    def dd(at_once):
        return [["dd", "if=/dev/zero", f"of={copy}", f"bs={size * at_once}",
                 f"count={blocks // at_once}", "oflag=dsync", "status=none"]]

    def remove():
        shutil.rmtree(directory, ignore_errors=True)
        if os.path.exists(copy):
            os.unlink(copy)
        os.sync()

    runs = bench.interleaved({
        "one": (put(1), None, remove),
        "eight": (put(8), None, remove),
        "bare": (bare(1), None, remove),
        "bare8": (bare(8), None, remove),
        "dd": (dd(1), None, remove),
        "dd8": (dd(8), None, remove)})
    count = blocks * BATCH
    bench.compare("commits of 100 events : dd oflag=dsync", runs["one"], runs["dd"], count, 0.9)
    bench.compare("the same, eight under way", runs["eight"], runs["dd"], count, 4)
    # What no log can pass here. bare_log waits for all eight, as if it knew that they come.
    bench.compare("limit: write, sync, acknowledge : dd oflag=dsync", runs["bare"], runs["dd"], count,
                  None)
    bench.compare("limit: the same, eight in each write", runs["bare8"], runs["dd"], count, None)
    bench.compare("limit: dd, eight in each write : dd oflag=dsync", runs["dd8"], runs["dd"], count,
                  None)


def backlog(bench):
    """Taking what is in a log against reading its segments."""
    path, count = bench.lines_file(300)
    directory = os.path.join(bench.work, "log")
    bench.time_one([bench.fl("fl-source", "stdin", path),
                    bench.fl("fl-channel", "file", directory, "--put", "--stream")])
    segments = sorted(os.path.join(directory, name) for name in os.listdir(directory)
                      if name.endswith(".seg"))
    groups = os.path.join(directory, "groups")

    def again():
        for name in os.listdir(groups):
            os.unlink(os.path.join(groups, name))

    runs = bench.interleaved({
        "take": ([bench.fl("fl-channel", "file", directory, "--take", "--once"),
                  bench.fl("fl-sink", "null", "--stream")], None, again),
        "cat": ([["cat", *segments], ["cat"]], None, None)})
    bench.compare("file --take | null : cat SEGMENTS | cat", runs["take"], runs["cat"], count, 0.8)
    shutil.rmtree(directory)


def reopen(bench):
    """The time to open a log of any size for writing, empty input, after a kill."""
    path, count = bench.lines_file(300)
    directory = os.path.join(bench.work, "log")
    times = {}
    for name, lines in (("small", 10), ("large", count)):
        bench.time_one([["head", "-n", str(lines), path], bench.fl("fl-source", "stdin"),
                        bench.fl("fl-channel", "file", directory, "--put", "--stream")])
        times[name] = []
        for _ in range(max(bench.args.rounds, 9)):
            begin = time.monotonic()
            bench.time_one([bench.fl("fl-channel", "file", directory, "--put", "--text")])
            times[name].append((time.monotonic() - begin) * 1000)
    bench.row("file --put opens a log and closes it", "ms", times["large"], 50, False,
              f"with 10 events {statistics.median(times['small']):.1f} ms")
    shutil.rmtree(directory)
