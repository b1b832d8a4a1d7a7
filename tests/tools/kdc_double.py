"""What stands in for a Kerberos realm in tests that need none: a KDC that listens and says nothing,
krb5.conf, and keytabs. A real KDC is in tests/peers.

    with SilentKdc() as kdc:
        kdc.port
        kdc.is_asked()      # somebody waits for an answer
        kdc.left            # how many have given up waiting
    krb5_conf(port)         # the text of a krb5.conf for EXAMPLE.COM
    keytab("alice")         # the bytes of a keytab
"""
import socket
import struct
import threading

REALM = "EXAMPLE.COM"


def krb5_conf(port):
    return (f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\n"
            "dns_lookup_realm = false\nudp_preference_limit = 1\nrdns = false\n"
            f"[realms]\n{REALM} = {{\n kdc = 127.0.0.1:{port}\n}}\n")


def keytab(principal):
    """With a key of aes256-cts-hmac-sha1-96 that no KDC knows."""
    def counted(text):
        return struct.pack(">H", len(text)) + text.encode()
    names = principal.split("/")
    entry = (struct.pack(">H", len(names)) + counted(REALM) + b"".join(map(counted, names))
             + struct.pack(">IIB", 1, 0, 1) + struct.pack(">HH", 18, 32) + bytes(range(32)))
    return b"\x05\x02" + struct.pack(">i", len(entry)) + entry


class SilentKdc:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.links, self.asked, self.left = [], 0, 0
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.links.append(link)
            threading.Thread(target=self.read, args=(link,), daemon=True).start()

    def read(self, link):
        try:
            while link.recv(4096):
                with self.lock:
                    self.asked += 1
        except OSError:
            pass
        with self.lock:
            self.left += 1

    def is_asked(self):
        with self.lock:
            return self.asked > self.left

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            link.close()
        self.thread.join()
