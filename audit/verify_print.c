#include "audit/verify_print.h"

#include <inttypes.h>
#include <time.h>

#include "proto/text_char.h"

/* What cannot be shown as it is; the same for text and CSV. */
static void
escaped(FILE *to, enum text_char kind, uint32_t c)
{
	if (kind == TEXT_CHAR_BAD_UTF8 || c < 0x80)
		(void)fprintf(to, "\\x%02x", c);
	else
		(void)fprintf(to, "\\u%04x", c);
}

static void
json_char(FILE *to, enum text_char kind, uint32_t c)
{
	if (kind == TEXT_CHAR_BAD_UTF8)
		(void)fputs("\\ufffd", to);
	else if (c == '"' || c == '\\')
		(void)fprintf(to, "\\%c", (int)c);
	else if (c == '\n')
		(void)fputs("\\n", to);
	else if (c < 0x10000)
		(void)fprintf(to, "\\u%04x", c);
	else
		(void)fprintf(
		    to, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
}

void
verify_print_json(FILE *to, struct bytes text)
{
	(void)fputc('"', to);
	for (size_t at = 0, n; at < text.len; at += n) {
		uint32_t c = 0;
		enum text_char kind = text_char_at(text, at, &c, &n);
		if (kind == TEXT_CHAR_PLAIN && c >= 0x20 && c != '"' && c != '\\')
			(void)fwrite(text.data + at, 1, n, to);
		else
			json_char(to, kind, c);
	}
	(void)fputc('"', to);
}

void
verify_print_plain(FILE *to, struct bytes text)
{
	for (size_t at = 0, n; at < text.len; at += n) {
		uint32_t c = 0;
		enum text_char kind = text_char_at(text, at, &c, &n);
		if (c == '\n')
			(void)fputs("; ", to);
		else if (kind == TEXT_CHAR_PLAIN && c >= 0x20)
			(void)fwrite(text.data + at, 1, n, to);
		else
			escaped(to, kind, c);
	}
}

void
verify_print_time(uint64_t us, char out[PRINT_TIME])
{
	time_t s = (time_t)(us / 1000000);
	struct tm tm;
	char date[20];
	/* the year 9999 ends what RFC 3339 can say */
	if (us / 1000000 > 253402300799u || gmtime_r(&s, &tm) == NULL) {
		(void)snprintf(out, PRINT_TIME, "%" PRIu64, us);
		return;
	}
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out, PRINT_TIME, "%s.%06uZ", date, (unsigned)(us % 1000000));
}

void
verify_print_hex(const uint8_t *data, size_t len, char *out)
{
	out[0] = '\0';
	for (size_t i = 0; i < len; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", data[i]);
}

void
verify_print_uuid(struct bytes id, char out[37])
{
	char hex[33];
	if (id.len != 16) {
		(void)snprintf(out, 37, "-");
		return;
	}
	verify_print_hex(id.data, 16, hex);
	(void)snprintf(
	    out, 37, "%.8s-%.4s-%.4s-%.4s-%s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* All slots of a record that are open. */
struct view {
	struct slot_release release;
	struct slot_publication publication;
	struct slot_decision decision;
	struct slot_hub hub;
	struct slot_person person;
	struct body body;
	bool has_body;
	uint64_t place;
	char report[37], time[PRINT_TIME];
};

static struct bytes
value_of(const struct record *r, unsigned slot)
{
	return RECORD_SLOT(r, slot)->open ? RECORD_SLOT(r, slot)->value : (struct bytes){ NULL, 0 };
}

/* The record was checked: nothing here can fail. */
static void
view_of(const struct verify_record *r, struct view *v)
{
	memset(v, 0, sizeof(*v));
	struct bytes body = value_of(r->record, 7);
	bool ok = slot_get_release(value_of(r->record, 2), &v->release, NULL) &&
		  slot_get_publication(value_of(r->record, 3), &v->publication, NULL) &&
		  slot_get_decision(value_of(r->record, 4), &v->decision, NULL) &&
		  slot_get_hub(value_of(r->record, 5), &v->hub, NULL) &&
		  slot_get_person(value_of(r->record, 6), &v->person, NULL) &&
		  slot_get_place(value_of(r->record, 8), &v->place, NULL);
	v->has_body = ok && body.len != 0 && event_body_parse(r->type, body, &v->body, NULL);
	verify_print_uuid(r->common.report, v->report);
	verify_print_time(r->common.time, v->time);
}

/* A member of a JSON object, left out if absent. */
static void
member_text(FILE *to, const char *name, struct bytes text, const char **comma)
{
	if (text.len == 0)
		return;
	(void)fprintf(to, "%s\"%s\":", *comma, name);
	verify_print_json(to, text);
	*comma = ",";
}

static void
member_digest(FILE *to, const char *name, const uint8_t *digest, const char **comma)
{
	char hex[65];
	if (digest == NULL)
		return;
	verify_print_hex(digest, 32, hex);
	(void)fprintf(to, "%s\"%s\":\"%s\"", *comma, name, hex);
	*comma = ",";
}

static void
member_number(FILE *to, const char *name, uint64_t v, const char **comma)
{
	if (v == SLOT_ABSENT)
		return;
	(void)fprintf(to, "%s\"%s\":%" PRIu64, *comma, name, v);
	*comma = ",";
}

static void
member_reasons(FILE *to, struct bytes text, const char **comma)
{
	struct slot_reason r;
	const char *sep = "";
	if (text.len == 0)
		return;
	(void)fprintf(to, "%s\"reasons\":[", *comma);
	while (text.len != 0 && slot_reason_next(&text, &r, NULL)) {
		const char *in = ",";
		(void)fprintf(to, "%s{\"portion\":%" PRIu32, sep, r.portion);
		member_text(to, "verdict", r.verdict, &in);
		member_text(to, "reason", r.reason, &in);
		member_text(to, "agreement", r.agreement, &in);
		member_text(to, "rule", r.rule, &in);
		(void)fputc('}', to);
		sep = ",";
	}
	(void)fputc(']', to);
	*comma = ",";
}

/* Digests, indexes: an array. */
static void
json_list(FILE *to, struct bytes v, size_t each)
{
	const char *sep = "";
	(void)fputc('[', to);
	for (struct cursor c = cursor_over(v); c.left != 0; sep = ",") {
		char hex[65];
		if (each == 8) {
			(void)fprintf(to, "%s%" PRIu64, sep, cursor_u64(&c));
			continue;
		}
		verify_print_hex(cursor_take(&c, 32).data, 32, hex);
		(void)fprintf(to, "%s\"%s\"", sep, hex);
	}
	(void)fputc(']', to);
}

static void
text_bytes(FILE *to, struct bytes v)
{
	for (size_t i = 0; i < v.len; i++)
		(void)fprintf(to, "%02x", v.data[i]);
}

static void
json_bytes(FILE *to, struct bytes v)
{
	(void)fputc('"', to);
	text_bytes(to, v);
	(void)fputc('"', to);
}

static void
json_field(FILE *to, enum body_kind kind, enum body_field f, const struct body *b)
{
	struct bytes v = event_body_get(b, f);
	char id[37];
	switch (kind) {
	case BODY_TEXT:
		verify_print_json(to, v);
		break;
	case BODY_UINT:
		(void)fprintf(to, "%" PRIu64, event_body_number(b, f));
		break;
	case BODY_ENUM:
		verify_print_json(to, event_body_word(f, v.data[0]));
		break;
	case BODY_DIGESTS:
		json_list(to, v, 32);
		break;
	case BODY_INDEXES:
		json_list(to, v, 8);
		break;
	case BODY_ID:
		verify_print_uuid(v, id);
		(void)fprintf(to, "\"%s\"", id);
		break;
	case BODY_DIGEST:
	case BODY_BYTES:
		json_bytes(to, v);
		break;
	}
}

static void
json_body(FILE *to, const struct view *v)
{
	enum body_field first = (enum body_field)0;
	size_t count = event_body_fields(v->body.type, &first);
	const char *comma = "";
	(void)fputs(",\"body\":{", to);
	for (size_t i = 0; i < count; i++) {
		enum body_field f = (enum body_field)(first + i);
		if (!event_body_has(&v->body, f))
			continue;
		(void)fprintf(to, "%s\"%s\":", comma, event_body_def(f)->token);
		json_field(to, event_body_def(f)->kind, f, &v->body);
		comma = ",";
	}
	(void)fputc('}', to);
}

static void
json_slots(FILE *to, const struct view *v)
{
	const char *in = ",\"release\":{";
	member_text(to, "recipient", v->release.recipient, &in);
	member_text(to, "agreements", v->release.agreements, &in);
	member_text(to, "marking", v->release.marking, &in);
	member_digest(to, "released", v->release.released, &in);
	(void)fputs(*in == ',' && in[1] == '\0' ? "}" : "", to);
	in = ",\"publication\":{";
	member_text(to, "party", v->publication.party, &in);
	member_text(to, "agent", v->publication.agent, &in);
	member_digest(to, "manifest", v->publication.manifest, &in);
	member_text(to, "banner", v->publication.banner, &in);
	member_number(to, "index", v->publication.index, &in);
	(void)fputs(*in == ',' && in[1] == '\0' ? "}" : "", to);
	in = ",\"decision\":{";
	if (v->decision.outcome != 0)
		member_text(to, "outcome", bytes_of(slot_outcome_word(v->decision.outcome)), &in);
	member_reasons(to, v->decision.reasons, &in);
	member_digest(to, "policy", v->decision.policy, &in);
	member_digest(to, "facts", v->decision.facts, &in);
	member_number(to, "link", v->decision.link, &in);
	(void)fputs(*in == ',' && in[1] == '\0' ? "}" : "", to);
	in = ",\"hub\":{";
	member_text(to, "node", v->hub.node, &in);
	member_number(to, "connection", v->hub.connection, &in);
	member_digest(to, "certificate", v->hub.certificate, &in);
	member_text(to, "clock", v->hub.clock, &in);
	(void)fputs(*in == ',' && in[1] == '\0' ? "}" : "", to);
	in = ",\"person\":{";
	member_text(to, "actor", v->person.actor, &in);
	member_text(to, "justification", v->person.justification, &in);
	(void)fputs(*in == ',' && in[1] == '\0' ? "}" : "", to);
}

static void
print_json(FILE *to, const struct verify_record *r, const struct view *v)
{
	char leaf[65];
	const char *sep = "";
	verify_print_hex(r->leaf, 32, leaf);
	(void)fprintf(to, "{\"index\":%" PRIu64 ",\"type\":\"%s\",\"time\":\"%s\"", r->index,
	    event_token(r->type), v->time);
	if (r->common.report.len != 0)
		(void)fprintf(to, ",\"report\":\"%s\"", v->report);
	json_slots(to, v);
	if (v->has_body)
		json_body(to, v);
	const char *comma = ",";
	member_number(to, "place", v->place, &comma);
	(void)fputs(",\"closed\":[", to);
	for (unsigned i = 1; i <= RECORD_SLOTS; i++) {
		if (RECORD_SLOT(r->record, i)->open)
			continue;
		(void)fprintf(to, "%s%u", sep, i);
		sep = ",";
	}
	(void)fprintf(to, "],\"leaf\":\"%s\"}\n", leaf);
}

/* The body's fields as "name=value" for people. */
static void
text_body(FILE *to, const struct view *v)
{
	enum body_field first = (enum body_field)0;
	size_t count = event_body_fields(v->body.type, &first);
	for (size_t i = 0; i < count; i++) {
		enum body_field f = (enum body_field)(first + i);
		enum body_kind kind = event_body_def(f)->kind;
		if (!event_body_has(&v->body, f))
			continue;
		(void)fprintf(to, " %s=", event_body_def(f)->token);
		if (kind == BODY_TEXT)
			verify_print_plain(to, event_body_get(&v->body, f));
		else if (kind == BODY_DIGEST || kind == BODY_BYTES)
			text_bytes(to, event_body_get(&v->body, f));
		else if (kind == BODY_ENUM)
			verify_print_plain(
			    to, event_body_word(f, event_body_get(&v->body, f).data[0]));
		else
			json_field(to, kind, f, &v->body);
	}
}

static void
text_pair(FILE *to, const char *name, struct bytes text)
{
	if (text.len == 0)
		return;
	(void)fprintf(to, " %s ", name);
	verify_print_plain(to, text);
}

static void
print_text(FILE *to, const struct verify_record *r, const struct view *v)
{
	(void)fprintf(to, "%8" PRIu64 "  %s  %-12s", r->index, v->time, event_token(r->type));
	if (r->common.report.len != 0)
		(void)fprintf(to, " %s", v->report);
	text_pair(to, "from", v->publication.party);
	text_pair(to, "to", v->release.recipient);
	if (v->decision.outcome != 0)
		(void)fprintf(to, " outcome %s", slot_outcome_word(v->decision.outcome));
	text_pair(to, "under", v->release.agreements);
	text_pair(to, "marking", v->release.marking);
	text_pair(to, "because", v->decision.reasons);
	text_pair(to, "by", v->person.actor);
	if (v->has_body)
		text_body(to, v);
	(void)fputc('\n', to);
}

/* RFC 4180. */
void
verify_print_cell(FILE *to, struct bytes text, const char *end)
{
	static const char formula[] = "=+-@\t\r";
	(void)fputc('"', to);
	if (text.len != 0 && text.data[0] != '\0' && strchr(formula, text.data[0]) != NULL)
		(void)fputc('\'', to);
	for (size_t at = 0, n; at < text.len; at += n) {
		uint32_t c = 0;
		enum text_char kind = text_char_at(text, at, &c, &n);
		if (c == '"')
			(void)fputc('"', to);
		if (kind == TEXT_CHAR_PLAIN)
			(void)fwrite(text.data + at, 1, n, to);
		else
			escaped(to, kind, c);
	}
	(void)fprintf(to, "\"%s", end);
}

void
verify_print_csv_head(FILE *to)
{
	(void)fputs("index,time,type,report,publisher,agent,recipient,outcome,agreements,marking,"
		    "banner,reasons,actor,justification,node\r\n",
	    to);
}

static void
print_csv(FILE *to, const struct verify_record *r, const struct view *v)
{
	const char *outcome =
	    v->decision.outcome == 0 ? "" : slot_outcome_word(v->decision.outcome);
	(void)fprintf(to, "%" PRIu64 ",%s,%s,%s,", r->index, v->time, event_token(r->type),
	    r->common.report.len == 0 ? "" : v->report);
	verify_print_cell(to, v->publication.party, ",");
	verify_print_cell(to, v->publication.agent, ",");
	verify_print_cell(to, v->release.recipient, ",");
	verify_print_cell(to, bytes_of(outcome), ",");
	verify_print_cell(to, v->release.agreements, ",");
	verify_print_cell(to, v->release.marking, ",");
	verify_print_cell(to, v->publication.banner, ",");
	verify_print_cell(to, v->decision.reasons, ",");
	verify_print_cell(to, v->person.actor, ",");
	verify_print_cell(to, v->person.justification, ",");
	verify_print_cell(to, v->hub.node, "\r\n");
}

void
verify_print_record(FILE *to, enum print_form form, const struct verify_record *r)
{
	struct view v;
	view_of(r, &v);
	switch (form) {
	case PRINT_TEXT:
		print_text(to, r, &v);
		break;
	case PRINT_JSON:
		print_json(to, r, &v);
		break;
	case PRINT_CSV:
		print_csv(to, r, &v);
		break;
	}
}
