/* on_publish.c - Publish: it only coordinates (HOUSE 2, steps 5 to 8). */
#include "daemon/committer.h"
#include "daemon/drafts.h"
#include "daemon/explain.h"
#include "daemon/log.h"
#include "daemon/notices.h"
#include "daemon/on.h"
#include "daemon/publish.h"
#include "daemon/role.h"
#include "daemon/sources.h"
#include "proto/dry.h"
#include "proto/msg.h"

#include <inttypes.h>

enum {
	TRIES = 8,
	/* what a decision for an agreement of 1,000 members takes in records and rows, beside the
	 * message's own arena; taken only as far as it is needed */
	DECISION_BYTES = 24 << 20
};

/* ---- refusing ---- */

/* An answer, a REFUSED record, and the connection stays open. */
static bool
refuse(struct conn *c, uint64_t request, const struct complaint *why, struct bytes report)
{
	struct err e = { 0 };
	struct refused r = { why->code, why->field, report };
	/* what may be tried again is no fact about the report; while nothing is signed it could not
	 * be recorded either */
	if (why->code != ERR_BUSY && why->code != ERR_NOMEM && why->code != ERR_SIGNER)
		desk_count_refusal(desk_of(c), c, &r);
	log_info("report.refused", "conn=%" PRIu64 " req=%" PRIu64 " agent=%s code=%s", c->id,
	    request, log_quote_text(c->peer->agent), err_token(why->code));
	return conn_refuse(c, request, why, &e);
}

static bool
refuse_err(struct conn *c, uint64_t request, const struct err *e, struct bytes report)
{
	struct complaint why = { .code = e->code };
	if (err_may_retry(e->code))
		why.retry_ms = 1000;
	/* only what is wrong with the report itself is told in words (S7) */
	if (e->code >= ERR_UNKNOWN_AGENT)
		why.detail = bytes_of(e->text);
	return refuse(c, request, &why, report);
}

/* ---- who signs ---- */

/* The session's signer under the present rules; NULL with the code in 'e'. */
static struct trust_signer *
signer(struct conn *c, struct err *e)
{
	struct session *s = c->session;
	struct desk *d = desk_of(c);
	struct trust_refusal why;
	uint64_t now;
	if (!wall_now(&d->shell->wall, &now)) {
		(void)err_set(e, ERR_CLOCK, "clock in doubt");
		return NULL;
	}
	bool stale = s->signer != NULL && (s->signer_rules != d->rules->number ||
					      s->signer->not_after <= (int64_t)(now / 1000000) ||
					      s->signer->crl_until <= (int64_t)(now / 1000000));
	if (stale) {
		trust_signer_free(s->signer);
		s->signer = NULL;
	}
	if (s->signer == NULL) {
		s->verifier = (struct envelope_verifier){ .hash = &d->sha };
		s->signer_rules = d->rules->number;
		if (!trust_signer_new(d->rules->trust, s->chain.items, s->chain.count,
			bytes_of(c->peer->agent), (int64_t)(now / 1000000), &s->signer, &why)) {
			s->signer = NULL;
			(void)err_set(e,
			    why.fault == CHAIN_INTERNAL ? ERR_NOMEM : ERR_BAD_SIGNATURE,
			    "the signer's chain: %s", why.why);
		}
	}
	/* by the time of records, which a clock that was put back does not move (wall.h) */
	if (s->signer != NULL && s->signer->not_after <= (int64_t)(now / 1000000)) {
		(void)err_set(e, ERR_BAD_SIGNATURE, "the signer's chain has expired");
		return NULL;
	}
	return s->signer;
}

/* ---- checks before the decision ---- */

static bool
verify(struct conn *c, struct publish *p, struct err *e)
{
	const struct trust_signer *s = signer(c, e);
	if (s == NULL)
		return false;
	struct envelope_signer who = { .key = s->key,
		.digest = bytes_from(s->leaf, sizeof(s->leaf)),
		.originator = bytes_of(s->agent) };
	dry_begin();
	bool good = envelope_verify(&c->session->verifier, &p->report, &who, e);
	if (!good && dry_ran())
		e->code = ERR_NOMEM;
	return good;
}

/* In the order of DESIGN section 5: the first that applies is the answer. */
static bool
check(struct conn *c, struct publish *p, struct arena *a, struct fault *f, struct err *e)
{
	struct desk *d = desk_of(c);
	const struct envelope_manifest *m = &p->report.manifest;
	struct store_report_key key = { .originator = p->party_id };
	struct store_report known;
	uint8_t digest[32];
	bool found = false;
	if (!bytes_is(m->hub, trust_hub_id(d->rules->trust))) {
		(void)snprintf(f->field, sizeof(f->field), "manifest.hub");
		(void)snprintf(f->nearest, sizeof(f->nearest), "%s", trust_hub_id(d->rules->trust));
		return err_set(e, ERR_WRONG_HUB, "the manifest names another hub");
	}
	memcpy(key.id, m->id.data, sizeof(key.id));
	if (!sha256_of(&d->sha, p->report.manifest_bytes, digest, e) ||
	    !store_view_open(d->view, a, e))
		return false;
	bool ok = store_find_report(d->view, &key, &known, &found, e);
	store_view_close(d->view);
	if (!ok)
		return false;
	/* the committer asks again, in the transaction; here it only sets the order of refusals */
	found = found && known.intake < atomic_load(&d->shell->signed_size);
	if (found && memcmp(known.manifest, digest, sizeof(digest)) != 0)
		return err_set(e, ERR_ID_CONFLICT, "the id is taken");
	/* answered with the first receipt, whatever has expired since (design 5) */
	p->known = found && !p->dry_run;
	if (p->known)
		return true;
	if (!verify(c, p, e))
		return false;
	return notices_check(d, p, a, f, e);
}

/* It needs no agreement in force and no decision (design 8). */
static bool
is_recall(const struct publish *p)
{
	return p->named.act == ENVELOPE_RECALL;
}

/* ---- facts ---- */

static bool
fill_facts(struct publish *p, struct arena *a, struct err *e)
{
	const struct envelope_manifest *m = &p->report.manifest;
	const struct envelope_routing *r = &p->report.routing;
	struct fact_agreement *g = arena_zalloc(a, r->agreement_count + 1, sizeof(*g));
	struct fact_portion *q = arena_zalloc(a, p->report.portion_count + 1, sizeof(*q));
	if (g == NULL || q == NULL)
		return err_set(e, ERR_NOMEM, "facts");
	for (size_t i = 0; i < r->agreement_count; i++) {
		g[i] = (struct fact_agreement){ .name = r->agreements[i].name, .has_terms = true };
		memcpy(g[i].terms, r->agreements[i].terms.data, sizeof(g[i].terms));
	}
	for (size_t i = 0; i < p->report.portion_count; i++) {
		const struct envelope_portion *from = &p->report.portions[i];
		q[i] = (struct fact_portion){ from->labels, from->label_count, from->content_type };
	}
	p->facts = (struct facts){ .originator = p->party,
		.topic = m->topic,
		.precedence = m->precedence,
		.mode = m->mode,
		.expires = m->expires * 1000,
		.signer = SIGNER_GOOD,
		.agreements = g,
		.agreement_count = r->agreement_count,
		.has_only_to = r->has_only_to,
		.only_to = r->only_to,
		.not_to = r->not_to,
		.portions = q,
		.portion_count = p->report.portion_count };
	return true;
}

/* As they stand now: once more each time that it is decided. */
static bool
fill_sources(struct desk *d, struct publish *p, struct arena *a, struct err *e)
{
	struct sources_ask q = { .view = d->view,
		.publisher = p->party_id,
		.mode = p->facts.mode,
		.ids = &p->report.routing.sources,
		.most_bytes = LIMIT_SOURCES_BYTES };
	struct sources found;
	if (!sources_find(&q, a, &found, e))
		return false;
	p->facts.sources = found.items;
	p->facts.source_count = found.count;
	p->decided = (struct decisions){ .refusal = { .code = ERR_NONE } };
	if (found.over)
		p->decided.refusal = (struct refusal){ .code = ERR_LIMIT,
			.field = bytes_of("sources"),
			.detail = bytes_of("a report names 32 sources and rests on 256") };
	return true;
}

/* ---- the job ---- */

static bool
parts(struct publish *p, struct job *j, struct bytes facts, struct err *e)
{
	const struct envelope *v = &p->report;
	struct job_part *to = arena_zalloc(j->arena, 6 + 2 * v->portion_count, sizeof(*to));
	size_t n = 0, total = 0;
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "parts");
	to[n++] = (struct job_part){ STORE_PART_MANIFEST, v->manifest_bytes };
	to[n++] = (struct job_part){ STORE_PART_ROUTING, v->routing_bytes };
	if (v->has_notice)
		to[n++] = (struct job_part){ STORE_PART_NOTICE, v->notice_bytes };
	to[n++] = (struct job_part){ STORE_PART_SEAL, v->seal_bytes };
	to[n++] = (struct job_part){ STORE_PART_FACTS, facts };
	for (size_t i = 0; i < v->portion_count; i++) {
		to[n++] = (struct job_part){ STORE_PART_HEAD(i), v->portions[i].head_bytes };
		to[n++] = (struct job_part){ STORE_PART_BODY(i), v->portions[i].body_bytes };
	}
	for (size_t i = 0; i < n; i++)
		total += to[i].bytes.len;
	j->publish.parts = to;
	j->publish.part_count = n;
	j->publish.report.body_bytes = (uint32_t)total;
	j->bytes = total + 4096;
	for (size_t i = 0; i < j->publish.recipient_count; i++)
		j->bytes +=
		    j->publish.recipients[i].opened.len + j->publish.recipients[i].waits.len;
	return true;
}

static bool
chain_bytes(struct conn *c, struct arena *a, struct bytes *out, struct err *e)
{
	const struct names *chain = &c->session->chain;
	size_t len = 0;
	for (size_t i = 0; i < chain->count; i++)
		len += chain->items[i].len;
	uint8_t *to = arena_alloc(a, len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "chain");
	*out = bytes_from(to, len);
	for (size_t i = 0; i < chain->count; i++) {
		memcpy(to, chain->items[i].data, chain->items[i].len);
		to += chain->items[i].len;
	}
	return true;
}

/* What the receipt says of agreements that were named and could not be used. */
static bool
unusable(const struct decisions *d, struct arena *a, struct job_publish *p, struct err *e)
{
	struct msg_unusable *u = arena_zalloc(a, d->unusable_count + 1, sizeof(*u));
	if (u == NULL)
		return err_set(e, ERR_NOMEM, "unusable agreements");
	for (size_t i = 0; i < d->unusable_count; i++)
		u[i] = (struct msg_unusable){ d->unusable[i].agreement, d->unusable[i].why };
	p->unusable = u;
	p->unusable_count = d->unusable_count;
	return explain_unusable_write(a, u, d->unusable_count, &p->unusable_bytes, e);
}

/* A recall has no label of its own: it is marked as what it names. */
static bool
banner(struct desk *d, const struct publish *p, struct arena *a, struct bytes *out, struct err *e)
{
	*out = p->banner;
	return is_recall(p) || policy_banner(d->rules->epoch, &p->facts, a, out, e);
}

static bool
fill_job(struct conn *c, struct publish *p, struct job *j, struct err *e)
{
	struct desk *d = desk_of(c);
	struct job_publish *out = &j->publish;
	const struct envelope_manifest *m = &p->report.manifest;
	struct drafts drafts = { .desk = d,
		.a = j->arena,
		.facts = &p->facts,
		.decided = &p->decided,
		.report = &p->report,
		.party = p->party,
		.agent = p->agent,
		.hub = desk_hub(c),
		.actor = desk_actor(c, j->arena) };
	struct drafts_intake intake;
	struct bytes facts;
	const struct trust_signer *s = c->session->signer;
	memcpy(intake.chain, s->chain, sizeof(intake.chain));
	memcpy(intake.anchor, s->anchor, sizeof(intake.anchor));
	if (!envelope_leaf(&d->sha, p->report.manifest_bytes, drafts.manifest, e) ||
	    !banner(d, p, j->arena, &drafts.banner, e) || !drafts_facts(&drafts, &facts, e) ||
	    !sha256_of(&d->sha, p->report.seal_bytes, intake.seal, e) ||
	    !drafts_intake(&drafts, &intake, &out->intake, e) || !drafts_decisions(&drafts, j, e) ||
	    !parts(p, j, facts, e) || !chain_bytes(c, j->arena, &out->chain, e) ||
	    !unusable(&p->decided, j->arena, out, e))
		return false;
	struct store_report *r = &out->report;
	r->key.originator = p->party_id;
	memcpy(r->key.id, m->id.data, sizeof(r->key.id));
	memcpy(r->chain, s->chain, sizeof(r->chain));
	memcpy(out->signer, s->leaf, sizeof(out->signer));
	r->expires_us = p->facts.expires;
	out->precedence = (uint8_t)m->precedence;
	out->mode = (uint8_t)m->mode;
	out->topic = m->topic;
	out->not_before_ms = m->not_before;
	out->decided_us = p->facts.time;
	out->good_until_us = p->decided.good_until;
	out->signer_until_us = (uint64_t)s->not_after * 1000000;
	out->named = p->named;
	if (is_recall(p))
		desk_say_who(c, j);
	j->rules = d->rules->number;
	j->records = 1 + out->decision_count + out->recipient_count + 2 * p->named_decisions;
	return sha256_of(&d->sha, p->report.manifest_bytes, r->manifest, e);
}

bool
publish_decide(struct conn *c, struct publish *p, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = desk_of(c);
	uint64_t now;
	if (!fill_sources(d, p, j->arena, e))
		return false;
	if (p->decided.refusal.code != ERR_NONE)
		return true;
	if (!wall_now(&d->shell->wall, &now)) /* after the look: what it found is not later */
		return err_set(e, ERR_CLOCK, "clock in doubt");
	if (!p->dry_run && atomic_load(&d->shell->signer_away))
		return err_set(e, ERR_SIGNER, "the log's signer does not answer");
	p->facts.time = p->facts.accepted = now;
	if (is_recall(p))
		p->decided.good_until = UINT64_MAX;
	else if (!policy_decide(d->rules->epoch, &p->facts, j->arena, &p->decided, e))
		return false;
	if (p->decided.refusal.code != ERR_NONE || p->dry_run)
		return true;
	return fill_job(c, p, j, e);
}

/* What the decision took beyond the arena of a request (DESIGN 11): an agreement with many members
 * makes many records of a short report, and they count in the publisher's window. */
static size_t
beyond_its_arena(const struct job *j, size_t message)
{
	size_t usual = LIMIT_ARENA_FACTOR * message + LIMIT_ARENA_EXTRA;
	return j->arena->used > usual ? j->arena->used - usual : 0;
}

/* Decides and sends the job off; or refuses, or explains. */
static bool
decide_and_go(struct conn *c, struct publish *p, struct job **j, struct err *e)
{
	const struct refusal *no = &p->decided.refusal;
	struct bytes id = p->report.manifest.id;
	if (!publish_decide(c, p, *j, e))
		return refuse_err(c, (*j)->request, e, id);
	if (no->code != ERR_NONE) {
		struct complaint why = { no->code, no->field, no->nearest, no->detail, 0 };
		return refuse(c, (*j)->request, &why, id);
	}
	if (p->dry_run)
		return explain_dry_run(c, (*j)->request, p, (*j)->arena, e);
	if (p->tries == 0) {
		p->size += beyond_its_arena(*j, p->size);
		conn_owes(c, p->size);
	}
	p->tries++;
	struct job *go = MOVE(*j);
	size_t size = p->size;
	uint64_t request = go->request;
	go->home = c->worker->index;
	go->conn = c->id;
	if (committer_take(desk_of(c)->shell, &go))
		return true;
	job_free(go);
	conn_paid(c, size);
	struct complaint busy = { .code = ERR_BUSY, .retry_ms = 100 };
	return refuse(c, request, &busy, (struct bytes){ NULL, 0 });
}

static bool send_receipt(struct conn *c, const struct job *j, struct err *e);

/* The first receipt again: read from the log what it said. */
static bool
recall_receipt(struct conn *c, struct job *j, struct err *e)
{
	struct job_publish *p = &j->publish;
	struct desk *d = desk_of(c);
	if (!store_view_open(d->view, j->arena, e))
		return false;
	bool ok = explain_receipt(d, p, j->arena, e);
	store_view_close(d->view);
	return ok && send_receipt(c, j, e);
}

bool
on_publish(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct fault f = { 0 };
	struct err why = { 0 };
	struct bytes no_id = { NULL, 0 };
	(*request)->cap += DECISION_BYTES;
	struct publish *p = arena_zalloc(*request, 1, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "publication");
	p->party = bytes_of(c->peer->party);
	p->agent = bytes_of(c->peer->agent);
	p->party_id = desk_party(c);
	p->dry_run = m->publish.dry_run;
	struct complaint not = { .code = p->party_id == 0 ? ERR_UNKNOWN_AGENT : ERR_NOT_PUBLISHER };
	if (p->party_id == 0 || (c->peer->roles & ROLE_PUBLISH) == 0)
		return refuse(c, m->request, &not, no_id);
	if (!envelope_open(&m->publish, *request, &p->report, &f, &why) ||
	    !check(c, p, *request, &f, &why)) {
		struct complaint bad = { .code = why.code,
			.field = bytes_of(f.field),
			.nearest = bytes_of(f.nearest),
			.detail = bytes_of(f.detail) };
		struct bytes id = p->report.manifest.id;
		if (f.field[0] == 0 && f.detail[0] == 0)
			return refuse_err(c, m->request, &why, id);
		return refuse(c, m->request, &bad, id);
	}
	if (!p->known && !fill_facts(p, *request, e))
		return false;
	for (size_t i = 0; i < p->report.portion_count; i++)
		p->size +=
		    p->report.portions[i].head_bytes.len + p->report.portions[i].body_bytes.len;
	p->size += p->report.manifest_bytes.len + p->report.routing_bytes.len +
		   p->report.notice_bytes.len + p->report.seal_bytes.len;
	SCOPED(job_free) struct job *j = job_new(JOB_PUBLISH, request, 0);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "job");
	j->request = m->request;
	j->sender = p;
	if (p->known) {
		j->fate = JOB_KNOWN;
		j->publish.report.key.originator = p->party_id;
		memcpy(j->publish.report.key.id, p->report.manifest.id.data, STORE_ID_BYTES);
		return recall_receipt(c, j, e);
	}
	return decide_and_go(c, p, &j, e);
}

/* ---- home ---- */

static bool
send_receipt(struct conn *c, const struct job *j, struct err *e)
{
	const struct job_publish *p = &j->publish;
	struct msg m = { .request = j->request, .type = MSG_RECEIPT };
	m.receipt = (struct msg_receipt){
		.report = bytes_from(p->report.key.id, STORE_ID_BYTES),
		.index = p->report.intake,
		.evidence = { p->party_index, bytes_from(p->leaf, sizeof(p->leaf)) },
		.accepted = p->accepted_us,
		.unusable = p->unusable,
		.unusable_count = p->unusable_count,
		.released = p->released,
		.redacted = p->redacted,
		.held = p->held,
		.withheld = p->withheld,
		.again = j->fate == JOB_KNOWN,
	};
	return conn_send(c, 3, &m, e);
}

/* Decided on what no longer holds: once more, or when the new rules are here. */
static void
again(struct desk *d, struct conn *c, struct job *j)
{
	struct publish *p = j->sender;
	struct err e = { 0 };
	struct job *mine = j;
	if (p->tries >= TRIES) {
		struct complaint busy = { .code = ERR_BUSY, .retry_ms = 1000 };
		conn_paid(c, p->size);
		(void)!refuse(c, j->request, &busy, p->report.manifest.id);
		job_free(j);
		return;
	}
	if (d->rules->number == j->rules && p->tries > 1) {
		desk_park(d, j);
		return;
	}
	/* the rules may be others now: who publishes and who signed are asked again, too */
	struct trust_refusal gone;
	struct complaint no = { .code = ERR_NONE };
	if (c->ending != CONN_ENDING_NOT || !trust_still_allowed(d->rules->trust, c->peer, &gone))
		no.code = ERR_SHUT_OUT;
	else if ((c->peer->roles & ROLE_PUBLISH) == 0)
		no.code = ERR_NOT_PUBLISHER;
	else if (!verify(c, p, &e))
		no.code = e.code;
	if (no.code != ERR_NONE) {
		conn_paid(c, p->size);
		(void)!refuse(c, j->request, &no, p->report.manifest.id);
		job_free(j);
		return;
	}
	j->fate = JOB_PENDING;
	if (!decide_and_go(c, p, &mine, &e))
		conn_fail(c, j->request, &(struct complaint){ .code = e.code });
	if (mine != NULL) {
		conn_paid(c, p->size);
		job_free(mine);
	}
}

void
publish_home(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct conn *c = worker_find_conn(w, j->conn);
	struct publish *p = j->sender;
	struct err e = { 0 };
	bool ok = true;
	if (c == NULL) {
		job_free(j);
		return;
	}
	if (j->fate == JOB_STALE) {
		again(w->desk, c, j);
		return;
	}
	conn_paid(c, p->size);
	if (j->fate == JOB_DONE)
		ok = send_receipt(c, j, &e);
	else if (j->fate == JOB_KNOWN)
		ok = recall_receipt(c, j, &e);
	else if (j->fate == JOB_CONFLICT)
		ok = refuse(c, j->request, &(struct complaint){ .code = ERR_ID_CONFLICT },
		    p->report.manifest.id);
	else
		ok = refuse_err(c, j->request, &j->err, p->report.manifest.id);
	if (!ok)
		conn_fail(c, j->request, &(struct complaint){ .code = desk_our_fault(&e) });
	job_free(j);
}
