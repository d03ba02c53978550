/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* How a wait leaves its slot: closed, or kept because it may be the same wait again. The table is in thread_state.h. */
#ifndef BLOCKWATCH_SLOTS_BPF_H
#define BLOCKWATCH_SLOTS_BPF_H

/* The call has returned: says so, or says all of it now if only now it is late. */
static __always_inline void close_returned(struct task_struct *task, struct thread_state *state,
					   struct call_slot *ended, s64 result)
{
	if (ended->stamp & STAMP_REPORTED)
		send_close(state, call_id(task, ended->stamp, ended->number), BW_CLOSE_RETURNED, result);
	else if (is_sure(ended->stamp, stamp_now()))
		report_slow(task, state, ended, result);
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

/* Whether the wait may go on in its slot: the next scan will see it. A call that was late by itself, for the first
 * time, is said by its exit. */
static __always_inline bool goes_on(const struct thread_state *state, const struct call_slot *ended)
{
	return ended->stamp & STAMP_REPORTED || state->renewals || !is_sure(ended->stamp, stamp_now());
}

/* A thread that was following a wait that renews has got something, or has done something. */
static __always_inline bool ends_renewal(const struct thread_state *state, u32 class, s64 ret)
{
	class &= BW_CLASS_MASK;
	return state->filled[SLOT_RENEWING] && (class == BW_CLASS_SET ? ret > 0 : class == BW_CLASS_FD && ret >= 0);
}

/* The wait that renewed itself is over: its last call returned, with nothing. */
static __noinline int close_renewing(struct task_struct *task, struct thread_state *state)
{
	u64 stamp = take(&state->renewing.stamp);

	state->filled[SLOT_RENEWING] = 0;
	if (stamp & STAMP_REPORTED)
		send_close(state, call_id(task, stamp, state->renewing.number), BW_CLOSE_RETURNED, 0);
	return 0;
}

/* A wait ended with nothing received: the same again is the same wait. */
static __noinline int keep_renewing(struct task_struct *task, struct thread_state *state, struct call_slot *ended)
{
	if (state->filled[SLOT_RENEWING])
		close_renewing(task, state);
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
	if (renewing->number != number || renewing->abi != abi || renewing->ip != regs_ip(regs) ||
	    renewing->args[0] != args[0] || renewing->args[1] != args[1]) {
		if (class != BW_CLASS_SET && class != BW_CLASS_MEMORY && class != BW_CLASS_FD)
			close_renewing(task, state);
		return false;
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
