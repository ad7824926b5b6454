#!/usr/bin/python3
"""test_notices.py - what a report says of an earlier one: recalls (design 8; S1, S6, S7, S11, S13)."""
import json
import os
import secrets
import sys
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
from test_again import ATLAS, QUIET, AgainTest, now_ms, rows  # noqa: E402
from test_late import LateTest  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

WITHDRAWN, NOTIFIED, ANSWERED = 1, 2, 3


def text_of(report):
    return str(uuid.UUID(bytes=report))


class NoticeTest(AgainTest):
    def recall(self, client, report, topic="maritime.piracy", reason="wrong-label", change=None, **more):
        r = wire.Report(client.agent, topic, [], **more).about("RECALL", report, reason)
        if change:
            change(r)
        return client.publish(r.seal()), r.id

    def refused(self, *call, **more):
        with self.assertRaises(wire.Refused) as refused:
            self.recall(*call, **more)
        e = refused.exception
        return e.code, e.field, e.nearest, e.text, e.error.detail

    def acts(self, report, kind="RECALL"):
        """(act, recipient, whether it stands in the recipient's tree) of the records."""
        return sorted((r.slots[7][1][0], r.text(2, 0), bool(r.slots[8])) for r in self.log(report, kind))

    def status(self, report, code=0):
        out, _ = self.lab.relto("recall", "status", text_of(report), "--json", context="gbr", code=code)
        said = json.loads(out)
        return said, {r["recipient"]: r for r in said["recipients"]}

    def replayed(self):
        folder, key = self.proven()
        out, err = self.lab.relto("audit", "replay", folder, "--key", key, code=None)
        self.assertIn("the recorded decisions follow the recorded policy", out, err)
        return folder, key


class Recall(NoticeTest):
    def test_a_recall_takes_back_what_waits_and_tells_whoever_had_it_and_nobody_else(self):
        gbr, nor, stream = self.client("gbr"), self.reader("nor"), []
        _, report = publish(gbr, [(TEARLINE, body := canary())])
        nor.ack(nor.receive())
        out, _ = self.lab.relto("recall", text_of(report), "--code", "wrong-label", "--json", context="gbr")
        notice = uuid.UUID(json.loads(out)["notice"]).bytes
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.notice.act, got.notice.report, got.notice.reason),
                         (notice, pb.RECALL, report, b"wrong-label"))
        self.assertEqual((got.manifest.topic, list(got.raw.agreements)), (b"maritime.piracy", []))
        self.assertEqual(self.acts(report), [(WITHDRAWN, "KEN", False), (NOTIFIED, "NOR", True)])
        (told,) = [r for r in self.log(report, "RECALL") if r.slots[8]]
        self.assertEqual(got.raw.evidence.leaf_hash, told.leaf)
        said, to = self.status(report)
        self.assertEqual((said["code"], to["KEN"]["withdrawn"], to["KEN"]["notified_us"]), ("wrong-label", True, 0))
        self.assertEqual((to["NOR"]["withdrawn"], to["NOR"]["notified_us"], to["NOR"]["received_us"]), (False, told.time, 0))
        acks = len(self.log(kind="ACK"))
        nor.ack(got)
        self.assertGreater(self.status(report)[1]["NOR"]["received_us"], 0)
        self.assertEqual(len(self.log(kind="ACK")), acks, "a recall is no delivery")
        ken = self.reader("ken", tap=stream)
        self.assertIsNone(ken.receive(timeout=QUIET))
        self.assertNotIn(body, b"".join(stream))
        self.assertEqual(rows(self.lab, "queue"), [])
        self.replayed()

    def test_what_is_not_there_or_not_ones_own_to_recall_is_unknown_alike(self):
        gbr, nor = self.client("gbr"), self.reader("nor")
        _, report = publish(gbr, [(TEARLINE, canary())])
        nor.ack(nor.receive())
        _, exercise = publish(gbr, [(TEARLINE, canary())])
        absent = self.refused(gbr, secrets.token_bytes(16))
        self.assertEqual((absent[0], absent[1]), ("unknown-report", ""))
        self.assertEqual(self.refused(nor, report), absent, "another's")
        self.assertEqual(self.refused(gbr, exercise, mode="EXERCISE"), absent, "of the other mode")
        out, err = self.lab.relto("recall", text_of(report), context="nor", code=66)
        self.assertIn("no such report", err)
        self.assertEqual(self.acts(report), [])
        self.drain("nor", "ken")

    def test_a_recall_says_its_reports_topic_and_precedence_again_and_one_of_the_closed_codes(self):
        gbr = self.client("gbr")
        _, report = publish(gbr, [(TEARLINE, canary())], precedence="PRIORITY")
        right = {"precedence": "PRIORITY"}
        self.assertEqual(self.refused(gbr, report, topic="maritime.other", **right)[:3],
                         ("malformed", "manifest.topic", "maritime.piracy"))
        self.assertEqual(self.refused(gbr, report)[:3], ("malformed", "manifest.precedence", "PRIORITY"))
        self.assertEqual(self.refused(gbr, report, reason="because of Bob", **right)[:3],
                         ("malformed", "notice.reason", "wrong-content"))
        for field in ("expires", "not_before"):
            self.assertEqual(self.refused(gbr, report, change=lambda r: setattr(r.manifest, field, now_ms() + 9999),
                                          **right)[:3], ("malformed", "manifest." + field, "0"))
        receipt, notice = self.recall(gbr, report, reason="", **right)
        self.assertEqual(self.refused(gbr, notice, **right)[:2], ("malformed", "notice.report"))
        _, err = self.lab.relto("recall", text_of(report), "--code", "no", context="gbr", code=64)
        self.assertIn("--code 'no' is none of these:\n", err)
        self.assertIn("  source-withdrawn\n", err)
        self.drain("nor", "ken")

    def test_the_same_recall_again_is_answered_with_its_first_receipt(self):
        gbr = self.client("gbr")
        _, report = publish(gbr, [(TEARLINE, canary())])
        sealed = wire.Report(gbr.agent, "maritime.piracy", []).about("RECALL", report).seal()
        first, again = gbr.publish(sealed), gbr.publish(sealed)
        self.assertEqual((first.again, again.again, first.index), (False, True, again.index))
        self.assertEqual(len(self.log(report, "RECALL")), 2)

    def test_a_recalled_hold_ends_and_nobody_decides_it_any_more(self):
        gbr, office = self.client("gbr"), self.client("gbr", "/release-office")
        _, report = publish(gbr, [(SECRET, canary())], precedence="IMMEDIATE")
        (hold,) = [h for h in office.holds() if h.report == report]
        self.recall(gbr, report, precedence="IMMEDIATE")
        self.assertEqual((rows(self.lab, "hold"), office.holds()), ([], []))
        with self.assertRaises(wire.Refused) as refused:
            office.decide(hold.hold)
        self.assertEqual(refused.exception.code, "unknown-hold")
        self.assertIn((WITHDRAWN, "NOR", False), self.acts(report))
        self.assertIsNone(self.reader("nor").receive(timeout=QUIET))
        self.replayed()

    def test_a_recall_needs_no_agreement_in_force_and_stands_over_a_restart(self):
        gbr, nor = self.client("gbr"), self.reader("nor")
        _, report = publish(gbr, [(TEARLINE, body := canary())])
        nor.ack(nor.receive())
        self.policy(lambda: self.lab.edit(ATLAS, r"in-force", "terminated"))
        _, notice = self.recall(gbr, report)
        self.assertEqual(nor.receive().manifest.id, notice)
        nor.close()
        self.lab.stop()
        self.lab.start()
        self.assertEqual(self.status(report)[1]["NOR"]["received_us"], 0)
        self.restore()
        stream = []
        got, ken = (nor := self.reader("nor")).receive(), self.reader("ken", tap=stream)
        self.assertEqual((got.manifest.id, got.notice.act, got.notice.report), (notice, pb.RECALL, report))
        nor.ack(got)
        self.assertIsNone(ken.receive(timeout=QUIET))
        self.assertNotIn(body, b"".join(stream))
        self.assertGreater(self.status(report)[1]["NOR"]["received_us"], 0)
        self.replayed()

    def test_what_came_but_was_not_acknowledged_does_not_come_again_and_is_told_of(self):
        gbr, nor = self.client("gbr"), self.reader("nor")
        _, report = publish(gbr, [(TEARLINE, canary())])
        first = nor.receive()
        _, notice = self.recall(gbr, report)
        self.assertEqual(self.acts(report), [(WITHDRAWN, "KEN", False), (WITHDRAWN, "NOR", True), (NOTIFIED, "NOR", True)])
        got = nor.receive()
        self.assertEqual(got.manifest.id, notice)
        nor.ack(first, got)
        self.assertEqual(rows(self.lab, "queue"), [])
        self.assertIsNone(nor.receive(timeout=QUIET))
        nor.close()
        self.assertIsNone(self.reader("nor").receive(timeout=QUIET))
        self.replayed()

    def test_a_recall_finds_its_reader_when_no_subscription_has_its_topic_any_more(self):
        gbr, nor = self.client("gbr"), self.reader("nor")
        _, report = publish(gbr, [(TEARLINE, canary())])
        nor.ack(nor.receive())
        nor.close()
        nor = self.client("nor")
        nor.subscribe("cyber", "cyber.>")
        _, notice = self.recall(gbr, report)
        _, younger = publish(gbr, [(TEARLINE, canary())], topic="cyber.indicators.ip")
        got = nor.receive()
        self.assertEqual(got.manifest.id, younger)
        nor.ack(got)
        self.lab.relto("sub", "--delete", "inbox", context="nor")
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.notice.report), (notice, report))
        nor.ack(got)
        self.assertEqual(self.log(notice, "DEAD_LETTER"), [])
        nor.subscribe("inbox", ">")
        self.drain("ken")
        self.replayed()

    def test_people_and_programs_read_a_recall_and_its_folder_has_it(self):
        gbr, nor = self.client("gbr"), self.reader("nor")
        _, report = publish(gbr, [(TEARLINE, canary())])
        nor.ack(nor.receive())
        nor.close()
        _, notice = self.recall(gbr, report)
        folder = os.path.join(self.lab.base, "saved")
        out, _ = self.lab.relto("sub", "--no-ack", "--count", "1", "--wait", "20s", context="nor")
        self.assertIn("  RECALLS report %s: wrong-label\n" % text_of(report), out)
        self.assertIn("relto recall answer %s destroyed|retained-legal|retained-operational\n" % text_of(report), out)
        self.assertIn("signature good: GBR /fusion-desk", out)
        out, _ = self.lab.relto("sub", "--json", "--count", "1", "--wait", "20s", "--save", folder, "--exec",
                                'echo "$RELTO_ACT $RELTO_ABOUT $RELTO_CODE" >&2', context="nor")
        said = json.loads(out)
        self.assertEqual((said["report"], said["notice"], said["portions"]), (
            text_of(notice), {"act": "recall", "report": text_of(report), "code": "wrong-label"}, []))
        (saved,) = os.listdir(folder)
        self.assertEqual(saved, "GBR." + text_of(notice))
        self.assertEqual(sorted(os.listdir(os.path.join(folder, saved))), ["manifest", "notice", "report.json"])
        self.drain("ken")


class Said(NoticeTest):
    def answered(self, report):
        return [(r.text(7, 3), bool(r.slots[8])) for r in self.log(report, "RECALL") if r.slots[7][1] == b"\3"]

    def test_whoever_had_a_recalled_report_answers_and_its_originator_sees_who_is_late(self):
        gbr, nor, ken = self.client("gbr"), self.reader("nor"), self.reader("ken")
        _, report = publish(gbr, [(TEARLINE, canary())])
        for c in (nor, ken):
            c.ack(c.receive())
        _, notice = self.recall(gbr, report)
        for c in (nor, ken):
            c.ack(c.receive())
        said, to = self.status(report)
        self.assertEqual([(r["answer"], r["late"]) for r in to.values()], [(None, False)] * 2)
        out, _ = self.lab.relto("recall", "status", text_of(report), "--late-after", "0s", context="gbr", code=1)
        self.assertEqual(out.count("LATE"), 2)
        self.lab.relto("recall", "answer", text_of(report), "retained-legal", context="nor")
        self.lab.relto("recall", "answer", text_of(notice), "destroyed", context="nor")
        self.lab.relto("recall", "answer", text_of(notice), "destroyed", context="nor")
        self.assertEqual(self.answered(report), [("retained-legal", True), ("destroyed", True)], "no word twice")
        out, _ = self.lab.relto("recall", "status", text_of(notice), "--late-after", "0s", "--json", context="gbr", code=1)
        to = {r["recipient"]: r for r in json.loads(out)["recipients"]}
        self.assertEqual([(to[p]["answer"], to[p]["late"]) for p in ("NOR", "KEN")], [("destroyed", False), (None, True)])
        self.assertGreater(to["NOR"]["answered_us"], to["NOR"]["notified_us"])
        _, err = self.lab.relto("recall", "answer", text_of(report), "burnt", context="nor", code=64)
        self.assertIn("'burnt' is none of these:", err)
        self.lab.stop()
        self.lab.start()
        self.assertEqual(self.status(notice)[1]["NOR"]["answer"], "destroyed")
        self.replayed()

    def test_an_answer_or_feedback_to_what_the_party_was_not_given_is_unknown_alike(self):
        gbr, nor, ken = self.client("gbr"), self.reader("nor"), self.client("ken")
        _, report = publish(gbr, [(SECRET, canary())])
        nor.ack(nor.receive())
        said = set()
        for name, kind, code in (("feedback", pb.Feedback, "code"), ("recall_answer", pb.RecallAnswer, "answer")):
            for client, id_ in ((ken, report), (gbr, report), (nor, secrets.token_bytes(16))) + (
                    ((nor, report),) if code == "answer" else ()):
                with self.assertRaises(wire.Refused) as no:
                    client.ask(name, kind(**{"report": id_, code: b"useful" if code == "code" else b"destroyed"}))
                said.add((no.exception.code, no.exception.text, no.exception.field, no.exception.error.detail))
        self.assertEqual({s[0] for s in said}, {"unknown-report"})
        self.assertEqual(len(said), 1)
        self.assertEqual(self.log(report, "FEEDBACK"), [])

    def test_feedback_is_on_record_for_the_originator_and_for_nobody_else(self):
        gbr, nor = self.client("gbr"), self.reader("nor")
        _, report = publish(gbr, [(TEARLINE, canary())])
        nor.ack(nor.receive())
        self.lab.relto("feedback", text_of(report), "useful", context="nor")
        self.lab.relto("feedback", text_of(report), "sighted", "--at", "2026-06-01T12:00:00Z", context="nor")
        one, two = self.log(report, "FEEDBACK")
        self.assertEqual([(r.text(2, 0), r.text(3, 0), r.text(7, 0)) for r in (one, two)],
                         [("NOR", "GBR", "useful"), ("NOR", "GBR", "sighted")])
        self.assertEqual(int.from_bytes(two.slots[7][1], "big"), 1780315200 * 10**6)
        (delivery,) = [r for r in self.log(report, "DELIVERY") if r.text(2, 0) == "NOR"]
        self.assertEqual(int.from_bytes(one.slots[7][2], "big"), delivery.index)
        for words in (("sighted",), ("useful", "--at", "2026-06-01T12:00:00Z")):
            _, err = self.lab.relto("feedback", text_of(report), *words, context="nor", code=64)
            self.assertIn("--at goes with sighted", err)
        self.drain("ken")
        self.replayed()


class Many(NoticeTest):
    def test_who_says_more_than_the_log_should_grow_waits_and_nobody_else(self):
        gbr, nor, ken = self.client("gbr"), self.reader("nor"), self.reader("ken")
        _, report = publish(gbr, [(TEARLINE, canary())])
        for c in (nor, ken):
            c.ack(c.receive())
        said, refused = 0, None
        while refused is None and said < 400:
            try:
                nor.ask("feedback", pb.Feedback(report=report, code=b"useful"))
                said += 1
            except wire.Refused as e:
                refused = e
        self.assertEqual(refused.code, "quota")
        self.assertGreaterEqual(said, 119)
        self.assertGreater(refused.error.retry_ms, 0)
        self.assertEqual(len(self.log(report, "FEEDBACK")), said)
        codes = set()  # one account for all that makes the log grow
        while "quota" not in codes and len(codes) < 3:
            with self.assertRaises(wire.Refused) as no:
                nor.ask("subscriptions", pb.Subscriptions(act=pb.SUBSCRIPTION_DELETE, name=b"none"))
            codes.add(no.exception.code)
        self.assertLessEqual(codes, {"quota", "no-such-subscription"})
        ken.ask("feedback", pb.Feedback(report=report, code=b"useful"))


class Bounded(NoticeTest):
    """Small mailboxes, and little patience (decision 0028)."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf")
                      + "limits {\n    ack-wait 1s\n    max-deliveries 2\n    queue-reports 2\n}\n")

    def test_a_recall_takes_dead_letters_back_too(self):
        gbr = self.client("gbr")
        report = [publish(gbr, [(TEARLINE, canary())])[1] for _ in range(3)][-1]
        self.assertEqual(len([key for key, _ in rows(self.lab, "dead") if report in key]), 2)
        self.recall(gbr, report)
        self.assertEqual(self.acts(report), [(WITHDRAWN, "KEN", False), (WITHDRAWN, "NOR", False)])
        self.assertEqual([key for key, _ in rows(self.lab, "dead") if report in key], [])
        self.drain("nor", "ken")
        self.replayed()

    def test_a_recall_is_no_dead_letter_however_full_the_mailbox_and_often_as_it_came(self):
        gbr, nor = self.client("gbr"), self.reader("nor")
        _, report = publish(gbr, [(SECRET, canary())])
        nor.ack(nor.receive())
        nor.close()
        for _ in range(3):
            publish(gbr, [(SECRET, canary())])
        _, notice = self.recall(gbr, report)
        nor, came = self.client("nor"), 0
        nor.subscribe()
        while came < 4:
            got = nor.receive()
            if got.manifest.id == notice:
                came += 1
            else:
                nor.ack(got)
        nor.ack(got)
        self.assertEqual(self.log(notice, "DEAD_LETTER"), [])
        self.assertIsNone(nor.receive(timeout=1.5))
        self.replayed()


class Supersede(NoticeTest):
    def newer(self, client, report, portions, act="SUPERSEDE", reason="corrected", **more):
        return publish(client, portions, change=lambda r: r.about(act, report, reason), **more)

    def test_what_is_superseded_waits_no_more_for_whom_the_newer_one_is_released_to_and_for_no_other(self):
        gbr, nor, stream = self.client("gbr"), self.reader("nor"), []
        _, old = publish(gbr, [(TEARLINE, body := canary())])
        nor.ack(nor.receive())
        _, new = self.newer(gbr, old, [(TEARLINE, later := canary())])
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents, got.notice.act, got.notice.report, got.notice.reason),
                         (new, [later], pb.SUPERSEDE, old, b"corrected"))
        nor.ack(got)
        self.assertEqual(self.acts(old, "SUPERSEDE"), [(WITHDRAWN, "KEN", False), (NOTIFIED, "NOR", True)])
        got = (ken := self.reader("ken", tap=stream)).receive()
        self.assertEqual((got.manifest.id, got.notice), (new, None), "it never had the older one")
        ken.ack(got)
        self.assertIsNone(ken.receive(timeout=QUIET))
        self.assertNotIn(body, b"".join(stream))
        # to KEN nothing of this one is released: what it waits for stays
        _, old = publish(gbr, [(TEARLINE, body := canary())])
        self.newer(gbr, old, [(SECRET, canary())])
        got = ken.receive()
        self.assertEqual((got.manifest.id, got.contents), (old, [body]))
        ken.ack(got)
        self.assertEqual({r for _, r, _ in self.acts(old, "SUPERSEDE")}, {"NOR"})
        self.drain("nor")
        self.replayed()

    def test_a_newer_report_that_is_held_takes_nothing_away_until_it_is_approved(self):
        gbr, office, nor = self.client("gbr"), self.client("gbr", "/release-office"), self.reader("nor")
        _, old = publish(gbr, [(SECRET, body := canary())])
        first = nor.receive()
        self.assertEqual(first.contents, [body])
        _, new = self.newer(gbr, old, [(SECRET, canary())], precedence="IMMEDIATE")
        self.assertEqual(self.acts(old, "SUPERSEDE"), [])
        (hold,) = [h for h in office.holds() if h.report == new]
        office.decide(hold.hold)
        self.assertEqual(self.acts(old, "SUPERSEDE"), [(WITHDRAWN, "NOR", True), (NOTIFIED, "NOR", True)])
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.notice.report), (new, old))
        nor.ack(first, got)
        self.nothing_waits()
        self.replayed()

    def test_about_is_for_whoever_had_the_report_and_shown_to_who_had_it_or_published_it(self):
        gbr, nor, ken = self.client("gbr"), self.reader("nor"), self.reader("ken")
        reader = self.reader("gbr")
        _, old = publish(gbr, [(SECRET, canary())])
        with self.assertRaises(wire.Refused) as no:
            self.newer(ken, old, [(TEARLINE, canary())], act="ABOUT", reason="comment")
        self.assertEqual(no.exception.code, "unknown-report", "nothing of it was for KEN")
        nor.ack(nor.receive())
        with self.assertRaises(wire.Refused) as no:
            self.newer(nor, old, [(TEARLINE, canary())])
        self.assertEqual(no.exception.code, "unknown-report", "only its originator supersedes it")
        _, new = self.newer(nor, old, [(TEARLINE, canary())], act="ABOUT", reason="comment")
        got = reader.receive()
        self.assertEqual((got.manifest.id, got.notice.act, got.notice.report), (new, pb.ABOUT, old))
        reader.ack(got)
        got = ken.receive()
        self.assertEqual((got.manifest.id, got.notice), (new, None), "it never had the report named")
        ken.ack(got)
        self.assertEqual((self.acts(old, "SUPERSEDE"), self.acts(old)), ([], []))
        self.replayed()


class RecallLate(LateTest, NoticeTest):
    def test_of_what_a_reader_left_standing_no_more_than_one_record_leaves_after_its_recall(self):
        report, said = self.left_standing(lambda report: self.recall(self.client("gbr"), report))
        (told,) = [m.deliver for m in said if m.WhichOneof("body") == "deliver"]
        notice = pb.Notice.FromString(told.notice)
        self.assertEqual((notice.act, notice.report), (pb.RECALL, report))
        self.proven()


if __name__ == "__main__":
    unittest.main(verbosity=2)
