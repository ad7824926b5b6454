#include "audit/verify_say.h"

#include <inttypes.h>

#include "audit/verify_print.h"

static const char *const words[VERIFY_CODES] = {
	[VERIFY_OK] = "ok",
	[VERIFY_USAGE] = "usage",
	[VERIFY_MALFORMED] = "malformed",
	[VERIFY_SIGNATURE] = "signature",
	[VERIFY_INCLUSION] = "inclusion",
	[VERIFY_CONSISTENCY] = "consistency",
	[VERIFY_CONTENT] = "content",
	[VERIFY_GAP] = "completeness",
	[VERIFY_STALE] = "stale",
	[VERIFY_TIME] = "time",
};

enum { LINES = 12 };

/* Lines of text that are there or not. */
struct lines {
	size_t count;
	const char *line[LINES];
};

static void
add(struct lines *l, const char *text)
{
	if (l->count < LINES)
		l->line[l->count++] = text;
}

const char *
verify_say_word(enum verify_code code)
{
	return words[code];
}

void
verify_say_finding(struct verify_told *t, const struct verify_finding *f)
{
	if (t->count == SAY_FINDINGS)
		return;
	t->finding[t->count].code = f->code;
	t->finding[t->count].index = f->index;
	(void)snprintf(t->finding[t->count].text, sizeof(t->finding[0].text), "%s", f->text);
	t->count++;
}

static struct lines
checked(const struct verify_say *s)
{
	struct lines l = { 0 };
	const struct verify_result *r = s->result;
	if (!r->signed_by_log)
		return l;
	add(&l, "the log's signature on the checkpoint");
	if (s->trust->quorum != 0)
		add(&l, "the witnesses' cosignatures and their quorum");
	if (!r->walked)
		return l;
	add(&l, "that the leaf hashes give the signed root");
	add(&l, "that every record opened here is the one in the tree, field by field");
	add(&l, "order: times, links between decisions, deliveries only of what is released");
	if (r->from == 0)
		add(&l, r->hub ? "every party's history, rebuilt, against its heads"
			       : "the party's history, rebuilt, against its heads");
	if (r->hub && r->contents != 0)
		add(&l, "contents in the bundle: facts, manifests, routing, heads, seals, chains, "
			"policies");
	if (s->kept_size != 0)
		add(&l, "that the log extends the one verified before");
	return l;
}

static struct lines
unchecked(const struct verify_say *s)
{
	struct lines l = { 0 };
	const struct verify_result *r = s->result;
	if (!r->signed_by_log) {
		add(&l, "anything: without a good checkpoint nothing else means anything");
		return l;
	}
	if (!r->walked)
		add(&l, "all records: the bundle could be read only in part");
	add(&l, "whether the decisions follow the policy (relto audit replay judges them again)");
	add(&l, "the publishers' signatures and the parties' attestations, beyond their digests");
	if (r->from != 0)
		add(&l, "the histories of parties, and links to earlier records: the bundle begins "
			"after record 0");
	if (!r->hub)
		add(&l,
		    "records of others, and the slots of these that are not opened to the party");
	if (r->missing != 0)
		add(&l, "contents that are not in the bundle");
	if (r->erased != 0)
		add(&l, "persons that were erased");
	if (s->trust->quorum == 0)
		add(&l, "witnesses: no quorum was asked for");
	if (s->kept_size == 0)
		add(&l, "an earlier checkpoint: none was kept (--state)");
	return l;
}

/* A party has no other way to know what else is its own than a head that counts it. */
static const char *
history(const struct verify_result *r)
{
	if (r->from != 0)
		return "NOT: that any party's history is complete (the bundle begins later)";
	if (r->hub)
		return "each party's history is complete for that party";
	for (size_t i = 0; i < r->party_count; i++)
		if (bytes_is(r->parties[i].name, r->party) && r->parties[i].heads != 0)
			return "the party's history is complete up to its last head here";
	return "NOT: that the party's history is complete (no head of it is here)";
}

static struct lines
concluded(const struct verify_say *s)
{
	struct lines l = { 0 };
	if (s->result->code != VERIFY_OK) {
		add(&l, "nothing: see the findings");
		return l;
	}
	add(&l,
	    s->kept_size != 0
		? "nothing recorded was changed or removed since the earliest checkpoint compared"
		: "nothing recorded was changed or removed since this checkpoint was signed");
	add(&l, history(s->result));
	/* an ACK record is the broker's word until its attestation's signature is checked here */
	add(&l, "NOT: that what is recorded as delivered or acknowledged arrived");
	add(&l, "NOT: that the recorded decisions follow the recorded policy (relto audit replay)");
	add(&l, "NOT: that nothing else left the machine by another way");
	return l;
}

void
verify_say_findings(FILE *to, const struct verify_say *s)
{
	size_t all = 0;
	for (size_t i = 0; i < VERIFY_CODES; i++)
		all += s->result->findings[i];
	for (size_t i = 0; i < s->told->count; i++) {
		uint64_t index = s->told->finding[i].index;
		(void)fprintf(to, "%s: ", words[s->told->finding[i].code]);
		if (index != SLOT_ABSENT)
			(void)fprintf(to, "record %" PRIu64 ": ", index);
		verify_print_plain(to, bytes_of(s->told->finding[i].text));
		(void)fputc('\n', to);
	}
	if (all > s->told->count)
		(void)fprintf(to, "and %zu more\n", all - s->told->count);
	if (s->evidence != NULL)
		(void)fprintf(to, "both signed heads are kept in %s\n", s->evidence);
}

static void
text_lines(FILE *to, const char *title, const struct lines *l)
{
	if (l->count != 0)
		(void)fprintf(to, "%s\n", title);
	for (size_t i = 0; i < l->count; i++)
		(void)fprintf(to, "  %s\n", l->line[i]);
}

static void
text_log(FILE *to, const struct verify_say *s)
{
	const struct verify_result *r = s->result;
	char root[65], from[PRINT_TIME], until[PRINT_TIME];
	verify_print_hex(r->root, 32, root);
	(void)fprintf(
	    to, "log      %s\nsize     %" PRIu64 "\nroot     %s\n", r->origin, r->size, root);
	(void)fprintf(
	    to, "view     %s%s\n", r->hub ? "auditor of the hub party" : "party ", r->party);
	(void)fprintf(to, "records  %" PRIu64 " opened of %" PRIu64 "\n", r->opened, r->size);
	if (r->opened != 0) {
		verify_print_time(r->first_time, from);
		verify_print_time(r->last_time, until);
		(void)fprintf(to, "time     %s to %s\n", from, until);
	}
	if (r->hub)
		(void)fprintf(to, "contents %" PRIu64 " checked, %" PRIu64 " not in the bundle\n",
		    r->contents, r->missing);
	for (size_t i = 0; i < r->party_count; i++) {
		const struct verify_party *p = &r->parties[i];
		(void)fprintf(to, "party    ");
		verify_print_plain(to, p->name);
		(void)fprintf(to,
		    ": %" PRIu64 " records, %" PRIu64 " covered by %" PRIu64 " heads\n", p->leaves,
		    p->covered, p->heads);
	}
}

void
verify_say_text(FILE *to, const struct verify_say *s)
{
	struct lines did = checked(s), not = unchecked(s), so = concluded(s);
	if (s->result->signed_by_log)
		text_log(to, s);
	text_lines(to, "checked", &did);
	text_lines(to, "not checked", &not );
	text_lines(to, "concluded", &so);
	(void)fprintf(
	    to, "%s (%d)\n", s->result->code == VERIFY_OK ? "OK" : "FAILED", (int)s->result->code);
}

static void
json_lines(FILE *to, const char *name, const struct lines *l)
{
	(void)fprintf(to, ",\"%s\":[", name);
	for (size_t i = 0; i < l->count; i++) {
		(void)fputs(i == 0 ? "" : ",", to);
		verify_print_json(to, bytes_of(l->line[i]));
	}
	(void)fputc(']', to);
}

static void
json_findings(FILE *to, const struct verify_say *s)
{
	(void)fputs(",\"findings\":[", to);
	for (size_t i = 0; i < s->told->count; i++) {
		enum verify_code code = s->told->finding[i].code;
		(void)fprintf(to, "%s{\"code\":%d,\"kind\":\"%s\"", i == 0 ? "" : ",", (int)code,
		    words[code]);
		if (s->told->finding[i].index != SLOT_ABSENT)
			(void)fprintf(to, ",\"index\":%" PRIu64, s->told->finding[i].index);
		(void)fputs(",\"text\":", to);
		verify_print_json(to, bytes_of(s->told->finding[i].text));
		(void)fputc('}', to);
	}
	(void)fputc(']', to);
}

static void
json_counts(FILE *to, const struct verify_result *r)
{
	const char *sep = "";
	(void)fputs(",\"types\":{", to);
	for (unsigned t = 1; t < EVENT_END; t++) {
		if (r->by_type[t] == 0)
			continue;
		(void)fprintf(
		    to, "%s\"%s\":%" PRIu64, sep, event_token((enum event_type)t), r->by_type[t]);
		sep = ",";
	}
	(void)fputs("},\"parties\":[", to);
	for (size_t i = 0; i < r->party_count; i++) {
		(void)fprintf(to, "%s{\"party\":", i == 0 ? "" : ",");
		verify_print_json(to, r->parties[i].name);
		(void)fprintf(to,
		    ",\"records\":%" PRIu64 ",\"covered\":%" PRIu64 ",\"heads\":%" PRIu64 "}",
		    r->parties[i].leaves, r->parties[i].covered, r->parties[i].heads);
	}
	(void)fputc(']', to);
}

void
verify_say_json(FILE *to, const struct verify_say *s)
{
	const struct verify_result *r = s->result;
	struct lines did = checked(s), not = unchecked(s), so = concluded(s);
	char root[65];
	verify_print_hex(r->root, 32, root);
	(void)fprintf(to, "{\"ok\":%s,\"exit\":%d,\"signed\":%s",
	    r->code == VERIFY_OK ? "true" : "false", (int)r->code,
	    r->signed_by_log ? "true" : "false");
	if (r->signed_by_log) {
		(void)fputs(",\"origin\":", to);
		verify_print_json(to, bytes_of(r->origin));
		(void)fprintf(to, ",\"size\":%" PRIu64 ",\"root\":\"%s\",\"witnesses\":%zu",
		    r->size, root, r->witnesses);
		(void)fprintf(to, ",\"view\":\"%s\"", r->hub ? "hub" : "party");
		if (!r->hub)
			(void)fprintf(to, ",\"party\":\"%s\"", r->party);
		(void)fprintf(to,
		    ",\"opened\":%" PRIu64 ",\"contents\":%" PRIu64 ",\"missing\":%" PRIu64
		    ",\"erased\":%" PRIu64,
		    r->opened, r->contents, r->missing, r->erased);
		json_counts(to, r);
	}
	json_findings(to, s);
	if (s->evidence != NULL) {
		(void)fputs(",\"evidence\":", to);
		verify_print_json(to, bytes_of(s->evidence));
	}
	json_lines(to, "checked", &did);
	json_lines(to, "not_checked", &not );
	json_lines(to, "concluded", &so);
	(void)fputs("}\n", to);
}
