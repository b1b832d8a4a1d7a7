"""Real servers of Hive for tests, on loopback, each below a directory of its own.

    hive = hive_server.Hive(directory)         # the metastore of Hive 4 and its HiveServer2
    hive.metastore.url                         # "thrift://127.0.0.1:PORT"
    hive.rows("SELECT count(*) FROM sales.orders")      # [["3"]]
    old = hive_server.OldMetastore(directory)  # the metastore 2.3 that comes with PySpark
    old.kill(); old.start()                    # SIGKILL; again on the same port, with its tables

fetch() brings the jars. Without Java or Maven SystemExit(77) after "skipped: ..." (with CI=true status 1).
"""
import base64
import concurrent.futures
import ctypes
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import maven
import metastore
import thrift_wire as wire
from freeze import wait_still
from ports import free_port
from thrift_wire import I64, Map, Struct, text

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACE = ROOT / "build/peers/hive"
POM = ROOT / "tests/peers/hive/pom.xml"
START_LIMIT = 180
QUERY_LIMIT = 120
PR_SET_PDEATHSIG = 1
PACKAGES = ("java.lang", "java.lang.invoke", "java.lang.reflect", "java.net", "java.nio", "java.io", "java.util",
            "java.util.concurrent", "java.util.concurrent.atomic", "java.util.regex", "java.time",
            "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar")
FLAGS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto",
         "-Djava.net.preferIPv4Stack=true",
         *(word for name in PACKAGES for word in ("--add-opens", f"java.base/{name}=ALL-UNNAMED"))]
LOG4J = """status = error
rootLogger.level = {level}
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{{ISO8601}} %p %c{{1}}: %m%n
"""
STARTER = concurrent.futures.ThreadPoolExecutor(1)


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


def java():
    home = os.environ.get("JAVA_HOME")
    found = f"{home}/bin/java" if home and os.access(f"{home}/bin/java", os.X_OK) else shutil.which("java")
    return found or skip("no java")


def fetch():
    java()
    return maven.fetch(POM, PLACE / "lib", "Hive", skip)


def with_parent():
    """The server ends with the test, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def write_site(path, values):
    rows = "".join(f"<property><name>{name}</name><value>{value}</value></property>\n"
                   for name, value in values.items())
    path.write_text(f"<configuration>\n{rows}</configuration>\n")


class Java:
    """A server of one JVM that is ready when its port takes connections."""

    def __init__(self, directory, port, main, classes, memory, options=()):
        self.dir = pathlib.Path(directory)
        self.port = port
        self.words = [java(), f"-Xmx{memory}", *FLAGS, f"-Dderby.stream.error.file={self.dir}/derby.log",
                      f"-Djava.io.tmpdir={self.dir}", "-cp", f"{self.dir}:{classes}/*", main, *options]
        self.process = None

    def start(self):
        """Begins; wait() waits until it is ready."""
        with open(self.dir / "log", "ab") as log:
            self.process = STARTER.submit(
                subprocess.Popen, self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.dir, preexec_fn=with_parent).result()
        return self

    def wait(self):
        end = time.monotonic() + START_LIMIT
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5):
                    return self
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server does not start\n{self.log()}")
            time.sleep(0.05)

    def log(self):
        return (self.dir / "log").read_text(errors="replace")[-4000:]

    def kill(self):
        self.process.kill()
        self.process.wait(60)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        wait_still(self.process.pid)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


def folder(directory, level="warn"):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)
    for name in ("log4j2.properties", "hive-log4j2.properties"):
        (directory / name).write_text(LOG4J.format(level=level))
    return directory


def derby(directory):
    return {"javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={directory}/db;create=true",
            "javax.jdo.option.ConnectionDriverName": "org.apache.derby.jdbc.EmbeddedDriver",
            "datanucleus.schema.autoCreateAll": "true"}


class Metastore(Java):
    """Of Hive 4. `http`: in HTTP mode."""

    def __init__(self, directory, warehouse, http=False):
        directory = folder(directory)
        port = free_port()
        write_site(directory / "metastore-site.xml", {
            **derby(directory), "metastore.schema.verification": "false",
            "metastore.warehouse.dir": f"file://{warehouse}/managed",
            "metastore.warehouse.external.dir": f"file://{warehouse}",
            "metastore.thrift.bind.host": "127.0.0.1", "metastore.thrift.port": port,
            "metastore.async.log.enabled": "false",
            "metastore.server.thrift.transport.mode": "http" if http else "binary",
            "metastore.server.thrift.http.path": "metastore",
            "metastore.expression.proxy":
                "org.apache.hadoop.hive.ql.optimizer.ppr.PartitionExpressionForMetastore"})
        super().__init__(directory, port, "org.apache.hadoop.hive.metastore.HiveMetaStore", PLACE / "lib",
                         "320m", ("-p", str(port)))
        self.url = f"http://127.0.0.1:{port}/metastore" if http else f"thrift://127.0.0.1:{port}"
        self.client = metastore.Client(port, http)


class OldMetastore(Java):
    """Hive 2.3, out of PySpark's jars."""

    def __init__(self, directory, warehouse, jars):
        directory = folder(directory)
        port = free_port()
        write_site(directory / "hive-site.xml", {
            **derby(directory), "hive.metastore.schema.verification": "false",
            "hive.metastore.warehouse.dir": f"file://{warehouse}",
            "hive.metastore.uris": f"thrift://127.0.0.1:{port}", "hive.async.log.enabled": "false"})
        super().__init__(directory, port, "org.apache.hadoop.hive.metastore.HiveMetaStore", jars, "256m",
                         ("-p", str(port)))
        self.url = f"thrift://127.0.0.1:{port}"
        self.client = metastore.Client(port)


class Server2(Java):
    """HiveServer2 of Hive 4, over HTTP; queries run in it."""

    def __init__(self, directory, warehouse, uri):
        directory = folder(directory)
        port = free_port()
        write_site(directory / "hive-site.xml", {
            "hive.metastore.uris": uri, "hive.server2.transport.mode": "http",
            "hive.server2.thrift.http.port": port, "hive.server2.thrift.http.path": "cliservice",
            "hive.server2.thrift.bind.host": "127.0.0.1",
            "hive.server2.webui.port": "0", "hive.server2.enable.doAs": "false",
            "hive.execution.engine": "mr", "hive.exec.scratchdir": f"file://{directory}/scratch",
            "hive.exec.local.scratchdir": f"{directory}/local", "hive.querylog.location": f"{directory}/query",
            "hive.downloaded.resources.dir": f"{directory}/resources",
            "hive.server2.logging.operation.enabled": "false",
            "hive.server2.tez.initialize.default.sessions": "false", "hive.async.log.enabled": "false",
            "hive.fetch.task.conversion": "more", "hive.notification.event.poll.interval": "0s",
            "hive.support.concurrency": "false", "fs.defaultFS": "file:///",
            "hive.query.results.cache.enabled": "false",
            "hive.query.results.cache.directory": f"{directory}/cache",
            "hadoop.tmp.dir": f"{directory}/hadoop",
            "mapreduce.framework.name": "local", "hive.exec.mode.local.auto": "true",
            "hive.compute.query.using.stats": "false",
            "hive.metastore.warehouse.dir": f"file://{warehouse}/managed",
            "hive.metastore.warehouse.external.dir": f"file://{warehouse}"})
        super().__init__(directory, port, "org.apache.hive.service.server.HiveServer2", PLACE / "lib", "600m")
        self.session = None

    def call(self, name, request):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=QUERY_LIMIT)
        try:
            connection.request("POST", "/cliservice", wire.message(name, Struct({1: request})),
                               {"Content-Type": "application/x-thrift",
                                "Authorization": "Basic " + base64.b64encode(b"fl:fl").decode()})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{name}: status {answer.status} {data[:200]}\n{self.log()}")
        body = wire.read_message(wire.taker(data))[3]
        result = body.get(0)
        if result is None or result[1][1] not in (0, 1):
            raise RuntimeError(f"{name}: {result[1] if result else body}")
        return result

    def rows(self, sql):
        """The rows of a query, each value as text or None."""
        if self.session is None:
            self.session = self.call("OpenSession", Struct({1: 7, 2: "fl", 4: Map()}))[3]
        done = self.call("ExecuteStatement", Struct({1: self.session, 2: sql, 4: False}))[2]
        if not done[3]:
            return []
        found = []
        while True:
            fetched = self.call("FetchResults", Struct({1: done, 2: 0, 3: I64(1000)}))[3]
            columns = [values_of(each) for each in fetched.get(3, ())]
            block = [list(row) for row in zip(*columns)]
            if not block:
                break
            found += block
        self.call("CloseOperation", Struct({1: done}))
        return found


def values_of(column):
    [(_, cells)] = column.items()
    nulls = cells.get(2, b"")
    return [None if i // 8 < len(nulls) and nulls[i // 8] >> i % 8 & 1
            else text(each) if isinstance(each, bytes) else str(each).lower() if isinstance(each, bool)
            else str(int(each)) if isinstance(each, int) else str(each)
            for i, each in enumerate(cells[1])]


class Hive:
    """A metastore and a HiveServer2 that asks it."""

    def __init__(self, directory):
        directory = pathlib.Path(directory)
        self.warehouse = directory / "warehouse"
        self.warehouse.mkdir(parents=True)
        self.metastore = Metastore(directory / "metastore", self.warehouse)
        self.server = Server2(directory / "server", self.warehouse, self.metastore.url)

    def start(self):
        self.metastore.start()
        return self

    def wait(self):
        self.metastore.wait()
        self.server.start().wait()
        return self

    def rows(self, sql):
        return self.server.rows(sql)

    def close(self):
        for each in (self.server, self.metastore):
            if each.process:
                each.kill()
