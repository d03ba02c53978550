/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What an io_uring waits for: the requests that poll their files, from the table by which they are cancelled (Linux 6.0
 * on), because /proc/PID/fdinfo tells neither files nor, of a ring that is busy, anything. A request keeps its file and no
 * descriptor: those are looked for in the table of descriptors.
 */
#ifndef BLOCKWATCH_RINGS_BPF_H
#define BLOCKWATCH_RINGS_BPF_H

struct ring_file {
	u64 session, file;
};

/* Files that requests of the ring poll, and for which events. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct ring_file);
	__type(value, u32);
} ring_files SEC(".maps");

struct ring_walk {
	u64 bucket, last, node; /* addresses */
	u64 session;
	struct bw_set *set; /* counts in it: a number on the stack would be another state of each turn to the verifier */
};

struct table_walk {
	u64 files, session; /* the array of the table of descriptors; as in the key */
	struct bw_set *set;
};

/* Opcodes are the kernel's interface: those that wait until they can write. */
static __always_inline bool waits_to_write(u8 opcode)
{
	switch (opcode) {
	case 2:	 /* WRITEV */
	case 5:	 /* WRITE_FIXED */
	case 9:	 /* SENDMSG */
	case 16: /* CONNECT */
	case 23: /* WRITE */
	case 26: /* SEND */
	case 47: /* SEND_ZC */
	case 48: /* SENDMSG_ZC */
		return true;
	}
	return false;
}

static __always_inline void next_bucket(struct ring_walk *walk)
{
	walk->node = word_at(walk->bucket + bpf_core_field_offset(struct io_hash_bucket, list));
	walk->bucket += bpf_core_type_size(struct io_hash_bucket);
}

/* One request a turn, or on to the next bucket. */
static long next_request(u32 index, struct ring_walk *walk)
{
	struct ring_file key = {};
	struct io_kiocb *request;
	u32 events, *before;

	if (!walk->node) {
		if (walk->bucket >= walk->last)
			return 1;
		next_bucket(walk);
		return 0;
	}
	request = (struct io_kiocb *)(walk->node - bpf_core_field_offset(struct io_kiocb, hash_node));
	walk->node = word_at(walk->node);
	key.session = walk->session;
	key.file = (u64)BPF_CORE_READ(request, file);
	if (!key.file)
		return 0;
	events = waits_to_write(BPF_CORE_READ(request, opcode)) ? 4 : 1; /* EPOLLOUT, EPOLLIN */
	before = bpf_map_lookup_elem(&ring_files, &key);
	if (before)
		events |= *before;
	else if (walk->set)
		walk->set->is_cut++;
	bpf_map_update_elem(&ring_files, &key, &events, 0);
	return 0;
}

static __always_inline void walk_requests(struct ring_walk *walk, struct io_hash_table *table)
{
	u32 bits = BPF_CORE_READ(table, hash_bits);

	walk->bucket = (u64)BPF_CORE_READ(table, hbs);
	if (!walk->bucket)
		return;
	if (bits > 8)
		bits = 8;
	walk->last = walk->bucket + (1ull << bits) * bpf_core_type_size(struct io_hash_bucket);
	/* not 0: before Linux 6.7 the verifier takes what the first turn finds on the stack for what all of them do */
	next_bucket(walk);
	LOOP(2048, 128, next_request, walk);
}

static long next_descriptor(u32 index, struct table_walk *walk)
{
	struct ring_file key = { .session = walk->session };
	struct bw_set *set = walk->set;
	u32 *events, place;

	if (!set)
		return 1;
	key.file = word_at(walk->files + index * sizeof(u64));
	if (!key.file)
		return 0;
	events = bpf_map_lookup_elem(&ring_files, &key);
	if (!events || !*events)
		return 0;
	place = set->count;
	if (place >= BW_SET_MAX) {
		set->is_cut = 1;
		return 1;
	}
	set->items[place].fd = index;
	set->items[place].events = *events;
	set->count = place + 1;
	/* of several descriptors of one file the first */
	*events = 0;
	return 0;
}

/* Nothing where the kernel keeps no such table: what the ring waits for is not known then. */
static __noinline int tell_ring(struct bpf_iter__task_file *ctx, u64 private, u32 question)
{
	struct io_ring_ctx *ring = (struct io_ring_ctx *)private;
	u32 limit, files;
	struct bw_set *set = begin_set(question);
	struct ring_walk requests = { .set = set };
	struct table_walk table = { .set = set };
	struct task_struct *task = ctx->task;
	struct fdtable *descriptors;
	u64 timeouts;

	if (!set || !task || !bpf_core_type_exists(struct io_hash_table))
		return 0;
	requests.session = bpf_ktime_get_ns();
	walk_requests(&requests, (struct io_hash_table *)(private +
							  bpf_core_field_offset(struct io_ring_ctx, cancel_table)));
	if (bpf_core_field_exists(ring->cancel_table_locked))
		walk_requests(&requests,
			      (struct io_hash_table *)(private + bpf_core_field_offset(struct io_ring_ctx,
										       cancel_table_locked)));
	files = set->is_cut;
	set->is_cut = 0;
	descriptors = BPF_CORE_READ(task, files, fdt);
	table.files = (u64)BPF_CORE_READ(descriptors, fd);
	table.session = requests.session;
	limit = BPF_CORE_READ(descriptors, max_fds);
	if (limit > 4096)
		limit = 4096;
	if (files)
		LOOP(limit, 128, next_descriptor, &table);
	/* registered files have no descriptor; a time-out of the ring may end the wait as well */
	timeouts = private + bpf_core_field_offset(struct io_ring_ctx, timeout_list);
	if (set->count < files || word_at(timeouts) != timeouts)
		set->is_cut = 1;
	/* as many were taken as are done: of those that a worker or a disk has there is none either */
	if (!files && BPF_CORE_READ(ring, cached_sq_head) != BPF_CORE_READ(ring, cached_cq_tail))
		set->is_cut = 1;
	send_set(ctx, set);
	return 0;
}

#endif
