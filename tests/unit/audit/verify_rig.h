/* verify_rig.h - the verifier over a small log's files in memory, and what it must find. */
#pragma once
#include "audit/verify_say.h"
#include "tests/unit/audit/small_bundle.h"

/* A run over files in memory. */
struct rig {
	struct small *s;
	struct verify_ask ask;
	struct note_seen seen[CHECKPOINT_WITNESSES_MAX];
	struct checkpoint_trust trust;
	struct verify_result result;
	struct verify_told told;
	struct arena a;
	unsigned records;
	bool as_asked; /* the view that is expected stays; else it is that of the bundle */
};

static inline bool
read_file(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	struct rig *g = ctx;
	struct small_file *f = small_file(g->s, path);
	*out = (struct bytes){ NULL, 0 };
	return f == NULL || arena_copy(a, bytes_from(f->data, f->len), out, e);
}

static inline void
on_finding(void *ctx, const struct verify_finding *f)
{
	struct rig *g = ctx;
	verify_say_finding(&g->told, f);
}

static inline void
on_record(void *ctx, const struct verify_record *r)
{
	struct rig *g = ctx;
	(void)r;
	g->records++;
}

static inline int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	g->s = small_new();
	arena_init(&g->a, (size_t)1 << 30);
	g->trust = (struct checkpoint_trust){ .log = &g->s->vkey, .seen = g->seen };
	g->ask = (struct verify_ask){ .read = read_file,
		.on_record = on_record,
		.on_finding = on_finding,
		.ctx = g,
		.trust = &g->trust,
		.now_s = SMALL_START_S + 3600 };
	*state = g;
	return 0;
}

static inline int
teardown(void **state)
{
	struct rig *g = *state;
	small_free(g->s);
	arena_done(&g->a);
	free(g);
	return 0;
}

/* Another log. */
static inline void
renew(struct rig *g)
{
	small_free(g->s);
	g->s = small_new();
	g->trust.log = &g->s->vkey;
}

static inline void
verify(struct rig *g)
{
	struct err e;
	g->told.count = 0;
	g->records = 0;
	if (!g->as_asked) {
		g->ask.party = bytes_of(g->s->view);
		g->ask.from = g->s->first;
	}
	arena_done(&g->a);
	arena_init(&g->a, (size_t)1 << 30);
	if (!verify_bundle(&g->s->h, &g->a, &g->ask, &g->result, &e))
		fail_msg("%s", e.text);
}

static inline void
expect(struct rig *g, enum verify_code code, const char *text)
{
	verify(g);
	bool said = text == NULL;
	for (size_t i = 0; i < g->told.count; i++)
		said = said || strstr(g->told.finding[i].text, text) != NULL;
	if (g->result.code == code && said)
		return;
	for (size_t i = 0; i < g->told.count; i++)
		print_message("%d record %d: %s\n", (int)g->told.finding[i].code,
		    (int)g->told.finding[i].index, g->told.finding[i].text);
	fail_msg(
	    "code %d, not %d with '%s'", (int)g->result.code, (int)code, text == NULL ? "" : text);
}

/* The bundle of the hub's auditor, then the verdict. */
static inline void
expect_log(struct rig *g, enum verify_code code, const char *text)
{
	small_bundle(g->s, "", 0);
	expect(g, code, text);
}
