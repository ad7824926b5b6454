#!/usr/bin/env python3
"""relto_verify.py - a second verifier of bundles, written from docs/audit-format.md alone.

    relto_verify.py BUNDLE --key VKEY_OR_FILE [--party NAME] [--from N]

It shares nothing with relto-verify and needs Python 3 alone. It prints one JSON line; exit codes: section 9 of the
format. Without X.509, witnesses' keys and a memory it does not check who signed reports and attestations, cosignatures,
forks, age and what a client kept; it says so.
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
    CONSISTENCY, CONTENT, DECIDING, GAP, INCLUSION, MALFORMED, OPENED_BY_8, QUEUED, SIGNATURE, TIME, Record, Tree,
    need, number_of, order_of, party_leaf, proto, read_vkey, receivers, sha)

USAGE = 1
GRAVEST = (SIGNATURE, MALFORMED, INCLUSION, CONSISTENCY, CONTENT, GAP, TIME)


class Current:
    """The current decision of a report for a recipient."""

    def __init__(self, index, open_, released, ever):
        self.index, self.open, self.released = index, open_, released  # open: portions released or held
        self.delivered, self.ever = False, ever  # under this decision; or under one that it replaced


class Verifier(Bundle):
    """Section 9: every record against those before it, and against the contents."""

    def __init__(self, folder):
        super().__init__(folder)
        self.opened, self.time, self.policy, self.tree, self.trees = 0, 0, None, Tree(), {}
        self.intakes = {}  # (publisher, report) -> INTAKE
        self.heads = {}  # (publisher, report) -> commitments of the heads, if all are there
        self.portions = {}  # (publisher, report) -> how many it has
        self.current = {}  # (publisher, report, recipient) -> Current
        self.stated = {}  # (party, size) -> root that a PARTY_HEAD states
        self.deliveries = {}  # index -> (recipient, publisher)
        self.run = []  # an INTAKE and the first decisions behind it
        self.closed, self.erased = set(), set()  # records without slot 6; records that an ERASE names

    def walk(self):
        for index, opening in self.openings():
            self.check(opening or self.party or index < self.first, GAP, index, "not opened")
            r = self.guard(index, Record, index, opening, self.leaves[index]) if opening else None
            if r:
                self.opened += 1
                self.guard(index, self.record, r)
            self.line_of(index, r)
            self.tree.extend(self.leaves[index:index + 1])
        self.guard(self.size, self.judged)
        wrong = self.closed ^ {i for i in self.erased if i >= self.first}
        for index in () if self.party else sorted(wrong):
            self.check(False, GAP, index, "slot 6 is closed and no ERASE says so, or open though one does")

    def line_of(self, index, r):
        """report/ has a line for each INTAKE and nothing else; of a record that is not shown it says nothing."""
        if self.report_lines and self.report_lines.pop(index, None):
            good = r.type == "INTAKE" if r else index >= self.first
            self.check(good, MALFORMED, index, "a line of no INTAKE")
        if (index + 1) % 1024 == 0 or index + 1 == self.size:
            self.check(not self.report_lines, MALFORMED, index, "report/ has lines of no INTAKE")

    def record(self, r):
        self.check(r.time >= self.time, TIME, r.index, "its time is before that of the record before")
        self.check(r.time // 1000000 <= time.time() + 300, TIME, r.index, "its time is in the future")
        self.time = r.time
        code = r.form()
        self.check(not code, code, r.index, "it has not what its type has")
        self.view(r)
        self.follow(r)
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
        """The slots that section 4 opens."""
        want = "1234578"
        if self.party:
            want = ("1234" + "7" * (r.type != "APPROVAL")) * (3 in r.slots) + "17" * (r.type == "PARTY_HEAD")
            want += OPENED_BY_8.get(r.type, "18") * (8 in r.slots)
        elif 6 not in r.slots:
            self.closed.add(r.index)
        self.check(all(int(n) in r.slots for n in want), GAP, r.index, "a slot of this view is closed")

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
        self.intakes[r.key[:2]], self.run = r, [r]
        self.heads.pop(r.key[:2], None)
        self.portions.pop(r.key[:2], None)
        if self.party or not {3, 7} <= set(r.slots):
            return
        anchors = r.get(7, "anchors")
        for folder, digest in [("seal", r.get(7, "seal")), ("chain", r.get(7, "chain"))] + [
                ("anchor", anchors[i:i + 32]) for i in range(0, len(anchors), 32)]:
            self.content(r.index, folder, digest.hex())
        self.content(r.index, "policy", (r.get(4, "policy") or b"").hex())
        if self.report_lines is not None:
            need(r.index in self.report_lines, "no line in report/")
            self.portions[r.key[:2]] = len(self.report_lines[r.index][3])
            self.report(r, *self.report_lines[r.index])

    def report(self, r, manifest, routing, notice, heads):
        """The parts of a report against its manifest."""
        data = self.content(r.index, "manifest", manifest)
        if data is None or r.get(3, "manifest") is None:
            return
        need(sha(b"\0", data) == r.get(3, "manifest"), "another manifest", CONTENT)
        m = proto(data)
        need(m[2] == [r.report], "the manifest of another report", CONTENT)
        self.check(len(set(heads)) == len(heads), CONTENT, r.index, "a head twice")
        commitments, orders = [], [0]
        for tag, field, folder, name in [(b"\x10", 12, "routing", routing), (b"\x12", 13, "notice", notice)] + [
                (b"\x11", 14, "head", name) for name in heads]:
            part = None if name == "-" else self.content(r.index, folder, name)
            good = part is not None or name == "-" or folder != "notice"
            self.check(good, CONTENT, r.index, "a notice that is not there")
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
            judged, accepted, expires = (number_of(facts, n) for n in (6, 7, 8))
            self.check(accepted <= judged <= r.time, TIME, r.index, "accepted, judged, recorded: not in this order")
            self.check(not judged < expires <= r.time, TIME, r.index, "judged before it expired, recorded after")

    # ---- the run of an INTAKE: nobody is passed over ----
    def follow(self, r):
        """Ends the run that this record does not continue."""
        at = self.run and self.run[0]
        goes_on = at and r.type == "DECISION" and r.key[:2] == at.key[:2] and (
            r.link, r.index) == (at.index, self.run[-1].index + 1)
        if goes_on:
            self.run.append(r)
        else:
            self.guard(r.index, self.judged)

    def judged(self):
        run, self.run = self.run, []
        if not run or self.party:
            return
        intake, policy = run[0], (run[0].get(4, "policy") or b"").hex()
        export = self.content(intake.index, "policy", policy)
        names = {line.split(" ")[3] for r in run[1:] for line in r.get(4, "reasons") or ()}
        if len(run) == 1:
            facts = proto(self.content(intake.index, "facts", (intake.get(4, "facts") or b"").hex()) or b"")
            others = [receivers(export, proto(a).get(1, [b""])[0].decode()) for a in facts.get(10, [])]
            good = any(who is not None and set(who) <= {intake.party} for who in others)
            self.check(good, GAP, intake.index, "no decision follows")
        self.check("-" not in names and len(names) <= 8, GAP, intake.index, "judged under no agreement, or a ninth")
        for name in names - {"-"} if export is not None else ():
            who = receivers(export, name)
            self.check(who is not None, CONTENT, intake.index, "judged under %s, which its policy has not" % name)
            missed = [w for w in who or () if w != intake.party and intake.key[:2] + (w,) not in self.current]
            self.check(not missed, GAP, intake.index, "no decision for %s" % missed)

    def on_decision(self, r):
        if not {2, 3, 4} <= set(r.slots):
            return
        reasons, outcome, released = r.get(4, "reasons") or [], r.get(4, "outcome"), r.get(2, "released")
        verdicts = [line.split(" ")[1] for line in reasons]
        count, names = verdicts.count("release"), (r.recipient or "").split("\n")
        follows = 3 if "hold" in verdicts else 4 if not count else 1 if count == len(verdicts) else 2
        intake = self.intakes.get(r.key[:2])
        good = names == sorted(set(names), key=str.encode) and (len(names) < 2 or (r.type, outcome) == ("DECISION", 4))
        self.check(good, MALFORMED, r.index, "several recipients that may not share it")
        good = not intake or r.get(3, "manifest") in (None, intake.get(3, "manifest"))
        self.check(good, CONTENT, r.index, "of another manifest than its INTAKE")
        self.check(outcome == follows, CONTENT, r.index, "its outcome is not that of its reasons")
        there = {r.get(2, name) is not None for name in ("agreements", "marking", "released")}
        self.check(there == {outcome in (1, 2)}, CONTENT, r.index, "outcome and slot 2 do not fit")
        if intake and not self.party:
            good = self.portions.setdefault(r.key[:2], len(verdicts)) == len(verdicts)
            self.check(good, CONTENT, r.index, "not a reason for each portion")
        self.released(r, intake, verdicts, released)
        portions = {k for k, v in enumerate(verdicts) if v != "withhold"}
        for name in names:
            self.decided(r, r.key[:2] + (name,), portions, released)

    def decided(self, r, key, portions, released):
        old, first = self.current.get(key), r in self.run
        good = old is None if first else old.index == r.link and portions <= old.open if old else self.first
        self.check(good, GAP, r.index, "it does not follow from the decision before, or the INTAKE")
        if r.type != "APPROVAL":  # there slot 8 is the approver's
            self.placed(r, old, False)
        self.current[key] = Current(r.index, portions, released, bool(old) and old.ever)

    def placed(self, r, old, ever):
        """What ends or narrows a delivery is in its recipient's history, and nothing else is."""
        if old and 8 in r.slots:
            there = r.get(8, "place") is not None
            good = there if old.delivered else not there or ever and old.ever
            self.check(good, GAP, r.index, "another slot 8 than its delivery asks for")

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
        if not {2, 3, 4} <= set(r.slots):
            return
        good = self.first if not old else (old.index, old.delivered) == (r.link, False) and (
            None is not old.released == r.get(2, "released"))
        self.check(good, GAP, r.index, "not what the current decision releases, or not for the first time")
        if intake and 7 in r.slots and (old or not self.first):
            self.check(r.get(7, "accepted") == intake.time, TIME, r.index, "another time of acceptance")
        if old:
            old.delivered = old.ever = True

    def on_ack(self, r):
        if r.get(7, "root") and not self.first:
            root = self.stated.setdefault((r.recipient, r.get(7, "size")))
            self.check(root, GAP, r.index, "attests what no head before it states")
            self.check(root in (None, r.get(7, "root")), CONSISTENCY, r.index, "attests another tree than the head")
        for n in r.get(7, "deliveries") or ():
            good = self.deliveries.get(n) == (r.recipient, r.party) or n not in self.deliveries and n < self.first
            self.check(good or 2 not in r.slots, GAP, r.index, "acknowledges what is no delivery to it")

    def queued(self, r):
        old = self.current.get(r.key)
        good = old.index == r.get(7, "decision") if old else self.first
        self.check(good, GAP, r.index, "does not name the current decision")
        self.placed(r, old, r.type != "EXPIRE")
        if old and (r.type == "EXPIRE" or r.type != "DEAD_LETTER" and r.get(7, "act") == 1):
            old.released = None

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
            self.stated[r.get(7, "party"), r.get(7, "size")] = r.get(7, "root")

    def on_erase(self, r):
        self.erased.update(r.get(7, "records") or ())


def arguments(args):
    """(bundle, vkey, party or None, from)"""
    options, words, rest = {"--party": None, "--from": "0"}, [], iter(args)
    for arg in rest:
        if arg in ("--key", "--party", "--from"):
            options[arg] = next(rest, "")
        else:
            words.append(arg)
    bundle, = words
    key = options["--key"]
    if os.path.exists(key):
        with open(key, encoding="ascii") as file:
            key = file.read()
    return bundle, read_vkey(key.encode()), options["--party"], int(options["--from"])


def main(args):
    try:
        bundle, vkey, party, first = arguments(args)
    except (ValueError, LookupError, OSError) as e:
        print("usage: relto_verify.py BUNDLE --key VKEY_OR_FILE [--party NAME] [--from N] (%s)" % e, file=sys.stderr)
        return USAGE
    v = Verifier(bundle)
    if v.guard("bundle", v.load, vkey):
        v.check(v.party == party and v.first <= first, GAP, "bundle", "not the view that was expected")
        v.guard("tile", v.other_tiles)
        v.guard("record", v.walk)
    codes = {finding["code"] for finding in v.findings}
    code = next((c for c in GRAVEST if c in codes), 0)
    print(json.dumps({
        "ok": code == 0, "exit": code, "size": v.size, "root": v.root and base64.b64encode(v.root).decode(),
        "view": "party " + v.party if v.party else "hub", "first": v.first, "opened": v.opened,
        "findings": v.findings[:100], "unchecked": [
            "signatures of publishers and attestations: no X.509 here", "cosignatures",
            "forks, age, and what a client kept",
            "%d files that are missing" % v.missing]}))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
