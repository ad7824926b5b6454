#include "client/cli/audit_bundle.h"

#include "client/cli/context.h"
#include "client/generation.h"
#include "proto/dry.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- the key ---- */

static bool
read_key(struct audit_bundle *b, const struct audit_bundle_ask *ask, struct err *e)
{
	struct context_flags flags = { 0 };
	struct err why = { 0 };
	b->key_text = ask->key;
	if (ask->key != NULL)
		return verify_files_key(&b->hash, ask->key, NOTE_ED25519, &b->key, e);
	flags.value[CONTEXT_name] = ask->context;
	SCOPED(context_free) struct context *c = NULL;
	if (!context_load(&flags, &c, &why) && ask->context != NULL) {
		*e = why;
		return false;
	}
	if (c == NULL || c->log_key == NULL)
		return err_set(
		    e, ERR_USAGE, "say which log it is: --key VKEY, or a context with its log-key");
	b->key_text = arena_printf(&b->arena, "%s", c->log_key);
	b->state = arena_printf(&b->arena, "%s", c->state);
	if (b->key_text == NULL || b->state == NULL)
		return err_set(e, ERR_NOMEM, "key");
	return verify_files_key(&b->hash, c->log_key, NOTE_ED25519, &b->key, e);
}

/* The bundle may be of a generation that was accepted behind the log of the context's key. */
static bool
follow(struct audit_bundle *b, struct err *e)
{
	struct note_key pinned = b->key;
	struct generation_ask ask = { .path = b->state };
	struct bytes note = { NULL, 0 };
	char vkey[NOTE_VKEY_MAX];
	if (b->state == NULL)
		return true;
	if (!verify_files_read(b, "checkpoint", &b->arena, &note, e))
		return false;
	if (!checkpoint_line(&note, &ask.origin))
		return true; /* that it has none is found later */
	if (!generation_key(&b->other, &pinned, &ask, &b->key, e))
		return false;
	note_key_print(&b->key, vkey);
	if (strcmp(b->key.name, pinned.name) != 0)
		b->key_text = arena_printf(&b->arena, "%s", vkey);
	return b->key_text != NULL || err_set(e, ERR_NOMEM, "key");
}

bool
audit_bundle_open(struct audit_bundle *b, const struct audit_bundle_ask *ask, struct err *e)
{
	b->dir.fd = -1;
	b->path = ask->path;
	arena_init(&b->arena, (size_t)1 << 40);
	if (!sha256_init(&b->hash, e) || !sha256_init(&b->other, e) || !read_key(b, ask, e) ||
	    !verify_files_open(ask->path, &b->dir, e) || !follow(b, e))
		return false;
	b->trust = (struct checkpoint_trust){ .log = &b->key };
	b->reader = (struct content_reader){ verify_files_read, b, &b->other };
	return true;
}

void
audit_bundle_close(struct audit_bundle *b)
{
	verify_files_close(&b->dir);
	sha256_done(&b->hash);
	sha256_done(&b->other);
	arena_done(&b->arena);
}

/* ---- the walk ---- */

static void
on_record(void *ctx, const struct verify_record *r)
{
	struct audit_bundle *b = ctx;
	if (b->on_record != NULL)
		b->on_record(b->ctx, r);
}

static void
on_finding(void *ctx, const struct verify_finding *f)
{
	struct audit_bundle *b = ctx;
	verify_say_finding(&b->told, f);
}

static void
on_progress(void *ctx, uint64_t index, uint64_t size)
{
	struct audit_bundle *b = ctx;
	verify_progress_more(&b->progress, index, size);
}

bool
audit_bundle_verify(struct audit_bundle *b, struct err *e)
{
	const struct verify_ask ask = { .read = verify_files_read,
		.on_record = on_record,
		.on_finding = on_finding,
		.on_progress = on_progress,
		.ctx = b,
		.trust = &b->trust,
		.now_s = (uint64_t)time(NULL) };
	verify_progress_begin(&b->progress, isatty(STDERR_FILENO) == 1);
	bool ok = verify_bundle(&b->hash, &b->arena, &ask, &b->result, e);
	verify_progress_end(&b->progress);
	if (!ok)
		return false;
	return !dry_ran() || err_set(e, ERR_NOMEM, "out of memory: nothing was concluded");
}

bool
audit_bundle_is_signed(const struct audit_bundle *b)
{
	const struct verify_result *v = &b->result;
	return v->walked && v->signed_by_log && v->findings[VERIFY_INCLUSION] == 0;
}

/* A view that is not the hub's has no facts; one that begins later lacks what the facts rest on. */
bool
audit_bundle_is_whole(const struct audit_bundle *b, struct err *e)
{
	if (!b->result.hub)
		return err_set(e, ERR_DATA,
		    "it is the view of party %s, without facts: an auditor of the hub can pull one "
		    "that has them",
		    b->result.party);
	return b->result.from == 0 ||
	       err_set(e, ERR_DATA,
		   "it begins with record %" PRIu64 ": a replay needs the log from its beginning",
		   b->result.from);
}

/* ---- what is told ---- */

void
audit_bundle_tell(const struct audit_bundle *b)
{
	const struct verify_say s = { .result = &b->result, .told = &b->told, .trust = &b->trust };
	verify_say_findings(stderr, &s);
}

static void
put_finding(const struct verify_told *t, size_t i, struct out_json *j)
{
	out_json_begin(j, NULL, '{');
	out_json_text(j, "kind", verify_say_word(t->finding[i].code));
	if (t->finding[i].index != SLOT_ABSENT)
		out_json_uint(j, "index", t->finding[i].index);
	out_json_text(j, "text", t->finding[i].text);
	out_json_end(j, '}');
}

void
audit_bundle_json(const struct audit_bundle *b, struct out_json *j)
{
	const struct verify_result *v = &b->result;
	out_json_begin(j, "verified", '{');
	out_json_bool(j, "ok", v->code == VERIFY_OK);
	out_json_uint(j, "exit", (uint64_t)v->code);
	out_json_text(j, "origin", v->origin);
	out_json_uint(j, "size", v->size);
	out_json_hex(j, "root", v->root, sizeof(v->root));
	out_json_uint(j, "missing", v->missing);
	out_json_begin(j, "findings", '[');
	for (size_t i = 0; i < b->told.count; i++)
		put_finding(&b->told, i, j);
	out_json_end(j, ']');
	out_json_end(j, '}');
}
