#!/usr/bin/python3
"""test_upkeep.py - what operators do to a store that runs: backups and the erasure of persons (audit 5, design 9)."""
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
from test_again import AgainTest, rows  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402


class UpkeepTest(AgainTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit("reltod.conf", r"(?m)^store \{", 'store {\n    backup-dir "backups"')
        os.mkdir(cls.lab.path("backups"), 0o700)

    def admin(self, *words, code=0):
        return self.lab.relto("admin", *words, context="operator", code=code)

    def admins(self, command):
        return [r for r in self.log(kind="ADMIN") if r.text(7, 0) == command]

    def backup(self, name):
        return json.loads(self.admin("backup", name, "--json")[0])

    def copied(self, name, table):
        """The rows of a table in a copy, by python3-lmdb."""
        import lmdb
        env = lmdb.open(self.lab.path("backups", name), max_dbs=32, readonly=True, lock=False)
        try:
            with env.begin() as t:
                return list(t.cursor(env.open_db(table.encode(), t, create=False)))
        finally:
            env.close()

    def file_of(self, name):
        with open(self.lab.path("backups", name, "data.mdb"), "rb") as f:
            return f.read()


class Upkeep(UpkeepTest):
    def test_a_backup_under_load_is_a_whole_store_that_ends_at_a_signed_head(self):
        stop, sent = threading.Event(), []

        def load():
            with self.lab.client("gbr") as c:
                while not stop.is_set():
                    sent.append(publish(c, [(TEARLINE, canary())])[1])
        thread = threading.Thread(target=load)
        thread.start()
        try:
            rig.until(lambda: len(sent) > 20, 20, "reports")
            said = self.backup("loaded")
        finally:
            stop.set()
            thread.join()
        entries, (last, _) = self.copied("loaded", "entry"), self.copied("loaded", "checkpoint")[-1]
        self.assertEqual((len(entries), int.from_bytes(last, "big")), (said["records"], said["records"]))
        self.assertGreaterEqual(len(self.copied("loaded", "report")), 20)
        self.assertEqual(said["bytes"], len(self.file_of("loaded")))
        for path, mode in ((("loaded",), 0o700), (("loaded", "data.mdb"), 0o600)):
            self.assertEqual(stat.S_IMODE(os.stat(self.lab.path("backups", *path)).st_mode), mode)
        self.assertEqual(os.listdir(self.lab.path("backups", "loaded")), ["data.mdb"])
        self.started_from("loaded", said["records"])
        record, = self.admins("backup")[-1:]
        self.assertEqual((record.text(7, 1), record.text(7, 2)), ("loaded", "ok"))
        self.assertIn("operator", record.text(6, 0))

    def started_from(self, name, records):
        """A broker of the same generation takes it for its own: all of it is hashed again."""
        self.lab.write("copy.conf", self.lab.read("reltod.conf").replace('"spool"', '"copied"').replace(
            'run-dir', 'run-dir "run-copy"\n#', 1))
        os.mkdir(self.lab.path("copied"), 0o700)
        with open(self.lab.path("copied", "data.mdb"), "wb") as f:
            f.write(self.file_of(name))
        p = subprocess.Popen([self.lab.reltod_path, "--verify-all", "-c", self.lab.path("copy.conf")],
                             stderr=subprocess.PIPE, text=True)
        said = ""
        for line in p.stderr:
            said += line
            if "broker.ready" in line:
                break
        p.send_signal(signal.SIGTERM)
        said += p.communicate()[1]
        self.assertEqual(p.returncode, 0, said)
        self.assertRegex(said, r"log\.verified.*\bsize=%d from=0 all=yes" % records)

    def test_what_cannot_be_made_says_why_leaves_nothing_and_is_recorded(self):
        backups = self.lab.path("backups")
        self.backup("twice")
        before = sorted(os.listdir(backups))
        failed = len([r for r in self.admins("backup") if r.text(7, 2) != "ok"])
        _, err = self.admin("backup", "twice", code=64)
        self.assertIn("backup-dir has 'twice' already: take another name", err)
        os.chmod(backups, 0o770)
        _, err = self.admin("backup", "shared", code=78)
        self.assertIn("group or others can write it", err)
        os.chmod(backups, 0o700)
        for name in ("../out", ".hidden", "x" * 65):
            self.assertIn("no path", self.admin("backup", name, code=64)[1])
        os.rename(backups, backups + ".away")
        _, err = self.admin("backup", "gone", code=74)
        os.rename(backups + ".away", backups)
        self.assertEqual(sorted(os.listdir(backups)), before)
        results = [r.text(7, 2) for r in self.admins("backup") if r.text(7, 2) != "ok"][failed:]
        self.assertEqual(results, ["usage", "config", "io"])

    def test_what_a_backup_that_died_left_is_taken_away_by_the_next(self):
        part = self.lab.path("backups", "again.part")
        os.mkdir(part, 0o700)
        with open(os.path.join(part, "data.mdb"), "wb") as f:
            f.write(b"half")
        self.backup("again")
        self.assertFalse(os.path.exists(part))

    def test_only_an_operator_of_the_hub_may_and_only_in_version_2(self):
        for domain, path in (("gbr", None), ("hub", "/inspector")):
            with self.lab.client(domain, path) as c:
                for kind, body in (("backup", pb.Backup(name=b"x")), ("erase", pb.Erase(records=[0], because=b"x"))):
                    with self.assertRaises(wire.Refused) as no:
                        c.ask(kind, body)
                    self.assertEqual(no.exception.code, "role")
        self.assertFalse(os.path.exists(self.lab.path("backups", "x")))


    def erase(self, *indexes, because="asked for", code=0):
        return self.admin("erase", *map(str, indexes), "--because", because, "--json", code=code)

    def test_a_person_is_gone_and_the_log_is_as_good_as_before(self):
        with self.lab.client("gbr") as c:
            publish(c, [(TEARLINE, canary())])
        word = "the words of somebody who may ask to be forgotten"
        intake = self.log(kind="INTAKE")[-1]
        self.assertIn("fusion-desk", intake.text(6, 0))
        first = json.loads(self.erase(intake.index, because=word)[0])
        told = [r for r in self.log(kind="ERASE") if r.index == first["record"]][0]
        self.assertEqual((told.text(6, 1), told.slots[7][0]), (word, intake.index.to_bytes(8, "big")))
        self.assertIn("operator", told.text(6, 0))
        again = [r for r in self.log() if r.index == intake.index][0]
        self.assertEqual((again.slots[6], again.leaf), (None, intake.leaf))
        self.assertEqual({n: again.slots[n] for n in range(1, 9) if n != 6},
                         {n: intake.slots[n] for n in range(1, 9) if n != 6})
        # the record of an erasure is about a person too
        self.erase(first["record"], because="asked for too")
        self.assertEqual([v for _, v in rows(self.lab, "entry") if word.encode() in v], [])
        self.backup("erased")
        self.assertFalse(word.encode() in self.file_of("erased"), "a copy has no free pages")
        folder = os.path.join(self.lab.base, "erased")
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("hub"))
        said = subprocess.run([rig.program("relto-verify"), "verify", folder, "--key", self.lab.agent("hub").log_key],
                              capture_output=True, text=True).stdout
        gone = len([r for r in self.log() if r.slots[6] is None])
        self.assertGreaterEqual(gone, 2)
        self.assertIn("persons erased from %d records\n" % gone, said)
        self.lab.stop()
        self.lab.start()

    def test_all_or_nothing_and_it_says_which_record_was_at_fault(self):
        with self.lab.client("gbr") as c:
            publish(c, [(TEARLINE, canary())])
        log = self.log()
        good, = [r for r in log if r.kind == "INTAKE"][-1:]
        nobody = [r for r in log if r.kind == "START"][0]
        for other, why in ((nobody.index, "names no person"), (10 ** 9, "there is no record 1000000000")):
            _, err = self.erase(good.index, other, code=66)
            self.assertIn(why, err)
        self.assertIsNotNone([r for r in self.log() if r.index == good.index][0].slots[6])
        self.erase(good.index)
        _, err = self.erase(good.index, code=66)
        self.assertIn("record %d is erased already" % good.index, err)
        rig.until(lambda: [r.text(7, 2) for r in self.admins("erase")][-3:] == ["not-found"] * 3, 10, "three ADMIN records")

    def test_a_wrong_call_is_one_before_anything_is_asked(self):
        for words, why in ((["erase", "1"], "say why"), (["erase", "--because", "x"], "say which records"),
                           (["erase", "one", "--because", "x"], "a number"), (["backup"], "what the backup is to be called"),
                           (["erase", "1", "1", "--because", "x"], "named twice"), (["status", "--because", "x"], "'erase'"),
                           (["erase", "--because", "x"] + [str(n) for n in range(1001)], "at most 1,000")):
            _, err = self.admin(*words, code=64)
            self.assertIn(why, err)


if __name__ == "__main__":
    unittest.main()
