#!/usr/bin/env python3
"""relto_verify.py - a second verifier of bundles, written from docs/audit-format.md alone.

    relto_verify.py BUNDLE --key VKEY_OR_FILE [--party NAME] [--from N]

It shares nothing with relto-verify, needs Python 3 alone and prints one JSON line. Here are the rules of section 9,
whose exit codes it has; relto_format.py knows what a log is made of, relto_foreign.py what that takes from elsewhere.
"""
import argparse
import json
import os
import re
import sys
import time
from types import SimpleNamespace

sys.dont_write_bytecode = True
import relto_foreign as foreign  # noqa: E402
from relto_approval import Approvals  # noqa: E402
from relto_backfill import Backfill  # noqa: E402
from relto_format import (  # noqa: E402
    CONSISTENCY, CONTENT, GAP, HEX, INCLUSION, MALFORMED, RELEASED, SIGNATURE, TIME, Bundle, Record, Tree,
    generation_of, need, read_head, read_vkey, sha)

USAGE, GRAVEST = 1, (SIGNATURE, MALFORMED, INCLUSION, CONSISTENCY, CONTENT, GAP, TIME)
UNCHECKED = "cosignatures, forks, age, what a client kept, revocation"
ADDED, REMOVED, LOG, ANCHOR, SIGNER = 1, 2, 1, 2, 3  # acts and purposes of KEY


class Verifier(Approvals, Backfill, Bundle):
    """Section 9: every record against those before it, and against the contents."""

    def __init__(self, folder, vkey):
        super().__init__(folder, vkey)
        self.time, self.policy, self.grown, self.opened, self.signed = 0, None, Tree(), 0, 0
        self.run = []  # an INTAKE and the first decisions behind it
        self.intakes, self.deliveries = {}, {}  # report key -> INTAKE; index -> (recipient, publisher)
        self.current = {}  # key -> the current decision of a report for a recipient
        self.trees, self.stated = {}, {}  # by party; (party, size) -> root that a PARTY_HEAD states
        self.attested = 0  # attestations whose signature holds
        self.agreements, self.terms_signed = set(), 0  # what AGREEMENT records said; signatures that hold
        self.keys = {}  # (party, purpose, key) -> the last act of KEY
        self.recovered = []  # of RECOVER: size restored, size and root of its head
        self.withdrawn, self.policy_at = set(), None  # reports that a RECALL or SUPERSEDE names; the last POLICY
        self.closed, self.erased = set(), set()  # records without slot 6; records that an ERASE names

    def verify(self, party, first):
        if not self.guard(self.load):
            return
        self.must(self.party == party and self.first <= first, GAP, "not the view that was expected")
        if self.guard(self.walk):
            self.told()
        self.guard(self.end_of_run)
        wrong = self.closed ^ {i for i in self.erased if i >= self.first}
        self.must(self.party or not wrong, GAP, "slot 6 closed without an ERASE, or open in spite of one: %s" % wrong)

    def walk(self):
        for opening, line in self.openings():
            self.must(opening or self.party or self.at < self.first, GAP, "not opened")
            r = self.guard(Record, self.at, opening, self.leaves[self.at]) if opening else None
            good = isinstance(line, bool) or (r.name == "INTAKE" if r else self.at >= self.first)
            self.must(good, MALFORMED, "a line of report/ for no INTAKE")
            if r:
                self.opened += 1
                self.guard(self.record, r, line)
            self.grown.add(self.leaves[self.at])
        return True

    def record(self, r, line):
        self.must(r.time >= self.time, TIME, "its time is before that of the record before")
        self.must(r.time // 1000000 <= time.time() + 300, TIME, "its time is in the future")
        self.time = r.time
        for code in r.form():
            self.must(False, code, "it has not what its type has")
        self.must(r.shown(self.party) <= r.open, GAP, "a slot of this view is closed")
        if not self.party and 6 not in r.open:
            self.closed.add(r.at)
        place = self.run and (self.run[0].report_key, self.run[0].at, self.run[-1].at + 1)
        if (r.report_key, r.link, r.at) == place and r.name == "DECISION":
            self.run.append(r)
        else:
            self.guard(self.end_of_run)
        for names, slots, rule in RULES:
            if r.name in names.split() and slots <= r.open:
                rule(self, r)
        if r.name == "INTAKE" and 7 in r.open and not self.party:
            self.guard(self.contents, r, line)
        if not self.first:
            self.grow(r)

    def grow(self, r):
        """The party trees."""
        places = r.places(self.party)
        good = not self.party or r.name in ("PARTY_HEAD", "RECOVER") or self.party in dict(places)
        self.must(good, GAP, "in no tree of this party")
        for party, n in places:
            tree = self.trees.setdefault(party, Tree())
            self.must(n == tree.size, GAP, "number %d of %s after %d others" % (n, party, tree.size))
            tree.add(sha(b"\0RLP1", r.at.to_bytes(8, "big"), r.leaf))

    def judged(self, r):
        """INTAKE and decisions: under the last policy, by facts that came in time."""
        good = r.policy == self.policy or self.first and not self.policy
        self.must(good or self.party or 4 not in r.open, GAP, "not under the last policy")
        r.expires, r.approvals, r.facts_said, data = None, None, None, self.content("facts", r.facts)
        if data is not None:
            facts = foreign.read_facts(data)
            self.must(facts.accepted <= facts.time <= r.time, TIME, "accepted, judged, recorded: not in this order")
            self.must(not facts.time < facts.expires <= r.time, TIME, "judged before it expired, recorded after")
            r.expires, r.approvals, r.facts_said = facts.expires, facts.approvals, facts

    # ---- an INTAKE, and the run of first decisions behind it: nobody is passed over ----
    def intake(self, r):
        self.must(r.report_key not in self.intakes, GAP, "this report was accepted before")
        self.intakes[r.report_key], self.run, r.portions, r.heads = r, [r], None, None
        r.alone, r.asks = False, None  # a notice, and nothing else; whether its routing has backfill

    def contents(self, r, line):
        """What an INTAKE and its line name; manifest and parts; who signed."""
        seal, chain = (self.content(name, r.body[name]) for name in ("seal", "chain"))
        anchors, export = [self.content("anchor", a) for a in r.body["anchors"]], self.export(r.policy)
        need(line, "no line in report/")
        if line is True:
            return
        manifest, routing, notice, heads = line
        r.alone = bool(notice and not heads)
        r.portions, data = len(heads), self.content("manifest", manifest[0])
        if data is None or r.manifest is None:
            return
        need(sha(b"\0", data) == r.manifest, "another manifest", CONTENT)
        m = foreign.read_manifest(data)
        need(m.id == r.report, "the manifest of another report", CONTENT)
        if None not in [seal, chain, export] + anchors:
            self.guard(self.publisher, r, m, export.parties.get(r.party, ()), seal, chain, anchors, code=SIGNATURE)
        for tag, name, digests in (b"\x10", "routing", routing), (b"\x12", "notice", notice), (b"\x11", "head", heads):
            parts = [part for part in (self.content(name, d) for d in digests) if part is not None]
            need(name != "notice" or len(parts) == len(notice), "a notice that is not there", CONTENT)
            commitments = [sha(tag, r.report, part) for part in parts]
            need(set(commitments) <= set(getattr(m, name)), name + "/: not what the manifest commits to", CONTENT)
            if name == "routing" and parts:
                r.asks = foreign.proto(parts[0])[6] == [1]
        orders = [n for part in parts for n in foreign.proto(part)[2]]
        self.must(orders == sorted(set(orders)) and len(set(heads)) == len(heads), CONTENT, "heads out of order")
        r.heads = commitments if len(parts) == len(heads) else None

    def publisher(self, r, m, block, seal, chain, anchors):
        need(all("anchor " + sha(a).hex() in block for a in anchors), "an anchor that the policy has not for the party")
        agent = r.agent or ""
        leaf = foreign.check_chain(chain, anchors, agent, r.time // 1000000)
        need("trust-domain " + agent.split("/")[2] in block, "the trust domain of another party")
        need((m.originator, m.signer) == (agent.encode(), leaf.digest), "the manifest names another signer")
        foreign.check_seal(seal, r.manifest, leaf)
        self.signed += 1

    def end_of_run(self):
        run, self.run = self.run, []
        if not run or self.party:
            return
        intake, export = run[0], self.export(run[0].policy)
        receivers = export.receivers if export else {}
        names = {name for r in run[1:] for _, name in r.reasons or ()}
        if len(run) == 1:
            facts = foreign.read_facts(self.content("facts", intake.facts) or b"")
            alone = any(receivers.get(name, {""}) <= {intake.party} for name in facts.agreements) or facts.recall and intake.alone
            self.must(alone, GAP, "no decision follows INTAKE %d" % intake.at)
        self.must("-" not in names and len(names) <= 8, GAP, "judged under no agreement, or a ninth")
        self.must(not export or names - {"-"} <= set(receivers), CONTENT, "judged under what its policy has not")
        for who in {who for name in names for who in receivers.get(name, ())} - {intake.party}:
            self.must(intake.report_key + (who,) in self.current, GAP, "no decision for " + who)

    # ---- decisions, and what follows from them ----
    def decision(self, r):
        names, intake = (r.recipient or "").split("\n"), self.intakes.get(r.report_key)
        verdicts = [verdict for verdict, _ in r.reasons or ()]
        kept = {n for n, verdict in enumerate(verdicts) if verdict != "withhold"}
        follows = 3 if "hold" in verdicts else 4 if not kept else 1 if len(kept) == len(verdicts) else 2
        shared = len(names) < 2 or (r.name, r.outcome) == ("DECISION", 4)
        self.must(shared and names == sorted(set(names), key=str.encode), MALFORMED, "recipients that may not share it")
        self.must(r.outcome == follows, CONTENT, "its outcome is not that of its reasons")
        there = {getattr(r, name) is not None for name in RELEASED.split()}
        self.must(there == {r.outcome in (1, 2)}, CONTENT, "outcome and slot 2 do not fit")
        lines, export = (r.agreements or "").split("\n"), self.export(r.policy)
        said = dict(line.rsplit("@", 1) for line in lines if "@" in line)
        good = set(said) == {name for verdict, name in r.reasons or () if verdict == "release"}
        good = not r.agreements or good and lines == sorted(set(lines), key=str.encode)
        self.must(good, CONTENT, "its agreements are not those of its reasons")
        self.must(not export or said.items() <= export.versions.items(), CONTENT, "an agreement in another version")
        same = not intake or all(getattr(r, f) in (None, getattr(intake, f)) for f in ("agent", "manifest", "banner"))
        self.must(same, CONTENT, "another agent, manifest or banner than its INTAKE's")
        if intake and not self.party:
            intake.portions = len(verdicts) if intake.portions is None else intake.portions
            self.must(intake.portions == len(verdicts), CONTENT, "not a reason for each portion")
        self.backfill_facts(r, intake)
        if intake and intake.heads and r.released:
            out = sorted(head for head, verdict in zip(intake.heads, verdicts) if verdict == "release")
            self.must(sha(b"RLD1", intake.manifest, *out) == r.released, CONTENT, "another released digest")
        for name in names:
            old = self.current.get(key := r.report_key + (name,))
            good = not old if self.run else old.r.at == r.link and kept <= old.kept if old else self.first
            first = r.name == "DECISION" and not self.run and not old and (intake or not self.first)
            if first:
                self.backfill(r, name, intake)
            self.must(good or first, GAP, "it does not follow from the decision before, or the INTAKE")
            self.placed(r, old, False)
            self.current[key] = SimpleNamespace(r=r, kept=kept, ended=False, delivered=False, ever=old and old.ever,
                                                answers=self.answers(r, name, old, intake))

    def placed(self, r, old, ever):
        """What ends or narrows a delivery is in its recipient's history, and nothing else is."""
        if old and 8 in r.open and r.name != "APPROVAL":  # there slot 8 is the approver's
            good = r.place is not None if old.delivered else r.place is None or ever and old.ever
            self.must(good, GAP, "another slot 8 than its delivery asks for")

    def delivery(self, r):
        self.deliveries[r.at] = r.recipient, r.party
        old, intake = self.current.get(r.key), self.intakes.get(r.report_key)
        if not {2, 3, 4} <= r.open or self.first and not old:
            return
        good = old and (old.r.at, old.delivered, old.ended) == (r.link, False, False)
        self.must(good, GAP, "not by the current decision, or not for the first time")
        good = not old or all(getattr(r, name) == getattr(old.r, name) for name in RELEASED.split())
        self.must(good, GAP, "not what the current decision releases")
        self.must(not intake or r.body.get("accepted", intake.time) == intake.time, TIME, "another time of acceptance")
        if old:
            old.delivered = old.ever = True

    def queued(self, r):
        old = self.current.get(r.key)
        if r.name in ("RECALL", "SUPERSEDE"):
            self.withdrawn.add(r.report_key)
        self.must(old.r.at == r.body["decision"] if old else self.first, GAP, "does not name the current decision")
        self.placed(r, old, r.name != "EXPIRE")
        if r.name == "EXPIRE":
            good = r.body["expiry"] <= r.time and (not old or old.r.expires in (None, r.body["expiry"]))
            self.must(good, TIME, "another expiry than its report's, or not yet")
        if old and (r.name == "EXPIRE" or r.name != "DEAD_LETTER" and r.body["act"] == 1):
            old.ended = True

    def ack(self, r):
        if "root" in r.body and not self.first:
            stated = self.stated.setdefault((r.recipient, r.body["size"]))
            self.must(stated, GAP, "attests what no head before it states")
            self.must(stated in (None, r.body["root"]), CONSISTENCY, "attests another tree than the head")
        if "root" in r.body and not self.party and self.policy and {2, 5} <= r.open:
            self.guard(self.attestation, r, code=SIGNATURE)
        for n in r.body.get("deliveries", ()):
            good = self.deliveries.get(n) == (r.recipient, r.party) or n not in self.deliveries and n < self.first
            self.must(good or 2 not in r.open, GAP, "acknowledges what is no delivery to it")

    def attestation(self, r):
        """Signed by an agent of the party, as section 2 says, by the anchors that the policy has for the party."""
        chain, export = self.content("chain", r.body["certificate"]), self.export(self.policy)
        if chain is None or not export:
            return
        block = export.parties.get(r.recipient, set())
        anchors = [self.content("anchor", bytes.fromhex(line[7:])) for line in sorted(block) if line.startswith("anchor ")]
        if None in anchors:
            return
        foreign.check_attestation(chain, anchors, r, self.vkey[0], block)
        self.attested += 1

    # ---- policies, keys, trees ----
    def rules(self, r):
        good = r.body.get("previous") == self.policy or self.first and not self.policy
        self.must(good, GAP, "does not name the policy before")
        self.policy, self.policy_at, export = r.body["policy"], r.at, self.export(r.body["policy"])
        if export:
            for digest in export.spifs:
                self.content("spif", digest)
            told = {key for key, act in self.keys.items() if key[1] == ANCHOR}
            anchors = {(name, ANCHOR, line[7:]) for name, block in export.parties.items() for line in block
                       if line.startswith("anchor ")}
            good = not told or anchors == {key for key in told if self.keys[key] == ADDED}
            self.must(good, GAP, "the anchors that parties were told are not those of the policy")

    def key(self, r):
        key, act = tuple(r.body[name] for name in ("party", "purpose", "key")), r.body["act"]
        if key[1] == LOG:
            ours = key[2].encode() == self.vkey[3]
            self.must(act == ADDED or act == REMOVED and not ours, CONTENT, "takes back the log's key, or revokes one")
            self.guard(self.log_key, key[2])
        else:
            self.must(re.fullmatch(HEX, key[2]), MALFORMED, "no SHA-256 in hex")
        if not self.first:
            was = self.keys.get(key, ADDED if key[1] == SIGNER else None)
            news = act != was if key[1] == SIGNER else act == ADDED != was or (act, was) == (REMOVED, ADDED)
            self.must(news, GAP, "tells nothing new of a key")
            self.keys[key] = act

    def log_key(self, text):
        need(read_vkey(text.encode())[0] == self.vkey[0], "no key of this log")

    def told(self):
        """At the end: whoever was told of a key of the log was told of the one that signed."""
        parties = {key[0] for key in self.keys if key[1] == LOG}
        ours = {key[0] for key in self.keys if key[1:] == (LOG, self.vkey[3].decode())}
        self.must(self.first or parties == ours, CONTENT, "a party was not told of the key that signed")

    def recover(self, r):
        """The heads of the log before this one: at the beginning, the largest first."""
        self.must(self.first or r.at == len(self.recovered), GAP, "a RECOVER behind another record")
        self.must(sha(r.body["head"]) == r.body["digest"], CONTENT, "not the digest of its head")
        origin, size, root, signed = read_head(r.body["head"], self.vkey[2])
        need(signed is not False, "its head is not signed as it says", SIGNATURE)
        (stem, then), (ours, now) = generation_of(origin), generation_of(self.vkey[0])
        good = None not in (then, now) and stem == ours and then < now and r.body["size"] <= size
        self.must(good, CONTENT, "its head is of no earlier generation, or of less than was restored")
        if self.recovered:
            restored, before, was = self.recovered[-1]
            self.must(restored == r.body["size"], CONTENT, "another size was restored")
            self.must(size <= before, GAP, "a larger head than the one before")
            self.must(size != before or root == was, CONSISTENCY, "two heads of one size")
        self.recovered.append((r.body["size"], size, root))

    def agreement(self, r):
        """Who signed it: what records say alike is looked at with the first of them."""
        lines = re.findall(r"([^\0- \x7f]+) %s\n" % HEX, r.body.get("signers", ""))
        parties = [party.encode() for party, _ in lines]
        good = "".join("%s %s\n" % line for line in lines) == r.body.get("signers", "")
        self.must(good and parties == sorted(set(parties)), MALFORMED, "signers that are no lines of party and digest")
        said = tuple(r.body[name] for name in ("name", "version", "terms")) + (r.body.get("signers"),)
        if self.party or not good or said in self.agreements:
            return
        self.agreements.add(said)
        terms = self.content("policy", r.body["terms"])
        if terms is None:
            return
        block, anchors = terms.decode().split("\n}\n", 1)
        head = "agreement %s {\n" % r.body["name"]
        good = block.startswith(head) and "\n    version %d\n" % r.body["version"] in block + "\n"
        self.must(good, CONTENT, "the terms of another agreement or version")
        wanted = re.search(r"\n    signatures required \[ (.*) \]\n", block)
        same = [party for party, _ in lines] == (wanted[1].split() if wanted else [])
        self.must(same, CONTENT, "other signers than the terms require")
        if not good or not same or self.first:
            return
        for party, digest in lines:
            self.guard(self.signature, r, terms, party, digest, anchors, code=SIGNATURE)

    def signature(self, r, terms, party, digest, anchors):
        data = self.content("policy", bytes.fromhex(digest))
        rows = re.findall(r"^anchor %s (\S+) %s$" % (re.escape(party), HEX), anchors, re.M)
        need(data is None or rows, "the terms have no anchor of " + party)
        known = [self.content("anchor", bytes.fromhex(anchor)) for _, anchor in rows]
        if data is not None and None not in known:
            foreign.check_terms(data, terms, rows[0][0], known, r.time // 1000000)
            self.terms_signed += 1

    def head(self, r):
        if not self.first:
            tree, stated = self.trees.setdefault(r.body["party"], Tree()), (r.body["size"], r.body["root"])
            self.must(stated == (tree.size, tree.root()), GAP, "states another party tree")
            self.must(r.body.get("previous") == tree.head, GAP, "does not name the head before")
            tree.head = r.at
            self.stated[r.body["party"], r.body["size"]] = r.body["root"]


RULES = (  # of types, if these slots are open: what a closed one would say is held against nothing
    ("INTAKE DECISION NARROWED APPROVAL", set(), Verifier.judged), ("INTAKE", set(), Verifier.intake),
    ("DECISION NARROWED APPROVAL", {2, 3, 4}, Verifier.decision), ("DELIVERY", set(), Verifier.delivery),
    ("EXPIRE RECALL SUPERSEDE DEAD_LETTER", {2, 3, 7}, Verifier.queued), ("ACK", set(), Verifier.ack),
    ("POLICY", {7}, Verifier.rules), ("KEY", {7}, Verifier.key), ("PARTY_HEAD", {7}, Verifier.head),
    ("START STOP", {7}, lambda v, r: v.must(
        (r.body["size"], r.body["root"]) == (r.at, v.grown.root()), CONSISTENCY, "states another tree")),
    ("AGREEMENT", {7}, Verifier.agreement), ("RECOVER", {7}, Verifier.recover),
    ("ERASE", {7}, lambda v, r: v.erased.update(r.body["records"])))


def main(args):
    parser = argparse.ArgumentParser(description="Verifies a bundle that `relto audit pull` wrote.")
    parser.add_argument("bundle")
    parser.add_argument("--key", required=True, help="the log's vkey, or a file that has it")
    parser.add_argument("--party", help="whose view it must be; else that of an auditor of the hub party")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first record that must be there")
    try:
        ask = parser.parse_args(args)
        if os.path.exists(ask.key):
            with open(ask.key, encoding="ascii") as file:
                ask.key = file.read()
        v = Verifier(ask.bundle, read_vkey(ask.key.encode()))
    except (SystemExit, ValueError, LookupError, OSError) as e:
        return 0 if isinstance(e, SystemExit) and not e.code else USAGE
    v.verify(ask.party, ask.first)
    code = next((c for c in GRAVEST if c in {finding["code"] for finding in v.findings}), 0)
    print(json.dumps({
        "exit": code, "view": v.party or "hub", "first": v.first, "size": v.size, "root": v.root and v.root.hex(),
        "opened": v.opened, "reports": len(v.intakes), "signed": v.signed, "signed_terms": v.terms_signed,
        "attested": v.attested, "findings": v.findings[:100],
        "missing": sorted(v.missing), "unknown": sorted(v.unknown), "unchecked": UNCHECKED}))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
