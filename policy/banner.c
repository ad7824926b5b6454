/* Markings of sets of portions, as records hold them (AUDIT section 1). */
#include <stdlib.h>

#include "policy/compile.h"
#include "policy/marking.h"

/* The labels of the picked portions that their vocabularies know. */
static bool
gather(const struct epoch *p, const struct facts *f, const bool *pick, struct arena *a,
    struct label *out, size_t *count, struct err *e)
{
	for (size_t i = 0; i < f->portion_count; i++) {
		const struct fact_portion *portion = &f->portions[i];
		for (size_t k = 0; pick[i] && k < portion->label_count; k++) {
			const struct vocab *v = epoch_vocab(p, portion->labels[k].vocabulary);
			struct err why = { 0 };
			if (v == NULL)
				continue;
			if (label_resolve(a, v, &portion->labels[k], &out[*count], &why))
				(*count)++;
			else if (why.code == ERR_NOMEM)
				return err_set(e, ERR_NOMEM, "marking");
		}
	}
	return true;
}

bool
policy_marking_of(const struct epoch *p, const struct facts *f, const bool *pick, struct arena *a,
    struct bytes *out, struct err *e)
{
	size_t most = 0, count = 0;
	for (size_t i = 0; i < f->portion_count; i++)
		most += f->portions[i].label_count;
	struct label *labels = arena_zalloc(a, most, sizeof(*labels));
	if (labels == NULL)
		return err_set(e, ERR_NOMEM, "marking");
	if (!gather(p, f, pick, a, labels, &count, e))
		return false;
	return marking_record(a, labels, count, out, e);
}

bool
policy_banner(
    const struct epoch *p, const struct facts *f, struct arena *a, struct bytes *out, struct err *e)
{
	bool *pick = arena_zalloc(a, f->portion_count, sizeof(*pick));
	if (pick == NULL)
		return err_set(e, ERR_NOMEM, "marking");
	for (size_t i = 0; i < f->portion_count; i++)
		pick[i] = true;
	return policy_marking_of(p, f, pick, a, out, e);
}

bool
policy_marking(const struct epoch *p, const struct facts *f, const struct recipient_decision *d,
    struct arena *a, struct bytes *out, struct err *e)
{
	bool *pick = arena_zalloc(a, f->portion_count, sizeof(*pick));
	if (pick == NULL)
		return err_set(e, ERR_NOMEM, "marking");
	for (size_t i = 0; i < f->portion_count; i++)
		pick[i] = d->portions[i].verdict == VERDICT_RELEASE;
	return policy_marking_of(p, f, pick, a, out, e);
}

/* ---- the agreements that release ---- */

static int
by_bytes(const void *a, const void *b)
{
	return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

bool
policy_released_by(const struct decisions *d, const struct recipient_decision *r, struct arena *a,
    struct bytes *out, struct err *e)
{
	struct bytes found[LIMIT_AGREEMENTS_PER_REPORT];
	const struct agreement *known[LIMIT_AGREEMENTS_PER_REPORT];
	size_t count = 0, len = 0;
	for (size_t i = 0; i < d->portion_count; i++) {
		const struct agreement *g = r->portions[i].agreement;
		size_t k = 0;
		if (r->portions[i].verdict != VERDICT_RELEASE || g == NULL)
			continue;
		while (k < count && known[k] != g)
			k++;
		if (k < count || count == LIMIT_AGREEMENTS_PER_REPORT)
			continue;
		char *text = arena_printf(a, "%.*s@%llu", (int)g->name.len,
		    (const char *)g->name.data, (unsigned long long)g->version);
		if (text == NULL)
			return err_set(e, ERR_NOMEM, "agreements");
		known[count] = g;
		found[count++] = bytes_of(text);
	}
	qsort(found, count, sizeof(found[0]), by_bytes);
	for (size_t i = 0; i < count; i++)
		len += found[i].len + (i > 0);
	uint8_t *to = arena_alloc(a, len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "agreements");
	*out = bytes_from(to, len);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			*to++ = '\n';
		memcpy(to, found[i].data, found[i].len);
		to += found[i].len;
	}
	return true;
}
