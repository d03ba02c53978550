/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Who holds the other end: one pass over all open files of the host answers all questions of a
 * round, and a second program tells what the threads of chosen processes are doing.
 *
 *   holders (iter/task_file)  each open file that a key asks for; the locks on a file asked for
 *   view (iter/task)          each thread of a process, child or thread asked for, whatever it does
 *
 * Both answer through the iterator's own buffer: a full one is read and filled again, so nothing
 * is lost. The first may only be read where blocking does no harm: the iterator lets go of files.
 */
#ifndef BLOCKWATCH_HOLDERS_H
#define BLOCKWATCH_HOLDERS_H

#define TTY_MAJORS_FIRST 136 /* UNIX98 pty slaves */
#define TTY_MAJORS_LAST 143
#define FUSE_RDEV (10u << 20 | 229)
#define LOCKS_MAX 128 /* of one file; their waiters counted */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BW_QUESTIONS_MAX);
	__type(key, struct bw_key);
	__type(value, struct bw_question);
} questions SEC(".maps");

/* Processes, parents and threads to be shown. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BW_QUESTIONS_MAX);
	__type(key, struct bw_view_key);
	__type(value, u32);
} viewed SEC(".maps");

/* Tables of descriptors told in this pass: where the leader has exited, the kernel visits the table once a thread. */
struct seen_table {
	u64 session;
	u32 pid, tgid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct seen_table);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct workspace);
} view_scratch SEC(".maps");

struct pass_room {
	struct bw_key key;
	struct bw_file file;
	struct bw_member member;
	u64 private, inode, address; /* of the visited file */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct pass_room);
} pass_scratch SEC(".maps");

/* ---- locks of a file ---- */

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

static __always_inline u64 word_at(u64 address)
{
	u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), (void *)address);
	return word;
}

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

/* ---- items of an epoll ----
 *
 * Read from its tree, because /proc/PID/fdinfo takes the epoll's own lock: whoever reads it waits, and cannot be
 * killed, behind a thread that hangs in copying events to its program. */

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

static __noinline int tell_set(struct bpf_iter__task_file *ctx, u64 private, u32 question)
{
	u32 zero = 0, bytes;
	struct bw_set *set = bpf_map_lookup_elem(&set_scratch, &zero);
	struct set_walk walk = { .set = set };

	if (!set)
		return 0;
	set->type = BW_RECORD_SET;
	set->question = question;
	set->count = 0;
	set->is_cut = 0;
	walk.node = (u64)BPF_CORE_READ((struct eventpoll *)private, rbr.rb_root.rb_node);
	/* each item is passed three times at most */
	LOOP(3 * BW_SET_MAX + 64, 256, next_item, &walk);
	if (walk.node)
		set->is_cut = 1;
	bytes = set->count;
	if (bytes > BW_SET_MAX)
		bytes = BW_SET_MAX;
	bytes = bytes * sizeof(struct bw_set_item) + (sizeof(*set) - sizeof(set->items));
	bpf_seq_write(ctx->meta->seq, set, bytes);
	return 0;
}

/* ---- open files ---- */

/* IPv4 as IPv6 writes it, so that both ends of a connection give the same key. */
static __always_inline void mapped(u8 to[16], u32 address)
{
	__builtin_memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, 4);
}

static __always_inline bool ask(struct pass_room *room, struct bpf_iter__task_file *ctx)
{
	struct bw_question *wanted = bpf_map_lookup_elem(&questions, &room->key);
	struct seq_file *seq = ctx->meta->seq;

	if (!wanted)
		return false;
	room->file.question = wanted->id;
	bpf_seq_write(seq, &room->file, sizeof(room->file));
	if (!(wanted->flags & BW_ASK_LOCKS))
		return true;
	/* once a pass; the same visit again, if the buffer was full */
	if (wanted->session == ctx->meta->session_id && wanted->locks_at != ctx->meta->seq_num)
		return true;
	wanted->session = ctx->meta->session_id;
	wanted->locks_at = ctx->meta->seq_num;
	tell_locks(ctx, room->inode, wanted->id);
	return true;
}

static __always_inline void clear(struct bw_key *key, u32 kind)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->kind = kind;
}

static __noinline int ask_socket(struct pass_room *room, struct bpf_iter__task_file *ctx)
{
	struct socket *socket = (struct socket *)room->private;
	struct sock *sk = BPF_CORE_READ(socket, sk);
	struct bw_file *file = &room->file;
	struct bw_key *key = &room->key;
	bool is_v6;
	u8 local[16], peer[16];

	if (!sk)
		return 0;
	file->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	file->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	file->accept_queue = BPF_CORE_READ(sk, sk_ack_backlog);
	file->accept_limit = BPF_CORE_READ(sk, sk_max_ack_backlog);
	file->net_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (file->family == AF_UNIX) {
		if (!(control.wanted & 1u << BW_KEY_UNIX) || file->state != TCP_LISTEN)
			return 0;
		clear(key, BW_KEY_UNIX);
		key->number = (u64)BPF_CORE_READ((struct unix_sock *)sk, addr);
		ask(room, ctx);
		return 0;
	}
	is_v6 = file->family == AF_INET6;
	if (!is_v6 && file->family != AF_INET)
		return 0;
	file->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (is_v6) {
		BPF_CORE_READ_INTO(&local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&peer, sk, __sk_common.skc_v6_daddr);
	} else {
		mapped(local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		mapped(peer, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	}
	__builtin_memcpy(file->local, local, 16);
	clear(key, BW_KEY_PORT);
	key->device = BPF_CORE_READ(sk, sk_protocol);
	if (key->device == IPPROTO_MPTCP)
		key->device = IPPROTO_TCP;
	if (BPF_CORE_READ(sk, __sk_common.skc_dport)) {
		key->kind = BW_KEY_INET;
		__builtin_memcpy(key->local, local, 16);
		__builtin_memcpy(key->peer, peer, 16);
		key->local_port = file->local_port;
		key->peer_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
		file->is_connected = 1;
	} else {
		key->number = file->local_port;
	}
	ask(room, ctx);
	return 0;
}

static __noinline int ask_special(struct pass_room *room, struct bpf_iter__task_file *ctx, u32 mode)
{
	struct inode *inode = (struct inode *)room->inode;
	struct bw_key *key = &room->key;
	u64 private = room->private;
	u32 rdev, major;

	if (control.wanted & 1u << BW_KEY_PRIVATE && BPF_CORE_READ(inode, i_sb, s_magic) == ANON_INODE_FS_MAGIC) {
		clear(key, BW_KEY_PRIVATE);
		key->number = private;
		ask(room, ctx);
		return 0;
	}
	if ((mode & S_IFMT) != S_IFCHR || !private)
		return 0;
	rdev = BPF_CORE_READ(inode, i_rdev);
	major = rdev >> 20;
	if (rdev == FUSE_RDEV) {
		struct fuse_dev *device = (struct fuse_dev *)private;

		if (!(control.wanted & 1u << BW_KEY_FUSE) || !bpf_core_type_exists(struct fuse_dev))
			return 0;
		clear(key, BW_KEY_FUSE);
		key->device = BPF_CORE_READ(device, fc, dev);
		ask(room, ctx);
	} else if (major == 5 || major == 4 || (major >= TTY_MAJORS_FIRST && major <= TTY_MAJORS_LAST)) {
		if (!(control.wanted & 1u << BW_KEY_TTY))
			return 0;
		clear(key, BW_KEY_TTY);
		key->number = (u64)BPF_CORE_READ((struct tty_file_private *)private, tty);
		ask(room, ctx);
	}
	return 0;
}

/* Descriptors of chosen processes, and connected sockets of chosen processes. */
static __always_inline struct bw_question *asked_of_process(struct pass_room *room, struct bpf_iter__task_file *ctx,
							    u32 mode)
{
	struct bw_question *wanted;
	struct socket *socket;
	struct sock *sk;
	u32 family;

	clear(&room->key, BW_KEY_FD);
	room->key.device = room->file.tgid;
	room->key.number = ctx->fd;
	wanted = bpf_map_lookup_elem(&questions, &room->key);
	if (wanted || !(control.wanted & 1u << BW_KEY_SOCKETS) || (mode & S_IFMT) != S_IFSOCK)
		return wanted;
	clear(&room->key, BW_KEY_SOCKETS);
	room->key.device = room->file.tgid;
	wanted = bpf_map_lookup_elem(&questions, &room->key);
	if (!wanted)
		return NULL;
	socket = (struct socket *)room->private;
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) || !BPF_CORE_READ(sk, __sk_common.skc_dport))
		return NULL;
	/* how many there were in this pass */
	if (wanted->session != ctx->meta->session_id) {
		wanted->session = ctx->meta->session_id;
		wanted->locks_at = 0;
	}
	return wanted->locks_at++ < BW_SOCKETS_MAX ? wanted : NULL;
}

SEC("iter/task_file")
int holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct pass_room *room;
	struct inode *inode;
	u32 zero = 0, mode;
	u64 table;

	if (!task || !file || task->tgid == scanner_tgid)
		return 0;
	table = (u64)task->files;
	if (task->tgid != task->pid) {
		struct seen_table now = { .session = ctx->meta->session_id, .pid = task->pid, .tgid = task->tgid };
		struct seen_table *seen = bpf_map_lookup_elem(&tables, &table);

		if (!seen || seen->session != now.session)
			bpf_map_update_elem(&tables, &table, &now, 0);
		else if (seen->pid != now.pid && seen->tgid == now.tgid)
			return 0; /* but whoever shares it without being a thread has it too */
	}
	room = bpf_map_lookup_elem(&pass_scratch, &zero);
	if (!room)
		return 0;
	inode = file->f_inode;
	mode = BPF_CORE_READ(inode, i_mode);
	room->inode = (u64)inode;
	room->private = (u64)BPF_CORE_READ(file, private_data);
	__builtin_memset(&room->file, 0, sizeof(room->file));
	room->file.type = BW_RECORD_FILE;
	room->file.tgid = task->tgid;
	room->file.pid = task->pid;
	room->file.fd = ctx->fd;
	room->file.mode = BPF_CORE_READ(file, f_mode) & 3;
	room->file.file = (u64)file;
	room->file.files = table;
	if (control.wanted & (1u << BW_KEY_FD | 1u << BW_KEY_SOCKETS)) {
		struct bw_question *wanted = asked_of_process(room, ctx, mode);

		if (wanted && wanted->flags & BW_ASK_ITEMS) {
			const char *text = (const char *)BPF_CORE_READ(file, f_path.dentry, d_name.name);
			char name[12];

			bpf_probe_read_kernel_str(name, sizeof(name), text);
			if (BPF_CORE_READ(inode, i_sb, s_magic) == ANON_INODE_FS_MAGIC &&
			    !__builtin_memcmp(name, "[eventpoll]", sizeof(name)))
				tell_set(ctx, room->private, wanted->id);
		} else if (wanted) {
			room->member.type = BW_RECORD_MEMBER;
			room->member.question = wanted->id;
			__builtin_memset(&room->member.object, 0, sizeof(room->member.object));
			*(volatile u64 *)&room->address = (u64)file;
			resolve_file(&room->member.object, *(volatile u64 *)&room->address);
			bpf_seq_write(ctx->meta->seq, &room->member, sizeof(room->member));
		}
	}
	if (control.wanted & 1u << BW_KEY_INODE) {
		clear(&room->key, BW_KEY_INODE);
		room->key.device = BPF_CORE_READ(inode, i_sb, s_dev);
		room->key.number = BPF_CORE_READ(inode, i_ino);
		if ((mode & S_IFMT) == S_IFSOCK) {
			struct socket *socket = (struct socket *)room->private;
			struct sock *sk = BPF_CORE_READ(socket, sk);

			room->file.state = BPF_CORE_READ(sk, __sk_common.skc_state);
			room->file.accept_queue = BPF_CORE_READ(sk, sk_ack_backlog);
			room->file.accept_limit = BPF_CORE_READ(sk, sk_max_ack_backlog);
		}
		ask(room, ctx);
	}
	if ((mode & S_IFMT) == S_IFSOCK) {
		if (control.wanted & (1u << BW_KEY_INET | 1u << BW_KEY_PORT | 1u << BW_KEY_UNIX))
			ask_socket(room, ctx);
	} else if (control.wanted & (1u << BW_KEY_PRIVATE | 1u << BW_KEY_FUSE | 1u << BW_KEY_TTY)) {
		ask_special(room, ctx, mode);
	}
	return 0;
}

/* ---- threads ---- */

static __always_inline bool is_viewed(u32 kind, u32 name_space, u32 number)
{
	struct bw_view_key key = { .kind = kind, .name_space = name_space, .number = number };

	return bpf_map_lookup_elem(&viewed, &key) != NULL;
}

static __noinline bool wants_view(struct task_struct *task)
{
	struct upid upid;
	struct pid *pid;
	u32 level;

	bool is_shown = task->pid == task->tgid || BPF_CORE_READ(task, signal, nr_threads) <= BW_VIEW_THREADS;

	if (is_viewed(BW_VIEW_THREAD, 0, task->pid))
		return true;
	if (is_shown && is_viewed(BW_VIEW_PROCESS, 0, task->tgid))
		return true;
	if (is_shown && control.wanted_parents && is_viewed(BW_VIEW_PARENT, 0, BPF_CORE_READ(task, real_parent, tgid)))
		return true;
	if (!control.wanted_inner)
		return false;
	pid = BPF_CORE_READ(task, thread_pid);
	level = BPF_CORE_READ(pid, level);
	if (bpf_probe_read_kernel(&upid, sizeof(upid),
				  (void *)pid + bpf_core_field_offset(struct pid, numbers) + level * sizeof(upid)))
		return false;
	return is_viewed(BW_VIEW_INNER, BPF_CORE_READ(upid.ns, ns.inum), upid.nr);
}

static __noinline int view_call(struct bw_call *call, struct task_struct *task, struct thread_state *state,
				struct pt_regs *regs, u32 asleep)
{
	u64 stamp = 0, clock = stamp_now();
	struct parked_call *parked = NULL;

	call->kind = BW_KIND_SYSCALL;
	if (task->flags & (PF_EXITING | PF_POSTCOREDUMP | PF_DUMPCORE)) {
		call->kind = BW_KIND_EXITING;
		stamp = state ? state->aside.stamp : 0;
		call->abi = abi_of_program(regs);
	} else if (state && state->has_left && state->left.stamp) {
		parked = &state->left;
		call->flags |= BW_CALL_LEFT;
	} else if (state && state->stamp) {
		stamp = state->stamp;
		call->number = state->number;
		call->abi = state->abi;
		call->renewals = state->renewals;
		regs_args(regs, call->abi, call->args);
	} else if (state && state->has_old && state->old.stamp) {
		parked = &state->old;
	} else if (asleep && !(asleep & (TASK_STOPPED | TASK_TRACED)) && regs_number(regs) >= 0) {
		call->number = regs_number(regs);
		call->abi = abi_of(task);
		regs_args(regs, call->abi, call->args);
	} else if (asleep) {
		call->kind = asleep & (TASK_STOPPED | TASK_TRACED) ? BW_KIND_STOPPED : BW_KIND_PAGE;
		stamp = state ? state->aside.stamp : 0;
	} else {
		call->kind = BW_KIND_RUNNING;
	}
	if (parked) {
		stamp = parked->stamp;
		call->number = parked->number;
		call->abi = parked->abi;
		for (int i = 0; i < 6; i++)
			call->args[i] = parked->args[i];
		call->ip = parked->ip;
		call->sp = parked->sp;
	}
	call->now_ns = bpf_ktime_get_ns();
	if (stamp) {
		call->start_ns = stamp_to_ns(stamp, clock, call->now_ns);
		call->flags |= stamp & STAMP_OLD ? BW_CALL_OLD : 0;
		call->id = call_id(task, stamp, call->number | (call->kind == BW_KIND_SYSCALL ? 0 : call->kind) << 12);
	} else {
		call->start_ns = asleep ? last_ran_ns(task, call->now_ns) : call->now_ns;
		call->flags |= BW_CALL_OLD;
	}
	return 0;
}

SEC("iter/task")
int view(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct seq_file *seq = ctx->meta->seq;
	struct thread_state *state;
	struct workspace *room;
	struct bw_call *call;
	struct pt_regs *regs;
	u32 zero = 0, asleep, length;

	if (ctx->meta->seq_num == 0) {
		scanner_tgid = bpf_get_current_pid_tgid() >> 32;
		scanner_level = BPF_CORE_READ(bpf_get_current_task_btf(), thread_pid, level);
		read_clocks(bpf_get_current_task_btf());
	}
	if (!task || task->flags & PF_KTHREAD || task->tgid == scanner_tgid || !wants_view(task))
		return 0;
	if (task->flags & PF_IO_WORKER)
		return 0;
	room = bpf_map_lookup_elem(&view_scratch, &zero);
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (!room || !regs)
		return 0;
	call = &room->call;
	state = bpf_task_storage_get(&threads, task, 0, 0);
	asleep = task_state(task) & ~0x400u;
	__builtin_memset(call->args, 0, sizeof(call->args));
	call->type = BW_RECORD_VIEW;
	call->id = 0;
	call->result = 0;
	call->renewals = 0;
	call->number = 0;
	call->abi = 0;
	call->flags = is_frozen(task, asleep) ? BW_CALL_FROZEN : 0;
	call->ip = regs_ip(regs);
	call->sp = regs_sp(regs);
	tell_last_io(call, state);
	view_call(call, task, state, regs, asleep);
	call->stack_depth = 0;
	if (asleep)
		read_stack(call, task);
	tell_more(call, task);
	*(volatile u64 *)&room->task = (u64)task;
	describe(call, *(volatile u64 *)&room->task);
	length = call->cgroup_len;
	if (length > BW_CGROUP_LEN)
		length = BW_CGROUP_LEN;
	length = (sizeof(*call) - BW_CGROUP_LEN + length + 7) & ~7u;
	if (length > sizeof(*call))
		length = sizeof(*call);
	bpf_seq_write(seq, call, length);
	return 0;
}

#endif
