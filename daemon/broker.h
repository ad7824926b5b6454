/*
 * broker.h - reltod as one object: store, committer, workers, listener, and the rules they share.
 * main.c makes it, runs main's loop, and ends it.
 * Threads: main.
 */
#pragma once
#include "audit/note.h"
#include "daemon/committer.h"
#include "daemon/config.h"
#include "daemon/listener.h"
#include "daemon/load.h"
#include "daemon/shell.h"

struct event;
struct broker {
	struct config *config;
	struct shell shell;
	struct ledger *ledger;
	struct committer *committer;
	struct evp_pkey_st *log_key;
	struct note_key log_public;
	struct ruleset *rules; /* in force */
	struct io_limits limits;
	struct worker **workers;
	unsigned worker_count;
	struct listener *listener;
	struct event_base *base;
	struct event *mail_event, *hup_event, *term_event, *int_event, *tick_event;
	bool reloading, reload_again;
	bool has_rules;		    /* the first were recorded and given to the workers.. */
	enum err_code rules_failed; /* ..or why they were not */
	bool stopping;
	const char *cause;
	uint8_t boot_id[16];
};

/* Everything up to, but not including, the first accept. */
MUST_USE bool broker_open(struct broker *b, bool verify_all, struct err *e);
/* Accepts until SIGTERM or SIGINT. */
MUST_USE bool broker_run(struct broker *b, struct err *e);
void broker_close(struct broker *b);
/* Loads policy and trust anew and sends them on their way; all or nothing. */
void broker_reload(struct broker *b, struct job *asked);
/* Something arrived in main's mailbox. */
void broker_mail(struct broker *b);
