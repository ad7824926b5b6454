#include "client/cli/usage.h"

#include <ctype.h>
#include <string.h>

enum kind { END, WORD, OPTION, OPEN, CLOSE, CHOICE, NEXT_FORM };
struct token {
	enum kind kind;
	struct bytes text;
};

static size_t
word_length(struct bytes t)
{
	size_t n = 0;
	if (t.data[0] == '\'') { /* several words that are one */
		for (n = 1; n < t.len && t.data[n] != '\'';)
			n++;
		return n < t.len ? n + 1 : n;
	}
	while (n < t.len && strchr(" \n[]|", t.data[n]) == NULL)
		n++;
	return n;
}

static struct token
take(struct bytes *t, enum kind kind, size_t n)
{
	struct token out = { kind, bytes_from(t->data, n) };
	*t = bytes_from(t->data + n, t->len - n);
	return out;
}

static struct token
token_next(struct bytes *t)
{
	bool space = false;
	while (t->len > 0 && isspace(t->data[0])) {
		space = true;
		(void)take(t, END, 1);
	}
	if (t->len == 0)
		return (struct token){ END, { NULL, 0 } };
	switch (t->data[0]) {
	case '[':
		return take(t, OPEN, 1);
	case ']':
		return take(t, CLOSE, 1);
	case '|':
		return take(t, space ? NEXT_FORM : CHOICE, 1);
	default:
		break;
	}
	size_t n = word_length(*t);
	bool option = n > 2 && memcmp(t->data, "--", 2) == 0;
	return take(t, option ? OPTION : WORD, n);
}

/* Without the ".." that says that it may repeat. */
static struct bytes
bare(struct bytes w, bool *more)
{
	*more = w.len > 2 && memcmp(w.data + w.len - 2, "..", 2) == 0;
	return *more ? bytes_from(w.data, w.len - 2) : w;
}

static void
add_choice(struct usage_choices *c, struct bytes text)
{
	if (c->count < USAGE_CHOICES)
		c->text[c->count++] = text;
}

/* "a|b|c": what follows a first word. */
static void
more_choices(struct bytes *t, struct usage_choices *c, bool *more)
{
	for (;;) {
		struct bytes at = *t;
		if (token_next(&at).kind != CHOICE)
			return;
		struct bytes bar = at;
		struct token w = token_next(&at);
		if (w.kind != WORD) { /* "A|--option": an option of its own */
			*t = bar;
			return;
		}
		add_choice(c, bare(w.text, more));
		*t = at;
	}
}

static void
add_option(struct bytes *t, struct usage_form *f, struct bytes name)
{
	struct usage_option o = { .name = name }, *to = &o;
	if (f->options < USAGE_OPTIONS)
		to = &f->option[f->options++];
	*to = o;
	bool more;
	to->name = bare(name, &more);
	struct bytes at = *t;
	struct token w = token_next(&at);
	if (w.kind != WORD)
		return;
	*t = at;
	add_choice(&to->value, bare(w.text, &more));
	more_choices(t, &to->value, &more);
}

static bool
is_literal(struct bytes w)
{
	return w.len > 0 && islower(w.data[0]);
}

static void
add_word(struct bytes *t, struct usage_form *f, struct bytes text, unsigned depth)
{
	struct usage_choices c = { 0 };
	bool more;
	add_choice(&c, bare(text, &more));
	more_choices(t, &c, &more);
	if (is_literal(c.text[0]) && depth == 0 && f->words + f->options == 0 &&
	    f->subs < USAGE_SUBS)
		f->sub[f->subs++] = c;
	else if (f->words < USAGE_WORDS) {
		f->more[f->words] = more;
		f->word[f->words++] = c;
	}
}

bool
usage_next(struct bytes *text, struct bytes command, struct usage_form *out)
{
	unsigned depth = 0;
	bool any = false;
	*out = (struct usage_form){ 0 };
	for (;;) {
		struct bytes before = *text;
		struct token t = token_next(text);
		if (t.kind == END)
			return any;
		if (t.kind == NEXT_FORM && depth == 0 && any)
			return true;
		if (t.kind == WORD && bytes_equal(t.text, bytes_of("relto"))) {
			if (!any)
				continue;
			*text = before;
			return true;
		}
		depth += t.kind == OPEN;
		depth -= t.kind == CLOSE && depth > 0;
		if (t.kind == OPTION)
			add_option(text, out, t.text);
		else if (t.kind == WORD && (any || !bytes_equal(t.text, command)))
			add_word(text, out, t.text, depth);
		any |= t.kind != NEXT_FORM;
	}
}
