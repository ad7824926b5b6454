"""inflight_end.py - the ends of test_inflight.py: everything that waits is let go, and then nothing may be missing."""
import collections
import os
import subprocess
import sys
import time

import inflight_clients as clients
import inflight_judge
import inflight_world as world
import model
import rig
import wire
from test_again import rows

SETTLE_SECONDS = 60


def settle(flight):
    """Peace: the usual policy, everybody trusted, every subscription read, and time enough.  Then nothing waits."""
    w = flight.world
    for line in flight.alive():
        line.expected = True
        line.stalled = False
        line.pump()
        if line.alive:
            line.end()
    w.trust.peace()
    w.without = False
    for a in w.agreements:
        a.peace()
    if flight.doubt:
        flight.accept_clock()
    flight.reload()
    flight.look()
    keys = sorted(flight.judge.subscriptions)
    for party in world.PARTIES:
        line = flight.connect(flight.slots.index((party, world.PATHS[0])))
        for owner, mode, name in keys:
            if owner == party:
                line.subscribe_to(name, "", mode, 1024)
    drain(flight)
    flight.look()
    nothing_is_missing(flight)


def drain(flight):
    end, stepped = time.monotonic() + SETTLE_SECONDS, time.monotonic()
    while rows(flight.lab, "queue") or rows(flight.lab, "hold") or any(l.unacked for l in flight.alive()):
        if time.monotonic() > end:
            raise AssertionError("%d still queued, %d held after %d s of peace" % (
                len(rows(flight.lab, "queue")), len(rows(flight.lab, "hold")), SETTLE_SECONDS))
        flight.wait_a_little()
        for line in flight.alive():
            by_number = collections.defaultdict(list)
            for n in line.unacked:
                by_number[n[0]].append(n)
            for numbers in by_number.values():
                line.acknowledge(numbers)
        if flight.doubt:
            flight.accept_clock()
        elif flight.clock.can_be_set and time.monotonic() > stepped + 1:
            flight.clock.set(flight.clock.offset + 30)
            stepped = time.monotonic()


def nothing_is_missing(flight):
    """O3: whatever was accepted ended, and the log says how."""
    j, ledger = flight.judge, flight.ledger
    acked = collections.Counter()
    for index, count in j.acked.items():
        d, _ = j.deliveries[index]
        acked[(d.record.report, d.recipient)] += count
    sure, sent = collections.Counter(), collections.Counter()
    for (key, report), (_, settled, times) in ledger.acks.items():
        sure[(report, key[0])] += settled is not None
        sent[(report, key[0])] += times
    for at, n in ledger.decided.items():
        if j.approved[at] < n:
            ledger.fault("%s for %s: %d portions decided, %d APPROVALs", at[0].hex(), at[1], n, j.approved[at])
    for at, d in j.decisions.items():
        if not sure[at] <= acked[at] <= sent[at]:
            ledger.fault("%s for %s: %d ACKs on record, %d sure, %d sent", at[0].hex(), at[1], acked[at], sure[at], sent[at])
        if d.outcome == "hold" and at not in j.expired:
            ledger.fault("%s for %s is held by %d", at[0].hex(), at[1], d.record.index)
        if d.outcome not in inflight_judge.DELIVERED or at in j.expired:
            continue
        m = ledger.published[at[0]].manifest
        for (party, mode, name), (pattern, index) in j.subscriptions.items():
            if party != at[1] or mode != wire.pb.Mode.Name(m.mode) or not model.topic_matches(pattern, m.topic.decode()):
                continue
            if index < d.first_queued and ((party, mode, name), at[0]) not in ledger.acks:
                ledger.fault("%s, deliverable to %s by %d, is neither queued nor acknowledged", at[0].hex(),
                             (party, mode, name), d.queued_as)
    j.complain()


def prove(flight):
    """O4: the whole log, and each party's own, by all verifiers; those that look at a clock live by the broker's."""
    lab, clock = flight.lab, flight.clock
    lab.prove(9 if clock.can_be_set else 0)
    folder, key = os.path.join(lab.base, "proved-" + lab.context_name("hub")), lab.agent("hub").log_key
    for command in ([clock.wrapped(rig.program("relto-verify")), "verify"], [clock.wrapped(sys.executable), rig.SECOND]):
        got = subprocess.run(command + [folder, "--key", key], capture_output=True, timeout=600)
        if got.returncode:
            raise AssertionError("%s: %d\n%s" % (command, got.returncode, (got.stdout + got.stderr).decode()[:5000]))
    print(got.stdout.decode().strip())
    for root, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(root, name), "rb") as f:
                if clients.CANARY.search(f.read()):
                    raise AssertionError("a body in %s" % os.path.join(root, name))
