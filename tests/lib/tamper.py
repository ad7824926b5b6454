"""tamper.py - the store of a stopped broker rewritten by somebody who knows all of it: the operator, or who took his place.

Written from docs/decisions/0003-store-tables.md and docs/audit-format.md. What is rewritten has its checksums; entries,
tiles, heads and, with a log key, the newest checkpoint fit each other.
"""
import base64
import os
import struct
import sys

import lmdb

import forge
from forge import H, u64

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "foreign"))
from store_root import NONE, Tree, crc32c  # noqa: E402

COMMIT = ">IQQQ32sQQ16sQQB"  # decision 0003, row `commit` of `meta`
SIZE, PUBLISHED = 2, 9  # fields of it


class StoreLog(forge.Log):
    """The records of a store, as those of a bundle: they can be changed and settled."""

    def __init__(self, folder):
        self.folder, self.lines, self.more = folder, {}, {}
        self.env = lmdb.open(folder, max_dbs=40, map_size=1 << 30)
        self.records = [forge.Record.parse(value[32:]) for _, value in self.rows("entry")]
        self.was = list(self.records)
        self.origin = max(self.rows("checkpoint"))[1].split(b"\n", 1)[0].decode()

    def close(self):
        self.env.close()

    def rows(self, table):
        with self.env.begin(db=self.env.open_db(table.encode(), create=False)) as txn:
            return [(key, value[:-4]) for key, value in txn.cursor()]

    def change(self, table, rows, whole=True):
        """A whole table, or single rows of it (None: it goes)."""
        db = self.env.open_db(table.encode(), create=False)
        with self.env.begin(db=db, write=True) as txn:
            if whole:
                txn.drop(db, delete=False)
            for key, value in rows:
                if value is None:
                    txn.delete(key)
                else:
                    txn.put(key, value + struct.pack(">I", crc32c(key + value)))

    def write(self, key):
        """Everything that says what the records are; 'key' signs it (forge.Key)."""
        self.change("entry", [(u64(i), r.leaf + r.opening()) for i, r in enumerate(self.records)])
        self.write_tiles()
        self.write_heads()
        size, was = len(self.records), max(self.rows("checkpoint"))[1]
        text = "%s\n%d\n%s\n" % (self.origin, size, base64.b64encode(forge.root_of([r.leaf for r in self.records])).decode())
        self.change("checkpoint", [(u64(size), key.note(text).encode())])
        commit = list(struct.unpack(COMMIT, dict(self.rows("meta"))[b"commit"]))
        commit[SIZE], commit[PUBLISHED] = size, size
        self.change("meta", [(b"commit", struct.pack(COMMIT, *commit))], whole=False)
        return was

    def write_tiles(self):
        rows, level, hashes = [], 0, [r.leaf for r in self.records]
        while len(hashes) >= 256:
            full = [hashes[i:i + 256] for i in range(0, len(hashes) - 255, 256)]
            rows += [(struct.pack(">BQ", level, n), b"".join(part)) for n, part in enumerate(full)]
            level, hashes = level + 1, [forge.root_of(part) for part in full]
        self.change("tile", rows)

    def write_heads(self):
        names = {value: key[1:] for key, value in self.rows("name") if key[:1] == b"\1"}
        main, trees, time = Tree(), {party: Tree() for party in names.values()}, 0
        for i, r in enumerate(self.records):
            time = forge.number(r.field(1, 1))
            main.append(r.leaf)
            for party, _, _ in r.places():
                trees[party].append(H(b"\0RLP1", u64(i), r.leaf))
            if r.kind == "PARTY_HEAD":
                tree = trees[r.field(7, 0)]
                tree.last, tree.stated = i, tree.size
        rows = []
        for number, row in self.rows("head"):
            tree = trees[names[number]] if any(number) else main
            when = struct.unpack_from(">Q", row, 40)[0] if any(number) else time
            rows.append((number, struct.pack(">Q32sQQQ", tree.size, tree.root(), when, tree.last if any(number) else NONE,
                                             tree.stated) + b"".join(tree.frontier[b] for b in sorted(tree.frontier))))
        self.change("head", rows)
