#!/usr/bin/python3
"""test_signers.py - what relto_foreign.py takes for a signature and for a chain, against keys and certificates that
python3-cryptography makes."""
import os
import sys
import time
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "..", "tools")]
import certs  # noqa: E402
import relto_foreign as foreign  # noqa: E402
import wire  # noqa: E402

P256, P384 = ec.SECP256R1(), ec.SECP384R1()
DAY = 86400


def flip(data, at=-1):
    out = bytearray(data)
    out[at] ^= 1
    return bytes(out)


def authority(under=None, key=None, **how):
    how.setdefault("subject", "root" if under is None else "below")
    return certs.Authority(*certs.issue(under, uris=(), ca=True, key=key, days=(-9, 60), **dict({"eku": None}, **how)))


def chain(*certificates):
    return b"".join(map(wire.der, certificates))


class Chains(unittest.TestCase):
    def setUp(self):
        self.root = authority()

    def judge(self, *certificates, roots=None, after=0):
        anchors = [wire.der(a.certificate) for a in roots or [self.root]]
        return foreign.check_chain(chain(*certificates), anchors, certs.AGENT, int(time.time()) + after)

    def refused(self, *certificates, says, **how):
        with self.assertRaisesRegex(ValueError, says):
            self.judge(*certificates, **how)

    def test_a_chain_of_any_kind_of_key_is_good(self):
        for key in (ec.generate_private_key(P256), ec.generate_private_key(P384), ed25519.Ed25519PrivateKey.generate(),
                    rsa.generate_private_key(65537, 2048)):
            for digest in (hashes.SHA256(), hashes.SHA384()):
                root = authority(key=key)
                between = authority(root, digest=digest)
                leaf, _ = certs.issue(between)
                got = self.judge(leaf, between.certificate, roots=[self.root, root])
                self.assertEqual(got.digest, wire.H(wire.der(leaf)))

    def test_an_anchor_need_not_be_a_root(self):
        between = authority(self.root)
        self.judge(certs.issue(between)[0], roots=[between])

    def test_a_leaf_may_sign_reports_as_its_agent_and_nothing_else(self):
        for how, says in (
                ({"uris": ("spiffe://gbr.example/other",)}, "another agent"),
                ({"uris": (certs.AGENT, certs.AGENT)}, "another agent"), ({"uris": ()}, "another agent"),
                ({"eku": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, "sign documents"), ({"eku": None}, "sign documents"),
                ({"digital_signature": False}, "may not sign"), ({"ca": True}, "may not sign"),
                ({"cert_sign": True}, "sign for others")):
            self.refused(certs.issue(self.root, **how)[0], says=says)

    def test_every_certificate_of_the_chain_is_valid_then(self):
        leaf, _ = certs.issue(self.root)
        self.judge(leaf, after=-DAY + 60)
        self.refused(leaf, after=-DAY - 60, says="not valid then")
        self.refused(leaf, after=30 * DAY + 60, says="not valid then")
        old = authority(key=ec.generate_private_key(P256), subject="old")
        self.refused(certs.issue(old, days=(-9, 90))[0], roots=[old], after=70 * DAY, says="not valid then")

    def test_an_issuer_is_an_authority_that_may_issue_for_signers(self):
        leaf, _ = certs.issue(certs.Authority(*certs.issue(self.root, subject="no authority")))
        plain = certs.Authority(*certs.issue(self.root, uris=(), subject="below"))
        self.refused(certs.issue(plain)[0], plain.certificate, says="no authority")
        self.refused(leaf, says="does not lead")
        for use, good in ((ExtendedKeyUsageOID.CLIENT_AUTH, False), (certs.DOCUMENT_SIGNING, True),
                          (ObjectIdentifier("2.5.29.37.0"), True)):
            narrow = authority(self.root, eku=(use,))
            leaf = certs.issue(narrow)[0]
            if good:
                self.judge(leaf, narrow.certificate)
            else:
                self.refused(leaf, narrow.certificate, says="for signers")

    def test_the_length_of_a_path_is_kept(self):
        def limited(length):
            key = ec.generate_private_key(P256)
            b = x509.CertificateBuilder().subject_name(certs.name("root")).issuer_name(certs.name("root"))
            b = b.public_key(key.public_key()).serial_number(7).add_extension(certs.usage(False, True), True)
            b = b.not_valid_before(self.root.certificate.not_valid_before)
            b = b.not_valid_after(self.root.certificate.not_valid_after)
            return certs.Authority(b.add_extension(x509.BasicConstraints(True, length), True).sign(key, hashes.SHA256()), key)
        for length in (0, 1):
            root = limited(length)
            between = authority(root)
            self.judge(certs.issue(root)[0], roots=[root])
            if length:
                self.judge(certs.issue(between)[0], between.certificate, roots=[root])
            else:
                self.refused(certs.issue(between)[0], between.certificate, roots=[root], says="no authority for such paths")

    def test_a_signature_by_another_key_of_the_same_name_leads_nowhere(self):
        self.refused(certs.issue(authority())[0], says="does not lead")

    def test_a_critical_extension_that_is_not_known_is_judged_not_at_all_where_the_path_needs_it(self):
        key, now = ec.generate_private_key(P256), self.root.certificate
        b = x509.CertificateBuilder().subject_name(certs.name("below")).issuer_name(certs.name("root"))
        b = b.public_key(key.public_key()).serial_number(7).add_extension(certs.usage(False, True), True)
        b = b.not_valid_before(now.not_valid_before).not_valid_after(now.not_valid_after)
        b = b.add_extension(x509.BasicConstraints(True, None), True)
        b = b.add_extension(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b""), True)
        strange = certs.Authority(b.sign(self.root.key, hashes.SHA256()), key)
        with self.assertRaises(foreign.Unknown):
            self.judge(certs.issue(strange)[0], strange.certificate)
        self.judge(certs.issue(self.root)[0], strange.certificate)

    def test_bytes_that_are_no_chain_are_refused(self):
        good = chain(certs.issue(self.root)[0])
        for bad in (b"", good[:-1], good + b"\0", flip(good, 40), flip(good), b"0\x80" + good):
            with self.assertRaises((ValueError, LookupError, foreign.Unknown)):
                foreign.check_chain(bad, [wire.der(self.root.certificate)], certs.AGENT, int(time.time()))


class Signatures(unittest.TestCase):
    def test_a_signature_is_good_for_its_message_alone_and_has_one_spelling(self):
        for curve, digest, name in ((P256, hashes.SHA256(), "sha256"), (P384, hashes.SHA384(), "sha384")):
            key = ec.generate_private_key(curve)
            spki = wire.der(certs.issue(None, key=key)[0])
            spki = foreign.Certificate(spki).key
            for message in (b"", b"message"):
                signature = key.sign(message, ec.ECDSA(digest))
                self.assertTrue(foreign.signature_good(spki, name, signature, message))
                self.assertFalse(foreign.signature_good(spki, name, signature, message + b"x"))
                zeros = b"0%c%s" % (len(signature), b"\2%c\0%s" % (signature[3] + 1, signature[4:]))
                for bad in (flip(signature), flip(signature, 8), b"0\x06\2\1\0\2\1\0", b"0\x06\2\1\1\2\1\1", b"", zeros,
                            signature + b"\0", signature[:-1]):
                    self.assertFalse(foreign.signature_good(spki, name, bad, message))

    def test_rsa_signs_certificates_by_pkcs_1_and_reports_by_pss(self):
        key = rsa.generate_private_key(65537, 3072)
        spki = foreign.Certificate(wire.der(certs.issue(None, key=key)[0])).key
        sha256 = hashes.SHA256()
        for pss, how in ((False, padding.PKCS1v15()), (True, padding.PSS(padding.MGF1(sha256), 32))):
            signature = key.sign(b"message", how, sha256)
            self.assertTrue(foreign.signature_good(spki, "sha256", signature, b"message", pss))
            for bad, message in ((signature, b"massage"), (flip(signature), b"message"), (signature[1:], b"message"),
                                 (b"\0" + signature, b"message"), (b"\xff" * 384, b"message"), (b"", b"message")):
                self.assertFalse(foreign.signature_good(spki, "sha256", bad, message, pss))
            self.assertFalse(foreign.signature_good(spki, "sha256", signature, b"message", not pss))
        salted = key.sign(b"message", padding.PSS(padding.MGF1(sha256), 20), sha256)
        self.assertFalse(foreign.signature_good(spki, "sha256", salted, b"message", True))

    def test_a_seal_of_any_kind_of_key_is_good_for_its_manifest_alone(self):
        for key in (ec.generate_private_key(P256), ec.generate_private_key(P384), ed25519.Ed25519PrivateKey.generate(),
                    rsa.generate_private_key(65537, 3072)):
            leaf = foreign.Certificate(wire.der(certs.issue(None, key=key)[0]))
            for place, path in ((0, []), (37, [bytes([n]) * 32 for n in range(6)])):
                root = wire.batch_root(b"manifest", place, path)
                seal = wire.pb.Seal(place=place, path=path, signature=wire.sign(key, wire.signed_message(root)))
                foreign.check_seal(seal.SerializeToString(), wire.H(b"\0manifest"), leaf)
                for bad in (wire.H(b"\0other"), wire.H(b"manifest")):
                    with self.assertRaisesRegex(ValueError, "does not hold"):
                        foreign.check_seal(seal.SerializeToString(), bad, leaf)
                for change in ({"place": 64}, {"place": 1, "path": []}, {"path": path[1:] or [bytes(32)]},
                               {"path": [bytes(31)] * 6}, {"signature": b""}):
                    said = {"place": place, "path": path, "signature": seal.signature, **change}
                    with self.assertRaises(ValueError):
                        foreign.check_seal(wire.pb.Seal(**said).SerializeToString(), wire.H(b"\0manifest"), leaf)

    def test_a_key_of_an_unknown_kind_is_judged_not_at_all(self):
        key = ec.generate_private_key(ec.SECP256K1())
        with self.assertRaises(foreign.Unknown):
            foreign.signature_good(foreign.Certificate(wire.der(certs.issue(None, key=key)[0])).key, "sha256", b"", b"")


if __name__ == "__main__":
    unittest.main(verbosity=2)
