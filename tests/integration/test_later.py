#!/usr/bin/python3
"""test_later.py - what happens to a report after its first decision: reload, deadline, expiry, revocation (DESIGN S5)."""
import os
import shutil
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

ATLAS = "policy/agreements.d/atlas.policy"


class LaterTest(rig.LabTest):
    version = 1  # of the agreement: it only rises

    def setUp(self):
        self.saved = self.lab.path("policy") + ".saved"
        shutil.rmtree(self.saved, ignore_errors=True)
        shutil.copytree(self.lab.path("policy"), self.saved)
        self.addCleanup(self.restore)
        self.gbr = self.client("gbr")
        self.auditor, self.next = self.client("hub"), 0

    def restore(self):
        shutil.rmtree(self.lab.path("policy"))
        shutil.copytree(self.saved, self.lab.path("policy"))
        self.new_version()
        self.reload()

    def new_version(self):
        type(self).version += 1
        self.lab.edit(ATLAS, r"version  \d+", "version  %d" % self.version)

    def reload(self):
        before = self.lab.messages().count("policy.in-force")
        self.lab.reload()
        rig.until(lambda: self.lab.messages().count("policy.in-force") > before, 10, "the reload")

    def records(self, kind, report):
        """Those of the log from where the last call stopped, of one kind and report."""
        out = []
        while True:
            got = self.auditor.ask("audit_list", pb.AuditList(**{"from": self.next, "count": 1000}))
            for r in got.records:
                self.next = r.index + 1
                record = witness.Record(r.index, r.opening)
                if record.kind == kind and record.report == report:
                    out.append(record)
            if not got.next:
                return out

    def narrowed(self, report, kind="NARROWED"):
        found = []
        rig.until(lambda: found.extend(self.records(kind, report)) or found, 10, "a %s record" % kind)
        return found

    def tearDown(self):
        """Nothing is left for the next test."""
        for party in ("nor", "ken"):
            c = self.client(party)
            c.subscribe()
            while True:
                d = c.receive(timeout=0.3)
                if d is None:
                    break
                c.ack(d)
            c.close()

    def nothing_for(self, party):
        c = self.client(party)
        c.subscribe()
        self.assertIsNone(c.receive(timeout=1))
        c.close()

    def receive(self, client, report):
        """That report; a hold of an earlier test may end when its policy comes back."""
        while True:
            d = client.receive()
            self.assertIsNotNone(d)
            client.ack(d)
            if d.manifest.id == report:
                return d

    def why(self, report, recipient):
        said = self.gbr.ask("explain", pb.Explain(report=report))
        return [p.reason.decode() for d in said.decisions if d.recipient.decode() == recipient for p in d.portions]


class Reload(LaterTest):
    def test_a_narrower_policy_stops_what_is_queued_and_the_log_says_so_first(self):
        body = canary()
        _, report = publish(self.gbr, [(TEARLINE, body)])
        self.lab.edit(ATLAS, r"rule never-finint-to-ken", "rule nothing-to-ken {\n to [ KEN ]\n withhold\n }\n"
                             "    rule never-finint-to-ken")
        self.new_version()
        self.lab.edit(ATLAS, r"(?m)^ *expect release.*\n", "")
        self.reload()
        nor, tap = self.client("nor"), []
        nor.subscribe()
        self.assertEqual(self.receive(nor, report).contents, [body])
        ken = self.client("ken", tap=tap)
        ken.subscribe()
        self.assertIsNone(ken.receive(timeout=1))
        self.assertNotIn(body, b"".join(tap))
        found = {r.field(2, 0): r.field(4, 1) for r in self.narrowed(report)}
        self.assertEqual(found[b"KEN"], b"0 withhold forbidden atlas nothing-to-ken\n")

    def test_a_suspended_agreement_holds_and_goes_on_when_the_suspension_ends(self):
        body = canary()
        _, report = publish(self.gbr, [(TEARLINE, body)])
        self.lab.edit("policy/relto.policy", r"(?m)^hub HUB", "hub HUB\nsuspend atlas")
        self.reload()
        self.nothing_for("nor")
        self.assertIn(b"hold suspended", self.narrowed(report)[0].field(4, 1))
        with self.assertRaises(wire.Refused) as refused:
            publish(self.gbr, [(TEARLINE, canary())])
        self.assertEqual(refused.exception.code, "agreement-not-usable")
        self.restore()
        nor = self.client("nor")
        nor.subscribe()
        self.assertEqual(self.receive(nor, report).contents, [body])

    def test_a_report_of_a_revoked_signer_is_held(self):
        body = canary()
        _, report = publish(self.gbr, [(TEARLINE, body)])
        self.lab.relto("lab", "revoke", self.lab.dir, "GBR", "/fusion-desk")
        self.reload()
        self.nothing_for("nor")
        self.assertIn(b"hold signer-revoked atlas -", self.narrowed(report)[0].field(4, 1))


class Deadlines(LaterTest):
    def test_a_hold_that_nobody_answers_times_out(self):
        self.lab.edit(ATLAS, r"within 2h", "within 2s")
        self.new_version()
        self.reload()
        self.gbr = self.client("gbr")
        receipt, report = publish(self.gbr, [(SECRET, canary()), (TEARLINE, canary())], precedence="FLASH")
        self.assertEqual((receipt.held, receipt.redacted), (1, 1))
        self.assertEqual(self.why(report, "NOR"), ["review", "release"])
        found = [r for r in self.narrowed(report) if r.field(2, 0) == b"NOR"]
        self.assertEqual(found[0].field(4, 1), b"0 withhold timed-out atlas -\n1 release release atlas maritime\n")
        nor = self.client("nor")
        nor.subscribe()
        self.assertEqual(len(self.receive(nor, report).contents), 1)

    def test_an_expired_report_does_not_leave(self):
        body = canary()

        def expire(report):
            report.manifest.expires = int(time.time() * 1000) + 1500

        _, report = publish(self.gbr, [(TEARLINE, body)], change=expire)
        found = []
        rig.until(lambda: found.extend(self.records("EXPIRE", report)) or len(found) == 2, 10, "two EXPIRE records")
        self.assertEqual(sorted(r.field(2, 0) for r in found), [b"KEN", b"NOR"])
        for party in ("nor", "ken"):
            self.nothing_for(party)


class Start(unittest.TestCase):
    """A policy that is empty, cut off or there twice: no start, and a word that says where."""

    @classmethod
    def setUpClass(cls):
        cls.lab = rig.Lab()
        cls.addClassCleanup(cls.lab.remove)

    def refused(self, change, word):
        saved = self.lab.path("policy") + ".saved"
        shutil.copytree(self.lab.path("policy"), saved)
        try:
            change()
            got = subprocess.run([self.lab.reltod_path, "-c", self.lab.path("reltod.conf")], capture_output=True,
                                 timeout=30)
            self.assertIn(got.returncode, (65, 78))
            self.assertIn(word, (got.stdout + got.stderr).decode())
            self.assertFalse(os.path.exists(self.lab.path("run", "addresses")))
        finally:
            shutil.rmtree(self.lab.path("policy"))
            os.rename(saved, self.lab.path("policy"))

    def test_an_empty_policy(self):
        self.refused(lambda: self.lab.write("policy/relto.policy", ""), "the file is empty")

    def test_a_truncated_policy(self):
        text = self.lab.read(ATLAS)
        self.refused(lambda: self.lab.write(ATLAS, text[:len(text) // 2]), "not closed")

    def test_a_policy_file_that_is_there_twice(self):
        self.refused(lambda: self.lab.write("policy/agreements.d/copy.policy", self.lab.read(ATLAS)),
                     "two agreements are named 'atlas'")

    def test_a_policy_that_others_can_write(self):
        self.refused(lambda: os.chmod(self.lab.path(ATLAS), 0o666), "write")


if __name__ == "__main__":
    unittest.main(verbosity=2)
