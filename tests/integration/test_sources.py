#!/usr/bin/python3
"""test_sources.py - reports that cite reports: what may go on to whom, and every way round it that was thought of
(design 5, step 6; decision 0010)."""
import json
import os
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
from sources_world import AMBER, GREEN, PARTIES, SourcesTest, text_of  # noqa: E402
import witness  # noqa: E402
from wire import pb  # noqa: E402

CONSENT = 2  # an obligation's kind on the wire


def all_but(party, reason, **others):
    return dict({p: reason for p in PARTIES if p != party}, **others)


class Rules(SourcesTest):
    def test_consent_is_asked_of_the_sources_originator_and_of_nobody_for_him(self):
        source = self.given("GBR", ["NOR"])
        self.assertEqual(self.reasons("NOR", "open", [source]), all_but("NOR", "consent", GBR="release"))

    def test_the_obligation_says_who_must_consent_to_what_and_until_when(self):
        source = self.given("GBR", ["NOR"])
        said = self.dry("NOR", "open", [source])
        ken = next(d for d in said.decisions if d.recipient == b"KEN")
        (o,) = ken.portions[0].obligations
        self.assertEqual((o.kind, o.agreement, o.approver), (CONSENT, b"open", b"GBR"))
        self.assertEqual(o.subject.decode(), text_of(source))
        self.assertEqual(o.deadline - ken.time, 72 * 3600 * 1000000)

    def test_members_may_have_what_rests_on_what_they_had(self):
        source = self.given("GBR", ["NOR"], "open")
        self.assertEqual(self.reasons("NOR", "ask", [source]), all_but("NOR", "release"))

    def test_members_does_not_reach_whom_the_originator_left_out(self):
        source = self.given("GBR", ["NOR"], "open", change=lambda r: r.routing.not_to.append(b"KEN"))
        self.assertEqual(self.reasons("NOR", "open", [source]), all_but("NOR", "release", KEN="onward"))

    def test_members_counts_every_portion_that_the_publisher_had(self):
        def second(report):
            report.portion(AMBER, b"for those who may have AMBER")
        source = self.given("GBR", ["NOR"], "open", change=second)  # SWE has the first alone
        self.assertEqual(self.reasons("NOR", "open", [source]), all_but("NOR", "release", SWE="onward"))

    def test_members_of_a_smaller_agreement_are_not_those_of_the_next(self):
        source = self.given("GBR", ["NOR"], "duo")
        self.assertEqual(self.reasons("NOR", "open", [source]), all_but("NOR", "onward", GBR="release"))

    def test_what_may_not_go_on_goes_to_its_originator_alone(self):
        source = self.given("GBR", ["NOR"], "shut")
        self.assertEqual(self.reasons("NOR", "open", [source]), all_but("NOR", "onward", GBR="release"))

    def test_an_own_report_is_cited_freely(self):
        own, _ = self.publish("NOR", "shut")
        self.assertEqual(self.reasons("NOR", "open", [own]), all_but("NOR", "release"))

    def test_the_strictest_of_several_sources_counts(self):
        free, shut = self.given("GBR", ["NOR"], "open"), self.given("KEN", ["NOR"], "shut")
        self.assertEqual(self.reasons("NOR", "open", [free, shut]), all_but("NOR", "onward", GBR="onward", KEN="release"))

    def test_a_source_under_two_agreements_obeys_both_in_either_order(self):
        for both in (["open", "shut"], ["shut", "open"]):
            source = self.given("GBR", ["NOR"], both)
            self.assertEqual(self.reasons("NOR", "open", [source]), all_but("NOR", "onward", GBR="release"), both)

    def test_one_consent_is_asked_under_two_agreements_that_ask(self):
        self.write("open", onward="consent within 1h")
        self.reload()
        self.addCleanup(self.mend, "open")
        self.again()
        source = self.given("GBR", ["NOR"], ["ask", "open"])
        said = self.dry("NOR", "ask", [source])
        ken = next(d for d in said.decisions if d.recipient == b"KEN")
        (o,) = ken.portions[0].obligations
        self.assertEqual(o.deadline - ken.time, 3600 * 1000000)

    def mend(self, name):
        self.write(name)
        self.reload()


class Unknown(SourcesTest):
    """Unknown, another's, not delivered, of the other mode: one answer (S7)."""

    def unknown(self, party, source, agreements="open", **how):
        self.assertEqual(self.reasons(party, agreements, [source], **how), all_but(party, "unknown-source"))

    def test_an_id_that_nobody_has(self):
        self.unknown("NOR", wire.uuid7(1))

    def test_an_id_that_another_party_alone_has(self):
        source = self.given("GBR", ["KEN"], change=lambda r: r.routing.only_to.name.append(b"KEN"))
        self.unknown("NOR", source)

    def test_a_report_that_was_withheld_from_the_publisher(self):
        source = self.given("GBR", ["NOR"], labels=AMBER)
        self.unknown("SWE", source)

    def test_a_report_that_waits_and_was_not_delivered(self):
        self.clients["NOR"].close()
        source, _ = self.publish("GBR", "open")
        self.clients["NOR"] = self.client("nor", tap=self.taps["NOR"])  # does not subscribe
        self.unknown("NOR", source)

    def test_a_report_that_is_held_for_the_publisher(self):
        first = self.given("GBR", ["NOR"])
        held, _ = self.publish("NOR", "open", sources=[first])
        self.assertEqual(self.why("NOR", held)["KEN"], ["consent"])
        self.unknown("KEN", held)

    def test_a_report_that_expired_before_it_was_delivered(self):
        self.clients["NOR"].close()
        source, _ = self.publish("GBR", "open", change=expires_in(1500))
        rig.until(lambda: b"EXPIRE" if self.expired(source) else None, 10, "its end")
        self.clients["NOR"] = self.reader("NOR")
        self.unknown("NOR", source)

    def expired(self, report):
        openings = [witness.Opening(o) for _, o in self.lab.records()]
        return any(o.type == "EXPIRE" and o.slots[1][2] == report for o in openings)

    def test_one_that_is_unknown_spoils_the_rest(self):
        source = self.given("GBR", ["NOR"], "open")
        self.unknown("NOR", source, change=lambda r: r.routing.sources.append(wire.uuid7(2)))

    def test_an_expired_report_that_was_had_stays_known(self):
        source, _ = self.publish("GBR", "open", change=expires_in(1500))
        self.give("NOR", source)
        self.assertEqual(self.reasons("NOR", "open", [source]), all_but("NOR", "release"))


def expires_in(ms):
    def change(report):
        report.manifest.expires = report.manifest.created + ms
    return change


class Later(SourcesTest):
    """What the rules become after the source was given (S5)."""

    def change(self, name, **how):
        self.write(name, **how)
        self.reload()
        self.addCleanup(self.mend, name)
        self.again()

    def mend(self, name):
        self.write(name)
        self.reload()

    def test_an_agreement_that_has_ended_lets_nothing_go_on_to_members(self):
        source = self.given("GBR", ["NOR"], "open")
        self.change("open", until="2026-01-02")
        self.assertEqual(self.reasons("NOR", "ask", [source]), all_but("NOR", "onward", GBR="release"))

    def test_an_agreement_that_is_gone_lets_nothing_go_on(self):
        source = self.given("GBR", ["NOR"], "ask")
        os.unlink(self.lab.path("policy", "agreements.d", "ask.policy"))
        self.addCleanup(self.mend, "ask")
        self.reload()
        self.again()
        self.assertEqual(self.reasons("NOR", "open", [source]), all_but("NOR", "onward", GBR="release"))

    def test_the_terms_of_today_count(self):
        source = self.given("GBR", ["NOR"], "open")
        self.change("open", onward="prohibited")
        self.assertEqual(self.reasons("NOR", "ask", [source]), all_but("NOR", "onward", GBR="release"))

    def test_what_was_had_before_it_was_narrowed_still_counts(self):
        """NOR has both portions, acknowledges neither, and then may have one: it has read both."""
        def second(report):
            report.portion(AMBER, b"for those who may have AMBER")
        self.clients["NOR"].close()
        nor = self.client("nor", tap=self.taps["NOR"])
        nor.subscribe()
        source, _ = self.publish("GBR", ["open"], change=second)
        d = nor.receive()
        while d.manifest.id != source:
            nor.ack(d)
            d = nor.receive()
        self.assertEqual(len(d.portions), 2)
        nor.close()
        self.change("open", rules="rule no-amber-to-nor {\n to [ NOR ]\n label TLP is AMBER\n withhold\n }")
        self.assertEqual(len(self.give("NOR", source).portions), 1)
        self.assertEqual(self.reasons("NOR", "ask", [source]), all_but("NOR", "release", SWE="onward"))

    def test_what_was_had_before_all_of_it_was_withheld_still_counts(self):
        self.clients["NOR"].close()
        nor = self.client("nor", tap=self.taps["NOR"])
        nor.subscribe()
        source, _ = self.publish("GBR", ["shut"])
        while nor.receive().manifest.id != source:
            pass
        nor.close()
        self.change("shut", rules="rule nothing-to-nor {\n to [ NOR ]\n withhold\n }")
        rig.until(lambda: self.why("GBR", source)["NOR"] == ["forbidden"], 10, "the narrowing")
        self.assertEqual(self.reasons("NOR", "open", [source]), all_but("NOR", "onward", GBR="release"))

    def test_what_was_narrowed_for_a_third_is_not_released_to_it_any_more(self):
        self.clients["KEN"].close()
        source = self.given("GBR", ["NOR"], "open")
        self.change("open", rules="rule nothing-to-ken {\n to [ KEN ]\n withhold\n }")
        rig.until(lambda: self.why("GBR", source)["KEN"] == ["forbidden"], 10, "the narrowing")
        self.assertEqual(self.reasons("NOR", "ask", [source]), all_but("NOR", "release", KEN="onward"))


    def test_what_is_held_for_a_third_since_is_not_released_to_it_any_more(self):
        self.clients["KEN"].close()
        source = self.given("GBR", ["NOR", "SWE"], "open")
        policy = self.lab.read("policy/relto.policy")
        self.lab.write("policy/relto.policy", policy + "suspend open\n")
        self.addCleanup(self.reload)
        self.addCleanup(self.lab.write, "policy/relto.policy", policy)
        self.reload()
        self.again()
        rig.until(lambda: self.why("GBR", source)["KEN"] == ["suspended"], 10, "the hold")
        self.assertEqual(self.reasons("NOR", "ask", [source]), all_but("NOR", "release", KEN="onward"))


class Consent(SourcesTest):
    """The source's originator is asked; it says yes, no, or nothing (design 8)."""

    @classmethod
    def prepare(cls):
        cls.others = {"duo": {"onward": "consent within 2s"}}
        super().prepare()

    def office(self, party):
        return self.client(party.lower(), "/release-office", tap=self.taps[party])

    def held(self, under="ask", agreements="open", **how):
        """A report of NOR that waits for GBR's consent for KEN and SWE; its source, its id and body."""
        source = self.given("GBR", ["NOR"], under)
        report, (body,) = self.publish("NOR", agreements, sources=[source], **how)
        self.assertEqual(self.why("NOR", report)["KEN"], ["consent"])
        return source, report, body

    def asked(self, office, source):
        return {h.recipient.decode(): h for h in office.holds() if h.source == source}

    def reason(self, report, party, reason):
        rig.until(lambda: self.why("NOR", report)[party] == [reason], 10, reason)

    def test_what_was_consented_to_goes_and_to_nobody_else(self):
        source, report, body = self.held()
        self.secrets.append(("SWE", body))
        office = self.office("GBR")
        asked = self.asked(office, source)
        self.assertEqual(sorted(asked), ["KEN", "SWE"])
        office.decide(asked["KEN"].hold)
        self.assertEqual(self.give("KEN", report).contents, [body])
        office.decide(asked["SWE"].hold, "REJECT")
        self.reason(report, "SWE", "rejected")
        self.assertEqual(self.asked(office, source), {})

    def test_a_request_says_source_who_asks_for_whom_until_when_and_its_mode_and_nothing_else(self):
        """The mode is the source's own (S11), so its originator learns nothing by it."""
        source, report, body = self.held()
        pages = []
        office = self.office("GBR")
        office.holds(pages=pages)
        h = self.asked(office, source)["KEN"]
        self.assertEqual({f.name for f, _ in h.ListFields()}, {"hold", "kind", "publisher", "recipient", "deadline", "source", "mode"})
        self.assertEqual((h.kind, h.publisher, h.recipient, h.source, h.mode),
                         (CONSENT, b"NOR", b"KEN", source, pb.Mode.Value("LIVE")))
        self.assertAlmostEqual(h.deadline / 1e6, time.time() + 72 * 3600, delta=60)
        said = b"".join(p.SerializeToString() for p in pages)
        for hidden in (report, b"maritime", b"open", b"TLP", body):
            self.assertNotIn(hidden, said)
        office.decide(h.hold, "REJECT")

    def test_which_portions_rest_on_a_source_cannot_be_found_out_by_naming_them(self):
        source, report, _ = self.held()
        office, texts = self.office("GBR"), set()
        hold = self.asked(office, source)["KEN"].hold
        for portion in (0, 7):
            with self.assertRaises(wire.Refused) as no:
                office.decide(hold, portions=[portion])
            texts.add(str(no.exception))
        self.assertEqual(len(texts), 1)
        self.assertEqual(self.why("NOR", report)["KEN"], ["consent"])
        office.decide(hold, "REJECT")

    def test_nobody_else_is_asked_and_cannot_tell_that_somebody_was(self):
        source, report, _ = self.held()
        hold = self.asked(self.office("GBR"), source)["KEN"].hold
        for party in ("NOR", "KEN", "SWE"):
            office, texts = self.office(party), set()
            self.assertEqual(self.asked(office, source), {}, party)
            for name in (hold, os.urandom(16)):
                with self.assertRaises(wire.Refused) as no:
                    office.decide(name)
                texts.add(str(no.exception))
            self.assertEqual(len(texts), 1)
        self.assertEqual(self.why("NOR", report)["KEN"], ["consent"])

    def test_who_does_not_answer_in_time_has_not_consented(self):
        source, report, body = self.held("duo")
        self.secrets += [("KEN", body), ("SWE", body)]
        self.reason(report, "KEN", "timed-out")
        self.reason(report, "SWE", "timed-out")
        self.assertEqual(self.asked(self.office("GBR"), source), {})

    def test_one_answer_is_for_all_portions_and_both_of_them_are_told_to_nobody(self):
        source = self.given("GBR", ["NOR"])
        report, bodies = self.publish("NOR", "open", 3, sources=[source])
        office = self.office("GBR")
        said = office.decide(self.asked(office, source)["KEN"].hold)
        self.assertEqual(list(said.portions), [])
        self.assertEqual(self.give("KEN", report).contents, bodies)

    def test_each_originator_is_asked_for_its_own_and_all_must_consent(self):
        mine, yours = self.given("GBR", ["NOR"]), self.given("KEN", ["NOR"])
        report, (body,) = self.publish("NOR", "open", sources=[mine, yours])
        gbr, ken = self.office("GBR"), self.office("KEN")
        self.assertEqual((sorted(self.asked(gbr, mine)), sorted(self.asked(ken, yours))), (["KEN", "SWE"], ["GBR", "SWE"]))
        self.assertEqual((self.asked(gbr, yours), self.asked(ken, mine)), ({}, {}))
        gbr.decide(self.asked(gbr, mine)["SWE"].hold)
        self.assertEqual(self.why("NOR", report)["SWE"], ["consent"])
        ken.decide(self.asked(ken, yours)["SWE"].hold)
        self.assertEqual(self.give("SWE", report).contents, [body])

    def test_behind_a_derivative_the_first_originator_is_asked_and_who_asks_is_the_publisher(self):
        """GBR consented to KEN's having what NOR made of its report; SWE is another question, and NOR is asked as well."""
        source, report, _ = self.held(agreements="ask")
        gbr, nor = self.office("GBR"), self.office("NOR")
        gbr.decide(self.asked(gbr, source)["KEN"].hold)
        gbr.decide(self.asked(gbr, source)["SWE"].hold, "REJECT")
        self.give("KEN", report)
        third, (body,) = self.publish("KEN", "open", sources=[report])
        self.assertEqual(self.why("KEN", third), {"GBR": ["consent"], "NOR": ["consent"], "SWE": ["consent"]})
        h = self.asked(gbr, source)["SWE"]
        self.assertEqual(h.publisher, b"KEN")
        gbr.decide(h.hold)
        self.assertEqual(self.why("KEN", third)["SWE"], ["consent"])
        nor.decide(self.asked(nor, report)["SWE"].hold)
        self.assertEqual(self.give("SWE", third).contents, [body])

    def test_what_came_by_consent_is_not_what_members_had(self):
        """KEN has what NOR made of GBR's report, since GBR consented; what rests on it asks GBR once more."""
        source, report, _ = self.held()
        gbr = self.office("GBR")
        gbr.decide(self.asked(gbr, source)["KEN"].hold)
        self.give("KEN", report)
        self.assertEqual(self.reasons("KEN", "open", [report]), {"GBR": "release", "NOR": "consent", "SWE": "onward"})


class Laundering(SourcesTest):
    def test_a_derivative_of_an_own_derivative_still_needs_the_first_originators_consent(self):
        first = self.given("GBR", ["NOR"])
        second, _ = self.publish("NOR", "open", sources=[first])
        third, _ = self.publish("NOR", "open", sources=[second])
        self.assertEqual(self.reasons("NOR", "open", [third]), all_but("NOR", "consent", GBR="release"))

    def test_who_must_consent_to_what_lies_deeper_is_not_told(self):
        first = self.given("GBR", ["NOR"])
        second, _ = self.publish("NOR", "open", sources=[first])
        said = self.dry("NOR", "open", [second])
        (o,) = next(d for d in said.decisions if d.recipient == b"KEN").portions[0].obligations
        self.assertEqual((o.kind, o.agreement, o.subject, o.approver), (CONSENT, b"", b"", b""))
        self.assertTrue(o.deadline)

    def test_what_was_shut_stays_shut_behind_two_parties(self):
        first = self.given("GBR", ["NOR"], "shut")
        second, _ = self.publish("NOR", "open", sources=[first])  # goes to GBR alone
        self.give("GBR", second)
        self.assertEqual(self.reasons("GBR", "open", [second]), all_but("GBR", "onward", NOR="release"))

    def test_the_report_of_a_third_carries_the_rules_of_what_it_rests_on(self):
        first = self.given("GBR", ["NOR"], "open", change=lambda r: r.routing.not_to.append(b"SWE"))
        second = self.given("NOR", ["KEN"], "open", sources=[first])
        self.assertEqual(self.reasons("KEN", "open", [second]), all_but("KEN", "release", SWE="onward"))

    def test_what_is_held_for_a_party_is_not_released_to_it(self):
        first = self.given("GBR", ["NOR"])
        second, _ = self.publish("NOR", "open", sources=[first])  # held for KEN and SWE
        self.give("GBR", second)
        self.assertEqual(self.reasons("GBR", "ask", [second]), all_but("GBR", "onward", NOR="release"))

    def test_an_own_report_with_the_id_of_anothers_hides_nothing(self):
        first = self.given("GBR", ["NOR"], "shut")

        def same_id(report):
            report.manifest.id = first
        report, _ = self.report("NOR", "open", change=same_id)
        self.clients["NOR"].publish(report.seal())
        self.assertEqual(self.reasons("NOR", "open", [first]), all_but("NOR", "onward", GBR="release"))

    def test_a_report_cannot_rest_on_itself(self):
        def itself(report):
            report.routing.sources.append(report.id)
        self.assertEqual(self.reasons("NOR", "open", [], change=itself), all_but("NOR", "unknown-source"))

    def test_an_own_report_with_an_unknown_source_stays_withheld_whoever_cites_it(self):
        own, _ = self.publish("NOR", "open", sources=[wire.uuid7(3)])
        self.assertEqual(self.reasons("NOR", "open", [own]), all_but("NOR", "onward"))

    def test_a_source_that_is_named_twice_is_one(self):
        source = self.given("GBR", ["NOR"])
        said = self.dry("NOR", "open", [source, source])
        self.assertEqual(len(next(d for d in said.decisions if d.recipient == b"KEN").portions[0].obligations), 1)


class Limits(SourcesTest):
    def chain(self, count):
        """So many reports of NOR, each of which cites the one before it; the last."""
        last = []
        for _ in range(count):
            last = [self.publish("NOR", "duo", sources=last, change=lambda r: r.routing.only_to.SetInParent())[0]]
        return last

    def refused(self, sources):
        report, _ = self.report("NOR", "open", sources=sources)
        with self.assertRaises(wire.Refused) as no:
            self.clients["NOR"].publish(report.seal())
        return no.exception

    def test_32_are_named_and_33_are_refused(self):
        own = [self.publish("NOR", "duo")[0] for _ in range(33)]
        self.assertEqual(self.reasons("NOR", "open", own[:32]), all_but("NOR", "release"))
        no = self.refused(own)
        self.assertEqual((no.code, no.field), ("limit", "routing.sources"))

    def test_a_chain_of_256_is_followed_to_its_end_and_one_of_257_is_refused(self):
        last = self.chain(256)
        self.assertEqual(self.reasons("NOR", "open", last), all_but("NOR", "release"))
        no = self.refused([self.publish("NOR", "duo", sources=last)[0]])
        self.assertEqual((no.code, no.field), ("limit", "sources"))
        self.assertIn("a report names 32 sources and rests on 256", str(no))

    def test_many_large_holds_that_end_at_once_end_and_hold_up_nobody(self):
        """Each waits for 32 consents in each of 256 portions, for two recipients: 0.6 MB of questions."""
        sources = [self.given("GBR", ["NOR"], "ask") for _ in range(32)]
        sources = [self.given("GBR", ["NOR"], "ask") for _ in range(32)]
        ends = 0

        def large(report):
            report.manifest.expires = ends
            report.portion(GREEN, b"x" * (3 << 20))

        def publish():
            self.publish("NOR", "open", portions=255, sources=sources, change=large)
            return time.time()
        with self.client("gbr", "/release-office") as office:
            begun = time.time()
            made = publish() - begun  # the first one has no end
            self.assertEqual(len(office.holds()), 32 * 2)
            listed = time.time() - begun - made
            ends = int((begun + 2 * (24 * made + 25 * listed) + 10) * 1000)  # what takes twice as long is still in time
            for _ in range(24):
                now = publish()
            self.assertEqual(len(office.holds()), 25 * 32 * 2)
            self.assertLess(now * 1000, ends, "too late: they end while they are made")
            rig.until(lambda: time.time() * 1000 > ends, 300, "the end")
            rig.until(lambda: len(office.holds()) == 32 * 2, 30, "the ends of all but the first")
        self.publish("NOR", "open")

    def test_what_lies_at_the_far_end_of_a_chain_counts(self):
        first = self.given("GBR", ["NOR"], "shut")
        last = [first]
        for _ in range(255):
            last = [self.publish("NOR", "duo", sources=last, change=lambda r: r.routing.only_to.SetInParent())[0]]
        self.assertEqual(self.reasons("NOR", "open", last), all_but("NOR", "onward", GBR="release"))


class Command(SourcesTest):
    citing = 2

    def setUp(self):
        super().setUp()
        self.accept("GBR")
        self.accept("NOR")

    def relto(self, *args, party="NOR", **how):
        return self.lab.relto(*args, context=self.lab.context_name(party.lower()), **how)

    def pub(self, *args, party="NOR", **how):
        return self.relto("pub", "maritime.piracy", "--label", "TLP:GREEN", *args, party=party, stdin=b"text", **how)

    def test_an_analyst_cites_what_was_received_by_the_id_that_is_shown(self):
        self.clients["NOR"].close()
        made = self.pub("--agreement", "ask", party="GBR")[0].strip()
        shown = self.relto("sub", "--count", "1", "--wait", "10s", "--no-ack")[0]
        self.assertIn("report %s" % made, shown)
        said = json.loads(self.relto("sub", "--count", "1", "--wait", "10s", "--json")[0].splitlines()[0])
        self.assertEqual(said["report"], made)
        out, _ = self.pub("--agreement", "open", "--source", said["report"], "--dry-run")
        self.assertRegex(out, r"(?s)KEN +hold.*the originator of a report that it rests on must consent\n"
                              r" +open: consent by GBR to what rests on its report %s until " % made)
        self.assertRegex(out, r"GBR +release\n +portion 0 +release")
        id = self.pub("--agreement", "open", "--source", said["report"])[0].strip()
        self.assertIn("the originator of a report that it rests on must consent", self.relto("explain", id)[0])
        out, _ = self.pub("--agreement", "open", "--source", id, "--dry-run")
        self.assertIn("open: consent to what rests on a source of a source until ", out)
        self.assertNotIn(made, out)

    def test_a_source_that_is_not_known_or_may_not_go_on_is_said_in_words(self):
        out, err = self.pub("--agreement", "open", "--source", text_of(wire.uuid7(9)), code=1)
        self.assertIn("it cites a report that your party did not publish and was not given\n", err)
        source = self.given("GBR", ["NOR"], "shut")
        out, _ = self.pub("--agreement", "open", "--source", text_of(source), "--dry-run")
        self.assertIn("it rests on a report whose agreement does not let it go on to this party\n", out)

    def test_json_has_the_obligation(self):
        source = self.given("GBR", ["NOR"])
        said = json.loads(self.pub("--agreement", "open", "--source", text_of(source), "--dry-run", "--json")[0])
        ken = next(d for d in said["decisions"] if d["recipient"] == "KEN")
        (o,) = ken["portions"][0]["obligations"]
        self.assertEqual((o["kind"], o["subject"], o["approver"]), ("consent", text_of(source), "GBR"))

    def test_what_is_no_id_or_one_too_many_is_a_wrong_call(self):
        for args in (["--source", "x"], ["--source", text_of(wire.uuid7(9))] * 33):
            self.assertIn("is not right: at most 32 ids of reports, each a UUID", self.pub(*args, code=64)[1])
        self.pub("--agreement", "open", *["--source", text_of(wire.uuid7(9))] * 32, "--dry-run", code=1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
