#!/usr/bin/python3
"""Every command of README.md runs as it is written, in order, and does not fail."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import rig

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SECONDS = 240
# runs this test itself
NOT_HERE = {"scripts/check\n"}


def blocks():
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)


def build_folder():
    return pathlib.Path(rig.program("reltod")).resolve().parent.parent


class Readme(unittest.TestCase):
    def setUp(self):
        """A folder that looks like a checkout after a build."""
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="relto-readme."))
        self.addCleanup(shutil.rmtree, self.dir, True)
        (self.dir / "build").mkdir()
        (self.dir / "build" / "plain").symlink_to(build_folder())
        (self.dir / "scripts").symlink_to(ROOT / "scripts")

    def run_script(self, script):
        """In a session of its own, which is ended as a whole: a broker may be left in it."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("RELTO")}
        with open(self.dir / "said", "wb") as out:
            p = subprocess.Popen(["bash", "-eu", "-c", script], cwd=self.dir, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=out, start_new_session=True, env=dict(env, BUILD=str(build_folder())))
            try:
                code = p.wait(SECONDS)
            except subprocess.TimeoutExpired:
                code = "no end"
            finally:
                try:
                    os.killpg(p.pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass
                p.wait()
        said = (self.dir / "said").read_text(encoding="utf-8", errors="replace")
        self.assertEqual(code, 0, said[-4000:])
        return said

    def test_every_command_of_the_readme_works(self):
        commands = [b for b in blocks() if b not in NOT_HERE]
        self.assertGreater(len(commands), 8)
        marked = "".join("echo '== block %d'\n%s" % (i, b) for i, b in enumerate(commands))
        said = self.run_script(marked)
        for words in ("signature good: GBR", "withhold  classification", "did you mean 'ATLAS SECRET'", "OK (0)",
                      "RECALLS report", "nothing is published while it is suspended", "there are no dead letters",
                      "relto_ready 1", "certificate has been revoked", "forged: exit 6"):
            self.assertIn(words, said)
        lab = said.split("== block 1\n", 1)[1]
        self.assertEqual(lab.count("    Two skiffs approached"), 1, "NOR alone reads the first portion")
        self.assertEqual(lab.partition("approved ")[2].count("    Both skiffs"), 1, "NOR reads what was approved")
        self.assertEqual(lab.count("    Armed approach"), 2, "NOR and KEN read the tearline")

    def test_both_commands_of_the_readme_are_there(self):
        self.assertIn("scripts/demo\n", blocks())
        self.assertIn("scripts/check\n", blocks())
        for name in ("demo", "check"):
            self.assertTrue(os.access(ROOT / "scripts" / name, os.X_OK), name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
