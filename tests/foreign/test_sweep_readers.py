#!/usr/bin/python3
"""test_sweep_readers.py - each field of each kind of record changed alone, and the log signed anew: both verifiers say the
same, and what nobody can see is what docs/audit-format.md, section 10, says is not shown.

A few hundred changes in a check, from a printed seed; all of them with RELTO_CHECK_FULL=1.
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
# What a record says alone: a change of it is another log that nothing in a bundle contradicts.
UNSEEN = {
}


def spec_of(kind):
    """{slot: [(field, kind of value)]} of those that a type may use."""
    _, slots, body = next(t for t in relto_format.TYPES if t[0] == kind)
    return {int(n): re.findall(r"(\w+)=(\w+)", relto_format.SLOTS.get(int(n), body)) for n in slots}


def changes(log):
    """(name, kind, slot.field, change of a log): of the last record of each kind."""
    for kind in forge.NAMES:
        for slot, fields in spec_of(kind).items() if log.all(kind) else ():
            for k, (field, value) in enumerate(fields):
                is_there = lies.pick(log, kind).field(slot, k)
                for how, new in (("another", tampers.flip), ("none", b"")) if is_there else (
                        ("one", EXAMPLES[value[0]]),):
                    where = "%s %s" % (kind, field if slot < 7 else ("place", "body " + field)[slot == 7])
                    yield "%s: %s" % (where, how), where, change(kind, slot, k, len(fields), new)


def change(kind, slot, k, count, new):
    def lie(log):
        r = lies.pick(log, kind)
        fields = r.fields(slot) or [b""] * count
        fields[k] = new(fields[k]) if callable(new) else new
        r.slots[slot - 1].value = b"".join(len(f).to_bytes(4, "big") + f for f in fields) if any(fields) else b""
        log.settle(keep=r)
    return lie


class Sweep(unittest.TestCase):
    def test_each_field_changed_alone_gets_the_same_exit_code_from_both(self):
        with tempfile.TemporaryDirectory() as d:
            bundle, key = self.bundle()
            bench = readers.Bench(d, key, bundle, bundle, "HUB")
            rows = list(changes(forge.Log(bundle)))
            picked = rows if FULL else random.Random(SEED).sample(rows, min(SAMPLE, len(rows)))
            print("# RELTO_SEED=%d, %d of %d changes" % (SEED, len(picked), len(rows)))
            found = collections.defaultdict(set)
            for name, where, what in picked:
                c, python = bench.codes(what)
                found[c].add(name) if c == python else found["differ"].add((name, c, python))

        print("# exit codes: %s" % {code: len(names) for code, names in sorted(found.items())})
        print("DIFFER", found.pop("differ", None)); print("UNSEEN", sorted(found[0]))
        unseen = {name.split(": ")[0] for name in found[0]}
        self.assertLessEqual(unseen, UNSEEN)
        if FULL:
            self.assertEqual({u for u in UNSEEN if u in {where for _, where, _ in rows}}, unseen)

    def bundle(self):
        """Of a short scene; under a sanitizer, where nothing can be loaded ahead of it, the golden one."""
        if not os.environ.get("LATER"):
            with open(os.path.join(GOLDEN, "log.vkey"), encoding="ascii") as f:
                return GOLDEN, f.read().strip()
        s = scene.Scene()
        self.addCleanup(s.lab.remove)
        s.play(24)
        folder, key = s.pull("hub")
        s.lab.stop()
        return folder, key


if __name__ == "__main__":
    unittest.main(verbosity=2)
