#!/usr/bin/python3
"""test_notice_records.py - recalls, superseded reports, feedback and dead letters in what auditors read: the report's page, a
receipt; and a recall at the same time as an operator's retry (design 8; AUDIT 4, S6)."""
import json
import os
import subprocess
import sys
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import forge  # noqa: E402
import wire  # noqa: E402
from report_judge import Page, ReportTests  # noqa: E402
from test_again import QUIET, rows  # noqa: E402
from test_notices import NoticeTest, text_of  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

ROUNDS = 8
BAD = b"<script>alert(1)</script><img src=x onerror=y>\"'&"


class Records(NoticeTest):
    limits = "queue-reports 2"

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit("reltod.conf", r"(?m)^log \{$", "log {\n    heads-every 100ms")
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "limits {\n    %s\n}\n" % cls.limits)


class Figures(Records):
    judge_figures, judge_self_contained, page = (ReportTests.judge_figures, ReportTests.judge_self_contained,
                                                 ReportTests.page)

    def happen(self):
        """A report of each end, and words of recipients."""
        gbr, nor = self.client("gbr"), self.reader("nor")
        for act in ("RECALL", "SUPERSEDE"):
            _, had = publish(gbr, [(TEARLINE, canary())])
            nor.ack(nor.receive())
            nor.ask("feedback", pb.Feedback(report=had, code=b"refuted"))
            if act == "RECALL":
                self.recall(gbr, had)
            else:
                publish(gbr, [(TEARLINE, canary())], change=lambda r: r.about("SUPERSEDE", had, "updated"))
            nor.ack(nor.receive())
        nor.close()
        for _ in range(3):
            publish(gbr, [(SECRET, canary())])
        self.assertTrue(self.log(kind="DEAD_LETTER"))

    def test_the_page_has_the_figures_of_relto_verify_and_a_hostile_word_does_nothing(self):
        self.happen()
        self.copy, self.key = self.proven()
        text, _ = self.page()
        self.judge_figures(Page(text))
        self.judge_self_contained(text, Page(text))
        types = {r["type"] for r in Page(text).table("type", "count")}
        self.assertLessEqual({"recall", "supersede", "feedback", "dead-letter"}, types)
        stops = {r["type"] for r in Page(text).table("record", "type")}
        self.assertLessEqual({"recall", "supersede", "dead-letter"}, stops)
        # the same log, told by whoever has a key for it
        log = forge.Log(self.copy)
        key = forge.Key(log.origin)
        log.rekey(key)
        for kind, field in (("RECALL", 2), ("SUPERSEDE", 2), ("FEEDBACK", 0), ("DEAD_LETTER", 0)):
            for i in log.all(kind):
                log.records[i].set(7, field, BAD)
        self.copy, self.key = self.copy + ".told", key.vkey
        log.settle().write(self.copy, key)
        text, _ = self.page()
        self.judge_figures(Page(text))
        self.judge_self_contained(text, Page(text))
        self.assertNotIn(BAD.decode(), text)
        self.assertIn(BAD.decode(), "".join(Page(text).text), "it is shown, as text")


class Proved(Records):
    def test_a_recall_that_brings_its_proof_is_kept_with_it_and_the_proof_is_verified(self):
        folder = os.path.join(self.lab.base, "kept")
        gbr, nor = self.client("gbr"), self.client("nor")
        nor.subscribe("proved", ">")
        nor.close()
        self.lab.relto("sub", "--delete", "inbox", context="nor")
        _, report = publish(gbr, [(TEARLINE, canary())])

        def sub():
            return self.lab.relto("sub", "--name", "proved", "--proof", "full", "--save", folder, "--count", "1", "--wait",
                                  "60s", context="nor", timeout=120)
        sub()
        _, notice = self.recall(gbr, report)
        out, _ = sub()
        self.assertIn("RECALLS report " + text_of(report), out)
        place = os.path.join(folder, "GBR." + text_of(notice))
        got = subprocess.run([rig.program("relto-verify"), "receipt", os.path.join(place, "delivery.tlog-proof"), "--key",
                              self.lab.agent("hub").log_key], capture_output=True)
        self.assertEqual(got.returncode, 0, (got.stdout + got.stderr).decode())
        self.assertIn("recall", got.stdout.decode().lower())
        got = subprocess.run([rig.program("relto-verify"), "receipt", os.path.join(place, "delivery.tlog-proof"), "--key",
                              self.lab.agent("hub").log_key, "--report", place], capture_output=True)
        self.assertEqual((got.returncode, got.stdout), (1, b""), "it releases nothing that a folder could show")
        self.assertIn("the record (recall) does not say what was released", got.stderr.decode())
        self.assertIn("recalled.json", os.listdir(os.path.join(folder, "GBR." + text_of(report))))
        self.drain("ken")


class AtOnce(Records):
    def both(self, report):
        """A recall and a retry, begun together; what each was answered."""
        gbr, operator, said = self.client("gbr"), self.client("hub", "/operator"), {}
        start = threading.Barrier(2)

        def recall():
            start.wait()
            said["recall"] = self.recall(gbr, report)[1]

        def retry():
            start.wait()
            try:
                said["retry"] = operator.ask("dead_letters", pb.DeadLetters(
                    act=pb.DEAD_RETRY, all=True, party=b"NOR", report=report)).json.decode()
            except wire.Refused as no:
                said["retry"] = no.code
        threads = [threading.Thread(target=t) for t in (recall, retry)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        gbr.close()
        operator.close()
        return said

    def test_a_recall_and_a_retry_of_a_dead_letter_leave_nothing_that_comes(self):
        gbr, bodies, stream = self.client("gbr"), [], []
        for n in range(ROUNDS):
            for _ in range(2):
                publish(gbr, [(SECRET, canary())])  # the mailbox is full
            bodies.append(canary())
            _, report = publish(gbr, [(SECRET, bodies[-1])])
            self.assertIn(report, b"".join(key for key, _ in rows(self.lab, "dead")))
            if n % 2:  # there is room again, so the retry puts it back
                self.drain("nor")
            said = self.both(report)
            self.assertIn("recall", said)
            self.assertTrue(said["retry"] == "not-found" or json.loads(said["retry"])["ok"], said)
            rig.until(lambda: report not in b"".join(k for k, _ in rows(self.lab, "dead")), 10, "no dead letter of it")
            nor = self.reader("nor", tap=stream)
            while (got := nor.receive(timeout=QUIET / 4)) is not None:
                self.assertNotEqual(got.manifest.id, report)
                nor.ack(got)
            nor.close()
            self.assertEqual(self.log(report, "DELIVERY"), [])
        for body in bodies:
            self.assertNotIn(body, b"".join(stream))
        self.drain("ken")
        self.replayed()


if __name__ == "__main__":
    unittest.main(verbosity=2)
