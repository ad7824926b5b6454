/* A published head that witnesses signed (AUDIT 5). */
#include "daemon/batch.h"
#include "daemon/log.h"

#include <inttypes.h>

bool
apply_cosigned(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct err why = { 0 };
	if (!store_put_cosigned(c->ledger->store, j->cosigned.size, j->cosigned.note, &why)) {
		if (why.code != ERR_NOT_FOUND && why.code != ERR_DATA && why.code != ERR_LIMIT)
			return err_set(e, why.code, "%s", why.text);
		/* the cosigner looks at what is stored, and asks again */
		log_warn("head.cosigned-unkept", "size=%" PRIu64 " why=%s", j->cosigned.size,
		    log_quote_text(why.text));
		job_fail(j, why.code, why.text);
		return true;
	}
	c->ledger->dirty = c->cosigned = true;
	return true;
}
