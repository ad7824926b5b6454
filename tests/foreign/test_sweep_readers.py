#!/usr/bin/python3
"""test_sweep_readers.py - each field of each kind of record changed alone, and the log signed anew: both verifiers say
the same, and what neither finds is what docs/audit-format.md, section 10, says is not shown.

In a check a sample from the golden log (the seed is printed); with RELTO_CHECK_FULL=1 all of it, and of a broker's log.
"""
import collections
import os
import random
import re
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import scene  # noqa: E402  (first: it knows where the rig is)
import readers  # noqa: E402
import forge  # noqa: E402
import lies  # noqa: E402
import relto_format  # noqa: E402
import tampers  # noqa: E402

FULL = os.environ.get("RELTO_CHECK_FULL") == "1"
SEED = int(os.environ.get("RELTO_SEED", "0")) or random.randrange(1, 10**6)
SAMPLE = 150
GOLDEN = os.path.join(HERE, "..", "vectors", "golden", "bundle-hub")
EXAMPLES = {"u": forge.u64(7), "e": b"\1", "t": b"x", "r": b"0 release release a -\n", "d": forge.H(b"x"),
            "D": forge.H(b"x"), "X": forge.u64(0), "i": bytes(16), "b": b"x"}
# What a record says alone, and what is only missing when it is another digest.
UNSEEN_IN_ALL = "time node connection certificate clock actor justification".split()
UNSEEN = {
    "INTAKE": "facts seal chain anchors", "DECISION": "facts marking", "NARROWED": "facts marking", "ACK": "deliveries",
    "AGREEMENT": "terms state suspended", "KEY": "party", "POLICY": "crls shut",
    "REFUSED": "report code count party agent field peer", "SUBSCRIPTION": "party mode name pattern act",
    "AUDIT_READ": "party act first count", "START": "version boot last", "STOP": "type cause"}


def spec_of(kind):
    """{slot: [(field, kind of value)]} of those that a type may use."""
    _, slots, body = next(t for t in relto_format.TYPES if t[0] == kind)
    return {int(n): re.findall(r"(\w+)=(\w+)", relto_format.SLOTS.get(int(n), body)) for n in slots}


def changes(log):
    """(name, kind, field, change of a log) of the last record of each kind."""
    for kind in filter(log.all, forge.NAMES):
        for slot, fields in spec_of(kind).items():
            for k, (field, value) in enumerate(fields):
                is_there = lies.pick(log, kind).field(slot, k)
                hows = (("another", tampers.flip), ("none", b"")) if is_there else (("one", EXAMPLES[value[0]]),)
                for how, new in hows:
                    name = "%s, slot %d, %s: %s" % (kind, slot, field, how)
                    yield name, kind, field, change(kind, slot, k, len(fields), new)


def change(kind, slot, k, count, new):
    def lie(log):
        r = lies.pick(log, kind)
        fields = r.fields(slot) or [b""] * count
        fields[k] = new(fields[k]) if callable(new) else new
        r.slots[slot - 1].value = b"".join(map(lies.text, fields)) if any(fields) else b""
        log.settle(keep=r)
    return lie


class Sweep(unittest.TestCase):
    def sweep(self, bundle, key, sample):
        rows, found = list(changes(forge.Log(bundle))), collections.Counter()
        picked = random.Random(SEED).sample(rows, min(sample, len(rows)))
        print("# RELTO_SEED=%d, %d of %d changes" % (SEED, len(picked), len(rows)))
        with tempfile.TemporaryDirectory() as d:
            bench = readers.Bench(d, key, bundle, bundle, "HUB")
            for name, kind, field, what in picked:
                code, python = bench.codes(what)
                self.assertEqual(code, python, name)
                self.assertTrue(code or field in UNSEEN_IN_ALL or field in UNSEEN.get(kind, "").split(), name)
                found[code] += 1
        print("# exit codes: %s" % dict(sorted(found.items())))

    def test_a_field_of_the_golden_log_changed_alone_gets_the_same_exit_code_from_both(self):
        with open(os.path.join(GOLDEN, "log.vkey"), encoding="ascii") as f:
            self.sweep(GOLDEN, f.read().strip(), 10**6 if FULL else SAMPLE)

    def test_a_field_of_a_brokers_log_changed_alone_gets_the_same_exit_code_from_both(self):
        if not FULL or not os.environ.get("LATER"):
            self.skipTest("with --full, on the plain build")
        s = scene.Scene()
        self.addCleanup(s.lab.remove)
        s.play(12)
        folder, key = s.pull("hub")
        s.lab.stop()
        self.sweep(folder, key, 10**6)


if __name__ == "__main__":
    unittest.main(verbosity=2)
