// SPDX-License-Identifier: Apache-2.0
// Attaches the tracepoint programs of an object until its input ends:  attach OBJECT
#define _GNU_SOURCE
#include "common.h"

#include <bpf/libbpf.h>

int main(int count, char **arguments)
{
	struct bpf_object *object;
	struct bpf_program *program;
	int attached = 0;

	if (count != 2) {
		fprintf(stderr, "usage: attach OBJECT\n");
		return 64;
	}
	object = bpf_object__open_file(arguments[1], NULL);
	must(object && bpf_object__load(object) == 0 ? 0 : -1, "load the empty programs");
	bpf_object__for_each_program(program, object) {
		if (bpf_program__expected_attach_type(program) != BPF_TRACE_RAW_TP)
			continue;
		must(bpf_program__attach(program) ? 0 : -1, bpf_program__name(program));
		attached++;
	}
	printf("attached %d\n", attached);
	fflush(stdout);
	wait_for_end_of_input();
	return 0;
}
