import faulthandler, os, queue, sys, threading


class Pool:
    def __init__(self):
        self.items = queue.Queue()

    def checkout(self, name):
        return [self.items.get() for _ in range(1)]


def worker(pool):
    pool.checkout("x")


def serve(descriptor):
    return os.read(descriptor, 1)


# what Python itself says of its threads, into the file that is named
faulthandler.dump_traceback_later(1, file=open(sys.argv[1], "w"))
pool = Pool()
threading.Thread(target=worker, args=(pool,), daemon=True).start()
serve(os.pipe()[0])
