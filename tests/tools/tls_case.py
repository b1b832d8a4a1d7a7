"""What tests of TLS share: certificates, a source that listens, and what connects to it."""
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile

import certificates
import harness
from avro_rpc import Client, Link
from ports import free_port

PASSWORD = "o-p3n ses4me"


class Shelf:
    """Certificates that all tests use; making them takes a second."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="fl-test-")
        self.ca = certificates.Authority(os.path.join(self.directory, "ca"))
        self.other_ca = certificates.Authority(os.path.join(self.directory, "other"))
        self.server = self.ca.issue("server")
        self.next = self.ca.issue("next")
        self.client = self.ca.issue("client")
        self.stranger = self.other_ca.issue("stranger")
        self.expired = self.ca.issue("expired", is_expired=True)
        self.wrong_name = self.ca.issue("wrong", names="DNS:elsewhere.example,IP:127.0.0.9")
        self.self_signed = certificates.self_signed(os.path.join(self.directory, "alone"))


class Case(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.shelf = Shelf()
        cls.addClassCleanup(shutil.rmtree, cls.shelf.directory, ignore_errors=True)

    def listen(self, *stages, options="", source="avro", **more):
        """A source on a free port, which is self.port, and the stages after it."""
        words = ["fl-source", source, "--port", "0", *(options.split() if isinstance(options, str)
                                                       else options)]
        pipeline = self.pipeline(words, *stages, **more)
        self.port = self.address(pipeline)[1]
        return pipeline

    def server_options(self, pair=None, more=""):
        pair = pair or self.shelf.server
        return f"--tls --keystore {pair.certificate} --keystore-key {pair.key} {more}"

    def start_old_server(self):
        """A server on self.port that knows no TLS after 1.1."""
        self.port = free_port()
        pair = self.shelf.server
        server = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", pair.certificate,
             "-key", pair.key, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-quiet"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        harness.poll(listens, "s_server listens")

    def stop(self, pipeline, *expected):
        pipeline.send(signal.SIGTERM, 0)
        return self.check(pipeline, *(expected or [0] * len(pipeline.processes)))

    def context(self, pair=None):
        context = ssl.create_default_context(cafile=self.shelf.ca.certificate)
        if pair:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def secure(self, context=None):
        """A connection to self.port through TLS."""
        plain = socket.create_connection(("127.0.0.1", self.port), harness.HANG)
        self.addCleanup(plain.close)
        return (context or self.context()).wrap_socket(plain, server_hostname="localhost")

    def rpc(self, context=None):
        return Client.of(Link(self.secure(context)))

    def send(self, options, lines=b"1\n2\n3\n", status=0, host="127.0.0.1", env=None, port=None):
        """fl-sink avro to self.port; what it says."""
        words = options if isinstance(options, list) else options.split()
        done = subprocess.run(["fl-sink", "avro", *words, f"{host}:{port or self.port}"],
                              input=lines, capture_output=True, env=env or self.env(), check=False,
                              timeout=harness.HANG)
        said = done.stderr.decode()
        self.assertEqual(done.returncode, status, said)
        return said

    def refused(self, options, words, status=69, **more):
        said = self.send(options + " --give-up-after 300ms", status=status, **more)
        self.assertRegex(said, words)
        return said

    def says(self, pipeline, pattern, stage=0):
        return harness.poll(lambda: re.search(pattern, pipeline.errors(stage)), f"/{pattern}/")
