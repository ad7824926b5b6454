"""kill_judge.py - what a broker that was killed must still know: its log and its store against what clients were told."""
import collections

import model
from kill_parties import MAY
from test_again import HOLD, REDACT, RELEASE, tables
from witness import H, uint

LIVE = 1

Store = collections.namedtuple("Store", "size queue holds subscriptions")  # at one moment, as the disk has it


def read_store(lab):
    """queue: {(subscription, decision)}; subscriptions: {number: index of its record}."""
    env = tables(lab)
    try:
        with env.begin() as t:
            def rows(name):
                return t.cursor(env.open_db(name, t, create=False))
            return Store(t.stat(env.open_db(b"entry", t, create=False))["entries"],
                         {(uint(k[:4]), uint(k[5:])) for k, _ in rows(b"queue")}, {uint(k[8:]) for k, _ in rows(b"hold")},
                         {uint(k): uint(v[5:13]) for k, v in rows(b"subscription")})
    finally:
        env.close()


class Decided:
    """What stands for one report and recipient."""

    def __init__(self, record, was):
        self.report, self.index = record.report, record.index
        self.outcome = record.field(4, 0)[0]
        self.portions = [int(line.split(" ")[0]) for line in record.field(4, 1).decode().splitlines()
                         if line.split(" ")[1] == "release"]
        self.queued = None
        if self.outcome in (RELEASE, REDACT):
            self.queued = was.queued if was and was.queued is not None else record.index


class Judge:
    """Reads a log of which both verifiers have said that it is one."""

    def __init__(self, told, records, store):
        self.told, self.store = told, store
        self.intakes, self.standing, self.decisions = {}, {}, {}  # report; (report, party); (index, party)
        self.by_leaf, self.delivered, self.acked = {}, {}, collections.Counter()
        self.names = {}  # index of its record: (party, name, pattern) of a live subscription
        for index in sorted(records):
            if index < store.size:
                getattr(self, "take_" + records[index].kind.lower(), lambda r: None)(records[index])

    def fault(self, text, *more):
        self.told.fault(text, *more)

    # ---- the log, in order ----
    def take_subscription(self, r):
        if r.field(7, 1)[0] == LIVE:
            self.names[r.index] = tuple(r.field(7, n).decode() for n in (0, 2, 3))

    def take_intake(self, r):
        if r.report in self.intakes or r.report not in self.told.sent:
            self.fault("%d: INTAKE of a report that is there, or that nobody sent", r.index)
        self.intakes[r.report] = r

    def take_decision(self, r):
        for party in r.field(2, 0).decode().split("\n"):
            d = Decided(r, self.standing.get((r.report, party)))
            self.standing[(r.report, party)] = self.decisions[(r.index, party)] = d

    take_narrowed = take_decision

    def take_delivery(self, r):
        self.by_leaf[r.leaf_hash] = r
        self.delivered[r.index] = r.report, r.field(2, 0).decode()

    def take_ack(self, r):
        named = r.field(7, 0)
        for i in range(0, len(named), 8):
            what = self.delivered.get(uint(named[i:i + 8]))
            if what is None:
                self.fault("%d: ACK of %d, which is no DELIVERY", r.index, uint(named[i:i + 8]))
            self.acked[what] += 1

    # ---- against what was told ----
    def judge(self):
        for report, receipt in self.told.receipts.items():
            self.judge_receipt(self.told.sent[report], receipt)
        for report in self.told.refused & set(self.intakes):
            self.fault("%s was refused, and is in the log", report.hex())
        for came in self.told.came:
            self.judge_delivery(came)
        self.judge_queue()

    def judge_receipt(self, s, receipt):
        r = self.intakes.get(s.id)
        said = receipt.index, receipt.evidence.party_index, receipt.evidence.leaf_hash, receipt.accepted
        if r is None:
            self.fault("%s has a receipt and no INTAKE", s.id.hex())
        elif said != (r.index, uint(r.field(3, 4)), r.leaf_hash, r.time) or r.field(3, 2) != H(b"\x00" + s.manifest):
            self.fault("%d: another INTAKE than the receipt of %s says", r.index, s.id.hex())

    def judge_delivery(self, came):
        r, sent = self.by_leaf.get(came.evidence.leaf_hash), self.told.sent[came.report]
        if r is None or (r.report, r.field(2, 0).decode(), uint(r.field(8, 0))) != (
                came.report, came.party, came.evidence.party_index):
            self.fault("%s came to %s without a DELIVERY", came.report.hex(), came.party)
            return
        released = [sent.bodies[n] for n in self.decisions[(uint(r.field(4, 4)), came.party)].portions]
        if came.contents != [body for _, body in released] or any(l not in MAY[came.party] for l, _ in released):
            self.fault("%d: %s got other portions of %s than its own", r.index, came.party, came.report.hex())

    def judge_queue(self):
        """Each subscription has an entry or an acknowledgement on record, and what is held has its hold."""
        waits = collections.defaultdict(set)
        for number, index in self.store.queue:
            party, name, _ = self.names[self.store.subscriptions[number]]
            d = self.decisions.get((index, party))
            if d is None:
                self.fault("%s has a queue entry for %d, which is no decision for it", party, index)
            else:
                waits[(d.report, party)].add(name)
        for (report, party), d in self.standing.items():
            self.judge_standing(report, party, d, waits[(report, party)])
        for party, name, report in self.told.settled:
            if name in waits[(report, party)]:
                self.fault("%s waits for %s, which acknowledged it", report.hex(), (party, name))

    def judge_standing(self, report, party, d, waits):
        wanted = self.subscriptions(party, self.told.sent[report].topic, d.queued) if d.queued is not None else set()
        acked = self.acked[(report, party)]
        if not waits <= wanted or (wanted and len(waits) + acked != len(wanted)):
            self.fault("%s for %s, by %d: %d acknowledged it and it waits for %s of %s", report.hex(), party, d.index,
                       acked, sorted(waits), sorted(wanted))
        if (d.outcome == HOLD) != (d.index in self.store.holds):
            self.fault("%s for %s, by %d: outcome %d and %s hold", report.hex(), party, d.index, d.outcome,
                       "a" if d.index in self.store.holds else "no")
        settled = sum((party, name, report) in self.told.settled for name in wanted)
        if settled > acked:
            self.fault("%s: %d acknowledgements of %s were confirmed, %d are on record", party, settled, report.hex(), acked)

    def subscriptions(self, party, topic, queued):
        return {name for index, (who, name, pattern) in self.names.items()
                if who == party and index < queued and model.topic_matches(pattern, topic)}

    def judge_end(self):
        """Nothing waits any more: everything came to whom it was released."""
        came = {(c.party, c.name, c.report) for c in self.told.came}
        for (report, party), d in self.standing.items():
            if d.queued is None:
                continue
            for name in self.subscriptions(party, self.told.sent[report].topic, d.queued):
                if (party, name, report) not in came:
                    self.fault("%s never came to %s", report.hex(), (party, name))
