// SPDX-License-Identifier: Apache-2.0
// What the programs of the benchmarks share.
#ifndef COMMON_H
#define COMMON_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// The kernel's answer, or the end of the program with the step that failed.
static inline long must(long result, const char *step)
{
	if (result < 0) {
		fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, step, strerror(errno));
		exit(1);
	}
	return result;
}

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	must(clock_gettime(clock, &t), "clock_gettime");
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

// Waits until whoever started this program closes its standard input.
static inline void wait_for_end_of_input(void)
{
	char bytes[64];
	ssize_t count;

	do
		count = read(0, bytes, sizeof(bytes));
	while (count > 0 || (count < 0 && errno == EINTR));
}

#endif
