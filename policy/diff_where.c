/* The occasions of a cell in as few lines as say them. */
#include "policy/diff.h"

struct spot {
	const struct crowd *from;
	const struct topic_class *topic;
	const struct content_class *content; /* NULL: any */
	enum precedence low, high;
	struct names topics; /* once they are joined */
	bool gone;
};
struct spots {
	struct spot *items;
	size_t count;
};

/* Occasions come by sender, topic, content type, precedence. */
static void
gather(const struct cell *c, struct spots *out)
{
	for (size_t i = 0; i < c->scene->count; i++) {
		const struct occasion *o = &c->scene->occasions[i];
		const struct person *sender, *receiver;
		struct spot *last = out->count == 0 ? NULL : &out->items[out->count - 1];
		if (!crowd_pair(o->from, c->to, &sender, &receiver))
			continue;
		if (last != NULL && last->from == o->from && last->topic == o->topic &&
		    last->content == o->content && last->high + 1 == o->precedence)
			last->high = o->precedence;
		else
			out->items[out->count++] = (struct spot){ o->from, o->topic, o->content,
				o->precedence, o->precedence, { NULL, 0 }, false };
	}
}

static void
join_contents(struct spots *s, size_t contents)
{
	for (size_t i = 0; i < s->count; i++) {
		struct spot *x = &s->items[i];
		size_t n = 0;
		for (size_t pass = 0; pass < 2 && !x->gone; pass++)
			for (size_t k = i; k < s->count; k++) {
				struct spot *y = &s->items[k];
				if (y->gone || y->from != x->from || y->topic != x->topic ||
				    y->low != x->low || y->high != x->high)
					continue;
				if (pass == 0)
					n++;
				else if (n == contents && k > i)
					y->gone = true;
			}
		if (n == contents)
			x->content = NULL;
	}
}

static bool
join_topics(struct arena *a, struct spots *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct spot *x = &s->items[i];
		struct bytes *list = x->gone ? NULL : arena_zalloc(a, s->count, sizeof(*list));
		if (x->gone)
			continue;
		if (list == NULL)
			return false;
		for (size_t k = i; k < s->count; k++) {
			struct spot *y = &s->items[k];
			if (y->gone || y->from != x->from || y->content != x->content ||
			    y->low != x->low || y->high != x->high)
				continue;
			list[x->topics.count++] = y->topic->pattern;
			y->gone = k > i;
		}
		x->topics.items = list;
	}
	return true;
}

static size_t
count_senders(const struct spots *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->count; i++)
		n += s->items[i].gone ? 0 : s->items[i].from->count;
	return n;
}

static bool
join_senders(struct diff_making *m, struct spots *s, struct diff_where *out, size_t *count)
{
	for (size_t i = 0; i < s->count; i++) {
		struct spot *x = &s->items[i];
		if (x->gone)
			continue;
		struct bytes *list = arena_zalloc(m->arena, count_senders(s), sizeof(*list));
		size_t n = 0;
		if (list == NULL)
			return false;
		for (size_t k = i; k < s->count; k++) {
			struct spot *y = &s->items[k];
			if (y->gone || y->content != x->content || y->low != x->low ||
			    y->high != x->high || !names_equal(&x->topics, &y->topics))
				continue;
			for (size_t p = 0; p < y->from->count; p++)
				list[n++] = y->from->people[p].name;
			y->gone = k > i;
		}
		out[(*count)++] = (struct diff_where){ { list, n }, x->topics,
			x->content == NULL ? (struct bytes){ NULL, 0 } : x->content->name, x->low,
			x->high };
	}
	return true;
}

bool
diff_wheres(struct diff_making *m, const struct cell *c)
{
	struct spots s = { .items = arena_zalloc(m->arena, c->scene->count, sizeof(*s.items)) };
	struct diff_where *list;
	if (m->scene == c->scene && m->to == c->to)
		return true;
	if (s.items == NULL)
		return err_set(m->err, ERR_NOMEM, "rows");
	gather(c, &s);
	join_contents(&s, c->scenes->content_count);
	list = arena_zalloc(m->arena, s.count, sizeof(*list));
	m->where_count = 0;
	if (list == NULL || !join_topics(m->arena, &s) ||
	    !join_senders(m, &s, list, &m->where_count))
		return err_set(m->err, ERR_NOMEM, "rows");
	m->wheres = list;
	m->scene = c->scene;
	m->to = c->to;
	return true;
}
