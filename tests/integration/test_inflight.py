#!/usr/bin/python3
"""test_inflight.py - policy in flight: random steps against a real broker while its policy, its trust, its clock and its
life change under what is published, waits and is delivered (design S1 to S6, S9; section 5).

A run is RELTO_STEPS steps (5,000; with RELTO_CHECK_FULL=1 ten runs of them), each drawn from the seed and its number.
RELTO_SEED picks the seed; a run that fails prints how to repeat it.  What is judged, and how, is in inflight_judge.py and
inflight_end.py.  The clock is only set where libfaketime can be loaded: not ahead of a sanitizer.
"""
import collections
import datetime
import os
import random
import re
import secrets
import select
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import inflight_clients as clients  # noqa: E402
import inflight_end  # noqa: E402
import inflight_judge  # noqa: E402
import inflight_world as world  # noqa: E402
import wire  # noqa: E402
from wire import pb  # noqa: E402

STEPS = int(os.environ.get("RELTO_STEPS", "5000"))
LIVES = 10 if os.environ.get("RELTO_CHECK_FULL") == "1" else 1
STEPS_WITHOUT_CLOCK = 500  # the sanitizers' part
JUDGED_EVERY = 250
USUAL = 0.8  # of the changes to a policy, so many go back towards what is usual
TOPICS = ["maritime.piracy", "maritime.piracy", "maritime.piracy.gulf", "cyber.indicators.ip", "cyber.c2"]
PRECEDENCES = ["ROUTINE", "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"]
PATTERNS = {"inbox": ">", "cyber": "cyber.>", "maritime": "maritime.>", "piracy": "*.piracy"}
MODES = {"LIVE": [["atlas"], ["nordic"], ["atlas", "nordic"], ["nordic", "atlas"]], "EXERCISE": [["drill"]]}
SLOTS = [(p, path) for p in world.PARTIES for path in world.PATHS for _ in range(2)]
SWEPT_SECONDS = 3  # test_trust.py holds the broker to one second (S9); here that it happens at all
OPEN = [wire.label("ATLAS", "UNCLASSIFIED", Releasable_To=["ATLAS"])]
BIG = 400000  # several frames, and more than what a stalled reader takes
FAILURES = re.compile(rb"(?:delivery|batch|export|records)\.(?:failed|lost)|queue\.unreadable|store\.(?:broken|damaged)")


def random_label(r):
    kind = r.random()
    if kind < 0.3:
        return wire.label("TLP", r.choice(["CLEAR", "GREEN", "GREEN", "AMBER", "RED"]))
    if kind < 0.35:
        return wire.label("GBR-NATIONAL", r.choice(["OFFICIAL-SENSITIVE", "SECRET"]),
                          Eyes_Only=r.sample(["UK", "UKNOR"], r.randint(1, 2)))
    categories = {}
    if r.random() < 0.95:
        categories["Releasable_To"] = r.choice([["ATLAS"], ["ATLAS"], ["ATLAS", "INTERPOL"], ["GBR", "NOR"], ["NOR", "KEN"], ["KEN"], ["GBR"]])
    if r.random() < 0.25:
        categories["Handling"] = [r.choice(["FININT", "FININT", "ORCON", "HUMINT"] + ["no such"] * (r.random() < 0.1))]
    return wire.label("ATLAS", r.choice(["UNCLASSIFIED", "RESTRICTED", "RESTRICTED", "CONFIDENTIAL", "SECRET", "SECRET"]),
                      **categories)


def random_labels(r):
    labels = [random_label(r) for _ in range(r.choice([1, 1, 2]))]
    return labels if len({l[0] for l in labels}) == len(labels) else labels[:1]


class Flight:
    """One lab, its parties, and what happens to them."""

    def __init__(self, seed, can_step):
        self.seed, self.number = seed, 0
        self.world = world.World(can_step)
        self.lab, self.clock = self.world.lab, self.world.clock
        self.ledger = clients.Ledger()
        self.judge = inflight_judge.Judge(self.ledger, self.world)
        self.slots, self.lines = SLOTS, [None] * len(SLOTS)
        self.terms = {p: {} for p in world.PARTIES}
        self.stale, self.doubt, self.agents, self.hub_memory, self.said = {}, False, {}, None, b""
        self.counts = self.judge.counts

    def now_ms(self):
        return self.clock.now_us() // 1000

    # ---- connections ----
    def agent(self, party, path):
        if (party, path) not in self.agents:
            self.agents[(party, path)] = self.lab.agent(party.lower(), path)
        self.agents[(party, path)].server = self.lab.address
        return self.agents[(party, path)]

    def connect(self, slot):
        """A line for a slot, or None: then the broker must have had a reason."""
        party, path = self.slots[slot]
        begun = time.monotonic()
        try:
            line = clients.Line(self.agent(party, path), party, self.ledger, now_ms=self.now_ms)
        except (OSError, wire.Closed, wire.Refused) as e:
            if not self.was_bad(world.agent_id(party, path), begun):
                self.ledger.fault("%s%s cannot connect: %s", party, path, e)
            return None
        self.terms[party] = line.terms
        self.lines[slot] = line
        return line

    def was_bad(self, agent, since):
        """Whether something that was in force since then, or not surely out of force by then, forbade the agent."""
        return any(agent in c.bad for c in self.world.changes
                   if c.until is None or c.until > since - inflight_judge.LATE)

    def alive(self, *parties):
        return [l for l in self.lines if l is not None and l.alive and (not parties or l.party in parties)]

    def stopped_unseen(self):
        """What was to go to one of several readers of a subscription may be stopped before its first frame, and come later."""
        readers = collections.Counter(key for line in self.alive() for key in set(line.keys.values()))
        for key in [k for k, n in readers.items() if n > 1]:
            self.ledger.ends[key].append(time.monotonic())

    def set_clock(self, offset):
        self.clock.set(offset)
        self.stopped_unseen()

    def pump(self):
        for line in self.alive():
            line.pump()
            if not line.alive and not line.expected and not self.was_bad(line.agent.id, line.ended - 1):
                self.ledger.fault("the session of %s ended: %s", line.agent.id, line.why)
            if line.alive and not line.stalled and self.must_be_gone(line.agent.id):
                self.ledger.fault("the session of %s goes on", line.agent.id)
        self.hear()

    def must_be_gone(self, agent):
        """Whether nothing that was in force for so long allows the agent."""
        known = None
        for c in reversed(self.world.changes):
            if agent not in c.bad:
                break
            known = c.known or known
        return known is not None and time.monotonic() > known + SWEPT_SECONDS

    def hear(self):
        """What the broker's log says, which names no body and no failure of ours."""
        said = self.world.words()
        for c in clients.CANARY.findall(said):
            self.ledger.fault("a body in the log of the broker: %s", c.hex())
        for event in FAILURES.findall(said):
            self.ledger.fault("the broker says %s", event.decode())
        self.doubt = self.doubt or b"clock.doubt" in said
        self.said += said

    def wait(self, done, what, seconds=world.RELOAD_SECONDS):
        """Pumps until 'done' is true."""
        end = time.monotonic() + seconds
        while not done():
            self.pump()
            if time.monotonic() > end:
                raise AssertionError("%s: not within %d s" % (what, seconds))
            self.wait_a_little(0.002)

    def wait_a_little(self, seconds=0.02):
        """For something to come, but no longer."""
        select.select([l.tls for l in self.alive() if not l.stalled], [], [], seconds)
        self.pump()

    # ---- steps ----
    def publish(self, r):
        lines = self.alive()
        if not lines:
            return self.open_some(r)
        line = r.choice(lines)
        for _ in range(r.choice([1, 1, 2, 4])):
            line.publish_it(self.report(r, line))

    def report(self, r, line, size=0):
        """Any report; a large one is for whoever reads."""
        mode = r.choice(["LIVE"] * 5 + ["EXERCISE"]) if not size else "LIVE"
        names = r.choice(MODES[mode])
        known, old = self.terms[line.party], self.stale.get(line.party, {})
        terms = [(n, (old if r.random() < 0.05 else known).get(n) or r.randbytes(32)) for n in names]
        now = self.now_ms()
        report = wire.Report(line.agent, r.choice(TOPICS), terms, r.choice(PRECEDENCES), mode, now)
        canaries = []
        for _ in range(r.choice([1, 1, 2, 3, 4])):
            canaries.append(clients.canary(r))
            body = canaries[-1] + bytes(size) + canaries[-1]
            report.portion(random_labels(r) if not size else OPEN, body, r.choice(["text/plain"] * 4 + ["text/html"]))
        if not size:
            self.restrict(r, report, now)
        p = clients.Published(line.party, report, report.seal(), canaries)
        self.ledger.publish(p)
        return p

    def restrict(self, r, report, now):
        if r.random() < 0.12:
            report.manifest.expires = now + r.choice([300, 1500, 8000, 60000])
        if r.random() < 0.08:
            report.manifest.not_before = now + r.choice([200, 1000, 20000])
        if r.random() < 0.08:
            report.routing.only_to.SetInParent()
            report.routing.only_to.name.extend(n.encode() for n in r.sample(world.PARTIES, r.randint(0, 3)))
        if r.random() < 0.06:
            report.routing.not_to.extend([r.choice(world.PARTIES + ("XXX",)).encode()])
        if r.random() < 0.03:
            report.routing.sources.extend([r.randbytes(16)])

    def publish_big(self, r):
        """A report of several frames for a reader that does not read; (reader, who sent it, report), or nothing."""
        lines = [l for l in self.alive() if not l.stalled]
        readers = [l for l in lines if (l.party, "LIVE", "inbox") in l.keys.values()]
        reader = r.choice(readers) if readers else None
        writers = [l for l in lines if reader is not None and l.party != reader.party]
        if not writers:
            return None
        reader.stall()
        line = r.choice(writers)
        p = self.report(r, line, BIG)
        line.publish_it(p)
        return reader, line, p

    def suspend_half_way(self, r):
        """Such a report, and then no agreement any more by which the rest of it could go."""
        sent = self.publish_big(r)
        if sent is None:
            return
        reader, line, p = sent
        self.wait(lambda: p.receipt or p.refused or not line.alive, "an answer")
        for a in self.world.agreements:
            a.suspended = True
        self.reload()
        end = time.monotonic() + inflight_judge.LATE + 0.2
        while time.monotonic() < end:
            r.choice([Flight.publish, Flight.acknowledge, Flight.open_some])(self, r)
            self.wait_a_little(0.05)
        reader.resume()
        self.stopped_unseen()

    def publish_again(self, r):
        lines = self.alive()
        known = [p for p in list(self.ledger.published.values())[-200:] if p.may_ask_again()]
        if lines and known:
            p = r.choice(known)
            mine = [l for l in lines if l.agent.id == p.manifest.originator.decode()]
            if mine:
                r.choice(mine).publish_it(p)

    def acknowledge(self, r):
        lines = [l for l in self.alive() if l.unacked]
        if not lines:
            return
        line = r.choice(lines)
        for number in {s for s, _ in line.unacked}:
            mine = [n for n in line.unacked if n[0] == number]
            if r.random() < 0.2:
                mine = r.sample(mine, r.randint(0, len(mine)))
            if mine:
                line.acknowledge(mine)

    def open_some(self, r):
        """Opens what is closed, and reads something with it."""
        closed = [i for i, l in enumerate(self.lines) if l is None or not l.alive]
        if not closed:
            return
        line = self.connect(r.choice(closed))
        if line is None:
            return
        for _ in range(r.choice([0, 1, 1, 2])):
            name = r.choice(["inbox", "inbox", "cyber", "maritime", "piracy"])
            line.subscribe_to(name, PATTERNS[name], r.choice(["LIVE", "LIVE", "LIVE", "EXERCISE"]), r.choice([1, 4, 64, 512]))

    def decide(self, r):
        """A release officer looks at what waits for the party, and decides some of it."""
        party = r.choice(world.PARTIES)
        begun = time.monotonic()
        try:
            with wire.Client(self.agent(party, world.OFFICE)) as office:
                for hold in office.holds():
                    if r.random() < 0.5:
                        self.answer(r, office, hold)
        except (OSError, wire.Closed, wire.Refused, TimeoutError) as e:
            if not any(self.was_bad(world.agent_id(party, path), begun) for path in world.PATHS):
                self.ledger.fault("the release officer of %s cannot work: %s", party, e)

    def answer(self, r, office, hold):
        portions = [p.portion for p in hold.portions]
        some = r.sample(portions, r.randint(0, len(portions)))
        try:
            got = office.decide(hold.hold, r.choice(["APPROVE", "APPROVE", "REJECT"]), portions=sorted(some))
            self.ledger.decided[(hold.report, hold.recipient.decode())] += len(got.portions)
            self.counts["portions decided"] += len(got.portions)
        except wire.Refused as e:
            if e.code not in ("unknown-hold", "clock", "busy"):
                self.ledger.fault("a decision was refused with %s", e.code)

    def drop(self, r):
        lines = self.alive()
        if len(lines) < 4:
            return
        line = r.choice(lines)
        line.expected = True
        if r.random() < 0.3:
            line.say("bye", pb.Bye())
        line.end()

    def stall(self, r):
        lines = self.alive()
        stalled = [l for l in lines if l.stalled]
        if not stalled and len(lines) > 3:
            r.choice(lines).stall()
        elif stalled:
            r.choice(stalled).resume()
            self.stopped_unseen()

    def change_policy(self, r):
        for _ in range(r.choice([1, 1, 2, 4])):
            kind = r.random()
            if kind < 0.2:
                self.world.trust.change(r)
            elif kind < 0.23:
                self.world.without = not self.world.without
            else:
                r.choice(self.world.agreements).change(r, self.clock.today(), USUAL)
        self.reload()

    def same_version(self, r):
        """Other terms under a version that was used: that agreement must not be usable, and the others are."""
        a = r.choice(self.world.agreements)
        if not self.world.trust.spoiled:  # new terms wait then, whatever they are
            a.change(r, self.clock.today(), USUAL)
            self.reload(same_version=a)

    def reload(self, same_version=None):
        self.world.write(same_version)
        change = self.world.told("reload")
        self.signal(b"policy.in-force")
        self.world.in_force(change)
        self.stopped_unseen()
        self.new_terms()

    def signal(self, word):
        """SIGHUP; waits for the word that ends it."""
        self.hear()
        self.said = b""
        self.lab.signal(1)
        self.wait(lambda: b"policy.in-force" in self.said or b"reload.failed" in self.said, "a reload")
        if word not in self.said:
            raise AssertionError("the reload: %s" % self.said.decode(errors="replace"))

    def new_terms(self):
        self.stale = {p: dict(t) for p, t in self.terms.items()}
        for party in world.PARTIES:
            for line in [l for l in self.alive(party) if not l.stalled][:1]:
                line.say("whoami", pb.Whoami(), lambda what, body, party=party: self.know_terms(party, what, body))

    def know_terms(self, party, what, body):
        if what == "identity":
            self.terms[party] = {a.name.decode(): a.terms for a in body.agreements}

    def broken_files(self, r):
        name, spoil = r.choice(world.BROKEN)
        good = self.lab.read(name)
        self.lab.write(name, spoil(good) if spoil(good) != good else good + "}\n")
        try:
            self.signal(b"reload.failed")
        finally:
            self.lab.write(name, good)

    def step_clock(self, r):
        if self.doubt:
            return self.accept_clock()
        if self.clock.can_be_set:
            self.set_clock(self.clock.offset + r.choice([1, 3, 10, 30, 50, -4]))

    def jump(self, r):
        """To a little before midnight, one day or two from now; an operator must accept it."""
        if not self.clock.can_be_set:
            return
        now = datetime.datetime.utcfromtimestamp(self.clock.now_us() / 1e6)
        midnight = datetime.datetime.combine(now.date() + datetime.timedelta(days=r.choice([1, 1, 2, 3])), datetime.time())
        self.set_clock(self.clock.offset + int((midnight - now).total_seconds()) - r.choice([20, 20, -20]))

    def accept_clock(self):
        with self.lab.client("hub", "/operator") as c:
            try:
                c.ask("accept_clock", pb.AcceptClock())
            except wire.Refused as e:
                if e.code != "clock":  # it says that nothing is in doubt
                    raise
        self.doubt = False

    def kill(self, r):
        """In the middle of publishing, and perhaps of a reload."""
        self.publish(r)
        if r.random() < 0.3:
            r.choice(self.world.agreements).change(r, self.clock.today(), USUAL)
            self.world.write()
            self.world.told("reload").certain = False
            self.lab.signal(1)
            for _ in range(r.randrange(60)):
                self.pump()
        self.goodbye()
        self.lab.kill()
        self.restart(r)

    def restart_cleanly(self, r):
        self.goodbye()
        self.lab.signal(15)
        self.wait(lambda: self.lab.process.poll() is not None, "the end of reltod")
        if self.lab.stop() != 0:
            self.ledger.fault("reltod ended badly:\n%s", self.lab.messages()[-2000:])
        self.restart(r)

    def goodbye(self):
        for line in self.alive():
            line.expected = True

    def restart(self, r):
        for line in self.alive():
            line.stalled = False
            line.pump()
            if line.alive:
                line.end()
        self.world.trust.spoiled.clear()  # a start does without nobody's files
        self.world.write()
        self.world.start()
        self.new_terms()
        for _ in range(4):
            self.open_some(r)

    KINDS = ([publish] * 36 + [acknowledge] * 24 + [open_some] * 12 + [drop] * 4 + [change_policy] * 9 + [stall] * 2
             + [step_clock] * 4 + [publish_again] * 3 + [decide] * 8)
    RARE = [kill] * 6 + [restart_cleanly] * 4 + [same_version] * 6 + [broken_files] * 8 + [jump] * 4 + [publish_big] * 8
    RARE += [suspend_half_way] * 3

    def step(self):
        r = random.Random("%d:%d" % (self.seed, self.number))
        self.number += 1
        kind = r.choice(self.RARE if r.random() < 0.04 else self.KINDS)
        self.counts[kind.__name__.replace("_", " ")] += 1
        kind(self, r)
        self.pump()

    # ---- judging ----
    def look(self):
        """Everything so far is judged."""
        self.pump()
        with self.lab.client("hub", memory=self.hub_memory, tap=[]) as hub:
            self.hub_memory = hub.memory
            self.judge.read_log(hub)
            for data in hub.tap:
                for c in clients.CANARY.findall(data):
                    self.ledger.fault("a body in the bundle: %s", c.hex())
        self.judge.judge_all()
        self.judge.complain()

    def run(self, steps):
        self.world.start()
        for _ in range(8):
            self.open_some(random.Random(self.seed))
        for n in range(steps):
            self.step()
            if n % JUDGED_EVERY == JUDGED_EVERY - 1:
                self.look()
            if n in (steps // 2, steps - 1):
                inflight_end.settle(self)
        inflight_end.prove(self)


def can_step():
    """Whether the broker's clock can be set."""
    sanitized = rig.sanitized()
    if not sanitized and not os.path.exists(world.FAKETIME):
        raise unittest.SkipTest("NO libfaketime: install the package faketime")
    return not sanitized


class PolicyInFlight(unittest.TestCase):
    def test_nothing_leaves_that_the_policy_of_its_moment_forbids_and_nothing_is_lost(self):
        first = int(os.environ.get("RELTO_SEED", "0")) or secrets.randbits(31)
        stepped = can_step()
        for seed in range(first, first + LIVES):
            steps = STEPS if stepped or "RELTO_STEPS" in os.environ else STEPS_WITHOUT_CLOCK
            self.one_life(seed, steps, stepped)

    def one_life(self, seed, steps, stepped):
        print("seed %d, %d steps" % (seed, steps), flush=True)
        flight = Flight(seed, stepped)
        begun = time.monotonic()
        try:
            flight.run(steps)
        except BaseException:
            print("at step %d; to repeat: RELTO_SEED=%d RELTO_STEPS=%d %s" % (flight.number, seed, steps, __file__))
            if flight.lab.process:
                print(flight.lab.messages()[-3000:])
            raise
        finally:
            flight.lab.remove()
        flight.counts["messages stopped half way"] = flight.ledger.voids
        print("%.0f s; %s" % (time.monotonic() - begun, ", ".join(
            "%s %d" % kv for c in (flight.counts, flight.judge.reasons) for kv in sorted(c.items()))))


if __name__ == "__main__":
    unittest.main(verbosity=2)
