#include "daemon/onward.h"

#include "daemon/backfilled.h"

#include "audit/record.h"
#include "daemon/job.h"
#include "proto/facts.h"

#include <stdlib.h>

/* Deliveries of one report to one party that are looked back at; each but the first took a change
 * of the rules. */
enum { DELIVERIES = 64 };

/* ---- reading ---- */

static bool
spend(struct onward_reader *r, size_t bytes, struct err *e)
{
	if (bytes > r->left) {
		r->over = true;
		return err_set(e, ERR_LIMIT, "the sources are too much to read");
	}
	r->left -= bytes;
	return true;
}

static bool
read_part(struct onward_reader *r, uint64_t index, uint16_t part, struct bytes *out, bool *found,
    struct err *e)
{
	*out = (struct bytes){ NULL, 0 };
	return store_read_part(r->view, index, part, out, found, e) && spend(r, out->len, e);
}

static bool
must(struct onward_reader *r, uint64_t index, uint16_t part, struct bytes *out, struct err *e)
{
	bool found = false;
	if (!read_part(r, index, part, out, &found, e))
		return false;
	return found || err_set(e, ERR_CORRUPT, "part %u is missing", part);
}

/* Slots 2 and 4 of a record. */
static bool
read_decision(struct onward_reader *r, uint64_t index, struct slot_release *release,
    struct slot_decision *decision, struct err *e)
{
	struct bytes entry;
	struct record record;
	uint8_t leaf[32];
	bool found = false;
	if (!store_read_entry(r->view, index, &entry, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "record %llu is missing", (unsigned long long)index);
	return spend(r, entry.len, e) && record_entry_parse(entry, &record, leaf, e) &&
	       slot_get_release(RECORD_SLOT(&record, 2)->value, release, e) &&
	       slot_get_decision(RECORD_SLOT(&record, 4)->value, decision, e);
}

bool
onward_load(struct onward_reader *r, const struct store_report_key *key, struct onward_report *out,
    bool *found, struct err *e)
{
	struct bytes manifest, routing;
	struct envelope_manifest m;
	bool named = false;
	*out = (struct onward_report){ .shares = NULL };
	if (!store_find_report(r->view, key, &out->row, found, e) ||
	    !store_name_text(
		r->view, STORE_NAME_PARTY, key->originator, &out->originator, &named, e))
		return false;
	if (!*found)
		return true;
	if (!named)
		return err_set(e, ERR_CORRUPT, "a party without a name");
	if (!must(r, out->row.intake, STORE_PART_MANIFEST, &manifest, e) ||
	    !envelope_manifest_decode(manifest, r->arena, &m, e) ||
	    !must(r, out->row.intake, STORE_PART_ROUTING, &routing, e) ||
	    !envelope_routing_decode(routing, r->arena, &out->routing, e))
		return false;
	out->mode = m.mode;
	return true;
}

/* ---- what went to a party ---- */

static void
add(struct onward_went *w, struct bytes masks)
{
	w->any = true;
	for (size_t i = 0; i < masks.len && i < LIMIT_PORTIONS; i++)
		w->masks[i] |= masks.data[i];
}

/* The masks of the decision that a later one followed: it judged by them ('before'). */
static bool
masks_before(struct onward_reader *r, const struct onward_report *report, uint64_t later,
    uint8_t masks[LIMIT_PORTIONS], struct err *e)
{
	struct bytes bytes;
	struct facts f;
	memset(masks, 0, LIMIT_PORTIONS);
	if (!must(r, later, STORE_PART_FACTS, &bytes, e) || !facts_decode(bytes, r->arena, &f, e))
		return false;
	for (size_t i = 0; i < f.before_count; i++) {
		const struct fact_before *b = &f.before[i];
		for (size_t k = 0; k < b->agreements.count && b->portion < LIMIT_PORTIONS; k++)
			for (size_t g = 0; g < report->routing.agreement_count; g++)
				if (bytes_equal(
					b->agreements.items[k], report->routing.agreements[g].name))
					masks[b->portion] |= (uint8_t)(1u << g);
	}
	return true;
}

/* The DELIVERY before this decision, if there was one. */
static bool
delivery_before(
    struct onward_reader *r, uint64_t decision, uint64_t *index, bool *found, struct err *e)
{
	struct bytes part;
	if (!read_part(r, decision, JOB_PART_DELIVERED, &part, found, e))
		return false;
	struct cursor c = cursor_over(part);
	*index = *found ? cursor_u64(&c) : STORE_NONE;
	return cursor_finished(&c) ||
	       err_set(e, ERR_CORRUPT, "part %d of a NARROWED", (int)JOB_PART_DELIVERED);
}

/* One decision back; *more false: nothing was delivered before 'decision'. */
static bool
step_back(struct onward_reader *r, const struct onward_report *report, uint64_t *decision,
    struct onward_went *w, bool *more, struct err *e)
{
	struct slot_release release;
	struct slot_decision later, delivered;
	uint8_t masks[LIMIT_PORTIONS];
	uint64_t delivery;
	if (!delivery_before(r, *decision, &delivery, more, e))
		return false;
	if (!*more)
		return true;
	if (!read_decision(r, *decision, &release, &later, e) ||
	    !read_decision(r, delivery, &release, &delivered, e) ||
	    !masks_before(r, report, *decision, masks, e))
		return false;
	if (delivered.link == later.link)
		add(w, bytes_from(masks, sizeof(masks)));
	*decision = later.link;
	return true;
}

/* What went stays known, whatever narrowed it since: the party has read it. */
bool
onward_went(struct onward_reader *r, const struct onward_report *report,
    const struct store_given *given, struct onward_went *out, struct err *e)
{
	uint64_t decision = given->decision;
	bool more = true;
	*out = (struct onward_went){ .any = false };
	if (given->delivery != STORE_NONE)
		add(out, given->masks);
	for (unsigned i = 0; more && i < DELIVERIES; i++)
		if (!step_back(r, report, &decision, out, &more, e))
			return false;
	if (more) /* then nothing at all is known of it: nothing would be left out unseen */
		out->any = false;
	return true;
}

/* ---- to whom else ---- */

/* What is released at present to the recipient of the report's DECISION 'index'. */
static bool
read_share(struct onward_reader *r, struct onward_report *report, uint64_t index, struct err *e)
{
	struct slot_release release, other;
	struct slot_decision d;
	struct store_given g;
	uint32_t party = 0;
	bool found = false;
	if (!read_decision(r, index, &release, &d, e))
		return false;
	if (d.outcome ==
	    OUTCOME_WITHHOLD) /* perhaps of many; they have no row, and never get one */
		return true;
	if (!store_find_name(r->view, STORE_NAME_PARTY, release.recipient, &party, &found, e) ||
	    (found && !store_find_given(r->view, party, &report->row.key, &g, &found, e)))
		return false;
	if (!found)
		return true;
	if (g.decision != index && !read_decision(r, g.decision, &other, &d, e))
		return false;
	if (d.outcome == OUTCOME_RELEASE ||
	    d.outcome == OUTCOME_REDACT) /* a hold releases nothing */
		report->shares[report->share_count++] =
		    (struct onward_share){ release.recipient, g.masks };
	return true;
}

static int
by_party(const void *x, const void *y)
{
	const struct onward_share *a = x, *b = y;
	return bytes_compare(a->party, b->party);
}

static bool
count_backfilled(
    struct onward_reader *r, const struct onward_report *report, size_t *count, struct err *e)
{
	uint64_t decision;
	if (!backfilled_newest(r->view, &report->row.key, &decision, e))
		return false;
	for (*count = 0; decision != STORE_NONE; ++*count)
		if (!spend(r, sizeof(*report->shares), e) ||
		    !backfilled_before(r->view, decision, &decision, e))
			return false;
	return true;
}

/* Those that became members later, put in their order among the others. */
static bool
read_backfilled(struct onward_reader *r, struct onward_report *report, struct err *e)
{
	uint64_t decision;
	size_t before = report->share_count;
	if (!backfilled_newest(r->view, &report->row.key, &decision, e))
		return false;
	while (decision != STORE_NONE)
		if (!read_share(r, report, decision, e) ||
		    !backfilled_before(r->view, decision, &decision, e))
			return false;
	if (report->share_count > before)
		qsort(report->shares, report->share_count, sizeof(*report->shares), by_party);
	return true;
}

static bool
read_shares(struct onward_reader *r, struct onward_report *report, struct err *e)
{
	size_t count = report->row.decisions, more = 0;
	if (!count_backfilled(r, report, &more, e) || !spend(r, count * sizeof(*report->shares), e))
		return false;
	report->shares = arena_zalloc(r->arena, count + more + 1, sizeof(*report->shares));
	if (report->shares == NULL)
		return err_set(e, ERR_NOMEM, "recipients of a source");
	for (size_t i = 0; i < count; i++)
		if (!read_share(r, report, report->row.intake + 1 + i, e))
			return false;
	return read_backfilled(r, report, e);
}

static bool
has_all(const struct onward_share *s, const struct onward_went *went, unsigned bit)
{
	for (size_t p = 0; p < LIMIT_PORTIONS; p++)
		if ((went->masks[p] >> bit & 1) != 0 &&
		    (p >= s->masks.len || s->masks.data[p] == 0))
			return false;
	return true;
}

bool
onward_to(struct onward_reader *r, struct onward_report *report, const struct onward_went *went,
    unsigned bit, struct names *out, struct err *e)
{
	if (report->shares == NULL && !read_shares(r, report, e))
		return false;
	if (!spend(r, report->share_count * sizeof(struct bytes), e))
		return false;
	struct bytes *items = arena_zalloc(r->arena, report->share_count + 1, sizeof(*items));
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "recipients of a source");
	*out = (struct names){ items, 0 };
	for (size_t i = 0; i < report->share_count; i++)
		if (has_all(&report->shares[i], went, bit))
			items[out->count++] = report->shares[i].party;
	return true;
}
