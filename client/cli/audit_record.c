#include "client/cli/audit_record.h"

#include <inttypes.h>

#include "audit/record.h"
#include "client/cli/session.h"

static void
value_json(struct out_json *j, const struct body *b, const struct body_def *def, enum body_field f)
{
	struct bytes v = event_body_get(b, f);
	if (!event_body_has(b, f))
		return;
	switch (def->kind) {
	case BODY_UINT:
		out_json_uint(j, def->token, event_body_number(b, f));
		return;
	case BODY_ENUM:
		out_json_bytes(
		    j, def->token, event_body_word(f, (unsigned)event_body_number(b, f)));
		return;
	case BODY_TEXT:
		out_json_bytes(j, def->token, v);
		return;
	case BODY_INDEXES:
		out_json_begin(j, def->token, '[');
		for (struct cursor c = cursor_over(v); c.left > 0;)
			out_json_uint(j, NULL, cursor_u64(&c));
		out_json_end(j, ']');
		return;
	case BODY_DIGEST:
	case BODY_DIGESTS:
	case BODY_ID:
	case BODY_BYTES:
		out_json_hex(j, def->token, v.data, v.len);
		return;
	}
}

static void
body_json(struct out_json *j, const struct record *r, enum event_type type)
{
	struct body b;
	struct err e;
	enum body_field first;
	size_t count = event_body_fields(type, &first);
	if (!RECORD_SLOT(r, 7)->open || !event_body_parse(type, RECORD_SLOT(r, 7)->value, &b, &e))
		return;
	out_json_begin(j, "body", '{');
	for (size_t i = 0; i < count; i++) {
		enum body_field f = (enum body_field)((size_t)first + i);
		value_json(j, &b, event_body_def(f), f);
	}
	out_json_end(j, '}');
}

static void
slots_json(struct out_json *j, const struct record *r)
{
	struct slot_release release;
	struct slot_publication pub;
	struct slot_decision d;
	struct err e;
	if (RECORD_SLOT(r, 2)->open && slot_get_release(RECORD_SLOT(r, 2)->value, &release, &e) &&
	    release.recipient.len > 0) {
		out_json_bytes(j, "recipient", release.recipient);
		out_json_bytes(j, "agreements", release.agreements);
		out_json_bytes(j, "marking", release.marking);
	}
	if (RECORD_SLOT(r, 3)->open && slot_get_publication(RECORD_SLOT(r, 3)->value, &pub, &e) &&
	    pub.party.len > 0) {
		out_json_bytes(j, "publisher", pub.party);
		out_json_bytes(j, "agent", pub.agent);
		out_json_bytes(j, "banner", pub.banner);
	}
	if (RECORD_SLOT(r, 4)->open && slot_get_decision(RECORD_SLOT(r, 4)->value, &d, &e) &&
	    RECORD_SLOT(r, 4)->value.len > 0) {
		out_json_text(j, "outcome", slot_outcome_word(d.outcome));
		out_json_bytes(j, "reasons", d.reasons);
	}
}

static void
print_text(const char *what, struct bytes text)
{
	if (text.len == 0)
		return;
	(void)printf("  %s ", what);
	while (text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.data), skip = end != NULL;
		out_clean(stdout, bytes_from(text.data, len));
		(void)fputs(end == NULL ? "" : "; ", stdout);
		text = bytes_from(text.data + len + skip, text.len - len - skip);
	}
}

static void
print_record(uint64_t index, const struct slot_common *common, const struct record *r)
{
	char time[32];
	struct slot_release release = { 0 };
	struct slot_publication pub = { 0 };
	struct slot_decision d = { 0 };
	struct err e;
	(void)printf("%8" PRIu64 "  %s  %-12s", index, session_time(common->time / 1000, time),
	    event_token(common->type));
	if (common->report.len == RELTO_ID_BYTES) {
		char id[RELTO_ID_TEXT];
		relto_id_print(common->report.data, id);
		(void)printf(" %s", id);
	}
	if (RECORD_SLOT(r, 3)->open && slot_get_publication(RECORD_SLOT(r, 3)->value, &pub, &e))
		print_text("from", pub.party);
	if (RECORD_SLOT(r, 2)->open && slot_get_release(RECORD_SLOT(r, 2)->value, &release, &e))
		print_text("to", release.recipient);
	if (RECORD_SLOT(r, 4)->open && slot_get_decision(RECORD_SLOT(r, 4)->value, &d, &e) &&
	    d.outcome != 0)
		(void)printf("  %s", slot_outcome_word(d.outcome));
	(void)putchar('\n');
}

static bool
read_record(struct bytes opening, struct record *r, struct slot_common *common, struct err *e)
{
	return record_opening_parse(opening, r, e) &&
	       slot_get_common(RECORD_SLOT(r, 1)->value, common, e);
}

bool
audit_record_line(uint64_t index, struct bytes opening, struct err *e)
{
	struct record r;
	struct slot_common common;
	if (!read_record(opening, &r, &common, e))
		return false;
	print_record(index, &common, &r);
	return true;
}

bool
audit_record_json(struct out_json *j, uint64_t index, struct bytes opening, struct err *e)
{
	struct record r;
	struct slot_common common;
	if (!read_record(opening, &r, &common, e))
		return false;
	out_json_begin(j, NULL, '{');
	out_json_uint(j, "index", index);
	out_json_text(j, "type", event_token(common.type));
	out_json_uint(j, "time_us", common.time);
	if (common.report.len == RELTO_ID_BYTES) {
		char id[RELTO_ID_TEXT];
		relto_id_print(common.report.data, id);
		out_json_text(j, "report", id);
	}
	slots_json(j, &r);
	body_json(j, &r, common.type);
	return true;
}
