/*
 * apply_keys.c - what the log tells a party of keys: which of its own anchors the broker believes,
 * and by which certificate the broker is known (docs/audit-format.md, type 15).
 */
#include "daemon/role.h"
#include "daemon/rules_step.h"

#include <inttypes.h>
#include <stdio.h>

/* What a party was told is in force, as notes key/PARTY/PURPOSE/HEX: HEX of a certificate is its
 * SHA-256, of a key of the log that of its vkey, which the note holds. */
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
	ASSERT_ON(ROLE_COMMITTER);
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

/* ---- the keys of the log ---- */

enum { LOG_KEYS = 2 };

/* The key that signs, and the one that is to follow it, or NULL. */
static const struct note_key *
log_key(const struct rules_step *s, size_t i)
{
	return i == 0 ? &s->c->key : s->c->shell->log_then;
}

static bool
name_log_key(struct rules_step *s, const struct note_key *k, char vkey[NOTE_VKEY_MAX], char hex[65],
    struct err *e)
{
	uint8_t digest[32];
	note_key_print(k, vkey);
	if (!sha256_of(&s->c->ledger->sha, bytes_of(vkey), digest, e))
		return false;
	apply_keys_hex(digest, hex);
	return true;
}

/* Each party was told of the key that signed when it came; older stores have no note of it. */
static bool
was_told_at_first(struct rules_step *s, const char *root, size_t i, bool *told, struct err *e)
{
	struct store_note first;
	size_t count = 1;
	*told = false;
	if (i > 0)
		return true;
	if (!store_read_notes(
		store_batch_view(s->c->ledger->store), bytes_of(root), &first, &count, e))
		return false;
	*told = count == 0 || first.name.len < strlen(root) ||
		memcmp(first.name.data, root, strlen(root)) != 0;
	return true;
}

static bool
tell_log_key(struct rules_step *s, struct roll_party *p, size_t i, struct err *e)
{
	char vkey[NOTE_VKEY_MAX], hex[65], root[NAME_ROOM], note[NAME_ROOM + 65];
	struct store *store = s->c->ledger->store;
	struct rules_key k = { KEY_LOG, KEY_ADDED, vkey };
	struct bytes was;
	bool found = false, told = false;
	if (!name_log_key(s, log_key(s, i), vkey, hex, e))
		return false;
	(void)snprintf(root, sizeof(root), "key/%" PRIu32 "/%d/", p->id, (int)KEY_LOG);
	(void)snprintf(note, sizeof(note), "%s%s", root, hex);
	s->work++;
	if (!store_read_note(store_batch_view(store), note, &was, &found, e) || found)
		return found;
	return was_told_at_first(s, root, i, &told, e) &&
	       store_put_note(store, note, bytes_of(vkey), e) &&
	       (told || apply_keys_put(s, p, &k, e));
}

static bool
tell_log_keys(struct rules_step *s, struct roll_party *p, struct err *e)
{
	for (size_t i = 0; i < LOG_KEYS && log_key(s, i) != NULL; i++)
		if (!tell_log_key(s, p, i, e))
			return false;
	return true;
}

/* By these the next starts know whose signatures old checkpoints have. */
static bool
keep_log_keys(struct rules_step *s, struct err *e)
{
	char vkey[NOTE_VKEY_MAX], hex[65], note[NAME_ROOM];
	for (size_t i = 0; i < LOG_KEYS && log_key(s, i) != NULL; i++) {
		if (!name_log_key(s, log_key(s, i), vkey, hex, e))
			return false;
		(void)snprintf(note, sizeof(note), "log-key/%s", hex);
		if (!store_put_note(s->c->ledger->store, note, bytes_of(vkey), e))
			return false;
	}
	return true;
}

/* Its text, of a note on a key of the log that is none any more. */
static bool
is_former(struct rules_step *s, const struct store_note *n, const char *hex,
    char text[NOTE_VKEY_MAX], bool *former, struct err *e)
{
	char vkey[NOTE_VKEY_MAX], now[65];
	*former = n->value.len < NOTE_VKEY_MAX;
	if (!*former)
		return err_set(e, ERR_CORRUPT, "a note on a key of the log is too long");
	(void)snprintf(text, NOTE_VKEY_MAX, "%.*s", (int)n->value.len, (const char *)n->value.data);
	for (size_t i = 0; i < LOG_KEYS && log_key(s, i) != NULL; i++) {
		if (!name_log_key(s, log_key(s, i), vkey, now, e))
			return false;
		*former = *former && strcmp(now, hex) != 0;
	}
	return true;
}

/* ---- what is told ---- */

static bool
tell_party(struct rules_step *s, const struct party *named, struct err *e)
{
	struct roll_party *p = roll_find(&s->c->ledger->roll, s->rules->party_ids[named->index]);
	if (p == NULL)
		return err_set(e, ERR_INTERNAL, "a party is not on the roll");
	if (!tell_log_keys(s, p, e) || !tell(s, p, KEY_BROKER, trust_hub_leaf(s->rules->trust), e))
		return false;
	for (size_t i = 0; i < named->anchor_count; i++)
		if (!tell(s, p, KEY_ANCHOR, named->anchors[i].digest, e))
			return false;
	return true;
}

bool
apply_keys_told(struct rules_step *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	const struct epoch *epoch = s->rules->epoch;
	if (s->at->item == 0 && !keep_log_keys(s, e))
		return false;
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
	char vkey[NOTE_VKEY_MAX];
	bool gone = false;
	if (p == NULL)
		return true;
	if (purpose == KEY_LOG && !is_former(s, n, note + at, vkey, &gone, e))
		return false;
	if (purpose != KEY_LOG)
		gone = is_gone(s, p, purpose, note + at);
	if (!gone)
		return true;
	struct rules_key k = { (enum key_purpose)purpose, KEY_REMOVED,
		purpose == KEY_LOG ? vkey : note + at };
	return store_put_note(s->c->ledger->store, note, (struct bytes){ NULL, 0 }, e) &&
	       apply_keys_put(s, p, &k, e);
}

bool
apply_keys_gone(struct rules_step *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	return apply_rules_notes(s, "key/", tell_gone, e);
}
