#!/usr/bin/python3
"""test_descriptors.py - a process that may open no more files: accepting pauses and goes on, what is open is served."""
import os
import re
import resource
import socket
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import FaultTest, pb, rig  # noqa: E402

SPARE = 3  # descriptors beyond those in use
SECONDS = 3


class Descriptors(FaultTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "observe { socket \"run/observe\" }\n")

    def supervisor(self):
        """Connected, and silent."""
        s = socket.socket(socket.AF_UNIX)
        self.addCleanup(s.close)
        s.settimeout(10)
        s.connect(self.lab.path("run/observe"))
        return s

    def limit(self, count):
        _, hard = resource.prlimit(self.lab.process.pid, resource.RLIMIT_NOFILE)
        try:
            resource.prlimit(self.lab.process.pid, resource.RLIMIT_NOFILE, (min(count, hard), hard))
        except PermissionError:
            self.skipTest("NO prlimit: the broker's limits cannot be set from here")

    def in_use(self):
        return len(os.listdir("/proc/%d/fd" % self.lab.process.pid))

    def cpu(self):
        with open("/proc/%d/stat" % self.lab.process.pid, encoding="utf-8") as f:
            after_name = f.read().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")

    def lines(self):
        return len(re.findall(r"error listener\.out-of-descriptors", self.lab.messages()))

    def test_accepting_pauses_without_a_spin_and_goes_on(self):
        gbr, nor = self.ledger.client("gbr"), self.ledger.client("nor")
        self.addCleanup(gbr.close)
        self.addCleanup(nor.close)
        nor.subscribe()
        self.limit(self.in_use() + SPARE)
        host, _, port = self.lab.address.rpartition(":")
        crowd = [socket.create_connection((host, int(port)), 5) for _ in range(SPARE + 20)]
        rig.until(self.lines, 5, "a word about descriptors")
        supervisors = [self.supervisor() for _ in range(4)]  # more than there is room for
        before, said = self.cpu(), self.lines()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:  # meanwhile those who are in are served
            self.ledger.publish(gbr, self.ledger.report(gbr))
            self.ledger.ack(nor, "nor", self.ledger.receive(nor, "nor", 5))
            time.sleep(0.2)
        used = self.cpu() - before
        print("# %.2f s of processor time in %d s, %d lines" % (used, SECONDS, self.lines() - said), flush=True)
        self.assertLess(used, SECONDS / 4, "a spin")
        self.assertLessEqual(self.lines() - said, SECONDS * 25, "a line for each try")
        for s in crowd:
            s.close()
        self.limit(1 << 20)
        for s in supervisors:
            s.close()
        with self.supervisor() as s:
            s.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
            self.assertIn(b"ready\n", b"".join(iter(lambda: s.recv(4096), b"")))
        late = self.ledger.client("ken")
        self.addCleanup(late.close)
        self.assertEqual(late.ask("ping", pb.Ping()), pb.Pong())
        self.verdict()


if __name__ == "__main__":
    unittest.main(verbosity=2)
