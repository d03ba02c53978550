// What a server and its workers may do, for good.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE: reading, memory, /proc/PID/map_files
static const uint64_t wanted_capabilities = 1ull << 2 | 1ull << 19 | 1ull << 40;

static int set_capabilities(uint64_t permitted)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) != 0)
		return -1;
	permitted &= (uint64_t)data[1].permitted << 32 | data[0].permitted;
	data[0] = (struct __user_cap_data_struct){(uint32_t)permitted, (uint32_t)permitted, 0};
	data[1] = (struct __user_cap_data_struct){(uint32_t)(permitted >> 32), (uint32_t)(permitted >> 32), 0};
	return (int)syscall(SYS_capset, &header, data);
}

int confine_privileges(void)
{
	for (int capability = 0; capability < 64; capability++)
		if (!(wanted_capabilities >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 &&
		    errno != EPERM)
			break;
	if (geteuid() == 0) {
		// in a user namespace without a mapping of nobody it stays what it is
		(void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
		if (syscall(SYS_setgroups, 0, (void *)0) == 0 && syscall(SYS_setresgid, 65534, 65534, 65534) == 0)
			(void)syscall(SYS_setresuid, 65534, 65534, 65534);
		(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (set_capabilities(wanted_capabilities) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	// nobody's other processes are not to look into it
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void confine_resources(void)
{
	static const struct {
		int what;
		rlim_t most;
	} limits[] = {
		{RLIMIT_CPU, 5},
		{RLIMIT_CORE, 0},
		{RLIMIT_FSIZE, 0},
		{RLIMIT_NOFILE, 1024},
		// what is written to: heaps, copies of sections; files are mapped to be read only
		{RLIMIT_DATA, 512ul << 20},
		{RLIMIT_AS, 8ul << 30},
	};
	for (size_t index = 0; index < sizeof(limits) / sizeof(*limits); index++) {
		struct rlimit limit = {limits[index].most, limits[index].most};
		(void)setrlimit(limits[index].what, &limit);
	}
}

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "no number for this architecture"
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), ANSWER(SECCOMP_RET_ALLOW)
#define KILL(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), ANSWER(SECCOMP_RET_KILL_PROCESS)
// allowed if none of these bits is set in an argument
#define ALLOW_WITHOUT(name, argument, bits)                                                                           \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 4), LOAD(args[argument]),                                   \
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), 1, 0), ANSWER(SECCOMP_RET_ALLOW),                         \
		ANSWER(SECCOMP_RET_ERRNO | EPERM)

#define COMMON                                                                                                        \
	LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0), ANSWER(SECCOMP_RET_KILL_PROCESS),         \
		LOAD(nr), ALLOW(read), ALLOW(pread64), ALLOW(write), ALLOW(close), ALLOW(fstat), ALLOW(newfstatat),    \
		ALLOW(statx), ALLOW(lseek), ALLOW(readlinkat), ALLOW(process_vm_readv), ALLOW(munmap), ALLOW(mremap),  \
		ALLOW(madvise), ALLOW(brk), ALLOW(futex), ALLOW(clock_gettime), ALLOW(getpid), ALLOW(gettid),          \
		ALLOW(getrandom), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn), ALLOW(exit), ALLOW(exit_group),          \
		ALLOW(sched_yield), KILL(execve), KILL(execveat), KILL(ptrace), KILL(process_vm_writev)
// every architecture's numbers of these; PROT_EXEC is 4, O_WRONLY and O_RDWR 3, O_CREAT 0100, O_TRUNC 01000
// F_GETFD: libelf asks whether a descriptor is one
#define READING                                                                                                       \
	ALLOW_WITHOUT(fcntl, 1, ~1u), ALLOW_WITHOUT(openat, 2, 03 | 0100 | 01000), ALLOW_WITHOUT(mmap, 2, 4), ALLOW_WITHOUT(mprotect, 2, 4)

int confine_calls(int is_worker)
{
	static const struct sock_filter worker[] = {
		COMMON, READING,
#if defined(SYS_open)
		KILL(open), KILL(fork), KILL(vfork),
#endif
		KILL(clone), KILL(clone3), KILL(socket), ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
	};
	// it starts workers, ends them, and takes more from them
	static const struct sock_filter server[] = {
		COMMON, READING,
		// CLONE_NEW...
		ALLOW_WITHOUT(clone, 0, 0x7e020000), ALLOW(wait4), ALLOW(dup3), ALLOW(kill), ALLOW(ppoll), ALLOW(pipe2), ALLOW(prlimit64),
		ALLOW(set_robust_list), ALLOW(rseq), ALLOW(seccomp), ALLOW(prctl), ALLOW(getppid),
#if defined(SYS_poll)
		ALLOW(poll),
#endif
		KILL(socket), ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
	};
	struct sock_fprog program = is_worker
		? (struct sock_fprog){sizeof(worker) / sizeof(*worker), (struct sock_filter *)worker}
		: (struct sock_fprog){sizeof(server) / sizeof(*server), (struct sock_filter *)server};
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
