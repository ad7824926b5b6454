#!/usr/bin/python3
"""test_doctor.py - relto doctor: what it finds of a context, and what it says to do."""
import json
import os
import shutil
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import certs  # noqa: E402


class Doctor(rig.LabTest):
    @classmethod
    def prepare(cls):
        cls.gbr = cls.lab.context_name("gbr")

    def setUp(self):
        self.files = os.path.join(self.lab.base, self.id().rsplit(".", 1)[1])
        os.makedirs(self.files)

    def ask(self, *words, code, **variables):
        """{check: [(kind, text, help)]}"""
        out, err = self.lab.relto("doctor", "--json", *words, context=self.gbr, code=code, **variables)
        self.assertEqual(err, "")
        found = {}
        for f in json.loads(out)["findings"]:
            self.assertEqual(f["kind"] == "ok", f["help"] is None, f)
            found.setdefault(f["check"], []).append((f["kind"], f["text"], f["help"]))
        return found

    def failed(self, check, *words, **variables):
        """The one thing that is wrong."""
        found = self.ask(*words, code=1, **variables)
        wrong = [(c, f) for c, fs in found.items() for f in fs if f[0] == "fail"]
        self.assertIn(check, [c for c, _ in wrong])
        return next(f for c, f in wrong if c == check)

    def issued(self, days):
        """Certificate and key of GBR's desk by its own authority."""
        with open(self.lab.path("parties/GBR/ca.key"), "rb") as f:
            ca_key = certs.serialization.load_pem_private_key(f.read(), None)
        with open(self.lab.path("policy/trust/gbr-ca.pem"), "rb") as f:
            ca = certs.x509.load_pem_x509_certificate(f.read())
        certificate, key = certs.issue(certs.Authority(ca, ca_key), uris=("spiffe://gbr.example/fusion-desk",), days=days)
        return certs.write(self.files, "desk", [certificate], key)

    def test_a_lab_is_well(self):
        found = self.ask(code=0)
        self.assertEqual({f[0] for c, fs in found.items() if c != "clock" for f in fs}, {"ok"})
        self.assertLessEqual({"context", "certificate", "key", "hub-ca", "log-key", "trust", "trust NOR", "state", "broker", "log",
                              "agent", "agreement atlas", "vocabularies"}, set(found))

    def test_for_people_it_says_what_to_do_below(self):
        out, _ = self.lab.relto("doctor", "--server", "127.0.0.1:1", context=self.gbr, code=1)
        self.assertRegex(out, r"(?m)^ok    key: .*\n")
        self.assertRegex(out, r"(?m)^FAIL  broker: unreachable: .*refused\n      is the broker running")

    def test_no_such_context(self):
        _, text, do = self.failed("context", "--context", "nobody")
        self.assertIn("nobody", text)
        self.assertIn("relto context list", do)

    def test_a_certificate_that_ends_soon_is_a_warning_and_one_that_ended_a_failure(self):
        certificate, key = self.issued((-1, 7))
        found = self.ask("--certificate", certificate, "--key", key, code=0)
        self.assertRegex(found["certificate"][1][1], r"6 days from now")
        self.assertEqual(found["certificate"][1][0], "warn")
        certificate, key = self.issued((-9, -2))
        self.assertRegex(self.failed("certificate", "--certificate", certificate, "--key", key)[1], "it has ended")

    def test_another_key(self):
        _, key = self.issued((-1, 7))
        self.assertIn("not the key of the certificate", self.failed("key", "--key", key)[1])

    def test_files_that_are_not_what_they_should_be(self):
        bad = os.path.join(self.files, "bad")
        with open(bad, "w", encoding="ascii") as f:
            f.write("nothing\n")
        os.chmod(bad, 0o600)
        for check, option in (("certificate", "--certificate"), ("key", "--key"), ("hub-ca", "--hub-ca"), ("log-key", "--log-key")):
            with self.subTest(option):
                self.assertIn(bad, self.failed(check, option, bad)[1])

    def test_a_trust_folder_without_bundles(self):
        found = self.ask("--trust", self.files, code=0)
        self.assertEqual(found["trust"][0][:2], ("warn", "the reports of 0 parties can be verified"))
        self.assertIn("relto context trust", found["trust"][0][2])

    def test_another_hub_than_the_pinned_one(self):
        _, text, do = self.failed("broker", "--hub-id", "spiffe://hub.example/other")
        self.assertIn("certificate: ", text)
        self.assertIn("not the hub that is pinned", do)

    def test_evidence_of_a_fork(self):
        self.ask(code=0)
        home = self.lab.path("home." + self.id().rsplit(".", 1)[1])
        shutil.copytree(self.lab.path("home"), home)
        os.makedirs(os.path.join(home, "state", self.gbr, "fork-of-something"))
        _, text, do = self.failed("state", RELTO_HOME=home)
        self.assertIn("evidence of 1 forks", text)
        self.assertIn("give it to your auditor", do)

    def test_terms_that_were_not_accepted_and_other_ones(self):
        home = self.lab.path("home." + self.id().rsplit(".", 1)[1])
        shutil.copytree(self.lab.path("home"), home)
        path = os.path.join(home, "contexts", self.gbr + ".terms")
        with open(path, encoding="ascii") as f:
            text = f.read()
        os.unlink(path)
        self.assertIn(("warn", "its terms were not accepted here"), [f[:1] + (f[1][:32],) for f in self.ask(
            code=0, RELTO_HOME=home)["agreement atlas"]])
        with open(path, "w", encoding="ascii") as f:
            f.write(text[:-10] + ("0" * 9) + "\n")
        os.chmod(path, 0o600)
        self.assertIn("other terms than version 1", self.failed("agreement atlas", RELTO_HOME=home)[1])


if __name__ == "__main__":
    unittest.main()
