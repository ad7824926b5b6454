#!/usr/bin/python3
"""test_mailbox.py - what a subscription promises: order, acknowledgements, what several of one party get, and what the
log says of it (design S6, 8; audit 1)."""
import json
import os
import sys
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
from test_again import HOLD, POLICY, QUIET, AgainTest, now_ms, rows  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

REPORTS = 600


def numbers(client, subscription, *deliveries):
    return client.ask("ack", pb.Ack(subscription=subscription, deliveries=sorted(deliveries)))


class Acks(AgainTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "limits { ack-wait 1s }\n")

    def test_a_report_keeps_its_number_whenever_it_comes_again(self):
        nor = self.reader("nor")
        publish(self.client("gbr"), [(SECRET, canary())])
        seen = [nor.receive().raw for _ in range(3)]
        self.assertEqual([d.attempt for d in seen], [1, 2, 3])
        self.assertEqual({d.delivery for d in seen}, {1})
        numbers(nor, 1, 1)
        self.nothing_waits()
        self.assertIsNone(nor.receive(timeout=1.5))
        numbers(nor, 1, 1)  # once more is no harm

    def test_what_came_again_before_it_was_given_back_is_not_read_once_more(self):
        ran = os.path.join(self.lab.base, "ran")
        publish(self.client("gbr"), [(SECRET, canary())])
        said, err = self.lab.relto("sub", "--json", "--wait", "200ms", "--nack", "1s", "--count", "9", "--exec",
                                   "echo >> %s; sleep 1.3" % ran, context=self.lab.context_name("nor"), code=75)
        self.assertEqual([json.loads(line)["attempt"] for line in said.splitlines()], [1])
        self.assertEqual(err.count("is given back"), 1)
        self.assertEqual(os.path.getsize(ran), 1, "the command ran once")
        nor = self.reader("nor")
        got = nor.receive()
        self.assertGreater(got.raw.attempt, 2, "the broker made it again meanwhile")
        nor.ack(got)
        self.nothing_waits()

    def test_an_ack_of_what_went_to_another_connection_meanwhile_counts(self):
        slow, other = self.client("nor"), self.client("nor")
        slow.subscribe(credit=1)
        _, report = publish(self.client("gbr"), [(SECRET, canary())])
        first = slow.receive()
        other.subscribe()
        while True:  # it comes to one of the two, again and again
            m = other.read_message(0.3)
            if m is not None and m.WhichOneof("body") == "deliver":
                break
        numbers(slow, 1, first.raw.delivery)
        self.nothing_waits()
        self.assertEqual(len(self.log(kind="ACK")) - self.acks_of_others(report), 1)

    def acks_of_others(self, report):
        mine = {r.index for r in self.log(report, "DELIVERY")}
        return len([r for r in self.log(kind="ACK") if not mine & set(delivered_by(r))])

    def test_a_number_that_was_never_given_is_told_so(self):
        nor = self.reader("nor")
        for number in (0, 7):
            with self.assertRaises(wire.Refused) as refused:
                numbers(nor, 1, number)
            self.assertEqual((refused.exception.code, refused.exception.field), ("malformed", "ack.deliveries"))
        nor.ask("ping", pb.Ping())

    def test_bye_comes_after_the_answer_to_an_ack(self):
        nor = self.reader("nor")
        publish(self.client("gbr"), [(SECRET, canary())])
        d = nor.receive().raw
        both = pb.Message(request=1000)
        both.ack.CopyFrom(pb.Ack(subscription=d.subscription, deliveries=[d.delivery]))
        bye = pb.Message(request=0)
        bye.bye.CopyFrom(pb.Bye())
        nor.send_raw(b"".join(wire.frames(m.SerializeToString(deterministic=True), 0) for m in (both, bye)))
        self.assertTrue(nor.closed())
        self.assertEqual([m.WhichOneof("body") for m in nor.last], ["pong", "bye"])


def delivered_by(record):
    body = record.slots[7][0]
    return [int.from_bytes(body[i:i + 8], "big") for i in range(0, len(body), 8)]


class Several(AgainTest):
    def test_what_one_subscription_acknowledged_does_not_come_again_after_a_hold(self):
        one = self.client("nor")
        one.subscribe("watch", ">")
        body = canary()
        _, report = publish(self.client("gbr"), [(SECRET, body)])
        one.ack(one.receive())
        self.policy(lambda: self.lab.write(POLICY, self.lab.read(POLICY) + "suspend atlas\n"))
        inbox = self.reader("nor")
        self.assertIsNone(inbox.receive(timeout=QUIET))
        self.recorded(report, "NARROWED")
        self.policy(lambda: self.lab.write(POLICY, self.texts[POLICY]))
        got = inbox.receive()
        self.assertEqual(got.contents, [body], "whom it was owed still gets it")
        inbox.ack(got)
        self.assertIsNone(one.receive(timeout=QUIET))
        self.proven()

    def test_each_subscription_that_matches_gets_it_once_and_acks_are_one_record_each(self):
        one, two = self.client("nor"), self.client("nor")
        one.subscribe("everything", ">")
        two.subscribe("cyber", "cyber.>")
        publish(self.client("gbr"), [(SECRET, canary())])
        got = one.receive()
        one.ack(got)
        self.assertIsNone(two.receive(timeout=QUIET), "another topic")
        with self.lab.client("nor") as c:
            c.subscribe()
            inbox = c.receive()
            self.assertEqual(inbox.manifest.id, got.manifest.id)
            c.ack(inbox)
        self.assertEqual(len(self.log(got.manifest.id, "DELIVERY")), 1, "one record for both")
        (delivery,) = [r.index for r in self.log(got.manifest.id, "DELIVERY")]
        self.assertEqual([delivered_by(r) for r in self.log(kind="ACK") if delivery in delivered_by(r)], [[delivery]] * 2)
        self.proven()

    def test_a_receipt_is_on_record_though_the_report_was_narrowed_away_meanwhile(self):
        one = self.client("nor")
        one.subscribe("late", ">")
        _, report = publish(self.client("gbr"), [(SECRET, canary())])
        got = one.receive()
        (delivery,) = [r.index for r in self.log(report, "DELIVERY")]
        self.narrow()
        inbox = self.reader("nor")
        self.assertIsNone(inbox.receive(timeout=QUIET))
        self.recorded(report, "NARROWED")
        said = self.client("gbr").ask("explain", pb.Explain(report=report))
        (nor,) = [d for d in said.decisions if d.recipient == b"NOR"]
        self.assertEqual(nor.outcome, pb.OUTCOME_WITHHOLD)
        self.assertTrue(nor.delivered, "it had it, and its publisher may know")
        one.ack(got)
        self.assertIn([delivery], [delivered_by(r) for r in self.log(kind="ACK")])
        one.ack(got)
        self.assertEqual(len([r for r in self.log(kind="ACK") if delivery in delivered_by(r)]), 1)
        self.proven()

    def test_a_reader_of_exercises_makes_no_delivery_of_live_reports(self):
        nor = self.client("nor")
        nor.subscribe(mode="EXERCISE")
        topics = self.client("nor")
        topics.subscribe("other", "cyber.>")
        for _ in range(3):
            _, report = publish(self.client("gbr"), [(SECRET, canary())])
            nor.ask("ping", pb.Ping())
            self.assertEqual([r for r in self.log(report, "DELIVERY") if r.text(2, 0) == "NOR"], [])
        self.drain("nor")


class Held(AgainTest):
    """A report that is held after it was delivered: what was given is gone from the queue, and may be acknowledged."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "limits { ack-wait 1s }\n")

    def suspended(self, now):
        self.policy(lambda: self.lab.write(POLICY, self.texts[POLICY] + ("suspend atlas\n" if now else "")))

    def named(self, name):
        c = self.client("nor")
        c.subscribe(name, ">")
        return c

    def test_what_is_acknowledged_while_it_is_held_does_not_come_again(self):
        reader, other, body = self.named("acknowledges"), self.named("does-not"), canary()
        _, report = publish(self.client("gbr"), [(SECRET, body)])
        got = reader.receive()
        self.assertEqual(other.receive().contents, [body])
        self.suspended(True)
        self.assertEqual(self.recorded(report, "NARROWED").outcome, HOLD)
        reader.ack(got)
        self.lab.stop()
        self.lab.start()
        self.suspended(False)
        again = self.named("does-not").receive()
        self.assertEqual(again.contents, [body], "whom it was owed still gets it")
        self.assertIsNone(self.named("acknowledges").receive(timeout=QUIET))
        self.assertEqual([key for key, _ in rows(self.lab, "meta") if b"acked" in key], [], "nothing is left behind")
        self.proven()

    def test_an_ack_of_what_went_before_a_hold_counts_for_what_came_after(self):
        reader, body = self.named("slow"), canary()
        _, report = publish(self.client("gbr"), [(SECRET, body)])
        before = reader.receive()
        self.suspended(True)
        self.recorded(report, "NARROWED")
        self.suspended(False)
        after = reader.receive()
        self.assertEqual((after.manifest.id, after.raw.delivery > before.raw.delivery), (report, True))
        reader.ack(before)
        self.assertIsNone(reader.receive(timeout=2 * QUIET))
        reader.close()
        self.assertIsNone(self.named("slow").receive(timeout=QUIET))
        self.proven()


class Receipts(AgainTest):
    def test_a_receipt_said_again_says_which_agreements_could_not_be_used(self):
        gbr = self.client("gbr")
        report = wire.Report(gbr.agent, "maritime.piracy", [("nowhere", b"n" * 32), ("atlas", gbr.terms["atlas"])])
        sealed = report.portion(TEARLINE, canary()).seal()
        first, again = gbr.publish(sealed), gbr.publish(sealed)
        self.assertEqual([u.agreement for u in first.unusable], [b"nowhere"])
        self.assertEqual((first.again, again.again), (False, True))
        again.again = False
        self.assertEqual(first, again)
        self.drain("nor", "ken")


class Order(AgainTest):
    def sent(self, gbr, window):
        """Publishes REPORTS one after the other, with so many unanswered."""
        waits = 0
        for n in range(REPORTS):
            report = wire.Report(gbr.agent, "maritime.piracy", [("atlas", gbr.terms["atlas"])], "ROUTINE", "LIVE")
            gbr.send("publish", report.portion(SECRET, b"%d" % n).seal())
            waits += 1
            while waits >= window or (n == REPORTS - 1 and waits):
                waits -= gbr.read_message(10).WhichOneof("body") == "receipt"

    def test_reports_of_one_originator_arrive_in_the_order_in_which_they_became_deliverable(self):
        for window in (3, 8, 64):
            with self.subTest(window=window):
                gbr, nor = self.client("gbr"), self.client("nor")
                nor.subscribe(credit=1024)
                publisher = threading.Thread(target=self.sent, args=(gbr, window))
                publisher.start()
                got = []
                for _ in range(REPORTS):
                    d = nor.receive(timeout=20)
                    got.append(int(d.contents[0]))
                    nor.send("ack", pb.Ack(subscription=d.raw.subscription, deliveries=[d.raw.delivery]), request=0)
                publisher.join()
                self.assertEqual([n for n in range(1, REPORTS) if got[n] < got[n - 1]], [])
                nor.ask("ping", pb.Ping())
                nor.close()
        self.drain("ken")


class Dormant(AgainTest):
    def test_what_may_not_go_yet_costs_no_place_and_comes_at_its_time(self):
        gbr, nor, at = self.client("gbr"), self.reader("nor"), now_ms() + 1500
        for n in range(40):
            publish(gbr, [(SECRET, b"later %d" % n)], change=lambda r: setattr(r.manifest, "not_before", at))
        publish(gbr, [(SECRET, b"now")])
        got = [nor.receive() for _ in range(41)]
        self.assertEqual([d.contents[0] for d in got], [b"now"] + [b"later %d" % n for n in range(40)])
        self.assertGreaterEqual(now_ms(), at)
        nor.ack(*got)
        self.nothing_waits()


if __name__ == "__main__":
    unittest.main(verbosity=2)
