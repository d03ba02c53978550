"""Hangs in C with Python's GIL, or waits for what it has not, and says so in one line of JSON: `gil.py MODE`."""
import ctypes
import json
import os
import sys
import threading


def wait_in_c(library):
    library.pause()


def count():
    number = 0
    while True:
        number += 1


print(json.dumps({"pid": os.getpid(), "tid": threading.get_native_id()}), flush=True)
if sys.argv[1] == "keep":
    # without a thread switch in between: PyDLL's functions keep the GIL
    for _ in range(3):
        threading.Thread(target=count, daemon=True).start()
    wait_in_c(ctypes.PyDLL(None))
else:
    # CDLL's let go of it
    wait_in_c(ctypes.CDLL(None))
