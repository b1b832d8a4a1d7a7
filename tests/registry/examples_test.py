"""Each example of each page runs as it is, in an empty directory, and exits 0.

One that needs a cluster or a port of its own does not run; its components and options must exist.

usage: examples_test.py BUILD_DIRECTORY PROGRAM
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile

from program import HANG_LIMIT_SECONDS, Program, Report, run


HERE = os.path.dirname(os.path.abspath(__file__))


def is_sanitized(program):
    with open(program.path, "rb") as file:
        return b"__asan_init" in file.read()


def run_example(program, command, directory):
    """The exit status and what it said; a hanging one is killed with its children."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("FL_", "HADOOP_"))}
    environment["PATH"] = program.bin + os.pathsep + environment["PATH"]
    environment["HOME"] = environment["TMPDIR"] = directory
    if is_sanitized(program):
        environment["PATH"] = os.path.join(HERE, "sanitized") + os.pathsep + environment["PATH"]
    process = subprocess.Popen(["bash", "-c", command], cwd=directory, env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=HANG_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return "hangs", output
    return process.returncode, output


NEEDS_MORE = re.compile(
    r"hdfs://|--httpfs |--port [1-9]|collector:|broker:|metastore1?:|gateway:|gw1:")


def check_words(report, program, command):
    """What a stage's help does not know, an example must not show."""
    for stage in command.split("|"):
        words = shlex.split(stage.split("<")[0])
        if not words[0].startswith("fl-"):
            continue
        shown = run([os.path.join(program.bin, words[0]), words[1], "--help-all"])
        report.check(shown.returncode == 0, f"{stage}: {shown.stderr}")
        for word in words[2:]:
            if word.startswith("--"):
                name = word.split("=")[0]
                report.check(re.search(rf"{name}(?![\w-])", shown.stdout), f"{stage}: no {name}")


def main():
    program = Program(sys.argv[1], sys.argv[2])
    report = Report()
    examples = [example for declared in program.components + program.commands
                for example in declared["examples"]]
    if program.is_tool:
        examples += program.declared["examples"]
    for example in examples:
        if NEEDS_MORE.search(example["command"]):
            check_words(report, program, example["command"])
            continue
        with tempfile.TemporaryDirectory() as directory:
            status, output = run_example(program, example["command"], directory)
        # A pipeline has the status of its last stage; what a sanitizer found in another one is
        # reported.
        report.check(status == 0 and b"Sanitizer" not in output, f"{example['command']}: status {status}: {output!r}")
    report.end()


main()
