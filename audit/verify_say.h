/*
 * verify_say.h - what relto-verify says at the end: what was checked, what was not, and what may be
 * concluded from it (AUDIT section 7).
 */
#pragma once
#include <stdio.h>

#include "audit/verify_compare.h"
#include "audit/verify_print.h"

enum { SAY_FINDINGS = 64 };
struct verify_told { /* findings as they came, copied */
	size_t count;
	struct {
		enum verify_code code;
		uint64_t index;
		char text[512];
	} finding[SAY_FINDINGS];
};
void verify_say_finding(struct verify_told *t, const struct verify_finding *f);

struct verify_say {
	const struct verify_result *result;
	const struct verify_told *told;
	const struct checkpoint_trust *trust;
	const char *evidence; /* directory of fork evidence, or NULL */
	uint64_t kept_size;
	size_t kept_lines; /* of clients, that were held against the log */
	bool replayed;	   /* every decision was judged again, and none differs */
};
/* What was checked, what was not, what may be concluded: a line each. */
enum { SAY_LINES = 18, SAY_LINE_BYTES = 256 };
struct verify_lines {
	size_t count;
	char line[SAY_LINES][SAY_LINE_BYTES];
};
void verify_say_checked(const struct verify_say *s, struct verify_lines *out);
void verify_say_unchecked(const struct verify_say *s, struct verify_lines *out);
void verify_say_concluded(const struct verify_say *s, struct verify_lines *out);
void verify_say_text(FILE *to, const struct verify_say *s);
void verify_say_json(FILE *to, const struct verify_say *s);
/* One line a finding, for stderr. */
void verify_say_findings(FILE *to, const struct verify_say *s);
/* The party's line of the result, or NULL. */
const struct verify_party *verify_say_party_of(const struct verify_result *r, const char *name);
/* What is known of one party's history, in a line. */
void verify_say_party(FILE *to, const struct verify_say *s, const char *name);
/* What came of a comparison: the two heads, and whether one extends the other. */
void verify_say_compared(
    FILE *to, enum print_form form, const struct verify_say *s, const struct verify_compare *c);
/* "content", "completeness".. */
const char *verify_say_word(enum verify_code code);
