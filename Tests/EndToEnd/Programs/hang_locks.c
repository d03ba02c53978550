// SPDX-License-Identifier: Apache-2.0
//
// File locks, futexes, System V and POSIX message queues. The file locks are held by a child.
#include "hang.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>

// MARK: File locks

#ifdef SYS_fcntl64
#define hang_in_fcntl(...) hang_in(fcntl64, __VA_ARGS__)
#else
#define hang_in_fcntl(...) hang_in(fcntl, __VA_ARGS__)
#endif

enum { first_byte = 100, last_byte = 199, byte_count = last_byte - first_byte + 1 };

static int open_lock(const char *path) { return must(open(path, O_RDWR | O_CREAT, 0600), path); }

static void take_flock(void *path) { must(flock(open_lock(path), LOCK_EX), "flock"); }

static void take_range(void *path, int command) {
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first_byte, .l_len = byte_count};
	must(fcntl(open_lock(path), command, &range), "fcntl");
}

static void take_posix_lock(void *path) { take_range(path, F_SETLKW); }
static void take_ofd_lock(void *path) { take_range(path, F_OFD_SETLKW); }

static void say_lock(int fd, const char *path, const char *type, pid_t holder) {
	say_file(fd, "file", path);
	say_text("lock", type);
	say_text("lock_mode", "write");
	say_number("holder_pid", holder);
}

static void flock_call(void) {
	char *path = temp_path("lock");
	pid_t holder = fork_ready(take_flock, path);
	int fd = open_lock(path);
	say_lock(fd, path, "flock", holder);
	hang_in(flock, fd, LOCK_EX);
}

static void deleted_file_lock(void) {
	char *path = temp_path("lock");
	pid_t holder = fork_ready(take_flock, path);
	int fd = open_lock(path);
	must(unlink(path), path);
	say_lock(fd, path, "flock", holder);
	say_number("deleted", 1);
	hang_in(flock, fd, LOCK_EX);
}

// By another descriptor of the same process.
static void flock_self(void) {
	char *path = temp_path("lock");
	take_flock(path);
	int fd = open_lock(path);
	pid_t self = getpid();
	say_members_pids(&self, 1);
	say_lock(fd, path, "flock", self);
	hang_in(flock, fd, LOCK_EX);
}

static void hang_in_range_lock(void (*take)(void *), const char *type, int command, int whence, int start) {
	char *path = temp_path("lock");
	struct flock range = {.l_type = F_WRLCK, .l_whence = whence, .l_start = start, .l_len = byte_count};
	pid_t holder = fork_ready(take, path);
	int fd = open_lock(path);
	must(lseek(fd, first_byte / 2, SEEK_SET), "lseek");
	say_lock(fd, path, type, holder);
	say_number("start", first_byte);
	say_number("end", last_byte);
	hang_in_fcntl(fd, command, &range);
}

static void posix_lock(void) { hang_in_range_lock(take_posix_lock, "posix", F_SETLKW, SEEK_SET, first_byte); }
static void posix_lock_seek_cur(void) { hang_in_range_lock(take_posix_lock, "posix", F_SETLKW, SEEK_CUR, first_byte / 2); }
static void ofd_lock(void) { hang_in_range_lock(take_ofd_lock, "ofd", F_OFD_SETLKW, SEEK_SET, first_byte); }

// MARK: Memory locks

static void futex_wait(void) {
	static int word = 7;
	say_kind("futex");
	say_address("address", &word);
	hang_in(futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 7L, NULL, NULL, 0L);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *hold_mutex(void *owner_tid) {
	pthread_mutex_lock(&mutex);
	__atomic_store_n((pid_t *)owner_tid, this_thread(), __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

// The address of the lock word is that of the mutex, with its owner's tid 8 bytes further.
static void mutex_lock(void) {
	static pid_t owner;
	start_thread(hold_mutex, &owner);
	while (!__atomic_load_n(&owner, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	say_kind("futex");
	say_address("address", &mutex);
	say_number("owner_tid", owner);
	say_call("futex", SYS_futex);
	say_done();
	pthread_mutex_lock(&mutex);
	came_back("futex", 0);
}

// MARK: Queues, in an IPC namespace that goes away with us

static void say_ipc(const char *type, int id) {
	say_kind("ipc");
	say_text("ipc", type);
	say_number("ipc_id", id);
}

static void msgrcv_call(void) {
	struct {
		long type;
		char text[64];
	} message;
	enter_namespaces(CLONE_NEWIPC);
	int id = must(msgget(IPC_PRIVATE, 0600), "msgget");
	say_ipc("message_queue", id);
	hang_in(msgrcv, id, &message, sizeof message.text, 0L, 0L);
}

// semop is not a call of its own on i386; what programs call there is ipc.
static void semop_call(void) {
	struct sembuf down = {.sem_num = 0, .sem_op = -1};
	enter_namespaces(CLONE_NEWIPC);
	int id = must(semget(IPC_PRIVATE, 1, 0600), "semget");
	say_ipc("semaphore", id);
#ifdef SYS_semop
	hang_in(semop, id, &down, 1L);
#else
	hang_in(ipc, 1 /* SEMOP */, id, 1L, 0L, &down);
#endif
}

// In the IPC namespace of whoever looks, so that it must be removed: by a child that outlives us by a moment.
static int make_shared_semaphore(void) {
	int alive[2];
	int id = must(semget(IPC_PRIVATE, 1, 0600), "semget");
	make_pipe(alive);
	if (must(fork(), "fork") == 0) {
		char byte;
		setsid();
		close(alive[1]);
		while (read(alive[0], &byte, 1) < 0 && errno == EINTR)
			;
		semctl(id, 0, IPC_RMID);
		_exit(0);
	}
	close(alive[0]);
	must(fcntl(alive[1], F_SETFD, FD_CLOEXEC), "FD_CLOEXEC");
	union {
		int value;
	} one = {1};
	must(semctl(id, 0, SETVAL, one), "SETVAL");
	return id;
}

static struct sembuf take_one = {.sem_num = 0, .sem_op = -1};

static _Noreturn void hang_in_take(int id) {
	say_ipc("semaphore", id);
#ifdef SYS_semop
	hang_in(semop, id, &take_one, 1L);
#else
	hang_in(semtimedop_time64, id, &take_one, 1L, NULL);
#endif
}

// Taken without SEM_UNDO by a child that has died since.
static void sem_dead(void) {
	int id = make_shared_semaphore();
	pid_t holder = must(fork(), "fork");
	if (holder == 0)
		_exit(semop(id, &take_one, 1) == 0 ? 0 : 1);
	int status;
	must(waitpid(holder, &status, 0), "waitpid");
	must(status == 0 ? 0 : -1, "semop of the child");
	say_number("dead_pid", holder);
	say_text("reason", "owner_gone");
	hang_in_take(id);
}

static void take_semaphore(void *id) { must(semop(*(int *)id, &take_one, 1), "semop"); }

static void sem_held(void) {
	static int id;
	id = make_shared_semaphore();
	say_number("holder_pid", fork_ready(take_semaphore, &id));
	say_text("reason", "lock_held");
	hang_in_take(id);
}

static void mq_receive_call(void) {
	static char message[65536];
	enter_namespaces(CLONE_NEWIPC);
	int fd = must(mq_open("/hang", O_RDWR | O_CREAT, 0600, NULL), "mq_open");
	say_file(fd, "ipc", "/hang");
	say_text("ipc", "posix_message_queue");
	hang_in(mq_timedreceive, fd, message, sizeof message, NULL, NULL);
}

const struct mode lock_modes[] = {
	{"flock", flock_call, "flock that a child holds"},
	{"flock-self", flock_self, "flock that the process has itself, by another descriptor"},
	{"deleted-file-lock", deleted_file_lock, "the same, the file is deleted"},
	{"posix-lock", posix_lock, "fcntl lock of bytes 100 to 199 that a child holds"},
	{"posix-lock-seek-cur", posix_lock_seek_cur, "the same range, relative to the file position"},
	{"ofd-lock", ofd_lock, "the same range, lock of an open file"},
	{"futex-wait", futex_wait, "futex wait without a waker"},
	{"mutex", mutex_lock, "a mutex that another thread holds"},
	{"msgrcv", msgrcv_call, "msgrcv of an empty queue"},
	{"semop", semop_call, "semop of a semaphore at 0 (ipc on i386)"},
	{"sem-dead", sem_dead, "semop of a semaphore whose last taker has died"},
	{"sem-held", sem_held, "semop of a semaphore that a child has taken"},
	{"mq-receive", mq_receive_call, "mq_timedreceive of an empty queue"},
	{0},
};
