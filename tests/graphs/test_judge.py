#!/usr/bin/env python3
"""The judge of the random graphs is tried itself: a stage that drops, doubles, swaps, invents, damages
or cuts, a source that forgets too much, and a stage that hangs are each caught; honest ones are not."""
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tools")]
import harness
import rounds
from graph import Graph
from ledger import Ledger, Route, Source
from shapes import number_of

FAKE = ["python3", os.path.join(HERE, "fake.py")]


class Judge(harness.Case):
    def graph(self, mode, source="spooldir", split="", second="honest"):
        """source | stdout sink | fake (foreign, so nobody notices) | hdfs sink, perhaps twice."""
        self.events = {i: b"%08d.some body" % i for i in range(300)}
        self.write("spool/f", b"".join(body + b"\n" for body in self.events.values()))
        graph = Graph(self.dir)
        first = graph.stage(f"fl-source spooldir {self.path('spool')} --once" if source == "spooldir"
                            else f"fl-source stdin {self.path('spool', 'f')}")
        first.route = Route()

        def end(head, name, mode, kind):
            where = self.path(name)
            text = graph.stage("fl-sink stdout")
            fake = graph.stage(FAKE + [mode])
            sink = graph.stage(f"fl-sink hdfs --text file://{where}")
            text.route = fake.route = Route()
            sink.route = Route("sink", files=lambda: sorted(harness.committed_files(where),
                                                            key=number_of))
            graph.join(head, text, kind)
            graph.join(text, fake)
            graph.join(fake, sink)

        if split:
            middle = graph.stage(f"fl-channel {split}")
            middle.route = Route("copies" if split == "replicate" else "any")
            graph.join(first, middle)
            end(middle, "out1", mode, "fifo")
            end(middle, "out2", second, "psub")
        else:
            end(first, "out1", mode, "pipe")

        def forgotten():
            done = os.path.exists(self.path("spool", "f.COMPLETED"))
            return set(self.events) if done else set()
        return graph, Ledger(graph, [Source(first, self.events, forgotten=forgotten)], self.dir)

    def faults(self, mode, quiet=True, **more):
        graph, ledger = self.graph(mode, **more)
        with graph.started():
            graph.wait()
            faults = ledger.judge(quiet=quiet)
        return faults, {kind for kind, _ in faults}, graph

    def test_an_honest_graph_is_sound(self):
        for more in ({}, {"source": "stdin"}, {"split": "replicate"}):
            faults, _, graph = self.faults("honest", **more)
            self.assertEqual(faults, [], graph.report())
            for name in ("spool", "out1", "out2"):
                shutil.rmtree(self.path(name), ignore_errors=True)

    def test_a_dropped_event_is_a_lie_and_a_loss(self):
        self.assertEqual(self.faults("drop")[1], {"lied", "lost"})

    def test_a_cut_end_is_a_lie_and_a_loss(self):
        self.assertEqual(self.faults("cut")[1], {"lied", "lost"})

    def test_a_drop_of_a_source_without_state_is_a_lie(self):
        self.assertEqual(self.faults("drop", source="stdin")[1], {"lied"})

    def test_a_double_is_caught(self):
        self.assertEqual(self.faults("double")[1], {"doubled"})

    def test_a_swap_is_caught(self):
        self.assertEqual(self.faults("swap")[1], {"reordered"})

    def test_an_invention_is_caught(self):
        self.assertEqual(self.faults("invent")[1], {"invented"})

    def test_damage_is_caught(self):
        self.assertEqual(self.faults("damage")[1], {"damaged", "lied", "lost"})

    def test_one_branch_of_a_copy_is_blamed_alone(self):
        faults, kinds, graph = self.faults("drop", split="replicate")
        self.assertEqual(kinds, {"lied", "lost"})
        whole = graph.lasts()[1]
        self.assertFalse([text for _, text in faults if text.startswith(whole.name)])

    def test_a_share_that_drops_is_caught(self):
        self.assertEqual(self.faults("drop", split="balance")[1] >= {"lied", "lost"}, True)

    def test_a_source_that_forgets_too_much_is_caught(self):
        graph, ledger = self.graph("hang")
        with graph.started():
            # Nothing is stored; then the file is renamed as if all were delivered.
            for stage in graph.stages:
                stage.process.kill()
            graph.wait()
            if os.path.exists(self.path("spool", "f")):
                os.rename(self.path("spool", "f"), self.path("spool", "f.COMPLETED"))
            faults = ledger.judge(killed=set(graph.stages))
        self.assertEqual({kind for kind, _ in faults}, {"lost"})

    def test_a_failure_without_a_fault_is_sick(self):
        graph, ledger = self.graph("honest")
        with graph.started():
            graph.stages[3].process.kill()
            graph.wait()
            kinds = {kind for kind, _ in ledger.judge(quiet=True)}
        self.assertIn("crash", kinds)
        self.assertIn("sick", {kind for kind, _ in ledger.judge(quiet=True,
                                                                  killed={graph.stages[3]})})

    def test_a_hang_is_caught(self):
        graph, _ = self.graph("hang")
        with graph.started():
            with self.assertRaises(harness.Hang):
                graph.wait(2)

    def test_a_planted_fault_is_seen_by_a_whole_round(self):
        """An event is taken out of a destination of a random graph before the verdict."""
        caught = tried = 0
        for number in range(6):
            def spoil(shape):
                for stage in shape.graph.lasts():
                    for path in stage.route.files():
                        with open(path, "rb") as file:
                            lines = file.read().splitlines(keepends=True)
                        if len(lines) > 1 and stage.status == 0:
                            with open(path, "wb") as file:
                                file.writelines(lines[1:])
                            spoiled.append(path)
                            return
            spoiled = []
            made = rounds.Round(f"judge-{number}", spoil)
            made.plan = lambda shape: []
            faults, report = made.play()
            if spoiled:
                tried += 1
                caught += any(kind in ("lied", "lost") for kind, _ in faults)
        self.assertGreater(tried, 2)
        self.assertEqual(caught, tried)


if __name__ == "__main__":
    harness.main()
