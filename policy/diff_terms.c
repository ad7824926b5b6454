/* Whether a broker that accepted the old agreement takes the new one. */
#include "policy/diff.h"

static bool
versions(struct diff_making *m, const struct agreement *x, const struct agreement *y)
{
	const char *then = arena_printf(m->arena, "%llu", (unsigned long long)x->version);
	const char *now = arena_printf(m->arena, "%llu", (unsigned long long)y->version);
	if (then == NULL || now == NULL)
		return err_set(m->err, ERR_NOMEM, "versions");
	return x->version == y->version ||
	       diff_note(m, DIFF_DIFFERS, "version", bytes_of(then), bytes_of(now));
}

static bool
digests(struct diff_making *m, const struct agreement *x, const struct agreement *y, bool *same)
{
	const uint8_t *p = x->terms, *q = y->terms;
	const char *then = arena_printf(m->arena, "%02x%02x%02x%02x..", p[0], p[1], p[2], p[3]);
	const char *now = arena_printf(m->arena, "%02x%02x%02x%02x..", q[0], q[1], q[2], q[3]);
	if (then == NULL || now == NULL)
		return err_set(m->err, ERR_NOMEM, "terms");
	*same = memcmp(p, q, sizeof(x->terms)) == 0;
	return *same || diff_note(m, DIFF_DIFFERS, "terms digest", bytes_of(then), bytes_of(now));
}

/* Without trust files there is no digest: all else that it is over is compared. */
static bool
texts(struct diff_making *m, const struct agreement *x, const struct agreement *y, bool *same)
{
	struct arena scratch;
	arena_init(&scratch, SIZE_MAX);
	const char *then = epoch_terms(m->ask->epochs[0], x, false, &scratch);
	const char *now = epoch_terms(m->ask->epochs[1], y, false, &scratch);
	bool known = then != NULL && now != NULL;
	*same = known && strcmp(then, now) == 0;
	arena_done(&scratch);
	if (!known)
		return err_set(m->err, ERR_NOMEM, "terms");
	return *same || diff_note(m, DIFF_DIFFERS, "terms digest", (struct bytes){ NULL, 0 },
			    bytes_of("another (anchors not compared)"));
}

bool
diff_terms(struct diff_making *m)
{
	const struct agreement *x = m->of[0], *y = m->of[1];
	struct agreement was = { .version = x->version, .state = x->state };
	struct agreement is = { .version = y->version, .state = y->state };
	bool same = false, whole = x->has_terms && y->has_terms;
	if (!versions(m, x, y) || !(whole ? digests(m, x, y, &same) : texts(m, x, y, &same)))
		return false;
	is.terms[0] = !same;
	const char *why = agreement_takes_back(&is, &was);
	if (why != NULL)
		m->out->refused[m->out->refused_count++] =
		    (struct diff_open){ y->name, bytes_of(why) };
	return true;
}
