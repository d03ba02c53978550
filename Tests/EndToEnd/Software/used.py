"""Clients and workers that are used while they are watched: each asks, gets an answer, and rests on its connection.

As a program: one of them, in a process of its own. `SIGUSR1` to idle.py makes all of them ask again.
"""
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

# how a client rests between two questions; it asks again when a line comes on its stdin
HOWS = ("poll", "epoll", "select", "recv", "clock")


def connect(address):
    for _ in range(600):
        made = socket.socket(socket.AF_UNIX if address.startswith("/") else socket.AF_INET)
        try:
            made.connect(address if address.startswith("/") else ("127.0.0.1", int(address)))
            return made
        except OSError:
            made.close()
            time.sleep(0.1)
    raise TimeoutError(f"nobody listens on {address}")


def client(address, how, request, times):
    """Asks so often, one after the other, and then rests; `clock`: asks again and again by its own clock."""
    made = connect(address)
    for _ in range(int(times)):
        made.sendall(request.encode().decode("unicode_escape").encode("latin1"))
        made.recv(65536)
    print("rests", flush=True)
    if how == "recv":
        while made.recv(65536):
            pass
    elif how == "select":
        while True:
            if select.select([made], [], [], 3)[0]:
                made.recv(65536)
    elif how == "clock":
        while True:
            time.sleep(4)
            made.sendall(request.encode().decode("unicode_escape").encode("latin1"))
            made.recv(65536)
    else:
        waits = select.poll() if how == "poll" else select.epoll()
        waits.register(made, select.POLLIN)
        while waits.poll():
            if not made.recv(65536):
                return


def worker(address, request, first=None):
    """Asks for work, and again when it has got some: the answer comes when there is some."""
    made = connect(address)
    if first:
        made.sendall(first.encode().decode("unicode_escape").encode("latin1"))
        made.recv(65536)
    while True:
        made.sendall(request.encode().decode("unicode_escape").encode("latin1"))
        if not made.recv(65536):
            return
        print("had work", flush=True)


def server(address, kind):
    """A server of lines, a process or a thread for each client; a datagram server."""
    import socketserver

    class Lines(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                self.wfile.write(line)

    class Datagrams(socketserver.BaseRequestHandler):
        def handle(self):
            self.request[1].sendto(self.request[0], self.client_address)

    if kind == "datagram":
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", int(address)))
        while True:
            data, peer = made.recvfrom(99)
            made.sendto(data, peer)
    base = socketserver.UnixStreamServer if address.startswith("/") else socketserver.TCPServer
    mix = socketserver.ForkingMixIn if kind == "forking" else socketserver.ThreadingMixIn
    made = type("Server", (mix, base), {"daemon_threads": True, "allow_reuse_address": True})
    made(address if address.startswith("/") else ("127.0.0.1", int(address)), Lines).serve_forever()


def parent(kind):
    """A process and its children, which talk by pipes, pairs and queues."""
    import multiprocessing

    def echo(channel):
        while True:
            channel.send(channel.recv())

    def take(source, target):
        while True:
            target.put(source.get())

    if kind == "manager":
        manager = multiprocessing.Manager()
        names = manager.dict()
        names["a"] = 1
    elif kind == "pipe":
        own, others = multiprocessing.Pipe()
        multiprocessing.Process(target=echo, args=(others,)).start()
        for _ in range(2):
            own.send(1)
            own.recv()
    elif kind == "queue":
        source, target = multiprocessing.SimpleQueue(), multiprocessing.SimpleQueue()
        for _ in range(3):
            multiprocessing.Process(target=take, args=(source, target)).start()
        for number in range(9):
            source.put(number)
        for _ in range(9):
            target.get()
    elif kind == "filter":
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2):
            os.write(child.stdin.fileno(), b"x\n")
            os.read(child.stdout.fileno(), 9)
        print("rests", flush=True)
        select.select([child.stdout], [], [])
    elif kind == "master":
        # wakes itself by a pipe that its workers have inherited; they share its LISTEN socket
        reader, writer = os.pipe()
        listener = socket.create_server(("127.0.0.1", int(sys.argv[3])))
        for _ in range(2):
            if os.fork() == 0:
                while True:
                    made = listener.accept()[0]
                    while data := made.recv(99):
                        made.sendall(data)
        print("rests", flush=True)
        while not select.select([reader], [], [], 1)[0]:
            pass
    print("rests", flush=True)
    signal.pause()


REDIS_WORK = (["lpush", "work", "x"], ["xadd", "stream", "*", "a", "b"], ["publish", "news", "x"])
HTTP = r"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
FORKING, THREADING, DATAGRAM, MASTER, CLUSTER, EVENTS, GUNICORN, UWSGI, BEANSTALK, HAPROXY, SOCAT = range(7021, 7032)
APPLICATION = """
def application(environment, start):
    start("200 OK", [("Content-Length", "1")])
    return [b"x"]
"""
CLUSTERED = """
const cluster = require("cluster"), http = require("http");
if (cluster.isPrimary) { cluster.fork(); cluster.fork(); } else {
  const server = http.createServer((request, response) => response.end("x"));
  server.keepAliveTimeout = 3600e3; server.listen(%d, "127.0.0.1");
}
""" % CLUSTER
# server-sent events: an answer that has no end
EVENT_SERVER = """
require("http").createServer((request, response) => {
  response.writeHead(200, {"content-type": "text/event-stream"}); response.write("data: 1\\n\\n");
}).listen(%d, "127.0.0.1");
""" % EVENTS


def start(stage, servers):
    """Starts all of it, and says how it is used again."""
    program = ["python3", "-u", os.path.abspath(__file__)]
    asked = []

    def begin(name, *arguments, word="rests"):
        stage.start(name, [*program, *map(str, arguments)])
        asked.append((name, word))

    def clients(name, address, request, times=2, hows=HOWS):
        for how in hows:
            begin(f"{name} by {how}", "client", address, how, request, times)

    unix = stage.path("forking.sock")
    stage.start("forking server", [*program, "server", str(FORKING), "forking"])
    stage.start("forking server on a unix socket", [*program, "server", unix, "forking"])
    stage.start("threading server", [*program, "server", str(THREADING), "threading"])
    stage.start("datagram server", [*program, "server", str(DATAGRAM), "datagram"])
    for name, address in (("forking", FORKING), ("unix", unix), ("threading", THREADING)):
        clients(f"client of the {name} server", address, r"x\n")
    for kind in ("manager", "pipe", "queue", "filter"):
        begin(f"multiprocessing {kind}" if kind != "filter" else "filter", "parent", kind)
    begin("master and workers", "parent", "master", MASTER)
    clients("client of the workers", MASTER, r"x\n", hows=("poll", "recv"))

    stage.start("node cluster", ["node", stage.write("cluster.js", CLUSTERED)])
    stage.start("event server", ["node", "-e", EVENT_SERVER])
    clients("client of the cluster", CLUSTER, HTTP, hows=("poll", "clock"))
    clients("client of events", EVENTS, HTTP, times=1, hows=("poll", "recv", "select"))
    clients("client of memcached", servers.MEMCACHED, r"version\r\n")
    clients("client of nginx", servers.NGINX, HTTP, hows=("poll", "clock"))
    clients("subscriber", servers.REDIS, r"SUBSCRIBE news\r\n", times=1, hows=("poll", "recv"))
    begin("worker of a list", "worker", servers.REDIS, r"BLPOP work 0\r\n", word="had work")
    begin("worker of a stream", "worker", servers.REDIS, r"XREAD BLOCK 0 STREAMS stream $\r\n", word="had work")
    redis = ["redis-cli", "-p", str(servers.REDIS)]

    stage.write("served.py", APPLICATION)
    web = [GUNICORN]
    stage.start("gunicorn", ["gunicorn", "--chdir", stage.folder, "-w", "2", "-b", f"127.0.0.1:{GUNICORN}", "served:application"])
    for place, options in enumerate((["-p", "1", "--threads", "3"], ["-p", "2", "--threads", "2", "--thunder-lock"])):
        web.append(UWSGI + 100 + place)
        stage.start("uwsgi", ["uwsgi", "--plugin", "python3", "--http-socket", f"127.0.0.1:{web[-1]}", "--chdir", stage.folder,
                              "--wsgi-file", "served.py", "--master", *options])
    stage.start("haproxy", ["haproxy", "-db", "-f", stage.write("haproxy.cfg", f"""
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 5s
listen proxy
  bind 127.0.0.1:{HAPROXY}
  server one 127.0.0.1:{servers.NGINX}
""")])
    clients("client of haproxy", HAPROXY, HTTP, hows=("poll", "clock"))
    stage.start("socat", ["socat", f"TCP-LISTEN:{SOCAT},fork,reuseaddr,bind=127.0.0.1", "SYSTEM:cat"])
    clients("client of socat", SOCAT, r"x\n", hows=("poll", "clock"))
    stage.start("beanstalkd", ["beanstalkd", "-l", "127.0.0.1", "-p", str(BEANSTALK)])
    begin("worker of beanstalkd", "worker", BEANSTALK, r"reserve\r\n", r"put 0 0 3600 1\r\nx\r\n",
          word="had work")

    stage.start("a daemon's log", ["bash", "-c", f"python3 -u -m http.server {BEANSTALK + 50} --bind 127.0.0.1 2>&1 | cat"])
    stage.connect(servers.SSH).close()
    control = ["-o", f"ControlPath={stage.path('control')}"]
    stage.run(servers.ssh_client(stage, "true", options=["-o", "ControlMaster=auto", "-o", "ControlPersist=3600", *control]))
    parents = stage.descendants()
    for pid in parents:
        if stage.name(pid, parents) is None:
            stage.names[pid] = "ssh master"
    logical = ["pg_recvlogical", "-h", "127.0.0.1", "-p", str(servers.POSTGRES), "-U", "postgres", "-d", "postgres",
               "--slot", "slot", "-P", "test_decoding"]
    stage.connect(servers.POSTGRES).close()
    # before the server has said that it is ready it refuses
    stage.until("the slot", lambda: subprocess.run([*logical, "--create-slot"], stderr=subprocess.DEVNULL).returncode == 0)
    stage.start("pg_recvlogical", [*logical, "--start", "-f", "-"])

    def said(name):
        return os.path.exists(stage.path(f"{name}.log")) and open(stage.path(f"{name}.log"), "rb").read()

    def use():
        for command in REDIS_WORK:
            subprocess.run([*redis, *command], stdout=subprocess.DEVNULL)
        for port in web:
            for _ in range(4):
                stage.ask(port, HTTP.encode().decode("unicode_escape").encode(), b"x").close()
        stage.ask(BEANSTALK + 50, servers.get(), b"\r\n\r\n").close()
        stage.run(servers.ssh_client(stage, "true", options=control))
        subprocess.run(["psql", "-X", "-h", "127.0.0.1", "-p", str(servers.POSTGRES), "-U", "postgres", "-c",
                        "create table if not exists used (a int); insert into used values (1)"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    stage.until("the workers' first work", lambda: use() or all(word.encode() in said(name) for name, word in asked))
    stage.use = use


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:] if sys.argv[1] != "parent" else sys.argv[2:3])
