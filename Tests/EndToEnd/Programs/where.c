/* Hangs in functions of known names: `where MODE FOLDER [NUMBER]` says where it is in one line of JSON, and waits. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* each of them does something after its call: no call is the last of its function */
#define FUNCTION __attribute__((noinline, noclone)) static void
#define AFTER() __asm__ volatile("" ::: "memory")

static int ends[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;

FUNCTION read_nothing(void)
{
	char byte;
	(void)!read(ends[0], &byte, 1);
	AFTER();
}

FUNCTION go_deeper(int steps)
{
	if (steps > 0)
		go_deeper(steps - 1);
	else
		read_nothing();
	AFTER();
}

static void on_signal(int number)
{
	(void)number;
	go_deeper(2);
	AFTER();
}

FUNCTION be_interrupted(void)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	signal(SIGUSR1, on_signal);
	/* who has started it may have blocked it */
	pthread_sigmask(SIG_UNBLOCK, &signals, 0);
	raise(SIGUSR1);
	AFTER();
}

FUNCTION wait_for_work(void)
{
	pthread_mutex_lock(&mutex);
	for (;;)
		pthread_cond_wait(&condition, &mutex);
}

FUNCTION take_turn(void)
{
	while (sem_wait(&semaphore) != 0)
		;
	AFTER();
}

static void *work(void *unused)
{
	wait_for_work();
	AFTER();
	return unused;
}

FUNCTION join_workers(int count)
{
	pthread_t *threads = calloc((size_t)count, sizeof(*threads));
	for (int index = 0; index < count; index++)
		pthread_create(&threads[index], 0, work, 0);
	for (int index = 0; index < count; index++)
		pthread_join(threads[index], 0);
	AFTER();
}

FUNCTION nap(int seconds)
{
	sleep((unsigned)seconds);
	AFTER();
}

FUNCTION take_lock(int file)
{
	flock(file, LOCK_EX);
	AFTER();
}

/* one reads from a pipe of a second one, which naps and then wants a lock of a third one, which sleeps */
FUNCTION wait_in_line(const char *folder, int seconds)
{
	char path[PATH_MAX];
	pid_t reader = getpid();
	snprintf(path, sizeof(path), "%s/lock", folder);
	int file = open(path, O_RDWR | O_CREAT, 0600);
	flock(file, LOCK_EX);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		close(ends[1]);
		if (getppid() == reader)
			nap(100000);
		_exit(0);
	}
	close(file);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		if (getppid() != reader)
			_exit(0);
		if (seconds > 0)
			nap(seconds);
		take_lock(open(path, O_RDWR));
		_exit(0);
	}
	close(ends[1]);
	read_nothing();
	AFTER();
}

int main(int count, char **words)
{
	const char *mode = count > 1 ? words[1] : "";
	int number = count > 3 ? atoi(words[3]) : 1;
	if (pipe(ends) != 0)
		return 1;
	sem_init(&semaphore, 0, 0);
	printf("{\"pid\":%d,\"tid\":%ld}\n", getpid(), syscall(SYS_gettid));
	fflush(stdout);
	if (strcmp(mode, "deep") == 0)
		go_deeper(number);
	else if (strcmp(mode, "signal") == 0)
		be_interrupted();
	else if (strcmp(mode, "condition") == 0)
		wait_for_work();
	else if (strcmp(mode, "semaphore") == 0)
		take_turn();
	else if (strcmp(mode, "workers") == 0)
		join_workers(number);
	else if (strcmp(mode, "line") == 0 && count > 2)
		wait_in_line(words[2], number);
	else
		return 64;
	AFTER();
	return 0;
}
