/* A library that waits, and with -DLOADER the program that loads it: `where-loader library FOLDER`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AFTER() __asm__ volatile("" ::: "memory")

#ifdef LOADER
int main(int count, char **words)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 32);
	if (count < 3 || length < 0)
		return 64;
	path[length] = 0;
	strcpy(strrchr(path, '/'), "/where-library.so");
	void *library = dlopen(path, RTLD_NOW);
	int (*waits)(void) = library ? (int (*)(void))dlsym(library, "library_waits") : 0;
	if (!waits) {
		fprintf(stderr, "%s: %s\n", words[1], dlerror());
		return 1;
	}
	printf("{\"pid\":%d,\"tid\":%ld}\n", getpid(), syscall(SYS_gettid));
	fflush(stdout);
	int answer = waits();
	AFTER();
	return answer;
}
#else
static __attribute__((noinline, noclone)) int read_in_library(void)
{
	int ends[2];
	char byte;
	if (pipe(ends) != 0)
		return 1;
	int answer = (int)read(ends[0], &byte, 1);
	AFTER();
	return answer;
}

int library_waits(void)
{
	int answer = read_in_library();
	AFTER();
	return answer;
}
#endif
