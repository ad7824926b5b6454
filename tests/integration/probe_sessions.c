/*
 * probe_sessions.c - does with librelto what its standard input says, a line a step, and answers
 * each with a line; test_sessions.py knows what a connection should do.  The lab is LAB, the agent
 * PARTY (of the lab's fusion-desk), the servers ADDRESS.
 */
#include "client/relto.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS = 2, HELD = 64 };

static struct relto_context *ctx;
static struct relto_connection *all[CONNECTIONS], *c;
static struct relto_delivery *held[HELD];
static size_t held_count;

static const char *
in_lab(const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *out = paths[next++ % 4];
	(void)snprintf(out, 512, "%s/%s", getenv("LAB"), name);
	return out;
}

static const char *
of_party(const char *file)
{
	char name[128];
	(void)snprintf(name, sizeof(name), "parties/%s/%s", getenv("PARTY"), file);
	return in_lab(name);
}

static void
say(bool ok, const struct relto_error *e)
{
	if (ok)
		(void)puts("ok");
	else
		(void)printf("error %s fatal=%d %s\n", e->code, e->fatal, e->text);
}

static bool
set_up(struct relto_error *e)
{
	static char key[1024];
	FILE *f = fopen(in_lab("hub/log.vkey"), "r");
	bool read = f != NULL && fgets(key, sizeof(key), f) != NULL;
	if (f != NULL)
		(void)fclose(f);
	ctx = relto_context_new(e);
	if (!read || ctx == NULL)
		return false;
	relto_context_timeout(ctx, 20000);
	return relto_context_server(ctx, getenv("ADDRESS"), e) &&
	       relto_context_hub_file(ctx, "spiffe://hub.example/relto", in_lab("hub/ca.pem"), e) &&
	       relto_context_identity_files(
		   ctx, of_party("fusion-desk.pem"), of_party("fusion-desk.key"), e) &&
	       relto_context_log_key(ctx, key, e) &&
	       relto_context_trust_dir(ctx, in_lab("home/trust"), e);
}

/* A report of one portion. */
struct sample {
	struct relto_portion portion;
	struct relto_report report;
};

static const struct relto_report *
sample(struct sample *s, const char *content)
{
	static const char *const under[] = { "atlas" }, *const to[] = { "GBR", "NOR" };
	static const struct relto_category category = { "Releasable To", { to, 2 } };
	static const struct relto_label labels[] = { { "ATLAS", "SECRET", &category, 1 },
		{ "TLP", "AMBER", NULL, 0 } };
	s->portion = (struct relto_portion){
		.labels = labels, .label_count = 2, .content = { content, strlen(content) }
	};
	s->report = (struct relto_report){ .topic = "maritime.piracy",
		.agreements = { under, 1 },
		.portions = &s->portion,
		.portion_count = 1 };
	return &s->report;
}

static void
say_receipt(const struct relto_receipt *r)
{
	char id[RELTO_ID_TEXT];
	relto_id_print(r->id, id);
	(void)printf("receipt %s again=%d\n", id, r->again);
}

static void
publish(const char *content)
{
	struct relto_error e = { 0 };
	struct sample s;
	struct relto_receipt *r = NULL;
	if (!relto_publish(c, sample(&s, content), &r, &e)) {
		say(false, &e);
		return;
	}
	say_receipt(r);
	relto_receipt_free(r);
}

static void
answer(int timeout_ms)
{
	struct relto_error e = { 0 };
	struct relto_answer a;
	if (!relto_answer(c, timeout_ms, &a, &e))
		say(false, &e);
	else if (a.receipt == NULL)
		say(false, &a.error);
	else
		say_receipt(a.receipt);
	relto_receipt_free(e.code[0] == 0 ? a.receipt : NULL);
}

static void
subscribe(const char *words)
{
	char name[65] = "", topic[256] = "";
	unsigned credit = 0;
	struct relto_error e = { 0 };
	struct relto_subscription got;
	(void)sscanf(words, "%64s %255s %u", name, topic, &credit);
	struct relto_subscription_request wanted = {
		.name = name, .topic = topic, .credit = credit
	};
	if (relto_subscribe(c, &wanted, &got, &e))
		(void)printf("subscribed %u credit=%u\n", got.number, got.credit);
	else
		say(false, &e);
}

static void
next(int timeout_ms)
{
	struct relto_error e = { 0 };
	struct relto_delivery *d = NULL;
	if (held_count == HELD || !relto_next(c, timeout_ms, &d, &e)) {
		say(false, &e);
		return;
	}
	const struct relto_bytes none = { "", 0 };
	const struct relto_bytes *body =
	    d->portion_count == 0 ? &none : &d->portions[0].portion.content;
	(void)printf("delivery %zu subscription=%u number=%llu trust=%d %.*s\n", held_count,
	    d->subscription, (unsigned long long)d->number, (int)d->trust, (int)body->len,
	    (const char *)body->data);
	held[held_count++] = d;
}

/* Takes and acknowledges what is there; each report counts once. */
static bool
take(struct relto_connection *from, bool seen[10], struct relto_error *e)
{
	struct relto_delivery *d;
	while (relto_next(from, 0, &d, e)) {
		seen[((const char *)d->portions[0].portion.content.data)[0] - '0'] = true;
		bool ok = relto_ack_later(from, d, e);
		relto_delivery_free(d);
		if (!ok)
			return false;
	}
	return strcmp(e->code, "timeout") == 0;
}

/* Both connections in one loop until each had five reports and said so. */
static bool
loop(struct relto_error *e)
{
	bool seen[CONNECTIONS][10] = { { false } };
	while (!seen[0][4] || !seen[1][4]) {
		struct pollfd fds[CONNECTIONS];
		int timeout_ms = -1;
		for (size_t i = 0; i < CONNECTIONS; i++) {
			struct relto_wants w;
			if (!take(all[i], seen[i], e) || !relto_process(all[i], &w, e))
				return false;
			fds[i] = (struct pollfd){ w.fd, w.events, 0 };
			if (w.timeout_ms >= 0 && (timeout_ms < 0 || w.timeout_ms < timeout_ms))
				timeout_ms = w.timeout_ms;
		}
		(void)poll(fds, CONNECTIONS, timeout_ms);
	}
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (!relto_settle(all[i], e))
			return false;
	return true;
}

/* An answer by the way of a loop; it is late if only the time brought it. */
static void
poll_answer(void)
{
	struct relto_error e = { 0 };
	struct relto_answer a;
	struct relto_wants w;
	bool late = false, ok = relto_flush(c, &e);
	while (ok && (ok = relto_process(c, &w, &e)) && w.answers == 0) {
		struct pollfd p = { w.fd, w.events, 0 };
		late |= poll(&p, 1, w.timeout_ms) == 0 && w.timeout_ms != 0;
	}
	if (!ok || !relto_answer(c, 0, &a, &e)) {
		say(false, &e);
		return;
	}
	(void)printf(
	    "%s %s\n", a.receipt == NULL ? a.error.code : "receipt", late ? "late" : "at once");
	relto_receipt_free(a.receipt);
}

/* Four threads, each with its own connection of the one context, and all woken all the time. */
static void *
publish_eight(void *arg)
{
	struct relto_error e = { 0 };
	struct relto_connection *mine = relto_connect(ctx, &e);
	size_t *accepted = arg;
	for (unsigned i = 0; mine != NULL && i < 8; i++) {
		struct sample s;
		struct relto_receipt *r = NULL;
		relto_wake(mine);
		while (!relto_publish(mine, sample(&s, "of a thread"), &r, &e) &&
		       strcmp(e.code, "interrupted") == 0)
			continue;
		*accepted += r != NULL;
		relto_receipt_free(r);
	}
	relto_close(mine);
	return NULL;
}

static void
threads(void)
{
	pthread_t t[4];
	size_t accepted[4] = { 0 }, sum = 0, begun = 0;
	relto_context_reconnect(ctx, 20);
	while (begun < 4 && pthread_create(&t[begun], NULL, publish_eight, &accepted[begun]) == 0)
		begun++;
	for (size_t i = 0; i < begun; i++) {
		(void)pthread_join(t[i], NULL);
		sum += accepted[i];
	}
	(void)printf("%zu accepted\n", sum);
}

static void
connect_it(uint32_t most_ms)
{
	struct relto_error e = { 0 };
	relto_context_reconnect(ctx, most_ms);
	size_t i = all[0] == NULL ? 0 : 1;
	c = all[i] = relto_connect(ctx, &e);
	say(c != NULL, &e);
}

static void
step(const char *word, const char *rest)
{
	struct relto_error e = { 0 };
	struct sample s;
	int n = atoi(rest);
	if (strcmp(word, "connect") == 0)
		connect_it((uint32_t)n);
	else if (strcmp(word, "publish") == 0)
		publish(rest);
	else if (strcmp(word, "submit") == 0)
		say(relto_submit(c, sample(&s, rest), NULL, &e), &e);
	else if (strcmp(word, "flush") == 0)
		say(relto_flush(c, &e), &e);
	else if (strcmp(word, "answer") == 0)
		answer(n);
	else if (strcmp(word, "subscribe") == 0)
		subscribe(rest);
	else if (strcmp(word, "next") == 0)
		next(n);
	else if (strcmp(word, "ack") == 0)
		say(relto_ack(c, held[n], &e), &e);
	else if (strcmp(word, "ack-later") == 0)
		say(relto_ack_later(c, held[n], &e), &e);
	else if (strcmp(word, "nack") == 0) /* the first that came */
		say(relto_nack(c, held[0], strtoull(rest, NULL, 10), &e), &e);
	else if (strcmp(word, "settle") == 0)
		say(relto_settle(c, &e), &e);
	else if (strcmp(word, "ping") == 0)
		say(relto_ping(c, &e), &e);
	else if (strcmp(word, "poll-answer") == 0)
		poll_answer();
	else if (strcmp(word, "threads") == 0)
		threads();
	else if (strcmp(word, "loop") == 0)
		say(loop(&e), &e);
	else
		(void)printf("what is '%s'?\n", word);
}

int
main(void)
{
	char line[512];
	struct relto_error e = { 0 };
	if (getenv("LAB") == NULL || getenv("ADDRESS") == NULL || getenv("PARTY") == NULL) {
		(void)fprintf(stderr, "NO LAB: run tests/integration/test_sessions.py\n");
		return 77;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (!set_up(&e)) {
		say(false, &e);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = 0;
		char *rest = strchr(line, ' ');
		if (rest != NULL)
			*rest++ = 0;
		step(line, rest == NULL ? "" : rest);
	}
	while (held_count > 0)
		relto_delivery_free(held[--held_count]);
	for (size_t i = 0; i < CONNECTIONS; i++)
		relto_close(all[i]);
	relto_context_free(ctx);
	return 0;
}
