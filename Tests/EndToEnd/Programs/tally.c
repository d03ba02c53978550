// SPDX-License-Identifier: Apache-2.0
//
// tally OBJECT LEAST_NS CALLS THREADS ROUNDS SEED   makes CALLS calls that do not wait while THREADS threads wait in ROUNDS
// calls of random kind and length each, and counts them all by the programs of OBJECT (tally.bpf.c). Says "ready PID NS" when
// these are attached (CLOCK_MONOTONIC); begins at SIGUSR1; then a line for every call that lasted LEAST_NS or longer, and one of totals:
//   past TID NUMBER ENTERED_NS LEFT_NS TICKS RESULT DIED      TICKS: of the kernel's coarse clock
//   total ENTERED LEFT DIED UNKNOWN PAST OTHERS WALL_NS      OTHERS: calls of other processes that lasted as long;
//                                                            WALL_NS: the wall clock's lead on CLOCK_MONOTONIC
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tally.h"

static uint64_t least_ns;
static long calls, threads, rounds;
static uint64_t seed;
static pthread_barrier_t done;

static int fail(const char *step) {
	fprintf(stderr, "tally: %s: %s\n", step, strerror(errno));
	return 1;
}

static uint64_t now_ns(clockid_t clock) {
	struct timespec time;
	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static struct timespec spec(uint64_t ns) {
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

// xorshift64*: the same calls for the same seed
static uint64_t draw(uint64_t *state, uint64_t bound) {
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1dull >> 16) % bound;
}

// ---- the load: the counted process ----

static void *hammer(void *share) {
	uint64_t state = seed ^ (uint64_t)(intptr_t)share;
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
	int word = 0;
	char byte = 0;
	for (long i = 0; i < calls / 2; i++) {
		switch (draw(&state, 5)) {
		case 0: syscall(SYS_getppid); break;
		case 1: syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); break;
		case 2: if (write(null, &byte, 1) != 1) abort(); break;
		case 3: if (pread(zero, &byte, 1, 0) != 1) abort(); break;
		default: if (read(zero, &byte, 1) != 1) abort(); break;
		}
	}
	return NULL;
}

// how long, of three thresholds at the most: most are shorter than one, few are near it
static uint64_t length(uint64_t *state) {
	switch (draw(state, 16)) {
	case 0: return least_ns * 9 / 10 + draw(state, least_ns / 5);
	case 1 ... 5: return least_ns * 5 / 4 + draw(state, least_ns * 2);
	default: return draw(state, least_ns * 4 / 5);
	}
}

// Wakes a thread in `end` at a moment it is asked for.
struct waker {
	int end;
	uint64_t at_ns;
	sem_t asked;
};

static void *wake(void *argument) {
	struct waker *waker = argument;
	for (;;) {
		while (sem_wait(&waker->asked))
			;
		struct timespec until = spec(waker->at_ns);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		if (write(waker->end, "", 1) != 1)
			return NULL;
	}
}

static void ask(struct waker *waker, uint64_t at_ns) {
	waker->at_ns = at_ns;
	sem_post(&waker->asked);
}

static void *linger(void *share) {
	uint64_t state = (seed + (uint64_t)(intptr_t)share) * 0x9e3779b97f4a7c15ull;
	int timer = timerfd_create(CLOCK_MONOTONIC, 0), set = epoll_create1(0), ends[2], sockets[2];
	struct epoll_event event = {.events = EPOLLIN};
	struct waker writer, sender;
	pthread_t thread;
	int word = 0;
	char bytes[8];
	if (pipe(ends) || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) || epoll_ctl(set, EPOLL_CTL_ADD, timer, &event))
		exit(fail("descriptors"));
	writer.end = ends[1];
	sender.end = sockets[1];
	sem_init(&writer.asked, 0, 0);
	sem_init(&sender.asked, 0, 0);
	if (pthread_create(&thread, NULL, wake, &writer) || pthread_create(&thread, NULL, wake, &sender))
		exit(fail("pthread_create"));
	for (long i = 0; i < rounds; i++) {
		uint64_t until_ns = now_ns(CLOCK_MONOTONIC) + length(&state);
		// every fourth round all wake in one moment, and their ends come at once
		if (i % 4 == 3)
			until_ns = (until_ns / (least_ns * 3) + 1) * least_ns * 3;
		struct timespec until = spec(until_ns);
		struct itimerspec at = {.it_value = until};
		struct pollfd request = {.fd = timer, .events = POLLIN};
		timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
		switch (draw(&state, 7)) {
		case 0: clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL); break;
		case 1: poll(&request, 1, -1); break;
		case 2: epoll_wait(set, &event, 1, -1); break;
		case 3:
			syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &until, NULL, FUTEX_BITSET_MATCH_ANY);
			break;
		case 4:
			ask(&writer, until_ns);
			if (read(ends[0], bytes, 1) != 1)
				exit(fail("read"));
			break;
		case 5:
			ask(&sender, until_ns);
			if (recv(sockets[0], bytes, 1, 0) != 1)
				exit(fail("recv"));
			break;
		default:
			if (read(timer, bytes, 8) != 8)
				exit(fail("timerfd"));
		}
	}
	pthread_barrier_wait(&done);
	pause(); // the wakers use what is on this stack
	return NULL;
}

static int load(void) {
	pthread_t hammers[2], thread;
	if (pthread_barrier_init(&done, NULL, (unsigned)threads + 1))
		return fail("pthread_barrier_init");
	for (intptr_t i = 0; i < threads; i++)
		if (pthread_create(&thread, NULL, linger, (void *)(i + 1)))
			return fail("pthread_create");
	for (intptr_t i = 0; i < 2; i++)
		if (pthread_create(&hammers[i], NULL, hammer, (void *)(i + 1)))
			return fail("pthread_create");
	for (int i = 0; i < 2; i++)
		pthread_join(hammers[i], NULL);
	pthread_barrier_wait(&done);
	return 0; // all others die in the call that they are in
}

// ---- the count ----

int main(int count, char **arguments) {
	int begin[2], status;
	char byte;
	if (count != 7)
		return 64;
	least_ns = strtoull(arguments[2], NULL, 10);
	calls = atol(arguments[3]);
	threads = atol(arguments[4]);
	rounds = atol(arguments[5]);
	seed = strtoull(arguments[6], NULL, 10);
	if (!least_ns || threads < 1 || threads > 1000 || pipe(begin))
		return 64;

	sigset_t start;
	sigemptyset(&start);
	sigaddset(&start, SIGUSR1);
	sigprocmask(SIG_BLOCK, &start, NULL);
	pid_t child = fork();
	if (child < 0)
		return fail("fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(begin[1]);
		_exit(read(begin[0], &byte, 1) == 1 ? load() : 1);
	}
	close(begin[0]);

	struct bpf_object *object = bpf_object__open_file(arguments[1], NULL);
	struct bpf_program *program;
	if (!object || bpf_object__load(object))
		return fail(arguments[1]);
	int state = bpf_object__find_map_fd_by_name(object, "state_of"), past = bpf_object__find_map_fd_by_name(object, "past");
	struct tally tally = {.least_ns = least_ns, .target = (__u32)child};
	__u32 zero = 0;
	if (state < 0 || past < 0 || bpf_map_update_elem(state, &zero, &tally, BPF_ANY))
		return fail("the maps");
	bpf_object__for_each_program(program, object) {
		if (!bpf_program__attach(program))
			return fail(bpf_program__name(program));
	}
	printf("ready %d %" PRIu64 "\n", child, now_ns(CLOCK_MONOTONIC));
	fflush(stdout);
	int number;
	if (sigwait(&start, &number) || write(begin[1], "", 1) != 1 || waitpid(child, &status, 0) != child)
		return fail("the load");
	if (status) {
		fprintf(stderr, "tally: the load ended with status %#x\n", (unsigned)status);
		return 1;
	}
	if (bpf_map_lookup_elem(state, &zero, &tally))
		return fail("state");
	for (__u32 i = 0; i < tally.past && i < TALLY_MAX; i++) {
		struct tallied call;
		if (bpf_map_lookup_elem(past, &i, &call))
			return fail("past");
		printf("past %u %u %llu %llu %llu %lld %u\n", call.tid, call.number, call.entered_ns, call.left_ns, call.ticks,
			   call.result, call.died);
	}
	printf("total %llu %llu %llu %llu %llu %llu %" PRIu64 "\n", tally.entered, tally.left, tally.died, tally.unknown,
		   tally.past, tally.others, now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC));
	return 0;
}
