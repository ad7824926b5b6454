/*
 * session.h - what every command that talks to the broker begins with: the context, the connection,
 * the vocabularies for markings, errors as people read them.
 * Threads: one.
 */
#pragma once
#include "client/cli/context.h"
#include "client/cli/out.h"
#include "client/relto.h"
#include "policy/label.h"

struct session {
	struct context *context;
	struct relto_context *library;
	struct relto_connection *connection;
	struct arena arena;   /* of the command */
	struct arena scratch; /* of what is being dealt with: session_next */
	const struct vocab *vocabs[64];
	size_t vocab_count;
	struct text_errors said;
	bool unverified; /* set before session_open: show what is not pinned too.. */
	bool reconnect;	 /* ..and go on after the connection was lost */
	bool as_shown;	 /* ..take the log as it is shown, to read it alone (generation.h) */
};

/* Loads the context and connects.  On failure says why and returns the exit status; 0: connected.
 */
int session_open(struct session *s, const struct context_flags *flags);
/* The same without a word; the code is "" where the context is at fault. */
MUST_USE bool session_connect(
    struct session *s, const struct context_flags *flags, struct relto_error *e);
/* The shipped vocabularies and those in HOME/vocab (*.spif.xml), for reading and printing labels.
 */
MUST_USE bool session_vocabs(struct session *s, struct err *e);
void session_close(struct session *s);
/* What was made of the last report (markings and the like) goes: a subscription runs for months. */
void session_next(struct session *s);

/* Whether a question that was lost with its connection is asked again: so often, and no more. */
MUST_USE bool session_again(const struct relto_error *e, unsigned *tries);
/* "relto: TEXT", field, nearest and detail on stderr; the exit status of the code. */
int session_error(const struct relto_error *e);
/* The error as a JSON object. */
void session_error_json(struct out_json *j, const char *key, const struct relto_error *e);
/* A label in its vocabulary, until session_next; false if that is not known here, or does not know
 * what is on it. */
MUST_USE bool session_label(struct session *s, const struct relto_label *l, struct label *out);
/* A label's marking, or its parts where its vocabulary is not known here; never NULL.  Until
 * session_next. */
const char *session_marking(struct session *s, const struct relto_label *l);
void session_labels_json(struct out_json *j, const char *key, struct session *s,
    const struct relto_label *labels, size_t count);
/* A list of texts as a JSON array. */
void session_texts_json(struct out_json *j, const char *key, const struct relto_texts *t);
/* RFC 3339 UTC of ms since 1970, in 'to'. */
const char *session_time(uint64_t ms, char to[32]);
/* RFC 3339 to ms; false if it is none. */
MUST_USE bool session_time_parse(const char *text, uint64_t *ms);
/* "30s", "5m" to ms; false if it is none. */
MUST_USE bool session_duration_parse(const char *text, uint64_t *ms);
/* Colour only on a terminal that did not decline. */
bool session_colour(FILE *to);
