/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Carries the compiled object into the executable; `make bpf` makes it, `make verify-bpf` compares it. */
#include "blockwatch_object.h"
#include "blockwatch.h"

static const unsigned char object[] __attribute__((aligned(8))) = {
#if defined(__x86_64__)
#embed "blockwatch.x86_64.bpf.o"
#elif defined(__aarch64__)
#embed "blockwatch.aarch64.bpf.o"
#else
#error "blockwatch has no BPF object for this architecture"
#endif
};

const void *bw_object_bytes(void)
{
	return object;
}

size_t bw_object_size(void)
{
	return sizeof(object);
}
