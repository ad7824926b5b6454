#!/usr/bin/python3
"""test_liar.py - a hub with the hub's own key that lies (tests/lib/hub.py): what the client does not believe, print or
write."""
import os
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import hub  # noqa: E402
import wire  # noqa: E402
from wire import pb  # noqa: E402

LABEL = "ATLAS SECRET//REL TO GBR, NOR"
OTHER = b"\x01" * 16


class Liar(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = rig.Lab()
        cls.addClassCleanup(cls.lab.remove)
        cls.lab.address = "127.0.0.1:1"
        cls.gbr = cls.lab.context_name("gbr")

    def hub(self, **answers):
        h = hub.Hub(self.lab, **answers)
        self.addCleanup(h.close)
        self.lab.address = h.address
        return h

    def relto(self, *words, code=0, **more):
        return self.lab.relto(*words, context=self.gbr, code=code, **more)


def receipt(report):
    return pb.Receipt(report=report, index=5, accepted=1, released=2,
                      evidence=pb.Evidence(party_index=1, leaf_hash=b"x" * 32))


class Answers(Liar):
    def pub(self, *more, code=0):
        return self.relto("pub", "maritime.piracy", "-", "--label", LABEL, "--agreement", "atlas", *more, code=code, stdin=b"x")

    @staticmethod
    def of_manifest(m):
        return pb.Manifest.FromString(m.publish.manifest).id

    def test_a_receipt_for_another_report_is_none(self):
        self.hub(publish=lambda s, m: s.send(m.request, receipt=receipt(OTHER)))
        out, err = self.pub(code=76)
        self.assertEqual(out, "")
        self.assertIn("about another report", err)
        self.hub(publish=lambda s, m: s.send(m.request, receipt=receipt(self.of_manifest(m))))
        self.pub()

    def test_an_explanation_of_another_report_is_none(self):
        def answer(s, m):
            s.send(m.request, explanation=pb.Explanation(report=OTHER, dry_run=m.WhichOneof("body") == "publish"))

        self.hub(explain=answer, publish=answer)
        self.relto("explain", "01a22731-5392-7bfc-81c5-2f4b638bfe7c", code=76)
        self.pub("--dry-run", code=76)

    def test_an_answer_in_a_window_for_another_report_is_none(self):
        h = self.hub(publish=lambda s, m: s.send(m.request, receipt=receipt(OTHER)))
        env = dict(os.environ, LAB=self.lab.dir, ADDRESS=h.address)
        self.assertEqual(subprocess.run([rig.program("liar_probe")], env=env, timeout=60).returncode, 0)


if __name__ == "__main__":
    unittest.main()
