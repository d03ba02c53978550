/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What an epoll waits for, read from its tree, because /proc/PID/fdinfo takes the epoll's own lock: whoever
 * reads it waits, and cannot be killed, behind a thread that hangs in copying events to its program.
 */
#ifndef BLOCKWATCH_EPOLL_BPF_H
#define BLOCKWATCH_EPOLL_BPF_H

struct set_walk {
	u64 node, from;
	struct bw_set *set;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct bw_set);
} set_scratch SEC(".maps");

/* One edge of the tree a turn, in order and without a stack: where we come from tells what is done already. */
static long next_item(u32 index, struct set_walk *walk)
{
	struct bw_set *set = walk->set;
	u64 node = walk->node, from = walk->from, left, right, parent;
	u32 place;

	if (!node || !set)
		return 1;
	left = word_at(node + bpf_core_field_offset(struct rb_node, rb_left));
	right = word_at(node + bpf_core_field_offset(struct rb_node, rb_right));
	parent = word_at(node + bpf_core_field_offset(struct rb_node, __rb_parent_color)) & ~3ull;
	walk->from = node;
	if (from == parent && left) {
		walk->node = left;
		return 0;
	}
	if (from == parent || from == left) {
		struct epitem *item = (struct epitem *)(node - bpf_core_field_offset(struct epitem, rbn));

		place = set->count;
		if (place >= BW_SET_MAX) {
			set->is_cut = 1;
			return 1;
		}
		set->items[place].fd = BPF_CORE_READ(item, ffd.fd);
		set->items[place].events = BPF_CORE_READ(item, event.events);
		set->count = place + 1;
		walk->node = right ? right : parent;
		return 0;
	}
	walk->node = parent;
	return 0;
}

/* An empty one. */
static __always_inline struct bw_set *begin_set(u32 question)
{
	u32 zero = 0;
	struct bw_set *set = bpf_map_lookup_elem(&set_scratch, &zero);

	if (!set)
		return NULL;
	set->type = BW_RECORD_SET;
	set->question = question;
	set->count = 0;
	set->is_cut = 0;
	return set;
}

static __always_inline void send_set(struct bpf_iter__task_file *ctx, struct bw_set *set)
{
	u32 count = set->count;

	if (count > BW_SET_MAX)
		count = BW_SET_MAX;
	bpf_seq_write(ctx->meta->seq, set,
		      count * sizeof(struct bw_set_item) + (sizeof(*set) - sizeof(set->items)));
}

static __noinline int tell_epoll(struct bpf_iter__task_file *ctx, u64 private, u32 question)
{
	struct bw_set *set = begin_set(question);
	struct set_walk walk = { .set = set };

	if (!set)
		return 0;
	walk.node = (u64)BPF_CORE_READ((struct eventpoll *)private, rbr.rb_root.rb_node);
	/* each item is passed three times at most */
	LOOP(3 * BW_SET_MAX + 64, 256, next_item, &walk);
	if (walk.node)
		set->is_cut = 1;
	send_set(ctx, set);
	return 0;
}

#endif
