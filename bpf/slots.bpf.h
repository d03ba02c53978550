/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * How a wait leaves its slot: closed, or kept because it may be the same wait again. The table is in thread_state.h.
 *
 * What is not static here the verifier looks at once and not at every call, which is most of what a start takes. Such
 * functions can be given no task: theirs is the current one, and so they are for entries and exits only. Memory on the
 * stack must be written before it is handed to them (6.1).
 */
#ifndef BLOCKWATCH_SLOTS_BPF_H
#define BLOCKWATCH_SLOTS_BPF_H

/* The call has returned: says so, or says all of it now if only now it is late. */
__noinline int close_returned(struct thread_state *state, struct call_slot *ended, s64 result)
{
	if (!state || !ended)
		return 0;
	if (ended->stamp & STAMP_REPORTED)
		send_close(state, call_id(bpf_get_current_task_btf(), ended->stamp, ended->number), BW_CLOSE_RETURNED,
			   result);
	else if (is_sure(ended->stamp, stamp_now()))
		report_slow(state, ended, result);
	state->renewals = 0;
	return 0;
}

/* The call is over, but nobody knows how it ended. */
static __always_inline void close_unseen(struct task_struct *task, struct thread_state *state, struct call_slot *slot)
{
	u64 stamp = take(&slot->stamp);

	if (stamp & STAMP_REPORTED)
		send_close(state, call_id(task, stamp, slot->number), BW_CLOSE_UNSEEN, 0);
}

/* The same of a wait outside of calls. */
static __always_inline void close_outside_call(struct task_struct *task, struct thread_state *state)
{
	u64 stamp = take(&state->outside_call.stamp);

	state->filled[SLOT_OUTSIDE_CALL] = 0;
	if (stamp & STAMP_REPORTED)
		send_close(state, call_id(task, stamp, state->outside_call.kind << 12), BW_CLOSE_UNSEEN, 0);
}

static __always_inline bool on_alternate_stack(struct task_struct *task, u64 sp)
{
	u64 base = BPF_CORE_READ(task, sas_ss_sp), size = BPF_CORE_READ(task, sas_ss_size);

	return size && sp > base && sp - base <= size;
}

/* Whether a thread is entering this call, or sleeps in it. */
static __always_inline bool same_place(const struct call_slot *slot, struct pt_regs *regs, u32 number, u32 abi)
{
	u64 args[6];

	if (slot->number != number || slot->abi != abi || slot->ip != regs_ip(regs) ||
	    slot->sp != regs_sp(regs))
		return false;
	regs_args(regs, abi, args);
	return slot->args[0] == args[0] && slot->args[1] == args[1] && slot->args[2] == args[2];
}

/* ---- waits that end with nothing received and are made again ---- */

/* Whether a call that returned this has received nothing, and is likely to be made again. */
static __always_inline bool may_renew(u32 class, s64 ret)
{
	class &= BW_CLASS_MASK;
	if (class == BW_CLASS_SET)
		return ret == 0 || ret == -EINTR || ret == -ETIME;
	return class == BW_CLASS_FD && (ret == -EAGAIN || ret == -EINTR);
}

/* What a descriptor of the current thread leads to. */
struct far_end {
	u64 peer, socket; /* of a connected IP socket; 0: none */
	u32 service, mode;
	u32 events; /* of a poll: what it waits for */
};

static __always_inline u64 mix(u64 x, u64 y)
{
	x = (x ^ y) * 0x9e3779b97f4a7c15ull;
	return x ^ x >> 32;
}

static __noinline int find_far_end(struct far_end *end, s32 fd)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **slots = BPF_CORE_READ(table, fd), *file = NULL;
	struct socket *socket;
	struct sock *sk;
	u64 address[2] = {};
	u32 family, port;

	end->peer = end->socket = 0;
	end->service = end->mode = 0;
	if ((u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), slots + (u32)fd);
	if (!file)
		return 0;
	end->mode = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;
	if (end->mode != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	if ((family != AF_INET && family != AF_INET6) || !port)
		return 0;
	if (family == AF_INET6)
		BPF_CORE_READ_INTO(&address, sk, __sk_common.skc_v6_daddr);
	else
		address[0] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	end->socket = BPF_CORE_READ(file, f_inode, i_ino); /* its address may be the next one's, too */
	end->service = BPF_CORE_READ(sk, sk_protocol) << 16 | port;
	end->peer = mix(mix(address[0], address[1]), end->service) | 1;
	return 0;
}

enum way { WAY_NONE, WAY_OUT, WAY_IN };

/* Which way a call moves bytes. */
static __always_inline enum way way_of(const struct call_slot *call)
{
	u32 sub = call->args[0];

	if (is_socketcall(call->number, call->abi)) {
		if (sub == SYS_SEND || sub == SYS_SENDTO || sub == SYS_SENDMSG || sub == SYS_SENDMMSG)
			return WAY_OUT;
		return sub == SYS_RECV || sub == SYS_RECVFROM || sub == SYS_RECVMSG || sub == SYS_RECVMMSG ? WAY_IN : WAY_NONE;
	}
	if (!(watched_class(call->number, call->abi) & BW_MOVES_BYTES))
		return WAY_NONE;
	return traits_of(call->number, call->abi) & BW_TRAIT_SENDS ? WAY_OUT : WAY_IN;
}

/* Of a poll of one descriptor, or a call on one: what that leads to. */
__noinline int find_far_end_of_call(struct far_end *end, const struct call_slot *call)
{
	u32 class;
	struct { s32 fd; u16 events, returned; } polled = { .fd = -1 };
	s32 fd = -1;

	if (!end || !call)
		return 0;
	class = watched_class(call->number, call->abi);
	end->events = 0;
	if (is_socketcall(call->number, call->abi)) {
		if (call->args[0] != SYS_SOCKET)
			bpf_probe_read_user(&fd, sizeof(fd), (void *)call->args[1]);
	} else if ((class & BW_CLASS_MASK) == BW_CLASS_FD) {
		descriptor_of(class, call->args, &fd);
	} else if (traits_of(call->number, call->abi) & BW_TRAIT_POLLS && call->args[1] == 1) {
		bpf_probe_read_user(&polled, sizeof(polled), (void *)call->args[0]);
		fd = polled.fd;
		end->events = polled.events;
	}
	return find_far_end(end, fd);
}

/* Whether it is who the thread tries to hear of. Of name servers another is, as long as there is room: resolvers ask one
 * after the other. */
static __always_inline bool is_tried(struct retry *retry, const struct far_end *end)
{
	if (!end->peer || end->service != retry->service)
		return false;
	for (int i = 0; i < RETRY_PEERS; i++) {
		if (!retry->peers[i] && (u16)retry->service == NAME_SERVICE)
			retry->peers[i] = end->peer;
		if (retry->peers[i] == end->peer)
			return true;
	}
	return false;
}

/* Whether the wait may go on in its slot: the next scan will see it. A call that was late by itself, for the first
 * time, is said by its exit; but not the poll of one connection, which that can tell nothing of. */
__noinline int goes_on(const struct thread_state *state, const struct call_slot *ended)
{
	struct far_end end = {};

	if (!state || !ended)
		return false;
	if (ended->stamp & STAMP_REPORTED || state->renewals || !is_sure(ended->stamp, stamp_now()))
		return true;
	if (!(traits_of(ended->number, ended->abi) & BW_TRAIT_POLLS))
		return false;
	find_far_end_of_call(&end, ended);
	return end.peer != 0;
}

/* A thread that was following a wait that renews has got something, or has done something. */
static __always_inline bool ends_renewal(const struct thread_state *state, u32 class, s64 ret)
{
	class &= BW_CLASS_MASK;
	return state->filled[SLOT_RENEWING] && (class == BW_CLASS_SET ? ret > 0 : class == BW_CLASS_FD && ret >= 0);
}

/* Whether what a thread has done between two waits only serves to try once more: it asks again by a new socket, looks into
 * files, says that it tries. */
__noinline int is_of_retry(struct thread_state *state, struct call_slot *ended, s64 ret)
{
	struct retry *retry;
	struct far_end end = {};
	enum way way;
	u32 class;

	if (!state || !ended)
		return false;
	class = watched_class(ended->number, ended->abi);
	way = way_of(ended);
	retry = &state->retry;
	if (!retry->peers[0] || ++retry->steps > RETRY_STEPS)
		return false;
	find_far_end_of_call(&end, ended);
	if ((class & BW_CLASS_MASK) == BW_CLASS_SET)
		return is_tried(retry, &end); /* it can be sent to: only a read receives */
	if (end.mode == S_IFREG)
		return true;
	if (way == WAY_IN)
		return false;
	if (!end.peer)
		return way == WAY_OUT || !end.mode || !ret; /* closed, or only now made; but not accept */
	/* who sends by the same connection again and again wants no answer; datagrams get lost */
	return is_tried(retry, &end) &&
	       (way == WAY_NONE || end.socket != retry->socket || retry->service >> 16 == IPPROTO_UDP);
}

/* The wait that renewed itself is over: its last call returned, with nothing. */
__noinline int close_renewing(struct thread_state *state)
{
	u64 stamp;

	if (!state)
		return 0;
	stamp = take(&state->renewing.stamp);
	state->filled[SLOT_RENEWING] = 0;
	if (stamp & STAMP_REPORTED)
		send_close(state, call_id(bpf_get_current_task_btf(), stamp, state->renewing.number), BW_CLOSE_RETURNED, 0);
	return 0;
}

/* A wait ended with nothing received: the same again is the same wait. */
__noinline int keep_renewing(struct thread_state *state, struct call_slot *ended)
{
	struct far_end end = {};

	if (!state || !ended)
		return 0;
	if (state->filled[SLOT_RENEWING])
		close_renewing(state);
	find_far_end_of_call(&end, ended);
	if (!state->renewals || !is_tried(&state->retry, &end)) {
		state->retry.peers[0] = end.peer;
		state->retry.peers[1] = state->retry.peers[2] = 0;
		state->retry.service = end.service;
	}
	state->retry.events = end.events;
	state->retry.socket = end.socket;
	state->retry.steps = 0;
	state->renewing = *ended;
	state->renewing_count = state->renewals + 1;
	state->renewals = 0;
	state->filled[SLOT_RENEWING] = 1;
	return 0;
}

/* True if this entry makes the wait in `renewing` again.
 * Time-outs that renew for ever are one wait, as long as the thread does nothing else between: a look at another
 * set that returns at once, or waking a thread of its own, is nothing. */
static __noinline bool resume_renewing(struct task_struct *task, struct thread_state *state, struct pt_regs *regs,
				       u32 number, u32 abi)
{
	u32 class = watched_class(number, abi) & BW_CLASS_MASK;
	struct call_slot *renewing = &state->renewing;
	u64 args[6];

	regs_args(regs, abi, args);
	if (traits_of(number, abi) & BW_TRAIT_MILLISECONDS && !(u32)args[2])
		return false;
	if (renewing->number != number || renewing->abi != abi || renewing->ip != regs_ip(regs) ||
	    renewing->args[0] != args[0] || renewing->args[1] != args[1]) {
		if (class == BW_CLASS_PATH && state->retry.peers[0] && state->retry.steps++ < RETRY_STEPS)
			return false;
		if (class != BW_CLASS_SET && class != BW_CLASS_MEMORY && class != BW_CLASS_FD)
			close_renewing(state);
		return false;
	}
	if (state->retry.peers[0]) {
		struct call_slot again = { .number = number, .abi = abi };
		struct far_end end = {};

		copy_args(again.args, args);
		find_far_end_of_call(&end, &again);
		if (end.events != state->retry.events)
			return false; /* whether it can be sent to */
		if (state->retry.steps && !is_tried(&state->retry, &end)) {
			close_renewing(state);
			return false;
		}
	}
	state->filled[SLOT_RENEWING] = 0;
	state->in_flight.number = number;
	state->in_flight.abi = abi;
	state->restarted = 0;
	state->renewals = state->renewing_count;
	state->in_flight.stamp = take(&renewing->stamp);
	return true;
}

#endif
