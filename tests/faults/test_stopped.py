#!/usr/bin/python3
"""test_stopped.py - processes that stand still for seconds (SIGSTOP): the broker, and a partner that reads."""
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import TEARLINE, FaultTest, canary, pb, rig, saved, wire  # noqa: E402

STILL = 3.5  # seconds; longer than the limits below
ANSWER = 5


class Stopped(FaultTest):
    limits = ("ack-wait 30s",)  # what is read slowly here would else come again, rightly

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "limits {\n%s\n}\n" % "\n".join(cls.limits))

    def stand_still(self, process, seconds=STILL):
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            process.send_signal(signal.SIGCONT)


class Broker(Stopped):
    limits = ("ack-wait 2s", "handshake 2s", "hello 2s", "frame 2s", "idle 3s")

    def test_a_broker_that_stood_still_goes_on_where_it_was(self):
        gbr, nor = self.ledger.client("gbr"), self.ledger.client("nor")
        self.addCleanup(gbr.close)
        self.addCleanup(nor.close)
        nor.subscribe()
        self.ledger.publish(gbr, self.ledger.report(gbr))
        held = self.ledger.receive(nor, "nor", ANSWER)
        said = len(self.lab.messages())
        standing = threading.Thread(target=self.stand_still, args=(self.lab.process,))
        standing.start()
        time.sleep(0.2)
        # sent in time, while it stood still: an acknowledgement, reports
        nor.send("ack", pb.Ack(subscription=held.raw.subscription, deliveries=[held.raw.delivery]))
        waiting = [self.ledger.report(gbr) for _ in range(20)]
        for sealed in waiting:
            gbr.send("publish", sealed)
        standing.join()
        for _ in waiting:
            receipt = gbr.wait(kind="receipt", timeout=ANSWER).receipt
            self.ledger.receipts[receipt.report] = receipt.index
        self.ledger.acked.add(("NOR", held.manifest.id))
        for _ in waiting:
            d = self.ledger.receive(nor, "nor", ANSWER)
            self.assertIsNotNone(d, "a report that was taken does not come")
            self.assertEqual(d.raw.attempt, 1)
            self.ledger.ack(nor, "nor", d)
        after = self.lab.messages()[said:]
        self.assertNotIn("conn.timeout", after)
        self.assertNotIn("clock.", after)
        self.assertEqual([r.kind for r in self.log(kind="CLOCK") if r.slots[7][0] == b"\1"], [], "a doubt")
        self.verdict()

    def test_who_said_hello_while_it_stood_still_is_let_in(self):
        half = wire.Client(self.lab.agent("gbr"), hello=False, timeout=ANSWER)
        self.addCleanup(half.close)
        standing = threading.Thread(target=self.stand_still, args=(self.lab.process,))
        standing.start()
        time.sleep(0.2)
        half.hello()
        standing.join()
        self.assertEqual(half.ask("ping", pb.Ping()), pb.Pong())


class Partner(Stopped):
    def test_a_partner_that_stands_still_delays_nobody_else_and_loses_nothing(self):
        folder = os.path.join(self.lab.base, "kept")
        with self.lab.client("nor", "/watch") as c:
            c.subscribe("slow")  # so that it is there before the first report
        env = dict(self.lab.environment(), RELTO_CONTEXT=self.lab.context_name("nor", "/watch"),
                   RELTO_SERVER=self.lab.address)
        nor = subprocess.Popen([self.lab.relto_path, "sub", "--name", "slow", "--save", folder, "--wait", "60s"], env=env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(nor.wait)
        self.addCleanup(nor.kill)
        ken, gbr = self.ledger.client("ken"), self.ledger.client("gbr")
        self.addCleanup(ken.close)
        self.addCleanup(gbr.close)
        ken.subscribe()
        first = self.publish(gbr)
        self.ledger.ack(ken, "ken", self.ledger.receive(ken, "ken", ANSWER))
        rig.until(lambda: os.path.isdir(folder) and self.kept(folder) == {first}, 10, "the partner's first report")
        standing = threading.Thread(target=self.stand_still, args=(nor,))
        standing.start()
        slowest, sent = 0, {first}
        while standing.is_alive():
            t = time.monotonic()
            sent.add(self.publish(gbr, b"x" * 200000))
            self.ledger.ack(ken, "ken", self.ledger.receive(ken, "ken", ANSWER))
            slowest = max(slowest, time.monotonic() - t)
        print("# %d reports past a partner that stood still, the slowest took %.2f s" % (len(sent), slowest), flush=True)
        self.assertLess(slowest, 1.5)
        rig.until(lambda: self.kept(folder) == sent, 20, "what the partner missed")
        self.verdict()

    def publish(self, gbr, more=b""):
        report = wire.Report(gbr.agent, "maritime.piracy", [("atlas", gbr.terms["atlas"])])
        self.ledger.bodies[report.id] = [(TEARLINE, canary() + more)]
        report.portion(*self.ledger.bodies[report.id][0])
        self.ledger.publish(gbr, report.seal())
        return report.id

    def kept(self, folder):
        return {saved(n) for n in os.listdir(folder) if not n.startswith(".")}


if __name__ == "__main__":
    unittest.main(verbosity=2)
