"""kill_parties.py - the load of test_kill.py: parties that publish, receive and acknowledge until the broker dies, and what
they were told."""
import collections
import itertools
import secrets
import threading

import wire
import witness
from test_path import SECRET, TEARLINE
from wire import pb

MAY = {"GBR": (SECRET, TEARLINE), "NOR": (SECRET, TEARLINE), "KEN": (TEARLINE,)}  # at most, whatever the policy says now
PUBLISHERS = (("GBR", "/fusion-desk"), ("NOR", "/fusion-desk"))
READERS = (("NOR", "/fusion-desk", "inbox"), ("NOR", "/watch", "sea"), ("KEN", "/fusion-desk", "inbox"),
           ("GBR", "/watch", "inbox"))
PATTERNS = {"inbox": ">", "sea": "maritime.>"}
TOPICS = ("maritime.piracy", "maritime.piracy", "cyber.indicators.ip")
PORTIONS = ((SECRET,), (TEARLINE,), (SECRET, TEARLINE), (SECRET, TEARLINE))
PRECEDENCES = ("ROUTINE", "ROUTINE", "PRIORITY", "IMMEDIATE")  # SECRET and IMMEDIATE is held for a second
WINDOW, GATHERED = 16, 8
ANSWER = 60  # seconds until an answer counts as none, on a machine with other work
AGAIN_LATER = ("draining", "busy")

Sent = collections.namedtuple("Sent", "party agent id manifest topic bodies message")
Came = collections.namedtuple("Came", "party name report contents evidence")


class Told:
    """What clients know, over all deaths of a broker."""

    def __init__(self):
        self.sent, self.receipts, self.refused = {}, {}, set()
        self.came, self.settled = [], set()  # settled: (party, subscription, report) whose Pong came
        self.memories, self.faults, self.dying = {}, [], False
        self.count, self.more = 0, threading.Condition()

    def something(self):
        with self.more:
            self.count += 1
            self.more.notify_all()

    def wait(self, count):
        """Until so much more was told, or a fault."""
        with self.more:
            goal = self.count + count
            if not self.more.wait_for(lambda: self.count >= goal or self.faults, ANSWER):
                self.faults.append("a load that stands still")

    def fault(self, text, *more):
        with self.more:
            self.faults.append(text % more)
            self.more.notify_all()

    def memory(self, agent, use):
        """The heads that this client kept: one that is no extension of them is a fork."""
        return self.memories.setdefault((agent.id, use), witness.Memory(witness.Key(agent.log_key)))


class Party(threading.Thread):
    """One connection, until it breaks."""

    def __init__(self, lab, told, r, party, path):
        super().__init__()
        self.told, self.r, self.party, self.agent = told, r, party, lab.agent(party.lower(), path)

    def run(self):
        try:
            with wire.Client(self.agent, timeout=ANSWER, memory=self.told.memory(self.agent, type(self))) as line:
                self.line = line
                self.work()
        except TimeoutError as e:
            self.told.fault("%s: no answer: %s", self.agent.id, e)
        except (wire.Closed, OSError) as e:
            if not self.told.dying:
                self.told.fault("the session of %s ended: %s", self.agent.id, e)
        except wire.Refused as e:
            if not (self.told.dying and e.code in AGAIN_LATER):
                self.told.fault("%s is told %s", self.agent.id, e)
        except Exception as e:
            self.told.fault("%s: %r", self.agent.id, e)


class Publisher(Party):
    """A window of reports; what had no answer before the broker died is sent again first, and one that had."""

    def work(self):
        mine = [s for s in self.told.sent.values() if s.agent == self.agent.id and s.id not in self.told.refused]
        known = [s for s in mine if s.id in self.told.receipts]
        again = [s for s in mine if s.id not in self.told.receipts] + (self.r.sample(known, 1) if known else [])
        waiting = {}
        for s in itertools.chain(again, iter(self.make, None)):
            waiting[self.line.send("publish", s.message)] = s
            while len(waiting) >= WINDOW:
                if not self.take(self.line.read_message(), waiting):
                    return

    def make(self):
        report = wire.Report(self.agent, self.r.choice(TOPICS), [("atlas", self.line.terms["atlas"])],
                             self.r.choice(PRECEDENCES))
        bodies = [(labels, secrets.token_hex(16).encode()) for labels in self.r.choice(PORTIONS)]
        for labels, body in bodies:
            report.portion(labels, body)
        message = report.seal()
        s = Sent(self.party, self.agent.id, report.id, message.manifest, report.manifest.topic.decode(), bodies, message)
        self.told.sent[s.id] = s
        return s

    def take(self, m, waiting):
        if m is None:
            raise TimeoutError("a report")
        kind, s = m.WhichOneof("body"), waiting.pop(m.request, None)
        if kind == "receipt":
            self.receipt(s, m.receipt)
        elif kind == "identity":
            self.line.terms = {a.name.decode(): a.terms for a in m.identity.agreements}
        elif kind == "error":
            code = m.error.code.decode()
            if code == "agreement-not-usable" and s is not None:  # the terms have changed
                self.told.refused.add(s.id)
                self.line.send("whoami", pb.Whoami())
            elif code in AGAIN_LATER:
                return False
            else:
                self.told.fault("%s is told %s", self.agent.id, code)
        return kind != "bye"

    def receipt(self, s, receipt):
        first = self.told.receipts.setdefault(s.id, receipt)
        if (first.index, first.evidence, first.accepted) != (receipt.index, receipt.evidence, receipt.accepted):
            self.told.fault("two receipts of %s differ", s.id.hex())
        self.told.something()


class Reader(Party):
    """Receives; acknowledges at once, some together, or never."""

    def __init__(self, lab, told, r, party, path, name):
        super().__init__(lab, told, r, party, path)
        self.name = name

    def work(self):
        self.number, gathered = self.line.subscribe(self.name, PATTERNS[self.name]).subscription, []
        while True:
            d = self.line.receive(timeout=0.05)
            if d is not None:
                self.note(d)
                if self.r.random() < 0.9:
                    gathered.append(d)
            if gathered and (d is None or len(gathered) >= self.r.randint(1, GATHERED)):
                self.acknowledge(gathered)
                gathered = []

    def note(self, d):
        if (self.party, self.name, d.manifest.id) in self.told.settled:
            self.told.fault("%s got %s again after its acknowledgement", self.party, d.manifest.id.hex())
        self.told.came.append(Came(self.party, self.name, d.manifest.id, d.contents, d.raw.evidence))
        self.told.something()

    def acknowledge(self, deliveries):
        """Whoever has the Pong has it for good; without it, the broker may have the acknowledgement or not."""
        try:
            self.line.ask("ack", pb.Ack(subscription=self.number, deliveries=sorted(d.raw.delivery for d in deliveries)))
        except wire.Refused as e:
            if e.code not in AGAIN_LATER:
                raise
            return
        self.told.settled.update((self.party, self.name, d.manifest.id) for d in deliveries)
        self.told.something()


class LastReader(Reader):
    """Receives and acknowledges all that waits; 'nothing_left' says when that is."""

    def __init__(self, nothing_left, *args):
        super().__init__(*args)
        self.nothing_left = nothing_left

    def work(self):
        self.number = self.line.subscribe(self.name, PATTERNS[self.name]).subscription
        while not self.nothing_left():
            d = self.line.receive(timeout=0.1)
            if d is not None:
                self.note(d)
                self.acknowledge([d])


def load(lab, told, r):
    return [Publisher(lab, told, r(), *p) for p in PUBLISHERS] + [Reader(lab, told, r(), *p) for p in READERS]
