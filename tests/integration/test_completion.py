#!/usr/bin/python3
"""test_completion.py - what may stand next on relto's command line, and the shells that ask for it."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.relto = rig.program("relto")
        cls.home = tempfile.mkdtemp(prefix="relto-completion.")
        cls.addClassCleanup(shutil.rmtree, cls.home)
        os.makedirs(os.path.join(cls.home, "contexts"))
        for name in ("gbr", "gbr-watch", "nor"):
            open(os.path.join(cls.home, "contexts", name + ".conf"), "w").close()
        os.makedirs(os.path.join(cls.home, "a folder"))
        open(os.path.join(cls.home, "a file"), "w").close()

    def run_it(self, *words, **more):
        env = dict(os.environ, RELTO_HOME=self.home, PATH=os.path.dirname(self.relto) + ":" + os.environ["PATH"])
        return subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, cwd=self.home, **more)

    def offered(self, *words):
        got = self.run_it(self.relto, "completion", "--", *words)
        self.assertEqual((got.returncode, got.stderr), (0, ""))
        return [line.split("\t")[0] for line in got.stdout.splitlines()]

    def usages(self):
        """{command: usage text}, as `relto help` shows them."""
        text = self.run_it(self.relto, "help").stdout
        return dict(re.findall(r"(?ms)^  relto (\S+)((?: .*?)?)\n      \S", text))

    def test_a_command_by_its_beginning(self):
        self.assertEqual(self.offered("p"), ["pub", "policy"])
        self.assertEqual(set(self.usages()) | {"help"}, set(self.offered("")))

    def test_the_words_of_a_command(self):
        self.assertEqual(self.offered("holds", ""), ["list", "show", "approve", "reject"])
        self.assertEqual(self.offered("admin", "clock", ""), ["accept"])
        self.assertEqual(self.offered("policy", "ex"), ["export", "explain"])

    def test_no_option_of_another_form(self):
        self.assertIn("--because", self.offered("holds", "reject", "ID", "--"))
        self.assertNotIn("--because", self.offered("holds", "list", "--"))

    def test_values(self):
        self.assertEqual(self.offered("pub", "a.topic", "--precedence", ""), ["ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"])
        self.assertEqual(self.offered("policy", "explain", "DIR", "--mode", "l"), ["live"])
        self.assertEqual(self.offered("sub", "--from", ""), ["start"])
        self.assertEqual(self.offered("sub", "--save", "x"), [":dir"])
        self.assertEqual(self.offered("pub", "a.topic", "x"), [":file"])
        self.assertEqual(self.offered("pub", ""), [])

    def test_contexts_by_name(self):
        self.assertEqual(self.offered("context", "use", ""), ["gbr", "gbr-watch", "nor"])
        self.assertEqual(self.offered("whoami", "--context", "gbr-"), ["gbr-watch"])
        self.assertEqual(self.offered("policy", "check", "--context", ""), [":dir"])

    def test_nothing_of_a_command_that_is_not_there(self):
        self.assertEqual(self.offered("frobnicate", ""), [])
        self.assertEqual(self.offered("holds", "frobnicate", "--"), ["--context", *self.settings(), "--help"])

    def settings(self):
        return [o for o in self.offered("whoami", "--") if o not in ("--json", "--help", "--context")]

    def forms(self, command):
        """The literal words that lead to each form."""
        heads, ready = [[]], []
        while heads:
            head = heads.pop()
            words = [w for w in self.offered(command, *head, "") if re.match(r"[a-z]", w) and not w.startswith("gbr") and w != "nor"]
            ready.append(head)
            heads += [head + [w] for w in words if len(head) < 2]
        return ready

    def test_every_option_that_help_shows_is_offered_somewhere_and_known_to_its_command(self):
        for command, usage in self.usages().items():
            told, offered = set(re.findall(r"--[a-z-]+", usage)) - {"--"}, set()
            for head in self.forms(command):
                mine = [o for o in self.offered(command, *head, "--") if o != "--help"]
                offered |= set(mine)
                for option in mine:
                    got = self.run_it(self.relto, command, *head, option, "--frobnicate")
                    self.assertNotRegex(got.stderr, r"unrecognized option '%s'" % option)
            self.assertLessEqual(told, offered, command)

    def test_a_shell_that_is_not_known(self):
        got = self.run_it(self.relto, "completion", "tcsh")
        self.assertEqual(got.returncode, 64)
        self.assertIn("for which shell: bash, zsh or fish?", got.stderr)

    # the shells themselves
    def script(self, shell):
        path = os.path.join(self.home, "_relto." + shell)
        with open(path, "w", encoding="ascii") as f:
            f.write(self.run_it(self.relto, "completion", shell).stdout)
        return path

    def bash(self, *words):
        quoted = " ".join("'%s'" % w for w in ("relto",) + words)
        got = self.run_it("bash", "-c", "compopt() { :; }; . '%s'; COMP_WORDS=(%s); COMP_CWORD=%d; _relto; "
                          "printf '%%s\\n' \"${COMPREPLY[@]}\"" % (self.script("bash"), quoted, len(words)))
        self.assertEqual(got.stderr, "")
        return got.stdout.split("\n")[:-1]

    def test_bash(self):
        self.assertEqual(self.bash("p"), ["pub", "policy"])
        self.assertEqual(self.bash("context", "use", "gbr"), ["gbr", "gbr-watch"])
        self.assertEqual(self.bash("policy", "check", "a"), ["a folder"])
        self.assertEqual(sorted(self.bash("pub", "topic", "a")), ["a file", "a folder"])

    def test_fish(self):
        got = self.run_it("fish", "--no-config", "-c", ". '%s'; complete -C 'relto context use g'; complete -C 'relto p'" % self.script("fish"))
        self.assertEqual([line.split("\t")[0] for line in got.stdout.splitlines()], ["gbr", "gbr-watch", "policy", "pub"], got.stderr)

    def test_zsh(self):
        """Its helpers stand in for the editor, which has no terminal here."""
        got = self.run_it("zsh", "-f", "-c", "compdef() { :; }; . '%s'; _files() { print -l files $@; }; _describe() { print -l $plain; }; "
                          "words=(relto p); CURRENT=2; _relto; words=(relto sub --save ''); CURRENT=4; _relto" % self.script("zsh"))
        self.assertRegex(got.stdout, r"\Apub:.*\npolicy:.*\nfiles\n-/\n\Z", got.stderr)


if __name__ == "__main__":
    unittest.main()
