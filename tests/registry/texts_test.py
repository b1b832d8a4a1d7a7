"""Each option is in --help, man page and completion; errors name the nearest; help can fail.

usage: texts_test.py BUILD_DIRECTORY PROGRAM
"""

import os
import re
import subprocess
import sys

from program import Program, Report, run, visible


def completions(program, words):
    """What bash offers after `words`, the last of them being typed."""
    script = os.path.join(program.build, "completions", program.tool)
    function = "_" + program.tool.replace("-", "_")
    code = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            f'{function}; printf "%s\\n" "${{COMPREPLY[@]}}"')
    return run(["bash", "-c", code, "bash", script, program.tool, *words]).stdout.split()


def bash_offers_paths(program, words):
    """Whether the completion leaves it to bash to offer paths where it has no words."""
    script = os.path.join(program.build, "completions", program.tool)
    function = "_" + program.tool.replace("-", "_")
    code = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            'compopt() { echo "compopt $*"; }; '
            f'{function}')
    return "compopt +o default" not in run(["bash", "-c", code, "bash", script, program.tool,
                                            *words]).stdout


def check_help(report, program, component, stage_options):
    """A component shows its own options and names --help-all, which shows those of a stage, too."""
    words = program.command(component)
    short, full = (run(words + [option]).stdout for option in ("--help", "--help-all"))
    for name in ("--help-all", "fl(7)"):
        report.check(name in short, f"{words} --help does not name {name}")
    own = {option["name"] for option in component["options"]}
    for option in visible(stage_options):
        shown = re.compile(rf"^  --{option['name']}(?![\w-])", re.M)
        report.check(shown.search(full), f"{words} --help-all: no --{option['name']}")
        report.check(option["name"] in own or not shown.search(short),
                     f"{words} --help: --{option['name']} is no option of its own")
    for line in short.strip().splitlines():
        report.check(line in full or "--help-all" in line, f"{words} --help-all: no '{line}'")


def check_completed_paths(report, program, component, options):
    """Where a path is meant, nothing is offered, so that bash offers paths; where another value is,
    nothing and no paths."""
    typed = [component["name"]] if component else []
    for option in visible(options):
        if option["flag"] or option["choices"]:
            continue
        name = "--" + option["name"]
        report.check(not completions(program, typed + [name, ""]), f"{typed} {name}: words offered")
        report.check(bash_offers_paths(program, typed + [name, ""]) == option["path"],
                     f"{typed} {name}: paths offered or not")
    if component and any(option["positional"] and option["path"] for option in visible(options)):
        report.check(not completions(program, typed + [""]) and
                     bash_offers_paths(program, typed + [""]), f"{typed}: no paths offered")


def check_texts(report, program, component, options):
    where = program.tool + (" " + component["name"] if component else "")
    help_run = run(program.command(component) + ["--help"])
    report.check(help_run.returncode == 0, f"{where} --help: {help_run.stderr}")
    check_completed_paths(report, program, component, options)
    page = program.page(component)
    for typed in [[alias] for alias in component["aliases"]] if component else []:
        report.check(completions(program, typed + ["--"]) ==
                     completions(program, [component["name"], "--"]), f"completion of {typed[0]}")
    # A property's key may be ours alone.
    report.check("Flume: " not in page, f"{where}: the page calls a key Flume's")
    typed = [component["name"]] if component else []
    offered = completions(program, typed + ["--"])
    for option in visible(options):
        name = "--" + option["name"]
        report.check(name in help_run.stdout.replace(",", " ").split(), f"{where} --help: no {name}")
        report.check(name in page, f"{where}: page without {name}")
        report.check(name in offered, f"{where}: no completion of {name}")
        for choice in option["choices"]:
            report.check(choice in help_run.stdout, f"{where} --help: {name} without {choice}")
            report.check(choice in completions(program, typed + [name, ""]),
                         f"{where}: no completion of {name} {choice}")
        if option["required"]:
            entry = re.search(rf"--{option['name']}\b.*?Required\.([^-]*)", help_run.stdout, re.S)
            report.check(entry and "[" not in entry.group(1),
                         f"{where} --help: {name} is required and has a default")
        if component and not option["cli_only"]:
            report.check(option["key"] in page, f"{where}: page without key {option['key']}")
        check_nearest(report, program, component, option["name"])
    for option in options:
        if option["secret"]:
            report.check(option["key"] in page, f"{where}: page without key {option['key']}")
            report.check(f"--{option['name']} " not in help_run.stdout,
                         f"{where} --help: --{option['name']} takes a secret")
    for full in (["--help"], ["--version"]):
        with open("/dev/full", "w") as device:
            status = run(program.command(component) + full, stdout=device,
                         stderr=subprocess.PIPE).returncode
        report.check(status == 74, f"{where} {full[0]} > /dev/full: status {status}")


def check_nearest(report, program, component, name):
    wrong = "--" + name + "x"
    result = run(program.command(component) + [wrong])
    report.check(result.returncode == 64, f"{wrong}: status {result.returncode}")
    report.check(f"unknown option '{wrong}': did you mean '--" in result.stderr,
                 f"{wrong}: {result.stderr}")
    return result


def check_command(report, program, command):
    """A subcommand: the texts of a component, and no stream on stdout where it fails, unless it is
    a stage: then it tells the next one."""
    check_texts(report, program, command, command["options"])
    words = program.command(command)
    for wrong in (["--nosuch"], ["--log-level", "loud"], ["--generate", "nosuch"]):
        result = run(words + wrong)
        report.check(result.returncode == 64 and (command["stream"] or not result.stdout), f"{words} {wrong}: {result}")
    for option in visible(command["options"]):
        if option["required"] and option["path"]:
            result = run(words + ["--" + option["name"], "/nonexistent/x"])
            report.check(result.returncode not in (0, 64, 70) and (command["stream"] or not result.stdout) and
                         "/nonexistent" in result.stderr, f"{words} /nonexistent/x: {result}")
            result = run(words)
            report.check(result.returncode == 64 and (command["stream"] or not result.stdout), f"{words}: {result}")
    result = run(words[:-1] + [command["name"] + "x"])
    report.check("did you mean '" + command["name"] in result.stderr, f"{words}x: {result.stderr}")


def check_group(report, program, name):
    """After -- and after + come components of the tool and their options."""
    for component in program.components:
        for typed in ([name, "--"], [name, "--", "null", "+"]):
            where = " ".join([program.tool, *typed])
            report.check(component["name"] in completions(program, typed + [""]),
                         f"no completion of {where} {component['name']}")
            report.check(completions(program, typed + [component["name"], "--"]) ==
                         completions(program, [component["name"], "--"]),
                         f"completion of the options of {where} {component['name']}")


def check_tool(report, program):
    listing = run(program.command() + ["list"])
    offered = completions(program, [""])
    report.check(not [word for word in offered if word.startswith("-")],
                 f"{program.tool}: options are offered before types")
    for component in program.components + program.commands:
        name = component["name"]
        report.check(f"  {name}  " in listing.stdout or f"  {name} " in listing.stdout,
                     f"{program.tool} list: no {name}")
        report.check(component["summary"] in listing.stdout, f"{program.tool} list: {name}")
        report.check(name in offered, f"no completion of {program.tool} {name}")
        if any(option["positional"] and "+" in option["metavar"]
               for option in component["options"]):
            check_group(report, program, name)
    if not program.is_tool:
        return
    check_texts(report, program, None, program.declared["stage_options"])
    with open("/dev/full", "w") as device:
        status = run(program.command() + ["list"], stdout=device,
                     stderr=subprocess.PIPE).returncode
    report.check(status == 74, f"{program.tool} list > /dev/full: status {status}")
    for component in program.components:
        wrong = component["name"] + "x"
        result = run(program.command() + [wrong])
        report.check(result.returncode == 64, f"{wrong}: status {result.returncode}")
        report.check("did you mean" in result.stderr and "list' shows" in result.stderr,
                     f"{wrong}: {result.stderr}")
    result = run(program.command())
    tells = "" if program.tool == "fl-sink" else "fl.failed"  # what the next stage gets
    report.check(result.returncode == 64 and "usage:" in result.stderr and
                 (tells in result.stdout if tells else not result.stdout),
                 f"{program.tool} without arguments")


def main():
    program = Program(sys.argv[1], sys.argv[2])
    report = Report()
    check_tool(report, program)
    for component in program.components:
        check_texts(report, program, component,
                    component["options"])
        check_help(report, program, component, program.declared["stage_options"])
    for command in program.commands:
        check_command(report, program, command)
    report.end()


main()
