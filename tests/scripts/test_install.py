#!/usr/bin/env python3
"""cmake --install and the target uninstall, into a directory of their own."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

BUILD = os.path.dirname(harness.BIN)
MANIFEST = os.path.join(BUILD, "install_manifest.txt")
EXPECTED = ["bin/fl-source", "bin/fl-sink", "libexec/fl/fl-sink-hdfs", "share/man/man7/fl.7",
            "share/bash-completion/completions/fl-sink"] + [
                "share/doc/fl/" + name for name in (
                    "README.md", "CHANGELOG.md", "LICENSE", "examples/stage.py",
                    "examples/fl-access.service", "examples/fl-upload.service",
                    "examples/fl-upload.timer")]


class Install(harness.Case):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(BUILD, "CMakeCache.txt")):
            self.skipTest(f"{BUILD} is not a build")
        if os.path.exists(MANIFEST):  # of somebody who has installed this build
            kept = self.path("manifest")
            shutil.copy(MANIFEST, kept)
            self.addCleanup(shutil.copy, kept, MANIFEST)
        else:
            self.addCleanup(lambda: os.path.exists(MANIFEST) and os.remove(MANIFEST))

    def cmake(self, *words, **env):
        done = subprocess.run(["cmake", *words], env={**os.environ, **env}, capture_output=True,
                              text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_all_is_installed_and_removed_again(self):
        prefix = self.path("usr")
        self.cmake("--install", BUILD, "--prefix", prefix)
        missing = [path for path in EXPECTED if not os.path.exists(os.path.join(prefix, path))]
        self.assertEqual(missing, [])
        listed = subprocess.run([os.path.join(prefix, "bin", "fl-sink"), "list"], text=True,
                                capture_output=True, check=True, timeout=harness.HANG).stdout
        self.assertIn("hdfs", listed)
        foreign = os.path.join(prefix, "share", "doc", "fl", "notes")
        with open(foreign, "w") as file:
            file.write("kept\n")
        self.cmake("-D", f"MANIFEST={MANIFEST}", "-P",
                   os.path.join(harness.ROOT, "scripts", "cmake", "Uninstall.cmake"))
        left = [os.path.join(folder, name) for folder, _, names in os.walk(prefix) for name in names]
        self.assertEqual(left, [foreign])
        self.assertFalse(os.path.exists(os.path.join(prefix, "libexec", "fl")))
        self.assertFalse(os.path.exists(os.path.join(prefix, "share", "doc", "fl", "examples")))

    def test_below_destdir(self):
        root = self.path("root")
        self.cmake("--install", BUILD, "--prefix", "/opt/fl-test", DESTDIR=root)
        self.assertTrue(os.path.exists(root + "/opt/fl-test/bin/fl-source"))
        self.cmake("-D", f"MANIFEST={MANIFEST}", "-P",
                   os.path.join(harness.ROOT, "scripts", "cmake", "Uninstall.cmake"), DESTDIR=root)
        self.assertEqual([names for _, _, names in os.walk(root) if names], [])


if __name__ == "__main__":
    harness.main()
