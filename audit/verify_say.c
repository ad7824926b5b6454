#include "audit/verify_say.h"

#include <inttypes.h>

#include "audit/verify_print.h"
#include "audit/verify_tally_print.h"

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

static void add(struct verify_lines *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void
add(struct verify_lines *l, const char *fmt, ...)
{
	va_list args;
	if (l->count == SAY_LINES)
		return;
	va_start(args, fmt);
	(void)vsnprintf(l->line[l->count++], SAY_LINE_BYTES, fmt, args);
	va_end(args);
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

static struct verify_lines
checked(const struct verify_say *s)
{
	struct verify_lines l = { 0 };
	const struct verify_result *r = s->result;
	if (!r->signed_by_log)
		return l;
	add(&l, "the log's signature on the checkpoint");
	if (s->trust->quorum != 0 || s->trust->rule != NULL)
		add(&l, "the witnesses' cosignatures and their quorum");
	if (!r->walked)
		return l;
	add(&l, "that the leaf hashes give the signed root");
	add(&l, "that every record opened here is the one in the tree, field by field");
	add(&l, "order: times, links between decisions, deliveries only of what is released");
	if (r->from == 0)
		add(&l, "%s history, rebuilt, against its heads",
		    r->hub ? "every party's" : "the party's");
	if (s->kept_lines != 0)
		add(&l, "%zu lines of what clients kept of receipts and deliveries", s->kept_lines);
	if (r->hub && r->contents != 0)
		add(&l, "contents in the bundle: facts, manifests, routing, heads, seals, chains, "
			"policies");
	if (r->signed_reports != 0)
		add(&l,
		    "the publishers' signatures, by certificates that were good at the time and "
		    "end in the anchors of the policy then in force");
	if (r->signed_terms != 0)
		add(&l,
		    "the parties' signatures under agreements, by certificates that were good when "
		    "the terms were first told and end in the anchors that the terms name");
	if (r->attested != 0)
		add(&l,
		    "%" PRIu64
		    " attestations of parties' histories: signatures of their own agents, by "
		    "certificates that were good at the time and end in the anchors of the policy "
		    "then in force",
		    r->attested);
	if (s->kept_size != 0)
		add(&l, "that the log extends the one verified before");
	if (s->replayed)
		add(&l, "every decision, judged again from its facts under the policy of its day");
	return l;
}

static bool
is_later_generation(const char *origin)
{
	struct bytes stem;
	uint64_t generation;
	return checkpoint_generation(bytes_of(origin), &stem, &generation) && generation > 1;
}

static struct verify_lines
unchecked(const struct verify_say *s)
{
	struct verify_lines l = { 0 };
	const struct verify_result *r = s->result;
	if (!r->signed_by_log) {
		add(&l, "anything: without a good checkpoint nothing else means anything");
		return l;
	}
	if (!r->walked)
		add(&l, "all records: the bundle could be read only in part");
	if (!s->replayed)
		add(&l, "whether the decisions follow the policy (relto audit replay judges them "
			"again)");
	if (!r->hub)
		add(&l,
		    "the publishers' signatures: what they are over is not in a party's bundle");
	if (r->unproved_reports != 0)
		add(&l, "the publishers' signatures of reports whose contents are not all here");
	if (r->signed_reports != 0)
		add(&l, "whether a publisher's certificate was revoked, and whether the recorded "
			"anchors are the parties' own");
	if (r->unproved_attests != 0)
		add(&l, "%" PRIu64 " attestations: not all that their signatures take is here",
		    r->unproved_attests);
	if (r->from != 0)
		add(&l, "the histories of parties, and links to earlier records: the bundle begins "
			"after record 0");
	if (!r->hub)
		add(&l,
		    "records of others, and the slots of these that are not opened to the party");
	if (r->missing != 0)
		add(&l, "%" PRIu64 " contents that are not in the bundle", r->missing);
	if (r->erased != 0)
		add(&l, "persons erased from %" PRIu64 " records", r->erased);
	if (r->by_type[EVENT_RECOVER] != 0)
		add(&l,
		    "the generation of the log before this one: what was lost with it, and what "
		    "waited in it");
	else if (!r->hub && is_later_generation(r->origin))
		add(&l, "whether the log goes on from an earlier one: no RECOVER is opened here");
	if (r->unproved_heads != 0)
		add(&l, "%" PRIu64 " heads of the log before, which another key signed",
		    r->unproved_heads);
	if (s->trust->quorum == 0 && s->trust->rule == NULL)
		add(&l, "witnesses: no quorum was asked for");
	if (s->kept_size == 0)
		add(&l, "an earlier checkpoint: none was kept (--state)");
	return l;
}

/* Records behind the last head; a head that states more than there are, which is a gap, covers
 * none of what is not there. */
static uint64_t
later(const struct verify_party *p)
{
	return p->leaves > p->covered ? p->leaves - p->covered : 0;
}

/* What the heads cover of all histories, and what they do not. */
struct coverage {
	uint64_t parties, later, headless;
};

static struct coverage
coverage(const struct verify_result *r)
{
	struct coverage c = { 0 };
	for (size_t i = 0; i < r->party_count; i++) {
		c.parties += r->parties[i].heads != 0;
		c.headless += r->parties[i].heads == 0;
		c.later += later(&r->parties[i]);
	}
	return c;
}

/* A party's own bundle shows what it shows: only a head says how much there must be. */
static void
conclude_own(struct verify_lines *l, const struct verify_result *r)
{
	const struct verify_party *p = verify_say_party_of(r, r->party);
	if (p == NULL || p->heads == 0) {
		add(l, "NOT: that the party's history is complete (no head of it is shown)");
		return;
	}
	add(l,
	    "the party's history is complete up to its first %" PRIu64 " records, at record "
	    "%" PRIu64,
	    p->covered, p->last_head);
	add(l,
	    "NOT: that it is complete behind them: %" PRIu64
	    " later ones are not covered by a head yet",
	    later(p));
}

static void
conclude_histories(struct verify_lines *l, const struct verify_result *r)
{
	struct coverage c = coverage(r);
	if (r->from != 0) {
		add(l, "NOT: that any party's history is complete (the bundle begins later)");
		return;
	}
	if (!r->hub) {
		conclude_own(l, r);
		return;
	}
	if (c.parties == 0) {
		add(l, "NOT: that any party's history is complete (no head is in the log yet)");
		return;
	}
	add(l, "each party's history is complete as far as its last head reaches (above)");
	add(l,
	    "NOT: that histories are complete behind them: %" PRIu64
	    " records%s are not covered by a head yet",
	    c.later, c.headless != 0 ? ", and all of some parties," : "");
}

static struct verify_lines
concluded(const struct verify_say *s)
{
	struct verify_lines l = { 0 };
	if (s->result->code != VERIFY_OK) {
		add(&l, "nothing: see the findings");
		return l;
	}
	if (s->replayed)
		add(&l, "the recorded decisions follow the recorded policy");
	add(&l,
	    s->kept_size != 0
		? "nothing recorded was changed or removed since the earliest checkpoint compared"
		: "nothing recorded was changed or removed since this checkpoint was signed");
	conclude_histories(&l, s->result);
	if (s->result->signed_reports != 0)
		add(&l,
		    s->result->unproved_reports == 0
			? "the publishers signed these reports, if the recorded anchors are theirs"
			: "the publishers signed the reports whose signature was checked, if the "
			  "recorded anchors are theirs");
	if (s->result->attested != 0)
		add(&l, "agents of the parties attested the heads of their histories whose "
			"signatures were checked: these the hub cannot have made up");
	/* an ACK of deliveries is the broker's word; an attestation is of the party's whole history
	 */
	add(&l, "NOT: that what is recorded as delivered or acknowledged arrived%s",
	    s->result->attested != 0 ? ", but for what a party attested" : "");
	if (!s->replayed)
		add(&l, "NOT: that the recorded decisions follow the recorded policy (relto audit "
			"replay)");
	add(&l, "NOT: that nothing else left the machine by another way");
	return l;
}

void
verify_say_checked(const struct verify_say *s, struct verify_lines *out)
{
	*out = checked(s);
}

void
verify_say_unchecked(const struct verify_say *s, struct verify_lines *out)
{
	*out = unchecked(s);
}

void
verify_say_concluded(const struct verify_say *s, struct verify_lines *out)
{
	*out = concluded(s);
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
text_lines(FILE *to, const char *title, const struct verify_lines *l)
{
	if (l->count != 0)
		(void)fprintf(to, "%s\n", title);
	for (size_t i = 0; i < l->count; i++)
		(void)fprintf(to, "  %s\n", l->line[i]);
}

static void
text_party(FILE *to, const struct verify_party *p)
{
	verify_print_plain(to, p->name);
	if (p->heads == 0)
		(void)fprintf(
		    to, ": %" PRIu64 " records, NOT known to be complete: no head\n", p->leaves);
	else if (p->covered > p->leaves)
		(void)fprintf(to,
		    ": NOT complete: its last head, at record %" PRIu64 ", states %" PRIu64
		    " records; there are %" PRIu64 "\n",
		    p->last_head, p->covered, p->leaves);
	else
		(void)fprintf(to,
		    ": complete up to its first %" PRIu64 " records, at record %" PRIu64
		    "; %" PRIu64 " later ones are not covered by a head yet\n",
		    p->covered, p->last_head, later(p));
}

static void
text_lacks(FILE *to, const struct verify_result *r)
{
	for (size_t i = 0; i < r->lack_count; i++) {
		(void)fprintf(to, "missing  %s", r->lacks[i].path);
		if (r->lacks[i].index != SLOT_ABSENT)
			(void)fprintf(to, " of record %" PRIu64, r->lacks[i].index);
		(void)fputc('\n', to);
	}
	if (r->missing > r->lack_count)
		(void)fprintf(to, "missing  and %" PRIu64 " more\n", r->missing - r->lack_count);
}

const struct verify_party *
verify_say_party_of(const struct verify_result *r, const char *name)
{
	for (size_t i = 0; i < r->party_count; i++)
		if (bytes_is(r->parties[i].name, name))
			return &r->parties[i];
	return NULL;
}

void
verify_say_party(FILE *to, const struct verify_say *s, const char *name)
{
	const struct verify_result *r = s->result;
	const struct verify_party *p = verify_say_party_of(r, name);
	if (!r->signed_by_log)
		return;
	if (r->code != VERIFY_OK)
		(void)fprintf(to, "%s: see the findings\n", name);
	else if (r->from != 0)
		(void)fprintf(to,
		    "%s: the bundle begins with record %" PRIu64
		    ": what is complete cannot be said\n",
		    name, r->from);
	else if (p == NULL)
		(void)fprintf(to, "%s: no records, NOT known to be complete: no head\n", name);
	else
		text_party(to, p);
}

static void
text_log(FILE *to, const struct verify_say *s)
{
	const struct verify_result *r = s->result;
	char root[65], from[PRINT_TIME], until[PRINT_TIME];
	verify_print_hex(r->root, 32, root);
	(void)fprintf(
	    to, "view     %s%s\n", r->hub ? "auditor of the hub party" : "party ", r->party);
	(void)fprintf(
	    to, "log      %s\nsize     %" PRIu64 "\nroot     %s\n", r->origin, r->size, root);
	(void)fprintf(to, "records  %" PRIu64 " opened of %" PRIu64 "\n", r->opened, r->size);
	if (r->opened != 0) {
		verify_print_time(r->first_time, from);
		verify_print_time(r->last_time, until);
		(void)fprintf(to, "time     %s to %s\n", from, until);
	}
	if (r->hub)
		(void)fprintf(to, "contents %" PRIu64 " checked, %" PRIu64 " not in the bundle\n",
		    r->contents, r->missing);
	if (r->hub)
		(void)fprintf(to,
		    "reports  %" PRIu64 " signed by their publishers in %" PRIu64
		    " batches, %" PRIu64 " not checked\n",
		    r->signed_reports, r->signatures, r->unproved_reports);
	if (r->signed_terms != 0)
		(void)fprintf(to, "terms    %" PRIu64 " signatures of parties\n", r->signed_terms);
	if (r->attested != 0 || r->unproved_attests != 0)
		(void)fprintf(to,
		    "attests  %" PRIu64 " signatures of parties' agents, %" PRIu64 " not checked\n",
		    r->attested, r->unproved_attests);
	for (size_t i = 0; i < r->party_count && r->from == 0; i++) {
		(void)fputs("party    ", to);
		text_party(to, &r->parties[i]);
	}
	text_lacks(to, r);
}

void
verify_say_text(FILE *to, const struct verify_say *s)
{
	struct verify_lines did = checked(s), not = unchecked(s), so = concluded(s);
	if (s->result->signed_by_log)
		text_log(to, s);
	text_lines(to, "checked", &did);
	text_lines(to, "not checked", &not );
	text_lines(to, "concluded", &so);
	(void)fprintf(
	    to, "%s (%d)\n", s->result->code == VERIFY_OK ? "OK" : "FAILED", (int)s->result->code);
}

static void
json_lines(FILE *to, const char *name, const struct verify_lines *l)
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
json_lacks(FILE *to, const struct verify_result *r)
{
	(void)fputs(",\"lacks\":[", to);
	for (size_t i = 0; i < r->lack_count; i++) {
		(void)fprintf(to, "%s{\"path\":\"%s\"", i == 0 ? "" : ",", r->lacks[i].path);
		if (r->lacks[i].index != SLOT_ABSENT)
			(void)fprintf(to, ",\"index\":%" PRIu64, r->lacks[i].index);
		(void)fputc('}', to);
	}
	(void)fputc(']', to);
}

static void
json_counts(FILE *to, const struct verify_result *r)
{
	(void)fputc(',', to);
	tally_print_types(to, r->by_type);
	(void)fputs(",\"parties\":[", to);
	for (size_t i = 0; i < r->party_count; i++) {
		(void)fprintf(to, "%s{\"party\":", i == 0 ? "" : ",");
		verify_print_json(to, r->parties[i].name);
		(void)fprintf(to,
		    ",\"records\":%" PRIu64 ",\"covered\":%" PRIu64 ",\"heads\":%" PRIu64,
		    r->parties[i].leaves, r->parties[i].covered, r->parties[i].heads);
		if (r->parties[i].heads != 0)
			(void)fprintf(to, ",\"head\":%" PRIu64, r->parties[i].last_head);
		(void)fputc('}', to);
	}
	(void)fputc(']', to);
	json_lacks(to, r);
}

void
verify_say_json(FILE *to, const struct verify_say *s)
{
	const struct verify_result *r = s->result;
	struct verify_lines did = checked(s), not = unchecked(s), so = concluded(s);
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
		    ",\"erased\":%" PRIu64 ",\"evidence\":%" PRIu64,
		    r->opened, r->contents, r->missing, r->erased, r->evidence);
		(void)fprintf(to,
		    ",\"signed_terms\":%" PRIu64 ",\"reports\":{\"signed\":%" PRIu64
		    ",\"batches\":%" PRIu64 ",\"unproved\":%" PRIu64 "}",
		    r->signed_terms, r->signed_reports, r->signatures, r->unproved_reports);
		(void)fprintf(to, ",\"attests\":{\"signed\":%" PRIu64 ",\"unproved\":%" PRIu64 "}",
		    r->attested, r->unproved_attests);
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

static const char *
relation(const struct verify_say *s, const struct verify_compare *c)
{
	if (c->fork || s->result->findings[VERIFY_CONSISTENCY] != 0)
		return "fork";
	if (c->same)
		return "same";
	return s->result->code == VERIFY_OK ? "extends" : "unknown";
}

void
verify_say_compared(
    FILE *to, enum print_form form, const struct verify_say *s, const struct verify_compare *c)
{
	const char *word = relation(s, c);
	if (form == PRINT_JSON) {
		(void)fprintf(
		    to, "{\"relation\":\"%s\",\"exit\":%d,\"heads\":[", word, (int)s->result->code);
		for (size_t i = 0; i < 2; i++) {
			char root[65];
			verify_print_hex(c->heads[i].root, 32, root);
			(void)fprintf(to, "%s{\"from\":", i == 0 ? "" : ",");
			verify_print_json(to, bytes_of(c->paths[i]));
			(void)fprintf(
			    to, ",\"size\":%" PRIu64 ",\"root\":\"%s\"}", c->heads[i].size, root);
		}
		(void)fputs("]}\n", to);
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		(void)fprintf(to, "%" PRIu64 " records  ", c->heads[i].size);
		verify_print_plain(to, bytes_of(c->paths[i]));
		(void)fputc('\n', to);
	}
	(void)fprintf(to, "%s\n",
	    *word == 'f'   ? "FORK: they are not of one log"
	    : *word == 's' ? "the same head"
	    : *word == 'e' ? "the larger one extends the smaller"
			   : "UNKNOWN: the larger one could not be verified");
}
