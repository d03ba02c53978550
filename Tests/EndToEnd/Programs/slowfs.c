/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slowfs FOLDER MILLISECONDS: a FUSE server that takes its time, without a library. Four threads answer.
 *
 *   img     64 MiB; a write takes that long, so that a loop device over it is slow and alive
 *   slow    to look it up takes 20 s
 *   never   to look it up, or to make a folder of a name that begins so, is never answered
 *
 * Says `ready` once it is mounted, and unmounts when it is told to end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { root = 1, image = 2, size = 64 << 20, most_write = 1 << 16, threads = 4 };

static int device, delay_ms;
static char *content;

static void must(long result, const char *what) {
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static void answer(const struct fuse_in_header *question, int error, const void *body, size_t length) {
	struct fuse_out_header header = {.len = sizeof header + length, .error = error, .unique = question->unique};
	struct iovec parts[] = {{&header, sizeof header}, {(void *)body, length}};
	if (writev(device, parts, 2) < 0 && errno != ENOENT && errno != EINVAL)
		must(-1, "answer");
}

static struct fuse_attr attributes_of(unsigned long long node) {
	return (struct fuse_attr){.ino = node, .size = node == root ? 0 : size, .nlink = 1, .blksize = 4096,
				  .mode = node == root ? S_IFDIR | 0755 : S_IFREG | 0644};
}

static void look_up(const struct fuse_in_header *question, const char *name) {
	struct fuse_entry_out entry = {.nodeid = image, .attr = attributes_of(image), .attr_valid = 3600, .entry_valid = 3600};
	if (!strcmp(name, "img"))
		return answer(question, 0, &entry, sizeof entry);
	if (!strncmp(name, "never", 5))
		return;
	if (!strcmp(name, "slow"))
		sleep(20);
	answer(question, -ENOENT, NULL, 0);
}

static void serve_one(const struct fuse_in_header *question) {
	const void *body = question + 1;
	struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = 4096, .max_write = most_write,
				     .flags = FUSE_BIG_WRITES};
	struct fuse_attr_out attributes = {.attr = attributes_of(question->nodeid)};
	struct fuse_open_out opened = {.fh = 1};
	const struct fuse_read_in *read_in = body;
	const struct fuse_write_in *write_in = body;
	struct fuse_write_out written = {.size = write_in->size};
	switch (question->opcode) {
	case FUSE_INIT: return answer(question, 0, &init, sizeof init);
	case FUSE_LOOKUP: return look_up(question, body);
	case FUSE_GETATTR:
	case FUSE_SETATTR: return answer(question, 0, &attributes, sizeof attributes);
	case FUSE_OPEN:
	case FUSE_OPENDIR: return answer(question, 0, &opened, sizeof opened);
	case FUSE_READ:
		if (read_in->offset + read_in->size > size)
			return answer(question, 0, NULL, 0);
		return answer(question, 0, content + read_in->offset, read_in->size);
	case FUSE_WRITE:
		usleep(delay_ms * 1000);
		if (write_in->offset + write_in->size <= size)
			memcpy(content + write_in->offset, write_in + 1, write_in->size);
		return answer(question, 0, &written, sizeof written);
	case FUSE_READDIR:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR: return answer(question, 0, NULL, 0);
	case FUSE_MKDIR:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: return;
	default: answer(question, -ENOSYS, NULL, 0);
	}
}

static void *serve(void *unused) {
	char *buffer = malloc(most_write + 4096);
	for (;;) {
		if (read(device, buffer, most_write + 4096) > 0)
			serve_one((struct fuse_in_header *)buffer);
		else if (errno == ENODEV)
			exit(0);
	}
	return unused;
}

int main(int count, char **words) {
	char options[128];
	sigset_t endings;
	pthread_t thread;
	int signal;
	if (count != 3)
		return 64;
	delay_ms = atoi(words[2]);
	content = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(content == MAP_FAILED ? -1 : 0, "memory");
	must(device = open("/dev/fuse", O_RDWR | O_CLOEXEC), "/dev/fuse");
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
	must(mount("slowfs", words[1], "fuse.slowfs", MS_NOSUID | MS_NODEV, options), "mount");
	sigemptyset(&endings);
	sigaddset(&endings, SIGTERM);
	sigaddset(&endings, SIGINT);
	must(-pthread_sigmask(SIG_BLOCK, &endings, NULL), "mask");
	for (int i = 0; i < threads; i++)
		must(-pthread_create(&thread, NULL, serve, NULL), "thread");
	puts("ready");
	fflush(stdout);
	sigwait(&endings, &signal);
	umount2(words[1], MNT_DETACH);
	return 0;
}
