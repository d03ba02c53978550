"""Throughput and p99 of real servers, with blockwatch and without."""

from __future__ import annotations

import contextlib
import glob
import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess
import tempfile
import time

from support import peers, processes
from support.figures import interval, median, nanoseconds, number, quantile
from support.loops import nothing
from support.table import BenchError, Row, Section, shown_at_least
from support.watcher import Watcher

TITLE = "Real servers: throughput and p99"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(is_ready, what: str) -> None:
    for _ in range(300):
        if is_ready():
            return
        time.sleep(0.1)
    raise BenchError(f"{what} did not begin to answer within 30 s")


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def output(command) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{command[0]}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


class Redis:
    name = "redis-benchmark GET, 20 clients"

    def __init__(self, folder: str):
        self.port = free_port()
        self.process = processes.start(
            ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        wait_until(lambda: answers(self.port), "redis-server")
        self.rate = self.load(20000)[0]

    def load(self, requests: int) -> tuple[float, float]:
        said = output(["redis-benchmark", "-p", str(self.port), "-t", "get", "-n", str(requests), "-c", "20", "--csv"])
        # "test","rps","avg","min","p50","p95","p99","max", latencies in ms
        fields = [field.strip('"') for field in said.strip().splitlines()[-1].split(",")]
        return float(fields[1]), float(fields[6]) * 1e6

    def measure(self, seconds: float) -> tuple[float, float]:
        return self.load(round(self.rate * seconds))

    def stop(self) -> None:
        processes.stop(self.process)


class PostgreSQL:
    name = "pgbench -S, 4 clients"

    def __init__(self, folder: str):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        if not found:
            raise peers.PeerError("there is no PostgreSQL server below /usr/lib/postgresql")
        programs = os.path.dirname(found[-1])
        user = pwd.getpwnam("postgres")
        self.folder = os.path.join(folder, "postgresql")
        os.mkdir(self.folder)
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.port = free_port()
        data = f"{self.folder}/data"
        # it refuses to run as root
        as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        output([*as_user, f"{programs}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"])
        self.process = processes.start(
            [*as_user, f"{programs}/postgres", "-D", data, "-p", self.port, "-k", self.folder]
            + ["-c", "listen_addresses=", "-c", "fsync=off"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.where = ["-h", self.folder, "-p", str(self.port), "-U", "postgres"]
        wait_until(lambda: not subprocess.run(["pg_isready", "-q", *self.where], check=False).returncode, "PostgreSQL")
        output(["pgbench", "-i", "-q", "-s", "5", *self.where, "postgres"])

    def measure(self, seconds: float) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            said = output(
                ["pgbench", "-n", "-S", "-c", "4", "-j", "1", "-T", str(max(1, round(seconds))), "-l"]
                + ["--log-prefix", f"{folder}/log", *self.where, "postgres"]
            )
            logs = [path.read_text() for path in pathlib.Path(folder).iterdir()]
            times = [float(line.split()[2]) * 1e3 for log in logs for line in log.splitlines()]
        return float(re.search(r"tps = ([\d.]+)", said)[1]), quantile(times, 0.99)

    def stop(self) -> None:
        processes.stop(self.process, signal.SIGINT)  # fast shutdown


class Nginx:
    name = "wrk against nginx, a file of 1 kB, 16 connections"

    def __init__(self, folder: str):
        self.port = free_port()
        pathlib.Path(folder, "index.html").write_text("x" * 1024)
        pathlib.Path(folder, "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}\n"
            f"http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};\n"
            f"uwsgi_temp_path {folder}; scgi_temp_path {folder}; keepalive_requests 1000000000;\n"
            f"server {{ listen 127.0.0.1:{self.port}; root {folder}; }} }}\n"
        )
        self.process = processes.start(["nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"])
        wait_until(lambda: answers(self.port), "nginx")

    def measure(self, seconds: float) -> tuple[float, float]:
        page = f"http://127.0.0.1:{self.port}/index.html"
        said = output(["wrk", "-t", "1", "-c", "16", "-d", f"{max(1, round(seconds))}s", "--latency", page])
        if "Non-2xx" in said:
            raise BenchError(f"nginx does not answer well: {said}")
        value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])
        return rate, float(value) * {"us": 1e3, "ms": 1e6, "s": 1e9}[unit]

    def stop(self) -> None:
        processes.stop(self.process)


def run(bench) -> Section:
    section = Section("servers", TITLE)
    rounds, seconds = (2, 1) if bench.quick else (20, 3)
    budgeted = "default options"
    states = {
        "nothing": nothing,
        budgeted: lambda: Watcher(bench.plants, "--threshold", "5s", "--max-overhead", "1%"),
        "`--max-overhead none`": lambda: Watcher(bench.plants, "--threshold", "5s"),
        "`--engine scan`": lambda: Watcher(bench.plants, "--threshold", "5s", "--engine", "scan"),
        "bpftrace": peers.bpftrace,
    }
    readings: dict[tuple[str, str], list[tuple[float, float]]] = {}
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as servers_stack:
        os.chmod(folder, 0o755)  # nginx's worker and PostgreSQL are not root
        servers = []
        for kind in (Redis, PostgreSQL, Nginx):
            bench.progress(f"starts {kind.__name__}")
            server = kind(folder)
            servers_stack.callback(server.stop)
            servers.append(server)
            server.measure(1)  # warm
        for turn in range(rounds):
            bench.progress(f"round {turn + 1} of {rounds}")
            names = list(states)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                if name in failures:
                    continue
                try:
                    with states[name]():
                        for server in servers:
                            if name == budgeted:
                                server.measure(2)  # until the probes are out
                            readings.setdefault((name, server.name), []).append(server.measure(seconds))
                except peers.PeerError as error:
                    failures[name] = str(error)
    for server in servers:
        bare = readings["nothing", server.name]
        for name in list(states)[1:]:
            if name in failures:
                continue
            ours = readings[name, server.name]
            for index, what, write in ((0, "requests a second", number), (1, "p99", nanoseconds)):
                ratios = [a[index] / b[index] for a, b in zip(ours, bare)]
                low, high = interval(ratios)
                figure = write(median([value[index] for value in ours]))
                without = write(median([value[index] for value in bare]))
                is_peer = name == "bpftrace"
                goal = shown_at_least(0.99, low, high) if name == budgeted and index == 0 else {}
                section.rows.append(
                    Row(
                        f"{server.name}: {what}, {name}",
                        "" if is_peer else figure,
                        f"{low:.3f} to {high:.3f}",
                        f"bpftrace {figure}, without {without}" if is_peer else f"no blockwatch {without}",
                        median(ratios),
                        **goal,
                    )
                )
    for name, message in failures.items():
        section.rows.append(Row(f"beside {name}", "", peer=f"cannot run here: {message}"))
    section.notes = [
        f"{rounds} rounds, {seconds} s of each server under each state, in an order that turns; clients, servers and watchers "
        f"share all {os.sysconf('SC_NPROCESSORS_ONLN')} cores. The ratio, to no tool at all, is the median of the rounds' own; "
        "spread: its 95 % confidence interval"
        + (" (of so few rounds, least and greatest)" if rounds < 6 else "")
        + ". The goal is missed if all of that lies below it, and met if none of it does. bpftrace runs the script of the first table. With the default options (`--max-overhead 1%`) each server was loaded "
        "for two seconds before it was measured: then the probes are out, if the load costs more.",
    ]
    return section
