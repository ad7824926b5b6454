/* What the verdicts do not show. */
#include "policy/diff.h"
#include "policy/party.h"
#include "policy/text.h"
#include "policy/vocab.h"

#include <stdarg.h>
#include <stdio.h>

#define SHOWN(b) (int)(b).len, (const char *)(b).data
#define NONE ((struct bytes){ NULL, 0 })

static struct bytes say(struct diff_making *m, const char *fmt, ...) PRINTF_LIKE(2, 3);

static struct bytes
say(struct diff_making *m, const char *fmt, ...)
{
	char text[512];
	struct bytes out = NONE;
	struct err e;
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (arena_copy(m->arena, bytes_of(text), &out, &e))
		return out;
	m->short_of_memory = true;
	return bytes_of("");
}

/* Something that has a value on both sides; higher is wider. */
static bool
ranked(struct diff_making *m, const char *what, const uint64_t rank[2], const struct bytes said[2])
{
	if (rank[0] == rank[1])
		return true;
	return diff_note(m, rank[1] > rank[0] ? DIFF_WIDENS : DIFF_NARROWS, what, said[0], said[1]);
}

static bool
flag(struct diff_making *m, const char *what, bool old, bool new)
{
	struct bytes yes = bytes_of("yes"), no = bytes_of("no");
	return ranked(m, what, (uint64_t[2]){ old, new },
	    (struct bytes[2]){ old ? yes : no, new ? yes : no });
}

static bool
differs(struct diff_making *m, const char *what, struct bytes old, struct bytes new)
{
	return bytes_equal(old, new) || diff_note(m, DIFF_DIFFERS, what, old, new);
}

static bool
is_in(const struct names *list, struct bytes name)
{
	for (size_t i = 0; i < list->count; i++)
		if (bytes_equal(list->items[i], name))
			return true;
	return false;
}

/* ---- parties: who may speak for them ---- */

static struct bytes
roles_of(struct diff_making *m, unsigned roles)
{
	struct bytes out = bytes_of("");
	for (unsigned r = ROLE_PUBLISH; r <= ROLE_SIGN; r <<= 1)
		if ((roles & r) != 0)
			out = say(m, "%.*s%s%s", SHOWN(out), out.len == 0 ? "" : " ",
			    party_role_name((enum role)r));
	return out;
}

static bool
agent_note(
    struct diff_making *m, const struct party *p, const struct agent *old, const struct agent *new)
{
	struct bytes path = old == NULL ? new->path : old->path;
	unsigned x = old == NULL ? 0 : old->roles, y = new == NULL ? 0 : new->roles;
	if (x == y && (old == NULL) == (new == NULL))
		return true;
	enum diff_turn turn = (y & ~x) != 0 ? DIFF_WIDENS : DIFF_NARROWS;
	return diff_note(m, turn,
	    arena_printf(m->arena, "agent %.*s %.*s", SHOWN(p->name), SHOWN(path)),
	    old == NULL ? NONE : roles_of(m, x), new == NULL ? NONE : roles_of(m, y));
}

static bool
agents(struct diff_making *m, const struct party *old, const struct party *new)
{
	for (size_t i = 0; i < new->agent_count; i++)
		if (!agent_note(m, new, party_agent(old, new->agents[i].path), &new->agents[i]))
			return false;
	for (size_t i = 0; i < old->agent_count; i++)
		if (party_agent(new, old->agents[i].path) == NULL &&
		    !agent_note(m, old, &old->agents[i], NULL))
			return false;
	return true;
}

static bool
has_anchor(const struct party *p, const uint8_t digest[32])
{
	for (size_t i = 0; i < p->anchor_count; i++)
		if (memcmp(p->anchors[i].digest, digest, 32) == 0)
			return true;
	return false;
}

static bool
anchors(struct diff_making *m, const struct party *old, const struct party *new)
{
	const struct party *both[] = { old, new };
	for (size_t s = 0; m->out->anchors_compared && s < 2; s++)
		for (size_t i = 0; i < both[s]->anchor_count; i++) {
			const uint8_t *x = both[s]->anchors[i].digest;
			struct bytes hex = say(m, "%02x%02x%02x%02x..", x[0], x[1], x[2], x[3]);
			if (has_anchor(both[!s], x))
				continue;
			if (!diff_note(m, s == 1 ? DIFF_WIDENS : DIFF_NARROWS,
				arena_printf(m->arena, "anchor of %.*s", SHOWN(new->name)),
				s == 0 ? hex : NONE, s == 1 ? hex : NONE))
				return false;
		}
	return true;
}

/* ---- parties: their revocation lists, by path ---- */

/* Relative paths come joined to the folder of their policy: they are the same within it. */
static struct bytes
within(const struct diff_making *m, size_t side, struct bytes path)
{
	struct bytes folder = m->ask->texts[side]->folder;
	if (path.len >= folder.len && memcmp(path.data, folder.data, folder.len) == 0)
		return bytes_from(path.data + folder.len, path.len - folder.len);
	return path;
}

static bool
has_crl(const struct diff_making *m, size_t side, const struct party *p, struct bytes path)
{
	for (size_t i = 0; i < p->crl_count; i++)
		if (bytes_equal(p->crl_paths[i], path) ||
		    bytes_equal(within(m, side, p->crl_paths[i]), within(m, !side, path)))
			return true;
	return false;
}

static bool
crls(struct diff_making *m, const struct party *old, const struct party *new)
{
	const struct party *both[] = { old, new };
	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; i < both[s]->crl_count; i++) {
			struct bytes path = both[s]->crl_paths[i];
			struct bytes shown = within(m, s, path);
			if (has_crl(m, !s, both[!s], path))
				continue;
			if (!diff_note(m, s == 0 ? DIFF_WIDENS : DIFF_NARROWS,
				arena_printf(m->arena, "crl of %.*s", SHOWN(new->name)),
				s == 0 ? shown : NONE, s == 1 ? shown : NONE))
				return false;
		}
	return true;
}

static bool
one_party(struct diff_making *m, const struct party *old, const struct party *new)
{
	const char *name =
	    arena_printf(m->arena, "party %.*s", SHOWN(old == NULL ? new->name : old->name));
	if (old == NULL)
		return diff_note(m, DIFF_WIDENS, name, NONE, bytes_of("new"));
	if (new == NULL)
		return diff_note(m, DIFF_NARROWS, name, bytes_of("there"), NONE);
	if (!bytes_equal(old->trust_domain, new->trust_domain) &&
	    !diff_note(m, DIFF_WIDENS,
		arena_printf(m->arena, "trust-domain of %.*s", SHOWN(new->name)), old->trust_domain,
		new->trust_domain))
		return false;
	return anchors(m, old, new) && crls(m, old, new) && agents(m, old, new);
}

static bool
parties(struct diff_making *m)
{
	const struct epoch *old = m->ask->epochs[0], *new = m->ask->epochs[1];
	for (size_t i = 0; i < epoch_party_count(new); i++) {
		const struct party *p = epoch_party_at(new, i);
		if (!one_party(m, epoch_party(old, p->name), p))
			return false;
	}
	for (size_t i = 0; i < epoch_party_count(old); i++) {
		const struct party *p = epoch_party_at(old, i);
		if (epoch_party(new, p->name) == NULL && !one_party(m, p, NULL))
			return false;
	}
	return true;
}

/* ---- vocabularies: their labels are compared by name ---- */

static struct bytes
releasability_of(const struct vocab *v)
{
	return v->releasability == VOCAB_NONE
		   ? bytes_of("none")
		   : v->tagsets[v->categories[v->releasability].tagset].name;
}

static bool
vocabs(struct diff_making *m)
{
	const struct epoch *e[2] = { m->ask->epochs[0], m->ask->epochs[1] };
	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; i < epoch_vocab_count(e[s]); i++) {
			const struct vocab *x = epoch_vocab_at(e[s], i);
			const struct vocab *y = epoch_vocab(e[!s], x->name);
			const char *name =
			    arena_printf(m->arena, "vocabulary %.*s", SHOWN(x->name));
			struct bytes there = bytes_of("there");
			if (y == NULL && !diff_note(m, DIFF_DIFFERS, name, s == 0 ? there : NONE,
					     s == 1 ? there : NONE))
				return false;
			if (y == NULL || s == 1)
				continue;
			if (memcmp(x->digest, y->digest, 32) != 0 &&
			    !diff_note(m, DIFF_DIFFERS, name, bytes_of("another SPIF"), there))
				return false;
			if (!differs(m,
				arena_printf(m->arena, "releasability of %.*s", SHOWN(x->name)),
				releasability_of(x), releasability_of(y)))
				return false;
		}
	return true;
}

bool
diff_beside(struct diff_making *m)
{
	const struct party *x = epoch_hub(m->ask->epochs[0]), *y = epoch_hub(m->ask->epochs[1]);
	struct bytes old = x == NULL ? NONE : x->name, new = y == NULL ? NONE : y->name;
	if (!bytes_equal(old, new) && !diff_note(m, DIFF_WIDENS, "hub", old, new))
		return false;
	return parties(m) && vocabs(m) && diff_promises(m, NONE);
}

/* ---- an agreement ---- */

static bool
dates(struct diff_making *m, const struct agreement *x, const struct agreement *y)
{
	const uint64_t day = UINT64_C(86400) * 1000000;
	const char *text[4] = { text_day(m->arena, x->valid_from),
		text_day(m->arena, y->valid_from), text_day(m->arena, x->valid_until - day),
		text_day(m->arena, y->valid_until - day) };
	for (size_t i = 0; i < 4; i++)
		if (text[i] == NULL)
			return err_set(m->err, ERR_NOMEM, "dates");
	return ranked(m, "valid from", (uint64_t[2]){ ~x->valid_from, ~y->valid_from },
		   (struct bytes[2]){ bytes_of(text[0]), bytes_of(text[1]) }) &&
	       ranked(m, "valid until", (uint64_t[2]){ x->valid_until, y->valid_until },
		   (struct bytes[2]){ bytes_of(text[2]), bytes_of(text[3]) });
}

static bool
standing(struct diff_making *m, const struct agreement *x, const struct agreement *y)
{
	struct bytes state[2] = { bytes_of(agreement_state_name(x->state)),
		bytes_of(agreement_state_name(y->state)) };
	bool force[2] = { x->state == STATE_IN_FORCE, y->state == STATE_IN_FORCE };
	if (!diff_terms(m) || !differs(m, "title", x->title, y->title) || !dates(m, x, y))
		return false;
	if (x->state != y->state && !diff_note(m,
					force[0]   ? DIFF_NARROWS
					: force[1] ? DIFF_WIDENS
						   : DIFF_DIFFERS,
					"state", state[0], state[1]))
		return false;
	if (x->suspended != y->suspended &&
	    !diff_note(m, x->suspended ? DIFF_WIDENS : DIFF_NARROWS, "suspended",
		bytes_of(x->suspended ? "yes" : "no"), bytes_of(y->suspended ? "yes" : "no")))
		return false;
	return x->mode == y->mode || diff_note(m, DIFF_WIDENS, "mode", bytes_of(mode_name(x->mode)),
					 bytes_of(mode_name(y->mode)));
}

static struct bytes
onward_of(struct diff_making *m, const struct agreement *a)
{
	if (a->onward == ONWARD_CONSENT)
		return say(
		    m, "consent within %llus", (unsigned long long)(a->consent_within / 1000000));
	return bytes_of(a->onward == ONWARD_MEMBERS ? "members" : "prohibited");
}

static bool
settings(struct diff_making *m, const struct agreement *x, const struct agreement *y)
{
	struct bytes onward[2] = { onward_of(m, x), onward_of(m, y) };
	if (x->onward == y->onward && !differs(m, "onward", onward[0], onward[1]))
		return false;
	if (!ranked(m, "onward", (uint64_t[2]){ x->onward, y->onward }, onward) ||
	    !flag(m, "unmarked-labels", x->unmarked_labels, y->unmarked_labels) ||
	    !flag(m, "unmarked-portions", x->unmarked_portions, y->unmarked_portions) ||
	    !flag(m, "backfill", x->backfill, y->backfill) ||
	    (x->require_cosign != y->require_cosign &&
		!diff_note(m, y->require_cosign ? DIFF_NARROWS : DIFF_WIDENS, "require-cosign",
		    bytes_of(x->require_cosign ? "yes" : "no"),
		    bytes_of(y->require_cosign ? "yes" : "no"))))
		return false;
	for (size_t s = 0; s < 2; s++) {
		const struct names *one = s == 0 ? &x->signers : &y->signers;
		for (size_t i = 0; i < one->count; i++)
			if (!is_in(s == 0 ? &y->signers : &x->signers, one->items[i]) &&
			    !diff_note(m, s == 0 ? DIFF_WIDENS : DIFF_NARROWS, "signature required",
				s == 0 ? one->items[i] : NONE, s == 1 ? one->items[i] : NONE))
				return false;
	}
	return true;
}

static struct bytes
rights_of(struct diff_making *m, const struct member *p)
{
	return p == NULL ? NONE
			 : say(m, "%s%s%s", p->may_originate ? "originate at most " : "",
			       p->may_originate ? precedence_name(p->at_most) : "",
			       !p->may_receive	  ? ""
			       : p->may_originate ? ", receive"
						  : "receive");
}

static bool
member(struct diff_making *m, const struct member *p, const struct member *q, struct bytes name)
{
	unsigned x = p == NULL ? 0 : (p->may_originate ? p->at_most : 0u);
	unsigned y = q == NULL ? 0 : (q->may_originate ? q->at_most : 0u);
	bool gets[2] = { p != NULL && p->may_receive, q != NULL && q->may_receive };
	if (x == y && gets[0] == gets[1] && (p == NULL) == (q == NULL))
		return true;
	bool wider = y > x || (gets[1] && !gets[0]);
	return diff_note(m, wider ? DIFF_WIDENS : DIFF_NARROWS,
	    arena_printf(m->arena, "member %.*s", SHOWN(name)), rights_of(m, p), rights_of(m, q));
}

static bool
members(struct diff_making *m, const struct agreement *x, const struct agreement *y)
{
	for (size_t i = 0; i < y->member_count; i++) {
		struct bytes name = y->members[i].party->name;
		if (!member(m, agreement_member(x, name), &y->members[i], name))
			return false;
	}
	for (size_t i = 0; i < x->member_count; i++) {
		struct bytes name = x->members[i].party->name;
		if (agreement_member(y, name) == NULL && !member(m, &x->members[i], NULL, name))
			return false;
	}
	return true;
}

/* ---- who approves: a cell only says that somebody must ---- */

static const struct rule *
hold_named(const struct agreement *a, struct bytes name)
{
	for (size_t i = 0; i < a->rule_count; i++)
		if (a->rules[i].verdict == VERDICT_HOLD && bytes_equal(a->rules[i].name, name))
			return &a->rules[i];
	return NULL;
}

static struct bytes
approval_of(struct diff_making *m, const struct rule *r)
{
	struct bytes who = r->approver == APPROVER_ORIGINATOR  ? bytes_of("originator")
			   : r->approver == APPROVER_RECIPIENT ? bytes_of("recipient")
							       : r->approver_party;
	return say(m, "%.*s within %llus", SHOWN(who), (unsigned long long)(r->within / 1000000));
}

static bool
holds(struct diff_making *m, const struct agreement *x, const struct agreement *y)
{
	const struct agreement *both[] = { x, y };
	for (size_t s = 2; s-- > 0;)
		for (size_t i = 0; i < both[s]->rule_count; i++) {
			const struct rule *r = &both[s]->rules[i];
			const struct rule *other = hold_named(both[!s], r->name);
			if (r->verdict != VERDICT_HOLD || (s == 0 && other != NULL))
				continue;
			struct bytes here = approval_of(m, r);
			struct bytes there = other == NULL ? NONE : approval_of(m, other);
			if (bytes_equal(here, there))
				continue;
			bool same = other == NULL ||
				    (other->approver == r->approver &&
					bytes_equal(other->approver_party, r->approver_party));
			if (!diff_note(m, same ? DIFF_DIFFERS : DIFF_WIDENS,
				arena_printf(m->arena, "approval of %.*s", SHOWN(r->name)),
				s == 0 ? here : there, s == 0 ? there : here))
				return false;
		}
	return true;
}

bool
diff_beside_agreement(struct diff_making *m)
{
	const struct agreement *x = m->of[0], *y = m->of[1];
	if (x == NULL || y == NULL)
		return diff_note(m, x == NULL ? DIFF_WIDENS : DIFF_NARROWS, "agreement",
		    x == NULL ? NONE : bytes_of(agreement_state_name(x->state)),
		    y == NULL ? NONE : bytes_of(agreement_state_name(y->state)));
	return standing(m, x, y) && settings(m, x, y) && members(m, x, y) && holds(m, x, y) &&
	       diff_promises(m, x->name);
}
