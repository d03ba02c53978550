#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <malloc.h>
#include <sys/syscall.h>
#include <unistd.h>

// glibc shows it with _GNU_SOURCE only
int memfd_create(const char *name, unsigned int flags);

// A timer on one processor that looks so many times a second at whoever runs there. A descriptor, or -1 with errno.
static inline int linux_open_processor_timer(int processor, unsigned long long frequency) {
	struct perf_event_attr timer = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(timer),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = frequency,
		.freq = 1,
	};
	return (int)syscall(SYS_perf_event_open, &timer, -1, processor, -1, PERF_FLAG_FD_CLOEXEC);
}
