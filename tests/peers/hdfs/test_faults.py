#!/usr/bin/env python3
"""The connections to NameNode and DataNode break, lie and never end (fault_proxy.py): each line is
a file of its own, each file meets one fault, and all lines arrive exactly once.

Started by ./run. FL_TEST_LONG=1: a cut at every byte of every exchange of an upload, not a sample.
"""
import json
import os
import subprocess
import sys

import storm
from fault_proxy import (Answer, CutReply, CutRequest, Drip, Endless, FaultProxy, FirstOf, Rewrite,
                         Sequence)
from storm import clusters, harness

LIMIT = 1800 if storm.LONG else 300  # seconds until a flow hangs
CUTS = 1000  # of about 3300, without FL_TEST_LONG
LANES = 4  # uploads at a time
MEMORY = 64 << 20  # resident bytes of the sink, at most
UPLOAD = ("create", "data", "status", "rename")
CANARY = "CANARY4711"


def remote(name, message, status=403, package="org.apache.hadoop.hdfs.protocol"):
    body = json.dumps({"RemoteException": {
        "exception": name, "javaClassName": f"{package}.{name}", "message": message}})
    return answer(status, body, "application/json")


def answer(status, body="", kind="text/html", *headers):
    body = body.encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {kind}",
             f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


HTML = "<html><head><title>Error</title></head><body><h2>Whatever</h2></body></html>"

# Worth another try: the file arrives although the first answer was this.
AGAIN = {
    "StandbyException": remote(
        "StandbyException", "Operation category WRITE is not supported in state standby. Visit "
        "https://s.apache.org/sbnn-error", package="org.apache.hadoop.ipc"),
    "RetriableException": remote("RetriableException", "Namenode is in startup mode",
                                 package="org.apache.hadoop.ipc"),
    "SafeModeException": remote("SafeModeException", "Cannot create file /x. Name node is in safe "
                                "mode.", package="org.apache.hadoop.hdfs.server.namenode"),
    "AlreadyBeingCreatedException": remote(
        "AlreadyBeingCreatedException", "Failed to CREATE_FILE /x for DFSClient_1 on 127.0.0.1 "
        "because this file lease is currently owned by DFSClient_2 on 127.0.0.1"),
    "RecoveryInProgressException": remote(
        "RecoveryInProgressException", "Failed to APPEND_FILE /x: lease recovery is in progress. "
        "Try again later."),
    "LeaseExpiredException": remote(
        "LeaseExpiredException", "No lease on /x (inode 1): File is not open for writing.",
        package="org.apache.hadoop.hdfs.server.namenode"),
    "NotReplicatedYetException": remote("NotReplicatedYetException", "Not replicated yet: /x",
                                        package="org.apache.hadoop.hdfs.server.namenode"),
    "EOFException": remote("EOFException", "End of File Exception between local host is: a",
                           package="java.io"),
    "ConnectException": remote("ConnectException", "Call From a to b failed on connection "
                               "exception: Connection refused", package="java.net"),
    "no DataNode": remote("IOException", "Failed to find datanode, suggest to check cluster "
                          "health. excludeDatanodes=null", package="java.io"),
    "bad DataNodes": remote("IOException", "All datanodes [DatanodeInfoWithStorage[127.0.0.1:1]] "
                            "are bad. Aborting...", package="java.io"),
    "no replica": remote("IOException", "File /x could only be written to 0 of the 1 "
                         "minReplication nodes.", 500, package="java.io"),
    "wrapped": remote("RemoteException", "org.apache.hadoop.ipc.StandbyException: Operation "
                      "category READ is not supported in state standby", 500,
                      package="org.apache.hadoop.ipc"),
    "500 HTML": answer(500, HTML),
    "502 HTML": answer(502, HTML),
    "503 HTML": answer(503, HTML, "text/html", "Retry-After: 1"),
    "429": answer(429),
}

# For a person to settle; the sink waits and continues when it is settled.
REFUSED = {
    "401 HTML": answer(401, HTML, "text/html", "WWW-Authenticate: Negotiate"),
    "AccessControlException": remote(
        "AccessControlException", 'Permission denied: user=bob, access=WRITE, '
        'inode="/s":root:supergroup:drwxr-xr-x', package="org.apache.hadoop.security"),
    "AuthorizationException": remote("AuthorizationException", "User: a is not allowed to "
                                     "impersonate b", package="org.apache.hadoop.security.authorize"),
    "SecurityException": remote(
        "SecurityException", "Failed to obtain user group information: org.apache.hadoop.security."
        f"token.SecretManager$InvalidToken: token={CANARY} can't be found in cache",
        package="java.lang"),
    "DSQuotaExceededException": remote(
        "DSQuotaExceededException", "The DiskSpace quota of /s is exceeded: quota = 1 B"),
    "NSQuotaExceededException": remote(
        "NSQuotaExceededException", "The NameSpace quota (directories and files) of directory /s "
        "is exceeded: quota=1 file count=2"),
    "ParentNotDirectoryException": remote("ParentNotDirectoryException", "/s is not a directory",
                                          package="org.apache.hadoop.fs"),
    "UnresolvedPathException": remote("UnresolvedPathException", "Unresolved path /s"),
    "IOException": remote("IOException", "Something that nobody has seen before", package="java.io"),
    "403 HTML": answer(403, HTML),
    "404 HTML": answer(404, HTML),
    "200 HTML": answer(200, HTML),
    "200 and half of JSON": answer(200, '{"FileStatus":{"length":', "application/json"),
    "307 without Location": answer(307),
    "307 to a script": answer(307, "", "text/html", "Location: javascript:alert(1)"),
    "302 to a login page": answer(302, HTML, "text/html", "Location: http://127.0.0.1:1/login"),
    "204": answer(204),
    "999": answer(999, HTML),
    "a message with a token": remote(
        "IOException", f"GET http://h:1/webhdfs/v1/s?op=OPEN&delegation={CANARY}&offset=0 failed",
        package="java.io"),
    "a message of many lines": remote("IOException", "first\n\tat second\n\x1b[31mred\x07" +
                                      "x" * 100_000, package="java.io"),
}

# Ends the stage: trying again would not help.
FATAL = {
    "IllegalArgumentException": remote("IllegalArgumentException", 'Invalid value for webhdfs '
                                       'parameter "permission"', 400, package="java.lang"),
    "InvalidPathException": remote("InvalidPathException", "Invalid path name /s", 400,
                                   package="org.apache.hadoop.fs"),
    "UnsupportedOperationException": remote("UnsupportedOperationException", "op=NULL is not "
                                            "supported", 400, package="java.lang"),
}

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def endless():
    return [
        Endless("an endless body", HEAD + b"\r\n", b"x"),
        Endless("an endless body of JSON", HEAD + b"\r\n", b"["),
        Endless("10 GB with their length", HEAD + b"Content-Length: 10000000000\r\n\r\n", b" "),
        Endless("endless chunks", HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
                b"10\r\n0123456789abcdef\r\n"),
        Endless("an endless header", HEAD, b"X-More: 0123456789abcdef\r\n"),
        Endless("an endless header line", HEAD + b"X-More: ", b"y"),
        Endless("100 Continue for ever", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        Endless("no HTTP", b"220 mail.example.org ESMTP\r\n", b"250 OK\r\n"),
        Endless("NUL bytes", b"", b"\0"),
    ]


def memory_of(pid) -> int:
    with open(f"/proc/{pid}/status") as file:
        return next(int(row.split()[1]) << 10 for row in file if row.startswith("VmHWM"))


class Lane:
    """A sink behind a proxy of its own that makes a file of each line."""

    def __init__(self, case, plan, name, options=(), **proxy):
        cluster = case.cluster
        self.case = case
        self.name = name
        self.plan = plan
        self.path = f"/faults/{os.getpid()}/{name}"
        ports = [ports["http"] for ports in cluster.state["datanodes"]]
        self.proxy = FaultProxy(cluster.state["namenodes"]["nn"]["http"], ports, plan, **proxy)
        case.addCleanup(self.proxy.close)
        reader, self.writer = os.pipe()
        self.pipeline = case.pipeline(
            ["fl-sink", "hdfs", "--text", "--roll-count", "1", "--grace", "120s",
             "--retry-interval", "200ms", "--log-level", "debug", *options,
             f"webhdfs://127.0.0.1:{self.proxy.port}{self.path}"],
            stdin=reader, env=case.env(HADOOP_USER_NAME="root"))
        os.close(reader)
        self.lines = []

    def give(self, count):
        """Lines of 20 bytes or so: a pipe holds them all."""
        added = [f"{self.name} {len(self.lines) + i:06}" for i in range(count)]
        self.lines += added
        text = "".join(line + "\n" for line in added).encode()
        while text:
            text = text[os.write(self.writer, text):]

    def wait(self) -> int:
        """The sink's status after the end of its input; its memory is then in self.memory."""
        os.close(self.writer)
        process = self.pipeline.processes[0]
        self.memory = 0

        def ended():
            pid = process.pid
            try:
                self.memory = max(self.memory, memory_of(pid))
            except (OSError, StopIteration):
                pass
            return process.poll() is not None
        storm.poll(ended, f"the end of {self.name}:\n{self.pipeline.report()}", LIMIT)
        self.case.assertEqual(self.proxy.faults, [])
        said = self.pipeline.errors(0)
        self.case.assertNotIn(CANARY, said)
        for row in said.splitlines():
            self.case.assertLess(len(row), 2000, row[:200])
            self.case.assertTrue(row.isprintable(), row[:200])
        return process.returncode

    def has_files(self) -> bool:
        entries = self.case.cluster.answer(
            f"{self.case.cluster.url('nn')}/webhdfs/v1{self.path}?op=LISTSTATUS&user.name=root")
        entries = entries["FileStatuses"]["FileStatus"] if entries else []
        return any(harness.is_final(entry["pathSuffix"]) for entry in entries)

    def check_all_once(self, stored):
        """`stored`: lines of all lanes."""
        stored = [line for line in stored if line.startswith(self.name + " ")]
        lost = sorted(set(self.lines) - set(stored))
        doubled = sorted({line for line in stored if stored.count(line) > 1})
        report = self.pipeline.errors(0)[-3000:]
        self.case.assertEqual((lost[:5], doubled[:5]), ([], []), report)
        self.case.assertEqual(sorted(stored), sorted(self.lines), report)
        self.case.assertLess(self.memory, MEMORY)


class Faults(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.cluster = clusters.Cluster(os.environ["HDFS_DIR"]).load()

    def lane(self, plan, name, **more):
        return Lane(self, plan, name, **more)

    def stored(self, lanes) -> list:
        """Lines of all committed files, as Hadoop's own client reads them."""
        places = [f"{lane.path}/FlumeData.*" for lane in lanes if lane.has_files()]
        if not places:
            return []
        done = self.cluster.call("shell", ["-cat", *places], stdout=subprocess.PIPE, timeout=LIMIT)
        self.assertEqual(done.returncode, 0)
        return done.stdout.decode().splitlines()

    def run_all(self, faults, name, **more):
        """Each fault meets a file, in several lanes; each line is there once."""
        lanes = []
        for number in range(LANES):
            share = faults[number::LANES]
            if share:
                lane = self.lane(Sequence(share), f"{name}-{number}", **more)
                lane.give(len(share) + 1)
                lanes.append(lane)
        hits = 0
        for lane in lanes:
            self.assertEqual(lane.wait(), 0, lane.pipeline.report())
        stored = self.stored(lanes)
        for lane in lanes:
            lane.check_all_once(stored)
            hits += lane.plan.hits
        print(f"     {name}: {len(faults)} faults, {hits} met, memory at most "
              f"{max(lane.memory for lane in lanes) >> 20} MiB", flush=True)
        return hits

    def lengths(self):
        """Bytes of request and answer of each exchange of an upload."""
        plan = Sequence([])
        lane = self.lane(plan, "measure")
        lane.give(3)
        self.assertEqual(lane.wait(), 0, lane.pipeline.report())
        lane.check_all_once(self.stored([lane]))
        self.assertTrue(set(UPLOAD) <= set(plan.lengths), plan.lengths)
        return plan.lengths

    def test_cut_at_every_byte(self):
        cuts = []
        lengths = self.lengths()
        for kind in UPLOAD:
            request, reply = lengths[kind]
            cuts += [(kind, CutRequest(at, at % 2 == 1)) for at in range(request)]
            cuts += [(kind, CutReply(at, at % 2 == 1)) for at in range(reply)]
        edges = [cut for cut in cuts if cut[1].offset < 2]
        if not storm.LONG:
            cuts = edges + self.random.sample(cuts, CUTS - len(edges))
        self.random.shuffle(cuts)
        hits = self.run_all(cuts, "cuts")
        # An answer may be a byte shorter than the longest one that was measured.
        self.assertGreater(hits, len(cuts) * 0.95)

    def test_answers_worth_a_retry(self):
        faults = [(kind, Answer(name, text, afterwards)) for kind in UPLOAD
                  for name, text in AGAIN.items() for afterwards in (False, True)]
        self.random.shuffle(faults)
        self.assertEqual(self.run_all(faults, "again"), len(faults))

    def test_answers_for_a_person(self):
        faults = [(kind, Answer(name, text)) for kind in UPLOAD for name, text in REFUSED.items()]
        self.random.shuffle(faults)
        self.assertEqual(self.run_all(faults, "refused"), len(faults))

    def test_endless_answers(self):
        faults = [(kind, fault) for kind in UPLOAD for fault in endless()]
        self.assertEqual(self.run_all(faults, "endless"), len(faults))
        for _, fault in faults:
            self.assertLess(fault.sent, 64 << 20, fault.name)

    def test_slow_answers(self):
        faults = [(kind, Drip(1.0)) for kind in UPLOAD]
        self.assertEqual(self.run_all(faults, "slow"), len(faults))

    def test_answers_that_take_too_long(self):
        """A byte now and then must not hold an upload."""
        faults = [(kind, Drip(60.0, after)) for kind in UPLOAD for after in (False, True)]
        self.assertEqual(self.run_all(faults, "drip", options=["--call-timeout", "5s"]),
                         len(faults))
        self.assertEqual([(kind, drip.after_status) for kind, drip in faults if drip.is_whole], [])

    def test_answers_that_end_it(self):
        for kind in ("create", "data"):
            for name, text in FATAL.items():
                with self.subTest(kind=kind, answer=name):
                    lane = self.lane(FirstOf(kind, Answer(name, text)), f"fatal-{kind}-{name}")
                    lane.give(1)
                    self.assertEqual(lane.wait(), 78, lane.pipeline.report())
                    self.assertEqual(self.stored([lane]), [])

    def test_secrets_stay_secret(self):
        """A token in each Location and a login cookie in each answer, and every kind of trouble."""
        def with_secrets(exchange, reply):
            extra = f'Set-Cookie: hadoop.auth="u=root&t={CANARY}"; Path=/\r\n'.encode()
            head, blank, body = reply.partition(b"\r\n\r\n")
            head = head.replace(b"op=CREATE&", f"op=CREATE&delegation={CANARY}&".encode(), 1)
            return head + b"\r\n" + extra.rstrip() + blank + body if blank else reply

        def without_secrets(exchange, request):
            return request.replace(f"delegation={CANARY}&".encode(), b"")

        faults = [(kind, fault) for kind in UPLOAD for fault in
                  (CutRequest(30), CutReply(0), CutReply(20, True),
                   Answer("IOException", REFUSED["IOException"]),
                   Answer("a message with a token", REFUSED["a message with a token"]),
                   Answer("SecurityException", REFUSED["SecurityException"]),
                   Answer("500 HTML", AGAIN["500 HTML"], True), Answer("404", answer(404)))]
        faults.append(("create", Rewrite("a dead DataNode", lambda reply: reply.replace(
            reply.split(b"127.0.0.1:")[1].split(b"/")[0], b"1"))))
        self.assertEqual(self.run_all(faults, "secrets", change_request=without_secrets,
                                      change_reply=with_secrets), len(faults))


if __name__ == "__main__":
    if not os.environ.get("HDFS_DIR"):
        print("test_faults.py: started by ./run, which starts a cluster", file=sys.stderr)
        sys.exit(64)
    harness.main()
