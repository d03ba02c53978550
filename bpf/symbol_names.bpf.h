/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What the kernel's functions are called. It knows; from /proc/kallsyms all hundred thousand would have to be read, and from
 * whoever has no CAP_SYSLOG it hides their addresses.
 */
#ifndef BLOCKWATCH_SYMBOL_NAMES_BPF_H
#define BLOCKWATCH_SYMBOL_NAMES_BPF_H

u64 symbol_addresses[BW_SYMBOLS_MAX] SEC(".data.symbols");

/* A line for each address that is asked for, up to the first 0. */
SEC("iter/task")
int symbol_names(struct bpf_iter__task *ctx)
{
	if (!ctx->task || ctx->meta->seq_num)
		return 0;
	for (u32 i = 0; i < BW_SYMBOLS_MAX; i++) {
		void *address = (void *)symbol_addresses[i];

		if (!address)
			break;
		BPF_SEQ_PRINTF(ctx->meta->seq, "%ps\n", address);
	}
	return 0;
}

#endif
