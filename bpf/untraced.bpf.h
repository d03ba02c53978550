/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What holds of a thread while no program sees its calls begin and end: engine scan, or the probes are out.
 *
 * A thread that sleeps and has not been switched since is in the same wait; of one that has run nobody knows what it has
 * done. Before the probes are taken out a scan notes who sleeps, and the first scan after it finds out who has slept
 * through. What was noted while they were out is not believed by the probes, once they are in again, before a scan has
 * found the thread asleep: between its last look and theirs it may have begun the same call anew.
 */
#ifndef BLOCKWATCH_UNTRACED_BPF_H
#define BLOCKWATCH_UNTRACED_BPF_H

#define SWITCHES_AWAKE (~0ull)

static __always_inline u64 switches_if(struct task_struct *task, u32 asleep)
{
	return asleep ? switches_of(task) : SWITCHES_AWAKE;
}

/* All slots of calls are over, and nobody knows how. What the thread has moved meanwhile is not known either.
 *
 * `stamp` is that of the call in flight before it was found out: another one has begun since. */
static __noinline int forget_untraced(struct task_struct *task, struct thread_state *state, u64 stamp)
{
	struct call_slot *renewing = &state->renewing;

	if (stamp && __sync_val_compare_and_swap(&state->in_flight.stamp, stamp, 0) == stamp) {
		if (stamp & STAMP_REPORTED)
			send_close(state, call_id(task, stamp, state->in_flight.number), BW_CLOSE_UNSEEN, 0);
		else if (settings.trace && is_sure(stamp, stamp_now()))
			count(unseen_calls, 1);
	}
	if (state->filled[SLOT_INTERRUPTED])
		close_unseen(task, state, &state->interrupted);
	if (state->filled[SLOT_UNENTERED]) {
		stamp = state->unentered.stamp;
		if (settings.trace && stamp && !(stamp & STAMP_REPORTED) && is_sure(stamp, stamp_now()))
			count(unseen_calls, 1);
		close_unseen(task, state, &state->unentered);
	}
	if (state->filled[SLOT_RENEWING])
		close_unseen(task, state, renewing);
	state->filled[SLOT_INTERRUPTED] = state->filled[SLOT_UNENTERED] = state->filled[SLOT_RENEWING] =
		state->filled[SLOT_UNTRACED] = 0;
	state->renewals = 0;
	state->by_clock = 0;
	__builtin_memset(state->io, 0, sizeof(state->io));
	return 0;
}

/* The same of the current thread. */
__noinline int forget_own(struct thread_state *state)
{
	return state ? forget_untraced(bpf_get_current_task_btf(), state, state->in_flight.stamp) : 0;
}

/* Whether what the slots hold is older than what the thread does. */
static __always_inline bool has_run_untraced(struct task_struct *task, const struct thread_state *state)
{
	return state->filled[SLOT_UNTRACED] && state->settled_switches != switches_of(task);
}

/* By how much all waits together may seem shorter than their time-outs, because clocks are brought from one to the other,
 * and by how much longer for what the thread does between. */
#define TIMEOUT_SLACK_NS 5000000ull
#define BETWEEN_SLACK_NS 50000000ull

/* Where the thread sleeps, of a call in flight: its registers are not kept otherwise. */
static __always_inline void note_place(struct thread_state *state, struct pt_regs *regs, u32 abi)
{
	struct call_slot *place = &state->unentered;

	place->number = regs_number(regs);
	place->abi = abi;
	place->ip = regs_ip(regs);
	place->sp = regs_sp(regs);
	regs_args(regs, abi, place->args);
}

/* How long the call that the thread sleeps in may take by its own time-out, ns; 0: not told by its registers. */
static __always_inline u64 own_timeout_ns(const struct call_slot *place)
{
	u32 traits = traits_of(place->number, place->abi);
	s32 milliseconds = 0;

	if (traits & BW_TRAIT_MILLISECONDS)
		milliseconds = place->args[2];
	else if (traits & BW_TRAIT_MILLISECONDS_4TH)
		milliseconds = place->args[3];
	return milliseconds > 0 ? milliseconds * 1000000ull : 0;
}

/* The thread has run and sleeps in the same call with the same arguments. Nobody saw that it got nothing meanwhile; but
 * where as much time has passed as all its waits together take by their time-outs, and no more, none of them ended early:
 * then it is one wait, renewed. */
static __always_inline bool sleep_again(struct task_struct *task, struct thread_state *state, u64 start_ns)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	u64 times = task->nvcsw - state->settled_voluntary, passed_ns = start_ns - state->settled_start_ns, timeout_ns;

	if (!state->in_flight.stamp && !(state->filled[SLOT_UNENTERED] && state->unentered.stamp))
		return false;
	if (!regs || !same_place(&state->unentered, regs, regs_number(regs), abi_of(task)))
		return false;
	timeout_ns = own_timeout_ns(&state->unentered);
	if (!timeout_ns || !times || times > 1000000 || passed_ns + TIMEOUT_SLACK_NS < times * timeout_ns ||
	    passed_ns > times * (timeout_ns + timeout_ns / 8) + BETWEEN_SLACK_NS)
		return false;
	state->renewals += times;
	return true;
}

/* Before the probes go: who sleeps, since when, and in what. */
static __noinline int note_sleeper(struct task_struct *task, struct thread_state *state, u32 asleep)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	state->settled_switches = switches_if(task, asleep);
	if (!asleep)
		return 0;
	state->settled_voluntary = task->nvcsw;
	state->settled_start_ns = last_ran_ns(task, bpf_ktime_get_ns());
	if (regs && state->in_flight.stamp && !state->filled[SLOT_UNENTERED])
		note_place(state, regs, abi_of(task));
	return 0;
}

/* The scan's: before anything is believed of a thread whose calls are not seen, or were not until now. */
static __noinline int settle(struct task_struct *task, struct thread_state *state, u32 asleep)
{
	u64 stamp = state->in_flight.stamp, switches = switches_if(task, asleep), start_ns;

	if (is_traced() && !state->filled[SLOT_UNTRACED])
		return 0;
	if (switches == SWITCHES_AWAKE) {
		forget_untraced(task, state, stamp);
	} else if (switches != state->settled_switches) {
		start_ns = last_ran_ns(task, bpf_ktime_get_ns());
		if (state->settled_switches == SWITCHES_AWAKE || !sleep_again(task, state, start_ns))
			forget_untraced(task, state, stamp);
		state->settled_voluntary = task->nvcsw;
		state->settled_start_ns = start_ns;
	}
	state->settled_switches = switches;
	state->filled[SLOT_UNTRACED] = !is_traced();
	return 0;
}

/* A dying thread's own last call shows that it had returned from the one that was seen. */
static __always_inline bool has_left_untraced(struct task_struct *task, const struct thread_state *state)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	u32 number = state->in_flight.stamp ? state->in_flight.number : state->unentered.number;

	return regs && (u32)regs_number(regs) != number;
}

#endif
