#include "daemon/notices.h"

#include "daemon/explain.h"
#include "daemon/role.h"
#include "proto/notice.h"

static bool
bad(struct fault *f, const char *field, struct bytes nearest, struct err *e)
{
	(void)snprintf(f->field, sizeof(f->field), "%s", field);
	if (nearest.len > 0)
		(void)snprintf(f->nearest, sizeof(f->nearest), "%.*s", (int)nearest.len,
		    (const char *)nearest.data);
	return err_set(e, ERR_MALFORMED, "%s", field);
}

/* One that is not under a signed head is not there yet. */
static bool
find_own(struct desk *d, struct publish *p, bool *found, struct err *e)
{
	struct store_report_key key = { .originator = p->party_id };
	struct store_report row;
	memcpy(key.id, p->report.notice.report.data, sizeof(key.id));
	if (!store_find_report(d->view, &key, &row, found, e))
		return false;
	*found = *found && desk_is_signed(d, row.intake);
	p->named.key = key;
	return true;
}

/* Somebody else's, which the party was given: `about` alone may name it. */
static bool
find_given(struct desk *d, struct publish *p, bool *found, struct err *e)
{
	struct store_given g = { .report = { .originator = 0 } };
	bool more = true;
	memcpy(g.report.id, p->report.notice.report.data, sizeof(g.report.id));
	while (more && !*found) {
		struct store_report_key after = g.report;
		uint64_t delivery = STORE_NONE;
		if (!store_next_given(d->view, p->party_id, &after, &g, &more, e))
			return false;
		if (more && !withdrawn_had(d->view, &g, &delivery, e))
			return false;
		*found = more && delivery != STORE_NONE && desk_is_signed(d, delivery);
	}
	p->named.key = g.report;
	return true;
}

/* A recall says its report's topic and precedence again, comes at once and has no end. */
static bool
check_recall(struct publish *p, const struct envelope_manifest *of, struct fault *f, struct err *e)
{
	static const char *const precedences[] = { "", "ROUTINE", "PRIORITY", "IMMEDIATE",
		"FLASH" };
	const struct envelope_manifest *m = &p->report.manifest;
	if (!bytes_equal(m->topic, of->topic))
		return bad(f, "manifest.topic", of->topic, e);
	if (m->precedence != of->precedence)
		return bad(f, "manifest.precedence", bytes_of(precedences[of->precedence]), e);
	if (m->not_before != 0)
		return bad(f, "manifest.not_before", bytes_of("0"), e);
	return m->expires == 0 || bad(f, "manifest.expires", bytes_of("0"), e);
}

static bool
read_banner(struct desk *d, struct publish *p, uint64_t intake, struct err *e)
{
	struct record r;
	struct slot_publication s;
	uint8_t leaf[32];
	if (!explain_record(d, intake, &r, leaf, e) ||
	    !slot_get_publication(RECORD_SLOT(&r, 3)->value, &s, e))
		return false;
	p->banner = s.banner;
	return true;
}

static bool
unknown(struct err *e)
{
	return err_set(e, ERR_UNKNOWN_REPORT, "no such report");
}

/* What is there, and of the same mode (S11). */
static bool
check_named(struct desk *d, struct publish *p, struct arena *a, struct fault *f, struct err *e)
{
	struct store_report row;
	struct bytes manifest;
	struct envelope_manifest m;
	struct named itself;
	bool found = false, read = false, about = p->report.notice.act == ENVELOPE_ABOUT;
	if (!find_own(d, p, &found, e) || (!found && about && !find_given(d, p, &found, e)))
		return false;
	if (!found)
		return unknown(e);
	if (!store_find_report(d->view, &p->named.key, &row, &found, e))
		return false;
	if (!found) /* its id was forgotten */
		return unknown(e);
	if (!store_read_part(d->view, row.intake, STORE_PART_MANIFEST, &manifest, &read, e))
		return false;
	if (!read)
		return err_set(e, ERR_CORRUPT, "a report without its manifest");
	if (!envelope_manifest_decode(manifest, a, &m, e) ||
	    !named_find(d->view, row.intake, &itself, e))
		return false;
	if (m.mode != p->report.manifest.mode)
		return unknown(e);
	p->named.precedence = (uint8_t)m.precedence;
	p->named_decisions = row.decisions;
	if (about)
		return true;
	if (itself.act == ENVELOPE_RECALL) /* it is over already */
		return bad(f, "notice.report", (struct bytes){ NULL, 0 }, e);
	return p->report.notice.act == ENVELOPE_SUPERSEDE ||
	       (check_recall(p, &m, f, e) && read_banner(d, p, row.intake, e));
}

bool
notices_may_see(struct desk *d, const struct store_given *to, bool *yes, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct named n;
	struct store_given g;
	uint64_t delivery = STORE_NONE;
	*yes = false;
	if (!named_find(d->view, to->intake, &n, e))
		return false;
	*yes = n.act != 0 && (to->masks.len == 0 || n.key.originator == to->party);
	if (n.act == 0 || *yes)
		return true;
	if (!store_find_given(d->view, to->party, &n.key, &g, yes, e))
		return false;
	if (*yes && !withdrawn_had(d->view, &g, &delivery, e))
		return false;
	*yes = delivery != STORE_NONE && desk_is_signed(d, delivery);
	return true;
}

bool
notices_check(struct desk *d, struct publish *p, struct arena *a, struct fault *f, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	const struct envelope_notice *n = &p->report.notice;
	if (!p->report.has_notice)
		return true;
	enum notice_list list = (enum notice_list)n->act;
	if (n->reason.len > 0 && !notice_is_code(list, n->reason))
		return bad(f, "notice.reason", bytes_of(notice_code(list, 0)), e);
	if (!store_view_open(d->view, a, e))
		return false;
	bool ok = check_named(d, p, a, f, e);
	store_view_close(d->view);
	p->named.act = ok ? (uint8_t)n->act : 0;
	p->named.reason = n->reason;
	return ok;
}
