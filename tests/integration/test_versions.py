#!/usr/bin/python3
"""test_versions.py - what the parties agreed, the operator alone cannot change: versions rise, one version has one digest,
its state only falls (design 7, Terms)."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
from test_again import ATLAS, AgainTest  # noqa: E402



class Names(AgainTest):
    def test_an_agreement_with_a_name_of_64_characters_loads(self):
        self.lab.edit(ATLAS, "agreement atlas", "agreement " + 64 * "a")
        self.reload()
        self.assertIn(64 * "a", self.client("gbr").terms)


if __name__ == "__main__":
    unittest.main(verbosity=2)
