#!/usr/bin/python3
"""test_golden_readers.py - readers that share no code agree on the golden bundles, whole, tampered with and lying."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import readers  # noqa: E402
import forge  # noqa: E402
import lies  # noqa: E402
import lies_approval  # noqa: E402
import lies_backfill  # noqa: E402
import lies_notices  # noqa: E402
import relto_foreign  # noqa: E402
import tampers  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "vectors", "golden")
# rows that need more than the golden log has; test_lab_readers.py and test_notice_readers.py run them on real ones
NEEDS_A_LAB = {
    "tile: of level 1, a bit", "tile: of level 1, is missing", "report: lines in another order",
    "report: two manifests swapped", "party: a PARTY_HEAD between left out", "party: what expired left out",
    "party: a bit of a commitment of an EXPIRE", "a DELIVERY by the decision before", "a DELIVERY after the EXPIRE",
    "an EXPIRE of no decision", "an EXPIRE for another",
    "an EXPIRE with another expiry", "an EXPIRE before its expiry", "a DECISION under no agreement",
    "a DECISION that withholds a portion more than there is",
    "a DECISION under an agreement that the export has not", "an anchor that was never told",
    "a backfill that the routing part does not ask for"} | {
        name for name, *_ in lies_approval.TABLE + lies_notices.TABLE}

LIES = lies.TABLE + lies_approval.TABLE + lies_notices.TABLE + lies_backfill.TABLE


def golden(*name):
    return os.path.join(GOLDEN, *name)


def key_of(bundle):
    with open(golden(bundle, "log.vkey"), encoding="ascii") as f:
        return f.read().strip()


class Bundles(unittest.TestCase):
    def test_both_verifiers_say_the_same_of_the_golden_bundles(self):
        for bundle, code, *options in (("bundle-hub", 0), ("bundle-nor", 0, "--party", "NOR"), ("bundle", 2),
                                       ("bundle-hub", 7, "--party", "NOR"), ("bundle-nor", 7),
                                       ("bundle-nor", 7, "--party", "KEN")):
            for verify in (readers.verify_c, readers.verify_python):
                self.assertEqual(verify(golden(bundle), key_of(bundle), *options)[0], code, (bundle, options, verify))

    def test_tampered_bundles_and_lies_get_the_same_exit_code_from_both(self):
        with tempfile.TemporaryDirectory() as d:
            bench = readers.Bench(d, key_of("bundle-hub"), golden("bundle-hub"), golden("bundle-nor"), "NOR")
            wrong, nothing = bench.run(tampers.TABLE, LIES)
        self.assertFalse(wrong, "\n".join(wrong))
        self.assertEqual(set(nothing), NEEDS_A_LAB)
        print("# %d tampers, %d of them for a lab" % (
            len(tampers.TABLE + LIES), len(nothing)))

    def test_a_bit_changed_anywhere_is_found_by_both(self):
        with tempfile.TemporaryDirectory() as d:
            copy = tampers.Copy(shutil.copytree(golden("bundle-hub"), os.path.join(d, "b")))
            for name in copy.names("."):
                if name in ("bundle", "log.vkey", "report/000000"):
                    continue  # a convenience and claims: trusted for nothing
                for where in (0, len(copy.read(name)) // 2, -1):
                    copy.change(name, lambda data, where=where: tampers.flip(data, where))
                    codes = {verify(copy.folder, key_of("bundle-hub"))[0] for verify in (
                        readers.verify_c, readers.verify_python)}
                    self.assertTrue(len(codes) == 1 and 0 not in codes, (name, where, codes))
                    copy.restore()

    def test_every_row_has_a_name_of_its_own(self):
        names = [row[0] for row in tampers.TABLE + LIES]
        self.assertEqual(len(set(names)), len(names))

    def test_a_rebuilt_log_is_good_for_its_own_key_and_for_no_other(self):
        with tempfile.TemporaryDirectory() as d:
            log = forge.Log(golden("bundle-hub")).settle()
            key = forge.Key(log.origin)
            log.write(os.path.join(d, "again"), key, "party NOR")
            for name in ("record/000000", "tile/0/000.p/21"):
                with open(os.path.join(d, "again", name), "rb") as mine, open(golden("bundle-nor", name), "rb") as theirs:
                    self.assertEqual(mine.read(), theirs.read(), name)
            log.rekey(key).settle()
            log.write(os.path.join(d, "hub"), key)
            log.write(os.path.join(d, "nor"), key, "party NOR")
            for name, options in (("hub", ()), ("nor", ("--party", "NOR"))):
                for verify in (readers.verify_c, readers.verify_python):
                    self.assertEqual(verify(os.path.join(d, name), key.vkey, *options)[0], 0)
                    self.assertEqual(verify(os.path.join(d, name), key_of("bundle-hub"), *options)[0], 3)

    def test_a_wrong_call_is_1(self):
        hub = golden("bundle-hub")
        for args in ([], [hub], [hub, "--key"], [hub, "--key", "no key"], ["--key", key_of("bundle-hub")],
                     [hub, hub, "--key", key_of("bundle-hub")]):
            for program in ([os.environ["RELTO_VERIFY"], "verify"], [sys.executable, readers.TOOLS + "/relto_verify.py"]):
                self.assertEqual(subprocess.run(program + args, capture_output=True, timeout=60).returncode, 1, args)

    def test_the_python_one_needs_the_standard_library_alone(self):
        """-I -S: no site-packages, nothing from the environment; here it is given the key as a file."""
        program = "import sys; sys.path.insert(0, sys.argv[1]); import relto_verify; sys.exit(relto_verify.main(sys.argv[2:]))"
        got = subprocess.run([sys.executable, "-B", "-I", "-S", "-c", program, readers.TOOLS, golden("bundle-hub"), "--key",
                              golden("bundle-hub", "log.vkey")], capture_output=True, timeout=60)
        self.assertEqual(got.returncode, 0, got.stderr)


class Foreign(unittest.TestCase):
    def test_go_reads_our_checkpoints_tiles_and_proofs(self):
        with tempfile.TemporaryDirectory() as d:
            go = readers.Go(d)
            for bundle in ("bundle-hub", "bundle-nor", "bundle"):
                self.assertTrue(go.accepts("bundle", golden(bundle, "log.vkey"), golden(bundle)), bundle)
                self.assertFalse(go.accepts("bundle", golden("audit", "witness.vkey"), golden(bundle)))
            key, leaf = golden("audit", "log.vkey"), golden("audit", "record-1.leaf-data")
            for proof in ("tlog-proof", "tlog-proof.extra"):
                self.assertTrue(go.accepts("proof", key, golden("audit", proof), leaf), proof)
                self.assertFalse(go.accepts("proof", key, golden("audit", proof), golden("audit", "record-2.leaf-data")))
            self.tampered(go, d)

    def tampered(self, go, folder):
        """What signature and tree alone can show, Go's code finds as well."""
        takes = {"checkpoint: its signature twice", "entries: a bit of the length"}  # once is enough; 40 bytes each
        bench = readers.Bench(folder, key_of("bundle-hub"), golden("bundle-hub"), golden("bundle-nor"), "NOR")
        for name, base, code, what in tampers.TABLE:
            if code in (3, 4) and name not in NEEDS_A_LAB | takes:
                copy = bench.copies[base]
                what(copy)
                self.assertFalse(go.accepts("bundle", golden("bundle-hub", "log.vkey"), copy.folder), name)
                copy.restore()


class Ed25519(unittest.TestCase):
    """RFC 8032, 7.1, tests 1 to 3; and what a lax verifier would take."""

    VECTORS = (
        ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
         "655141438e7a100b"),
        ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
         "b00d291612bb0c00"),
        ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
         "c027beceea1ec40a"))

    def test_the_vectors_of_the_rfc(self):
        for key, message, signature in self.VECTORS:
            key, message, signature = map(bytes.fromhex, (key, message, signature))
            self.assertTrue(relto_foreign.ed25519_good(key, signature, message))
            for bad in (tampers.flip(signature), tampers.flip(signature, 0), signature[:-1], signature + b"\0"):
                self.assertFalse(relto_foreign.ed25519_good(key, bad, message))
            self.assertFalse(relto_foreign.ed25519_good(key, signature, message + b"x"))

    def test_a_signature_has_one_spelling(self):
        key, message, signature = map(bytes.fromhex, self.VECTORS[1])
        s = int.from_bytes(signature[32:], "little") + relto_foreign.ORDER
        self.assertFalse(relto_foreign.ed25519_good(key, signature[:32] + s.to_bytes(32, "little"), message))


if __name__ == "__main__":
    unittest.main(verbosity=2)
