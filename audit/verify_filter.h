/*
 * verify_filter.h - which records `show` and `stats` pick, here and in `relto audit`: `field=value`
 * terms and `from TIME until TIME`.
 */
#pragma once
#include "audit/verify.h"

enum { FILTER_TERMS = 32 };
struct verify_filter {
	uint64_t from, until; /* µs; until is excluded, UINT64_MAX: no end */
	size_t count;	      /* every term must hold */
	struct {
		const char *field;
		struct bytes value;
	} terms[FILTER_TERMS];
};
/* Borrows the words.  ERR_USAGE. */
MUST_USE bool verify_filter_parse(
    struct verify_filter *out, char *const *words, size_t count, struct err *e);
bool verify_filter_picks(const struct verify_filter *f, const struct verify_record *r);
