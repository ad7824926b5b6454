#!/usr/bin/python3
"""test_notice_readers.py - both verifiers judge alike a log with recalls, superseded reports and feedback: as it is, tampered
with, lying (lies_notices.py), and a report that is recalled and that nobody was given."""
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import scene  # noqa: E402  (first: it knows where the rig is)
import readers  # noqa: E402
import forge  # noqa: E402
import lies_notices  # noqa: E402

VIEWS = {"gbr": ("--party", "GBR"), "nor": ("--party", "NOR"), "ken": ("--party", "KEN"), "hub": ()}


class Notices(unittest.TestCase):
    """A log of notices and little else: the rows are quick."""

    @classmethod
    def setUpClass(cls):
        cls.scene = s = scene.Scene()
        cls.addClassCleanup(s.lab.remove)
        s.lab.edit("reltod.conf", r"(?m)^log \{$", "log {\n    heads-every 100ms")
        s.lab.start()
        with s.lab.client("gbr") as gbr, s.lab.client("nor") as nor:
            nor.subscribe()
            s.taken_back(gbr, nor)
        s.published()
        cls.bundles = {party: s.pull(party)[0] for party in VIEWS}
        cls.key = s.lab.agent("hub").log_key
        s.lab.stop()

    def test_both_verifiers_accept_the_bundles_of_hub_and_parties(self):
        for party, folder in self.bundles.items():
            for verify in (readers.verify_c, readers.verify_python):
                self.assertEqual(verify(folder, self.key, *VIEWS[party]), (0, []), (party, verify))

    def test_the_log_has_a_recall_of_what_nobody_was_given(self):
        log = forge.Log(self.bundles["hub"])
        recalled = {log.records[i].field(7, 0) for i in log.all("RECALL")}
        alone = [i for i in log.all("INTAKE") if log.records[i].field(1, 2) not in recalled
                 and log.records[i + 1].kind not in ("DECISION", "RECALL")]
        self.assertEqual(len(alone), 1, "its INTAKE is all there is of it")

    def test_tampered_bundles_and_lies_get_the_same_exit_code_from_both(self):
        with tempfile.TemporaryDirectory() as d:
            bench = readers.Bench(d, self.key, self.bundles["hub"], self.bundles["nor"], "NOR")
            wrong, nothing = bench.run([], lies_notices.TABLE)
        self.assertFalse(wrong, "\n".join(wrong))
        self.assertEqual(nothing, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
