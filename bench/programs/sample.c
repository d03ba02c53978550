// SPDX-License-Identifier: Apache-2.0
// Writes `TID PROCESS NAME STATE CALL` of all threads once a second, until its input ends:  sample OBJECT
#define _GNU_SOURCE
#include "common.h"
#include "sample.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>

static void look(int link)
{
	int iterator = must(bpf_iter_create(link), "create an iterator");
	struct sample samples[256];
	ssize_t count;

	do {
		count = read(iterator, samples, sizeof(samples));
		for (ssize_t i = 0; i < count / (ssize_t)sizeof(*samples); i++)
			printf("%u %u %.16s %u %d\n", samples[i].tid, samples[i].process, samples[i].name, samples[i].state,
			       samples[i].number);
	} while (count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR)));
	must(count, "read the iterator");
	close(iterator);
	fflush(stdout);
}

int main(int count, char **arguments)
{
	struct pollfd input = { .events = POLLIN };
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_link *link;

	if (count != 2) {
		fprintf(stderr, "usage: sample OBJECT\n");
		return 64;
	}
	object = bpf_object__open_file(arguments[1], NULL);
	must(object && bpf_object__load(object) == 0 ? 0 : -1, "load the iterator");
	program = bpf_object__find_program_by_name(object, "sample");
	must(program && (link = bpf_program__attach_iter(program, NULL)) ? 0 : -1, "attach the iterator");
	do
		look(bpf_link__fd(link));
	while (poll(&input, 1, 1000) == 0);
	return 0;
}
