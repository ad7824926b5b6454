"""What records that no ordinary client sends do to their own session: KeyUpdates, empty ones, other types, damaged ones; and
where a party's subscriptions end."""
import sys
import unittest

import attack
import measure
import records
import wire
from wire import pb


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
