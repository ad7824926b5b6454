#!/usr/bin/python3
"""test_audit_replay.py - relto audit replay: an honest log is judged again as it was, and what somebody with the key of the
log could forge - a verdict, facts, a policy - shows, though the forged bundle verifies.  And the auditor's page of the same log
(report_judge.py)."""
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import forge  # noqa: E402
import wire  # noqa: E402
from report_judge import ReportTests  # noqa: E402
from sources_world import AMBER, GREEN, SourcesTest  # noqa: E402
from wire import pb  # noqa: E402

HOLD, WITHHOLD = b"\3", b"\4"
DECIDES = ("INTAKE", "DECISION", "NARROWED", "APPROVAL")


def amber_too(report):
    report.portion(AMBER, b"for those who may have AMBER")


class Replay(ReportTests, SourcesTest):
    """Redacted, held for a consent, approved, rejected, narrowed while a reader was away, an exercise."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        one = cls("play")
        one.setUp()
        try:
            one.play()
        finally:
            one.doCleanups()
        cls.whole = os.path.join(cls.lab.base, "whole")
        cls.lab.relto("audit", "pull", cls.whole, context=cls.lab.context_name("hub"))
        cls.key = cls.lab.agent("hub").log_key
        with open(cls.lab.path("hub/log.key"), "rb") as f:
            cls.signing = forge.Key(forge.Log(cls.whole).origin, f.read())

    def play(self):
        self.given("GBR", ["NOR"], ["ask", "open"], change=amber_too)
        source = self.given("GBR", ["NOR"])
        for answer in ("APPROVE", "REJECT"):
            self.publish("NOR", "open", sources=[source])
            with self.lab.client("gbr", "/release-office") as office:
                for hold in office.holds():
                    office.decide(hold.hold, answer if hold.recipient == b"KEN" else "REJECT")
        free = self.given("GBR", ["NOR"], "open", change=lambda r: r.routing.not_to.append(b"KEN"))
        self.publish("NOR", "open", sources=[free])
        self.publish("GBR", "drill", mode="EXERCISE")
        self.clients["SWE"].close()
        self.publish("GBR", ["open", "ask"])
        self.write("open", members=("GBR", "NOR", "KEN"))
        self.reload()
        self.clients["SWE"] = self.reader("SWE")
        self.clients["SWE"].receive()
        self.publish("GBR", "shut")

    def setUp(self):
        super().setUp()
        self.copy = os.path.join(self.lab.base, self.id().rsplit(".", 1)[1])
        if hasattr(self, "whole"):
            shutil.copytree(self.whole, self.copy)

    def replay(self, *more, code):
        out, err = self.lab.relto("audit", "replay", self.copy, "--key", self.key, *more, code=code)
        return json.loads(out) if "--json" in more else out + err

    def forged(self, change, verified=0):
        """The faults that the replay tells of a log that was changed by whoever has its key; relto-verify finds nothing."""
        log = forge.Log(self.copy)
        change(log)
        log.settle().write(self.copy, self.signing)
        got = subprocess.run([rig.program("relto-verify"), "verify", self.copy, "--key", self.key], capture_output=True)
        self.assertEqual(got.returncode, verified, got.stdout + got.stderr)
        said = self.replay("--json", code=65 if verified else 1)
        self.assertFalse(said["ok"])
        self.assertEqual(said["verified"]["exit"], verified)
        return [(f["fault"], f["record"], f["what"]) for f in said["faults"]], said

    def facts_of(self, log, index):
        return wire.canonical(pb.Facts, log.content("facts", log.records[index].field(4, 3)))

    def put_facts(self, log, index, facts):
        """In the place of those that a record names, in all that name them."""
        old, new = log.records[index].field(4, 3), log.add_content("facts", facts.SerializeToString(deterministic=True))
        for r in log.records:
            if r.kind in DECIDES and r.field(4, 3) == old:
                r.set(4, 3, new)

    def find(self, log, kind, outcome=None, recipient=None, start=0):
        for i in log.all(kind):
            r = log.records[i]
            if i >= start and (not outcome or r.field(4, 0) == outcome) and (
                    not recipient or recipient in r.field(2, 0).split(b"\n")):
                return i
        raise AssertionError("no such %s" % kind)

    # ---- honest ----

    def test_an_honest_log_is_judged_again_as_it_was(self):
        said = self.replay("--json", code=0)
        kinds = {r.kind for r in forge.Log(self.copy).records}
        self.assertLessEqual(set(DECIDES), kinds)
        self.assertEqual((said["ok"], said["faults"], said["verified"]["ok"]), (True, [], True))
        self.assertGreaterEqual(said["decisions"], 27)
        self.assertEqual((said["reports"], said["policies"]), (9, 2))
        self.assertIn("the recorded decisions follow the recorded policy", self.replay(code=0))

    # ---- a verdict ----

    def test_a_reason_that_was_not_the_reason_shows(self):
        at = []

        def change(log):
            at.append(self.find(log, "DECISION", WITHHOLD, b"KEN"))
            r = log.records[at[0]]
            self.assertIn(b"withhold audience", r.field(4, 1))
            r.set(4, 1, r.field(4, 1).replace(b"audience", b"forbidden"))
        faults, said = self.forged(change)
        self.assertEqual(faults, [("differs", at[0], "verdict")])
        fault = said["faults"][0]
        self.assertEqual((fault["recipient"], fault["recorded"], fault["now"]),
                         ("KEN", "withhold forbidden open -", "withhold audience open -"))

    def test_a_release_of_what_was_withheld_shows(self):
        """SWE may not have AMBER: the log says that it may, as it says of NOR."""
        at = []

        def change(log):
            nor = self.find(log, "DECISION", b"\1", b"NOR")
            at.append(self.find(log, "DECISION", b"\2", b"SWE"))
            to, of = log.records[at[0]], log.records[nor]
            self.assertEqual(to.field(4, 4), of.field(4, 4))
            for slot, fields in ((2, (1, 2, 3)), (4, (0, 1))):
                for k in fields:
                    to.set(slot, k, of.field(slot, k))
            for i in log.all("DELIVERY"):
                if forge.number(log.records[i].field(4, 4)) == at[0]:
                    for k in (1, 2, 3):
                        log.records[i].set(2, k, of.field(2, k))
        faults, said = self.forged(change)
        self.assertEqual(faults, [("differs", at[0], w) for w in ("verdict", "outcome", "marking")])
        self.assertEqual([f["recorded"] for f in said["faults"][:2]], ["release release ask all", "release"])
        self.assertIn("withhold classification ask -", said["faults"][0]["now"])

    def test_somebody_whom_the_policy_does_not_know_shows(self):
        def change(log):
            i = self.find(log, "DECISION", WITHHOLD, b"KEN")
            log.records[i].set(2, 0, log.records[i].field(2, 0).replace(b"KEN", b"ZZZ"))
        faults, _ = self.forged(change, 7)
        self.assertIn(("differs", "recipient"), [(k, w) for k, _, w in faults])
        self.assertIn(("differs", "outcome"), [(k, w) for k, _, w in faults])

    # ---- facts ----

    def test_labels_that_the_publisher_did_not_write_show(self):
        at = []

        def change(log):
            at.append(log.all("INTAKE")[0])
            facts = self.facts_of(log, at[0])
            self.assertEqual(facts.portions[1].labels[0].classification, b"AMBER")
            facts.portions[1].labels[0].classification = b"RED"
            self.put_facts(log, at[0], facts)
        faults, _ = self.forged(change)
        self.assertEqual(faults[0], ("facts", at[0], "labels"))

    def test_facts_that_are_not_of_the_report_show(self):
        for what, change in (("topic", lambda f: setattr(f, "topic", b"maritime.else")),
                             ("precedence", lambda f: setattr(f, "precedence", pb.FLASH)),
                             ("agreements", lambda f: f.agreements.pop()),
                             ("audience", lambda f: f.not_to.append(b"SWE")),
                             ("number of portions", lambda f: f.portions.pop()),
                             ("time of acceptance", lambda f: setattr(f, "accepted", f.accepted - 1)),
                             ("state of the signer", lambda f: setattr(f, "signer", pb.REVOKED)),
                             ("content type", lambda f: setattr(f.portions[0], "content_type", b"text/html"))):
            log = forge.Log(self.whole)
            intake = log.all("INTAKE")[0]
            facts = self.facts_of(log, intake)
            change(facts)
            self.put_facts(log, intake, facts)
            shutil.rmtree(self.copy)
            shutil.copytree(self.whole, self.copy)
            log.settle().write(self.copy, self.signing)
            said = self.replay("--json", code=1)
            self.assertIn(("facts", intake, what), [(f["fault"], f["record"], f["what"]) for f in said["faults"]])

    def test_a_source_that_went_to_somebody_else_shows(self):
        at = []

        def change(log):
            for i in log.all("INTAKE"):
                facts = self.facts_of(log, i)
                if facts.sources and list(facts.sources[0].onward_to) == [b"NOR", b"SWE"]:
                    facts.sources[0].onward_to.insert(0, b"KEN")
                    self.put_facts(log, i, facts)
                    at.append(i)
        faults, _ = self.forged(change)
        self.assertEqual(faults[0], ("facts", at[0], "sources"))
        self.assertIn(("differs", "outcome"), [(k, w) for k, _, w in faults], "KEN was withheld, and would not be by these facts")

    def test_what_was_not_released_before_shows(self):
        at = []

        def change(log):
            at.append(self.find(log, "NARROWED"))
            facts = self.facts_of(log, at[0])
            facts.before[0].agreements.pop()
            self.put_facts(log, at[0], facts)
        faults, _ = self.forged(change)
        self.assertEqual(faults[0], ("facts", at[0], "what was released or held before"))

    def test_an_obligation_that_began_later_shows(self):
        at = []

        def change(log):
            at.append(self.find(log, "APPROVAL"))
            facts = self.facts_of(log, at[0])
            facts.opened[0].time += 1
            self.put_facts(log, at[0], facts)
        faults, _ = self.forged(change)
        self.assertEqual(faults[0], ("facts", at[0], "the obligations that were open, or since when"))

    def test_later_facts_of_another_report_show(self):
        at = []

        def change(log):
            at.append(self.find(log, "APPROVAL"))
            facts = self.facts_of(log, at[0])
            facts.topic = b"maritime.other"
            self.put_facts(log, at[0], facts)
        faults, _ = self.forged(change)
        self.assertEqual(faults[0], ("facts", at[0], "they speak of another report than its INTAKE's"))

    def test_what_was_recorded_when_it_held_no_longer_shows(self):
        """A consent is asked within 72 hours of the decision: this one was made 73 hours before it was recorded."""
        at = []

        def change(log):
            at.append(forge.number(log.records[self.find(log, "DECISION", HOLD)].field(4, 4)))
            facts = self.facts_of(log, at[0])
            facts.time = facts.accepted = facts.time - 73 * 3600 * 1000000
            self.put_facts(log, at[0], facts)
        faults, _ = self.forged(change)
        self.assertEqual(faults[0], ("differs", at[0], "it was recorded when it held no longer"))

    # ---- the policy ----

    def test_a_policy_with_other_terms_than_were_accepted_shows(self):
        """SWE may have AMBER under 'ask' in a policy that was not there: the log accepted no such terms."""
        def change(log):
            old = log.records[log.all("POLICY")[0]].field(7, 0)
            text = log.content("policy", old)
            begin = text.index(b"agreement ask {")
            swe = text.index(b"member SWE {", begin)
            text = text[:swe] + text[swe:].replace(b"[ CLEAR GREEN ]", b"[ AMBER CLEAR GREEN ]", 1)
            new = log.add_content("policy", text)
            for r in log.records:
                for kind, slot, k in (("POLICY", 7, 0), ("POLICY", 7, 1)) + tuple((d, 4, 2) for d in DECIDES):
                    if r.kind == kind and r.field(slot, k) == old:
                        r.set(slot, k, new)
        faults, said = self.forged(change)
        self.assertIn("outcome", {w for k, _, w in faults if k == "differs"})
        self.assertIn("agreement-not-usable", {f["now"] for f in said["faults"]})

    def test_a_policy_that_is_no_export_cannot_be_judged_by(self):
        def change(log):
            old = log.records[log.all("POLICY")[0]].field(7, 0)
            new = log.add_content("policy", log.content("policy", old) + b"\n")
            for r in log.records:
                for kind, slot, k in (("POLICY", 7, 0), ("POLICY", 7, 1)) + tuple((d, 4, 2) for d in DECIDES):
                    if r.kind == kind and r.field(slot, k) == old:
                        r.set(slot, k, new)
        faults, said = self.forged(change)
        self.assertEqual({f[0] for f in faults}, {"unjudged"})
        self.assertIn("its policy does not load: it is not the canonical export of what it says",
                      {f["now"] for f in said["faults"]})

    # ---- what is not there ----

    def test_what_the_bundle_lacks_is_not_judged_and_that_is_no_success(self):
        for folder, what in (("facts", "the bundle lacks its facts"), ("policy", "its policy cannot be used"),
                             ("spif", "its policy cannot be used"), ("routing", "its facts could not be held against the report"),
                             ("head", "its facts could not be held against the report")):
            shutil.rmtree(os.path.join(self.copy, folder))
            said = self.replay("--json", code=1)
            self.assertEqual((said["ok"], said["verified"]["ok"]), (False, True), folder)
            self.assertIn(what, {f["what"] for f in said["faults"] if f["fault"] == "unjudged"})
            self.assertIn("not judged, or not against the log: ", self.replay(code=1))
            shutil.copytree(os.path.join(self.whole, folder), os.path.join(self.copy, folder))

    def test_nothing_is_said_of_a_bundle_that_the_key_did_not_sign(self):
        with open(os.path.join(self.copy, "record", "000000"), "r+b") as f:
            f.seek(2000)
            byte = f.read(1)
            f.seek(2000)
            f.write(bytes([byte[0] ^ 1]))
        said = self.replay(code=65)
        self.assertIn("nothing may be concluded: the bundle does not verify", said)
        shutil.rmtree(os.path.join(self.copy, "tile"))
        self.assertIn("nothing was judged: its records are not what the log's key signed", self.replay(code=65))

    def test_it_needs_a_key_a_bundle_and_the_hubs_whole_view(self):
        def call(*args, code):
            return self.lab.relto("audit", "replay", *args, code=code, RELTO_CONTEXT="")[1]
        self.assertIn("one bundle is replayed", call("--key", self.key, code=64))
        self.assertIn("what is '--wrong'?", call(self.copy, "--wrong", code=64))
        self.assertIn("nowhere", call("nowhere", "--key", self.key, code=66))
        self.assertIn("no such file", call(self.copy, "--key", "no-key", code=66))
        with_context = self.lab.relto("audit", "replay", self.copy, "--context", self.lab.context_name("hub"))[0]
        self.assertIn("the recorded decisions follow", with_context)
        party = self.copy + ".party"
        self.lab.relto("audit", "pull", party, context=self.lab.context_name("nor", "/inspector"))
        self.assertIn("it is the view of party NOR, without facts", call(party, "--key", self.key, code=65))
        late = self.copy + ".late"
        self.lab.relto("audit", "pull", late, "--from", "5", context=self.lab.context_name("hub"))
        self.assertIn("a replay needs the log from its beginning", call(late, "--key", self.key, code=65))


if __name__ == "__main__":
    unittest.main(verbosity=2)
