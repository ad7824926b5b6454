#!/usr/bin/python3
"""test_from_start.py - a new subscription that begins with what its party was given: that, in order, as it may go now, and
nothing else (design 8, S5, S6, S11; decision 0028)."""
import os
import sys
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import until  # noqa: E402
import wire  # noqa: E402
from test_again import ATLAS, NOR_SECRET, QUIET, now_ms, rows  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from test_subscriptions import MailboxTest  # noqa: E402
from wire import pb  # noqa: E402


class FromStart(MailboxTest):
    limits = "queue-reports 2000"

    def begin(self, name, topic="", mode="LIVE", domain="nor", **more):
        c = self.client(domain, **more)
        c.subscribe(name, topic, mode, from_start=True)
        return c

    def kept(self, count, **more):
        """So many reports that NOR acknowledged."""
        sent, nor = [], self.reader("nor")
        for n in range(count):
            bodies = [canary(), canary()]
            sent.append((publish(self.client("gbr"), list(zip((SECRET, TEARLINE), bodies)), **more)[1], bodies))
            nor.ack(nor.receive())
        nor.close()
        return sent

    def new(self, got, sent):
        """What came of these, in order; other tests left some."""
        ids = [report for report, _ in sent]
        return [d for d in got if d.manifest.id in ids]

    def everything(self, client, sent=()):
        """All that comes, and in any case until all of these came."""
        got = []
        while True:
            d = client.receive(timeout=20 if len(self.new(got, sent)) < len(sent) else QUIET)
            if d is None:
                return got
            got.append(d)
            client.ack(d)

    def test_it_gets_what_its_party_was_given_in_order_and_what_comes_after(self):
        sent = self.kept(6)
        nobody = publish(self.client("gbr"), [(SECRET, canary())], change=lambda r: r.routing.not_to.append(b"NOR"))[1]
        late = self.begin("late")
        _, after = self.to_nor()
        got = self.everything(late, sent + [(after, [])])
        self.assertEqual([(d.manifest.id, d.contents) for d in self.new(got, sent)], sent)
        self.assertNotIn(nobody, [d.manifest.id for d in got])
        self.assertEqual((got[-1].manifest.id, got[-1].raw.attempt), (after, 1))
        self.assertEqual(len(self.log(sent[0][0], "DELIVERY")), 1, "nothing new was released")
        late.close()
        again = self.begin("late")
        self.assertIsNone(again.receive(timeout=QUIET), "it began once")
        self.drain("nor")

    def test_another_party_gets_what_it_was_given_and_no_more(self):
        sent, stream = self.kept(2), []
        got = self.new(self.everything(self.begin("late-too", domain="ken", tap=stream), sent), sent)
        self.assertEqual([d.contents for d in got], [bodies[1:] for _, bodies in sent])
        for _, bodies in sent:
            self.assertNotIn(bodies[0], b"".join(stream))

    def test_only_what_matches_and_never_another_mode(self):
        sent = self.kept(2)
        self.assertEqual(self.everything(self.begin("cyber", "cyber.>")), [])
        self.assertEqual(self.everything(self.begin("exercises", "", "EXERCISE")), [])
        self.assertEqual(len(self.new(self.everything(self.begin("sea", "maritime.>"), sent), sent)), 2)

    def test_what_may_not_go_any_more_does_not_go_by_it(self):
        sent, stream = self.kept(2), []
        self.policy(lambda: self.lab.edit(ATLAS, NOR_SECRET, r"\1[ UNCLASSIFIED RESTRICTED ]"))
        got = self.new(self.everything(self.begin("narrow", tap=stream), sent), sent)
        self.assertEqual([d.contents for d in got], [bodies[1:] for _, bodies in sent])
        for report, bodies in sent:
            self.assertNotIn(bodies[0], b"".join(stream))
            self.assertEqual(self.recorded(report, "NARROWED").outcome, 2)

    def test_what_was_recalled_does_not_come(self):
        sent = self.kept(2)
        self.lab.relto("recall", str(uuid.UUID(bytes=sent[0][0])), "--code", "wrong-label", context="gbr")
        got = self.everything(self.begin("recalled"), sent[1:])
        self.assertEqual([d.manifest.id for d in self.new(got, sent)], [sent[1][0]])
        self.drain("nor", "ken")

    def test_what_expired_does_not_come(self):
        at = now_ms() + 2000
        sent = self.kept(1, change=lambda r: setattr(r.manifest, "expires", at))
        until(lambda: now_ms() > at, 10, "its expiry")
        self.assertEqual(self.new(self.everything(self.begin("expired")), sent), [])

    def test_when_the_broker_dies_meanwhile_it_goes_on_where_it_was(self):
        gbr, nor = self.client("gbr"), self.client("nor")
        nor.subscribe(credit=1024)
        reports = [publish(gbr, [(SECRET, b"%d" % n)])[1] for n in range(80)]
        for _ in reports:
            d = nor.receive()
            nor.send("ack", pb.Ack(subscription=d.raw.subscription, deliveries=[d.raw.delivery]), request=0)
        nor.ask("ping", pb.Ping())
        self.begin("dies")
        self.lab.kill()
        self.lab.start()
        nor = self.client("nor")
        nor.subscribe("dies", credit=1024)
        got = []
        while len(got) < len(reports):
            d = nor.receive(timeout=20)
            self.assertIsNotNone(d, len(got))
            got += [d.manifest.id] if d.manifest.id in reports else []
        self.assertEqual(got, reports)
        self.assertEqual([k for k, _ in rows(self.lab, "meta") if b"fill/" in k], [], "nothing is left behind")

    def test_a_subscription_that_is_deleted_meanwhile_leaves_nothing(self):
        self.kept(2)
        with self.lab.client("nor") as c:
            c.subscribe("gone", from_start=True)
        until(lambda: self.gone("gone"), 10, "its deletion")
        self.assertEqual([k for k, _ in rows(self.lab, "meta") if b"fill/" in k], [])

    def gone(self, name):
        try:
            self.delete(name)
        except wire.Refused as e:
            self.assertEqual(e.code, "busy")
            return False
        return True


class FromStartFull(MailboxTest):
    limits = "queue-reports 2"

    def test_what_its_mailbox_does_not_take_is_a_dead_letter(self):
        nor, reports = self.reader("nor"), []
        for _ in range(3):
            reports.append(self.to_nor()[1])
            nor.ack(nor.receive())
        late = self.client("nor")
        late.subscribe("late", from_start=True)
        self.assertEqual([late.receive().manifest.id for _ in range(2)], reports[:2])
        record = self.dead(reports[2], "mailbox-full", 0)
        self.assertTrue(record.slots[8], "its party had it")


if __name__ == "__main__":
    unittest.main(verbosity=2)
