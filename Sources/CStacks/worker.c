// A worker: reads one process, answers one request, and ends.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *answer;
static size_t answered, room;

static void put(const void *bytes, size_t count)
{
	if (count == 0)
		return;
	if (answered + count > room) {
		size_t larger = (answered + count) * 2;
		char *space = realloc(answer, larger);
		if (!space)
			return;
		answer = space;
		room = larger;
	}
	memcpy(answer + answered, bytes, count);
	answered += count;
}

// Of a name that is too long its beginning.
static uint16_t text_bytes(const char *text, size_t most)
{
	return text ? (uint16_t)strnlen(text, most) : 0;
}

static void put_frame(const struct frame *frame)
{
	struct stacks_frame head = {
		.offset = frame->address - frame->base,
		.flags = frame->flags,
		.line = frame->line,
		.function = text_bytes(frame->function, 1024),
		.module = text_bytes(frame->module, 4096),
		.file = text_bytes(frame->file, 4096),
	};
	put(&head, sizeof(head));
	put(frame->function, head.function);
	put(frame->module, head.module);
	put(frame->file, head.file);
}

static void put_walk(const struct walk *walk)
{
	size_t count = walk->count < STACKS_MOST_FRAMES ? walk->count : STACKS_MOST_FRAMES;
	struct stacks_walk head = {
		.tid = walk->tid,
		.frames = (uint32_t)count,
		.flags = walk->flags | (count < walk->count ? STACKS_CUT : 0),
		.error = walk->error,
		.gil_holder = walk->gil_holder,
	};
	put(&head, sizeof(head));
	for (size_t index = 0; index < count; index++)
		put_frame(&walk->frames[index]);
}

int worker_run(const struct stacks_request *request, const void *body)
{
	struct process *process = calloc(1, sizeof(*process));
	struct walk *walks = calloc(request->count + 1, sizeof(*walks));
	if (!process || !walks)
		return 1;
	elf_version(EV_CURRENT);
	int error = process_read(process, request->pid, request->tid);
	Dwfl *dwfl = error == 0 ? unwind_begin(process) : NULL;
	for (uint32_t index = 0; index < request->count; index++) {
		if (request->kind == STACKS_WALK) {
			const struct stacks_thread *thread = (const struct stacks_thread *)body + index;
			walks[index].tid = thread->tid;
			if (dwfl)
				unwind(dwfl, process, thread, &walks[index]);
		} else {
			struct frame *frame = walk_add(&walks[index]);
			if (frame)
				frame->address = frame->lookup = ((const uint64_t *)body)[index];
		}
		walks[index].error = error != 0 ? error : dwfl ? 0 : ENOMEM;
	}
	if (dwfl)
		name_frames(process, walks, request->count, request->flags & STACKS_LINES);
	for (uint32_t index = 0; dwfl && request->kind == STACKS_WALK && index < request->count; index++)
		python_frames(process, (const struct stacks_thread *)body + index, &walks[index]);
	for (uint32_t index = 0; index < request->count; index++)
		put_walk(&walks[index]);
	return write_whole(1, answer, answered) == 0 ? 0 : 1;
}
