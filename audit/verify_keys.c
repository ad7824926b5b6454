#include "audit/verify_keys.h"

#include <inttypes.h>

#include "audit/export.h"

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

/* The act of the last KEY about a key, 0: none; made if need be. */
static bool
last_act(struct verify *v, struct bytes party, uint8_t purpose, struct bytes key, uint8_t **out,
    struct err *e)
{
	struct verify_key name;
	const struct bytes parts[] = { party, bytes_from(&purpose, 1), key };
	if (!verify_run_key(v, parts, 3, &name, e))
		return false;
	*out = map_at(&v->keys, bytes_from(&name, sizeof(name)), NULL);
	return *out != NULL || err_set(e, ERR_NOMEM, "keys");
}

/* A key of the log may follow another; the one that signed the checkpoint is not taken back. */
static void
check_log(struct verify *v, uint64_t index, uint64_t act, struct bytes key)
{
	char vkey[NOTE_VKEY_MAX];
	struct note_key other;
	const struct note_key *ours = v->ask->trust->log;
	note_key_print(ours, vkey);
	if (act == REVOKED || (act != ADDED && bytes_is(key, vkey)))
		verify_run_find(v, VERIFY_CONTENT, index,
		    "it takes back the key of the log that signed the checkpoint, or revokes one");
	if (!bytes_is(key, vkey) &&
	    (!note_key_parse(v->h, key, &other, NULL) || strcmp(other.name, ours->name) != 0))
		verify_run_find(v, VERIFY_MALFORMED, index, "its key is no vkey of this log");
}

/* Counts the parties that were told of a key of the log, and those of the one that signed. */
static bool
count_log(struct verify *v, struct bytes party, struct bytes key, bool first, struct err *e)
{
	char vkey[NOTE_VKEY_MAX];
	static const uint8_t yes[] = { 1 };
	uint8_t *any;
	if (!last_act(v, party, 0, bytes_from(yes, 1), &any, e))
		return false;
	v->key_parties += *any == 0;
	*any = 1;
	note_key_print(v->ask->trust->log, vkey);
	v->key_told += first && bytes_is(key, vkey);
	return true;
}

void
verify_keys_finish(struct verify *v)
{
	if (v->key_parties != v->key_told && !verify_run_partial(v))
		verify_run_find(v, VERIFY_CONTENT, SLOT_ABSENT,
		    "%" PRIu64 " parties were told of a key of the log, and %" PRIu64
		    " of the one that signed the checkpoint",
		    v->key_parties, v->key_told);
}

bool
verify_keys_record(struct verify *v, const struct verify_slots *s, struct err *e)
{
	uint64_t act = event_body_number(&s->body, BODY_KEY_ACT);
	const uint8_t purpose = (uint8_t)event_body_number(&s->body, BODY_KEY_PURPOSE);
	struct bytes key = event_body_get(&s->body, BODY_KEY_KEY);
	struct bytes party = event_body_get(&s->body, BODY_KEY_PARTY);
	uint8_t *was;
	if (purpose == LOG)
		check_log(v, s->r.index, act, key);
	else if (!is_digest(key))
		verify_run_find(v, VERIFY_MALFORMED, s->r.index, "its key is no SHA-256 in hex");
	if (verify_run_partial(v))
		return true;
	if (!last_act(v, party, purpose, key, &was, e) ||
	    (purpose == LOG && !count_log(v, party, key, act == ADDED && *was == 0, e)))
		return false;
	if (!is_news(purpose, act, *was))
		verify_run_find(v, VERIFY_GAP, s->r.index,
		    "it tells of a key what the record before it told, or what cannot follow");
	if (purpose == ANCHOR) {
		v->anchors_told = true;
		v->anchors += act == ADDED && *was != ADDED;
		v->anchors -= act != ADDED && *was == ADDED;
	}
	*was = (uint8_t)act;
	return true;
}

/* Whether every 'anchor' line of every party's block was told, and no more were. */
static bool
compare_anchors(struct verify *v, struct bytes export, bool *same, struct err *e)
{
	struct bytes line, name, party = { NULL, 0 };
	uint64_t count = 0;
	uint8_t *act;
	*same = true;
	while (export_line(&export, &line)) {
		if (export_between(line, "party ", " {", &name))
			party = name;
		else if (bytes_is(line, "}"))
			party = (struct bytes){ NULL, 0 };
		if (party.len == 0 || !export_between(line, "    anchor ", "", &name))
			continue;
		if (!last_act(v, party, ANCHOR, name, &act, e))
			return false;
		*same = *same && *act == ADDED;
		count++;
	}
	*same = *same && count == v->anchors;
	return true;
}

bool
verify_keys_policy(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct arena a;
	struct bytes export = { NULL, 0 };
	bool same = true;
	const struct verify_want want = { BUNDLE_POLICY,
		event_body_get(&s->body, BODY_POLICY_DIGEST).data, &a };
	if (!verify_run_hub(v) || verify_run_partial(v) || !v->anchors_told)
		return true;
	arena_init(&a, VERIFY_FILE_MAX);
	bool ok = verify_run_content(v, s->r.index, &want, &export, e) &&
		  (export.data == NULL || compare_anchors(v, export, &same, e));
	arena_done(&a);
	if (ok && !same)
		verify_run_find(v, VERIFY_GAP, s->r.index,
		    "the anchors that parties were told before it are not those of its export");
	return ok;
}
