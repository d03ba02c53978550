/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The BPF object: what it is made of, in the order in which it builds on itself.
 *
 *   program          attached to                what it does                           file
 *   on_sys_enter     tp_btf/sys_enter           stamps a call that can block           on_sys_enter.bpf.h
 *   count_calls      tp_btf/sys_enter           only counts, while both are out        on_sys_enter.bpf.h
 *   on_sys_exit      tp_btf/sys_exit            clears the stamp, closes the call      on_sys_exit.bpf.h
 *   on_process_exit  tp_btf/sched_process_exit  closes the calls of a dying thread     on_process_exit.bpf.h
 *   on_signal        tp_btf/signal_generate     remembers who stops whom               on_signal.bpf.h
 *   scan             iter/task                  reports what is past the threshold     scan.bpf.h
 *   holders          iter/task_file             tells who has which file open          holders.bpf.h
 *   view             iter/task                  tells what chosen threads are doing    view.bpf.h
 *   user_registers   iter/task                  where in their programs they are       user_registers.bpf.h
 *   watch_...        several                    one process closely, when asked for            watch_one.bpf.h
 *
 * `.h` declares, `.bpf.h` is code. What moves between them all is a thread's state: thread_state.h
 * has the table of events and slots. What goes to user space is in include/blockwatch.h.
 */
#include "kernel_types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "include/blockwatch.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#include "kernel_constants.h"
#include "thread_state.h"
#include "shared.bpf.h"
#include "stamps.bpf.h"
#include "homes.bpf.h"

/* what a thread is in */
#include "registers.bpf.h"
#include "walk.bpf.h"
#include "objects.bpf.h"
#include "call_file.bpf.h"
#include "storage.bpf.h"
#include "kernel_lock.bpf.h"
#include "describe.bpf.h"
#include "report.bpf.h"

/* the calls of a thread, in the thread itself */
#include "slots.bpf.h"
#include "untraced.bpf.h"
#include "on_sys_enter.bpf.h"
#include "on_sys_exit.bpf.h"
#include "on_process_exit.bpf.h"
#include "on_signal.bpf.h"

/* all threads, from blockwatch's own */
#include "scan.bpf.h"
#include "locks.bpf.h"
#include "epoll.bpf.h"
#include "rings.bpf.h"
#include "holders.bpf.h"
#include "view.bpf.h"
#include "user_registers.bpf.h"
#include "symbol_names.bpf.h"

/* one process, only when asked for */
#include "watch_one.bpf.h"
