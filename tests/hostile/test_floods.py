"""Partners who send as much as they can, in records of our own making: KeyUpdates, empty and one-byte records, padding,
Pings, subscriptions, reports that are refused; with and without reading the answers."""
import itertools
import sys
import time
import unittest

import attack
import measure
import records
import wire
from wire import pb

FLOODERS = 8


def key_updates(attack_, agent, asking):
    """Sessions that send 2,000 KeyUpdates in one piece each, one session after the other."""
    while not attack_.over.is_set():
        s = attack.Session(agent, number=0)
        data = b"".join(s.records.key_update(asking) for _ in range(2000))
        attack_.is_ready.set()
        try:
            s.send_records(data, 1)
            s.closed(1)
        except OSError:
            pass
        s.close()


def pour(attack_, agent, kind, read):
    attack.pour(attack_, [(s, kind(s)) for s in attack.sessions([agent], FLOODERS)], read)


def numbered(make, size=200):
    """For ever: the frames of 'size' requests with rising numbers."""
    for first in itertools.count(2, size):
        yield b"".join(attack.message(first + n, **make()) for n in range(size))


def pings(s):
    return map(s.records.records, numbered(lambda: {"ping": pb.Ping()}))


def tiny(s, padding=0):
    for data in numbered(lambda: {"ping": pb.Ping()}):
        yield b"".join(s.records.record(data[n:n + 1], padding=padding) for n in range(len(data)))


def padded(s):
    return tiny(s, 8000)


def subscriptions(s):
    names = itertools.count()
    return map(s.records.records, numbered(lambda: {"subscribe": pb.Subscribe(
        name=b"f%d" % (next(names) % 400), mode=pb.LIVE, credit=64)}, 50))


def refused(s):
    """Sound reports by an agent whose agreement does not exist."""
    report = wire.Report(s.agent, "maritime.piracy", [("nowhere", bytes(32))])
    publish = report.portion([("ATLAS", "SECRET", {"Releasable To": ["FRA"]})], b"x" * 500).seal()
    return map(s.records.records, numbered(lambda: {"publish": publish}, 20))


def forged(s):
    """Reports whose seal is wrong: the broker checks a signature for each."""
    report = wire.Report(s.agent, "maritime.piracy", [("atlas", s.terms["atlas"])])
    publish = report.portion([("ATLAS", "SECRET", {"Releasable To": ["FRA"]})], b"x" * 500).seal()
    publish.seal = publish.seal[:-1] + bytes([publish.seal[-1] ^ 1])
    return map(s.records.records, numbered(lambda: {"publish": publish}, 20))


class FloodsTest(measure.HostileTest):
    def flood(self, kind, read=True):
        fra = self.lab.agent("fra")
        self.cost(lambda: attack.Attack(pour, fra, kind, read), more_ms=measure.FLOOD_MS)
        self.assertMemory(FLOODERS * (1 << 20), "eight sessions with answers that wait")

    def test_key_updates(self):
        self.cost(lambda: attack.Attack(key_updates, self.lab.agent("fra"), records.QUIET), more_ms=measure.FLOOD_MS)

    def test_key_updates_that_ask_for_one(self):
        self.cost(lambda: attack.Attack(key_updates, self.lab.agent("fra"), records.ASKING), more_ms=measure.FLOOD_MS)

    def test_records_of_one_byte(self):
        self.flood(tiny)

    def test_records_of_one_byte_and_8000_of_padding(self):
        self.flood(padded)

    def test_pings(self):
        self.flood(pings)

    def test_pings_whose_answers_are_not_read(self):
        self.flood(pings, read=False)

    def test_subscriptions_whose_answers_are_not_read(self):
        self.flood(subscriptions, read=False)

    def test_reports_that_are_refused(self):
        self.flood(refused)

    def test_reports_with_a_wrong_signature(self):
        self.flood(forged)


class RecordsTest(measure.HostileTest):
    """What single records do to their own session."""

    def setUp(self):
        super().setUp()
        self.session = attack.Session(self.lab.agent("fra"))
        self.addCleanup(self.session.close)

    def send(self, *made):
        self.session.send_records(b"".join(made))

    def alive(self):
        self.send(self.session.records.records(attack.message(9, ping=pb.Ping())))
        return self.session.wait(9, timeout=5) is not None

    def test_32_key_updates_and_data_again_and_again_are_legal(self):
        for first in range(0, 30, 10):
            r = self.session.records
            self.send(*[r.key_update(records.ASKING) for _ in range(32)])
            self.send(r.records(attack.message(100 + first, ping=pb.Ping())))
            self.assertIsNotNone(self.session.wait(100 + first, timeout=5))

    def test_data_behind_key_updates_in_one_piece_is_not_left_lying(self):
        r = self.session.records
        self.send(*[r.key_update() for _ in range(20)], r.records(attack.message(2, ping=pb.Ping())))
        self.assertIsNotNone(self.session.wait(2, timeout=5), "a Ping in the same segment as KeyUpdates has no answer")

    def test_33_key_updates_without_data_end_it(self):
        self.send(*[self.session.records.key_update() for _ in range(33)])
        self.assertTrue(self.session.closed())
        self.assertEqual([m.error.code for m in self.session.last if m.WhichOneof("body") == "error"], [b"protocol"])

    def test_some_empty_records_are_nothing_and_hundreds_end_it(self):
        self.send(*[self.session.records.record(b"") for _ in range(10)])
        self.assertTrue(self.alive())
        self.send(*[self.session.records.record(b"") for _ in range(500)])
        self.assertTrue(self.session.closed())

    def test_records_that_are_no_application_data_end_it(self):
        for kind, data in ((records.ALERT, b"\x01\x5a"), (records.HANDSHAKE, b"\x01\0\0\0"), (20, b"\x01"), (99, b"x")):
            with attack.Session(self.lab.agent("fra")) as s:
                try:
                    s.send_records(b"".join(s.records.record(data, kind) for _ in range(50)))
                    self.assertTrue(s.closed(), "50 records of type %d" % kind)
                except OSError:
                    pass

    def test_a_record_that_does_not_decrypt_ends_it(self):
        made = bytearray(self.session.records.record(b"x" * 100))
        made[-1] ^= 1
        self.send(bytes(made))
        self.assertTrue(self.session.closed())

    def test_subscriptions_of_a_party_end_at_256_and_of_a_session_at_32(self):
        said = []
        for n in range(9):
            s = attack.Session(self.lab.agent("fra"), number=n)
            self.addCleanup(s.close)
            for i in range(32):
                said.append(self.subscribe(s, "t%d" % (32 * n + i)))
        self.assertEqual(said.index("quota"), 254, "the inboxes of both modes are two of the 256")
        self.assertEqual(set(said[254:]), {"quota"})
        s = attack.Session(self.lab.agent("fra"), number=90)
        self.addCleanup(s.close)
        self.assertEqual([self.subscribe(s, "t%d" % n) for n in range(33)], ["yes"] * 32 + ["quota"])

    @staticmethod
    def subscribe(s, name):
        try:
            s.subscribe(name=name)
            return "yes"
        except wire.Refused as e:
            return e.code


if __name__ == "__main__":
    sys.exit(unittest.main())
