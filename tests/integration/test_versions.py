#!/usr/bin/python3
"""test_versions.py - what the parties agreed the operator alone cannot change: versions rise, one version has one digest,
its state only falls (design 7, Terms)."""
import json
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from test_again import ATLAS, POLICY, QUIET, WITHHOLD, AgainTest, rows, tables  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402

NORDIC = "policy/agreements.d/nordic.policy"  # one more agreement, which no test touches
LOWER = "its version is lower than one before"
OTHER = "its version was used before with other terms"
EARLIER = "its state is an earlier one than its version had"


class VersionsTest(AgainTest):
    base = 0  # of the version numbers of one test: above all of the tests before

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.text = cls.lab.read(ATLAS)
        cls.lab.write(NORDIC, cls.text.replace("agreement atlas", "agreement nordic"))

    def setUp(self):
        type(self).base += 10
        self.put(5)
        super().setUp()
        self.reload()

    def restore(self):
        """Nothing: every test begins with a text and a version of its own."""

    def put(self, version, state="in-force", title="one"):
        text = re.sub(r"version  \d+", "version  %d" % (self.base + version), self.text)
        self.lab.write(ATLAS, re.sub(r"(title +).*", r'\1"%s"' % title, re.sub(r"(state +)\S+", r"\1" + state, text)))

    def load(self, version, state="in-force", title="one"):
        """A reload with this text of the agreement; what the daemon says of it."""
        before = len(self.lab.messages())
        self.put(version, state, title)
        self.reload()
        return self.lab.messages()[before:]

    def refused(self, said, version, why):
        self.assertIn('policy.agreement-refused name="atlas" version=%d why="%s"' % (self.base + version, why), said)
        self.assertEqual(said.count("agreement-refused"), 1, "the others load")
        self.publishes("nordic")
        with self.lab.client("gbr") as gbr:  # a session that stays makes a stop wait
            with self.assertRaises(wire.Refused) as no:
                publish(gbr, [(TEARLINE, canary())])
        self.assertEqual(no.exception.code, "agreement-not-usable")
        self.assertIn("atlas: " + why, str(no.exception))
        self.assertEqual({a.name: a.suspended for a in gbr.welcome.agreements}, {b"atlas": True, b"nordic": False})

    def operator(self, what, code=0):
        """What `relto admin` says, as JSON."""
        out, err = self.lab.relto("admin", what, "--json", context="operator", code=code)
        self.assertEqual("nothing goes under an agreement that is refused or unsigned" in err, code == 1)
        return json.loads(out)

    def accepted(self, said):
        self.assertNotIn("agreement-refused", said)
        self.publishes("atlas")

    def publishes(self, name):
        nor, body = self.reader("nor"), canary()
        with self.lab.client("gbr") as gbr:
            report = wire.Report(gbr.agent, "maritime.piracy", [(name, gbr.terms[name])])
            gbr.publish(report.portion(TEARLINE, body).seal())
        got = nor.receive()
        self.assertEqual(got.contents, [body])
        nor.ack(got)
        nor.close()

    def told(self, party="GBR", name="atlas"):
        """What the AGREEMENT records tell a party: (version, state, suspended)."""
        records = [r.slots[7] for r in self.log(kind="AGREEMENT") if (r.text(7, 0), r.text(7, 1)) == (party, name)]
        return [(witness.uint(b[2]) - self.base, b[4][0], b[5][0]) for b in records]


class Rising(VersionsTest):
    def test_a_lower_version_is_not_usable_and_the_others_load(self):
        told = self.told()
        self.refused(self.load(4), 4, LOWER)
        self.assertEqual(self.told(), told, "nobody is told of what was not accepted")
        self.refused(self.load(4, title="two"), 4, LOWER)
        self.accepted(self.load(5))
        self.assertEqual(self.told(), told, "what was accepted before is what is in force again")
        self.accepted(self.load(6, title="two"))
        self.refused(self.load(5), 5, LOWER)
        self.proven()

    def test_one_version_has_one_digest(self):
        self.refused(self.load(5, title="two"), 5, OTHER)
        self.refused(self.load(5, title="three"), 5, OTHER)
        self.accepted(self.load(6, title="two"))
        self.refused(self.load(6), 6, OTHER)

    def test_a_changed_trust_anchor_is_other_terms(self):
        bundle = self.lab.read("policy/trust/ken-ca.pem")
        self.addCleanup(self.lab.write, "policy/trust/ken-ca.pem", bundle)
        self.lab.relto("lab", "init", os.path.join(self.lab.base, "other"))
        with open(os.path.join(self.lab.base, "other/policy/trust/ken-ca.pem"), encoding="utf-8") as f:
            self.lab.write("policy/trust/ken-ca.pem", bundle + f.read())
        said = self.load(5)
        for name in ("atlas", "nordic"):
            self.assertRegex(said, 'agreement-refused name="%s" .* why="%s"' % (name, OTHER))

    def test_the_state_of_a_version_only_falls(self):
        self.assertNotIn("refused", self.load(6, "draft"))
        self.accepted(self.load(6, "in-force"))
        self.refused(self.load(6, "draft"), 6, EARLIER)
        self.assertNotIn("agreement-refused", self.load(6, "terminated"))
        self.refused(self.load(6, "in-force"), 6, EARLIER)
        self.assertEqual(self.told()[-3:], [(6, 1, 1), (6, 2, 1), (6, 3, 1)])
        self.accepted(self.load(7, "in-force"))

    def test_what_waits_under_it_is_withheld(self):
        self.drain("nor", "ken")
        _, report = publish(self.client("gbr"), [(TEARLINE, canary())])
        self.load(4)
        nor = self.reader("nor")
        self.assertIsNone(nor.receive(timeout=QUIET))
        ended = self.recorded(report, "NARROWED")
        self.assertEqual((ended.outcome, ended.reasons), (WITHHOLD, ["agreement-ended"]))
        self.assertEqual(self.log(report, "DELIVERY"), [])

    def test_an_outsider_reads_of_a_refused_agreement_what_it_reads_of_none(self):
        self.text = Lost.without_ken(self.text)
        self.load(6)
        terms = self.client("gbr").terms["atlas"]
        self.load(4)
        ken, said = self.client("ken"), []
        for name in ("atlas", "nothing"):
            report = wire.Report(ken.agent, "maritime.piracy", [(name, terms)])
            with self.assertRaises(wire.Refused) as no:
                ken.publish(report.portion(TEARLINE, canary()).seal())
            said.append(str(no.exception).replace(name, ""))
        self.assertEqual(said[0], said[1])

    def test_a_version_counts_for_parties_that_were_no_members_then(self):
        def load(version, member):
            before = len(self.lab.messages())
            self.lab.write("policy/agreements.d/tiny.policy", "agreement tiny {\n version %d\n state in-force\n mode live\n"
                           " valid from 2026-01-01 until 2026-12-31\n topics [ x ]\n member %s {\n may [ receive ]\n }\n}\n"
                           % (version, member))
            self.reload()
            return self.lab.messages()[before:]

        self.addCleanup(os.unlink, self.lab.path("policy/agreements.d/tiny.policy"))
        self.assertNotIn("refused", load(1, "GBR") + load(2, "NOR"))
        self.assertIn('agreement-refused name="tiny" version=1 why="%s"' % LOWER, load(1, "GBR"))

    def test_new_terms_wait_for_the_trust_bundle_of_a_member_and_are_not_accepted_meanwhile(self):
        told, bundle = self.told(), self.lab.read("policy/trust/ken-ca.pem")
        self.lab.write("policy/trust/ken-ca.pem", "no bundle\n")
        self.addCleanup(self.lab.write, "policy/trust/ken-ca.pem", bundle)
        _, report = publish(self.client("gbr"), [(TEARLINE, canary())])
        self.assertIn('policy.agreement-waits name="atlas" version=%d' % (self.base + 6), self.load(6, title="two"))
        gbr = self.client("gbr")
        self.assertTrue([a.suspended for a in gbr.welcome.agreements if a.name == b"atlas"][0])
        with self.assertRaises(wire.Refused):
            publish(gbr, [(TEARLINE, canary())])
        self.assertEqual(self.told(), told)
        got = self.reader("nor").receive()
        self.assertEqual(got.manifest.id, report, "what waits is not withheld for it")
        self.drain("nor")
        self.publishes("nordic")
        self.lab.write("policy/trust/ken-ca.pem", bundle)
        self.accepted(self.load(6, title="two"))

    def test_a_reload_that_fails_accepts_nothing(self):
        self.lab.write(POLICY, "hub NOBODY\n" + self.texts[POLICY].replace("hub HUB\n", ""))
        self.put(9, title="two")
        before = len(self.lab.messages())
        self.lab.signal(1)
        rig.until(lambda: "reload.failed" in self.lab.messages()[before:], 10, "a loud word")
        self.lab.write(POLICY, self.texts[POLICY])
        self.accepted(self.load(6))

    def test_an_agreement_that_is_lost_and_a_suspension_that_ends_are_told(self):
        self.lab.write(POLICY, self.texts[POLICY] + "suspend atlas\n")
        self.load(5)
        self.lab.write(POLICY, self.texts[POLICY])
        self.assertIn('policy.suspension-ended name="atlas" version=%d' % (self.base + 5), self.load(5))
        before = len(self.lab.messages())
        os.unlink(self.lab.path(ATLAS))
        self.reload()
        self.assertIn('policy.agreement-gone name="atlas" version=%d' % (self.base + 5), self.lab.messages()[before:])
        self.refused(self.load(4), 4, LOWER)
        self.accepted(self.load(5))


class Lost(VersionsTest):
    without_ken = staticmethod(lambda text: re.sub(
        r"(?s)    (member KEN|rule never-finint-to-ken) \{.*?\n    \}\n", "", text))

    def test_who_loses_an_agreement_is_told_and_told_again_when_it_comes_back(self):
        os.unlink(self.lab.path(ATLAS))
        self.reload()
        for party in ("GBR", "KEN"):
            self.assertEqual(self.told(party)[-2:], [(5, 2, 1), (5, 2, 2)])
            self.assertEqual(self.told(party, "nordic")[-1][2], 1)
        told = self.told()
        self.reload()
        self.assertEqual(self.told(), told, "once")
        self.assertNotIn("agreement-refused", self.load(5))
        self.assertEqual(self.told()[len(told):], [(5, 2, 1)])
        self.proven()

    def test_a_member_that_leaves_is_told_of_what_it_had_and_not_of_what_came(self):
        before = self.text
        self.text = self.without_ken(before)
        self.load(6)
        self.assertEqual((self.told("KEN")[-1], self.told("NOR")[-1]), ((5, 2, 2), (6, 2, 1)))
        records = [r for r in self.log(kind="AGREEMENT")[-3:] if r.text(7, 1) == "atlas"]
        self.assertEqual([r.text(7, 0) for r in records], ["KEN", "GBR", "NOR"], "what came is the last word on the name")
        self.text = before
        self.load(7)
        self.assertEqual(self.told("KEN")[-1], (7, 2, 1))
        self.proven()

    def test_what_was_refused_takes_nothing_from_anybody(self):
        told, self.text = self.told("KEN"), self.without_ken(self.text)
        self.assertIn("agreement-refused", self.load(4))
        self.assertEqual(self.told("KEN"), told)

    def test_a_loss_while_the_broker_was_down_is_told_at_the_start(self):
        self.lab.stop()
        os.unlink(self.lab.path(ATLAS))
        self.lab.start()
        self.assertEqual(self.told("KEN")[-1], (5, 2, 2))


class Operated(VersionsTest):
    def test_an_operator_is_told_of_an_agreement_that_is_refused_as_long_as_it_is(self):
        self.assertEqual(self.operator("reload"), {"ok": True})
        self.put(5, title="two")
        dead = [{"agreement": "atlas", "why": OTHER}]
        self.assertEqual(self.operator("reload", code=1), {"ok": True, "refused": dead})
        self.assertEqual(self.operator("status")["refused"], dead)
        out, _ = self.lab.relto("admin", "reload", context="operator", code=1)
        self.assertRegex(out, r"(?m)\Aok +yes\nrefused +atlas: %s\n\Z" % OTHER)
        self.lab.stop()
        self.lab.start()
        self.assertEqual(self.operator("status")["refused"], dead)
        self.assertRegex(self.lab.relto("admin", "status", context="operator")[0], r"(?m)^refused +atlas: %s$" % OTHER)
        self.put(6, title="two")
        self.assertEqual(self.operator("reload"), {"ok": True})
        self.assertEqual({"refused", "unsigned", "waits", "shut_out", "more"} & set(self.operator("status")), set())

    def test_an_operator_and_the_auditors_are_told_who_is_shut_out_and_what_waits_for_it(self):
        bundle = self.lab.read("policy/trust/ken-ca.pem")
        self.lab.write("policy/trust/ken-ca.pem", "no bundle\n")
        self.addCleanup(self.lab.write, "policy/trust/ken-ca.pem", bundle)
        self.put(6, title="two")
        self.assertEqual(self.operator("reload", code=1), {"ok": True, "waits": ["atlas"], "shut_out": ["KEN"]})
        self.assertEqual(self.log(kind="POLICY")[-1].text(7, 4), "KEN")
        self.lab.write("policy/trust/ken-ca.pem", bundle)
        self.assertEqual(self.operator("reload"), {"ok": True})
        self.assertEqual(self.log(kind="POLICY")[-1].text(7, 4), "")
        self.proven()


class Restarted(VersionsTest):
    def restarted(self, version, state="in-force", title="one", meanwhile=lambda: None):
        self.lab.stop()
        before = len(self.lab.messages())
        self.put(version, state, title)
        meanwhile()
        self.lab.start()
        return self.lab.messages()[before:]

    def test_a_restart_forgets_no_version(self):
        self.refused(self.restarted(4), 4, LOWER)
        self.refused(self.restarted(5, title="two"), 5, OTHER)
        self.accepted(self.restarted(5, "in-force"))
        self.assertNotIn("agreement-refused", self.restarted(5, "terminated"))
        self.refused(self.restarted(5, "in-force"), 5, EARLIER)
        self.accepted(self.restarted(6, "in-force"))

    def test_a_store_without_notes_of_what_was_accepted_has_those_of_what_members_were_told(self):
        def forget():
            env = tables(self.lab, write=True)
            with env.begin(write=True) as t:
                for key in (b"note/terms/atlas", b"note/terms/nordic"):
                    self.assertTrue(t.delete(key, db=env.open_db(b"meta", t, create=False)))
            env.close()

        self.refused(self.restarted(4, meanwhile=forget), 4, LOWER)
        self.assertNotIn(b"note/terms/atlas", [key for key, _ in rows(self.lab, "meta")])
        self.accepted(self.load(5))
        self.assertIn(b"note/terms/atlas", [key for key, _ in rows(self.lab, "meta")])


class Shown(AgainTest):
    def test_an_agreement_that_lacks_signatures_is_shown_as_one_that_cannot_be_used(self):
        self.policy(lambda: self.lab.edit(ATLAS, r"(?m)^( +topics .*)$", r"\1\n    signatures required [ GBR ]"))
        self.assertEqual([a.suspended for a in self.client("gbr").welcome.agreements], [True])
        self.assertIn("suspended", self.lab.relto("agreement", "list", context=self.lab.context_name("gbr"))[0])


class Names(AgainTest):
    def test_an_agreement_with_a_name_of_64_characters_loads(self):
        self.lab.edit(ATLAS, "agreement atlas", "agreement " + 64 * "a")
        self.reload()
        self.assertIn(64 * "a", self.client("gbr").terms)


if __name__ == "__main__":
    unittest.main(verbosity=2)
