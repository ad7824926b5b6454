#!/usr/bin/python3
"""test_backfill.py - who became a member after a report came is given it by three conditions, each by a decision of its own,
and of all else learns nothing (design 8, S5, S6, S7, S11; decision 0035)."""
import os
import re
import struct
import sys
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
from rig import until  # noqa: E402
from test_again import ATLAS, NOR_SECRET, POLICY, QUIET, REDACT, RELEASE, WITHHOLD, now_ms, rows, tables  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from test_refuses import crc32c  # noqa: E402
from test_subscriptions import MailboxTest  # noqa: E402
from test_time import OtherTimes  # noqa: E402
from wire import pb  # noqa: E402

MEMBER = r"(?s)    member KEN \{.*?\n    \}\n"
RULE = r"(?s)    rule never-finint-to-ken \{.*?\n    \}\n"


def asks(report):
    report.routing.backfill = True


class BackfillTest(MailboxTest):
    """KEN is no member at first."""
    limits = "queue-reports 2000"

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit(ATLAS, r"    mode     live\n", "    mode     live\n    backfill\n")
        cls.whole = cls.lab.read(ATLAS)
        cls.lab.write(ATLAS, re.sub(RULE, "", re.sub(MEMBER, "", cls.whole)))

    def setUp(self):
        super().setUp()
        self.gbr = self.client("gbr")

    def edit(self, text, *changes):
        """In place of the agreement, under the next version."""
        version = re.search(r"version  \d+", self.lab.read(ATLAS)).group(0)
        for old, new in changes:
            text, n = re.subn(old, new, text)
            self.assertTrue(n, old)
        self.lab.write(ATLAS, re.sub(r"version  \d+", version, text))

    def join(self, *changes):
        self.policy(lambda: self.edit(self.whole, *changes))

    def sent(self, *labels, change=asks, **more):
        bodies = [canary() for _ in labels]
        return publish(self.gbr, list(zip(labels, bodies)), change=change, **more)[1], bodies

    def begin(self, name, mode="LIVE", domain="ken", **more):
        c = self.client(domain, **more)
        c.subscribe(name, "", mode, from_start=True)
        return c

    def everything(self, client, count=0):
        got = []
        while True:
            d = client.receive(timeout=20 if len(got) < count else QUIET)
            if d is None:
                return got
            got.append(d)
            client.ack(d)

    def through(self):
        until(lambda: not [k for k, _ in rows(self.lab, "meta") if b"earlier/" in k], 10, "the end of it")

    def decisions(self, report, recipient="KEN"):
        return [r for r in self.log(report, "DECISION") if recipient in r.text(2, 0).split("\n")]

    def whole_log(self):
        """By all verifiers, and judged again."""
        folder, key = self.proven()
        said, _ = self.lab.relto("audit", "replay", folder, "--key", key, code=None)
        self.assertIn("the recorded decisions follow the recorded policy", said)
        return folder


class Backfill(BackfillTest):
    def test_it_gets_what_the_three_conditions_give_and_of_the_rest_there_is_no_trace(self):
        whole, redacted = self.sent(TEARLINE), self.sent(SECRET, TEARLINE)
        silent = [self.sent(TEARLINE, change=None), self.sent(SECRET),
                  self.sent(TEARLINE, change=lambda r: (asks(r), r.routing.only_to.name.append(b"NOR"))),
                  self.sent(TEARLINE, change=lambda r: (asks(r), setattr(r.manifest, "expires", now_ms() + 500)))]
        recalled, older = self.sent(TEARLINE), self.sent(TEARLINE)
        self.lab.relto("recall", str(uuid.UUID(bytes=recalled[0])), "--code", "wrong-label", context="gbr")
        newer = self.sent(TEARLINE, change=lambda r: asks(r.about("SUPERSEDE", older[0])))
        silent += [recalled, older]
        at = now_ms() + 500
        self.join()
        until(lambda: now_ms() > at, 10, "an expiry")
        stream, want = [], [whole, redacted, newer]
        ken = self.begin("earlier", tap=stream)
        got = self.everything(ken, len(want))
        self.assertEqual(sorted((d.manifest.id, d.contents) for d in got),
                         sorted((r, b[-1:]) for r, b in want))
        self.through()
        for report, bodies in silent:
            self.assertEqual(self.decisions(report), [])
            self.assertNotIn(bodies[0], b"".join(stream))
        self.assertNotIn(redacted[1][0], b"".join(stream))
        for report, outcome in ((whole[0], RELEASE), (redacted[0], REDACT)):
            (decision,), intake = self.decisions(report), self.log(report, "INTAKE")[0]
            delivery = self.recorded(report, "DELIVERY", "KEN")
            self.assertEqual((decision.outcome, decision.link, delivery.link), (outcome, intake.index, decision.index))
            self.assertEqual((decision.slots[8], bool(delivery.slots[8])), ([], True))
        said = self.lab.relto("explain", str(uuid.UUID(bytes=redacted[0])), context="gbr")[0]
        self.assertIn("KEN", said)
        self.assertEqual(len(self.everything(self.begin("again"), 3)), 3)
        self.through()
        self.assertEqual([len(self.decisions(r)) for r, _ in want], [1] * 3, "judged once")
        self.drain("nor")
        # what rests on it may be passed on to whom it was backfilled: the replay finds the same
        publish(self.client("nor"), [(TEARLINE, canary())], change=lambda r: r.routing.sources.append(whole[0]))
        late = self.whole_log() + ".late"
        first = self.log(whole[0], "INTAKE")[0].index
        self.lab.relto("audit", "pull", late, "--from", str(first), context=self.lab.context_name("hub"))
        self.good(late, "--key", self.lab.agent("hub").log_key, "--from", str(first))

    def test_who_was_judged_when_it_came_is_not_judged_anew(self):
        self.policy(lambda: self.lab.edit(ATLAS, NOR_SECRET, r"\1[ UNCLASSIFIED RESTRICTED ]"))
        self.gbr = self.client("gbr")
        held_back, _ = self.sent(SECRET)
        self.join()  # by which NOR is cleared for it
        self.assertNotIn(held_back, [d.manifest.id for d in self.everything(self.begin("nothing-new", domain="nor"))])
        self.through()
        (decision,) = self.decisions(held_back, "NOR")
        self.assertEqual(decision.outcome, WITHHOLD)
        self.drain("nor")

    def test_under_what_had_it_not_or_has_it_no_more_nobody_is_given_anything(self):
        with_it, _ = self.sent(TEARLINE)
        self.policy(lambda: self.lab.edit(ATLAS, r"    backfill\n", ""))
        self.gbr = self.client("gbr")
        without, _ = self.sent(TEARLINE)
        self.join((r"    backfill\n", ""))
        self.assertEqual(self.everything(self.begin("no-more")), [])
        self.through()
        self.join()
        got = [d.manifest.id for d in self.everything(self.begin("once-more"), 1)]
        self.through()
        self.assertIn(with_it, got)
        self.assertNotIn(without, got)
        self.assertEqual(self.decisions(without), [])
        self.whole_log()
        self.drain("nor")

    def test_neither_under_what_is_suspended_nor_behind_the_wall(self):
        report, _ = self.sent(TEARLINE)
        self.policy(lambda: [self.edit(self.whole), self.lab.write(POLICY, self.lab.read(POLICY) + "suspend atlas\n")])
        self.assertEqual(self.everything(self.begin("suspended")), [])
        self.assertEqual(self.everything(self.begin("exercises", "EXERCISE")), [])
        self.through()
        self.assertEqual(self.decisions(report), [])
        self.drain("nor")

    def test_what_was_decided_and_waits_is_withheld_when_the_agreement_has_it_no_more(self):
        report, bodies = self.sent(TEARLINE, change=lambda r: (asks(r), setattr(r.manifest, "not_before", now_ms() + 4000)))
        self.join()
        stream = []
        ken = self.begin("waits", tap=stream)
        self.recorded(report, "DECISION", "KEN")
        self.policy(lambda: self.lab.edit(ATLAS, r"    backfill\n", ""))
        narrowed = self.recorded(report, "NARROWED", "KEN", seconds=20)
        self.assertEqual((narrowed.outcome, narrowed.reasons), (WITHHOLD, ["agreement-ended"]))
        self.assertNotIn(report, [d.manifest.id for d in self.everything(ken)])
        self.assertNotIn(bodies[0], b"".join(stream))
        self.whole_log()
        self.drain("nor")

    def test_when_the_broker_dies_meanwhile_it_goes_on_and_nothing_is_there_twice(self):
        reports = [self.sent(TEARLINE)[0] for _ in range(12)]
        self.join()
        c = self.begin("dies", tap=[])
        self.assertIsNotNone(c.receive(timeout=20))
        self.lab.kill()
        self.lab.start()
        ken = self.client("ken")
        ken.subscribe("dies", credit=1024)
        seen = set()
        while not set(reports) <= seen:
            d = ken.receive(timeout=20)
            self.assertIsNotNone(d, len(seen))
            seen.add(d.manifest.id)
            ken.ack(d)
        self.assertIsNone(ken.receive(timeout=QUIET))
        self.through()
        self.assertEqual([len(self.decisions(r)) for r in reports], [1] * 12)
        self.whole_log()
        self.drain("nor")


OTHER = "policy/agreements.d/other.policy"


class Named(BackfillTest):
    """KEN becomes a member of another agreement alone, which may have had no part in a report that names it."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.member, cls.atlas = cls.whole, cls.lab.read(ATLAS)
        cls.other(cls.atlas, 1)

    @classmethod
    def other(cls, text, version, *changes):
        for old, new in (("agreement atlas", "agreement other"), (r"version  \d+", "version  %d" % version)) + changes:
            text, n = re.subn(old, new, text)
            assert n, old
        cls.lab.write(OTHER, text)

    def naming(self, *terms):
        self.gbr = self.client("gbr")  # atlas has new terms, too
        return self.sent(TEARLINE, change=lambda r: (asks(r), [
            r.routing.agreements.add(name=b"other", terms=t) for t in terms]))[0]

    def under(self, *change):
        self.policy(lambda: self.other(self.atlas, *change))
        self.gbr = self.client("gbr")
        return self.gbr.terms.get("other")

    def test_of_what_a_report_names_only_that_counts_which_was_usable_when_it_came(self):
        first = self.gbr.terms["other"]
        given = [self.naming(first), self.naming(first, first)]
        second = self.under(2, (r"    backfill\n", ""))
        export = self.log(given[0], "INTAKE")[0].slots[4][2]
        refused = [self.naming(first), self.naming(second, first), self.naming(export)]
        refused.append(self.naming(self.under(3, (r"(member GBR \{\s+may +\[) originate", r"\1"))))
        top, suspended = self.lab.read(POLICY), self.under(4)
        self.policy(lambda: self.lab.write(POLICY, top + "suspend other\n"))
        refused.append(self.naming(suspended))
        self.policy(lambda: [self.other(self.member, 5), self.lab.write(POLICY, top)])
        got = [d.manifest.id for d in self.everything(self.begin("named"), len(given))]
        self.through()
        self.assertEqual([[r for r in of if r in got] for of in (given, refused)], [given, []])
        self.assertEqual([self.decisions(r) for r in refused], [[]] * len(refused))
        self.whole_log()
        self.drain("nor")

    def test_what_a_decision_follows_that_has_nothing_left_is_not_judged_afresh(self):
        self.under(6)
        report, bodies = self.sent(TEARLINE, change=lambda r: (
            asks(r), r.routing.agreements.add(name=b"other", terms=self.gbr.terms["other"]),
            setattr(r.manifest, "not_before", now_ms() + 6000)))
        self.policy(lambda: self.other(self.member, 7))
        self.begin("nothing-left").close()
        index = self.recorded(report, "DECISION", "KEN").index
        self.lab.kill()
        env = tables(self.lab, write=True)
        with env.begin(write=True) as t:
            given = env.open_db(b"given", t, create=False)
            ((key, row),) = [(k, v) for k, v in t.cursor(given) if v.startswith(struct.pack(">Q", index))]
            row = row[:-5] + b"\0"  # its masks, before the checksum
            t.put(key, row + struct.pack(">I", crc32c(key + row)), db=given)
        env.close()
        self.lab.start()
        self.policy(lambda: None)
        stream = []
        ken = self.client("ken", tap=stream)
        ken.subscribe("nothing-left")
        until(lambda: "nothing was released or held before" in self.lab.messages(), 20, "that it is not judged")
        self.assertNotIn(report, [d.manifest.id for d in self.everything(ken)])
        self.assertNotIn(bodies[0], b"".join(stream))
        self.drain("nor")


@unittest.skipUnless(os.environ.get("RELTO_CHECK_FULL") == "1", "a minute: RELTO_CHECK_FULL=1")
class Large(BackfillTest):
    """Terms of more than a megabyte together, named by each report: a page of them is more than there is memory for."""
    others = ["other%d" % n for n in range(7)]

    def large(self):
        topics = "".join("t%03d.%s\n" % (n, "x" * 240) for n in range(800))
        self.edit(self.whole, (r"topics +\[", "topics [ " + topics))
        for name in self.others:
            self.lab.write(OTHER.replace("other", name), self.lab.read(ATLAS).replace("agreement atlas", "agreement " + name))

    def test_what_is_large_is_looked_at_over_many_turns_and_does_not_stop_the_search(self):
        self.policy(self.large)
        self.gbr = self.client("gbr")
        for _ in range(55):
            self.sent(SECRET, change=lambda r: (asks(r), [r.routing.agreements.add(
                name=name.encode(), terms=self.gbr.terms[name]) for name in self.others]))
        self.policy(lambda: None)
        self.begin("large")
        self.through()
        self.assertNotIn("backfill.delayed", self.lab.messages())
        self.drain("nor")


class Doubt(OtherTimes, BackfillTest):
    proof = 9  # it wrote ahead of our clock

    def test_while_the_clock_is_in_doubt_what_may_have_expired_waits(self):
        report, _ = self.sent(TEARLINE, change=lambda r: (asks(r), setattr(r.manifest, "expires", now_ms() + 86400000)))
        self.join()
        self.step("+2h")
        ken = self.begin("doubt")
        until(lambda: "clock in doubt" in self.lab.messages(), 10, "that it waits")
        self.assertIsNone(ken.receive(timeout=QUIET))
        self.lab.relto("admin", "clock", "accept", context="operator")
        got = ken.receive(timeout=20)
        self.assertEqual(got.manifest.id, report)
        ken.ack(got)
        self.drain("nor")


class BackfillFull(BackfillTest):
    limits = "queue-reports 5"

    def test_it_leaves_half_of_a_mailbox_to_what_comes_and_the_rest_of_it_waits(self):
        nor, reports = self.reader("nor"), []
        for _ in range(5):
            reports.append(self.sent(TEARLINE)[0])
            nor.ack(nor.receive())
        self.join()
        ken = self.client("ken")
        ken.subscribe("full", credit=1024, from_start=True)
        first = [ken.receive(timeout=20) for _ in range(2)]
        self.assertIsNone(ken.receive(timeout=3), "half of its mailbox is full")
        self.gbr = self.client("gbr")
        live = self.sent(TEARLINE)[0]
        nor.ack(nor.receive())
        first.append(ken.receive(timeout=20))
        self.assertEqual(first[-1].manifest.id, live)
        for d in first:
            ken.ack(d)
        got = first + self.everything(ken, 3)
        self.assertEqual(sorted(d.manifest.id for d in got), sorted(reports + [live]))
        self.assertEqual(self.letters(), [])
        self.assertIn("the mailbox is half full", self.lab.messages())
        self.whole_log()


class BackfillTwice(BackfillTest):
    def test_each_subscription_that_still_looks_for_it_is_given_it(self):
        reports = sorted(self.sent(TEARLINE)[0] for _ in range(12))
        other = self.sent(TEARLINE, topic="cyber.indicators.x")[0]
        self.join()
        ken = [self.client("ken") for _ in range(3)]
        for c, name, topic, mode in zip(ken, ("one", "two", "other"), ("maritime.>",) * 2 + ("cyber.>",), ("LIVE",) * 3):
            c.subscribe(name, topic, mode, from_start=True)
        got = [sorted(d.manifest.id for d in self.everything(c, n)) for c, n in zip(ken, (12, 12, 1))]
        self.assertEqual(got, [reports, reports, [other]])
        self.through()
        self.assertEqual([len(self.decisions(r)) for r in reports], [1] * 12)
        self.assertEqual({s.waiting for s in self.subscriptions(self.operator, party=b"KEN")}, {0})
        self.whole_log()
        self.drain("nor")


if __name__ == "__main__":
    unittest.main(verbosity=2)
