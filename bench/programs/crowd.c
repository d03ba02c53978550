// SPDX-License-Identifier: Apache-2.0
// Many threads that block at chosen moments, and know when they did:
//
//   crowd [--window MS] [--random] [--group N] KIND:COUNT...
//
//   futex   waits on a condition that nobody ever signals
//   pipe    reads a pipe of its own whose write end a stopped process has
//   lock    wants a file lock that a stopped process has
//
// Processes of 1,000 threads at the most, or of N. Says `ready` when all threads wait at a gate; a line of input opens it, and
// each thread then blocks at its moment in the window: evenly spread, or at random. Says `in` when the last one is about
// to. Each further line of input is answered with `TID PROCESS KIND NANOSECONDS` of all threads (CLOCK_MONOTONIC, just
// before the call) and `end`. All die when the input ends.
#define _GNU_SOURCE
#include "common.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum kind { FUTEX, PIPE, LOCK, KINDS };
static const char *const names[KINDS] = { "futex", "pipe", "lock" };

struct seat {
	enum kind kind;
	int fd;
	pid_t tid, process;
	uint64_t delay_ns;
	_Atomic uint64_t entry_ns;
};

static pid_t group_pids[1024];
static size_t groups, group_size = 1000;

// Shared by all processes.
static struct shared {
	_Atomic uint32_t gate, waiting, in;
	uint64_t start_ns;
	struct seat seats[];
} *shared;

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void *sit(void *argument)
{
	struct seat *seat = argument;
	_Atomic uint32_t never = 0;
	struct timespec moment;
	uint64_t at;
	char byte;

	seat->tid = syscall(SYS_gettid);
	seat->process = getpid();
	atomic_fetch_add(&shared->waiting, 1);
	while (!atomic_load(&shared->gate))
		futex_wait(&shared->gate, 0);
	at = shared->start_ns + seat->delay_ns;
	moment = (struct timespec){ .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 };
	if (seat->delay_ns)
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL))
			;
	atomic_fetch_add(&shared->in, 1);
	atomic_store(&seat->entry_ns, clock_ns(CLOCK_MONOTONIC));
	switch (seat->kind) {
	case FUTEX:
		for (;;)
			futex_wait(&never, 0);
	case PIPE:
		read(seat->fd, &byte, 1);
		break;
	default:
		flock(seat->fd, LOCK_EX);
	}
	fprintf(stderr, "crowd: a call came back: %s\n", strerror(errno));
	_exit(1);
}

static pid_t fork_bound(void)
{
	pid_t parent = getpid(), child = must(fork(), "fork");

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return child;
}

// One process with its threads, and the stopped one that has the other ends.
static void group(struct seat *first, struct seat *last)
{
	static char lock[] = "/tmp/blockwatch-crowd-XXXXXX";
	int *kept = calloc(last - first + 1, sizeof(*kept)), lock_fd = -1, is_held = 0;
	pthread_attr_t attributes;
	pid_t holder;
	int status;

	for (struct seat *seat = first; seat < last; seat++) {
		int ends[2];

		is_held |= seat->kind != FUTEX;
		if (seat->kind == PIPE) {
			must(pipe(ends), "pipe");
			seat->fd = ends[0];
			kept[seat - first] = ends[1];
		} else if (seat->kind == LOCK && lock_fd < 0) {
			lock_fd = must(mkstemp(lock), lock);
		}
	}
	holder = is_held ? fork_bound() : -1;
	if (!holder) {
		for (struct seat *seat = first; seat < last; seat++)
			if (seat->kind == PIPE)
				close(seat->fd);
		if (lock_fd >= 0)
			must(flock(lock_fd, LOCK_EX), "flock");
		raise(SIGSTOP);
		_exit(1);
	}
	if (is_held)
		must(waitpid(holder, &status, WUNTRACED), "waitpid");
	for (struct seat *seat = first; seat < last; seat++) {
		if (seat->kind == PIPE)
			close(kept[seat - first]);
		else if (seat->kind == LOCK)
			seat->fd = must(open(lock, O_RDWR), lock);
	}
	if (lock_fd >= 0) {
		close(lock_fd); // or this process would have the lock too
		unlink(lock);
	}
	free(kept);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 32768);
	for (struct seat *seat = first; seat < last; seat++) {
		pthread_t thread;

		must(-(errno = pthread_create(&thread, &attributes, sit, seat)), "pthread_create");
	}
	for (;;)
		pause();
}

// All of them are gone when this process is.
static void end_groups(void)
{
	pid_t child;

	for (size_t i = 0; i < groups; i++)
		kill(group_pids[i], SIGKILL);
	while ((child = waitpid(-1, NULL, 0)) > 0 || (child < 0 && errno == EINTR))
		;
}

static void wait_for(_Atomic uint32_t *counter, uint32_t count)
{
	while (atomic_load(counter) < count)
		usleep(5000);
}

int main(int count, char **arguments)
{
	struct rlimit limit;
	uint64_t window_ns = 0;
	int is_random = 0, argument = 1;
	size_t total = 0, used = 0, size;
	char line[64];

	for (; argument < count && arguments[argument][0] == '-'; argument++) {
		if (!strcmp(arguments[argument], "--random"))
			is_random = 1;
		else if (!strcmp(arguments[argument], "--window") && argument + 1 < count)
			window_ns = strtoull(arguments[++argument], NULL, 10) * 1000000;
		else if (!strcmp(arguments[argument], "--group") && argument + 1 < count)
			group_size = strtoul(arguments[++argument], NULL, 10);
	}
	for (int i = argument; i < count; i++)
		total += strchr(arguments[i], ':') ? strtoul(strchr(arguments[i], ':') + 1, NULL, 10) : 0;
	if (!total || !group_size || (total - 1) / group_size >= sizeof(group_pids) / sizeof(*group_pids)) {
		fprintf(stderr, "usage: crowd [--window MS] [--random] [--group N] futex|pipe|lock:COUNT...\n");
		return 64;
	}
	must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	size = sizeof(*shared) + total * sizeof(*shared->seats);
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared == MAP_FAILED ? -1 : 0, "mmap");
	srandom(getpid());
	for (int i = argument; i < count; i++) {
		char *colon = strchr(arguments[i], ':');
		enum kind kind = FUTEX;

		if (colon)
			*colon = 0;
		while (kind < KINDS && strcmp(names[kind], arguments[i]))
			kind++;
		if (kind == KINDS) {
			fprintf(stderr, "crowd: there is no kind %s\n", arguments[i]);
			return 64;
		}
		for (long n = colon ? atol(colon + 1) : 1; n > 0; n--)
			shared->seats[used++].kind = kind;
	}
	for (size_t i = 0; i < total; i++)
		shared->seats[i].delay_ns = is_random ? window_ns / 1000 * (random() % 1000000) / 1000 : window_ns * i / total;
	must(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
	for (size_t i = 0; i < total; i += group_size) {
		pid_t child = fork_bound();

		if (!child)
			group(shared->seats + i, shared->seats + (i + group_size < total ? i + group_size : total));
		group_pids[groups++] = child;
	}
	wait_for(&shared->waiting, total);
	usleep(100000); // the last ones are asleep at the gate too
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin)) {
		end_groups();
		return 0;
	}
	shared->start_ns = clock_ns(CLOCK_MONOTONIC);
	atomic_store(&shared->gate, 1);
	syscall(SYS_futex, &shared->gate, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	wait_for(&shared->in, total);
	puts("in");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		for (size_t i = 0; i < total; i++) {
			struct seat *seat = &shared->seats[i];

			printf("%d %d %s %llu\n", seat->tid, seat->process, names[seat->kind],
			       (unsigned long long)atomic_load(&seat->entry_ns));
		}
		puts("end");
		fflush(stdout);
	}
	end_groups();
	return 0;
}
