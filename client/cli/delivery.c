#include "client/cli/delivery.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <string.h>

#include "policy/text.h"
#include "policy/text_chars.h"

static const char *
precedence(enum relto_precedence p)
{
	static const char *const names[] = { "?", "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH" };
	return (unsigned)p < 5 ? names[p] : names[0];
}

static bool
is_text(const char *type)
{
	return strncasecmp(type, "text/", 5) == 0 || strcasestr(type, "json") != NULL ||
	       strcasestr(type, "xml") != NULL;
}

/* What stands before the next 'end', taken off 'rest'; *more: there was one. */
static struct bytes
take(struct bytes *rest, int end, bool *more)
{
	const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, end, rest->len);
	size_t len = at == NULL ? rest->len : (size_t)(at - rest->data);
	struct bytes piece = bytes_from(rest->data, len);
	*more = at != NULL;
	*rest = bytes_from(rest->data + len + *more, rest->len - len - *more);
	return piece;
}

/* Line by line, since a report's text must not steer the terminal.  Tabs do not. */
static void
show_text(FILE *to, struct bytes content)
{
	bool more;
	while (content.len > 0) {
		struct bytes line = take(&content, '\n', &more);
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		(void)fputs("    ", to);
		do {
			out_clean(to, take(&line, '\t', &more));
			(void)fputs(more ? "\t" : "\n", to);
		} while (more);
	}
}

/* Whether all of it stands there as it is. */
static bool
show_content(const char *type, struct bytes content)
{
	size_t at;
	bool text = is_text(type),
	     whole = content.len == 0 || (text && text_is_clean(content, &at));
	if (text)
		show_text(stdout, content);
	if (!whole)
		(void)printf("    (%s: use --save)\n",
		    text ? "not all of it can be shown here" : "it cannot be shown here");
	return whole;
}

void
delivery_markings(FILE *to, struct session *s, const struct relto_portion *p)
{
	for (size_t i = 0; i < p->label_count; i++) {
		(void)fputs(i == 0 ? "" : " | ", to);
		out_clean(to, bytes_of(session_marking(s, &p->labels[i])));
	}
}

/* Before and behind, as on the radio: nobody may take it for live. */
static void
show_exercise(const struct relto_delivery *d)
{
	if (d->exercise)
		(void)puts("EXERCISE EXERCISE EXERCISE");
}

/* Before the report too, whatever else fills the screen. */
static void
show_act(const struct relto_delivery *d)
{
	if (d->about.act == RELTO_RECALL)
		(void)puts("RECALL RECALL RECALL");
	else if (d->about.act == RELTO_SUPERSEDE)
		(void)puts("SUPERSEDES AN EARLIER REPORT");
}

/* A recall has nothing else; no report is taken for one. */
static void
show_about(const struct relto_delivery *d)
{
	static const char *const acts[] = { "", "SUPERSEDES", "RECALLS", "is about" };
	char id[RELTO_ID_TEXT];
	if (d->about.act == 0)
		return;
	relto_id_print(d->about.report, id);
	(void)printf("  %s report %s", acts[d->about.act], id);
	out_cleanf(stdout, "%s%s", d->about.code[0] == 0 ? "" : ": ", d->about.code);
	(void)putchar('\n');
	if (d->about.act == RELTO_SUPERSEDE)
		(void)puts("  go by this one: what you have of that report is out of date");
	if (d->about.act != RELTO_RECALL)
		return;
	(void)printf("  destroy what you have of it, and say so: relto recall answer %s ", id);
	for (size_t i = 0; relto_answer_code(i) != NULL; i++)
		(void)printf("%s%s", i == 0 ? "" : "|", relto_answer_code(i));
	(void)putchar('\n');
}

bool
delivery_show(struct session *s, const struct relto_delivery *d)
{
	char id[RELTO_ID_TEXT], time[32];
	bool colour = session_colour(stdout), whole = true;
	relto_id_print(d->id, id);
	show_exercise(d);
	show_act(d);
	(void)printf("%sreport %s%s  %s  ", colour ? "\033[1m" : "", id, colour ? "\033[0m" : "",
	    precedence(d->precedence));
	out_clean(stdout, bytes_of(d->topic));
	(void)printf("%s\n  ", d->exercise ? "  EXERCISE" : "");
	out_clean(stdout, bytes_of(d->why));
	(void)printf("\n  created %s", session_time(d->created, time));
	for (size_t i = 0; i < d->agreements.count; i++)
		out_cleanf(stdout, "%s%s", i == 0 ? ", under " : ", ", d->agreements.items[i]);
	(void)putchar('\n');
	show_about(d);
	for (size_t i = 0; i < d->portion_count; i++) {
		const struct relto_portion *p = &d->portions[i].portion;
		(void)fputs(d->exercise ? "  EXERCISE [" : "  [", stdout);
		delivery_markings(stdout, s, p);
		(void)fputs("] ", stdout);
		out_clean(stdout, bytes_of(p->title == NULL ? "" : p->title));
		out_cleanf(stdout, "  (%s, %zu bytes)", p->content_type, p->content.len);
		(void)putchar('\n');
		whole &= show_content(p->content_type, bytes_from(p->content.data, p->content.len));
	}
	show_exercise(d);
	return whole;
}

static bool
is_utf8(struct bytes in)
{
	uint32_t point;
	for (size_t at = 0, n; at < in.len; at += n)
		if (text_char_at(in, at, &point, &n) == TEXT_CHAR_BAD_UTF8)
			return false;
	return true;
}

static void
portion_json(struct out_json *j, struct session *s, const struct relto_portion *p, const char *file)
{
	struct bytes content = bytes_from(p->content.data, p->content.len);
	out_json_begin(j, NULL, '{');
	session_labels_json(j, "labels", s, p->labels, p->label_count);
	out_json_text(j, "content_type", p->content_type);
	out_json_text(j, "title", p->title == NULL ? "" : p->title);
	out_json_uint(j, "bytes", p->content.len);
	if (file[0] != 0)
		out_json_text(j, "file", file);
	else if (is_text(p->content_type) && is_utf8(content))
		out_json_bytes(j, "content", content);
	else
		out_json_base64(j, "content_base64", content);
	out_json_end(j, '}');
}

const char *
delivery_act(const struct relto_delivery *d)
{
	static const char *const acts[] = { "", "supersede", "recall", "about" };
	return acts[d->about.act];
}

static void
about_json(struct out_json *j, const struct relto_delivery *d)
{
	char id[RELTO_ID_TEXT];
	if (d->about.act == 0)
		return;
	relto_id_print(d->about.report, id);
	out_json_begin(j, "notice", '{');
	out_json_text(j, "act", delivery_act(d));
	out_json_text(j, "report", id);
	out_json_text(j, "code", d->about.code[0] == 0 ? NULL : d->about.code);
	out_json_end(j, '}');
}

void
delivery_json(FILE *to, struct session *s, const struct relto_delivery *d, bool files)
{
	struct out_json j = { .to = to };
	char id[RELTO_ID_TEXT], file[DELIVERY_FILE] = "", digest[DELIVERY_DIGEST];
	relto_id_print(d->id, id);
	out_json_begin(&j, NULL, '{');
	delivery_digest(d, digest);
	out_json_text(&j, "report", id);
	out_json_text(&j, "manifest", digest);
	out_json_text(&j, "originator", d->originator);
	out_json_text(&j, "party", d->party);
	out_json_bool(&j, "verified", d->trust == RELTO_VERIFIED);
	out_json_text(&j, "signature", d->why);
	out_json_text(&j, "topic", d->topic);
	out_json_text(&j, "precedence", precedence(d->precedence));
	out_json_text(&j, "mode", d->exercise ? "exercise" : "live");
	out_json_uint(&j, "created_ms", d->created);
	out_json_uint(&j, "accepted_us", d->accepted_us);
	out_json_uint(&j, "attempt", d->attempt);
	session_texts_json(&j, "agreements", &d->agreements);
	about_json(&j, d);
	out_json_begin(&j, "portions", '[');
	for (size_t i = 0; i < d->portion_count; i++) {
		if (files)
			delivery_file(i, file);
		portion_json(&j, s, &d->portions[i].portion, file);
	}
	out_json_end(&j, ']');
	out_json_end(&j, '}');
	out_json_line(&j);
}

void
delivery_digest(const struct relto_delivery *d, char to[DELIVERY_DIGEST])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	(void)SHA256(d->manifest.data, d->manifest.len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(to + 2 * i, 3, "%02x", digest[i]);
}

void
delivery_file(size_t portion, char to[DELIVERY_FILE])
{
	(void)snprintf(to, DELIVERY_FILE, "%02zu.body", portion);
}
