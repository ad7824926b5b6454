#!/usr/bin/python3
"""test_attacks.py - what the operator of a hub, or who took his place, does to the log, and who finds it with which code.

One test for each row of docs/threat-model.md, "Attacks on the log" (audit-format.md has the codes of relto-verify). The
store is rewritten by tests/lib/tamper.py, with the log's own key where it says so.
"""
import base64
import glob
import json
import os
import shutil
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import rig  # noqa: E402
import forge  # noqa: E402
import tamper  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402

DAMAGED = 65  # reltod: what it finds does not fit
REFUSED = 76  # relto: the broker does not keep to what it showed before


class Attack(rig.LabTest):
    """A log with a history that KEN, a client, has seen; each test has it anew."""

    proof = None  # these logs are not sound any more

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = cls.lab.agent("hub").log_key
        with open(cls.lab.path("hub/log.key"), "rb") as f:
            pem = f.read()
        cls.exchange()
        cls.hub, cls.ken = cls.lab.context_name("hub"), cls.lab.context_name("ken")
        cls.old = cls.pull("old")
        cls.lab.stop()
        cls.kept = os.path.join(cls.lab.base, "spool.old")
        shutil.copytree(cls.lab.path("spool"), cls.kept)
        cls.lab.start()
        cls.exchange()
        cls.new = cls.pull("new")
        cls.lab.relto("sub", "--wait", "10ms", "--no-ack", context=cls.ken)  # the newest head is KEN's now
        cls.lab.stop()
        cls.spool = os.path.join(cls.lab.base, "spool.new")
        cls.home = os.path.join(cls.lab.base, "home.new")
        shutil.copytree(cls.lab.path("spool"), cls.spool)
        shutil.copytree(cls.lab.path("home"), cls.home)
        cls.signing = forge.Key(forge.Log(cls.new).origin, pem)

    @classmethod
    def exchange(cls):
        with cls.lab.client("gbr") as gbr, cls.lab.client("nor") as nor:
            nor.subscribe()
            for _ in range(2):
                publish(gbr, [(SECRET, canary()), (TEARLINE, canary())])
                nor.ack(nor.receive())

    @classmethod
    def pull(cls, name):
        folder = os.path.join(cls.lab.base, name)
        cls.lab.relto("audit", "pull", folder, context=cls.lab.context_name("hub"))
        return folder

    def setUp(self):
        for folder, whole in (("spool", self.spool), ("home", self.home)):
            shutil.rmtree(self.lab.path(folder))
            shutil.copytree(whole, self.lab.path(folder))
        self.addCleanup(self.stop)

    def stop(self):
        if self.lab.process is not None:
            self.lab.kill()

    def tamper(self, change, key=None):
        """'change' gets the log of the stopped broker; with a key, all that rests on it is made anew and signed."""
        log = tamper.StoreLog(self.lab.path("spool"))
        change(log)
        if key:
            log.write(key)
        log.close()

    def start(self, *more):
        """The exit code of reltod, or None: it serves."""
        said = len(self.lab.messages())
        self.lab.spawn(*more)
        addresses = self.lab.path("run", "addresses")
        rig.until(lambda: self.lab.process.poll() is not None or os.path.exists(addresses), rig.START_SECONDS, "a start")
        code = self.lab.process.poll()
        if code is None:
            self.lab.ready()
        else:
            self.lab.log.close()
            self.lab.process = None
        self.said = self.lab.messages()[said:]
        return code

    def verify(self, folder, *more, command="verify", code=None):
        """The exit code of relto-verify, and what it says; the second verifier gives the same one."""
        got = subprocess.run([rig.program("relto-verify"), command, folder, *more, "--key", self.key], capture_output=True)
        if command == "verify" and not more:
            two = subprocess.run([sys.executable, rig.SECOND, folder, "--key", self.key], capture_output=True)
            self.assertEqual(got.returncode, two.returncode, (got.stdout + two.stdout).decode())
        self.out = got.stdout.decode() + got.stderr.decode()
        return got.returncode

    def compare(self, one, two):
        return self.verify(one, two, command="compare")

    def refused_by_clients(self):
        """Whoever saw a head of another past: a partner, and the hub's own auditor. What was shown is kept as evidence."""
        for context, words in ((self.ken, ("sub", "--wait", "10ms")), (self.hub, ("audit", "pull", self.lab.base + "/none"))):
            had = set(self.evidence())
            _, err = self.lab.relto(*words, context=context, code=REFUSED)
            self.assertIn("rewritten or rolled back", err)
            (new,) = set(self.evidence()) - had
            self.assertIn(new, err)
        return new

    def evidence(self):
        return glob.glob(self.lab.path("home", "state", "**", "fork-*"), recursive=True)

    def copy(self):
        folder = os.path.join(self.lab.base, self.id().rsplit(".", 1)[1])
        shutil.copytree(self.new, folder)
        return folder

    def pull_as_shown(self, name):
        """The bundle that the broker gives to an auditor who refuses its log."""
        folder = os.path.join(self.lab.base, name)
        _, err = self.lab.relto("audit", "pull", folder, "--as-shown", context=self.hub)
        self.assertIn("compared with nothing that is known here; its key is %s\n" % self.key, err)
        return folder

    def pull_as_a_stranger(self, name):
        """A hub auditor's bundle, by somebody who never saw this log."""
        shutil.rmtree(self.lab.path("home", "state"))
        return self.pull(name)


class OneByte(Attack):
    """Each start hashes a short log again, and the tail of a long one; `--verify-all` all of it."""

    def index(self):
        return forge.Log(self.new).all("DECISION")[0]

    def test_of_a_record_whose_checksum_was_made_to_fit(self):
        def flip(log):
            key, row = log.rows("entry")[self.index()]
            log.change("entry", [(key, row[:60] + bytes([row[60] ^ 1]) + row[61:])], whole=False)

        self.tamper(flip)
        self.assertEqual(self.start(), DAMAGED)
        self.assertIn("record %d" % self.index(), self.said)

    def test_of_a_page(self):
        log = tamper.StoreLog(self.lab.path("spool"))
        row = log.rows("entry")[self.index()][1]
        log.close()
        with open(self.lab.path("spool", "data.mdb"), "r+b") as f:
            data = f.read()
            self.assertIn(row, data)
            at = -1
            while (at := data.find(row, at + 1)) >= 0:  # old copies of the page, too
                f.seek(at + 60)
                f.write(bytes([row[60] ^ 1]))
        self.assertEqual(self.start(), DAMAGED)
        self.assertIn("checksum", self.said)

    def test_of_a_record_in_a_bundle(self):
        copy = self.copy()
        with open(os.path.join(copy, "record", "000000"), "r+b") as f:
            f.seek(f.read().find(b"maritime"))
            f.write(b"M")
        self.assertEqual(self.verify(copy), 6, self.out)


class Rewritten(Attack):
    """All fits: entries, tiles, heads, and a checkpoint that the log's own key signed."""

    @staticmethod
    def other(log):
        """Another salt under a slot that nobody else opens."""
        log.records[log.all("DECISION")[0]].slots[5] = forge.Slot(6, bytes(16), b"")
        log.settle()

    def test_rewritten_as_it_was_all_go_on(self):
        """So that what the others refuse is what was changed, and not how."""
        self.tamper(lambda log: log.settle(), self.signing)
        self.assertIsNone(self.start("--verify-all"))
        self.assertEqual(self.verify(self.pull("as-it-was")), 0, self.out)
        self.lab.relto("sub", "--wait", "10ms", context=self.ken)

    def test_record_tiles_and_head(self):
        self.tamper(self.other, self.signing)
        self.assertIsNone(self.start("--verify-all"), "no row says that it ever was otherwise")
        evidence = self.refused_by_clients()
        shown = self.pull_as_shown("shown")
        self.assertEqual(self.compare(os.path.join(evidence, "kept"), shown), 5, self.out)
        self.assertEqual(self.verify(shown, "--state", os.path.join(evidence, "heads")), 5, self.out)
        self.lab.relto("audit", "pull", self.lab.base + "/none", context=self.hub, code=REFUSED)  # nothing was learned from it
        other = self.pull_as_a_stranger("rewritten")
        self.assertEqual(self.verify(other), 0, "by itself it is sound")
        self.assertEqual(self.compare(self.new, other), 5, self.out)

    def test_the_tail_cut_off_inside_the_store(self):
        """Down to the last acknowledgement, which no other row knows of; all that is left is made to fit and signed."""
        def cut(log):
            log.records = log.records[:log.all("ACK")[-1]]
        self.tamper(cut, self.signing)
        self.assertIsNone(self.start("--verify-all"), "no row says that there ever was more")
        self.refused_by_clients()
        short = self.pull_as_a_stranger("short")
        self.assertEqual(self.verify(short), 0, "by itself it is sound")
        self.assertEqual(self.compare(self.new, short), 5, self.out)

    def test_an_old_copy_put_back(self):
        shutil.rmtree(self.lab.path("spool"))
        shutil.copytree(self.kept, self.lab.path("spool"))
        self.assertIsNone(self.start(), "an old copy is a sound one")
        evidence = self.refused_by_clients()
        self.assertEqual(self.verify(self.pull_as_shown("shorter"), "--state", os.path.join(evidence, "heads")), 8, self.out)
        self.exchange()
        self.exchange()
        longer = self.pull_as_shown("longer")
        self.assertEqual(self.compare(os.path.join(evidence, "kept"), longer), 5, self.out)

    def test_two_brokers_with_one_key(self):
        """The second goes on from a copy; both have the same past, and each a head that the other's log has not."""
        shutil.rmtree(self.lab.path("spool"))
        shutil.copytree(self.kept, self.lab.path("spool"))
        self.assertIsNone(self.start())
        self.exchange()
        self.exchange()
        self.refused_by_clients()
        second = self.pull_as_a_stranger("second")
        self.assertEqual((self.verify(second), self.compare(self.old, second)), (0, 0), self.out)
        had = self.saved()
        self.assertEqual(self.compare(self.new, second), 5, self.out)
        (kept,) = self.saved() - had
        self.assertEqual(sorted(os.listdir(kept)), ["kept", "log.vkey", "shown"])

    def saved(self):
        """What `relto-verify compare` saved as evidence."""
        return set(glob.glob(os.path.join(self.lab.base, "*.fork-*")))


class Forged(Attack):
    """Bundles that whoever has the log's key could show; compared with a head that somebody kept."""

    def forge(self, change, **more):
        copy = self.copy()
        log = forge.Log(copy)
        change(log)
        log.settle(**more).write(copy, self.signing)
        return copy

    def test_as_it_was_it_verifies(self):
        copy = self.forge(lambda log: None)
        self.assertEqual((self.verify(copy), self.compare(self.new, copy)), (0, 0), self.out)

    def test_a_decision_left_out(self):
        copy = self.forge(lambda log: log.records.pop(log.all("DECISION")[0]))
        self.assertEqual((self.verify(copy), self.compare(self.new, copy)), (7, 5), self.out)

    def test_a_whole_report_left_out(self):
        """... with all that followed: nothing is amiss but that it is another log."""
        def without(log):
            report = log.records[log.all("INTAKE")[-1]].field(1, 2)
            log.records = [r for r in log.records if r.field(1, 2) != report and r.kind != "ACK"]

        copy = self.forge(without)
        self.assertEqual((self.verify(copy), self.compare(self.old, copy)), (0, 5), self.out)

    def test_two_records_swapped(self):
        def swap(log):
            a, b = log.all("AGREEMENT")[:2]
            log.records[a], log.records[b] = log.records[b], log.records[a]

        copy = self.forge(swap)
        self.assertEqual((self.verify(copy), self.compare(self.new, copy)), (0, 5), self.out)

    def test_a_record_dated_back(self):
        """To before the head that somebody kept: its place says that it came later."""
        def back(log):
            early = log.records[0].field(1, 1)
            for r in log.records[log.all("INTAKE")[-1]:]:
                r.set(1, 1, early)

        copy = self.forge(back)
        self.assertEqual(self.verify(copy), 9, self.out)

    def test_a_record_left_out_of_its_partys_tree(self):
        copy = self.forge(lambda log: log.records[log.all("DELIVERY")[0]].set(8, 0, b""))
        self.assertEqual(self.verify(copy), 7, self.out)

    def test_a_head_that_the_stolen_key_signed(self):
        """Witnesses signed the log's head; of another one of the same key there is no quorum."""
        witness = Witness("w.example")
        honest = self.forge(lambda log: None)
        witness.cosign(honest)
        asked = ("--witness", witness.vkey, "--quorum", "1")
        self.assertEqual(self.verify(honest, *asked), 0, self.out)
        shutil.rmtree(honest)
        forged = self.forge(lambda log: log.records.pop(log.all("AGREEMENT")[0]))
        self.assertEqual(self.verify(forged, *asked), 3, self.out)

    def test_an_old_head_shown_as_the_newest(self):
        kept = ("--state", os.path.join(self.lab.base, "kept"))
        self.assertEqual(self.verify(self.new, *kept), 0, self.out)
        self.assertEqual(self.verify(self.old, *kept), 7, "and parties' histories became shorter")
        self.assertIn("stale: a log of %d records was verified before" % len(forge.Log(self.new).records), self.out)
        self.assertEqual(self.verify(self.old, "--max-age", "7d"), 0, self.out)
        rig.until(lambda: self.verify(self.old, "--max-age", "1s") == 8, 10, "an age of a second")


class Witness:
    """Cosigns what it is shown (C2SP tlog-cosignature)."""

    def __init__(self, name):
        key = forge.Key(name)
        public = base64.b64decode(key.vkey.split("+", 2)[2])[1:]
        self.key, self.name = key.key, name
        self.id = forge.H(name.encode(), b"\n\4", public)[:4]
        self.vkey = "%s+%s+%s" % (name, self.id.hex(), base64.b64encode(b"\4" + public).decode())

    def cosign(self, bundle):
        path = os.path.join(bundle, "checkpoint")
        with open(path, encoding="utf-8") as f:
            note = f.read()
        now = int(time.time())
        text = note.split("\n\n")[0] + "\n"
        signature = self.key.sign(b"cosignature/v1\ntime %d\n" % now + text.encode())
        with open(path, "a", encoding="utf-8") as f:
            f.write("\u2014 %s %s\n" % (self.name, base64.b64encode(self.id + forge.u64(now) + signature).decode()))


class Guessed(Attack):
    def test_the_same_value_in_two_records_has_two_commitments(self):
        """Empty ones included: that a slot is empty does not show."""
        records = forge.Log(self.new).records
        commitments = [s.commitment for r in records for s in r.slots]
        values = [(s.n, s.value) for r in records for s in r.slots]
        self.assertLess(len(set(values)), len(values) / 2, "values that come again")
        self.assertEqual(len(set(commitments)), len(commitments))

    def test_a_denial_shows_nothing_to_whom_it_is_addressed(self):
        """What KEN can see before and after differs in the published head alone."""
        self.assertIsNone(self.start())
        before = self.seen("before")
        with self.lab.client("gbr") as gbr:
            publish(gbr, [(SECRET, canary())])
        after = self.seen("after")
        self.assertEqual(after, before)

    def seen(self, name):
        folder = os.path.join(self.lab.base, "seen-" + name)
        self.lab.relto("audit", "pull", folder, context="ken-inspector")
        log = forge.Log(folder)
        records = [(i, r.opening()) for i, r in enumerate(log.records) if r]
        said = [json.loads(self.lab.relto(*words, "--json", context=self.ken)[0]) for words in (("whoami",), ("agreement", "list"))]
        return records, said


if __name__ == "__main__":
    unittest.main()
