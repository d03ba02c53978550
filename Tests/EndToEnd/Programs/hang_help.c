// SPDX-License-Identifier: Apache-2.0
//
// Short cuts: calls that must work, children that die with us, threads, surroundings.
#include "hang.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

// MARK: Calls that must work

long must(long result, const char *step) {
	if (result < 0) {
		fprintf(stderr, "hang: %s: %s\n", step, strerror(errno));
		exit(1);
	}
	return result;
}

void came_back(const char *call, long result) {
	fprintf(stderr, "hang: %s returned %ld (%s)\n", call, result, result < 0 ? strerror(errno) : "no error");
	exit(1);
}

void *must_map(size_t length, int extra_flags) {
	void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | extra_flags, -1, 0);
	must(memory == MAP_FAILED ? -1 : 0, "mmap");
	return memory;
}

void make_pipe(int ends[2]) { must(pipe(ends), "pipe"); }

int make_fifo(const char *path) {
	must(mkfifo(path, 0600), path);
	return must(open(path, O_RDWR), path);
}

char *temp_path(const char *name) {
	char *path;
	must(asprintf(&path, "%s/%s", temp_folder(), name), "asprintf");
	return path;
}

void write_text(const char *path, const char *text) {
	int fd = must(open(path, O_WRONLY | O_CREAT, 0600), path);
	must(write(fd, text, strlen(text)), path);
	close(fd);
}

bool read_text(const char *path, char *text, size_t size) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);
	if (fd >= 0)
		close(fd);
	text[length > 0 ? length : 0] = '\0';
	return length >= 0;
}

// MARK: Blocking

void hang_in_read(int fd) {
	char byte;
	hang_in(read, fd, &byte, 1L);
}

void hang_in_pause(void) {
	say_kind("none");
#ifdef SYS_pause
	hang_in(pause);
#else
	hang_in(ppoll, NULL, 0L, NULL, NULL, 0L);
#endif
}

void sleep_ms(long milliseconds) {
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		;
}

// MARK: Processes and threads

pid_t fork_bound(void) {
	pid_t child = must(fork(), "fork");
	if (child == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return child;
}

void follow(pid_t child) {
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	exit(0);
}

pid_t fork_sleeper(void) {
	pid_t child = fork_bound();
	while (child == 0)
		pause();
	return child;
}

pid_t fork_ready(void (*prepare)(void *), void *argument) {
	int ready[2];
	char byte = 0;
	make_pipe(ready);
	pid_t child = fork_bound();
	if (child == 0) {
		prepare(argument);
		must(write(ready[1], &byte, 1), "write");
		for (;;)
			pause();
	}
	close(ready[1]);
	must(read(ready[0], &byte, 1) == 1 ? 0 : -1, "child");
	close(ready[0]);
	return child;
}

pid_t this_thread(void) { return syscall(SYS_gettid); }

void start_thread(void *(*body)(void *), void *argument) {
	pthread_t thread;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	errno = pthread_create(&thread, &attributes, body, argument);
	must(errno ? -1 : 0, "pthread_create");
	pthread_attr_destroy(&attributes);
}

void wait_until_in(pid_t tid, long number) {
	char path[64], text[128];
	snprintf(path, sizeof path, "/proc/%d/syscall", tid);
	for (;; sleep_ms(1))
		if (read_text(path, text, sizeof text) && text[0] != 'r' && atol(text) == number)
			return;
}

void on_signal(int number, void (*handler)(int), int flags) {
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
	must(sigaction(number, &action, NULL), "sigaction");
}

void tick(long milliseconds) {
	struct timeval period = {milliseconds / 1000, milliseconds % 1000 * 1000};
	struct itimerval timer = {period, period};
	must(setitimer(ITIMER_REAL, &timer, NULL), "setitimer");
}

// MARK: Surroundings

void enter_namespaces(int flags) {
	must(unshare(flags), "unshare");
	if (flags & CLONE_NEWNS)
		must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount --make-rprivate");
}

static void set_address(int control, struct ifreq *interface, unsigned long request, const char *address) {
	struct sockaddr_in *place = (struct sockaddr_in *)&interface->ifr_addr;
	memset(place, 0, sizeof *place);
	place->sin_family = AF_INET;
	place->sin_addr.s_addr = inet_addr(address);
	must(ioctl(control, request, interface), "interface address");
}

// A tun device whose reader, this process, never reads.
void enter_silent_network(void) {
	struct ifreq interface = {.ifr_name = "silent0", .ifr_flags = IFF_TUN | IFF_NO_PI};
	enter_namespaces(CLONE_NEWNET);
	int tun = must(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "/dev/net/tun");
	must(ioctl(tun, TUNSETIFF, &interface), "TUNSETIFF");
	int control = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	set_address(control, &interface, SIOCSIFADDR, "10.99.0.1");
	set_address(control, &interface, SIOCSIFNETMASK, "255.255.255.0");
	interface.ifr_flags = IFF_UP | IFF_RUNNING;
	must(ioctl(control, SIOCSIFFLAGS, &interface), "SIOCSIFFLAGS");
	close(control);
}

void hang_in_silent_connect(void) {
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.99.0.1")};
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.99.0.5"), .sin_port = htons(3306)};
	int retries = 127;
	enter_silent_network();
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(fd, (struct sockaddr *)&here, sizeof here), "bind");
	must(setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &retries, sizeof retries), "TCP_SYNCNT");
	say_socket(fd, "tcp", "SYN_SENT");
	say_text("peer_address", "10.99.0.5");
	say_number("peer_port", 3306);
	hang_in(connect, fd, &there, sizeof there);
}

void tell(int fd) { must(write(fd, "x", 1), "write"); }
void hear(int fd) {
	char byte;
	must(read(fd, &byte, 1) == 1 ? 0 : -1, "read");
}
