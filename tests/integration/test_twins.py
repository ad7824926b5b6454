#!/usr/bin/python3
"""test_twins.py - two worlds that differ only in what one party may not know; all that it sees must be equal (S7).

Two brokers with one set of keys.  In each pair both are given the same report as KEN may see it, or none, and around it
whatever KEN may not see: other portions, recipients, agreements, sources, holds, recalls and newer reports, reports whose
time has not come.  KEN reads, asks about what is not its own and guesses; at the end it becomes a member of one agreement
more and begins from start.  What it is told is compared byte for byte; left out is only what must differ: salts and hashes of what is
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
READS = 100  # a party may read the log and say something 120 times at once, and once more each second
LATE = "maritime.late"  # the topic of those that a subscription from start asks for
NOT_YET = 4102444000000  # ms
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


# one that KEN joins at the end: what was for its members then comes by a backfill
JOINED = """    member KEN {
        may        [ receive ]
        clearance  ATLAS [ UNCLASSIFIED ] {
            "Releasable To"  [ KEN ATLAS ]
        }
    }
"""


def joint(version, *members):
    text = (BETWEEN_OTHERS % "joint").replace("version  1", "version  %d" % version)
    return text.replace("    mode     live\n", "    mode     live\n    backfill\n").replace("    rule all", "".join(members) + "    rule all")


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

    def __init__(self, draw, precedence, seen=None, of=None):
        self.agreement, self.not_before = of or "atlas", 0
        self.orders = draw.sample(range(1, 1 << 62), 16)
        count = draw.randrange(1, 4) if seen is None else seen
        self.portions = [part(draw, VISIBLE[1] if of else draw.choice(VISIBLE), self.orders.pop()) for _ in range(count)]
        self.size = draw.choice([n for n in (4, 16) if n >= count])
        self.id = wire.uuid7(draw.randrange(1 << 40, 1 << 41))
        self.topic = LATE if of else draw.choices(["maritime.piracy", "cyber.indicators.ip", LATE], [49, 48, 3])[0]
        self.precedence = precedence
        self.place, self.expires = draw.randrange(64), draw.choice([0, 0, 4102444800000])


class World:
    """One of the two brokers, with all who talk to it."""

    def __init__(self, case, lab, other):
        self.lab, self.other, self.sent, self.unseen = lab, other, [], []
        self.gbr, self.nor, self.ken = (case.client_of(lab, p, timeout=120) for p in ("gbr", "nor", "ken"))
        self.asker = case.client_of(lab, "ken", timeout=120)
        self.ken.subscribe(credit=1024)

    # the others
    def report(self, base, draw):
        """The report around 'base', with whatever 'draw' hides in it."""
        g = self.gbr.agent
        m = pb.Manifest(version=1, id=base.id, hub=g.hub_id.encode(), originator=g.id.encode(), signer=H(g.chain_der[0]),
                        topic=base.topic.encode(), precedence=pb.Precedence.Value(base.precedence), mode=1,
                        created=1, expires=base.expires, not_before=base.not_before)
        most = base.size - len(base.portions)
        least = 0 if base.portions else 1
        least = max(least, 5 - len(base.portions)) if base.size == 16 else least
        hidden = draw.randint(least, max(least, min(most, 8)))
        orders = list(base.orders)
        labels = HIDDEN if base.portions else HIDDEN + [HELD, HELD]
        portions = sorted(base.portions + [part(draw, draw.choice(labels), orders.pop()) for _ in range(hidden)],
                          key=lambda p: p[2])
        routing = self.routing(base, draw).SerializeToString(deterministic=True)
        notice = self.notice(base, draw)
        m.routing = H(b"\x10" + m.id + routing)
        m.notice = H(b"\x12" + m.id + notice) if notice else draw.randbytes(32)
        m.commitments.extend(sorted([H(b"\x11" + m.id + p[0]) for p in portions]
                                    + [draw.randbytes(32) for _ in range(base.size - len(portions))]))
        out = pb.Publish(manifest=m.SerializeToString(deterministic=True), routing=routing, notice=notice)
        out.portions.extend(pb.Portion(head=p[0], body=p[1]) for p in portions)
        path = [draw.randbytes(32) for _ in range(6)]
        root, signature = wire.batch_root(out.manifest, base.place, path), b""
        while len(signature) != SIGNATURE:
            signature = wire.sign(g.key, wire.signed_message(root))
        out.seal = pb.Seal(place=base.place, path=path, signature=signature).SerializeToString(deterministic=True)
        return out

    def notice(self, base, draw):
        """What it says of an earlier one that KEN knows nothing of."""
        if base.agreement != "atlas" or not self.unseen or draw.random() > 0.1:
            return b""
        return pb.Notice(salt=draw.randbytes(16), act=pb.Act.Value(draw.choice(["SUPERSEDE", "ABOUT"])),
                         report=draw.choice(self.unseen)[0]).SerializeToString(deterministic=True)

    def recall(self, draw):
        """Of one that KEN knows nothing of."""
        report, topic, precedence = self.unseen.pop(draw.randrange(len(self.unseen)))
        return wire.Report(self.gbr.agent, topic, [], precedence).about("RECALL", report, "legal").seal()

    def routing(self, base, draw):
        if base.agreement != "atlas":
            return self.routing_of_joint(base, draw)
        r = pb.Routing(salt=draw.randbytes(16), backfill=draw.random() < 0.05)
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

    def routing_of_joint(self, base, draw):
        r = pb.Routing(salt=draw.randbytes(16), backfill=True)
        for name in draw.sample([base.agreement, self.other], draw.randrange(1, 3)):
            r.agreements.add(name=name.encode(), terms=self.gbr.terms[name])
        if base.agreement not in [a.name.decode() for a in r.agreements]:
            r.agreements.add(name=base.agreement.encode(), terms=self.gbr.terms[base.agreement])
        if draw.random() < 0.3:
            r.not_to.append(b"NOR")
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

    def join(self):
        before = self.lab.messages().count("policy.in-force")
        self.lab.write("policy/agreements.d/joint.policy", joint(2, JOINED))
        self.lab.signal(1)
        rig.until(lambda: self.lab.messages().count("policy.in-force") > before, 30, "the reload")

    def late(self, case, wanted):
        """What a subscription from start brings until all of these came: in which order is a matter of time."""
        c, got, missing = case.client_of(self.lab, "ken", timeout=120), [], set(wanted)
        c.subscribe("late", LATE, from_start=True, credit=1024)
        while missing:
            m = c.read_message()
            if m is None:
                raise TimeoutError("%d deliveries, %d missing" % (len(got), len(missing)))
            if m.WhichOneof("body") == "deliver":
                c.send("ack", pb.Ack(subscription=m.deliver.subscription, deliveries=[m.deliver.delivery]), request=0)
                missing.discard(pb.Manifest.FromString(m.deliver.manifest).id)
                m.deliver.ClearField("delivery")
                got.append(plain_delivery(m))
        return sorted((g[0][1:], g[2]) for g in got)

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
    m.ClearField("request")
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
            lab.write("policy/agreements.d/joint.policy", joint(1))
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
        kind = self.draw.choice(KINDS)
        if kind in LIMITED and sum(self.kinds[k] for k in LIMITED) == READS:
            kind = "explain"
        self.kinds[kind] += 1
        return self.question(kind, hidden)

    def question(self, kind, hidden):
        draw, ken = self.draw, self.worlds[0].ken
        if kind in ("explain", "prove", "recall_status", "feedback_status"):
            return kind, getattr(pb, kind.title().replace("_", ""))(report=hidden)
        if kind == "feedback":
            return kind, pb.Feedback(report=hidden, code=b"useful")
        if kind == "recall_answer":
            return kind, pb.RecallAnswer(report=hidden, answer=b"destroyed")
        if kind == "subscriptions":
            return kind, pb.Subscriptions(act=1)
        if kind == "dead_letters":
            return kind, pb.DeadLetters(act=1)
        if kind == "recall":
            return "publish", wire.Report(ken.agent, "maritime.piracy", []).about("RECALL", hidden, "legal").seal()
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
        elif kind in ("supersede", "about"):
            r.about(kind.upper(), hidden)
        publish = r.seal()
        publish.dry_run = draw.random() < 0.5
        return "publish", publish


# what KEN asks, and how the answer about what is there and what is not is
CODES = {"explain": "unknown-report", "prove": "unknown-report", "hold": "unknown-hold", "source": "",
         "recall": "unknown-report", "supersede": "unknown-report", "about": "unknown-report", "recall_status": "unknown-report",
         "recall_answer": "unknown-report", "feedback": "unknown-report", "feedback_status": "unknown-report"}
LIMITED = ("prove", "feedback", "recall_answer")
KINDS = list(CODES) + ["agreement", "audience", "holds", "id", "whoami", "subscriptions", "dead_letters"]


def work(pid):
    """ns of CPU that all threads of a process had."""
    total = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, thread)) as f:
            total += int(f.read().split()[0])
    return total


class Time(TwinsTest):
    def cost(self, kind, questions):
        """What the broker does for an answer, us of CPU; all are sent before the first is read."""
        world = self.worlds[0]
        before, count = work(world.lab.process.pid), len(questions)
        requests = {world.asker.send(*q) for q in questions}
        while requests:
            m = world.asker.read_message()
            if m.request in requests:
                requests.remove(m.request)
                self.assertEqual(m.error.code.decode(), CODES[kind], kind)
        for _ in range(2):  # what a thread did is counted when it rests
            world.asker.ask("ping", pb.Ping())
        return (work(world.lab.process.pid) - before) / 1000 / count

    def test_an_answer_is_as_much_work_for_what_is_there_as_for_what_is_not(self):
        """One class of time, whoever else is busy: the least of some rounds; a commit or a walk of the log would be another."""
        world, draw, least = self.worlds[0], self.draw, {}
        there = [Base(draw, "ROUTINE", 0) for _ in range(50)]
        world.publish([world.report(b, random.Random(draw.getrandbits(64))) for b in there])
        for kind in CODES:
            rounds, count = (3, 6) if kind in LIMITED else (6, 25)
            for _ in range(rounds):
                for known in (True, False):
                    cost = self.cost(kind, [self.question(kind, draw.choice(there).id if known else draw.randbytes(16))
                                            for _ in range(count)])
                    least[kind, known] = min(cost, least.get((kind, known), cost))
            yes, no = least[kind, True], least[kind, False]
            print("%s: %.0f us of CPU if it is there, %.0f if not" % (kind, yes, no))
        for kind in CODES:
            yes, no = least[kind, True], least[kind, False]
            self.assertLess(max(yes, no), 1.5 * min(yes, no) + (400 if rig.sanitized() else 40), kind)


class Sight(TwinsTest):
    # one batch of pairs
    def batch(self):
        draw = self.draw
        precedence = draw.choice(["ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"])
        seen, publications, questions, unseen = 0, [[], []], [], [[], []]
        for _ in range(BATCH):
            kind = draw.choices(["seen", "hidden", "there", "later", "missed"], [60, 20, 19, 1, 1])[0]
            self.kinds[kind] += 1
            base = Base(draw, precedence, 0 if kind in ("hidden", "there") else None, "joint" if kind == "missed" else None)
            if kind == "later":
                base.not_before = NOT_YET
            if kind == "missed" or (kind == "seen" and base.topic == LATE):
                self.wanted.add(base.id)
            seen += kind == "seen"
            for n in (0, 1):
                if kind not in ("there", "later") or n == 0:
                    publications[n].append(self.worlds[n].report(base, random.Random(draw.getrandbits(64))))
                    unseen[n] += [(base.id, base.topic, base.precedence)] if kind in ("hidden", "there") else []
            if kind != "seen":
                questions.append(self.questions(base.id))
        last = Base(draw, precedence)
        if last.topic == LATE:
            self.wanted.add(last.id)
        # behind all others: what did not come by then does not come
        for n in (0, 1):
            publications[n].append(self.worlds[n].report(last, random.Random(draw.getrandbits(64))))
            recalls = range(draw.randrange(3)) if len(self.worlds[n].unseen) > 10 else ()
            self.kinds["recalled"] += len(recalls)
            publications[n][:0] = [self.worlds[n].recall(draw) for _ in recalls]
        self.both(lambda world, n: world.publish(publications[n]))
        for n in (0, 1):
            self.worlds[n].unseen = (self.worlds[n].unseen + unseen[n])[-200:]
        return seen + 1, questions

    def compare(self, got, what):
        for i, (a, b) in enumerate(zip(*got)):
            self.assertEqual(a, b, "%s %d of a batch" % (what, i))
        self.assertEqual(len(got[0]), len(got[1]), what)

    def test_what_a_party_sees_does_not_depend_on_what_it_may_not_know(self):
        self.indices, self.wanted = [[], []], set()
        for _ in range(pairs() // BATCH):
            seen, questions = self.batch()
            got = self.both(lambda world, n: world.take(seen))
            for n in (0, 1):
                self.indices[n] += [g[1] for g in got[n]]
            self.compare([[(g[0], g[2]) for g in side] for side in got], "delivery")
            self.compare(self.both(lambda world, n: world.ask(questions)), "answer")
        print("pairs and questions: %s" % dict(self.kinds))
        self.history()
        self.begin_from_start()

    def begin_from_start(self):
        """With the given come those that were missed: all the same, whatever of the rest it may not have."""
        self.both(lambda world, n: world.join())
        self.assertGreater(self.kinds["missed"], 0)
        self.compare(self.both(lambda world, n: world.late(self, self.wanted)), "delivery from start")
        last = [("subscriptions", pb.Subscriptions(act=1)), ("dead_letters", pb.DeadLetters(act=1))]
        self.compare(self.both(lambda world, n: world.ask(last)), "list")

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
