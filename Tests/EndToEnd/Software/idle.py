#!/usr/bin/env python3
"""Real software at rest: each is used once and then left alone, and used again on SIGUSR1."""
import fcntl
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
import threading

import servers
import used
from software import mount, play, MS_BIND

POOL = """
import multiprocessing, signal
def work(x): return x
if __name__ == "__main__":
    pool = multiprocessing.Pool(3)
    pool.map(work, range(9))
    open("pool.ready", "w")
    signal.pause()
"""

JAVA = """
import java.util.concurrent.*;
public class Rest {
    public static void main(String[] arguments) throws Exception {
        var pool = Executors.newFixedThreadPool(8);
        for (int i = 0; i < 8; i++) pool.submit(() -> 1).get();
        var timer = Executors.newScheduledThreadPool(2);
        timer.schedule(() -> 1, 1, TimeUnit.HOURS);
        new java.net.ServerSocket(%d).accept();
    }
}
""" % servers.JAVA

# connections that are kept: of a pool, of a browser
CLIENT = """
const http = require("http"), net = require("net");
const agent = new http.Agent({keepAlive: true, maxSockets: 4});
for (let i = 0; i < 4; i++)
  http.get({port: %d, host: "127.0.0.1", agent}, response => response.resume());
const pool = [];
for (let i = 0; i < 3; i++) {
  const made = net.connect(%d, "127.0.0.1", () => made.write("PING\\r\\n"));
  made.on("data", () => { pool.push(made); if (pool.length == 3) require("fs").writeFileSync("node.ready", ""); });
}
""" % (servers.NGINX, servers.REDIS)

SELF_PIPE = """
import os, select, signal, socket
r, w = os.pipe(); a, b = socket.socketpair()
os.write(w, b"x"); os.read(r, 1); b.send(b"x"); a.recv(1)
os.mkfifo("own.fifo"); both = os.open("own.fifo", os.O_RDWR)
open("self.ready", "w")
select.select([r, a, both], [], [])
"""


def on_terminal(stage, name, arguments):
    """Starts a program on a pseudo terminal of its own; its master is read for good."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def own():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = stage.start(name, arguments, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own)
    os.close(slave)
    seen = bytearray()

    def read():
        while True:
            try:
                more = os.read(master, 4096)
            except OSError:
                return
            seen.extend(more)
    threading.Thread(target=read, daemon=True).start()
    return process, master, seen


def script(stage):
    keep = []
    redis = servers.redis(stage)
    servers.memcached(stage)
    servers.nginx(stage)
    servers.python(stage)
    servers.node(stage)
    servers.ssh(stage)
    servers.postgres(stage)
    servers.mariadb(stage)
    servers.apache(stage)
    servers.dbus(stage)

    # the host's own jobs are none of this test's business
    for folder in ("/etc/cron.d", "/var/spool/cron"):
        if os.path.isdir(folder):
            mount("tmpfs", folder, "tmpfs", 0)
    os.makedirs("/var/spool/cron/crontabs", exist_ok=True)
    if os.path.exists("/etc/crontab"):
        mount(stage.write("crontab", ""), "/etc/crontab", None, MS_BIND)
    stage.start("cron", ["cron", "-f"])

    log = stage.path("log.sock")
    stage.start("rsyslog", ["rsyslogd", "-n", "-i", stage.path("rsyslog.pid"), "-f", stage.write("rsyslog.conf", f"""
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{log}")
*.* {stage.path("rsyslog.out")}
""")])
    stage.until("rsyslog's socket", lambda: os.path.exists(log))
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.sendto(b"<13>here: a line", log)
    stage.until("the line in rsyslog's file", lambda: os.path.exists(stage.path("rsyslog.out")))

    followed = stage.write("followed", "a line with y\n")
    tail = stage.start("tail | grep", ["bash", "-c", f"tail -f {followed} | grep --line-buffered y"])
    stage.until("the line through tail and grep",
                lambda: b"y" in open(stage.path("tail | grep.log"), "rb").read())

    tmux = ["tmux", "-S", stage.path("tmux.sock"), "-f", "/dev/null"]
    stage.run([*tmux, "new-session", "-d", "bash --norc"], env={**os.environ, "TERM": "xterm", "TMUX": ""})
    stage.run([*tmux, "new-window", "bash --norc"])
    stage.run([*tmux, "send-keys", f"echo > {stage.path('tmux.ready')}", "Enter"])
    # the server is nobody's child any more: ours
    stage.until("what the shell in tmux wrote", lambda: os.path.exists(stage.path("tmux.ready")))
    parents = stage.descendants()
    for pid in parents:
        if stage.name(pid, parents) is None:
            stage.names[pid] = "tmux"
    client, master, _ = on_terminal(stage, "tmux client", ["env", "TERM=xterm", *tmux, "attach"])

    stage.write("Rest.java", JAVA)
    stage.start("java", ["java", "-Xmx64m", stage.path("Rest.java")])
    stage.write("pool.py", POOL)
    stage.start("multiprocessing", ["python3", stage.path("pool.py")])
    stage.start("self-pipe", ["python3", "-c", SELF_PIPE])
    stage.start("io_uring", [os.environ["BLOCKWATCH_PROGRAMS"] + "/hang", "io-uring-enter", stage.folder])
    # a Swift program
    stage.start("blockwatch", [os.environ["BLOCKWATCH_BINARY"], "--threshold", "10s"])

    keep += [stage.ask(servers.REDIS, b"PING\r\n") for _ in range(3)]
    keep.append(stage.ask(servers.MEMCACHED, b"version\r\n"))
    keep += [stage.ask(servers.NGINX, servers.get("/nothing"), b"</html>") for _ in range(2)]
    keep.append(stage.ask(servers.NODE, servers.get(), b"x"))
    keep.append(stage.ask(servers.APACHE, servers.get("/nothing"), b"</html>"))
    keep.append(stage.ask(servers.APACHE_TOO, servers.get("/nothing"), b"</html>"))
    stage.ask(servers.PYTHON, servers.get(), b"\r\n\r\n").close()
    keep.append(stage.connect(servers.JAVA))

    stage.start("node client", ["node", "-e", CLIENT])
    for name in ("pool", "self", "node"):
        stage.until(f"{name}.ready", lambda: os.path.exists(stage.path(f"{name}.ready")))

    # clients that wait for their user's next line
    def client_of(name, arguments, prompt, line, answer):
        process, master, seen = on_terminal(stage, name, arguments)
        # what is typed before is thrown away by some
        stage.until(f"the prompt of {name}", lambda: prompt in bytes(seen))
        os.write(master, line)
        try:
            stage.until(f"the answer to {name}", lambda: answer in bytes(seen), 15)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it says {bytes(seen)!r}")
        keep.append(master)

    stage.connect(servers.POSTGRES).close()
    stage.connect(servers.MARIADB).close()
    stage.connect(servers.SSH).close()
    client_of("psql", ["psql", "-X", "-h", "127.0.0.1", "-p", str(servers.POSTGRES), "-U", "postgres"],
              b"=# ", b"select 40 + 2;\n", b"42")
    client_of("psql on a unix socket",
              ["psql", "-X", "-h", stage.path("postgres"), "-p", str(servers.POSTGRES), "-U", "postgres"],
              b"=# ", b"select 40 + 2;\n", b"42")
    for _ in range(2):
        client_of("mariadb client", ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{servers.MARIADB}", "-uroot",
                                     "--protocol=tcp", "--ssl=0"], b"]> ", b"select 40 + 2;\n", b"42")
    client_of("redis-cli", ["redis-cli", "-p", str(servers.REDIS)], b"> ", b"echo forty-two\r", b'"forty-two"')
    client_of("ssh", servers.ssh_client(stage, "bash --norc -i", options=["-tt"]), b"# ", b"echo $((40 + 2))\n", b"42")
    client_of("shell", ["bash", "--norc", "-i"], b"# ", b"echo $((40 + 2))\n", b"42")
    client_of("python", ["python3", "-q"], b">>> ", b"40 + 2\n", b"42")
    stage.start("dbus-monitor", ["dbus-monitor", "--address", f"unix:path={stage.path('bus')}"])
    stage.until("the bus's first words", lambda: b"signal" in open(stage.path("dbus-monitor.log"), "rb").read())
    stage.keep = keep
    used.start(stage, servers)


play(script)
