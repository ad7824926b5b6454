#!/usr/bin/python3
"""test_bundle.py - the second verifier of bundles against the golden ones, whole and damaged."""
import os
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import bundle  # noqa: E402
import witness  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "vectors", "golden")


def key(name):
    with open(os.path.join(GOLDEN, name, "log.vkey"), encoding="utf-8") as f:
        return f.read()


class Bundles(unittest.TestCase):
    def test_the_golden_bundles_are_good(self):
        hub = bundle.Bundle(os.path.join(GOLDEN, "bundle-hub"), key("bundle-hub")).verify()
        self.assertEqual(len(hub.records), hub.size)
        self.assertEqual(hub.signed, 1)
        nor = bundle.Bundle(os.path.join(GOLDEN, "bundle-nor"), key("bundle-nor")).verify()
        self.assertEqual(nor.trees["NOR"], hub.trees["NOR"])
        self.assertGreater(len(nor.trees["NOR"]), 3)

    def test_one_byte_changed_anywhere_is_found(self):
        whole = os.path.join(GOLDEN, "bundle-hub")
        for at, _, names in os.walk(whole):
            for name in names:
                path = os.path.relpath(os.path.join(at, name), whole)
                if path in ("bundle", "log.vkey", "report/000000"):
                    continue  # a convenience and claims: trusted for nothing
                size = os.path.getsize(os.path.join(at, name))
                for where in {0, size // 2, size - 2}:
                    with self.subTest(path, where=where), tempfile.TemporaryDirectory() as d:
                        self.damage(whole, os.path.join(d, "b"), path, where)

    def test_report_has_the_lines_of_the_intakes_and_no_others(self):
        whole = os.path.join(GOLDEN, "bundle-hub")
        with open(os.path.join(whole, "report/000000"), encoding="ascii") as f:
            line = f.read()
        words = line.split()
        for other in (line + "garbage\n", "", " ".join(words[:-1]) + "\n", " ".join(words + words[-1:]) + "\n",
                      line.replace(" - ", " %s " % ("0" * 64))):
            with self.subTest(other=other), tempfile.TemporaryDirectory() as d:
                copy = os.path.join(d, "b")
                shutil.copytree(whole, copy)
                with open(os.path.join(copy, "report/000000"), "w", encoding="ascii") as f:
                    f.write(other)
                with self.assertRaises((witness.Bad, ValueError)):
                    bundle.Bundle(copy, key("bundle-hub")).verify()

    def damage(self, whole, copy, path, where):
        shutil.copytree(whole, copy)
        with open(os.path.join(copy, path), "r+b") as f:
            f.seek(where)
            byte = f.read(1)[0]
            f.seek(where)
            f.write(bytes([byte ^ 1]))
        with self.assertRaises((witness.Bad, ValueError, OSError, IndexError, KeyError)):
            bundle.Bundle(copy, key("bundle-hub")).verify()


if __name__ == "__main__":
    unittest.main()
