// SPDX-License-Identifier: Apache-2.0
//
// Threads that wait for each other's mutexes and rwlocks of all kinds, for each other's end, or for a condition.
// The line names the owner's tid: `owner_tid`; of a deadlock, `members`.
#include "hang.h"

#include <linux/futex.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static pthread_mutex_t first_mutex = PTHREAD_MUTEX_INITIALIZER, second_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;

static void *lock_second_first(void *tid) {
	*(volatile pid_t *)tid = this_thread();
	pthread_mutex_lock(&second_mutex);
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&first_mutex);
	return NULL;
}

static void deadlock_mutex(void) {
	static pid_t other;
	pthread_barrier_init(&barrier, NULL, 2);
	start_thread(lock_second_first, &other);
	pthread_mutex_lock(&first_mutex);
	pthread_barrier_wait(&barrier);
	pid_t tids[] = {this_thread(), other};
	say_members_pids(tids, 2);
	say_kind("futex");
	say_call("futex", SYS_futex);
	say_done();
	pthread_mutex_lock(&second_mutex);
	came_back("futex", 0);
}

static void deadlock_self_mutex(void) {
	pid_t tids[] = {this_thread()};
	pthread_mutex_lock(&first_mutex);
	say_members_pids(tids, 1);
	say_kind("futex");
	say_call("futex", SYS_futex);
	say_done();
	pthread_mutex_lock(&first_mutex);
	came_back("futex", 0);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t special_mutex;

static void *hold_rwlock(void *tid) {
	pthread_rwlock_wrlock(&rwlock);
	__atomic_store_n((pid_t *)tid, this_thread(), __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

static void *hold_special(void *tid) {
	pthread_mutex_lock(&special_mutex);
	__atomic_store_n((pid_t *)tid, this_thread(), __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

static void hang_behind_thread(void *(*hold)(void *), void (*want)(void)) {
	static pid_t owner;
	start_thread(hold, &owner);
	while (!__atomic_load_n(&owner, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	say_kind("futex");
	say_number("owner_tid", owner);
	say_call("futex", SYS_futex);
	say_done();
	want();
	came_back("futex", 0);
}

static void want_read(void) { pthread_rwlock_rdlock(&rwlock); }
static void want_write(void) { pthread_rwlock_wrlock(&rwlock); }
static void want_special(void) { pthread_mutex_lock(&special_mutex); }

static void rwlock_read(void) { hang_behind_thread(hold_rwlock, want_read); }
static void rwlock_write(void) { hang_behind_thread(hold_rwlock, want_write); }

static void special(int type, int robust, int protocol) {
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutexattr_setrobust(&attributes, robust);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	pthread_mutex_init(&special_mutex, &attributes);
	hang_behind_thread(hold_special, want_special);
}

static void mutex_recursive(void) { special(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE); }
static void mutex_errorcheck(void) { special(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE); }
static void mutex_adaptive(void) { special(PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE); }
static void mutex_robust(void) { special(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE); }
static void mutex_pi(void) { special(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT); }

// MARK: In shared memory, held by a child process

static pthread_mutex_t *shared_mutex;
static pthread_rwlock_t *shared_rwlock;

static void make_shared(void) {
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(memory == MAP_FAILED ? -1 : 0, "mmap");
	pthread_mutexattr_t mutex_attributes;
	pthread_mutexattr_init(&mutex_attributes);
	pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED);
	shared_mutex = (pthread_mutex_t *)memory;
	pthread_mutex_init(shared_mutex, &mutex_attributes);
	pthread_rwlockattr_t rwlock_attributes;
	pthread_rwlockattr_init(&rwlock_attributes);
	pthread_rwlockattr_setpshared(&rwlock_attributes, PTHREAD_PROCESS_SHARED);
	shared_rwlock = (pthread_rwlock_t *)(memory + 2048);
	pthread_rwlock_init(shared_rwlock, &rwlock_attributes);
}

static void take_shared_mutex(void *unused) {
	(void)unused;
	pthread_mutex_lock(shared_mutex);
}
static void write_shared_rwlock(void *unused) {
	(void)unused;
	pthread_rwlock_wrlock(shared_rwlock);
}
static void read_shared_rwlock(void *unused) {
	(void)unused;
	pthread_rwlock_rdlock(shared_rwlock);
}

static void hang_behind_child(void (*hold)(void *), void (*want)(void)) {
	make_shared();
	pid_t owner = fork_ready(hold, NULL);
	say_kind("futex");
	say_number("owner_tid", owner);
	say_number("holder_pid", owner);
	say_call("futex", SYS_futex);
	say_done();
	want();
	came_back("futex", 0);
}

static void want_shared_mutex(void) { pthread_mutex_lock(shared_mutex); }
static void want_shared_mutex_for_an_hour(void) {
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 3600;
	pthread_mutex_timedlock(shared_mutex, &end);
}
static void want_to_read_shared(void) { pthread_rwlock_rdlock(shared_rwlock); }
static void want_to_write_shared(void) { pthread_rwlock_wrlock(shared_rwlock); }

static void mutex_shared(void) { hang_behind_child(take_shared_mutex, want_shared_mutex); }
static void mutex_shared_timed(void) { hang_behind_child(take_shared_mutex, want_shared_mutex_for_an_hour); }
static void rwlock_shared_read(void) { hang_behind_child(write_shared_rwlock, want_to_read_shared); }
static void rwlock_shared_write(void) { hang_behind_child(write_shared_rwlock, want_to_write_shared); }
static void rwlock_shared_read_by(void) { hang_behind_child(read_shared_rwlock, want_to_write_shared); }

static void *hold_shared(void *held) {
	pthread_mutex_lock(shared_mutex);
	__atomic_store_n((int *)held, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

static void take_in_thread(void *unused) {
	(void)unused;
	static int held;
	start_thread(hold_shared, &held);
	while (!__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		sleep_ms(1);
}

static pid_t other_thread_of(pid_t pid) {
	char path[64];
	pid_t tid = 0;
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	must(tasks ? 0 : -1, path);
	for (struct dirent *entry; (entry = readdir(tasks));)
		if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != pid)
			tid = atoi(entry->d_name);
	closedir(tasks);
	return tid;
}

// Two containers that share memory: the owner is thread 2 in its PID namespace, and glibc writes that number.
static void mutex_other_namespace(void) {
	make_shared();
	must(unshare(CLONE_NEWPID), "unshare");
	pid_t holder = fork_ready(take_in_thread, NULL);
	say_kind("futex");
	say_number("owner_tid", other_thread_of(holder));
	say_number("holder_pid", holder);
	say_call("futex", SYS_futex);
	say_done();
	want_shared_mutex();
	came_back("futex", 0);
}

// MARK: Owners that are gone, or no threads at all

// The child's copy was locked by a thread that fork did not copy.
static void mutex_forked(void) {
	static pid_t owner;
	pthread_mutex_init(&special_mutex, NULL);
	start_thread(hold_special, &owner);
	while (!__atomic_load_n(&owner, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	pid_t child = fork_bound();
	if (child == 0) {
		pthread_mutex_lock(&special_mutex);
		came_back("futex", 0);
	}
	wait_until_in(child, SYS_futex);
	say_number("gone_tid", owner);
	say_thread(child, child);
	say_kind("futex");
	say_call("futex", SYS_futex);
	say_done();
	follow(child);
}

static void *lock_first_second(void *tid) {
	*(volatile pid_t *)tid = this_thread();
	pthread_mutex_lock(&first_mutex);
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&second_mutex);
	return NULL;
}

// The main thread has ended, and nothing below its own number in /proc can be read any more.
static void deadlock_leaderless(void) {
	static pid_t tids[2];
	pthread_barrier_init(&barrier, NULL, 3);
	start_thread(lock_first_second, &tids[0]);
	start_thread(lock_second_first, &tids[1]);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 2; i++)
		wait_until_in(tids[i], SYS_futex);
	say_members_pids(tids, 2);
	say_thread(getpid(), tids[0]);
	say_kind("futex");
	say_call("futex", SYS_futex);
	say_done();
	pthread_exit(NULL);
}

// A lock of another make: its word and its owner lie where glibc's do, and where glibc keeps the kind stands something else.
static void futex_foreign(void) {
	static struct {
		int word, spare, owner, users, flags;
	} lock = {.word = 2, .users = 1, .flags = 0x60};
	lock.owner = this_thread();
	say_kind("futex");
	say_text("reason", "parked");
	hang_in(futex, &lock.word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2L, NULL, NULL, 0L);
}

static void *sleep_long(void *tid) {
	__atomic_store_n((pid_t *)tid, this_thread(), __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

static void join(void) {
	static pid_t tid;
	pthread_t thread;
	must(-pthread_create(&thread, NULL, sleep_long, &tid), "pthread_create");
	while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	say_kind("futex");
	say_number("owner_tid", tid);
	say_call("futex", SYS_futex);
	say_done();
	pthread_join(thread, NULL);
	came_back("futex", 0);
}

static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void condition_wait(void) {
	pthread_mutex_lock(&first_mutex);
	say_kind("futex");
	say_text("reason", "parked");
	say_call("futex", SYS_futex);
	say_done();
	pthread_cond_wait(&condition, &first_mutex);
	came_back("futex", 0);
}

const struct mode mutex_modes[] = {
	{"deadlock-mutex", deadlock_mutex, "two threads want each other's mutex"},
	{"deadlock-self-mutex", deadlock_self_mutex, "a thread wants the mutex it has"},
	{"rwlock-read", rwlock_read, "a rwlock that another thread writes under"},
	{"rwlock-write", rwlock_write, "the same, for writing"},
	{"mutex-recursive", mutex_recursive, "a recursive mutex that another thread holds"},
	{"mutex-errorcheck", mutex_errorcheck, "an error-checking one"},
	{"mutex-adaptive", mutex_adaptive, "an adaptive one"},
	{"mutex-robust", mutex_robust, "a robust one"},
	{"mutex-pi", mutex_pi, "one with priority inheritance"},
	{"mutex-shared", mutex_shared, "one in shared memory that a child holds"},
	{"mutex-shared-timed", mutex_shared_timed, "the same with a time-out of an hour, given as a moment"},
	{"mutex-other-namespace", mutex_other_namespace, "the same, the owner a thread in a PID namespace of its own"},
	{"rwlock-shared-read", rwlock_shared_read, "a rwlock in shared memory that a child writes under"},
	{"rwlock-shared-write", rwlock_shared_write, "the same, for writing"},
	{"rwlock-shared-read-by", rwlock_shared_read_by, "the same, for writing, while the child reads"},
	{"mutex-forked", mutex_forked, "a mutex that fork copied while another thread had it"},
	{"deadlock-leaderless", deadlock_leaderless, "two threads want each other's mutex, the main thread has ended"},
	{"futex-foreign", futex_foreign, "a futex with its own thread's number where glibc's mutexes have their owner's"},
	{"join", join, "pthread_join of a thread in pause"},
	{"condition-wait", condition_wait, "a condition variable that nobody signals"},
	{0},
};
