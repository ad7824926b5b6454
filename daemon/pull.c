#include "daemon/pull.h"
#include "daemon/role.h"

#include "audit/bundle.h"
#include "audit/export.h"
#include "audit/view.h"
#include "daemon/explain.h"
#include "daemon/heads.h"
#include "daemon/log.h"
#include "daemon/policy_texts.h"

#include <assert.h>
#include <stdlib.h>

enum {
	PULL_PAGE = 64,		 /* entries read at once.. */
	PULL_BYTES = 1 << 20,	 /* ..and about how many bytes of them */
	PULL_CHUNK = 256 * 1024, /* bytes of a file in one AuditPart */
	PULL_ARENA = 64 << 20,
	PULL_SEEN = 4096 /* contents remembered as sent: chains, anchors, policies */
};

struct pull {
	struct conn *conn;
	uint64_t request, first;
	uint64_t
	    wait; /* size that a published head must have; UINT64_MAX: record not durable yet */
	bool hub;
	bool begun;
	struct arena memory; /* of the whole export: note, origin */
	struct bytes note;
	uint64_t size, next;
	struct bundle_writer *writer;
	uint8_t (*seen)[32];
	size_t seen_count;
	bool has_policy;
	uint8_t policy[32]; /* in force where the export has come to */
	struct arena page;  /* of the present record */
};

void
pull_free(struct pull *p)
{
	ASSERT_ON(ROLE_WORKER);
	if (p == NULL)
		return;
	bundle_writer_free(p->writer);
	arena_done(&p->memory);
	free(p->seen);
	free(p);
}

void
pull_drop(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	pull_free(c->session->pull);
	c->session->pull = NULL;
}

bool
pull_begin(struct conn *c, uint64_t request, uint64_t first, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct pull *p = calloc(1, sizeof(*p));
	if (p == NULL || (p->seen = calloc(PULL_SEEN, 32)) == NULL) {
		free(p);
		return err_set(e, ERR_NOMEM, "export");
	}
	p->conn = c;
	p->request = request;
	p->first = first;
	p->wait = UINT64_MAX;
	p->hub = c->peer->hub;
	arena_init(&p->memory, 1 << 20);
	c->session->pull = p;
	return true;
}

void
pull_recorded(struct conn *c, uint64_t index)
{
	ASSERT_ON(ROLE_WORKER);
	struct pull *p = c->session->pull;
	if (p == NULL)
		return;
	p->wait = p->hub ? index + 1 : 0;
	pull_step(c);
}

/* ---- sending ---- */

static bool
send_part(struct pull *p, const char *path, struct bytes data, bool last, struct err *e)
{
	struct msg m = { .request = p->request, .type = MSG_AUDIT_PART };
	m.audit_part =
	    (struct msg_audit_part){ .name = bytes_of(path), .data = data, .last = last };
	return conn_send(p->conn, 0, &m, e);
}

static bool
emit(void *ctx, const char *path, struct bytes data, struct err *e)
{
	struct pull *p = ctx;
	do {
		size_t n = data.len < PULL_CHUNK ? data.len : PULL_CHUNK;
		if (!send_part(p, path, bytes_from(data.data, n), false, e))
			return false;
		data.data += n;
		data.len -= n;
	} while (data.len > 0);
	return true;
}

/* ---- contents, for the hub's auditors ---- */

static bool
is_seen(const struct pull *p, const uint8_t digest[32])
{
	size_t n = p->seen_count < PULL_SEEN ? p->seen_count : PULL_SEEN;
	for (size_t i = 0; i < n; i++)
		if (memcmp(p->seen[i], digest, 32) == 0)
			return true;
	return false;
}

/* True the first time. */
static bool
unseen(struct pull *p, const uint8_t digest[32])
{
	if (is_seen(p, digest))
		return false;
	memcpy(p->seen[p->seen_count++ % PULL_SEEN], digest, 32);
	return true;
}

static bool
add_blob(struct pull *p, enum store_blob kind, enum bundle_dir dir, const uint8_t digest[32],
    struct err *e)
{
	struct bytes bytes;
	bool found = false;
	if (!unseen(p, digest))
		return true;
	if (!store_read_blob(desk_of(p->conn)->view, kind, digest, &bytes, &found, e))
		return false;
	return !found || bundle_add_content(p->writer, dir, bytes, e);
}

static bool
add_part(struct pull *p, uint64_t index, uint16_t part, enum bundle_dir dir, uint8_t digest[32],
    struct err *e)
{
	struct desk *d = desk_of(p->conn);
	struct bytes bytes;
	bool found = false;
	if (!store_read_part(d->view, index, part, &bytes, &found, e))
		return false;
	if (!found)
		return err_set(
		    e, ERR_CORRUPT, "part %u of %llu is missing", part, (unsigned long long)index);
	return sha256_of(&d->sha, bytes, digest, e) && bundle_add_content(p->writer, dir, bytes, e);
}

/* Heads until there is none. */
static bool
add_heads(struct pull *p, uint64_t index, struct bundle_report *line, struct err *e)
{
	struct desk *d = desk_of(p->conn);
	uint8_t(*heads)[32] = arena_alloc(&p->page, (size_t)LIMIT_PORTIONS * 32);
	if (heads == NULL)
		return err_set(e, ERR_NOMEM, "heads");
	line->heads = (const uint8_t(*)[32])heads;
	for (size_t k = 0; k < LIMIT_PORTIONS; k++) {
		struct bytes head;
		bool found = false;
		if (!store_read_part(d->view, index, STORE_PART_HEAD(k), &head, &found, e))
			return false;
		if (!found)
			break;
		if (!sha256_of(&d->sha, head, heads[line->head_count++], e) ||
		    !bundle_add_content(p->writer, BUNDLE_HEAD, head, e))
			return false;
	}
	return true;
}

static bool
add_notice(struct pull *p, uint64_t index, struct bundle_report *line, struct err *e)
{
	struct named n;
	if (!named_find(desk_of(p->conn)->view, index, &n, e))
		return false;
	line->has_notice = n.act != 0;
	return n.act == 0 || add_part(p, index, STORE_PART_NOTICE, BUNDLE_NOTICE, line->notice, e);
}

static bool
add_intake(struct pull *p, uint64_t index, const struct record *r, struct err *e)
{
	struct bundle_report line = { .index = index };
	struct slot_decision judged;
	struct body b;
	uint8_t scratch[32];
	/* the POLICY record may be before the first one asked for */
	if (!slot_get_decision(RECORD_SLOT(r, 4)->value, &judged, e) ||
	    (judged.policy != NULL &&
		!add_blob(p, STORE_POLICY, BUNDLE_POLICY, judged.policy, e)) ||
	    !event_body_parse(EVENT_INTAKE, RECORD_SLOT(r, 7)->value, &b, e) ||
	    !add_part(p, index, STORE_PART_MANIFEST, BUNDLE_MANIFEST, line.manifest, e) ||
	    !add_part(p, index, STORE_PART_ROUTING, BUNDLE_ROUTING, line.routing, e) ||
	    !add_notice(p, index, &line, e) ||
	    !add_part(p, index, STORE_PART_SEAL, BUNDLE_SEAL, scratch, e) ||
	    !add_part(p, index, STORE_PART_FACTS, BUNDLE_FACTS, scratch, e) ||
	    !add_heads(p, index, &line, e) || !bundle_add_report(p->writer, &line, e) ||
	    !add_blob(p, STORE_CHAIN, BUNDLE_CHAIN, event_body_get(&b, BODY_INTAKE_CHAIN).data, e))
		return false;
	struct bytes anchors = event_body_get(&b, BODY_INTAKE_ANCHORS);
	for (size_t i = 0; i + 32 <= anchors.len; i += 32)
		if (!add_blob(p, STORE_POLICY, BUNDLE_ANCHOR, anchors.data + i, e))
			return false;
	return true;
}

/* The export in force from here on, and the SPIFs that it rests on. */
static bool
add_policy(struct pull *p, const struct record *r, struct err *e)
{
	struct body b;
	struct bytes text;
	bool found = false;
	if (!event_body_parse(EVENT_POLICY, RECORD_SLOT(r, 7)->value, &b, e))
		return false;
	const uint8_t *digest = event_body_get(&b, BODY_POLICY_DIGEST).data;
	memcpy(p->policy, digest, sizeof(p->policy));
	p->has_policy = true;
	if (!store_read_blob(desk_of(p->conn)->view, STORE_POLICY, digest, &text, &found, e) ||
	    !add_blob(p, STORE_POLICY, BUNDLE_POLICY, digest, e))
		return false;
	uint8_t spif[32];
	while (found && policy_texts_next_spif(&text, spif))
		if (!add_blob(p, STORE_POLICY, BUNDLE_SPIF, spif, e))
			return false;
	return true;
}

/* The anchors that terms have for a party: its signature is judged by them. */
static bool
add_anchors(struct pull *p, struct bytes terms, struct bytes party, struct err *e)
{
	struct bytes line, rest;
	const char *head =
	    arena_printf(&p->page, "anchor %.*s ", (int)party.len, (const char *)party.data);
	if (head == NULL)
		return err_set(e, ERR_NOMEM, "anchors");
	while (export_line(&terms, &line)) {
		uint8_t digest[32];
		if (line.len < 64 || !export_between(line, head, "", &rest) ||
		    !bundle_unhex(bytes_from(line.data + line.len - 64, 64), digest))
			continue;
		if (!add_blob(p, STORE_POLICY, BUNDLE_ANCHOR, digest, e))
			return false;
	}
	return true;
}

/* What the parties agreed to, byte for byte, and what they signed it with. */
static bool
add_terms(struct pull *p, const struct record *r, struct err *e)
{
	struct body b;
	struct bytes terms = { NULL, 0 }, line;
	bool found = true;
	if (!event_body_parse(EVENT_AGREEMENT, RECORD_SLOT(r, 7)->value, &b, e))
		return false;
	const uint8_t *digest = event_body_get(&b, BODY_AGREEMENT_TERMS).data;
	struct bytes signers = event_body_get(&b, BODY_AGREEMENT_SIGNERS);
	if (!add_blob(p, STORE_POLICY, BUNDLE_POLICY, digest, e))
		return false;
	while (found && export_line(&signers, &line)) {
		uint8_t file[32];
		const uint8_t *blank = memchr(line.data, ' ', line.len);
		size_t name = blank == NULL ? 0 : (size_t)(blank - line.data);
		if (blank == NULL ||
		    !bundle_unhex(bytes_from(blank + 1, line.len - name - 1), file))
			return err_set(e, ERR_CORRUPT, "who signed an agreement cannot be read");
		if (is_seen(p, file)) /* by the record of another member */
			continue;
		if (terms.data == NULL && !store_read_blob(desk_of(p->conn)->view, STORE_POLICY,
					      digest, &terms, &found, e))
			return false;
		if (!add_blob(p, STORE_POLICY, BUNDLE_POLICY, file, e) ||
		    !add_anchors(p, terms, bytes_from(line.data, name), e))
			return false;
	}
	return true;
}

/* The anchors that an export has for a party. */
static bool
add_own_anchors(struct pull *p, struct bytes export, struct bytes party, struct err *e)
{
	static const char word[] = "    anchor ";
	struct bytes line, hex;
	bool inside = false;
	const char *head =
	    arena_printf(&p->page, "party %.*s {", (int)party.len, (const char *)party.data);
	if (head == NULL)
		return err_set(e, ERR_NOMEM, "anchors");
	while (export_line(&export, &line)) {
		uint8_t digest[32];
		if (inside && bytes_is(line, "}"))
			return true;
		inside = inside || bytes_is(line, head);
		if (inside && export_between(line, word, "", &hex) && bundle_unhex(hex, digest) &&
		    !add_blob(p, STORE_POLICY, BUNDLE_ANCHOR, digest, e))
			return false;
	}
	return true;
}

/* Who attested, and the anchors that this is judged by: once for each party and policy. */
static bool
add_attest(struct pull *p, const struct record *r, struct err *e)
{
	struct body b;
	struct slot_release to;
	struct bytes export;
	uint8_t once[32];
	bool found = false;
	struct desk *d = desk_of(p->conn);
	if (!event_body_parse(EVENT_ACK, RECORD_SLOT(r, 7)->value, &b, e) ||
	    !slot_get_release(RECORD_SLOT(r, 2)->value, &to, e))
		return false;
	if (!event_body_has(&b, BODY_ACK_CERTIFICATE))
		return true;
	const uint8_t *chain = event_body_get(&b, BODY_ACK_CERTIFICATE).data;
	if (!add_blob(p, STORE_CHAIN, BUNDLE_CHAIN, chain, e))
		return false;
	if (!p->has_policy)
		return true;
	sha256_begin(&d->sha);
	sha256_add(&d->sha, bytes_from(p->policy, sizeof(p->policy)));
	sha256_add(&d->sha, to.recipient);
	if (!sha256_end(&d->sha, once, e))
		return false;
	if (!unseen(p, once))
		return true;
	return store_read_blob(d->view, STORE_POLICY, p->policy, &export, &found, e) &&
	       (!found || add_own_anchors(p, export, to.recipient, e));
}

/* A DECISION behind its INTAKE has the facts of that; one of backfill its own. */
static bool
add_backfilled(struct pull *p, uint64_t index, struct err *e)
{
	struct bytes facts;
	bool found = false;
	if (!store_read_part(desk_of(p->conn)->view, index, STORE_PART_FACTS, &facts, &found, e))
		return false;
	return !found || bundle_add_content(p->writer, BUNDLE_FACTS, facts, e);
}

static bool
add_contents(struct pull *p, uint64_t index, struct bytes entry, struct err *e)
{
	struct record r;
	struct slot_common common;
	uint8_t leaf[32], scratch[32];
	if (!record_entry_parse(entry, &r, leaf, e) ||
	    !slot_get_common(RECORD_SLOT(&r, 1)->value, &common, e))
		return false;
	if (common.type == EVENT_INTAKE)
		return add_intake(p, index, &r, e);
	if (common.type == EVENT_POLICY)
		return add_policy(p, &r, e);
	if (common.type == EVENT_AGREEMENT)
		return add_terms(p, &r, e);
	if (common.type == EVENT_ACK)
		return add_attest(p, &r, e);
	if (common.type == EVENT_DECISION)
		return add_backfilled(p, index, e);
	if (common.type == EVENT_NARROWED || common.type == EVENT_APPROVAL)
		return add_part(p, index, STORE_PART_FACTS, BUNDLE_FACTS, scratch, e);
	return true;
}

/* ---- steps ---- */

static bool
begin(struct pull *p, struct err *e)
{
	struct desk *d = desk_of(p->conn);
	struct heads now;
	if (!heads_settled(d, &now, e))
		return false;
	if (now.size < p->wait || now.size == 0)
		return true;
	struct bundle_about about = {
		.origin = d->shell->origin, .size = now.size, .first = p->first
	};
	if (!p->hub)
		about.party = bytes_of(p->conn->peer->party);
	p->size = now.size;
	p->begun = true;
	return arena_copy(&p->memory, now.note, &p->note, e) &&
	       bundle_writer_new(&d->sha, &about, (struct bundle_sink){ emit, p }, &p->writer, e);
}

/* One record, with what belongs to it: heads and facts of one report can have some megabytes, so
 * each has an arena of its own. */
static bool
add_record(struct pull *p, struct bytes entry, struct err *e)
{
	struct store_view *v = desk_of(p->conn)->view;
	unsigned opened = 0;
	if (!bundle_add(p->writer, entry, &opened, e))
		return false;
	if (!p->hub || opened == 0)
		return true;
	arena_init(&p->page, PULL_ARENA);
	bool ok = store_view_open(v, &p->page, e) && add_contents(p, p->next, entry, e);
	store_view_close(v);
	arena_done(&p->page);
	return ok;
}

static bool
read_page(struct pull *p, struct arena *a, struct bytes *entries, size_t *count, struct err *e)
{
	struct store_view *v = desk_of(p->conn)->view;
	if (p->size - p->next < *count)
		*count = (size_t)(p->size - p->next);
	bool ok = store_view_open(v, a, e) &&
		  store_read_entries(v, p->next, PULL_BYTES, entries, count, e);
	store_view_close(v);
	return ok && (*count > 0 || err_set(e, ERR_CORRUPT, "the log ends early"));
}

/* As many as the connection has room for, one at least. */
static bool
add_page(struct pull *p, struct err *e)
{
	struct bytes entries[PULL_PAGE];
	size_t count = PULL_PAGE;
	struct arena memory;
	arena_init(&memory, 8 * PULL_BYTES);
	bool ok = read_page(p, &memory, entries, &count, e);
	for (size_t i = 0; ok && i < count && (i == 0 || conn_room(p->conn, 0) > 0); i++) {
		ok = add_record(p, entries[i], e);
		p->next++;
	}
	arena_done(&memory);
	return ok;
}

static bool
finish(struct pull *p, struct err *e)
{
	struct desk *d = desk_of(p->conn);
	struct note n;
	struct checkpoint cp;
	if (!note_parse(&p->memory, p->note, &n, e) || !checkpoint_parse(n.text, &cp, e) ||
	    !bundle_finish(p->writer, p->note, d->shell->log_key, cp.root, e))
		return false;
	return send_part(p, "bundle", (struct bytes){ NULL, 0 }, true, e);
}

/* False in p->begun: no head was published yet that covers what was asked for. */
static bool
try_begin(struct pull *p, struct err *e)
{
	struct store_view *v = desk_of(p->conn)->view;
	arena_init(&p->page, PULL_ARENA);
	bool ok = store_view_open(v, &p->page, e) && begin(p, e);
	store_view_close(v);
	arena_done(&p->page);
	return ok;
}

static bool
step(struct pull *p, bool *over, struct err *e)
{
	if (!p->begun && !try_begin(p, e))
		return false;
	while (p->begun && p->next < p->size) {
		if (conn_room(p->conn, 0) == 0) {
			conn_want_room(p->conn);
			return true;
		}
		if (!add_page(p, e))
			return false;
	}
	*over = p->begun;
	return !*over || finish(p, e);
}

void
pull_step(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	struct pull *p = c->session == NULL ? NULL : c->session->pull;
	struct err e = { 0 };
	bool over = false;
	if (p == NULL || p->wait == UINT64_MAX || c->state != CONN_READY)
		return;
	if (c->judged != c->worker->trust_serial) {
		conn_want_turn(c); /* it is judged meanwhile */
		return;
	}
	if ((c->peer->roles & ROLE_AUDIT) == 0) {
		conn_fail(c, p->request, &(struct complaint){ .code = ERR_ROLE });
		return;
	}
	bool ok = step(p, &over, &e);
	if (!ok) {
		log_error("export.failed", "why=%s", log_quote_text(e.text));
		conn_fail(c, p->request, &(struct complaint){ .code = desk_our_fault(&e) });
	}
	if (over || !ok) {
		c->session->pull = NULL;
		pull_free(p);
	}
}
