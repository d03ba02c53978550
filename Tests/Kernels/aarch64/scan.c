// SPDX-License-Identifier: Apache-2.0
//
// scan OBJECT TABLE: loads and attaches all programs of the BPF object, as blockwatch does, looks at the machine for four
// seconds, and writes one line of JSON a record. There is no Swift for a foreign architecture to be had from Debian: this
// stands in for BlockWatchCapture. TABLE is the first column of `bw_settings.calls`.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "blockwatch.h"

static const char *const programs[] = {"on_process_exit", "on_signal", "on_sys_exit", "on_sys_enter"};
static const char *const iterators[] = {"scan", "view", "holders"};

static void fail(const char *step, const char *what) {
	printf("{\"failed\":\"%s %s: %s\"}\n", step, what, strerror(errno));
	exit(1);
}

static int print_log(enum libbpf_print_level level, const char *format, va_list arguments) {
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static void read_table(const char *path, struct bw_settings *settings) {
	FILE *file = fopen(path, "r");
	unsigned char table[BW_SYSCALLS_MAX];
	if (!file || fread(table, 1, BW_SYSCALLS_MAX, file) != BW_SYSCALLS_MAX)
		fail("read", path);
	for (int number = 0; number < BW_SYSCALLS_MAX; number++)
		settings->calls[number].watched[0] = table[number];
	fclose(file);
}

static struct bw_settings *settings_of(struct bpf_object *object) {
	struct bpf_map *map;
	size_t size = 0;
	bpf_object__for_each_map(map, object) {
		const char *name = bpf_map__name(map);
		if (strcmp(name, ".rodata.settings") == 0)
			return (struct bw_settings *)bpf_map__initial_value(map, &size);
	}
	fail("find", ".rodata.settings");
	return NULL;
}

static int on_record(void *context, void *data, size_t size) {
	const struct bw_call *call = data;
	(void)context;
	if (call->type == BW_RECORD_CLOSE) {
		const struct bw_close *close = data;
		printf("{\"type\":%u,\"id\":\"%llx\",\"closed\":%u,\"result\":%lld}\n", close->type, (unsigned long long)close->id,
		       close->reason, (long long)close->result);
		return 0;
	}
	if (size < offsetof(struct bw_call, cgroup))
		return 0;
	printf("{\"type\":%u,\"id\":\"%llx\",\"kind\":%u,\"pid\":%u,\"tid\":%u,\"number\":%u,\"abi\":%u,\"fd\":%d,\"flags\":%u,"
	       "\"age\":%lld,\"object\":%u,\"inode\":%llu,\"stack\":%u,\"ip\":\"%llx\",\"sp\":\"%llx\",\"arguments\":[",
	       call->type, (unsigned long long)call->id, call->kind, call->tgid, call->pid, call->number, call->abi, call->fd,
	       call->flags, (long long)(call->now_ns - call->start_ns), call->object.kind,
	       (unsigned long long)call->object.inode, call->stack_depth, (unsigned long long)call->ip,
	       (unsigned long long)call->sp);
	for (int i = 0; i < 6; i++)
		printf("%s\"%llx\"", i ? "," : "", (unsigned long long)call->args[i]);
	printf("]}\n");
	return 0;
}

static void look(int link) {
	int iterator = bpf_iter_create(link);
	char byte;
	if (iterator < 0)
		fail("start", "scan");
	while (read(iterator, &byte, 1) < 0)
		if (errno != EAGAIN && errno != EINTR)
			fail("read", "scan");
	close(iterator);
}

int main(int count, char **arguments) {
	enum { looks = 40 };
	if (count != 3)
		return 64;
	setvbuf(stdout, NULL, _IOLBF, 0);
	libbpf_set_print(print_log);
	struct bpf_object *object = bpf_object__open_file(arguments[1], NULL);
	if (!object)
		fail("open", arguments[1]);
	struct bw_settings *settings = settings_of(object);
	read_table(arguments[2], settings);
	settings->threshold_ns = 1000000000;
	settings->tick_ns = 4000000;
	settings->sure_age = settings->threshold_ns / settings->tick_ns + 1;
	settings->near_age = settings->sure_age - 8;
	settings->trace = 1;
	if (bpf_object__load(object))
		fail("load", arguments[1]);
	int scan_link = -1;
	for (size_t i = 0; i < sizeof iterators / sizeof *iterators; i++) {
		struct bpf_link *link =
			bpf_program__attach_iter(bpf_object__find_program_by_name(object, iterators[i]), NULL);
		if (!link)
			fail("attach", iterators[i]);
		if (i == 0)
			scan_link = bpf_link__fd(link);
	}
	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
		if (!bpf_program__attach(bpf_object__find_program_by_name(object, programs[i])))
			fail("attach", programs[i]);
	struct ring_buffer *ring =
		ring_buffer__new(bpf_object__find_map_fd_by_name(object, "records"), on_record, NULL, NULL);
	if (!ring)
		fail("map", "records");
	printf("{\"attached\":%zu}\n", sizeof programs / sizeof *programs + sizeof iterators / sizeof *iterators);
	for (int i = 0; i < looks; i++) {
		look(scan_link);
		ring_buffer__consume(ring);
		usleep(100000);
	}
	printf("{\"done\":true}\n");
	return 0;
}
