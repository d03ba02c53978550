// SPDX-License-Identifier: Apache-2.0
//
// Threads that wait for each other's mutexes and rwlocks of all kinds, for each other's end, or for a condition.
// The line names the owner's tid: `owner_tid`; of a deadlock, `members`.
#include "hang.h"

#include <pthread.h>
#include <sys/mman.h>

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

// In shared memory, held by a child process.
static void mutex_shared(void) {
	pthread_mutex_t *mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;
	int ready[2];
	make_pipe(ready);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &attributes);
	pid_t owner = fork_bound();
	if (owner == 0) {
		pthread_mutex_lock(mutex);
		tell(ready[1]);
		for (;;)
			pause();
	}
	hear(ready[0]);
	say_kind("futex");
	say_number("owner_tid", owner);
	say_number("holder_pid", owner);
	say_call("futex", SYS_futex);
	say_done();
	pthread_mutex_lock(mutex);
	came_back("futex", 0);
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
	{"join", join, "pthread_join of a thread in pause"},
	{"condition-wait", condition_wait, "a condition variable that nobody signals"},
	{0},
};
