#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of fields in SCHEMA.md from schema/blockwatch-1.json: make schema-docs"""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- fields: made by make schema-docs -->", "<!-- end of fields -->"


def rows(properties, prefix=""):
    for name, schema in properties.items():
        kind = schema["type"]
        if kind == "object" and "properties" in schema:
            yield from rows(schema["properties"], f"{prefix}{name}.")
            continue
        items = schema.get("items", {}).get("properties")
        kind = {"array": "objects" if items else "strings", "object": "object of integers"}.get(kind, kind)
        example = schema.get("examples")
        example = f"`{json.dumps(example[0], ensure_ascii=False)}`" if example else ""
        text = schema["description"].replace("|", "\\|")
        yield f"| `{prefix}{name}` | {kind} | {text} | {example} |"
        if items:
            yield from rows(items, f"{prefix}{name}[].")


schema = json.loads((ROOT / "schema/blockwatch-1.json").read_text())
table = "\n".join(["| field | type | meaning | example |", "|---|---|---|---|", *rows(schema["properties"])])
path = ROOT / "SCHEMA.md"
text = path.read_text()
head, rest = text.split(BEGIN)
tail = rest.split(END)[1]
path.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}")
