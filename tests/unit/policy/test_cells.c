/* Cells against the kernel asked about every label there is: small vocabularies, random policies.
 * RELTO_CHECK_FULL=1 makes it many more. */
#include "tests/unit/policy/cells_rig.h"

/* ---- every label ---- */

struct all { /* the labels of one vocabulary, by both policies' names */
	struct raw_label items[LABELS];
	size_t count;
};

static bool
is_listed(const struct names *list, struct bytes name)
{
	for (size_t i = 0; i < list->count; i++)
		if (vocab_same_name(list->items[i], name))
			return true;
	return false;
}

static void
add_name(struct bytes *list, size_t *count, struct bytes name)
{
	struct names known = { list, *count };
	if (!is_listed(&known, name))
		list[(*count)++] = name;
}

static void
make_all(struct rig *r, const struct epoch *const epochs[2], const char *name, struct all *out)
{
	struct bytes classes[8], values[3][8], sets[3];
	size_t class_count = 0, set_count = 0, value_count[3] = { 0, 0, 0 }, bits = 0;
	for (size_t s = 0; s < 2; s++) {
		const struct vocab *v = epoch_vocab(epochs[s], bytes_of(name));
		for (uint32_t i = 0; i < v->class_count; i++)
			add_name(classes, &class_count, v->classes[i].name);
		for (uint32_t t = 0; t < v->tagset_count; t++) {
			add_name(sets, &set_count, v->tagsets[t].name);
			for (uint32_t i = 0; i < v->value_count; i++)
				if (v->values[i].tagset == t)
					add_name(values[t], &value_count[t], v->values[i].name);
		}
	}
	for (size_t t = 0; t < set_count; t++)
		bits += value_count[t];
	out->count = 0;
	for (size_t c = 0; c < class_count; c++)
		for (unsigned pick = 0; pick < 1u << bits; pick++) {
			struct raw_category *k = arena_zalloc(&r->arena, 3, sizeof(*k));
			size_t n = 0, at = 0;
			for (size_t t = 0; t < set_count; t++) {
				struct bytes *in = arena_zalloc(&r->arena, 8, sizeof(*in));
				size_t have = 0;
				for (size_t i = 0; i < value_count[t]; i++)
					if ((pick >> at++ & 1) != 0)
						in[have++] = values[t][i];
				if (have > 0)
					k[n++] = (struct raw_category){ sets[t], { in, have } };
			}
			assert_true(out->count < LABELS);
			out->items[out->count++] =
			    (struct raw_label){ bytes_of(name), classes[c], k, n };
		}
}

static bool
in_crowd(const struct crowd *c, struct bytes name)
{
	for (size_t i = 0; i < c->count; i++)
		if (bytes_equal(c->people[i].name, name))
			return true;
	return false;
}

struct asked { /* a report, but for its labels */
	struct bytes from, topic, type;
	enum precedence precedence;
	uint64_t time;
};

static const struct occasion *
on_occasion(const struct cell *c, const struct asked *q)
{
	for (size_t i = 0; i < c->scene->count; i++) {
		const struct occasion *o = &c->scene->occasions[i];
		if (in_crowd(o->from, q->from) && bytes_equal(o->topic->witness, q->topic) &&
		    bytes_equal(o->content->witness, q->type) && o->precedence == q->precedence)
			return o;
	}
	return NULL;
}

/* By party: the kernel's verdicts of one portion. */
static void
decide(const struct epoch *p, const struct asked *q, const struct raw_label *labels, size_t count,
    enum verdict out[PARTIES])
{
	struct arena a;
	struct fact_agreement named = { .name = bytes_of("g") };
	struct fact_portion portion = { labels, count, q->type };
	struct facts f = { .originator = q->from,
		.topic = q->topic,
		.precedence = q->precedence,
		.mode = MODE_LIVE,
		.time = q->time,
		.accepted = q->time,
		.signer = SIGNER_GOOD,
		.agreements = &named,
		.agreement_count = 1,
		.portions = &portion,
		.portion_count = 1 };
	struct decisions d;
	struct err e = { 0 };
	arena_init(&a, 1 << 20);
	assert_true(policy_decide(p, &f, &a, &d, &e));
	for (size_t i = 0; i < PARTIES; i++)
		out[i] = VERDICT_WITHHOLD;
	for (size_t i = 0; d.refusal.code == ERR_NONE && i < d.recipient_count; i++)
		out[d.recipients[i].recipient.data[1] - '0'] = d.recipients[i].portions[0].verdict;
	arena_done(&a);
}

struct every {
	struct world *world;
	struct all a, b, c;
	size_t changed; /* portions */
};

static int
sign(int x)
{
	return (x > 0) - (x < 0);
}

static bool
has_class(const struct raw_label *labels, size_t count, const struct raw_label *like)
{
	for (size_t i = 0; i < count; i++)
		if (vocab_same_name(labels[i].vocabulary, like->vocabulary) &&
		    vocab_same_name(labels[i].classification, like->classification))
			return true;
	return false;
}

/* A cell that tells a difference of this portion, of its direction, in labels of its classes. */
static bool
is_told(const struct world *w, const struct asked *q, size_t to, const struct raw_label *labels,
    size_t count, const enum verdict v[2])
{
	const char name[] = { 'P', (char)('0' + to), 0 };
	for (size_t i = 0; i < w->kept->count; i++) {
		const struct cell *c = &w->kept->items[i];
		bool like = sign((int)c->said[0].verdict - (int)c->said[1].verdict) ==
			    sign((int)v[0] - (int)v[1]);
		if (count == 1) /* alone: exactly */
			like = like && c->label_count == 1 && c->said[0].verdict == v[0] &&
			       c->said[1].verdict == v[1];
		for (size_t k = 0; like && k < c->own_count; k++)
			like = has_class(labels, count, &c->labels[k]);
		if (like && in_crowd(c->to, bytes_of(name)) && on_occasion(c, q) != NULL)
			return true;
	}
	return false;
}

static void
check_portion(
    struct every *all, const struct asked *q, const struct raw_label *labels, size_t count)
{
	struct world *w = all->world;
	enum verdict v[2][PARTIES];
	for (size_t s = 0; s < 2; s++)
		decide(w->epochs[s], q, labels, count, v[s]);
	for (size_t i = 0; i < PARTIES; i++) {
		enum verdict one[2] = { v[0][i], v[1][i] };
		if (one[0] == one[1])
			continue;
		all->changed++;
		if (is_told(w, q, i, labels, count, one))
			continue;
		print_error("%.*s to P%zu: %zu labels of %.*s %.*s: %d -> %d is not told\n",
		    (int)q->from.len, (const char *)q->from.data, i, count,
		    (int)labels[0].vocabulary.len, (const char *)labels[0].vocabulary.data,
		    (int)labels[0].classification.len, (const char *)labels[0].classification.data,
		    one[0], one[1]);
		fail();
	}
}

static void
check_labels(struct every *w, const struct asked *q, bool triples)
{
	const struct all *all[] = { &w->a, &w->b, &w->c };
	struct raw_label l[3];
	for (size_t x = 0; x < 3; x++)
		for (size_t i = 0; i < all[x]->count; i++) {
			l[0] = all[x]->items[i];
			check_portion(w, q, l, 1);
			for (size_t y = x + 1; y < 3; y++)
				for (size_t k = 0; k < all[y]->count; k++) {
					l[1] = all[y]->items[k];
					check_portion(w, q, l, 2);
				}
		}
	for (size_t n = 0; triples && n < 500; n++) {
		for (size_t x = 0; x < 3; x++)
			l[x] = all[x]->items[chance((unsigned)all[x]->count)];
		check_portion(w, q, l, 3);
	}
}

/* Each row holds, by the kernel, for all parties and occasions that it names. */
static void
check_rows(const struct world *w)
{
	for (size_t i = 0; i < w->kept->count; i++) {
		const struct cell *c = &w->kept->items[i];
		assert_true(c->said[0].verdict != c->said[1].verdict);
		for (size_t k = 0; k < c->scene->count; k++) {
			const struct occasion *o = &c->scene->occasions[k];
			for (size_t f = 0; f < o->from->count; f++) {
				struct asked q = { o->from->people[f].name, o->topic->witness,
					o->content->witness, o->precedence, c->time };
				enum verdict v[2][PARTIES];
				for (size_t s = 0; s < 2; s++)
					decide(w->epochs[s], &q, c->labels, c->label_count, v[s]);
				for (size_t t = 0; t < c->to->count; t++) {
					size_t to = c->to->people[t].name.data[1] - '0';
					if (bytes_equal(c->to->people[t].name, q.from))
						continue;
					assert_int_equal(c->said[0].verdict, v[0][to]);
					assert_int_equal(c->said[1].verdict, v[1][to]);
				}
			}
		}
	}
}

static struct asked
some_report(void)
{
	static const char *const froms[] = { "P0", "P1", "P2" };
	return (struct asked){ .from = bytes_of(ONE_OF(froms)), .precedence = 1 + chance(3) };
}

/* Every occasion once is too long: a few of each round, of all topics and types. */
static void
check_world(struct every *all, bool full)
{
	struct world *w = all->world;
	const struct agreement *of[2];
	struct scenes scenes;
	struct err e = { 0 };
	for (size_t s = 0; s < 2; s++)
		of[s] = epoch_agreement(w->epochs[s], bytes_of("g"));
	assert_true(scenes_of(&w->old.arena, of, &scenes, &e));
	for (size_t n = 0; scenes.count > 0 && n < (full ? 12 : 4); n++) {
		const struct scene *x = &scenes.items[chance((unsigned)scenes.count)];
		const struct occasion *o = &x->occasions[chance((unsigned)x->count)];
		struct asked q = some_report();
		q.time = w->until == LATER && n % 2 == 0 ? LATER - 1 : TIME;
		q.topic = o->topic->witness;
		q.type = o->content->witness;
		q.precedence = o->precedence;
		q.from = o->from->people[chance((unsigned)o->from->count)].name;
		check_labels(all, &q, full);
	}
}

static void
no_difference_hides_and_no_row_is_false(void **state)
{
	struct world world, *w = &world;
	struct every *all = calloc(1, sizeof(*all));
	struct kept *kept = calloc(1, sizeof(*kept));
	struct rig keeper;
	size_t rounds = is_full() ? 400 : 40, told = 0, mixed = 0;
	(void)state;
	assert_non_null(all);
	assert_non_null(kept);
	rig_init(&keeper);
	for (size_t n = 0, good = 0; good < rounds; n++) {
		seed = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
		*w = (struct world){ .kept = kept };
		if (new_world(&keeper, w, n % 3 == 0 ? 0 : 4)) {
			good++;
			mixed +=
			    vocab_class(
				epoch_vocab(w->epochs[0], bytes_of("A")), bytes_of("TOP")) !=
			    vocab_class(epoch_vocab(w->epochs[1], bytes_of("A")), bytes_of("TOP"));
			if (n % 4 < 2)
				w->until = LATER;
			compare(w, false, n % 2 == 0);
			check_rows(w);
			*all = (struct every){ .world = w, .changed = all->changed };
			make_all(&w->old, w->epochs, "A", &all->a);
			make_all(&w->old, w->epochs, "B", &all->b);
			make_all(&w->old, w->epochs, "C", &all->c);
			check_world(all, is_full());
			told += kept->count;
		}
		done_world(w);
		assert_true(n < 50 * rounds);
	}
	print_message("%zu pairs of policies, %zu of two SPIFs, %zu cells, %zu portions changed\n",
	    rounds, mixed, told, all->changed);
	assert_true(told > 0 && all->changed > 0);
	assert_true(mixed > 0); /* SPIFs of which each knows what the other does not */
	rig_done(&keeper);
	free(kept);
	free(all);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_difference_hides_and_no_row_is_false),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
