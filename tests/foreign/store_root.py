#!/usr/bin/python3
"""store_root.py STORE - recomputes the trees of a stopped broker from its store, by python3-lmdb.

Written from docs/decisions/0003-store-tables.md and docs/audit-format.md, sections 1 to 7. It reads every row of the
tables of the log, and says as JSON: size, root, party trees, checkpoints. What does not fit ends it with a message.
"""
import base64
import json
import struct
import sys
from hashlib import sha256

import lmdb

NONE = 2**64 - 1
TYPES = {n: i for i, n in enumerate("- INTAKE DECISION APPROVAL DELIVERY ACK NARROWED RECALL SUPERSEDE EXPIRE DEAD_LETTER "
                                    "FEEDBACK REFUSED POLICY AGREEMENT KEY CLOCK PARTY_HEAD".split())}
IN_BODY = {TYPES["APPROVAL"]: 3, TYPES["AGREEMENT"]: 0, TYPES["KEY"]: 0}  # field of the body that slot 8 speaks of


class Wrong(Exception):
    pass


def must(good, what):
    if not good:
        raise Wrong(what)


def H(*parts):
    return sha256(b"".join(parts)).digest()


def crc_table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        yield n


CRC = list(crc_table())


def crc32c(data):
    c = 0xFFFFFFFF
    for byte in data:
        c = c >> 8 ^ CRC[(c ^ byte) & 255]
    return c ^ 0xFFFFFFFF


def fields(value):
    out = []
    while value:
        n = int.from_bytes(value[:4], "big")
        out.append(value[4:4 + n])
        value = value[4 + n:]
    return out


class Tree:
    """The frontier, as the store keeps it: the hash for each set bit of the size, lowest first."""

    def __init__(self):
        self.size, self.frontier, self.last, self.stated = 0, {}, NONE, 0

    def append(self, h):
        bit = 0
        while self.size >> bit & 1:
            h = H(b"\1", self.frontier.pop(bit), h)
            bit += 1
        self.frontier[bit] = h
        self.size += 1

    def root(self):
        out = None
        for bit in sorted(self.frontier):
            out = self.frontier[bit] if out is None else H(b"\1", self.frontier[bit], out)
        return out or H()


class Store:
    def __init__(self, folder):
        self.env = lmdb.open(folder, readonly=True, lock=False, max_dbs=32)
        self.main, self.parties, self.roots, self.time = Tree(), {}, [H()], 0

    def rows(self, table):
        db = self.env.open_db(table.encode(), create=False)
        with self.env.begin(db=db) as txn:
            for key, value in txn.cursor():
                must(crc32c(key + value[:-4]) == int.from_bytes(value[-4:], "big"), "checksum of a row of " + table)
                yield key, value[:-4]

    def entries(self):
        leaves = []
        for key, entry in self.rows("entry"):
            must(key == struct.pack(">Q", self.main.size), "entry %d is not there" % self.main.size)
            leaf, opening, slots, commitments, at = entry[:32], entry[32:], [b""], b"", 6
            for n in range(1, 9):
                if opening[at] == 0:
                    slots.append(b"")
                    commitments += opening[at + 1:at + 33]
                    at += 33
                else:
                    end = at + 21 + int.from_bytes(opening[at + 17:at + 21], "big")
                    slots.append(opening[at + 21:end])
                    commitments += H(b"\2\0%c" % n, opening[at + 1:at + 17], slots[-1])
                    at = end
            must(opening[:6] == b"RLO1\0\x08" and at == len(opening), "opening of entry %d" % self.main.size)
            must(leaf == H(b"\0RLT1\0\x08", H(b"\3\0\x08" + commitments)), "leaf of entry %d" % self.main.size)
            self.places(leaf, [fields(slot) for slot in slots])
            self.main.append(leaf)
            self.roots.append(self.main.root())
            leaves.append(leaf)
        return leaves

    def places(self, leaf, slots):
        """The party trees that the record is a leaf of; what a PARTY_HEAD states."""
        kind, self.time = slots[1][0][0], int.from_bytes(slots[1][1], "big")
        eighth = slots[7][IN_BODY[kind]] if kind in IN_BODY else slots[2][0] if slots[2] else b""
        for party, place in ((slots[3][0], slots[3][4]) if slots[3] else (b"", b""),
                             (eighth, slots[8][0]) if slots[8] else (b"", b"")):
            if place:
                tree = self.parties.setdefault(party, Tree())
                must(int.from_bytes(place, "big") == tree.size, "place of entry %d" % self.main.size)
                tree.append(H(b"\0RLP1", struct.pack(">Q", self.main.size), leaf))
        if kind == TYPES["PARTY_HEAD"]:
            tree = self.parties[slots[7][0]]
            must(slots[7][1:3] == [struct.pack(">Q", tree.size), tree.root()], "PARTY_HEAD %d" % self.main.size)
            tree.last, tree.stated = self.main.size, tree.size

    def heads(self):
        """The table `head` must be what the entries give: size, root, last time, last PARTY_HEAD, frontier."""
        names = {value: key[1:] for key, value in self.rows("name") if key[:1] == b"\1"}
        seen = {}
        for key, row in self.rows("head"):
            party = names[key] if any(key) else None
            tree = self.parties[party] if party else self.main
            size, root, time, last, stated = struct.unpack_from(">Q32sQQQ", row)
            must((size, root) == (tree.size, tree.root()), "head of %s" % (party or "the log"))
            must((last, stated) == (tree.last, tree.stated), "last PARTY_HEAD of %s" % party)
            must(party or time == self.time, "time of the last record")
            must(row[64:] == b"".join(tree.frontier[bit] for bit in sorted(tree.frontier)), "frontier of %s" % party)
            seen[party] = tree
        must(set(seen) == set(self.parties) | {None}, "a head for each tree")

    def tiles(self, leaves):
        """Full tiles of every level, and no others."""
        want, level, hashes = {}, 0, leaves
        while len(hashes) >= 256:
            up = []
            for n in range(len(hashes) // 256):
                part, tree = hashes[256 * n:256 * n + 256], Tree()
                want[struct.pack(">BQ", level, n)] = b"".join(part)
                for h in part:
                    tree.append(h)
                up.append(tree.root())
            level, hashes = level + 1, up
        must(dict(self.rows("tile")) == want, "the tiles")

    def checkpoints(self):
        """(size, note) of all; each states the root that the entries gave at its size."""
        out = []
        for key, note in self.rows("checkpoint"):
            _, size, root = note.split(b"\n\n")[0].split(b"\n")
            must(key == struct.pack(">Q", int(size)), "key of a checkpoint")
            must(base64.b64decode(root) == self.roots[int(size)], "root of the checkpoint of size %d" % int(size))
            out.append((int(size), note))
        return sorted(out)


def read(folder):
    store = Store(folder)
    leaves = store.entries()
    store.heads()
    store.tiles(leaves)
    checkpoints = store.checkpoints()
    return {"size": store.main.size, "root": store.main.root().hex(), "checkpoints": [size for size, _ in checkpoints],
            "newest": checkpoints[-1][1].decode() if checkpoints else None,
            "parties": {p.decode(): [t.size, t.root().hex()] for p, t in store.parties.items()}}


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1])))
