/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The file that a call is on: from its descriptor, or from the kernel stack of the sleeping thread.
 *
 * While a thread sleeps in a call, the pointer to the file it will let go of afterwards lies on its
 * kernel stack, with the low bits that fdget() puts there. That tells which file the call is on when
 * its descriptor was closed or opened anew meanwhile, and when no register holds the descriptor.
 */
#ifndef BLOCKWATCH_CALL_FILE_BPF_H
#define BLOCKWATCH_CALL_FILE_BPF_H

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
	u64 from, top, wanted, found, word;
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

/* The file that the sleeping thread's call will let go of; only `wanted`, if that is not 0. 0: not found. */
static __always_inline u64 sleeping_file(struct task_struct *task, u64 wanted)
{
	u64 from = task_kernel_sp(task);

	return from ? file_on_stack(from, (u64)BPF_CORE_READ(task, stack) + STACK_BYTES, wanted) : 0;
}

/* ---- the three ways to a call's file ---- */

/* Which argument is the descriptor; 0: none. */
static __always_inline u32 descriptor_of(u32 class, const u64 args[6], s32 *fd)
{
	u32 argument = class >> BW_FD_SHIFT;

	if (argument >= 6)
		return 0;
	if ((class & BW_CLASS_MASK) == BW_CLASS_PROCESS && args[0] != P_PIDFD)
		return 0; /* waitid, by a number */
	/* the verifier wants constants to index a context it knows */
	*fd = argument == 0 ? args[0] : argument == 1 ? args[1] : argument == 2 ? args[2] :
	      argument == 3 ? args[3] : argument == 4 ? args[4] : args[5];
	return *fd >= 0;
}

/* Fills call->object from the descriptor call->fd of the task, or says in call->flags why not. */
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

/* open(2) of a FIFO that waits for the other end: it has its file, not opened yet, and no descriptor. Any other call on a
 * path may have what an earlier one wrote to on its stack. */
static __noinline int resolve_fifo(struct bw_call *call, struct task_struct *task)
{
	struct file *file;

	if (!BPF_CORE_READ(task, __state))
		return 0;
	file = (struct file *)sleeping_file(task, 0);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFIFO || BPF_CORE_READ(file, f_mode) & FMODE_OPENED)
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
