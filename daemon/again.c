#include "daemon/again.h"
#include "daemon/role.h"

#include "daemon/committer.h"
#include "daemon/drafts.h"
#include "daemon/explain.h"
#include "daemon/log.h"

/* heads and facts of the largest report, read, written anew and decided: taken as needed */
enum { AGAIN_ARENA = 4 * LIMIT_MESSAGE_BYTES };

/* What one later decision is made from and leads to; lives in its job's arena. */
struct scene {
	struct desk *desk;
	const struct again *ask;
	const struct again_answer *answer; /* NULL: nobody's */
	uint64_t before_us;		   /* the deadline of what is answered */
	const struct again_missed *missed; /* NULL: it follows another decision */
	size_t portions;
	struct arena *a;
	struct store_report row;
	struct bytes recipient;
	struct facts facts;
	struct envelope report;
	struct decisions decided;
	const struct recipient_decision *mine;
	struct bytes publisher;
	struct bytes agreements_before; /* slot 2 of the decision that this follows */
	struct bytes banner;		/* ..and slot 3: its vocabulary may not know it any more */
	uint8_t secret[32];		/* facts digest of the INTAKE */
	struct bytes waits;		/* JOB_PART_WAITS of the decision that this follows */
	bool has_waits;			/* what it waits for is kept: an older build did not */
};

static bool
part(
    struct scene *s, uint64_t index, uint16_t number, struct bytes *out, bool *found, struct err *e)
{
	return store_read_part(s->desk->view, index, number, out, found, e);
}

static bool
must(struct scene *s, uint16_t number, struct bytes *out, struct err *e)
{
	bool found = false;
	if (!part(s, s->ask->given.intake, number, out, &found, e))
		return false;
	return found || err_set(e, ERR_CORRUPT, "part %u is missing", number);
}

/* ---- reading ---- */

static bool
read_report(struct scene *s, struct err *e)
{
	struct envelope *v = &s->report;
	if (!must(s, STORE_PART_MANIFEST, &v->manifest_bytes, e) ||
	    !envelope_manifest_decode(v->manifest_bytes, s->a, &v->manifest, e))
		return false;
	size_t n = s->portions;
	struct envelope_portion *p = arena_zalloc(s->a, n + 1, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "portions");
	for (size_t i = 0; i < n; i++)
		if (!must(s, STORE_PART_HEAD(i), &p[i].head_bytes, e))
			return false;
	v->portions = p;
	v->portion_count = n;
	return true;
}

/* The facts of the decision that this one follows. */
static bool
read_facts(struct scene *s, struct err *e)
{
	struct bytes bytes;
	bool found = false;
	if (!part(s, s->ask->given.decision, STORE_PART_FACTS, &bytes, &found, e) ||
	    (!found && !must(s, STORE_PART_FACTS, &bytes, e)))
		return false;
	return facts_decode(bytes, s->a, &s->facts, e);
}

static bool
read_recorded(struct scene *s, struct err *e)
{
	struct record r;
	uint8_t leaf[32];
	struct slot_release release;
	struct slot_publication publication;
	if (!explain_record(s->desk, s->ask->given.decision, &r, leaf, e) ||
	    !slot_get_release(RECORD_SLOT(&r, 2)->value, &release, e) ||
	    !slot_get_publication(RECORD_SLOT(&r, 3)->value, &publication, e))
		return false;
	s->agreements_before = release.agreements;
	s->banner = publication.banner;
	return explain_secret(s->desk, s->ask->given.intake, s->secret, e) &&
	       part(s, s->ask->given.decision, JOB_PART_WAITS, &s->waits, &s->has_waits, e);
}

static bool
read_names(struct scene *s, struct err *e)
{
	bool a = false, b = false;
	struct store_view *v = s->desk->view;
	if (!store_name_text(v, STORE_NAME_PARTY, s->ask->given.party, &s->recipient, &a, e) ||
	    !store_name_text(
		v, STORE_NAME_PARTY, s->ask->given.report.originator, &s->publisher, &b, e))
		return false;
	return (a && b) || err_set(e, ERR_CORRUPT, "a party without a name");
}

/* ---- the later facts ---- */

static bool
fill_before(struct scene *s, struct err *e)
{
	size_t n = s->ask->given.masks.len, k = 0;
	struct fact_before *b = arena_zalloc(s->a, n + 1, sizeof(*b));
	if (b == NULL)
		return err_set(e, ERR_NOMEM, "facts");
	for (size_t i = 0; i < n; i++) {
		uint8_t mask = s->ask->given.masks.data[i];
		struct bytes *names = arena_zalloc(s->a, 8, sizeof(*names));
		if (names == NULL)
			return err_set(e, ERR_NOMEM, "facts");
		struct fact_before *to = &b[k];
		*to = (struct fact_before){ .recipient = s->recipient,
			.portion = (uint32_t)i,
			.agreements = { names, 0 } };
		for (size_t g = 0; g < s->facts.agreement_count && g < 8; g++)
			if ((mask >> g & 1) != 0)
				names[to->agreements.count++] = s->facts.agreements[g].name;
		k += to->agreements.count > 0;
	}
	if (k == 0) /* without 'before' the facts of a backfill would be judged afresh, and could
		     * widen (S5) */
		return err_set(e, ERR_INTERNAL, "nothing was released or held before");
	s->facts.before = b;
	s->facts.before_count = k;
	s->facts.later = true;
	return true;
}

/* The obligations that the decision before opened count from then. */
static bool
fill_opened(struct scene *s, struct err *e)
{
	struct bytes bytes;
	struct facts more;
	bool found = false;
	if (!part(s, s->ask->given.decision, JOB_PART_OPENED, &bytes, &found, e))
		return false;
	if (!found)
		return true;
	if (!facts_decode(bytes, s->a, &more, e))
		return false;
	size_t n = s->facts.opened_count + more.opened_count;
	struct fact_opened *all = arena_zalloc(s->a, n + 1, sizeof(*all));
	if (all == NULL)
		return err_set(e, ERR_NOMEM, "facts");
	for (size_t i = 0; i < n; i++)
		all[i] = i < s->facts.opened_count ? s->facts.opened[i]
						   : more.opened[i - s->facts.opened_count];
	s->facts.opened = all;
	s->facts.opened_count = n;
	return true;
}

static bool
same_obligation(const struct obligation *x, const struct obligation *y)
{
	return x->kind == y->kind && bytes_equal(x->agreement, y->agreement) &&
	       bytes_equal(x->subject, y->subject) && bytes_equal(x->approver, y->approver);
}

/* What is answered, as it stands without the answer; NULL: it is not open, by rules that came since
 * it was held, or its time is over. */
static const struct open_obligation *
what_is_answered(const struct scene *s)
{
	const struct again_answer *v = s->answer;
	for (size_t i = 0; i < s->decided.recipient_count; i++) {
		const struct recipient_decision *r = &s->decided.recipients[i];
		if (!bytes_equal(r->recipient, s->recipient) ||
		    v->portion >= s->decided.portion_count)
			continue;
		const struct portion_decision *p = &r->portions[v->portion];
		for (size_t k = 0; k < p->open_count; k++)
			if (same_obligation(&p->open[k].what, &v->what))
				return &p->open[k];
	}
	return NULL;
}

/* The answer goes to those before it; it counts only for what is open (section 5, step 7). */
static bool
fill_answer(struct scene *s, bool *open, struct err *e)
{
	const struct again_answer *v = s->answer;
	const struct open_obligation *o = what_is_answered(s);
	size_t n = s->facts.approval_count;
	*open = o != NULL;
	if (o == NULL)
		return true;
	s->before_us = o->deadline;
	struct fact_approval *all = arena_zalloc(s->a, n + 1, sizeof(*all));
	if (all == NULL)
		return err_set(e, ERR_NOMEM, "facts");
	if (n > 0)
		memcpy(all, s->facts.approvals, n * sizeof(*all));
	all[n] = (struct fact_approval){ .what = v->what,
		.recipient = s->recipient,
		.portion = v->portion,
		.approve = v->approve };
	s->facts.approvals = all;
	s->facts.approval_count = n + 1;
	return true;
}

static bool
fill_signer(struct scene *s, struct err *e)
{
	struct bytes blob;
	struct names chain = { NULL, 0 };
	struct trust_refusal why = { 0 };
	bool found = false;
	if (!store_read_blob(s->desk->view, STORE_CHAIN, s->row.chain, &blob, &found, e))
		return false;
	bool whole = found && desk_split_chain(s->a, blob, &chain, e);
	if (found && !whole && e->code == ERR_NOMEM)
		return false;
	bool good = whole && trust_signer_stands(s->desk->rules->trust, chain.items, chain.count,
				 s->report.manifest.originator,
				 (int64_t)(s->row.accepted_us / 1000000), &why);
	if (!good && why.fault == CHAIN_INTERNAL)
		return err_set(e, ERR_NOMEM, "the signer's chain: %s", why.why);
	s->facts.signer = good ? SIGNER_GOOD : SIGNER_REVOKED;
	return true;
}

/* Nothing is carried over but what the report itself is: nobody spoke of this recipient before. */
static bool
gather_missed(struct scene *s, struct err *e)
{
	if (!read_names(s, e) || !read_facts(s, e))
		return false;
	s->portions = s->facts.portion_count;
	s->facts.later = s->facts.has_backfill = true;
	s->facts.backfill = (struct fact_backfill){ s->recipient, true, s->missed->listed };
	return read_report(s, e) && read_recorded(s, e) && fill_signer(s, e);
}

static bool
gather(struct scene *s, bool *gone, struct err *e)
{
	bool found = false;
	if (!store_find_report(s->desk->view, &s->ask->given.report, &s->row, &found, e))
		return false;
	*gone = !found;
	if (!found)
		return true;
	if (s->missed != NULL)
		return gather_missed(s, e);
	s->portions = s->ask->given.masks.len;
	return read_names(s, e) && read_report(s, e) && read_facts(s, e) && read_recorded(s, e) &&
	       fill_before(s, e) && fill_opened(s, e) && fill_signer(s, e);
}

/* ---- the outcome ---- */

/* Whether what was recorded is still exactly what would be recorded now. */
static bool
same(struct scene *s, struct drafts *d, bool *out, struct err *e)
{
	struct bytes masks, names;
	bool held = s->ask->queued.decision == STORE_NONE;
	*out = false;
	if ((s->mine->outcome == OUTCOME_HOLD) != held)
		return true;
	if (!drafts_masks(d, s->mine, &masks, e))
		return false;
	if (!bytes_equal(masks, s->ask->given.masks))
		return true;
	if (held) { /* for the same, from the same, until the same time */
		struct bytes waits;
		if (!drafts_waits(d, s->mine, &waits, e))
			return false;
		*out = s->has_waits && bytes_equal(waits, s->waits) &&
		       drafts_deadline(d, s->mine) == s->ask->held_deadline_us;
		return true;
	}
	if (!drafts_agreements(d, s->mine, &names, e))
		return false;
	*out = bytes_equal(names, s->agreements_before);
	return true;
}

static bool
make_record(struct scene *s, struct drafts *d, struct job_again *to, struct err *e)
{
	const struct again_answer *v = s->answer;
	if (s->missed != NULL)
		return drafts_backfill(d, s->mine, &to->record, e);
	if (v == NULL)
		return drafts_narrowed(d, s->mine, &to->record, e);
	const struct drafts_answer what = { &v->what, v->portion, v->approve };
	to->approver = v->approver;
	to->before_us = s->before_us;
	return drafts_approval(d, s->mine, &what, &to->record, e);
}

static bool
fill_job(struct scene *s, struct drafts *d, struct job *j, struct err *e)
{
	struct job_again *to = &j->again;
	to->given = s->ask->given;
	to->queued = s->ask->queued;
	to->held_deadline_us = s->ask->held_deadline_us;
	to->publisher = s->ask->given.report.originator;
	to->outcome = s->mine->outcome;
	to->decided_us = s->facts.time;
	to->good_until_us = s->decided.good_until;
	to->not_before_ms = s->report.manifest.not_before;
	to->topic = s->report.manifest.topic;
	to->precedence = (uint8_t)s->report.manifest.precedence;
	to->mode = (uint8_t)s->report.manifest.mode;
	to->flight = s->ask->flight;
	to->hold_deadline_us = drafts_deadline(d, s->mine);
	j->rules = s->desk->rules->number;
	j->records = 1;
	j->bytes = 8192;
	if (!envelope_leaf(&s->desk->sha, s->report.manifest_bytes, d->manifest, e) ||
	    !drafts_facts(d, &to->facts, e) || !drafts_masks(d, s->mine, &to->masks, e) ||
	    !make_record(s, d, to, e))
		return false;
	to->given.masks = to->masks; /* the old ones belong to the asker */
	if (to->outcome == OUTCOME_HOLD && (!drafts_opened(d, s->mine, &to->opened, e) ||
					       !drafts_waits(d, s->mine, &to->waits, e)))
		return false;
	/* what it waited for is read, too */
	j->bytes += to->facts.len + to->opened.len + to->waits.len + s->waits.len;
	return true;
}

static struct drafts
drafts_of(struct scene *s)
{
	struct desk *desk = s->desk;
	struct drafts d = { .desk = desk,
		.a = s->a,
		.facts = &s->facts,
		.decided = &s->decided,
		.report = &s->report,
		.party = s->publisher,
		.agent = s->report.manifest.originator,
		.banner = s->banner,
		.hub = { .node = desk->shell->node,
		    .connection = SLOT_ABSENT,
		    .clock = bytes_of(wall_quality(&desk->shell->wall)) } };
	memcpy(d.secret, s->secret, sizeof(d.secret));
	return d;
}

/* Only what releases now: a hold would ask people about an old report, and a withhold is nobody's
 * to see. */
static enum again_result
judge_missed(struct scene *s, struct job **j, struct err *e)
{
	struct desk *desk = s->desk;
	if (!policy_decide(desk->rules->epoch, &s->facts, s->a, &s->decided, e))
		return AGAIN_FAILED;
	if (s->decided.refusal.code != ERR_NONE || s->decided.recipient_count != 1)
		return AGAIN_GONE;
	s->mine = &s->decided.recipients[0];
	if (!bytes_equal(s->mine->recipient, s->recipient) ||
	    (s->mine->outcome != OUTCOME_RELEASE && s->mine->outcome != OUTCOME_REDACT))
		return AGAIN_GONE;
	struct drafts d = drafts_of(s);
	if (!fill_job(s, &d, *j, e))
		return AGAIN_FAILED;
	(*j)->again.subscription = s->missed->subscription;
	(*j)->again.looked_at = s->missed->report;
	(*j)->again.more = true;
	(*j)->records = 3; /* it may take the place of another */
	if (desk_post_own(desk, j))
		return AGAIN_JOB;
	(void)err_set(e, ERR_BUSY, "the committer is busy");
	return AGAIN_FAILED;
}

static enum again_result
judge(struct scene *s, struct job **j, uint64_t *good_until_us, struct err *e)
{
	struct desk *desk = s->desk;
	bool unchanged = false;
	if (!wall_now(&desk->shell->wall, &s->facts.time)) {
		(void)err_set(e, ERR_CLOCK, "clock in doubt");
		return AGAIN_FAILED;
	}
	/* the committer's EXPIRE ends it, queued or held */
	if (s->facts.expires != 0 && s->facts.expires <= s->facts.time)
		return AGAIN_GONE;
	if (s->missed != NULL)
		return judge_missed(s, j, e);
	if (s->answer != NULL) {
		bool open = false;
		if (!policy_decide(desk->rules->epoch, &s->facts, s->a, &s->decided, e) ||
		    !fill_answer(s, &open, e))
			return AGAIN_FAILED;
		if (!open)
			return AGAIN_GONE;
	}
	if (!policy_decide(desk->rules->epoch, &s->facts, s->a, &s->decided, e))
		return AGAIN_FAILED;
	for (size_t i = 0; i < s->decided.recipient_count; i++)
		if (bytes_equal(s->decided.recipients[i].recipient, s->recipient))
			s->mine = &s->decided.recipients[i];
	if (s->mine == NULL) {
		(void)err_set(e, ERR_INTERNAL, "the later decision lost its recipient");
		return AGAIN_FAILED;
	}
	struct drafts d = drafts_of(s);
	if (s->answer != NULL) {
		d.hub = s->answer->hub;
		d.actor = s->answer->actor;
		d.because = s->answer->because;
	} else if (!same(s, &d, &unchanged, e))
		return AGAIN_FAILED;
	*good_until_us = s->decided.good_until;
	if (unchanged)
		return AGAIN_SAME;
	if (!fill_job(s, &d, *j, e))
		return AGAIN_FAILED;
	if (desk_post_own(desk, j))
		return AGAIN_JOB;
	(void)err_set(e, ERR_BUSY, "the committer is busy");
	return AGAIN_FAILED;
}

static enum again_result
decide(struct scene *s, struct job **j, uint64_t *good_until_us, struct err *e)
{
	bool gone = false;
	s->a = (*j)->arena;
	bool ok = store_view_open(s->desk->view, s->a, e) && gather(s, &gone, e);
	store_view_close(s->desk->view);
	if (!ok)
		return AGAIN_FAILED;
	if (gone)
		return AGAIN_GONE;
	return judge(s, j, good_until_us, e);
}

enum again_result
again_decide(struct desk *d, const struct again *a, uint64_t *good_until_us, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	SCOPED(job_free) struct job *j = job_new(JOB_AGAIN, NULL, AGAIN_ARENA);
	struct scene s = { .desk = d, .ask = a };
	if (j == NULL) {
		(void)err_set(e, ERR_NOMEM, "later decision");
		return AGAIN_FAILED;
	}
	enum again_result r = decide(&s, &j, good_until_us, e);
	if (r == AGAIN_JOB)
		log_info("decision.narrowed", "recipient=%.*s outcome=%s", (int)s.recipient.len,
		    (const char *)s.recipient.data, outcome_name(s.mine->outcome));
	return r;
}

enum again_result
again_backfill(struct desk *d, const struct again_missed *m, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	SCOPED(job_free) struct job *j = job_new(JOB_BACKFILL, NULL, AGAIN_ARENA);
	const struct again ask = { .given = { .party = m->party,
				       .report = m->report,
				       .intake = m->intake,
				       .decision = m->intake, /* what it follows */
				       .delivery = STORE_NONE } };
	struct scene s = { .desk = d, .ask = &ask, .missed = m };
	uint64_t until;
	if (j == NULL) {
		(void)err_set(e, ERR_NOMEM, "backfill");
		return AGAIN_FAILED;
	}
	return decide(&s, &j, &until, e);
}

enum again_result
again_answer(struct desk *d, const struct again *a, const struct again_answer *v, struct job **j,
    struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct scene s = { .desk = d, .ask = a, .answer = v };
	uint64_t until;
	return decide(&s, j, &until, e);
}
