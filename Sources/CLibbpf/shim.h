#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <malloc.h>

// glibc shows it with _GNU_SOURCE only
int memfd_create(const char *name, unsigned int flags);
