/* The auditor's page: what comes from others is only text in it, and its figures are those given.
 */
#include "client/cli/html.h"
#include "client/cli/sheet.h"
#include "tests/lib/test.h"

enum { PAIRS = 40, DAYS = 4 };

/* A sheet and what it points to. */
struct paper {
	struct arena a;
	struct verify_result result;
	struct verify_told told;
	struct checkpoint_trust trust;
	struct verify_say say;
	struct tally_pair pair[PAIRS], *pairs[PAIRS];
	struct tally_day day[DAYS], *days[DAYS];
	struct tally_reason reason, *reasons[1];
	struct story story;
	struct sheet sheet;
	char *text;
	size_t len;
};

static int
setup(void **state)
{
	struct paper *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	arena_init(&p->a, (size_t)1 << 24);
	story_init(&p->story, &p->a);
	p->result = (struct verify_result){ .signed_by_log = true,
		.walked = true,
		.hub = true,
		.size = 3,
		.opened = 3,
		.origin = "hub.example/relto/g1",
		.first_time = UINT64_C(1700000000000000),
		.last_time = UINT64_C(1700000061000000) };
	p->say = (struct verify_say){ .result = &p->result, .told = &p->told, .trust = &p->trust };
	for (size_t i = 0; i < PAIRS; i++)
		p->pairs[i] = &p->pair[i];
	for (size_t i = 0; i < DAYS; i++)
		p->days[i] = &p->day[i];
	p->reasons[0] = &p->reason;
	p->sheet = (struct sheet){ .say = &p->say,
		.pairs = p->pairs,
		.days = p->days,
		.reasons = p->reasons,
		.story = &p->story,
		.note = bytes_of("hub.example/relto/g1\n3\n"),
		.key = "hub.example+1",
		.version = "9" };
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct paper *p = *state;
	free(p->text);
	arena_done(&p->a);
	free(p);
	return 0;
}

static const char *
page(struct paper *p)
{
	struct err e = { 0 };
	free(p->text);
	FILE *to = open_memstream(&p->text, &p->len);
	assert_non_null(to);
	assert_true(sheet_write(to, &p->sheet, &e));
	assert_int_equal(fclose(to), 0);
	return p->text;
}

static void
has(struct paper *p, const char *text)
{
	if (strstr(page(p), text) == NULL)
		fail_msg("the page has not '%s'", text);
}

static void
has_not(struct paper *p, const char *text)
{
	if (strstr(page(p), text) != NULL)
		fail_msg("the page has '%s'", text);
}

static void
set_pair(struct paper *p, size_t i, const char *from, const char *to, uint64_t released)
{
	p->pair[i] = (struct tally_pair){ .publisher = bytes_of(from), .recipient = bytes_of(to) };
	p->pair[i].outcomes[OUTCOME_RELEASE] = released;
	p->sheet.pair_count = i + 1 > p->sheet.pair_count ? i + 1 : p->sheet.pair_count;
}

/* ---- text ---- */

static void
shown(const char *in, size_t len, const char *out)
{
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);
	assert_non_null(to);
	html_text(to, bytes_from(in, len));
	assert_int_equal(fclose(to), 0);
	assert_string_equal(text, out);
	free(text);
}

static void
every_character_with_a_meaning_is_taken_its_meaning(void **state)
{
	(void)state;
	shown("<b>&amp;\"'", 10, "&lt;b&gt;&amp;amp;&quot;&#39;");
	shown("a\nb", 3, "a\nb");
	shown("\0\x1b\x7f\r", 4, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
	shown("\xff\xc3", 2, "\xEF\xBF\xBD\xEF\xBF\xBD");
	shown("\xE2\x80\xAEx\xE2\x80\x8By", 8, "\xEF\xBF\xBDx\xEF\xBF\xBDy"); /* bidi, invisible */
	shown("\xC3\xB8\xE2\x82\xAC", 5, "\xC3\xB8\xE2\x82\xAC");
}

static void
what_others_wrote_is_only_text(void **state)
{
	static const char evil[] = "\"><script>alert(1)</script><i x='";
	struct paper *p = *state;
	struct story_hold hold = { .report = bytes_of("0123456789abcdef"),
		.publisher = bytes_of(evil),
		.recipient = bytes_of(evil),
		.ended = true,
		.outcome = OUTCOME_WITHHOLD,
		.reason = bytes_of(evil) };
	struct story_stop stop = { .type = EVENT_NARROWED,
		.publisher = bytes_of(evil),
		.recipient = bytes_of(evil),
		.what = bytes_of(evil) };
	struct story_change change = { .type = EVENT_AGREEMENT,
		.name = bytes_of(evil),
		.what = bytes_of(evil),
		.parties = bytes_of(evil) };
	struct story_change policy = {
		.type = EVENT_POLICY, .name = bytes_of(evil), .what = bytes_of(evil)
	};
	change.next = &policy;
	set_pair(p, 0, evil, evil, 1);
	p->reason = (struct tally_reason){ bytes_of(evil), bytes_of(evil), 1 };
	p->sheet.reason_count = 1;
	p->story.holds = &hold;
	p->story.stops = &stop;
	p->story.changes = &change;
	p->story.hold_count = p->story.stop_count = p->story.change_count = 1;
	p->sheet.note = bytes_of(evil);
	p->sheet.key = p->sheet.version = evil;
	p->result.code = VERIFY_CONTENT;
	p->result.findings[VERIFY_CONTENT] = 1;
	verify_say_finding(&p->told, &(struct verify_finding){ VERIFY_CONTENT, 7, evil });
	(void)snprintf(p->result.origin, sizeof(p->result.origin), "%s", evil);
	has_not(p, "<script");
	has_not(p, "<i x=");
	has(p, " data-publisher=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;i x=&#39;\"");
	has(p, "<li>content: record 7: &quot;&gt;&lt;script&gt;");
	size_t times = 0;
	for (const char *at = page(p); (at = strstr(at, "alert(1)")) != NULL; at++)
		times++;
	assert_int_equal(times, 28);
}

/* ---- what it says ---- */

static void
an_empty_log_says_that_nothing_was(void **state)
{
	struct paper *p = *state;
	has(p, "<p>No report was decided.</p>");
	has(p, "<p>Nothing was held.</p>");
	has(p, "<p>Nothing was stopped after it was decided.</p>");
	has_not(p, "<svg class=\"chart\"");
	assert_int_equal(
	    strncmp(page(p), "<!DOCTYPE html>\n<html lang=\"en\" data-exit=\"0\"", 43), 0);
	assert_non_null(strstr(page(p), "</main>\n</body>\n</html>\n"));
	assert_string_equal(p->text + p->len - 8, "</html>\n");
}

static void
it_says_at_its_top_whether_it_may_be_believed(void **state)
{
	struct paper *p = *state;
	has(p, "id=\"verified\" data-ok=\"true\"><strong>Verified</strong>");
	has(p,
	    "<li>that the recorded decisions follow the recorded policy (relto audit replay)</li>");
	p->say.replayed = true;
	p->sheet.replay = (struct sheet_replay){ 2, 5, 1, 0, 0, 0 };
	has(p, "<strong>Decisions follow the policy</strong><p>5 decisions on 2 reports");
	has(p, "<li>the recorded decisions follow the recorded policy</li>");
	p->say.replayed = false;
	p->sheet.replay.differ = 1;
	has(p, "class=\"verdict bad\" id=\"replay\"");
	has(p, "<strong>Not all decisions follow the policy</strong>");
	p->sheet.replay = (struct sheet_replay){ 2, 5, 1, 0, 1, 2 };
	has(p, " In 1 places facts are not what the log says. In 2 places it could not be judged.");
	p->result.code = VERIFY_GAP;
	p->result.findings[VERIFY_GAP] = 100;
	has(p, "id=\"verified\" data-ok=\"false\"><strong>Not verified (completeness)</strong>");
	has(p, "<p>..and 100 more.</p>");
	has(p, "<li>nothing: see the findings</li>");
}

static void
the_matrix_has_a_square_for_each_pair_and_a_shade_for_its_share(void **state)
{
	struct paper *p = *state;
	set_pair(p, 0, "GBR", "KEN", 1);
	set_pair(p, 1, "GBR", "NOR", 100);
	set_pair(p, 2, "NOR", "KEN", 0);
	p->pair[0].outcomes[OUTCOME_REDACT] = 2;
	p->pair[0].outcomes[OUTCOME_HOLD] = 3;
	p->pair[0].outcomes[OUTCOME_WITHHOLD] = 4;
	has(p, "<tr><th scope=\"row\">GBR</th><td class=\"s1\" data-released=\"3\">3<small>of "
	       "10</small></td><td class=\"s4\" data-released=\"100\">100</td></tr>");
	has(p, "<tr><th scope=\"row\">NOR</th><td class=\"zero\" data-released=\"0\">0</td><td "
	       "class=\"zero\">&#8211;</td></tr>");
	has(p, "<tr data-publisher=\"GBR\" data-recipient=\"KEN\" data-release=\"1\" "
	       "data-redact=\"2\" data-hold=\"3\" data-withhold=\"4\" data-delivered=\"0\" "
	       "data-acknowledged=\"0\" data-ended=\"0\">");
}

static void
more_parties_than_a_matrix_takes_stand_in_the_table_alone(void **state)
{
	static char names[PAIRS][8];
	struct paper *p = *state;
	for (size_t i = 0; i < 25; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "P%02zu", i);
		set_pair(p, i, "GBR", names[i], i);
		if (i == 23)
			has(p, "id=\"matrix\"");
	}
	has_not(p, "id=\"matrix\"");
	has(p, "data-recipient=\"P24\"");
}

static void
days_are_bars_as_long_as_a_chart_can_show_them(void **state)
{
	struct paper *p = *state;
	p->sheet.day_count = 2;
	p->day[0] = (struct tally_day){ .day = 20000, .accepted = 10, .refused = 1 };
	p->day[1] = (struct tally_day){ .day = 20006, .accepted = 5 };
	has(p, "<b>Accepted</b><span>15 in all, most 10 on 2024-10-04</span>");
	has(p, "viewBox=\"0 0 70 100\"");
	has(p, "<rect class=\"c0\" x=\"1\" y=\"0\" width=\"8\" height=\"100\"/><rect class=\"c0\" "
	       "x=\"61\" y=\"50\" width=\"8\" height=\"50\"/>");
	has(p, "<span>2024-10-04</span><span>2024-10-10</span>");
	p->day[1].day = 20000 + 1499;
	has(p, "<svg class=\"chart\"");
	p->day[1].day++;
	has_not(p, "<svg class=\"chart\"");
	has(p, "no chart would show them");
	has(p, "data-day=\"2024-10-04\"");
}

static void
times_are_told_as_people_read_them(void **state)
{
	static const struct {
		uint64_t s;
		const char *text;
	} rows[] = { { 0, "0 s" }, { 59, "59 s" }, { 60, "1 min" }, { 3599, "59 min 59 s" },
		{ 3600, "1 h" }, { 7500, "2 h 5 min" }, { 86400, "1 d" }, { 90000, "1 d 1 h" } };
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = NULL;
		size_t n = 0;
		FILE *to = open_memstream(&text, &n);
		assert_non_null(to);
		sheet_duration(to, rows[i].s * 1000000 + 999999);
		assert_int_equal(fclose(to), 0);
		assert_string_equal(text, rows[i].text);
		free(text);
	}
	struct paper *p = *state;
	has(p, "<time datetime=\"2023-11-14T22:13:20.000000Z\">2023-11-14 22:13:20</time> to ");
}

static void
nothing_is_loaded_and_nothing_runs(void **state)
{
	struct paper *p = *state;
	static const char *const never[] = { "<script", "<link", "<img", "url(", "@import",
		"http:", "https:", " style=", " onclick", "src=" };
	set_pair(p, 0, "GBR", "NOR", 1);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		has_not(p, never[i]);
	has(p, "content=\"default-src 'none'; style-src 'sha256-");
	has(p, "prefers-color-scheme:dark");
	has(p, "@media print");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_character_with_a_meaning_is_taken_its_meaning),
		TEST(what_others_wrote_is_only_text),
		TEST(an_empty_log_says_that_nothing_was),
		TEST(it_says_at_its_top_whether_it_may_be_believed),
		TEST(the_matrix_has_a_square_for_each_pair_and_a_shade_for_its_share),
		TEST(more_parties_than_a_matrix_takes_stand_in_the_table_alone),
		TEST(days_are_bars_as_long_as_a_chart_can_show_them),
		TEST(times_are_told_as_people_read_them),
		TEST(nothing_is_loaded_and_nothing_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
