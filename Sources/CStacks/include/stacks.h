// Walks the stacks of others in processes of its own: what their files and their memory say is nobody's word, and reading
// either may never end.
//
// `stacks_start` begins a server, which is this program anew (`stacks_serve`). For each request the server forks a worker,
// which opens files, reads memory, answers and ends; one that is late is killed. Requests and replies are the structs
// below, by pipes, little-endian; what a worker answers is as hostile as what it read.
#pragma once

#include <stdint.h>
#include <sys/types.h>

// The word by which this program is asked to be the server.
#define STACKS_WORD "stacks-server"

enum stacks_kind {
	STACKS_WALK = 1,  // `count` times struct stacks_thread
	STACKS_NAMES = 2, // `count` addresses of 8 bytes: what function each is in
};

enum {
	STACKS_MOST_THREADS = 256,    // of one request
	STACKS_MOST_ADDRESSES = 4096, // of one request
	STACKS_MOST_FRAMES = 64,      // of one thread are told
	STACKS_MOST_ANSWER = 4 << 20, // bytes of a reply
	STACKS_REGISTERS = 17,
};

// stacks_request.flags
#define STACKS_LINES 1	    // files, lines and inlined functions too, from debugging information
#define STACKS_UNCONFINED 2 // stacks_start only: for sanitizers, which make calls of their own

struct stacks_request {
	uint32_t bytes; // with this header
	uint32_t kind;	// enum stacks_kind
	int32_t pid;	// in the PID namespace of /proc
	int32_t tid;	// a thread of it that is alive: its main thread may be gone
	uint32_t count;
	uint32_t milliseconds; // after which the worker is killed
	uint32_t flags;
	uint32_t pad;
};

struct stacks_thread {
	int32_t tid;
	uint32_t is_32_bit;
	uint64_t thread_pointer;
	uint64_t values[STACKS_REGISTERS]; // by their DWARF numbers, as in struct bw_registers
};

enum stacks_status {
	STACKS_DONE = 0,
	STACKS_LATE = 1,    // killed for taking too long
	STACKS_FAILED = 2,  // the worker died, or answered nothing
	STACKS_BLOCKED = 3, // a worker that was killed still waits in the kernel: there is no second one
};

// Followed by what the worker wrote: `count` threads or addresses.
struct stacks_reply {
	uint32_t bytes;	 // with this header
	uint32_t status; // enum stacks_status
	uint32_t is_blocked; // the worker was killed and has not ended
	uint32_t pad;
	uint64_t nanoseconds; // it took
};

// One thread: the frames follow, innermost first. Of STACKS_NAMES one for each address.
struct stacks_walk {
	int32_t tid;
	uint32_t frames;
	uint32_t flags; // STACKS_CUT, STACKS_LOST
	int32_t error;	// errno; 0
	int32_t gil_holder; // the thread that has Python's lock; 0: none, or not known
	uint32_t pad;
};
#define STACKS_CUT 1  // there are more frames
#define STACKS_LOST 2 // the last frame is not where a thread begins: its caller was not found

// A frame; its texts follow without an end: function, module, file, bytes that are not UTF-8 as they are.
struct stacks_frame {
	uint64_t offset; // of the instruction in its file as it lies in memory; without a file its address
	uint32_t flags;	 // STACKS_INLINED...
	uint32_t line;	// 0: not known
	uint16_t function, module, file, pad; // lengths of the texts
};
#define STACKS_INLINED 1 // in the frame that follows
#define STACKS_SIGNAL 2	 // called by a signal
#define STACKS_PYTHON 4	 // a function of a Python program

// Starts the server: a process with CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH and CAP_CHECKPOINT_RESTORE at the most, nobody if
// the caller is root. It ends with the calling thread. `*input` takes requests, `*output` gives replies; neither blocks.
// Returns its process id, or -1 with errno.
pid_t stacks_start(uint32_t flags, int *input, int *output);

// The version of the library that walks: "0.188".
const char *stacks_library(void);

// What the server does, from descriptor 0 to descriptor 1; never returns.
_Noreturn void stacks_serve(int is_confined);
