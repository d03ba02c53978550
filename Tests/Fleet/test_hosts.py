"""Real programs that really hang on several simulated hosts, each with its own blockwatch; replay and both databases must name host and
process at the root. Needs root and a BPF kernel: `make test-fleet`. KEEP=folder keeps the recordings."""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import engines  # noqa: E402
from hosts import Fleet  # noqa: E402

# a server that forks: each child takes a lock before it answers
DATABASE = """
import fcntl, os, socket, sys
server = socket.create_server(("0.0.0.0", 5432))
print("up", flush=True)
while True:
    connection, _ = server.accept()
    if os.fork() == 0:
        server.close()
        connection.recv(100)
        wanted = open(sys.argv[1], "w")
        fcntl.flock(wanted, fcntl.LOCK_EX)
        connection.sendall(b"done")
        os._exit(0)
    connection.close()
"""
HOLDER = """
import fcntl, sys, time
held = open(sys.argv[1], "w")
fcntl.flock(held, fcntl.LOCK_EX)
print("up", flush=True)
time.sleep(3600)
"""
# one process, one loop: takes a few, then a lock, and never accepts again
LOOP = """
import fcntl, socket, sys
server = socket.create_server(("0.0.0.0", 6379), backlog=64)
print("up", flush=True)
taken = [server.accept()[0] for _ in range(3)]
held = open(sys.argv[1], "w")
fcntl.flock(held, fcntl.LOCK_EX)
"""
CLIENT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
connection.sendall(b"select")
connection.recv(100)
"""
# asks its own server's peer, and its server asks the next: a circle of hosts
CIRCLE = """
import socket, sys
server = socket.create_server(("0.0.0.0", 7000))
print("up", flush=True)
sys.stdin.readline()
onward = socket.create_connection((sys.argv[1], 7000))
behind, _ = server.accept()
onward.sendall(b"after you")
onward.recv(100)
"""
HAPROXY = """
global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen database
  bind 0.0.0.0:5432
  server database 10.77.0.5:5432
"""


class Hosts(unittest.TestCase):
    def setUp(self):
        self.fleet = self.enterContext(Fleet())
        self.lock = str(self.fleet.folder / "lock")

    def program(self, host, code: str, *arguments: str, **more):
        child = host.start("/usr/bin/python3", "-c", code, *arguments, stdout=subprocess.PIPE, **more)
        self.assertEqual(child.stdout.readline(), b"up\n")
        return child

    def clients(self, host, address: str, port: int, count: int) -> None:
        for _ in range(count):
            host.start("/usr/bin/python3", "-c", CLIENT, address, str(port))

    def inside(self, child) -> int:
        """nsenter forks: the program's own number."""
        return int(pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[0])

    def hear(self, host, reason: str, count: int) -> None:
        deadline = time.monotonic() + 20
        while True:
            threads = {r["process"]["thread"]["id"] for r in host.records() if r.get("reason") == reason}
            if len(threads) >= count:
                return
            self.assertLess(time.monotonic(), deadline, f"{host.name}: {len(threads)} of {count} {reason}: {[r['message'] for r in host.records()]}")
            time.sleep(0.05)

    def judge(self, truth: set[tuple], agree: bool = True) -> list:
        """(host, process at the root, victims) by all three. Some guess: replay does not."""
        for host in self.fleet.hosts:
            host.stop_watching()
        files = self.fleet.recordings()
        if keep := os.environ.get("KEEP"):
            folder = pathlib.Path(keep) / self._testMethodName.removeprefix("test_")
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                (folder / f"{pathlib.Path(file).name}.gz").write_bytes(gzip.compress(pathlib.Path(file).read_bytes(), mtime=0))
            (folder / "truth.json").write_text(json.dumps(sorted(truth)) + "\n")
        if agree:
            self.assertEqual(engines.replayed(files), truth)
        for engine in engines.ENGINES:
            loaded = engine(files)
            self.assertEqual(engines.rooted(loaded), truth, engine.name)
            rows = loaded.ask(f"SELECT * FROM {loaded.table('root_blockers')}")
            loaded.close()
        return rows

    def test_a_lock_on_the_database_host(self):
        web, db = self.fleet.host("web1", "10.77.0.1"), self.fleet.host("db1", "10.77.0.5")
        holder = self.program(db, HOLDER, self.lock)
        self.program(db, DATABASE, self.lock)
        web.watch(), db.watch()
        self.clients(web, "10.77.0.5", 5432, 3)
        self.hear(web, "reply_pending", 3), self.hear(db, "lock_held", 3)
        self.judge({("db1", f"python3[{self.inside(holder)}]", 6)})

    def test_a_proxy_between(self):
        webs = [self.fleet.host(f"web{number}", f"10.77.0.{number}") for number in (1, 2)]
        proxy, db = self.fleet.host("proxy1", "10.77.0.3"), self.fleet.host("db1", "10.77.0.5")
        holder = self.program(db, HOLDER, self.lock)
        self.program(db, DATABASE, self.lock)
        (self.fleet.folder / "haproxy.cfg").write_text(HAPROXY)
        for host in self.fleet.hosts:
            host.watch()
        proxy.start("haproxy", "-db", "-f", str(self.fleet.folder / "haproxy.cfg"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while ":5432" not in proxy.run("ss", "-ltn"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        for web in webs:
            self.clients(web, "10.77.0.3", 5432, 2)
        for web in webs:
            self.hear(web, "reply_pending", 2)
        self.hear(db, "lock_held", 4), self.hear(proxy, "reply_pending", 1)
        self.judge({("db1", f"python3[{self.inside(holder)}]", 9)})

    def test_a_stopped_server(self):
        web, db = self.fleet.host("web1", "10.77.0.1"), self.fleet.host("db1", "10.77.0.5")
        server = self.program(db, LOOP, self.lock)
        pid = self.inside(server)
        os.kill(pid, signal.SIGSTOP)
        web.watch(), db.watch()
        self.hear(db, "stopped", 1)
        self.clients(web, "10.77.0.5", 6379, 2)
        self.hear(web, "reply_pending", 2)
        self.judge({("db1", f"python3[{pid}]", 3)}, agree=False)

    def test_connections_that_were_not_accepted(self):
        """Nobody has them; who listens there is known, and that is a guess."""
        web, db = self.fleet.host("web1", "10.77.0.1"), self.fleet.host("db1", "10.77.0.5")
        holder = self.program(db, HOLDER, self.lock)
        self.program(db, LOOP, self.lock)
        web.watch(), db.watch()
        self.clients(web, "10.77.0.5", 6379, 6)
        self.hear(web, "reply_pending", 6), self.hear(db, "lock_held", 1)
        rows = self.judge({("db1", f"python3[{self.inside(holder)}]", 7)}, agree=False)
        self.assertTrue(rows[0]["is_guess"])

    def test_a_circle_of_hosts(self):
        hosts = [self.fleet.host(f"node{number}", f"10.77.0.{number}") for number in (1, 2, 3)]
        nodes = [self.program(host, CIRCLE, f"10.77.0.{number % 3 + 1}", stdin=subprocess.PIPE) for number, host in enumerate(hosts, 1)]
        for host in hosts:
            host.watch()
        for node in nodes:
            node.stdin.write(b"go\n")
            node.stdin.flush()
        for host in hosts:
            self.hear(host, "reply_pending", 1)
        for host in hosts:
            host.stop_watching()
        for engine in engines.ENGINES:
            loaded = engine(self.fleet.recordings())
            waits = loaded.ask(f"SELECT * FROM {loaded.table('mutual_waits')}")
            loaded.close()
            self.assertEqual([(row["kind"], row["hosts"], row["victims"]) for row in waits], [("circle", ["node1", "node2", "node3"], 3)])
        replay = subprocess.run([engines.BLOCKWATCH, "replay", *self.fleet.recordings()], check=True, stdout=subprocess.PIPE, text=True).stdout
        self.assertEqual(re.findall(r"\((\d+) threads behind it\)", replay), ["3"], replay)


if __name__ == "__main__":
    unittest.main()
