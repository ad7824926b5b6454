#!/usr/bin/python3
"""test_conservation.py - nothing that was accepted is lost or there twice: each report for each recipient and subscription is
queued, held or a dead letter, or it ended, once, and the log says how (DESIGN, Liveness; S2, S6, S11).  One of each kind of
end, then random traffic from a seed (RELTO_SEED); the books are the store's own, of one moment, while everything goes on."""
import collections
import json
import os
import random
import re
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from test_again import ATLAS, HOLD, NOR_SECRET, WITHHOLD, AgainTest, Rec, now_ms, rows, tables  # noqa: E402
from test_path import FININT, SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

STEPS, EVERY = 80, 10
SUBSCRIBERS = ("nor", "ken")
DRILL = "policy/agreements.d/drill.policy"
KEN = r"(?s)    member KEN \{.*?\n    \}\n"
KEN_RULE = r"(?s)    rule never-finint-to-ken \{.*?\n    \}\n"
TOPIC = "maritime.piracy"
PATTERNS = {">": True, "maritime.>": True, "cyber.>": False}  # whether it takes that topic
FROM_START = "start-"  # how the names of subscriptions begin that do
ENDS = ("delivered", "expired", "recalled", "superseded", "withheld")
DEAD = ("mailbox-full", "max-deliveries", "no-subscription")


def number(data):
    return int.from_bytes(data, "big")


class Pair:
    """A report for a recipient: in how many places there must be something of it, and what there is."""

    def __init__(self):
        self.least = self.most = 0  # subscriptions that took it; a dead letter of none counts as one
        self.held = self.held_now = self.taken = self.backfilled = False
        self.acks, self.ended, self.dead = 0, [], []  # dead: reasons of its records
        self.queued, self.letters = [], 0  # modes of the queues

    def takes(self, least, most=None):
        self.least += least
        self.most += least if most is None else most

    @property
    def waits(self):
        return self.acks + len(self.queued) + self.letters

    def wrong(self, lost):
        """'lost': dead letters of it that an operator dropped."""
        if len(self.ended) > 1:
            return "it ended twice"
        if self.ended:  # what was on its way may be acknowledged all the same
            return "it ended and waits" if self.queued or self.letters or self.held_now else ""
        if self.held_now != self.held:
            return "held or not"
        least = 0 if self.taken else self.least - lost
        if self.dead:  # beyond the bounds of the list the record is all (decision 0028)
            least = min(least, 0)
        if not least <= self.waits <= self.most:
            return "%d places, not %d to %d" % (self.waits, least, self.most)
        return "" if self.waits or self.held or self.dead or self.taken or lost else "it is nowhere"


class Books:
    """What one moment of the store says of each (report, recipient)."""

    def __init__(self, lab, published):
        env = tables(lab)
        try:
            with env.begin() as t:
                rows = {name: list(t.cursor(env.open_db(name.encode(), t, create=False)))
                        for name in ("entry", "queue", "hold", "dead", "subscription", "name")}
        finally:
            env.close()
        parties = {number(value[:4]): key[1:].decode() for key, value in rows["name"] if key[0] == 1}
        self.published, self.pairs, self.of = published, collections.defaultdict(Pair), {}
        self.subscriptions, self.run, self.ends_of_mode = {}, None, collections.Counter()
        self.size = len(rows["entry"])
        for key, value in rows["entry"]:
            self.record(Rec(number(key), witness.Opening(value[32:-4])))
        owners = {key: (parties[number(value[:4])], value[4]) for key, value in rows["subscription"]}
        for key, value in rows["queue"]:
            party, mode = owners[key[:4]]
            if value[52:68] in published:  # else the notice of a recall
                self.pairs[value[52:68], party].queued.append(mode)
        for _, value in rows["hold"]:
            self.pairs[value[16:32], parties[number(value[8:12])]].held_now = True
        for key, _ in rows["dead"]:
            self.pairs[key[4:20], parties[number(key[:4])]].letters += 1

    def record(self, r):
        recipients = r.text(2, 0).split("\n")
        if r.kind == "INTAKE":
            self.run = r.report
            return
        if r.kind != "DECISION":
            self.run = None
        if r.kind == "SUBSCRIPTION":
            self.subscription(r)
        elif r.kind in ("DECISION", "NARROWED", "APPROVAL"):
            if r.kind == "DECISION" and r.outcome == WITHHOLD:
                return  # nothing was accepted for these
            for recipient in recipients:
                self.decided(r, recipient)
        elif r.kind == "ACK" and r.slots[7][0]:
            indexes = r.slots[7][0]
            for at in range(0, len(indexes), 8):
                of = self.of[number(indexes[at:at + 8])]
                if of:
                    self.pairs[of].acks += 1
                    self.ends_of_mode[self.published[of[0]].mode] += 1
        elif r.kind in ("DELIVERY", "DEAD_LETTER", "EXPIRE", "RECALL", "SUPERSEDE"):
            self.later(r, (r.report, recipients[0]))

    def later(self, r, of):
        pair = self.pairs[of]
        self.of[r.index] = of if r.kind == "DELIVERY" else None  # a RECALL is acknowledged, too
        if r.kind == "DEAD_LETTER":
            pair.dead.append(r.text(7, 0))
        elif r.kind == "EXPIRE":
            self.end(pair, "expired")
        elif r.kind in ("RECALL", "SUPERSEDE"):
            pair.taken = True
            if r.slots[7][1] == b"\1":
                self.end(pair, {"RECALL": "recalled", "SUPERSEDE": "superseded"}[r.kind])

    def end(self, pair, how):
        pair.ended.append(how)
        pair.held = False

    def decided(self, r, recipient):
        pair = self.pairs[r.report, recipient]
        if r.outcome == WITHHOLD:
            return self.end(pair, "withheld")
        first, was_held, pair.held = not pair.most, pair.held, r.outcome == HOLD
        if pair.held or not (first or was_held):
            return None
        if r.kind == "DECISION" and self.run != r.report:  # for those that still look for it
            pair.backfilled = True
            looking = [n for n in self.there(r.report, recipient) if n.startswith(FROM_START)]
            return pair.takes(1, max(1, len(looking)))
        return pair.takes(max(1, len(self.there(r.report, recipient))))

    def there(self, report, party):
        """The subscriptions that take the report now."""
        mode = self.published[report].mode
        return [n for n, pattern in self.subscriptions.get((party, mode), {}).items() if PATTERNS[pattern]]

    def subscription(self, r):
        party, name, pattern = r.text(7, 0), r.text(7, 2), r.text(7, 3)
        mode = "LIVE" if r.slots[7][1] == b"\1" else "EXERCISE"
        names = self.subscriptions.setdefault((party, mode), {})
        if r.slots[7][4] == b"\2":
            del names[name]
            return
        names[name] = pattern
        if name.startswith(FROM_START) and PATTERNS[pattern]:
            self.filled(party, mode)

    def filled(self, party, mode):
        """One place more for all that the party was given.  What ends soon may not come; what has no subscription any more
        is no dead letter any more."""
        for (report, recipient), pair in self.pairs.items():
            of = self.published.get(report)
            if recipient == party and of.mode == mode and pair.most and not (pair.ended or pair.taken or pair.held):
                pair.takes(0 if of.expires or "no-subscription" in pair.dead else 1, 1)

    def wrong(self, lost):
        """Those that are lost, there twice, or in a queue of the other mode."""
        out = [(of, p.wrong(lost[of]), vars(p)) for of, p in self.pairs.items() if p.wrong(lost[of])]
        return out + [(of, "the other mode") for of, p in self.pairs.items()
                      if set(p.queued) - {pb.Mode.Value(self.published[of[0]].mode)}]

    def exact(self):
        """Those of which it is known in how many places they are."""
        return {of for of, p in self.pairs.items() if not (p.ended or p.taken or p.dead) and p.least == p.most > 0}

    def sums(self):
        out = collections.Counter()
        for (report, _), p in self.pairs.items():
            out.update(p.ended)
            out.update(set(p.dead))
            out.update({"delivered": bool(p.acks), "queued": bool(p.queued), "held": p.held, "backfilled": p.backfilled,
                        "in an exercise": self.published[report].mode == "EXERCISE" and bool(p.acks),
                        "from start": p.acks > 1})
        return out


class Sent:
    def __init__(self, precedence, mode, expires):
        self.precedence, self.mode, self.expires = precedence, mode, expires


class Conservation(AgainTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit(ATLAS, r"    mode     live\n", "    mode     live\n    backfill\n")
        cls.lab.write(DRILL, re.sub(r"mode     live", "mode     exercise", cls.lab.read(ATLAS))
                      .replace("agreement atlas", "agreement drill"))
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf")
                      + "limits {\n    ack-wait 500ms\n    max-deliveries 3\n    queue-reports 60\n}\n")

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("RELTO_SEED") or random.SystemRandom().randrange(1 << 32))
        self.random = random.Random(self.seed)
        self.readers, self.published, self.lost, self.done = {}, {}, collections.Counter(), collections.Counter()
        self.exact = set()
        self.names, self.made = {p: [] for p in SUBSCRIBERS}, 0
        self.connect()

    def connect(self):
        """After a start or a change of the agreement, whose terms it names."""
        self.gbr, self.office = self.client("gbr"), self.client("gbr", "/release-office")
        self.operator = self.client("hub", "/operator")

    # what may happen next
    def publish(self, act=None, **fixed):
        mode = fixed.get("mode") or self.random.choice(("LIVE", "LIVE", "LIVE", "EXERCISE"))
        of = [r for r, s in self.published.items() if s.mode == mode]
        if act and not of:
            return None
        labels = fixed.get("labels") or self.random.choice((SECRET, TEARLINE, FININT))
        precedence = fixed.get("precedence") or self.random.choice(("ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"))
        r = wire.Report(self.gbr.agent, TOPIC, [(n, self.gbr.terms[n]) for n in (("atlas",) if mode == "LIVE" else ("drill",))],
                        precedence, mode)
        r.portion(labels, canary())
        r.routing.backfill = True
        if self.random.random() < 0.2 and not fixed:
            r.manifest.expires = now_ms() + self.random.randrange(200, 3000)
        if fixed.get("expires"):
            r.manifest.expires = fixed["expires"]
        if self.random.random() < 0.1 and not fixed:
            r.manifest.not_before = now_ms() + self.random.randrange(200, 2000)
        if act:
            r.about(act, fixed.get("of") or self.random.choice(of))
        self.gbr.publish(r.seal())
        self.published[r.id] = Sent(precedence, mode, r.manifest.expires)
        return r.id

    def supersede(self):
        self.publish("SUPERSEDE")

    def recall(self, report=None):
        if not self.published:
            return
        report = report or self.random.choice(list(self.published))
        of = self.published[report]
        r = wire.Report(self.gbr.agent, TOPIC, [], precedence=of.precedence, mode=of.mode).about("RECALL", report, "legal")
        self.gbr.publish(r.seal())

    def decide(self, answer=None):
        holds = self.office.holds()
        if holds:
            answer = answer or self.random.choice(("APPROVE", "REJECT"))
            try:
                self.office.decide(self.random.choice(holds).hold, answer)
                self.done[answer] += 1
            except wire.Refused as no:
                self.assertEqual(no.code, "unknown-hold")

    def come(self, party=None, name=None, mode=None):
        party = party or self.random.choice(SUBSCRIBERS)
        if party not in self.readers:
            self.readers[party] = self.client(party)
            self.readers[party].subscribe(name or self.random.choice(["inbox"] + self.names[party]), credit=4)
            self.readers[party].subscribe("inbox", mode="EXERCISE", credit=4)
        return self.readers[party]

    def go(self, party=None):
        if party in self.readers or (party is None and self.readers):
            self.readers.pop(party or self.random.choice(sorted(self.readers))).close()

    def read(self):
        if not self.readers:
            return
        c = self.readers[self.random.choice(sorted(self.readers))]
        for _ in range(self.random.randrange(1, 5)):
            got, chance = c.receive(timeout=0.05), self.random.random()
            if got is not None and chance < 0.6:
                c.ack(got)
            elif got is not None and chance < 0.8:
                c.nack(got, self.random.choice((0, 0, 300)))
                self.done["nack"] += 1

    def subscribe(self, party=None, from_start=None, pattern=None):
        """One more of a party, which nobody reads at first."""
        party = party or self.random.choice(SUBSCRIBERS)
        if len(self.names[party]) == 3:
            return None
        from_start = self.random.random() < 0.5 if from_start is None else from_start
        self.made += 1
        name = "%s%d" % (FROM_START if from_start else "more-", self.made)
        with self.lab.client(party) as c:
            pattern = pattern or self.random.choice(sorted(PATTERNS))
            c.subscribe(name, ">" if from_start else pattern, from_start=from_start)
            self.names[party].append(name)
            if from_start:  # what comes meanwhile is in the books as what came before
                rig.until(lambda: not any(b"fill/" in k for k, _ in rows(self.lab, "meta")), 20, "its filling")
        return name

    def delete(self, party=None, name=None):
        party = party or self.random.choice(SUBSCRIBERS)
        if not self.names[party]:
            return
        name = name or self.random.choice(self.names[party])
        self.go(party)  # who may read it

        def gone():
            try:
                with self.lab.client(party) as c:
                    c.ask("subscriptions", pb.Subscriptions(act=2, name=name.encode()))
            except wire.Refused as no:
                self.assertEqual(no.code, "busy")
                return False
            return True
        rig.until(gone, 10, "its deletion")
        self.names[party].remove(name)
        self.done["delete"] += 1

    def letters(self):
        return self.operator.ask("dead_letters", pb.DeadLetters(act=1, all=True)).letters

    def again(self, drop=None, of=None):
        """An operator has dead letters of a report tried again, or drops them."""
        letters = [x for x in self.letters() if of in (None, x.report)]
        if not letters:
            return
        one = self.random.choice(letters)
        drop = self.random.random() < 0.5 if drop is None else drop
        said = json.loads(self.operator.ask("dead_letters", pb.DeadLetters(
            act=3 if drop else 2, all=True, party=one.party, report=one.report)).json)
        if drop:
            self.lost[one.report, one.party.decode()] += said["dropped"]
        self.done["drop" if drop else "retry"] += said["dropped" if drop else "retried"]

    def restart(self):
        for party in list(self.readers):
            self.go(party)
        self.lab.stop()
        self.lab.start()
        self.connect()

    def check(self):
        books = Books(self.lab, self.published)
        self.assertEqual(books.wrong(self.lost), [], "seed %d, %d records" % (self.seed, books.size))
        self.exact |= books.exact()
        return books

    # one of each
    def finish(self, c, *reports):
        """Reads until these were acknowledged."""
        missing = set(reports)
        while missing:
            got = c.receive(timeout=20)
            c.ack(got)
            missing.discard(got.manifest.id)

    def one_of_each(self):
        plain = {"labels": TEARLINE, "precedence": "ROUTINE"}
        nor = self.come("nor", "inbox")
        self.finish(nor, *[self.publish(mode=mode, **plain) for mode in ["LIVE"] * 8 + ["EXERCISE"]])
        self.publish(mode="LIVE", expires=now_ms() + 300, **plain)
        for act in ("APPROVE", "REJECT"):
            self.publish(mode="LIVE", labels=SECRET, precedence="FLASH")
            self.decide(act)
        poison = self.publish(mode="LIVE", labels=SECRET, precedence="ROUTINE")
        for _ in range(3):
            got = nor.receive(timeout=20)
            while got.manifest.id != poison:
                nor.ack(got)
                got = nor.receive(timeout=20)
            nor.nack(got)
            self.done["nack"] += 1
        rig.until(lambda: poison in [x.report for x in self.letters()], 10, "a dead letter")
        self.again(False, poison)
        self.finish(nor, poison)
        self.go("nor")
        self.recall(self.publish(mode="LIVE", **plain))
        self.publish("SUPERSEDE", of=self.publish(mode="LIVE", **plain), mode="LIVE", **plain)
        short = self.subscribe("ken", False, ">")
        self.subscribe("ken", from_start=True)
        self.publish(mode="LIVE", **plain)
        self.delete("ken", short)
        self.check()
        self.policies()
        full = [self.publish(mode="LIVE", **plain) for _ in range(62)][-1]
        self.check()
        self.again(True, full)
        self.drain("nor", "ken")
        self.check()

    def policies(self):
        """NOR may have less; KEN is no member, and is one again, and has what came meanwhile by a backfill."""
        second = self.subscribe("nor", False, ">")
        secret = self.publish(mode="LIVE", labels=SECRET, precedence="ROUTINE")
        self.policy(lambda: (self.lab.edit(ATLAS, NOR_SECRET, r"\1[ UNCLASSIFIED RESTRICTED ]"),
                             self.lab.edit(ATLAS, KEN, ""), self.lab.edit(ATLAS, KEN_RULE, "")))
        self.connect()
        missed = self.publish(mode="LIVE", labels=TEARLINE, precedence="ROUTINE")
        self.come("nor", "inbox")
        rig.until(lambda: "withheld" in self.books().pairs[secret, "NOR"].ended, 10, "the narrowing")
        self.check()
        self.delete("nor", second)
        self.restore()
        self.connect()
        name = self.subscribe("ken", from_start=True)
        self.go("ken")
        self.finish(self.come("ken", name), missed)
        self.go("ken")

    def books(self):
        return Books(self.lab, self.published)

    def test_what_was_accepted_is_somewhere_and_only_there_at_every_look(self):
        self.one_of_each()
        acts = [self.publish] * 8 + [self.read] * 8 + [self.supersede, self.recall, self.decide, self.come, self.again] * 2 \
            + [self.go, self.subscribe, self.delete]
        for step in range(1, STEPS + 1):
            self.random.choice(acts)()
            if step == STEPS // 2:
                self.restart()
            if step % EVERY == 0:
                self.check()
        for c in self.readers.values():
            c.close()
        sums = self.check().sums() + self.done
        print("seed %d: %d exact, %s" % (self.seed, len(self.exact), dict(sums)))
        self.assertGreater(len(self.exact), 30, "seed %d" % self.seed)
        for kind in ENDS + DEAD + ("queued", "backfilled", "from start", "in an exercise", "nack", "retry", "drop", "delete",
                                   "APPROVE", "REJECT"):
            self.assertGreater(sums[kind], 0, "nothing was %s: seed %d" % (kind, self.seed))
        self.proven()


if __name__ == "__main__":
    unittest.main(verbosity=2)
