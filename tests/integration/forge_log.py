"""forge_log.py - a hub auditor's bundle told anew by whoever has the log's key: records changed, and tree, heads and
checkpoint made to fit, so that nothing but what the records rest on can give the forger away."""
import base64
import hashlib
import os
import shutil
import struct
import sys

from cryptography.hazmat.primitives import serialization

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import bundle  # noqa: E402
import witness  # noqa: E402
from witness import H  # noqa: E402


def parts(opening):
    """[(salt, value)] of an opening that shows every slot."""
    out, at = [], 6
    while at < len(opening):
        (size,) = struct.unpack(">I", opening[at + 17:at + 21])
        out.append((opening[at + 1:at + 17], opening[at + 21:at + 21 + size]))
        at += 21 + size
    return out


def joined(fields):
    return b"".join(struct.pack(">I", len(f)) + f for f in fields)


class ForgedLog:
    def __init__(self, folder, key_path):
        self.folder = folder
        with open(key_path, "rb") as f:
            self.key = serialization.load_pem_private_key(f.read(), None)
        with open(self.path("record/000000"), "rb") as f:
            data = f.read()
        self.openings, at = [], 0
        while at < len(data):
            (size,) = struct.unpack(">I", data[at:at + 4])
            self.openings.append(data[at + 4:at + 4 + size])
            at += 4 + size
        if len(self.openings) >= 256:
            raise AssertionError("a log of more than a tile")

    def path(self, name):
        return os.path.join(self.folder, name)

    def content(self, name, data):
        """Puts a content where its digest says; gives the digest."""
        with open(self.path("%s/%s" % (name, H(data).hex())), "wb") as f:
            f.write(data)
        return H(data)

    def record(self, index):
        return bundle.Record(index, witness.Opening(self.openings[index]))

    def last(self, kind):
        return [i for i in range(len(self.openings)) if self.record(i).kind == kind][-1]

    def cut(self, size):
        """Ends the log before record 'size'."""
        self.openings = self.openings[:size]
        with open(self.path("report/000000"), encoding="ascii") as f:
            lines = [line for line in f if int(line.split(" ")[0]) < size]
        self.put("report/000000", "".join(lines).encode())

    def empty(self, index, slot):
        self.set(index, slot, b"")

    def change(self, index, slot, field, value):
        fields = witness.fields(parts(self.openings[index])[slot - 1][1])
        fields[field] = value
        self.set(index, slot, joined(fields) if any(fields) else b"")

    def set(self, index, slot, value):
        slots = parts(self.openings[index])
        slots[slot - 1] = (slots[slot - 1][0], value)
        self.openings[index] = b"RLO1\x00\x08" + b"".join(
            b"\x01" + s + struct.pack(">I", len(v)) + v for s, v in slots)

    def write(self):
        """Trees, party heads, roots in START and STOP, the checkpoint."""
        leaves, trees, datas = [], {}, []
        for name in ("tile/0/000.p", "tile/entries/000.p"):
            shutil.rmtree(self.path(name))
            os.mkdir(self.path(name))
        for index in range(len(self.openings)):
            kind = self.record(index).kind
            root = witness.tree_root(list(leaves))
            if kind in ("START", "STOP"):
                self.change(index, 7, 3 if kind == "START" else 2, root)
            record = self.record(index)
            if kind == "PARTY_HEAD":
                self.change(index, 7, 2, witness.tree_root(list(trees[record.field(7, 0).decode()])))
                record = self.record(index)
            leaves.append(record.o.leaf_hash)
            datas.append(record.o.leaf_data)
            for party, _ in sorted(record.parties()):
                trees.setdefault(party, []).append(H(b"\x00RLP1" + struct.pack(">Q", index) + leaves[index]))
        self.put("record/000000", b"".join(struct.pack(">I", len(o)) + o for o in self.openings))
        self.put("tile/0/000.p/%d" % len(leaves), b"".join(leaves))
        self.put("tile/entries/000.p/%d" % len(leaves), b"".join(b"\x00\x26" + d for d in datas))
        self.claim(len(leaves))
        self.sign(len(leaves), witness.tree_root(leaves))

    def claim(self, size):
        with open(self.path("bundle"), encoding="utf-8") as f:
            claims = f.readlines()
        claims[2] = "size %d\n" % size
        self.put("bundle", "".join(claims).encode())

    def put(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)

    def sign(self, size, root):
        with open(self.path("checkpoint"), encoding="utf-8") as f:
            origin = f.read().split("\n")[0]
        public = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        keyid = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
        text = "%s\n%d\n%s\n" % (origin, size, base64.b64encode(root).decode())
        blob = base64.b64encode(keyid + self.key.sign(text.encode())).decode()
        self.put("checkpoint", ("%s\n\u2014 %s %s\n" % (text, origin, blob)).encode())
