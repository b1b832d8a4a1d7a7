#!/usr/bin/env python3
"""No script of ours ends without saying why.

Each shell script of the tree runs in a copy of the tree in which compilers, package managers, test
programs and the like are empty programs. Then it runs again for each program that it called, with
this one failing without a word: the script ends with 0, or says its own name and why. What .ci/run
calls of our own is tested itself: there it is an empty program, too.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
sys.dont_write_bytecode = True
import harness

# These do what they do outside. All others that scripts call are empty.
REAL = """awk basename bash cat chmod cmp cp cut date dirname dpkg-query env find flock getconf
    git grep head id ln ls mkdir mkfifo mktemp mv nproc python3 realpath rm rmdir sed sh
    sha256sum sleep sort stat tail tee timeout touch tr uname uniq wc xargs""".split()
PLACES = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
# Notes its name, fails if it is the one that shall, and is the real one or nothing.
SPY = """#!/bin/sh
name=${0##*/}
echo "$name" >> "$SPY_LOG"
[ "$name" != "$SPY_FAILS" ] || exit 1
[ ! -e "$SPY_REAL/$name" ] || exec "$SPY_REAL/$name" "$@"
"""
# Stands for each Python program of the tests.
EMPTY = "#!/usr/bin/env python3\nprint('1 passed, 0 failed, 0 skipped')\n"
ARGUMENTS = {"demo": [[], ["--hdfs"]]}
CALLED_BY_CI = ["build", "check", "setup", "test"]
LIMIT = 120  # seconds


def first_line(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.readline(200)


def shell_scripts() -> list:
    """Paths of all shell scripts of the tree."""
    found = []
    for top in ("scripts", ".ci", "tests"):
        for folder, _, names in os.walk(os.path.join(harness.ROOT, top)):
            for name in names:
                path = os.path.join(folder, name)
                if re.match(r"#!.*\b(ba)?sh\b", first_line(path)):
                    found.append(os.path.relpath(path, harness.ROOT))
    return sorted(found)


class Reasons(harness.Case):
    def setUp(self):
        super().setUp()
        self.tree = self.path("tree")
        for top in ("scripts", ".ci", "tests"):
            shutil.copytree(os.path.join(harness.ROOT, top), os.path.join(self.tree, top),
                            ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("CMakePresets.json", ".clang-tidy"):
            shutil.copy(os.path.join(harness.ROOT, name), self.tree)
        for folder, _, names in os.walk(os.path.join(self.tree, "tests")):
            for name in names:
                path = os.path.join(folder, name)
                if "python3" in first_line(path) and name != "gen_log.py":
                    with open(path, "w") as file:
                        file.write(EMPTY)
        self.outer = self.path("outer")
        for top in (".ci", "scripts"):
            shutil.copytree(os.path.join(self.tree, top), os.path.join(self.outer, top))
        os.mkdir(os.path.join(self.outer, "build"))
        os.makedirs(os.path.join(self.tree, "build", "dev"))
        os.symlink(harness.BIN, os.path.join(self.tree, "build", "dev", "bin"))
        self.spies, self.real = self.path("spies"), self.path("real")
        os.mkdir(self.spies)
        os.mkdir(self.real)
        spy = self.write("spy", SPY)
        os.chmod(spy, 0o755)
        for script in CALLED_BY_CI:
            path = os.path.join(self.outer, "scripts", script)
            os.unlink(path)
            os.symlink(spy, path)
        for place in PLACES:
            for name in os.listdir(place) if os.path.isdir(place) else []:
                if not os.path.exists(os.path.join(self.spies, name)):
                    os.symlink(spy, os.path.join(self.spies, name))
                    if name in REAL:
                        os.symlink(os.path.join(place, name), os.path.join(self.real, name))

    def run_script(self, script: str, words: list, fails: str, number: int):
        """(status, what it said, names of the programs that it called)"""
        log = self.write(f"log{number}", "")
        tree = self.outer if script == ".ci/run" else self.tree
        env = self.env(SPY_LOG=log, SPY_FAILS=fails, SPY_REAL=self.real, FL_DEMO_LINES="10",
                       PATH=self.spies, TMPDIR=self.path("home"), BASH_ENV="")
        with open(self.path(f"said{number}"), "w+") as said:
            process = subprocess.Popen(
                ["/bin/bash", os.path.join(tree, script), *words], env=env, cwd=self.dir,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
            try:
                status = process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                for pid in harness.children_of(process.pid) + [process.pid]:
                    os.kill(pid, 9)
                status = process.wait()
            try:
                os.killpg(process.pid, 9)  # what a script whose own commands fail has left
            except ProcessLookupError:
                pass
            said.seek(0)
            text = said.read()
        with open(log) as file:
            return status, text, sorted(set(file.read().split()))

    def judge(self, script: str, words: list, fails: str, number: int):
        """What is wrong with one run, or "", and the programs that it called."""
        status, text, called = self.run_script(script, words, fails, number)
        what = f"{script} {' '.join(words)} where {fails or 'nothing'} fails"
        if status < 0 or status == 137:
            return f"{what}: no end within {LIMIT} s\n{text}", called
        names = "|".join(sorted({os.path.basename(path) for path in shell_scripts()}))
        # Its own word, a line number of bash, or the summary of a test.
        reason = (rf"^(({names}): (?!installing |done$|all )|.*/({names}): line \d+: |"
                  r"\d+ passed, [1-9]\d* failed)")
        if status != 0 and not re.search(reason, text, re.M):
            return f"{what}: status {status} without a reason\n{text[-600:]}", called
        return "", called

    @staticmethod
    def hands_over(script: str) -> bool:
        with open(os.path.join(harness.ROOT, script)) as file:
            return file.read().splitlines()[-1].startswith("exec ")

    def test_every_script_says_why_it_fails(self):
        scripts = shell_scripts()
        self.assertIn("scripts/demo", scripts)
        runs = [(script, words) for script in scripts
                for words in ARGUMENTS.get(os.path.basename(script), [[]])]
        wrong, tasks = [], []
        for number, (script, words) in enumerate(runs):
            fault, called = self.judge(script, words, "", number)
            wrong += [fault] if fault else []
            self.assertTrue(called, f"{script} called nothing")
            # What the script becomes at its end has words of its own, as scripts/test has.
            tasks += [(script, words, name) for name in called
                      if (name != "python3" or not self.hands_over(script))
                      and (script, name) != (".ci/run", "test")]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for fault, _ in pool.map(lambda task: self.judge(*task[1], task[0]),
                                     enumerate(tasks, len(runs))):
                wrong += [fault] if fault else []
        print(f"{len(scripts)} scripts, {len(tasks)} runs with a failing program")
        self.assertEqual(wrong, [], "\n\n".join(wrong))

    def test_every_script_uses_the_common_lines(self):
        for script in shell_scripts():
            with open(os.path.join(harness.ROOT, script)) as file:
                text = file.read()
            code = [line for line in text.splitlines() if line and not line.startswith("#")]
            if len(code) > 1 or not code[0].startswith("exec "):
                self.assertRegex(code[0], r'^\. "\$\(dirname "\$0"\)/.*\blib" \|\| exit$', script)


class Setup(harness.Case):
    """scripts/setup on machines where it cannot install."""

    def run_setup(self, programs: dict, user=None):
        folder = self.path("bin")
        os.makedirs(folder)
        for name in ("bash", "dirname", "sed", "env"):
            os.symlink(shutil.which(name), os.path.join(folder, name))
        for name, text in programs.items():
            path = self.write(f"bin/{name}", "#!/bin/sh\n" + text)
            os.chmod(path, 0o755)
        done = subprocess.run(["/bin/bash", os.path.join(harness.ROOT, "scripts", "setup")],
                              env=self.env(PATH=folder), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, check=False)
        return done.returncode, done.stdout

    def refused(self, programs: dict, *words: str):
        status, said = self.run_setup(programs)
        self.assertEqual(status, 69, said)
        for word in ("setup: ", *words):
            self.assertIn(word, said)

    def test_not_debian(self):
        self.refused({}, "only Debian", "ninja-build")

    def test_neither_root_nor_sudo(self):
        self.refused({"dpkg-query": "exit 1\n", "apt-get": "exit 0\n", "id": "echo 1000\n"},
                     "needs root", "apt-get install", "ninja-build")

    def test_sudo_asks_for_a_password(self):
        self.refused({"dpkg-query": "exit 1\n", "apt-get": "exit 0\n", "id": "echo 1000\n",
                      "sudo": "exit 1\n"}, "needs root")

    def test_no_network(self):
        self.refused({"dpkg-query": "exit 1\n", "apt-get": "exit 100\n", "id": "echo 0\n"},
                     "apt-get update failed")

    def test_nothing_to_do(self):
        all_there = """shift 2; for each; do echo "$each install ok installed"; done\n"""
        status, said = self.run_setup({"dpkg-query": all_there, "apt-get": "exit 100\n"})
        self.assertEqual((status, said.count("\n")), (0, 1), said)

    def test_only_what_is_missing(self):
        some = """shift 2; for each; do case $each in jq) ;; *) echo "$each install ok installed" ;;
            esac; done; exit 1\n"""
        log = self.path("log")
        status, said = self.run_setup({"dpkg-query": some, "id": "echo 0\n",
                                       "apt-get": f'echo "$*" >> {log}\n'})
        self.assertEqual(status, 0, said)
        with open(log) as file:
            self.assertRegex(file.read(), r"^.* update\n.* install .*recommends jq\n$")


if __name__ == "__main__":
    harness.main()
