#!/usr/bin/python3
"""test_calls.py - how relto is called: exit statuses, what a wrong call says, and what a refusal says to do (design 12)."""
import json
import os
import re
import stat
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402

LABEL = "ATLAS RESTRICTED//REL TO ATLAS"
COMMANDS = "lab context whoami agreement pub sub explain policy audit admin vocab".split()


class Called(rig.LabTest):
    @classmethod
    def prepare(cls):
        cls.gbr, cls.nor = cls.lab.context_name("gbr"), cls.lab.context_name("nor")
        cls.operator = cls.lab.context_name("hub", "/operator")

    def gets(self, *words, code, **more):
        return self.lab.relto(*words, context=more.pop("context", self.gbr), code=code, **more)

    def pub(self, *more, code=0, topic="maritime.piracy", **also):
        return self.gets("pub", topic, *more, code=code, stdin=b"Two skiffs.", **also)


class WrongCalls(Called):
    def test_a_value_that_is_not_right_says_what_would_be(self):
        for words, right in ((("--precedence", "HIGH"), "ROUTINE, PRIORITY, IMMEDIATE or FLASH"),
                             (("--expires", "tomorrow"), "2026-01-31T18:00:00Z"), (("--not-before", "x"), "2026-01-31T18:00:00Z"),
                             (("--id", "7"), "a UUID"), (("--source", "7"), "a UUID"),
                             (("--label", LABEL) * 5, "a portion has at most 4"),
                             (("--agreement", "a") * 9, "at most 8"), (("--only-to", "X") * 257, "at most 256"),
                             (("--portion", "f") * 257, "at most 256"), (("--label",), "--label takes a value"),
                             (("--bogus",), "what is '--bogus'?")):
            self.assertIn(right, self.pub(*words, code=64)[1].splitlines()[0], words)
        for words, right in ((("--wait", "soon"), "30s, 5m, 2h or 1d"), (("--count", "0"), "a number from 1 on"),
                             (("--from", "end"), "start"), (("--wait",), "takes a value"), (("x",), "what is 'x'?")):
            self.assertIn(right, self.gets("sub", *words, code=64)[1].splitlines()[0], words)

    def test_a_topic_or_mode_that_no_agreement_covers_says_why_and_what_there_is(self):
        _, err = self.pub("--label", LABEL, topic="maritime..piracy", code=64)
        self.assertIn("the topic 'maritime..piracy' is not right", err)
        _, err = self.pub("--label", LABEL, topic="weather.sea", code=64)
        self.assertRegex(err, r"(?m)^  atlas: it does not cover the topic; its topics: .*maritime")
        _, err = self.pub("--label", LABEL, "--exercise", code=64)
        self.assertRegex(err, r"(?m)^  atlas: it is not for --exercise; its topics:")

    def test_standard_input_is_one_portion(self):
        for words in (("-", "--label", LABEL, "--portion", "-", "--label", LABEL), ("--label", LABEL, "--portion", "-", "--label", LABEL)):
            self.assertIn("2 portions from standard input", self.pub(*words, code=64)[1])
        self.assertIn("no --label", self.pub(code=64)[1])

    def test_every_command_says_how_it_is_called(self):
        for words in (("help",), ("--help",)):
            out, _ = self.gets(*words, code=0)
            for name in COMMANDS:
                self.assertIn("\n  relto %s " % name if name != "whoami" else "\n  relto whoami ", out)
        for name in COMMANDS:
            self.assertTrue(self.gets(name, "--help", code=0)[0].startswith("usage: relto %s" % name))
        self.assertIn("--domain", self.gets("context", "trust", "--help", code=0)[0])
        for option in ("--save", "--exec", "--credit", "--unverified", "--exercise", "--from"):
            self.assertIn(option, self.gets("sub", "--help", code=0)[0])
        self.assertRegex(self.gets("--version", code=0)[0], r"^relto \d+\.\d+\.\d+\n$")
        self.gets("nonsense", code=64)


class Statuses(Called):
    def test_each_failure_has_the_status_of_its_kind(self):
        missing = os.path.join(self.lab.base, "missing")
        self.pub(missing, "--label", LABEL, code=66)
        self.pub("--label", "ATLAS SECRT", code=65)
        self.pub("--label", LABEL, "--agreement", "nobody", code=77)
        self.gets("explain", "01a22731-5392-7bfc-81c5-2f4b638bfe7c", code=66)
        self.gets("admin", "status", code=77)
        self.gets("whoami", context="nobody", code=66)
        self.gets("whoami", "--server", "127.0.0.1:1", code=69)
        self.gets("whoami", "--server", "nonsense", code=64)
        self.gets("sub", "--count", "1", "--wait", "10ms", context=self.nor, code=75)
        with open("/dev/full", "w") as full:
            self.gets("whoami", code=74, stdout=full)

    def test_a_context_without_what_a_connection_needs_says_what(self):
        self.gets("context", "add", "half", "--server", self.lab.address, code=0)
        self.addCleanup(os.unlink, self.lab.path("home", "contexts", "half.conf"))
        _, err = self.gets("whoami", context="half", code=78)
        self.assertIn("'hub-id'", err)

    def test_a_key_that_others_can_read_is_refused(self):
        key = self.lab.path("parties", "GBR", "fusion-desk.key")
        mode = stat.S_IMODE(os.stat(key).st_mode)
        self.addCleanup(os.chmod, key, mode)
        for bad in (0o644, 0o640, 0o604):
            os.chmod(key, bad)
            self.assertIn("can read", self.gets("whoami", code=78)[1])

    def test_another_hub_is_refused_by_its_name_and_by_its_authority(self):
        _, err = self.gets("whoami", "--hub-id", "spiffe://hub.example/other", code=77)
        self.assertIn("this is not the pinned hub spiffe://hub.example/other", err)
        _, err = self.gets("whoami", "--hub-ca", self.lab.path("parties", "KEN", "ca.pem"), code=77)
        self.assertIn("this is not the pinned hub", err)

    def test_a_log_key_that_is_not_there_is_one_line(self):
        _, err = self.gets("whoami", "--log-key", os.path.join(self.lab.base, "none"), code=78)
        self.assertRegex(err, r"^relto: config: log-key: .*No such file or directory\n$")


class Policies(Called):
    def test_a_file_that_cannot_be_read_is_named_once(self):
        policy = self.lab.path("policy", "relto.policy")
        text = self.lab.read("policy/relto.policy")
        self.addCleanup(self.lab.write, "policy/relto.policy", text)
        self.lab.write("policy/relto.policy", text + 'include "none.policy"\ninclude-dir "nowhere"\n')
        for said in (self.gets("policy", "check", policy, code=65)[1], self.loaded()):
            for path in ("none.policy", "nowhere"):
                line, = re.findall(r"(?m)^.*error: (.*/%s\b.*)$" % path, said)
                self.assertEqual(line.count(path), 1, line)

    def loaded(self):
        """What reltod says of the same policy."""
        got = subprocess.run([rig.program("reltod"), "-t", "-c", self.lab.path("reltod.conf")], capture_output=True)
        self.assertEqual(got.returncode, 65, got.stderr)
        return got.stderr.decode()


class Operating(Called):
    def test_a_clock_that_is_right_need_not_be_accepted(self):
        _, err = self.gets("admin", "clock", "accept", context=self.operator, code=1)
        self.assertEqual(err, "relto: the broker's clock is not in doubt: there is nothing to accept\n")

    def test_without_the_setting_there_are_no_backups(self):
        _, err = self.gets("admin", "backup", "x", context=self.operator, code=78)
        self.assertIn("the setting 'store { backup-dir }' says where", err)

    def test_status_has_a_space_between_what_and_how_much(self):
        out, _ = self.gets("admin", "status", context=self.operator, code=0)
        said = json.loads(self.gets("admin", "status", "--json", context=self.operator, code=0)[0])
        for name in said["counters"]:
            self.assertRegex(out, r"(?m)^ *%s +\d+$" % re.escape(name))


class Contexts(Called):
    def test_a_context_is_made_of_settings_and_said(self):
        _, err = self.gets("context", "add", "empty", code=64)
        self.assertIn("no setting is said", err)
        _, err = self.gets("context", "add", "mine", "--server", "127.0.0.1:9", code=0)
        self.addCleanup(os.unlink, self.lab.path("home", "contexts", "mine.conf"))
        self.assertIn("context 'mine' is in %s" % self.lab.path("home", "contexts", "mine.conf"), err)
        self.gets("context", "add", "mine", "--server", "127.0.0.1:8", code=64)
        self.gets("context", "add", "mine", "--server", "127.0.0.1:8", "--replace", code=0)
        plain = {"RELTO_SERVER": ""}  # else it wins over what the contexts say
        said = json.loads(self.gets("context", "list", "--json", code=0, **plain)[0])
        self.assertIn(("mine", "127.0.0.1:8"), [(c["name"], c["server"]) for c in said["contexts"]])
        self.gets("context", "use", "nobody", code=66)
        self.gets("context", "use", "mine", code=0)
        self.addCleanup(self.gets, "context", "use", self.gbr, code=0)
        self.assertRegex(self.gets("context", "list", code=0, **plain)[0], r"(?m)^\* mine +127\.0\.0\.1:8 ")

    def test_the_list_shows_where_a_broker_is_that_picked_its_port(self):
        lab = rig.Lab("--port", "0")
        self.addCleanup(lab.remove)
        self.assertRegex(lab.relto("context", "list")[0], r"(?m)^\* gbr +\(.*run/addresses\) ")
        lab.start()
        self.assertRegex(lab.relto("context", "list", RELTO_SERVER="")[0], r"(?m)^\* gbr +%s " % re.escape(lab.address))


class Made(unittest.TestCase):
    def test_a_lab_is_for_its_owner_alone_whatever_the_umask(self):
        lab = rig.Lab()
        self.addCleanup(lab.remove)
        folder = os.path.join(lab.base, "open")
        subprocess.run([lab.relto_path, "lab", "init", folder], check=True, stdout=subprocess.DEVNULL, timeout=120,
                       preexec_fn=lambda: os.umask(0))
        seen = 0
        for where, _, files in os.walk(folder):
            self.assertEqual(stat.S_IMODE(os.stat(where).st_mode), 0o700, where)
            for name in files:
                mode = stat.S_IMODE(os.stat(os.path.join(where, name)).st_mode)
                self.assertEqual(mode & 0o022, 0, name)
                if name.endswith(".key"):
                    seen += 1
                    self.assertEqual(mode, 0o400, name)
        self.assertGreater(seen, 10)


if __name__ == "__main__":
    unittest.main()
