#!/usr/bin/python3
"""test_again.py - what was decided is decided again: narrower policies, suspensions, revoked signers, deadlines, expiry,
the clock; and a daemon that refuses what it cannot trust (design 5, 7, 8, 11; S5, S6, S9)."""
import json
import os
import re
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
from wire import label, pb  # noqa: E402

ATLAS = "policy/agreements.d/atlas.policy"
POLICY = "policy/relto.policy"
NOR_SECRET = r"(?s)(member NOR \{.*?clearance   ATLAS )up-to SECRET"
QUIET = 1.0  # how long nothing must come
RELEASE, REDACT, HOLD, WITHHOLD = 1, 2, 3, 4


def now_ms():
    return int(time.time() * 1000)


def tables(lab, write=False, lock=True):
    """The store, through python3-lmdb; without its lock if the broker stands still, perhaps with the lock in its hands."""
    try:
        import lmdb
    except ImportError:
        raise unittest.SkipTest("NO python3-lmdb")
    return lmdb.open(lab.path("spool"), max_dbs=32, readonly=not write, map_size=1 << 30 if write else 0,
                     lock=lock)


def rows(lab, table):
    env = tables(lab)
    try:
        with env.begin() as t:
            return list(t.cursor(env.open_db(table.encode(), t, create=False)))
    finally:
        env.close()


class Rec:
    """A record that the hub's auditor sees."""

    def __init__(self, index, opening):
        self.index, self.leaf, self.slots, self.kind = index, opening.leaf_hash, opening.slots, opening.type
        self.time, self.report = witness.uint(opening.slots[1][1]), opening.slots[1][2]

    def text(self, slot, field):
        return self.slots[slot][field].decode() if self.slots[slot] else ""

    @property
    def outcome(self):
        return self.slots[4][0][0]

    @property
    def reasons(self):
        return [line.split(" ")[2] for line in self.text(4, 1).split("\n") if line]

    @property
    def link(self):
        return witness.uint(self.slots[4][4])


class AgainTest(rig.LabTest):
    @classmethod
    def prepare(cls):
        # the sample's expectations hold for the sample, not for what is made of it here
        cls.lab.edit(ATLAS, r"(?m)^\s*expect .*\n", "", 0)

    def setUp(self):
        self.texts = {name: self.lab.read(name) for name in (ATLAS, POLICY)}
        self.addCleanup(self.restore)

    def restore(self):
        if self.lab.process and any(self.lab.read(n) != t for n, t in self.texts.items()):
            self.policy(lambda: [self.lab.write(n, t) for n, t in self.texts.items()])

    def policy(self, change):
        """Changes the policy's files, under a new version of the agreement, and waits until it is in force."""
        version = int(re.search(r"version  (\d+)", self.lab.read(ATLAS)).group(1))
        change()
        self.lab.edit(ATLAS, r"version  \d+", "version  %d" % (version + 1))
        return self.reload()

    def reload(self):
        before = self.lab.messages().count("policy.in-force")
        self.lab.signal(1)
        rig.until(lambda: self.lab.messages().count("policy.in-force") > before, 10, "the reload")
        return time.monotonic()

    def narrow(self):
        return self.policy(lambda: self.lab.edit(ATLAS, NOR_SECRET, r"\1[ UNCLASSIFIED RESTRICTED ]"))

    def reader(self, domain, path=None, **more):
        c = self.client(domain, path, **more)
        c.subscribe()
        return c

    def log(self, report=None, kind=None):
        """The records, as the hub's auditor reads them in a session."""
        out = [Rec(index, witness.Opening(opening)) for index, opening in self.lab.records()]
        return [r for r in out if report in (None, r.report) and kind in (None, r.kind)]

    def recorded(self, report, kind, recipient="NOR", seconds=10, count=1):
        """The last of at least 'count' records of that kind about a report for a recipient, once they are there."""
        def there():
            return [r for r in self.log(report, kind) if recipient in r.text(2, 0).split("\n")][count - 1:]
        return rig.until(there, seconds, "%s about a report for %s" % (kind, recipient))[-1]

    def nothing_waits(self):
        rig.until(lambda: not rows(self.lab, "queue"), 10, "an empty queue")

    def drain(self, *domains):
        for domain in domains:
            with self.lab.client(domain) as c:
                c.subscribe()
                d = c.receive(timeout=0.5)
                while d is not None:
                    c.ack(d)
                    d = c.receive(timeout=0.5)

    def proven(self):
        """The whole log, by all verifiers."""
        folder = os.path.join(self.lab.base, "bundle.%d" % time.monotonic_ns())
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("hub"))
        key = self.lab.agent("hub").log_key
        self.good(folder, "--key", key)
        for party in ("gbr", "nor", "ken"):
            self.own(party, key)
        return folder, key

    def own(self, party, key):
        """The party's own bundle, by all verifiers."""
        folder = os.path.join(self.lab.base, "%s.%d" % (party, time.monotonic_ns()))
        self.lab.relto("audit", "pull", folder, context=party + "-inspector")
        self.good(folder, "--key", key, "--party", party.upper())

    def good(self, folder, *call):
        for program in rig.verifiers():
            got = subprocess.run(program + [folder, *call], capture_output=True)
            self.assertEqual(got.returncode, 0, got.stdout + got.stderr)


class Narrower(AgainTest):
    def test_a_queued_report_arrives_with_what_is_still_allowed(self):
        gbr, bodies, stream = self.client("gbr"), [canary(), canary()], []
        _, report = publish(gbr, list(zip((SECRET, TEARLINE), bodies)))
        self.narrow()
        nor = self.reader("nor", tap=stream)
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (report, bodies[1:]))
        nor.ack(got)
        self.assertNotIn(bodies[0], b"".join(stream))
        narrowed = self.recorded(report, "NARROWED")
        delivery = self.recorded(report, "DELIVERY")
        decision = self.recorded(report, "DECISION")
        self.assertEqual((narrowed.outcome, narrowed.reasons), (REDACT, ["classification", "release"]))
        self.assertEqual((narrowed.link, delivery.link), (decision.index, narrowed.index))
        self.assertLess(narrowed.index, delivery.index)
        self.assertEqual(delivery.leaf, got.raw.evidence.leaf_hash)
        folder, key = self.proven()
        shown = subprocess.run([rig.program("relto-verify"), "show", folder, "type=narrowed", "--json", "--key", key],
                               capture_output=True)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn(narrowed.index, [json.loads(line)["index"] for line in shown.stdout.splitlines()])
        self.drain("ken")

    def test_a_report_that_is_now_withheld_never_arrives_and_does_not_wait(self):
        self.drain("nor", "ken")
        _, report = publish(self.client("gbr"), [(SECRET, canary())])
        self.assertTrue(rows(self.lab, "queue"))
        self.narrow()
        nor = self.reader("nor")
        self.assertIsNone(nor.receive(timeout=QUIET))
        narrowed = self.recorded(report, "NARROWED")
        self.assertEqual((narrowed.outcome, narrowed.reasons), (WITHHOLD, ["classification"]))
        self.assertEqual(self.log(report, "DELIVERY"), [])
        self.nothing_waits()

    def test_a_wider_policy_releases_nothing_more_of_an_old_report(self):
        bodies = [canary(), canary()]
        self.narrow()
        _, report = publish(self.client("gbr"), list(zip((SECRET, TEARLINE), bodies)))
        self.restore()  # NOR may have SECRET again
        stream = []
        nor = self.reader("nor", tap=stream)
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (report, bodies[1:]))
        nor.ack(got)
        self.assertNotIn(bodies[0], b"".join(stream))
        self.assertNotIn(report, [r.report for r in self.log(kind="NARROWED") if r.reasons[0] == "release"])
        body = canary()
        publish(self.client("gbr"), [(SECRET, body)])
        got = nor.receive()
        self.assertEqual(got.contents, [body], "what is published now goes by the wider policy")
        nor.ack(got)
        self.drain("ken")

    def test_what_a_narrowing_took_no_wider_policy_gives_back(self):
        bodies = [canary(), canary()]
        _, report = publish(self.client("gbr"), list(zip((SECRET, TEARLINE), bodies)))
        self.narrow()
        nor = self.reader("nor")
        self.assertEqual(nor.receive().contents, bodies[1:])
        nor.close()
        self.restore()
        nor = self.reader("nor")
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (report, bodies[1:]))
        nor.ack(got)
        self.drain("ken")

    def test_a_redelivery_of_fewer_portions_has_its_own_delivery_record(self):
        bodies = [canary(), canary()]
        nor = self.reader("nor")
        _, report = publish(self.client("gbr"), list(zip((SECRET, TEARLINE), bodies)))
        first = nor.receive()
        self.assertEqual(first.contents, bodies)
        nor.close()
        self.narrow()
        nor = self.reader("nor")
        second = nor.receive()
        self.assertEqual((second.manifest.id, second.contents), (report, bodies[1:]))
        nor.ack(second)
        narrowed = self.recorded(report, "NARROWED")
        self.assertTrue(narrowed.slots[8], "the recipient's tree shows that a delivery was stopped")
        before, after = self.log(report, "DELIVERY")
        self.assertEqual([d.raw.evidence.leaf_hash for d in (first, second)], [before.leaf, after.leaf])
        self.assertTrue(before.index < narrowed.index < after.index)
        self.drain("ken")
        self.proven()

    def test_a_message_that_a_narrowing_stops_half_way_ends_with_a_void_frame(self):
        big, small, stream = os.urandom(14 << 20), canary(), []
        nor = self.reader("nor", tap=stream)
        _, report = publish(self.client("gbr"), [(SECRET, big), (TEARLINE, small)], precedence="ROUTINE")
        # NOR does not read: the message is half way in the sockets when the policy changes
        self.recorded(report, "DELIVERY")
        self.narrow()
        got = nor.receive(timeout=20)
        self.assertEqual(got.contents, [small])
        self.assertEqual(nor.assembler.voids, 1)
        self.assertNotIn(big[-64:], b"".join(stream))
        nor.ack(got)
        self.drain("ken")


class Vocabulary(AgainTest):
    SPIF = "policy/vocab/atlas.spif.xml"

    def test_a_label_that_its_vocabulary_no_longer_knows_is_withheld_and_stands_in_the_log(self):
        bodies, known = [canary(), canary()], self.lab.read(self.SPIF)
        lost = [label("ATLAS", "RESTRICTED", Releasable_To=["ATLAS", "INTERPOL"])]
        reports = [publish(self.client("gbr"), portions)[1]
                   for portions in ([(lost, bodies[0])], list(zip((lost, TEARLINE), bodies)))]
        self.policy(lambda: self.lab.edit(self.SPIF, r'(?s)<spif:tagCategory name="INTERPOL".*?</spif:tagCategory>', ""))
        nor = self.reader("nor")
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (reports[1], bodies[1:]))
        nor.ack(got)
        self.assertIsNone(nor.receive(timeout=QUIET))
        for report, reasons in zip(reports, (["invalid-label"], ["invalid-label", "release"])):
            narrowed, decision = self.recorded(report, "NARROWED"), self.recorded(report, "DECISION")
            self.assertEqual(narrowed.reasons, reasons)
            self.assertEqual(narrowed.text(3, 3), decision.text(3, 3), "its banner is what it was accepted with")
        self.lab.stop()
        self.lab.start()  # which verifies the log
        self.proven()
        self.policy(lambda: self.lab.write(self.SPIF, known))
        self.drain("nor", "ken")


class Suspended(AgainTest):
    def suspend(self):
        return self.policy(lambda: self.lab.write(POLICY, self.lab.read(POLICY) + "suspend atlas\n"))

    def test_what_waits_under_a_suspended_agreement_is_held_and_comes_when_the_suspension_ends(self):
        body = canary()
        _, report = publish(self.client("gbr"), [(SECRET, body)])
        self.suspend()
        nor = self.reader("nor")
        self.assertIsNone(nor.receive(timeout=QUIET))
        held = self.recorded(report, "NARROWED")
        self.assertEqual((held.outcome, held.reasons), (HOLD, ["suspended"]))
        self.assertEqual(len(rows(self.lab, "hold")), 1)
        self.restore()
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (report, [body]))
        nor.ack(got)
        again = self.recorded(report, "NARROWED", count=2)
        self.assertEqual((again.outcome, again.link), (RELEASE, held.index))
        self.assertEqual(rows(self.lab, "hold"), [])
        self.proven()

    def test_nothing_is_published_under_a_suspended_agreement_and_its_member_reads_why(self):
        gbr = self.client("gbr")
        self.suspend()
        with self.assertRaises(wire.Refused) as refused:
            publish(gbr, [(TEARLINE, canary())])
        self.assertEqual(refused.exception.code, "agreement-not-usable")
        self.assertIn("suspended", str(refused.exception))


class Revoked(AgainTest):
    def signer_is_gone(self, change, desk, others, domain, recipient, reads=None):
        body = canary()
        _, report = publish(desk, [(SECRET, body)])
        change()
        since = self.reload()
        self.assertTrue(desk.closed(timeout=5), "the session goes on")
        self.assertLess(time.monotonic() - since, 1.0)
        with self.assertRaises((wire.Closed, OSError)):
            with self.lab.client(domain):
                pass
        for c in others:
            c.ask("ping", pb.Ping())
        reader = self.reader(recipient, reads)
        self.assertIsNone(reader.receive(timeout=QUIET))
        held = self.recorded(report, "NARROWED", recipient.upper())
        self.assertEqual((held.outcome, held.reasons), (HOLD, ["signer-revoked"]))
        self.assertEqual(self.log(report, "DELIVERY"), [])
        self.proven()

    def test_what_a_revoked_signer_sent_is_held_and_its_session_ends_and_no_other(self):
        others = [self.client("nor"), self.client("ken"), self.client("gbr", "/watch")]
        self.signer_is_gone(lambda: self.lab.relto("lab", "revoke", self.lab.dir, "GBR", "/fusion-desk"),
                            self.client("gbr"), others, "gbr", "nor")
        before, now = self.log(kind="POLICY")[-2:]
        self.assertEqual(before.slots[7][0], now.slots[7][0], "a revocation is no other policy..")
        self.assertEqual((len(before.slots[7][3]), len(now.slots[7][3])), (32, 32))
        self.assertNotEqual(before.slots[7][3], now.slots[7][3], "..but the log says that the lists changed")

    def test_what_an_agent_that_left_the_policy_sent_is_held(self):
        others = [self.client("nor", "/watch"), self.client("ken")]
        gone = r"(?s)(party NOR \{.*?)\n\s*agent /fusion-desk [^\n]*"
        # GBR's own desk may be revoked by the test before: its other agent reads
        self.signer_is_gone(lambda: self.lab.edit(POLICY, gone, r"\1"), self.client("nor"), others, "nor", "gbr", "/watch")


if __name__ == "__main__":
    unittest.main(verbosity=2)
