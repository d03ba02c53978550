// SPDX-License-Identifier: Apache-2.0
// Loops of system calls on one core, timed. Says the processes that make them, then for each line
//
//   LOOP CALLS CHUNKS      LOOP: getppid, read, pread (one byte of /dev/zero), pingpong (round trips)
//
// of its input answers with nanoseconds a call: of the fastest chunk, of all by the clock, of all in CPU time.
#define _GNU_SOURCE
#include "common.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int zero, to_child[2], from_child[2];
static clockid_t child_clock;

static void getppid_loop(long calls)
{
	while (calls--)
		syscall(SYS_getppid);
}

static void read_loop(long calls)
{
	char byte;

	while (calls--)
		must(read(zero, &byte, 1), "read");
}

static void pread_loop(long calls)
{
	char byte;

	while (calls--)
		must(pread(zero, &byte, 1, 0), "pread");
}

static void pingpong_loop(long calls)
{
	char byte = 0;

	while (calls--) {
		must(write(to_child[1], &byte, 1), "write to the child");
		must(read(from_child[0], &byte, 1), "read from the child");
	}
}

static pid_t start_child(void)
{
	pid_t parent = getpid(), child;
	char byte;

	must(pipe(to_child), "pipe");
	must(pipe(from_child), "pipe");
	child = must(fork(), "fork");
	if (child) {
		must(-clock_getcpuclockid(child, &child_clock), "clock_getcpuclockid");
		return child;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	while (read(to_child[0], &byte, 1) == 1 && write(from_child[1], &byte, 1) == 1)
		;
	_exit(0);
}

static uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) + clock_ns(child_clock);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(long);
	} loops[] = { { "getppid", getppid_loop }, { "read", read_loop }, { "pread", pread_loop }, { "pingpong", pingpong_loop } };
	cpu_set_t core;
	char line[256], name[32];
	long calls, chunks;

	CPU_ZERO(&core);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &core);
	must(sched_setaffinity(0, sizeof(core), &core), "sched_setaffinity");
	zero = must(open("/dev/zero", O_RDONLY), "/dev/zero");
	printf("%d %d\n", getpid(), start_child());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t fastest = UINT64_MAX, start, cpu;
		size_t loop = 0;

		if (sscanf(line, "%31s %ld %ld", name, &calls, &chunks) != 3 || calls < 1 || chunks < 1) {
			fprintf(stderr, "loop: LOOP CALLS CHUNKS expected: %s", line);
			return 64;
		}
		while (loop < sizeof(loops) / sizeof(*loops) && strcmp(loops[loop].name, name))
			loop++;
		if (loop == sizeof(loops) / sizeof(*loops)) {
			fprintf(stderr, "loop: there is no loop %s\n", name);
			return 64;
		}
		cpu = cpu_ns();
		start = clock_ns(CLOCK_MONOTONIC);
		for (long chunk = 0; chunk < chunks; chunk++) {
			uint64_t begin = clock_ns(CLOCK_MONOTONIC), took;

			loops[loop].run(calls);
			took = clock_ns(CLOCK_MONOTONIC) - begin;
			if (took < fastest)
				fastest = took;
		}
		printf("%.3f %.3f %.3f\n", (double)fastest / calls,
		       (double)(clock_ns(CLOCK_MONOTONIC) - start) / calls / chunks, (double)(cpu_ns() - cpu) / calls / chunks);
		fflush(stdout);
	}
	return 0;
}
