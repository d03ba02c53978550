/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Ends a call: clears the stamp, closes what was reported, reports what only now is late, keeps what will go on. */
#ifndef BLOCKWATCH_ON_SYS_EXIT_BPF_H
#define BLOCKWATCH_ON_SYS_EXIT_BPF_H

/* rt_sigreturn leaves with the registers of what the handler interrupted. */
__noinline int leave_handler(struct thread_state *state)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct call_slot *interrupted;
	u64 ip;

	if (!state || !regs)
		return 0;
	interrupted = &state->interrupted;
	ip = regs_ip(regs);
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
		if (may_renew(watched_class(ended.number, ended.abi), regs_result(regs)) && goes_on(state, &ended))
			return keep_renewing(state, &ended);
		close_returned(state, &ended, regs_result(regs));
		return 0;
	}
	close_unseen(task, state, interrupted);
	return 0;
}

/* A call will be entered again. */
__noinline int keep_interrupted(struct thread_state *state, struct call_slot *ended)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!state || !ended)
		return 0;
	if (state->filled[SLOT_INTERRUPTED]) {
		if (ended->sp < state->interrupted.sp || on_alternate_stack(task, ended->sp)) {
			/* a handler's own call is interrupted too: the outer one is what we follow */
			if (ended->stamp & STAMP_REPORTED)
				send_close(state, call_id(task, ended->stamp, ended->number), BW_CLOSE_UNSEEN, 0);
			return 0;
		}
		close_unseen(task, state, &state->interrupted);
	}
	state->interrupted = *ended;
	state->filled[SLOT_INTERRUPTED] = 1;
	return 0;
}

/* Inlined, since the kernel counts how deep functions are nested. */
static __always_inline int leave_slowly(struct thread_state *state, struct pt_regs *regs, s64 ret)
{
	struct workspace *room;
	struct call_slot *ended;
	u32 zero = 0;

	if (state->filled[SLOT_UNTRACED]) {
		forget_own(state);
		return 0;
	}
	room = bpf_map_lookup_elem(&exit_scratch, &zero);
	if (!room)
		return 0;
	ended = &room->ended;
	ended->stamp = take(&state->in_flight.stamp);
	ended->number = state->in_flight.number;
	ended->abi = state->in_flight.abi;
	if (!ended->stamp && state->filled[SLOT_UNENTERED] && state->unentered.number == (u32)regs_number(regs)) {
		state->filled[SLOT_UNENTERED] = 0;
		ended->number = state->unentered.number;
		ended->abi = state->unentered.abi;
		ended->stamp = take(&state->unentered.stamp);
	}
	if (!ended->stamp)
		return 0;
	ended->ip = regs_ip(regs);
	ended->sp = regs_sp(regs);
	regs_args(regs, ended->abi, ended->args);
	if (!is_restart(ret)) {
		u32 class = watched_class(ended->number, ended->abi);

		if (may_renew(class, ret) && !state->filled[SLOT_INTERRUPTED] && goes_on(state, ended))
			return keep_renewing(state, ended);
		if (ends_renewal(state, class, ret) && !is_of_retry(state, ended, ret))
			close_renewing(state);
		close_returned(state, ended, ret);
		return 0;
	}
	return keep_interrupted(state, ended);
}

static __always_inline u64 first_arg(struct pt_regs *regs, u32 abi)
{
	u64 args[6];

	regs_args(regs, abi, args);
	return args[0];
}

/* What was moved on the descriptor before was on another connection. */
static __always_inline void forget_io(struct thread_state *state, s32 fd)
{
	struct bw_io *io = &state->io[fd & (BW_LAST_IO - 1)];

	io->number = BW_IO_CONNECTED;
	io->fd = fd;
}

/* Bytes were moved on a descriptor. */
static __always_inline void note_io(struct thread_state *state, s32 fd, u32 number, bool sends)
{
	struct bw_io *io = &state->io[fd & (BW_LAST_IO - 1)];
	u32 flags = io->number & (BW_IO_SENT | BW_IO_ANSWERED | BW_IO_TOLD_FIRST | BW_IO_CONNECTED);

	if (io->fd != fd)
		flags = 0;
	if (!(io->number & BW_IO_SEEN) || io->fd != fd)
		flags |= sends ? 0 : BW_IO_TOLD_FIRST;
	if (!sends)
		flags |= flags & BW_IO_SENT ? BW_IO_ANSWERED : 0;
	else
		flags |= BW_IO_SENT | (state->by_clock ? BW_IO_BY_CLOCK : 0);
	io->number = number | flags | BW_IO_SEEN;
	io->fd = fd;
}

/* What a watched call that has returned leaves behind. */
static __always_inline void note_return(struct thread_state *state, struct pt_regs *regs, u32 meaning, u32 number,
					u32 abi, s64 ret, bool has_waited)
{
	u32 class = class_in(meaning, abi);

	/* a look at a set that returns soon is no wait */
	if ((class & BW_CLASS_MASK) == BW_CLASS_SET && (ret > 0 || (!ret && has_waited)))
		state->by_clock = !ret;
	if (class & BW_MOVES_BYTES) {
		if (ret > 0)
			note_io(state, first_arg(regs, abi), number, traits_in(meaning, abi) & BW_TRAIT_SENDS);
	} else if ((class & BW_CLASS_MASK) == BW_CLASS_FD && traits_in(meaning, abi) & BW_TRAIT_CONNECTS) {
		forget_io(state, first_arg(regs, abi));
	}
}

/* The same, looked at by the verifier once and not behind each way that leads there. */
__noinline int note_late_return(struct thread_state *state, s64 ret, u32 has_waited)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	if (state && regs)
		note_return(state, regs, meaning_of(regs_number(regs)), regs_number(regs), abi_of(task), ret, has_waited);
	return 0;
}

/* Exit off the fast path: it has waited, or another slot is filled, or it is entered again. */
__noinline int exit_slowly(struct thread_state *state, s64 ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	u32 number, abi = abi_of(task), meaning, class;
	u64 stamp, age;

	if (!state || !regs)
		return 0;
	number = regs_number(regs);
	meaning = meaning_of(number);
	class = class_in(meaning, abi);
	stamp = state->in_flight.stamp;
	age = stamp_now() - (stamp >> STAMP_SHIFT);
	/* sign-extended by hand: of an i386 call the upper half is not to be relied on */
	if (abi == BW_ABI_COMPAT)
		ret = (s32)ret;
	if (!stamp || stamp & STAMP_REPORTED || is_restart(ret) || age >= settings.near_age || state->renewals ||
	    (age >= settings.short_age && may_renew(class, ret)) || ends_renewal(state, class, ret)) {
		leave_slowly(state, regs, ret);
	} else {
		state->in_flight.stamp = 0;
	}
	return note_late_return(state, ret, stamp && age >= settings.near_age);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	s32 number = regs_number(regs);
	u32 meaning = meaning_of(number), abi;
	struct task_struct *task;
	struct thread_state *state;

	if (number >= 0 && !(meaning & WATCHED_BY_ANY))
		return 0;
	task = bpf_get_current_task_btf();
	if (number < 0) {
		state = state_of(task);
		if (state && state->filled[SLOT_INTERRUPTED] && !state->filled[SLOT_UNTRACED])
			leave_handler(state);
		return 0;
	}
	abi = abi_of(task);
	if (!class_in(meaning, abi))
		return 0;
	state = state_of(task);
	if (!state)
		return 0; /* entered before blockwatch began, and short */
	/* nothing but the call itself, and it has not waited: of an empty slot the age is that of the host, of a
	 * reported call the threshold at least, and from -516 to -512 lie the codes for "enter again" */
	if (stamp_now() - (state->in_flight.stamp >> STAMP_SHIFT) >= settings.short_age || state->attention |
	    state->renewals || (u32)ret + 516 <= 4) {
		exit_slowly(state, ret);
		return 0;
	}
	state->in_flight.stamp = 0;
	if (abi == BW_ABI_COMPAT)
		ret = (s32)ret;
	note_return(state, regs, meaning, number, abi, ret, false);
	return 0;
}

#endif
