/*
 * apply_agreements.c - which agreements of a new ruleset the log accepts, and what it tells their
 * members (DESIGN section 7, "Terms"; docs/audit-format.md, type 14).
 */
#include "daemon/batch.h"
#include "daemon/ruleset.h"

#include <inttypes.h>

enum { NAME_ROOM = 128 }; /* of a note: more than the store takes */

/* What the log knows of an agreement, as a note: version, state, suspension, terms.  One says what
 * was last accepted under its name, one for each member what that member was last told. */
struct known {
	uint8_t bytes[8 + 1 + 1 + 32];
};

static struct known
known_of(const struct agreement *g)
{
	struct known k = { { 0 } };
	put_u64(k.bytes, g->version);
	k.bytes[8] = (uint8_t)g->state;
	k.bytes[9] = g->suspended;
	memcpy(k.bytes + 10, g->terms, sizeof(g->terms));
	return k;
}

static void
name_accepted(const struct agreement *g, char out[NAME_ROOM])
{
	(void)snprintf(out, NAME_ROOM, "terms/%.*s", (int)g->name.len, (const char *)g->name.data);
}

static void
name_told(uint32_t party, const struct agreement *g, char out[NAME_ROOM])
{
	(void)snprintf(out, NAME_ROOM, "agreement/%" PRIu32 "/%.*s", party, (int)g->name.len,
	    (const char *)g->name.data);
}

/* ---- what may not be taken back ---- */

static bool
read_known(struct committer *c, const char *note, struct agreement_accepted *out, bool *found,
    struct err *e)
{
	struct bytes row;
	struct agreement_accepted was = { 0 };
	if (!store_read_note(store_batch_view(c->ledger->store), note, &row, found, e))
		return false;
	if (!*found)
		return true;
	struct cursor r = cursor_over(row);
	was.version = cursor_u64(&r);
	was.state = (enum agreement_state)cursor_u8(&r);
	(void)cursor_u8(&r); /* a suspension comes and goes */
	cursor_copy(&r, was.terms, sizeof(was.terms));
	if (!cursor_finished(&r))
		return err_set(e, ERR_CORRUPT, "note '%s' of %zu bytes", note, row.len);
	*out = was;
	return true;
}

/* A store from before there were notes of what was accepted has those of what members were told. */
static bool
judge(struct committer *c, struct ruleset *rules, const struct agreement *g, struct err *e)
{
	char note[NAME_ROOM];
	struct agreement_accepted was;
	bool known;
	name_accepted(g, note);
	if (!read_known(c, note, &was, &known, e))
		return false;
	const char *why = known ? agreement_takes_back(g, &was) : NULL;
	for (size_t i = 0; !known && why == NULL && i < g->member_count; i++) {
		bool told;
		name_told(rules->party_ids[g->members[i].party->index], g, note);
		if (!read_known(c, note, &was, &told, e))
			return false;
		why = told ? agreement_takes_back(g, &was) : NULL;
	}
	epoch_refuse_agreement(rules->epoch, g->index, why);
	return true;
}

/* ---- what its members are told ---- */

static bool
put_record(struct committer *c, const struct agreement *g, struct roll_party *p, struct err *e)
{
	struct record r;
	struct body b;
	struct log_out out;
	struct arena *a = &c->ledger->scratch;
	struct apply_begin begin = { .type = EVENT_AGREEMENT };
	struct ledger_place at = { .recipient = p };
	event_body_begin(&b, EVENT_AGREEMENT);
	event_body_bytes(&b, BODY_AGREEMENT_PARTY, bytes_of(p->name));
	event_body_bytes(&b, BODY_AGREEMENT_NAME, g->name);
	event_body_uint(&b, BODY_AGREEMENT_VERSION, g->version);
	event_body_bytes(&b, BODY_AGREEMENT_TERMS, bytes_from(g->terms, sizeof(g->terms)));
	event_body_enum(&b, BODY_AGREEMENT_STATE, g->state);
	event_body_enum(&b, BODY_AGREEMENT_SUSPENDED, g->suspended ? 2 : 1);
	return apply_record(c, &begin, &r, e) && record_set_body(&r, a, &b, e) &&
	       ledger_append(c->ledger, &r, &at, &out, e);
}

/* *news: the note said something else, or nothing. */
static bool
put_known(
    struct committer *c, const char *note, const struct agreement *g, bool *news, struct err *e)
{
	struct known now = known_of(g);
	struct bytes was, is = bytes_from(now.bytes, sizeof(now.bytes));
	bool found = false;
	if (!store_read_note(store_batch_view(c->ledger->store), note, &was, &found, e))
		return false;
	*news = !found || !bytes_equal(was, is);
	return !*news || store_put_note(c->ledger->store, note, is, e);
}

static bool
put_agreement(
    struct committer *c, const struct ruleset *rules, const struct agreement *g, struct err *e)
{
	char note[NAME_ROOM];
	bool news;
	for (size_t i = 0; i < g->member_count; i++) {
		uint32_t id = rules->party_ids[g->members[i].party->index];
		struct roll_party *p = roll_find(&c->ledger->roll, id);
		name_told(id, g, note);
		if (p == NULL)
			return err_set(e, ERR_INTERNAL, "a member is not on the roll");
		if (!put_known(c, note, g, &news, e) || (news && !put_record(c, g, p, e)))
			return false;
	}
	name_accepted(g, note);
	return put_known(c, note, g, &news, e);
}

bool
apply_agreements(struct committer *c, struct ruleset *rules, struct err *e)
{
	for (size_t i = 0; i < epoch_agreement_count(rules->epoch); i++) {
		const struct agreement *g = epoch_agreement_at(rules->epoch, i);
		if (!judge(c, rules, g, e))
			return false;
		if (g->refused == NULL && g->has_terms && !put_agreement(c, rules, g, e))
			return false;
	}
	return true;
}
