#!/usr/bin/python3
"""test_clock.py - a clock that is put forward and back while reports flow, and over restarts (libfaketime)."""
import os
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import FULL, GONE, Ledger, FaultTest, rig, seed, wire  # noqa: E402
import test_time  # noqa: E402

ROUNDS = 24 if FULL else 8
STEPS = ("+0", "+20", "-20", "+200", "-200", "+2h", "-2h", "+1d", "-1d")
DOUBT = ("clock", "timeout", "draining", "busy")


class Clock(FaultTest, test_time.OtherTimes):
    """Partners keep the right time; only the broker's clock goes wrong, with or without a restart."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ledger = Ledger(cls.lab)

    def flow(self, stop, refusals, failed):
        """Publishes, receives and acknowledges until told to stop, whatever the broker's clock says."""
        while not stop.is_set():
            try:
                with self.ledger.client("gbr") as gbr, self.ledger.client("nor") as nor, self.ledger.client("ken") as ken:
                    nor.subscribe()
                    ken.subscribe()
                    while not stop.is_set():
                        try:
                            self.ledger.publish(gbr, self.ledger.report(gbr))
                        except wire.Refused as e:
                            refusals.append(e.code)
                            stop.wait(0.05)
                        for party, c in (("nor", nor), ("ken", ken)):
                            d = self.ledger.receive(c, party, 0.1)
                            if d is not None:
                                self.ledger.ack(c, party, d)
            except wire.Refused as e:
                refusals.append(e.code)
            except GONE:
                stop.wait(0.05)
            except Exception as e:  # what a thread finds must reach the test
                failed.append(e)
                return

    def test_steps_back_and_forth_lose_nothing_and_turn_no_time_back(self):
        r, stop, refusals, failed = seed(), threading.Event(), [], []
        thread = threading.Thread(target=self.flow, args=(stop, refusals, failed))
        thread.start()
        try:
            for n in range(ROUNDS):
                time.sleep(r.uniform(0.1, 0.5))
                to, restarted = r.choice(STEPS), n % 3 == 2
                self.step(to)
                if restarted and r.random() < 0.5:
                    self.lab.stop()
                    self.lab.start()
                elif restarted:
                    self.lab.kill()
                    self.lab.start()
                time.sleep(r.uniform(0.3, 0.8))
                self.step("+0")  # what is accepted is the right time: partners refuse reports of the future
                self.lab.relto("admin", "clock", "accept", context="operator", code=None)  # 75: it was in no doubt
        finally:
            stop.set()
            thread.join(30)
        self.assertEqual(failed, [])
        print("# %d receipts over %d steps; refused: %s" % (
            len(self.ledger.receipts), ROUNDS, " ".join("%s %d" % (c, refusals.count(c)) for c in sorted(set(refusals)))),
            flush=True)
        self.assertGreater(len(self.ledger.receipts), ROUNDS)
        self.assertLessEqual(set(refusals), set(DOUBT))
        log = self.log()
        self.assertEqual([b.index for a, b in zip(log, log[1:]) if b.time < a.time], [], "time that falls")
        self.verdict()


if __name__ == "__main__":
    unittest.main(verbosity=2)
