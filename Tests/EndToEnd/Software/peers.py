"""Programs that wait for 10.0.0.5:5432 in every way, which never answers; in a network namespace of their own.

Says {"pids": {way: pid}} once each hangs. They end with it.
"""

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys

PEER, OTHER = ("10.0.0.5", 5432), ("10.0.0.6", 5432)
TUNSETIFF, IFF_TUN = 0x400454CA, 0x0001
kept = []
"""What nobody names any more would be closed."""
libc = ctypes.CDLL(None, use_errno=True)


def asking(address):
    """A connection on its way, as a driver makes it that does not block."""
    asked = socket.socket()
    asked.setblocking(False)
    asked.connect_ex(address)
    return asked


def in_epoll(asked, *idle):
    found = select.epoll()
    found.register(asked, select.EPOLLOUT | select.EPOLLIN)
    for member in idle:
        found.register(member, select.EPOLLIN)
    kept.append((asked, idle))
    return found


def poll(asked, *idle):
    waiting = select.poll()
    waiting.register(asked, select.POLLOUT)
    for member in idle:
        waiting.register(member, select.POLLIN)
    waiting.poll()


def behind(_):
    """Reads what one that polls is to write."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        prepare()
        os.close(reading)
        poll(asking(PEER))
    os.close(writing)
    os.read(reading, 1)


WAYS = {
    "connect": lambda _: socket.socket().connect(PEER),
    "poll": lambda _: poll(asking(PEER)),
    "poll of two": lambda idle: poll(asking(PEER), idle),
    "select": lambda _: select.select([], [asking(PEER)], []),
    "epoll": lambda _: in_epoll(asking(PEER)).poll(),
    "epoll of two": lambda idle: in_epoll(asking(PEER), idle).poll(),
    "epoll in epoll": lambda _: in_epoll(in_epoll(asking(PEER))).poll(),
    "behind": behind,
    "other": lambda _: poll(asking(OTHER)),
    "other in epoll": lambda _: in_epoll(asking(OTHER)).poll(),
}


def prepare():
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)


def main():
    if libc.unshare(0x40000000):
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
    # a device whose reader, this process, never reads
    away = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(away, TUNSETIFF, struct.pack("16sH22x", b"away", IFF_TUN))
    for command in ("link set lo up", "addr add 10.0.0.1/24 dev away", "link set away up"):
        subprocess.run(["ip", *command.split()], check=True)
    pids = {}
    for name, way in WAYS.items():
        pids[name] = os.fork()
        if pids[name] == 0:
            prepare()
            listener = socket.socket()
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            # one that is at rest
            idle = socket.create_connection(listener.getsockname())
            kept.append(listener.accept())
            way(idle)
            os._exit(0)
    print(json.dumps({"pids": pids}), flush=True)
    signal.pause()


main()
