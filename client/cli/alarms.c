#include "client/cli/alarms.h"

#include <stdio.h>

void
alarms_watch(struct alarms *a, const struct relto_connection *c)
{
	size_t overdue = relto_overdue(c);
	bool disputed = false;
	(void)relto_attested(c, &disputed);
	if (overdue > a->overdue) {
		(void)fprintf(stderr,
		    "relto: ALARM: %zu reports are not in a signed head of your party's tree after "
		    "120 s; the broker may keep records out of its log: tell your auditor\n",
		    overdue);
		a->overdue = overdue;
	}
	if (disputed && !a->disputed)
		(void)fputs(
		    "relto: ALARM: the broker refuses what was attested of your party's tree, "
		    "though it showed it itself: tell your auditor\n",
		    stderr);
	a->disputed |= disputed;
}

bool
alarms_raised(const struct alarms *a)
{
	return a->overdue > 0 || a->disputed;
}
