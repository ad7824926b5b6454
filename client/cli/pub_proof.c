#include "client/cli/pub_proof.h"

#include <inttypes.h>
#include <string.h>

#include "client/cli/audit_receipt.h"
#include "proto/limits.h"

struct found {
	bool is;
	uint64_t index, size;
};

static bool
each(void *arg, const struct relto_proof *p)
{
	struct found *f = arg;
	f->is = strcmp(p->type, "intake") == 0;
	f->index = p->index;
	f->size = p->size;
	return !f->is;
}

int
pub_proof(struct session *s, const uint8_t id[RELTO_ID_BYTES])
{
	struct found f = { 0 };
	struct relto_error e = { 0 };
	struct relto_prover to = { each, &f };
	uint64_t left_ms = LIMIT_COVER_MS;
	while (!f.is && !relto_receipts(s->connection, id, &to, &e))
		if (!audit_receipt_wait(s, &e, &left_ms))
			break;
	if (f.is) {
		(void)fprintf(stderr,
		    "proved: record %" PRIu64 ", in the tree of %" PRIu64 " records\n", f.index,
		    f.size);
		return 0;
	}
	if (e.code[0] != 0 && strcmp(e.code, err_token(ERR_NOT_PUBLISHED)) != 0)
		return session_error(&e);
	(void)fputs("relto: ALARM: what was accepted is in no signed head of the log after 120 s; "
		    "the broker may keep it out of its log: tell your auditor\n",
	    stderr);
	return err_exit(ERR_PROTOCOL);
}
