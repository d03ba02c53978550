// SPDX-License-Identifier: Apache-2.0
// The programs that are attached to tracepoints on this host, one name a line: whatever is there when a benchmark has
// attached nothing slows the loops that should be bare.
#define _GNU_SOURCE
#include "common.h"

#include <bpf/bpf.h>

int main(void)
{
	__u32 id = 0;

	while (!bpf_link_get_next_id(id, &id)) {
		struct bpf_link_info link = { 0 };
		struct bpf_prog_info program = { 0 };
		__u32 link_size = sizeof(link), program_size = sizeof(program);
		int link_fd = bpf_link_get_fd_by_id(id), program_fd;

		if (link_fd < 0)
			continue; // gone meanwhile
		if (!bpf_obj_get_info_by_fd(link_fd, &link, &link_size) &&
		    (link.type == BPF_LINK_TYPE_RAW_TRACEPOINT || link.type == BPF_LINK_TYPE_PERF_EVENT ||
		     (link.type == BPF_LINK_TYPE_TRACING && link.tracing.attach_type == BPF_TRACE_RAW_TP))) {
			program_fd = bpf_prog_get_fd_by_id(link.prog_id);
			if (program_fd >= 0 && !bpf_obj_get_info_by_fd(program_fd, &program, &program_size))
				puts(program.name);
			close(program_fd);
		}
		close(link_fd);
	}
	must(errno == ENOENT ? 0 : -1, "list the links");
	return 0;
}
