/*
 * notice_arg.h - what a report says of an earlier one, as a command line has it: relto pub
 * --supersedes, --about and --code, relto recall --code.
 * Threads: one.
 */
#pragma once
#include "client/cli/session.h"

/* 0, or the exit status of a code that the act does not have, said with those that it has. */
int notice_arg_code(const char *usage, enum relto_act act, const char *code);
/* The report that --supersedes or --about names.  False: the id is none, or another was named. */
MUST_USE bool notice_arg_set(struct relto_notice *n, enum relto_act act, const char *id);
/* Of both options and --code together: 0, or the exit status of a wrong call, said. */
int notice_arg_check(const char *usage, const struct relto_notice *n);
/* What a recipient says: one of 'codes'.  False: they are listed. */
MUST_USE bool notice_arg_said(const char *usage, const char *(*codes)(size_t), const char *said);
/* Each of these says nothing without a notice (act 0). */
void notice_arg_json(struct out_json *j, const struct relto_notice *n);
/* Before it is published: what it would do to the earlier one, for whom. */
void notice_arg_preview(FILE *to, const struct relto_notice *n, const struct relto_explanation *x);
/* After it was. */
void notice_arg_done(FILE *to, const struct relto_notice *n, const struct relto_receipt *r);
/* What to do about a refusal that is the notice's. */
void notice_arg_refused(const struct relto_notice *n, bool exercise, const struct relto_error *e);
