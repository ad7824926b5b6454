#include "daemon/backfill_look.h"
#include "daemon/role.h"

#include "audit/export.h"
#include "daemon/explain.h"
#include "daemon/log.h"

/* Of one report: its heads, the terms that it names, its records.  A page ends early beyond
 * ENOUGH. */
enum { PAGE = 64, ONE_REPORT = 4 * LIMIT_MESSAGE_BYTES, ENOUGH = ONE_REPORT / 8 };

/* ---- one report ---- */

/* A report, while it is asked whether it may be one. */
struct look {
	struct outlet *outlet;
	struct arena *a;
	const struct store_report *row;
	struct envelope_routing routing;
	struct bytes party; /* name */
	bool asked; /* the terms that it names and its records were read, which takes time */
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
	if (r->intake >= o->desk->rules->number || r->key.originator == o->party)
		return true;
	if (!desk_is_signed(o->desk, r->intake))
		return err_set(l->err, ERR_BUSY, "the head that covers it is not signed yet");
	if (r->expires_us != 0 && !wall_now(&o->desk->shell->wall, &now))
		return err_set(l->err, ERR_CLOCK, "clock in doubt");
	if (r->expires_us != 0 && r->expires_us <= now)
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
	l->asked = true;
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

/* What outlives the report's own memory. */
static bool
keep_names(struct names *n, struct arena *keep, struct err *e)
{
	struct bytes *items = arena_zalloc(keep, n->count + 1, sizeof(*items));
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "agreements");
	for (size_t i = 0; i < n->count; i++)
		if (!arena_copy(keep, n->items[i], &items[i], e))
			return false;
	n->items = items;
	return true;
}

/* One that alone does not fit is passed over: to wait would be to wait for ever. */
static bool
is_too_large(const struct look *l)
{
	if (l->err->code != ERR_NOMEM || l->a->used < ONE_REPORT / 2)
		return false;
	log_warn("backfill.too-large", "subscription=%u record=%llu", l->outlet->id,
	    (unsigned long long)l->row->intake);
	*l->err = (struct err){ 0 };
	return true;
}

/* In memory of its own. */
static bool
look_alone(struct look *l, struct again_missed *m, bool *may, struct arena *keep)
{
	struct store_view *v = l->outlet->desk->view;
	bool ok = store_view_open(v, l->a, l->err) && look_at(l, m, may);
	store_view_close(v);
	if (!ok) {
		*may = false;
		return is_too_large(l);
	}
	return !*may || keep_names(&m->listed, keep, l->err);
}

static bool
read_rows(struct look *l, struct arena *keep, const struct store_report_key *at,
    struct store_report *rows, size_t *count)
{
	static const struct store_report_key start;
	struct outlet *o = l->outlet;
	struct store_view *v = o->desk->view;
	bool begun = memcmp(at, &start, sizeof(start)) != 0, found = false;
	bool ok = store_view_open(v, keep, l->err) &&
		  store_read_reports(v, begun ? at : NULL, rows, count, l->err) &&
		  store_name_text(v, STORE_NAME_PARTY, o->party, &l->party, &found, l->err);
	store_view_close(v);
	return ok && (found || err_set(l->err, ERR_CORRUPT, "a party without a name"));
}

bool
backfill_look(struct outlet *o, struct arena *keep, struct backfill_page *p, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct store_report *rows = arena_zalloc(keep, PAGE, sizeof(*rows));
	size_t count = PAGE, asked = 0, read = 0;
	struct arena one;
	struct look l = { .outlet = o, .a = &one, .err = e };
	bool ok = true;
	if (rows == NULL)
		return err_set(e, ERR_NOMEM, "backfill");
	if (!read_rows(&l, keep, &p->at, rows, &count))
		return false;
	p->more = count == PAGE;
	arena_init(&one, ONE_REPORT);
	for (size_t i = 0; ok && i < count; i++) {
		bool may = false;
		if (asked == BACKFILL_A_TURN || read >= ENOUGH) {
			p->more = true;
			break;
		}
		l.row = &rows[i];
		l.asked = false;
		ok = look_alone(&l, &p->missed[p->count], &may, keep);
		p->count += may;
		asked += l.asked;
		read += one.used;
		if (ok)
			p->at = rows[i].key;
		arena_reset(&one, ONE_REPORT);
	}
	arena_done(&one);
	return ok;
}
