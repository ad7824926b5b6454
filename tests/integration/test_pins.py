#!/usr/bin/python3
"""test_pins.py - what a party accepted is kept with its context, and nothing is published under other terms; what an
operator does behind the parties' backs, a publisher's pin and a member's history show (design 7, Terms)."""
import json
import os
import re
import stat
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402, F401: the path of the next ones
import wire  # noqa: E402
from test_terms import REQUIRED, TermsTest  # noqa: E402

LABEL = "ATLAS RESTRICTED//REL TO ATLAS"


class PinsTest(TermsTest):
    def setUp(self):
        super().setUp()
        self.drain("nor", "ken")
        self.gbr = self.lab.context_name("gbr")
        self.file_of_pins = self.lab.path("home", "contexts", self.gbr + ".terms")
        for pins in ("gbr", "nor"):
            path = self.lab.path("home", "contexts", self.lab.context_name(pins) + ".terms")
            if os.path.exists(path):
                os.unlink(path)

    def agreement(self, *words, code=0, party=None):
        return self.lab.relto("agreement", *words, context=party or self.gbr, code=code)

    def pub(self, code=0, *more):
        return self.lab.relto("pub", "maritime.piracy", "--label", LABEL, "--label", "TLP:GREEN", "--agreement", "atlas", *more,
                              context=self.gbr, code=code, stdin=b"Two skiffs.")

    def digest(self):
        with self.lab.client("gbr") as gbr:
            return gbr.terms["atlas"].hex()

    def pins(self):
        with open(self.file_of_pins, encoding="utf-8") as f:
            return [line.split() for line in f if not line.startswith("#")]


class Accepted(PinsTest):
    def test_nothing_is_published_before_the_terms_are_accepted_and_the_refusal_says_how(self):
        digest = self.digest()
        for more in ((), ("--dry-run",)):
            out, err = self.pub(77, *more)
            self.assertEqual(out, "")
            self.assertIn("relto: agreement-not-usable: atlas: its terms were not accepted here\n"
                          "  the broker's  version %d  %s\n" % (self.base + 5, digest), err)
        command = re.search(r"then: relto (agreement accept .*)", err).group(1)
        out, _ = self.agreement(*command.split()[1:])
        self.assertEqual(out, "atlas@%d  %s\n" % (self.base + 5, digest))
        self.assertEqual(self.pins(), [["atlas", str(self.base + 5), digest]])
        self.assertEqual(stat.S_IMODE(os.stat(self.file_of_pins).st_mode), 0o600)
        self.pub()

    def test_accepting_without_a_digest_says_what_that_rests_on(self):
        out, err = self.agreement("accept", "atlas")
        self.assertIn(self.digest(), out)
        self.assertIn("accepted as the broker shows it; compare the digest", err)
        out, err = self.agreement("accept", "atlas")
        self.assertEqual(err, "accepted before\n")
        said = json.loads(self.agreement("accept", "atlas", "--json")[0])
        self.assertEqual((said["terms"], said["changed"], said["version"]), (self.digest(), False, self.base + 5))

    def test_another_digest_than_the_one_named_is_not_accepted(self):
        out, err = self.agreement("accept", "atlas", "--terms", 64 * "0", code=77)
        self.assertEqual(out, "")
        self.assertIn("atlas: the broker has other terms than those named; nothing was changed", err)
        self.assertFalse(os.path.exists(self.file_of_pins))
        for wrong in ("x", 63 * "0", 65 * "0", 64 * "G"):
            self.assertIn("64 hexadecimal digits", self.agreement("accept", "atlas", "--terms", wrong, code=64)[1])
        self.assertIn("--terms takes a value", self.agreement("accept", "atlas", "--terms", code=64)[1])
        self.assertIn("there is no agreement 'x' of yours; there are: atlas nordic", self.agreement("accept", "x", code=66)[1])
        for words in (("accept",), ("list", "atlas"), ("drop", "atlas"), (), ("list", "--terms", 64 * "0")):
            self.agreement(*words, code=64)

    def test_the_list_says_what_was_accepted_and_what_is_there_now(self):
        self.assertIn("not accepted here: nothing is published under it", self.agreement("list")[0])
        self.agreement("accept", "atlas")
        old = self.digest()
        self.assertIn("    accepted\n", self.agreement("list")[0])
        said = {a["name"]: a for a in json.loads(self.agreement("list", "--json")[0])["agreements"]}
        self.assertEqual([said[n]["accepted"] for n in ("atlas", "nordic")], [True, False])
        self.assertEqual([said[n]["accepted_terms"] for n in ("atlas", "nordic")], [old, None])
        self.load(6, title="two")
        self.assertIn("not accepted here: version %d was, terms %s" % (self.base + 5, old), self.agreement("list")[0])
        said = {a["name"]: a for a in json.loads(self.agreement("list", "--json")[0])["agreements"]}["atlas"]
        self.assertEqual((said["accepted"], said["accepted_version"], said["accepted_terms"]), (False, self.base + 5, old))
        os.unlink(self.lab.path("policy/agreements.d/atlas.policy"))
        self.reload()
        self.assertRegex(self.agreement("list")[0], "(?m)^atlas  accepted as version %d, and none of yours any more$" % (
            self.base + 5))
        self.assertIn("atlas: the broker shows no such agreement any more", self.pub(77)[1])

    def test_a_file_that_is_not_right_publishes_nothing(self):
        self.agreement("accept", "atlas")
        with open(self.file_of_pins, encoding="utf-8") as f:
            good = f.read()
        for text, why in ((good + good, "two lines of agreement 'atlas'"), ("atlas 5\n", "no line of accepted terms"),
                          ("atlas 5 00\n", "64 hexadecimal digits"), ("atlas x %s\n" % (64 * "0"), "1:7: 'x' is not an integer")):
            with open(self.file_of_pins, "w", encoding="utf-8") as f:
                f.write(text)
            self.assertIn(why, self.pub(78)[1])
        with open(self.file_of_pins, "w", encoding="utf-8") as f:
            f.write(good)
        os.chmod(self.file_of_pins, 0o666)
        self.assertIn("write", self.pub(78)[1])
        os.chmod(self.file_of_pins, 0o600)
        self.pub()

    def test_a_lab_has_accepted_its_own_agreement(self):
        lab = rig.Lab()
        self.addCleanup(lab.remove)
        lab.start()
        lab.relto("pub", "maritime.piracy", "--label", LABEL, context="gbr", stdin=b"x")
        self.assertIn("    accepted\n", lab.relto("agreement", "list", context="ken-watch")[0])


class Tried(PinsTest):
    """By an operator whom the broker obeys: the parties see it."""

    def test_the_line_is_dropped_under_a_higher_version(self):
        self.agreement("accept", "atlas")
        old = self.digest()
        self.addCleanup(setattr, self, "text", self.text)
        self.text, self.signs = self.text.replace(REQUIRED, ""), False
        self.accepted(self.load(6))
        _, err = self.pub(77)
        self.assertIn("atlas: the broker's terms are not those that were accepted\n"
                      "  accepted      version %d  %s\n  the broker's  version %d  " % (self.base + 5, old, self.base + 6), err)
        for party in ("NOR", "KEN"):  # each member's own history
            records = [r for r in self.log(kind="AGREEMENT") if (r.text(7, 0), r.text(7, 1)) == (party, "atlas")][-2:]
            self.assertEqual([r.text(7, 6) != "" for r in records], [True, False])
            self.assertEqual(records[0].slots[7][3].hex(), old)
            self.assertNotEqual(records[1].slots[7][3].hex(), old)

    def test_a_broker_that_forgot_what_it_accepted(self):
        """An operator who has another store: the broker knows nothing of before, the pin does."""
        self.load(6, title="two")
        self.agreement("accept", "atlas")
        pinned = self.pins()
        for version, title, why in ((5, "one", "a later version was accepted before"),
                                    (6, "three", "the same version was accepted with other terms")):
            self.lab.stop()
            os.rename(self.lab.path("spool"), self.lab.path("spool.%d" % version))
            os.mkdir(self.lab.path("spool"))
            self.put(version, title=title)
            self.lab.start()
            self.assertIn("fork", self.pub(76)[1])  # the log itself, to whoever kept a head
            self.agreement("list", code=76)
            for name in os.listdir(self.lab.path("home/state")):  # who did not
                os.rename(self.lab.path("home/state", name), self.lab.path("home", "%s.%d" % (name, version)))
            self.assertIn("atlas: the broker's terms are not those that were accepted", self.pub(77)[1])
            self.assertIn(why, self.agreement("accept", "atlas", code=77)[1])
            self.assertEqual(self.pins(), pinned)

    def test_a_publication_names_the_terms_that_were_accepted(self):
        self.agreement("accept", "atlas")
        out, _ = self.pub(0, "--json")
        self.assertTrue(json.loads(out)["report"])
        with self.lab.client("gbr") as gbr:  # and the broker refuses any others
            report = wire.Report(gbr.agent, "maritime.piracy", [("atlas", b"\1" * 32)])
            with self.assertRaises(wire.Refused) as no:
                gbr.publish(report.portion([wire.label("TLP", "GREEN")], b"x" * 16).seal())
        self.assertIn("its terms are not those named", str(no.exception))


if __name__ == "__main__":
    unittest.main(verbosity=2)
