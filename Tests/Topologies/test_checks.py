#!/usr/bin/python3
"""The model on situations whose truth is known, and the checks on records that are right and then spoiled. Needs no root."""

from __future__ import annotations

import copy
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import topology as shapes  # noqa: E402
from checks import Check  # noqa: E402
from truth import Truth  # noqa: E402


def flock(file: int, via: str = "own") -> dict:
    return {"on": "flock", "file": file, "via": via, "mode": "w"}


def lock(what: dict) -> dict:
    return {"how": "lock", "lock": what, "ms": -1}


def read(at: int, end: int = 0) -> dict:
    return {"how": "read", "object": at, "end": end}


def poll(*members, ms: int = -1) -> dict:
    return {"how": "poll", "members": [list(member) for member in members], "ms": ms}


def pipe(readers: list[int], writers: list[int], kind: str = "pipe") -> dict:
    return {"kind": kind, "ends": [readers, writers], "full": []}


def situation(threads: list[tuple], objects=(), stopped=(), parents=None) -> dict:
    """Threads as (process, takes, does)."""
    count = 1 + max(process for process, _, _ in threads)
    made = {
        "processes": [{"parent": (parents or {}).get(at, -1), "stopped": at in stopped} for at in range(count)],
        "objects": list(objects),
        "files": [{"inherited": []}, {"inherited": []}],
        "threads": [{"process": process, "takes": takes, "does": does} for process, takes, does in threads],
    }
    assert shapes.is_sound(made)
    return made


def crossed() -> dict:
    """Two locks in opposite order, and a third process that reads from one of the two."""
    return situation(
        [(0, [flock(0)], lock(flock(1))), (1, [flock(1)], lock(flock(0))), (2, [], read(0))], [pipe([2], [1])]
    )


class ModelTests(unittest.TestCase):
    def test_locks_in_opposite_order(self):
        truth = Truth(crossed())
        self.assertEqual(truth.deadlocks, [{0, 1}])
        self.assertEqual(truth.roots(2), {("deadlock",)})
        self.assertEqual(truth.holders(2), [{(1, None)}])

    def test_ways_out(self):
        circle = [(0, [flock(0)], poll((0, 0, "in"))), (1, [], lock(flock(0)))]
        self.assertEqual(Truth(situation(circle, [pipe([0], [1])])).deadlocks, [{0, 1}])
        timed = [(0, [flock(0)], poll((0, 0, "in"), ms=1000)), circle[1]]
        self.assertEqual(Truth(situation(timed, [pipe([0], [1])])).deadlocks, [])
        self.assertEqual(Truth(situation(circle, [pipe([0], [1])], stopped=[1])).deadlocks, [])
        sleeper = [*circle, (2, [], {"how": "sleep"})]
        self.assertEqual(Truth(situation(sleeper, [pipe([0], [1, 2])])).deadlocks, [])
        self.assertEqual(Truth(situation(sleeper, [pipe([0], [1, 2])])).roots(1), {("process", 2)})

    def test_rest(self):
        loops = [(0, [], poll((0, 0, "in"))), (1, [], poll((0, 1, "in")))]
        self.assertEqual(Truth(situation(loops, [pipe([0], [1], "stream")])).deadlocks, [])
        readers = [(0, [], read(0)), (1, [], poll((0, 1, "in")))]
        self.assertEqual(Truth(situation(readers, [pipe([0], [1], "stream")])).deadlocks, [{0, 1}])

    def test_a_lock_of_one_s_own(self):
        own = {"on": "flock", "file": 0, "via": "inherited", "mode": "w"}
        made = situation([(0, [flock(0)], {"how": "pause"})])
        made["files"][0]["inherited"] = [0]
        made["threads"][0]["does"] = lock(own)
        self.assertEqual(Truth(made).deadlocks, [{0}])

    def test_what_somebody_else_can_end_is_no_circle(self):
        # 0 waits for the dead 2, and for what 1 and 3 share; 1 waits for 0, 3 does not
        shared = {"on": "flock", "file": 0, "via": "inherited", "mode": "r"}
        made = situation([
            (0, [flock(1)], {"how": "pause"}), (1, [shared], lock(flock(1))),
            (2, [{**flock(0), "mode": "r"}, {"on": "mutex", "scope": "private", "type": 0, "index": 0}],
             lock({"on": "mutex", "scope": "private", "type": 0, "index": 0})),
            (3, [], {"how": "sleep"}),
        ])  # fmt: skip
        made["files"][0]["inherited"] = [1, 3]
        made["threads"][0]["does"] = lock(flock(0))
        truth = Truth(made)
        self.assertEqual(truth.deadlocks, [{2}])
        self.assertTrue(truth.hopeless[0] and truth.hopeless[1])


def right_records(made: dict) -> tuple[dict, dict, dict, list]:
    """What blockwatch should say of it."""
    truth = Truth(made)
    pids = {process: 100 + process for process in range(len(made["processes"]))}
    tids = {place: 1000 + place for place in truth.threads}
    records = {}
    for place in truth.threads:
        holders = [{"pid": pids[process], "relation": "owner" if thread is not None else "writer", **({} if thread is None else {"tid": tids[thread]})}
                   for process, thread in truth.holders(place)[0]]  # fmt: skip
        root = next(iter(truth.roots(place)))
        records[tids[place]] = {
            "verdict": "deadlock" if place in truth.dead else "stuck" if truth.groups[place] else "idle",
            "reason": "any", "holders": holders, "holder": {"count": len(holders)},
            "root": {"kind": root[0], **({"pid": pids[root[1]]} if len(root) > 1 else {})} if truth.groups[place] else {},
        }  # fmt: skip
    return pids, tids, records, [frozenset(tids[place] for place in circle) for circle in truth.deadlocks]


class CheckTests(unittest.TestCase):
    def wrong(self, made: dict, spoil=lambda records, circles: None) -> list[str]:
        pids, tids, records, circles = right_records(made)
        records = copy.deepcopy(records)
        spoil(records, circles)
        return Check(made, pids, tids, records, circles).run()

    def test_what_is_right_passes(self):
        self.assertEqual(self.wrong(crossed()), [])
        for seed in range(100):
            made = shapes.Maker(seed).make()
            made["processes"] = [{**process, "stopped": False} for process in made["processes"]]
            self.assertEqual(self.wrong(made), [], f"seed {seed}")

    def test_what_is_spoiled_does_not(self):
        def change(tid, **fields):
            return lambda records, circles: records[tid].update(fields)

        for name, spoil in {
            "missed": lambda records, circles: circles.clear(),
            "false": lambda records, circles: circles.append(frozenset({1002})),
            "one too many": lambda records, circles: circles.__setitem__(0, circles[0] | {1002}),
            "silence": lambda records, circles: records.pop(1002),
            "verdict": change(1000, verdict="stuck"),
            "behind is not in": change(1002, verdict="deadlock"),
            "idle": change(1000, verdict="idle"),
            "idle behind it": change(1002, verdict="idle"),
            "no holder": change(1002, holders=[], holder={"count": 0}),
            "another holder": change(1002, holders=[{"pid": 100, "relation": "writer"}]),
            "one holder more": change(1002, holders=[{"pid": 100, "relation": "writer"}, {"pid": 101, "relation": "writer"}]),
            "in line": change(1002, holders=[{"pid": 101, "relation": "queued"}]),
            "root": change(1002, root={"kind": "process", "pid": 101}),
            "no root": change(1002, root={}),
        }.items():
            with self.subTest(name):
                self.assertNotEqual(self.wrong(crossed(), spoil), [])


class ShapeTests(unittest.TestCase):
    def test_a_seed_makes_the_same_again_and_it_can_be_made_smaller(self):
        for seed in range(60):
            made = shapes.Maker(seed).make()
            self.assertEqual(made, shapes.Maker(seed).make())
            self.assertTrue(shapes.is_sound(made), f"seed {seed}")
            for smaller in filter(None, shapes.smaller_ones(made)):
                if shapes.is_sound(smaller):
                    shapes.scripts(smaller, "/nowhere")
                    Truth(smaller)


if __name__ == "__main__":
    unittest.main()
