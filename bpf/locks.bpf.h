/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The locks on a file, held and waited for. */
#ifndef BLOCKWATCH_LOCKS_BPF_H
#define BLOCKWATCH_LOCKS_BPF_H

#define LOCKS_MAX 128 /* of one file; their waiters counted */

struct lock_batch {
	u64 next, parent;
	u64 count;
	struct bw_lock locks[LOCKS_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct lock_batch);
} lock_scratch SEC(".maps");

#define LOCK_OFFSET(name, old_name)                                                                                   \
	(bpf_core_type_exists(struct file_lock_core) ? bpf_core_field_offset(struct file_lock_core, name)             \
						     : bpf_core_field_offset(struct file_lock___old, old_name))

/* The thread that sleeps in a lock's wait queue; 0 for a lock that is held. */
static __always_inline u32 lock_waiter(u64 lock)
{
	u64 head = lock + LOCK_OFFSET(flc_wait, fl_wait) + bpf_core_field_offset(struct wait_queue_head, head);
	u64 entry = word_at(head);
	struct task_struct *task;

	if (!entry || entry == head)
		return 0;
	entry -= bpf_core_field_offset(struct wait_queue_entry, entry);
	task = (struct task_struct *)word_at(entry + bpf_core_field_offset(struct wait_queue_entry, private));
	return task ? BPF_CORE_READ(task, pid) : 0;
}

/* Global, and what changes from turn to turn in memory and not in registers, so that the verifier looks at it once. */
__noinline int read_lock(struct lock_batch *batch, u64 lock, u32 question)
{
	struct file_lock *whole = (struct file_lock *)lock;
	struct bw_lock *told;
	u32 index;

	if (!batch)
		return 0;
	index = batch->count;
	if (index >= LOCKS_MAX)
		return 0;
	told = &batch->locks[index];
	told->type = BW_RECORD_LOCK;
	told->question = question;
	told->address = lock;
	told->blocker = word_at(lock + LOCK_OFFSET(flc_blocker, fl_blocker));
	told->owner = word_at(lock + LOCK_OFFSET(flc_owner, fl_owner));
	told->file = word_at(lock + LOCK_OFFSET(flc_file, fl_file));
	told->start = BPF_CORE_READ(whole, fl_start);
	told->end = BPF_CORE_READ(whole, fl_end);
	told->flags = word_at(lock + LOCK_OFFSET(flc_flags, fl_flags));
	told->mode = word_at(lock + LOCK_OFFSET(flc_type, fl_type)) & 0xff;
	told->taker = word_at(lock + LOCK_OFFSET(flc_pid, fl_pid));
	told->waiter = told->blocker ? lock_waiter(lock) : 0;
	batch->count = index + 1;
	return 0;
}

struct lock_walk {
	u64 list;
	u32 question, pad;
	struct lock_batch *batch;
};

static long next_lock(u32 index, struct lock_walk *walk)
{
	u64 link = LOCK_OFFSET(flc_list, fl_list);
	u64 requests = LOCK_OFFSET(flc_blocked_requests, fl_blocked_requests);
	u64 member = LOCK_OFFSET(flc_blocked_member, fl_blocked_member);
	u64 blocker = LOCK_OFFSET(flc_blocker, fl_blocker);
	struct lock_batch *batch = walk->batch;
	u64 next, parent, lock;

	if (!batch)
		return 1;
	next = batch->next;
	parent = batch->parent;
	if (!next || batch->count >= LOCKS_MAX)
		return 1;
	if (!parent) {
		if (next == walk->list)
			return 1;
		lock = next - link;
	} else if (next == parent + requests) {
		/* the last request below `parent`: go on behind that one */
		batch->parent = word_at(parent + blocker);
		batch->next = word_at(parent + (batch->parent ? member : link));
		return 0;
	} else {
		lock = next - member;
	}
	read_lock(batch, lock, walk->question);
	next = word_at(lock + requests);
	if (next && next != lock + requests) {
		batch->parent = lock;
		batch->next = next;
	} else {
		batch->next = word_at(lock + (parent ? member : link));
	}
	return 0;
}

/* One list of held locks, and below each the requests that wait for it, as a tree without a stack:
 * down to the first waiting request, else along, else up. */
static __noinline int read_locks(struct lock_batch *batch, u64 list, u32 question)
{
	struct lock_walk walk = { .list = list, .question = question, .batch = batch };

	batch->next = word_at(list);
	batch->parent = 0;
	LOOP(2 * LOCKS_MAX, 64, next_lock, &walk);
	return 0;
}

static __always_inline void tell_locks(struct bpf_iter__task_file *ctx, u64 inode_address, u32 question)
{
	struct inode *inode = (struct inode *)inode_address;
	struct file_lock_context *locks = BPF_CORE_READ(inode, i_flctx);
	u32 zero = 0, bytes;
	struct lock_batch *batch = bpf_map_lookup_elem(&lock_scratch, &zero);

	if (!locks || !batch)
		return;
	batch->count = 0;
	read_locks(batch, (u64)locks + bpf_core_field_offset(struct file_lock_context, flc_flock), question);
	read_locks(batch, (u64)locks + bpf_core_field_offset(struct file_lock_context, flc_posix), question);
	bytes = batch->count;
	if (bytes > LOCKS_MAX)
		bytes = LOCKS_MAX;
	bytes *= sizeof(struct bw_lock);
	if (bytes)
		bpf_seq_write(ctx->meta->seq, batch->locks, bytes);
}

#endif
