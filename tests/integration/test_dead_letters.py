#!/usr/bin/python3
"""test_dead_letters.py - what a mailbox does not take, or gives up, is set aside and on record, and nobody else notices
(design 8, S6, S7; decision 0028)."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import until  # noqa: E402
from test_again import QUIET, AgainTest, now_ms, rows  # noqa: E402
from test_mailbox import delivered_by  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402


class DeadTest(AgainTest):
    limits = ""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "limits {\n%s\n}\n" % cls.limits)

    def letters(self):
        return rows(self.lab, "dead")

    def dead(self, report, why, attempts, count=1):
        record = self.recorded(report, "DEAD_LETTER", count=count)
        said = record.slots[7]
        self.assertEqual((said[0].decode(), int.from_bytes(said[1], "big")), (why, attempts))
        return record

    def to_nor(self, body=None, **more):
        return publish(self.client("gbr"), [(SECRET, body or canary())], **more)


class TooOften(DeadTest):
    limits = "max-deliveries 3\nack-wait 300ms"

    def test_the_last_delivery_that_there_may_be_is_made_and_then_it_is_a_dead_letter(self):
        nor = self.reader("nor")
        _, report = self.to_nor()
        self.assertEqual([nor.receive().raw.attempt for _ in range(3)], [1, 2, 3])
        record = self.dead(report, "max-deliveries", 3)
        self.assertTrue(record.slots[8], "it was delivered, so it stands in the recipient's tree too")
        self.assertIsNone(nor.receive(timeout=QUIET))
        letters = self.client("nor").ask("dead_letters", pb.DeadLetters(act=1)).letters
        (told,) = [letter for letter in letters if letter.report == report]
        self.assertEqual((told.party, told.report, told.publisher, told.subscription, told.reason, told.attempts),
                         (b"NOR", report, b"GBR", b"inbox", b"max-deliveries", 3))
        _, other = self.to_nor()
        got = nor.receive()
        self.assertEqual(got.manifest.id, other, "the next one is not kept up")
        nor.ack(got)
        self.lab.stop()
        self.lab.start()
        self.assertIn(report, b"".join(key for key, _ in self.letters()))
        self.proven()

    def test_whoever_acknowledges_it_late_has_it_and_it_is_no_dead_letter_any_more(self):
        nor = self.reader("nor")
        _, report = self.to_nor()
        got = nor.receive()
        self.dead(report, "max-deliveries", 3)
        nor.ack(got)
        self.assertNotIn(report, b"".join(key for key, _ in self.letters()))
        (delivery,) = [r.index for r in self.log(report, "DELIVERY")]
        self.assertIn([delivery], [delivered_by(r) for r in self.log(kind="ACK")])

    def test_what_is_given_back_so_often_is_given_up(self):
        nor = self.reader("nor")
        _, report = self.to_nor()
        for n in range(3):
            got = nor.receive()
            self.assertEqual(got.raw.attempt, n + 1)
            nor.nack(got)
        self.dead(report, "max-deliveries", 3)
        self.assertIsNone(nor.receive(timeout=QUIET))

    def test_connections_that_end_count_whoever_had_it(self):
        _, report = self.to_nor()
        for n in range(3):
            nor = self.reader("nor")
            self.assertEqual(nor.receive().raw.attempt, n + 1)
            nor.close()
            until(lambda: n < 2 or self.log(report, "DEAD_LETTER"), 10, "the dead letter")
        self.dead(report, "max-deliveries", 3)
        self.assertEqual(len(self.log(report, "DEAD_LETTER")), 1)

    def test_a_dead_letter_that_may_not_go_any_more_is_none(self):
        one = self.client("nor")
        one.subscribe("narrowed", ">")
        _, report = self.to_nor()
        self.dead(report, "max-deliveries", 3)
        self.narrow()
        self.reader("nor")
        self.recorded(report, "NARROWED")
        until(lambda: report not in b"".join(key for key, _ in self.letters()), 10, "no dead letter of it")


class Full(DeadTest):
    limits = "queue-reports 2"

    def test_what_a_full_mailbox_does_not_take_is_a_dead_letter_and_nobody_else_notices(self):
        ken = self.reader("ken")
        reports = []
        for n in range(3):
            receipt, report = publish(self.client("gbr"), [(SECRET, canary()), (TEARLINE, b"%d" % n)])
            self.assertEqual((receipt.released, receipt.redacted, receipt.withheld), (1, 1, 0))
            got = ken.receive()
            self.assertEqual((got.manifest.id, got.contents), (report, [b"%d" % n]), "KEN has room")
            ken.ack(got)
            reports.append(report)
        record = self.dead(reports[2], "mailbox-full", 0)
        self.assertFalse(record.slots[8], "nothing of it reached the recipient, whose log says nothing")
        self.assertEqual([r for r in self.log(kind="DEAD_LETTER") if r.report in reports[:2]], [], "two fit")
        self.assertEqual([r for r in self.log(kind="DEAD_LETTER") if r.text(2, 0) == "KEN"], [])
        self.assertIn(reports[2], b"".join(key for key, _ in self.letters()))
        nor = self.reader("nor")
        got = [nor.receive() for _ in range(2)]
        self.assertEqual([d.manifest.id for d in got], reports[:2])
        nor.ack(*got)
        self.nothing_waits()
        _, after = self.to_nor()
        got = nor.receive()
        self.assertEqual(got.manifest.id, after, "there is room again")
        nor.ack(got)
        self.proven()

    def test_it_expires_with_one_record_and_is_gone(self):
        self.drain("nor")
        at = now_ms() + 3000
        dead = [self.to_nor(change=lambda r: setattr(r.manifest, "expires", at if n == 2 else 0))[1]
                for n in range(3)][2]
        self.dead(dead, "mailbox-full", 0)
        self.recorded(dead, "EXPIRE", seconds=20)
        self.assertNotIn(dead, b"".join(key for key, _ in self.letters()))
        self.assertEqual(len(self.log(dead, "EXPIRE")), 1)
        self.drain("nor")


class Bytes(DeadTest):
    limits = "queue-bytes 1MiB"

    def test_bytes_count_to_the_limit_and_not_past_it(self):
        self.drain("nor")
        large = [self.to_nor(os.urandom(480 << 10))[1] for _ in range(3)]
        until(lambda: self.log(large[2], "DEAD_LETTER"), 10, "the third is one too many")
        self.assertEqual([r for r in self.log(kind="DEAD_LETTER") if r.report in large[:2]], [])
        self.drain("nor")
        _, huge = self.to_nor(os.urandom(1100 << 10))
        self.dead(huge, "mailbox-full", 0)


class Bounds(DeadTest):
    limits = "queue-reports 2"

    def test_the_list_has_the_bounds_of_the_mailbox_and_beyond_them_the_record_is_all(self):
        self.drain("nor")
        for _ in range(6):
            _, last = self.to_nor()
        self.dead(last, "mailbox-full", 0)
        self.assertLessEqual(len(self.letters()), 2)
        self.assertIn("dead-letters.full party=\"NOR\"", self.lab.messages())
        self.drain("nor")


if __name__ == "__main__":
    unittest.main(verbosity=2)
