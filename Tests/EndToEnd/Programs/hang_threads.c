// SPDX-License-Identifier: Apache-2.0
//
// Threads, descriptors that change under a call, and the ways to die in one.
#include "hang.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static int ends[2];
static pid_t reader_tid;

static void *read_pipe(void *unused) {
	(void)unused;
	__atomic_store_n(&reader_tid, this_thread(), __ATOMIC_RELEASE);
	say_fd(ends[0], "pipe");
	hang_in_read(ends[0]);
}

static void start_reader(void) {
	make_pipe(ends);
	start_thread(read_pipe, NULL);
}

static void wait_for_reader(void) {
	pid_t tid;
	while (!(tid = __atomic_load_n(&reader_tid, __ATOMIC_ACQUIRE)))
		sleep_ms(1);
	wait_until_in(tid, SYS_read);
}

static void block_signal(int number) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number);
	must(sigprocmask(SIG_BLOCK, &set, NULL), "sigprocmask");
}

static void wait_for_signal(int number) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number);
	while (sigwaitinfo(&set, NULL) < 0)
		;
}

static _Noreturn void sleep_for_ever(void) {
	for (;;)
		pause();
}

// MARK: Threads

static void second_thread(void) {
	start_reader();
	sleep_for_ever();
}

static void *read_when_leader_is_dead(void *unused) {
	char path[64], text[512], *state;
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
	do {
		sleep_ms(1);
		read_text(path, text, sizeof text);
		state = strrchr(text, ')');
	} while (!state || state[2] != 'Z');
	return read_pipe(unused);
}

static void dead_leader(void) {
	make_pipe(ends);
	start_thread(read_when_leader_is_dead, NULL);
	pthread_exit(NULL);
}

static int threads_ready;

static void *park(void *in_read) {
	static int word;
	char byte;
	__atomic_add_fetch(&threads_ready, 1, __ATOMIC_ACQ_REL);
	while (in_read ? read(ends[0], &byte, 1) : syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0L))
		;
	return NULL;
}

static void many_threads(void) {
	int count = number_argument(0, 1000);
	make_pipe(ends);
	for (int i = 0; i < count; i++)
		start_thread(park, i % 2 ? &ends : NULL);
	while (__atomic_load_n(&threads_ready, __ATOMIC_ACQUIRE) < count)
		sleep_ms(1);
	say_number("threads", count);
	say_number("reading_fd", ends[0]);
	hang_in_pause();
}

// MARK: Descriptors

static void fd_2000(void) {
	struct rlimit limit = {4096, 4096};
	must(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
	make_pipe(ends);
	must(dup2(ends[0], 2000), "dup2");
	close(ends[0]);
	say_fd(2000, "pipe");
	hang_in_read(2000);
}

static void fd_closed_while_blocked(void) {
	say_number("closed", 1);
	start_reader();
	wait_for_reader();
	must(close(ends[0]), "close");
	sleep_for_ever();
}

static void fd_reused_while_blocked(void) {
	char *path = temp_path("other");
	write_text(path, "another file\n");
	int other = must(open(path, O_RDONLY), path);
	say_text("reused_for", path);
	start_reader();
	wait_for_reader();
	must(dup2(other, ends[0]), "dup2");
	sleep_for_ever();
}

// MARK: Death

static void group_exit(void) {
	block_signal(SIGUSR1);
	start_reader();
	wait_for_signal(SIGUSR1);
	_exit(7);
}

static void *exec_on_signal(void *unused) {
	(void)unused;
	wait_for_signal(SIGUSR1);
	execl("/proc/self/exe", "hang", "pause", NULL);
	must(-1, "execl");
	return NULL;
}

static void exec_from_thread(void) {
	block_signal(SIGUSR1);
	make_pipe(ends);
	start_thread(exec_on_signal, NULL);
	say_fd(ends[0], "pipe");
	hang_in_read(ends[0]);
}

static long long now_ms(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void fork_storm(void) {
	extern char **environ;
	char *const arguments[] = {"true", NULL};
	long rate = number_argument(0, 500), seconds = number_argument(1, 10);
	long long start = now_ms(), passed, spawned = 0;
	pid_t child;
	signal(SIGCHLD, SIG_IGN); // nobody reaps them
	say_kind("none");
	say_number("rate", rate);
	say_number("seconds", seconds);
	say_call("none", -1);
	say_done();
	for (; (passed = now_ms() - start) < seconds * 1000; sleep_ms(1))
		for (; spawned < passed * rate / 1000 && now_ms() - start < seconds * 1000; spawned++) {
			errno = posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ);
			must(errno ? -1 : 0, "posix_spawn");
		}
	say_number("spawned", spawned);
	say_done();
}

const struct mode thread_modes[] = {
	{"second-thread", second_thread, "pipe read in the second thread, the first in pause"},
	{"dead-leader", dead_leader, "pipe read in the second thread, the first has exited"},
	{"many-threads", many_threads, "N (1000) threads, half in a pipe read, half in a futex"},
	{"fd-2000", fd_2000, "pipe read of descriptor 2000"},
	{"fd-closed-while-blocked", fd_closed_while_blocked, "pipe read whose descriptor another thread closes"},
	{"fd-reused-while-blocked", fd_reused_while_blocked, "pipe read whose descriptor becomes another file"},
	{"group-exit", group_exit, "pipe read in a thread; on SIGUSR1 another calls exit_group(7)"},
	{"exec-from-thread", exec_from_thread, "pipe read; on SIGUSR1 another thread execs hang pause"},
	{"fork-storm", fork_storm, "RATE (500) short processes a second for SECONDS (10), then exits"},
	{0},
};
