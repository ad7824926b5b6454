#include "client/cli/policy_load.h"

#include <stdio.h>
#include <time.h>

#include "client/cli/files.h"
#include "client/cli/label_arg.h"
#include "client/cli/out.h"
#include "policy/marking.h"
#include "proto/dry.h"

enum { ARENA_MAX = 1 << 30 };

static void
tell(struct policy_load *l)
{
	const char *text = text_errors_format(&l->errors, &l->arena);
	if (text != NULL)
		(void)fputs(text, stderr);
	l->errors.warning_count = 0;
}

bool
policy_load_epoch(struct policy_load *l, const char *path, unsigned flags)
{
	*l = (struct policy_load){ 0 };
	arena_init(&l->arena, ARENA_MAX);
	text_errors_init(&l->errors);
	files_source(&l->disk);
	overlay_init(&l->overlay, &l->disk, &l->arena);
	struct epoch_source src = overlay_source(&l->overlay);
	return files_root(path, &l->arena, &l->root, &l->err) &&
	       epoch_load(&src, l->root, flags, &l->errors, &l->epoch, &l->err);
}

int
policy_load_tell(struct policy_load *l)
{
	tell(l);
	if (l->epoch != NULL)
		return 0;
	if (dry_ran())
		return out_error(&(struct err){ ERR_NOMEM, "out of memory" });
	return l->errors.error_count > 0 ? err_exit(l->err.code) : out_error(&l->err);
}

int
policy_load(struct policy_load *l, const char *path)
{
	bool good = policy_load_epoch(l, path, POLICY_LOAD_FLAGS);
	struct epoch_source src = overlay_source(&l->overlay);
	struct err e = { 0 };
	if (good)
		l->errors.warning_count = 0;
	int status = policy_load_tell(l);
	if (good && !edit_load(&l->arena, &src, l->root, &l->text, &e))
		status = out_error(&e);
	return status;
}

void
policy_load_done(struct policy_load *l)
{
	epoch_free(l->epoch);
	text_errors_done(&l->errors);
	arena_done(&l->arena);
}

/* ---- names ---- */

static bool
no_such(struct err *e, const char *what, const char *name, const struct bytes *near)
{
	if (near == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no %s '%s'", what, name);
	return err_set(e, ERR_NOT_FOUND, "there is no %s '%s'; did you mean '%.*s'?", what, name,
	    (int)near->len, (const char *)near->data);
}

static bool
suggest(struct policy_load *l, const char *what, const char *name, const struct bytes *known,
    struct err *e)
{
	size_t count =
	    what[0] == 'p' ? epoch_party_count(l->epoch) : epoch_agreement_count(l->epoch);
	ptrdiff_t at = known == NULL ? -1 : text_nearest(bytes_of(name), known, count);
	return no_such(e, what, name, at < 0 ? NULL : &known[at]);
}

bool
policy_load_agreement(
    struct policy_load *l, const char *name, const struct agreement **out, struct err *e)
{
	size_t count = epoch_agreement_count(l->epoch);
	*out = epoch_agreement(l->epoch, bytes_of(name));
	if (*out != NULL)
		return true;
	struct bytes *known = arena_zalloc(&l->arena, count, sizeof(*known));
	for (size_t i = 0; known != NULL && i < count; i++)
		known[i] = epoch_agreement_at(l->epoch, i)->name;
	return suggest(l, "agreement", name, known, e);
}

bool
policy_load_party(struct policy_load *l, const char *name, struct err *e)
{
	size_t count = epoch_party_count(l->epoch);
	if (epoch_party(l->epoch, bytes_of(name)) != NULL)
		return true;
	struct bytes *known = arena_zalloc(&l->arena, count, sizeof(*known));
	for (size_t i = 0; known != NULL && i < count; i++)
		known[i] = epoch_party_at(l->epoch, i)->name;
	return suggest(l, "party", name, known, e);
}

/* ---- times and labels ---- */

bool
policy_load_time(const char *text, uint64_t *us, struct err *e)
{
	if (text == NULL) {
		*us = (uint64_t)time(NULL) * 1000000;
		return true;
	}
	if (text_to_time(bytes_of(text), us) || text_to_date(bytes_of(text), us))
		return true;
	return err_set(e, ERR_USAGE, "'%s' is no time: 2026-01-31T18:00:00Z, or 2026-01-31", text);
}

bool
policy_load_label(struct policy_load *l, const char *text, struct raw_label *out, struct err *e)
{
	size_t count = epoch_vocab_count(l->epoch);
	const struct vocab **set = arena_zalloc(&l->arena, count, sizeof(struct vocab *));
	if (set == NULL)
		return err_set(e, ERR_NOMEM, "label");
	for (size_t i = 0; i < count; i++)
		set[i] = epoch_vocab_at(l->epoch, i);
	struct label_arg with = { &l->arena, set, count, &l->errors };
	if (!label_arg_read(&with, text, out, e))
		return err_wrap(e, "label '%s'", text);
	if (l->errors.warning_count > 0) /* of a label in XML */
		tell(l);
	return true;
}

const char *
policy_load_marking(struct policy_load *l, const struct raw_label *raw)
{
	const struct vocab *v = epoch_vocab(l->epoch, raw->vocabulary);
	struct bytes text;
	struct label label;
	struct err e = { 0 };
	if (v != NULL && label_resolve(&l->arena, v, raw, &label, &e) &&
	    marking_print(&l->arena, &label, (struct bytes){ NULL, 0 }, &text, &e))
		return (const char *)text.data;
	const char *plain = arena_printf(&l->arena, "%.*s %.*s", (int)raw->vocabulary.len,
	    (const char *)raw->vocabulary.data, (int)raw->classification.len,
	    (const char *)raw->classification.data);
	return plain == NULL ? "" : plain;
}

const char *
policy_load_moment(struct policy_load *l, uint64_t us)
{
	uint64_t s = us / 1000000 % 86400;
	const char *day = text_day(&l->arena, us);
	const char *text =
	    day == NULL ? NULL
			: arena_printf(&l->arena, "%sT%02u:%02u:%02uZ", day, (unsigned)(s / 3600),
			      (unsigned)(s / 60 % 60), (unsigned)(s % 60));
	return text == NULL ? "" : text;
}
