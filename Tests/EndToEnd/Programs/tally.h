/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
#pragma once

/* A call that lasted at least `least_ns`, as the second count saw it. */
struct tallied {
	unsigned long long entered_ns, left_ns; /* CLOCK_MONOTONIC */
	unsigned long long ticks;		/* the same by the kernel's coarse clock, which a busy host's may lag behind */
	long long result;
	unsigned int tid, number, died; /* died: its thread ended in it */
	unsigned int pad;
};

/* What is counted, and how much there was of it. */
struct tally {
	unsigned long long least_ns;
	unsigned long long entered, left, died, unknown, past; /* unknown: left, but never seen to enter */
	unsigned long long others;			       /* calls of other processes that lasted as long */
	unsigned int target, pad;			       /* process */
};

#define TALLY_MAX 200000
