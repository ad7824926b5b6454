#include "daemon/backfilled.h"

#include "daemon/job.h"

#include <inttypes.h>
#include <stdio.h>

void
backfilled_note(const struct store_report_key *report, char out[BACKFILLED_ROOM])
{
	int n = snprintf(out, BACKFILLED_ROOM, "backfilled/%08" PRIx32, report->originator);
	for (size_t i = 0; i < STORE_ID_BYTES; i++)
		n += snprintf(out + n, BACKFILLED_ROOM - (size_t)n, "%02x", report->id[i]);
}

static bool
read_index(struct bytes in, bool found, uint64_t *out, struct err *e)
{
	struct cursor c = cursor_over(in);
	*out = found ? cursor_u64(&c) : STORE_NONE;
	return !found || cursor_finished(&c) ||
	       err_set(e, ERR_CORRUPT, "for whom a report was backfilled");
}

bool
backfilled_newest(
    struct store_view *v, const struct store_report_key *report, uint64_t *decision, struct err *e)
{
	char name[BACKFILLED_ROOM];
	struct bytes note = { NULL, 0 };
	bool found = false;
	backfilled_note(report, name);
	return store_read_note(v, name, &note, &found, e) && read_index(note, found, decision, e);
}

bool
backfilled_before(struct store_view *v, uint64_t decision, uint64_t *before, struct err *e)
{
	struct bytes part = { NULL, 0 };
	bool found = false;
	return store_read_part(v, decision, JOB_PART_BACKFILLED, &part, &found, e) &&
	       read_index(part, found, before, e);
}
