/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Numbers of the kernel that its type information does not carry; the same on x86 and arm. */
#ifndef BLOCKWATCH_KERNEL_CONSTANTS_H
#define BLOCKWATCH_KERNEL_CONSTANTS_H

#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_STOPPED 0x4
#define TASK_TRACED 0x8
#define TASK_NOLOAD 0x400u /* beside other states; alone it is no sleep */
#define TASK_FROZEN 0x8000 /* 6.1 on: the v1 freezer */

#define PF_EXITING 0x00000004
#define PF_POSTCOREDUMP 0x00000008 /* 5.16 on */
#define PF_IO_WORKER 0x00000010
#define PF_DUMPCORE 0x00000200
#define PF_USER_WORKER 0x00004000 /* 6.4 on */
#define PF_KTHREAD 0x00200000

#define JOBCTL_STOP_SIGMASK 0xfffful
#define JOBCTL_TRAP_FREEZE (1ul << 23)
#define JOBCTL_STOPPED (1ul << 26)

#define PIDTYPE_TGID 1
#define PIDTYPE_PGID 2
#define P_PIDFD 3

enum { SIGSTOP = 19, SIGTTOU = 22 }; /* between them SIGTSTP and SIGTTIN */
enum { EINTR = 4, EAGAIN = 11, ENOSYS = 38, ETIME = 62 };

#define S_IFMT 0170000
#define S_IFREG 0100000
#define S_IFDIR 0040000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFCHR 0020000
#define S_IFBLK 0060000
#define S_IFIFO 0010000
#define FMODE_OPENED 0x80000 /* open(2) has been through with it */

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_VSOCK 40
#define SOCK_STREAM 1
#define SOL_SOCKET 1
#define SO_ERROR 4

/* of i386's socketcall */
#define SYS_SOCKET 1
#define SYS_SEND 9
#define SYS_RECV 10
#define SYS_SENDTO 11
#define SYS_RECVFROM 12
#define SYS_SENDMSG 16
#define SYS_RECVMSG 17
#define SYS_RECVMMSG 19
#define SYS_SENDMMSG 20

#define NAME_SERVICE __builtin_bswap16(53) /* the port, as the network orders it */
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_MPTCP 262
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_LISTEN 10

#define ANON_INODE_FS_MAGIC 0x09041934
#define PIDFS_MAGIC 0x50494446
#define FUSE_SUPER_MAGIC 0x65735546
#define BDEVFS_MAGIC 0x62646576
#define PAGE_BYTES 4096
#define MAX_TIMEOUT ((long)(~0ul >> 1)) /* MAX_SCHEDULE_TIMEOUT, in jiffies */

#endif
