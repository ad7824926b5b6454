/* apply_attest.c - an attestation becomes a record (attest.h). */
#include "daemon/batch.h"
#include "daemon/role.h"

/* The chain is judged by the policy before it in the log (verify_attest.c), at the record's time:
 * under other rules, or past its end, it is not taken. */
bool
apply_attest(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct ledger_place nowhere = { 0 };
	struct log_out out;
	uint8_t digest[STORE_HASH_BYTES];
	if (!apply_still_holds(c, j->rules, 0, j->attest.until_us)) {
		j->fate = JOB_STALE;
		return true;
	}
	return store_put_blob(c->ledger->store, STORE_CHAIN, j->attest.chain, digest, e) &&
	       ledger_append(c->ledger, &j->attest.record, &nowhere, &out, e);
}
