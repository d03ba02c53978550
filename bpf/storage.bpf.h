/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The file system that a sleeping thread waits in, where no descriptor tells it: calls on paths, page faults, exits.
 *
 * Whoever waits inside of a file system has its files, directories and inodes on the kernel stack. The innermost are those
 * of the file system the thread waits in, also where one lies on another; what earlier calls have left is there once by
 * chance. A thread that can be interrupted waits for nothing but a FUSE server.
 */
#ifndef BLOCKWATCH_STORAGE_BPF_H
#define BLOCKWATCH_STORAGE_BPF_H

/* Its root and that one's inode point back at it: no other object's bytes look like that. */
static __always_inline bool is_super_block(struct super_block *sb)
{
	return (u64)sb >= KERNEL_SPACE && BPF_CORE_READ(sb, s_root, d_sb) == sb &&
	       BPF_CORE_READ(sb, s_root, d_inode, i_sb) == sb && BPF_CORE_READ(sb, s_type) && BPF_CORE_READ(sb, s_dev);
}

/* The file system of what lies at an address; 0 for none. */
__noinline u64 super_block_at(u64 address)
{
	struct super_block *sb = BPF_CORE_READ((struct inode *)address, i_sb);

	if (is_super_block(sb))
		return (u64)sb;
	sb = BPF_CORE_READ((struct dentry *)address, d_sb);
	if (is_super_block(sb))
		return (u64)sb;
	sb = BPF_CORE_READ((struct file *)address, f_inode, i_sb);
	return is_super_block(sb) ? (u64)sb : 0;
}

/* A block device's own inode, by which its pages and requests go; 0: none. */
__noinline u32 block_device_at(u64 address)
{
	struct inode *inode = (struct inode *)address;

	return BPF_CORE_READ(inode, i_sb, s_magic) == BDEVFS_MAGIC ? BPF_CORE_READ(inode, i_rdev) : 0;
}

static long look_for_super_block(u32 index, struct stack_walk *walk)
{
	struct candidates *seen = walk->seen;
	u64 word, sb;

	if (!seen || walk->from >= walk->top || bpf_probe_read_kernel(&word, sizeof(word), (void *)walk->from))
		return 1;
	walk->from += 8;
	word &= ~FD_FLAG_BITS;
	sb = word < KERNEL_SPACE ? 0 : super_block_at(word);
	if (!sb)
		return 0;
	if (walk->wanted) {
		if (BPF_CORE_READ((struct super_block *)sb, s_magic) != walk->wanted)
			return 0;
	} else if (sb != seen->first && sb != seen->second) {
		if (!seen->first)
			seen->first = sb;
		else
			seen->second = sb;
		return 0;
	}
	walk->found = sb;
	walk->word = word;
	return 1;
}

/* Fills call->object, if it is empty, with the file system that the thread waits in. */
static __noinline int resolve_from_file_system(struct bw_call *call, struct task_struct *task)
{
	struct stack_walk walk = { .from = task_kernel_sp(task) };
	u32 state = BPF_CORE_READ(task, __state), zero = 0;

	walk.seen = bpf_map_lookup_elem(&stack_candidates, &zero);
	if (!walk.from || !walk.seen || !state)
		return 0;
	walk.seen->first = walk.seen->second = 0;
	walk.wanted = state & TASK_UNINTERRUPTIBLE ? 0 : FUSE_SUPER_MAGIC;
	walk.top = (u64)BPF_CORE_READ(task, stack) + STACK_BYTES;
	LOOP(STACK_WORDS, 96, look_for_super_block, &walk);
	if (!walk.found)
		walk.found = walk.seen->first;
	if (!walk.found)
		return 0;
	call->object.kind = BW_OBJECT_MOUNT;
	resolve_super_block(&call->object, walk.found);
	if (call->object.fs_magic == BDEVFS_MAGIC)
		call->object.u.storage.block_device = block_device_at(walk.word);
	return 0;
}

#endif
