/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The compiled BPF object, as object.c embeds it. */
#ifndef BLOCKWATCH_OBJECT_H
#define BLOCKWATCH_OBJECT_H

#include <stddef.h>

const void *bw_object_bytes(void);
size_t bw_object_size(void);

#endif
