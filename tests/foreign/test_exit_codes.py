#!/usr/bin/python3
"""test_exit_codes.py - every exit code of every command of relto-verify is reached, each by something done to a log.

The commands are those of its usage, the codes 0 to 9. A pair has a row here, or stands in NEVER with the reason; one
that has neither fails. The bundles are the golden log told anew with a key of our own (forge.py), tampered with.
"""
import base64
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import readers  # noqa: E402
import forge  # noqa: E402
import lies  # noqa: E402
import tampers  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "vectors", "golden")
PROGRAM = os.environ["RELTO_VERIFY"]
CODES = range(10)
WALKS = ("verify", "show", "party", "trace", "gaps", "stats")  # they prove a whole bundle first

# (command, code) that cannot be: a receipt is one record and its checkpoint, with nothing kept beside it
NEVER = {
    ("receipt", 5): "it has one state of the log, and none to hold it against",
    ("receipt", 7): "it claims no history that could have a gap",
    ("receipt", 8): "it says how the log was, not that it is so still; --state and --max-age are refused",
}


def nothing(_):
    """As it was."""


class Scene:
    """An honest log of our own and its bundle; each call of a method makes another one of it."""

    def __init__(self, folder):
        self.folder, self.hub, self.count = folder, os.path.join(GOLDEN, "bundle-hub"), 0
        self.key = forge.Key(forge.Log(self.hub).origin)
        self.log, self.base = self.told(nothing)
        self.copy = tampers.Copy(self.base)
        intake = self.log.records[self.log.all("INTAKE")[0]]
        hexed = intake.field(1, 2).hex()
        self.report = "-".join((hexed[:8], hexed[8:12], hexed[12:16], hexed[16:20], hexed[20:]))
        self.intake = self.log.all("INTAKE")[0]

    def place(self, name):
        self.count += 1
        return os.path.join(self.folder, "%d-%s" % (self.count, name))

    def told(self, lie):
        """(the log, its bundle) with a change that is signed like all the rest."""
        log, folder = forge.Log(self.hub), self.place("bundle")
        lie(log.rekey(self.key).settle())
        log.write(folder, self.key)
        return log, folder

    def shorter(self):
        """The bundle of the same log when its last record was not there yet."""
        def cut(log):
            log.records.pop()
            log.settle()
        return self.told(cut)[1]

    def earlier(self):
        """A checkpoint of the same log when its last record was not there yet."""
        path = self.place("checkpoint")
        shutil.copy(os.path.join(self.shorter(), "checkpoint"), path)
        return path

    def state(self):
        """What --state keeps of a log that was verified."""
        path = self.place("state")
        subprocess.run([PROGRAM, "verify", self.base, "--key", self.key.vkey, "--state", path], check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        return path

    def receipt(self, log, index, change=nothing):
        """A tlog-proof of one record; change(list of its lines)."""
        leaves = [r.leaf for r in log.records]
        text = "%s\n%d\n%s\n" % (self.key.name, len(leaves), base64.b64encode(forge.root_of(leaves)).decode())
        parts = ["c2sp.org/tlog-proof@v1", "extra " + base64.b64encode(log.records[index].opening()).decode(),
                 "index %d" % index] + [base64.b64encode(h).decode() for h in path_of(leaves, index)]
        parts += [""] + self.key.note(text).rstrip("\n").split("\n")
        change(parts)
        path = self.place("receipt")
        forge.put(self.folder, os.path.basename(path), "\n".join(parts) + "\n")
        return path


def path_of(leaves, index):
    """RFC 9162, 2.1.3.1: the hashes from the leaf up."""
    if len(leaves) < 2:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return path_of(leaves[:k], index) + [forge.root_of(leaves[k:])]
    return path_of(leaves[k:], index - k) + [forge.root_of(leaves[:k])]


# ---- what is done: scene -> (bundle, options) ----
def tampered(what, *options):
    def make(scene):
        folder = scene.place("tampered")
        shutil.copytree(scene.base, folder)
        what(tampers.Copy(folder))
        return folder, options
    return make


def lied(lie, *options):
    return lambda scene: (scene.told(lie)[1], options)


def before(make):
    """The honest log was verified before, with --state."""
    return lambda scene: (make(scene), ("--state", scene.state()))


another_story = lies.field("ACK", 5, 0, b"another")  # as good as the true one, but for those who saw that

BUNDLE = {
    0: [("an honest log", tampered(nothing)),
        ("the same that was verified before", before(lambda scene: scene.base))],
    1: [("an option that is none", tampered(nothing, "--what"))],
    2: [("no file 'bundle'", tampered(lambda c: c.remove("bundle"))),
        ("a tile of leaf hashes is not there", tampered(lambda c: c.remove(c.last("tile/0"))))],
    3: [("a bit of the log's signature", tampered(tampers.blob(-1))),
        ("fewer witnesses than the quorum", tampered(nothing, "--quorum", "1", "--witness", "WITNESS"))],
    4: [("a bit of a tile", tampered(lambda c: c.change(c.last("tile/0"), tampers.flip)))],
    5: [("START states another root", lied(lies.field("START", 7, 3, tampers.flip))),
        ("the log is told anew after it was verified", before(lambda scene: scene.told(another_story)[1]))],
    6: [("a bit of a slot", tampered(tampers.value_bit(3))),
        ("a bit of a manifest", tampered(lambda c: c.change(c.first("manifest"), tampers.flip)))],
    7: [("a record is left out", tampered(tampers.openings(tampers.put_at(5, b"")))),
        ("contents that must be there are not", tampered(lambda c: c.remove(c.first("seal")), "--strict"))],
    8: [("older than asked for", tampered(nothing, "--max-age", "1s")),
        ("an old state of the log as the present one", before(lambda scene: scene.shorter()))],
    9: [("time falls", lied(lies.field("ACK", 1, 1, lies.plus(-10**9)))),
        ("the last record is of next year", lied(lies.next_year))],
}
# of `compare` with a checkpoint of the same log from before: the same, where it can be done behind that checkpoint
COMPARED = dict(BUNDLE)
COMPARED[0] = [("the same log, grown", tampered(nothing))]
COMPARED[5] = [("another log under the same key", lied(another_story))]
COMPARED[8] = [("older than asked for", tampered(nothing, "--max-age", "1s"))]
COMPARED[9] = [("the last record is of next year", lied(lies.next_year))]


def received(change=nothing, lie=nothing, last=False, options=()):
    def make(scene):
        log = scene.told(lie)[0]
        return scene.receipt(log, len(log.records) - 1 if last else scene.intake, change), options
    return make


def of_another_report(scene):
    """A receipt, and the folder of a saved report that it is not about."""
    folder = scene.place("saved")
    forge.put(folder, "manifest", b"no manifest of that record")
    return scene.receipt(scene.log, scene.intake), ("--report", folder)


def flipped(which, word=0, at=-1):
    """One bit of the base64 in a word of a line."""
    def change(parts):
        words = parts[which].split(" ")
        words[word] = base64.b64encode(tampers.flip(base64.b64decode(words[word]), at)).decode()
        parts[which] = " ".join(words)
    return change


RECEIPT = {
    0: [("an honest receipt", received())],
    1: [("an option that is none", received(options=("--what",))),
        ("an option of other commands", received(options=("--max-age", "1s")))],
    2: [("another version", received(tampers.put_at(0, "c2sp.org/tlog-proof@v2")))],
    3: [("a bit of the log's signature", received(flipped(-1, 2)))],
    4: [("a bit of the path", received(flipped(3))), ("a bit of what the record says", received(flipped(1, 1, 43)))],
    6: [("a report that the record is not about", of_another_report)],
    9: [("a record of next year", received(lie=lies.next_year, last=True))],
}


class Codes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.scene = Scene(cls.temporary.name)
        with open(os.path.join(GOLDEN, "audit", "witness.vkey"), encoding="ascii") as f:
            cls.witness = f.read().strip()
        cls.made = {}

    def words(self, command, path):
        scene = self.scene
        return {"party": [path, "NOR"], "trace": [path, scene.report],
                "compare": [scene.earlier(), path] if command == "compare" else []}.get(command, [path])

    def run_row(self, command, make):
        path, options = self.made.get(make) or make(self.scene)
        self.made[make] = path, options
        if "--state" in options:  # each run begins with what the honest log left there
            kept = self.scene.place("state")
            shutil.copy(options[1], kept)
            options = ("--state", kept)
        options = [self.witness if o == "WITNESS" else o for o in options]
        got = subprocess.run([PROGRAM, command, *self.words(command, path), "--key", self.scene.key.vkey, *options],
                             capture_output=True, timeout=60)
        return got.returncode, (got.stdout + got.stderr).decode(errors="replace"), options

    def rows(self, command):
        return RECEIPT if command == "receipt" else COMPARED if command == "compare" else BUNDLE

    def test_every_code_of_every_command_has_a_row_or_a_reason(self):
        usage = subprocess.run([PROGRAM, "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()
        commands = set(re.findall(r"relto-verify ([a-z]+) ", usage))
        self.assertEqual(commands, set(WALKS) | {"compare", "receipt"}, "a command of the usage has no rows here")
        for command in commands:
            for code in CODES:
                has = bool(self.rows(command).get(code))
                self.assertNotEqual(has, (command, code) in NEVER, (command, code))
            self.assertLessEqual(set(self.rows(command)), set(CODES))
        self.assertEqual([int(n) for n in re.findall(r"\b(\d) [a-z]", usage.split("exit:")[1])], list(CODES))

    def reach(self, command):
        for code, rows in self.rows(command).items():
            for name, make in rows:
                with self.subTest(command=command, code=code, row=name):
                    got, said, options = self.run_row(command, make)
                    self.assertEqual(got, code, said)
                    self.assertTrue(said.strip(), "it says why")
                    self.assertNotIn("18446744073709", said, "less than nothing")
                    if code == 5 and "--state" in options:
                        self.assertTrue(glob.glob(options[1] + ".fork-*"), "both heads are kept as evidence")

    def test_a_wrong_receipt(self):
        self.reach("receipt")

    def test_two_heads(self):
        self.reach("compare")
        self.assertTrue(glob.glob(os.path.join(self.scene.folder, "*-checkpoint.fork-*")), "both heads are kept as evidence")


def walk_test(command):
    return lambda self: self.reach(command)


for name in WALKS:
    setattr(Codes, "test_a_whole_bundle_by_" + name, walk_test(name))

if __name__ == "__main__":
    unittest.main(verbosity=2)
