/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Who has the lock inside the kernel that a thread in D waits for: the lock of an inode or folder, of a file's position,
 * of a process's memory.
 *
 * From 6.16 on the kernel can tell which lock a thread waits for. Before, it is found by the waiter that the thread itself
 * has on its kernel stack, in the list of all who wait.
 */
#ifndef BLOCKWATCH_KERNEL_LOCK_BPF_H
#define BLOCKWATCH_KERNEL_LOCK_BPF_H

#define LOCK_WAITERS 256

/* The bits of rwsem->count */
#define RWSEM_WRITER 1
#define RWSEM_WAITERS 2
#define RWSEM_ONE_READER 0x100
#define RWSEM_MOST_READERS (1ull << 40)

struct waiter_walk {
	u64 at, top, task, found;
	s64 to_task; /* from the links of a waiter to its task */
};

/* The thread's own place in a list: links that both neighbours point back at, and then itself. */
static long look_for_own_waiter(u32 index, struct waiter_walk *walk)
{
	u64 links = walk->at - walk->to_task;
	u64 word;

	if (walk->at >= walk->top || bpf_probe_read_kernel(&word, sizeof(word), (void *)walk->at))
		return 1;
	walk->at += 8;
	if (word != walk->task || word_at(word_at(links) + 8) != links || word_at(word_at(links + 8)) != links)
		return 0;
	walk->found = links;
	return 1;
}

/* Along the list up to its head: what does not lie on the stack of the thread that it names is no waiter. */
static long look_for_head(u32 index, struct waiter_walk *walk)
{
	u64 task = word_at(walk->at + walk->to_task);
	u64 stack = task >= KERNEL_SPACE ? (u64)BPF_CORE_READ((struct task_struct *)task, stack) : 0;

	if (!stack || walk->at < stack || walk->at >= stack + STACK_BYTES) {
		walk->found = walk->at;
		return 1;
	}
	walk->at = word_at(walk->at);
	return 0;
}

/* Mutexes and semaphores of readers and writers have their owner in one place before the list. What it is tells the
 * count, which only the latter have: readers in it, and somebody who waits. */
static __noinline u64 queued_lock_owner(struct task_struct *task)
{
	struct waiter_walk walk = { .at = task_kernel_sp(task), .task = (u64)task };
	struct rw_semaphore *semaphore = NULL;
	u64 owner, count;

	/* a real-time kernel's locks are others */
	if (!walk.at || !bpf_core_field_exists(((struct rwsem_waiter *)0)->task) ||
	    !bpf_core_field_exists(semaphore->owner) || !bpf_core_field_exists(semaphore->wait_list))
		return 0;
	walk.to_task = bpf_core_field_offset(struct rwsem_waiter, task) -
		       bpf_core_field_offset(struct rwsem_waiter, list);
	walk.top = (u64)BPF_CORE_READ(task, stack) + STACK_BYTES;
	LOOP(2 * STACK_WORDS, 96, look_for_own_waiter, &walk);
	if (!walk.found)
		return 0;
	walk.at = word_at(walk.found);
	walk.found = 0;
	LOOP(LOCK_WAITERS, 16, look_for_head, &walk);
	if (!walk.found)
		return 0;
	semaphore = (void *)walk.found - bpf_core_field_offset(struct rw_semaphore, wait_list);
	owner = BPF_CORE_READ(semaphore, owner.counter);
	count = BPF_CORE_READ(semaphore, count.counter);
	if ((count & (RWSEM_WRITER | RWSEM_WAITERS)) != RWSEM_WAITERS || count < RWSEM_ONE_READER ||
	    count >= RWSEM_MOST_READERS)
		owner &= ~1ull;
	return owner;
}

/* 0: no such lock, or not known. Of several readers the kernel keeps the last alone, whether or not it still is one: the
 * lowest bit says that. */
static __noinline u64 kernel_lock_owner(struct task_struct *task)
{
	u64 blocker;

	if (!bpf_core_field_exists(task->blocker))
		return queued_lock_owner(task);
	blocker = BPF_CORE_READ(task, blocker);
	if (!blocker)
		return 0;
	switch (blocker & 3) {
	case 0: return BPF_CORE_READ((struct mutex *)(blocker & ~3ull), owner.counter) & ~7ull;
	case 1: return BPF_CORE_READ((struct semaphore *)(blocker & ~3ull), last_holder) & ~7ull;
	default: return BPF_CORE_READ((struct rw_semaphore *)(blocker & ~3ull), owner.counter);
	}
}

static __always_inline void tell_kernel_lock(struct bw_call *call, struct task_struct *task)
{
	u64 owner = kernel_lock_owner(task);
	struct task_struct *holder = (struct task_struct *)(owner & ~7ull);
	struct task_struct *leader = BPF_CORE_READ(holder, group_leader);

	/* one that points at itself through its process is a thread */
	if (!leader || BPF_CORE_READ(leader, group_leader) != leader)
		return;
	call->blocker_pid = BPF_CORE_READ(holder, pid);
	if (owner & 1)
		call->flags |= BW_CALL_READERS;
}

#endif
