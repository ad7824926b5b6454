/*
 * cells_rig.h - pairs of random policies over small vocabularies, and what cells.h tells of them.
 */
#pragma once
#include "tests/unit/policy/policy_rig.h"

#include "policy/cells.h"
#include "policy/party.h"
#include "policy/vocab.h"

#define TIME (UINT64_C(1780315200) * 1000000)
#define LATER (UINT64_C(1812000000) * 1000000) /* in 2027 */
enum { RULES = 5, PARTIES = 3, CELLS = 1 << 14, LABELS = 1024 };

/* ---- chance, from a seed ---- */

static uint64_t seed;

static inline unsigned
chance(unsigned below)
{
	seed ^= seed << 13; /* xorshift64 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % below;
}

#define ONE_OF(list) ((list)[chance(sizeof(list) / sizeof((list)[0]))])

/* ---- vocabularies: A with releasability, B without, C mapped into A ---- */

#define SPIF(name, classes, sets) \
	"<SPIF xmlns=\"http://www.xmlspif.org/spif\" schemaVersion=\"2.1\">" \
	"<securityPolicyId name=\"" name "\" id=\"1.2\"/><securityClassifications>" classes \
	"</securityClassifications><securityCategoryTagSets>" sets \
	"</securityCategoryTagSets></SPIF>"
#define CLASS(name, n) \
	"<securityClassification name=\"" name "\" lacv=\"" n "\" hierarchy=\"" n "\"/>"
#define CLASS_WITH(name, n, inner) \
	"<securityClassification name=\"" name "\" lacv=\"" n "\" hierarchy=\"" n "\">" inner \
	"</securityClassification>"
#define SET(name, type, more, values) \
	"<securityCategoryTagSet name=\"" name \
	"\" id=\"1\"><securityCategoryTag name=\"t\" tagType=\"" type "\" " more ">" values \
	"</securityCategoryTag></securityCategoryTagSet>"
#define VALUE(name, n) "<tagCategory name=\"" name "\" lacv=\"" n "\"/>"
#define VALUE_WITH(name, n, inner) \
	"<tagCategory name=\"" name "\" lacv=\"" n "\">" inner "</tagCategory>"
#define REL SET("Rel", "permissive", "", VALUE("N", "1") VALUE("K", "2") VALUE("Z", "3"))

static const char *const spif_a[] = {
	SPIF("A", CLASS("LOW", "1") CLASS("MID", "2") CLASS("HIGH", "3"),
	    REL SET("Han", "restrictive", "", VALUE("x", "1") VALUE("y", "2"))),
	SPIF("A",
	    CLASS("LOW", "1") CLASS("MID", "2") CLASS_WITH("HIGH", "3",
		"<requiredCategory operation=\"onlyOne\"><categoryGroup tagSetRef=\"Rel\" "
		"tagType=\"permissive\" all=\"true\"/></requiredCategory>"),
	    SET("Rel", "permissive", "",
		VALUE("N", "1")
		    VALUE("K", "2") "<tagCategory name=\"Z\" lacv=\"3\" obsolete=\"true\"/>")
		SET("Han", "restrictive", "",
		    VALUE_WITH("x", "1",
			"<excludedCategory tagSetRef=\"Han\" tagType=\"restrictive\" lacv=\"2\"/>")
			VALUE_WITH("y", "2",
			    "<requiredCategory operation=\"oneOrMore\"><categoryGroup "
			    "tagSetRef=\"Rel\" tagType=\"permissive\" lacv=\"1\"/><categoryGroup "
			    "tagSetRef=\"Rel\" tagType=\"permissive\" lacv=\"2\"/>"
			    "</requiredCategory>"))),
	SPIF("A", CLASS("LOW", "1") CLASS("HIGH", "3") CLASS("TOP", "4"),
	    SET("Rel", "permissive", "maxSelection=\"2\" minSelection=\"1\"",
		VALUE("K", "2") VALUE("N",
		    "1") "<tagCategory name=\"W\" lacv=\"4\" notBefore=\"2027-01-01T00:00:00Z\"/>")
		SET("Han", "restrictive", "",
		    VALUE("x", "1") VALUE_WITH("y", "2", "<excludedClass>LOW</excludedClass>"))),
};
static const char *const spif_b[] = {
	SPIF("B", CLASS("C1", "1") CLASS("C2", "2"),
	    SET("Inf", "tagType7", "tag7Encoding=\"bitSetAttributes\"", VALUE("i", "1"))
		SET("Per", "permissive", "", VALUE("p", "1") VALUE("q", "2"))),
};
static const char *const spif_c[] = {
	SPIF("C", CLASS("L", "1") CLASS("H", "2"),
	    SET("Eyes", "permissive", "", VALUE("eN", "1") VALUE("eK", "2"))
		SET("Own", "restrictive", "", VALUE("o", "1"))),
};

/* ---- random policies ---- */

static const char *const conditions[] = { "topic a", "topic b.*", "from [ P0 ]", "from [ P0 P1 ]",
	"to [ P1 ]", "to [ P1 P2 ]", "precedence at-least PRIORITY", "content-type image/*",
	"label A at-most MID", "label A at-least HIGH", "label A is LOW", "label A has Rel N",
	"label A has Han", "label A lacks Han y", "label A has Rel K", "label A lacks Rel",
	"label B at-most C1", "label B has Per p", "label B lacks Inf", "label B is C2",
	"label B has Per", "label C is H", "label C has Own", "label C has Eyes eK" };
/* A class that this A does not have. */
static const char *const conditions_2[] = { "label A at-most HIGH", "label A is TOP",
	"label A has Rel W" };
static const char *const starts[] = { "label A at-most HIGH\n", "label A at-most LOW\n",
	"label A has Rel N\n", "label B at-most C2\n", "label B is C1\n",
	"label A at-least LOW\n" };
static const char *const clear_a[] = { "", "clearance A up-to HIGH { Rel [ N ] }\n",
	"clearance A [ LOW HIGH ] { \n Rel [ K Z ]\n Han [ x ]\n }\n",
	"clearance A up-to HIGH {\n Rel [ N K ]\n Han [ x y ]\n }\n", "clearance A [ LOW ]\n",
	"clearance A up-to HIGH {\n Rel [ K ]\n Han [ y ]\n }\n" };
static const char *const clear_b[] = { "", "clearance B [ C1 ]\n",
	"clearance B up-to C2 { Per [ p ] }\n",
	"clearance B up-to C2 {\n Per [ q ]\n Inf [ i ]\n }\n" };
static const char *const mays[] = { "[ originate receive ]", "[ originate receive ]", "[ receive ]",
	"[ originate ]" };
static const char *const ranks[] = { "ROUTINE", "PRIORITY", "FLASH" };
static const char *const topics[] = { "[ a b.* ]", "[ a ]", "[ a b.> ]" };
static const char *const equivalences[] = { "",
	"equivalence C to A {\nclassification L LOW\nclassification H HIGH\ncategory Eyes eN Rel "
	"N\ncategory Eyes eK Rel K\ncategory Own o Han x\n}\n",
	"equivalence C to A {\nclassification L LOW\ncategory Eyes eN Rel N\ncategory Eyes eK Rel "
	"N\n}\n",
	"equivalence C to A {\nclassification H HIGH\ncategory Eyes eK Rel K\ncategory Own o Han "
	"y\n}\n" };
static const char *const unmarked[] = { "", "", "", "unmarked-labels releasable-to members\n",
	"unmarked-portions releasable-to members\n" };
static const char *const verdicts[] = { "release\n", "release\n", "withhold\n",
	"hold for-approval-of originator within 2h\n" };

struct choices {
	unsigned spif_a, releasability, equivalence, unmarked, topics;
	const char *rules[RULES];
	unsigned may[PARTIES], rank[PARTIES], a[PARTIES], b[PARTIES];
};

static inline const char *
rule(struct rig *r, unsigned spif)
{
	const char *verdict = ONE_OF(verdicts), *text = "";
	unsigned count = chance(3);
	if (verdict[0] == 'r')
		text = ONE_OF(starts);
	for (unsigned i = 0; i < count; i++) {
		const char *c = ONE_OF(conditions);
		if (spif == 2 && strstr(c, "MID") != NULL)
			c = ONE_OF(conditions_2);
		if (spif == 2 && strstr(c, "Rel Z") != NULL)
			continue;
		if (verdict[0] == 'r' && strstr(c, "label C") != NULL)
			continue;
		text = arena_printf(&r->arena, "%s%s\n", text, c);
	}
	return arena_printf(&r->arena, "%s%s", text, verdict);
}

/* The conditions stay. */
static inline const char *
other_verdict(struct rig *r, const char *rule)
{
	const char *last = strstr(rule, "withhold");
	if (last == NULL)
		last = strstr(rule, "hold");
	if (last == NULL || strstr(rule, "label A") == NULL)
		return rule;
	return arena_printf(&r->arena, "%.*s%s", (int)(last - rule), rule,
	    last[0] == 'w' ? verdicts[3] : verdicts[2]);
}

#define REROLL(what, list) \
	if (odds == 0 || chance(odds) == 0) \
	(what) = chance(sizeof(list) / sizeof((list)[0]))

/* 'odds': one in so many choices is made anew; 0: all. */
static inline void
roll(struct rig *r, struct choices *c, unsigned odds)
{
	if (odds == 0 || chance(6 * odds) == 0)
		c->spif_a = chance(4) == 0 ? 2 : chance(2);
	if (odds == 0 || chance(3 * odds) == 0)
		c->releasability = chance(6) == 0;
	REROLL(c->equivalence, equivalences);
	REROLL(c->unmarked, unmarked);
	REROLL(c->topics, topics);
	for (size_t i = 0; i < RULES; i++) {
		if (odds == 0 || chance(odds) == 0)
			c->rules[i] = rule(r, c->spif_a);
		else if (chance(2 * odds) == 0)
			c->rules[i] = other_verdict(r, c->rules[i]);
	}
	for (size_t i = 0; i < PARTIES; i++) {
		REROLL(c->may[i], mays);
		REROLL(c->rank[i], ranks);
		REROLL(c->a[i], clear_a);
		REROLL(c->b[i], clear_b);
	}
}

static inline const char *
render(struct rig *r, const struct choices *c)
{
	const char *text = arena_printf(&r->arena,
	    "vocabulary A {\nspif a.xml\nreleasability Rel\n}\nvocabulary B {\nspif b.xml\n%s}\n"
	    "vocabulary C {\nspif c.xml\nreleasability Eyes\n}\n"
	    "party P0 { agent /x { roles [ publish ] } }\n"
	    "party P1 { agent /x { roles [ publish ] } }\n"
	    "party P2 { agent /x { roles [ publish ] } }\n"
	    "agreement g {\nversion 1\nvalid from 2026-01-01 until 2028-12-31\nstate in-force\n"
	    "mode live\ntopics %s\n%s%s",
	    c->releasability ? "releasability Per\n" : "", topics[c->topics],
	    equivalences[c->equivalence], unmarked[c->unmarked]);
	for (size_t i = 0; i < PARTIES; i++)
		text = arena_printf(&r->arena,
		    "%smember P%zu {\nmay %s\nprecedence at-most %s\n%s%s}\n", text, i,
		    mays[c->may[i]], ranks[c->rank[i]], clear_a[c->a[i]], clear_b[c->b[i]]);
	for (size_t i = 0; i < RULES; i++)
		text = arena_printf(&r->arena, "%srule r%zu {\n%s}\n", text, i, c->rules[i]);
	return arena_printf(&r->arena, "%s}\n", text);
}

static inline bool
load(struct rig *r, struct rig *keeper, const struct choices *c)
{
	rig_init(r);
	rig_put(r, "a.xml", spif_a[c->spif_a]);
	rig_put(r, "b.xml", spif_b[0]);
	rig_put(r, "c.xml", spif_c[0]);
	rig_put(r, "relto.policy", render(keeper, c));
	return rig_load(r, EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL);
}

/* ---- what the cells say ---- */

struct kept {
	struct cell items[CELLS];
	size_t count;
};

static inline bool
keep(void *ctx, const struct cell *c)
{
	struct kept *k = ctx;
	assert_true(k->count < CELLS);
	k->items[k->count++] = *c;
	return true;
}

struct world {
	struct rig old, new;
	const struct epoch *epochs[2];
	struct kept *kept;
	uint64_t until; /* when labels may be accepted, from TIME on */
};

static inline void
compare(struct world *w, bool turned, bool each)
{
	struct err e = { 0 };
	struct cells_ask ask = {
		.from = TIME, .until = w->until, .most = CELLS_MOST, .each = each
	};
	for (size_t s = 0; s < 2; s++) {
		const struct epoch *p = w->epochs[turned ? !s : s];
		ask.side[s] = (struct cells_side){ p, epoch_agreement(p, bytes_of("g")) };
	}
	w->kept->count = 0;
	if (!cells_compare(&ask, &w->old.arena, keep, w->kept, &e))
		fail_msg("%s", e.text);
}

static inline bool
new_world(struct rig *keeper, struct world *w, unsigned odds)
{
	struct choices c = { 0 };
	roll(keeper, &c, 0);
	w->until = TIME + 1;
	bool good = load(&w->old, keeper, &c);
	roll(keeper, &c, odds);
	good = load(&w->new, keeper, &c) && good;
	w->epochs[0] = w->old.epoch;
	w->epochs[1] = w->new.epoch;
	return good;
}

static inline void
done_world(struct world *w)
{
	rig_done(&w->old);
	rig_done(&w->new);
}

static inline bool
is_full(void)
{
	const char *full = getenv("RELTO_CHECK_FULL");
	return full != NULL && strcmp(full, "1") == 0;
}
