"""Random topologies: who has what open, locks, and waits, as a description that is made of a seed, shrunk, and played.

A description is plain JSON:

    processes  [{parent, stopped, alarm}]                  parent: its place in the list, -1 for the world
    objects    [{kind, ends: [[process...], [...]], full}] who has which end; full: directions, by the end that writes
    files      [{inherited: [process...]}]                 who shares one open file; everybody can open one of their own
    threads    [{process, takes: [lock...], does}]         the first of a process is its main thread
"""

from __future__ import annotations

import copy
import random

SOCKETS = ("stream", "dgram", "seqpacket", "tcp", "unix", "udp")
ALONE = ("eventfd", "timerfd")
"""Objects without another end."""
PIPES = ("pipe", "fifo", "both")
"""The last is a FIFO whose first end is open for both."""
POLLS = ("poll", "ppoll", "select", "pselect", "epoll", "epoll2")
NORMAL, RECURSIVE, ERRORCHECK, ADAPTIVE, ROBUST, INHERITING = range(6)
FOREVER_MS = 600_000
"""A time-out that does not pass while anybody looks."""


def live_threads(topology: dict, process: int) -> list[int]:
    return [
        place
        for place, thread in enumerate(topology["threads"])
        if thread["process"] == process and thread["does"]["how"] != "leave"
    ]


# ---- locks


def open_file(lock: dict, process: int) -> tuple:
    """Which open file a flock or OFD lock is of."""
    return ("inherited", lock["file"]) if lock["via"] == "inherited" else ("own", process, lock["file"])


def overlap(a: dict, b: dict) -> bool:
    def end(lock):
        return lock["start"] + lock["length"] if lock["length"] else float("inf")

    return a["start"] < end(b) and b["start"] < end(a)


def excludes(a: dict, a_process: int, b: dict, b_process: int) -> bool:
    """Whether one lock is in the way of the other."""
    if a["on"] in ("mutex", "rwlock"):
        same = a["on"] == b["on"] and all(a[key] == b[key] for key in ("scope", "index") + (("type",) if a["on"] == "mutex" else ()))
        return same and (a["scope"] == "shared" or a_process == b_process)
    if b["on"] in ("mutex", "rwlock") or a["file"] != b["file"] or "w" not in a["mode"] + b["mode"]:
        return False
    if (a["on"] == "flock") != (b["on"] == "flock"):
        return False
    if a["on"] == "flock":
        return open_file(a, a_process) != open_file(b, b_process)
    if not overlap(a, b):
        return False
    if a["on"] == b["on"] == "posix":
        return a_process != b_process
    return a["on"] != b["on"] or open_file(a, a_process) != open_file(b, b_process)


# ---- making one


class Maker:
    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def make(self) -> dict:
        pick = self.random
        count = pick.choice((2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 9, 12))
        processes = []
        for place in range(count):
            parent = pick.randrange(place) if place and pick.random() < 0.3 else -1
            processes.append({"parent": parent, "stopped": pick.random() < 0.07, "alarm": pick.random() < 0.03})
        topology = {"processes": processes, "objects": [], "files": [], "threads": []}
        for _ in range(pick.choice((1, 2, 2, 3, 4, 5, 6))):
            topology["objects"].append(self.object(count))
        for _ in range(pick.choice((0, 1, 1, 2))):
            shared = self.some(count, 2) if pick.random() < 0.35 else []
            topology["files"].append({"inherited": shared})
        for process in range(count):
            for _ in range(pick.choice((1, 1, 1, 1, 2, 2, 3))):
                topology["threads"].append({"process": process, "takes": [], "does": {"how": "pause"}})
        for thread in topology["threads"]:
            for _ in range(pick.choice((0, 0, 1, 1, 2))):
                self.take(topology, thread)
        for place in range(len(topology["threads"])):
            self.act(topology, place)
        if pick.random() < 0.3:
            self.ring(topology)
        for process in range(count):
            self.leave(topology, process)
        return topology

    def ring(self, topology: dict) -> None:
        """Some of them wait one for the next, and perhaps the last for the first; others may be let in on an end."""
        pick = self.random
        count = len(topology["processes"])
        ring = pick.sample(range(count), pick.randint(2, count))
        places = [pick.choice([at for at, thread in enumerate(topology["threads"]) if thread["process"] == process]) for process in ring]
        for at, place in enumerate(places if pick.random() < 0.7 else places[:-1]):
            following = places[(at + 1) % len(places)]
            process, other = topology["threads"][place]["process"], topology["threads"][following]["process"]
            kind = pick.choice(("pipe", "pipe", "stream", "udp", "flock", "posix", "mutex"))
            if kind in ("flock", "posix"):
                lock = {"on": kind, "file": len(topology["files"]), "via": "own", "mode": "w"} | ({"start": 0, "length": 0} if kind == "posix" else {})
                topology["files"].append({"inherited": []})
            elif kind == "mutex":
                lock = {"on": "mutex", "scope": "shared", "type": pick.choice((NORMAL, ROBUST, INHERITING)), "index": 2 + at}
            else:
                ends = [[process], sorted({other, *(pick.sample(range(count), 1) if pick.random() < 0.1 else [])} - {process})]
                topology["objects"].append({"kind": kind, "ends": ends, "full": []})
                end = len(topology["objects"]) - 1
                topology["threads"][place]["does"] = (
                    {"how": pick.choice(POLLS), "members": [[end, 0, "in"]], "ms": FOREVER_MS if pick.random() < 0.05 else -1}
                    if pick.random() < 0.3
                    else {"how": "read", "object": end, "end": 0}
                )
                continue
            topology["threads"][following]["takes"].append(lock)
            topology["threads"][place]["does"] = {"how": "lock", "lock": lock, "ms": -1}

    def leave(self, topology: dict, process: int) -> None:
        """Its main thread ends, and the others go on. Children would die with the thread that forked them."""
        places = [place for place, thread in enumerate(topology["threads"]) if thread["process"] == process]
        is_parent = any(other["parent"] == process for other in topology["processes"])
        main = topology["threads"][places[0]]
        if len(places) > 1 and not is_parent and not main["takes"] and self.random.random() < 0.15:
            main["does"] = {"how": "leave"}

    def some(self, count: int, most: int) -> list[int]:
        return sorted(self.random.sample(range(count), min(count, self.random.randint(1, most))))

    def object(self, count: int) -> dict:
        pick = self.random
        kind = pick.choice(("pipe",) * 6 + ("fifo", "both", "stream", "stream", "dgram", "seqpacket", "tcp", "tcp", "unix", "udp", "eventfd", "timerfd"))
        ends = [self.some(count, pick.choice((1, 1, 1, 2, 3))) for _ in range(1 if kind in ALONE else 2)]
        if kind in (*ALONE, "both", "udp"):
            full = []
        elif kind in PIPES:
            full = [1] if pick.random() < 0.3 else []
        else:
            full = [end for end in (0, 1) if pick.random() < 0.2]
        made = {"kind": kind, "ends": ends, "full": full}
        if kind in SOCKETS and pick.random() < 0.1:
            made["limit"] = pick.randrange(2)
        return made

    def lock(self, topology: dict, process: int) -> dict | None:
        pick = self.random
        if topology["files"] and pick.random() < 0.6:
            file = pick.randrange(len(topology["files"]))
            on = pick.choice(("flock", "flock", "posix", "ofd"))
            shares = process in topology["files"][file]["inherited"]
            via = "inherited" if shares and pick.random() < 0.7 else "own"
            mode = pick.choice("wwwr")
            if on == "flock":
                return {"on": on, "file": file, "via": via, "mode": mode}
            start, length = pick.choice(((0, 0), (0, 10), (10, 10), (5, 10), (20, 5)))
            return {"on": on, "file": file, "via": via, "mode": mode, "start": start, "length": length}
        scope = pick.choice(("private", "private", "shared"))
        if pick.random() < 0.2:
            return {"on": "rwlock", "scope": scope, "index": pick.randrange(2)}
        kind = pick.choice((NORMAL, NORMAL, NORMAL, RECURSIVE, ERRORCHECK, ADAPTIVE, ROBUST, INHERITING))
        return {"on": "mutex", "scope": scope, "type": kind, "index": pick.randrange(2)}

    def take(self, topology: dict, thread: dict) -> None:
        lock = self.lock(topology, thread["process"])
        for other in topology["threads"]:
            for held in other["takes"]:
                if excludes(held, other["process"], lock, thread["process"]):
                    return
                # a second one of one owner would change the first
                same = held["on"] == lock["on"] and held.get("file", -1) == lock.get("file", -2)
                if same and (lock["on"] == "posix" and other["process"] == thread["process"] or lock["on"] != "posix" and open_file(held, other["process"]) == open_file(lock, thread["process"])):
                    return
        thread["takes"].append(lock)

    # -- waits

    def act(self, topology: dict, place: int) -> None:
        pick = self.random
        thread = topology["threads"][place]
        for _ in range(8):
            kind = pick.choice(("move",) * 5 + ("lock",) * 5 + ("set",) * 4 + ("children", "children", "join", "rest"))
            does = getattr(self, "lock_wait" if kind == "lock" else kind)(topology, place)
            if does:
                thread["does"] = does
                return

    def move(self, topology: dict, place: int) -> dict | None:
        end = self.end(topology, topology["threads"][place]["process"])
        if not end:
            return None
        at, side, way = end
        kind = topology["objects"][at]["kind"]
        how = ("read", "readv") if way == "in" else ("write", "writev")
        if kind in SOCKETS:
            how += ("recv", "recvmsg") if way == "in" else ("send", "sendmsg")
        return {"how": self.random.choice(how), "object": at, "end": side}

    def end(self, topology: dict, process: int) -> tuple | None:
        """An end of an object that blocks: which, and in which way."""
        ends = [end for end in blocking_ends(topology) if process in topology["objects"][end[0]]["ends"][end[1]]]
        return self.random.choice(ends) if ends else None

    def set(self, topology: dict, place: int) -> dict | None:
        pick = self.random
        process = topology["threads"][place]["process"]
        members: list[list] = []
        for _ in range(pick.choice((1, 1, 2, 2, 3))):
            end = self.end(topology, process)
            if end and list(end[:2]) not in [member[:2] for member in members]:
                members.append(list(end))
        children = [at for at, other in enumerate(topology["processes"]) if other["parent"] == process]
        if children and pick.random() < 0.3:
            members.append(["child", pick.choice(children)])
        if not members:
            return None
        limit = FOREVER_MS if pick.random() < 0.2 else -1
        return {"how": pick.choice(POLLS), "members": members, "ms": limit}

    def lock_wait(self, topology: dict, place: int) -> dict | None:
        process = topology["threads"][place]["process"]
        for _ in range(6):
            lock = self.lock(topology, process)
            for other, thread in enumerate(topology["threads"]):
                if any(excludes(held, thread["process"], lock, process) for held in thread["takes"]):
                    # what is its own already: an error, or nothing to wait for
                    if other == place and lock["on"] in ("mutex", "rwlock") and lock.get("type") not in (NORMAL, ADAPTIVE):
                        break
                    if self.converts(topology, lock, process):
                        break
                    does = {"how": "lock", "lock": lock, "ms": -1}
                    if lock["on"] == "mutex" and self.random.random() < 0.15:
                        does["ms"] = FOREVER_MS
                    if lock["on"] == "rwlock":
                        does["reads"] = self.random.random() < 0.5
                    return does
        return None

    def converts(self, topology: dict, lock: dict, process: int) -> bool:
        """A flock of an open file that has one already: that one is lost before it waits."""
        return lock["on"] == "flock" and any(
            held["on"] == "flock" and open_file(held, thread["process"]) == open_file(lock, process)
            for thread in topology["threads"] for held in thread["takes"]
        )

    def children(self, topology: dict, place: int) -> dict | None:
        process = topology["threads"][place]["process"]
        children = [at for at, other in enumerate(topology["processes"]) if other["parent"] == process]
        if not children:
            return None
        return {"how": self.random.choice(("wait4", "waitid")), "process": self.random.choice(children + [-1])}

    def join(self, topology: dict, place: int) -> dict | None:
        process = topology["threads"][place]["process"]
        others = [at for at, other in enumerate(topology["threads"]) if other["process"] == process and at != place]
        main = next(at for at, other in enumerate(topology["threads"]) if other["process"] == process)
        others = [at for at in others if at != main]
        return {"how": "join", "thread": self.random.choice(others)} if others else None

    def rest(self, topology: dict, place: int) -> dict | None:
        return {"how": self.random.choice(("sleep", "sleep", "pause", "accept", "enter", "condition", "semaphore"))}




def blocking_ends(topology: dict) -> list[tuple]:
    """(object, end, way) of all that can be waited for: somebody has the other end, and there is nothing, or no room."""
    found = []
    for at, made in enumerate(topology["objects"]):
        if made["kind"] in ALONE:
            if made["ends"][0]:
                found.append((at, 0, "in"))
            continue
        if not all(made["ends"]) and not (made["kind"] == "both" and made["ends"][0]):
            continue
        for end in (0, 1):
            writes = made["kind"] not in PIPES or end == 1
            reads = made["kind"] not in PIPES or end == 0
            if reads and 1 - end not in made["full"]:
                found.append((at, end, "in"))
            if writes and end in made["full"]:
                found.append((at, end, "out"))
    return found


def is_sound(topology: dict) -> bool:
    """Whether it still can be played, after something was taken out of it."""
    ends = set(blocking_ends(topology))
    held = [(lock, thread["process"]) for thread in topology["threads"] for lock in thread["takes"]]
    for thread in topology["threads"]:
        does, process = thread["does"], thread["process"]
        if "object" in does:
            way = "out" if does["how"] in ("write", "writev", "send", "sendmsg") else "in"
            if (does["object"], does["end"], way) not in ends or process not in topology["objects"][does["object"]]["ends"][does["end"]]:
                return False
        for member in does.get("members", ()):
            if member[0] == "child":
                if topology["processes"][member[1]]["parent"] != process:
                    return False
            elif tuple(member) not in ends or process not in topology["objects"][member[0]]["ends"][member[1]]:
                return False
        if "members" in does and not does["members"]:
            return False
        if does["how"] == "lock" and not any(excludes(lock, other, does["lock"], process) for lock, other in held):
            return False
        if does["how"] in ("wait4", "waitid") and not any(
            other["parent"] == process and does["process"] in (-1, at) for at, other in enumerate(topology["processes"])
        ):
            return False
    return True


# ---- the scripts of actor


def slot(at: int, end: int) -> int:
    return 2 * at + end


def file_slot(topology: dict, lock: dict) -> int:
    return 2 * len(topology["objects"]) + slot(lock["file"], 0 if lock["via"] == "inherited" else 1)


def lock_words(topology: dict, lock: dict, reads: bool = False, limit: int = -1) -> str:
    if lock["on"] == "mutex":
        return f"mutex {lock['scope']} {lock['index']} {lock['type']}" + (f" {limit}" if limit > 0 else "")
    if lock["on"] == "rwlock":
        return f"{'rdlock' if reads else 'wrlock'} {lock['scope']} {lock['index']}"
    words = f"{lock['on']} {file_slot(topology, lock)} {lock['mode']}"
    return words if lock["on"] == "flock" else f"{words} {lock['start']} {lock['length']}"


def script_of(topology: dict, place: int) -> int:
    return place + 1


def scripts(topology: dict, folder: str) -> str:
    """What actor reads. Thread N is script N + 1."""
    main = {}
    for place, thread in enumerate(topology["threads"]):
        main.setdefault(thread["process"], place)
    text = ["script 0"]
    for at, made in enumerate(topology["objects"]):
        ends = f"{slot(at, 0)} {slot(at, 1)}"
        words = {
            "pipe": f"pipe {ends}", "fifo": f"fifo {ends} {folder}/fifo{at}", "both": f"both {ends} {folder}/fifo{at}",
            "tcp": f"tcp {ends}", "udp": f"udp {ends}", "unix": f"unix {ends} {folder}/socket{at}",
            "eventfd": f"eventfd {slot(at, 0)}", "timerfd": f"timerfd {slot(at, 0)}",
        }.get(made["kind"], f"pair {ends} {made['kind']}")
        if "limit" in made:
            words += f"\nlimit {slot(at, made['limit'])}"
        text.append(words)
        text += [f"fill {slot(at, end)}" for end in made["full"]]
    base = 2 * len(topology["objects"])
    text += [f"open {base + 2 * at} {folder}/file{at}" for at in range(len(topology["files"]))]
    text += [f"fork {script_of(topology, main[at])}" for at, made in enumerate(topology["processes"]) if made["parent"] < 0]
    text += ["keep", "barrier", "barrier", "tell", "pause"]
    for place, thread in enumerate(topology["threads"]):
        process = thread["process"]
        text.append(f"script {script_of(topology, place)}")
        if main[process] == place:
            text += [f"fork {script_of(topology, main[at])}" for at, made in enumerate(topology["processes"]) if made["parent"] == process]
            kept = [slot(at, end) for at, made in enumerate(topology["objects"]) for end, has in enumerate(made["ends"]) if process in has]
            kept += [base + 2 * at for at, made in enumerate(topology["files"]) if process in made["inherited"]]
            text.append("keep " + " ".join(map(str, kept)))
            locks = [
                lock
                for other in topology["threads"] if other["process"] == process
                for lock in other["takes"] + ([other["does"]["lock"]] if other["does"]["how"] == "lock" else [])
            ]
            if topology["processes"][process].get("alarm"):
                text.append("alarm")
            own = {lock["file"] for lock in locks if lock.get("via") == "own"}
            text += [f"open {base + 2 * at + 1} {folder}/file{at}" for at in sorted(own)]
            text += [
                f"thread {script_of(topology, other)}"
                for other, made in enumerate(topology["threads"]) if made["process"] == process and other != place
            ]
        text.append("barrier")
        text += [lock_words(topology, lock) for lock in thread["takes"]]
        text.append("barrier")
        text.append(action(topology, place, main, folder))
    return "\n".join(text) + "\n"


def action(topology: dict, place: int, main: dict, folder: str) -> str:
    does = topology["threads"][place]["does"]
    how = does["how"]
    if "object" in does:
        return f"{how} {slot(does['object'], does['end'])}"
    if how in POLLS:
        words = [
            f"child {script_of(topology, main[member[1]])}" if member[0] == "child" else f"{slot(member[0], member[1])} {member[2]}"
            for member in does["members"]
        ]
        return f"{how} {does['ms']} {' '.join(words)}"
    if how == "lock":
        return lock_words(topology, does["lock"], does.get("reads", False), does["ms"])
    if how in ("wait4", "waitid"):
        return f"{how} {-1 if does['process'] < 0 else script_of(topology, main[does['process']])}"
    if how == "join":
        return f"join {script_of(topology, does['thread'])}"
    if how == "sleep":
        return f"sleep {FOREVER_MS}"
    if how == "enter":
        return f"enter {folder}/entry{place} in"
    if how in ("condition", "semaphore"):
        return f"{how} private {place % 8}"
    return how


# ---- making it smaller


def without_process(topology: dict, gone: int) -> dict | None:
    """All that it had goes with it; whoever waits for it alone does nothing any more."""
    smaller = copy.deepcopy(topology)

    def moved(process: int) -> int:
        return process - (process > gone)

    for place in reversed(range(len(smaller["threads"]))):
        if smaller["threads"][place]["process"] == gone:
            smaller = without_thread(smaller, place, also_main=True)
    for thread in smaller["threads"]:
        thread["process"] = moved(thread["process"])
        does = thread["does"]
        if "members" in does:
            does["members"] = [m if m[0] != "child" else ["child", moved(m[1])] for m in does["members"] if m != ["child", gone]]
        if does["how"] in ("wait4", "waitid"):
            if does["process"] == gone:
                thread["does"] = {"how": "pause"}
            elif does["process"] >= 0:
                does["process"] = moved(does["process"])
    for has in [end for made in smaller["objects"] for end in made["ends"]] + [made["inherited"] for made in smaller["files"]]:
        has[:] = [moved(process) for process in has if process != gone]
    for process in smaller["processes"]:
        if process["parent"] == gone:
            process["parent"] = -1
        process["parent"] = moved(process["parent"])
    del smaller["processes"][gone]
    return smaller


def without_thread(topology: dict, gone: int, also_main: bool = False) -> dict | None:
    smaller = copy.deepcopy(topology)
    process = smaller["threads"][gone]["process"]
    if not also_main and next(t for t in smaller["threads"] if t["process"] == process) is smaller["threads"][gone]:
        return None
    del smaller["threads"][gone]
    for thread in smaller["threads"]:
        if thread["does"]["how"] == "join":
            if thread["does"]["thread"] == gone:
                thread["does"] = {"how": "pause"}
            elif thread["does"]["thread"] > gone:
                thread["does"]["thread"] -= 1
    return smaller


def smaller_ones(topology: dict):
    """Each with one thing less; the largest things first."""
    for at in reversed(range(len(topology["processes"]))):
        if len(topology["processes"]) > 1:
            yield without_process(topology, at)
    for at in reversed(range(len(topology["threads"]))):
        yield without_thread(topology, at)
    for at in range(len(topology["threads"])):
        for lock in range(len(topology["threads"][at]["takes"])):
            smaller = copy.deepcopy(topology)
            del smaller["threads"][at]["takes"][lock]
            yield smaller
        for member in range(len(topology["threads"][at]["does"].get("members", ()))):
            smaller = copy.deepcopy(topology)
            del smaller["threads"][at]["does"]["members"][member]
            yield smaller
        if topology["threads"][at]["does"]["how"] not in ("pause", "sleep"):
            smaller = copy.deepcopy(topology)
            smaller["threads"][at]["does"] = {"how": "pause"}
            yield smaller
    for at, made in enumerate(topology["objects"]):
        for end, has in enumerate(made["ends"]):
            for process in has:
                smaller = copy.deepcopy(topology)
                smaller["objects"][at]["ends"][end].remove(process)
                yield smaller
        if made["full"]:
            smaller = copy.deepcopy(topology)
            smaller["objects"][at]["full"] = []
            yield smaller
    for at, made in enumerate(topology["files"]):
        if made["inherited"] and all(l.get("via") != "inherited" or l["file"] != at for t in topology["threads"] for l in t["takes"] + [t["does"].get("lock", {})]):
            smaller = copy.deepcopy(topology)
            smaller["files"][at]["inherited"] = []
            yield smaller
    for at, made in enumerate(topology["processes"]):
        for key, value in (("stopped", False), ("alarm", False), ("parent", -1)):
            if made.get(key, value) != value:
                smaller = copy.deepcopy(topology)
                smaller["processes"][at][key] = value
                yield smaller
