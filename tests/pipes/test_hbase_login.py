#!/usr/bin/env python3
"""How fl-sink hbase proves to a gateway who it is: passwords, and Kerberos as far as it goes without a
KDC. A real one and a gateway that asks for it are in tests/peers/hbase."""
import base64
import os
import signal
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness
import kdc_double
import test_hbase
from hbase_gateway import OWN
from ports import free_port

USER, WORD = "anna", "a word: with ümlaut"
RIGHT = "Basic " + base64.b64encode(f"{USER}:{WORD}".encode()).decode()


def refuse(*offers):
    """A gateway's answer to everybody without a login."""
    return lambda request: OWN if request.headers.get("authorization") == RIGHT else (
        401, {"WWW-Authenticate": ", ".join(offers)}, b"who are you?")


class Password(test_hbase.HBaseCase):
    """Properties: hbase.user, hbase.password"""

    def setUp(self):
        super().setUp()
        self.write("word", WORD + "\n")

    def test_rows_arrive(self):
        gateway = self.gateway()
        gateway.answer = refuse('Basic realm="hbase"')
        status, said = self.run_sink([gateway], "--user", USER, "--password-file", "word",
                                     "--increment-column", "n", "--gzip", data=b"x\ny\n")
        self.assertEqual((status, gateway.order), (0, [b"x", b"y"]), said)
        self.assertEqual({each.headers.get("authorization") for each in gateway.requests}, {RIGHT})
        self.assertEqual(said.count("warning"), 0, said)

    def test_from_the_environment_and_a_flume_file(self):
        gateway = self.gateway()
        gateway.answer = refuse("Basic")
        self.write("p", f"table = t\ncolumnFamily = f\nrest = {gateway.url}\nuser = {USER}\n"
                        "password = a word: with \\u00fcmlaut\n")
        for options in ("t --column-family f --rest " + gateway.url + f" --user {USER} "
                        "--password-env WORD", "--properties 3"):
            done = subprocess.run(["sh", "-c", f"exec fl-sink hbase --text {options} 3< p"],
                                  input=b"x\n", capture_output=True, env=self.env(WORD=WORD),
                                  cwd=self.dir, timeout=harness.HANG, check=False)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(gateway.order, [b"x", b"x"])

    def test_a_wrong_one_is_sent_once(self):
        """An account may be locked after a few."""
        gateway, second = self.gateway(), self.gateway()
        gateway.answer = second.answer = refuse('Negotiate, Basic realm="hbase"')
        self.write("wrong", "another")
        status, said = self.run_sink([gateway, second], "--user", USER, "--password-file", "wrong",
                                     "--grace", "10m", data=b"x\n")
        self.assertEqual(status, 77, said)
        self.assertIn("answers 401 to user 'anna'", said)
        self.assertIn("it was sent once", said)
        self.assertEqual(len(gateway.requests) + len(second.requests), 1)

    def test_it_is_refused_on_the_way(self):
        gateway = self.gateway()
        gateway.answer = lambda request: (401, {"WWW-Authenticate": "Basic"}) \
            if test_hbase.put(request) else OWN
        status, said = self.run_sink([gateway], "--user", USER, "--password-file", "word",
                                     "--grace", "10m", data=b"x\n")
        self.assertEqual(status, 77, said)
        self.assertEqual(len([each for each in gateway.requests if test_hbase.put(each)]), 1)

    def test_what_the_gateway_wants(self):
        for offer, options, words in (
                ('Basic realm="x"', (), "--user NAME --password-file FILE"),
                ('Digest realm="Basic, Negotiate-ish"', (), "does not offer"),
                ("Negotiate", ("--auth", "simple"), "leave out --auth simple"),
                ("Negotiate", ("--user", USER, "--password-file", "word"), "wants Kerberos")):
            gateway = self.gateway()
            gateway.answer = lambda request, offer=offer: (401, {"WWW-Authenticate": offer})
            for dry in ((), ("--dry-run",)):
                gateway.requests.clear()
                status, said = self.run_sink([gateway], *options, *dry, "--grace", "10m", data=b"x\n")
                self.assertEqual(status, 77, said)
                self.assertIn(words, said)
                self.assertEqual(len(gateway.requests), 1)

    def test_redirects_are_not_followed(self):
        other, gateway = self.gateway(), self.gateway()
        for where in (other.url + "/t/row", gateway.url + "/elsewhere"):
            gateway.requests.clear()
            gateway.answer = lambda request, where=where: (307, {"Location": where})
            status, said = self.run_sink([gateway], "--user", USER, "--password-file", "word",
                                         "--grace", "10ms", data=b"x\n")
            self.assertEqual(status, 69, said)
            self.assertIn("redirects are not followed", said)
            self.assertEqual({each.path for each in gateway.requests}, {"/t/schema"})
        self.assertEqual(other.requests, [])

    def test_it_is_shown_to_nobody(self):
        gateway = self.gateway()
        for answer in (401, 403, 500, (400, {}, WORD.encode()), None):
            gateway.answer = lambda request, answer=answer: answer
            pipeline = self.pipeline(["printf", "x\\n"], [
                "fl-sink", "hbase", "t", "--column-family", "f", "--rest", gateway.url, "--user",
                USER, "--password-file", "word", "--grace", "10ms", "--metrics", self.path("m")])
            pipeline.wait()
            found = pipeline.errors(1)
            with open(self.path("m"), encoding="utf-8") as file:
                found += file.read()
            if answer != (400, {}, WORD.encode()):      # what a gateway says is not ours
                self.assertNotIn(WORD, found)
            self.assertNotIn(RIGHT.split(" ")[1], found)

    def test_a_network_that_can_read_it(self):
        port = free_port()
        for urls, count in ((["http://gw.example:8080", "http://gw2.example:8080"], 1),
                            (["https://gw.example:8443", f"http://localhost:{port}",
                              f"http://127.0.0.2:{port}", f"http://[::1]:{port}"], 0)):
            status, said = self.run_sink(urls, "--user", USER, "--password-file", "word",
                                         "--connect-timeout", "100ms", "--grace", "10ms", "--dry-run",
                                         data=b"")
            self.assertEqual(status, 69, said)
            self.assertEqual(said.count("readable"), count, said)

    def test_mistakes(self):
        self.write("lines", "one\ntwo\n")
        keytab = ("--kerberos-keytab", "k")
        for options, words in (
                (("--user", USER), "neither"),
                (("--password-file", "word"), "neither"),
                (("--user", "a:b", "--password-file", "word"), "colon"),
                (("--user", USER, "--password-file", "lines"), "one line"),
                (("--user", USER, "--password-file", "word", *keytab), "not both"),
                (("--user", USER, "--password-file", "word", "--auth", "kerberos"), "not both")):
            status, said = self.run_sink(["http://127.0.0.1:1"], *options, data=b"")
            self.assertEqual(status, 64, f"{options}: {said}")
            self.assertIn(words, said)
            self.assertNotIn(WORD, said)
        status, said = self.run_sink(["http://127.0.0.1:1"], "--user", USER, "--password-file",
                                     "none", data=b"")
        self.assertNotEqual(status, 0)
        self.assertIn("cannot open 'none'", said)


class Kerberos(test_hbase.HBaseCase):
    """Properties: hbase.auth, hbase.kerberosPrincipal, hbase.kerberosKeytab"""

    def setUp(self):
        super().setUp()
        self.kdc_is(1)
        with open(self.path("keytab"), "wb") as file:
            file.write(kdc_double.keytab("alice"))
        os.chmod(self.path("keytab"), 0o600)

    def kdc_is(self, port):
        self.write("krb5.conf", kdc_double.krb5_conf(port))

    def env(self, **more):
        return super().env(**{"KRB5_CONFIG": self.path("krb5.conf"),
                              "KRB5CCNAME": "FILE:" + self.path("tickets"), **more})

    def negotiating(self):
        gateway = self.gateway()
        gateway.answer = lambda request: (401, {"WWW-Authenticate": "Negotiate"})
        return gateway

    def test_no_ticket(self):
        for options, words in (((), "wants Kerberos: there is no Kerberos ticket"),
                               (("--auth", "kerberos"), "there is no Kerberos ticket")):
            gateway = self.negotiating()
            status, said = self.run_sink([gateway], *options, "--grace", "10m", data=b"x\n")
            self.assertEqual(status, 77, said)
            self.assertIn(words, said)
            self.assertIn("run kinit", said)
            self.assertLessEqual(len(gateway.requests), 1)

    def test_a_password_would_do_as_well(self):
        gateway = self.gateway()
        gateway.answer = refuse("Negotiate", 'Basic realm="x"')
        status, said = self.run_sink([gateway], data=b"x\n")
        self.assertEqual(status, 77, said)
        self.assertIn("or --user and a password", said)

    def test_keytabs_that_do_not_work(self):
        self.write("text", "this is a keytab\n")
        os.chmod(self.path("text"), 0o600)
        for name, principal, words in (("none", None, "cannot log in from the keytab 'none'"),
                                       ("text", None, "cannot log in from the keytab 'text'"),
                                       ("keytab", "bob@EXAMPLE.COM", "as bob@EXAMPLE.COM")):
            gateway = self.negotiating()
            more = ("--kerberos-principal", principal) if principal else ()
            status, said = self.run_sink([gateway], "--kerberos-keytab", name, *more, "--grace",
                                         "10m", data=b"x\n")
            self.assertEqual(status, 77, said)
            self.assertIn(words, said)
            self.assertEqual(gateway.requests, [])

    def test_a_keytab_for_everybody(self):
        os.chmod(self.path("keytab"), 0o644 & ~stat.S_IWUSR)
        status, said = self.run_sink([self.negotiating()], "--kerberos-keytab", "keytab",
                                     data=b"x\n")
        self.assertEqual(status, 77, said)
        self.assertIn("everybody may read 'keytab'", said)

    def test_no_kdc(self):
        self.kdc_is(free_port())
        gateway = self.negotiating()
        status, said = self.run_sink([gateway, gateway], "--kerberos-keytab", "keytab",
                                     "--kerberos-principal", "alice@EXAMPLE.COM", "--grace",
                                     "500ms", data=b"x\n")
        self.assertEqual(status, 69, said)
        self.assertIn("is a KDC of the realm running?", said)
        self.assertIn("tried for", said)
        self.assertEqual(gateway.requests, [])

    def test_nothing_waits_for_a_silent_kdc(self):
        """Neither the status line nor the end."""
        with kdc_double.SilentKdc() as kdc:
            self.kdc_is(kdc.port)
            gateway = self.negotiating()
            sink = self.pipeline(
                ["fl-source", "exec", "--", "sh", "-c", "echo x; exec sleep 600"],
                ["fl-sink", "hbase", "t", "--stream", "--column-family", "f", "--rest",
                 gateway.url, "--kerberos-keytab", "keytab", "--grace", "100ms"],
                env=self.env())
            harness.poll(kdc.is_asked, "a question to the KDC")
            sink.send(signal.SIGUSR1, 1)
            harness.poll(lambda: "0 requests" in sink.errors(1), "the status line")
            sink.send(signal.SIGTERM, 1)
            self.assertEqual(sink.processes[1].wait(harness.HANG), 75, sink.report())
            # libkrb5 has not given up before.
            self.assertEqual((kdc.asked, gateway.requests), (1, []))
        sink.kill()

    def test_a_limit_for_the_kdc(self):
        with kdc_double.SilentKdc() as kdc:
            self.kdc_is(kdc.port)
            gateway = self.negotiating()
            for limits in (("--request-timeout", "50ms", "--give-up-after", "200ms", "--grace",
                            "10m"), ("--grace", "10ms", "--connect-timeout", "200ms")):
                status, said = self.run_sink([gateway], "--kerberos-keytab", "keytab", *limits,
                                             data=b"x\n")
                self.assertEqual(status, 69, said)
                self.assertIn("no KDC has answered in time", said)
            self.assertEqual(gateway.requests, [])

    def test_properties(self):
        """Flume's names."""
        gateway = self.gateway()
        self.write("p", f"table = t\ncolumnFamily = f\nrest = {gateway.url}\n"
                        "kerberosPrincipal = nobody@EXAMPLE.COM\nkerberosKeytab = none\n")
        for more, status in (("", 77), ("auth = simple\n", 0)):
            with open(self.path("p"), "a", encoding="utf-8") as file:
                file.write(more)
            done = subprocess.run(["sh", "-c", "exec fl-sink hbase --text --properties 3 3< p"],
                                  input=b"x\n", capture_output=True, env=self.env(), cwd=self.dir,
                                  timeout=harness.HANG, check=False)
            self.assertEqual(done.returncode, status, done.stderr.decode())
        self.assertEqual(gateway.order, [b"x"])


if __name__ == "__main__":
    harness.main()
