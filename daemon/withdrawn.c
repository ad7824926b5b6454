#include "daemon/withdrawn.h"

#include "daemon/job.h"

#include <inttypes.h>
#include <stdio.h>

struct bytes
named_write(const struct named *n, uint8_t to[NAMED_BYTES])
{
	size_t reason = n->reason.len < 64 ? n->reason.len : 64;
	to[0] = n->act;
	to[1] = n->precedence;
	put_u32(to + 2, n->key.originator);
	memcpy(to + 6, n->key.id, STORE_ID_BYTES);
	if (reason > 0)
		memcpy(to + 6 + STORE_ID_BYTES, n->reason.data, reason);
	return bytes_from(to, 6 + STORE_ID_BYTES + reason);
}

bool
named_read(struct bytes in, struct named *out, struct err *e)
{
	struct cursor c = cursor_over(in);
	struct named n = { .act = cursor_u8(&c) };
	n.precedence = cursor_u8(&c);
	n.key.originator = cursor_u32(&c);
	cursor_copy(&c, n.key.id, sizeof(n.key.id));
	n.reason = cursor_take(&c, c.left);
	if (!cursor_finished(&c) || n.act == 0)
		return err_set(e, ERR_CORRUPT, "part %d of an INTAKE", (int)JOB_PART_NAMED);
	*out = n;
	return true;
}

bool
named_find(struct store_view *v, uint64_t intake, struct named *out, struct err *e)
{
	struct bytes part;
	bool found = false;
	if (!store_read_part(v, intake, JOB_PART_NAMED, &part, &found, e))
		return false;
	*out = (struct named){ .act = 0 };
	return !found || named_read(part, out, e);
}

/* ---- the notes ---- */

static void
print(const char *kind, uint32_t party, const struct store_report_key *report,
    char out[WITHDRAWN_ROOM])
{
	int n = snprintf(
	    out, WITHDRAWN_ROOM, "%s/%08" PRIx32 "%08" PRIx32, kind, party, report->originator);
	for (size_t i = 0; i < STORE_ID_BYTES; i++)
		n += snprintf(out + n, WITHDRAWN_ROOM - (size_t)n, "%02x", report->id[i]);
}

void
withdrawn_all(const struct store_report_key *report, char out[WITHDRAWN_ROOM])
{
	print("recalled", 0, report, out);
}

void
withdrawn_from(uint32_t party, const struct store_report_key *report, char out[WITHDRAWN_ROOM])
{
	print("superseded", party, report, out);
}

void
withdrawn_newer(const struct store_report_key *report, char out[WITHDRAWN_ROOM])
{
	print("newer", 0, report, out);
}

bool
withdrawn_any(struct store_view *v, const struct store_report_key *report, bool *is, struct err *e)
{
	char name[WITHDRAWN_ROOM];
	struct bytes value;
	withdrawn_all(report, name);
	if (!store_read_note(v, name, &value, is, e))
		return false;
	if (*is)
		return true;
	withdrawn_newer(report, name);
	return store_read_note(v, name, &value, is, e);
}

bool
withdrawn_is(struct store_view *v, uint32_t party, const struct store_report_key *report, bool *is,
    struct err *e)
{
	char name[WITHDRAWN_ROOM];
	struct bytes value;
	withdrawn_all(report, name);
	if (!store_read_note(v, name, &value, is, e))
		return false;
	if (*is)
		return true;
	withdrawn_from(party, report, name);
	return store_read_note(v, name, &value, is, e);
}

bool
withdrawn_had(struct store_view *v, const struct store_given *g, uint64_t *delivery, struct err *e)
{
	struct bytes part;
	bool found = false;
	*delivery = g->delivery;
	if (g->delivery != STORE_NONE)
		return true;
	if (!store_read_part(v, g->decision, JOB_PART_DELIVERED, &part, &found, e))
		return false;
	struct cursor c = cursor_over(found ? part : bytes_of(""));
	*delivery = found ? cursor_u64(&c) : STORE_NONE;
	return cursor_finished(&c) ||
	       err_set(e, ERR_CORRUPT, "part %d of a NARROWED", (int)JOB_PART_DELIVERED);
}
