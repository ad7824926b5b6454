/*
 * policy_rig.h - a policy in memory: the base text below, edited, loaded by the loader itself.
 * Paths that the memory does not hold are read from the source tree.
 */
#pragma once
#include "tests/lib/test.h"

#include "policy/decide.h"
#include "policy/text.h"

static const char rig_base[] =
    "hub HUB\n"
    "vocabulary ATLAS {\n"
    "    spif \"policy/vocab/atlas.spif.xml\"\n"
    "    releasability \"Releasable To\"\n"
    "}\n"
    "vocabulary GBR-NATIONAL {\n"
    "    spif \"policy/vocab/gbr-national.spif.xml\"\n"
    "    releasability \"Eyes Only\"\n"
    "}\n"
    "vocabulary TLP {\n"
    "    spif \"policy/vocab/tlp-2.0.spif.xml\"\n"
    "}\n"
    "party GBR {\n"
    "    name \"United Kingdom\"\n"
    "    trust-domain gbr.example\n"
    "    trust-bundle \"tests/policy-sample/trust/gbr-ca.pem\"\n"
    "    agent /desk { roles [ publish subscribe ] }\n"
    "}\n"
    "party HUB {\n"
    "    trust-domain hub.example\n"
    "    trust-bundle \"tests/policy-sample/trust/hub-ca.pem\"\n"
    "    agent /operator { roles [ operate audit ] }\n"
    "}\n"
    "party KEN {\n"
    "    trust-domain ken.example\n"
    "    trust-bundle \"tests/policy-sample/trust/ken-ca.pem\"\n"
    "}\n"
    "party NOR {\n"
    "    trust-domain nor.example\n"
    "    trust-bundle \"tests/policy-sample/trust/nor-ca.pem\"\n"
    "}\n"
    "suspend spare\n"
    "agreement spare {\n"
    "    version 1\n"
    "    valid from 2026-01-01 until 2026-12-31\n"
    "    state draft\n"
    "    mode exercise\n"
    "    topics [ x ]\n"
    "}\n"
    "agreement atlas {\n"
    "    title \"Atlas\"\n"
    "    version 3\n"
    "    valid from 2026-01-01 until 2028-12-31\n"
    "    state in-force\n"
    "    mode live\n"
    "    topics [ maritime.> cyber.* ]\n"
    "    onward consent within 72h\n"
    "    member GBR {\n"
    "        may [ originate receive ]\n"
    "        precedence at-most FLASH\n"
    "        clearance ATLAS up-to SECRET {\n"
    "            \"Releasable To\" [ GBR ATLAS ]\n"
    "            Handling [ ORCON FININT ]\n"
    "        }\n"
    "        clearance TLP [ CLEAR GREEN AMBER ]\n"
    "    }\n"
    "    member NOR {\n"
    "        may [ originate receive ]\n"
    "        clearance ATLAS up-to SECRET {\n"
    "            \"Releasable To\" [ NOR ATLAS ]\n"
    "            Handling [ ORCON FININT ]\n"
    "        }\n"
    "        clearance TLP up-to AMBER\n"
    "    }\n"
    "    member KEN {\n"
    "        may [ receive ]\n"
    "        clearance ATLAS [ UNCLASSIFIED RESTRICTED ] {\n"
    "            \"Releasable To\" [ KEN ATLAS ]\n"
    "            Handling [ FININT ]\n"
    "        }\n"
    "    }\n"
    "    equivalence GBR-NATIONAL to ATLAS {\n"
    "        classification OFFICIAL-SENSITIVE RESTRICTED\n"
    "        classification SECRET SECRET\n"
    "        category \"Eyes Only\" UK \"Releasable To\" GBR\n"
    "        category \"Eyes Only\" UKNOR \"Releasable To\" NOR\n"
    "    }\n"
    "    rule maritime {\n"
    "        topic maritime.>\n"
    "        label ATLAS at-most SECRET\n"
    "        release\n"
    "    }\n"
    "    rule review {\n"
    "        precedence at-least IMMEDIATE\n"
    "        label ATLAS at-least SECRET\n"
    "        hold for-approval-of originator within 2h\n"
    "    }\n"
    "    rule tlp {\n"
    "        label TLP at-most AMBER\n"
    "        release\n"
    "    }\n"
    "    rule never {\n"
    "        to [ KEN ]\n"
    "        label ATLAS has Handling FININT\n"
    "        withhold\n"
    "    }\n"
    "    expect release from GBR to NOR topic maritime.piracy [ \"ATLAS SECRET//REL TO NOR\" ]\n"
    "}\n";

/* A file of the memory. */
struct rig_file {
	const char *path, *text;
};
struct rig {
	struct rig_file files[8];
	size_t count;
	struct arena arena;
	struct text_errors errors;
	struct epoch *epoch;
	struct err err;
};

static inline bool
rig_disk(const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return err_set(e, ERR_NOT_FOUND, "cannot read '%s'", path);
	uint8_t *data = arena_alloc(a, 1 << 20);
	assert_non_null(data);
	size_t n = fread(data, 1, 1 << 20, f);
	assert_true(n < 1 << 20);
	assert_int_equal(fclose(f), 0);
	*out = bytes_from(data, n);
	return true;
}

static inline bool
rig_read(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	const struct rig *r = ctx;
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->files[i].path, path) == 0)
			return arena_copy(a, bytes_of(r->files[i].text), out, e);
	return rig_disk(path, a, out, e);
}

static inline bool
rig_list(void *ctx, const char *path, struct arena *a, struct names *out, struct err *e)
{
	const struct rig *r = ctx;
	size_t len = strlen(path);
	struct bytes *items = arena_zalloc(a, r->count, sizeof(*items));
	size_t n = 0;
	assert_non_null(items);
	(void)e;
	for (size_t i = 0; i < r->count; i++)
		if (strncmp(r->files[i].path, path, len) == 0 && r->files[i].path[len] == '/')
			items[n++] = bytes_of(r->files[i].path + len + 1);
	*out = (struct names){ items, n };
	return true;
}

static inline void
rig_init(struct rig *r)
{
	*r = (struct rig){ 0 };
	arena_init(&r->arena, SIZE_MAX);
	text_errors_init(&r->errors);
}

static inline void
rig_done(struct rig *r)
{
	epoch_free(r->epoch);
	text_errors_done(&r->errors);
	arena_done(&r->arena);
}

static inline void
rig_put(struct rig *r, const char *path, const char *text)
{
	assert_true(r->count < sizeof(r->files) / sizeof(r->files[0]));
	r->files[r->count++] = (struct rig_file){ path, text };
}

/* The text with the first 'from' replaced. */
static inline const char *
rig_edit(struct rig *r, const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	if (at == NULL) {
		print_error("'%s' is not in the text\n", from == NULL ? "" : from);
		fail();
		return NULL;
	}
	return arena_printf(&r->arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static inline bool
rig_load(struct rig *r, unsigned flags)
{
	struct epoch_source source = { .read = rig_read, .list = rig_list, .ctx = r };
	return epoch_load(&source, "relto.policy", flags, &r->errors, &r->epoch, &r->err);
}

/* The base policy, perhaps edited, which must load. */
static inline void
rig_load_text(struct rig *r, const char *text)
{
	rig_put(r, "relto.policy", text);
	if (!rig_load(r, 0))
		fail_msg("%s", text_errors_format(&r->errors, &r->arena));
}
