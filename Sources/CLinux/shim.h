// System calls that libc has no function for, or only one that Swift does not see or cannot call (`...`).
#pragma once

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/magic.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

// Of the calling thread alone: permitted and effective become `capabilities`, inheritable none.
static inline int linux_capset(uint64_t capabilities) {
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {
		{(uint32_t)capabilities, (uint32_t)capabilities, 0},
		{(uint32_t)(capabilities >> 32), (uint32_t)(capabilities >> 32), 0},
	};
	return (int)syscall(SYS_capset, &header, data);
}

static inline int linux_drop_from_bounding_set(int capability) { return prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); }

static inline int linux_clear_ambient_set(void) { return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); }

static inline int linux_set_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

// For all threads of the process. 0, or -1 with errno; a thread's id if that thread could not be included.
static inline int linux_filter_system_calls(struct sock_filter *instructions, unsigned short count) {
	struct sock_fprog program = {count, instructions};
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

// Of this IPC namespace. `used` and `set` are seconds since 1970, 0 for never; `pid` is who changed it last.
struct linux_semaphore {
	int64_t value, pid, used, set;
};

// 0, or -1 with errno. By the calls themselves, because libc's function may add flags to the commands.
static inline int linux_read_semaphore(int set, int number, struct linux_semaphore *semaphore) {
	struct semid_ds status;
	long value = syscall(SYS_semctl, set, number, GETVAL, 0);
	long pid = syscall(SYS_semctl, set, number, GETPID, 0);
	if (value < 0 || pid < 0 || syscall(SYS_semctl, set, 0, IPC_STAT, &status) < 0)
		return -1;
	*semaphore = (struct linux_semaphore){value, pid, status.sem_otime, status.sem_ctime};
	return 0;
}

// Whether an open file lies in a proc file system; 0 also if it cannot be told.
static inline int linux_is_in_proc(int descriptor) {
	struct statfs status;
	return fstatfs(descriptor, &status) == 0 && status.f_type == PROC_SUPER_MAGIC;
}
