#!/usr/bin/python3
"""test_disk.py - a disk that others fill: the store on a small tmpfs, in a mount namespace of the test's own, and a
ballast file that leaves it less and less."""
import collections
import os
import socket
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import FULL, GONE, FaultTest, pb, rig, seed, until_gone, wire  # noqa: E402
from test_again import tables  # noqa: E402

DISK = 64 << 20
PAGE = 4096
STEP = (1 if FULL else 4) << 20
ALONE = "RELTO_MOUNTS_OF_ITS_OWN"
MOUNTS = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])


class SmallDisk(FaultTest):
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

        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "observe { socket \"run/observe\" }\n")

    def readiness(self):
        """What a supervisor is told: status and reason."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.lab.path("run/observe"))
            s.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b"".join(iter(lambda: s.recv(65536), b""))
        head, body = answer.decode().split("\r\n\r\n", 1)
        return int(head.split()[1]), body

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


class Full(SmallDisk):
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


    def test_it_is_not_ready_while_it_refuses_and_nobody_has_to_ask(self):
        no_room = (503, "there is no room for new reports: they are refused\n")
        self.leave(DISK)
        rig.until(lambda: self.readiness() == (200, "ready\n"), 10, "readiness on a disk with room")
        self.leave(0)
        rig.until(lambda: self.readiness() == no_room, 10, "a full disk that is told")
        self.assertFalse(self.published())
        self.assertEqual(self.readiness(), no_room)
        self.lab.stop()
        self.lab.start()
        rig.until(lambda: self.readiness() == no_room, 10, "a full disk that is told after a start")
        self.leave(DISK)
        rig.until(lambda: self.readiness() == (200, "ready\n"), 10, "room again")
        self.assertTrue(self.published())


class FullInsideACommit(SmallDisk):
    """A file system on which room that was taken ahead is no promise (copy on write, thin provisioning): it is full
    inside a commit, at one page after the other of all commits of a scenario."""

    def undermine(self, env, pages):
        """Gives back what reltod took ahead of the last page in use, and leaves the disk so many pages."""
        data = os.path.join(self.spool, "data.mdb")
        begin = (env.info()["last_pgno"] + 1) * PAGE
        length = os.path.getsize(data) - begin
        self.assertGreater(length, 0, "nothing was taken ahead")
        subprocess.run(["fallocate", "--punch-hole", "--offset", str(begin), "--length", str(length), data], check=True)
        self.leave(pages * PAGE)

    def scenario(self):
        """Deliveries, acknowledgements and refusals, each a commit or more; the codes of what was refused."""
        refused = set()
        for party in ("nor", "ken") * 3:
            try:
                with self.ledger.client(party) as c:
                    c.subscribe()
                    d = self.ledger.receive(c, party, 2)
                    if d is not None:
                        self.ledger.ack(c, party, d)
                self.published()
            except wire.Refused as e:
                refused.add(e.code)
            except GONE:
                break
        return refused

    def one(self, pages):
        """Whether the disk was full inside a commit, and whether the broker ended of it."""
        self.leave(DISK)
        self.whole()
        env = tables(self.lab)
        self.addCleanup(env.close)
        reader = env.begin()  # what it may still read is not written over: commits take new pages
        for _ in range(3):
            self.assertTrue(self.published())
        said = len(self.lab.messages())
        self.undermine(env, pages)
        self.assertLessEqual(self.scenario(), {"full"})
        reader.abort()
        env.close()
        ended = until_gone(self.lab.process, 0.1) is not None
        struck = ended or "batch.failed" in self.lab.messages()[said:]
        self.leave(DISK)
        if ended:
            self.after_the_end(said)
            self.lab.start()
        self.assertTrue(self.published(), "room again, and intake does not go on")
        for party in ("nor", "ken"):
            self.ledger.drain(party)
        return struck, ended

    def test_at_every_page_of_a_scenario(self):
        counts, pages, r = collections.Counter(), 0, seed()
        while True:  # until a scenario has room for all that it writes
            with self.subTest(pages=pages):
                struck, ended = self.one(pages)
                counts["struck"] += struck
                counts["ended"] += ended
                if not struck:
                    break
            pages += 1 if FULL else r.randint(2, 12)
        print("# full inside a commit at %d places up to page %d, ended %d times" % (
            counts["struck"], pages, counts["ended"]), flush=True)
        self.assertGreater(counts["struck"], 2)
        self.verdict()


if __name__ == "__main__":
    if ALONE not in os.environ and subprocess.run(MOUNTS + ["true"], capture_output=True).returncode == 0:
        os.environ[ALONE] = "1"
        os.execvp(MOUNTS[0], MOUNTS + [sys.executable] + sys.argv)
    unittest.main(verbosity=2)
