// SPDX-License-Identifier: Apache-2.0
//
// The announcement: one line of JSON, written with one write(2) where the pipe has room.
#include "hang.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static char fields[32768];
static size_t used;
static pid_t other_pid, other_tid;

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	used += vsnprintf(fields + used, sizeof fields - used, format, arguments);
	va_end(arguments);
	if (used >= sizeof fields) {
		fprintf(stderr, "hang: the announcement is too long\n");
		exit(1);
	}
}

// MARK: Values

static size_t utf8_length(const unsigned char *bytes, size_t left) {
	if (bytes[0] < 0x80)
		return 1;
	size_t length = bytes[0] >= 0xf0 && bytes[0] < 0xf5 ? 4 : bytes[0] >= 0xe0 && bytes[0] < 0xf0 ? 3 : bytes[0] >= 0xc2 && bytes[0] < 0xe0 ? 2 : 0;
	for (size_t i = 1; i < length; i++)
		if (i >= left || (bytes[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

void say_bytes(const char *key, const void *value, size_t length) {
	const unsigned char *bytes = value;
	bool plain = true;
	put(",\"%s\":\"", key);
	for (size_t i = 0; i < length;) {
		size_t step = utf8_length(bytes + i, length - i);
		if (step == 0)
			put("\\ufffd");
		else if (step == 1 && (bytes[i] < 0x20 || bytes[i] == 0x7f))
			put("\\u%04x", bytes[i]);
		else if (bytes[i] == '"' || bytes[i] == '\\')
			put("\\%c", bytes[i]);
		else
			put("%.*s", (int)step, (const char *)bytes + i);
		plain = plain && step != 0 && bytes[i] >= 0x20;
		i += step ? step : 1;
	}
	put("\"");
	if (plain)
		return;
	put(",\"%s_hex\":\"", key);
	for (size_t i = 0; i < length; i++)
		put("%02x", bytes[i]);
	put("\"");
}

void say_text(const char *key, const char *text) { say_bytes(key, text, strlen(text)); }
void say_number(const char *key, long long value) { put(",\"%s\":%lld", key, value); }
void say_address(const char *key, const volatile void *address) { put(",\"%s\":\"0x%lx\"", key, (unsigned long)address); }
void say_kind(const char *kind) { say_text("kind", kind); }

// MARK: Descriptors

void say_fd(int fd, const char *kind) {
	struct stat status;
	must(fstat(fd, &status), "fstat");
	say_number("fd", fd);
	say_kind(kind);
	put(",\"inode\":\"%llu\"", (unsigned long long)status.st_ino);
	if (S_ISCHR(status.st_mode))
		put(",\"device\":\"%u:%u\"", major(status.st_rdev), minor(status.st_rdev));
}

void say_file(int fd, const char *kind, const char *path) {
	say_fd(fd, kind);
	say_text("path", path);
}

static void say_endpoint(const char *end, const struct sockaddr_storage *address) {
	char text[INET6_ADDRSTRLEN], key[32];
	const void *host;
	in_port_t port;
	if (address->ss_family == AF_INET) {
		host = &((const struct sockaddr_in *)address)->sin_addr;
		port = ((const struct sockaddr_in *)address)->sin_port;
	} else if (address->ss_family == AF_INET6) {
		host = &((const struct sockaddr_in6 *)address)->sin6_addr;
		port = ((const struct sockaddr_in6 *)address)->sin6_port;
	} else
		return;
	inet_ntop(address->ss_family, host, text, sizeof text);
	snprintf(key, sizeof key, "%s_address", end);
	say_text(key, text);
	snprintf(key, sizeof key, "%s_port", end);
	say_number(key, ntohs(port));
}

void say_socket(int fd, const char *kind, const char *state) {
	struct sockaddr_storage address;
	socklen_t size = sizeof address;
	say_fd(fd, kind);
	if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
		say_endpoint("local", &address);
	size = sizeof address;
	if (getpeername(fd, (struct sockaddr *)&address, &size) == 0)
		say_endpoint("peer", &address);
	if (state)
		say_text("state", state);
}

void say_members(const int *fds, const char *const *kinds, int count) {
	struct stat status;
	put(",\"members\":[");
	for (int i = 0; i < count; i++) {
		must(fstat(fds[i], &status), "fstat");
		put("%s{\"fd\":%d,\"kind\":\"%s\",\"inode\":\"%llu\"}", i ? "," : "", fds[i], kinds[i], (unsigned long long)status.st_ino);
	}
	put("]");
}

// MARK: The line

void say_call(const char *name, long number) {
	say_text("syscall", name);
	if (number >= 0)
		say_number("number", number);
}

void say_thread(pid_t pid, pid_t tid) {
	other_pid = pid;
	other_tid = tid;
}

// The folder /proc was mounted by the host, so its link shows the host's numbers also inside a new PID namespace.
static void host_ids(int *pid, int *tid) {
	char link[64] = "";
	if (readlink("/proc/thread-self", link, sizeof link - 1) < 0 || sscanf(link, "%d/task/%d", pid, tid) != 2) {
		fprintf(stderr, "hang: cannot read /proc/thread-self\n");
		exit(1);
	}
}

void say_done(void) {
	static char line[sizeof fields + 256];
	int pid = other_pid, tid = other_tid, length;
	if (!pid)
		host_ids(&pid, &tid);
	length = sprintf(line, "{\"pid\":%d,\"tid\":%d", pid, tid);
	if (!other_pid && pid != getpid())
		length += sprintf(line + length, ",\"inner_pid\":%d,\"inner_tid\":%d", getpid(), this_thread());
	length += sprintf(line + length, "%s%s}\n", fields, strstr(fields, "\"abi\":") ? "" : ",\"abi\":\"" NATIVE_ABI "\"");
	for (ssize_t done = 0, step; done < length; done += step)
		if ((step = write(STDOUT_FILENO, line + done, length - done)) < 0)
			exit(1);
	used = 0;
	fields[0] = '\0';
	other_pid = other_tid = 0;
}

void say_members_pids(const pid_t *pids, int count) {
	char key[32];
	say_number("members_count", count);
	for (int i = 0; i < count; i++) {
		snprintf(key, sizeof key, "member_%d", i);
		say_number(key, pids[i]);
	}
}
