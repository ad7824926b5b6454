#include "audit/verify_keys.h"

enum { LOG = 1, ANCHOR, SIGNER, BROKER }; /* purposes, acts: audit/body.def */
enum { ADDED = 1, REMOVED, REVOKED };

/* A certificate is named by the lower-case hex of its SHA-256. */
static bool
is_digest(struct bytes key)
{
	bool hex = key.len == 64;
	for (size_t i = 0; hex && i < key.len; i++)
		hex = (key.data[i] >= '0' && key.data[i] <= '9') ||
		      (key.data[i] >= 'a' && key.data[i] <= 'f');
	return hex;
}

/* A signer is believed from its first INTAKE on, everything else from the record that says so. */
static bool
is_news(uint64_t purpose, uint64_t act, uint8_t was)
{
	if (purpose == SIGNER)
		return act != (was == 0 ? ADDED : was);
	return act == ADDED ? was != ADDED : act == REMOVED && was == ADDED;
}

bool
verify_keys_record(struct verify *v, const struct verify_slots *s, struct err *e)
{
	uint64_t act = event_body_number(&s->body, BODY_KEY_ACT);
	const uint8_t purpose = (uint8_t)event_body_number(&s->body, BODY_KEY_PURPOSE);
	struct bytes key = event_body_get(&s->body, BODY_KEY_KEY);
	const struct bytes parts[] = { event_body_get(&s->body, BODY_KEY_PARTY),
		bytes_from(&purpose, 1), key };
	struct verify_key told;
	if (purpose == LOG)
		return true;
	if (!is_digest(key))
		verify_run_find(v, VERIFY_MALFORMED, s->r.index, "its key is no SHA-256 in hex");
	if (verify_run_partial(v))
		return true;
	if (!verify_run_key(v, parts, 3, &told, e))
		return false;
	uint8_t *was = map_at(&v->keys, bytes_from(&told, sizeof(told)), NULL);
	if (was == NULL)
		return err_set(e, ERR_NOMEM, "keys");
	if (!is_news(purpose, act, *was))
		verify_run_find(v, VERIFY_GAP, s->r.index,
		    "it tells of a key what the record before it told, or what cannot follow");
	*was = (uint8_t)act;
	return true;
}
