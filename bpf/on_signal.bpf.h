/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Remembers who stops whom: afterwards nobody knows any more. */
#ifndef BLOCKWATCH_ON_SIGNAL_BPF_H
#define BLOCKWATCH_ON_SIGNAL_BPF_H

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int signal, void *info, struct task_struct *task)
{
	struct task_struct *sender = bpf_get_current_task_btf();
	struct thread_state *state;

	if (signal < SIGSTOP || signal > SIGTTOU)
		return 0;
	state = state_of(task->group_leader);
	if (!state)
		state = bpf_task_storage_get(&threads, task->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state)
		return 0;
	state->stopper_tgid = sender->tgid;
	bpf_probe_read_kernel(state->stopper_comm, sizeof(state->stopper_comm), sender->group_leader->comm);
	return 0;
}

#endif
