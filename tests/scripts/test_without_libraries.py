#!/usr/bin/env python3
"""A build without the optional libraries: what CMake leaves out, and what the tools say about it.

Configured in a directory of its own. A tool differs from that of the build under test only in the list
of its components, so only that is compiled, and linked with the objects that are there.
"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

BUILD = os.path.realpath(os.path.dirname(harness.BIN))
LIMIT = 300  # seconds for CMake, a compiler or a linker on a busy machine
# Each optional library: what pkg-config calls it, its name for users, what needs it.
LIBRARIES = {
    "KAFKA": ("rdkafka", "librdkafka", [("fl-source", "kafka"), ("fl-channel", "kafka"),
                                        ("fl-sink", "kafka")]),
    "THRIFT": ("thrift", "libthrift", [("fl-sink", "hive")]),
    "MARIADB": ("libmariadb", "libmariadb", [("fl-source", "sql")]),
}


class WithoutLibraries(harness.Case):
    def setUp(self):
        super().setUp()
        self.preset = os.path.basename(BUILD)
        with open(os.path.join(harness.ROOT, "CMakePresets.json")) as file:
            presets = [preset["name"] for preset in json.load(file)["configurePresets"]]
        if self.preset not in presets or not os.path.exists(os.path.join(BUILD, "build.ninja")):
            self.skipTest(f"{BUILD} is not the build of a preset")
        self.build = self.path("build")

    def configure(self, *options, **env):
        return subprocess.run(["cmake", "--preset", self.preset, "-B", self.build, *options],
                              cwd=harness.ROOT, env={**os.environ, **env}, capture_output=True,
                              text=True, timeout=LIMIT, check=False)

    def without_packages(self):
        """An environment in which pkg-config knows all that it knows here but the libraries."""
        found = subprocess.run(["pkg-config", "--variable", "pc_path", "pkg-config"], check=True,
                               capture_output=True, text=True, timeout=LIMIT).stdout.strip()
        packages = self.path("packages")
        os.mkdir(packages)
        hidden = {f"{package}.pc" for package, _, _ in LIBRARIES.values()}
        for folder in filter(os.path.isdir, found.split(":")):
            for name in os.listdir(folder):
                place = os.path.join(packages, name)
                if name.endswith(".pc") and name not in hidden and not os.path.lexists(place):
                    os.symlink(os.path.join(folder, name), place)
        return {"PKG_CONFIG_LIBDIR": packages, "PKG_CONFIG_PATH": ""}

    def graph(self):
        with open(os.path.join(self.build, "build.ninja")) as file:
            return file.read()

    def registry(self, tool):
        with open(os.path.join(self.build, "tools", tool, f"{tool}_registry.cpp")) as file:
            return file.read()

    def leaves_out(self, x):
        """This build has no trace of the library, and its tools know that it is missing."""
        package, library, components = LIBRARIES[x]
        graph = self.graph()
        self.assertNotIn(package, graph)
        # A target that is not there would become a library of the linker's.
        self.assertEqual(re.findall(r"-lfl_\w+", graph), [])
        for tool, component in components:
            self.assertNotIn(f"bin/{tool}-{component}:", graph)
            self.assertIn(f'{{"{component}", "{library}"}}', self.registry(tool))

    def link(self, tool):
        """The tool as this build would make it."""
        with open(os.path.join(self.build, "compile_commands.json")) as file:
            command, = [entry["command"] for entry in json.load(file)
                        if entry["file"].endswith(f"/{tool}_registry.cpp")
                        and f"/{tool}.dir/" in entry["command"]]
        result, = re.findall(r" -o (\S+)", command)
        program, made = self.path(tool), self.path(f"{tool}.o")
        commands = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", f"bin/{tool}"], check=True,
                                  capture_output=True, text=True, timeout=LIMIT).stdout.splitlines()
        linked = commands[-1].replace(result, made).replace(f"-o bin/{tool} ", f"-o {program} ")
        self.assertIn(made, linked)
        self.assertIn(f" -o {program} ", linked)
        for line, folder in ((command.replace(f" -o {result}", f" -o {made}"), self.build),
                             (linked, BUILD)):
            done = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True,
                                  timeout=LIMIT, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        return program

    def test_tools_name_what_they_were_built_without(self):
        done = self.configure(**self.without_packages())  # AUTO
        self.assertEqual(done.returncode, 0, done.stderr)
        tools = {}
        env = self.env(PATH=self.dir)  # the programs of the build under test are not found
        for x, (_, library, components) in LIBRARIES.items():
            self.leaves_out(x)
            for tool, component in components:
                with self.subTest(tool=tool, component=component):
                    program = tools[tool] = tools.get(tool) or self.link(tool)
                    listed = subprocess.run([program, "list"], stdout=subprocess.PIPE, text=True,
                                            env=env, timeout=harness.HANG, check=True).stdout
                    self.assertRegex(listed, rf"(?m)^ *{component} +not here: built without {library}$")
                    asked = subprocess.run([program, component, "x"], stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                           text=True, env=env, timeout=harness.HANG, check=False)
                    self.assertEqual(asked.returncode, 78, asked.stderr)
                    self.assertIn(f"'{component}' is not here: {tool} was built without {library}",
                                  asked.stderr)
                    self.assertIn(f"install {library}", asked.stderr)

    def test_off_and_on(self):
        done = self.configure(*[f"-DFL_WITH_{x}=OFF" for x in LIBRARIES])
        self.assertEqual(done.returncode, 0, done.stderr)
        for x in LIBRARIES:
            self.leaves_out(x)
        env = self.without_packages()
        for x, (package, _, _) in LIBRARIES.items():
            with self.subTest(x):
                done = self.configure(*[f"-DFL_WITH_{other}={'ON' if other == x else 'OFF'}"
                                        for other in LIBRARIES], **env)
                self.assertNotEqual(done.returncode, 0)
                self.assertRegex(done.stdout, f"[Pp]ackage .{package}.[^\\n]* (not )?found")


if __name__ == "__main__":
    harness.main()
