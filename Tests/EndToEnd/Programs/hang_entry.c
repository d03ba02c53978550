// SPDX-License-Identifier: Apache-2.0
//
// Unusual ways into the kernel: other ABIs, and threads that are parked before the call begins.
#include "hang.h"

#include <elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

// MARK: Other ABIs

#if defined(__x86_64__) || defined(__i386__)

#ifndef MAP_32BIT
#define MAP_32BIT 0
#endif

static long int80(long number, long first, long second, long third) {
	long result;
#ifdef __x86_64__
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(third) : "memory", "r8", "r9", "r10", "r11");
#else
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(third) : "memory");
#endif
	return result;
}

static void int80_read(void) {
	enum { read_of_i386 = 3 };
	int ends[2];
	make_pipe(ends);
	void *buffer = must_map(4096, MAP_32BIT);
	say_fd(ends[0], "pipe");
	say_text("abi", "i386");
	say_call("read", read_of_i386);
	say_done();
	came_back("read", int80(read_of_i386, ends[0], (long)buffer, 1));
}
#endif

#ifdef __x86_64__
// read, poll, ppoll and numbers that exist nowhere else or nowhere at all; with arguments that none of them accepts.
static void x32_number(void) {
	static const long numbers[] = {0, 7, 271, 520, 547, 600, 0x3fffffff};
	enum { x32_bit = 0x40000000, rounds = 1000 };
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
			if (syscall(x32_bit | numbers[i], -1, -1, -1) >= 0)
				came_back("x32 number", numbers[i]);
	say_number("x32_errno", errno);
	say_text("x32_error", strerrorname_np(errno));
	hang_in_pause();
}
#endif

// MARK: Seccomp user notification

enum { pipe_to_read = 50, listener_fd = 51 }; // fixed, so that the filter and the supervisor know them

static int notify_of(long number) {
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, pipe_to_read, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
	return must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program), "seccomp");
}

static void make_pipe_to_read(void) {
	int ends[2];
	make_pipe(ends);
	must(dup2(ends[0], pipe_to_read), "dup2");
	close(ends[0]);
}

// The child's side: hands the listener to its supervisor and goes into the call.
static _Noreturn void supervised(int supervisor, long number, const char *name) {
	char byte = 0, buffer[16];
	int listener = notify_of(number);
	must(dup2(listener, listener_fd), "dup2");
	must(write(supervisor, &byte, 1), "write");
	must(read(supervisor, &byte, 1), "read"); // it has its copy
	close(listener);
	close(listener_fd);
	say_fd(pipe_to_read, "pipe");
	say_number("supervisor_pid", getppid());
	say_text("parked_by", "seccomp");
	say_call(name, number);
	say_done();
	came_back(name, syscall(number, pipe_to_read, buffer, 1L));
}

static int take_listener(pid_t child, int channel) {
	char byte;
	must(read(channel, &byte, 1) == 1 ? 0 : -1, "child");
	int pidfd = must(syscall(SYS_pidfd_open, child, 0), "pidfd_open");
	int listener = must(syscall(SYS_pidfd_getfd, pidfd, listener_fd, 0), "pidfd_getfd");
	must(write(channel, &byte, 1), "write");
	close(pidfd);
	return listener;
}

static int listener_of_supervisor;

static void answer_continue(int number) {
	struct seccomp_notif question = {0};
	struct seccomp_notif_resp answer = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
	(void)number;
	if (ioctl(listener_of_supervisor, SECCOMP_IOCTL_NOTIF_RECV, &question) < 0)
		_exit(1);
	answer.id = question.id;
	if (ioctl(listener_of_supervisor, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0)
		_exit(1);
}

static void supervise(long number, const char *name) {
	int channel[2];
	make_pipe_to_read();
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), "socketpair");
	pid_t child = fork_bound();
	if (child == 0)
		supervised(channel[1], number, name);
	close(channel[1]);
	listener_of_supervisor = take_listener(child, channel[0]);
	follow(child);
}

static void seccomp_notify(void) { supervise(SYS_read, "read"); }
static void seccomp_notify_getppid(void) { supervise(SYS_getppid, "getppid"); }

static void seccomp_notify_continue(void) {
	on_signal(SIGUSR1, answer_continue, SA_RESTART);
	supervise(SYS_read, "read");
}

// MARK: ptrace

static _Noreturn void traced(int fd) {
	must(ptrace(PTRACE_TRACEME, 0, NULL, NULL), "PTRACE_TRACEME");
	raise(SIGSTOP);
	char byte;
	came_back("read", syscall(SYS_read, fd, &byte, 1L));
}

static bool at_entry_of(pid_t child, unsigned long long number) {
	struct __ptrace_syscall_info info = {0};
	must(ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info), "PTRACE_GET_SYSCALL_INFO");
	return info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == number;
}

static void ptrace_entry_stop(void) {
	int ends[2];
	make_pipe(ends);
	pid_t child = fork_bound();
	if (child == 0)
		traced(ends[0]);
	must(waitpid(child, NULL, 0), "waitpid");
	must(ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)), "PTRACE_SETOPTIONS");
	do {
		must(ptrace(PTRACE_SYSCALL, child, NULL, NULL), "PTRACE_SYSCALL");
		must(waitpid(child, NULL, 0), "waitpid");
	} while (!at_entry_of(child, SYS_read));
	say_thread(child, child);
	say_fd(ends[0], "pipe");
	say_number("tracer_pid", getpid());
	say_text("parked_by", "ptrace");
	say_call("read", SYS_read);
	say_done();
	for (;;)
		pause();
}

// Not a way to block, but what a debugger does to one: stops process PID for MS (3000) ms and lets it go.
static void debugger(void) {
	pid_t target = number_argument(0, 0);
	must(ptrace(PTRACE_SEIZE, target, NULL, NULL), "PTRACE_SEIZE");
	must(ptrace(PTRACE_INTERRUPT, target, NULL, NULL), "PTRACE_INTERRUPT");
	must(waitpid(target, NULL, __WALL), "waitpid");
	say_number("target_pid", target);
	say_call("none", -1);
	say_done();
	sleep_ms(number_argument(1, 3000));
	must(ptrace(PTRACE_DETACH, target, NULL, NULL), "PTRACE_DETACH");
}

const struct mode entry_modes[] = {
#if defined(__x86_64__) || defined(__i386__)
	{"int80-read", int80_read, "pipe read by int $0x80"},
#endif
#ifdef __x86_64__
	{"x32-number", x32_number, "numbers with the x32 bit, then pause (x86_64 only)"},
#endif
	{"seccomp-notify", seccomp_notify, "pipe read that waits for a seccomp supervisor"},
	{"seccomp-notify-getppid", seccomp_notify_getppid, "getppid that waits for a seccomp supervisor"},
	{"seccomp-notify-continue", seccomp_notify_continue, "the read; on SIGUSR1 the supervisor lets it go on"},
	{"ptrace-entry-stop", ptrace_entry_stop, "pipe read whose tracer holds it at its entry"},
	{"debugger", debugger, "stops process PID by ptrace for MS (3000) ms, detaches, exits"},
	{0},
};
