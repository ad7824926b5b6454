#!/usr/bin/python3
"""test_refuses.py - what the broker does not start with, does not reload, and does not take: broken policies, stale
terms, a log that somebody changed (design 4, 5, 7; audit 8)."""
import hashlib
import os
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
from test_again import ATLAS, POLICY, AgainTest, rows, tables  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402

# what an editor, a full disk or a slip of the hand makes of a file, and where the complaint points
BROKEN = {
    "empty": (POLICY, lambda text: ""),
    "cut": (POLICY, lambda text: text[:text.index("party KEN") + 60]),
    "twice": (POLICY, lambda text: text + text),
    "cut agreement": (ATLAS, lambda text: text[:len(text) // 2]),
    "agreement twice": (ATLAS, lambda text: text + text),
}
PLACE = re.compile(r"\.policy:\d+:\d+: error: |\.policy:\d+")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Policies(AgainTest):
    def run_reltod(self, *more):
        return subprocess.run([self.lab.reltod_path, "-c", self.lab.path("reltod.conf")] + list(more),
                              capture_output=True, timeout=30)

    def test_the_log_says_who_asked_for_a_policy_and_for_a_subscription(self):
        nor = self.client("nor")
        nor.subscribe(name="night-shift")
        self.lab.relto("admin", "reload", context="operator")
        made = [r for r in self.log(kind="SUBSCRIPTION") if r.text(7, 2) == "night-shift"]
        policies = self.log(kind="POLICY")
        self.assertEqual([bool(r.slots[6]) for r in policies], [False] * (len(policies) - 1) + [True])
        for record in (made[0], policies[-1]):
            self.assertIn("CN=", record.text(6, 0))
            self.assertTrue(record.slots[5][1], "the connection")
            self.assertEqual(len(record.slots[5][2]), 32, "the certificate")
        self.assertEqual(made[0].slots[5][2], hashlib.sha256(nor.agent.chain_der[0]).digest())
        self.assertFalse([r for r in self.log(kind="SUBSCRIPTION") if r.text(7, 2) == "inbox" and r.slots[6]])

    def test_a_reload_of_a_broken_policy_keeps_the_old_one_loudly(self):
        gbr, nor = self.client("gbr"), self.reader("nor")
        for what, (name, broken) in BROKEN.items():
            with self.subTest(what):
                self.lab.write(name, broken(self.texts[name]))
                before, policies = len(self.lab.messages()), len(self.log(kind="POLICY"))
                self.lab.signal(1)
                rig.until(lambda: "reload.failed" in self.lab.messages()[before:], 10, "a loud word")
                said = self.lab.messages()[before:]
                self.assertRegex(said, PLACE)
                self.assertIn("the old policy and settings stay", said)
                self.lab.write(name, self.texts[name])
                body = canary()
                publish(gbr, [(TEARLINE, body)])
                got = nor.receive()
                self.assertEqual(got.contents, [body])
                nor.ack(got)
                self.assertEqual(len(self.log(kind="POLICY")), policies)

    def test_nothing_starts_with_a_broken_policy(self):
        self.lab.stop()
        self.addCleanup(self.lab.start)
        for what, (name, broken) in BROKEN.items():
            with self.subTest(what):
                self.lab.write(name, broken(self.texts[name]))
                try:
                    for more in ((), ("-t",)):
                        got = self.run_reltod(*more)
                        self.assertIn(got.returncode, (65, 78), got.stderr)
                        self.assertRegex(got.stderr.decode(), PLACE)
                finally:
                    self.lab.write(name, self.texts[name])


class Terms(AgainTest):
    def refused(self, client, name, terms):
        report = wire.Report(client.agent, "maritime.piracy", [(name, terms)])
        with self.assertRaises(wire.Refused) as refused:
            client.publish(report.portion(TEARLINE, canary()).seal())
        self.assertEqual(refused.exception.code, "agreement-not-usable")
        return str(refused.exception)

    def test_stale_terms_are_refused_and_a_member_reads_why(self):
        gbr = self.client("gbr")
        old = gbr.terms["atlas"]
        self.policy(lambda: self.lab.edit(ATLAS, r"counter-piracy", "piracy"))
        self.assertIn("terms", self.refused(gbr, "atlas", old))
        fresh = self.client("gbr")
        self.assertNotEqual(fresh.terms["atlas"], old)
        receipt, _ = publish(fresh, [(TEARLINE, canary())])
        self.assertEqual(receipt.released, 2)
        self.drain("nor", "ken")

    def test_a_report_that_was_accepted_gets_its_first_receipt_though_its_terms_changed_since(self):
        gbr = self.client("gbr")
        sealed = wire.Report(gbr.agent, "maritime.piracy", [("atlas", gbr.terms["atlas"])]).portion(
            TEARLINE, canary()).seal()
        first = gbr.publish(sealed)
        self.policy(lambda: self.lab.edit(ATLAS, r"information exchange", "information sharing"))
        again = gbr.publish(sealed)
        self.assertEqual((again.index, again.accepted, again.released, again.again),
                         (first.index, first.accepted, first.released, True))
        self.drain("nor", "ken")

    def test_a_member_that_may_not_originate_reads_that(self):
        ken = self.client("ken")
        self.assertRegex(self.refused(ken, "atlas", ken.terms["atlas"]), "originat")

    def test_an_agreement_of_others_looks_like_none(self):
        self.policy(lambda: self.lab.edit(ATLAS, r"(?s)    member KEN \{.*?\n    \}\n", "") or
                    self.lab.edit(ATLAS, r"(?s)    rule never-finint-to-ken \{.*?\n    \}\n", ""))
        gbr, ken = self.client("gbr"), self.client("ken")
        self.assertEqual(list(ken.terms), [])
        theirs = self.refused(ken, "atlas", gbr.terms["atlas"])
        self.assertEqual(theirs.replace("atlas", "nothing"), self.refused(ken, "nothing", gbr.terms["atlas"]))


class Altered(AgainTest):
    def tampered(self, key, value):
        env = tables(self.lab, write=True)
        try:
            with env.begin(write=True) as t:
                t.put(key, value, db=env.open_db(b"entry", t, create=False))
        finally:
            env.close()

    def refuses(self):
        before = len(self.lab.messages())
        with self.assertRaises(AssertionError):
            self.lab.start()
        self.lab.process.wait(10)
        self.assertNotEqual(self.lab.process.returncode, 0)
        self.lab.log.close()
        self.lab.process = None
        return self.lab.messages()[before:]

    def test_a_log_with_one_altered_byte_does_not_start(self):
        for _ in range(5):
            publish(self.client("gbr"), [(TEARLINE, canary())])
        self.lab.stop()
        entries = rows(self.lab, "entry")
        self.assertEqual(crc32c(entries[0][0] + entries[0][1][:-4]), int.from_bytes(entries[0][1][-4:], "big"))
        for n in (0, len(entries) // 2, len(entries) - 1):
            key, good = entries[n]
            for at in (5, len(good) // 2):  # in the leaf hash, in the slots
                for again in (False, True):
                    with self.subTest(entry=n, at=at, checksum=again):
                        bad = good[:at] + bytes([good[at] ^ 1]) + good[at + 1:-4]
                        bad += crc32c(key + bad).to_bytes(4, "big") if again else good[-4:]
                        self.tampered(key, bad)
                        self.assertRegex(self.refuses(), "(?i)corrupt|tree|entry|log")
                        self.tampered(key, good)
        self.lab.start()
        publish(self.client("gbr"), [(TEARLINE, canary())])
        self.proven()


if __name__ == "__main__":
    unittest.main(verbosity=2)
