/*
 * apply_agreements.c - which agreements of a new ruleset the log accepts, and what it tells the
 * parties (DESIGN section 7, "Terms"; docs/audit-format.md, type 14).
 */
#include "daemon/role.h"
#include "daemon/rules_step.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>

enum { NAME_ROOM = sizeof(((struct job_rules_at *)NULL)->note) };

/* What the log knows of an agreement, as a note: version, state, suspension, terms and, if they
 * were signed, the SHA-256 of the lines that say by whom.  One says what was last accepted under
 * its name, one for each party what that party was last told. */
enum { KNOWN_BYTES = 8 + 1 + 1 + 32, SIGNED_BYTES = 32 };
struct known {
	uint8_t bytes[KNOWN_BYTES + SIGNED_BYTES];
	size_t len;
};

static struct known
known_of(const struct agreement *g)
{
	struct known k = { .len = KNOWN_BYTES };
	put_u64(k.bytes, g->version);
	k.bytes[8] = (uint8_t)g->state;
	k.bytes[9] = g->suspended;
	memcpy(k.bytes + 10, g->terms, sizeof(g->terms));
	if (g->signed_by.len > 0) {
		SHA256(g->signed_by.data, g->signed_by.len, k.bytes + KNOWN_BYTES);
		k.len += SIGNED_BYTES;
	}
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

/* 'signed_by' is what the digest in the note stands for. */
static bool
parse_known(struct rules_step *s, struct bytes row, struct agreement *out, struct err *e)
{
	struct agreement was = { 0 };
	struct cursor c = cursor_over(row);
	was.version = cursor_u64(&c);
	was.state = (enum agreement_state)cursor_u8(&c);
	was.suspended = cursor_u8(&c) != 0;
	cursor_copy(&c, was.terms, sizeof(was.terms));
	struct bytes signers = cursor_take(&c, c.left == 0 ? 0 : SIGNED_BYTES);
	bool found = true;
	if (!cursor_finished(&c))
		return err_set(e, ERR_CORRUPT, "the note on an agreement has %zu bytes", row.len);
	if (signers.len > 0 && !store_read_blob(store_batch_view(s->c->ledger->store), STORE_POLICY,
				   signers.data, &was.signed_by, &found, e))
		return false;
	*out = was;
	return found || err_set(e, ERR_CORRUPT, "who signed an agreement is not in the store");
}

/* ---- what may not be taken back ---- */

/* *why: what of the note 'g' takes back.  Untouched if there is none. */
struct comparison {
	const struct agreement *of;
	const char *why;
	struct bytes signed_by; /* of the same terms, when they were accepted */
};
static bool
compare(struct rules_step *s, const char *note, struct comparison *x, struct err *e)
{
	struct bytes row;
	struct agreement was;
	bool found;
	s->work++;
	if (!store_read_note(store_batch_view(s->c->ledger->store), note, &row, &found, e))
		return false;
	if (!found)
		return true;
	if (!parse_known(s, row, &was, e))
		return false;
	x->why = agreement_takes_back(x->of, &was);
	if (memcmp(was.terms, x->of->terms, sizeof(was.terms)) == 0 && was.signed_by.len > 0)
		x->signed_by = was.signed_by;
	return true;
}

/* Signatures are judged once: at the record that accepts them.  Terms that were accepted as signed
 * stay so, whatever becomes of the files and certificates. */
static bool
judge_signatures(
    struct rules_step *s, const struct agreement *g, struct bytes before, struct err *e)
{
	const struct ledger *l = s->c->ledger;
	uint64_t at = (l->now_us > l->log.time ? l->now_us : l->log.time) / 1000000;
	struct bytes lines = before;
	if (before.len == 0 && g->signed_by.len > 0 && (int64_t)at >= g->signed_from &&
	    (int64_t)at < g->signed_until)
		lines = g->signed_by;
	if (lines.len > 0)
		return epoch_accept_signatures(s->rules->epoch, g->index, lines, e);
	epoch_refuse_signatures(s->rules->epoch, g->index);
	return true;
}

/* What members were told is all that a store from before there were notes of what was accepted has.
 */
static bool
judge(struct rules_step *s, const struct agreement *g, struct err *e)
{
	char note[NAME_ROOM];
	struct comparison x = { .of = g };
	name_accepted(g, note);
	if (!compare(s, note, &x, e))
		return false;
	for (size_t i = 0; x.why == NULL && i < g->member_count; i++) {
		name_told(s->rules->party_ids[g->members[i].party->index], g, note);
		if (!compare(s, note, &x, e))
			return false;
	}
	epoch_refuse_agreement(s->rules->epoch, g->index, x.why);
	return g->signers.count == 0 || judge_signatures(s, g, x.signed_by, e);
}

bool
apply_agreements_judge(struct rules_step *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	const struct epoch *epoch = s->rules->epoch;
	for (; s->at->item < epoch_agreement_count(epoch) && !step_spent(s); s->at->item++)
		if (!judge(s, epoch_agreement_at(epoch, s->at->item), e))
			return false;
	return true;
}

/* ---- what parties are told ---- */

static bool
put_record(struct rules_step *s, const struct agreement *g, struct roll_party *p, struct err *e)
{
	struct record r;
	struct body b;
	struct log_out out;
	struct arena *a = &s->c->ledger->scratch;
	struct apply_begin begin = { .type = EVENT_AGREEMENT };
	struct ledger_place at = { .recipient = p };
	event_body_begin(&b, EVENT_AGREEMENT);
	event_body_bytes(&b, BODY_AGREEMENT_PARTY, bytes_of(p->name));
	event_body_bytes(&b, BODY_AGREEMENT_NAME, g->name);
	event_body_uint(&b, BODY_AGREEMENT_VERSION, g->version);
	event_body_bytes(&b, BODY_AGREEMENT_TERMS, bytes_from(g->terms, sizeof(g->terms)));
	event_body_enum(&b, BODY_AGREEMENT_STATE, g->state);
	event_body_enum(&b, BODY_AGREEMENT_SUSPENDED, g->suspended ? 2 : 1);
	if (g->signed_by.len > 0)
		event_body_bytes(&b, BODY_AGREEMENT_SIGNERS, g->signed_by);
	s->work += STEP_RECORD;
	return apply_record(s->c, &begin, &r, e) && record_set_body(&r, a, &b, e) &&
	       ledger_append(s->c->ledger, &r, &at, &out, e);
}

/* *news: the note said something else, or nothing. */
static bool
put_known(
    struct rules_step *s, const char *note, const struct agreement *g, bool *news, struct err *e)
{
	struct known now = known_of(g);
	struct bytes was, is = bytes_from(now.bytes, now.len);
	struct ledger *l = s->c->ledger;
	bool found = false;
	s->work++;
	if (!store_read_note(store_batch_view(l->store), note, &was, &found, e))
		return false;
	*news = !found || !bytes_equal(was, is);
	l->dirty |= *news;
	return !*news || store_put_note(l->store, note, is, e);
}

static bool
tell_member(struct rules_step *s, const struct agreement *g, size_t i, struct err *e)
{
	char note[NAME_ROOM];
	uint32_t id = s->rules->party_ids[g->members[i].party->index];
	struct roll_party *p = roll_find(&s->c->ledger->roll, id);
	bool news;
	name_told(id, g, note);
	if (p == NULL)
		return err_set(e, ERR_INTERNAL, "a member is not on the roll");
	return put_known(s, note, g, &news, e) && (!news || put_record(s, g, p, e));
}

static bool
put_signatures(struct rules_step *s, const struct agreement *g, struct err *e)
{
	uint8_t digest[STORE_HASH_BYTES];
	struct store *store = s->c->ledger->store;
	for (size_t i = 0; i < g->signers.count; i++)
		if (g->signatures[i].why == NULL &&
		    !store_put_blob(store, STORE_POLICY, g->signatures[i].file, digest, e))
			return false;
	s->work += g->signers.count;
	return store_put_blob(store, STORE_POLICY, g->signed_by, digest, e);
}

/* What is accepted is noted with the first member that is told, in one step: who is stopped between
 * two members takes back nothing that the log says, and refuses nothing that it does not. */
static bool
accept(struct rules_step *s, const struct agreement *g, struct err *e)
{
	char note[NAME_ROOM];
	bool news;
	name_accepted(g, note);
	return put_known(s, note, g, &news, e) &&
	       (!news || g->signed_by.len == 0 || put_signatures(s, g, e));
}

static bool
tell(struct rules_step *s, const struct agreement *g, struct err *e)
{
	if (s->at->inner == 0 && !accept(s, g, e))
		return false;
	for (; s->at->inner < g->member_count && (s->at->inner == 0 || !step_spent(s));
	     s->at->inner++)
		if (!tell_member(s, g, s->at->inner, e))
			return false;
	return true;
}

static bool
is_accepted(const struct agreement *g)
{
	return g->refused == NULL && g->has_terms && !g->unsigned_;
}

bool
apply_agreements_told(struct rules_step *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	const struct epoch *epoch = s->rules->epoch;
	for (; s->at->item < epoch_agreement_count(epoch); s->at->item++, s->at->inner = 0) {
		const struct agreement *g = epoch_agreement_at(epoch, s->at->item);
		/* signatures are judged at the time of the record, which steps may have put off */
		if (g->signers.count > 0 && s->at->inner == 0 && !judge(s, g, e))
			return false;
		if (is_accepted(g) && !tell(s, g, e))
			return false;
		if (step_spent(s))
			return true;
	}
	return true;
}

/* Whose note it is, and the agreement as it was told. */
static bool
parse_told(struct rules_step *s, const struct store_note *n, uint32_t *party, struct agreement *was,
    struct err *e)
{
	int at = 0;
	const char *text = (const char *)n->name.data; /* what a view gives out ends in a NUL */
	if (sscanf(text, "agreement/%" SCNu32 "/%n", party, &at) != 1 || at == 0)
		return err_set(e, ERR_CORRUPT, "a note on an agreement is named '%s'", text);
	if (!parse_known(s, n->value, was, e))
		return false;
	was->name = bytes_of(text + at);
	return true;
}

/* Whether the party has lost it.  What was not accepted takes nothing from anybody. */
static bool
is_lost(const struct ruleset *rules, const struct agreement *was, const struct roll_party *p)
{
	const struct agreement *g = epoch_agreement(rules->epoch, was->name);
	if (g == NULL)
		return true;
	return is_accepted(g) && agreement_member(g, bytes_of(p->name)) == NULL;
}

/* An agreement that left the policy, or that the party left: what the party was last told it is
 * told once more, as suspended.  That is true, and stands in the way of no return. */
static bool
put_loss(struct rules_step *s, const struct store_note *n, struct err *e)
{
	struct agreement was;
	uint32_t party;
	char note[NAME_ROOM];
	bool news;
	if (!parse_told(s, n, &party, &was, e))
		return false;
	struct roll_party *p = roll_find(&s->c->ledger->roll, party);
	if (was.suspended || p == NULL || !is_lost(s->rules, &was, p))
		return true;
	was.suspended = true;
	name_told(party, &was, note);
	return put_known(s, note, &was, &news, e) && put_record(s, &was, p, e);
}

bool
apply_agreements_lost(struct rules_step *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	return apply_rules_notes(s, "agreement/", put_loss, e);
}
