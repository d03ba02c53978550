// SPDX-License-Identifier: Apache-2.0
//
// Namespaces, and names that are not fit to print.
#include "hang.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

// MARK: Namespaces

// Only children enter a new PID namespace.
static void run_inside(int flags, void (*body)(void)) {
	enter_namespaces(flags);
	pid_t child = fork_bound();
	if (child == 0)
		body();
	follow(child);
}

static void read_inner_fifo(void) {
	must(mount("tmpfs", "/mnt", "tmpfs", 0, "size=64k"), "mount /mnt");
	int fd = make_fifo("/mnt/inner");
	say_file(fd, "fifo", "/mnt/inner");
	hang_in_read(fd);
}

static void namespaces(void) { run_inside(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET, read_inner_fifo); }

static void connect_inside(void) { hang_in_silent_connect(); }

static void netns_connect(void) { run_inside(CLONE_NEWPID, connect_inside); }

// MARK: Names

static void weird_names(void) {
	static const char process_name[] = "a\nb\"c\x1b[31m\xff\xfez";
	static const char file_name[] = "line\nquote\"back\\slash\x1b[31mred\xff\xfe\x7f" "end";
	char *path = temp_path(file_name);
	int fd = make_fifo(path);
	must(prctl(PR_SET_NAME, process_name), "PR_SET_NAME");
	say_bytes("process_name", process_name, strlen(process_name));
	say_file(fd, "fifo", path);
	hang_in_read(fd);
}

static void *read_weird_fifo(void *path) {
	static const char thread_name[] = "t\r\n\"\x1b[2J\xc3(\t";
	int fd = make_fifo(path);
	must(prctl(PR_SET_NAME, thread_name), "PR_SET_NAME");
	say_bytes("thread_name", thread_name, strlen(thread_name));
	say_file(fd, "fifo", path);
	hang_in_read(fd);
}

static void weird_thread_name(void) {
	must(prctl(PR_SET_NAME, "leader\n\x1b[1m"), "PR_SET_NAME");
	start_thread(read_weird_fifo, temp_path("fifo"));
	for (;;)
		pause();
}

// A path as long as the kernel can still print; too long for one call to make.
static void long_path(void) {
	enum { wanted = 4000, step = 200 };
	static char path[wanted + step + 8];
	char name[step + 1];
	must(realpath(temp_folder(), path) ? 0 : -1, temp_folder());
	must(chdir(path), path);
	memset(name, 'd', step);
	name[step] = '\0';
	while (strlen(path) + 1 + step + 5 <= wanted) {
		must(mkdir(name, 0700), "mkdir");
		must(chdir(name), "chdir");
		strcat(strcat(path, "/"), name);
	}
	name[wanted - strlen(path) - 1 > step ? step : wanted - strlen(path) - 1] = '\0';
	memset(name, 'f', strlen(name));
	int fd = make_fifo(name);
	strcat(strcat(path, "/"), name);
	must(chdir("/"), "chdir");
	say_number("path_length", strlen(path));
	say_file(fd, "fifo", path);
	hang_in_read(fd);
}

static void secrets(void) {
	execl("/proc/self/exe", "hang", "pause", "--password=hunter2", "--token", "hunter2", "postgres://u:hunter2@h/db",
	      "AWS_SECRET_ACCESS_KEY=hunter2", NULL);
	must(-1, "execl");
}

const struct mode name_modes[] = {
	{"namespaces", namespaces, "FIFO read on a tmpfs in new PID, mount and network namespaces"},
	{"netns-connect", netns_connect, "tcp-connect in new PID and network namespaces"},
	{"weird-names", weird_names, "FIFO read; process and path with newline, quote, ESC, invalid UTF-8"},
	{"weird-thread-name", weird_thread_name, "FIFO read in a thread with such a name"},
	{"long-path", long_path, "FIFO read, path of 4,000 bytes"},
	{"secrets", secrets, "pause with passwords on the command line"},
	{0},
};
