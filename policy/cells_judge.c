/* Cells are judged by the kernel alone. */
#include "policy/alike.h"
#include "policy/cells_case.h"
#include "policy/party.h"
#include "proto/limits.h"

/* Of two members one sends, so nobody has to be told apart: no holders, and a place each. */
bool
bench_init(struct bench *b, struct cells_run *run, const struct case_ *c)
{
	*b = (struct bench){ .of = c, .run = run };
	for (size_t s = 0; s < 2; s++) {
		struct bench_side *x = &b->side[s];
		x->epoch = c->side[s].epoch;
		x->sits = c->member[s] != NULL && c->from[s] != NULL;
		if (!x->sits)
			continue;
		bool first = c->from[s]->party->index < c->member[s]->party->index;
		x->members[0] = first ? *c->from[s] : *c->member[s];
		x->members[1] = first ? *c->member[s] : *c->from[s];
		x->members[0].place = 0;
		x->members[1].place = 1;
		x->open = *c->side[s].agreement;
		x->open.refused = NULL;
		x->open.valid_from = 0;
		x->open.valid_until = UINT64_MAX;
		x->open.members = x->members;
		x->open.member_count = 2;
		x->open.place_count = 2;
		x->open.holders = arena_zalloc(
		    &run->scratch, epoch_vocab_count(x->epoch), sizeof(struct holders));
		if (x->open.holders == NULL)
			return err_set(run->err, ERR_NOMEM, "cells");
		x->marked = x->open;
		x->marked.unmarked_portions = true;
	}
	return true;
}

static void
read_decision(const struct bench *b, const struct decisions *d, struct cell_said *out)
{
	*out = (struct cell_said){ .verdict = VERDICT_WITHHOLD, .refused = true };
	for (size_t i = 0; d->refusal.code == ERR_NONE && i < d->recipient_count; i++) {
		const struct portion_decision *p = &d->recipients[i].portions[0];
		if (bytes_equal(d->recipients[i].recipient, b->of->receiver))
			*out =
			    (struct cell_said){ p->verdict, false, p->reason, p->rule, p->place };
	}
}

bool
bench_judge(struct bench *b, size_t side, const struct raw_label *labels, size_t count,
    bool unmarked, struct cell_said *out)
{
	const struct bench_side *x = &b->side[side];
	struct decisions d;
	*out = (struct cell_said){ .verdict = VERDICT_WITHHOLD, .refused = true };
	if (!x->sits)
		return true;
	const struct agreement *only = unmarked ? &x->marked : &x->open;
	struct fact_agreement named = { .name = only->name };
	struct fact_portion portion = { labels, count, b->of->occasion->content->witness };
	struct facts f = { .originator = b->of->sender,
		.topic = b->of->occasion->topic->witness,
		.precedence = b->of->occasion->precedence,
		.mode = only->mode,
		.time = b->time,
		.accepted = b->time,
		.signer = SIGNER_GOOD,
		.agreements = &named,
		.agreement_count = 1,
		.portions = &portion,
		.portion_count = 1 };
	arena_reset(&b->run->court, 64u << 20);
	if (!decide_under(x->epoch, only, &f, &b->run->court, &d, b->run->err))
		return false;
	read_decision(b, &d, out);
	return true;
}
