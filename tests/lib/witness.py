"""witness.py - checkpoints, proofs and openings of the audit log, verified from the outside.

Written from docs/audit-format.md; shares nothing with the C sources.
"""
import base64
import hashlib
import os
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519


RECORD_FILE = 1024  # records in a file of a bundle


class Bad(Exception):
    """What was shown does not verify."""


def H(data):
    return hashlib.sha256(data).digest()


def node(left, right):
    return H(b"\x01" + left + right)


# ---- the tree (RFC 9162; audit format, section 3) ----

def root_from_inclusion(index, size, leaf, path):
    if index >= size:
        raise Bad("index %d outside a tree of %d" % (index, size))
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            raise Bad("inclusion proof too long")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Bad("inclusion proof too short")
    return r


def verify_inclusion(index, size, leaf, path, root):
    if root_from_inclusion(index, size, leaf, path) != root:
        raise Bad("inclusion proof of %d in %d gives another root" % (index, size))


def verify_consistency(m, n, root1, root2, path):
    if m == n:
        if path or root1 != root2:
            raise Bad("two roots of size %d" % m)
        return
    if not 0 < m < n or not path:
        raise Bad("no consistency proof from %d to %d" % (m, n))
    path = list(path)
    if m & (m - 1) == 0:
        path.insert(0, root1)
    fn, sn = m - 1, n - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            raise Bad("consistency proof too long")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn or fr != root1 or sr != root2:
        raise Bad("size %d is no prefix of size %d" % (m, n))


def tree_root(leaves):
    if not leaves:
        return H(b"")
    while len(leaves) > 1:
        paired = [node(leaves[i], leaves[i + 1]) for i in range(0, len(leaves) - 1, 2)]
        leaves = paired + leaves[len(leaves) - len(leaves) % 2:]
    return leaves[0]


# ---- signed notes (section 7) ----

class Key:
    def __init__(self, vkey):
        self.name, keyid, data = vkey.strip().split("+", 2)
        raw = base64.b64decode(data, validate=True)
        self.kind, self.public = raw[:1], ed25519.Ed25519PublicKey.from_public_bytes(raw[1:])
        self.id = bytes.fromhex(keyid)
        if H(self.name.encode() + b"\n" + raw)[:4] != self.id:
            raise Bad("key id of %s" % self.name)


class Checkpoint:
    def __init__(self, note, key):
        text, _, signatures = note.decode("utf-8").partition("\n\n")
        lines = text.split("\n")
        if len(lines) != 3:
            raise Bad("checkpoint of %d lines" % len(lines))
        self.note, self.text = note, text + "\n"
        self.origin, self.size, self.root = lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
        if str(self.size) != lines[1] or len(self.root) != 32:
            raise Bad("checkpoint lines %r" % lines)
        good = 0
        for line in signatures.splitlines():
            dash, name, blob = line.split(" ")
            blob = base64.b64decode(blob, validate=True)
            if dash != "\u2014" or name != key.name or blob[:4] != key.id:
                continue
            try:
                key.public.verify(blob[4:], self.text.encode())
            except InvalidSignature:
                raise Bad("signature of %s" % name)
            good += 1
        if good != 1 or key.name != self.origin:
            raise Bad("%d signatures of the log" % good)


class Memory:
    """The largest verified checkpoint: what a client keeps."""

    def __init__(self, key):
        self.key, self.seen = key, None

    def take(self, note, path):
        new = Checkpoint(note, self.key)
        if self.seen is not None:
            if new.size < self.seen.size:
                raise Bad("rollback from %d to %d" % (self.seen.size, new.size))
            verify_consistency(self.seen.size, new.size, self.seen.root, new.root, path)
        self.seen = new
        return new


# ---- records (sections 1, 3 and 5) ----

TYPES = ("INTAKE DECISION APPROVAL DELIVERY ACK NARROWED RECALL SUPERSEDE EXPIRE DEAD_LETTER FEEDBACK REFUSED POLICY "
         "AGREEMENT KEY CLOCK PARTY_HEAD ERASE ADMIN AUDIT_READ START STOP RECOVER CLOSE PAD SUBSCRIPTION").split()


class Opening:
    """An RLO1 opening: slots 1..8 as lists of fields, None where only the commitment is shown."""

    def __init__(self, data):
        if data[:6] != b"RLO1\x00\x08":
            raise Bad("no opening")
        self.slots, commitments, at = {}, [], 6
        for i in range(1, 9):
            shown, at = data[at], at + 1
            if shown == 0:
                commitments.append(data[at:at + 32])
                self.slots[i], at = None, at + 32
            elif shown == 1:
                salt, (size,) = data[at:at + 16], struct.unpack(">I", data[at + 16:at + 20])
                value = data[at + 20:at + 20 + size]
                if len(value) != size:
                    raise Bad("short slot %d" % i)
                at += 20 + size
                commitments.append(H(b"\x02" + struct.pack(">H", i) + salt + value))
                self.slots[i] = fields(value)
            else:
                raise Bad("slot %d begins with %d" % (i, shown))
        if at != len(data):
            raise Bad("%d bytes trail" % (len(data) - at))
        self.leaf_data = b"RLT1\x00\x08" + H(b"\x03\x00\x08" + b"".join(commitments))
        self.leaf_hash = H(b"\x00" + self.leaf_data)

    @property
    def type(self):
        return TYPES[self.slots[1][0][0] - 1] if self.slots[1] else None


class Record(Opening):
    """An opening whose place in the log is known."""

    def __init__(self, index, data):
        super().__init__(data)
        self.index, self.kind, self.time, self.report = index, self.type, uint(self.slots[1][1]), self.slots[1][2]

    def field(self, slot, number):
        return self.slots[slot][number] if self.slots[slot] else b""


def openings(data, first, begin=0):
    """The records of a file of a bundle."""
    at, index = 0, first
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        if size and index >= begin:
            yield Record(index, data[at + 4:at + 4 + size])
        at, index = at + 4 + size, index + 1


def bundle_records(folder):
    """index: record, of a bundle on the disk."""
    out = {}
    for name in os.listdir(os.path.join(folder, "record")):
        with open(os.path.join(folder, "record", name), "rb") as f:
            out.update((r.index, r) for r in openings(f.read(), RECORD_FILE * int(name)))
    return out


def fields(value):
    out, at = [], 0
    while at < len(value):
        (size,) = struct.unpack(">I", value[at:at + 4])
        out.append(value[at + 4:at + 4 + size])
        if len(out[-1]) != size:
            raise Bad("short field")
        at += 4 + size
    return out


def uint(field):
    return int.from_bytes(field, "big")
