/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The floor of the mechanism: both tracepoints with programs that do nothing. */
#define SEC(name) __attribute__((section(name), used))

SEC("tp_btf/sys_enter") int empty_enter(void *context) { return 0; }
SEC("tp_btf/sys_exit") int empty_exit(void *context) { return 0; }

char LICENSE[] SEC("license") = "Dual BSD/GPL";
