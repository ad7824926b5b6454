#!/usr/bin/python3
"""test_forged.py - what the operator of a hub could put in the place of a publisher's signature, and who finds it."""
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import certs  # noqa: E402
import forge  # noqa: E402
import wire  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402


class ForgedTest(rig.LabTest):
    """A real log, with the key that signs it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.lab.client("gbr") as gbr, cls.lab.client("nor") as nor:
            nor.subscribe()
            for _ in range(3):
                publish(gbr, [(SECRET, canary()), (TEARLINE, canary())])
                nor.ack(nor.receive())
        cls.whole = os.path.join(cls.lab.base, "bundle")
        cls.lab.relto("audit", "pull", cls.whole, context=cls.lab.context_name("hub"))
        cls.key = cls.lab.agent("hub").log_key
        log = forge.Log(cls.whole)
        cls.intakes = [(i, log.records[i]) for i in log.all("INTAKE")]
        with open(cls.lab.path("hub/log.key"), "rb") as f:
            cls.signing = forge.Key(log.origin, f.read())

    def setUp(self):
        self.copy = os.path.join(self.lab.base, self.id().rsplit(".", 1)[1])
        shutil.copytree(self.whole, self.copy)

    def place(self, folder, digest):
        return os.path.join(self.copy, folder, digest.hex())

    def verify(self, first=0):
        """The exit code of both and what relto-verify says of the copy."""
        one, two = (subprocess.run(v + [self.copy, "--key", self.key, "--from", str(first)] + ["--json"] * (v[1] == "verify"),
                                   capture_output=True) for v in rig.verifiers())
        self.assertEqual(one.returncode, two.returncode, (one.stdout + two.stdout).decode())
        self.signed = json.loads(two.stdout)["signed"]
        return one.returncode, json.loads(one.stdout)


class Forged(ForgedTest):
    def forged(self, index, change):
        """Whoever has the log's key: all of it fits but the signature, which both verifiers find."""
        log = forge.Log(self.copy)
        log.settle().write(self.copy, self.signing)
        self.assertEqual(self.verify()[0], 0, "rewritten as it was, it verifies")
        change(log, log.records[index])
        log.settle().write(self.copy, self.signing)
        code, said = self.verify()
        self.assertEqual((code, [(f["kind"], f["index"]) for f in said["findings"]]), (3, [("signature", index)]))
        self.assertEqual((said["reports"]["signed"], self.signed), (len(self.intakes) - 1,) * 2)
        return said["findings"][0]["text"]

    def test_every_report_of_a_real_log_is_signed_by_its_publisher(self):
        code, said = self.verify()
        self.assertEqual((code, said["reports"]["signed"], said["reports"]["unproved"], self.signed), (0, 3, 0, 3))

    def test_a_bundle_that_begins_with_a_report_has_the_policy_that_it_was_judged_by(self):
        shutil.rmtree(self.copy)
        first = self.intakes[1][0]
        self.lab.relto("audit", "pull", self.copy, "--from", str(first), context=self.lab.context_name("hub"))
        code, said = self.verify(first)
        self.assertEqual((code, said["reports"]["signed"], said["reports"]["unproved"], said["missing"]), (0, 2, 0, 0))

    def test_heads_stand_in_the_order_of_the_portions(self):
        path = os.path.join(self.copy, "report/000000")
        with open(path, encoding="ascii") as f:
            lines = [line.split() for line in f]
        lines[1][4], lines[1][5] = lines[1][5], lines[1][4]
        with open(path, "w", encoding="ascii") as f:
            f.writelines(" ".join(words) + "\n" for words in lines)
        code, said = self.verify()
        self.assertEqual((code, said["findings"][0]["index"]), (6, self.intakes[1][0]))

    def test_another_content_under_the_old_name_does_not_match(self):
        one, two = (r.field(7, 0) for _, r in self.intakes[:2])
        shutil.copy(self.place("seal", one), self.place("seal", two))
        self.assertEqual(self.verify()[0], 6)

    def test_a_content_under_its_new_name_leaves_the_old_one_missing_and_the_report_unproved(self):
        digest = self.intakes[0][1].field(7, 0)
        with open(self.place("seal", digest), "rb") as f:
            changed = f.read()[:-1]
        os.unlink(self.place("seal", digest))
        with open(self.place("seal", wire.H(changed)), "wb") as f:
            f.write(changed)
        code, said = self.verify()
        self.assertEqual((code, said["missing"], said["reports"]["signed"], said["reports"]["unproved"]), (0, 1, 2, 1))
        self.assertIn("the publishers' signatures of reports whose contents are not all here", said["not_checked"])

    def test_the_seal_of_another_report_does_not_fit(self):
        (index, _), (_, other) = self.intakes[:2]
        said = self.forged(index, lambda log, r: r.set(7, 0, other.field(7, 0)))
        self.assertIn("it is not signed by its publisher: the signature does not hold", said)

    def test_an_authority_of_the_operators_own_is_not_the_partys(self):
        fake = certs.fake_authority(self.lab.dir)
        leaf, _ = certs.issue(fake)

        def change(log, r):
            r.set(7, 1, log.add_content("chain", wire.der(leaf)))
            r.set(7, 2, log.add_content("anchor", wire.der(fake.certificate)))
        self.assertIn("is none that the policy has for GBR", self.forged(self.intakes[1][0], change))

    def test_a_leaf_of_the_operators_own_does_not_end_in_the_partys_anchor(self):
        leaf, _ = certs.issue(certs.fake_authority(self.lab.dir))
        said = self.forged(self.intakes[2][0], lambda log, r: r.set(7, 1, log.add_content("chain", wire.der(leaf))))
        self.assertIn("the chain of its signer: certificate signature failure", said)

    def test_another_leaf_of_the_party_is_not_the_manifests_signer(self):
        leaf, _ = certs.issue(certs.Authority.of_lab(self.lab.dir, "GBR"))
        said = self.forged(self.intakes[0][0], lambda log, r: r.set(7, 1, log.add_content("chain", wire.der(leaf))))
        self.assertIn("its manifest names another certificate", said)


def emptied(slot):
    def change(_, r):
        r.slots[slot - 1].value = b""
    return change


class LeftOut(ForgedTest):
    """What could be left out of the log: it ends with the record concerned, and both verifiers find it."""

    def left_out(self, kind, change, text, code=7):
        log = forge.Log(self.copy)
        at = log.all(kind)[-1]
        del log.records[at + 1:]
        if kind != "INTAKE":
            log.settle().write(self.copy, self.signing)
            self.assertEqual(self.verify()[0], 0, "as it was, it verifies")
        change(log, log.records[at])
        log.settle(keep=log.records[-1]).write(self.copy, self.signing)
        got, said = self.verify()
        self.assertEqual(got, code, said["findings"])
        self.assertIn(text, said["findings"][0]["text"])

    def test_a_delivery_follows_a_decision(self):
        self.left_out("DELIVERY", emptied(4), "slot 4 has no link")

    def test_a_delivery_is_in_the_history_of_its_recipient(self):
        self.left_out("DELIVERY", emptied(8), "slot 8 has no index")

    def test_a_delivery_is_in_the_history_of_its_publisher(self):
        self.left_out("DELIVERY", emptied(3), "slot 3 has no party")

    def test_an_acknowledgement_is_in_the_history_of_its_recipient(self):
        self.left_out("ACK", emptied(8), "slot 8 has no index")

    def test_a_decision_names_its_facts(self):
        self.left_out("DECISION", lambda log, r: r.set(4, 3, b""), "slot 4 has no facts", code=2)

    def test_a_decision_has_reasons(self):
        self.left_out("DECISION", lambda log, r: r.set(4, 1, b""), "slot 4 has no reasons", code=2)

    def test_a_decision_is_in_the_history_of_its_publisher(self):
        self.left_out("DECISION", lambda log, r: r.set(3, 4, b""), "slot 3 has no index")

    def test_a_release_is_what_its_reasons_say(self):
        def change(log, r):
            r.set(4, 0, b"\x01" if r.field(4, 0) != b"\x01" else b"\x02")
        self.left_out("DECISION", change, "its outcome does not follow from its reasons", code=6)

    def test_an_intake_has_decisions(self):
        self.left_out("INTAKE", lambda log, r: None, "no decision follows")

    def test_nobody_is_passed_over(self):
        self.left_out("DECISION", lambda log, r: log.records.pop(), "may receive under atlas, but no decision")

    def test_a_key_is_in_the_history_of_its_party(self):
        self.left_out("KEY", emptied(8), "slot 8 has no index")

    def test_an_agreement_is_in_the_history_of_its_party(self):
        self.left_out("AGREEMENT", emptied(8), "slot 8 has no index")

    def test_a_delivery_is_recorded_once(self):
        def change(log, r):
            log.records.append(forge.Record.parse(r.opening()))
            log.settle()
        self.left_out("DELIVERY", change, "it was delivered under the same decision before")


if __name__ == "__main__":
    unittest.main(verbosity=2)
