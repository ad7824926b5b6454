#include "daemon/fill.h"
#include "daemon/backfill.h"
#include "daemon/role.h"

#include "daemon/log.h"

#include <inttypes.h>
#include <stdio.h>

enum { PAGE = 64 };

void
fill_note_name(uint32_t subscription, char out[FILL_NAME])
{
	(void)snprintf(out, FILL_NAME, "fill/%" PRIu32, subscription);
}

/* Kept, of this mode, and of a topic that the subscription wants. */
static bool
is_wanted(struct outlet *o, const struct store_given *g, struct job *j, struct job_fill *to,
    bool *wanted, struct err *e)
{
	struct store_view *v = o->desk->view;
	struct bytes part;
	struct envelope_manifest m;
	uint64_t intake = 0;
	bool found = false, bodies = false;
	*wanted = false;
	if (g->masks.len == 0) /* a recall, which says what is to be destroyed */
		return true;
	if (!store_read_part(v, g->intake, STORE_PART_MANIFEST, &part, &found, e) ||
	    !store_next_bodies(v, g->intake, &intake, &bodies, e))
		return false;
	if (!found || !bodies || intake != g->intake)
		return true;
	if (!envelope_manifest_decode(part, j->arena, &m, e))
		return err_set(e, ERR_CORRUPT, "a stored manifest");
	to->report = g->report;
	to->precedence = (uint8_t)m.precedence;
	to->not_before_ms = m.not_before;
	*wanted = m.mode == (enum mode)o->mode && topic_matches(bytes_of(o->pattern), m.topic);
	return true;
}

static bool
read_page(struct outlet *o, struct job *j, struct err *e)
{
	struct job_mailbox *m = &j->mailbox;
	struct store_given after = { .party = o->party, .report = o->fill_at };
	struct store_given *page = arena_zalloc(j->arena, PAGE, sizeof(*page));
	m->fills = arena_zalloc(j->arena, PAGE, sizeof(*m->fills));
	size_t count = PAGE;
	if (page == NULL || m->fills == NULL)
		return err_set(e, ERR_NOMEM, "from start");
	if (!store_read_given(o->desk->view, &after, page, &count, e))
		return false;
	m->more = count == PAGE;
	m->fill_at = o->fill_at;
	for (size_t i = 0; i < count; i++) {
		bool wanted = false;
		if (page[i].party != o->party) {
			m->more = false;
			return true;
		}
		if (!is_wanted(o, &page[i], j, &m->fills[m->fill_count], &wanted, e))
			return false;
		m->fill_count += wanted;
		m->fill_at = page[i].report;
	}
	return true;
}

static void
go_on(struct outlet *o)
{
	struct desk *d = o->desk;
	struct err e = { 0 };
	struct job *j = job_new(JOB_MAILBOX, NULL, DESK_SCRATCH);
	if (j == NULL)
		return;
	j->mailbox.act = MAILBOX_FILL;
	j->mailbox.party = o->party;
	j->mailbox.id = o->id;
	j->mailbox.mode = o->mode;
	bool ok = store_view_open(d->view, j->arena, &e) && read_page(o, j, &e);
	store_view_close(d->view);
	if (!ok) {
		log_error("fill.failed", "subscription=%u code=%s why=%s", o->id, err_token(e.code),
		    log_quote_text(e.text));
		if (e.code == ERR_CORRUPT || e.code == ERR_STORE)
			desk_stop_for_good(d, &e);
		job_free(j);
		return;
	}
	j->records = j->mailbox.fill_count + 1;
	j->bytes = 128 * (j->mailbox.fill_count + 1);
	o->fill_job = desk_post_own(d, &j);
}

void
fill_begin(struct outlet *o, const struct store_report_key *at)
{
	ASSERT_ON(ROLE_WORKER);
	if (o->filling)
		return;
	o->filling = true;
	o->fill_at = *at;
	go_on(o);
}

void
fill_tick(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	if (o->filling && !o->fill_job)
		go_on(o);
}

void
fill_home(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	const struct job_mailbox *m = &j->mailbox;
	struct outlet *o = outlet_find(w->desk, m->id);
	bool good = j->fate == JOB_DONE;
	if (!good)
		log_warn(
		    "fill.delayed", "subscription=%u why=%s", m->id, log_quote_text(j->err.text));
	if (o != NULL) {
		o->fill_job = false;
		if (good) {
			o->fill_at = m->fill_at;
			o->filling = m->more;
		}
	}
	job_free(j);
	if (o == NULL || !good)
		return; /* the tick tries again */
	if (o->filling)
		go_on(o);
	else {
		outlet_more(o);
		outlet_pump(o);
		backfill_tick(o);
	}
}
