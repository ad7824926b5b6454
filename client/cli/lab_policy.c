#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/disk.h"
#include "client/cli/lab.h"
#include "client/cli/vocab_files.h"

/*
 * The policy of the design's section 4, for the parties asked for: the first may see everything and
 * publish FLASH, the last of three or more only receives, up to RESTRICTED.
 */
static bool
is_receiver(const struct lab *l, size_t i)
{
	return l->party_count >= 3 && i == l->party_count - 1;
}

static bool
has_party(const struct lab *l, const char *name)
{
	for (size_t i = 0; i < l->party_count; i++)
		if (strcmp(l->parties[i], name) == 0)
			return true;
	return false;
}

bool
lab_policy_knows(const char *party)
{
	struct bytes spif = vocab_files[VOCAB_FILE_ATLAS].data;
	char wanted[128];
	int n = snprintf(wanted, sizeof(wanted), "<spif:tagCategory name=\"%s\"", party);
	return n > 0 && (size_t)n < sizeof(wanted) &&
	       memmem(spif.data, spif.len, wanted, (size_t)n) != NULL;
}

static void
put_party(FILE *f, struct lab *l, const char *party, bool hub)
{
	const char *lower = lab_lower(l, party);
	size_t count;
	const struct lab_agent *agents = lab_agents(hub, &count);
	(void)fprintf(f,
	    "\nparty %s {\n"
	    "    name          \"%s, a party of the lab\"\n"
	    "    trust-domain  %s.example\n"
	    "    trust-bundle  \"trust/%s-ca.pem\"\n"
	    "    crl           \"trust/%s.crl\"\n",
	    party, party, lower, lower, lower);
	for (size_t i = 0; i < count; i++)
		(void)fprintf(
		    f, "    agent /%s { roles [ %s ] }\n", agents[i].name, agents[i].roles);
	(void)fputs("}\n", f);
}

static void
put_root(FILE *f, struct lab *l)
{
	(void)fputs(
	    "# The policy of the lab: who takes part.  What they agreed is in agreements.d.\n"
	    "# Check it with 'relto policy check' after every change; 'relto admin reload' "
	    "applies it.\n"
	    "hub HUB\n"
	    "vocabulary ATLAS {\n"
	    "    spif           \"vocab/atlas.spif.xml\"\n"
	    "    releasability  \"Releasable To\"\n"
	    "}\n",
	    f);
	if (has_party(l, "GBR"))
		(void)fputs("vocabulary GBR-NATIONAL {\n"
			    "    spif           \"vocab/gbr-national.spif.xml\"\n"
			    "    releasability  \"Eyes Only\"\n"
			    "}\n",
		    f);
	(void)fputs("vocabulary TLP {\n"
		    "    spif  \"vocab/tlp-2.0.spif.xml\"\n"
		    "}\n",
	    f);
	for (size_t i = 0; i < l->party_count; i++)
		put_party(f, l, l->parties[i], false);
	put_party(f, l, LAB_HUB, true);
	(void)fputs("\ninclude-dir \"agreements.d\"\n", f);
}

static void
put_member(FILE *f, const struct lab *l, size_t i)
{
	const char *p = l->parties[i];
	if (is_receiver(l, i))
		(void)fprintf(f,
		    "\n    member %s {\n"
		    "        may        [ receive ]\n"
		    "        clearance  ATLAS [ UNCLASSIFIED RESTRICTED ] {\n"
		    "            \"Releasable To\"  [ %s ATLAS ]\n"
		    "            Handling         [ FININT ]\n"
		    "        }\n"
		    "        clearance  TLP [ CLEAR GREEN ]\n"
		    "    }\n",
		    p, p);
	else
		(void)fprintf(f,
		    "\n    member %s {\n"
		    "        may         [ originate receive ]\n"
		    "        precedence  at-most FLASH\n"
		    "        clearance   ATLAS up-to SECRET {\n"
		    "            \"Releasable To\"  [ %s ATLAS ]\n"
		    "            Handling         [ ORCON FININT ]\n"
		    "        }\n"
		    "        clearance   TLP [ CLEAR GREEN AMBER ]\n"
		    "    }\n",
		    p, p);
}

static void
put_rules(FILE *f, const struct lab *l)
{
	(void)fputs("    onward   consent within 72h\n\n"
		    "    rule maritime {\n"
		    "        topic  maritime.>\n"
		    "        label  ATLAS at-most SECRET\n"
		    "        release\n"
		    "    }\n"
		    "    rule cyber {\n"
		    "        topic  cyber.indicators.*\n"
		    "        label  ATLAS at-most RESTRICTED\n"
		    "        release\n"
		    "    }\n"
		    "    rule tlp-amber {\n"
		    "        label  TLP at-most AMBER\n"
		    "        release\n"
		    "    }\n"
		    "    rule flash-review {\n"
		    "        precedence  at-least IMMEDIATE\n"
		    "        label       ATLAS at-least SECRET\n"
		    "        hold        for-approval-of originator within 2h\n"
		    "    }\n",
	    f);
	const char *last = l->parties[l->party_count - 1];
	if (is_receiver(l, l->party_count - 1)) {
		char lower[LIMIT_PARTY_NAME_BYTES + 1] = "";
		for (size_t i = 0; last[i] != '\0' && i < LIMIT_PARTY_NAME_BYTES; i++)
			lower[i] =
			    (char)(last[i] >= 'A' && last[i] <= 'Z' ? last[i] + 32 : last[i]);
		(void)fprintf(f,
		    "    rule never-finint-to-%.40s {\n"
		    "        to     [ %s ]\n"
		    "        label  ATLAS has Handling FININT\n"
		    "        withhold\n"
		    "    }\n",
		    lower, last);
	}
}

static void
put_expects(FILE *f, const struct lab *l)
{
	const char *a = l->parties[0], *b = l->parties[1], *last = l->parties[l->party_count - 1];
	(void)fprintf(f,
	    "\n    expect release from %s to %s topic maritime.piracy"
	    " [ \"ATLAS SECRET//REL TO %s, %s\" TLP:AMBER ]\n",
	    a, b, strcmp(a, b) < 0 ? a : b, strcmp(a, b) < 0 ? b : a);
	if (is_receiver(l, l->party_count - 1))
		(void)fprintf(f,
		    "    expect withhold from %s to %s topic maritime.piracy"
		    " [ \"ATLAS SECRET//REL TO ATLAS\" ]\n"
		    "    expect withhold forbidden from %s to %s topic maritime.piracy"
		    " [ \"ATLAS RESTRICTED//FININT//REL TO ATLAS\" TLP:GREEN ]\n",
		    a, last, a, last);
}

static void
put_atlas(FILE *f, const struct lab *l)
{
	time_t now = (time_t)l->now_s;
	struct tm tm = { 0 };
	(void)gmtime_r(&now, &tm);
	int year = tm.tm_year + 1900;
	(void)fprintf(f,
	    "# What the parties of ATLAS agreed.  Whatever changes takes a higher version.\n"
	    "# 'relto policy terms DIR atlas' prints the exact terms.\n"
	    "agreement atlas {\n"
	    "    title    \"Atlas counter-piracy information exchange\"\n"
	    "    version  1\n"
	    "    valid    from %04d-01-01 until %04d-12-31\n"
	    "    state    in-force\n"
	    "    mode     live\n"
	    "    topics   [ maritime.> cyber.indicators.* ]\n",
	    year, year + 2);
	for (size_t i = 0; i < l->party_count; i++)
		put_member(f, l, i);
	if (has_party(l, "GBR"))
		(void)fputs("\n    equivalence GBR-NATIONAL to ATLAS {\n"
			    "        classification  OFFICIAL-SENSITIVE  RESTRICTED\n"
			    "        classification  SECRET              SECRET\n"
			    "        category        \"Eyes Only\" UK      \"Releasable To\" GBR\n"
			    "        category        \"Eyes Only\" UKNOR   \"Releasable To\" NOR\n"
			    "    }\n",
		    f);
	put_rules(f, l);
	put_expects(f, l);
	(void)fputs("}\n", f);
}

static bool
put_text(struct lab *l, const char *path, FILE *f, char **text, struct err *e)
{
	if (fclose(f) != 0)
		return err_set(e, ERR_NOMEM, "%s", path);
	return lab_put(l, lab_path(l, "%s", path), 0644, bytes_of(*text), e);
}

static bool
make_folder(struct lab *l, const char *name, struct err *e)
{
	const char *path = lab_path(l, "%s", name);
	return path == NULL ? err_set(e, ERR_NOMEM, "%s", name) : disk_folder(path, e);
}

bool
lab_policy(struct lab *l, struct err *e)
{
	char *root = NULL, *atlas = NULL;
	size_t size;
	FILE *f = open_memstream(&root, &size), *g = open_memstream(&atlas, &size);
	bool ok = f != NULL && g != NULL;
	if (ok) {
		put_root(f, l);
		put_atlas(g, l);
		ok = put_text(l, "policy/relto.policy", f, &root, e);
		ok = put_text(l, "policy/agreements.d/atlas.policy", g, &atlas, e) && ok;
	} else {
		(void)err_set(e, ERR_NOMEM, "policy");
	}
	ok = ok && make_folder(l, "policy/signatures", e);
	for (size_t i = 0; ok && i < VOCAB_FILES; i++)
		ok = lab_put(l, lab_path(l, "policy/vocab/%s", vocab_files[i].name), 0644,
		    vocab_files[i].data, e);
	free(root);
	free(atlas);
	return ok;
}
