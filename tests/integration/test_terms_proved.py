#!/usr/bin/python3
"""test_terms_proved.py - what a hub with the log's key could say of who signed an agreement, and that both of the auditor's
verifiers find it (docs/audit-format.md, type 14 and section 9)."""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import certs  # noqa: E402
import forge  # noqa: E402
from test_again import ATLAS  # noqa: E402
from test_forged import ForgedTest  # noqa: E402
from test_terms import REQUIRED, openssl  # noqa: E402

MALFORMED, SIGNATURE, CONTENT = 2, 3, 6


class Proved(ForgedTest):
    @classmethod
    def prepare(cls):
        cls.lab.edit(ATLAS, r"(?m)^( +topics .*\n)", r"\1" + REQUIRED)
        cls.terms = cls.lab.relto("policy", "terms", cls.lab.path("policy"), "atlas")[0].encode()
        for party in ("GBR", "NOR"):
            with open(cls.lab.path("policy/signatures/atlas@1.%s.p7s" % party), "wb") as f:
                f.write(cls.sign(cls.lab.path("parties", party, "release-office")))

    @classmethod
    def sign(cls, stem, *more, text=None):
        return openssl("cms", "-sign", "-binary", "-outform", "DER", "-signer", stem + ".pem", "-inkey", stem + ".key", *more,
                       stdin=text or cls.terms)

    def said(self, code, first=0):
        got, said = self.verify(first)
        self.assertEqual(got, code, said)
        return said

    def lie(self, code, change, which=("GBR", "NOR", "KEN")):
        """The records that tell these parties of it, changed; the log made anew, and signed."""
        log = forge.Log(self.copy)
        found = [log.records[i] for i in log.all("AGREEMENT") if log.records[i].field(7, 0).decode() in which]
        for r in found:
            change(log, r)
        log.settle().write(self.copy, self.signing)
        return self.said(code)

    def signers(self, change):
        return lambda log, r: r.set(7, 6, change(r.field(7, 6)))

    def instead(self, file):
        """Another file stands for the signature of NOR."""
        def change(log, r):
            digest = log.add_content("policy", file).hex().encode()
            r.set(7, 6, re.sub(rb"NOR \w+", b"NOR " + digest, r.field(7, 6)))
        return change

    def test_the_signatures_of_an_honest_log_are_verified(self):
        said = self.said(0)
        self.assertEqual((said["signed_terms"], said["missing"]), (2, 0))
        out = subprocess.run([rig.program("relto-verify"), "verify", self.copy, "--key", self.key], capture_output=True).stdout
        self.assertIn(b"2 signatures of parties", out)
        self.lie(0, lambda log, r: None)

    def test_a_signature_that_is_not_in_the_bundle_is_missing_and_no_fault(self):
        with open(self.lab.path("policy/signatures/atlas@1.NOR.p7s"), "rb") as f:
            os.unlink(self.place("policy", hashlib.sha256(f.read()).digest()))
        said = self.said(0)
        self.assertEqual((said["signed_terms"], said["missing"]), (1, 1))

    def test_signers_that_the_terms_do_not_require_or_not_all_of_them(self):
        for change in (lambda old: b"", lambda old: old[:old.index(b"NOR")], lambda old: old[old.index(b"NOR"):],
                       lambda old: old.replace(b"NOR", b"ZZZ"), lambda old: old + b"ZZZ " + 64 * b"0" + b"\n"):
            shutil.rmtree(self.copy)
            shutil.copytree(self.whole, self.copy)
            said = self.lie(CONTENT, self.signers(change))
            self.assertIn("the signers that it names are not those that its terms require", said["findings"][0]["text"])

    def test_one_members_record_that_names_no_signers(self):
        self.lie(CONTENT, self.signers(lambda old: b""), which=("KEN",))

    def test_signers_that_are_no_lines(self):
        for change in (lambda old: old[:-1], lambda old: b"\n" + old, lambda old: old.replace(b" ", b"  "),
                       lambda old: b"".join(reversed(old.splitlines(True))), lambda old: old.upper(), lambda old: old + old[:69]):
            shutil.rmtree(self.copy)
            shutil.copytree(self.whole, self.copy)
            self.lie(MALFORMED, self.signers(change))

    def test_the_terms_of_another_version_or_agreement(self):
        self.lie(CONTENT, lambda log, r: r.set(7, 2, forge.u64(2)))
        shutil.rmtree(self.copy)
        shutil.copytree(self.whole, self.copy)
        self.lie(CONTENT, lambda log, r: r.set(7, 1, b"nordic"))

    def test_a_signature_over_another_text(self):
        said = self.lie(SIGNATURE, self.instead(self.sign(self.lab.path("parties/NOR/release-office"), text=b"nothing\n")))
        self.assertIn("the signature of NOR under its terms: it signs another text", said["findings"][0]["text"])

    def test_a_signature_by_another_party(self):
        said = self.lie(SIGNATURE, self.instead(self.sign(self.lab.path("parties/GBR/release-office"))))
        self.assertIn("its certificate is of another trust domain", said["findings"][0]["text"])

    def issued(self, authority, **how):
        certificate, key = certs.issue(certs.Authority.of_lab(self.lab.dir, authority),
                                       uris=("spiffe://nor.example/release-office",), **how)
        certs.write(self.lab.base, "issued", [certificate], key)
        return self.sign(os.path.join(self.lab.base, "issued"))

    def test_a_signature_that_the_hubs_authority_vouches_for(self):
        self.lie(SIGNATURE, self.instead(self.issued("HUB")))

    def test_a_signature_by_a_certificate_that_was_not_valid_then(self):
        said = self.lie(SIGNATURE, self.instead(self.issued("NOR", days=(-3, -1))))
        self.assertIn("expired", said["findings"][0]["text"])

    def test_a_signature_by_a_certificate_for_sessions(self):
        self.lie(SIGNATURE, self.instead(self.issued("NOR", eku=certs.BOTH[:1])))

    def test_a_signature_of_mail_and_one_of_rsa_hold(self):
        for how in ({"eku": (certs.ExtendedKeyUsageOID.EMAIL_PROTECTION,)},
                    {"key": certs.rsa.generate_private_key(65537, 3072)}, {"key": certs.ec.generate_private_key(certs.ec.SECP384R1())}):
            shutil.rmtree(self.copy)
            shutil.copytree(self.whole, self.copy)
            self.assertEqual(self.lie(0, self.instead(self.issued("NOR", **how)))["signed_terms"], 2)

    def test_a_weak_key(self):
        self.lie(SIGNATURE, self.instead(self.issued("NOR", key=certs.rsa.generate_private_key(65537, 2048))))

    def test_other_shapes(self):
        stem = self.lab.path("parties/NOR/release-office")
        for more in (("-noattr",), ("-nodetach",), ("-nocerts",), ("-md", "sha1")):
            shutil.rmtree(self.copy)
            shutil.copytree(self.whole, self.copy)
            self.lie(SIGNATURE, self.instead(self.sign(stem, *more)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
