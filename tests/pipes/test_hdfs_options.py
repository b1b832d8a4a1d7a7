#!/usr/bin/env python3
"""What fl-sink hdfs asks of a WebHDFS for each of its options, and what it does when refused.

The server is a fake one (tests/tools/fake_hdfs.py): a real one cannot be made to refuse on command.
Each `Property:` names the Flume property (or ours) that the test is about.
"""
import os
import re
import signal
import socket
import ssl
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import certificates
import forms
import harness
from fake_hdfs import FakeHdfs, remote
from graph import transferred

QUOTA = (403, remote("DSQuotaExceededException", "The DiskSpace quota of /t is exceeded"))
SAFE_MODE = (403, remote("SafeModeException", "Name node is in safe mode"))


def stream(events, block=500):
    """A stream of (bucket, body), the bucket in the header n."""
    yield forms.header()
    for i in range(0, len(events), block):
        yield forms.block([forms.event(forms.counted([(b"n", bucket)]), body)
                           for bucket, body in events[i:i + block]])


def figure(pid, file, name):
    with open(f"/proc/{pid}/{file}") as rows:
        return int(re.search(name + r":\s+(\d+)", rows.read())[1])


class Case(harness.Case):
    def hdfs(self, **options):
        fake = FakeHdfs(**options)
        fake.__enter__()
        self.addCleanup(fake.__exit__)
        return fake

    def sink(self, fake, *options, path="/t", stdin="printf a\\nb\\n", url=None):
        env = self.env(HADOOP_USER_NAME="eva")
        return self.pipeline(stdin, ["fl-sink", "hdfs", *options, (url or "webhdfs://" + fake.host)
                                     + path], env=env)

    def open_sink(self, fake, *options, path="/t"):
        """A sink whose input stays open: (pipeline, file to write lines to)."""
        reader, writer = os.pipe()
        pipeline = self.pipeline(["fl-sink", "hdfs", "--text", *options,
                                  "webhdfs://" + fake.host + path],
                                 stdin=reader, env=self.env(HADOOP_USER_NAME="eva"))
        os.close(reader)
        lines = os.fdopen(writer, "wb", buffering=0)
        self.addCleanup(lines.close)
        return pipeline, lines

    def content(self, fake):
        return b"".join(fake.files[path] for path in fake.finals())


class Asked(Case):
    """How options become parameters of requests."""

    def created(self, *options, **more):
        fake = self.hdfs()
        self.check(self.sink(fake, *options, **more), 0, 0)
        self.assertEqual(self.content(fake), b"a\nb\n")
        return fake.of("CREATE", "name")[0].query

    def test_permission(self):  # Property: hdfs.permission
        for digits in ("640", "0640"):
            self.assertEqual(self.created("--permission", digits)["permission"], "640")
        self.assertEqual(self.created()["permission"], "644")

    def test_replication(self):  # Property: hdfs.replication
        self.assertEqual(self.created("--replication", "2")["replication"], "2")
        self.assertNotIn("replication", self.created())

    def test_block_size(self):  # Property: hdfs.blockSize
        self.assertEqual(self.created("--block-size", "2M")["blocksize"], str(2 << 20))
        self.assertNotIn("blocksize", self.created())

    def test_sync_block(self):  # Property: hdfs.syncBlock
        self.assertIn("sync_block", self.created("--sync-block")["createflag"].lower())
        self.assertNotIn("createflag", self.created())

    def test_user(self):  # Property: hdfs.user
        self.assertEqual(self.created("--user", "adam")["user.name"], "adam")
        self.assertEqual(self.created()["user.name"], "eva")

    def test_proxy_user(self):  # Property: hdfs.proxyUser
        for name in ("--proxy-user", "--doas"):
            fake = self.hdfs()
            self.check(self.sink(fake, name, "adam"), 0, 0)
            for request in fake.requests:
                self.assertEqual(request.query.get("doas"), "adam", request.op)
                self.assertEqual(request.query.get("user.name"), "eva", request.op)

    def test_httpfs(self):  # Property: hdfs.httpfs
        fake = self.hdfs(httpfs=True)
        self.check(self.sink(fake, "--httpfs", f"http://{fake.host}", url="hdfs://elsewhere:9000"),
                   0, 0)
        self.assertEqual(self.content(fake), b"a\nb\n")
        for request in fake.of("CREATE", "data"):
            self.assertEqual(request.headers["Content-Type"], "application/octet-stream")
            self.assertEqual(request.query["overwrite"], "false")

    def test_connect_to(self):  # Property: hdfs.connectTo
        fake = self.hdfs()
        self.check(self.sink(fake, "--connect-to", f"nn.invalid:9870={fake.host}",
                             url="webhdfs://nn.invalid:9870"), 0, 0)
        self.assertEqual(self.content(fake), b"a\nb\n")
        self.assertEqual(fake.requests[0].headers["Host"], "nn.invalid:9870")

    def test_file_names(self):  # Property: hdfs.filePrefix  Property: hdfs.fileSuffix
        fake = self.hdfs()
        self.check(self.sink(fake, "--file-prefix", "log", "--file-suffix", ".txt"), 0, 0)
        self.assertRegex(fake.finals()[0], r"^/t/log\.[0-9]{13}\.txt$")
        temporary = fake.of("CREATE", "data")[0].path
        self.assertRegex(temporary, r"^/t/_log\.[0-9]{13}\.txt\.[0-9a-f]{16}\.tmp$")

    def test_wrong_values_are_78_or_64(self):
        for words in (["--permission", "9"], ["--permission", "rw"], ["--replication", "513"], ["--block-size", "1000"],
                      ["--connect-to", "nonsense"], ["--cert", "/nowhere/c.pem"],
                      ["--cacert", "/nowhere/ca.pem"]):
            fake = self.hdfs()
            url = "swebhdfs://" + fake.host if "cert" in words[0] else None
            statuses = self.sink(fake, *words, url=url).wait()
            self.assertIn(statuses[1], (64, 78), words)
            self.assertEqual(fake.files, {})


class Logins(Case):
    def test_certificates(self):  # Properties: hdfs.cacert, hdfs.cert, hdfs.key
        ca = certificates.Authority(self.path("ca"))
        server, client = ca.issue("server"), ca.issue("client")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.certificate, server.key)
        trusted = ["--cacert", ca.certificate]
        own = ["--cert", client.certificate, "--key", client.key]
        for is_asked in (False, True):
            if is_asked:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(ca.certificate)
            for options, status in ((own, 77), (trusted, 69 if is_asked else 0),
                                    (trusted + own, 0)):
                with self.subTest(options=options, is_asked=is_asked):
                    fake = self.hdfs(tls=context)
                    sink = self.sink(fake, "--grace", "100ms", *options,
                                     url="swebhdfs://" + fake.host)
                    self.check(sink, 0, status)
                    self.assertEqual(self.content(fake), b"" if status else b"a\nb\n")

    def test_auth(self):  # Property: hdfs.auth
        self.write("conf/core-site.xml", "<configuration><property><name>hadoop.security.authentication"
                                         "</name><value>kerberos</value></property></configuration>")
        for options, status in (([], 77), (["--auth", "simple"], 0), (["--auth", "kerberos"], 77)):
            with self.subTest(options):
                fake = self.hdfs()
                sink = self.sink(fake, "--conf-dir", self.path("conf"), "--grace", "100ms", *options)
                self.check(sink, 0, status)
                self.assertEqual(self.content(fake), b"" if status else b"a\nb\n")


class Refused(Case):
    """What it does when the server does not answer as it should."""

    def test_a_new_name_for_each_attempt_and_the_old_one_is_removed(self):
        fake = self.hdfs()
        failed = []

        def refuse(r):
            if r.op == "CREATE" and r.step == "data" and len(failed) < 2:
                failed.append(r.path)
                fake.put(r.path, r.body[:1])  # half a file stays
                return 403, remote("IOException", "All datanodes are bad. Aborting...")
            return None
        fake.refuse = refuse
        self.check(self.sink(fake), 0, 0)
        self.assertEqual(len(set(failed)), 2)
        self.assertEqual(fake.hidden(), [])
        self.assertEqual(self.content(fake), b"a\nb\n")
        self.assertEqual(len(fake.finals()), 1)

    def test_a_rename_without_an_answer_is_not_done_twice(self):
        fake = self.hdfs()
        seen = []

        def refuse(r):
            if r.op == "RENAME" and not seen:
                seen.append(fake.serve(r))
                return None, ""  # done, but the answer is lost
            return None
        fake.refuse = refuse
        self.check(self.sink(fake), 0, 0)
        self.assertEqual(len(fake.finals()), 1)
        self.assertEqual(self.content(fake), b"a\nb\n")

    def test_quota_is_an_alarm_once_and_then_everything_is_there(self):
        fake = self.hdfs()
        fake.refuse = lambda r: QUOTA if r.step == "data" else None
        pipeline, lines = self.open_sink(fake, "--roll-count", "2", "--retry-interval", "1s")
        lines.write(b"1\n2\n3\n4\n5\n")
        harness.poll(lambda: len(fake.of("CREATE", "data")) >= 4, "four tries")
        self.assertEqual(pipeline.errors(0).count("quota of /t"), 1, pipeline.errors(0))
        pipeline.send(signal.SIGUSR1, 0)
        harness.poll(lambda: re.search("2 files with 4 events waiting for [0-9]+.*quota",
                                       pipeline.errors(0)), "the status line")
        fake.refuse = lambda r: None
        lines.write(b"6\n")
        lines.close()
        self.check(pipeline, 0)
        self.assertEqual(self.content(fake), b"1\n2\n3\n4\n5\n6\n")
        self.assertIn("writing continues", pipeline.errors(0))

    def test_an_outage_longer_than_grace_is_survived(self):
        fake = self.hdfs()
        fake.refuse = lambda r: SAFE_MODE if r.step == "data" else None
        pipeline, lines = self.open_sink(fake, "--roll-count", "1", "--grace", "0")
        lines.write(b"1\n")
        harness.poll(lambda: len(fake.of("CREATE", "data")) >= 4, "four tries")
        self.assertIsNone(pipeline.processes[0].poll(), pipeline.report())
        fake.refuse = lambda r: None
        harness.poll(lambda: fake.finals(), "the file")
        lines.close()
        self.check(pipeline, 0)

    def test_the_end_of_the_input_bounds_the_tries(self):
        for refusal, status in ((SAFE_MODE, 69), (QUOTA, 74),
                                ((403, remote("AccessControlException", "no")), 77)):
            fake = self.hdfs()
            fake.refuse = lambda r: refusal if r.step == "data" else None
            self.check(self.sink(fake, "--grace", "300ms"), 0, status)
            self.assertEqual(fake.files, {})

    def test_what_the_server_calls_invalid_ends_the_stage(self):
        fake = self.hdfs()
        fake.refuse = lambda r: (400, remote("IllegalArgumentException", "no such thing")) \
            if r.step == "data" else None
        pipeline, lines = self.open_sink(fake, "--roll-count", "1", "--grace", "300s")
        lines.write(b"1\n")
        self.check(pipeline, 78)

    def test_a_server_that_calls_every_name_taken_is_asked_with_pauses(self):
        fake = self.hdfs()
        fake.refuse = lambda r: (403, remote("FileAlreadyExistsException")) \
            if r.op == "RENAME" else None
        pipeline, lines = self.open_sink(fake, "--roll-count", "1", "--give-up-after", "500ms")
        lines.write(b"1\n")
        self.check(pipeline, 69)
        self.assertIn("does another writer use this prefix", pipeline.errors(0))
        # 64 names, pauses from 50 ms that double: not more than eight attempts.
        self.assertLess(len(fake.of("RENAME")), 8 * 64)
        self.assertEqual(fake.hidden(), [])

    def test_names_that_are_taken_are_passed_over(self):
        fake = self.hdfs()
        taken = []

        def refuse(r):
            if r.op == "RENAME" and len(taken) < 80:
                taken.append(r.query["destination"])
                return 403, remote("FileAlreadyExistsException")
            return None
        fake.refuse = refuse
        self.check(self.sink(fake), 0, 0)
        self.assertEqual(len(set(taken)), 80)
        self.assertEqual(self.content(fake), b"a\nb\n")

    def test_a_rename_that_is_refused_leaves_no_temporaries(self):
        for end in (0, 69):
            fake = self.hdfs(httpfs=True)
            answers = []

            def refuse(r):
                if r.op == "RENAME" and (end or len(answers) < 3):
                    answers.append(r.path)
                    return 200, '{"boolean":false}'
                return None
            fake.refuse = refuse
            words = ["--httpfs", f"http://{fake.host}", "--grace", "1s" if end else "10s"]
            self.check(self.sink(fake, *words, url="hdfs://elsewhere:9000"), 0, end)
            self.assertGreaterEqual(len(set(answers)), 2)
            self.assertEqual(fake.hidden(), [])
            self.assertEqual(len(fake.finals()), 0 if end else 1)

    def test_a_port_that_begins_like_ours_is_another_server(self):
        name_node, data_node = self.hdfs(), self.hdfs()
        # The DataNode's port followed by a digit: what a NameNode's port must not be compared with.
        shown = str(name_node.port)[:-1]
        cookies = []

        def redirect(r):
            if r.op == "CREATE":
                return 307, "", f"http://127.0.0.1:{shown}/webhdfs/v1{r.path}?op=CREATE&step=2"
            return None

        def take(r):
            cookies.append(r.headers.get("Cookie"))
            name_node.put(r.path, r.body)
            return 201, ""
        name_node.refuse, data_node.refuse = redirect, take
        name_node.cookie = "secret=1"
        self.check(self.sink(name_node, "--connect-to", f"127.0.0.1:{shown}={data_node.host}"), 0, 0)
        self.assertEqual(cookies, [None])
        self.assertEqual(self.content(name_node), b"a\nb\n")

    def test_messages_name_the_remedy(self):
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        fake = self.hdfs()

        def said(url, *options, status, text, path="/t"):
            pipeline = self.sink(fake, "--grace", "100ms", *options, url=url, path=path)
            self.check(pipeline, 0, status)
            self.assertIn(text, pipeline.errors(1))
        said("hdfs://127.0.0.1:18020", "--connect-to", f"127.0.0.1:9870=127.0.0.1:{port}",
             status=69, text="hdfs:// ports are RPC; tried WebHDFS at 127.0.0.1:9870; or use "
             "webhdfs://127.0.0.1:PORT")
        said("swebhdfs://" + fake.host, status=78, text="this port does not speak TLS")
        fake.refuse = lambda r: (307, "", "http://datanode.invalid:9864/x") \
            if r.op == "CREATE" else None
        said("webhdfs://" + fake.host, status=69, text="--connect-to")

    def test_give_up_after(self):
        fake = self.hdfs()
        fake.refuse = lambda r: SAFE_MODE if r.step == "data" else None
        pipeline, lines = self.open_sink(fake, "--roll-count", "1", "--give-up-after", "300ms")
        lines.write(b"1\n")
        self.check(pipeline, 69)

    def test_close_tries(self):  # Property: hdfs.closeTries
        fake = self.hdfs()
        fake.refuse = lambda r: SAFE_MODE if r.step == "data" else None
        pipeline, lines = self.open_sink(fake, "--roll-count", "1", "--close-tries", "3")
        lines.write(b"1\n")
        self.check(pipeline, 69)
        self.assertEqual(len(fake.of("CREATE", "data")), 3)

    def test_retry_interval(self):  # Property: hdfs.retryInterval
        fake = self.hdfs()
        fake.refuse = lambda r: QUOTA if r.step == "data" else None
        pipeline, lines = self.open_sink(fake, "--roll-count", "1", "--retry-interval", "50ms")
        lines.write(b"1\n")
        # With the usual pauses, eight tries of what a person has to settle take minutes.
        harness.poll(lambda: len(fake.of("CREATE", "data")) >= 8, "eight tries")
        fake.refuse = lambda r: None
        lines.close()
        self.check(pipeline, 0)

    def test_call_timeout(self):  # Property: hdfs.callTimeout
        fake = self.hdfs()
        done = threading.Event()
        self.addCleanup(done.set)
        fake.refuse = lambda r: done.wait(harness.HANG) and None if r.op == "GETHOMEDIRECTORY" \
            else None
        self.check(self.sink(fake, "--call-timeout", "200ms", "--grace", "0"), 0, 69)

    def test_signals_while_a_name_node_does_not_answer(self):
        fake = self.hdfs()
        done = threading.Event()
        self.addCleanup(done.set)
        fake.refuse = lambda r: done.wait(harness.HANG) and None
        pipeline, _ = self.open_sink(fake)
        harness.poll(lambda: fake.requests, "the first request")
        pipeline.send(signal.SIGUSR1, 0)
        harness.poll(lambda: "waiting for hdfs at" in pipeline.errors(0), "the status line")
        pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, 75)


class Limits(Case):
    def test_threads_pool_size(self):  # Property: hdfs.threadsPoolSize
        for threads in (1, 3):
            fake = self.hdfs(httpfs=True)
            go = threading.Event()
            self.addCleanup(go.set)
            fake.refuse = lambda r, go=go: go.wait(3 * harness.HANG) and None if r.step == "data" else None
            source = ["sh", "-c", "for i in 1 2 3 4 5 6; do printf \"$i\\n\" | fl-intercept static --ack=off "
                      "--key n --value $i; done"]
            pipeline = self.pipeline(source, ["fl-sink", "hdfs", "--threads-pool-size",
                                              str(threads), "--httpfs", f"http://{fake.host}",
                                              "hdfs://h:1/t/%{n}"], env=self.env())
            harness.poll(lambda: fake.uploading == threads, "as many uploads at a time as threads")
            # All six files are complete then; who had a further thread would use it before it sleeps.
            seen = []
            harness.poll(lambda: seen.append(transferred(pipeline.processes[1].pid)) or
                         len(seen) > 200 and seen[-1] == seen[-200], "it sleeps")
            go.set()
            self.check(pipeline, 0, 0)
            self.assertEqual(fake.most_uploading, threads)
            self.assertEqual(len(fake.finals()), 6)

    def test_max_open_files(self):  # Property: hdfs.maxOpenFiles
        fake = self.hdfs()
        source = ["sh", "-c", "for i in 1 2 3; do printf \"$i\\n\" | fl-intercept static --ack=off "
                  "--key n --value $i; done; cat"]
        reader, writer = os.pipe()
        pipeline = self.pipeline(source, ["fl-sink", "hdfs", "--max-open-files", "2", "--stream",
                                          f"webhdfs://{fake.host}/t/%{{n}}"],
                                 stdin=reader, env=self.env())
        os.close(reader)
        # The third file completes the one that was used least recently; the others stay open.
        harness.poll(fake.finals, "the first file")
        self.assertTrue(fake.finals()[0].startswith("/t/1/"))
        self.assertEqual(len(fake.finals()), 1)
        os.close(writer)
        self.check(pipeline, 0, 0)
        self.assertEqual(len(fake.finals()), 3)

    def test_a_hundred_open_buckets_take_little_memory(self):
        fake = self.hdfs()
        body = b"x" * 20_000
        events = [(b"%d" % (i % 100), body) for i in range(10_000)]
        content = b"".join(stream(events, 10))
        reader, writer = os.pipe()
        pipeline = self.pipeline(["fl-sink", "hdfs", "--stream",
                                  f"webhdfs://{fake.host}/t/%{{n}}"], stdin=reader, env=self.env())
        os.close(reader)
        with os.fdopen(writer, "wb", buffering=0) as out:
            view = memoryview(content)
            while view:
                view = view[out.write(view):]
            pid = pipeline.processes[0].pid
            pipeline.send(signal.SIGUSR1, 0)
            harness.poll(lambda: "100 files open" in pipeline.errors(0), "all buckets")
            if not harness.is_sanitized():
                self.assertLess(figure(pid, "status", "VmHWM"), 64 << 10)
            self.assertEqual(fake.finals(), [])
        self.check(pipeline, 0)
        self.assertLessEqual(max(map(len, fake.files.values())), 100 * 20_001)
        self.assertEqual(sum(map(len, fake.files.values())), 10_000 * 20_001)
        self.assertEqual(len(fake.finals()), 100)

    def test_stale_temporaries_are_swept_and_young_ones_are_not(self):  # Property: hdfs.staleTemp
        fake = self.hdfs()
        fake.put("/t/_FlumeData.1.0123456789abcdef.tmp", b"x", modified_ms=1)
        fake.put("/t/_FlumeData.2.0123456789abcdef.tmp", b"x")
        fake.put("/t/_SUCCESS", b"", modified_ms=1)
        fake.put("/t/other.tmp", b"x", modified_ms=1)
        self.check(self.sink(fake), 0, 0)
        left = set(fake.files) - set(fake.finals()[-1:])
        self.assertEqual(left, {"/t/_FlumeData.2.0123456789abcdef.tmp", "/t/_SUCCESS",
                                "/t/other.tmp"})
        fake.put("/t/_FlumeData.3.0123456789abcdef.tmp", b"x", modified_ms=1)
        self.check(self.sink(fake, "--stale-temp", "0"), 0, 0)
        self.assertIn("/t/_FlumeData.3.0123456789abcdef.tmp", fake.files)

    def test_a_stuck_sink_stops_reading(self):
        fake = self.hdfs()
        fake.refuse = lambda r: SAFE_MODE if r.step == "data" else None
        pipeline = self.pipeline(["sh", "-c", "yes abcdefghijklmnopqrstuvwxyz | head -c 300000000"],
                                 ["fl-sink", "hdfs", "--text", "--spool-size", "16M", "--roll-size",
                                  "4M", "--grace", "0", f"webhdfs://{fake.host}/t"],
                                 env=self.env())
        harness.poll(lambda: len(fake.of("CREATE", "data")) >= 3, "three tries")
        pid = pipeline.processes[1].pid
        # The spool's size, what is in memory, what uploads read of it.
        self.assertLess(figure(pid, "io", "rchar"), 40_000_000)
        self.assertLess(figure(pid, "status", "VmHWM"), 64 << 10)
        pipeline.send(signal.SIGTERM, 1)
        self.assertIn(pipeline.wait()[1], (69, 75))


if __name__ == "__main__":
    harness.main()
