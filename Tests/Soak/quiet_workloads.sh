#!/bin/bash
# What a busy host does all day, none of it hung: quiet_workloads.sh NAME FOLDER CGROUP_PROCS. Each comes round and round, and writes
# a line to FOLDER/rounds each time. Some calls of each round block for more than 5 s: that is what it is for.
set -euo pipefail
# everything below is in it
echo $$ > "$3"
name=$1 folder=$2
cd "$folder"
export LC_ALL=C TZ=UTC HOME=$folder

# a block of bytes that compress, and take time to
bytes() { # SIZE_IN_MEGABYTES
	python3 -c 'import random, sys
r = random.Random(7)
words = [bytes(r.randrange(97, 123) for _ in range(r.randrange(3, 9))) for _ in range(5000)]
for _ in range(int(sys.argv[1])): sys.stdout.buffer.write(b" ".join(r.choice(words) for _ in range(160000))[:1 << 20])' "$1"
}

# a tree of many small files and some large ones
tree() { # FOLDER
	mkdir -p "$1"
	for i in $(seq 300); do echo "file $i" > "$1/$i"; done
	bytes 8 > "$1/large"
	bytes 3 > "$1/larger"
}

rounds() { # COMMAND
	while :; do
		"$@"
		date +%T >> "$folder/rounds"
	done
}

# ---- make -j2, with a make below it that asks for tokens, and objects that take long ----
workload_build() {
	mkdir -p lib app
	local part i
	for part in lib app; do
		for i in 1 2 3 4; do
			# the first takes many seconds by itself
			python3 -c 'import sys
part, i = sys.argv[1], int(sys.argv[2])
for n in range(600 if i == 1 else 80):
    print(f"int {part}{i}_{n}(int a, int b) {{ int s = 0; for (int k = 0; k < a; k++) {{ s += (k * {n + 3}) ^ b; if (s % 7 == {n % 7}) s -= b / (k + 1); }} return s; }}")' $part $i > $part/$part$i.c
		done
		printf 'all: %s.a\n%s.a: %s1.o %s2.o %s3.o %s4.o\n\tar rcs $@ $^\n%%.o: %%.c\n\tgcc -O2 -c -o $@ $<\n' $part $part $part $part $part $part > $part/Makefile
	done
	printf 'all: lib app\n.PHONY: lib app\nlib app:\n\t$(MAKE) -C $@\n' > Makefile
	one() { rm -f lib/*.[ao] app/*.[ao]; make -j2 2>&1 | tail -n 1; }
	rounds one
}

# ---- tar | zstd | ssh, both ways, by a server of its own; the same over socat ----
workload_ssh() {
	local port
	port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
	ssh-keygen -q -t ed25519 -N '' -f host
	ssh-keygen -q -t ed25519 -N '' -f key
	printf 'Port %s\nListenAddress 127.0.0.1\nHostKey %s/host\nPidFile none\nUsePAM no\nStrictModes no\nAuthorizedKeysFile %s/key.pub\nPasswordAuthentication no\nPermitRootLogin yes\n' \
		"$port" "$folder" "$folder" > sshd
	printf 'Host away\n\tHostName 127.0.0.1\n\tPort %s\n\tUser root\n\tIdentityFile %s/key\n\tIdentitiesOnly yes\n\tStrictHostKeyChecking no\n\tUserKnownHostsFile %s/known\n\tLogLevel ERROR\n' \
		"$port" "$folder" "$folder" > config
	[ -d /run/sshd ] || mkdir -p /run/sshd
	"$(command -v sshd || echo /usr/sbin/sshd)" -D -f "$folder/sshd" &
	until ssh -F config away true 2>/dev/null; do read -rt 0.2 <> <(:) || :; done
	tree data
	one() {
		# the compressor is slow: all others wait for it
		tar -c data | zstd -q -17 -T1 | ssh -F config away "cat > $folder/there.zst"
		# the far end is the slow one
		ssh -F config away "zstd -q -19 -T1 -c $folder/data/large" | sha256sum
		# a slow reader over there, whose window closes again and again
		tar -c data | ssh -F config away "zstd -q -18 -T1 > $folder/there.zst"
		# a command that works and says nothing for long
		ssh -F config away "zstd -q -19 -T1 -f -o $folder/quiet.zst $folder/data/large"
		socat -u TCP-LISTEN:"$((port + 1))",bind=127.0.0.1,reuseaddr,retry=20 OPEN:there.tar,creat,trunc &
		local listener=$!
		zstd -q -17 -T1 -c data/larger | socat -u STDIN TCP:127.0.0.1:"$((port + 1))",retry=50,interval=0.1
		wait $listener
	}
	rounds one
}

# ---- apt from a slow repository, and dpkg with scripts that take long ----
workload_apt() {
	mkdir -p repo root/var/lib/dpkg/{info,updates,triggers} etc/apt{,/apt.conf.d,/preferences.d} state/lists/partial cache/archives/partial
	: > root/var/lib/dpkg/status
	: > root/var/lib/dpkg/available
	local kind
	for kind in tool data; do
		mkdir -p pkg-$kind/DEBIAN pkg-$kind/usr/share/quiet-$kind
		bytes 3 > pkg-$kind/usr/share/quiet-$kind/bytes
		printf 'Package: quiet-%s\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.com>\nDescription: of a test\n' $kind > pkg-$kind/DEBIAN/control
		# as an initramfs or a database is made anew
		printf '#!/bin/sh\nset -e\necho "Setting up the database"\nzstd -q -19 -T1 -c "$DPKG_ROOT/usr/share/quiet-%s/bytes" | sha256sum\n' $kind > pkg-$kind/DEBIAN/postinst
		chmod 755 pkg-$kind/DEBIAN/postinst
		dpkg-deb -Znone --build pkg-$kind repo/quiet-${kind}_1_all.deb
		{
			dpkg-deb -f repo/quiet-${kind}_1_all.deb
			printf 'Filename: ./quiet-%s_1_all.deb\nSize: %s\nSHA256: %s\n\n' $kind "$(stat -c %s repo/quiet-${kind}_1_all.deb)" \
				"$(sha256sum < repo/quiet-${kind}_1_all.deb | cut -d' ' -f1)"
		} >> repo/Packages
	done
	# a megabyte a second, as over a slow line
	cat > server.py <<'PY'
import http.server, sys, time
class Slow(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def copyfile(self, source, target):
        while part := source.read(32768):
            target.write(part)
            time.sleep(0.06)
    def log_message(self, *_): pass
with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
PY
	(cd repo && exec python3 ../server.py > ../port) &
	until [ -s port ]; do read -rt 0.1 <> <(:) || :; done
	echo "deb [trusted=yes] http://127.0.0.1:$(cat port) ./" > etc/apt/sources.list
	local options=(-o Dir::Etc="$folder/etc/apt" -o Dir::State="$folder/state" -o Dir::State::status="$folder/root/var/lib/dpkg/status"
		-o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none -o Debug::NoLocking=1 -y -q)
	one() {
		apt-get "${options[@]}" update
		apt-get "${options[@]}" clean
		apt-get "${options[@]}" install --reinstall --download-only quiet-tool quiet-data
		dpkg --root="$folder/root" --force-script-chrootless --force-not-root --force-depends -i cache/archives/*.deb 2>&1 | tee dpkg.log | tail -n 3
	}
	rounds one
}

# ---- rsync, as fast as it can and slowed, with checksums, to a daemon and by pipes ----
workload_rsync() {
	tree data
	one() {
		rm -rf copy
		rsync -a data/ copy/
		rsync -a --checksum --ignore-times --bwlimit=4m data/ copy/ | cat
		touch data/*
		rsync -aW --bwlimit=3m data/ copy/ > log 2>&1
	}
	rounds one
}

# ---- a CI runner: steps whose output is copied, filtered and stamped; jobs side by side; a limit of time ----
workload_ci() {
	bytes 2 > input
	cat > step.sh <<'SH'
echo "compiling"
zstd -q -19 -T1 -c input | sha256sum
echo "testing"
printf '%s\n' 17 18 19 | xargs -P 2 -I{} sh -c 'zstd -q -{} -T1 -c input | wc -c'
echo "done"
SH
	cat > runner.py <<'PY'
# as runners do: the step's output by a pipe, its end by wait, a limit of time by poll
import subprocess, selectors, sys
process = subprocess.Popen(["timeout", "300", "bash", "-e", "step.sh"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
selector = selectors.DefaultSelector()
selector.register(process.stdout, selectors.EVENT_READ)
while True:
    if not selector.select(60): sys.exit("the step says nothing")
    if not (part := process.stdout.read1()): break
    print("runner:", part.decode().strip(), flush=True)
sys.exit(process.wait())
PY
	one() {
		bash -e step.sh 2>&1 | tee step.log | grep --line-buffered . | while IFS= read -r line; do printf '%(%T)T %s\n' -1 "$line"; done
		python3 runner.py | tail -n 1
		# jobs side by side: the first that comes to the lock goes on, as apt, npm and cargo do it
		local jobs=() i
		for i in 1 2 3; do
			flock lock sh -c "zstd -q -17 -T1 -c input | sha256sum > job$i" &
			jobs+=($!)
		done
		wait "${jobs[@]}"
		coproc worker { while read -r level; do zstd -q -"$level" -T1 -c input | wc -c; done; }
		local answer to=${worker[1]} worker_pid=$worker_PID
		for i in 17 18; do
			echo $i >& "$to"
			read -r answer <& "${worker[0]}"
		done
		exec {to}>&-
		wait "$worker_pid" || :
	}
	rounds one
}

# ---- a backup: an archive that is hashed and written through to the disk; one process packs what another has read ----
workload_backup() {
	tree data
	cat > backup.py <<'PY'
# chunks by a queue: read, compress and write in processes of their own, and fsync as a database does
import hashlib, lzma, multiprocessing as mp, os
def reader(queue):
    for root, _, names in os.walk("data"):
        for name in sorted(names):
            with open(os.path.join(root, name), "rb") as file:
                while part := file.read(4 << 20): queue.put(part)
    queue.put(None)
def packer(source, target):
    while (part := source.get()) is not None: target.put(lzma.compress(part, preset=6))
    target.put(None)
if __name__ == "__main__":
    raw, packed = mp.Queue(2), mp.Queue(2)
    workers = [mp.Process(target=reader, args=(raw,)), mp.Process(target=packer, args=(raw, packed))]
    for worker in workers: worker.start()
    with open("chunks", "wb") as file:
        while (part := packed.get()) is not None:
            file.write(hashlib.sha256(part).digest() + part)
            file.flush()
            os.fsync(file.fileno())
    for worker in workers: worker.join()
PY
	one() {
		tar -c data | tee >(sha256sum > sum) | dd of=archive bs=1M conv=fsync status=none
		find data -type f -print0 | xargs -0 -P 2 -n 50 sha256sum > sums
		python3 backup.py
		sync archive chunks
	}
	rounds one
}

# ---- pools of workers: processes and threads, tasks of several seconds, more workers than work ----
workload_pools() {
	cat > pools.py <<'PY'
import concurrent.futures as futures, hashlib, multiprocessing as mp, subprocess, threading, time
def task(seconds):
    end, block, count = time.monotonic() + seconds, b"x" * (1 << 20), 0
    while time.monotonic() < end:
        hashlib.sha256(block).hexdigest()
        count += 1
    return count
def locked(lock, seconds):
    with lock: return task(seconds)
if __name__ == "__main__":
    # most workers have nothing to do, and wait for the one pipe behind its lock
    with mp.Pool(6) as pool:
        pool.map(task, [7, 8], chunksize=1)
        list(pool.imap_unordered(task, [6.5]))
    with futures.ProcessPoolExecutor(4) as pool:
        list(pool.map(task, [7, 6]))
    with futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: subprocess.run(["python3", "-c", "import time\nend = time.monotonic() + 7\nwhile time.monotonic() < end: pass"]), range(2)))
    # each in its turn
    lock = mp.Lock()
    workers = [mp.Process(target=locked, args=(lock, 6)) for _ in range(3)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    lock = threading.Lock()
    threads = [threading.Thread(target=locked, args=(lock, 6)) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
PY
	one() { python3 pools.py; }
	rounds one
}

"workload_$name"
