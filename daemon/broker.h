/*
 * broker.h - reltod as one object: store, committer, workers, listener, and the rules they share.
 * main.c makes it, runs main's loop, and ends it.
 * Threads: main.
 */
#pragma once
#include "audit/note.h"
#include "daemon/committer.h"
#include "daemon/config.h"
#include "daemon/folders.h"
#include "daemon/listener.h"
#include "daemon/load.h"
#include "daemon/notary.h"
#include "daemon/service.h"
#include "daemon/shell.h"

struct event;
struct expiry;
struct health;
struct observe;
struct broker {
	struct config *config;
	struct shell shell;
	struct ledger *ledger;
	struct committer *committer;
	struct evp_pkey_st *log_key; /* NULL: relto-signer has it */
	struct notary *notary;	     /* then */
	struct mailbox *signed_;
	struct note_key log_public, log_then; /* the second while it follows the first */
	struct ruleset *rules;		      /* in force */
	struct ruleset *coming;		      /* not recorded yet; NULL: none */
	struct io_limits limits;
	struct worker **workers;
	unsigned worker_count;
	struct listener *listener;
	struct event_base *base;
	struct event *mail_event, *hup_event, *term_event, *int_event;
	struct event *slow_event; /* a record of new rules that takes long: reload.c */
	struct service service;
	struct sandbox sandbox; /* what was reached */
	struct folders folders; /* that the first policy was read from */
	struct health *health;
	struct expiry *expiry;
	struct observe *observe;
	bool ready, reload_failed; /* partners are let in; the last reload was not taken */
	bool reloading, reload_again;
	bool expected;		    /* the workers were told of what is coming */
	bool has_rules;		    /* the first were recorded and given to the workers.. */
	enum err_code rules_failed; /* ..or why they were not */
	bool stopping;
	struct event *drain_event; /* looks whether the last session is gone (drain.h).. */
	uint64_t drain_until_ms;   /* ..and waits no longer */
	const char *cause;
	uint8_t boot_id[16];
};

/* Everything up to, but not including, the first accept. */
MUST_USE bool broker_open(struct broker *b, bool verify_all, struct err *e);
/* Accepts until SIGTERM or SIGINT; 'service' was opened before. */
MUST_USE bool broker_run(struct broker *b, struct err *e);
void broker_close(struct broker *b);
