"""Partners who send as much as they can, in records of our own making: KeyUpdates, empty and one-byte records, padding,
Pings, subscriptions, reports that are refused; with and without reading the answers."""
import itertools
import signal
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
        self.cost(lambda: attack.Attack(pour, fra, kind, read), flood=True)
        self.assertMemory(FLOODERS * (1 << 20), "eight sessions with answers that wait")

    def test_sockets_full_of_requests_are_worked_off_in_turns(self):
        """All at once, however slow the flooders are: they fill the sockets while the broker stands still."""
        sessions = attack.sessions([self.lab.agent("fra")], FLOODERS)
        self.addCleanup(lambda: [s.close() for s in sessions])
        pieces = [b"".join(itertools.islice(kind(s), 40)) for s, kind in zip(sessions, itertools.cycle((pings, forged)))]
        self.lab.signal(signal.SIGSTOP)
        try:
            for s, piece in zip(sessions, pieces):
                s.send_records(piece[:200000], 0.05)
        finally:
            self.lab.longest_away()
            self.lab.signal(signal.SIGCONT)
        with self.lab.client("nor") as nor:
            nor.ask("ping", pb.Ping())
        time.sleep(1)
        self.assertLessEqual(self.lab.longest_away(), measure.AWAY_MS + (2 if measure.QUIET else 20), "a thread away from its loop")

    def test_key_updates(self):
        self.cost(lambda: attack.Attack(key_updates, self.lab.agent("fra"), records.QUIET), flood=True)

    def test_key_updates_that_ask_for_one(self):
        self.cost(lambda: attack.Attack(key_updates, self.lab.agent("fra"), records.ASKING), flood=True)

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


if __name__ == "__main__":
    sys.exit(unittest.main())
