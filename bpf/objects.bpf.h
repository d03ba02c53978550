/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What an open file is, read from the kernel's own objects: no lock, no reference, no sleep. */
#ifndef BLOCKWATCH_OBJECTS_BPF_H
#define BLOCKWATCH_OBJECTS_BPF_H

#define PIPE_SLOTS 256 /* buffers whose bytes are added up; a pipe has 16 unless enlarged */

static __always_inline u64 jiffies32_age_ns(u32 then)
{
	return (u64)((u32)bpf_jiffies64() - then) * settings.tick_ns;
}

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
		/* a SYN has a number of its own, and is no byte */
		if (object->tcp_state != TCP_SYN_SENT)
			inet->in_flight = BPF_CORE_READ(tcp, snd_nxt) - BPF_CORE_READ(tcp, snd_una);
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
		/* the first datagram takes a page of memory for what comes, and the socket keeps a part of it */
		if (object->protocol == IPPROTO_UDP && inet->peer_port && bpf_core_field_exists(sk->sk_forward_alloc))
			inet->unheard = !inet->receive_queue && !BPF_CORE_READ(sk, sk_forward_alloc);
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

/* By a device's number: consoles and serial lines, /dev/tty and /dev/ptmx, pseudo terminals. */
static __always_inline bool is_terminal(u32 rdev)
{
	u32 major = rdev >> 20;

	return major == 4 || major == 5 || (major >= 136 && major <= 143);
}

static __noinline int resolve_tty(struct bw_object *object)
{
	struct tty_file_private *private = (struct tty_file_private *)object->address;
	struct tty_driver *driver;
	struct tty_struct *tty;
	u32 type, subtype, pty = 4;

	if (!private || !is_terminal(object->rdev))
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

/* What a file system is, and what it lies on. */
__noinline int resolve_super_block(struct bw_object *object, u64 address)
{
	struct super_block *sb = (struct super_block *)address;
	struct fuse_mount *mount;
	const char *text;

	if (!object)
		return 0;
	object->device = BPF_CORE_READ(sb, s_dev);
	object->fs_magic = BPF_CORE_READ(sb, s_magic);
	text = BPF_CORE_READ(sb, s_type, name);
	bpf_probe_read_kernel_str(object->fs_name, sizeof(object->fs_name), text);
	text = BPF_CORE_READ(sb, s_subtype);
	if (text)
		bpf_probe_read_kernel_str(object->fs_subtype, sizeof(object->fs_subtype), text);
	BPF_CORE_READ_STR_INTO(&object->fs_source, sb, s_id);
	object->u.storage.block_device = BPF_CORE_READ(sb, s_bdev, bd_dev);
	if (object->fs_magic != FUSE_SUPER_MAGIC)
		return 0;
	object->u.storage.fuse_device = object->device;
	if (!bpf_core_type_exists(struct fuse_mount))
		return 0;
	mount = BPF_CORE_READ(sb, s_fs_info);
	object->u.storage.fuse_device = BPF_CORE_READ(mount, fc, dev);
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
	object->open_flags = BPF_CORE_READ(file, f_flags);
	object->position = BPF_CORE_READ(file, f_pos);
	object->address = (u64)BPF_CORE_READ(file, private_data);
	object->file = address;
	resolve_super_block(object, (u64)sb);
	text = (const char *)BPF_CORE_READ(file, f_path.dentry, d_name.name);
	bpf_probe_read_kernel_str(object->name, sizeof(object->name), text);

	if ((object->mode & S_IFMT) == S_IFBLK)
		object->u.storage.block_device = object->rdev;
	else if ((object->mode & S_IFMT) != S_IFREG && (object->mode & S_IFMT) != S_IFDIR)
		__builtin_memset(&object->u.storage, 0, sizeof(object->u.storage));
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

#endif
