// A process's memory, and the files that are mapped into it.
#define _GNU_SOURCE
#include "internal.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	MOST_MAPS_BYTES = 32 << 20,
	MOST_MODULES = 16384,
	MOST_IMAGE_BYTES = 64 << 20,
	PAGE = 4096,
};

// ---- memory ----

static int read_memory(struct process *process, uint64_t address, void *bytes, size_t count)
{
	struct iovec local = {bytes, count}, remote = {(void *)(uintptr_t)address, count};
	ssize_t got = process_vm_readv(process->tid, &local, 1, &remote, 1, 0);
	return got == (ssize_t)count;
}

int process_memory(struct process *process, uint64_t address, void *bytes, size_t count)
{
	char *to = bytes;
	while (count > 0) {
		uint64_t page = address & ~(uint64_t)(PAGE - 1);
		size_t offset = address - page, part = PAGE - offset < count ? PAGE - offset : count;
		size_t slot = page / PAGE % (sizeof(process->pages) / sizeof(*process->pages));
		if (process->pages[slot].address != page) {
			process->pages[slot].address = 1;
			if (!read_memory(process, page, process->pages[slot].bytes, PAGE))
				return 0;
			process->pages[slot].address = page;
		}
		memcpy(to, process->pages[slot].bytes + offset, part);
		to += part;
		address += part;
		count -= part;
	}
	return 1;
}

int process_word(struct process *process, uint64_t address, uint64_t *word)
{
	uint32_t half;
	if (!process->is_32_bit)
		return process_memory(process, address, word, 8);
	if (!process_memory(process, address, &half, 4))
		return 0;
	*word = half;
	return 1;
}

// ---- what is mapped ----

static char *read_maps(int pid, int tid, size_t *bytes)
{
	char path[64];
	size_t room = 1 << 16;
	char *text = malloc(room);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/maps", pid, tid);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	*bytes = 0;
	if (file < 0 || !text)
		return NULL;
	for (;;) {
		if (*bytes + PAGE > room) {
			char *larger = room < MOST_MAPS_BYTES ? realloc(text, room *= 2) : NULL;
			if (!larger)
				break;
			text = larger;
		}
		ssize_t got = read(file, text + *bytes, room - *bytes - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		*bytes += (size_t)got;
	}
	text[*bytes] = 0;
	close(file);
	return text;
}

// The last module, if this mapping goes on with it.
static struct module *going_on(struct process *process, uint64_t start, uint64_t inode, uint64_t offset,
			       const char *path)
{
	struct module *last = process->count ? &process->modules[process->count - 1] : NULL;
	return last && last->inode == inode && start >= last->end && offset != 0 && strcmp(last->path, path) == 0 ? last
														   : NULL;
}

static void add_mapping(struct process *process, char *line)
{
	uint64_t start, end, offset, inode;
	char flags[5];
	int name = 0;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %" SCNu64 " %n", &start, &end, flags, &offset,
		   &inode, &name) < 5 ||
	    name == 0 || start >= end)
		return;
	char *path = line + name;
	// the kernel's own code that every process has; what else has no name is none's
	if (path[0] != '/' && strcmp(path, "[vdso]") != 0)
		return;
	struct module *last = going_on(process, start, inode, offset, path);
	if (last) {
		last->end = end;
		last->is_executable |= flags[2] == 'x';
		return;
	}
	if (process->count == process->room) {
		size_t room = process->room ? process->room * 2 : 64;
		struct module *larger =
			room <= MOST_MODULES ? realloc(process->modules, room * sizeof(*larger)) : NULL;
		if (!larger)
			return;
		process->modules = larger;
		process->room = room;
	}
	size_t length = strlen(path);
	static const char deleted[] = " (deleted)";
	const size_t tail = sizeof(deleted) - 1;
	process->modules[process->count++] = (struct module){
		.start = start,
		.end = end,
		.first_end = end,
		.offset = offset,
		.inode = inode,
		.path = path,
		.is_executable = flags[2] == 'x',
		.is_deleted = length > tail && strcmp(path + length - tail, deleted) == 0,
	};
}

int process_read(struct process *process, int pid, int tid)
{
	size_t bytes;
	process->pid = pid;
	process->tid = tid;
	for (size_t slot = 0; slot < sizeof(process->pages) / sizeof(*process->pages); slot++)
		process->pages[slot].address = 1;
	// lives until the worker ends: the modules' names are in it
	char *text = read_maps(pid, tid, &bytes);
	if (!text)
		return errno ? errno : ENOMEM;
	for (char *line = text; *line;) {
		char *end = strchrnul(line, '\n');
		char *next = *end ? end + 1 : end;
		*end = 0;
		add_mapping(process, line);
		line = next;
	}
	return 0;
}

struct module *process_module(struct process *process, uint64_t address)
{
	size_t low = 0, high = process->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (process->modules[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < process->count && process->modules[low].start <= address ? &process->modules[low] : NULL;
}

// ---- files ----

// A regular file, and nothing that opening alone could change or wait for.
static int open_regular(const char *path, struct stat *status)
{
	char again[64];
	int place = open(path, O_PATH | O_CLOEXEC);
	if (place < 0)
		return -1;
	int file = -1;
	if (fstat(place, status) == 0 && S_ISREG(status->st_mode)) {
		snprintf(again, sizeof(again), "/proc/self/fd/%d", place);
		file = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	close(place);
	return file;
}

// Whether the beginning of the file is what the process has in its memory: its headers, mostly its build id too.
static int is_same(struct process *process, struct module *module, int file)
{
	uint8_t in_file[PAGE], in_memory[PAGE];
	size_t bytes = PAGE;
	if (module->offset != 0)
		return 0;
	if (module->first_end - module->start < bytes)
		bytes = module->first_end - module->start;
	ssize_t got = pread(file, in_file, bytes, 0);
	return got > 64 && process_memory(process, module->start, in_memory, (size_t)got) &&
	       memcmp(in_file, in_memory, (size_t)got) == 0;
}

int module_open(struct process *process, struct module *module)
{
	char path[4096 + 64];
	struct stat status;
	if (module->path[0] != '/')
		return -1;
	// the very file, if this kernel and our privileges have it
	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, process->pid, module->start,
		 module->first_end);
	int file = open_regular(path, &status);
	if (file >= 0)
		return file;
	// the program itself, though its name may be another's by now
	snprintf(path, sizeof(path), "/proc/%d/exe", process->pid);
	file = open_regular(path, &status);
	if (file >= 0 && status.st_ino == module->inode && is_same(process, module, file))
		return file;
	if (file >= 0)
		close(file);
	if (module->is_deleted ||
	    snprintf(path, sizeof(path), "/proc/%d/task/%d/root%s", process->pid, process->tid, module->path) >=
		    (int)sizeof(path))
		return -1;
	file = open_regular(path, &status);
	if (file >= 0 && !is_same(process, module, file)) {
		close(file);
		file = -1;
	}
	return file;
}

int open_debug_file(struct process *process, const uint8_t *id, size_t bytes)
{
	char name[2 * 64 + 8], path[256];
	struct stat status;
	char *to = name;
	if (bytes < 4 || bytes > 64)
		return -1;
	for (size_t index = 0; index < bytes; index++)
		to += sprintf(to, index == 0 ? "%02x/" : "%02x", id[index]);
	// the container's own first, then the host's
	snprintf(path, sizeof(path), "/proc/%d/task/%d/root/usr/lib/debug/.build-id/%s.debug", process->pid,
		 process->tid, name);
	int file = open_regular(path, &status);
	if (file >= 0)
		return file;
	snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%s.debug", name);
	return open_regular(path, &status);
}

// ---- files that cannot be had ----

struct extent {
	uint64_t offset, address, bytes;
};

static size_t loaded_parts(const uint8_t *head, size_t bytes, struct extent *parts, size_t most)
{
	size_t count = 0;
	if (bytes < sizeof(Elf64_Ehdr) || memcmp(head, ELFMAG, SELFMAG) != 0)
		return 0;
	if (head[EI_CLASS] == ELFCLASS64) {
		const Elf64_Ehdr *header = (const void *)head;
		for (size_t index = 0; index < header->e_phnum && count < most; index++) {
			uint64_t place = header->e_phoff + index * sizeof(Elf64_Phdr);
			if (header->e_phoff > bytes || place + sizeof(Elf64_Phdr) > bytes)
				break;
			Elf64_Phdr part;
			memcpy(&part, head + place, sizeof(part));
			if (part.p_type == PT_LOAD)
				parts[count++] = (struct extent){part.p_offset, part.p_vaddr, part.p_filesz};
		}
	} else {
		const Elf32_Ehdr *header = (const void *)head;
		for (size_t index = 0; index < header->e_phnum && count < most; index++) {
			uint64_t place = (uint64_t)header->e_phoff + index * sizeof(Elf32_Phdr);
			if (place + sizeof(Elf32_Phdr) > bytes)
				break;
			Elf32_Phdr part;
			memcpy(&part, head + place, sizeof(part));
			if (part.p_type == PT_LOAD)
				parts[count++] = (struct extent){part.p_offset, part.p_vaddr, part.p_filesz};
		}
	}
	return count;
}

Elf *module_image(struct process *process, struct module *module)
{
	uint8_t head[PAGE];
	struct extent parts[32];
	uint64_t size = 0, first = 0;
	size_t known = module->end - module->start < PAGE ? module->end - module->start : PAGE;
	if (module->image || module->offset != 0 || !process_memory(process, module->start, head, known))
		return NULL;
	size_t count = loaded_parts(head, known, parts, sizeof(parts) / sizeof(*parts));
	for (size_t index = 0; index < count; index++) {
		if (parts[index].offset > MOST_IMAGE_BYTES || parts[index].bytes > MOST_IMAGE_BYTES)
			return NULL;
		if (parts[index].offset == 0)
			first = parts[index].address;
		if (parts[index].offset + parts[index].bytes > size)
			size = parts[index].offset + parts[index].bytes;
	}
	// of the kernel's own code all is mapped, its table of sections too
	int is_whole = module->path[0] != '/';
	if (is_whole && module->end - module->start > size)
		size = module->end - module->start;
	if (count == 0 || size < known || size > MOST_IMAGE_BYTES)
		return NULL;
	uint8_t *image = calloc(1, size);
	if (!image)
		return NULL;
	if (is_whole) {
		if (!process_memory(process, module->start, image, size)) {
			free(image);
			return NULL;
		}
	} else {
		// what has been written since is not as in the file, and does not matter here
		for (size_t index = 0; index < count; index++)
			for (uint64_t at = 0; at < parts[index].bytes; at += PAGE) {
				uint64_t rest = parts[index].bytes - at;
				(void)process_memory(process, module->start + parts[index].address - first + at,
						     image + parts[index].offset + at, rest < PAGE ? rest : PAGE);
			}
		// there is no table of sections in memory
		if (head[EI_CLASS] == ELFCLASS64) {
			Elf64_Ehdr *header = (void *)image;
			header->e_shoff = header->e_shnum = header->e_shstrndx = 0;
		} else {
			Elf32_Ehdr *header = (void *)image;
			header->e_shoff = header->e_shnum = header->e_shstrndx = 0;
		}
	}
	module->image = image;
	return elf_memory((char *)image, size);
}
