#include "client/cli/session.h"

#include "client/cli/disk.h"
#include "client/cli/files.h"
#include "client/cli/vocab_files.h"
#include "client/generation.h"
#include "policy/label.h"
#include "policy/marking.h"
#include "policy/spif.h"
#include "proto/dry.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	SESSION_ARENA = 512 << 20,
	RECONNECT_MS = 30000,
	QUESTION_TRIES = 4,
	QUORUM_AGE_MOST_MS = 604800000
};

/* ---- errors ---- */

static void
line(const char *what, const char *text)
{
	if (text[0] == 0)
		return;
	(void)fprintf(stderr, "  %s: ", what);
	out_clean(stderr, bytes_of(text));
	(void)fputc('\n', stderr);
}

int
session_error(const struct relto_error *e)
{
	bool dry = dry_ever() && strcmp(e->code, err_token(ERR_NOMEM)) != 0; /* as in out_error */
	out_cleanf(stderr, "relto: %s%s: %s", dry ? "out of memory: " : "", e->code, e->text);
	(void)fputc('\n', stderr);
	line("field", e->field);
	line("nearest", e->nearest);
	line("detail", e->detail);
	if (dry)
		return err_exit(ERR_NOMEM);
	return e->exit_status == 0 ? 70 : e->exit_status;
}

bool
session_again(const struct relto_error *e, unsigned *tries)
{
	return !e->fatal && e->may_retry && ++*tries < QUESTION_TRIES;
}

void
session_error_json(struct out_json *j, const char *key, const struct relto_error *e)
{
	out_json_begin(j, key, '{');
	out_json_text(j, "code", e->code);
	out_json_text(j, "text", e->text);
	out_json_text(j, "field", e->field[0] == 0 ? NULL : e->field);
	out_json_text(j, "nearest", e->nearest[0] == 0 ? NULL : e->nearest);
	out_json_text(j, "detail", e->detail[0] == 0 ? NULL : e->detail);
	out_json_end(j, '}');
}

/* ---- opening ---- */

/* HOME/state for all contexts; librelto makes the folder of this one. */
static void
make_state(struct session *s)
{
	const char *end = strrchr(s->context->state, '/');
	char *parent = end == NULL ? NULL
				   : arena_printf(&s->arena, "%.*s", (int)(end - s->context->state),
					 s->context->state);
	struct err unsaid; /* what librelto says then tells more */
	if (parent != NULL && (mkdir(parent, 0700) == 0 || errno == EEXIST))
		(void)!disk_sync_name(parent, &unsaid);
}

static bool
misread(struct relto_error *e, const char *setting, const struct err *why)
{
	enum err_code code = why->code == ERR_NOMEM ? ERR_NOMEM : ERR_CONFIG;
	*e = (struct relto_error){ .exit_status = err_exit(code) };
	(void)snprintf(e->code, sizeof(e->code), "%s", err_token(code));
	(void)snprintf(e->text, sizeof(e->text), "%s: %.1000s", setting, why->text);
	return false;
}

/* The witnesses that the context demands, if it does. */
static bool
fill_quorum(struct session *s, struct relto_error *e)
{
	struct bytes text;
	struct err why = { 0 };
	uint64_t ms = 0;
	const char *age = s->context->quorum_age;
	if (s->context->quorum == NULL && age == NULL)
		return true;
	if (s->context->quorum == NULL) {
		(void)err_set(&why, ERR_CONFIG, "there is no quorum");
		return misread(e, "quorum-age", &why);
	}
	if (age != NULL &&
	    (!session_duration_parse(age, &ms) || ms < 1000 || ms > QUORUM_AGE_MOST_MS)) {
		(void)err_set(&why, ERR_CONFIG, "'%s' is no time of 1s to 7d", age);
		return misread(e, "quorum-age", &why);
	}
	if (!context_read_file(s->context->quorum, true, &s->arena, &text, &why))
		return misread(e, "quorum", &why);
	struct relto_bytes policy = { text.data, text.len };
	return relto_context_quorum(s->library, policy, (uint32_t)(ms / 1000), e);
}

static bool
fill(struct session *s, struct relto_error *e)
{
	const struct context *c = s->context;
	make_state(s);
	relto_context_show_unverified(s->library, s->unverified);
	relto_context_reconnect(s->library, s->reconnect ? RECONNECT_MS : 0);
	struct bytes key;
	struct err why = { 0 };
	if (!context_read_file(c->log_key, false, &s->arena, &key, &why))
		return misread(e, "log-key", &why);
	return relto_context_server(s->library, c->server, e) &&
	       relto_context_hub_file(s->library, c->hub_id, c->hub_ca, e) &&
	       relto_context_identity_files(s->library, c->certificate, c->key, e) &&
	       relto_context_log_key(s->library, (const char *)key.data, e) && fill_quorum(s, e) &&
	       relto_context_state_dir(s->library, c->state, e) &&
	       (c->trust == NULL || relto_context_trust_dir(s->library, c->trust, e));
}

bool
session_connect(struct session *s, const struct context_flags *flags, struct relto_error *e)
{
	struct err why = { 0 };
	arena_init(&s->arena, SESSION_ARENA);
	arena_init(&s->scratch, SESSION_ARENA);
	text_errors_init(&s->said);
	if (!context_load(flags, &s->context, &why) || !context_ready(s->context, &why)) {
		*e = (struct relto_error){ .exit_status = err_exit(why.code) };
		(void)snprintf(e->text, sizeof(e->text), "%s", why.text);
		return false;
	}
	s->library = relto_context_new(e);
	if (s->library == NULL || !fill(s, e))
		return false;
	s->connection =
	    s->as_shown ? generation_connect(s->library, e) : relto_connect(s->library, e);
	return s->connection != NULL;
}

int
session_open(struct session *s, const struct context_flags *flags)
{
	struct relto_error e = { 0 };
	if (session_connect(s, flags, &e))
		return 0;
	if (e.code[0] != 0)
		return session_error(&e);
	out_cleanf(stderr, "relto: %s", e.text); /* of the context, not of a broker */
	(void)fputc('\n', stderr);
	return dry_ever() ? err_exit(ERR_NOMEM) : e.exit_status;
}

void
session_close(struct session *s)
{
	relto_close(s->connection);
	relto_context_free(s->library);
	context_free(s->context);
	text_errors_done(&s->said);
	arena_done(&s->scratch);
	arena_done(&s->arena);
}

void
session_next(struct session *s)
{
	arena_reset(&s->scratch, SESSION_ARENA);
}

/* ---- vocabularies ---- */

static bool
add_vocab(struct session *s, const char *name, struct bytes spif, struct err *e)
{
	struct vocab *v = NULL;
	if (s->vocab_count == sizeof(s->vocabs) / sizeof(s->vocabs[0]))
		return err_set(e, ERR_LIMIT, "more than 64 vocabularies");
	if (!spif_load(&s->arena, bytes_of(name), spif, &s->said, &v))
		return text_errors_to_err(&s->said, ERR_DATA, e);
	s->vocabs[s->vocab_count++] = v;
	return true;
}

bool
session_vocabs(struct session *s, struct err *e)
{
	const char *home;
	for (size_t i = 0; i < VOCAB_FILES; i++)
		if (!add_vocab(s, vocab_files[i].name, vocab_files[i].data, e))
			return false;
	if (!context_home(&s->arena, &home, e))
		return false;
	const char *folder = arena_printf(&s->arena, "%s/vocab", home);
	DIR *d = folder == NULL ? NULL : opendir(folder);
	bool ok = true;
	for (struct dirent *f; d != NULL && ok && (f = readdir(d)) != NULL;) {
		size_t len = strlen(f->d_name);
		struct bytes spif;
		if (len < 9 || strcmp(f->d_name + len - 9, ".spif.xml") != 0)
			continue;
		const char *path = arena_printf(&s->arena, "%s/%s", folder, f->d_name);
		ok = path != NULL && files_read(path, &s->arena, &spif, e) &&
		     add_vocab(s, path, spif, e);
	}
	if (d != NULL)
		(void)closedir(d);
	return ok;
}

/* ---- labels ---- */

static bool
raw_of(struct session *s, const struct relto_label *l, struct raw_label *out)
{
	struct raw_category *c = arena_zalloc(&s->scratch, l->category_count + 1, sizeof(*c));
	if (c == NULL)
		return false;
	for (size_t i = 0; i < l->category_count; i++) {
		const struct relto_texts *t = &l->categories[i].values;
		struct bytes *v = arena_zalloc(&s->scratch, t->count + 1, sizeof(*v));
		if (v == NULL)
			return false;
		for (size_t k = 0; k < t->count; k++)
			v[k] = bytes_of(t->items[k]);
		c[i] = (struct raw_category){ bytes_of(l->categories[i].name), { v, t->count } };
	}
	*out = (struct raw_label){ bytes_of(l->vocabulary), bytes_of(l->classification), c,
		l->category_count };
	return true;
}

bool
session_label(struct session *s, const struct relto_label *l, struct label *out)
{
	struct raw_label raw;
	struct err e;
	if (!raw_of(s, l, &raw))
		return false;
	const struct vocab *v = vocab_find(s->vocabs, s->vocab_count, raw.vocabulary);
	return v != NULL && label_resolve(&s->scratch, v, &raw, out, &e);
}

const char *
session_marking(struct session *s, const struct relto_label *l)
{
	struct label label;
	struct bytes text;
	struct err e;
	if (session_label(s, l, &label) &&
	    marking_print(&s->scratch, &label, (struct bytes){ NULL, 0 }, &text, &e))
		return (const char *)text.data;
	const char *plain = arena_printf(
	    &s->scratch, "%s %s (vocabulary not known here)", l->vocabulary, l->classification);
	return plain == NULL ? "?" : plain;
}

void
session_texts_json(struct out_json *j, const char *key, const struct relto_texts *t)
{
	out_json_begin(j, key, '[');
	for (size_t i = 0; i < t->count; i++)
		out_json_text(j, NULL, t->items[i]);
	out_json_end(j, ']');
}

void
session_labels_json(struct out_json *j, const char *key, struct session *s,
    const struct relto_label *labels, size_t count)
{
	out_json_begin(j, key, '[');
	for (size_t i = 0; i < count; i++) {
		out_json_begin(j, NULL, '{');
		out_json_text(j, "vocabulary", labels[i].vocabulary);
		out_json_text(j, "classification", labels[i].classification);
		out_json_begin(j, "categories", '{');
		for (size_t k = 0; k < labels[i].category_count; k++)
			session_texts_json(
			    j, labels[i].categories[k].name, &labels[i].categories[k].values);
		out_json_end(j, '}');
		out_json_text(j, "marking", session_marking(s, &labels[i]));
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

/* ---- times ---- */

const char *
session_time(uint64_t ms, char to[32])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm t = { 0 };
	to[0] = 0;
	if (gmtime_r(&seconds, &t) != NULL)
		(void)strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &t);
	return to;
}

bool
session_time_parse(const char *text, uint64_t *ms)
{
	struct tm t = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &t);
	if (end == NULL || *end != 0)
		return false;
	time_t seconds = timegm(&t);
	if (seconds < 0)
		return false;
	*ms = (uint64_t)seconds * 1000;
	return true;
}

bool
session_duration_parse(const char *text, uint64_t *ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
		{ "d", 86400000 } };
	char *end = NULL;
	if (text[0] < '0' || text[0] > '9')
		return false;
	uint64_t n = strtoull(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0 && n <= UINT32_MAX) {
			*ms = n * units[i].ms;
			return true;
		}
	return false;
}

bool
session_colour(FILE *to)
{
	const char *no = getenv("NO_COLOR");
	return isatty(fileno(to)) == 1 && (no == NULL || no[0] == 0);
}
