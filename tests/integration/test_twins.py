#!/usr/bin/python3
"""test_twins.py - two worlds that differ only in what one party may not know; all that it sees must be equal (S7).

Two brokers with one set of keys.  In each pair both are given the same report as KEN may see it, or none, and around it
whatever KEN may not see: other portions, recipients, agreements, sources, holds.  KEN reads, asks about what is not its own
and guesses.  What it is told is compared byte for byte; left out is only what must differ: salts and hashes of what is
hidden, signatures, times, and places in the main log.  RELTO_SEED draws the same pairs.
"""
import collections
import os
import random
import secrets
import shutil
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
from wire import H, label, pb  # noqa: E402
from witness import Opening, uint  # noqa: E402

FULL = os.environ.get("RELTO_CHECK_FULL") == "1"
BATCH = 100  # pairs between two looks
READS = 100  # a party may read the log 120 times at once, and once more each second
TIMED = 50  # of each kind of question
SIGNATURE = 71  # bytes of half of all ECDSA signatures: their length is chance, and shows in that of a message

VISIBLE = [[label("ATLAS", "RESTRICTED", Releasable_To=["ATLAS"]), label("TLP", "GREEN")],
           [label("ATLAS", "UNCLASSIFIED", Releasable_To=["KEN", "NOR"])],
           [label("ATLAS", "RESTRICTED", Releasable_To=["KEN"]), label("TLP", "CLEAR")]]
HIDDEN = [[label("ATLAS", "SECRET", Releasable_To=["GBR", "NOR"]), label("TLP", "AMBER")],
          [label("ATLAS", "SECRET", Releasable_To=["KEN", "NOR"])],
          [label("ATLAS", "RESTRICTED", Releasable_To=["NOR"])],
          [label("ATLAS", "RESTRICTED", Releasable_To=["ATLAS"], Handling=["FININT"]), label("TLP", "GREEN")],
          [label("ATLAS", "UNCLASSIFIED", Releasable_To=["GBR"])],
          [label("ATLAS", "UNCLASSIFIED")],
          [label("TLP", "RED")],
          [label("GBR-NATIONAL", "SECRET", Eyes_Only=["UKNOR"])]]
# a report of which KEN may have nothing may wait for its release officer, too
HELD = [label("ATLAS", "RESTRICTED", Releasable_To=["KEN"], Handling=["ORCON"])]
HOLD = """    rule orcon {
        label  ATLAS has Handling ORCON
        hold   for-approval-of originator within 2h
    }
"""

# an agreement that KEN is no member of; the two worlds' have other names, so each is unknown in the other one
BETWEEN_OTHERS = """agreement %s {
    title    "of two"
    version  1
    valid    from 2026-01-01 until 2036-12-31
    state    in-force
    mode     live
    topics   [ > ]
    member GBR {
        may        [ originate receive ]
        precedence at-most FLASH
        clearance  ATLAS up-to SECRET {
            "Releasable To"  [ GBR ATLAS ]
        }
    }
    member NOR {
        may        [ originate receive ]
        precedence at-most FLASH
        clearance  ATLAS up-to SECRET {
            "Releasable To"  [ NOR ATLAS ]
        }
    }
    rule all {
        label  ATLAS at-most SECRET
        release
    }
}
"""


def pairs():
    return 1000 if rig.sanitized() else 100000 if FULL else 10000


def part(draw, labels, order):
    """(head, body, order): a portion with all that is random in it."""
    body = pb.PortionBody(salt=draw.randbytes(16), title=b"t" * draw.randrange(9),
                          content=draw.randbytes(draw.randrange(1, 200))).SerializeToString(deterministic=True)
    head = pb.PortionHead(salt=draw.randbytes(16), order=order, content_type=b"text/plain", body_length=len(body),
                          body_digest=H(b"\x13" + body))
    for vocabulary, classification, categories in labels:
        to = head.labels.add(vocabulary=vocabulary.encode(), classification=classification.encode())
        for name, values in categories.items():
            to.categories.add(name=name.encode(), values=[v.encode() for v in values])
    return head.SerializeToString(deterministic=True), body, order


class Base:
    """What of a report KEN may see; without portions it may see none."""

    def __init__(self, draw, precedence, seen=None):
        self.orders = draw.sample(range(1, 1 << 62), 16)
        count = draw.randrange(1, 4) if seen is None else seen
        self.portions = [part(draw, draw.choice(VISIBLE), self.orders.pop()) for _ in range(count)]
        self.size = draw.choice([n for n in (4, 16) if n >= count])
        self.id = wire.uuid7(draw.randrange(1 << 40, 1 << 41))
        self.topic, self.precedence = draw.choice(["maritime.piracy", "cyber.indicators.ip"]), precedence
        self.place, self.expires = draw.randrange(64), draw.choice([0, 0, 4102444800000])


class World:
    """One of the two brokers, with all who talk to it."""

    def __init__(self, case, lab, other):
        self.lab, self.other, self.sent = lab, other, []
        self.gbr, self.nor, self.ken = (case.client_of(lab, p, timeout=120) for p in ("gbr", "nor", "ken"))
        self.asker = case.client_of(lab, "ken", timeout=120)
        self.ken.subscribe(credit=1024)

    # the others
    def report(self, base, draw):
        """The report around 'base', with whatever 'draw' hides in it."""
        g = self.gbr.agent
        m = pb.Manifest(version=1, id=base.id, hub=g.hub_id.encode(), originator=g.id.encode(), signer=H(g.chain_der[0]),
                        topic=base.topic.encode(), precedence=pb.Precedence.Value(base.precedence), mode=1,
                        created=1, expires=base.expires)
        most = base.size - len(base.portions)
        least = 0 if base.portions else 1
        least = max(least, 5 - len(base.portions)) if base.size == 16 else least
        hidden = draw.randint(least, max(least, min(most, 8)))
        orders = list(base.orders)
        labels = HIDDEN if base.portions else HIDDEN + [HELD, HELD]
        portions = sorted(base.portions + [part(draw, draw.choice(labels), orders.pop()) for _ in range(hidden)],
                          key=lambda p: p[2])
        routing = self.routing(base, draw).SerializeToString(deterministic=True)
        m.routing, m.notice = H(b"\x10" + m.id + routing), draw.randbytes(32)
        m.commitments.extend(sorted([H(b"\x11" + m.id + p[0]) for p in portions]
                                    + [draw.randbytes(32) for _ in range(base.size - len(portions))]))
        out = pb.Publish(manifest=m.SerializeToString(deterministic=True), routing=routing)
        out.portions.extend(pb.Portion(head=p[0], body=p[1]) for p in portions)
        path = [draw.randbytes(32) for _ in range(6)]
        root, signature = wire.batch_root(out.manifest, base.place, path), b""
        while len(signature) != SIGNATURE:
            signature = wire.sign(g.key, wire.signed_message(root))
        out.seal = pb.Seal(place=base.place, path=path, signature=signature).SerializeToString(deterministic=True)
        return out

    def routing(self, base, draw):
        r = pb.Routing(salt=draw.randbytes(16), backfill=draw.random() < 0.2)
        names = ["atlas", self.other] if draw.random() < 0.3 else ["atlas"]
        names = draw.sample(names, len(names))
        if not base.portions:
            names = draw.choice([names, [self.other], ["atlas"]])
        for name in names:
            r.agreements.add(name=name.encode(), terms=self.gbr.terms[name])
        kind = draw.randrange(5)
        if kind == 0:
            r.only_to.SetInParent()
            r.only_to.name.extend(draw.sample([b"NOR", b"GBR"], draw.randrange(3)) + ([b"KEN"] if base.portions else []))
        elif kind == 1:
            r.not_to.extend(draw.sample([b"NOR", b"GBR"], draw.randrange(3)))
        if self.sent and draw.random() < 0.3:  # its own, which rests on nobody's consent
            r.sources.extend(draw.sample(self.sent, min(len(self.sent), draw.randrange(1, 4))))
        if "atlas" not in names:
            del r.not_to[:]
            r.ClearField("only_to")
        return r

    def publish(self, publications):
        """All at once; the receipts follow."""
        requests = [self.gbr.send("publish", p) for p in publications]
        for request in requests:
            m = self.gbr.wait(request)
            if m is None:
                raise TimeoutError("no receipt")
        self.sent = (self.sent + [pb.Manifest.FromString(p.manifest).id for p in publications])[-50:]

    def read_as_nor(self):
        """NOR reads, until the test ends; KEN's own reports are not for it, so nothing of that concerns KEN."""
        self.nor.subscribe(credit=1024)

        def read():
            try:
                while True:
                    m = self.nor.read_message(3600)
                    if m.WhichOneof("body") == "deliver":
                        d = m.deliver
                        self.nor.send("ack", pb.Ack(subscription=d.subscription, deliveries=[d.delivery]), request=0)
            except (wire.Closed, OSError, ValueError):
                pass  # the end of the test
        threading.Thread(target=read, daemon=True).start()

    # KEN
    def take(self, count):
        """The next 'count' deliveries, as KEN may compare them."""
        got = []
        while len(got) < count:
            m = self.ken.read_message()
            if m is None:
                raise TimeoutError("%d of %d deliveries" % (len(got), count))
            if m.WhichOneof("body") == "deliver":
                got.append(m)
        self.ken.ask("ack", pb.Ack(subscription=got[0].deliver.subscription, deliveries=[m.deliver.delivery for m in got]))
        return [plain_delivery(m) for m in got]

    def ask(self, questions):
        """KEN's questions, each answered before the next; Heads come when they come."""
        out = []
        for kind, body in questions:
            request = self.asker.send(kind, body)
            m = None
            while m is None or m.WhichOneof("body") == "heads":
                m = self.asker.read_message()
                if m is None:
                    raise TimeoutError(kind)
            if m.request != request:
                raise wire.Bad("%s is answered by %s" % (kind, m))
            out.append(plain_answer(m))
        return out

    def own_records(self, place):
        """What KEN may compare of its records, up to this place in its own tree, once a published head covers it."""
        out, at, end = [], 0, time.monotonic() + 600
        while not out or out[-1][0] < place:
            try:
                got = self.asker.ask("audit_list", pb.AuditList(count=1000, **{"from": at}))
            except wire.Refused as e:
                if e.code != "quota":  # of readings in a second
                    raise
                got = pb.AuditPart()
            out += [r for r in (shown(r.opening) for r in got.records) if r]
            at = got.next or (got.records[-1].index + 1 if got.records else at)
            if not got.next:
                self.asker.wait(kind="heads", timeout=1)
            if time.monotonic() > end:
                raise TimeoutError("no head covers KEN's record %d" % place)
        return [r for r in out if r[0] <= place]


def plain_delivery(m):
    """What of a Deliver must be the same in both worlds, and the length of all."""
    size, d = m.ByteSize(), m.deliver
    manifest = pb.Manifest.FromString(d.manifest)
    seal = pb.Seal.FromString(d.seal)
    head = (size, len(d.manifest), len(d.seal), len(manifest.commitments), len(seal.path), len(seal.signature), seal.place)
    for field in ("routing", "notice", "commitments"):
        manifest.ClearField(field)
    d.manifest = manifest.SerializeToString(deterministic=True)
    d.ClearField("seal")
    d.ClearField("accepted")
    index = d.evidence.party_index
    d.ClearField("evidence")
    return head, index, m.SerializeToString(deterministic=True)


def plain_answer(m):
    kind = m.WhichOneof("body")
    if kind == "receipt":
        for field in ("index", "accepted"):
            m.receipt.ClearField(field)
        m.receipt.ClearField("evidence")
    if kind == "explanation":
        for d in m.explanation.decisions:
            d.ClearField("time")
            d.ClearField("policy")
            for p in d.portions:
                for o in p.obligations:
                    o.ClearField("deadline")
    if kind == "identity":
        m.identity.ClearField("certificate_until")
    return m.SerializeToString(deterministic=True)


class TwinsTest(unittest.TestCase):
    """Two worlds."""

    @classmethod
    def setUpClass(cls):
        cls.labs = [rig.Lab(), rig.Lab()]
        for lab in cls.labs:
            cls.addClassCleanup(lab.remove)
        a, b = cls.labs
        shutil.rmtree(b.dir)
        shutil.copytree(a.dir, b.dir)
        for lab, other in ((a, "narrow"), (b, "discreet")):
            lab.edit("reltod.conf", r"(?m)^log \{", "log {\n    heads-every 500ms")
            lab.edit("policy/agreements.d/atlas.policy", r"(?s)(member KEN \{\s*may\s*)\[ receive \]",
                     r"\1[ originate receive ]")
            lab.edit("policy/agreements.d/atlas.policy", r"(?s)(member KEN .*?Handling *)\[ FININT \]",
                     r"\1[ FININT ORCON ]")
            lab.edit("policy/agreements.d/atlas.policy", r"(?m)^    rule maritime", HOLD + "    rule maritime")
            lab.edit("policy/relto.policy", r"(?s)(party KEN .*?agent /fusion-desk \{ roles )\[[^]]*\]",
                     r"\1[ publish subscribe approve audit ]")
            lab.write("policy/agreements.d/%s.policy" % other, BETWEEN_OTHERS % other)
            lab.start()

    def client_of(self, lab, party, **more):
        c = lab.client(party, **more)
        self.addCleanup(c.close)
        return c

    def setUp(self):
        seed = int(os.environ.get("RELTO_SEED", "0")) or secrets.randbits(32)
        print("seed %d" % seed)
        self.draw = random.Random(seed)
        self.worlds = [World(self, lab, other) for lab, other in zip(self.labs, ("narrow", "discreet"))]
        self.worlds[0].read_as_nor()
        self.kinds = collections.Counter()

    def both(self, what):
        """What each world says to what(world, number), side by side: the brokers have a core each."""
        out, errors = [None, None], []

        def one(n):
            try:
                out[n] = what(self.worlds[n], n)
            except Exception as e:  # raised below, where the test can see it
                errors.append(e)
        threads = [threading.Thread(target=one, args=(n,)) for n in (0, 1)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if errors:
            raise errors[0]
        return out

    # the questions
    def questions(self, hidden):
        """About a report that KEN may not know, in a world where it is there or in one where it is not."""
        kind = self.draw.choice(["explain", "prove", "source", "agreement", "audience", "hold", "holds", "id", "whoami"])
        if kind == "prove" and self.kinds[kind] == READS:
            kind = "explain"
        self.kinds[kind] += 1
        return self.question(kind, hidden)

    def question(self, kind, hidden):
        draw, ken = self.draw, self.worlds[0].ken
        if kind in ("explain", "prove"):
            return kind, getattr(pb, kind.capitalize())(report=hidden)
        if kind == "hold":
            return "decide", pb.Decide(hold=hidden, answer=pb.Answer.Value("APPROVE"), because=b"a guess")
        if kind == "holds":
            return "holds", pb.Holds(count=10)
        if kind == "whoami":
            return "whoami", pb.Whoami()
        agreements = [("atlas", ken.terms["atlas"])]
        if kind == "agreement":
            agreements = [(draw.choice(["narrow", "discreet", "narow", "none"]), draw.randbytes(32))] \
                + agreements * draw.randrange(2)
        r = wire.Report(ken.agent, "maritime.piracy", agreements)
        r.portion(VISIBLE[0], b"KEN's own")
        r.routing.not_to.append(b"NOR")
        if kind == "source":
            r.routing.sources.append(hidden)
        elif kind == "audience":
            r.routing.only_to.SetInParent()
            r.routing.only_to.name.append(draw.choice([b"HUB", b"SWE", b"NOR", b"HUb"]))
        elif kind == "id":
            r.manifest.id = hidden
        publish = r.seal()
        publish.dry_run = draw.random() < 0.5
        return "publish", publish


CODES = {"explain": "unknown-report", "prove": "unknown-report", "hold": "unknown-hold", "source": ""}


def code_of(answer):
    return pb.Message.FromString(answer).error.code.decode()


class Time(TwinsTest):
    def test_an_answer_takes_as_long_for_what_is_there_as_for_what_is_not(self):
        """One class of time: the fastest tenth of either, asked in turn; a commit or a walk of the log would be another."""
        world, draw, times = self.worlds[0], self.draw, collections.defaultdict(list)
        there = [Base(draw, "ROUTINE", 0) for _ in range(50)]
        world.publish([world.report(b, random.Random(draw.getrandbits(64))) for b in there])
        for _ in range(TIMED):
            for kind in CODES:
                for known in (True, False):
                    question = self.question(kind, draw.choice(there).id if known else draw.randbytes(16))
                    before = time.perf_counter()
                    (answer,) = world.ask([question])
                    times[kind, known].append(time.perf_counter() - before)
                    self.assertEqual(code_of(answer), CODES[kind])
        for kind in CODES:
            yes, no = (sorted(times[kind, known])[TIMED // 10] * 1e6 for known in (True, False))
            print("%s: %.0f us if it is there, %.0f if not" % (kind, yes, no))
            self.assertLess(max(yes, no), 2 * min(yes, no) + 100, kind)


class Sight(TwinsTest):
    # one batch of pairs
    def batch(self):
        draw = self.draw
        precedence = draw.choice(["ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"])
        seen, publications, questions = 0, [[], []], []
        for _ in range(BATCH):
            kind = draw.choices(["seen", "hidden", "there"], [6, 2, 2])[0]
            self.kinds[kind] += 1
            base = Base(draw, precedence, None if kind == "seen" else 0)
            seen += kind == "seen"
            for n in (0, 1):
                if kind != "there" or n == 0:
                    publications[n].append(self.worlds[n].report(base, random.Random(draw.getrandbits(64))))
            if kind != "seen":
                questions.append(self.questions(base.id))
        last = Base(draw, precedence)  # behind all others: what did not come by then does not come
        for n in (0, 1):
            publications[n].append(self.worlds[n].report(last, random.Random(draw.getrandbits(64))))
        self.both(lambda world, n: world.publish(publications[n]))
        return seen + 1, questions

    def compare(self, got, what):
        for i, (a, b) in enumerate(zip(*got)):
            self.assertEqual(a, b, "%s %d of a batch" % (what, i))
        self.assertEqual(len(got[0]), len(got[1]), what)

    def test_what_a_party_sees_does_not_depend_on_what_it_may_not_know(self):
        self.indices = [[], []]
        for _ in range(pairs() // BATCH):
            seen, questions = self.batch()
            got = self.both(lambda world, n: world.take(seen))
            for n in (0, 1):
                self.indices[n] += [g[1] for g in got[n]]
            self.compare([[(g[0], g[2]) for g in side] for side in got], "delivery")
            self.compare(self.both(lambda world, n: world.ask(questions)), "answer")
        print("pairs and questions: %s" % dict(self.kinds))
        self.history()

    def history(self):
        """KEN's own records: the same ones, in the same order, in the same places of its tree, as far as they were told."""
        got = self.both(lambda world, n: world.own_records(max(self.indices[n])))
        self.compare(got, "record")
        self.compare(self.indices, "place")


def shown(opening):
    """(place in KEN's tree, type, report, lengths of all fields of the open slots), or None of what is in no tree."""
    o = Opening(opening)
    places = [uint(o.slots[n][-1]) for n in (3, 8) if o.slots[n]]
    return places and (places[0], o.type, o.slots[1][2], [v and [len(f) for f in v] for v in o.slots.values()])


if __name__ == "__main__":
    unittest.main(verbosity=2)
