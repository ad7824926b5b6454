#include "client/cli/audit_read.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

enum {
	PAGE = 1000,
	WAITS = 60, /* times in a row that the broker may say "later" */
	WAIT_MS_MAX = 10000
};

/* ---- one record ---- */

static bool
unsound(struct audit_read *r, uint64_t index, const char *why)
{
	out_cleanf(stderr, "relto: record %" PRIu64 ": %s", index, why);
	(void)fputc('\n', stderr);
	r->bad = true;
	r->whole = false;
	return false;
}

/* Whether the record is one, in the order of time; with its leaf hash. */
static bool
sound(struct audit_read *r, const struct relto_record *in, struct record *record,
    struct verify_record *v)
{
	struct err e = { 0 };
	struct bytes opening = bytes_from(in->opening.data, in->opening.len);
	*v = (struct verify_record){ .index = in->index, .record = record, .leaf = r->leaf };
	if (!record_opening_parse(opening, record, &e) || !record_check(record, &v->type, &e) ||
	    !slot_get_common(RECORD_SLOT(record, 1)->value, &v->common, &e) ||
	    !record_leaf(r->h, record, r->leaf, &e))
		return unsound(r, in->index, e.text);
	if (v->common.time < r->time)
		return unsound(r, in->index, "its time is before that of a record before it");
	r->time = v->common.time;
	return true;
}

/* ---- the trees ---- */

/* What the leaves so far give must be the root: else one of the two was made up. */
static void
compare(struct audit_read *r, uint64_t index, const uint8_t root[32], const char *what)
{
	uint8_t mine[32];
	struct err e = { 0 };
	if (!merkle_root(r->h, &r->tree, mine, &e) || memcmp(mine, root, 32) != 0)
		(void)unsound(r, index, what);
}

/* An auditor of the hub sees every leaf of the log. */
static void
grow_log(struct audit_read *r, const struct verify_record *v)
{
	struct err e = { 0 };
	if (v->index != r->tree.leaf_count) {
		(void)unsound(r, v->index, "a record before it is not shown");
		return;
	}
	if (!merkle_append(r->h, &r->tree, v->leaf, NULL, &e)) {
		(void)unsound(r, v->index, e.text);
		return;
	}
	if (r->tree.leaf_count != r->head_size)
		return;
	compare(r, v->index, r->head_root, "the records up to here do not give the signed head");
	r->proved = r->whole ? r->head_size : 0;
}

/* The place in my party's tree; SLOT_ABSENT: it is no leaf of it. */
static bool
place_of(const struct record *record, uint64_t *place, struct err *e)
{
	struct slot_publication p = { .index = SLOT_ABSENT };
	*place = SLOT_ABSENT;
	if (RECORD_SLOT(record, 3)->open &&
	    !slot_get_publication(RECORD_SLOT(record, 3)->value, &p, e))
		return false;
	if (p.index != SLOT_ABSENT)
		*place = p.index;
	else if (RECORD_SLOT(record, 8)->open)
		return slot_get_place(RECORD_SLOT(record, 8)->value, place, e);
	return true;
}

static bool
grow_own(struct audit_read *r, const struct verify_record *v, struct err *e)
{
	uint64_t place;
	uint8_t leaf[32];
	if (!place_of(v->record, &place, e))
		return false;
	if (place == SLOT_ABSENT)
		return true;
	if (place != r->tree.leaf_count)
		return err_set(e, ERR_DATA,
		    "it is record %" PRIu64 " of your party, and %" PRIu64 " came before it", place,
		    r->tree.leaf_count);
	return record_party_leaf(r->h, v->index, v->leaf, leaf, e) &&
	       merkle_append(r->h, &r->tree, leaf, NULL, e);
}

/* A PARTY_HEAD states the tree as it stands there. */
static void
take_head(struct audit_read *r, const struct verify_record *v)
{
	struct body b;
	struct err e = { 0 };
	if (!event_body_parse(v->type, RECORD_SLOT(v->record, 7)->value, &b, &e)) {
		(void)unsound(r, v->index, e.text);
		return;
	}
	if (event_body_number(&b, BODY_PARTY_HEAD_SIZE) != r->tree.leaf_count) {
		(void)unsound(r, v->index, "it states another size of your party's history");
		return;
	}
	compare(r, v->index, event_body_get(&b, BODY_PARTY_HEAD_ROOT).data,
	    "it states another root than your party's records give");
	r->own = r->tree.leaf_count;
	r->own_head = v->index;
}

static void
grow(struct audit_read *r, const struct verify_record *v)
{
	struct err e = { 0 };
	if (!r->whole)
		return;
	if (r->hub)
		grow_log(r, v);
	else if (!grow_own(r, v, &e))
		(void)unsound(r, v->index, e.text);
	else if (v->type == EVENT_PARTY_HEAD && RECORD_SLOT(v->record, 7)->open)
		take_head(r, v);
}

/* ---- pages ---- */

static bool
take(void *arg, const struct relto_record *in)
{
	struct audit_read *r = arg;
	struct record record;
	struct verify_record v;
	if (r->one && in->index != r->from)
		return false;
	r->seen++;
	if (!sound(r, in, &record, &v))
		return true;
	grow(r, &v);
	r->enough = !r->each(r->arg, &v);
	return !r->enough;
}

/* A party may read so much of the log in a time, and then has to wait: the same page again. */
static bool
waited(struct audit_read *r, const struct relto_error *e)
{
	uint32_t ms = e->retry_ms < WAIT_MS_MAX ? e->retry_ms : WAIT_MS_MAX;
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
	if (e->fatal || !e->may_retry || ms == 0 || r->waits == WAITS)
		return false;
	if (r->waits++ == 0)
		(void)fprintf(stderr, "relto: %s: the broker lets us wait\n", e->code);
	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
	return true;
}

static int
read_all(struct audit_read *r)
{
	struct relto_error e = { 0 };
	uint64_t at = r->from, next = 0;
	for (;;) {
		struct relto_lister l = { at, r->one ? 1 : PAGE, take, r };
		if (relto_audit_list(r->session->connection, &l, &next, &e)) {
			r->waits = 0;
			at = next;
		} else if (!waited(r, &e))
			return session_error(&e);
		else
			continue;
		r->to_the_end = next == 0 && !r->enough && !r->one;
		if (next == 0 || r->enough || r->one)
			return 0;
	}
}

int
audit_read_run(struct session *s, struct audit_read *r)
{
	struct sha256 h;
	struct err e = { 0 };
	const struct relto_identity *me = relto_session(s->connection);
	const struct relto_checkpoint *head = relto_log_head(s->connection);
	r->session = s;
	r->hub = strcmp(me->party, me->hub_party) == 0;
	r->whole = r->from == 0 && !r->one;
	r->own_head = SLOT_ABSENT;
	if (head != NULL) { /* later calls may give another one */
		r->head_size = head->size;
		memcpy(r->head_root, head->root, sizeof(r->head_root));
	}
	if (!sha256_init(&h, &e))
		return out_error(&e);
	r->h = &h;
	int status = read_all(r);
	sha256_done(&h);
	return status != 0 || !r->bad ? status : err_exit(ERR_PROTOCOL);
}

void
audit_read_say(const struct audit_read *r, uint64_t picked)
{
	(void)fprintf(stderr, "%" PRIu64 " of %" PRIu64 " record%s", picked, r->seen,
	    r->seen == 1 ? "" : "s");
	if (r->whole && r->proved != 0)
		(void)fprintf(
		    stderr, "; those before %" PRIu64 " give the signed head\n", r->proved);
	else if (r->whole && !r->hub && r->own_head != SLOT_ABSENT)
		(void)fprintf(stderr,
		    "; %" PRIu64 " of your party's give the head in record %" PRIu64
		    ", which is the broker's word\n",
		    r->own, r->own_head);
	else
		(void)fputs(
		    "; the broker's word: relto audit pull, then relto-verify, prove it\n", stderr);
}
