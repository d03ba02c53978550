// SPDX-License-Identifier: Apache-2.0
//
// Waits for one of several: poll, select, epoll, io_uring.
#include "hang.h"
#include <netinet/in.h>
#include <arpa/inet.h>

#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <dirent.h>
#include <time.h>

// MARK: Calls that newer architectures have only by their successors

#ifdef SYS_poll
#define hang_in_poll(set, count, milliseconds) hang_in(poll, set, count, milliseconds)
#else
#define hang_in_poll(set, count, milliseconds)                                                  \
	do {                                                                                     \
		struct timespec time_ = {(milliseconds) / 1000, (milliseconds) % 1000 * 1000000}; \
		hang_in(ppoll, set, count, (milliseconds) < 0 ? NULL : &time_, NULL, 8L);         \
	} while (0)
#endif

// MARK: A set of three

enum { set_size = 3 };
static int set[set_size];
static const char *const set_kinds[set_size] = {"pipe", "eventfd", "unix"};
static struct pollfd polled[set_size];

static void make_set(void) {
	int ends[2];
	make_pipe(ends);
	set[0] = ends[0];
	set[1] = must(eventfd(0, 0), "eventfd");
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	set[2] = ends[0];
	for (int i = 0; i < set_size; i++)
		polled[i] = (struct pollfd){.fd = set[i], .events = POLLIN};
	say_members(set, set_kinds, set_size);
}

static int highest_in(fd_set *chosen) {
	int highest = 0;
	FD_ZERO(chosen);
	for (int i = 0; i < set_size; i++) {
		FD_SET(set[i], chosen);
		highest = set[i] > highest ? set[i] : highest;
	}
	return highest;
}

static void poll_call(void) {
	make_set();
	say_kind("poll");
	hang_in_poll(polled, set_size, -1L);
}

static void poll_simple(void) {
	int ends[2];
	make_pipe(ends);
	struct pollfd one = {.fd = ends[0], .events = POLLIN};
	say_kind("poll");
	say_members(ends, set_kinds, 1);
	say_number("timeout_ms", 3600000);
	hang_in_poll(&one, 1L, 3600000L);
}

static void ppoll_call(void) {
	make_set();
	say_kind("poll");
	hang_in(ppoll, polled, set_size, NULL, NULL, 8L);
}

// select of i386 takes one pointer to its arguments; what programs call there is _newselect.
static void select_call(void) {
	fd_set chosen;
	make_set();
	int highest = highest_in(&chosen);
	say_kind("poll");
#ifdef SYS__newselect
	hang_in(_newselect, highest + 1, &chosen, NULL, NULL, NULL);
#elif defined(SYS_select)
	hang_in(select, highest + 1, &chosen, NULL, NULL, NULL);
#else
	hang_in(pselect6, highest + 1, &chosen, NULL, NULL, NULL, NULL);
#endif
}

static void pselect_call(void) {
	fd_set chosen;
	make_set();
	int highest = highest_in(&chosen);
	say_kind("poll");
	hang_in(pselect6, highest + 1, &chosen, NULL, NULL, NULL, NULL);
}

static void epoll_wait_call(void) {
	struct epoll_event event = {.events = EPOLLIN};
	int fd = must(epoll_create1(0), "epoll_create1");
	make_set();
	for (int i = 0; i < set_size; i++) {
		event.data.fd = set[i];
		must(epoll_ctl(fd, EPOLL_CTL_ADD, set[i], &event), "epoll_ctl");
	}
	say_fd(fd, "epoll");
	hang_in_epoll_wait(fd, &event, 1L);
}

static void pidfd_poll(void) {
	static const char *const kinds[] = {"pidfd"};
	pid_t child = fork_sleeper();
	struct pollfd one = {.fd = must(syscall(SYS_pidfd_open, child, 0), "pidfd_open"), .events = POLLIN};
	say_kind("poll");
	say_members(&one.fd, kinds, 1);
	say_number("child_pid", child);
	hang_in_poll(&one, 1L, -1L);
}

// MARK: io_uring, without its library

struct ring {
	int fd;
	unsigned *tail, *mask, *array;
	struct io_uring_sqe *entries;
};

static struct ring make_ring(void) {
	struct io_uring_params parameters = {0};
	struct ring ring = {.fd = must(syscall(SYS_io_uring_setup, 4, &parameters), "io_uring_setup")};
	size_t size = parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
	char *queue = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	must(queue == MAP_FAILED ? -1 : 0, "mmap");
	ring.entries = mmap(NULL, parameters.sq_entries * sizeof *ring.entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	must(ring.entries == MAP_FAILED ? -1 : 0, "mmap");
	ring.tail = (unsigned *)(queue + parameters.sq_off.tail);
	ring.mask = (unsigned *)(queue + parameters.sq_off.ring_mask);
	ring.array = (unsigned *)(queue + parameters.sq_off.array);
	return ring;
}

static void submit(struct ring *ring, const struct io_uring_sqe *entry) {
	unsigned slot = *ring->tail & *ring->mask;
	ring->entries[slot] = *entry;
	ring->array[slot] = slot;
	__atomic_store_n(ring->tail, *ring->tail + 1, __ATOMIC_RELEASE);
	must(syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0L, NULL, 0L), "io_uring_enter");
}

static void hang_in_ring(const struct ring *ring) {
	say_fd(ring->fd, "io_uring");
	hang_in(io_uring_enter, ring->fd, 0L, 1L, IORING_ENTER_GETEVENTS, NULL, 0L);
}

static void io_uring_wait(void) {
	struct ring ring = make_ring();
	int ends[2];
	make_pipe(ends);
	submit(&ring, &(struct io_uring_sqe){.opcode = IORING_OP_POLL_ADD, .fd = ends[0], .poll32_events = POLLIN});
	say_members(ends, set_kinds, 1);
	say_fd(ends[0], "io_uring"); /* its only request is what it waits for */
	hang_in(io_uring_enter, ring.fd, 0L, 1L, IORING_ENTER_GETEVENTS, NULL, 0L);
}

static pid_t find_worker(void) {
	char path[300], name[32];
	pid_t found = 0;
	DIR *threads = opendir("/proc/self/task");
	must(threads ? 0 : -1, "/proc/self/task");
	for (struct dirent *entry; !found && (entry = readdir(threads));) {
		snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
		if (atoi(entry->d_name) && read_text(path, name, sizeof name) && strncmp(name, "iou-wrk", 7) == 0)
			found = atoi(entry->d_name);
	}
	closedir(threads);
	return found;
}

// A read of a pipe would be polled and occupy no worker thread, even with IOSQE_ASYNC; the opening of a FIFO does.
static void io_uring_worker(void) {
	struct ring ring = make_ring();
	char *path = temp_path("fifo");
	pid_t worker;
	must(mkfifo(path, 0600), path);
	submit(&ring, &(struct io_uring_sqe){
			      .opcode = IORING_OP_OPENAT, .flags = IOSQE_ASYNC, .fd = AT_FDCWD, .addr = (unsigned long)path, .open_flags = O_RDONLY});
	while (!(worker = find_worker()))
		sleep_ms(1);
	say_number("worker_tid", worker);
	say_text("path", path);
	hang_in_ring(&ring);
}

// What psql, curl and most clients do: connect without blocking, then wait for the set.
static void poll_connect(void) {
	int pipe_ends[2];
	enter_silent_network();
	make_pipe(pipe_ends);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(3306)};
	inet_pton(AF_INET, "10.99.0.5", &address.sin_addr);
	int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
	connect(fd, (struct sockaddr *)&address, sizeof address);
	struct pollfd set[] = {{.fd = pipe_ends[0], .events = POLLIN}, {.fd = fd, .events = POLLOUT}};
	say_kind("poll");
	say_text("reason", "connect_unanswered");
	say_number("member_fd", fd);
	hang_in_poll(set, 2L, -1L);
}

static int connect_to(struct sockaddr_in *address, int type) {
	int fd = must(socket(AF_INET, type, 0), "socket");
	must(connect(fd, (struct sockaddr *)address, sizeof *address), "connect");
	return fd;
}

static int listen_on_loopback(struct sockaddr_in *address) {
	socklen_t length = sizeof *address;
	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(fd, (struct sockaddr *)address, length), "bind");
	must(listen(fd, 5), "listen");
	must(getsockname(fd, (struct sockaddr *)address, &length), "getsockname");
	return fd;
}

// A connection whose server has read the request and never answers: ours, and who the server is.
static int ask_silent_server(pid_t *server) {
	struct sockaddr_in address;
	int ready[2], listener = listen_on_loopback(&address);
	char byte;
	make_pipe(ready);
	*server = fork_bound();
	if (*server == 0) {
		int client = must(accept(listener, NULL, NULL), "accept");
		must(read(client, &byte, 1), "read");
		must(write(ready[1], "x", 1), "write");
		for (;;)
			pause();
	}
	close(listener);
	int fd = connect_to(&address, SOCK_STREAM);
	must(write(fd, "x", 1), "write");
	must(read(ready[0], &byte, 1), "read");
	return fd;
}

static void epoll_silent_server(void) {
	struct epoll_event events[4], event = {.events = EPOLLIN};
	pid_t server;
	int fd = ask_silent_server(&server), timer = must(eventfd(0, 0), "eventfd");
	int set = must(epoll_create1(0), "epoll_create1");
	must(epoll_ctl(set, EPOLL_CTL_ADD, timer, &event), "epoll_ctl");
	must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
	say_fd(fd, "epoll"); /* of a set, the member that decides */
	say_text("reason", "reply_pending");
	say_number("member_fd", fd);
	say_number("holder_pid", server);
	hang_in_epoll_wait(set, events, 4L);
}

static void io_uring_silent_server(void) {
	static char answer[16];
	pid_t server;
	int fd = ask_silent_server(&server);
	struct ring ring = make_ring();
	submit(&ring, &(struct io_uring_sqe){.opcode = IORING_OP_RECV, .fd = fd, .addr = (unsigned long)answer, .len = sizeof answer});
	say_fd(fd, "io_uring");
	say_text("reason", "reply_pending");
	say_number("member_fd", fd);
	say_number("holder_pid", server);
	hang_in(io_uring_enter, ring.fd, 0L, 1L, IORING_ENTER_GETEVENTS, NULL, 0L);
}

// What curl does: a time-out of its own that it renews for ever.
static void poll_renewed(void) {
	int ends[2];
	make_pipe(ends);
	struct pollfd set[] = {{.fd = ends[0], .events = POLLIN}};
	say_kind("poll");
	say_number("renewed", 1);
#ifdef SYS_poll
	say_call("poll", SYS_poll);
	say_done();
	while (syscall(SYS_poll, set, 1L, number_argument(0, 300)) == 0)
		;
#else
	struct timespec time;
	say_call("ppoll", SYS_ppoll);
	say_done();
	do
		time = (struct timespec){.tv_nsec = number_argument(0, 300) * 1000000};
	while (syscall(SYS_ppoll, set, 1L, &time, NULL, 8L) == 0);
#endif
}

// What a resolver does: it asks a server that never answers, again and again, each time by a new socket.
static void poll_asks_again(void) {
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof there;
	int server = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	must(bind(server, (struct sockaddr *)&there, sizeof there), "bind");
	must(getsockname(server, (struct sockaddr *)&there, &size), "getsockname");
	pid_t child = fork_sleeper();
	close(server);
	say_kind("poll");
	say_number("fd", server); /* the lowest that is free, each time */
	say_number("renewed", 1);
	say_text("reason", "reply_pending");
	say_number("holder_pid", child);
#ifdef SYS_poll
	say_call("poll", SYS_poll);
#else
	say_call("ppoll", SYS_ppoll);
#endif
	say_done();
	for (;;) {
		struct pollfd set[] = {{.fd = must(socket(AF_INET, SOCK_DGRAM, 0), "socket"), .events = POLLIN}};
		must(connect(set[0].fd, (struct sockaddr *)&there, sizeof there), "connect");
		must(send(set[0].fd, "?", 1, 0), "send");
#ifdef SYS_poll
		syscall(SYS_poll, set, 1L, number_argument(0, 300));
#else
		struct timespec time = {.tv_nsec = number_argument(0, 300) * 1000000};
		syscall(SYS_ppoll, set, 1L, &time, NULL, 8L);
#endif
		close(set[0].fd);
	}
}

// A server at rest: it listens, and has answered its one client.
static void epoll_idle_server(void) {
	struct sockaddr_in address;
	struct epoll_event events[4], event = {.events = EPOLLIN};
	int listener = listen_on_loopback(&address);
	int client = connect_to(&address, SOCK_STREAM), fd = must(accept(listener, NULL, NULL), "accept");
	char byte;
	must(write(client, "x", 1), "write");
	must(read(fd, &byte, 1), "read");
	must(write(fd, "y", 1), "write");
	must(read(client, &byte, 1), "read");
	int set = must(epoll_create1(0), "epoll_create1");
	must(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event), "epoll_ctl");
	must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
	say_fd(set, "epoll");
	say_text("reason", "event_loop");
	hang_in_epoll_wait(set, events, 4L);
}

// MARK: Circles

// Has a lock that its child wants, and a pipe that only the child can write to: its read end.
static int hold_against_child(pid_t *child) {
	int ends[2], lock;
	char *path = temp_path("lock");
	make_pipe(ends);
	lock = must(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), path);
	must(flock(lock, LOCK_EX), "flock");
	*child = fork_bound();
	if (*child == 0) {
		close(ends[0]), close(lock);
		flock(must(open(path, O_RDWR, 0600), path), LOCK_EX);
		_exit(3);
	}
	close(ends[1]);
	wait_until_in(*child, SYS_flock);
	return ends[0];
}

// Polls that pipe, for ever or for MS.
static void poll_circle(void) {
	int milliseconds = number_argument(0, -1);
	pid_t child;
	struct pollfd set[] = {{.fd = hold_against_child(&child), .events = POLLIN}};
	pid_t pids[] = {getpid(), child};
	say_members_pids(pids, 2);
	say_kind("poll");
	hang_in_poll(set, 1L, (long)milliseconds);
}

static void io_uring_circle(void) {
	static char byte[1];
	pid_t child;
	int fd = hold_against_child(&child);
	struct ring ring = make_ring();
	submit(&ring, &(struct io_uring_sqe){.opcode = IORING_OP_READ, .fd = fd, .addr = (unsigned long)byte, .len = 1});
	pid_t pids[] = {getpid(), child};
	say_members_pids(pids, 2);
	say_fd(fd, "io_uring");
	hang_in(io_uring_enter, ring.fd, 0L, 1L, IORING_ENTER_GETEVENTS, NULL, 0L);
}

// Two event loops, each of which polls its end of one socket pair; neither has ever sent anything.
static void poll_pair(void) {
	int pair[2];
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	pid_t child = fork_bound();
	struct pollfd set[] = {{.fd = pair[child == 0], .events = POLLIN}};
	close(pair[child != 0]);
	if (child == 0)
		_exit(poll(set, 1, -1) + 3);
	pid_t pids[] = {getpid(), child};
	say_members_pids(pids, 2);
	say_kind("poll");
	hang_in_poll(set, 1L, -1L);
}

const struct mode set_modes[] = {
	{"poll", poll_call, "poll of a pipe, an eventfd and a unix socket"},
	{"poll-simple", poll_simple, "poll of a pipe for an hour (restart_syscall after SIGSTOP, SIGCONT)"},
	{"ppoll", ppoll_call, "ppoll of three"},
	{"select", select_call, "select of three (_newselect on i386)"},
	{"pselect", pselect_call, "pselect6 of three"},
	{"epoll-wait", epoll_wait_call, "epoll_wait of three"},
	{"pidfd-poll", pidfd_poll, "poll of a child's pidfd"},
	{"io-uring-enter", io_uring_wait, "io_uring_enter for a completion that never comes"},
	{"io-uring-worker", io_uring_worker, "the same, while an io worker thread opens a FIFO"},
	{"poll-connect", poll_connect, "poll of a connect that is never answered"},
	{"epoll-silent-server", epoll_silent_server, "epoll_wait of a client whose server never answers"},
	{"poll-asks-again", poll_asks_again, "poll of MS (300) ms for an answer, begun again by new sockets"},
	{"poll-renewed", poll_renewed, "poll of MS (300) ms, begun again and again"},
	{"epoll-idle-server", epoll_idle_server, "epoll_wait of a server that has nothing to do"},
	{"poll-circle", poll_circle, "poll, for MS (-1) ms, of a pipe whose only writer wants our flock"},
	{"io-uring-silent-server", io_uring_silent_server, "io_uring_enter for the answer of a server that is silent"},
	{"io-uring-circle", io_uring_circle, "io_uring_enter for a read of a pipe whose only writer wants our flock"},
	{"poll-pair", poll_pair, "two processes poll the two ends of a socket pair, at rest"},
	{0},
};
