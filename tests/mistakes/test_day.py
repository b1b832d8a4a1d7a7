#!/usr/bin/env python3
"""A day of work in one directory: uploads, mistakes and their repair, one after the other. At its
end each line that was given is where it belongs, once."""
import collections
import gzip
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tools")]
import harness


def lines_of(name, count):
    return [f"{name} {i} {'ERROR' if i % 10 == 0 else 'ok'}".encode() for i in range(count)]


def text_of(lines):
    return b"".join(line + b"\n" for line in lines)


class Day(harness.Case):
    def shell(self, expected, command, *words):
        """The command line, its statuses, and what it says."""
        done = subprocess.run(
            ["bash", "-c", f'{command}\nstatuses=("${{PIPESTATUS[@]}}")\necho "${{statuses[*]}}" > told'],
            cwd=self.dir, env=self.env(), stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=harness.HANG)
        said = done.stderr.decode(errors="replace")
        with open(self.path("told")) as file:
            self.assertEqual(file.read().strip(), expected, f"{command}\n{said}")
        for word in words:
            self.assertIn(word, said, command)
        print(f"[{expected}] {command}")
        return done.stdout, said

    def stored(self, folder):
        return harness.committed_lines(self.path(folder)) if os.path.isdir(self.path(folder)) else []

    def holds(self, folder, lines):
        """The folder has these lines, each once, in any order."""
        self.assertEqual(collections.Counter(self.stored(folder)), collections.Counter(lines))

    def test_a_day(self):
        store = 'fl-sink hdfs --stream "file://$PWD/store/%Y-%m-%d"'
        morning, noon, packed = lines_of("morning", 3000), lines_of("noon", 500), lines_of("packed", 700)

        # The first upload. The path needs a time, and none was given: nothing may be lost.
        self.write("spool/morning.log", text_of(morning))
        self.shell("0", 'fl-sink hdfs --dry-run "file://$PWD/store/%Y-%m-%d"', "the options are valid")
        self.shell("75 65", f"fl-source spooldir spool --once | {store}", "put `fl-intercept ts |`")
        self.holds("store", [])
        self.assertEqual(os.listdir(self.path("spool")).count("morning.log"), 1)
        upload = f"fl-source spooldir spool --once | fl-intercept ts --stream | {store}"
        self.shell("0 0 0", upload, "1 file, 3000 events, 0 left")
        self.holds("store", morning)
        # Cron runs it again: nothing to do, nothing to mail.
        _, said = self.shell("0 0 0", upload)
        self.assertEqual(said, "")

        # A packed file among the others stays, and is named; the others go.
        self.write("spool/noon.log", text_of(noon))
        self.write("spool/packed.log.gz", gzip.compress(text_of(packed)))
        self.shell("65 65 65", upload, "--decompress gzip", "1 left")
        self.holds("store", morning + noon)
        self.shell("0 0 0", upload.replace("--once", "--once --decompress auto"), "1 file, 700 events")
        self.holds("store", morning + noon + packed)

        # A question, answered at the terminal.
        out, _ = self.shell("0 0 0", "cat spool/*.log.COMPLETED | fl-intercept regex_filter ERROR | "
                                     "fl-sink stdout --stream")
        self.assertEqual(out.count(b"\n"), 350)

        # Two copies. One of the names is wrong at first.
        self.write("afternoon.log", text_of(noon))
        both = ("fl-source stdin afternoon.log | fl-channel replicate --stream --out copy.avro "
                '--out >(fl-sink hdfs --stream "file://$PWD/%s")')
        self.shell("75 64", both.replace("--out copy", "--ouput copy") % "split",
                   "did you mean '--out'?")
        self.shell("0 0", both % "split")
        harness.poll(lambda: len(self.stored("split")) == 500, "the second copy")
        self.shell("0", 'fl-sink hdfs --in copy.avro "file://$PWD/second"')
        self.holds("split", noon)
        self.holds("second", noon)

        # The destination is away: a log keeps the events until it is back.
        self.shell("0 0", 'fl-source stdin afternoon.log | fl-channel file "$PWD/log" --put')
        self.write("away", b"a file where the directory should be")
        take = 'fl-channel file "$PWD/log" --take --once | fl-sink hdfs --stream "file://$PWD/away"'
        self.shell("75 78", take, "a part of the path is a file")
        os.unlink(self.path("away"))
        self.shell("0 0", take)
        self.holds("away", noon)
        self.shell("0 0", take)
        self.holds("away", noon)

        # What the destination refuses is kept, repaired and fed in again.
        self.shell("0", 'fl-sink hdfs --text "file://$PWD/late/%Y" --reject bad.avro --in afternoon.log',
                   "500 events rejected")
        self.holds("late", [])
        self.shell("0 0", 'fl-intercept ts --in bad.avro | fl-sink hdfs --stream "file://$PWD/late"')
        self.holds("late", noon)

        # The first sink of a group cannot work; the second gets everything.
        self.shell("0", 'fl-sink failover --text --in afternoon.log -- hdfs "file://$PWD/afternoon.log/x" '
                        '+ hdfs "file://$PWD/second-choice"', "failed")
        self.holds("second-choice", noon)

        # JSON out, and back.
        self.shell("0 0", 'fl-intercept static host=web1 --in afternoon.log | '
                          'fl-sink hdfs --stream "file://$PWD/json" --serializer json')
        out, _ = self.shell("0 0 0", "cat json/* | fl-source stdin --format json | "
                                     "fl-sink stdout --stream")
        self.assertEqual(out, text_of(noon))

        # A growing log, until the end of the day: Ctrl-C stores what was read.
        self.write("access.log", text_of(lines_of("evening", 10)))
        tail = self.pipeline("tail -n +1 -F access.log", "fl-intercept ts",
                             f"fl-sink hdfs --stream file://{self.path('evening')} --metrics "
                             f"{self.path('evening.prom')} --metrics-interval 100ms")
        with open(self.path("access.log"), "ab") as file:
            file.write(text_of(lines_of("evening", 20)[10:]))
            file.flush()

            def received():
                with open(self.path("evening.prom")) as page:
                    return "fl_events_received_total" in (text := page.read()) and any(
                        row.startswith("fl_events_received_total{") and row.endswith(" 20")
                        for row in text.splitlines())
            harness.poll(lambda: os.path.exists(self.path("evening.prom")) and received(), "20 events")
        for process in tail.processes:
            process.send_signal(signal.SIGINT)
        self.assertEqual(tail.wait()[2], 0, tail.report())
        self.holds("evening", lines_of("evening", 20))

        # Nothing of the day was lost or came twice.
        self.holds("store", morning + noon + packed)


if __name__ == "__main__":
    harness.main()
