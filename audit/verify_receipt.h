/*
 * verify_receipt.h - `relto-verify receipt`: one record that somebody was given, and the report
 * that it is about.
 */
#pragma once
#include "audit/verify_print.h"

struct verify_receipt {
	const char *file;
	const char *report; /* the folder of a saved report; NULL: none */
	enum print_form form;
	const struct checkpoint_trust *trust;
	uint64_t now_s; /* the verifier's clock */
};
/*
 * Verifies and says on stdout what is shown and what is not; what does not hold is said on stderr,
 * and *code is its exit code.  False: it could not be done (no memory, no such file).
 */
MUST_USE bool verify_receipt(struct sha256 *h, struct arena *a, const struct verify_receipt *ask,
    enum verify_code *code, struct err *e);
