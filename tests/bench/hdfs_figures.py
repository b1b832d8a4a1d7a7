"""The figures of the hdfs sink that need a server or many files: upload and memory."""
import getpass
import json
import os
import queue
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
CLUSTER = os.path.join(os.path.dirname(HERE), "peers", "hdfs", "cluster.py")
CLUSTER_ROUNDS = 5  # at most: a real DataNode takes its time
CLUSTER_LIMIT = 1200  # seconds; the first start fetches what it needs
BUCKETS = 100
SERVER_LIMIT = 60  # seconds until the server counts as hung
ONE_FILE = ["--roll-size", "0", "--roll-interval", "0", "--idle-timeout", "0"]


class HttpSink:
    """The server that keeps nothing (http_sink.cpp), and what it says about its requests."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        namenode, datanode = self.process.stdout.readline().split()
        self.webhdfs = f"webhdfs://127.0.0.1:{namenode}"
        self.raw = f"http://127.0.0.1:{datanode}/raw"
        self.requests = queue.Queue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for row in self.process.stdout:
            op, *numbers = row.split()
            self.requests.put((op, *map(int, numbers)))

    def take(self, first, last, count=1):
        """Waits for `count` requests `last`. Returns the seconds from the first request `first` to
        the end of the last one, and the bytes of their bodies."""
        begin, total = None, 0
        while count:
            op, started, ended, size = self.requests.get(timeout=SERVER_LIMIT)
            total += size
            if op == first and begin is None:
                begin = started
            count -= op == last
        return (ended - begin) / 1e9, total

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


def hdfs_sink(bench, url, *words):
    spool = os.path.join(bench.work, "spool")
    os.makedirs(spool, exist_ok=True)
    return bench.fl("fl-sink", "hdfs", "--stream", *ONE_FILE, "--spool-dir", spool, *words, url)


def upload(bench):
    """One part: from the request to create it to the answer to its rename, by the server's clock,
    against one PUT of the same bytes; and the whole flow against the same shell pipeline."""
    path, count = bench.lines_file(300)
    server = HttpSink(os.path.join(bench.tools, "http_sink"))
    times = {"fl": [], "libcurl": [], "curl": []}

    def note(name, first, last):
        def tidy():
            seconds, size = server.take(first, last)
            if size != count * 300:
                bench.complain(f"{name} uploaded {size} bytes of {count * 300}")
            times[name].append(seconds)
            os.sync()  # the spool's pages are gone, those of its directory are not
        return tidy

    try:
        runs = bench.interleaved({
            "fl": ([bench.fl("fl-source", "stdin", path),
                    hdfs_sink(bench, server.webhdfs + "/bench")], None,
                   note("fl", "CREATE", "RENAME")),
            "libcurl": ([[os.path.join(bench.tools, "put_file"), server.raw, path]], None,
                        note("libcurl", "PUT", "PUT")),
            "curl": ([["cat", path], ["curl", "-q", "-sSf", "-T", "-", server.raw]], None,
                     note("curl", "PUT", "PUT"))})
    finally:
        server.close()
    rate = {name: count * 300 / statistics.median(values) / 1e9 for name, values in times.items()}
    for name, words, goal in (("libcurl", "libcurl alone", 0.8), ("curl", "cat | curl -T -", 1.3)):
        bench.row(f"upload of a gathered part : {words}, wall", "ratio",
                  [other / ours for ours, other in zip(times["fl"], times[name])], goal, True,
                  f"{rate['fl']:.2f} GB/s, reference {rate[name]:.2f}")
    bench.compare("stdin | hdfs webhdfs : cat | curl -T -", runs["fl"], runs["curl"], count, None)
    bench.row("stdin | hdfs webhdfs : cat | curl -T -, CPU", "ratio",
              [ours.cpu / other.cpu for ours, other in zip(runs["fl"], runs["curl"])], None, False,
              f"{statistics.median(run.cpu for run in runs['fl']) / count * 1e9:.0f} ns an event")


def cluster(bench):
    """The whole flow into a real HDFS, where its DataNode is the limit of all; and the upload
    alone, by the NameNode's clock."""
    figure = "stdin | hdfs real HDFS"
    directory = os.path.join(bench.work, "cluster")
    begun = subprocess.run([sys.executable, CLUSTER, "start", directory, "--datanodes", "1"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, timeout=CLUSTER_LIMIT)
    if begun.returncode != 0:
        bench.skip(figure, (begun.stderr.strip().splitlines() or ["no cluster"])[-1]
                   .removeprefix("skipped: "))
        return
    try:
        env = dict(row.split("=", 1) for row in begun.stdout.splitlines())
        into_cluster(bench, figure, env["HDFS_HTTP"])
    finally:
        subprocess.run([sys.executable, CLUSTER, "stop", directory], stdin=subprocess.DEVNULL,
                       timeout=SERVER_LIMIT)


def into_cluster(bench, figure, http):
    path, count = bench.lines_file(300)
    user = getpass.getuser()
    url = f"{http}/webhdfs/v1/bench"

    times = {"fl": [], "libcurl": [], "curl": []}

    def ask(method, operation):
        request = urllib.request.Request(f"{url}?op={operation}&user.name={user}", method=method)
        with urllib.request.urlopen(request, timeout=SERVER_LIMIT) as answer:
            return json.load(answer)

    def note(name):
        def tidy():
            (file,) = ask("GET", "LISTSTATUS")["FileStatuses"]["FileStatus"]
            if file["length"] != count * 300:
                bench.complain(f"{name} uploaded {file['length']} bytes of {count * 300}")
            # Creating a file sets the time of its last access, completing it that of its last
            # change.
            times[name].append((file["modificationTime"] - file["accessTime"]) / 1000)
            ask("DELETE", "DELETE&recursive=true")
            os.sync()
        return tidy

    def two_steps(last):
        script = ("to=$(curl -q -sSf -X PUT -o /dev/null -w '%{redirect_url}' \"$1\") && " + last)
        return [["sh", "-c", script, "sh", f"{url}/file?op=CREATE&user.name={user}", path,
                 os.path.join(bench.tools, "put_file")]]

    runs = bench.interleaved({
        "fl": ([bench.fl("fl-source", "stdin", path),
                hdfs_sink(bench, http.replace("http:", "webhdfs:") + "/bench", "--user", user)],
               None, note("fl")),
        "libcurl": (two_steps('"$3" "$to" "$2"'), None, note("libcurl")),
        "curl": (two_steps('cat "$2" | curl -q -sSf -T - "$to"'), None, note("curl"))},
        CLUSTER_ROUNDS)
    rate = {name: count * 300 / statistics.median(values) / 1e9 for name, values in times.items()}
    bench.row("upload of a gathered part, real HDFS : libcurl alone, wall", "ratio",
              [other / ours for ours, other in zip(times["fl"], times["libcurl"])], 0.9, True,
              f"{rate['fl']:.2f} GB/s, reference {rate['libcurl']:.2f}")
    bench.compare(f"{figure} : libcurl alone", runs["fl"], runs["libcurl"], count, None)
    bench.compare(f"{figure} : cat | curl -T -", runs["fl"], runs["curl"], count, None)


def bucket_lines(bench):
    """Lines that go to BUCKETS directories in turn."""
    source, count = bench.lines_file(300)
    path = os.path.join(bench.work, "bucket_lines")
    with open(source, "rb") as lines, open(path, "wb") as out:
        for i, line in enumerate(lines):
            out.write(b"%02d " % (i % BUCKETS) + line)
    return path, count


def files_below(directory):
    return sum(len(files) for _, _, files in os.walk(directory))


def bytes_below(path):
    """Of a file, or of all files in a directory but Hadoop's checksums."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path)
               for name in names if not name.endswith(".crc"))


def buckets(bench):
    """The sink's largest memory while BUCKETS files are open, all from begin to end."""
    path, _ = bucket_lines(bench)
    out = os.path.join(bench.work, "out")
    server = HttpSink(os.path.join(bench.tools, "http_sink"))
    gzip = ["--file-type", "CompressedStream", "--code-c", "gzip"]
    zstd = ["--file-type", "CompressedStream", "--code-c", "zstd"]
    try:
        for name, url, words in (("file:///", f"file://{out}", []),
                                 ("file:///, gzip", f"file://{out}", gzip),
                                 ("file:///, zstd", f"file://{out}", zstd),
                                 ("webhdfs", f"{server.webhdfs}/buckets", [])):
            begin = time.monotonic()
            run = bench.watched([
                bench.fl("fl-source", "stdin", path),
                bench.fl("fl-intercept", "regex_extractor", "--stream", r"^(\d\d)", "bucket"),
                hdfs_sink(bench, url + "/%{bucket}", *words)])
            if url.startswith("file:"):
                made = files_below(out)
            else:
                server.take("CREATE", "RENAME", BUCKETS)
                made = BUCKETS
            note = f"{made} files in {time.monotonic() - begin:.1f} s"
            if made != BUCKETS:
                bench.complain(f"{BUCKETS} buckets into {name}: {note}")
            bench.row(f"peak memory of hdfs, {BUCKETS} buckets, {name}", "MiB",
                      [run.memory[-1] / 1024], 64, False, note)
            shutil.rmtree(out, ignore_errors=True)
            os.sync()
    finally:
        server.close()
        os.unlink(path)
