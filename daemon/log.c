#include "daemon/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/text_char.h"

#define RATE_EVENTS 64 /* events counted at a time on a thread; the oldest gives way */
#define TEXTS 8	       /* results of log_quote that live at once */
#define BODY_BYTES (LOG_LINE_BYTES - 160) /* the line without time, level and event */

static _Atomic int setup_level = LOG_INFO;
static _Atomic int setup_format = LOG_TEXT;
static _Atomic int setup_fd = STDERR_FILENO;
static uint64_t (*clock_seam)(void);
static void (*sink_seam)(const char *line, size_t len);

static const char *const level_names[] = { "", "error", "warn", "info", "debug" };

void
log_setup(enum log_level level, enum log_format format, int fd)
{
	atomic_store(&setup_level, (int)level);
	atomic_store(&setup_format, (int)format);
	atomic_store(&setup_fd, fd);
}

void
log_test_seams(uint64_t (*now_us)(void), void (*sink)(const char *line, size_t len))
{
	clock_seam = now_us;
	sink_seam = sink;
}

bool
log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&setup_level, memory_order_relaxed);
}

static uint64_t
clock_us(clockid_t which)
{
	if (clock_seam != NULL)
		return clock_seam();
	struct timespec t = { 0 };
	(void)clock_gettime(which, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ---- the rate of each event, on each thread its own ---- */

struct rate {
	char event[48]; /* cut: longer names share one count */
	uint64_t since_us;
	unsigned written;
	uint64_t suppressed;
};
static _Thread_local struct rate rates[RATE_EVENTS];

static struct rate *
rate_of(const char *event)
{
	struct rate *oldest = &rates[0];
	for (size_t i = 0; i < RATE_EVENTS; i++) {
		if (strncmp(rates[i].event, event, sizeof(rates[i].event) - 1) == 0)
			return &rates[i];
		if (rates[i].since_us < oldest->since_us)
			oldest = &rates[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	(void)snprintf(oldest->event, sizeof(oldest->event), "%s", event);
	return oldest;
}

/* True if the line may be written; *suppressed is then how many before it were not. */
static bool
rate_admits(enum log_level level, const char *event, uint64_t *suppressed)
{
	uint64_t now = clock_us(CLOCK_MONOTONIC);
	struct rate *r = rate_of(event);
	if (now < r->since_us || now - r->since_us >= 1000000u) {
		r->since_us = now;
		r->written = 0;
	}
	if (level != LOG_ERROR && r->written >= LOG_BURST) {
		r->suppressed++;
		return false;
	}
	r->written++;
	*suppressed = r->suppressed;
	r->suppressed = 0;
	return true;
}

/* ---- a line ---- */

struct line {
	char text[LOG_LINE_BYTES];
	size_t len;
};

/* All callers bound what they put; what still does not fit is left out whole. */
static void
line_put(struct line *l, const char *text, size_t len)
{
	if (len > sizeof(l->text) - 1 - l->len)
		return;
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

static void
line_puts(struct line *l, const char *text)
{
	line_put(l, text, strlen(text));
}

/* One key=value: 'value' is a bare word, or quoted as log_quote quotes, which is JSON's form too.
 */
struct pair {
	const char *key, *value;
	size_t key_len, value_len;
};

/* The next pair of a body, or false at its end or where it was cut in the middle of a pair. */
static bool
pair_next(const char **at, struct pair *out)
{
	const char *p = *at + strspn(*at, " ");
	size_t key_len = strcspn(p, "= ");
	if (key_len == 0 || p[key_len] != '=')
		return false;
	const char *value = p + key_len + 1, *end = value;
	if (*value == '"') {
		for (end = value + 1; *end != '"'; end++) {
			if (*end == '\\')
				end++;
			if (*end == '\0')
				return false;
		}
		end++;
	} else {
		end += strcspn(value, " ");
	}
	*out = (struct pair){ p, value, key_len, (size_t)(end - value) };
	*at = end;
	return true;
}

static void
line_pair(struct line *l, bool json, const struct pair *p)
{
	bool bare = p->value_len == 0 || p->value[0] != '"';
	line_puts(l, json ? ",\"" : " ");
	line_put(l, p->key, p->key_len);
	line_puts(l, json ? "\":" : "=");
	if (json && bare)
		line_puts(l, "\"");
	line_put(l, p->value, p->value_len);
	if (json && bare)
		line_puts(l, "\"");
}

static void
line_head(struct line *l, enum log_format format, enum log_level level, const char *event)
{
	uint64_t now = clock_us(CLOCK_REALTIME);
	time_t s = (time_t)(now / 1000000u);
	struct tm tm = { 0 };
	(void)gmtime_r(&s, &tm);
	char stamp[40];
	size_t n = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(stamp + n, sizeof(stamp) - n, ".%03uZ", (unsigned)(now / 1000u % 1000u));
	char head[160];
	switch (format) {
	case LOG_LOGFMT:
		(void)snprintf(head, sizeof(head), "time=%s level=%s event=%.64s", stamp,
		    level_names[level], event);
		break;
	case LOG_JSON:
		(void)snprintf(head, sizeof(head),
		    "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%.64s\"", stamp,
		    level_names[level], event);
		break;
	case LOG_TEXT:
		(void)snprintf(
		    head, sizeof(head), "%s %-5s %.64s", stamp, level_names[level], event);
		break;
	}
	line_puts(l, head);
}

static void
line_write(const struct line *l)
{
	if (sink_seam != NULL) {
		sink_seam(l->text, l->len);
		return;
	}
	/* one write: lines of threads do not mix; a full or closed log must not stop the broker */
	ssize_t n = write(atomic_load(&setup_fd), l->text, l->len);
	(void)n;
}

void
log_write(enum log_level level, const char *event, const char *fmt, ...)
{
	uint64_t suppressed = 0;
	if (!log_wants(level) || !rate_admits(level, event, &suppressed))
		return;
	char body[BODY_BYTES];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(body, sizeof(body), fmt, args);
	va_end(args);
	bool cut = n < 0 || (size_t)n >= sizeof(body);
	if (n < 0)
		body[0] = '\0';
	enum log_format format = (enum log_format)atomic_load(&setup_format);
	bool json = format == LOG_JSON;
	struct line l = { .len = 0 };
	line_head(&l, format, level, event);
	const char *at = body;
	struct pair p;
	while (pair_next(&at, &p) && !(cut && *at == '\0')) /* what reaches the end may be cut */
		line_pair(&l, json, &p);
	char count[32];
	size_t len = (size_t)snprintf(count, sizeof(count), "%" PRIu64, suppressed);
	if (suppressed > 0)
		line_pair(&l, json, &(struct pair){ "suppressed", count, 10, len });
	if (cut)
		line_pair(&l, json, &(struct pair){ "cut", "yes", 3, 3 });
	line_puts(&l, json ? "}\n" : "\n");
	line_write(&l);
}

/* ---- untrusted text ---- */

static char *
text_next(void)
{
	static _Thread_local char texts[TEXTS][LOG_QUOTED_BYTES + 8];
	static _Thread_local unsigned turn;
	return texts[turn++ % TEXTS];
}

/* How one character or one stray byte is written; returns how many bytes of 'in' it took. */
static size_t
quote_one(struct bytes in, char out[16])
{
	uint32_t c = 0;
	size_t n = 1;
	enum text_char kind = text_char_at(in, 0, &c, &n);
	if (kind == TEXT_CHAR_BAD_UTF8)
		(void)snprintf(out, 16, "\\ufffd");
	else if (c == '"' || c == '\\')
		(void)snprintf(out, 16, "\\%c", (int)c);
	else if (kind == TEXT_CHAR_PLAIN && c >= 0x20)
		(void)snprintf(out, 16, "%.*s", (int)n, (const char *)in.data);
	else if (c < 0x10000)
		(void)snprintf(out, 16, "\\u%04x", c & 0xffff);
	else /* as JSON writes it: two surrogates */
		(void)snprintf(out, 16, "\\u%04x\\u%04x", (0xd800 + ((c - 0x10000) >> 10)) & 0xffff,
		    0xdc00 + (c & 0x3ff));
	return n;
}

const char *
log_quote(struct bytes untrusted)
{
	char *text = text_next();
	size_t len = 0;
	text[len++] = '"';
	while (untrusted.len > 0) {
		char one[16];
		size_t n = quote_one(untrusted, one);
		if (len + strlen(one) > LOG_QUOTED_BYTES) {
			memcpy(text + len, "...", 3);
			len += 3;
			break;
		}
		memcpy(text + len, one, strlen(one));
		len += strlen(one);
		untrusted.data += n;
		untrusted.len -= n;
	}
	text[len++] = '"';
	text[len] = '\0';
	return text;
}

const char *
log_quote_text(const char *untrusted)
{
	return log_quote(bytes_of(untrusted == NULL ? "" : untrusted));
}

const char *
log_hex(const uint8_t *data, size_t len)
{
	assert(len <= 32);
	char *text = text_next();
	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", data[i]);
	text[2 * len] = '\0';
	return text;
}
