#define _GNU_SOURCE
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// What the child becomes before it is another program: it has no capability and gains none, is nobody if it was root, ends
// with its parent, and takes `seconds` of processor time at the most. Whatever of it fails ends the child.
static void become_helper(pid_t parent, unsigned seconds) {
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
	struct rlimit limit = {seconds, seconds};
	sigset_t signals;
	for (int capability = 0; capability < 64; capability++)
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
			break;
	if (geteuid() == 0) {
		// in a user namespace without a mapping of nobody it stays what it is, without capabilities
		if (syscall(SYS_setgroups, 0, (void *)0) == 0 && syscall(SYS_setresgid, 65534, 65534, 65534) == 0)
			(void)syscall(SYS_setresuid, 65534, 65534, 65534);
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    setrlimit(RLIMIT_CPU, &limit) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent)
		_exit(126);
	sigemptyset(&signals);
	sigprocmask(SIG_SETMASK, &signals, 0);
	signal(SIGPIPE, SIG_DFL);
}

pid_t helper_fork(int *input, int *output)
{
	int in[2], out[2];
	if (pipe2(in, O_CLOEXEC) != 0)
		return -1;
	if (pipe2(out, O_CLOEXEC) != 0) {
		close(in[0]);
		close(in[1]);
		return -1;
	}
	pid_t child = fork();
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);
		if (null < 0 || dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(null, 2) < 0)
			_exit(126);
		syscall(SYS_close_range, 3, ~0u, 0);
		return 0;
	}
	int answer = errno;
	close(in[0]);
	close(out[1]);
	if (child < 0) {
		close(in[1]);
		close(out[0]);
		errno = answer;
		return -1;
	}
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	*input = in[1];
	*output = out[0];
	return child;
}

pid_t helper_start(const char *path, char *const arguments[], char *const environment[], unsigned seconds, int is_lazy,
		   int *input, int *output)
{
	pid_t parent = getpid(), child = helper_fork(input, output);
	struct pollfd asked = {0, POLLIN, 0};
	if (child != 0)
		return child;
	become_helper(parent, seconds);
	while (is_lazy && poll(&asked, 1, -1) < 0)
		if (errno != EINTR)
			_exit(126);
	if (is_lazy && !(asked.revents & POLLIN))
		_exit(0);
	execve(path, arguments, environment);
	_exit(127);
}
