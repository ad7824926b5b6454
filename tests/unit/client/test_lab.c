/* relto lab and relto context, as the command runs them; what they make is read by the broker's own
 * loaders. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/context.h"
#include "client/cli/lab.h"
#include "daemon/file.h"
#include "daemon/trust_load.h"
#include "policy/text.h"

static char root[] = "/tmp/relto-lab-XXXXXX";
static char dir[64];

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int
run(int (*cmd)(int, char **), int argc, const char *const *argv)
{
	char *words[16] = { NULL };
	for (int i = 0; i < argc; i++)
		words[i] = strdup(argv[i]);
	fflush(stdout);
	fflush(stderr);
	int out = dup(1), err = dup(2), null = open("/dev/null", O_WRONLY);
	(void)dup2(null, 1);
	(void)dup2(null, 2);
	int status = cmd(argc, words);
	fflush(stdout);
	(void)dup2(out, 1);
	(void)dup2(err, 2);
	(void)close(out);
	(void)close(err);
	(void)close(null);
	for (int i = 0; i < argc; i++)
		free(words[i]);
	return status;
}
#define RUN(cmd, ...) \
	run(cmd, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), \
	    (const char *[]){ __VA_ARGS__ })

static int
make_lab(void **state)
{
	(void)state;
	if (mkdtemp(root) == NULL)
		return -1;
	(void)snprintf(dir, sizeof(dir), "%s/lab", root);
	char home[96];
	(void)snprintf(home, sizeof(home), "%s/home", dir);
	(void)setenv("RELTO_HOME", home, 1);
	return RUN(cmd_lab, "lab", "init", dir);
}

static int
remove_lab(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int64_t
now(void *arg)
{
	(void)arg;
	return (int64_t)time(NULL);
}

/* What reltod does at its start. */
static struct trust *
broker(void)
{
	static const struct trust_clock clock = { now, NULL };
	char path[256], *report = NULL;
	struct err e = { 0 };
	struct config *c = NULL;
	struct epoch *p = NULL;
	struct trust *t = NULL;
	struct text_errors l;
	(void)snprintf(path, sizeof(path), "%s/reltod.conf", dir);
	if (!config_load(path, &c, &report, &e))
		fail_msg("%s", report);
	(void)snprintf(path, sizeof(path), "%s/relto.policy", c->policy);
	text_errors_init(&l);
	if (!epoch_load(&file_policy, path, 0, &l, &p, &e))
		fail_msg("%s", e.text);
	text_errors_done(&l);
	if (!trust_load(p, c, false, &clock, &t, &e))
		fail_msg("%s", e.text);
	epoch_free(p);
	config_free(c);
	return t;
}

static X509 *
agent_cert(const char *party, const char *agent)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/parties/%s/%s.pem", dir, party, agent);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
	assert_int_equal(fclose(f), 0);
	assert_non_null(x);
	return x;
}

static enum chain_fault
shown(const struct trust *t, const char *party, const char *agent)
{
	struct trust_peer *p = NULL;
	struct trust_refusal why = { .fault = CHAIN_GOOD };
	X509 *x = agent_cert(party, agent);
	if (trust_admit(t, x, NULL, &p, &why)) {
		assert_string_equal(p->party, party);
		trust_peer_free(p);
	}
	X509_free(x);
	return why.fault;
}

static void
a_broker_loads_the_lab_and_admits_every_agent_of_it(void **state)
{
	(void)state;
	static const char *const parties[] = { "GBR", "NOR", "KEN", "HUB" };
	struct trust *t = broker();
	assert_string_equal(trust_hub_id(t), LAB_HUB_ID);
	for (size_t i = 0; i < 4; i++) {
		size_t count;
		const struct lab_agent *agents = lab_agents(i == 3, &count);
		for (size_t j = 0; j < count; j++)
			assert_int_equal(shown(t, parties[i], agents[j].name), CHAIN_GOOD);
	}
	trust_unref(t);
}

static void
an_agent_of_the_lab_may_sign_reports(void **state)
{
	(void)state;
	struct trust *t = broker();
	X509 *x = agent_cert("GBR", "fusion-desk");
	uint8_t *der = NULL;
	int len = i2d_X509(x, &der);
	struct bytes chain = bytes_from(der, (size_t)len);
	struct trust_signer *s = NULL;
	struct trust_refusal why;
	assert_true(trust_signer_new(
	    t, &chain, 1, bytes_of("spiffe://gbr.example/fusion-desk"), now(NULL), &s, &why));
	trust_signer_free(s);
	OPENSSL_free(der);
	X509_free(x);
	trust_unref(t);
}

static void
a_revoked_agent_is_refused_after_a_reload_and_stays_so_when_another_follows(void **state)
{
	(void)state;
	assert_int_equal(RUN(cmd_lab, "lab", "revoke", dir, "NOR", "/watch"), 0);
	struct trust *t = broker();
	assert_int_equal(shown(t, "NOR", "watch"), CHAIN_REVOKED);
	assert_int_equal(shown(t, "NOR", "fusion-desk"), CHAIN_GOOD);
	assert_int_equal(shown(t, "GBR", "watch"), CHAIN_GOOD);
	trust_unref(t);
	assert_int_equal(RUN(cmd_lab, "lab", "revoke", dir, "NOR", "inspector"), 0);
	assert_int_equal(RUN(cmd_lab, "lab", "revoke", dir, "NOR", "inspector"), 0);
	t = broker();
	assert_int_equal(shown(t, "NOR", "watch"), CHAIN_REVOKED);
	assert_int_equal(shown(t, "NOR", "inspector"), CHAIN_REVOKED);
	trust_unref(t);
	assert_int_equal(RUN(cmd_lab, "lab", "revoke", dir, "NOR", "nobody"), 66);
	assert_int_equal(RUN(cmd_lab, "lab", "revoke", dir, "NOR", "../HUB/operator"), 64);
}

static void
keys_are_for_their_owner_alone(void **state)
{
	(void)state;
	static const char *const keys[] = { "hub/broker.key", "hub/log.key",
		"parties/GBR/fusion-desk.key", "parties/GBR/ca.key" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char path[256];
		struct stat st;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, keys[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0400);
	}
	struct stat st;
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void
a_lab_is_never_made_over_anything(void **state)
{
	(void)state;
	assert_int_equal(RUN(cmd_lab, "lab", "init", dir), 64);
}

static void
only_parties_that_the_vocabulary_can_release_to_make_a_lab(void **state)
{
	(void)state;
	char other[96];
	(void)snprintf(other, sizeof(other), "%s/other", root);
	assert_int_equal(RUN(cmd_lab, "lab", "init", other, "--parties", "GBR,XXX"), 64);
	assert_int_equal(RUN(cmd_lab, "lab", "init", other, "--parties", "GBR"), 64);
	assert_int_equal(RUN(cmd_lab, "lab", "init", other, "--parties", "GBR,GBR"), 64);
	assert_int_equal(RUN(cmd_lab, "lab", "init", other, "--parties", "GBR,HUB"), 64);
	assert_int_equal(RUN(cmd_lab, "lab", "init", other, "--parties", "GBR,../x"), 64);
	assert_int_equal(RUN(cmd_lab, "lab", "init", other, "--port", "65536"), 64);
	assert_int_equal(RUN(cmd_lab, "lab", "init", other, "--port", "x"), 64);
	assert_int_equal(RUN(cmd_lab, "lab", "init"), 64);
	assert_int_equal(access(other, F_OK), -1);
}

static void
any_two_parties_make_a_lab_that_loads(void **state)
{
	(void)state;
	char kept[64];
	memcpy(kept, dir, sizeof(kept));
	(void)snprintf(dir, sizeof(dir), "%s/two", root);
	assert_int_equal(
	    RUN(cmd_lab, "lab", "init", dir, "--parties", "USA,NOR", "--port", "0", "--json"), 0);
	struct trust *t = broker();
	assert_int_equal(shown(t, "USA", "fusion-desk"), CHAIN_GOOD);
	trust_unref(t);
	memcpy(dir, kept, sizeof(kept));
}

/* ---- contexts ---- */

static struct context *
context(const struct context_flags *flags)
{
	struct context *c = NULL;
	struct err e = { 0 };
	if (!context_load(flags, &c, &e))
		fail_msg("%s", e.text);
	return c;
}

static void
the_first_partys_desk_is_the_context_of_a_new_lab(void **state)
{
	(void)state;
	char expected[256];
	struct err e = { 0 };
	SCOPED(context_free) struct context *c = context(NULL);
	assert_string_equal(c->name, "gbr");
	assert_string_equal(c->server, "127.0.0.1:4774");
	assert_string_equal(c->hub_id, LAB_HUB_ID);
	(void)snprintf(
	    expected, sizeof(expected), "%s/home/contexts/../../parties/GBR/fusion-desk.pem", dir);
	assert_string_equal(c->certificate, expected);
	(void)snprintf(expected, sizeof(expected), "%s/home/state/gbr", dir);
	assert_string_equal(c->state, expected);
	assert_true(context_ready(c, &e));
}

static void
a_flag_wins_over_a_variable_and_that_over_the_context(void **state)
{
	(void)state;
	struct context_flags flags = { .value = { [CONTEXT_name] = "ken" } };
	(void)setenv("RELTO_SERVER", "192.0.2.1:1", 1);
	(void)setenv("RELTO_CONTEXT", "nor", 1);
	struct context *c = context(NULL);
	assert_string_equal(c->name, "nor");
	assert_string_equal(c->server, "192.0.2.1:1");
	context_free(c);
	assert_true(context_flag(&flags, CONTEXT_OPTION + CONTEXT_server, "192.0.2.2:2"));
	c = context(&flags);
	assert_string_equal(c->name, "ken");
	assert_string_equal(c->server, "192.0.2.2:2");
	context_free(c);
	(void)unsetenv("RELTO_SERVER");
	(void)unsetenv("RELTO_CONTEXT");
	assert_false(context_flag(&flags, CONTEXT_OPTION - 1, "x"));
	assert_false(context_flag(&flags, CONTEXT_OPTION + CONTEXT_FIELDS, "x"));
}

static void
context_fails(const char *name, enum err_code code, const char *story)
{
	struct context_flags flags = { .value = { [CONTEXT_name] = name } };
	struct context *c = NULL;
	struct err e = { 0 };
	bool ok = context_load(&flags, &c, &e) && context_ready(c, &e);
	context_free(c);
	assert_false(ok);
	assert_int_equal(e.code, code);
	if (strstr(e.text, story) == NULL)
		fail_msg("%s", e.text);
}

static void
put_context(const char *name, const char *text, mode_t mode)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/home/contexts/%s.conf", dir, name);
	(void)unlink(path);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
a_context_that_cannot_be_used_says_why(void **state)
{
	(void)state;
	context_fails("nobody", ERR_NOT_FOUND, "there is no context 'nobody' (");
	context_fails("../gbr", ERR_USAGE, "'../gbr' cannot be the name of a context");
	put_context("odd", "sever 127.0.0.1:1\n", 0600);
	context_fails("odd", ERR_CONFIG, "odd.conf:1:1: unknown setting 'sever'");
	put_context("odd", "server 127.0.0.1:1\nserver 127.0.0.1:2\n", 0600);
	context_fails("odd", ERR_CONFIG, "'server' is set twice");
	put_context("odd", "server 127.0.0.1:1\n", 0600);
	context_fails("odd", ERR_CONFIG,
	    "context 'odd' does not say 'hub-id' (or use --hub-id, RELTO_HUB_ID)");
	put_context("odd", "server 127.0.0.1:1\n", 0620);
	context_fails("odd", ERR_CONFIG, "group or others can write it (mode 620)");
	put_context("odd",
	    "server a\nhub-id a\nhub-ca b\ncertificate c\nkey ../../hub/ca.pem\nlog-key e\n", 0600);
	context_fails(
	    "odd", ERR_CONFIG, "hub/ca.pem: a key that group or others can read (mode 644)");
	put_context("odd", "server-file nowhere\n", 0600);
	context_fails("odd", ERR_NOT_FOUND, "server-file (is the broker running?)");
}

static void
a_server_file_gives_the_address_of_a_broker_that_picked_its_port(void **state)
{
	(void)state;
	char path[128];
	struct err e = { 0 };
	(void)snprintf(path, sizeof(path), "%s/addresses", root);
	FILE *f = fopen(path, "w");
	assert_true(fputs("127.0.0.1:40001\n[::1]:40002\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
	struct context_flags flags = { .value = { [CONTEXT_name] = "ports" } };
	put_context("ports",
	    "server-file ../../../addresses\nhub-id a\nhub-ca b\ncertificate c\n"
	    "key ../../hub/log.key\nlog-key e\n",
	    0600);
	SCOPED(context_free) struct context *c = context(&flags);
	assert_null(c->server);
	assert_true(context_ready(c, &e));
	assert_string_equal(c->server, "127.0.0.1:40001");
}

static void
context_add_use_list_and_trust_do_what_they_say(void **state)
{
	(void)state;
	char ca[128], cert[128], missing[128];
	struct err e = { 0 };
	(void)snprintf(ca, sizeof(ca), "%s/hub/ca.pem", dir);
	(void)snprintf(cert, sizeof(cert), "%s/parties/GBR/watch.pem", dir);
	(void)snprintf(missing, sizeof(missing), "%s/none.pem", dir);
	assert_int_equal(RUN(cmd_context, "context", "add", "mine", "--server", "127.0.0.1:9",
			     "--hub-ca", ca, "--certificate", cert),
	    0);
	assert_int_equal(RUN(cmd_context, "context", "add", "mine", "--server", "x"), 64);
	assert_int_equal(
	    RUN(cmd_context, "context", "add", "mine", "--server", "127.0.0.1:8", "--replace"), 0);
	assert_int_equal(RUN(cmd_context, "context", "add", "bad", "--hub-ca", missing), 66);
	assert_int_equal(RUN(cmd_context, "context", "add", "bad", "--hub-ca", cert), 65);
	assert_int_equal(RUN(cmd_context, "context", "add", "bad", "--certificate", ca), 65);
	assert_int_equal(RUN(cmd_context, "context", "add", "a/b"), 64);
	assert_int_equal(RUN(cmd_context, "context", "use", "mine"), 0);
	struct context *c = context(NULL);
	assert_string_equal(c->name, "mine");
	assert_string_equal(c->server, "127.0.0.1:8");
	assert_false(context_ready(c, &e));
	context_free(c);
	assert_int_equal(RUN(cmd_context, "context", "use", "nobody"), 66);
	assert_int_equal(RUN(cmd_context, "context", "list", "--json"), 0);
	assert_int_equal(RUN(cmd_context, "context", "use", "gbr", "--json"), 0);
	assert_int_equal(RUN(cmd_context, "context", "trust", "USA", ca), 78); /* HUB's */
	assert_int_equal(RUN(cmd_context, "context", "trust", "HUB", ca), 0);
	assert_int_equal(RUN(cmd_context, "context", "trust", "USA", cert), 65);
	assert_int_equal(RUN(cmd_context, "context", "trust", "../USA", ca), 64);
	assert_int_equal(RUN(cmd_context, "context", "trust", "--json"), 0);
	assert_int_equal(RUN(cmd_context, "context"), 64);
	assert_int_equal(RUN(cmd_context, "context", "drop"), 64);
	assert_int_equal(RUN(cmd_context, "context", "list", "--bogus"), 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_broker_loads_the_lab_and_admits_every_agent_of_it),
		cmocka_unit_test(an_agent_of_the_lab_may_sign_reports),
		cmocka_unit_test(
		    a_revoked_agent_is_refused_after_a_reload_and_stays_so_when_another_follows),
		cmocka_unit_test(keys_are_for_their_owner_alone),
		cmocka_unit_test(a_lab_is_never_made_over_anything),
		cmocka_unit_test(only_parties_that_the_vocabulary_can_release_to_make_a_lab),
		cmocka_unit_test(any_two_parties_make_a_lab_that_loads),
		cmocka_unit_test(the_first_partys_desk_is_the_context_of_a_new_lab),
		cmocka_unit_test(a_flag_wins_over_a_variable_and_that_over_the_context),
		cmocka_unit_test(a_context_that_cannot_be_used_says_why),
		cmocka_unit_test(a_server_file_gives_the_address_of_a_broker_that_picked_its_port),
		cmocka_unit_test(context_add_use_list_and_trust_do_what_they_say),
	};
	return cmocka_run_group_tests(tests, make_lab, remove_lab);
}
