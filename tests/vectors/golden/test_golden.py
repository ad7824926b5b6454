#!/usr/bin/python3
"""test_golden.py - the golden files are what make.py makes, and what the texts say.

usage: test_golden.py PROTO_DIR      (protoc runs into a temporary folder; nothing of it is kept)
"""
import base64
import hashlib
import importlib
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import make  # noqa: E402

PROTO_DIR = os.path.join(HERE, "..", "..", "..", "proto")


def schema(folder):
    """The module that protoc makes from relto.proto, or a skip."""
    try:
        subprocess.run(["protoc", "-I", PROTO_DIR, "--python_out", folder, "relto.proto"], check=True)
    except FileNotFoundError:
        raise unittest.SkipTest("no protoc here")
    sys.path.insert(0, folder)
    return importlib.import_module("relto_pb2")


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Golden(unittest.TestCase):
    def test_every_golden_file_is_what_its_inputs_give(self):
        for name, data in make.everything().items():
            with self.subTest(name):
                self.assertEqual(make.read(name), data)

    def test_the_sums_name_every_file_and_no_other(self):
        listed = {}
        for line in make.read("SHA256SUMS").decode().splitlines():
            digest, name = line.split("  ", 1)
            listed[name] = digest
            self.assertEqual(sha(make.read(name)), digest, name)
        present = {n for d in ("wire", "wire-2", "audit", "policy", "bundle", "bundle-hub", "bundle-nor") for n in make.inputs_in(d)}
        self.assertEqual(present, set(listed))


class AuditConstants(unittest.TestCase):
    """The constants of the audit format, section 6."""

    def setUp(self):
        self.records = [make.record_slots(r) for r in make.load("audit/inputs.json")["records"]]

    def test_slot_1_of_the_first_record(self):
        self.assertEqual(self.records[0][0].hex(), "0000000102000000080006"
                         "0a24181e40000000001000000000000000000000000000000000")

    def test_commitments_of_the_first_record(self):
        c = [make.commit(i, s, v).hex() for i, (s, v) in enumerate(zip(make.salts(), self.records[0]), 1)]
        self.assertEqual(c[0], "78a062b0ca96c7109dd6bc0e2c6727bbac2b2e4819dd46def2553a69eb7f306c")
        self.assertEqual(c[6], "0e24bfc29ffca8e14ad89998d8566ed58f9930189299d7b32e12e751a500f90d")
        self.assertEqual(c[7], "c131f221bd5726f9e15b13587df0cbe847d28e86f95aea98a30c12bf0c6042b5")

    def test_leaf_data_of_the_first_record(self):
        self.assertEqual(make.read("audit/record-0.leaf-data").hex(),
                         "524c54310008ad88d666ec20cc2b27e8ba7a9425edcb9fb9c584f0a617c26eb8e9b835384d1b")

    def test_leaf_hashes_and_root(self):
        hashes = make.read("audit/leaf-hashes").decode().split()
        self.assertEqual(hashes, ["68c3840dfa0221d7c8f91d8570abcb6408b76286876f3411071ea6714a5e809f",
                                  "2922fc8fa024b2d11d0350045d7905a538e8607a0a7d7d7f1ea61571ce4b8c36",
                                  "0d9162cdee2c9cabf52daae17487d5b86dde7d2185d26d78a7ca08eaf72ce0e3"])
        self.assertEqual(make.tree_root([bytes.fromhex(h) for h in hashes]).hex(),
                         "fe8339ea3b8a7ca939e7872a2e665a7ae8c86d4e989e561df4f6621494170752")

    def test_party_leaf(self):
        self.assertEqual(make.read("audit/party-leaf-1.hash"),
                         b"eb998106b724e298f17aa8013e06eae49a8e4a07682a5a31cdbc480d1e5a951b\n")

    def test_keys_and_signatures(self):
        self.assertEqual(make.read("audit/log.vkey"),
                         b"relto.example/broker-1+290ca5af+AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl\n")
        self.assertEqual(make.read("audit/witness.vkey"),
                         b"relto.example/w/partner-a+942ebb65+BJpGQwbRMJ0aPF5vc6dXOYi4J/+I4sqtY9usi0LE7l46\n")
        lines = make.read("audit/checkpoint.cosigned").decode().splitlines()
        self.assertEqual(lines[4].split(" ")[2], "KQylr8Bvnf94OioTW3TCUbVDDmCpzEQUKgc0/hZ5vC12XnAsM3aEKyhjZ34iz"
                         "TqpmzI6E2UM1XxNKUfYZ3koOgqZ3Q0=")
        self.assertEqual(lines[5].split(" ")[2], "lC67ZQAAAABlU/E8pEkSnFhQcUBuaauzmuGsPIpe8yFeSDzKtplr6f3euKllm"
                         "EjHDh3BoQb1TgEyUz3M9Cz54QA8cjondsSw888xAQ==")

    def test_cosigned_checkpoint_and_proof(self):
        checkpoint, proof = make.read("audit/checkpoint.cosigned"), make.read("audit/tlog-proof")
        self.assertEqual((len(checkpoint), sha(checkpoint)),
                         (326, "b2b4bc8794fcb086239eb7f602516306d78ed6aeabf9489ce1a5eecf5c4c0da1"))
        self.assertEqual((len(proof), sha(proof)),
                         (448, "dfda7c4f0d9268ca2f8f991cbf5ee948a8429963a1ee7fe2eb9791602bd069a1"))

    def test_records_use_only_the_slots_of_their_type(self):
        used = {"INTAKE": "134567", "DECISION": "123456", "APPROVAL": "12345678", "DELIVERY": "1234578",
                "NARROWED": "1234568", "AGREEMENT": "178", "KEY": "178"}
        used.update(dict.fromkeys(("ACK", "RECALL", "SUPERSEDE", "EXPIRE", "DEAD_LETTER", "FEEDBACK"), "123578"))
        records = make.load("audit/types.json")["records"]
        self.assertEqual(len(records), 26)
        for record in records:
            slots = "".join(sorted(k[4:] for k in record if k.startswith("slot")))
            self.assertLessEqual(set(slots), set(used.get(record["type"], "1567")), record["type"])

    def test_merkle_rolling_hashes(self):
        leaves = [make.leaf_hash(bytes([i])) for i in range(130)]
        lines = []
        for n in range(1, 131):
            for i in range(n):
                lines.append(" ".join([str(i), str(n)] + [h.hex() for h in make.inclusion(leaves[:n], i)]) + "\n")
        self.assertEqual(sha("".join(lines).encode()),
                         "893ce6eea61adc33c22c0e3a952498b76dfa3c282e78ac659f6fcc0ea44f9983")


class Wire(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.pb = schema(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def whole(self, name, kind):
        """Parsed by Google's protobuf, which must give the same bytes back."""
        data = make.read(name)
        m = getattr(self.pb, kind)()
        m.ParseFromString(data)
        self.assertEqual(m.SerializeToString(deterministic=True), data, name)
        return m

    def test_every_part_is_canonical_to_another_protobuf(self):
        for name, kind in (("manifest", "Manifest"), ("routing", "Routing"), ("seal", "Seal"), ("facts", "Facts"),
                           ("head-0", "PortionHead"), ("head-1", "PortionHead"), ("head-2", "PortionHead"),
                           ("body-0", "PortionBody"), ("body-1", "PortionBody"), ("body-2", "PortionBody"),
                           ("publish", "Message"), ("deliver", "Message")):
            self.whole("wire/%s.bin" % name, kind)
        for name in ("holds", "decide", "subscribe", "deliver", "prove", "hold_list", "decided", "proof_list",
                     "recall_answer", "backup", "erase", "nack", "subscriptions", "dead_letters", "feedback", "recall_status", "sessions",
                     "drain", "feedback_status", "progress", "subscription_list", "dead_letter_list", "recall_status_reply",
                     "feedback_status_reply"):
            self.assertEqual(self.whole("wire-2/%s.bin" % name, "Message").WhichOneof("body"), name)

    def test_the_manifest_commits_to_the_parts(self):
        m = self.whole("wire/manifest.bin", "Manifest")
        self.assertEqual(len(m.commitments), 4)
        self.assertEqual(sorted(set(m.commitments)), list(m.commitments))
        self.assertEqual(m.routing, hashlib.sha256(b"\x10" + m.id + make.read("wire/routing.bin")).digest())
        for k in range(3):
            head = make.read("wire/head-%d.bin" % k)
            self.assertIn(hashlib.sha256(b"\x11" + m.id + head).digest(), m.commitments)
            h = self.whole("wire/head-%d.bin" % k, "PortionHead")
            body = make.read("wire/body-%d.bin" % k)
            self.assertEqual((h.body_length, h.body_digest), (len(body), hashlib.sha256(b"\x13" + body).digest()))
        chain = make.read("wire/chain.der")
        leaf = chain[:4 + int.from_bytes(chain[2:4], "big")]
        self.assertEqual(m.signer, hashlib.sha256(leaf).digest())

    def test_routing_names_the_terms_of_the_golden_policy(self):
        r = self.whole("wire/routing.bin", "Routing")
        self.assertEqual(r.agreements[0].terms.hex() + "\n", make.read("policy/atlas.terms.sha256").decode())

    def test_openssl_accepts_the_batch_signature(self):
        with tempfile.TemporaryDirectory() as d:
            key = os.path.join(d, "key.pem")
            with open(key, "wb") as f:
                f.write(subprocess.run(["openssl", "x509", "-in", os.path.join(HERE, "wire/leaf.pem"), "-pubkey",
                                        "-noout"], check=True, capture_output=True).stdout)
            got = subprocess.run(["openssl", "dgst", "-sha256", "-verify", key, "-signature",
                                  os.path.join(HERE, "wire/signature.bin"), os.path.join(HERE, "wire/signed.bin")],
                                 capture_output=True)
            self.assertEqual(got.stdout, b"Verified OK\n")

    def test_frames_carry_the_message(self):
        for name in ("publish", "publish-split"):
            data, message, at = make.read("wire/%s.frames" % name), b"", 0
            while at < len(data):
                size = int.from_bytes(data[at:at + 4], "big")
                self.assertLessEqual(size, 65536)
                at += 4 + size
                self.assertEqual(data[at - size], 1 | (0x80 if at == len(data) else 0))
                message += data[at - size + 1:at]
            self.assertEqual(message, make.read("wire/publish.bin"))


class Policy(unittest.TestCase):
    def test_no_tab_no_double_space_no_carriage_return(self):
        for name in ("export.txt", "atlas.terms", "nordic-cti.terms"):
            got = make.read("policy/" + name).decode()
            self.assertTrue(got.endswith("\n"))
            for line in got.splitlines():
                self.assertNotRegex(line.lstrip(" "), "\t|\r|  | $")

    def test_the_statements_of_every_block_are_sorted(self):
        def block(lines):
            statements = []
            while lines and lines[0].strip() != "}":
                line = lines.pop(0)
                if line.endswith("{"):
                    line = "\n".join([line] + block(lines) + [lines.pop(0)])
                statements.append(line)
            self.assertEqual(statements, sorted(statements, key=str.encode))
            return statements
        block(make.read("policy/export.txt").decode().splitlines())

    def test_openssl_agrees_on_the_anchors(self):
        for party in ("gbr", "hub", "ken", "nor"):
            pem = os.path.join(HERE, "policy/in/trust/%s-ca.pem" % party)
            der = subprocess.run(["openssl", "x509", "-in", pem, "-outform", "DER"], check=True, capture_output=True)
            self.assertIn("anchor " + sha(der.stdout), make.read("policy/export.txt").decode())


if __name__ == "__main__":
    if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]):
        PROTO_DIR = sys.argv.pop(1)
    unittest.main()
