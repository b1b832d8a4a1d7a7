"""What a secure cluster of cluster.py needs: certificates, and keytabs out of MiniKdc's one."""
import pathlib
import struct
import subprocess

from configuration import PASSWORD
from jars import program, skip

PRINCIPALS = ("hdfs/localhost", "HTTP/localhost", "alice", "bob")


def run(words, **more):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words[:2]))} fails: {done.stdout}")
    return done.stdout


def make_certificates(folder):
    """ca.pem signs server (localhost, 127.0.0.1) and client; other-ca.pem signs nothing.

    client.pem and client.key for clients; server.p12 and trust.p12 for Java.
    """
    folder = pathlib.Path(folder)
    folder.mkdir()

    def openssl(*words):
        try:
            run(["openssl", *map(str, words)], cwd=folder)
        except FileNotFoundError:
            skip("no openssl to make certificates with")

    for name in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "30", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                "-out", f"{name}.pem")
    for name, subject, extra in (("server", "/CN=localhost",
                                  "subjectAltName=DNS:localhost,IP:127.0.0.1\n"),
                                 ("client", "/CN=alice", "extendedKeyUsage=clientAuth\n")):
        (folder / f"{name}.ext").write_text(extra)
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    openssl("pkcs12", "-export", "-name", "server", "-in", "server.pem", "-inkey", "server.key",
            "-passout", f"pass:{PASSWORD}", "-out", "server.p12")
    # Only keytool marks the entry as one that Java trusts.
    run([program("keytool"), "-importcert", "-noprompt", "-alias", "ca", "-file", "ca.pem",
         "-keystore", "trust.p12", "-storetype", "PKCS12", "-storepass", PASSWORD], cwd=folder)


def split_keytab(source, folder):
    """One keytab for each principal: libkrb5 takes the first entry of a keytab for its own.

    Format: two bytes 5 2, then entries of a big-endian int32 length and so many bytes: the number
    of name components, realm and components as counted strings, ... A negative length is a hole.
    """
    data = pathlib.Path(source).read_bytes()
    if data[:2] != b"\x05\x02":
        raise RuntimeError(f"{source} is no keytab")
    found = {}
    at = 2
    while at + 4 <= len(data):
        length, = struct.unpack_from(">i", data, at)
        entry = data[at:at + 4 + abs(length)]
        at += len(entry)
        if length <= 0:
            continue
        count, = struct.unpack_from(">H", entry, 4)
        words, place = [], 6
        for _ in range(count + 1):
            size, = struct.unpack_from(">H", entry, place)
            words.append(entry[place + 2:place + 2 + size].decode())
            place += 2 + size
        found.setdefault("-".join(words[1:]), []).append(entry)
    for name, entries in found.items():
        path = pathlib.Path(folder) / f"{name}.keytab"
        path.write_bytes(data[:2] + b"".join(entries))
        path.chmod(0o600)


def kdc_properties(port, ticket):
    # The lifetimes are seconds, whatever MiniKdc's documents say.
    return (f"org.name=EXAMPLE\norg.domain=COM\nkdc.bind.address=127.0.0.1\nkdc.port={port}\n"
            f"instance=DefaultKrbServer\nmax.ticket.lifetime={ticket}\n"
            "max.renewable.lifetime=604800000\ntransport=TCP\ndebug=false\n")
