#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes packaging/grafana/blockwatch-fleet.json, a dashboard over fleet/clickhouse's views: make dashboard"""
import json
import pathlib

SOURCE = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}


def panel(number, kind, title, place, query, description="", **options):
    x, y, width, height = place
    return {
        "id": number, "type": kind, "title": title, "description": description, "datasource": SOURCE, "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "targets": [{"refId": "A", "datasource": SOURCE, "editorType": "sql", "queryType": "timeseries" if kind == "timeseries" else "table", "format": 0 if kind == "timeseries" else 1, "rawSql": query}],
        "fieldConfig": {"defaults": {"custom": {"fillOpacity": 30, "stacking": {"mode": "normal"}}} if kind == "timeseries" else {}, "overrides": []}, "options": options,
    }  # fmt: skip


STAT = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": ""}, "colorMode": "background"}
PANELS = [
    ("stat", "Calls blocked now", (0, 0, 6, 4), "SELECT count() AS calls FROM blockwatch.open_calls WHERE verdict IN ('deadlock', 'stuck', 'waiting')", "Idle and busy ones left out.", STAT),
    ("stat", "Roots", (6, 0, 6, 4), "SELECT count() AS roots FROM blockwatch.root_blockers", "", STAT),
    ("stat", "Quiet hosts", (12, 0, 6, 4), "SELECT count() AS hosts FROM blockwatch.quiet_hosts WHERE NOT is_stopped", "No summary for three minutes: the monitor hangs, is gone, or its shipper is.", STAT),
    ("stat", "Rejected lines", (18, 0, 6, 4), "SELECT count() AS lines FROM blockwatch.rejected WHERE $__timeFilter(received)", "Malformed, or of a newer version.", STAT),
    ("table", "Root blockers", (0, 4, 24, 9), "SELECT host, kind, name, pid, address, doing, victims, hosts, services, since, longest_seconds, is_guess, is_quiet, example FROM blockwatch.root_blockers LIMIT 50", "Who everybody waits for, the worst first.", {}),
    ("table", "Incidents", (0, 13, 24, 8), "SELECT since, until, is_open, host, name, address, doing, calls, hosts, services, waited_seconds FROM blockwatch.incidents WHERE until >= $__fromTime AND since <= $__toTime LIMIT 50", "Calls that share a root, over time.", {}),
    ("timeseries", "New blocked calls by verdict", (0, 21, 12, 8), "SELECT $__timeInterval(ts) AS time, verdict, count() AS calls FROM blockwatch.records WHERE $__timeFilter(ts) AND action = 'blocked' AND verdict <> 'idle' GROUP BY time, verdict ORDER BY time", "", {}),
    ("timeseries", "New blocked calls by reason", (12, 21, 12, 8), "SELECT $__timeInterval(ts) AS time, reason, count() AS calls FROM blockwatch.records WHERE $__timeFilter(ts) AND action = 'blocked' AND verdict <> 'idle' GROUP BY time, reason ORDER BY time", "", {}),
    ("table", "Circles and deadlocks", (0, 29, 12, 7), "SELECT kind, hosts, members, since, victims FROM blockwatch.mutual_waits LIMIT 20", "", {}),
    ("table", "Slowest peers", (12, 29, 12, 7), "SELECT peer, host, process_name, calls, open, hosts, waited_seconds, longest_seconds, reason FROM blockwatch.slowest_peers LIMIT 20", "", {}),
    ("table", "Since the last deploy", (0, 36, 12, 7), "SELECT program, deployed, hosts, calls_before, calls_after, waited_before_seconds, waited_after_seconds, reasons_after FROM blockwatch.changes_since_deploy LIMIT 20", "An hour before and an hour after the last start of each program.", {}),
    ("table", "Quiet hosts", (12, 36, 12, 7), "SELECT host, last_at, quiet_seconds, is_stopped, version FROM blockwatch.quiet_hosts LIMIT 50", "", {}),
    ("timeseries", "Records", (0, 43, 12, 7), "SELECT $__timeInterval(ts) AS time, action, count() AS records FROM blockwatch.records WHERE $__timeFilter(ts) GROUP BY time, action ORDER BY time", "", {}),
    ("table", "Losses", (12, 43, 12, 7), "SELECT host, what, count, reason, last_at FROM blockwatch.losses LIMIT 50", "", {}),
]
DASHBOARD = {
    "title": "blockwatch: fleet", "uid": "blockwatch-fleet", "tags": ["blockwatch"], "schemaVersion": 39, "timezone": "utc", "refresh": "30s", "time": {"from": "now-3h", "to": "now"},
    "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "grafana-clickhouse-datasource", "current": {}}]},
    "panels": [panel(number, *what[:5], **what[5]) for number, what in enumerate(PANELS, 1)],
}  # fmt: skip
(pathlib.Path(__file__).resolve().parent.parent / "packaging/grafana/blockwatch-fleet.json").write_text(json.dumps(DASHBOARD, indent=2) + "\n")
