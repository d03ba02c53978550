// A program of somebody else that works for blockwatch: fork(2) is not for Swift, and between it and execve(2) nothing of
// Swift may run.
#pragma once

// Starts `path`, which reads from `*input` and writes to `*output`; both are descriptors of the caller, not blocking. It
// has no capability and gains none, is nobody if the caller is root, ends with the caller, and gets `seconds` of processor
// time. Returns 0, or -1 with errno. Nobody waits for it.
int helper_start(const char *path, char *const arguments[], char *const environment[], unsigned seconds, int *input,
		 int *output);
