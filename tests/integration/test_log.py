#!/usr/bin/python3
"""test_log.py - what the running broker's log gives out: heads and their sizes, exports, what is refused (audit 1, 5, 7)."""
import os
import pty
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import certs  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from test_again import AgainTest  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import label, pb  # noqa: E402


class Padded(AgainTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit("reltod.conf", r"(?m)^log \{", "log {\n    pad 64\n    heads-every 1s")

    def test_every_published_size_is_round_however_the_log_grows(self):
        nor, sizes = self.client("nor"), set()
        gbr = self.client("gbr")
        for n in range(1, 40):
            publish(gbr, [(TEARLINE, canary())])
            m = nor.read_message(0.1)
            if m is not None and m.WhichOneof("body") == "heads":
                sizes.add(nor.memory.seen.size)
        sizes.add(self.client("ken").welcome and self.client("ken").memory.seen.size)
        self.assertGreater(len(sizes), 1)
        self.assertEqual([s for s in sizes if s % 64], [])
        self.drain("nor", "ken")
        folder, _ = self.proven()  # an auditor's pull publishes the newest, padded too
        with open(os.path.join(folder, "checkpoint"), encoding="utf-8") as f:
            self.assertEqual(int(f.read().split("\n")[1]) % 64, 0)


class Exports(AgainTest):
    def test_reports_with_heads_of_megabytes_do_not_stop_the_auditor(self):
        gbr = self.client("gbr", timeout=60)
        padded = [label("ATLAS", "SECRET", Releasable_To=["NOR" + " " * (1000 - n) for n in range(200)])]
        for _ in range(12):
            report = wire.Report(gbr.agent, "maritime.piracy", [("atlas", gbr.terms["atlas"])])
            for n in range(16):
                report.portion(padded, b"%d" % n)
            self.assertEqual(gbr.publish(report.seal(), timeout=60).released, 1)
        self.proven()
        self.assertGreater(len(self.log()), 24)


class Progress(AgainTest):
    def terminal(self, command, env):
        """Exit code, standard output, and what a terminal got on standard error."""
        ours, its = pty.openpty()
        self.addCleanup(os.close, ours)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=its, env=env) as p:
            os.close(its)
            out, said = p.stdout.read(), b""
            try:
                while piece := os.read(ours, 65536):
                    said += piece
            except OSError:  # nobody has its other end any more
                pass
            return p.wait(60), out, said

    def test_who_verifies_at_a_terminal_sees_how_far_it_is_and_nobody_else(self):
        publish(self.client("gbr"), [(TEARLINE, canary())])
        self.drain("nor", "ken")
        folder, key = self.proven()
        with open(os.path.join(folder, "checkpoint"), encoding="utf-8") as f:
            size = int(f.read().split("\n")[1])
        env = dict(self.lab.environment(), RELTO_CONTEXT=self.lab.context_name("hub"))
        for command in ([rig.program("relto-verify"), "verify", folder, "--key", key],
                        [self.lab.relto_path, "audit", "replay", folder, "--key", key],
                        [self.lab.relto_path, "audit", "report", folder, "--html", "--key", key]):
            with self.subTest(command):
                code, out, said = self.terminal(command, env)
                self.assertEqual(code, 0, said)
                self.assertIn(b"\r%d of %d records, 100 %%" % (size, size), said)
                self.assertIn(b"\r\x1b[K", said)
                got = subprocess.run(command, capture_output=True, check=True, timeout=60, env=env)
                self.assertNotIn(b"\r", got.stderr)


class Refusals(AgainTest):
    def refused(self, client, kind, body, code):
        with self.assertRaises(wire.Refused) as got:
            client.ask(kind, body)
        self.assertEqual(got.exception.code, code)
        rig.until(lambda: [r for r in self.log(kind="REFUSED") if r.text(7, 0) == code], 5, "a REFUSED record of " + code)

    def test_what_a_peer_may_not_do_is_on_record(self):
        nor = self.client("nor")
        self.refused(nor, "audit_list", pb.AuditList(count=10), "role")
        self.refused(nor, "attest", pb.Attest(origin=b"x", size=1, root=b"r" * 32, signature=b"s"), "malformed")

    def test_strangers_cannot_write_a_record_each(self):
        folder = os.path.join(self.lab.base, "stranger")
        os.makedirs(folder)
        agents = []
        for n in range(20):  # each a stranger of another name
            made, key = certs.issue(None, ["spiffe://gbr.example/invented-%d" % n])
            certificate, key = certs.write(folder, str(n), [made], key)
            agents.append(self.lab.agent("gbr", "/fusion-desk"))
            agents[-1].certificate_file, agents[-1].key_file = certificate, key
        for agent in agents * 3:
            try:
                wire.Client(agent, hello=False).closed(5)
            except (OSError, wire.Closed):
                pass

        def counted():
            seen = [r for r in self.log(kind="REFUSED") if r.text(7, 0) == "tls"]
            return seen if sum(witness.uint(r.slots[7][1]) for r in seen) >= 60 else None
        seen = rig.until(counted, 10, "sixty refusals")
        self.assertLess(len(seen), 40, "one for each kind and second, from one address")
        self.assertEqual({(r.text(7, 3), r.text(7, 5)) for r in seen}, {("", "127.0.0.1")}, "no name that was not proved")

    def test_a_subscription_too_many_is_on_record(self):
        for n in range(300):
            with self.lab.client("ken") as ken:
                try:
                    for k in range(30):
                        ken.subscribe("s%d-%d" % (n, k))
                except wire.Refused as e:
                    self.assertEqual(e.code, "quota")
                    rig.until(lambda: [r for r in self.log(kind="REFUSED") if r.text(7, 0) == "quota"], 5, "a record")
                    return
        self.fail("no quota")


if __name__ == "__main__":
    unittest.main(verbosity=2)
