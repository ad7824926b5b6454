#include "tests/lib/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"
#include "proto/limits.h"

static char dir[] = "/tmp/relto-config-XXXXXX";
static char path[128];

#define LEAST_BUT_LOG \
	"node hub-1\n" \
	"listen 127.0.0.1:4774\n" \
	"identity {\n    certificate hub/broker.pem\n    key hub/broker.key\n}\n"
#define LEAST LEAST_LOG("")
#define LEAST_LOG(more) \
	LEAST_BUT_LOG "log {\n    origin hub.example/relto/g1\n    key hub/log.key\n" more "}\n"
#define CREDIT \
	"help: unacknowledged deliveries of a subscription in a connection: who asks for " \
	"more has so many\n"

static int
make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/reltod.conf", dir);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static void
write_file(const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static struct config *
load(const char *text)
{
	struct config *c = NULL;
	char *report = NULL;
	struct err e = { 0 };
	write_file(text);
	if (!config_load(path, &c, &report, &e))
		fail_msg("%s\n%s", e.text, report);
	return c;
}

/* The report of a file that must not load, with the folder's name taken out. */
static void
refuses(const char *text, const char *expected)
{
	struct config *c = NULL;
	char *report = NULL, shown[4096] = "";
	struct err e = { 0 };
	write_file(text);
	assert_false(config_load(path, &c, &report, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_null(c);
	for (const char *p = report; *p != '\0';) {
		size_t used = strlen(shown);
		bool here = strncmp(p, dir, strlen(dir)) == 0;
		p += here ? strlen(dir) + 1 : 0;
		(void)snprintf(shown + used, sizeof(shown) - used, "%c", *p++);
	}
	free(report);
	assert_string_equal(shown, expected);
}

static void
the_least_file_gets_every_default_of_the_design(void **state)
{
	(void)state;
	SCOPED(config_free) struct config *c = load(LEAST);
	char expected[160];
	assert_string_equal(c->node, "hub-1");
	assert_int_equal(c->listen.count, 1);
	assert_string_equal(c->listen.items[0].address, "127.0.0.1");
	assert_int_equal(c->listen.items[0].port, 4774);
	assert_string_equal(c->user, "");
	(void)snprintf(expected, sizeof(expected), "%s/hub/broker.pem", dir);
	assert_string_equal(c->identity_certificate, expected);
	(void)snprintf(expected, sizeof(expected), "%s/run", dir);
	assert_string_equal(c->run_dir, expected);
	(void)snprintf(expected, sizeof(expected), "%s/spool", dir);
	assert_string_equal(c->store_path, expected);
	assert_int_equal(c->workers, 0);
	assert_int_equal(c->crl_max_age_ms, LIMIT_CRL_AGE_S * 1000ull);
	assert_true(c->store_map_size == 256ull << 30);
	assert_true(c->store_reserve == LIMIT_DISK_FREE_BYTES);
	assert_int_equal(c->messages_level, LOG_INFO);
	assert_int_equal(c->messages_format, LOG_TEXT);
	assert_int_equal(c->log_heads_every_ms, LIMIT_HEADS_GRID_MS);
	assert_int_equal(c->log_pad, 1);
}

static void
every_limit_that_is_a_setting_has_the_default_of_limits_h(void **state)
{
	(void)state;
	SCOPED(config_free) struct config *c = load(LEAST);
	assert_int_equal(c->limit_connections, LIMIT_CONNECTIONS);
	assert_int_equal(c->limit_per_party, LIMIT_CONNECTIONS_PER_PARTY);
	assert_int_equal(c->limit_half_open, LIMIT_HALF_OPEN);
	assert_int_equal(c->limit_per_address, LIMIT_CONNECTIONS_PER_ADDRESS);
	assert_int_equal(c->limit_handshake_ms, LIMIT_HANDSHAKE_MS);
	assert_int_equal(c->limit_hello_ms, LIMIT_HELLO_MS);
	assert_int_equal(c->limit_frame_ms, LIMIT_FRAME_MS);
	assert_int_equal(c->limit_idle_ms, LIMIT_IDLE_MS);
	assert_int_equal(c->limit_drain_ms, LIMIT_DRAIN_MS);
	assert_int_equal(c->limit_publish_window, LIMIT_PUBLISH_WINDOW);
	assert_int_equal(c->limit_publish_rate, LIMIT_PUBLISH_RATE);
	assert_int_equal(c->limit_publish_rate_bytes, LIMIT_PUBLISH_RATE_BYTES);
	assert_int_equal(c->limit_credit, LIMIT_CREDIT);
	assert_int_equal(c->limit_subscriptions, LIMIT_SUBSCRIPTIONS_PER_PARTY);
	assert_int_equal(c->limit_queue_reports, LIMIT_QUEUE_REPORTS);
	assert_true(c->limit_queue_bytes == LIMIT_QUEUE_BYTES);
	assert_int_equal(c->limit_ack_wait_ms, LIMIT_ACK_WAIT_MS);
	assert_int_equal(c->limit_max_deliveries, LIMIT_MAX_DELIVERIES);
	assert_int_equal(c->limit_clock_gap_ms, LIMIT_CLOCK_GAP_S * 1000ull);
}

static void
what_print_writes_loads_to_the_same(void **state)
{
	(void)state;
	SCOPED(config_free)
	struct config *c =
	    load(LEAST "listen \"[::1]:0\"\nworkers 3\nuser relto\npolicy \"a \\\"b\\\"\"\n"
		       "messages {\n level debug\n format json\n}\n"
		       "limits { credit 7 }\nstore {\n reserve 3MiB\n keep-ids 36h\n}\n");
	char *first = NULL, *second = NULL;
	size_t len;
	FILE *f = open_memstream(&first, &len);
	config_print(c, f);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(first, "listen \"[::1]:0\"\n"));
	assert_non_null(strstr(first, "\n    keep-ids 36h\n"));
	assert_non_null(strstr(first, "\n    credit 7\n"));
	SCOPED(config_free) struct config *again = load(first);
	f = open_memstream(&second, &len);
	config_print(again, f);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(first, second);
	free(first);
	free(second);
}

static void
an_unknown_setting_is_refused_with_the_nearest(void **state)
{
	(void)state;
	refuses(LEAST "wrokers 2\n", "reltod.conf:11:1: error: unknown setting 'wrokers'\n"
				     "wrokers 2\n^\nhelp: did you mean 'workers'?\n");
	refuses(LEAST "limits { conections 2 }\n",
	    "reltod.conf:11:10: error: unknown setting 'conections' in limits\n"
	    "limits { conections 2 }\n         ^\nhelp: did you mean 'connections'?\n");
	refuses(LEAST "include other.conf\n",
	    "reltod.conf:11:1: error: unknown setting 'include'\ninclude other.conf\n^\n"
	    "help: known here: node listen user run-dir policy sandbox crl-max-age workers "
	    "identity store log messages observe limits deadlines\n");
}

static void
a_setting_twice_or_missing_is_refused(void **state)
{
	(void)state;
	refuses(LEAST "workers 2\nworkers 3\n",
	    "reltod.conf:12:1: error: 'workers' is set twice\nworkers 3\n^\n"
	    "help: first in 'reltod.conf' line 11\n");
	refuses("listen 127.0.0.1:1\nidentity {\n certificate a\n}\n"
		"log {\n origin a/g1\n key b\n}\n",
	    "reltod.conf:9:1: error: 'node' is missing\n\n^\nhelp: usage: node NAME\n"
	    "reltod.conf:4:1: error: 'key' is missing in identity\n}\n^\n"
	    "help: usage: key \"PATH\"\n");
}

static void
each_type_refuses_what_is_none_of_its_values(void **state)
{
	(void)state;
	refuses(LEAST "workers many\n",
	    "reltod.conf:11:9: error: 'many' is not an integer from 1 to 256\nworkers many\n"
	    "        ^\nhelp: I/O threads; auto is one for each core\n");
	refuses(LEAST "listen localhost:1\n",
	    "reltod.conf:11:8: error: 'localhost:1' is not ADDRESS:PORT\nlisten localhost:1\n"
	    "       ^\nhelp: a numeric address and a port, as 127.0.0.1:4774 or \"[::1]:4774\"\n");
	refuses(LEAST "listen 127.0.0.1:4774\n",
	    "reltod.conf:11:8: error: '127.0.0.1:4774' is listened on already\n"
	    "listen 127.0.0.1:4774\n       ^\n");
	refuses(LEAST "crl-max-age 24\n",
	    "reltod.conf:11:13: error: '24' is not a duration\ncrl-max-age 24\n            ^\n"
	    "help: an integer and one of ms s m h d, as in 72h\n");
	refuses(LEAST "store { map-size 1GB }\n",
	    "reltod.conf:11:18: error: '1GB' is not a size\nstore { map-size 1GB }\n"
	    "                 ^\nhelp: an integer and one of KiB MiB GiB, as in 16MiB\n");
	refuses(LEAST "messages { level loud }\n",
	    "reltod.conf:11:18: error: 'loud' is not known here\nmessages { level loud }\n"
	    "                 ^\nhelp: one of error | warn | info | debug\n");
	refuses(LEAST "messages { format jason }\n",
	    "reltod.conf:11:19: error: 'jason' is not known here\nmessages { format jason }\n"
	    "                  ^\nhelp: did you mean 'json'?\n");
	refuses(LEAST "user -x\n",
	    "reltod.conf:11:6: error: '-x' cannot be the name of user\nuser -x\n     ^\n"
	    "help: a name is 1 to 64 letters, digits, '_' and '-', the first a letter or digit\n");
	refuses(LEAST "policy \"\"\n",
	    "reltod.conf:11:8: error: the text is empty\npolicy \"\"\n       ^\n");
	refuses(LEAST "workers [ 1 ]\n", "reltod.conf:11:1: error: 'workers' takes one value\n"
					 "workers [ 1 ]\n^\nhelp: usage: workers auto | NUMBER\n");
	refuses(LEAST "limits 3\n",
	    "reltod.conf:11:1: error: 'limits' needs a block { }\nlimits 3\n^\n");
}

static void
an_origin_is_a_name_and_a_generation(void **state)
{
	(void)state;
	static const char *const bad[] = { "hub.example/relto", "hub.example/g0", "/g1", "a+b/g1",
		"a/g01", "a/g1234567890", "\"a b/g1\"" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[512], expected[512];
		(void)snprintf(text, sizeof(text),
		    "node a\nlisten 127.0.0.1:1\nidentity {\n certificate a\n key b\n}\n"
		    "log {\n origin %s\n key b\n}\n",
		    bad[i]);
		(void)snprintf(expected, sizeof(expected),
		    "reltod.conf:8:9: error: '%.*s' is not an origin\n origin %s\n        ^\n"
		    "help: a name and the generation of the log, as hub.example/relto/g1\n",
		    (int)(bad[i][0] == '"' ? strlen(bad[i]) - 2 : strlen(bad[i])),
		    bad[i][0] == '"' ? bad[i] + 1 : bad[i], bad[i]);
		refuses(text, expected);
	}
}

static void
a_range_holds_at_its_ends_and_not_one_past_them(void **state)
{
	(void)state;
	SCOPED(config_free)
	struct config *low = load(LEAST "workers 1\nlimits {\n credit 1024\n handshake 100ms\n}\n");
	assert_int_equal(low->limit_credit, 1024);
	refuses(LEAST "limits { credit 1025 }\n",
	    "reltod.conf:11:17: error: '1025' is not an integer from 1 to 1024\n"
	    "limits { credit 1025 }\n                ^\n" CREDIT);
	refuses(LEAST "limits { credit 0 }\n",
	    "reltod.conf:11:17: error: '0' is not an integer from 1 to 1024\n"
	    "limits { credit 0 }\n                ^\n" CREDIT);
	/* a store that is smaller would never have room for a report (LIMIT_MESSAGE_BYTES, twice)
	 */
	SCOPED(config_free) struct config *small = load(LEAST "store { map-size 64MiB }\n");
	assert_int_equal(small->store_map_size, 64u << 20);
	refuses(LEAST "store { map-size 63MiB }\n",
	    "reltod.conf:11:18: error: '63MiB' is not from 67108864 to 17592186044416 bytes\n"
	    "store { map-size 63MiB }\n                 ^\n"
	    "help: address space for the store, not disk space\n");
	refuses(LEAST "limits { handshake 99ms }\n",
	    "reltod.conf:11:20: error: '99ms' is not from 100ms to 60000ms\n"
	    "limits { handshake 99ms }\n                   ^\n"
	    "help: absolute, whatever bytes trickle in\n");
}

static void
heads_come_in_time_for_clients_that_raise_an_alarm(void **state)
{
	(void)state;
	assert_int_equal(LIMIT_HEADS_EVERY_MS, 45000);
	SCOPED(config_free) struct config *slow = load(LEAST_LOG(" heads-every 45s\n"));
	assert_int_equal(slow->log_heads_every_ms, 45000);
	refuses(LEAST_LOG(" heads-every 46s\n"),
	    "reltod.conf:10:14: error: '46s' is not from 100ms to 45000ms\n heads-every 46s\n"
	    "             ^\nhelp: heads are given out at most so often, so that growth tells "
	    "little; clients raise an alarm about what none covers for 120 s\n");
}

static void
heads_of_parties_and_attestations_have_their_rhythm(void **state)
{
	(void)state;
	SCOPED(config_free) struct config *c = load(LEAST_LOG(" party-heads-every 60s\n"));
	assert_int_equal(c->log_party_heads_ms, LIMIT_PARTY_HEAD_MS);
	assert_int_equal(c->limit_attest_ms, 30000);
	SCOPED(config_free) struct config *most = load(LEAST "limits { attest-every 60s }\n");
	assert_int_equal(most->limit_attest_ms, 60000);
	refuses(LEAST_LOG(" party-heads-every 61s\n"),
	    "reltod.conf:10:20: error: '61s' is not from 100ms to 60000ms\n"
	    " party-heads-every 61s\n                   ^\n"
	    "help: a head of each party's own tree that grew is written so often\n");
	refuses(LEAST "limits { attest-every 61s }\n",
	    "reltod.conf:11:23: error: '61s' is not from 0ms to 60000ms\n"
	    "limits { attest-every 61s }\n                      ^\n"
	    "help: an agent attests its party's tree at most so often: each is a signature and a "
	    "record\n");
}

static void
a_file_that_others_can_write_is_refused(void **state)
{
	(void)state;
	struct config *c = NULL;
	char *report = NULL;
	struct err e = { 0 };
	write_file(LEAST);
	assert_int_equal(chmod(path, 0620), 0);
	assert_false(config_load(path, &c, &report, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.text, "group or others can write it (mode 620)"));
	assert_string_equal(report, "");
	free(report);
	assert_int_equal(chmod(path, 0644), 0);
	assert_true(config_load(path, &c, &report, &e));
	config_free(c);
}

static void
a_missing_file_is_not_found_and_a_folder_is_no_file(void **state)
{
	(void)state;
	struct config *c = NULL;
	char *report = NULL;
	struct err e = { 0 };
	assert_false(config_load("/nonexistent/reltod.conf", &c, &report, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	free(report);
	assert_false(config_load(dir, &c, &report, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.text, "not a regular file"));
	free(report);
}

static void
a_reload_says_which_settings_take_a_restart(void **state)
{
	(void)state;
	char names[128];
	SCOPED(config_free) struct config *a = load(LEAST);
	SCOPED(config_free) struct config *b = load(LEAST "store { reserve 2GiB }\n");
	SCOPED(config_free)
	struct config *c = load(LEAST "workers 7\nlisten 127.0.0.1:0\nstore { path other }\n");
	assert_false(config_needs_restart(a, a, names, sizeof(names)));
	assert_string_equal(names, "");
	assert_true(config_needs_restart(a, b, names, sizeof(names)));
	assert_string_equal(names, "store reserve");
	assert_true(config_needs_restart(a, c, names, sizeof(names)));
	assert_string_equal(names, "listen, workers, store path");
}

/* ---- each setting of the table ---- */

static void
change_number(uint64_t *n)
{
	*n += 1000;
}

static void
change_text(char **text)
{
	static char other[] = "other";
	*text = other;
}

static void
change_list(struct config_listens *l)
{
	l->count = 0;
}

/* So that no value of the default is left. */
#define change_enum(field) (*(field) = *(field) == 1 ? 2 : 1)
#define CHANGE_NAME change_text
#define CHANGE_PATH change_text
#define CHANGE_ORIGIN change_text
#define CHANGE_LISTEN change_list
#define CHANGE_DURATION change_number
#define CHANGE_SIZE change_number
#define CHANGE_COUNT change_number
#define CHANGE_WORKERS change_number
#define CHANGE_LEVEL change_enum
#define CHANGE_FORMAT change_enum
#define CHANGE_SANDBOX change_enum

/* 'next' differs from 'now' in this one. */
static void
is_taken_over(const struct config *now, struct config *next, const char *name, bool restart)
{
	char names[128];
	assert_int_equal(config_needs_restart(now, next, names, sizeof(names)), restart);
	assert_string_equal(names, restart ? name : "");
	assert_int_equal(config_changes(now, next, names, sizeof(names)), !restart);
	assert_string_equal(names, restart ? "" : name);
	config_take_over(now, next);
	assert_false(config_needs_restart(now, next, names, sizeof(names)));
	assert_int_equal(config_changes(now, next, names, sizeof(names)), !restart);
}

enum { takes_RELOAD, takes_NEW, takes_RESTART };

static void
a_reload_takes_over_what_the_table_says_and_leaves_the_rest(void **state)
{
	(void)state;
#define S(type, block, name, field, dflt, min, max, takes, reason) \
	{ \
		SCOPED(config_free) struct config *now = load(LEAST); \
		SCOPED(config_free) struct config *next = load(LEAST); \
		CHANGE_##type(&next->field); \
		is_taken_over(now, next, (block)[0] == 0 ? (name) : block " " name, \
		    takes_##takes == takes_RESTART); \
	}
#include "daemon/config.def"
#undef S
}

static void
the_manual_page_lists_the_settings_as_they_are(void **state)
{
	(void)state;
	char *text = NULL, page[65536];
	size_t len;
	FILE *f = open_memstream(&text, &len);
	config_manual(f);
	assert_int_equal(fclose(f), 0);
	f = fopen(SOURCE_ROOT "/docs/man/reltod.conf.5", "r");
	assert_non_null(f);
	size_t got = fread(page, 1, sizeof(page) - 1, f);
	page[got] = '\0';
	assert_int_equal(fclose(f), 0);
	if (strstr(page, text) == NULL)
		fail_msg("docs/man/reltod.conf.5 should contain\n%s", text);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_file_gets_every_default_of_the_design),
		cmocka_unit_test(every_limit_that_is_a_setting_has_the_default_of_limits_h),
		cmocka_unit_test(what_print_writes_loads_to_the_same),
		cmocka_unit_test(an_unknown_setting_is_refused_with_the_nearest),
		cmocka_unit_test(a_setting_twice_or_missing_is_refused),
		cmocka_unit_test(each_type_refuses_what_is_none_of_its_values),
		cmocka_unit_test(an_origin_is_a_name_and_a_generation),
		cmocka_unit_test(a_range_holds_at_its_ends_and_not_one_past_them),
		cmocka_unit_test(heads_come_in_time_for_clients_that_raise_an_alarm),
		cmocka_unit_test(heads_of_parties_and_attestations_have_their_rhythm),
		cmocka_unit_test(a_file_that_others_can_write_is_refused),
		cmocka_unit_test(a_missing_file_is_not_found_and_a_folder_is_no_file),
		cmocka_unit_test(a_reload_says_which_settings_take_a_restart),
		cmocka_unit_test(a_reload_takes_over_what_the_table_says_and_leaves_the_rest),
		cmocka_unit_test(the_manual_page_lists_the_settings_as_they_are),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
