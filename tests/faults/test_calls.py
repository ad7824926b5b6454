#!/usr/bin/python3
"""test_calls.py - every call that writes to the store fails, one at a time: EIO, ENOSPC, a short write.

strace injects the error at the N-th call of a thread.  Whatever it does to the broker - nothing, a refusal, an end -
the next start verifies the log, and what clients were told is true (faults.py).
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import GONE, FaultTest, rig, sample, seed, until_gone, wire  # noqa: E402

CALLS = ("write", "writev", "pwrite64", "pwritev", "fdatasync", "fsync", "fallocate", "ftruncate", "rename", "renameat",
         "mkdir", "mkdirat", "unlinkat")
FILES = ("spool", "spool/data.mdb", "spool/mark", "spool/new", "spool/new/data.mdb")
FLUSHES = ("fdatasync", "fsync")
POINTS = {"make": 8, "traffic": 24}
ENDS = (70, 74, 75)  # what a start that failed says


def faults_of(call):
    yield "error=EIO"
    if call in ("write", "writev", "pwrite64", "pwritev", "fallocate", "mkdir", "mkdirat", *FLUSHES):
        yield "error=ENOSPC"
    if call in ("write", "writev", "pwrite64", "pwritev"):
        yield "retval=512"  # of a page; more than the one byte of the mark


class Calls(FaultTest):
    @classmethod
    def setUpClass(cls):
        if shutil.which("strace") is None or subprocess.run(["strace", "-o", "/dev/null", "true"],
                                                            capture_output=True).returncode:
            raise unittest.SkipTest("NO strace: it cannot attach")
        super().setUpClass()
        cls.r = seed()
        cls.plain, cls.traced = cls.lab.reltod_path, os.path.join(cls.lab.base, "reltod-traced")
        cls.calls = os.path.join(cls.lab.base, "calls")

    def start(self, *inject):
        """Under strace; False if it ended before it was ready."""
        paths = [w for f in FILES for w in ("-P", self.lab.path(f))]
        words = ["strace", "-D", "-f", "-qq", "-o", self.calls, "-e", "trace=" + ",".join(CALLS)] + paths
        for i in inject:
            words += ["-e", "inject=" + i]
        with open(self.traced, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\nexec %s %s \"$@\"\n" % (" ".join(words), self.plain))
        os.chmod(self.traced, 0o755)
        self.lab.reltod_path = self.traced
        try:
            self.lab.start()
            return True
        except AssertionError:
            if self.ended() is None:
                raise
            return False
        finally:
            self.lab.reltod_path = self.plain

    def restart(self):
        if self.lab.process is not None:
            self.assertEqual(self.lab.stop(), 0)
        self.lab.start()

    def traffic(self):
        """What clients do until the broker is gone, or refuses; the code of a refusal."""
        refused = set()
        for work in (self.write, lambda: self.read("nor"), lambda: self.read("ken")) * 2:
            try:
                work()
            except wire.Refused as e:
                refused.add(e.code)
            except GONE:
                break
        return refused

    def write(self):
        with self.ledger.client("gbr") as gbr:
            self.ledger.publish(gbr, self.ledger.report(gbr))

    def read(self, party):
        with self.ledger.client(party) as c:
            c.subscribe()
            while self.ledger.owed(party):
                d = self.ledger.receive(c, party, 2)
                if d is None:
                    return
                self.ledger.ack(c, party, d)

    def counted(self):
        """{call: how many one thread made}, of the run that ended."""
        with open(self.calls, encoding="utf-8", errors="replace") as f:
            text = f.read()
        seen = collections.Counter(re.findall(r"(?m)^(\d+) +(\w+)\(", text))
        most = collections.Counter()
        for (_, call), n in seen.items():
            most[call] = max(most[call], n)
        return most

    def injected(self):
        with open(self.calls, encoding="utf-8", errors="replace") as f:
            return re.findall(r"(?m)^\d+ +(\w+)\(.*INJECTED", f.read())

    def sweep(self, name, work, before=lambda: None):
        self.whole()
        self.lab.stop()
        before()
        self.assertTrue(self.start())
        work()
        self.lab.stop()
        counts = self.counted()
        self.assertTrue(counts, "strace saw nothing")
        points = [(call, n, fault) for call in sorted(counts) for n in range(1, counts[call] + 1)
                  for fault in faults_of(call)]
        flushes = [p for p in points if p[0] in FLUSHES]
        chosen = sample(self.r, flushes, POINTS[name] // 4)
        chosen += sample(self.r, [p for p in points if p not in flushes], POINTS[name] - len(chosen))
        hit, ends = 0, collections.Counter()
        for call, n, fault in chosen:
            with self.subTest(call=call, number=n, fault=fault):
                if self.lab.process is not None:
                    self.lab.kill()
                before()
                end, struck = self.one(call, fault, n, work)
                hit += struck
                ends[end] += 1
        print("# %s: %s; %d of %d points, %d struck, ended %s" % (
            name, " ".join("%s %d" % c for c in sorted(counts.items())), len(chosen),
            len(points), hit, " ".join("%s: %d" % e for e in sorted(ends.items(), key=str))), flush=True)
        self.assertGreater(hit, 0)
        self.whole()
        self.verdict()

    def one(self, call, fault, n, work):
        said = len(self.lab.messages())
        refused = work() if self.start("%s:%s:when=%d" % (call, fault, n)) else set()
        code = until_gone(self.lab.process, 0.1)
        by_itself = code is not None
        if by_itself:
            self.assertIn(code, ENDS, self.lab.messages()[said:][-2000:])
            self.assertRegex(self.lab.messages()[said:], r"(error|warn) +\S+ .*why=|reltod: ", "an end without a word")
            self.lab.log.close()
            self.lab.process = None
        else:
            code = self.lab.stop()
        struck = self.injected()
        if struck and "fsync" not in struck:
            self.judge(struck, fault, by_itself, code, refused, said)
        self.lab.start()
        self.verdict_of_one()
        self.lab.stop()
        return code, bool(struck)

    def judge(self, struck, fault, by_itself, code, refused, said):
        if "ENOSPC" in fault or struck[0] in ("mkdir", "mkdirat", "unlinkat"):
            self.assertLessEqual(refused, {"full"})
            return
        # what reached the disk is unknown: nobody is told anything any more
        self.assertTrue(by_itself or code != 0, "%s failed, and the broker went on:\n%s" % (
            struck, self.lab.messages()[said:][-2000:]))

    def verdict_of_one(self):
        self.assertIn("log.verified", self.lab.messages().rpartition("broker.ready")[0][-2000:])
        self.verdict(proof=False)

    def test_traffic(self):
        self.sweep("traffic", self.traffic)


class FirstStart(Calls):
    """Each time a store is made anew, so that there is no log before it to compare with."""

    def verdict(self, proof=True):
        self.write()

    def test_traffic(self):
        def anew():
            shutil.rmtree(self.lab.path("spool"))
            self.ledger.__init__(self.lab)
        self.sweep("make", set, anew)


if __name__ == "__main__":
    unittest.main(verbosity=2)
