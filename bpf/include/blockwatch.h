/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The one contract between the BPF programs and user space: settings that go in,
 * records and counters that come out. Both sides include this file; the static
 * asserts below and a test against the object's BTF keep the layouts equal.
 *
 * Terms: this is the kernel side, so `tgid` is what users call the process id and
 * `pid` is the thread id. The line where they change is in Core/Decode.
 */
#ifndef BLOCKWATCH_H
#define BLOCKWATCH_H

#ifdef __bpf__
typedef unsigned char bw_u8;
typedef unsigned short bw_u16;
typedef unsigned int bw_u32;
typedef int bw_s32;
typedef unsigned long long bw_u64;
typedef long long bw_s64;
#else
#include <stdint.h>
typedef uint8_t bw_u8;
typedef uint16_t bw_u16;
typedef uint32_t bw_u32;
typedef int32_t bw_s32;
typedef uint64_t bw_u64;
typedef int64_t bw_s64;
#endif

#define BW_SYSCALLS_MAX 512 /* numbers above this are never watched (x32 has bit 30 set) */
#define BW_COMM_LEN 16
#define BW_NAME_LEN 64	      /* a dentry's or a file system's name, cut */
#define BW_UNIX_PATH_LEN 108  /* sun_path */
#define BW_STACK_DEPTH 16     /* kernel stack frames kept */
#define BW_SYMBOLS_MAX 64     /* addresses named at once */
#define BW_CGROUP_LEN 1024    /* cgroup path, leaf first, components ended by NUL */
#define BW_CGROUP_LEVELS 12
#define BW_CGROUP_NAME 256    /* NAME_MAX and its NUL */
#define BW_REFRESH_MAX 1024   /* calls that user space can ask about in one scan */
#define BW_QUESTIONS_MAX 16384/* keys that one pass over the open files can look for */
#define BW_CROSSINGS_MAX 256  /* calls with a timer of their own */
#define BW_PROCESSORS_MAX 256 /* with a tally of their own, a power of two; of more, several share one */

/* What a system call may wait for; one byte per number in `bw_settings`. The low nibble
 * is the class, BW_MOVES_BYTES is set where a positive result means bytes moved, and the
 * top three bits say which argument is the descriptor. 0: never blocks, not watched. */
enum bw_class {
	BW_CLASS_NONE = 0,
	BW_CLASS_FD = 1,      /* on the descriptor in one argument */
	BW_CLASS_SET = 2,     /* on a set of descriptors: poll, select, epoll, aio, io_uring */
	BW_CLASS_LOCK = 3,    /* on a file lock: flock, fcntl */
	BW_CLASS_PROCESS = 4, /* on another process: wait4, vfork, pidfd */
	BW_CLASS_MEMORY = 5,  /* on a word of memory or on memory itself: futex, msync, mmap */
	BW_CLASS_TIME = 6,    /* on a clock: nanosleep */
	BW_CLASS_SIGNAL = 7,  /* on a signal: pause, rt_sigtimedwait */
	BW_CLASS_PATH = 8,    /* on a file named by path: open, stat, mount, rename */
	BW_CLASS_IPC = 9,     /* on SysV or POSIX IPC */
	BW_CLASS_KERNEL = 10, /* on the kernel itself: sync, reboot, init_module, bpf */
	BW_CLASS_SIGRETURN = 14, /* rt_sigreturn: never reported, ends handlers */
	BW_CLASS_RESTART = 15,	 /* restart_syscall: continues the interrupted call */
};
#define BW_CLASS_MASK 0x0f
#define BW_MOVES_BYTES 0x10
#define BW_FD_SHIFT 5	     /* descriptor argument 0..5; 6: AT-style directory; 7: none */
#define BW_FD_NONE 7

enum bw_abi {
	BW_ABI_NATIVE = 0, /* x86_64, aarch64 */
	BW_ABI_COMPAT = 1, /* i386: 32-bit programs, and int 0x80 from 64-bit ones */
};

/* What a number means: in four bytes, because every system call of the host asks. */
struct bw_call_class {
	bw_u8 watched[2]; /* by enum bw_abi: enum bw_class and its flags */
	bw_u8 traits[2];  /* the same: BW_TRAIT_... */
};

/* Written by user space before the programs are loaded; the verifier folds it. */
struct bw_settings {
	bw_u64 threshold_ns;
	bw_u64 tick_ns;	     /* length of a jiffy: clock_getres(CLOCK_MONOTONIC_COARSE) */
	bw_u64 near_age;     /* in stamp units: below this age no scan can have reported a call */
	bw_u64 sure_age;     /* in stamp units: from this age on a call is surely past the threshold */
	bw_u64 late_age;     /* in stamp units: at this age a scan should have reported it long since */
	bw_u32 precise;	     /* stamps are CLOCK_MONOTONIC nanoseconds instead of jiffies */
	bw_u32 trace;	     /* engine trace; 0: engine scan, no program on any system call */
	bw_u32 narrow;	     /* some calls that can block are not watched: sleeping in one is nobody's business */
	bw_u32 short_age;    /* in stamp units: what returns before it has not waited */
	bw_u32 homes_shift;  /* 32 less the binary logarithm of how many threads have their state in the table */
	struct bw_call_class calls[BW_SYSCALLS_MAX]; /* by number */
};

#define BW_TRAIT_SENDS 1 /* bytes go away from the thread */
#define BW_TRAIT_POLLS 2 /* its first argument is an array of struct pollfd, its second how many there are */
#define BW_TRAIT_MILLISECONDS 4 /* its third argument is its time-out; 0: it does not wait */
#define BW_TRAIT_CONNECTS 8 /* what was moved on the descriptor before was on another connection */
#define BW_TRAIT_MILLISECONDS_4TH 16 /* its fourth argument is its time-out; below 0: for ever */

/* Shared memory, read by user space at any time and written by the programs. */
struct bw_counters {
	bw_u64 lost_records;   /* ring buffer full: a record was dropped (a scan tries again) */
	bw_u64 lost_closings;  /* the same for a closing of a reported call */
	bw_u64 lost_calls;     /* past the threshold for long, and never said when the thread died in it */
	bw_u64 null_storage;   /* no task storage for a thread: its call was not stamped */
	bw_u64 missed_exits;   /* an exit was never seen; found by entry or scan */
	bw_u64 slow_calls;     /* returned past the threshold before a scan saw them */
	bw_u64 unseen_calls;   /* returned while the probes were out, perhaps past the threshold, and never said */
	/* of the last scan */
	bw_u64 scan_threads;   /* threads looked at */
	bw_u64 scan_dropped;   /* candidates for which the ring had no room: scan again at once */
	bw_u64 scan_crossings; /* calls that cross the threshold before the horizon; the first in `crossings` */
	bw_u64 scan_next_ns;   /* CLOCK_MONOTONIC at which the first of these does; 0: none */
	bw_u64 scan_clock;     /* the clock of stamps at its start */
	bw_u64 scan_boot;      /* a pair of readings: CLOCK_MONOTONIC ... */
	bw_u64 scan_sched;     /* ... and the scheduler's clock */
};

/* A thread to be looked at alone, when its call crosses the threshold. */
struct bw_crossing {
	bw_u64 at_ns; /* CLOCK_MONOTONIC */
	bw_u32 tid;   /* in the PID namespace of whoever scans */
	bw_u32 pad;
};

/* System calls that a processor has begun while somebody counted. A line of the cache each. */
struct bw_tally {
	bw_u64 calls;
	bw_u64 pad[7];
};

/* Written by user space between scans. */
struct bw_control {
	bw_u64 horizon_ns;    /* CLOCK_MONOTONIC of the next scan */
	bw_u32 refresh_some;  /* look into the map `refresh` */
	bw_u32 wanted;	      /* kinds of keys in the map `questions`: 1 << enum bw_key_kind */
	bw_u32 wanted_parents, wanted_inner; /* kinds of keys in the map `viewed` */
	bw_u32 look_closely;  /* also at threads whose call has been reported: their registers and what they wait for */
	bw_u32 untraced;      /* the probes are out: a call that returns is not seen to */
	bw_u32 only_note;     /* the probes will be taken out: only who sleeps is noted */
	bw_u32 pad;
};

/* What an open file can be asked for by. */
enum bw_key_kind {
	BW_KEY_INODE = 1,   /* device and number of the inode: pipes, FIFOs, files, sockets */
	BW_KEY_PRIVATE = 2, /* file->private_data: anonymous inodes, which share one inode */
	BW_KEY_TTY = 3,	    /* address of the terminal */
	BW_KEY_FUSE = 4,    /* device of the mount: its server's /dev/fuse */
	BW_KEY_INET = 5,    /* protocol in `device`, addresses and ports of a connected socket */
	BW_KEY_PORT = 6,    /* protocol in `device`, local port of a socket without a peer */
	BW_KEY_UNIX = 7,    /* address of the name of a listener */
	BW_KEY_FD = 8,	    /* process in `device`, descriptor in `number`: told as struct bw_member */
	BW_KEY_SOCKETS = 9, /* process in `device`: its connected and listening IP sockets, BW_SOCKETS_MAX of them, as struct bw_member */
};

struct bw_key {
	bw_u32 kind;
	bw_u32 device;
	bw_u64 number;
	bw_u8 local[16], peer[16]; /* IPv4 as IPv6 maps it */
	bw_u16 local_port, peer_port;
	bw_u32 pad;
};

/* bw_question flags */
#define BW_ASK_LOCKS 1 /* the locks on the file too */
#define BW_ASK_ITEMS 2 /* of an epoll: what it waits for, as struct bw_set */

/* Value of the map `questions`. */
struct bw_question {
	bw_u32 id;
	bw_u32 flags;
	bw_u64 locks_at; /* the kernel side's own: where in a pass the locks were told; or how many sockets were */
	bw_u64 session;	 /* and in which pass */
};

#define BW_SOCKETS_MAX 64 /* of one process */
#define BW_VIEW_THREADS 1024 /* of a process with more, only the main thread is shown */

enum bw_view_kind {
	BW_VIEW_PROCESS = 1, /* all threads of a process */
	BW_VIEW_THREAD = 2,  /* one thread */
	BW_VIEW_PARENT = 3,  /* all threads of the children of a process */
	/* one thread, by its number in its own PID namespace; with 0 for that, of whichever */
	BW_VIEW_INNER = 4,
	BW_VIEW_NAMESPACE = 5, /* all threads of a PID namespace */
};

struct bw_view_key {
	bw_u32 kind, name_space, number;
};

enum bw_record_type {
	BW_RECORD_CALL = 1,   /* struct bw_call: in flight past the threshold, first time */
	BW_RECORD_REFRESH = 2,/* struct bw_call: the same, asked for again */
	BW_RECORD_SLOW = 3,   /* struct bw_call: returned past the threshold, never seen in flight */
	BW_RECORD_CLOSE = 4,  /* struct bw_close */
	/* from the iterators' own buffers */
	BW_RECORD_FILE = 5,   /* struct bw_file: an open file that was asked for */
	BW_RECORD_LOCK = 6,   /* struct bw_lock: a lock on a file that was asked for */
	BW_RECORD_VIEW = 7,   /* struct bw_call: a thread that was asked for */
	BW_RECORD_MEMBER = 8, /* struct bw_member: a descriptor that was asked for */
	BW_RECORD_SET = 9,    /* struct bw_set: the items of an epoll that was asked for */
};

enum bw_close_reason {
	BW_CLOSE_RETURNED = 1, /* `result` is what the call returned */
	BW_CLOSE_ENDED = 2,    /* its thread died inside it */
	BW_CLOSE_UNSEEN = 3,   /* over, but nobody saw the result */
};

enum bw_call_kind {
	BW_KIND_SYSCALL = 0, /* in the system call `number` */
	BW_KIND_PAGE = 1,    /* in a page fault outside any call */
	BW_KIND_EXITING = 2, /* dying: its system calls are over */
	BW_KIND_STOPPED = 3, /* stopped, traced or frozen outside any call */
	BW_KIND_IO_WORKER = 4, /* an io_uring worker that only the kernel can wake */
	BW_KIND_RUNNING = 5, /* BW_RECORD_VIEW only: in no call, or awake in one */
};

/* bw_call.flags */
#define BW_CALL_OLD 0x1	       /* start is `last_ran`: older than blockwatch, or never entered */
#define BW_CALL_INTERRUPTED 0x2       /* interrupted: has left the call and will restart it (stop, handler) */
#define BW_CALL_STOPPED 0x4    /* job control stop */
#define BW_CALL_TRACED 0x8     /* stopped by a tracer */
#define BW_CALL_FROZEN 0x10    /* cgroup freezer */
#define BW_CALL_ON_CPU 0x20    /* runnable, not asleep */
#define BW_CALL_FD_CLOSED 0x80 /* the descriptor has been closed since; `object` is what the call is on, if known */
#define BW_CALL_FD_OTHER 0x100 /* the descriptor has been opened anew since; `object` is what the call is on */
#define BW_CALL_SINGLE 0x200   /* the process has one thread */
#define BW_CALL_ALARM 0x400    /* a timer of the process is armed that will send it a signal */
#define BW_CALL_SIGNAL 0x800   /* a signal is pending */
#define BW_CALL_IO_WAIT 0x2000 /* asleep until some input or output is done, as the kernel's own count has it */
#define BW_CALL_READERS 0x1000 /* `blocker_pid` is the last of several readers, and may have let go */

/* bw_object.kind: what user space needs to pick the fields; the names are the contract's. */
enum bw_object_kind {
	BW_OBJECT_NONE = 0,
	BW_OBJECT_FILE = 1,   /* regular, directory, device: by mode */
	BW_OBJECT_PIPE = 2,   /* anonymous or named */
	BW_OBJECT_SOCKET = 3,
	BW_OBJECT_ANON = 4,   /* anonymous inode: `name` tells which */
	BW_OBJECT_MOUNT = 5,  /* only the file system that the thread waits in: `device`, `fs_...`, `u.storage` */
};

struct bw_pipe {
	bw_u32 readers, writers;
	bw_u64 bytes, capacity;
};

struct bw_inet {
	bw_u8 local[16], peer[16]; /* network order; IPv4 in the first four bytes */
	bw_u16 local_port, peer_port; /* host order */
	bw_u8 retransmits, probes;
	bw_u8 unheard; /* of a UDP socket with a peer: nothing has ever come from there */
	bw_u8 pad[1];
	bw_u32 receive_queue, send_queue; /* bytes; of a listener: connections waiting, and the most */
	bw_u32 unacked;			  /* bytes written and not acknowledged, sent or not */
	bw_u32 peer_window;		  /* bytes the peer will take; 0: closed window */
	bw_u32 in_flight;		  /* of unacked, those that were sent */
	bw_u32 pad2;
	bw_u64 last_sent, last_received, last_acked; /* ages in ns; ~0: never */
};

struct bw_unix {
	bw_u64 peer_inode;
	bw_u64 peer_name;	    /* of a peer that was not accepted yet: the address of its listener's name */
	bw_u32 local_len, peer_len; /* bytes of the path; abstract ones begin with NUL */
	bw_u32 receive_queue, send_queue;
	bw_u8 local[BW_UNIX_PATH_LEN], peer[BW_UNIX_PATH_LEN];
};

struct bw_tty {
	bw_u64 self, link; /* the other side of a pseudo terminal; 0: none */
	bw_u32 is_master, pad;
};

struct bw_pidfd {
	bw_u32 tgid, pad;
};

/* What a file system, or a block device that was opened as such, lies on. The kernel's encoding, 0: none. */
struct bw_storage {
	bw_u32 block_device; /* it has the data */
	bw_u32 fuse_device;  /* as BW_KEY_FUSE asks for its server; of one mounted inside another, that one's */
};

struct bw_netlink {
	bw_u32 port, protocol, groups, peer_port;
};

struct bw_vsock {
	bw_u32 local_cid, local_port, peer_cid, peer_port;
};

/* The other end of a unix socket. */
enum bw_peer_state {
	BW_PEER_NONE = 0,
	BW_PEER_OPEN = 1,	 /* it is a socket with an inode, in some table or in flight */
	BW_PEER_UNACCEPTED = 2,	 /* it waits in its listener's queue */
	BW_PEER_CLOSED = 3,
	BW_PEER_LISTENER = 4,	 /* not connected yet: the listener whose queue is full */
};

struct bw_object {
	bw_u32 kind;	    /* enum bw_object_kind */
	bw_u32 mode;	    /* i_mode */
	bw_u64 inode;
	bw_u64 address;	    /* file->private_data: tells anonymous inodes apart */
	bw_u64 file;	    /* struct file: the owner of flock and OFD locks */
	bw_u32 device;	    /* s_dev, the kernel's encoding: major << 20 | minor */
	bw_u32 rdev;	    /* i_rdev of a device node */
	bw_u32 fs_magic;
	bw_u32 links;	    /* i_nlink; 0: deleted */
	bw_u32 open_flags;  /* f_flags */
	bw_u16 family, socket_type, protocol;
	bw_u8 tcp_state;
	bw_u8 peer_state;   /* enum bw_peer_state */
	bw_u64 position;    /* f_pos */
	bw_u64 size;	    /* i_size */
	bw_u64 receive_timeout_ns, send_timeout_ns; /* SO_RCVTIMEO, SO_SNDTIMEO; 0: none */
	char fs_name[BW_COMM_LEN];   /* s_type->name */
	char fs_subtype[BW_COMM_LEN];/* s_subtype: fuse.SUBTYPE */
	char fs_source[BW_COMM_LEN * 2]; /* s_id: block device's name */
	char name[BW_NAME_LEN];	     /* last component, or [eventfd] */
	union {
		struct bw_pipe pipe;
		struct bw_inet inet;
		struct bw_unix unix_;
		struct bw_netlink netlink;
		struct bw_vsock vsock;
		struct bw_tty tty;
		struct bw_pidfd pidfd;
		struct bw_storage storage; /* of files that are none of the above */
	} u;
};

/* The last call of a thread that moved bytes on a descriptor. */
#define BW_LAST_IO 8 /* descriptors are remembered by their last three bits; a power of two */
struct bw_io {
	bw_u32 number; /* BW_IO_SEEN | flags | system call; 0: none */
	bw_s32 fd;
};
#define BW_IO_NUMBER 0xffffu
#define BW_IO_SENT 0x10000u	  /* this thread has sent here */
#define BW_IO_ANSWERED 0x80000u	  /* and bytes have come to it since, at some time */
#define BW_IO_TOLD_FIRST 0x20000u /* the first that this thread moved here was received */
#define BW_IO_CONNECTED 0x100000u /* this thread has connected it: nothing was moved here before */
#define BW_IO_BY_CLOCK 0x40000u	  /* sent after a wait that had ended by its own time-out */
#define BW_IO_SEEN 0x80000000u

struct bw_call {
	bw_u32 type;	 /* enum bw_record_type */
	bw_u32 kind;	 /* enum bw_call_kind */
	bw_u64 id;	 /* of the call, for as long as blockwatch runs */
	bw_u64 now_ns;	 /* CLOCK_MONOTONIC at the reading */
	bw_u64 start_ns; /* CLOCK_MONOTONIC */
	bw_s64 result;	 /* BW_RECORD_SLOW only */
	bw_u64 args[6];
	bw_u64 ip, sp;
	bw_u64 thread_start_ns, process_start_ns; /* CLOCK_BOOTTIME: start_boottime of the thread, of its leader */
	bw_u64 switches;      /* context switches so far */
	bw_u64 cpu_ns;	      /* CPU time so far */
	bw_u64 cgroup_id;     /* of the unified hierarchy */
	bw_u32 number;	      /* system call */
	bw_u32 abi;	      /* enum bw_abi */
	bw_u32 class_;	      /* byte of the table */
	bw_u32 flags;	      /* BW_CALL_... */
	bw_s32 fd;	      /* -1: none */
	bw_u32 tgid, pid;     /* in the initial namespace */
	bw_u32 parent_tgid;
	bw_u32 own_tgid, own_pid;	/* in the thread's own PID namespace */
	bw_u32 reader_tgid, reader_pid; /* in the namespace of whoever scans: for /proc */
	bw_u32 uid;
	bw_u32 state;	      /* __state | exit_state */
	bw_u32 tracer_tgid;
	struct bw_io last_io[BW_LAST_IO];
	bw_u32 stack_depth;
	bw_u32 cgroup_len;    /* bytes used of `cgroup` */
	bw_u32 pid_namespace; /* inode numbers of the namespaces */
	bw_u32 mount_namespace, net_namespace;
	bw_u32 group;	      /* process group */
	/* of the process and its group, in the PID namespace of its parent, who waits for it by them */
	bw_u32 parents_tgid, parents_group;
	bw_u32 blocker_pid;   /* of a thread in D: who owns the kernel lock it waits for; 0: not known */
	bw_u32 threads;	      /* of its process */
	bw_u32 renewals;      /* the wait ended so often by its own time-out, and was begun again */
	bw_u64 files;	      /* the table of descriptors: the owner of POSIX locks */
	bw_u64 last_ran_ns;   /* CLOCK_MONOTONIC, when it last was on a processor; 0: not known */
	bw_u32 stop_signal;   /* of a stopped thread: which signal stopped it; 0: not known */
	bw_u32 stopper_tgid;  /* and who sent it; 0: not seen */
	char stopper_comm[BW_COMM_LEN];
	char comm[BW_COMM_LEN], leader_comm[BW_COMM_LEN];
	struct bw_object object;
	bw_u64 stack[BW_STACK_DEPTH];
	char cgroup[BW_CGROUP_LEN]; /* last: only `cgroup_len` bytes are sent */
};

struct bw_close {
	bw_u32 type;   /* BW_RECORD_CLOSE */
	bw_u32 reason; /* enum bw_close_reason */
	bw_u64 id;
	bw_u64 now_ns;
	bw_s64 result;
};

/* One open file that a key of the map `questions` fits. */
struct bw_file {
	bw_u32 type;	 /* BW_RECORD_FILE */
	bw_u32 question; /* bw_question.id */
	bw_u32 tgid, pid;
	bw_s32 fd;
	bw_u32 mode;	 /* 1: open for reading, 2: for writing */
	bw_u64 file, files;
	/* of sockets */
	bw_u32 net_namespace;
	bw_u32 accept_queue; /* connections; of a connected TCP socket the bytes that nobody has read yet */
	bw_u32 accept_limit;
	bw_u16 local_port;
	bw_u8 state, is_connected;
	bw_u8 local[16];
	bw_u16 family;
	bw_u8 retransmits, pad; /* of a connected TCP socket, as in struct bw_inet */
	bw_u32 unacked;
};

/* What a descriptor of a process is: a member of a set that one of its threads waits for. */
struct bw_member {
	bw_u32 type;	 /* BW_RECORD_MEMBER */
	bw_u32 question; /* bw_question.id */
	struct bw_object object;
};

/* What an epoll waits for. */
#define BW_SET_MAX 256
struct bw_set_item {
	bw_s32 fd;     /* as it was when it was added */
	bw_u32 events; /* EPOLLIN, ... */
};
struct bw_set {
	bw_u32 type;	 /* BW_RECORD_SET */
	bw_u32 question; /* bw_question.id */
	bw_u32 count;
	bw_u32 is_cut;	 /* there are more */
	struct bw_set_item items[BW_SET_MAX]; /* only `count` are sent */
};

/* What a thread that was asked for left in its registers when it entered the kernel. */
#define BW_REGISTERS_MAX 17
struct bw_registers {
	bw_u32 tgid, pid;		/* in the initial namespace */
	bw_u32 reader_tgid, reader_pid; /* in the namespace of whoever asks: for /proc */
	bw_u32 abi;			/* enum bw_abi, of the program */
	bw_u32 state;			/* __state; 0: it runs, and these are not its registers any more */
	bw_u64 switches;		/* context switches so far */
	bw_u64 thread_pointer;		/* base of fs */
	bw_u64 values[BW_REGISTERS_MAX]; /* by their DWARF numbers on x86-64: rax rdx rcx rbx rsi rdi rbp rsp r8 to r15 rip */
};

/* A lock on a file, held or waited for. */
struct bw_lock {
	bw_u32 type;	 /* BW_RECORD_LOCK */
	bw_u32 question;
	bw_u64 address;
	bw_u64 blocker;	 /* address of the lock it waits for; 0: held */
	bw_u64 owner;	 /* struct file for flock and OFD locks, the table of descriptors for POSIX ones */
	bw_u64 file;
	bw_u64 start, end;
	bw_u32 flags;	 /* fl_flags: 1 POSIX, 2 flock, 1024 OFD */
	bw_u32 mode;	 /* fl_type: 0 read, 1 write */
	bw_s32 taker;	 /* fl_pid: who took it, dead or not; -1 for OFD locks */
	bw_u32 waiter;	 /* thread that sleeps until it gets it */
};

/* ---- one process, watched closely for a while: watch_one.bpf.h ---- */

#define BW_PAYLOAD_LEN 128	 /* bytes of a program's memory that go along with a call */
#define BW_WATCHED_MAX 8192	 /* processes at once */
#define BW_TOTALS_MAX 16384	 /* rows of what is summed up */
#define BW_WATCH_BUDGET 256	 /* calls of a thread that are told one by one, in each turn */
#define BW_WATCH_FIRST 1024	 /* and of a new one at first: it is about to start, load and try */
#define BW_SAMPLE_DEPTH 16
#define BW_BORN_APART 64	 /* so many new processes have rows of their own; later ones share them by name */

/* What a call's arguments say of what it is on: a byte a number, kind << 4 | argument. */
enum bw_argument {
	BW_ARGUMENT_NONE = 0,
	BW_ARGUMENT_FD = 1,
	BW_ARGUMENT_PATH = 2,	 /* a string in the program's memory */
	BW_ARGUMENT_ADDRESS = 3, /* a struct sockaddr, its length in the argument behind it */
	BW_ARGUMENT_TIME = 4,	 /* 16 bytes of a struct timespec or timeval */
	BW_ARGUMENT_POLL = 5,	 /* an array of struct pollfd, as many as the argument behind it says */
	BW_ARGUMENT_SOCKET_ERROR = 6, /* getsockopt: of SO_ERROR the error that it tells is the call's own */
};

struct bw_watch_settings {
	char name[BW_COMM_LEN]; /* processes that come to have it are watched too; empty: none */
	bw_u8 arguments[2][BW_SYSCALLS_MAX]; /* by enum bw_abi and number */
};

struct bw_watch_counters {
	bw_u64 lost_calls;   /* the ring was full: a call is in the sums, and missing where they are told one by one */
	bw_u64 lost_lives;   /* the ring was full, or there are too many: a process that came or went */
	bw_u64 lost_samples; /* the ring was full */
	bw_u64 lost_sums;    /* no room for another row: a call is nowhere */
	bw_u64 null_storage; /* no task storage for a thread: a call is nowhere */
	bw_u64 lumped;	     /* no room for what they were on: summed up without it */
};

/* Written by user space while it watches. */
struct bw_watch_control {
	bw_u32 turn; /* a new one gives each thread its budget anew */
	bw_u32 is_over;
};

/* bw_watched.flags, bw_life.flags */
#define BW_WATCHED_NAMED 1 /* it has the name that was asked for, or was asked for itself */
#define BW_WATCHED_BORN 2  /* it came while somebody watched */
#define BW_WATCHED_FOLDED 4 /* its rows are those of all of its name */

/* Value of the map `watched`, by tgid in the initial namespace. */
struct bw_watched {
	bw_u64 who; /* of folded ones, whose rows theirs are */
	bw_u32 flags;
	bw_u32 tgid; /* in the namespace of whoever watches */
};

struct bw_total_key {
	bw_u64 who;	/* thread id, or bw_watched.who */
	bw_u64 object;	/* the descriptor + 1, or a hash of path or address; 0: none; ~0: many */
	bw_u32 number;	/* system call, BW_TOTAL_COMPAT */
	bw_s32 error;	/* of a call that failed: errno, else 0 */
};
#define BW_TOTAL_COMPAT 0x80000000u

struct bw_total {
	bw_u64 count, total_ns, max_ns;
	bw_u64 results; /* of calls that move bytes: how many */
	bw_u64 zeros;	/* of calls that returned 0: how many */
};

enum bw_watch_record_type {
	BW_RECORD_WATCHED_CALL = 32, /* struct bw_watched_call */
	BW_RECORD_LIFE = 33,	     /* struct bw_life */
	BW_RECORD_SAMPLE = 34,	     /* struct bw_sample */
};

struct bw_watched_call {
	bw_u32 type;
	bw_u32 payload_len;
	bw_u64 who;
	bw_u64 sequence; /* of the thread's calls; gaps are calls that are only summed up */
	bw_u64 start_ns, duration_ns;
	bw_s64 result;
	bw_u64 args[6];
	bw_u32 tgid, pid; /* in the namespace of whoever watches */
	bw_u32 number, abi;
	bw_u8 payload[BW_PAYLOAD_LEN]; /* last: only `payload_len` bytes are sent */
};

enum bw_life_event {
	BW_LIFE_BORN = 1,
	BW_LIFE_NAMED = 2, /* it has another name now: it executes another program */
	BW_LIFE_EXITED = 3,
};

struct bw_life {
	bw_u32 type;
	bw_u32 event; /* enum bw_life_event */
	bw_u64 now_ns, who;
	bw_u64 cpu_ns;	 /* BW_LIFE_EXITED: of all its threads */
	bw_u32 tgid, parent; /* in the namespace of whoever watches */
	bw_u32 kernel_tgid;
	bw_u32 flags;	 /* BW_WATCHED_... */
	bw_s32 status;	 /* BW_LIFE_EXITED: as wait(2) has it */
	bw_u32 pad;
	char comm[BW_COMM_LEN], parent_comm[BW_COMM_LEN];
};

/* What a thread was at when a timer looked. */
struct bw_sample {
	bw_u32 type;
	bw_u32 tgid, pid;
	bw_u32 in_kernel;
	bw_s32 number; /* of the call it is in; -1: none */
	bw_u32 abi;
	bw_u32 depth, pad;
	bw_u64 stack[BW_SAMPLE_DEPTH]; /* of the program, innermost first */
};

_Static_assert(sizeof(struct bw_total_key) == 24, "keys have no holes");
_Static_assert(sizeof(struct bw_life) == 88, "bw_life is part of the contract");
_Static_assert(sizeof(struct bw_watched_call) == 240, "bw_watched_call is part of the contract");
_Static_assert(sizeof(struct bw_sample) == 160, "bw_sample is part of the contract");
_Static_assert(sizeof(struct bw_crossing) == 16, "bw_crossing is part of the contract");
_Static_assert(sizeof(struct bw_tally) == 64, "processors do not share a line of the cache");
_Static_assert(sizeof(struct bw_close) == 32, "bw_close is part of the contract");
_Static_assert(sizeof(struct bw_key) == 56, "keys have no holes");
_Static_assert(sizeof(struct bw_file) == 80, "bw_file is part of the contract");
_Static_assert(sizeof(struct bw_set_item) == 8, "bw_set is part of the contract");
_Static_assert(sizeof(struct bw_registers) == 176, "bw_registers is part of the contract");
_Static_assert(sizeof(struct bw_lock) == 72, "bw_lock is part of the contract");
_Static_assert(sizeof(struct bw_object) % 8 == 0, "records are 8-byte aligned");
_Static_assert(sizeof(struct bw_call) % 8 == 0, "records are 8-byte aligned");

#endif
