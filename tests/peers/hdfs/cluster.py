#!/usr/bin/env python3
"""A real HDFS for tests: one NameNode and some DataNodes, each a JVM of its own, on 127.0.0.1.

usage: cluster.py start DIR [--datanodes 2] [--port-base N]
           starts it in DIR (made anew), waits until it can be written to, and prints lines for the
           environment: HADOOP_CONF_DIR=..., HDFS_HTTP=..., HDFS_DIR=...
       cluster.py stop DIR                        ends it; DIR stays
       cluster.py kill|freeze|thaw DIR nn|dn1|dn2     SIGKILL, SIGSTOP, SIGCONT
       cluster.py restart DIR nn|dn1|dn2          kills it if it lives, starts it, waits for it
       cluster.py wait DIR                        waits until it can be written to
       cluster.py shell DIR ARG...                hdfs dfs
       cluster.py admin DIR ARG...                hdfs dfsadmin
Exit status: 0; 77 "skipped: ..." when there is no Java or the jars cannot be fetched; else 1.
The jars are fetched once by Maven (pom.xml) into build/peers/hdfs/lib.
"""

import argparse
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
JARS = ROOT / "build/peers/hdfs"
START_LIMIT = 120  # seconds
FETCH_LIMIT = 900
SKIPPED = 77
JVM = ["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:CICompilerCount=1",
       "-Djava.net.preferIPv4Stack=true"]
NAMENODE = "org.apache.hadoop.hdfs.server.namenode.NameNode"
DATANODE = "org.apache.hadoop.hdfs.server.datanode.DataNode"


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(SKIPPED)


def fail(why):
    print(f"cluster.py: {why}", file=sys.stderr)
    sys.exit(1)


def java():
    home = os.environ.get("JAVA_HOME")
    path = str(pathlib.Path(home, "bin/java")) if home else shutil.which("java")
    if not path or not os.access(path, os.X_OK):
        skip("no java")
    return path


def fetch_jars():
    """Whole or not at all: the folder gets its name when Maven is done."""
    lib = JARS / "lib"
    JARS.mkdir(parents=True, exist_ok=True)
    with open(JARS / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if lib.is_dir():
            return
        if not shutil.which("mvn"):
            skip("no mvn to fetch Hadoop with")
        partial = JARS / "lib.partial"
        shutil.rmtree(partial, ignore_errors=True)
        pom = pathlib.Path(__file__).with_name("pom.xml")
        log = JARS / "fetch.log"
        with open(log, "w") as out:
            try:
                code = subprocess.run(
                    ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies",
                     f"-DoutputDirectory={partial}", "-DincludeScope=runtime"],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=JARS,
                    timeout=FETCH_LIMIT).returncode
            except subprocess.TimeoutExpired:
                code = -1
        if code != 0:
            shutil.rmtree(partial, ignore_errors=True)
            skip(f"Maven cannot fetch Hadoop, see {log}")
        partial.rename(lib)


def write_site(path, properties):
    lines = ['<?xml version="1.0"?>', "<configuration>"]
    for name, value in properties.items():
        lines.append(f"  <property><name>{name}</name><value>{value}</value></property>")
    path.write_text("\n".join(lines + ["</configuration>", ""]))


def choose_ports(count, base):
    if base:
        return list(range(base, base + count))
    # All are held at once so that no two are the same.
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    def __init__(self, directory):
        self.dir = pathlib.Path(directory).resolve()
        self.conf = self.dir / "conf"
        self.run = self.dir / "run"
        self.state = {}

    def load(self):
        try:
            self.state = json.loads((self.run / "state.json").read_text())
        except OSError:
            fail(f"no cluster in '{self.dir}'")
        return self

    def http(self):
        return f"http://127.0.0.1:{self.state['nn_http']}"

    def names(self):
        return ["nn"] + [f"dn{n + 1}" for n in range(len(self.state["datanodes"]))]

    def make(self, datanodes, port_base):
        if self.run.exists():
            fail(f"'{self.dir}' already holds a cluster: stop it and remove the directory")
        for folder in ("conf/webapps/hdfs", "conf/webapps/datanode", "data", "logs", "run"):
            (self.dir / folder).mkdir(parents=True)
        ports = choose_ports(2 + 3 * datanodes, port_base)
        self.state = {"nn_rpc": ports[0], "nn_http": ports[1],
                      "datanodes": [ports[i:i + 3] for i in range(2, len(ports), 3)]}
        (self.run / "state.json").write_text(json.dumps(self.state))
        write_site(self.conf / "core-site.xml", {
            "fs.defaultFS": f"hdfs://127.0.0.1:{self.state['nn_rpc']}",
            "hadoop.tmp.dir": self.dir / "data/tmp",
        })
        write_site(self.conf / "hdfs-site.xml", {
            "dfs.namenode.rpc-address": f"127.0.0.1:{self.state['nn_rpc']}",
            "dfs.namenode.http-address": f"127.0.0.1:{self.state['nn_http']}",
            "dfs.namenode.name.dir": f"file://{self.dir}/data/nn",
            "dfs.replication": 1,
            "dfs.blocksize": 1 << 20,
            "dfs.namenode.fs-limits.min-block-size": 1024,
            "dfs.namenode.datanode.registration.ip-hostname-check": "false",
            "dfs.datanode.hostname": "127.0.0.1",
            # Without these a restart means half a minute of safe mode, a killed DataNode is
            # offered for ten minutes and every second small file takes 0.4 s to close.
            "dfs.namenode.safemode.extension": 0,
            "dfs.heartbeat.interval": 1,
            "dfs.namenode.heartbeat.recheck-interval": 1000,
            "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": 20,
        })
        for name, level in (("log4j.properties", "INFO"), ("shell.properties", "ERROR")):
            (self.conf / name).write_text(
                f"log4j.rootLogger={level},err\n"
                "log4j.appender.err=org.apache.log4j.ConsoleAppender\n"
                "log4j.appender.err.target=System.err\n"
                "log4j.appender.err.layout=org.apache.log4j.PatternLayout\n"
                "log4j.appender.err.layout.ConversionPattern=%d %p %c{1}: %m%n\n")

    def command(self, main, *args, flags=()):
        return [java(), *JVM, *flags, "-cp", f"{self.conf}:{JARS}/lib/*", main, *args]

    def format(self):
        with open(self.dir / "logs/format.log", "w") as log:
            code = subprocess.run(self.command(NAMENODE, "-format", "-force", "-nonInteractive"),
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  timeout=START_LIMIT).returncode
        if code != 0:
            fail("the NameNode cannot be formatted\n" + self.tail("format"))

    def spawn(self, name):
        if name == "nn":
            command = self.command(NAMENODE)
        else:
            transfer, http, ipc = self.state["datanodes"][int(name[2:]) - 1]
            command = self.command(
                DATANODE, "-D", f"dfs.datanode.data.dir=file://{self.dir}/data/{name}",
                "-D", f"dfs.datanode.address=127.0.0.1:{transfer}",
                "-D", f"dfs.datanode.http.address=127.0.0.1:{http}",
                "-D", f"dfs.datanode.ipc.address=127.0.0.1:{ipc}")
        # A new file: the log of an earlier life must not look like readiness.
        with open(self.dir / f"logs/{name}.log", "w") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       cwd=self.dir, start_new_session=True)
        (self.run / f"{name}.pid").write_text(str(process.pid))

    def pid(self, name):
        """The process if it lives and is ours: a number may have been given to another since."""
        try:
            pid = int((self.run / f"{name}.pid").read_text())
            for _ in range(100):
                command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                if command or state in "ZX":
                    break
                time.sleep(0.01)  # in the middle of exec(2) a process has no command line yet
        except (OSError, ValueError):
            return None
        return pid if f"{self.conf}:".encode() in command else None

    def signal(self, name, number):
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, number)
        return pid

    def wait_gone(self, name, seconds):
        end = time.monotonic() + seconds
        while self.pid(name) is not None:
            if time.monotonic() > end:
                return False
            try:
                os.waitpid(self.pid(name) or -1, os.WNOHANG)  # when it is our own child
            except ChildProcessError:
                pass
            time.sleep(0.02)
        return True

    def kill(self, name):
        self.signal(name, signal.SIGKILL)
        self.wait_gone(name, 10)

    def stop(self):
        for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 10)):
            for name in reversed(self.names()):
                self.signal(name, signal.SIGCONT)
                self.signal(name, number)
            if all([self.wait_gone(name, seconds) for name in self.names()]):
                break

    def tail(self, name):
        try:
            lines = (self.dir / f"logs/{name}.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"{name}: {line}" for line in lines[-15:])

    def answer(self, path, method="GET"):
        request = urllib.request.Request(self.http() + path, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as reply:
                return json.loads(reply.read())
        except (OSError, ValueError):
            return None

    def unready(self):
        """What is not ready yet, or None. Only what answers counts, not what listens."""
        for name in self.names():
            log = self.dir / f"logs/{name}.log"
            if (name != "nn" and self.pid(name) is not None
                    and "successfully registered with NN" not in log.read_text(errors="replace")):
                return name
        if self.answer("/webhdfs/v1/.ready?op=CREATE&noredirect=true&user.name=root",
                       "PUT") is None:
            return "nn"
        beans = self.answer("/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState")
        try:
            state = beans["beans"][0]
            living = sum(1 for name in self.names()[1:] if self.pid(name) is not None)
            ready = state["FSState"] == "Operational" and state["NumLiveDataNodes"] >= living
        except (TypeError, KeyError, IndexError):
            ready = False
        return None if ready else "nn"

    def wait_ready(self, needed):
        end = time.monotonic() + START_LIMIT
        while True:
            for name in needed:
                if self.pid(name) is None:
                    raise RuntimeError(f"{name} has ended\n" + self.tail(name))
            late = self.unready()
            if late is None:
                return
            if time.monotonic() > end:
                raise RuntimeError(f"{late} is not ready after {START_LIMIT} s\n"
                                   + self.tail(late))
            time.sleep(0.1)

    def call(self, main, args):
        flags = [f"-Dlog4j.configuration=file:{self.conf}/shell.properties"]
        return subprocess.run(self.command(main, *args, flags=flags)).returncode


def start(cluster, args):
    java()
    fetch_jars()
    cluster.make(args.datanodes, args.port_base)
    try:
        cluster.format()
        for name in cluster.names():
            cluster.spawn(name)
        cluster.wait_ready(cluster.names())
    except BaseException as error:
        cluster.stop()
        if isinstance(error, RuntimeError):
            fail(str(error))
        raise
    print(f"HADOOP_CONF_DIR={cluster.conf}")
    print(f"HDFS_HTTP={cluster.http()}")
    print(f"HDFS_DIR={cluster.dir}")
    return 0


def restart(cluster, name):
    cluster.kill(name)
    cluster.spawn(name)
    cluster.wait_ready([name])


def main():
    # Tests share a shell's signals: an interrupted start must still take its daemons down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if len(sys.argv) > 2 and sys.argv[1] in ("shell", "admin"):
        main_class = {"shell": "org.apache.hadoop.fs.FsShell",
                      "admin": "org.apache.hadoop.hdfs.tools.DFSAdmin"}[sys.argv[1]]
        return Cluster(sys.argv[2]).load().call(main_class, sys.argv[3:])
    parser = argparse.ArgumentParser(usage=__doc__.split("usage:")[1])
    parser.add_argument("verb", choices=["start", "stop", "wait", "kill", "freeze", "thaw",
                                         "restart"])
    parser.add_argument("dir")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--datanodes", type=int, default=2)
    parser.add_argument("--port-base", type=int, default=0)
    args = parser.parse_args()
    cluster = Cluster(args.dir)
    if args.verb == "start":
        return start(cluster, args)
    cluster.load()
    if args.verb == "stop":
        cluster.stop()
        return 0
    try:
        if args.verb == "wait":
            cluster.wait_ready([])
            return 0
        if args.name not in cluster.names():
            fail(f"name one of {' '.join(cluster.names())}")
        if args.verb == "kill":
            cluster.kill(args.name)
        elif args.verb == "restart":
            restart(cluster, args.name)
        elif cluster.signal(args.name, signal.SIGSTOP if args.verb == "freeze"
                            else signal.SIGCONT) is None:
            fail(f"{args.name} is not running")
    except RuntimeError as error:
        fail(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
