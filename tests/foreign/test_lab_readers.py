#!/usr/bin/python3
"""test_lab_readers.py - readers that share no code agree on what a running broker gave out and on what it left behind."""
import base64
import os
import random
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import scene  # noqa: E402  (first: it knows where the rig is)
import readers  # noqa: E402
import forge  # noqa: E402
import lies  # noqa: E402
import lies_approval  # noqa: E402
import lies_backfill  # noqa: E402
import lmdb  # noqa: E402
import relto_format  # noqa: E402
import store_root  # noqa: E402
import tampers  # noqa: E402
from test_golden_readers import NEEDS_A_LAB  # noqa: E402

VIEWS = {"gbr": ("--party", "GBR"), "nor": ("--party", "NOR"), "ken": ("--party", "KEN"), "hub": ()}
LATE = ("--from", "900")
SAMPLE = 20  # rows that the golden log could do as well; all of them in a full check
FULL = os.environ.get("RELTO_CHECK_FULL") == "1"
SEED = int(os.environ.get("RELTO_SEED", "0")) or random.randrange(1, 10**6)


class Lab(unittest.TestCase):
    """One scene for all; the broker is stopped after the bundles were pulled."""

    @classmethod
    def setUpClass(cls):
        if not os.environ.get("LATER"):
            raise unittest.SkipTest("NO LATER: nothing can be loaded ahead of a sanitizer, and a minute is long")
        cls.scene = scene.Scene()
        cls.addClassCleanup(cls.scene.lab.remove)
        cls.scene.play()
        cls.bundles = {party: cls.scene.pull(party)[0] for party in VIEWS}
        cls.late = {party: cls.scene.pull(party, *LATE)[0] for party in ("hub", "ken")}
        cls.key = cls.scene.lab.agent("hub").log_key
        cls.scene.lab.stop()
        cls.store = cls.scene.lab.path("spool")

    def test_both_verifiers_accept_the_bundles_of_hub_and_parties(self):
        for bundles, options in ((self.bundles, ()), (self.late, LATE)):
            for party, folder in bundles.items():
                for verify in (readers.verify_c, readers.verify_python):
                    self.assertEqual(verify(folder, self.key, *VIEWS[party], *options), (0, []), (folder, verify))

    def test_the_scene_has_what_it_is_for(self):
        log = forge.Log(self.bundles["hub"])
        for kind, least in (("INTAKE", 300), ("DECISION", 500), ("DELIVERY", 300), ("ACK", 10), ("NARROWED", 100),
                            ("EXPIRE", 10), ("REFUSED", 1), ("POLICY", 3), ("PARTY_HEAD", 6), ("START", 2), ("STOP", 1)):
            self.assertGreaterEqual(len(log.all(kind)), least, kind)
        self.assertEqual({log.records[i].field(4, 0) for i in log.all("DECISION")}, {b"\1", b"\2", b"\3", b"\4"})
        ken = forge.Log(self.bundles["ken"])
        for kind in ("DELIVERY", "NARROWED", "EXPIRE"):
            self.assertTrue(ken.all(kind), "KEN sees a %s" % kind)

    def test_a_party_is_shown_what_section_4_says_and_not_a_byte_more(self):
        log = forge.Log(self.bundles["hub"])
        for party in ("gbr", "nor", "ken"):
            theirs = forge.Log(self.bundles[party])
            for i, r in enumerate(theirs.records):
                shown = log.records[i].shown_to(party.upper().encode())
                want = log.records[i].opening(shown) if shown else b""
                self.assertEqual(r.opening() if r else b"", want, (party, i))

    def test_go_proves_every_record_and_every_size(self):
        with tempfile.TemporaryDirectory() as d:
            go = readers.Go(d)
            key = os.path.join(self.bundles["hub"], "log.vkey")
            self.assertTrue(go.accepts("bundle", key, self.late["ken"], *self.bundles.values()))
            self.assertFalse(go.accepts("bundle", key, self.bundles["hub"], self.late["ken"]), "older is not newer")

    def test_the_store_gives_the_root_of_the_newest_checkpoint(self):
        found = store_root.read(self.store)
        self.assertEqual((found["checkpoints"][-1], found["newest"].split("\n")[1]), (found["size"], str(found["size"])))
        newest = relto_checkpoint(found["newest"], self.key)
        self.assertEqual(newest, (found["size"], found["root"]))
        for folder in list(self.bundles.values()) + list(self.late.values()):
            with open(os.path.join(folder, "checkpoint"), encoding="utf-8") as f:
                self.assertIn(relto_checkpoint(f.read(), self.key)[0], found["checkpoints"])
        trees = self.trees(self.bundles["hub"])
        self.assertEqual(found["parties"], trees, "no record of a party came after the bundle was pulled")
        for party in ("gbr", "nor", "ken"):
            self.assertEqual(self.trees(self.bundles[party])[party.upper()], trees[party.upper()])

    def trees(self, folder):
        """The party trees that relto_verify.py rebuilds from a bundle."""
        v = readers.relto_verify.Verifier(folder, relto_format.read_vkey(self.key.encode()))
        v.load()
        v.walk()
        return {party: [tree.size, tree.root().hex()] for party, tree in v.trees.items()}

    def test_a_store_that_was_changed_gives_itself_away(self):
        """Each change has its right checksum."""
        first, last = (8 * b"\0", lambda rows: max(rows))
        for table, pick, change, word in (
                ("entry", first, lambda v: tampers.flip(v, 45), "leaf of entry 0"),
                ("entry", last, None, "head of"),
                ("head", 4 * b"\0", lambda v: tampers.flip(v, 8), "head of the log"),
                ("head", last, lambda v: tampers.flip(v, 8), "head of"),
                ("head", last, lambda v: tampers.flip(v, 55), "last PARTY_HEAD"),
                ("tile", last, lambda v: tampers.flip(v, 100), "the tiles"),
                ("checkpoint", last, other_root, "root of the checkpoint")):
            with self.subTest(table, word=word), tempfile.TemporaryDirectory() as d:
                shutil.copy(os.path.join(self.store, "data.mdb"), d)
                rewrite(d, table, pick, change)
                with self.assertRaisesRegex((store_root.Wrong, ValueError), word):
                    store_root.read(d)

    def test_tampered_bundles_and_lies_get_the_same_exit_code_from_both(self):
        rows = [(kind, row) for kind, table in (("t", tampers.TABLE), ("l", lies.TABLE + lies_approval.TABLE)) for row in table]
        rows += [("l", row) for row in lies_backfill.TABLE if row[0] in NEEDS_A_LAB]  # the others are of a report that asks
        must = [x for x in rows if x[1][0] in NEEDS_A_LAB]
        others = [x for x in rows if x[1][0] not in NEEDS_A_LAB]
        rows = must + (others if FULL else random.Random(SEED).sample(others, SAMPLE))
        print("# RELTO_SEED=%d, %d tampers" % (SEED, len(rows)))
        with tempfile.TemporaryDirectory() as d:
            bench = readers.Bench(d, self.key, self.bundles["hub"], self.bundles["ken"], "KEN")
            wrong, nothing = bench.run([r for kind, r in rows if kind == "t"], [r for kind, r in rows if kind == "l"])
        self.assertFalse(wrong, "RELTO_SEED=%d\n%s" % (SEED, "\n".join(wrong)))
        self.assertFalse(nothing)


def relto_checkpoint(note, key):
    """(size, root in hex)"""
    size, root = relto_format.read_checkpoint(note.encode(), relto_format.read_vkey(key.encode()))
    return size, root.hex()


def other_root(note):
    origin, size, root, rest = note.split(b"\n", 3)
    return b"\n".join([origin, size, base64.b64encode(forge.H(root)), rest])


def rewrite(folder, table, pick, change):
    """One row of a table becomes another, or goes; its checksum is right."""
    env = lmdb.open(folder, max_dbs=32, map_size=1 << 30)
    db = env.open_db(table.encode(), create=False)
    with env.begin(db=db, write=True) as txn:
        rows = dict(txn.cursor())
        key = pick(rows) if callable(pick) else pick
        if change is None:
            txn.delete(key)
        else:
            value = change(rows[key][:-4])
            txn.put(key, value + store_root.crc32c(key + value).to_bytes(4, "big"))
    env.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
