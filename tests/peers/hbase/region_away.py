"""fl-sink hbase while the region server alone is killed or stopped and comes back, in the test case of
test_answers.py, with its servers; master, ZooKeeper and gateways stay."""
import re
import subprocess

import harness
import hbase_server

LIMIT = 240  # JVMs on a busy machine
EACH = 500


class Sink:
    """One that stores lines under themselves as keys."""

    def __init__(self, case, table, *urls, options=()):
        self.case, self.sent, self.table = case, [], table
        self.figures = case.path("figures-" + table)
        self.pipeline = case.pipeline(
            ["fl-sink", "hbase", table, "--column-family", "f", "--text", "--serializer", "regex", "--regex",
             "((.*))", "--col-names", "v,ROW_KEY", "--row-key-index", "1", "--grace", "10m", "--metrics",
             self.figures, *[word for url in urls for word in ("--rest", url)], *options],
            stdin=subprocess.PIPE)
        self.process = self.pipeline.processes[0]

    def write(self, count):
        lines = [b"%d" % (len(self.sent) + n) for n in range(count)]
        self.sent += lines
        self.process.stdin.write(b"\n".join(lines) + b"\n")
        self.process.stdin.flush()

    def wait(self, condition, what):
        harness.poll(lambda: condition() or self.process.poll() is not None, what, LIMIT)

    def wait_for_row(self, index):
        path = f"/{self.table}/{self.sent[index].decode()}"
        self.wait(lambda: self.case.rest.ask("GET", path)[0] == 200, "a row")

    def end(self):
        """Its figures; all rows are there, each cell once, also of requests that were sent again."""
        self.process.stdin.close()
        self.case.check(self.pipeline, 0, limit=LIMIT)
        rows = self.case.rest.rows(self.table)
        self.case.assertEqual(set(rows), set(self.sent))
        for key, row in rows.items():
            self.case.assertEqual([value for _, value in row[b"f:v"]], [key])
        with open(self.figures, encoding="utf-8") as file:
            return {name: int(value) for name, value in
                    re.findall(r"_(requests|stored|failures)_total(?:\{.*\})? (\d+)\n", file.read())}


class RegionAway:
    def region(self):
        """It is back for the next test, whatever becomes of this one."""
        region = self.hbase.region

        def restore():
            region.thaw()
            if region.is_away():
                region.start()
        self.addCleanup(restore)
        return region

    def test_region_server_away_and_a_request_hangs(self):
        """With a gateway as it comes, no request fails; each is answered when the region server is back."""
        relay = hbase_server.Relay(self.rest.port).start()
        self.addCleanup(relay.close)
        sink = Sink(self, self.table, relay.url, options=("--request-timeout", "10m"))
        sink.write(1)
        sink.wait_for_row(0)
        region = self.region()
        for number, (away, back) in enumerate(((region.kill, region.start), (region.freeze, region.thaw))):
            away()
            sink.write(1)
            sink.wait(lambda number=number: len(relay.requests) == 3 + number, "the request")
            # It has come in, and no answer to it.
            self.assertEqual(len(relay.taken), 2 + number)
            back()
            sink.wait(lambda number=number: len(relay.taken) == 3 + number, "the answer")
        self.assertEqual(sink.end(), {"requests": 4, "stored": 3, "failures": 0})
        self.assertEqual(sink.pipeline.errors(0), "")

    def test_region_server_killed_and_stopped_for_longer_than_it_waits(self):
        """One sink gets 503, and one has no answer in time and goes round both gateways, which still do
        what it asked them for."""
        sinks = []
        for table in ("late", "given-up"):
            self.rest.create(table)
        for table, gateways, limit in ((self.table, (self.short,), "1m"),
                                       ("late", (self.rest, self.short), "1s")):
            sinks.append(Sink(self, table, *[each.url for each in gateways],
                              options=("--request-timeout", limit, "--batch-size", "100")))
        region = self.region()
        for away, back in ((region.kill, region.start), (region.freeze, region.thaw)):
            for sink in sinks:
                before = len(sink.sent)
                sink.write(EACH)
                sink.wait_for_row(before)
            trouble = [sink.pipeline.errors(0).count("trying again") for sink in sinks]
            away()
            for sink, count in zip(sinks, trouble):
                sink.write(EACH)
                sink.wait(lambda sink=sink, count=count:
                          sink.pipeline.errors(0).count("trying again") > count, "its trouble")
            if away == region.kill:
                self.gives_up()
            back()
        for sink in sinks:
            figures = sink.end()
            self.assertEqual(figures["stored"], len(sink.sent))
            self.assertGreater(figures["failures"], 1)
        self.assertIn("answers 503", sinks[0].pipeline.errors(0))

    def gives_up(self):
        """Nothing more comes in, and --grace is over: the events are not acknowledged."""
        done = subprocess.run(["fl-sink", "hbase", "given-up", "--column-family", "f", "--rest",
                               self.short.url, "--grace", "1s"], input=b"x\n", capture_output=True, env=self.env(),
                              timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 69, done.stderr.decode())
