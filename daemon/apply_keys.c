/*
 * apply_keys.c - what the log tells a party of keys: which of its own anchors the broker believes,
 * and by which certificate the broker is known (docs/audit-format.md, type 15).
 */
#include "daemon/rules_step.h"

#include <inttypes.h>
#include <stdio.h>

/* What a party was told is in force, as notes key/PARTY/PURPOSE/HEX. */
enum { NAME_ROOM = sizeof(((struct job_rules_at *)NULL)->note) };
static const uint8_t told_once[] = { 1 };

void
apply_keys_hex(const uint8_t digest[32], char out[65])
{
	for (size_t i = 0; i < 64; i++)
		out[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	out[64] = 0;
}

bool
apply_keys_put(struct rules_step *s, struct roll_party *p, const struct rules_key *k, struct err *e)
{
	struct record r;
	struct body b;
	struct log_out out;
	struct arena *a = &s->c->ledger->scratch;
	struct apply_begin begin = { .type = EVENT_KEY };
	struct ledger_place at = { .recipient = p };
	event_body_begin(&b, EVENT_KEY);
	event_body_bytes(&b, BODY_KEY_PARTY, bytes_of(p->name));
	event_body_enum(&b, BODY_KEY_PURPOSE, k->purpose);
	event_body_enum(&b, BODY_KEY_ACT, k->act);
	event_body_bytes(&b, BODY_KEY_KEY, bytes_of(k->key));
	s->work += STEP_RECORD;
	return apply_record(s->c, &begin, &r, e) && record_set_body(&r, a, &b, e) &&
	       ledger_append(s->c->ledger, &r, &at, &out, e);
}

/* ---- what is new ---- */

static bool
tell(struct rules_step *s, struct roll_party *p, enum key_purpose purpose, const uint8_t digest[32],
    struct err *e)
{
	char note[NAME_ROOM], hex[65];
	struct store *store = s->c->ledger->store;
	struct bytes was;
	bool found = false;
	apply_keys_hex(digest, hex);
	(void)snprintf(note, sizeof(note), "key/%" PRIu32 "/%d/%s", p->id, (int)purpose, hex);
	s->work++;
	if (!store_read_note(store_batch_view(store), note, &was, &found, e))
		return false;
	struct rules_key k = { purpose, KEY_ADDED, hex };
	return found || (store_put_note(store, note, bytes_from(told_once, 1), e) &&
			    apply_keys_put(s, p, &k, e));
}

static bool
tell_party(struct rules_step *s, const struct party *named, struct err *e)
{
	struct roll_party *p = roll_find(&s->c->ledger->roll, s->rules->party_ids[named->index]);
	if (p == NULL)
		return err_set(e, ERR_INTERNAL, "a party is not on the roll");
	if (!tell(s, p, KEY_BROKER, trust_hub_leaf(s->rules->trust), e))
		return false;
	for (size_t i = 0; i < named->anchor_count; i++)
		if (!tell(s, p, KEY_ANCHOR, named->anchors[i].digest, e))
			return false;
	return true;
}

bool
apply_keys_told(struct rules_step *s, struct err *e)
{
	const struct epoch *epoch = s->rules->epoch;
	for (; s->at->item < epoch_party_count(epoch) && !step_spent(s); s->at->item++)
		if (!tell_party(s, epoch_party_at(epoch, s->at->item), e))
			return false;
	return true;
}

/* ---- what is gone ---- */

/* A party that left the policy has no anchors in it; of the broker it is told no more. */
static bool
is_gone(const struct rules_step *s, const struct roll_party *p, int purpose, const char *hex)
{
	const struct party *named = epoch_party(s->rules->epoch, bytes_of(p->name));
	char now[65];
	if (purpose == KEY_BROKER) {
		apply_keys_hex(trust_hub_leaf(s->rules->trust), now);
		return named != NULL && strcmp(now, hex) != 0;
	}
	for (size_t i = 0; named != NULL && i < named->anchor_count; i++) {
		apply_keys_hex(named->anchors[i].digest, now);
		if (strcmp(now, hex) == 0)
			return false;
	}
	return true;
}

static bool
tell_gone(struct rules_step *s, const struct store_note *n, struct err *e)
{
	int at = 0, purpose;
	uint32_t party;
	const char *note = (const char *)n->name.data; /* what a view gives out ends in a NUL */
	if (sscanf(note, "key/%" SCNu32 "/%d/%n", &party, &purpose, &at) != 2 || at == 0)
		return err_set(e, ERR_CORRUPT, "a note on a key is named '%s'", note);
	struct roll_party *p = roll_find(&s->c->ledger->roll, party);
	if (p == NULL || !is_gone(s, p, purpose, note + at))
		return true;
	struct rules_key k = { (enum key_purpose)purpose, KEY_REMOVED, note + at };
	return store_put_note(s->c->ledger->store, note, (struct bytes){ NULL, 0 }, e) &&
	       apply_keys_put(s, p, &k, e);
}

bool
apply_keys_gone(struct rules_step *s, struct err *e)
{
	return apply_rules_notes(s, "key/", tell_gone, e);
}
