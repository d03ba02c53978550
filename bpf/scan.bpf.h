/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Looks at every thread: calls that never return, that began before blockwatch or before the
 * tracepoint, page faults, stops, hanging exits.
 */
#ifndef BLOCKWATCH_SCAN_BPF_H
#define BLOCKWATCH_SCAN_BPF_H

/* A call that crosses the threshold before the next scan gets a timer of its own. */
static __noinline int note_crossing(struct task_struct *task, u64 start_ns)
{
	u64 at = start_ns + settings.threshold_ns, index;

	if (at > control.horizon_ns)
		return 0; /* the next scan sees it in time */
	if (!counters.scan_next_ns || at < counters.scan_next_ns)
		counters.scan_next_ns = at;
	index = counters.scan_crossings++;
	if (index >= BW_CROSSINGS_MAX)
		return 0;
	crossings[index].at_ns = at;
	crossings[index].tid = number_for_scanner(BPF_CORE_READ(task, thread_pid));
	return 0;
}

/* Nothing is to be done: the call has been reported and nobody asks for it, or it is young. Of most threads at most
 * times, and found out from what lies close together; what a call's exit should have said is looked after by and by. */
static __always_inline bool is_quiet(struct task_struct *task, struct thread_state *state, u32 asleep)
{
	u64 stamp = state->in_flight.stamp;

	if (state->filled[SLOT_INTERRUPTED] | state->filled[SLOT_OUTSIDE_CALL] | state->filled[SLOT_UNSAID_CLOSE])
		return false;
	/* the v1 freezer takes a thread where it sleeps */
	if (state->told_held != held_as(task, asleep)) {
		if (stamp & STAMP_REPORTED || !state->told_held)
			return false;
		state->told_held = 0;
	}
	if (stamp & STAMP_REPORTED)
		return !control.look_closely;
	if (stamp) {
		if (is_sure(stamp, counters.scan_clock))
			return false;
		if (asleep)
			note_crossing(task, stamp_to_ns(stamp, counters.scan_clock, counters.scan_boot));
		return true;
	}
	if (!state->filled[SLOT_UNENTERED] || control.look_closely || !(state->unentered.stamp & STAMP_REPORTED))
		return false;
	return asleep;
}

static __always_inline bool wants_refresh(u64 id)
{
	return control.refresh_some && bpf_map_lookup_elem(&refresh, &id);
}

/* Reports room->wait if it is past the threshold and new, or asked for. One place for all slots: the verifier looks at
 * what is called as often as it is called. */
static __always_inline void report_if_late_inlined(struct task_struct *task, struct thread_state *state,
						   struct workspace *room)
{
	/* an offset from memory: each pointer or number that were returned would be a way of its own to the verifier */
	u32 at = *(volatile u32 *)&room->stamp_at & ~7;
	u64 *word = (void *)state + at;
	struct wait *wait = &room->wait;
	struct look *now = &room->now;
	u64 stamp = wait->stamp, id = call_id(task, stamp, wait->number | wait->kind << 12);
	u32 held = held_as(task, task_state(task));

	if (at > sizeof(*state) - sizeof(stamp))
		return;
	if (stamp & STAMP_REPORTED) {
		if (!wants_refresh(id) && state->told_held == held)
			return;
		wait->type = BW_RECORD_REFRESH;
	} else {
		if (!is_sure(stamp, now->clock)) {
			note_crossing(task, stamp_to_ns(stamp, now->clock, now->now_ns));
			return;
		}
		wait->type = BW_RECORD_CALL;
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
		if (wait->type == BW_RECORD_CALL &&
		    __sync_val_compare_and_swap(word, stamp | STAMP_REPORTED, stamp) != (stamp | STAMP_REPORTED))
			count(lost_records, 1);
		return;
	}
	state->told_held = held;
	/* the next round over the threads asks for what this one had no room for */
	if (wait->type == BW_RECORD_REFRESH)
		bpf_map_delete_elem(&refresh, &id);
}

static __noinline int report_if_late(struct task_struct *task, struct thread_state *state, struct workspace *room)
{
	int done = 0;

	if (*(volatile u64 *)&room->wait.stamp)
		report_if_late_inlined(task, state, room);
	/* a result that clang knows it drops, and the verifier finds a stack pointer in its place */
	asm volatile("" : "+r"(done));
	return done;
}

/* A call that was entered with its stamp. As the others below, fills room->wait. */
static __noinline int scan_in_flight(struct task_struct *task, struct thread_state *state, struct pt_regs *regs,
				     struct workspace *room)
{
	struct look *now = &room->now;
	struct wait *wait = &room->wait;
	u32 shown = regs_number(regs);
	u64 stamp = state->in_flight.stamp;

	*wait = (struct wait){
		.number = state->in_flight.number,
		.abi = state->in_flight.abi,
		.renewals = state->renewals,
		.flags = now->flags,
	};
	if (!stamp)
		return 0;
	if (!(stamp & STAMP_REPORTED) && !is_sure(stamp, now->clock)) {
		if (BPF_CORE_READ(task, __state))
			note_crossing(task, stamp_to_ns(stamp, now->clock, now->now_ns));
		return 0;
	}
	if (shown != wait->number && !(state->restarted && is_restart_number(shown, wait->abi))) {
		/* the registers tell of another call: its exit was missed */
		if (state->in_flight.stamp == stamp &&
		    __sync_val_compare_and_swap(&state->in_flight.stamp, stamp, 0) == stamp) {
			count(missed_exits, 1);
			if (stamp & STAMP_REPORTED)
				send_close(state, call_id(task, stamp, wait->number), BW_CLOSE_UNSEEN, 0);
		}
		return 0;
	}
	wait->stamp = stamp;
	regs_args(regs, wait->abi, room->call.args);
	wait->ip = regs_ip(regs);
	wait->sp = regs_sp(regs);
	room->stamp_at = offsetof(struct thread_state, in_flight.stamp);
	return 0;
}

/* A call in a slot of its own: interrupted or unentered. */
static __always_inline int scan_slot(struct task_struct *task, struct thread_state *state, struct call_slot *slot,
				     struct workspace *room)
{
	room->wait = (struct wait){
		.stamp = slot->stamp,
		.ip = slot->ip,
		.sp = slot->sp,
		.number = slot->number,
		.abi = slot->abi,
		.flags = room->now.flags,
		.renewals = slot == &state->unentered ? state->renewals : 0,
	};
	copy_args(room->call.args, slot->args);
	room->stamp_at = slot == &state->unentered ? offsetof(struct thread_state, unentered.stamp)
						   : offsetof(struct thread_state, interrupted.stamp);
	return 0;
}

/* A wait outside any call: new, gone on, or another than at the last scan. */
static __noinline int scan_outside_call(struct task_struct *task, struct thread_state *state, struct pt_regs *regs,
					struct workspace *room)
{
	struct look *now = &room->now;
	struct wait *wait = &room->wait;
	struct outside_call *outside = &state->outside_call;
	u32 kind = now->kind;

	if (outside->stamp && !is_same_outside(outside, task, regs, kind))
		close_outside_call(task, state);
	if (!outside->stamp) {
		outside->kind = kind;
		outside->progress = progress_of(task, kind);
		outside->ip = regs_ip(regs);
		outside->sp = regs_sp(regs);
		outside->stamp = ns_to_stamp(last_ran_ns(task, now->now_ns), now->clock, now->now_ns) | STAMP_LAST_RAN;
		state->filled[SLOT_OUTSIDE_CALL] = 1;
	}
	*wait = (struct wait){ .kind = kind, .flags = now->flags };
	wait->stamp = outside->stamp;
	wait->abi = kind == BW_KIND_EXITING ? abi_of_program(regs) : abi_of(task);
	wait->ip = outside->ip;
	wait->sp = outside->sp;
	room->stamp_at = offsetof(struct thread_state, outside_call.stamp);
	return 0;
}

/* The thread sleeps in a call that it was never seen to enter. */
static __noinline int scan_unentered(struct task_struct *task, struct thread_state *state, struct pt_regs *regs,
				     struct workspace *room)
{
	struct look *now = &room->now;
	struct call_slot *unentered = &state->unentered;
	u32 number = regs_number(regs), abi = abi_of(task);
	u64 switches = switches_of(task);

	if (unentered->stamp && !same_place(unentered, regs, number, abi))
		close_unseen(task, state, unentered);
	if (!unentered->stamp) {
		note_place(state, regs, abi);
		state->renewals = 0;
		unentered->stamp =
			ns_to_stamp(last_ran_ns(task, now->now_ns), now->clock, now->now_ns) | STAMP_LAST_RAN;
		state->filled[SLOT_UNENTERED] = 1;
		/* woke up between our look and our note: the next entry or scan would drop it, but a report
		 * now would be of a call that is over */
		if (BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw) != switches ||
		    !BPF_CORE_READ(task, __state)) {
			take(&unentered->stamp);
			return 0;
		}
	}
	return scan_slot(task, state, unentered, room);
}

/* They carry a copy of their creator's registers and would seem to hang in its call for ever. One that only the kernel can
 * wake holds up the work it was given. */
static __always_inline bool is_worker(struct task_struct *task)
{
	return task->flags & PF_IO_WORKER ||
	       (task->flags & PF_USER_WORKER && bpf_core_field_exists(struct kernel_clone_args, user_worker));
}

/* Fills room->wait with what the thread waits in; its stamp stays 0 if that is nothing. */
static __noinline int scan_thread(struct task_struct *task, struct thread_state *state, struct pt_regs *regs,
				  struct workspace *room, u32 asleep)
{
	struct look *now = &room->now;
	bool is_handler_return;
	u32 call_class;
	s32 number;

	if (is_worker(task)) {
		now->kind = BW_KIND_IO_WORKER;
		if (asleep & TASK_UNINTERRUPTIBLE)
			return scan_outside_call(task, state, regs, room);
		if (state->filled[SLOT_OUTSIDE_CALL])
			close_outside_call(task, state);
		return 0;
	}
	if (task->flags & (PF_EXITING | PF_POSTCOREDUMP | PF_DUMPCORE)) {
		now->kind = BW_KIND_EXITING;
		return asleep ? scan_outside_call(task, state, regs, room) : 0;
	}
	if (is_frozen(task, asleep))
		now->flags = BW_CALL_FROZEN;

	if (state->filled[SLOT_INTERRUPTED]) {
		/* in flight as well: a handler's call */
		if (state->in_flight.stamp) {
			scan_in_flight(task, state, regs, room);
			report_if_late(task, state, room);
		}
		now->flags |= BW_CALL_INTERRUPTED;
		return scan_slot(task, state, &state->interrupted, room);
	}
	if (state->in_flight.stamp)
		return scan_in_flight(task, state, regs, room);
	number = regs_number(regs);
	call_class = watched_class(number, abi_of(task));
	is_handler_return = (call_class & BW_CLASS_MASK) == BW_CLASS_SIGRETURN;
	if (asleep & (TASK_STOPPED | TASK_TRACED) || now->flags & BW_CALL_FROZEN) {
		/* Stopped on its way out of a call, or in front of one. It keeps the call if it will go
		 * back into it; a tracer that stopped it at entry shows -ENOSYS there. */
		s64 result = regs_result(regs);

		if (number >= 0 && !is_handler_return &&
		    (is_restart(abi_of(task) == BW_ABI_COMPAT ? (s32)result : result) ||
		     ((s32)result == -ENOSYS && asleep & TASK_TRACED))) {
			now->flags |= BW_CALL_INTERRUPTED;
			return scan_unentered(task, state, regs, room);
		}
		now->kind = BW_KIND_STOPPED;
		return scan_outside_call(task, state, regs, room);
	}
	if (!asleep) {
		/* Running, and in no call that we know of: what an earlier scan saw is over. Where the exit of
		 * that call is watched it says so itself, with the result. */
		if (state->filled[SLOT_OUTSIDE_CALL])
			close_outside_call(task, state);
		if (state->filled[SLOT_UNENTERED] && !watched_class(state->unentered.number, state->unentered.abi)) {
			state->filled[SLOT_UNENTERED] = 0;
			close_unseen(task, state, &state->unentered);
		}
		return 0;
	}
	if (number >= 0 && !is_handler_return && (call_class || !settings.narrow)) {
		/* also one that never blocks by itself: seccomp or a tracer may hold it in front of the kernel */
		if (state->filled[SLOT_OUTSIDE_CALL])
			close_outside_call(task, state);
		return scan_unentered(task, state, regs, room);
	}
	if (number < 0) {
		now->kind = BW_KIND_PAGE;
		return scan_outside_call(task, state, regs, room);
	}
	return 0;
}

static __always_inline void start_scan(void)
{
	struct task_struct *self = bpf_get_current_task_btf();

	scanner_tgid = bpf_get_current_pid_tgid() >> 32;
	note_scanner(self);
	counters.scan_threads = 0;
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
	u32 asleep;

	if (ctx->meta->seq_num == 0)
		start_scan();
	if (!task)
		return 0;
	counters.scan_threads++;
	if (task->flags & PF_KTHREAD || task->exit_state || task->tgid == scanner_tgid)
		return 0;
	asleep = task_state(task) & ~TASK_NOLOAD;
	state = state_of(task);
	if (control.only_note) {
		if (state)
			note_sleeper(task, state, asleep);
		return 0;
	}
	if (!state) {
		if (!asleep || (is_worker(task) && !(asleep & TASK_UNINTERRUPTIBLE)))
			return 0;
		state = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!state) {
			count(null_storage, 1);
			return 0;
		}
	}
	if (!is_traced() || state->filled[SLOT_UNTRACED])
		settle(task, state, asleep);
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

	if (state->filled[SLOT_UNSAID_CLOSE] && !send_close(NULL, state->unsaid_close, BW_CLOSE_UNSEEN, 0))
		state->filled[SLOT_UNSAID_CLOSE] = 0;

	room->wait.stamp = 0;
	scan_thread(task, state, regs, room, asleep);
	return report_if_late(task, state, room);
}

#endif
