#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the man pages, the commented config file and the shells' completions: make man

usage: tools/gen-man.py BLOCKWATCH FOLDER [--check]

Commands and options come from the program itself, which prints the definitions that --help is made from as JSON; the
record format from schema/blockwatch-1.json; version and date from the newest heading of CHANGELOG.md. --check writes
nothing and ends with 1 if a file in FOLDER is not what would be written.
"""
import datetime
import json
import pathlib
import re
import subprocess
import sys
import textwrap

sys.dont_write_bytecode = True
from man_prose import CONFIG, EXAMPLES, EXIT_CODES, NEXT_START, PAGES, RECORDS, SIGNALS

ROOT = pathlib.Path(__file__).resolve().parent.parent
MADE = "made by tools/gen-man.py (make man) from {}; do not edit"


def words(text, width=78):
    """Running text as mdoc wants it: a sentence begins a line, and no line is long."""
    text = re.sub(r"\s+", " ", text.strip()).replace("\\", "\\e").replace("--", "\\-\\-")
    text = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", text)
    lines = []
    for sentence in re.split(r"(?<=[.!?:;)])\s+(?=[A-Z`])|(?<=[.!?])\s+", text):
        lines += textwrap.wrap(sentence, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join("\\&" + line if line[:1] in ".'" else line for line in lines)


def literal(lines):
    quoted = [line.replace("\\", "\\e") for line in lines]
    quoted = ["\\&" + line if line[:1] in ".'" else line for line in quoted]
    return ".Bd -literal -offset indent\n" + "\n".join(quoted) + "\n.Ed"


def prose(text):
    """Paragraphs; lines that are indented are examples."""
    out, block, kind = [], [], None

    def flush():
        if block:
            out.append(literal(block) if kind == "example" else words(" ".join(block)))
            block.clear()

    for line in text.strip("\n").split("\n"):
        now = None if not line.strip() else "example" if line.startswith("  ") else "text"
        if now != kind:
            flush()
            if now == "text" and out and kind is None or now == "text" and kind == "example":
                out.append(".Pp")
            kind = now
        if now:
            block.append(line.strip() if now == "text" else line[2:])
    flush()
    return "\n".join(out)


def default(argument):
    """What an option is if nobody says; `None` if that is nothing."""
    found = re.search(r"\(default: ([^)]*)\)", argument.get("abstract") or "")
    return found.group(1) if found else argument.get("defaultValue")


def shown(arguments):
    """Options and arguments that a page tells: those of --help, and each of the exclusions."""
    for argument in arguments:
        name = argument["preferredName"]["name"] if "preferredName" in argument else ""
        hidden_exclusion = name.startswith("exclude-")
        if (argument["shouldDisplay"] or hidden_exclusion) and name not in ("help", "version"):
            yield name, argument


def head(argument):
    name = argument["preferredName"]["name"]
    value = "" if argument["kind"] == "flag" else f" Ar {argument['valueName']}"
    return f".Fl -{name}{value}"


def meaning(name, argument):
    if name.startswith("exclude-"):
        return f"Not these: the opposite of --{name.removeprefix('exclude-')}."
    text = argument["abstract"]
    if "defaultValue" in argument and "default:" not in text:
        text += f" Default: {argument['defaultValue']}."
    if argument.get("allValues") and not all(value in text for value in argument["allValues"]):
        text += f" One of {', '.join(argument['allValues'])}."
    return text


class Maker:
    def __init__(self, program):
        self.program = program
        help_text = self.run("--experimental-dump-help")
        self.root = json.loads(help_text)["command"]
        self.commands = [c for c in self.root["subcommands"] if c["shouldDisplay"] and c["commandName"] != "help"]
        self.watch = next(c for c in self.commands if c["commandName"] == self.root["defaultSubcommand"])
        self.version = self.run("--version").strip()
        version, date = re.search(
            r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE).groups()
        if version != self.version:
            sys.exit(f"{program} is version {self.version}, the newest of CHANGELOG.md is {version}")
        day = datetime.date.fromisoformat(date)
        self.date = f"{day:%B} {day.day}, {day.year}"
        self.schema = json.loads((ROOT / "schema/blockwatch-1.json").read_text())
        self.pages = {f"blockwatch-{c['commandName']}": 1 for c in self.commands}
        self.pages |= {"blockwatch": 1, "blockwatch.conf": 5, "blockwatch-records": 5}

    def run(self, *arguments):
        return subprocess.run([self.program, *arguments], check=True, capture_output=True, text=True).stdout

    def page(self, name, what, body, source):
        section = self.pages[name]
        others = sorted((n for n in self.pages if n != name), key=lambda n: (self.pages[n], n))
        about = ",\n".join(f".Xr {n} {self.pages[n]} ," for n in others).replace(",\n", "\n").removesuffix(" ,")
        # a name of a page begins no line, and no word of it is a macro
        lines = [
            f'.\\" {MADE.format(source)}', f".Dd {self.date}", f".Dt {name.upper()} {section}", ".Os", ".Sh NAME",
            f".Nm {name}", f".Nd {what[0].lower() + what[1:].rstrip('.')}", body, ".Sh SEE ALSO", about]
        return "\n".join(lines) + "\n"

    def options(self, command):
        rows = [(name, a) for name, a in shown(command.get("arguments", [])) if a["kind"] != "positional"]
        if not rows:
            return ""
        items = "\n".join(f".It {head(a).removeprefix('.')}\n{words(meaning(name, a))}" for name, a in rows)
        return f".Sh OPTIONS\n.Bl -tag -width Ds\n{items}\n.El\n"

    def synopsis(self, command):
        out = [".Nm blockwatch", f".Cm {command['commandName']}"]
        for name, argument in shown(command.get("arguments", [])):
            if argument["kind"] == "positional":
                text = f"Ar {argument['valueName']}" + (" ..." if argument["isRepeating"] else "")
                out.append(f".Op {text}" if argument["isOptional"] else f".{text}")
            elif not name.startswith("exclude-"):
                out.append(head(argument).replace(".Fl", ".Op Fl", 1))
        return "\n".join(out)

    def codes(self, names):
        items = "\n".join(f".It {code}\n{words(EXIT_CODES[code])}" for code in names)
        return f".Sh EXIT STATUS\n.Bl -tag -width 4n\n{items}\n.El"

    def command(self, command):
        extra = PAGES[command["commandName"]]
        abstract = re.sub(r" \(the default\)", "", command["abstract"])
        positional = [a for _, a in shown(command.get("arguments", [])) if a["kind"] == "positional"]
        arguments = "".join(
            f".Pp\n.Ar {a['valueName']} :\n{words(a['abstract'])}\n" for a in positional)
        body = (
            f".Sh SYNOPSIS\n{self.synopsis(command)}\n.Sh DESCRIPTION\n"
            f"{prose(command['abstract'] + chr(10) + chr(10) + command['discussion'])}\n{arguments}{self.options(command)}")
        if command is self.watch:
            body += self.signals() + "\n"
        body += self.codes(extra)
        return self.page(f"blockwatch-{command['commandName']}", abstract, body, "the definitions of --help")

    def signals(self):
        items = "\n".join(f".It Dv {name}\n{words(text)}" for name, text in SIGNALS.items())
        return f".Sh SIGNALS\n.Bl -tag -width SIGUSR1\n{items}\n.El"

    def main(self):
        items = "\n".join(
            f".It Cm {c['commandName']}\n{words(c['abstract'])}\nSee\n.Xr blockwatch-{c['commandName']} 1 ."
            for c in self.commands)
        body = f"""\
.Sh SYNOPSIS
.Nm
.Op Cm command
.Op Ar options
.Sh DESCRIPTION
{prose(self.root["discussion"])}
.Pp
{prose(PAGES["blockwatch"])}
.Sh COMMANDS
.Bl -tag -width Ds
{items}
.El
.Pp
.Nm
.Fl -help
and
.Nm
.Ar command
.Fl -help
say the same in short,
.Nm
.Fl -version
the version.
{self.signals()}
.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev NO_COLOR
Lines on a terminal have no colours.
.It Ev NOTIFY_SOCKET , Ev WATCHDOG_USEC , Ev WATCHDOG_PID
Set by the service manager: where it is told that blockwatch is ready, reloads
and stops, and how often it wants a sign of life.
.El
.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/blockwatch/blockwatch.conf
What the service is started with:
.Xr blockwatch.conf 5 .
.It Pa /var/log/blockwatch/blockwatch.ndjson
What it writes:
.Xr blockwatch-records 5 .
.El
{self.codes(EXIT_CODES)}"""
        return self.page("blockwatch", self.root["abstract"], body, "the definitions of --help")

    # ---- the config file ----

    def keys(self):
        for name, argument in shown(self.watch["arguments"]):
            # the contrary of a flag that is on by itself is its key's false
            if name != "config" and not name.startswith("no-"):
                yield name, argument

    def value(self, name, argument):
        """What a line of the config file shows: the default, or an example."""
        if argument["kind"] == "flag":
            return EXAMPLES.get(name, "false")
        if name in EXAMPLES:
            return EXAMPLES[name]
        value = default(argument)
        if value is None:
            sys.exit(f"--{name} has no default: give it an example in tools/man_prose.py")
        return value

    def config_page(self):
        items = []
        for name, argument in self.keys():
            text = meaning(name, argument)
            if name in NEXT_START:
                text += " A change takes effect when blockwatch starts again."
            value = "true | false" if argument["kind"] == "flag" else argument["valueName"]
            items.append(f".It Ic {name} No = Ar {value}\n{words(text)}")
        body = (
            f".Sh DESCRIPTION\n{prose(CONFIG['description'])}\n.Sh KEYS\n.Bl -tag -width Ds\n" + "\n".join(items)
            + f"\n.El\n.Sh IGNORE RULES\n{prose(CONFIG['rules'])}\n.Sh READING IT AGAIN\n{prose(CONFIG['reload'])}\n"
            f".Sh FILES\n.Pa /etc/blockwatch/blockwatch.conf\n.Sh EXAMPLES\n{literal(CONFIG['example'].splitlines())}")
        return self.page("blockwatch.conf", "configuration of blockwatch", body, "the definitions of --help")

    def config_file(self):
        out = ["# What the blockwatch service is started with. In the repository this file is", f"# {MADE.format('--help')}."]
        out.append("#")
        out += ["# " + line for line in textwrap.wrap(CONFIG["head"], 98)]
        for name, argument in self.keys():
            if name.startswith("exclude-") and name != "exclude-syscall":
                continue
            text = argument["abstract"]
            if name in NEXT_START:
                text += " (A change takes effect at the next start.)"
            out += ["", *("# " + line for line in textwrap.wrap(text, 98))]
            sets = name == "output"
            out.append(f"{'' if sets else '#'}{name} = {self.value(name, argument)}")
        out += ["", *("# " + line for line in textwrap.wrap(CONFIG["rules_head"], 98))]
        out += ["#" + line for line in CONFIG["rules_lines"]]
        return "\n".join(out) + "\n"

    # ---- the record format ----

    def fields(self, properties, prefix=""):
        for name, schema in properties.items():
            if schema["type"] == "object" and "properties" in schema:
                yield from self.fields(schema["properties"], f"{prefix}{name}.")
                continue
            inner = schema.get("items", {}).get("properties")
            kind = schema["type"]
            kind = {"array": "objects" if inner else "strings", "object": "object of integers"}.get(kind, kind)
            text = schema["description"]
            if "enum" in schema:
                text += " One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + "."
            if "examples" in schema and not inner:
                example = schema["examples"][0]
                shown_example = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
                text += f" Example: `{shown_example}`"
            yield f".It Va {prefix}{name} Pq {kind}\n{words(text)}"
            if inner:
                yield from self.fields(inner, f"{prefix}{name}[].")

    def records_page(self):
        items = "\n".join(self.fields(self.schema["properties"]))
        body = (
            f".Sh DESCRIPTION\n{prose(RECORDS['description'])}\n.Sh RECORD FIELDS\n.Bl -tag -width Ds\n{items}\n.El\n"
            f".Sh FILES\n{prose(RECORDS['files'])}\n.Sh EXAMPLES\n{prose(RECORDS['examples'])}")
        return self.page("blockwatch-records", "what blockwatch writes, one JSON object a line", body, "schema/blockwatch-1.json")

    def files(self):
        yield "man/blockwatch.1", self.main()
        for command in self.commands:
            yield f"man/blockwatch-{command['commandName']}.1", self.command(command)
        yield "man/blockwatch.conf.5", self.config_page()
        yield "man/blockwatch-records.5", self.records_page()
        yield "blockwatch.conf", self.config_file()
        for shell, name in (("bash", "blockwatch.bash"), ("zsh", "_blockwatch"), ("fish", "blockwatch.fish")):
            text = self.run("--generate-completion-script", shell)
            # it is read, not run; zsh wants its own first line first
            text = text.removeprefix("#!/bin/bash\n")
            first, mark, rest = text.partition("\n") if text.startswith("#compdef") else ("", "", text)
            note = f"# {MADE.format('the definitions of --help')}\n"
            yield f"completions/{name}", first + mark + note + rest.rstrip("\n") + "\n"


def main():
    program, folder, *rest = sys.argv[1:]
    stale = []
    for name, text in Maker(str(pathlib.Path(program).resolve())).files():
        path = pathlib.Path(folder) / name
        if rest == ["--check"]:
            if not path.exists() or path.read_text() != text:
                stale.append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if stale:
        sys.exit(f"not what the program and the schema say: {', '.join(stale)}; run make man and commit it")


main()
