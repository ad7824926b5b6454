/*
 * relto_audit.h - part of relto.h: what the log says, as far as one may see it.
 */
#ifndef RELTO_AUDIT_H
#define RELTO_AUDIT_H

#include "relto.h"

#ifdef __cplusplus
extern "C" {
#endif

struct relto_record {
	uint64_t index;		    /* in the log */
	struct relto_bytes opening; /* as far as I may see it; docs/audit-format.md */
};
/* Up to 'count' (1..1,000) of the records from 'from' on that I may see; 'each' is called for every
 * one, and false from it ends the listing. */
struct relto_lister {
	uint64_t from;
	uint32_t count;
	bool (*each)(void *arg, const struct relto_record *r);
	void *arg;
};
/* *next: where to go on, 0 at the end. */
RELTO_API bool relto_audit_list(struct relto_connection *c, const struct relto_lister *to,
    uint64_t *next, struct relto_error *e);
/* A record about one report, and the proof that it is in the log, all of it verified: under a head
 * that this session was shown, with as much open as its party may see, no more. */
struct relto_proof {
	uint64_t index, size;	    /* in the log; of the tree that it is proved to be in */
	const char *type;	    /* "intake", "decision", "delivery", "ack".. */
	uint64_t time_us;	    /* of the record */
	struct relto_bytes opening; /* docs/audit-format.md, section 5 */
	struct relto_bytes file;    /* the whole, for relto-verify receipt: a C2SP tlog-proof */
};
struct relto_prover {
	/* called for each, by rising index; false from it ends the listing */
	bool (*each)(void *arg, const struct relto_proof *r);
	void *arg;
};
/* The receipts of a report that my party published or was given; else unknown-report.
 * not-published: try again after e->retry_ms.  What was recorded after the session's last head
 * comes with a later call.  Needs the log's key (config). */
RELTO_API bool relto_receipts(struct relto_connection *c, const uint8_t id[RELTO_ID_BYTES],
    const struct relto_prover *to, struct relto_error *e);

/* A bundle for relto-verify.  'put' is called with pieces of files, those of one file one after the
 * other; 'path' is relative, of plain names.  False from it ends the connection's use. */
struct relto_bundle {
	bool (*put)(void *arg, const char *path, struct relto_bytes piece);
	void *arg;
	uint64_t from;	       /* the first record wanted in full; 0: all */
	bool bodies_of_policy; /* policies and vocabularies too */
};
RELTO_API bool relto_audit_pull(
    struct relto_connection *c, const struct relto_bundle *b, struct relto_error *e);

#ifdef __cplusplus
}
#endif
#endif
