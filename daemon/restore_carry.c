#include "daemon/restore_carry.h"

#include "proto/arena.h"
#include "proto/uuid.h"

#include <inttypes.h>
#include <string.h>

enum { PAGE = 64, PAGES_A_BATCH = 64, ARENA = 32 << 20 };

/* ---- ids ---- */

void
old_id_name(const struct store_report_key *key, char out[OLD_NAME_ROOM])
{
	int n = snprintf(out, OLD_NAME_ROOM, "old/%08" PRIx32 "/", key->originator);
	for (size_t i = 0; i < sizeof(key->id); i++)
		(void)snprintf(out + (size_t)n + 2 * i, 3, "%02x", key->id[i]);
}

static bool
parse_old(struct bytes row, struct old_id *out, struct err *e)
{
	struct cursor c = cursor_over(row);
	struct old_id v;
	cursor_copy(&c, v.manifest, sizeof(v.manifest));
	v.accepted_us = cursor_u64(&c);
	if (!cursor_finished(&c))
		return err_set(e, ERR_CORRUPT, "the note on an old id has %zu bytes", row.len);
	*out = v;
	return true;
}

bool
old_id_taken(struct store_view *v, const struct store_report *r, bool *taken, struct err *e)
{
	char name[OLD_NAME_ROOM];
	struct bytes row;
	struct old_id old;
	bool found = false;
	old_id_name(&r->key, name);
	if (!store_read_note(v, name, &row, &found, e) || (found && !parse_old(row, &old, e)))
		return false;
	*taken = found && memcmp(old.manifest, r->manifest, sizeof(old.manifest)) != 0;
	return true;
}

bool
old_id_any(struct store_view *v, bool *any, struct err *e)
{
	struct store_note one;
	size_t count = 1;
	if (!store_read_notes(v, bytes_of("old/"), &one, &count, e))
		return false;
	*any = count > 0;
	return true;
}

/* ---- reading and writing in pages ---- */

struct paging {
	struct arena read, write;
};

static bool
begin(struct carry *c, struct paging *p, struct err *e)
{
	arena_init(&p->read, ARENA);
	arena_init(&p->write, ARENA);
	return store_begin(c->to, &p->write, e);
}

static bool
commit(struct carry *c, struct paging *p, bool ok, struct err *e)
{
	struct store_stamp none = { 0 };
	if (ok)
		ok = store_commit(c->to, c->fence, &none, e);
	else
		store_abort(c->to);
	arena_done(&p->read);
	arena_done(&p->write);
	return ok;
}

/* The party's number in the new store. */
static bool
map_party(struct carry *c, uint32_t was, uint32_t *is, struct err *e)
{
	struct bytes name;
	bool found = false;
	if (!store_name_text(c->view, STORE_NAME_PARTY, was, &name, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "party %" PRIu32 " has no name", was);
	return store_name(c->to, STORE_NAME_PARTY, name, is, e);
}

static bool
put_id(struct carry *c, const struct store_report_key *was, const struct old_id *v, struct err *e)
{
	char name[OLD_NAME_ROOM];
	uint8_t row[STORE_HASH_BYTES + 8];
	struct store_report_key key = *was;
	if (v->accepted_us < c->keep_from_us)
		return true;
	if (!map_party(c, was->originator, &key.originator, e))
		return false;
	old_id_name(&key, name);
	memcpy(row, v->manifest, STORE_HASH_BYTES);
	put_u64(row + STORE_HASH_BYTES, v->accepted_us);
	c->ids++;
	return store_put_note(c->to, name, bytes_from(row, sizeof(row)), e);
}

/* A page of reports; *more false at the end. */
static bool
id_page(struct carry *c, struct store_report_key *at, bool *begun, bool *more, struct err *e)
{
	struct store_report page[PAGE];
	size_t count = PAGE;
	if (!store_read_reports(c->view, *begun ? at : NULL, page, &count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct old_id v = { .accepted_us = page[i].accepted_us };
		memcpy(v.manifest, page[i].manifest, sizeof(v.manifest));
		if (!put_id(c, &page[i].key, &v, e))
			return false;
		*at = page[i].key;
	}
	*begun = true;
	*more = count == PAGE;
	return true;
}

static bool
parse_name(struct bytes name, struct store_report_key *out)
{
	char text[OLD_NAME_ROOM];
	unsigned byte;
	int at = 0;
	if (name.len >= sizeof(text))
		return false;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	if (sscanf(text, "old/%8" SCNx32 "/%n", &out->originator, &at) != 1 || at != 13 ||
	    name.len != 13 + 32)
		return false;
	for (size_t i = 0; i < sizeof(out->id); i++) {
		if (sscanf(text + 13 + 2 * i, "%2x", &byte) != 1)
			return false;
		out->id[i] = (uint8_t)byte;
	}
	return true;
}

/* Those that the copy itself has from before: a second restore forgets nothing. */
static bool
old_page(struct carry *c, char at[OLD_NAME_ROOM], bool *more, struct err *e)
{
	struct store_note page[PAGE];
	size_t count = PAGE;
	if (!store_read_notes(c->view, bytes_of(at), page, &count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct store_report_key key;
		struct old_id v;
		if (!parse_name(page[i].name, &key))
			return err_set(e, ERR_CORRUPT, "a note on an old id has another name");
		if (!parse_old(page[i].value, &v, e) || !put_id(c, &key, &v, e))
			return false;
		(void)snprintf(at, OLD_NAME_ROOM, "%.*s", (int)page[i].name.len,
		    (const char *)page[i].name.data);
	}
	*more = count == PAGE;
	return true;
}

struct id_walk {
	struct store_report_key at;
	char name[OLD_NAME_ROOM];
	bool begun, reports, olds; /* still to come */
};

static bool
id_batch(struct carry *c, struct id_walk *w, struct err *e)
{
	struct paging p;
	bool ok = begin(c, &p, e);
	for (unsigned i = 0; ok && i < PAGES_A_BATCH && (w->reports || w->olds); i++) {
		ok = store_view_open(c->view, &p.read, e) &&
		     (w->reports ? id_page(c, &w->at, &w->begun, &w->reports, e)
				 : old_page(c, w->name, &w->olds, e));
		store_view_close(c->view);
	}
	return commit(c, &p, ok, e);
}

bool
carry_ids(struct carry *c, struct err *e)
{
	struct id_walk w = { .name = "old/", .reports = true, .olds = true };
	while (w.reports || w.olds)
		if (!id_batch(c, &w, e))
			return false;
	return true;
}

/* ---- agreements ---- */

static bool
carry_blob(
    struct carry *c, const uint8_t digest[STORE_HASH_BYTES], struct bytes *out, struct err *e)
{
	uint8_t is[STORE_HASH_BYTES];
	bool found = false;
	if (!store_read_blob(c->view, STORE_POLICY, digest, out, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "what an agreement was signed with is not there");
	return store_put_blob(c->to, STORE_POLICY, *out, is, e);
}

static int
nibble(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Who signed it: the lines "PARTY hex", and the file of each. */
static bool
carry_signers(struct carry *c, const uint8_t digest[STORE_HASH_BYTES], struct err *e)
{
	struct bytes lines, file;
	if (!carry_blob(c, digest, &lines, e))
		return false;
	while (lines.len > 0) {
		const uint8_t *lf = memchr(lines.data, '\n', lines.len);
		size_t len = lf == NULL ? lines.len : (size_t)(lf - lines.data);
		uint8_t of[STORE_HASH_BYTES];
		bool good = lf != NULL && len > 64;
		for (size_t i = 0; good && i < 64; i++) {
			int v = nibble(lines.data[len - 64 + i]);
			good = v >= 0;
			of[i / 2] = (uint8_t)(i % 2 == 0 ? v << 4 : of[i / 2] | v);
		}
		if (!good)
			return err_set(e, ERR_CORRUPT, "who signed an agreement cannot be read");
		if (!carry_blob(c, of, &file, e))
			return false;
		lines = bytes_from(lines.data + len + 1, lines.len - len - 1);
	}
	return true;
}

/* terms/NAME: version u64, state, suspension, terms digest, and perhaps the digest of who signed
 * (apply_agreements.c). */
static bool
carry_agreement(struct carry *c, const struct store_note *n, struct err *e)
{
	enum { PLAIN = 8 + 1 + 1 + STORE_HASH_BYTES };
	char name[128];
	if (n->value.len == PLAIN + STORE_HASH_BYTES && !carry_signers(c, n->value.data + PLAIN, e))
		return false;
	(void)snprintf(name, sizeof(name), "%.*s", (int)n->name.len, (const char *)n->name.data);
	c->agreements++;
	return store_put_note(c->to, name, n->value, e);
}

static bool
agreement_batch(struct carry *c, char after[128], bool *more, struct err *e)
{
	struct store_note page[PAGE];
	size_t count = PAGE;
	struct paging p;
	bool ok = begin(c, &p, e) && store_view_open(c->view, &p.read, e) &&
		  store_read_notes(c->view, bytes_of(after), page, &count, e);
	for (size_t i = 0; ok && i < count; i++) {
		ok = carry_agreement(c, &page[i], e);
		(void)snprintf(
		    after, 128, "%.*s", (int)page[i].name.len, (const char *)page[i].name.data);
	}
	*more = ok && count == PAGE;
	store_view_close(c->view);
	return commit(c, &p, ok, e);
}

bool
carry_agreements(struct carry *c, struct err *e)
{
	char after[128] = "terms/";
	for (bool more = true; more;)
		if (!agreement_batch(c, after, &more, e))
			return false;
	return true;
}

/* ---- what waited ---- */

static bool
tell_one(
    struct carry *c, const struct store_report_key *key, uint32_t party, FILE *to, struct err *e)
{
	struct bytes from, for_whom;
	bool a = false, b = false;
	char id[UUID_TEXT + 1];
	if (!store_name_text(c->view, STORE_NAME_PARTY, key->originator, &from, &a, e) ||
	    !store_name_text(c->view, STORE_NAME_PARTY, party, &for_whom, &b, e))
		return false;
	if (!a || !b)
		return err_set(e, ERR_CORRUPT, "something waits for a party without a name");
	uuid_print(key->id, id);
	c->waiting++;
	(void)fprintf(to, "waited %s from %.*s for %.*s\n", id, (int)from.len,
	    (const char *)from.data, (int)for_whom.len, (const char *)for_whom.data);
	return true;
}

static bool
tell_queues(struct carry *c, const uint32_t *owners, size_t owner_count, FILE *to, struct err *e)
{
	struct store_queued page[PAGE];
	struct store_queue_key after;
	size_t count = PAGE;
	for (bool begun = false; count == PAGE; begun = true) {
		if (!store_read_queues(c->view, begun ? &after : NULL, page, &count, e))
			return false;
		for (size_t i = 0; i < count; i++) {
			uint32_t sub = page[i].key.subscription;
			after = page[i].key;
			if (sub >= owner_count || owners[sub] == 0)
				return err_set(e, ERR_CORRUPT, "a queue of no subscription");
			if (!tell_one(c, &page[i].report, owners[sub], to, e))
				return false;
		}
	}
	return true;
}

static bool
tell_holds(struct carry *c, FILE *to, struct err *e)
{
	struct store_held page[PAGE], after;
	size_t count = PAGE;
	for (bool begun = false; count == PAGE; begun = true) {
		if (!store_read_holds(c->view, begun ? &after : NULL, page, &count, e))
			return false;
		for (size_t i = 0; i < count; i++) {
			after = page[i];
			if (!tell_one(c, &page[i].report, page[i].party, to, e))
				return false;
		}
	}
	return true;
}

/* They wait for an operator: whoever is told of what waited is told of them. */
static bool
tell_letters(struct carry *c, FILE *to, struct err *e)
{
	struct store_letter page[PAGE];
	struct store_letter_key from;
	size_t count = PAGE;
	for (bool begun = false; count == PAGE; begun = true) {
		if (!store_read_letters(c->view, begun ? &from : NULL, page, &count, e))
			return false;
		for (size_t i = 0; i < count; i++) {
			from = page[i].key;
			if (!tell_one(c, &from.report, from.party, to, e))
				return false;
		}
		from.subscription++;
	}
	return true;
}

/* Which party each subscription is of, by its number. */
static bool
read_owners(struct carry *c, struct arena *a, uint32_t **owners, size_t *owner_count, struct err *e)
{
	struct store_subscription page[PAGE];
	uint32_t last = 0;
	size_t count = PAGE;
	*owners = NULL;
	*owner_count = 0;
	while (count == PAGE) {
		if (!store_read_subscriptions(c->view, last, page, &count, e))
			return false;
		if (count == 0)
			break;
		last = page[count - 1].id;
		uint32_t *more = arena_zalloc(a, (size_t)last + 1, sizeof(*more));
		if (more == NULL)
			return err_set(e, ERR_NOMEM, "subscriptions");
		if (*owner_count > 0)
			memcpy(more, *owners, *owner_count * sizeof(*more));
		*owners = more;
		*owner_count = (size_t)last + 1;
		for (size_t i = 0; i < count; i++)
			more[page[i].id] = page[i].party;
	}
	return true;
}

bool
carry_tell_waiting(struct carry *c, FILE *to, struct err *e)
{
	struct arena a;
	uint32_t *owners;
	size_t owner_count;
	arena_init(&a, 1u << 30);
	bool ok = store_view_open(c->view, &a, e) && read_owners(c, &a, &owners, &owner_count, e) &&
		  tell_queues(c, owners, owner_count, to, e) && tell_letters(c, to, e) &&
		  tell_holds(c, to, e);
	store_view_close(c->view);
	arena_done(&a);
	return ok;
}
