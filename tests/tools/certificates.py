"""Certificates for tests, made by openssl(1) in a directory of the test.

    ca = Authority(self.path("ca"))
    server = ca.issue("server")              # for localhost and 127.0.0.1
    server.certificate, server.key           # PEM files
    server.pkcs12("secret")                  # one file with both and the CA
    ca.issue("old", is_expired=True); ca.issue("other", names="DNS:elsewhere.example")
    self_signed(self.path("alone"))
"""
import os
import subprocess

LOCAL = "DNS:localhost,IP:127.0.0.1"
LIMIT = 60
CONFIG = """[ca]
default_ca = here
[here]
database = {0}/index
serial = {0}/serial
new_certs_dir = {0}
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""


def openssl(*words, stdin=b""):
    done = subprocess.run(["openssl", *words], input=stdin, capture_output=True, timeout=LIMIT,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(words)}\n{done.stderr.decode()}")
    return done.stdout


class Pair:
    """A certificate and its key, both PEM, and the CA's certificate."""

    def __init__(self, certificate, key, ca):
        self.certificate, self.key, self.ca = certificate, key, ca

    def joined(self):
        """One PEM file with both."""
        path = self.certificate + ".both"
        with open(path, "wb") as out:
            for each in (self.certificate, self.key):
                with open(each, "rb") as file:
                    out.write(file.read())
        return path

    def pkcs12(self, password, *more):
        path = self.certificate + ".p12"
        openssl("pkcs12", "-export", "-in", self.certificate, "-inkey", self.key, "-certfile",
                self.ca, "-out", path, "-passout", f"pass:{password}", *more)
        return path

    def locked_key(self, password):
        path = self.key + ".locked"
        openssl("pkey", "-in", self.key, "-aes256", "-passout", f"pass:{password}", "-out", path)
        return path


class Authority:
    def __init__(self, directory):
        os.makedirs(directory)
        self.directory = directory
        self.config = os.path.join(directory, "config")
        self.write("config", CONFIG.format(directory))
        self.write("index", "")
        self.write("serial", "01\n")
        self.certificate = os.path.join(directory, "ca.pem")
        self.key = os.path.join(directory, "ca.key")
        openssl("req", "-config", self.config, "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                self.key, "-out", self.certificate, "-subj", "/CN=a test's CA", "-days", "10",
                "-addext", "basicConstraints=critical,CA:true")

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def issue(self, name, names=LOCAL, is_expired=False):
        key, request, certificate = (os.path.join(self.directory, f"{name}.{kind}")
                                     for kind in ("key", "csr", "pem"))
        openssl("req", "-config", self.config, "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                "-out", request, "-subj", f"/CN={name}")
        dates = (["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"] if is_expired
                 else ["-days", "5"])
        openssl("ca", "-batch", "-notext", "-config", self.config, "-cert", self.certificate,
                "-keyfile", self.key, "-in", request, "-out", certificate, *dates,
                "-extfile", self.write(f"{name}.ext", f"subjectAltName = {names}\n"))
        return Pair(certificate, key, self.certificate)


def self_signed(prefix):
    config = prefix + ".config"
    with open(config, "w") as file:
        file.write(CONFIG.format("."))
    certificate, key = prefix + ".pem", prefix + ".key"
    openssl("req", "-config", config, "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
            "-out", certificate, "-subj", "/CN=localhost", "-days", "5", "-addext",
            f"subjectAltName={LOCAL}")
    return Pair(certificate, key, certificate)
