/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
#ifndef SAMPLE_H
#define SAMPLE_H

struct sample {
	unsigned int tid, process, state;
	int number;
	char name[16];
};

#endif
