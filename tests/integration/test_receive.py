#!/usr/bin/python3
"""test_receive.py - `relto sub` shows what it acknowledges, and acknowledges nothing else (design 12)."""
import base64
import json
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import hub  # noqa: E402
import wire  # noqa: E402
from test_path import TEARLINE, canary  # noqa: E402


class Receiving(unittest.TestCase):
    """The hub is a liar of ours (tests/lib/hub.py); the lab has the keys, and its broker does not run."""

    @classmethod
    def setUpClass(cls):
        cls.lab = rig.Lab()
        cls.addClassCleanup(cls.lab.remove)
        cls.lab.address = "127.0.0.1:1"
        cls.gbr, cls.ken = cls.lab.agent("gbr"), cls.lab.agent("ken")
        cls.nor = cls.lab.context_name("nor")

    def setUp(self):
        self.folder = os.path.join(self.lab.base, "kept." + self.id().rsplit(".", 1)[1])

    def hub(self, after_subscribe=lambda session: None, **more):
        h = hub.Hub(self.lab, after_subscribe=after_subscribe, **more)
        self.addCleanup(h.close)
        self.lab.address = h.address
        return h

    def report(self, *portions, agent=None, report_id=None):
        """Sealed; each portion is its content, or (content, type, title)."""
        r = wire.Report(agent or self.gbr, "maritime.piracy", [("atlas", b"t" * 32)])
        if report_id:
            r.manifest.id = report_id
        for p in portions:
            content, kind, title = p if isinstance(p, tuple) else (p, "text/plain", "")
            r.portion(TEARLINE, content, kind, title)
        return r.seal()

    def sub(self, *more, code=0, wait="2s", context=None):
        return self.lab.relto("sub", "--wait", wait, *more, context=context or self.nor, code=code)

    def empty_trust(self):
        folder = os.path.join(self.lab.base, "no-trust")
        os.makedirs(folder, exist_ok=True)
        return folder


class Unverified(Receiving):
    def test_a_report_of_an_unpinned_party_is_shown_when_asked_for_and_only_then_acknowledged(self):
        body = canary()
        sent = self.report(body)
        h = self.hub(lambda s: s.deliver(self.gbr, sent))
        _, err = self.sub("--trust", self.empty_trust(), "--count", "1", code=77)
        self.assertIn("is not shown", err)
        self.assertIn("relto context trust", err)
        self.assertEqual(h.acks, [])
        out, _ = self.sub("--trust", self.empty_trust(), "--count", "1", "--unverified")
        self.assertIn(body.decode(), out)
        self.assertEqual(h.acks, [1])

    def test_what_has_no_portions_is_never_acknowledged(self):
        h = self.hub(lambda s: s.deliver(self.gbr, self.report()))
        for more in ((), ("--unverified", "--trust", self.empty_trust())):
            _, err = self.sub("--count", "1", *more, code=77)
            self.assertIn("is not shown", err)
        self.assertEqual(h.acks, [])

    def test_what_is_verified_and_fails_is_not_shown_whatever_is_asked_for(self):
        body = canary()
        h = self.hub(lambda s: s.deliver(self.gbr, self.report(body, agent=self.gbr), chain=self.ken.chain_der))
        out, _ = self.sub("--count", "1", "--unverified", code=77)
        self.assertNotIn(body.decode(), out)
        self.assertEqual(h.acks, [])


if __name__ == "__main__":
    unittest.main()
