/* 'agreement NAME { .. }' and 'suspend NAME'. */
#include <stdlib.h>

#include "policy/compile.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

enum {
	SET_TITLE,
	SET_VERSION,
	SET_VALID,
	SET_STATE,
	SET_MODE,
	SET_TOPICS,
	SET_MEMBER,
	SET_EQUIVALENCE,
	SET_ONWARD,
	SET_RULE,
	SET_EXPECT,
	SET_NEVER,
	SET_UNMARKED_LABELS,
	SET_UNMARKED_PORTIONS,
	SET_BACKFILL,
	SET_REQUIRE_COSIGN,
	SET_SIGNATURES,
	SET_COUNT
};
static const struct text_setting settings[SET_COUNT] = {
	[SET_TITLE] = { "title", "v", TEXT_BLOCK_NONE, false, false, "title \"TEXT\"" },
	[SET_VERSION] = { "version", "v", TEXT_BLOCK_NONE, false, true, "version 1" },
	[SET_VALID] = { "valid", "vvvv", TEXT_BLOCK_NONE, false, true,
	    "valid from 2026-01-01 until 2026-12-31" },
	[SET_STATE] = { "state", "v", TEXT_BLOCK_NONE, false, true,
	    "state draft|in-force|terminated" },
	[SET_MODE] = { "mode", "v", TEXT_BLOCK_NONE, false, true, "mode live|exercise" },
	[SET_TOPICS] = { "topics", "l", TEXT_BLOCK_NONE, false, true, "topics [ maritime.> ]" },
	[SET_MEMBER] = { "member", "v", TEXT_BLOCK_REQUIRED, true, false, "member PARTY { .. }" },
	[SET_EQUIVALENCE] = { "equivalence", "vvv", TEXT_BLOCK_REQUIRED, true, false,
	    "equivalence VOCABULARY to VOCABULARY { .. }" },
	[SET_ONWARD] = { "onward", "v?vv", TEXT_BLOCK_NONE, false, false,
	    "onward prohibited|members|consent [within 72h]" },
	[SET_RULE] = { "rule", "v", TEXT_BLOCK_REQUIRED, true, false, "rule NAME { .. }" },
	[SET_EXPECT] = { "expect", NULL, TEXT_BLOCK_OPTIONAL, true, false, NULL },
	[SET_NEVER] = { "never", NULL, TEXT_BLOCK_NONE, true, false, NULL },
	[SET_UNMARKED_LABELS] = { "unmarked-labels", "vv", TEXT_BLOCK_NONE, false, false,
	    "unmarked-labels releasable-to members" },
	[SET_UNMARKED_PORTIONS] = { "unmarked-portions", "vv", TEXT_BLOCK_NONE, false, false,
	    "unmarked-portions releasable-to members" },
	[SET_BACKFILL] = { "backfill", "", TEXT_BLOCK_NONE, false, false, "backfill" },
	[SET_REQUIRE_COSIGN] = { "require-cosign", "", TEXT_BLOCK_NONE, false, false,
	    "require-cosign" },
	[SET_SIGNATURES] = { "signatures", "vl", TEXT_BLOCK_NONE, false, false,
	    "signatures required [ GBR NOR ]" },
};

struct declared {
	const struct text_statement *statement;
	struct agreement agreement;
	bool good; /* no error was found in it: its expects can be judged */
};

/* ---- plain settings ---- */

static void
read_valid(struct compile *c, const struct text_statement *s, struct agreement *a)
{
	uint64_t from, until;
	bool good = text_keyword(c->errors, &s->values[0], "from");
	good = text_keyword(c->errors, &s->values[2], "until") && good;
	good = text_date(c->errors, &s->values[1], &from) && good;
	good = text_date(c->errors, &s->values[3], &until) && good;
	if (!good)
		return;
	if (until < from)
		text_error(c->errors, &s->values[3].pos, NULL, "it ends before it begins");
	a->valid_from = from;
	a->valid_until = until + UINT64_C(86400) * 1000000; /* the last day is included */
}

static void
read_onward(struct compile *c, const struct text_statement *s, struct agreement *a)
{
	static const char *const known[] = { "prohibited", "consent", "members" };
	size_t at;
	uint64_t ms;
	if (!text_choice(c->errors, &s->values[0], known, 3, &at))
		return;
	a->onward = (enum onward)(at + 1);
	if (s->value_count == 1)
		return;
	if (a->onward != ONWARD_CONSENT || s->value_count != 3) {
		text_error(c->errors, &s->values[1].pos, settings[SET_ONWARD].usage,
		    "only 'consent' takes a time: consent within 72h");
		return;
	}
	if (text_keyword(c->errors, &s->values[1], "within") &&
	    text_duration(c->errors, &s->values[2], 0, LIMIT_POLICY_DURATION_MS, &ms))
		a->consent_within = ms * 1000;
}

static bool
read_topics(struct compile *c, const struct text_statement *s, struct agreement *a)
{
	struct names raw;
	const struct text_value *list = &s->values[0];
	if (!text_list(c->errors, list, c->a, false, &raw))
		return true;
	for (size_t i = 0; i < list->count; i++)
		if (topic_check_pattern(list->items[i].text) != TOPIC_GOOD)
			text_error(c->errors, &list->items[i].pos,
			    "1 to 16 tokens of A-Z, a-z, 0-9, '_' and '-' joined by dots; '*' is "
			    "one token, '>' at the end one or more",
			    "'%.*s' is not a topic pattern", SHOWN(list->items[i].text));
	return compile_sorted(c, &raw, &a->topics);
}

static bool
members_may(struct compile *c, const struct text_statement *s)
{
	bool good = text_keyword(c->errors, &s->values[0], "releasable-to");
	return text_keyword(c->errors, &s->values[1], "members") && good;
}

static bool
read_signatures(struct compile *c, const struct text_statement *s, struct agreement *a)
{
	if (!text_keyword(c->errors, &s->values[0], "required"))
		return true;
	if (!compile_rule_members(c, a, &s->values[1], &a->signers))
		return false;
	if (s->values[1].count > LIMIT_TERMS_SIGNERS)
		text_error(c->errors, &s->values[1].pos, NULL, "more than %u must sign",
		    LIMIT_TERMS_SIGNERS);
	a->unsigned_ = (c->flags & EPOCH_TRUST_OPTIONAL) == 0;
	return true;
}

static bool
read_simple(struct compile *c, const struct text_statement *s, struct agreement *a)
{
	static const char *const states[] = { "draft", "in-force", "terminated" };
	static const char *const modes[] = { "live", "exercise" };
	size_t at;
	switch (compile_setting(s, settings, SET_COUNT)) {
	case SET_TITLE:
		if (!text_string(c->errors, &s->values[0], LIMIT_TITLE_BYTES, &a->title))
			a->title = bytes_of("");
		break;
	case SET_VERSION:
		if (!text_integer(c->errors, &s->values[0], 1, INT64_MAX, &a->version))
			a->version = 1;
		break;
	case SET_VALID:
		read_valid(c, s, a);
		break;
	case SET_STATE:
		if (text_choice(c->errors, &s->values[0], states, 3, &at))
			a->state = (enum agreement_state)(at + 1);
		break;
	case SET_MODE:
		if (text_choice(c->errors, &s->values[0], modes, 2, &at))
			a->mode = (enum mode)(at + 1);
		break;
	case SET_TOPICS:
		return read_topics(c, s, a);
	case SET_ONWARD:
		read_onward(c, s, a);
		break;
	case SET_UNMARKED_LABELS:
		a->unmarked_labels = members_may(c, s);
		break;
	case SET_UNMARKED_PORTIONS:
		a->unmarked_portions = members_may(c, s);
		break;
	case SET_BACKFILL:
		a->backfill = true;
		break;
	case SET_REQUIRE_COSIGN:
		a->require_cosign = true;
		break;
	default:
		break; /* blocks, and what text_check has told */
	}
	return true;
}

/* ---- members ---- */

static const struct party *
find_party(struct compile *c, const struct text_value *v)
{
	size_t low = 0, high = c->e->party_count;
	while (low < high && v->kind != TEXT_LIST) {
		size_t mid = low + (high - low) / 2;
		int d = bytes_compare(c->e->parties[mid].name, v->text);
		if (d == 0)
			return &c->e->parties[mid];
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	compile_no_party(c, v);
	return NULL;
}

static int
by_party(const void *x, const void *y)
{
	const struct member *a = x, *b = y;
	return (a->party->index > b->party->index) - (a->party->index < b->party->index);
}

static bool
read_members(struct compile *c, const struct text_statement *s, struct agreement *a)
{
	const struct text_block *b = &s->block;
	struct member *list = arena_zalloc(c->a, b->count, sizeof(*list));
	if (list == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < b->count; i++) {
		const struct text_statement *t = &b->items[i];
		if (compile_setting(t, settings, SET_COUNT) != SET_MEMBER)
			continue;
		if (a->member_count == LIMIT_MEMBERS_PER_AGREEMENT)
			return text_error(c->errors, &t->pos, NULL,
			    "more than %u members in agreement '%.*s'", LIMIT_MEMBERS_PER_AGREEMENT,
			    SHOWN(a->name));
		struct member *m = &list[a->member_count];
		m->party = find_party(c, &t->values[0]);
		if (m->party == NULL)
			continue;
		a->member_count++;
		if (!compile_member_one(c, a, t, m))
			return false;
	}
	if (a->member_count > 1)
		qsort(list, a->member_count, sizeof(*list), by_party);
	for (size_t i = 1; i < a->member_count; i++)
		if (list[i - 1].party == list[i].party)
			text_error(c->errors,
			    compile_second(b, "member", list[i].party->name, &s->pos), NULL,
			    "party '%.*s' is a member of agreement '%.*s' twice",
			    SHOWN(list[i].party->name), SHOWN(a->name));
	a->members = list;
	return true;
}

/* ---- equivalences ---- */

/* One reading of a vocabulary per agreement. */
static void
check_source(
    struct compile *c, const struct text_statement *s, const struct agreement *a, size_t from)
{
	for (size_t i = 0; i < a->member_count; i++) {
		if (a->members[i].clearances[from] == NULL)
			continue;
		text_error(c->errors, &s->values[0].pos, "put them in two agreements",
		    "member '%.*s' has a clearance in '%.*s', which the equivalence maps",
		    SHOWN(a->members[i].party->name), SHOWN(c->e->vocabs[from]->name));
		return;
	}
}

static bool
read_equivalences(struct compile *c, const struct text_statement *s, struct agreement *a)
{
	const struct text_block *b = &s->block;
	struct equivalence *list = arena_zalloc(c->a, b->count, sizeof(*list));
	if (list == NULL)
		return compile_no_memory(c);
	a->equivalences = list;
	for (size_t i = 0; i < b->count; i++) {
		const struct text_statement *t = &b->items[i];
		struct equivalence *q = &list[a->equivalence_count];
		bool good;
		if (compile_setting(t, settings, SET_COUNT) != SET_EQUIVALENCE)
			continue;
		if (!compile_equivalence_one(c, t, q, &good))
			return false;
		if (!good)
			continue;
		check_source(c, t, a, q->from);
		for (size_t k = 0; k < a->equivalence_count; k++)
			if (list[k].from == q->from)
				text_error(c->errors, &t->values[0].pos, NULL,
				    "agreement '%.*s' has two equivalences from '%.*s'",
				    SHOWN(a->name), SHOWN(q->map.from->name));
		a->equivalence_count++;
	}
	return true;
}

/* ---- rules ---- */

static int
by_rule_name(const void *x, const void *y)
{
	const struct rule *a = x, *b = y;
	return bytes_compare(a->name, b->name);
}

static bool
read_rules(struct compile *c, const struct text_statement *s, struct agreement *a)
{
	const struct text_block *b = &s->block;
	struct rule *list = arena_zalloc(c->a, b->count, sizeof(*list));
	if (list == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < b->count; i++)
		if (compile_setting(&b->items[i], settings, SET_COUNT) == SET_RULE &&
		    !compile_rule_one(c, a, &b->items[i], &list[a->rule_count++]))
			return false;
	if (a->rule_count > 1)
		qsort(list, a->rule_count, sizeof(*list), by_rule_name);
	for (size_t i = 1; i < a->rule_count; i++)
		if (list[i].name.len > 0 && bytes_equal(list[i - 1].name, list[i].name))
			text_error(c->errors, compile_second(b, "rule", list[i].name, &s->pos),
			    NULL, "agreement '%.*s' has two rules '%.*s'", SHOWN(a->name),
			    SHOWN(list[i].name));
	for (size_t i = 0; i < a->rule_count; i++)
		a->hold_count += list[i].verdict == VERDICT_HOLD;
	a->rules = list;
	return true;
}

/* ---- one agreement ---- */

static bool
declare(struct compile *c, const struct text_statement *s, struct declared *d)
{
	struct agreement *a = &d->agreement;
	size_t before = c->errors->error_count;
	*d = (struct declared){ .statement = s };
	a->onward = ONWARD_CONSENT;
	a->consent_within = UINT64_C(72) * 3600 * 1000000;
	if (!text_name(c->errors, &s->values[0], "an agreement", &a->name))
		a->name = bytes_of("");
	text_check(c->errors, text_note(c->errors, "agreement '%.*s'", SHOWN(a->name)), &s->block,
	    settings, SET_COUNT);
	for (size_t i = 0; i < s->block.count; i++)
		if (!read_simple(c, &s->block.items[i], a))
			return false;
	if (!read_members(c, s, a) || !read_equivalences(c, s, a) || !read_rules(c, s, a))
		return false;
	const struct text_statement *sign = text_find(&s->block, "signatures");
	if (sign != NULL && text_fits(sign, &settings[SET_SIGNATURES]) &&
	    !read_signatures(c, sign, a))
		return false;
	if (!compile_member_groups(c, a))
		return false;
	d->good = c->errors->error_count == before;
	return true;
}

static int
by_name(const void *x, const void *y)
{
	const struct declared *a = x, *b = y;
	int d = bytes_compare(a->agreement.name, b->agreement.name);
	if (d != 0)
		return d;
	return (a->statement > b->statement) - (a->statement < b->statement);
}

static void
refuse_twins(struct compile *c, const struct declared *list, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (list[i].agreement.name.len > 0 &&
		    bytes_equal(list[i - 1].agreement.name, list[i].agreement.name))
			text_error(c->errors, &list[i].statement->values[0].pos,
			    text_note(c->errors, "first in %s",
				text_place(c->errors, &list[i - 1].statement->pos)),
			    "two agreements are named '%.*s'", SHOWN(list[i].agreement.name));
}

static void
suspend_one(struct compile *c, const struct text_value *v)
{
	struct epoch *e = c->e;
	bool found = false;
	for (size_t i = 0; i < e->agreement_count; i++) {
		if (!bytes_equal(e->agreements[i].name, v->text))
			continue;
		found = true;
		if (e->agreements[i].suspended)
			text_error(
			    c->errors, &v->pos, NULL, "'%.*s' is suspended twice", SHOWN(v->text));
		e->agreements[i].suspended = true;
	}
	if (found)
		return;
	struct bytes *known = arena_zalloc(c->a, e->agreement_count, sizeof(*known));
	for (size_t i = 0; known != NULL && i < e->agreement_count; i++)
		known[i] = e->agreements[i].name;
	text_error(c->errors, &v->pos,
	    known == NULL ? NULL
			  : text_did_you_mean(c->errors, v->text, known, e->agreement_count, NULL),
	    "there is no agreement '%.*s'", SHOWN(v->text));
}

static bool
publish(struct compile *c, const struct declared *list, size_t count)
{
	struct epoch *e = c->e;
	e->agreements = arena_zalloc(c->a, count, sizeof(*e->agreements));
	if (e->agreements == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < count; i++) {
		e->agreements[i] = list[i].agreement;
		e->agreements[i].index = (uint32_t)i;
	}
	e->agreement_count = count;
	for (size_t i = 0; i < c->top->count; i++) {
		const struct text_statement *s = &c->top->items[i];
		if (bytes_is(s->name, "suspend") && s->value_count == 1 &&
		    s->values[0].kind != TEXT_LIST)
			suspend_one(c, &s->values[0]);
	}
	bool judge = (c->flags & EPOCH_NO_EXPECTS) == 0;
	for (size_t i = 0; i < count && judge; i++) {
		const struct text_block *b = &list[i].statement->block;
		if (list[i].good && (!expect_judge(c, &e->agreements[i], b) ||
					!never_judge(c, &e->agreements[i], b)))
			return false;
	}
	return !judge || never_judge_all(c);
}

bool
compile_agreement_all(struct compile *c)
{
	size_t count = 0;
	struct declared *list = arena_zalloc(c->a, c->top->count, sizeof(*list));
	if (list == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < c->top->count; i++) {
		const struct text_statement *s = &c->top->items[i];
		if (!bytes_is(s->name, "agreement") || s->value_count != 1 || !s->has_block)
			continue;
		if (count == LIMIT_AGREEMENTS)
			return text_error(
			    c->errors, &s->pos, NULL, "more than %u agreements", LIMIT_AGREEMENTS);
		if (!declare(c, s, &list[count++]))
			return false;
	}
	if (count > 1)
		qsort(list, count, sizeof(*list), by_name);
	refuse_twins(c, list, count);
	return publish(c, list, count);
}
