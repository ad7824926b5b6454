/*
 * signature.h - whether an agreement has the signatures that it requires (design section 7, Terms):
 * of each party a detached CMS signature over the terms, by an agent of that party with the role
 * 'sign', with a chain to that party's own anchors (S8).
 * Pure: anchors and time are inputs.  Threads: before the epoch is shared.
 */
#pragma once
#include "policy/epoch.h"
#include "proto/chain.h"

struct signature_judge {
	/* A party's anchors with its lists, and until when these say anything (s); NULL: they
	 * cannot be used, *why says why. */
	const struct chain_anchors *(*anchors)(
	    void *ctx, const struct party *p, int64_t *until, const char **why);
	void *ctx;
	int64_t at; /* s since 1970 */
};
/* Judges all signature files of a policy: fills 'why' and 'digest' of each and, where all of an
 * agreement's are good, its signed_by, signed_from and signed_until.  It makes none usable or
 * unusable: that takes what the log knows.  ERR_NOMEM. */
MUST_USE bool signature_judge_all(struct epoch *p, const struct signature_judge *by, struct err *e);
/* A warning for each signature that is missing or bad, with the command that makes it; 'dir' is how
 * the policy was named.  Of a policy that was loaded without trust files: that nothing was judged.
 */
void signature_warn(const struct epoch *p, const char *dir, struct text_errors *to);
