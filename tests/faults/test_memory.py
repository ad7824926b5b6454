#!/usr/bin/python3
"""test_memory.py - memory that runs out: reltod and relto with every allocation of a scenario failing, once and from
then on (allocations.c)."""
import mmap
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import FULL, GONE, SECRET, TEARLINE, FaultTest, canary, pb, rig, sample, saved, seed, until_gone, wire  # noqa: E402
import witness  # noqa: E402
from test_again import rows  # noqa: E402
from test_path import FININT, GBR_ONLY, UNMARKED, publish  # noqa: E402

POINTS, ALL = 8, 400  # of relto pub and relto sub, in each mode
FEW, SOME = 48, 20  # stacks of calls of a scenario with the broker, that lead to its allocations
FOREVER = 2**64 - 1
SIZE = 8 * (10 + 2 * 8192)  # of allocations.c
TRY_AGAIN = ("no-memory", "busy", "crypto")
ANSWER = 5  # seconds until an answer counts as none
EXITS = (0, 69, 70, 74, 75)  # what relto may say: nobody's certificate, file or setting is to blame


class Control:
    """The shared memory that allocations.c looks at."""

    def __init__(self, path):
        with open(path, "wb") as f:
            f.write(bytes(SIZE))
        self.path = path
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), SIZE)

    def arm(self, first=0, last=0):
        self.map[0:80] = struct.pack("=10Q", 0, 0, first, last, 0, 0, 0, 0, 0, 0)
        self.map[0:8] = struct.pack("=Q", 1)

    def arm_stack(self, want=0, nth=0, onward=False):
        """By the stack of calls; want 0: it only counts them."""
        self.map[0:SIZE] = bytes(SIZE)
        self.map[40:72] = struct.pack("=4Q", 1, want, nth, onward)
        self.map[0:8] = struct.pack("=Q", 1)

    def stacks(self):
        """How many allocations each stack led to since arm_stack()."""
        return {h: count for h, count in struct.iter_unpack("=2Q", self.map[80:SIZE]) if h}

    def relieve(self):
        """There is memory again."""
        self.map[16:32] = self.map[48:64] = self.map[64:80] = bytes(16)

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
        cls.lab.edit("policy/agreements.d/atlas.policy", r"(?m)^    rule maritime \{",
                     "    rule review {\n        to  [ NOR ]\n        topic  maritime.review\n"
                     "        hold  for-approval-of KEN within 1h\n    }\n    rule maritime {")
        # what waits is sent at each point, mostly to who ends before it has read it
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "limits {\n    max-deliveries 1000\n}\n")
        cls.control = under_control(cls.lab)
        cls.r = seed()

    def sweep(self, before, during, after=None):
        """Finds out by which stacks of calls 'during' comes to its allocations, then fails each; 'before' gives what
        they work on."""
        self.whole()
        seen, counts = [], []
        for _ in range(3):
            counts.append(self.one(before, during, after)[0])
            seen.append(self.control.stacks())
        stacks = {h: max(s.get(h, 0) for s in seen) for h in set().union(*seen) if sum(h in s for s in seen) > 1}
        self.assertGreater(min(counts), 0, "nothing is allocated, or allocations.c was not loaded")
        hit, tried, points = set(), set(), 0
        for h, nth, onward in self.points(stacks):
            self.whole()
            with self.subTest(stack="%x" % h, nth=nth, onward=onward):
                points += 1
                tried.add(h)
                if self.one(before, during, after, h, nth, onward)[1] > 0:
                    hit.add(h)
        self.whole()
        print("# %s: %d allocations by %d stacks; %d failed, of %d tried at %d points" % (
            self.id().rsplit(".", 1)[1], max(counts), len(stacks), len(hit), len(tried), points), flush=True)
        self.assertGreater(len(hit), 0.25 * len(tried), "what came twice comes again, whatever the moment")
        self.verdict()

    def points(self, stacks):
        """(stack, which of its allocations, whether all behind it fail too).  Of a full run every stack, when it comes
        first, once and from then on, and when it comes last; else every stack of a scenario that has few, and some."""
        every = sorted(stacks)
        if FULL:
            for h in every:
                yield from ((h, 1, False), (h, 1, True))
                if stacks[h] > 1:
                    yield h, stacks[h], False
            return
        for h in every if len(every) <= FEW else sorted(self.r.sample(every, SOME)):
            yield h, 1, self.r.random() < 0.5

    def one(self, before, during, after, *point):
        said = len(self.lab.messages())
        clients = []
        try:
            subject = before(clients)
            self.control.arm_stack(*point)
            try:
                refused = self.tried(during, subject, clients)
            finally:
                counted = self.control.disarm()
            if not point:
                self.assertIsNone(refused)
        finally:
            for c in clients:
                c.close()
        if refused is not None and until_gone(self.lab.process, 0.1) is not None or self.ended() is not None:
            self.after_the_end(said)
            self.lab.start()
        try:
            self.afterwards(after, subject)
        except GONE:  # what failed may have been in a batch that nobody waited for: the end comes a moment later
            if counted[1] == 0 or until_gone(self.lab.process, 1) is None:
                raise
            self.after_the_end(said)
            self.lab.start()
            self.afterwards(after, subject)
        return counted

    def afterwards(self, after, subject):
        if after:
            after(subject)
        self.healthy()

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
        if d is None:  # it is no answer that anybody waits for: without memory it waits, with memory it comes
            self.control.relieve()
            d = self.ledger.receive(nor, "nor", ANSWER)
            print("# a delivery waited for memory", flush=True)
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
        self.sweep(before, during, after)

    def test_list_and_decide_holds(self):
        def officer(clients=None):
            c = wire.Client(self.lab.agent("ken", "/release-office"), timeout=ANSWER)
            if clients is not None:
                clients.append(c)
            return c

        def before(clients):
            with self.connect(None) as gbr:
                sealed = self.ledger.report(gbr, topic="maritime.review")
                self.ledger.publish(gbr, sealed)
            return officer(clients), pb.Manifest.FromString(sealed.manifest).id

        def decide(office):
            for hold in office.holds():
                office.decide(hold.hold)

        def after(subject):
            """Whatever was left is decided now; each portion has one APPROVAL."""
            with officer() as office:
                decide(office)
                self.assertEqual(office.holds(), [])
            found = [witness.uint(r.slots[7][5]) for r in self.log(subject[1], "APPROVAL")]
            self.assertEqual(found, [0, 1])
        self.sweep(before, lambda subject, _: decide(subject[0]), after)

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

    def run_short(self, first, last, context, *args, exits=EXITS):
        env = dict(self.lab.environment(), LD_PRELOAD=preload(), RELTO_ALLOCATIONS=self.control.path,
                   RELTO_CONTEXT=context, RELTO_SERVER=self.lab.address)
        self.control.arm(first, last)
        got = subprocess.run([self.lab.relto_path] + list(args), stdin=subprocess.DEVNULL, capture_output=True, env=env,
                             timeout=60)
        counted = self.control.disarm()
        self.assertGreaterEqual(got.returncode, 0, "a crash: signal %d" % -got.returncode)
        self.assertIn(got.returncode, exits, got.stderr)
        if got.returncode not in (0, 1):
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

    def test_policy_diff_and_prove_never_say_that_nothing_widens(self):
        old, new = (os.path.join(self.lab.base, n) for n in ("old", "new"))
        for folder in (old, new):
            shutil.copytree(self.lab.path("policy"), folder)
            path = os.path.join(folder, "agreements.d", "atlas.policy")
            with open(path, encoding="utf-8") as f:
                text = re.sub(r"(?m)^    expect .*\n", "", f.read())
            with open(path, "w", encoding="utf-8") as f:
                wider = text.replace("[ UNCLASSIFIED RESTRICTED ]", "up-to SECRET")
                f.write(text if folder == old else re.sub(r"(?m)^( +version +)\d+", r"\g<1>99", wider))
        for words in (["diff", old, new], ["diff", old, new, "--json"],
                      ["prove", new, "never release to KEN label ATLAS is SECRET"]):
            def run(first, last, words=words):
                got, counted = self.run_short(first, last, "", "policy", *words, exits=(1, 75))
                if first == 0:
                    self.assertEqual(got.returncode, 1, got.stderr)
                if got.returncode == 1:
                    self.assertTrue(b"widens" in got.stdout or b"not so" in got.stdout, got.stdout)
                return counted
            self.sweep(run)

    def contents(self, folder):
        out = []
        for name in sorted(n for n in os.listdir(folder) if n.endswith(".body")):
            with open(os.path.join(folder, name), "rb") as f:
                out.append(f.read())
        return out


if __name__ == "__main__":
    unittest.main(verbosity=2)
