// From a thread's registers to the functions it is in, by the programs' own call frame tables; libdw does it, over
// memory and files that are given to it here.
#define _GNU_SOURCE
#include "internal.h"

#include <elfutils/libdwelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_UNWOUND = 2048 };

// What the callbacks of libdw get to know; there is one thread at a time.
static struct {
	struct process *process;
	const struct stacks_thread *thread;
} current;

static int find_elf(Dwfl_Module *dwfl, void **data, const char *name, Dwarf_Addr base, char **file_name, Elf **elf)
{
	struct module *module = *data;
	int file = module_open(current.process, module);
	(void)dwfl;
	(void)name;
	(void)base;
	*file_name = NULL;
	*elf = NULL;
	if (file < 0) {
		*elf = module_image(current.process, module);
		return -1;
	}
	// mapped, not read: a file of 10 GB costs what is looked at
	*elf = elf_begin(file, ELF_C_READ_MMAP, NULL);
	if (*elf && elf_kind(*elf) == ELF_K_ELF)
		return file;
	if (*elf)
		elf_end(*elf);
	*elf = NULL;
	close(file);
	return -1;
}

static int find_debuginfo(Dwfl_Module *dwfl, void **data, const char *name, Dwarf_Addr base, const char *file,
			  const char *link, GElf_Word sum, char **found)
{
	const unsigned char *id;
	GElf_Addr place;
	(void)data;
	(void)name;
	(void)base;
	(void)file;
	(void)link;
	(void)sum;
	*found = NULL;
	int bytes = dwfl_module_build_id(dwfl, &id, &place);
	return bytes > 0 ? open_debug_file(current.process, id, (size_t)bytes) : -1;
}

static pid_t next_thread(Dwfl *dwfl, void *data, void **thread)
{
	(void)dwfl;
	(void)data;
	if (*thread)
		return 0;
	*thread = &current;
	return current.thread->tid;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *data, void **thread)
{
	(void)dwfl;
	(void)data;
	*thread = &current;
	return tid == current.thread->tid;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *data)
{
	uint64_t word = 0;
	(void)dwfl;
	(void)data;
	if (!process_word(current.process, address, &word))
		return false;
	*result = word;
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *data)
{
	const uint64_t *values = current.thread->values;
	(void)data;
	if (current.thread->is_32_bit) {
		// eax ecx edx ebx esp ebp esi edi eip
		static const int order[] = {0, 2, 1, 3, 7, 6, 4, 5, 16};
		Dwarf_Word words[9];
		for (int index = 0; index < 9; index++)
			words[index] = (uint32_t)values[order[index]];
		dwfl_thread_state_register_pc(thread, words[8]);
		return dwfl_thread_state_registers(thread, 0, 9, words);
	}
	Dwarf_Word words[STACKS_REGISTERS];
	for (int index = 0; index < STACKS_REGISTERS; index++)
		words[index] = values[index];
	dwfl_thread_state_register_pc(thread, words[16]);
	return dwfl_thread_state_registers(thread, 0, STACKS_REGISTERS, words);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_memory,
	.set_initial_registers = set_registers,
};

Dwfl *unwind_begin(struct process *process)
{
	static const Dwfl_Callbacks callbacks = {.find_elf = find_elf, .find_debuginfo = find_debuginfo};
	static const struct stacks_thread nobody;
	current.process = process;
	current.thread = &nobody;
	Dwfl *dwfl = dwfl_begin(&callbacks);
	if (!dwfl)
		return NULL;
	dwfl_report_begin(dwfl);
	for (size_t index = 0; index < process->count; index++) {
		struct module *module = &process->modules[index];
		void **data;
		if (!module->is_executable)
			continue;
		module->dwfl = dwfl_report_module(dwfl, module->path, module->start, module->end);
		if (!module->dwfl)
			continue;
		dwfl_module_info(module->dwfl, &data, NULL, NULL, NULL, NULL, NULL, NULL);
		*data = module;
	}
	dwfl_report_end(dwfl, NULL, NULL);
	return dwfl;
}

struct frame *walk_add(struct walk *walk)
{
	if (walk->count == walk->room) {
		size_t room = walk->room ? walk->room * 2 : 32;
		struct frame *larger = realloc(walk->frames, room * sizeof(*larger));
		if (!larger)
			return NULL;
		walk->frames = larger;
		walk->room = room;
	}
	walk->frames[walk->count] = (struct frame){0};
	return &walk->frames[walk->count++];
}

struct state {
	struct walk *walk;
	size_t unwound;
	uint64_t address, pointer;
	int is_interrupted;
};

static int take_frame(Dwfl_Frame *dwfl, void *data)
{
	struct state *state = data;
	Dwarf_Addr address;
	Dwarf_Word pointer = 0;
	bool is_exact;
	if (!dwfl_frame_pc(dwfl, &address, &is_exact) || address == 0)
		return DWARF_CB_ABORT;
	// the same place twice: tables that lead in a circle
	if (dwfl_frame_reg(dwfl, current.thread->is_32_bit ? 4 : 7, &pointer) == 0) {
		if (state->unwound > 0 && pointer == state->pointer && address == state->address) {
			state->walk->flags |= STACKS_LOST;
			return DWARF_CB_ABORT;
		}
		state->pointer = pointer;
	}
	state->address = address;
	if (state->unwound++ == MOST_UNWOUND) {
		state->walk->flags |= STACKS_CUT;
		return DWARF_CB_ABORT;
	}
	struct frame *frame = walk_add(state->walk);
	if (!frame)
		return DWARF_CB_ABORT;
	frame->address = address;
	frame->lookup = is_exact ? address : address - 1;
	// libdw says so of the kernel's own frame, and of the one that was interrupted too
	state->is_interrupted = is_exact && state->unwound > 1 && !state->is_interrupted;
	if (state->is_interrupted)
		frame->flags |= STACKS_SIGNAL;
	return DWARF_CB_OK;
}

// Whose tables the first module's machine speaks for.
static Elf *machine_of(struct process *process)
{
	for (size_t index = 0; index < process->count; index++) {
		GElf_Addr bias;
		Elf *elf = process->modules[index].dwfl ? dwfl_module_getelf(process->modules[index].dwfl, &bias) : NULL;
		if (elf)
			return elf;
	}
	return NULL;
}

void unwind(Dwfl *dwfl, struct process *process, const struct stacks_thread *thread, struct walk *walk)
{
	static Dwfl *attached;
	struct state state = {.walk = walk};
	current.process = process;
	current.thread = thread;
	process->is_32_bit = thread->is_32_bit != 0;
	if (attached != dwfl) {
		Elf *elf = machine_of(process);
		if (!elf || !dwfl_attach_state(dwfl, elf, process->pid, &thread_callbacks, NULL)) {
			walk->flags |= STACKS_LOST;
			struct frame *frame = walk_add(walk);
			if (frame)
				frame->address = frame->lookup = thread->values[16];
			return;
		}
		attached = dwfl;
	}
	if (dwfl_getthread_frames(dwfl, thread->tid, take_frame, &state) < 0)
		walk->flags |= STACKS_LOST;
	if (walk->count == 0) {
		struct frame *frame = walk_add(walk);
		if (frame)
			frame->address = frame->lookup = thread->values[16];
	}
}

const char *stacks_library(void)
{
	return dwfl_version(NULL);
}
