"""A real Kerberos server of a test: MiniKdc, a JVM, with the realm EXAMPLE.COM, on 127.0.0.1.

    kdc = Kdc(directory, ["alice", "HTTP/localhost"], lifetime=86400)   # started; seconds
    kdc.conf                        # for KRB5_CONFIG
    kdc.keytab("HTTP/localhost")    # a file
    kdc.kill(); kdc.freeze(); kdc.thaw()

Exit status: 77 without Java or jars (build/peers/hdfs/lib-kdc).
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers" / "hdfs"))
import credentials
import hbase_server
import jars
from ports import free_port


class Kdc(hbase_server.Process):
    def __init__(self, directory, principals, lifetime=86400):
        lib = jars.fetch("kdc")
        super().__init__("kdc", directory)
        home = self.dir / "kdc"
        home.mkdir()
        port = free_port()
        properties = home / "minikdc.properties"
        properties.write_text(credentials.kdc_properties(port, lifetime))
        self.home, self.conf = home, home / "krb5.conf"
        self.launch([hbase_server.java(), "-Xmx96m", *jars.JVM, "-cp", f"{lib}/*",
                     "org.apache.hadoop.minikdc.MiniKdc", str(home), str(properties),
                     str(home / "all.keytab"), *principals])
        self.wait_until(lambda: "to stop it" in self.log(), "ready")
        credentials.split_keytab(home / "all.keytab", home)

    def keytab(self, principal):
        return str(self.home / (principal.replace("/", "-") + ".keytab"))
