/* What the parties of a lab agreed, they have accepted. */
#include <string.h>

#include "client/cli/files.h"
#include "client/cli/lab.h"
#include "client/cli/pins.h"
#include "policy/epoch.h"
#include "policy/text.h"

static bool
accept(struct lab *l, const struct agreement *g, const char *party, struct err *e)
{
	struct pin pin = { .version = g->version };
	size_t count;
	const struct lab_agent *agents = lab_agents(false, &count);
	pin.agreement =
	    arena_printf(&l->arena, "%.*s", (int)g->name.len, (const char *)g->name.data);
	memcpy(pin.terms, g->terms, sizeof(pin.terms));
	for (size_t i = 0; i < count; i++) {
		const char *name = lab_context(l, party, &agents[i]);
		const char *path =
		    name == NULL ? NULL : lab_path(l, "home/contexts/%s.terms", name);
		struct pins pins;
		if (path == NULL || pin.agreement == NULL)
			return err_set(e, ERR_NOMEM, "terms");
		if (!pins_load(path, &l->arena, &pins, e) || !pins_put(&pins, &l->arena, &pin, e))
			return false;
	}
	return true;
}

bool
lab_terms(struct lab *l, struct err *e)
{
	SCOPED(epoch_free) struct epoch *epoch = NULL;
	struct epoch_source source;
	struct text_errors errors;
	const char *root = lab_path(l, "policy/relto.policy");
	if (root == NULL)
		return err_set(e, ERR_NOMEM, "terms");
	files_source(&source);
	text_errors_init(&errors);
	bool ok = epoch_load(&source, root, EPOCH_NO_EXPECTS, &errors, &epoch, e);
	text_errors_done(&errors);
	for (size_t i = 0; ok && i < epoch_agreement_count(epoch); i++)
		for (size_t k = 0; ok && k < l->party_count; k++)
			ok = agreement_member(
				 epoch_agreement_at(epoch, i), bytes_of(l->parties[k])) == NULL ||
			     accept(l, epoch_agreement_at(epoch, i), l->parties[k], e);
	return ok;
}
