#!/usr/bin/python3
"""test_memory_starts.py - memory that runs out before anybody is served: reltod that starts, on a store and without one,
and relto-verify, with every allocation failing, once and from then on (allocations.c)."""
import os
import shutil
import subprocess
import sys
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_memory  # noqa: E402
from faults import GONE, FaultTest, rig, sample, seed  # noqa: E402

LAST = 240
POINTS, ALL = 12, 4000  # of a start and mode, which makes 40,000 allocations; relto-verify makes 12,000
MODES = (("once", lambda n: n), ("from then on", lambda n: test_memory.FOREVER))
NO_MEMORY = 75


class Start(FaultTest):
    """A start comes up whole, or ends with 'no memory'; the next one finds everything."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.control = test_memory.under_control(cls.lab)
        cls.r = seed()

    def begin(self, first, last):
        """A start short of memory: (its exit code or None, how many allocations, how many of them failed)."""
        self.control.arm(first, last)
        self.lab.spawn()
        addresses = self.lab.path("run", "addresses")
        rig.until(lambda: self.ended() is not None or os.path.exists(addresses), rig.START_SECONDS, "ready, or an end")
        counted = self.control.disarm()
        return (self.ended(),) + counted

    def sweep(self, before):
        counts = []
        for _ in range(2):
            if self.lab.process is not None:
                self.lab.kill()
            before()
            code, count, _ = self.begin(0, 0)
            self.assertIsNone(code)
            counts.append(count)
        hit, up = 0, 0
        for name, last in MODES:
            every = range(1, min(counts) + 1)  # and of what follows the verification as many again: there a store is open
            for n in sample(self.r, every, POINTS, ALL) + sample(self.r, every[-LAST:], POINTS):
                with self.subTest(mode=name, allocation=n):
                    if self.lab.process is not None:
                        self.lab.kill()
                    before()
                    failed, came_up = self.one(n, last(n))
                    hit, up = hit + (failed > 0), up + came_up
        print("# %s: %d allocations, failed at %d points, came up at %d" % (
            self.id().rsplit(".", 1)[1], min(counts), hit, up), flush=True)
        self.assertGreater(hit, 0)

    def one(self, first, last):
        said = len(self.lab.messages())
        code, _, failed = self.begin(first, last)
        came_up = code is None
        if came_up:
            self.whole_or_gone(said)
        if self.lab.process is not None and self.ended() is not None:
            words = self.lab.messages()[said:]
            # once there is a store, a batch that fails of anything but plain want of memory stops it for good
            wanted = 74 if "store.broken" in words else NO_MEMORY
            self.assertEqual(self.ended(), wanted, words[-2000:])
            self.assertTrue(words.strip(), "an end without a word")
        if self.lab.process is not None:
            self.lab.kill()
        self.lab.start()
        self.work()
        return failed, came_up

    def whole_or_gone(self, said):
        """Whoever may come in does; a broker that found out later that it has no memory may end."""
        try:
            self.lab.ready()
            self.work()
        except (AssertionError,) + GONE:
            if test_memory.until_gone(self.lab.process, 1) is None:
                raise
        self.assertNotIn("shut-out", self.lab.messages()[said:])

    def work(self):
        """A report, and everybody who has it."""
        with self.ledger.client("gbr") as gbr:
            self.ledger.publish(gbr, self.ledger.report(gbr))
        for party in ("nor", "ken"):
            self.ledger.drain(party)

    def test_on_a_store(self):
        self.sweep(lambda: None)
        self.verdict()


class FirstStart(Start):
    def test_on_a_store(self):
        def anew():
            shutil.rmtree(self.lab.path("spool"), ignore_errors=True)
            self.ledger.__init__(self.lab)
        self.sweep(anew)


class Verifier(FaultTest):
    """relto-verify says what it says with memory, or that it had none."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.r = seed()

    def test_verify(self):
        control = test_memory.Control(os.path.join(self.lab.base, "allocations"))
        with self.ledger.client("gbr") as gbr:
            for _ in range(4):
                self.ledger.publish(gbr, self.ledger.report(gbr))
        for party in ("nor", "ken"):
            self.ledger.drain(party)
        folder, key = self.proven()
        report = str(uuid.UUID(bytes=next(iter(self.ledger.receipts))))
        state = os.path.join(self.lab.base, "state")
        self.sweep(control, ["verify", folder, "--key", key, "--state", state], state)
        for words in (["stats", folder], ["gaps", folder], ["trace", folder, report],
                      ["compare", os.path.join(folder, "checkpoint"), folder]):
            self.sweep(control, words + ["--key", key, "--json"], state)

    def sweep(self, control, words, state):
        def run(first, last):
            if os.path.exists(state):
                os.unlink(state)
            env = dict(os.environ, LD_PRELOAD=test_memory.preload(), RELTO_ALLOCATIONS=control.path)
            control.arm(first, last)
            got = subprocess.run([rig.program("relto-verify")] + words, capture_output=True, env=env, timeout=60)
            return (got,) + control.disarm()

        right, count, _ = run(0, 0)
        self.assertEqual(right.returncode, 0, right.stderr)
        hit, points = 0, 8 * POINTS if words[0] == "verify" else POINTS
        for name, last in MODES:
            for n in sample(self.r, range(1, count + 1), points):
                with self.subTest(command=words[0], mode=name, allocation=n):
                    got, _, failed = run(n, last(n))
                    hit += failed > 0
                    if got.returncode == 0:
                        self.assertEqual(got.stdout, right.stdout)
                    else:
                        self.assertEqual((got.returncode, got.stdout), (NO_MEMORY, b""), got.stderr)
                        self.assertIn(b"out of memory", got.stderr)
        print("# %s: %d allocations, failed at %d points" % (words[0], count, hit), flush=True)
        self.assertGreater(hit, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
