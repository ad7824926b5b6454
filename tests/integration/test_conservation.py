#!/usr/bin/python3
"""test_conservation.py - nothing that was accepted is lost or there twice: each report for each recipient is queued, held
or a dead letter, or it ended, once, and the log says how (DESIGN, Liveness; S2, S6).  Random traffic from a seed
(RELTO_SEED); the books are the store's own, of one moment, while everything goes on."""
import collections
import os
import random
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402,F401
import wire  # noqa: E402
import witness  # noqa: E402
from test_again import WITHHOLD, AgainTest, Rec, now_ms, tables  # noqa: E402
from test_path import FININT, SECRET, TEARLINE, canary, publish  # noqa: E402

STEPS, EVERY = 160, 10
TAKEN_BACK_ON_ITS_WAY = (["recalled", "delivered"], ["superseded", "delivered"])
SUBSCRIBERS = ("nor", "ken")


def number(data):
    return int.from_bytes(data, "big")


class Books:
    """What one moment of the store says of each (publisher, report, recipient)."""

    def __init__(self, lab):
        env = tables(lab)
        try:
            with env.begin() as t:
                rows = {name: list(t.cursor(env.open_db(name.encode(), t, create=False)))
                        for name in ("entry", "queue", "hold", "dead")}
        finally:
            env.close()
        self.ends, self.waits, self.dead, self.by = {}, collections.defaultdict(list), set(), {}
        self.size = len(rows["entry"])
        for key, value in rows["entry"]:
            self.record(Rec(number(key), witness.Opening(value[32:-4])))
        for key, _ in rows["queue"]:
            self.wait("queued", number(key[5:13]))
        for key, _ in rows["hold"]:
            self.wait("held", number(key[8:16]))
        for _, value in rows["dead"]:
            self.wait("dead letter", number(value[7:15]))

    def record(self, r):
        of = (r.text(3, 0), r.report, r.text(2, 0))
        if r.kind in ("DECISION", "NARROWED", "APPROVAL"):
            if r.kind == "DECISION" and r.outcome == WITHHOLD:
                return  # nothing was accepted for these
            self.ends.setdefault(of, [])
            self.by[r.index] = of
            if r.outcome == WITHHOLD:
                self.end(of, "withheld")
        elif r.kind in ("DELIVERY", "DEAD_LETTER"):
            self.by[r.index] = of
            if r.kind == "DEAD_LETTER":
                self.dead.add(of)
        elif r.kind == "ACK" and r.slots[7][0]:
            indexes = r.slots[7][0]
            for at in range(0, len(indexes), 8):
                self.end(self.by[number(indexes[at:at + 8])], "delivered")
        elif r.kind == "EXPIRE":
            self.end(of, "expired")
        elif r.kind in ("RECALL", "SUPERSEDE"):
            self.by[r.index] = None  # what waits by it is the notice of a recall
            if r.slots[7][1] == b"\1":
                self.end(of, {"RECALL": "recalled", "SUPERSEDE": "superseded"}[r.kind])

    def end(self, of, how):
        self.ends[of].append(how)

    def wait(self, where, index):
        if self.by[index]:
            self.waits[self.by[index]].append(where)

    def wrong(self):
        """Those that are nowhere, or in two places."""
        out = []
        for of, ends in self.ends.items():
            # what was taken back while it was on its way may be acknowledged all the same, and was given then
            places = self.waits.get(of, []) + (ends[:1] if ends in TAKEN_BACK_ON_ITS_WAY else ends)
            if not places and of in self.dead:
                places = ["dead letter"]  # of which the record alone is left (decision 0028)
            if len(places) != 1:
                out.append((of, places))
        return out

    def sums(self):
        return collections.Counter((ends + self.waits.get(of, []) + ["dead letter"])[0] for of, ends in self.ends.items())


class Conservation(AgainTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf")
                      + "limits {\n    ack-wait 500ms\n    max-deliveries 3\n    queue-reports 12\n}\n")

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("RELTO_SEED") or random.SystemRandom().randrange(1 << 32))
        self.random = random.Random(self.seed)
        self.gbr, self.office = self.client("gbr"), self.client("gbr", "/release-office")
        self.readers, self.published = {}, []

    # what may happen next
    def publish(self, act=None):
        labels = self.random.choice((SECRET, TEARLINE, FININT))
        precedence = self.random.choice(("ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"))

        def change(r):
            if self.random.random() < 0.2:
                r.manifest.expires = now_ms() + self.random.randrange(200, 3000)
            if self.random.random() < 0.1:
                r.manifest.not_before = now_ms() + self.random.randrange(200, 2000)
            if act:
                r.about(act, self.random.choice(self.published)[0])
        _, report = publish(self.gbr, [(labels, canary())], precedence=precedence, change=change)
        self.published.append((report, precedence))

    def supersede(self):
        self.publish("SUPERSEDE" if self.published else None)

    def recall(self):
        if not self.published:
            return
        report, precedence = self.random.choice(self.published)
        r = wire.Report(self.gbr.agent, "maritime.piracy", [], precedence=precedence).about("RECALL", report, "legal")
        self.gbr.publish(r.seal())

    def decide(self):
        holds = self.office.holds()
        if holds:
            try:
                self.office.decide(self.random.choice(holds).hold, self.random.choice(("APPROVE", "REJECT")))
            except wire.Refused as no:
                self.assertEqual(no.code, "unknown-hold")

    def come(self):
        party = self.random.choice(SUBSCRIBERS)
        if party not in self.readers:
            self.readers[party] = self.client(party)
            self.readers[party].subscribe(credit=4)

    def go(self):
        if self.readers:
            self.readers.pop(self.random.choice(sorted(self.readers))).close()

    def read(self):
        if not self.readers:
            return
        c = self.readers[self.random.choice(sorted(self.readers))]
        for _ in range(self.random.randrange(1, 5)):
            got = c.receive(timeout=0.05)
            if got is not None and self.random.random() < 0.7:
                c.ack(got)

    def restart(self):
        for party in list(self.readers):
            self.readers.pop(party).close()
        self.lab.stop()
        self.lab.start()
        self.gbr, self.office = self.client("gbr"), self.client("gbr", "/release-office")

    def check(self):
        books = Books(self.lab)
        self.assertEqual(books.wrong(), [], "seed %d, %d records" % (self.seed, books.size))
        return books

    def test_what_was_accepted_is_somewhere_and_only_there_at_every_look(self):
        acts = [self.publish] * 8 + [self.read] * 6 + [self.supersede, self.recall, self.decide, self.come] * 2 + [self.go]
        for step in range(1, STEPS + 1):
            self.random.choice(acts)()
            if step == STEPS // 2:
                self.restart()
            if step % EVERY == 0:
                self.check()
        for c in self.readers.values():
            c.close()
        sums = self.check().sums()
        print("seed %d: %s" % (self.seed, dict(sums)))
        self.assertGreater(sum(sums.values()), 50)
        self.proven()


if __name__ == "__main__":
    unittest.main(verbosity=2)
