#!/usr/bin/env python3
"""Signals: the status line, draining, --grace, the second signal."""
import os
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
from graph import transferred


class Signals(harness.Case):
    def ready(self, pipeline, *numbers):
        """All stages have their handlers."""
        for process in pipeline.processes:
            for number in numbers:
                harness.poll(lambda: harness.catches(process.pid, number),
                             f"a handler for {number}: {pipeline.report()}")

    def feeder(self):
        """A pipe whose writing end the test holds."""
        reader, writer = os.pipe()
        os.set_inheritable(writer, False)
        return reader, os.fdopen(writer, "wb", buffering=0)

    def quiet(self, *commands):
        """A pipeline that has got three lines and waits for more."""
        reader, feed = self.feeder()
        pipeline = self.pipeline(*commands, stdin=reader)
        os.close(reader)
        self.ready(pipeline, signal.SIGTERM, signal.SIGUSR1)
        feed.write(b"one\ntwo\nthree\n")
        return pipeline, feed

    def status_line(self, pipeline, stage, wanted):
        """Asks with SIGUSR1 until a line shows the wanted text; the signal may come early."""
        def asked():
            os.kill(pipeline.processes[stage].pid, signal.SIGUSR1)
            time.sleep(0.01)
            return re.search(wanted, pipeline.errors(stage))
        return harness.poll(asked, f"a line with {wanted}: {pipeline.report()}")

    def test_a_reader_that_comes_after_the_term_learns_why_its_writer_stops(self):
        self.write("lines", b"".join(b"%d\n" % i for i in range(300_000)))
        reader, writer = os.pipe()
        source = self.pipeline("fl-source stdin lines --ack-wait 30s", stdout=writer)
        os.close(writer)
        # Full: nothing more is written.
        seen = [-1]
        harness.poll(lambda: seen.append(transferred(source.processes[0].pid)) or
                     len(seen) > 50 and seen[-1] == seen[-50] > 0, "a full pipe")
        source.send(signal.SIGTERM, 0)
        harness.poll(lambda: not harness.is_pending(source.processes[0].pid, signal.SIGTERM), "the signal")
        sink = self.pipeline("fl-sink null --stream", stdin=reader)
        os.close(reader)
        self.check(source, 75)
        self.check(sink, 75)
        said = source.errors(0).splitlines()[0].partition(": ")[2]
        self.assertIn(f'the previous stage failed: "{said[:40]}', sink.errors(0))

    def test_usr1_prints_a_status_line_and_nothing_else_happens(self):
        pipeline, feed = self.quiet("fl-intercept ts",
                                    f"fl-sink hdfs --stream file://{self.out}")
        for stage in (0, 1):
            self.status_line(pipeline, stage, r"\b3 events")
        feed.close()
        self.check(pipeline, 0, 0)
        self.assertEqual(harness.committed_lines(self.out), [b"one", b"two", b"three"])

    def test_term_on_a_quiet_pipe_commits_and_ends_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                pipeline, feed = self.quiet("fl-intercept ts",
                                            f"fl-sink hdfs --stream file://{self.out}-{number}")
                self.status_line(pipeline, 1, r"\b3 events")
                pipeline.send(number)
                self.check(pipeline, 0, 0)
                feed.close()
                self.assertEqual(len(harness.committed_lines(f"{self.out}-{number}")), 3)

    def test_int_on_tail_of_an_idle_file(self):
        log = self.write("access.log", "one\ntwo\n")
        pipeline = self.pipeline(["tail", "-n", "+1", "-F", log], "fl-intercept ts",
                                 f"fl-sink hdfs --stream file://{self.out}")
        for process in pipeline.processes[1:]:
            harness.poll(lambda: harness.catches(process.pid, signal.SIGINT), "handlers")
        self.status_line(pipeline, 2, r"\b2 events")
        pipeline.send(signal.SIGINT)
        statuses = pipeline.wait()
        self.assertEqual(statuses[1:], [0, 0], pipeline.report())
        self.assertEqual(harness.committed_lines(self.out), [b"one", b"two"])

    def test_grace_bounds_the_draining_of_a_pipe_that_never_rests(self):
        pipeline = self.pipeline("yes line", ["fl-sink", "hdfs", "--grace", "1s",
                                              f"file://{self.out}"])
        self.ready_sink(pipeline, 1)
        pipeline.send(signal.SIGTERM, 1)
        status = harness.poll(lambda: (pipeline.processes[1].poll() is not None and
                                       [pipeline.processes[1].returncode]), "the sink's end")
        # All that it read is committed.
        self.assertEqual(status, [75], pipeline.report())
        lines = harness.committed_lines(self.out)
        self.assertGreater(len(lines), 0)

    def ready_sink(self, pipeline, stage):
        harness.poll(lambda: harness.catches(pipeline.processes[stage].pid, signal.SIGTERM),
                     "a handler")
        self.status_line(pipeline, stage, r"[1-9][0-9]* events|[0-9.]+ ?[kKM]")

    def stuck_server(self):
        """A host that takes connections and never answers."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        return server, server.getsockname()[1]

    def test_second_signal_stops_now_with_75(self):
        # The reader never reads: after the first signal the source waits for it, for --grace.
        pipeline = self.pipeline("fl-source seq --grace 300s", "sleep 100")
        for number in (signal.SIGTERM, signal.SIGUSR1):
            harness.poll(lambda: harness.catches(pipeline.processes[0].pid, number), "a handler")
        harness.poll(lambda: self.status_seen(pipeline), "a status line")
        pipeline.send(signal.SIGTERM, 0)
        before = pipeline.errors(0).count("events")
        harness.poll(lambda: self.status_seen(pipeline) and
                     pipeline.errors(0).count("events") > before, "a status line after the signal")
        self.assertIsNone(pipeline.processes[0].poll(), pipeline.report())
        pipeline.send(signal.SIGTERM, 0)
        harness.poll(lambda: pipeline.processes[0].poll() is not None, "its end")
        self.assertEqual(pipeline.processes[0].returncode, 75, pipeline.report())
        pipeline.processes[1].kill()
        pipeline.wait()

    def test_a_signal_is_heard_while_the_name_node_does_not_answer(self):
        server, port = self.stuck_server()
        pipeline, feed = self.quiet(f"fl-sink hdfs --grace 300s webhdfs://127.0.0.1:{port}/out")
        server.settimeout(harness.HANG)
        connection, _ = server.accept()
        self.addCleanup(connection.close)
        pipeline.send(signal.SIGTERM)
        self.check(pipeline, 75)
        feed.close()

    def status_seen(self, pipeline):
        os.kill(pipeline.processes[0].pid, signal.SIGUSR1)
        time.sleep(0.01)
        return "events" in pipeline.errors(0) or pipeline.processes[0].poll() is not None

    def test_name_node_down_is_69_after_grace(self):
        server, port = self.stuck_server()
        server.close()  # the port is free now: connection refused
        pipeline = self.pipeline("printf a\\n",
                                 f"fl-sink hdfs --grace 1s webhdfs://127.0.0.1:{port}/out")
        self.check(pipeline, 0, 69)
        self.assertRegex(pipeline.errors(1), "127.0.0.1|refused")

    def test_source_stopped_with_files_left_is_75(self):
        for i in range(3):
            self.write(f"spool/{i}", "".join(f"{n:0300d}\n" for n in range(20_000)))
        reader, writer = os.pipe()
        pipeline = self.pipeline("fl-source spooldir spool --once", stdout=writer)
        os.close(writer)
        self.ready(pipeline, signal.SIGTERM)
        pipeline.send(signal.SIGTERM)
        statuses = pipeline.wait()
        os.close(reader)
        self.assertEqual(statuses, [75], pipeline.report())

    def test_seq_is_a_producer_and_stops_at_once_with_all_delivered(self):
        pipeline = self.pipeline("fl-source seq", "fl-intercept ts --stream",
                                 f"fl-sink hdfs --stream file://{self.out}")
        self.ready(pipeline, signal.SIGTERM)
        self.status_line(pipeline, 2, r"[1-9][0-9.,]* ?[kKM]? ?events")
        pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, 0, 0, 0)
        lines = harness.committed_lines(self.out)
        self.assertEqual(lines, [b"%d" % i for i in range(len(lines))])

    def test_hup_on_a_sink_goes_on(self):
        pipeline, feed = self.quiet(f"fl-sink hdfs file://{self.out}")
        self.ready(pipeline, signal.SIGHUP)
        pipeline.send(signal.SIGHUP)
        self.status_line(pipeline, 0, r"\b3 events")
        feed.write(b"four\n")
        feed.close()
        self.check(pipeline, 0)
        self.assertEqual(len(harness.committed_lines(self.out)), 4)


if __name__ == "__main__":
    harness.main()
