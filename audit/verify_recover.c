#include "audit/verify_recover.h"

#include "proto/arena.h"

static bool
is_earlier(const struct verify *v, struct bytes origin)
{
	struct bytes ours, theirs;
	uint64_t now, then;
	return checkpoint_generation(v->head.origin, &ours, &now) &&
	       checkpoint_generation(origin, &theirs, &then) && bytes_equal(ours, theirs) &&
	       then < now;
}

/* The old log's key was this one, under the old name.  Another one may have signed: then nothing is
 * said. */
static bool
check_signature(
    struct verify *v, uint64_t index, const struct note *n, struct bytes origin, struct err *e)
{
	struct note_key key;
	struct note_name name = { origin, NOTE_ED25519 };
	struct note_seen seen = { 0 };
	struct err why;
	if (!note_key_make(v->h, &name, v->ask->trust->log->public, &key, &why)) {
		if (why.code == ERR_NOMEM || why.code == ERR_CRYPTO)
			return err_set(e, why.code, "%s", why.text);
		verify_run_find(v, VERIFY_MALFORMED, index, "its head: %s", why.text);
		return true;
	}
	if (note_verify(n, &key, 1, &seen, &why)) {
		v->out->unproved_heads += !seen.verified;
		return true;
	}
	if (why.code != ERR_BAD_SIGNATURE)
		return err_set(e, why.code, "%s", why.text);
	verify_run_find(v, VERIFY_SIGNATURE, index, "its head is not signed as it says");
	return true;
}

/* They stand at the beginning, the largest head first. */
static void
check_order(struct verify *v, uint64_t index, uint64_t restored, const struct checkpoint *cp)
{
	struct verify_recovers *was = &v->recovers;
	if (was->count == 0)
		was->restored = restored;
	else if (restored != was->restored)
		verify_run_find(
		    v, VERIFY_CONTENT, index, "another size was restored than record 0 says");
	if (was->count > 0 && cp->size > was->size)
		verify_run_find(v, VERIFY_GAP, index, "its head is larger than the one before");
	if (was->count > 0 && cp->size == was->size &&
	    memcmp(cp->root, was->root, sizeof(was->root)) != 0)
		verify_run_find(v, VERIFY_CONSISTENCY, index,
		    "the old log had two heads of %llu records", (unsigned long long)cp->size);
	was->size = cp->size;
	memcpy(was->root, cp->root, sizeof(was->root));
}

static bool
check_head(struct verify *v, const struct verify_slots *s, struct arena *a, struct err *e)
{
	struct bytes head = event_body_get(&s->body, BODY_RECOVER_HEAD);
	uint64_t restored = event_body_number(&s->body, BODY_RECOVER_SIZE);
	struct note n;
	struct checkpoint cp;
	struct err why;
	if (!note_parse(a, head, &n, &why) || !checkpoint_parse(n.text, &cp, &why)) {
		if (why.code == ERR_NOMEM)
			return err_set(e, ERR_NOMEM, "head");
		verify_run_find(v, VERIFY_MALFORMED, s->r.index, "its head: %s", why.text);
		return true;
	}
	if (!is_earlier(v, cp.origin))
		verify_run_find(v, VERIFY_CONTENT, s->r.index,
		    "its head is not of an earlier generation of this log");
	if (restored > cp.size)
		verify_run_find(
		    v, VERIFY_CONTENT, s->r.index, "its head has fewer records than were restored");
	check_order(v, s->r.index, restored, &cp);
	return check_signature(v, s->r.index, &n, cp.origin, e);
}

bool
verify_recover_record(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct arena a;
	uint8_t digest[32];
	struct bytes head = event_body_get(&s->body, BODY_RECOVER_HEAD);
	if (!verify_run_partial(v) && s->r.index != v->recovers.count)
		verify_run_find(v, VERIFY_GAP, s->r.index, "it stands behind another record");
	if (!sha256_of(v->h, head, digest, e))
		return false;
	if (memcmp(event_body_get(&s->body, BODY_RECOVER_DIGEST).data, digest, 32) != 0)
		verify_run_find(
		    v, VERIFY_CONTENT, s->r.index, "its digest is not that of its head");
	arena_init(&a, 4 * NOTE_BYTES_MAX);
	bool ok = check_head(v, s, &a, e);
	arena_done(&a);
	v->recovers.count++;
	return ok;
}
