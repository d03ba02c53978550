/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Ends a call: clears the stamp, closes what was reported, reports what only now is late, keeps what will go on. */
#ifndef BLOCKWATCH_ON_SYS_EXIT_BPF_H
#define BLOCKWATCH_ON_SYS_EXIT_BPF_H

/* rt_sigreturn leaves with the registers of what the handler interrupted. */
static __noinline int leave_handler(struct task_struct *task, struct thread_state *state, struct pt_regs *regs)
{
	struct call_slot *interrupted = &state->interrupted;
	u64 ip = regs_ip(regs);

	if (regs_sp(regs) != interrupted->sp)
		return 0; /* an inner handler's */
	if (ip < interrupted->ip && interrupted->ip - ip <= 4)
		return 0; /* back on the call's own instruction: it enters again next */
	state->filled[SLOT_INTERRUPTED] = 0;
	if (ip == interrupted->ip) {
		struct call_slot ended = *interrupted;

		ended.stamp = take(&interrupted->stamp);
		if (!ended.stamp)
			return 0;
		if (may_renew(watched_class(ended.number, ended.abi), regs_result(regs)) && goes_on(task, state, &ended))
			return keep_renewing(task, state, &ended);
		close_returned(task, state, &ended, regs_result(regs));
		state->renewals = 0;
		return 0;
	}
	close_unseen(task, state, interrupted);
	return 0;
}

static __noinline int leave_slowly(struct task_struct *task, struct thread_state *state, struct pt_regs *regs, s64 ret)
{
	struct call_slot ended;

	if (state->filled[SLOT_UNTRACED]) {
		forget_untraced(task, state, state->in_flight.stamp);
		return 0;
	}
	ended.stamp = take(&state->in_flight.stamp);
	ended.number = state->in_flight.number;
	ended.abi = state->in_flight.abi;
	if (!ended.stamp && state->filled[SLOT_UNENTERED] && state->unentered.number == (u32)regs_number(regs)) {
		state->filled[SLOT_UNENTERED] = 0;
		ended.number = state->unentered.number;
		ended.abi = state->unentered.abi;
		ended.stamp = take(&state->unentered.stamp);
	}
	if (!ended.stamp)
		return 0;
	ended.ip = regs_ip(regs);
	ended.sp = regs_sp(regs);
	regs_args(regs, ended.abi, ended.args);
	if (!is_restart(ret)) {
		u32 class = watched_class(ended.number, ended.abi);

		if (may_renew(class, ret) && !state->filled[SLOT_INTERRUPTED] && goes_on(task, state, &ended))
			return keep_renewing(task, state, &ended);
		if (ends_renewal(state, class, ret) && !is_of_retry(task, state, &ended, ret))
			close_renewing(task, state);
		close_returned(task, state, &ended, ret);
		state->renewals = 0;
		return 0;
	}
	if (state->filled[SLOT_INTERRUPTED]) {
		if (ended.sp < state->interrupted.sp || on_alternate_stack(task, ended.sp)) {
			/* a handler's own call is interrupted too: the outer one is what we follow */
			if (ended.stamp & STAMP_REPORTED)
				send_close(state, call_id(task, ended.stamp, ended.number), BW_CLOSE_UNSEEN, 0);
			return 0;
		}
		close_unseen(task, state, &state->interrupted);
	}
	state->interrupted = ended;
	state->filled[SLOT_INTERRUPTED] = 1;
	return 0;
}

/* What was moved on the descriptor before was on another connection. */
static __always_inline void forget_io(struct thread_state *state, struct pt_regs *regs, u32 abi)
{
	u64 args[6];

	regs_args(regs, abi, args);

	struct bw_io *io = &state->io[args[0] & (BW_LAST_IO - 1)];

	io->number = BW_IO_CONNECTED;
	io->fd = args[0];
}

/* Bytes were moved on a descriptor. */
static __always_inline void note_io(struct thread_state *state, struct pt_regs *regs, u32 number, u32 abi)
{
	u64 args[6];
	bool sends;

	regs_args(regs, abi, args);

	struct bw_io *io = &state->io[args[0] & (BW_LAST_IO - 1)];
	u32 flags = io->number & (BW_IO_SENT | BW_IO_ANSWERED | BW_IO_TOLD_FIRST | BW_IO_CONNECTED);

	sends = traits_of(number, abi) & BW_TRAIT_SENDS;
	if (io->fd != (s32)args[0])
		flags = 0;
	if (!(io->number & BW_IO_SEEN) || io->fd != (s32)args[0])
		flags |= sends ? 0 : BW_IO_TOLD_FIRST;
	if (!sends)
		flags |= flags & BW_IO_SENT ? BW_IO_ANSWERED : 0;
	else
		flags |= BW_IO_SENT | (state->by_clock ? BW_IO_BY_CLOCK : 0);
	io->number = number | flags | BW_IO_SEEN;
	io->fd = args[0];
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	s32 number = regs_number(regs);
	u32 abi = abi_of(task), class;
	struct thread_state *state;
	u64 stamp, age;

	if (number < 0) {
		state = bpf_task_storage_get(&threads, task, 0, 0);
		if (state && state->filled[SLOT_INTERRUPTED] && !state->filled[SLOT_UNTRACED])
			leave_handler(task, state, regs);
		return 0;
	}
	class = watched_class(number, abi);
	if (!class)
		return 0;
	state = bpf_task_storage_get(&threads, task, 0, 0);
	if (!state)
		return 0; /* entered before blockwatch began, and short */
	stamp = state->in_flight.stamp;
	/* sign-extended by hand: of an i386 call the upper half is not to be relied on */
	if (abi == BW_ABI_COMPAT)
		ret = (s32)ret;
	age = stamp_now() - (stamp >> STAMP_SHIFT);
	/* what returns within the tick has not waited */
	if (!stamp || stamp & STAMP_REPORTED || is_restart(ret) || age >= settings.near_age || state->renewals ||
	    (age >= (settings.precise ? 1000000 : 1) && may_renew(class, ret)) || ends_renewal(state, class, ret)) {
		leave_slowly(task, state, regs, ret);
	} else {
		state->in_flight.stamp = 0;
	}
	/* a look at a set that returns soon is no wait */
	if ((class & BW_CLASS_MASK) == BW_CLASS_SET && (ret > 0 || (!ret && stamp && age >= settings.near_age)))
		state->by_clock = !ret;
	if (class & BW_MOVES_BYTES) {
		if (ret > 0)
			note_io(state, regs, number, abi);
	} else if ((class & BW_CLASS_MASK) == BW_CLASS_FD && traits_of(number, abi) & BW_TRAIT_CONNECTS) {
		forget_io(state, regs, abi);
	}
	return 0;
}

#endif
