"""test_librelto.py - librelto against a real reltod (probe_librelto.c)."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402


class Librelto(unittest.TestCase):
    def test_what_a_program_sees(self):
        probe, lab = rig.program("probe"), rig.Lab()
        try:
            lab.start()
            here = os.path.dirname(os.path.abspath(__file__))
            env = dict(os.environ, LAB=lab.dir, ADDRESS=lab.address,
                       FORGE="/usr/bin/python3 " + os.path.join(here, "forge_head.py"))
            done = subprocess.run([probe], env=env, timeout=240)
            self.assertEqual(done.returncode, 0)
        finally:
            lab.stop()


if __name__ == "__main__":
    unittest.main()
