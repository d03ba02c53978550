// SPDX-License-Identifier: Apache-2.0
// What blockwatch's scan costs beside an empty task iterator, both read by this program, in turn:
//
//   iterate OBJECT PID PROGRAM ROUNDS
//
// OBJECT has an empty iter/task program, PID is a blockwatch that runs, PROGRAM the name of its iterator. One line a
// round: nanoseconds of CPU time for the empty one and for blockwatch's.
#define _GNU_SOURCE
#include "common.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>

// The number that a file of /proc/PID/fdinfo gives to a key; 0: it has none.
static unsigned int fdinfo_number(const char *path, const char *key)
{
	FILE *file = fopen(path, "r");
	char line[256];
	unsigned int number = 0;
	size_t length = strlen(key);

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, length) && line[length] == ':')
			number = strtoul(line + length + 1, NULL, 10);
	if (file)
		fclose(file);
	return number;
}

// A descriptor of the link in process `pid` that carries the program of this name.
static int find_link(const char *pid, const char *name)
{
	char folder[64], path[sizeof(((struct dirent *)0)->d_name) + 72], seen[1024] = "";
	struct dirent *entry;
	DIR *files;

	snprintf(folder, sizeof(folder), "/proc/%s/fdinfo", pid);
	files = opendir(folder);
	must(files ? 0 : -1, folder);
	while ((entry = readdir(files))) {
		struct bpf_prog_info info = { 0 };
		__u32 size = sizeof(info);
		unsigned int link;
		int program;

		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		link = fdinfo_number(path, "link_id");
		if (!link)
			continue;
		program = must(bpf_prog_get_fd_by_id(fdinfo_number(path, "prog_id")), "open a program of blockwatch");
		must(bpf_obj_get_info_by_fd(program, &info, &size), "ask for a program's name");
		close(program);
		if (!strcmp(info.name, name)) {
			closedir(files);
			return must(bpf_link_get_fd_by_id(link), "open the iterator's link");
		}
		strncat(seen, " ", sizeof(seen) - strlen(seen) - 1);
		strncat(seen, info.name, sizeof(seen) - strlen(seen) - 1);
	}
	fprintf(stderr, "iterate: process %s has no program %s attached, only:%s\n", pid, name, seen);
	exit(1);
}

// CPU time of one whole pass.
static uint64_t pass(int link)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int iterator = must(bpf_iter_create(link), "create an iterator");
	ssize_t count;
	char byte;

	do {
		errno = 0;
		count = read(iterator, &byte, 1);
	} while (count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR)));
	must(count, "read the iterator");
	close(iterator);
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
}

int main(int count, char **arguments)
{
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_link *link;
	int empty, ours;
	long rounds;

	if (count != 5 || (rounds = atol(arguments[4])) < 1) {
		fprintf(stderr, "usage: iterate OBJECT PID PROGRAM ROUNDS\n");
		return 64;
	}
	object = bpf_object__open_file(arguments[1], NULL);
	must(object && bpf_object__load(object) == 0 ? 0 : -1, "load the empty iterator");
	program = bpf_object__find_program_by_name(object, "empty_scan");
	must(program && (link = bpf_program__attach_iter(program, NULL)) ? 0 : -1, "attach the empty iterator");
	empty = bpf_link__fd(link);
	ours = find_link(arguments[2], arguments[3]);
	pass(empty), pass(ours);
	while (rounds--) {
		uint64_t first = pass(empty);

		printf("%llu %llu\n", (unsigned long long)first, (unsigned long long)pass(ours));
		usleep(20000);
	}
	return 0;
}
