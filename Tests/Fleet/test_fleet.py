"""fleet/duckdb and fleet/clickhouse on recordings with a known truth: `make test-fleet`. Needs no root.

Each case that handles something names the line of SQL that does; another test takes that out, and the case must fail.
"""

from __future__ import annotations

import functools
import gzip
import json
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import engines  # noqa: E402
from records import Recording, community_id, process  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
CASES: list = []


def case(duckdb=None, clickhouse=None, both=None):
    """A function that takes `load`, and asserts of each engine; and what is to be taken out of the SQL so that it fails."""

    def decorate(function):
        CASES.append((function, {"duckdb": duckdb or both, "clickhouse": clickhouse or both}))
        return function

    return decorate


class Loader:
    """Writes recordings to files and loads them."""

    def __init__(self, engine, folder: str, change=None):
        self.engine, self.folder, self.change, self.count = engine, pathlib.Path(folder), change, 0

    def __call__(self, *recordings):
        files = []
        for recording in recordings:
            self.count += 1
            file = self.folder / f"{self.count}.ndjson"
            lines = recording.lines if isinstance(recording, Recording) else recording
            file.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
            files.append(str(file))
        self.loaded = self.engine(files, self.change)
        return self

    def ask(self, view: str, where: str = "") -> list[dict]:
        return self.loaded.ask(f"SELECT * FROM {self.loaded.table(view)} {where}")


def web(host="web1", address="10.0.0.1", port=4040, far="10.0.0.5:5432", pid=12, **more) -> Recording:
    """A client that waits for a reply."""
    return Recording(host, **more).started(0).call(60, pid, 50, near=f"{address}:{port}", far=far, name="php").summary(120)


def roots(load) -> list[tuple]:
    return [(row["host"], row["kind"], row["name"], row["pid"], row["address"], row["victims"]) for row in load.ask("root_blockers")]


# --- joins ---


@case()
def a_chain_goes_on_by_held_sockets(load):
    db = Recording("db1").started(0).call(60, 77, 40, name="postgres", syscall="flock", root=process(9, "cron"), verdict="stuck", reason="lock_held", held=[("10.0.0.5:5432", "10.0.0.1:4040")]).summary(120)
    load(web(), db)
    assert roots(load) == [("db1", "process", "cron", 9, "", 2)], roots(load)
    row = load.ask("root_blockers")[0]
    assert row["hosts"] == 2 and row["services"] == ["php", "postgres"] and not row["is_guess"], row
    assert row["example"] == "web1: php[12] read <- 10.0.0.5:5432 <- db1: postgres[77] flock <- cron[9]", row["example"]


@case()
def a_proxy_between(load):
    proxy = Recording("proxy1").started(0).call(60, 31, 50, name="haproxy", syscall="epoll_wait", near="10.0.0.3:35520", far="10.0.0.5:5432", held=[("10.0.0.3:5432", "10.0.0.1:4040")]).summary(120)
    db = Recording("db1").started(0).call(60, 77, 40, name="postgres", syscall="flock", root=process(9, "cron"), verdict="stuck", reason="lock_held", held=[("10.0.0.5:5432", "10.0.0.3:35520")]).summary(120)
    load(web(far="10.0.0.3:5432"), proxy, db)
    assert roots(load) == [("db1", "process", "cron", 9, "", 3)], roots(load)
    assert {row["process_name"]: row["hops"] for row in load.ask("chains")} == {"php": 2, "haproxy": 1, "postgres": 0}


@case()
def who_waits_behind_another_on_its_host_goes_the_same_way(load):
    recording = Recording("web1").started(0)
    recording.call(60, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432")
    root = json.loads(recording.lines[-1])["root"]
    # as now, and as before the record named the connection
    recording.call(60, 13, 51, syscall="flock", root=root)
    recording.call(60, 14, 51, syscall="flock", root={key: value for key, value in root.items() if key != "community_id"})
    db = Recording("db1").started(0).call(60, 77, 40, syscall="flock", root=process(9), held=[("10.0.0.5:5432", "10.0.0.1:4040")], verdict="stuck")
    load(recording.summary(120), db.summary(120))
    assert roots(load) == [("db1", "process", "p9", 9, "", 4)], roots(load)


@case(both=("WHEN root_connection <> '' THEN [root_connection]", "WHEN false THEN []"), clickhouse=("root_connection <> '', [root_connection],", "false, [],"))
def the_record_names_the_connection_that_its_chain_ends_at(load):
    """db1's backend waits for a lock whose holder waits for its client: the client's call is found by a connection that the waiter has not."""
    connection = community_id("tcp", "10.0.0.5:5432", "10.0.0.2:5050")
    db = Recording("db1").started(0).call(60, 77, 40, name="postgres", syscall="flock", root={"kind": "remote", "address": "10.0.0.2:5050", "community_id": connection}, held=[("10.0.0.5:5432", "10.0.0.1:4040")]).summary(120)
    app = Recording("app2").started(0).call(60, 50, 30, name="java", syscall="futex", root=process(51, "java"), held=[("10.0.0.2:5050", "10.0.0.5:5432")], verdict="stuck").summary(120)
    load(web(), db, app)
    assert roots(load) == [("app2", "process", "java", 51, "", 3)], roots(load)


@case()
def each_worker_goes_the_way_of_its_own_connection(load):
    pool = Recording("web1").started(0)
    for number in (1, 2):
        pool.call(60, 10 + number, 50, near=f"10.0.0.1:404{number}", far="10.0.0.5:5432", name="php")
    db = Recording("db1").started(0)
    for number in (1, 2):
        db.call(60, 70 + number, 40, name="postgres", syscall="flock", root=process(number, f"holder{number}"), verdict="stuck", held=[("10.0.0.5:5432", f"10.0.0.1:404{number}")])
    load(pool.summary(120), db.summary(120))
    assert sorted(roots(load)) == [("db1", "process", "holder1", 1, "", 2), ("db1", "process", "holder2", 2, "", 2)], roots(load)


@case(both=("AND (h.near = '' OR h.near = l.root_address)", ""))
def translated_addresses_are_not_joined_to_the_same_ones_elsewhere(load):
    """web1 goes through translation; at another site web9 has the same private addresses, and waits there for somebody else."""
    db = Recording("db1").started(0).call(60, 77, 40, syscall="flock", root=process(9), verdict="stuck", held=[("10.0.0.5:5432", "198.51.100.1:60000")]).summary(120)
    other = Recording("web9").started(0).call(60, 99, 50, near="10.0.0.1:4040", far="203.0.113.5:5432", verdict="stuck", reason="send_stalled", root=process(98)).summary(120)
    load(web(far="203.0.113.5:5432"), db, other)
    found = sorted(roots(load))
    assert ("", "remote", "", 0, "203.0.113.5:5432", 1) in found, found
    assert ("db1", "process", "p9", 9, "", 1) in found and ("web9", "process", "p98", 98, "", 1) in found, found


@case(duckdb=("WHERE address <> '' AND leaves_host(address) GROUP BY address HAVING count(DISTINCT host) = 1", "WHERE address <> '' AND leaves_host(address) GROUP BY address"),
      clickhouse=("WHERE bw_leaves_host(address) GROUP BY address HAVING uniqExact(at_host) = 1", "WHERE bw_leaves_host(address) GROUP BY address"))  # fmt: skip
def an_address_that_two_hosts_have_names_neither(load):
    load(web(), Recording("db1", addresses=["10.0.0.5", "10.0.0.15"]).started(0).summary(120), Recording("db9", addresses=["10.0.0.5"]).started(0).summary(120))
    assert roots(load) == [("", "remote", "", 0, "10.0.0.5:5432", 1)], roots(load)
    load(web(far="10.0.0.15:5432"), Recording("db1", addresses=["10.0.0.5", "10.0.0.15"]).started(0).summary(120))
    assert roots(load) == [("db1", "remote", "", 0, "10.0.0.15:5432", 1)], roots(load)


@case(duckdb=("WHERE address <> '' AND leaves_host(address)", "WHERE address <> ''"), clickhouse=("address NOT IN ('', '::1', '0.0.0.0', '::') AND NOT startsWith(address, '127.') AND", "address <> '' AND"))
def connections_within_a_host_join_nothing(load):
    """Every host has 127.0.0.1:40000 to 127.0.0.1:6379."""
    inner = [community_id("tcp", "127.0.0.1:40000", "127.0.0.1:6379")]
    member = {"fd": 4, "kind": "tcp", "name": "tcp 127.0.0.1:40000->127.0.0.1:6379 ESTABLISHED", "community_id": inner[0], "local": {"address": "127.0.0.1", "port": 40000}, "peer": {"address": "127.0.0.1", "port": 6379}}
    poll = Recording("web1").started(0).call(60, 12, 50, syscall="poll", root={"kind": "remote", "address": "nas:/export"}, members=[member]).summary(120)
    other = Recording("web2").started(0).call(60, 13, 50, syscall="flock", root=process(9), verdict="stuck", held=[("127.0.0.1:6379", "127.0.0.1:40000")]).summary(120)
    load(poll, other)
    assert sorted(row["hops"] for row in load.ask("chains")) == [0, 0]
    # and no host is known by such an address
    load(web(far="127.0.0.1:5432"), Recording("db1", addresses=["127.0.0.1"]).started(0).summary(120))
    assert roots(load) == [("", "remote", "", 0, "127.0.0.1:5432", 1)], roots(load)


@case(both=("AND (l.is_open OR h.started <= l.until + INTERVAL 10 SECOND) AND (h.is_open OR h.until >= l.until - INTERVAL 10 SECOND)", ""))
def a_port_that_is_used_again_is_another_connection(load):
    """The same addresses and ports an hour later: what was stuck then has nothing to do with it."""
    client = Recording("web1").started(0).call(60, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432").call(70, 12, 50, "returned", near="10.0.0.1:4040", far="10.0.0.5:5432")
    client.call(3660, 13, 3650, near="10.0.0.1:4040", far="10.0.0.5:5432").call(3670, 13, 3650, "returned", near="10.0.0.1:4040", far="10.0.0.5:5432").summary(3700)
    held = [("10.0.0.5:5432", "10.0.0.1:4040")]
    db = Recording("db1").started(0)
    for action, then in (("blocked", 60), ("returned", 71)):
        db.call(then, 77, 40, action, syscall="flock", root=process(9), verdict="stuck", held=held)
    for action, then in (("blocked", 3660), ("returned", 3671)):
        db.call(then, 78, 3640, action, syscall="flock", root=process(10), held=held)
    load(client, db.summary(3700))
    assert load.ask("root_blockers") == []
    assert sorted((row["name"], row["calls"]) for row in load.ask("incidents")) == [("p10", 2), ("p9", 2)], load.ask("incidents")


@case(both=("(h.is_open OR h.until >=", "(h.until >="))
def hosts_say_something_once_a_minute(load):
    """What is open is open, though its host's last word is older than the other's."""
    db = Recording("db1").started(0).call(60, 77, 40, syscall="flock", root=process(9), verdict="stuck", held=[("10.0.0.5:5432", "10.0.0.1:4040")]).summary(61)
    load(web().summary(180), db)
    assert roots(load) == [("db1", "process", "p9", 9, "", 2)], roots(load)


@case(both=("INTERVAL 10 SECOND", "INTERVAL 0 SECOND"))
def clocks_are_seconds_apart(load):
    """By db1's clock, which is 8 s ahead, its call began after web1's had ended."""
    client = Recording("web1").started(0).call(56, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432").call(57, 12, 50, "returned", near="10.0.0.1:4040", far="10.0.0.5:5432").summary(120)
    held = [("10.0.0.5:5432", "10.0.0.1:4040")]
    db = Recording("db1", skew=8).started(0).call(56, 77, 50.5, syscall="flock", root=process(9), verdict="stuck", held=held).call(57, 77, 50.5, "returned", syscall="flock", root=process(9), verdict="stuck", held=held)
    load(client, db.summary(120))
    assert [(row["host"], row["name"], row["calls"]) for row in load.ask("incidents")] == [("db1", "p9", 2)], load.ask("incidents")


@case(duckdb=("least(max(last_at), make_timestamp(epoch_us(now())))", "max(last_at)"), clickhouse=("least(max(last_at), now64(6, 'UTC'))", "max(last_at)"))
def one_clock_that_is_years_ahead_makes_nobody_quiet(load):
    import datetime, time

    import records

    before = records.BEGIN
    try:
        records.BEGIN = datetime.datetime.fromtimestamp(time.time() - 130, datetime.timezone.utc)
        load(web(), Recording("far1", skew=30e6).started(0).summary(120))
    finally:
        records.BEGIN = before
    assert load.ask("quiet_hosts") == [], load.ask("quiet_hosts")


@case(duckdb=("coalesce(e.best[4], s.best[3]) AS next", "e.best[4] AS next"), clickhouse=("if(by_connection <> '', by_connection, by_endpoint) AS next", "by_connection AS next"))
def a_server_with_more_connections_than_a_record_names(load):
    """Its record was cut, or has not accepted the connection: whoever serves that address is it, as a guess."""
    for endpoint in ("10.0.0.5:5432", "0.0.0.0:5432"):
        db = Recording("db1", addresses=["10.0.0.5"]).started(0).call(60, 77, 40, name="redis", syscall="fsync", root={"kind": "device", "name": "ext4 on sda (8:16)"}, verdict="stuck", reason="kernel_stuck", endpoints=[endpoint], truncated=["held_sockets"]).summary(120)
        load(web(), db)
        assert roots(load) == [("db1", "device", "ext4 on sda (8:16)", 0, "", 2)], roots(load)
        assert load.ask("root_blockers")[0]["is_guess"]


@case(duckdb=("WHEN root_kind IN ('remote', 'network') THEN coalesce(p.process_name, '')", "WHEN false THEN ''"), clickhouse=("if(p.host <> r.end_host, p.process_name, '')", "''"))
def who_served_an_address_before_is_named_where_nobody_is_blocked_there(load):
    """db1's process is not blocked, or idle by design, which is not in the stream; but it was, once."""
    db = Recording("db1").started(0).call(20, 77, 10, name="postgres", near="10.0.0.5:5432", far="10.0.0.2:9999", verdict="stuck", reason="send_stalled")
    db.call(30, 77, 10, "returned", name="postgres", near="10.0.0.5:5432", far="10.0.0.2:9999", verdict="stuck", reason="send_stalled").summary(120)
    load(web(), db)
    assert roots(load) == [("db1", "remote", "postgres", 77, "10.0.0.5:5432", 1)], roots(load)


@case(duckdb=("WHERE NOT is_circle AND len(path) < 8)", "WHERE NOT is_circle AND len(path) < 3)"), clickhouse=("length(w.path) < 8)", "length(w.path) < 3)"))
def circles_end_and_so_do_long_chains(load):
    def host(number, next_number):
        return Recording(f"h{number}").started(0).call(60, number, 50, near=f"10.0.0.{number}:1000", far=f"10.0.0.{next_number}:80", held=[(f"10.0.0.{number}:80", f"10.0.0.{number - 1 if number > 1 else 3}:1000")]).summary(120)

    load(host(1, 2), host(2, 3), host(3, 1))
    waits = load.ask("mutual_waits")
    assert len(waits) == 1 and waits[0]["hosts"] == ["h1", "h2", "h3"] and waits[0]["victims"] == 3, waits
    assert len(waits[0]["members"]) == 3 and waits[0]["members"][0].startswith("h1: p1[1] read tcp 10.0.0.1"), waits
    assert [row[:2] + row[5:] for row in roots(load)] == [("h1", "circle", 3)], roots(load)
    load(*[host(number, number + 1) for number in range(1, 13)])
    assert max(row["hops"] for row in load.ask("chains")) == 8


# --- what is not whole ---


@case(duckdb=("missing > 0 AND action IN", "false AND action IN"), clickhouse=("h.missing > 0 AND c.verdict", "false AND c.verdict"))
def a_call_whose_end_was_lost_is_no_victim_for_ever(load):
    recording = Recording("web1").started(0).call(60, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432")
    recording.sequence += 1
    load(recording.summary(1000))
    assert load.ask("root_blockers") == [], roots(load)
    assert sorted(row["what"] for row in load.ask("losses")) == ["calls whose end was probably lost", "records that did not arrive"], load.ask("losses")
    assert len(load.ask("open_calls")) == 1
    # while nothing is missing it is believed
    load(Recording("web1").started(0).call(60, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432").summary(1000))
    assert len(load.ask("root_blockers")) == 1 and load.ask("losses") == []


@case(duckdb=("SELECT DISTINCT ON (host_name, host_id, run_id, sequence, action, ts) * FROM (", "SELECT * FROM ("), clickhouse=("FROM (SELECT * FROM blockwatch.records FINAL WHERE action = 'loss')", "FROM (SELECT * FROM blockwatch.records WHERE action = 'loss')"))
def lines_that_come_twice_count_once(load):
    recording = Recording("web1").started(0).say(10, "loss", loss={"what": "lines", "count": 5, "reason": "full"}).call(60, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432").summary(120)
    load(recording, recording)
    assert roots(load)[0][5] == 1
    assert [(row["what"], row["count"]) for row in load.ask("losses")] == [("said by blockwatch: lines", 5)], load.ask("losses")


@case()
def lines_in_any_order(load):
    closed = Recording("web1").started(0).call(60, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432").call(70, 12, 50, "still_blocked", near="10.0.0.1:4040", far="10.0.0.5:5432").call(80, 12, 50, "returned", near="10.0.0.1:4040", far="10.0.0.5:5432").summary(120)
    load(list(reversed(closed.lines)))
    assert load.ask("open_calls") == [] and [row["calls"] for row in load.ask("incidents")] == [1]


@case(duckdb=("is_current AND action IN ('blocked', 'still_blocked') AS is_open", "action IN ('blocked', 'still_blocked') AS is_open"), clickhouse=("(SELECT * FROM blockwatch.host_runs WHERE is_current)", "(SELECT * FROM blockwatch.host_runs)"))
def blockwatch_was_started_anew(load):
    """What was open before, the new one has said again under another id; what ended between is open no more."""
    first = Recording("web1", run="1").started(0).call(60, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432").call(60, 13, 50, near="10.0.0.1:4041", far="10.0.0.5:5432")
    second = Recording("web1", run="2").started(100).call(106, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432").summary(160)
    load(first, second)
    assert [(row["pid"]) for row in load.ask("open_calls")] == [12]
    assert roots(load)[0][5] == 1


@case(duckdb=("QUALIFY row_number() OVER (PARTITION BY host, tid ORDER BY ts DESC, sequence DESC, run_id) = 1;", ";"), clickhouse=(" LIMIT 1 BY host, tid;", ";"))
def two_of_blockwatch_at_once_say_each_call_twice(load):
    both = [Recording("web1", run=run).started(0).call(60, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432").summary(120) for run in "12"]
    load(*both)
    assert roots(load)[0][5] == 1, roots(load)


@case(duckdb=("CASE WHEN ids < 2 THEN ''", "CASE WHEN true THEN ''"), clickhouse=("multiIf(ids < 2, '',", "multiIf(true, '',"))
def hosts_of_one_name_are_told_apart_by_their_ids(load):
    same = [Recording("localhost", machine).started(0).call(60, 12, 50, near=f"10.0.0.{number}:4040", far="10.0.0.5:5432").summary(120) for number, machine in enumerate(["a", "b"], 1)]
    load(*same)
    assert roots(load)[0][5] == 2, roots(load)
    assert sorted(row["host"] for row in load.ask("open_calls")) == ["localhost (0cc175b9)", "localhost (92eb5ffe)"]


@case(duckdb=("CASE WHEN runs.host_id = '' AND ids = 1 THEN only_id ELSE runs.host_id END AS machine", "runs.host_id AS machine"), clickhouse=("if(whole.host_id = '' AND ids = 1, only_id, toString(whole.host_id)) AS machine", "toString(whole.host_id) AS machine"))
def records_without_an_id_are_of_the_only_host_of_their_name(load):
    old = Recording("web1", machine=None, run="1").started(0).call(60, 12, 50, near="10.0.0.1:4040", far="10.0.0.5:5432")
    new = Recording("web1", "a", run="2").started(100).summary(160)
    load(old, new)
    assert load.ask("open_calls") == []


@case(duckdb=("known_verdict(verdict) AS verdict IS NULL OR", "known_verdict(verdict) AS true OR"), clickhouse=("r.verdict NOT IN ('', 'deadlock', 'stuck', 'waiting', 'busy', 'idle')", "false"))
def lines_that_are_no_records_have_a_table_of_their_own(load):
    good = web().lines
    newer = json.loads(good[1])
    newer["event"]["action"], other = "teleported", json.loads(good[1])
    other["verdict"], other["event"]["sequence"] = "cursed", 9
    extended = json.loads(good[1])
    extended["event"]["sequence"], extended["colour"], extended["process"]["mood"] = 77, {"red": [1, {"deep": True}]}, "bad"
    broken = json.loads(good[1])
    del broken["event"]["sequence"]
    bad = [b"garbage", good[1][:300].encode(), b"\xff\xfe\x00", b'"text"', b"[1]", b"", b"{}", b'{"event":7,"host":[]}', json.dumps(newer).encode(), json.dumps(other).encode(), json.dumps(broken).encode(), b"x" * 200_000, b'a,b"c\x01d', b"7"]
    load([*(line.encode() for line in good), *bad, json.dumps(extended).encode()])
    assert len(load.ask("open_calls")) == 1
    counts = {row["reason"]: row["count"] for row in load.ask("losses", "WHERE what = 'lines that were rejected'")}
    assert sum(counts.values()) == len(bad) - 1, counts
    assert counts["of a newer version: event.action teleported"] == 1 and counts["of a newer version: verdict cursed"] == 1 and counts["a field is missing"] == 1, counts
    assert counts["not a record of blockwatch"] >= 2, counts


@case(duckdb=("> 180000000 OR bool_or(is_stopped AND is_current)", "> 900000000 OR false"), clickhouse=("> 180 OR h.stopped", "> 900 OR false"))
def hosts_without_a_summary_for_three_minutes(load):
    load(Recording("a").started(0).summary(60).summary(900), Recording("b").started(0).summary(600), Recording("c").started(0).summary(890).stopped(900), Recording("d").started(0).summary(890))
    assert [(row["host"], row["quiet_seconds"], bool(row["is_stopped"])) for row in load.ask("quiet_hosts")] == [("b", 300, False), ("c", 0, True)], load.ask("quiet_hosts")


@case()
def what_waits_before_and_after_a_deploy(load):
    recording = Recording("web1").started(0)
    for number, (since, began) in enumerate([(100, 0), (2000, 1900), (2100, 1900)]):
        recording.call(since + 10, 100 + number, since, name="app", near=f"10.0.0.1:{5000 + number}", far="10.0.0.5:5432")
        record = json.loads(recording.lines[-1])
        record["process"]["start"] = recording.at(began)
        recording.lines[-1] = json.dumps(record)
        recording.call(since + 20, 100 + number, since, "returned", name="app", near=f"10.0.0.1:{5000 + number}", far="10.0.0.5:5432")
        recording.lines[-1] = json.dumps({**json.loads(recording.lines[-1]), "process": record["process"]})
    load(recording.summary(2200))
    row = load.ask("changes_since_deploy")[0]
    assert (row["program"], row["calls_before"], row["calls_after"], row["waited_before_seconds"], row["waited_after_seconds"]) == ("/usr/bin/app", 1, 2, 20, 40), row
    assert row["roots_after"] == ["10.0.0.5:5432"] and row["reasons_after"] == ["reply_pending"], row


@case()
def hostile_names_stay_text(load):
    evil = "x'; DROP TABLE calls; --\\\"\u001b[2J<script>\u202e\n{}"
    load(Recording(evil).started(0).call(60, 12, 50, name=evil, root=process(9, evil, evil), verdict="stuck").summary(120))
    row = load.ask("root_blockers")[0]
    assert row["name"] == evil and row["host"] == evil and row["doing"] == evil, row


class Fleet(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="blockwatch-fleet.")
        self.addCleanup(shutil.rmtree, self.folder)

    def test_both_databases_are_there(self):
        self.assertIn(engines.DuckDB, engines.ENGINES, "make need-fleet installs it")
        if engines.ClickHouse not in engines.ENGINES:
            print("chdb is not installed here: the half of the tests for ClickHouse has NOT run", file=sys.stderr)


class Agreement(unittest.TestCase):
    """What the real blockwatch recorded of simulated hosts (Tests/Fleet/record): replay, DuckDB and ClickHouse say the same."""

    def test_roots_victims_and_chains(self):
        with tempfile.TemporaryDirectory(prefix="blockwatch-fleet.") as folder:
            for archive in sorted((HERE / "recordings").iterdir()):
                with self.subTest(archive.name):
                    files = []
                    for packed in sorted(archive.glob("*.ndjson.gz")):
                        files.append(f"{folder}/{archive.name}-{packed.stem}")
                        pathlib.Path(files[-1]).write_bytes(gzip.decompress(packed.read_bytes()))
                    truth = {tuple(row) for row in json.loads((archive / "truth.json").read_text())}
                    said = []
                    for engine in engines.ENGINES:
                        loaded = engine(files)
                        found = engines.rooted(loaded)
                        self.assertEqual({row[:2] for row in found} & {row[:2] for row in truth}, {row[:2] for row in truth}, engine.name)
                        said.append({view: comparable(loaded, view) for view in engines.VIEWS})
                        if os.path.exists(engines.BLOCKWATCH):
                            self.assertEqual(engines.replayed(files), found, engine.name)
                        loaded.close()
                    for other in said[1:]:
                        for view in engines.VIEWS:
                            self.assertEqual(said[0][view], other[view], view)


SAME = {"open_calls": "host, pid, tid, verdict, reason, duration, chain, until", "chains": "host, pid, tid, hops, root_key, root_host, root_kind, root_name, root_doing, path",
        "quiet_hosts": "host, last_at, is_stopped"}  # fmt: skip


def comparable(loaded, view: str) -> list:
    rows = loaded.ask(f"SELECT {SAME.get(view, '*')} FROM {loaded.table(view)}")
    return sorted(json.dumps({key: int(value) if isinstance(value, bool) else value for key, value in row.items()}, sort_keys=True) for row in rows)


def run_case(self, function, engine, change=None):
    function(Loader(engine, self.folder, change))


def add_tests():
    for function, changes in CASES:
        for engine in engines.ENGINES:

            def holds(self, function=function, engine=engine):
                run_case(self, function, engine)

            setattr(Fleet, f"test_{engine.name}_{function.__name__}", holds)
            if change := changes[engine.name]:

                def fails(self, function=function, engine=engine, change=change):
                    with self.assertRaises(AssertionError, msg="nothing notices that it is gone"):
                        run_case(self, function, engine, change)

                setattr(Fleet, f"test_{engine.name}_{function.__name__}_is_needed", fails)


add_tests()

if __name__ == "__main__":
    unittest.main()
