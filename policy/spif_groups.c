/*
 * Membership lists: who belongs to a group such as ISAF, and when.  NATO's SPIFs carry them in the
 * extension urn:nato:stanag:4774:spif:extensions:1:0, as names without a category:
 *
 *     memberships / membership name= / member name= lacv= obsolete= notBefore= notAfter=
 *
 * A list speaks of a value if that is permissive and has its name; a member of it is the value of
 * the same category with the member's name and lacv.  What is not understood, is in doubt or has
 * ended makes nobody a member: lists are only ever used to widen.
 */
#include "policy/spif_parts.h"

#define GROUPS_NAMESPACE "urn:nato:stanag:4774:spif:extensions:1:0"
#define SHOWN(b) (int)((b).len < 100 ? (b).len : 100), (const char *)(b).data

struct span { /* both moments count */
	uint64_t not_before, not_after;
};
struct entry { /* one 'member' */
	const struct xml_element *at;
	struct bytes name, lacv; /* lacv absent: not given */
	struct span when;
	bool former;  /* obsolete: it is no longer a member */
	bool matched; /* some value has its name */
};
struct list { /* one 'membership' */
	const struct xml_element *at;
	struct bytes name;
	struct entry *entries;
	size_t count;
	bool usable;
	bool matched; /* some value is this group */
};
struct reading {
	struct spif *s;
	struct list *lists;
	uint32_t count;
	struct vocab_index *names; /* name of a list -> its number */
	struct vocab_member *out;
	uint32_t members;
};

static bool
is_named(const struct xml_element *x, const char *name)
{
	return bytes_is(x->ns, GROUPS_NAMESPACE) && bytes_is(x->name, name);
}

/* An attribute of ours: in the extension's namespace or in none. */
static bool
is_ours(const struct xml_attribute *t)
{
	return t->ns.data == NULL || bytes_is(t->ns, GROUPS_NAMESPACE);
}

/* Narrows 'when' by a date; false if it is none. */
static bool
take_date(
    struct spif *s, const struct xml_element *x, const struct xml_attribute *t, struct span *when)
{
	bool late = bytes_is(t->name, "notAfter");
	bool without;
	uint64_t us;
	if (!spif_moment(t->value, late, &without, &us)) {
		spif_warn(s, x, "%s is not a time: '%.*s'; nobody is a member by this",
		    late ? "notAfter" : "notBefore", SHOWN(t->value));
		return false;
	}
	if (without)
		spif_warn(s, x, "%s has no time zone; it is taken for UTC",
		    late ? "notAfter" : "notBefore");
	if (late && us < when->not_after)
		when->not_after = us;
	if (!late && us > when->not_before)
		when->not_before = us;
	return true;
}

static bool
take_obsolete(struct spif *s, const struct xml_element *x, const struct xml_attribute *t, bool *out)
{
	*out = !vocab_same_name(t->value, bytes_of("false")) &&
	       !vocab_same_name(t->value, bytes_of("0"));
	if (*out && !vocab_same_name(t->value, bytes_of("true")) &&
	    !vocab_same_name(t->value, bytes_of("1")))
		spif_warn(s, x, "obsolete is 'true' or 'false', not '%.*s'; it is taken for true",
		    SHOWN(t->value));
	return *out;
}

/* The attributes of a 'membership' or 'member', into 'e'; false if one is not understood. */
static bool
take_attributes(struct spif *s, const struct xml_element *x, struct entry *e)
{
	bool ok = true;
	for (size_t i = 0; i < x->attribute_count; i++) {
		const struct xml_attribute *t = &x->attributes[i];
		if (!is_ours(t))
			continue;
		if (bytes_is(t->name, "name"))
			e->name = t->value;
		else if (bytes_is(t->name, "lacv"))
			e->lacv = spif_lacv_text(t->value);
		else if (bytes_is(t->name, "obsolete"))
			e->former = take_obsolete(s, x, t, &e->former);
		else if (bytes_is(t->name, "notBefore") || bytes_is(t->name, "notAfter"))
			ok = take_date(s, x, t, &e->when) && ok;
		else {
			spif_warn(s, x, "unknown attribute '%.*s'; nobody is a member by this",
			    SHOWN(t->name));
			ok = false;
		}
	}
	if (e->name.len == 0) {
		spif_warn(s, x, "a name is missing; nobody is a member by this");
		ok = false;
	}
	return ok;
}

static size_t
count_children(const struct xml_element *x)
{
	size_t n = 0;
	for (x = x->child; x != NULL; x = x->next)
		n++;
	return n;
}

static bool
take_list(struct spif *s, const struct xml_element *x, struct list *l)
{
	struct entry self = { .when = { 0, UINT64_MAX } };
	*l = (struct list){ .at = x };
	l->entries = arena_zalloc(s->work, count_children(x), sizeof(*l->entries));
	if (l->entries == NULL)
		return spif_no_memory(s);
	l->usable = take_attributes(s, x, &self) && !self.former;
	l->name = self.name;
	for (const struct xml_element *c = x->child; c != NULL; c = c->next) {
		struct entry *e = &l->entries[l->count];
		*e = (struct entry){ .at = c, .when = self.when };
		if (!is_named(c, "member")) {
			spif_warn(s, c, "unknown element '%.*s'; nobody is a member of '%.*s'",
			    SHOWN(c->name), SHOWN(l->name));
			l->usable = false;
		} else if (take_attributes(s, c, e)) {
			l->count++;
		}
	}
	return true;
}

/* All lists with their names; a name that stands twice is in doubt, so neither counts. */
static bool
take_lists(struct reading *r, const struct xml_element *all)
{
	struct spif *s = r->s;
	size_t room = count_children(all);
	r->lists = arena_zalloc(s->work, room, sizeof(*r->lists));
	r->names = vocab_index_new(s->work, room);
	if (r->lists == NULL || r->names == NULL)
		return spif_no_memory(s);
	for (const struct xml_element *x = all->child; x != NULL; x = x->next) {
		uint32_t taken;
		struct list *l = &r->lists[r->count];
		if (!is_named(x, "membership")) {
			spif_warn(s, x, "unknown element '%.*s' in memberships", SHOWN(x->name));
			continue;
		}
		if (!take_list(s, x, l))
			return false;
		if (l->name.len == 0)
			continue; /* told by take_attributes */
		if (!vocab_index_add(s->work, r->names, 0, l->name, r->count++, &taken))
			return spif_no_memory(s);
		if (taken == VOCAB_NONE)
			continue;
		spif_warn(s, x, "a second membership list '%.*s': nobody is a member by either",
		    SHOWN(l->name));
		l->usable = false;
		r->lists[taken].usable = false;
	}
	return true;
}

/* The list that speaks of a value; NULL if none does. */
static struct list *
list_of(const struct reading *r, uint32_t value)
{
	const struct vocab_value *x = &r->s->v.values[value];
	if (r->s->v.categories[x->category].type != VOCAB_PERMISSIVE)
		return NULL;
	uint32_t n = vocab_index_find(r->names, 0, x->name);
	return n == VOCAB_NONE ? NULL : &r->lists[n];
}

/* The values of the group's category that its list names. */
static void
add_members(struct reading *r, struct list *l, uint32_t group)
{
	const struct vocab *v = &r->s->v;
	l->matched = true;
	for (size_t i = 0; i < l->count; i++) {
		struct entry *e = &l->entries[i];
		uint32_t n = vocab_value(v, v->values[group].tagset, e->name);
		if (n == VOCAB_NONE || v->values[n].category != v->values[group].category ||
		    (e->lacv.data != NULL && !bytes_equal(e->lacv, v->values[n].lacv)))
			continue;
		e->matched = true;
		if (l->usable && !e->former && e->when.not_before <= e->when.not_after)
			r->out[r->members++] = (struct vocab_member){ group, n, e->when.not_before,
				e->when.not_after };
	}
}

static bool
match_lists(struct reading *r)
{
	const struct vocab *v = &r->s->v;
	size_t room = 0;
	for (uint32_t i = 0; i < v->value_count; i++) {
		const struct list *l = list_of(r, i);
		room += l == NULL ? 0 : l->count;
		if (room > LIMIT_SPIF_MEMBERS)
			return spif_error(
			    r->s, l->at, "more than %u members of groups", LIMIT_SPIF_MEMBERS);
	}
	r->out = arena_zalloc(r->s->arena, room, sizeof(*r->out));
	if (r->out == NULL)
		return spif_no_memory(r->s);
	for (uint32_t i = 0; i < v->value_count; i++) {
		struct list *l = list_of(r, i);
		if (l != NULL)
			add_members(r, l, i);
	}
	r->s->v.members = r->out;
	r->s->v.member_count = r->members;
	return true;
}

static void
lint_lists(struct reading *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		const struct list *l = &r->lists[i];
		if (!l->matched)
			spif_warn(r->s, l->at,
			    "the membership list '%.*s' matches no permissive value",
			    SHOWN(l->name));
		for (size_t k = 0; k < l->count && l->matched; k++) {
			const struct entry *e = &l->entries[k];
			if (!e->matched && !e->former)
				spif_warn(r->s, e->at,
				    "member '%.*s' matches no value beside the group '%.*s'",
				    SHOWN(e->name), SHOWN(l->name));
			if (e->when.not_before > e->when.not_after)
				spif_warn(r->s, e->at,
				    "the membership of '%.*s' ends before it begins",
				    SHOWN(e->name));
		}
	}
}

bool
spif_groups(struct spif *s)
{
	const struct xml_element *extensions = spif_next(s->root->child, "extensions");
	const struct xml_element *found = NULL;
	for (; extensions != NULL; extensions = spif_next(extensions->next, "extensions"))
		for (const struct xml_element *x = extensions->child; x != NULL; x = x->next) {
			if (!is_named(x, "memberships"))
				continue;
			if (found != NULL)
				return spif_error(s, x, "memberships stands twice");
			found = x;
		}
	struct reading r = { .s = s };
	if (found == NULL)
		return true;
	if (!take_lists(&r, found) || !match_lists(&r))
		return false;
	lint_lists(&r);
	return true;
}
