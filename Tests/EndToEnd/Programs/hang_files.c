// SPDX-License-Identifier: Apache-2.0
//
// Pipes, FIFOs, terminals, anonymous descriptors, devices.
#include "hang.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>

// MARK: Pipes and FIFOs

static void say_pipe(int fd, long bytes) {
	say_fd(fd, "pipe");
	say_number("readers", 1);
	say_number("writers", 1);
	say_number("bytes", bytes);
	say_number("capacity", must(fcntl(fd, F_GETPIPE_SZ), "F_GETPIPE_SZ"));
}

static void make_full_pipe(int ends[2]) {
	static char bytes[4096];
	make_pipe(ends);
	must(fcntl(ends[1], F_SETFL, O_NONBLOCK), "F_SETFL");
	while (write(ends[1], bytes, sizeof bytes) > 0)
		;
	must(fcntl(ends[1], F_SETFL, 0), "F_SETFL");
}

static void pipe_read(void) {
	int ends[2];
	make_pipe(ends);
	say_pipe(ends[0], 0);
	hang_in_read(ends[0]);
}

static void pipe_write(void) {
	int ends[2];
	make_full_pipe(ends);
	say_pipe(ends[1], fcntl(ends[1], F_GETPIPE_SZ));
	hang_in(write, ends[1], "x", 1L);
}

static void fifo_open_read(void) {
	struct stat status;
	char *path = temp_path("fifo"), inode[24];
	must(mkfifo(path, 0600), path);
	must(stat(path, &status), path);
	snprintf(inode, sizeof inode, "%llu", (unsigned long long)status.st_ino);
	say_kind("fifo");
	say_text("inode", inode);
	say_text("path", path);
	hang_in(openat, AT_FDCWD, path, O_RDONLY, 0);
}

static void fifo_read(void) {
	char *path = temp_path("fifo");
	int fd = make_fifo(path);
	say_file(fd, "fifo", path);
	hang_in_read(fd);
}

static void sendfile_call(void) {
	char *path = temp_path("file");
	int ends[2];
	make_full_pipe(ends);
	write_text(path, "some bytes to send\n");
	int source = must(open(path, O_RDONLY), path);
	say_pipe(ends[1], fcntl(ends[1], F_GETPIPE_SZ));
	say_number("in_fd", source);
	hang_in(sendfile, ends[1], source, NULL, 4096L);
}

static void splice_call(void) {
	int from[2], to[2];
	make_pipe(from);
	make_pipe(to);
	say_pipe(from[0], 0);
	say_number("out_fd", to[1]);
	hang_in(splice, from[0], NULL, to[1], NULL, 4096L, 0L);
}

// MARK: Terminals

static void pty_read(void) {
	int controller = must(posix_openpt(O_RDWR | O_NOCTTY), "posix_openpt");
	must(grantpt(controller), "grantpt");
	must(unlockpt(controller), "unlockpt");
	const char *path = ptsname(controller);
	int fd = must(open(path, O_RDWR | O_NOCTTY), path);
	say_file(fd, "tty", path);
	hang_in_read(fd);
}

// Another process has the other side, and reads nothing that matters.
static void hang_in_stopped_write(bool byKey) {
	int controller = must(posix_openpt(O_RDWR | O_NOCTTY), "posix_openpt"), ready[2], packets = 1;
	char byte;
	must(grantpt(controller), "grantpt");
	must(unlockpt(controller), "unlockpt");
	const char *path = ptsname(controller);
	int fd = must(open(path, O_RDWR | O_NOCTTY), path);
	make_pipe(ready);
	pid_t keeper = fork_bound();
	if (keeper == 0) {
		close(fd);
		must(ioctl(controller, TIOCPKT, &packets), "TIOCPKT");
		if (byKey)
			must(write(controller, "\x13", 1), "write");
		else
			tell(ready[1]);
		// the first packet says that the output has been stopped
		do
			must(read(controller, &byte, 1), "read");
		while (!(byte & TIOCPKT_STOP));
		tell(ready[1]);
		for (;;)
			pause();
	}
	close(controller);
	hear(ready[0]);
	if (!byKey) {
		must(tcflow(fd, TCOOFF), "tcflow");
		hear(ready[0]);
	}
	say_file(fd, "tty", path);
	say_number("holder_pid", keeper);
	hang_in(write, fd, "x", 1L);
}

static void tty_write_stopped(void) { hang_in_stopped_write(false); }
static void tty_write_ctrl_s(void) { hang_in_stopped_write(true); }

// MARK: Anonymous descriptors

static void hang_in_read_of(int fd, const char *kind) {
	char buffer[256];
	say_fd(fd, kind);
	hang_in(read, fd, buffer, sizeof buffer);
}

static void read_eventfd(void) { hang_in_read_of(must(eventfd(0, 0), "eventfd"), "eventfd"); }

static void timerfd_read(void) {
	struct itimerspec tomorrow = {.it_value.tv_sec = 86400};
	int fd = must(timerfd_create(CLOCK_MONOTONIC, 0), "timerfd_create");
	must(timerfd_settime(fd, 0, &tomorrow, NULL), "timerfd_settime");
	hang_in_read_of(fd, "timerfd");
}

static void signalfd_read(void) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &set, NULL), "sigprocmask");
	hang_in_read_of(must(signalfd(-1, &set, 0), "signalfd"), "signalfd");
}

static void inotify_read(void) {
	char *path = temp_path("watched");
	int fd = must(inotify_init1(0), "inotify_init1");
	must(mkdir(path, 0700), path);
	must(inotify_add_watch(fd, path, IN_CREATE), path);
	hang_in_read_of(fd, "inotify");
}

// MARK: Devices

// A tun device in a network of its own. It stays down, so that no packet of the kernel wakes its reader.
static void device_read(void) {
	struct ifreq interface = {.ifr_name = "hang0", .ifr_flags = IFF_TUN | IFF_NO_PI};
	enter_namespaces(CLONE_NEWNET);
	int fd = must(open("/dev/net/tun", O_RDWR), "/dev/net/tun");
	must(ioctl(fd, TUNSETIFF, &interface), "TUNSETIFF");
	say_file(fd, "device", "/dev/net/tun");
	char packet[2048];
	hang_in(read, fd, packet, sizeof packet);
}

const struct mode file_modes[] = {
	{"pipe-read", pipe_read, "read of an empty pipe"},
	{"pipe-write", pipe_write, "write to a full pipe"},
	{"fifo-open-read", fifo_open_read, "openat of a FIFO without a writer"},
	{"fifo-read", fifo_read, "read of an empty FIFO"},
	{"sendfile", sendfile_call, "sendfile of a file to a full pipe"},
	{"splice", splice_call, "splice out of an empty pipe"},
	{"pty-read", pty_read, "read of a terminal where nobody types"},
	{"tty-write-stopped", tty_write_stopped, "write to a terminal whose output tcflow has stopped"},
	{"tty-write-ctrl-s", tty_write_ctrl_s, "the same, stopped by Ctrl-S"},
	{"eventfd-read", read_eventfd, "read of an eventfd at 0"},
	{"timerfd-read", timerfd_read, "read of a timerfd that fires tomorrow"},
	{"signalfd-read", signalfd_read, "read of a signalfd for SIGUSR1"},
	{"inotify-read", inotify_read, "read of an inotify descriptor"},
	{"device-read", device_read, "read of /dev/net/tun"},
	{0},
};
