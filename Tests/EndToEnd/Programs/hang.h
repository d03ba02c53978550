// SPDX-License-Identifier: Apache-2.0
//
// What the files of `hang` share: the table of modes, the announcement, and a few short cuts.
#ifndef HANG_H
#define HANG_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS 64 // the 32-bit build then has 64-bit lock ranges, like everybody's

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

// MARK: Modes

struct mode {
	const char *name;
	void (*run)(void);
	const char *summary;
};

// Each table ends with a mode without a name.
extern const struct mode file_modes[], socket_modes[], set_modes[], lock_modes[], wait_modes[], memory_modes[], thread_modes[],
	signal_modes[], entry_modes[], name_modes[], chain_modes[], mutex_modes[], busy_modes[];

// The n-th number of the command line after the mode and its folder.
long number_argument(int n, long fallback);

// The folder given on the command line, or a fresh one below /tmp; a path in it (from malloc).
const char *temp_folder(void);
char *temp_path(const char *name);

// MARK: The announcement: fields are collected, then written as one line of JSON

void say_number(const char *key, long long value);
void say_text(const char *key, const char *text);
void say_bytes(const char *key, const void *bytes, size_t length); // also KEY_hex if they are not plain UTF-8
void say_address(const char *key, const volatile void *address);
void say_kind(const char *kind);
void say_fd(int fd, const char *kind);			     // fd, kind, inode, device
void say_file(int fd, const char *kind, const char *path);     // and the path
void say_socket(int fd, const char *kind, const char *state); // and addresses, ports, state (NULL: has none)
void say_members(const int *fds, const char *const *kinds, int count);
void say_members_pids(const pid_t *pids, int count);
void say_call(const char *name, long number); // number < 0: not a system call
void say_thread(pid_t pid, pid_t tid);	      // the line is about this one instead of the caller
void say_done(void);

#ifdef __i386__
#define NATIVE_ABI "i386"
#elif defined(__x86_64__)
#define NATIVE_ABI "x86_64"
#else
#define NATIVE_ABI "aarch64"
#endif

// MARK: Blocking

// Announces the system call and makes it, for ever. The raw call, because what libc calls differs from its function's name.
#define hang_in(name, ...)                                              \
	do {                                                            \
		long result_;                                           \
		say_call(#name, SYS_##name);                            \
		say_done();                                             \
		do                                                      \
			result_ = syscall(SYS_##name, ##__VA_ARGS__);   \
		while (result_ < 0 && errno == EINTR);                  \
		came_back(#name, result_);                              \
	} while (0)

// newer architectures have only the successor
#ifdef SYS_epoll_wait
#define hang_in_epoll_wait(fd, events, count) hang_in(epoll_wait, fd, events, count, -1L)
#else
#define hang_in_epoll_wait(fd, events, count) hang_in(epoll_pwait, fd, events, count, -1L, NULL, 8L)
#endif

_Noreturn void came_back(const char *call, long result);
_Noreturn void hang_in_read(int fd);
_Noreturn void hang_in_pause(void);
void sleep_ms(long milliseconds);

// MARK: Short cuts that end the program when the kernel says no

long must(long result, const char *step);
void *must_map(size_t length, int extra_flags);
void make_pipe(int ends[2]);
int make_fifo(const char *path); // open for reading and writing
void write_text(const char *path, const char *text);
bool read_text(const char *path, char *text, size_t size);

// MARK: Processes and threads

pid_t fork_bound(void);				  // the child dies with its parent
_Noreturn void follow(pid_t child);		  // waits for it and exits
pid_t fork_sleeper(void);			  // a child in pause
pid_t fork_ready(void (*prepare)(void *), void *); // a child that prepares, says so, and sleeps
void tell(int fd); // one byte through a pipe: the other side has come so far
void hear(int fd);
void start_thread(void *(*body)(void *), void *argument);
pid_t this_thread(void);
void wait_until_in(pid_t tid, long number); // a thread of this process is in that system call
void on_signal(int number, void (*handler)(int), int flags);
void tick(long milliseconds); // SIGALRM again and again

// MARK: Surroundings

void enter_namespaces(int flags); // with a private mount table
void enter_silent_network(void);  // 10.99.0.0/24, where all packets vanish
_Noreturn void hang_in_silent_connect(void);

#endif
