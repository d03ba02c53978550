"""Real programs, from Debian's registry, started and ended: see tools/from-debian."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEBIAN = pathlib.Path(os.environ.get("DEBIAN_FOLDER", ROOT / ".build/debian"))
BLOCKWATCH = os.environ.get("BLOCKWATCH", str(ROOT / ".build/release/blockwatch"))
HANG = os.environ.get("BLOCKWATCH_PROGRAMS", str(ROOT / ".build/programs")) + "/hang"
PACKAGING = ROOT / "packaging"
PATIENCE = 60


def environment() -> dict[str, str]:
    """The unpacked libraries, before the system's."""
    libraries = [DEBIAN / "usr/lib/syslog-ng", DEBIAN / "usr/lib/x86_64-linux-gnu", DEBIAN / "lib/x86_64-linux-gnu"]
    return os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, libraries)), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def program(name: str) -> str:
    for folder in ["usr/bin", "usr/sbin", "bin", "sbin"]:
        if (path := DEBIAN / folder / name).exists():
            return str(path)
    raise FileNotFoundError(f"{name} is not in {DEBIAN}: make test-shippers unpacks it")


def run(*arguments, **more) -> str:
    """Standard output of a program that must end with 0."""
    done = subprocess.run([str(a) for a in arguments], env=environment(), capture_output=True, text=True, timeout=PATIENCE, **more)
    if done.returncode != 0:
        raise AssertionError(f"{arguments[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


class Case(unittest.TestCase):
    """With a folder of its own, in which everything is started, and ends with it."""

    maxDiff = 4000

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="blockwatch-test."))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, *arguments, **more) -> subprocess.Popen:
        log = (self.folder / f"{pathlib.Path(str(arguments[0])).name}.stderr").open("ab")
        self.addCleanup(log.close)
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL} | more
        child = subprocess.Popen([str(a) for a in arguments], env=environment(), stderr=log, **more)
        self.addCleanup(self.end, child)
        return child

    def end(self, child: subprocess.Popen) -> None:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for pipe in [child.stdin, child.stdout]:
            if pipe:
                pipe.close()

    def eventually(self, what: str, ask, seconds: float = PATIENCE):
        """What `ask` answers, once that is something."""
        end = time.monotonic() + seconds
        while not (answer := ask()):
            if time.monotonic() > end:
                said = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in self.folder.glob("*.stderr"))
                self.fail(f"{what}: not within {seconds:.0f} s\n{said}")
            time.sleep(0.05)
        return answer

    def text(self, name: str) -> bytes:
        path = self.folder / name
        return path.read_bytes() if path.exists() else b""

    def snippet(self, name: str) -> str:
        """As it stands in packaging/, with this folder instead of the log's."""
        text = (PACKAGING / name).read_text()
        self.assertIn("/var/log/blockwatch", text)
        return text.replace("/var/log/blockwatch", str(self.folder))
