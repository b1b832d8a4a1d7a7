#!/usr/bin/env python3
"""fl-sink kafka against one real broker: what arrives, where, and what a refusal means."""
import json
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import brokers
import harness

COUNT = 1_000_000 if os.environ.get("FL_TEST_LONG") else 200_000
LIMIT = 120  # a JVM on a busy machine


def murmur2(key):
    """The hash of Java's producer."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(key)) & mask
    whole = len(key) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(key[i:i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if len(key) > whole:
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_in_java(key, partitions):
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def reasons(path):
    """The dead letters of a file: (body, reason)."""
    done = subprocess.run([os.path.join(harness.BIN, "fl-sink"), "stdout", "--format", "json", "--in",
                           path], stdout=subprocess.PIPE, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return [(event["body"].encode(), str(event["headers"])) for event in events]


class Sink(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.kafka = brokers.shared(1)
        cls.serial = 0

    def topic(self, partitions=1, **configs):
        Sink.serial += 1
        name = f"{self._testMethodName}-{Sink.serial}-{os.getpid()}"
        self.kafka.admin.create(name, partitions=partitions, **configs)
        return name

    def sink(self, topic, *words, server=None):
        return ["fl-sink", "kafka", topic, "--bootstrap-server", server or self.kafka.bootstrap,
                *words]

    def text(self, name, text):
        """A file that is somebody's stdin."""
        file = open(self.write(name, text))
        self.addCleanup(file.close)
        return file

    def values(self, topic):
        return [record.value for record in self.kafka.records(topic)]

    def test_lines_arrive_in_their_order(self):
        topic = self.topic()
        lines = self.text("lines", "".join(f"{i}\n" for i in range(20_000)))
        self.check(self.pipeline(self.sink(topic), stdin=lines), 0, limit=LIMIT)
        self.assertEqual(self.values(topic), [b"%d" % i for i in range(20_000)])

    def test_keys_land_where_java_puts_them(self):
        ours, javas = self.topic(partitions=7), self.topic(partitions=7)
        keys = [f"key-{i * i}-{'x' * (i % 5)}" for i in range(1000)]
        lines = self.text("keys", "".join(key + "\n" for key in keys))
        self.check(self.pipeline(["fl-intercept", "regex_extractor", "(.*)", "key"],
                                 self.sink(ours), stdin=lines), 0, 0, limit=LIMIT)
        done = self.kafka.run("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server",
                              self.kafka.bootstrap, "--topic", javas, "--reader-property",
                              "parse.key=true", "--reader-property", "key.separator=:",
                              input="".join(f"{key}:v\n" for key in keys))
        self.assertEqual(done.returncode, 0, done.stderr)
        found = {record.key: record.partition for record in self.kafka.records(ours)}
        self.assertEqual(len(found), 1000)
        self.assertEqual(found, {r.key: r.partition for r in self.kafka.records(javas)})
        self.assertEqual(found, {key.encode(): partition_in_java(key.encode(), 7) for key in keys})

    def test_events_in_flumes_form_are_flumes_bytes(self):
        topic = self.topic()
        events = self.write("events", '{"headers":{"h":"v"},"body":"hi"}\n{"headers":{},"body":"hi"}\n'
                                      '{"headers":{"part":"1","host":"w","key":"k"},"body":""}\n')
        self.check(self.pipeline(["fl-source", "stdin", "--format", "json", events],
                                 self.sink(topic, "--use-flume-event-format")), 0, 0, limit=LIMIT)
        records = self.kafka.records(topic)
        self.assertEqual([record.value.hex() for record in records][:2],
                         ["0202680276" "00" "046869", "00" "046869"])
        # A HashMap of Java has part, host, key in this order.
        self.assertEqual(records[2].value, b"\x06\x08part\x021\x08host\x02w\x06key\x02k\x00\x00")
        self.assertEqual([record.key for record in records], [None, None, b"k"])

    def test_headers_time_and_an_empty_key(self):
        topic = self.topic()
        events = self.write("events", '{"headers":{"host":"w","at":"1700000000123","key":""},'
                                      '"body":"one"}\n{"headers":{"at":"soon"},"body":"two"}\n')
        done = self.check(
            self.pipeline(["fl-source", "stdin", "--format", "json", events],
                          self.sink(topic, "--header", "host=Khost", "--headers", "all",
                                    "--timestamp-header", "at")), 0, 0, limit=LIMIT)
        one, two = self.kafka.records(topic)
        self.assertEqual((one.timestamp, one.key), (1_700_000_000_123, b""))
        self.assertEqual(sorted(one.headers),
                         [("Khost", "w"), ("at", "1700000000123"), ("key", "")])
        self.assertEqual((two.key, two.headers), (None, [("at", "soon")]))
        self.assertGreater(two.timestamp, one.timestamp)
        self.assertIn("not a time in milliseconds ('soon')", done.errors(1))

    def test_only_named_headers_go_with_the_message(self):
        topic = self.topic()
        self.check(self.pipeline(["sh", "-c", "echo a | fl-intercept static host=w + static x=y"],
                                 self.sink(topic, "--header", "host=Khost")), 0, 0, limit=LIMIT)
        self.assertEqual(self.kafka.records(topic)[0].headers, [("Khost", "w")])

    def test_partitions_by_header_and_by_default(self):
        topic = self.topic(partitions=3)
        events = self.write("events", '{"headers":{"p":"2"},"body":"two"}\n{"headers":{},"body":"one"}\n'
                                      '{"headers":{"p":"x"},"body":"bad"}\n'
                                      '{"headers":{"p":"9"},"body":"far"}\n')
        words = ["--partition-id-header", "p", "--default-partition-id", "1"]
        self.check(self.pipeline(["fl-source", "stdin", "--format", "json", events],
                                 self.sink(topic, *words, "--reject", self.path("bad.avro"))),
                   0, 0, limit=LIMIT)
        self.assertEqual([(r.partition, r.value) for r in self.kafka.records(topic)],
                         [(1, b"one"), (2, b"two")])
        self.assertEqual({body for body, _ in reasons(self.path("bad.avro"))}, {b"bad", b"far"})
        self.check(self.pipeline(["sh", "-c", "echo a | fl-intercept static p=9"],
                                 self.sink(topic, *words)), 75, 65, limit=LIMIT)
        self.check(self.pipeline(self.sink(topic, "--default-partition-id", "9"),
                                 stdin=self.text("l", "a\n")), 78, limit=LIMIT)

    def test_topics_from_headers(self):
        one, two = self.topic(), self.topic()
        events = self.write("events", f'{{"headers":{{"t":"{one}"}},"body":"1"}}\n'
                                      f'{{"headers":{{"t":"{two}"}},"body":"2"}}\n'
                                      '{"headers":{"t":"no such"},"body":"3"}\n'
                                      '{"headers":{"t":"no-such"},"body":"4"}\n'
                                      '{"headers":{},"body":"5"}\n')
        self.check(self.pipeline(["fl-source", "stdin", "--format", "json", events],
                                 self.sink("%{t}", "--reject", self.path("bad.avro"))),
                   0, 0, limit=LIMIT)
        self.assertEqual((self.values(one), self.values(two)), ([b"1"], [b"2"]))
        self.assertEqual({body for body, _ in reasons(self.path("bad.avro"))}, {b"3", b"4", b"5"})

    def test_a_header_overrides_the_topic_only_if_that_is_allowed(self):
        one, two = self.topic(), self.topic()
        source = ["sh", "-c", f"echo a | fl-intercept static topic={two}"]
        self.check(self.pipeline(source, self.sink(one)), 0, 0, limit=LIMIT)
        self.check(self.pipeline(source, self.sink(one, "--allow-topic-override")), 0, 0,
                   limit=LIMIT)
        self.assertEqual((self.values(one), self.values(two)), ([b"a"], [b"a"]))

    def test_what_is_too_large_is_a_dead_letter_and_nothing_else_is(self):
        topic = self.topic(max_message_bytes="5000")
        lines = self.text("lines", "".join(
            ("x" * 6000 if i % 700 == 350 else f"{i}") + "\n" for i in range(2000)))
        self.check(self.pipeline(self.sink(topic, "--reject", self.path("bad.avro")), stdin=lines),
                   0, limit=LIMIT)
        self.assertEqual(sorted(self.values(topic), key=int),
                         [b"%d" % i for i in range(2000) if i % 700 != 350])
        bad = reasons(self.path("bad.avro"))
        self.assertEqual([len(body) for body, _ in bad], [6000] * 3)
        self.assertIn("too large", bad[0][1])
        self.check(self.pipeline(self.sink(topic), stdin=self.text("large", "x" * 6000)), 65,
                   limit=LIMIT)

    def test_a_topic_that_is_missing(self):
        done = self.pipeline(self.sink("nowhere"), stdin=self.text("lines", "a\n"))
        self.check(done, 78, limit=LIMIT)
        self.assertIn("topic 'nowhere'", done.errors(0))

    def test_properties_of_flume_and_their_old_names(self):
        # Properties: kafka.librdkafka, kafka.keyHeader, kafka.topicHeader, kafka.brokerList
        one, two = self.topic(), self.topic()
        new = self.write("new", f"kafka.topic = {one}\nkafka.bootstrap.servers = "
                                f"{self.kafka.bootstrap}\nflumeBatchSize = 10\n"
                                "kafka.producer.acks = 1\nkafka.producer.linger.ms = 1\n"
                                "kafka.producer.no.such.thing = 1\nuseFlumeEventFormat = false\n"
                                "allowTopicOverride = true\ntopicHeader = to\n"
                                "header.host = Khost\ndefaultPartitionId = 0\n"
                                "partitionIdHeader = p\ntimestampHeader = at\nkeyHeader = k\n")
        old = self.write("old", f"topic = {two}\nbrokerList = {self.kafka.bootstrap}\n"
                                "batchSize = 10\nrequiredAcks = 1\nheaders = all\n"
                                "librdkafka.linger.ms = 1\n")
        events = self.write("events", f'{{"headers":{{"to":"{two}"}},"body":"over"}}\n'
                                      '{"headers":{"host":"w","k":"K"},"body":"a"}\n')
        source = ["fl-source", "stdin", "--format", "json", events]
        done = self.check(self.pipeline(
            source, ["sh", "-c", f"exec fl-sink kafka --properties 3 3< {new}"]), 0, 0, limit=LIMIT)
        for says in ("flumeBatchSize' has no effect", "kafka.producer.acks has no effect",
                     "kafka.producer.no.such.thing has no effect"):
            self.assertIn(says, done.errors(1))
        found = self.kafka.records(one)
        self.assertEqual([(r.key, r.value, r.headers) for r in found],
                         [(b"K", b"a", [("Khost", "w")])])
        done = self.check(self.pipeline(
            ["sh", "-c", "echo b"], ["sh", "-c", f"exec fl-sink kafka --properties 3 3< {old}"]),
            0, 0, limit=LIMIT)
        for says in ("batchSize' has no effect", "requiredAcks' has no effect"):
            self.assertIn(says, done.errors(1))
        self.assertEqual(self.values(two), [b"over", b"b"])

    def test_logins(self):
        topic = self.topic()
        closed = self.topic()
        self.kafka.admin.allow_only("alice", closed)
        tls = str(self.kafka.dir / "tls")
        jaas = self.write("jaas", "org.apache.kafka.common.security.plain.PlainLoginModule required "
                                  'username="bob" password="bob-secret";')
        wrong = self.write("wrong", "org.apache.kafka.common.security.plain.PlainLoginModule "
                                    'required username="bob" password="hush-hush";')

        def sasl(file, protocol="SASL_PLAINTEXT", mechanism="PLAIN"):
            return ["--producer", f"security.protocol={protocol}", "--producer",
                    f"sasl.mechanism={mechanism}", "--producer-file", f"sasl.jaas.config={file}"]

        trust = ["--producer", f"ssl.truststore.location={tls}/ca.pem"]
        client = ["-X", f"ssl.certificate.location={tls}/client.pem", "-X",
                  f"ssl.key.location={tls}/client.key"]
        over_tls = ["--producer", "security.protocol=SSL"]
        place = self.kafka
        for server, words, status, says in [
                (place.sasl, sasl(jaas), 0, ""),
                (place.sasl_tls, [*sasl(jaas, "SASL_SSL"), *trust], 0, ""),
                (place.tls, [*over_tls, *trust, *client], 0, ""),
                (place.sasl, sasl(wrong), 77, "check user, password"),
                (place.sasl, sasl(wrong, mechanism="SCRAM-SHA-512"), 77, "SCRAM"),
                (place.tls, [*over_tls, "-X", f"ssl.ca.location={tls}/other-ca.pem", *client], 77,
                 "certificate"),
        ]:
            with self.subTest(words):
                done = self.pipeline(self.sink(topic, *words, server=server),
                                     stdin=self.text("lines", "a\n"))
                self.check(done, status, limit=LIMIT)
                self.assertIn(says, done.errors(0))
                self.assertNotIn("hush-hush", done.errors(0))
        self.assertEqual(self.values(topic), [b"a"] * 3)
        done = self.pipeline(self.sink(closed, *sasl(jaas), server=place.sasl),
                             stdin=self.text("lines", "a\n"))
        self.check(done, 77, limit=LIMIT)
        self.assertIn(f"topic '{closed}'", done.errors(0))

    def test_certificates_that_have_expired(self):
        """Ours, which the broker refuses, and a broker's, which we refuse."""
        tls = str(self.kafka.dir / "tls")
        with brokers.expired_server(tls) as expired:
            for server, certificate in ((self.kafka.tls, "expired"), (expired, "client")):
                with self.subTest(certificate):
                    done = self.pipeline(
                        self.sink("t", "--producer", "security.protocol=SSL", "-X",
                                  f"ssl.ca.location={tls}/ca.pem", "-X",
                                  f"ssl.certificate.location={tls}/{certificate}.pem", "-X",
                                  f"ssl.key.location={tls}/client.key", server=server),
                        stdin=self.text("lines", "a\n"))
                    self.check(done, 77, limit=LIMIT)
                    self.assertIn("certificate", done.errors(0))

    def test_brokers_that_are_away(self):
        away = "127.0.0.1:1"
        for words in (["--give-up-after", "2s", "--grace", "1h"], ["--grace", "1s"]):
            with self.subTest(words):
                done = self.pipeline(self.sink("t", *words, server=away),
                                     stdin=self.text("lines", "a\n"))
                self.check(done, 69, limit=LIMIT)
                self.assertIn("Connection refused", done.errors(0))

    def test_a_broker_that_is_killed_or_frozen_loses_and_doubles_nothing(self):
        # Keys 0 to 9; each event is its number.
        for fault in ("kill", "freeze"):
            with self.subTest(fault):
                topic = self.topic(partitions=3)
                metrics = self.path(f"{fault}.prom")
                pipeline = self.pipeline(
                    ["fl-source", "seq", "--count", str(COUNT)],
                    ["fl-intercept", "regex_extractor", "(.)$", "key"],
                    self.sink(topic, "--metrics", metrics, "--metrics-interval", "100ms", "-X",
                              "socket.timeout.ms=1500", "--producer", "buffer.memory=2000000",
                              "--grace", "90s"))
                harness.poll(lambda: self.messages(metrics) > 1000, "the first messages", LIMIT)
                if fault == "kill":
                    self.kafka.kill(1)
                    self.kafka.restart(1)
                else:
                    self.kafka.freeze(1)
                    stderr = harness.poll(lambda: "waiting" in pipeline.errors(2), "an alarm", LIMIT)
                    self.assertTrue(stderr)
                    self.kafka.thaw(1)
                self.check(pipeline, 0, 0, 0, limit=LIMIT)
                found = self.kafka.records(topic)
                self.assertEqual(len(found), COUNT)
                self.assertEqual({int(r.value) for r in found}, set(range(COUNT)))
                last = {}
                for record in found:  # by partition, then offset
                    self.assertLess(last.get(record.key, -1), int(record.value))
                    last[record.key] = int(record.value)
                self.assertEqual(len(last), 10)

    @staticmethod
    def messages(path):
        try:
            with open(path) as file:
                for line in file:
                    if line.startswith("fl_sink_kafka_messages_total"):
                        return int(line.split()[-1])
        except OSError:
            pass
        return 0

    def test_term_delivers_what_was_read(self):
        topic = self.topic()
        metrics = self.path("term.prom")
        pipeline = self.pipeline(["fl-source", "exec", "--", "yes"],
                                 self.sink(topic, "--metrics", metrics, "--metrics-interval",
                                           "100ms"))
        harness.poll(lambda: self.messages(metrics) > 1000, "the first messages", LIMIT)
        pipeline.send(signal.SIGTERM)
        pipeline.wait(LIMIT)
        self.assertEqual(self.messages(metrics), self.kafka.admin.offsets(topic)[0])
        self.assertNotIn("unacknowledged", pipeline.errors(1))


if __name__ == "__main__":
    harness.main()
