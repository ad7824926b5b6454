/* cosigner_say.c - what operators are told of witnesses: messages, counters, status. */
#include "daemon/cosigner_inside.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <time.h>

int64_t
cosigner_now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
cosigner_say_well(struct cosigner *c, size_t i, uint64_t size)
{
	ASSERT_ON(ROLE_COSIGNER);
	struct witness *w = &c->w[i];
	if (w->told_ms != 0)
		log_info(
		    "witness.well", "name=%s size=%" PRIu64, log_quote_text(w->key->name), size);
	w->told_ms = 0;
	(void)pthread_mutex_lock(&c->lock);
	c->report.witness[i].why[0] = '\0';
	if (c->report.witness[i].size < size)
		c->report.witness[i].size = size;
	(void)pthread_mutex_unlock(&c->lock);
}

void
cosigner_say_failed(struct cosigner *c, size_t i, bool grave, const char *why)
{
	ASSERT_ON(ROLE_COSIGNER);
	struct witness *w = &c->w[i];
	int64_t now = cosigner_now_ms();
	(void)pthread_mutex_lock(&c->lock);
	(void)snprintf(c->report.witness[i].why, sizeof(c->report.witness[i].why), "%s", why);
	(void)pthread_mutex_unlock(&c->lock);
	metrics_add(&c->metrics, METRIC_witness_failed, 1);
	if (w->told_ms != 0 && now - w->told_ms < LIMIT_WITNESS_TOLD_MS)
		return;
	w->told_ms = now;
	log_write(grave ? LOG_ERROR : LOG_WARN, "witness.failed", "name=%s why=%s",
	    log_quote_text(w->key->name), log_quote_text(why));
}

void
cosigner_say_quorum(struct cosigner *c, const struct head *h, bool met)
{
	ASSERT_ON(ROLE_COSIGNER);
	int64_t now = cosigner_now_ms();
	(void)pthread_mutex_lock(&c->lock);
	c->report.met = met;
	c->report.size = h->cp.size;
	(void)pthread_mutex_unlock(&c->lock);
	if (met) {
		if (c->missing_ms != 0)
			log_info("quorum.met", "size=%" PRIu64, h->cp.size);
		c->missing_ms = 0;
		return;
	}
	size_t signers = 0;
	for (size_t i = 0; i < c->q->witness_count; i++)
		signers += h->seen[i].verified;
	metrics_add(&c->metrics, METRIC_quorum_missing, 1);
	if (c->missing_ms != 0 && now - c->missing_ms < LIMIT_WITNESS_TOLD_MS)
		return;
	c->missing_ms = now;
	log_error("quorum.missing", "size=%" PRIu64 " signed=%zu of=%zu action=%s", h->cp.size,
	    signers, c->q->witness_count,
	    log_quote_text("reports under an agreement with require-cosign wait; see "
			   "witness.failed, and `relto admin status`"));
}

/* ---- status ---- */

static void
put_text(const char *text, FILE *to)
{
	(void)fputc('"', to);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', to);
		(void)fputc((unsigned char)*text < 0x20 ? '?' : *text, to);
	}
	(void)fputc('"', to);
}

void
cosigner_report(struct cosigner *c, FILE *to)
{
	struct report r;
	(void)pthread_mutex_lock(&c->lock);
	r = c->report;
	(void)pthread_mutex_unlock(&c->lock);
	(void)fprintf(to,
	    ",\"quorum\":{\"met\":%s,\"size\":%" PRIu64 ",\"cosigned_size\":%" PRIu64
	    ",\"witnesses\":[",
	    r.met ? "true" : "false", r.size, (uint64_t)atomic_load(&c->shell->cosigned_size));
	for (size_t i = 0; i < c->q->witness_count; i++) {
		(void)fputs(i == 0 ? "{\"name\":" : ",{\"name\":", to);
		put_text(c->q->witnesses[i].name, to);
		(void)fprintf(to, ",\"size\":%" PRIu64 ",\"why\":", r.witness[i].size);
		put_text(r.witness[i].why, to);
		(void)fputc('}', to);
	}
	(void)fputs("]}", to);
}

const struct metrics *
cosigner_metrics(const struct cosigner *c)
{
	return &c->metrics;
}
