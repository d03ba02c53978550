#!/usr/bin/env python3
"""Real software that hangs, each in a way that its users know. Says what is to be found of each.

A case: `pid`, the process whose thread is blocked; `reasons`, any of which is right; and where they can be told
`resource` (a part of its name, of the set's or of a member's), `root` (pid of the root blocker), `rootKind`.
"""
import fcntl
import os
import pty
import shutil
import socket
import struct
import subprocess
import sys
import termios
import time

import servers
from software import BLACK_HOLE, mount, must, libc, play, shell

# accepts and never answers; answers to nobody; is full
SILENT, STOPPED, FULL = 7101, 7102, 7103

NODE_GET = 'require("http").get("http://%s:%d/")'
JAVA_GET = """
import java.net.*;
public class Get {
    public static void main(String[] to) throws Exception {
        new URL("http://" + to[0] + ":" + to[1] + "/").openStream().read();
    }
}
"""
JAVA_DEADLOCK = """
public class Deadlock {
    static final Object first = new Object(), second = new Object();
    static void take(Object one, Object other) {
        synchronized (one) {
            try { Thread.sleep(300); } catch (InterruptedException e) { }
            synchronized (other) { System.out.println("never"); }
        }
    }
    public static void main(String[] arguments) throws Exception {
        Thread one = new Thread(() -> take(first, second), "one"), other = new Thread(() -> take(second, first), "other");
        one.start(); other.start(); one.join();
    }
}
"""
SERVERS = """
import socket, sys, time
kept = []
def listen(port, backlog):
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(backlog)
    return made
kind, port = sys.argv[1], int(sys.argv[2])
made = listen(port, 0 if kind == "full" else 50)
open("%s.ready" % kind, "w")
if kind == "full":
    while True: time.sleep(1000)
while True:
    client, _ = made.accept()
    kept.append(client)
    if kind == "silent":
        import threading
        threading.Thread(target=lambda c=client: [None for _ in iter(lambda: c.recv(65536), b"")], daemon=True).start()
"""
# the parent reads all of stdout first, the child fills stderr first
SUBPROCESS = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stderr.write('x' * 200000); print('done')"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
open("subprocess.pid", "w").write(str(child.pid))
child.stdout.read()
"""
QUEUE = """
import multiprocessing, os, signal, time
def consume(queue):
    queue.get(); os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    queue = multiprocessing.Queue()
    consumer = multiprocessing.Process(target=consume, args=(queue,))
    consumer.start()
    for _ in range(64): queue.put(b"x" * 65536)
    consumer.join()
    queue.close(); queue.join_thread()
"""
POSIX_LOCK = """
import fcntl, signal
file = open("posix.lock", "r+")
fcntl.lockf(file, fcntl.LOCK_EX)
print("has it", flush=True)
signal.pause()
"""
MAKEFILE = """
all: one two
one two:
\t+@sh -c 'head -c 1 <&{fd} >/dev/null; head -c 1 <&{fd} > /dev/null; head -c 1 <&{fd}'
"""


def clients(stage, host, port):
    """What people run: name, command."""
    user = ["-h", host, "-p", str(port)]
    yield "psql", ["psql", "-X", *user, "-U", "postgres", "-c", "select 1"], {"PGSSLMODE": "disable"}
    yield "redis-cli", ["redis-cli", *user, "ping"], {}
    yield "mariadb", ["mariadb", "--no-defaults", "-h", host, "-P", str(port), "-uroot", "--protocol=tcp",
                      "--connect-timeout=1000", "-e", "select 1"], {}
    yield "curl", ["curl", "-s", f"http://{host}:{port}/"], {}
    yield "wget", ["wget", "-q", "-O", "/dev/null", f"http://{host}:{port}/"], {}
    yield "ssh", ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=0", "-p", str(port), f"root@{host}",
                  "true"], {}
    yield "node", ["node", "-e", NODE_GET % (host, port)], {}
    yield "python", ["python3", "-c", f"import urllib.request as u; u.urlopen('http://{host}:{port}/')"], {}
    yield "java", ["java", "-Xmx32m", "-XX:TieredStopAtLevel=1", stage.path("Get.java"), host, str(port)], {}


def script(stage):
    cases = []
    keep = []

    def case(name, pid, reasons, **more):
        cases.append({"name": name, "pid": pid, "reasons": reasons.split(), **more})

    def python(name, program, *arguments, **options):
        path = stage.write(f"run-{name}.py", program)  # no module of that name
        return stage.start(name, ["python3", path, *arguments], **options)

    stage.write("Get.java", JAVA_GET)
    stage.write("Deadlock.java", JAVA_DEADLOCK)

    # ---- clients of servers that do not answer, each in its own way
    for name, command, environment in clients(stage, BLACK_HOLE, 5000):
        client = stage.start(f"{name} into a black hole", command, env=environment)
        case(f"{name} into a black hole", client.pid, "connect_unanswered", resource="SYN_SENT", rootKind="remote")

    silent = python("silent", SERVERS, "silent", str(SILENT))
    stopped = python("stopped", SERVERS, "stopped", str(STOPPED))
    full = python("full", SERVERS, "full", str(FULL))
    for name in ("silent", "stopped", "full"):
        stage.until(f"{name}.ready", lambda: os.path.exists(stage.path(f"{name}.ready")))
    # its queue takes one
    keep.append(stage.connect(FULL))
    servers.stop(stopped)
    for name, command, environment in clients(stage, "127.0.0.1", SILENT):
        client = stage.start(f"{name} of a silent server", command, env=environment)
        case(f"{name} of a silent server", client.pid, "reply_pending", resource=f"127.0.0.1:{SILENT}",
             root=silent.pid)
    for name, command, environment in clients(stage, "127.0.0.1", STOPPED):
        client = stage.start(f"{name} of a stopped server", command, env=environment)
        case(f"{name} of a stopped server", client.pid, "not_accepted peer_stuck", resource=f"127.0.0.1:{STOPPED}",
             root=stopped.pid)
    for name, command, environment in clients(stage, "127.0.0.1", FULL):
        client = stage.start(f"{name} of a full server", command, env=environment)
        case(f"{name} of a full server", client.pid, "connect_backlog_full not_accepted connect_unanswered",
             resource=f"127.0.0.1:{FULL}", root=full.pid)
    case("a stopped server", stopped.pid, "stopped")

    # ---- servers that are stopped with a request in their hands
    redis = servers.redis(stage)
    postgres = servers.postgres(stage)
    sshd = servers.ssh(stage)
    bus = servers.dbus(stage)
    pooled = stage.ask(servers.REDIS, b"PING\r\n")
    keep.append(pooled)
    stage.connect(servers.POSTGRES).close()
    stage.connect(servers.SSH).close()

    def psql(name, *commands):
        arguments = [part for command in commands for part in ("-c", command)]
        return stage.start(name, ["psql", "-X", "-h", "127.0.0.1", "-p", str(servers.POSTGRES), "-U", "postgres",
                                  *arguments], env={"PGSSLMODE": "disable"})
    stage.until("a table", lambda: psql("table", "create table t as select 1 as n").wait() == 0, 10)
    first = psql("psql that has the row", "begin", "update t set n = 2", "select pg_sleep(100000)")
    stage.until("the row's lock", lambda: subprocess.run(
        ["psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-p", str(servers.POSTGRES), "-U", "postgres", "-c",
         "select count(*) from pg_stat_activity where query like 'select pg_sleep%'"],
        capture_output=True).stdout.strip() == b"1")
    second = psql("psql that waits for the row", "update t set n = 3")
    # what the kernel shows: the client waits for its backend, which sleeps on a latch
    for name, client in (("psql that has the row", first), ("psql that waits for the row", second)):
        case(name, client.pid, "reply_pending", resource=f"127.0.0.1:{servers.POSTGRES}")

    slave = subprocess.Popen(["true"])
    slave.wait()
    redis_client = stage.start("redis-cli of a redis that stopped", ["redis-cli", "-p", str(servers.REDIS)],
                               stdin=subprocess.PIPE)
    redis_client.stdin.write(b"ping\n")
    redis_client.stdin.flush()
    stage.until("redis's answer", lambda: b"PONG" in open(
        stage.path("redis-cli of a redis that stopped.log"), "rb").read())
    servers.stop(redis)
    redis_client.stdin.write(b"ping\n")
    redis_client.stdin.flush()
    keep.append(redis_client)
    case("redis-cli of a redis that stopped", redis_client.pid, "peer_stuck", root=redis.pid,
         resource=f"127.0.0.1:{servers.REDIS}")

    ssh = stage.start("ssh", servers.ssh_client(stage, "sleep 100000"))
    stage.until("ssh's command", lambda: subprocess.run(["pgrep", "-P", str(sshd.pid)], capture_output=True).stdout)

    stage.until("the bus", lambda: os.path.exists(stage.path("bus")))
    servers.stop(bus)
    sender = stage.start("dbus-send", ["dbus-send", f"--bus=unix:path={stage.path('bus')}", "--print-reply",
                                       "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"])
    case("dbus-send to a bus that stopped", sender.pid, "not_accepted peer_stuck", root=bus.pid)

    # ---- pipes
    writer = stage.start("yes", ["sh", "-c", "yes | sleep 100000"])
    found = lambda name, of: stage.until(f"{name} below {of.pid}", lambda: below(stage, of.pid, name), 10)
    case("a writer into a pipe that nobody reads", found("yes", writer), "send_stalled peer_sleeping",
         root=found("sleep", writer), resource="pipe:")

    parent = python("subprocess", SUBPROCESS)
    child = int(stage.until("subprocess.pid", lambda: read(stage.path("subprocess.pid"))))
    case("subprocess, the reader of stdout", parent.pid, "cycle", resource="pipe:")
    case("subprocess, the writer of stderr", child, "cycle", resource="pipe:")

    producer = python("queue", QUEUE)
    case("multiprocessing, a queue whose consumer died", producer.pid, "peer_gone peer_stuck parked send_stalled",
         thread="any", resource="pipe:")

    # ---- locks
    holder = stage.start("flock holder", ["flock", stage.path("pile.lock"), "sleep", "100000"])
    sleeper = found("sleep", holder)
    pile = [stage.start("flock pile-up", ["flock", stage.path("pile.lock"), "true"]) for _ in range(50)]
    for number, waiter in enumerate(pile):
        case(f"flock pile-up {number}", waiter.pid, "lock_held", resource="pile.lock", roots=[holder.pid, sleeper])
    timed = stage.start("flock -w", ["flock", "-w", "100000", stage.path("pile.lock"), "true"])
    case("flock -w", timed.pid, "lock_held", resource="pile.lock", roots=[holder.pid, sleeper])
    stage.write("posix.lock", "")
    owner = python("posix lock", POSIX_LOCK, stdout=subprocess.PIPE)
    owner.stdout.readline()
    waiter = python("posix lock", POSIX_LOCK)
    keep += [owner, waiter]
    case("a POSIX lock", waiter.pid, "lock_held", resource="posix.lock", root=owner.pid)

    # make's jobserver, all of whose tokens are taken
    os.mkfifo(stage.path("tokens"))
    tokens = os.open(stage.path("tokens"), os.O_RDWR)
    os.set_inheritable(tokens, True)
    stage.write("Makefile", "all: one two\none two:\n\tsleep 100000\n")
    make = stage.start("make", ["make", "-f", stage.path("Makefile")], pass_fds=(tokens,),
                       env={"MAKEFLAGS": f" -j2 --jobserver-auth={tokens},{tokens}", "MAKELEVEL": "1"})
    case("make without a token", make.pid, "peer_busy peer_sleeping peer_waiting peer_idle awaiting_child parked",
         hidden=True)

    # ---- file systems
    cases += frozen(stage)

    # ---- terminals, threads
    master, terminal = pty.openpty()

    def own():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    shell_ = stage.start("a job in the background", ["bash", "--norc", "-i"], stdin=terminal, stdout=terminal,
                         stderr=terminal, preexec_fn=own)
    os.close(terminal)
    seen = b""
    while b"# " not in seen and b"$ " not in seen:
        seen += os.read(master, 4096)
    os.write(master, b"cat &\r")
    reader = found("cat", shell_)
    case("a job in the background that wants input", reader, "stopped")
    keep.append(master)

    java = stage.start("java deadlock", ["java", "-Xmx32m", stage.path("Deadlock.java")])
    case("two Java threads in deadlock", java.pid, "parked awaiting_child", hidden=True, explain="jstack")

    stage.keep = keep
    return {"cases": cases}


def frozen(stage):
    """A file system under fsfreeze, where loop devices can be made."""
    image = stage.path("image")
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    folder = stage.folder_of("frozen")
    try:
        subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, folder], check=True, capture_output=True)
        subprocess.run(["fsfreeze", "-f", folder], check=True, capture_output=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        answer = (getattr(error, "stderr", b"") or b"").decode().strip()
        stage.say(skipped="a file system under fsfreeze", why=answer or str(error))
        return []

    def thaw():
        subprocess.run(["fsfreeze", "-u", folder], capture_output=True, timeout=10)
        subprocess.run(["umount", "-l", folder], capture_output=True, timeout=10)
    stage.at_end.append(thaw)
    writer = stage.start("dd", ["dd", "if=/dev/zero", f"of={folder}/file", "bs=4096", "count=1"])
    return [{"name": "a writer to a frozen file system", "pid": writer.pid, "reasons": ["kernel_stuck"]}]


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def comm(pid):
    return read(f"/proc/{pid}/comm").strip()


def below(stage, ancestor, name):
    parents = stage.descendants()
    for pid in parents:
        at = parents[pid]
        while at in parents and at != ancestor:
            at = parents[at]
        if at == ancestor and comm(pid) == name:
            return pid
    return None


play(script)
