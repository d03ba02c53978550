// A program of somebody else that works for blockwatch: fork(2) is not for Swift, and between it and execve(2) nothing of
// Swift may run.
#pragma once

#include <sys/types.h>

// fork(2), with a child that reads from `*input` and writes to `*output` of the caller, which do not block; its errors go
// nowhere, and it has nothing else open. Returns as fork(2) does: only what is safe after it may follow in the child.
pid_t helper_fork(int *input, int *output);

// Starts `path`, which reads from `*input` and writes to `*output`; both are descriptors of the caller, not blocking. It
// has no capability and gains none, is nobody if the caller is root, ends with the calling thread, and gets `seconds` of
// processor time. `is_lazy`: it becomes `path` only once something is written for it, and until then costs next to nothing.
// Returns its process id, or -1 with errno. Nobody waits for it.
pid_t helper_start(const char *path, char *const arguments[], char *const environment[], unsigned seconds, int is_lazy,
		   int *input, int *output);
