// SPDX-License-Identifier: Apache-2.0
// A host on which nothing stays:  churn SECONDS ROUNDS
//
// Round after round 500 processes at once, 2,000 threads, 200 TCP connections, and 100 reads that block for 400 ms,
// for so many seconds and at least so many rounds. One line a round: processes, threads, connections, reads so far.
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { PROCESSES = 500, THREADS = 2000, CONNECTIONS = 200, READS = 100, BATCH = 50 };

static int listener;
static struct sockaddr_in address = { .sin_family = AF_INET };
static pthread_attr_t attributes;

static pthread_t start(void *(*body)(void *), void *argument)
{
	pthread_t thread;

	must(-(errno = pthread_create(&thread, &attributes, body, argument)), "pthread_create");
	return thread;
}

static void processes(void)
{
	for (int i = 0; i < PROCESSES; i++)
		if (!must(fork(), "fork"))
			_exit(0);
	for (int i = 0; i < PROCESSES; i++)
		must(waitpid(-1, NULL, 0), "waitpid");
}

static void *nothing(void *argument)
{
	return argument;
}

static void threads(void)
{
	pthread_t batch[BATCH];

	for (int done = 0; done < THREADS; done += BATCH) {
		for (int i = 0; i < BATCH; i++)
			batch[i] = start(nothing, NULL);
		for (int i = 0; i < BATCH; i++)
			pthread_join(batch[i], NULL);
	}
}

static void *serve(void *argument)
{
	char byte;

	for (;;) {
		int client = must(accept(listener, NULL, NULL), "accept");

		must(read(client, &byte, 1), "read from a connection");
		must(write(client, &byte, 1), "write to a connection");
		close(client);
	}
	return argument;
}

static void connections(void)
{
	struct linger at_once = { .l_onoff = 1 }; // leaves nothing in TIME_WAIT
	char byte = 0;

	for (int i = 0; i < CONNECTIONS; i++) {
		int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

		must(connect(fd, (struct sockaddr *)&address, sizeof(address)), "connect");
		must(write(fd, &byte, 1), "write to a connection");
		must(read(fd, &byte, 1), "read from a connection");
		must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), "SO_LINGER");
		close(fd);
	}
}

static void *read_one(void *fd)
{
	char byte;

	must(read(*(int *)fd, &byte, 1), "read a pipe");
	return NULL;
}

static void reads(void)
{
	pthread_t readers[READS];
	int pipes[READS][2];

	for (int i = 0; i < READS; i++) {
		must(pipe(pipes[i]), "pipe");
		readers[i] = start(read_one, &pipes[i][0]);
	}
	usleep(400000);
	for (int i = 0; i < READS; i++) {
		must(write(pipes[i][1], "", 1), "write a pipe");
		pthread_join(readers[i], NULL);
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

int main(int count, char **arguments)
{
	uint64_t end;
	socklen_t size = sizeof(address);
	long least;

	if (count != 3 || atol(arguments[1]) < 1) {
		fprintf(stderr, "usage: churn SECONDS ROUNDS\n");
		return 64;
	}
	least = atol(arguments[2]);
	end = clock_ns(CLOCK_MONOTONIC) + atol(arguments[1]) * 1000000000ull;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(listener, (struct sockaddr *)&address, sizeof(address)), "bind");
	must(listen(listener, 128), "listen");
	must(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 32768);
	start(serve, NULL);
	for (long round = 1; round <= least || clock_ns(CLOCK_MONOTONIC) < end; round++) {
		processes();
		threads();
		connections();
		reads();
		printf("%ld %ld %ld %ld\n", round * PROCESSES, round * THREADS, round * CONNECTIONS, round * READS);
		fflush(stdout);
	}
	return 0;
}
