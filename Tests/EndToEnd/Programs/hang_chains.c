// SPDX-License-Identifier: Apache-2.0
//
// Several processes that wait for each other: chains with a root, circles without a way out, and circles with one.
// The line names the pids of all of them: `members` of a deadlock, `root_pid` of a chain.
#include "hang.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

// MARK: Helpers

static void say_and_follow(const char *kind, pid_t waiter, const char *call, long number) {
	say_thread(waiter, waiter);
	say_kind(kind);
	say_call(call, number);
	say_done();
	for (;;)
		pause();
}

static int lock_file(const char *name) {
	int fd = must(open(temp_path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600), name);
	return fd;
}

static void hold_flock(void *path) { must(flock(must(open(path, O_RDWR | O_CREAT, 0600), "open"), LOCK_EX), "flock"); }
static pid_t fork_ready_lock(char *path) { return fork_ready(hold_flock, path); }

// MARK: Deadlocks

// Two processes, two locks, taken in opposite order.
static void deadlock_flock(void) {
	int ready[2], go[2];
	pid_t pids[2];
	make_pipe(ready);
	make_pipe(go);
	const char *first[] = {temp_path("a"), temp_path("b")};
	for (int i = 0; i < 2; i++) {
		pids[i] = fork_bound();
		if (pids[i] == 0) {
			int own = must(open(first[i], O_RDWR | O_CREAT, 0600), "open");
			int other = must(open(first[!i], O_RDWR | O_CREAT, 0600), "open");
			must(flock(own, LOCK_EX), "flock");
			tell(ready[1]);
			hear(go[0]);
			flock(other, LOCK_EX);
			_exit(3);
		}
	}
	hear(ready[0]);
	hear(ready[0]);
	tell(go[1]);
	tell(go[1]);
	say_members_pids(pids, 2);
	say_and_follow("file", pids[0], "flock", SYS_flock);
}

// The parent waits for its child, which reads the standard input that the parent holds open.
static void deadlock_wait_stdin(void) {
	int ends[2];
	make_pipe(ends);
	pid_t child = fork_bound();
	if (child == 0) {
		char byte;
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) + 3);
	}
	pid_t pids[] = {getpid(), child};
	say_members_pids(pids, 2);
	say_kind("child");
	say_call("wait4", SYS_wait4);
	say_done();
	syscall(SYS_wait4, child, NULL, 0, NULL);
	came_back("wait4", 0);
}

// A reads the pipe that B holds, B wants C's lock, C reads the unix socket whose peer is A's.
static void deadlock_three(void) {
	int line[2], pair[2], ready[2];
	make_pipe(line);
	make_pipe(ready);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	char *path = temp_path("lock");
	pid_t pids[3];
	char byte;

	pids[2] = fork_bound();
	if (pids[2] == 0) {
		close(line[0]), close(line[1]), close(pair[0]);
		int fd = must(open(path, O_RDWR | O_CREAT, 0600), "open");
		must(flock(fd, LOCK_EX), "flock");
		tell(ready[1]);
		close(ready[0]), close(ready[1]);
		_exit(read(pair[1], &byte, 1) + 3);
	}
	hear(ready[0]);
	pids[1] = fork_bound();
	if (pids[1] == 0) {
		close(line[0]), close(pair[0]), close(pair[1]), close(ready[0]), close(ready[1]);
		flock(must(open(path, O_RDWR | O_CREAT, 0600), "open"), LOCK_EX);
		_exit(3);
	}
	pids[0] = fork_bound();
	if (pids[0] == 0) {
		close(line[1]), close(pair[1]), close(ready[0]), close(ready[1]);
		_exit(read(line[0], &byte, 1) + 3);
	}
	close(line[0]), close(line[1]), close(pair[0]), close(pair[1]);
	say_members_pids(pids, 3);
	say_and_follow("pipe", pids[0], "read", SYS_read);
}

// MARK: None

// A pipe with two writers: one waits for the reader, the other is at work.
static void two_writers(void) {
	int line[2], back[2];
	char byte;
	make_pipe(line);
	make_pipe(back);
	pid_t reader = fork_bound();
	if (reader == 0) {
		close(line[1]), close(back[0]);
		_exit(read(line[0], &byte, 1) + 3);
	}
	pid_t waiting = fork_bound();
	if (waiting == 0) {
		close(line[0]), close(back[1]);
		_exit(read(back[0], &byte, 1) + 3);
	}
	pid_t working = fork_bound();
	if (working == 0) {
		close(line[0]), close(back[0]), close(back[1]);
		for (volatile unsigned long turns = 0;; turns++)
			if (turns % 1000 == 0)
				usleep(1000);
	}
	close(line[0]), close(line[1]), close(back[0]), close(back[1]);
	say_number("member_0", waiting);
	say_number("member_1", working);
	say_and_follow("pipe", reader, "read", SYS_read);
}

static void on_alarm(int number) { (void)number; }

// Two locks in opposite order, but one of the two has an alarm.
static void deadlock_with_alarm(void) {
	int ready[2], go[2];
	pid_t pids[2];
	make_pipe(ready);
	make_pipe(go);
	const char *names[] = {temp_path("a"), temp_path("b")};
	for (int i = 0; i < 2; i++) {
		pids[i] = fork_bound();
		if (pids[i] == 0) {
			int own = must(open(names[i], O_RDWR | O_CREAT, 0600), "open");
			int other = must(open(names[!i], O_RDWR | O_CREAT, 0600), "open");
			must(flock(own, LOCK_EX), "flock");
			tell(ready[1]);
			hear(go[0]);
			if (i == 1) {
				on_signal(SIGALRM, on_alarm, 0);
				alarm(3600);
			}
			flock(other, LOCK_EX);
			_exit(3);
		}
	}
	hear(ready[0]);
	hear(ready[0]);
	tell(go[1]);
	tell(go[1]);
	say_number("member_0", pids[0]);
	say_number("member_1", pids[1]);
	say_and_follow("file", pids[0], "flock", SYS_flock);
}

// MARK: Chains

// sort waits for perl, perl for the lock of cron, and cron sleeps.
static void chain_three(void) {
	int line[2], ready[2];
	char byte;
	make_pipe(line);
	make_pipe(ready);
	char *path = temp_path("lock");
	pid_t root = fork_bound();
	if (root == 0) {
		close(line[0]), close(line[1]);
		must(flock(must(open(path, O_RDWR | O_CREAT, 0600), "open"), LOCK_EX), "flock");
		tell(ready[1]);
		close(ready[0]), close(ready[1]);
		for (;;)
			sleep(3600);
	}
	hear(ready[0]);
	pid_t middle = fork_bound();
	if (middle == 0) {
		close(line[0]), close(ready[0]), close(ready[1]);
		flock(must(open(path, O_RDWR | O_CREAT, 0600), "open"), LOCK_EX);
		_exit(3);
	}
	pid_t waiter = fork_bound();
	if (waiter == 0) {
		close(line[1]), close(ready[0]), close(ready[1]);
		_exit(read(line[0], &byte, 1) + 3);
	}
	close(line[0]), close(line[1]);
	say_number("holder_pid", middle);
	say_number("root_pid", root);
	say_and_follow("pipe", waiter, "read", SYS_read);
}

// N processes that want one lock.
static void many_waiters(void) {
	char *path = temp_path("lock");
	int count = number_argument(0, 30);
	pid_t holder = fork_ready_lock(path), first = 0;
	for (int i = 0; i < count; i++) {
		pid_t child = fork_bound();
		if (child == 0) {
			flock(must(open(path, O_RDWR | O_CREAT, 0600), "open"), LOCK_EX);
			_exit(3);
		}
		if (i == 0)
			first = child;
	}
	say_number("holder_pid", holder);
	say_and_follow("file", first, "flock", SYS_flock);
}

static int *own_pipes;

static void *read_own_pipe(void *index) {
	char byte;
	while (read(own_pipes[(long)index], &byte, 1) != 1)
		;
	return NULL;
}

// N threads of one process, each in a read of its own pipe; others have the write ends, 2,000 a process.
static void many_pipes(void) {
	enum { batch = 2000 };
	long count = number_argument(0, 10000);
	struct rlimit limit;
	must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	int writers[batch], ready[2];
	own_pipes = calloc(count, sizeof *own_pipes);
	make_pipe(ready);
	for (long start = 0; start < count; start += batch) {
		long end = start + batch < count ? start + batch : count;
		for (long i = start; i < end; i++) {
			int ends[2];
			make_pipe(ends);
			own_pipes[i] = ends[0];
			writers[i - start] = ends[1];
		}
		pid_t writer = fork_bound();
		if (writer == 0) {
			for (long i = 0; i < end; i++)
				close(own_pipes[i]);
			tell(ready[1]);
			for (;;)
				pause();
		}
		for (long i = start; i < end; i++)
			close(writers[i - start]);
		hear(ready[0]);
	}
	for (long i = 0; i < count; i++)
		start_thread(read_own_pipe, (void *)i);
	say_kind("none");
	hang_in_pause();
}

static void zombie(void) {
	pid_t child = fork_bound();
	if (child == 0)
		_exit(0);
	siginfo_t info;
	must(waitid(P_PID, child, &info, WEXITED | WNOWAIT), "waitid");
	say_number("child_pid", child);
	say_kind("none");
	hang_in_pause();
}

static void spin(void) {
	say_kind("none");
	say_call("none", -1);
	say_done();
	for (volatile unsigned long turns = 0;; turns++)
		;
}

// Who took the lock is dead; its child has inherited the open file and keeps the lock.
static void lock_taker_died(void) {
	int ready[2];
	make_pipe(ready);
	char *path = temp_path("lock");
	pid_t own = getpid();
	must(prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	pid_t taker = fork_bound();
	if (taker == 0) {
		must(flock(must(open(path, O_RDWR | O_CREAT, 0600), "open"), LOCK_EX), "flock");
		pid_t keeper = fork();
		if (keeper == 0) {
			while (getppid() != own)
				sleep_ms(1);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			keeper = getpid();
			must(write(ready[1], &keeper, sizeof keeper), "write");
			for (;;)
				pause();
		}
		_exit(0);
	}
	pid_t keeper;
	must(read(ready[0], &keeper, sizeof keeper) == sizeof keeper ? 0 : -1, "read");
	waitpid(taker, NULL, 0);
	say_number("holder_pid", keeper);
	say_number("root_pid", keeper);
	int fd = must(open(path, O_RDWR | O_CREAT, 0600), "open");
	say_file(fd, "file", path);
	hang_in(flock, fd, LOCK_EX);
}

// A read lock that two hold, and a writer that waits for both.

static void shared_lock(void) {
	char *path = temp_path("lock");
	int ready[2];
	pid_t pids[2];
	make_pipe(ready);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork_bound();
		if (pids[i] == 0) {
			struct flock range = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = i * 10, .l_len = 10};
			must(fcntl(must(open(path, O_RDWR | O_CREAT, 0600), "open"), F_SETLKW, &range), "fcntl");
			tell(ready[1]);
			for (;;)
				pause();
		}
	}
	hear(ready[0]);
	hear(ready[0]);

	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10};
	int fd = lock_file("lock");
	say_file(fd, "file", path);
	say_number("holder_count", 2);
	say_number("member_0", pids[0]);
	say_number("member_1", pids[1]);
#ifdef SYS_fcntl64
	hang_in(fcntl64, fd, F_SETLKW, &range);
#else
	hang_in(fcntl, fd, F_SETLKW, &range);
#endif
}

#ifdef SYS_fcntl64
enum { lock_call = SYS_fcntl64 };
static const char lock_name[] = "fcntl64";
#else
enum { lock_call = SYS_fcntl };
static const char lock_name[] = "fcntl";
#endif

static void take_range(const char *path, int start, int length) {
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
	must(fcntl(must(open(path, O_RDWR | O_CREAT, 0600), "open"), F_SETLKW, &range), "fcntl");
}

// One has bytes 0 to 9 and does nothing, another bytes 20 to 29 and wants the flock of the last. A third wants all of them.
// The last wants bytes 0 to 9, and the kernel puts it in line behind the third; when the first lets go it wakes both.
static void lock_queue(void) {
	char *ranges = temp_path("ranges"), *whole = temp_path("whole");
	enum { idle, owner, wide, narrow, count };
	pid_t pids[count];
	int ready[2], go[2];
	make_pipe(ready);
	make_pipe(go);
	for (int i = 0; i < count; i++) {
		pids[i] = fork_bound();
		if (pids[i] != 0) {
			if (i == wide)
				wait_until_in(pids[i], lock_call);
			else
				hear(ready[0]);
			continue;
		}
		switch (i) {
		case idle:
			take_range(ranges, 0, 10);
			tell(ready[1]);
			for (;;)
				pause();
		case owner:
			take_range(ranges, 20, 10);
			tell(ready[1]);
			hear(go[0]);
			hold_flock(whole);
			break;
		case wide:
			take_range(ranges, 0, 30);
			break;
		case narrow:
			hold_flock(whole);
			tell(ready[1]);
			hear(go[0]);
			take_range(ranges, 0, 10);
		}
		_exit(3);
	}
	tell(go[1]);
	tell(go[1]);
	wait_until_in(pids[owner], SYS_flock);
	wait_until_in(pids[narrow], lock_call);
	say_number("holder_pid", pids[idle]);
	say_number("queued_pid", pids[wide]);
	say_number("owner_pid", pids[owner]);
	say_and_follow("file", pids[narrow], lock_name, lock_call);
}

// The table of descriptors that has a pipe's write end belongs to two processes: one reads what the reader would write, the
// other can write at any time.
static void shared_table(void) {
	int forth[2], back[2], ready[2];
	char byte;
	make_pipe(forth);
	make_pipe(back);
	make_pipe(ready);
	pid_t reader = fork_bound();
	if (reader == 0) {
		close(forth[1]), close(back[0]), close(ready[0]), close(ready[1]);
		_exit(read(forth[0], &byte, 1) + 3);
	}
	pid_t one = fork_bound();
	if (one == 0) {
		close(forth[0]), close(back[1]);
		pid_t other = must(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0L, 0L, 0L, 0L), "clone");
		if (other == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				sleep(3600);
		}
		must(write(ready[1], &other, sizeof other), "write");
		_exit(read(back[0], &byte, 1) + 3);
	}
	pid_t other;
	must(read(ready[0], &other, sizeof other) == sizeof other ? 0 : -1, "read");
	close(forth[0]), close(forth[1]), close(back[0]), close(back[1]);
	wait_until_in(reader, SYS_read);
	wait_until_in(one, SYS_read);
	say_number("member_0", one);
	say_number("member_1", other);
	say_number("root_pid", other);
	say_and_follow("pipe", reader, "read", SYS_read);
}

static void send_descriptor(int over, int fd) {
	char byte = 'x', control[CMSG_SPACE(sizeof fd)] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	must(sendmsg(over, &message, 0), "sendmsg");
}

static int receive_descriptor(int over) {
	int fd;
	char byte, control[CMSG_SPACE(sizeof fd)] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	must(recvmsg(over, &message, 0), "recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	return fd;
}

// The peer of our socket was handed to another process; its creator keeps none.
static void peer_passed_on(void) {
	int way[2], pair[2], ready[2];
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, way), "socketpair");
	make_pipe(ready);
	pid_t keeper = fork_bound();
	if (keeper == 0) {
		receive_descriptor(way[1]);
		tell(ready[1]);
		for (;;)
			pause();
	}
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	send_descriptor(way[0], pair[1]);
	close(pair[1]);
	hear(ready[0]);
	say_socket(pair[0], "unix", "ESTABLISHED");
	say_number("holder_pid", keeper);
	say_number("root_pid", keeper);
	hang_in_read(pair[0]);
}

// The peer of our socket lies in another socket's queue: nobody has it.
static void peer_in_flight(void) {
	int way[2], pair[2];
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, way), "socketpair");
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	send_descriptor(way[0], pair[1]);
	close(pair[1]);
	say_socket(pair[0], "unix", "ESTABLISHED");
	say_text("unresolved", "holders=in_flight");
	hang_in_read(pair[0]);
}

static void run_command(const char *command) {
	if (system(command) != 0) {
		fprintf(stderr, "hang: failed: %s\n", command);
		exit(1);
	}
}

static struct sockaddr_in address_of(const char *text, int port) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

// Two network namespaces with a cable between them: the server sits at the other end of it.
static void read_from_other_namespace(bool is_lost) {
	int ready[2], go[2];
	make_pipe(ready);
	make_pipe(go);
	enter_namespaces(CLONE_NEWNET);
	pid_t server = fork_bound();
	if (server == 0) {
		enter_namespaces(CLONE_NEWNET);
		tell(ready[1]);
		hear(go[0]);
		run_command("ip addr add 10.98.0.2/24 dev v1 && ip link set v1 up && ip link set lo up");
		struct sockaddr_in address = address_of("10.98.0.2", 4000);
		int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
		must(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
		must(listen(listener, 5), "listen");
		tell(ready[1]);
		int client = must(accept(listener, NULL, NULL), "accept");
		char byte;
		must(read(client, &byte, 1), "read");
		struct tcp_info info = {0};
		socklen_t size = sizeof info;
		if (is_lost) {
			tell(ready[1]);
			hear(go[0]);
			must(write(client, "y", 1), "write");
			do {
				usleep(20000);
				must(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &size), "getsockopt");
			} while (info.tcpi_retransmits < 2);
			tell(ready[1]);
		}
		for (;;)
			pause();
	}
	hear(ready[0]);
	char command[256];
	snprintf(command, sizeof command,
		 "ip link add v0 type veth peer name v1 && ip link set v1 netns %d && ip addr add 10.98.0.1/24 dev v0 && ip link set v0 up",
		 server);
	run_command(command);
	tell(go[1]);
	hear(ready[0]);
	struct sockaddr_in address = address_of("10.98.0.2", 4000);
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
	must(write(fd, "x", 1), "write");
	if (is_lost) {
		hear(ready[0]);
		run_command("ip link set v0 down");
		tell(go[1]);
		hear(ready[0]);
		say_text("reason", "send_stalled");
	} else {
		say_number("root_pid", server);
	}
	say_socket(fd, "tcp", "ESTABLISHED");
	say_number("holder_pid", server);
	hang_in_read(fd);
}

static void peer_in_other_namespace(void) { read_from_other_namespace(false); }

// The server has answered, and nothing of that arrives.
static void tcp_reply_lost(void) { read_from_other_namespace(true); }

// A server in another process has accepted, and works on something else.
static void tcp_chain(void) {
	char *path = temp_path("lock");
	int ready[2];
	make_pipe(ready);
	pid_t holder = fork_bound();
	if (holder == 0) {
		must(flock(must(open(path, O_RDWR | O_CREAT, 0600), "open"), LOCK_EX), "flock");
		tell(ready[1]);
		for (;;)
			pause();
	}
	hear(ready[0]);
	struct sockaddr_in address = address_of("127.0.0.1", 0);
	socklen_t length = sizeof address;
	int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
	must(listen(listener, 5), "listen");
	must(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
	pid_t server = fork_bound();
	if (server == 0) {
		close(ready[0]), close(ready[1]);
		int client = must(accept(listener, NULL, NULL), "accept");
		char byte;
		must(read(client, &byte, 1), "read");
		flock(must(open(path, O_RDWR | O_CREAT, 0600), "open"), LOCK_EX);
		_exit(3);
	}
	close(listener), close(ready[0]), close(ready[1]);
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
	must(write(fd, "x", 1), "write");
	say_socket(fd, "tcp", "ESTABLISHED");
	say_number("holder_pid", server);
	say_number("root_pid", holder);
	hang_in_read(fd);
}

const struct mode chain_modes[] = {
	{"deadlock-flock", deadlock_flock, "two processes want each other's flock"},
	{"deadlock-wait-stdin", deadlock_wait_stdin, "wait4 for a child that reads our end of a pipe"},
	{"deadlock-three", deadlock_three, "a circle through a pipe, a lock and a unix socket"},
	{"two-writers", two_writers, "a pipe with two writers, one waits for the reader, one works"},
	{"deadlock-with-alarm", deadlock_with_alarm, "two flocks in a circle, one with an alarm"},
	{"chain-three", chain_three, "a pipe whose writer wants the lock of a sleeper"},
	{"many-waiters", many_waiters, "N (30) processes that want one flock"},
	{"many-pipes", many_pipes, "N (10000) threads, each in a read of a pipe whose write end another process has"},
	{"zombie", zombie, "a pause; the child has exited and is not waited for"},
	{"spin", spin, "not blocked: a loop"},
	{"lock-taker-died", lock_taker_died, "a flock whose taker is dead, its child has it"},
	{"shared-lock", shared_lock, "a range that two read locks cover"},
	{"lock-queue", lock_queue, "a range that a sleeper has, in line behind one that wants more"},
	{"shared-table", shared_table, "a pipe whose write end two processes have in one table"},
	{"peer-passed-on", peer_passed_on, "a socket whose peer was handed to another process"},
	{"peer-in-flight", peer_in_flight, "a socket whose peer lies in another socket's queue"},
	{"peer-in-other-namespace", peer_in_other_namespace, "a TCP server in another network namespace"},
	{"tcp-reply-lost", tcp_reply_lost, "read of an answer that the network loses"},
	{"tcp-chain", tcp_chain, "a TCP server that wants the lock of a third"},
	{0},
};
