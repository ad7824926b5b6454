#include "daemon/leaves.h"

#include "daemon/conn.h"
#include "daemon/ends.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/trust.h"

#include <inttypes.h>
#include <string.h>

/* False: this certificate was told so already, in another session. */
static bool
is_news(struct leaves *l, const uint8_t leaf[32], enum ends_stage stage)
{
	for (unsigned i = 0; i < LEAVES_KEPT; i++) {
		if (memcmp(l->kept[i].leaf, leaf, sizeof(l->kept[i].leaf)) != 0)
			continue;
		bool news = stage > l->kept[i].told;
		l->kept[i].told = (uint8_t)stage;
		return news;
	}
	memcpy(l->kept[l->next].leaf, leaf, sizeof(l->kept[l->next].leaf));
	l->kept[l->next].told = (uint8_t)stage;
	l->next = (l->next + 1) % LEAVES_KEPT;
	return true;
}

void
leaves_look(struct conn *c, int64_t now_s)
{
	ASSERT_ON(ROLE_WORKER);
	struct trust_peer *p = c->peer;
	enum ends_stage stage = ends_stage(p->began, p->own_after, now_s);
	if (stage == p->ends_told)
		return;
	bool nearer = stage > p->ends_told;
	p->ends_told = (uint8_t)stage;
	if (!nearer || stage == ENDS_PAST || !is_news(&c->worker->leaves, p->leaf, stage))
		return; /* past it the session ends, and that is told */
	int64_t left = p->own_after - now_s;
	log_warn("trust.ends",
	    "what=%s party=%s agent=%s sha256=%s days=%" PRId64 " hours=%" PRId64 " action=%s",
	    log_quote_text("an agent's certificate"), p->party, log_quote_text(p->agent),
	    log_hex(p->leaf, sizeof(p->leaf)), left / ENDS_DAY_S, left % ENDS_DAY_S / ENDS_HOUR_S,
	    log_quote_text("its party replaces it; its sessions end with it"));
}
