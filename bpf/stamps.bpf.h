/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Stamps of calls: made, compared, taken, and turned into times and ids. */
#ifndef BLOCKWATCH_STAMPS_BPF_H
#define BLOCKWATCH_STAMPS_BPF_H

static __always_inline u64 stamp_now(void)
{
	return settings.precise ? bpf_ktime_get_ns() : bpf_jiffies64();
}

/* CLOCK_MONOTONIC of a stamp, given both clocks' now. */
static __always_inline u64 stamp_to_ns(u64 stamp, u64 stamp_clock, u64 now_ns)
{
	u64 time = stamp >> STAMP_SHIFT;

	if (settings.precise)
		return time;
	return now_ns - (stamp_clock - time) * settings.tick_ns;
}

static __always_inline u64 ns_to_stamp(u64 start_ns, u64 stamp_clock, u64 now_ns)
{
	u64 age = now_ns > start_ns ? now_ns - start_ns : 0;

	if (settings.precise)
		return (now_ns - age) << STAMP_SHIFT;
	/* clock may be younger than the call only if jiffies wrapped, which 64 bits do not */
	return (stamp_clock - age / settings.tick_ns) << STAMP_SHIFT;
}

static __always_inline bool is_sure(u64 stamp, u64 clock)
{
	return (s64)(clock - (stamp >> STAMP_SHIFT)) >= (s64)settings.sure_age;
}

static __always_inline u64 take(u64 *stamp)
{
	return __sync_lock_test_and_set(stamp, 0);
}

/* Names one call for as long as blockwatch runs, from what scan and exit both know without
 * sharing more memory. The kernel stack stays when execve changes the pid. */
static __always_inline u64 call_id(struct task_struct *task, u64 stamp, u32 number)
{
	u64 x = (u64)BPF_CORE_READ(task, stack) ^ ((stamp >> STAMP_SHIFT) * 0x9e3779b97f4a7c15ull) ^ ((u64)number << 48);

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	return x;
}

#endif
