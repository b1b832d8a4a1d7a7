#!/usr/bin/env python3
"""What somebody removes, renames or puts back from a copy while stages use it: nothing is
acknowledged into a file that has no name, and no status is 0 where events went there."""
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "tools"))
import harness


class Spooled(harness.Case):
    """Events come from a spool directory, which shows when they are acknowledged."""

    def setUp(self):
        super().setUp()
        self.spool = self.path("spool")
        os.mkdir(self.spool)

    def offer(self, name, text):
        os.rename(self.write("offered", text), os.path.join(self.spool, name))

    def is_done(self, name):
        return os.path.exists(os.path.join(self.spool, f"{name}.COMPLETED"))

    def deliver(self, name, text):
        self.offer(name, text)
        harness.poll(lambda: self.is_done(name), f"{name} is acknowledged")


class Rejects(Spooled):
    """hdfs refuses each of these events, since its path has a time that they lack."""

    def setUp(self):
        super().setUp()
        self.file = self.path("bad.avro")

    def stages(self):
        return self.pipeline(
            f"fl-source spooldir {self.spool}",
            f"fl-sink hdfs --stream file://{self.path('out')}/%Y --reject {self.file}")

    def kept(self, path):
        with open(path, "rb") as file:
            return subprocess.run(["fl-sink", "stdout", "--stream"], stdin=file, env=self.env(),
                                  stdout=subprocess.PIPE, check=True).stdout.split()

    def test_a_removed_file_is_made_again(self):
        stages = self.stages()
        self.deliver("a", "1\n")
        os.unlink(self.file)
        self.deliver("b", "2\n")
        self.deliver("c", "3\n")
        self.assertEqual(self.kept(self.file), [b"2", b"3"])
        stages.send(signal.SIGTERM)
        self.check(stages, 0, 0)
        self.assertEqual(stages.errors(1).count("was removed: continuing in a new file"), 1)

    def test_a_file_whose_directory_is_removed_ends_the_stage(self):
        self.file = self.path("bad", "bad.avro")
        os.mkdir(self.path("bad"))
        stages = self.stages()
        self.deliver("a", "1\n")
        shutil.rmtree(self.path("bad"))
        self.offer("b", "2\n")
        self.check(stages, 75, 73)
        self.assertFalse(self.is_done("b"))
        self.assertIn("bad.avro", stages.errors(1))

    def test_hup_begins_another_file_where_the_first_was_renamed(self):
        stages = self.stages()
        self.deliver("a", "1\n")
        moved = self.path("moved.avro")
        os.rename(self.file, moved)
        self.deliver("b", "2\n")
        self.assertEqual(self.kept(moved), [b"1", b"2"])
        pid = stages.processes[1].pid
        stages.send(signal.SIGHUP, 1)
        harness.poll(lambda: not harness.is_pending(pid, signal.SIGHUP), "HUP is taken")
        self.deliver("c", "3\n")
        self.assertEqual(self.kept(self.file), [b"3"])
        self.assertEqual(self.kept(moved), [b"1", b"2"])
        stages.send(signal.SIGTERM)
        self.check(stages, 0, 0)


class Logs(Spooled):
    def setUp(self):
        super().setUp()
        self.log = self.path("log")

    def put(self, lines, log=None):
        path = self.write("lines", "".join(f"{line}\n" for line in lines))
        with open(path, "rb") as file:
            self.check(self.pipeline(f"fl-channel file --text {log or self.log} --put", stdin=file), 0)

    def cat(self, log):
        return subprocess.run(["fl-channel", "cat", log], env=self.env(), check=True,
                              stdout=subprocess.PIPE).stdout.split()

    def removals(self):
        def aside():
            os.rename(self.log, self.path("aside"))
            shutil.rmtree(self.path("aside"))

        def content():
            for name in os.listdir(self.log):
                path = os.path.join(self.log, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

        def segments():
            for name in os.listdir(self.log):
                if name.endswith(".seg"):
                    os.unlink(os.path.join(self.log, name))

        def head():
            os.unlink(os.path.join(self.log, "head"))
        return (lambda: shutil.rmtree(self.log), aside, content, segments, head)

    def test_what_goes_into_a_removed_log_is_not_acknowledged(self):
        for i, remove in enumerate(self.removals()):
            with self.subTest(i):
                stages = self.pipeline(f"fl-source spooldir {self.spool}",
                                       f"fl-channel file --stream {self.log} --put")
                self.deliver(f"first{i}", "1\n2\n")
                remove()
                self.offer(f"second{i}", "3\n4\n")
                self.check(stages, 75, 74)
                self.assertIn("was removed while the log was written", stages.errors(1))
                self.assertFalse(self.is_done(f"second{i}"))
                shutil.rmtree(self.log, ignore_errors=True)
                os.unlink(os.path.join(self.spool, f"second{i}"))

    def test_a_taker_does_not_wait_for_ever_in_a_removed_log(self):
        for again in (True, False):
            with self.subTest(again):
                self.put(["1", "2"])
                taker = self.pipeline(f"fl-channel file {self.log} --take", "fl-sink stdout --stream")
                harness.poll(lambda: taker.output() == b"1\n2\n", "the first events")
                shutil.rmtree(self.log)
                if again:
                    self.put(["3"])
                self.check(taker, 75, 75)
                self.assertIn("was removed, or is another directory now", taker.errors(0))
                shutil.rmtree(self.log, ignore_errors=True)
        self.put(["4"])
        renamed = self.pipeline(f"fl-channel file {self.log} --take", "fl-sink stdout --stream")
        harness.poll(lambda: renamed.output() == b"4\n", "the first event")
        os.rename(self.log, self.path("renamed"))
        self.put(["5"], self.path("renamed"))
        harness.poll(lambda: renamed.output() == b"4\n5\n", "it is only called something else")
        renamed.send(signal.SIGTERM)
        self.check(renamed, 0, 0)

    def chain(self, first):
        done = self.pipeline(f"fl-channel file {first} --take --once",
                             f"fl-channel file --stream {self.path('second')} --put")
        return self.check(done, 0, 0).errors(0)

    def test_a_log_that_was_put_back_from_a_copy_is_taken_from_where_it_stands(self):
        self.put(range(500))
        self.chain(self.log)
        shutil.copytree(self.log, self.path("copy"))
        self.put(range(500, 1000))
        self.assertNotIn("other events", self.chain(self.log))
        shutil.rmtree(self.log)
        os.rename(self.path("copy"), self.log)
        self.put(range(2000, 3000))
        self.assertIn("has other events now", self.chain(self.log))
        got = self.cat(self.path("second"))
        self.assertEqual(got, [str(i).encode() for i in [*range(1000), *range(2000, 3000)]])

    def test_two_copies_of_a_log_each_hand_on_what_is_theirs(self):
        self.put(range(10))
        self.chain(self.log)
        other = self.path("other")
        shutil.copytree(self.log, other)
        self.put(range(100, 300))
        self.put(range(300, 600), other)
        self.chain(self.log)
        self.chain(other)
        self.chain(self.log)
        got = {int(line) for line in self.cat(self.path("second"))}
        self.assertEqual(got, {*range(10), *range(100, 600)})


class Spool(Spooled):
    def test_a_renamed_directory_ends_the_source_as_a_removed_one_does(self):
        for again in (True, False):
            with self.subTest(again):
                stages = self.pipeline(f"fl-source spooldir {self.spool}", "fl-sink null --stream")
                self.deliver(f"a{again}", "1\n")
                os.rename(self.spool, self.path(f"old{again}"))
                if again:
                    os.mkdir(self.spool)
                self.check(stages, 74, 74)
                self.assertIn("was renamed", stages.errors(0))


if __name__ == "__main__":
    harness.main()
