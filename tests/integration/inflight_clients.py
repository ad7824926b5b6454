"""inflight_clients.py - the parties of test_inflight.py: connections that are read without waiting, and the ledger of what
was published, came and was acknowledged, each with when it can have happened.

Times are those of this process's monotonic clock.  Bytes can wait in the kernel for as long as it likes, so that a
connection was read empty says nothing about when the broker let go of what comes next.  A Pong does: what follows it left
after its Ping was asked.  So every arrival is a pair (no earlier than, no later than).
"""
import collections
import re
import select
import socket
import ssl
import time

import wire
from wire import pb

CANARY = re.compile(rb"\xfe\xca\xa5\x1e.{12}", re.S)
CANARY_BYTES = 16
RECEIVE_BYTES = 1 << 17
PING_EVERY = 0.02  # seconds between two Pings of a line
TRANSIENT = ("clock", "busy", "draining", "full", "shut-out")  # of the codes of refusals
VERIFIED_EVERY = 4  # one in so many is verified to the last signature; of the others, bodies and parts are compared


def canary(r):
    return b"\xfe\xca\xa5\x1e" + r.getrandbits(96).to_bytes(12, "big")


class Published:
    """A report of ours, as it was sent."""

    def __init__(self, party, report, sealed, canaries):
        m = report.manifest
        self.party, self.id, self.manifest, self.routing = party, m.id, m, report.routing
        self.labels = [[(l.vocabulary, l.classification, [(c.name, tuple(c.values)) for c in l.categories])
                        for l in h.labels] for h in report.heads]
        self.types = [h.content_type for h in report.heads]
        self.bodies = [wire.H(b"\x13" + b) for b in report.bodies]
        self.sealed, self.canaries = sealed, canaries
        self.receipt, self.refused = None, []  # refused: (code, when it was sent, when it was answered)

    def may_ask_again(self):
        return self.receipt is not None or all(code in TRANSIENT for code, _, _ in self.refused)


# key: (party, mode, name) of a subscription
Got = collections.namedtuple("Got", "key report portions attempt first leaf agreements since until line")
Sighting = collections.namedtuple("Sighting", "party canary since until")


class Ledger:
    def __init__(self):
        self.published, self.canaries = {}, {}
        self.got, self.sightings = [], []
        self.had = set()  # (key, report): delivered at least once
        self.decided = collections.Counter()  # (report, recipient): portions that the broker said were decided
        self.acks = {}  # (key, report) -> [when it was sent, when it was known to be durable or None, how often]
        self.ends = collections.defaultdict(list)  # key: when a line of it ended or a message of it was stopped
        self.faults, self.voids = [], 0

    def publish(self, p):
        self.published[p.id] = p
        for n, c in enumerate(p.canaries):
            self.canaries[c] = (p.id, n)

    def fault(self, text, *more):
        self.faults.append(text % more)

    def settled(self, key, report):
        """When the acknowledgement of a report by a subscription was known to be durable; None: not."""
        return self.acks.get((key, report), (None, None))[1]


class Frames(wire.Assembler):
    """Says of every canary in a frame, whatever becomes of its message."""

    def __init__(self, begun, saw):
        super().__init__()
        self.data, self.lanes, self.saw, self.tails = begun.data, begun.lanes, saw, {}

    def frame(self, flags, piece):
        lane, ends = flags & 0x03, flags & 0xC0
        tail = self.tails.pop(lane, b"")
        for m in CANARY.finditer(tail + piece):
            self.saw(m.group())
        if not ends:
            self.tails[lane] = (tail + piece)[-CANARY_BYTES + 1:]
        return super().frame(flags, piece)


class Line(wire.Client):
    """One connection of an agent."""

    numbers = 0

    def __init__(self, agent, party, ledger, memory=None, now_ms=lambda: None):
        self.party, self.ledger, self.now_ms = party, ledger, now_ms
        Line.numbers += 1
        self.number, self.alive, self.stalled, self.expected, self.ended = Line.numbers, True, False, False, None
        self.why, self.taken, self.voids, self.keys, self.waits = None, None, 0, {}, {}
        self.unacked = collections.OrderedDict()  # (subscription number, delivery number) -> (key, report)
        self.pinged = self.since = time.monotonic()  # the last Ping, and the last that was answered
        super().__init__(agent, memory=memory)
        self.assembler = Frames(self.assembler, self.saw)
        self.tls.settimeout(0)
        # so that what a stalled reader does not take waits at the broker
        self.tls.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)

    # ---- sending ----
    def send_raw(self, data):
        self.tls.settimeout(self.timeout)
        try:
            self.tls.sendall(data)
        finally:
            self.tls.settimeout(0)

    def say(self, name, body, answer=None):
        """Sends what is answered later, by 'answer(what, body)'; nothing is said on a line that ended."""
        if not self.alive:
            return
        try:
            request = self.send(name, body)
        except OSError:
            self.end()
            return
        if answer is not None:
            self.waits[request] = answer

    def read_message(self, timeout=None):
        """While the session is opened, and where a caller wants to wait."""
        self.tls.settimeout(self.timeout)
        return super().read_message(timeout)

    def subscribe_to(self, name, topic, mode, credit):
        key = (self.party, mode, name)

        def answer(what, body):
            if what == "subscribed":
                self.keys[body.subscription] = key

        self.say("subscribe", pb.Subscribe(name=name.encode(), topic=topic.encode(), credit=credit,
                                           mode=pb.Mode.Value(mode)), answer)

    def publish_it(self, p):
        sent = time.monotonic()

        def answer(what, body):
            if what == "receipt":
                p.receipt = p.receipt or body
                if (p.receipt.index, p.receipt.evidence, p.receipt.accepted) != (body.index, body.evidence, body.accepted):
                    self.ledger.fault("two receipts of %s differ", p.id.hex())
            else:
                p.refused.append((body.code.decode(), sent, time.monotonic()))

        self.say("publish", p.sealed, answer)

    def acknowledge(self, numbers, wait=True):
        """Acknowledges deliveries of one subscription of this line."""
        now, marked = time.monotonic(), []
        for n in numbers:
            at = self.unacked.pop(n)
            ack = self.ledger.acks.setdefault(at, [now, None, 0])
            ack[2] += 1
            marked.append(at)

        def answer(what, body):
            if what != "pong":
                return  # busy: it comes again
            for at in marked:
                ack = self.ledger.acks[at]
                ack[1] = ack[1] or time.monotonic()

        self.say("ack", pb.Ack(subscription=numbers[0][0], deliveries=sorted(n for _, n in numbers)), answer)

    # ---- reading ----
    def pump(self):
        """Takes everything that is there."""
        if not self.stalled:
            self.ping()
        while self.alive and not self.stalled:
            try:
                data = self.tls.recv(1 << 16)
            except ssl.SSLWantReadError:
                return
            except OSError:
                data = b""
            if not data:
                self.end()
                return
            self.take(data, time.monotonic())

    def stall(self):
        self.pump()
        self.stalled = True

    def resume(self):
        """Reads on after a stall."""
        self.stalled = False
        self.pump()

    def ping(self):
        """A Ping, one at a time."""
        now = time.monotonic()
        if self.since < self.pinged or now < self.pinged + PING_EVERY:
            return

        def answer(what, body):
            self.since = now

        self.pinged = now
        self.say("ping", pb.Ping(), answer)

    def saw(self, found):
        self.ledger.sightings.append(Sighting(self.party, found, self.since, self.taken))

    def take(self, data, now):
        self.taken = now
        for raw in self.assembler.feed(data):
            self.handle(wire.canonical(pb.Message, raw), now)
        if self.assembler.voids > self.voids:
            self.ledger.voids += self.assembler.voids - self.voids
            self.voids = self.assembler.voids
            self.note_end()

    def handle(self, m, now):
        kind = m.WhichOneof("body")
        body = getattr(m, kind)
        if kind == "signer":
            if wire.H(b"".join(body.chain)) != body.digest:
                self.ledger.fault("a Signer message with another digest")
            self.signers[body.digest] = list(body.chain)
        elif kind == "heads":
            self.memory.take(body.checkpoint, list(body.consistency))
        elif kind == "deliver":
            self.deliver(body, now)
        elif kind == "bye":
            self.end()
        elif m.request in self.waits:
            self.waits.pop(m.request)(kind, body)
        elif kind == "error":
            self.why = body.code.decode()  # the session ends

    def deliver(self, d, now):
        key = self.keys.get(d.subscription)
        if key is None:
            self.ledger.fault("a delivery for a subscription that was not answered yet")
            return
        report = pb.Manifest.FromString(d.manifest)
        sent = self.ledger.published.get(report.id)
        if sent is None or d.manifest != sent.sealed.manifest or d.seal != sent.sealed.seal:
            self.ledger.fault("%s got a report that nobody sent", self.party)
            return
        at = (key, report.id)
        if len(self.ledger.got) % VERIFIED_EVERY == 0:
            try:
                wire.Delivered(d, self.signers, self.agent.trust, self.agent.hub_id, self.now_ms())
            except wire.Bad as e:
                self.ledger.fault("%s got what does not verify: %s", self.party, e)
        portions = []
        for p in d.portions:
            head = pb.PortionHead.FromString(p.head)
            if wire.H(b"\x13" + p.body) != head.body_digest:
                self.ledger.fault("a body that is not its head's")
            portions.append(sent.bodies.index(head.body_digest))
        settled = self.ledger.settled(key, report.id)
        if settled is not None and settled < self.since:
            self.ledger.fault("%s got %s again after its acknowledgement (attempt %d)", key, report.id.hex(), d.attempt)
        self.ledger.got.append(Got(key, report.id, portions, d.attempt, at not in self.ledger.had, d.evidence.leaf_hash,
                                   list(d.agreements), self.since, now, self.number))
        self.ledger.had.add(at)
        self.unacked[(d.subscription, d.delivery)] = at

    # ---- the end ----
    def note_end(self):
        for key in self.keys.values():
            self.ledger.ends[key].append(time.monotonic())

    def end(self):
        self.alive, self.ended = False, time.monotonic()
        self.note_end()
        self.close()
