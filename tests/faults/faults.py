"""faults.py - a lab whose machine misbehaves, and what must hold whatever it does: no receipt without its INTAKE, no
bytes without their DELIVERY, nothing acknowledged that comes again, one log that only grows.

RELTO_SEED repeats a sample; RELTO_CHECK_FULL=1 leaves nothing out.
"""
import os
import random
import secrets
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import rig  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from test_again import AgainTest  # noqa: E402
from test_path import FININT, SECRET, TEARLINE, canary  # noqa: E402
from wire import pb  # noqa: E402

FULL = os.environ.get("RELTO_CHECK_FULL") == "1"
GONE = (wire.Closed, OSError)  # what a broken connection raises; a time that ran out is an OSError too
ORDERLY = (74, 75)
READERS = {"nor": (SECRET, FININT, TEARLINE), "ken": (TEARLINE,)}


def seed():
    s = int(os.environ.get("RELTO_SEED", "0")) or secrets.randbits(32)
    print("seed %d" % s, flush=True)
    return random.Random(s)


def saved(name):
    """The report whose folder of relto sub --save has this name, PARTY.ID."""
    return bytes.fromhex(name.split(".")[-1].replace("-", ""))


def sample(r, all_of_them, count, full=None):
    """So many of them, sorted; of a full run all, or 'full'."""
    every = list(all_of_them)
    if FULL:
        count = full or len(every)
    return every if len(every) <= count else sorted(r.sample(every, count))


class Ledger:
    """What clients were told, over all that happened to the broker."""

    def __init__(self, lab):
        self.lab, self.receipts, self.delivered, self.acked, self.bodies = lab, {}, {}, set(), {}
        self.memories = {}

    def client(self, party, **more):
        """A client that remembers the heads of all its party's clients before it."""
        agent = self.lab.agent(party)
        memory = self.memories.setdefault(party, witness.Memory(witness.Key(agent.log_key)))
        return wire.Client(agent, memory=memory, **more)

    def report(self, client, labels=(SECRET, TEARLINE), topic="maritime.piracy"):
        report = wire.Report(client.agent, topic, [("atlas", client.terms["atlas"])])
        self.bodies[report.id] = [(label, canary()) for label in labels]
        for label, body in self.bodies[report.id]:
            report.portion(label, body)
        return report.seal()

    def publish(self, client, sealed):
        receipt = client.publish(sealed)
        self.receipts[receipt.report] = receipt.index

    def receive(self, client, party, timeout):
        """The next report, noted and compared with what this party may have; None when the time is up."""
        d = client.receive(timeout=timeout)
        if d is None:
            return None
        key = (party.upper(), d.manifest.id)
        assert key not in self.acked, "delivered again after its acknowledgement"
        wanted = [body for label, body in self.bodies[d.manifest.id] if label in READERS[party]]
        assert d.contents == wanted, "%s got other portions than its own" % party
        self.delivered[key] = d
        return d

    def ack(self, client, party, d):
        client.ack(d)
        self.acked.add((party.upper(), d.manifest.id))

    def owed(self, party):
        """The reports with a receipt that this party should have had."""
        return {r for r in self.receipts if (party.upper(), r) not in self.delivered
                and any(label in READERS[party] for label, _ in self.bodies[r])}

    def drain(self, party, quiet=0.2, seconds=10):
        """Receives all that waits; what is owed may take a while, after a failure."""
        end = time.monotonic() + seconds
        with self.client(party) as c:
            c.subscribe()
            while True:
                d = self.receive(c, party, quiet)
                if d is not None:
                    self.ack(c, party, d)
                elif not self.owed(party) or time.monotonic() > end:
                    return


class FaultTest(AgainTest):
    """A lab, a ledger of all that its clients saw, and the verdict."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ledger = Ledger(cls.lab)
        with cls.ledger.client("nor") as nor, cls.ledger.client("ken") as ken:
            nor.subscribe()
            ken.subscribe()

    def ended(self):
        """The exit code of a broker that stopped by itself; None while it runs."""
        return self.lab.process.poll()

    def whole(self):
        """The lab as a point that failed need not have left it."""
        if self.lab.process is not None and self.ended() is None:
            return
        if self.lab.process is not None:
            self.lab.kill()
        self.lab.start()

    def after_the_end(self, said_from=0):
        """The broker is gone: in order, and with a word why."""
        code = self.lab.process.wait(rig.STOP_SECONDS)
        said = self.lab.messages()[said_from:]
        self.assertIn(code, ORDERLY, said[-2000:])
        self.assertRegex(said, r"error \S+ .*why=", "an end without a word")
        self.lab.log.close()
        self.lab.process = None
        return code

    def verdict(self, proof=True):
        """Against the log of a broker that runs; what waits is received first.  The proof takes a second."""
        for party in READERS:
            self.ledger.drain(party)
        self.lab.let_go()  # the auditor's session of before may have been told of a shortage
        log = self.log()
        intakes = {r.report: r.index for r in log if r.kind == "INTAKE"}
        released = {(who, r.report) for r in log if r.kind == "DELIVERY" for who in r.text(2, 0).split("\n")}
        lost = [r.hex() for r, index in self.ledger.receipts.items() if intakes.get(r) != index]
        self.assertEqual(lost, [], "receipts without their INTAKE")
        owed = [(p, r.hex()) for p in READERS for r in self.ledger.owed(p)]
        self.assertEqual(owed, [], "receipts, and nothing came of them")
        self.assertEqual(set(self.ledger.delivered) - released, set(), "bytes without a DELIVERY")
        if proof:
            self.proven()


def until_gone(process, seconds):
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    return process.poll()


__all__ = ["FULL", "GONE", "ORDERLY", "READERS", "FaultTest", "Ledger", "pb", "rig", "sample", "seed", "until_gone",
           "wire", "SECRET", "TEARLINE", "canary"]
