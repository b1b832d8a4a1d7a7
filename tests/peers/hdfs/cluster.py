#!/usr/bin/env python3
"""A real HDFS for tests: NameNodes, DataNodes and what stands before them, each a JVM of its own,
on 127.0.0.1.

usage: cluster.py start DIR [--datanodes 2] [--port-base N] [--block-size BYTES] [--ha] [--httpfs]
                  [--kerberos [--ticket-lifetime SECONDS] [--token-renewal SECONDS]]
                  [--tls [only|both]] [--client-cert]
           starts it in DIR (made anew), waits until it can be written to, and prints lines for the
           environment: HADOOP_CONF_DIR, HDFS_HTTP (https with --tls), HDFS_DIR and
           --ha          HDFS_HTTP_NN1, HDFS_HTTP_NN2; two NameNodes nn1 (active) and nn2 of the
                         nameservice ns1, without ZooKeeper and JournalNodes
           --httpfs      HTTPFS_HTTP; the gateway HttpFS is the daemon "httpfs"
           --kerberos    KRB5_CONFIG, HDFS_KEYTABS (a directory: alice.keytab, bob.keytab,
                         hdfs-localhost.keytab, HTTP-localhost.keytab; realm EXAMPLE.COM); MiniKdc
                         is the daemon "kdc". Tickets live --ticket-lifetime (86400), the login
                         cookie of HTTP a quarter of that; a delegation token wants to be renewed
                         after --token-renewal (86400).
           --tls         HDFS_TLS (a directory: ca.pem, other-ca.pem, client.pem, client.key);
                         only (default): no HTTP at all; both: HDFS_HTTP stays HTTP, HDFS_HTTPS is
                         the other. --client-cert: the servers want a client certificate.
       cluster.py stop DIR                    ends it; DIR stays
       cluster.py kill|freeze|thaw DIR NAME   SIGKILL, SIGSTOP, SIGCONT; NAME: nn or nn1 nn2, dn1
                                              dn2..., httpfs, kdc
       cluster.py restart DIR NAME            kills it if it lives, starts it, waits for it
       cluster.py launch DIR NAME             the same without waiting
       cluster.py wait DIR                    waits until it can be written to
       cluster.py failover DIR nn1|nn2        makes this the active one, the other standby
       cluster.py forceactive DIR nn1|nn2     makes this the active one, the other being dead
       cluster.py shell DIR ARG...            hdfs dfs
       cluster.py admin DIR ARG...            hdfs dfsadmin
       cluster.py env DIR                     prints the environment again
Exit status: 0; 77 "skipped: ..." when there is no Java or the jars cannot be fetched; else 1.
All options go together. With Kerberos, shell and admin are the superuser hdfs, and HttpFS acts for
others as hdfs.
"""

import argparse
import getpass
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import configuration
import credentials
import jars  # makes tests/tools known, too
from freeze import wait_still
from jars import fail
from ports import free_ports

START_LIMIT = 300  # seconds; a busy machine takes thirty times as long as an idle one
START_TRIES = 5  # of a daemon whose port is in use for a moment
CLASSES = {
    "nn": "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "dn": "org.apache.hadoop.hdfs.server.datanode.DataNode",
    "httpfs": "org.apache.hadoop.fs.http.server.HttpFSServerWebServer",
    "kdc": "org.apache.hadoop.minikdc.MiniKdc",
    "shell": "org.apache.hadoop.fs.FsShell",
    "admin": "org.apache.hadoop.hdfs.tools.DFSAdmin",
    "fetchdt": "org.apache.hadoop.hdfs.tools.DelegationTokenFetcher",
    "ha": "org.apache.hadoop.hdfs.tools.DFSHAAdmin",
}


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

    def user(self):
        return "" if self.state["kdc"] else "&user.name=root"

    def namenodes(self):
        return list(self.state["namenodes"])

    def datanodes(self):
        return [f"dn{n + 1}" for n in range(len(self.state["datanodes"]))]

    def names(self):
        """All daemons in the order in which they start."""
        return ([name for name in ("kdc",) if self.state["kdc"]] + self.namenodes()
                + self.datanodes() + [name for name in ("httpfs",) if self.state["httpfs"]])

    def url(self, name, scheme=None):
        scheme = scheme or configuration.http_ports(self.state)
        if name == "httpfs":
            return f"{'https' if self.state['tls'] else 'http'}://{self.state['host']}:" \
                   f"{self.state['httpfs']}"
        return f"{scheme}://{self.state['host']}:{self.state['namenodes'][name][scheme]}"

    def environment(self):
        names = self.namenodes()
        found = {"HADOOP_CONF_DIR": self.conf, "HDFS_HTTP": self.url(names[0]),
                 "HDFS_DIR": self.dir}
        if self.state["nameservice"]:
            found |= {f"HDFS_HTTP_{name.upper()}": self.url(name) for name in names}
        if self.state["httpfs"]:
            found["HTTPFS_HTTP"] = self.url("httpfs")
        if self.state["tls"]:
            found["HDFS_TLS"] = self.dir / "tls"
            found["HDFS_HTTPS"] = self.url(names[0], "https")
        if self.state["kdc"]:
            found["KRB5_CONFIG"] = self.dir / "kdc/krb5.conf"
            found["HDFS_KEYTABS"] = self.dir / "kdc"
        return {name: str(value) for name, value in found.items()}

    def make(self, args):
        if self.run.exists():
            fail(f"'{self.dir}' already holds a cluster: stop it and remove the directory")
        for folder in ("conf", "data", "logs", "run"):
            (self.dir / folder).mkdir(parents=True)
        names = ["nn1", "nn2"] if args.ha else ["nn"]
        count = 3 * len(names) + 4 * args.datanodes + 2
        ports = iter(range(args.port_base, args.port_base + count) if args.port_base
                     else free_ports(count))
        self.state = {
            "dir": str(self.dir), "user": getpass.getuser(),
            "host": "localhost" if args.kerberos or args.tls else "127.0.0.1",
            "nameservice": "ns1" if args.ha else "",
            "namenodes": {name: {"rpc": next(ports), "http": next(ports), "https": next(ports)}
                          for name in names},
            "datanodes": [{kind: next(ports) for kind in ("transfer", "http", "https", "ipc")}
                          for _ in range(args.datanodes)],
            "httpfs": next(ports) if args.httpfs else 0,
            "kdc": next(ports) if args.kerberos else 0,
            "tls": args.tls or "", "client_cert": args.client_cert,
            "block_size": args.block_size, "ticket": args.ticket_lifetime,
            "token": args.token_renewal,
        }
        (self.run / "state.json").write_text(json.dumps(self.state))
        configuration.write_all(self.state)
        if self.state["tls"]:
            credentials.make_certificates(self.dir / "tls")
        if self.state["kdc"]:
            folder = self.dir / "kdc"
            folder.mkdir()
            (folder / "minikdc.properties").write_text(
                credentials.kdc_properties(self.state["kdc"], self.state["ticket"]))

    def command(self, main, *args, lib="lib", conf=None, memory=192, flags=()):
        if self.state["kdc"] and main != CLASSES["kdc"]:
            flags = [*flags, f"-Djava.security.krb5.conf={self.dir}/kdc/krb5.conf"]
        return [jars.program("java"), f"-Xmx{memory}m", *jars.JVM,
                f"-Djava.io.tmpdir={self.dir}", *flags, "-cp",
                f"{conf or self.conf}:{jars.JARS}/{lib}/*", main, *args]

    def format(self):
        first = self.namenodes()[0]
        with open(self.dir / "logs/format.log", "w") as log:
            code = subprocess.run(
                self.command(CLASSES["nn"], *self.which(first), "-format", "-force",
                             "-nonInteractive"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=START_LIMIT).returncode
        if code != 0:
            fail("the NameNode cannot be formatted\n" + self.tail("format"))
        for other in self.namenodes()[1:]:  # in place of -bootstrapStandby
            shutil.copytree(self.dir / "data" / first, self.dir / "data" / other)

    def which(self, namenode):
        """Both NameNodes are on one host: each must be told which it is."""
        return ["-D", f"dfs.ha.namenode.id={namenode}"] if self.state["nameservice"] else []

    def daemon(self, name):
        if name in self.namenodes():
            return self.command(CLASSES["nn"], *self.which(name))
        if name == "kdc":
            return self.command(
                CLASSES["kdc"], str(self.dir / "kdc"), str(self.dir / "kdc/minikdc.properties"),
                str(self.dir / "kdc/all.keytab"), *credentials.PRINCIPALS, lib="lib-kdc", memory=96)
        if name == "httpfs":
            home = self.dir / "httpfs"
            # JAXB needs the open package; without it the gateway starts and answers 503.
            return self.command(
                CLASSES["httpfs"], lib="lib-httpfs", conf=home / "conf",
                flags=["--add-opens", "java.base/java.lang=ALL-UNNAMED",
                       f"-Dhttpfs.home.dir={home}", f"-Dhttpfs.config.dir={home}/conf",
                       f"-Dhttpfs.log.dir={home}/log", f"-Dhttpfs.temp.dir={home}/temp"])
        ports = self.state["datanodes"][int(name[2:]) - 1]
        host = self.state["host"]
        return self.command(
            CLASSES["dn"], "-D", f"dfs.datanode.data.dir=file://{self.dir}/data/{name}",
            "-D", f"dfs.datanode.address={host}:{ports['transfer']}",
            "-D", f"dfs.datanode.http.address={host}:{ports['http']}",
            "-D", f"dfs.datanode.https.address={host}:{ports['https']}",
            "-D", f"dfs.datanode.ipc.address={host}:{ports['ipc']}")

    def spawn(self, name):
        # A new file: the log of an earlier life must not look like readiness.
        with open(self.dir / f"logs/{name}.log", "w") as log:
            process = subprocess.Popen(self.daemon(name), stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, cwd=self.dir, start_new_session=True)
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
        return pid if f"-cp\0{self.dir}/".encode() in command else None

    def signal(self, name, number):
        pid = self.pid(name)
        try:
            if pid is not None:
                os.kill(pid, number)
                if number == signal.SIGSTOP:
                    wait_still(pid)
        except ProcessLookupError:
            return None
        return pid

    def wait_gone(self, name, seconds):
        end = time.monotonic() + seconds
        while (pid := self.pid(name)) is not None:
            if time.monotonic() > end:
                return False
            try:
                os.waitpid(pid, os.WNOHANG)  # when it is our own child
            except ChildProcessError:
                pass
            time.sleep(0.02)
        return True

    def kill(self, name):
        self.signal(name, signal.SIGKILL)
        if not self.wait_gone(name, 60):
            raise RuntimeError(f"{name} does not end")

    def launch(self, name):
        self.kill(name)
        self.spawn(name)

    def restart(self, name):
        self.launch(name)
        self.wait_ready([name])

    def stop(self):
        for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 10)):
            for name in reversed(self.names()):
                self.signal(name, signal.SIGCONT)
                self.signal(name, number)
            if all([self.wait_gone(name, seconds) for name in self.names()]):
                break

    def log(self, name):
        try:
            return (self.dir / f"logs/{name}.log").read_text(errors="replace")
        except OSError:
            return ""

    def tail(self, name):
        return "\n".join(f"{name}: {line}" for line in self.log(name).splitlines()[-15:])

    def answer(self, url, method="GET"):
        """The JSON at `url`, or None. Without looking at certificates: a test does that."""
        words = ["curl", "-sf", "-k", "--noproxy", "*", "-m", "5", "-X", method, url]
        env = dict(os.environ)
        if self.state["tls"]:
            words += ["--cert", self.dir / "tls/client.pem", "--key", self.dir / "tls/client.key"]
        if self.state["kdc"]:
            words += ["--negotiate", "-u", ":"]
            env |= {"KRB5_CONFIG": str(self.dir / "kdc/krb5.conf"), "KRB5CCNAME": "MEMORY:",
                    "KRB5_CLIENT_KTNAME": str(self.dir / "kdc/hdfs-localhost.keytab")}
        if url.startswith("http://") and not self.state["kdc"]:
            return self.plain_answer(url, method)
        done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    @staticmethod
    def plain_answer(url, method):
        request = urllib.request.Request(url, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as reply:
                return json.loads(reply.read())
        except (OSError, ValueError):
            return None

    def bean(self, namenode, name):
        beans = self.answer(f"{self.url(namenode)}/jmx?qry=Hadoop:service=NameNode,name={name}")
        try:
            return beans["beans"][0]
        except (TypeError, KeyError, IndexError):
            return {}

    def active(self):
        """The name of the active NameNode, or None."""
        for name in self.namenodes():
            if (self.pid(name) is not None
                    and self.bean(name, "NameNodeStatus").get("State") == "active"):
                return name
        return None

    def unready(self):
        """What is not ready yet, or None. Only what answers counts, not what listens."""
        namenodes = [name for name in self.namenodes() if self.pid(name) is not None]
        datanodes = [name for name in self.datanodes() if self.pid(name) is not None]
        for name in datanodes:
            if self.log(name).count("successfully registered with NN") < len(namenodes):
                return name
        for name in namenodes:
            state = self.bean(name, "FSNamesystemState")
            if state.get("NumLiveDataNodes", -1) < len(datanodes):
                return name
        active = self.active()
        if active is None or self.bean(active, "FSNamesystemState").get("FSState") != "Operational":
            return active or self.namenodes()[0]
        if datanodes and self.answer(
                f"{self.url(active)}/webhdfs/v1/.ready?op=CREATE&noredirect=true{self.user()}",
                "PUT") is None:
            return active
        if self.pid("httpfs") is not None and self.answer(
                f"{self.url('httpfs')}/webhdfs/v1/?op=GETFILESTATUS{self.user()}") is None:
            return "httpfs"
        return None

    def wait_ready(self, needed):
        self.wait_until(lambda: self.unready(), needed)

    def wait_until(self, late, needed):
        """Waits until late() is None; it names the daemon that is waited for."""
        end = time.monotonic() + START_LIMIT
        tries = dict.fromkeys(needed, 1)
        while True:
            for name in needed:
                if self.pid(name) is not None:
                    continue
                if "BindException" not in self.log(name) or tries[name] == START_TRIES:
                    raise RuntimeError(f"{name} has ended\n" + self.tail(name))
                tries[name] += 1  # connections of its earlier life may still be there
                self.spawn(name)
            name = late()
            if name is None:
                return
            if time.monotonic() > end:
                raise RuntimeError(f"{name} is not ready after {START_LIMIT} s\n"
                                   + self.tail(name))
            time.sleep(0.1)

    def call(self, main, args, **more):
        """Runs one of Hadoop's own commands; returns what subprocess.run does."""
        env = dict(os.environ)
        if self.state["kdc"]:
            env |= {"KRB5PRINCIPAL": f"hdfs/localhost@{configuration.REALM}",
                    "KRB5KEYTAB": str(self.dir / "kdc/all.keytab")}
        flags = [f"-Dlog4j.configuration=file:{self.conf}/shell.properties"]
        return subprocess.run(self.command(CLASSES[main], *args, flags=flags), env=env, **more)

    def transition(self, *args):
        """Asks until it works: a NameNode that listens may not be ready for it."""
        end = time.monotonic() + START_LIMIT
        while True:
            done = self.call("ha", args, input=b"Y\n", stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
            if done.returncode == 0:
                return
            if time.monotonic() > end:
                said = done.stdout.decode(errors="replace")
                raise RuntimeError(f"{' '.join(args)} fails:\n{said}")
            time.sleep(0.5)

    def force_active(self, name):
        self.transition("-transitionToActive", "--forceactive", name)

    def failover(self, name):
        for other in self.namenodes():
            if other != name:
                self.transition("-transitionToStandby", other)
        self.transition("-transitionToActive", name)

    def start(self):
        for name in ("httpfs", "kdc"):
            if self.state[name]:
                jars.fetch(name)
        jars.fetch("hdfs")
        try:
            if self.state["kdc"]:
                self.spawn("kdc")
                ready = "to stop it"
                self.wait_until(lambda: None if ready in self.log("kdc") else "kdc", ["kdc"])
                credentials.split_keytab(self.dir / "kdc/all.keytab", self.dir / "kdc")
            self.format()
            for name in self.names():
                if name != "kdc":
                    self.spawn(name)
            if self.state["nameservice"]:
                self.wait_until(self.not_listening, self.namenodes())
                self.transition("-transitionToActive", self.namenodes()[0])
            self.wait_ready(self.names())
        except BaseException:
            self.stop()
            raise

    def not_listening(self):
        """A NameNode that is not ready to become active, or None."""
        for name in self.namenodes():
            if not self.bean(name, "NameNodeStatus").get("State"):
                return name
        return None


def start(cluster, args):
    jars.program("java")
    cluster.make(args)
    try:
        cluster.start()
    except RuntimeError as error:
        fail(str(error))
    return print_environment(cluster)


def print_environment(cluster):
    for name, value in cluster.environment().items():
        print(f"{name}={value}")
    return 0


def act(cluster, verb, name):
    if verb == "kill":
        cluster.kill(name)
    elif verb == "restart":
        cluster.restart(name)
    elif verb == "launch":
        cluster.launch(name)
    elif verb in ("failover", "forceactive"):
        if not cluster.state["nameservice"] or name not in cluster.namenodes():
            fail(f"'{name}' is no NameNode of a pair: start with --ha")
        if verb == "failover":
            cluster.failover(name)
        else:
            cluster.force_active(name)
    elif cluster.signal(name, signal.SIGSTOP if verb == "freeze" else signal.SIGCONT) is None:
        fail(f"{name} is not running")


def make_parser():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage:")[1])
    parser.add_argument("verb", choices=["start", "stop", "wait", "env", "kill", "freeze", "thaw",
                                         "restart", "launch", "failover", "forceactive"])
    parser.add_argument("dir")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--datanodes", type=int, default=2)
    parser.add_argument("--port-base", type=int, default=0)
    parser.add_argument("--block-size", type=int, default=1 << 20)
    parser.add_argument("--ha", action="store_true")
    parser.add_argument("--httpfs", action="store_true")
    parser.add_argument("--kerberos", action="store_true")
    parser.add_argument("--ticket-lifetime", type=int, default=86400)
    parser.add_argument("--token-renewal", type=int, default=86400)
    parser.add_argument("--tls", nargs="?", choices=["only", "both"], const="only")
    parser.add_argument("--client-cert", action="store_true")
    return parser


def main():
    # Tests share a shell's signals: an interrupted start must still take its daemons down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if len(sys.argv) > 2 and sys.argv[1] in ("shell", "admin"):
        return Cluster(sys.argv[2]).load().call(sys.argv[1], sys.argv[3:]).returncode
    args = make_parser().parse_args()
    cluster = Cluster(args.dir)
    if args.verb == "start":
        return start(cluster, args)
    cluster.load()
    if args.verb == "stop":
        cluster.stop()
        return 0
    if args.verb == "env":
        return print_environment(cluster)
    try:
        if args.verb == "wait":
            cluster.wait_ready([])
        elif args.name not in cluster.names():
            fail(f"name one of {' '.join(cluster.names())}")
        else:
            act(cluster, args.verb, args.name)
    except RuntimeError as error:
        fail(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
