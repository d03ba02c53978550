/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Where the state of a thread lies: in a table where entry and exit find it by the thread's address, without asking the
 * kernel, or in task storage, where there is room for all.
 *
 * First come, first served: a thread moves in when it enters a call, its home is free, and it is in the middle of nothing;
 * it moves out when it dies. Whoever finds another one there has task storage, and pays some 30 ns more for each call. Only
 * the thread itself moves: a scan that looks meanwhile may note a wait where nobody looks again, and the next one says that
 * it is over.
 */
#ifndef BLOCKWATCH_HOMES_BPF_H
#define BLOCKWATCH_HOMES_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_state);
} threads SEC(".maps");

/* Filled from cache line to cache line: what every entry and exit touches lies in the first, what moved bytes in the
 * second. */
struct home {
	u64 owner; /* the address of a thread that has not died; 0: free */
	struct thread_state state;
} __attribute__((aligned(64)));

/* Memory that could be mapped begins on a page. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* user space says how many before it loads */
	__type(key, u32);
	__type(value, struct home);
} homes SEC(".maps");

/* Of the two where a thread may live, the one it lives in, else one that is free, else none. Two, because with one each
 * the first that collides would pay for ever.
 *
 * The address of a thread stays, through execve too, which changes its number. The verifier lets nobody reckon with a
 * pointer, but a copy of its lower half is a number. */
static __always_inline struct home *home_of(struct task_struct *task)
{
	u32 index;
	struct home *first, *second;

	asm volatile("%0 = %1" : "=w"(index) : "w"((u32)(u64)task));
	index = (index >> 6) * 0x9e3779b1u >> settings.homes_shift;
	first = bpf_map_lookup_elem(&homes, &index);
	if (!first || first->owner == (u64)task)
		return first;
	index ^= 1;
	second = bpf_map_lookup_elem(&homes, &index);
	if (!second || second->owner == (u64)task || first->owner)
		return second;
	return first;
}

/* What is remembered of a thread; NULL: nothing. */
static __always_inline struct thread_state *state_of(struct task_struct *task)
{
	struct home *home = home_of(task);

	if (home && home->owner == (u64)task)
		return &home->state;
	return bpf_task_storage_get(&threads, task, 0, 0);
}

/* The current thread moves into a home that was free a moment ago. */
__noinline int move_in(struct home *home)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *state;

	if (!home)
		return false;
	state = bpf_task_storage_get(&threads, task, 0, 0);
	if (state && (state->in_flight.stamp || state->attention || state->renewals))
		return false;
	if (__sync_val_compare_and_swap(&home->owner, 0, (u64)task))
		return false;
	if (state) {
		__builtin_memcpy(&home->state, state, sizeof(*state));
		bpf_task_storage_delete(&threads, task);
	}
	return true;
}

/* The current thread dies. What is still to be told of it, a scan finds in task storage. */
__noinline int move_out(struct home *home)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *state;

	if (!home)
		return 0;
	if (home->state.filled[SLOT_UNSAID_CLOSE] || home->state.stopper_tgid) {
		state = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (state)
			__builtin_memcpy(state, &home->state, sizeof(*state));
		else if (home->state.filled[SLOT_UNSAID_CLOSE])
			count(lost_closings, 1);
	}
	__builtin_memset(&home->state, 0, sizeof(home->state));
	__sync_lock_test_and_set(&home->owner, 0);
	return 0;
}

#endif
