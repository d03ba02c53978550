#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes packaging/elasticsearch/blockwatch.json, an index template for Elasticsearch and OpenSearch, from
schema/blockwatch-1.json: make index-template. With --check: fails if it is not what the schema makes.

packaging/elasticsearch/ecs.tsv says of each field whether it is the Elastic Common Schema's; what is there with another
type than the schema alone would give has it from there.
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "packaging/elasticsearch"


def leaves(schema, path=()):
    """(path, schema) of each field, those of objects in arrays too."""
    for name, part in schema["properties"].items():
        here = (*path, name)
        if part["type"] == "object" and "properties" in part:
            yield from leaves(part, here)
        elif part["type"] == "array" and "properties" in part["items"]:
            yield here, part
            yield from leaves(part["items"], here)
        else:
            yield here, part


def facts():
    """Rows of ecs.tsv by field: status, the type that the ECS gives it, why it deviates."""
    rows = [line.split("\t") for line in (FOLDER / "ecs.tsv").read_text().splitlines() if line and not line.startswith("#")]
    found = {row[0]: dict(zip(["status", "type", "reason"], row[1:] + [""] * (4 - len(row)))) for row in rows}
    assert len(found) == len(rows), "a field stands twice in ecs.tsv"
    return found


def own_type(path, part):
    kind = part["type"]
    if kind == "array":
        return "nested" if "properties" in part["items"] else own_type(path, part["items"])
    if kind == "object":
        return "object"
    if kind == "string" and part.get("pattern", "").startswith("^\\d{4}-"):
        return "date"
    if kind == "string" and (path[0] in ("network", "members") and path[-1] == "address" or path == ("host", "ip")):
        return "ip"
    return {"string": "keyword", "integer": "long", "number": "double", "boolean": "boolean"}[kind]


def mapping(path, part):
    kind = own_type(path, part)
    if path == ("message",):
        return {"type": "text"}
    if kind == "nested":
        return {"type": "nested", "properties": properties(part["items"], path)}
    if kind == "object":
        # its keys are names of system calls and of a user's rules: kept, and not indexed
        return {"type": "object", "enabled": False}
    if kind == "keyword":
        return {"type": "keyword", "ignore_above": 1024}
    if kind == "ip":
        return {"type": "ip", "ignore_malformed": True}
    return {"type": kind}


def properties(schema, path=()):
    made = {}
    for name, part in schema["properties"].items():
        if part["type"] == "object" and "properties" in part:
            made[name] = {"properties": properties(part, (*path, name))}
        else:
            made[name] = mapping((*path, name), part)
    return made


def template():
    schema = json.loads((ROOT / "schema/blockwatch-1.json").read_text())
    return {
        "index_patterns": ["logs-blockwatch.calls-*"],
        "data_stream": {},
        "priority": 300,
        "_meta": {"description": "blockwatch records, version 1: made from schema/blockwatch-1.json"},
        "template": {
            "settings": {"index": {"mapping": {"total_fields": {"limit": 400}}}},
            # a field of a newer version is kept, and not indexed until the template is made anew
            "mappings": {"dynamic": False, "date_detection": False, "properties": properties(schema)},
        },
    }


if __name__ == "__main__":
    path = FOLDER / "blockwatch.json"
    text = json.dumps(template(), indent=2) + "\n"
    if "--check" in sys.argv:
        schema = json.loads((ROOT / "schema/blockwatch-1.json").read_text())
        if odd := {".".join(path) for path, _ in leaves(schema)} ^ set(facts()):
            sys.exit(f"packaging/elasticsearch/ecs.tsv and the schema differ in {', '.join(sorted(odd))}")
        sys.exit(None if path.exists() and path.read_text() == text else f"{path.relative_to(ROOT)} is not what the schema makes: run make index-template and commit it")
    path.write_text(text)
