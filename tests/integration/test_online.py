#!/usr/bin/python3
"""test_online.py - reading the log of a running broker: what relto audit list, show and stats say is what relto-verify says
of a bundle, a page ends where it should, a reading is on record before it is answered, and a party sees its own alone
(audit 1, 4, 7; S7, S12)."""
import csv
import io
import json
import os
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from test_again import Rec  # noqa: E402
from test_holds import OFFICE, HoldsTest  # noqa: E402
from test_path import FININT, SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

BECAUSE = "=HYPERLINK(\"http://x\"),\x1b[2J\u202e"


class Parity(HoldsTest):
    """One log, with all that its auditor may meet; its bundle."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        gbr, nor, officer = cls.lab.client("gbr"), cls.lab.client("nor"), cls.lab.client("gbr", OFFICE)
        nor.subscribe()
        publish(gbr, [(SECRET, canary()), (FININT, canary()), (TEARLINE, canary())])
        nor.ack(nor.receive())
        _, cls.report = publish(gbr, [(SECRET, canary())], precedence="FLASH")
        officer.decide([h for h in officer.holds() if h.report == cls.report][0].hold, because=BECAUSE)
        nor.ack(nor.receive())
        try:
            publish(nor, [(TEARLINE, canary())], topic="nothing.of.that")
        except wire.Refused:
            pass
        for c in (gbr, nor, officer):
            c.close()
        cls.lab.stop()  # writes the last heads of the parties
        cls.lab.start()
        cls.listed = {form: cls.lab.relto("audit", "list", *cls.option(form), context=cls.lab.context_name("hub"))[0]
                      for form in ("text", "json", "csv")}
        cls.bundle = os.path.join(cls.lab.base, "bundle")
        cls.lab.relto("audit", "pull", cls.bundle, context=cls.lab.context_name("hub"))

    @staticmethod
    def option(form):
        return [] if form == "text" else ["--" + form]

    def audit(self, *words, context=None, code=0):
        return self.lab.relto("audit", *words, context=context or self.lab.context_name("hub"), code=code)

    def verify(self, command, *words, bundle=None, code=0):
        got = subprocess.run([rig.program("relto-verify"), command, bundle or self.bundle, *words, "--key",
                              self.lab.agent("hub").log_key], capture_output=True)
        self.assertEqual(got.returncode, code, got.stderr)
        return got.stdout.decode()

    def test_a_list_of_everything_is_line_by_line_what_the_verifier_shows_of_the_bundle(self):
        for form, listed in self.listed.items():
            lines, shown = listed.splitlines(True), self.verify("show", *self.option(form)).splitlines(True)
            self.assertGreater(len(lines), 20)
            self.assertEqual(lines, shown[:len(lines)], form)

    def test_terms_and_times_pick_what_they_pick_offline(self):
        first, last = (json.loads(self.listed["json"].splitlines()[n])["time"] for n in (5, -5))
        listed = len(self.listed["json"].splitlines())
        for words in (["type=decision"], ["outcome=withhold"], ["publisher=GBR", "recipient=NOR"], ["recipient=KEN"],
                      ["agreement=atlas"], ["report=%s" % self.report.hex()], ["reason=forbidden"], ["rule=flash-review"],
                      ["reason=agreement-not-usable"], ["from", first, "until", last], ["type=audit-read", "until", first]):
            shown = [line for line in self.verify("show", *words, "--json").splitlines()
                     if json.loads(line)["index"] < listed]
            now = [line for line in self.audit("list", *words, "--json")[0].splitlines() if json.loads(line)["index"] < listed]
            self.assertEqual(now, shown, words)
            self.assertEqual(self.audit("show", *words, "--json", code=None)[0].splitlines()[:len(now)], now, words)

    def test_figures_are_the_verifiers(self):
        last = json.loads(self.listed["json"].splitlines()[-1])["time"]
        for words in (["until", last], ["until", last, "recipient=NOR"]):
            self.assertEqual(self.audit("stats", *words)[0], self.verify("stats", *words))
            now, shown = (json.loads(said) for said in (self.audit("stats", *words, "--json")[0],
                                                        self.verify("stats", *words, "--json")))
            for member in ("pairs", "days", "reasons", "types"):
                self.assertEqual(now[member], shown[member])
            self.assertEqual(now["picked"], sum(now["types"].values()))

    def test_a_partys_own_list_is_its_own_bundle_and_nothing_else(self):
        for party in ("GBR", "NOR", "KEN"):
            own = os.path.join(self.lab.base, "own-" + party)
            context = party.lower() + "-inspector"
            listed, err = self.audit("list", "--json", context=context)
            self.assertRegex(err, r"; \d+ of your party's give the head in record \d+, which is the broker's word\n$")
            listed = listed.splitlines()
            self.audit("pull", own, context=context)
            shown = self.verify("show", "--party", party, "--json", bundle=own).splitlines()
            self.assertEqual(listed, shown[:len(listed)])
            self.assertGreater(len(listed), 3)

    def test_a_cell_that_a_spreadsheet_would_compute_is_neutralised(self):
        rows = list(csv.reader(io.StringIO(self.listed["csv"], newline="")))
        said = [r[rows[0].index("justification")] for r in rows if r[2] == "approval"]
        self.assertEqual(said, ["'=HYPERLINK(\"http://x\"),\\x1b[2J\\u202e"])
        self.assertEqual({len(r) for r in rows}, {len(rows[0])})
        self.assertTrue(self.listed["csv"].startswith("index,time,type,") and "\r\n" in self.listed["csv"])

    def test_what_a_person_wrote_cannot_steer_a_terminal(self):
        for form, listed in self.listed.items():
            self.assertNotIn("\x1b", listed, form)
            self.assertNotIn("\u202e", listed, form)
        approval = [json.loads(line) for line in self.listed["json"].splitlines() if '"type":"approval"' in line]
        self.assertEqual([a["person"]["justification"] for a in approval], [BECAUSE])

    def test_a_reading_from_the_first_record_is_held_against_the_signed_head(self):
        err = self.audit("list")[1]
        self.assertRegex(err, r"^(\d+) of \1 records; those before \d+ give the signed head\n$")
        for words in (["--from-index", "1"], ["--limit", "3"], ["until", "2000-01-01"]):
            self.assertIn("the broker's word: relto audit pull, then relto-verify, prove it", self.audit("list", *words)[1])

    def test_limits_and_indices_say_how_much_and_from_where(self):
        lines = self.listed["json"].splitlines()
        self.assertEqual(self.audit("list", "--json", "--from-index", "4", "--limit", "3")[0].splitlines(), lines[4:7])
        self.assertEqual(self.audit("list", "--json", "--from", "4", "--count", "3")[0].splitlines(), lines[4:7])
        self.assertEqual(self.audit("show", "7", "--json")[0].splitlines(), [lines[7]])
        self.assertEqual(self.audit("show", "7")[0], self.listed["text"].splitlines(True)[7])
        out, err = self.audit("show", "99999", code=66)
        self.assertEqual((out, err), ("", "relto: no record 99999 that you may see\n"))
        self.assertEqual(self.audit("show", "0", context="ken-inspector", code=66)[1], "relto: no record 0 that you may see\n")
        self.assertIn("0 of ", self.audit("show", "recipient=NOBODY", code=66)[1])

    def test_a_wrong_call_says_what_is_wrong(self):
        for words, why in ((["list", "color=red"], "no field 'color'"), (["list", "type=NOTHING"], "no type 'NOTHING'"),
                           (["list", "from"], "'from' needs a time such as"), (["list", "until", "noon"], "'until' needs a time"),
                           (["list", "red"], "'red' is no term"), (["list", "--limit", "0"], "--limit is 1 or more"),
                           (["list", "--limit", "x"], "'x' is no number"), (["show"], "say which: an index, or terms"),
                           (["show", "3", "--limit", "1"], "show takes an index or terms alone"),
                           (["stats", "--csv"], "stats takes no --csv"), (["stats", "--limit", "1"], "stats takes no --limit"),
                           (["pull"], "pull takes one folder"), (["pull", "a", "b"], "pull takes one folder"),
                           (["pull", "a", "--csv"], "pull takes no --csv"), (["read"], "what is 'read'?"), ([], "say what to do"),
                           (["list"] + ["type=pad"] * 33, "more than 32 terms"), (["list"] + ["x"] * 81, "more than 80 words")):
            out, err = self.audit(*words, code=64)
            self.assertIn(why, err)
            self.assertEqual(out, "")

    def test_an_agent_without_the_role_gets_the_one_answer(self):
        for words in (["list"], ["show", "3"], ["stats"], ["pull", os.path.join(self.lab.base, "none")]):
            self.assertIn("your agent does not have the role for this", self.audit(*words, context="gbr", code=77)[1])


class Reading(HoldsTest):
    """What a reading writes, how far a page goes, and how much somebody may read."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit("reltod.conf", r"(?m)^log \{", "log {\n    pad 1024\n    heads-every 200ms")

    def list(self, client, at, count=1000):
        return client.ask("audit_list", pb.AuditList(**{"from": at, "count": count}))

    def reads(self):
        """(party, act, first, count) of every AUDIT_READ, without those of this question's session."""
        records = [Rec(i, witness.Opening(o)) for i, o in self.lab.records()]
        return [(r.text(7, 0), r.slots[7][1][0], witness.uint(r.slots[7][2]), witness.uint(r.slots[7][3]))
                for r in records if r.kind == "AUDIT_READ"]

    def size(self):
        return len(self.lab.records())

    def grown(self, size):
        """At least so many records, all under a published head."""
        gbr = self.client("gbr")

        def there():
            publish(gbr, [(SECRET, canary())])  # something new, which the next head rounds up
            gbr.read_message(0.2)
            return self.client("nor", "/inspector").memory.seen.size > size
        rig.until(there, 30, "a log of %d records" % size)

    def test_a_reading_is_on_record_before_it_is_answered_and_the_bundle_has_it(self):
        nor, hub = self.client("nor", "/inspector"), self.client("hub")
        self.list(nor, 3, 5)
        self.assertEqual([r for r in self.reads() if r[0] == "NOR"][-1], ("NOR", 1, 3, 2000))
        last = self.list(hub, 6, 4).records[-1]
        self.assertEqual(last.index, 9)
        self.assertIn(("HUB", 1, 6, 4), self.reads())
        bundle = os.path.join(self.lab.base, "reads")
        self.lab.relto("audit", "pull", bundle, context=self.lab.context_name("hub"))
        shown = subprocess.run([rig.program("relto-verify"), "show", bundle, "type=audit-read", "--json", "--key",
                                self.lab.agent("hub").log_key], capture_output=True).stdout.decode().splitlines()
        said = [json.loads(line) for line in shown]
        self.assertIn({"party": "HUB", "act": "list", "first": 6, "count": 4}, [r["body"] for r in said])
        self.assertTrue(all("inspector" in r["person"]["actor"] for r in said))
        self.assertIn("pull", [r["body"]["act"] for r in said])

    def test_pages_of_what_is_on_record_are_no_records_of_their_own(self):
        hub = self.client("hub")
        self.grown(3000)
        before = self.reads()
        for at in (10, 500, 10, 1009):
            self.assertEqual(self.list(hub, at).records[0].index, at)
        page = self.list(hub, 1000, 1000)  # what it is on record for ends here
        self.assertEqual(([r.index for r in page.records], page.next), (list(range(1000, 1010)), 1010))
        self.assertEqual(len(self.list(hub, 1010).records), 1000)  # it reads on: one more, for very many
        self.list(hub, 2500)
        self.list(hub, 5)
        self.assertEqual(self.reads()[len(before):], [("HUB", 1, 10, 1000), ("HUB", 1, 1010, 65536), ("HUB", 1, 5, 1000)])

    def test_a_page_ends_at_its_limit_and_the_next_goes_on_there(self):
        self.grown(5000)
        hub, nor = self.client("hub"), self.client("nor", "/inspector")
        page = self.list(hub, 0, 1000)
        self.assertEqual([r.index for r in page.records], list(range(1000)))
        self.assertEqual(page.next, 1000)
        self.assertEqual([r.index for r in self.list(hub, 1000, 1).records], [1000])
        for count in (0, 1001):
            with self.assertRaises(wire.Refused) as refused:
                self.list(hub, 0, count)
            self.assertIn(refused.exception.code, ("malformed", "limit"))
            self.assertIn("count", str(refused.exception))
        end = self.list(hub, 1 << 62)
        self.assertEqual((list(end.records), end.next), ([], 0))
        # of another party's page, where it ends says nothing of what stands between
        own = self.list(nor, 0)
        self.assertEqual(own.next, 2000)
        self.assertEqual(self.list(nor, 7).next, 2000)
        self.assertEqual(self.list(nor, 2000).next, 4000)
        self.assertEqual(self.list(self.client("nor", "/inspector"), 7).next, 2007)
        for r in own.records:
            slots = witness.Opening(r.opening).slots
            self.assertIsNone(slots[5])
            self.assertIsNone(slots[6])

    def test_a_party_reads_its_own_and_nothing_behind_a_published_head(self):
        self.grown(2000)
        nor = self.client("nor", "/inspector")
        at, seen = 0, []
        while True:
            page = self.list(nor, at)
            seen += [r.index for r in page.records]
            at = page.next
            if not at:
                break
        self.assertTrue(seen)
        mine = {i for i, o in self.lab.records() if b"NOR" in o}
        self.assertLessEqual(set(seen), mine)
        self.assertLess(max(seen), self.client("nor", "/inspector").memory.seen.size)

    def test_who_asks_for_more_than_the_log_should_grow_waits_and_nobody_else(self):
        ken, begun = self.client("ken", "/inspector"), self.size()
        asked, refused = 0, None
        while refused is None and asked < 400:
            try:
                self.list(ken, asked * 2500, 1)
                asked += 1
            except wire.Refused as e:
                refused = e
        self.assertEqual(refused.code, "quota")
        self.assertGreaterEqual(asked, 119)
        self.assertLess(asked, 200)
        self.assertLessEqual(len([r for r in self.reads() if r[0] == "KEN"]), asked)
        self.list(self.client("nor", "/inspector"), 0)
        with self.assertRaises(wire.Refused) as pull:  # a pull counts, and so does a receipt
            while True:
                self.client("ken", "/inspector").ask("audit_pull", pb.AuditPull(**{"from": 0}))
        self.assertEqual(pull.exception.code, "quota")
        out, err = self.lab.relto("audit", "list", "--limit", "1", "--json", context="ken-inspector")
        self.assertEqual(json.loads(out)["index"] >= 0, True)
        self.assertIn("relto: quota: the broker lets us wait", err)
        rig.until(lambda: [o for _, o in self.lab.records(begun) if b"quota" in o], 5, "a REFUSED record of it")

    def test_without_the_role_nothing_is_read(self):
        for domain, path in (("gbr", None), ("nor", None), ("gbr", OFFICE)):
            client = self.client(domain, path)
            for count in (1, 1000):
                with self.assertRaises(wire.Refused) as refused:
                    self.list(client, 0, count)
                self.assertEqual(refused.exception.code, "role")


if __name__ == "__main__":
    unittest.main(verbosity=2)
