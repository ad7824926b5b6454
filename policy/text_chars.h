/*
 * text_chars.h - characters of the block grammar; for policy/text*.c and for whoever shows
 * untrusted text to people (daemon/log.c, client/cli/out.c).
 */
#pragma once
#include "proto/bytes.h"

enum text_char {
	TEXT_CHAR_PLAIN = 1,
	TEXT_CHAR_BAD_UTF8,
	TEXT_CHAR_CONTROL, /* any but tab, LF and CR */
	TEXT_CHAR_BIDI,
	TEXT_CHAR_INVISIBLE
};

/* The class of the character at 'at' < in.len, its code point and length in bytes (1 if bad). */
enum text_char text_char_at(struct bytes in, size_t at, uint32_t *point, size_t *len);
/* Whether a byte may stand in a WORD. */
bool text_char_in_word(uint8_t c);
