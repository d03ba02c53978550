/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Who holds the other end: one pass over all open files of the host answers all questions of a
 * round: each open file that a key asks for, and the locks on it where they are asked for.
 *
 * It answers through the iterator's own buffer: a full one is read and filled again, so nothing
 * is lost. It may only be read where blocking does no harm: the iterator lets go of files.
 */
#ifndef BLOCKWATCH_HOLDERS_BPF_H
#define BLOCKWATCH_HOLDERS_BPF_H

#define FUSE_RDEV (10u << 20 | 229)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BW_QUESTIONS_MAX);
	__type(key, struct bw_key);
	__type(value, struct bw_question);
} questions SEC(".maps");

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

/* IPv4 as IPv6 writes it, so that both ends of a connection give the same key. */
static __always_inline void mapped(u8 to[16], u32 address)
{
	__builtin_memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, 4);
}

static __always_inline void tell(struct pass_room *room, struct bpf_iter__task_file *ctx, struct bw_question *wanted)
{
	room->file.question = wanted->id;
	bpf_seq_write(ctx->meta->seq, &room->file, sizeof(room->file));
	if (!(wanted->flags & BW_ASK_LOCKS))
		return;
	/* once a pass; the same visit again, if the buffer was full */
	if (wanted->session == ctx->meta->session_id && wanted->locks_at != ctx->meta->seq_num)
		return;
	wanted->session = ctx->meta->session_id;
	wanted->locks_at = ctx->meta->seq_num;
	tell_locks(ctx, room->inode, wanted->id);
}

static __always_inline void ask(struct pass_room *room, struct bpf_iter__task_file *ctx)
{
	struct bw_question *wanted = bpf_map_lookup_elem(&questions, &room->key);

	if (wanted)
		tell(room, ctx, wanted);
}

static __always_inline void clear(struct bw_key *key, u32 kind)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->kind = kind;
}

/* How the bytes of a TCP connection fare, at this end of it. */
static __noinline int read_progress(struct bw_file *file, struct tcp_sock *tcp)
{
	file->retransmits = BPF_CORE_READ((struct inet_connection_sock *)tcp, icsk_retransmits);
	file->unacked = BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_una);
	file->accept_queue = BPF_CORE_READ(tcp, rcv_nxt) - BPF_CORE_READ(tcp, copied_seq);
	return 0;
}

static __noinline int ask_socket(struct pass_room *room, struct bpf_iter__task_file *ctx)
{
	struct socket *socket = (struct socket *)room->private;
	struct sock *sk = BPF_CORE_READ(socket, sk);
	struct bw_file *file = &room->file;
	struct bw_key *key = &room->key;
	struct bw_question *wanted;
	bool is_v6, is_tcp;
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
	is_tcp = key->device == IPPROTO_TCP;
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
	wanted = bpf_map_lookup_elem(&questions, key);
	if (!wanted)
		return 0;
	if (is_tcp && file->is_connected)
		read_progress(file, (struct tcp_sock *)sk);
	tell(room, ctx, wanted);
	return 0;
}

static __noinline int ask_special(struct pass_room *room, struct bpf_iter__task_file *ctx, u32 mode)
{
	struct inode *inode = (struct inode *)room->inode;
	struct bw_key *key = &room->key;
	u64 private = room->private;
	u32 rdev;

	if (control.wanted & 1u << BW_KEY_PRIVATE && BPF_CORE_READ(inode, i_sb, s_magic) == ANON_INODE_FS_MAGIC) {
		clear(key, BW_KEY_PRIVATE);
		key->number = private;
		ask(room, ctx);
		return 0;
	}
	if ((mode & S_IFMT) != S_IFCHR || !private)
		return 0;
	rdev = BPF_CORE_READ(inode, i_rdev);
	if (rdev == FUSE_RDEV) {
		struct fuse_dev *device = (struct fuse_dev *)private;

		if (!(control.wanted & 1u << BW_KEY_FUSE) || !bpf_core_type_exists(struct fuse_dev))
			return 0;
		clear(key, BW_KEY_FUSE);
		key->device = BPF_CORE_READ(device, fc, dev);
		ask(room, ctx);
	} else if (is_terminal(rdev)) {
		if (!(control.wanted & 1u << BW_KEY_TTY))
			return 0;
		clear(key, BW_KEY_TTY);
		key->number = (u64)BPF_CORE_READ((struct tty_file_private *)private, tty);
		ask(room, ctx);
	}
	return 0;
}

/* Descriptors of chosen processes, and connected and listening sockets of chosen processes. */
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
	if ((family != AF_INET && family != AF_INET6) ||
	    (!BPF_CORE_READ(sk, __sk_common.skc_dport) && BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN))
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
			bool is_anonymous = BPF_CORE_READ(inode, i_sb, s_magic) == ANON_INODE_FS_MAGIC;
			char name[12];

			bpf_probe_read_kernel_str(name, sizeof(name), text);
			if (is_anonymous && !__builtin_memcmp(name, "[eventpoll]", sizeof(name)))
				tell_epoll(ctx, room->private, wanted->id);
			else if (is_anonymous && !__builtin_memcmp(name, "[io_uring]", sizeof("[io_uring]")))
				tell_ring(ctx, room->private, wanted->id);
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

#endif
