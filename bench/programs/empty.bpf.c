/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The floors of the mechanisms: both tracepoints and the task iterator with programs that do nothing. */
#define SEC(name) __attribute__((section(name), used))

SEC("tp_btf/sys_enter") int empty_enter(void *context) { return 0; }
SEC("tp_btf/sys_exit") int empty_exit(void *context) { return 0; }
SEC("iter/task") int empty_scan(void *context) { return 0; }

char LICENSE[] SEC("license") = "Dual BSD/GPL";
