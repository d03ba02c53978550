"""What blockwatch said of a topology against what is true of it."""

from __future__ import annotations

import topology as shapes
from truth import Truth


def said_holders(record: dict) -> tuple[set[int], set[int]]:
    """Processes and single threads; those in line hold nothing."""
    holders = [holder for holder in record.get("holders", ()) if holder["relation"] != "queued"]
    return {holder["pid"] for holder in holders}, {holder["tid"] for holder in holders if holder["relation"] in ("owner", "child") and "tid" in holder}


class Check:
    """Of one topology that was played.

    `records` by thread id: the last that was said of each call; `circles`: sets of thread ids, the deadlocks that were told.
    """

    def __init__(self, topology: dict, pids: dict[int, int], tids: dict[int, int], records: dict[int, dict], circles: list[frozenset]):
        self.topology = topology
        self.truth = Truth(topology)
        self.pids, self.tids, self.records = pids, tids, records
        self.circles = [circle for circle in circles if circle & set(tids.values())]
        self.wrong: list[str] = []
        self.asked = {"holders": 0, "roots": 0, "deadlocks": 0}

    def run(self) -> list[str]:
        self.deadlocks()
        for place in self.truth.threads:
            record = self.records.get(self.tids[place])
            if not record:
                self.fail(place, "nothing was said of it")
                continue
            self.verdict(place, record)
            self.holders(place, record)
            self.root(place, record)
        return self.wrong

    def fail(self, place: int, what: str) -> None:
        does = self.topology["threads"][place]["does"]
        self.wrong.append(f"thread {place} ({does['how']}): {what}")

    # ---- one by one

    def deadlocks(self) -> None:
        true = {frozenset(self.tids[place] for place in circle) for circle in self.truth.deadlocks}
        self.asked["deadlocks"] += len(true)
        places = {tid: place for place, tid in self.tids.items()}
        for circle in true - set(self.circles):
            self.wrong.append(f"missed deadlock of threads {sorted(places[tid] for tid in circle)}")
        for circle in set(self.circles) - true:
            self.wrong.append(f"false deadlock of threads {sorted(places.get(tid, -tid) for tid in circle)}")

    def verdict(self, place: int, record: dict) -> None:
        said = f"{record['verdict']} {record['reason']}"
        if (record["verdict"] == "deadlock") != (place in self.truth.dead):
            self.fail(place, f"{said}, and it is {'' if place in self.truth.dead else 'not '}in a deadlock")
        elif self.truth.is_stopped(place):
            if record["reason"] != "stopped":
                self.fail(place, f"{said}, and it is stopped")
        elif record["verdict"] == "idle":
            does = self.truth.does(place)
            if does["how"] == "lock" and not (record["reason"] == "listening" and self.is_turn_to_accept(place)):
                self.fail(place, f"{said}, and it waits for a lock")
            elif does["how"] != "lock" and self.is_owed_by_nobody_who_can(place):
                self.fail(place, f"{said}, and nobody who could end it goes on")
        elif self.truth.does(place)["how"] in ("sleep", "pause"):
            self.fail(place, f"{said}, and it rests")

    def is_turn_to_accept(self, place: int) -> bool:
        """All run one program; a process that has the lock waits for a client, of every lock in the way."""
        return all(
            any(self.truth.does(thread)["how"] == "accept" for party in group for thread in self.truth.threads_of(party))
            for group in self.truth.groups[place]
        )

    def is_owed_by_nobody_who_can(self, place: int) -> bool:
        """A direct read or write, or a set of one, none of whose holders can go on; they are not at rest either."""
        does = self.truth.does(place)
        if not self.truth.groups[place] or self.truth.goes_on[place] or len(does.get("members", ())) > 1:
            return False
        # a server waits for requests, whatever its client does
        if "object" in does and does["end"] == 1 and self.topology["objects"][does["object"]]["kind"] == "unix":
            return False
        # so is one that has both ends of a connection to itself
        if any(self.talks_to_itself(thread) for thread in self.behind(place)):
            return False
        # its own process is the other end: threads that talk among themselves
        parties = [party for group in self.truth.groups[place] for party in group]
        own = self.topology["threads"][place]["process"]
        if all(self.truth.as_holder(party)[0] == own for party in parties):
            return False
        roots = self.truth.roots(place)
        rests = self.rests_in_circle(place)
        return bool(roots) and not rests

    def behind(self, place: int) -> set[int]:
        seen, todo = {place}, [place]
        while todo:
            for thread in self.truth.awaited(todo.pop()):
                if thread not in seen:
                    seen.add(thread)
                    todo.append(thread)
        return seen

    def talks_to_itself(self, place: int) -> bool:
        does = self.truth.does(place)
        if self.truth.groups[place] != [[]]:
            return False
        return "members" in does or self.topology["objects"][does["object"]]["kind"] not in ("pipe", "stream", "dgram", "seqpacket")

    def rests_in_circle(self, place: int) -> bool:
        """Event loops with nothing outstanding, or who waits for them."""
        seen = self.behind(place)
        return any("members" in self.truth.does(thread) for thread in seen - self.truth.dead)

    def holders(self, place: int, record: dict) -> None:
        if self.truth.is_stopped(place):
            return
        self.asked["holders"] += 1
        pids, tids = said_holders(record)
        does = self.truth.does(place)
        right = self.truth.holders(place)
        if "members" in does:
            right += [self.truth.holders_of_member(place, member) for member in does["members"]]
        told = record.get("holders", ())
        if record.get("holder", {}).get("count", 0) > len(told) and all(holder["relation"] != "queued" for holder in told):
            # a line has room for four, those in line last
            if any(len(holders) >= len(told) and pids <= {self.pids[process] for process, _ in holders} for holders in right):
                return
        for holders in right:
            named = {self.tids[thread] for _, thread in holders if thread is not None}
            if pids == {self.pids[process] for process, _ in holders} and named <= tids:
                return
        self.fail(place, f"holders are {self.names(pids)}, and should be {sorted(self.truth.holders(place)[0], key=str)}")

    def names(self, pids: set[int]) -> list:
        places = {pid: process for process, pid in self.pids.items()}
        return sorted(places.get(pid, f"pid {pid}") for pid in pids)

    def root(self, place: int, record: dict) -> None:
        if self.truth.is_stopped(place):
            return
        self.asked["roots"] += 1
        root = record.get("root", {})
        right = self.truth.roots(place)
        if not self.truth.groups[place]:
            # of an open of a FIFO, that nobody has come yet
            if root.get("kind", "unknown") not in ("unknown", "nobody"):
                self.fail(place, f"root is {root}, and it waits for nobody")
            return
        kind = root.get("kind")
        said = ("process", next((process for process, pid in self.pids.items() if pid == root.get("pid")), None)) if kind in ("process", "thread") else (kind,)
        if said not in right and not (kind is None and record["verdict"] == "idle" and len(self.truth.does(place).get("members", ())) > 1):
            self.fail(place, f"root is {said}, and should be {sorted(right)}; {record['verdict']} {record['reason']}; {record.get('chain')}")
