/*
 * remedy.h - the single changes that would let a report go to a party under an agreement.  Each was
 * tried: a change of the report is judged by the kernel, a change of the policy is written into its
 * text, loaded and then judged, and loaded once more with its expects.  None is listed that did not
 * give a release.
 * Threads: one owner; the epoch is read by any.
 */
#pragma once
#include "policy/reasons.h"

enum remedy_kind {
#define K(name, token) REMEDY_##name,
#include "policy/remedy.def"
	REMEDY_KINDS
#undef K
};
const char *remedy_token(enum remedy_kind k);

enum {
	REMEDY_MAX = 256,  /* changes of one agreement that are kept; more are counted */
	REMEDY_LOADS = 100 /* how often one question may load a policy to try a change of it */
};

struct remedy {
	enum remedy_kind kind;
	unsigned size;	    /* of two of a kind the smaller comes first */
	struct bytes text;  /* for people */
	struct bytes place; /* "file:line" in the policy; absent: a change of the report */
	struct edit edit;   /* with a place: in the text of the policy */
	/* without: the report that goes */
	const struct raw_label *labels; /* as many as the portion has */
	enum precedence precedence;
	enum mode mode;
	struct bytes refused; /* present: the policy's own expects or nevers forbid it, and which */
};

struct remedies {
	struct remedy *items; /* smallest first */
	size_t count;
	size_t left_out;  /* found, but not kept */
	bool loads_ended; /* REMEDY_LOADS: not all changes of the policy were tried */
};

struct remedy_ask {
	const struct epoch *epoch;
	const struct edit_text *text;
	struct overlay *overlay; /* of the files that the epoch was loaded from */
	const char *root;
	unsigned flags;	 /* of epoch_load */
	unsigned *loads; /* so far, of all agreements of a question */
	const struct reasons_ask *ask;
};

/* Finds them for one agreement whose verdict is no release. */
MUST_USE bool remedy_find(
    const struct remedy_ask *q, const struct reasons *r, struct remedies *out, struct err *e);
