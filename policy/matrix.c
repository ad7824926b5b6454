#include "policy/matrix.h"

#include "policy/contents.h"
#include "policy/matrix_scan.h"
#include "policy/topics.h"

struct making {
	const struct matrix_ask *ask;
	struct arena *arena;
	struct matrix_row *rows;
	size_t count, room;
	uint64_t tries;
	struct err *err;
};

/* One agreement while its rows are made. */
struct ledger {
	struct making *m;
	const struct agreement *agreement;
	const struct topic_class *topics;
	size_t topic_count;
	const struct content_class *contents;
	size_t content_count;
	bool precedence[PRECEDENCE_FLASH + 2]; /* a rule treats it otherwise than the one below */
};

static bool
no_memory(struct making *m)
{
	return err_set(m->err, ERR_NOMEM, "matrix");
}

static bool
add_row(struct making *m, const struct matrix_row *row)
{
	if (m->count == m->room) {
		size_t room = m->room == 0 ? 64 : m->room * 2;
		struct matrix_row *rows = arena_zalloc(m->arena, room, sizeof(*rows));
		if (rows == NULL)
			return no_memory(m);
		for (size_t i = 0; i < m->count; i++)
			rows[i] = m->rows[i];
		m->rows = rows;
		m->room = room;
	}
	m->rows[m->count++] = *row;
	return true;
}

/* ---- the classes of topics, content types and precedences ---- */

static void
precedence_matters(struct ledger *l, const struct condition *c)
{
	l->precedence[c->at_most ? c->precedence + 1 : c->precedence] = true;
}

static bool
find_classes(struct ledger *l)
{
	const struct agreement *a = l->agreement;
	for (size_t i = 0; i < a->rule_count; i++)
		for (size_t k = 0; k < a->rules[i].condition_count; k++)
			if (a->rules[i].conditions[k].kind == CONDITION_PRECEDENCE)
				precedence_matters(l, &a->rules[i].conditions[k]);
	return contents_classes(l->m->arena, &a, 1, &l->contents, &l->content_count, l->m->err);
}

/* The classes of topics, or the one that was asked for. */
static bool
find_topics(struct ledger *l)
{
	struct bytes one = l->m->ask->topic;
	if (one.data == NULL &&
	    topics_classes(l->m->arena, &l->agreement, 1, &l->topics, &l->topic_count, l->m->err))
		return true;
	if (one.data == NULL)
		return l->m->err->code == ERR_LIMIT
			   ? err_set(l->m->err, ERR_LIMIT,
				 "the topics of agreement '%.*s' fall into too many classes: say "
				 "which with --topic",
				 (int)l->agreement->name.len, (const char *)l->agreement->name.data)
			   : false;
	struct topic_class *only = arena_zalloc(l->m->arena, 1, sizeof(*only));
	if (only == NULL)
		return no_memory(l->m);
	*only = (struct topic_class){ one, one };
	l->topics = only;
	l->topic_count = agreement_covers(l->agreement, one) ? 1 : 0;
	return true;
}

/* ---- one sender ---- */

static bool
wanted(struct bytes filter, struct bytes name)
{
	return filter.data == NULL || bytes_equal(filter, name);
}

static bool
wants_member(const struct ledger *l, const struct party *from, const struct member *to)
{
	return to->may_receive && to->party != from && wanted(l->m->ask->to, to->party->name);
}

static bool
add_labels(struct ledger *l, struct scan *s, struct matrix_row *row)
{
	const struct matrix_ask *q = l->m->ask;
	struct decisions d;
	if (!scan_judge(s, q->labels, q->label_count, l->m->arena, &d))
		return false;
	if (d.refusal.code != ERR_NONE) {
		struct bytes why = d.refusal.detail;
		return err_set(l->m->err, ERR_DATA, "%.*s", (int)why.len, (const char *)why.data);
	}
	for (size_t i = 0; i < d.recipient_count; i++) {
		const struct portion_decision *p = &d.recipients[i].portions[0];
		if (!wanted(q->to, d.recipients[i].recipient))
			continue;
		row->to = d.recipients[i].party;
		row->verdict = p->verdict;
		row->reason = p->reason;
		row->rule = p->rule;
		if (!add_row(l->m, row))
			return false;
	}
	return true;
}

static bool
add_cells(struct ledger *l, struct scan *s, struct matrix_row *row)
{
	const struct agreement *a = l->agreement;
	if (!scan_run(s))
		return false;
	for (size_t i = 0; i < a->member_count; i++) {
		if (!wants_member(l, row->from, &a->members[i]))
			continue;
		row->to = a->members[i].party;
		for (size_t v = 0; v < epoch_vocab_count(l->m->ask->epoch); v++) {
			row->vocab = epoch_vocab_at(l->m->ask->epoch, v);
			if (!scan_cell(s, i, v, &row->cell))
				return false;
			if ((row->cell.released | row->cell.held) != 0 && !add_row(l->m, row))
				return false;
		}
	}
	return true;
}

/* One topic, content type and range of precedences. */
static bool
scan_one(struct ledger *l, const struct facts *f, struct matrix_row *row)
{
	struct scan s = { .ask = l->m->ask,
		.agreement = l->agreement,
		.facts = *f,
		.arena = l->m->arena,
		.tries = &l->m->tries,
		.err = l->m->err };
	struct arena scratch;
	arena_init(&scratch, SIZE_MAX);
	s.scratch = &scratch;
	bool ok = l->m->ask->label_count > 0 ? add_labels(l, &s, row) : add_cells(l, &s, row);
	arena_done(&scratch);
	return ok;
}

static bool
scan_precedences(
    struct ledger *l, const struct member *from, struct facts *f, struct matrix_row *row)
{
	for (enum precedence p = PRECEDENCE_ROUTINE; p <= from->at_most;) {
		row->low = row->high = f->precedence = p;
		while (row->high < from->at_most && !l->precedence[row->high + 1])
			row->high++;
		p = row->high + 1;
		if (!scan_one(l, f, row))
			return false;
	}
	return true;
}

static bool
scan_topic(
    struct ledger *l, const struct member *from, struct bytes witness, struct matrix_row *row)
{
	for (size_t i = 0; i < l->content_count; i++) {
		struct fact_portion portion = { .content_type = l->contents[i].witness };
		struct facts f = { .originator = from->party->name,
			.topic = witness,
			.mode = l->agreement->mode,
			.time = l->m->ask->time,
			.accepted = l->m->ask->time,
			.signer = SIGNER_GOOD,
			.portions = &portion,
			.portion_count = 1 };
		row->content = l->contents[i].name;
		if (!scan_precedences(l, from, &f, row))
			return false;
	}
	return true;
}

static bool
scan_topics(struct ledger *l, const struct member *from, struct matrix_row *row)
{
	for (size_t i = 0; i < l->topic_count; i++) {
		row->topic = l->topics[i].pattern;
		if (!scan_topic(l, from, l->topics[i].witness, row))
			return false;
	}
	return true;
}

/* ---- one agreement ---- */

/* Why the sender cannot use the agreement, in the kernel's words; NULL: it can. */
static bool
find_status(struct ledger *l, const struct member *from, const char **status)
{
	struct arena a;
	struct fact_portion none = { .content_type = bytes_of("text/plain") };
	struct fact_agreement named = { .name = l->agreement->name };
	struct decisions d;
	struct facts f = { .originator = from->party->name,
		.topic = l->topics[0].witness,
		.precedence = PRECEDENCE_ROUTINE,
		.mode = l->agreement->mode,
		.time = l->m->ask->time,
		.accepted = l->m->ask->time,
		.signer = SIGNER_GOOD,
		.agreements = &named,
		.agreement_count = 1,
		.portions = &none,
		.portion_count = 1 };
	arena_init(&a, 1u << 20);
	bool ok = policy_decide(l->m->ask->epoch, &f, &a, &d, l->m->err);
	*status = NULL;
	if (ok && d.unusable_count > 0) {
		struct bytes why = d.unusable[0].why;
		*status = arena_printf(l->m->arena, "%.*s", (int)why.len, (const char *)why.data);
		ok = *status != NULL || no_memory(l->m);
	}
	arena_done(&a);
	return ok;
}

/* A row for each recipient that has none: nothing goes, or the agreement cannot be used. */
static bool
add_bare(struct ledger *l, const struct matrix_row *row, size_t first)
{
	const struct agreement *a = l->agreement;
	for (size_t i = 0; i < a->member_count; i++) {
		struct matrix_row bare = { .agreement = a,
			.from = row->from,
			.to = a->members[i].party,
			.status = row->status };
		bool has = !wants_member(l, row->from, &a->members[i]);
		for (size_t k = first; k < l->m->count && !has; k++)
			has = l->m->rows[k].to == bare.to;
		if (!has && !add_row(l->m, &bare))
			return false;
	}
	return true;
}

static bool
add_sender(struct ledger *l, const struct member *from)
{
	struct matrix_row row = {
		.agreement = l->agreement, .from = from->party, .contents = l->content_count
	};
	size_t first = l->m->count;
	if (!from->may_originate || !wanted(l->m->ask->from, from->party->name))
		return true;
	if (!find_status(l, from, &row.status))
		return false;
	if (row.status == NULL && !scan_topics(l, from, &row))
		return false;
	return add_bare(l, &row, first);
}

static bool
add_agreement(struct making *m, const struct agreement *a)
{
	struct ledger *l = arena_zalloc(m->arena, 1, sizeof(*l));
	if (l == NULL)
		return no_memory(m);
	l->m = m;
	l->agreement = a;
	if (!wanted(m->ask->agreement, a->name))
		return true;
	if (!find_classes(l) || !find_topics(l))
		return false;
	for (size_t i = 0; i < a->member_count && l->topic_count > 0; i++)
		if (!add_sender(l, &a->members[i]))
			return false;
	return true;
}

bool
matrix_make(const struct matrix_ask *q, struct arena *a, struct matrix *out, struct err *e)
{
	struct making m = { .ask = q, .arena = a, .err = e };
	for (size_t i = 0; i < epoch_agreement_count(q->epoch); i++)
		if (!add_agreement(&m, epoch_agreement_at(q->epoch, i)))
			return false;
	*out = (struct matrix){ m.rows, m.count };
	matrix_merge(out);
	return true;
}
