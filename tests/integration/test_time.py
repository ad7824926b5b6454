#!/usr/bin/python3
"""test_time.py - what time brings: deadlines of holds, expiry, not-before, ack-wait, order of what waits, and a clock
that jumps (design 5, 8, 11)."""
import calendar
import datetime
import os
import re
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import certs  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from test_again import ATLAS, HOLD, QUIET, REDACT, WITHHOLD, AgainTest, now_ms, rows  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def report_of(client):
    """A sealed report of a tearline."""
    report = wire.Report(client.agent, "maritime.piracy", [("atlas", client.terms["atlas"])])
    return report.portion(TEARLINE, canary()).seal()


class Held(AgainTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit(ATLAS, r"within 2h", "within 2s")

    def why(self, client, report, recipient):
        said = client.ask("explain", pb.Explain(report=report))
        return {d.recipient.decode(): [p.reason.decode() for p in d.portions] for d in said.decisions}[recipient]

    def test_a_held_report_is_withheld_when_its_deadline_passes(self):
        gbr, nor, body, stream = self.client("gbr"), None, canary(), []
        nor = self.reader("nor", tap=stream)
        receipt, report = publish(gbr, [(SECRET, body)], precedence="IMMEDIATE")
        self.assertEqual((receipt.held, receipt.released, receipt.withheld), (1, 0, 1))
        decision = self.recorded(report, "DECISION")
        self.assertEqual((decision.outcome, decision.reasons), (HOLD, ["review"]))
        late = self.recorded(report, "NARROWED")
        self.assertEqual((late.outcome, late.reasons, late.link), (WITHHOLD, ["timed-out"], decision.index))
        self.assertEqual(self.why(gbr, report, "NOR"), ["timed-out"])
        self.assertIsNone(nor.receive(timeout=QUIET))
        self.assertNotIn(body, b"".join(stream))
        self.assertEqual((rows(self.lab, "hold"), self.log(report, "DELIVERY")), ([], []))
        self.proven()

    def test_the_rest_of_a_held_report_goes_when_the_deadline_passes_and_nothing_before(self):
        bodies = [canary(), canary()]
        nor, ken = self.reader("nor"), self.reader("ken")
        receipt, report = publish(self.client("gbr"), list(zip((SECRET, TEARLINE), bodies)), precedence="IMMEDIATE")
        self.assertEqual((receipt.held, receipt.redacted), (1, 1))
        got = ken.receive()
        self.assertEqual(got.contents, bodies[1:])
        ken.ack(got)
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (report, bodies[1:]))
        late = self.recorded(report, "NARROWED")
        self.assertEqual((late.outcome, late.reasons), (REDACT, ["timed-out", "release"]))
        self.assertLess(late.index, self.recorded(report, "DELIVERY").index)
        self.assertGreaterEqual(now_ms() - receipt.accepted // 1000, 2000)
        nor.ack(got)
        self.proven()

    def test_a_held_report_that_expires_first_ends_there(self):
        gbr = self.client("gbr")
        _, report = publish(gbr, [(SECRET, canary())], precedence="IMMEDIATE",
                            change=lambda r: setattr(r.manifest, "expires", now_ms() + 1200))
        expired = self.recorded(report, "EXPIRE")
        self.assertFalse(expired.slots[8], "nothing in the tree of whoever never had it")
        self.assertEqual((rows(self.lab, "hold"), self.log(report, "NARROWED")), ([], []))
        nor = self.reader("nor")
        self.assertIsNone(nor.receive(timeout=QUIET))
        self.proven()

    def test_a_shorter_deadline_of_a_newer_policy_counts_for_what_is_held(self):
        self.policy(lambda: self.lab.edit(ATLAS, r"within 2s", "within 2h"))
        _, report = publish(self.client("gbr"), [(SECRET, canary())], precedence="IMMEDIATE")
        self.policy(lambda: self.lab.edit(ATLAS, r"within 2h", "within 5s"))
        held = self.recorded(report, "NARROWED")
        self.assertEqual((held.outcome, held.reasons), (HOLD, ["review"]))
        late = self.recorded(report, "NARROWED", count=2)
        self.assertEqual((late.outcome, late.reasons, late.link), (WITHHOLD, ["timed-out"], held.index))
        self.assertEqual(rows(self.lab, "hold"), [])


class Waiting(AgainTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "limits { ack-wait 1s }\n")

    def test_a_queued_report_that_expires_is_recorded_and_not_delivered(self):
        body, stream = canary(), []
        _, report = publish(self.client("gbr"), [(SECRET, body)],
                            change=lambda r: setattr(r.manifest, "expires", now_ms() + 1000))
        expired = self.recorded(report, "EXPIRE")
        self.assertFalse(expired.slots[8])
        nor = self.reader("nor", tap=stream)
        self.assertIsNone(nor.receive(timeout=QUIET))
        self.assertNotIn(body, b"".join(stream))
        self.assertNotIn(report, [r.report for r in self.log(kind="DELIVERY")])
        self.proven()

    def test_a_report_that_is_expired_on_arrival_is_released_to_nobody(self):
        receipt, _ = publish(self.client("gbr"), [(TEARLINE, canary())],
                             change=lambda r: setattr(r.manifest, "expires", now_ms() - 1000))
        self.assertEqual((receipt.released, receipt.withheld), (0, 2))

    def test_a_report_comes_no_earlier_than_its_not_before(self):
        nor, at, body = self.reader("nor"), now_ms() + 1500, canary()
        gbr = self.client("gbr")
        _, later = publish(gbr, [(SECRET, body)], change=lambda r: setattr(r.manifest, "not_before", at))
        publish(gbr, [(SECRET, b"at once")])
        for wanted in (b"at once", body):
            got = nor.receive()
            self.assertEqual(got.contents, [wanted])
            nor.ack(got)
        self.assertGreaterEqual(now_ms(), at)
        (delivery,) = self.log(later, "DELIVERY")
        self.assertGreaterEqual(witness.uint(delivery.slots[1][1]), 1000 * at, "the log says when it could leave")

    def test_what_is_not_acknowledged_comes_again_with_a_higher_attempt(self):
        nor, body = self.reader("nor"), canary()
        _, report = publish(self.client("gbr"), [(SECRET, body)])
        seen = [nor.receive() for _ in range(3)]
        self.assertEqual([d.raw.attempt for d in seen], [1, 2, 3])
        self.assertEqual({(d.manifest.id, d.contents[0]) for d in seen}, {(report, body)})
        nor.ack(seen[-1])
        self.assertIsNone(nor.receive(timeout=1.5))
        self.nothing_waits()
        self.assertEqual(len(self.log(report, "DELIVERY")), 1)


class Order(AgainTest):
    # a lab of its own: one in sixteen goes to the lowest lane that waits, whatever waits above
    def test_what_waits_comes_by_precedence_and_in_order_within_one(self):
        gbr, bodies = self.client("gbr"), {}
        for precedence in ("ROUTINE", "PRIORITY", "ROUTINE", "FLASH", "FLASH"):
            bodies.setdefault(precedence, []).append(canary())
            publish(gbr, [(TEARLINE, bodies[precedence][-1])], precedence=precedence)
        nor = self.client("nor")
        nor.subscribe(credit=1)  # one at a time, so that the order is the broker's
        got = []
        for _ in range(5):
            d = nor.receive()
            got.append(d.contents[0])
            nor.ack(d)
        self.assertEqual(got, [b for p in ("FLASH", "PRIORITY", "ROUTINE") for b in bodies[p]])
        self.drain("ken")


class OtherTimes(AgainTest):
    """The broker, and it alone, lives by the clock that step() sets."""

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(FAKETIME):
            raise unittest.SkipTest("NO libfaketime: install the package faketime")
        with open(rig.program("reltod"), "rb") as f:
            if b"__asan_init" in f.read():
                raise unittest.SkipTest("libfaketime cannot be loaded ahead of a sanitizer")
        super().setUpClass()

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.offset = cls.lab.path("offset")  # where reltod may read
        cls.step("+0")
        wrapper = os.path.join(cls.lab.base, "reltod-in-other-times")
        with open(wrapper, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\nexec env LD_PRELOAD=%s FAKETIME_TIMESTAMP_FILE=%s FAKETIME_NO_CACHE=1 "
                    "FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_FORCE_MONOTONIC_FIX=0 %s \"$@\"\n"
                    % (FAKETIME, cls.offset, cls.lab.reltod_path))
        os.chmod(wrapper, 0o755)
        cls.lab.reltod_path = wrapper

    @classmethod
    def step(cls, text):
        with open(cls.offset + ".new", "w", encoding="utf-8") as f:
            f.write(text + "\n")
        os.replace(cls.offset + ".new", cls.offset)

    def operator(self, *args):
        return self.lab.relto("admin", *args, context="operator")


class ClockSet(OtherTimes):
    # a lab of its own: the log's time never falls
    def test_a_clock_that_was_set_a_little_is_on_record_and_stops_nothing(self):
        self.step("+20")
        rig.until(lambda: [r for r in self.log(kind="CLOCK") if r.slots[7][0] == b"\3"], 10, "a step on record")
        publish(self.client("gbr"), [(TEARLINE, canary())])
        self.step("+0")
        rig.until(lambda: len([r for r in self.log(kind="CLOCK") if r.slots[7][0] == b"\3"]) == 2, 10, "and back")
        self.drain("nor", "ken")


class Clock(OtherTimes):
    proof = 9  # it wrote ahead of our clock

    def refused_for_the_clock(self, client):
        with self.assertRaises(wire.Refused) as refused:
            publish(client, [(TEARLINE, canary())])
        self.assertEqual(refused.exception.code, "clock")

    def test_a_clock_that_jumped_stops_intake_and_delivery_until_it_is_accepted(self):
        gbr, body = self.client("gbr"), canary()
        _, waits = publish(gbr, [(SECRET, body)])
        last = max(r.index for r in self.log())
        self.step("+2h")
        self.operator("status", "--json")  # a record that is none of intake or delivery does not let the jump in
        self.refused_for_the_clock(gbr)
        nor = self.reader("nor")
        self.assertIsNone(nor.receive(timeout=QUIET))
        self.assertIn('"clock_in_doubt":true', self.operator("status", "--json")[0].replace(" ", ""))
        self.assertLess(max(r.time for r in self.log() if r.index > last), (now_ms() + 60000) * 1000)
        self.operator("clock", "accept")
        said = [r for r in self.log(kind="CLOCK") if r.slots[7][0] in (b"\1", b"\2")]
        self.assertEqual([r.slots[7][0] for r in said], [b"\1", b"\2"], "ahead, once; then accepted")
        self.assertEqual([bool(r.slots[6]) for r in said], [False, True], "who accepted it")
        expected = [witness.uint(r.slots[7][2]) for r in said]
        self.assertTrue(all(abs(us / 1000 - now_ms()) < 30000 for us in expected), "what the clock should have said")
        admin = [r for r in self.log(kind="ADMIN") if r.slots[7][0] == b"clock accept"]
        self.assertEqual([r.index for r in admin], [said[1].index + 1], "in the transaction of what it did")
        # the recipient's own clock is right: it would refuse an acceptance in the future, not one of before
        got = nor.receive()
        self.assertEqual((got.manifest.id, got.contents), (waits, [body]))
        nor.ack(got)
        publish(gbr, [(TEARLINE, canary())])

    def test_a_clock_that_jumped_while_the_broker_was_down_is_found_at_the_start(self):
        publish(self.client("gbr"), [(TEARLINE, canary())])
        self.lab.stop()
        self.step("+4h")
        self.lab.start()
        self.refused_for_the_clock(self.client("gbr"))
        self.operator("clock", "accept")
        publish(self.client("gbr"), [(TEARLINE, canary())])


class Brief(OtherTimes):
    def brief(self, seconds):
        """GBR's desk, whose reports are signed with a certificate that ends soon, of itself in whole seconds."""
        leaf, key = certs.issue(certs.Authority.of_lab(self.lab.dir, "GBR"), days=(-1, seconds / 86400))
        agent = self.lab.agent("gbr")
        agent.chain_der, agent.key = [wire.der(leaf)], key
        c = wire.Client(agent)
        self.addCleanup(c.close)
        return c, calendar.timegm(leaf.not_valid_after.timetuple())

    def refused(self, ask):
        with self.assertRaises(wire.Refused) as refused:
            ask()
        self.assertEqual(refused.exception.code, "bad-signature")


class PutBack(Brief):
    proof = 9  # it wrote ahead of our clock

    def test_a_certificate_that_ended_signs_nothing_when_the_clock_is_put_back(self):
        self.step("+2h")
        self.operator("clock", "accept")
        self.step("+0")
        publish(self.client("gbr"), [(TEARLINE, canary())])
        client, _ = self.brief(3600)
        self.refused(lambda: publish(client, [(TEARLINE, canary())]))


class SlowCommits(Brief):
    def test_a_certificate_that_ends_before_the_record_is_made_does_not_sign_it(self):
        gbr, log = self.client("gbr"), os.path.join(self.lab.base, "strace")
        tracer = subprocess.Popen(["strace", "-f", "-o", log, "-e", "trace=fdatasync", "-e",
                                   "inject=fdatasync:delay_enter=5000000", "-p", str(self.lab.process.pid)],
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(tracer.wait)
        self.addCleanup(tracer.terminate)
        rig.until(lambda: tracer.poll() is not None or self.traced(), 10, "a tracer")
        if tracer.poll() is not None:
            self.skipTest("NO strace: it cannot attach")
        client, until = self.brief(4)
        waits = report_of(gbr)
        gbr.send("publish", waits)  # its commit takes until the certificate has ended
        rig.until(lambda: os.path.exists(log) and os.path.getsize(log) > 0, 10, "a commit")
        self.assertLess(time.time(), until)
        self.refused(lambda: client.publish(report_of(client), timeout=20))

    def traced(self):
        with open("/proc/%d/status" % self.lab.process.pid, encoding="utf-8") as f:
            return "TracerPid:\t0\n" not in f.read()


class JumpsAgain(OtherTimes):
    proof = 9  # it wrote ahead of our clock

    def test_a_jump_right_after_the_last_was_accepted_is_told_as_well(self):
        def told():
            return [r.slots[7][0] for r in self.log(kind="CLOCK") if r.slots[7][0] in (b"\1", b"\2")]

        operator = self.client("hub", "/operator")
        self.step("+2h")
        rig.until(lambda: told() == [b"\1"], 10, "doubt on record")
        operator.ask("accept_clock", pb.AcceptClock())
        self.step("+5h")  # before anybody has looked at the clock again
        rig.until(lambda: told() == [b"\1", b"\2", b"\1"], 10, "doubt again")
        self.assertEqual(self.lab.messages().count("clock.doubt"), 2)


class NearItsEnd(OtherTimes):
    """What ends by itself, seen by the hourly look and not by a reload."""
    proof = 9  # it wrote ahead of our clock

    @classmethod
    def prepare(cls):
        super().prepare()
        month = 30 + 1 / 24
        hub, gbr, ken = (certs.Authority.of_lab(cls.lab.dir, p) for p in ("HUB", "GBR", "KEN"))
        agent = cls.lab.agent("gbr")
        leaf, key = certs.issue(hub, uris=(agent.hub_id,), eku=(certs.ExtendedKeyUsageOID.SERVER_AUTH,), days=(-1, month))
        for name, into in zip(certs.write(cls.lab.base, "broker", [leaf], key), cls.identity()):
            os.replace(name, into)
        between, _ = certs.issue(gbr, uris=(), eku=(), ca=True, subject="intermediate", days=(-1, month))
        cls.lab.write("policy/trust/gbr-ca.pem", cls.lab.read("policy/trust/gbr-ca.pem") + certs.pem(between))
        cls.lab.write("policy/trust/ken.crl", certs.empty_list(ken))
        leaf, key = certs.issue(gbr, days=(-300, month))
        cls.desk = certs.write(cls.lab.base, "desk", [leaf], key)

    @classmethod
    def identity(cls):
        said = cls.lab.read("reltod.conf")
        return [cls.lab.path(re.search(r"(?m)^\s*%s\s+\"?([^\s\"]+)" % word, said)[1]) for word in ("certificate", "key")]

    def desk_client(self):
        agent = self.lab.agent("gbr")
        agent.certificate_file, agent.key_file = self.desk
        c = wire.Client(agent)
        self.addCleanup(c.close)
        return c

    def told(self):
        """What of whom, in order."""
        return re.findall(r'trust\.ends what="([^"]*)" party=(\S+)(?: agent="[^"]*")? sha256=\S+ days=(-?\d+)', self.lab.messages())

    def test_each_is_told_once_as_its_end_comes_nearer(self):
        first, second = self.desk_client(), self.desk_client()
        self.assertEqual(self.told(), [])
        self.step("+19h")
        rig.until(lambda: [t for t in self.told() if "agent" in t[0]], 10, "a word of the agent's certificate")
        self.operator("clock", "accept")
        wanted = {("the broker's certificate", "HUB", "29"), ("a CA certificate", "GBR", "29"),
                  ("an agent's certificate", "GBR", "29"), ("a revocation list", "KEN", "0")}
        rig.until(lambda: wanted <= set(self.told()), 10, "a word of each")
        first.close(), second.close()
        self.desk_client()
        self.step("+23h")
        self.operator("clock", "accept")
        publish(self.client("nor"), [(TEARLINE, canary())])
        said = self.told()
        self.assertEqual({w: said.count(w) for w in wanted}, dict.fromkeys(wanted, 1))


class Downtime(OtherTimes):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit(ATLAS, r"within 2h", "within 20s")

    def test_holds_whose_deadline_passed_while_the_broker_was_down_are_judged_at_the_start(self):
        for n in range(1, 7):  # whether rules or holds come to a worker first is a race
            gbr = self.client("gbr")
            reports = [publish(gbr, [(SECRET, canary())], precedence="IMMEDIATE")[1] for _ in range(10)]
            self.lab.kill()
            self.step("+%d" % (30 * n))
            self.lab.start()
            for report in reports:
                self.assertEqual(self.recorded(report, "NARROWED").reasons, ["timed-out"])
        self.assertEqual(rows(self.lab, "hold"), [])


class Ends(OtherTimes):
    proof = 9  # it wrote ahead of our clock

    @classmethod
    def prepare(cls):
        super().prepare()
        tomorrow = datetime.datetime.utcnow() + datetime.timedelta(days=1)
        cls.lab.edit(ATLAS, r"until 2028-12-31", tomorrow.strftime("until %Y-%m-%d"))

    def test_what_waits_when_its_agreement_ends_is_withheld_though_no_policy_changed(self):
        body, stream = canary(), []
        _, report = publish(self.client("gbr"), [(SECRET, body)])
        self.step("+2d")
        nor = self.reader("nor", tap=stream)
        self.assertIsNone(nor.receive(timeout=QUIET))
        self.assertEqual(self.log(report, "NARROWED"), [], "a clock in doubt decides nothing")
        self.operator("clock", "accept")
        ended = self.recorded(report, "NARROWED")
        self.assertEqual((ended.outcome, ended.reasons), (WITHHOLD, ["agreement-ended"]))
        self.assertIsNone(nor.receive(timeout=QUIET))
        self.assertNotIn(body, b"".join(stream))
        self.assertEqual(self.log(report, "DELIVERY"), [])
        self.nothing_waits()


if __name__ == "__main__":
    unittest.main(verbosity=2)
