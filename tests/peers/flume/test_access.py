#!/usr/bin/env python3
"""The same ipFilterRules mean the same to a real Flume 1.11 and to fl-source avro."""
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (os.path.join("..", "..", "tools"), "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import agent
import harness

RULES = ("deny:ip:127.0.0.1", "allow:ip:127.*,deny:ip:*", "deny:ip:*", "deny:ip:10.*",
         "allow:name:localhost,deny:ip:*", "deny:name:localhost", "deny:ip:127.0.0",
         "allow:ip:127.0.0.?,deny:name:*", "deny:ip:127.0.0.??", "deny:ip:*.1,allow:ip:*",
         "allow:ip:*.1,deny:ip:*", "deny:name:*", "deny:name:nobody.example.com")


class Access(harness.Case):
    def is_taken(self, port):
        try:
            return agent.send(port, [({}, b"x")]) == "OK"
        except ConnectionError:
            return False

    def ours(self, rules):
        pipeline = self.pipeline(f"fl-source avro --port 0 --ip-filter --ip-filter-rules {rules}",
                                 "fl-sink null --stream")
        taken = self.is_taken(self.address(pipeline)[1])
        pipeline.send(signal.SIGTERM, 0)
        self.check(pipeline, 0, 0)
        return taken

    def test_rules(self):
        ports = agent.free_ports(len(RULES))
        names = [f"r{i}" for i in range(len(RULES))]
        rows = [f"a1.sources = {' '.join(names)}", "a1.channels = c", "a1.sinks = k",
                "a1.channels.c.type = memory", "a1.sinks.k.type = null", "a1.sinks.k.channel = c"]
        for name, port, rules in zip(names, ports, RULES):
            rows += [f"a1.sources.{name}.{row}" for row in (
                "type = avro", "bind = 127.0.0.1", f"port = {port}", "channels = c",
                "ipFilter = true", f"ipFilterRules = {rules}")]
        with agent.Agent(self.dir, "\n".join(rows) + "\n") as flume:
            flume.wait_for(r"Avro source \w+ started", count=len(RULES))
            theirs = {rules: self.is_taken(port) for rules, port in zip(RULES, ports)}
        print(theirs)
        self.assertEqual({rules: self.ours(rules) for rules in RULES}, theirs)
        self.assertEqual(set(theirs.values()), {True, False})


if __name__ == "__main__":
    harness.main()
