/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What several programs use: the maps, and the memory that user space reads and writes. */
#ifndef BLOCKWATCH_SHARED_BPF_H
#define BLOCKWATCH_SHARED_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} records SEC(".maps");

/* Ids of calls that user space wants to hear of again in the next scan. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BW_REFRESH_MAX);
	__type(key, u64);
	__type(value, u32);
} refresh SEC(".maps");

const volatile struct bw_settings settings SEC(".rodata.settings");
struct bw_counters counters SEC(".data.counters");
struct bw_control control SEC(".data.control");
struct bw_crossing crossings[BW_CROSSINGS_MAX] SEC(".data.crossings");
struct bw_tally tallies[BW_PROCESSORS_MAX] SEC(".data.tallies");

/* The layout test finds in the type information only what a map or a global variable mentions. */
struct bw_close *mentioned __attribute__((unused));
struct bw_registers *mentioned_too __attribute__((unused));

static u32 scanner_level; /* depth of the PID namespace of whoever scans */
static u64 scanner_namespace; /* and which it is: there may be others of that depth */
static u32 scanner_tgid;  /* blockwatch itself */

/* What a thread does in its calls is seen. */
static __always_inline bool is_traced(void)
{
	return settings.trace && !control.untraced;
}

/* One more system call. An interruption between reading and writing loses one: nobody pays for its safety. */
static __always_inline void tally_call(void)
{
	tallies[bpf_get_smp_processor_id() & (BW_PROCESSORS_MAX - 1)].calls++;
}

#define count(field, n) __sync_fetch_and_add(&counters.field, (n))

#endif
