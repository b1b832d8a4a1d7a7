#!/usr/bin/env python3
"""fl-sink hbase and a gateway that requires Kerberos, with a real KDC: tickets from a keytab and
from a ticket cache, those that expire meanwhile, and what does not work."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import harness
import hbase_server
import kdc_double
import kdc_server

LIMIT = 240    # JVMs on a busy machine
TICKET = 8     # seconds that a ticket lives
SESSION = 3    # seconds that the gateway's cookie for a login is good for


class Kerberos(harness.Case):
    @classmethod
    def setUpClass(cls):
        home = pathlib.Path(tempfile.mkdtemp(prefix="fl-kdc-"))
        cls.addClassCleanup(shutil.rmtree, home, ignore_errors=True)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            kdc = pool.submit(kdc_server.Kdc, home,
                              [hbase_server.HBASE, hbase_server.HTTP, "alice"], TICKET)
            cls.hbase = hbase_server.Server()
            cls.addClassCleanup(cls.hbase.close)
            cls.kdc = kdc.result()
            cls.addClassCleanup(cls.kdc.kill)
            secure = pool.submit(cls.hbase.gateway, kdc=cls.kdc, login_lasts=SESSION)
            cls.open = cls.hbase.gateway()     # for the tests
            cls.secure = secure.result()
        cls.keytab = cls.kdc.keytab("alice")

    def setUp(self):
        super().setUp()
        self.table = self.id().rsplit(".", 1)[-1]
        self.open.create(self.table)

    def env(self, **more):
        return super().env(**{"KRB5_CONFIG": str(self.kdc.conf),
                              "KRB5CCNAME": "FILE:" + self.path("tickets"), **more})

    def kinit(self):
        """libkrb5 fills the ticket cache for curl."""
        if os.path.exists(self.path("tickets")):
            os.remove(self.path("tickets"))
        subprocess.run(["curl", "-sf", "--noproxy", "*", "--negotiate", "-u", ":", "-o", "/dev/null",
                        self.secure.url + "/version"], check=True, timeout=LIMIT,
                       stdin=subprocess.DEVNULL, env=self.env(KRB5_CLIENT_KTNAME=self.keytab))

    def command(self, *options, url=None):
        return ["fl-sink", "hbase", self.table, "--column-family", "f", "--text", "--rest",
                url or self.secure.url, *options]

    def store(self, *options, data=b"x\n", url=None, **env):
        done = subprocess.run(self.command(*options, url=url), input=data, capture_output=True,
                              env=self.env(**env), cwd=self.dir, timeout=LIMIT, check=False)
        return done.returncode, done.stderr.decode()

    def values(self):
        return sorted(value for row in self.open.rows(self.table).values()
                      for cells in row.values() for _, value in cells)

    def test_keytab(self):
        status, said = self.store("--kerberos-keytab", self.keytab, "--kerberos-principal",
                                  "alice@EXAMPLE.COM", "--batch-size", "10",
                                  data=b"".join(b"%03d\n" % i for i in range(100)))
        self.assertEqual(status, 0, said)
        self.assertEqual(self.values(), [b"%03d" % i for i in range(100)])
        self.assertFalse(os.path.exists(self.path("tickets")))

    def test_ticket_cache(self):
        self.kinit()
        for auth in ("auto", "kerberos"):
            status, said = self.store("--auth", auth, data=auth.encode() + b"\n")
            self.assertEqual(status, 0, said)
        self.assertEqual(self.values(), [b"auto", b"kerberos"])

    def test_tickets_run_out_on_the_way(self):
        """One sink takes the next ticket from its keytab, one waits for somebody's kinit."""
        self.kinit()
        sinks = [self.pipeline(self.command(*options), stdin=subprocess.PIPE, env=self.env())
                 for options in (("--kerberos-keytab", self.keytab), ())]
        inputs = [each.processes[0].stdin for each in sinks]

        def write(line):
            for each in inputs:
                each.write(line)
                each.flush()
        write(b"1\n")
        harness.poll(lambda: len(self.values()) == 2, "the first rows", LIMIT)
        threading.Event().wait(TICKET + 1)     # all that there was is over
        write(b"2\n")
        harness.poll(lambda: self.values() == [b"1", b"1", b"2"], "a row with a new ticket", LIMIT)
        harness.poll(lambda: "has expired" in sinks[1].errors(0), "the alarm", LIMIT)
        self.assertIn("run kinit", sinks[1].errors(0))
        self.kinit()
        harness.poll(lambda: self.values() == [b"1", b"1", b"2", b"2"], "the row that waits", LIMIT)
        for each, sink in zip(inputs, sinks):
            each.close()
            self.check(sink, 0, limit=LIMIT)
        self.assertEqual(sinks[0].errors(0), "")

    def test_a_kdc_that_is_away_for_a_while(self):
        self.kdc.freeze()
        self.addCleanup(self.kdc.thaw)
        sink = self.pipeline(["printf", "x\\n"],
                             self.command("--kerberos-keytab", self.keytab, "--request-timeout",
                                          "2s", "--grace", "10m"), env=self.env())
        harness.poll(lambda: "no KDC has answered" in sink.errors(1), "the warning", LIMIT)
        self.kdc.thaw()
        self.check(sink, 0, 0, limit=LIMIT)
        self.assertEqual(self.values(), [b"x"])

    def test_what_does_not_work(self):
        wrong = self.path("wrong")
        with open(wrong, "wb") as file:
            file.write(kdc_double.keytab("alice"))
        os.chmod(wrong, 0o600)
        with open(self.kdc.conf, encoding="utf-8") as file:
            self.write("krb5.conf", file.read().replace(
                "[libdefaults]", "[libdefaults]\n dns_canonicalize_hostname = false\n"))
        here = self.secure.url.replace("localhost", "127.0.0.1")
        for url, options, words in (
                (None, (), "wants Kerberos: there is no Kerberos ticket"),
                (None, ("--auth", "simple"), "leave out --auth simple"),
                (None, ("--kerberos-keytab", wrong), "cannot log in from the keytab"),
                (None, ("--kerberos-keytab", self.keytab, "--kerberos-principal", "bob"),
                 "cannot log in from the keytab"),
                (here, ("--kerberos-keytab", self.keytab), "ticket for HTTP/127.0.0.1")):
            for dry in ((), ("--dry-run",)):
                status, said = self.store(*options, *dry, "--grace", "10m", url=url,
                                          KRB5_CONFIG=self.path("krb5.conf"))
                self.assertEqual(status, 77, said)
                self.assertIn(words, said)
        status, said = self.store("--kerberos-keytab", self.keytab, "--dry-run")
        self.assertEqual(status, 0, said)
        self.assertEqual(self.values(), [])


if __name__ == "__main__":
    harness.main()
