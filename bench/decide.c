/*
 * decide.c - what the decision itself costs: one report of four portions for 4, 64 and 1,000
 * members, beside 10 and 4,095 other agreements (with it the limit).
 *     decide [--json] [--case NAME] [--rounds N]
 * Members have their clearances "alike" (twelve different ones) or each its "own" (a nation that no
 * other holds).  ns of CPU.  scripts/check-budgets counts the instructions of the last of two
 * rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/decide.h"
#include "policy/text.h"

enum { PORTIONS = 4, NATIONS = 1001 };

static const struct bench_case {
	const char *name;
	unsigned members; /* beside the originator */
	unsigned others;
	bool own;
} cases[] = {
	{ "alike-4-10", 4, 10, false },
	{ "alike-4-4095", 4, 4095, false },
	{ "alike-64-10", 64, 10, false },
	{ "alike-64-4095", 64, 4095, false },
	{ "alike-1000-10", 1000, 10, false },
	{ "alike-1000-4095", 1000, 4095, false },
	{ "own-4-10", 4, 10, true },
	{ "own-4-4095", 4, 4095, true },
	{ "own-64-10", 64, 10, true },
	{ "own-64-4095", 64, 4095, true },
	{ "own-1000-10", 1000, 10, true },
	{ "own-1000-4095", 1000, 4095, true },
};

static void
die(const char *why)
{
	(void)fprintf(stderr, "decide: %s\n", why);
	exit(70);
}

/* ---- the policy, as text ---- */

static void
write_vocabulary(FILE *f)
{
	static const char *const classes[] = { "UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL",
		"SECRET" };
	(void)fputs(
	    "<spif:SPIF xmlns:spif=\"http://www.xmlspif.org/spif\" schemaVersion=\"2.1\" "
	    "version=\"1\" creationDate=\"20260101000000Z\" originatorDN=\"CN=bench\" "
	    "keyIdentifier=\"00\" privilegeId=\"2.25.1\" rbacId=\"2.25.1\">"
	    "<spif:securityPolicyId name=\"BENCH\" id=\"2.25.1\"/><spif:securityClassifications>",
	    f);
	for (unsigned i = 0; i < 4; i++)
		(void)fprintf(f,
		    "<spif:securityClassification name=\"%s\" lacv=\"%u\" hierarchy=\"%u\"/>",
		    classes[i], i + 1, i + 1);
	(void)fputs(
	    "</spif:securityClassifications><spif:securityCategoryTagSets>"
	    "<spif:securityCategoryTagSet name=\"Handling\" id=\"2.25.1.1\">"
	    "<spif:securityCategoryTag name=\"Handling\" tagType=\"restrictive\">"
	    "<spif:tagCategory name=\"ORCON\" lacv=\"1\"/><spif:tagCategory name=\"FININT\" "
	    "lacv=\"2\"/></spif:securityCategoryTag></spif:securityCategoryTagSet>"
	    "<spif:securityCategoryTagSet name=\"Releasable To\" id=\"2.25.1.2\">"
	    "<spif:securityCategoryTag name=\"Releasable To\" tagType=\"permissive\">"
	    "<spif:tagCategory name=\"ALL\" lacv=\"1\"/>",
	    f);
	for (unsigned i = 0; i < NATIONS; i++)
		(void)fprintf(f, "<spif:tagCategory name=\"N%u\" lacv=\"%u\"/>", i, i + 2);
	(void)fputs("</spif:securityCategoryTag></spif:securityCategoryTagSet>"
		    "</spif:securityCategoryTagSets></spif:SPIF>",
	    f);
}

static void
write_member(FILE *f, unsigned n, bool own)
{
	static const char *const top[] = { "RESTRICTED", "CONFIDENTIAL", "SECRET", "SECRET" };
	(void)fprintf(f,
	    "member N%u {\nmay [ originate receive ]\nprecedence at-most FLASH\n"
	    "clearance BENCH up-to %s {\n\"Releasable To\" [ ALL",
	    n, n == 0 ? "SECRET" : top[n % 4]);
	if (own)
		(void)fprintf(f, " N%u", n);
	(void)fprintf(f, " ]\n");
	if (n % 3 != 0)
		(void)fprintf(f, "Handling [ ORCON FININT ]\n");
	(void)fprintf(f, "}\nclearance TLP up-to AMBER\n}\n");
}

static void
write_agreement(FILE *f, const char *name, unsigned members, bool own)
{
	(void)fprintf(f,
	    "agreement %s {\nversion 3\nvalid from 2026-01-01 until 2028-12-31\n"
	    "state in-force\nmode live\ntopics [ maritime.> cyber.indicators.* ]\n",
	    name);
	for (unsigned i = 0; i <= members; i++)
		write_member(f, i, own);
	(void)fputs(
	    "rule maritime {\ntopic maritime.>\nlabel BENCH at-most SECRET\nrelease\n}\n"
	    "rule cyber {\ntopic cyber.indicators.*\nlabel BENCH at-most RESTRICTED\nrelease\n}\n"
	    "rule tlp-amber {\nlabel TLP at-most AMBER\nrelease\n}\n"
	    "rule flash-review {\nprecedence at-least IMMEDIATE\nlabel BENCH at-least SECRET\n"
	    "hold for-approval-of originator within 2h\n}\n"
	    "rule never-finint {\nto [ N2 N3 ]\nlabel BENCH has Handling FININT\nwithhold\n}\n}\n",
	    f);
}

static void
write_policy(FILE *f, const struct bench_case *c)
{
	(void)fputs(
	    "vocabulary BENCH {\nspif \"bench.spif.xml\"\nreleasability \"Releasable To\"\n}\n"
	    "vocabulary TLP {\nspif \"tlp-2.0.spif.xml\"\n}\n",
	    f);
	for (unsigned i = 0; i < NATIONS; i++)
		(void)fprintf(
		    f, "party N%u {\nagent /desk { roles [ publish subscribe ] }\n}\n", i);
	write_agreement(f, "judged", c->members, c->own);
	for (unsigned i = 0; i < c->others; i++)
		(void)fprintf(f, "include \"other-%u\"\n", i);
}

static bool
read_tlp(struct arena *a, struct bytes *out, struct err *e)
{
	FILE *f = fopen("policy/vocab/tlp-2.0.spif.xml", "re");
	char *text = arena_alloc(a, 65536);
	if (f == NULL || text == NULL)
		die("run it where policy/vocab/tlp-2.0.spif.xml is");
	size_t len = fread(text, 1, 65536, f);
	(void)fclose(f);
	return arena_copy(a, bytes_from((uint8_t *)text, len), out, e);
}

static bool
read_file(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	char name[32], *text = NULL;
	size_t len = 0;
	if (strcmp(path, "tlp-2.0.spif.xml") == 0)
		return read_tlp(a, out, e);
	FILE *f = open_memstream(&text, &len);
	if (f == NULL)
		die("no memory");
	if (strcmp(path, "bench.spif.xml") == 0) {
		write_vocabulary(f);
	} else if (strncmp(path, "other-", 6) == 0) {
		(void)snprintf(name, sizeof(name), "%.20s", path);
		write_agreement(f, name, 3, true);
	} else {
		write_policy(f, ctx);
	}
	(void)fclose(f);
	bool good = arena_copy(a, bytes_from((uint8_t *)text, len), out, e);
	free(text);
	return good;
}

static struct epoch *
load(const struct bench_case *c)
{
	struct epoch_source source = { .read = read_file, .ctx = (void *)(uintptr_t)c };
	struct text_errors errors;
	struct arena a;
	struct epoch *p = NULL;
	struct err e = { 0 };
	text_errors_init(&errors);
	arena_init(&a, SIZE_MAX);
	if (!epoch_load(
		&source, "relto.policy", EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL, &errors, &p, &e)) {
		(void)fputs(text_errors_format(&errors, &a), stderr);
		die(e.text);
	}
	arena_done(&a);
	text_errors_done(&errors);
	return p;
}

/* ---- the report ---- */

static const struct bytes all[] = { { (const uint8_t *)"ALL", 3 } };
static const struct bytes few[] = { { (const uint8_t *)"N1", 2 }, { (const uint8_t *)"N2", 2 },
	{ (const uint8_t *)"N3", 2 }, { (const uint8_t *)"N7", 2 } };
static const struct bytes finint[] = { { (const uint8_t *)"FININT", 6 } };

#define BYTES(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
#define REL(list) \
	{ \
		BYTES("Releasable To"), \
		{ \
			list, sizeof(list) / sizeof(list[0]) \
		} \
	}

static const struct raw_category to_all[] = { REL(all) };
static const struct raw_category to_few[] = { REL(few) };
static const struct raw_category to_all_finint[] = { REL(all),
	{ BYTES("Handling"), { finint, 1 } } };

static const struct raw_label plain[] = { { BYTES("BENCH"), BYTES("UNCLASSIFIED"), to_all, 1 } };
static const struct raw_label two[] = { { BYTES("BENCH"), BYTES("RESTRICTED"), to_all, 1 },
	{ BYTES("TLP"), BYTES("AMBER"), NULL, 0 } };
static const struct raw_label named[] = { { BYTES("BENCH"), BYTES("SECRET"), to_few, 1 } };
static const struct raw_label handled[] = { { BYTES("BENCH"), BYTES("CONFIDENTIAL"), to_all_finint,
    2 } };
static const struct fact_portion portions[PORTIONS] = { { plain, 1, BYTES("text/plain") },
	{ two, 2, BYTES("text/plain") }, { named, 1, BYTES("text/plain") },
	{ handled, 1, BYTES("text/plain") } };
static const struct fact_agreement agreements[] = { { .name = BYTES("judged") } };

static const struct facts report = { .originator = BYTES("N0"),
	.topic = BYTES("maritime.piracy"),
	.precedence = PRECEDENCE_ROUTINE,
	.mode = MODE_LIVE,
	.time = UINT64_C(1780000000000000),
	.accepted = UINT64_C(1780000000000000),
	.signer = SIGNER_GOOD,
	.agreements = agreements,
	.agreement_count = 1,
	.portions = portions,
	.portion_count = PORTIONS };

/* ---- measuring ---- */

static double
cpu_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* What scripts/check-budgets counts; never inlined, so that it has a name. */
__attribute__((noinline)) static void
judge_once(const struct epoch *p, const struct bench_case *c, struct arena *a)
{
	struct decisions d;
	struct err e = { 0 };
	if (!policy_decide(p, &report, a, &d, &e) || d.refusal.code != ERR_NONE ||
	    d.recipient_count != c->members)
		die("that is not the decision that was to be measured");
	arena_reset(a, SIZE_MAX);
}

static void
judge(const struct epoch *p, const struct bench_case *c, unsigned rounds)
{
	struct arena a;
	arena_init(&a, SIZE_MAX);
	for (unsigned i = 0; i < rounds; i++)
		judge_once(p, c, &a);
	arena_done(&a);
}

static int
ascending(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;
	return (a > b) - (a < b);
}

/* The median of eleven runs; with 'rounds' one run of so many.  Nothing is read for the first time
 * in them. */
static double
measure(const struct epoch *p, const struct bench_case *c, unsigned rounds)
{
	double runs[11];
	unsigned each = rounds != 0 ? rounds : 1 + 400000 / (c->members * PORTIONS + 100);
	unsigned count = rounds != 0 ? 1 : 11;
	if (rounds == 0)
		judge(p, c, each);
	for (unsigned i = 0; i < count; i++) {
		double from = cpu_ns();
		judge(p, c, each);
		runs[i] = (cpu_ns() - from) / each;
	}
	qsort(runs, count, sizeof(runs[0]), ascending);
	return runs[count / 2];
}

static void
run(const struct bench_case *c, unsigned rounds, bool json)
{
	struct epoch *p = load(c);
	double ns = measure(p, c, rounds);
	double each = ns / (c->members * PORTIONS);
	if (json)
		(void)printf("{\"case\":\"%s\",\"members\":%u,\"agreements\":%u,\"portions\":%d,"
			     "\"clearances\":\"%s\",\"ns\":%.0f,\"ns_each\":%.1f}\n",
		    c->name, c->members, c->others + 1, PORTIONS, c->own ? "own" : "alike", ns,
		    each);
	else
		(void)printf("%-16s %9.1f us a report  %7.1f ns a portion and recipient\n", c->name,
		    ns / 1000, each);
	(void)fflush(stdout);
	epoch_free(p);
}

int
main(int argc, char **argv)
{
	const char *only = NULL;
	unsigned rounds = 0;
	bool json = false, found = false;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--case") == 0 && i + 1 < argc)
			only = argv[++i];
		else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
			rounds = (unsigned)strtoul(argv[++i], NULL, 10);
		else {
			(void)fputs("usage: decide [--json] [--case NAME] [--rounds N]\n", stderr);
			return 64;
		}
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (only != NULL && strcmp(only, cases[i].name) != 0)
			continue;
		found = true;
		run(&cases[i], rounds, json);
	}
	if (!found)
		(void)fprintf(stderr, "decide: no case '%s'\n", only);
	return found ? 0 : 64;
}
