"""The file for Prometheus, the alerts and the dashboard, in the real node_exporter, promtool and Prometheus."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request
import pathlib
import shutil

import programs
import recording
from programs import Case, PACKAGING, ROOT, program, run

RULES = PACKAGING / "prometheus/blockwatch.rules.yml"
RULE_TESTS = PACKAGING / "prometheus/blockwatch.rules.test.yml"
DASHBOARD = PACKAGING / "grafana/blockwatch.json"


def alerts() -> list[str]:
    return re.findall(r"^ +- alert: (\w+)$", RULES.read_text(), re.M)


class Rules(Case):
    def setUp(self):
        super().setUp()
        for path in [RULES, RULE_TESTS]:
            shutil.copy(path, self.folder)

    def test_promtool_takes_them_and_each_fires_when_it_must(self):
        self.assertIn(f"{len(alerts())} rules found", run(program("promtool"), "check", "rules", RULES))
        run(program("promtool"), "test", "rules", RULE_TESTS.name, cwd=self.folder)

    def test_each_alert_is_missed_if_it_is_not_there(self):
        text = RULES.read_text()
        for name in alerts():
            with self.subTest(name):
                (self.folder / RULES.name).write_text(text.replace(f"alert: {name}\n", f"alert: {name}Gone\n"))
                with self.assertRaises(AssertionError):
                    run(program("promtool"), "test", "rules", RULE_TESTS.name, cwd=self.folder)

    def test_each_alert_that_waits_would_be_found_to_fire_too_early(self):
        text = RULES.read_text()
        for name in re.findall(r"- alert: (\w+)\n(?: +(?!- ).*\n)*? +for: ", text):
            with self.subTest(name):
                hasty = re.sub(rf"(- alert: {name}\n(?: +(?!- ).*\n)*?) +for: .*\n", r"\1", text, count=1)
                self.assertNotEqual(hasty, text)
                (self.folder / RULES.name).write_text(hasty)
                with self.assertRaises(AssertionError):
                    run(program("promtool"), "test", "rules", RULE_TESTS.name, cwd=self.folder)


class Inhibition(Case):
    """The block of docs/runbook.md for Alertmanager."""

    def test_amtool_takes_it_and_it_names_alerts_that_there_are(self):
        block = re.search(r"^```yaml\n(inhibit_rules:.*?)^```", (ROOT / "docs/runbook.md").read_text(), re.S | re.M)[1]
        path = self.folder / "alertmanager.yml"
        path.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n" + block)
        self.assertIn("1 inhibit rules", run(program("amtool"), "check-config", path))
        named = re.search(r"Blockwatch\(([\w|]+)\)", block)[1].split("|")
        self.assertEqual(set("Blockwatch" + name for name in named) - set(alerts()), set())
        self.assertIn("alertname = BlockwatchSilent", block)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


HANGS = ["deadlock-flock", "pipe-read", "chain-three", "poll-connect", "stopped", "epoll-silent-server", "many-waiters"]


class Live(Case):
    """blockwatch, node_exporter as another user and Prometheus, while programs hang. Once for all of its tests."""

    @classmethod
    def setUpClass(cls):
        cls.stage = cls("setUpStage")
        Case.setUp(cls.stage)
        cls.addClassCleanup(cls.stage.doCleanups)
        cls.stage.setUpStage()

    def setUp(self):
        pass

    def setUpStage(self):
        # by a shell with a strict umask: node_exporter has another user, and must be able to read it all the same
        (self.folder / "textfile").mkdir()
        watcher = [programs.BLOCKWATCH, "--threshold", "500ms", "--summary", "2s", "--all", "--output", self.folder / "log"]
        self.watcher = self.start("/bin/sh", "-c", 'umask 077; exec "$0" "$@"', *watcher, "--metrics", self.folder / "textfile/blockwatch.prom")
        # its series are there before the first event
        self.eventually("the metrics file", lambda: self.text("textfile/blockwatch.prom"))
        self.node, self.port = free_port(), free_port()
        node = [program("prometheus-node-exporter"), "--collector.disable-defaults", "--collector.textfile",
                f"--collector.textfile.directory={self.folder}/textfile", f"--web.listen-address=127.0.0.1:{self.node}"]
        # the unpacked program lies where nobody else may look
        (self.folder / "node_exporter").write_bytes(pathlib.Path(node[0]).read_bytes())
        (self.folder / "node_exporter").chmod(0o755)
        self.start(self.folder / "node_exporter", *node[1:], user=65534, group=65534, extra_groups=[])
        shutil.copy(RULES, self.folder)
        (self.folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 500ms, evaluation_interval: 500ms}\n"
            f"rule_files: [{RULES.name}]\n"
            f"scrape_configs: [{{job_name: node, static_configs: [{{targets: ['127.0.0.1:{self.node}']}}]}}]\n")
        run(program("promtool"), "check", "config", self.folder / "prometheus.yml")
        self.start(program("prometheus"), f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
                   f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn")
        self.eventually("a scrape", lambda: self.reachable() and self.ask("blockwatch_info"))
        hangs = recording.Hangs(HANGS)
        hangs.__enter__()
        self.addCleanup(hangs.__exit__)
        self.eventually("a deadlock in Prometheus", lambda: self.ask("blockwatch_deadlocks_total > 0"))
        self.eventually("those in line for a lock", lambda: self.ask('sum(blockwatch_service_blocked_calls{verdict="stuck"}) > 20'))
        # a rate needs two samples of each
        self.eventually("a rate", lambda: self.ask('sum(rate(blockwatch_calls_total[1m])) > 0'))
        self.eventually("a budget", lambda: self.ask("blockwatch_overhead_ratio"))

    def reachable(self) -> bool:
        try:
            return b"Ready" in fetch(f"http://127.0.0.1:{self.port}/-/ready")
        except OSError:
            return False

    def ask(self, query: str) -> list[dict]:
        answer = json.loads(fetch(f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": query})))
        self.assertEqual(answer["status"], "success", query)
        return answer["data"]["result"]

    def test_promtool_has_nothing_to_say_about_the_file(self):
        text = self.stage.text("textfile/blockwatch.prom")
        done = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        bad = subprocess.run([program("promtool"), "check", "metrics"], input=text.replace(b"_total", b"_sum"), capture_output=True, timeout=60)
        self.assertNotEqual(bad.returncode, 0, "it can say no")

    def test_node_exporter_reads_it_as_another_user(self):
        self.assertEqual([row["value"][1] for row in self.stage.ask("node_textfile_scrape_error")], ["0"])
        self.assertEqual((self.stage.folder / "textfile/blockwatch.prom").stat().st_mode & 0o777, 0o644)

    def test_it_says_what_the_stream_says(self):
        def agrees():
            records = [json.loads(line) for line in self.stage.text("log").split(b"\n")[:-1]]
            blocked = sum(record["event"]["action"] in {"blocked", "slow"} and "verdict" in record for record in records)
            deadlocks = len({record["event"]["id"] for record in records if record["event"]["action"] == "deadlock"})
            found = [self.stage.ask(f"sum({name})")[0]["value"][1] for name in ["blockwatch_calls_total", "blockwatch_service_calls_total", "blockwatch_deadlocks_total"]]
            return found == [str(blocked), str(blocked), str(deadlocks)] and deadlocks
        self.stage.eventually("the same numbers in both", agrees)
        oldest = float(self.stage.ask('blockwatch_oldest_call_seconds{verdict="stuck"}')[0]["value"][1])
        self.assertGreater(oldest, 0.5)
        self.assertLess(oldest, 300)

    def test_a_deadlock_and_a_pile_up_reach_the_alerts_of_prometheus(self):
        def states():
            answer = json.loads(fetch(f"http://127.0.0.1:{self.stage.port}/api/v1/alerts"))
            return {alert["labels"]["alertname"]: alert["state"] for alert in answer["data"]["alerts"]}
        found = self.stage.eventually("the alerts", lambda: (s := states()).get("BlockwatchDeadlock") == "firing" and "BlockwatchPileUp" in s and s)
        self.assertEqual(found["BlockwatchPileUp"], "pending", "it waits for two minutes")
        self.assertNotIn("BlockwatchSilent", found)
        self.assertNotIn("BlockwatchMissing", found)

    def test_every_query_of_the_dashboard_answers(self):
        dashboard = json.loads(DASHBOARD.read_text())
        variables = {"$instance": ".*", "$__rate_interval": "1m", "$__range": "1h"}
        queries = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
        queries += [("annotation " + one["name"], one["expr"]) for one in dashboard["annotations"]["list"]]
        self.assertGreater(len(queries), 30)
        # nothing restarts here
        silent = {"annotation starts"}
        for title, query in queries:
            with self.subTest(title, query=query):
                for name, value in variables.items():
                    query = query.replace(name, value)
                self.assertNotIn("$", query)
                rows = self.stage.ask(query)
                if title not in silent:
                    self.assertTrue(rows, f"{title}: no answer to {query}")
        for title, least in {"Deadlocked threads": 2, "Stuck calls": 30, "Oldest stuck call": 0.5, "Waiting calls": 1}.items():
            query = dict(queries)[title].replace("$instance", ".*")
            self.assertGreaterEqual(float(self.stage.ask(query)[0]["value"][1]), least, title)

    def test_the_dashboard_asks_for_no_metric_that_is_not_there_and_leaves_none_out(self):
        there = set(re.findall(rb"^# TYPE (blockwatch_\w+)", self.stage.text("textfile/blockwatch.prom"), re.M))
        there = {name.decode() for name in there}
        asked = set(re.findall(r"\bblockwatch_\w+", DASHBOARD.read_text())) - {"blockwatch_log"}
        self.assertEqual(asked - there, set())
        alerted = set(re.findall(r"\bblockwatch_\w+", RULES.read_text()))
        self.assertEqual(alerted - there, set())
        # a setting, not something to draw
        self.assertEqual(there - asked, {"blockwatch_threshold_seconds", "blockwatch_service_calls_total"})

    def test_the_dashboard_is_what_its_generator_makes(self):
        before = DASHBOARD.read_text()
        run("python3", ROOT / "tools/gen-dashboard.py")
        self.assertEqual(before, DASHBOARD.read_text(), "run make dashboard and commit it")


if __name__ == "__main__":
    unittest.main()
