/*
 * verify_seen.h - the slots of a verified record that figures and story are made of, taken apart.
 * Threads: any.
 */
#pragma once
#include "audit/event.h"
#include "audit/slot.h"
#include "audit/verify.h"

/* What is closed is empty. */
struct seen {
	struct slot_release release;
	struct slot_publication publication;
	struct slot_decision decision;
	struct body body;
	bool placed; /* slot 8 has an index */
};
/* The record was checked: nothing here can fail.  Views into the record. */
void seen_look(const struct verify_record *r, struct seen *out);
