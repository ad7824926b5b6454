#!/usr/bin/python3
"""test_witness.py - the client as the log's witness: what it keeps, what it refuses, when it raises the alarm (design
10)."""
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
from test_path import canary  # noqa: E402
from test_receive import Receiving  # noqa: E402

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


class Alarm(Receiving):
    """The command's clock runs 200 times as fast, so that 120 s are short."""

    def setUp(self):
        super().setUp()
        if not os.path.exists(FAKETIME):
            raise unittest.SkipTest("NO libfaketime: install the package faketime")
        with open(self.lab.relto_path, "rb") as f:
            sanitized = b"__asan_init" in f.read()
        if sanitized:
            raise unittest.SkipTest("libfaketime cannot be loaded ahead of a sanitizer")
        self.fast = {"LD_PRELOAD": FAKETIME, "FAKETIME": "+0 x200"}

    def test_what_no_head_covers_in_time_raises_the_alarm(self):
        h = self.hub(lambda s: s.deliver(self.gbr, self.report(canary())))
        _, err = self.lab.relto("sub", "--wait", "200s", context=self.nor, code=76, **self.fast)
        self.assertEqual(len(re.findall("ALARM: 1 reports", err)), 1, err)
        self.assertEqual(h.acks, [1])

    def test_before_that_there_is_none(self):
        self.hub(lambda s: s.deliver(self.gbr, self.report(canary())))
        self.lab.relto("sub", "--wait", "100s", context=self.nor, **self.fast)


if __name__ == "__main__":
    unittest.main()
