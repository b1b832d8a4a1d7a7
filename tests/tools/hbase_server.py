"""A real HBase of a test: one JVM with master, region server and ZooKeeper, and REST gateways before
it, all on 127.0.0.1. The jars come from Maven, once, into build/peers/hbase/lib.

    server = hbase_server.Server()          # started
    gateway = server.gateway()              # another JVM; gateway.url; gateway.kill(), .start()
    gateway.create("t", ["f"]); gateway.rows("t")   # {key: {column: [(timestamp, value)]}}
    server.kill(); server.start()           # SIGKILL; again, on the same ports
    server.freeze(); server.thaw()
    server.close()                          # the gateways, too

    server = hbase_server.Server(region_apart=True)     # the region server in a JVM of its own
    server.region.kill(); server.region.start()         # .freeze(), .thaw()
    relay = hbase_server.Relay(gateway.port)            # between a sink and a gateway

Exit status: 77 without Java 17 or jars (1 with CI=true).
"""
import base64
import concurrent.futures
import ctypes
import http.client
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import http_server
import maven
from freeze import wait_still
from ports import free_port, free_ports

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIB = ROOT / "build/peers/hbase/lib"
POM = ROOT / "tests/peers/hbase/pom.xml"
START_LIMIT = 240  # seconds; a busy machine takes many times as long as an idle one
ASK_LIMIT = 60
PR_SET_PDEATHSIG = 1
JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true",
       "-Dorg.apache.hbase.thirdparty.io.netty.tryReflectionSetAccessible=true",
       "--add-modules", "jdk.unsupported",
       *[word for package in ("java.nio", "sun.nio.ch", "java.lang", "jdk.internal.ref",
                              "java.lang.reflect", "java.util", "java.util.concurrent")
         for word in ("--add-opens", f"java.base/{package}=ALL-UNNAMED")],
       *[word for package in ("java.base/jdk.internal.misc",
                              "java.security.jgss/sun.security.krb5", "java.base/sun.net.dns",
                              "java.base/sun.net.util")
         for word in ("--add-exports", f"{package}=ALL-UNNAMED")]]
LOG = """log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.target=System.err
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %p %c{1}: %m%n
"""
# The principals of a gateway that wants Kerberos.
HBASE, HTTP = "hbase/localhost", "HTTP/localhost"
# The gateway soon reports that HBase is away; by default that takes ten minutes.
SOON = {"hbase.client.retries.number": 2, "hbase.client.operation.timeout": 8000,
        "hbase.client.meta.operation.timeout": 8000, "hbase.rpc.timeout": 3000,
        "zookeeper.recovery.retry": 1}


def skip(why):
    print("skipped: " + why, file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


def java():
    """Java 17: HBase does not start with the newest ones."""
    homes = [os.environ.get("JAVA_HOME", ""), "/usr/lib/jvm/java-17-openjdk-amd64",
             "/usr/lib/jvm/java-17-openjdk-arm64"]
    for program in [*(f"{home}/bin/java" for home in homes if home), shutil.which("java")]:
        if program and os.access(program, os.X_OK):
            said = subprocess.run([program, "-version"], capture_output=True, text=True,
                                  timeout=ASK_LIMIT, check=False).stderr
            if 'version "17' in said:
                return program
    return skip("no Java 17 (scripts/setup installs it)")


def fetch():
    maven.fetch(POM, LIB, "HBase", skip)


# A process gets this signal at the end of the thread that has made it: one that stays.
_starter = concurrent.futures.ThreadPoolExecutor(1)


def with_parent():
    """The server ends with the test, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    def __init__(self, name, directory):
        self.name, self.dir, self.process = name, directory, None

    def launch(self, words):
        with open(self.dir / f"log-{self.name}", "ab") as log:
            self.process = _starter.submit(
                subprocess.Popen, words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.dir, preexec_fn=with_parent).result()

    def wait_until(self, condition, what):
        end = time.monotonic() + START_LIMIT
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name}: not {what}\n{self.log()}")
            time.sleep(0.05)

    def log(self):
        return (self.dir / f"log-{self.name}").read_text(errors="replace")[-5000:]

    def count_in_log(self, words):
        log = self.dir / f"log-{self.name}"
        return log.read_text(errors="replace").count(words) if log.exists() else 0

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait(ASK_LIMIT)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        wait_still(self.process.pid)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


class Jvm(Process):
    """One of HBase's programs; `settings` are its configuration, `flags` the JVM's."""

    def __init__(self, name, directory, settings, memory, *command, flags=()):
        super().__init__(name, directory)
        self.command, self.memory, self.flags = command, memory, flags
        conf = directory / f"conf-{name}"
        conf.mkdir()
        properties = "".join(f"<property><name>{key}</name><value>{value}</value></property>\n"
                             for key, value in settings.items())
        # The second is for Hadoop's login, which reads no other.
        for file in ("hbase-site.xml", "core-site.xml"):
            (conf / file).write_text(f"<configuration>\n{properties}</configuration>\n")
        (conf / "log4j.properties").write_text(LOG)
        self.conf = conf

    def run(self):
        self.launch([java(), *JVM, *self.flags, f"-Xmx{self.memory}m", "-cp",
                     f"{self.conf}:{LIB}/*", *self.command])


class Server(Jvm):
    """With region_apart, signals to it reach the master and ZooKeeper, those to .region the region server."""

    def __init__(self, region_apart=False):
        fetch()
        directory = pathlib.Path(tempfile.mkdtemp(prefix="fl-hbase-"))
        zookeeper, master, region = free_ports(3)
        data = directory / "data"
        self.settings = {
            "hbase.rootdir": f"file://{data}/hbase", "hbase.tmp.dir": f"{data}/tmp",
            "hbase.cluster.distributed": "false", "hbase.unsafe.stream.capability.enforce": "false",
            "hbase.wal.provider": "filesystem", "hbase.zookeeper.quorum": "127.0.0.1",
            "hbase.zookeeper.property.dataDir": f"{data}/zookeeper",
            "hbase.zookeeper.property.clientPort": zookeeper,
            "hbase.zookeeper.property.clientPortAddress": "127.0.0.1",
            "hbase.master.ipc.address": "127.0.0.1", "hbase.regionserver.ipc.address": "127.0.0.1",
            "hbase.master.hostname": "localhost", "hbase.regionserver.hostname": "localhost",
            "hbase.master.port": master, "hbase.regionserver.port": region,
            "hbase.master.info.port": -1, "hbase.regionserver.info.port": -1,
            "hbase.rest.host": "127.0.0.1", "hbase.rest.info.port": -1,
            "hbase.regionserver.handler.count": 8, "hbase.regionserver.msginterval": 300,
            "hbase.master.wait.on.regionservers.mintostart": 1,
            "hbase.master.wait.on.regionservers.maxtostart": 1,
            "hbase.master.wait.on.regionservers.interval": 100,
            "hbase.master.wait.on.regionservers.timeout": 500}
        self.zookeeper = zookeeper
        self.gateways, self.numbers = [], itertools.count()
        alone = []
        if region_apart:
            alone = ["--localRegionServers=0"]
            self.settings["hbase.zookeeper.property.tickTime"] = 6000   # bounds sessions to 20 of it
        super().__init__("hbase", directory, self.settings, 512,
                         "org.apache.hadoop.hbase.master.HMaster", *alone, "start")
        self.region = Region(self) if region_apart else None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        before = self.ready_lines()
        self.run()
        if self.region and self.region.is_away():
            self.wait_until(self.has_zookeeper, "ready")
            self.region.run()
        self.wait_until(lambda: self.ready_lines() > before, "ready")

    def has_zookeeper(self):
        with socket.socket() as link:
            return link.connect_ex(("127.0.0.1", self.zookeeper)) == 0

    def ready_lines(self):
        return self.count_in_log("Master has completed initialization")

    def gateway(self, *options, kdc=None, login_lasts=36000, client=None):
        """client: settings of its client of HBase; None: SOON, {}: those that HBase has by default.
        With a kdc (kdc_server.py) it wants Kerberos: HBASE and HTTP are its principals there, and
        the cookie that it gives for a login is good for `login_lasts` seconds."""
        secure = kdc and {
            "hadoop.security.authentication": "kerberos", "hbase.security.authentication": "kerberos",
            # HBase itself wants none.
            "hbase.ipc.client.fallback-to-simple-auth-allowed": "true",
            # Its own tickets run out, too.
            "hadoop.kerberos.min.seconds.before.relogin": 0,
            "hbase.security.relogin.maxbackoff": 100,
            "hbase.master.kerberos.principal": HBASE + "@EXAMPLE.COM",
            "hbase.regionserver.kerberos.principal": HBASE + "@EXAMPLE.COM",
            "hbase.rest.kerberos.principal": HBASE + "@EXAMPLE.COM",
            "hbase.rest.keytab.file": kdc.keytab(HBASE),
            "hbase.rest.authentication.type": "kerberos",
            "hbase.rest.authentication.kerberos.principal": HTTP + "@EXAMPLE.COM",
            "hbase.rest.authentication.kerberos.keytab": kdc.keytab(HTTP),
            "hbase.rest.authentication.token.validity": login_lasts}
        flags = [f"-Djava.security.krb5.conf={kdc.conf}"] if kdc else []
        number = next(self.numbers)
        self.gateways.append(Gateway(self, number, options, SOON if client is None else client, secure or {},
                                     flags))
        return self.gateways[-1]

    def disable(self, table):
        """As hbase shell does it."""
        subprocess.run([java(), *JVM, "-cp", f"{self.conf}:{LIB}/*",
                        str(ROOT / "tests/peers/hbase/DisableTable.java"), table], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=START_LIMIT)

    def close(self):
        for each in [*self.gateways, *([self.region] if self.region else []), self]:
            each.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class Region(Jvm):
    """The region server of a master that is apart."""

    def __init__(self, server):
        # A local file system does not fence off a server whose session has ended: what it still says to
        # be stored would be lost. So the session outlasts what a test does to it.
        lasting = {"zookeeper.session.timeout": 90_000}
        super().__init__("region", server.dir,
                         {**server.settings, **lasting, "hbase.cluster.distributed": "true"}, 256,
                         "org.apache.hadoop.hbase.regionserver.HRegionServer", "start")

    def is_away(self):
        return self.process is None or self.process.poll() is not None

    def start(self):
        before = self.count_in_log(" Serving as ")
        self.run()
        self.wait_until(lambda: self.count_in_log(" Serving as ") > before, "ready")


class Relay(http_server.Server):
    """Hands requests on to a gateway, or a double of one, as `change` makes them of a Request; .requests
    has them from when they come in."""

    def __init__(self, port, change=lambda request: request):
        self.target, self.change = port, change
        super().__init__(self.hand_on)
        self.url = f"http://127.0.0.1:{self.port}"

    def hand_on(self, request):
        request = self.change(request)
        headers = {name: value for name, value in request.headers.items()
                   if name not in ("host", "connection", "content-length")}
        link = http.client.HTTPConnection("127.0.0.1", self.target, timeout=START_LIMIT)
        try:
            link.request(request.method, request.path, request.body, headers)
            answer = link.getresponse()
            return answer.status, {}, answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            link.close()


class Gateway(Jvm):
    """options: "-ro" makes it read-only."""

    def __init__(self, server, number, options, client, settings, flags):
        self.port = free_port()
        self.url = f"http://{'localhost' if settings else '127.0.0.1'}:{self.port}"
        super().__init__(f"rest{number}", server.dir, {**server.settings, **client, **settings}, 192,
                         "org.apache.hadoop.hbase.rest.RESTServer", *options, "-p", str(self.port),
                         "--infoport", "-1", "start", flags=flags)
        self.start()

    def start(self):
        self.run()
        self.wait_until(self.is_ready, "ready")

    def is_ready(self):
        try:
            return self.ask("GET", "/status/cluster")[0] in (200, 401)  # 401: it wants Kerberos
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, method, path, body=None, limit=ASK_LIMIT, **headers):
        """(status, body)"""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit)
        try:
            link.request(method, path, body, {"Accept": "application/json",
                                              "Content-Type": "application/json", **headers})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def create(self, table, families=("f",), versions=5):
        if ":" in table:
            self.ask("POST", "/namespaces/" + table.split(":")[0])
        schema = {"name": table, "ColumnSchema": [{"name": each, "VERSIONS": str(versions)}
                                                  for each in families]}
        status, body = self.ask("PUT", f"/{table}/schema", json.dumps(schema))
        if status != 201:
            raise RuntimeError(f"{table}: {status} {body[:500]}")

    def rows(self, table, versions=5):
        """By a scanner: {key: {column: [(timestamp, value), ...]}}, keys and values as bytes."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ASK_LIMIT)
        try:
            link.request("PUT", f"/{table}/scanner",
                         f'<Scanner batch="2000" maxVersions="{versions}"/>',
                         {"Content-Type": "text/xml"})
            answer = link.getresponse()
            answer.read()
            if answer.status != 201:
                raise RuntimeError(f"{table}: {answer.status}")
            scanner = "/" + answer.getheader("Location").split("/", 3)[3]
            found = {}
            for _ in range(10_000):
                link.request("GET", scanner, headers={"Accept": "application/json"})
                answer = link.getresponse()
                body = answer.read()
                if answer.status == 204:
                    link.request("DELETE", scanner)
                    link.getresponse().read()
                    return found
                if answer.status != 200:
                    raise RuntimeError(f"{table}: {answer.status} {body[:500]}")
                for row in json.loads(body)["Row"]:
                    columns = found.setdefault(base64.b64decode(row["key"]), {})
                    for cell in row["Cell"]:
                        columns.setdefault(base64.b64decode(cell["column"]), []).append(
                            (cell["timestamp"], base64.b64decode(cell["$"])))
            raise RuntimeError(f"{table}: the scanner does not end")
        finally:
            link.close()
