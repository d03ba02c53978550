// SPDX-License-Identifier: Apache-2.0
//
// Page faults that do not end, and a FUSE server that leaves some questions unanswered.
#include "hang.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

// MARK: Pages

static int page_faults; // the userfaultfd of the last such page

// A page that nobody will ever fill.
static char *unserved_page(void) {
	size_t size = sysconf(_SC_PAGESIZE);
	char *page = must_map(size, 0);
	int fd = page_faults = must(syscall(SYS_userfaultfd, O_CLOEXEC), "userfaultfd");
	struct uffdio_api api = {.api = UFFD_API};
	must(ioctl(fd, UFFDIO_API, &api), "UFFDIO_API");
	struct uffdio_register range = {.range = {(unsigned long)page, size}, .mode = UFFDIO_REGISTER_MODE_MISSING};
	must(ioctl(fd, UFFDIO_REGISTER, &range), "UFFDIO_REGISTER");
	return page;
}

static void userfaultfd_page(void) {
	volatile char *page = unserved_page();
	say_kind("page");
	say_address("address", page);
	say_call("none", -1);
	say_done();
	*page = 1;
	came_back("page fault", 0);
}

// Fills the page 190 ms after each fault and takes it away again 10 ms later, for 4 s.
static void *serve_page(void *page) {
	size_t size = sysconf(_SC_PAGESIZE);
	struct uffd_msg fault;
	for (int turn = 0; turn < 20; turn++) {
		must(read(page_faults, &fault, sizeof fault) == sizeof fault ? 0 : -1, "read of a fault");
		sleep_ms(190);
		struct uffdio_zeropage zero = {.range = {(unsigned long)page, size}};
		must(ioctl(page_faults, UFFDIO_ZEROPAGE, &zero), "UFFDIO_ZEROPAGE");
		sleep_ms(10);
		must(madvise(page, size, MADV_DONTNEED), "madvise");
	}
	return NULL;
}

// One instruction, and no system call of its own between the faults.
static void fault_loop(void) {
	volatile char *page = unserved_page();
	say_kind("page");
	say_address("address", page);
	say_call("none", -1);
	start_thread(serve_page, (void *)page);
	say_done();
	for (;;)
		(void)*page;
}

static void userfaultfd_read(void) {
	char *path = temp_path("file"), *page = unserved_page();
	write_text(path, "some bytes to read\n");
	int fd = must(open(path, O_RDONLY), path);
	say_file(fd, "page", path);
	say_address("address", page);
	hang_in(read, fd, page, 16L);
}

// The kernel keeps the epoll's mutex while it stores the event, and whoever reads its fdinfo waits for that in D.
static void userfaultfd_epoll(void) {
	struct epoll_event event = {.events = EPOLLIN};
	int ready = must(eventfd(1, 0), "eventfd"), fd = must(epoll_create1(0), "epoll_create1");
	must(epoll_ctl(fd, EPOLL_CTL_ADD, ready, &event), "epoll_ctl");
	char *page = unserved_page();
	say_fd(fd, "page");
	say_address("address", page);
	hang_in_epoll_wait(fd, page, 1L);
}

// MARK: The FUSE server: the process that was started; its client is a child

// That way round, because a client that waits for it cannot die before it: not by SIGTERM, not by SIGKILL.
struct fuse_server {
	int fd;
	bool direct;	     // reads go past the page cache
	bool answers_flush; // if not, its client is announced when it asks
	bool dies;	     // as soon as somebody reads, nothing is answered any more, and nothing is cached
	int failures;	     // so many reads are failed before one is never answered
	pid_t client;
};

enum { root_node = 1, file_node = 2 };

static void answer(const struct fuse_server *server, const struct fuse_in_header *question, int error, void *body, size_t size) {
	struct fuse_out_header header = {.len = sizeof header + size, .error = error, .unique = question->unique};
	struct iovec parts[] = {{&header, sizeof header}, {body, size}};
	if (writev(server->fd, parts, 2) < 0 && errno != ENOENT)
		must(-1, "/dev/fuse");
}

static void announce_death(pid_t client) {
	say_thread(client, client);
	say_kind("none");
	say_number("server_pid", getpid());
	say_call("exit_group", SYS_exit_group);
	say_done();
}

static struct fuse_attr attributes_of(unsigned long long node) {
	return (struct fuse_attr){.ino = node, .size = 1 << 20, .nlink = 1, .mode = node == root_node ? S_IFDIR | 0755 : S_IFREG | 0644, .blksize = 4096};
}

// Once a page could not be read the kernel tries again, and this time it keeps the lock of the address space.
static int *mmap_may_begin;

static void serve_one(struct fuse_server *server, const struct fuse_in_header *question) {
	struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = 4096, .max_write = 65536};
	struct fuse_entry_out entry = {.nodeid = file_node, .attr = attributes_of(file_node), .attr_valid = 3600, .entry_valid = 3600};
	struct fuse_attr_out attributes = {.attr = attributes_of(question->nodeid), .attr_valid = 3600};
	if (server->dies) {
		entry.attr_valid = attributes.attr_valid = 0;
		if (server->failures < 0)
			return;
	}
	struct fuse_open_out opened = {.fh = 1, .open_flags = server->direct ? FOPEN_DIRECT_IO : 0};
	switch (question->opcode) {
	case FUSE_INIT: answer(server, question, 0, &init, sizeof init); break;
	case FUSE_LOOKUP: answer(server, question, 0, &entry, sizeof entry); break;
	case FUSE_GETATTR: answer(server, question, 0, &attributes, sizeof attributes); break;
	case FUSE_OPEN: answer(server, question, 0, &opened, sizeof opened); break;
	case FUSE_FLUSH:
		if (server->answers_flush)
			answer(server, question, 0, NULL, 0);
		else
			announce_death(server->client);
		break;
	case FUSE_READ:
		if (server->failures > 0)
			answer(server, question, -EIO, NULL, 0);
		if (server->failures-- == 0 && mmap_may_begin)
			__atomic_store_n(mmap_may_begin, 1, __ATOMIC_RELEASE);
		break;
	case FUSE_WRITE:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: break;
	default: answer(server, question, -ENOSYS, NULL, 0);
	}
}

// Mounts on FOLDER/mount, in a private mount table that goes away with us, starts the client, and serves it.
static void serve_fuse(struct fuse_server server, void (*client)(const char *path)) {
	static char buffer[1 << 18] __attribute__((aligned(8)));
	char options[128], *folder = temp_path("mount"), *path = temp_path("mount/file");
	enter_namespaces(CLONE_NEWNS);
	must(mkdir(folder, 0700), folder);
	server.fd = must(open("/dev/fuse", O_RDWR), "/dev/fuse");
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", server.fd);
	must(mount("hang", folder, "fuse.hang", MS_NOSUID | MS_NODEV, options), "mount fuse");
	server.client = fork_bound();
	if (server.client == 0) {
		close(server.fd);
		client(path);
		_exit(0);
	}
	for (;;)
		if (read(server.fd, buffer, sizeof buffer) > 0)
			serve_one(&server, (struct fuse_in_header *)buffer);
		else if (errno != EINTR && errno != ENOENT)
			must(-1, "/dev/fuse");
}

static void read_file(const char *path) {
	static char buffer[4096];
	int fd = must(open(path, O_RDONLY), path);
	say_file(fd, "file", path);
	say_text("filesystem", "fuse.hang");
	say_number("server_pid", getppid());
	hang_in(read, fd, buffer, sizeof buffer);
}

static void open_and_exit(const char *path) {
	must(open(path, O_RDONLY), path);
	_exit(0);
}

static void open_and_be_killed(const char *path) {
	must(open(path, O_RDONLY), path);
	kill(getpid(), SIGKILL);
}

// A second writer waits in the kernel for the inode's lock, which the first one keeps until the server answers.
static void write_behind(const char *path) {
	int fd = must(open(path, O_WRONLY), "open");
	pid_t first = fork_bound();
	if (first == 0)
		_exit(write(fd, "x", 1) + 3);
	sleep_ms(200);
	say_file(fd, "file", path);
	say_number("holder_pid", first);
	hang_in(write, fd, "y", 1L);
}

static void *map_when_locked(void *unused) {
	(void)unused;
	while (!__atomic_load_n(mmap_may_begin, __ATOMIC_ACQUIRE))
		sleep_ms(10);
	sleep_ms(100); // the page fault is on its way to sleep
	mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return NULL;
}

static void touch_page(const char *path) {
	int fd = must(open(path, O_RDONLY), path);
	volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	must(page == MAP_FAILED ? -1 : 0, "mmap");
	must(madvise((void *)page, 4096, MADV_RANDOM), "madvise"); // no reading ahead
	start_thread(map_when_locked, NULL);
	say_file(fd, "page", path);
	say_call("none", -1);
	say_done();
	(void)*page;
	came_back("page fault", 0);
}

static void mmap_lock(void) {
	mmap_may_begin = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(mmap_may_begin == MAP_FAILED ? -1 : 0, "mmap");
	serve_fuse((struct fuse_server){.failures = number_argument(0, 1), .answers_flush = true}, touch_page);
}

static void fuse_dead(void) { serve_fuse((struct fuse_server){.direct = true, .dies = true}, read_file); }

static void fuse_write_lock(void) { serve_fuse((struct fuse_server){.direct = false, .answers_flush = true}, write_behind); }

static void fuse_read(void) { serve_fuse((struct fuse_server){.direct = true, .answers_flush = true}, read_file); }
static void fuse_read_cached(void) { serve_fuse((struct fuse_server){.direct = false, .answers_flush = true}, read_file); }
static void fuse_flush_exit(void) { serve_fuse((struct fuse_server){.direct = true}, open_and_exit); }
static void fuse_flush_kill(void) { serve_fuse((struct fuse_server){.direct = true}, open_and_be_killed); }

const struct mode memory_modes[] = {
	{"userfaultfd-page", userfaultfd_page, "touches a page that is never served; no system call"},
	{"fault-loop", fault_loop, "faults at one instruction that are served after 190 ms, and after 4 s no more"},
	{"userfaultfd-epoll", userfaultfd_epoll, "epoll_wait that stores its event there, with the epoll's mutex"},
	{"userfaultfd-read", userfaultfd_read, "read of a file into such a page"},
	{"fuse-read", fuse_read, "read of a FUSE file whose server never answers"},
	{"fuse-read-cached", fuse_read_cached, "the same through the page cache"},
	{"fuse-dead", fuse_dead, "the same, and the server answers nothing else either"},
	{"mmap-lock", mmap_lock, "a page fault keeps the lock of the address space, behind which a second thread is in mmap"},
	{"fuse-write-lock", fuse_write_lock, "a write that waits in D for the inode's lock"},
	{"fuse-flush-exit", fuse_flush_exit, "a child exits and hangs in closing a FUSE file"},
	{"fuse-flush-kill", fuse_flush_kill, "a child is killed by SIGKILL and hangs there"},
	{0},
};
