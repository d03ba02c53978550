// SPDX-License-Identifier: Apache-2.0
//
// Is not blocked and does not get on either, or does: for `explain --for`.
#include "hang.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

// A port of this host that nobody listens on, and that nobody gets: its socket is bound, and no more.
static struct sockaddr_in closed_port(void) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int holder = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(holder, (struct sockaddr *)&address, sizeof address), "bind");
	must(getsockname(holder, (struct sockaddr *)&address, &length), "getsockname");
	return address;
}

static void retry_connect(void) {
	struct sockaddr_in address = closed_port();
	long milliseconds = number_argument(0, 100);
	say_number("port", ntohs(address.sin_port));
	say_done();
	for (;;) {
		int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
		if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
			came_back("connect", 0);
		close(fd);
		sleep_ms(milliseconds);
	}
}

// Writes a line to a log each time, and every tenth time does something else besides: it does not get on all the same.
static void retry_connect_logging(void) {
	struct sockaddr_in address = closed_port();
	int log = must(open(temp_path("log"), O_WRONLY | O_CREAT | O_APPEND, 0600), "open");
	say_number("port", ntohs(address.sin_port));
	say_done();
	for (int round = 0;; round++) {
		int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
		if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
			came_back("connect", 0);
		close(fd);
		dprintf(log, "round %d: cannot connect\n", round);
		if (round % 10 == 9)
			access("/", R_OK);
		sleep_ms(30);
	}
}

static void spin_again(void) {
	int pair[2];
	char byte;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), "socketpair");
	say_fd(pair[0], "unix");
	say_done();
	for (;;)
		if (recv(pair[0], &byte, 1, 0) >= 0)
			came_back("recv", 0);
}

static void spin_poll(void) {
	int ends[2];
	make_pipe(ends);
	struct pollfd one = {.fd = ends[0], .events = POLLIN};
	say_fd(ends[0], "pipe");
	say_done();
	for (;;)
		poll(&one, 1, 0);
}

static volatile uint64_t spun;

__attribute__((noinline)) void spin_here(void) {
	for (;;)
		spun = spun * 3 + 1;
}

static void spin_without_calls(void) {
	say_done();
	spin_here();
}

static void *spin_thread(void *unused) {
	spin_here();
	return unused;
}

static void *parked_thread(void *unused) {
	for (;;)
		pause();
	return unused;
}

static void spin_in_one_thread(void) {
	for (int i = 0; i < 3; i++)
		start_thread(parked_thread, NULL);
	start_thread(spin_thread, NULL);
	hang_in_pause();
}

static void missing_file(void) {
	const char *path = temp_path("missing");
	say_text("path", path);
	say_done();
	for (;;) {
		if (open(path, O_RDONLY) >= 0)
			came_back("open", 0);
		sleep_ms(20);
	}
}

// An event that nobody takes away wakes it again and again.
static void epoll_unread(void) {
	int set = must(epoll_create1(0), "epoll_create1");
	int fd = must(eventfd(1, 0), "eventfd");
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
	say_number("epoll", set);
	say_done();
	for (;;)
		epoll_wait(set, &event, 1, -1);
}

static void epoll_ticking(void) {
	int set = must(epoll_create1(0), "epoll_create1");
	int fd = must(eventfd(0, 0), "eventfd");
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
	say_done();
	for (;;)
		if (epoll_wait(set, &event, 1, 50) != 0)
			came_back("epoll_wait", 1);
}

// Two processes move bytes through pipes: both get on.
static void copy_bytes(void) {
	int to[2], from[2];
	char block[4096];
	make_pipe(to);
	make_pipe(from);
	pid_t child = fork_bound();
	if (child == 0) {
		for (;;) {
			ssize_t got = read(to[0], block, sizeof block);
			if (got <= 0 || write(from[1], block, got) != got)
				_exit(1);
		}
	}
	say_number("child_pid", child);
	say_done();
	memset(block, 1, sizeof block);
	for (;;) {
		must(write(to[1], block, sizeof block), "write");
		must(read(from[0], block, sizeof block), "read");
	}
}

// Restarts a worker that ends each time; it has its own name, as its programs would.
static void restart_worker(void) {
	const char *name = "bw-worker";
	const char *config = temp_path("worker.conf");
	say_text("worker", name);
	say_text("config", config);
	say_done();
	for (;;) {
		pid_t worker = fork_bound();
		if (worker == 0) {
			prctl(PR_SET_NAME, name, 0, 0, 0);
			if (open(config, O_RDONLY) < 0)
				_exit(3);
			_exit(0);
		}
		must(waitpid(worker, NULL, 0), "waitpid");
		sleep_ms(50);
	}
}

static void crash_worker(void) {
	const char *name = "bw-crasher";
	say_text("worker", name);
	say_done();
	for (;;) {
		pid_t worker = fork_bound();
		if (worker == 0) {
			prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
			prctl(PR_SET_NAME, name, 0, 0, 0);
			kill(getpid(), SIGSEGV);
			_exit(1);
		}
		must(waitpid(worker, NULL, 0), "waitpid");
		sleep_ms(50);
	}
}

// Ends when it is told to, by a byte, after which it has done what it does for a while.
static void end_on_signal(void) {
	sigset_t set;
	int number;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say_done();
	sigwait(&set, &number);
	_exit(7);
}

// Gives itself the name NAME of its folder's last part, on a signal.
static void rename_on_signal(void) {
	sigset_t set;
	int number;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say_text("name", "bw-latecomer");
	say_done();
	sigwait(&set, &number);
	prctl(PR_SET_NAME, "bw-latecomer", 0, 0, 0);
	missing_file();
}

const struct mode busy_modes[] = {
	{"retry-connect", retry_connect, "connects to a closed port every MS (100) ms, in vain"},
	{"retry-connect-logging", retry_connect_logging, "the same every 30 ms, with a line in a log each time"},
	{"spin-again", spin_again, "recv of a non-blocking socket again and again: EAGAIN"},
	{"spin-poll", spin_poll, "poll of a pipe without waiting, again and again"},
	{"spin-without-calls", spin_without_calls, "computes for ever in spin_here()"},
	{"spin-in-one-thread", spin_in_one_thread, "the same in one of five threads"},
	{"missing-file", missing_file, "opens a file that is not there every 20 ms"},
	{"epoll-unread", epoll_unread, "epoll_wait that is woken again and again by an event that nobody reads"},
	{"epoll-ticking", epoll_ticking, "epoll_wait that ends by its own time-out every 50 ms"},
	{"copy-bytes", copy_bytes, "moves bytes through two pipes and a child"},
	{"restart-worker", restart_worker, "starts bw-worker again and again, which misses its file and ends with 3"},
	{"crash-worker", crash_worker, "starts bw-crasher again and again, which dies of SIGSEGV"},
	{"end-on-signal", end_on_signal, "ends with 7 on SIGUSR1"},
	{"rename-on-signal", rename_on_signal, "is called bw-latecomer from SIGUSR1 on, and opens what is not there"},
	{0},
};
