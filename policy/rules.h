/*
 * rules.h - the inner side of agreements and of the decision: rules, equivalences, and the checks
 * of DESIGN section 5, one function each (policy/rules.def names them in order).
 * Included by the loader, by decide.c and by tests; others use decide.h.
 * Threads: values over immutable policies.
 */
#pragma once
#include "policy/clearance.h"
#include "policy/decide.h"

/* ---- what an agreement's rules and equivalences are made of ---- */

enum condition_kind {
	CONDITION_FROM = 1,
	CONDITION_TO,
	CONDITION_TOPIC,
	CONDITION_PRECEDENCE,
	CONDITION_CONTENT_TYPE,
	CONDITION_LABEL
};
enum label_test {
	LABEL_TEST_AT_MOST = 1,
	LABEL_TEST_AT_LEAST,
	LABEL_TEST_IS,
	LABEL_TEST_HAS,
	LABEL_TEST_LACKS
};
struct condition {
	enum condition_kind kind;
	struct names parties; /* FROM, TO: byte order; 'any' makes no condition */
	struct bytes pattern; /* TOPIC, CONTENT_TYPE */
	bool at_most;	      /* PRECEDENCE: else at least */
	enum precedence precedence;
	const struct vocab *vocab; /* LABEL, and below */
	enum label_test test;
	uint32_t class_;  /* AT_MOST, AT_LEAST, IS */
	uint64_t classes; /* those that satisfy it */
	uint32_t tagset;  /* HAS, LACKS */
	uint32_t value;	  /* VOCAB_NONE: any value of the tag set */
};

enum approver { APPROVER_ORIGINATOR = 1, APPROVER_RECIPIENT, APPROVER_PARTY };
struct rule {
	struct bytes name;
	struct bytes place; /* "agreements.d/atlas.policy:48" */
	const struct condition *conditions;
	size_t condition_count;
	enum verdict verdict;
	enum approver approver; /* of a hold */
	struct bytes approver_party;
	uint64_t within; /* µs */
};

struct equivalence {
	size_t from, to; /* indices of vocabularies in the epoch */
	struct label_map map;
};

/* ---- a portion as one agreement sees it ---- */

struct seen_label {
	const struct label *written; /* NULL: its vocabulary no longer knows it (later decisions) */
	const struct label *mapped;  /* by 'equivalence'; NULL: none, or it cannot be mapped */
	const struct equivalence *equivalence; /* from its vocabulary; NULL: none */
	size_t vocab;			       /* index of the vocabulary as written */
};
struct view {
	const struct seen_label *labels;
	size_t label_count;
	struct bytes content_type;
	const bool *matches; /* per rule of the agreement: all holds but the conditions on 'to' */
};

/* ---- obligations ---- */

enum obligation_state {
	OBLIGATION_MET = 1,
	OBLIGATION_OPEN,
	OBLIGATION_MISSED,
	OBLIGATION_REJECTED
};
struct duty { /* an obligation as it arises, before it is known how it stands */
	struct obligation what;
	uint64_t within; /* µs */
	bool indirect;
	const struct rule *rule; /* of a review */
	enum obligation_state state;
	uint64_t deadline;
	bool fresh;
};

/* ---- one question: this agreement, this recipient, this portion ---- */

/* What check 6 asks of a source and is the same for all portions of a recipient. */
struct ask_source {
	const struct agreement *from; /* NULL: it is gone, or nothing is known of the source */
	bool own;		      /* it is the publisher's or the recipient's */
	bool had;		      /* members: everything of it was released to the recipient */
};
/* Entries of a list of the facts, by their places in it. */
struct ask_list {
	const uint32_t *at;
	size_t count;
};
struct ask {
	const struct epoch *epoch;
	const struct facts *facts;
	const struct ask_source *sources; /* one for each of the facts' */
	const struct agreement *agreement;
	const struct member *recipient;
	const struct view *view;
	uint32_t portion;
	struct ask_list opened, approvals; /* of this portion */
	struct arena *arena;

	/* found out on the way */
	struct duty *duties;
	size_t duty_count;
	const struct rule *cover; /* the least rule that covers */
	size_t fault;		  /* the label that a check withheld for, from 1; 0: none */
	uint64_t in_force_until;  /* the earliest end of an agreement that check 6 needed */
	bool no_memory;		  /* the answer is worth nothing */
};
struct why {
	enum reason reason;
	const struct rule *rule;
};

#define CHECK(name, source) enum verdict rules_##name(struct ask *q, struct why *why);
#include "policy/rules.def"

bool rules_listed(const struct names *list, struct bytes name);
/* Whether a rule's condition on the recipient holds. */
bool rules_to(const struct rule *rule, struct bytes recipient);
/* Whether the conditions that ask neither recipient nor portion hold. */
bool rules_live(const struct rule *rule, const struct facts *f);
/* Whether the conditions on labels and content type hold. */
bool rules_portion(const struct rule *rule, const struct view *v);
/* Whether one label, of the condition's vocabulary, satisfies a condition on labels. */
bool rules_satisfies(const struct condition *c, const struct label *l);
/* type/subtype or type / "*". */
bool rules_content_pattern(struct bytes in);
