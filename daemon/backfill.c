#include "daemon/backfill.h"
#include "daemon/role.h"

#include "audit/export.h"
#include "daemon/again.h"
#include "daemon/explain.h"
#include "daemon/log.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>

enum { PAGE = 64, JUDGED_A_TURN = 4, ARENA = 4 * LIMIT_MESSAGE_BYTES };

void
backfill_note_name(uint32_t subscription, char out[BACKFILL_NAME])
{
	(void)snprintf(out, BACKFILL_NAME, "earlier/%" PRIu32, subscription);
}

/* ---- one report ---- */

/* A report, while it is asked whether it may be one. */
struct look {
	struct outlet *outlet;
	struct arena *a;
	const struct store_report *row;
	struct envelope_routing routing;
	struct bytes party; /* name */
	struct err *err;
};

/* It came under an earlier policy, from somebody else; it is kept, has not expired, was not
 * withdrawn, and this party was given nothing of it. */
static bool
is_kept(struct look *l, bool *yes)
{
	const struct store_report *r = l->row;
	const struct outlet *o = l->outlet;
	struct store_view *v = o->desk->view;
	struct store_given g;
	uint64_t intake = 0, now = 0;
	bool given = true, gone = true, from = true, bodies = false;
	*yes = false;
	if (r->intake >= o->desk->rules->number || r->key.originator == o->party ||
	    !desk_is_signed(o->desk, r->intake))
		return true;
	if (r->expires_us != 0 && (!wall_now(&o->desk->shell->wall, &now) || r->expires_us <= now))
		return true;
	if (!store_find_given(v, o->party, &r->key, &g, &given, l->err) ||
	    !withdrawn_any(v, &r->key, &gone, l->err) ||
	    !withdrawn_is(v, o->party, &r->key, &from, l->err))
		return false;
	if (given || gone || from)
		return true;
	if (!store_next_bodies(v, r->intake, &intake, &bodies, l->err))
		return false;
	*yes = bodies && intake == r->intake;
	return true;
}

/* Its routing part asks for it, and the subscription wants its topic, in its mode. */
static bool
is_wanted(struct look *l, bool *yes)
{
	const struct outlet *o = l->outlet;
	struct store_view *v = o->desk->view;
	struct bytes routing, manifest;
	struct envelope_manifest m;
	bool has_routing = false, has_manifest = false;
	*yes = false;
	if (!store_read_part(
		v, l->row->intake, STORE_PART_ROUTING, &routing, &has_routing, l->err) ||
	    !store_read_part(
		v, l->row->intake, STORE_PART_MANIFEST, &manifest, &has_manifest, l->err))
		return false;
	if (!has_routing || !has_manifest)
		return true;
	if (!envelope_routing_decode(routing, l->a, &l->routing, l->err) ||
	    !envelope_manifest_decode(manifest, l->a, &m, l->err))
		return l->err->code == ERR_NOMEM ? false
						 : err_set(l->err, ERR_CORRUPT, "a stored report");
	*yes = l->routing.backfill && m.mode == (enum mode)o->mode &&
	       topic_matches(bytes_of(o->pattern), m.topic);
	return true;
}

/* Named first, and not one that its receipt said did not count. */
static bool
counts(const struct envelope_routing *r, size_t i, const struct msg_unusable *out, size_t count)
{
	for (size_t k = 0; k < i; k++)
		if (bytes_equal(r->agreements[k].name, r->agreements[i].name))
			return false;
	for (size_t k = 0; k < count; k++)
		if (bytes_equal(out[k].agreement, r->agreements[i].name))
			return false;
	return true;
}

/* The agreements that it could name when it came, and whose terms had 'backfill' then. */
static bool
list_agreements(struct look *l, struct names *listed)
{
	struct desk *d = l->outlet->desk;
	size_t n = l->routing.agreement_count, count = 0, refused = 0;
	struct bytes *items = arena_zalloc(l->a, n + 1, sizeof(*items));
	const struct msg_unusable *unusable = NULL;
	if (items == NULL)
		return err_set(l->err, ERR_NOMEM, "agreements");
	if (!explain_unusable_read(d, l->row->intake, l->a, &unusable, &refused, l->err))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct envelope_agreement *g = &l->routing.agreements[i];
		struct bytes text;
		bool found = false;
		if (g->terms.len != STORE_HASH_BYTES || !counts(&l->routing, i, unusable, refused))
			continue;
		if (!store_read_blob(d->view, STORE_POLICY, g->terms.data, &text, &found, l->err))
			return false;
		if (found && export_terms_backfill(text, g->name))
			items[count++] = g->name;
	}
	*listed = (struct names){ items, count };
	return true;
}

static bool
has_line(struct bytes lines, struct bytes name)
{
	struct bytes line;
	while (lines.len != 0) {
		const uint8_t *end = memchr(lines.data, '\n', lines.len);
		size_t len = end == NULL ? lines.len : (size_t)(end - lines.data);
		line = bytes_from(lines.data, len);
		if (bytes_equal(line, name))
			return true;
		lines =
		    bytes_from(lines.data + len + (end != NULL), lines.len - len - (end != NULL));
	}
	return false;
}

/* A DECISION behind its INTAKE speaks of the party: it was judged, whatever came of it. */
static bool
was_judged(struct look *l, bool *yes)
{
	struct record r;
	struct slot_release release;
	uint8_t leaf[32];
	*yes = false;
	for (uint32_t i = 0; !*yes && i < l->row->decisions; i++) {
		if (!explain_record(l->outlet->desk, l->row->intake + 1 + i, &r, leaf, l->err) ||
		    !slot_get_release(RECORD_SLOT(&r, 2)->value, &release, l->err))
			return false;
		*yes = has_line(release.recipient, l->party);
	}
	return true;
}

static bool
look_at(struct look *l, struct again_missed *m, bool *may)
{
	bool yes = false, judged = true;
	*may = false;
	if (!is_kept(l, &yes) || (yes && !is_wanted(l, &yes)))
		return false;
	if (!yes)
		return true;
	if (!list_agreements(l, &m->listed))
		return false;
	if (m->listed.count == 0)
		return true;
	if (!was_judged(l, &judged))
		return false;
	m->party = l->outlet->party;
	m->report = l->row->key;
	m->intake = l->row->intake;
	m->subscription = l->outlet->id;
	*may = !judged;
	return true;
}

/* ---- a page ---- */

struct page {
	struct again_missed missed[JUDGED_A_TURN];
	size_t count;
	struct store_report_key at; /* so far it was looked at */
	bool more;
};

static bool
read_page(struct outlet *o, struct arena *a, struct page *p, struct err *e)
{
	struct store_report *rows = arena_zalloc(a, PAGE, sizeof(*rows));
	static const struct store_report_key start;
	bool begun = memcmp(&o->backfill_at, &start, sizeof(start)) != 0, found = false;
	size_t count = PAGE;
	struct look l = { .outlet = o, .a = a, .err = e };
	if (rows == NULL)
		return err_set(e, ERR_NOMEM, "backfill");
	if (!store_read_reports(o->desk->view, begun ? &o->backfill_at : NULL, rows, &count, e) ||
	    !store_name_text(o->desk->view, STORE_NAME_PARTY, o->party, &l.party, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "a party without a name");
	p->more = count == PAGE;
	for (size_t i = 0; i < count; i++) {
		bool may = false;
		l.row = &rows[i];
		if (p->count == JUDGED_A_TURN) {
			p->more = true;
			return true;
		}
		if (!look_at(&l, &p->missed[p->count], &may))
			return false;
		p->count += may;
		p->at = rows[i].key;
	}
	return true;
}

static void on_turn(int fd, short what, void *arg);

/* Others have their turn between two pages. */
static void
turn_later(struct outlet *o)
{
	static const struct timeval soon = { 0, 1000 };
	if (o->backfill_event == NULL)
		o->backfill_event = event_new(o->desk->worker->base, -1, 0, on_turn, o);
	if (o->backfill_event != NULL)
		(void)event_add(o->backfill_event, &soon); /* if not, the tick goes on */
}

/* It is through: the note goes. */
static void
finish(struct outlet *o)
{
	struct job *j = job_new(JOB_BACKFILL, NULL, 4096);
	if (j == NULL)
		return; /* the tick goes on */
	j->again.given.party = o->party;
	j->again.subscription = o->id;
	j->again.looked_at = o->backfill_at;
	j->records = 1;
	j->bytes = 256;
	o->backfill_job = desk_post_own(o->desk, &j);
}

static void
failed(struct outlet *o, const struct err *e)
{
	log_warn("backfill.delayed", "subscription=%u code=%s why=%s", o->id, err_token(e->code),
	    log_quote_text(e->text));
	if (e->code == ERR_CORRUPT || e->code == ERR_STORE)
		desk_stop_for_good(o->desk, e);
}

/* Those of the page are decided, one after the other, until one releases: that goes on its way
 * first. */
static bool
decide(struct outlet *o, const struct page *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct err e = { 0 };
		enum again_result r = again_backfill(o->desk, &p->missed[i], &e);
		if (r == AGAIN_FAILED) {
			failed(o, &e);
			return false;
		}
		o->backfill_job = r == AGAIN_JOB;
		if (r == AGAIN_JOB)
			return false;
		o->backfill_at = p->missed[i].report;
	}
	o->backfill_at = p->at;
	return true;
}

static void
turn(struct outlet *o)
{
	struct desk *d = o->desk;
	struct page p = { .at = o->backfill_at };
	struct arena a;
	struct err e = { 0 };
	if (!o->backfilling || o->filling || o->backfill_job || o->deleted || d->rules == NULL)
		return;
	arena_init(&a, ARENA);
	bool ok = store_view_open(d->view, &a, &e) && read_page(o, &a, &p, &e);
	store_view_close(d->view);
	if (!ok)
		failed(o, &e);
	else if (decide(o, &p)) {
		if (p.more)
			turn_later(o);
		else
			finish(o);
	}
	arena_done(&a);
}

static void
on_turn(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	turn(arg);
}

/* ---- from outside ---- */

void
backfill_begin(struct outlet *o, const struct store_report_key *at)
{
	ASSERT_ON(ROLE_WORKER);
	if (o->backfilling)
		return;
	o->backfilling = true;
	o->backfill_at = *at;
	turn_later(o);
}

void
backfill_tick(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	if (o->backfilling &&
	    (o->backfill_event == NULL || !event_pending(o->backfill_event, EV_TIMEOUT, NULL)))
		turn(o);
}

void
backfill_home(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	const struct job_again *a = &j->again;
	struct outlet *o = outlet_find(w->desk, a->subscription);
	bool good = j->fate == JOB_DONE;
	if (j->fate == JOB_FAILED)
		log_warn("backfill.delayed", "subscription=%u why=%s", a->subscription,
		    log_quote_text(j->err.text));
	if (o != NULL) {
		o->backfill_job = false;
		if (good) {
			o->backfill_at = a->looked_at;
			o->backfilling = a->more;
		}
		if (good && a->more)
			turn_later(o); /* else the tick tries again, by then under newer rules */
	}
	job_free(j);
}

void
backfill_end(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	if (o->backfill_event != NULL)
		event_free(o->backfill_event);
}
