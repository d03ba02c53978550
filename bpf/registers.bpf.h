/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Where each architecture keeps a system call's number, arguments, ip and sp. */
#ifndef BLOCKWATCH_REGISTERS_BPF_H
#define BLOCKWATCH_REGISTERS_BPF_H

#if defined(__TARGET_ARCH_x86)

#define TS_COMPAT 0x0002
#define RESTART_NUMBER 219
#define RESTART_NUMBER_COMPAT 0

static __always_inline u32 abi_of(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT ? BW_ABI_COMPAT : BW_ABI_NATIVE;
}

#define regs_number(regs) ((s32)(regs)->orig_ax)
#define regs_result(regs) ((s64)(regs)->ax)
#define regs_ip(regs) ((regs)->ip)
#define regs_sp(regs) ((regs)->sp)
#define KERNEL_SPACE 0xff00000000000000ull /* of five-level page tables; of four-level ones it is the upper end */
/* where a sleeping thread's stack pointer is kept */
#define task_kernel_sp(task) ((u64)BPF_CORE_READ(task, thread.sp))
#define STACK_BYTES (4 * 4096)
#define SOCKETCALL_NUMBER 102

static __always_inline bool is_socketcall(u32 number, u32 abi)
{
	return abi == BW_ABI_COMPAT && number == SOCKETCALL_NUMBER;
}

/* Of the program itself, whatever call it last made: by its code segment. */
static __always_inline u32 abi_of_program(struct pt_regs *regs)
{
	return regs->cs == 0x23 ? BW_ABI_COMPAT : BW_ABI_NATIVE;
}

static __always_inline void regs_args(struct pt_regs *regs, u32 abi, u64 args[6])
{
	if (abi == BW_ABI_COMPAT) {
		args[0] = (u32)regs->bx;
		args[1] = (u32)regs->cx;
		args[2] = (u32)regs->dx;
		args[3] = (u32)regs->si;
		args[4] = (u32)regs->di;
		args[5] = (u32)regs->bp;
	} else {
		args[0] = regs->di;
		args[1] = regs->si;
		args[2] = regs->dx;
		args[3] = regs->r10;
		args[4] = regs->r8;
		args[5] = regs->r9;
	}
}

#elif defined(__TARGET_ARCH_arm64)

#define RESTART_NUMBER 128
#define RESTART_NUMBER_COMPAT 0

static __always_inline u32 abi_of(struct task_struct *task)
{
	return BW_ABI_NATIVE; /* TIF_32BIT tasks are left out: their table is not generated */
}

#define regs_number(regs) ((s32)(regs)->syscallno)
#define regs_result(regs) ((s64)(regs)->regs[0])
#define regs_ip(regs) ((regs)->pc)
#define regs_sp(regs) ((regs)->sp)
#define KERNEL_SPACE 0xffff000000000000ull
#define task_kernel_sp(task) 0ull /* not looked for: descriptors closed meanwhile stay unresolved */
#define STACK_BYTES 0
#define is_socketcall(number, abi) false
#define abi_of_program(regs) BW_ABI_NATIVE

static __always_inline void regs_args(struct pt_regs *regs, u32 abi, u64 args[6])
{
	args[0] = regs->orig_x0;
	args[1] = regs->regs[1];
	args[2] = regs->regs[2];
	args[3] = regs->regs[3];
	args[4] = regs->regs[4];
	args[5] = regs->regs[5];
	/* where another branch copies arguments from elsewhere, clang would load the last one for both, and the
	 * verifier refuses one instruction on two kinds of pointers */
	asm volatile("" : "+r"(regs));
}

#endif

/* The kernel's codes for "interrupted, will be restarted"; never seen by programs. */
static __always_inline bool is_restart(s64 result)
{
	return result == -512 || result == -513 || result == -514 || result == -516;
}

static __always_inline bool is_restart_number(u32 number, u32 abi)
{
	return number == (abi == BW_ABI_COMPAT ? RESTART_NUMBER_COMPAT : RESTART_NUMBER);
}

/* A struct bw_call_class as one number: half of what is done for a call that is not watched is to find that out. */
static __always_inline u32 meaning_of(u32 number)
{
	/* what is compared is what is used: clang would compare one copy and use another, and the verifier refuses */
	asm volatile("" : "+r"(number));
	/* int 0x80 and x32 bring any number: unsigned, so that -1 is out too */
	return number < BW_SYSCALLS_MAX ? *(const volatile u32 *)&settings.calls[number] : 0;
}

#define WATCHED_BY_ANY 0xffffu

static __always_inline u32 class_in(u32 meaning, u32 abi)
{
	return (u8)(meaning >> (abi & 1) * 8);
}

static __always_inline u32 traits_in(u32 meaning, u32 abi)
{
	return (u8)(meaning >> (16 + (abi & 1) * 8));
}

static __always_inline u32 watched_class(u32 number, u32 abi)
{
	return class_in(meaning_of(number), abi);
}

static __always_inline u32 traits_of(u32 number, u32 abi)
{
	return traits_in(meaning_of(number), abi);
}

#endif
