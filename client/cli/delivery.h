/*
 * delivery.h - a report that was received, as people and programs read it.
 * Threads: one.
 */
#pragma once
#include "client/cli/session.h"

enum { DELIVERY_FILE = 64, DELIVERY_NAME = 240, DELIVERY_DIGEST = 65 };

/* Whether it may be: librelto gives nothing of what may not. */
static inline bool
delivery_is_shown(const struct relto_delivery *d)
{
	return d->manifest.len > 0;
}

/* For people, on stdout: whose signature, under which agreements, each portion with its marking.
 * Nothing of it can steer a terminal.  False: not all content is there; what is missing is said.
 */
bool delivery_show(struct session *s, const struct relto_delivery *d);
/* The markings of a portion, in one line without its end. */
void delivery_markings(FILE *to, struct session *s, const struct relto_portion *p);
/* One line of JSON.  With 'files' a portion names the file of its content (delivery_file); without,
 * the content stands in the line itself: text as "content", all else as "content_base64". */
void delivery_json(FILE *to, struct session *s, const struct relto_delivery *d, bool files);
/* "recall", "supersede", "about", or "" without a notice. */
const char *delivery_act(const struct relto_delivery *d);
/* SHA-256 of the manifest, in hex: which report it is, whoever says so. */
void delivery_digest(const struct relto_delivery *d, char to[DELIVERY_DIGEST]);
/* The name under which a portion's content is saved. */
void delivery_file(size_t portion, char to[DELIVERY_FILE]);
/*
 * Saves it as FOLDER/PARTY.ID/ (FOLDER/EXERCISE.PARTY.ID/): the content of each portion,
 * what shows that it was released so, and report.json, which says of each what it is and how it is
 * marked.  The folder appears whole, and
 * only when the disk has it; one that has the same manifest already (a redelivery) is left as it
 * is, and beside any other a number is added to the name.  False: errno says why, and the folder is
 * not there.
 */
struct delivery_place {
	char name[DELIVERY_NAME]; /* in FOLDER */
	bool beside;		  /* something else has the name that it should have */
};
MUST_USE bool delivery_save(struct session *s, const struct relto_delivery *d, const char *folder,
    struct delivery_place *at);
/*
 * If it recalls or supersedes a report of its own party that is saved under FOLDER, a file in that
 * report's folder says so: by which report, and why; nothing else there changes.  at->name: the
 * folder; empty: there is none.  False: errno says why it could not be marked.
 */
MUST_USE bool delivery_mark(
    const struct relto_delivery *d, const char *folder, struct delivery_place *at);
/* "recalled.json" or "superseded.json". */
const char *delivery_mark_file(const struct relto_delivery *d);
