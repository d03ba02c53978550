/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Only the kernel structures that are read, and of those only the fields: the loader
 * relocates every access against the running kernel's BTF, so order and size here do not
 * matter. Types that changed between kernels carry a ___suffix, which the loader ignores.
 */
#ifndef BLOCKWATCH_KERNEL_TYPES_H
#define BLOCKWATCH_KERNEL_TYPES_H

typedef unsigned char __u8;
typedef short int __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long int __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;

#define NULL ((void *)0)

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum bpf_func_id { BPF_FUNC_loop = 181 }; /* 5.17 on */
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1024 };
enum { BPF_F_USER_STACK = 1 << 8 };
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };
enum { BPF_RB_AVAIL_DATA = 0, BPF_RB_RING_SIZE = 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct { int counter; } atomic_t;
typedef struct { atomic_t refs; } refcount_t;

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, r11, r10, r9, r8, bp, bx, ax, cx, dx, si, di, orig_ax, ip, sp;
	u16 cs;
};
struct thread_info { unsigned long flags; u32 status; };
struct thread_struct { unsigned long sp, fsbase; };
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	u64 regs[31];
	u64 sp, pc, pstate;
	u64 orig_x0;
	s32 syscallno;
};
struct thread_info { unsigned long flags; };
struct thread_struct { unsigned long fault_address; };
#else
#error "no register layout for this architecture"
#endif

struct rq { u64 clock, clock_task; };
struct cfs_rq { struct rq *rq; };
struct sched_entity { u64 exec_start, sum_exec_runtime; struct cfs_rq *cfs_rq; };

struct kernfs_node { const char *name; u64 id; struct kernfs_node *__parent; };
struct kernfs_node___old { struct kernfs_node *parent; }; /* before 6.15 */
struct cgroup { struct kernfs_node *kn; };
struct cgroup_subsys_state { struct cgroup *cgroup; };
struct css_set { struct cgroup_subsys_state *subsys[16]; struct cgroup *dfl_cgrp; };
enum cgroup_subsys_id { memory_cgrp_id = 1, pids_cgrp_id = 2, cpu_cgrp_id = 3, freezer_cgrp_id = 4 };

struct ns_common { unsigned int inum; };
struct pid_namespace { struct ns_common ns; };
struct mnt_namespace { struct ns_common ns; };
struct net { struct ns_common ns; };
struct nsproxy { struct mnt_namespace *mnt_ns; struct net *net_ns; };
struct upid { int nr; struct pid_namespace *ns; };
struct pid { unsigned int level; struct upid numbers[1]; };

typedef struct { u32 val; } kuid_t;
struct cred { kuid_t euid; };

struct list_head { struct list_head *next, *prev; };
struct hlist_head { void *first; };
struct sigpending { struct list_head list; };
struct rw_semaphore { struct { long counter; } count, owner; struct list_head wait_list; };
struct mutex { struct { long counter; } owner; struct list_head wait_list; };
struct mutex_waiter { struct list_head list; struct task_struct *task; };
struct rwsem_waiter { struct list_head list; struct task_struct *task; };
struct hrtimer { u8 state; };
struct signal_struct___old { struct list_head posix_timers; }; /* before 6.12 */
struct signal_struct {
	struct pid *pids[4];
	int nr_threads;
	struct sigpending shared_pending;
	struct hlist_head posix_timers;
	struct hrtimer real_timer;
	atomic_t live;
	unsigned int flags;
	int group_exit_code;
	unsigned long long sum_sched_runtime;
};

struct qstr { const unsigned char *name; u32 len; };
struct inode;
struct super_block;
struct dentry { struct qstr d_name; struct inode *d_inode; struct super_block *d_sb; };
struct path { struct dentry *dentry; };
struct file_system_type { const char *name; };
struct block_device { unsigned int bd_dev; };
struct super_block {
	unsigned int s_dev;
	unsigned long s_magic;
	struct dentry *s_root;
	struct block_device *s_bdev;
	void *s_fs_info;
	struct file_system_type *s_type;
	const char *s_subtype;
	char s_id[32];
};
struct inode {
	u16 i_mode;
	unsigned long i_ino;
	unsigned int i_nlink;
	unsigned int i_rdev;
	long long i_size;
	struct super_block *i_sb;
	struct file_lock_context *i_flctx;
	void *i_private;
	struct rw_semaphore i_rwsem;
};
struct wait_queue_entry { void *private; struct list_head entry; };
struct wait_queue_head { struct list_head head; };
struct file_lock_context { struct list_head flc_flock, flc_posix; };
struct file_lock_core {
	struct file_lock_core *flc_blocker;
	struct list_head flc_list, flc_blocked_requests, flc_blocked_member;
	void *flc_owner;
	unsigned int flc_flags;
	unsigned char flc_type;
	int flc_pid;
	struct wait_queue_head flc_wait;
	struct file *flc_file;
};
struct file_lock { long long fl_start, fl_end; };
struct file_lock___old { /* before 6.9 */
	struct file_lock___old *fl_blocker;
	struct list_head fl_list, fl_blocked_requests, fl_blocked_member;
	void *fl_owner;
	unsigned int fl_flags;
	unsigned char fl_type;
	unsigned int fl_pid;
	struct wait_queue_head fl_wait;
	struct file *fl_file;
};
enum tty_driver_type { TTY_DRIVER_TYPE_PTY = 4 };
enum tty_driver_subtype { PTY_TYPE_MASTER = 1 };
struct tty_driver { enum tty_driver_type type; enum tty_driver_subtype subtype; };
struct tty_driver___short { short int type, subtype; };
struct tty_struct { struct tty_driver *driver; struct tty_struct *link; };
struct tty_file_private { struct tty_struct *tty; };
struct fuse_conn { unsigned int dev; };
struct fuse_dev { struct fuse_conn *fc; };
struct fuse_mount { struct fuse_conn *fc; };

struct file {
	struct mutex f_pos_lock;
	unsigned int f_flags, f_mode;
	void *private_data;
	struct inode *f_inode;
	struct path f_path;
	void *f_mapping;
	long long f_pos;
};
struct fdtable { unsigned int max_fds; struct file **fd; };
struct files_struct { atomic_t count; struct fdtable *fdt; };

struct pipe_buffer { unsigned int offset, len; };
struct pipe_inode_info {
	unsigned int head, tail, max_usage, ring_size, readers, writers;
	struct pipe_buffer *bufs;
};

struct rb_node { unsigned long __rb_parent_color; struct rb_node *rb_right, *rb_left; };
struct rb_root { struct rb_node *rb_node; };
struct rb_root_cached { struct rb_root rb_root; };
struct epoll_filefd { struct file *file; int fd; };
struct epoll_event { u32 events; };
struct epitem { struct rb_node rbn; struct epoll_filefd ffd; struct epoll_event event; };
struct eventpoll { struct rb_root_cached rbr; };

struct hlist_node { struct hlist_node *next; };
struct io_kiocb { struct file *file; u8 opcode; struct hlist_node hash_node; };
struct io_hash_bucket { struct hlist_head list; };
struct io_hash_table { struct io_hash_bucket *hbs; unsigned int hash_bits; };
struct io_ring_ctx {
	struct io_hash_table cancel_table, cancel_table_locked; /* the second one 6.0 to 6.9 */
	struct list_head timeout_list;
	unsigned int cached_sq_head, cached_cq_tail;
};

struct in6_addr { union { u8 bytes[16]; } in6_u; };
typedef struct { struct net *net; } possible_net_t;
struct sock_common {
	possible_net_t skc_net;
	u32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	u16 skc_num;
	u16 skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};
struct sock {
	struct sock_common __sk_common;
	struct { atomic_t rmem_alloc; } sk_backlog;
	refcount_t sk_wmem_alloc;
	u16 sk_type, sk_protocol;
	u32 sk_ack_backlog, sk_max_ack_backlog;
	long sk_rcvtimeo, sk_sndtimeo;
	int sk_forward_alloc;
	struct socket *sk_socket;
};
struct socket { struct file *file; struct sock *sk; };
struct socket_alloc { struct socket socket; struct inode vfs_inode; };
struct inet_connection_sock {
	u8 icsk_retransmits, icsk_probes_out;
	struct { u32 lrcvtime; } icsk_ack;
};
struct tcp_sock {
	u32 snd_wnd, copied_seq, write_seq, lsndtime, rcv_nxt, snd_nxt, snd_una, rcv_tstamp;
	u64 bytes_sent, bytes_received;
};
struct sockaddr_un { u16 sun_family; char sun_path[108]; };
struct unix_address { refcount_t refcnt; int len; struct sockaddr_un name[1]; };
struct unix_sock { struct unix_address *addr; struct sock *peer; };
struct netlink_sock { u32 portid, dst_portid, ngroups; };
struct sockaddr_vm { unsigned int svm_port, svm_cid; };
struct vsock_sock { struct sockaddr_vm local_addr, remote_addr; };

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state;
	void *stack;
	unsigned int flags;
	unsigned int ptrace;
	struct sched_entity se;
	int exit_state, exit_code;
	unsigned in_iowait : 1;
	unsigned long jobctl;
	u32 pid, tgid;
	struct task_struct *real_parent, *parent, *group_leader;
	struct pid *thread_pid;
	unsigned long nvcsw, nivcsw, min_flt, maj_flt;
	u64 start_boottime;
	struct cred *cred;
	char comm[16];
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct sigpending pending;
	unsigned long blocker; /* 6.16 on: the kernel lock a thread in D waits for, its kind in the lowest two bits */
	unsigned long sas_ss_sp, sas_ss_size;
	struct css_set *cgroups;
	struct thread_struct thread;
};

struct kernel_clone_args { int user_worker; }; /* 6.4 on: PF_USER_WORKER has its meaning */

struct semaphore { unsigned long last_holder; };

struct seq_file;
struct bpf_iter_meta { struct seq_file *seq; u64 session_id, seq_num; };
struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; };
struct bpf_iter__task_file { struct bpf_iter_meta *meta; struct task_struct *task; u32 fd; struct file *file; };

#pragma clang attribute pop

#endif
