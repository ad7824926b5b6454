#!/usr/bin/python3
"""test_replay.py - relto policy diff --replay: the past reports of a real broker under another policy."""
import json
import os
import re
import shutil
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402


class Replay(rig.LabTest):
    def setUp(self):
        self.bundle = os.path.join(self.lab.base, "pulled." + self.id().rsplit(".", 1)[1])
        self.policies = [os.path.join(self.lab.base, n + self.id().rsplit(".", 1)[1]) for n in ("old.", "new.")]
        for folder in self.policies:
            shutil.copytree(self.lab.path("policy"), folder)

    def change(self, pattern, into):
        """In the new policy; its own promises are left out of both."""
        for folder in self.policies:
            for name in os.listdir(os.path.join(folder, "agreements.d")):
                path = os.path.join(folder, "agreements.d", name)
                with open(path) as f:
                    text = re.sub(r"(?m)^    expect .*\n", "", f.read())
                if folder == self.policies[1]:
                    text, changed = re.subn(pattern, into, text)
                    if changed:  # or the broker would refuse it
                        text = re.sub(r"(?m)^( +version +)\d+", r"\g<1>99", text)
                with open(path, "w") as f:
                    f.write(text)

    def pull(self):
        self.lab.relto("audit", "pull", self.bundle, context=self.lab.context_name("hub"))

    def diff(self, *more, code):
        out, err = self.lab.relto("policy", "diff", *self.policies, "--replay", self.bundle, *more, code=code)
        return json.loads(out) if "--json" in more else out + err

    def test_a_report_that_went_is_told_where_the_new_policy_withholds_it(self):
        _, mixed = publish(self.client("gbr"), [(SECRET, canary()), (TEARLINE, canary())])
        publish(self.client("gbr"), [(TEARLINE, canary())])
        self.pull()
        self.change(r"(rule maritime \{\n(?:.*\n)*?.*at-most) SECRET", r"\1 RESTRICTED")
        got = self.diff("--json", code=0)["replay"]
        mine = [d for d in got["decisions"] if d["report"].replace("-", "") == mixed.hex()]
        self.assertEqual([(d["to"], d["change"], d["from"], d["topic"], d["later"], d["portion_count"]) for d in mine],
                         [("NOR", "narrows", "GBR", "maritime.piracy", False, 2)])
        then, now = mine[0]["portions"][0]["then"], mine[0]["portions"][0]["now"]
        self.assertRegex(then.pop("place"), r"^agreements\.d/atlas\.policy:\d+$")
        self.assertEqual(mine[0]["portions"], [{
            "portion": 0, "then": {"verdict": "release", "reason": "release", "rule": "maritime"},
            "now": {"verdict": "withhold", "reason": "no-rule", "rule": None, "place": None}}])
        self.assertEqual((got["missing"], got["widens"]), (0, False))
        said = self.diff(code=0)
        self.assertRegex(said, r"narrows  [0-9a-f-]{36}  \d+ +GBR   NOR  maritime.piracy  1 of 2 +release maritime  withhold no-rule")
        self.assertRegex(said, r"\d+ facts of the past judged under both, \d+ decisions would have been others")

    def test_what_was_withheld_and_would_go_widens(self):
        publish(self.client("gbr"), [(SECRET, canary())])
        self.pull()
        self.change(r"(member NOR \{\n(?:.*\n)*?.*\"Releasable To\" +\[) NOR", r"\1 KEN")
        self.policies.reverse()
        got = self.diff("--json", code=1)["replay"]
        self.assertTrue(got["widens"])
        self.assertEqual({(d["to"], d["change"]) for d in got["decisions"]}, {("NOR", "widens")})

    def test_what_a_person_approved_is_judged_again_with_the_approval(self):
        _, report = publish(self.client("gbr"), [(SECRET, canary())], precedence="FLASH")
        office = self.client("gbr", "/release-office")
        for hold in office.holds():
            if hold.report == report:
                office.decide(hold.hold)
        self.pull()
        self.change(r"(rule maritime \{\n(?:.*\n)*?.*at-most) SECRET", r"\1 RESTRICTED")
        got = self.diff("--json", code=0)["replay"]
        mine = [(d["later"], d["to"], d["portions"][0]["then"]["verdict"], d["portions"][0]["now"]["verdict"])
                for d in got["decisions"] if d["report"].replace("-", "") == report.hex()]
        self.assertEqual(mine, [(False, "NOR", "hold", "withhold"), (True, "NOR", "release", "withhold")])

    def test_the_policy_that_judged_them_says_the_same_again(self):
        publish(self.client("gbr"), [(SECRET, canary()), (TEARLINE, canary())], precedence="FLASH")
        self.pull()
        self.change("nothing of this", "")
        said = self.diff(code=0)
        self.assertIn("no change: ", said)
        self.assertRegex(said, r"[1-9]\d* facts of the past judged under both, 0 decisions would have been others")

    def test_a_bundle_that_is_damaged_or_lacks_facts_says_so(self):
        publish(self.client("gbr"), [(TEARLINE, canary())])
        self.pull()
        facts = os.path.join(self.bundle, "facts")
        name = os.listdir(facts)[0]
        with open(os.path.join(facts, name), "ab") as f:
            f.write(b"x")
        self.assertIn("'facts/%s' is not what its name says" % name, self.diff(code=65))
        os.unlink(os.path.join(facts, name))
        self.assertIn("not decided: the bundle lacks the facts of 1 record", self.diff(code=70))
        with open(os.path.join(self.bundle, "record", "000000"), "r+b") as f:
            f.truncate(1000)
        self.assertIn("'record/000000'", self.diff(code=65))
        os.unlink(os.path.join(self.bundle, "record", "000000"))
        self.assertIn("cannot read", self.diff(code=66))

    def test_a_party_s_own_bundle_has_no_facts(self):
        self.lab.relto("audit", "pull", self.bundle, context=self.lab.context_name("nor", "/inspector"))
        said = self.diff(code=65)
        self.assertIn("it is the view of party NOR, without facts: an auditor of the hub can pull one", said)


if __name__ == "__main__":
    unittest.main()
