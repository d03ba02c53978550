// SPDX-License-Identifier: Apache-2.0
//
// hang MODE [FOLDER] [NUMBER...]: blocks in the one way that MODE names, until it is killed.
//
// Before it blocks it writes one line of JSON to standard output: what it is about to block on, as the end-to-end
// tests expect blockwatch to report it. FOLDER is known by its slash; its files are the caller's to delete.
// `hang list` prints the modes. To add one: a function and a line in the table at the end of its file.
//
// Nothing outlives its parent: children die with hang (PR_SET_PDEATHSIG), mounts, interfaces and message queues are made in
// namespaces of their own, and hang dies with the thread that started it. HANG_UNLEASHED=1 switches only the last one off.
#include "hang.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static const struct mode *const tables[] = {file_modes,	 socket_modes, set_modes,    lock_modes,  wait_modes,
					    memory_modes, thread_modes, signal_modes, entry_modes, name_modes, chain_modes, mutex_modes, busy_modes};
enum { table_count = sizeof tables / sizeof *tables };

static const char *given_folder;
static char **given_numbers;
static int given_number_count;

long number_argument(int n, long fallback) { return n < given_number_count ? atol(given_numbers[n]) : fallback; }

const char *temp_folder(void) {
	static char fresh[] = "/tmp/hang-XXXXXX";
	if (!given_folder) {
		must(mkdtemp(fresh) ? 0 : -1, "mkdtemp");
		given_folder = fresh;
	}
	return given_folder;
}

static void list_modes(void) {
	for (int table = 0; table < table_count; table++)
		for (const struct mode *mode = tables[table]; mode->name; mode++)
			printf("%-26s %s\n", mode->name, mode->summary);
}

static const struct mode *find_mode(const char *name) {
	for (int table = 0; table < table_count; table++)
		for (const struct mode *mode = tables[table]; mode->name; mode++)
			if (strcmp(mode->name, name) == 0)
				return mode;
	return NULL;
}

static char *without_slashes(char *path) {
	for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';)
		path[--length] = '\0';
	return path;
}

int main(int count, char **arguments) {
	if (count >= 2 && strcmp(arguments[1], "list") == 0) {
		list_modes();
		return 0;
	}
	const struct mode *mode = count >= 2 ? find_mode(arguments[1]) : NULL;
	if (!mode) {
		fprintf(stderr, "usage: hang MODE [FOLDER] [NUMBER...]; hang list prints the modes\n");
		return 64;
	}
	/* whoever started us may have blocked signals that the modes wait for */
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	int next = 2;
	if (count > next && strchr(arguments[next], '/'))
		given_folder = without_slashes(arguments[next++]);
	given_numbers = arguments + next;
	given_number_count = count - next;

	if (!getenv("HANG_UNLEASHED"))
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	mode->run();
	return 0;
}
