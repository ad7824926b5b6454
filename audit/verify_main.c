/*
 * relto-verify - the auditor's offline verifier: a bundle, a trusted key, nothing else.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/quorum.h"
#include "audit/verify_compare.h"
#include "audit/verify_files.h"
#include "audit/verify_filter.h"
#include "audit/verify_options.h"
#include "audit/verify_progress.h"
#include "audit/verify_receipt.h"
#include "audit/verify_say.h"
#include "audit/verify_state.h"
#include "audit/verify_tally_print.h"
#include "audit/verify_trace.h"
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
	struct quorum quorum;
	struct verify_state state;
	struct verify_filter filter;   /* of `show` and `stats`.. */
	struct verify_trace trace;     /* ..`trace`.. */
	struct tally tally;	       /* ..`gaps` and `stats`.. */
	struct verify_compare compare; /* ..and `compare` */
	const struct verify_evidence *evidence;
	size_t evidence_count;
	FILE *page; /* the records to be shown, until the root is proved */
	uint64_t shown;
	struct verify_told told;
	struct verify_progress progress;
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
	r->trust = (struct checkpoint_trust){ .log = &r->log,
		.witnesses = r->witnesses,
		.witness_count = o->witness_count,
		.quorum = o->quorum,
		.seen = r->seen };
	return true;
}

/* The witnesses of a policy file, which says itself which of them are enough. */
static bool
take_policy(struct run *r, struct err *e)
{
	const char *path = r->options.policy;
	struct bytes text = { NULL, 0 };
	if (path == NULL)
		return true;
	if (!verify_files_slurp(path, &r->arena, &text, e))
		return false;
	if (text.data == NULL)
		return err_set(e, ERR_USAGE, "--quorum needs a number or a file, not '%s'", path);
	if (!quorum_parse(&r->h, text, &r->quorum, e))
		return err_wrap(e, "--quorum %s", path);
	if (!quorum_knows(&r->quorum, &r->log))
		return err_set(
		    e, ERR_USAGE, "--quorum %s names other logs than that of --key", path);
	r->trust.witnesses = r->quorum.witnesses;
	r->trust.witness_count = r->quorum.witness_count;
	r->trust.rule = &r->quorum;
	return true;
}

/* The smaller head takes the place of one that was kept, the larger one that of the bundle. */
static bool
open_compared(struct run *r, struct err *e)
{
	struct verify_options *o = &r->options;
	const char *const paths[2] = { o->bundle, o->words[0] };
	if (!verify_compare_open(&r->arena, paths, &r->trust, &r->compare, e))
		return false;
	o->bundle = r->compare.paths[1];
	r->state.note = r->compare.notes[0];
	r->state.head = r->compare.heads[0];
	return !r->compare.whole || verify_files_open(o->bundle, &r->dir, e);
}

/* What the command itself needs before the walk. */
static bool
prepare_command(struct run *r, struct err *e)
{
	const struct verify_options *o = &r->options;
	tally_init(&r->tally, &r->arena, bytes_of(o->party == NULL ? "" : o->party));
	if (o->command == COMMAND_SHOW || o->command == COMMAND_STATS)
		return verify_filter_parse(&r->filter, o->words, o->word_count, e);
	return o->command != COMMAND_TRACE ||
	       verify_trace_begin(&r->trace, &r->arena, o->words[0], e);
}

/* Records are kept back in a file, until the root is proved. */
static bool
prints_records(const struct run *r)
{
	enum verify_command c = r->options.command;
	return c == COMMAND_SHOW || c == COMMAND_PARTY || c == COMMAND_TRACE;
}

static bool
prepare(struct run *r, struct err *e)
{
	struct verify_options *o = &r->options;
	bool compare = o->command == COMMAND_COMPARE;
	if (!prepare_command(r, e) || !sha256_init(&r->h, e) ||
	    (!compare && !verify_files_open(o->bundle, &r->dir, e)) ||
	    !verify_files_key(&r->h, o->key, NOTE_ED25519, &r->log, e) || !take_witnesses(r, e) ||
	    !take_policy(r, e) || (compare && !open_compared(r, e)))
		return false;
	r->page = prints_records(r) ? tmpfile() : NULL;
	if (r->page == NULL && prints_records(r))
		return err_set(e, errno == ENOMEM ? ERR_NOMEM : ERR_IO, "a temporary file");
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

/* Whether the command prints this record. */
static bool
picks(struct run *r, const struct verify_record *record)
{
	const struct verify_options *o = &r->options;
	return (o->command == COMMAND_SHOW && verify_filter_picks(&r->filter, record)) ||
	       (o->command == COMMAND_PARTY && is_of(record, bytes_of(o->party))) ||
	       (o->command == COMMAND_TRACE && verify_trace_picks(&r->trace, record));
}

static void
on_record(void *ctx, const struct verify_record *record)
{
	struct run *r = ctx;
	const struct verify_options *o = &r->options;
	if (o->command == COMMAND_GAPS ||
	    (o->command == COMMAND_STATS && verify_filter_picks(&r->filter, record)))
		tally_record(&r->tally, record);
	if (!picks(r, record))
		return;
	if (r->shown++ == 0 && o->form == PRINT_CSV)
		verify_print_csv_head(r->page);
	verify_print_record(r->page, o->form, record);
}

static void
on_progress(void *ctx, uint64_t index, uint64_t size)
{
	struct run *r = ctx;
	verify_progress_more(&r->progress, index, size);
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

static bool
show_stats(struct run *r, struct err *e)
{
	const struct verify_result *v = &r->result;
	bool json = r->options.form == PRINT_JSON;
	if (json) {
		(void)printf("{\"ok\":%s,\"exit\":%d,\"origin\":",
		    v->code == VERIFY_OK ? "true" : "false", (int)v->code);
		verify_print_json(stdout, bytes_of(v->origin));
		(void)printf(",\"size\":%" PRIu64 ",\"opened\":%" PRIu64 ",", v->size, v->opened);
	}
	if (!tally_print_stats(stdout, r->options.form, &r->tally))
		return err_set(e, ERR_NOMEM, "the figures");
	(void)fputs(json ? "}\n" : "", stdout);
	return true;
}

/* Nothing is printed before the leaf hashes gave the signed root. */
static bool
show_page(struct run *r, struct err *e)
{
	char buffer[65536];
	size_t n;
	const struct verify_result *v = &r->result;
	if (!v->walked || v->findings[VERIFY_INCLUSION] != 0)
		return true;
	if (r->options.command == COMMAND_GAPS)
		r->shown = tally_print_gaps(stdout, r->options.form, &r->tally);
	if (r->options.command == COMMAND_STATS && !show_stats(r, e))
		return false;
	if (r->page == NULL)
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

/* A report that the log does not have is more likely mistyped. */
static bool
check_report(const struct run *r, struct err *e)
{
	return r->options.command != COMMAND_TRACE || r->shown != 0 || !r->result.walked ||
	       r->result.from != 0 ||
	       err_set(e, ERR_USAGE, "nothing here speaks of the report '%s'", r->options.words[0]);
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
	if (r->options.command == COMMAND_GAPS)
		(void)fprintf(stderr, "%" PRIu64 " wait%s\n", r->shown, r->shown == 1 ? "s" : "");
	if (r->options.command == COMMAND_COMPARE)
		verify_say_compared(stdout, r->options.form, &s, &r->compare);
	if (verify && json)
		verify_say_json(stdout, &s);
	else if (verify)
		verify_say_text(stdout, &s);
}

/* Heads of one size need no tree. */
static void
compare_equals(struct run *r)
{
	const struct verify_compare *c = &r->compare;
	const struct verify_finding f = { VERIFY_CONSISTENCY, SLOT_ABSENT,
		"one size, and two roots: two heads of one log that cannot both be true" };
	if (c->fork) {
		r->result.code = VERIFY_CONSISTENCY;
		r->result.findings[VERIFY_CONSISTENCY] = 1;
		on_finding(r, &f);
	}
}

/* Both heads of a fork are kept beside the smaller one. */
static bool
keep_fork(struct run *r, struct err *e)
{
	char path[4096];
	const struct verify_compare *c = &r->compare;
	if (r->options.command != COMMAND_COMPARE || r->result.findings[VERIFY_CONSISTENCY] == 0)
		return true;
	size_t n = (size_t)snprintf(path, sizeof(path), "%s", c->paths[0]);
	for (; n > 1 && n < sizeof(path) && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	return verify_state_fork(&r->arena, path, &r->log, c->notes, &r->fork, e);
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
		.on_progress = on_progress,
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
		.any_view = o->command == COMMAND_COMPARE,
		.from = o->from,
		.strict = o->strict };
	memcpy(ask.kept_root, r->state.head.root, 32);
	verify_progress_begin(&r->progress, isatty(STDERR_FILENO) == 1);
	bool known = r->compare.same || r->compare.fork;
	bool ok = known || verify_bundle(&r->h, &r->arena, &ask, &r->result, e);
	verify_progress_end(&r->progress);
	if (!ok)
		return false;
	if (known)
		compare_equals(r);
	if (!check_party(r, e) || dry_ran() || r->trace.dry || r->tally.dry || !keep_heads(r, e) ||
	    !check_report(r, e) || !keep_fork(r, e) || !show_page(r, e))
		return false;
	say(r);
	if (fflush(stdout) != 0)
		return err_set(e, ERR_IO, "standard output");
	return true;
}

/* One record, and no bundle. */
static bool
run_receipt(struct run *r, struct err *e)
{
	const struct verify_options *o = &r->options;
	const struct verify_receipt ask = { o->bundle, o->report, o->form, &r->trust,
		(uint64_t)time(NULL) };
	if (!sha256_init(&r->h, e) || !verify_files_key(&r->h, o->key, NOTE_ED25519, &r->log, e) ||
	    !take_witnesses(r, e) || !verify_receipt(&r->h, &r->arena, &ask, &r->result.code, e))
		return false;
	return (!dry_ran() && fflush(stdout) == 0) || err_set(e, ERR_IO, "standard output");
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
	if (r->options.command == COMMAND_RECEIPT ? run_receipt(r, &e) : run(r, &e))
		return (int)r->result.code;
	if (dry_ran() || r->trace.dry || r->tally.dry ||
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
