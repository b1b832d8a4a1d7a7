"""Two hosts that are joined by a link: a file channel on each side of it; either side is killed."""
import signal
import subprocess

import harness
from ports import free_port

ROUNDS = 6
LINES = 10_000  # are new in each round
COUNT = ROUNDS * LINES


class Chain(harness.Case):
    def kill_either_side(self, receiver: str, sender: str) -> None:
        """`receiver` and `sender`: the commands of the link's two ends, with {port}."""
        port = free_port()
        in_log = self.path("in-log")

        def put(first):
            self.write("lines", b"".join(b"%d\n" % i for i in range(first, first + LINES)))
            self.check(self.pipeline(f"fl-source stdin {self.path('lines')}",
                                     f"fl-channel file --stream {self.path('out-log')} --put"), 0, 0)

        def receive():
            return self.pipeline(receiver.format(port=port),
                                 f"fl-channel file --stream {in_log} --put")

        def send(once=""):
            return self.pipeline(f"fl-channel file {self.path('out-log')} --take {once}",
                                 sender.format(port=port))

        def stored():
            done = subprocess.run(["fl-channel", "cat", in_log], capture_output=True,
                                  env=self.env(), timeout=harness.HANG, check=False)
            return [int(line) for line in done.stdout.split()]
        seen = 0
        for i in range(ROUNDS):
            put(i * LINES)
            both = receive(), send()
            harness.poll(lambda: len(stored()) > seen + 1000, "more events")
            both[i % 2 == 0].kill()
            seen = len(stored())
            for pipeline in both:
                pipeline.kill()
        last = receive()
        self.check(send("--once"), 0, 0)
        last.processes[0].send_signal(signal.SIGTERM)
        self.check(last, 0, 0)
        got = stored()
        self.assertEqual(set(got), set(range(COUNT)))
        # After a kill the batch on its way, and what the sender had not heard of: the log notes
        # acknowledgements at its leisure.
        print(f"{len(got) - COUNT} of {COUNT} came twice in {ROUNDS} kills")
