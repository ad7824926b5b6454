#!/usr/bin/python3
"""test_late.py - what a party does to get more than it may: a reader that stops before a policy narrows, and numbers that
are acknowledged before they were given (design S1, S5, S6)."""
import os
import secrets
import select
import socket
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402,F401
import wire  # noqa: E402
from test_again import AgainTest  # noqa: E402
from test_path import SECRET, canary  # noqa: E402
from wire import pb  # noqa: E402

RECORD = 16384  # plaintext of a record that TLS has begun
AHEAD = 24  # numbers acknowledged ahead, at once


class Narrow(wire.Client):
    """Takes little at once."""

    def connect(self, to, timeout):
        s = socket.socket(socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(timeout)
        s.connect(to)
        return s

    def waiting(self):
        """Bytes that the kernel holds for it, at both ends."""
        mine, sum_ = self.tls.getsockname()[1], 0
        with open("/proc/net/tcp", encoding="ascii") as f:
            for line in f.read().splitlines()[1:]:
                _, local, remote, _, queues = line.split()[:5]
                sent, received = (int(n, 16) for n in queues.split(":"))
                sum_ += received if int(local.split(":")[1], 16) == mine else 0
                sum_ += sent if int(remote.split(":")[1], 16) == mine else 0
        return sum_


class LateTest(AgainTest):
    def left_standing(self, change):
        """A reader stops, 'change' (of the report's id) is durable, and it reads on: what comes is what the kernel had."""
        nor, body = Narrow(self.lab.agent("nor"), timeout=10), secrets.token_bytes(3000000)
        self.addCleanup(nor.close)
        nor.subscribe()
        report = wire.Report((gbr := self.client("gbr")).agent, "maritime.piracy", [("atlas", gbr.terms["atlas"])])
        gbr.publish(report.portion(SECRET, body).seal())
        self.stands(nor)
        change(report.id)
        held, got = nor.waiting(), []
        nor.tls.settimeout(2)
        try:
            while True:
                got.append(nor.tls.recv(65536))
                if not got[-1]:
                    break
        except TimeoutError:
            pass
        came = b"".join(got)
        print("%d bytes held by the kernel, %d came" % (held, len(came)))
        self.assertLessEqual(len(came), held + RECORD)
        self.assertGreater(len(came), 0)
        assembler = wire.Assembler()
        said = [pb.Message.FromString(m) for m in assembler.feed(came)]
        self.assertEqual([m for m in said if m.deliver.portions], [])
        self.assertEqual(assembler.voids, 1, "the rest of it does not come")
        self.drain("ken")
        return report.id, said

    @staticmethod
    def stands(nor):
        """Once the broker cannot write to it any more."""
        held, seen = -1, 0
        while seen < 5:
            select.select([], [], [], 0.1)
            now = nor.waiting()
            seen = seen + 1 if now == held and now > 0 else 0
            held = now


class Late(LateTest):
    def test_of_what_a_reader_left_standing_no_more_than_one_record_leaves_under_older_rules(self):
        self.left_standing(lambda report: self.narrow())

    def test_numbers_that_are_acknowledged_ahead_acknowledge_nothing(self):
        gbr, nor = self.client("gbr"), self.reader("nor", timeout=30)
        reports = [wire.Report(gbr.agent, "maritime.piracy", [("atlas", gbr.terms["atlas"])]).portion(SECRET, canary()).seal()
                   for _ in range(800)]

        def publish_all():
            flying = 0
            for r in reports:
                gbr.send("publish", r)
                flying += 1
                while flying >= 12:
                    gbr.wait(kind="receipt")
                    flying -= 1

        t = threading.Thread(target=publish_all)
        t.start()
        last = told = 0
        quiet = time.monotonic() + 3
        while t.is_alive() or time.monotonic() < quiet:
            nor.send_raw(acks(told + 1, last) * (last > told) + acks(last + 1, last + AHEAD) * 8)
            told = last
            if not select.select([nor.tls], [], [], 0.0005)[0] and not nor.tls.pending():
                continue
            for raw in nor.assembler.feed(nor.tls.recv(65536)):
                m = pb.Message.FromString(raw)
                if m.WhichOneof("body") == "deliver":
                    last, quiet = max(last, m.deliver.delivery), time.monotonic() + 1
        t.join(30)
        self.assertGreater(last, 0)
        given = {r.index for r in self.log(kind="DELIVERY")}
        for r in self.log(kind="ACK"):
            body = r.slots[7][0]
            self.assertLessEqual({int.from_bytes(body[i:i + 8], "big") for i in range(0, len(body), 8)}, given)
        self.drain("nor", "ken")
        self.proven()


def acks(first, last):
    m = pb.Message()
    m.ack.CopyFrom(pb.Ack(subscription=1, deliveries=range(first, last + 1)))
    return wire.frames(m.SerializeToString(deterministic=True))


if __name__ == "__main__":
    unittest.main(verbosity=2)
