#!/usr/bin/python3
"""test_keys.py - KEY records: each party reads of its own anchors and of the broker's certificate, and of nobody else's
(docs/audit-format.md, type 15; design S7)."""
import hashlib
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402,F401
import test_versions  # noqa: E402
import certs  # noqa: E402
import wire  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from test_again import ATLAS, POLICY, AgainTest  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402

PARTIES = ["GBR", "HUB", "KEN", "NOR"]
LOG, ANCHOR, SIGNER, BROKER = 1, 2, 3, 4
ADDED, REMOVED, REVOKED = 1, 2, 3


def digest(certificate):
    return hashlib.sha256(wire.der(certificate)).hexdigest()


class KeysTest(AgainTest):
    version = 1

    def keys(self, since=0):
        """What KEY records say from a record on: [(party, purpose, act, key)]."""
        return [(r.text(7, 0), r.slots[7][1][0], r.slots[7][2][0], r.text(7, 3)) for r in self.log(kind="KEY")
                if r.index >= since]

    def news(self, change):
        """What a reload of a change tells."""
        since = self.log()[-1].index + 1
        change()
        self.reload()
        return self.keys(since)

    def authority(self, party):
        return certs.Authority.of_lab(self.lab.dir, party)


class Anchors(KeysTest):
    def swap(self, bundle, crl):
        """KEN's anchor for another one; agreements need a new version for it."""
        type(self).version += 1
        self.lab.edit(ATLAS, r"version  \d+", "version  %d" % self.version)
        self.lab.write("policy/trust/ken-ca.pem", bundle)
        self.lab.write("policy/trust/ken.crl", crl)

    def anchor(self):
        with open(self.lab.path("policy/trust/ken-ca.pem"), "rb") as f:
            return digest(certs.x509.load_pem_x509_certificate(f.read()))

    def test_the_first_start_tells_each_party_its_keys(self):
        keys = self.keys(0)[:3 * len(PARTIES)]
        for party in PARTIES:
            mine = sorted((purpose, act) for who, purpose, act, _ in keys if who == party)
            self.assertEqual(mine, [(LOG, ADDED), (ANCHOR, ADDED), (BROKER, ADDED)])
        said = {(who, key) for who, purpose, _, key in keys if purpose == ANCHOR}
        self.assertIn(("GBR", digest(self.authority("GBR").certificate)), said)
        self.assertEqual(len(said), len(PARTIES))

    def test_an_anchor_that_is_swapped_is_told_to_its_party_and_to_no_other(self):
        was, files = self.anchor(), [self.lab.read("policy/trust/" + name) for name in ("ken-ca.pem", "ken.crl")]
        authority = certs.fake_authority(self.lab.dir, "KEN")
        now = digest(authority.certificate)
        news = self.news(lambda: self.swap(certs.pem(authority.certificate), certs.empty_list(authority)))
        self.assertEqual(news, [("KEN", ANCHOR, REMOVED, was), ("KEN", ANCHOR, ADDED, now)])
        self.assertEqual(self.news(lambda: None), [], "once")
        since = self.log()[-1].index + 1
        self.lab.stop()
        self.swap(*files)
        self.lab.start()
        self.assertEqual(self.keys(since), [("KEN", ANCHOR, REMOVED, now), ("KEN", ANCHOR, ADDED, was)])
        self.proven()

    def test_a_party_that_is_shut_out_is_told_nothing_of_its_anchors(self):
        bundle = self.lab.read("policy/trust/nor-ca.pem")
        self.addCleanup(self.reload)
        self.addCleanup(self.lab.write, "policy/trust/nor-ca.pem", bundle)
        self.assertEqual(self.news(lambda: self.lab.write("policy/trust/nor-ca.pem", "no bundle\n")), [])

    def test_a_party_that_leaves_the_policy_has_no_anchors_in_it(self):
        policy, atlas = self.lab.read(POLICY), self.lab.read(ATLAS)

        def leave():
            self.lab.write(POLICY, re.sub(r"(?ms)^party KEN \{.*?^\}\n", "", policy))
            self.lab.write(ATLAS, test_versions.Lost.without_ken(atlas).replace("version  ", "version  9"))

        def come_back():
            self.lab.write(POLICY, policy)
            self.lab.write(ATLAS, atlas.replace("version  ", "version  99"))

        anchor = self.anchor()
        self.assertEqual(self.news(leave), [("KEN", ANCHOR, REMOVED, anchor)])
        self.assertEqual(self.news(come_back), [("KEN", ANCHOR, ADDED, anchor)])


class Broker(KeysTest):
    def renew(self):
        certificate, key = certs.issue(self.authority("HUB"), uris=("spiffe://hub.example/relto",),
                                       eku=(certs.ExtendedKeyUsageOID.SERVER_AUTH,), subject="relto")
        self.lab.write("hub/broker.pem", certs.pem(certificate))
        self.lab.write("hub/broker.key", key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())
        return digest(certificate)

    def told(self, news, was, now):
        """First all that is gone, then all that is new."""
        self.assertEqual(sorted(news[:len(PARTIES)]), [(p, BROKER, REMOVED, was) for p in PARTIES])
        self.assertEqual(sorted(news[len(PARTIES):]), [(p, BROKER, ADDED, now) for p in PARTIES])

    def test_a_new_certificate_of_the_broker_is_told_to_every_party_once(self):
        was, now = [key for _, purpose, _, key in self.keys() if purpose == BROKER][-1], []
        self.told(self.news(lambda: now.append(self.renew())), was, now[0])
        self.assertEqual(self.news(lambda: None), [])
        since = self.log()[-1].index + 1
        self.lab.stop()
        self.lab.start()
        self.assertEqual(self.keys(since), [], "a start with the same one tells nothing")
        since, was = self.log()[-1].index + 1, now[0]
        self.lab.stop()
        now = self.renew()
        self.lab.start()
        self.told(self.keys(since), was, now)
        self.proven()


class Signers(KeysTest):
    @staticmethod
    def leaf(agent):
        return hashlib.sha256(agent.chain_der[0]).hexdigest()

    def test_a_revoked_signer_is_told_to_its_party_once_and_one_that_never_signed_is_not(self):
        with self.client("gbr") as gbr:
            publish(gbr, [(TEARLINE, canary())])
            publish(gbr, [(TEARLINE, canary())])
        self.assertEqual([k for k in self.keys() if k[1] == SIGNER], [], "its INTAKE says that it is believed")
        self.lab.relto("lab", "revoke", self.lab.dir, "GBR", "/watch")
        self.assertEqual(self.news(lambda: None), [])
        self.lab.relto("lab", "revoke", self.lab.dir, "GBR", "/fusion-desk")
        revoked = [("GBR", SIGNER, REVOKED, self.leaf(gbr.agent))]
        self.assertEqual(self.news(lambda: None), revoked)
        self.assertEqual(self.news(lambda: None), [])
        self.lab.kill()
        self.lab.start()
        self.assertEqual([k for k in self.keys() if k[1] == SIGNER], revoked)
        self.proven()

    def test_a_signer_whose_agent_left_the_policy_is_told_and_told_again_when_it_is_back(self):
        with self.client("nor") as nor:
            publish(nor, [(TEARLINE, canary())])
        policy = self.lab.read(POLICY)
        news = self.news(lambda: self.lab.write(
            POLICY, re.sub(r"(?s)(party NOR \{.*?)\n\s*agent /fusion-desk [^\n]*", r"\1", policy)))
        self.assertEqual(news, [("NOR", SIGNER, REMOVED, self.leaf(nor.agent))])
        news = self.news(lambda: self.lab.write(POLICY, policy))
        self.assertEqual(news, [("NOR", SIGNER, ADDED, self.leaf(nor.agent))])
        self.proven()

    def test_a_signer_of_a_party_that_is_shut_out_is_not_told_of(self):
        with self.client("nor") as nor:
            publish(nor, [(TEARLINE, canary())])
        bundle = self.lab.read("policy/trust/nor-ca.pem")
        self.assertEqual(self.news(lambda: self.lab.write("policy/trust/nor-ca.pem", "no bundle\n")), [])
        self.assertEqual(self.news(lambda: self.lab.write("policy/trust/nor-ca.pem", bundle)), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
