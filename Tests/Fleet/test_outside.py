"""What stands around the views: the dashboard, the ways in, the page, the simulation."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import engines  # noqa: E402
from records import Recording, process  # noqa: E402
from test_fleet import Loader, web  # noqa: E402

ROOT = engines.ROOT


class Outside(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="blockwatch-fleet.")
        self.addCleanup(shutil.rmtree, self.folder)

    def recordings(self) -> list[str]:
        db = Recording("db1").started(0).call(60, 77, 40, name="postgres", syscall="flock", root=process(9, "cron"), verdict="stuck", reason="lock_held", held=[("10.0.0.5:5432", "10.0.0.1:4040")])
        return web().lines + db.summary(120).lines

    @unittest.skipUnless(engines.ClickHouse in engines.ENGINES, "chdb is not installed here")
    def test_every_query_of_the_dashboard_answers(self):
        loaded = Loader(engines.ClickHouse, self.folder)(self.recordings()).loaded
        panels = json.loads((ROOT / "packaging/grafana/blockwatch-fleet.json").read_text())["panels"]
        self.assertGreater(len(panels), 10)
        answered = 0
        for panel in panels:
            query = panel["targets"][0]["rawSql"]
            # the plugin's macros, as it writes them
            query = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= toDateTime('2026-03-01 00:00:00', 'UTC') AND \1 <= now()", query)
            query = re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 60 second)", query)
            query = query.replace("$__fromTime", "toDateTime('2026-03-01 00:00:00', 'UTC')").replace("$__toTime", "now()")
            self.assertNotIn("$__", query)
            answered += bool(loaded.ask(query))
        self.assertGreater(answered, 8)

    @unittest.skipUnless(engines.ClickHouse in engines.ENGINES, "chdb is not installed here")
    def test_the_ways_in_are_one(self):
        """Lines, shippers' objects with a line each, records as objects."""
        lines = self.recordings()
        said = []
        for name, text, insert in [
            ("lines", lines, "INSERT INTO blockwatch.lines FORMAT LineAsString"),
            ("shipped", [json.dumps({"line": line}) for line in lines], "INSERT INTO blockwatch.lines FORMAT JSONEachRow"),
            ("objects", lines, "INSERT INTO blockwatch.objects SETTINGS input_format_skip_unknown_fields = 1 FORMAT JSONEachRow"),
        ]:
            loaded = engines.ClickHouse([])
            loaded.query(insert + "\n" + "\n".join(text) + "\n")
            self.assertEqual(loaded.ask("SELECT count() AS n FROM blockwatch.rejected")[0]["n"], 0, name)
            said.append([loaded.ask(f"SELECT * EXCEPT line FROM blockwatch.records ORDER BY host_name, sequence"), loaded.ask("SELECT * FROM blockwatch.root_blockers")])
        self.assertEqual(len(said[0][0]), len(lines))
        self.assertEqual(said[0], said[1])
        self.assertEqual(said[0], said[2])

    @unittest.skipUnless(engines.ClickHouse in engines.ENGINES, "chdb is not installed here")
    def test_what_is_old_goes(self):
        loaded = engines.ClickHouse([])
        engines.ClickHouse.is_whole = False
        for statement in engines.statements((ROOT / "fleet/clickhouse/3-ttl.sql").read_text()):
            loaded.query(statement)
        loaded.query("INSERT INTO blockwatch.lines FORMAT LineAsString\n" + "\n".join(self.recordings()) + "\n")
        for table in ("records", "calls", "open_state", "runs"):
            loaded.query(f"OPTIMIZE TABLE blockwatch.{table} FINAL")
            self.assertEqual(loaded.ask(f"SELECT count() AS n FROM blockwatch.{table}")[0]["n"], 0, table)

    @unittest.skipUnless(engines.ClickHouse in engines.ENGINES, "chdb is not installed here")
    def test_what_is_asked_every_ten_seconds_is_the_same(self):
        loaded = Loader(engines.ClickHouse, self.folder)(self.recordings()).loaded
        engines.ClickHouse.is_whole = False
        for statement in engines.statements((ROOT / "fleet/clickhouse/4-materialized.sql").read_text()):
            loaded.query(statement)
        for view in ("chains", "root_blockers"):
            loaded.query(f"SYSTEM REFRESH VIEW blockwatch.{view}_now")
            loaded.query(f"SYSTEM WAIT VIEW blockwatch.{view}_now")
            order = f"ORDER BY {'call_key' if view == 'chains' else 'root_key'}"
            self.assertEqual(loaded.ask(f"SELECT * FROM blockwatch.{view}_now {order}"), loaded.ask(f"SELECT * FROM blockwatch.{view} {order}"))
        # nothing of it goes on beside the other tests
        loaded.query("DROP DATABASE blockwatch SYNC")

    def report(self, lines: list[str]) -> str:
        file = pathlib.Path(self.folder, "recording.ndjson")
        file.write_text("".join(line + "\n" for line in lines))
        done = subprocess.run([sys.executable, ROOT / "fleet/report", file], stdout=subprocess.PIPE, check=True, text=True)
        return done.stdout

    def test_the_page_says_who(self):
        page = self.report(self.recordings())
        for text in ["db1: cron[9]", "sleeping 59m more", "2 hosts", "php", "postgres"]:
            self.assertIn(text, page)
        self.assertNotRegex(page, r"<script|https?://|src=|url\((?!#)|@import")
        self.assertIn("default-src 'none'", page)

    def test_hostile_names_stay_text_in_the_page(self):
        evil = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e\u001b[2J"
        page = self.report(Recording(evil).started(0).call(60, 12, 50, name=evil, near="10.0.0.1:1", far="10.0.0.5:2").call(61, 13, 50, name=evil, root=process(9, evil, evil), verdict="deadlock", service={"name": evil}).summary(120).lines)
        self.assertNotRegex(page, r"<script|<img|\u202e|\u001b")
        self.assertIn("&lt;script&gt;", page)
        import html.parser

        class Tags(html.parser.HTMLParser):
            seen: set = set()

            def handle_starttag(self, tag, attributes):
                self.seen.add(tag)
                assert not any(name.startswith("on") for name, _ in attributes), attributes

        Tags().feed(page)
        self.assertLessEqual(Tags.seen, set("html head meta title style body h1 h2 h3 p table tr th td span b small br svg line text rect g path defs marker".split()))

    def test_mistakes_are_one_line(self):
        for arguments, code in ([["/nonexistent"], 64], [[], 2]):
            done = subprocess.run([sys.executable, ROOT / "fleet/report", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, code)
        empty = pathlib.Path(self.folder, "empty.ndjson")
        empty.write_text("")
        self.assertIn("None.", subprocess.run([sys.executable, ROOT / "fleet/report", empty], stdout=subprocess.PIPE, check=True, text=True).stdout)

    def test_the_root_of_a_simulated_incident_is_the_first_line(self):
        simulated = subprocess.run([sys.executable, ROOT / "fleet/simulate", "--hosts", "60", "--victims", "40", "--workers", "3"], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
        for engine in engines.ENGINES:
            row = Loader(engine, self.folder)(simulated).ask("root_blockers")[0]
            self.assertEqual((row["host"], row["kind"], row["name"], row["hosts"], row["victims"]), ("db1", "device", "ext4 on sda (8:16)", 42, 40 * 3 * 2 + 20 * 3), engine.name)


if __name__ == "__main__":
    unittest.main()
