#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py table: writes bw_settings.watched[0] of aarch64, from the generated table of calls.
compare.py CONSOLE: holds the records of the arm64 machine against what the hung programs said of themselves.
"""
import json
import pathlib
import sys

CLASSES = "none descriptor set lock process memory time signal path ipc kernel".split()
RETURNED = 1
EXITING = 2
OLD = 1

# What cannot be told here, each with its reason; docs/kernels.md has them for users.
UNTOLD = {
    ("openat", "fifo"): {"inode"},  # the file lies on the kernel stack, which is not searched on aarch64
    ("closed", None): {"inode"},  # the same: closed under a call that blocks on it
    ("reused", None): {"inode"},
    ("none", "page"): {"fd", "inode"},  # a page fault is in no call; the file is found in the maps, by the Swift side
    ("ptrace", None): {"number", "fd", "inode"},  # a tracer's stop at entry leaves no mark in the registers
}


def table():
    source = pathlib.Path("Sources/BlockWatchCore/Decode/SyscallTable+Generated.swift").read_text(encoding="utf-8")
    watched = bytearray(512)
    for line in source.split('aarch64Rows = """')[1].split('"""')[0].strip().splitlines():
        number, _, kind, argument, moves, *_ = line.strip().split("\t")
        value = {"sigreturn": 14, "restart": 15}.get(kind) or CLASSES.index(kind)
        place = int(argument) if argument.isdigit() else 6 if argument.startswith("dir") else 7
        if value and int(number) < len(watched):
            watched[int(number)] = value | (0x10 if moves == "bytes" else 0) | place << 5
    sys.stdout.buffer.write(watched)


def untold(says):
    if says.get("parked_by") == "ptrace":
        return UNTOLD["ptrace", None]
    if "closed" in says:
        return UNTOLD["closed", None]
    if "reused_for" in says:
        return UNTOLD["reused", None]
    return UNTOLD.get((says.get("syscall"), says.get("kind")), set())


def compare(console):
    said, records, closings, failures = [], {}, [], []
    attached = done = False
    for line in pathlib.Path(console).read_text(encoding="utf-8", errors="replace").splitlines():
        start, _, rest = line.partition(" ")
        if start in ("older", "younger"):
            mode, _, says = rest.partition(" ")
            try:
                said.append((start, mode, json.loads(says)))
            except ValueError:
                failures.append(f"{mode} did not hang: {says[:200]}")
        elif start == "record":
            record = json.loads(rest)
            attached |= "attached" in record
            done |= "done" in record
            if "failed" in record:
                failures.append(record["failed"])
            elif record.get("type") == 1:
                records.setdefault(record["tid"], record)
            elif "closed" in record:
                closings.append(record)
        elif start == "log":
            print(line, file=sys.stderr)
    if not attached or not done:
        failures.append("the programs were not loaded and attached, or the scan did not end")
    passed = 0
    for age, mode, says in said:
        record = records.get(says["tid"])
        if not record:
            failures.append(f"{mode}, {age}: never reported: {says}")
            continue
        wanted = {"pid": says["pid"], "number": says.get("number"), "fd": says.get("fd"), "inode": says.get("inode")}
        if says.get("syscall") == "none":
            wanted["number"] = None
        if says.get("syscall") == "exit_group":  # named by the Swift side
            wanted.update(number=None, kind=EXITING)
        wrong = {
            key: record[key]
            for key, value in wanted.items()
            if value is not None and key not in untold(says) and str(record[key]) != str(value)
        }
        if says.get("syscall") == "read" and "fd" in says and "fd" not in untold(says):
            if int(record["arguments"][0], 16) != says["fd"]:
                wrong["arguments"] = record["arguments"]
        # one that restarts just while the programs are attached seems to begin there
        may_seem_younger = mode.startswith("restart-") or mode == "poll-renewed"
        if not may_seem_younger and (age == "younger") == bool(record["flags"] & OLD):
            wrong["flags"] = record["flags"]
        if wrong:
            failures.append(f"{mode}, {age}: {wrong} in {record}; it says {says}")
        else:
            passed += 1
    last = records.get(said[-1][2]["tid"]) if said else None
    if last and any(one["id"] == last["id"] and one["closed"] == RETURNED and one["result"] == 1 for one in closings):
        passed += 1
    else:
        failures.append("the read that a signal ended was not closed with its result")
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)


if sys.argv[1] == "table":
    table()
else:
    compare(sys.argv[1])
