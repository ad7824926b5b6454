/*
 * duty.h - the obligations that checks 6 and 7 of DESIGN section 5 raise, and how they stand.
 * They gather in the ask and are settled at its end.  Where memory fails the ask says so
 * (no_memory) and its answer is worth nothing.
 */
#pragma once
#include "policy/rules.h"

/* Raises one.  Of the same obligation raised twice the shorter time counts, and it is indirect only
 * if both are. */
void duty_consent(struct ask *q, const struct fact_source *s, uint64_t within);
void duty_review(struct ask *q, const struct rule *rule);
void duty_signer(struct ask *q);

/*
 * Judges all that were raised against approvals, openings and the time: rejected, timed-out,
 * signer-revoked, consent, review, the first that applies, or REASON_NONE if all are met.  *rule is
 * set for a review: the least of those open.
 */
enum reason duty_settle(struct ask *q, const struct rule **rule);
/* The open ones, in the order signer, consent by source, review by rule.  False on shortage. */
bool duty_open(const struct ask *q, const struct open_obligation **out, size_t *count);
