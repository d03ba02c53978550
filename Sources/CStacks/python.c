// The functions of a Python program, from the interpreter's own structures in the memory of its process.
#define _GNU_SOURCE
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MOST_INTERPRETERS = 16,
	MOST_THREADS = 4096,
	MOST_PYTHON_FRAMES = 128,
	MOST_TEXT = 1024,
	MOST_TABLE = 64 << 10,
	OWNED_BY_C = 3, // a frame that only stands between two of C: 3.12 on
};

// Where things are, in bytes: offsetof over the headers of CPython (Include/internal/pycore_*.h, Include/cpython/code.h) as
// released: 3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1, 3.13.0, for 64 bits. Within one minor version they stay what they are.
struct offsets {
	unsigned interpreters;		 // of _PyRuntimeState
	unsigned current;		 // the thread that has the GIL, until 3.11; 0: not here
	unsigned interpreter_next, threads, gil; // of PyInterpreterState; gil: a pointer
	unsigned holder, locked;	 // of struct _gil_runtime_state
	unsigned thread_next, thread_id, native_id, frame; // of PyThreadState; native_id from 3.11 on
	unsigned current_frame;		 // of _PyCFrame, which `frame` points to
	unsigned back, code, instruction, owner; // of PyFrameObject, from 3.11 on of _PyInterpreterFrame
	unsigned file, name, first_line, table, instructions; // of PyCodeObject
	unsigned ascii, compact;	 // sizes of PyASCIIObject and PyCompactUnicodeObject
};

static const struct offsets known[] = {
	[8] = {32, 1368, 0, 8, 0, 0, 0, 8, 176, 0, 24, 0, 24, 32, 104, 0, 104, 112, 40, 120, 0, 48, 72},
	[9] = {32, 568, 0, 8, 0, 0, 0, 8, 176, 0, 24, 0, 24, 32, 104, 0, 104, 112, 40, 120, 0, 48, 72},
	[10] = {32, 568, 0, 8, 0, 0, 0, 8, 176, 0, 24, 0, 24, 32, 96, 0, 104, 112, 40, 120, 0, 48, 72},
	[11] = {40, 576, 0, 16, 0, 0, 0, 8, 152, 160, 56, 8, 48, 32, 56, 69, 112, 128, 72, 136, 184, 48, 72},
	[12] = {40, 0, 0, 72, 384, 8, 16, 8, 136, 144, 56, 0, 8, 0, 56, 70, 112, 128, 68, 136, 192, 40, 56},
	// its own table says them: struct _Py_DebugOffsets, read below
	[13] = {0},
};

struct python {
	struct process *process;
	struct offsets at;
	unsigned minor; // 3.minor
	uint64_t runtime;
};

static int word_at(struct python *python, uint64_t address, uint64_t *word)
{
	return process_memory(python->process, address, word, 8);
}

static uint64_t pointer(struct python *python, uint64_t base, unsigned offset)
{
	uint64_t word = 0;
	return base && word_at(python, base + offset, &word) ? word : 0;
}

static uint32_t half(struct python *python, uint64_t address)
{
	uint32_t value = 0;
	(void)process_memory(python->process, address, &value, 4);
	return value;
}

// ---- objects ----

static size_t put_character(char *to, uint32_t c)
{
	if (c < 0x80)
		return (size_t)(*to = (char)c, 1);
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 63));
		to[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	to[0] = (char)(0xf0 | (c >> 18 & 7));
	to[1] = (char)(0x80 | (c >> 12 & 63));
	to[2] = (char)(0x80 | (c >> 6 & 63));
	to[3] = (char)(0x80 | (c & 63));
	return 4;
}

// A str, of which the beginning is kept; NULL if it is none.
static const char *text(struct python *python, uint64_t object)
{
	uint64_t length;
	uint8_t bytes[MOST_TEXT];
	if (!object || !word_at(python, object + 16, &length) || length == 0 || length > 1 << 20)
		return NULL;
	uint32_t state = half(python, object + 32);
	// interned: 2 bits, of 3.12 on 2 as well; kind: 3; compact: 1; ascii: 1
	unsigned kind = state >> 2 & 7, is_compact = state >> 5 & 1, is_ascii = state >> 6 & 1;
	if (!is_compact || (kind != 1 && kind != 2 && kind != 4))
		return NULL;
	size_t count = length < MOST_TEXT / kind ? length : MOST_TEXT / kind;
	uint64_t data = object + (is_ascii ? python->at.ascii : python->at.compact);
	char *out = malloc(count * 4 + 1), *to = out;
	if (!out || !process_memory(python->process, data, bytes, count * kind))
		return NULL;
	for (size_t index = 0; index < count; index++) {
		uint32_t c = 0;
		memcpy(&c, bytes + index * kind, kind);
		to += put_character(to, c);
	}
	*to = 0;
	return out;
}

// ---- lines ----

// Until 3.9: pairs of steps, bytes of code and lines.
static int line_of_3_8(const uint8_t *table, size_t bytes, int line, uint64_t code)
{
	uint64_t at = 0;
	for (size_t index = 0; index + 1 < bytes; index += 2) {
		at += table[index];
		if (at > code)
			break;
		line += (int8_t)table[index + 1];
	}
	return line;
}

// 3.10: the same, for spans; -128 stands for no line.
static int line_of_3_10(const uint8_t *table, size_t bytes, int line, uint64_t code)
{
	uint64_t end = 0;
	for (size_t index = 0; index + 1 < bytes; index += 2) {
		int step = (int8_t)table[index + 1];
		end += table[index];
		line += step == -128 ? 0 : step;
		if (code < end)
			return step == -128 ? 0 : line;
	}
	return 0;
}

static unsigned varint(const uint8_t *table, size_t bytes, size_t *place)
{
	unsigned value = 0, shift = 0;
	while (*place < bytes && shift < 30) {
		uint8_t byte = table[(*place)++];
		value |= (unsigned)(byte & 63) << shift;
		shift += 6;
		if (!(byte & 64))
			break;
	}
	return value;
}

static int signed_varint(const uint8_t *table, size_t bytes, size_t *place)
{
	unsigned value = varint(table, bytes, place);
	return value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
}

// From 3.11 on: Objects/locations.md of CPython.
static int line_of_3_11(const uint8_t *table, size_t bytes, int line, uint64_t code)
{
	uint64_t end = 0;
	for (size_t place = 0; place < bytes;) {
		uint8_t first = table[place++];
		unsigned kind = first >> 3 & 15;
		int has_line = 1;
		end += ((first & 7) + 1u) * 2;
		switch (kind) {
		case 15: has_line = 0; break;
		case 14:
			line += signed_varint(table, bytes, &place);
			for (int part = 0; part < 3; part++)
				varint(table, bytes, &place);
			break;
		case 13: line += signed_varint(table, bytes, &place); break;
		case 10:
		case 11:
		case 12:
			line += (int)kind - 10;
			place += 2;
			break;
		default: place++;
		}
		if (code < end)
			return has_line ? line : 0;
	}
	return 0;
}

// - Parameter instruction: bytes from the beginning of the code.
static int line_of(struct python *python, uint64_t code, uint64_t instruction)
{
	uint64_t table = pointer(python, code, python->at.table), bytes;
	uint8_t *copy = malloc(MOST_TABLE);
	int first = (int)half(python, code + python->at.first_line), line = 0;
	if (copy && table && word_at(python, table + 16, &bytes) && bytes <= MOST_TABLE &&
	    process_memory(python->process, table + 32, copy, bytes)) {
		line = python->minor < 10 ? line_of_3_8(copy, bytes, first, instruction)
		       : python->minor == 10 ? line_of_3_10(copy, bytes, first, instruction)
					     : line_of_3_11(copy, bytes, first, instruction);
	}
	free(copy);
	return line > 0 ? line : first;
}

// ---- threads ----

static int add_frame(struct python *python, struct walk *walk, uint64_t frame)
{
	uint64_t code = pointer(python, frame, python->at.code), instruction;
	if (python->minor < 11) {
		instruction = half(python, frame + python->at.instruction);
		if (python->minor == 10)
			instruction *= 2;
	} else {
		instruction = pointer(python, frame, python->at.instruction) - (code + python->at.instructions);
	}
	const char *name = text(python, pointer(python, code, python->at.name));
	if (!name)
		return 0;
	struct frame *one = walk_add(walk);
	if (!one)
		return 0;
	one->function = name;
	one->file = text(python, pointer(python, code, python->at.file));
	one->line = (uint32_t)line_of(python, code, instruction);
	one->flags = STACKS_PYTHON;
	return 1;
}

static void add_frames(struct python *python, struct walk *walk, uint64_t state)
{
	uint64_t frame = pointer(python, state, python->at.frame);
	if (python->minor == 11 || python->minor == 12)
		frame = pointer(python, frame, python->at.current_frame);
	for (int count = 0; frame && count < MOST_PYTHON_FRAMES; count++) {
		uint8_t owner = 0;
		if (python->minor >= 12)
			(void)process_memory(python->process, frame + python->at.owner, &owner, 1);
		if (owner != OWNED_BY_C && !add_frame(python, walk, frame))
			return;
		frame = pointer(python, frame, python->at.back);
	}
}

static int is_thread(struct python *python, uint64_t state, const struct stacks_thread *thread)
{
	// the other number is one of the PID namespace that the program is in
	if (thread->thread_pointer)
		return pointer(python, state, python->at.thread_id) == thread->thread_pointer;
	return python->at.native_id && pointer(python, state, python->at.native_id) == (uint64_t)thread->tid;
}

// The state of the thread that has the GIL; 0: nobody, or not known.
static uint64_t holder_of_gil(struct python *python, uint64_t interpreter)
{
	if (python->at.current)
		return pointer(python, python->runtime, python->at.current);
	uint64_t gil = pointer(python, interpreter, python->at.gil);
	return gil && half(python, gil + python->at.locked) == 1 ? pointer(python, gil, python->at.holder) : 0;
}

static uint64_t find_thread(struct python *python, const struct stacks_thread *thread, struct walk *walk)
{
	uint64_t interpreter = pointer(python, python->runtime, python->at.interpreters);
	for (int count = 0; interpreter && count < MOST_INTERPRETERS; count++) {
		uint64_t state = pointer(python, interpreter, python->at.threads);
		for (int place = 0; state && place < MOST_THREADS; place++) {
			if (is_thread(python, state, thread)) {
				uint64_t holder = holder_of_gil(python, interpreter);
				if (holder == state)
					walk->gil_holder = thread->tid;
				else if (holder && python->at.native_id &&
					 pointer(python, state, python->at.native_id) == (uint64_t)thread->tid)
					walk->gil_holder = (int)pointer(python, holder, python->at.native_id);
				return state;
			}
			state = pointer(python, state, python->at.thread_next);
		}
		interpreter = pointer(python, interpreter, python->at.interpreter_next);
	}
	return 0;
}

// ---- which Python ----

// `python3.11`, `libpython3.11.so.1.0`
static unsigned minor_in(const char *path)
{
	const char *name = strrchr(path, '/');
	const char *mark = strstr(name ? name : path, "python3.");
	return mark ? (unsigned)atoi(mark + strlen("python3.")) : 0;
}

// From 3.13 on the interpreter says where its things are.
static int read_own_offsets(struct python *python)
{
	uint8_t table[568];
	if (!process_memory(python->process, python->runtime, table, sizeof(table)) || memcmp(table, "xdebugpy", 8) != 0)
		return 0;
	uint64_t version, value;
#define OWN(offset) (memcpy(&value, table + (offset), 8), value < 1 << 20 ? (unsigned)value : 0)
	memcpy(&version, table + 8, 8);
	if (version >> 16 != 0x030d)
		return 0;
	python->minor = 13;
	python->at = (struct offsets){
		.interpreters = OWN(40),
		.interpreter_next = OWN(64),
		.threads = OWN(72),
		.gil = OWN(112),
		.holder = 8,
		.locked = 16,
		.thread_next = OWN(168),
		.frame = OWN(184),
		.thread_id = OWN(192),
		.native_id = OWN(200),
		.back = OWN(232),
		.code = OWN(240),
		.instruction = OWN(248),
		.owner = OWN(264),
		.file = OWN(280),
		.name = OWN(296),
		.table = OWN(304),
		.first_line = OWN(312),
		.instructions = OWN(344),
		.ascii = OWN(560),
		.compact = OWN(560) + 16,
	};
#undef OWN
	return 1;
}

static int is_python(const struct frame *frame)
{
	return (frame->function && (strncmp(frame->function, "_PyEval_", 8) == 0 || strncmp(frame->function, "PyEval_", 7) == 0)) ||
	       (frame->module && minor_in(frame->module) != 0);
}

// Once for each worker: its process is one.
static struct python *the_python(struct process *process, const char *path)
{
	static struct python python;
	static int was_looked_for;
	if (was_looked_for)
		return python.runtime ? &python : NULL;
	was_looked_for = 1;
	python.process = process;
	python.runtime = find_symbol(process, path, "_PyRuntime");
	if (!python.runtime || read_own_offsets(&python))
		return python.runtime ? &python : NULL;
	uint64_t version = find_symbol(process, path, "Py_Version");
	uint32_t number = version ? half(&python, version) : 0;
	python.minor = number >> 24 == 3 ? number >> 16 & 255 : minor_in(path);
	if (python.minor < 8 || python.minor > 12)
		python.runtime = 0;
	else
		python.at = known[python.minor];
	return python.runtime ? &python : NULL;
}

void python_frames(struct process *process, const struct stacks_thread *thread, struct walk *walk)
{
	size_t first = 0, place = walk->count;
	while (first < walk->count && !is_python(&walk->frames[first]))
		first++;
	if (first == walk->count || !walk->frames[first].module || process->is_32_bit)
		return;
	struct python *python = the_python(process, walk->frames[first].module);
	uint64_t state = python ? find_thread(python, thread, walk) : 0;
	if (!state)
		return;
	// where the interpreter begins: what it calls is told, how it runs is not
	for (size_t index = 0; index < walk->count && place == walk->count; index++) {
		const char *name = walk->frames[index].function;
		if (name && strncmp(name, "_PyEval_EvalFrameDefault", 24) == 0)
			place = index;
	}
	struct walk python_walk = {.tid = walk->tid};
	add_frames(python, &python_walk, state);
	if (python_walk.count == 0)
		return;
	walk->count = place;
	for (size_t index = 0; index < python_walk.count; index++) {
		struct frame *one = walk_add(walk);
		if (one)
			*one = python_walk.frames[index];
	}
	walk->flags &= ~(uint32_t)STACKS_LOST;
}
