// The server: one worker at a time, killed when it is late, and none while one that was killed has not ended.
#define _GNU_SOURCE
#include "internal.h"
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

pid_t stacks_start(uint32_t flags, int *input, int *output)
{
	char *arguments[] = {"blockwatch", STACKS_WORD, flags & STACKS_UNCONFINED ? "unconfined" : "confined", 0};
	char *environment[] = {"LC_ALL=C", 0};
	pid_t child = helper_fork(input, output);
	sigset_t signals;
	if (child != 0)
		return child;
	sigemptyset(&signals);
	sigprocmask(SIG_SETMASK, &signals, 0);
	execve("/proc/self/exe", arguments, environment);
	_exit(127);
}

static uint64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static int read_whole(int descriptor, void *bytes, size_t count)
{
	for (size_t got = 0; got < count;) {
		ssize_t answer = read(descriptor, (char *)bytes + got, count - got);
		if (answer == 0 || (answer < 0 && errno != EINTR))
			return -1;
		got += answer > 0 ? (size_t)answer : 0;
	}
	return 0;
}

int write_whole(int descriptor, const void *bytes, size_t count)
{
	for (size_t put = 0; put < count;) {
		ssize_t answer = write(descriptor, (const char *)bytes + put, count - put);
		if (answer < 0 && errno != EINTR)
			return -1;
		put += answer > 0 ? (size_t)answer : 0;
	}
	return 0;
}

static size_t body_bytes(const struct stacks_request *request)
{
	switch (request->kind) {
	case STACKS_WALK:
		return request->count <= STACKS_MOST_THREADS ? request->count * sizeof(struct stacks_thread) : SIZE_MAX;
	case STACKS_NAMES: return request->count <= STACKS_MOST_ADDRESSES ? request->count * 8 : SIZE_MAX;
	default: return SIZE_MAX;
	}
}

// A worker that was killed and has not ended: it waits for a file system that does not answer. 0: none.
static pid_t blocked_worker;

static void reap_blocked_worker(void)
{
	if (blocked_worker != 0 && waitpid(blocked_worker, 0, WNOHANG) != 0)
		blocked_worker = 0;
}

// What the worker writes until it ends, or until the deadline.
static enum stacks_status collect(pid_t worker, int output, uint64_t deadline, char *answer, size_t *bytes)
{
	enum stacks_status status = STACKS_LATE;
	int result = 0, is_over = 0;
	*bytes = 0;
	while (!is_over) {
		uint64_t moment = now();
		if (moment >= deadline)
			break;
		struct pollfd asked = {output, POLLIN, 0};
		int wait = (int)((deadline - moment + 999999) / 1000000);
		if (poll(&asked, 1, wait) <= 0)
			continue;
		ssize_t got = read(output, answer + *bytes, STACKS_MOST_ANSWER - *bytes);
		if (got > 0)
			*bytes += (size_t)got;
		is_over = got == 0 || (got < 0 && errno != EINTR) || *bytes == STACKS_MOST_ANSWER;
	}
	if (!is_over || *bytes == STACKS_MOST_ANSWER)
		kill(worker, SIGKILL);
	// one that has closed its pipe ends soon, one that was killed if the kernel lets it
	for (int turn = 0; turn < 200; turn++) {
		pid_t gone = waitpid(worker, &result, WNOHANG);
		if (gone == worker) {
			if (is_over)
				status = WIFEXITED(result) && WEXITSTATUS(result) == 0 ? STACKS_DONE : STACKS_FAILED;
			return status;
		}
		if (gone < 0 && errno != EINTR)
			return STACKS_FAILED;
		poll(0, 0, 1);
	}
	kill(worker, SIGKILL);
	blocked_worker = worker;
	return is_over ? STACKS_DONE : STACKS_LATE;
}

static enum stacks_status work(const struct stacks_request *request, const void *body, char *answer, size_t *bytes,
			       int is_confined)
{
	int pipes[2];
	*bytes = 0;
	reap_blocked_worker();
	if (blocked_worker != 0)
		return STACKS_BLOCKED;
	uint64_t deadline = now() + (uint64_t)request->milliseconds * 1000000ull;
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return STACKS_FAILED;
	pid_t server = getpid();
	pid_t worker = fork();
	if (worker == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != server || dup3(pipes[1], 1, 0) < 0)
			_exit(126);
		close(0);
		close(pipes[0]);
		close(pipes[1]);
		confine_resources();
		if (is_confined && confine_calls(1) != 0)
			_exit(126);
		_exit(worker_run(request, body));
	}
	close(pipes[1]);
	enum stacks_status status = worker < 0 ? STACKS_FAILED : collect(worker, pipes[0], deadline, answer, bytes);
	close(pipes[0]);
	return status;
}

_Noreturn void stacks_serve(int is_confined)
{
	const size_t most = sizeof(struct stacks_thread) * STACKS_MOST_THREADS;
	// touched only as far as it is used
	char *body = mmap(0, most + STACKS_MOST_ANSWER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *answer = body + most;
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	if (body == MAP_FAILED || confine_privileges() != 0 || (is_confined && confine_calls(0) != 0))
		_exit(126);
	// how it ends: nobody writes to its input any more
	for (;;) {
		struct stacks_request request;
		struct stacks_reply reply = {0};
		size_t bytes = 0;
		if (read_whole(0, &request, sizeof(request)) != 0)
			_exit(0);
		size_t expected = body_bytes(&request);
		if (expected > most || request.bytes != sizeof(request) + expected || read_whole(0, body, expected) != 0)
			_exit(126);
		uint64_t start = now();
		reply.status = work(&request, body, answer, &bytes, is_confined);
		reply.is_blocked = blocked_worker != 0;
		reply.nanoseconds = now() - start;
		if (reply.status != STACKS_DONE)
			bytes = 0;
		reply.bytes = (uint32_t)(sizeof(reply) + bytes);
		if (write_whole(1, &reply, sizeof(reply)) != 0 || write_whole(1, answer, bytes) != 0)
			_exit(0);
	}
}
