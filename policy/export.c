/*
 * The canonical export (DESIGN section 4): one statement a line, four spaces a level, sorted by the
 * bytes of whole statements, so that the same policy gives the same bytes whatever its files.
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/compile.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

/* The statements of one block, each with its indent and its line feed. */
struct page {
	struct arena *a;
	unsigned level;
	struct bytes *items;
	size_t count, room;
	bool failed; /* no memory: sticks, and is asked for once */
};

static void
add_text(struct page *p, const char *text)
{
	if (p->count == p->room) {
		size_t room = p->room == 0 ? 16 : p->room * 2;
		struct bytes *items = arena_zalloc(p->a, room, sizeof(*items));
		if (items == NULL) {
			p->failed = true;
			return;
		}
		if (p->count > 0)
			memcpy(items, p->items, p->count * sizeof(*items));
		p->items = items;
		p->room = room;
	}
	if (text == NULL)
		p->failed = true;
	else
		p->items[p->count++] = bytes_of(text);
}

/* "word word", with its indent: one statement without a block. */
#define ADD(p, fmt, ...) \
	add_text(p, arena_printf((p)->a, "%*s" fmt "\n", (int)(4 * (p)->level), "", __VA_ARGS__))

static int
by_bytes(const void *x, const void *y)
{
	return bytes_compare(*(const struct bytes *)x, *(const struct bytes *)y);
}

/* All statements, sorted; NULL on shortage. */
static char *
page_text(struct page *p)
{
	size_t len = 0;
	if (p->failed)
		return NULL;
	if (p->count > 1)
		qsort(p->items, p->count, sizeof(*p->items), by_bytes);
	size_t kept = 0;
	for (size_t i = 0; i < p->count; i++)
		if (kept == 0 || !bytes_equal(p->items[kept - 1], p->items[i]))
			p->items[kept++] = p->items[i];
	p->count = kept; /* a condition said twice is the same rule */
	for (size_t i = 0; i < p->count; i++)
		len += p->items[i].len;
	char *text = arena_alloc(p->a, len + 1);
	if (text == NULL)
		return NULL;
	len = 0;
	for (size_t i = 0; i < p->count; i++) {
		memcpy(text + len, p->items[i].data, p->items[i].len);
		len += p->items[i].len;
	}
	text[len] = '\0';
	return text;
}

/* A statement with a block. */
static void
add_block(struct page *p, const char *head, struct page *inner)
{
	const char *body = page_text(inner);
	if (head == NULL || body == NULL) {
		p->failed = true;
		return;
	}
	int indent = (int)(4 * p->level);
	add_text(p, arena_printf(p->a, "%*s%s {\n%s%*s}\n", indent, "", head, body, indent, ""));
}

static struct page
page_under(const struct page *p)
{
	return (struct page){ .a = p->a, .level = p->level + 1 };
}

/* WORD or quoted; never NULL, a failure sticks. */
static const char *
quoted(struct page *p, struct bytes text)
{
	const char *q = text_quote(p->a, text);
	if (q == NULL)
		p->failed = true;
	return q == NULL ? "" : q;
}

/* In ASCII lower case, where case is ignored; a failure sticks. */
static struct bytes
lowered(struct page *p, struct bytes text)
{
	uint8_t *to = arena_alloc(p->a, text.len);
	if (to == NULL) {
		p->failed = true;
		return bytes_of("");
	}
	for (size_t i = 0; i < text.len; i++) {
		bool upper = text.data[i] >= 'A' && text.data[i] <= 'Z';
		to[i] = upper ? (uint8_t)(text.data[i] | 0x20) : text.data[i];
	}
	return bytes_from(to, text.len);
}

/* "[ A B ]", sorted. */
static const char *
list_of(struct page *p, struct bytes *items, size_t count)
{
	const char *text = "[";
	if (count > 1)
		qsort(items, count, sizeof(*items), by_bytes);
	for (size_t i = 0; i < count && text != NULL; i++)
		text = arena_printf(p->a, "%s %s", text, quoted(p, items[i]));
	text = text == NULL ? NULL : arena_printf(p->a, "%s ]", text);
	p->failed = p->failed || text == NULL;
	return text == NULL ? "" : text;
}

static const char *
list_of_names(struct page *p, const struct names *names)
{
	struct bytes *items = arena_zalloc(p->a, names->count, sizeof(*items));
	if (items == NULL) {
		p->failed = true;
		return "";
	}
	if (names->count > 0)
		memcpy(items, names->items, names->count * sizeof(*items));
	return list_of(p, items, names->count);
}

/* The largest unit that divides. */
static const char *
duration(struct page *p, uint64_t us)
{
	static const struct {
		uint64_t ms;
		const char *unit;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" },
		{ 1, "ms" } };
	uint64_t ms = us / 1000;
	size_t i = 0;
	while (ms % units[i].ms != 0)
		i++;
	const char *text =
	    arena_printf(p->a, "%llu%s", (unsigned long long)(ms / units[i].ms), units[i].unit);
	p->failed = p->failed || text == NULL;
	return text == NULL ? "" : text;
}

static const char *
date(struct page *p, uint64_t us)
{
	const char *text = text_day(p->a, us);
	p->failed = p->failed || text == NULL;
	return text == NULL ? "" : text;
}

static const char *
hex(struct page *p, const uint8_t digest[32])
{
	char *text = arena_alloc(p->a, 65);
	if (text == NULL) {
		p->failed = true;
		return "";
	}
	for (size_t i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	return text;
}

/* ---- members ---- */

static void
add_categories(struct page *p, const struct clearance *k)
{
	const struct vocab *v = k->vocab;
	struct bytes *items = arena_zalloc(p->a, v->value_count, sizeof(*items));
	if (items == NULL) {
		p->failed = true;
		return;
	}
	for (uint32_t t = 0; t < v->tagset_count; t++) {
		size_t n = 0;
		for (uint32_t i = 0; i < v->value_count; i++)
			if (v->values[i].tagset == t && vocab_has(k->values, i))
				items[n++] = v->values[i].name;
		if (n > 0)
			ADD(p, "%s %s", quoted(p, v->tagsets[t].name), list_of(p, items, n));
	}
}

static void
add_clearance(struct page *p, const struct clearance *k)
{
	struct bytes classes[64];
	size_t n = 0;
	for (uint32_t i = 0; i < k->vocab->class_count; i++)
		if ((k->classes >> i & 1) != 0)
			classes[n++] = k->vocab->classes[i].name;
	const char *head = arena_printf(
	    p->a, "clearance %s %s", quoted(p, k->vocab->name), list_of(p, classes, n));
	struct page inner = page_under(p);
	add_categories(&inner, k);
	if (inner.count > 0 || inner.failed)
		add_block(p, head, &inner);
	else
		ADD(p, "%s", head == NULL ? "" : head);
}

static void
add_member(struct page *p, const struct epoch *e, const struct member *m)
{
	struct page inner = page_under(p);
	for (size_t i = 0; i < e->vocab_count; i++)
		if (m->clearances[i] != NULL)
			add_clearance(&inner, m->clearances[i]);
	ADD(&inner, "may [%s%s ]", m->may_originate ? " originate" : "",
	    m->may_receive ? " receive" : "");
	ADD(&inner, "precedence at-most %s", precedence_name(m->at_most));
	add_block(p, arena_printf(p->a, "member %s", quoted(p, m->party->name)), &inner);
}

/* ---- equivalences and rules ---- */

static void
add_equivalence(struct page *p, const struct equivalence *q)
{
	const struct vocab *from = q->map.from, *to = q->map.to;
	struct page inner = page_under(p);
	for (uint32_t i = 0; i < from->class_count; i++)
		if (q->map.classes[i] != VOCAB_NONE)
			ADD(&inner, "classification %s %s", quoted(p, from->classes[i].name),
			    quoted(p, to->classes[q->map.classes[i]].name));
	for (uint32_t i = 0; i < from->value_count; i++) {
		if (q->map.values[i] == VOCAB_NONE)
			continue;
		const struct vocab_value *x = &from->values[i], *y = &to->values[q->map.values[i]];
		ADD(&inner, "category %s %s %s %s", quoted(p, from->tagsets[x->tagset].name),
		    quoted(p, x->name), quoted(p, to->tagsets[y->tagset].name), quoted(p, y->name));
	}
	add_block(p,
	    arena_printf(p->a, "equivalence %s to %s", quoted(p, from->name), quoted(p, to->name)),
	    &inner);
}

static void
add_label_condition(struct page *p, const struct condition *c)
{
	static const char *const ops[] = { [LABEL_TEST_AT_MOST] = "at-most",
		[LABEL_TEST_AT_LEAST] = "at-least",
		[LABEL_TEST_IS] = "is",
		[LABEL_TEST_HAS] = "has",
		[LABEL_TEST_LACKS] = "lacks" };
	bool by_class = c->test < LABEL_TEST_HAS;
	struct bytes name =
	    by_class ? c->vocab->classes[c->class_].name : c->vocab->tagsets[c->tagset].name;
	const char *vocab = quoted(p, c->vocab->name), *what = quoted(p, name);
	if (by_class || c->value == VOCAB_NONE)
		ADD(p, "label %s %s %s", vocab, ops[c->test], what);
	else
		ADD(p, "label %s %s %s %s", vocab, ops[c->test], what,
		    quoted(p, c->vocab->values[c->value].name));
}

static void
add_condition(struct page *p, const struct condition *c)
{
	switch (c->kind) {
	case CONDITION_FROM:
		ADD(p, "from %s", list_of_names(p, &c->parties));
		break;
	case CONDITION_TO:
		ADD(p, "to %s", list_of_names(p, &c->parties));
		break;
	case CONDITION_TOPIC:
		ADD(p, "topic %s", quoted(p, c->pattern));
		break;
	case CONDITION_PRECEDENCE:
		ADD(p, "precedence %s %s", c->at_most ? "at-most" : "at-least",
		    precedence_name(c->precedence));
		break;
	case CONDITION_CONTENT_TYPE:
		ADD(p, "content-type %s", quoted(p, lowered(p, c->pattern)));
		break;
	case CONDITION_LABEL:
		add_label_condition(p, c);
		break;
	}
}

static bool
has_condition(const struct rule *rule, enum condition_kind kind)
{
	for (size_t i = 0; i < rule->condition_count; i++)
		if (rule->conditions[i].kind == kind)
			return true;
	return false;
}

static void
add_verdict(struct page *p, const struct rule *rule)
{
	struct bytes who = rule->approver_party;
	if (rule->verdict != VERDICT_HOLD) {
		ADD(p, "%s", verdict_name(rule->verdict));
		return;
	}
	if (rule->approver != APPROVER_PARTY)
		who = bytes_of(rule->approver == APPROVER_ORIGINATOR ? "originator" : "recipient");
	ADD(p, "hold for-approval-of %s within %s", quoted(p, who), duration(p, rule->within));
}

static void
add_rule(struct page *p, const struct rule *rule)
{
	struct page inner = page_under(p);
	for (size_t i = 0; i < rule->condition_count; i++)
		add_condition(&inner, &rule->conditions[i]);
	if (!has_condition(rule, CONDITION_FROM))
		ADD(&inner, "%s", "from any");
	if (!has_condition(rule, CONDITION_TO))
		ADD(&inner, "%s", "to any");
	add_verdict(&inner, rule);
	add_block(p, arena_printf(p->a, "rule %s", quoted(p, rule->name)), &inner);
}

/* ---- agreements ---- */

static void
add_settings(struct page *p, const struct agreement *a)
{
	static const char *const onward[] = { "", "prohibited", "consent", "members" };
	if (a->backfill)
		ADD(p, "%s", "backfill");
	ADD(p, "mode %s", mode_name(a->mode));
	if (a->onward == ONWARD_CONSENT)
		ADD(p, "onward consent within %s", duration(p, a->consent_within));
	else
		ADD(p, "onward %s", onward[a->onward]);
	if (a->require_cosign)
		ADD(p, "%s", "require-cosign");
	if (a->signers.count > 0)
		ADD(p, "signatures required %s", list_of_names(p, &a->signers));
	if (a->title.len > 0)
		ADD(p, "title %s", quoted(p, a->title));
	ADD(p, "topics %s", list_of_names(p, &a->topics));
	if (a->unmarked_labels)
		ADD(p, "%s", "unmarked-labels releasable-to members");
	if (a->unmarked_portions)
		ADD(p, "%s", "unmarked-portions releasable-to members");
	ADD(p, "valid from %s until %s", date(p, a->valid_from), date(p, a->valid_until - 1));
	ADD(p, "version %llu", (unsigned long long)a->version);
}

static void
add_agreement(struct page *p, const struct epoch *e, const struct agreement *a, bool with_state)
{
	struct page inner = page_under(p);
	add_settings(&inner, a);
	if (with_state)
		ADD(&inner, "state %s", agreement_state_name(a->state));
	for (size_t i = 0; i < a->member_count; i++)
		add_member(&inner, e, &a->members[i]);
	for (size_t i = 0; i < a->equivalence_count; i++)
		add_equivalence(&inner, &a->equivalences[i]);
	for (size_t i = 0; i < a->rule_count; i++)
		add_rule(&inner, &a->rules[i]);
	add_block(p, arena_printf(p->a, "agreement %s", quoted(p, a->name)), &inner);
}

/* ---- terms ---- */

static bool
names_vocab(const struct epoch *e, const struct agreement *a, size_t vocab)
{
	for (size_t i = 0; i < a->member_count; i++)
		if (a->members[i].clearances[vocab] != NULL)
			return true;
	for (size_t i = 0; i < a->equivalence_count; i++)
		if (a->equivalences[i].from == vocab || a->equivalences[i].to == vocab)
			return true;
	for (size_t i = 0; i < a->rule_count; i++)
		for (size_t k = 0; k < a->rules[i].condition_count; k++)
			if (a->rules[i].conditions[k].vocab == e->vocabs[vocab])
				return true;
	return false;
}

static void
add_rests_on(struct page *p, const struct epoch *e, const struct agreement *a, bool anchors)
{
	for (size_t i = 0; i < e->vocab_count; i++) {
		const struct vocab *v = e->vocabs[i];
		if (!names_vocab(e, a, i))
			continue;
		if (v->releasability == VOCAB_NONE)
			ADD(p, "vocabulary %s spif %s", quoted(p, v->name), hex(p, v->digest));
		else
			ADD(p, "vocabulary %s spif %s releasability %s", quoted(p, v->name),
			    hex(p, v->digest),
			    quoted(p, v->tagsets[v->categories[v->releasability].tagset].name));
	}
	for (size_t i = 0; i < a->member_count; i++) {
		const struct party *m = a->members[i].party;
		if (!anchors && m->trust_domain.len > 0)
			ADD(p, "anchor %s %s", quoted(p, m->name), quoted(p, m->trust_domain));
		for (size_t k = 0; anchors && k < m->anchor_count; k++)
			ADD(p, "anchor %s %s %s", quoted(p, m->name), quoted(p, m->trust_domain),
			    hex(p, m->anchors[k].digest));
	}
}

const char *
epoch_terms(const struct epoch *e, const struct agreement *a, bool anchors, struct arena *scratch)
{
	struct page block = { .a = scratch }, lines = { .a = scratch };
	add_agreement(&block, e, a, false);
	add_rests_on(&lines, e, a, anchors);
	const char *top = page_text(&block), *bottom = page_text(&lines);
	return top == NULL || bottom == NULL ? NULL : arena_printf(scratch, "%s%s", top, bottom);
}

/* A member's bundle cannot be read now: terms that are in force stay, but new ones would change
 * once it is, so they wait. */
static bool
must_wait(const struct compile *c, const struct agreement *a, const uint8_t terms[32])
{
	bool shut_out = false;
	for (size_t i = 0; i < a->member_count; i++)
		shut_out = shut_out || a->members[i].party->shut_out;
	if (!shut_out)
		return false;
	const struct agreement *old =
	    c->src->previous == NULL ? NULL : epoch_agreement(c->src->previous, a->name);
	return old == NULL || !old->has_terms || memcmp(old->terms, terms, 32) != 0;
}

static bool
write_terms(struct compile *c, struct arena *scratch, struct agreement *a)
{
	uint8_t terms[32];
	struct err e;
	const char *text = epoch_terms(c->e, a, true, scratch);
	if (text == NULL)
		return compile_no_memory(c);
	SHA256((const uint8_t *)text, strlen(text), terms);
	if (must_wait(c, a, terms))
		return true;
	if (!arena_copy(c->a, bytes_of(text), &a->terms_text, &e))
		return compile_no_memory(c);
	memcpy(a->terms, terms, sizeof(terms));
	a->has_terms = true;
	return true;
}

/* ---- all ---- */

static void
add_party(struct page *p, const struct party *m)
{
	struct page inner = page_under(p);
	for (size_t i = 0; i < m->agent_count; i++) {
		struct bytes roles[6];
		size_t n = 0;
		struct page agent = page_under(&inner);
		for (unsigned bit = ROLE_PUBLISH; bit <= ROLE_SIGN; bit <<= 1)
			if ((m->agents[i].roles & bit) != 0)
				roles[n++] = bytes_of(party_role_name((enum role)bit));
		ADD(&agent, "roles %s", list_of(&agent, roles, n));
		add_block(
		    &inner, arena_printf(p->a, "agent %s", quoted(p, m->agents[i].path)), &agent);
	}
	for (size_t i = 0; i < m->anchor_count; i++)
		ADD(&inner, "anchor %s", hex(p, m->anchors[i].digest));
	if (m->full_name.len > 0)
		ADD(&inner, "name %s", quoted(p, m->full_name));
	if (m->trust_domain.len > 0)
		ADD(&inner, "trust-domain %s", quoted(p, m->trust_domain));
	add_block(p, arena_printf(p->a, "party %s", quoted(p, m->name)), &inner);
}

static void
add_vocab(struct page *p, const struct vocab *v)
{
	struct page inner = page_under(p);
	if (v->releasability != VOCAB_NONE)
		ADD(&inner, "releasability %s",
		    quoted(p, v->tagsets[v->categories[v->releasability].tagset].name));
	ADD(&inner, "spif SHA256 %s", hex(p, v->digest));
	add_block(p, arena_printf(p->a, "vocabulary %s", quoted(p, v->name)), &inner);
}

static bool
write_export(struct compile *c, struct arena *scratch)
{
	struct epoch *e = c->e;
	struct page p = { .a = scratch };
	struct err err;
	if (e->hub != NULL)
		ADD(&p, "hub %s", quoted(&p, e->hub->name));
	for (size_t i = 0; i < e->vocab_count; i++)
		add_vocab(&p, e->vocabs[i]);
	for (size_t i = 0; i < e->party_count; i++)
		add_party(&p, &e->parties[i]);
	for (size_t i = 0; i < e->agreement_count; i++) {
		add_agreement(&p, e, &e->agreements[i], true);
		if (e->agreements[i].suspended)
			ADD(&p, "suspend %s", quoted(&p, e->agreements[i].name));
	}
	const char *text = page_text(&p);
	if (text == NULL || !arena_copy(c->a, bytes_of(text), &e->export_text, &err))
		return compile_no_memory(c);
	SHA256(e->export_text.data, e->export_text.len, e->digest);
	return true;
}

bool
export_all(struct compile *c)
{
	struct arena scratch;
	bool ok = true;
	arena_init(&scratch, SIZE_MAX);
	for (size_t i = 0; i < c->e->agreement_count && ok && c->e->has_trust; i++)
		ok = write_terms(c, &scratch, &c->e->agreements[i]);
	ok = ok && write_export(c, &scratch);
	arena_done(&scratch);
	return ok;
}
