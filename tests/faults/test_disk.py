#!/usr/bin/python3
"""test_disk.py - a disk that others fill: the store on a small tmpfs, in a mount namespace of the test's own, and a
ballast file that leaves it less and less."""
import os
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import FULL, FaultTest, pb, rig, wire  # noqa: E402

DISK = 64 << 20
STEP = (1 if FULL else 4) << 20
ALONE = "RELTO_MOUNTS_OF_ITS_OWN"
MOUNTS = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])


class Disk(FaultTest):
    @classmethod
    def setUpClass(cls):
        if ALONE not in os.environ:
            raise unittest.SkipTest("NO mount namespace: unshare --mount is not allowed here")
        super().setUpClass()

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.spool = cls.lab.path("spool")
        os.makedirs(cls.spool, 0o700, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % DISK, "relto-test", cls.spool], check=True)
        cls.addClassCleanup(subprocess.run, ["umount", "--lazy", cls.spool])
        cls.ballast = os.path.join(cls.spool, "ballast")
        cls.lab.edit("reltod.conf", r"map-size  16GiB", "map-size  64MiB")
        cls.lab.edit("reltod.conf", r"reserve   64MiB", "reserve   4MiB")

    def leave(self, free):
        """Takes all of the disk but 'free' bytes."""
        if os.path.exists(self.ballast):
            os.unlink(self.ballast)
        s = os.statvfs(self.spool)
        take = s.f_bavail * s.f_frsize - free
        if take > 0:
            with open(self.ballast, "wb") as f:
                os.posix_fallocate(f.fileno(), 0, take)
        return take > 0

    def published(self):
        with self.ledger.client("gbr") as gbr:
            try:
                self.ledger.publish(gbr, self.ledger.report(gbr))
                return True
            except wire.Refused as e:
                self.assertEqual(e.code, "full")
                return False

    def read_one(self, party):
        with self.ledger.client(party) as c:
            c.subscribe()
            d = self.ledger.receive(c, party, 5)
            self.assertIsNotNone(d, "what was there before the disk was full does not come")
            self.ledger.ack(c, party, d)

    def test_whatever_is_left_of_the_disk(self):
        taken, refused = [], []
        for free in list(range(DISK, 0, -STEP)) + [0]:
            if not self.leave(free):
                continue
            with self.subTest(free=free):
                (taken if self.published() else refused).append(free)
                self.assertIsNone(self.ended())
                for party in ("nor", "ken"):  # a delivery and an acknowledgement, as long as some wait
                    if free in taken:
                        self.read_one(party)
        print("# taken down to %d bytes free, refused from %d on, %d and %d steps" % (
            min(taken), max(refused), len(taken), len(refused)), flush=True)
        self.assertGreater(min(taken), max(refused))
        self.assertLess(max(refused), DISK)
        self.leave(DISK)
        self.assertTrue(self.published(), "room again, and intake does not go on")
        self.verdict()

    def test_the_reserve_serves_the_log_and_deletes(self):
        self.leave(DISK)
        for _ in range(8):
            self.assertTrue(self.published())
        self.leave(0)
        said = len(self.lab.messages())
        self.assertFalse(self.published())
        for party in ("nor", "ken"):
            for _ in range(8):
                self.read_one(party)
        with self.ledger.client("gbr") as gbr:
            known = [r for r in self.ledger.receipts][-1]
            self.assertEqual(len(gbr.ask("explain", pb.Explain(report=known)).decisions), 2)
        self.proven()
        refusals = [r for r in self.log(kind="REFUSED") if r.text(7, 0) == "full"]
        self.assertTrue(refusals, "a refusal that is not on record")
        rig.until(lambda: "store.full" in self.lab.messages()[said:], 5, "a word to the operator")
        self.leave(DISK)
        self.assertTrue(self.published())
        rig.until(lambda: "store.room" in self.lab.messages()[said:], 5, "a word that there is room again")
        self.verdict()

    def test_a_start_on_a_full_disk_keeps_what_it_has(self):
        self.leave(DISK)
        self.assertTrue(self.published())
        self.leave(0)
        self.lab.stop()
        self.lab.start()
        self.assertFalse(self.published())
        self.read_one("nor")
        self.leave(DISK)
        self.assertTrue(self.published())
        self.verdict()


if __name__ == "__main__":
    if ALONE not in os.environ and subprocess.run(MOUNTS + ["true"], capture_output=True).returncode == 0:
        os.environ[ALONE] = "1"
        os.execvp(MOUNTS[0], MOUNTS + [sys.executable] + sys.argv)
    unittest.main(verbosity=2)
