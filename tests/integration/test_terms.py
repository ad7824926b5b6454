#!/usr/bin/python3
"""test_terms.py - agreements that their parties sign, and what an operator may try: each attempt is seen by whom design 7
says. The broker sees it at the load; that publishers and partners see what it cannot is in test_pins.py."""
import hashlib
import os
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402, F401: the path of the next ones
import certs  # noqa: E402
import wire  # noqa: E402
from test_again import ATLAS, POLICY  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402
from test_versions import LOWER, OTHER, VersionsTest  # noqa: E402

LACKS = "it lacks signatures that it requires"
REQUIRED = "    signatures required [ GBR NOR ]\n"
HUGE = 16 << 20


def openssl(*args, stdin=b""):
    got = subprocess.run(["openssl"] + list(args), input=stdin, capture_output=True)
    if got.returncode:
        raise AssertionError("openssl %s: %s" % (args, got.stderr.decode()))
    return got.stdout


class TermsTest(VersionsTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.text = re.sub(r"(?m)^( +topics .*\n)", r"\1" + REQUIRED, cls.text)

    def setUp(self):
        super().setUp()

    def put(self, version, state="in-force", title="one"):
        super().put(version, state, title)
        if self.signs:
            self.sign_all(version)

    signs = True

    def file(self, version, party="NOR"):
        return self.lab.path("policy/signatures/atlas@%d.%s.p7s" % (self.base + version, party))

    def terms(self, name="atlas"):
        return self.lab.relto("policy", "terms", self.lab.path("policy"), name)[0].encode()

    def sign(self, version, party="NOR", by=None, text=None, signer="release-office"):
        """As the manual says; 'by' is the folder of the signer's certificate and key."""
        stem = os.path.join(by or self.lab.path("parties", party), signer)
        with open(self.file(version, party), "wb") as f:
            f.write(openssl("cms", "-sign", "-binary", "-outform", "DER", "-signer", stem + ".pem", "-inkey", stem + ".key",
                            stdin=self.terms() if text is None else text))

    def sign_all(self, version):
        for party in ("GBR", "NOR"):
            self.sign(version, party)

    def load(self, version, *more, **how):
        said = super().load(version, *more, **how)
        self.assertNotIn("reload.failed", said)
        return said

    def unsigned(self, said, version, party, why):
        """Nothing goes under it, everybody is told why, nobody is told of it in the log, and the others load."""
        self.assertRegex(said, r'policy.agreement-unsigned name="atlas" version=%d party="%s" why="%s' % (
            self.base + version, party, why))
        self.publishes("nordic")
        with self.lab.client("gbr") as gbr:
            with self.assertRaises(wire.Refused) as no:
                publish(gbr, [(TEARLINE, canary())])
        self.assertIn("atlas: " + LACKS, str(no.exception))
        self.assertEqual({a.name: a.suspended for a in gbr.welcome.agreements}, {b"atlas": True, b"nordic": False})
        self.assertNotIn(version, [v for v, _, _ in self.told()])

    def signers(self, party="GBR"):
        """Whom the last AGREEMENT record that tells this party of atlas names."""
        records = [r for r in self.log(kind="AGREEMENT") if (r.text(7, 0), r.text(7, 1)) == (party, "atlas")]
        return records[-1].text(7, 6)

    def lines(self, version):
        out = ""
        for party in ("GBR", "NOR"):
            with open(self.file(version, party), "rb") as f:
                out += "%s %s\n" % (party, hashlib.sha256(f.read()).hexdigest())
        return out


class Signed(TermsTest):
    def test_an_agreement_that_all_have_signed_is_usable_and_each_member_is_told_by_whom(self):
        self.accepted(self.load(6, title="two"))
        for party in ("GBR", "NOR", "KEN"):
            self.assertEqual(self.signers(party), self.lines(6))
        self.proven()

    def test_one_signature_that_is_missing_makes_it_unusable_until_it_comes(self):
        self.signs = False
        self.put(6, title="two")
        self.sign(6, "GBR")
        before = len(self.lab.messages())
        self.reload()
        self.unsigned(self.lab.messages()[before:], 6, "NOR", "there is no .*/policy/signatures/atlas@%d.NOR.p7s" % (
            self.base + 6))
        lacks = [{"agreement": "atlas", "party": "NOR"}]
        self.assertEqual(self.operator("reload", code=1), {"ok": True, "unsigned": lacks})
        self.assertEqual(self.operator("status")["unsigned"], lacks)
        self.assertRegex(self.lab.relto("admin", "status", context="operator")[0], r"(?m)^unsigned +atlas: NOR$")
        self.sign(6, "NOR")
        self.accepted(self.load(6, title="two"))
        self.assertEqual(self.operator("reload"), {"ok": True})
        self.assertEqual(self.signers(), self.lines(6))

    def test_what_was_accepted_stays_whatever_becomes_of_the_files(self):
        signers = self.signers()
        os.unlink(self.file(5, "GBR"))
        with open(self.file(5), "wb") as f:
            f.write(b"nothing")
        self.signs = False
        self.accepted(self.load(5))
        self.lab.stop()
        self.lab.start()
        self.publishes("atlas")
        self.accepted(self.load(5, "in-force"))
        self.lab.write(POLICY, self.texts[POLICY] + "suspend atlas\n")
        self.load(5)
        self.assertEqual((self.told()[-1], self.signers()), ((5, 2, 2), signers))
        self.lab.write(POLICY, self.texts[POLICY])
        self.accepted(self.load(5))
        self.assertEqual((self.told()[-1], self.signers()), ((5, 2, 1), signers), "no signature is needed")
        self.load(5, "terminated")
        self.assertEqual((self.told()[-1], self.signers()), ((5, 3, 1), signers))
        self.proven()

    def test_who_loses_it_is_told_who_had_signed_it(self):
        signers = self.signers("KEN")
        os.unlink(self.lab.path("policy/agreements.d/atlas.policy"))
        self.reload()
        self.assertEqual((self.told("KEN")[-1], self.signers("KEN")), ((5, 2, 2), signers))
        self.signs = False
        self.accepted(self.load(5))

    def test_a_signer_that_is_revoked_later_has_signed(self):
        crl = self.lab.read("policy/trust/nor.crl")
        self.addCleanup(self.lab.write, "policy/trust/nor.crl", crl)
        self.accepted(self.load(6, title="two"))
        self.lab.relto("lab", "revoke", self.lab.dir, "NOR", "release-office")
        self.accepted(self.load(6, title="two"))
        self.unsigned(self.load(7, title="three"), 7, "NOR", ".*: a certificate of the chain is revoked")

    def test_a_check_says_what_is_missing_and_how_to_make_it_and_that_command_makes_it(self):
        self.put(6, title="two")
        os.unlink(self.file(6))
        folder = self.lab.path("policy")
        out, err = self.lab.relto("policy", "check", folder)
        self.assertIn("agreement 'atlas' lacks the signature of NOR: there is no " + self.file(6), err)
        self.assertNotIn("GBR", err)
        self.lab.relto("policy", "check", "--strict", folder, code=65)
        tested = subprocess.run([self.lab.reltod_path, "-c", self.lab.path("reltod.conf"), "-t"], capture_output=True)
        self.assertEqual(tested.returncode, 0)
        self.assertIn("lacks the signature of NOR", tested.stderr.decode())
        command = re.search(r"help: NOR makes it: (relto policy terms .*)", err).group(1)
        stem = self.lab.path("parties/NOR/release-office")
        command = command.replace("CERT.pem", stem + ".pem").replace("KEY.pem", stem + ".key")
        subprocess.run(["sh", "-c", command.replace("relto ", self.lab.relto_path + " ", 1)], check=True)
        self.assertNotIn("signature", self.lab.relto("policy", "check", folder)[1])
        os.rename(self.lab.path("policy/trust/ken-ca.pem"), self.lab.path("policy/trust/ken-ca.gone"))
        self.addCleanup(os.rename, self.lab.path("policy/trust/ken-ca.gone"), self.lab.path("policy/trust/ken-ca.pem"))
        self.assertIn("signatures that agreement 'atlas' requires were not judged", self.lab.relto("policy", "check", folder)[1])


class Forged(TermsTest):
    """What is not the party's own word over these very terms."""

    def refuses(self, why, **how):
        self.signs = False
        self.put(6, title="two")
        self.sign(6, "GBR")
        self.sign(6, **how)
        before = len(self.lab.messages())
        self.reload()
        self.unsigned(self.lab.messages()[before:], 6, "NOR", ".*" + why)

    def test_a_signature_of_another_agreement(self):
        self.refuses("it signs another text", text=self.terms("nordic"))

    def test_a_signature_of_another_version(self):
        self.refuses("it signs another text", text=self.terms())

    def test_a_signature_of_another_party(self):
        self.refuses("spiffe://gbr.example/release-office is no agent of NOR", by=self.lab.path("parties/GBR"))

    def test_a_signature_by_an_agent_without_the_role(self):
        self.refuses("spiffe://nor.example/fusion-desk has not the role sign", signer="fusion-desk")

    def issued(self, authority, **how):
        uri = how.pop("uri", "spiffe://nor.example/release-office")
        certificate, key = certs.issue(certs.Authority.of_lab(self.lab.dir, authority), uris=(uri,), **how)
        certs.write(self.lab.base, "forged", [certificate], key)
        return {"by": self.lab.base, "signer": "forged"}

    def test_a_signature_that_the_hubs_own_authority_vouches_for(self):
        self.refuses("the chain does not end in the party's bundle", **self.issued("HUB"))

    def test_a_signature_by_an_agent_whom_the_policy_does_not_list(self):
        self.refuses("spiffe://nor.example/nobody is not listed", **self.issued("NOR", uri="spiffe://nor.example/nobody"))

    def test_a_signature_by_a_certificate_for_sessions(self):
        self.refuses("lacks the extended key usage", **self.issued("NOR", eku=certs.BOTH[:1]))

    def test_a_signature_by_a_certificate_that_has_expired(self):
        self.refuses("a certificate of the chain has expired", **self.issued("NOR", days=(-3, -1)))

    def test_a_file_that_is_far_too_large(self):
        self.signs = False
        self.put(6, title="two")
        self.sign(6, "GBR")
        with open(self.file(6), "wb") as f:
            f.truncate(HUGE)
        self.addCleanup(os.unlink, self.file(6))
        before = len(self.lab.messages())
        self.reload()
        self.unsigned(self.lab.messages()[before:], 6, "NOR", ".*: 16777216 bytes, more than")
        self.assertIn("16777216 bytes, more than 65536", self.lab.relto("policy", "check", self.lab.path("policy"))[1])
        with open(self.file(6), "wb") as f:
            f.truncate(65537)
        self.assertIn("p7s: 65537 bytes, more than 65536", self.load(6, title="two"))

    def test_a_file_that_others_can_write(self):
        self.signs = False
        self.put(6, title="two")
        self.sign_all(6)
        os.chmod(self.file(6), 0o666)
        before = len(self.lab.messages())
        self.reload()
        self.unsigned(self.lab.messages()[before:], 6, "NOR", ".*group or others can write it")


class Tried(TermsTest):
    """By an operator: each is seen at the load, and goes no further."""

    def test_the_line_is_dropped(self):
        self.addCleanup(setattr, self, "text", self.text)
        self.text = self.text.replace(REQUIRED, "")
        self.refused(self.load(5), 5, OTHER)

    def test_an_earlier_version_is_replayed_with_its_own_signatures(self):
        self.accepted(self.load(6, title="two"))
        self.refused(self.load(5), 5, LOWER)

    def test_a_vocabulary_changes_under_it(self):
        spif = self.lab.read("policy/vocab/atlas.spif.xml")
        self.addCleanup(self.lab.write, "policy/vocab/atlas.spif.xml", spif)
        self.lab.write("policy/vocab/atlas.spif.xml", spif + "<!-- another -->\n")
        said = self.load(5)
        for name in ("atlas", "nordic"):
            self.assertRegex(said, 'agreement-refused name="%s" .* why="%s"' % (name, OTHER))

    def test_an_authority_is_added_to_a_members_bundle(self):
        bundle = self.lab.read("policy/trust/nor-ca.pem")
        self.addCleanup(self.lab.write, "policy/trust/nor-ca.pem", bundle)
        self.lab.relto("lab", "init", os.path.join(self.lab.base, "other"))
        with open(os.path.join(self.lab.base, "other/policy/trust/nor-ca.pem"), encoding="utf-8") as f:
            self.lab.write("policy/trust/nor-ca.pem", bundle + f.read())
        said = self.load(5)
        self.assertRegex(said, 'agreement-refused name="atlas" .* why="%s"' % OTHER)


class Manual(unittest.TestCase):
    """The commands of docs/policy.md, section 'Signing terms', as they are printed."""

    def test_the_commands_of_the_manual_work_as_printed(self):
        with open(os.path.join(rig.HERE, "..", "..", "docs", "policy.md"), encoding="utf-8") as f:
            blocks = re.findall(r"(?ms)^```(?:signing|accepting)\n(.*?)^```$", f.read())
        lab = rig.Lab()
        self.addCleanup(lab.remove)
        lab.start()
        lab.edit(ATLAS, r"version  1", "version  2")
        lab.edit(ATLAS, r"(?m)^( +topics .*\n)", r"\1" + REQUIRED)
        said = subprocess.run(
            ["bash", "-eu", "-c", "".join("echo == %d; { %s}; " % step for step in enumerate(blocks))],
            cwd=lab.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=dict(lab.environment(), RELTO_SERVER=lab.address, PATH=os.path.dirname(lab.relto_path) + ":/usr/bin:/bin"),
        ).stdout.decode()
        self.assertEqual(said.count("lacks the signature of"), 2, said)
        self.assertIn("== %d\n" % (len(blocks) - 1), said)
        rig.until(lambda: lab.messages().count("policy.in-force") > 1, 10, "the reload: " + said)
        self.assertNotIn("unsigned", lab.messages())
        with lab.client("gbr") as gbr:
            self.assertEqual([(a.version, a.suspended) for a in gbr.welcome.agreements], [(2, False)])
            digest = gbr.terms["atlas"].hex()
        self.assertEqual(said.count(digest), 4, "from the policy, by hand, from the broker, as accepted: " + said)
        lab.relto("pub", "maritime.piracy", "--label", "ATLAS RESTRICTED//REL TO ATLAS", context="gbr", stdin=b"x")
        lab.prove(0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
