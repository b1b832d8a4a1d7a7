#!/usr/bin/env python3
"""--metrics: the textfile while a stage runs and at its end, HTTP on request, and its troubles."""
import os
import re
import select
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import exposition
import harness
from exposition import value


class Metrics(harness.Case):
    def feeder(self):
        """A pipe whose writing end the test holds."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        feed = os.fdopen(writer, "wb", buffering=0)
        self.addCleanup(feed.close)
        return reader, feed

    def page_of(self, name):
        """The textfile, which is a whole page at any moment; {} while it is not there."""
        try:
            with open(self.path(name)) as file:
                return exposition.parse(file.read())
        except FileNotFoundError:
            return {}

    def address(self, pipeline, stage):
        return harness.poll(
            lambda: re.search(r"metrics at (http://\S+/metrics)", pipeline.errors(stage)),
            f"an address: {pipeline.report()}").group(1)

    def get(self, address, *words):
        done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", str(harness.HANG),
                               *words, address], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_textfile_while_it_runs_and_at_the_end(self):
        reader, feed = self.feeder()
        pipeline = self.pipeline(
            "fl-intercept ts --metrics first.prom --metrics-interval 100ms",
            f"fl-sink hdfs --stream --metrics last.prom --metrics-interval 100ms "
            f"--min-commit 1ms file://{self.out}", stdin=reader)
        feed.write(b"one\ntwo\nthree\n")
        for name, stage, component in (("first", "fl-intercept", "timestamp"),
                                       ("last", "fl-sink", "hdfs")):
            labels = {"stage": stage, "component": component, "name": name}
            page = harness.poll(
                lambda: (page := self.page_of(name + ".prom")) and
                value(page, "fl_events_received_total", **labels) == 3 and page, "three events")
            self.assertEqual(value(page, "fl_running", **labels), 1)
            self.assertNotIn("fl_exit_status", page)
            self.assertEqual(value(page, "fl_events_unacknowledged"), 3)
        harness.poll(lambda: value(self.page_of("last.prom"), "fl_waiting", reason="input"), "idle")
        self.assertEqual(value(self.page_of("last.prom"), "fl_sink_hdfs_files_open"), 1)
        feed.close()
        self.check(pipeline, 0, 0)
        for name in ("first", "last"):
            page = self.page_of(name + ".prom")
            self.assertEqual(value(page, "fl_exit_status"), 0)
            self.assertEqual(value(page, "fl_running"), 0)
            self.assertEqual(value(page, "fl_events_acknowledged_total"), 3)
            self.assertEqual(value(page, "fl_events_unacknowledged"), 0)
            self.assertGreaterEqual(value(page, "fl_end_time_seconds"),
                                    value(page, "fl_start_time_seconds"))
        self.assertEqual(value(self.page_of("last.prom"), "fl_sink_hdfs_files_committed_total"), 1)
        self.assertEqual(value(self.page_of("first.prom"), "fl_events_sent_total"), 3)
        self.assertEqual([name for name in os.listdir(self.dir) if name.endswith(".tmp")], [])

    def test_a_page_at_any_moment_is_whole(self):
        pipeline = self.pipeline(
            "fl-source seq --metrics busy.prom --metrics-interval 100ms", "fl-sink null --stream")
        seen = set()

        def look():
            page = self.page_of("busy.prom")
            seen.add(value(page, "fl_events_received_total") if page else -1)
            return len(seen) > 4
        harness.poll(look, "five pages")
        pipeline.send(signal.SIGINT)
        self.check(pipeline, 0, 0)

    def test_the_end_of_a_stage_that_fails_has_its_status(self):
        pipeline = self.pipeline(
            "fl-source seq --count 5 --metrics source.prom",
            f"fl-sink hdfs --stream --metrics sink.prom file://{self.dir}/run/none/\x01/../x")
        statuses = pipeline.wait()
        for name, status in zip(("source", "sink"), statuses):
            page = self.page_of(name + ".prom")
            self.assertNotEqual(status, 0, pipeline.report())
            self.assertEqual(value(page, "fl_exit_status"), status, pipeline.report())
        self.assertGreaterEqual(
            value(self.page_of("sink.prom"), "fl_log_messages_total", level="error"), 1)

    def test_dropped_and_rejected(self):
        self.write("input", "keep a\ndrop b\n" + "x" * 2000 + "\nkeep c\n")
        with open(self.path("input")) as file:
            pipeline = self.pipeline(
                "fl-intercept regex_filter --regex keep --max-line 1000 --long-line reject "
                "--metrics m.prom", "fl-sink null --stream", stdin=file)
            pipeline.wait()
        page = self.page_of("m.prom")
        self.assertEqual(value(page, "fl_events_received_total"), 3)
        self.assertEqual(value(page, "fl_events_dropped_total"), 1)
        self.assertEqual(value(page, "fl_events_rejected_total"), 1)
        self.assertEqual(value(page, "fl_exit_status"), pipeline.processes[0].returncode)

    def test_http_of_two_stages(self):
        reader, feed = self.feeder()
        pipeline = self.pipeline(
            "fl-channel memory --metrics :0", "fl-sink null --stream --metrics localhost:0",
            stdin=reader)
        addresses = [self.address(pipeline, i) for i in (0, 1)]
        self.assertNotEqual(*addresses)
        for address in addresses:
            self.assertRegex(address, r"^http://(127\.0\.0\.1|\[::1\]):[1-9]\d*/metrics$")
        feed.write(b"one\ntwo\n")
        for address, component in zip(addresses, ("memory", "null")):
            page = harness.poll(
                lambda: (page := exposition.parse(self.get(address))) and
                value(page, "fl_events_acknowledged_total", component=component) == 2 and page,
                "two events")
            self.assertLess(value(page, "fl_snapshot_age_seconds"), 1)
        self.assertEqual(value(exposition.parse(self.get(addresses[0])),
                               "fl_channel_memory_capacity_events"), 10_000)
        head = self.get(addresses[0], "-i")
        self.assertTrue(head.startswith("HTTP/1.1 200 "))
        self.assertIn("Content-Type: text/plain; version=0.0.4", head)
        other = addresses[0].replace("/metrics", "/")
        for words, status in ((["-I"], 200), (["-d", "x"], 405), (["-X", "DELETE"], 405)):
            self.assertIn(f" {status} ", self.get(addresses[0], "-i", *words).split("\n")[0])
        for path in ("", "metrics/", "metrics/..", "etc/passwd", "METRICS"):
            self.assertIn(" 404 ", self.get(other + path, "-i", "--path-as-is").split("\n")[0])
        feed.close()
        self.check(pipeline, 0, 0)

    def test_http_clients_that_misbehave_are_bounded(self):
        reader, feed = self.feeder()
        pipeline = self.pipeline("fl-sink null --metrics :0", stdin=reader)
        address = self.address(pipeline, 0)
        port = int(re.search(r":(\d+)/", address).group(1))
        before = os.listdir(f"/proc/{pipeline.processes[0].pid}/fd")
        with socket.create_connection(("127.0.0.1", port)) as large:
            large.settimeout(harness.HANG)
            try:
                large.sendall(b"GET /metrics HTTP/1.1\r\nx: " + b"y" * 1_000_000)
                answer = large.recv(100)
            except OSError:
                answer = b""  # reset: as good
            self.assertTrue(answer == b"" or re.match(rb"HTTP/1.1 4\d\d", answer), answer)
        # 200 clients that say nothing: nobody waits for their idle seconds to be over.
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        feed.write(b"one\n")
        harness.poll(lambda: value(exposition.parse(self.get(address)),
                                   "fl_events_received_total") == 1, "the event")
        now = os.listdir(f"/proc/{pipeline.processes[0].pid}/fd")
        self.assertLessEqual(len(now) - len(before), 40)
        for each in idle:
            each.close()
        feed.close()
        self.check(pipeline, 0)

    def test_a_stage_in_trouble_still_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:  # a NameNode that never answers
            port = silent.getsockname()[1]
            pipeline = self.pipeline(
                "fl-source seq --count 5",
                f"fl-sink hdfs --stream --metrics :0 webhdfs://127.0.0.1:{port}/x")
            page = exposition.parse(self.get(self.address(pipeline, 1)))
            self.assertEqual(value(page, "fl_running", stage="fl-sink", component="hdfs"), 1)
            pipeline.kill()

    def test_a_stage_that_hangs_gives_its_last_page_and_its_age(self):
        reader, feed = self.feeder()
        errors, writer = os.pipe()
        self.addCleanup(os.close, errors)
        self.addCleanup(os.close, writer)
        process = subprocess.Popen(["fl-sink", "null", "--metrics", ":0"], stdin=reader,
                                   stderr=writer, env=self.env(), cwd=self.dir)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        said = b""
        while b"/metrics" not in said:
            said += os.read(errors, 1000)
        address = re.search(rb"http://\S+/metrics", said).group().decode()
        feed.write(b"one\n")
        harness.poll(lambda: value(exposition.parse(self.get(address)),
                                   "fl_events_acknowledged_total") == 1, "an event")
        # Its loop is blocked in a write to a full stderr that nobody reads.
        while select.select([], [writer], [], 0)[1]:
            os.write(writer, b"x" * 4096)
        process.send_signal(signal.SIGUSR1)

        def hangs():
            page = exposition.parse(self.get(address))
            self.assertEqual(value(page, "fl_events_acknowledged_total"), 1)
            return value(page, "fl_snapshot_age_seconds") >= 0.5
        harness.poll(hangs, "an old page")
        self.assertIsNone(process.poll())

    def test_the_page_explains_every_metric(self):
        with open(os.path.join(os.path.dirname(harness.BIN), "man", "man7", "fl-metrics.7")) as file:
            manual = re.sub(r"\\f[BIRP]", "", file.read()).replace("\\", "")
        os.mkdir(self.path("rolled"))
        for sink in (f"hdfs file://{self.out}", "file_roll rolled"):
            pipeline = self.pipeline(
                "fl-source spooldir . --once --include-pattern none --metrics 0.prom",
                "fl-intercept ts --metrics 1.prom", "fl-channel memory --metrics 2.prom",
                f"fl-sink {sink} --metrics 3.prom")
            self.check(pipeline, 0, 0, 0, 0)
            for stage in range(4):
                for metric in self.page_of(f"{stage}.prom"):
                    self.assertRegex(manual, rf"\n{metric} \((counter|gauge)\)\n")
        self.assertIn("fl_snapshot_age_seconds (gauge)", manual)
        self.assertIn("fl_sink_file_roll_files_open (gauge)", manual)

    def test_address_in_use_and_other_wrong_places(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            pipeline = self.pipeline(
                f"fl-source seq --count 5 --metrics :{taken.getsockname()[1]}", "fl-sink null")
            self.check(pipeline, 73, 73)
            self.assertIn("Address already in use (--metrics)", pipeline.errors(0))
        for place, status, text in (("9100", 64, "a file or a port"), ("-", 64, "not a file"),
                                    ("/dev/null", 64, "not a regular file"),
                                    (":99999", 64, "port"), ("no/such/x.prom", 73, "No such file"),
                                    ("x.prom --metrics-interval 1ms", 64, "100ms")):
            pipeline = self.pipeline(f"fl-source seq --count 5 --metrics {place}", "fl-sink null")
            self.check(pipeline, status, status)
            self.assertIn(text, pipeline.errors(0))

    def test_another_than_the_loopback_address_is_said(self):
        pipeline = self.pipeline("fl-source seq --count 5 --metrics 0.0.0.0:0", "fl-sink null")
        self.check(pipeline, 0, 0)
        self.assertIn("everybody who can reach 0.0.0.0:", pipeline.errors(0))

    def test_a_full_disk_for_the_textfile_is_said_and_stops_nothing(self):
        mount = self.path("small")
        os.mkdir(mount)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", mount],
                              stderr=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            self.skipTest("cannot mount a tmpfs here")
        self.addCleanup(subprocess.run, ["umount", "-l", mount], check=False)
        with open(mount + "/fill", "wb") as file:
            file.write(b"x" * 4096)
        reader, feed = self.feeder()
        pipeline = self.pipeline(
            "fl-intercept ts --metrics small/x.prom --metrics-interval 100ms",
            f"fl-sink hdfs --stream file://{self.out}", stdin=reader)
        feed.write(b"one\n")
        harness.poll(lambda: "continues" in pipeline.errors(0), "a word about the disk")
        self.assertIn("No space left on device", pipeline.errors(0))
        subprocess.run(["mount", "-o", "remount,size=1m", mount], check=True)
        harness.poll(lambda: os.path.exists(mount + "/x.prom"), "the file")
        feed.write(b"two\n")
        feed.close()
        self.check(pipeline, 0, 0)
        self.assertEqual(pipeline.errors(0).count("No space left"), 1, "said once")
        self.assertIn("written again", pipeline.errors(0))
        self.assertEqual(value(self.page_of("small/x.prom"), "fl_exit_status"), 0)
        self.assertEqual(harness.committed_lines(self.out), [b"one", b"two"])

    def test_a_file_size_limit_stops_nothing(self):
        pipeline = self.pipeline(
            ["bash", "-c", "ulimit -f 1; exec fl-source seq --count 5 --metrics x.prom"],
            f"fl-sink hdfs --stream file://{self.out}")
        self.check(pipeline, 0, 0)
        self.assertIn("continues", pipeline.errors(0))
        self.assertEqual(len(harness.committed_lines(self.out)), 5)
        self.assertEqual([name for name in os.listdir(self.dir) if "prom" in name], [])


if __name__ == "__main__":
    harness.main()
