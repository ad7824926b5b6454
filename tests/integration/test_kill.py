#!/usr/bin/python3
"""test_kill.py - kill -9 at random moments; the ledger of what clients saw against what the broker still knows."""
import os
import random
import secrets
import sys
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
from test_path import SECRET, TEARLINE  # noqa: E402
from wire import pb  # noqa: E402

MOMENTS = 10


class Ledger:
    """What clients were told."""

    def __init__(self):
        self.receipts, self.delivered, self.acked, self.bodies = {}, {}, set(), {}


def publish_until_dead(client, ledger):
    """Keeps a window of reports in flight until the connection breaks."""
    flying = {}
    try:
        while True:
            while len(flying) < 32:
                report = wire.Report(client.agent, "maritime.piracy", [("atlas", client.terms["atlas"])])
                body = secrets.token_hex(16).encode()
                report.portion(SECRET, b"secret " + body).portion(TEARLINE, b"tearline " + body)
                ledger.bodies[report.id] = body
                flying[client.send("publish", report.seal())] = report.id
            m = client.read_message()
            if m is None:
                return
            if m.WhichOneof("body") == "receipt":
                ledger.receipts[flying.pop(m.request)] = m.receipt.index
    except (wire.Closed, OSError):
        pass


def receive_until_dead(client, ledger, quiet=None):
    """Receives and acknowledges until the connection breaks, or until nothing came for 'quiet' seconds."""
    try:
        client.subscribe()
        while True:
            d = client.receive(timeout=quiet or 5)
            if d is None:
                return
            key = (client.agent.id, d.manifest.id)
            if key in ledger.acked:
                raise AssertionError("delivered again after its acknowledgement")
            ledger.delivered[key] = d.contents
            client.ack(d)
            ledger.acked.add(key)
    except (wire.Closed, OSError, TimeoutError):
        pass


class Kill(rig.LabTest):
    def test_nothing_that_was_acknowledged_is_lost(self):
        seed = int(os.environ.get("RELTO_SEED", "0")) or secrets.randbits(32)
        print("seed %d" % seed)
        r, ledger = random.Random(seed), Ledger()
        failed = []

        def guarded(work, *args):
            try:
                work(*args)
            except Exception as e:  # an assertion in a thread must reach the test
                failed.append(e)

        for _ in range(MOMENTS):
            threads = [threading.Thread(target=guarded, args=(publish_until_dead, self.lab.client("gbr"), ledger))]
            threads += [threading.Thread(target=guarded, args=(receive_until_dead, self.lab.client(p), ledger))
                        for p in ("nor", "ken")]
            for t in threads:
                t.start()
            threading.Event().wait(r.uniform(0.05, 0.8))
            self.lab.kill()
            for t in threads:
                t.join(30)
            self.lab.start()
        for party in ("nor", "ken"):
            guarded(receive_until_dead, self.lab.client(party), ledger, 2)
        self.assertEqual(failed, [])
        self.assertGreater(len(ledger.receipts), 50)
        self.check(ledger)

    def check(self, ledger):
        for party, parts in (("nor", (b"secret ", b"tearline ")), ("ken", (b"tearline ",))):
            who = self.lab.agent(party).id
            for report in ledger.receipts:
                got = ledger.delivered.get((who, report))
                self.assertEqual(got, [p + ledger.bodies[report] for p in parts], "%s, report %s" % (who, report.hex()))
        gbr = self.lab.client("gbr")
        for report, index in list(ledger.receipts.items())[:20]:
            said = gbr.ask("explain", pb.Explain(report=report))
            self.assertEqual(len(said.decisions), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
