"""forge.py - bundles taken apart and put together again, truthfully or not.

Written from docs/audit-format.md, for tests: what a verifier must refuse has to be made by somebody who can write a log.
Shares nothing with audit/ and nothing with tools/relto_verify.py.
"""
import base64
import hashlib
import os
import shutil
import struct

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

NAMES = ("INTAKE DECISION APPROVAL DELIVERY ACK NARROWED RECALL SUPERSEDE EXPIRE DEAD_LETTER FEEDBACK REFUSED POLICY "
         "AGREEMENT KEY CLOCK PARTY_HEAD ERASE ADMIN AUDIT_READ START STOP RECOVER CLOSE PAD SUBSCRIPTION").split()
FIELDS = {1: 3, 2: 4, 3: 5, 4: 5, 5: 4, 6: 2, 8: 1}
# where records name others by their main index: (type or None for all, slot, field)
POINTERS = ((None, 4, 4), ("ACK", 7, 0), ("EXPIRE", 7, 1), ("RECALL", 7, 4), ("SUPERSEDE", 7, 3), ("DEAD_LETTER", 7, 2),
            ("FEEDBACK", 7, 2), ("PARTY_HEAD", 7, 3), ("ERASE", 7, 0))


def H(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def u64(n):
    return struct.pack(">Q", n)


def number(data):
    return int.from_bytes(data, "big")


def pieces(data, width=8):
    return [data[i:i + width] for i in range(0, len(data), width)]


def openings(data):
    """Those of a file of record/; empty: not opened."""
    out, at = [], 0
    while at < len(data):
        length = number(data[at:at + 4])
        out.append(data[at + 4:at + 4 + length])
        at += 4 + length
    return out


def root_of(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else H()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return H(b"\1", root_of(leaves[:k]), root_of(leaves[k:]))


class Slot:
    """One of a record: opened (salt and value) or only committed to."""

    def __init__(self, n, salt=None, value=None, commitment=None):
        self.n, self.salt, self.value, self.stated = n, salt, value, commitment

    @property
    def commitment(self):
        return self.stated or H(b"\2", struct.pack(">H", self.n), self.salt, self.value)

    def opened(self):
        return b"\1" + self.salt + struct.pack(">I", len(self.value)) + self.value

    def hidden(self):
        return b"\0" + self.commitment


class Record:
    """Eight slots; fields are read and written as lists of bytes."""

    def __init__(self, slots):
        self.slots = slots

    @classmethod
    def parse(cls, opening):
        slots, at = [], 6
        for n in range(1, 9):
            if opening[at] == 0:
                slots.append(Slot(n, commitment=opening[at + 1:at + 33]))
                at += 33
            else:
                length = number(opening[at + 17:at + 21])
                slots.append(Slot(n, opening[at + 1:at + 17], opening[at + 21:at + 21 + length]))
                at += 21 + length
        return cls(slots)

    def fields(self, n):
        value, out = self.slots[n - 1].value or b"", []
        while value:
            length = number(value[:4])
            out.append(value[4:4 + length])
            value = value[4 + length:]
        return out

    def field(self, n, k):
        got = self.fields(n)
        return got[k] if got else b""

    def set(self, n, k, data):
        got = self.fields(n) or [b""] * FIELDS[n]
        got[k] = data
        self.slots[n - 1].value = b"".join(struct.pack(">I", len(f)) + f for f in got) if any(got) else b""

    @property
    def kind(self):
        number = (self.field(1, 0) or b"\0")[0]
        return NAMES[number - 1] if 1 <= number <= len(NAMES) else "?"

    @property
    def leaf_data(self):
        return b"RLT1\0\x08" + H(b"\3\0\x08", *(s.commitment for s in self.slots))

    @property
    def leaf(self):
        return H(b"\0", self.leaf_data)

    def opening(self, shown=range(1, 9)):
        return b"RLO1\0\x08" + b"".join(s.opened() if s.n in shown and s.value is not None else s.hidden()
                                         for s in self.slots)

    def places(self):
        """[(party, slot, field)]: the party trees that it is a leaf of, and where its place stands."""
        out = [(self.field(3, 0), 3, 4)] if self.field(3, 4) else []
        eighth = {"APPROVAL": (7, 3), "AGREEMENT": (7, 0), "KEY": (7, 0)}.get(self.kind, (2, 0))
        return out + ([(self.field(*eighth), 8, 0)] if self.field(8, 0) else [])

    def shown_to(self, party):
        """The slots that a party opens, section 4."""
        shown, kind = set(), self.kind
        for owner, slot, _ in self.places():
            if owner != party:
                continue
            if slot == 3:
                shown |= {1, 2, 3, 4} | (set() if kind == "APPROVAL" else {7})
            else:
                shown |= {"DELIVERY": {1, 2, 7, 8}, "ACK": {1, 2, 7, 8}, "APPROVAL": {1, 7, 8}, "AGREEMENT": {1, 7, 8},
                          "KEY": {1, 7, 8}}.get(kind, {1, 8})
        if kind == "RECOVER" or kind == "PARTY_HEAD" and self.field(7, 0) == party:
            shown |= {1, 7}
        return shown


class Key:
    def __init__(self, name, pem=None):
        """Of a PEM, of 32 bytes, or the one of all lies."""
        self.name = name
        self.key = serialization.load_pem_private_key(pem, None) if pem and len(pem) != 32 else (
            ed25519.Ed25519PrivateKey.from_private_bytes(pem or H(b"a log of lies")))
        public = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.id = H(name.encode(), b"\n\1", public)[:4]
        self.vkey = "%s+%s+%s" % (name, self.id.hex(), base64.b64encode(b"\1" + public).decode())

    def note(self, text):
        return text + "\n— %s %s\n" % (self.name, base64.b64encode(self.id + self.key.sign(text.encode())).decode())


class Log:
    """The records of a bundle (None: not opened); those of a hub's can be changed, settled and written."""

    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "bundle"), encoding="utf-8") as f:
            claims = dict(line.split(" ", 1) for line in f.read().splitlines())
        self.origin, size = claims["origin"], int(claims["size"])
        self.records = []
        for n in range((size + 1023) // 1024):
            with open(os.path.join(folder, "record", "%06d" % n), "rb") as f:
                self.records += [Record.parse(o) if o else None for o in openings(f.read())]
        self.lines = {}
        for n in range((size + 1023) // 1024):
            path = os.path.join(folder, "report", "%06d" % n)
            if os.path.exists(path):
                with open(path, encoding="ascii") as f:
                    for line in f.read().splitlines():
                        index, rest = line.split(" ", 1)
                        self.lines[self.records[int(index)]] = rest
        self.was, self.more = list(self.records), {}

    def content(self, folder, digest):
        with open(os.path.join(self.folder, folder, digest.hex()), "rb") as f:
            return f.read()

    def add_content(self, folder, data):
        """Another file for the bundle; its digest."""
        self.more["%s/%s" % (folder, H(data).hex())] = data
        return H(data)

    def all(self, kind, *more):
        """Indexes of the records of a type whose fields are such: (slot, field, value)."""
        return [i for i, r in enumerate(self.records)
                if r and r.kind == kind and all(r.field(n, k) == v for n, k, v in more)]

    def rekey(self, key):
        """The KEY records that tell the log's key tell this one."""
        for i in self.all("KEY", (7, 1, b"\1")):
            self.records[i].set(7, 3, key.vkey.encode())
        return self

    def settle(self, keep=None, places=True):
        """Makes links, places, heads and roots those of an honest log with these records, but not in 'keep'."""
        moved = {r: i for i, r in enumerate(self.records)}
        leaves, parties, heads = [], {}, {}
        for i, r in enumerate(self.records):
            for kind, n, k in POINTERS if r is not keep else ():
                old = [number(o) for o in pieces(r.field(n, k))] if kind in (None, r.kind) else []
                now = [moved.get(self.was[o], o) if o < len(self.was) else o for o in old]
                if now != old:
                    r.set(n, k, b"".join(map(u64, now)))
            for party, n, k in r.places() if places and r is not keep else ():
                r.set(n, k, u64(len(parties.get(party, []))))
            if r is not keep:
                self.restate(i, r, leaves, parties, heads)
            if r.kind == "PARTY_HEAD":
                heads[r.field(7, 0)] = u64(i)
            leaves.append(r.leaf)
            for party, _, _ in r.places():
                parties.setdefault(party, []).append(H(b"\0RLP1", u64(i), r.leaf))
        self.was = list(self.records)
        return self

    def restate(self, i, r, leaves, parties, heads):
        """What START, STOP and PARTY_HEAD say of the trees."""
        if r.kind in ("START", "STOP"):
            size = {"START": 2, "STOP": 1}[r.kind]
            r.set(7, size, u64(i))
            r.set(7, size + 1, root_of(leaves))
        if r.kind == "PARTY_HEAD":
            party = r.field(7, 0)
            for k, value in ((1, u64(len(parties.get(party, [])))), (2, root_of(parties.get(party, []))),
                             (3, heads.get(party, b""))):
                r.set(7, k, value)

    def write(self, folder, key, view="hub", first=0):
        """The bundle with all from 'first' on in full, signed; contents are copied as they are, once."""
        shutil.rmtree(os.path.join(folder, "tile"), ignore_errors=True)
        for name in os.listdir(self.folder):
            if name not in ("bundle", "log.vkey", "checkpoint", "tile", "record", "report") and view == "hub":
                if not os.path.exists(os.path.join(folder, name)):
                    shutil.copytree(os.path.join(self.folder, name), os.path.join(folder, name))
        for name, data in self.more.items():
            put(folder, name, data)
        datas = [r.leaf_data for r in self.records]
        leaves = [H(b"\0", d) for d in datas]
        put(folder, "bundle", "relto-bundle 1\norigin %s\nsize %d\nview %s\nfirst %d\n" % (key.name, len(datas), view, first))
        put(folder, "log.vkey", key.vkey + "\n")
        text = "%s\n%d\n%s\n" % (key.name, len(datas), base64.b64encode(root_of(leaves)).decode())
        put(folder, "checkpoint", key.note(text))
        tiles(folder, "entries", [struct.pack(">H", len(d)) + d for d in datas])
        level, hashes = 0, leaves
        while hashes:
            tiles(folder, str(level), hashes)
            level, hashes = level + 1, [root_of(hashes[i:i + 256]) for i in range(0, len(hashes) - 255, 256)]
        self.write_records(folder, view, first)

    def write_records(self, folder, view, begin):
        party = view[6:].encode() if view.startswith("party ") else None
        for first in range(0, len(self.records), 1024):
            out, lines = b"", ""
            for i, r in enumerate(self.records[first:first + 1024], first):
                shown = r.shown_to(party) if party else range(1, 9)
                opening = r.opening(shown) if shown and i >= begin else b""
                out += struct.pack(">I", len(opening)) + opening
                lines += "%d %s\n" % (i, self.lines[r]) if r in self.lines and i >= begin else ""
            put(folder, "record/%06d" % (first // 1024), out)
            if not party:
                put(folder, "report/%06d" % (first // 1024), lines)


def tiles(folder, level, items):
    for first in range(0, len(items), 256):
        part, n = items[first:first + 256], first // 256
        name = "%03d" % (n % 1000)
        while n >= 1000:
            n //= 1000
            name = "x%03d/%s" % (n % 1000, name)
        put(folder, "tile/%s/%s%s" % (level, name, "" if len(part) == 256 else ".p/%d" % len(part)), b"".join(part))


def put(folder, name, data):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)
