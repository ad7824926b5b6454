/*
 * agreement.h - what parties agreed: members, clearances, equivalences, rules (DESIGN section 4).
 * Compiled and immutable; all views live as long as the epoch.  Only decide.c and rules.c judge
 * with the inner parts; others read the upper half of struct agreement and use the functions.
 * Threads: read by any.
 */
#pragma once
#include <stdint.h>

#include "proto/bytes.h"
#include "proto/facts.h"

struct party;
struct member;
struct rule;
struct equivalence;
struct holders;
struct topic;

enum agreement_state { STATE_DRAFT = 1, STATE_IN_FORCE, STATE_TERMINATED };
enum onward { ONWARD_PROHIBITED = 1, ONWARD_CONSENT, ONWARD_MEMBERS };

/* The signature of a party that 'signatures required' names (policy/signature.h judges it). */
struct signature {
	struct bytes party;
	const char *path;  /* where it lies: signatures/atlas@3.NOR.p7s beside the root file */
	struct bytes file; /* as read; absent: it could not be */
	const char *why;   /* what is wrong with it; NULL: it is good */
	uint8_t digest[32];
};

struct agreement {
	struct bytes name;
	struct bytes title; /* absent if the policy says none */
	uint64_t version;
	enum agreement_state state;
	enum mode mode;
	uint64_t valid_from;  /* µs since 1970 UTC: the first moment in force */
	uint64_t valid_until; /* µs: the first moment out of force */
	bool suspended;
	bool unsigned_;	     /* it lacks signatures that it requires: not usable */
	const char *refused; /* why the log forbids it, for its members; NULL: it does not */
	bool backfill;
	bool require_cosign; /* nothing leaves before the quorum signed a head over the decision */
	bool has_terms;	     /* false without trust files, or while new terms wait for a
			      * member's: no publication can name it then */
	uint8_t terms[32];   /* SHA-256 of terms_text */
	struct bytes terms_text;
	struct names topics;	      /* patterns, byte order */
	struct names signers;	      /* 'signatures required', byte order; none */
	struct signature *signatures; /* one for each of them; NULL without trust files */
	struct bytes signed_by;	      /* all are good, or were accepted before: lines "PARTY HEX" of
					 their SHA-256; absent: not all */
	int64_t signed_from, signed_until; /* s: so long their chains are valid */
	const struct member *members;	   /* by party name, byte order */
	size_t member_count;
	uint32_t index; /* in the epoch's list of agreements */

	/* for the decision */
	bool unmarked_labels;	/* 'unmarked-labels releasable-to members' */
	bool unmarked_portions; /* 'unmarked-portions releasable-to members' */
	enum onward onward;
	uint64_t consent_within;  /* µs */
	const struct rule *rules; /* by name, byte order */
	size_t rule_count;
	size_t hold_count;			/* rules that hold */
	const struct equivalence *equivalences; /* by source vocabulary's index */
	size_t equivalence_count;
	size_t group_count; /* groups of members that every rule and check treats alike */
	size_t place_count; /* the same of rules alone */
	const struct holders *holders; /* by vocabulary of the epoch (alike.h) */
};

struct member {
	const struct party *party;
	bool may_originate;
	bool may_receive;
	enum precedence at_most;
	/* For each vocabulary of the epoch the clearance, or NULL. */
	const struct clearance *const *clearances;
	size_t group;	/* below group_count */
	uint32_t place; /* below place_count: what the rules make of it as a recipient */
};

/* The member of this name, or NULL. */
const struct member *agreement_member(const struct agreement *a, struct bytes party);
/* True if 'state' and dates put the agreement in force at 'time' (µs). */
bool agreement_in_force(const struct agreement *a, uint64_t time);
/* True if 'topic' is a topic that the agreement's patterns cover. */
bool agreement_covers(const struct agreement *a, struct bytes topic);
/* "draft", "in-force", "terminated". */
const char *agreement_state_name(enum agreement_state state);

/* Versions rise, one version has one digest, and its state only falls (DESIGN section 7, "Terms").
 * What of this 'a' would break, as the words for agreement.refused; NULL: nothing.  Of what the log
 * last accepted under the name only version, state and terms are looked at. */
const char *agreement_takes_back(const struct agreement *a, const struct agreement *accepted);

/* Topics (DESIGN section 4): 1..16 tokens of [A-Za-z0-9_-]+ joined by dots; in a pattern "*" is one
 * token, ">" at the end one or more.  Subscriptions use the same patterns. */
enum topic_fault { TOPIC_GOOD = 0, TOPIC_BAD, TOPIC_TOO_LONG };
enum topic_fault topic_check(struct bytes topic);
enum topic_fault topic_check_pattern(struct bytes pattern);
/* Both must have been checked. */
bool topic_matches(struct bytes pattern, struct bytes topic);
