#!/usr/bin/env python3
"""Real Kafka brokers (KRaft) for tests, each a JVM of its own, on 127.0.0.1.

usage: brokers.py start DIR [--brokers 1] [-c PROPERTY=VALUE]...
           starts them in DIR (made anew) and prints lines for the environment: KAFKA_BOOTSTRAP, and
           with one broker KAFKA_SASL, KAFKA_SASL_TLS, KAFKA_TLS (host:port of its other listeners)
       brokers.py stop DIR                  ends them; DIR stays
       brokers.py kill|freeze|thaw DIR N    SIGKILL, SIGSTOP, SIGCONT for the broker N: 1, 2, ...
       brokers.py restart DIR N             kills it if it lives, starts it, waits for it
       brokers.py env DIR                   prints the environment again
Exit status: 0; 77 "skipped: ..." without Java or where the jars cannot be fetched; else 1.

In a test:

    kafka = brokers.shared(1)                 # or 3; the same for all tests of a run
    kafka.admin.create("trades", partitions=3)
    kafka.produce("trades", b"one\\ntwo\\n")
    kafka.records("trades")                   # [Record(partition=0, offset=0, key=None, ...), ...]
    kafka.kill(1); kafka.restart(1)
    own = brokers.Cluster(directory).start(1) # one that a test has for itself; own.stop()
    with kafka.links() as links:              # a TCP link to each broker, which can be cut
        ... connect to links.bootstrap

Topics are not made by themselves. With one broker there are further listeners: `sasl` and
`sasl_tls` (PLAIN: bob with bob-secret; SCRAM-SHA-256 and -512: alice with alice-secret) and `tls`,
which wants a client certificate; the files are in directory/tls: ca.pem, other-ca.pem, client.pem,
expired.pem, client.key.
The listener "link" of each broker tells clients to come over its link (tools/link_proxy.py).
On the plain listener everybody may do everything; admin.allow_only() takes topics from the others.
"""
import argparse
import atexit
import base64
import collections
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "tools"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import maven  # noqa: E402
from admin import Admin  # noqa: E402
from freeze import wait_still  # noqa: E402
from link_proxy import Link  # noqa: E402
from ports import free_ports  # noqa: E402

SKIPPED = 77
START_LIMIT = 180  # seconds; a busy machine takes thirty times as long as an idle one
JVM = ["-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
       "-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true"]
READY = "Kafka Server started"
LOGGING = """org.slf4j.simpleLogger.logFile=System.out
org.slf4j.simpleLogger.showDateTime=true
org.slf4j.simpleLogger.defaultLogLevel=warn
org.slf4j.simpleLogger.log.kafka.server=info
org.slf4j.simpleLogger.log.org.apache.kafka.coordinator.group=info
"""
BROKER = """process.roles=broker,controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
num.network.threads=2
num.io.threads=2
background.threads=1
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.backoff.ms=500
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
"""
ONE = """broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
"""
SEVERAL = """min.insync.replicas=2
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
"""
PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
SECURE = f"""sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config={PLAIN_LOGIN} user_bob="bob-secret";
listener.name.sasl.scram-sha-256.sasl.jaas.config={SCRAM_LOGIN}
listener.name.sasl.scram-sha-512.sasl.jaas.config={SCRAM_LOGIN}
listener.name.sasltls.plain.sasl.jaas.config={PLAIN_LOGIN} user_bob="bob-secret";
listener.name.sasltls.scram-sha-256.sasl.jaas.config={SCRAM_LOGIN}
listener.name.sasltls.scram-sha-512.sasl.jaas.config={SCRAM_LOGIN}
ssl.keystore.type=PEM
ssl.keystore.location=tls/broker-both.pem
ssl.truststore.type=PEM
ssl.truststore.location=tls/ca.pem
listener.name.tls.ssl.client.auth=required
"""
PROTOCOLS = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", "LINK": "PLAINTEXT",
             "SASL": "SASL_PLAINTEXT", "SASLTLS": "SASL_SSL", "TLS": "SSL"}
LINK_HOST = "127.0.0.2"  # the link of a broker has the port of the broker's listener there

# timestamp: milliseconds; headers: pairs in their order; key and value: bytes or None.
Record = collections.namedtuple("Record", "partition offset timestamp key value headers")


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def java():
    home = os.environ.get("JAVA_HOME")
    path = str(pathlib.Path(home, "bin/java")) if home else shutil.which("java")
    if not path or not os.access(path, os.X_OK):
        skip("no java")
    return path


def fetch_jars(pom="pom.xml"):
    """The folder of jars."""
    lib = pom.removesuffix(".xml").replace("pom", "lib", 1)
    return maven.fetch(pathlib.Path(__file__).with_name(pom), ROOT / "build/peers/kafka" / lib,
                       "Kafka", skip)


def make_certificates(directory):
    """ca.pem, other-ca.pem (of nobody here), broker-both.pem, client.pem and client.key; expired.pem
    is of the same key, and was valid until yesterday."""
    directory.mkdir()

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    for name in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                f"/CN=test-{name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    (directory / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name, result, days in (("broker", "broker", 2), ("client", "client", 2),
                               ("client", "expired", -1)):
        if result == name:
            openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout",
                    f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", str(days), "-extfile", "ext", "-out", f"{result}.pem")
    (directory / "broker-both.pem").write_bytes(
        (directory / "broker.key").read_bytes() + (directory / "broker.pem").read_bytes())


@contextlib.contextmanager
def expired_server(tls):
    """HOST:PORT of a TLS server whose certificate has expired. `tls`: the folder of certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{tls}/expired.pem", f"{tls}/client.key")

    def serve():
        while True:
            try:
                one, _ = door.accept()
            except OSError:
                return
            one.settimeout(60)
            with contextlib.suppress(OSError), context.wrap_socket(one, server_side=True):
                pass
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{door.getsockname()[1]}"
        door.shutdown(socket.SHUT_RDWR)


class Links:
    """A link to each of some brokers. `links[i].cut()` and so on: see tools/link_proxy.py."""

    def __init__(self, ports):
        self.links = [Link(LINK_HOST, ("127.0.0.1", port), port) for port in ports]

    def __enter__(self):
        for link in self.links:
            link.__enter__()
        return self

    def __exit__(self, *_):
        for link in self.links:
            link.__exit__()

    def __getitem__(self, i):
        return self.links[i]

    def __len__(self):
        return len(self.links)

    @property
    def bootstrap(self):
        return ",".join(f"{LINK_HOST}:{link.port}" for link in self.links)

    @property
    def cuts(self):
        return sum(link.cuts for link in self.links)


class Cluster:
    """Brokers 1 to N in one directory. Other processes may load() and use it at the same time. `pom`:
    which Kafka."""

    def __init__(self, directory, pom="pom.xml"):
        self.dir = pathlib.Path(directory).resolve()
        self.pom = pom
        self.state = {}

    # ------------------------------------------------------------- life

    def start(self, count=1, configs=()):
        """Makes the directory anew. `configs`: further lines of the brokers' properties."""
        command = java()
        self.command = [command, *JVM, "-cp", f"{self.dir}/conf:{fetch_jars(self.pom)}/*"]
        for name in ("conf", "logs", "run"):
            (self.dir / name).mkdir(parents=True)
        (self.dir / "conf/simplelogger.properties").write_text(LOGGING)
        names = ["PLAINTEXT", "CONTROLLER", "LINK"] + (["SASL", "SASLTLS", "TLS"] if count == 1 else [])
        ports = free_ports(count * len(names))
        self.state = {"command": self.command, "ports": {
            str(number): dict(zip(names, ports[(number - 1) * len(names):]))
            for number in range(1, count + 1)}}
        if count == 1:
            make_certificates(self.dir / "tls")
        self.configure(configs)
        (self.dir / "run/state.json").write_text(json.dumps(self.state))
        try:
            self.format()
            for number in self.numbers():
                self.spawn(number)
            for number in self.numbers():
                self.wait_ready(number)
        except BaseException:
            self.stop()
            raise
        return self

    def load(self):
        self.state = json.loads((self.dir / "run/state.json").read_text())
        self.command = self.state["command"]
        return self

    def configure(self, configs):
        count = len(self.state["ports"])
        voters = ",".join(f"{number}@127.0.0.1:{ports['CONTROLLER']}"
                          for number, ports in self.state["ports"].items())
        copies, least = min(count, 3), min(count, 2)
        for number, ports in self.state["ports"].items():
            places = {name: f"{name}://127.0.0.1:{port}" for name, port in ports.items()}
            told = {**places, "LINK": f"LINK://{LINK_HOST}:{ports['LINK']}"}
            rows = [f"node.id={number}", f"controller.quorum.voters={voters}",
                    "listeners=" + ",".join(places.values()),
                    "advertised.listeners=" + ",".join(
                        place for name, place in told.items() if name != "CONTROLLER"),
                    "listener.security.protocol.map=" + ",".join(
                        f"{name}:{PROTOCOLS[name]}" for name in ports),
                    f"log.dirs=data/{number}", f"default.replication.factor={copies}",
                    f"offsets.topic.replication.factor={copies}"]
            for name in ("transaction.state.log", "share.coordinator.state.topic"):
                rows += [f"{name}.replication.factor={copies}", f"{name}.min.isr={least}"]
            text = BROKER + (ONE + SECURE if count == 1 else SEVERAL)
            (self.dir / f"conf/{number}.properties").write_text(
                text + "\n".join([*rows, *configs]) + "\n")

    def format(self):
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        users = [word for size in (256, 512) for word in (
            "--add-scram", f"SCRAM-SHA-{size}=[name=alice,password=alice-secret]")]
        for number in self.numbers():
            done = self.run("kafka.tools.StorageTool", "format",
                            f"--cluster-id={identity}",  # it may begin with a '-'
                            "-c", f"conf/{number}.properties", *users)
            if done.returncode:
                raise RuntimeError(f"the data of broker {number} cannot be made: {done.stderr}")

    def spawn(self, number):
        # A new file: the log of an earlier life must not look like readiness.
        with open(self.dir / f"logs/{number}.log", "w") as log:
            process = subprocess.Popen(
                [*self.command, "kafka.Kafka", f"conf/{number}.properties"], cwd=self.dir,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        (self.dir / f"run/{number}.pid").write_text(str(process.pid))

    def wait_ready(self, number):
        end = time.monotonic() + START_LIMIT
        while READY not in self.log(number):
            if self.pid(number) is None or time.monotonic() > end:
                raise RuntimeError(f"broker {number} does not start\n{self.tail(number)}")
            time.sleep(0.05)

    def numbers(self):
        return [int(number) for number in self.state["ports"]]

    def pid(self, number):
        """The process if it lives and is ours: a number may have been given to another since."""
        try:
            pid = int((self.dir / f"run/{number}.pid").read_text())
            for _ in range(100):
                command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                if command or state in "ZX":
                    break
                time.sleep(0.01)  # in the middle of exec(2) a process has no command line yet
        except (OSError, ValueError):
            return None
        return pid if f"-cp\0{self.dir}/".encode() in command else None

    def signal(self, number, sent):
        pid = self.pid(number)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
                if sent == signal.SIGSTOP:
                    wait_still(pid)

    def wait_gone(self, number, seconds):
        end = time.monotonic() + seconds
        while (pid := self.pid(number)) is not None:
            if time.monotonic() > end:
                return False
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # when it is our own child
            time.sleep(0.02)
        return True

    def kill(self, number):
        self.signal(number, signal.SIGKILL)
        if not self.wait_gone(number, 60):
            raise RuntimeError(f"broker {number} does not end")

    def freeze(self, number):
        self.signal(number, signal.SIGSTOP)

    def thaw(self, number):
        self.signal(number, signal.SIGCONT)

    def launch(self, number):
        """As restart(), but without waiting."""
        self.kill(number)
        self.spawn(number)

    def restart(self, number):
        self.launch(number)
        self.wait_ready(number)

    def repair(self):
        """Whatever a test has done: all brokers run."""
        for number in self.numbers():
            self.thaw(number)
            if self.pid(number) is None:
                self.spawn(number)
        for number in self.numbers():
            self.wait_ready(number)

    def stop(self):
        for sent, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 10)):
            for number in self.numbers():
                self.thaw(number)
                self.signal(number, sent)
            if all([self.wait_gone(number, seconds) for number in self.numbers()]):
                break

    def log(self, number):
        with contextlib.suppress(OSError):
            return (self.dir / f"logs/{number}.log").read_text(errors="replace")
        return ""

    def tail(self, number):
        return "\n".join(f"broker: {row}" for row in self.log(number).splitlines()[-30:])

    # ------------------------------------------------------------- use

    def place(self, number, listener="PLAINTEXT"):
        return f"127.0.0.1:{self.state['ports'][str(number)][listener]}"

    @property
    def bootstrap(self):
        return ",".join(self.place(number) for number in self.numbers())

    @property
    def sasl(self):
        return self.place(1, "SASL")

    @property
    def sasl_tls(self):
        return self.place(1, "SASLTLS")

    @property
    def tls(self):
        return self.place(1, "TLS")

    def links(self):
        return Links([ports["LINK"] for ports in self.state["ports"].values()])

    @property
    def admin(self):
        return Admin([("127.0.0.1", ports["PLAINTEXT"]) for ports in self.state["ports"].values()])

    def environment(self):
        found = {"KAFKA_BOOTSTRAP": self.bootstrap}
        if len(self.numbers()) == 1:
            found |= {"KAFKA_SASL": self.sasl, "KAFKA_SASL_TLS": self.sasl_tls,
                      "KAFKA_TLS": self.tls}
        return found

    def run(self, main, *args, input=None, limit=120):
        """A tool of Kafka's, by its class: done.stdout, done.stderr, done.returncode."""
        return subprocess.run([*self.command, main, *args], cwd=self.dir, input=input, text=True,
                              stdin=subprocess.DEVNULL if input is None else None,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit)

    def kcat(self, *args, input=b"", limit=120):
        """What kcat prints."""
        done = subprocess.run(["kcat", "-b", self.bootstrap, *args], input=input, timeout=limit,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise RuntimeError(f"kcat {' '.join(args)}: {done.stderr.decode()}")
        return done.stdout

    def produce(self, topic, lines, *args, partition=None, key=None, headers=()):
        """Writes the lines of a text that are not empty as records. `args`: more for kcat, e.g.
        "-K", ":" for lines of KEY:VALUE, and with "-Z" those without a value as tombstones."""
        words = ["-P", "-t", topic, "-X", "enable.idempotence=true"]
        words += [] if partition is None else ["-p", str(partition)]
        words += [] if key is None else ["-k", key]
        for name, value in headers:
            words += ["-H", f"{name}={value}"]
        self.kcat(*words, *args, input=lines)

    def produce_value(self, topic, value, *args):
        """One record of any bytes. `args`: for kcat."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(value)
            file.flush()
            self.kcat("-P", "-t", topic, *args, file.name)

    def records(self, topic, *args):
        """All committed records of a topic, partition by partition, in their order. Names and values
        of headers are without "," and "="; `args`: more for kcat."""
        data = self.kcat("-C", "-t", topic, "-e", "-q", "-o", "beginning", "-X",
                         "isolation.level=read_committed", "-f",
                         "%p %o %T %K %S\\n%k%s%h\\x1e\\n", *args)
        found, at = [], 0
        while at < len(data):
            end = data.index(b"\n", at)
            partition, offset, when, key_size, value_size = map(int, data[at:end].split())
            key_end = end + 1 + max(key_size, 0)
            value_end = key_end + max(value_size, 0)
            at = data.index(b"\x1e\n", value_end) + 2
            headers = data[value_end:at - 2].decode()
            found.append(Record(
                partition, offset, when, None if key_size < 0 else data[end + 1:key_end],
                None if value_size < 0 else data[key_end:value_end],
                [tuple(pair.split("=", 1)) for pair in headers.split(",") if pair]))
        return sorted(found, key=lambda record: (record.partition, record.offset))


def shared(count):
    """The cluster of `count` brokers of this run, started when it is first asked for. `run` ends
    it; a test that was started alone ends its own."""
    home = os.environ.get("KAFKA_DIR")
    if not home:
        home = os.environ["KAFKA_DIR"] = tempfile.mkdtemp(prefix="fl-kafka-")
        atexit.register(end_all, home)
    with open(os.path.join(home, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = Cluster(os.path.join(home, f"{count}-brokers"))
        if (cluster.dir / "run/state.json").exists():
            cluster.load()
            cluster.repair()
        else:
            cluster.start(count)
        return cluster


def end_all(home):
    """Ends what shared() has started below `home`, and removes it."""
    for state in pathlib.Path(home).glob("*/run/state.json"):
        Cluster(state.parents[1]).load().stop()
    shutil.rmtree(home, ignore_errors=True)


def main():
    # Tests share a shell's signals: an interrupted start must still take its brokers down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(usage=__doc__.split("usage:")[1].split("\n\n")[0])
    parser.add_argument("verb", choices=["start", "stop", "kill", "freeze", "thaw", "restart",
                                         "env", "end-all"])
    parser.add_argument("dir")
    parser.add_argument("number", nargs="?", type=int)
    parser.add_argument("--brokers", type=int, default=1)
    parser.add_argument("-c", dest="configs", action="append", default=[])
    args = parser.parse_args()
    cluster = Cluster(args.dir)
    try:
        if args.verb == "end-all":
            end_all(args.dir)
            return 0
        if args.verb == "start":
            cluster.start(args.brokers, args.configs)
        else:
            cluster.load()
        if args.verb in ("start", "env"):
            for name, value in cluster.environment().items():
                print(f"{name}={value}")
        elif args.verb == "stop":
            cluster.stop()
        elif args.number not in cluster.numbers():
            raise RuntimeError(f"name one of {cluster.numbers()}")
        else:
            getattr(cluster, args.verb)(args.number)
    except (RuntimeError, OSError) as error:
        print(f"brokers.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
