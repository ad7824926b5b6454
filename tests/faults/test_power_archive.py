#!/usr/bin/python3
"""test_power_archive.py - power cuts while a segment goes into the archive and while persons in it are erased (decisions
0025 and 0037): whatever the disk lost, no record is lost, nobody who was erased comes back, and old proofs hold.

usage, and what is kept of a failed run: as test_power.py.
"""
import os
import subprocess
import sys
import traceback
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import power  # noqa: E402
import rig  # noqa: E402
import test_power  # noqa: E402
import forge  # noqa: E402
import witness  # noqa: E402
import wire  # noqa: E402
from power import pb  # noqa: E402
from test_path import TEARLINE, canary  # noqa: E402

IMAGES = int(os.environ.get("RELTO_POWER_IMAGES", "2000" if test_power.FULL else "100"))
STARTED = 16  # every so manieth image is given to a real reltod, too
CONTROLS = 32
SEGMENT = 1024
STEPS = 60  # operations on files until all rows are gone, about: the first run dies among them


class Start(test_power.Start):
    """A real reltod on an image: it ends what was begun, and the log is that of before."""

    def publish(self):
        super().publish()
        gone = [i for what in self.owed if what[0] == "erased" for i in what[1:]]
        rig.until(lambda: not any(self.before.salts[i] in data for data in self.files() for i in gone) and self.files(), 30,
                  "a segment without the persons of %s" % gone)
        back = [i for i, opening in self.lab.records() if i in gone and witness.Opening(opening).slots[6] is not None]
        if back:
            raise AssertionError("the persons of %s are read again" % back)

    def files(self):
        """What records stand in files, by one file or by none."""
        path = self.lab.path("archive", "g1", "%012d-%012d" % (0, SEGMENT), "record", "000000")
        if not os.path.exists(path):
            return []
        with open(path, "rb") as f:
            return [f.read()]

    def pull(self):
        """What was pulled before the segment moved is of the same log."""
        super().pull()
        got = subprocess.run([rig.program("relto-verify"), "compare", self.before.bundle, os.path.join(self.lab.base, "bundle"),
                              "--key", self.lab.vkey()], capture_output=True, text=True)
        if got.returncode:
            raise AssertionError("relto-verify compare: %d\n%s%s" % (got.returncode, got.stdout, got.stderr))


class Job(test_power.Job):
    start_kind = Start


class Archive(test_power.PowerTest):
    def test_no_record_is_lost_and_nobody_comes_back(self):
        lab = self.scenario()
        self.addCleanup(lab.remove)
        ledger = lab.ledger.settle()
        kinds = [what[0] for _, what in ledger.owed]
        print(", ".join("%d %s" % (kinds.count(k), k) for k in sorted(set(kinds))), flush=True)
        test_power.Whole.complete(self, lab)
        self.check(Job(ledger, self.seed, IMAGES, STARTED).spread())
        self.broken(Job(ledger, self.seed, CONTROLS, option="--no-flushes").spread(), 0.25, "no flush counts")
        self.broken(Job(ledger, self.seed, CONTROLS, option="--no-flushes=archive").spread(), 0, "no flush of the archive counts")
        self.broken(Job(ledger.too_early(), self.seed, 2 * CONTROLS).spread(), 0, "answers before their flush")

    def scenario(self):
        """A log that is long enough, not recorded; a death while its segment moves; persons erased before and after."""
        lab = power.Lab()
        try:
            lab.edit("reltod.conf", r"(?m)^store \{", 'store {\n    archive "archive"\n    archive-after 30d\n    archive-segment 1024')
            lab.edit("reltod.conf", r"map-size +\S+", "map-size 64MiB")
            os.mkdir(lab.path("archive"), 0o700)
            lab.start()
            known, receipt = self.fill(lab)
            bundle = os.path.join(self.folder, "before")
            lab.relto("audit", "pull", bundle, context="auditor")
            lab.stop()
            lab.edit("reltod.conf", r"archive-after \S+", "archive-after 1s")
            lab.record(os.path.join(self.folder, "run"))
            test_power.keep_policy(lab)
            self.owe(lab.ledger, bundle, known, receipt)
            self.run_recorded(lab)
            return lab
        except BaseException:
            lab.remove()
            raise

    def fill(self, lab):
        with wire.Client(lab.agent("gbr")) as c:
            report, body = wire.Report(c.agent, "maritime.piracy", [("atlas", c.terms["atlas"])]), canary()
            report.portion(TEARLINE, body)
            sealed = report.seal()
            receipt = c.publish(sealed)
        with wire.Client(lab.agent("hub", "/operator")) as c:  # each leaves a record, with a person
            for request in [c.send("status", pb.Status()) for _ in range(SEGMENT + 10 - receipt.index)]:
                c.wait(request)
        return power.Published(report.id, "GBR", {p: power.H(body).hex() for p in ("NOR", "KEN")}, sealed), receipt

    def owe(self, ledger, bundle, known, receipt):
        """All that was there before the record begins."""
        log, ledger.bundle = forge.Log(bundle), bundle
        ledger.salts = {i: r.slots[5].salt for i, r in enumerate(log.records) if r.slots[5].value}
        self.persons = [receipt.index] + self.r.sample(sorted(set(ledger.salts) - {receipt.index})[:SEGMENT - 100], 5)
        ledger.published[known.report] = known
        ledger.at_once("receipt", known, receipt.index, receipt.evidence.leaf_hash.hex())

    def run_recorded(self, lab):
        first, *more = self.persons
        try:
            lab.start(die_at=self.r.randrange(20, STEPS))
            lab.process.wait(20)
        except AssertionError:  # before it was ready
            self.assertIsNotNone(lab.process.poll())
        self.assertNotIn("archive.made", lab.messages())
        lab.kill()
        lab.start()
        self.erase(lab, first)  # in rows, in files or in between
        rig.until(lambda: "archive.verified" in lab.messages(), 30, "the segment moves")
        self.erase(lab, *sorted(more[:2]))
        self.erase(lab, more[2])
        rig.until(lambda: lab.messages().count("archive.renewed"), 30, "files are made anew")
        self.erase(lab, *sorted(more[3:]))
        lab.stop()

    def erase(self, lab, *indices):
        """Owed once it is answered.  While its file is being made it is refused as busy."""
        def done():
            try:
                return c.ask_for("erase", pb.Erase(records=indices, because=b"asked for"), ("erased",) + indices)
            except wire.Refused as no:
                self.assertEqual(no.code, "busy")
        with lab.client("hub", "/operator") as c:
            self.assertIsInstance(rig.until(done, 30, "an erasure"), pb.StatusReply)


if __name__ == "__main__":
    test_power.main(Job)
