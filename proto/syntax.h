/*
 * syntax.h - the spellings that foreign text must have before it means anything: UTF-8, names,
 * topics and topic patterns (design sections 3, 4 and 6).
 * Pure; values.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

/* Well-formed UTF-8 (no overlong form, no surrogate, nothing above U+10FFFF) without NUL. */
bool syntax_is_utf8(struct bytes in);
/* [A-Za-z0-9][A-Za-z0-9_-]{0,63}: parties, agreements, rules, subscriptions, nodes. */
bool syntax_is_name(struct bytes in);

/* Of these, ERR_LIMIT says too long or too many tokens, ERR_MALFORMED anything else, in words. */
MUST_USE bool syntax_name(struct bytes in, struct err *e);
/* 1..16 tokens of [A-Za-z0-9_-]+ joined by dots, at most 255 bytes. */
MUST_USE bool syntax_topic(struct bytes in, struct err *e);
/* A topic in which a token may be '*' (any one) and the last may be '>' (one or more). */
MUST_USE bool syntax_pattern(struct bytes in, struct err *e);
/* "type/subtype" of a content type with parameters (RFC 2045, 5.1) to type and subtype alone; false
 * if it is none. */
MUST_USE bool syntax_media_type(struct bytes in, struct bytes *out);
/* type/subtype, with or without parameters. */
MUST_USE bool syntax_content_type(struct bytes in, struct err *e);
/* A relative path of tokens [A-Za-z0-9._-]+ joined by '/', none of them "." or "..". */
MUST_USE bool syntax_path(struct bytes in, struct err *e);
