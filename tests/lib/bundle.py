#!/usr/bin/python3
"""bundle.py - a second verifier of audit bundles, written from docs/audit-format.md alone; of signatures it knows what
wire.py does.

usage: bundle.py BUNDLE VKEY      prints what it found; exit 0 when everything holds
"""
import datetime
import hashlib
import os
import re
import struct
import sys

from cryptography import x509

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # noqa: E402
import witness  # noqa: E402
from witness import Bad, H, uint  # noqa: E402

SLOTS = {"INTAKE": "134567", "DECISION": "123456", "APPROVAL": "12345678", "DELIVERY": "1234578",
         "NARROWED": "1234568", "AGREEMENT": "178", "KEY": "178"}
SLOTS.update(dict.fromkeys("ACK RECALL SUPERSEDE EXPIRE DEAD_LETTER FEEDBACK".split(), "123578"))
FIELDS = {1: 3, 2: 4, 3: 5, 4: 5, 5: 4, 6: 2, 8: 1}
OUTCOME_RELEASES = (1, 2)
# what a record says: "slot.field", fields from 0; those it must, those it may
HUB, SESSION, PERSON, RELEASED = "5.0 5.3", "5.1 5.2", "6.0 6.1", "2.1 2.2 2.3"
PUBLISHED, JUDGED = "3.0 3.1 3.2 3.3 3.4", "4.0 4.1 4.2 4.3 4.4"
STOPS = ("1.2 2.0 3.0 3.4 " + HUB, SESSION + " 8.0")
FORM = {
    "INTAKE": (" ".join(("1.2", PUBLISHED, "4.2 4.3", HUB)), SESSION + " " + PERSON),
    "DECISION": (" ".join(("1.2 2.0", PUBLISHED, JUDGED, HUB)), " ".join((RELEASED, SESSION, PERSON))),
    "APPROVAL": (" ".join(("1.2 2.0", PUBLISHED, JUDGED, HUB)), " ".join((RELEASED, SESSION, PERSON, "8.0"))),
    "NARROWED": (" ".join(("1.2 2.0", PUBLISHED, JUDGED, HUB)), " ".join((RELEASED, SESSION, PERSON, "8.0"))),
    "DELIVERY": (" ".join(("1.2 2.0", RELEASED, "3.0 3.4 4.4 8.0", HUB)), SESSION),
    "ACK": ("2.0 " + HUB, SESSION + " 3.0 3.4 8.0"),
    "FEEDBACK": ("1.2 2.0 3.0 3.4 8.0 " + HUB, SESSION),
    "REFUSED": (HUB, " ".join(("1.2", SESSION, PERSON))),
    "AGREEMENT": ("8.0", ""), "KEY": ("8.0", ""),
}
FORM.update(dict.fromkeys("RECALL SUPERSEDE EXPIRE DEAD_LETTER".split(), STOPS))
PLACES = {"APPROVAL": "178", "AGREEMENT": "178", "KEY": "178", "DELIVERY": "1278", "ACK": "1278"}
FOLDERS = "facts manifest routing notice seal chain anchor head policy spif".split()


class Record:
    def __init__(self, index, opening):
        self.index, self.o = index, opening
        self.kind, self.time, self.report = opening.type, uint(opening.slots[1][1]), opening.slots[1][2]
        for i, fields in opening.slots.items():
            if fields and str(i) not in SLOTS.get(self.kind, "1567"):
                raise Bad("%d: a %s with slot %d" % (index, self.kind, i))
            if fields and i in FIELDS and len(fields) != FIELDS[i]:
                raise Bad("%d: slot %d of %d fields" % (index, i, len(fields)))

    def check_form(self):
        must, may = (set(x.split()) for x in FORM.get(self.kind, (HUB, SESSION + " " + PERSON)))
        if self.kind == "ACK" and self.o.slots[7]:
            trees = {"3.0", "3.4", "8.0"}
            must, may = (must | trees, may) if self.field(7, 0) else (must, may - trees)
        if self.kind == "APPROVAL" and self.field(7, 3) and self.field(3, 0):
            must, may = (must | {"8.0"}, may) if self.field(7, 3) != self.field(3, 0) else (must, may - {"8.0"})
        if "4.0" in must and self.field(4, 0):
            released = set(RELEASED.split())
            must, may = (must | released, may) if self.field(4, 0)[0] in OUTCOME_RELEASES else (must, may - released)
        said = {"%d.%d" % (i, n) for i, fields in self.o.slots.items() if fields and i != 7
                for n, f in enumerate(fields) if f} - {"1.0", "1.1"}
        lacks = {f for f in must - said if self.o.slots[int(f[0])] is not None}
        if lacks or said - must - may:
            raise Bad("%d: a %s without %s, with %s" % (
                self.index, self.kind, sorted(lacks), sorted(said - must - may)))

    def field(self, slot, number):
        fields = self.o.slots[slot]
        return fields[number] if fields else b""

    def opened(self):
        return "".join(str(i) for i in self.o.slots if self.o.slots[i] is not None)

    def parties(self, mine=""):
        """(party, index in its tree) of what is open here; 'mine' where it is not said whose."""
        out = []
        if self.field(3, 4):
            out.append((self.field(3, 0).decode(), uint(self.field(3, 4))))
        if self.field(8, 0):
            who = self.field(7, 0) if self.kind in ("AGREEMENT", "KEY") else \
                self.field(7, 3) if self.kind == "APPROVAL" else self.field(2, 0)
            out.append((who.decode() or mine, uint(self.field(8, 0))))
        return out


class Bundle:
    def __init__(self, folder, vkey):
        self.folder = folder
        self.claims = [line.split(" ", 1) for line in self.read("bundle").decode().splitlines()]
        if self.claims[0] != ["relto-bundle", "1"]:
            raise Bad("no bundle of version 1")
        said = dict(self.claims)
        self.first = int(said["first"])
        self.hub, self.party = said["view"] == "hub", said["view"].partition("party ")[2]
        self.checkpoint = witness.Checkpoint(self.read("checkpoint"), witness.Key(vkey))
        self.size = self.checkpoint.size
        if said["origin"] != self.checkpoint.origin or int(said["size"]) != self.size:
            raise Bad("the bundle's claims are not its checkpoint's")
        self.leaves = self.read_leaves()
        if witness.tree_root(list(self.leaves)) != self.checkpoint.root:
            raise Bad("the tiles give another root")
        self.records = self.read_records()

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as f:
            return f.read()

    def tile(self, level, number, width, unit):
        name = "tile/%s/%s" % (level, tile_name(number)) + (".p/%d" % width if width < 256 else "")
        data = self.read(name)
        if len(data) != unit * width:
            raise Bad("%s has %d bytes" % (name, len(data)))
        return [data[i:i + unit] for i in range(0, len(data), unit)]

    def read_leaves(self):
        leaves = []
        for n in range(-(-self.size // 256)):
            width = min(256, self.size - 256 * n)
            hashes = self.tile(0, n, width, 32)
            for data, leaf in zip(self.tile("entries", n, width, 40), hashes):
                if data[:2] != b"\x00\x26" or H(b"\x00" + data[2:]) != leaf:
                    raise Bad("entry bundle %d and tile differ" % n)
            leaves += hashes
        above, level = leaves, 1
        while len(above) >= 256:
            above = [witness.tree_root(above[i:i + 256]) for i in range(0, len(above) - len(above) % 256, 256)]
            for n in range(-(-len(above) // 256)):
                part = above[256 * n:256 * n + 256]
                if self.tile(level, n, len(part), 32) != part:
                    raise Bad("tile %d/%d" % (level, n))
            level += 1
        return leaves

    def read_records(self):
        out = {}
        for n in range(-(-self.size // 1024)):
            data, at, count = self.read("record/%06d" % n), 0, 0
            while at < len(data):
                (size,) = struct.unpack(">I", data[at:at + 4])
                index = n * 1024 + count
                if size:
                    o = witness.Opening(data[at + 4:at + 4 + size])
                    if o.leaf_hash != self.leaves[index]:
                        raise Bad("record %d does not give its leaf" % index)
                    if o.slots[1]:
                        out[index] = Record(index, o)
                at, count = at + 4 + size, count + 1
            if count != min(1024, self.size - n * 1024):
                raise Bad("record/%06d has %d records" % (n, count))
        return out

    # ---- what the records say together ----
    def check_order(self):
        last, trees, current, after_intake = 0, {}, {}, None
        policy, keys, self.delivered, self.heads = b"", {}, set(), {}
        for index in sorted(self.records):
            r = self.records[index]
            if r.time < last:
                raise Bad("%d: time falls" % index)
            last = r.time
            r.check_form()
            self.check_own(r)
            for party, place in sorted(r.parties(self.party)):
                if self.hub or party == self.party:
                    tree = trees.setdefault(party, [])
                    if place != len(tree):
                        raise Bad("%d: place %d in the tree of %s, not %d" % (index, place, party, len(tree)))
                    tree.append(H(b"\x00RLP1" + struct.pack(">Q", index) + self.leaves[index]))
            if r.kind == "PARTY_HEAD":
                self.check_head(r, trees)
            if r.kind == "KEY" and self.first == 0:
                self.check_key(r, keys)
            if not self.hub:
                continue
            if r.kind == "POLICY":
                policy = r.field(7, 0)
            if r.kind in ("START", "STOP"):
                at = 2 if r.kind == "START" else 1
                if (uint(r.field(7, at)), r.field(7, at + 1)) != (index, witness.tree_root(self.leaves[:index])):
                    raise Bad("%d: %s states another tree" % (index, r.kind))
            if r.kind in ("INTAKE", "DECISION", "NARROWED", "APPROVAL") and r.field(4, 2) != policy:
                raise Bad("%d: %s under another policy than the last POLICY record's" % (index, r.kind))
            if after_intake and r.kind != "DECISION":
                self.check_judged(after_intake, current)
            after_intake = self.check_decision(r, current, after_intake)
        if after_intake:
            self.check_judged(after_intake, current)
        self.trees = trees

    def check_own(self, r):
        """In a party's own bundle: all that the party may open of a record."""
        if self.hub or r.kind == "PARTY_HEAD":
            return
        may = "1234" if r.kind == "APPROVAL" else "12347" if r.o.slots[3] is not None else PLACES.get(r.kind, "18")
        if r.o.slots[3] is None and r.kind == "APPROVAL":
            may = PLACES[r.kind]
        if set(may) - set(r.opened()):
            raise Bad("%d: only slots %s of a %s are open" % (r.index, r.opened(), r.kind))
        if self.party not in [p for p, _ in r.parties(self.party)]:
            raise Bad("%d: open to %s, but in no tree of it" % (r.index, self.party))

    def check_judged(self, intake, current):
        """Behind an INTAKE stand decisions for whoever may receive under the agreements that were judged."""
        policy = (self.content("policy", intake.field(4, 2)) or b"").decode()
        run, at = [], intake.index + 1
        while at in self.records and self.records[at].kind == "DECISION" and \
                uint(self.records[at].field(4, 4)) == intake.index:
            run.append(self.records[at])
            at += 1
        if not run:
            facts = wire.pb.Facts.FromString(self.content("facts", intake.field(4, 3)) or b"")
            others = [receivers(policy, a.name.decode()) for a in facts.agreements]
            if not any(o is not None and set(o) <= {intake.field(3, 0).decode()} for o in others):
                raise Bad("%d: INTAKE without a decision" % intake.index)
        named = {line.split(" ")[3] for r in run for line in r.field(4, 1).decode().splitlines()}
        if "-" in named or len(named) > 8:
            raise Bad("%d: decisions under no agreement, or too many" % intake.index)
        for a in named if policy else ():
            who = receivers(policy, a)
            if who is None:
                raise Bad("%d: judged under %s, which is not in the policy" % (intake.index, a))
            for w in set(who) - {intake.field(3, 0).decode()}:
                if (intake.report, w) not in current:
                    raise Bad("%d: no decision for %s" % (intake.index, w))

    def check_head(self, r, trees):
        tree = trees.get(r.field(7, 0).decode(), [])
        if (uint(r.field(7, 1)), r.field(7, 2)) != (len(tree), witness.tree_root(list(tree))):
            raise Bad("%d: PARTY_HEAD of %s states another tree" % (r.index, r.field(7, 0).decode()))
        self.heads[r.field(7, 0), r.field(7, 1)] = r.field(7, 2)

    @staticmethod
    def check_key(r, keys):
        purpose, act, key = r.field(7, 1)[0], r.field(7, 2)[0], r.field(7, 3).decode()
        if purpose == 1:  # the log's
            return
        if not re.fullmatch("[0-9a-f]{64}", key):
            raise Bad("%d: KEY of no certificate" % r.index)
        was = keys.get((r.field(7, 0), purpose, key), 1 if purpose == 3 else 2)
        if act == was or (act == 3 and purpose != 3):
            raise Bad("%d: KEY that tells nothing new" % r.index)
        keys[(r.field(7, 0), purpose, key)] = act

    def check_decision(self, r, current, intake):
        if r.kind == "INTAKE":
            return r
        if r.kind in ("DECISION", "NARROWED", "APPROVAL"):
            link = uint(r.field(4, 4))
            check_outcome(r)
            if intake is not None and r.kind == "DECISION" and link == intake.index and \
                    (r.report, r.o.slots[3][:3]) != (intake.report, intake.o.slots[3][:3]):
                raise Bad("%d: decision about another report than its INTAKE's" % r.index)
            for who in r.field(2, 0).decode().split("\n"):
                was = current.get((r.report, who))
                if was is None and (intake is None or link != intake.index or r.kind != "DECISION"):
                    raise Bad("%d: %s without a gap-free INTAKE" % (r.index, r.kind))
                if was is not None and link != was.index:
                    raise Bad("%d: links to %d, the current decision is %d" % (r.index, link, was.index))
                if was is not None and r.kind != "APPROVAL":
                    self.check_place(r, was)
                current[(r.report, who)] = r
            return intake
        if r.kind == "DELIVERY":
            was = current.get((r.report, r.field(2, 0).decode()))
            if was is None or uint(r.field(4, 4)) != was.index or was.o.slots[4][0][0] not in OUTCOME_RELEASES \
                    or was.field(2, 3) != r.field(2, 3):
                raise Bad("%d: DELIVERY without a decision that releases the same" % r.index)
            if (was.index, r.field(2, 0)) in self.delivered:
                raise Bad("%d: a second DELIVERY under one decision" % r.index)
            self.delivered.add((was.index, r.field(2, 0)))
        if r.kind == "EXPIRE":
            self.check_place(r, current[(r.report, r.field(2, 0).decode())])
        if r.kind == "ACK" and r.field(7, 1) and self.heads.get((r.field(2, 0), r.field(7, 1))) != r.field(7, 2):
            raise Bad("%d: attests what no head states" % r.index)
        if r.kind == "ACK" and r.field(7, 0):
            named = r.field(7, 0)
            for i in range(0, len(named), 8):
                d = self.records.get(uint(named[i:i + 8]))
                if d is None or d.kind != "DELIVERY" or d.index > r.index or d.field(2, 0) != r.field(2, 0):
                    raise Bad("%d: ACK of what was not delivered to %s" % (r.index, r.field(2, 0).decode()))
        return None

    def check_place(self, r, was):
        """What stops a delivery is in its recipient's history, and nothing else is."""
        if bool(r.field(8, 0)) != ((was.index, r.field(2, 0)) in self.delivered):
            raise Bad("%d: %s with another slot 8 than its delivery asks for" % (r.index, r.kind))

    # ---- contents, for a hub auditor ----
    def check_contents(self):
        checked = 0
        for folder in FOLDERS:
            path = os.path.join(self.folder, folder)
            for name in sorted(os.listdir(path)) if os.path.isdir(path) else []:
                if hashlib.sha256(self.read("%s/%s" % (folder, name))).hexdigest() != name:
                    raise Bad("%s/%s is not what its name says" % (folder, name))
                checked += 1
        return checked

    # ---- who signed, for a hub auditor ----
    def content(self, folder, digest):
        """None where the bundle has it not."""
        path = "%s/%s" % (folder, digest.hex())
        return self.read(path) if os.path.exists(os.path.join(self.folder, path)) else None

    def manifests(self):
        """INTAKE -> digest of its manifest."""
        lines = []
        for n in range(-(-self.size // 1024)):
            path = "report/%06d" % n
            if os.path.exists(os.path.join(self.folder, path)):
                lines += self.read(path).decode().splitlines()
        return {int(line.split(" ")[0]): bytes.fromhex(line.split(" ")[1]) for line in lines}

    def check_reports(self):
        """report/ has a line for each INTAKE, with a head for each reason, each once."""
        intakes = [r for r in self.records.values() if r.kind == "INTAKE"] if self.hub else []
        lines = {}
        for n in range(-(-self.size // 1024)):
            wanted = [r.index for r in intakes if r.index // 1024 == n]
            if not os.path.exists(os.path.join(self.folder, "report/%06d" % n)):
                continue
            text = self.read("report/%06d" % n).decode()
            found = [line.split(" ") for line in text.splitlines()]
            if text and not text.endswith("\n") or [int(w[0]) for w in found] != wanted:
                raise Bad("report/%06d has other lines than INTAKEs" % n)
            for words in found:
                if len(set(words[4:])) != len(words[4:]):
                    raise Bad("%s: a head twice" % words[0])
                heads = [self.content("head", bytes.fromhex(w)) for w in words[4:]]
                orders = [wire.pb.PortionHead.FromString(h).order for h in heads if h is not None]
                if orders != sorted(set(orders)):
                    raise Bad("%s: heads in another order than that of the portions" % words[0])
                if words[3] != "-" and self.content("notice", bytes.fromhex(words[3])) is None:
                    raise Bad("%s: a notice that is not there" % words[0])
                lines[self.records[int(words[0])].report] = len(words) - 4
        for r in self.records.values():
            if self.hub and r.kind in ("DECISION", "NARROWED", "APPROVAL"):
                count = len(r.field(4, 1).splitlines())
                if lines.setdefault(r.report, count) != count:
                    raise Bad("%d: %d reasons for %d portions" % (r.index, count, lines[r.report]))

    def check_signatures(self):
        """How many reports have their publisher's signature; the others' contents are missing."""
        signed, manifests = 0, self.manifests() if self.hub else {}
        for r in self.records.values():
            if r.kind != "INTAKE" or r.index not in manifests:
                continue
            anchors = r.field(7, 2)
            anchors = [anchors[i:i + 32] for i in range(0, len(anchors), 32)]
            wanted = [("manifest", manifests[r.index]), ("seal", r.field(7, 0)), ("chain", r.field(7, 1)),
                      ("policy", r.field(4, 2))] + [("anchor", a) for a in anchors]
            found = [self.content(*w) for w in wanted]
            if None not in found:
                self.check_signature(r, found[:4], found[4:])
                signed += 1
        return signed

    def check_signature(self, r, contents, anchors):
        manifest, seal, chain, policy = contents
        if H(b"\x00" + manifest) != r.field(3, 2):
            raise Bad("%d: another manifest" % r.index)
        certificates = split_chain(chain)
        wire.check_seal(manifest, seal, certificates)
        m = wire.pb.Manifest.FromString(manifest)
        if m.originator != r.field(3, 1):
            raise Bad("%d: published by another agent" % r.index)
        party = party_block(policy.decode(), r.field(3, 0).decode())
        if "    trust-domain " + m.originator.decode().split("/")[2] not in party:
            raise Bad("%d: signed for another party" % r.index)
        for a in anchors:
            if "    anchor " + H(a).hex() not in party:
                raise Bad("%d: an anchor that the policy does not have" % r.index)
        load = x509.load_der_x509_certificate
        wire.check_chain([load(c) for c in certificates], [load(a) for a in anchors],
                         datetime.datetime.utcfromtimestamp(r.time // 1000000))

    def summary(self):
        kinds = {}
        for r in self.records.values():
            kinds[r.kind] = kinds.get(r.kind, 0) + 1
        return "size %d, %d records opened: %s" % (self.size, len(self.records), " ".join(
            "%s=%d" % kv for kv in sorted(kinds.items())))

    def verify(self):
        self.check_order()
        self.contents = self.check_contents()
        self.check_reports()
        self.signed = self.check_signatures()
        return self


def split_chain(data):
    """DER certificates one after the other; each is a SEQUENCE with a length of three octets at most."""
    out, at = [], 0
    while at < len(data):
        octets = data[at + 1] & 0x7F if data[at + 1] & 0x80 else 0
        size = int.from_bytes(data[at + 2:at + 2 + octets], "big") if octets else data[at + 1]
        end = at + 2 + octets + size
        if data[at] != 0x30 or octets > 3 or end > len(data):
            raise Bad("a chain that is no row of certificates")
        out.append(data[at:end])
        at = end
    return out


def check_outcome(r):
    verdicts = []
    for n, line in enumerate(r.field(4, 1).decode().splitlines()):
        words = line.split(" ")
        if words[0] != str(n):
            raise Bad("%d: reasons out of order" % r.index)
        verdicts.append(words[1])
    outcome = 3 if "hold" in verdicts else 4 if "release" not in verdicts else 2 if "withhold" in verdicts else 1
    names = r.field(2, 0).split(b"\n")
    if names != sorted(set(names)) or len(names) > 1 and (r.kind != "DECISION" or outcome != 4):
        raise Bad("%d: recipients that do not share a decision" % r.index)
    if r.field(4, 0)[0] != outcome:
        raise Bad("%d: its outcome does not follow from its reasons" % r.index)


def receivers(policy, agreement):
    """Who may receive under an agreement of the canonical export; None if it has no such agreement."""
    lines = policy.split("\n")
    if "agreement %s {" % agreement not in lines:
        return None
    at, out = lines.index("agreement %s {" % agreement), []
    for line in lines[at:lines.index("}", at)]:
        if line.startswith("    member "):
            member = line.split(" ")[5]
        if line.startswith("        may [") and line.endswith("receive ]"):
            out.append(member)
    return out


def party_block(policy, name):
    lines = policy.split("\n")
    at = lines.index("party %s {" % name)
    return lines[at:lines.index("}", at)]


def tile_name(number):
    parts = ["%03d" % (number % 1000)]
    while number >= 1000:
        number //= 1000
        parts.insert(0, "x%03d" % (number % 1000))
    return "/".join(parts)


def main():
    try:
        b = Bundle(sys.argv[1], sys.argv[2]).verify()
    except (Bad, OSError, ValueError, IndexError) as e:
        print("not good: %s" % e)
        return 1
    print("good: %s; %d contents; %d reports signed" % (b.summary(), b.contents, b.signed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
