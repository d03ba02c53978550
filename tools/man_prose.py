# SPDX-License-Identifier: Apache-2.0
"""What the man pages and the config file say besides options: for gen-man.py. Indented lines are examples."""

EXIT_CODES = {
    "0": "A clean end, also when whoever read the output has gone.",
    "1": "With --exit-code: something was found.",
    "64": "Wrong usage, or a recording that cannot be opened.",
    "69": "This kernel cannot; the line names what is missing.",
    "70": "A defect of blockwatch.",
    "74": "The output cannot be written, or a recording not be read to its end.",
    "77": "A privilege is missing; the line names the capability.",
    "78": "A bad config file; the line names the file, the line and what is wrong.",
}

SIGNALS = {
    "SIGINT": "Writes what is still to be written within 2 s, and ends with 0, or 74 if the output did not take it.",
    "SIGTERM": "The same.",
    "SIGHUP": (
        "Opens the output again, and reads the config file again. A file that is not understood changes nothing, and a line on "
        "stderr says what is wrong with it."),
    "SIGUSR1": "Writes `still_blocked` for every open call that was written before.",
}

# the exit codes that a command can end with
PAGES = {
    "blockwatch": """\
Each line names the thread, the system call that it is blocked in, for how long, on what, who holds the other end, and who
is at the root of the chain. On a terminal lines are for people; anywhere else they are records, one JSON object a line.

Every call gets a verdict and a reason: `deadlock`, `stuck`, `waiting`, `busy` or `idle`. What is idle by design is
counted, and shown with --all only.

It needs CAP_BPF and CAP_PERFMON; CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH for paths, programs and arguments of others'
processes. As root it keeps these and CAP_IPC_LOCK, and gives up all others.
""",
    "watch": ["0", "64", "69", "70", "74", "77", "78"],
    "snapshot": ["0", "1", "64", "69", "70", "74", "77"],
    "explain": ["0", "1", "64", "69", "70", "74", "77"],
    "top": ["0", "64", "69", "70", "74", "77"],
    "graph": ["0", "1", "64", "69", "70", "74", "77"],
    "replay": ["0", "1", "64", "74"],
    "doctor": ["0", "64", "69", "74", "77", "78"],
    "syscalls": ["0", "64", "74"],
}

# of the config file's keys, what SIGHUP does not change: Settings.needingRestart
NEXT_START = {
    "threshold", "engine", "max-overhead", "format", "output", "scope", "new-only", "duration", "command-line", "metrics",
    "metrics-mode", "ring-size", "log-level",
}

# of keys that have no default
EXAMPLES = {
    "output": "/var/log/blockwatch/blockwatch.ndjson",
    "verdict": "deadlock,stuck,waiting,busy",
    "syscall": "read,connect,flock",
    "pid": "4711",
    "comm": "nginx,php-fpm*",
    "user": "www-data",
    "cgroup": "/system.slice/*",
    "unit": "nginx.service",
    "container": "9f86d081884c",
    "path": "/srv/*",
    "port": "5432,6379",
    "reason": "lock_held,connect_unanswered",
    "held-sockets": "true",
    "exclude-syscall": "epoll_wait,poll,futex",
    "repeat": "10s",
    "duration": "1h",
    "metrics": "/var/lib/blockwatch/blockwatch.prom",
}

CONFIG = {
    "head": (
        "blockwatch.conf(5) explains it. Keys are the options of blockwatch-watch(1) without the two dashes; lists take commas, and "
        "a list's key may stand more than once. Lines that begin with # are comments: those below show each key with its default, or "
        "an example. After a change: systemctl reload blockwatch (or SIGHUP); a file that is not understood changes nothing."),
    "rules_head": (
        "Ignore rules, by name: calls to which all conditions apply are left out, with max= for so long only. Every condition is "
        "one of the filters above."),
    "rules_lines": [
        "ignore.backup-agent = comm=borg syscall=read max=2h",
        "ignore.nightly = unit=backup.service",
    ],
    "description": """\
A file for the option --config of `blockwatch watch`; the service reads /etc/blockwatch/blockwatch.conf. Each line is

  key = value

with the keys below, which are the options of the command without the two dashes. Spaces around both do not matter. Empty
lines, and lines that begin with #, are passed over. The command line wins over a key with one value; lists are joined. What
is not understood, or names what does not exist (a system call, a user), ends blockwatch with 78 and a line that says
where it stands.

Check a file with

  blockwatch doctor --config /etc/blockwatch/blockwatch.conf
""",
    "rules": """\
A line

  ignore.NAME = condition condition ...

leaves out calls to which all conditions apply. A condition is one of the filters as `name=value`: syscall, pid, comm, user,
cgroup, unit, container, path, port, reason, with commas and globs as above. `max=2h` ends the rule's patience: a call that
has lasted longer is written after all. What a rule has left out is counted by its name in the `summary` records.
""",
    "reload": """\
SIGHUP (systemctl reload blockwatch) reads the file again, and the command line's options are laid over it again. Filters, ignore
rules, `verdict`, `all`, `busy-after`, `repeat`, `max-rate`, `summary` and `held-sockets` count at once, also for calls that are open
and were left out so far. What was written before is closed as ever. The keys marked above, and system calls that no filter had let
through when blockwatch started, need a start; a line on stderr names those that have changed.

A file that cannot be read or is not understood changes nothing, and stderr says why.
""",
    "example": """\
threshold = 5s
output = /var/log/blockwatch/blockwatch.ndjson
exclude-unit = getty@*
ignore.backup-agent = comm=borg syscall=read max=2h""",
}

RECORDS = {
    "description": """\
What `blockwatch watch` writes anywhere but on a terminal, and `snapshot` and `replay` with --format ndjson: one JSON object a
line (RFC 8259, UTF-8), at most 4,080 bytes with its newline, written with one write(2).

A field has one type for ever. One that is not known is left out, never null or -1; `unresolved` says why. Integers that may
reach 2^53 (inodes, addresses, arguments) are strings. Durations are integers in nanoseconds. Times are RFC 3339 in UTC
with six digits. Bytes that are not UTF-8 become U+FFFD, control characters are escaped.

`event.action` says what a record is, `event.id` is the same in all records of one call. Every `blocked` is closed by exactly
one `returned` or `ended`, or by `stopped`. What a line of 4,080 bytes has no room for is cut, and `truncated` lists it.
""",
    "files": """\
The same as a JSON Schema lies in the data folder of the package, as /usr/share/blockwatch/blockwatch-1.json.
""",
    "examples": """\
What is stuck now, of a file that blockwatch writes:

  jq -c 'select(.verdict == "stuck") | [.process.name, .message]' blockwatch.ndjson

The same as trees, at any moment that the file tells of:

  blockwatch replay blockwatch.ndjson --at 2026-03-01T09:05:00Z
""",
}
