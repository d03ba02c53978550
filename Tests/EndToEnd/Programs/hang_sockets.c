// SPDX-License-Identifier: Apache-2.0
//
// TCP, UDP, unix and netlink sockets.
#include "hang.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

// accept is not a call of its own on i386.
#ifdef SYS_accept
#define hang_in_accept(fd) hang_in(accept, fd, NULL, NULL)
#else
#define hang_in_accept(fd) hang_in(socketcall, 5 /* SYS_ACCEPT */, ((long[]){fd, 0, 0}))
#endif

static char buffer[65536];

// MARK: Internet

union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int bound_to_loopback(int family, int type) {
	union endpoint here = {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	if (family == AF_INET6)
		here.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = must(socket(family, type, 0), "socket");
	must(bind(fd, &here.any, family == AF_INET6 ? sizeof here.v6 : sizeof here.v4), "bind");
	return fd;
}

static int listening(int family, int backlog) {
	int fd = bound_to_loopback(family, SOCK_STREAM);
	must(listen(fd, backlog), "listen");
	return fd;
}

static socklen_t address_of(int fd, union endpoint *address) {
	socklen_t size = sizeof *address;
	must(getsockname(fd, &address->any, &size), "getsockname");
	return size;
}

static int connected_to(int listener, int family) {
	union endpoint there;
	socklen_t size = address_of(listener, &there);
	int fd = bound_to_loopback(family, SOCK_STREAM);
	must(connect(fd, &there.any, size), "connect");
	return fd;
}

static void tcp_connect(void) { hang_in_silent_connect(); }

static void tcp_backlog_full_connect(void) {
	int listener = listening(AF_INET, 0), retries = 127;
	union endpoint there;
	socklen_t size = address_of(listener, &there);
	connected_to(listener, AF_INET); // fills the queue
	int fd = bound_to_loopback(AF_INET, SOCK_STREAM);
	must(setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &retries, sizeof retries), "TCP_SYNCNT");
	say_socket(fd, "tcp", "SYN_SENT");
	say_text("peer_address", "127.0.0.1");
	say_number("peer_port", ntohs(there.v4.sin_port));
	say_number("listener_fd", listener);
	hang_in(connect, fd, &there, size);
}

static void hang_in_tcp_read(int family) {
	int fd = connected_to(listening(family, 5), family);
	say_socket(fd, "tcp", "ESTABLISHED");
	hang_in_read(fd);
}

static void tcp_read(void) { hang_in_tcp_read(AF_INET); }
static void tcp6_read(void) { hang_in_tcp_read(AF_INET6); }

// Fills both queues, and waits until the last bytes have moved from one to the other.
static void tcp_write(void) {
	int fd = connected_to(listening(AF_INET, 5), AF_INET), queued = 0;
	must(fcntl(fd, F_SETFL, O_NONBLOCK), "F_SETFL");
	for (int quiet = 0; quiet < 20; quiet++, sleep_ms(10))
		while (write(fd, buffer, sizeof buffer) > 0)
			quiet = 0;
	must(fcntl(fd, F_SETFL, 0), "F_SETFL");
	must(ioctl(fd, SIOCOUTQ, &queued), "SIOCOUTQ");
	say_socket(fd, "tcp", "ESTABLISHED");
	say_number("send_queue", queued);
	hang_in(write, fd, buffer, sizeof buffer);
}

static void tcp_accept(void) {
	int fd = listening(AF_INET, 5);
	say_socket(fd, "tcp", "LISTEN");
	hang_in_accept(fd);
}

static void tcp_accept4(void) {
	int fd = listening(AF_INET, 5);
	say_socket(fd, "tcp", "LISTEN");
	hang_in(accept4, fd, NULL, NULL, SOCK_CLOEXEC);
}

static void udp_recv(void) {
	int fd = bound_to_loopback(AF_INET, SOCK_DGRAM);
	say_socket(fd, "udp", NULL);
	hang_in(recvfrom, fd, buffer, sizeof buffer, 0L, NULL, NULL);
}

static void udp_recvmsg(void) {
	struct iovec part = {buffer, sizeof buffer};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int fd = bound_to_loopback(AF_INET, SOCK_DGRAM);
	say_socket(fd, "udp", NULL);
	hang_in(recvmsg, fd, &message, 0L);
}

#ifdef SYS_socketcall
static void socketcall_recv(void) {
	int fd = bound_to_loopback(AF_INET, SOCK_DGRAM);
	say_socket(fd, "udp", NULL);
	hang_in(socketcall, 10 /* SYS_RECV */, ((long[]){fd, (long)buffer, sizeof buffer, 0}));
}
#endif

// MARK: Unix

struct unix_name {
	struct sockaddr_un address;
	socklen_t size;
};

static struct unix_name named(const char *path) {
	struct unix_name name = {.address.sun_family = AF_UNIX};
	must(strlen(path) < sizeof name.address.sun_path ? 0 : -1, "socket path");
	strcpy(name.address.sun_path, path);
	name.size = sizeof name.address;
	return name;
}

static struct unix_name abstract(const char *bytes, size_t length) {
	struct unix_name name = {.address.sun_family = AF_UNIX};
	memcpy(name.address.sun_path + 1, bytes, length);
	name.size = offsetof(struct sockaddr_un, sun_path) + 1 + length;
	return name;
}

static int unix_listening(const struct unix_name *name, int backlog) {
	int fd = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	must(bind(fd, (const struct sockaddr *)&name->address, name->size), "bind");
	must(listen(fd, backlog), "listen");
	return fd;
}

static int unix_connected(const struct unix_name *name) {
	int fd = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	must(connect(fd, (const struct sockaddr *)&name->address, name->size), "connect");
	return fd;
}

static void say_peer(int peer) {
	char inode[24];
	struct stat status;
	must(fstat(peer, &status), "fstat");
	snprintf(inode, sizeof inode, "%llu", (unsigned long long)status.st_ino);
	say_text("peer_inode", inode);
	say_number("peer_fd", peer);
}

// The accepted end reads: it is the one that carries the name.
static int accepted(const struct unix_name *name) {
	int listener = unix_listening(name, 5), peer = unix_connected(name);
	int fd = must(accept(listener, NULL, NULL), "accept");
	say_fd(fd, "unix");
	say_peer(peer);
	return fd;
}

static void hang_in_pair_read(int type) {
	int ends[2];
	must(socketpair(AF_UNIX, type, 0, ends), "socketpair");
	say_fd(ends[0], "unix");
	say_peer(ends[1]);
	if (type == SOCK_STREAM)
		hang_in_read(ends[0]);
	hang_in(recvfrom, ends[0], buffer, sizeof buffer, 0L, NULL, NULL);
}

static void unix_stream_read(void) { hang_in_pair_read(SOCK_STREAM); }
static void unix_dgram_recv(void) { hang_in_pair_read(SOCK_DGRAM); }

static void unix_named_accept(void) {
	struct unix_name name = named(temp_path("socket"));
	int fd = unix_listening(&name, 5);
	say_file(fd, "unix", name.address.sun_path);
	say_text("state", "LISTEN");
	hang_in_accept(fd);
}

static void unix_named_read(void) {
	struct unix_name name = named(temp_path("socket"));
	int fd = accepted(&name);
	say_text("path", name.address.sun_path);
	hang_in_read(fd);
}

// A client that has asked; the server answers or does not, and reads again.
static pid_t fork_unix_server(const struct unix_name *name, bool answers, int *client) {
	int listener = unix_listening(name, 5), ready[2];
	char byte;
	make_pipe(ready);
	pid_t server = fork_bound();
	if (server == 0) {
		int fd = must(accept(listener, NULL, NULL), "accept");
		hear(fd);
		if (answers)
			tell(fd);
		tell(ready[1]);
		if (answers)
			_exit(read(fd, &byte, 1) + 3);
		for (;;)
			pause();
	}
	close(listener);
	*client = unix_connected(name);
	tell(*client);
	if (answers)
		hear(*client);
	hear(ready[0]);
	return server;
}

// The server has answered and waits for the next request; its client does something else.
static void unix_server_at_rest(void) {
	struct unix_name name = named(temp_path("socket"));
	int client;
	pid_t server = fork_unix_server(&name, true, &client);
	wait_until_in(server, SYS_read);
	say_number("client_pid", getpid());
	say_thread(server, server);
	say_kind("unix");
	say_call("read", SYS_read);
	say_done();
	for (;;)
		pause();
}

static void unix_unanswered(void) {
	struct unix_name name = named(temp_path("socket"));
	int client;
	pid_t server = fork_unix_server(&name, false, &client);
	say_fd(client, "unix");
	say_number("holder_pid", server);
	hang_in_read(client);
}

static void unix_abstract_read(void) {
	char bytes[64];
	size_t length = snprintf(bytes, sizeof bytes, "hang%ca\nb\"c%d", 0, getpid());
	struct unix_name name = abstract(bytes, length);
	int fd = accepted(&name);
	say_bytes("abstract", bytes, length);
	hang_in_read(fd);
}

static void unix_connect_backlog(void) {
	struct unix_name name = named(temp_path("socket"));
	int listener = unix_listening(&name, 0);
	unix_connected(&name); // fills the queue
	int fd = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	say_fd(fd, "unix");
	say_text("peer_path", name.address.sun_path);
	say_number("listener_fd", listener);
	hang_in(connect, fd, &name.address, name.size);
}

// MARK: Netlink

static void netlink_recv(void) {
	struct sockaddr_nl here = {.nl_family = AF_NETLINK};
	int fd = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), "socket");
	must(bind(fd, (struct sockaddr *)&here, sizeof here), "bind");
	say_fd(fd, "netlink");
	hang_in(recvfrom, fd, buffer, sizeof buffer, 0L, NULL, NULL);
}

const struct mode socket_modes[] = {
	{"tcp-connect", tcp_connect, "connect to an address that never answers"},
	{"tcp-backlog-full-connect", tcp_backlog_full_connect, "connect to a listener whose queue is full"},
	{"tcp-read", tcp_read, "read of a TCP connection, IPv4"},
	{"tcp6-read", tcp6_read, "read of a TCP connection, IPv6"},
	{"tcp-write", tcp_write, "write to a TCP connection whose queues are full"},
	{"tcp-accept", tcp_accept, "accept without a client (socketcall on i386)"},
	{"accept4", tcp_accept4, "accept4 without a client"},
	{"udp-recv", udp_recv, "recvfrom of a UDP socket"},
	{"udp-recvmsg", udp_recvmsg, "recvmsg of a UDP socket"},
#ifdef SYS_socketcall
	{"socketcall-recv", socketcall_recv, "recv of a UDP socket by way of socketcall (i386 only)"},
#endif
	{"unix-stream-read", unix_stream_read, "read of a socket pair"},
	{"unix-dgram-recv", unix_dgram_recv, "recvfrom of a datagram socket pair"},
	{"unix-named-accept", unix_named_accept, "accept of a socket with a path"},
	{"unix-named-read", unix_named_read, "read of a connection to a socket with a path"},
	{"unix-server-at-rest", unix_server_at_rest, "read of a server that has answered its client"},
	{"unix-unanswered", unix_unanswered, "read of its client, where it does not answer"},
	{"unix-abstract-read", unix_abstract_read, "the same, abstract name with NUL, newline and quote"},
	{"unix-connect-backlog", unix_connect_backlog, "connect to a unix socket whose queue is full"},
	{"netlink-recv", netlink_recv, "recvfrom of a routing socket"},
	{0},
};
