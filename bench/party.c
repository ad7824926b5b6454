#include "bench/party.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define HUB_ID "spiffe://hub.example/relto"

void
party_die(const char *what, const struct relto_error *e)
{
	(void)fprintf(stderr, "bench: %s: %s: %s %s\n", what, e->code, e->text, e->detail);
	exit(1);
}

struct path {
	char text[PATH_MAX];
};

static struct path
in_lab(const struct party_lab *lab, const char *below)
{
	struct path p;
	int n = snprintf(p.text, sizeof(p.text), "%s/%s", lab->dir, below);
	if (n < 0 || (size_t)n >= sizeof(p.text))
		exit(1);
	return p;
}

static struct relto_context *
identity(const struct party_lab *lab, const char *party, const char *agent)
{
	struct relto_error e = { 0 };
	struct relto_context *x = relto_context_new(&e);
	char below[256];
	(void)snprintf(below, sizeof(below), "parties/%s/%s.pem", party, agent);
	struct path cert = in_lab(lab, below);
	(void)snprintf(below, sizeof(below), "parties/%s/%s.key", party, agent);
	struct path key = in_lab(lab, below);
	if (x == NULL || !relto_context_server(x, lab->server, &e) ||
	    !relto_context_hub_file(x, HUB_ID, in_lab(lab, "hub/ca.pem").text, &e) ||
	    !relto_context_identity_files(x, cert.text, key.text, &e))
		party_die(party, &e);
	return x;
}

struct relto_context *
party_context(const struct party_lab *lab, const char *party)
{
	struct relto_error e = { 0 };
	struct relto_context *x = identity(lab, party, "fusion-desk");
	char vkey[512] = "";
	FILE *f = fopen(in_lab(lab, "home/log.vkey").text, "re");
	if (f == NULL || fgets(vkey, sizeof(vkey), f) == NULL) {
		perror("bench: home/log.vkey");
		exit(1);
	}
	(void)fclose(f);
	if (!relto_context_log_key(x, vkey, &e) ||
	    !relto_context_trust_dir(x, in_lab(lab, "home/trust").text, &e))
		party_die(party, &e);
	return x;
}

/* ---- the operator ---- */

struct party_operator
party_operator_open(const struct party_lab *lab)
{
	struct relto_error e = { 0 };
	struct party_operator o = { .context = identity(lab, "HUB", "operator") };
	o.connection = relto_connect(o.context, &e);
	if (o.connection == NULL)
		party_die("operator", &e);
	return o;
}

void
party_operator_close(struct party_operator *o)
{
	relto_close(o->connection);
	relto_context_free(o->context);
}

static uint64_t
member(const char *json, const char *name)
{
	const char *at = strstr(json, name);
	if (at == NULL) {
		(void)fprintf(stderr, "bench: the status has no %s\n", name);
		exit(1);
	}
	return strtoull(at + strlen(name), NULL, 10);
}

struct party_counts
party_counts(struct party_operator *o)
{
	struct relto_error e = { 0 };
	char *json = NULL;
	if (!relto_status(o->connection, &json, &e))
		party_die("status", &e);
	struct party_counts c = { .commits = member(json, "\"commits\":"),
		.records = member(json, "\"log_size\":"),
		.messages_in = member(json, "\"messages_in\":"),
		.messages_out = member(json, "\"messages_out\":"),
		.bytes_in = member(json, "\"bytes_in\":"),
		.bytes_out = member(json, "\"bytes_out\":") };
	free(json);
	return c;
}

struct party_counts
party_counts_between(const struct party_counts *from, const struct party_counts *to)
{
	return (struct party_counts){ .commits = to->commits - from->commits,
		.records = to->records - from->records,
		.messages_in = to->messages_in - from->messages_in,
		.messages_out = to->messages_out - from->messages_out,
		.bytes_in = to->bytes_in - from->bytes_in,
		.bytes_out = to->bytes_out - from->bytes_out };
}
