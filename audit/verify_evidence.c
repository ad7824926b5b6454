#include "audit/verify_evidence.h"

#include <inttypes.h>

struct expected {
	const struct verify_evidence *line;
	bool met;
};

bool
verify_evidence_begin(struct verify *v, struct err *e)
{
	map_init(&v->evidence, v->keep, sizeof(struct expected));
	for (size_t i = 0; i < v->ask->evidence_count; i++) {
		const struct verify_evidence *line = &v->ask->evidence[i];
		struct expected *x = map_at(&v->evidence, bytes_from(line->leaf, 32), NULL);
		if (x == NULL)
			return err_set(e, ERR_NOMEM, "evidence");
		x->line = line;
	}
	return true;
}

void
verify_evidence_record(struct verify *v, const struct verify_slots *s)
{
	struct expected *x = map_find(&v->evidence, bytes_from(s->r.leaf, 32));
	if (x == NULL)
		return;
	bool delivery = x->line->delivery;
	x->met = true;
	bool right = delivery ? s->r.type == EVENT_DELIVERY || s->r.type == EVENT_RECALL
			      : s->r.type == EVENT_INTAKE;
	if (!right || !bytes_equal(s->r.common.report, bytes_from(x->line->report, 16)) ||
	    (delivery ? s->place : s->publication.index) != x->line->place)
		verify_run_find(v, VERIFY_CONSISTENCY, s->r.index,
		    "a client was told that it is something else, or stands elsewhere in its "
		    "party's history");
}

static void
missing(struct verify *v, const struct verify_evidence *line)
{
	bool later = line->time_s > v->out->last_time / 1000000;
	verify_run_find(v, later ? VERIFY_STALE : VERIFY_GAP, SLOT_ABSENT,
	    "a client kept evidence of a %s, number %" PRIu64 " of its party's history, that is "
	    "not in this log%s",
	    line->delivery ? "delivery" : "receipt", line->place,
	    later ? ", which ends before" : "");
}

void
verify_evidence_finish(struct verify *v)
{
	for (size_t i = 0; i < v->ask->evidence_count; i++) {
		const struct verify_evidence *line = &v->ask->evidence[i];
		const struct expected *x = map_find(&v->evidence, bytes_from(line->leaf, 32));
		v->out->evidence += x->met;
		if (!x->met)
			missing(v, line);
	}
}
