#!/usr/bin/python3
"""test_subscriptions.py - a party's subscriptions listed and deleted; dead letters seen by whose they are, tried again or
dropped by an operator, and nothing that leaves by an old decision (design 8, S5, S6, S7; decision 0028)."""
import json
import os
import sys
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import until  # noqa: E402
import wire  # noqa: E402
from test_again import ATLAS, NOR_SECRET, QUIET, now_ms, rows  # noqa: E402
from test_dead_letters import DeadTest  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402


class MailboxTest(DeadTest):
    limits = "queue-reports 2"

    def setUp(self):
        super().setUp()
        self.operator = self.client("hub", "/operator")

    def refused(self, client, kind, message):
        with self.assertRaises(wire.Refused) as refused:
            client.ask(kind, message)
        return refused.exception.code, refused.exception.field

    def subscriptions(self, client, **more):
        return client.ask("subscriptions", pb.Subscriptions(act=1, **more)).subscriptions

    def delete(self, name, exercise=False):
        with self.lab.client("nor") as c:
            return c.ask("subscriptions", pb.Subscriptions(act=2, name=name.encode(), exercise=exercise))

    def mine(self, client):
        return client.ask("dead_letters", pb.DeadLetters(act=1)).letters

    def of_all(self, party=b""):
        out, at = [], 0
        while True:
            page = self.operator.ask("dead_letters", pb.DeadLetters(**{"act": 1, "all": True, "party": party, "from": at}))
            out += page.letters
            at = page.next
            if not at:
                return out

    def act(self, act, report, party=b"NOR"):
        said = self.operator.ask("dead_letters", pb.DeadLetters(act=act, all=True, party=party, report=report))
        return json.loads(said.json)

    def retry(self, report):
        return self.act(2, report)["retried"]

    def drop_all(self):
        for letter in self.of_all():
            self.act(3, letter.report, letter.party)


class Subscriptions(MailboxTest):
    limits = "queue-reports 2000"

    def listed(self, client, **more):
        return {(s.name, s.mode): (s.topic, s.waiting) for s in self.subscriptions(client, **more)}

    def test_a_party_sees_its_own_with_what_came_back_and_an_operator_all_that_waits(self):
        nor = self.client("nor")
        nor.subscribe("listed", "maritime.>")
        self.to_nor()
        nor.nack(nor.receive(), 3600000)
        seen, all_ = self.listed(nor), self.listed(self.operator, party=b"NOR")
        for name, topic, mode, mine, waits in ((b"listed", b"maritime.>", pb.LIVE, 1, 1), (b"inbox", b">", pb.LIVE, 0, 1),
                                               (b"inbox", b">", pb.EXERCISE, 0, 0)):
            self.assertEqual((seen[name, mode], all_[name, mode]), ((topic, mine), (topic, waits)))
        self.assertEqual(set(seen), set(all_))
        self.assertNotIn(b"listed", [s.name for s in self.subscriptions(self.client("ken"))])
        self.assertEqual(self.refused(nor, "subscriptions", pb.Subscriptions(act=1, party=b"KEN"))[0], "role")
        self.assertEqual(self.refused(nor, "subscriptions", pb.Subscriptions(act=1, party=b"NOR"))[0], "role")
        nor.close()
        self.delete("listed")
        self.drain("nor")

    def test_a_party_is_not_told_that_something_waits_which_it_may_not_have_or_not_yet(self):
        nor = self.client("nor")
        before = self.listed(nor)
        self.to_nor()  # by the next rules it may not have this any more
        _, later = self.to_nor(change=lambda r: setattr(r.manifest, "not_before", now_ms() + 3600000))
        self.assertEqual(self.listed(nor), before)
        self.policy(lambda: self.lab.edit(ATLAS, NOR_SECRET, r"\1[ UNCLASSIFIED RESTRICTED ]"))
        self.assertEqual(self.listed(nor), before)
        self.assertEqual(self.listed(self.operator, party=b"NOR")[b"inbox", pb.LIVE][1], 2)
        reader = self.reader("nor")
        self.assertIsNone(reader.receive(timeout=QUIET))
        self.assertEqual(self.listed(nor), before)
        self.lab.relto("recall", str(uuid.UUID(bytes=later)), "--code", "legal", context="gbr")  # for the other tests

    def test_a_deleted_subscription_is_gone_and_what_waited_in_it_is_a_dead_letter(self):
        nor = self.client("nor")
        nor.subscribe("short", ">")
        _, report = self.to_nor()
        self.assertEqual(self.refused(self.client("nor"), "subscriptions", pb.Subscriptions(act=2, name=b"short"))[0], "busy")
        nor.close()
        until(lambda: self.gone("short"), 10, "its deletion")
        self.dead(report, "no-subscription", 1)
        self.assertNotIn(b"short", [s.name for s in self.subscriptions(self.client("nor"))])
        self.assertEqual([s for s in rows(self.lab, "subscription") if b"short" in s[1]], [])
        (gone,) = [r for r in self.log(kind="SUBSCRIPTION") if r.text(7, 2) == "short" and r.slots[7][4] == b"\x02"]
        self.assertEqual((gone.text(7, 0), gone.slots[7][1]), ("NOR", b"\x01"))
        again = self.client("nor")
        again.subscribe("short", "cyber.>")  # another one of that name
        self.assertIsNone(again.receive(timeout=QUIET))
        self.drain("nor")
        self.lab.stop()
        self.lab.start()

    def test_a_recall_that_was_acknowledged_does_not_come_again_when_a_subscription_goes(self):
        nor, short = self.reader("nor"), self.client("nor")
        short.subscribe("brief", ">")
        _, report = self.to_nor()
        for c in (nor, short):
            c.ack(c.receive())
        short.close()
        self.nothing_waits()
        self.lab.relto("recall", str(uuid.UUID(bytes=report)), "--code", "legal", context="gbr")
        nor.ack(nor.receive())
        until(lambda: self.gone("brief"), 10, "its deletion")
        self.nothing_waits()
        self.assertIsNone(nor.receive(timeout=QUIET))

    def gone(self, name):
        try:
            self.delete(name)
        except wire.Refused as e:
            self.assertEqual(e.code, "busy")
            return False
        return True

    def test_a_long_queue_ends_in_pieces_with_a_record_for_each(self):
        with self.lab.client("nor") as nor:
            nor.subscribe("long", ">")
        gbr = self.client("gbr")
        reports = [publish(gbr, [(SECRET, b"%d" % n)])[1] for n in range(100)]
        self.delete("long")
        dead = [r.report for r in self.log(kind="DEAD_LETTER") if r.report in set(reports)]
        self.assertEqual(sorted(dead), sorted(reports))
        self.drain_all("nor")

    def drain_all(self, domain):
        with self.lab.client(domain) as c:
            c.subscribe(credit=1024)
            while (d := c.receive(timeout=0.5)) is not None:
                c.ack(d)

    def test_inbox_may_go_once_there_are_others_and_the_last_one_may_not(self):
        nor = self.client("nor")
        self.assertEqual(self.refused(nor, "subscriptions", pb.Subscriptions(act=2, name=b"nothing"))[0],
                         "no-such-subscription")
        self.assertEqual(self.refused(nor, "subscriptions", pb.Subscriptions(act=2, name=b"inbox", exercise=True))[0],
                         "usage")
        nor.subscribe("all-exercises", ">", "EXERCISE")
        nor.ask("subscriptions", pb.Subscriptions(act=2, name=b"inbox", exercise=True))
        self.assertEqual([s.name for s in self.subscriptions(nor) if s.mode == pb.EXERCISE], [b"all-exercises"])
        self.lab.stop()
        self.lab.start()
        nor = self.client("nor")
        self.assertEqual([s.name for s in self.subscriptions(nor) if s.mode == pb.EXERCISE], [b"all-exercises"])
        nor.subscribe("inbox", ">", "EXERCISE")

    def test_a_report_that_no_subscription_takes_is_a_dead_letter(self):
        with self.lab.client("nor") as nor:
            nor.subscribe("cyber-only", "cyber.>")
        self.drain("nor")
        self.delete("inbox")
        _, report = self.to_nor()
        record = self.dead(report, "no-subscription", 0)
        self.assertFalse(record.slots[8])
        with self.lab.client("nor") as nor:
            nor.subscribe("inbox", ">")
            self.assertIsNone(nor.receive(timeout=QUIET), "it begins where it was made")
        self.assertEqual(self.retry(report), 1)
        got = self.reader("nor").receive()
        self.assertEqual(got.manifest.id, report, "an operator can have it tried again")
        self.drain("nor")


class Letters(MailboxTest):
    limits = "queue-reports 2\nmax-deliveries 3"

    def full(self):
        """Two that wait, and one that found no room."""
        self.drop_all()
        self.drain("nor")
        return [self.to_nor()[1] for _ in range(3)][2]

    def test_a_party_is_told_of_what_was_sent_to_it_and_of_nothing_that_was_not(self):
        report = self.full()
        self.assertEqual(list(self.mine(self.client("nor"))), [])
        self.assertEqual(list(self.mine(self.client("ken"))), [])
        (all_,) = self.of_all()
        self.assertEqual((all_.party, all_.report, all_.publisher), (b"NOR", report, b"GBR"))
        self.assertEqual(self.of_all(b"KEN"), [])

    def test_only_an_operator_sees_others_and_acts(self):
        report, nor = self.full(), self.client("nor")
        for more in ({"all": True}, {"all": True, "party": b"NOR"}, {"all": True, "party": b"KEN"}):
            self.assertEqual(self.refused(nor, "dead_letters", pb.DeadLetters(act=1, **more))[0], "role")
        for act in (2, 3):
            for more in ({}, {"all": True}):
                self.assertEqual(self.refused(nor, "dead_letters", pb.DeadLetters(act=act, party=b"NOR", report=report,
                                                                                **more))[0], "role")
        for party, code in ((b"NOR", "not-found"), (b"KEN", "not-found"), (b"NOBODY", "not-found")):
            self.assertEqual(self.refused(self.operator, "dead_letters", pb.DeadLetters(
                act=2, all=True, party=party, report=b"r" * 16))[0], code)
        self.assertEqual(self.refused(self.operator, "dead_letters", pb.DeadLetters(act=2, all=True, party=b"NOR")),
                         ("malformed", "dead_letters.report"))
        self.assertEqual(self.refused(self.operator, "dead_letters", pb.DeadLetters(act=3, all=True, report=report)),
                         ("malformed", "dead_letters.party"))
        self.assertEqual(self.refused(nor, "dead_letters", pb.DeadLetters(**{"act": 1, "from": 7})),
                         ("malformed", "dead_letters.from"))

    def test_what_is_tried_again_is_delivered_and_on_record(self):
        report = self.full()
        self.assertEqual(self.act(2, report), {"ok": True, "retried": 0, "kept": 1}, "there is no room yet")
        self.drain("nor")
        self.assertEqual(self.act(2, report), {"ok": True, "retried": 1, "kept": 0})
        decided = [int.from_bytes(row[16:24], "big") for key, row in rows(self.lab, "given") if report in key]
        self.assertEqual(decided, [0], "under no policy: it is decided anew, though no policy changed")
        self.assertEqual([value[12:20] for _, value in rows(self.lab, "queue")], [bytes(8)], "and so says its entry")
        got = self.reader("nor").receive()
        self.assertEqual((got.manifest.id, got.raw.attempt), (report, 1))
        admin = [r for r in self.log(kind="ADMIN") if r.text(7, 0) == "dead-letters retry"][-1]
        self.assertEqual(admin.text(7, 1), "NOR %s" % uuid.UUID(bytes=report))
        self.assertEqual(self.letters(), [])
        self.drain("nor")

    def test_what_is_tried_again_comes_to_who_reads_though_younger_ones_came_before(self):
        self.drop_all()
        self.drain("nor")
        nor = self.reader("nor")
        _, poison = self.to_nor()
        for n in range(4):  # the last time, and younger ones that are acknowledged
            got = nor.receive(timeout=20)
            (nor.nack if got.manifest.id == poison else nor.ack)(got)
            self.to_nor() if n == 0 else None
        self.dead(poison, "max-deliveries", 3)
        self.assertEqual(self.retry(poison), 1)
        got = nor.receive(timeout=10)
        self.assertEqual((got.manifest.id, got.raw.attempt), (poison, 1))
        nor.ack(got)
        self.nothing_waits()

    def test_what_may_not_go_any_more_does_not_go_by_a_retry(self):
        bodies, stream = [canary(), canary()], []
        self.drop_all()
        self.drain("nor")
        for _ in range(2):
            self.to_nor()
        _, report = publish(self.client("gbr"), list(zip((SECRET, TEARLINE), bodies)))
        self.dead(report, "mailbox-full", 0)
        self.drain("nor", "ken")
        self.policy(lambda: self.lab.edit(ATLAS, NOR_SECRET, r"\1[ UNCLASSIFIED RESTRICTED ]"))
        self.assertEqual(self.retry(report), 1)
        got = self.reader("nor", tap=stream).receive()
        self.assertEqual((got.manifest.id, got.contents), (report, bodies[1:]))
        self.assertNotIn(bodies[0], b"".join(stream))
        self.assertEqual(self.recorded(report, "NARROWED").outcome, 2)
        self.drain("nor")
        self.proven()

    def test_what_was_dropped_is_gone_and_on_record(self):
        report = self.full()
        self.assertEqual(self.act(3, report), {"ok": True, "dropped": 1, "kept": 0})
        self.assertEqual(self.letters(), [])
        self.assertTrue([r for r in self.log(kind="ADMIN") if r.text(7, 0) == "dead-letters drop"])
        self.drain("nor")
        self.assertIsNone(self.reader("nor").receive(timeout=QUIET))

    def test_the_command_shows_and_does_all_of_it(self):
        report = str(uuid.UUID(bytes=self.full()))
        operator = self.lab.context_name("hub", "/operator")
        nor = self.lab.context_name("nor")
        self.assertEqual(json.loads(self.lab.relto("sub", "--dead-letters", "--json", context=nor)[0]), [])
        (said,) = json.loads(self.lab.relto("admin", "dead-letters", "list", "--json", context=operator)[0])
        self.assertEqual((said["party"], said["report"], said["publisher"]), ("NOR", report, "GBR"))
        table = self.lab.relto("admin", "dead-letters", "list", "NOR", context=operator)[0]
        self.assertIn(report, table)
        self.lab.relto("admin", "dead-letters", "retry", "NOR", report, context=nor, code=77)
        said = json.loads(self.lab.relto("admin", "dead-letters", "retry", "NOR", report, "--json", context=operator)[0])
        self.assertEqual(said, {"ok": True, "retried": 0, "kept": 1})
        self.lab.relto("admin", "dead-letters", "drop", "NOR", report, context=operator)
        self.assertIn("no dead letters", self.lab.relto("sub", "--dead-letters", context=nor)[1])
        self.lab.relto("sub", "--name", "by-command", "--topic", "cyber.>", "--wait", "1s", context=nor)
        table = self.lab.relto("sub", "--list", context=nor)[0]
        self.assertRegex(table, r"(?s)NAME .* RETURNED\n.*by-command .* 0\n")
        said = json.loads(self.lab.relto("sub", "--list", "--json", context=nor)[0])
        self.assertIn({"name": "by-command", "topic": "cyber.>", "mode": "live", "returned": 0}, said)
        said = json.loads(self.lab.relto("admin", "subscriptions", "NOR", "--json", context=operator)[0])
        self.assertIn({"name": "by-command", "topic": "cyber.>", "mode": "live", "waiting": 0}, said)
        until(lambda: self.lab_deletes(nor), 10, "nobody reads it any more")
        self.assertNotIn("by-command", self.lab.relto("sub", "--list", context=nor)[0])
        for words in (["sub", "--list", "--dead-letters"], ["sub", "--delete", "a/b"], ["admin", "subscriptions"],
                      ["admin", "dead-letters"], ["admin", "dead-letters", "retry", "NOR", "nothing"]):
            self.lab.relto(*words, context=nor, code=64)

    def lab_deletes(self, context):
        try:
            self.lab.relto("sub", "--delete", "by-command", context=context)
        except AssertionError:
            return False
        return True


if __name__ == "__main__":
    unittest.main(verbosity=2)
