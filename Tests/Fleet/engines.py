"""The two databases, and `replay`, each asked the same of the same recordings."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import re
import subprocess

try:
    import duckdb
except ImportError:  # the tests say so
    duckdb = None
try:
    from chdb import session as chdb_session
except ImportError:
    chdb_session = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCKWATCH = os.environ.get("BLOCKWATCH_BINARY") or str(ROOT / ".build/release/blockwatch")
VIEWS = ["open_calls", "chains", "root_blockers", "incidents", "mutual_waits", "slowest_peers", "changes_since_deploy", "quiet_hosts", "losses"]


def scripts(engine: str, change=None) -> list[str]:
    """The SQL of that engine; `change` takes something out of it, and must find it."""
    texts = [path.read_text() for path in sorted((ROOT / "fleet" / engine).glob("[12]-*.sql"))]
    if change:
        what, instead = change
        assert any(what in text for text in texts), f"{engine}: the SQL does not have {what!r}"
        texts = [text.replace(what, instead) for text in texts]
    return texts


def statements(script: str):
    """One by one: what ends with a semicolon at the end of a line."""
    lines = [line for line in script.splitlines() if not line.strip().startswith("--")]
    return filter(None, (part.strip() for part in re.split(r";[ ]*\n", "\n".join(lines) + "\n")))


def plain(value):
    """The same in both: no types of either."""
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


class DuckDB:
    name = "duckdb"

    def __init__(self, files: list[str], change=None):
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET VARIABLE recordings = " + str([str(file) for file in files]))
        for script in scripts("duckdb", change):
            self.connection.execute(script)

    def ask(self, query: str) -> list[dict]:
        cursor = self.connection.execute(query)
        names = [column[0] for column in cursor.description]
        return [{name: plain(value) for name, value in zip(names, row)} for row in cursor.fetchall()]

    def table(self, name: str) -> str:
        return name

    def close(self) -> None:
        self.connection.close()


class ClickHouse:
    name = "clickhouse"
    session = None
    is_whole = False
    """The database is there, with nothing taken out of it."""

    def __init__(self, files: list[str], change=None):
        # one a process: chdb has one engine
        if ClickHouse.session is None:
            ClickHouse.session = chdb_session.Session()
        if change is None and ClickHouse.is_whole:
            for table in ("records", "calls", "open_state", "runs", "rejected"):
                self.query(f"TRUNCATE TABLE blockwatch.{table}")
        else:
            ClickHouse.is_whole = False
            self.query("DROP DATABASE IF EXISTS blockwatch SYNC")
            for script in scripts("clickhouse", change):
                for statement in statements(script):
                    self.query(statement)
            ClickHouse.is_whole = change is None
        for file in files:
            self.query(f"INSERT INTO blockwatch.lines SELECT line FROM file('{file}', LineAsString, 'line String')")

    def query(self, text: str, form: str = "JSONEachRow"):
        return self.session.query(text, form)

    def ask(self, query: str) -> list[dict]:
        text = self.query(query + " SETTINGS output_format_json_quote_64bit_integers = 0").bytes().decode(errors="replace")
        return [json.loads(line) for line in text.splitlines()]

    def table(self, name: str) -> str:
        return f"blockwatch.{name}"

    def close(self) -> None:
        pass


ENGINES = ([DuckDB] if duckdb else []) + ([ClickHouse] if chdb_session else [])


def replayed(files: list[str]) -> set[tuple]:
    """What `replay` says at the end: (host, process or address at the root, victims)."""
    done = subprocess.run([BLOCKWATCH, "replay", *map(str, files)], check=True, stdout=subprocess.PIPE, text=True)
    roots = set()
    for line in done.stdout.split("\nTotals\n")[0].splitlines():
        if found := re.fullmatch(r"(\S+): (\S+?)\[(\d+)\](?: thread \d+)?,? .*\((\d+) threads? behind it\)", line):
            roots.add((found[1], f"{found[2]}[{found[3]}]", int(found[4])))
        elif found := re.fullmatch(r"\S+: (\S+:\d+)\b.*\((\d+) threads? behind it\)", line):
            roots.add(("", found[1], int(found[2])))
    return roots


def rooted(engine) -> set[tuple]:
    """The same of a database."""
    rows = engine.ask(f"SELECT * FROM {engine.table('root_blockers')}")
    return {("", row["address"], row["victims"]) if row["address"] else (row["host"], f"{row['name']}[{row['pid']}]", row["victims"]) for row in rows}
