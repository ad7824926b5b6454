#!/usr/bin/python3
"""test_contexts.py - relto context add, use, list, trust: where the broker is, who I am, whose reports I believe."""
import json
import os
import shutil
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import certs  # noqa: E402
import wire  # noqa: E402
from test_path import canary  # noqa: E402
from test_receive import Receiving  # noqa: E402


class Pinning(Receiving):
    def setUp(self):
        super().setUp()
        self.trust = os.path.join(self.lab.base, "trust." + self.id().rsplit(".", 1)[1])
        shutil.copytree(self.lab.path("home", "trust"), self.trust)
        certificate, key = certs.issue(None, uris=(), eku=(), ca=True, subject="USA authority", days=(-1, 30))
        self.usa = certs.Authority(certificate, key)
        self.nameless, _ = certs.write(self.lab.base, "usa-ca", [certificate], key)

    def pin(self, *words, code=0):
        return self.lab.relto("context", "trust", *words, "--trust", self.trust, context=self.nor, code=code)

    def pinned(self):
        return {p["party"]: p for p in json.loads(self.pin("--json")[0])}

    def agent(self, uri):
        """Somebody to whom USA's authority gave that name."""
        certificate, key = certs.issue(self.usa, uris=(uri,))
        paths = certs.write(self.lab.base, "agent", [certificate], key)
        return wire.Agent(self.lab.address, self.gbr.hub_id, self.gbr.hub_ca, *paths)

    def files(self):
        return sorted(os.listdir(self.trust))

    def test_a_ca_that_names_no_domain_is_pinned_with_one_and_believed_for_it_alone(self):
        _, err = self.pin("USA", self.nameless, code=64)
        self.assertIn("--domain", err)
        out, _ = self.pin("USA", self.nameless, "--domain", "usa.example")
        self.assertRegex(out, r"^USA +usa\.example +[0-9a-f]{64}\n$")
        self.assertEqual(self.pinned()["USA"]["domain"], "usa.example")
        for uri, shown in (("spiffe://usa.example/desk", True), ("spiffe://gbr.example/fusion-desk", False),
                           ("spiffe://other.example/desk", False)):
            agent, body = self.agent(uri), canary()
            self.hub(lambda s, a=agent, b=body: s.deliver(a, self.report(b, agent=a)))
            out, _ = self.sub("--count", "1", "--trust", self.trust, code=0 if shown else 77)
            self.assertEqual(body.decode() in out, shown, uri)

    def test_a_ca_without_a_domain_in_the_folder_is_refused_not_bound_to_whatever_comes(self):
        shutil.copy(self.nameless, os.path.join(self.trust, "USA.pem"))
        h = self.hub(lambda s: s.deliver(self.gbr, self.report(canary())))
        _, err = self.sub("--count", "1", "--trust", self.trust, code=78)
        self.assertIn("relto context trust", err)
        self.assertEqual(h.acks, [])

    def test_another_bundle_for_a_party_takes_a_word_and_shows_both_digests(self):
        old = self.pinned()["GBR"]["anchors"][0]
        before = self.files()
        _, err = self.pin("GBR", self.nameless, "--domain", "gbr.example", code=64)
        self.assertRegex(err, r"(?s)old gbr\.example %s.*new gbr\.example [0-9a-f]{64}.*--replace" % old)
        self.assertEqual((self.pinned()["GBR"]["anchors"], self.files()), ([old], before))
        _, err = self.pin("GBR", self.nameless, "--domain", "gbr.example", "--replace")
        self.assertIn(old, err)
        self.assertNotEqual(self.pinned()["GBR"]["anchors"], [old])
        self.pin("GBR", self.nameless, "--domain", "gbr.example")  # the same again is no change

    def test_one_bundle_for_two_parties_is_refused_before_it_stops_every_command(self):
        before = self.files()
        _, err = self.pin("USA", os.path.join(self.trust, "KEN.pem"), code=78)
        self.assertIn("USA and KEN share", err)
        _, err = self.pin("USA", self.nameless, "--domain", "ken.example", code=78)
        self.assertIn("share", err)
        self.assertEqual(self.files(), before)

    def test_a_domain_that_the_certificates_deny_is_refused(self):
        _, err = self.pin("KEN", os.path.join(self.trust, "KEN.pem"), "--domain", "gbr.example", code=78)
        self.assertIn("of the trust domain ken.example, not gbr.example", err)

    def test_a_party_moves_to_another_domain_only_as_a_whole(self):
        self.pin("USA", self.nameless, "--domain", "usa.example")
        _, err = self.pin("USA", self.nameless, "--domain", "us.example", code=64)
        self.assertIn("old usa.example", err)
        self.pin("USA", self.nameless, "--domain", "us.example", "--replace")
        self.assertEqual(self.pinned()["USA"]["domain"], "us.example")

    def test_what_is_no_bundle_is_refused(self):
        self.pin("USA", self.gbr.key_file, code=65)
        self.pin("USA", os.path.join(self.trust, "none"), code=66)
        self.pin("../USA", self.nameless, "--domain", "usa.example", code=64)
        self.pin("USA", self.nameless, "--domain", "USA example", code=64)


if __name__ == "__main__":
    unittest.main()
