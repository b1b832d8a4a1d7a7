#!/usr/bin/env python3
"""fl-sink hive against a metastore of the test: files and their partitions, tables that are refused,
events that have no partition, servers that are away."""
import glob
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import certificates
import exposition
import fake_hdfs
import fake_metastore
import harness
import metastore
import thrift_wire as wire
from thrift_wire import Struct

NOON = 1709210096000  # 2024-02-29T12:34:56Z


@unittest.skipUnless(os.path.exists(os.path.join(harness.BIN, "fl-sink-hive")), "built without libthrift")
class Hive(harness.Case):
    def setUp(self):
        super().setUp()
        self.store = fake_metastore.FakeMetastore()
        self.addCleanup(self.store.close)
        self.table("orders", [("id", "int"), ("note", "string")], [("dt", "string")])

    def table(self, name, fields, keys=(), **more):
        self.store.add(metastore.table("sales", name, f"file:{self.path(name)}", fields, keys, **more))

    def parts(self, name="orders"):
        return {"/".join(values): place for values, place in self.store.parts[f"sales.{name}"].items()}

    def rows(self, below="orders"):
        return sorted(harness.committed_lines(self.path(below)))

    def events(self, *events):
        """`events`: (body, headers); a source of them."""
        text = "".join(json.dumps({"headers": {k: str(v) for k, v in headers.items()}, "body": body}) + "\n"
                       for body, headers in events)
        self.write("events", text)
        return ["fl-source", "stdin", self.path("events"), "--format", "json"]

    def sink(self, *options, table="sales.orders", partition="%Y-%m-%d", server=None):
        words = ["fl-sink", "hive", table, "--stream", "--metastore", server or self.store.url,
                 "--time-zone", "UTC", "--min-commit", "10ms"]
        return words + (["--partition", partition] if partition else []) + list(options)

    def run_sink(self, status, *options, events=(("1,a", {"timestamp": NOON}),), limit=harness.HANG, **more):
        pipeline = self.pipeline(self.events(*events), self.sink(*options, **more))
        statuses = pipeline.wait(limit)
        self.assertEqual(statuses[1], status, pipeline.report())
        return pipeline.errors(1)

    # ------------------------------------------------------------- files and partitions

    def test_rows_and_partitions(self):
        self.run_sink(0, events=[("1,a", {"timestamp": NOON}), ("2,b", {"timestamp": NOON}),
                                 ("3,c,more", {"timestamp": NOON + 86_400_000}),
                                 ("4", {"timestamp": NOON + 86_400_000})])
        self.assertEqual(self.rows("orders/dt=2024-02-29"), [b"1,a", b"2,b"])
        self.assertEqual(self.rows("orders/dt=2024-03-01"), [b"3,c", b"4,\\N"])
        self.assertEqual(self.parts(), {day: f"file:{self.path('orders')}/dt={day}"
                                        for day in ("2024-02-29", "2024-03-01")})

    def test_a_partition_comes_after_its_file_and_before_the_acknowledgement(self):
        seen, gate = [], threading.Event()
        self.write("spool/one", "1,a\n")

        def before(name, _):
            if name == "add_partitions_req":
                seen.append((self.rows(), os.path.exists(self.path("spool/one"))))
                gate.wait(harness.HANG)
        self.store.before = before
        pipeline = self.pipeline(["fl-source", "spooldir", self.path("spool"), "--once"],
                                 self.sink(partition="day"))
        harness.poll(lambda: seen, "the partition is added")
        self.assertEqual(seen, [([b"1,a"], True)])
        self.assertEqual(self.parts(), {})
        self.assertTrue(os.path.exists(self.path("spool/one")))
        gate.set()
        self.check(pipeline, 0, 0)
        self.assertTrue(os.path.exists(self.path("spool/one.COMPLETED")))
        self.assertEqual(list(self.parts()), ["day"])

    def test_a_sink_that_is_killed_between_file_and_partition(self):
        """The events come again, and what they are in is found then."""
        self.write("spool/one", "1,a\n2,b\n")
        asked, gate = threading.Event(), threading.Event()
        self.addCleanup(gate.set)

        def before(name, _):
            if name == "add_partitions_req" and not gate.is_set():
                asked.set()
                gate.wait(harness.HANG)
                raise OSError("nobody is there any more")
        self.store.before = before
        commands = (["fl-source", "spooldir", self.path("spool"), "--once"], self.sink(partition="day"))
        pipeline = self.pipeline(*commands)
        self.assertTrue(asked.wait(harness.HANG))
        pipeline.processes[1].kill()
        self.assertNotEqual(pipeline.wait()[0], 0)
        self.assertEqual(self.parts(), {})
        self.assertTrue(os.path.exists(self.path("spool/one")))
        gate.set()
        self.check(self.pipeline(*commands), 0, 0)
        self.assertEqual(list(self.parts()), ["day"])
        self.assertEqual(set(self.rows()), {b"1,a", b"2,b"})
        self.assertTrue(os.path.exists(self.path("spool/one.COMPLETED")))

    def test_a_partition_is_added_once(self):
        self.run_sink(0, "--roll-count", "1", "--metrics", self.path("page"),
                      events=[(f"{i},x", {"timestamp": NOON}) for i in range(9)])
        with open(self.path("page")) as file:
            self.assertEqual(exposition.value(exposition.parse(file.read()), "fl_sink_hive_partitions_added_total"), 1)
        self.assertEqual(len(self.rows()), 9)
        self.assertLessEqual(self.store.calls.count("add_partitions_req"), 4)  # one for each worker
        calls = len(self.store.calls)
        self.run_sink(0)
        self.assertNotIn("add_partitions_req", self.store.calls[calls:])

    def test_values_as_hive_writes_them(self):
        values = ["a b", "a/b", "50%", "k=v", "Zürich", "..", "", "a:b"]
        self.run_sink(0, partition="%{v}", events=[(f"{i},x", {"v": v}) for i, v in enumerate(values)])
        self.assertEqual(set(self.store.parts["sales.orders"]),
                         {(v or "__HIVE_DEFAULT_PARTITION__",) for v in values})
        for name in ("dt=a b", "dt=a%2Fb", "dt=50%25", "dt=k%3Dv", "dt=Zürich", "dt=..", "dt=a%3Ab",
                     "dt=__HIVE_DEFAULT_PARTITION__"):
            self.assertEqual(len(self.rows(f"orders/{name}")), 1, name)

    def test_two_columns(self):
        self.table("hours", [("id", "int")], [("dt", "date"), ("hr", "int")])
        self.run_sink(0, table="sales.hours", partition="hr=%H/dt=%Y-%m-%d",
                      events=[("1", {"timestamp": NOON - 5 * 3_600_000})])
        self.assertEqual(list(self.parts("hours")), ["2024-02-29/7"])
        self.assertEqual(self.rows("hours/dt=2024-02-29/hr=7"), [b"1"])

    def test_without_partitions(self):
        self.table("plain", [("id", "int")])
        self.run_sink(0, table="sales.plain", partition=None)
        self.assertEqual(self.rows("plain"), [b"1"])
        self.assertNotIn("add_partitions_req", self.store.calls)

    def test_json(self):
        self.table("json", [("id", "int")], form=metastore.JSON, serde={})
        said = self.run_sink(0, "--reject", self.path("bad"), table="sales.json", partition=None,
                             events=[('{\n"id": 1}', {}), ('{"id": 2', {}), ("[1]", {})])
        self.assertEqual(self.rows("json"), [b'{ "id": 1}'], said)

    def test_avro(self):
        self.table("avro", [("headers", "map<string,string>"), ("body", "binary")], form=metastore.AVRO,
                   serde={})
        self.run_sink(0, table="sales.avro", partition=None)
        [path] = harness.committed_files(self.path("avro"))
        with open(path, "rb") as file:
            self.assertEqual(file.read(4), b"Obj\1")

    def test_fields(self):
        self.run_sink(0, "--field-delimiter", "\\t", "--field-names", "note,,id", "--serde-separator",
                      ",", events=[("a\tb\t7", {"timestamp": NOON})])
        self.assertEqual(self.rows(), [b"7,a"])

    def test_another_url_of_the_place(self):
        self.run_sink(0, "--location", f"file://{self.path('other')}")
        self.assertEqual(self.rows("other/dt=2024-02-29"), [b"1,a"])
        self.assertEqual(self.parts()["2024-02-29"], f"file:{self.path('orders')}/dt=2024-02-29")

    def test_compressed(self):
        self.run_sink(0, "--code-c", "gzip")
        [path] = harness.committed_files(self.path("orders"))
        self.assertTrue(path.endswith(".gz"))
        rows = [(f"{i},{i * i}", {}) for i in range(5000)]
        sizes = []
        for level in ("1", "19"):
            self.run_sink(0, "--code-c", "zstd", "--compression-level", level, partition=level, events=rows)
            [path] = harness.committed_files(self.path("orders", f"dt={level}"))
            sizes.append(os.path.getsize(path))
        self.assertLess(sizes[1], sizes[0])

    def test_avro_of_another_schema(self):
        self.table("records", [("id", "bigint")], form=metastore.AVRO, serde={})
        self.write("schema/r.avsc", '{"type":"record","name":"R","fields":[{"name":"id","type":"long"}]}')
        events = [("\2", {"flume.avro.schema.url": f"file://{self.path('schema/r.avsc')}"}), ("\4", {})]
        self.run_sink(0, "--schema-dir", self.path("schema"), "--schema-url", self.path("schema/r.avsc"),
                      table="sales.records", partition=None, events=events)
        [path] = harness.committed_files(self.path("records"))
        with open(path, "rb") as file:
            self.assertIn(b"\2\4", file.read())

    def test_the_serializer_is_that_of_the_table(self):
        self.table("json", [("id", "int")], form=metastore.JSON, serde={})
        for serializer, status in (("json", 0), ("delimited", 78)):
            self.run_sink(status, "--serializer", serializer, table="sales.json", partition=None,
                          events=[('{"id":1}', {})])
        self.assertEqual(self.rows("json"), [b'{"id":1}'])

    def test_the_codec_of_avro(self):
        self.table("avro", [("headers", "map<string,string>"), ("body", "binary")], form=metastore.AVRO,
                   serde={})
        self.run_sink(0, "--compression-codec", "deflate", table="sales.avro", partition=None)
        [path] = harness.committed_files(self.path("avro"))
        with open(path, "rb") as file:
            self.assertIn(b"deflate", file.read(500))

    def test_the_zone_of_partitions(self):
        self.run_sink(0, "--time-zone", "GMT+5", partition="%H")
        self.assertEqual(list(self.parts()), ["17"])

    def test_names(self):
        self.run_sink(0, "--database", "sales", "--file-prefix", "part", table="orders")
        [path] = harness.committed_files(self.path("orders"))
        self.assertRegex(os.path.basename(path), r"^part\.\d+$")

    def test_certificates(self):
        ca = certificates.Authority(self.path("ca"))
        server, client = ca.issue("server"), ca.issue("client")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.certificate, server.key)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca.certificate)
        trusted, own = ["--cacert", ca.certificate], ["--cert", client.certificate, "--key", client.key]
        with fake_hdfs.FakeHdfs(tls=context) as hdfs:
            place = ["--location", f"swebhdfs://{hdfs.host}/w", "--grace", "100ms"]
            for options, status in ((trusted, 69), (own, 77), (trusted + own, 0)):
                with self.subTest(options):
                    self.run_sink(status, *place, *options)
            self.assertEqual(len(hdfs.finals()), 1)

    def test_files_and_times(self):
        """Options of the files are those of fl-sink hdfs."""
        self.run_sink(0, "--roll-size", "4", "--roll-interval", "1h", "--idle-timeout", "1h", "--round",
                      "--round-value", "6", "--round-unit", "hour", "--code-c", "gzip",
                      "--compression-level", "1", "--close-tries", "2", "--max-open-files", "10",
                      "--threads-pool-size", "2", "--stale-temp", "1h", "--file-suffix", ".csv.gz",
                      partition="%H",
                      events=[(f"{i},x", {"timestamp": NOON + 7_200_000}) for i in range(4)])
        names = harness.committed_files(self.path("orders/dt=12"))
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertTrue(name.endswith(".csv.gz"))
        self.run_sink(0, "--use-local-time-stamp", partition="%Y", events=[("1,x", {})])

    def test_hdfs(self):
        self.write("conf/core-site.xml", "<configuration><property><name>hadoop.security.authentication"
                                         "</name><value>kerberos</value></property></configuration>")
        with fake_hdfs.FakeHdfs() as hdfs:
            self.run_sink(0, "--location", "webhdfs://namenode:1/w/orders", "--connect-to",
                          f"namenode:1={hdfs.host}", "--use-proxy=false", "--conf-dir", self.path("conf"),
                          "--user", "eva", "--auth", "simple", "--proxy-user", "joe", "--permission", "640",
                          "--replication", "1", "--block-size", "1M", "--sync-block", "--spool-dir",
                          self.dir, "--spool-size", "1M", partition="a b/%%")
            [path] = [name for name in hdfs.files if "FlumeData" in name]
            self.assertRegex(path, r"^/w/orders/dt=a b%2F%25/FlumeData\.\d+$")
            self.assertEqual(hdfs.files[path], b"1,a\n")
            create = next(each.query for each in hdfs.requests if each.op == "CREATE")
            self.assertEqual([create.get(name) for name in ("user.name", "doas", "permission", "replication",
                                                            "blocksize", "createflag")],
                             ["eva", "joe", "640", "1", "1048576",
                              "create,overwrite,sync_block"])
            # What each of them is for.
            place = ["--location", f"webhdfs://{hdfs.host}/w", "--grace", "100ms", "--user", "eva"]
            self.run_sink(77, *place, "--conf-dir", self.path("conf"))
            self.run_sink(73, *place, "--spool-dir", self.path("missing"))
            hdfs.refuse = lambda request: (403, fake_hdfs.remote("SafeModeException")) \
                if request.step == "data" else None
            tries = len(hdfs.of("CREATE", "data"))
            self.run_sink(69, *place[:2], "--grace", "1h", "--close-tries", "2")
            self.assertEqual(len(hdfs.of("CREATE", "data")), tries + 2)
        with fake_hdfs.FakeHdfs(httpfs=True) as gateway:
            self.run_sink(0, "--location", "hdfs://cluster/w/orders", "--httpfs", f"http://{gateway.host}")
            self.assertEqual(len(gateway.files), 1)

    def test_logins(self):
        missing = self.path("missing")
        with fake_hdfs.FakeHdfs() as hdfs:
            place = ["--location", f"webhdfs://{hdfs.host}/w", "--grace", "100ms"]
            for options in (["--auth", "kerberos", "--kerberos-keytab", missing, "--kerberos-principal", "x"],
                            ["--auth", "kerberos", "--token-file", missing]):
                with self.subTest(options=options):
                    self.assertIn("missing", self.run_sink(77, *place, *options))
        # The metastore is asked first.
        https = self.store.url.replace("thrift", "https")
        self.assertIn("missing", self.run_sink(78, "--cacert", missing, server=https))
        self.assertIn("missing", self.run_sink(78, "--cert", missing, "--key", missing, server=https))

    # ------------------------------------------------------------- what is refused

    def test_tables_that_are_refused(self):
        fields = [("id", "int")]
        self.table("acid", fields, kind="MANAGED_TABLE", parameters={"transactional": "true"})
        self.table("orc", fields, form=metastore.ORC)
        self.table("bars", fields, serde={"field.delim": "|"})
        self.table("buckets", fields, buckets=["id"])
        self.table("far", fields)
        self.store.tables["sales.far"][7][2] = "s3a://bucket/far"
        for name, options, words in (
                ("none", [], ["no table sales.none"]),
                ("acid", [], ["transactional", "CREATE EXTERNAL TABLE"]),
                ("orc", [], ["OrcSerde", "STORED AS TEXTFILE"]),
                ("bars", ["--serde-separator", ","], ["'|'", "FIELDS TERMINATED BY"]),
                ("bars", ["--serializer", "json"], ["delimited text"]),
                ("bars", ["--field-names", "it"], ["no column 'it'"]),
                ("bars", ["--partition", "x"], ["no partition columns"]),
                ("buckets", [], ["bucketed"]), ("far", [], ["s3a", "--location"]),
                ("orders", [], ["1 partition column", "dt string"])):
            with self.subTest(name=name, options=options):
                said = self.run_sink(78, *options, table=f"sales.{name}", partition=None)
                for word in words:
                    self.assertIn(word, said)
        self.assertEqual(self.rows(), [])

    def test_events_without_a_partition(self):
        self.table("numbers", [("id", "int"), ("note", "string")], [("n", "int")])
        events = [("1,a", {"n": "7"}), ("2,b", {"n": "x"}), ("3,c", {}), ("4,d", {"n": "07"})]
        said = self.run_sink(65, table="sales.numbers", partition="%{n}", events=events)
        self.assertIn("'x' cannot be a value of the partition column n int", said)
        self.run_sink(0, "--reject", self.path("bad"), table="sales.numbers", partition="%{n}",
                      events=events)
        self.assertEqual(list(self.parts("numbers")), ["7"])
        with open(self.path("bad"), "rb") as file:
            kept = file.read()
        self.assertIn(b"2,b", kept)
        self.assertIn(b"3,c", kept)

    def test_a_partition_elsewhere(self):
        self.store.parts["sales.orders"][("day",)] = "file:/elsewhere"
        said = self.run_sink(78, partition="day")
        self.assertIn("/elsewhere", said)
        self.assertEqual(self.rows(), [])

    def test_partitions_that_may_not_be_made(self):
        said = self.run_sink(78, "--auto-create-partitions=false", "--grace", "1s", partition="day")
        self.assertIn("--auto-create-partitions is off", said)
        self.store.parts["sales.orders"][("day",)] = f"file:{self.path('orders')}/dt=day"
        self.run_sink(0, "--auto-create-partitions=false", partition="day")
        self.assertEqual(self.rows(), [b"1,a"])

    def test_a_metastore_that_refuses(self):
        answers = {"AccessControlException: user=fl": 77, "Permission denied": 77,
                   "the database is gone": 69}
        for why, status in answers.items():
            with self.subTest(why):
                self.store.before = lambda name, _: \
                    fake_metastore.refusal(3, why) if name == "add_partitions_req" else None
                self.assertIn(why, self.run_sink(status, "--grace", "1s"))
        self.store.before = lambda name, _: \
            fake_metastore.refusal(1, "no table") if name == "add_partitions_req" else None
        self.assertIn("dropped or changed", self.run_sink(78))
        self.store.before = lambda name, _: False if name == "get_table_req" else None
        self.assertIn("Hive 2.3", self.run_sink(78))

    def test_a_partition_that_is_added_at_the_third_try(self):
        """The file is stored once, whatever the metastore says."""
        refusals = [fake_metastore.refusal(3, "the database is gone") for _ in range(2)]
        self.store.before = lambda name, _: \
            refusals.pop() if name == "add_partitions_req" and refusals else None
        said = self.run_sink(0, "--retry-interval", "100ms")
        self.assertIn("the database is gone", said)
        self.assertEqual(self.rows(), [b"1,a"])
        self.assertEqual(list(self.parts()), ["2024-02-29"])

    # ------------------------------------------------------------- servers that are away

    def test_an_answer_that_is_lost(self):
        """The partition was added, but the answer was lost."""
        lost = []

        def after(name, _):
            if name == "add_partitions_req" and not lost:
                lost.append(name)
                return "cut"
        self.store.after = after
        self.run_sink(0)
        self.assertEqual(self.store.calls.count("add_partitions_req"), 2)
        self.assertEqual(self.rows(), [b"1,a"])

    def test_a_connection_that_was_closed_meanwhile(self):
        """A new one is made, and nothing is logged."""
        reader, writer = os.pipe()
        pipeline = self.pipeline(["fl-source", "stdin", "--format", "json"],
                                 self.sink("--roll-count", "1", partition="%{p}"), stdin=reader)
        os.close(reader)
        for part in "ab":
            os.write(writer, json.dumps({"headers": {"p": part}, "body": "1,a"}).encode() + b"\n")
            harness.poll(lambda: part in self.parts(), f"the partition {part}")
            self.store.stop()
            self.store.start()
        os.close(writer)
        self.check(pipeline, 0, 0)
        self.assertNotIn("metastore", pipeline.errors(1))
        self.assertNotIn("thrift", pipeline.errors(1))

    def test_a_metastore_that_is_away_for_a_while(self):
        reader, writer = os.pipe()
        pipeline = self.pipeline(["fl-source", "stdin"], self.sink("--roll-count", "1", partition="day"),
                                 stdin=reader)
        os.close(reader)
        harness.poll(lambda: "get_table_req" in self.store.calls, "the table is asked for")
        harness.poll(lambda: "set_ugi" in self.store.calls, "the user is said")
        self.store.stop()
        os.write(writer, b"1,a\n")
        harness.poll(lambda: "waiting" in pipeline.errors(1) or "trying again" in pipeline.errors(1),
                     "the sink says that it waits")
        self.assertEqual(self.parts(), {})
        self.store.start()
        harness.poll(lambda: self.parts(), "the partition is there")
        os.close(writer)
        self.check(pipeline, 0, 0)
        self.assertEqual(self.rows(), [b"1,a"])

    def test_a_metastore_that_stays_away(self):
        self.store.stop()
        self.addCleanup(self.store.start)
        said = self.run_sink(69, "--grace", "1s")
        self.assertIn("trying again for 1s", said)
        self.assertIn(self.store.url, said)

    def test_several_metastores(self):
        with fake_metastore.FakeMetastore() as dead:
            dead.stop()
            nobody = dead.url
            dead.start()
        self.run_sink(0, server=f"{nobody},{self.store.url}")
        self.assertEqual(self.rows(), [b"1,a"])
        said = self.run_sink(69, "--grace", "100ms", server=f"{nobody},{nobody}")
        self.assertIn("none of the metastores", said)

    def test_a_metastore_that_does_not_answer(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        with fake_metastore.FakeMetastore() as frozen:
            frozen.before = lambda *_: gate.wait(harness.HANG) and None
            self.run_sink(0, "--call-timeout", "200ms", server=f"{frozen.url},{self.store.url}")
            gate.set()
        self.assertEqual(self.rows(), [b"1,a"])

    def test_what_is_no_metastore(self):
        self.store.before = lambda *_: b"HTTP/1.1 400 Bad Request\r\n\r\n"
        said = self.run_sink(69, "--grace", "100ms")
        self.assertIn("not that of a metastore", said)

    def test_a_signal_while_the_metastore_is_away(self):
        self.store.stop()
        self.addCleanup(self.store.start)
        pipeline = self.pipeline(self.events(("1,a", {})), self.sink("--grace", "1h", partition="day"))
        harness.poll(lambda: "trying again" in pipeline.errors(1), "the sink waits")
        pipeline.send(signal.SIGTERM, 1)
        self.assertEqual(pipeline.wait()[1], 75, pipeline.report())

    def test_http(self):
        self.run_sink(0, "--user", "eva", server=self.store.http())
        self.assertEqual(self.rows(), [b"1,a"])
        self.assertEqual(self.store.actors, {"eva"})
        self.assertIn("status 405", self.run_sink(78, server=self.store.http() + "/x"))

    # ------------------------------------------------------------- what a user is shown

    def test_dry_run(self):
        pipeline = self.check(self.pipeline(self.sink("--dry-run")), 0)
        shown = pipeline.output().decode()
        self.assertIn(f"table: sales.orders at file:{self.path('orders')}, delimited text with ',' between "
                      "fields, without escapes; partition columns dt string", shown)
        self.assertIn(f"{self.path('orders')}/dt=%Y-%m-%d/FlumeData.", shown)
        self.assertIn("partition in the metastore", shown)
        self.assertEqual(glob.glob(self.path("orders", "*")), [])
        self.assertNotIn("add_partitions_req", self.store.calls)

    def test_flume_properties(self):
        def answer(text, *words):
            path = self.write("p", f"hive.metastore = {self.store.url}\n" + text)
            return subprocess.run(
                ["sh", "-c", f"exec fl-sink hive --properties 3 {' '.join(words)} 3< {path}"],
                env=self.env(), cwd=self.dir, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=harness.HANG, check=False)

        flume = ("hive.database = sales\nhive.table = orders\nhive.partition = %Y-%m-%d-%H-%M\n"
                 "autoCreatePartitions = true\nbatchSize = 100\nuseLocalTimeStamp = true\nround = true\n"
                 "roundValue = 10\nroundUnit = minute\ntimeZone = UTC\nserializer = DELIMITED\n"
                 "serializer.delimiter = \"\\\\t\"\nserializer.serdeSeparator = ','\n"
                 "serializer.fieldnames = id,,note\nhive.txnsPerBatchAsk = 2\nheartBeatInterval = 240\n"
                 "maxOpenConnections = 500\ncallTimeout = 10000\nidleTimeout = 0\n")
        done = answer(flume, "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"dt=\d{4}-\d\d-\d\d-\d\d-\d0/FlumeData")
        self.assertIn("delimited text", done.stdout)
        for key in ("hive.txnsPerBatchAsk", "heartBeatInterval", "batchSize", "maxOpenConnections"):
            self.assertIn(key, done.stderr)
        self.assertIn("no transactions", done.stderr)
        for name in ("org.apache.flume.sink.hive.HiveDelimitedTextSerializer", "delimited"):
            done = answer(f"hive.database = sales\nhive.table = orders\nhive.partition = x\nserializer = {name}\n",
                          "--dry-run")
            self.assertEqual(done.returncode, 0, done.stderr)
        done = answer("hive.database = sales\nhive.table = orders\nhive.partition = x\nserializer = JSON\n",
                      "--dry-run")
        self.assertEqual(done.returncode, 78, done.stderr)

    def test_mistakes_before_a_server_is_asked(self):
        for options, status, word in ((["--partition", "%Q"], 78, "%Q"),
                                      (["--file-prefix", "_x"], 78, "would not see"),
                                      (["--file-prefix", "%H"], 78, "no escapes"),
                                      (["--file-suffix", "a/b"], 78, "'/'"),
                                      (["--metastore", "ftp://x"], 64, "thrift://HOST:PORT"),
                                      (["--field-delimiter", "\\q"], 78, "\\q")):
            with self.subTest(options=options):
                self.assertIn(word, self.run_sink(status, *options, partition=None))
        self.assertEqual(self.store.calls, [])


if __name__ == "__main__":
    harness.main()
