#include "client/cli/context_accept.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/base64.h"
#include "audit/event.h"
#include "client/cli/session.h"
#include "client/generation.h"

enum { OFFER_BYTES = 16 << 20, RECOVERS = 128, LINE = 1024 };

/* A RECOVER of the log that is shown: its word. */
struct claim {
	struct bytes note;
	uint64_t restored;
	struct checkpoint head; /* of the log before; as its key signed it */
};

struct accepting {
	const struct context_accept *call;
	struct session session;
	struct generation_offer offer;
	struct claim claims[RECOVERS]; /* the largest head first */
	size_t claim_count;
	bool may_look; /* in the role audit */
	struct sha256 hash;
	struct merkle begin; /* of the RECOVER records, which are the first of the log */
	struct err failed;
};

/* ---- what the new log says of its beginning ---- */

/* 'signed' by the key that is believed, or it says nothing. */
static bool
read_claim(struct accepting *c, const struct body *b, struct err *e)
{
	struct claim *to = &c->claims[c->claim_count];
	struct bytes note = event_body_get(b, BODY_RECOVER_HEAD);
	const struct checkpoint_trust trust = { .log = &c->offer.believed };
	struct err why = { 0 };
	if (!arena_copy(&c->offer.arena, note, &to->note, e))
		return false;
	to->restored = event_body_number(b, BODY_RECOVER_SIZE);
	if (checkpoint_open(&c->offer.arena, to->note, &trust, &to->head, &why) &&
	    to->restored <= to->head.size) {
		const struct claim now = *to;
		if (now.head.size > c->claims[0].head.size) { /* whatever order the log has */
			*to = c->claims[0];
			c->claims[0] = now;
		}
		c->claim_count++;
	}
	return why.code != ERR_NOMEM || err_set(e, ERR_NOMEM, "what the log says");
}

/* They are all at the beginning. */
static bool
on_record(void *arg, const struct relto_record *in)
{
	struct accepting *c = arg;
	uint8_t leaf[32];
	struct record r;
	enum event_type type;
	struct body b;
	struct err *e = &c->failed;
	if (!record_opening_parse(bytes_from(in->opening.data, in->opening.len), &r, e) ||
	    !record_check(&r, &type, e))
		return false;
	if (type != EVENT_RECOVER || !RECORD_SLOT(&r, 7)->open ||
	    in->index != c->begin.leaf_count || c->claim_count == RECOVERS)
		return false;
	return record_leaf(&c->hash, &r, leaf, e) &&
	       merkle_append(&c->hash, &c->begin, leaf, NULL, e) &&
	       event_body_parse(type, RECORD_SLOT(&r, 7)->value, &b, e) && read_claim(c, &b, e);
}

/* Every party may open them; a broker of an earlier build shows them to auditors of the hub. */
static bool
read_claims(struct accepting *c, struct relto_error *e)
{
	struct relto_lister to = { 0, RECOVERS, on_record, c };
	uint64_t next;
	struct relto_error no = { 0 };
	c->may_look = relto_audit_list(c->session.connection, &to, &next, &no);
	if (!c->may_look && strcmp(no.code, "role") != 0) {
		*e = no;
		return false;
	}
	return true;
}

/* What was read begins the log of which a head is shown; what is shown now counts. */
static int
prove_claims(struct accepting *c)
{
	struct err e = { 0 };
	struct relto_error no = { 0 };
	struct generation_begin begin = { bytes_of(c->offer.key.name), c->begin.leaf_count, { 0 } };
	if (begin.size == 0)
		return 0;
	if (!merkle_root(&c->hash, &c->begin, begin.root, &e))
		return out_error(&e);
	struct session *s = &c->session;
	relto_close(s->connection);
	s->connection = generation_connect_behind(s->library, &begin, &no);
	if (s->connection == NULL)
		return session_error(&no);
	return generation_offered(s->connection, &c->offer, &e) ? 0 : out_error(&e);
}

/* Two heads of one size that the same key signed. */
static const struct claim *
contradiction(const struct accepting *c)
{
	const struct checkpoint *known = &c->offer.known;
	for (size_t i = 0; c->offer.known_note.data != NULL && i < c->claim_count; i++)
		if (c->claims[i].head.size == known->size &&
		    memcmp(c->claims[i].head.root, known->root, sizeof(known->root)) != 0)
			return &c->claims[i];
	return NULL;
}

/* ---- saying it ---- */

static void
say_head(const char *what, const char *origin, const struct checkpoint *head)
{
	char root[45] = { 0 };
	base64_write(bytes_from(head->root, sizeof(head->root)), root);
	out_cleanf(stdout, "%-8s %s: %" PRIu64 " records, root %s", what, origin, head->size, root);
	(void)putchar('\n');
}

/* It is in the signed log; that the copy had what it says is the broker's word. */
static void
say_lost(const struct generation_offer *o, const struct claim *last)
{
	(void)printf("         restored were %" PRIu64 " records, %" PRIu64
		     " are lost: by its first records, which the head that is shown covers\n",
	    last->restored, last->head.size - last->restored);
	if (o->known_note.data != NULL && o->known.size <= last->restored)
		(void)printf("         of what is known here nothing is lost by that\n");
	else if (o->known_note.data != NULL)
		(void)printf("         of what is known here %" PRIu64 " records are lost\n",
		    o->known.size - last->restored);
}

static void
say_claims(const struct accepting *c)
{
	const struct generation_offer *o = &c->offer;
	for (size_t i = 0; i < c->claim_count; i++)
		say_head(i == 0 ? "says" : "", "the last head known to it", &c->claims[i].head);
	if (c->claim_count > 0)
		say_lost(o, &c->claims[0]);
	else
		(void)printf("says     %s\n",
		    c->may_look ? "nothing of the log that is known here"
				: "what it was restored from only to the role audit: "
				  "ask an auditor of your party");
	if (o->known_note.data != NULL && c->claim_count > 0 &&
	    o->known.size > c->claims[0].head.size)
		(void)printf("         it does not know the head that is known here: the "
			     "operator can restore once more, with it as --head\n");
}

static void
say_offer(const struct accepting *c, const char *vkey)
{
	const struct generation_offer *o = &c->offer;
	if (o->known_note.data == NULL)
		out_cleanf(stdout, "known    %s: no head", o->believed.name);
	if (o->known_note.data == NULL)
		(void)putchar('\n');
	else
		say_head("known", o->believed.name, &o->known);
	say_head("shown", o->key.name, &o->shown);
	out_cleanf(stdout, "key      %s", vkey);
	(void)putchar('\n');
	if (o->is_new)
		say_claims(c);
}

static void
json_head(struct out_json *j, const char *key, const char *origin, const struct checkpoint *head)
{
	out_json_begin(j, key, '{');
	out_json_text(j, "origin", origin);
	out_json_uint(j, "size", head->size);
	out_json_base64(j, "root", bytes_from(head->root, sizeof(head->root)));
	out_json_end(j, '}');
}

/* Who says nothing of the log before does not say that nothing of it is lost. */
static void
json_lost(struct out_json *j, const struct claim *last)
{
	if (last == NULL) {
		out_json_text(j, "restored", NULL);
		out_json_text(j, "lost", NULL);
		return;
	}
	out_json_uint(j, "restored", last->restored);
	out_json_uint(j, "lost", last->head.size - last->restored);
}

static void
json_offer(const struct accepting *c, const char *vkey, bool accepted)
{
	struct out_json j = { .to = stdout };
	const struct generation_offer *o = &c->offer;
	out_json_begin(&j, NULL, '{');
	json_head(&j, "known", o->believed.name, &o->known);
	json_head(&j, "shown", o->key.name, &o->shown);
	out_json_text(&j, "key", vkey);
	out_json_begin(&j, "recover", '[');
	for (size_t i = 0; i < c->claim_count; i++)
		json_head(&j, NULL, o->believed.name, &c->claims[i].head);
	out_json_end(&j, ']');
	json_lost(&j, c->claim_count == 0 ? NULL : &c->claims[0]);
	out_json_bool(&j, "accepted", accepted);
	out_json_end(&j, '}');
	out_json_line(&j);
}

/* ---- accepting ---- */

/* Typed by somebody who looked. */
static bool
asked(const struct accepting *c)
{
	char line[LINE] = "";
	(void)fflush(stdout);
	(void)fprintf(stderr,
	    "Did the operator say, by another way, that the log was restored, and under this key?\n"
	    "To accept it type the name of the log that is shown: ");
	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	line[strcspn(line, "\n")] = '\0';
	return strcmp(line, c->offer.key.name) == 0;
}

/* 0: it is meant. */
static int
meant(const struct accepting *c, const char *vkey)
{
	const char *log = c->call->log;
	if (log != NULL && strcmp(log, c->offer.key.name) != 0 && strcmp(log, vkey) != 0) {
		out_cleanf(
		    stderr, "relto: not '%s' is shown, but '%s': nothing was changed", log, vkey);
		(void)fputc('\n', stderr);
		return err_exit(ERR_USAGE);
	}
	if (log != NULL)
		return 0;
	if (isatty(STDIN_FILENO) != 1 || c->call->json) {
		out_cleanf(stderr,
		    "relto: nothing was changed; say which log: relto context accept-log %s", vkey);
		(void)fputc('\n', stderr);
		return err_exit(ERR_USAGE);
	}
	if (asked(c))
		return 0;
	(void)fprintf(stderr, "relto: nothing was changed\n");
	return 1;
}

static int
accept_or_not(struct accepting *c)
{
	struct err e = { 0 };
	char vkey[NOTE_VKEY_MAX];
	struct generation_offer *o = &c->offer;
	note_key_print(&o->key, vkey);
	if (!c->call->json)
		say_offer(c, vkey);
	const struct claim *no = contradiction(c);
	if (no != NULL || (o->is_new && !o->is_later)) {
		(void)inside_heads_forked(c->session.connection,
		    &(struct inside_fork){
			.kept = o->known_note, .shown = no == NULL ? o->shown_note : no->note },
		    no == NULL ? "an earlier generation is shown"
			       : "the new log comes from another one than is known here",
		    &e);
		return out_error(&e);
	}
	int status = o->is_new ? meant(c, vkey) : 0;
	if (status == 0 && o->is_new && !generation_accept(c->session.connection, o, &e))
		return out_error(&e);
	if (c->call->json)
		json_offer(c, vkey, status == 0);
	else if (status == 0)
		(void)printf("%s\n", o->is_new ? "accepted; what was kept of the one before stays"
					       : "it is believed here already");
	return status;
}

int
context_accept_run(const struct context_accept *call)
{
	struct accepting *c = calloc(1, sizeof(*c));
	struct relto_error no = { 0 };
	struct err e = { 0 };
	if (c == NULL)
		return out_error(&(struct err){ .code = ERR_NOMEM, .text = "out of memory" });
	c->call = call;
	c->session.as_shown = true;
	arena_init(&c->offer.arena, OFFER_BYTES);
	int status =
	    sha256_init(&c->hash, &e) ? session_open(&c->session, call->flags) : out_error(&e);
	if (status == 0 && !generation_offered(c->session.connection, &c->offer, &e))
		status = out_error(&e);
	if (status == 0 && c->offer.is_new && !read_claims(c, &no))
		status = session_error(&no);
	if (status == 0 && c->failed.code != 0)
		status = out_error(&c->failed);
	if (status == 0)
		status = prove_claims(c);
	if (status == 0)
		status = accept_or_not(c);
	session_close(&c->session);
	sha256_done(&c->hash);
	arena_done(&c->offer.arena);
	free(c);
	return out_end(status);
}
