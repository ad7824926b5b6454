#!/usr/bin/python3
"""test_notice_command.py - what an analyst says of an earlier report with the command `relto`, and what another one sees of
it (design 8, 12; S7, S11, S13)."""
import json
import os
import struct
import sys
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402,F401
import wire  # noqa: E402
from test_again import rows, tables  # noqa: E402
from test_notices import NoticeTest, text_of  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from test_refuses import crc32c  # noqa: E402
from wire import pb  # noqa: E402

FOR_ALL = ("--label", "ATLAS RESTRICTED//REL TO ATLAS", "--label", "TLP:GREEN")
FOR_NOR = ("--label", "ATLAS SECRET//REL TO GBR, NOR", "--label", "TLP:AMBER")


class Publishing(NoticeTest):
    def pub(self, *more, context="gbr", code=0, labels=FOR_ALL, body=b"corrected"):
        return self.lab.relto("pub", "maritime.piracy", *labels, *more, context=context, code=code, stdin=body)

    def delivered(self, *to):
        gbr, readers = self.client("gbr"), [self.reader(p) for p in to]
        _, report = publish(gbr, [(TEARLINE, canary())])
        for c in readers:
            c.ack(c.receive())
        return report, readers

    def test_a_report_that_supersedes_one_says_so_before_and_after_and_whom_it_leaves_out(self):
        old, (nor, ken) = self.delivered("nor", "ken")
        say = ("--supersedes", text_of(old), "--code", "corrected")
        out, _ = self.pub(*say, "--dry-run", labels=FOR_NOR)
        self.assertIn("it would supersede report %s: withdrawn where it waits, for whom some of this is released\n" %
                      text_of(old), out)
        self.assertIn("  not for KEN\n", out)
        self.assertNotIn("not for NOR", out)
        said = json.loads(self.pub(*say, "--dry-run", "--json", labels=FOR_NOR)[0])
        self.assertEqual((said["dry_run"], said["notice"]), (
            True, {"act": "supersede", "report": text_of(old), "code": "corrected"}))
        self.assertEqual(self.acts(old, "SUPERSEDE"), [], "a dry run does nothing")
        out, err = self.pub(*say, labels=FOR_NOR)
        new = uuid.UUID(out.strip()).bytes
        self.assertIn("it supersedes report %s\n  but not for the 1 to whom none of this is released: 'relto recall %s'" %
                      (text_of(old), text_of(old)), err)
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.notice.act, got.notice.report, got.notice.reason),
                         (new, pb.SUPERSEDE, old, b"corrected"))
        nor.ack(got)
        self.assertEqual({r for _, r, _ in self.acts(old, "SUPERSEDE")}, {"NOR"})
        said = json.loads(self.lab.relto("supersede", text_of(old), "maritime.piracy", *FOR_ALL, "--json", context="gbr",
                                         stdin=b"again")[0])  # the same by another name
        self.assertEqual(said["notice"], {"act": "supersede", "report": text_of(old), "code": None})
        self.drain("nor", "ken")
        self.replayed()

    def test_a_report_about_one_is_seen_as_such_by_who_had_it(self):
        old, (nor,) = self.delivered("nor")
        gbr = self.reader("gbr")
        out, _ = self.pub("--about", text_of(old), "--dry-run", context="nor")
        self.assertIn("it would be about report %s, for who had that or published it\n" % text_of(old), out)
        out, err = self.pub("--about", text_of(old), "--code", "assessment", context="nor")
        self.assertIn("it is about report %s\n" % text_of(old), err)
        got = gbr.receive()
        self.assertEqual((got.manifest.id, got.notice.act, got.notice.report, got.notice.reason),
                         (uuid.UUID(out.strip()).bytes, pb.ABOUT, old, b"assessment"))
        gbr.ack(got)
        self.drain("ken")
        self.replayed()

    def test_what_one_may_not_name_is_refused_alike_and_the_command_says_what_to_do(self):
        old, (nor,) = self.delivered("nor")
        absent = str(uuid.uuid4())
        for dry in ((), ("--dry-run",)):
            said = set()
            for report, how in ((text_of(old), "its originator alone supersedes it"), (absent, "there is none")):
                _, err = self.pub("--supersedes", report, *dry, context="nor", code=66)
                self.assertIn("no such report", err, how)
                self.assertIn("--supersedes %s: your party published no report of this id that is live (with --exercise: "
                              "exercise traffic); who published a report supersedes it, any other party says --about\n" %
                              report, err)
                said.add(err.replace(report, "ID"))
            self.assertEqual(len(said), 1, "the same words")
            _, err = self.pub("--about", absent, *dry, context="nor", code=66)
            self.assertIn("--about %s: your party published and was delivered no report of this id that is live" % absent, err)
        _, notice = self.recall(self.client("gbr"), old)
        _, err = self.pub("--supersedes", text_of(notice), code=65)
        self.assertIn("--supersedes %s: that report is a recall, which nothing takes the place of\n" % text_of(notice), err)
        self.drain("nor", "ken")

    def test_wrong_words_are_told_before_anything_is_sent(self):
        one, two = str(uuid.uuid4()), str(uuid.uuid4())
        for words, told in (
                (("--supersedes", "report"), "--supersedes 'report' is not right: one report in all, by its id, a UUID"),
                (("--supersedes", one, "--about", two), "--about '%s' is not right: one report in all, by its id, a UUID" % two),
                (("--about", one, "--about", two), "--about '%s' is not right: one report in all" % two),
                (("--code", "corrected"), "--code goes with --supersedes or --about"),
                (("--about", one, "--code", "corrected"), "\n  comment\n  assessment\n  addition\n"),
                (("--supersedes", one, "--code", "wrong-label"), "--code 'wrong-label' is none of these:")):
            out, err = self.pub(*words, code=64)
            self.assertEqual(out, "")
            self.assertIn(told, err)
            self.assertIn("[--supersedes ID|--about ID] [--code CODE]", err)


KEPT, PAGE = 16, 64  # LIMIT_FEEDBACK_KEPT, MSG_FEEDBACK_RECIPIENTS_MAX


def say(client, report, code=b"useful", **more):
    client.ask("feedback", pb.Feedback(report=report, code=code, **more))


def told(client, report, **more):
    return client.ask("feedback_status", pb.FeedbackStatus(report=report, **more))


class Feedback(NoticeTest):
    def given(self, *to):
        gbr, readers = self.client("gbr"), [self.reader(p) for p in to]
        _, report = publish(gbr, [(TEARLINE, canary())])
        for c in readers:
            c.ack(c.receive())
        self.drain(*{"nor", "ken"} - set(to))
        return report, gbr, readers

    def test_who_published_a_report_reads_who_said_what_of_it_and_when(self):
        report, gbr, (nor, ken) = self.given("nor", "ken")
        self.assertEqual(list(told(gbr, report).recipients), [])
        out, _ = self.lab.relto("feedback", "status", text_of(report), context="gbr")
        self.assertEqual(out, "nobody said anything of it\n")
        self.lab.relto("feedback", text_of(report), "useful", context="nor")
        self.lab.relto("feedback", text_of(report), "sighted", "--at", "2026-06-01T12:00:00Z", context="nor")
        self.lab.relto("feedback", text_of(report), "refuted", context="ken")
        records = self.log(report, "FEEDBACK")
        for restart in range(2):
            said = json.loads(self.lab.relto("feedback", "status", text_of(report), "--json", context="gbr")[0])
            self.assertEqual(said["report"], text_of(report))
            self.assertEqual({r["recipient"]: r["count"] for r in said["recipients"]}, {"NOR": 2, "KEN": 1})
            self.assertEqual(sorted((w["said_us"], r["recipient"], w["code"], w["sighted_us"]) for r in said["recipients"]
                                    for w in r["said"]),
                             [(r.time, r.text(2, 0), r.text(7, 0), at) for r, at in zip(records, (0, 1780315200 * 10**6, 0))])
            out, _ = self.lab.relto("feedback", "status", text_of(report), context="gbr")
            self.assertRegex(out, r"\ARECIPIENT +SAYS +WHEN +SIGHTED\n")
            self.assertRegex(out, r"(?m)^NOR +sighted +20\S+ +2026-06-01T12:00:00Z$")
            self.assertRegex(out, r"(?m)^KEN +refuted +20\S+ +-$")
            if not restart:
                self.lab.stop()
                self.lab.start()
        self.lab.relto("feedback", "status", text_of(report), context="gbr-inspector")
        self.replayed()

    def test_only_the_party_that_published_it_is_told_and_the_answer_is_the_same_for_all_others(self):
        report, gbr, (nor,) = self.given("nor")
        say(nor, report)
        answers = set()
        for client, id_ in ((nor, report), (self.client("ken"), report), (gbr, os.urandom(16)),
                            (self.client("hub"), report)):
            with self.assertRaises(wire.Refused) as no:
                told(client, id_)
            answers.add((no.exception.code, no.exception.text, no.exception.field, no.exception.error.detail))
        self.assertEqual({a[0] for a in answers}, {"unknown-report"})
        self.assertEqual(len(answers), 1)
        _, err = self.lab.relto("feedback", "status", text_of(report), context="nor", code=66)
        self.assertIn("no such report", err)
        with self.assertRaises(wire.Refused) as no:
            told(self.client("gbr", "/watch"), report)
        self.assertEqual(no.exception.code, "role")

    def test_from_a_party_that_said_nothing_or_that_is_nobody_it_begins_again(self):
        for who, others in (("nor", (b"KEN", b"GBR", b"NOBODY")), ("ken", (b"NOR", b"HUB", b"NOBODY"))):
            report, gbr, (reader,) = self.given(who)
            say(reader, report)
            reader.close()
            whole = told(gbr, report)
            self.assertEqual([r.recipient for r in whole.recipients], [who.upper().encode()])
            for name in others:
                self.assertEqual(told(gbr, report, **{"from": name}), whole, (who, name))
            self.assertEqual(list(told(gbr, report, **{"from": who.upper().encode()}).recipients), [])

    def test_the_last_of_what_a_party_said_is_told_and_how_often_it_spoke(self):
        report, gbr, (nor,) = self.given("nor")
        for n in range(KEPT):
            say(nor, report, b"sighted", sighted=n + 1)
        (at,) = told(gbr, report).recipients
        self.assertEqual((at.count, [s.sighted for s in at.said]), (KEPT, list(range(1, KEPT + 1))))
        out, _ = self.lab.relto("feedback", "status", text_of(report), context="gbr")
        self.assertNotIn("said more before", out)
        say(nor, report, b"confirmed")
        (past,) = told(gbr, report).recipients
        self.assertEqual((past.count, [s.sighted for s in past.said]), (KEPT + 1, list(range(2, KEPT + 1)) + [0]))
        out, _ = self.lab.relto("feedback", "status", text_of(report), context="gbr")
        self.assertTrue(out.endswith("NOR said more before, 1 times: relto audit list type=feedback\n"), out)
        self.assertEqual(len(self.log(report, "FEEDBACK")), KEPT + 1, "the log has all")

    def test_wrong_words_are_told(self):
        one = str(uuid.uuid4())
        for words, why in (
                (("status",), "status takes one REPORT-ID"), (("status", "x"), "status takes one REPORT-ID"),
                (("status", one, "useful"), "status takes one REPORT-ID"),
                (("status", one, "--at", "2026-06-01T12:00:00Z"), "status takes no --at"),
                ((one, "useful", "--json"), "--json goes with status"), ((one, "useful", "x", "y"), "what is 'y'?"),
                ((one, "sighted", "--at", "noon"), "--at 'noon' is not right"), ((one, "nice"), "'nice' is none of these:")):
            _, err = self.lab.relto("feedback", *words, context="gbr", code=64)
            self.assertIn(why, err)


class Kept(NoticeTest):
    """What a reader sees of a notice, and what becomes of what it saved."""

    def setUp(self):
        super().setUp()
        self.folder = os.path.join(self.lab.base, "kept." + self.id().rsplit(".", 1)[1])
        self.gbr = self.client("gbr")
        self.addCleanup(self.drain, "nor", "ken")

    def sub(self, *more, code=0, count="1"):
        return self.lab.relto("sub", "--save", self.folder, "--count", count, "--wait", "20s", *more, context="nor", code=code)

    def files(self, report):
        folder = os.path.join(self.folder, "GBR." + text_of(report))
        out = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as f:
                out[name] = f.read()
        return out

    def saved(self):
        _, report = publish(self.gbr, [(TEARLINE, canary())])
        self.sub()
        return report, self.files(report)

    def test_a_saved_report_that_is_recalled_is_marked_and_left_as_it_is(self):
        report, before = self.saved()
        other, untouched = self.saved()
        _, notice = self.recall(self.gbr, report)
        out, err = self.sub()
        self.assertTrue(out.startswith("RECALL RECALL RECALL\nreport " + text_of(notice)), out)
        self.assertIn("  RECALLS report %s: wrong-label\n" % text_of(report), out)
        self.assertIn("relto: %s/GBR.%s WAS RECALLED: it is marked there (recalled.json)\n" % (self.folder, text_of(report)), err)
        after = self.files(report)
        said = json.loads(after.pop("recalled.json"))
        self.assertEqual((said["act"], said["by"], said["code"]), ("recall", text_of(notice), "wrong-label"))
        self.assertEqual(after, before)
        self.assertEqual(self.files(other), untouched)

    def test_a_saved_report_that_is_superseded_is_marked_and_the_newer_one_says_so(self):
        report, before = self.saved()
        out, _ = self.lab.relto("pub", "maritime.piracy", *FOR_ALL, "--supersedes", text_of(report), "--code", "updated",
                                context="gbr", stdin=b"newer")
        new = uuid.UUID(out.strip()).bytes
        out, err = self.sub("--no-ack")
        self.assertTrue(out.startswith("SUPERSEDES AN EARLIER REPORT\nreport " + text_of(new)), out)
        self.assertIn("  SUPERSEDES report %s: updated\n  go by this one: what you have of that report is out of date\n" %
                      text_of(report), out)
        self.assertIn("/GBR.%s WAS SUPERSEDED: it is marked there (superseded.json)\n" % text_of(report), err)
        said = json.loads(self.sub("--json")[0])
        self.assertEqual(said["notice"], {"act": "supersede", "report": text_of(report), "code": "updated"})
        after = self.files(report)
        self.assertEqual(json.loads(after.pop("superseded.json"))["by"], text_of(new))
        self.assertEqual(after, before)
        self.assertNotIn("superseded.json", self.files(new))

    def test_what_was_not_saved_here_is_not_marked_and_about_marks_nothing(self):
        nor = self.reader("nor")
        _, gone = publish(self.gbr, [(TEARLINE, canary())])
        nor.ack(nor.receive())
        nor.close()
        report, before = self.saved()
        self.recall(self.gbr, gone)
        _, err = self.sub()
        self.assertNotIn("marked", err)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "GBR." + text_of(gone))))
        publish(self.gbr, [(TEARLINE, canary())], change=lambda r: r.about("ABOUT", report, "comment"))
        out, err = self.sub()
        self.assertIn("  is about report %s: comment\n" % text_of(report), out)
        self.assertNotIn("marked", err)
        self.assertEqual(self.files(report), before)

    def test_what_cannot_be_marked_is_not_acknowledged_and_comes_again(self):
        report, _ = self.saved()
        _, notice = self.recall(self.gbr, report)
        place = os.path.join(self.folder, "GBR." + text_of(report))
        os.rename(place, place + ".away")
        os.symlink(place + ".away", place)  # not one that this made: nothing is written through it
        _, err = self.sub(code=74)
        self.assertRegex(err, r"cannot mark %s as no longer valid: .*; not acknowledged" % place)
        self.assertIn("relto: report %s is given back, and comes again in 1 s\n" % text_of(notice), err)
        self.assertNotIn("recalled.json", os.listdir(place + ".away"))
        os.unlink(place)
        os.rename(place + ".away", place)
        self.sub()
        self.assertIn("recalled.json", self.files(report))


class Pages(NoticeTest):
    """More recipients than one answer takes, put into the store beside one that said something."""

    def put(self, note, numbers):
        """The same note for parties of these numbers, and names for them."""
        env = tables(self.lab, write=True)
        try:
            with env.begin(write=True) as t:
                meta, names = (env.open_db(n, t, create=False) for n in (b"meta", b"name"))
                for n in numbers:
                    for table, key, value in ((meta, note[0][:-8] + b"%08x" % n, note[1][:-4]),
                                              (names, b"\1P%d" % n, struct.pack(">I", n)),
                                              (names, b"\x81" + struct.pack(">I", n), b"P%d" % n)):
                        t.put(key, value + struct.pack(">I", crc32c(key + value)), db=table)
        finally:
            env.close()

    def test_an_answer_has_so_many_recipients_and_the_next_goes_on_behind_them(self):
        gbr, nor = self.client("gbr"), self.reader("nor")
        _, report = publish(gbr, [(TEARLINE, canary())])
        nor.ack(nor.receive())
        self.drain("ken")
        say(nor, report)
        (note,) = [(k, v) for k, v in rows(self.lab, "meta") if k.startswith(b"note/feedback.")]
        self.put(note, range(1000, 999 + PAGE))
        full = told(gbr, report)
        self.assertEqual((len(full.recipients), full.next), (PAGE, b""))
        self.put(note, [999 + PAGE])
        first = told(gbr, report)
        self.assertEqual((len(first.recipients), first.next), (PAGE, first.recipients[-1].recipient))
        self.assertEqual(first.recipients, full.recipients)
        rest = told(gbr, report, **{"from": first.next})
        self.assertEqual(([r.recipient for r in rest.recipients], rest.next), ([b"P%d" % (999 + PAGE)], b""))
        said = json.loads(self.lab.relto("feedback", "status", text_of(report), "--json", context="gbr")[0])
        self.assertEqual([r["recipient"] for r in said["recipients"]], ["NOR"] + ["P%d" % n for n in range(1000, 1000 + PAGE)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
