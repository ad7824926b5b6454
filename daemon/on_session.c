/* on_session.c - Hello, Whoami, Subscribe, Ack: who is here and what they read. */
#include "daemon/on.h"
#include "daemon/backfill.h"
#include "daemon/config.h"
#include "daemon/fill.h"
#include "daemon/heads.h"
#include "daemon/log.h"
#include "daemon/outlet.h"
#include "daemon/publish.h"
#include "daemon/role.h"

#include <inttypes.h>
#include <stdlib.h>

enum { AGREEMENTS_A_PAGE = 64, CHAIN_MEMORY = LIMIT_CERT_LIST_BYTES * 2 };

/* ---- what a member may know of its agreements ---- */

static bool
names_of(struct arena *a, const struct agreement *g, struct names *out, struct err *e)
{
	struct bytes *items = arena_zalloc(a, g->member_count + 1, sizeof(*items));
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "members");
	for (size_t i = 0; i < g->member_count; i++)
		items[i] = g->members[i].party->name;
	*out = (struct names){ items, g->member_count };
	return true;
}

static bool
describe(struct arena *a, const struct agreement *g, const struct member *me,
    struct msg_agreement *to, struct err *e)
{
	*to = (struct msg_agreement){ .name = g->name,
		.version = g->version,
		.terms = bytes_from(g->terms, sizeof(g->terms)),
		.title = g->title,
		.state = (enum msg_agreement_state)g->state,
		.valid_from = g->valid_from / 1000,
		.valid_until = g->valid_until / 1000,
		.mode = g->mode,
		.topics = g->topics,
		/* the wire has one word for "not now, whatever its state and dates say" */
		.suspended = g->suspended || g->unsigned_ || g->refused != NULL || !g->has_terms,
		.may_originate = me->may_originate,
		.may_receive = me->may_receive,
		.at_most = me->at_most };
	return names_of(a, g, &to->members, e);
}

/* Those from number 'from' of the policy on; *next is where to go on, 0 at the end. */
struct page {
	size_t from, next, count;
	struct msg_agreement *items;
};

static bool
agreements(struct conn *c, struct arena *a, struct page *p, struct err *e)
{
	const struct epoch *epoch = desk_of(c)->rules->epoch;
	p->items = arena_zalloc(a, AGREEMENTS_A_PAGE, sizeof(*p->items));
	p->count = p->next = 0;
	if (p->items == NULL)
		return err_set(e, ERR_NOMEM, "agreements");
	for (size_t i = p->from; i < epoch_agreement_count(epoch); i++) {
		const struct agreement *g = epoch_agreement_at(epoch, i);
		const struct member *me = agreement_member(g, bytes_of(c->peer->party));
		if (me == NULL)
			continue;
		if (p->count == AGREEMENTS_A_PAGE) {
			p->next = i;
			return true;
		}
		if (!describe(a, g, me, &p->items[p->count++], e))
			return false;
	}
	return true;
}

/* ---- Hello ---- */

static bool
keep_chain(struct session *s, const struct names *chain, struct err *e)
{
	size_t room = chain->count * sizeof(struct bytes);
	for (size_t i = 0; i < chain->count; i++)
		room += chain->items[i].len;
	if (room == 0)
		return true;
	struct bytes *items = malloc(room);
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "chain");
	uint8_t *at = (uint8_t *)(items + chain->count);
	for (size_t i = 0; i < chain->count; i++) {
		items[i] = bytes_from(at, chain->items[i].len);
		memcpy(at, chain->items[i].data, chain->items[i].len);
		at += chain->items[i].len;
	}
	s->chain_memory = items;
	s->chain = (struct names){ items, chain->count };
	return true;
}

/* The newest published head, and the proof from the one that the client verified (AUDIT 5). */
static bool
witness(struct conn *c, const struct msg_hello *h, struct arena *a, struct msg_welcome *w,
    struct err *e)
{
	struct desk *d = desk_of(c);
	struct heads now;
	if (!heads_published(d, &now, e))
		return false;
	w->checkpoint = now.note;
	c->session->heads_size = now.size;
	c->session->heads_bytes = now.note.len;
	if (h->log_size == 0 || !bytes_equal(h->log_origin, d->shell->origin))
		return true;
	if (h->log_size > now.size)
		return err_set(e, ERR_FORK, "the client verified a larger log than was published");
	uint64_t sizes[2] = { h->log_size, now.size };
	return heads_consistency(d, a, sizes, &w->consistency, e);
}

static bool
welcome(struct conn *c, const struct msg *m, struct arena *a, struct err *e)
{
	struct desk *d = desk_of(c);
	const struct config *cfg = desk_settings(d);
	struct page page = { 0 };
	struct msg out = { .request = m->request, .type = MSG_WELCOME };
	if (!agreements(c, a, &page, e))
		return false;
	c->session->credit = (uint32_t)cfg->limit_credit;
	out.welcome = (struct msg_welcome){ .version = c->version,
		.party = bytes_of(c->peer->party),
		.agent = bytes_of(c->peer->agent),
		.hub_party = epoch_hub(d->rules->epoch)->name,
		.node = d->shell->node,
		.limits = { .message_bytes = LIMIT_MESSAGE_BYTES,
		    .report_bytes = LIMIT_REPORT_BYTES,
		    .portions = LIMIT_PORTIONS,
		    .publish_window = (uint32_t)cfg->limit_publish_window,
		    .publish_window_bytes = LIMIT_PUBLISH_WINDOW_BYTES,
		    .credit = c->session->credit,
		    .idle_ms = (uint32_t)cfg->limit_idle_ms },
		.agreements = page.items,
		.agreement_count = page.count,
		.more = page.next != 0,
		.time = wall_best(&d->shell->wall) / 1000 };
	bool ok = store_view_open(d->view, a, e) && witness(c, &m->hello, a, &out.welcome, e);
	store_view_close(d->view);
	return ok && conn_send(c, 3, &out, e);
}

bool
on_hello(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct session *s = c->session;
	struct arena memory;
	(void)request;
	for (size_t i = 0; i < m->hello.versions.count; i++) /* they rise */
		if (m->hello.versions.items[i] >= MSG_VERSION_LEAST &&
		    m->hello.versions.items[i] <= MSG_VERSION_MOST)
			c->version = m->hello.versions.items[i];
	if (c->version == 0)
		return err_set(e, ERR_VERSION, "the client speaks no version of ours");
	if (!keep_chain(s, &m->hello.signer_chain, e))
		return false;
	arena_init(&memory, LIMIT_MESSAGE_BYTES);
	bool ok = welcome(c, m, &memory, e);
	arena_done(&memory);
	if (!ok)
		return false;
	log_info("session.ready", "conn=%" PRIu64 " agent=%s software=%s", c->id,
	    log_quote_text(c->peer->agent), log_quote(m->hello.software));
	conn_ready(c);
	return true;
}

/* ---- Whoami ---- */

static size_t
role_names(unsigned roles, struct bytes out[8])
{
	size_t n = 0;
	for (unsigned bit = ROLE_PUBLISH; bit <= ROLE_SIGN; bit <<= 1)
		if ((roles & bit) != 0)
			out[n++] = bytes_of(party_role_name((enum role)bit));
	return n;
}

bool
on_whoami(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = desk_of(c);
	struct bytes roles[8];
	struct page page = { 0 };
	bool ok = true;
	(void)request;
	size_t role_count = role_names(c->peer->roles, roles);
	do {
		struct arena memory;
		arena_init(&memory, LIMIT_MESSAGE_BYTES);
		struct msg out = { .request = m->request, .type = MSG_IDENTITY };
		page.from = page.next;
		ok = agreements(c, &memory, &page, e);
		out.identity = (struct msg_identity){ .party = bytes_of(c->peer->party),
			.agent = bytes_of(c->peer->agent),
			.roles = { roles, role_count },
			.hub_party = epoch_hub(d->rules->epoch)->name,
			.node = d->shell->node,
			.agreements = page.items,
			.agreement_count = page.count,
			.certificate_until = (uint64_t)c->peer->not_after * 1000,
			.more = page.next != 0 };
		if (c->peer->hub)
			out.identity.policy = bytes_from(epoch_digest(d->rules->epoch), 32);
		ok = ok && conn_send(c, 3, &out, e);
		arena_done(&memory);
	} while (ok && page.next != 0);
	return ok;
}

/* ---- Subscribe, Ack ---- */

bool
on_subscribe(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	const struct msg_subscribe *s = &m->subscribe;
	struct complaint no = { .code = ERR_NONE };
	if ((c->peer->roles & ROLE_SUBSCRIBE) == 0)
		no.code = ERR_ROLE;
	else if (desk_party(c) == 0)
		no.code = ERR_UNKNOWN_AGENT;
	else if (s->topic.len > 0 && topic_check_pattern(s->topic) != TOPIC_GOOD)
		no = (struct complaint){ .code = ERR_MALFORMED,
			.field = bytes_of("subscribe.topic") };
	if (no.code != ERR_NONE)
		return desk_refuse(c, m->request, &no, e);
	struct store_subscription want = { .party = desk_party(c),
		.mode = (uint8_t)s->mode,
		.name = s->name,
		.pattern = s->topic };
	uint32_t most = c->session->credit, credit = s->credit < most ? s->credit : most;
	bool proof = s->proof, from_start = s->from_start;
	struct job *j = job_new(JOB_SUBSCRIBE, request, 0);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "subscription");
	j->request = m->request;
	j->records = 1;
	j->bytes = 1024;
	j->subscribe = (struct job_subscribe){
		.want = want, .credit = credit, .proof = proof, .from_start = from_start
	};
	desk_say_who(c, j);
	(void)!desk_post(c, &j);
	return true;
}

static bool
subscribed(struct conn *c, const struct job *j, struct err *e)
{
	const struct job_subscribe *s = &j->subscribe;
	struct outlet *o = outlet_open(desk_of(c), &s->want);
	if (c->session->consumer_count == SESSION_OUTLETS)
		return desk_refuse(c, j->request, &(struct complaint){ .code = ERR_QUOTA }, e);
	struct consumer *k = o == NULL ? NULL : outlet_join(o, c, s->credit);
	if (k == NULL)
		return conn_refuse(c, j->request, &(struct complaint){ .code = ERR_NOMEM }, e);
	k->proof = s->proof;
	struct msg m = { .request = j->request, .type = MSG_SUBSCRIBED };
	m.subscribed = (struct msg_subscribed){ .subscription = k->number,
		.name = s->want.name,
		.topic = s->want.pattern,
		.mode = (enum mode)s->want.mode,
		.created = s->created,
		.credit = s->credit };
	if (!conn_send(c, 3, &m, e))
		return false;
	if (s->filling)
		fill_begin(o, &s->fill_at);
	if (s->backfilling)
		backfill_begin(o, &s->backfill_at);
	outlet_more(o);
	outlet_pump(o);
	return true;
}

void
session_subscribed(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct conn *c = worker_find_conn(w, j->conn);
	struct err e = { 0 };
	bool ok = true;
	if (c != NULL && j->fate == JOB_DONE)
		ok = subscribed(c, j, &e);
	else if (c != NULL && j->err.code == ERR_SUBSCRIPTION_DIFFERS)
		ok = desk_refuse(c, j->request,
		    &(struct complaint){ .code = j->err.code, .detail = bytes_of(j->err.text) },
		    &e);
	else if (c != NULL && j->err.code == ERR_QUOTA)
		ok = desk_refuse(c, j->request, &(struct complaint){ .code = ERR_QUOTA }, &e);
	else if (c != NULL)
		ok = conn_refuse(c, j->request, &(struct complaint){ .code = j->err.code }, &e);
	if (!ok)
		conn_fail(c, j->request, &(struct complaint){ .code = e.code });
	job_free(j);
}

static struct consumer *
consumer_of(const struct session *s, uint32_t number)
{
	for (unsigned i = 0; i < s->consumer_count; i++)
		if (s->consumers[i]->number == number)
			return s->consumers[i];
	return NULL;
}

bool
on_nack(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct consumer *k = consumer_of(c->session, m->nack.subscription);
	struct err why = { 0 };
	(void)request;
	if (k == NULL)
		return desk_refuse(
		    c, m->request, &(struct complaint){ .code = ERR_NO_SUBSCRIPTION }, e);
	if (outlet_nack(k, &m->nack, m->request, &why) || m->request == 0)
		return true;
	struct complaint no = { .code = why.code };
	if (why.code == ERR_MALFORMED)
		no.field = bytes_of("nack.deliveries");
	else
		no.retry_ms = 1000;
	return why.code == ERR_BUSY ? conn_refuse(c, m->request, &no, e)
				    : desk_refuse(c, m->request, &no, e);
}

bool
on_ack(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct consumer *k = consumer_of(c->session, m->ack.subscription);
	struct err why = { 0 };
	(void)request;
	if (k == NULL)
		return desk_refuse(
		    c, m->request, &(struct complaint){ .code = ERR_NO_SUBSCRIPTION }, e);
	return outlet_ack(k, &m->ack.deliveries, m->request, &why) || m->request == 0 ||
	       conn_refuse(
		   c, m->request, &(struct complaint){ .code = why.code, .retry_ms = 1000 }, e);
}
