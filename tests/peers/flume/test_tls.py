#!/usr/bin/env python3
"""TLS with a real Flume 1.11 in both directions, with keystores made by keytool: 20,000 events to its
avro source and back from its avro sink; a peer that is not trusted is refused.

FL_TEST_LONG=1: 200,000 events.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import agent
import harness
import receivers

COUNT = 200_000 if os.environ.get("FL_TEST_LONG") else 20_000
LIMIT = 600 if os.environ.get("FL_TEST_LONG") else 120
PASSWORD = "changeit-not"


class Tls(receivers.Case):
    def keytool(self, *words):
        tool = os.path.join(os.path.dirname(os.path.realpath(agent.java())), "keytool")
        done = subprocess.run([tool, *words], capture_output=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())

    def store(self, name, kind="PKCS12"):
        """A keystore with a certificate of its own, and that certificate in PEM."""
        path, pem = self.path(name), self.path(name + ".pem")
        self.keytool("-genkeypair", "-alias", name, "-keyalg", "RSA", "-keysize", "2048", "-dname",
                     f"CN={name}", "-ext", "san=dns:localhost,ip:127.0.0.1", "-validity", "5",
                     "-storetype", kind, "-keystore", path, "-storepass", PASSWORD,
                     "-keypass", PASSWORD)
        self.keytool("-exportcert", "-rfc", "-alias", name, "-keystore", path, "-storepass",
                     PASSWORD, "-file", pem)
        return path, pem

    def trusting(self, name, pem):
        """A truststore with that certificate."""
        path = self.path(name)
        self.keytool("-importcert", "-noprompt", "-alias", "it", "-file", pem, "-storetype",
                     "PKCS12", "-keystore", path, "-storepass", PASSWORD)
        return path

    def tls_receiver(self, port, options):
        return self.receiver("fl-sink stdout --stream", port=port,
                             options=f"--tls {options} --keystore-password-env FL_WORD",
                             env=self.env(FL_WORD=PASSWORD))

    def test_both_directions(self):
        theirs, their_pem = self.store("theirs")
        ours, our_pem = self.store("ours")
        trust = self.trusting("trust", our_pem)
        old, _ = self.store("old", "JKS")
        in_port, out_port, bad_port = agent.free_ports(3)
        rows = f"""
a1.sources = r
a1.channels = c d
a1.sinks = k bad
a1.sources.r.type = avro
a1.sources.r.bind = 127.0.0.1
a1.sources.r.port = {in_port}
a1.sources.r.channels = c d
a1.sources.r.ssl = true
a1.sources.r.keystore = {theirs}
a1.sources.r.keystore-password = {PASSWORD}
a1.sources.r.keystore-type = PKCS12
a1.channels.c.type = memory
a1.channels.c.capacity = {COUNT}
a1.channels.c.transactionCapacity = 1000
a1.channels.d.type = memory
a1.channels.d.capacity = {COUNT}
a1.channels.d.transactionCapacity = 1000
a1.sinks.k.type = avro
a1.sinks.k.hostname = localhost
a1.sinks.k.port = {out_port}
a1.sinks.k.channel = c
a1.sinks.k.batch-size = 1000
a1.sinks.k.ssl = true
a1.sinks.k.truststore = {trust}
a1.sinks.k.truststore-password = {PASSWORD}
a1.sinks.k.truststore-type = PKCS12
a1.sinks.bad.type = avro
a1.sinks.bad.hostname = localhost
a1.sinks.bad.port = {bad_port}
a1.sinks.bad.channel = d
a1.sinks.bad.ssl = true
a1.sinks.bad.truststore = {trust}
a1.sinks.bad.truststore-password = {PASSWORD}
a1.sinks.bad.truststore-type = PKCS12
"""
        lines = b"".join(b"%d\n" % i for i in range(COUNT))
        self.write("lines", lines)
        out = self.tls_receiver(out_port, f"--keystore {ours}")
        bad = self.tls_receiver(bad_port, f"--keystore {theirs}")  # which its sink does not trust
        with agent.Agent(self.dir, rows) as flume:
            flume.wait_for(r"Avro source \w+ started")
            send = f"fl-sink avro --stream --batch-size 1000 --tls localhost:{in_port} --truststore "
            refused = self.pipeline("fl-source seq --count 10", send + our_pem)
            flume.poll(lambda: "the server's certificate is refused: self-signed certificate" in
                       refused.errors(1), "fl-sink refuses what it does not trust", LIMIT)
            refused.kill()
            self.check(self.pipeline(f"fl-source stdin {self.path('lines')}", send + their_pem),
                       0, 0, limit=LIMIT)
            flume.poll(lambda: out.output().count(b"\n") >= COUNT, "all have come back", LIMIT)
            harness.poll(lambda: "the TLS handshake failed: the peer does not accept our certificate"
                         in bad.errors(0), "Flume refuses what it does not trust", LIMIT)
        self.end(out)
        self.assertTrue(out.output() == lines, "the same, in order, without doubles")
        self.end(bad)
        self.assertEqual(bad.output(), b"")
        # A store of old Java, and what the message says to do with it.
        done = subprocess.run(["fl-source", "avro", "--port", "0", "--tls", "--keystore", old],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, env=self.env(), timeout=harness.HANG,
                              check=False)
        self.assertEqual(done.returncode, 78)
        command = re.search(r"keytool (-importkeystore .*)", done.stderr.decode())[1].split()
        self.keytool(*command, "-srcstorepass", PASSWORD, "-deststorepass", PASSWORD)
        self.end(self.tls_receiver(out_port, f"--keystore {old}.p12"))


if __name__ == "__main__":
    harness.main()
