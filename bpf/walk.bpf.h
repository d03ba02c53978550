/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Walking the kernel's lists and trees: loops that every kernel's verifier takes, words read by address. */
#ifndef BLOCKWATCH_WALK_BPF_H
#define BLOCKWATCH_WALK_BPF_H

/* The verifier looks at the body of a bpf_loop() once, at that of any other loop once a turn: loading takes a
 * third of the time. Where the kernel has no bpf_loop the loops are shorter. */
#define LOOP(turns, fewer, step, context)                                                                             \
	do {                                                                                                          \
		if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {                                    \
			bpf_loop((turns), (step), (context), 0);                                                      \
		} else {                                                                                              \
			for (u32 turn_ = 0; turn_ < (fewer); turn_++) {                                               \
				if (step(turn_, (context)))                                                           \
					break;                                                                        \
			}                                                                                             \
		}                                                                                                     \
	} while (0)

static __always_inline u64 word_at(u64 address)
{
	u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), (void *)address);
	return word;
}

#endif
