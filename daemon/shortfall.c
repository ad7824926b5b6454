#include "daemon/shortfall.h"

#include <string.h>

/* Names are of [A-Za-z0-9_-], and why an agreement is refused are words of ours: neither needs an
 * escape.  What is said of a file holds paths, and stands in the broker's log alone. */
struct list {
	FILE *to;
	const char *name;
	size_t count;
};

static bool
list_next(struct list *l)
{
	if (l->count++ >= SHORTFALL_NAMES)
		return false;
	if (l->count == 1)
		(void)fprintf(l->to, ",\"%s\":[", l->name);
	else
		(void)fputc(',', l->to);
	return true;
}

/* How many found no room. */
static size_t
list_end(struct list *l)
{
	if (l->count > 0)
		(void)fputc(']', l->to);
	return l->count > SHORTFALL_NAMES ? l->count - SHORTFALL_NAMES : 0;
}

static void
put_refused(struct list *l, const struct agreement *g)
{
	if (g->refused != NULL && list_next(l))
		(void)fprintf(l->to, "{\"agreement\":\"%.*s\",\"why\":\"%s\"}", (int)g->name.len,
		    (const char *)g->name.data, g->refused);
}

static void
put_signer(struct list *l, const struct agreement *g, struct bytes party)
{
	if (list_next(l))
		(void)fprintf(l->to, "{\"agreement\":\"%.*s\",\"party\":\"%.*s\"}",
		    (int)g->name.len, (const char *)g->name.data, (int)party.len,
		    (const char *)party.data);
}

static void
put_unsigned(struct list *l, const struct agreement *g)
{
	bool named = false;
	if (g->refused != NULL || !g->unsigned_ || !g->has_terms)
		return;
	for (size_t i = 0; g->signatures != NULL && i < g->signers.count; i++)
		if (g->signatures[i].why != NULL) {
			put_signer(l, g, g->signatures[i].party);
			named = true;
		}
	/* the files are good, and not at the time of the record: whose is not told apart */
	if (!named && list_next(l))
		(void)fprintf(l->to, "{\"agreement\":\"%.*s\"}", (int)g->name.len,
		    (const char *)g->name.data);
}

static void
put_waiting(struct list *l, const struct agreement *g)
{
	if (g->refused == NULL && !g->has_terms && list_next(l))
		(void)fprintf(l->to, "\"%.*s\"", (int)g->name.len, (const char *)g->name.data);
}

static size_t
agreements(
    const struct epoch *p, struct list *l, void (*put)(struct list *, const struct agreement *))
{
	for (size_t i = 0; i < epoch_agreement_count(p); i++)
		put(l, epoch_agreement_at(p, i));
	return list_end(l);
}

static size_t
parties(const struct trust *t, struct list *l)
{
	const char *name, *why;
	for (size_t i = 0; (name = trust_party_at(t, i, &why)) != NULL; i++)
		if (*why != '\0' && list_next(l))
			(void)fprintf(l->to, "\"%s\"", name);
	return list_end(l);
}

void
shortfall_write(const struct ruleset *r, FILE *to)
{
	size_t more = agreements(r->epoch, &(struct list){ to, "refused", 0 }, put_refused);
	more += agreements(r->epoch, &(struct list){ to, "unsigned", 0 }, put_unsigned);
	more += agreements(r->epoch, &(struct list){ to, "waits", 0 }, put_waiting);
	more += parties(r->trust, &(struct list){ to, "shut_out", 0 });
	if (more > 0)
		(void)fprintf(to, ",\"more\":%zu", more);
}
