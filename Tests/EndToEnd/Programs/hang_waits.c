// SPDX-License-Identifier: Apache-2.0
//
// Waits for children, time and signals, and programs that are not blocked at all.
#include "hang.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

// MARK: Children

static pid_t only_child_of(pid_t pid) {
	char path[64];
	pid_t child = 0;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
	FILE *children = fopen(path, "r");
	must(children && fscanf(children, "%d", &child) == 1 ? 0 : -1, path);
	fclose(children);
	return child;
}

static void wait4_call(void) {
	pid_t child = fork_sleeper();
	say_kind("child");
	say_number("child_pid", child);
	hang_in(wait4, -1, NULL, 0L, NULL);
}

// A container within a container: the child is number 1 where it runs itself, and another one to who waits for it.
static void wait4_nested(void) {
	must(unshare(CLONE_NEWPID), "unshare");
	pid_t waiter = fork_bound();
	if (waiter == 0) {
		must(unshare(CLONE_NEWPID), "unshare");
		pid_t child = fork_sleeper();
		must(syscall(SYS_wait4, child, NULL, 0L, NULL), "wait4");
	}
	wait_until_in(waiter, SYS_wait4);
	say_thread(waiter, waiter);
	say_number("holder_pid", only_child_of(waiter));
	say_kind("child");
	say_call("wait4", SYS_wait4);
	say_done();
	follow(waiter);
}

static void waitid_pidfd(void) {
	pid_t child = fork_sleeper();
	int fd = must(syscall(SYS_pidfd_open, child, 0), "pidfd_open");
	say_fd(fd, "pidfd");
	say_number("child_pid", child);
	hang_in(waitid, P_PIDFD, fd, NULL, WEXITED, NULL);
}

#ifdef SYS_vfork
static void vfork_call(void) {
	say_kind("child");
	say_call("vfork", SYS_vfork);
	say_done();
	if (vfork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	came_back("vfork", 0);
}
#endif

// MARK: Time

static void nanosleep_call(void) {
	struct timespec day = {.tv_sec = 86400};
	say_kind("timer");
	hang_in(nanosleep, &day, NULL);
}

static void clock_nanosleep_call(void) {
	struct timespec day = {.tv_sec = 86400};
	say_kind("timer");
	hang_in(clock_nanosleep, CLOCK_MONOTONIC, 0L, &day, NULL);
}

// Calls of MS milliseconds each, in turn a sleep and a read that another thread ends.
static int crossing_pipe[2];
static long crossing_ms;

static void *write_later(void *unused) {
	char byte;
	int *asked = unused;
	while (read(*asked, &byte, 1) == 1) {
		sleep_ms(crossing_ms);
		must(write(crossing_pipe[1], &byte, 1), "write");
	}
	return NULL;
}

static void crossing(void) {
	static int ask[2];
	char byte = 0;
	crossing_ms = number_argument(0, 1000);
	make_pipe(crossing_pipe);
	make_pipe(ask);
	start_thread(write_later, &ask[0]);
	say_fd(crossing_pipe[0], "pipe");
	say_number("period_ms", crossing_ms);
	say_text("then", "read");
	say_call("nanosleep", SYS_nanosleep);
	say_done();
	for (;;) {
		struct timespec period = {crossing_ms / 1000, crossing_ms % 1000 * 1000000};
		syscall(SYS_nanosleep, &period, NULL);
		must(write(ask[1], &byte, 1), "write");
		must(read(crossing_pipe[0], &byte, 1), "read");
	}
}

// MARK: Signals

static void pause_call(void) { hang_in_pause(); }

static void sigsuspend_call(void) {
	unsigned long long none = 0;
	say_kind("none");
	hang_in(rt_sigsuspend, &none, sizeof none);
}

static void sigtimedwait_call(void) {
	unsigned long long set = 1ull << (SIGUSR1 - 1);
	say_kind("none");
	hang_in(rt_sigtimedwait, &set, NULL, NULL, sizeof set);
}

// MARK: Not blocked

static void idle(void) {
	say_kind("none");
	say_call("none", -1);
	say_done();
	for (;;)
		sleep_ms(10);
}

static void stopped(void) {
	say_kind("none");
	say_call("none", -1);
	say_done();
	raise(SIGSTOP);
	hang_in_pause();
}

// What cpulimit does to a busy program: for 4 s it is stopped and continued five times a second, then it stays stopped.
static void duty_cycle(void) {
	pid_t child = fork_bound();
	while (child == 0)
		__asm__ volatile("");
	say_kind("none");
	say_number("child_pid", child);
	say_call("none", -1);
	say_done();
	for (int turn = 0; turn < 20; turn++) {
		kill(child, SIGCONT);
		sleep_ms(10);
		kill(child, SIGSTOP);
		sleep_ms(190);
	}
	follow(child);
}

const struct mode wait_modes[] = {
	{"wait4", wait4_call, "wait4 for a child in pause"},
	{"wait4-nested", wait4_nested, "wait4 for a child that is number 1 of a PID namespace inside of its own"},
	{"waitid-pidfd", waitid_pidfd, "waitid for a child by its pidfd"},
#ifdef SYS_vfork
	{"vfork", vfork_call, "vfork whose child neither execs nor exits"},
#endif
	{"nanosleep", nanosleep_call, "nanosleep for a day"},
	{"clock-nanosleep", clock_nanosleep_call, "clock_nanosleep for a day"},
	{"crossing", crossing, "sleeps and pipe reads of MS ms (1000) each, again and again"},
	{"pause", pause_call, "pause"},
	{"sigsuspend", sigsuspend_call, "rt_sigsuspend"},
	{"sigtimedwait", sigtimedwait_call, "rt_sigtimedwait for SIGUSR1"},
	{"idle", idle, "not blocked: sleeps of 10 ms"},
	{"duty-cycle", duty_cycle, "stops and continues a busy child for 4 s, then leaves it stopped"},
	{"stopped", stopped, "stops itself; after SIGCONT announces a pause"},
	{0},
};
