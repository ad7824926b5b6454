"""A session that ends at any point of itself: by RST, by FIN, by close_notify; between its messages, inside each of them,
and inside the handshake.  Afterwards the broker serves, holds no descriptor and no memory of them, and its log is sound."""
import socket
import struct
import subprocess
import sys
import unittest

import attack
import measure
import rig
import wire
from measure import FULL
from wire import pb

THREADS = 8  # sessions at once
RAW = 1 if FULL else 7  # of the bytes on the wire, handshake and records; of those of messages all are tried
ACK = 4  # the message of Steps by which a report is kept
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

    def script(self):
        """The session for cut.c: its messages, and what is waited for after each; how many sessions keep a report."""
        session, path, sizes = attack.Session(self.lab.agent("nor"), hello=False), self.lab.path("session"), []
        with session, open(path, "wb") as f:
            for data, wait in Steps(session, self.sealed(session.agent)).all():
                session.send_raw(data)
                wait()
                m = pb.Message.FromString(data[5:])
                f.write(struct.pack(">III", len(data), m.request, m.WhichOneof("body") == "publish") + data)
                sizes.append(len(data))
        return path, 3 * (1 + sum(size + 1 for size in sizes[ACK + 1:]))

    def cut(self, script, step, raw=0):
        agent = self.lab.agent("nor")
        got = subprocess.run([rig.program("cut"), *self.lab.address.split(":"), agent.certificate_file, agent.key_file,
                              script, str(THREADS), str(step), str(raw)], stdout=subprocess.PIPE, timeout=1200)
        self.assertEqual(got.returncode, 0, "a session was not served")
        rig.until(lambda: measure.descriptors(self.lab.pid) <= self.before, 20, "descriptors of cut sessions")
        return int(got.stdout)

    def test_a_session_may_end_at_any_byte_in_any_way(self):
        script, kept = self.script()
        self.refill(3 * kept + 2 * 8 * THREADS)
        self.cut(script, 64)  # so that what memory the first sessions take counts for none of the others
        begun_with = measure.rss(self.lab.pid)
        count = self.cut(script, *((1, RAW) if self.lab.away else (64, 64)))
        print("# %d cuts" % count)
        if self.lab.away:
            self.assertLessEqual(measure.rss(self.lab.pid) - begun_with, 8 * measure.MiB, "each session leaves something")

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
