// SPDX-License-Identifier: Apache-2.0
//
// actor: plays a topology. Reads scripts from standard input, one thread each, makes what they say, and prints "SCRIPT PID TID" of
// each when all have come to their last line, in which they block. Tests/Topologies/topology.py writes the scripts.
//
// Script 0 is the world's: it makes what is inherited and stays out of the way. Slots are numbers of open files; a child has
// copies of its parent's. Everybody dies with their parent.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { most_scripts = 64, most_lines = 128, most_words = 32, most_slots = 256, most_locks = 16, mutex_types = 6 };

struct locks {
	pthread_mutex_t mutexes[mutex_types][most_locks];
	pthread_rwlock_t rwlocks[most_locks];
	pthread_cond_t conditions[most_locks];
	sem_t semaphores[most_locks];
};

struct shared {
	pthread_barrier_t barrier;
	struct {
		pid_t pid, tid;
	} scripts[most_scripts];
	struct locks locks;
};

static char *lines[most_scripts][most_lines];
static int line_count[most_scripts], thread_count;
static int slots[most_slots];
static pthread_t handles[most_scripts];
static struct shared *shared;
static struct locks own;

static long must(long result, const char *step) {
	if (result >= 0)
		return result;
	fprintf(stderr, "actor: %s: %s\n", step, strerror(errno));
	exit(1);
}

static void make_locks(struct locks *locks, int scope) {
	static const int types[mutex_types] = {PTHREAD_MUTEX_NORMAL,	  PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
					       PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_NORMAL,	   PTHREAD_MUTEX_NORMAL};
	for (int lock = 0; lock < most_locks; lock++) {
		for (int type = 0; type < mutex_types; type++) {
			pthread_mutexattr_t kind;
			pthread_mutexattr_init(&kind);
			pthread_mutexattr_settype(&kind, types[type]);
			pthread_mutexattr_setpshared(&kind, scope);
			if (type == 4)
				pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
			if (type == 5)
				pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
			pthread_mutex_init(&locks->mutexes[type][lock], &kind);
		}
		pthread_rwlockattr_t kind;
		pthread_rwlockattr_init(&kind);
		pthread_rwlockattr_setpshared(&kind, scope);
		pthread_rwlock_init(&locks->rwlocks[lock], &kind);
		pthread_condattr_t waiting;
		pthread_condattr_init(&waiting);
		pthread_condattr_setpshared(&waiting, scope);
		pthread_cond_init(&locks->conditions[lock], &waiting);
		sem_init(&locks->semaphores[lock], scope == PTHREAD_PROCESS_SHARED, 0);
	}
}

static void *play(void *number);

// MARK: Words of a line

struct line {
	char *words[most_words];
	int count;
};

static struct line split(const char *text) {
	struct line line = {.count = 0};
	char *rest, *copy = strdup(text);
	for (char *word = strtok_r(copy, " \n", &rest); word && line.count < most_words; word = strtok_r(NULL, " \n", &rest))
		line.words[line.count++] = word;
	return line;
}

static long number(const struct line *line, int at) { return at < line->count ? atol(line->words[at]) : 0; }
static const char *word(const struct line *line, int at) { return at < line->count ? line->words[at] : ""; }
static bool is(const struct line *line, int at, const char *text) { return strcmp(word(line, at), text) == 0; }
static int slot(const struct line *line, int at) {
	long which = number(line, at);
	return which >= 0 && which < most_slots ? slots[which] : -1;
}

static struct timespec milliseconds(long amount) {
	return (struct timespec){.tv_sec = amount / 1000, .tv_nsec = amount % 1000 * 1000000};
}
static struct timespec in_milliseconds(clockid_t clock, long amount) {
	struct timespec now;
	clock_gettime(clock, &now);
	now.tv_sec += amount / 1000;
	return now;
}

// MARK: What is made

static void set_slot(long at, int fd) { slots[at] = fcntl(must(fd, "open"), F_DUPFD, 20), close(fd); }

static void make_tcp(int ends[2]) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(listener, (struct sockaddr *)&address, length), "bind");
	must(listen(listener, 1), "listen");
	must(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
	ends[0] = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	int size = 8192; // soon full
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(ends[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof size), setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	must(connect(ends[0], (struct sockaddr *)&address, length), "connect");
	ends[1] = must(accept(listener, NULL, NULL), "accept");
	close(listener);
}

static void make_unix(int ends[2], const char *path) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	int listener = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	must(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
	must(listen(listener, 1), "listen");
	ends[0] = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	must(connect(ends[0], (struct sockaddr *)&address, sizeof address), "connect");
	ends[1] = must(accept(listener, NULL, NULL), "accept");
	close(listener);
}

static bool is_tcp(int fd) {
	int protocol = 0;
	socklen_t length = sizeof protocol;
	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 && protocol == IPPROTO_TCP;
}

// Two connected UDP sockets.
static void make_udp(int ends[2]) {
	struct sockaddr_in addresses[2];
	socklen_t length = sizeof addresses[0];
	for (int end = 0; end < 2; end++) {
		addresses[end] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		ends[end] = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
		must(bind(ends[end], (struct sockaddr *)&addresses[end], length), "bind");
		must(getsockname(ends[end], (struct sockaddr *)&addresses[end], &length), "getsockname");
	}
	for (int end = 0; end < 2; end++)
		must(connect(ends[end], (struct sockaddr *)&addresses[1 - end], length), "connect");
}

static void fill(int fd) {
	static const char bytes[4096];
	int flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	// TCP takes more once the first has been acknowledged, which may take its 40 ms
	for (int refused = 0; refused < (is_tcp(fd) ? 60 : 1);) {
		if (write(fd, bytes, sizeof bytes) >= 0 || write(fd, bytes, 1) >= 0)
			refused = 0;
		else if (refused++, is_tcp(fd))
			usleep(1000);
	}
	fcntl(fd, F_SETFL, flags);
}

static void keep(const struct line *line) {
	bool kept[most_slots] = {false};
	for (int at = 1; at < line->count; at++)
		kept[number(line, at)] = true;
	for (int at = 0; at < most_slots; at++)
		if (!kept[at] && slots[at] >= 0)
			close(slots[at]), slots[at] = -1;
}

static bool make(const struct line *line) {
	int ends[2] = {-1, -1};
	if (is(line, 0, "pipe"))
		must(pipe(ends), "pipe");
	else if (is(line, 0, "pair"))
		must(socketpair(AF_UNIX, is(line, 3, "stream") ? SOCK_STREAM : is(line, 3, "dgram") ? SOCK_DGRAM : SOCK_SEQPACKET, 0, ends), "socketpair");
	else if (is(line, 0, "tcp"))
		make_tcp(ends);
	else if (is(line, 0, "unix"))
		make_unix(ends, word(line, 3));
	else if (is(line, 0, "udp"))
		make_udp(ends);
	else if (is(line, 0, "fifo") || is(line, 0, "both")) {
		must(mkfifo(word(line, 3), 0600), "mkfifo");
		int both = must(open(word(line, 3), O_RDWR), "open");
		ends[0] = must(open(word(line, 3), O_RDONLY), "open");
		ends[1] = must(open(word(line, 3), O_WRONLY), "open");
		if (is(line, 0, "both"))
			close(ends[0]), ends[0] = both;
		else
			close(both);
	} else if (is(line, 0, "timerfd")) {
		struct itimerspec later = {.it_value.tv_sec = 600};
		int timer = must(timerfd_create(CLOCK_MONOTONIC, 0), "timerfd_create");
		return timerfd_settime(timer, 0, &later, NULL), set_slot(number(line, 1), timer), true;
	} else if (is(line, 0, "limit")) {
		struct timeval limit = {.tv_sec = 600};
		return setsockopt(slot(line, 1), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), true;
	} else if (is(line, 0, "alarm"))
		return alarm(600), true;
	else if (is(line, 0, "eventfd"))
		return set_slot(number(line, 1), eventfd(0, 0)), true;
	else if (is(line, 0, "open"))
		return set_slot(number(line, 1), open(word(line, 2), O_RDWR | O_CREAT, 0600)), true;
	else
		return false;
	// the second first: a number may stand where the other was
	ends[1] = must(fcntl(ends[1], F_DUPFD, 20), "dup"), ends[0] = must(fcntl(ends[0], F_DUPFD, 20), "dup");
	slots[number(line, 1)] = ends[0], slots[number(line, 2)] = ends[1];
	for (int fd = 3; fd < 20; fd++)
		close(fd);
	return true;
}

static void start(const struct line *line) {
	long script = number(line, 1);
	if (is(line, 0, "thread")) {
		must(-pthread_create(&handles[script], NULL, play, (void *)script), "thread");
		return;
	}
	pid_t child = must(fork(), "fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		play((void *)script);
		exit(0);
	}
	shared->scripts[script].pid = child;
}

// MARK: Locks: taken, or waited for

static bool range(const struct line *line) {
	int command = is(line, 0, "posix") ? F_SETLKW : is(line, 0, "ofd") ? F_OFD_SETLKW : -1;
	if (command < 0)
		return false;
	struct flock lock = {
	    .l_type = is(line, 2, "r") ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET, .l_start = number(line, 3), .l_len = number(line, 4)};
	must(fcntl(slot(line, 1), command, &lock), "fcntl");
	return true;
}

static bool lock(const struct line *line) {
	if (range(line))
		return true;
	if (is(line, 0, "flock"))
		return must(flock(slot(line, 1), is(line, 2, "r") ? LOCK_SH : LOCK_EX), "flock"), true;
	struct locks *locks = is(line, 1, "shared") ? &shared->locks : &own;
	long at = number(line, 2);
	struct timespec later = in_milliseconds(CLOCK_REALTIME, number(line, 4));
	if (is(line, 0, "mutex") && line->count > 4)
		pthread_mutex_timedlock(&locks->mutexes[number(line, 3)][at], &later);
	else if (is(line, 0, "mutex"))
		pthread_mutex_lock(&locks->mutexes[number(line, 3)][at]);
	else if (is(line, 0, "wrlock"))
		pthread_rwlock_wrlock(&locks->rwlocks[at]);
	else if (is(line, 0, "rdlock"))
		pthread_rwlock_rdlock(&locks->rwlocks[at]);
	else if (is(line, 0, "condition"))
		pthread_mutex_lock(&own.mutexes[0][most_locks - 1]), pthread_cond_wait(&own.conditions[at], &own.mutexes[0][most_locks - 1]);
	else if (is(line, 0, "semaphore"))
		sem_wait(&locks->semaphores[at]);
	else
		return false;
	return true;
}

// MARK: Other ways to block

static char buffer[4096];

static bool move(const struct line *line) {
	struct iovec part = {.iov_base = buffer, .iov_len = sizeof buffer};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int fd = slot(line, 1);
	if (is(line, 0, "read"))
		return read(fd, buffer, sizeof buffer), true;
	if (is(line, 0, "readv"))
		return readv(fd, &part, 1), true;
	if (is(line, 0, "recv"))
		return recv(fd, buffer, sizeof buffer, 0), true;
	if (is(line, 0, "recvmsg"))
		return recvmsg(fd, &message, 0), true;
	if (is(line, 0, "write"))
		return write(fd, buffer, sizeof buffer), true;
	if (is(line, 0, "writev"))
		return writev(fd, &part, 1), true;
	if (is(line, 0, "send"))
		return send(fd, buffer, sizeof buffer, 0), true;
	if (is(line, 0, "sendmsg"))
		return sendmsg(fd, &message, 0), true;
	return false;
}

// HOW MILLISECONDS, then pairs of a slot and "in" or "out"; "child SCRIPT" is a pidfd. epoll2: each in an epoll of its own.
static bool watch(const struct line *line) {
	bool polls = is(line, 0, "poll") || is(line, 0, "ppoll"), selects = is(line, 0, "select") || is(line, 0, "pselect");
	if (!polls && !selects && !is(line, 0, "epoll") && !is(line, 0, "epoll2"))
		return false;
	long limit = number(line, 1);
	struct timespec span = milliseconds(limit), *time = limit < 0 ? NULL : &span;
	struct timeval value = {.tv_sec = limit / 1000, .tv_usec = limit % 1000 * 1000};
	struct pollfd members[most_words];
	int count = 0, last = 0;
	fd_set readers, writers;
	FD_ZERO(&readers);
	FD_ZERO(&writers);
	for (int at = 2; at + 1 < line->count; at += 2, count++) {
		int fd = is(line, at, "child") ? (int)must(syscall(SYS_pidfd_open, shared->scripts[number(line, at + 1)].pid, 0), "pidfd_open")
					       : slot(line, at);
		bool writes = is(line, at + 1, "out");
		members[count] = (struct pollfd){.fd = fd, .events = writes ? POLLOUT : POLLIN};
		FD_SET(fd, writes ? &writers : &readers);
		last = fd > last ? fd : last;
	}
	if (is(line, 0, "poll"))
		return poll(members, count, limit), true;
	if (is(line, 0, "ppoll"))
		return ppoll(members, count, time, NULL), true;
	if (is(line, 0, "select"))
		return select(last + 1, &readers, &writers, NULL, limit < 0 ? NULL : &value), true;
	if (is(line, 0, "pselect"))
		return pselect(last + 1, &readers, &writers, NULL, time, NULL), true;
	int set = epoll_create1(0);
	for (int at = 0; at < count; at++) {
		struct epoll_event event = {.events = members[at].events}, inside = {.events = EPOLLIN};
		int inner = is(line, 0, "epoll2") ? epoll_create1(0) : set;
		must(epoll_ctl(inner, EPOLL_CTL_ADD, members[at].fd, &event), "epoll_ctl");
		if (inner != set)
			must(epoll_ctl(set, EPOLL_CTL_ADD, inner, &inside), "epoll_ctl");
	}
	struct epoll_event got;
	return epoll_wait(set, &got, 1, limit), true;
}

static bool rest(const struct line *line) {
	siginfo_t info;
	struct timespec time = milliseconds(number(line, 1));
	sigset_t none;
	sigemptyset(&none);
	if (is(line, 0, "wait4"))
		return waitpid(number(line, 1) < 0 ? -1 : shared->scripts[number(line, 1)].pid, NULL, 0), true;
	if (is(line, 0, "waitid"))
		return waitid(number(line, 1) < 0 ? P_ALL : P_PID, shared->scripts[number(line, 1) < 0 ? 0 : number(line, 1)].pid, &info, WEXITED), true;
	if (is(line, 0, "join"))
		return pthread_join(handles[number(line, 1)], NULL), true;
	if (is(line, 0, "sleep"))
		return nanosleep(&time, NULL), true;
	if (is(line, 0, "pause"))
		return pause(), true;
	if (is(line, 0, "suspend"))
		return sigsuspend(&none), true;
	if (is(line, 0, "enter"))
		return open(word(line, 1), is(line, 2, "out") ? O_WRONLY : O_RDONLY), true;
	if (is(line, 0, "accept")) {
		int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
		must(listen(listener, 1), "listen");
		return accept(listener, NULL, NULL), true;
	}
	if (is(line, 0, "leave"))
		pthread_exit(NULL);
	return false;
}

static void *play(void *argument) {
	long script = (long)argument;
	shared->scripts[script].tid = syscall(SYS_gettid);
	shared->scripts[script].pid = getpid();
	for (int at = 0; at < line_count[script]; at++) {
		struct line line = split(lines[script][at]);
		if (is(&line, 0, "keep"))
			keep(&line);
		else if (is(&line, 0, "fork") || is(&line, 0, "thread"))
			start(&line);
		else if (is(&line, 0, "fill"))
			fill(slot(&line, 1));
		else if (is(&line, 0, "barrier"))
			pthread_barrier_wait(&shared->barrier);
		else if (is(&line, 0, "tell")) {
			for (int other = 0; other < most_scripts; other++)
				if (line_count[other])
					printf("%d %d %d\n", other, shared->scripts[other].pid, shared->scripts[other].tid);
			// who still comes out of it waits for nothing yet
			printf("barrier %lu %zu\nend\n", (unsigned long)&shared->barrier, sizeof shared->barrier);
			fflush(stdout);
		} else if (!make(&line) && !lock(&line) && !move(&line) && !watch(&line) && !rest(&line))
			fprintf(stderr, "actor: what is %s?\n", lines[script][at]), exit(1);
	}
	// whoever comes back was let go by somebody's end
	for (;;)
		pause();
}

int main(void) {
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared == MAP_FAILED ? -1 : 0, "mmap");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	memset(slots, -1, sizeof slots);
	char text[1024];
	int script = 0;
	while (fgets(text, sizeof text, stdin)) {
		if (sscanf(text, "script %d", &script) == 1 && script < most_scripts)
			thread_count++;
		else if (line_count[script] < most_lines)
			lines[script][line_count[script]++] = strdup(text);
	}
	int nothing = open("/dev/null", O_RDONLY);
	dup2(nothing, 0), close(nothing);
	pthread_barrierattr_t kind;
	pthread_barrierattr_init(&kind);
	pthread_barrierattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &kind, thread_count);
	make_locks(&shared->locks, PTHREAD_PROCESS_SHARED);
	make_locks(&own, PTHREAD_PROCESS_PRIVATE);
	play((void *)0L);
}
