#!/usr/bin/env python3
"""Logins with SCRAM: to a broker of Kafka 3, and what is reported where librdkafka is too old for
one of Kafka 4. Started by ./run.

librdkafka before 2.6.1 sends the client's nonce twice in its last message. Kafka 3 lets that pass;
Kafka 4 answers as to a wrong password.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, HERE)
import brokers
import harness

LIMIT = 120
LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required "


def librdkafka():
    said = subprocess.run(["kcat", "-V"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return tuple(map(int, re.search(r"librdkafka (\d+)\.(\d+)\.(\d+)", said).groups()))


class Scram(harness.Case):
    def setUp(self):
        super().setUp()
        self.jaas = self.write("jaas", LOGIN + 'username="alice" password="alice-secret";')
        self.wrong = self.write("wrong", LOGIN + 'username="alice" password="hush-hush";')

    def words(self, role, kafka, mechanism, jaas, is_tls):
        trust = [f"--{role}", f"ssl.truststore.location={kafka.dir}/tls/ca.pem"]
        return ["--bootstrap-server", kafka.sasl_tls if is_tls else kafka.sasl,
                f"--{role}", "security.protocol=" + ("SASL_SSL" if is_tls else "SASL_PLAINTEXT"),
                f"--{role}", f"sasl.mechanism={mechanism}", f"--{role}-file",
                f"sasl.jaas.config={jaas}", *(trust if is_tls else [])]

    def test_kafka_3(self):
        kafka = brokers.Cluster(self.path("kafka"), pom="pom-3.xml").start(1)
        self.addCleanup(kafka.stop)
        kafka.admin.create("t")
        kafka.admin.allow_only("alice", "t")
        written = []
        for mechanism, is_tls in (("SCRAM-SHA-256", False), ("SCRAM-SHA-512", True)):
            with self.subTest(mechanism):
                sink = self.words("producer", kafka, mechanism, self.jaas, is_tls)
                written.append(mechanism)
                self.check(self.pipeline(["echo", mechanism], ["fl-sink", "kafka", "t", *sink]), 0, 0,
                           limit=LIMIT)
                source = self.words("consumer", kafka, mechanism, self.jaas, is_tls)
                for group in ([], ["--group", mechanism]):
                    done = self.check(
                        self.pipeline(["fl-source", "kafka", "t", *source, *group, "--once"],
                                      ["fl-sink", "stdout", "--stream"]), 0, 0, limit=LIMIT)
                    self.assertEqual(done.output().decode().splitlines(), written)
                self.is_refused(kafka, mechanism, self.wrong, is_tls)
        self.assertEqual([record.value.decode() for record in kafka.records("t")], written)

    def is_refused(self, kafka, mechanism, jaas, is_tls):
        sink = self.pipeline(["echo", "no"], ["fl-sink", "kafka", "t", *self.words(
            "producer", kafka, mechanism, jaas, is_tls)])
        self.assertEqual(sink.wait(LIMIT)[1], 77, sink.report())
        source = self.pipeline(["fl-source", "kafka", "t", "--once", *self.words(
            "consumer", kafka, mechanism, jaas, is_tls)], ["fl-sink", "null", "--stream"])
        self.check(source, 77, 77, limit=LIMIT)
        said = [sink.errors(1), source.errors(0)]
        for text in said:
            self.assertNotIn("hush-hush", text)
        return said

    def test_kafka_4(self):
        kafka = brokers.shared(1)
        kafka.admin.create("scram")
        version = librdkafka()
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            with self.subTest(mechanism):
                if version >= (2, 6, 1):
                    self.check(self.pipeline(["echo", "a"], ["fl-sink", "kafka", "scram", *self.words(
                        "producer", kafka, mechanism, self.jaas, True)]), 0, 0, limit=LIMIT)
                    continue
                for text in self.is_refused(kafka, mechanism, self.jaas, True):
                    self.assertIn(f"librdkafka {'.'.join(map(str, version))} cannot log in to Kafka 4 "
                                  "with SCRAM, 2.6.1 can", text)


if __name__ == "__main__":
    harness.main()
