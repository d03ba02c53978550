#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes packaging/grafana/blockwatch.json, Grafana's model of the dashboard: make dashboard"""
import json
import pathlib

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
HOST = 'instance=~"$instance"'
COLORS = {"deadlock": "dark-red", "stuck": "red", "waiting": "orange", "busy": "blue", "idle": "green"}


def panel(kind, title, place, queries, unit="short", description="", **more):
    x, y, width, height = place
    targets = [
        {"refId": chr(65 + n), "datasource": SOURCE, "expr": query, "legendFormat": legend,
         **({"instant": True, "range": False, "format": "table"} if kind == "table" else {})}
        for n, (query, legend) in enumerate(queries)
    ]
    defaults = {"unit": unit, "min": 0, "color": {"mode": "palette-classic"}}
    defaults.update(more.pop("defaults", {}))
    return {
        "type": kind, "title": title, "description": description, "datasource": SOURCE, "targets": targets,
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])}, "options": more.pop("options", {}), **more,
    }


def stat(title, place, query, unit="short", steps=(("green", None), ("red", 1)), description=""):
    return panel(
        "stat", title, place, [(query, "")], unit, description,
        defaults={"color": {"mode": "thresholds"},
                  "thresholds": {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps]}},
        options={"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "area"})


def by_verdict():
    return [
        {"matcher": {"id": "byRegexp", "options": f"^{name}"}, "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}]}
        for name, color in COLORS.items()
    ]


def stacked():
    return {"custom": {"fillOpacity": 30, "stacking": {"mode": "normal"}, "lineWidth": 1}}


PANELS = [
    stat("Deadlocked threads", (0, 0, 4, 4), f'sum(blockwatch_blocked_calls{{verdict="deadlock",{HOST}}})', description="Proven: they never go on."),
    stat("Stuck calls", (4, 0, 4, 4), f'sum(blockwatch_blocked_calls{{verdict="stuck",{HOST}}})'),
    stat("Oldest stuck call", (8, 0, 4, 4), f'max(blockwatch_oldest_call_seconds{{verdict="stuck",{HOST}}})', "s", (("green", None), ("orange", 60), ("red", 3600))),
    stat("Waiting calls", (12, 0, 4, 4), f'sum(blockwatch_blocked_calls{{verdict="waiting",{HOST}}})', steps=(("green", None), ("orange", 20))),
    stat("Losses", (16, 0, 4, 4), f'sum(increase(blockwatch_lost_total{{{HOST}}}[$__range]))', description="What may have been missed in this span."),
    stat("Silent hosts", (20, 0, 4, 4), f'count(time() - blockwatch_last_scan_timestamp_seconds{{{HOST}}} > 120 + 4 * blockwatch_scan_period_seconds{{{HOST}}}) or vector(0)', description="Have not looked for two minutes: what they last said is old."),
    panel("timeseries", "Blocked calls by verdict", (0, 4, 12, 8), [(f'sum by (verdict) (blockwatch_blocked_calls{{verdict!="idle",{HOST}}})', "{{verdict}}")], overrides=by_verdict(), defaults=stacked(), description="In flight past the threshold; idle ones are left out."),
    panel("timeseries", "Stuck and deadlocked by reason", (12, 4, 12, 8), [(f'sum by (reason) (blockwatch_blocked_calls{{verdict=~"deadlock|stuck",{HOST}}}) > 0', "{{reason}}")], defaults=stacked()),
    panel("timeseries", "Worst services", (0, 12, 12, 8), [(f'topk(10, sum by (service) (blockwatch_service_blocked_calls{{verdict=~"deadlock|stuck|waiting",{HOST}}}))', "{{service}}")], description="Calls that were written, by systemd unit: `none` is outside any, `other` those past the first 50."),
    panel("timeseries", "New calls by reason", (12, 12, 12, 8), [(f'sum by (verdict, reason) (rate(blockwatch_calls_total{{verdict!="idle",{HOST}}}[$__rate_interval])) > 0', "{{verdict}} {{reason}}")], "cps", description="Calls written a second, by their first verdict."),
    panel("table", "Hosts", (0, 20, 24, 8), [
        (f'sum by (instance) (blockwatch_blocked_calls{{verdict="deadlock",{HOST}}})', "deadlocked"),
        (f'sum by (instance) (blockwatch_blocked_calls{{verdict="stuck",{HOST}}})', "stuck"),
        (f'max by (instance) (blockwatch_oldest_call_seconds{{verdict="stuck",{HOST}}})', "oldest stuck"),
        (f'sum by (instance) (blockwatch_open_calls{{{HOST}}})', "open"),
        (f'max by (instance, version) (blockwatch_info{{{HOST}}})', "version"),
    ], transformations=[{"id": "merge", "options": {}}, {"id": "organize", "options": {"excludeByName": {"Time": True, "Value #E": True}, "renameByName": {"Value #A": "deadlocked", "Value #B": "stuck", "Value #C": "oldest stuck (s)", "Value #D": "open"}}}]),
    panel("timeseries", "Oldest call by verdict", (0, 28, 8, 7), [(f'max by (verdict) (blockwatch_oldest_call_seconds{{verdict!="idle",{HOST}}})', "{{verdict}}")], "s", overrides=by_verdict()),
    panel("timeseries", "Deadlocks found", (8, 28, 8, 7), [(f'sum by (instance) (increase(blockwatch_deadlocks_total{{{HOST}}}[$__rate_interval]))', "{{instance}}")]),
    panel("timeseries", "Idle by design, by reason", (16, 28, 8, 7), [(f'sum by (reason) (blockwatch_blocked_calls{{verdict="idle",{HOST}}}) > 0', "{{reason}}")], defaults=stacked()),
    panel("timeseries", "Records", (0, 35, 8, 7), [(f'sum by (action) (rate(blockwatch_records_total{{{HOST}}}[$__rate_interval]))', "{{action}}"), (f'sum by (by) (rate(blockwatch_hidden_total{{{HOST}}}[$__rate_interval]))', "hidden: {{by}}")], "cps"),
    panel("timeseries", "Losses by what", (8, 35, 8, 7), [(f'sum by (what) (increase(blockwatch_lost_total{{{HOST}}}[$__rate_interval]))', "{{what}}")]),
    panel("timeseries", "Threads looked at", (16, 35, 8, 7), [(f'sum by (instance) (blockwatch_threads{{{HOST}}})', "{{instance}}")]),
    panel("timeseries", "Its own processor time", (0, 42, 6, 7), [(f'rate(blockwatch_cpu_seconds_total{{{HOST}}}[$__rate_interval])', "{{instance}}")], "percentunit", description="Of one core."),
    panel("timeseries", "Its own memory", (6, 42, 6, 7), [(f'blockwatch_resident_bytes{{{HOST}}}', "{{instance}}")], "bytes"),
    panel("timeseries", "Engine", (12, 42, 6, 7), [(f'sum by (engine) (blockwatch_engine{{{HOST}}})', "{{engine}}"), (f'sum by (instance) (increase(blockwatch_engine_changes_total{{{HOST}}}[$__rate_interval]))', "changes: {{instance}}")], description="Hosts by what runs: trace sees each return, scan looks only."),
    panel("timeseries", "What the probes take", (18, 42, 6, 7), [(f'blockwatch_overhead_ratio{{{HOST}}}', "{{instance}}"), (f'min(blockwatch_overhead_limit_ratio{{{HOST}}})', "limit")], "percentunit", description="Of all processor time; while they are out, what they would take."),
    panel("timeseries", "A scan", (0, 49, 8, 6), [(f'blockwatch_scan_seconds{{{HOST}}}', "{{instance}}")], "s"),
    panel("timeseries", "System calls of the host", (8, 49, 8, 6), [(f'blockwatch_system_calls_per_second{{{HOST}}}', "{{instance}}")], "cps"),
    panel("timeseries", "Price of the probes on one call", (16, 49, 8, 6), [(f'blockwatch_system_call_overhead_seconds{{{HOST}}}', "{{instance}}")], "s"),
]
for number, one in enumerate(PANELS, 1):
    one["id"] = number

DASHBOARD = {
    "uid": "blockwatch", "title": "blockwatch", "tags": ["blockwatch"], "schemaVersion": 38, "version": 1, "editable": True,
    "timezone": "browser", "time": {"from": "now-3h", "to": "now"}, "refresh": "30s",
    "description": "Calls that hang: what blockwatch --metrics writes, by way of node_exporter's textfile collector.",
    "templating": {"list": [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
        {"name": "instance", "type": "query", "label": "Host", "datasource": SOURCE, "query": {"query": "label_values(blockwatch_info, instance)", "refId": "instance"},
         "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "refresh": 2},
    ]},
    "annotations": {"list": [
        {"name": "starts", "datasource": SOURCE, "enable": True, "iconColor": "purple", "expr": f'changes(blockwatch_start_time_seconds{{{HOST}}}[1m]) > 0', "titleFormat": "blockwatch was started"},
    ]},
    "panels": PANELS,
}

path = pathlib.Path(__file__).resolve().parent.parent / "packaging/grafana/blockwatch.json"
path.write_text(json.dumps(DASHBOARD, indent=2) + "\n")
