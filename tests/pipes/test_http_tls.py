#!/usr/bin/env python3
"""TLS of fl-source http and fl-sink http: with each other, with curl(1), openssl(1) and Python; who is
refused, in which words; ipFilter and the header with a client's address."""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import certificates
import harness
import tls_case
from tls_case import PASSWORD

PRINT = "fl-sink stdout --stream"
COUNT = 20_000


class Case(tls_case.Case):
    def serve(self, pair=None, more="", stage=PRINT, **others):
        return self.listen(stage, source="http",
                           options=self.server_options(pair, "--handler lines " + more), **others)

    def web(self, context=None):
        client = http.client.HTTPSConnection("localhost", self.port, timeout=harness.HANG,
                                             context=context or self.context())
        self.addCleanup(client.close)
        return client

    def ask(self, client, body, path="/", method="POST"):
        client.request(method, path, body)
        answer = client.getresponse()
        answer.read()
        return answer.status

    def curl(self, *options, status=0, host="localhost", data="curl\n"):
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "30", "-w", "%{http_code}", "--data-binary", data,
             *options, f"https://{host}:{self.port}/"], capture_output=True, check=False,
            timeout=harness.HANG * 2, env=self.env())
        said = (done.stdout + done.stderr).decode()
        self.assertEqual(done.returncode, status, said)
        return said

    def send(self, options, lines=b"1\n2\n3\n", status=0, host="127.0.0.1", env=None, port=None):
        """fl-sink http to self.port; what it says."""
        done = subprocess.run(
            ["fl-sink", "http", "--format", "lines", *options.split(),
             f"https://{host}:{port or self.port}/"], input=lines, capture_output=True,
            env=env or self.env(), check=False, timeout=harness.HANG)
        said = done.stderr.decode()
        self.assertEqual(done.returncode, status, said)
        self.assertNotIn(PASSWORD, said)
        return said


class Source(Case):
    """Properties: http.ssl, http.keystore, http.keystoreKey, http.clientTruststore
    Property: http.handshakeTimeout"""

    def test_curl_and_python(self):
        pipeline = self.serve()
        ca = self.shelf.ca.certificate
        self.assertEqual(self.curl("--cacert", ca), "200")
        self.assertEqual(self.curl("--cacert", ca, "--tls-max", "1.2"), "200")
        self.assertEqual(self.curl("--cacert", ca, "-H", "Transfer-Encoding: chunked"), "200")
        self.assertEqual(self.curl("--cacert", ca, host="127.0.0.1"), "200")
        self.curl(status=60)  # it does not trust ours
        client = self.web()
        for i in range(3):  # on one connection
            self.assertEqual(self.ask(client, b"python %d\n" % i), 200)
        self.assertEqual(self.ask(client, None, "/health", "GET"), 200)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"curl\n" * 4 + b"python 0\npython 1\npython 2\n")

    def test_large_bodies(self):
        """More than all buffers between hold, several clients at a time."""
        pipeline = self.serve(more="--max-body 8M", stage="fl-sink null --stream")
        body = b"".join(b"%0100d\n" % i for i in range(70_000))
        statuses = []

        def post():
            statuses.append(self.ask(self.web(), body))
        threads = [threading.Thread(target=post) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [200] * 3)
        self.assertEqual(self.ask(self.web(), b"x" * (8 << 20) + b"\n"), 413)
        self.stop(pipeline)
        self.assertIn("210000 events", pipeline.errors(0))

    def test_requests_that_do_not_wait(self):
        """Pipelined, from a client that reads its answers only at the end, and closes for sending
        first."""
        pipeline = self.serve()
        link = self.secure()
        one = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na\n"
        link.sendall(one * 2000)
        link.sendall(one.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        answers = b""
        while piece := link.recv(65536):
            answers += piece
        self.assertEqual(answers.count(b"HTTP/1.1 200 OK"), 2001)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"a\n" * 2001)

    def test_an_answer_that_waits_for_acknowledgements(self):
        """No answer before; and one on TERM, followed by the end of TLS."""
        pipeline = self.serve(more="--ack-at sink")
        pipeline.processes[1].send_signal(signal.SIGSTOP)
        link = self.secure()
        link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na\n")
        self.passed(pipeline, 1)
        link.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            link.recv(1)
        link.settimeout(harness.HANG)
        pipeline.send(signal.SIGTERM, 0)
        pipeline.processes[1].send_signal(signal.SIGCONT)
        answer = b""
        while piece := link.recv(4096):
            answer += piece
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK"), answer)
        self.assertIn(b"Connection: close", answer)
        self.check(pipeline, 0, 0)
        self.assertEqual(pipeline.output(), b"a\n")

    def passed(self, pipeline, events):
        def reported():
            pipeline.send(signal.SIGUSR1, 0)
            return f"{events} event" in pipeline.errors(0)
        harness.poll(reported, f"{events} events")

    def test_clients_that_leave(self):
        """In the middle of a handshake, a head or a body, with and without the close of TLS: nothing of
        theirs is taken, and others go on."""
        pipeline = self.serve()
        whole = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nnot whole"
        client = self.web()
        for at in (0, 5, 30, len(whole) - 9, len(whole)):
            for orderly in (True, False):
                link = self.secure()
                link.sendall(whole[:at])
                if orderly:
                    link.settimeout(0.01)  # it says so, and does not wait for an answer
                    try:
                        link.unwrap()
                    except (ssl.SSLError, OSError):
                        pass
                link.close()
                self.assertEqual(self.ask(client, b"good\n"), 200)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"good\n" * 10)
        self.assertIn("10 events", pipeline.errors(0))

    def test_certificates_of_clients(self):
        ca = self.shelf.ca.certificate
        pipeline = self.serve(more=f"--client-truststore {ca}")

        def shown(pair):
            return ("--cacert", ca, "--cert", pair.certificate, "--key", pair.key)
        for more in ((), ("--tls-max", "1.2")):
            self.assertRegex(self.curl("--cacert", ca, *more, status=56 if not more else 35),
                             "alert")
        self.says(pipeline, "the client sent no certificate")
        for pair in (self.shelf.stranger, self.shelf.expired, self.shelf.self_signed):
            with self.assertRaises((ssl.SSLError, OSError)):
                self.ask(self.web(self.context(pair)), b"bad\n")
        self.assertEqual(self.curl(*shown(self.shelf.client)), "200")
        self.assertEqual(self.ask(self.web(self.context(self.shelf.client)), b"python\n"), 200)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"curl\npython\n")

    def test_versions_below_1_2_and_plain_http_are_refused(self):
        pipeline = self.serve()
        for version in ("-tls1", "-tls1_1"):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", version, "-cipher",
                 "ALL:@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                timeout=harness.HANG)
            self.assertRegex(done.stderr.decode(), "alert protocol version")
        self.says(pipeline, "the peer has no TLS version that is allowed here")
        with socket.create_connection(("127.0.0.1", self.port), harness.HANG) as link:
            link.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na\n")
            self.assertNotIn(b"HTTP", link.recv(100))
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"")

    def test_slow_handshakes_leave(self):
        pipeline = self.serve(more="--handshake-timeout 300ms --max-connections 3")
        slow = [socket.create_connection(("127.0.0.1", self.port), harness.HANG) for _ in range(3)]
        self.assertEqual(self.ask(self.web(), b"good\n"), 200)  # waits until one of them has left
        self.says(pipeline, "the TLS handshake failed: it was not over after 300ms")
        for each in slow:
            each.close()
        self.stop(pipeline)

    def test_a_slow_head_leaves(self):
        pipeline = self.serve(more="--head-timeout 300ms")
        link = self.secure()
        link.sendall(b"POST / HT")
        self.assertEqual(link.recv(1), b"")
        self.says(pipeline, "has not sent a request in time")
        self.stop(pipeline)

    def test_certificates_are_read_again_on_hup(self):
        folder = self.path("live")
        os.mkdir(folder)
        live = certificates.Pair(os.path.join(folder, "c.pem"), os.path.join(folder, "k.pem"), None)

        def put(pair):
            shutil.copy(pair.certificate, live.certificate)
            shutil.copy(pair.key, live.key)

        def served():
            with self.secure() as link:
                return dict(field[0] for field in link.getpeercert()["subject"])["commonName"]
        put(self.shelf.server)
        pipeline = self.serve(live)
        old = self.web()
        self.assertEqual(self.ask(old, b"1\n"), 200)
        self.assertEqual(served(), "server")
        put(self.shelf.next)
        pipeline.processes[0].send_signal(signal.SIGHUP)
        self.says(pipeline, "certificates were read again")
        self.assertEqual(served(), "next")
        self.assertEqual(self.ask(old, b"2\n"), 200)  # the connection stays
        self.write("live/c.pem", "nothing")
        pipeline.processes[0].send_signal(signal.SIGHUP)
        self.says(pipeline, "the certificates from before stay in use")
        self.assertEqual(served(), "next")
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"1\n2\n")

    def test_flume_properties(self):
        """With the names of Flume before 1.10, too; passwords are in no argument and no output.

        Properties: http.keystore-password, http.enableSSL, http.keystorePassword
        Properties: http.excludeProtocols, http.exclude-protocols, http.include-protocols
        Properties: http.include-cipher-suites, http.exclude-cipher-suites"""
        store = self.shelf.server.pkcs12(PASSWORD)
        for name, text in (
                ("new", f"ssl = true\nkeystore = {store}\nkeystore-password = {PASSWORD}\n"
                        "keystore-type = PKCS12\nexclude-protocols = SSLv3 TLSv1.3\n"
                        "include-protocols = TLSv1.2 TLSv1.3\n"
                        "include-cipher-suites = TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 "
                        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
                        "exclude-cipher-suites = TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"),
                ("old", f"enableSSL = true\nkeystore = {store}\nkeystorePassword = {PASSWORD}\n"
                        "excludeProtocols = SSLv3 TLSv1.3\n"),
                ("both", f"ssl = true\nenableSSL = false\nkeystore = {store}\nkeystorePassword = x\n"
                         f"keystore-password = {PASSWORD}\n")):
            with self.subTest(name):
                ours = self.write("source.properties", "port = 0\nbind = 127.0.0.1\n" + text)
                pipeline = self.pipeline(
                    ["sh", "-c", f"exec fl-source http --properties 3 3< {ours}"], PRINT)
                self.port = self.address(pipeline)[1]
                with self.secure() as link:
                    self.assertEqual(link.version(), "TLSv1.3" if name == "both" else "TLSv1.2")
                    if name == "new":
                        self.assertEqual(link.cipher()[0], "ECDHE-RSA-AES256-GCM-SHA384")
                self.assertEqual(self.ask(self.web(), b'[{"body":"x"}]'), 200)
                with open(f"/proc/{pipeline.processes[0].pid}/cmdline", "rb") as file:
                    self.assertNotIn(PASSWORD.encode(), file.read())
                self.stop(pipeline)
                self.assertEqual(pipeline.output(), b"x\n")
                self.assertNotIn(PASSWORD, pipeline.errors(0))
                done = subprocess.run(
                    ["sh", "-c", f"fl-source http --print-command --properties 3 3< {ours}"],
                    capture_output=True, env=self.env(), timeout=harness.HANG, check=False)
                self.assertNotIn(PASSWORD.encode(), done.stdout + done.stderr)
                self.assertIn(b"--tls", done.stdout)

    def test_what_is_wrong_is_named(self):
        for options, words in (
                ("--tls", "--tls needs a certificate"),
                (f"--tls --keystore {self.shelf.server.certificate}", "contains no private key"),
                ("--ip-filter", "--ip-filter needs rules"),
                (f"--client-ip-header {'x' * 300}", "is not a valid header name")):
            done = subprocess.run(["fl-source", "http", "--port", "0", *options.split()],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, env=self.env(), check=False,
                                  timeout=harness.HANG)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn(words, done.stderr.decode())


class Access(Case):
    """Properties: http.ipFilter, http.ipFilterRules, http.clientIPHeader"""

    def test_rules(self):
        for options in ("", self.server_options()):
            pipeline = self.listen(PRINT, source="http", options=options + " --handler lines "
                                   "--ip-filter --ip-filter-rules allow:ip:127.0.0.2,deny:ip:*")
            words = ["-k", "--interface", "127.0.0.2"]
            if not options:
                words = ["--proto-default", "http", "--interface", "127.0.0.2"]
            url = f"{'https' if options else 'http'}://127.0.0.1:{self.port}/"
            for interface, status in (("127.0.0.2", 0), ("127.0.0.3", None)):
                words[-1] = interface
                done = subprocess.run(["curl", "-sS", "--data-binary", "a\n", *words, url],
                                      capture_output=True, timeout=harness.HANG, check=False)
                self.assertEqual(done.returncode == 0, status == 0, done.stderr)
            self.says(pipeline, "may not connect by the rule 'deny:ip:")
            self.stop(pipeline)
            self.assertEqual(pipeline.output(), b"a\n")

    def test_the_header(self):
        """With every handler; it cannot be forged, and counts for the limits of an event."""
        forged = {"headers": {"from": "192.0.2.1", "n": "1"}, "body": "a"}
        cases = {"json": json.dumps([forged, {"body": "b"}]),
                 "ndjson": json.dumps(forged) + '\n{"body":"b"}\n',
                 "lines": "a\nb\n"}
        for handler, body in cases.items():
            with self.subTest(handler):
                pipeline = self.listen("fl-sink stdout --stream --format json", source="http",
                                       options=self.server_options(
                                           more=f"--handler {handler} --client-ip-header from"))
                self.assertEqual(self.ask(self.web(), body), 200)
                if handler == "json":
                    many = [{"headers": {f"h{i}": "" for i in range(64)}}]
                    self.assertEqual(self.ask(self.web(), json.dumps(many)), 413)
                self.stop(pipeline)
                rows = [json.loads(row) for row in pipeline.output().decode().splitlines()]
                first = {"from": "127.0.0.1", **({} if handler == "lines" else {"n": "1"})}
                self.assertEqual(rows, [{"headers": first, "body": "a"},
                                        {"headers": {"from": "127.0.0.1"}, "body": "b"}])


class Sink(Case):
    """fl-sink http to fl-source http."""

    def test_events_arrive(self):
        """Properties: http.truststore, http.trust-all-certs, http.truststore-password
        Property: http.clientTruststorePassword"""
        lines = b"".join(b"%d\n" % i for i in range(COUNT))
        server, client = self.shelf.server, self.shelf.client
        trust = self.path("trust.p12")
        certificates.openssl("pkcs12", "-export", "-nokeys", "-in", self.shelf.ca.certificate,
                             "-out", trust, "-passout", "pass:" + PASSWORD)
        trusted = f"--truststore {self.shelf.ca.certificate} "
        asks = (f"--client-truststore {trust} --client-truststore-password-env FL_WORD")
        cases = {
            "PEM": (self.server_options(), trusted),
            "PKCS12": (f"--tls --keystore {server.pkcs12(PASSWORD)} "
                       "--keystore-password-env FL_WORD",
                       f"--truststore {trust} --truststore-password-env FL_WORD"),
            "TLS 1.2": (self.server_options(), trusted + "--exclude-protocols TLSv1.3"),
            "a cipher by Java's name": (
                self.server_options(more="--include-protocols TLSv1.2 --include-cipher-suites "
                                         "ECDHE-RSA-AES256-GCM-SHA384"),
                trusted + "--include-cipher-suites TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
            "trust-all-certs": (self.server_options(self.shelf.self_signed), "--trust-all-certs"),
            "a pinned certificate": (self.server_options(self.shelf.self_signed),
                                     f"--truststore {self.shelf.self_signed.certificate}"),
            "CAs of the system": (self.server_options(), ""),
            "a certificate of the client": (
                self.server_options(more=asks),
                f"{trusted}--keystore {client.certificate} --keystore-key "
                f"{client.locked_key(PASSWORD)} --keystore-password-env FL_WORD"),
        }
        for name, (ours, theirs) in cases.items():
            with self.subTest(name):
                env = self.env(FL_WORD=PASSWORD)
                pipeline = self.listen(PRINT, source="http", options=ours + " --handler lines",
                                       env=env)
                said = self.send(theirs + " --batch-size 500", lines, host="localhost",
                                 env=self.env(SSL_CERT_FILE=self.shelf.ca.certificate,
                                              FL_WORD=PASSWORD))
                self.assertEqual("--trust-all-certs: the identity of the server" in said, "all" in name)
                self.stop(pipeline)
                self.assertEqual(pipeline.output(), lines)
                self.assertNotIn(PASSWORD, pipeline.errors(0))

    def test_it_refuses_what_it_cannot_trust(self):
        trusted = f"--truststore {self.shelf.ca.certificate}"
        for pair, words in ((self.shelf.expired, "certificate has expired"),
                            (self.shelf.wrong_name, "no alternative certificate subject name"),
                            (self.shelf.self_signed, "self-signed certificate"),
                            (self.shelf.stranger, "unable to get local issuer certificate")):
            with self.subTest(words):
                pipeline = self.serve(pair)
                said = self.refused(trusted, words)
                self.assertIn(f"https://127.0.0.1:{self.port}/", said)
                self.stop(pipeline)
                self.assertEqual(pipeline.output(), b"")
        pipeline = self.serve()
        # Neither libcurl's list of CAs nor the system's counts besides --truststore.
        self.refused(f"--truststore {self.shelf.other_ca.certificate}", "unable to get local issuer",
                     env=self.env(SSL_CERT_FILE=self.shelf.ca.certificate,
                                  CURL_CA_BUNDLE=self.shelf.ca.certificate))
        self.refused("", "unable to get local issuer", env=self.env(SSL_CERT_FILE="/dev/null"))
        self.refused(trusted + " --include-protocols TLSv1.2 --include-cipher-suites "
                     "ECDHE-ECDSA-AES128-GCM-SHA256", "handshake failure|accepts no cipher")
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"")

    def test_what_it_excludes_or_does_not_include_it_does_not_use(self):
        pipeline = self.serve(more="--include-protocols TLSv1.2 --include-cipher-suites "
                                   "ECDHE-RSA-AES256-GCM-SHA384")
        trusted = f"--truststore {self.shelf.ca.certificate}"
        for options in ("--exclude-protocols TLSv1.2", "--include-protocols TLSv1.3",
                        "--exclude-cipher-suites TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                        "--include-cipher-suites ECDHE-RSA-AES128-GCM-SHA256"):
            with self.subTest(options):
                self.refused(f"{trusted} {options}", "TLS|SSL")
        self.send(f"{trusted} --exclude-protocols TLSv1.3 "
                  "--exclude-cipher-suites TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"1\n2\n3\n")

    def test_the_server_refuses_it(self):
        ca = self.shelf.ca.certificate
        pipeline = self.serve(more=f"--client-truststore {ca}")
        trusted = f"--truststore {ca}"

        def shown(pair):
            return f"{trusted} --keystore {pair.certificate} --keystore-key {pair.key}"
        self.refused(trusted, "the TLS handshake failed: the peer wants a client certificate")
        self.refused(shown(self.shelf.stranger), "does not know the CA of our certificate")
        self.refused(shown(self.shelf.expired), "our certificate has expired")
        self.refused(trusted + " --exclude-protocols TLSv1.3", "or wants a client certificate")
        self.assertEqual(pipeline.output(), b"")
        self.send(shown(self.shelf.client))
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"1\n2\n3\n")

    def test_a_server_below_1_2_is_refused(self):
        self.start_old_server()
        self.refused(f"--truststore {self.shelf.ca.certificate}", "protocol|no TLS version")

    def test_it_trusts_the_new_ca_after_hup(self):
        trusted = self.path("trusted.pem")
        shutil.copy(self.shelf.other_ca.certificate, trusted)
        pipeline = self.serve()
        sender = self.pipeline(["fl-source", "seq", "--count", "10"],
                               ["fl-sink", "http", "--stream", "--format", "lines", "--truststore",
                                trusted, "--grace", "60s", f"https://127.0.0.1:{self.port}/"])
        self.says(sender, "unable to get local issuer", 1)
        shutil.copy(self.shelf.ca.certificate, trusted)
        sender.processes[1].send_signal(signal.SIGHUP)
        self.check(sender, 0, 0, limit=90)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"".join(b"%d\n" % i for i in range(10)))

    def test_certificates_without_https(self):
        done = subprocess.run(
            ["fl-sink", "http", "--dry-run", "--trust-all-certs", "http://127.0.0.1:1/"],
            stdin=subprocess.DEVNULL, capture_output=True, env=self.env(), check=True,
            timeout=harness.HANG)
        self.assertIn("certificates have no effect without https", done.stderr.decode())


if __name__ == "__main__":
    harness.main()
