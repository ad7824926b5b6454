/* relto doctor: would this context work, and what is to be done where it would not. */
#include "client/cli/cmd.h"
#include "client/cli/doctor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

const char cmd_doctor_usage[] = "doctor [--json]";

enum { ARENA_BYTES = 16 << 20, SOON_DAYS = 30 };
static const uint64_t day_ms = 86400u * 1000u;
static const char *const kinds[] = { "ok", "warn", "FAIL" };

static const struct option options[] = {
	{ "json", no_argument, NULL, 1 },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

void
doctor_say(struct doctor *d, enum finding_kind kind, const char *check, const char *help,
    const char *fmt, ...)
{
	char text[2048];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	const char *kept = arena_printf(d->arena, "%s", text);
	struct finding f = { kind, check, kept == NULL ? "out of memory" : kept, help };
	if (d->count < FINDINGS)
		d->items[d->count++] = f;
	else
		d->items[FINDINGS - 1] =
		    (struct finding){ FINDING_FAIL, "doctor", "there is more than can be listed",
			    "correct what is listed, and ask again" };
}

void
doctor_until(struct doctor *d, const char *check, const char *what, uint64_t ms, const char *help)
{
	char when[32];
	const char *text = session_time(ms, when);
	if (ms <= d->now_ms)
		doctor_say(d, FINDING_FAIL, check, help, "%s until %s: it has ended", what, text);
	else if (ms - d->now_ms < SOON_DAYS * day_ms)
		doctor_say(d, FINDING_WARN, check, help, "%s until %s, %" PRIu64 " days from now",
		    what, text, (ms - d->now_ms) / day_ms);
	else
		doctor_say(d, FINDING_OK, check, NULL, "%s until %s", what, text);
}

/* Dates of certificates and agreements are judged by this clock. */
static void
check_clock(struct doctor *d)
{
	struct timex t = { 0 };
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	d->now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	bool adrift = adjtimex(&t) == TIME_ERROR || (t.status & STA_UNSYNC) != 0;
	char text[32];
	doctor_say(d, adrift ? FINDING_WARN : FINDING_OK, "clock",
	    adrift ? "set up NTP, and compare the time" : NULL, "%s%s",
	    session_time(d->now_ms, text), adrift ? ", and nothing keeps it right" : "");
}

static void
print_json(const struct doctor *d)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "context", d->context == NULL ? NULL : d->context->name);
	out_json_begin(&j, "findings", '[');
	for (size_t i = 0; i < d->count; i++) {
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "kind",
		    d->items[i].kind == FINDING_FAIL ? "fail" : kinds[d->items[i].kind]);
		out_json_text(&j, "check", d->items[i].check);
		out_json_text(&j, "text", d->items[i].text);
		out_json_text(&j, "help", d->items[i].help);
		out_json_end(&j, '}');
	}
	out_json_end(&j, ']');
	out_json_end(&j, '}');
	out_json_line(&j);
}

static void
print(const struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct finding *f = &d->items[i];
		(void)printf("%-4s  ", kinds[f->kind]);
		out_cleanf(stdout, "%s: %s", f->check, f->text);
		(void)putchar('\n');
		if (f->help != NULL) {
			(void)fputs("      ", stdout);
			out_cleanf(stdout, "%s", f->help);
			(void)putchar('\n');
		}
	}
}

static void
examine(struct doctor *d, const struct context_flags *flags, struct context *c)
{
	struct err e = { 0 };
	doctor_say(d, FINDING_OK, "context", NULL, "%s",
	    c->path == NULL ? "flags and variables" : c->path);
	check_clock(d);
	if (!context_ready(c, &e)) {
		doctor_say(d, FINDING_FAIL, "context",
		    "relto context add NAME .. --replace, or the flag", "%s", e.text);
		return;
	}
	doctor_files(d);
	doctor_broker(d, flags);
}

int
cmd_doctor(int argc, char **argv)
{
	SCOPED(arena_done) struct arena a;
	SCOPED(context_free) struct context *c = NULL;
	struct context_flags flags = { 0 };
	struct err e = { 0 };
	bool json = false;
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code == 1)
			json = true;
		else if (code == ':')
			return out_usage(cmd_doctor_usage, "%s takes a value", argv[optind - 1]);
		else if (code == '?' || !context_flag(&flags, code, optarg))
			return out_usage(cmd_doctor_usage, "what is '%s'?", argv[optind - 1]);
	}
	if (optind < argc)
		return out_usage(cmd_doctor_usage, "what is '%s'?", argv[optind]);
	arena_init(&a, ARENA_BYTES);
	struct doctor d = { .arena = &a };
	if (context_load(&flags, &c, &e)) {
		d.context = c;
		examine(&d, &flags, c);
	} else
		doctor_say(&d, FINDING_FAIL, "context",
		    "relto context list shows them; relto context add makes one", "%s", e.text);
	if (json)
		print_json(&d);
	else
		print(&d);
	for (size_t i = 0; i < d.count; i++)
		if (d.items[i].kind == FINDING_FAIL)
			return 1;
	return 0;
}
