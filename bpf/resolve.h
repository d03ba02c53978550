/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What a descriptor is, read from the kernel's own objects: no lock, no reference, no sleep. */
#ifndef BLOCKWATCH_RESOLVE_H
#define BLOCKWATCH_RESOLVE_H

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFCHR 0020000
#define S_IFIFO 0010000
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_VSOCK 40
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_LISTEN 10
#define TASK_INTERRUPTIBLE 0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_STOPPED 0x4
#define TASK_TRACED 0x8
#define TASK_ASLEEP 0xf
#define TASK_FROZEN 0x8000	  /* 6.1 on: the v1 freezer */
#define ANON_INODE_FS_MAGIC 0x09041934
#define PIDFS_MAGIC 0x50494446
#define PIPE_SLOTS 256 /* buffers whose bytes are added up; a pipe has 16 unless enlarged */
#define PAGE_BYTES 4096
#define MAX_TIMEOUT ((long)(~0ul >> 1))

static __always_inline u64 jiffies32_age_ns(u32 then)
{
	return (u64)((u32)bpf_jiffies64() - then) * settings.tick_ns;
}

/* The verifier looks at the body of a bpf_loop() once, at that of any other loop once a turn: loading takes a
 * third of the time. Where the kernel has no bpf_loop the loops are shorter. */
#define LOOP(turns, fewer, step, context)                                                                             \
	do {                                                                                                          \
		if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {                                    \
			bpf_loop((turns), (step), (context), 0);                                                      \
		} else {                                                                                              \
			for (u32 turn_ = 0; turn_ < (fewer); turn_++) {                                               \
				if (step(turn_, (context)))                                                           \
					break;                                                                        \
			}                                                                                             \
		}                                                                                                     \
	} while (0)

struct pipe_walk {
	u64 bufs, bytes;
	u32 tail, head, slots, pad;
};

static long add_buffer(u32 index, struct pipe_walk *walk)
{
	u64 stride = bpf_core_type_size(struct pipe_buffer);
	struct pipe_buffer *buf;

	if (walk->tail + index == walk->head || !walk->slots)
		return 1;
	buf = (void *)walk->bufs + ((walk->tail + index) & (walk->slots - 1)) * stride;
	walk->bytes += BPF_CORE_READ(buf, len);
	return 0;
}

static __noinline int resolve_pipe(struct bw_object *object, struct pipe_inode_info *pipe)
{
	struct pipe_walk walk = {
		.bufs = (u64)BPF_CORE_READ(pipe, bufs),
		.head = BPF_CORE_READ(pipe, head),
		.tail = BPF_CORE_READ(pipe, tail),
		.slots = BPF_CORE_READ(pipe, ring_size),
	};
	u32 most = BPF_CORE_READ(pipe, max_usage);

	object->u.pipe.readers = BPF_CORE_READ(pipe, readers);
	object->u.pipe.writers = BPF_CORE_READ(pipe, writers);
	object->u.pipe.capacity = (u64)most * PAGE_BYTES;
	LOOP(PIPE_SLOTS, 64, add_buffer, &walk);
	object->u.pipe.bytes = walk.bytes;
	return 0;
}

static __always_inline u64 timeout_ns(long jiffies)
{
	return jiffies > 0 && jiffies != MAX_TIMEOUT ? (u64)jiffies * settings.tick_ns : 0;
}

static __noinline int resolve_inet(struct bw_object *object, struct sock *sk)
{
	struct bw_inet *inet;
	u32 address;

	inet = &object->u.inet;
	inet->last_sent = inet->last_received = inet->last_acked = ~0ull;
	inet->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	inet->peer_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (object->family == AF_INET6) {
		BPF_CORE_READ_INTO(&inet->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&inet->peer, sk, __sk_common.skc_v6_daddr);
	} else {
		address = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		__builtin_memcpy(inet->local, &address, 4);
		address = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		__builtin_memcpy(inet->peer, &address, 4);
	}
	if (object->socket_type == SOCK_STREAM && object->protocol == IPPROTO_TCP) {
		struct tcp_sock *tcp = (struct tcp_sock *)sk;
		struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;

		if (object->tcp_state == TCP_LISTEN) {
			inet->receive_queue = BPF_CORE_READ(sk, sk_ack_backlog);
			inet->send_queue = BPF_CORE_READ(sk, sk_max_ack_backlog);
			return 0;
		}
		inet->retransmits = BPF_CORE_READ(icsk, icsk_retransmits);
		inet->probes = BPF_CORE_READ(icsk, icsk_probes_out);
		inet->receive_queue = BPF_CORE_READ(tcp, rcv_nxt) - BPF_CORE_READ(tcp, copied_seq);
		inet->unacked = BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_una);
		inet->send_queue = inet->unacked;
		inet->peer_window = BPF_CORE_READ(tcp, snd_wnd);
		if (object->tcp_state == TCP_SYN_SENT) {
			inet->receive_queue = 0;
			inet->send_queue = 0;
			return 0;
		}
		u32 sent = BPF_CORE_READ(tcp, lsndtime), received = BPF_CORE_READ(icsk, icsk_ack.lrcvtime);
		u32 acked = BPF_CORE_READ(tcp, rcv_tstamp);

		/* both are set when the connection is made */
		if (bpf_core_field_exists(tcp->bytes_sent) && !BPF_CORE_READ(tcp, bytes_sent))
			sent = 0;
		if (bpf_core_field_exists(tcp->bytes_received) && !BPF_CORE_READ(tcp, bytes_received))
			received = 0;
		if (sent)
			inet->last_sent = jiffies32_age_ns(sent);
		if (received)
			inet->last_received = jiffies32_age_ns(received);
		if (acked)
			inet->last_acked = jiffies32_age_ns(acked);
	} else {
		inet->receive_queue = BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);
		u32 queued = BPF_CORE_READ(sk, sk_wmem_alloc.refs.counter);

		inet->send_queue = queued ? queued - 1 : 0; /* one reference is the socket's own */
	}
	return 0;
}

static __always_inline u32 unix_name(u8 path[BW_UNIX_PATH_LEN], struct unix_sock *sk)
{
	struct unix_address *address = BPF_CORE_READ(sk, addr);
	struct sockaddr_un *name;
	s32 len;

	if (!address)
		return 0;
	len = BPF_CORE_READ(address, len) - 2;
	if (len <= 0)
		return 0;
	if (len > BW_UNIX_PATH_LEN)
		len = BW_UNIX_PATH_LEN;
	name = (void *)address + bpf_core_field_offset(struct unix_address, name);
	bpf_probe_read_kernel(path, BW_UNIX_PATH_LEN, (void *)name + 2);
	return len;
}

static __noinline int resolve_unix(struct bw_object *object, struct unix_sock *sk)
{
	struct sock *plain = (struct sock *)sk, *peer = BPF_CORE_READ(sk, peer);

	if (object->tcp_state == TCP_LISTEN) {
		object->u.unix_.receive_queue = BPF_CORE_READ(plain, sk_ack_backlog);
		object->u.unix_.send_queue = BPF_CORE_READ(plain, sk_max_ack_backlog);
	} else {
		u32 queued = BPF_CORE_READ(plain, sk_wmem_alloc.refs.counter);

		object->u.unix_.receive_queue = BPF_CORE_READ(plain, sk_backlog.rmem_alloc.counter);
		object->u.unix_.send_queue = queued ? queued - 1 : 0;
	}
	object->u.unix_.local_len = unix_name(object->u.unix_.local, sk);
	if (peer) {
		struct socket_alloc *socket = (void *)BPF_CORE_READ(peer, sk_socket);

		if (socket) {
			object->u.unix_.peer_inode = BPF_CORE_READ(socket, vfs_inode.i_ino);
			object->peer_state = BW_PEER_OPEN;
		} else if (BPF_CORE_READ(peer, __sk_common.skc_state) == TCP_ESTABLISHED) {
			/* accept gives it its socket; the listener shares its name with it */
			object->u.unix_.peer_name = (u64)BPF_CORE_READ((struct unix_sock *)peer, addr);
			object->peer_state = BW_PEER_UNACCEPTED;
		} else {
			object->peer_state = BW_PEER_CLOSED;
		}
		object->u.unix_.peer_len = unix_name(object->u.unix_.peer, (struct unix_sock *)peer);
	}
	return 0;
}

static __noinline int resolve_socket(struct bw_object *object, struct socket *socket)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);

	if (!sk)
		return 0;
	object->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	object->socket_type = BPF_CORE_READ(sk, sk_type);
	object->protocol = BPF_CORE_READ(sk, sk_protocol);
	object->tcp_state = BPF_CORE_READ(sk, __sk_common.skc_state);
	object->receive_timeout_ns = timeout_ns(BPF_CORE_READ(sk, sk_rcvtimeo));
	object->send_timeout_ns = timeout_ns(BPF_CORE_READ(sk, sk_sndtimeo));
	if (object->family == AF_INET || object->family == AF_INET6) {
		resolve_inet(object, sk);
	} else if (object->family == AF_UNIX) {
		resolve_unix(object, (struct unix_sock *)sk);
	} else if (object->family == AF_NETLINK) {
		struct netlink_sock *netlink = (struct netlink_sock *)sk;

		object->u.netlink.port = BPF_CORE_READ(netlink, portid);
		object->u.netlink.peer_port = BPF_CORE_READ(netlink, dst_portid);
		object->u.netlink.groups = BPF_CORE_READ(netlink, ngroups);
		object->u.netlink.protocol = object->protocol;
	} else if (object->family == AF_VSOCK && bpf_core_type_exists(struct vsock_sock)) {
		struct vsock_sock *vsock = (struct vsock_sock *)sk;

		object->u.vsock.local_cid = BPF_CORE_READ(vsock, local_addr.svm_cid);
		object->u.vsock.local_port = BPF_CORE_READ(vsock, local_addr.svm_port);
		object->u.vsock.peer_cid = BPF_CORE_READ(vsock, remote_addr.svm_cid);
		object->u.vsock.peer_port = BPF_CORE_READ(vsock, remote_addr.svm_port);
	}
	return 0;
}

/* A pid in a pidfd: of the inode since 6.9, of the file before. */
static __noinline int resolve_pidfd(struct bw_object *object, struct inode *inode)
{
	struct pid *pid = NULL;
	struct upid upid;

	if (object->fs_magic == PIDFS_MAGIC)
		pid = BPF_CORE_READ(inode, i_private);
	else if (!__builtin_memcmp(object->name, "[pidfd]", 8))
		pid = (struct pid *)object->address;
	if (pid && !bpf_probe_read_kernel(&upid, sizeof(upid), (void *)pid + bpf_core_field_offset(struct pid, numbers)))
		object->u.pidfd.tgid = upid.nr;
	return 0;
}

static __noinline int resolve_tty(struct bw_object *object)
{
	struct tty_file_private *private = (struct tty_file_private *)object->address;
	struct tty_driver *driver;
	struct tty_struct *tty;
	u32 major = object->rdev >> 20, type, subtype, pty = 4;

	if (!private || !(major == 4 || major == 5 || (major >= 136 && major <= 143)))
		return 0;
	tty = BPF_CORE_READ(private, tty);
	object->u.tty.self = (u64)tty;
	driver = BPF_CORE_READ(tty, driver);
	if (bpf_core_field_exists(((struct tty_driver___short *)driver)->type)) {
		type = BPF_CORE_READ((struct tty_driver___short *)driver, type);
		subtype = BPF_CORE_READ((struct tty_driver___short *)driver, subtype);
	} else {
		/* an enum since 6.16, with other numbers */
		pty = bpf_core_enum_value(enum tty_driver_type, TTY_DRIVER_TYPE_PTY);
		type = BPF_CORE_READ(driver, type);
		subtype = BPF_CORE_READ(driver, subtype);
	}
	if (type == pty) {
		object->u.tty.link = (u64)BPF_CORE_READ(tty, link);
		object->u.tty.is_master = subtype == PTY_TYPE_MASTER;
	}
	return 0;
}

/* Global for the verifier's sake, like all that takes addresses as numbers. */
__noinline int resolve_file(struct bw_object *object, u64 address)
{
	struct file *file = (struct file *)address;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct super_block *sb = BPF_CORE_READ(inode, i_sb);
	const char *text;

	if (!object)
		return 0;
	object->kind = BW_OBJECT_FILE;
	object->mode = BPF_CORE_READ(inode, i_mode);
	object->inode = BPF_CORE_READ(inode, i_ino);
	object->links = BPF_CORE_READ(inode, i_nlink);
	object->rdev = BPF_CORE_READ(inode, i_rdev);
	object->size = BPF_CORE_READ(inode, i_size);
	object->device = BPF_CORE_READ(sb, s_dev);
	object->fs_magic = BPF_CORE_READ(sb, s_magic);
	object->open_flags = BPF_CORE_READ(file, f_flags);
	object->position = BPF_CORE_READ(file, f_pos);
	object->address = (u64)BPF_CORE_READ(file, private_data);
	object->file = address;
	text = BPF_CORE_READ(sb, s_type, name);
	bpf_probe_read_kernel_str(object->fs_name, sizeof(object->fs_name), text);
	text = BPF_CORE_READ(sb, s_subtype);
	if (text)
		bpf_probe_read_kernel_str(object->fs_subtype, sizeof(object->fs_subtype), text);
	BPF_CORE_READ_STR_INTO(&object->fs_source, sb, s_id);
	text = (const char *)BPF_CORE_READ(file, f_path.dentry, d_name.name);
	bpf_probe_read_kernel_str(object->name, sizeof(object->name), text);

	if ((object->mode & S_IFMT) == S_IFSOCK) {
		object->kind = BW_OBJECT_SOCKET;
		resolve_socket(object, (struct socket *)object->address);
	} else if ((object->mode & S_IFMT) == S_IFIFO) {
		object->kind = BW_OBJECT_PIPE;
		resolve_pipe(object, (struct pipe_inode_info *)object->address);
	} else if (object->fs_magic == ANON_INODE_FS_MAGIC || object->fs_magic == PIDFS_MAGIC) {
		object->kind = BW_OBJECT_ANON;
		resolve_pidfd(object, inode);
	} else if ((object->mode & S_IFMT) == S_IFCHR) {
		resolve_tty(object);
	}
	return 0;
}

/* ---- the file of a sleeping call, from its kernel stack ----
 *
 * While a thread sleeps in a call, the pointer to the file it will let go of afterwards lies on its
 * kernel stack, with the low bits that fdget() puts there. That tells which file the call is on when
 * its descriptor was closed or opened anew meanwhile, and when no register holds the descriptor. */
#define STACK_WORDS 256
#define FD_FLAG_BITS 3ull

/* In memory and not in registers, so that the verifier does not follow every combination. Only the scan uses it. */
struct candidates { u64 first, second; };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct candidates);
} stack_candidates SEC(".maps");

/* Three structures agree: no other object's bytes look like that. */
__noinline int is_file(u64 address)
{
	struct file *file = (struct file *)address;
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	return inode && BPF_CORE_READ(file, f_path.dentry, d_inode) == inode && BPF_CORE_READ(file, f_mapping);
}

struct stack_walk {
	u64 from, top, wanted, found;
	struct candidates *seen;
};

static long look_for_file(u32 index, struct stack_walk *walk)
{
	struct candidates *seen = walk->seen;
	u64 word;

	if (walk->from >= walk->top || bpf_probe_read_kernel(&word, sizeof(word), (void *)walk->from))
		return 1;
	walk->from += 8;
	word &= ~FD_FLAG_BITS;
	if (walk->wanted) {
		if (word != walk->wanted)
			return 0;
		walk->found = word;
		return 1;
	}
	if (word < KERNEL_SPACE || !is_file(word) || !seen)
		return 0;
	if (word == seen->first || word == seen->second) {
		walk->found = word;
		return 1;
	}
	if (!seen->first)
		seen->first = word;
	else
		seen->second = word;
	return 0;
}

/* Looks for `wanted` between two addresses, or for any file if that is 0. Innermost first: beyond the call's own
 * frames lies what earlier calls left behind. What is there by chance is there once, the file of the call more
 * often. Global, so that the verifier looks at it once. */
__noinline u64 file_on_stack(u64 from, u64 top, u64 wanted)
{
	u32 zero = 0;
	struct stack_walk walk = { .from = from, .top = top, .wanted = wanted };

	walk.seen = bpf_map_lookup_elem(&stack_candidates, &zero);
	if (!walk.seen)
		return 0;
	walk.seen->first = walk.seen->second = 0;
	LOOP(STACK_WORDS, 128, look_for_file, &walk);
	return walk.found ? walk.found : walk.seen->first;
}

/* The listener that a connect(2) of a unix socket waits for: it has no peer yet. */
static long look_for_listener(u32 index, struct stack_walk *walk)
{
	struct sock *sk;
	u64 word;

	if (walk->from >= walk->top || bpf_probe_read_kernel(&word, sizeof(word), (void *)walk->from))
		return 1;
	walk->from += 8;
	if (word < KERNEL_SPACE || word & 7)
		return 0;
	sk = (struct sock *)word;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) != AF_UNIX ||
	    BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN || BPF_CORE_READ(sk, sk_socket, sk) != sk)
		return 0;
	walk->found = word;
	return 1;
}

__noinline u64 listener_on_stack(u64 from, u64 top)
{
	struct stack_walk walk = { .from = from, .top = top };

	LOOP(STACK_WORDS, 128, look_for_listener, &walk);
	return walk.found;
}

static __always_inline u64 sleeping_file(struct task_struct *task, u64 wanted)
{
	u64 from = task_kernel_sp(task);

	return from ? file_on_stack(from, (u64)BPF_CORE_READ(task, stack) + STACK_BYTES, wanted) : 0;
}

/* Fills call->object from the descriptor call->fd of the task, or says in call->flags why not. */
struct waiter_walk {
	u64 at, head, task, found;
	s64 to_task; /* from the links of a waiter to its task */
};

static long look_for_waiter(u32 index, struct waiter_walk *walk)
{
	u64 task = 0, next = 0;

	if (!walk->at || walk->at == walk->head)
		return 1;
	bpf_probe_read_kernel(&task, sizeof(task), (void *)walk->at + walk->to_task);
	if (task == walk->task) {
		walk->found = 1;
		return 1;
	}
	bpf_probe_read_kernel(&next, sizeof(next), (void *)walk->at);
	walk->at = next;
	return 0;
}

static __noinline u64 is_queued(struct task_struct *task, u64 head, s64 to_task)
{
	struct waiter_walk walk = { .head = head, .task = (u64)task, .to_task = to_task };

	bpf_probe_read_kernel(&walk.at, sizeof(walk.at), (void *)head);
	LOOP(256, 16, look_for_waiter, &walk);
	return walk.found;
}

/* Who has the lock of the file's position or of its inode, if that is what the thread is queued for: for kernels that
 * do not tell which lock a thread waits for. 0: neither, not known, or held by readers, who leave no name. */
static __noinline u32 file_lock_owner(struct task_struct *task, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	u64 owner = 0;

	/* a real-time kernel's locks are others */
	if (bpf_core_field_exists(file->f_pos_lock.wait_list) && bpf_core_field_exists(((struct mutex_waiter *)0)->task) &&
	    is_queued(task, (u64)file + bpf_core_field_offset(file->f_pos_lock.wait_list),
		      bpf_core_field_offset(struct mutex_waiter, task) - bpf_core_field_offset(struct mutex_waiter, list))) {
		owner = BPF_CORE_READ(file, f_pos_lock.owner.counter);
	} else if (inode && bpf_core_field_exists(inode->i_rwsem.wait_list) &&
		   bpf_core_field_exists(((struct rwsem_waiter *)0)->task) &&
		   is_queued(task, (u64)inode + bpf_core_field_offset(inode->i_rwsem.wait_list),
			     bpf_core_field_offset(struct rwsem_waiter, task) -
				     bpf_core_field_offset(struct rwsem_waiter, list))) {
		owner = BPF_CORE_READ(inode, i_rwsem.owner.counter);
		if (owner & 1)
			return 0;
	}
	return owner & ~7ull ? BPF_CORE_READ((struct task_struct *)(owner & ~7ull), pid) : 0;
}

static __noinline int resolve_descriptor(struct bw_call *call, struct task_struct *task)
{
	struct files_struct *files = BPF_CORE_READ(task, files);
	struct fdtable *table;
	struct file **slots, *file = NULL;
	u32 fd, most;
	u64 used;

	fd = call->fd;
	if (!files)
		return 0;
	table = BPF_CORE_READ(files, fdt);
	most = BPF_CORE_READ(table, max_fds);
	slots = BPF_CORE_READ(table, fd);
	if (fd < most)
		bpf_probe_read_kernel(&file, sizeof(file), slots + fd);
	/* only another thread can take the number away from a call in flight */
	if (BPF_CORE_READ(files, count.counter) > 1 && BPF_CORE_READ(task, __state) && task_kernel_sp(task) &&
	    (!file || !sleeping_file(task, (u64)file))) {
		used = sleeping_file(task, 0);
		if (used) {
			call->flags |= file ? BW_CALL_FD_OTHER : BW_CALL_FD_CLOSED;
			file = (struct file *)used;
		}
	}
	if (!file) {
		call->flags |= BW_CALL_FD_CLOSED;
		return 0;
	}
	resolve_file(&call->object, (u64)file);
	if (!call->blocker_pid && BPF_CORE_READ(task, __state) & TASK_UNINTERRUPTIBLE &&
	    !bpf_core_field_exists(task->blocker))
		call->blocker_pid = file_lock_owner(task, file);
	if (call->object.family == AF_UNIX && call->object.tcp_state != TCP_LISTEN && !call->object.peer_state &&
	    (call->class_ & BW_CLASS_MASK) == BW_CLASS_FD && task_kernel_sp(task) && BPF_CORE_READ(task, __state)) {
		struct sock *sk = (struct sock *)listener_on_stack(
			task_kernel_sp(task), (u64)BPF_CORE_READ(task, stack) + STACK_BYTES);

		if (sk) {
			struct socket_alloc *socket = (void *)BPF_CORE_READ(sk, sk_socket);

			call->object.u.unix_.peer_inode = BPF_CORE_READ(socket, vfs_inode.i_ino);
			call->object.u.unix_.peer_len = unix_name(call->object.u.unix_.peer, (struct unix_sock *)sk);
			call->object.peer_state = BW_PEER_LISTENER;
		}
	}
	return 0;
}

/* open(2) of a FIFO that waits for the other end: it has its file, but no descriptor yet. */
static __noinline int resolve_fifo(struct bw_call *call, struct task_struct *task)
{
	struct file *file;

	if (!BPF_CORE_READ(task, __state))
		return 0;
	file = (struct file *)sleeping_file(task, 0);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFIFO)
		return 0;
	return resolve_file(&call->object, (u64)file);
}

/* The socket that an address on a stack belongs to: itself, its file or its protocol's side; 0 for none. One that accept
 * has made ready for a connection that has not come yet has no protocol's side. Each points back at the other. */
__noinline u64 socket_at(u64 address)
{
	struct socket *socket = (struct socket *)address;
	struct file *file = (struct file *)address;
	struct sock *sk = (struct sock *)address;

	if (BPF_CORE_READ(socket, sk, sk_socket) == socket && BPF_CORE_READ(socket, file, private_data) == socket)
		return address;
	socket = BPF_CORE_READ(file, private_data);
	if ((u64)socket >= KERNEL_SPACE && BPF_CORE_READ(socket, file) == file &&
	    BPF_CORE_READ(socket, sk, sk_socket) == socket)
		return (u64)socket;
	socket = BPF_CORE_READ(sk, sk_socket);
	if ((u64)socket >= KERNEL_SPACE && BPF_CORE_READ(socket, sk) == sk &&
	    BPF_CORE_READ(socket, file, private_data) == socket)
		return (u64)socket;
	return 0;
}

static long look_for_socket(u32 index, struct stack_walk *walk)
{
	u64 word, socket;

	if (walk->from >= walk->top || bpf_probe_read_kernel(&word, sizeof(word), (void *)walk->from))
		return 1;
	walk->from += 8;
	word &= ~FD_FLAG_BITS;
	socket = word < KERNEL_SPACE ? 0 : socket_at(word);
	if (!socket)
		return 0;
	walk->found = socket;
	return 1;
}

/* A call whose descriptor lies in user memory: i386's socketcall. */
static __noinline int resolve_from_stack(struct bw_call *call, struct task_struct *task)
{
	struct stack_walk walk = { .from = task_kernel_sp(task) };
	struct socket *socket;

	if (!walk.from)
		return 0;
	walk.top = (u64)BPF_CORE_READ(task, stack) + STACK_BYTES;
	LOOP(STACK_WORDS, 128, look_for_socket, &walk);
	socket = (struct socket *)walk.found;
	return socket ? resolve_file(&call->object, (u64)BPF_CORE_READ(socket, file)) : 0;
}

#endif
