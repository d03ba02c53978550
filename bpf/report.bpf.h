/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Records on their way out: a wait past the threshold, and its end. */
#ifndef BLOCKWATCH_REPORT_BPF_H
#define BLOCKWATCH_REPORT_BPF_H

/* One wait as scan and exit both report it. */
struct wait {
	u64 stamp;
	u64 ip, sp;
	u32 number, abi, kind;
	u32 type, flags;
	u32 renewals;
	s64 result;
};

/* One look at one thread. */
struct look {
	u64 now_ns, clock;
	u32 kind, flags; /* enum bw_call_kind, BW_CALL_... */
};

struct workspace {
	struct bw_call call;
	u64 task; /* a pointer stored and loaded again is a number, which functions of their own can take */
	struct look now;
	struct wait wait; /* its arguments lie in `call` */
	u32 stamp_at;	  /* where its stamp lives in the thread's state, bytes */
	struct call_slot ended; /* an exit's */
};

/* Room to build a record in: all functions on the way down have 512 bytes of stack together, and older kernels round
 * each up to 32 (6.1). One room for exits, where preemption is off, and one for the scan, which can be preempted by an
 * exit. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct workspace);
} exit_scratch SEC(".maps"), scan_scratch SEC(".maps");

static __always_inline void copy_args(u64 to[6], const u64 from[6])
{
	for (int i = 0; i < 6; i++)
		to[i] = from[i];
}

/* Says that a reported wait is over. Where the ring is full `state`, if there is one, keeps the id for the next scan. */
__noinline long send_close(struct thread_state *state, u64 id, u32 reason, s64 result)
{
	struct bw_close record = {
		.type = BW_RECORD_CLOSE,
		.reason = reason,
		.id = id,
		.now_ns = bpf_ktime_get_ns(),
		.result = result,
	};
	long error = bpf_ringbuf_output(&records, &record, sizeof(record), 0);

	if (error) {
		count(lost_closings, 1);
		if (state) {
			state->unsaid_close = id;
			state->filled[SLOT_UNSAID_CLOSE] = 1;
		}
	}
	return error;
}

/* The bytes of a record that are sent: not the unused end of the cgroup's name. */
static __always_inline u32 bytes_of(const struct bw_call *call)
{
	u32 length = call->cgroup_len;

	if (length > BW_CGROUP_LEN)
		length = BW_CGROUP_LEN;
	length = (sizeof(*call) - BW_CGROUP_LEN + length + 7) & ~7u;
	if (length > sizeof(*call))
		length = sizeof(*call);
	return length;
}

/* Sends room->wait. */
static __always_inline long report(struct workspace *room, struct task_struct *task)
{
	struct wait *wait = &room->wait;
	struct bw_call *call = &room->call;
	u64 clock = stamp_now();

	call->type = wait->type;
	call->kind = wait->kind;
	call->id = call_id(task, wait->stamp, wait->number | wait->kind << 12);
	call->now_ns = bpf_ktime_get_ns();
	call->start_ns = stamp_to_ns(wait->stamp, clock, call->now_ns);
	call->result = wait->result;
	call->renewals = wait->renewals;
	call->ip = wait->ip;
	call->sp = wait->sp;
	call->number = wait->number;
	call->abi = wait->abi;
	call->flags = wait->flags | (wait->stamp & STAMP_LAST_RAN ? BW_CALL_OLD : 0);
	if (wait->type == BW_RECORD_SLOW) {
		call->last_ran_ns = call->now_ns;
		call->stop_signal = call->stopper_tgid = 0;
	} else {
		describe_pause(call, task);
	}
	*(volatile u64 *)&room->task = (u64)task;
	describe(call, *(volatile u64 *)&room->task);
	return bpf_ringbuf_output(&records, call, bytes_of(call), 0);
}

/* A call that was never reported has returned past the threshold. */
static __always_inline int report_slow(struct thread_state *state, struct call_slot *slot, s64 result)
{
	u32 zero = 0;
	struct workspace *room = bpf_map_lookup_elem(&exit_scratch, &zero);
	struct task_struct *task = bpf_get_current_task_btf();

	if (!room || !state || !slot || BPF_CORE_READ(task, tgid) == scanner_tgid)
		return 0;
	/* of a PID namespace that whoever scans cannot see: an exit happens there too, a scan does not */
	if (!number_for_scanner(BPF_CORE_READ(task, thread_pid)))
		return 0;
	room->wait = (struct wait){
		.stamp = slot->stamp,
		.ip = slot->ip,
		.sp = slot->sp,
		.number = slot->number,
		.abi = slot->abi,
		.type = BW_RECORD_SLOW,
		.renewals = state->renewals,
		.result = result,
	};
	copy_args(room->call.args, slot->args);
	room->call.stack_depth = 0;
	tell_last_io(&room->call, state);
	count(slow_calls, 1);
	if (report(room, task))
		count(lost_records, 1);
	return 0;
}

#endif
