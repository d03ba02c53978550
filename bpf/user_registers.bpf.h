/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Where in its program a chosen thread is: what it left in its registers when it entered the kernel, from the top of
 * its kernel stack. Who sleeps in the kernel has all of them there, whether it came by a call or a fault.
 */
#ifndef BLOCKWATCH_USER_REGISTERS_BPF_H
#define BLOCKWATCH_USER_REGISTERS_BPF_H

#if defined(__TARGET_ARCH_x86)
static __always_inline void copy_registers(struct bw_registers *out, struct task_struct *task, struct pt_regs *regs)
{
	out->thread_pointer = BPF_CORE_READ(task, thread.fsbase);
	out->values[0] = regs->ax;
	out->values[1] = regs->dx;
	out->values[2] = regs->cx;
	out->values[3] = regs->bx;
	out->values[4] = regs->si;
	out->values[5] = regs->di;
	out->values[6] = regs->bp;
	out->values[7] = regs->sp;
	out->values[8] = regs->r8;
	out->values[9] = regs->r9;
	out->values[10] = regs->r10;
	out->values[11] = regs->r11;
	out->values[12] = regs->r12;
	out->values[13] = regs->r13;
	out->values[14] = regs->r14;
	out->values[15] = regs->r15;
	out->values[16] = regs->ip;
}
#else
/* stacks are walked on x86-64 only */
static __always_inline void copy_registers(struct bw_registers *out, struct task_struct *task, struct pt_regs *regs)
{
	out->values[7] = regs_sp(regs);
	out->values[16] = regs_ip(regs);
}
#endif

SEC("iter/task")
int user_registers(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct bw_registers out = {};
	struct pt_regs *regs;

	if (ctx->meta->seq_num == 0)
		note_scanner(bpf_get_current_task_btf());
	if (!task || task->flags & PF_KTHREAD || !is_viewed(BW_VIEW_THREAD, 0, task->pid))
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (!regs)
		return 0;
	out.tgid = task->tgid;
	out.pid = task->pid;
	out.reader_tgid = number_for_scanner(BPF_CORE_READ(task, group_leader, thread_pid));
	out.reader_pid = number_for_scanner(task->thread_pid);
	out.abi = abi_of_program(regs);
	out.state = task_state(task) & ~TASK_NOLOAD;
	out.switches = task->nvcsw + task->nivcsw;
	copy_registers(&out, task, regs);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

#endif
