/* The files of the signatures that agreements require: signatures/AGREEMENT@VERSION.PARTY.p7s in
 * the folder of the root file (docs/decisions: signed terms).  They are no part of the policy's
 * text, export or digest.  What is wrong with one is its agreement's affair, not the policy's. */
#include "policy/compile.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

/* So much of a file that is too large may be read before that is seen. */
enum { FILE_ARENA = 65 << 20 };

static bool
complain(struct compile *c, struct signature *s, const char *why)
{
	s->why = arena_printf(c->a, "%s", why);
	return s->why != NULL || compile_no_memory(c);
}

static bool
keep(struct compile *c, struct signature *s, struct bytes file)
{
	struct err e = { 0 };
	if (file.len > LIMIT_TERMS_SIGNATURE_BYTES) {
		(void)err_set(&e, ERR_LIMIT, "%s: %zu bytes, more than %u", s->path, file.len,
		    LIMIT_TERMS_SIGNATURE_BYTES);
		return complain(c, s, e.text);
	}
	s->why = "it was not judged";
	return arena_copy(c->a, file, &s->file, &e) || compile_no_memory(c);
}

static bool
read_one(struct compile *c, const struct agreement *a, struct signature *s)
{
	SCOPED(arena_done) struct arena file;
	struct bytes bytes;
	struct err e = { 0 };
	arena_init(&file, FILE_ARENA);
	s->path = arena_printf(c->a, "%.*ssignatures/%.*s@%llu.%.*s.p7s", SHOWN(c->folder),
	    SHOWN(a->name), (unsigned long long)a->version, SHOWN(s->party));
	if (s->path == NULL)
		return compile_no_memory(c);
	if (c->src->read(c->src->ctx, s->path, &file, &bytes, &e))
		return keep(c, s, bytes);
	if (e.code == ERR_NOMEM)
		return compile_no_memory(c);
	if (e.code == ERR_NOT_FOUND)
		(void)err_set(&e, ERR_NOT_FOUND, "there is no %s", s->path);
	return complain(c, s, e.text);
}

bool
compile_signatures(struct compile *c)
{
	for (size_t i = 0; i < c->e->agreement_count && c->e->has_trust; i++) {
		struct agreement *a = &c->e->agreements[i];
		if (a->signers.count == 0)
			continue;
		a->signatures = arena_zalloc(c->a, a->signers.count, sizeof(*a->signatures));
		if (a->signatures == NULL)
			return compile_no_memory(c);
		for (size_t k = 0; k < a->signers.count; k++) {
			a->signatures[k].party = a->signers.items[k];
			if (!read_one(c, a, &a->signatures[k]))
				return false;
		}
	}
	return true;
}
