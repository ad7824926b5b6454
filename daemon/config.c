#include "daemon/config.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/file.h"
#include "policy/text.h"

#define ARENA_BYTES (8u << 20)
#define PATH_BYTES 4096u
#define ORIGIN_BYTES 255u
#define LISTENS 16u

enum type {
	TYPE_NAME = 1,
	TYPE_PATH,
	TYPE_ORIGIN,
	TYPE_LISTEN,
	TYPE_DURATION,
	TYPE_SIZE,
	TYPE_COUNT,
	TYPE_WORKERS,
	TYPE_LEVEL,
	TYPE_FORMAT,
	TYPE_SANDBOX
};
enum takes { TAKES_RELOAD = 1, TAKES_NEW, TAKES_RESTART };

struct setting {
	enum type type;
	const char *block, *name;
	size_t offset, size; /* in struct config */
	const char *dflt;
	uint64_t min, max;
	enum takes takes;
	const char *reason;
};
static const struct setting settings[] = {
#define S(type, block, name, field, dflt, min, max, takes, reason) \
	{ TYPE_##type, block, name, offsetof(struct config, field), \
		sizeof(((struct config *)NULL)->field), dflt, min, max, TAKES_##takes, reason },
#include "daemon/config.def"
#undef S
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* In the order of config.def; a block that holds a setting without a default must be written. */
static const char *const blocks[] = { "identity", "store", "log", "messages", "observe", "limits",
	"deadlines" };
#define BLOCKS (sizeof(blocks) / sizeof(blocks[0]))

static const char *const levels[] = { "error", "warn", "info", "debug" };
static const char *const formats[] = { "text", "logfmt", "json" };
static const char *const sandboxes[] = { "off", "best-effort", "required" };
static const char *const usages[] = {
	[TYPE_NAME] = "NAME",
	[TYPE_PATH] = "\"PATH\"",
	[TYPE_ORIGIN] = "NAME/gN",
	[TYPE_LISTEN] = "ADDRESS:PORT",
	[TYPE_DURATION] = "DURATION, as 30s",
	[TYPE_SIZE] = "SIZE, as 1GiB",
	[TYPE_COUNT] = "NUMBER",
	[TYPE_WORKERS] = "auto | NUMBER",
	[TYPE_LEVEL] = "error | warn | info | debug",
	[TYPE_FORMAT] = "text | logfmt | json",
	[TYPE_SANDBOX] = "off | best-effort | required",
};

struct loader {
	struct config *c;
	struct text_errors *l;
};

/* ---- values ---- */

static char *
keep(struct loader *o, struct bytes text)
{
	struct bytes kept;
	struct err e = { 0 };
	if (arena_copy(&o->c->arena, text, &kept, &e))
		return (char *)(uintptr_t)kept.data;
	(void)text_error_from(o->l, NULL, &e);
	return NULL;
}

static void
put_text(struct loader *o, struct bytes text, void *to)
{
	char *kept = keep(o, text);
	memcpy(to, &kept, sizeof(kept));
}

static void
put_path(struct loader *o, struct bytes path, void *to)
{
	bool absolute = path.len > 0 && path.data[0] == '/';
	char *kept = absolute || path.len == 0 ? keep(o, path)
					       : arena_printf(&o->c->arena, "%s/%.*s", o->c->dir,
						     (int)path.len, (const char *)path.data);
	if (kept == NULL)
		(void)text_error(o->l, NULL, NULL, "out of memory");
	memcpy(to, &kept, sizeof(kept));
}

/* "name/gN", as it stands in checkpoints: a note's key name has neither space nor '+'. */
static bool
is_origin(struct bytes in)
{
	size_t at = in.len;
	while (at > 0 && in.data[at - 1] >= '0' && in.data[at - 1] <= '9')
		at--;
	if (at == in.len || in.data[at] == '0' || in.len - at > 9 || at < 3 ||
	    in.data[at - 1] != 'g' || in.data[at - 2] != '/')
		return false;
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] <= ' ' || in.data[i] >= 0x7f || in.data[i] == '+')
			return false;
	return true;
}

/* ADDRESS:PORT with a numeric address, of IPv6 in brackets. */
static bool
listen_parse(struct bytes in, char address[64], uint16_t *port)
{
	size_t colon = in.len;
	while (colon > 0 && in.data[colon - 1] != ':')
		colon--;
	if (colon < 2)
		return false;
	struct bytes host = bytes_from(in.data, colon - 1);
	uint64_t number;
	if (!text_to_integer(bytes_from(in.data + colon, in.len - colon), &number) ||
	    number > UINT16_MAX)
		return false;
	bool v6 = host.data[0] == '[' && host.data[host.len - 1] == ']';
	if (v6)
		host = bytes_from(host.data + 1, host.len - 2);
	if (host.len == 0 || host.len > 63)
		return false;
	memcpy(address, host.data, host.len);
	address[host.len] = '\0';
	uint8_t binary[16];
	*port = (uint16_t)number;
	return inet_pton(v6 ? AF_INET6 : AF_INET, address, binary) == 1;
}

static void
put_listen(struct loader *o, const struct text_value *v, void *to)
{
	struct config_listens *all = to;
	char address[64];
	uint16_t port;
	struct bytes text;
	if (!text_string(o->l, v, 64, &text))
		return;
	if (!listen_parse(text, address, &port)) {
		(void)text_error(o->l, &v->pos,
		    "a numeric address and a port, as 127.0.0.1:4774 or \"[::1]:4774\"",
		    "'%.*s' is not ADDRESS:PORT", (int)text.len, (const char *)text.data);
		return;
	}
	for (size_t i = 0; i < all->count; i++)
		if (bytes_is(text, all->items[i].text) && port != 0) {
			(void)text_error(
			    o->l, &v->pos, NULL, "'%s' is listened on already", all->items[i].text);
			return;
		}
	if (all->items == NULL)
		all->items = arena_zalloc(&o->c->arena, LISTENS, sizeof(*all->items));
	if (all->items == NULL || all->count == LISTENS) {
		(void)text_error(
		    o->l, &v->pos, NULL, "more than %u addresses to listen on", LISTENS);
		return;
	}
	struct config_listen *one = &all->items[all->count];
	one->address = keep(o, bytes_of(address));
	one->text = keep(o, text);
	one->port = port;
	if (one->address != NULL && one->text != NULL)
		all->count++;
}

static void
put_number(struct loader *o, const struct setting *s, const struct text_value *v, void *to)
{
	uint64_t n = 0;
	bool ok = false;
	if (s->type == TYPE_DURATION)
		ok = text_duration(o->l, v, s->min, s->max, &n);
	else if (s->type == TYPE_SIZE)
		ok = text_size(o->l, v, s->min, s->max, &n);
	else if (s->type == TYPE_WORKERS && bytes_is(v->text, "auto"))
		ok = true;
	else
		ok = text_integer(o->l, v, s->min, s->max, &n);
	if (ok)
		memcpy(to, &n, sizeof(n));
	else
		text_error_help(o->l, s->reason);
}

static void
put_choice(struct loader *o, const struct setting *s, const struct text_value *v, void *to)
{
	size_t index;
	if (s->type == TYPE_LEVEL) {
		if (text_choice(o->l, v, levels, sizeof(levels) / sizeof(levels[0]), &index))
			*(enum log_level *)to = (enum log_level)(LOG_ERROR + index);
	} else if (s->type == TYPE_SANDBOX) {
		if (text_choice(
			o->l, v, sandboxes, sizeof(sandboxes) / sizeof(sandboxes[0]), &index))
			*(enum sandbox_want *)to = (enum sandbox_want)index;
	} else if (text_choice(o->l, v, formats, sizeof(formats) / sizeof(formats[0]), &index)) {
		*(enum log_format *)to = (enum log_format)(LOG_TEXT + index);
	}
}

static void
put_value(struct loader *o, const struct setting *s, const struct text_value *v)
{
	void *to = (char *)o->c + s->offset;
	struct bytes text;
	switch (s->type) {
	case TYPE_NAME:
		if (text_name(o->l, v, s->name, &text))
			put_text(o, text, to);
		break;
	case TYPE_PATH:
		if (text_string(o->l, v, PATH_BYTES, &text))
			put_path(o, text, to);
		break;
	case TYPE_ORIGIN:
		if (!text_string(o->l, v, ORIGIN_BYTES, &text))
			break;
		if (is_origin(text))
			put_text(o, text, to);
		else
			(void)text_error(o->l, &v->pos,
			    "a name and the generation of the log, as hub.example/relto/g1",
			    "'%.*s' is not an origin", (int)text.len, (const char *)text.data);
		break;
	case TYPE_LISTEN:
		put_listen(o, v, to);
		break;
	case TYPE_DURATION:
	case TYPE_SIZE:
	case TYPE_COUNT:
	case TYPE_WORKERS:
		put_number(o, s, v, to);
		break;
	case TYPE_LEVEL:
	case TYPE_FORMAT:
	case TYPE_SANDBOX:
		put_choice(o, s, v, to);
		break;
	}
}

/* ---- blocks ---- */

static void
put_default(struct loader *o, const struct setting *s)
{
	struct text_value v = { .kind = TEXT_WORD, .text = bytes_of(s->dflt) };
	if (s->dflt[0] == '\0')
		put_text(o, v.text, (char *)o->c + s->offset);
	else
		put_value(o, s, &v);
}

static void
put_block(struct loader *o, const char *name, const struct text_block *b)
{
	struct text_setting known[SETTINGS + BLOCKS];
	char usage[SETTINGS][96];
	size_t count = 0;
	bool top = name[0] == '\0';
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		if (strcmp(s->block, name) != 0)
			continue;
		(void)snprintf(usage[i], sizeof(usage[i]), "%s %s", s->name, usages[s->type]);
		known[count++] = (struct text_setting){ s->name, "v", TEXT_BLOCK_NONE,
			s->type == TYPE_LISTEN, s->dflt == NULL, usage[i] };
	}
	for (size_t i = 0; top && i < BLOCKS; i++) {
		bool needed = strcmp(blocks[i], "identity") == 0 || strcmp(blocks[i], "log") == 0;
		known[count++] = (struct text_setting){ blocks[i], "", TEXT_BLOCK_REQUIRED, false,
			needed, NULL };
	}
	(void)text_check(o->l, top ? "" : name, b, known, count);
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		static const struct text_setting one = { .values = "v" };
		if (strcmp(s->block, name) != 0)
			continue;
		const struct text_statement *first = text_find(b, s->name);
		if (first == NULL && s->dflt != NULL)
			put_default(o, s);
		for (size_t j = 0; j < b->count; j++)
			if (bytes_is(b->items[j].name, s->name) && text_fits(&b->items[j], &one) &&
			    (s->type == TYPE_LISTEN || &b->items[j] == first))
				put_value(o, s, &b->items[j].values[0]);
	}
}

static void
put_file(struct loader *o, const struct text_block *file)
{
	static const struct text_block empty;
	put_block(o, "", file);
	for (size_t i = 0; i < BLOCKS; i++) {
		const struct text_statement *s = text_find(file, blocks[i]);
		/* a required block that is missing has been reported as that */
		if (s != NULL && s->has_block)
			put_block(o, blocks[i], &s->block);
		else if (strcmp(blocks[i], "identity") != 0 && strcmp(blocks[i], "log") != 0)
			put_block(o, blocks[i], &empty);
	}
}

/* Who signs heads is said once. */
static void
check_signer(struct loader *o, const struct text_block *file)
{
	const struct text_statement *log = text_find(file, "log");
	if (log == NULL || o->l->error_count > 0)
		return;
	bool key = o->c->log_key[0] != '\0', signer = o->c->log_signer[0] != '\0';
	if (key == signer)
		(void)text_error(o->l, &log->pos,
		    "`key` if the broker signs heads itself, `signer` if relto-signer does",
		    key ? "log has both `key` and `signer`" : "log has neither `key` nor `signer`");
	else if (!signer && o->c->log_signer_user[0] != '\0')
		(void)text_error(o->l, &log->pos, "it says whom relto-signer runs as",
		    "log has `signer-user` and no `signer`");
}

/* ---- loading ---- */

static bool
config_place(struct config *c, const char *path, struct err *e)
{
	char *real = realpath(path, NULL);
	if (real == NULL)
		return err_set(
		    e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path, strerror(errno));
	c->path = arena_printf(&c->arena, "%s", real);
	c->dir = arena_printf(&c->arena, "%s", dirname(real));
	free(real);
	return (c->path != NULL && c->dir != NULL) || err_set(e, ERR_NOMEM, "configuration");
}

static bool
config_read(struct config *c, const char *path, struct text_errors *l, struct err *e)
{
	struct loader o = { c, l };
	struct text_block file;
	struct bytes source;
	if (!config_place(c, path, e) ||
	    !file_read(c->path, FILE_OURS, LIMIT_POLICY_FILE_BYTES, &c->arena, &source, e))
		return false;
	if (text_parse(&c->arena, bytes_of(path), source, l, &file)) {
		put_file(&o, &file);
		check_signer(&o, &file);
	}
	if (l->error_count > 0)
		return text_errors_to_err(l, ERR_CONFIG, e);
	return true;
}

bool
config_load(const char *path, struct config **out, char **report, struct err *e)
{
	struct text_errors l;
	SCOPED(config_free) struct config *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_set(e, ERR_NOMEM, "configuration");
	arena_init(&c->arena, ARENA_BYTES);
	text_errors_init(&l);
	bool ok = config_read(c, path, &l, e);
	if (!ok) {
		char *text = l.error_count > 0 ? text_errors_format(&l, &c->arena) : NULL;
		*report = strdup(text != NULL ? text : "");
	}
	text_errors_done(&l);
	if (ok)
		*out = MOVE(c);
	return ok;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	arena_done(&c->arena);
	free(c);
}

/* ---- printing ---- */

static void
print_unit(uint64_t n, const char *const *units, const uint64_t *factors, FILE *to)
{
	size_t i = 0; /* from the largest unit; the last is 1 or divides by the setting's range */
	while (units[i + 1] != NULL && (n == 0 || n % factors[i] != 0))
		i++;
	(void)fprintf(to, "%" PRIu64 "%s", n / factors[i], units[i]);
}

static void
print_text(const char *text, FILE *to)
{
	if (text_is_word(bytes_of(text))) {
		(void)fputs(text, to);
		return;
	}
	(void)fputc('"', to);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', to);
		(void)fputc(*text, to);
	}
	(void)fputc('"', to);
}

static void
print_value(const struct setting *s, const void *from, FILE *to)
{
	static const char *const times[] = { "d", "h", "m", "s", "ms", NULL };
	static const uint64_t time_factors[] = { 86400000, 3600000, 60000, 1000, 1 };
	static const char *const sizes[] = { "GiB", "MiB", "KiB", NULL };
	static const uint64_t size_factors[] = { 1u << 30, 1u << 20, 1u << 10 };
	uint64_t n = 0;
	if (s->type == TYPE_DURATION || s->type == TYPE_SIZE || s->type == TYPE_COUNT ||
	    s->type == TYPE_WORKERS)
		memcpy(&n, from, sizeof(n));
	if (s->type == TYPE_DURATION)
		print_unit(n, times, time_factors, to);
	else if (s->type == TYPE_SIZE)
		print_unit(n, sizes, size_factors, to);
	else if (s->type == TYPE_WORKERS && n == 0)
		(void)fputs("auto", to);
	else if (s->type == TYPE_COUNT || s->type == TYPE_WORKERS)
		(void)fprintf(to, "%" PRIu64, n);
	else if (s->type == TYPE_LEVEL)
		(void)fputs(levels[*(const enum log_level *)from - LOG_ERROR], to);
	else if (s->type == TYPE_FORMAT)
		(void)fputs(formats[*(const enum log_format *)from - LOG_TEXT], to);
	else if (s->type == TYPE_SANDBOX)
		(void)fputs(sandboxes[*(const enum sandbox_want *)from], to);
	else
		print_text(*(char *const *)from, to);
}

static void
print_setting(const struct setting *s, const struct config *c, FILE *to)
{
	const void *from = (const char *)c + s->offset;
	const char *indent = s->block[0] == '\0' ? "" : "    ";
	if (s->type == TYPE_LISTEN) {
		for (size_t i = 0; i < c->listen.count; i++) {
			(void)fprintf(to, "%s%s ", indent, s->name);
			print_text(c->listen.items[i].text, to);
			(void)fputc('\n', to);
		}
		return;
	}
	bool text = s->type == TYPE_NAME || s->type == TYPE_PATH || s->type == TYPE_ORIGIN;
	if (text && (*(char *const *)from)[0] == '\0')
		return; /* absent, and may be */
	(void)fprintf(to, "%s%s ", indent, s->name);
	print_value(s, from, to);
	(void)fputc('\n', to);
}

void
config_print(const struct config *c, FILE *to)
{
	const char *block = "";
	for (size_t i = 0; i < SETTINGS; i++) {
		if (strcmp(settings[i].block, block) != 0) {
			if (block[0] != '\0')
				(void)fputs("}\n", to);
			block = settings[i].block;
			(void)fprintf(to, "%s {\n", block);
		}
		print_setting(&settings[i], c, to);
	}
	(void)fputs("}\n", to);
}

/* ---- comparing, and the manual ---- */

static char *
printed(const struct setting *s, const struct config *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	if (f == NULL)
		return NULL;
	print_setting(s, c, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* Those of which a change takes a restart, or those of which it does not. */
static bool
differ(const struct config *now, const struct config *next, bool restart, char *names, size_t size)
{
	bool any = false;
	names[0] = '\0';
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		if ((s->takes == TAKES_RESTART) != restart)
			continue;
		char *a = printed(s, now), *b = printed(s, next);
		bool same = a != NULL && b != NULL && strcmp(a, b) == 0;
		free(a);
		free(b);
		if (same)
			continue;
		size_t used = strlen(names);
		(void)snprintf(names + used, size - used, "%s%s%s%s", any ? ", " : "", s->block,
		    s->block[0] == '\0' ? "" : " ", s->name);
		any = true;
	}
	return any;
}

bool
config_needs_restart(const struct config *now, const struct config *next, char *names, size_t size)
{
	return differ(now, next, true, names, size);
}

bool
config_changes(const struct config *now, const struct config *next, char *names, size_t size)
{
	return differ(now, next, false, names, size);
}

void
config_take_over(const struct config *now, struct config *next)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (settings[i].takes == TAKES_RESTART)
			memcpy((char *)next + settings[i].offset,
			    (const char *)now + settings[i].offset, settings[i].size);
}

static void
manual_bound(const struct setting *s, uint64_t bound, FILE *to)
{
	struct setting plain = *s;
	if (s->type == TYPE_WORKERS)
		plain.type = TYPE_COUNT;
	print_value(&plain, &bound, to);
}

void
config_manual(FILE *to)
{
	static const char *const takes[] = { [TAKES_RELOAD] = "a reload",
		[TAKES_NEW] = "a reload, for new connections",
		[TAKES_RESTART] = "a restart" };
	(void)fputs(".Bl -tag -width Ds\n", to);
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		bool top = s->block[0] == '\0';
		(void)fprintf(to, ".It Ic %s%s%s Ar %s\n%c%s.\n", s->block, top ? "" : " ", s->name,
		    usages[s->type], s->reason[0] & ~0x20, s->reason + 1);
		if (s->dflt == NULL)
			(void)fputs("Required", to);
		else
			(void)fprintf(to, "Default: %s", s->dflt[0] == '\0' ? "none" : s->dflt);
		if (s->max > 0) {
			(void)fputs("; from ", to);
			manual_bound(s, s->min, to);
			(void)fputs(" to ", to);
			manual_bound(s, s->max, to);
		}
		(void)fprintf(to, ".\nA change takes %s.\n", takes[s->takes]);
	}
	(void)fputs(".El\n", to);
}
