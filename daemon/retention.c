#include "daemon/retention.h"

#include "daemon/backfilled.h"
#include "daemon/feedback.h"
#include "daemon/role.h"
#include "daemon/withdrawn.h"

enum { LOOK = 256, DROP_BYTES = 4 << 20 };
enum { BODIES = 1, REPORTS = 2, GIVEN = 4, ALL = 7 };

static bool
passed(uint64_t since, uint64_t span, uint64_t now)
{
	return now >= since && now - since >= span;
}

/* A report whose row is gone is older than any that has one. */
static bool
bodies_due(struct store *s, uint64_t intake, const struct retention_rules *rules, uint32_t *weight,
    bool *due, struct err *e)
{
	struct store_view *v = store_batch_view(s);
	struct store_report_key key;
	struct store_report r;
	bool named, known = false;
	if (!store_find_intake(v, intake, &key, &named, e) ||
	    (named && !store_find_report(v, &key, &r, &known, e)))
		return false;
	*weight = known ? r.body_bytes : 0;
	*due = !store_is_needed(s, intake) &&
	       (!known || passed(r.accepted_us, rules->keep_bodies_us, rules->now_us) ||
		   (r.expires_us != 0 && r.expires_us <= rules->now_us));
	return true;
}

static bool
drop_bodies(struct store *s, const struct retention_rules *rules, struct retention_place *place,
    struct retention_done *done, struct err *e)
{
	uint64_t bytes = 0;
	for (unsigned i = 0; i < LOOK && bytes < DROP_BYTES; i++) {
		uint64_t intake;
		uint32_t weight;
		bool found, due;
		if (!store_next_bodies(store_batch_view(s), place->intake, &intake, &found, e))
			return false;
		if (!found) {
			place->intake = 0;
			place->finished |= BODIES;
			return true;
		}
		if (!bodies_due(s, intake, rules, &weight, &due, e))
			return false;
		if (due && !store_drop_bodies(s, intake, e))
			return false;
		place->intake = intake + 1;
		done->bodies += due;
		bytes += due ? weight : 0;
	}
	return true;
}

static bool
drop_notes(struct store *s, const struct store_report_key *report, struct err *e)
{
	const struct bytes none = { NULL, 0 };
	char recalled[WITHDRAWN_ROOM], newer[WITHDRAWN_ROOM], backfilled[BACKFILLED_ROOM];
	withdrawn_all(report, recalled);
	withdrawn_newer(report, newer);
	backfilled_note(report, backfilled);
	return store_put_note(s, recalled, none, e) && store_put_note(s, newer, none, e) &&
	       store_put_note(s, backfilled, none, e);
}

static bool
drop_reports(struct store *s, const struct retention_rules *rules, struct retention_place *place,
    struct retention_done *done, struct err *e)
{
	struct store_report page[LOOK];
	size_t count = LOOK;
	const struct store_report_key *after = place->in_reports ? &place->report : NULL;
	if (!store_read_reports(store_batch_view(s), after, page, &count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!passed(page[i].accepted_us, rules->keep_ids_us, rules->now_us) ||
		    store_is_needed(s, page[i].intake))
			continue;
		if (!store_drop_report(s, &page[i].key, e) || !drop_notes(s, &page[i].key, e))
			return false;
		done->reports++;
	}
	place->in_reports = count == LOOK;
	if (place->in_reports)
		place->report = page[count - 1].key;
	else
		place->finished |= REPORTS;
	return true;
}

/* What was given of a report is of use as long as its id is. */
static bool
drop_given(
    struct store *s, struct retention_place *place, struct retention_done *done, struct err *e)
{
	struct store_given page[LOOK];
	size_t count = LOOK;
	struct store_given after = { .party = place->given_party, .report = place->given };
	struct store_view *v = store_batch_view(s);
	char name[WITHDRAWN_ROOM], said[FEEDBACK_NAME];
	const struct bytes none = { NULL, 0 };
	if (!store_read_given(v, place->in_given ? &after : NULL, page, &count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct store_report r;
		bool known;
		if (!store_find_report(v, &page[i].report, &r, &known, e))
			return false;
		if (known || store_is_needed(s, page[i].intake))
			continue;
		withdrawn_from(page[i].party, &page[i].report, name);
		feedback_name(&page[i].report, page[i].party, said);
		if (!store_drop_given(s, page[i].party, &page[i].report, e) ||
		    !store_put_note(s, name, none, e) || !store_put_note(s, said, none, e))
			return false;
		done->given++;
	}
	place->in_given = count == LOOK;
	if (place->in_given) {
		place->given_party = page[count - 1].party;
		place->given = page[count - 1].report;
	} else {
		place->finished |= GIVEN;
	}
	return true;
}

bool
retention_step(struct store *s, const struct retention_rules *rules, struct retention_place *place,
    struct retention_done *out, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct retention_done done = { 0 };
	if ((place->finished & BODIES) == 0 && !drop_bodies(s, rules, place, &done, e))
		return false;
	if ((place->finished & REPORTS) == 0 && !drop_reports(s, rules, place, &done, e))
		return false;
	if ((place->finished & GIVEN) == 0 && !drop_given(s, place, &done, e))
		return false;
	done.round = place->finished == ALL;
	if (done.round)
		place->finished = 0;
	*out = done;
	return true;
}
