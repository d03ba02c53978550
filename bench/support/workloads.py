"""Real work to be measured under a watcher: servers at full load, and a build that forks."""

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

from . import peers, processes
from .figures import quantile
from .table import BenchError


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

    def pids(self) -> list[int]:
        return [self.process.pid]

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

    def pids(self) -> list[int]:
        return [self.process.pid]  # its children are followed

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

    def pids(self) -> list[int]:
        worker = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, worker)]

    def stop(self) -> None:
        processes.stop(self.process)


class Build:
    """Many short processes: make, a shell, a compiler driver, a compiler and an assembler for each of 40 files."""

    name = "make -j2 of 40 small C files"
    FILES = 40

    def __init__(self, folder: str):
        peers.need("make")
        peers.need("cc")
        self.folder = os.path.join(folder, "build")
        os.mkdir(self.folder)
        objects = " ".join(f"part{n}.o" for n in range(self.FILES))
        # a shell of its own for each, as builds have it
        rule = "%.o: %.c\n\t@set -e; cc -O0 -c -o $@ $<\n"
        pathlib.Path(self.folder, "Makefile").write_text(
            f"all: {objects}\n\t@cc -o program {objects}\n{rule}clean:\n\t@rm -f *.o program\n"
        )
        for n in range(self.FILES):
            text = f"int part{n}(int x) {{ return x * {n + 2}; }}\n" + ("int main(void) { return part0(0); }\n" if not n else "")
            pathlib.Path(self.folder, f"part{n}.c").write_text(text)

    def pids(self) -> list[int]:
        return []

    def measure(self, seconds: float) -> tuple[float, float | None]:
        """Files a second; how long one took says nothing that this does not."""
        built, start = 0, time.monotonic()
        while time.monotonic() - start < seconds:
            output(["make", "-s", "-C", self.folder, "clean"])
            output(["make", "-s", "-j2", "-C", self.folder])
            built += self.FILES
        return built / (time.monotonic() - start), None

    def stop(self) -> None:
        pass


@contextlib.contextmanager
def running(*kinds):
    """Started, and warm."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        os.chmod(folder, 0o755)  # nginx's worker and PostgreSQL are not root
        works = []
        for kind in kinds:
            work = kind(folder)
            stack.callback(work.stop)
            work.measure(1)
            works.append(work)
        yield works


SERVERS = (Redis, PostgreSQL, Nginx)
