#!/usr/bin/env python3
"""TLS of fl-source avro, fl-source netcat and fl-sink avro: with each other, with openssl(1) and with
Python's ssl; who is refused, in which words, and what stays secret."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import certificates
import harness
from avro_rpc import call, encoded, frame, handshake
from tls_case import PASSWORD, Case

COUNT = 20_000


class Both(Case):
    """fl-sink avro to fl-source avro."""

    def test_events_arrive(self):
        """Property: avro.trust-all-certs"""
        lines = b"".join(b"%d\n" % i for i in range(COUNT))
        secret = self.write("secret", PASSWORD + "\n")
        server, client = self.shelf.server, f"--tls --truststore {self.shelf.ca.certificate}"
        locked = f"--keystore {server.certificate} --keystore-key {server.locked_key(PASSWORD)}"
        cases = {
            "PEM": (self.server_options(), client),
            "one PEM file": (f"--tls --keystore {server.joined()}", client),
            "PKCS12": (f"--tls --keystore {server.pkcs12(PASSWORD)} "
                       f"--keystore-password-file {secret}", client),
            "PKCS12 as Java 8 wrote it": (
                f"--tls --keystore {server.pkcs12(PASSWORD, '-legacy')} "
                f"--keystore-password-env FL_WORD", client),
            "a key with a password": (f"--tls {locked} --keystore-password-env FL_WORD", client),
            "deflate": (self.server_options(more="--compression-type deflate"),
                        client + " --compression-type deflate"),
            "TLS 1.2": (self.server_options(more="--exclude-protocols TLSv1.3"), client),
            "a cipher by Java's name": (
                self.server_options(), client + " --include-protocols TLSv1.2 "
                "--include-cipher-suites TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
            "trust-all-certs": (self.server_options(self.shelf.self_signed),
                                "--tls --trust-all-certs"),
            "a pinned certificate": (
                self.server_options(self.shelf.self_signed),
                f"--tls --truststore {self.shelf.self_signed.certificate}"),
            "CAs of the system": (self.server_options(), "--tls"),
        }
        for name, (ours, theirs) in cases.items():
            with self.subTest(name):
                env = self.env(FL_WORD=PASSWORD)
                pipeline = self.listen("fl-sink stdout --stream", options=ours, env=env)
                said = self.send(theirs + " --batch-size 500", lines, host="localhost",
                                 env=self.env(SSL_CERT_FILE=self.shelf.ca.certificate))
                self.assertEqual("--trust-all-certs: the identity of the server" in said, "all" in name)
                self.stop(pipeline)
                self.assertEqual(pipeline.output(), lines)
                for each in (said, pipeline.errors(0)):
                    self.assertNotIn(PASSWORD, each)

    def test_a_client_refuses_what_it_cannot_trust(self):
        trusted = f"--tls --truststore {self.shelf.ca.certificate}"
        for pair, words in ((self.shelf.expired, "certificate has expired"),
                            (self.shelf.wrong_name, "IP address mismatch"),
                            (self.shelf.self_signed, "self-signed certificate"),
                            (self.shelf.stranger, "unable to get local issuer certificate")):
            with self.subTest(words):
                pipeline = self.listen("fl-sink stdout --stream", options=self.server_options(pair))
                said = self.refused(trusted, "the TLS handshake failed: the server's certificate is "
                                             f"refused: {words}")
                self.assertIn(f"127.0.0.1:{self.port}", said)
                self.says(pipeline, "the TLS handshake failed: the peer ")
                self.assertEqual(pipeline.output(), b"")
                self.stop(pipeline)
        pipeline = self.listen("fl-sink stdout --stream",
                               options=self.server_options(self.shelf.wrong_name))
        self.refused(trusted, "hostname mismatch", host="localhost")
        self.refused("--tls", "unable to get local issuer certificate",
                     env=self.env(SSL_CERT_FILE="/dev/null"))
        self.stop(pipeline)

    def test_certificates_of_clients(self):
        """Properties: avro.clientTruststore, avro.keystoreKey, avro.keystore
        Property: avro.keystore-password"""
        ca = self.shelf.ca.certificate
        pipeline = self.listen("fl-sink stdout --stream",
                               options=self.server_options(more=f"--client-truststore {ca}"))
        trusted = f"--tls --truststore {ca}"

        def shown(pair):
            return f"{trusted} --keystore {pair.certificate} --keystore-key {pair.key}"
        self.refused(trusted, "the peer wants a client certificate: see --keystore")
        self.says(pipeline, "the client sent no certificate")
        self.refused(shown(self.shelf.stranger), "does not know the CA of our certificate")
        self.refused(shown(self.shelf.expired), "our certificate has expired")
        self.refused(shown(self.shelf.self_signed), "does not know the CA of our certificate")
        self.assertEqual(pipeline.output(), b"")
        self.send(shown(self.shelf.client))
        self.send(f"{trusted} --keystore {self.shelf.client.pkcs12(PASSWORD)} "
                  "--keystore-password-env FL_WORD", b"4\n", env=self.env(FL_WORD=PASSWORD))
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"1\n2\n3\n4\n")

    def test_one_side_only(self):
        """TLS to a port without it, and vice versa."""
        pipeline = self.listen("fl-sink stdout --stream")
        self.refused("--tls --trust-all-certs", "the TLS handshake failed: the peer has closed|"
                                                "Connection reset")
        self.says(pipeline, "TLS")
        self.stop(pipeline)
        pipeline = self.listen("fl-sink stdout --stream", options=self.server_options())
        self.refused("", "without a reply: see --tls and --compression-type")
        self.says(pipeline, "the TLS handshake failed: what came is not TLS")
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"")

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

        def hup(pattern):
            pipeline.processes[0].send_signal(signal.SIGHUP)
            self.says(pipeline, pattern)
        put(self.shelf.server)
        pipeline = self.listen("fl-sink stdout --stream", options=self.server_options(live))
        old = self.rpc()
        self.assertEqual(old.append(({}, b"1")), "OK")
        self.assertEqual(served(), "server")
        put(self.shelf.next)
        self.assertEqual(served(), "server")
        hup("certificates were read again")
        self.assertEqual(served(), "next")
        self.assertEqual(old.append(({}, b"2")), "OK")  # the connection stays
        shutil.copy(self.shelf.server.key, live.key)
        hup("the certificates from before stay in use: .*does not belong to the certificate")
        self.assertEqual(served(), "next")
        self.write("live/c.pem", "nothing")
        hup("the certificates from before stay in use: .*c.pem' is neither PEM nor PKCS12")
        self.assertEqual(served(), "next")
        self.assertEqual(old.append(({}, b"3")), "OK")
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"1\n2\n3\n")

    def test_what_a_sink_excludes_or_does_not_include_it_does_not_use(self):
        pipeline = self.listen("fl-sink stdout --stream", options=self.server_options(
            more="--include-protocols TLSv1.2 --include-cipher-suites ECDHE-RSA-AES256-GCM-SHA384"))
        trusted = f"--tls --truststore {self.shelf.ca.certificate}"
        for options in ("--exclude-protocols TLSv1.2", "--include-protocols TLSv1.3",
                        "--exclude-cipher-suites TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                        "--include-cipher-suites ECDHE-RSA-AES128-GCM-SHA256"):
            with self.subTest(options):
                self.refused(f"{trusted} {options}", "the TLS handshake failed")
        self.send(f"{trusted} --exclude-protocols TLSv1.3 "
                  "--exclude-cipher-suites TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"1\n2\n3\n")

    def test_a_sink_trusts_the_new_ca_after_hup(self):
        trusted = self.path("trusted.pem")
        shutil.copy(self.shelf.other_ca.certificate, trusted)
        pipeline = self.listen("fl-sink stdout --stream", options=self.server_options())
        sender = self.pipeline(["fl-source", "seq", "--count", "10"],
                               ["fl-sink", "avro", "--stream", "--tls", "--truststore", trusted,
                                "--grace", "60s", f"127.0.0.1:{self.port}"])
        self.says(sender, "unable to get local issuer", 1)
        shutil.copy(self.shelf.ca.certificate, trusted)
        sender.processes[1].send_signal(signal.SIGHUP)
        self.check(sender, 0, 0, limit=90)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"".join(b"%d\n" % i for i in range(10)))


class Files(Case):
    """What can be wrong with certificates, keys and passwords."""

    def start(self, options, status, *words, env=None):
        done = subprocess.run(["fl-source", "avro", "--port", "0", *options.split()],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, env=env or self.env(), check=False,
                              timeout=harness.HANG)
        said = done.stderr.decode()
        self.assertEqual(done.returncode, status, said)
        for pattern in words:
            self.assertRegex(said, pattern)
        self.assertNotIn(PASSWORD, said)
        self.assertNotIn("wr0ng", said)
        return said

    def test_what_is_wrong_is_named(self):
        server, other = self.shelf.server, self.shelf.next
        store = server.pkcs12(PASSWORD)
        env = self.env(FL_WORD="wr0ng")
        garbage = self.write("garbage", bytes(range(256)))
        damaged = self.write("damaged", "-----BEGIN CERTIFICATE-----\nAAAA\n")
        locked = server.locked_key(PASSWORD)
        self.start("--tls", 78, "--tls needs a certificate and its key", "--keystore FILE")
        self.start("--tls --keystore missing", 78, "'missing'.*No such file")
        self.start(f"--tls --keystore {server.certificate}", 78, "contains no private key",
                   "--keystore-key")
        self.start(f"--tls --keystore {server.certificate} --keystore-key {other.key}", 78,
                   "does not belong to the certificate")
        self.start(f"--tls --keystore {server.key}", 78, "contains no certificate")
        self.start(f"--tls --keystore {garbage}", 78, "neither PEM nor PKCS12")
        self.start(f"--tls --keystore {damaged}", 78, "damaged certificate")
        self.start(f"--tls --keystore {store}", 78, "is encrypted, and there is no password")
        self.start(f"--tls --keystore {store} --keystore-password-env FL_WORD", 78,
                   "the password is wrong", env=env)
        self.start(f"--tls --keystore {store} --keystore-password-env FL_NONE", 78,
                   "'FL_NONE' is not set")
        self.start(f"--tls --keystore {server.certificate} --keystore-key {locked}", 78,
                   "is encrypted, and there is no password", "-password-file")
        self.start(f"--tls --keystore {server.certificate} --keystore-key {locked} "
                   "--keystore-password-env FL_WORD", 78, "the password is wrong", env=env)
        self.start(self.server_options(more=f"--client-truststore {server.key}"), 78,
                   "contains no certificate")
        self.start(self.server_options(more=f"--client-truststore {store}"), 78, "no password")
        self.start("--keystore-key k --port 1 --tls", 78, "needs a certificate")

    def test_a_store_of_java_is_refused_with_the_command_that_converts_it(self):
        for magic in (b"\xfe\xed\xfe\xed\0\0\0\2", b"\xce\xce\xce\xce\0\0\0\2"):
            store = self.write("keystore.jks", magic + bytes(100))
            self.start(f"--tls --keystore {store}", 78, "is a JKS store",
                       f"keytool -importkeystore -srckeystore {store} -destkeystore {store}.p12 "
                       "-deststoretype PKCS12")

    def test_protocols_and_ciphers(self):
        """Properties: avro.include-protocols, avro.exclude-protocols
        Properties: avro.include-cipher-suites, avro.exclude-cipher-suites"""
        self.start(self.server_options(more="--include-protocols TLSv1.4"), 78,
                   "'TLSv1.4' is not a TLS protocol", "TLSv1.2 and TLSv1.3")
        self.start(self.server_options(more="--include-protocols TLSv1.1"), 78,
                   "no TLS protocol is left")
        self.start(self.server_options(more="--include-protocols TLSv1.2 "
                                            "--exclude-protocols TLSv1.2"), 78, "is left")
        self.start(self.server_options(more="--include-cipher-suites NULL-MD5"), 78,
                   "no cipher suite is left")
        self.start(self.server_options(more="--include-cipher-suites TLS_AES_128_GCM_SHA256 "
                                            "--exclude-protocols TLSv1.3"), 78, "is left")
        pipeline = self.listen(
            "fl-sink stdout --stream",
            options=self.server_options(more="--include-protocols TLSv1 --include-protocols TLSv1.2 "
                                             "--include-cipher-suites Unknown "
                                             "--include-cipher-suites ECDHE-RSA-AES128-GCM-SHA256 "
                                             "--include-cipher-suites ECDHE-RSA-AES256-GCM-SHA384 "
                                             "--exclude-cipher-suites ECDHE-RSA-AES256-GCM-SHA384"))
        self.says(pipeline, "'TLSv1' is too weak and not used")
        self.says(pipeline, "'Unknown' is unknown, or too weak")
        with self.secure() as link:
            self.assertEqual((link.version(), link.cipher()[0]),
                             ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"))
        context = self.context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with self.assertRaises(ssl.SSLError):
            self.secure(context)
        self.says(pipeline, "has no TLS version that is allowed here|handshake failed")
        self.stop(pipeline)

    def test_flume_properties(self):
        """Passwords of a Flume file are in no argument and in no output.

        Properties: avro.ssl, avro.keystore, avro.keystore-password, avro.truststore
        Property: avro.truststore-password"""
        store = self.shelf.server.pkcs12(PASSWORD)
        trust = self.path("trust.p12")
        certificates.openssl(
            "pkcs12", "-export", "-nokeys", "-in", self.shelf.ca.certificate, "-out", trust,
            "-passout", "pass:" + PASSWORD)
        ours = self.write("source.properties", f"port = 0\nbind = 127.0.0.1\nssl = true\n"
                          f"keystore = {store}\nkeystore-password = {PASSWORD}\n"
                          "keystore-type = PKCS12\nexclude-protocols = SSLv3 TLSv1 TLSv1.1\n"
                          "include-cipher-suites = TLS_AES_256_GCM_SHA384 "
                          "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n")
        pipeline = self.pipeline(["sh", "-c", f"exec fl-source avro --properties 3 3< {ours}"],
                                 "fl-sink stdout --stream")
        self.port = self.address(pipeline)[1]
        theirs = self.write("sink.properties", f"hostname = 127.0.0.1\nport = {self.port}\n"
                            f"ssl = true\ntruststore = {trust}\ntruststore-password = {PASSWORD}\n"
                            "truststore-type = PKCS12\n")
        sender = self.pipeline(["fl-source", "seq", "--count", "100"],
                               ["sh", "-c",
                                f"exec fl-sink avro --stream --properties 3 3< {theirs}"])
        self.check(sender, 0, 0)
        with open(f"/proc/{pipeline.processes[0].pid}/cmdline", "rb") as file:
            self.assertNotIn(PASSWORD.encode(), file.read())
        for tool, path in (("fl-source", ours), ("fl-sink", theirs)):
            for question in ("--print-command", "--check"):
                done = subprocess.run(["sh", "-c", f"{tool} avro {question} --properties 3 3< "
                                       f"{path}"], capture_output=True, env=self.env(),
                                      timeout=harness.HANG, check=False)
                self.assertNotIn(PASSWORD.encode(), done.stdout + done.stderr)
                self.assertIn(b"keystore" if tool == "fl-source" else b"truststore", done.stdout)
        self.stop(pipeline)
        self.assertEqual(pipeline.output().count(b"\n"), 100)
        for said in (pipeline.errors(0), sender.errors(1)):
            self.assertNotIn(PASSWORD, said)
            self.assertIn("-type' has no effect", said)


class Strangers(Case):
    """Peers that do not behave."""

    def test_versions_below_1_2_are_refused(self):
        pipeline = self.listen("fl-sink stdout --stream", options=self.server_options())
        for version in ("-tls1", "-tls1_1"):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", version, "-cipher",
                 "ALL:@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                timeout=harness.HANG)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr.decode(), "alert protocol version")
        self.says(pipeline, "the peer has no TLS version that is allowed here")
        self.stop(pipeline)

    def test_a_server_below_1_2_is_refused(self):
        self.start_old_server()
        self.refused(f"--tls --truststore {self.shelf.ca.certificate}",
                     "no TLS version")

    def test_many_bad_clients_make_few_lines(self):
        pipeline = self.listen("fl-sink stdout --stream", options=self.server_options())
        good = self.rpc()
        for i in range(200):
            with socket.create_connection(("127.0.0.1", self.port), harness.HANG) as link:
                link.sendall(b"GET / HTTP/1.1\r\n\r\n" if i % 2 else bytes(range(100)))
                try:
                    while link.recv(4096):
                        pass
                except ConnectionError:
                    pass
        self.assertEqual(good.append(({}, b"good")), "OK")
        self.assertEqual(pipeline.errors(0).count("handshake failed"), 1, pipeline.errors(0))
        self.stop(pipeline)

    def test_a_handshake_cut_at_each_byte(self):
        """And each byte of it changed: the server goes on."""
        pipeline = self.listen("fl-sink stdout --stream", options=self.server_options())
        out = ssl.MemoryBIO()
        client = self.context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            client.do_handshake()
        hello = out.read()
        good = self.rpc()
        for i in range(len(hello)):
            for data in (hello[:i], hello[:i] + bytes([hello[i] ^ 0xff]) + hello[i + 1:]):
                with socket.create_connection(("127.0.0.1", self.port), harness.HANG) as link:
                    link.sendall(data)
        self.assertEqual(good.append(({}, b"good")), "OK")
        self.assertEqual(self.rpc().append(({}, b"too")), "OK")
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), b"good\ntoo\n")

    def test_a_slow_handshake_ends(self):
        """Property: avro.handshakeTimeout."""
        pipeline = self.listen("fl-sink stdout --stream",
                               options=self.server_options(more="--handshake-timeout 300ms "
                                                                "--max-connections 5"))
        slow = [socket.create_connection(("127.0.0.1", self.port), harness.HANG) for _ in range(5)]
        slow[0].sendall(b"\x16\x03\x01")
        good = self.rpc()  # waits until one of them has left
        self.assertEqual(good.append(({}, b"good")), "OK")
        for each in slow:
            self.assertIn(self.all_of(each), (b"", None))
            each.close()
        self.says(pipeline, "the TLS handshake failed: it was not over after 300ms")
        self.stop(pipeline)

    def test_a_slow_client_is_not_cut(self):
        """What counts is what comes through the network: one byte in each record, or a record that
        comes in pieces, is slow only for a server that counts unpacked bytes."""
        def web(body):
            return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

        def rpc(body):
            return frame(1, handshake() + call(b"append", encoded(({}, body))))
        short, long = b"x" * 300, b"x" * 1500
        for source, options, request in (
                ("http", "--handler blob --body-timeout 1s --head-timeout 20s", web),
                ("avro", "--request-timeout 1s", rpc)):
            with self.subTest(source):
                pipeline = self.listen("fl-sink stdout --stream", source=source,
                                       options=self.server_options(more=options))
                clients = [threading.Thread(target=send, args=(self.secure_pair(), request(body)))
                           for send, body in ((self.send_bytes, short),
                                              (self.send_a_record_in_pieces, long))]
                for client in clients:
                    client.start()
                for client in clients:
                    client.join()
                harness.poll(lambda: pipeline.output().count(b"\n") == 2 or
                             "closed" in pipeline.errors(0), "both")
                self.assertEqual(sorted(pipeline.output().split()), [short, long],
                                 pipeline.errors(0))
                self.stop(pipeline)

    def secure_pair(self):
        """A socket, and what makes records of TLS for it after the handshake."""
        link = socket.create_connection(("127.0.0.1", self.port), harness.HANG)
        self.addCleanup(link.close)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context().wrap_bio(come, go, server_hostname="localhost")
        while True:
            try:
                tls.do_handshake()
                link.sendall(go.read())
                return link, tls, go
            except ssl.SSLWantReadError:
                link.sendall(go.read())
                come.write(link.recv(1 << 16))

    @staticmethod
    def paced(link, pieces, seconds):
        """Not faster than one of them in so many seconds."""
        next_at = time.monotonic()
        for piece in pieces:
            time.sleep(max(0.0, next_at - time.monotonic()))
            link.sendall(piece)
            next_at += seconds

    def send_bytes(self, pair, data):
        """Less than 250 a second, each in 23 bytes of TLS."""
        link, tls, go = pair

        def records():
            for i in range(len(data)):
                tls.write(data[i:i + 1])
                yield go.read()
        self.paced(link, records(), 0.004)

    def send_a_record_in_pieces(self, pair, data):
        link, tls, go = pair
        tls.write(data)
        record = go.read()
        self.paced(link, [record[i:i + 100] for i in range(0, len(record), 100)], 0.1)

    @staticmethod
    def all_of(link):
        try:
            return link.recv(100)
        except ConnectionError:
            return None

    def test_a_silent_server_is_left(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.port = silent.getsockname()[1]
            said = self.send("--tls --trust-all-certs --connect-timeout 300ms --give-up-after 500ms",
                             status=69)
            self.assertIn("no TLS handshake within --connect-timeout 300ms", said)


class Netcat(Case):
    def test_lines_through_s_client(self):
        """With a certificate of its own, which the server wants."""
        shown, ca = self.shelf.client, self.shelf.ca.certificate
        pipeline = self.listen("fl-sink stdout --stream", source="netcat",
                               options=f"{self.server_options()} --client-truststore {ca}")
        lines = b"".join(b"line %d\n" % i for i in range(5000))
        client = subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile",
             ca, "-cert", shown.certificate, "-key", shown.key, "-connect",
             f"127.0.0.1:{self.port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(client.kill)
        writer = threading.Thread(target=client.stdin.write, args=(lines,))
        writer.start()
        answers = client.stdout.read(3 * 5000)
        self.assertEqual(answers, b"OK\n" * 5000)
        writer.join()
        client.stdin.close()
        client.wait(harness.HANG)
        self.stop(pipeline)
        self.assertEqual(pipeline.output(), lines)

    def test_the_end_of_a_connection(self):
        """With the close of TLS what came last is a line; without it somebody may have cut it."""
        for is_orderly in (True, False):
            with self.subTest(is_orderly=is_orderly):
                pipeline = self.listen("fl-sink stdout --stream", source="netcat",
                                       options=self.server_options())
                link = self.secure()
                link.sendall(b"whole\nrest")
                self.assertEqual(link.recv(100), b"OK\n")
                if is_orderly:
                    try:
                        link.unwrap()
                    except ssl.SSLError:
                        pass
                    link.close()
                    harness.poll(lambda: pipeline.output().count(b"\n") == 2, "both lines")
                else:
                    link.shutdown(socket.SHUT_WR)
                    self.says(pipeline, "4 bytes of an unfinished line dropped")
                self.stop(pipeline)
                self.assertEqual(pipeline.output(), b"whole\nrest\n" if is_orderly else b"whole\n")

    def test_each_restriction_alone(self):
        strong, other = "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"
        only = "--include-protocols TLSv1.2"
        for source in ("netcat", "avro", "http"):
            for options, version, cipher in (
                    ("", "TLSv1.3", None), (only, "TLSv1.2", strong),
                    ("--exclude-protocols TLSv1.3", "TLSv1.2", strong),
                    (f"{only} --include-cipher-suites {other}", "TLSv1.2", other),
                    (f"{only} --exclude-cipher-suites {strong}", "TLSv1.2", None)):
                with self.subTest(source, options=options):
                    pipeline = self.listen("fl-sink null --stream", source=source,
                                           options=self.server_options(more=options))
                    with self.secure() as link:
                        self.assertEqual(link.version(), version)
                        if cipher:
                            self.assertEqual(link.cipher()[0], cipher)
                        else:
                            self.assertNotEqual(link.cipher()[0], strong)
                    pipeline.kill()

    def test_all_options_at_once(self):
        """Properties: netcat.keystore, netcat.keystoreKey, netcat.keystore-password
        Properties: netcat.clientTruststore, netcat.clientTruststorePassword
        Properties: netcat.include-protocols, netcat.exclude-protocols, netcat.handshakeTimeout
        Properties: netcat.include-cipher-suites, netcat.exclude-cipher-suites
        Property: avro.clientTruststorePassword"""
        server = self.shelf.server
        trust = self.path("trust.p12")
        certificates.openssl("pkcs12", "-export", "-nokeys", "-in", self.shelf.ca.certificate,
                             "-out", trust, "-passout", "pass:" + PASSWORD)
        options = (f"--tls --keystore {server.certificate} --keystore-key "
                   f"{server.locked_key(PASSWORD)} --keystore-password-env FL_WORD "
                   f"--client-truststore {trust} --client-truststore-password-env FL_WORD "
                   "--include-protocols TLSv1.2 --include-protocols TLSv1.3 "
                   "--exclude-protocols TLSv1.3 --include-cipher-suites ECDHE-RSA-AES128-GCM-SHA256 "
                   "--include-cipher-suites TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 "
                   "--exclude-cipher-suites ECDHE-RSA-AES128-GCM-SHA256 --handshake-timeout 300ms")
        for source in ("netcat", "avro"):
            with self.subTest(source):
                pipeline = self.listen("fl-sink stdout --stream", source=source, options=options,
                                       env=self.env(FL_WORD=PASSWORD))
                link = self.secure(self.context(self.shelf.client))
                self.assertEqual((link.version(), link.cipher()[0]),
                                 ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384"))
                with self.assertRaises(ssl.SSLError):
                    self.secure()
                self.says(pipeline, "the client sent no certificate")
                with socket.create_connection(("127.0.0.1", self.port), harness.HANG) as silent:
                    self.assertEqual(silent.recv(1), b"")
                if source == "netcat":
                    link.sendall(b"x\n")
                    self.assertEqual(link.recv(100), b"OK\n")
                self.stop(pipeline)
                self.assertEqual(pipeline.output(), b"x\n" if source == "netcat" else b"")

    def test_an_idle_client_does_not_count_as_unread(self):
        pipeline = self.listen("fl-sink stdout --stream", source="netcat",
                               options=self.server_options())
        link = self.secure()
        link.sendall(b"one\n")
        self.assertEqual(link.recv(100), b"OK\n")
        self.stop(pipeline)
        self.assertEqual(link.recv(100), b"")  # an orderly end of TLS

    def test_a_client_that_never_reads_loses_nothing(self):
        """Nothing that we send of our own accord resets its connection."""
        for _ in range(20):
            pipeline = self.listen("fl-sink stdout --stream", source="netcat",
                                   options=self.server_options(more="--ack-every-event=false"))
            link = self.secure()
            link.sendall(b"x" * 100 + b"\n")
            for i in range(200):
                link.sendall(b"%d\n" % i)
            link.close()
            harness.poll(lambda: pipeline.output().count(b"\n") == 201, "all lines")
            self.stop(pipeline)


if __name__ == "__main__":
    harness.main()
