// SPDX-License-Identifier: Apache-2.0
// What blockwatch adds to a system call, as a ratio to what empty programs on the same tracepoints add.
//
//   overhead BLOCKWATCH EMPTY_OBJECT [ROUNDS]
//
// One core, the states interleaved, the minimum of all rounds. Fails if blockwatch did not report a planted hang.
#define _GNU_SOURCE
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLS 200000
#define STATES 5
#define LOOPS 2

static const char *blockwatch, *empty_object;
static char log_path[] = "/tmp/blockwatch-bench-XXXXXX";

static void fail(const char *what)
{
	fprintf(stderr, "overhead: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

// Nanoseconds a call: getppid() is not watched, a one-byte pread() is and does not block.
static double measure(int loop)
{
	static int zero = -1;
	char byte;
	double start;

	if (zero < 0 && (zero = open("/dev/zero", O_RDONLY)) < 0)
		fail("/dev/zero");
	start = now_ns();
	for (int i = 0; i < CALLS; i++) {
		if (loop == 0)
			syscall(SYS_getppid);
		else if (pread(zero, &byte, 1, 0) != 1)
			fail("pread");
	}
	return (now_ns() - start) / CALLS;
}

static pid_t start_blockwatch(const char *option, const char *value)
{
	pid_t pid;
	char text[4096];
	int log;

	if (truncate(log_path, 0))
		fail(log_path);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		execl(blockwatch, "blockwatch", "--format", "ndjson", "--output", log_path, option, value, NULL);
		_exit(127);
	}
	for (int tries = 0; tries < 1000; tries++) {
		ssize_t count = 0;

		usleep(10000);
		log = open(log_path, O_RDONLY);
		if (log >= 0) {
			count = read(log, text, sizeof(text) - 1);
			close(log);
		}
		if (count > 0 && memmem(text, count, "\"started\"", 9)) {
			usleep(200000); // past its first scan
			return pid;
		}
	}
	fprintf(stderr, "overhead: blockwatch did not start\n");
	exit(1);
}

static void stop(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

// A child that hangs in a pipe: whoever watches says so.
static void check_that_it_watches(void)
{
	int ends[2];
	char byte, text[1 << 16], wanted[64];
	pid_t child, watcher;
	int seen = 0;

	if (pipe(ends))
		fail("pipe");
	child = fork();
	if (child == 0)
		_exit(read(ends[0], &byte, 1) != 1);
	watcher = start_blockwatch("--threshold", "500ms");
	snprintf(wanted, sizeof(wanted), "\"process\":{\"pid\":%d,", child);
	for (int tries = 0; tries < 500 && !seen; tries++) {
		int log = open(log_path, O_RDONLY);
		ssize_t count;

		usleep(10000);
		while (log >= 0 && (count = read(log, text, sizeof(text))) > 0)
			seen |= memmem(text, count, wanted, strlen(wanted)) != NULL;
		close(log);
	}
	stop(watcher);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (!seen) {
		fprintf(stderr, "overhead: blockwatch did not report the planted hang: these figures would mean nothing\n");
		exit(1);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int count, char **arguments)
{
	static const char *names[STATES] = {
		"nothing attached", "empty programs on both tracepoints", "blockwatch --threshold 5s",
		"blockwatch --threshold 50ms", "blockwatch --syscall flock",
	};
	static const char *loops[LOOPS] = { "getppid(), not watched", "pread(1 byte), watched" };
	int rounds = count > 3 ? atoi(arguments[3]) : 16;
	double *values[LOOPS][STATES];
	struct bpf_link *links[2];
	struct bpf_object *object;
	struct utsname kernel;
	char line[256], model[256] = "?";
	double load[3] = { 0 };
	FILE *cpu;

	if (count < 3 || rounds < 1) {
		fprintf(stderr, "usage: overhead BLOCKWATCH EMPTY_OBJECT [ROUNDS]\n");
		return 64;
	}
	blockwatch = arguments[1];
	empty_object = arguments[2];
	close(mkstemp(log_path));
	check_that_it_watches();

	object = bpf_object__open_file(empty_object, NULL);
	if (!object || bpf_object__load(object))
		fail(empty_object);
	for (int loop = 0; loop < LOOPS; loop++)
		for (int state = 0; state < STATES; state++)
			values[loop][state] = calloc(rounds, sizeof(double));
	for (int round = 0; round < rounds; round++) {
		for (int state = 0; state < STATES; state++) {
			pid_t watcher = 0;
			struct bpf_program *program;
			int attached = 0;

			pin(0); // blockwatch elsewhere, if there is an elsewhere
			if (state == 1)
				bpf_object__for_each_program(program, object)
					if (!(links[attached++] = bpf_program__attach(program)))
						fail("attach");
			if (state == 2)
				watcher = start_blockwatch("--threshold", "5s");
			if (state == 3)
				watcher = start_blockwatch("--threshold", "50ms");
			if (state == 4)
				watcher = start_blockwatch("--syscall", "flock");
			pin(sysconf(_SC_NPROCESSORS_ONLN) - 1);
			for (int loop = 0; loop < LOOPS; loop++)
				values[loop][state][round] = measure(loop);
			while (attached)
				bpf_link__destroy(links[--attached]);
			if (watcher)
				stop(watcher);
		}
	}
	unlink(log_path);

	uname(&kernel);
	getloadavg(load, 3);
	cpu = fopen("/proc/cpuinfo", "r");
	while (cpu && fgets(line, sizeof(line), cpu))
		if (sscanf(line, "model name : %255[^\n]", model) == 1)
			break;
	printf("%s %s, %s, %ld cores, load %.2f, %d interleaved rounds of %d calls\n\n", kernel.sysname, kernel.release, model,
	       sysconf(_SC_NPROCESSORS_ONLN), load[0], rounds, CALLS);
	for (int loop = 0; loop < LOOPS; loop++) {
		double base, floor;

		for (int state = 0; state < STATES; state++)
			qsort(values[loop][state], rounds, sizeof(double), by_value);
		base = values[loop][0][0];
		floor = values[loop][1][0] - base;
		printf("| %s | ns a call, minimum | median | added | ratio to empty programs |\n|---|---|---|---|---|\n", loops[loop]);
		for (int state = 0; state < STATES; state++) {
			double *sorted = values[loop][state];

			printf("| %s | %.0f | %.0f | %.0f | ", names[state], sorted[0], sorted[rounds / 2], sorted[0] - base);
			printf(state == 0 ? "|\n" : "%.2f |\n", (sorted[0] - base) / floor);
		}
		printf("\n");
	}
	return 0;
}
