#include "daemon/desk.h"
#include "daemon/role.h"

#include "daemon/committer.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/trust.h"
#include <inttypes.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

enum { NOTE_ARENA = 65536, REFUSAL_MS = 1000 };

const struct config *
desk_settings(const struct desk *d)
{
	ASSERT_ON(ROLE_WORKER);
	return d->rules != NULL && d->rules->settings != NULL ? d->rules->settings
							      : d->shell->config;
}

uint32_t
desk_party(const struct conn *c)
{
	struct desk *d = desk_of(c);
	if (d->rules == NULL || c->peer == NULL)
		return 0;
	return ruleset_party_id(d->rules, bytes_of(c->peer->party));
}

bool
desk_look(struct desk *d, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	if (d->looking)
		return true;
	d->looks++;
	d->seen = atomic_load(&d->shell->withdrawals);
	d->looking = store_view_open(d->view, &d->scratch, e);
	return d->looking;
}

void
desk_look_away(struct desk *d)
{
	ASSERT_ON(ROLE_WORKER);
	if (d->looking)
		store_view_close(d->view);
	d->looking = false;
}

bool
desk_may_record(struct conn *c, uint64_t request, bool *yes, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = desk_of(c);
	struct complaint no = { .code = ERR_QUOTA };
	*yes = readings_take(&d->readings, desk_party(c), worker_now_ms(d->worker), &no.retry_ms);
	return *yes || desk_refuse(c, request, &no, e);
}

bool
desk_post(struct conn *c, struct job **j)
{
	ASSERT_ON(ROLE_WORKER);
	(*j)->home = c->worker->index;
	(*j)->conn = c->id;
	uint64_t request = (*j)->request;
	(*j)->owed = request != 0;
	size_t bytes = (*j)->owed_bytes;
	if (committer_take(desk_of(c)->shell, j)) {
		if (request != 0)
			conn_owes(c, bytes);
		return true;
	}
	job_free(MOVE(*j));
	struct complaint busy = { .code = ERR_BUSY, .retry_ms = 100 };
	struct err e;
	if (!conn_refuse(c, request, &busy, &e))
		conn_fail(c, request, &busy);
	return false;
}

bool
desk_post_own(struct desk *d, struct job **j)
{
	ASSERT_ON(ROLE_WORKER);
	(*j)->home = d->worker->index;
	if (committer_take(d->shell, j))
		return true;
	job_free(MOVE(*j));
	return false;
}

void
desk_stop_for_good(struct desk *d, const struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	atomic_store(&d->shell->broken, true);
	shell_end(d->shell);
	log_error("store.damaged", "code=%s why=%s action=%s", err_token(e->code),
	    log_quote_text(e->text), log_quote_text("stopping; start with --verify-all"));
	_exit(74);
}

struct slot_hub
desk_hub(const struct conn *c)
{
	struct shell *s = desk_of(c)->shell;
	return (struct slot_hub){ .node = s->node,
		.connection = c->id,
		.certificate = c->peer == NULL ? NULL : c->peer->leaf,
		.clock = bytes_of(wall_quality(&s->wall)) };
}

static struct bytes
subject(const struct conn *c, struct arena *a)
{
	struct bytes none = { NULL, 0 };
	if (c->peer == NULL || sk_X509_num(c->peer->certs) < 1)
		return none;
	BIO *bio = BIO_new(BIO_s_mem());
	if (bio == NULL)
		return none;
	X509_NAME *name = X509_get_subject_name(sk_X509_value(c->peer->certs, 0));
	char *text = NULL;
	struct bytes out = none;
	struct err e;
	if (X509_NAME_print_ex(
		bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
		long len = BIO_get_mem_data(bio, &text);
		if (len > 0 && len <= 1024 &&
		    !arena_copy(a, bytes_from(text, (size_t)len), &out, &e))
			out = none;
	}
	BIO_free(bio);
	return out;
}

struct bytes
desk_actor(const struct conn *c, struct arena *a)
{
	struct session *s = c->session;
	struct bytes out = { NULL, 0 };
	struct err e;
	if (s == NULL || s->actor == NULL)
		out = subject(c, a);
	else if (!arena_copy(a, bytes_of(s->actor), &out, &e))
		out.len = 0;
	if (s != NULL && s->actor == NULL && out.len > 0)
		s->actor = strndup((const char *)out.data, out.len); /* NULL: asked for again */
	return out;
}

void
desk_say_who(const struct conn *c, struct job *j)
{
	j->by.conn = c->id;
	j->by.actor = desk_actor(c, j->arena);
	if (c->peer != NULL)
		memcpy(j->by.leaf, c->peer->leaf, sizeof(j->by.leaf));
}

bool
desk_salts(struct desk *d, uint8_t salts[RECORD_SALTS], struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	return salt_take(&d->salts, salts, RECORD_SALTS, e);
}

void
desk_uuid(const uint8_t id[16], char out[37])
{
	size_t n = 0;
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[n++] = '-';
		out[n++] = "0123456789abcdef"[id[i] >> 4];
		out[n++] = "0123456789abcdef"[id[i] & 15];
	}
	out[n] = 0;
}

/* ---- REFUSED ---- */

static void
copy_text(char *to, size_t size, struct bytes from)
{
	size_t n = from.len < size - 1 ? from.len : size - 1;
	/* cut between characters, so that it stays UTF-8 */
	while (n > 0 && n < from.len && (from.data[n] & 0xc0) == 0x80)
		n--;
	if (n > 0)
		memcpy(to, from.data, n);
	to[n] = 0;
}

/* What of a refusal is counted together. */
struct kind {
	enum err_code code;
	const char *agent; /* "" if it did not prove its name.. */
	char peer[64];	   /* ..then its address, without the port */
	bool by_field;	   /* what is wrong with a certificate, of a closed list */
};

/* A stranger can invent names, but not where he comes from: whoever did not prove an identity is
 * known by his address. */
static struct kind
kind_of(const struct conn *c, const struct refused *why)
{
	const struct trust_refusal *bad = why->certificate;
	struct kind k = { .code = why->code, .agent = "", .by_field = bad != NULL };
	if (bad != NULL && bad->party[0] != 0)
		k.agent = bad->agent;
	else if (bad == NULL && c->peer != NULL)
		k.agent = c->peer->agent;
	if (k.agent[0] != 0)
		return k;
	const char *port = strrchr(c->ticket->address, ':');
	size_t len =
	    port == NULL ? strlen(c->ticket->address) : (size_t)(port - c->ticket->address);
	copy_text(k.peer, sizeof(k.peer), bytes_from(c->ticket->address, len));
	return k;
}

static bool
is_kind(const struct refusal_count *r, const struct kind *k, struct bytes field)
{
	char agent[sizeof(r->agent)];
	copy_text(agent, sizeof(agent), bytes_of(k->agent));
	return r->count > 0 && r->code == k->code && strcmp(r->agent, agent) == 0 &&
	       strcmp(r->peer, k->peer) == 0 && (!k->by_field || bytes_is(field, r->field));
}

/* The slot that counts this kind, or a free one; NULL: all are taken. */
static struct refusal_count *
slot_of(struct desk *d, const struct kind *k, struct bytes field)
{
	struct refusal_count *empty = NULL;
	for (size_t i = 0; i < DESK_REFUSALS; i++) {
		struct refusal_count *r = &d->refusals[i];
		if (is_kind(r, k, field))
			return r;
		if (r->count == 0 && empty == NULL)
			empty = r;
	}
	return empty;
}

static void
describe(struct refusal_count *r, const struct conn *c, const struct refused *why)
{
	copy_text(r->field, sizeof(r->field), why->field);
	r->conn = c->id;
	if (why->report.len == sizeof(r->report)) {
		memcpy(r->report, why->report.data, sizeof(r->report));
		r->has_report = true;
	}
	if (c->peer == NULL)
		return;
	copy_text(r->party, sizeof(r->party), bytes_of(c->peer->party));
	memcpy(r->leaf, c->peer->leaf, sizeof(r->leaf));
	r->has_leaf = true;
}

void
desk_count_refusal(struct desk *d, const struct conn *c, const struct refused *why)
{
	ASSERT_ON(ROLE_WORKER);
	static const struct kind overflow = { .code = ERR_LIMIT, .agent = "" };
	struct kind k = kind_of(c, why);
	struct refusal_count *r = slot_of(d, &k, why->field);
	bool told_apart = r != NULL && r != &d->refusals[DESK_REFUSALS - 1];
	if (!told_apart) { /* the last slot counts all that are too many kinds for one second */
		k = overflow;
		r = &d->refusals[DESK_REFUSALS - 1];
	}
	if (r->count++ > 0)
		return;
	*r = (struct refusal_count){
		.first_ms = worker_now_ms(d->worker), .count = 1, .code = k.code
	};
	copy_text(r->agent, sizeof(r->agent), bytes_of(k.agent));
	copy_text(r->peer, sizeof(r->peer), bytes_of(k.peer));
	if (told_apart)
		describe(r, c, why);
}

enum err_code
desk_our_fault(const struct err *e)
{
	return e->code == ERR_NOMEM || e->code == ERR_IO ? e->code : ERR_INTERNAL;
}

bool
desk_refuse(struct conn *c, uint64_t request, const struct complaint *no, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	desk_count_refusal(
	    desk_of(c), c, &(struct refused){ .code = no->code, .field = no->field });
	return conn_refuse(c, request, no, e);
}

static bool
fill_refused(struct desk *d, const struct refusal_count *r, struct arena *a, struct record *out,
    struct err *e)
{
	uint8_t salts[RECORD_SALTS];
	struct body b;
	struct slot_common common = { .type = EVENT_REFUSED };
	struct slot_hub hub = { .node = d->shell->node,
		.connection = r->conn,
		.certificate = r->has_leaf ? r->leaf : NULL,
		.clock = bytes_of(wall_quality(&d->shell->wall)) };
	if (r->has_report)
		common.report = bytes_from(r->report, sizeof(r->report));
	event_body_begin(&b, EVENT_REFUSED);
	event_body_bytes(&b, BODY_REFUSED_CODE, bytes_of(err_token(r->code)));
	event_body_uint(&b, BODY_REFUSED_COUNT, r->count);
	if (r->party[0] != 0)
		event_body_bytes(&b, BODY_REFUSED_PARTY, bytes_of(r->party));
	if (r->agent[0] != 0)
		event_body_bytes(&b, BODY_REFUSED_AGENT, bytes_of(r->agent));
	if (r->field[0] != 0)
		event_body_bytes(&b, BODY_REFUSED_FIELD, bytes_of(r->field));
	if (r->peer[0] != 0)
		event_body_bytes(&b, BODY_REFUSED_PEER, bytes_of(r->peer));
	return desk_salts(d, salts, e) && record_begin(out, a, salts, e) &&
	       record_set_common(out, a, &common, e) && record_set_hub(out, a, &hub, e) &&
	       record_set_body(out, a, &b, e) && record_hash_early(&d->sha, out, e);
}

void
desk_flush_refusals(struct desk *d, bool all)
{
	ASSERT_ON(ROLE_WORKER);
	uint64_t now = worker_now_ms(d->worker);
	size_t count = 0;
	struct job *j = NULL;
	struct err e = { 0 };
	for (size_t i = 0; i < DESK_REFUSALS; i++) {
		struct refusal_count *r = &d->refusals[i];
		if (r->count == 0 || (!all && now - r->first_ms < REFUSAL_MS))
			continue;
		if (j == NULL) {
			j = job_new(JOB_RECORDS, NULL, NOTE_ARENA * DESK_REFUSALS);
			if (j != NULL)
				j->notes.records =
				    arena_zalloc(j->arena, DESK_REFUSALS, sizeof(struct record));
			if (j == NULL || j->notes.records == NULL)
				break;
		}
		if (!fill_refused(d, r, j->arena, &j->notes.records[count], &e))
			break;
		count++;
		r->flushing = true;
	}
	if (count == 0) {
		job_free(j);
		return;
	}
	j->notes.count = count;
	j->records = count;
	bool posted = desk_post_own(d, &j);
	for (size_t i = 0; i < DESK_REFUSALS; i++) {
		if (d->refusals[i].flushing && posted)
			d->refusals[i].count = 0;
		d->refusals[i].flushing = false;
	}
}

bool
desk_record(struct conn *c, const struct body *b, struct arena *a, struct record *r, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	uint8_t salts[RECORD_SALTS];
	struct slot_common common = { .type = b->type };
	struct slot_hub hub = desk_hub(c);
	struct slot_person person = { .actor = desk_actor(c, a) };
	return desk_salts(desk_of(c), salts, e) && record_begin(r, a, salts, e) &&
	       record_set_common(r, a, &common, e) && record_set_hub(r, a, &hub, e) &&
	       record_set_person(r, a, &person, e) && record_set_body(r, a, b, e) &&
	       record_hash_early(&desk_of(c)->sha, r, e);
}

bool
desk_note(struct conn *c, const struct desk_note *n, bool *posted, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	*posted = false;
	SCOPED(job_free) struct job *j = job_new(JOB_RECORDS, NULL, NOTE_ARENA);
	struct record *r = j == NULL ? NULL : arena_zalloc(j->arena, 1, sizeof(*r));
	if (r == NULL)
		return err_set(e, ERR_NOMEM, "record");
	if (!desk_record(c, n->body, j->arena, r, e))
		return false;
	j->notes.records = r;
	j->notes.count = j->records = 1;
	j->request = n->request;
	j->notes.publish = n->publish;
	j->notes.errand = (int)n->errand;
	j->notes.from = n->from;
	j->notes.span = n->count;
	j->notes.wanted = n->wanted;
	/* a large answer: nothing more is read until it is there */
	if (n->errand == DESK_LIST || n->errand == DESK_PROVE)
		j->owed_bytes = c->worker->limits->publish_window_bytes;
	*posted = desk_post(c, &j);
	return true;
}

/* ---- chains ---- */

bool
desk_split_chain(struct arena *a, struct bytes in, struct names *out, struct err *e)
{
	struct bytes *items = arena_zalloc(a, LIMIT_CHAIN_CERTS, sizeof(*items));
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "chain");
	*out = (struct names){ items, 0 };
	struct err why;
	return chain_split(in, items, &out->count, &why) ||
	       err_set(e, ERR_CORRUPT, "a stored chain: %s", why.text);
}
