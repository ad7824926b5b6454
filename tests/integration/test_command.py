#!/usr/bin/python3
"""test_command.py - what an analyst does with the command `relto`: keeping reports, handing them over (design 12)."""
import json
import os
import sys
import time
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402


class Keeping(rig.LabTest):
    def setUp(self):
        self.folder = os.path.join(self.lab.base, "kept." + self.id().rsplit(".", 1)[1])
        self.nor = self.lab.context_name("nor")

    def sub(self, *more, code=0):
        return self.lab.relto("sub", "--save", self.folder, "--count", "1", "--wait", "10s", *more, context=self.nor, code=code)

    def names(self, *parts):
        return sorted(os.listdir(os.path.join(self.folder, *parts)))

    def read(self, *parts):
        with open(os.path.join(self.folder, *parts), "rb") as f:
            return f.read()

    def test_a_saved_report_keeps_who_what_and_how_it_is_marked_beside_the_contents(self):
        bodies = [canary(), canary()]
        _, report = publish(self.client("gbr"), [(SECRET, bodies[0]), (TEARLINE, bodies[1])])
        self.sub()
        (name,) = self.names()
        self.assertEqual(name.replace("-", ""), "GBR." + report.hex())
        self.assertEqual(self.names(name), ["%02d.%s" % (n, what) for n in range(2) for what in (
            "0.label.xml", "1.label.xml", "body", "front", "head")] + ["manifest", "report.json"])
        said = json.loads(self.read(name, "report.json"))
        self.assertEqual(("GBR." + said["report"], said["party"], said["verified"], said["topic"]), (name, "GBR", True, "maritime.piracy"))
        self.assertIn("signature good", said["signature"])
        self.assertEqual([self.read(name, p["file"]) for p in said["portions"]], bodies)
        self.assertEqual(said["portions"][0]["labels"][0]["marking"], "ATLAS SECRET//REL TO GBR, NOR")
        self.assertFalse([p for p in said["portions"] if "content" in p], "the contents are in their files alone")
        for p in ("", "00.body", "report.json"):
            self.assertFalse(os.stat(os.path.join(self.folder, name, p)).st_mode & 0o077, "for its owner alone")

    def test_what_an_interrupted_attempt_left_is_not_taken_for_the_report(self):
        body = canary()
        _, report = publish(self.client("gbr"), [(TEARLINE, body)])
        text = report.hex()
        name = "GBR." + "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
        os.makedirs(os.path.join(self.folder, ".%s.part" % name))
        with open(os.path.join(self.folder, ".%s.part" % name, "00.body"), "wb") as f:
            f.write(body[:3])
        self.sub()
        self.assertEqual(self.names(), [name])
        self.assertEqual(self.read(name, "00.body"), body)

    def test_a_redelivery_leaves_what_was_saved_as_it_is(self):
        publish(self.client("gbr"), [(TEARLINE, canary())])
        self.sub("--no-ack")
        (name,) = self.names()
        with open(os.path.join(self.folder, name, "note"), "w", encoding="utf-8") as f:
            f.write("mine")
        self.sub()
        self.assertEqual(self.names(name), ["00.0.label.xml", "00.1.label.xml", "00.body", "00.front", "00.head", "manifest", "note",
                                            "report.json"])

    def test_what_cannot_be_saved_is_not_acknowledged_and_says_why(self):
        publish(self.client("gbr"), [(TEARLINE, canary())])
        with open(self.folder, "w", encoding="utf-8") as f:
            f.write("in the way")
        _, err = self.sub(code=74)
        self.assertRegex(err, r"cannot save under .*: (Not a directory|File exists); not acknowledged")
        os.unlink(self.folder)
        self.sub()
        self.assertEqual(len(self.names()), 1)

    def test_a_program_that_reads_nothing_does_not_end_the_command(self):
        publish(self.client("gbr"), [(TEARLINE, canary() + b"x" * (1 << 20))])
        self.sub("--exec", "exit 3", code=74)
        self.sub("--exec", "exec <&-; exit 0")

    def test_what_a_program_does_not_take_is_given_back_and_holds_nothing_up(self):
        gbr, name = self.client("gbr"), {}
        for which in ("first", "second"):
            _, report = publish(gbr, [(TEARLINE, canary())])
            name[which] = str(uuid.UUID(bytes=report))
        out, err = self.lab.relto("sub", "--json", "--credit", "1", "--count", "2", "--wait", "10s", "--exec",
                                  "test $RELTO_REPORT != " + name["first"], context=self.nor, code=74)
        self.assertEqual([json.loads(line)["report"] for line in out.splitlines()], [name["first"], name["second"]])
        self.assertEqual(err.count("is given back"), 1)
        self.assertIn("relto: report %s is given back, and comes again in 1 s\n" % name["first"], err)
        self.assertNotIn("nothing more can come", err)
        out, err = self.lab.relto("sub", "--json", "--count", "1", "--wait", "10s", "--exec", "exit 3", context=self.nor, code=74)
        self.assertEqual((json.loads(out)["report"], json.loads(out)["attempt"]), (name["first"], 2))
        self.assertIn("comes again in 2 s", err)
        _, err = self.lab.relto("sub", "--json", "--count", "1", "--wait", "10s", "--no-ack", "--exec", "exit 3",
                                context=self.nor, code=74)
        self.assertNotIn("given back", err)
        self.sub()

    def test_a_person_gives_a_report_back_for_a_while(self):
        gbr = self.client("gbr")
        publish(gbr, [(TEARLINE, canary())])

        def sub(*more, code=0, wait="10s"):
            out, err = self.lab.relto("sub", "--json", "--count", "1", "--wait", wait, *more, context=self.nor, code=code)
            return [json.loads(line)["attempt"] for line in out.splitlines()], err

        attempts, err = sub("--nack", "1s", "--count", "2", "--save", self.folder)
        self.assertEqual(attempts, [1, 2], "in the same session too")
        self.assertEqual(err.count(" is given back, and comes again in 1 s\n"), 2)
        self.assertEqual(len(self.names()), 1, "shown and saved as asked for")
        self.assertEqual(sub(code=75, wait="200ms")[0], [], "it stays away")
        before = time.monotonic()
        self.assertEqual(sub("--nack", "1s")[0], [3])
        self.assertGreater(time.monotonic() - before, 0.5)
        attempts, err = sub("--exec", "exit 3", "--retry-delay", "500ms", code=74)
        self.assertEqual(attempts, [4])
        self.assertIn("comes again in 0.5 s\n", err, "not the 8 s of a fourth time")
        self.assertEqual(sub()[0], [5])
        self.assertEqual(sub(code=75, wait="200ms")[0], [], "acknowledged at last")

    def test_who_is_done_says_goodbye_once(self):
        """A Bye behind Bye is a breach, and on record."""
        before = len(self.lab.messages())
        with self.lab.client("gbr") as gbr:
            publish(gbr, [(TEARLINE, canary())])
        self.sub()
        self.lab.relto("pub", "maritime.piracy", "-", "--label", "ATLAS RESTRICTED//REL TO ATLAS", "--agreement", "atlas",
                       context=self.lab.context_name("gbr"), stdin=canary())
        self.sub()
        self.assertEqual(self.lab.stop(), 0)
        self.assertNotIn("conn.breach", self.lab.messages()[before:])
        self.lab.start()

    def test_a_delay_is_at_most_a_day(self):
        for option in ("--nack", "--retry-delay"):
            self.sub(option, "1d", "--list")
            for wrong in ("86400001ms", "2d", "soon", "-1s"):
                self.assertIn("%s '%s' is not right: a duration of at most 1d" % (option, wrong),
                              self.sub(option, wrong, code=64)[1])
        self.assertIn("one of --no-ack and --nack", self.sub("--nack", "1s", "--no-ack", code=64)[1])
        self.assertIn("--nack takes --count too", self.lab.relto("sub", "--nack", "1s", context=self.nor, code=64)[1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
