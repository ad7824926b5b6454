/*
 * relto-verify - the auditor's offline verifier: a bundle, a trusted key, nothing else.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/verify_files.h"
#include "audit/verify_filter.h"
#include "audit/verify_options.h"
#include "audit/verify_say.h"
#include "audit/verify_state.h"
#include "audit/view.h"
#include "proto/arena.h"
#include "proto/dry.h"

/* One run.  It begins with the directory: what verify_files_read expects. */
struct run {
	struct verify_dir dir;
	struct sha256 h;
	struct arena arena;
	struct verify_options options;
	struct note_key log, witnesses[CHECKPOINT_WITNESSES_MAX];
	struct note_seen seen[CHECKPOINT_WITNESSES_MAX];
	struct checkpoint_trust trust;
	struct verify_state state;
	struct verify_filter filter;
	const struct verify_evidence *evidence;
	size_t evidence_count;
	FILE *page; /* the records to be shown, until the root is proved */
	uint64_t shown;
	struct verify_told told;
	struct verify_result result;
	const char *fork;
};

/* Each key once: one witness is not a quorum of two. */
static bool
take_witnesses(struct run *r, struct err *e)
{
	const struct verify_options *o = &r->options;
	for (size_t i = 0; i < o->witness_count; i++) {
		struct note_key *w = &r->witnesses[i];
		if (!verify_files_key(&r->h, o->witnesses[i], NOTE_COSIGNATURE, w, e))
			return false;
		for (size_t k = 0; k < i; k++)
			if (memcmp(r->witnesses[k].public, w->public, sizeof(w->public)) == 0)
				return err_set(e, ERR_USAGE, "the witness '%s' is given twice",
				    o->witnesses[i]);
		if (memcmp(r->log.public, w->public, sizeof(w->public)) == 0)
			return err_set(e, ERR_USAGE, "the witness '%s' has the log's own key",
			    o->witnesses[i]);
	}
	r->trust = (struct checkpoint_trust){ &r->log, r->witnesses, o->witness_count, o->quorum,
		r->seen };
	return true;
}

static bool
prepare(struct run *r, struct err *e)
{
	struct verify_options *o = &r->options;
	if (o->command == COMMAND_SHOW &&
	    !verify_filter_parse(&r->filter, o->words, o->word_count, e))
		return false;
	if (!sha256_init(&r->h, e) || !verify_files_open(o->bundle, &r->dir, e) ||
	    !verify_files_key(&r->h, o->key, NOTE_ED25519, &r->log, e) || !take_witnesses(r, e))
		return false;
	r->page = o->command == COMMAND_VERIFY ? NULL : tmpfile();
	if (r->page == NULL && o->command != COMMAND_VERIFY)
		return err_set(e, ERR_IO, "a temporary file");
	if (o->evidence != NULL &&
	    !verify_files_evidence(&r->arena, o->evidence, &r->evidence, &r->evidence_count, e))
		return false;
	return o->state == NULL || verify_state_load(&r->arena, o->state, &r->log, &r->state, e);
}

static void
on_finding(void *ctx, const struct verify_finding *f)
{
	struct run *r = ctx;
	verify_say_finding(&r->told, f);
}

/* In a party's own bundle slot 2 of what stops a delivery is closed: then slot 8 is the party's. */
static bool
is_of(const struct verify_record *v, struct bytes party)
{
	uint64_t place;
	const struct record *r = v->record;
	return view_place(r, party, &place) != VIEW_NOWHERE ||
	       (RECORD_SLOT(r, 8)->open && !RECORD_SLOT(r, 2)->open);
}

static void
on_record(void *ctx, const struct verify_record *record)
{
	struct run *r = ctx;
	const struct verify_options *o = &r->options;
	struct bytes party = bytes_of(o->party == NULL ? "" : o->party);
	if (o->command == COMMAND_VERIFY ||
	    (o->command == COMMAND_SHOW && !verify_filter_picks(&r->filter, record)) ||
	    (o->command == COMMAND_PARTY && !is_of(record, party)))
		return;
	if (r->shown++ == 0 && o->form == PRINT_CSV)
		verify_print_csv_head(r->page);
	verify_print_record(r->page, o->form, record);
}

/* The head just verified becomes the kept one, or the fork's evidence is saved. */
static bool
keep_heads(struct run *r, struct err *e)
{
	struct bytes note;
	const struct verify_result *v = &r->result;
	if (r->options.state == NULL || !v->signed_by_log)
		return true;
	if (!verify_files_read(r, "checkpoint", &r->arena, &note, e))
		return false;
	if (v->findings[VERIFY_CONSISTENCY] != 0 && r->state.head.size != 0) {
		const struct bytes notes[2] = { r->state.note, note };
		return verify_state_fork(&r->arena, r->options.state, &r->log, notes, &r->fork, e);
	}
	return v->code != VERIFY_OK || verify_state_keep(r->options.state, &r->state, v, note, e);
}

/* Records are printed only once the leaf hashes gave the signed root. */
static bool
show_page(struct run *r, struct err *e)
{
	char buffer[65536];
	size_t n;
	const struct verify_result *v = &r->result;
	if (r->page == NULL || !v->walked || v->findings[VERIFY_INCLUSION] != 0)
		return true;
	rewind(r->page);
	while ((n = fread(buffer, 1, sizeof(buffer), r->page)) > 0)
		if (fwrite(buffer, 1, n, stdout) != n)
			return err_set(e, ERR_IO, "standard output");
	return !ferror(r->page) || err_set(e, ERR_IO, "a temporary file");
}

/* A name that the log does not have is more likely mistyped than a party of which nothing is
 * recorded. */
static bool
check_party(const struct run *r, struct err *e)
{
	char names[512] = "";
	const struct verify_result *v = &r->result;
	if (r->options.command != COMMAND_PARTY || !v->signed_by_log)
		return true;
	if (!v->hub && strcmp(v->party, r->options.party) != 0)
		return err_set(e, ERR_USAGE, "the bundle is of %s alone", v->party);
	if (!v->hub || v->from != 0 || !v->walked || verify_say_party_of(v, r->options.party))
		return true;
	for (size_t i = 0; i < v->party_count; i++) {
		size_t n = strlen(names);
		(void)snprintf(names + n, sizeof(names) - n, "%s%.*s", i == 0 ? "" : ", ",
		    (int)v->parties[i].name.len, (const char *)v->parties[i].name.data);
	}
	return err_set(e, ERR_USAGE, "there is no party '%s' in this log; there are %s",
	    r->options.party, names[0] == '\0' ? "none" : names);
}

static void
say(const struct run *r)
{
	struct verify_say s = { &r->result, &r->told, &r->trust, r->fork, r->state.head.size,
		r->evidence_count };
	bool json = r->options.form == PRINT_JSON;
	bool verify = r->options.command == COMMAND_VERIFY;
	if (!verify || !json)
		verify_say_findings(stderr, &s);
	if (r->options.command == COMMAND_PARTY)
		verify_say_party(stderr, &s, r->options.party);
	if (verify && json)
		verify_say_json(stdout, &s);
	else if (verify)
		verify_say_text(stdout, &s);
}

static bool
run(struct run *r, struct err *e)
{
	const struct verify_options *o = &r->options;
	if (!prepare(r, e))
		return false;
	struct verify_ask ask = { .read = verify_files_read,
		.on_record = on_record,
		.on_finding = on_finding,
		.ctx = r,
		.trust = &r->trust,
		.now_s = (uint64_t)time(NULL),
		.max_age_s = o->max_age_s,
		.kept_size = r->state.head.size,
		.kept = r->state.parties,
		.kept_count = r->state.party_count,
		.evidence = r->evidence,
		.evidence_count = r->evidence_count,
		.party = bytes_of(o->party == NULL ? "" : o->party),
		.or_hub = o->command == COMMAND_PARTY,
		.from = o->from,
		.strict = o->strict };
	memcpy(ask.kept_root, r->state.head.root, 32);
	if (!verify_bundle(&r->h, &r->arena, &ask, &r->result, e) || !check_party(r, e) ||
	    dry_ran() || !keep_heads(r, e) || !show_page(r, e))
		return false;
	say(r);
	if (fflush(stdout) != 0)
		return err_set(e, ERR_IO, "standard output");
	return true;
}

/* What could not be done, by the exit codes of the verifier. */
static int
exit_of(const struct err *e)
{
	return e->code == ERR_NOMEM	      ? VERIFY_NO_MEMORY
	       : e->code == ERR_BAD_SIGNATURE ? VERIFY_SIGNATURE
	       : e->code == ERR_USAGE || e->code == ERR_NOT_FOUND || e->code == ERR_DATA
		   ? VERIFY_USAGE
		   : VERIFY_MALFORMED;
}

static int
tell(const char *what, struct bytes text, const char *behind)
{
	(void)fputs(what, stderr);
	verify_print_plain(stderr, text);
	(void)fprintf(stderr, "\n%s", behind);
	return VERIFY_USAGE;
}

static int
run_all(struct run *r, char **argv)
{
	struct err e = { 0 };
	if (!verify_options_parse(argv, &r->options, &e))
		return tell("relto-verify: ", bytes_of(e.text), verify_usage);
	if (r->options.help || r->options.version) {
		const char *text =
		    r->options.help ? verify_usage : "relto-verify " RELTO_VERSION "\n";
		return fputs(text, stdout) < 0 || fflush(stdout) != 0;
	}
	if (run(r, &e))
		return (int)r->result.code;
	if (dry_ran() ||
	    e.code == ERR_NOMEM) /* what there was no memory to read is no fault of the bundle */
		(void)err_set(&e, ERR_NOMEM, "out of memory: nothing was concluded");
	(void)tell("relto-verify: ", bytes_of(e.text), "");
	return exit_of(&e);
}

int
main(int argc, char **argv)
{
	struct run *r = dry_watch() ? calloc(1, sizeof(*r)) : NULL;
	if (r == NULL) {
		(void)fputs("relto-verify: out of memory: nothing was concluded\n", stderr);
		return VERIFY_NO_MEMORY;
	}
	r->dir.fd = -1;
	arena_init(&r->arena, (size_t)1 << 40);
	int code = run_all(r, argc < 1 ? argv : argv + 1);
	if (r->page != NULL)
		(void)fclose(r->page);
	arena_done(&r->arena);
	sha256_done(&r->h);
	verify_files_close(&r->dir);
	free(r);
	return code;
}
