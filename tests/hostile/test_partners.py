"""Partners who are let in and then do nothing good: a frame at a byte a second, readers that stop, messages that are never
finished.  250 connections each, of the 256 that a party may have, from five addresses."""
import contextlib
import os
import select
import struct
import sys
import time
import unittest

import attack
import measure
import rig
import wire
from measure import MiB
from wire import pb

MANY = 250
# 10 s, the frame's length at 32 KB/s, a tick, 2 s in which an Error may be read, two bytes until the sender sees the end
FRAME_ENDS_S = 10 + 65536 / 32000 + 0.25 + 2 + 2.5
SECRET = ("ATLAS", "SECRET", {"Releasable To": ["FRA", "GBR"]})
# a session at rest: TLS without buffers, its structs, its chain; at work: 64 KiB of output, as much queued, a frame coming in
AT_REST, AT_WORK = 64 << 10, 256 << 10
PARTY_OUTPUT, PARTY_INPUT = 64 * MiB, 256 * MiB  # proto/limits.h


def dribble(attack_, agent, size):
    """A frame of 'size' bytes at a byte a second, for each of many sessions, until they are ended."""
    sessions = attack.sessions([agent], MANY)
    data = struct.pack(">IB", size, 0x80) + b"x" * (size - 1)
    begun, sent = time.monotonic(), 0
    attack_.is_ready.set()
    ended = []
    while not attack_.over.wait(max(0, begun + sent - time.monotonic())):
        for s in list(sessions):
            s.raw.setblocking(False)
            try:
                s.raw.send(s.records.record(data[sent:sent + 1]))
            except OSError:
                ended.append(time.monotonic() - begun)
                sessions.remove(s)
        sent += 1
    attack_.said.put((len(sessions), max(ended or [0])))


def subscribed(agent, count):
    out = attack.sessions([agent], count)
    for n, s in enumerate(out):
        s.subscribe(name="s%d" % n)
    return out


class Stopped:
    """Sessions that subscribed, each to a subscription of its own, and never read: what waits for them is on its way."""

    def __init__(self, agent):
        self.agent, self.readers = agent, []

    def __enter__(self):
        self.readers = subscribed(self.agent, MANY)
        for s in self.readers:
            s.raw.setsockopt(attack.socket.SOL_SOCKET, attack.socket.SO_RCVBUF, 4096)
        return self

    def __exit__(self, *exc):
        for s in self.readers:
            s.close()


class PartnersTest(measure.HostileTest):
    def publish(self, size, count=1):
        with self.lab.client("gbr", timeout=60) as gbr:
            for _ in range(count):
                report = wire.Report(gbr.agent, "maritime.piracy", [("atlas", gbr.terms["atlas"])])
                gbr.send("publish", report.portion([SECRET], os.urandom(size)).seal())
            for _ in range(count):
                gbr.wait(kind="receipt", timeout=60)

    def test_frames_at_a_byte_a_second_cost_nothing_and_end_at_their_deadline(self):
        fra = self.lab.agent("fra")
        begun = time.monotonic()
        with attack.Attack(dribble, fra, 65536) as dribblers:
            dribblers.ready()
            ready = time.monotonic()
            attacked = []
            while time.monotonic() < ready + 4:
                attacked.append(measure.round_of(self.lab))
            self.assertMemory(MANY * AT_WORK, "%d sessions at work" % MANY)
            time.sleep(max(0, ready + FRAME_ENDS_S - time.monotonic()))
            dribblers.stop()
            left, last = dribblers.said.get()
            self.assertEqual(left, 0, "sessions that outlived 10 s and their frame at 32 KB/s")
            self.assertLessEqual(last, FRAME_ENDS_S)
        self.quiet += [measure.round_of(self.lab) for _ in range(len(attacked) + 1)]
        self.judge(attacked)
        self.assertCheap(attacked, 0.1)
        self.assertLess(time.monotonic() - begun, 120)

    def test_readers_that_stop_hold_no_more_than_their_partys_share(self):
        with Stopped(self.lab.agent("fra")):
            self.publish(15 * MiB)  # half sent to some, not begun for the others
            self.publish(2000, 20)  # queued behind it
            self.until_at_rest()
            self.assertMemory(MANY * AT_WORK + 2 * PARTY_OUTPUT + 2 * 17 * MiB,
                              "sessions at work, large reports to the party twice, the one that came in")
        rig.until(lambda: measure.descriptors(self.lab.pid) <= self.before, 20, "their descriptors")

    def test_readers_that_stop_cost_the_others_nothing(self):
        """The claim of DESIGN 2: rounds with them and without, in turn."""
        with Stopped(self.lab.agent("fra")):  # their subscriptions have to be there before the reports
            self.publish(15 * MiB)
            self.publish(2000, 20)
        self.cost(self.stopped, there=self.until_at_rest)

    @contextlib.contextmanager
    def stopped(self):
        """It is not their coming and going that is measured."""
        with Stopped(self.lab.agent("fra")):
            yield
        rig.until(lambda: measure.descriptors(self.lab.pid) <= self.before, 20, "their descriptors")
        self.until_at_rest()

    def until_at_rest(self):
        """All that can be sent to who does not read is sent."""
        def rests():
            used = measure.cpu(self.lab.pid)
            time.sleep(0.1)
            return measure.cpu(self.lab.pid) - used < 0.005
        rig.until(rests, 60, "a broker at rest")

    def test_unfinished_messages_of_a_party_have_256_MiB_and_who_goes_beyond_is_told_quota(self):
        frames = b"".join(struct.pack(">IB", 65536, lane) + b"x" * 65535 for lane in (0, 1) for _ in range(258))
        hoarders = attack.sessions([self.lab.agent("fra")], 12)
        self.addCleanup(lambda: [s.close() for s in hoarders])
        for s in hoarders:
            try:
                s.send_raw(frames)
            except OSError:
                pass
        self.assertMemory(PARTY_INPUT + 2 * 17 * MiB, "unfinished messages, one that grows")
        self.assertIn("quota", [self.said(s) for s in hoarders], "nobody was refused")
        with self.lab.client("gbr"):  # the party itself may have no byte left
            pass
        for s in hoarders:
            s.close()
        rig.until(lambda: measure.descriptors(self.lab.pid) <= self.before, 20, "their descriptors")
        with self.lab.client("fra"):
            pass

    @staticmethod
    def said(session):
        """The code of the error that ended it; heads may come before."""
        try:
            while (m := session.read_message(0.2)) is not None:
                if m.WhichOneof("body") == "error":
                    return m.error.code.decode()
        except (wire.Closed, OSError):
            pass
        return None

    def test_a_party_has_256_connections_and_the_next_is_told_quota(self):
        many = attack.sessions([self.lab.agent("fra")], 256)
        self.addCleanup(lambda: [s.close() for s in many])
        with self.assertRaises((wire.Refused, wire.Closed)) as caught:
            attack.Session(self.lab.agent("fra"), number=999)
        self.assertEqual(getattr(caught.exception, "code", "quota"), "quota")
        with self.lab.client("gbr"):
            pass
        for s in many[:2]:
            s.close()
        rig.until(lambda: self.fits("fra"), 5, "a place that became free")

    def fits(self, party):
        try:
            attack.Session(self.lab.agent(party), number=998).close()
            return True
        except (wire.Refused, wire.Closed):
            return False

    def test_requests_whose_answers_nobody_reads_hold_nothing(self):
        inspectors = [attack.Session(self.lab.agent("gbr", "/inspector"), number=n) for n in range(4)]
        self.addCleanup(lambda: [s.close() for s in inspectors])
        self.publish(1000, 200)
        self.lab.longest_away()
        for s in inspectors:
            s.send_raw(b"".join(attack.message(2 + n, audit_list=pb.AuditList(count=1000)) for n in range(1000)))
        time.sleep(2)
        self.assertMemory(4 * (2 * MiB + AT_WORK), "one list of 1 MiB for each, and its records")
        self.assertLessEqual(self.lab.longest_away(), 20 if measure.QUIET else 100, "a list of 1,000 records takes a few ms, one after the other")


if __name__ == "__main__":
    sys.exit(unittest.main())
