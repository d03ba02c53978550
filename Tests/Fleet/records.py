"""Recordings of hosts that never were, record by record, in the stream's own form."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import json
import struct

BEGIN = datetime.datetime(2026, 3, 1, 9, 0, tzinfo=datetime.timezone.utc)


def community_id(transport: str, near: str, far: str) -> str:
    """Community ID 1.0 of a connection, from either end."""

    def packed(end: str):
        address, _, port = end.rpartition(":")
        return ipaddress.ip_address(address.strip("[]")).packed, struct.pack("!H", int(port))

    (a, b) = sorted([packed(near), packed(far)])
    number = {"tcp": 6, "udp": 17}[transport]
    return "1:" + base64.b64encode(hashlib.sha1(b"\0\0" + a[0] + b[0] + bytes([number, 0]) + a[1] + b[1]).digest()).decode()


def end(text: str) -> dict:
    address, _, port = text.rpartition(":")
    return {"address": address.strip("[]"), "port": int(port)}


class Recording:
    """What one start of blockwatch says."""

    def __init__(self, host: str, machine: str | None = "", run: str = "", skew: float = 0, addresses=()):
        self.host, self.skew, self.addresses = host, skew, list(addresses)
        self.machine = hashlib.md5((machine or host).encode()).hexdigest() if machine is not None else None
        self.run = hashlib.md5((run or f"{host}{machine}").encode()).hexdigest()[:16]
        self.sequence = 0
        self.lines: list[str] = []

    def at(self, seconds: float) -> str:
        return (BEGIN + datetime.timedelta(seconds=seconds + self.skew)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def say(self, seconds: float, action: str, event=None, **more) -> "Recording":
        self.sequence += 1
        record = {
            "@timestamp": self.at(seconds), "message": more.pop("message", action),
            "event": {"kind": "metric" if action == "summary" else "event", "dataset": "blockwatch.calls", "action": action, **(event or {}), "sequence": self.sequence},
            "log": {"level": "info"},
            "host": {"name": self.host, **({"id": self.machine} if self.machine else {}), "boot": {"id": "e20f37a6-6779-41b2-a2ad-9a6e77242d4f"},
                     **({"ip": self.addresses} if self.addresses and action in ("started", "summary") else {})},
            "blockwatch": {"run": {"id": self.run}, **more.pop("blockwatch", {})}, **more,
        }  # fmt: skip
        self.lines.append(json.dumps(record, separators=(",", ":"), ensure_ascii=False))
        return self

    def started(self, seconds: float = 0) -> "Recording":
        return self.say(seconds, "started", blockwatch={"version": "0.2.0", "engine": "trace", "scope": "host", "threshold": 5_000_000_000}, os={"kernel": "6.1.0-18-amd64", "machine": "x86_64"})

    def summary(self, seconds: float) -> "Recording":
        return self.say(seconds, "summary", blockwatch={"open": 0, "open_written": 0})

    def stopped(self, seconds: float) -> "Recording":
        return self.say(seconds, "stopped", blockwatch={"reason": "SIGTERM"})

    def call(self, seconds: float, pid: int, since: float, action: str = "blocked", name: str = "", syscall: str = "read", near: str = "", far: str = "",
             root: dict | None = None, held=(), endpoints=(), verdict: str = "waiting", reason: str = "reply_pending", names_connection: bool = True, **more) -> "Recording":
        """`near` and `far`: the connection that it waits on. `root`: else it is that connection's other end."""
        name = name or f"p{pid}"
        record = {"process": {"pid": pid, "thread": {"id": pid, "name": name}, "name": name, "executable": f"/usr/bin/{name}", "start": self.at(-3600), "state": "S",
                              "entity_id": hashlib.md5(f"{self.machine}{pid}".encode()).hexdigest()[:16], "parent": {"pid": 1}, "user": {"id": "0", "name": "root"}},
                  "syscall": {"name": syscall, "number": 0, "abi": "x86_64"}, "resource": {"kind": "tcp" if near else "file", "name": f"tcp {near}->{far} ESTABLISHED" if near else f"/srv/{name}.lock"},
                  "verdict": verdict, "reason": reason, "evidence": ["rule=other_end"]}  # fmt: skip
        if near:
            connection = community_id("tcp", near, far)
            record["network"] = {"transport": "tcp", "type": "ipv4", "community_id": connection, "state": "ESTABLISHED", "local": end(near), "peer": end(far)}
            if root is None and verdict != "idle":
                root = {"kind": "remote", "address": far, **({"community_id": connection} if names_connection else {})}
        if root:
            what = root.get("address") or f"{root.get('name')}[{root.get('pid')}]"
            record["chain"] = f"{name}[{pid}] {syscall} <- {what}"
            record["root"] = root
            record["chain_id"] = hashlib.md5(f"{self.machine}{sorted((k, v) for k, v in root.items() if k != 'community_id')}".encode()).hexdigest()[:16]
            record["victims"] = 1
        if held:
            record["held_sockets"] = [community_id("tcp", *each) for each in held]
        if endpoints:
            record["held_endpoints"] = list(endpoints)
        event = {"id": hashlib.md5(f"{self.run}{pid}{since}".encode()).hexdigest()[:16], "start": self.at(since), "start_source": "entry", "duration": int((seconds - since) * 1e9)}
        return self.say(seconds, action, event, **record, **more)


def process(pid: int, name: str = "", doing: str = "sleeping 59m more") -> dict:
    return {"kind": "process", "pid": pid, "name": name or f"p{pid}", "doing": doing}
