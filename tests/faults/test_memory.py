#!/usr/bin/python3
"""test_memory.py - memory that runs out: reltod and relto with every allocation of a scenario failing, once and from
then on (allocations.c)."""
import mmap
import os
import re
import struct
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import GONE, SECRET, TEARLINE, FaultTest, canary, pb, rig, sample, saved, seed, until_gone, wire  # noqa: E402
from test_again import rows  # noqa: E402
from test_path import FININT, GBR_ONLY, UNMARKED, publish  # noqa: E402

POINTS, ALL = 8, 400  # of a scenario and mode; a reload makes 28,000 allocations
FOREVER = 2**64 - 1
TRY_AGAIN = ("no-memory", "busy", "crypto")
ANSWER = 5  # seconds until an answer counts as none
EXITS = (0, 69, 70, 74, 75)  # what relto may say: nobody's certificate, file or setting is to blame


class Control:
    """The shared memory that allocations.c looks at."""

    def __init__(self, path):
        with open(path, "wb") as f:
            f.write(bytes(40))
        self.path = path
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 40)

    def arm(self, first=0, last=0):
        self.map[0:40] = struct.pack("=5Q", 0, 0, first, last, 0)
        self.map[0:8] = struct.pack("=Q", 1)

    def disarm(self):
        """(allocations, how many of them failed) since arm()."""
        self.map[0:8] = struct.pack("=Q", 0)
        _, count, _, _, failed = struct.unpack("=5Q", self.map[0:40])
        return count, failed


def preload():
    path = os.environ.get("ALLOCATIONS")
    if not path or not os.access(path, os.R_OK):
        raise unittest.SkipTest("NO allocations: set ALLOCATIONS")
    return path


def under_control(lab):
    """The control of the allocations of every reltod that the lab starts from now on."""
    control = Control(os.path.join(lab.base, "allocations"))
    wrapper = os.path.join(lab.base, "reltod-short-of-memory")
    with open(wrapper, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nLD_PRELOAD=%s RELTO_ALLOCATIONS=%s exec %s \"$@\"\n"
                % (preload(), control.path, lab.reltod_path))
    os.chmod(wrapper, 0o755)
    lab.reltod_path = wrapper
    return control


class Broker(FaultTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit("policy/agreements.d/atlas.policy", r"within 2h", "within 1s")
        cls.control = under_control(cls.lab)
        cls.r = seed()

    def sweep(self, before, during, after=None, points=POINTS):
        """Counts the allocations of 'during', then fails them; 'before' gives what both work on."""
        self.whole()
        counts = []
        for _ in range(2):
            counts.append(self.one(before, during, after, 0, 0)[0])
        self.assertGreater(min(counts), 0, "nothing is allocated, or allocations.c was not loaded")
        hit = 0
        for name, last in (("once", lambda n: n), ("from then on", lambda n: FOREVER)):
            for n in sample(self.r, range(1, min(counts) + 1), points, ALL):
                self.whole()
                with self.subTest(mode=name, allocation=n):
                    hit += self.one(before, during, after, n, last(n))[1] > 0
        self.whole()
        print("# %s: %d allocations, failed at %d points" % (self.id().rsplit(".", 1)[1], min(counts), hit), flush=True)
        self.assertGreater(hit, 0)
        self.verdict()

    def one(self, before, during, after, first, last):
        said = len(self.lab.messages())
        clients = []
        try:
            subject = before(clients)
            self.control.arm(first, last)
            try:
                refused = self.tried(during, subject, clients)
            finally:
                counted = self.control.disarm()
            if first == 0:
                self.assertIsNone(refused)
        finally:
            for c in clients:
                c.close()
        if refused is not None and until_gone(self.lab.process, 0.1) is not None or self.ended() is not None:
            self.after_the_end(said)
            self.lab.start()
        if after:
            after(subject)
        self.healthy()
        return counted

    def tried(self, during, subject, clients):
        try:
            during(subject, clients)
        except wire.Refused as e:
            self.assertIn(e.code, TRY_AGAIN, e)
            return e.code
        except TimeoutError as e:
            if self.ended() is None:
                self.fail("neither an answer nor an end: %s" % e)
            return "gone"
        except GONE:
            return "closed"
        return None

    def healthy(self):
        with self.connect(None) as gbr:
            self.ledger.publish(gbr, self.ledger.report(gbr, (TEARLINE,)))

    # what scenarios are made of
    def connect(self, clients, party="gbr", **more):
        c = self.ledger.client(party, timeout=ANSWER, **more)
        if clients is not None:
            clients.append(c)
        return c

    def publisher(self, labels):
        def before(clients):
            gbr = self.connect(clients)
            return gbr, self.ledger.report(gbr, labels)
        return before

    def publish(self, subject, clients):
        self.ledger.publish(*subject)

    def waiting(self, clients):
        with self.connect(None) as gbr:
            self.ledger.publish(gbr, self.ledger.report(gbr))
        return self.connect(clients, "nor")

    def receive(self, nor, clients):
        nor.subscribe()
        d = self.ledger.receive(nor, "nor", ANSWER)
        if d is None:
            raise TimeoutError("no delivery")
        return d

    # the scenarios
    def test_handshake(self):
        self.sweep(lambda clients: None, lambda _, clients: self.connect(clients))

    def test_hello(self):
        self.sweep(lambda clients: self.connect(clients, hello=False), lambda c, _: c.hello())

    def test_publish_small(self):
        self.sweep(self.publisher((TEARLINE,)), self.publish)

    def test_publish_redacted(self):
        self.sweep(self.publisher((SECRET, FININT, TEARLINE, GBR_ONLY, UNMARKED) * 3), self.publish)

    def test_deliver(self):
        self.sweep(self.waiting, self.receive)

    def test_ack(self):
        def before(clients):
            nor = self.waiting(clients)
            return nor, self.receive(nor, clients)
        self.sweep(before, lambda s, _: self.ledger.ack(s[0], "nor", s[1]), lambda _: self.ledger.drain("nor"))

    def test_hold_and_time_out(self):
        def before(clients):
            with self.connect(None) as gbr:
                receipt, report = publish(gbr, [(SECRET, canary())], precedence="IMMEDIATE")
            self.assertEqual(receipt.held, 1)
            return report

        def during(report, clients):
            end = time.monotonic() + 2.5  # a decision that cannot be made now is made later
            rig.until(lambda: self.ended() is not None or time.monotonic() > end or not rows(self.lab, "hold"), 5, "an end")

        def after(report):
            self.assertEqual(self.recorded(report, "NARROWED").reasons, ["timed-out"])
        self.sweep(before, during, after, 3)

    def test_subscribe(self):
        self.names = 0

        def during(watch, _):
            self.names += 1
            watch.subscribe("s%d" % (self.names % 200))
        self.sweep(lambda clients: self.watch(clients), during)

    def watch(self, clients):
        c = wire.Client(self.lab.agent("nor", "/watch"), timeout=ANSWER)
        clients.append(c)
        return c

    def test_reload(self):
        def during(_, clients):
            before = len(self.lab.messages())
            self.lab.signal(1)
            rig.until(lambda: self.ended() is not None or re.search(
                r"policy\.in-force|reload\.(failed|refused)|policy\.refused", self.lab.messages()[before:]), ANSWER,
                "a word about the reload")
        self.sweep(lambda clients: None, during)

    def test_audit_pull(self):
        def during(_, clients):
            c = self.connect(clients, "hub")
            request = c.send("audit_pull", pb.AuditPull())
            while True:
                m = c.wait(request)
                if m is None:
                    raise TimeoutError("no end of the bundle")
                if m.audit_part.last:
                    return
        self.sweep(lambda clients: None, during)


class Client(FaultTest):
    """relto pub and relto sub, short of memory from their first allocation on."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.control = Control(os.path.join(cls.lab.base, "allocations"))
        cls.r = seed()

    def run_short(self, first, last, context, *args):
        env = dict(self.lab.environment(), LD_PRELOAD=preload(), RELTO_ALLOCATIONS=self.control.path,
                   RELTO_CONTEXT=context, RELTO_SERVER=self.lab.address)
        self.control.arm(first, last)
        got = subprocess.run([self.lab.relto_path] + list(args), stdin=subprocess.DEVNULL, capture_output=True, env=env,
                             timeout=60)
        counted = self.control.disarm()
        self.assertGreaterEqual(got.returncode, 0, "a crash: signal %d" % -got.returncode)
        self.assertIn(got.returncode, EXITS, got.stderr)
        if got.returncode != 0:
            self.assertTrue(got.stderr.strip(), "exit %d without a word" % got.returncode)
        return got, counted

    def sweep(self, run):
        counts = [run(0, 0)[0] for _ in range(2)]
        self.assertGreater(min(counts), 0)
        hit = 0
        for name, last in (("once", lambda n: n), ("from then on", lambda n: FOREVER)):
            for n in sample(self.r, range(1, min(counts) + 1), 3 * POINTS, ALL):
                with self.subTest(mode=name, allocation=n):
                    hit += run(n, last(n))[1] > 0
        print("# %s: %d allocations, failed at %d points" % (self.id().rsplit(".", 1)[1], min(counts), hit), flush=True)
        self.assertGreater(hit, 0)

    def test_pub_says_what_became_of_the_report(self):
        paper = os.path.join(self.lab.base, "paper")
        gbr, bodies = self.lab.context_name("gbr"), {}

        def run(first, last):
            body = canary()
            with open(paper, "wb") as f:
                f.write(body)
            got, counted = self.run_short(first, last, gbr, "pub", "maritime.piracy", paper, "--label",
                                          "ATLAS RESTRICTED//REL TO ATLAS", "--label", "TLP:GREEN", "--json")
            if first == 0:
                self.assertEqual(got.returncode, 0, got.stderr)
            bodies[body] = got.returncode
            return counted
        self.sweep(run)
        with self.ledger.client("nor") as nor:
            nor.subscribe()
            seen = []
            while True:
                d = nor.receive(timeout=1)
                if d is None:
                    break
                seen += d.contents
                nor.ack(d)
        lost = [b for b, code in bodies.items() if code == 0 and b not in seen]
        self.assertEqual(lost, [], "published, said relto pub, and nothing came")
        self.assertEqual(len(seen), len(set(seen)))

    def test_sub_keeps_what_it_acknowledges(self):
        nor, self.number = self.lab.context_name("nor"), 0
        with self.ledger.client("gbr") as gbr:
            self.ledger.publish(gbr, self.ledger.report(gbr))
        kept = {}

        def run(first, last):
            self.number += 1
            folder = os.path.join(self.lab.base, "kept", str(self.number))
            os.makedirs(folder)
            with self.ledger.client("gbr") as gbr:
                sealed = self.ledger.report(gbr)
                self.ledger.publish(gbr, sealed)
            got, counted = self.run_short(first, last, nor, "sub", "--save", folder, "--count", "1", "--wait", "5s")
            if first == 0:
                self.assertEqual(got.returncode, 0, got.stderr)
            for name in os.listdir(folder):
                if not name.startswith("."):
                    kept[saved(name)] = self.contents(os.path.join(folder, name))
            return counted
        self.sweep(run)
        rest = set(self.ledger.receipts) - set(kept)
        with self.ledger.client("nor") as c:
            c.subscribe()
            while True:
                d = c.receive(timeout=1)
                if d is None:
                    break
                rest.discard(d.manifest.id)
                c.ack(d)
        self.assertEqual([r.hex() for r in rest], [], "acknowledged, and not kept")
        for report, contents in kept.items():
            self.assertEqual(contents, [body for _, body in self.ledger.bodies[report]])

    def contents(self, folder):
        out = []
        for name in sorted(n for n in os.listdir(folder) if n.endswith(".body")):
            with open(os.path.join(folder, name), "rb") as f:
                out.append(f.read())
        return out


if __name__ == "__main__":
    unittest.main(verbosity=2)
