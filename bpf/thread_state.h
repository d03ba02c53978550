/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What is remembered of a thread, and the one word on which scan and exit agree.
 *
 * A stamp is (time << 2 | flags), time in jiffies or nanoseconds; 0 means no call. The scan
 * sets STAMP_REPORTED by compare-and-swap, whoever ends the call takes the whole word by
 * exchange: a call is opened and closed once, whatever the order. A stamp past the threshold
 * cannot come back by chance, because a new call's time is now.
 */
#ifndef BLOCKWATCH_THREAD_STATE_H
#define BLOCKWATCH_THREAD_STATE_H

#define STAMP_REPORTED 1ull
#define STAMP_OLD 2ull /* its start is `last_ran`, not measured at entry */
#define STAMP_SHIFT 2

/* A call that a thread is in without a stamp of its own. */
struct parked_call {
	u64 stamp;
	u64 ip, sp;
	u64 args[6];
	u32 number, abi;
};

/* A wait outside any call. */
struct aside {
	u64 stamp;
	u64 ip, sp;
	u32 kind, pad;
};


struct thread_state {
	/* the hot path touches this, and one of `io` */
	u64 stamp;
	u32 number, abi;
	union {
		u64 attention; /* any of: entry and exit leave the fast path */
		struct {
			u8 has_left, has_old, has_aside, has_lost, has_renewed;
		};
	};
	u32 renewals;  /* the call in flight goes on with one that ended so often with nothing received */
	u32 renewed_count; /* the same of `renewed` */
	u32 restarted; /* in flight through restart_syscall: the registers show that number */
	u64 lost_closing; /* id of a call whose closing found the ring full */
	struct bw_io io[BW_LAST_IO];
	u64 switches; /* context switches when `old` was seen */
	/* interrupted by a signal, a stop or a tracer, and going to be restarted: written by the thread itself */
	struct parked_call left;
	/* seen by the scan in a call whose entry was not: older than blockwatch, or held before the tracepoint by
	 * seccomp or a tracer; written by the scan, taken by the thread */
	struct parked_call old;
	/* a wait that ended by its own time-out or EINTR with nothing received */
	struct parked_call renewed;
	struct aside aside; /* written by the scan, taken by the thread */
	/* of a process's main thread: who sent it the last signal that stops */
	u32 stopper_tgid;
	char stopper_comm[BW_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_state);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} records SEC(".maps");

/* Ids of calls that user space wants to hear of again in the next scan. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BW_REFRESH_MAX);
	__type(key, u64);
	__type(value, u32);
} refresh SEC(".maps");

const volatile struct bw_settings settings SEC(".rodata.settings");
struct bw_counters counters SEC(".data.counters");
struct bw_control control SEC(".data.control");
struct bw_crossing crossings[BW_CROSSINGS_MAX] SEC(".data.crossings");

/* The layout test finds in the type information only what a map or a global variable mentions. */
struct bw_close *mentioned __attribute__((unused));

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

#define count(field, n) __sync_fetch_and_add(&counters.field, (n))

static __noinline long say_closed(struct thread_state *state, u64 id, u32 reason, s64 result)
{
	struct bw_close record = {
		.type = BW_RECORD_CLOSE,
		.reason = reason,
		.id = id,
		.now_ns = bpf_ktime_get_ns(),
		.result = result,
	};
	long error = bpf_ringbuf_output(&records, &record, sizeof(record), 0);

	if (error) {
		count(lost_closings, 1);
		if (state) {
			state->lost_closing = id;
			state->has_lost = 1;
		}
	}
	return error;
}

static __always_inline void tell_last_io(struct bw_call *call, const struct thread_state *state)
{
	if (state)
		__builtin_memcpy(call->last_io, state->io, sizeof(call->last_io));
	else
		__builtin_memset(call->last_io, 0, sizeof(call->last_io));
}

static __always_inline u64 take(u64 *stamp)
{
	return __sync_lock_test_and_set(stamp, 0);
}

#endif
