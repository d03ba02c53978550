"""Every ignore rule of docs/runbook.md, with the hang that it is for: told without it, and with it only counted."""
import json
import os
import re
import subprocess

import programs
from programs import Case, ROOT, BLOCKWATCH, HANG

PYTHON = "/usr/bin/python3"
SLEEPER = "import time; time.sleep(7200)"


def rules() -> dict[str, str]:
    text = (ROOT / "docs/runbook.md").read_text()
    blocks = "\n".join(re.findall(r"^```conf\n(.*?)^```", text, re.S | re.M))
    return dict(re.findall(r"^ignore\.(\S+) = (.*)$", blocks, re.M))


class Runbook(Case):
    def hang(self, comm: str, program: str, *arguments, **more) -> int:
        """A process of this name. - Returns: its id."""
        link = self.folder / "bin" / comm
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.symlink_to(program)
        return self.start(link, *arguments, cwd=self.folder, **more).pid

    def waiter(self, comm: str, code: str, **more) -> int:
        return self.hang(comm, PYTHON, "-c", code, **more)

    def holder_of(self, lock: str) -> None:
        child = self.start(PYTHON, "-c", f"import fcntl, time; f = open({lock!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); time.sleep(7200)",
                           stdout=subprocess.PIPE, cwd=self.folder)
        child.stdout.readline()

    LOCK = "import fcntl; fcntl.flock(open('nightly.lock', 'w'), fcntl.LOCK_EX)"

    # one for each rule, by its name: who must hang, and for which reason

    def hang_tape(self):
        os.mkfifo(self.folder / "robot.fifo")
        return self.waiter("tape-reader", "open('robot.fifo')"), "peer_gone"

    def hang_inventory(self):
        return self.hang("netscan", HANG, "tcp-connect"), "connect_unanswered"

    def hang_nightly_queue(self):
        self.holder_of("nightly.lock")
        return self.waiter("nightly-job", self.LOCK), "lock_held"

    def hang_control_fifo(self):
        os.mkfifo(self.folder / "control.fifo")
        return self.waiter("fifo-daemon", "open('control.fifo')"), "peer_gone"

    def hang_nightly_shell(self):
        # its child is the job of the rule nightly-queue
        link = self.folder / "bin/nightly-job"
        return self.waiter("nightly-shell", f"import subprocess, sys; subprocess.run([{str(link)!r}, '-c', {self.LOCK!r}])"), "peer_stuck"

    def hang_pager(self):
        read, write = os.pipe()
        self.start(PYTHON, "-c", SLEEPER, stdin=read)
        pid = self.waiter("report", "import os\nwhile True: os.write(1, b'x' * 65536)", stdout=write)
        os.close(read)
        os.close(write)
        return pid, "send_stalled"

    def hang_lab(self):
        (self.folder / "slow").mkdir()
        server = self.start(os.path.dirname(HANG) + "/slowfs", self.folder / "slow", "100", stdout=subprocess.PIPE)
        self.assertIn(b"ready", server.stdout.readline())
        pid = self.waiter("lab-reader", f"import os; os.stat({str(self.folder / 'slow/never')!r})")
        # not even SIGKILL ends the reader as long as the server is there
        self.addCleanup(self.end, server)
        return pid, "kernel_stuck"

    def hang_debugged(self):
        return self.start(HANG, "stopped", user=65534, group=65534, extra_groups=[]).pid, "stopped"

    def hang_long_poll(self):
        return self.hang("long-poller", HANG, "epoll-silent-server"), "reply_pending"

    def hang_delayed(self):
        read, write = os.pipe()
        self.start(PYTHON, "-c", SLEEPER, stdout=write)
        pid = self.waiter("delayed-reader", "import os; os.read(0, 1)", stdin=read)
        os.close(read)
        os.close(write)
        return pid, "peer_sleeping"

    def test_every_command_of_blockwatch_in_it_is_one(self):
        text = (ROOT / "docs/runbook.md").read_text()
        commands = re.findall(r"`(blockwatch (?:snapshot|explain|doctor|replay)[^`]*)`", text) + re.findall(r"^    sudo (blockwatch .*?)(?: +#.*)?$", text, re.M)
        self.assertGreater(len(commands), 12)
        sleeper = self.waiter("sleeper", SLEEPER)
        (self.folder / "blockwatch.ndjson").write_bytes(b"")
        for command in commands:
            with self.subTest(command):
                words = command.split(" > ")[0].replace("NAME.service", "x.service").replace("--verdict REASON", "--verdict lock_held").replace("--reason REASON", "--reason lock_held")
                words = re.sub(r"\b[A-Z][A-Z_|]+\b", str(sleeper), words).split()
                done = subprocess.run([BLOCKWATCH, *words[1:]], capture_output=True, text=True, timeout=60, cwd=self.folder)
                self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")

    def records(self, name: str) -> list[dict]:
        return [json.loads(line) for line in self.text(name).split(b"\n")[:-1]]

    def test_each_rule_ignores_its_hang_and_is_counted(self):
        known = rules()
        self.assertGreater(len(known), 9)
        (self.folder / "rules.conf").write_text("".join(f"ignore.{name} = {text}\n" for name, text in known.items()))
        expected = {name: getattr(self, "hang_" + name.replace("-", "_"))() for name in known}
        options = ["--threshold", "1s", "--summary", "1s", "--format", "ndjson", "--output"]
        self.start(BLOCKWATCH, *options, self.folder / "without")
        self.start(BLOCKWATCH, *options, self.folder / "with", "--config", self.folder / "rules.conf")

        def missing():
            told = {(r["process"]["pid"], r["reason"]) for r in self.records("without") if "process" in r}
            return {name: want for name, want in expected.items() if want not in told}

        def uncounted():
            hidden = [r["blockwatch"].get("hidden", {}) for r in self.records("with") if r["event"]["action"] == "summary"]
            return {name for name in known if not hidden or not hidden[-1].get(f"ignore.{name}")}

        try:
            self.eventually("every hang told without rules", lambda: not missing(), 30)
        except AssertionError as error:
            said = [(r["process"]["pid"], r["process"]["name"], r["reason"]) for r in self.records("without") if "process" in r]
            raise AssertionError(f"{missing()} of {said}") from error
        try:
            self.eventually("every rule counted", lambda: not uncounted(), 30)
        except AssertionError as error:
            raise AssertionError(f"not counted: {uncounted()}") from error
        pids = {pid for pid, _ in expected.values()}
        self.assertEqual([r["message"] for r in self.records("with") if r.get("process", {}).get("pid") in pids], [])
