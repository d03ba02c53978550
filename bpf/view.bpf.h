/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What chosen threads are doing: each thread of a process, child or thread asked for, whatever it
 * does. It answers through the iterator's own buffer, as holders does.
 */
#ifndef BLOCKWATCH_VIEW_BPF_H
#define BLOCKWATCH_VIEW_BPF_H

/* Processes, parents and threads to be shown. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BW_QUESTIONS_MAX);
	__type(key, struct bw_view_key);
	__type(value, u32);
} viewed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct workspace);
} view_scratch SEC(".maps");

static __always_inline bool is_viewed(u32 kind, u32 name_space, u32 number)
{
	struct bw_view_key key = { .kind = kind, .name_space = name_space, .number = number };

	return bpf_map_lookup_elem(&viewed, &key) != NULL;
}

static __noinline bool wants_view(struct task_struct *task)
{
	struct upid upid;
	bool is_shown = task->pid == task->tgid || BPF_CORE_READ(task, signal, nr_threads) <= BW_VIEW_THREADS;

	if (is_viewed(BW_VIEW_THREAD, 0, task->pid))
		return true;
	if (is_shown && is_viewed(BW_VIEW_PROCESS, 0, task->tgid))
		return true;
	if (is_shown && control.wanted_parents && is_viewed(BW_VIEW_PARENT, 0, BPF_CORE_READ(task, real_parent, tgid)))
		return true;
	if (!control.wanted_inner)
		return false;
	upid = own_upid(BPF_CORE_READ(task, thread_pid));
	return is_viewed(BW_VIEW_INNER, BPF_CORE_READ(upid.ns, ns.inum), upid.nr) ||
	       is_viewed(BW_VIEW_INNER, 0, upid.nr) ||
	       (is_shown && is_viewed(BW_VIEW_NAMESPACE, BPF_CORE_READ(upid.ns, ns.inum), 0));
}

static __noinline int view_call(struct bw_call *call, struct task_struct *task, struct thread_state *state,
				struct pt_regs *regs, u32 asleep)
{
	u64 stamp = 0, clock = stamp_now();
	struct call_slot *slot = NULL;
	bool outside = false;

	call->kind = BW_KIND_SYSCALL;
	if (task->flags & (PF_EXITING | PF_POSTCOREDUMP | PF_DUMPCORE)) {
		call->kind = BW_KIND_EXITING;
		outside = true;
		call->abi = abi_of_program(regs);
	} else if (state && state->filled[SLOT_INTERRUPTED] && state->interrupted.stamp) {
		slot = &state->interrupted;
		call->flags |= BW_CALL_INTERRUPTED;
	} else if (state && state->in_flight.stamp) {
		stamp = state->in_flight.stamp;
		call->number = state->in_flight.number;
		call->abi = state->in_flight.abi;
		call->renewals = state->renewals;
		regs_args(regs, call->abi, call->args);
	} else if (state && state->filled[SLOT_UNENTERED] && state->unentered.stamp) {
		slot = &state->unentered;
		call->renewals = state->renewals;
	} else if (asleep && !(asleep & (TASK_STOPPED | TASK_TRACED)) && regs_number(regs) >= 0) {
		call->number = regs_number(regs);
		call->abi = abi_of(task);
		regs_args(regs, call->abi, call->args);
	} else if (asleep) {
		call->kind = asleep & (TASK_STOPPED | TASK_TRACED) ? BW_KIND_STOPPED : BW_KIND_PAGE;
		outside = true;
	} else {
		call->kind = BW_KIND_RUNNING;
	}
	if (outside && state && is_same_outside(&state->outside_call, task, regs, call->kind))
		stamp = state->outside_call.stamp;
	if (slot) {
		stamp = slot->stamp;
		call->number = slot->number;
		call->abi = slot->abi;
		copy_args(call->args, slot->args);
		call->ip = slot->ip;
		call->sp = slot->sp;
	}
	call->now_ns = bpf_ktime_get_ns();
	if (stamp) {
		call->start_ns = stamp_to_ns(stamp, clock, call->now_ns);
		call->flags |= stamp & STAMP_LAST_RAN ? BW_CALL_OLD : 0;
		call->id = call_id(task, stamp, call->number | (call->kind == BW_KIND_SYSCALL ? 0 : call->kind) << 12);
	} else {
		call->start_ns = asleep ? last_ran_ns(task, call->now_ns) : call->now_ns;
		call->flags |= BW_CALL_OLD;
	}
	return 0;
}

SEC("iter/task")
int view(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct seq_file *seq = ctx->meta->seq;
	struct thread_state *state;
	struct workspace *room;
	struct bw_call *call;
	struct pt_regs *regs;
	u32 zero = 0, asleep;

	if (ctx->meta->seq_num == 0) {
		scanner_tgid = bpf_get_current_pid_tgid() >> 32;
		note_scanner(bpf_get_current_task_btf());
		read_clocks(bpf_get_current_task_btf());
	}
	if (!task || task->flags & PF_KTHREAD || task->tgid == scanner_tgid || !wants_view(task))
		return 0;
	if (task->flags & PF_IO_WORKER)
		return 0;
	room = bpf_map_lookup_elem(&view_scratch, &zero);
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (!room || !regs)
		return 0;
	call = &room->call;
	state = state_of(task);
	if (state && has_run_untraced(task, state))
		state = NULL;
	asleep = task_state(task) & ~TASK_NOLOAD;
	__builtin_memset(call->args, 0, sizeof(call->args));
	call->type = BW_RECORD_VIEW;
	call->id = 0;
	call->result = 0;
	call->renewals = 0;
	call->number = 0;
	call->abi = 0;
	call->flags = is_frozen(task, asleep) ? BW_CALL_FROZEN : 0;
	call->ip = regs_ip(regs);
	call->sp = regs_sp(regs);
	tell_last_io(call, state);
	view_call(call, task, state, regs, asleep);
	call->stack_depth = 0;
	if (asleep)
		read_stack(call, task);
	describe_pause(call, task);
	*(volatile u64 *)&room->task = (u64)task;
	describe(call, *(volatile u64 *)&room->task);
	bpf_seq_write(seq, call, bytes_of(call));
	return 0;
}

#endif
