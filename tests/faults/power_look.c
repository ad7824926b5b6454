#include "tests/faults/power_look.h"

#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/checkpoint.h"
#include "daemon/startup.h"
#include "daemon/store.h"
#include "proto/arena.h"
#include "tests/lib/slurp.h"

enum { MAP_BYTES = 64 << 20, MEMORY = 256 << 20, PAGE = 64, PORTIONS = 256, PATH = 4096 };

struct look {
	FILE *to;
	struct arena arena;
	struct sha256 h;
	struct note_key key;
	struct store *store;
	struct store_view *view;
	struct err e;
};

static void
hex(struct look *l, struct bytes b)
{
	(void)fputc(' ', l->to);
	for (size_t i = 0; i < b.len; i++)
		(void)fprintf(l->to, "%02x", b.data[i]);
	if (b.len == 0)
		(void)fputc('-', l->to);
}

/* Names; several of them stand in lines. */
static void
word(struct look *l, struct bytes b)
{
	(void)fputc(' ', l->to);
	for (size_t i = 0; i < b.len; i++)
		(void)fputc(b.data[i] == '\n' ? '+' : b.data[i], l->to);
	if (b.len == 0)
		(void)fputc('-', l->to);
}

static struct bytes
party_name(struct look *l, uint32_t id)
{
	struct bytes name = { NULL, 0 };
	bool found;
	if (!store_name_text(l->view, STORE_NAME_PARTY, id, &name, &found, &l->e) || !found)
		return bytes_of("?");
	return name;
}

/* ---- the log ---- */

static bool
look_more(struct look *l, enum event_type type, const struct record *r)
{
	struct body b;
	struct slot_decision d;
	if (type == EVENT_DECISION || type == EVENT_NARROWED)
		return slot_get_decision(RECORD_SLOT(r, 4)->value, &d, &l->e) &&
		       fprintf(l->to, " %s", slot_outcome_word(d.outcome)) > 0;
	if (type != EVENT_ACK && type != EVENT_POLICY && type != EVENT_SUBSCRIPTION)
		return fputs(" -", l->to) != EOF;
	if (!event_body_parse(type, RECORD_SLOT(r, 7)->value, &b, &l->e))
		return false;
	if (type == EVENT_SUBSCRIPTION) {
		word(l, event_body_get(&b, BODY_SUBSCRIPTION_NAME));
		return true;
	}
	if (type == EVENT_POLICY) {
		hex(l, event_body_get(&b, BODY_POLICY_DIGEST));
		return true;
	}
	struct cursor c = cursor_over(event_body_get(&b, BODY_ACK_DELIVERIES));
	if (c.left == 0) /* it attests, and acknowledges nothing */
		return fputs(" -", l->to) != EOF;
	(void)fputc(' ', l->to);
	while (c.left > 0)
		(void)fprintf(l->to, "%" PRIu64 ",", cursor_u64(&c));
	return true;
}

static bool
look_record(struct look *l, struct merkle *tree, struct bytes entry)
{
	struct record r;
	struct slot_common common;
	struct slot_release release = { 0 };
	uint8_t leaf[32], root[32];
	if (!record_entry_parse(entry, &r, leaf, &l->e) ||
	    !slot_get_common(RECORD_SLOT(&r, 1)->value, &common, &l->e) ||
	    (event_slots(common.type) & 1u << 2 &&
		!slot_get_release(RECORD_SLOT(&r, 2)->value, &release, &l->e)) ||
	    !merkle_append(&l->h, tree, leaf, NULL, &l->e) ||
	    !merkle_root(&l->h, tree, root, &l->e))
		return false;
	(void)fprintf(l->to, "record %s", event_token(common.type));
	hex(l, common.report);
	word(l, release.recipient);
	hex(l, bytes_from(leaf, sizeof(leaf)));
	hex(l, bytes_from(root, sizeof(root)));
	if (!look_more(l, common.type, &r) || fputc('\n', l->to) == EOF)
		return false;
	return RECORD_SLOT(&r, 6)->open ||
	       fprintf(l->to, "erased %" PRIu64 "\n", tree->leaf_count - 1) > 0;
}

static bool
look_log(struct look *l)
{
	struct store_state st;
	struct merkle tree = { 0 };
	if (!store_read_state(l->view, &st, &l->e))
		return false;
	(void)fprintf(
	    l->to, "log %" PRIu64 " %" PRIu64 " %d", st.fence.log_size, st.published, st.clean);
	hex(l, bytes_from(st.fence.policy, sizeof(st.fence.policy)));
	(void)fputc('\n', l->to);
	while (tree.leaf_count < st.fence.log_size) {
		struct bytes entries[PAGE];
		size_t count = PAGE;
		if (!store_read_entries(l->view, tree.leaf_count, 1 << 20, entries, &count, &l->e))
			return false;
		for (size_t i = 0; i < count; i++)
			if (!look_record(l, &tree, entries[i]))
				return false;
	}
	return true;
}

/* ---- what stands on it ---- */

/* Adds a part to what is hashed; *found false, and nothing, if there is none. */
static bool
add_part(struct look *l, uint64_t intake, uint16_t part, bool *found)
{
	struct bytes bytes;
	if (!store_read_part(l->view, intake, part, &bytes, found, &l->e))
		return false;
	if (*found)
		sha256_add(&l->h, bytes);
	return true;
}

/* The digest of every second part from 'first' on, which are all heads or all bodies; for heads
 * the parts before them come first. */
static bool
look_parts(struct look *l, uint64_t intake, uint16_t first)
{
	uint8_t digest[32];
	bool found = true;
	sha256_begin(&l->h);
	for (uint16_t part = STORE_PART_MANIFEST; part <= STORE_PART_SEAL; part++)
		if (first == STORE_PART_FIRST_HEAD && !add_part(l, intake, part, &found))
			return false;
	found = true;
	for (uint16_t k = 0; k < PORTIONS && found; k++)
		if (!add_part(l, intake, (uint16_t)(first + 2 * k), &found))
			return false;
	if (!sha256_end(&l->h, digest, &l->e))
		return false;
	hex(l, bytes_from(digest, sizeof(digest)));
	return true;
}

static bool
look_report(struct look *l, const struct store_report *r)
{
	(void)fputs("report", l->to);
	word(l, party_name(l, r->key.originator));
	hex(l, bytes_from(r->key.id, sizeof(r->key.id)));
	(void)fprintf(l->to, " %" PRIu64 " %" PRIu32, r->intake, r->decisions);
	if (!look_parts(l, r->intake, STORE_PART_FIRST_HEAD) ||
	    !look_parts(l, r->intake, STORE_PART_FIRST_BODY))
		return false;
	return fputc('\n', l->to) != EOF;
}

static bool
look_reports(struct look *l)
{
	struct store_report page[PAGE], after;
	size_t count = PAGE;
	if (!store_read_reports(l->view, NULL, page, &count, &l->e))
		return false;
	while (count > 0) {
		for (size_t i = 0; i < count; i++)
			if (!look_report(l, &page[i]))
				return false;
		after = page[count - 1];
		count = PAGE;
		if (!store_read_reports(l->view, &after.key, page, &count, &l->e))
			return false;
	}
	return true;
}

static bool
look_queue(struct look *l, const struct store_subscription *s)
{
	struct store_queue_key after = { .subscription = s->id };
	for (uint8_t p = 1; p <= 4; p++) {
		struct store_queued page[PAGE];
		size_t count = PAGE;
		after.precedence = p;
		after.decision = STORE_QUEUE_START;
		do {
			count = PAGE;
			if (!store_read_queue(l->view, &after, page, &count, &l->e))
				return false;
			for (size_t i = 0; i < count; i++) {
				after = page[i].key;
				(void)fputs("queued", l->to);
				word(l, party_name(l, s->party));
				word(l, s->name);
				hex(l, bytes_from(page[i].report.id, sizeof(page[i].report.id)));
				(void)fputc('\n', l->to);
			}
		} while (count > 0);
	}
	return true;
}

static bool
look_subscriptions(struct look *l)
{
	struct store_subscription page[PAGE];
	size_t count = PAGE;
	for (uint32_t after = 0; count > 0;) {
		count = PAGE;
		if (!store_read_subscriptions(l->view, after, page, &count, &l->e))
			return false;
		for (size_t i = 0; i < count; i++) {
			after = page[i].id;
			(void)fputs("subscription", l->to);
			word(l, party_name(l, page[i].party));
			word(l, page[i].name);
			(void)fputc('\n', l->to);
			if (page[i].mode == 1 && !look_queue(l, &page[i]))
				return false;
		}
	}
	return true;
}

static bool
look_holds(struct look *l)
{
	struct store_held page[PAGE];
	size_t count = PAGE; /* more are not held in the scenario */
	if (!store_read_holds(l->view, NULL, page, &count, &l->e))
		return false;
	for (size_t i = 0; i < count; i++) {
		(void)fputs("held", l->to);
		word(l, party_name(l, page[i].party));
		hex(l, bytes_from(page[i].report.id, sizeof(page[i].report.id)));
		(void)fputc('\n', l->to);
	}
	return true;
}

/* ---- all of it ---- */

static bool
discard_tile(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e)
{
	(void)ctx;
	(void)id;
	(void)data;
	(void)e;
	return true;
}

static bool
look(struct look *l, const char *spool, const char *archive)
{
	static struct log log;
	struct startup_found found;
	struct store_config config = { .path = spool,
		.map_bytes = MAP_BYTES,
		.views = 4,
		.generation = 1,
		.archive = access(archive, F_OK) == 0 ? archive : NULL };
	if (!store_open(&config, &l->store, &l->e))
		return false;
	log_init(&log, &l->h, (struct log_sink){ discard_tile, NULL });
	struct startup s = { .store = l->store, .h = &l->h, .key = &l->key, .all = true };
	return startup_verify(&s, &log, &found, &l->e) &&
	       store_view_new(l->store, &l->view, &l->e) &&
	       store_view_open(l->view, &l->arena, &l->e);
}

/* ---- what clients keep ---- */

static bool
look_checkpoint(struct look *l, const char *path, const char *name)
{
	struct checkpoint_trust trust = { .log = &l->key };
	struct checkpoint cp;
	if (!checkpoint_open(&l->arena, slurp(&l->arena, path), &trust, &cp, &l->e))
		return err_wrap(&l->e, "kept %s", name);
	(void)fprintf(l->to, "kept %s %" PRIu64, name, cp.size);
	hex(l, bytes_from(cp.root, sizeof(cp.root)));
	return fputc('\n', l->to) != EOF;
}

/* All contents of one report, and that report.json stands beside them. */
static bool
look_saved(struct look *l, const char *path, const char *name)
{
	uint8_t digest[32];
	char file[PATH];
	sha256_begin(&l->h);
	for (unsigned n = 0; n < PORTIONS; n++) {
		(void)snprintf(file, sizeof(file), "%s/%02u.body", path, n);
		struct bytes body = slurp(&l->arena, file);
		if (body.data == NULL)
			break;
		sha256_add(&l->h, body);
	}
	if (!sha256_end(&l->h, digest, &l->e))
		return false;
	(void)snprintf(file, sizeof(file), "%s/report.json", path);
	if (slurp(&l->arena, file).len == 0)
		return err_set(&l->e, ERR_CORRUPT, "saved %s without its report.json", name);
	(void)fprintf(l->to, "saved %s", name);
	hex(l, bytes_from(digest, sizeof(digest)));
	return fputc('\n', l->to) != EOF;
}

/* Calls 'one' for each file that the pattern finds below 'work'. */
static bool
look_files(struct look *l, const char *work, const char *pattern,
    bool (*one)(struct look *l, const char *path, const char *name))
{
	glob_t g;
	char whole[PATH];
	bool ok = true;
	(void)snprintf(whole, sizeof(whole), "%s%s*", work, pattern);
	if (glob(whole, 0, NULL, &g) != 0)
		return true;
	for (size_t i = 0; ok && i < g.gl_pathc; i++) {
		const char *path = g.gl_pathv[i], *dot = strrchr(path, '.');
		if (dot == NULL || strcmp(dot, ".new") != 0) /* half written, and never read */
			ok = one(l, path, path + strlen(work) + strlen("/home/state/"));
	}
	globfree(&g);
	return ok;
}

void
power_look(const char *work, const char *vkey, FILE *to)
{
	char spool[PATH], data[PATH + 16], archive[PATH];
	struct look l = { .to = to };
	arena_init(&l.arena, MEMORY);
	if (!sha256_init(&l.h, &l.e) ||
	    !note_key_parse(&l.h, slurp(&l.arena, vkey), &l.key, &l.e)) {
		(void)fprintf(stderr, "power_replay: %s: %s\n", vkey, l.e.text);
		exit(70);
	}
	(void)snprintf(spool, sizeof(spool), "%s/spool", work);
	(void)snprintf(data, sizeof(data), "%s/data.mdb", spool);
	(void)snprintf(archive, sizeof(archive), "%s/archive", work);
	bool there = access(data, F_OK) == 0;
	bool ok = look_files(&l, work, "/home/state/*/checkpoint-", look_checkpoint) &&
		  look_files(&l, work, "/home/saved/", look_saved) && look(&l, spool, archive);
	if (ok && !there)
		(void)fprintf(to, "none\n");
	else if (ok)
		ok = look_log(&l) && look_reports(&l) && look_subscriptions(&l) && look_holds(&l);
	if (!ok)
		(void)fprintf(to, "\nbroken %s\n", l.e.text);
	store_view_free(l.view);
	store_free(l.store);
	sha256_done(&l.h);
	arena_done(&l.arena);
}
