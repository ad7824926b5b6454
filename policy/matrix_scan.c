#include "policy/matrix_scan.h"

#include "policy/marking.h"

struct found { /* of one member, vocabulary and classification */
	bool released, held;
	bool hopeless;	   /* of the label tried without a value: none can help */
	uint32_t x, y;	   /* the first label released; VOCAB_NONE: without */
	bool bare;	   /* released without any value */
	uint64_t *alone;   /* values that each suffice */
	uint64_t *carries; /* that may stand beside x and y */
	const struct raw_label *beside;
	struct bytes held_by;
};

struct label_tried {
	size_t vocab;
	uint32_t class_, x, y; /* VOCAB_NONE: without */
	const struct raw_label *beside;
	const bool *who; /* members that it is tried for; NULL: all */
};

static bool
no_memory(const struct scan *s)
{
	return err_set(s->err, ERR_NOMEM, "matrix");
}

static struct found *
found_of(const struct scan *s, size_t member, size_t vocab, uint32_t class_)
{
	return &s->found[member * s->per_member + s->first[vocab] + class_];
}

static const struct vocab *
vocab_of(const struct scan *s, size_t vocab)
{
	return epoch_vocab_at(s->ask->epoch, vocab);
}

/* ---- one try ---- */

bool
scan_judge(struct scan *s, const struct raw_label *labels, size_t count, struct arena *a,
    struct decisions *out)
{
	struct fact_agreement named = { .name = s->agreement->name };
	struct fact_portion portion = { labels, count, s->facts.portions[0].content_type };
	struct facts f = s->facts;
	if (++*s->tries > s->ask->most)
		return err_set(s->err, ERR_INTERNAL,
		    "not decided: more than %llu labels to try; narrow it with --from, --to, "
		    "--agreement, --topic or --label",
		    (unsigned long long)s->ask->most);
	f.agreements = &named;
	f.agreement_count = 1;
	f.portions = &portion;
	return policy_decide(s->ask->epoch, &f, a, out, s->err);
}

static bool
make_label(
    const struct scan *s, const struct label_tried *l, struct arena *a, struct raw_label *out)
{
	const struct vocab *v = vocab_of(s, l->vocab);
	uint64_t *values = arena_zalloc(a, v->words, sizeof(*values));
	struct label label = { v, l->class_, values };
	if (values == NULL)
		return no_memory(s);
	if (l->x != VOCAB_NONE)
		vocab_put(values, l->x);
	if (l->y != VOCAB_NONE)
		vocab_put(values, l->y);
	return marking_raw(a, &label, out, s->err);
}

/* One more value on the label cannot help. */
static bool
is_hopeless(const struct vocab *v, enum reason reason)
{
	if (reason == REASON_NO_RELEASABILITY) /* it wants another label beside it */
		return v->releasability == VOCAB_NONE;
	return reason == REASON_CLASSIFICATION || reason == REASON_NO_CLEARANCE ||
	       reason == REASON_RESTRICTIVE || reason == REASON_PERMISSIVE;
}

static bool
keep_value(const struct scan *s, uint64_t **set, const struct vocab *v, uint32_t value)
{
	if (*set == NULL)
		*set = arena_zalloc(s->scratch, v->words, sizeof(**set));
	if (*set == NULL)
		return no_memory(s);
	vocab_put(*set, value);
	return true;
}

static bool
note_release(const struct scan *s, const struct label_tried *l, struct found *f)
{
	if (!f->released) {
		f->released = true;
		f->x = l->x;
		f->y = l->y;
		f->beside = l->beside;
	}
	if (f->beside != l->beside || l->y != VOCAB_NONE)
		return true;
	if (l->x != VOCAB_NONE)
		return keep_value(s, &f->alone, vocab_of(s, l->vocab), l->x);
	f->bare = true;
	return true;
}

static bool
note(const struct scan *s, const struct label_tried *l, size_t member,
    const struct portion_decision *p)
{
	struct found *f = found_of(s, member, l->vocab, l->class_);
	if (p->verdict == VERDICT_RELEASE)
		return note_release(s, l, f);
	if (p->verdict == VERDICT_HOLD && !f->held) {
		f->held = true;
		f->held_by = p->rule; /* the epoch's */
	}
	if (l->x == VOCAB_NONE)
		f->hopeless = is_hopeless(vocab_of(s, l->vocab), p->reason);
	return true;
}

typedef bool taker(const struct scan *s, const struct label_tried *l, size_t member,
    const struct portion_decision *p);

/* Tries a label and gives each member's answer to 'take'.  *open (may be NULL): somebody's answer
 * might be another with one more value. */
static bool
try_label(struct scan *s, const struct label_tried *l, taker *take, bool *open)
{
	struct arena a;
	struct raw_label labels[2];
	struct decisions d;
	arena_init(&a, 64u << 20);
	size_t count = l->beside == NULL ? 1 : 2, member = 0;
	bool ok = make_label(s, l, &a, &labels[0]);
	if (l->beside != NULL)
		labels[1] = *l->beside;
	ok = ok && scan_judge(s, labels, count, &a, &d);
	if (ok && open != NULL)
		*open = d.refusal.code != ERR_NONE;
	for (size_t i = 0; ok && i < d.recipient_count; i++) {
		const struct portion_decision *p = &d.recipients[i].portions[0];
		while (s->agreement->members[member].party != d.recipients[i].party)
			member++;
		if (l->who != NULL && !l->who[member])
			continue;
		if (open != NULL && p->verdict != VERDICT_RELEASE &&
		    !is_hopeless(vocab_of(s, l->vocab), p->reason))
			*open = true;
		ok = take(s, l, member, p);
	}
	arena_done(&a);
	return ok;
}

/* ---- a classification ---- */

/* Members that receive, got nothing of this classification, and whom a value might help. */
static bool
somebody_waits(const struct scan *s, size_t vocab, uint32_t class_)
{
	for (size_t m = 0; m < s->agreement->member_count; m++) {
		const struct found *f = found_of(s, m, vocab, class_);
		if (s->agreement->members[m].may_receive && !f->released && !f->hopeless)
			return true;
	}
	return false;
}

static bool
try_pairs(struct scan *s, struct label_tried l, const bool *open)
{
	const struct vocab *v = vocab_of(s, l.vocab);
	uint32_t r = v->releasability;
	for (l.x = 0; l.x < v->value_count; l.x++) {
		bool first = r == VOCAB_NONE || vocab_has(v->categories[r].mask, l.x);
		for (l.y = 0; l.y < v->value_count && first && open[l.x]; l.y++)
			if (l.y != l.x && !try_label(s, &l, note, NULL))
				return false;
	}
	return true;
}

static bool
try_class(struct scan *s, struct label_tried l)
{
	const struct vocab *v = vocab_of(s, l.vocab);
	bool *open = arena_zalloc(s->scratch, v->value_count, sizeof(*open));
	if (open == NULL)
		return no_memory(s);
	l.x = l.y = VOCAB_NONE;
	if (!try_label(s, &l, note, NULL))
		return false;
	if (!somebody_waits(s, l.vocab, l.class_))
		return true;
	for (l.x = 0; l.x < v->value_count; l.x++)
		if (!try_label(s, &l, note, &open[l.x]))
			return false;
	if (l.beside != NULL || !somebody_waits(s, l.vocab, l.class_))
		return true;
	return try_pairs(s, l, open);
}

/* ---- beside another label ---- */

static uint32_t
lowest_released(const struct scan *s, size_t member, size_t vocab)
{
	const struct vocab *v = vocab_of(s, vocab);
	uint32_t low = VOCAB_NONE;
	for (uint32_t c = 0; c < v->class_count; c++)
		if (found_of(s, member, vocab, c)->released &&
		    (low == VOCAB_NONE || v->classes[c].hierarchy < v->classes[low].hierarchy))
			low = c;
	return low;
}

/* The lowest label of the first vocabulary with releasability that goes to the member. */
static bool
companion_of(const struct scan *s, size_t member, struct label_tried *out)
{
	for (size_t i = 0; i < epoch_vocab_count(s->ask->epoch); i++) {
		uint32_t c = lowest_released(s, member, i);
		if (c == VOCAB_NONE || vocab_of(s, i)->releasability == VOCAB_NONE)
			continue;
		const struct found *f = found_of(s, member, i, c);
		*out = (struct label_tried){ .vocab = i, .class_ = c, .x = f->x, .y = f->y };
		return true;
	}
	return false;
}

static bool
same_label(const struct label_tried *a, const struct label_tried *b)
{
	return a->vocab == b->vocab && a->class_ == b->class_ && a->x == b->x && a->y == b->y;
}

/* Every classification of a vocabulary without releasability beside each member's companion. */
static bool
try_beside(struct scan *s, size_t vocab)
{
	size_t members = s->agreement->member_count;
	bool *who = arena_zalloc(s->scratch, members, sizeof(*who));
	bool *done = arena_zalloc(s->scratch, members, sizeof(*done));
	if (who == NULL || done == NULL)
		return no_memory(s);
	for (size_t m = 0; m < members; m++) {
		struct label_tried beside, other;
		if (done[m] || !companion_of(s, m, &beside))
			continue;
		struct raw_label *raw = arena_zalloc(s->arena, 1, sizeof(*raw));
		if (raw == NULL)
			return no_memory(s);
		if (!make_label(s, &beside, s->arena, raw))
			return false;
		for (size_t k = 0; k < members; k++) {
			who[k] =
			    k >= m && companion_of(s, k, &other) && same_label(&beside, &other);
			done[k] = done[k] || who[k];
		}
		for (uint32_t c = 0; c < vocab_of(s, vocab)->class_count; c++)
			if (!try_class(
				s, (struct label_tried){
				       .vocab = vocab, .class_ = c, .beside = raw, .who = who }))
				return false;
	}
	return true;
}

/* ---- what may stand on the highest besides ---- */

static uint32_t
highest_of(const struct scan *s, size_t member, size_t vocab, bool held)
{
	const struct vocab *v = vocab_of(s, vocab);
	uint32_t high = VOCAB_NONE;
	for (uint32_t c = 0; c < v->class_count; c++) {
		const struct found *f = found_of(s, member, vocab, c);
		if ((held ? f->held && !f->released : f->released) &&
		    (high == VOCAB_NONE || v->classes[c].hierarchy > v->classes[high].hierarchy))
			high = c;
	}
	return high;
}

static bool
note_carried(const struct scan *s, const struct label_tried *l, size_t member,
    const struct portion_decision *p)
{
	struct found *f = found_of(s, member, l->vocab, l->class_);
	uint32_t more = f->x == VOCAB_NONE ? l->x : l->y;
	if (p->verdict != VERDICT_RELEASE)
		return true;
	return keep_value(s, &f->carries, vocab_of(s, l->vocab), more);
}

/* More values of a permissive category that the label has open it to more, and say nothing new. */
static bool
says_nothing(const struct vocab *v, uint32_t on_label, uint32_t more)
{
	uint32_t c = v->values[more].category;
	return on_label != VOCAB_NONE && v->values[on_label].category == c &&
	       v->categories[c].type == VOCAB_PERMISSIVE;
}

/* Values beside the label that was found first, for all whose label that is. */
static bool
try_carried(struct scan *s, struct label_tried l)
{
	uint32_t x = l.x;
	for (uint32_t i = 0; i < vocab_of(s, l.vocab)->value_count; i++) {
		if (i == x || says_nothing(vocab_of(s, l.vocab), x, i))
			continue;
		l.x = x == VOCAB_NONE ? i : x;
		l.y = x == VOCAB_NONE ? VOCAB_NONE : i;
		if (!try_label(s, &l, note_carried, NULL))
			return false;
	}
	return true;
}

static bool
try_highest(struct scan *s, size_t vocab)
{
	size_t members = s->agreement->member_count;
	bool *who = arena_zalloc(s->scratch, members, sizeof(*who));
	bool *done = arena_zalloc(s->scratch, members, sizeof(*done));
	if (who == NULL || done == NULL)
		return no_memory(s);
	for (size_t m = 0; m < members; m++) {
		uint32_t c = highest_of(s, m, vocab, false);
		if (done[m] || c == VOCAB_NONE)
			continue;
		const struct found *f = found_of(s, m, vocab, c);
		if (f->y != VOCAB_NONE)
			continue; /* it stands on two already */
		for (size_t k = 0; k < members; k++) {
			const struct found *g = found_of(s, k, vocab, c);
			who[k] = k >= m && highest_of(s, k, vocab, false) == c && g->x == f->x &&
				 g->y == f->y && g->beside == f->beside;
			done[k] = done[k] || who[k];
		}
		if (!try_carried(s, (struct label_tried){ vocab, c, f->x, VOCAB_NONE,
					.beside = f->beside, .who = who }))
			return false;
	}
	return true;
}

/* ---- all of it ---- */

static bool
prepare(struct scan *s)
{
	size_t vocabs = epoch_vocab_count(s->ask->epoch), n = 0;
	s->first = arena_zalloc(s->scratch, vocabs, sizeof(*s->first));
	if (s->first == NULL)
		return no_memory(s);
	for (size_t i = 0; i < vocabs; i++) {
		s->first[i] = n;
		n += vocab_of(s, i)->class_count;
	}
	s->per_member = n;
	s->found = arena_zalloc(s->scratch, n * s->agreement->member_count, sizeof(*s->found));
	return s->found != NULL || no_memory(s);
}

static bool
try_vocab(struct scan *s, size_t vocab)
{
	for (uint32_t c = 0; c < vocab_of(s, vocab)->class_count; c++)
		if (!try_class(s, (struct label_tried){ .vocab = vocab, .class_ = c }))
			return false;
	return true;
}

bool
scan_run(struct scan *s)
{
	size_t vocabs = epoch_vocab_count(s->ask->epoch);
	if (!prepare(s))
		return false;
	for (size_t i = 0; i < vocabs; i++)
		if (!try_vocab(s, i))
			return false;
	for (size_t i = 0; i < vocabs; i++)
		if (vocab_of(s, i)->releasability == VOCAB_NONE && !try_beside(s, i))
			return false;
	for (size_t i = 0; i < vocabs; i++)
		if (!try_highest(s, i))
			return false;
	return true;
}

/* A set for the cell; the scratch ends with the scan. */
static bool
keep_set(const struct scan *s, const struct vocab *v, const uint64_t *set, const uint64_t **out)
{
	if (set == NULL)
		return true;
	uint64_t *copy = arena_zalloc(s->arena, v->words, sizeof(*copy));
	if (copy == NULL)
		return no_memory(s);
	for (uint32_t w = 0; w < v->words; w++)
		copy[w] = set[w];
	*out = copy;
	return true;
}

bool
scan_cell(struct scan *s, size_t member, size_t vocab, struct matrix_cell *out)
{
	const struct vocab *v = vocab_of(s, vocab);
	struct matrix_cell cell = { .highest = highest_of(s, member, vocab, false) };
	for (uint32_t c = 0; c < v->class_count; c++) {
		const struct found *f = found_of(s, member, vocab, c);
		cell.released |= (uint64_t)f->released << c;
		cell.held |= (uint64_t)(f->held && !f->released) << c;
	}
	uint32_t held = highest_of(s, member, vocab, true);
	if (held != VOCAB_NONE)
		cell.held_by = found_of(s, member, vocab, held)->held_by;
	if (cell.highest != VOCAB_NONE) {
		const struct found *f = found_of(s, member, vocab, cell.highest);
		struct label_tried l = { vocab, cell.highest, f->x, f->y, NULL, NULL };
		struct raw_label *raw = arena_zalloc(s->arena, 1, sizeof(*raw));
		if (raw == NULL || !make_label(s, &l, s->arena, raw))
			return no_memory(s);
		cell.label = raw;
		cell.bare = f->bare;
		if (!keep_set(s, v, f->bare ? NULL : f->alone, &cell.one_of) ||
		    !keep_set(s, v, f->carries, &cell.carries))
			return false;
		cell.beside = f->beside;
	}
	*out = cell;
	return true;
}
