#!/usr/bin/env python3
"""The main job against a real HDFS: a log flows in and Hadoop's own client reads it back.

Started by ./run, which gives HADOOP_CONF_DIR, HDFS_HTTP, HDFS_DIR and HDFS_CLUSTER.
FL_TEST_LINES (200000) sets the size of the log.
"""
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
import harness

LINES = int(os.environ.get("FL_TEST_LINES", "200000"))
ROLL = LINES // 10
TOOLS = os.path.join(harness.ROOT, "tests", "tools")
CLUSTER = os.environ.get("HDFS_CLUSTER", os.path.join(HERE, "cluster.py"))
LIMIT = 300  # seconds until a flow hangs
USER = pwd.getpwuid(os.getuid()).pw_name  # who started the daemons is HDFS's superuser


def cluster(verb, *words, check=True):
    return subprocess.run([sys.executable, CLUSTER, verb, os.environ["HDFS_DIR"], *words],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT,
                          check=check)


def hdfs(*words, check=True) -> bytes:
    return cluster("shell", *words, check=check).stdout


def webhdfs(method, path, **query):
    """One request that makes or changes something."""
    words = urllib.parse.urlencode({"user.name": USER, **query})
    request = urllib.request.Request(f"{os.environ['HDFS_HTTP']}/webhdfs/v1{path}?{words}",
                                     method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def listing(path: str) -> list:
    """Entries of a directory by WebHDFS, [] if there is none."""
    url = f"{os.environ['HDFS_HTTP']}/webhdfs/v1{path}?op=LISTSTATUS&user.name={USER}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["FileStatuses"]["FileStatus"]
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return []
        raise


def finals(path: str) -> list:
    """Names of committed files in the order in which they were made."""
    names = [e["pathSuffix"] for e in listing(path) if harness.is_final(e["pathSuffix"])]
    return [f"{path}/{name}" for name in sorted(names, key=lambda name: (len(name), name))]


def bytes_in(path: str) -> int:
    return sum(e["length"] for e in listing(path) if harness.is_final(e["pathSuffix"]))


def open_files(pid) -> list:
    folder = f"/proc/{pid}/fd"
    names = []
    for fd in os.listdir(folder):
        try:
            names.append(os.readlink(f"{folder}/{fd}"))
        except OSError:
            pass  # closed just now
    return names


class Hdfs(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.shared = harness.make_directory()
        cls.log = os.path.join(cls.shared, "access.log")
        with open(cls.log, "wb") as file:
            subprocess.run([sys.executable, os.path.join(TOOLS, "gen_log.py"),
                            "--lines", str(LINES), "--seed", str(harness.SEED)],
                           stdout=file, check=True)
        with open(cls.log, "rb") as file:
            cls.content = file.read()

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["rm", "-rf", cls.shared], check=True)

    def setUp(self):
        super().setUp()
        self.target = f"/flow/{self._testMethodName}-{os.getpid()}"

    def run_pipeline(self, *commands, user=USER):
        env = self.env(HADOOP_CONF_DIR=os.environ["HADOOP_CONF_DIR"], HADOOP_USER_NAME=user)
        return self.pipeline(*commands, env=env)

    def watch(self, path, form):
        watcher = subprocess.Popen(
            [os.path.join(TOOLS, "watch_dir"), f"{os.environ['HDFS_HTTP']}/webhdfs/v1{path}",
             "--format", form], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(watcher.stdout.close)
        self.addCleanup(watcher.wait)
        self.addCleanup(watcher.kill)
        watcher.stdout.readline()
        return watcher

    def end_watch(self, watcher):
        watcher.send_signal(signal.SIGTERM)
        said, _ = watcher.communicate(timeout=LIMIT)
        print(said.strip())
        self.assertEqual(watcher.returncode, 0, said)

    def text_is_there(self, path, content):
        names = finals(path)
        self.assertTrue(names)
        found = hdfs("-cat", *names)
        self.assertEqual(len(found), len(content))
        self.assertTrue(found == content, "other bytes, or another order")

    def avro_is_there(self, path, content):
        rows = hdfs("-text", *finals(path)).splitlines()
        expected = content.decode().splitlines()
        self.assertEqual(len(rows), len(expected))
        for row, line in zip(rows, expected):
            event = json.loads(row)
            self.assertEqual(event["body"], line)
            self.assertRegex(event["headers"]["timestamp"], "^[0-9]{13}$")

    def nothing_hidden_is_left(self, path):
        left = [e["pathSuffix"] for e in listing(path) if not harness.is_final(e["pathSuffix"])]
        self.assertEqual(left, [])

    def flow_from_growth(self, form, *options):
        log = self.write("growing.log", b"")
        watcher = self.watch(self.target, form)
        pipeline = self.run_pipeline(
            ["tail", "-n", "+1", "-F", log], "fl-intercept ts",
            ["fl-sink", "hdfs", "--stream", "--roll-count", str(ROLL), *options, self.target])
        step = len(self.content) // 97 + 1  # ends in the middle of lines
        with open(log, "ab", buffering=0) as file:
            for start in range(0, len(self.content), step):
                file.write(self.content[start:start + step])
        # The last roll commits the last event: then tail may go.
        harness.poll(lambda: len(finals(self.target)) >= LINES // ROLL or
                     pipeline.processes[2].poll() is not None, "all files", LIMIT)
        pipeline.send(signal.SIGTERM, 0)
        statuses = pipeline.wait(LIMIT)
        self.assertEqual(statuses[1:], [0, 0], pipeline.report())
        self.end_watch(watcher)
        self.nothing_hidden_is_left(self.target)

    def flow_from_file(self, form, *options):
        watcher = self.watch(self.target, form)
        self.check(self.run_pipeline(
            ["fl-source", "stdin", self.log], "fl-intercept ts --stream",
            ["fl-sink", "hdfs", "--stream", "--roll-size", "6M", *options, self.target]),
            0, 0, 0, limit=LIMIT)
        self.end_watch(watcher)
        self.nothing_hidden_is_left(self.target)

    def test_text_from_a_growing_log(self):
        self.flow_from_growth("text")
        self.text_is_there(self.target, self.content)

    def test_text_from_a_file(self):
        self.flow_from_file("text")
        self.text_is_there(self.target, self.content)

    def test_avro_from_a_growing_log(self):
        self.flow_from_growth("avro", "--serializer", "avro_event", "--file-suffix", ".avro")
        self.avro_is_there(self.target, self.content)

    def test_avro_from_a_file(self):
        self.flow_from_file("avro", "--serializer", "avro_event", "--file-suffix", ".avro")
        self.avro_is_there(self.target, self.content)

    def small_spool(self, lines=1000):
        part = b"".join(line + b"\n" for line in self.content.split(b"\n")[:lines])
        self.write("spool/part", part)
        return part

    def nothing_forgotten(self):
        self.assertTrue(os.path.exists(self.path("spool", "part")))

    def spool_into(self, target, *options, user=USER):
        return self.run_pipeline("fl-source spooldir spool --once",
                                 ["fl-sink", "hdfs", "--stream", *options, target], user=user)

    def test_spooldir_is_forgotten_when_it_is_stored(self):
        part = self.small_spool()
        self.check(self.spool_into(self.target), 0, 0, limit=LIMIT)
        self.assertTrue(os.path.exists(self.path("spool", "part.COMPLETED")))
        self.text_is_there(self.target, part)

    def test_default_path_is_fl_data_at_home(self):
        self.check(self.run_pipeline("printf a\\n", "fl-sink hdfs"), 0, 0, limit=LIMIT)
        self.text_is_there(f"/user/{USER}/fl-data", b"a\n")

    def test_dry_run_and_a_second_run_do_no_harm(self):
        count = min(20_000, LINES)
        part = b"".join(line + b"\n" for line in self.content.split(b"\n")[:count])
        source = self.write("part.log", part)
        words = ["fl-sink", "hdfs", "--stream", "--roll-count", "2000"]
        both = [self.run_pipeline(["fl-source", "stdin", source], [*words, self.target])
                for _ in range(2)]
        dry = self.run_pipeline("printf a\\n", ["fl-sink", "hdfs", "--dry-run", self.target])
        statuses = dry.wait(LIMIT)
        self.assertEqual(statuses[1], 0, dry.report())
        for pipeline in both:
            self.check(pipeline, 0, 0, limit=LIMIT)
        found = sorted(hdfs("-cat", *finals(self.target)).splitlines())
        self.assertTrue(found == sorted(2 * part.splitlines()), f"{len(found)} lines")
        self.nothing_hidden_is_left(self.target)
        before = listing(self.target)
        self.assertEqual(self.run_pipeline(
            "printf a\\n", ["fl-sink", "hdfs", "--dry-run", self.target]).wait(LIMIT)[1], 0)
        self.assertEqual(listing(self.target), before)

    def test_spool_dir(self):  # Property: hdfs.spoolDir
        spool = self.path("gathered")
        self.check(self.run_pipeline("printf a\\n", ["fl-sink", "hdfs", "--spool-dir", spool,
                                                     self.target]), 0, 73, limit=LIMIT)
        os.mkdir(spool)
        reader, writer = os.pipe()
        sink = self.pipeline(
            ["fl-sink", "hdfs", "--text", "--spool-dir", spool, self.target], stdin=reader,
            env=self.env(HADOOP_CONF_DIR=os.environ["HADOOP_CONF_DIR"], HADOOP_USER_NAME=USER))
        os.close(reader)
        part = self.content[:1 << 20]
        part = part[:part.rindex(b"\n") + 1]
        with os.fdopen(writer, "wb") as lines:
            lines.write(part)
            lines.flush()
            harness.poll(lambda: any(name.startswith(spool + "/") and name.endswith(" (deleted)")
                                     for name in open_files(sink.processes[0].pid)),
                         "a spool file without a name", LIMIT)
        self.check(sink, 0, limit=LIMIT)
        self.text_is_there(self.target, part)

    def test_use_proxy(self):  # Property: hdfs.useProxy
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
            env = self.env(HADOOP_CONF_DIR=os.environ["HADOOP_CONF_DIR"], HADOOP_USER_NAME=USER,
                           http_proxy=address, no_proxy="", NO_PROXY="")
            # Not asked: a proxy of the environment is for the web, a cluster is not behind it.
            self.check(self.pipeline("printf a\\n", ["fl-sink", "hdfs", self.target], env=env),
                       0, 0, limit=LIMIT)
            words = ["fl-sink", "hdfs", "--use-proxy", "--grace", "1s", self.target]
            sink = self.pipeline("printf a\\n", words, env=env)
            proxy.settimeout(LIMIT)
            with proxy.accept()[0] as asked:
                line = asked.makefile("rb").readline().decode()
            self.assertTrue(line.startswith(f"GET {os.environ['HDFS_HTTP']}/webhdfs/v1/"), line)
        self.check(sink, 0, 69, limit=LIMIT)

    def test_wrong_user_is_77(self):
        self.small_spool()
        webhdfs("PUT", self.target, op="MKDIRS")
        webhdfs("PUT", self.target, op="SETPERMISSION", permission="755")
        pipeline = self.spool_into(self.target, "--grace", "1s", user="stranger")
        statuses = pipeline.wait(LIMIT)
        self.assertEqual(statuses, [75, 77], pipeline.report())
        self.assertIn("stranger", pipeline.errors(1))
        self.nothing_forgotten()
        self.assertEqual(listing(self.target), [])

    def test_full_quota_is_74(self):
        self.small_spool(20_000)
        webhdfs("PUT", self.target, op="MKDIRS")
        cluster("admin", "-setSpaceQuota", "2m", self.target)
        pipeline = self.spool_into(self.target, "--grace", "1s")
        statuses = pipeline.wait(LIMIT)
        self.assertEqual(statuses, [75, 74], pipeline.report())
        self.assertIn("quota", pipeline.errors(1).lower())
        self.nothing_forgotten()
        self.assertEqual(finals(self.target), [])

    def test_safe_mode_is_waited_for(self):
        part = self.small_spool()
        cluster("admin", "-safemode", "enter")
        try:
            pipeline = self.spool_into(self.target, "--grace", "300s")
            harness.poll(lambda: "safe mode" in pipeline.errors(1).lower() or
                         "safemode" in pipeline.errors(1).lower() or
                         pipeline.processes[1].poll() is not None, "a word about safe mode", LIMIT)
            self.assertIsNone(pipeline.processes[1].poll(), pipeline.report())
        finally:
            cluster("admin", "-safemode", "leave")
        self.check(pipeline, 0, 0, limit=LIMIT)
        self.text_is_there(self.target, part)

    def test_safe_mode_longer_than_grace_is_69(self):
        self.small_spool()
        cluster("admin", "-safemode", "enter")
        try:
            pipeline = self.spool_into(self.target, "--grace", "1s")
            self.check(pipeline, 75, 69, limit=LIMIT)
        finally:
            cluster("admin", "-safemode", "leave")
        self.nothing_forgotten()

    def test_name_node_down_is_69_after_grace(self):
        self.small_spool()
        cluster("kill", "nn")
        try:
            self.check(self.spool_into(self.target, "--grace", "1s"), 75, 69, limit=LIMIT)
            self.nothing_forgotten()
            late = self.spool_into(self.target, "--grace", "300s")
            harness.poll(lambda: late.errors(1), "a word about the NameNode", LIMIT)
        finally:
            cluster("restart", "nn")
        # It came back within the grace.
        self.check(late, 0, 0, limit=LIMIT)
        self.assertEqual(len(hdfs("-cat", *finals(self.target)).splitlines()), 1000)


if __name__ == "__main__":
    if not os.environ.get("HDFS_DIR"):
        print("test_flow.py: started by ./run, which starts a cluster", file=sys.stderr)
        sys.exit(64)
    harness.main()
