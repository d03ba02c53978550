// Go programs: functions, files, lines and callers from the table that every one of them carries for its own panics
// (.gopclntab), in symbols or stripped, as of Go 1.18 on. Goroutines have stacks of their own; where a thread has left one
// for its own stack, to call C or the run time, the walk goes on there.
//
// The layouts are Go's: runtime/symtab.go (pcHeader, _func, moduledata), runtime/runtime2.go (g, m, gobuf), and asmcgocall in
// runtime/asm_amd64.s. All of it is read from the process's memory, and is whatever the process has written there.
#include "internal.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

enum {
	MOST_FUNCTIONS = 1 << 22,
	MOST_NAME = 1024,
	MOST_SCANNED = 64 << 20, // bytes, for a table without a section of its own
	MOST_STEPS = 1 << 14,	 // of one table of one function
	MOST_STEPS_IN_ALL = 8 << 20,
	MOST_CALLERS = 2048,
	MAGIC_1_18 = 0xfffffff0,
	MAGIC_1_20 = 0xfffffff1,
	// _func.flag
	IS_OUTERMOST = 1,
	WRITES_STACK_POINTER = 2,
	// g: its stack from 0 to 8
	G_M = 48,
	G_SCHED = 56, // stack pointer and place
	M_CURG_FROM = 160, // within these, as versions differ
	M_CURG_TO = 224,
};

struct go_table {
	uint64_t text;
	uint64_t functions; // how many
	uint64_t names, units, files, values, entries;
	int is_1_20;
};

struct function {
	uint64_t place; // of its _func
	uint64_t start;
	uint32_t flags;
};

static size_t steps_left = MOST_STEPS_IN_ALL;

// ---- where it is ----

struct header {
	uint32_t magic;
	uint8_t zeros[2], quantum, pointer;
	uint64_t functions, files, text, names, units, file_names, values, entries;
};

static int is_header(const struct header *header)
{
	return (header->magic == MAGIC_1_18 || header->magic == MAGIC_1_20) && header->zeros[0] == 0 &&
	       header->zeros[1] == 0 && header->quantum == 1 && header->pointer == 8 && header->functions > 0 &&
	       header->functions <= MOST_FUNCTIONS;
}

// A section by its name: where it lies in memory, and how many bytes.
static int find_section(struct module *module, const char *wanted, uint64_t *address, uint64_t *bytes)
{
	GElf_Addr bias;
	Elf *elf = module->dwfl ? dwfl_module_getelf(module->dwfl, &bias) : NULL;
	size_t names;
	if (!elf || elf_getshdrstrndx(elf, &names) != 0)
		return 0;
	for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
		GElf_Shdr head;
		const char *name =
			gelf_getshdr(section, &head) ? elf_strptr(elf, names, head.sh_name) : NULL;
		if (!name || strcmp(name, wanted) != 0 || !(head.sh_flags & SHF_ALLOC))
			continue;
		*address = head.sh_addr + bias;
		*bytes = head.sh_size;
		return 1;
	}
	return 0;
}

// Where in these bytes something lies that is wanted, at a multiple of `step`; 0 if nowhere.
static uint64_t scan(struct process *process, uint64_t address, uint64_t bytes, uint64_t step,
		     int (*is_wanted)(struct process *, uint64_t, uint64_t), uint64_t word)
{
	address = (address + step - 1) & ~(step - 1);
	if (bytes > MOST_SCANNED)
		bytes = MOST_SCANNED;
	for (uint64_t end = address + bytes; address + 8 <= end; address += step)
		if (is_wanted(process, address, word))
			return address;
	return 0;
}

static int is_table(struct process *process, uint64_t address, uint64_t unused)
{
	struct header header;
	uint32_t magic;
	(void)unused;
	return process_memory(process, address, &magic, 4) && (magic == MAGIC_1_18 || magic == MAGIC_1_20) &&
	       process_memory(process, address, &header, sizeof(header)) && is_header(&header);
}

static int is_word(struct process *process, uint64_t address, uint64_t word)
{
	uint64_t value;
	return process_memory(process, address, &value, 8) && value == word;
}

// As of Go 1.26 on the table does not say where the code begins, and the module's own description does.
static uint64_t find_text(struct process *process, struct module *module, uint64_t table)
{
	static const char *const sections[] = {".go.module", ".noptrdata", ".data"};
	for (size_t index = 0; index < sizeof(sections) / sizeof(*sections); index++) {
		uint64_t address, bytes, text, first;
		if (!find_section(module, sections[index], &address, &bytes))
			continue;
		uint64_t place = scan(process, address, bytes, 8, is_word, table);
		if (place && process_memory(process, place + 176, &text, 8) &&
		    process_memory(process, place + 160, &first, 8) && first >= text && text >= module->start &&
		    text < module->end)
			return text;
	}
	return 0;
}

static uint64_t find_table(struct process *process, struct module *module)
{
	uint64_t address, bytes;
	if (find_section(module, ".gopclntab", &address, &bytes) ||
	    find_section(module, ".data.rel.ro.gopclntab", &address, &bytes))
		return address;
	// a linker that is not Go's has it among others' data
	if (!find_section(module, ".go.buildinfo", &address, &bytes) ||
	    !find_section(module, ".data.rel.ro", &address, &bytes))
		return 0;
	return scan(process, address, bytes, 32, is_table, 0);
}

// Of the file that an address lies in; NULL if that is not Go's.
static const struct go_table *table_at(struct process *process, uint64_t address)
{
	struct module *module = process_module(process, address);
	struct header header;
	if (!module || !module->dwfl || process->is_32_bit)
		return NULL;
	if (module->was_go_looked_for)
		return module->go;
	module->was_go_looked_for = 1;
	uint64_t place = find_table(process, module);
	if (!place || !process_memory(process, place, &header, sizeof(header)) || !is_header(&header))
		return NULL;
	uint64_t text = header.text ? header.text : find_text(process, module, place);
	struct go_table *table = text ? calloc(1, sizeof(*table)) : NULL;
	if (!table)
		return NULL;
	table->text = text;
	table->functions = header.functions;
	table->names = place + header.names;
	table->units = place + header.units;
	table->files = place + header.file_names;
	table->values = place + header.values;
	table->entries = place + header.entries;
	table->is_1_20 = header.magic == MAGIC_1_20;
	module->go = table;
	return table;
}

// ---- functions ----

static int half(struct process *process, uint64_t address, uint32_t *value)
{
	return process_memory(process, address, value, 4);
}

static int find_function(struct process *process, const struct go_table *table, uint64_t address,
			 struct function *function)
{
	uint64_t low = 0, high = table->functions;
	uint32_t start, place, end, flags;
	if (address < table->text || address - table->text > UINT32_MAX)
		return 0;
	uint32_t wanted = (uint32_t)(address - table->text);
	// the last that begins here or before
	while (high - low > 1) {
		uint64_t middle = (low + high) / 2;
		if (!half(process, table->entries + middle * 8, &start))
			return 0;
		if (start <= wanted)
			low = middle;
		else
			high = middle;
	}
	if (!half(process, table->entries + low * 8, &start) || !half(process, table->entries + low * 8 + 4, &place) ||
	    !half(process, table->entries + low * 8 + 8, &end) || wanted < start || wanted >= end)
		return 0;
	function->place = table->entries + place;
	function->start = table->text + start;
	if (!half(process, function->place + (table->is_1_20 ? 40 : 36), &flags))
		return 0;
	function->flags = flags >> 8 & 255;
	return 1;
}

// A text that ends with 0; NULL if it is none. Lives until the worker ends.
static char *text_at(struct process *process, uint64_t address)
{
	char *text = malloc(MOST_NAME);
	size_t length = 0;
	while (text && length < MOST_NAME - 1 && process_memory(process, address + length, text + length, 1) &&
	       text[length])
		length++;
	if (!text || length == 0) {
		free(text);
		return NULL;
	}
	text[length] = 0;
	return text;
}

static char *name_of(struct process *process, const struct go_table *table, const struct function *function)
{
	uint32_t name;
	return half(process, function->place + 4, &name) ? text_at(process, table->names + name) : NULL;
}

static uint32_t varint(struct process *process, uint64_t *place)
{
	uint32_t value = 0;
	for (unsigned shift = 0; shift < 35; shift += 7) {
		uint8_t byte = 0;
		if (!process_memory(process, (*place)++, &byte, 1))
			break;
		value |= shift < 32 ? (uint32_t)(byte & 127) << shift : 0;
		if (!(byte & 128))
			break;
	}
	return value;
}

// What one of a function's tables says of a place in it (runtime.pcvalue); -1 if it says nothing.
static int32_t value_at(struct process *process, const struct go_table *table, const struct function *function,
			unsigned which, uint64_t address)
{
	uint32_t offset;
	if (!half(process, function->place + which, &offset) || offset == 0)
		return -1;
	uint64_t place = table->values + offset, at = function->start;
	uint32_t value = UINT32_MAX;
	for (size_t step = 0; step < MOST_STEPS && steps_left > 0; step++, steps_left--) {
		uint32_t change = varint(process, &place);
		if (change == 0 && step > 0)
			break;
		value += (change & 1) ? ~(change >> 1) : change >> 1;
		uint32_t bytes = varint(process, &place);
		at += bytes;
		if (address < at)
			return (int32_t)value;
	}
	return -1;
}

enum { STACK_BYTES = 16, FILES = 20, LINES = 24, TABLES = 28, UNIT = 32 };

// Whether an address is in what was inlined into its function: its line is another function's.
static int is_inlined(struct process *process, const struct go_table *table, const struct function *function,
		      uint64_t address)
{
	uint32_t tables;
	return half(process, function->place + TABLES, &tables) && tables > 2 &&
	       value_at(process, table, function, (table->is_1_20 ? 44 : 40) + 2 * 4, address) >= 0;
}

void go_name(struct process *process, struct frame *frame, int lines)
{
	const struct go_table *table = table_at(process, frame->lookup);
	struct function function;
	if (!table || !find_function(process, table, frame->lookup, &function))
		return;
	if (!frame->function)
		frame->function = name_of(process, table, &function);
	if (!lines || is_inlined(process, table, &function, frame->lookup))
		return;
	uint32_t unit, file;
	int32_t number = value_at(process, table, &function, FILES, frame->lookup);
	int32_t line = value_at(process, table, &function, LINES, frame->lookup);
	if (number < 0 || line <= 0 || !half(process, function.place + UNIT, &unit) ||
	    !half(process, table->units + ((uint64_t)unit + (uint32_t)number) * 4, &file) || file == UINT32_MAX)
		return;
	frame->file = text_at(process, table->files + file);
	frame->line = frame->file ? (uint32_t)line : 0;
}

// ---- callers ----

static uint64_t word(struct process *process, uint64_t address)
{
	uint64_t value = 0;
	return process_memory(process, address, &value, 8) ? value : 0;
}

// The stack pointer of the goroutine that has called C, with `bytes` below its caller's address: asmcgocall keeps the
// goroutine, and how deep it was. 0: not known.
static uint64_t caller_of_c(struct process *process, uint64_t stack, uint32_t bytes)
{
	// Go 1.22 on, and before
	static const unsigned slots[] = {8, 48};
	for (size_t index = 0; index < sizeof(slots) / sizeof(*slots); index++) {
		uint64_t goroutine = word(process, stack + slots[index]), depth = word(process, stack + slots[index] - 8);
		uint64_t low = word(process, goroutine), high = word(process, goroutine + 8);
		uint64_t place = high - depth;
		// none: the thread was on its own stack already, and the other word is where
		if (goroutine == 0)
			place = depth;
		else if (low >= high || depth > high - low)
			continue;
		if (table_at(process, word(process, place + bytes)))
			return place;
	}
	return 0;
}

// A goroutine whose thread is at work for it on the thread's own stack (systemstack).
static int switched_from(struct process *process, uint64_t own, uint64_t *address, uint64_t *stack)
{
	uint64_t machine = word(process, own + G_M);
	if (!machine || word(process, machine) != own)
		return 0;
	for (unsigned offset = M_CURG_FROM; offset <= M_CURG_TO; offset += 8) {
		uint64_t goroutine = word(process, machine + offset);
		if (!goroutine || goroutine == own || word(process, goroutine + G_M) != machine)
			continue;
		*stack = word(process, goroutine + G_SCHED);
		*address = word(process, goroutine + G_SCHED + 8);
		return *stack > word(process, goroutine) && *stack <= word(process, goroutine + 8) &&
		       table_at(process, *address) != NULL;
	}
	return 0;
}

void go_callers(struct process *process, const struct stacks_thread *thread, struct walk *walk)
{
	struct function function;
	const struct go_table *table = NULL;
	size_t first = 0;
	while (first < walk->count) {
		table = table_at(process, walk->frames[first].lookup);
		if (table && find_function(process, table, walk->frames[first].lookup, &function))
			break;
		first++;
	}
	if (first == walk->count || walk->frames[first].stack == 0)
		return;
	uint64_t address = walk->frames[first].address, lookup = walk->frames[first].lookup;
	uint64_t stack = walk->frames[first].stack;
	// the register is a goroutine's as long as no C has had it
	uint64_t own = first == 0 ? thread->values[14] : 0;
	walk->count = first;
	walk->flags &= ~(uint32_t)(STACKS_LOST | STACKS_CUT);
	for (size_t count = 0;; count++) {
		if (count == MOST_CALLERS) {
			walk->flags |= STACKS_CUT;
			return;
		}
		struct frame *frame = walk_add(walk);
		if (!frame)
			return;
		frame->address = address;
		frame->lookup = lookup;
		frame->stack = stack;
		table = table_at(process, lookup);
		if (!table || !find_function(process, table, lookup, &function)) {
			walk->flags |= STACKS_LOST;
			return;
		}
		if (function.flags & IS_OUTERMOST)
			return;
		char *name = name_of(process, table, &function);
		int is_to_c = name && strcmp(name, "runtime.asmcgocall") == 0;
		int is_switch = name && strcmp(name, "runtime.systemstack") == 0;
		int is_end = name && (strcmp(name, "runtime.mcall") == 0 || strcmp(name, "runtime.gogo") == 0);
		free(name);
		// the goroutine that was here before is no more on this thread
		if (is_end)
			return;
		int32_t bytes = value_at(process, table, &function, STACK_BYTES, lookup);
		uint64_t place = is_to_c && bytes >= 0 ? caller_of_c(process, stack, (uint32_t)bytes) : 0;
		if (place) {
			stack = place;
		} else if (is_switch && own && switched_from(process, own, &address, &stack)) {
			own = 0;
			lookup = address;
			table = table_at(process, lookup);
			if (!table || !find_function(process, table, lookup, &function)) {
				walk->flags |= STACKS_LOST;
				return;
			}
			bytes = value_at(process, table, &function, STACK_BYTES, lookup);
		} else if (is_to_c || is_switch || (function.flags & WRITES_STACK_POINTER && count > 0)) {
			walk->flags |= STACKS_LOST;
			return;
		}
		if (bytes < 0 || !process_memory(process, stack + (uint32_t)bytes, &address, 8)) {
			walk->flags |= STACKS_LOST;
			return;
		}
		if (address == 0)
			return;
		stack += (uint32_t)bytes + 8;
		lookup = address - 1;
	}
}
