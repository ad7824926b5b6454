/*
 * apply_signers.c - which certificates have signed accepted reports, and what the log tells their
 * parties when new rules no longer believe one (docs/audit-format.md, type 15).
 * A note at the first INTAKE, signer/PARTY/HEX, spares a walk over the log; it is dropped when the
 * chain has expired, since nobody signs with that any more.
 */
#include "daemon/role.h"
#include "daemon/rules_step.h"

#include <inttypes.h>
#include <stdio.h>

enum { JUDGED = 64 }; /* the work of judging a chain: some hundred microseconds */

struct signer {
	enum key_act act; /* as the party knows it; an INTAKE counts as KEY_ADDED */
	uint8_t chain[32];
	uint64_t accepted_s, until_s;
};

static bool
put(struct ledger *l, const char *note, const struct signer *v, struct err *e)
{
	uint8_t row[1 + 32 + 8 + 8] = { (uint8_t)v->act };
	memcpy(row + 1, v->chain, 32);
	put_u64(row + 33, v->accepted_s);
	put_u64(row + 41, v->until_s);
	return store_put_note(l->store, note, bytes_from(row, sizeof(row)), e);
}

static bool
parse(struct bytes row, struct signer *v, struct err *e)
{
	struct cursor c = cursor_over(row);
	v->act = (enum key_act)cursor_u8(&c);
	cursor_copy(&c, v->chain, sizeof(v->chain));
	v->accepted_s = cursor_u64(&c);
	v->until_s = cursor_u64(&c);
	return cursor_finished(&c) ||
	       err_set(e, ERR_CORRUPT, "the note on a signer has %zu bytes", row.len);
}

bool
apply_signers_note(
    struct committer *c, struct roll_party *publisher, const struct job_publish *p, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	char note[sizeof(((struct job_rules_at *)NULL)->note)], hex[65];
	struct bytes was;
	bool found = false;
	if (memcmp(publisher->signer, p->signer, sizeof(p->signer)) == 0)
		return true;
	apply_keys_hex(p->signer, hex);
	(void)snprintf(note, sizeof(note), "signer/%" PRIu32 "/%s", publisher->id, hex);
	struct signer v = { .act = KEY_ADDED,
		.accepted_s = p->accepted_us / 1000000,
		.until_s = p->signer_until_us / 1000000 };
	memcpy(v.chain, p->report.chain, sizeof(v.chain));
	if (!store_read_note(store_batch_view(c->ledger->store), note, &was, &found, e) ||
	    (!found && !put(c->ledger, note, &v, e)))
		return false;
	memcpy(publisher->signer, p->signer, sizeof(p->signer));
	return true;
}

/* What a judgement tells; 0: nothing for ever, the party's files cannot be used at present. */
static enum key_act
act_of(enum chain_fault fault)
{
	switch ((int)fault) {
	case CHAIN_REVOKED:
		return KEY_REVOKED;
	case CHAIN_UNKNOWN_DOMAIN:
	case CHAIN_UNTRUSTED:
	case CHAIN_UNLISTED:
		return KEY_REMOVED;
	default:
		return 0;
	}
}

/* *act stays as it is if nothing can be said. */
static bool
judge(struct rules_step *s, const struct signer *v, enum key_act *act, struct err *e)
{
	struct bytes blob, chain[LIMIT_CHAIN_CERTS];
	size_t count = 0;
	struct trust_refusal why;
	struct cert leaf;
	X509 *x = NULL;
	bool found = false;
	s->work += JUDGED;
	if (!store_read_blob(
		store_batch_view(s->c->ledger->store), STORE_CHAIN, v->chain, &blob, &found, e))
		return false;
	if (!found || !chain_split(blob, chain, &count, e) || !cert_from_der(chain[0], &x, e))
		return err_set(e, ERR_CORRUPT, "the chain of a signer is missing or damaged");
	bool read = cert_read(x, &leaf, e);
	X509_free(x);
	if (!read)
		return err_set(e, ERR_CORRUPT, "the certificate of a signer cannot be read");
	bool stands = trust_signer_stands(
	    s->rules->trust, chain, count, leaf.id.text, (int64_t)v->accepted_s, &why);
	enum key_act now = stands ? KEY_ADDED : act_of(why.fault);
	if (now != 0)
		*act = now;
	return true;
}

static bool
judge_note(struct rules_step *s, const struct store_note *n, struct err *e)
{
	struct ledger *l = s->c->ledger;
	const char *note = (const char *)n->name.data; /* what a view gives out ends in a NUL */
	struct signer v;
	uint32_t party;
	int at = 0;
	if (sscanf(note, "signer/%" SCNu32 "/%n", &party, &at) != 1 || at == 0)
		return err_set(e, ERR_CORRUPT, "a note on a signer is named '%s'", note);
	struct roll_party *p = roll_find(&l->roll, party);
	if (!parse(n->value, &v, e))
		return false;
	if (p == NULL || v.until_s < l->now_us / 1000000) {
		l->dirty = true;
		return store_put_note(l->store, note, (struct bytes){ NULL, 0 }, e);
	}
	enum key_act was = v.act;
	if (!judge(s, &v, &v.act, e))
		return false;
	struct rules_key k = { KEY_SIGNER, v.act, note + at };
	return v.act == was || (put(l, note, &v, e) && apply_keys_put(s, p, &k, e));
}

bool
apply_signers_judge(struct rules_step *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	return apply_rules_notes(s, "signer/", judge_note, e);
}
