#include "daemon/explain.h"
#include "daemon/role.h"

#include "daemon/backfilled.h"
#include "daemon/on.h"
#include "daemon/waits.h"
#include "proto/msg.h"
#include <stdlib.h>

enum { PAGE_LINES = 1024 }; /* portions and obligations in one Explanation, of all recipients */

/* Explanations are sent page by page, so that none outgrows a message. */
struct page {
	struct conn *conn;
	struct arena *a;
	uint64_t request;
	struct msg_explanation m;
	struct msg_recipient_decision *items;
	size_t room, lines;
};

static bool
page_begin(struct page *p, size_t recipients, struct err *e)
{
	p->items = arena_zalloc(p->a, recipients + 1, sizeof(*p->items));
	p->room = recipients;
	if (p->items == NULL)
		return err_set(e, ERR_NOMEM, "explanation");
	p->m.decisions = p->items;
	return true;
}

static bool
page_send(struct page *p, bool more, struct err *e)
{
	struct msg m = { .request = p->request, .type = MSG_EXPLANATION, .explanation = p->m };
	m.explanation.more = more;
	if (!conn_send(p->conn, 2, &m, e))
		return false;
	p->items += p->m.decision_count;
	p->m.decisions = p->items;
	p->m.decision_count = 0;
	p->m.unusable_count = 0;
	p->lines = 0;
	return true;
}

static bool
page_add(struct page *p, const struct msg_recipient_decision *r, struct err *e)
{
	size_t lines = r->portion_count;
	for (size_t i = 0; i < r->portion_count; i++)
		lines += r->portions[i].obligation_count;
	if (p->lines > 0 && p->lines + lines > PAGE_LINES && !page_send(p, true, e))
		return false;
	if (p->room == 0)
		return err_set(e, ERR_LIMIT, "more recipients than were counted");
	p->room--;
	p->lines += lines;
	p->items[p->m.decision_count++] = *r;
	return true;
}

/* ---- a dry run: straight from the decision ---- */

static bool
obligations(struct arena *a, const struct portion_decision *from, struct msg_portion_decision *to,
    struct err *e)
{
	struct msg_open_obligation *o = arena_zalloc(a, from->open_count + 1, sizeof(*o));
	if (o == NULL)
		return err_set(e, ERR_NOMEM, "obligations");
	for (size_t i = 0; i < from->open_count; i++) {
		const struct open_obligation *b = &from->open[i];
		o[i] =
		    (struct msg_open_obligation){ .kind = b->what.kind, .deadline = b->deadline };
		if (b->indirect)
			continue;
		o[i].agreement = b->what.agreement;
		o[i].subject = b->what.subject;
		o[i].approver = b->what.approver;
	}
	to->obligations = o;
	to->obligation_count = from->open_count;
	return true;
}

static bool
portions(struct arena *a, const struct recipient_decision *r, size_t count,
    struct msg_recipient_decision *to, struct err *e)
{
	struct msg_portion_decision *p = arena_zalloc(a, count + 1, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "portions");
	for (size_t i = 0; i < count; i++) {
		const struct portion_decision *from = &r->portions[i];
		p[i] = (struct msg_portion_decision){ .portion = (uint32_t)i,
			.verdict = from->verdict,
			.reason = bytes_of(reason_token(from->reason)),
			.rule = from->rule,
			.place = from->place };
		if (from->agreement != NULL)
			p[i].agreement = from->agreement->name;
		if (!obligations(a, from, &p[i], e))
			return false;
	}
	to->portions = p;
	to->portion_count = count;
	return true;
}

bool
explain_dry_run(
    struct conn *c, uint64_t request, const struct publish *p, struct arena *a, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	const struct decisions *d = &p->decided;
	struct page page = { .conn = c, .a = a, .request = request };
	struct msg_unusable *u = arena_zalloc(a, d->unusable_count + 1, sizeof(*u));
	if (u == NULL || !page_begin(&page, d->recipient_count, e))
		return err_set(e, ERR_NOMEM, "explanation");
	for (size_t i = 0; i < d->unusable_count; i++)
		u[i] = (struct msg_unusable){ d->unusable[i].agreement, d->unusable[i].why };
	page.m.report = p->report.manifest.id;
	page.m.dry_run = true;
	page.m.unusable = u;
	page.m.unusable_count = d->unusable_count;
	for (size_t i = 0; i < d->recipient_count; i++) {
		const struct recipient_decision *r = &d->recipients[i];
		struct msg_recipient_decision to = { .recipient = r->recipient,
			.outcome = r->outcome,
			.time = p->facts.time,
			.policy = bytes_from(epoch_digest(desk_of(c)->rules->epoch), 32) };
		if (!portions(a, r, d->portion_count, &to, e) || !page_add(&page, &to, e))
			return false;
	}
	return page_send(&page, false, e);
}

/* ---- a stored report: from its records ---- */

bool
explain_record(struct desk *d, uint64_t index, struct record *r, uint8_t leaf[32], struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct bytes entry;
	bool found = false;
	if (!store_read_entry(d->view, index, &entry, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "record %llu is missing", (unsigned long long)index);
	return record_entry_parse(entry, r, leaf, e);
}

bool
explain_secret(struct desk *d, uint64_t intake, uint8_t out[32], struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct record r;
	uint8_t leaf[32];
	struct slot_decision s;
	if (!explain_record(d, intake, &r, leaf, e) ||
	    !slot_get_decision(RECORD_SLOT(&r, 4)->value, &s, e))
		return false;
	if (s.facts == NULL)
		return err_set(e, ERR_CORRUPT, "an INTAKE without facts");
	memcpy(out, s.facts, 32);
	return true;
}

static bool
lines(struct arena *a, struct bytes text, struct msg_recipient_decision *to, struct err *e)
{
	size_t count = 0;
	for (size_t i = 0; i < text.len; i++)
		count += text.data[i] == '\n';
	struct msg_portion_decision *p = arena_zalloc(a, count + 1, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "portions");
	to->portions = p;
	while (text.len > 0) {
		struct slot_reason line;
		if (!slot_reason_next(&text, &line, e))
			return false;
		p[to->portion_count++] = (struct msg_portion_decision){ .portion = line.portion,
			.verdict = bytes_is(line.verdict, "release") ? VERDICT_RELEASE
				   : bytes_is(line.verdict, "hold")  ? VERDICT_HOLD
								     : VERDICT_WITHHOLD,
			.reason = line.reason,
			.agreement = line.agreement,
			.rule = line.rule };
	}
	return true;
}

/* The record that now decides for this recipient, and whether it was delivered. */
static bool
read_decision(struct desk *d, uint64_t index, struct arena *a, struct msg_recipient_decision *to,
    struct bytes *names, struct err *e)
{
	struct record r;
	uint8_t leaf[32];
	struct slot_common common;
	struct slot_release release;
	struct slot_decision s;
	if (!explain_record(d, index, &r, leaf, e) ||
	    !slot_get_common(RECORD_SLOT(&r, 1)->value, &common, e) ||
	    !slot_get_release(RECORD_SLOT(&r, 2)->value, &release, e) ||
	    !slot_get_decision(RECORD_SLOT(&r, 4)->value, &s, e))
		return false;
	*to = (struct msg_recipient_decision){
		.outcome = s.outcome, .index = index, .time = common.time
	};
	*names = release.recipient;
	if (s.policy != NULL)
		to->policy = bytes_from(s.policy, 32);
	return lines(a, s.reasons, to, e);
}

/* What is open of one portion: of a source that the report does not itself name the kind and the
 * deadline alone (design section 5). */
static bool
open_of(struct arena *a, const struct waits *w, struct msg_portion_decision *to, struct err *e)
{
	size_t n = 0;
	for (size_t i = 0; i < w->count; i++)
		n += w->items[i].portion == to->portion;
	struct msg_open_obligation *o = arena_zalloc(a, n + 1, sizeof(*o));
	if (o == NULL)
		return err_set(e, ERR_NOMEM, "obligations");
	to->obligations = o;
	to->obligation_count = 0;
	for (size_t i = 0; i < w->count; i++) {
		const struct wait *from = &w->items[i];
		if (from->portion != to->portion)
			continue;
		struct msg_open_obligation *next = &o[to->obligation_count++];
		*next = (struct msg_open_obligation){ .kind = from->what.kind,
			.deadline = from->deadline_us };
		if (from->indirect)
			continue;
		next->agreement = from->what.agreement;
		next->subject = from->what.subject;
		next->approver = from->what.approver;
	}
	return true;
}

/* What a held report waits for; a hold of an older build has no such part. */
static bool
add_open(struct desk *d, uint64_t decision, struct arena *a, struct msg_recipient_decision *to,
    struct err *e)
{
	struct bytes part;
	struct waits w;
	bool found = false;
	if (to->outcome != OUTCOME_HOLD)
		return true;
	if (!store_read_part(d->view, decision, JOB_PART_WAITS, &part, &found, e))
		return false;
	if (!found)
		return true;
	struct msg_portion_decision *p = arena_zalloc(a, to->portion_count + 1, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "obligations");
	if (!waits_read(part, a, &w, e))
		return false;
	for (size_t i = 0; i < to->portion_count; i++) {
		p[i] = to->portions[i];
		if (p[i].verdict == VERDICT_HOLD && !open_of(a, &w, &p[i], e))
			return false;
	}
	to->portions = p;
	return true;
}

bool
explain_delivery(struct desk *d, const struct store_given *g, uint64_t *index, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct bytes part;
	bool found = false;
	*index = g->delivery;
	if (g->delivery != STORE_NONE)
		return true;
	if (!store_read_part(d->view, g->decision, JOB_PART_DELIVERED, &part, &found, e))
		return false;
	struct cursor c = cursor_over(found ? part : bytes_of(""));
	uint64_t was = cursor_u64(&c);
	if (found && !cursor_finished(&c))
		return err_set(e, ERR_CORRUPT, "part %d of a NARROWED", (int)JOB_PART_DELIVERED);
	*index = found ? was : STORE_NONE;
	return true;
}

static bool
present_decision(struct desk *d, const struct store_report_key *key, struct arena *a,
    struct msg_recipient_decision *to, struct err *e)
{
	struct store_given g;
	struct record r;
	uint8_t leaf[32];
	struct slot_common common;
	bool found = false;
	uint32_t party = 0;
	struct bytes name = to->recipient, names;
	if (!store_find_name(d->view, STORE_NAME_PARTY, name, &party, &found, e) ||
	    (found && !store_find_given(d->view, party, key, &g, &found, e)))
		return false;
	if (!found)
		return true;
	if (!desk_is_signed(d, g.decision))
		return err_set(e, ERR_BUSY, "a decision that is being signed");
	if (g.decision != to->index && !read_decision(d, g.decision, a, to, &names, e))
		return false;
	to->recipient = name;
	if (!add_open(d, g.decision, a, to, e))
		return false;
	if (!explain_delivery(d, &g, &g.delivery, e))
		return false;
	if (g.delivery == STORE_NONE || !desk_is_signed(d, g.delivery))
		return true;
	if (!explain_record(d, g.delivery, &r, leaf, e) ||
	    !slot_get_common(RECORD_SLOT(&r, 1)->value, &common, e))
		return false;
	to->delivered = common.time;
	return true;
}

/* One record, and each recipient that it names. */
static bool
explain_one(
    struct desk *d, const struct store_report *r, uint64_t index, struct page *page, struct err *e)
{
	struct msg_recipient_decision first;
	struct bytes names;
	if (!read_decision(d, index, page->a, &first, &names, e))
		return false;
	while (names.len > 0) {
		const uint8_t *end = memchr(names.data, '\n', names.len);
		size_t len = end == NULL ? names.len : (size_t)(end - names.data);
		struct msg_recipient_decision to = first;
		to.recipient = bytes_from(names.data, len);
		if (!present_decision(d, &r->key, page->a, &to, e) || !page_add(page, &to, e))
			return false;
		names.data += len + (end != NULL);
		names.len -= len + (end != NULL);
	}
	return true;
}

/* Those that became members later. */
static bool
explain_backfilled(struct desk *d, const struct store_report *r, struct page *page, struct err *e)
{
	uint64_t decision;
	if (!backfilled_newest(d->view, &r->key, &decision, e))
		return false;
	while (decision != STORE_NONE) {
		if (desk_is_signed(d, decision) && !explain_one(d, r, decision, page, e))
			return false;
		if (!backfilled_before(d->view, decision, &decision, e))
			return false;
	}
	return true;
}

static bool
explain_all(struct conn *c, struct page *page, struct bytes id, struct err *e)
{
	struct desk *d = desk_of(c);
	struct store_report_key key = { .originator = desk_party(c) };
	struct store_report r;
	bool found = false;
	memcpy(key.id, id.data, sizeof(key.id));
	if (!store_find_report(d->view, &key, &r, &found, e))
		return false;
	if (!found ||
	    !desk_is_signed(d, r.intake)) /* not yours and not there are one answer (S7) */
		return err_set(e, ERR_UNKNOWN_REPORT, "no such report of yours");
	if (!page_begin(page, LIMIT_PARTIES + r.decisions, e))
		return false;
	for (uint32_t i = 0; i < r.decisions; i++)
		if (!explain_one(d, &r, r.intake + 1 + i, page, e))
			return false;
	return explain_backfilled(d, &r, page, e) && page_send(page, false, e);
}

bool
on_explain(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = desk_of(c);
	struct arena memory;
	struct page page = { .conn = c, .a = &memory, .request = m->request };
	struct err why = { 0 };
	(void)request;
	(void)e;
	if ((c->peer->roles & (ROLE_PUBLISH | ROLE_AUDIT | ROLE_APPROVE)) == 0)
		return desk_refuse(c, m->request, &(struct complaint){ .code = ERR_ROLE }, e);
	arena_init(&memory, LIMIT_MESSAGE_BYTES);
	page.m.report = m->explain.report;
	bool ok = store_view_open(d->view, &memory, &why) &&
		  explain_all(c, &page, m->explain.report, &why);
	store_view_close(d->view);
	if (!ok && why.code == ERR_UNKNOWN_REPORT) /* somebody guesses ids: on record */
		ok = desk_refuse(c, m->request, &(struct complaint){ .code = why.code }, e);
	else if (!ok)
		ok = conn_refuse(c, m->request, &(struct complaint){ .code = why.code }, e);
	arena_done(&memory);
	return ok;
}

/* Each: u16 length, name, u16 length, why. */
bool
explain_unusable_write(
    struct arena *a, const struct msg_unusable *u, size_t count, struct bytes *out, struct err *e)
{
	size_t len = 0;
	for (size_t i = 0; i < count; i++)
		len += 4 + u[i].agreement.len + u[i].why.len;
	uint8_t *to = arena_alloc(a, len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "unusable agreements");
	*out = bytes_from(to, len);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < 2; k++) {
			struct bytes b = k == 0 ? u[i].agreement : u[i].why;
			put_u16(to, (uint16_t)b.len);
			memcpy(to + 2, b.data, b.len);
			to += 2 + b.len;
		}
	return true;
}

bool
explain_unusable_read(struct desk *d, uint64_t intake, struct arena *a,
    const struct msg_unusable **out, size_t *count, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct bytes part;
	bool found = false;
	if (!store_read_part(d->view, intake, JOB_PART_UNUSABLE, &part, &found, e))
		return false;
	struct cursor c = cursor_over(found ? part : bytes_of(""));
	struct msg_unusable *u = arena_zalloc(a, LIMIT_AGREEMENTS_PER_REPORT, sizeof(*u));
	if (u == NULL)
		return err_set(e, ERR_NOMEM, "unusable agreements");
	size_t n = 0;
	for (; c.left > 0 && n < LIMIT_AGREEMENTS_PER_REPORT; n++) {
		u[n].agreement = cursor_take(&c, cursor_u16(&c));
		u[n].why = cursor_take(&c, cursor_u16(&c));
	}
	if (!cursor_finished(&c))
		return err_set(e, ERR_CORRUPT, "part %d of an INTAKE", (int)JOB_PART_UNUSABLE);
	*out = u;
	*count = n;
	return true;
}

bool
explain_receipt(struct desk *d, struct job_publish *p, struct arena *a, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct record r;
	struct slot_common common;
	struct slot_publication pub;
	struct slot_decision s;
	struct slot_release release;
	uint8_t leaf[32];
	struct store_report known;
	bool found = false;
	if (!store_find_report(d->view, &p->report.key, &known, &found, e) || !found ||
	    !explain_record(d, known.intake, &r, p->leaf, e) ||
	    !slot_get_common(RECORD_SLOT(&r, 1)->value, &common, e) ||
	    !slot_get_publication(RECORD_SLOT(&r, 3)->value, &pub, e))
		return false;
	p->report.intake = known.intake;
	if (!explain_unusable_read(d, p->report.intake, a, &p->unusable, &p->unusable_count, e))
		return false;
	p->accepted_us = common.time;
	p->party_index = pub.index;
	p->released = p->redacted = p->held = p->withheld = 0;
	for (uint32_t i = 0; i < known.decisions; i++) {
		uint32_t names = 1;
		if (!explain_record(d, known.intake + 1 + i, &r, leaf, e) ||
		    !slot_get_release(RECORD_SLOT(&r, 2)->value, &release, e) ||
		    !slot_get_decision(RECORD_SLOT(&r, 4)->value, &s, e))
			return false;
		for (size_t k = 0; k < release.recipient.len; k++)
			names += release.recipient.data[k] == '\n';
		p->released += s.outcome == OUTCOME_RELEASE ? names : 0;
		p->redacted += s.outcome == OUTCOME_REDACT ? names : 0;
		p->held += s.outcome == OUTCOME_HOLD ? names : 0;
		p->withheld += s.outcome == OUTCOME_WITHHOLD ? names : 0;
	}
	return true;
}
