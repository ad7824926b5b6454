#include "policy/scene.h"

#include "policy/party.h"
#include "policy/situation.h"

struct stage {
	struct arena *a;
	const struct agreement *const *of;
	const struct topic_class *topics;
	const struct content_class *contents;
	struct scenes *out;
	struct scene *items;
	size_t room, occasions;
	size_t *sizes; /* room of each scene's occasions */
	bool *key;     /* what is live now: both sides' rules, then both usable */
	size_t rules[2];
	struct err *err;
};

static bool
no_memory(struct stage *s)
{
	return err_set(s->err, ERR_NOMEM, "occasions");
}

/* A list with room for one more. */
static bool
grow(struct stage *s, void **list, size_t *room, size_t count, size_t size)
{
	if (count < *room)
		return true;
	size_t more = *room == 0 ? 8 : 2 * *room;
	void *out = arena_zalloc(s->a, more, size);
	if (out == NULL)
		return no_memory(s);
	if (count > 0)
		memcpy(out, *list, count * size);
	*list = out;
	*room = more;
	return true;
}

/* ---- what is live ---- */

static void
look(struct stage *s, size_t side, const struct occasion *o)
{
	const struct agreement *of = s->of[side];
	const struct member *m = o->from->people[0].member[side];
	struct facts f = { .originator = o->from->people[0].name,
		.topic = o->topic->witness,
		.precedence = o->precedence };
	bool *live = s->key + (side == 0 ? 0 : s->rules[0]);
	bool usable = of != NULL && m != NULL && m->may_originate && o->precedence <= m->at_most &&
		      agreement_covers(of, f.topic);
	s->key[s->rules[0] + s->rules[1] + side] = usable;
	for (size_t i = 0; of != NULL && i < of->rule_count; i++)
		live[i] = usable && rules_live(&of->rules[i], &f) &&
			  situation_content(&of->rules[i], o->content->witness);
}

/* ---- scenes ---- */

static bool
is_like(const struct stage *s, const struct scene *x)
{
	const bool *usable = s->key + s->rules[0] + s->rules[1];
	return x->usable[0] == usable[0] && x->usable[1] == usable[1] &&
	       memcmp(x->live[0], s->key, s->rules[0] + s->rules[1]) == 0;
}

static bool
new_scene(struct stage *s)
{
	size_t rules = s->rules[0] + s->rules[1], room = s->room;
	bool *live = arena_zalloc(s->a, rules, sizeof(*live));
	if (live == NULL)
		return no_memory(s);
	if (rules > 0)
		memcpy(live, s->key, rules);
	if (!grow(s, (void **)&s->items, &s->room, s->out->count, sizeof(*s->items)) ||
	    !grow(s, (void **)&s->sizes, &room, s->out->count, sizeof(*s->sizes)))
		return false;
	s->items[s->out->count++] = (struct scene){ { s->key[rules], s->key[rules + 1] },
		{ live, live + s->rules[0] }, NULL, 0 };
	return true;
}

static bool
add_occasion(struct stage *s, const struct occasion *o)
{
	size_t i = 0;
	if (s->occasions++ == SCENE_OCCASIONS)
		return err_set(s->err, ERR_LIMIT,
		    "more than %d classes of senders, topics, content types and precedences",
		    SCENE_OCCASIONS);
	look(s, 0, o);
	look(s, 1, o);
	while (i < s->out->count && !is_like(s, &s->items[i]))
		i++;
	if (i == s->out->count && !new_scene(s))
		return false;
	struct scene *x = &s->items[i];
	void *list = (void *)(uintptr_t)x->occasions;
	if (!grow(s, &list, &s->sizes[i], x->count, sizeof(*x->occasions)))
		return false;
	((struct occasion *)list)[x->count++] = *o;
	x->occasions = list;
	return true;
}

static bool
each_occasion(struct stage *s, const struct crowd *from)
{
	for (size_t t = 0; t < s->out->topic_count; t++)
		for (size_t c = 0; c < s->out->content_count; c++)
			for (enum precedence p = PRECEDENCE_ROUTINE; p <= PRECEDENCE_FLASH; p++)
				if (!add_occasion(s, &(struct occasion){
							 from, &s->topics[t], &s->contents[c], p }))
					return false;
	return true;
}

bool
scenes_of(struct arena *a, const struct agreement *const of[2], struct scenes *out, struct err *e)
{
	struct stage s = { .a = a, .of = of, .out = out, .err = e };
	*out = (struct scenes){ .count = 0 };
	for (size_t i = 0; i < 2; i++)
		s.rules[i] = of[i] == NULL ? 0 : of[i]->rule_count;
	s.key = arena_zalloc(a, s.rules[0] + s.rules[1] + 2, sizeof(*s.key));
	if (s.key == NULL)
		return no_memory(&s);
	if (!crowds_of(a, of, &out->crowds, e) ||
	    !topics_classes(a, of, 2, &s.topics, &out->topic_count, e) ||
	    !contents_classes(a, of, 2, &s.contents, &out->content_count, e))
		return false;
	for (size_t i = 0; i < out->crowds.sender_count; i++)
		if (!each_occasion(&s, &out->crowds.senders[i]))
			return false;
	out->items = s.items;
	return true;
}
