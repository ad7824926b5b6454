"""A session that ends at any point of itself: by RST, by FIN, by close_notify; between its messages, inside each of them,
and inside the handshake.  Afterwards the broker serves, holds no descriptor and no memory of them, and its log is sound."""
import socket
import struct
import sys
import unittest

import attack
import measure
import rig
import wire
from measure import FULL
from wire import pb

CUTS = 64 if FULL else 6  # places inside each message
SECRET = ("ATLAS", "SECRET", {"Releasable To": ["GBR", "NOR"]})


def rst(session):
    session.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    session.tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def fin(session):
    session.raw.shutdown(socket.SHUT_WR)


def close_notify(session):
    session.send_records(session.records.record(b"\x01\x00", 21))
    session.raw.shutdown(socket.SHUT_WR)


class Steps:
    """One whole session of NOR's, message by message: what is sent, and what is waited for after it."""

    def __init__(self, session, sealed):
        self.session, self.sealed, self.delivery = session, sealed, None

    def all(self):
        s, n = self.session, iter(range(2, 20))
        hello = pb.Hello(versions=[1], software=b"cut", signer_chain=s.agent.chain_der)
        yield attack.message(1, hello=hello), lambda: s.wait(1)
        yield attack.message(next(n), ping=pb.Ping()), lambda: s.wait(2)
        yield attack.message(next(n), subscribe=pb.Subscribe(name=b"inbox", mode=pb.LIVE, credit=8)), lambda: s.wait(3)
        yield attack.message(next(n), publish=self.sealed), lambda: s.wait(4)
        self.delivery = s.wait(kind="deliver").deliver
        ack = pb.Ack(subscription=self.delivery.subscription, deliveries=[self.delivery.delivery])
        yield attack.message(next(n), ack=ack), lambda: s.wait(5)
        yield attack.message(next(n), whoami=pb.Whoami()), lambda: s.wait(6)
        yield attack.message(next(n), explain=pb.Explain(report=self.id(self.sealed))), lambda: s.wait(7)
        yield attack.message(0, bye=pb.Bye()), lambda: None

    @staticmethod
    def id(parts):
        return pb.Manifest.FromString(parts.manifest).id


class CutsTest(measure.HostileTest):
    def sealed(self, agent):
        terms = self.terms
        report = wire.Report(agent, "maritime.piracy", [("atlas", terms["atlas"])])
        return report.portion([SECRET], b"a report that may be lost with its session").seal()

    def setUp(self):
        super().setUp()
        with self.lab.client("nor") as nor:
            self.terms = nor.terms
        self.refill()

    def refill(self, count=40):
        """What NOR's sessions receive, one each: another party's reports."""
        with self.lab.client("gbr") as gbr:
            for _ in range(count):
                gbr.send("publish", self.sealed(gbr.agent))
            for _ in range(count):
                gbr.wait(kind="receipt")

    def run_until(self, message, byte, end):
        """A session that sends so many messages and 'byte' bytes of the next, and then ends so; what it received."""
        session = attack.Session(self.lab.agent("nor"), hello=False)
        steps = Steps(session, self.sealed(session.agent))
        try:
            for number, (data, wait) in enumerate(steps.all()):
                if number == message:
                    session.send_raw(data[:byte]) if byte else None
                    break
                session.send_raw(data)
                wait()
            end(session)
        finally:
            session.close()
        return steps.delivery and steps.id(steps.delivery)

    def sizes(self):
        session, sizes = attack.Session(self.lab.agent("nor"), hello=False), []
        with session:
            for data, wait in Steps(session, self.sealed(session.agent)).all():
                session.send_raw(data)
                wait()
                sizes.append(len(data))
        return sizes

    def all_cuts(self):
        for message, size in enumerate(self.sizes()):
            for byte in sorted({0, 1, 4, 5, size - 1, size} | {size * k // CUTS for k in range(CUTS)}):
                for end in (rst, fin, close_notify):
                    yield message, byte, end

    def test_a_session_may_end_at_any_byte_in_any_way(self):
        cuts = list(self.all_cuts())
        grown = []
        for part in (cuts[::2], cuts[1::2]):
            for number, (message, byte, end) in enumerate(part):
                if number % 30 == 0:
                    self.refill()
                self.run_until(message, byte, end)
            rig.until(lambda: measure.descriptors(self.lab.pid) <= self.before, 20, "descriptors of cut sessions")
            grown.append(measure.rss(self.lab.pid))
        print("# %d cuts" % len(cuts))
        self.assertMemory(0, "nothing is left of %d sessions" % len(cuts))
        if self.lab.away:
            self.assertLessEqual(grown[1] - grown[0], 8 * measure.MiB, "each half of the cuts leaves something behind")

    def test_a_handshake_may_end_at_any_byte_in_any_way(self):
        hello = attack.client_hello(self.lab.agent("nor"))
        for byte in range(0, len(hello) + 1, 1 if FULL else 8):
            for linger in (b"\0" * 8, struct.pack("ii", 1, 0)):
                s = socket.create_connection(attack.address(self.lab.address), 5)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                s.sendall(hello[:byte])
                s.close()

    def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(self):
        left = {self.run_until(4, 1, end) for end in (rst, fin, close_notify)}  # inside the Ack
        acked = {self.run_until(5, 1, end) for end in (rst, fin, close_notify)}  # behind its answer
        came = set()
        with self.lab.client("nor") as nor:
            nor.subscribe()
            while not left - acked <= came:
                d = nor.receive(10)
                self.assertIsNotNone(d, "what nobody acknowledged does not come again")
                came.add(d.manifest.id)
        self.assertEqual(came & acked, set(), "an acknowledged report came again")


if __name__ == "__main__":
    sys.exit(unittest.main())
