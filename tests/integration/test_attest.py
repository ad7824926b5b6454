#!/usr/bin/python3
"""test_attest.py - a client's attestations of its party's tree: what the broker takes, what it refuses, what both
verifiers make of it (audit 2)."""
import itertools
import json
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
import wire  # noqa: E402
import witness  # noqa: E402
from test_again import AgainTest  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

COUNT = itertools.count()


def attest(c, size, root, party="NOR", origin=None, key=None):
    """The message, signed over just these."""
    origin = (origin or c.memory.seen.origin).encode()
    texts = b"".join(len(t).to_bytes(4, "big") + t for t in (origin, party.encode()))
    text = b" " * 64 + b"relto/1 attest\0" + texts + size.to_bytes(8, "big") + root
    return pb.Attest(origin=origin, size=size, root=root, signature=wire.sign(key or c.agent.key, text))


class AttestTest(AgainTest):
    every = "0ms"

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit("reltod.conf", r"(?m)^log \{", "log {\n    heads-every 100ms\n    party-heads-every 100ms")
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "\nlimits {\n    attest-every %s\n}\n" % cls.every)

    def shown(self, c, after=0):
        """(size, root) of the next head of the party's tree that has more than 'after' records."""
        while True:
            m = c.wait(kind="heads")
            self.assertIsNotNone(m, "no Heads with a larger PARTY_HEAD")
            if m.heads.opening:
                body = witness.Opening(m.heads.opening).slots[7]
                if witness.uint(body[1]) > after:
                    return witness.uint(body[1]), body[2]

    def reader(self, domain="nor", path=None):
        """A session that was shown a head, which a report of just now is in."""
        c = self.client(domain, path)
        c.subscribe("s%d" % next(COUNT))  # a new one: nothing waits in it
        publish(self.client("gbr"), [(TEARLINE, canary())])
        return c, self.shown(c, c.receive().raw.evidence.party_index)

    def refused(self, c, message, code, field=""):
        with self.assertRaises(wire.Refused) as got:
            c.ask("attest", message)
        self.assertEqual((got.exception.code, got.exception.field), (code, field))
        return got.exception

    def counter(self, name):
        return json.loads(self.lab.relto("admin", "status", "--json", context=self.lab.context_name("hub", "/operator"))[0])[
            "counters"][name]


class Attests(AttestTest):
    def test_what_a_client_attests_is_in_the_log_and_both_verifiers_check_its_signature(self):
        nor, (size, root) = self.reader()
        self.assertEqual(nor.send("attest", attest(nor, size, root)), nor.request)
        self.assertEqual(nor.wait(nor.request).WhichOneof("body"), "pong")
        record = [r for r in self.log(kind="ACK") if r.slots[7][4]][-1]
        self.assertEqual((record.text(2, 0), witness.uint(record.slots[7][1]), record.slots[7][2]), ("NOR", size, root))
        self.assertFalse(record.slots[3] or record.slots[8], "it stands in no party's tree")
        folder = os.path.join(self.lab.base, "bundle")
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("hub"))
        key = self.lab.agent("hub").log_key
        said = [json.loads(subprocess.run(p + [folder, "--key", key] + ["--json"][:"relto-verify" in p[0]],
                                          capture_output=True, check=True).stdout) for p in rig.verifiers()]
        self.assertEqual(said[0]["attests"], {"signed": said[1]["attested"], "unproved": 0})
        self.assertGreater(said[1]["attested"], 0)
        self.assertTrue([line for line in said[0]["checked"] if "attestations of parties' histories" in line])
        self.without_chains(folder, key)

    def without_chains(self, folder, key):
        """A signature of which the chain is not there counts as not checked."""
        for record in self.log(kind="ACK"):
            if record.slots[7][3] and os.path.exists(path := os.path.join(folder, "chain", record.slots[7][3].hex())):
                os.unlink(path)
        got = subprocess.run(rig.verifiers()[0] + [folder, "--key", key, "--json"], capture_output=True)
        said = json.loads(got.stdout)
        self.assertEqual((got.returncode, said["attests"]["signed"]), (0, 0))
        self.assertGreater(said["attests"]["unproved"], 0)
        self.assertTrue([line for line in said["not_checked"] if "attestations" in line])
        self.assertIn("NOT: that what is recorded as delivered or acknowledged arrived", said["concluded"])

    def test_the_command_attests_what_it_verified_while_it_receives(self):
        env = dict(self.lab.environment(), RELTO_CONTEXT=self.lab.context_name("ken"), RELTO_SERVER=self.lab.address)
        p = subprocess.Popen([self.lab.relto_path, "sub"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(p.communicate)
        self.addCleanup(p.terminate)
        publish(self.client("gbr"), [(TEARLINE, canary())])
        leaf = wire.H(self.lab.agent("ken").chain_der[0])
        rig.until(lambda: [r for r in self.log(kind="ACK") if r.slots[7][4] and r.slots[5][2] == leaf], 20, "an attestation")

    def test_nothing_else_than_the_partys_own_tree_by_its_own_key_is_taken(self):
        nor, (size, root) = self.reader()
        gbr = self.lab.agent("gbr")
        before = len(self.log(kind="ACK"))
        for message, code, field in (
                (attest(nor, size, root, party="GBR"), "bad-signature", "attest.signature"),
                (attest(nor, size, root, key=gbr.key), "bad-signature", "attest.signature"),
                (attest(nor, size, root, key=self.lab.agent("nor", "/release-office").key), "bad-signature", "attest.signature"),
                (attest(nor, size + 1, root), "malformed", "attest.size"),
                (attest(nor, 0, root), "malformed", "attest.size"),
                (attest(nor, size, root, origin="hub.example/g1"), "malformed", "attest.origin")):
            self.refused(nor, message, code, field)
        message = attest(nor, size, root)
        message.root = bytes(32)  # another root than was signed
        self.refused(nor, message, "bad-signature", "attest.signature")
        self.assertEqual(len(self.log(kind="ACK")), before)
        nor.ask("attest", attest(nor, size, root))

    def test_a_good_signature_over_another_root_is_told_loudly(self):
        nor, (size, root) = self.reader()
        before, forks = len(self.log(kind="ACK")), self.counter("attest_forks")
        self.refused(nor, attest(nor, size, bytes(32)), "fork", "attest.root")
        self.assertEqual(len(self.log(kind="ACK")), before)
        self.assertEqual(self.counter("attest_forks"), forks + 1)
        line = re.search(r"(?m)^.*attest\.fork.*$", self.lab.messages())[0]
        self.assertIn(root.hex(), line)
        self.assertIn("spiffe://nor.example/fusion-desk", line)
        rig.until(lambda: [r for r in self.log(kind="REFUSED") if r.text(7, 0) == "fork"], 5, "a REFUSED record")

    def test_what_was_attested_is_not_attested_again_in_whichever_session(self):
        nor, (size, root) = self.reader()
        message = attest(nor, size, root)
        nor.ask("attest", message)
        self.refused(nor, message, "quota")
        again = self.client("nor")
        again.subscribe()
        publish(self.client("gbr"), [(TEARLINE, canary())])
        larger = self.shown(again, size)
        with self.assertRaises(wire.Refused) as got:
            again.ask("attest", message)
        self.assertIn(got.exception.code, ("malformed", "quota"), "not shown in this session, or it was attested before")
        again.ask("attest", attest(again, *larger))

    def test_an_agent_with_another_certificate_attests_nothing_again(self):
        nor, (size, root) = self.reader()
        nor.ask("attest", attest(nor, size, root))
        agent = self.lab.agent("nor")
        made, agent.key = certs.issue(certs.Authority.of_lab(self.lab.dir, "NOR"), uris=(agent.id,), eku=certs.BOTH[:1])
        agent.certificate_file, agent.key_file = certs.write(self.lab.base, "second", [made], agent.key)
        agent.chain_der = [wire.der(made)]
        with wire.Client(agent) as second:
            self.counter("attests")  # a record, so that there is another head
            self.assertEqual(self.shown(second), (size, root))
            self.refused(second, attest(second, size, root), "quota")

    def test_who_may_not_subscribe_attests_nothing(self):
        c = self.client("nor", "/inspector")
        publish(self.client("gbr"), [(TEARLINE, canary())])
        self.refused(c, attest(c, *self.shown(c)), "role")

    def test_attestations_before_and_after_a_reload_are_each_judged_by_their_policy(self):
        nor, (size, root) = self.reader()
        nor.ask("attest", attest(nor, size, root))
        self.narrow()
        nor, (size, root) = self.reader()
        nor.ask("attest", attest(nor, size, root))  # both are proved at the end of the class


    def forged(self, folder, key, change):
        """Whoever has the log's key: all of it fits but the attestation; the exit code of both verifiers, and a finding."""
        copy = folder + ".forged"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        log = forge.Log(copy)
        r = log.records[[i for i in log.all("ACK") if log.records[i].field(7, 4)][-1]]
        change(log, r)
        with open(self.lab.path("hub/log.key"), "rb") as f:
            log.settle(keep=r).write(copy, forge.Key(log.origin, f.read()))
        said = [subprocess.run(p + [copy, "--key", key] + ["--json"][:"relto-verify" in p[0]], capture_output=True)
                for p in rig.verifiers()]
        self.assertEqual(said[0].returncode, said[1].returncode, said[0].stdout + said[1].stdout)
        found = json.loads(said[0].stdout)["findings"]
        return said[0].returncode, found[0]["text"] if found else ""

    def signed(self, log, r, chain, key, party=b"NOR", origin=None):
        """The attestation of this record by the holder of 'key', in a session with 'chain'."""
        r.set(5, 2, wire.H(chain[0]))
        r.set(7, 3, log.add_content("chain", b"".join(chain)))
        texts = b"".join(len(t).to_bytes(4, "big") + t for t in ((origin or log.origin).encode(), party))
        text = b" " * 64 + b"relto/1 attest\0" + texts + r.field(7, 1) + r.field(7, 2)
        r.set(7, 4, wire.sign(key, text))

    def test_an_attestation_that_no_agent_of_the_party_made_is_found_by_both_verifiers(self):
        nor, (size, root) = self.reader()
        nor.ask("attest", attest(nor, size, root))
        folder, key = os.path.join(self.lab.base, "whole"), self.lab.agent("hub").log_key
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("hub"))
        nor, gbr = self.lab.agent("nor"), self.lab.agent("gbr")

        def issued(authority, **how):
            certificate, private = certs.issue(certs.Authority.of_lab(self.lab.dir, authority), uris=(nor.id,), **how)
            return [wire.der(certificate)], private

        def by(chain, private, **how):
            return lambda log, r: self.signed(log, r, chain, private, **how)

        client = {"eku": certs.BOTH[:1]}
        for code, says, change in (
                (0, "", by(nor.chain_der, nor.key)),
                (0, "", by(*issued("NOR", **client))),
                (0, "", by(*issued("NOR", key=certs.ec.generate_private_key(certs.ec.SECP384R1()), **client))),
                (3, "not signed by who attests it", by(nor.chain_der, gbr.key)),
                (3, "not signed by who attests it", by(nor.chain_der, nor.key, party=b"GBR")),
                (3, "not signed by who attests it", by(nor.chain_der, nor.key, origin="hub.example/g9")),
                (3, "its trust domain is not that of the party", by(gbr.chain_der, gbr.key)),
                (3, "the chain of who attested it", by(*issued("HUB", **client))),
                (3, "the chain of who attested it", by(*issued("NOR", eku=certs.BOTH[1:]))),
                (3, "expired", by(*issued("NOR", days=(-3, -1), **client))),
                (3, "another certificate than that of its session", lambda log, r: r.set(5, 2, wire.H(b"x"))),
                (3, "not signed by who attests it", lambda log, r: r.set(7, 4, r.field(7, 4)[:-1])),
                (3, "", lambda log, r: r.set(7, 2, bytes(32))),
                (3, "", lambda log, r: r.set(7, 1, forge.u64(size + 1000)))):
            got = self.forged(folder, key, change)
            self.assertEqual(got[0], code, got)
            self.assertIn(says, got[1])


class Seldom(AttestTest):
    every, proof = "60s", None

    def test_an_agent_attests_once_in_a_while_and_failures_count(self):
        nor, (size, root) = self.reader()
        self.refused(nor, attest(nor, size, root, party="GBR"), "bad-signature", "attest.signature")
        self.refused(nor, attest(nor, size, root), "quota")
        ken, (size, root) = self.reader("ken")
        ken.ask("attest", attest(ken, size, root, party="KEN"))
        publish(self.client("gbr"), [(TEARLINE, canary())])
        self.refused(ken, attest(ken, *self.shown(ken, size), party="KEN"), "quota")


if __name__ == "__main__":
    unittest.main(verbosity=2)
