"""Each log shipper is started with its snippet of packaging/, given lines, and must give all of them back, whole."""
import csv
import io
import json
import os
import re
import subprocess
import unittest

import lines
import programs
import recording
from programs import Case, PACKAGING, environment, program, run


def given() -> list[bytes]:
    """What blockwatch wrote, and what it might write."""
    return recording.lines() + lines.made()


def parsed(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.split(b"\n") if line]


class ShipperCase(Case):
    def assertWhole(self, sent: list[bytes], data: bytes) -> None:
        """Every record came back, once, in its order, with every nested field."""
        back = parsed(data)
        records = [json.loads(line) for line in sent]
        for number, (one, other) in enumerate(zip(records, back), 1):
            self.assertEqual(one, other, f"line {number} came back otherwise")
        self.assertEqual(len(records), len(back))

    def assertSelected(self, sent: list[bytes], data: bytes, verdicts: set[str]) -> None:
        """Those with these verdicts came, and no others."""
        wanted = [record for record in map(json.loads, sent) if record.get("verdict") in verdicts]
        self.assertTrue(wanted)
        self.assertEqual(wanted, parsed(data))

    def grown(self, name: str, count: int):
        """So many lines have come."""
        return lambda: self.text(name).count(b"\n") >= count


class Rsyslog(ShipperCase):
    def rsyslogd(self, conf: str):
        (self.folder / "work").mkdir()
        path = self.folder / "rsyslog.conf"
        path.write_text(f'global(workDirectory="{self.folder}/work")\n{conf}')
        # the modules of the unpacked program, not those of the system
        modules = programs.DEBIAN / "usr/lib/x86_64-linux-gnu/rsyslog"
        run(program("rsyslogd"), "-N1", "-f", path, "-M", modules)
        return self.start(program("rsyslogd"), "-n", "-f", path, "-i", self.folder / "pid", "-M", modules)

    def test_a_file_is_read_parsed_and_passed_on_whole(self):
        sent = given()
        self.rsyslogd(self.snippet("rsyslog/blockwatch.conf"))
        (self.folder / "blockwatch.ndjson").write_bytes(b"".join(sent))
        self.eventually("all lines", self.grown("all.json", len(sent)))
        self.assertWhole(sent, self.text("all.json"))
        self.assertSelected(sent, self.text("stuck.json"), {"deadlock", "stuck"})
        self.assertEqual(self.text("torn.log"), b"")

    def test_a_line_that_was_torn_is_kept_apart(self):
        self.rsyslogd(self.snippet("rsyslog/blockwatch.conf"))
        sent = lines.made()
        (self.folder / "blockwatch.ndjson").write_bytes(sent[0][:100] + b"\n" + sent[1])
        self.eventually("the whole line", self.grown("all.json", 1))
        self.eventually("the torn line", self.grown("torn.log", 1))
        self.assertWhole(sent[1:2], self.text("all.json"))

    def test_standard_output_comes_through_logger_and_the_log_socket(self):
        sent = given()
        socket = self.folder / "log"
        conf = f'module(load="imuxsock" sysSock.use="off")\ninput(type="imuxsock" socket="{socket}")\n'
        self.rsyslogd(conf + self.snippet("rsyslog/blockwatch-stdin.conf"))
        self.eventually("the socket", socket.exists)
        logger = [program("logger"), "--socket", socket, "--tag", "blockwatch", "--size", "8192"]
        subprocess.run(logger, input=b"".join(sent), env=environment(), check=True, timeout=programs.PATIENCE)
        self.eventually("all lines", self.grown("all.json", len(sent)))
        self.assertWhole(sent, self.text("all.json"))


class SyslogNG(ShipperCase):
    def syslog_ng(self) -> None:
        path = self.folder / "syslog-ng.conf"
        path.write_text("@version: 3.38\n" + self.snippet("syslog-ng/blockwatch.conf"))
        arguments = [
            program("syslog-ng"), "-f", path, "--module-path", programs.DEBIAN / "usr/lib/syslog-ng/3.38", "-R",
            self.folder / "persist", "-p", self.folder / "pid", "-c", self.folder / "ctl", "--no-caps",
        ]
        run(*arguments, "-s")
        self.start(*arguments, "-F")

    def test_a_file_is_read_parsed_selected_by_verdict_and_passed_on_byte_for_byte(self):
        sent = given()
        self.syslog_ng()
        (self.folder / "blockwatch.ndjson").write_bytes(b"".join(sent))
        self.eventually("all lines", self.grown("all.json", len(sent)))
        self.assertEqual(b"".join(sent), self.text("all.json"))
        selected = [line for line in sent if json.loads(line).get("verdict") in {"deadlock", "stuck"}]
        self.eventually("those that are stuck", self.grown("stuck.json", len(selected)))
        self.eventually("their short form", self.grown("short.log", len(selected)))
        self.assertSelected(sent, self.text("stuck.json"), {"deadlock", "stuck"})
        records = [json.loads(line) for line in selected]
        short = self.text("short.log").decode().splitlines()
        for record, line in zip(records, short):
            wanted = [record["@timestamp"], record["verdict"], record["reason"], f"pid={record.get('process', {}).get('pid', '')}"]
            self.assertEqual(line.split(" ")[:4], wanted, "nested fields by their names")


class Journald(ShipperCase):
    """In a mount namespace with a /run of its own: the host's journal is not touched."""

    SCRIPT = r"""
        set -eu
        mount -t tmpfs tmpfs /run
        mkdir -p /run/systemd/journal /run/log/journal
        /lib/systemd/systemd-journald & journald=$!
        trap 'kill $journald; wait $journald || true' EXIT
        for i in $(seq 200); do [ -S /run/systemd/journal/socket ] && break; sleep 0.1; done
        "$1" < "$2"
        journalctl --sync
        journalctl --all -o json SYSLOG_IDENTIFIER=blockwatch > "$3/all.json"
        journalctl --all -o json VERDICT=stuck > "$3/stuck.json"
        journalctl --all -o json VERDICT=deadlock > "$3/deadlock.json"
        journalctl --all -o json PID="$4" > "$3/pid.json"
        journalctl --all -o json UNIT=postgresql.service > "$3/unit.json"
        journalctl --all -o json -p warning SYSLOG_IDENTIFIER=blockwatch > "$3/warning.json"
    """

    def records(self, name: str) -> list[dict]:
        """The records behind the entries; journalctl writes what is not plain text as numbers."""
        entries = parsed(self.text(name))
        return [json.loads(bytes(raw) if isinstance(raw := entry["BLOCKWATCH"], list) else raw) for entry in entries]

    def test_every_line_comes_out_whole_and_is_found_by_verdict_pid_unit_and_level(self):
        sent = given()
        self.assertTrue(os.path.exists("/lib/systemd/systemd-journald"), "the package systemd has it")
        records = [json.loads(line) for line in sent]
        pid = next(record["process"]["pid"] for record in records if record.get("verdict") == "stuck")
        (self.folder / "lines").write_bytes(b"".join(sent))
        run("unshare", "--mount", "--propagation", "private", "sh", "-c", self.SCRIPT, "sh",
            PACKAGING / "journald/blockwatch-journal", self.folder / "lines", self.folder, pid)
        self.assertEqual(records, self.records("all.json"))
        by = lambda ask: [record for record in records if ask(record)]
        for name, wanted in {
            "stuck.json": by(lambda r: r.get("verdict") == "stuck"), "deadlock.json": by(lambda r: r.get("verdict") == "deadlock"),
            "pid.json": by(lambda r: r.get("process", {}).get("pid") == pid),
            "unit.json": by(lambda r: r.get("service", {}).get("name") == "postgresql.service"),
            "warning.json": by(lambda r: r.get("log", {}).get("level") in {"warning", "error"}),
        }.items():
            self.assertTrue(wanted, name)
            self.assertEqual(wanted, self.records(name), name)


class Lnav(ShipperCase):
    def lnav(self, *arguments) -> str:
        return run(program("lnav"), *arguments)

    def setUp(self):
        super().setUp()
        home, self.before = str(self.folder / "home"), {name: os.environ.get(name) for name in ["HOME", "TERM"]}
        os.mkdir(home)
        os.environ.update(HOME=home, TERM="xterm")
        self.addCleanup(lambda: [os.environ.pop(n) if v is None else os.environ.__setitem__(n, v) for n, v in self.before.items()])
        self.lnav("-i", PACKAGING / "lnav/blockwatch.json")

    def test_the_format_is_taken_without_a_complaint(self):
        self.lnav("-C")
        self.assertIn("blockwatch_log", self.lnav("-m", "format", "blockwatch_log", "get"))
        self.assertIn("blockwatch_log.json", self.lnav("-m", "format", "blockwatch_log", "source"))

    def test_verdict_who_and_chain_are_columns_of_every_line(self):
        sent = given()
        path = self.folder / "lines"
        path.write_bytes(b"".join(sent))
        columns = ["event/sequence", "verdict", "reason", "process/name", "process/pid", "chain", "root/name", "holders"]
        asked = ", ".join(f'"{column}"' for column in columns)
        out = self.lnav("-n", "-c", f";SELECT {asked}, log_raw_text FROM blockwatch_log", "-c", ":write-json-to -", path)
        rows = json.loads(out)
        records = [json.loads(line) for line in sent]
        self.assertEqual(len(rows), len(records))
        # those of one microsecond in any order
        key = lambda record: json.dumps(record, sort_keys=True)
        rows.sort(key=lambda row: key(json.loads(row["log_raw_text"])))
        for row, record in zip(rows, sorted(records, key=key)):
            self.assertEqual(json.loads(row["log_raw_text"]), record)
            for column in columns:
                value = record
                for step in column.split("/"):
                    value = value.get(step, {}) if isinstance(value, dict) else {}
                found, wanted = row[column], None if value == {} else value
                # a number may come as text
                self.assertEqual(str(found) if isinstance(wanted, int) else found, str(wanted) if isinstance(wanted, int) else wanted, column)

    def test_the_view_has_them_side_by_side(self):
        record = next(r for r in map(json.loads, recording.lines()) if r.get("reason") == "peer_stuck" and r.get("chain"))
        path = self.folder / "lines"
        path.write_bytes(lines.encode(record))
        view = self.lnav("-n", path)
        line = next(line for line in view.splitlines() if record["message"] in line)
        want = rf"\S+ {record['verdict']}\s+{record['event']['action']}\s+{record['process']['name']}\s+{record['process']['pid']}\s"
        self.assertRegex(line, want)
        self.assertTrue(line.rstrip().endswith(record["chain"]), line)


class Jq(ShipperCase):
    """Every recipe of packaging/jq/recipes.md, as it stands, on what blockwatch wrote."""

    def recipes(self) -> list[tuple[str, str]]:
        text = (PACKAGING / "jq/recipes.md").read_text()
        return re.findall(r"^## (.+?)\n.*?```sh\n(.+?)\n```", text, re.S | re.M)

    def answer(self, command: str) -> str:
        (self.folder / "blockwatch.ndjson").write_bytes(b"".join(recording.lines()))
        folder = os.path.dirname(program("jq"))
        self.assertTrue(command.startswith("jq "), command)
        return run("sh", "-c", f"PATH={folder}:$PATH; {command}", cwd=self.folder)

    def test_every_recipe_answers(self):
        recipes = self.recipes()
        self.assertGreater(len(recipes), 9)
        for title, command in recipes:
            with self.subTest(title):
                self.assertTrue(self.answer(command).strip(), f"{command}: nothing")

    def test_they_say_what_the_records_say(self):
        recipes = dict(self.recipes())
        records = [json.loads(line) for line in recording.lines()]
        counts = json.loads(self.answer(recipes["How many by verdict and reason"]))
        for verdict, reasons in counts.items():
            for reason, count in reasons.items():
                wanted = {r["event"]["id"] for r in records if r.get("verdict") == verdict and r.get("reason") == reason and r["event"]["action"] != "deadlock"}
                self.assertEqual(len(wanted), count, (verdict, reason))
        rows = list(csv.reader(io.StringIO(self.answer(recipes["As CSV"]))))
        calls = [record for record in records if "process" in record]
        self.assertEqual(len(rows), len(calls) + 1)
        self.assertEqual([row[0] for row in rows[1:]], [record["@timestamp"] for record in calls])


if __name__ == "__main__":
    unittest.main()
