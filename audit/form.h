/*
 * form.h - whether a record has the fields that its type must have, and no others (audit/form.def).
 * record_take_apart asks whether each slot can be read; this asks whether the record says all it
 * must. Threads: pure.
 */
#pragma once
#include "audit/record.h"

enum form {
	FORM_GOOD = 1,
	FORM_WRONG, /* a field is missing, or one too many is there */
	FORM_LOOSE /* what joins it to the log is missing: its place in a party's tree, link, policy
		    */
};
/* Of a record that record_take_apart took apart.  Nothing is asked of slots that are closed.  'why'
 * (may be NULL) gets the words for what is not good, ERR_MALFORMED. */
enum form form_check(const struct record *r, const struct record_said *said, struct err *why);
