/* "Did you mean": the known name nearest to one that is not known. */
#include "policy/text.h"

enum { LONGEST = 64 }; /* bytes compared: names that people type */

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, substitutions, swaps of neighbours. */
static unsigned
distance(struct bytes a, struct bytes b)
{
	unsigned rows[3][LONGEST + 1];
	for (unsigned j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		unsigned *now = rows[i % 3];
		const unsigned *above = rows[(i + 2) % 3];
		const unsigned *two_above = rows[(i + 1) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			uint8_t x = lower(a.data[i - 1]);
			uint8_t y = lower(b.data[j - 1]);
			now[j] = least(above[j], now[j - 1]) + 1;
			now[j] = least(now[j], above[j - 1] + (x == y ? 0 : 1));
			if (i > 1 && j > 1 && x == lower(b.data[j - 2]) &&
			    lower(a.data[i - 2]) == y)
				now[j] = least(now[j], two_above[j - 2] + 1);
		}
	}
	return rows[a.len % 3][b.len];
}

ptrdiff_t
text_nearest(struct bytes name, const struct bytes *known, size_t count)
{
	ptrdiff_t best = -1;
	unsigned best_distance = 0;
	if (name.len == 0 || name.len > LONGEST)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (known[i].len == 0 || known[i].len > LONGEST)
			continue;
		/* a third of the longer one may differ; of a very short name one letter */
		size_t longer = name.len > known[i].len ? name.len : known[i].len;
		size_t shorter = name.len + known[i].len - longer;
		size_t allowed = longer < 3 ? 1 : longer / 3;
		if (longer - shorter > allowed) /* a peer can ask for this: spare the work */
			continue;
		unsigned d = distance(name, known[i]);
		if (d <= allowed && d < longer && (best < 0 || d < best_distance)) {
			best = (ptrdiff_t)i;
			best_distance = d;
		}
	}
	return best;
}

const char *
text_did_you_mean(struct text_errors *l, struct bytes name, const struct bytes *known, size_t count,
    const char *otherwise)
{
	ptrdiff_t i = text_nearest(name, known, count);
	if (i < 0)
		return otherwise;
	return text_note(l, "did you mean '%.*s'?", (int)known[i].len, (const char *)known[i].data);
}
