// Rust's own way of writing names, "v0": https://doc.rust-lang.org/rustc/symbol-mangling/v0.html. Generic arguments are read
// and not said.
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 64, MOST_STEPS = 20000, MOST_OUT = 2048 };

struct reader {
	const char *text;
	size_t length, place;
	char out[MOST_OUT];
	size_t written;
	int depth, steps, muted, has_failed;
};

static void path(struct reader *r);
static void type(struct reader *r);

static void say(struct reader *r, const char *text, size_t length)
{
	if (r->muted || r->has_failed)
		return;
	if (r->written + length >= MOST_OUT) {
		r->has_failed = 1;
		return;
	}
	memcpy(r->out + r->written, text, length);
	r->written += length;
}

static void word(struct reader *r, const char *text) { say(r, text, strlen(text)); }

static int peek(struct reader *r) { return r->place < r->length ? (unsigned char)r->text[r->place] : 0; }

static int take(struct reader *r)
{
	int byte = peek(r);
	if (byte == 0)
		r->has_failed = 1;
	else
		r->place++;
	return byte;
}

static int takes(struct reader *r, int byte)
{
	if (peek(r) != byte)
		return 0;
	r->place++;
	return 1;
}

// Every part counts: references lead back, and may lead in a circle.
static int enter(struct reader *r)
{
	if (r->depth >= MOST_DEPTH || r->steps++ >= MOST_STEPS)
		r->has_failed = 1;
	r->depth++;
	return !r->has_failed;
}

static uint64_t base_62(struct reader *r)
{
	uint64_t value = 0;
	if (takes(r, '_'))
		return 0;
	while (!r->has_failed) {
		int byte = take(r);
		uint64_t digit;
		if (byte == '_')
			return value + 1;
		if (byte >= '0' && byte <= '9')
			digit = (uint64_t)(byte - '0');
		else if (byte >= 'a' && byte <= 'z')
			digit = (uint64_t)(byte - 'a') + 10;
		else if (byte >= 'A' && byte <= 'Z')
			digit = (uint64_t)(byte - 'A') + 36;
		else
			break;
		if (value > (UINT64_MAX - digit) / 62)
			break;
		value = value * 62 + digit;
	}
	r->has_failed = 1;
	return 0;
}

static uint64_t disambiguator(struct reader *r) { return takes(r, 's') ? base_62(r) + 1 : 0; }

static void plain_identifier(struct reader *r, const char **text, size_t *length)
{
	size_t bytes = 0;
	(void)takes(r, 'u'); // Punycode: said as it is
	if (!takes(r, '0'))
		while (peek(r) >= '0' && peek(r) <= '9' && bytes < MOST_OUT)
			bytes = bytes * 10 + (size_t)(take(r) - '0');
	(void)takes(r, '_');
	if (bytes > r->length - r->place) {
		r->has_failed = 1;
		bytes = 0;
	}
	*text = r->text + r->place;
	*length = bytes;
	r->place += bytes;
}

// Goes on where a reference leads, which is before where it stands.
static void refer(struct reader *r, size_t here, void (*part)(struct reader *))
{
	uint64_t target = base_62(r);
	size_t back = r->place;
	if (r->has_failed || target >= here) {
		r->has_failed = 1;
		return;
	}
	r->place = target;
	part(r);
	r->place = back;
}

static void constant(struct reader *r)
{
	size_t here = r->place;
	if (!enter(r))
		return;
	if (takes(r, 'B')) {
		refer(r, here, constant);
	} else if (!takes(r, 'p')) {
		type(r);
		(void)takes(r, 'n');
		while (!r->has_failed && take(r) != '_')
			;
	}
	r->depth--;
}

static void type(struct reader *r)
{
	size_t here = r->place;
	if (!enter(r))
		return;
	int byte = peek(r);
	if (byte >= 'a' && byte <= 'z') {
		static const char *const names[] = {"i8", "bool", "char", "f64", "str", "f32", 0, "u8", "isize", "usize", 0,
						    "i32", "u32", "i128", "u128", "_", 0, 0, "i16", "u16", "()", "...", 0,
						    "i64", "u64", "!"};
		take(r);
		word(r, names[byte - 'a'] ? names[byte - 'a'] : "_");
	} else if (strchr("CMXYNI", byte) && byte) {
		path(r);
	} else {
		take(r);
		switch (byte) {
		case 'B': refer(r, here, type); break;
		case 'A':
			word(r, "[");
			type(r);
			constant(r);
			word(r, "]");
			break;
		case 'S':
			word(r, "[");
			type(r);
			word(r, "]");
			break;
		case 'T':
			word(r, "(..)");
			r->muted++;
			while (!r->has_failed && !takes(r, 'E'))
				type(r);
			r->muted--;
			break;
		case 'R':
		case 'Q':
			word(r, "&");
			if (takes(r, 'L'))
				base_62(r);
			type(r);
			break;
		case 'P':
		case 'O':
			word(r, "*");
			type(r);
			break;
		case 'F':
			word(r, "fn");
			r->muted++;
			if (takes(r, 'G'))
				base_62(r);
			(void)takes(r, 'U');
			if (takes(r, 'K') && !takes(r, 'C')) {
				const char *text;
				size_t length;
				plain_identifier(r, &text, &length);
			}
			while (!r->has_failed && !takes(r, 'E'))
				type(r);
			type(r);
			r->muted--;
			break;
		case 'D': {
			int count = 0;
			word(r, "dyn ");
			if (takes(r, 'G'))
				base_62(r);
			while (!r->has_failed && !takes(r, 'E')) {
				r->muted += count++ > 0;
				path(r);
				r->muted++;
				while (!r->has_failed && takes(r, 'p')) {
					const char *text;
					size_t length;
					plain_identifier(r, &text, &length);
					type(r);
				}
				r->muted--;
				r->muted -= count > 1;
			}
			if (takes(r, 'L'))
				base_62(r);
			break;
		}
		default: r->has_failed = 1;
		}
	}
	r->depth--;
}

static void impl_path(struct reader *r)
{
	disambiguator(r);
	r->muted++;
	path(r);
	r->muted--;
}

static void path(struct reader *r)
{
	size_t here = r->place;
	const char *text;
	size_t length;
	if (!enter(r))
		return;
	switch (take(r)) {
	case 'C':
		disambiguator(r);
		plain_identifier(r, &text, &length);
		say(r, text, length);
		break;
	case 'M':
		impl_path(r);
		word(r, "<");
		type(r);
		word(r, ">");
		break;
	case 'X': impl_path(r); /* fall through */
	case 'Y':
		word(r, "<");
		type(r);
		word(r, " as ");
		path(r);
		word(r, ">");
		break;
	case 'N': {
		int space = take(r);
		path(r);
		uint64_t number = disambiguator(r);
		plain_identifier(r, &text, &length);
		word(r, "::");
		if (space >= 'A' && space <= 'Z') {
			char tail[64];
			word(r, space == 'C' ? "{closure" : space == 'S' ? "{shim" : "{");
			if (length > 0) {
				word(r, ":");
				say(r, text, length);
			}
			snprintf(tail, sizeof(tail), "#%llu}", (unsigned long long)number);
			word(r, tail);
		} else {
			say(r, text, length);
		}
		break;
	}
	case 'I':
		path(r);
		r->muted++;
		while (!r->has_failed && !takes(r, 'E')) {
			if (takes(r, 'L'))
				base_62(r);
			else if (takes(r, 'K'))
				constant(r);
			else
				type(r);
		}
		r->muted--;
		break;
	case 'B': refer(r, here, path); break;
	default: r->has_failed = 1;
	}
	r->depth--;
}

const char *rust_v0(const char *symbol)
{
	size_t length = strlen(symbol);
	if (length < 3 || memcmp(symbol, "_R", 2) != 0)
		return NULL;
	struct reader *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->text = symbol + 2;
	r->length = length - 2;
	path(r);
	if (r->has_failed || r->written == 0) {
		free(r);
		return NULL;
	}
	r->out[r->written] = 0;
	return r->out;
}
