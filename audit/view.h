/*
 * view.h - who may open which slots of a record (docs/audit-format.md section 4).
 * Threads: pure.
 */
#pragma once
#include "audit/record.h"

/* Who asks to see a record. */
struct viewer {
	struct bytes party;
	bool everything; /* an auditor of the hub party */
};
/* The slots that the viewer may open (bit i for slot i); 0: none at all.  'r' has every slot open
 * but an erased slot 6, as stored records do; what cannot be parsed is opened to nobody but who
 * sees everything. */
unsigned view_slots(const struct record *r, const struct viewer *who);

/* The same by type: what its publisher opens, and the party in whose tree slot 8 places it. */
unsigned view_slots_published(enum event_type type);
unsigned view_slots_placed(enum event_type type);

/* How a record stands in the tree of a party: as what the party published, as what it was given,
 * or not at all. */
enum view_place { VIEW_NOWHERE = 0, VIEW_PUBLISHER = 3, VIEW_RECIPIENT = 8 };
/* The party's place and index there.  A party never has both. */
enum view_place view_place(const struct record *r, struct bytes party, uint64_t *index);
/* Whose tree the record enters through slot 8: the recipient, approver, or party of the body;
 * absent if slot 8 has no index or is closed. */
struct bytes view_recipient(const struct record *r);
/* The same of a record that was read. */
struct bytes view_owner(const struct record_said *s);
