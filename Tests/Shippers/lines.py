"""Lines to give to log shippers: each field of the schema at least once, and what shippers tear, cut or reword."""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCHEMA = json.loads((ROOT / "schema/blockwatch-1.json").read_text())
LONGEST = 4080
"""Bytes of a line with its newline: the stream's own limit."""


def example(schema: dict):
    """A value of this part of the schema, with everything in it."""
    if schema["type"] == "object":
        if "properties" not in schema:
            return {"read": 3, "ignore.backup": 1}
        return {name: example(part) for name, part in schema["properties"].items()}
    if schema["type"] == "array" and "properties" in schema["items"]:
        return [example(schema["items"]), {name: example(part) for name, part in list(schema["items"]["properties"].items())[:2]}]
    return schema["examples"][0]


def whole() -> list[dict]:
    """Records that have every field of the schema between them, by their first step."""
    record = {name: example(part) for name, part in SCHEMA["properties"].items()}
    about = {name: record.pop(name) for name in ["loss", "blockwatch", "os"]}
    common = {name: record[name] for name in ["@timestamp", "message", "event", "log", "host"]}
    members = {name: record.pop(name) for name in ["members", "holders"]}
    return [record, common | members, common | about]


def nasty() -> list[dict]:
    """What others put into names and paths, as it stands in the stream, and the longest line there is."""
    start = {name: example(SCHEMA["properties"][name]) for name in ["@timestamp", "event", "host"]}
    texts = [
        'quote " backslash \\ slash / percent % dollar ${HOST} $(date) {{x}} #{y}', "line\nbreak\ttab\u0001\u001b[31m\u007f",
        "\u00e4\u20ac\U0001f512 \ufffd \u2028", "<script> & ' `id`", "@cee: {\"a\":1}", "", " leading and trailing ",
    ]
    records = [start | {"message": text, "file": {"path": "/tmp/" + text}, "evidence": ["rule=other_end", text]} for text in texts]
    records.append(start | {"message": "large", "event": start["event"] | {"duration": 2**53 - 1}, "syscall": {"result": -(2**31)}})
    return records + [start | {"message": "long", "stack": [""]}]


def encode(record: dict) -> bytes:
    """As blockwatch writes it: UTF-8, control characters escaped, no blanks."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f").encode() + b"\n"


def made() -> list[bytes]:
    """Numbered, so that one that is missing shows."""
    records = whole() + nasty()
    for number, record in enumerate(records, 1):
        record["event"] = record["event"] | {"sequence": number}
    records[-1]["stack"] = ["x" * (LONGEST - len(encode(records[-1])))]
    lines = [encode(record) for record in records]
    assert max(map(len, lines)) == LONGEST, [len(line) for line in lines]
    return lines
