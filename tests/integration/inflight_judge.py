"""inflight_judge.py - the oracles of test_inflight.py: everything that came is held against the log, and the log against
the second evaluator.

The log is read as the hub's auditor gets it.  A decision is judged again with the facts and under the policy that the
log keeps; what a policy says is read by tests/model/read.py from its export.
"""
import bisect
import collections
import tempfile

import model
import read
import test_model
import wire
import witness
from inflight_clients import TRANSIENT
from wire import pb
from witness import uint

OUTCOMES = ("release", "redact", "hold", "withhold")
DELIVERED = ("release", "redact")
LATE = 1.0  # seconds for which bytes may still be on their way after a change (S5, S9)
REACH = 2.0  # seconds in which the broker surely knows that a line ended
STATES = ("draft", "in-force", "terminated")


def moment(us):
    return wire.datetime.datetime.utcfromtimestamp(us // 1000000).strftime("%Y-%m-%dT%H:%M:%S") + ".%06dZ" % (us % 1000000)


def read_facts(data):
    """The facts of a bundle as the model takes them, and the terms that were named."""
    f = wire.canonical(pb.Facts, data)
    text = bytes.decode

    def obligation(what):
        kind = pb.ObligationKind.Name(what.kind).lower()
        out = {"kind": kind, "agreement": text(what.agreement), "approver": text(what.approver)}
        if kind != "signer":
            out["rule" if kind == "review" else "source"] = text(what.subject)
        return out

    def source(s):
        out = {"id": s.id.hex(), "originator": text(s.originator), "agreement": text(s.agreement) or None,
               "onward_to": [text(n) for n in s.onward_to]}
        if s.via:
            out["via"] = s.via.hex()
        return out

    out = {"originator": text(f.originator), "topic": text(f.topic), "precedence": pb.Precedence.Name(f.precedence),
           "mode": pb.Mode.Name(f.mode).lower(), "time": moment(f.time), "accepted": moment(f.accepted),
           "expires": moment(f.expires) if f.expires else None, "signer": pb.SignerState.Name(f.signer).lower(),
           "agreements": [text(a.name) for a in f.agreements], "not_to": [text(n) for n in f.not_to],
           "only_to": [text(n) for n in f.only_to.name] if f.HasField("only_to") else None,
           "sources": [source(s) for s in f.sources],
           "approvals": [dict(obligation(a.what), recipient=text(a.recipient), portion=a.portion,
                              decision="approve" if a.approve else "reject") for a in f.approvals],
           "opened": [dict(obligation(o.what), recipient=text(o.recipient), portion=o.portion, time=moment(o.time))
                      for o in f.opened],
           "portions": [{"content_type": text(p.content_type), "labels": [
               {"vocabulary": text(l.vocabulary), "classification": text(l.classification),
                "categories": {text(c.name): [text(v) for v in c.values] for c in l.categories}} for l in p.labels]}
               for p in f.portions],
           "before": [{"recipient": text(b.recipient), "portion": b.portion, "agreements": [text(a) for a in b.agreements]}
                      for b in f.before] if f.later else None}
    return out, f


class InForce:
    """A policy from its POLICY record on."""

    def __init__(self, index, policy, terms, change):
        self.index, self.policy, self.terms, self.change = index, policy, terms, change


class Decision:
    """A decision of the log for one recipient, and what may still be done under it."""

    def __init__(self, record, recipient, facts, lines, outcome):
        self.record, self.recipient, self.facts, self.lines, self.outcome = record, recipient, facts, lines, outcome
        self.released = [n for n, line in enumerate(lines) if line.split(" ")[1] == "release"]
        self.standing, self.opened = {}, []
        self.until_us = None  # when another one took its place
        self.queued_as, self.first_queued = None, None  # the record by which it became deliverable: now, and first


class Policies:
    """What the exports say, each read once."""

    def __init__(self, contents):
        self.contents, self.spifs, self.read, self.known = contents, {}, {}, {}

    def spif(self, digest):
        if digest not in self.spifs:
            with tempfile.NamedTemporaryFile() as f:
                f.write(self.contents["spif/" + digest])
                f.flush()
                self.spifs[digest] = test_model.read_spif(f.name)
        return self.spifs[digest]

    def get(self, digest, accepted):
        """(policy, terms digests, what it takes back).  'accepted': what the log last accepted of each agreement."""
        name = digest.hex()
        if name not in self.read:
            text = self.contents["policy/" + name].decode()
            self.read[name] = read.read_policy(text, self.spif), read.terms_digests(text)
        spec, terms = self.read[name]
        refused = frozenset(a["name"] for a in spec["agreements"]
                            if takes_back(a, terms[a["name"]], accepted.get(a["name"])))
        if (name, refused) not in self.known:
            # one that takes back what was accepted is not usable, like one that ended
            said = dict(spec, agreements=[dict(a, state="terminated") if a["name"] in refused else a
                                          for a in spec["agreements"]])
            self.known[(name, refused)] = model.Policy(said)
        return self.known[(name, refused)], terms, refused


def takes_back(a, terms, accepted):
    """Versions rise, one version has one digest, its state only falls (docs/audit-format.md, type 14)."""
    if accepted is None:
        return False
    version, digest, state = accepted
    return a["version"] < version or (a["version"] == version and (digest != terms or STATES.index(a["state"]) < state))


def same(what, opened):
    return {k: v for k, v in opened.items() if k != "time"} == what


def judge_later(policy, facts, recipient, portion):
    """The verdict of the model on one portion, later; 'facts' are prepared."""
    return model.later_portion(policy, facts, list(dict.fromkeys(facts["agreements"])), recipient, portion)


def standing(policy, facts, named, recipient, portion, later):
    """The agreements that released or held a portion: the 'before' of what comes after."""
    judged = [a for a in named if a.usable(facts, but_suspended=later) and a.receives(recipient)]
    return [a.name for a in judged if model.Ask(policy, a, facts, recipient, portion).judge()["verdict"] != "withhold"]


class Judge:
    def __init__(self, ledger, world):
        self.ledger, self.world = ledger, world
        self.contents, self.next = {}, 0
        self.policies = Policies(self.contents)
        self.in_force, self.changes = [], 0  # InForce, and how many of the world's changes have their record
        self.accepted = {}  # agreement: what the log last accepted
        self.subscriptions = {}  # (party, mode, name) -> (pattern, index)
        self.intakes, self.decisions = {}, {}  # report -> record; (report, recipient) -> Decision, the current one
        self.deliveries, self.by_leaf = {}, {}  # index -> (Decision, record)
        self.given = collections.defaultdict(list)  # (report, recipient) -> the decisions that were delivered
        self.acked = collections.Counter()  # DELIVERY index: how often
        self.approved = collections.Counter()  # (report, recipient): APPROVAL records
        self.expired = set()  # (report, recipient)
        self.pending, self.last_intake = {}, None
        self.judged_got, self.judged_sightings, self.answered = 0, 0, set()
        self.order, self.counts, self.reasons = {}, collections.Counter(), collections.Counter()
        self.prepared, self.history = {}, collections.defaultdict(list)

    def complain(self):
        """Fails with every fault so far, and with what the log says of the reports that they name."""
        if not self.ledger.faults:
            return
        said = self.ledger.faults[:20]
        for report in {r for r in self.history if any(r.hex() in f for f in said)}:
            said.append("%s: %s" % (report.hex(), "\n    ".join(self.history[report])))
        raise AssertionError("\n".join(said))

    def fault(self, text, *more):
        self.ledger.fault(text, *more)

    # ---- the log, in order ----
    def read_log(self, hub):
        """What is new, from a pull of the hub's auditor."""
        records, at = [], self.next
        request = hub.send("audit_pull", pb.AuditPull(**{"from": self.next}))
        files = collections.defaultdict(list)
        while True:
            m = hub.wait(request)
            files[m.audit_part.name.decode()].append(m.audit_part.data)
            if m.audit_part.last:
                break
        for name, pieces in files.items():
            folder = name.split("/")[0]
            if folder in ("facts", "policy", "spif"):
                self.contents[name] = b"".join(pieces)
            elif folder == "record":
                records += witness.openings(b"".join(pieces), witness.RECORD_FILE * int(name.split("/")[1]), self.next)
        for record in sorted(records, key=lambda r: r.index):
            if record.index != at:
                self.fault("record %d is missing", at)
            at = record.index + 1
            self.take(record)
        self.next = at

    def take(self, r):
        self.counts[r.kind] += 1
        if r.report:
            self.history[r.report].append("%d %s %s %s" % (r.index, r.kind, r.field(2, 0).decode().replace("\n", ","),
                                                           r.field(4, 1).decode().replace("\n", "; ")))
        handler = getattr(self, "take_" + r.kind.lower(), None)
        if r.kind != "DECISION":
            self.finish_intake()
        if handler:
            handler(r)

    def take_agreement(self, r):
        self.accepted[r.field(7, 1).decode()] = uint(r.field(7, 2)), r.field(7, 3), r.field(7, 4)[0] - 1

    def take_policy(self, r):
        cause = ("start", "reload")[r.field(7, 2)[0] - 1]
        digest = r.field(7, 0)
        policy, terms, refused = self.policies.get(digest, self.accepted)
        changes = self.world.changes
        while self.changes < len(changes) and changes[self.changes].cause != cause and not changes[self.changes].certain:
            del changes[self.changes]  # the broker was killed before it took that
        if self.changes == len(changes) or changes[self.changes].cause != cause:
            self.fault("a POLICY record that nobody asked for")
            return
        change = changes[self.changes]
        if refused != change.refused:
            self.fault("%d: not usable are %s, not %s", r.index, sorted(refused), sorted(change.refused))
        # what the log has not accepted yet waits for a member's bundle, and nobody can publish by it
        terms = {name: t for name, t in terms.items() if self.accepted.get(name, (0, b""))[1] == t}
        self.in_force.append(InForce(r.index, policy, terms, change))
        self.changes += 1

    def take_subscription(self, r):
        mode = ("LIVE", "EXERCISE")[r.field(7, 1)[0] - 1]
        self.subscriptions[(r.field(7, 0).decode(), mode, r.field(7, 2).decode())] = r.field(7, 3).decode(), r.index

    def take_intake(self, r):
        if r.report in self.intakes:
            self.fault("%d: %s has two INTAKE records", r.index, r.report.hex())
        self.intakes[r.report] = r
        facts, message = self.facts_of(r)
        self.same_as_sent(r, facts, message)
        now = self.in_force[-1]
        named = [a.name.decode() for a in message.agreements if now.terms.get(a.name.decode()) == a.terms]
        facts["agreements"] = list(dict.fromkeys(named))
        said = model.decide(now.policy, facts)
        if "refused" in said:
            self.fault("%d: accepted, and the model refuses it: %s", r.index, said["refused"])
            return
        self.pending = {d["recipient"]: d for d in said["decisions"]}
        self.last_intake = r, facts, now

    def take_decision(self, r):
        intake, facts, now = self.last_intake
        for recipient in r.field(2, 0).decode().split("\n"):
            want = self.pending.pop(recipient, None)
            if r.report != intake.report or want is None:
                self.fault("%d: a decision for %s that the model does not make", r.index, recipient)
                continue
            self.decided(r, recipient, facts, now, want, None)

    def finish_intake(self):
        for recipient in self.pending:
            self.fault("%d: no decision for %s", self.last_intake[0].index, recipient)
        self.pending = {}

    def take_approval(self, r):
        """What a person decided: of an obligation that was open then; all else is judged as ever."""
        kind, agreement, subject, approver, recipient, portion, answer = (r.field(7, k) for k in range(7))
        what = {"kind": ("review", "consent", "signer")[kind[0] - 1], "agreement": agreement.decode(),
                "approver": approver.decode(), "recipient": recipient.decode(), "portion": uint(portion)}
        if what["kind"] != "signer":
            what["rule" if what["kind"] == "review" else "source"] = subject.decode()
        was, (facts, _) = self.decisions.get((r.report, what["recipient"])), self.facts_of(r)
        if was is None or not any(same(what, o) for o in was.opened) or was.outcome != "hold":
            self.fault("%d: decides what was not open: %s", r.index, what)
            return
        before = model.decide(self.in_force[-1].policy, dict(facts, approvals=was.facts["approvals"]))["decisions"]
        asked = [dict(o, recipient=what["recipient"], portion=p["portion"]) for d in before for p in d["portions"]
                 for o in p["obligations"]]
        if what not in asked:
            self.fault("%d: decides what nobody asks for now, or what had run out: %s; open are %s", r.index, what, asked)
        self.approved[(r.report, what["recipient"])] += 1
        self.take_later(r, was.facts["approvals"] + [dict(what, decision=("approve", "reject")[answer[0] - 1])])

    def take_narrowed(self, r):
        was = self.decisions.get((r.report, r.field(2, 0).decode()))
        self.take_later(r, was.facts["approvals"] if was is not None else [])

    def take_later(self, r, approvals):
        recipient = r.field(2, 0).decode()
        was = self.decisions.get((r.report, recipient))
        facts, _ = self.facts_of(r)
        now = self.in_force[-1]
        said = {d["recipient"]: d for d in model.decide(now.policy, facts)["decisions"]}
        if was is None or uint(r.field(4, 4)) != was.record.index or set(said) != {recipient}:
            self.fault("%d: %s of what is not there", r.index, r.kind)
            return
        if facts["approvals"] != approvals:
            self.fault("%d: by approvals %s, not %s", r.index, facts["approvals"], approvals)
        before = {b["portion"]: sorted(b["agreements"]) for b in facts["before"]}
        if before != {n: sorted(names) for n, names in was.standing.items() if names}:
            self.fault("%d: before %s, not %s", r.index, before, was.standing)
        key = lambda o: tuple(sorted((k, v) for k, v in o.items()))  # noqa: E731
        if not {key(o) for o in was.opened} <= {key(o) for o in facts["opened"]}:
            self.fault("%d: opened %s, without %s", r.index, facts["opened"], was.opened)
        self.decided(r, recipient, facts, now, said[recipient], was)
        if facts["signer"] != ("revoked" if self.signer(r.report) in now.change.bad else "good"):
            self.fault("%d: the signer is said to be %s", r.index, facts["signer"])

    def signer(self, report):
        return self.ledger.published[report].manifest.originator.decode()

    def decided(self, r, recipient, facts, now, want, was):
        lines = r.field(4, 1).decode().splitlines()
        wanted = ["%d %s %s %s %s" % (p["portion"], p["verdict"], p["reason"], p["agreement"] or "-", p["rule"] or "-")
                  for p in want["portions"]]
        outcome = OUTCOMES[r.field(4, 0)[0] - 1]
        if lines != wanted or outcome != want["outcome"]:
            self.fault("%d: %s for %s is %s %s; the model says %s %s; facts %s", r.index, r.kind, recipient, outcome,
                       lines, want["outcome"], wanted, facts)
        d = Decision(r, recipient, facts, lines, outcome)
        prepared, later = model.prepare(now.policy, facts), facts["before"] is not None
        named = [now.policy.agreements[n] for n in dict.fromkeys(facts["agreements"]) if n in now.policy.agreements]
        for p in want["portions"]:
            if p["verdict"] == "withhold":
                continue
            kept = named if was is None else [a for a in named if a.name in was.standing.get(p["portion"], ())]
            d.standing[p["portion"]] = standing(now.policy, prepared, kept, recipient, p["portion"], later)
        known = {(o["kind"], o["agreement"], o.get("rule"), o.get("source"), o["approver"], o["portion"])
                 for o in facts["opened"] if o["recipient"] == recipient}
        d.opened = [o for o in facts["opened"] if o["recipient"] == recipient] + [
            dict(o, recipient=recipient, portion=p["portion"], time=facts["time"]) for p in want["portions"]
            for o in p["obligations"] if (o["kind"], o["agreement"], o.get("rule"), o.get("source"), o["approver"],
                                          p["portion"]) not in known]
        if outcome in DELIVERED:
            stays = was is not None and was.outcome in DELIVERED
            d.queued_as = was.queued_as if stays else r.index
        if was is not None:
            was.until_us = r.time
        d.first_queued = was.first_queued if was is not None and was.first_queued is not None else d.queued_as
        self.decisions[(r.report, recipient)] = d
        self.counts["judged"] += len(lines)
        for line in lines:
            self.reasons[" ".join(line.split(" ")[1:3])] += 1

    def take_delivery(self, r):
        recipient = r.field(2, 0).decode()
        d = self.decisions[(r.report, recipient)]
        self.deliveries[r.index] = self.by_leaf[r.leaf_hash] = d, r
        self.given[(r.report, recipient)].append(d)
        now = self.in_force[-1]
        for n in d.released:
            if not self.allows(d, n, now, r.time):
                self.fault("%d: DELIVERY to %s of portion %d, which may not go", r.index, recipient, n)

    def take_ack(self, r):
        body = r.field(7, 0)
        for i in range(0, len(body), 8):
            self.acked[uint(body[i:i + 8])] += 1

    def take_expire(self, r):
        d = self.decisions[(r.report, r.field(2, 0).decode())]
        if uint(r.field(7, 0)) > r.time or d.facts["expires"] != moment(uint(r.field(7, 0))):
            self.fault("%d: EXPIRE before its time", r.index)
        self.expired.add((r.report, d.recipient))

    def facts_of(self, r):
        return read_facts(self.contents["facts/" + r.field(4, 3).hex()])

    def same_as_sent(self, r, facts, message):
        """What was judged is what its originator sent."""
        p = self.ledger.published.get(r.report)
        if p is None:
            self.fault("%d: nobody sent %s", r.index, r.report.hex())
            return
        m = p.manifest
        labels = [[(l.vocabulary, l.classification, [(c.name, tuple(c.values)) for c in l.categories]) for l in q.labels]
                  for q in message.portions]
        said = (facts["originator"], message.topic, message.precedence, message.mode, message.expires, labels,
                [q.content_type for q in message.portions], facts["only_to"], list(message.not_to),
                [s.id for s in message.sources], [(a.name, a.terms) for a in message.agreements])
        sent = (p.party, m.topic, m.precedence, m.mode, m.expires * 1000, p.labels, p.types,
                [n.decode() for n in p.routing.only_to.name] if p.routing.HasField("only_to") else None,
                list(p.routing.not_to), list(p.routing.sources), [(a.name, a.terms) for a in p.routing.agreements])
        if said != sent:
            self.fault("%d: judged %s, sent %s", r.index, said, sent)

    # ---- whether something may go ----
    def allows(self, d, portion, now, time_us):
        """Whether a released portion may (still) go at 'time_us' under a policy in force."""
        key = d.record.index, now.index
        if key not in self.prepared:
            before = [{"recipient": d.recipient, "portion": n, "agreements": a} for n, a in d.standing.items()]
            bad = self.signer(d.record.report) in now.change.bad
            self.prepared[key] = model.prepare(now.policy, dict(
                d.facts, before=before, opened=d.opened, signer="revoked" if bad else "good"))
        facts = dict(self.prepared[key], time_us=time_us)
        return judge_later(now.policy, facts, d.recipient, portion)["verdict"] == "release"

    def could_go(self, d, portion, since, until):
        """Whether it may have left between two moments of our clock, with what was then decided and in force."""
        clock = self.world.clock
        if d.until_us is not None and d.until_us < clock.least_us(since - LATE):
            return False
        for now in self.in_force:
            c = now.change
            if c.since > until or (c.until is not None and c.until < since - LATE):
                continue
            if self.allows(d, portion, now, clock.least_us(max(since - LATE, c.since), until)):
                return True
        return False

    def moments(self, d, since, until):
        """What a fault about time needs to say; seconds from its earliest moment."""
        then = lambda mono: mono and round(mono - since, 3)  # noqa: E731
        at, near = self.world.clock.at_us(since), []
        for now in self.in_force:
            c = now.change
            if c.since < until + 5 and (c.until is None or c.until > since - 5):
                near.append("%d (%s) from %s, known %s, until %s: %s" % (
                    now.index, c.cause, then(c.since), then(c.known), then(c.until),
                    "".join("-+"[self.allows(d, n, now, at)] for n in d.released)))
        return "left within %s s; by %d of %s, replaced %s; %s" % (
            then(until), d.record.index, (d.record.time - at) / 1e6, d.until_us and (d.until_us - at) / 1e6, near)

    # ---- what came ----
    def judge_got(self):
        got = self.ledger.got
        for g in got[self.judged_got:]:
            self.judge_one(g)
        self.judged_got = len(got)
        for s in self.ledger.sightings[self.judged_sightings:]:
            self.judge_sighting(s)
        self.judged_sightings = len(self.ledger.sightings)

    def judge_one(self, g):
        d, r = self.by_leaf.get(g.leaf, (None, None))
        if d is None or (d.record.report, d.recipient) != (g.report, g.key[0]):
            self.fault("%s got %s without a DELIVERY record", g.key, g.report.hex())
            return
        if not all(self.could_go(d, n, g.since, g.until) for n in d.released):
            self.fault("%s got %s by %d, which no longer held; %s", g.key, g.report.hex(), d.record.index,
                       self.moments(d, g.since, g.until))
        if g.portions != d.released:
            self.fault("%s got portions %s of %s; %d released %s", g.key, g.portions, g.report.hex(), d.record.index,
                       d.released)
        if g.agreements != [a for a in r.field(2, 1).split(b"\n") if a]:
            self.fault("%s got %s under %s", g.key, g.report.hex(), g.agreements)
        m = self.ledger.published[g.report].manifest
        if m.not_before and m.not_before > self.world.clock.furthest_us(g.until) // 1000:
            self.fault("%s got %s before its time", g.key, g.report.hex())
        self.counts["deliveries"] += 1
        if g.first and g.attempt == 1 and not m.not_before:
            self.judge_order(g, d, m)

    def judge_order(self, g, d, m):
        lane = (g.line, g.key, d.facts["originator"], m.precedence)
        last = self.order.get(lane)
        if last is not None and last[0] > d.queued_as:
            ends = self.ledger.ends[g.key]
            at = bisect.bisect_left(ends, last[1].since - REACH)
            if at == len(ends) or ends[at] > g.until:
                self.fault("%s got %s (deliverable by %d) after %s (by %d)", g.key, g.report.hex(), d.queued_as,
                           last[1].report.hex(), last[0])
        self.order[lane] = d.queued_as, g
        self.counts["in order"] += 1

    def judge_sighting(self, s):
        report, portion = self.ledger.canaries.get(s.canary, (None, None))
        if report is None:
            self.fault("%s saw a canary of nobody", s.party)
            return
        held = [d for d in self.given[(report, s.party)] if portion in d.released]
        if not held:
            self.fault("%s got a byte of portion %d of %s, which no decision released to it", s.party, portion, report.hex())
        elif not any(self.could_go(d, portion, s.since, s.until) for d in held):
            self.fault("%s got a byte of portion %d of %s, when the policy in force forbade it; %s", s.party, portion,
                       report.hex(), [self.moments(d, s.since, s.until) for d in held])
        self.counts["sightings"] += 1

    def judge_all(self):
        self.judge_got()
        self.judge_answers()

    def judge_answers(self):
        """Every receipt survives; every refusal is the model's."""
        for p in self.ledger.published.values():
            if p.receipt is not None and p.id not in self.answered:
                self.answered.add(p.id)
                r = self.intakes.get(p.id)
                if r is None or (r.index, r.time, r.leaf_hash) != (p.receipt.index, p.receipt.accepted,
                                                                    p.receipt.evidence.leaf_hash):
                    self.fault("the receipt of %s is not in the log", p.id.hex())
            for code, sent, answered in p.refused:
                if code not in TRANSIENT and (p.id, sent) not in self.answered:
                    self.answered.add((p.id, sent))
                    self.judge_refusal(p, code, sent, answered)

    def judge_refusal(self, p, code, sent, answered):
        said = set()
        for now in self.in_force:
            if now.change.since > answered or (now.change.until is not None and now.change.until < sent):
                continue
            if p.manifest.originator.decode() in now.change.bad:
                # its session is still on its way out
                said.add("unknown-agent" if p.party == now.change.gone else "bad-signature")
            clock = self.world.clock  # set back, the broker stands still at what it had said before
            for at in (clock.at_us(sent), clock.at_us(answered), clock.furthest_us(answered)):
                said.add(model.decide(now.policy, sent_facts(p, now.terms, at)).get("refused"))
        if code not in said:
            self.fault("%s of %s was refused with %s; the model says %s", p.id.hex(), p.party, code, said)
        self.reasons["refused " + code] += 1


def sent_facts(p, terms, time_us):
    """What is judged of a report that was not accepted."""
    m, r = p.manifest, p.routing
    return {"originator": p.party, "topic": m.topic.decode(), "precedence": pb.Precedence.Name(m.precedence),
            "mode": pb.Mode.Name(m.mode).lower(), "time": moment(time_us), "sources": [], "approvals": [],
            "expires": moment(m.expires * 1000) if m.expires else None,
            "agreements": [a.name.decode() for a in r.agreements if terms.get(a.name.decode()) == a.terms] or ["?"],
            "only_to": [n.decode() for n in r.only_to.name] if r.HasField("only_to") else None,
            "not_to": [n.decode() for n in r.not_to],
            "portions": [{"content_type": t.decode(), "labels": [
                {"vocabulary": v.decode(), "classification": c.decode(),
                 "categories": {n.decode(): [x.decode() for x in values] for n, values in categories}}
                for v, c, categories in labels]} for t, labels in zip(p.types, p.labels)]}
