#!/usr/bin/python3
"""test_nack.py - several readers of one subscription: each report goes to one of them, and what one gives back or loses
to another (design 8, S6)."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_again import QUIET, AgainTest, now_ms  # noqa: E402
from test_path import SECRET, canary, publish  # noqa: E402
import wire  # noqa: E402
from wire import pb  # noqa: E402


class GivenBack(AgainTest):
    """Nack: a reader that cannot do anything with a report now gives it back."""

    def to_nor(self):
        _, report = publish(self.client("gbr"), [(SECRET, canary())])
        return report

    def test_what_one_reader_gives_back_goes_to_the_other_one(self):
        readers = [self.client("nor"), self.client("nor")]
        for c in readers:
            c.subscribe(credit=1)
        report, got = self.to_nor(), None
        while got is None:
            got = readers[0].receive(timeout=0.2)
            readers.reverse()
        other, mine = readers  # the one whose turn it was stands last
        self.assertEqual((got.manifest.id, got.raw.attempt), (report, 1))
        mine.nack(got)
        again = other.receive()
        self.assertEqual((again.manifest.id, again.raw.attempt), (report, 2))
        mine.nack(got)  # it has it no more: nothing happens
        other.ack(again)
        self.nothing_waits()
        self.assertEqual(len(self.log(report, "DELIVERY")), 1)

    def test_a_delay_is_kept_and_others_are_not_kept_up(self):
        nor, first = self.reader("nor"), self.to_nor()
        got = nor.receive()
        before = now_ms()
        nor.nack(got, 2000)
        second = self.to_nor()
        other = nor.receive()
        self.assertEqual(other.manifest.id, second)
        again = nor.receive()
        self.assertEqual((again.manifest.id, again.raw.attempt, again.raw.delivery), (first, 2, got.raw.delivery))
        self.assertGreaterEqual(now_ms() - before, 2000)
        nor.ack(other, again)
        self.nothing_waits()

    def test_a_delay_outlives_the_broker_and_an_ack_ends_it(self):
        nor, report = self.reader("nor"), self.to_nor()
        got = nor.receive()
        before = now_ms()
        nor.nack(got, 4000)
        self.lab.stop()
        self.lab.start()
        nor = self.reader("nor")
        got = nor.receive(timeout=20)
        self.assertEqual((got.manifest.id, got.raw.attempt), (report, 2))
        self.assertGreaterEqual(now_ms() - before, 4000)
        nor.nack(got, 3600000)
        nor.ack(got)
        self.nothing_waits()

    def test_only_what_this_session_was_given_can_be_given_back(self):
        nor = self.reader("nor")
        self.to_nor()
        got = nor.receive()
        for number in (0, got.raw.delivery + 1):
            with self.assertRaises(wire.Refused) as refused:
                nor.ask("nack", pb.Nack(subscription=1, deliveries=[number]))
            self.assertEqual((refused.exception.code, refused.exception.field), ("malformed", "nack.deliveries"))
        nor.ack(got)
        nor.nack(got)
        self.assertIsNone(nor.receive(timeout=QUIET), "acknowledged is acknowledged (S6)")


class Competing(AgainTest):
    """Several connections of one subscription."""

    def test_each_report_goes_to_one_of_them_and_what_a_lost_one_had_to_the_other(self):
        both = [self.client("nor"), self.client("nor")]
        for c in both:
            c.subscribe(credit=20)
        reports = {publish(self.client("gbr"), [(SECRET, b"%d" % n)])[1] for n in range(40)}
        had = [[c.receive() for _ in range(20)] for c in both]
        ids = [{d.manifest.id for d in got} for got in had]
        self.assertEqual((ids[0] | ids[1], ids[0] & ids[1]), (reports, set()), "each to exactly one")
        both[1].ack(*had[1])
        both[0].ack(*had[0][:5])
        both[0].close()
        rest = [both[1].receive() for _ in range(15)]
        self.assertEqual({d.manifest.id for d in rest}, {d.manifest.id for d in had[0][5:]})
        self.assertEqual({d.raw.attempt for d in rest}, {2})
        both[1].ack(*rest)
        self.nothing_waits()
        self.assertIsNone(both[1].receive(timeout=QUIET))
        self.assertEqual(len(self.log(kind="DELIVERY")), 40, "coming again is no new delivery")
        self.proven()


if __name__ == "__main__":
    unittest.main(verbosity=2)
