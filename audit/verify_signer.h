/*
 * verify_signer.h - the publishers' batch signatures (design sections 6 and 7): seal, chain and
 * anchors of an INTAKE, judged at the time of the record, by the anchors that the policy in force
 * names for the publishing party.  Whether a certificate was revoked cannot be judged: a bundle has
 * no revocation lists.
 * In the bundle of an auditor of the hub party only.
 */
#pragma once
#include "audit/verify_run.h"

/* A report whose manifest has the leaf hash of its record. */
struct verify_signed {
	const struct verify_slots *s;	 /* the INTAKE */
	struct bytes originator, signer; /* as the manifest says */
	struct bytes seal;		 /* absent: not in the bundle */
};
/* '*judged' false: something that this takes is not in the bundle, or not of its digest. */
MUST_USE bool verify_signer_report(
    struct verify *v, const struct verify_signed *r, bool *judged, struct err *e);
