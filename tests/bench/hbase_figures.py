"""The figure of the hbase sink: rows into a real HBase, against libcurl alone with the same requests."""
import contextlib
import io
import os
import subprocess

import hbase_gateway
import hbase_server

FIGURE = "rows to HBase / libcurl alone"
LINES = 300_000     # at most
MOST_ROUNDS = 5
RUN_LIMIT = 600  # seconds


def hbase(bench):
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            server = hbase_server.Server()
    except SystemExit:
        bench.skip(FIGURE, said.getvalue().strip().removeprefix("skipped: "))
        return
    try:
        gateway = server.gateway()
        for table in ("fl", "bare"):
            gateway.create(table, versions=1)
        compare(bench, gateway.url)
    finally:
        server.close()


def sink(bench, table, url, path):
    # Keys in their order: else the region server's own work would be measured.
    return bench.fl("fl-sink", "hbase", table, "--column-family", "f", "--serializer", "regex",
                    "--regex", "([^ ]* [^ ]* [^ ]*) (.*)", "--col-names", "ROW_KEY,rest",
                    "--row-key-index", "0", "--text", "--rest", url, "--quiet", "--in", path)


def compare(bench, url):
    whole, count = bench.lines_file(300)
    count = min(count, LINES)
    path = os.path.join(bench.work, "rows")
    with open(whole, "rb") as lines, open(path, "wb") as rows:
        for number in range(count):
            rows.write(b"%09d a b " % number + lines.readline())
    bodies = os.path.join(bench.work, "bodies")
    with open(bodies, "wb") as file, hbase_gateway.Gateway({"t": ["f"]}) as recorder:
        def record(request):
            if request.method == "GET":  # the schema
                return hbase_gateway.OWN
            file.write(len(request.body).to_bytes(4, "little") + request.body)
            return 200
        recorder.answer = record
        subprocess.run(sink(bench, "t", recorder.url, path), env=bench.env, check=True,
                       stdin=subprocess.DEVNULL, timeout=RUN_LIMIT)
    runs = bench.interleaved({
        "fl": ([sink(bench, "fl", url, path)], None, None),
        "bare": ([[os.path.join(bench.tools, "put_bodies"), f"{url}/bare/row", bodies]], None, None),
    }, MOST_ROUNDS)
    bench.compare(FIGURE, runs["fl"], runs["bare"], count, 0.85)
