/*
 * text_char.h - which characters of a text can be shown to people as they are: the one table for
 * the block grammar (policy/text*.c) and for whoever shows untrusted text (daemon/log.c,
 * client/cli/out.c, audit/verify_print.c).
 * Pure.
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
