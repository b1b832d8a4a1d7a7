#!/usr/bin/env python3
"""scripts/check --since: clang-tidy checks what changed and what includes that."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
sys.dont_write_bytecode = True
import harness

FILES = {
    "common/a/low.h": "",
    "common/a/middle.h": '#include "common/a/low.h"\n',
    "common/a/low.cpp": '#include "common/a/low.h"\n',
    "common/a/lonely.cpp": "",
    "tools/t/far.cpp": '#include "common/a/middle.h"\n',
    "tests/unit/near.cpp": '#include "common/a/low.h"\n',
}


class Since(harness.Case):
    def setUp(self):
        super().setUp()
        self.tree = self.path("tree")
        shutil.copytree(os.path.join(harness.ROOT, "scripts"), os.path.join(self.tree, "scripts"))
        for name, text in FILES.items():
            self.write(f"tree/{name}", text)
        self.write("tree/.clang-tidy", "")
        self.write("tree/.gitignore", "/build/\n")
        self.write("tree/build/dev/compile_commands.json", json.dumps(
            [{"file": os.path.join(self.tree, name)} for name in FILES if name.endswith(".cpp")]))
        for name, text in {"cmake": "", "clang-tidy": f'for word; do :; done\n'
                           f'echo "$word" >> {self.path("seen")}\n'
                           f'[ "$word" != "$BAD" ]\n'}.items():
            os.chmod(self.write(f"bin/{name}", "#!/bin/sh\n" + text), 0o755)
        self.git("init", "-q")
        self.commit()

    def git(self, *words):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words],
                       cwd=self.tree, env=self.env(), stdout=subprocess.DEVNULL, check=True)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")

    def tidy(self, *words, status=0, **env):
        """The files that clang-tidy was given."""
        self.write("seen", "")
        env = self.env(**env)
        env["PATH"] = self.path("bin") + ":" + env["PATH"]
        done = subprocess.run([os.path.join(self.tree, "scripts", "check"), *words, "tidy"], env=env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done.stdout)
        with open(self.path("seen")) as file:
            return sorted(file.read().split())

    def test_what_includes_a_changed_header(self):
        self.write("tree/common/a/low.h", "// new\n")
        wanted = ["common/a/low.cpp", "tests/unit/near.cpp", "tools/t/far.cpp"]
        self.assertEqual(self.tidy("--since", "HEAD", BAD="tools/t/far.cpp", status=1), wanted)
        # What was found clean is not checked again.
        self.assertEqual(self.tidy("--since", "HEAD"), ["tools/t/far.cpp"])
        self.commit()
        self.assertEqual(self.tidy("--since", "HEAD"), [])

    def test_a_changed_and_a_new_file_and_a_bound(self):
        self.write("tree/common/a/lonely.cpp", "// new\n")
        self.write("tree/tools/t/new.cpp", "\n")  # in no compile_commands.json yet
        self.commit()
        self.assertEqual(self.tidy("--since", "HEAD~1"), ["common/a/lonely.cpp"])
        self.write("tree/common/a/low.h", "// new\n")
        self.assertEqual(len(self.tidy("--since", "HEAD", FL_TIDY_MAX="2")), 2)

    def test_all_without_a_revision(self):
        self.assertEqual(self.tidy(), sorted(name for name in FILES if name.endswith(".cpp")))

    def test_not_a_revision(self):
        self.assertEqual(self.tidy("--since", "nonsense", status=64), [])


if __name__ == "__main__":
    harness.main()
