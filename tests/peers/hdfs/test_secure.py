#!/usr/bin/env python3
"""Flows into HDFS with Kerberos, where tickets run out on the way, and over TLS, while servers die.

Starts clusters of its own (cluster.py --kerberos, --tls).
"""
import os
import re

import storm
from storm import clusters, harness

TICKET = 12  # seconds that a ticket lives
LINES = storm.LINES // 5


class Secure(harness.Case):
    def storm_over(self, cluster, name, steps, **env):
        env = self.env(HADOOP_CONF_DIR=str(cluster.conf), **env)
        made = storm.Storm(self, cluster, storm.make_log(LINES), env, name, steps)
        made.shell("-mkdir", "-p", made.base)
        made.shell("-chmod", "777", made.base)
        return made


class Tls(Secure):
    def test_storm(self):
        cluster = storm.start_cluster(type(self), "--tls")
        made = self.storm_over(cluster, "tls", [("datanode_killed",), ("namenode_killed",),
                                                ("namenode_frozen",)], HADOOP_USER_NAME="root")
        made.watch()
        for form, files in (("text", 8), ("avro", 3)):
            made.add(form, files, options=["--cacert", str(cluster.dir / "tls/ca.pem")])
        made.rage()

    def test_certificate_of_another_is_refused(self):
        cluster = storm.start_cluster(type(self), "--tls", "--datanodes", "1")
        pipeline = self.pipeline(
            ["printf", "a\\n"], ["fl-sink", "hdfs", "--cacert",
                                 str(cluster.dir / "tls/other-ca.pem"), "/x"],
            env=self.env(HADOOP_CONF_DIR=str(cluster.conf), HADOOP_USER_NAME="root"))
        self.check(pipeline, 0, 77, limit=storm.LIMIT)
        self.assertIn("certificate", pipeline.errors(1))


class Kerberos(Secure):
    def test_ticket_runs_out_on_the_way(self):
        cluster = storm.start_cluster(type(self), "--kerberos", "--ticket-lifetime", str(TICKET))
        keytab = str(cluster.dir / "kdc/alice.keytab")
        made = self.storm_over(cluster, "kerberos", [("waited",), ("datanode_killed",), ("waited",),
                                                     ("namenode_killed",)],
                               KRB5_CONFIG=str(cluster.dir / "kdc/krb5.conf"))
        # The watcher reads with a token: it knows nothing of Kerberos.
        token = cluster.answer(f"{cluster.url('nn')}/webhdfs/v1/?op=GETDELEGATIONTOKEN")
        made.query = "delegation=" + token["Token"]["urlString"]
        made.watch()
        made.waited = lambda: self.waited(made)
        for form, files in (("text", 8), ("avro", 3)):
            made.add(form, files, options=["--kerberos-keytab", keytab])
        made.rage()
        owners = re.findall(rb"(?m)^-\S+ +\d+ (\S+)", made.shell("-ls", "-R", made.base))
        self.assertEqual(set(owners), {b"alice"})
        for flow in made.flows:
            self.assertNotIn("delegation=", flow.errors())

    def waited(self, made):
        """A whole life of a ticket and of a login cookie passes."""
        made.let_flow()
        made.hold(TICKET + 3)
        yield


if __name__ == "__main__":
    harness.main()
