#!/usr/bin/python3
"""test_idle.py - 10,000 idle sessions in less than 400 MB, broker and clients together (RELTO_CHECK_FULL=1; each check has
2,000 of them, test_storm.py)."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scale  # noqa: E402


class IdleTest(unittest.TestCase):
    @unittest.skipUnless(scale.FULL, "2,000 of them are in test_storm.py; RELTO_CHECK_FULL=1 opens all")
    def test_ten_thousand(self):
        scale.descriptors(scale.OF + 300)
        lab = scale.ScaleLab(scale.OF)
        self.addCleanup(lab.remove)
        lab.start()
        crowd = scale.Crowd(lab, lab.parties)
        self.addCleanup(crowd.close)
        got = scale.cost(lab, crowd, scale.OF)
        scale.judge(self, got)
        self.assertLess(sum(after for _, after in got[0].values()), scale.MEMORY)
        begun = scale.measure.cpu(lab.pid)
        said = crowd.do("hold", 10)
        print("# CPU of the broker %.1f ms a second" % ((scale.measure.cpu(lab.pid) - begun) * 100), flush=True)
        self.assertEqual(said, {"ready": scale.OF, "lost": 0})


if __name__ == "__main__":
    unittest.main()
