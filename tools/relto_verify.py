#!/usr/bin/env python3
"""relto_verify.py - a second verifier of bundles, written from docs/audit-format.md alone.

    relto_verify.py BUNDLE --key VKEY_OR_FILE

It shares nothing with relto-verify and needs Python 3 alone. It prints one JSON line; exit codes: section 9 of the
format. Without X.509, witnesses' keys and a memory it does not check who signed reports and attestations, cosignatures,
forks and age; it says so.
"""
import base64
import json
import os
import re
import sys
import time

sys.dont_write_bytecode = True
from relto_bundle import Bundle  # noqa: E402
from relto_format import (  # noqa: E402
    CONSISTENCY, CONTENT, DECIDING, GAP, INCLUSION, MALFORMED, OF_REPORTS, OPENED_BY_8, SIGNATURE, TIME, Record, Tree,
    need, order_of, party_leaf, proto, read_vkey, sha)

USAGE = 1
GRAVEST = (SIGNATURE, MALFORMED, INCLUSION, CONSISTENCY, CONTENT, GAP, TIME)
QUEUED = ("EXPIRE", "RECALL", "SUPERSEDE", "DEAD_LETTER")  # they name the current decision


class Verifier(Bundle):
    """Section 9: every record against those before it, and against the contents."""

    def __init__(self, folder):
        super().__init__(folder)
        self.opened, self.time, self.policy, self.tree, self.trees = 0, 0, None, Tree(), {}
        self.intakes = {}  # (publisher, report) -> INTAKE
        self.heads = {}  # (publisher, report) -> commitments of the heads, if all are there
        self.current = {}  # (publisher, report, recipient) -> (index, portions released or held, released digest)
        self.deliveries = {}  # index -> (recipient, publisher)
        self.run = (None, None)  # the INTAKE whose first decisions these are, and the last of them
        self.closed, self.erased = set(), set()  # records without slot 6; records that an ERASE names

    def walk(self):
        for index, opening in self.openings():
            self.check(opening or self.party or index < self.first, GAP, index, "not opened")
            r = self.guard(index, Record, index, opening, self.leaves[index]) if opening else None
            if r:
                self.opened += 1
                self.guard(index, self.record, r)
            self.tree.extend(self.leaves[index:index + 1])
        wrong = self.closed ^ {i for i in self.erased if i >= self.first}
        for index in () if self.party else sorted(wrong):
            self.check(False, GAP, index, "slot 6 is closed and no ERASE says so, or open though one does")

    def record(self, r):
        self.check(r.time >= self.time, TIME, r.index, "its time is before that of the record before")
        self.check(r.time // 1000000 <= time.time() + 300, TIME, r.index, "its time is in the future")
        self.time = r.time
        self.view(r)
        if r.type == "INTAKE" or r.type in DECIDING:
            good = r.get(4, "policy") == self.policy or self.first and not self.policy
            self.check(good or self.party or 4 not in r.slots, GAP, r.index, "not under the last policy")
            self.facts(r)
        call = getattr(self, "on_" + ("decision" if r.type in DECIDING else r.type.lower()), None)
        if r.type in QUEUED and {2, 3, 7} <= set(r.slots):
            self.queued(r)
        elif call:
            call(r)
        if self.first == 0:
            self.grow(r)

    def view(self, r):
        """The slots that section 4 opens, the places that section 2 demands."""
        want = "1234578"
        if self.party:
            want = ("1234" + "7" * (r.type != "APPROVAL")) * (3 in r.slots) + "17" * (r.type == "PARTY_HEAD")
            want += OPENED_BY_8.get(r.type, "18") * (8 in r.slots)
        elif 6 not in r.slots:
            self.closed.add(r.index)
        self.check(all(int(n) in r.slots for n in want), GAP, r.index, "a slot of this view is closed")
        attests = r.type == "ACK" and r.get(7, "size") is not None
        published = r.type in OF_REPORTS and not attests
        given = r.type in ("DELIVERY", "AGREEMENT", "KEY") or r.type == "ACK" and not attests
        good = (r.has(3, "index") and r.has(3, "party") or not published) and (r.has(8, "index") or not given)
        self.check(good, GAP, r.index, "it has no place in a party's tree")

    def grow(self, r):
        """The party trees."""
        owners = [self.party if party is None else party for party, _ in r.places()]
        mine = not self.party or self.party in owners or r.type == "PARTY_HEAD"
        self.check(mine, GAP, r.index, "it is in no tree of this party")
        for party, (_, index) in zip(owners, r.places()):
            tree = self.trees.setdefault(party, Tree())
            self.check(index == tree.size, GAP, r.index, "number %d of %s after %d others" % (index, party, tree.size))
            tree.extend([party_leaf(r.index, r.leaf)])

    def on_intake(self, r):
        self.check(r.key[:2] not in self.intakes, GAP, r.index, "this report was accepted before")
        self.intakes[r.key[:2]], self.run = r, (r.index, r.index)
        self.heads.pop(r.key[:2], None)
        if self.party or not {3, 7} <= set(r.slots):
            return
        anchors = r.get(7, "anchors")
        for folder, digest in [("seal", r.get(7, "seal")), ("chain", r.get(7, "chain"))] + [
                ("anchor", anchors[i:i + 32]) for i in range(0, len(anchors), 32)]:
            self.content(r.index, folder, digest.hex())
        if self.report_lines is not None:
            need(r.index in self.report_lines, "no line in report/")
            self.report(r, *self.report_lines[r.index])

    def report(self, r, manifest, routing, notice, heads):
        """The parts of a report against its manifest."""
        data = self.content(r.index, "manifest", manifest)
        if data is None:
            return
        need(sha(b"\0", data) == r.get(3, "manifest"), "another manifest", CONTENT)
        m = proto(data)
        need(m[2] == [r.report], "the manifest of another report", CONTENT)
        commitments, orders = [], []
        for tag, field, folder, name in [(b"\x10", 12, "routing", routing), (b"\x12", 13, "notice", notice)] + [
                (b"\x11", 14, "head", name) for name in heads]:
            part = None if name == "-" else self.content(r.index, folder, name)
            if part is not None:
                c = sha(tag, r.report, part)
                self.check(c in m[field], CONTENT, r.index, folder + ": not what the manifest commits to")
            if part is not None and folder == "head":
                commitments.append(c)
                orders += order_of(part)
        self.check(orders == sorted(set(orders)), CONTENT, r.index, "heads out of order")
        if len(commitments) == len(heads):
            self.heads[r.key[:2]] = commitments

    def facts(self, r):
        digest = r.get(4, "facts")
        data = None if self.party or not digest else self.content(r.index, "facts", digest.hex())
        if data is not None:
            facts = proto(data)
            judged, accepted, expires = (facts.get(n, [0])[-1] for n in (6, 7, 8))
            self.check(accepted <= judged <= r.time, TIME, r.index, "accepted, judged, recorded: not in this order")
            self.check(not judged < expires <= r.time, TIME, r.index, "judged before it expired, recorded after")

    def on_decision(self, r):
        if not {2, 3, 4} <= set(r.slots):
            return
        verdicts, outcome, released = r.get(4, "reasons") or [], r.get(4, "outcome"), r.get(2, "released")
        count = verdicts.count("release")
        follows = 3 if "hold" in verdicts else 4 if not count else 1 if count == len(verdicts) else 2
        intake = self.intakes.get(r.key[:2])
        good = not intake or intake.get(3, "manifest") == r.get(3, "manifest")
        self.check(good, CONTENT, r.index, "of another manifest than its INTAKE")
        self.check(outcome == follows, CONTENT, r.index, "its outcome is not that of its reasons")
        self.check((outcome < 3) == (released is not None), CONTENT, r.index, "outcome and released digest do not fit")
        self.released(r, intake, verdicts, released)
        first = r.type == "DECISION" and (r.link, r.index - 1) == self.run and intake and intake.index == r.link
        self.run = (r.link, r.index) if first else (None, None)
        for name in r.recipient.split("\n"):
            key, portions = r.key[:2] + (name,), {k for k, v in enumerate(verdicts) if v != "withhold"}
            old = self.current.get(key)
            good = old is None if first else old[0] == r.link and portions <= old[1] if old else self.first
            self.check(good, GAP, r.index, "it does not follow from the decision before, or the INTAKE")
            self.current[key] = r.index, portions, released

    def released(self, r, intake, verdicts, released):
        """The released digest against the heads."""
        heads = self.heads.get(r.key[:2])
        if released is None or not heads:
            return
        out = sorted(c for c, verdict in zip(heads, verdicts) if verdict == "release")
        good = len(heads) == len(verdicts) and sha(b"RLD1", intake.get(3, "manifest"), *out) == released
        self.check(good, CONTENT, r.index, "another released digest, or not a line for each portion")

    def on_delivery(self, r):
        self.deliveries[r.index] = r.recipient, r.party
        old, intake = self.current.get(r.key), self.intakes.get(r.key[:2])
        if {2, 3, 4} <= set(r.slots):
            good = old and old[0] == r.link and None is not old[2] == r.get(2, "released") or not old and self.first
            self.check(good, GAP, r.index, "not what the current decision releases")
        if intake and 7 in r.slots:
            self.check(r.get(7, "accepted") == intake.time, TIME, r.index, "another time of acceptance")

    def on_ack(self, r):
        for n in r.get(7, "deliveries") or ():
            good = self.deliveries.get(n) == (r.recipient, r.party) or n not in self.deliveries and n < self.first
            self.check(good or 2 not in r.slots, GAP, r.index, "acknowledges what is no delivery to it")

    def queued(self, r):
        old = self.current.get(r.key)
        good = old[0] == r.get(7, "decision") if old else self.first
        self.check(good, GAP, r.index, "does not name the current decision")
        if old and (r.type == "EXPIRE" or r.type != "DEAD_LETTER" and r.get(7, "act") == 1):
            self.current[r.key] = old[:2] + (None,)

    def on_policy(self, r):
        if 7 in r.slots:
            good = r.get(7, "previous") == self.policy or self.first and not self.policy
            self.check(good, GAP, r.index, "does not name the policy before")
            self.policy = r.get(7, "policy")
            export = self.content(r.index, "policy", self.policy.hex()) or b""
            for digest in re.findall(rb"spif SHA256 ([0-9a-f]{64})", export):
                self.content(r.index, "spif", digest.decode())

    def on_agreement(self, r):
        if 7 in r.slots and not self.party:
            self.content(r.index, "policy", r.get(7, "terms").hex())

    def on_start(self, r):
        good = (r.get(7, "size"), r.get(7, "root")) == (r.index, self.tree.root())
        self.check(good or 7 not in r.slots, CONSISTENCY, r.index, "states another tree")

    on_stop = on_start

    def on_party_head(self, r):
        if 7 in r.slots and self.first == 0:
            tree, stated = self.trees.setdefault(r.get(7, "party"), Tree()), (r.get(7, "size"), r.get(7, "root"))
            self.check(stated == (tree.size, tree.root()), GAP, r.index, "states another party tree")
            self.check(r.get(7, "previous") == tree.head, GAP, r.index, "does not name the head before")
            tree.head = r.index

    def on_erase(self, r):
        self.erased.update(r.get(7, "records") or ())


def arguments(args):
    """(bundle, vkey)"""
    key = args[args.index("--key") + 1]
    bundle, = [a for i, a in enumerate(args) if a != "--key" and (i == 0 or args[i - 1] != "--key")]
    if os.path.exists(key):
        with open(key, encoding="ascii") as file:
            key = file.read()
    return bundle, read_vkey(key.encode())


def main(args):
    try:
        bundle, vkey = arguments(args)
    except (ValueError, IndexError, OSError) as e:
        print("usage: relto_verify.py BUNDLE --key VKEY_OR_FILE (%s)" % e, file=sys.stderr)
        return USAGE
    v = Verifier(bundle)
    if v.guard("bundle", v.load, vkey):
        v.guard("tile", v.other_tiles)
        v.guard("record", v.walk)
    codes = {finding["code"] for finding in v.findings}
    code = next((c for c in GRAVEST if c in codes), 0)
    print(json.dumps({
        "ok": code == 0, "exit": code, "size": v.size, "root": v.root and base64.b64encode(v.root).decode(),
        "view": "party " + v.party if v.party else "hub", "first": v.first, "opened": v.opened,
        "findings": v.findings[:100], "unchecked": [
            "signatures of publishers and attestations: no X.509 here", "cosignatures", "forks and age",
            "%d files that are missing" % v.missing]}))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
