#!/usr/bin/env python3
"""Who may connect to fl-source avro and netcat (ipFilter), and the header with a client's address."""
import json
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
from avro_rpc import Client


class Access(harness.Case):
    """Properties: avro.ipFilter, avro.ipFilterRules, avro.clientIPHeader
    Properties: netcat.ipFilter, netcat.ipFilterRules, netcat.clientIPHeader"""

    def listen(self, source, *options, bind="127.0.0.1"):
        pipeline = self.pipeline(["fl-source", source, "--port", "0", "--bind", bind, *options],
                                 "fl-sink stdout --stream --format json")
        self.port = self.address(pipeline)[1]
        return pipeline

    def stop(self, pipeline):
        pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, 0, 0)
        return [json.loads(row) for row in pipeline.output().decode().splitlines()]

    def may(self, source, address="127.0.0.1", to="127.0.0.1"):
        """Whether an event from this address is taken."""
        with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET) as link:
            link.settimeout(harness.HANG)
            link.bind((address, 0))
            try:
                link.connect((to, self.port))
                link.sendall(b"line\n")
                return link.recv(10) == b"OK\n"
            except ConnectionError:
                return False

    def test_rules(self):
        for rules, allowed, denied in (
                ("allow:ip:127.0.0.2,deny:ip:*", ("127.0.0.2",), ("127.0.0.1", "127.0.0.22")),
                ("deny:ip:127.0.0.?", ("127.0.0.22",), ("127.0.0.1", "127.0.0.2")),
                ("allow:name:localhost,deny:ip:*", ("127.0.0.1", "127.0.0.2"), ()),
                ("deny:name:nobody.example.com", ("127.0.0.1",), ()),
                ("allow:name:localhos?,deny:name:*", ("127.0.0.1",), ()),
                ("deny:name:*", (), ("127.0.0.1", "127.0.0.77"))):
            with self.subTest(rules):
                pipeline = self.listen("netcat", "--ip-filter", "--ip-filter-rules", rules)
                for address in allowed:
                    self.assertTrue(self.may("netcat", address), address)
                for address in denied:
                    for _ in range(10):
                        self.assertFalse(self.may("netcat", address), address)
                said = pipeline.errors(0)
                self.assertEqual(said.count("may not connect by the rule 'deny:"),
                                 1 if denied else 0, said)
                self.assertEqual(len(self.stop(pipeline)), len(allowed))

    def test_avro_too(self):
        pipeline = self.listen("avro", "--ip-filter", "--ip-filter-rules", "deny:ip:127.0.0.1")
        with self.assertRaises(ConnectionError):
            Client(self.port).append(({}, b"x"))
        self.assertIn("may not connect by the rule 'deny:ip:127.0.0.1'", pipeline.errors(0))
        self.assertEqual(self.stop(pipeline), [])

    def test_an_address_of_ipv4_that_came_as_ipv6(self):
        pipeline = self.listen("netcat", "--ip-filter", "--ip-filter-rules", "allow:ip:127.0.0.1,"
                               "deny:ip:*", "--client-ip-header", "from", bind="::")
        self.assertTrue(self.may("netcat"))
        self.assertFalse(self.may("netcat", "::1", "::1"))
        self.assertEqual(self.stop(pipeline), [{"headers": {"from": "127.0.0.1"}, "body": "line"}])

    def test_what_is_wrong_is_said(self):
        for options, words, status in (
                (("--ip-filter",), "--ip-filter needs rules", 78),
                (("--ip-filter", "--ip-filter-rules", "allow:10.*"), "'allow:10.*' is not a rule", 78),
                (("--client-ip-header", "x" * 300), "is not a valid header name", 78),
                (("--ip-filter-rules", "deny:ip:*"), "no effect without --ip-filter", 0)):
            done = subprocess.run(["fl-source", "avro", "--port", "0", "--dry-run", *options],
                                  stdin=subprocess.DEVNULL, capture_output=True, env=self.env(),
                                  timeout=harness.HANG, check=False)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(words, done.stderr.decode())

    def test_the_header_of_netcat(self):
        pipeline = self.listen("netcat", "--client-ip-header", "client")
        for address in ("127.0.0.1", "127.0.0.9"):
            self.assertTrue(self.may("netcat", address))
        self.assertEqual(self.stop(pipeline),
                         [{"headers": {"client": address}, "body": "line"}
                          for address in ("127.0.0.1", "127.0.0.9")])

    def test_the_header_of_avro(self):
        """It cannot be forged, the other headers and the order stay, and blocks are cut as ever."""
        pipeline = self.listen("avro", "--client-ip-header", "client")
        events = []
        for i in range(5000):
            headers = {"n": str(i)} if i % 2 else {}
            if i % 3 == 0:
                headers["client"] = "192.0.2.1"
            events.append((headers, b"%d" % i))
        with Client(self.port) as client:
            self.assertEqual(client.append_batch(events), "OK")
            self.assertEqual(client.append(({}, b"alone")), "OK")
            many = {f"h{i}": "" for i in range(64)}
            answer = client.append((many, b"too many with one more"))
            self.assertEqual(answer[0], "error")
        rows = self.stop(pipeline)
        self.assertEqual([row["body"] for row in rows], [str(i) for i in range(5000)] + ["alone"])
        for i, row in enumerate(rows[:-1]):
            self.assertEqual(row["headers"], {"client": "127.0.0.1", **({"n": str(i)} if i % 2
                                                                         else {})})


if __name__ == "__main__":
    harness.main()
