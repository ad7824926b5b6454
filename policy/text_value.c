/* Typed values: never guessed, typed by the setting (DESIGN section 4). */
#include "policy/text.h"

#include <stdio.h>

#define SHOWN_NAME(b) (int)((b).len < 200 ? (b).len : 200), (const char *)(b).data

static const uint64_t DAY_US = UINT64_C(86400000000);

/* ---- readings without a list of errors ---- */

bool
text_to_integer(struct bytes in, uint64_t *out)
{
	uint64_t n = 0;
	if (in.len == 0 || in.len > 20 || (in.len > 1 && in.data[0] == '0'))
		return false;
	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] < '0' || in.data[i] > '9')
			return false;
		uint64_t digit = (uint64_t)(in.data[i] - '0');
		if (n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static bool
with_unit(struct bytes in, const struct unit *units, size_t count, uint64_t *out)
{
	size_t digits = 0;
	while (digits < in.len && in.data[digits] >= '0' && in.data[digits] <= '9')
		digits++;
	uint64_t n;
	if (!text_to_integer((struct bytes){ in.data, digits }, &n))
		return false;
	struct bytes unit = { in.data + digits, in.len - digits };
	for (size_t i = 0; i < count; i++) {
		if (!bytes_is(unit, units[i].name))
			continue;
		if (n > UINT64_MAX / units[i].factor)
			return false;
		*out = n * units[i].factor;
		return true;
	}
	return false;
}

bool
text_to_duration(struct bytes in, uint64_t *ms)
{
	static const struct unit units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
		{ "h", 3600000 }, { "d", 86400000 } };
	return with_unit(in, units, sizeof(units) / sizeof(units[0]), ms);
}

bool
text_to_size(struct bytes in, uint64_t *bytes)
{
	static const struct unit units[] = { { "KiB", 1 << 10 }, { "MiB", 1 << 20 },
		{ "GiB", 1 << 30 } };
	return with_unit(in, units, sizeof(units) / sizeof(units[0]), bytes);
}

/* Exactly 'n' digits. */
static bool
digits(struct cursor *c, size_t n, unsigned *out)
{
	struct bytes b = cursor_take(c, n);
	unsigned v = 0;
	for (size_t i = 0; i < b.len; i++) {
		if (b.data[i] < '0' || b.data[i] > '9')
			c->failed = true;
		v = v * 10 + (unsigned)(b.data[i] - '0');
	}
	*out = v;
	return !c->failed;
}

static bool
literal(struct cursor *c, char what)
{
	if (cursor_u8(c) != (uint8_t)what)
		c->failed = true;
	return !c->failed;
}

static bool
is_leap(unsigned y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* YYYY-MM-DD, 1970..9999, as days since 1970. */
static bool
take_date(struct cursor *c, uint64_t *days)
{
	static const unsigned before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	static const unsigned lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned y;
	unsigned m;
	unsigned d;
	if (!digits(c, 4, &y) || !literal(c, '-') || !digits(c, 2, &m) || !literal(c, '-') ||
	    !digits(c, 2, &d) || y < 1970 || m < 1 || m > 12 || d < 1)
		return false;
	if (d > lengths[m - 1] + (m == 2 && is_leap(y) ? 1u : 0u))
		return false;
	unsigned past = y - 1; /* leap days of the years before this one */
	uint64_t leaps = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
	*days = (uint64_t)(y - 1970) * 365 + leaps + before[m - 1] + (m > 2 && is_leap(y)) + d - 1;
	return true;
}

bool
text_to_date(struct bytes in, uint64_t *us)
{
	struct cursor c = cursor_over(in);
	uint64_t days;
	if (!take_date(&c, &days) || !cursor_finished(&c))
		return false;
	*us = days * DAY_US;
	return true;
}

/* '.' and one to six digits, or nothing. */
static bool
take_fraction(struct cursor *c, unsigned *us)
{
	*us = 0;
	if (c->failed || c->left == 0 || *c->at != '.')
		return !c->failed;
	(void)cursor_u8(c);
	unsigned scale = 1000000;
	while (c->left != 0 && *c->at >= '0' && *c->at <= '9' && scale > 1) {
		scale /= 10;
		*us += scale * (unsigned)(cursor_u8(c) - '0');
	}
	return scale != 1000000;
}

bool
text_to_time(struct bytes in, uint64_t *us)
{
	struct cursor c = cursor_over(in);
	uint64_t days;
	unsigned h;
	unsigned m;
	unsigned s;
	unsigned fraction;
	if (!take_date(&c, &days) || !literal(&c, 'T') || !digits(&c, 2, &h) || !literal(&c, ':') ||
	    !digits(&c, 2, &m) || !literal(&c, ':') || !digits(&c, 2, &s) ||
	    !take_fraction(&c, &fraction) || !literal(&c, 'Z') || !cursor_finished(&c))
		return false;
	if (h > 23 || m > 59 || s > 59)
		return false;
	*us = days * DAY_US + ((h * 60u + m) * 60u + s) * UINT64_C(1000000) + fraction;
	return true;
}

bool
text_is_name(struct bytes in)
{
	if (in.len == 0 || in.len > LIMIT_PARTY_NAME_BYTES)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		bool alnum =
		    (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!alnum && (i == 0 || (c != '_' && c != '-')))
			return false;
	}
	return true;
}

/* ---- values of a statement ---- */

static bool
not_a_list(struct text_errors *l, const struct text_value *v)
{
	if (v->kind != TEXT_LIST)
		return true;
	return text_error(l, &v->pos, "write it without [ ]", "a list where one value belongs");
}

bool
text_string(struct text_errors *l, const struct text_value *v, size_t max, struct bytes *out)
{
	if (!not_a_list(l, v))
		return false;
	if (v->text.len == 0)
		return text_error(l, &v->pos, NULL, "the text is empty");
	if (v->text.len > max)
		return text_error(l, &v->pos, NULL, "longer than %zu bytes", max);
	*out = v->text;
	return true;
}

bool
text_name(struct text_errors *l, const struct text_value *v, const char *what, struct bytes *out)
{
	if (!not_a_list(l, v))
		return false;
	if (!text_is_name(v->text))
		return text_error(l, &v->pos,
		    "a name is 1 to 64 letters, digits, '_' and '-', the first a letter or digit",
		    "'%.*s' cannot be the name of %s", SHOWN_NAME(v->text), what);
	*out = v->text;
	return true;
}

bool
text_choice(struct text_errors *l, const struct text_value *v, const char *const *known,
    size_t count, size_t *index)
{
	const char *all = "";
	struct bytes names[32];
	if (!not_a_list(l, v))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (bytes_is(v->text, known[i])) {
			*index = i;
			return true;
		}
	}
	size_t n = count < 32 ? count : 32;
	for (size_t i = 0; i < n; i++) {
		names[i] = bytes_of(known[i]);
		all = text_note(l, "%s%s%s", all, i == 0 ? "" : " | ", known[i]);
	}
	const char *help = text_did_you_mean(l, v->text, names, n, text_note(l, "one of %s", all));
	return text_error(l, &v->pos, help, "'%.*s' is not known here", SHOWN_NAME(v->text));
}

bool
text_keyword(struct text_errors *l, const struct text_value *v, const char *word)
{
	if (v->kind != TEXT_LIST && bytes_is(v->text, word))
		return true;
	if (v->kind == TEXT_LIST)
		return text_error(l, &v->pos, NULL, "a list where '%s' belongs", word);
	return text_error(l, &v->pos, NULL, "'%.*s' where '%s' belongs", SHOWN_NAME(v->text), word);
}

bool
text_integer(
    struct text_errors *l, const struct text_value *v, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t n;
	if (!not_a_list(l, v))
		return false;
	if (!text_to_integer(v->text, &n) || n < min || n > max)
		return text_error(l, &v->pos, NULL, "'%.*s' is not an integer from %llu to %llu",
		    SHOWN_NAME(v->text), (unsigned long long)min, (unsigned long long)max);
	*out = n;
	return true;
}

bool
text_duration(struct text_errors *l, const struct text_value *v, uint64_t min_ms, uint64_t max_ms,
    uint64_t *ms)
{
	uint64_t n;
	if (!not_a_list(l, v))
		return false;
	if (!text_to_duration(v->text, &n))
		return text_error(l, &v->pos, "an integer and one of ms s m h d, as in 72h",
		    "'%.*s' is not a duration", SHOWN_NAME(v->text));
	if (n < min_ms || n > max_ms)
		return text_error(l, &v->pos, NULL, "'%.*s' is not from %llums to %llums",
		    SHOWN_NAME(v->text), (unsigned long long)min_ms, (unsigned long long)max_ms);
	*ms = n;
	return true;
}

bool
text_size(
    struct text_errors *l, const struct text_value *v, uint64_t min, uint64_t max, uint64_t *bytes)
{
	uint64_t n;
	if (!not_a_list(l, v))
		return false;
	if (!text_to_size(v->text, &n))
		return text_error(l, &v->pos, "an integer and one of KiB MiB GiB, as in 16MiB",
		    "'%.*s' is not a size", SHOWN_NAME(v->text));
	if (n < min || n > max)
		return text_error(l, &v->pos, NULL, "'%.*s' is not from %llu to %llu bytes",
		    SHOWN_NAME(v->text), (unsigned long long)min, (unsigned long long)max);
	*bytes = n;
	return true;
}

bool
text_time(struct text_errors *l, const struct text_value *v, uint64_t *us)
{
	if (!not_a_list(l, v))
		return false;
	return text_to_time(v->text, us) ||
	       text_error(l, &v->pos, "RFC 3339 in UTC, as in 2026-01-31T12:00:00Z",
		   "'%.*s' is not a time", SHOWN_NAME(v->text));
}

bool
text_date(struct text_errors *l, const struct text_value *v, uint64_t *us)
{
	if (!not_a_list(l, v))
		return false;
	return text_to_date(v->text, us) ||
	       text_error(l, &v->pos, "a day from 1970 on, as in 2026-01-31",
		   "'%.*s' is not a date", SHOWN_NAME(v->text));
}

bool
text_list(struct text_errors *l, const struct text_value *v, struct arena *a, bool empty_ok,
    struct names *out)
{
	if (v->kind != TEXT_LIST)
		return text_error(l, &v->pos, "a list of one needs its brackets, too",
		    "'%.*s' where a list in [ ] belongs", SHOWN_NAME(v->text));
	if (v->count == 0 && !empty_ok)
		return text_error(l, &v->pos, NULL, "the list is empty");
	struct bytes *items = arena_zalloc(a, v->count, sizeof(*items));
	if (items == NULL)
		return text_error(l, &v->pos, NULL, "out of memory");
	for (size_t i = 0; i < v->count; i++)
		items[i] = v->items[i].text;
	*out = (struct names){ items, v->count };
	return true;
}

char *
text_day(struct arena *a, uint64_t us)
{
	/* days since 1970 to year, month, day: eras of 400 years that begin in March */
	uint64_t days = us / (UINT64_C(86400) * 1000000) + 719468;
	uint64_t era = days / 146097, day = days % 146097;
	uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	uint64_t of_year = day - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * of_year + 2) / 153;
	unsigned d = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
	unsigned m = (unsigned)(month < 10 ? month + 3 : month - 9);
	unsigned y = (unsigned)(year + era * 400 + (m <= 2));
	return arena_printf(a, "%04u-%02u-%02u", y, m, d);
}
