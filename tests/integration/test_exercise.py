#!/usr/bin/python3
"""test_exercise.py - the wall between exercise and live traffic, both ways, in every place where they could meet (S11)."""
import json
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
import hub  # noqa: E402
from sources_world import PARTIES, SourcesTest, text_of  # noqa: E402
from wire import pb  # noqa: E402

UNDER = {"LIVE": "open", "EXERCISE": "drill-open"}
ASKS = {"LIVE": "ask", "EXERCISE": "drill"}
OTHER = {"LIVE": "EXERCISE", "EXERCISE": "LIVE"}
QUIET = 0.5


class WallTest(SourcesTest):
    citing = 0

    def setUp(self):
        """A connection of its own for each mode: whatever one of them gets of the other's shows in its stream."""
        self.mode_taps = {m: [] for m in UNDER}
        self.clients = {p: self.client(p.lower()) for p in PARTIES}
        self.readers, self.bodies = {}, {m: [] for m in UNDER}

    def open(self, mode, party="NOR", name="inbox", topic=""):
        c = self.client(party.lower(), tap=self.mode_taps[mode])
        c.subscribe(name, topic, mode)
        return c

    def put(self, mode, under=None, **how):
        report, bodies = self.publish("GBR", under or UNDER[mode], mode=mode, **how)
        self.bodies[mode] += bodies
        return report

    def all_of(self, client, wanted=()):
        """All that comes, until those that must have come and it is quiet."""
        out, missing = [], set(wanted)
        while True:
            d = client.receive(timeout=10 if missing else QUIET)
            if d is None:
                return out
            missing.discard(d.manifest.id)
            client.ack(d)
            out.append(d)

    def tearDown(self):
        for mode, bodies in self.bodies.items():
            stream = b"".join(self.mode_taps[OTHER[mode]])
            for body in bodies:
                self.assertNotIn(body, stream, "%s traffic in a stream for %s" % (mode, OTHER[mode]))


class Decision(WallTest):
    def test_a_report_is_refused_under_agreements_of_the_other_mode_and_a_member_reads_why(self):
        for mode in UNDER:
            report, _ = self.report("GBR", UNDER[OTHER[mode]], mode=mode)
            for dry in (False, True):
                sealed = report.seal()
                sealed.dry_run = dry
                with self.assertRaises(wire.Refused) as no:
                    self.clients["GBR"].publish(sealed)
                self.assertEqual(no.exception.code, "agreement-not-usable")
                self.assertIn("it is of the other mode", str(no.exception))

    def test_of_agreements_of_both_modes_only_those_of_its_own_are_used(self):
        for mode in UNDER:
            report, _ = self.report("GBR", list(UNDER.values()), mode=mode)
            receipt = self.clients["GBR"].publish(report.seal())
            (unused,) = receipt.unusable
            self.assertEqual((unused.agreement.decode(), unused.why.decode()), (UNDER[OTHER[mode]], "it is of the other mode"))
            said = self.clients["GBR"].ask("explain", pb.Explain(report=report.id))
            self.assertEqual({p.agreement.decode() for d in said.decisions for p in d.portions}, {UNDER[mode]})

    def test_an_agreement_that_changes_its_mode_releases_nothing_that_waits(self):
        report = self.put("LIVE", "duo")
        self.write("duo", mode="exercise")
        self.addCleanup(self.reload)
        self.addCleanup(self.write, "duo")
        self.reload()
        for mode in UNDER:
            self.assertNotIn(report, [d.manifest.id for d in self.all_of(self.open(mode))])
        self.clients["GBR"] = self.client("gbr")
        self.assertEqual(self.why("GBR", report), {"NOR": ["agreement-ended"]})


class Mailboxes(WallTest):
    def test_each_inbox_gets_its_own_mode_and_nothing_of_the_other(self):
        readers = {m: self.open(m) for m in UNDER}
        ids = {m: [self.put(m) for _ in range(3)] for m in UNDER}
        for mode, reader in readers.items():
            got = self.all_of(reader, ids[mode])
            self.assertEqual([d.manifest.id for d in got if d.manifest.id in sum(ids.values(), [])], ids[mode])
            self.assertEqual({pb.Mode.Name(d.manifest.mode) for d in got}, {mode})

    def test_what_waited_over_a_restart_comes_to_its_own_mode_alone(self):
        ids = {m: self.put(m) for m in UNDER}
        self.lab.stop()
        self.lab.start()
        for mode in UNDER:
            got = [d.manifest.id for d in self.all_of(self.open(mode), [ids[mode]])]
            self.assertIn(ids[mode], got)
            self.assertNotIn(ids[OTHER[mode]], got)

    def test_subscriptions_of_one_name_and_topic_are_two(self):
        readers = {m: self.open(m, name="desk", topic="maritime.piracy") for m in UNDER}
        ids = {m: self.put(m) for m in UNDER}
        for mode, reader in readers.items():
            self.assertEqual([d.manifest.id for d in self.all_of(reader, [ids[mode]])], [ids[mode]])
        with self.assertRaises(wire.Refused) as no:  # each keeps its own pattern
            self.open("EXERCISE", name="desk", topic="maritime.>")
        self.assertEqual(no.exception.code, "subscription-differs")

    def test_a_session_that_reads_both_is_told_which_is_which(self):
        c = self.client("nor")
        number = {m: c.subscribe(mode=m).subscription for m in UNDER}
        self.assertEqual(len(set(number.values())), 2)
        ids = {m: self.put(m) for m in UNDER}
        got = {d.manifest.id: d for d in self.all_of(c, ids.values())}
        for mode in UNDER:
            d = got[ids[mode]]
            self.assertEqual((d.raw.subscription, d.manifest.mode), (number[mode], pb.Mode.Value(mode)))

    def test_an_acknowledgement_in_one_mode_acknowledges_nothing_in_the_other(self):
        readers = {m: self.open(m) for m in UNDER}
        for reader in readers.values():
            self.all_of(reader)
        ids = {m: self.put(m) for m in UNDER}
        live, drill = (readers[m].receive() for m in UNDER)
        readers["LIVE"].ack(live)
        self.assertEqual(drill.manifest.id, ids["EXERCISE"])
        readers["EXERCISE"].close()
        self.assertIn(ids["EXERCISE"], [d.manifest.id for d in self.all_of(self.open("EXERCISE"), [ids["EXERCISE"]])],
                      "it comes again")

    def test_the_urgent_of_one_mode_does_not_pass_into_the_other(self):
        readers = {m: self.open(m) for m in UNDER}

        def flash(report):
            report.manifest.precedence = pb.Precedence.Value("FLASH")
        ids = {m: self.put(m, change=flash) for m in UNDER}
        for mode, reader in readers.items():
            got = [d.manifest.id for d in self.all_of(reader, [ids[mode]])]
            self.assertIn(ids[mode], got)
            self.assertNotIn(ids[OTHER[mode]], got)


class Sources(WallTest):
    def test_a_source_of_the_other_mode_is_unknown_like_any_that_is_not_there(self):
        own = {m: self.publish("NOR", UNDER[m], mode=m)[0] for m in UNDER}
        had = {}
        for mode in UNDER:
            had[mode] = self.put(mode)
            self.give("NOR", had[mode], self.open(mode))
        for mode in UNDER:
            for source in (own[OTHER[mode]], had[OTHER[mode]], wire.uuid7(1)):
                self.assertEqual(set(self.reasons("NOR", UNDER[mode], [source], mode=mode).values()), {"unknown-source"})
            for source in (own[mode], had[mode]):
                self.assertEqual(set(self.reasons("NOR", UNDER[mode], [source], mode=mode).values()), {"release"})

    def test_what_was_cited_across_the_wall_stays_unknown_behind_an_own_report(self):
        for mode in UNDER:
            first = self.put(mode)
            self.give("NOR", first, self.open(mode))
            second, _ = self.publish("NOR", UNDER[OTHER[mode]], sources=[first], mode=OTHER[mode])
            self.assertEqual(set(self.reasons("NOR", UNDER[OTHER[mode]], [second], mode=OTHER[mode]).values()), {"onward"})

    def test_one_id_in_both_modes_is_two_reports(self):
        """NOR was given an exercise report that may not go on, and publishes live under the same id: each mode has its own."""
        first = self.put("EXERCISE", "drill")
        self.give("NOR", first, self.open("EXERCISE"))

        def same_id(report):
            report.manifest.id = first
        report, _ = self.report("NOR", "open", change=same_id)
        self.clients["NOR"].publish(report.seal())
        self.assertEqual(set(self.reasons("NOR", "open", [first]).values()), {"release"})
        self.assertEqual(self.reasons("NOR", "drill-open", [first], mode="EXERCISE")["KEN"], "consent")

    def test_what_was_consented_to_goes_into_its_own_mode_alone(self):
        office = self.client("gbr", "/release-office")
        for mode in UNDER:
            source = self.put(mode, ASKS[mode])
            self.give("NOR", source, self.open(mode))
            report, bodies = self.publish("NOR", UNDER[mode], sources=[source], mode=mode)
            self.bodies[mode] += bodies
            readers = {m: self.open(m, "KEN") for m in UNDER}
            (h,) = [h for h in office.holds() if (h.source, h.recipient) == (source, b"KEN")]
            office.decide(h.hold)
            self.give("KEN", report, readers[mode])
            self.assertNotIn(report, [d.manifest.id for d in self.all_of(readers[OTHER[mode]])])
            for c in readers.values():
                c.close()


class Notices(WallTest):
    def test_a_report_of_the_other_mode_is_unknown_to_every_notice_as_is_one_that_is_not_there(self):
        named = {m: self.put(m) for m in UNDER}
        for mode in UNDER:
            for act in ("SUPERSEDE", "ABOUT", "RECALL"):
                said = [self.refused(mode, act, about) for about in (named[OTHER[mode]], wire.uuid7(1))]
                self.assertEqual(said[0], said[1])
                self.assertEqual(said[0][0], "unknown-report")
            report, _ = self.report("GBR", UNDER[mode], mode=mode)
            self.clients["GBR"].publish(report.about("SUPERSEDE", named[mode]).seal())

    def refused(self, mode, act, about):
        report, _ = self.report("GBR", UNDER[mode], mode=mode)
        if act == "RECALL":
            report = wire.Report(report.agent, "maritime.piracy", [], mode=mode)
        with self.assertRaises(wire.Refused) as no:
            self.clients["GBR"].publish(report.about(act, about).seal())
        e = no.exception
        return e.code, e.text, e.field, e.error.detail


class Command(WallTest):
    def relto(self, *args, party="NOR", **how):
        return self.lab.relto(*args, context=self.lab.context_name(party.lower()), **how)

    def setUp(self):
        super().setUp()
        self.accept("GBR")

    def pub(self, *args, **how):
        return self.relto("pub", "maritime.piracy", "--label", "TLP:GREEN", *args, party="GBR", stdin=b"attack at dawn", **how)

    def sub(self, *args, **how):
        return self.relto("sub", "--count", "1", "--wait", "10s", *args, **how)

    def test_nobody_can_take_an_exercise_for_live(self):
        self.clear()
        out, err = self.pub("--exercise", "--agreement", "drill-open")
        id = out.strip()
        self.assertIn("accepted as EXERCISE: ", err)
        self.relto("sub", "--count", "1", "--wait", "500ms", code=75)  # the live inbox has nothing
        shown = self.sub("--exercise", "--no-ack")[0].splitlines()
        self.assertEqual((shown[0], shown[-1]), ("EXERCISE EXERCISE EXERCISE",) * 2)
        self.assertRegex(shown[1], r"^report %s .*  EXERCISE$" % id)
        self.assertTrue([l for l in shown if l.startswith("  EXERCISE [")], shown)
        said = json.loads(self.sub("--exercise", "--json")[0])
        self.assertEqual((said["report"], said["mode"]), (id, "exercise"))

    def test_what_is_kept_and_handed_over_says_so_too(self):
        self.clear()
        id = self.pub("--exercise", "--agreement", "drill-open")[0].strip()
        folder = os.path.join(self.lab.base, "kept")
        self.sub("--exercise", "--save", folder, "--exec", "echo $RELTO_MODE >%s.mode" % folder)
        self.assertEqual(os.listdir(folder), ["EXERCISE.GBR." + id])
        with open(os.path.join(folder, "EXERCISE.GBR." + id, "report.json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f)["mode"], "exercise")
        with open(folder + ".mode", encoding="utf-8") as f:
            self.assertEqual(f.read(), "exercise\n")

    def test_live_traffic_says_nothing_of_an_exercise(self):
        self.clear()
        self.assertNotIn("EXERCISE", "".join(self.pub("--agreement", "open")))
        self.relto("sub", "--exercise", "--count", "1", "--wait", "500ms", code=75)
        self.assertNotIn("EXERCISE", self.sub()[0])

    def clear(self):
        for mode in UNDER:
            c = self.open(mode)
            self.all_of(c)
            c.close()

    def test_the_agreement_must_be_of_the_mode_and_the_command_says_which_are(self):
        out, err = self.pub("--exercise", "--agreement", "open", code=77)
        self.assertIn("it is of the other mode", err)
        out, err = self.pub("--exercise", code=64)
        self.assertIn("choose with --agreement: drill drill-open", err)
        out, _ = self.pub("--exercise", "--agreement", "drill-open", "--dry-run")
        self.assertIn("it would be decided, as EXERCISE:\n", out)
        said = self.relto("whoami")[0]
        self.assertRegex(said, r"(?m)^drill@1  in-force, EXERCISE$")
        self.assertRegex(said, r"(?m)^open@1  in-force$")

    def test_explain_of_an_own_report_names_agreements_of_its_mode_alone(self):
        id = self.pub("--exercise", "--agreement", "drill-open", "--agreement", "open")[0].strip()
        self.assertNotRegex(self.relto("explain", id, party="GBR")[0], "under open")
        self.assertEqual(self.relto("explain", id, party="KEN", code=66)[0], "")

    def test_the_policy_tools_keep_them_apart(self):
        policy = self.lab.path("policy")
        said = self.lab.relto("policy", "matrix", policy, "--json")[0]
        modes = {}
        for row in json.loads(said):
            modes.setdefault(row["agreement"], set()).add(row["mode"])
        self.assertEqual({a: m for a, m in modes.items() if len(m) != 1 or m != {self.mode_of(a)}}, {})
        ask = ["policy", "explain", policy, "--from", "GBR", "--to", "NOR", "--topic", "maritime.piracy", "--label", "TLP:GREEN"]
        for mode, agreement in (("exercise", "open"), ("live", "drill-open")):
            out, _ = self.lab.relto(*ask, "--mode", mode, "--agreement", agreement)
            self.assertIn("withhold  agreement-not-usable", out)
            self.assertIn("it is of the other mode", out)
        out, _ = self.lab.relto(*ask, "--mode", "exercise", "--agreement", "drill-open")
        self.assertRegex(out, r"(?m)^release$")

    @staticmethod
    def mode_of(agreement):
        return "exercise" if agreement.startswith("drill") else "live"


class Officer(WallTest):
    """What waits for a release officer says itself which side of the wall it is on."""
    others = {a: {"rules": "    rule flash {\n        precedence at-least FLASH\n        hold for-approval-of GBR within 1h\n    }"}
              for a in UNDER.values()}

    def holds(self, *args, **how):
        return self.lab.relto("holds", *args, context=self.lab.context_name("gbr", "/release-office"), **how)

    def side_by_side(self):
        """A review and a consent of each mode: what they are about -> mode."""
        def flash(report):
            report.manifest.precedence = pb.Precedence.Value("FLASH")
        about = {}
        for mode in UNDER:
            about[text_of(self.put(mode, change=flash))] = mode
            source = self.put(mode, ASKS[mode])
            self.give("NOR", source, self.open(mode))
            self.bodies[mode] += self.publish("NOR", UNDER[mode], sources=[source], mode=mode)[1]
            about[text_of(source)] = mode
        return about

    def setUp(self):
        super().setUp()
        self.about = self.side_by_side()
        self.listed = json.loads(self.holds("list", "--json")[0])["holds"]
        self.addCleanup(self.reject_all)

    def reject_all(self):
        with self.client("gbr", "/release-office") as office:
            for h in office.holds():
                office.decide(h.hold, "REJECT")

    def test_json_and_wire_say_the_mode_of_each(self):
        self.assertEqual({h.get("source") or h["report"]: h["mode"].upper() for h in self.listed}, self.about)
        self.assertEqual({(h["kind"], h["mode"]) for h in self.listed},
                         {(k, m.lower()) for k in ("review", "consent") for m in UNDER})
        with self.client("gbr", "/release-office") as office:
            self.assertEqual({text_of(h.source or h.report): pb.Mode.Name(h.mode) for h in office.holds()}, self.about)
        for h in self.listed:
            self.assertEqual(json.loads(self.holds("show", h["hold"], "--json")[0]), h)

    def test_list_and_show_say_exercise_of_an_exercise_and_of_nothing_else(self):
        words = {"LIVE": "live", "EXERCISE": "EXERCISE"}
        lines = self.holds("list")[0].splitlines()[1:]
        said = {re.search(r"(?:report|source) (\S+)", l).group(1): l.split()[1] for l in lines}
        self.assertEqual(said, {id: words[mode] for id, mode in self.about.items()})
        self.assertEqual({l.split()[2] for l in lines}, {"review", "consent"})
        for h in self.listed:
            out = self.holds("show", h["hold"])[0]
            mode = self.about[h.get("source") or h["report"]]
            self.assertEqual(out.splitlines()[1], "mode       " + words[mode])
            self.assertEqual("EXERCISE" in out, mode == "EXERCISE")

    def test_who_decides_is_told_which_it_was(self):
        for h in self.listed:
            kind = "EXERCISE " if self.about[h.get("source") or h["report"]] == "EXERCISE" else ""
            out = self.holds("reject", h["hold"], "--because", "x")[0]
            self.assertTrue(out.startswith("rejected %s%s for " % (kind, h["hold"])), out)

    def test_a_choice_among_several_says_the_mode_of_each(self):
        for id, mode in self.about.items():
            if id in {h.get("report") for h in self.listed}:
                _, err = self.holds("approve", id, "--because", "x", code=64)
                self.assertIn("  EXERCISE review for " if mode == "EXERCISE" else "  live review for ", err)


class Liar(WallTest):
    def test_a_client_shows_nothing_that_a_broker_puts_on_the_wrong_side(self):
        """Signed by its originator, delivered on a subscription of the other mode: the client keeps the wall, too."""
        for mode in UNDER:
            report, _ = self.report("GBR", UNDER[mode], mode=mode)
            sealed = report.seal()
            for asked in UNDER:
                liar = hub.Hub(self.lab, after_subscribe=lambda s: s.deliver(self.clients["GBR"].agent, sealed))
                try:
                    args = ["sub", "--count", "1", "--wait", "5s"] + ["--exercise"] * (asked == "EXERCISE")
                    out, err = self.lab.relto(*args, context=self.lab.context_name("nor"), RELTO_SERVER=liar.address, code=None)
                    self.assertEqual("report" in out, asked == mode, out + err)
                    self.assertEqual("came on a subscription for" in err, asked != mode, err)
                finally:
                    liar.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
