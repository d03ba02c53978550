/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Ends whatever a dying thread was in. */
#ifndef BLOCKWATCH_ON_PROCESS_EXIT_BPF_H
#define BLOCKWATCH_ON_PROCESS_EXIT_BPF_H

/* The thread dies in this call. One that was past the threshold for long, and that no scan had room or time for, is
 * lost. */
static __noinline int close_ended(struct task_struct *task, u64 stamp, u32 number)
{
	if (stamp & STAMP_REPORTED) {
		send_close(NULL, call_id(task, stamp, number), BW_CLOSE_ENDED, 0);
		return 0;
	}
	if (!stamp || (s64)(stamp_now() - (stamp >> STAMP_SHIFT)) < (s64)settings.late_age || task->tgid == scanner_tgid)
		return 0;
	if (number_for_scanner(BPF_CORE_READ(task, thread_pid)))
		count(lost_calls, 1);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_process_exit, struct task_struct *task)
{
	struct thread_state *state = state_of(task);
	struct home *home;
	u64 stamp;

	if (!state)
		return 0;
	if (state->filled[SLOT_UNTRACED] && has_left_untraced(task, state))
		forget_own(state);
	stamp = take(&state->in_flight.stamp);
	close_ended(task, stamp, state->in_flight.number);
	stamp = take(&state->interrupted.stamp);
	close_ended(task, stamp, state->interrupted.number);
	stamp = take(&state->unentered.stamp);
	close_ended(task, stamp, state->unentered.number);
	stamp = take(&state->renewing.stamp);
	if (stamp & STAMP_REPORTED)
		send_close(NULL, call_id(task, stamp, state->renewing.number), BW_CLOSE_RETURNED, 0);
	stamp = take(&state->outside_call.stamp);
	if (stamp & STAMP_REPORTED)
		send_close(NULL, call_id(task, stamp, state->outside_call.kind << 12), BW_CLOSE_ENDED, 0);
	state->filled[SLOT_INTERRUPTED] = state->filled[SLOT_UNENTERED] = state->filled[SLOT_OUTSIDE_CALL] =
		state->filled[SLOT_RENEWING] = 0;
	home = home_of(task);
	if (home && &home->state == state)
		move_out(home);
	return 0;
}

#endif
