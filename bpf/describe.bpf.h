/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Who a thread is and what it is in: everything of struct bw_call but the verdict on its age. */
#ifndef BLOCKWATCH_DESCRIBE_BPF_H
#define BLOCKWATCH_DESCRIBE_BPF_H

/* __state was `state` before 5.14; the floor is 5.15. */
static __always_inline u32 task_state(struct task_struct *task)
{
	return task->__state;
}

/* Not by task->frozen: the waiting parent of a vfork and stopped threads have that too. */
static __always_inline bool is_frozen(struct task_struct *task, u32 state)
{
	if (task->jobctl & JOBCTL_TRAP_FREEZE)
		return true;
	if (state & TASK_FROZEN)
		return true;
	return false;
}

/* A number in the namespace so many levels below the initial one, and which that is; both 0: there is none. */
static __always_inline struct upid upid_at(struct pid *pid, u32 level)
{
	struct upid *numbers = (void *)pid + bpf_core_field_offset(struct pid, numbers);
	struct upid upid = {};

	if (level <= BPF_CORE_READ(pid, level))
		bpf_probe_read_kernel(&upid, sizeof(upid), numbers + level);
	return upid;
}

static __always_inline struct upid own_upid(struct pid *pid)
{
	return upid_at(pid, BPF_CORE_READ(pid, level));
}

static __noinline void note_scanner(struct task_struct *self)
{
	struct pid *pid = BPF_CORE_READ(self, thread_pid);

	scanner_level = BPF_CORE_READ(pid, level);
	scanner_namespace = (u64)own_upid(pid).ns;
}

static __noinline u32 number_at(struct pid *pid, u32 level)
{
	return upid_at(pid, level).nr;
}

/* 0: whoever scans cannot see it. */
static __noinline u32 number_for_scanner(struct pid *pid)
{
	struct upid upid = upid_at(pid, scanner_level);

	return !scanner_namespace || (u64)upid.ns == scanner_namespace ? upid.nr : 0;
}

static __always_inline struct kernfs_node *parent_of(struct kernfs_node *node)
{
	if (bpf_core_field_exists(node->__parent))
		return BPF_CORE_READ(node, __parent);
	return BPF_CORE_READ((struct kernfs_node___old *)node, parent);
}

static __always_inline struct kernfs_node *v1_node(struct css_set *set, u32 id)
{
	struct cgroup_subsys_state *css;

	bpf_probe_read_kernel(&css, sizeof(css),
			      (void *)set + bpf_core_field_offset(struct css_set, subsys) + (id & 15) * sizeof(void *));
	return css ? BPF_CORE_READ(css, cgroup, kn) : NULL;
}

/* The cgroup's path, leaf first, and the unified hierarchy's id. Where that one is only the
 * root (cgroup v1), the first of the usual controllers that is not. */
static __noinline int read_cgroup(struct bw_call *call, struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct kernfs_node *node = BPF_CORE_READ(set, dfl_cgrp, kn);
	u32 used = 0;

	call->cgroup_id = BPF_CORE_READ(node, id);
	if (!parent_of(node) && bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		node = v1_node(set, bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id));
	if ((!node || !parent_of(node)) && bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		node = v1_node(set, bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
	if ((!node || !parent_of(node)) && bpf_core_enum_value_exists(enum cgroup_subsys_id, cpu_cgrp_id))
		node = v1_node(set, bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id));
	if ((!node || !parent_of(node)) && bpf_core_enum_value_exists(enum cgroup_subsys_id, freezer_cgrp_id))
		node = v1_node(set, bpf_core_enum_value(enum cgroup_subsys_id, freezer_cgrp_id));

	for (u32 i = 0; i < BW_CGROUP_LEVELS; i++) {
		struct kernfs_node *parent;
		long length;

		if (!node)
			break;
		parent = parent_of(node);
		if (!parent || used > BW_CGROUP_LEN - BW_CGROUP_NAME)
			break; /* the root has no name */
		length = bpf_probe_read_kernel_str(&call->cgroup[used], BW_CGROUP_NAME, BPF_CORE_READ(node, name));
		if (length <= 0 || length > BW_CGROUP_NAME)
			break;
		used += length;
		node = parent;
	}
	call->cgroup_len = used;
	return 0;
}

/* Something that will interrupt the call: an armed timer, a signal on its way. */
static __noinline u32 ways_out(struct task_struct *task)
{
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	u64 pending = (u64)&task->pending.list, shared = (u64)signal + bpf_core_field_offset(signal->shared_pending.list);
	u64 timers = 0;
	u32 flags = 0;

	if (BPF_CORE_READ(signal, real_timer.state) & 1)
		flags |= BW_CALL_ALARM;
	if (bpf_core_field_exists(((struct hlist_head *)0)->first) && bpf_core_field_exists(signal->posix_timers.first)) {
		timers = (u64)BPF_CORE_READ(signal, posix_timers.first);
	} else if (bpf_core_field_exists(((struct signal_struct___old *)signal)->posix_timers.next)) {
		timers = (u64)BPF_CORE_READ((struct signal_struct___old *)signal, posix_timers.next);
		if (timers == (u64)signal + bpf_core_field_offset(((struct signal_struct___old *)signal)->posix_timers))
			timers = 0;
	}
	if (timers)
		flags |= BW_CALL_ALARM;
	if ((u64)BPF_CORE_READ(task, pending.list.next) != pending ||
	    (u64)BPF_CORE_READ(signal, shared_pending.list.next) != shared)
		flags |= BW_CALL_SIGNAL;
	return flags;
}

/* Without a descriptor that says which; a FUSE server is waited for in S as well. */
static __always_inline bool may_wait_in_file_system(const struct bw_call *call, u32 state)
{
	u32 class = call->class_ & BW_CLASS_MASK;

	if (call->object.kind != BW_OBJECT_NONE)
		return false;
	if (state & TASK_UNINTERRUPTIBLE)
		return true;
	return call->kind == BW_KIND_SYSCALL ? class == BW_CLASS_PATH || class == BW_CLASS_KERNEL
					     : call->kind == BW_KIND_PAGE || call->kind == BW_KIND_EXITING;
}

/* Everything but type, kind, number, abi, args, ip, sp, times and flags, which the caller has set. */
__noinline int describe(struct bw_call *call, u64 address)
{
	struct task_struct *task = (struct task_struct *)address;
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	u32 state = BPF_CORE_READ(task, __state);

	if (!call)
		return 0;
	call->tgid = BPF_CORE_READ(task, tgid);
	call->pid = BPF_CORE_READ(task, pid);
	{
		struct pid *thread = BPF_CORE_READ(task, thread_pid);
		struct pid *process = BPF_CORE_READ(task, signal, pids[PIDTYPE_TGID]);

		call->own_pid = own_upid(thread).nr;
		call->own_tgid = own_upid(process).nr;
		call->reader_pid = number_for_scanner(thread);
		call->reader_tgid = number_for_scanner(process);
		call->pid_namespace = BPF_CORE_READ(own_upid(thread).ns, ns.inum);
	}
	call->parent_tgid = BPF_CORE_READ(task, real_parent, tgid);
	call->thread_start_ns = BPF_CORE_READ(task, start_boottime);
	call->process_start_ns = BPF_CORE_READ(leader, start_boottime);
	call->switches = BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw);
	call->cpu_ns = BPF_CORE_READ(task, se.sum_exec_runtime);
	call->uid = BPF_CORE_READ(task, cred, euid.val);
	call->state = state | BPF_CORE_READ(task, exit_state);
	call->tracer_tgid = BPF_CORE_READ(task, ptrace) ? BPF_CORE_READ(task, parent, tgid) : 0;
	call->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	call->net_namespace = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	BPF_CORE_READ_STR_INTO(&call->comm, task, comm);
	BPF_CORE_READ_STR_INTO(&call->leader_comm, leader, comm);
	if (state & (TASK_STOPPED | TASK_TRACED)) {
		if (state & TASK_TRACED)
			call->flags |= BW_CALL_TRACED;
		else
			call->flags |= BW_CALL_STOPPED;
	}
	if (!(state & ~TASK_NOLOAD)) /* that alone is no sleep */
		call->flags |= BW_CALL_ON_CPU;
	call->threads = BPF_CORE_READ(task, signal, nr_threads);
	if (call->threads == 1)
		call->flags |= BW_CALL_SINGLE;
	call->flags |= ways_out(task);
	call->files = (u64)BPF_CORE_READ(task, files);
	if (state && BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait))
		call->flags |= BW_CALL_IO_WAIT;
	call->blocker_pid = 0;
	if (state & TASK_UNINTERRUPTIBLE)
		tell_kernel_lock(call, task);
	{
		struct pid *group = BPF_CORE_READ(task, signal, pids[PIDTYPE_PGID]);
		u32 level = BPF_CORE_READ(task, real_parent, thread_pid, level);

		call->group = number_at(group, 0);
		call->parents_tgid = number_at(BPF_CORE_READ(task, signal, pids[PIDTYPE_TGID]), level);
		call->parents_group = number_at(group, level);
	}
	__builtin_memset(&call->object, 0, sizeof(call->object));
	call->fd = -1;
	call->class_ = 0;
	if (call->kind == BW_KIND_SYSCALL) {
		call->class_ = watched_class(call->number, call->abi);
		if (descriptor_of(call->class_, call->args, &call->fd))
			resolve_descriptor(call, task);
		else if (is_socketcall(call->number, call->abi))
			resolve_from_stack(call, task);
		else if ((call->class_ & BW_CLASS_MASK) == BW_CLASS_PATH)
			resolve_fifo(call, task);
	}
	if (may_wait_in_file_system(call, state))
		resolve_from_file_system(call, task);
	read_cgroup(call, task);
	return 0;
}

/* ---- what is told besides: the last bytes moved, the stack, when it last ran, who stopped it ---- */

static __always_inline void tell_last_io(struct bw_call *call, const struct thread_state *state)
{
	if (state)
		__builtin_memcpy(call->last_io, state->io, sizeof(call->last_io));
	else
		__builtin_memset(call->last_io, 0, sizeof(call->last_io));
}

static __noinline int read_stack(struct bw_call *call, struct task_struct *task)
{
	long bytes = bpf_get_task_stack(task, call->stack, sizeof(call->stack), 0);

	call->stack_depth = bytes > 0 ? bytes / sizeof(u64) : 0;
	return 0;
}

/* The scheduler's clock and CLOCK_MONOTONIC at one moment: they drift apart. */
static __always_inline void read_clocks(struct task_struct *self)
{
	counters.scan_boot = bpf_ktime_get_ns();
	counters.scan_sched = counters.scan_boot;
	if (bpf_core_field_exists(self->se.cfs_rq))
		counters.scan_sched = BPF_CORE_READ(self, se.cfs_rq, rq, clock);
}

static __always_inline u64 switches_of(struct task_struct *task)
{
	return task->nvcsw + task->nivcsw;
}

/* What a thread cannot change without leaving a wait outside of calls: a fault is counted when it is served, a stopped
 * thread runs when it is continued, an io worker between its requests. An exit has no way back to be told apart. */
static __always_inline u32 progress_of(struct task_struct *task, u32 kind)
{
	if (kind == BW_KIND_EXITING)
		return 0;
	return kind == BW_KIND_PAGE ? task->min_flt + task->maj_flt : switches_of(task);
}

/* Whether the wait in the slot is what the thread is in now. */
static __always_inline bool is_same_outside(const struct outside_call *outside, struct task_struct *task,
					    struct pt_regs *regs, u32 kind)
{
	if (outside->kind != kind || outside->progress != progress_of(task, kind))
		return false;
	return kind != BW_KIND_PAGE || (outside->ip == regs_ip(regs) && outside->sp == regs_sp(regs));
}

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

/* What keeps a thread from running that it has not asked for: frozen, or stopped for longer than the threshold (who limits
 * a program's processor time stops it again and again). A look that finds another one than the last says it at once: of a
 * call that was idle nobody would ask again for long. */
static __always_inline u32 held_as(struct task_struct *task, u32 state)
{
	u32 held = is_frozen(task, state) ? 1 : 0;

	if (state & TASK_STOPPED &&
	    counters.scan_boot - last_ran_ns(task, counters.scan_boot) >= settings.threshold_ns)
		held |= 2;
	return held;
}

/* When the thread last ran, and who stopped it if it is stopped. */
static __noinline int describe_pause(struct bw_call *call, struct task_struct *task)
{
	struct thread_state *leader = state_of(task->group_leader);

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

#endif
