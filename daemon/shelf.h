/*
 * shelf.h - what a worker read of reports lately, since one report goes to many recipients: small
 * parts, the row of the report, and what the committer said of DELIVERYs.  None of them ever
 * changes under its index, and while a queue has an entry of the report all of them are in the
 * store.  What is oldest makes room; all is wiped every second (on_tick), since bodies of reports
 * are among it. Threads: a shelf has one owner.
 */
#pragma once
#include "daemon/store.h"

struct arena;

enum { SHELF_BYTES = 1 << 20, SHELF_ITEM_BYTES = 2048, SHELF_SLOTS = 4096 };

struct shelf { /* zero it */
	struct shelf_slot {
		uint64_t intake;
		uint64_t at;   /* bytes written before it, since the beginning */
		uint32_t what; /* number of the part; SHELF_ROW */
		uint32_t len;  /* 0: empty */
	} slots[SHELF_SLOTS];
	uint64_t end; /* of what was written */
	uint8_t ring[SHELF_BYTES];
};

/* What a Deliver says of its DELIVERY record: told by the committer, so that it need not be read
 * back. */
enum { EVIDENCE_AGREEMENTS = 124 };
struct evidence {
	uint64_t delivery; /* main index; STORE_NONE: of none */
	uint64_t place;	   /* slot 8 */
	uint8_t leaf[32];
	uint32_t len;
	char agreements[EVIDENCE_AGREEMENTS]; /* of slot 2 */
};
void shelf_put_evidence(struct shelf *s, const struct evidence *v);
/* False: it is not known here, and may be in the store. */
bool shelf_find_evidence(struct shelf *s, uint64_t delivery, struct evidence *out);

/* Part 'number' of the report with this INTAKE, copied into 'a', the arena of the open view. */
MUST_USE bool shelf_part(struct shelf *s, struct store_view *v, uint64_t intake, uint16_t number,
    struct arena *a, struct bytes *out, struct err *e);
/* Its row. */
MUST_USE bool shelf_report(struct shelf *s, struct store_view *v, const struct store_queued *of,
    struct store_report *out, bool *found, struct err *e);
void shelf_wipe(struct shelf *s);
