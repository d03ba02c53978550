// Names as their languages write them, without parameters and results: what of a signature is not the name makes lines long.
#define _GNU_SOURCE
#include "internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

// of libstdc++, and of Swift's runtime
char *__cxa_demangle(const char *mangled, char *buffer, size_t *bytes, int *status);
char *swift_demangle(const char *mangled, size_t length, char *buffer, size_t *bytes, uint32_t flags);

enum { MOST_BYTES = 4096 };

// What compilers append to the names of their own copies of a function.
static size_t without_clones(const char *name, size_t length)
{
	static const char *const marks[] = {".constprop.", ".isra.", ".part.", ".cold", ".lto_priv.", ".llvm.",
					    ".localalias", ".abi0"};
	for (size_t index = 0; index < sizeof(marks) / sizeof(*marks); index++) {
		const char *mark = strstr(name, marks[index]);
		if (mark && mark != name && (size_t)(mark - name) < length)
			length = (size_t)(mark - name);
	}
	// a version: read@@GLIBC_2.2.5
	const char *version = memchr(name, '@', length);
	return version && version != name ? (size_t)(version - name) : length;
}

static int is_word(const char *name, size_t end, const char *word)
{
	size_t length = strlen(word);
	return end >= length && memcmp(name + end - length, word, length) == 0;
}

// The end of a C++ name: where its parameters begin.
static size_t end_of_name(const char *name, size_t length)
{
	static const char *const tails[] = {" const", " volatile", " &", " &&", " noexcept"};
	for (size_t index = 0; index < sizeof(tails) / sizeof(*tails);) {
		size_t tail = strlen(tails[index]);
		if (length > tail && is_word(name, length, tails[index])) {
			length -= tail;
			index = 0;
		} else {
			index++;
		}
	}
	while (length > 0 && name[length - 1] == ']') { // [abi:cxx11], [clone .cold]
		size_t open = length;
		while (open > 0 && name[open - 1] != '[')
			open--;
		if (open < 2)
			break;
		length = open - 1;
		while (length > 0 && name[length - 1] == ' ')
			length--;
	}
	if (length == 0 || name[length - 1] != ')')
		return length;
	size_t depth = 0, place = length;
	while (place > 0) {
		char byte = name[--place];
		if (byte == ')')
			depth++;
		else if (byte == '(' && --depth == 0)
			break;
	}
	return place == 0 || depth != 0 || is_word(name, place, "operator") ? length : place;
}

// Where it begins: behind the result, which templates say.
static size_t start_of_name(const char *name, size_t length)
{
	size_t start = 0;
	int depth = 0;
	for (size_t place = 0; place < length; place++) {
		char byte = name[place];
		if (byte == '<' || byte == '(' || byte == '{' || byte == '[') {
			depth++;
		} else if (byte == '>' || byte == ')' || byte == '}' || byte == ']') {
			depth--;
		} else if (byte == ' ' && depth <= 0) {
			// `operator new`, `operator bool`
			if (is_word(name, place, "operator"))
				break;
			start = place + 1;
		}
		if (depth <= 0 && is_word(name, place + 1, "operator"))
			break;
	}
	return start;
}

// What a template was made for is said as long as it is short.
static size_t without_long_arguments(char *name, size_t length)
{
	enum { MOST_ARGUMENTS = 24 };
	size_t to = 0;
	for (size_t place = 0; place < length;) {
		if (name[place] != '<' || is_word(name, place, "operator") || is_word(name, place, "operator<")) {
			name[to++] = name[place++];
			continue;
		}
		size_t end = place;
		for (int depth = 0; end < length; end++) {
			depth += name[end] == '<';
			// `->` in an expression
			if (name[end] == '>' && name[end - 1] != '-' && --depth == 0)
				break;
		}
		if (end >= length || end - place <= MOST_ARGUMENTS || place == 0) {
			name[to++] = name[place++];
			continue;
		}
		memcpy(name + to, "<...>", 5);
		to += 5;
		place = end + 1;
	}
	return to;
}

static const char *kept(const char *text, size_t length)
{
	char *copy = malloc(length + 1);
	if (!copy)
		return "?";
	memcpy(copy, text, length);
	copy[length] = 0;
	return copy;
}

// Rust's first way of writing names: C++'s, with a hash at the end and words for what C++ has no letters for.
static const char *rust_legacy(const char *name, size_t length)
{
	static const struct {
		const char *mark, *meaning;
	} words[] = {{"$LT$", "<"}, {"$GT$", ">"}, {"$RF$", "&"}, {"$BP$", "*"}, {"$C$", ","}, {"$SP$", "@"},
		     {"$LP$", "("}, {"$RP$", ")"}, {"$u20$", " "}, {"$u27$", "'"}, {"$u5b$", "["}, {"$u5d$", "]"},
		     {"$u7b$", "{"}, {"$u7d$", "}"}, {"$u3b$", ";"}, {"$u2b$", "+"}, {"$u22$", "\""}, {"..", "::"}};
	char *out = malloc(length + 1), *to = out;
	if (!out)
		return "?";
	for (size_t place = 0; place < length;) {
		size_t index = 0, count = sizeof(words) / sizeof(*words);
		for (; index < count; index++) {
			size_t mark = strlen(words[index].mark);
			if (place + mark <= length && memcmp(name + place, words[index].mark, mark) == 0) {
				to = stpcpy(to, words[index].meaning);
				place += mark;
				break;
			}
		}
		if (index < count)
			continue;
		// a part that begins with a mark has a line in front of it
		if (name[place] == '_' && place + 1 < length && name[place + 1] == '$' &&
		    (place == 0 || name[place - 1] == ':')) {
			place++;
			continue;
		}
		*to++ = name[place++];
	}
	*to = 0;
	return out;
}

static int is_rust_hash(const char *name, size_t length)
{
	if (length < 20 || memcmp(name + length - 19, "::h", 3) != 0)
		return 0;
	for (size_t place = length - 16; place < length; place++)
		if (!isxdigit((unsigned char)name[place]) || isupper((unsigned char)name[place]))
			return 0;
	return 1;
}

// `closure #1 () -> () in main.Worker.run() -> ()`: the name is what stands in front of the first parameters, but for those
// of a closure and the like, which have none.
static const char *swift_name(char *text)
{
	// `function signature specialization <Arg[0] = Dead> of main.Pool.checkout(...)`
	for (char *of; (of = strstr(text, "> of ")) && strcspn(text, "(") > (size_t)(of - text);)
		text = of + 5;
	char *place = strstr(text, " in ");
	const char *prefix = place && strncmp(text, "closure", 7) == 0 ? "closure in " : "";
	char *name = *prefix ? place + 4 : text;
	while (*prefix && (place = strstr(name, " in ")) && strncmp(name, "closure", 7) == 0)
		name = place + 4;
	size_t length = strcspn(name, "(");
	char *arrow = strstr(name, " -> ");
	if (arrow && (size_t)(arrow - name) < length)
		length = (size_t)(arrow - name);
	char *out = malloc(strlen(prefix) + length + 1);
	if (!out || length == 0)
		return text;
	memcpy(stpcpy(out, prefix), name, length);
	out[strlen(prefix) + length] = 0;
	return out;
}

static const char *cplusplus(const char *symbol)
{
	int status = -1;
	char *text = __cxa_demangle(symbol, NULL, NULL, &status);
	if (status != 0 || !text)
		return NULL;
	size_t length = strlen(text);
	if (is_rust_hash(text, length))
		return rust_legacy(text, length - 19);
	size_t end = end_of_name(text, length);
	size_t start = start_of_name(text, end);
	return kept(text + start, without_long_arguments(text + start, end - start));
}

const char *demangle(const char *symbol)
{
	size_t length = strnlen(symbol, MOST_BYTES);
	length = without_clones(symbol, length);
	const char *name = kept(symbol, length), *found = NULL;
	if (length == MOST_BYTES)
		return name;
	if (name[0] == '_' && name[1] == 'Z')
		found = cplusplus(name);
	else if (name[0] == '_' && name[1] == 'R')
		found = rust_v0(name);
	else if (name[0] == '$' || (name[0] == '_' && name[1] == '$')) {
		char *text = swift_demangle(name, length, NULL, NULL, 0);
		found = text ? swift_name(text) : NULL;
	}
	return found ? found : name;
}
