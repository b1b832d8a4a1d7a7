"""fl-source avro as what others send to: what the tests of Avro share."""
import signal

import agent
import harness


class Case(harness.Case):
    def receiver(self, *stages, port, options="", env=None):
        """fl-source avro and the stages after it, once it listens."""
        pipeline = self.pipeline(f"fl-source avro --port {port} {options}", *stages, env=env)
        self.address(pipeline)
        return pipeline

    def free_receiver(self, *stages, options=""):
        """The same, and the port on which it listens."""
        port, = agent.free_ports(1)
        return self.receiver(*stages, port=port, options=options), port

    def end(self, pipeline):
        """TERM to the first stage; all end with 0."""
        pipeline.send(signal.SIGTERM, 0)
        return self.check(pipeline, *[0] * len(pipeline.processes))
