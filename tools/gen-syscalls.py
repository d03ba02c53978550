#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Joins the numbers of the kernel's headers with tools/syscalls.classes into a Swift table.

    make syscalls

Numbers: asm/unistd_64.h and asm/unistd_32.h of linux-libc-dev, asm-generic/unistd.h for aarch64, and NEWER below for
what kernels up to 6.18 have and those headers do not. A call without a line in syscalls.classes is an error.
"""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "Sources/BlockWatchCore/Decode/SyscallTable+Generated.swift"
INCLUDE = pathlib.Path("/usr/include")
# the same numbers on every architecture since 5.1
NEWER = {
    "cachestat": 451, "fchmodat2": 452, "map_shadow_stack": 453, "futex_wake": 454, "futex_wait": 455,
    "futex_requeue": 456, "statmount": 457, "listmount": 458, "lsm_get_self_attr": 459, "lsm_set_self_attr": 460,
    "lsm_list_modules": 461, "mseal": 462, "setxattrat": 463, "getxattrat": 464, "listxattrat": 465,
    "removexattrat": 466, "open_tree_attr": 467, "file_getattr": 468, "file_setattr": 469,
}
ARM64 = ["RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT", "SYS_CLONE3", "MEMFD_SECRET"]
CLASSES = ["none", "descriptor", "set", "lock", "process", "memory", "time", "signal", "path", "ipc", "kernel",
           "sigreturn", "restart"]
UNITS = {"timespec", "timeval", "milliseconds", "seconds"}


def from_header(path):
    text = path.read_text()
    return {m[1]: int(m[2]) for m in re.finditer(r"^#define __NR_(\w+)\s+(\d+)\s*$", text, re.M)}


def from_generic():
    flags = [f"-D__ARCH_WANT_{name}" for name in ARM64] + ["-D__BITS_PER_LONG=64", "-U__SYSCALL_COMPAT"]
    text = subprocess.run(["gcc", "-E", "-dM", *flags, str(INCLUDE / "asm-generic/unistd.h")], check=True,
                          capture_output=True, text=True).stdout
    raw = dict(re.findall(r"^#define (__NR\w*_\w+) (\S+)$", text, re.M))
    table = {}
    for macro, value in raw.items():
        name = macro.removeprefix("__NR_")
        if not macro.startswith("__NR_") or name in ("syscalls", "arch_specific_syscall"):
            continue
        while value in raw:
            value = raw[value]
        if value.isdigit() and int(value) < 1000:
            table[name] = int(value)
    return table


def read_classes():
    rows = {}
    for number, line in enumerate((HERE / "syscalls.classes").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = re.split(r"\s{2,}|\t+", line.strip(), maxsplit=5)
        where = f"syscalls.classes:{number}"
        if len(fields) != 6:
            sys.exit(f"{where}: six fields, not {len(fields)}")
        name, kind, descriptor, moves, timeout, phrase = fields
        if kind not in CLASSES:
            sys.exit(f"{where}: no class {kind}")
        if not re.fullmatch(r"-|[0-5]|dir[0-5]", descriptor):
            sys.exit(f"{where}: no descriptor {descriptor}")
        if moves not in ("-", "bytes"):
            sys.exit(f"{where}: bytes or -, not {moves}")
        if timeout != "-" and timeout.split(":")[1] not in UNITS:
            sys.exit(f"{where}: no unit in {timeout}")
        if name in rows:
            sys.exit(f"{where}: {name} twice")
        rows[name] = (kind, descriptor, moves, timeout, phrase)
    return rows


def main():
    tables = {
        "x86_64": from_header(INCLUDE / "x86_64-linux-gnu/asm/unistd_64.h"),
        "i386": from_header(INCLUDE / "x86_64-linux-gnu/asm/unistd_32.h"),
        "aarch64": from_generic(),
    }
    classes = read_classes()
    text = """// Made by tools/gen-syscalls.py (make syscalls) from the kernel's headers and tools/syscalls.classes: edit those.
// number, name, class, descriptor argument, moves bytes, time-out argument, what it waits for

extension SyscallTable {
"""
    known = set()
    for abi, table in tables.items():
        for name, number in NEWER.items():
            if number not in table.values():
                table.setdefault(name, number)
        unknown = sorted(set(table) - set(classes))
        if unknown:
            sys.exit(f"{abi}: no line in syscalls.classes for {' '.join(unknown)}")
        known |= set(table)
        rows = []
        for name, number in sorted(table.items(), key=lambda item: item[1]):
            kind, descriptor, moves, timeout, phrase = classes[name]
            if abi == "i386" and "time64" not in name:
                # the old calls of 32-bit programs have structures of 32-bit numbers
                timeout = re.sub(r":(timespec|timeval)$", r":\g<1>32", timeout)
            rows.append("\t".join([str(number), name, kind, descriptor, moves, timeout, phrase]))
        body = "\n".join("        " + row for row in rows)
        text += f'    static let {abi}Rows = """\n{body}\n        """\n\n'
    stale = sorted(set(classes) - known)
    if stale:
        sys.exit(f"syscalls.classes: no table has {' '.join(stale)}")
    OUT.write_text(text.rstrip("\n") + "\n}\n")


if __name__ == "__main__":
    main()
