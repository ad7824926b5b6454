#include "client/cli/audit_receipt.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "client/cli/audit_record.h"
#include "client/cli/disk.h"

enum { RETRY_LEAST_MS = 100, RETRY_MOST_MS = 60000 };

struct work {
	const struct audit_receipt *want;
	struct session *session;
	bool folder;	     /* 'out' is one */
	uint64_t seen, size; /* size: of the last one's tree */
	struct bytes first;  /* of --out FILE */
	struct err failed;
};

static bool
is_folder(const char *path)
{
	struct stat st;
	size_t n = strlen(path);
	return (n > 0 && path[n - 1] == '/') || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

/* FOLDER/ID.INDEX.TYPE.tlog-proof; one of an earlier time is replaced, under a newer head. */
static const char *
name_of(struct work *w, const struct relto_proof *r)
{
	const char *out = w->want->out;
	size_t n = strlen(out);
	return arena_printf(&w->session->scratch, "%s%s%s.%" PRIu64 ".%s.tlog-proof", out,
	    n > 0 && out[n - 1] == '/' ? "" : "/", w->want->id, r->index, r->type);
}

static bool
keep(struct work *w, const struct relto_proof *r, const char **name)
{
	struct bytes file = bytes_from(r->file.data, r->file.len);
	*name = NULL;
	if (w->want->out == NULL)
		return true;
	if (!w->folder) /* whether it is the only one is known at the end */
		return w->seen > 0 || arena_copy(&w->session->arena, file, &w->first, &w->failed);
	*name = name_of(w, r);
	if (*name == NULL)
		return err_set(&w->failed, ERR_NOMEM, "receipt");
	return disk_write(*name, 0600, file, &w->failed);
}

static bool
show(struct work *w, const struct relto_proof *r, const char *name)
{
	struct out_json j = { .to = stdout };
	struct bytes opening = bytes_from(r->opening.data, r->opening.len);
	if (!w->want->json)
		return audit_record_line(r->index, opening, &w->failed);
	if (!audit_record_json(&j, r->index, opening, &w->failed))
		return false;
	out_json_uint(&j, "size", r->size);
	if (name != NULL)
		out_json_text(&j, "file", name);
	else
		out_json_bytes(&j, "proof", bytes_from(r->file.data, r->file.len));
	out_json_end(&j, '}');
	out_json_line(&j);
	return true;
}

static bool
each(void *arg, const struct relto_proof *r)
{
	struct work *w = arg;
	const char *name;
	session_next(w->session);
	if (w->want->type != NULL && strcmp(w->want->type, r->type) != 0)
		return true;
	if (!keep(w, r, &name) || !show(w, r, name))
		return false;
	w->seen++;
	w->size = r->size;
	return true;
}

bool
audit_receipt_wait(struct session *s, struct relto_error *e, uint64_t *left_ms)
{
	uint64_t ms = e->retry_ms < RETRY_LEAST_MS  ? RETRY_LEAST_MS
		      : e->retry_ms > RETRY_MOST_MS ? RETRY_MOST_MS
						    : e->retry_ms;
	if (strcmp(e->code, err_token(ERR_NOT_PUBLISHED)) != 0 || *left_ms == 0)
		return false;
	ms = ms < *left_ms ? ms : *left_ms;
	*left_ms -= ms;
	const struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	(void)nanosleep(&t, NULL);
	return relto_ping(s->connection, e); /* what came meanwhile is taken */
}

static int
refused(const struct relto_error *e)
{
	int status = session_error(e);
	if (strcmp(e->code, err_token(ERR_NOT_PUBLISHED)) == 0)
		(void)fprintf(stderr,
		    "relto: try again in %" PRIu32 " s, or wait for it with --wait\n",
		    (e->retry_ms + 999) / 1000);
	return status;
}

static int
finish(struct work *w)
{
	const struct audit_receipt *want = w->want;
	if (w->seen == 0) {
		out_cleanf(stderr, "relto: there is no receipt of type '%s'", want->type);
		(void)fputc('\n', stderr);
		return err_exit(ERR_NOT_FOUND);
	}
	if (want->out != NULL && !w->folder && w->seen > 1) {
		(void)fprintf(stderr,
		    "relto: %" PRIu64 " receipts do not go into one file: --out FOLDER/, or --type "
		    "(such as delivery)\n",
		    w->seen);
		return err_exit(ERR_USAGE);
	}
	if (want->out != NULL && !w->folder && !disk_write(want->out, 0600, w->first, &w->failed))
		return out_error(&w->failed);
	if (!want->json)
		(void)fprintf(stderr,
		    "%" PRIu64 " receipt%s verified, in the tree of %" PRIu64 " records%s%s\n",
		    w->seen, w->seen == 1 ? "" : "s", w->size,
		    want->out == NULL ? "; keep them with --out" : ", in ",
		    want->out == NULL ? "" : want->out);
	return 0;
}

int
audit_receipt_run(struct session *s, const struct audit_receipt *want)
{
	struct relto_error e = { 0 };
	uint8_t id[RELTO_ID_BYTES];
	struct work w = { .want = want, .session = s };
	struct relto_prover to = { each, &w };
	uint64_t left_ms = want->wait_ms;
	if (!relto_id_parse(want->id, id)) {
		(void)err_set(&w.failed, ERR_USAGE, "'%s' is no report id", want->id);
		return out_error(&w.failed);
	}
	w.folder = want->out != NULL && is_folder(want->out);
	if (w.folder && !disk_folder(want->out, &w.failed))
		return out_error(&w.failed);
	while (!relto_receipts(s->connection, id, &to, &e))
		if (!audit_receipt_wait(s, &e, &left_ms))
			return refused(&e);
	return w.failed.code != ERR_NONE ? out_error(&w.failed) : finish(&w);
}
