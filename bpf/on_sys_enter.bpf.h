/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Stamps the entry of a call that can block, or goes on with one that has its stamp already. */
#ifndef BLOCKWATCH_ON_SYS_ENTER_BPF_H
#define BLOCKWATCH_ON_SYS_ENTER_BPF_H

/* Entry off the fast path: another slot is filled, or an exit was missed.
 * True if this entry goes on with a call that has its stamp already. */
__noinline int enter_slowly(struct thread_state *state)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	u32 number, abi = abi_of(task);
	u64 stamp;

	if (!state || !regs)
		return false;
	number = regs_number(regs);
	if (state->filled[SLOT_UNTRACED])
		forget_own(state);
	stamp = take(&state->in_flight.stamp);
	if (stamp) {
		count(missed_exits, 1);
		if (stamp & STAMP_REPORTED)
			send_close(state, call_id(task, stamp, state->in_flight.number), BW_CLOSE_UNSEEN, 0);
	}
	if (state->filled[SLOT_OUTSIDE_CALL])
		close_outside_call(task, state);
	if (state->filled[SLOT_RENEWING] && resume_renewing(task, state, regs, number, abi))
		return true;
	if (state->filled[SLOT_UNENTERED]) {
		state->filled[SLOT_UNENTERED] = 0;
		if (same_place(&state->unentered, regs, number, abi)) {
			stamp = take(&state->unentered.stamp);
			if (stamp) {
				state->in_flight.number = number;
				state->in_flight.abi = abi;
				state->restarted = 0;
				state->in_flight.stamp = stamp;
				return true;
			}
		} else if (is_restart_number(number, abi) && !state->filled[SLOT_INTERRUPTED]) {
			/* stopped before blockwatch began: this is the restart of that call */
			state->interrupted = state->unentered;
			state->interrupted.stamp = take(&state->unentered.stamp);
			state->filled[SLOT_INTERRUPTED] = state->interrupted.stamp != 0;
		} else {
			close_unseen(task, state, &state->unentered);
		}
	}
	if (state->filled[SLOT_INTERRUPTED]) {
		if (is_restart_number(number, abi) || same_place(&state->interrupted, regs, number, abi)) {
			state->filled[SLOT_INTERRUPTED] = 0;
			state->in_flight.number = state->interrupted.number;
			state->in_flight.abi = abi;
			state->restarted = is_restart_number(number, abi);
			state->in_flight.stamp = take(&state->interrupted.stamp);
			return true;
		}
		/* Above the interrupted frame: the handler was left by longjmp. On an alternate stack sp says
		 * nothing: Go and Java run their handlers there. */
		if (regs_sp(regs) >= state->interrupted.sp && !on_alternate_stack(task, regs_sp(regs))) {
			state->filled[SLOT_INTERRUPTED] = 0;
			close_unseen(task, state, &state->interrupted);
		}
	}
	return false;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long id)
{
	u32 meaning = meaning_of(id), abi, class;
	struct thread_state *state;
	struct task_struct *task;
	struct home *home;

	tally_call();
	if (!(meaning & WATCHED_BY_ANY))
		return 0;
	task = bpf_get_current_task_btf();
	abi = abi_of(task);
	class = class_in(meaning, abi);
	if (!class || class == (BW_CLASS_SIGRETURN | BW_FD_NONE << BW_FD_SHIFT))
		return 0;
	home = home_of(task);
	if (home && (home->owner == (u64)task || (!home->owner && move_in(home)))) {
		state = &home->state;
	} else {
		state = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!state) {
			count(null_storage, 1);
			return 0;
		}
	}
	if (state->in_flight.stamp || state->attention) {
		if (enter_slowly(state))
			return 0;
		state->restarted = 0;
	}
	state->in_flight.number = id;
	state->in_flight.abi = abi;
	state->in_flight.stamp = stamp_now() << STAMP_SHIFT;
	return 0;
}

/* Only counts: for a short look while the others are out. */
SEC("tp_btf/sys_enter")
int BPF_PROG(count_calls, struct pt_regs *regs, long id)
{
	tally_call();
	return 0;
}

#endif
