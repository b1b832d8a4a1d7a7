#!/usr/bin/env python3
"""brokers.py and admin.py themselves: what the other tests here rely on. Started by ./run."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import brokers
import harness
from admin import KafkaError


class Brokers(harness.Case):
    def setUp(self):
        super().setUp()
        self.kafka = brokers.shared(1)
        self.admin = self.kafka.admin

    def test_records_of_every_form_come_back(self):
        self.admin.create("forms", partitions=2)
        self.kafka.produce("forms", b"one\n\ntwo\n", partition=0, headers=[("a", "1"), ("b", "")])
        self.kafka.produce("forms", b"gone:\n", "-K", ":", "-Z", partition=1)
        self.kafka.produce("forms", b"empty:\n", "-K", ":", partition=1)
        self.kafka.produce_value("forms", b"\0\n\xff", "-p", "1", "-k", "k")
        found = self.kafka.records("forms")
        headers = [("a", "1"), ("b", "")]
        self.assertEqual(
            [(r.partition, r.offset, r.key, r.value, r.headers) for r in found],
            [(0, 0, None, b"one", headers), (0, 1, None, b"two", headers),
             (1, 0, b"gone", None, []), (1, 1, b"empty", b"", []), (1, 2, b"k", b"\0\n\xff", [])])
        self.assertEqual(self.admin.offsets("forms"), {0: 2, 1: 3})
        self.assertEqual(self.admin.offsets("forms", found[0].timestamp + 3_600_000), {0: -1, 1: -1})

    def test_java_tools_read_what_kcat_writes(self):
        self.admin.create("tools")
        self.kafka.produce("tools", b"one\ntwo\n")
        done = self.kafka.run("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server",
                              self.kafka.bootstrap, "--topic", "tools", "--from-beginning",
                              "--max-messages", "2", "--group", "tools")
        self.assertEqual(done.stdout, "one\ntwo\n", done.stderr)
        self.assertEqual(self.admin.committed("tools", "tools"), {0: 2})
        self.assertEqual(self.admin.group("tools"), ("Empty", {}))

    def test_orders(self):
        self.admin.create("orders")
        self.admin.add_partitions("orders", 3)
        harness.poll(lambda: len(self.admin.metadata()[1]["orders"]) == 3, "three partitions")
        self.kafka.produce("orders", b"1\n2\n3\n", partition=0)
        self.admin.delete_records("orders", {0: 2})
        self.assertEqual(self.admin.offsets("orders", -2)[0], 2)
        self.admin.delete("orders")
        harness.poll(lambda: "orders" not in self.admin.metadata()[1], "the topic to be gone")
        with self.assertRaises(KafkaError):
            self.admin.metadata("orders")

    def test_listeners(self):
        self.admin.create("doors")
        self.admin.create("closed")
        self.admin.allow_only("alice", "closed")
        self.kafka.produce("doors", b"in\n")
        tls = str(self.kafka.dir / "tls")
        login = ["-X", "sasl.mechanism=PLAIN", "-X", "sasl.username=bob", "-X",
                 "sasl.password=bob-secret"]
        authority = ["-X", f"ssl.ca.location={tls}/ca.pem"]
        doors = [(self.kafka.sasl, ["-X", "security.protocol=sasl_plaintext", *login]),
                 (self.kafka.sasl_tls, ["-X", "security.protocol=sasl_ssl", *authority, *login]),
                 (self.kafka.tls, ["-X", "security.protocol=ssl", *authority, "-X",
                                   f"ssl.certificate.location={tls}/client.pem", "-X",
                                   f"ssl.key.location={tls}/client.key"])]
        for place, options in doors:
            with self.subTest(place):
                self.assertEqual(self.kafka.kcat("-b", place, *options, "-C", "-t", "doors", "-e",
                                                 "-q"), b"in\n")
                with self.assertRaises(RuntimeError):
                    self.kafka.kcat("-b", place, *options, "-C", "-t", "closed", "-e", "-q")

    def test_a_leader_is_killed_frozen_and_comes_back(self):
        three = brokers.shared(3)
        three.admin.create("three", partitions=3, replicas=3)
        three.produce("three", b"before\n", partition=0)
        first = three.admin.leader("three")
        three.kill(first)
        harness.poll(lambda: three.admin.leader("three") != first, "another leader")
        three.produce("three", b"between\n", partition=0)
        three.restart(first)
        second = three.admin.leader("three")
        three.freeze(second)
        harness.poll(lambda: three.admin.leader("three") not in (second, -1), "another leader")
        three.thaw(second)
        three.produce("three", b"after\n", partition=0)
        self.assertEqual([record.value for record in three.records("three")],
                         [b"before", b"between", b"after"])


if __name__ == "__main__":
    harness.main()
