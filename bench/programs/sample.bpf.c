/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What a sampler of threads costs: of each thread of a program its number, name, state and call. */
#include "kernel_types.h"
#include "kernel_constants.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "sample.h"

SEC("iter/task")
int sample(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct sample out = {};
	struct pt_regs *regs;

	if (!task || task->flags & PF_KTHREAD)
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (!regs)
		return 0;
	out.tid = task->pid;
	out.process = task->tgid;
	out.state = task->__state;
#if defined(__TARGET_ARCH_x86)
	out.number = regs->orig_ax;
#else
	out.number = regs->syscallno;
#endif
	BPF_CORE_READ_STR_INTO(&out.name, task, comm);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
