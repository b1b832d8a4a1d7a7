#!/usr/bin/env python3
"""Flows into HDFS with Kerberos, where tickets expire meanwhile, and over TLS, while servers die;
and the other ways to prove who one is.

Starts clusters of its own (cluster.py --kerberos, --tls).
"""
import os
import re
import threading

import storm
from storm import clusters, harness

TICKET = 12  # seconds that a ticket lives
TOKEN = 8  # seconds after which a delegation token is to be renewed
LINES = storm.LINES // 5
AUDIT = r"audit: allowed=true\s+ugi=(\S+) .*cmd="


class Secure(harness.Case):
    def storm_over(self, cluster, name, steps, **env):
        env = self.env(HADOOP_CONF_DIR=str(cluster.conf), **env)
        made = storm.Storm(self, cluster, storm.make_log(LINES), env, name, steps)
        made.shell("-mkdir", "-p", made.base)
        made.shell("-chmod", "777", made.base)
        return made


class Tls(Secure):
    @classmethod
    def setUpClass(cls):
        cls.cluster = storm.start_cluster(cls, "--tls")

    def test_storm(self):
        steps = [("datanode_killed",), ("namenode_killed",)]
        if storm.LONG:
            steps.append(("namenode_frozen",))
        made = self.storm_over(self.cluster, "tls", steps, HADOOP_USER_NAME="root")
        made.watch()
        for form, files in (("text", 8), ("avro", 3)):
            made.add(form, files, options=["--cacert", str(self.cluster.dir / "tls/ca.pem")])
        made.rage()
        made.expect_hits()

    def test_certificate_of_another_is_refused(self):
        pipeline = self.pipeline(
            ["printf", "a\\n"], ["fl-sink", "hdfs", "--cacert",
                                 str(self.cluster.dir / "tls/other-ca.pem"), "/x"],
            env=self.env(HADOOP_CONF_DIR=str(self.cluster.conf), HADOOP_USER_NAME="root"))
        self.check(pipeline, 0, 77, limit=storm.LIMIT)
        self.assertIn("certificate", pipeline.errors(1))


class Kerberos(Secure):
    """Tickets live for TICKET seconds here, tokens want to be renewed within TOKEN."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = storm.start_cluster(cls, "--kerberos", "--ticket-lifetime", str(TICKET),
                                          "--token-renewal", str(TOKEN))
        cls.keytab = str(cls.cluster.dir / "kdc/alice.keytab")
        for words in (["-mkdir", "/open"], ["-chmod", "1777", "/open"]):
            if cls.cluster.call("shell", words).returncode != 0:
                raise AssertionError(f"hdfs dfs {' '.join(words)}")

    def setUp(self):
        super().setUp()
        self.target = f"/open/{self._testMethodName}-{os.getpid()}"

    def secure_env(self, **more):
        return self.env(**{"HADOOP_CONF_DIR": str(self.cluster.conf),
                           "KRB5_CONFIG": str(self.cluster.dir / "kdc/krb5.conf"),
                           "KRB5CCNAME": "FILE:" + self.path("tickets"), **more})

    def write_line(self, *options, statuses=(0, 0), **env):
        """One line into self.target. Returns what the sink reported."""
        pipeline = self.pipeline("printf a\\n", ["fl-sink", "hdfs", *options, self.target],
                                 env=self.secure_env(**env))
        self.check(pipeline, *statuses, limit=storm.LIMIT)
        return pipeline.errors(1)

    def owners(self):
        listed = self.cluster.answer(
            f"{self.cluster.url('nn')}/webhdfs/v1{self.target}?op=LISTSTATUS")
        return [entry["owner"] for entry in listed["FileStatuses"]["FileStatus"]
                if harness.is_final(entry["pathSuffix"])]

    def count_audit(self, command):
        """How often the NameNode let alice do this. Its log begins anew when it is started."""
        return re.findall(AUDIT + command, self.cluster.log("nn")).count("alice")

    def test_ticket_runs_out_on_the_way(self):
        made = self.storm_over(self.cluster, "kerberos",
                               [("waited",), ("namenode_killed",), ("waited",)] if storm.LONG else
                               [("namenode_killed",), ("waited",)],
                               KRB5_CONFIG=str(self.cluster.dir / "kdc/krb5.conf"))
        made.query = "@" + self.file_of_fresh_tokens()
        made.watch()
        made.waited = lambda: self.waited(made)
        for form, files in (("text", 8), ("avro", 3)):
            made.add(form, files, options=["--kerberos-keytab", self.keytab])
        made.rage()
        owners = re.findall(rb"(?m)^-\S+ +\d+ (\S+)", made.shell("-ls", "-R", made.base))
        self.assertEqual(set(owners), {b"alice"})
        for flow in made.flows:
            self.assertNotIn("delegation=", flow.errors())

    def file_of_fresh_tokens(self):
        """For the watcher, which knows nothing of Kerberos; of the superuser, until the end."""
        file = self.path("query")
        over = threading.Event()

        def fetch():
            token = self.cluster.answer(
                f"{self.cluster.url('nn')}/webhdfs/v1/?op=GETDELEGATIONTOKEN")
            if token:
                self.write("query.new", "delegation=" + token["Token"]["urlString"])
                os.replace(file + ".new", file)
            return token

        def fetch_again():
            while not over.wait(TOKEN / 3):
                fetch()
        storm.poll(fetch, "a token", clusters.START_LIMIT)
        thread = threading.Thread(target=fetch_again, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        return file

    def waited(self, made):
        """A whole life of a ticket and of a login cookie passes."""
        made.let_flow()
        made.hold(TICKET + 3)
        yield

    def test_token_is_given_back(self):
        commands = ("getDelegationToken", "cancelDelegationToken")
        before = [self.count_audit(command) for command in commands]
        self.write_line("--kerberos-keytab", self.keytab)
        self.assertEqual([self.count_audit(command) - 1 for command in commands], before)

    def test_token_is_renewed(self):
        reader, writer = os.pipe()
        sink = self.pipeline(["fl-sink", "hdfs", "--text", "--roll-count", "5",
                              "--kerberos-keytab", self.keytab, self.target],
                             stdin=reader, env=self.secure_env())
        os.close(reader)
        before = self.count_audit("renewDelegationToken")

        def renewed():
            os.write(writer, b"a line\n")  # a token that nobody needs lapses
            # Once when it is fetched, to know how long it lives.
            return self.count_audit("renewDelegationToken") > before + 1
        storm.poll(renewed, "a token that is renewed", storm.LIMIT)
        os.close(writer)
        self.check(sink, 0, limit=storm.LIMIT)
        self.assertEqual(set(self.owners()), {"alice"})

    def test_proxy_user(self):  # Property: hdfs.proxyUser
        self.write_line("--kerberos-keytab", self.keytab, "--doas", "carol")
        self.assertEqual(self.owners(), ["carol"])
        # Only alice may act for others.
        said = self.write_line("--kerberos-keytab", self.keytab.replace("alice", "bob"),
                               "--doas", "carol", statuses=(0, 77))
        self.assertIn("impersonate", said)

    def test_token_file(self):  # Properties: hdfs.tokenFile, hdfs.confDir
        file = self.path("tokens")
        done = self.cluster.call("fetchdt", ["--webservice", self.cluster.url("nn"), "--renewer",
                                             "hdfs", file])
        self.assertEqual(done.returncode, 0)
        os.chmod(file, 0o600)
        self.write_line("--token-file", file)
        self.write_line("--conf-dir", str(self.cluster.conf), HADOOP_CONF_DIR="",
                        HADOOP_TOKEN_FILE_LOCATION=file)
        self.assertEqual(self.owners(), ["hdfs", "hdfs"])
        said = self.write_line(statuses=(0, 77))
        self.assertIn("kinit", said)


if __name__ == "__main__":
    harness.main()
