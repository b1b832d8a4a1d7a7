#!/usr/bin/env python3
"""What a run refuses at its start, a dry run refuses with the same status, for every component and
every path that a stage opens. What only events show, nobody can know before."""
import json
import os
import socket
import string
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")]
import harness
from graph import transferred
from matrix import STAGES, TOOLS, declared
from servers import Servers

DECLARED, _ = declared()
# Of the mistakes in stages.py those that only events, the command itself, root or a reader that
# acknowledges bring out.
LATER = {"a filter that fails", "a filter that is killed", "a filter that miscounts",
         "a filter that prints more", "bodies that are not JSON", "events that a sink refuses",
         "events that the destination refuses", "a command that fails at its end",
         "a command that is killed", "an unknown column"}


def paths_of(kind, name):
    """The options of a component that hold a path."""
    text = subprocess.run([os.path.join(harness.BIN, TOOLS[kind]), name, "--generate", "options-json"],
                          capture_output=True, check=True, timeout=harness.HANG).stdout
    options = json.loads(text)["components"][0]["options"]
    return [option["name"] for option in options
            if option["path"] and not option["ignored"] and not option["flume_only"]]


class DryRun(harness.Case):
    def setUp(self):
        super().setUp()
        for name in ("spool", "dest", "directory"):
            os.mkdir(self.path(name))
        self.write("lines", "a\nb\n")
        self.write("spool/f", "a\n")
        servers = Servers()
        self.addCleanup(servers.close)
        self.values = {"LINES": self.path("lines"), "COUNT": "10", "PORT": "0", "DIR": self.dir,
                       "SPOOL": self.path("spool"), "DEST": self.path("dest"), "STUCK": "",
                       **servers.values}
        self.prefix = ""

    def status(self, kind, options, words, given=b""):
        """0, too: it keeps listening, or waits until its header is read, so it has refused nothing."""
        text = string.Template(words).safe_substitute(self.values)
        with tempfile.TemporaryFile() as errors, subprocess.Popen(
                ["sh", "-c", f"exec {self.prefix} {TOOLS[kind]} --ack-wait 20ms {options} {text}"], cwd=self.dir,
                env=self.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=errors) as process:
            process.stdin.write(given)
            process.stdin.close()

            looks = [0, -1]  # at the same figure, and the figure

            def is_clear():
                self.said = os.pread(errors.fileno(), 1 << 16, 0).decode()
                moved = transferred(process.pid)
                looks[:] = [looks[0] + 1 if moved == looks[1] else 0, moved]
                waits = looks[0] > 300 and transferred(process.pid, ("wchar",)) > 100
                return process.poll() is not None or waits or "listening on 127" in self.said
            try:
                harness.poll(is_clear, f"an end of {TOOLS[kind]} {options} {text}")
                process.wait(0.3)  # it may find more
            except subprocess.TimeoutExpired:
                return 0
            finally:
                process.kill()
            is_clear()
            return process.returncode

    def test_mistakes_of_components(self):
        tried = 0
        for kind, name in sorted(DECLARED):
            for words, why in STAGES[kind][name]["fails"]:
                with self.subTest(f"{kind} {name}: {why}"):
                    if why in LATER:
                        continue
                    run = self.status(kind, "--text" if kind != "source" else "", words)
                    self.assertNotEqual(run, 0, words)
                    self.assertEqual(self.status(kind, "--dry-run", words), run, self.said)
                    tried += 1
        print(f"{tried} mistakes")
        self.assertGreater(tried, 25)

    def test_paths_of_every_stage(self):
        tried = 0
        for kind, name in sorted(DECLARED):
            spec = STAGES[kind][name]
            cases = ["--reject none/x", "--reject directory", "--metrics none/x"]
            if kind != "source" or spec.get("stdin"):
                cases += ["--in missing", "--in directory"]
            if kind != "sink" and not spec.get("outputs"):
                cases += ["--out none/x", "--out directory"]
            if kind != "source":
                cases += ["--out lines --in lines"] if kind != "sink" else ["--in lines --reject lines"]
            for options in cases:
                with self.subTest(f"{kind} {name} {options}"):
                    outs = " --out one --out two" if spec.get("outputs") else ""
                    run = self.status(kind, options + outs + " --text", spec["run"])
                    self.assertNotEqual(run, 0, options)
                    self.assertEqual(self.status(kind, "--dry-run " + options + outs, spec["run"]),
                                     run, self.said)
                    tried += 1
        print(f"{tried} paths that cannot be opened")

    def refused_alike(self, kind, outs, words):
        """The status of a run, which is that of a dry run, too."""
        run = self.status(kind, outs + (" --text" if kind != "source" else ""), words)
        dry = self.status(kind, "--dry-run" + outs, words)
        if dry and not run and kind == "sink":
            # What only an event asks for, as a login, --dry-run finds at once.
            run = self.status(kind, outs + " --text", words, b"x\n")
        self.assertEqual(dry, run, self.said)
        return run

    def test_every_path_option_below_a_file_and_where_nothing_can_be_made(self):
        """Root may write everywhere, but not below a file, and not in /proc."""
        tried, taken = [], []
        for kind, name in sorted(DECLARED):
            outs = " --out one --out two" if STAGES[kind][name].get("outputs") else ""
            for option in paths_of(kind, name):
                for place in (self.path("lines", "x"), "/proc/none/x"):
                    words = STAGES[kind][name]["run"] + f" --{option} {place}"
                    with self.subTest(f"{kind} {name} --{option} {place}"):
                        run = self.refused_alike(kind, outs, words)
                        (tried if run else taken).append(f"{name} --{option}")
        print(f"refused at the start: {', '.join(tried)}")
        print(f"not opened at the start: {', '.join(taken)}")
        self.assertGreater(len(tried), 6)

    def test_every_path_option_in_a_directory_that_is_closed_to_the_user(self):
        other = "setpriv --reuid=65534 --regid=65534 --clear-groups" if os.getuid() == 0 else ""
        os.mkdir(self.path("closed"), 0o555)
        os.chmod(self.dir, 0o755)
        for name in ("spool", "dest", "directory"):
            os.chmod(self.path(name), 0o777)
        if subprocess.run(["sh", "-c", f"exec {other} fl-sink --version"], env=self.env(), check=False,
                          capture_output=True, timeout=harness.HANG).returncode != 0:
            self.skipTest("the programs are closed to other users")
        self.prefix = other
        tried = []
        for kind, name in sorted(DECLARED):
            outs = " --out one --out two" if STAGES[kind][name].get("outputs") else ""
            for option in paths_of(kind, name):
                words = STAGES[kind][name]["run"] + f" --{option} {self.path('closed', 'x')}"
                with self.subTest(f"{kind} {name} --{option}"):
                    if self.refused_alike(kind, outs, words) == 77:
                        tried.append(f"{name} --{option}")
        words = "file " + self.path("closed", "log") + " --put"
        self.assertEqual([self.status("channel", how, words) for how in ("--text", "--dry-run")], [77, 77])
        print(f"refused: {', '.join(tried)}")
        self.assertGreater(len(tried), 3)

    def test_every_port_that_is_taken(self):
        tried = []
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            for kind, name in sorted(DECLARED):
                spec = STAGES[kind][name]
                outs = " --out one --out two" if spec.get("outputs") else ""
                cases = [(f"--metrics 127.0.0.1:{port}" + outs, spec["run"])]
                if "$PORT" in spec["run"]:
                    cases.append((outs, spec["run"].replace("$PORT", str(port))))
                for options, words in cases:
                    with self.subTest(f"{kind} {name} {options}"):
                        run = self.status(kind, options + (" --text" if kind != "source" else ""),
                                          words)
                        self.assertNotEqual(run, 0, self.said)
                        self.assertEqual(self.status(kind, "--dry-run " + options, words), run,
                                         self.said)
                        tried.append(name)
        print(f"{len(tried)} taken ports: {', '.join(tried)}")

    def test_sockets_that_are_made_at_the_start(self):
        for options, expected in (("--in unix:none/x", 73), ("--in unix:lines", 73),
                                  ("--in unix:", 64), ("--in unix:new", 0)):
            with self.subTest(options):
                self.assertEqual(self.status("sink", "--dry-run " + options, "null"), expected,
                                 self.said)
                if expected:
                    self.assertEqual(self.status("sink", options, "null"), expected, self.said)
        self.assertEqual(self.status("source", "--dry-run --out unix:new", "seq"), 0, self.said)
        self.assertFalse(os.path.exists(self.path("new")))

    def test_a_dry_run_leaves_everything_as_it_was(self):
        before = sorted(os.listdir(self.dir))
        for kind, name in sorted(DECLARED):
            spec = STAGES[kind][name]
            outs = " --out one --out two" if spec.get("outputs") else \
                " --out one" if kind != "sink" else ""
            with self.subTest(f"{kind} {name}"):
                self.assertEqual(self.status(kind, "--dry-run --reject new --metrics new.prom" + outs,
                                             spec["run"]), 0, self.said)
                self.assertIn("dry run: ", self.said)
        self.assertEqual(sorted(os.listdir(self.dir)), before)
        self.assertEqual(os.listdir(self.path("dest")), [])


if __name__ == "__main__":
    harness.main()
