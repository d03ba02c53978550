/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * One process and whoever it starts, call by call, for a while (explain --for). Loaded only then (the `?`), with maps of its own:
 * nobody else pays for it. Every call of the watched is summed up by thread, number, result and what it is on; some are told
 * one by one, as many in a row as there is budget for, so that what is repeated can be seen.
 *
 *   program        attached to                what it does
 *   watch_enter    tp_btf/sys_enter           notes the beginning of a watched process's call
 *   watch_exit     tp_btf/sys_exit            sums it up, tells it
 *   watch_fork     tp_btf/sched_process_fork  the children of the watched are watched
 *   watch_name     tp_btf/task_rename         so is who comes to have the name that was asked for
 *   watch_end      tp_btf/sched_process_exit  tells how a process ended
 *   watch_sample   perf_event, a timer        tells where one is that runs
 */
#ifndef BLOCKWATCH_WATCH_ONE_BPF_H
#define BLOCKWATCH_WATCH_ONE_BPF_H

/* Preallocated, both: programs on a timer may use no others before Linux 6.1. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BW_WATCHED_MAX);
	__type(key, u32);
	__type(value, struct bw_watched);
} watched SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BW_TOTALS_MAX);
	__type(key, struct bw_total_key);
	__type(value, struct bw_total);
} watch_totals SEC(".maps");

struct watched_thread {
	u64 start_ns; /* of the call it is in; 0: none that was seen to begin */
	u64 sequence;
	u32 number, abi;
	u32 pid, tgid; /* in the namespace of whoever watches */
	u32 turn, budget;
	u32 payload_len;
	u8 payload[BW_PAYLOAD_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct watched_thread);
} watched_threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} watch_records SEC(".maps");

/* One room for system calls, where preemption is off, and one for the timer, which interrupts them. */
struct watch_room {
	struct bw_watched_call call;
	struct bw_sample sample;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct watch_room);
} watch_scratch SEC(".maps");

const volatile struct bw_watch_settings watch_settings SEC(".rodata.watch");
struct bw_watch_counters watch_counters SEC(".data.watch");
struct bw_watch_control watch_control SEC(".data.watch_control");
u32 watch_born SEC(".data.watch_born"); /* how many new processes there were */

struct bw_life *mentioned_life __attribute__((unused)); /* as in shared.bpf.h */

#define count_watch(field) __sync_fetch_and_add(&watch_counters.field, 1)

static __always_inline struct bw_watched *watched_process(void)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&watched, &tgid);
}

/* FNV-1a over words; what does not fill the payload is zero. */
static __always_inline u64 hash_words(const void *bytes, u32 words)
{
	u64 hash = 0xcbf29ce484222325ull;

	for (u32 i = 0; i < words; i++) {
		hash ^= ((const u64 *)bytes)[i];
		hash *= 0x100000001b3ull;
		hash ^= hash >> 29;
	}
	return hash;
}

static __always_inline u32 argument_of(u32 number, u32 abi)
{
	return number < BW_SYSCALLS_MAX ? watch_settings.arguments[abi & 1][number] : 0;
}

static __always_inline u64 pick(const u64 args[6], u32 index)
{
	switch (index) {
	case 0: return args[0];
	case 1: return args[1];
	case 2: return args[2];
	case 3: return args[3];
	case 4: return args[4];
	default: return args[5];
	}
}

/* The bytes of the program's memory that say what the call is on. A page that is not there is no answer: when the call
 * returns it is asked again. */
static __noinline int read_payload(struct watched_thread *thread, struct pt_regs *regs)
{
	u32 argument, kind;
	u64 args[6], address, length = 0;
	long got = 0;

	if (!thread)
		return 0;
	argument = argument_of(thread->number, thread->abi);
	kind = argument >> 4;
	thread->payload_len = 0;
	if (kind < BW_ARGUMENT_PATH || kind > BW_ARGUMENT_POLL)
		return 0;
	regs_args(regs, thread->abi, args);
	address = pick(args, argument & 15);
	if (!address)
		return 0;
	__builtin_memset(thread->payload, 0, sizeof(thread->payload));
	if (kind == BW_ARGUMENT_PATH) {
		got = bpf_probe_read_user_str(thread->payload, BW_PAYLOAD_LEN, (void *)address);
		thread->payload_len = got > 0 && got <= BW_PAYLOAD_LEN ? got : 0;
		return 0;
	}
	if (kind == BW_ARGUMENT_TIME)
		length = 16;
	else
		length = (u32)pick(args, (argument & 15) + 1) * (kind == BW_ARGUMENT_POLL ? 8ull : 1ull);
	if (length > BW_PAYLOAD_LEN)
		length = BW_PAYLOAD_LEN;
	if (!length || bpf_probe_read_user(thread->payload, length, (void *)address))
		return 0;
	thread->payload_len = length;
	return 0;
}

static __always_inline u64 object_of(struct watched_thread *thread, const u64 args[6])
{
	u32 argument = argument_of(thread->number, thread->abi), kind = argument >> 4;

	if (kind == BW_ARGUMENT_FD || kind == BW_ARGUMENT_SOCKET_ERROR)
		return (u64)(u32)pick(args, argument & 15) + 1;
	if ((kind == BW_ARGUMENT_PATH || kind == BW_ARGUMENT_ADDRESS) && thread->payload_len)
		return hash_words(thread->payload, BW_PAYLOAD_LEN / 8);
	return 0;
}

static __noinline int sum_up(struct bw_total_key *key, struct bw_total *one)
{
	struct bw_total *total;

	if (!key || !one)
		return 0;
	total = bpf_map_lookup_elem(&watch_totals, key);
	if (!total) {
		if (!bpf_map_update_elem(&watch_totals, key, one, BPF_NOEXIST))
			return 0;
		total = bpf_map_lookup_elem(&watch_totals, key); /* another thread was faster */
	}
	if (!total && key->object) {
		count_watch(lumped);
		key->object = ~0ull;
		total = bpf_map_lookup_elem(&watch_totals, key);
		if (!total && !bpf_map_update_elem(&watch_totals, key, one, BPF_NOEXIST))
			return 0;
	}
	if (!total) {
		count_watch(lost_sums);
		return 0;
	}
	__sync_fetch_and_add(&total->count, 1);
	__sync_fetch_and_add(&total->total_ns, one->total_ns);
	if (one->results)
		__sync_fetch_and_add(&total->results, one->results);
	if (one->zeros)
		__sync_fetch_and_add(&total->zeros, 1);
	if (total->max_ns < one->max_ns)
		total->max_ns = one->max_ns; /* two at once lose a maximum, of threads that share a row */
	return 0;
}

static __noinline int tell_call(struct watched_thread *thread, u64 who, u64 duration, s64 result, struct pt_regs *regs)
{
	struct watch_room *room;
	u32 zero = 0, size;

	if (!thread)
		return 0;
	room = bpf_map_lookup_elem(&watch_scratch, &zero);
	if (!room)
		return 0;
	room->call.type = BW_RECORD_WATCHED_CALL;
	room->call.payload_len = thread->payload_len;
	room->call.who = who;
	room->call.sequence = thread->sequence;
	room->call.start_ns = thread->start_ns;
	room->call.duration_ns = duration;
	room->call.result = result;
	regs_args(regs, thread->abi, room->call.args);
	room->call.tgid = thread->tgid;
	room->call.pid = thread->pid;
	room->call.number = thread->number;
	room->call.abi = thread->abi;
	size = thread->payload_len;
	if (size)
		__builtin_memcpy(room->call.payload, thread->payload, BW_PAYLOAD_LEN);
	size = (size + 7) & 0xf8;
	if (size > BW_PAYLOAD_LEN)
		size = BW_PAYLOAD_LEN;
	if (bpf_ringbuf_output(&watch_records, &room->call, __builtin_offsetof(struct bw_watched_call, payload) + size, 0))
		count_watch(lost_calls);
	return 0;
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(watch_enter, struct pt_regs *regs, long id)
{
	struct bw_watched *process = watched_process();
	struct watched_thread *thread;
	struct task_struct *task;

	if (!process || watch_control.is_over)
		return 0;
	task = bpf_get_current_task_btf();
	thread = bpf_task_storage_get(&watched_threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread) {
		count_watch(null_storage);
		return 0;
	}
	if (!thread->pid) {
		thread->pid = number_for_scanner(task->thread_pid) ?: task->pid;
		thread->tgid = process->tgid;
	}
	thread->number = id;
	thread->abi = abi_of(task);
	read_payload(thread, regs);
	thread->start_ns = bpf_ktime_get_ns();
	return 0;
}

/* A connect that was not waited for fails here. */
static __always_inline s64 socket_error(const u64 args[6])
{
	s32 error = 0;

	if ((u32)args[1] != SOL_SOCKET || (u32)args[2] != SO_ERROR)
		return 0;
	if (bpf_probe_read_user(&error, sizeof(error), (void *)args[3]) || error <= 0 || error > 4095)
		return 0;
	return -error;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(watch_exit, struct pt_regs *regs, long ret)
{
	struct bw_watched *process = watched_process();
	struct bw_total_key key = {};
	struct bw_total one = {};
	struct watched_thread *thread;
	struct task_struct *task;
	u64 args[6], duration;
	u32 argument;

	if (!process || watch_control.is_over)
		return 0;
	task = bpf_get_current_task_btf();
	thread = bpf_task_storage_get(&watched_threads, task, 0, 0);
	if (!thread || !thread->start_ns)
		return 0; /* begun before it was watched */
	duration = bpf_ktime_get_ns() - thread->start_ns;
	if (thread->abi == BW_ABI_COMPAT)
		ret = (s32)ret;
	regs_args(regs, thread->abi, args);
	argument = argument_of(thread->number, thread->abi);
	if (!thread->payload_len)
		read_payload(thread, regs);
	if (argument >> 4 == BW_ARGUMENT_SOCKET_ERROR && !ret)
		ret = socket_error(args);
	key.who = process->flags & BW_WATCHED_FOLDED ? process->who : thread->pid;
	key.number = thread->number | (thread->abi == BW_ABI_COMPAT ? BW_TOTAL_COMPAT : 0);
	key.error = ret < 0 && ret >= -4095 ? -ret : 0;
	key.object = object_of(thread, args);
	one.count = 1;
	one.total_ns = one.max_ns = duration;
	if (ret > 0 && watched_class(thread->number, thread->abi) & BW_MOVES_BYTES)
		one.results = ret;
	one.zeros = !ret;
	sum_up(&key, &one);
	thread->sequence++;
	if (thread->turn != watch_control.turn) {
		thread->turn = watch_control.turn;
		thread->budget = thread->sequence > 1 || process->flags & BW_WATCHED_FOLDED ? BW_WATCH_BUDGET
											    : BW_WATCH_FIRST;
	}
	if (thread->budget) {
		thread->budget--;
		tell_call(thread, key.who, duration, ret, regs);
	}
	thread->start_ns = 0;
	return 0;
}

/* ---- who comes and goes ---- */

static __always_inline u64 who_is(const char comm[BW_COMM_LEN])
{
	return hash_words(comm, BW_COMM_LEN / 8) | 1ull << 63;
}

/* `comm`: the name that it is just given; NULL: the one it has. */
static __noinline int tell_life(struct task_struct *task, struct bw_watched *process, u32 event, s32 status,
				const char *comm)
{
	struct bw_life life = {
		.type = BW_RECORD_LIFE,
		.event = event,
		.status = status,
	};
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);

	if (!process)
		return 0;
	life.now_ns = bpf_ktime_get_ns();
	life.who = process->who;
	life.tgid = process->tgid;
	life.kernel_tgid = BPF_CORE_READ(task, tgid);
	life.flags = process->flags;
	life.parent = number_for_scanner(BPF_CORE_READ(parent, signal, pids[PIDTYPE_TGID]));
	if (event == BW_LIFE_EXITED)
		life.cpu_ns = BPF_CORE_READ(task, signal, sum_sched_runtime) + BPF_CORE_READ(task, se.sum_exec_runtime);
	if (comm)
		bpf_probe_read_kernel_str(life.comm, sizeof(life.comm), comm);
	else
		BPF_CORE_READ_STR_INTO(&life.comm, task, group_leader, comm);
	BPF_CORE_READ_STR_INTO(&life.parent_comm, parent, group_leader, comm);
	if (bpf_ringbuf_output(&watch_records, &life, sizeof(life), 0))
		count_watch(lost_lives);
	return 0;
}

static __always_inline void watch_process(struct task_struct *task, u32 tgid, u32 flags, const char comm[BW_COMM_LEN])
{
	struct bw_watched process = { .who = who_is(comm), .flags = flags };

	process.tgid = number_for_scanner(BPF_CORE_READ(task, signal, pids[PIDTYPE_TGID])) ?: tgid;
	if (__sync_fetch_and_add(&watch_born, 1) >= BW_BORN_APART)
		process.flags |= BW_WATCHED_FOLDED;
	if (bpf_map_update_elem(&watched, &tgid, &process, BPF_NOEXIST)) {
		count_watch(lost_lives);
		return;
	}
	tell_life(task, &process, BW_LIFE_BORN, 0, comm);
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(watch_fork, struct task_struct *parent, struct task_struct *child)
{
	char comm[BW_COMM_LEN] __attribute__((aligned(8))) = {};
	struct bw_watched *process;

	if (child->tgid == parent->tgid || watch_control.is_over)
		return 0;
	process = watched_process();
	if (!process)
		return 0;
	bpf_probe_read_kernel_str(comm, sizeof(comm), child->comm);
	watch_process(child, child->tgid, BW_WATCHED_BORN, comm);
	return 0;
}

static __always_inline bool is_name(const char comm[BW_COMM_LEN])
{
	const volatile u64 *wanted = (const volatile u64 *)watch_settings.name;
	const u64 *given = (const u64 *)comm;

	return wanted[0] && given[0] == wanted[0] && given[1] == wanted[1];
}

SEC("?tp_btf/task_rename")
int BPF_PROG(watch_name, struct task_struct *task, const char *name)
{
	char comm[BW_COMM_LEN] __attribute__((aligned(8))) = {};
	struct bw_watched *process;
	u32 tgid = task->tgid;

	if (task->pid != tgid || watch_control.is_over)
		return 0;
	bpf_probe_read_kernel_str(comm, sizeof(comm), name);
	process = bpf_map_lookup_elem(&watched, &tgid);
	if (process) {
		process->who = who_is(comm);
		if (is_name(comm))
			process->flags |= BW_WATCHED_NAMED;
		tell_life(task, process, BW_LIFE_NAMED, 0, comm);
	} else if (is_name(comm)) {
		watch_process(task, tgid, BW_WATCHED_BORN | BW_WATCHED_NAMED, comm);
	}
	return 0;
}

#define SIGNAL_GROUP_EXIT 0x4

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(watch_end, struct task_struct *task)
{
	u32 tgid = task->tgid;
	struct bw_watched *process = bpf_map_lookup_elem(&watched, &tgid);
	struct signal_struct *signal;
	s32 status;

	if (!process)
		return 0;
	signal = task->signal;
	if (signal->live.counter > 0)
		return 0; /* only a thread */
	status = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : task->group_leader->exit_code;
	tell_life(task, process, BW_LIFE_EXITED, status, NULL);
	bpf_map_delete_elem(&watched, &tgid);
	return 0;
}

/* ---- where one is that runs ---- */

#if defined(__TARGET_ARCH_x86)
struct timer_context { u64 regs[15], orig_ax, ip, cs, flags, sp, ss, period, address; };
#define interrupts_kernel(ctx) (!((ctx)->cs & 3))
#else
struct timer_context { u64 regs[31], sp, pc, pstate, period, address; };
#define interrupts_kernel(ctx) (((ctx)->pstate & 15) != 0)
#endif

SEC("?perf_event")
int watch_sample(struct timer_context *ctx)
{
	struct bw_watched *process = watched_process();
	struct watch_room *room;
	struct task_struct *task;
	struct pt_regs *regs;
	u32 zero = 0;
	long bytes;

	if (!process || watch_control.is_over)
		return 0;
	room = bpf_map_lookup_elem(&watch_scratch, &zero);
	if (!room)
		return 0;
	task = bpf_get_current_task_btf();
	room->sample.type = BW_RECORD_SAMPLE;
	room->sample.tgid = process->tgid;
	room->sample.pid = number_for_scanner(BPF_CORE_READ(task, thread_pid)) ?: task->pid;
	room->sample.in_kernel = interrupts_kernel(ctx);
	room->sample.number = -1;
	room->sample.abi = abi_of(task);
	if (room->sample.in_kernel) {
		regs = (struct pt_regs *)bpf_task_pt_regs(task);
		if (regs)
			room->sample.number = regs_number(regs);
	}
	bytes = bpf_get_stack(ctx, room->sample.stack, sizeof(room->sample.stack), BPF_F_USER_STACK);
	room->sample.depth = bytes > 0 ? bytes / sizeof(u64) : 0;
	if (bpf_ringbuf_output(&watch_records, &room->sample, sizeof(room->sample), 0))
		count_watch(lost_samples);
	return 0;
}

#endif
