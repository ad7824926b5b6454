#!/usr/bin/python3
"""test_holds.py - what waits for a person: listed, approved, rejected, too late, twice, by the wrong one, against a
stricter policy (design 5, steps 6 and 7; 8; S1, S7, S13)."""
import json
import os
import struct
import sys
import time
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from test_again import ATLAS, HOLD, POLICY, REDACT, RELEASE, WITHHOLD, AgainTest, rows, tables  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import label, pb  # noqa: E402

QUIET = 0.5
OFFICE = "/release-office"
REVIEW, CONSENT, SIGNER = 1, 2, 3
LOW = [label("ATLAS", "RESTRICTED", Releasable_To=["ATLAS"]), label("TLP", "GREEN")]
# besides the sample's flash-review, which asks the originator
RULES = """
    rule nor-review {
        to     [ NOR ]
        topic  maritime.review
        hold   for-approval-of KEN within 1h
    }
    rule nor-asks-nor {
        to     [ NOR ]
        topic  maritime.self
        hold   for-approval-of recipient within 1h
    }
    rule both-1 {
        topic  maritime.both
        hold   for-approval-of KEN within 1h
    }
    rule both-2 {
        topic  maritime.both
        hold   for-approval-of KEN within 1h
    }
    rule both-3 {
        topic  maritime.both
        hold   for-approval-of KEN within 1h
    }
    rule both-4 {
        topic  maritime.both
        hold   for-approval-of originator within 1h
    }
    rule soon {
        topic  maritime.soon
        hold   for-approval-of originator within 8s
    }
"""


class HoldsTest(AgainTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit(ATLAS, r"(?m)^(    rule maritime \{)", RULES.strip("\n") + "\n" + r"\1")

    def office(self, domain="gbr", path=OFFICE, **more):
        return self.client(domain, path, **more)

    def held(self, topic="maritime.piracy", portions=None, precedence="FLASH", **more):
        """A report that is held from NOR; its id and bodies."""
        portions = portions or [SECRET]
        bodies = [canary() for _ in portions]
        receipt, report = publish(self.client("gbr"), list(zip(portions, bodies)), topic, precedence, **more)
        self.assertTrue(receipt.held)
        return report, bodies

    def of(self, client, report, recipient="NOR"):
        return [h for h in client.holds() if (h.report, h.recipient.decode()) == (report, recipient)]

    def one(self, client, report, recipient="NOR"):
        (h,) = self.of(client, report, recipient)
        return h

    def refused(self, code, call, *args, **more):
        with self.assertRaises(wire.Refused) as r:
            call(*args, **more)
        self.assertEqual(r.exception.code, code)
        return str(r.exception)

    def said(self, record):
        """The body of an APPROVAL."""
        kind, agreement, subject, approver, recipient, portion, answer = record.slots[7]
        return (kind[0], agreement.decode(), subject.decode(), approver.decode(), recipient.decode(), witness.uint(portion),
                answer[0])


class Approved(HoldsTest):
    def test_an_approved_report_arrives_and_the_log_says_who_approved_what_and_why(self):
        stream = []
        nor = self.reader("nor", tap=stream)
        report, bodies = self.held()
        self.assertIsNone(nor.receive(timeout=QUIET))
        self.assertNotIn(bodies[0], b"".join(stream))
        office = self.office()
        h = self.one(office, report)
        self.assertEqual((h.kind, h.publisher, h.agreement, h.rule, h.own), (REVIEW, b"GBR", b"atlas", b"flash-review", False))
        self.assertEqual([(p.portion, p.marking, p.size > 32) for p in h.portions],
                         [(0, b"ATLAS SECRET//REL TO GBR, NOR\nTLP:AMBER", True)])
        self.assertLess(abs(h.deadline / 1e6 - time.time() - 7200), 60)
        self.assertEqual(list(office.decide(h.hold, because="fine by me").portions), [0])
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (report, bodies))
        nor.ack(got)
        decision, approval = self.recorded(report, "DECISION"), self.recorded(report, "APPROVAL")
        self.assertEqual((decision.outcome, approval.outcome, approval.link), (HOLD, RELEASE, decision.index))
        self.assertEqual(self.said(approval), (REVIEW, "atlas", "flash-review", "GBR", "NOR", 0, 1))
        self.assertIn("release-office", approval.text(6, 0))
        self.assertEqual(approval.text(6, 1), "fine by me")
        self.assertFalse(approval.slots[8], "the approver's tree is the publisher's")
        self.assertEqual(self.recorded(report, "DELIVERY").link, approval.index)
        self.assertEqual(self.of(office, report), [])
        self.assertEqual([r for r in rows(self.lab, "hold")], [])
        self.proven()

    def test_a_rejected_report_never_arrives(self):
        nor = self.reader("nor")
        report, _ = self.held()
        office = self.office()
        office.decide(self.one(office, report).hold, "REJECT", "not for NOR")
        self.assertIsNone(nor.receive(timeout=QUIET))
        approval = self.recorded(report, "APPROVAL")
        self.assertEqual((approval.outcome, approval.reasons, self.said(approval)[-1]), (WITHHOLD, ["rejected"], 2))
        self.assertEqual(self.log(report, "DELIVERY"), [])
        self.assertEqual(rows(self.lab, "hold"), [])
        self.proven()

    def test_a_rejected_portion_is_withheld_and_the_rest_goes_once_all_is_decided(self):
        nor = self.reader("nor")
        report, bodies = self.held(portions=[SECRET, SECRET, LOW])
        office = self.office()
        h = self.one(office, report)
        self.assertEqual([p.portion for p in h.portions], [0, 1])
        self.assertEqual(list(office.decide(h.hold, "REJECT", portions=[0]).portions), [0])
        self.assertIsNone(nor.receive(timeout=QUIET), "portion 1 still waits")
        again = self.one(office, report)
        self.assertEqual((again.hold, [p.portion for p in again.portions]), (h.hold, [1]))
        self.assertEqual(list(office.decide(h.hold, portions=[0, 1]).portions), [1])
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (report, bodies[1:]))
        nor.ack(got)
        first, second = [r for r in self.log(report, "APPROVAL")]
        self.assertEqual((first.outcome, first.reasons), (HOLD, ["rejected", "review", "release"]))
        self.assertEqual((second.outcome, second.link), (REDACT, first.index))
        self.drain("ken")
        self.proven()

    def test_all_portions_of_a_hold_are_decided_by_one_call_and_each_has_its_record(self):
        nor = self.reader("nor")
        report, bodies = self.held(portions=[SECRET] * 3)
        office = self.office()
        self.assertEqual(list(office.decide(self.one(office, report).hold).portions), [0, 1, 2])
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (report, bodies))
        nor.ack(got)
        self.assertEqual([(self.said(r)[5], r.outcome) for r in self.log(report, "APPROVAL")],
                         [(0, HOLD), (1, HOLD), (2, RELEASE)])
        self.proven()


class Scoped(HoldsTest):
    def test_who_is_not_asked_or_may_not_decide_gets_one_answer_whether_the_hold_exists_or_not(self):
        report, _ = self.held()
        office = self.office()
        h = self.one(office, report)
        texts = set()
        for domain in ("nor", "ken"):
            other = self.office(domain)
            self.assertEqual(other.holds(), [])
            for hold in (h.hold, os.urandom(16)):
                texts.add(self.refused("unknown-hold", other.decide, hold))
        self.assertEqual(len(texts), 1)
        for domain, path in (("gbr", "/fusion-desk"), ("gbr", "/inspector"), ("hub", "/operator")):
            c = self.client(domain, path)
            self.refused("role", c.holds)
            self.refused("role", c.decide, h.hold)
        self.assertEqual(self.log(report, "APPROVAL"), [])
        office.decide(h.hold, "REJECT")

    def test_a_second_decision_finds_no_such_hold(self):
        report, _ = self.held()
        office, other = self.office(), self.office()
        h = self.one(office, report)
        office.decide(h.hold, "REJECT")
        self.refused("unknown-hold", office.decide, h.hold)
        self.refused("unknown-hold", other.decide, h.hold, "APPROVE")
        self.assertEqual(len(self.log(report, "APPROVAL")), 1)

    def test_of_two_that_decide_at_once_one_wins(self):
        report, _ = self.held()
        offices = [self.office() for _ in range(4)]
        h = self.one(offices[0], report)
        asked = [(c, c.send("decide", pb.Decide(hold=h.hold, answer=1 + i % 2, because=b"race")))
                 for i, c in enumerate(offices)]
        won = []
        for c, request in asked:
            try:
                won.append(c.wait(request).WhichOneof("body"))
            except wire.Refused as e:
                self.assertEqual(e.code, "unknown-hold")
        self.assertEqual(won, ["decided"])
        self.assertEqual(len(self.log(report, "APPROVAL")), 1)
        self.drain("nor")

    def test_the_publishing_agent_sees_its_hold_and_may_not_decide_it(self):
        self.policy(lambda: self.lab.edit(POLICY, r"(?s)(party GBR \{.*?/fusion-desk { roles \[ publish subscribe)", r"\1 approve"))
        report, _ = self.held()
        desk = self.client("gbr")
        h = self.one(desk, report)
        self.assertTrue(h.own)
        self.refused("own-report", desk.decide, h.hold)
        self.assertFalse(self.one(self.office(), report).own)
        self.office().decide(h.hold, "REJECT")

    def test_an_approval_is_for_one_recipient_alone(self):
        self.policy(lambda: self.lab.edit(ATLAS, r"(?s)(member KEN \{.*?clearance  ATLAS )\[ UNCLASSIFIED RESTRICTED \]",
                                          r"\1up-to SECRET"))
        nor, ken = self.reader("nor"), self.reader("ken")
        report, bodies = self.held(portions=[[label("ATLAS", "SECRET", Releasable_To=["ATLAS"]), label("TLP", "GREEN")]])
        office = self.office()
        self.assertEqual(sorted(h.recipient for h in office.holds() if h.report == report), [b"KEN", b"NOR"])
        office.decide(self.one(office, report, "KEN").hold)
        self.assertEqual(ken.receive().contents, bodies)
        self.assertIsNone(nor.receive(timeout=QUIET))
        office.decide(self.one(office, report).hold, "REJECT")
        self.drain("ken")


class Elsewhere(HoldsTest):
    def test_another_party_that_must_approve_sees_marking_and_size_and_no_byte(self):
        """KEN decides what goes to NOR, and has neither title nor content; its part of the log has its decision."""
        stream = []
        nor = self.reader("nor")
        report, bodies = self.held("maritime.review", precedence="ROUTINE")
        office = self.office("ken", tap=stream)
        h = self.one(office, report)
        self.assertEqual((h.publisher, h.rule, len(h.portions)), (b"GBR", b"nor-review", 1))
        office.decide(h.hold)
        got = nor.receive()
        self.assertEqual(got.contents, bodies)
        nor.ack(got)
        self.assertNotIn(bodies[0], b"".join(stream))
        self.assertNotIn(b"maritime.review", b"".join(stream))
        approval = self.recorded(report, "APPROVAL")
        self.assertEqual(self.said(approval), (REVIEW, "atlas", "nor-review", "KEN", "NOR", 0, 1))
        self.assertTrue(approval.slots[8])
        self.proven()  # each party's own part, too

    def test_every_open_obligation_must_be_met(self):
        nor = self.reader("nor")
        report, bodies = self.held("maritime.review")  # FLASH: GBR is asked as well
        gbr, ken = self.office(), self.office("ken")
        ken.decide(self.one(ken, report).hold)
        self.assertIsNone(nor.receive(timeout=QUIET))
        self.assertEqual(self.recorded(report, "APPROVAL").outcome, HOLD)
        gbr.decide(self.one(gbr, report).hold)
        got = nor.receive()
        self.assertEqual(got.contents, bodies)
        nor.ack(got)

    def test_a_recipient_that_must_approve_learns_what_it_needs_to_decide_and_no_byte(self):
        stream = []
        report, bodies = self.held("maritime.self", precedence="ROUTINE")
        office = self.office("nor", tap=stream)
        h = self.one(office, report)
        self.assertNotIn(bodies[0], b"".join(stream))
        nor = self.reader("nor")
        office.decide(h.hold)
        got = nor.receive()
        self.assertEqual(got.contents, bodies)
        nor.ack(got)


class Judged(HoldsTest):
    def test_whom_new_rules_ask_is_asked_though_the_report_expires_before(self):
        """The deadline is the expiry under both: what it waits for is another's all the same."""
        def soon(report):
            report.manifest.expires = int(time.time() * 1000) + 1800 * 1000
        report, _ = self.held("maritime.review", precedence="ROUTINE", portions=[LOW], change=soon)
        gbr, ken = self.office(), self.office("ken")
        self.one(ken, report)
        self.policy(lambda: self.lab.edit(ATLAS, r"for-approval-of KEN within 1h", "for-approval-of originator within 1h"))
        self.addCleanup(self.policy, lambda: self.lab.edit(
            ATLAS, r"(topic  maritime.review\n        hold   for-approval-of) originator", r"\1 KEN"))
        gbr = self.office()
        rig.until(lambda: self.of(gbr, report), 20, "the new approver is asked")
        self.assertEqual(self.of(self.office("ken"), report), [])
        gbr.decide(self.one(gbr, report).hold, "REJECT")

    def test_a_session_decides_one_hold_at_a_time(self):
        report, _ = self.held("maritime.review", precedence="ROUTINE", portions=[LOW] * 20)
        office = self.office("ken")
        hold = self.one(office, report).hold
        asked = pb.Decide(hold=hold, answer=pb.APPROVE, because=b"a test")
        first, second = office.send("decide", asked), office.send("decide", asked)
        with self.assertRaises(wire.Refused) as no:
            office.wait(second)
        self.assertEqual(no.exception.code, "busy")
        self.assertEqual(len(office.wait(first).decided.portions), 20)
        self.drain("nor")

    def test_an_approval_after_the_deadline_is_refused_and_the_report_withheld(self):
        report, _ = self.held("maritime.soon", precedence="ROUTINE", portions=[LOW])
        office = self.office()
        h = self.one(office, report)
        rig.until(lambda: time.time() * 1e6 >= h.deadline, 20, "the deadline")
        self.refused("unknown-hold", office.decide, h.hold)  # the broker may not have looked at the hold yet
        rig.until(lambda: not self.of(office, report), 20, "the end of the hold")
        self.refused("unknown-hold", office.decide, h.hold)
        narrowed = self.recorded(report, "NARROWED")
        self.assertEqual((narrowed.outcome, narrowed.reasons), (WITHHOLD, ["timed-out"]))
        self.assertEqual(self.log(report, "APPROVAL"), [])

    def test_a_later_stricter_policy_wins_over_an_approval(self):
        report, _ = self.held()
        office = self.office()
        h = self.one(office, report)
        nor = self.reader("nor")
        self.policy(lambda: self.lab.edit(ATLAS, r"(?m)^    rule maritime \{",
                                          "    rule no-more {\n        to  [ NOR ]\n        withhold\n    }\n    rule maritime {"))
        self.recorded(report, "NARROWED")
        self.refused("unknown-hold", office.decide, h.hold)
        self.assertIsNone(nor.receive(timeout=QUIET))

    def test_what_new_rules_do_not_ask_for_any_more_is_not_answered_and_goes(self):
        """In the second before the broker has judged its holds again, too."""
        for answer in ("REJECT", "APPROVE"):
            report, bodies = self.held("maritime.review", precedence="ROUTINE")
            ken = self.office("ken")
            h = self.one(ken, report)
            self.policy(lambda: self.lab.edit(ATLAS, r"topic  maritime\.review", "topic  maritime.other"))
            self.refused("unknown-hold", ken.decide, h.hold, answer)
            nor = self.reader("nor")
            got = nor.receive()
            self.assertEqual((got.manifest.id, got.contents), (report, bodies))
            nor.ack(got)
            nor.close()
            self.assertEqual(self.log(report, "APPROVAL"), [])
            self.restore()

    def test_an_approved_report_that_waits_is_judged_by_the_policy_of_the_day_it_leaves(self):
        report, _ = self.held()
        office = self.office()
        office.decide(self.one(office, report).hold)
        self.narrow()
        nor = self.reader("nor")
        self.assertIsNone(nor.receive(timeout=QUIET))
        self.assertEqual(self.recorded(report, "NARROWED").reasons, ["classification"])
        self.proven()

    def test_what_was_approved_is_not_asked_again_after_new_rules(self):
        nor = self.reader("nor")
        report, bodies = self.held("maritime.review")
        ken, gbr = self.office("ken"), self.office()
        ken.decide(self.one(ken, report).hold)
        self.policy(lambda: None)
        self.assertEqual(self.of(self.office("ken"), report), [])
        gbr = self.office()
        gbr.decide(self.one(gbr, report).hold)
        got = nor.receive()
        self.assertEqual(got.contents, bodies)
        nor.ack(got)
        self.drain("ken")

    def test_holds_and_decisions_outlive_a_kill(self):
        report, bodies = self.held("maritime.review")
        ken = self.office("ken")
        ken.decide(self.one(ken, report).hold)
        self.lab.kill()
        self.lab.start()
        self.assertEqual(self.of(self.office("ken"), report), [])
        gbr = self.office()
        gbr.decide(self.one(gbr, report).hold)
        nor = self.reader("nor")
        got = nor.receive()
        self.assertEqual(got.contents, bodies)
        nor.ack(got)


    def test_a_hold_of_a_build_that_did_not_keep_what_it_waits_for_is_asked_about_after_the_next_start(self):
        report, _ = self.held()
        decision = self.recorded(report, "DECISION")
        self.assertEqual(self.lab.stop(), 0)
        env = tables(self.lab, write=True)
        with env.begin(write=True) as t:
            part, meta = (env.open_db(name, t, create=False) for name in (b"part", b"meta"))
            for db, prefix in ((part, struct.pack(">QH", decision.index, 11)), (meta, b"note/hold.")):
                gone = [key for key, _ in t.cursor(db) if key.startswith(prefix)]
                self.assertTrue(gone)
                for key in gone:
                    t.delete(key, db=db)
        env.close()
        self.lab.start()
        narrowed = self.recorded(report, "NARROWED")
        self.assertEqual((narrowed.outcome, narrowed.reasons, narrowed.link), (HOLD, ["review"], decision.index))
        office = self.office()
        h = self.one(office, report)
        self.assertLess(abs(h.deadline / 1e6 - decision.time / 1e6 - 7200), 1, "it counts from the first decision")
        office.decide(h.hold, "REJECT")

    def test_a_decision_of_many_portions_that_a_kill_cuts_off_has_decided_so_many_and_goes_on_from_there(self):
        for seconds in (0.002, 0.02, 0.06):
            report, bodies = self.held("maritime.review", portions=[LOW] * 40, precedence="ROUTINE")
            ken = self.office("ken")
            hold = self.one(ken, report).hold
            ken.send("decide", pb.Decide(hold=hold, answer=1, because=b"all of them"))
            end = time.monotonic() + seconds
            while time.monotonic() < end and ken.read_message(0) is None:
                pass
            self.lab.kill()
            self.lab.start()
            done = [self.said(r)[5] for r in self.log(report, "APPROVAL")]
            ken = self.office("ken")
            left = [p.portion for h in self.of(ken, report) for p in h.portions]
            self.assertEqual((done + left, sorted(done)), (list(range(40)), done))
            if left:
                self.assertEqual(list(ken.decide(hold).portions), left)
            nor = self.reader("nor")
            got = nor.receive()
            self.assertEqual((got.manifest.id, got.contents), (report, bodies))
            nor.ack(got)
            nor.close()
            self.assertEqual([self.said(r)[5] for r in self.log(report, "APPROVAL")], list(range(40)))
            self.drain("ken")
        self.proven()


class Signer(HoldsTest):
    def test_what_a_revoked_signer_sent_goes_once_its_party_says_so(self):
        body = canary()
        _, report = publish(self.client("gbr"), [(LOW, body)])
        self.lab.relto("lab", "revoke", self.lab.dir, "GBR", "/fusion-desk")
        self.reload()
        nor = self.reader("nor")
        self.recorded(report, "NARROWED")
        office = self.office()
        h = self.one(office, report)
        self.assertEqual((h.kind, h.rule, h.agreement, h.mode), (SIGNER, b"", b"atlas", wire.pb.Mode.Value("LIVE")))
        self.assertIsNone(nor.receive(timeout=QUIET))
        office.decide(h.hold, because="sent before the key was lost")
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (report, [body]))
        nor.ack(got)
        self.assertEqual(self.said(self.recorded(report, "APPROVAL"))[0], SIGNER)
        self.drain("ken")
        self.proven()


class Explained(HoldsTest):
    def test_the_originator_sees_what_its_report_waits_for_and_until_when(self):
        report, _ = self.held("maritime.review", portions=[SECRET, LOW], precedence="ROUTINE")
        gbr = self.client("gbr")

        def waits():
            (d,) = [d for d in gbr.ask("explain", pb.Explain(report=report)).decisions if d.recipient == b"NOR"]
            return [[(o.kind, o.agreement, o.subject, o.approver) for o in p.obligations] for p in d.portions], d
        got, decision = waits()
        self.assertEqual(got, [[(REVIEW, b"atlas", b"nor-review", b"KEN")]] * 2)
        self.assertLess(abs(decision.portions[0].obligations[0].deadline / 1e6 - time.time() - 3600), 60)
        out, _ = self.lab.relto("explain", str(uuid.UUID(bytes=report)), context=self.lab.context_name("gbr"))
        self.assertEqual(out.count("open: review by KEN (nor-review) until "), 2)
        ken = self.office("ken")
        ken.decide(self.one(ken, report).hold, portions=[0])
        self.assertEqual(waits()[0], [[], [(REVIEW, b"atlas", b"nor-review", b"KEN")]])
        ken.decide(self.one(ken, report).hold)
        got, decision = waits()
        self.assertEqual((got, decision.outcome), ([[], []], RELEASE))
        self.drain("nor", "ken")


    def test_what_a_large_report_waits_for_is_told(self):
        report, _ = self.held("maritime.both", precedence="ROUTINE", portions=[LOW] * 256)
        for d in self.client("gbr").ask("explain", pb.Explain(report=report)).decisions:
            self.assertEqual([len(p.obligations) for p in d.portions], [4] * 256, d.recipient)

    def test_a_release_officer_sees_what_was_decided_on_its_own_partys_report_alone(self):
        report, _ = self.held()
        decided = self.office().ask("explain", pb.Explain(report=report)).decisions
        self.assertIn((b"NOR", HOLD), [(d.recipient, d.outcome) for d in decided])
        out, _ = self.lab.relto("explain", str(uuid.UUID(bytes=report)), context=self.lab.context_name("gbr", OFFICE))
        self.assertIn("open: review by GBR (flash-review) until ", out)
        self.refused("unknown-report", self.office("ken").ask, "explain", pb.Explain(report=report))


class Command(HoldsTest):
    """relto holds, as a release officer calls it."""

    def holds(self, *args, domain="gbr", path=OFFICE, **more):
        return self.lab.relto("holds", *args, context=self.lab.context_name(domain, path), **more)

    def listed(self, domain="gbr"):
        return json.loads(self.holds("list", "--json", domain=domain)[0])["holds"]

    def of_report(self, report, domain="gbr"):
        return [h for h in self.listed(domain) if h.get("report") == str(uuid.UUID(bytes=report))]

    def test_a_release_officer_lists_shows_approves_and_the_report_arrives(self):
        nor = self.reader("nor")
        report, bodies = self.held()
        name = str(uuid.UUID(bytes=report))
        out, err = self.holds("list")
        self.assertEqual((out.splitlines()[0].split(), err), (["HOLD", "MODE", "KIND", "FROM", "FOR", "UNTIL", "ABOUT", "RULE"], ""))
        self.assertIn("report " + name, out)
        (h,) = self.of_report(report)
        self.assertEqual([h[k] for k in ("kind", "publisher", "recipient", "agreement", "rule", "own")],
                         ["review", "GBR", "NOR", "atlas", "flash-review", False])
        self.assertEqual(h["portions"][0]["marking"], "ATLAS SECRET//REL TO GBR, NOR\nTLP:AMBER")
        out, _ = self.holds("show", name)
        for word in (h["hold"], name, "flash-review", "portion 0  ATLAS SECRET//REL TO GBR, NOR; TLP:AMBER, "):
            self.assertIn(word, out)
        self.assertEqual(json.loads(self.holds("show", h["hold"], "--json")[0]), h)
        out, err = self.holds("approve", name, "--because", "seen by the desk")
        self.assertEqual((out, err), ("approved %s for NOR, portion 0\n" % h["hold"], ""))
        got = nor.receive()
        self.assertEqual(got.contents, bodies)
        nor.ack(got)
        self.assertEqual(self.recorded(report, "APPROVAL").text(6, 1), "seen by the desk")
        out, err = self.holds("approve", name, "--because", "again", code=66)
        self.assertIn("no such hold", err)
        self.assertIn("relto holds list", err)

    def test_a_rejection_says_so_in_json(self):
        report, _ = self.held(portions=[SECRET, SECRET])
        (h,) = self.of_report(report)
        got = json.loads(self.holds("reject", h["hold"], "--portion", "1", "--because", "no", "--json")[0])
        self.assertEqual(got, {"hold": h["hold"], "answer": "reject", "mode": "live", "recipient": "NOR", "portions": [1]})
        self.holds("reject", h["hold"], "--because", "no")
        self.assertEqual(self.of_report(report), [])
        self.assertEqual(self.holds("list"), ("", "nothing waits for your party\n"))

    def test_more_than_one_is_decided_only_when_that_was_said(self):
        # FLASH in the topic of its own approval: GBR is asked by one rule, NOR by another
        self.policy(lambda: self.lab.edit(ATLAS, r"(?m)^    rule maritime \{",
                                          "    rule second {\n        precedence  at-least FLASH\n"
                                          "        hold  for-approval-of GBR within 3h\n    }\n    rule maritime {"))
        report, _ = self.held()
        name = str(uuid.UUID(bytes=report))
        self.assertEqual({h["rule"] for h in self.of_report(report)}, {"flash-review", "second"})
        _, err = self.holds("approve", name, "--because", "x", code=64)
        self.assertIn("2 holds are meant", err)
        self.assertEqual(len(self.of_report(report)), 2)
        self.holds("approve", name, "--recipient", "KEN", "--because", "x", code=66)
        self.holds("approve", name, "--obligation", "second", "--recipient", "NOR", "--because", "x")
        self.assertEqual({h["rule"] for h in self.of_report(report)}, {"flash-review"})
        self.holds("reject", name, "--all", "--because", "x")
        self.assertEqual(self.of_report(report), [])

    def test_wrong_calls_say_what_to_do(self):
        some = str(uuid.uuid4())
        for args, word in (((), "say what to do"), (("look",), "what is 'look'?"), (("show",), "ID is that of a hold"),
                           (("show", "x"), "ID is that of a hold"), (("approve", some), "say why with --because"),
                           (("approve", some, "--because", ""), "say why with --because"),
                           (("approve", some, "--because", "x", "--portion", "256"), "'256' is no portion"),
                           (("approve", some, "--because", "x", "--portion", "-1"), "'-1' is no portion"),
                           (("list", some), "list takes no ID"), (("list", "--all"), "only approve and reject"),
                           (("show", some, "more"), "what is 'more'?")):
            with self.subTest(args):
                self.assertIn(word, self.holds(*args, code=64)[1])
        self.assertIn("your agent does not have the role", self.holds("list", path="/fusion-desk", code=77)[1])
        self.assertIn("no such hold", self.holds("show", some, code=66)[1])


class Wire(HoldsTest):
    def test_a_session_of_version_1_does_not_know_them(self):
        for name, body in (("holds", pb.Holds(count=1)), ("decide", pb.Decide(hold=os.urandom(16), answer=1, because=b"x")),
                           ("holds", pb.Holds())):
            c = self.office(versions=(1,))
            self.assertEqual(c.welcome.version, 1)
            c.send(name, body)
            self.assertTrue(c.closed())
            self.assertEqual(c.last[-1].error.code, b"unknown-message")
        self.assertEqual(self.office().welcome.version, 2)
        self.assertEqual(self.office(versions=(1, 2, 7)).welcome.version, 2)

    def test_a_long_list_comes_in_pages_and_each_hold_once(self):
        gbr = self.client("gbr")
        reports = {publish(gbr, [(SECRET, canary())], precedence="FLASH")[1] for _ in range(40)}
        office = self.office()
        for count in (1, 7, 100):
            pages = []
            holds = [h for h in office.holds(count, pages) if h.report in reports]
            self.assertEqual((len(holds), {h.report for h in holds}), (40, reports))
            self.assertTrue(all(len(p.holds) <= min(count, 16) for p in pages))
        for h in holds:
            office.decide(h.hold, "REJECT")
        self.assertEqual(office.holds(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
