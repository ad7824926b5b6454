#include "audit/verify_receipt.h"

#include <inttypes.h>
#include <stdlib.h>

#include "audit/receipt.h"
#include "audit/verify_files.h"
#include "proto/arena.h"
#include "proto/dry.h"

enum { PORTIONS_MAX = 256, AHEAD_S = 300 };

/* What was looked at, and how far. */
struct look {
	struct sha256 *h;
	struct arena *a;
	const struct verify_receipt *ask;
	struct receipt r;
	struct bytes heads[PORTIONS_MAX];
	size_t portions; /* of the saved report.. */
	size_t contents; /* ..whose content was hashed */
	size_t witnesses;
};

static bool
slurp(struct look *l, const char *path, struct bytes *out, struct err *e)
{
	if (!verify_files_slurp(path, l->a, out, e))
		return err_wrap(e, "'%s'", path);
	return out->data != NULL || err_set(e, ERR_NOT_FOUND, "'%s': no such file", path);
}

/* ---- the saved report ---- */

static bool
read_portion(
    struct verify_dir *d, struct look *l, const char *ending, struct bytes *out, struct err *e)
{
	char name[32];
	(void)snprintf(name, sizeof(name), "%02zu.%s", l->portions, ending);
	return verify_files_read(d, name, l->a, out, e) || err_wrap(e, "%s", name);
}

/* The content of a portion, against its head. */
static bool
check_content(struct verify_dir *d, struct look *l, struct bytes head, struct err *e)
{
	struct bytes front, body;
	if (!read_portion(d, l, "front", &front, e) || !read_portion(d, l, "body", &body, e))
		return false;
	if (front.data == NULL) /* saved by an older build */
		return true;
	if (body.data == NULL)
		return err_set(e, ERR_CORRUPT, "%02zu.body is missing", l->portions);
	l->contents++;
	return receipt_body_matches(l->h, head, front, body, e) ||
	       err_wrap(e, "%02zu.body", l->portions);
}

static bool
check_folder(struct verify_dir *d, struct look *l, struct err *e)
{
	struct receipt_report report = { .heads = l->heads };
	if (!verify_files_read(d, "manifest", l->a, &report.manifest, e))
		return err_wrap(e, "manifest");
	if (report.manifest.data == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no manifest in it: save it again");
	for (; l->portions < PORTIONS_MAX; l->portions++) {
		struct bytes *head = &l->heads[l->portions];
		if (!read_portion(d, l, "head", head, e))
			return false;
		if (head->data == NULL)
			break;
		if (!check_content(d, l, *head, e))
			return false;
	}
	report.count = l->portions;
	return receipt_matches(l->h, &l->r, &report, e);
}

static bool
check_report(struct look *l, struct err *e)
{
	struct verify_dir d;
	if (l->ask->report == NULL)
		return true;
	if (!verify_files_open(l->ask->report, &d, e))
		return false;
	bool ok = check_folder(&d, l, e);
	verify_files_close(&d);
	return ok || err_wrap(e, "the report in '%s'", l->ask->report);
}

/* ---- the receipt ---- */

/* Later than a witness's signature, or than now, by more than clocks differ. */
static bool
check_time(struct look *l, struct err *e)
{
	const struct checkpoint_trust *t = l->ask->trust;
	uint64_t time_s = l->r.common.time / 1000000;
	for (size_t i = 0; i < t->witness_count; i++) {
		if (!t->seen[i].verified)
			continue;
		l->witnesses++;
		if (time_s > t->seen[i].time + AHEAD_S)
			return err_set(e, ERR_CLOCK,
			    "the record is later than the signature of a witness of its tree");
	}
	return time_s <= l->ask->now_s + AHEAD_S ||
	       err_set(e, ERR_CLOCK, "the time of the record is in the future");
}

/* What does not hold, by its exit code; false: nothing could be concluded. */
static bool
code_of(const struct err *e, enum verify_code *code)
{
	switch ((int)e->code) {
	case ERR_MALFORMED:
		*code = VERIFY_MALFORMED;
		return true;
	case ERR_BAD_SIGNATURE:
		*code = VERIFY_SIGNATURE;
		return true;
	case ERR_UNVERIFIED:
		*code = VERIFY_INCLUSION;
		return true;
	case ERR_CORRUPT:
		*code = VERIFY_CONTENT;
		return true;
	case ERR_CLOCK:
		*code = VERIFY_TIME;
		return true;
	default:
		return false;
	}
}

/* ---- in words ---- */

static const char *
meaning(enum event_type type)
{
	switch ((int)type) {
	case EVENT_INTAKE:
		return "the hub accepted this report";
	case EVENT_DECISION:
	case EVENT_NARROWED:
	case EVENT_APPROVAL:
		return "the hub decided so, for this recipient and at this time";
	case EVENT_DELIVERY:
		return "what the digest names could leave for the recipient from then on; that it "
		       "arrived, only an ack says";
	case EVENT_ACK:
		return "the recipient acknowledged, or attested, what the record names";
	default:
		return "the hub recorded this event";
	}
}

static void
say_slots(const struct receipt *r, bool open)
{
	const char *sep = "";
	for (unsigned i = 1; i <= RECORD_SLOTS; i++)
		if (RECORD_SLOT(&r->record, i)->open == open) {
			(void)printf("%s%u", sep, i);
			sep = ", ";
		}
	(void)fputs(sep[0] == '\0' ? "none" : "", stdout);
}

static void
say_report(const struct look *l)
{
	if (l->ask->report == NULL)
		return;
	if (l->r.type == EVENT_INTAKE) {
		(void)puts("  the manifest in the folder is that of the record");
		return;
	}
	(void)printf("  the saved report is what the record releases: its manifest and %zu "
		     "portion%s\n",
	    l->portions, l->portions == 1 ? "" : "s");
	if (l->contents == l->portions)
		(void)puts("  each content is the one that its portion commits to");
}

static void
say_text(const struct look *l, const struct verify_record *v)
{
	const struct receipt *r = &l->r;
	char root[65];
	verify_print_hex(r->head.root, 32, root);
	verify_print_record(stdout, PRINT_TEXT, v);
	(void)puts("shown:");
	(void)printf("  %s\n", meaning(r->type));
	(void)fputs("  the key of ", stdout);
	verify_print_plain(stdout, r->head.origin);
	(void)printf(" signed a head of %" PRIu64 " records, root %s\n", r->head.size, root);
	if (l->witnesses > 0)
		(void)printf(
		    "  so did %zu witness%s\n", l->witnesses, l->witnesses == 1 ? "" : "es");
	(void)printf(
	    "  record %" PRIu64 " of them is this one, unchanged\n  of it are open: ", r->index);
	say_slots(r, true);
	(void)putchar('\n');
	say_report(l);
	(void)fputs("not shown:\n  what the closed slots say: ", stdout);
	say_slots(r, false);
	(void)puts("\n  whether others are shown the same log: compare checkpoints, or ask for "
		   "witnesses\n  what became of it later, and what was recorded of other reports");
	if (l->ask->report == NULL)
		(void)puts("  that a report which you have is the one meant: give its folder with "
			   "--report");
	else if (l->r.type != EVENT_INTAKE && l->contents < l->portions)
		(void)puts("  the contents: the folder was saved without NN.front");
}

static bool
say_json(const struct look *l, const struct verify_record *v, struct err *e)
{
	const struct receipt *r = &l->r;
	char root[65], *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "the record");
	verify_print_record(to, PRINT_JSON, v);
	bool ok = fclose(to) == 0 && len > 0;
	verify_print_hex(r->head.root, 32, root);
	if (ok) {
		(void)fputs("{\"exit\":0,\"origin\":", stdout);
		verify_print_json(stdout, r->head.origin);
		(void)printf(",\"size\":%" PRIu64 ",\"root\":\"%s\",\"witnesses\":%zu",
		    r->head.size, root, l->witnesses);
		if (l->ask->report != NULL)
			(void)printf(",\"report_portions\":%zu,\"contents_checked\":%zu",
			    l->portions, l->contents);
		(void)printf(",\"record\":%.*s}\n", (int)len - 1, text); /* without its LF */
	}
	free(text);
	return ok || err_set(e, ERR_NOMEM, "the record");
}

static bool
say(const struct look *l, struct err *e)
{
	const struct verify_record v = { l->r.index, l->r.type, &l->r.record, l->r.common,
		l->r.leaf };
	if (l->ask->form == PRINT_JSON)
		return say_json(l, &v, e);
	say_text(l, &v);
	return true;
}

bool
verify_receipt(struct sha256 *h, struct arena *a, const struct verify_receipt *ask,
    enum verify_code *code, struct err *e)
{
	struct look *l = arena_zalloc(a, 1, sizeof(*l));
	struct bytes file;
	if (l == NULL)
		return err_set(e, ERR_NOMEM, "receipt");
	l->h = h;
	l->a = a;
	l->ask = ask;
	if (!slurp(l, ask->file, &file, e))
		return false;
	*code = VERIFY_OK;
	bool good = receipt_open(h, a, file, ask->trust, &l->r, e) && check_report(l, e) &&
		    check_time(l, e);
	if (dry_ran()) /* what was bad for want of memory is not bad */
		return err_set(e, ERR_NOMEM, "receipt");
	if (good)
		return say(l, e);
	if (!code_of(e, code))
		return false;
	if (ask->form == PRINT_JSON) {
		(void)printf("{\"exit\":%d,\"finding\":", (int)*code);
		verify_print_json(stdout, bytes_of(e->text));
		(void)puts("}");
	}
	(void)fputs("relto-verify: ", stderr);
	verify_print_plain(stderr, bytes_of(e->text));
	(void)fputc('\n', stderr);
	return true;
}
