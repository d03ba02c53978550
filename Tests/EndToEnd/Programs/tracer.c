// SPDX-License-Identifier: Apache-2.0
//
// tracer OBJECT   loads a BPF object, attaches its programs, says "ready" and stays until it is killed
// tracer ids      the kernel's BPF programs, maps and links, one a line: KIND ID
// tracer call PID NUMBER [ARGUMENT...]   makes another process make a system call, as an intruder in it would, and says
//                 what came of it: a result, a negative errno, or "killed"
// tracer hold TID stops one thread alone, says "held", and lets it go when killed
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *step) {
	fprintf(stderr, "tracer: %s: %s\n", step, strerror(errno));
	return 1;
}

static void list(const char *kind, int (*next)(__u32, __u32 *)) {
	for (__u32 id = 0; next(id, &id) == 0;)
		printf("%s %u\n", kind, id);
}

static int attach(const char *path) {
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	if (!object || bpf_object__load(object))
		return fail(path);
	bpf_object__for_each_program(program, object) {
		if (!bpf_program__attach(program))
			return fail(bpf_program__name(program));
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

static int hold(pid_t tid) {
	int status;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) ||
	    waitpid(tid, &status, __WALL) < 0)
		return fail("PTRACE_INTERRUPT");
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}

#ifdef __x86_64__
// The thread sleeps in a system call: the instruction in front of where it goes on is `syscall`.
static int call(pid_t pid, int count, char **arguments) {
	struct user_regs_struct saved, changed;
	int status;
	if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT))
		return fail("PTRACE_SEIZE");
	// it may be anywhere in its program: only behind a `syscall` there is one to be used again
	for (int tries = 0;; tries++) {
		if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) || waitpid(pid, &status, __WALL) < 0 ||
		    ptrace(PTRACE_GETREGS, pid, NULL, &saved))
			return fail("PTRACE_INTERRUPT");
		if ((long long)saved.orig_rax >= 0)
			break;
		if (tries == 10000) {
			errno = EAGAIN;
			return fail("it is in no system call");
		}
		if (ptrace(PTRACE_CONT, pid, NULL, 0L))
			return fail("PTRACE_CONT");
		usleep(1000);
	}
	changed = saved;
	unsigned long long *places[] = {&changed.rdi, &changed.rsi, &changed.rdx, &changed.r10, &changed.r8, &changed.r9};
	for (int i = 1; i < count && i <= 6; i++)
		*places[i - 1] = strtoull(arguments[i], NULL, 0);
	changed.rax = strtoull(arguments[0], NULL, 0);
	changed.orig_rax = -1;
	changed.rip -= 2;
	if (ptrace(PTRACE_SETREGS, pid, NULL, &changed))
		return fail("PTRACE_SETREGS");
	for (int stops = 0; stops < 2;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, 0L) || waitpid(pid, &status, __WALL) < 0)
			return fail("PTRACE_SYSCALL");
		if (WIFSIGNALED(status) || WIFEXITED(status) || status >> 16 == PTRACE_EVENT_EXIT) {
			puts("killed");
			return 0;
		}
		stops += WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80);
	}
	if (ptrace(PTRACE_GETREGS, pid, NULL, &changed))
		return fail("PTRACE_GETREGS");
	printf("%lld\n", (long long)changed.rax);
	// ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK: a call that was interrupted is made again. One that
	// was over must not be: a second clone with the same stack, say, ends the program
	long long answer = (long long)saved.rax;
	if (answer == -512 || answer == -513 || answer == -514 || answer == -516) {
		saved.rax = saved.orig_rax;
		saved.rip -= 2;
	}
	saved.orig_rax = -1;
	if (ptrace(PTRACE_SETREGS, pid, NULL, &saved) || ptrace(PTRACE_DETACH, pid, NULL, NULL))
		return fail("PTRACE_DETACH");
	return 0;
}
#else
static int call(pid_t pid, int count, char **arguments) {
	(void)pid, (void)count, (void)arguments;
	errno = ENOSYS;
	return fail("call");
}
#endif

int main(int count, char **arguments) {
	if (count > 3 && !strcmp(arguments[1], "call"))
		return call(atoi(arguments[2]), count - 3, arguments + 3);
	if (count == 3 && !strcmp(arguments[1], "hold"))
		return hold(atoi(arguments[2]));
	if (count != 2)
		return 64;
	if (strcmp(arguments[1], "ids"))
		return attach(arguments[1]);
	list("prog", bpf_prog_get_next_id);
	list("map", bpf_map_get_next_id);
	list("link", bpf_link_get_next_id);
	return 0;
}
