// What functions addresses are in, from symbol tables, and with files and lines from debugging information.
#include "internal.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

enum {
	// behind a symbol that says no size
	MOST_BEHIND = 4096,
	MOST_SYMBOLS = 8 << 20,
	MOST_INLINED = 32, // in one another
	MOST_SCOPES = 64,
	MOST_UNITS = 1 << 16,
	MOST_ENTRIES = 1 << 20, // of a unit, for one address
};

// An address that wants a name.
struct wanted {
	uint64_t address;
	const char *name;
	uint64_t start;
	int rank;
};

static int by_address(const void *one, const void *other)
{
	uint64_t a = ((const struct wanted *)one)->address, b = ((const struct wanted *)other)->address;
	return a < b ? -1 : a > b;
}

// Of several names for one function the one that others call it by.
static int rank_of(const char *name, const GElf_Sym *symbol)
{
	int rank = symbol->st_size > 0 ? 100 : 0;
	switch (GELF_ST_BIND(symbol->st_info)) {
	case STB_GLOBAL: rank += 20; break;
	case STB_WEAK: rank += 20; break;
	default: break;
	}
	if (name[0] != '_')
		rank += 10;
	else if (name[1] != '_')
		rank += 5;
	return rank;
}

static size_t first_from(const struct wanted *wanted, size_t count, uint64_t address)
{
	size_t low = 0, high = count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (wanted[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// One walk over the symbols for all addresses of a module.
static void find_names(Dwfl_Module *dwfl, struct wanted *wanted, size_t count)
{
	int symbols = dwfl_module_getsymtab(dwfl);
	uint64_t lowest = wanted[0].address, highest = wanted[count - 1].address;
	for (int index = 1; index < symbols && index < MOST_SYMBOLS; index++) {
		GElf_Sym symbol;
		GElf_Addr start;
		GElf_Word section;
		const char *name = dwfl_module_getsym_info(dwfl, index, &symbol, &start, &section, NULL, NULL);
		int type = GELF_ST_TYPE(symbol.st_info);
		if (!name || !*name || section == SHN_UNDEF || start > highest ||
		    (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE))
			continue;
		uint64_t bytes = symbol.st_size > 0 ? symbol.st_size : MOST_BEHIND;
		uint64_t end = start + bytes < start ? UINT64_MAX : start + bytes;
		if (end <= lowest)
			continue;
		int rank = rank_of(name, &symbol);
		for (size_t place = first_from(wanted, count, start); place < count && wanted[place].address < end;
		     place++) {
			struct wanted *one = &wanted[place];
			int is_sized = rank >= 100, was_sized = one->rank >= 100;
			if (!one->name || (is_sized && !was_sized) ||
			    (is_sized == was_sized && (start > one->start || (start == one->start && rank > one->rank)))) {
				one->name = name;
				one->start = start;
				one->rank = rank;
			}
		}
	}
}

static const char *name_of_die(Dwarf_Die *die)
{
	static const unsigned kinds[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name};
	Dwarf_Attribute attribute;
	for (size_t index = 0; index < sizeof(kinds) / sizeof(*kinds); index++) {
		const char *name = dwarf_formstring(dwarf_attr_integrate(die, kinds[index], &attribute));
		if (name)
			return demangle(name);
	}
	const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
	return name && *name ? name : NULL;
}

// Where an inlined function was called.
static void place_of_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct frame *frame)
{
	Dwarf_Attribute attribute;
	Dwarf_Word file = 0, line = 0;
	Dwarf_Files *files;
	size_t count;
	frame->file = NULL;
	frame->line = 0;
	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) == 0)
		frame->line = (uint32_t)line;
	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) == 0 &&
	    dwarf_getsrcfiles(unit, &files, &count) == 0 && file < count)
		frame->file = dwarf_filesrc(files, file, NULL, NULL);
}

// The functions that an address lies in, from the outermost in, inlined ones too. dwarf_getscopes does not find those whose
// origin is in another unit, as Rust's are.
static int search_scopes(Dwarf_Die *parent, Dwarf_Addr address, Dwarf_Die *scopes, int count, int depth, int *entries)
{
	Dwarf_Die entry;
	if (depth >= MOST_SCOPES || count >= MOST_SCOPES || dwarf_child(parent, &entry) != 0)
		return count;
	do {
		if (++*entries > MOST_ENTRIES)
			return count;
		int found;
		switch (dwarf_tag(&entry)) {
		case DW_TAG_subprogram:
		case DW_TAG_inlined_subroutine:
			if (dwarf_haspc(&entry, address) != 1)
				break;
			scopes[count++] = entry;
			return search_scopes(&entry, address, scopes, count, depth + 1, entries);
		case DW_TAG_lexical_block:
		case DW_TAG_try_block:
		case DW_TAG_catch_block:
			if (dwarf_haspc(&entry, address) == 1)
				return search_scopes(&entry, address, scopes, count, depth + 1, entries);
			break;
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_enumeration_type:
		case DW_TAG_union_type:
			found = search_scopes(&entry, address, scopes, count, depth + 1, entries);
			if (found > count)
				return found;
			break;
		default: break;
		}
	} while (dwarf_siblingof(&entry, &entry) == 0);
	return count;
}

static int scopes_of(Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die *scopes)
{
	int entries = 0;
	return search_scopes(unit, address, scopes, 0, 0, &entries);
}

// The unit that an address lies in. Not every compiler writes a table of that (.debug_aranges): clang does not, nor does Go.
static Dwarf_Die *unit_at(Dwfl_Module *dwfl, uint64_t address, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = dwfl_module_addrdie(dwfl, address, bias);
	if (unit)
		return unit;
	int count = 0;
	while ((unit = dwfl_module_nextcu(dwfl, unit, bias)) != NULL && count++ < MOST_UNITS)
		if (dwarf_haspc(unit, address - *bias) == 1)
			return unit;
	return NULL;
}

// Appends a frame, and in front of it what was inlined there.
static void add_with_lines(struct process *process, struct walk *to, Dwfl_Module *dwfl, struct frame frame)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = unit_at(dwfl, frame.lookup, &bias);
	Dwarf_Line *place = unit ? dwarf_getsrc_die(unit, frame.lookup - bias) : NULL;
	if (place) {
		int line = 0;
		frame.file = dwarf_linesrc(place, NULL, NULL);
		(void)dwarf_lineno(place, &line);
		frame.line = line > 0 ? (uint32_t)line : 0;
	}
	Dwarf_Die scopes[MOST_SCOPES];
	int count = unit ? scopes_of(unit, frame.lookup - bias, scopes) : 0;
	uint32_t flags = frame.flags;
	// between two functions of which it knows lines are others' functions
	int is_inside = !place || dwarf_srclang(unit) == DW_LANG_Mips_Assembler;
	const char *file = frame.file;
	for (int index = count - 1, inlined = 0; index >= 0 && inlined < MOST_INLINED; index--) {
		int tag = dwarf_tag(&scopes[index]);
		if (tag == DW_TAG_inlined_subroutine) {
			struct frame *one = walk_add(to);
			if (!one)
				break;
			*one = frame;
			one->flags = STACKS_INLINED;
			one->function = name_of_die(&scopes[index]);
			place_of_call(unit, &scopes[index], &frame);
			inlined++;
		} else if (tag == DW_TAG_subprogram) {
			is_inside = 1;
			if (!frame.function)
				frame.function = name_of_die(&scopes[index]);
			break;
		}
	}
	if (!is_inside && frame.file == file) {
		frame.file = NULL;
		frame.line = 0;
	}
	if (!frame.file)
		go_name(process, &frame, 1);
	struct frame *one = walk_add(to);
	if (one) {
		*one = frame;
		one->flags = flags;
	}
}

static int by_module(const void *one, const void *other)
{
	const struct frame *a = *(struct frame *const *)one, *b = *(struct frame *const *)other;
	return a->lookup < b->lookup ? -1 : a->lookup > b->lookup;
}

void name_frames(struct process *process, struct walk *walks, size_t count, int lines)
{
	size_t total = 0, next = 0;
	for (size_t index = 0; index < count; index++)
		total += walks[index].count;
	struct frame **frames = calloc(total + 1, sizeof(*frames));
	struct wanted *wanted = calloc(total + 1, sizeof(*wanted));
	if (!frames || !wanted)
		return;
	for (size_t index = 0; index < count; index++)
		for (size_t place = 0; place < walks[index].count; place++)
			frames[next++] = &walks[index].frames[place];
	qsort(frames, total, sizeof(*frames), by_module);
	for (size_t start = 0; start < total;) {
		struct module *module = process_module(process, frames[start]->lookup);
		size_t end = start + 1;
		if (!module) {
			start = end;
			continue;
		}
		while (end < total && frames[end]->lookup < module->end)
			end++;
		for (size_t index = start; index < end; index++) {
			wanted[index] = (struct wanted){.address = frames[index]->lookup};
			frames[index]->module = module->path;
			frames[index]->base = module->start;
		}
		qsort(wanted + start, end - start, sizeof(*wanted), by_address);
		if (module->dwfl)
			find_names(module->dwfl, wanted + start, end - start);
		for (size_t index = start; index < end; index++)
			if (wanted[index].name)
				frames[index]->function = demangle(wanted[index].name);
		for (size_t index = start; index < end; index++)
			go_name(process, frames[index], 0);
		start = end;
	}
	free(frames);
	free(wanted);
	for (size_t index = 0; lines && index < count; index++) {
		struct walk with_lines = {.tid = walks[index].tid, .flags = walks[index].flags, .error = walks[index].error,
					 .gil_holder = walks[index].gil_holder};
		for (size_t place = 0; place < walks[index].count; place++) {
			struct frame frame = walks[index].frames[place];
			struct module *module = process_module(process, frame.lookup);
			// as many as are told: each line may have its file's tables read
			if (module && module->dwfl && with_lines.count < STACKS_MOST_FRAMES) {
				add_with_lines(process, &with_lines, module->dwfl, frame);
			} else {
				struct frame *one = walk_add(&with_lines);
				if (one)
					*one = frame;
			}
		}
		walks[index] = with_lines;
	}
}

uint64_t find_symbol(struct process *process, const char *path, const char *wanted)
{
	for (size_t index = 0; index < process->count; index++) {
		Dwfl_Module *dwfl = process->modules[index].dwfl;
		int symbols = dwfl && strcmp(process->modules[index].path, path) == 0 ? dwfl_module_getsymtab(dwfl) : 0;
		for (int place = 1; place < symbols && place < MOST_SYMBOLS; place++) {
			GElf_Sym symbol;
			GElf_Addr address;
			GElf_Word section;
			const char *name =
				dwfl_module_getsym_info(dwfl, place, &symbol, &address, &section, NULL, NULL);
			if (name && section != SHN_UNDEF && strcmp(name, wanted) == 0)
				return address;
		}
	}
	return 0;
}
