#!/usr/bin/python3
"""test_wire.py - the Python client's own codec and verifiers, held against the golden vectors."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import wire  # noqa: E402
import witness  # noqa: E402
from wire import pb  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "vectors", "golden")
HUB = "spiffe://hub.example/broker"


def golden(name):
    with open(os.path.join(GOLDEN, name), "rb") as f:
        return f.read()


class GoldenAgent(wire.Agent):
    def __init__(self):
        self.hub_id, self.server, self.log_key = HUB, "", None
        leaf, ca = (os.path.join(GOLDEN, "wire", n) for n in ("leaf.pem", "ca.pem"))
        self.chain_der = [wire.der(c) for c in wire.read_certificates(leaf) + wire.read_certificates(ca)]
        self.id = wire.spiffe_id(wire.read_certificates(leaf)[0])
        with open(os.path.join(GOLDEN, "wire", "leaf.key"), "rb") as f:
            self.key = wire.serialization.load_pem_private_key(f.read(), None)
        self.trust = {"gbr.example": wire.read_certificates(ca)}


def deliver(change=None):
    m = wire.canonical(pb.Message, golden("wire/deliver.bin")).deliver
    if change:
        change(m)
    agent = GoldenAgent()
    chain = agent.chain_der
    return wire.Delivered(m, {wire.H(b"".join(chain)): chain}, agent.trust, HUB, m.accepted // 1000)


class Frames(unittest.TestCase):
    def test_the_golden_frames_give_the_message_however_they_are_cut(self):
        for name in ("publish", "publish-split"):
            data = golden("wire/%s.frames" % name)
            for step in (1, 7, 1000, len(data)):
                a, got = wire.Assembler(), []
                for at in range(0, len(data), step):
                    got += a.feed(data[at:at + step])
                self.assertEqual(got, [golden("wire/publish.bin")])

    def test_a_message_is_framed_as_the_golden_file(self):
        self.assertEqual(wire.frames(golden("wire/publish.bin"), 1), golden("wire/publish.frames"))
        self.assertEqual(wire.frames(golden("wire/publish.bin"), 1, 1000), golden("wire/publish-split.frames"))

    def test_lanes_interleave_and_a_void_frame_throws_its_lane_away(self):
        a = wire.Assembler()
        one, two = wire.frames(b"slow" * 10, 0, 30), wire.frames(b"fast", 3)
        self.assertEqual(a.feed(one[:35] + two + one[35:]), [b"fast", b"slow" * 10])
        self.assertEqual(a.feed(one[:35] + b"\x00\x00\x00\x01\x40" + two), [b"fast"])
        self.assertEqual(a.voids, 1)

    def test_wrong_lengths_and_flags_are_refused(self):
        for bad in (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x01\x00\x01", b"\x00\x00\x00\x01\x04"):
            with self.assertRaises(wire.Bad):
                wire.Assembler().feed(bad)


class Reports(unittest.TestCase):
    def test_the_golden_publish_verifies(self):
        p = wire.canonical(pb.Message, golden("wire/publish.bin")).publish
        m = wire.check_manifest(p.manifest, HUB)
        wire.check_seal(p.manifest, p.seal, GoldenAgent().chain_der)
        self.assertEqual(len(wire.check_portions(m, p.portions)), 3)
        self.assertEqual(m.routing, wire.H(b"\x10" + m.id + p.routing))

    def test_the_golden_redacted_delivery_verifies(self):
        got = deliver()
        self.assertEqual(len(got.contents), 1)
        self.assertIn(b"Piracy risk raised", got.contents[0])

    def test_what_was_changed_on_the_way_is_found(self):
        def flip(data, at):
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]

        def relabel(m):
            m.portions[0].head = m.portions[0].head.replace(b"RESTRICTED", b"RESTRICTEE")

        def rewrite(m):
            m.portions[0].body = m.portions[0].body.replace(b"raised", b"ceased")

        def later(m):
            m.manifest = m.manifest.replace(b"maritime.piracy", b"maritime.fishing"[:15])

        def seal(m):
            m.seal = flip(m.seal, 40)

        def nothing(m):
            del m.portions[:]

        def twice(m):
            m.portions.append(m.portions[0])

        def early(m):
            m.accepted -= 10 ** 9

        for change in (relabel, rewrite, later, seal, nothing, twice, early):
            with self.assertRaises(witness.Bad, msg=change.__name__):
                deliver(change)

    def test_another_anchor_is_no_anchor(self):
        agent = GoldenAgent()
        other = wire.read_certificates(os.path.join(GOLDEN, "policy/in/trust/nor-ca.pem"))
        m = wire.canonical(pb.Message, golden("wire/deliver.bin")).deliver
        signers = {wire.H(b"".join(agent.chain_der)): agent.chain_der}
        with self.assertRaises(witness.Bad):
            wire.Delivered(m, signers, {"gbr.example": other}, HUB, m.accepted // 1000)

    def test_a_report_of_our_own_verifies(self):
        agent = GoldenAgent()
        for batch in (True, False):
            r = wire.Report(agent, "maritime.piracy", [("atlas", b"t" * 32)], now_ms=1780272000000)
            for n in range(5):
                r.portion([wire.label("ATLAS", "SECRET", Releasable_To=["NOR"])], b"portion %d" % n)
            p = r.seal(batch)
            m = wire.check_manifest(p.manifest, HUB)
            self.assertEqual(len(m.commitments), 16)
            wire.check_seal(p.manifest, p.seal, agent.chain_der)
            self.assertEqual(len(wire.check_portions(m, p.portions)), 5)

    def test_what_is_not_canonical_is_refused(self):
        data = golden("wire/head-0.bin")
        for bad in (data + b"\x28\x01", data + b"\xfa\x3f\x00", b"\x2a\x00" + data, data[:-1]):
            with self.assertRaises(wire.Bad):
                wire.canonical(pb.PortionHead, bad)


class Log(unittest.TestCase):
    def test_the_golden_checkpoint_and_nothing_else_verifies(self):
        key = witness.Key(golden("audit/log.vkey").decode())
        note = golden("audit/checkpoint.cosigned")
        self.assertEqual(witness.Checkpoint(note, key).size, 3)
        for bad in (note.replace(b"\n3\n", b"\n4\n"), note.replace(b"\n3\n", b"\n03\n"),
                    note.replace(b"KQylr8", b"KQylr9")):
            with self.assertRaises(witness.Bad):
                witness.Checkpoint(bad, key)

    def test_golden_openings_give_their_leaf_hashes(self):
        leaves = [bytes.fromhex(x) for x in golden("audit/leaf-hashes").decode().split()]
        for j, leaf in enumerate(leaves):
            o = witness.Opening(golden("audit/record-%d.opening" % j))
            self.assertEqual((o.leaf_hash, o.type), (leaf, "DECISION"))
        o = witness.Opening(golden("audit/record-1.recipient.opening"))
        self.assertEqual((o.leaf_hash, o.slots[3]), (leaves[1], None))
        note = witness.Checkpoint(golden("audit/checkpoint"), witness.Key(golden("audit/log.vkey").decode()))
        self.assertEqual(witness.tree_root(leaves), note.root)
        path = [witness.node(leaves[0], leaves[1])]
        witness.verify_inclusion(2, 3, leaves[2], path, note.root)
        with self.assertRaises(witness.Bad):
            witness.verify_inclusion(1, 3, leaves[1], path, note.root)

    def test_consistency_of_small_trees(self):
        leaves = [witness.H(bytes([i])) for i in range(20)]

        def proof(m, part, whole):  # RFC 9162, 2.1.4.1
            if m == len(part):
                return [] if whole else [witness.tree_root(part)]
            k = 1
            while k * 2 < len(part):
                k *= 2
            if m <= k:
                return proof(m, part[:k], whole) + [witness.tree_root(part[k:])]
            return proof(m - k, part[k:], False) + [witness.tree_root(part[:k])]

        for n in range(1, 21):
            for m in range(1, n + 1):
                path = proof(m, leaves[:n], True)
                roots = witness.tree_root(leaves[:m]), witness.tree_root(leaves[:n])
                witness.verify_consistency(m, n, *roots, path)
                if path:
                    with self.assertRaises(witness.Bad):
                        witness.verify_consistency(m, n, *roots, path[:-1])


if __name__ == "__main__":
    unittest.main()
