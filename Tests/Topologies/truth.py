"""What is true of a topology: slow, and obvious. It knows nothing of blockwatch.

Parties are ("thread", place) or ("process", place): a process can do what any of its threads can. A wait is over when each of its
groups has let go, and a group when any party of it goes on.
"""

from __future__ import annotations

from topology import excludes, live_threads, open_file

RESTS = ("accept", "pause", "sleep", "enter", "condition", "semaphore")


def groups_of_end(topology: dict, process: int, at: int, end: int) -> list[list[tuple]]:
    """Everybody who has the other end; a thread that waits cannot do it itself."""
    made = topology["objects"][at]
    if made["kind"] == "timerfd":
        return [[]]
    others = made["ends"][0] if made["kind"] == "eventfd" else made["ends"][1 - end]
    if made["kind"] == "both" and end == 0:
        others = sorted(set(made["ends"][0] + made["ends"][1]))
    alone = len(live_threads(topology, process)) == 1
    return [[("process", other) for other in others if other != process or not alone]]


def groups_of_lock(topology: dict, place: int) -> list[list[tuple]]:
    """Each lock in the way, and who can let go of it: all who share the open file that a flock is of."""
    me = topology["threads"][place]
    lock = me["does"]["lock"]
    groups = []
    for other, thread in enumerate(topology["threads"]):
        for held in thread["takes"]:
            if not excludes(held, thread["process"], lock, me["process"]):
                continue
            if held["on"] in ("mutex", "rwlock"):
                group = [("thread", other)]
            elif held["on"] == "posix":
                group = [("process", thread["process"])]
            elif open_file(held, thread["process"])[0] == "inherited":
                group = [("process", sharer) for sharer in topology["files"][held["file"]]["inherited"]]
            else:
                group = [("process", thread["process"])]
            if group not in groups:
                groups.append(group)
    return groups


READS = ("read", "readv", "recv", "recvmsg")


class Truth:
    def __init__(self, topology: dict):
        self.topology = topology
        self.threads = [place for place, thread in enumerate(topology["threads"]) if thread["does"]["how"] != "leave"]
        self.groups = {place: self.groups_of(place) for place in self.threads}
        self.goes_on = self.fixpoint(lambda place: not self.is_stopped(place) and self.is_free(place), stops=True)
        released = self.fixpoint(lambda place: self.is_stopped(place) or self.is_free(place), stops=False)
        self.hopeless = {place: not is_released for place, is_released in released.items()}
        self.deadlocks = self.find_deadlocks()
        self.dead = set().union(*self.deadlocks) if self.deadlocks else set()

    def does(self, place: int) -> dict:
        return self.topology["threads"][place]["does"]

    def process(self, place: int) -> int:
        return self.topology["threads"][place]["process"]

    def is_stopped(self, place: int) -> bool:
        return self.topology["processes"][self.process(place)]["stopped"]

    def has_clock(self, place: int) -> bool:
        does = self.does(place)
        if does["how"] == "sleep" or does.get("ms", -1) >= 0 or self.topology["processes"][self.process(place)].get("alarm"):
            return True
        if "object" in does and does["how"] in READS and self.topology["objects"][does["object"]].get("limit") == does["end"]:
            return True
        return self.has_timer(place)

    def has_timer(self, place: int) -> bool:
        return any(self.topology["objects"][at]["kind"] == "timerfd" for at in self.objects_of(place))

    def objects_of(self, place: int) -> list[int]:
        does = self.does(place)
        return [does["object"]] if "object" in does else [member[0] for member in does.get("members", ()) if member[0] != "child"]

    def is_free(self, place: int) -> bool:
        """By a clock, a signal, or whoever comes: a FIFO that nobody else has open can be opened, and an eventfd be the kernel's."""
        does = self.does(place)
        ends = [(does["object"], does["end"])] if "object" in does else [member[:2] for member in does.get("members", ()) if member[0] != "child"]
        for at, end in ends:
            if self.topology["objects"][at]["kind"] in ("fifo", "both", "eventfd") and not groups_of_end(self.topology, self.process(place), at, end)[0]:
                return True
        return self.has_clock(place) or does["how"] in RESTS

    def groups_of(self, place: int) -> list[list[tuple]]:
        does, process = self.does(place), self.process(place)
        if "object" in does:
            if self.topology["objects"][does["object"]]["kind"] == "timerfd":
                return []
            return groups_of_end(self.topology, process, does["object"], does["end"])
        if "members" in does:
            any_of = sorted({party for member in does["members"] for party in self.group_of_member(place, member)})
            return [any_of] if any_of or not self.has_timer(place) else []
        if does["how"] == "lock":
            return groups_of_lock(self.topology, place)
        if does["how"] in ("wait4", "waitid"):
            return [[
                ("process", at) for at, made in enumerate(self.topology["processes"])
                if made["parent"] == process and does["process"] in (-1, at)
            ]]
        if does["how"] == "join":
            return [[("thread", does["thread"])]]
        return []

    def group_of_member(self, place: int, member: list) -> list[tuple]:
        if member[0] == "child":
            return [("process", member[1])]
        return groups_of_end(self.topology, self.process(place), member[0], member[1])[0]

    def threads_of(self, party: tuple) -> list[int]:
        return [party[1]] if party[0] == "thread" else live_threads(self.topology, party[1])

    def fixpoint(self, begins, stops: bool) -> dict[int, bool]:
        """Who goes on, from those who begin, for as long as somebody more does."""
        on = {place: begins(place) for place in self.threads}
        while True:
            more = [
                place for place in self.threads
                if not on[place] and self.groups[place] and not (stops and self.is_stopped(place))
                and all(any(on[thread] for party in group for thread in self.threads_of(party)) for group in self.groups[place])
            ]
            if not more:
                return on
            for place in more:
                on[place] = True

    def awaited(self, place: int) -> set[int]:
        return {thread for group in self.groups[place] for party in group for thread in self.threads_of(party)}

    def hangs_on(self, place: int) -> set[int]:
        """Those who keep it: of what nobody can let go of any more. Where somebody can, the others are no part of a circle."""
        lost = [group for group in self.groups[place] if all(self.is_lost(party) for party in group)]
        return {thread for group in lost for party in group for thread in self.threads_of(party)}

    def is_lost(self, party: tuple) -> bool:
        return all(self.hopeless[thread] for thread in self.threads_of(party))

    def is_owed(self, place: int, circle: set[int]) -> bool:
        """Something outstanding: but for sets that only listen, and servers that wait for the request of such a set, everything is."""
        does = self.does(place)
        if "members" in does:
            return any(self.is_owed_by(member) for member in does["members"])
        return not (self.is_server(does) and any("members" in self.does(other) for other in circle))

    def is_server(self, does: dict) -> bool:
        """It reads from the end of a connection that was accepted, and nothing lies there."""
        if does["how"] not in READS or does.get("end") != 1:
            return False
        at = self.topology["objects"][does["object"]]
        return at["kind"] in ("tcp", "unix") and not at["full"]

    def is_owed_by(self, member: list) -> bool:
        """Its end, room, or an answer: bytes that were sent the other way lie there."""
        return member[0] == "child" or member[2] == "out" or member[1] in self.topology["objects"][member[0]]["full"]

    def find_deadlocks(self) -> list[set[int]]:
        reach = {}
        for start in self.threads:
            seen, todo = set(), [start]
            while todo:
                for thread in self.hangs_on(todo.pop()):
                    if thread not in seen:
                        seen.add(thread)
                        todo.append(thread)
            reach[start] = seen
        found = []
        for place in self.threads:
            if not self.hopeless[place] or place not in reach[place]:
                continue
            circle = {other for other in reach[place] if place in reach[other]}
            if circle in found:
                continue
            alone = len(circle) == 1 and self.does(place)["how"] != "lock"
            if not alone and any(self.is_owed(other, circle) for other in circle):
                found.append(circle)
        return found

    # ---- what may be said of a thread

    def holders(self, place: int) -> list[set[tuple]]:
        """Any of these sets is right: of a set of several, that of the member that is told, or all."""
        if self.is_stopped(place):
            return [set()]
        all_of_them = {self.as_holder(party) for group in self.groups[place] for party in group}
        return [all_of_them]

    def holders_of_member(self, place: int, member: list) -> set[tuple]:
        return {self.as_holder(party) for party in self.group_of_member(place, member)}

    def as_holder(self, party: tuple) -> tuple:
        """(process, thread or None)"""
        return (self.process(party[1]), party[1]) if party[0] == "thread" else (party[1], None)

    def depends_on(self, start: int) -> set[int]:
        """Who could only go on once `start` had: held, they are hopeless too."""
        on = self.fixpoint(lambda place: place != start and (self.is_stopped(place) or self.is_free(place)), stops=False)
        groups, self.groups[start] = self.groups[start], []
        try:
            on = self.fixpoint(lambda place: place != start and (self.is_stopped(place) or self.is_free(place)), stops=False)
        finally:
            self.groups[start] = groups
        return {place for place in self.threads if not on[place] and not self.hopeless[place]} | {start}

    def roots(self, start: int) -> set[tuple]:
        """("deadlock",), ("nobody",) or ("process", place): any of them is right."""
        held = self.depends_on(start)
        found, seen = set(), set()

        def follow(place: int, path: tuple) -> None:
            if place in path:
                found.update(("process", self.process(other)) for other in path[path.index(place):])
                return
            if place in seen:
                return
            seen.add(place)
            if place in self.dead:
                found.add(("deadlock",))
                return
            if self.is_stopped(place) or not self.groups[place]:
                found.add(("process", self.process(place)))
                if self.does(place)["how"] == "enter":
                    found.add(("nobody",))
                return
            if self.has_clock(place) and place != start:
                found.add(("process", self.process(place)))
            # a loop that serves many may be where it ends, for those behind it
            if place != start and len(self.does(place).get("members", ())) > 1:
                found.add(("process", self.process(place)))
            for group in self.groups[place]:
                if not group:
                    found.update([("nobody",), ("process", self.process(place))])
                parties = [party for party in group if self.as_holder(party)[0] != self.process(place)] or group
                onward = [party for party in parties if not set(self.threads_of(party)) <= held] or parties
                is_set = len(self.does(place).get("members", ())) > 1
                if not is_set and any(self.ends_by_clock(party, start) for party in onward):
                    # a way out comes before what can never go on; of a set, the worst member is told
                    onward = [party for party in onward if not all(self.hopeless[thread] for thread in self.threads_of(party))]
                for party in onward:
                    threads = self.threads_of(party)
                    if len(threads) > 1:
                        found.add(("process", party[1]))
                    for thread in threads:
                        follow(thread, path + (place,))

        follow(start, ())
        if self.has_clock(start) and self.groups[start]:
            # of a circle that a clock of its own ends
            found.add(("process", self.process(start)))
        return found

    def ends_by_clock(self, party: tuple, start: int) -> bool:
        """Somebody's clock will let it go on, and not that of who asks."""
        ends = {place for place in self.threads if place != start and self.has_clock(place) and not self.is_stopped(place)}

        def is_ended(place: int) -> bool:
            return bool(self.groups[place]) and all(any(set(self.threads_of(party)) <= ends for party in group) for group in self.groups[place])

        while True:
            more = {place for place in self.threads if place != start and place not in ends and not self.is_stopped(place) and is_ended(place)}
            if not more:
                return set(self.threads_of(party)) <= ends
            ends |= more
