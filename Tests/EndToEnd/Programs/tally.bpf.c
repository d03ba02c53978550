/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A second count of one process's calls, which shares nothing with blockwatch's: a hash of entry times by thread, the
 * clock read at both ends, and an array of what lasted long. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "tally.h"

#ifndef NULL
#define NULL ((void *)0)
#endif

struct entry {
	__u64 at_ns, at_ticks;
	__u64 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct entry);
} inside SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TALLY_MAX);
	__type(key, __u32);
	__type(value, struct tallied);
} past SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tally);
} state_of SEC(".maps");

#define count(field) __sync_fetch_and_add(&state->field, 1)

static void leave(__u64 thread, __s64 result, __u32 has_died)
{
	__u32 zero = 0;
	struct tally *state = bpf_map_lookup_elem(&state_of, &zero);
	struct entry *entry = bpf_map_lookup_elem(&inside, &thread);
	__u64 now_ns = bpf_ktime_get_ns();

	if (!state)
		return;
	if (thread >> 32 != state->target) {
		if (entry && now_ns - entry->at_ns >= state->least_ns)
			count(others);
	} else if (!entry) {
		if (!has_died)
			count(unknown);
	} else {
		if (has_died)
			count(died);
		else
			count(left);
		if (now_ns - entry->at_ns >= state->least_ns) {
			__u32 index = count(past);
			struct tallied *room = bpf_map_lookup_elem(&past, &index);

			if (room)
				*room = (struct tallied){
					.entered_ns = entry->at_ns,
					.left_ns = now_ns,
					.ticks = bpf_jiffies64() - entry->at_ticks,
					.result = result,
					.tid = thread,
					.number = entry->number,
					.died = has_died,
				};
		}
	}
	bpf_map_delete_elem(&inside, &thread);
}

SEC("tp_btf/sys_enter") int tally_enter(__u64 *context)
{
	__u32 zero = 0;
	__u64 thread = bpf_get_current_pid_tgid();
	struct entry entry = {
		.at_ns = bpf_ktime_get_ns(),
		.at_ticks = bpf_jiffies64(),
		.number = context[1],
	};
	struct tally *state = bpf_map_lookup_elem(&state_of, &zero);

	if (state && thread >> 32 == state->target)
		count(entered);
	bpf_map_update_elem(&inside, &thread, &entry, BPF_ANY);
	return 0;
}

SEC("tp_btf/sys_exit") int tally_exit(__u64 *context)
{
	leave(bpf_get_current_pid_tgid(), context[1], 0);
	return 0;
}

SEC("tp_btf/sched_process_exit") int tally_death(__u64 *context)
{
	leave(bpf_get_current_pid_tgid(), 0, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
