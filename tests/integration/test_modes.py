#!/usr/bin/python3
"""test_modes.py - files of a policy that group or others can write: reltod refuses them, relto warns (design 4)."""
import os
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402

MODES = (0o620, 0o602, 0o664)
STOP = ("policy/relto.policy", "policy/agreements.d/atlas.policy", "policy/vocab/tlp-2.0.spif.xml",
        "policy/trust/ken-ca.pem", "policy/agreements.d/ken.clearance.xml")  # no start without them
CLEARANCE = """<ConfidentialityClearance xmlns="urn:nato:stanag:4774:confidentialityclearance:1:0"
    xmlns:slab="urn:nato:stanag:4774:confidentialitymetadatalabel:1:0">
  <slab:PolicyIdentifier>TLP</slab:PolicyIdentifier>
  <ClassificationList>
    <slab:Classification>CLEAR</slab:Classification>
    <slab:Classification>GREEN</slab:Classification>
  </ClassificationList>
</ConfidentialityClearance>
"""
LIST = "policy/trust/ken.crl"  # its party is shut out, the others are not


class Modes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = rig.Lab()  # nothing runs
        cls.addClassCleanup(cls.lab.remove)
        cls.lab.write("policy/agreements.d/ken.clearance.xml", CLEARANCE)
        cls.lab.edit("policy/agreements.d/atlas.policy", r"(?s)(member KEN .*?)clearance  TLP \[ CLEAR GREEN \]",
                     r'\g<1>clearance  TLP file "ken.clearance.xml"')

    def with_modes(self, names):
        for name in names:
            path = self.lab.path(name)
            for mode in MODES:
                os.chmod(path, mode)
                yield path, mode
            os.chmod(path, 0o600)

    def reltod(self):
        got = subprocess.run([self.lab.reltod_path, "-t", "-c", self.lab.path("reltod.conf")], capture_output=True,
                             timeout=30)
        return got.returncode, got.stderr.decode()

    def test_reltod_starts_with_none_of_them(self):
        self.assertEqual(self.reltod(), (0, ""))
        for path, mode in self.with_modes(STOP):
            code, said = self.reltod()
            self.assertEqual(code, 65, path)
            self.assertIn("%s: group or others can write it (mode %o)" % (path, mode), said)

    def test_reltod_shuts_out_the_party_of_such_a_list(self):
        for path, mode in self.with_modes([LIST]):
            code, said = self.reltod()
            self.assertEqual(code, 0)
            self.assertIn('error trust.party-shut-out party="KEN" why="%s: group or others can write it (mode %o)"' %
                          (path, mode), said)

    def test_the_command_warns_of_each(self):
        policy = self.lab.path("policy")
        self.assertEqual(self.lab.relto("policy", "check", policy)[1], "")
        for path, _ in self.with_modes(STOP + (LIST,)):
            warning = "%s: warning: group or others can write it; reltod would refuse it\n" % path
            self.assertEqual(self.lab.relto("policy", "check", policy)[1], warning)
            if path.endswith(".spif.xml"):
                self.assertEqual(self.lab.relto("vocab", "check", path)[1], warning)


if __name__ == "__main__":
    unittest.main(verbosity=2)
