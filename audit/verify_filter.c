#include "audit/verify_filter.h"

#include <stdio.h>
#include <time.h>

static const char *const fields[] = { "type", "outcome", "publisher", "recipient", "agreement",
	"report", "reason", "rule" };

/* RFC 3339 UTC with Z, or a date; fractions of a second as far as µs. */
static bool
parse_time(const char *text, uint64_t *out)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	uint64_t us = 0, unit = 100000;
	if (end == NULL)
		return false;
	if (*end == 'T') {
		end = strptime(end, "T%H:%M:%S", &tm);
		if (end != NULL && *end == '.')
			for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
				us += (uint64_t)(*end - '0') * unit;
		if (end == NULL || *end++ != 'Z')
			return false;
	}
	time_t s = timegm(&tm);
	*out = (uint64_t)s * 1000000 + us;
	return *end == '\0' && s >= 0;
}

static bool
add_term(struct verify_filter *f, char *word, struct err *e)
{
	char *is = strchr(word, '=');
	if (is == NULL)
		return err_set(
		    e, ERR_USAGE, "'%s' is no term (field=value, from TIME, until TIME)", word);
	if (f->count == FILTER_TERMS)
		return err_set(e, ERR_USAGE, "more than %d terms", FILTER_TERMS);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (strlen(fields[i]) != (size_t)(is - word) ||
		    memcmp(fields[i], word, (size_t)(is - word)) != 0)
			continue;
		if (i == 0 && event_from_token(bytes_of(is + 1)) == EVENT_NONE)
			return err_set(e, ERR_USAGE, "there is no type '%s'", is + 1);
		f->terms[f->count].field = fields[i];
		f->terms[f->count++].value = bytes_of(is + 1);
		return true;
	}
	return err_set(e, ERR_USAGE,
	    "no field '%.*s'; there are type, outcome, publisher, recipient, agreement, report, "
	    "reason, rule",
	    (int)(is - word), word);
}

bool
verify_filter_parse(struct verify_filter *out, char *const *words, size_t count, struct err *e)
{
	struct verify_filter f = { .until = UINT64_MAX };
	for (size_t i = 0; i < count; i++) {
		bool from = strcmp(words[i], "from") == 0, until = strcmp(words[i], "until") == 0;
		if (!from && !until) {
			if (!add_term(&f, words[i], e))
				return false;
			continue;
		}
		if (i + 1 == count || !parse_time(words[++i], from ? &f.from : &f.until))
			return err_set(e, ERR_USAGE,
			    "'%s' needs a time such as 2026-06-01T00:00:00Z",
			    from ? "from" : "until");
	}
	*out = f;
	return true;
}

/* Whether a line of 'text' is the value, or begins with it and the mark. */
static bool
has_line(struct bytes text, struct bytes value, char mark)
{
	while (text.len != 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t n = end == NULL ? text.len : (size_t)(end - text.data);
		if (n >= value.len && memcmp(text.data, value.data, value.len) == 0 &&
		    (n == value.len || text.data[value.len] == (uint8_t)mark))
			return true;
		text.data += n + (end != NULL);
		text.len -= n + (end != NULL);
	}
	return false;
}

static bool
has_reason(struct bytes text, const char *field, struct bytes value)
{
	struct slot_reason r;
	while (text.len != 0 && slot_reason_next(&text, &r, NULL)) {
		struct bytes is = strcmp(field, "reason") == 0 ? r.reason
				  : strcmp(field, "rule") == 0 ? r.rule
							       : r.agreement;
		if (bytes_equal(is, value))
			return true;
	}
	return false;
}

static bool
is_report(struct bytes id, struct bytes value)
{
	char hex[33];
	size_t at = 0;
	if (id.len != 16)
		return false;
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", id.data[i]);
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '-')
			continue;
		if (at == 32 || (value.data[i] | 0x20) != (hex[at] | 0x20))
			return false;
		at++;
	}
	return at == 32;
}

/* The slots that terms speak of. */
struct said {
	struct slot_release release;
	struct slot_publication publication;
	struct slot_decision decision;
	struct bytes code; /* of a REFUSED */
};

static bool
holds(const char *field, struct bytes value, const struct verify_record *r, const struct said *s)
{
	if (strcmp(field, "type") == 0)
		return bytes_is(value, event_token(r->type));
	if (strcmp(field, "outcome") == 0)
		return s->decision.outcome != 0 &&
		       bytes_is(value, slot_outcome_word(s->decision.outcome));
	if (strcmp(field, "publisher") == 0)
		return bytes_equal(s->publication.party, value);
	if (strcmp(field, "recipient") == 0)
		return has_line(s->release.recipient, value, '\n');
	if (strcmp(field, "report") == 0)
		return is_report(r->common.report, value);
	if (strcmp(field, "agreement") == 0 && has_line(s->release.agreements, value, '@'))
		return true;
	if (strcmp(field, "reason") == 0 && bytes_equal(s->code, value) && value.len != 0)
		return true;
	return has_reason(s->decision.reasons, field, value);
}

bool
verify_filter_picks(const struct verify_filter *f, const struct verify_record *r)
{
	struct said s;
	struct body body;
	memset(&s, 0, sizeof(s));
	const struct bytes none = { NULL, 0 };
	const struct record *rec = r->record;
	if (!slot_get_release(
		RECORD_SLOT(rec, 2)->open ? RECORD_SLOT(rec, 2)->value : none, &s.release, NULL) ||
	    !slot_get_publication(RECORD_SLOT(rec, 3)->open ? RECORD_SLOT(rec, 3)->value : none,
		&s.publication, NULL) ||
	    !slot_get_decision(
		RECORD_SLOT(rec, 4)->open ? RECORD_SLOT(rec, 4)->value : none, &s.decision, NULL))
		return false;
	if (r->type == EVENT_REFUSED && RECORD_SLOT(rec, 7)->open &&
	    event_body_parse(r->type, RECORD_SLOT(rec, 7)->value, &body, NULL))
		s.code = event_body_get(&body, BODY_REFUSED_CODE);
	if (r->common.time < f->from || r->common.time >= f->until)
		return false;
	for (size_t i = 0; i < f->count; i++)
		if (!holds(f->terms[i].field, f->terms[i].value, r, &s))
			return false;
	return true;
}
