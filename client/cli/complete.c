#include "client/cli/complete.h"

#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/usage.h"
#include "proto/arena.h"

#include <ctype.h>
#include <string.h>

enum { ARENA_BYTES = 1 << 20 };

/* The settings of a context, which every command takes that talks to a broker. */
static const struct {
	const char *option, *what;
	bool is_path;
} settings[] = {
	{ "--context", "which context", false },
#define F(field, setting, path, what) { "--" setting, what, path },
#include "client/cli/context.def"
#undef F
};
enum { SETTINGS = sizeof(settings) / sizeof(settings[0]), SEEN = 256 };

/* What is asked: the words before, and the beginning of the one that is typed. */
struct asked {
	FILE *to;
	const char *const *words;
	size_t count; /* without the last */
	const char *typed;
	const struct command *command;
	struct bytes seen[SEEN]; /* two forms may have one option */
	size_t seen_count;
};

static void
offer(struct asked *a, const char *text, size_t len, const char *what)
{
	size_t typed = strlen(a->typed);
	if (typed > len || memcmp(a->typed, text, typed) != 0)
		return;
	for (size_t i = 0; i < a->seen_count; i++)
		if (bytes_equal(a->seen[i], bytes_from(text, len)))
			return;
	if (a->seen_count < SEEN)
		a->seen[a->seen_count++] = bytes_from(text, len);
	(void)fprintf(a->to, "%.*s%s%s\n", (int)len, text, what == NULL ? "" : "\t",
	    what == NULL ? "" : what);
}

/* The names of files, or of folders alone; the shell knows them. */
static void
offer_names(struct asked *a, bool folders)
{
	const char *typed = a->typed;
	a->typed = "";
	offer(a, folders ? ":dir" : ":file", folders ? 4 : 5, NULL);
	a->typed = typed;
}

static void
offer_commands(struct asked *a)
{
	for (size_t i = 0; i < command_count; i++)
		offer(a, commands[i].name, strlen(commands[i].name), commands[i].summary);
	offer(a, "help", 4, "all commands");
	if (a->typed[0] == '-') {
		offer(a, "--help", 6, NULL);
		offer(a, "--version", 9, NULL);
	}
}

static void
offer_contexts(struct asked *a)
{
	SCOPED(arena_done) struct arena arena;
	struct err unsaid;
	const char *home, *folder;
	char **names;
	size_t count;
	arena_init(&arena, ARENA_BYTES);
	if (!context_home(&arena, &home, &unsaid) ||
	    (folder = arena_printf(&arena, "%s/contexts", home)) == NULL ||
	    !context_names(folder, ".conf", &arena, &names, &count, &unsaid))
		return;
	for (size_t i = 0; i < count; i++)
		offer(a, names[i], strlen(names[i]), NULL);
}

/* "FILE", "live|exercise", "P": what such a value may be. */
static void
offer_value(struct asked *a, const char *option, const struct usage_choices *v)
{
	static const char *const folders[] = { "DIR", "BUNDLE", "OLD", "NEW" };
	static const char *const precedences[] = { "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH" };
	if (strcmp(option, "--precedence") == 0)
		for (size_t i = 0; i < 4; i++)
			offer(a, precedences[i], strlen(precedences[i]), NULL);
	bool file = false, folder = false;
	for (size_t i = 0; i < v->count; i++) {
		file |= bytes_equal(v->text[i], bytes_of("FILE"));
		for (size_t k = 0; k < sizeof(folders) / sizeof(folders[0]); k++)
			folder |= bytes_equal(v->text[i], bytes_of(folders[k]));
		if (v->text[i].len > 1 && islower(v->text[i].data[0]))
			offer(a, (const char *)v->text[i].data, v->text[i].len, NULL);
	}
	if (file || folder)
		offer_names(a, !file);
}

static void
context_value(struct asked *a, const char *option)
{
	if (strcmp(option, "--context") == 0)
		offer_contexts(a);
	for (size_t i = 0; i < SETTINGS; i++)
		if (strcmp(option, settings[i].option) == 0 && settings[i].is_path)
			offer_names(a, strcmp(option, "--trust") == 0);
}

static void
context_options(struct asked *a)
{
	for (size_t i = 0; i < SETTINGS; i++)
		offer(a, settings[i].option, strlen(settings[i].option), settings[i].what);
}

static bool
is_of(const struct usage_choices *c, const char *word)
{
	for (size_t i = 0; i < c->count; i++)
		if (bytes_equal(c->text[i], bytes_of(word)))
			return true;
	return false;
}

static const struct usage_option *
option_of(const struct usage_form *f, const char *word)
{
	for (size_t i = 0; i < f->options; i++)
		if (bytes_equal(f->option[i].name, bytes_of(word)))
			return &f->option[i];
	return NULL;
}

static bool
is_context_option(const struct asked *a, const char *word)
{
	for (size_t i = 0; a->command->context && i < SETTINGS; i++)
		if (strcmp(word, settings[i].option) == 0)
			return true;
	return false;
}

/* How many words that are no options, nor their values, stand before the typed one. */
static size_t
plain_words(const struct asked *a, const struct usage_form *f, size_t from)
{
	size_t plain = 0;
	for (size_t i = from; i < a->count; i++) {
		const struct usage_option *o = option_of(f, a->words[i]);
		bool takes = o != NULL ? o->value.count > 0 : is_context_option(a, a->words[i]);
		if (takes)
			i++;
		else if (a->words[i][0] != '-' || a->words[i][1] == '\0')
			plain++;
	}
	return plain;
}

static void
offer_options(struct asked *a, const struct usage_form *f)
{
	for (size_t i = 0; i < f->options; i++)
		offer(a, (const char *)f->option[i].name.data, f->option[i].name.len, NULL);
}

/* One form whose literal words are those that were typed. */
static void
offer_of_form(struct asked *a, const struct usage_form *f)
{
	const char *before = a->count > 1 + f->subs ? a->words[a->count - 1] : "";
	const struct usage_option *o = option_of(f, before);
	if (o != NULL && o->value.count > 0) {
		offer_value(a, before, &o->value);
		return;
	}
	if (a->typed[0] == '-') {
		offer_options(a, f);
		return;
	}
	size_t n = plain_words(a, f, 1 + f->subs);
	if (n >= f->words && f->words > 0 && f->more[f->words - 1])
		n = f->words - 1;
	if (n >= f->words)
		return;
	if (strcmp(a->command->name, "context") == 0 && is_of(&f->sub[0], "use"))
		offer_contexts(a);
	else
		offer_value(a, "", &f->word[n]);
}

/* How many of the literal words of a form were typed; SIZE_MAX: others were. */
static size_t
subs_typed(const struct asked *a, const struct usage_form *f)
{
	size_t n = 0;
	for (; n < f->subs && 1 + n < a->count; n++)
		if (!is_of(&f->sub[n], a->words[1 + n]))
			return SIZE_MAX;
	return n;
}

static void
offer_of_command(struct asked *a)
{
	struct bytes text = bytes_of(a->command->usage);
	struct usage_form f;
	const char *before = a->words[a->count - 1];
	if (a->count > 1 && is_context_option(a, before)) {
		context_value(a, before);
		return;
	}
	while (usage_next(&text, bytes_of(a->command->name), &f)) {
		size_t typed = subs_typed(a, &f);
		if (typed == SIZE_MAX)
			continue;
		if (typed == f.subs)
			offer_of_form(a, &f);
		else
			for (size_t i = 0; i < f.sub[typed].count; i++)
				offer(a, (const char *)f.sub[typed].text[i].data,
				    f.sub[typed].text[i].len, NULL);
	}
	if (a->typed[0] == '-') {
		if (a->command->context)
			context_options(a);
		offer(a, "--help", 6, NULL);
	}
}

void
complete(FILE *to, const char *const *words, size_t count)
{
	if (count == 0)
		return;
	struct asked a = {
		.to = to, .words = words, .count = count - 1, .typed = words[count - 1]
	};
	if (a.count == 0) {
		offer_commands(&a);
		return;
	}
	a.command = command_find(words[0]);
	if (a.command != NULL)
		offer_of_command(&a);
}
