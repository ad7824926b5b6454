/*
 * fill.h - a new subscription that begins 'from start' (DESIGN 8): what its party was given, and is
 * kept, is queued for it, a page at a time, before anything is delivered from it, so that the order
 * is that in which reports became deliverable (S6).  Each is looked at again before it leaves, as
 * all that waits (S5).  How far it came is a note in the store: whoever subscribes next goes on.
 * Threads: the worker of the party; names of notes: any.
 */
#pragma once
#include "daemon/outlet.h"

enum { FILL_NAME = 24 };

/* The note of a subscription that is being filled: the originator and id that it came to. */
void fill_note_name(uint32_t subscription, char out[FILL_NAME]);

/* Goes on behind 'at'; until it is done the outlet gives nothing out. */
void fill_begin(struct outlet *o, const struct store_report_key *at);
/* What failed is tried again. */
void fill_tick(struct outlet *o);
/* A page is in its queue. */
void fill_home(struct worker *w, struct job *j);
