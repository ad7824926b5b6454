#!/usr/bin/python3
"""test_notice_command.py - what an analyst says of an earlier report with the command `relto`, and what another one sees of
it (design 8, 12; S7, S11, S13)."""
import json
import os
import sys
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
from test_notices import NoticeTest, text_of  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
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
        said = json.loads(self.pub("--supersedes", text_of(old), "--json")[0])
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
