"""Each check of the soak fires, and does not fire when all is well. Needs neither root nor blockwatch."""

from __future__ import annotations

import copy
import json
import os
import pathlib
import sys
import tempfile
import time
import unittest
from datetime import datetime, timezone

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import flatness  # noqa: E402
import hangs  # noqa: E402
import processes  # noqa: E402
from controls import Controls  # noqa: E402
from ledger import Ledger  # noqa: E402
from quiet_checks import Lines  # noqa: E402


def call(action: str, name: str = "a", seconds: float = 1, tid: int = 7, **more) -> dict:
    return {
        "event": {"action": action, "id": name, "duration": int(seconds * 1e9)},
        "process": {"pid": tid, "thread": {"id": tid}, "start": "2026-01-01T00:00:00.000000Z"},
        "verdict": "stuck",
        "reason": "peer_gone",
        **more,
    }


TOTALS = {"blocked": 1, "still_blocked": 0, "returned": 0, "ended": 1, "slow": 0}
STARTED = {"event": {"action": "started"}}


def stopped(is_open: int = 0, **totals) -> dict:
    return {"event": {"action": "stopped"}, "blockwatch": {"open": is_open, "totals": {**TOTALS, **totals}}}


GOOD = [STARTED, call("blocked"), call("ended", seconds=2), stopped()]


class Stream(unittest.TestCase):
    def failures(self, records: list, rest: bytes = b"", refuse: str = "") -> list[str]:
        found: list[str] = []
        ledger = Ledger(
            lambda check, text: found.append(f"{check}: {text}"),
            lambda record: refuse if refuse and record["event"]["action"] == refuse else None,
        )
        for number, record in enumerate(records, 1):
            if isinstance(record, dict):
                record = copy.deepcopy(record)
                record["event"].setdefault("sequence", number)
                record = json.dumps(record).encode()
            ledger.take(record)
        ledger.end(rest)
        return found

    def expect(self, wanted: str, records: list, **more) -> None:
        found = self.failures(records, **more)
        self.assertTrue(any(wanted in text for text in found), f"{wanted!r} is not in {found}")

    def test_a_good_one_is_good(self):
        self.assertEqual(self.failures(GOOD), [])
        self.assertEqual(self.failures([STARTED, call("blocked"), stopped(is_open=1, ended=0)]), [], "closed by stopped")
        for reason in ("scanning less often", "blockwatch itself was held up for 2.9s"):
            loss = {"event": {"action": "loss"}, "loss": {"reason": reason}}
            self.assertEqual(self.failures([*GOOD[:3], loss, stopped()]), [], "the machine was busy")

    def test_what_looks_alone_miss_is_lost_only_where_the_probes_were_out(self):
        loss = {"event": {"action": "loss"}, "loss": {"reason": "while the probes were out, a call was over"}}
        gone = {"event": {"action": "engine"}, "blockwatch": {"engine": "scan"}}
        self.assertEqual(self.failures([*GOOD[:3], gone, loss, stopped()]), [])
        self.assertTrue(any(text.startswith("loss:") for text in self.failures([*GOOD[:3], loss, stopped()])))

    def test_each_fault_is_seen(self):
        def at(index, record):
            return [*GOOD[:index], record, *GOOD[index:]]

        gap = copy.deepcopy(GOOD)
        gap[2]["event"]["sequence"] = 4
        self.expect("event.sequence 4 follows 2", gap)
        self.expect("a line of", at(3, call("slow", "b", message="x" * 4080)))
        self.expect("is no record", at(3, b'{"event":'))
        self.expect("is no record", at(3, b'{"event":{}}'))
        self.expect("control character", at(3, b'{"event":{"action":"x","sequence":4},"a":"\x7f"}'))
        self.expect("line 1 is blocked", GOOD[1:])
        self.expect("line 2 is started", at(1, STARTED))
        self.expect("after stopped", [*GOOD, call("slow", "b")])
        self.expect("not stopped", GOOD[:3])
        self.expect("has no end", GOOD, rest=b"{")
        self.expect("schema: ended", GOOD, refuse="ended")
        self.expect("a call that is closed", at(3, call("ended", seconds=2)))
        self.expect("a call that is closed", at(3, call("blocked")))
        self.expect("a second time", at(2, call("blocked")))
        self.expect("never blocked", at(1, call("returned", "b")))
        self.expect("never blocked", at(1, call("still_blocked", "b")))
        self.expect("shorter", at(2, call("still_blocked", seconds=0.5)))
        self.expect("slow, and blocked", at(2, call("slow")))
        self.expect("loss:", at(3, {"event": {"action": "loss"}, "loss": {"reason": "the ring buffer was full"}}))
        self.expect("stopped counts 2 blocked, and 1 came", [*GOOD[:3], stopped(blocked=2)])
        self.expect("closes 0 calls, and 1 are open", [*GOOD[:2], stopped(ended=0)])


class Rest(unittest.TestCase):
    def failures(self, at_rest: bool = True, start: float = 0, **more) -> list[str]:
        found: list[str] = []
        controls = Controls(lambda check, text: found.append(check))
        own = os.getpid()
        controls.add(own, "redis", at_rest)
        record = call("blocked", tid=own, **more)
        moment = datetime.fromtimestamp(processes.started_at(own) + start, timezone.utc)
        record["process"]["start"] = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        controls.take(record)
        return found

    def test_what_is_at_rest_is_idle(self):
        self.assertEqual(self.failures(verdict="idle", reason="parked"), [])
        self.assertEqual(self.failures(verdict="busy", reason="in_progress"), [])
        self.assertEqual(self.failures(verdict="stuck", reason="stopped"), ["false"])
        self.assertEqual(self.failures(verdict="deadlock", reason="cycle"), ["false"])
        self.assertEqual(self.failures(verdict="waiting", reason="reply_pending"), ["false"])

    def test_what_is_at_work_may_wait(self):
        self.assertEqual(self.failures(at_rest=False, verdict="busy", reason="peer_busy"), [])
        self.assertEqual(self.failures(at_rest=False, verdict="stuck", reason="peer_gone"), ["false"])

    def test_another_process_of_that_number_is_not_meant(self):
        self.assertEqual(self.failures(start=5, verdict="stuck", reason="stopped"), [])


class Planted(unittest.TestCase):
    def setUp(self):
        self.found: list[str] = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="blockwatch-soak-"))
        self.loop = processes.Loop()
        self.planter = hangs.Planter(
            self.loop, self.folder, {}, 0.01, 0.1, 1, lambda check, text: self.found.append(f"{check}: {text}")
        )

    def tearDown(self):
        self.planter.close()
        processes.reap()
        self.folder.rmdir()

    def hang(self, mode: str = "pipe-read", **says) -> hangs.Hang:
        process = processes.start(["sleep", "60"], stdin=-3, stdout=-1)
        (self.folder / "hang").mkdir(exist_ok=True)
        hang = hangs.Hang(mode, "x86_64", self.folder / "hang", process, 0.5)
        self.planter.alive.append(hang)
        self.planter.counts[mode] = hangs.Count(planted=1)
        self.says = {"pid": process.pid, "tid": process.pid, "kind": "pipe", "syscall": "read", "number": 0, "abi": "x86_64"}
        self.planter.hear(hang, json.dumps({**self.says, **says}).encode())
        return hang

    def told(self, hang: hangs.Hang, action: str, **more) -> None:
        record = {
            **call(action, tid=hang.process.pid),
            "resource": {"kind": "pipe"},
            "syscall": {"name": "read", "number": 0, "abi": "x86_64"},
            "root": {"kind": "nobody"},
            **more,
        }
        self.planter.take(record, time.monotonic())

    def wait(self, is_over, seconds: float = 5) -> None:
        end = time.monotonic() + seconds
        while not is_over():
            self.assertLess(time.monotonic(), end, self.found)
            self.loop.turn(time.monotonic() + 0.05)

    def test_told_right_and_closed(self):
        hang = self.hang()
        self.told(hang, "blocked")
        self.wait(lambda: hang.ended_at)
        self.told(hang, "ended")
        self.assertEqual(self.found, [])
        self.assertEqual((self.planter.counts["pipe-read"].found, self.planter.counts["pipe-read"].closed), (1, 1))

    def test_never_told(self):
        hang = self.hang()
        self.wait(lambda: hang.is_over)
        self.assertIn("missed: pipe-read", self.found[0])

    def test_told_wrong(self):
        for more in ({"verdict": "waiting"}, {"reason": "lock_held"}, {"root": {"kind": "process"}}, {"root": {}},
                     {"resource": {"kind": "fifo"}}, {"syscall": {"name": "write", "number": 1, "abi": "x86_64"}}):  # fmt: skip
            self.found.clear()
            hang = self.hang()
            self.told(hang, "blocked", **more)
            self.wait(lambda: hang.is_over)
            self.assertIn("wrong: pipe-read", self.found[0])

    def test_another_root(self):
        hang = self.hang("chain-three", root_pid=1)
        self.told(hang, "blocked", reason="peer_stuck", root={"kind": "process", "pid": 2})
        self.wait(lambda: hang.is_over)
        self.assertIn("root.pid is 2, not 1", self.found[0])

    def test_right_and_then_wrong(self):
        hang = self.hang()
        self.told(hang, "blocked")
        self.told(hang, "still_blocked", verdict="idle")
        self.assertIn("was told right, and then", self.found[0])

    def test_closed_while_it_hangs(self):
        hang = self.hang()
        self.told(hang, "blocked")
        self.told(hang, "returned")
        self.assertIn("is in its call, and was told as returned", self.found[0])

    def test_closed_as_something_else(self):
        hang = self.hang()
        self.told(hang, "blocked")
        self.planter.end(hang)
        hang.closing = ("returned",)
        self.told(hang, "ended")
        self.assertIn("closed by ended, not by returned", self.found[0])

    def test_nobody_saw_how_it_ended_where_the_probes_were_out(self):
        hang = self.hang()
        self.told(hang, "blocked")
        self.planter.take_engine("scan", time.monotonic())
        self.planter.end(hang)
        hang.closing = ("returned",)
        self.told(hang, "ended")
        self.assertEqual(self.found, [])

    def test_never_closed(self):
        hang = self.hang()
        self.told(hang, "blocked")
        self.wait(lambda: hang.is_over)
        self.assertIn("not closed: pipe-read", self.found[0])

    def test_deadlocks(self):
        hang = self.hang("deadlock-flock", members_count=1, member_0=99)
        self.planter.take({"event": {"action": "deadlock"}, "members": [{"tid": self.says["tid"]}, {"tid": 3}]}, 0)
        self.assertIn("a deadlock of", self.found[0])
        hang.right_at, hang.deadlock_told = time.monotonic(), False
        self.wait(lambda: len(self.found) > 1)
        self.assertIn("no deadlock record", self.found[1])


class Time(unittest.TestCase):
    def test_a_limit_is_longer_by_what_this_host_is_held_up(self):
        loop, fired = processes.Loop(), []
        start = time.monotonic()
        loop.after(0.1, lambda: fired.append(time.monotonic() - start))
        loop.at(start, time.sleep, 0.4)
        while not fired:
            loop.turn(time.monotonic() + 0.05)
        self.assertGreater(fired[0], 0.5)
        self.assertGreater(loop.held_up, 0.3)

    def test_and_by_nothing_else(self):
        loop, fired = processes.Loop(), []
        start = time.monotonic()
        loop.after(0.1, lambda: fired.append(time.monotonic() - start))
        while not fired:
            loop.turn(time.monotonic() + 0.05)
        self.assertLess(fired[0], 0.1 + loop.held_up + loop.HELD_UP)


class Growing(unittest.TestCase):
    def grown(self, seconds: int = 120, **figures) -> list[str]:
        """Each figure as a function of the second, beside a watcher that is flat but for noise."""
        flat = {
            "memory": lambda second: 25 * flatness.MEGABYTE + second * 7919 % 13 * 4096,
            "threads": lambda second: 8 + second % 2,
            "descriptors": lambda second: 60 + second % 3,
            "bpf": lambda second: 33,
            "map_bytes": lambda second: 3348888 + second % 5,
            "questions": lambda second: second % 4,
        }
        samples = []
        for second in range(seconds):
            values = {name: figure(second) for name, figure in {**flat, **figures}.items()}
            elements = {"questions": values.pop("questions"), "tables": second}
            samples.append(flatness.Sample(at=second, peak=values["memory"], elements=elements, **values))
        return [f"{growth.what}: {growth.grown}" for growth in flatness.growths(samples) if growth.grown]

    def test_flat_is_flat(self):
        self.assertEqual(self.grown(), [])
        self.assertEqual(self.grown(3600), [])

    def test_one_step_of_half_a_megabyte_is_no_growth(self):
        def step(second):
            return 25 * flatness.MEGABYTE + (flatness.MEGABYTE // 2 if second > 60 else 0)

        self.assertEqual(self.grown(memory=step), [])

    def test_memory_that_grows(self):
        def leak(bytes_a_second):
            return lambda second: 25 * flatness.MEGABYTE + second * bytes_a_second + second * 7919 % 13 * 4096

        self.assertIn("resident memory: more than 1 MB and 3 %", self.grown(memory=leak(40_000))[0])
        # 1.4 MB an hour
        self.assertIn("MB an hour", self.grown(3600, memory=leak(400))[0])
        self.assertEqual(self.grown(3600, memory=leak(200)), [], "0.7 MB an hour are allowed")

    def test_each_figure_that_grows(self):
        for name, figure in {
            "descriptors": lambda second: 60 + second % 3 + second // 30,
            "threads": lambda second: 8 + second // 20,
            "bpf": lambda second: 33 + second // 60 + (second % 7 == 0),
            "map_bytes": lambda second: 3348888 + second,
            "questions": lambda second: second // 20,
        }.items():
            self.assertEqual(len(self.grown(**{name: figure})), 1, name)

    def test_nothing_is_said_of_too_little(self):
        with self.assertRaises(ValueError):
            self.grown(20)


class QuietHost(unittest.TestCase):
    """What `make quiet` lets pass, and what not."""

    SUMMARY = {"event": {"action": "summary"}, "blockwatch": {"idle_by_reason": {"parked": 3}, "busy_by_reason": {}}}

    def failures(self, *records: dict) -> list[str]:
        lines = Lines("/quiet", "/hung")
        told = self.said("blocked", 5.1, "stuck", group="/hung")
        for record in [self.SUMMARY, told, *records]:
            lines.take(record)
        return lines.failures(20)

    @staticmethod
    def said(action: str, seconds: float, verdict: str, reason: str = "peer_busy", name: str = "a", group: str = "/quiet/x") -> dict:
        record = call(action, name, seconds, verdict=verdict, reason=reason, cgroup={"path": group}, message="m")
        return {"@timestamp": "2026-01-01T00:00:00.000000Z", **record}

    def test_long_busy_ones_once_and_what_others_do(self):
        long = [self.said("blocked", 61, "busy"), self.said("returned", 90, "busy")]
        self.assertEqual(self.failures(*long, self.said("blocked", 62, "busy", name="b")), [])
        self.assertEqual(self.failures(self.said("blocked", 9, "stuck", group="/other")), [])

    def test_whatever_else_is_said_of_them(self):
        for verdict, reason in [("stuck", "peer_stuck"), ("waiting", "unknown"), ("deadlock", "cycle"), ("idle", "parked")]:
            for action in ("blocked", "still_blocked", "slow"):
                self.assertEqual(len(self.failures(self.said(action, 61, verdict, reason))), 1, f"{action} {verdict}")

    def test_a_busy_one_that_is_short_or_said_twice(self):
        self.assertEqual(len(self.failures(self.said("blocked", 6, "busy"))), 1)
        self.assertEqual(len(self.failures(self.said("slow", 6, "busy"))), 1)
        twice = [self.said("blocked", 61, "busy"), self.said("still_blocked", 80, "busy")]
        self.assertEqual(len(self.failures(*twice)), 1)
        other = [self.said("blocked", 61, "busy"), self.said("still_blocked", 80, "busy", "in_progress")]
        self.assertEqual(len(self.failures(*other)), 1, "another reason is no news")

    def test_a_watch_that_says_nothing_at_all(self):
        lines = Lines("/quiet", "/hung")
        self.assertEqual(len(lines.failures(20)), 2, "neither the hang nor a summary")


class Modes(unittest.TestCase):
    def test_a_mode_that_nobody_knows_is_refused(self):
        with tempfile.TemporaryDirectory(prefix="blockwatch-soak-") as folder:
            program = pathlib.Path(folder) / "hang"
            program.write_text("#!/bin/sh\necho 'pipe-read  a read'\necho 'new-mode  something'\n")
            program.chmod(0o755)
            with self.assertRaisesRegex(ValueError, "new-mode"):
                hangs.modes_of(str(program))


if __name__ == "__main__":
    unittest.main()
