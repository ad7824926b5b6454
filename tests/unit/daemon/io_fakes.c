/* io_fakes.c - the handlers that the rig does not look into: each counts a request (io_rig.h). */
#include "tests/unit/daemon/io_rig.h"

#include "daemon/on.h"

#define FAKE(name) \
	bool name(struct conn *c, const struct msg *m, struct arena **a, struct err *e) \
	{ \
		return rig_request(c, m, a, e); \
	}
FAKE(on_publish)
FAKE(on_subscribe)
FAKE(on_holds)
FAKE(on_decide)
FAKE(on_prove)
FAKE(on_backup)
FAKE(on_erase)
FAKE(on_recall_status)
FAKE(on_feedback_status)
FAKE(on_recall_answer)
FAKE(on_feedback)
FAKE(on_sessions)
FAKE(on_drain)
FAKE(on_ack)
FAKE(on_explain)
FAKE(on_whoami)
FAKE(on_audit_list)
FAKE(on_audit_pull)
FAKE(on_attest)
FAKE(on_nack)
FAKE(on_subscriptions)
FAKE(on_dead_letters)
FAKE(on_status)
FAKE(on_reload)
FAKE(on_accept_clock)
