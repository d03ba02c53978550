"""What idle.py and hung.py share: programs in a network and mount namespace of their own, and their end.

Everything that is started here ends with this process: it adopts whatever its children leave behind, and ends when its
parent does or when it is told to (SIGTERM).
"""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

libc = ctypes.CDLL(None, use_errno=True)


def must(result, step):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{step}: {os.strerror(number)}")


def shell(command):
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def mount(source, target, kind, flags, data=None):
    encode = lambda text: None if text is None else text.encode()
    must(libc.mount(encode(source), encode(target), encode(kind), flags, encode(data)), f"mount {target}")


BLACK_HOLE = "192.0.2.9"
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_CHILD_SUBREAPER = 36


class Stage:
    def __init__(self):
        self.parent = os.getppid()
        self.folder = tempfile.mkdtemp(prefix="blockwatch-software-")
        os.chmod(self.folder, 0o755)
        self.names = {}  # pid: what it belongs to
        self.at_end = []
        self.ended = False
        self.use = None  # uses all of it once more
        self.is_to_use = False
        signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "is_to_use", True))
        must(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
        must(libc.unshare(0x40000000 | 0x00020000), "unshare")  # CLONE_NEWNET | CLONE_NEWNS
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        mount("tmpfs", "/run", "tmpfs", 0)
        shell("ip link set lo up")
        # whatever goes to BLACK_HOLE is lost: nobody answers, nobody refuses
        shell("ip link add hole type veth peer name nowhere && ip addr add 192.0.2.1/24 dev hole"
              " && ip link set nowhere up && ip link set hole up"
              f" && ip neigh add {BLACK_HOLE} lladdr 02:00:00:00:00:09 dev hole nud permanent")
        # whoever started this may have blocked or ignored signals that a shell's jobs live by
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.end())

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def folder_of(self, name, user=None):
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        if user:
            shutil.chown(path, user, user)
        return path

    def start(self, name, arguments, user=None, **options):
        """Starts a program that belongs to `name`, in a session of its own."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", open(self.path(f"{name}.log"), "ab"))
        options.setdefault("stderr", subprocess.STDOUT)
        options.setdefault("cwd", self.folder)
        environment = {**os.environ, "HOME": self.folder, **options.pop("env", {})}
        if user:
            arguments = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] + arguments
        process = subprocess.Popen(arguments, env=environment, start_new_session=True, **options)
        self.names[process.pid] = name
        return process

    def run(self, arguments, user=None, **options):
        """Runs something to its end."""
        if user:
            arguments = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] + arguments
        subprocess.run(arguments, check=True, stdin=subprocess.DEVNULL, stdout=open(self.path("run.log"), "ab"),
                       stderr=subprocess.STDOUT, timeout=120, cwd=self.folder, **options)

    def until(self, what, look, seconds=60):
        end = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > end:
                raise TimeoutError(f"never seen: {what}")
            time.sleep(0.02)

    def connect(self, port, host="127.0.0.1"):
        def look():
            try:
                return socket.create_connection((host, port), timeout=5)
            except OSError:
                return None
        made = self.until(f"somebody who listens on port {port}", look)
        made.settimeout(30)
        return made

    def ask(self, port, request, ending=b"\n"):
        """One exchange with a server; the connection stays."""
        made = self.connect(port)
        made.sendall(request)
        answer = b""
        while ending not in answer:
            more = made.recv(65536)
            if not more:
                raise ConnectionError(f"port {port} hung up after {answer!r}")
            answer += more
        made.settimeout(None)
        return made

    def descendants(self):
        """pid: parent of everything below this process."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as file:
                        parents[int(entry)] = int(file.read().rpartition(")")[2].split()[1])
                except (OSError, IndexError, ValueError):
                    pass
        found = {}
        grown = True
        while grown:
            grown = False
            for pid, parent in parents.items():
                if pid not in found and (parent == os.getpid() or parent in found):
                    found[pid] = parent
                    grown = True
        return found

    def name(self, pid, parents):
        """What a descendant belongs to: by itself, its parents, or the one it was seen with first."""
        at = pid
        while at in parents and at not in self.names:
            at = parents[at]
        if at in self.names:
            self.names[pid] = self.names[at]
        return self.names.get(pid)

    def say(self, **fields):
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()

    def reap(self):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    def stay(self):
        """Until somebody ends it, saying every process that belongs to it once, and using it when told to."""
        said = set()
        while os.getppid() == self.parent:
            parents = self.descendants()
            for pid in parents:
                if pid not in said:
                    said.add(pid)
                    self.say(pid=pid, software=self.name(pid, parents) or "?")
            if self.is_to_use:
                self.is_to_use = False
                self.use()
                self.say(used=True)
            time.sleep(0.25)
        self.end()

    def end(self, code=0):
        if self.ended:
            return
        self.ended = True
        for action in self.at_end:
            try:
                action()
            except OSError as error:
                print(error, file=sys.stderr)
        for _ in range(200):
            left = self.descendants()
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.reap()
            time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(code)


def play(script):
    """Runs `script(stage)`, says that it is ready, and stays."""
    stage = Stage()
    try:
        result = script(stage)
        parents = stage.descendants()
        for pid in parents:
            stage.name(pid, parents)
        stage.say(ready=True, **(result or {}))
        stage.stay()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        for name in sorted(os.listdir(stage.folder)):
            if name.endswith(".log"):
                with open(stage.path(name), errors="replace") as file:
                    text = file.read()[-600:].strip()
                if text:
                    print(f"--- {name}\n{text}", file=sys.stderr)
        sys.stderr.flush()
        stage.end(1)
