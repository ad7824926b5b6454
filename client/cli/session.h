/*
 * session.h - what every command that talks to the broker begins with: the context, the connection,
 * the vocabularies for markings, errors as people read them.
 * Threads: one.
 */
#pragma once
#include "client/cli/context.h"
#include "client/cli/out.h"
#include "client/relto.h"
#include "policy/vocab.h"

struct session {
	struct context *context;
	struct relto_context *library;
	struct relto_connection *connection;
	struct arena arena; /* of the command */
	const struct vocab *vocabs[64];
	size_t vocab_count;
	struct text_errors said;
	bool unverified; /* set before session_open: show what is not pinned too */
};

/* Loads the context and connects.  On failure says why and returns the exit status; 0: connected.
 */
int session_open(struct session *s, const struct context_flags *flags);
/* The shipped vocabularies and those in HOME/vocab (*.spif.xml), for reading and printing labels.
 */
MUST_USE bool session_vocabs(struct session *s, struct err *e);
void session_close(struct session *s);

/* "relto: TEXT", field, nearest and detail on stderr; the exit status of the code. */
int session_error(const struct relto_error *e);
/* The error as a JSON object. */
void session_error_json(struct out_json *j, const char *key, const struct relto_error *e);
/* A label's marking, or its parts where its vocabulary is not known here; never NULL. */
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
