#!/usr/bin/env python3
"""fl-sink avro with several hosts: who gets the events, and that none is lost when hosts are killed."""
import collections
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import certificates
import harness

BATCH = 50
HOSTS = 3


class Hosts(harness.Case):
    """Properties: avro.hosts, avro.client.type, avro.host-selector, avro.backoff, avro.maxBackoff"""

    def host(self, log, port=0, options=""):
        """A server that stores what it gets in a log; its port."""
        pipeline = self.pipeline(f"fl-source avro --port {port} {options}",
                                 f"fl-channel file --stream {log} --put")
        return pipeline, self.address(pipeline)[1]

    def hosts(self, count=HOSTS, options=""):
        self.logs = [self.path(f"log{i}") for i in range(count)]
        made = [self.host(log, options=options) for log in self.logs]
        self.servers = [pipeline for pipeline, _ in made]
        self.ports = [port for _, port in made]
        self.where = " ".join(f"127.0.0.1:{port}" for port in self.ports)

    def stored(self, log):
        if not os.path.isdir(log):
            return []
        done = subprocess.run(["fl-channel", "cat", log], capture_output=True, env=self.env(),
                              timeout=harness.HANG, check=False)
        return [int(line) for line in done.stdout.split()]

    def all_stored(self):
        return [number for log in self.logs for number in self.stored(log)]

    def sender(self, options, count=10_000, env=None):
        return self.pipeline(f"fl-source seq --count {count}",
                             f"fl-sink avro --stream --batch-size {BATCH} --grace 60s {options}",
                             env=env)

    def test_failover_uses_the_first_that_works(self):
        self.hosts()
        self.check(self.sender(f"--failover {self.where}", 1000), 0, 0)
        self.assertEqual(self.stored(self.logs[0]), list(range(1000)))
        self.servers[0].kill()
        sender = self.check(self.sender(f"--client-type DEFAULT_FAILOVER {self.where}", 1000), 0, 0)
        self.assertRegex(sender.errors(1), r"output '127.0.0.1:\d+ .*failed: it ended with "
                                           r"status 69")
        self.assertEqual(self.stored(self.logs[1]), list(range(1000)))
        self.assertEqual(self.stored(self.logs[2]), [])

    def test_balance_uses_all(self):
        self.hosts()
        for options in ("--balance", "--client-type default_loadbalance --host-selector random "
                                     "--max-backoff 1s"):
            before = [len(self.stored(log)) for log in self.logs]
            self.check(self.sender(f"{options} {self.where}", 20_000), 0, 0)
            for log, had in zip(self.logs, before):
                self.assertGreater(len(self.stored(log)), had)
        self.assertEqual(collections.Counter(self.all_stored()),
                         collections.Counter({i: 2 for i in range(20_000)}))

    def test_nothing_is_lost_when_hosts_are_killed(self):
        """A kill doubles at most the batch that was in flight there."""
        for kind in ("--failover --max-backoff 2s", "--balance --backoff=false"):
            with self.subTest(kind):
                self.hosts()
                count, kills = 40_000, 4
                sender = self.pipeline("fl-source stdin", "fl-sink avro --stream --batch-size "
                                       f"{BATCH} --grace 60s {kind} {self.where}", stdin=subprocess.PIPE)
                stdin = sender.processes[0].stdin
                each = count // (kills + 1)
                for i in range(kills):
                    seen = len(set(self.all_stored()))
                    stdin.write(b"".join(b"%d\n" % n for n in range(i * each, (i + 1) * each)))
                    stdin.flush()
                    harness.poll(lambda: len(set(self.all_stored())) > seen, "more events")
                    one = i % HOSTS
                    self.servers[one].processes[0].kill()
                    self.servers[one].kill()
                    self.servers[one], _ = self.host(self.logs[one], self.ports[one])
                stdin.write(b"".join(b"%d\n" % n for n in range(kills * each, count)))
                stdin.close()
                self.check(sender, 0, 0, limit=120)
                got = self.all_stored()
                self.assertEqual(set(got), set(range(count)))
                print(f"{kind}: {len(got) - count} of {count} came twice in {kills} kills")
                self.assertLessEqual(len(got) - count, kills * BATCH)
                for server in self.servers:
                    server.kill()
                for log in self.logs:
                    subprocess.run(["rm", "-r", log], check=True)

    def test_all_hosts_are_away_for_a_while(self):
        self.hosts(2)
        for server in self.servers:
            server.kill()
        sender = self.sender(f"--balance --backoff=false {self.where}", 500)
        harness.poll(lambda: sender.errors(1).count("status 69") >= 2, "both have failed")
        self.servers[1], _ = self.host(self.logs[1], self.ports[1])
        self.check(sender, 0, 0, limit=90)
        self.assertEqual(sorted(set(self.stored(self.logs[1]))), list(range(500)))

    def test_secrets_of_a_flume_file_reach_the_processes(self):
        """In their environment, and no argument shows them."""
        password = "o-p3n-ses4me"
        ca = certificates.Authority(self.path("ca"))
        server = ca.issue("server")
        trust = self.path("trust.p12")
        certificates.openssl("pkcs12", "-export", "-nokeys", "-in", ca.certificate, "-out", trust,
                             "-passout", "pass:" + password)
        self.hosts(2, f"--tls --keystore {server.joined()}")
        text = self.write("sink.properties", "hosts = a b\n" + "".join(
            f"hosts.{name} = localhost:{port}\n" for name, port in zip("ab", self.ports)) +
            f"client.type = default_loadbalance\nhost-selector = ROUND_ROBIN\nbackoff = true\n"
            f"maxBackoff = 1000\nmax-attempts = 3\nssl = true\ntruststore = {trust}\n"
            f"truststore-password = {password}\n")
        sender = self.pipeline(["sh", "-c", "seq 0 19999; exec sleep 1000"],
                               ["sh", "-c", f"exec fl-sink avro --text --properties 3 3< {text}"])
        harness.poll(lambda: len(self.all_stored()) == 20_000, "all events")
        children = harness.children_of(sender.processes[1].pid)
        self.assertEqual(len(children), 2)
        for pid in children:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read()
            self.assertNotIn(password.encode(), words)
            self.assertIn(b"--truststore-password-env=FL_TRUSTSTORE_PASSWORD", words)
        sender.processes[1].send_signal(signal.SIGHUP)  # goes on to them
        harness.poll(lambda: sender.errors(1).count("certificates were read again") == 2, "both")
        sender.processes[0].kill()
        self.assertEqual(sender.wait()[1], 0)
        self.assertNotIn(password, sender.errors(1))

    def test_what_is_wrong_is_said(self):
        for words, said in (("a:1 b:2", "several hosts need --failover or --balance"),
                            ("--balance --failover a:1 b:2", "choose one"),
                            ("--balance a:1 b", "'b' is not HOST:PORT"),
                            ("--balance a:1 b:2 --batch-size x", "--batch-size")):
            done = subprocess.run(["fl-sink", "avro", *words.split()], input=b"x\n",
                                  capture_output=True, env=self.env(), timeout=harness.HANG,
                                  check=False)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(said, done.stderr.decode())

    def test_attempts(self):
        """One host: it ends after so many failures."""
        self.hosts(1)
        self.servers[0].kill()
        done = subprocess.run(["fl-sink", "avro", "--attempts", "2", self.where], input=b"x\n",
                              capture_output=True, env=self.env(), timeout=harness.HANG, check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("Connection refused (tried for", done.stderr.decode())


if __name__ == "__main__":
    harness.main()
