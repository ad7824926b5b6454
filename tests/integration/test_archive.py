#!/usr/bin/python3
"""test_archive.py - old records go into files and are read from there: nothing is lost or changed, whatever dies when
(design 9, audit 4)."""
import glob
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import forge  # noqa: E402
from test_again import AgainTest, rows  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402
import wire  # noqa: E402
from wire import pb  # noqa: E402

SEGMENT = 1024


class ArchiveTest(AgainTest):
    proof = None  # the tests prove it themselves

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit("reltod.conf", r"(?m)^store \{", 'store {\n    backup-dir "backups"\n    archive "archive"\n'
                     "    archive-after 1s\n    archive-segment 1500")  # rounded down: whole files
        for folder in ("archive", "backups"):
            os.mkdir(cls.lab.path(folder), 0o700)

    def fill(self, to):
        """Reports until the log has so many records; the first report, as it was sent."""
        first = None
        with self.lab.client("gbr") as c:
            report = wire.Report(c.agent, "maritime.piracy", [("atlas", c.terms["atlas"])])
            report.portion(TEARLINE, canary())
            first = report.seal(), report.id
            at = c.publish(first[0]).index
        with self.lab.client("hub", "/operator") as c:  # each leaves a record
            sent = [c.send("status", pb.Status()) for _ in range(max(0, to - at))]
            for request in sent:
                c.wait(request)
        return first

    def made(self, to, seconds=60):
        rig.until(lambda: self.end() >= to, seconds, "an archive up to %d" % to)

    def end(self):
        """The first of the records that all stand in rows; what was erased before them stands there too."""
        indices = [int.from_bytes(key, "big") for key, _ in rows(self.lab, "entry")]
        return next(i for n, i in enumerate(indices) if indices[-1] - i == len(indices) - 1 - n)

    def folder(self, first=0):
        return self.lab.path("archive", "g1", "%012d-%012d" % (first, first + SEGMENT))

    def start_fails(self, code, why, *words):
        got = subprocess.run([self.lab.reltod_path, "-c", self.lab.path("reltod.conf"), *words], capture_output=True,
                             text=True, timeout=60)
        self.assertEqual(got.returncode, code, got.stderr)
        self.assertIn(why, got.stderr)


    def proved(self):
        """By the verifier alone that is fast: the second one has its turn at the end."""
        folder = os.path.join(self.lab.base, "proved.%d" % time.monotonic_ns())
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("hub"))
        key = self.lab.agent("hub").log_key
        got = subprocess.run([rig.program("relto-verify"), "verify", folder, "--key", key], capture_output=True)
        self.assertEqual(got.returncode, 0, got.stdout + got.stderr)
        return folder, key


class Archived(ArchiveTest):
    def test_records_in_files_are_records_still(self):
        sealed, report = self.fill(100)
        before = os.path.join(self.lab.base, "before")
        self.lab.relto("audit", "pull", before, context=self.lab.context_name("hub"))
        self.fill(SEGMENT + 10)
        self.made(SEGMENT)
        folder = self.folder()
        self.assertEqual(self.end(), SEGMENT)
        for path in glob.glob(folder + "/**", recursive=True):
            mode = stat.S_IMODE(os.stat(path).st_mode)
            self.assertEqual(mode, 0o500 if os.path.isdir(path) else 0o400, path)
        self.assertEqual(sorted(os.listdir(folder)), ["checkpoint", "index", "log.vkey", "record", "tile"])
        admin = [r for r in self.log(kind="ADMIN") if r.text(7, 0) == "archive"][0]
        self.assertEqual((admin.text(7, 1), admin.text(7, 2), admin.slots[6]), ("0-1024", "ok", []))

        # the log is what it was: in a session, in bundles, for parties, beside an older bundle
        after, key = self.proved()
        with open(os.path.join(after, "record", "000000"), "rb") as f, open(
                os.path.join(folder, "record", "000000"), "rb") as g:
            self.assertTrue(f.read() == g.read(), "the file of a segment is that of the bundle")
        old, new = forge.Log(before), forge.Log(after)
        self.assertEqual([r.leaf for r in old.records], [r.leaf for r in new.records[:len(old.records)]])
        got = subprocess.run([rig.program("relto-verify"), "compare", before, after, "--key", key], capture_output=True)
        self.assertEqual(got.returncode, 0, got.stdout + got.stderr)
        with self.lab.client("gbr") as c:
            self.assertTrue(c.publish(sealed).again, "the first receipt stands on an archived record")
        self.assertEqual([r.kind for r in self.log(report)][0], "INTAKE")

        # what waits for NOR since then is delivered, by decisions in the archive
        with self.lab.client("nor") as nor:
            nor.subscribe()
            d = nor.receive(timeout=10)
            self.assertEqual(d.manifest.id, report)
            nor.ack(d)

        # a copy verifies by the same files
        self.lab.relto("admin", "backup", "b", context="operator")

        # starts read it, and say what is wrong with it
        self.lab.stop()
        path = os.path.join(folder, "record", "000000")
        with open(path, "rb") as f:
            data = f.read()
        os.chmod(path, 0o600)
        with open(path, "r+b") as f:
            f.seek(len(data) // 2)
            f.write(bytes([data[len(data) // 2] ^ 1]))
        self.start_fails(74, "its checksum is wrong", "--verify-all")
        with open(path, "wb") as f:
            f.write(data)
        self.lab.edit("reltod.conf", r'(?m)^ *archive "archive"$', "")
        self.start_fails(78, "its first 1024 records are in files: 'store { archive }' has to say where")
        self.lab.edit("reltod.conf", r"(?m)^store \{", 'store {\n    archive "archive"')
        os.rename(folder, folder + ".away")
        self.start_fails(74, "archived record 0 cannot be read: No such file or directory", "--verify-all")
        os.rename(folder + ".away", folder)
        subprocess.run([self.lab.reltod_path, "-c", self.lab.path("reltod.conf"), "-t"], check=True, capture_output=True)
        self.lab.start()
        self.proven()

        # the backup is restored with the same files
        self.lab.stop()
        os.rename(self.lab.path("spool"), self.lab.path("spool.dead"))
        self.lab.edit("reltod.conf", r"/relto/g1", "/relto/g2")
        got = subprocess.run([self.lab.reltod_path, "-c", self.lab.path("reltod.conf"), "--restore",
                              self.lab.path("backups", "b")], capture_output=True, text=True)
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertIn("kept 2 ids of reports", got.stdout)


class Erased(ArchiveTest):
    """Persons in archived records: gone from what is read with the answer, from the files soon after (decision 0037)."""

    def erase(self, *indices, code=0):
        return self.lab.relto("admin", "erase", *map(str, indices), "--because", "asked for", context="operator", code=code)[1]

    def files(self, kind, first=0):
        with open(os.path.join(self.folder(first), kind, "%06d" % (first // 1024)), "rb") as f:
            return f.read()

    def renewed(self, count):
        rig.until(lambda: self.lab.messages().count("archive.renewed") >= count, 60, "the files are made anew")

    def test_a_person_leaves_the_files_and_every_proof_stays(self):
        sealed, report = self.fill(100)
        before = os.path.join(self.lab.base, "before")
        self.lab.relto("audit", "pull", before, context=self.lab.context_name("hub"))
        proof = os.path.join(self.lab.base, "proof")
        name = str(uuid.UUID(bytes=report))
        self.lab.relto("audit", "receipt", name, "--wait", "60s", "--type", "intake", "--out", proof, context=self.lab.context_name("gbr"))
        self.fill(SEGMENT + 10)
        self.made(SEGMENT)
        self.lab.relto("admin", "backup", "older", context="operator")
        intake = self.log(report, "INTAKE")[0]
        person = b"".join(len(x).to_bytes(4, "big") + x for x in intake.slots[6])
        admin = [r for r in self.log(kind="ADMIN") if r.index < SEGMENT][-1].index
        old = self.files("record")
        self.assertIn(person, old[:2000 * (intake.index + 1)])
        kept = shutil.copytree(self.folder(), os.path.join(self.lab.base, "kept"))
        self.erase(intake.index, admin)
        self.assertEqual([self.log(report, "INTAKE")[0].slots[6], [r for r in self.log() if r.index == admin][0].slots[6]], [None, None])
        self.assertIn("record %d is erased already" % admin, self.erase(admin, code=66))
        self.renewed(1)
        new = self.files("record")
        self.assertEqual(len(new), len(old) - sum(len(self.opened(old, i)) - len(self.opened(new, i)) for i in (intake.index, admin)))
        self.assertEqual([self.opened(old, i) == self.opened(new, i) for i in range(1024)], [i not in (intake.index, admin) for i in range(1024)])
        for path in glob.glob(self.folder() + "/**", recursive=True):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o500 if os.path.isdir(path) else 0o400, path)
        self.assertEqual(sorted(os.listdir(self.folder() + "/record") + os.listdir(self.folder() + "/index")), ["000000", "000000"])
        (erase,) = self.log(kind="ERASE")
        self.assertEqual(erase.slots[7], [intake.index.to_bytes(8, "big") + admin.to_bytes(8, "big")])

        # bundles, older ones, receipts of before and of now
        after, key = self.proved()
        with open(os.path.join(after, "record", "000000"), "rb") as f:
            self.assertTrue(f.read() == new, "the file of a segment is that of the bundle")
        for words in (("compare", before, after), ("receipt", proof)):
            got = subprocess.run([rig.program("relto-verify"), *words, "--key", key], capture_output=True)
            self.assertEqual(got.returncode, 0, got.stdout + got.stderr)
        self.lab.relto("audit", "receipt", name, "--wait", "60s", "--type", "intake", "--out", proof + ".now", context=self.lab.context_name("gbr"))

        # starts and copies go by them
        self.lab.relto("admin", "backup", "newer", context="operator")
        self.lab.stop()
        subprocess.run([self.lab.reltod_path, "-c", self.lab.path("reltod.conf"), "-t"], check=True, capture_output=True)
        self.lab.start()
        self.proved()

        # between the two names: new records beside the old index; and what was erased stays so if older files come back
        for kinds in (("index",), ("index", "record")):
            self.lab.stop()
            for kind in kinds:
                os.chmod(os.path.join(self.folder(), kind), 0o700)
                os.chmod(os.path.join(self.folder(), kind, "000000"), 0o600)
                shutil.copy(os.path.join(kept, kind, "000000"), os.path.join(self.folder(), kind, "000000"))
            self.lab.start()
            self.assertIsNone(self.log(report, "INTAKE")[0].slots[6])
            self.proved()
        self.proven()
        self.lab.stop()
        os.rename(self.lab.path("spool"), self.lab.path("spool.dead"))
        self.lab.edit("reltod.conf", r"/relto/g1", "/relto/g2")
        got = subprocess.run([self.lab.reltod_path, "-c", self.lab.path("reltod.conf"), "--restore",
                              self.lab.path("backups", "older")], capture_output=True, text=True)
        self.assertEqual(got.returncode, 0, got.stderr)

    def opened(self, data, index):
        at = 0
        for _ in range(index):
            at += 4 + int.from_bytes(data[at:at + 4], "big")
        return data[at + 4:at + 4 + int.from_bytes(data[at:at + 4], "big")]


class Damaged(ArchiveTest):
    """A file of the archive is damaged while the broker runs: what needs it waits or is refused, and nothing else."""

    def turn(self, index):
        """Turns a bit in the middle of an archived record's opening; twice, and it is whole again."""
        path, places = (os.path.join(self.folder(), n, "000000") for n in ("record", "index"))
        with open(places, "rb") as f:
            f.seek(8 * index)
            at = int.from_bytes(f.read(4), "big")
        os.chmod(path, 0o600)
        with open(path, "r+b") as f:
            f.seek(at)
            at += 4 + int.from_bytes(f.read(4), "big") // 2
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1]))

    def failed(self, what, index):
        return sum("%s" % what in line and "archived record %d: its checksum is wrong" % index in line
                   for line in self.lab.messages().splitlines())

    def test_what_needs_a_damaged_record_waits_and_everything_else_goes_on(self):
        sealed, report = self.fill(SEGMENT + 10)
        self.made(SEGMENT)
        decision = [r for r in self.log(report, "DECISION") if r.text(2, 0) == "NOR"][0].index
        intake = self.log(report, "INTAKE")[0].index
        proof, name = os.path.join(self.lab.base, "receipt"), str(uuid.UUID(bytes=report))
        self.lab.relto("audit", "receipt", name, "--wait", "60s", "--type", "intake", "--out", proof, context=self.lab.context_name("gbr"))
        key = self.lab.agent("gbr").log_key
        got = subprocess.run([rig.program("relto-verify"), "receipt", proof, "--key", key], capture_output=True, text=True)
        self.assertEqual(got.returncode, 0, got.stdout + got.stderr)

        self.turn(decision)
        self.turn(intake)
        with self.lab.client("nor") as nor, self.lab.client("gbr") as gbr:
            nor.subscribe()
            rig.until(lambda: self.failed("delivery.failed", decision), 30, "the delivery that waits")
            later, other = publish(gbr, [(TEARLINE, canary())])
            d = nor.receive(timeout=20)
            self.assertEqual(d.manifest.id, other)
            nor.ack(d)
            with self.assertRaises(wire.Refused) as no:
                gbr.publish(sealed)
            self.assertEqual(no.exception.code, "io")
            self.lab.relto("audit", "receipt", name, "--wait", "60s", "--type", "intake", "--out", proof + ".no", context=self.lab.context_name("gbr"),
                           code=74)
            self.turn(decision)
            self.turn(intake)
            d = nor.receive(timeout=20)
            self.assertEqual(d.manifest.id, report, "it waited")
            nor.ack(d)
        with self.lab.client("gbr") as gbr:  # the one before ended with our fault
            self.assertTrue(gbr.publish(sealed).again)
        self.proven()


class Killed(ArchiveTest):
    """kill -9 at chosen calls of the archive's and at chosen moments of its end."""

    RENEWING = (("renameat", 2, "signal=SIGKILL"), ("renameat", 2, "error=EIO"))
    RENEWING_FULL = tuple((call, when, what) for what in ("signal=SIGKILL", "error=EIO") for call, when in (
        ("fchmodat", 1), ("fchmodat", 2), ("write", 1), ("write", 9), ("renameat", 1), ("fchmod", 1), ("fchmod", 2),
        *(("fsync", n) for n in range(1, 7))))

    FULL = os.environ.get("RELTO_CHECK_FULL") == "1"
    CALLS = (("fsync", 4), ("renameat", 1)) + FULL * (
        ("mkdirat", 2), ("openat", 2), ("write", 3), ("fsync", 1), ("fchmod", 3))
    MOMENTS = ("archive.verified",) + FULL * ("archive.verified", "archive.made")

    @classmethod
    def setUpClass(cls):
        if rig.sanitized() or shutil.which("strace") is None or subprocess.run(
                ["strace", "-o", os.devnull, "true"], capture_output=True).returncode:
            raise unittest.SkipTest("NO strace of a plain build")
        super().setUpClass()

    def traced(self, call, when, what="signal=SIGKILL"):
        """The broker will be killed at the so-many-th such call on the archive."""
        plain, path = self.lab.reltod_path, os.path.join(self.lab.base, "traced")
        first = self.end() // SEGMENT * SEGMENT
        names = [self.folder(first), self.folder(first) + ".part", self.lab.path("archive"), self.lab.path("archive", "g1")]
        names += ["%s.part/%s" % (self.folder(first), n) for n in ("record", "index", "tile", "checkpoint")]
        names += ["%s.part/%s/%06d" % (self.folder(first), n, first // 1024) for n in ("record", "index")]
        names += ["%s/%s%s" % (self.folder(), n, x) for n in ("record", "index") for x in ("", "/000000.new")]
        names.append(self.folder())
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\nexec strace -D -f -qq -o %s %s -e trace=%s -e inject=%s:%s:when=%d %s \"$@\"\n" % (
                os.path.join(self.lab.base, "calls"), " ".join("-P " + n for n in names), call, call, what, when, plain))
        os.chmod(path, 0o755)
        return path

    def gone(self):
        rig.until(lambda: self.lab.process.poll() is not None, 60, "its death")
        self.lab.log.close()
        self.lab.process = None

    def test_a_death_at_any_step_loses_nothing_and_the_next_run_ends_it(self):
        plain, to, died = self.lab.reltod_path, 0, 0
        for call, when in self.CALLS:
            to += SEGMENT
            self.lab.stop()
            self.lab.edit("reltod.conf", r"archive-after \S+", "archive-after 30d")
            self.lab.start()
            self.fill(to + 10)
            self.lab.stop()
            self.lab.edit("reltod.conf", r"archive-after \S+", "archive-after 1s")
            self.lab.reltod_path = self.traced(call, when)
            try:
                self.lab.spawn()
                self.gone()
                died += 1
            finally:
                self.lab.reltod_path = plain
            self.assertLess(self.end(), to, "%s %d came too late" % (call, when))
            self.lab.start()
            self.made(to)
        self.assertEqual(died, len(self.CALLS))
        for moment in self.MOMENTS:
            to += SEGMENT
            seen = self.lab.messages().count(moment)
            self.fill(to + 10)
            rig.until(lambda: self.lab.messages().count(moment) > seen, 30, moment)
            self.lab.signal(signal.SIGKILL)
            self.gone()
            self.lab.start()
            self.made(to)
        self.assertEqual(len(os.listdir(self.lab.path("archive", "g1"))), to // SEGMENT, "and nothing beside them")
        self.proved()

    def test_what_ends_the_renewal_of_a_file_at_any_step_leaves_what_can_be_read(self):
        self.fill(SEGMENT + 10)
        self.made(SEGMENT)
        persons = [r.index for r in self.log() if r.index < SEGMENT and r.slots[6]]
        plain = self.lab.reltod_path
        for n, (call, when, what) in enumerate(self.RENEWING + self.FULL * self.RENEWING_FULL):
            self.lab.stop()
            said, failed = (self.lab.messages().count(m) for m in ("archive.renewed", "archive.failed"))
            self.lab.reltod_path = self.traced(call, when, what)
            try:
                self.lab.start()
                self.lab.relto("admin", "erase", str(persons[n]), "--because", "asked for", context="operator", code=None)
                if what.startswith("error"):
                    rig.until(lambda: self.lab.messages().count("archive.failed") > failed, 60, "%s %d fails" % (call, when))
                    self.assertIn(persons[n], [r.index for r in self.log() if r.slots[6] is None])
                    self.lab.stop()
                else:
                    self.gone()
            finally:
                self.lab.reltod_path = plain
            self.assertEqual(self.lab.messages().count("archive.renewed"), said, "%s %d came too late" % (call, when))
            self.lab.start()
            rig.until(lambda: self.lab.messages().count("archive.renewed") > said, 60, "it is made anew")
            self.assertEqual([r.index for r in self.log() if r.index < SEGMENT and r.slots[6] is None], persons[:n + 1])
            for kind in ("record", "index"):
                self.assertEqual((os.listdir(os.path.join(self.folder(), kind)), stat.S_IMODE(os.stat(os.path.join(self.folder(), kind)).st_mode)),
                                 (["000000"], 0o500), (call, when, what))
        self.proved()

    def test_files_from_before_an_erasure_are_made_anew(self):
        self.lab.stop()
        self.lab.edit("reltod.conf", r"archive-after \S+", "archive-after 30d")
        self.lab.start()
        first = self.end()
        self.fill(first + SEGMENT + 10)
        self.lab.stop()
        self.lab.edit("reltod.conf", r"archive-after \S+", "archive-after 1s")
        plain, self.lab.reltod_path = self.lab.reltod_path, self.traced("renameat", 1)
        try:
            self.lab.spawn()
            self.gone()
        finally:
            self.lab.reltod_path = plain
        # as if it had died a moment later: the files have their name, and no row is gone
        part = self.folder(first) + ".part"
        if os.path.exists(part):
            os.rename(part, self.folder(first))
        self.assertEqual(self.end(), first)
        self.lab.edit("reltod.conf", r"archive-after \S+", "archive-after 30d")
        self.lab.start()
        intake = [r for r in self.log(kind="INTAKE") if r.index >= first][0].index
        self.lab.relto("admin", "erase", str(intake), "--because", "asked for", context="operator")
        self.lab.stop()
        self.lab.edit("reltod.conf", r"archive-after \S+", "archive-after 1s")
        self.lab.start()
        self.made(first + SEGMENT)
        self.assertIsNone([r for r in self.log() if r.index == intake][0].slots[6])
        self.proved()


if __name__ == "__main__":
    unittest.main()
