/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Stamps the entry of every system call that can block, reports those past the threshold.
 *
 *   sys_enter           stamp, or go on with a call that a signal or a stop interrupted
 *   sys_exit            clear the stamp; close a reported call; report one that only now is late
 *   sched_process_exit  close the reported calls of a dying thread
 *   scan (iter/task)    find what is in flight: calls that never return, that began before
 *                       blockwatch or before the tracepoint, page faults, stops, hanging exits
 */
#include "kernel_types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "include/blockwatch.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#include "thread_state.h"
#include "registers.h"
#include "resolve.h"
#include "describe.h"

static __noinline u64 last_ran_ns(struct task_struct *task, u64 now_ns);

/* What the thread's own state and its scheduler know besides. */
static __noinline int tell_more(struct bw_call *call, struct task_struct *task)
{
	struct thread_state *leader = bpf_task_storage_get(&threads, task->group_leader, 0, 0);

	call->last_ran_ns = last_ran_ns(task, call->now_ns);
	call->stopper_tgid = 0;
	call->stop_signal = 0;
	if (!(task->jobctl & JOBCTL_STOPPED) && !(task_state(task) & TASK_STOPPED))
		return 0;
	call->stop_signal = task->jobctl & JOBCTL_STOP_SIGMASK;
	if (leader && leader->stopper_tgid) {
		call->stopper_tgid = leader->stopper_tgid;
		__builtin_memcpy(call->stopper_comm, leader->stopper_comm, BW_COMM_LEN);
	}
	return 0;
}

static __always_inline void copy_args(u64 to[6], const u64 from[6])
{
	for (int i = 0; i < 6; i++)
		to[i] = from[i];
}

/* Sends room->what. */
static __always_inline long report(struct workspace *room, struct task_struct *task)
{
	struct instance *what = &room->what;
	struct bw_call *call = &room->call;
	u64 clock = stamp_now();

	call->type = what->type;
	call->kind = what->kind;
	call->id = call_id(task, what->stamp, what->number | what->kind << 12);
	call->now_ns = bpf_ktime_get_ns();
	call->start_ns = stamp_to_ns(what->stamp, clock, call->now_ns);
	call->result = what->result;
	call->renewals = what->renewals;
	call->ip = what->ip;
	call->sp = what->sp;
	call->number = what->number;
	call->abi = what->abi;
	call->flags = what->flags | (what->stamp & STAMP_OLD ? BW_CALL_OLD : 0);
	if (what->type == BW_RECORD_SLOW) {
		call->last_ran_ns = call->now_ns;
		call->stop_signal = call->stopper_tgid = 0;
	} else {
		tell_more(call, task);
	}
	*(volatile u64 *)&room->task = (u64)task;
	describe(call, *(volatile u64 *)&room->task);
	return send_call(call);
}

static __always_inline u64 id_of(struct task_struct *task, u64 stamp, u32 number)
{
	return call_id(task, stamp, number);
}

static __always_inline bool is_sure(u64 stamp, u64 clock)
{
	return (s64)(clock - (stamp >> STAMP_SHIFT)) >= (s64)settings.sure_age;
}

/* ---- end of a call, in the thread itself ---- */

/* A call that was never reported returned past the threshold. */
static __noinline int report_slow(struct task_struct *task, struct thread_state *state, struct parked_call *parked,
				  s64 result)
{
	u32 zero = 0;
	struct workspace *room = bpf_map_lookup_elem(&exit_scratch, &zero);

	if (!room || BPF_CORE_READ(task, tgid) == scanner_tgid)
		return 0;
	room->what = (struct instance){
		.stamp = parked->stamp,
		.ip = parked->ip,
		.sp = parked->sp,
		.number = parked->number,
		.abi = parked->abi,
		.type = BW_RECORD_SLOW,
		.renewals = state->renewals,
		.result = result,
	};
	copy_args(room->call.args, parked->args);
	room->call.stack_depth = 0;
	tell_last_io(&room->call, state);
	count(slow_calls, 1);
	if (report(room, task))
		count(lost_records, 1);
	return 0;
}

static __always_inline void finish(struct task_struct *task, struct thread_state *state, struct parked_call *ended,
				   s64 result)
{
	if (ended->stamp & STAMP_REPORTED)
		say_closed(state, id_of(task, ended->stamp, ended->number), BW_CLOSE_RETURNED, result);
	else if (is_sure(ended->stamp, stamp_now()))
		report_slow(task, state, ended, result);
}

/* The call is over, but nobody knows how it ended. */
static __always_inline void drop(struct task_struct *task, struct thread_state *state, struct parked_call *parked)
{
	u64 stamp = take(&parked->stamp);

	if (stamp & STAMP_REPORTED)
		say_closed(state, id_of(task, stamp, parked->number), BW_CLOSE_UNSEEN, 0);
}

static __always_inline void drop_aside(struct task_struct *task, struct thread_state *state)
{
	u64 stamp = take(&state->aside.stamp);

	state->has_aside = 0;
	if (stamp & STAMP_REPORTED)
		say_closed(state, id_of(task, stamp, state->aside.kind << 12), BW_CLOSE_UNSEEN, 0);
}

static __always_inline bool on_alternate_stack(struct task_struct *task, u64 sp)
{
	u64 base = BPF_CORE_READ(task, sas_ss_sp), size = BPF_CORE_READ(task, sas_ss_size);

	return size && sp > base && sp - base <= size;
}

static __always_inline bool same_place(const struct parked_call *parked, struct pt_regs *regs, u32 number, u32 abi)
{
	u64 args[6];

	if (parked->number != number || parked->abi != abi || parked->ip != regs_ip(regs) ||
	    parked->sp != regs_sp(regs))
		return false;
	regs_args(regs, abi, args);
	return parked->args[0] == args[0] && parked->args[1] == args[1] && parked->args[2] == args[2];
}

enum { EINTR = 4, EAGAIN = 11, ETIME = 62 }; /* the same on every architecture */

/* Whether a call that returned this has received nothing, and is likely to be made again. */
static __always_inline bool may_renew(u32 class, s64 ret)
{
	class &= BW_CLASS_MASK;
	if (class == BW_CLASS_SET)
		return ret == 0 || ret == -EINTR || ret == -ETIME;
	return class == BW_CLASS_FD && (ret == -EAGAIN || ret == -EINTR);
}

/* The next scan will see it; a call that was late by itself, for the first time, is said by its exit. */
static __always_inline bool goes_on(const struct thread_state *state, const struct parked_call *ended)
{
	return ended->stamp & STAMP_REPORTED || state->renewals || !is_sure(ended->stamp, stamp_now());
}

static __noinline int forget_renewed(struct task_struct *task, struct thread_state *state)
{
	u64 stamp = take(&state->renewed.stamp);

	state->has_renewed = 0;
	if (stamp & STAMP_REPORTED)
		say_closed(state, id_of(task, stamp, state->renewed.number), BW_CLOSE_RETURNED, 0);
	return 0;
}

/* A wait ended with nothing received: the same again is the same wait. */
static __noinline int keep_renewed(struct task_struct *task, struct thread_state *state, struct parked_call *ended)
{
	if (state->has_renewed)
		forget_renewed(task, state);
	state->renewed = *ended;
	state->renewed_count = state->renewals + 1;
	state->renewals = 0;
	state->has_renewed = 1;
	return 0;
}

/* Time-outs that renew for ever are one wait, as long as the thread does nothing else between: a look at another
 * set that returns at once, or waking a thread of its own, is nothing. */
static __noinline bool renew(struct task_struct *task, struct thread_state *state, struct pt_regs *regs, u32 number,
			     u32 abi)
{
	u32 class = watched_class(number, abi) & BW_CLASS_MASK;
	struct parked_call *renewed = &state->renewed;
	u64 args[6];

	regs_args(regs, abi, args);
	if (renewed->number != number || renewed->abi != abi || renewed->ip != regs_ip(regs) ||
	    renewed->args[0] != args[0] || renewed->args[1] != args[1]) {
		if (class != BW_CLASS_SET && class != BW_CLASS_MEMORY && class != BW_CLASS_FD)
			forget_renewed(task, state);
		return false;
	}
	state->has_renewed = 0;
	state->number = number;
	state->abi = abi;
	state->restarted = 0;
	state->renewals = state->renewed_count;
	state->stamp = take(&renewed->stamp);
	return true;
}

/* Entry off the fast path: a call is interrupted, was seen parked, or its exit was missed.
 * True if this entry goes on with a call that has its stamp already. */
static __noinline bool enter_slowly(struct task_struct *task, struct thread_state *state, struct pt_regs *regs,
				    u32 number, u32 abi)
{
	u64 stamp = take(&state->stamp);

	if (stamp) {
		count(missed_exits, 1);
		if (stamp & STAMP_REPORTED)
			say_closed(state, id_of(task, stamp, state->number), BW_CLOSE_UNSEEN, 0);
	}
	if (state->has_aside)
		drop_aside(task, state);
	if (state->has_renewed && renew(task, state, regs, number, abi))
		return true;
	if (state->has_old) {
		state->has_old = 0;
		if (same_place(&state->old, regs, number, abi)) {
			stamp = take(&state->old.stamp);
			if (stamp) {
				state->number = number;
				state->abi = abi;
				state->restarted = 0;
				state->stamp = stamp;
				return true;
			}
		} else if (is_restart_number(number, abi) && !state->has_left) {
			/* stopped before blockwatch began: this is the restart of that call */
			state->left = state->old;
			state->left.stamp = take(&state->old.stamp);
			state->has_left = state->left.stamp != 0;
		} else {
			drop(task, state, &state->old);
		}
	}
	if (state->has_left) {
		if (is_restart_number(number, abi) || same_place(&state->left, regs, number, abi)) {
			state->has_left = 0;
			state->number = state->left.number;
			state->abi = abi;
			state->restarted = is_restart_number(number, abi);
			state->stamp = take(&state->left.stamp);
			return true;
		}
		/* Above the interrupted frame: the handler was left by longjmp. On an alternate stack sp says
		 * nothing: Go and Java run their handlers there. */
		if (regs_sp(regs) >= state->left.sp && !on_alternate_stack(task, regs_sp(regs))) {
			state->has_left = 0;
			drop(task, state, &state->left);
		}
	}
	return false;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long id)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 abi = abi_of(task), class = watched_class(id, abi);
	struct thread_state *state;

	if (!class || class == (BW_CLASS_SIGRETURN | BW_FD_NONE << BW_FD_SHIFT))
		return 0;
	state = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state) {
		count(null_storage, 1);
		return 0;
	}
	if (state->stamp || state->attention) {
		if (enter_slowly(task, state, regs, id, abi))
			return 0;
		state->restarted = 0;
	}
	state->number = id;
	state->abi = abi;
	state->stamp = stamp_now() << STAMP_SHIFT;
	return 0;
}

/* rt_sigreturn leaves with the registers of what the handler interrupted. */
static __noinline int leave_handler(struct task_struct *task, struct thread_state *state, struct pt_regs *regs)
{
	struct parked_call *left = &state->left;
	u64 ip = regs_ip(regs);

	if (regs_sp(regs) != left->sp)
		return 0; /* an inner handler's */
	if (ip < left->ip && left->ip - ip <= 4)
		return 0; /* back on the call's own instruction: it enters again next */
	state->has_left = 0;
	if (ip == left->ip) {
		struct parked_call ended = *left;

		ended.stamp = take(&left->stamp);
		if (!ended.stamp)
			return 0;
		if (may_renew(watched_class(ended.number, ended.abi), regs_result(regs)) && goes_on(state, &ended))
			return keep_renewed(task, state, &ended);
		finish(task, state, &ended, regs_result(regs));
		state->renewals = 0;
		return 0;
	}
	drop(task, state, left);
	return 0;
}

/* A thread that was following a wait that renews has got something, or has done something. */
static __always_inline bool ends_renewal(const struct thread_state *state, u32 class, s64 ret)
{
	class &= BW_CLASS_MASK;
	return state->has_renewed && (class == BW_CLASS_SET ? ret > 0 : class == BW_CLASS_FD && ret >= 0);
}

static __noinline int leave_slowly(struct task_struct *task, struct thread_state *state, struct pt_regs *regs, s64 ret)
{
	struct parked_call ended;

	ended.stamp = take(&state->stamp);
	ended.number = state->number;
	ended.abi = state->abi;
	if (!ended.stamp && state->has_old && state->old.number == (u32)regs_number(regs)) {
		state->has_old = 0;
		ended.number = state->old.number;
		ended.abi = state->old.abi;
		ended.stamp = take(&state->old.stamp);
	}
	if (!ended.stamp)
		return 0;
	ended.ip = regs_ip(regs);
	ended.sp = regs_sp(regs);
	regs_args(regs, ended.abi, ended.args);
	if (!is_restart(ret)) {
		u32 class = watched_class(ended.number, ended.abi);

		if (may_renew(class, ret) && !state->has_left && goes_on(state, &ended))
			return keep_renewed(task, state, &ended);
		if (ends_renewal(state, class, ret))
			forget_renewed(task, state);
		finish(task, state, &ended, ret);
		state->renewals = 0;
		return 0;
	}
	if (state->has_left) {
		if (ended.sp < state->left.sp || on_alternate_stack(task, ended.sp)) {
			/* a handler's own call is interrupted too: the outer one is what we follow */
			if (ended.stamp & STAMP_REPORTED)
				say_closed(state, id_of(task, ended.stamp, ended.number), BW_CLOSE_UNSEEN, 0);
			return 0;
		}
		drop(task, state, &state->left);
	}
	state->left = ended;
	state->has_left = 1;
	return 0;
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
		if (state && state->has_left)
			leave_handler(task, state, regs);
		return 0;
	}
	class = watched_class(number, abi);
	if (!class)
		return 0;
	state = bpf_task_storage_get(&threads, task, 0, 0);
	if (!state)
		return 0; /* entered before blockwatch began, and short */
	stamp = state->stamp;
	/* sign-extended by hand: of an i386 call the upper half is not to be relied on */
	if (abi == BW_ABI_COMPAT)
		ret = (s32)ret;
	age = stamp_now() - (stamp >> STAMP_SHIFT);
	/* what returns within the tick has not waited */
	if (!stamp || stamp & STAMP_REPORTED || is_restart(ret) || age >= settings.near_age || state->renewals ||
	    (age >= (settings.precise ? 1000000 : 1) && may_renew(class, ret)) || ends_renewal(state, class, ret)) {
		leave_slowly(task, state, regs, ret);
	} else {
		state->stamp = 0;
	}
	if (ret > 0 && class & BW_MOVES_BYTES) {
		u64 args[6];

		regs_args(regs, abi, args);

		struct bw_io *io = &state->io[args[0] & (BW_LAST_IO - 1)];

		io->number = number | BW_IO_SEEN;
		io->fd = args[0];
	}
	return 0;
}

/* Its thread dies in this call. One that was past the threshold for long, and that no scan had room or time for, is lost. */
static __noinline int end_call(struct task_struct *task, u64 stamp, u32 number)
{
	u32 own = 0, shown = 0;

	if (stamp & STAMP_REPORTED) {
		say_closed(NULL, id_of(task, stamp, number), BW_CLOSE_ENDED, 0);
		return 0;
	}
	if (!stamp || (s64)(stamp_now() - (stamp >> STAMP_SHIFT)) < (s64)settings.late_age || task->tgid == scanner_tgid)
		return 0;
	/* outside of the PID namespace that is watched */
	read_pid(BPF_CORE_READ(task, thread_pid), &own, &shown);
	if (shown)
		count(lost_calls, 1);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_process_exit, struct task_struct *task)
{
	struct thread_state *state = bpf_task_storage_get(&threads, task, 0, 0);
	u64 stamp;

	if (!state)
		return 0;
	stamp = take(&state->stamp);
	end_call(task, stamp, state->number);
	stamp = take(&state->left.stamp);
	end_call(task, stamp, state->left.number);
	stamp = take(&state->old.stamp);
	end_call(task, stamp, state->old.number);
	stamp = take(&state->renewed.stamp);
	if (stamp & STAMP_REPORTED)
		say_closed(NULL, id_of(task, stamp, state->renewed.number), BW_CLOSE_RETURNED, 0);
	stamp = take(&state->aside.stamp);
	if (stamp & STAMP_REPORTED)
		say_closed(NULL, id_of(task, stamp, state->aside.kind << 12), BW_CLOSE_ENDED, 0);
	state->has_left = state->has_old = state->has_aside = state->has_renewed = 0;
	return 0;
}

/* Who stops whom: afterwards nobody knows any more. */
SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int signal, void *info, struct task_struct *task)
{
	struct task_struct *sender = bpf_get_current_task_btf();
	struct thread_state *state;

	if (signal < SIGSTOP || signal > SIGTTOU)
		return 0;
	state = bpf_task_storage_get(&threads, task->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state)
		return 0;
	state->stopper_tgid = sender->tgid;
	bpf_probe_read_kernel(state->stopper_comm, sizeof(state->stopper_comm), sender->group_leader->comm);
	return 0;
}

/* ---- the scan ---- */

/* When the thread last ran, on CLOCK_MONOTONIC: the scheduler's own stamp, brought from its run
 * queue's task clock to that queue's clock and from there over a pair read at this scan. */
static __noinline u64 last_ran_ns(struct task_struct *task, u64 now_ns)
{
	u64 then = BPF_CORE_READ(task, se.exec_start), age;

	if (!then)
		return now_ns; /* not run since it migrated */
	if (bpf_core_field_exists(task->se.cfs_rq)) {
		struct rq *rq = BPF_CORE_READ(task, se.cfs_rq, rq);

		then += BPF_CORE_READ(rq, clock) - BPF_CORE_READ(rq, clock_task);
	}
	age = counters.scan_sched > then ? counters.scan_sched - then : 0;
	return counters.scan_boot > age ? counters.scan_boot - age : 0;
}

static __noinline int note_crossing(struct task_struct *task, u64 start_ns)
{
	u64 at = start_ns + settings.threshold_ns, index;
	u32 own = 0, tid = 0;

	if (at > control.horizon_ns)
		return 0; /* the next scan sees it in time */
	if (!counters.scan_next_ns || at < counters.scan_next_ns)
		counters.scan_next_ns = at;
	index = counters.scan_crossings++;
	if (index >= BW_CROSSINGS_MAX)
		return 0;
	read_pid(BPF_CORE_READ(task, thread_pid), &own, &tid);
	crossings[index].at_ns = at;
	crossings[index].tid = tid;
	return 0;
}

static __always_inline u64 switches_of(struct task_struct *task)
{
	return task->nvcsw + task->nivcsw;
}

/* Nothing is to be done: the call has been reported and nobody asks for it, or it is young. Of most threads at most
 * times, and found out from what lies close together; what a call's exit should have said is looked after by and by. */
static __always_inline bool is_quiet(struct task_struct *task, struct thread_state *state, u32 asleep)
{
	u64 stamp = state->stamp;

	if (state->has_left | state->has_aside | state->has_lost)
		return false;
	if (stamp & STAMP_REPORTED)
		return !control.look_closely;
	if (stamp) {
		if (is_sure(stamp, counters.scan_clock))
			return false;
		if (asleep)
			note_crossing(task, stamp_to_ns(stamp, counters.scan_clock, counters.scan_boot));
		return true;
	}
	if (!state->has_old || control.look_closely || !(state->old.stamp & STAMP_REPORTED))
		return false;
	/* where exits are not watched, whoever has not run since is still in it */
	return asleep && (settings.trace || state->switches == switches_of(task));
}

static __always_inline bool wants_refresh(u64 id)
{
	return control.refresh_some && bpf_map_lookup_elem(&refresh, &id);
}

static __noinline int read_stack(struct bw_call *call, struct task_struct *task)
{
	long bytes = bpf_get_task_stack(task, call->stack, sizeof(call->stack), 0);

	call->stack_depth = bytes > 0 ? bytes / sizeof(u64) : 0;
	return 0;
}

/* Reports room->what if it is past the threshold and new, or asked for. `word` is where its stamp lives. */
static __always_inline void consider_inlined(struct task_struct *task, struct thread_state *state, u64 *word,
					     struct workspace *room)
{
	struct instance *what = &room->what;
	struct look *now = &room->now;
	u64 stamp = what->stamp, id = call_id(task, stamp, what->number | what->kind << 12);

	if (stamp & STAMP_REPORTED) {
		if (!wants_refresh(id))
			return;
		what->type = BW_RECORD_REFRESH;
	} else {
		if (!is_sure(stamp, now->clock)) {
			note_crossing(task, stamp_to_ns(stamp, now->clock, now->now_ns));
			return;
		}
		what->type = BW_RECORD_CALL;
		/* the scan comes again, but what an exit cannot say now is lost: the last quarter is theirs */
		if (bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) >
		    bpf_ringbuf_query(&records, BPF_RB_RING_SIZE) / 4 * 3) {
			count(scan_dropped, 1);
			return;
		}
		if (__sync_val_compare_and_swap(word, stamp, stamp | STAMP_REPORTED) != stamp)
			return; /* returned just now, and has said so itself */
	}
	tell_last_io(&room->call, state);
	read_stack(&room->call, task);
	if (report(room, task)) {
		count(scan_dropped, 1);
		/* as if it had not been seen; if the call returned meanwhile, its closing has been said, of nothing */
		if (what->type == BW_RECORD_CALL &&
		    __sync_val_compare_and_swap(word, stamp | STAMP_REPORTED, stamp) != (stamp | STAMP_REPORTED))
			count(lost_records, 1);
		return;
	}
	/* the next round over the threads asks for what this one had no room for */
	if (what->type == BW_RECORD_REFRESH)
		bpf_map_delete_elem(&refresh, &id);
	count(scan_reported, 1);
}

static __noinline int consider(struct task_struct *task, struct thread_state *state, u64 *word, struct workspace *room)
{
	int done = 0;

	consider_inlined(task, state, word, room);
	/* a result that clang knows it drops, and the verifier finds a stack pointer in its place */
	asm volatile("" : "+r"(done));
	return done;
}

/* A call that has its stamp, by entry or by an earlier scan. */
static __noinline int scan_stamped(struct task_struct *task, struct thread_state *state, struct pt_regs *regs,
				   struct workspace *room)
{
	struct look *now = &room->now;
	struct instance *what = &room->what;
	u32 shown = regs_number(regs);

	*what = (struct instance){
		.stamp = state->stamp,
		.number = state->number,
		.abi = state->abi,
		.renewals = state->renewals,
	};
	if (!what->stamp)
		return 0;
	if (!(what->stamp & STAMP_REPORTED) && !is_sure(what->stamp, now->clock)) {
		if (BPF_CORE_READ(task, __state))
			note_crossing(task, stamp_to_ns(what->stamp, now->clock, now->now_ns));
		return 0;
	}
	if (shown != what->number && !(state->restarted && is_restart_number(shown, what->abi))) {
		/* the registers tell of another call: its exit was missed */
		if (state->stamp == what->stamp &&
		    __sync_val_compare_and_swap(&state->stamp, what->stamp, 0) == what->stamp) {
			count(missed_exits, 1);
			if (what->stamp & STAMP_REPORTED)
				say_closed(state, id_of(task, what->stamp, what->number), BW_CLOSE_UNSEEN, 0);
		}
		return 0;
	}
	regs_args(regs, what->abi, room->call.args);
	what->ip = regs_ip(regs);
	what->sp = regs_sp(regs);
	return consider(task, state, &state->stamp, room);
}

static __always_inline int scan_parked(struct task_struct *task, struct thread_state *state,
				       struct parked_call *parked, struct workspace *room)
{
	room->what = (struct instance){
		.stamp = parked->stamp,
		.ip = parked->ip,
		.sp = parked->sp,
		.number = parked->number,
		.abi = parked->abi,
		.flags = room->now.flags,
	};
	if (!room->what.stamp)
		return 0;
	copy_args(room->call.args, parked->args);
	return consider(task, state, &parked->stamp, room);
}

/* A wait outside any call: new, gone on, or another than at the last scan. */
static __noinline int scan_aside(struct task_struct *task, struct thread_state *state, struct pt_regs *regs,
				 struct workspace *room)
{
	struct look *now = &room->now;
	struct instance *what = &room->what;
	struct aside *aside = &state->aside;
	u32 kind = now->kind;

	if (aside->stamp && (aside->kind != kind ||
			     (kind == BW_KIND_PAGE && (aside->ip != regs_ip(regs) || aside->sp != regs_sp(regs)))))
		drop_aside(task, state);
	if (!aside->stamp) {
		aside->kind = kind;
		aside->ip = regs_ip(regs);
		aside->sp = regs_sp(regs);
		aside->stamp = ns_to_stamp(last_ran_ns(task, now->now_ns), now->clock, now->now_ns) | STAMP_OLD;
		state->has_aside = 1;
	}
	*what = (struct instance){ .kind = kind, .flags = now->flags };
	what->stamp = aside->stamp;
	what->abi = kind == BW_KIND_EXITING ? abi_of_program(regs) : abi_of(task);
	what->ip = aside->ip;
	what->sp = aside->sp;
	if (!what->stamp)
		return 0;
	return consider(task, state, &aside->stamp, room);
}

/* The thread sleeps in a call that it was never seen to enter. */
static __noinline int scan_unentered(struct task_struct *task, struct thread_state *state, struct pt_regs *regs,
				     struct workspace *room)
{
	struct look *now = &room->now;
	struct parked_call *old = &state->old;
	u32 number = regs_number(regs), abi = abi_of(task);
	u64 switches = switches_of(task);

	if (old->stamp && (!same_place(old, regs, number, abi) || (!settings.trace && state->switches != switches)))
		drop(task, state, old);
	if (!old->stamp) {
		old->number = number;
		old->abi = abi;
		old->ip = regs_ip(regs);
		old->sp = regs_sp(regs);
		regs_args(regs, abi, old->args);
		state->switches = switches;
		old->stamp = ns_to_stamp(last_ran_ns(task, now->now_ns), now->clock, now->now_ns) | STAMP_OLD;
		state->has_old = 1;
		/* woke up between our look and our note: the next entry or scan would drop it, but a report
		 * now would be of a call that is over */
		if (BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw) != switches ||
		    !BPF_CORE_READ(task, __state)) {
			take(&old->stamp);
			return 0;
		}
	}
	return scan_parked(task, state, old, room);
}

/* The scheduler's clock and CLOCK_MONOTONIC at one moment: they drift apart. */
static __always_inline void read_clocks(struct task_struct *self)
{
	counters.scan_boot = bpf_ktime_get_ns();
	counters.scan_sched = counters.scan_boot;
	if (bpf_core_field_exists(self->se.cfs_rq))
		counters.scan_sched = BPF_CORE_READ(self, se.cfs_rq, rq, clock);
}

static __always_inline void start_scan(void)
{
	struct task_struct *self = bpf_get_current_task_btf();

	scanner_tgid = bpf_get_current_pid_tgid() >> 32;
	scanner_level = BPF_CORE_READ(self, thread_pid, level);
	counters.scan_threads = 0;
	counters.scan_reported = 0;
	counters.scan_dropped = 0;
	counters.scan_crossings = 0;
	counters.scan_next_ns = 0;
	read_clocks(self);
	counters.scan_clock = settings.precise ? counters.scan_boot : bpf_jiffies64();
}

SEC("iter/task")
int scan(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct thread_state *state;
	struct pt_regs *regs;
	struct workspace *room;
	struct look *now;
	u32 zero = 0;
	u32 asleep, flags, call_class;
	bool is_handler_return, is_worker;
	s32 number;

	if (ctx->meta->seq_num == 0)
		start_scan();
	if (!task)
		return 0;
	counters.scan_threads++;
	flags = task->flags;
	if (flags & PF_KTHREAD || task->exit_state || task->tgid == scanner_tgid)
		return 0;
	asleep = task_state(task) & ~0x400u;
	/* They carry a copy of their creator's registers and would seem to hang in its call for ever. One that
	 * only the kernel can wake holds up the work it was given. */
	is_worker = flags & PF_IO_WORKER ||
		    (flags & PF_USER_WORKER && bpf_core_field_exists(struct kernel_clone_args, user_worker));
	state = bpf_task_storage_get(&threads, task, 0, 0);
	if (!state) {
		if (!asleep || (is_worker && !(asleep & TASK_UNINTERRUPTIBLE)))
			return 0;
		state = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!state) {
			count(null_storage, 1);
			return 0;
		}
	}
	if (is_quiet(task, state, asleep))
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	room = bpf_map_lookup_elem(&scan_scratch, &zero);
	if (!regs || !room)
		return 0;
	now = &room->now;
	now->now_ns = bpf_ktime_get_ns();
	now->clock = settings.precise ? now->now_ns : bpf_jiffies64();
	now->kind = BW_KIND_SYSCALL;
	now->flags = 0;

	if (state->has_lost && !say_closed(NULL, state->lost_closing, BW_CLOSE_UNSEEN, 0))
		state->has_lost = 0;

	if (is_worker) {
		now->kind = BW_KIND_IO_WORKER;
		if (asleep & TASK_UNINTERRUPTIBLE)
			scan_aside(task, state, regs, room);
		else if (state->has_aside)
			drop_aside(task, state);
		return 0;
	}
	if (flags & PF_EXITING || flags & PF_POSTCOREDUMP || flags & PF_DUMPCORE) {
		now->kind = BW_KIND_EXITING;
		if (asleep)
			scan_aside(task, state, regs, room);
		return 0;
	}
	if (is_frozen(task, asleep))
		now->flags = BW_CALL_FROZEN;

	if (state->stamp) {
		scan_stamped(task, state, regs, room);
		if (!state->has_left)
			return 0;
	}
	if (state->has_left) {
		now->flags |= BW_CALL_LEFT;
		scan_parked(task, state, &state->left, room);
		return 0;
	}
	number = regs_number(regs);
	call_class = watched_class(number, abi_of(task));
	is_handler_return = (call_class & BW_CLASS_MASK) == BW_CLASS_SIGRETURN;
	if (asleep & (TASK_STOPPED | TASK_TRACED) || now->flags & BW_CALL_FROZEN) {
		/* Stopped on its way out of a call, or in front of one. It keeps the call if it will go
		 * back into it; a tracer that stopped it at entry shows -ENOSYS there. */
		s64 result = regs_result(regs);

		if (number >= 0 && !is_handler_return &&
		    (is_restart(abi_of(task) == BW_ABI_COMPAT ? (s32)result : result) ||
		     ((s32)result == -38 && asleep & TASK_TRACED))) {
			now->flags |= BW_CALL_LEFT;
			scan_unentered(task, state, regs, room);
		} else {
			now->kind = BW_KIND_STOPPED;
			scan_aside(task, state, regs, room);
		}
		return 0;
	}
	if (!asleep) {
		/* Running, and in no call that we know of: what an earlier scan saw is over. Where the exit of
		 * that call is watched it says so itself, with the result. */
		if (state->has_aside)
			drop_aside(task, state);
		if (state->has_old && (!settings.trace || !watched_class(state->old.number, state->old.abi))) {
			state->has_old = 0;
			drop(task, state, &state->old);
		}
		return 0;
	}
	if (number >= 0 && !is_handler_return && (call_class || !settings.narrow)) {
		/* also one that never blocks by itself: seccomp or a tracer may hold it in front of the kernel */
		if (state->has_aside)
			drop_aside(task, state);
		scan_unentered(task, state, regs, room);
	} else if (number < 0) {
		now->kind = BW_KIND_PAGE;
		scan_aside(task, state, regs, room);
	}
	return 0;
}

#include "holders.h"
