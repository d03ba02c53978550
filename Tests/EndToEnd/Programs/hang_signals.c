// SPDX-License-Identifier: Apache-2.0
//
// Calls that a signal handler interrupts: restarted, ended by EINTR, left by a jump.
#include "hang.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>

static int ends[2];

// MARK: Restarted

static void do_nothing(int number) { (void)number; }

static void make_calls(int number) {
	(void)number;
	int kept = errno, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0) {
		if (write(null, "x", 1) == 1)
			getppid();
		close(null);
	}
	errno = kept;
}

static void hang_in_ticking_read(void (*handler)(int), int flags) {
	long period = number_argument(0, 1000);
	make_pipe(ends);
	on_signal(SIGALRM, handler, SA_RESTART | flags);
	say_fd(ends[0], "pipe");
	say_number("period_ms", period);
	tick(period);
	hang_in_read(ends[0]);
}

static void restart_timer(void) { hang_in_ticking_read(do_nothing, 0); }

static void restart_sigaltstack(void) {
	stack_t stack = {.ss_sp = must_map(65536, 0), .ss_size = 65536};
	must(sigaltstack(&stack, NULL), "sigaltstack");
	hang_in_ticking_read(make_calls, SA_ONSTACK);
}

// MARK: Ended by EINTR

static void ppoll_eintr_loop(void) {
	static const char *const kinds[] = {"pipe"};
	long period = number_argument(0, 300);
	make_pipe(ends);
	struct pollfd one = {.fd = ends[0], .events = POLLIN};
	on_signal(SIGALRM, do_nothing, SA_RESTART);
	say_kind("poll");
	say_members(ends, kinds, 1);
	say_number("period_ms", period);
	say_number("each_returns_eintr", 1);
	tick(period);
	hang_in(ppoll, &one, 1L, NULL, NULL, 8L);
}

// MARK: Ended on request, each announces a pause after it

static sigjmp_buf way_out;

static void jump_out(int number) { siglongjmp(way_out, number); }

static void longjmp_out(void) {
	make_pipe(ends);
	if (sigsetjmp(way_out, 1) == 0) {
		on_signal(SIGUSR1, jump_out, SA_RESTART);
		say_fd(ends[0], "pipe");
		hang_in_read(ends[0]);
	}
	hang_in_pause();
}

static void feed_pipe(int number) {
	(void)number;
	int kept = errno;
	if (write(ends[1], "x", 1) < 0)
		_exit(1);
	errno = kept;
}

static void read_until_signal(void) {
	char byte;
	make_pipe(ends);
	on_signal(SIGUSR1, feed_pipe, SA_RESTART);
	say_fd(ends[0], "pipe");
	say_call("read", SYS_read);
	say_done();
	must(read(ends[0], &byte, 1), "read");
	hang_in_pause();
}

const struct mode signal_modes[] = {
	{"restart-timer", restart_timer, "pipe read that a timer restarts each MS (1000) ms"},
	{"restart-sigaltstack", restart_sigaltstack, "the same, the handler has its own stack and makes calls"},
	{"ppoll-eintr-loop", ppoll_eintr_loop, "ppoll that returns EINTR each MS (300) ms, in a loop"},
	{"longjmp-out", longjmp_out, "pipe read; SIGUSR1 jumps out of it into a pause"},
	{"read-until-signal", read_until_signal, "pipe read; SIGUSR1 makes it return 1, then pause"},
	{0},
};
