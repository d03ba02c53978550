// What the parts of a server and its workers share.
#pragma once

#include "include/stacks.h"

#include <elfutils/libdwfl.h>
#include <stddef.h>

// confine.c: 0, or -1 with errno.
int confine_privileges(void);
int confine_calls(int is_worker);
void confine_resources(void);

// server.c
int write_whole(int descriptor, const void *bytes, size_t count);

// worker.c: the exit code.
int worker_run(const struct stacks_request *request, const void *body);

struct go_table; // go.c

// A file that is mapped into the process, or a part of one.
struct module {
	uint64_t start, end;	   // as it lies there, end exclusive
	uint64_t first_end;	   // of its first mapping: the name in map_files
	uint64_t offset;	   // of its first mapping in the file
	uint64_t inode;
	char *path;		   // as the process sees it, with ` (deleted)`; of the kernel's own `[vdso]`
	uint8_t is_executable;	   // some of it may be run
	uint8_t is_deleted;
	Dwfl_Module *dwfl;
	void *image; // copied from memory, where there is no file
	struct go_table *go; // NULL: it is none of Go's, or nobody has looked
	uint8_t was_go_looked_for;
};

// process.c
struct process {
	int pid, tid;
	int is_32_bit;
	struct module *modules;
	size_t count, room;
	struct {
		uint64_t address; // of a page; 1: none
		uint8_t bytes[4096];
	} pages[64];
};
// Reads /proc/PID/task/TID/maps. 0, or an errno.
int process_read(struct process *process, int pid, int tid);
struct module *process_module(struct process *process, uint64_t address);
// All bytes, or 0.
int process_memory(struct process *process, uint64_t address, void *bytes, size_t count);
int process_word(struct process *process, uint64_t address, uint64_t *word);
// The file that is mapped, whatever has become of its name; -1 if it cannot be had.
int module_open(struct process *process, struct module *module);
// What the process has of it in its memory, as an ELF file without sections; NULL if that is none.
Elf *module_image(struct process *process, struct module *module);
// The file of debugging information that has this build id; -1 if none is installed.
int open_debug_file(struct process *process, const uint8_t *id, size_t bytes);

// One function that a thread is in.
struct frame {
	uint64_t address; // the instruction, or the one after its call
	uint64_t lookup;  // an address inside of the function
	uint64_t base;	  // where its file lies
	uint64_t stack;	  // the stack pointer there; 0: not known
	uint32_t flags, line;
	const char *function, *module, *file; // NULL: not known
};
struct walk {
	int tid;
	uint32_t flags;
	int error, gil_holder;
	struct frame *frames;
	size_t count, room;
};
struct frame *walk_add(struct walk *walk);

// unwind.c: appends the frames of one thread.
Dwfl *unwind_begin(struct process *process);
void unwind(Dwfl *dwfl, struct process *process, const struct stacks_thread *thread, struct walk *walk);

// names.c: fills in functions, modules, and with `lines` files, lines and inlined functions.
void name_frames(struct process *process, struct walk *walks, size_t count, int lines);
// The address of a symbol of one of the process's files; 0 if there is none.
uint64_t find_symbol(struct process *process, const char *path, const char *name);

// demangle.c: a name as its language writes it, without parameters. Never NULL; lives until the worker ends.
const char *demangle(const char *symbol);
// rust.c: NULL if it is no name of Rust.
const char *rust_v0(const char *symbol);

// go.c: the function of a frame of Go's, and with `lines` its file and line.
void go_name(struct process *process, struct frame *frame, int lines);
// Who called the innermost function of Go's, by its own table.
void go_callers(struct process *process, const struct stacks_thread *thread, struct walk *walk);

// python.c: puts the functions of a Python program in the place of its interpreter's.
void python_frames(struct process *process, const struct stacks_thread *thread, struct walk *walk);
