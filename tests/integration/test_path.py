#!/usr/bin/python3
"""test_path.py - a report from a partner to partners, through a real reltod, verified by the Python client."""
import os
import secrets
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import forge  # noqa: E402
import wire  # noqa: E402
from wire import label, pb  # noqa: E402

SECRET = [label("ATLAS", "SECRET", Releasable_To=["GBR", "NOR"]), label("TLP", "AMBER")]
FININT = [label("ATLAS", "RESTRICTED", Releasable_To=["ATLAS"], Handling=["FININT"]), label("TLP", "GREEN")]
TEARLINE = [label("ATLAS", "RESTRICTED", Releasable_To=["ATLAS"]), label("TLP", "GREEN")]
GBR_ONLY = [label("ATLAS", "UNCLASSIFIED", Releasable_To=["GBR"])]
UNMARKED = [label("ATLAS", "UNCLASSIFIED")]


def canary():
    return b"canary-" + secrets.token_hex(16).encode()


def publish(client, portions, topic="maritime.piracy", precedence="ROUTINE", mode="LIVE", change=None, dry_run=False):
    """Publishes portions given as (labels, content); the Receipt and the id."""
    report = wire.Report(client.agent, topic, [("atlas", client.terms["atlas"])], precedence, mode)
    for labels, content in portions:
        report.portion(labels, content)
    if change:
        change(report)
    sealed = report.seal()
    sealed.dry_run = dry_run
    return client.publish(sealed), report.id


class Redaction(rig.LabTest):
    def setUp(self):
        self.taps = {"nor": [], "ken": []}
        self.gbr = self.client("gbr")
        self.nor, self.ken = (self.client(p, tap=self.taps[p]) for p in ("nor", "ken"))
        for c in (self.nor, self.ken):
            c.subscribe()

    def everything(self, client):
        """All that is queued, acknowledged."""
        out = {}
        while True:
            d = client.receive(timeout=0.5)
            if d is None:
                return out
            client.ack(d)
            out[d.manifest.id] = d

    def test_each_recipient_gets_exactly_the_portions_it_may_have(self):
        bodies = [canary() for _ in range(4)]
        receipt, report = publish(self.gbr, list(zip((SECRET, FININT, TEARLINE, GBR_ONLY), bodies)))
        self.assertEqual((receipt.report, receipt.redacted), (report, 2))
        nor, ken = self.nor.receive(), self.ken.receive()
        self.assertEqual(nor.contents, bodies[:3])
        self.assertEqual(ken.contents, [bodies[2]])
        self.assertEqual(list(ken.raw.agreements), list(nor.raw.agreements))
        self.assertTrue(ken.raw.agreements[0].startswith(b"atlas@"))
        self.nor.ack(nor)
        self.ken.ack(ken)

    def test_no_withheld_byte_is_ever_in_a_recipients_stream(self):
        kinds = [SECRET, FININT, TEARLINE, GBR_ONLY, UNMARKED]
        allowed = {"nor": (SECRET, FININT, TEARLINE), "ken": (TEARLINE,)}
        sent = []
        for n in range(30):
            portions = [(kinds[(n * 7 + k * 3) % 5], canary()) for k in range(1 + n % 6)]
            sent += portions
            publish(self.gbr, portions, precedence=("ROUTINE", "PRIORITY")[n % 2])
        for name, client in (("nor", self.nor), ("ken", self.ken)):
            self.everything(client)
            stream = b"".join(self.taps[name])
            for labels, body in sent:
                if labels in allowed[name]:
                    self.assertIn(body, stream)
                else:
                    self.assertNotIn(body, stream, name)
        log = self.lab.messages().encode()
        self.assertFalse([body for _, body in sent if body in log], "a body in the daemon's log")

    def test_whoever_may_have_nothing_sees_nothing(self):
        before = len(b"".join(self.taps["ken"]))
        receipt, _ = publish(self.gbr, [(SECRET, canary())])
        self.assertEqual((receipt.released, receipt.withheld), (1, 1))
        self.nor.ack(self.nor.receive())
        self.assertIsNone(self.ken.receive(timeout=1.0))
        self.ken.ask("ping", pb.Ping())
        self.assertLess(len(b"".join(self.taps["ken"])) - before, 4096)

    def test_the_same_manifest_gets_the_first_receipt_again(self):
        report = wire.Report(self.gbr.agent, "maritime.piracy", [("atlas", self.gbr.terms["atlas"])])
        sealed = report.portion(TEARLINE, canary()).seal()
        first, second = self.gbr.publish(sealed), self.gbr.publish(sealed)
        self.assertEqual((first.index, first.again, second.index, second.again), (first.index, False, first.index, True))
        self.assertEqual(len(self.everything(self.nor)), 1)
        self.assertEqual(len(self.everything(self.ken)), 1)

    def test_a_dry_run_says_the_decision_and_stores_nothing(self):
        said, _ = publish(self.gbr, [(SECRET, canary()), (TEARLINE, canary())], dry_run=True)
        got = {d.recipient.decode(): pb.Outcome.Name(d.outcome) for d in said.decisions}
        self.assertEqual(got, {"KEN": "OUTCOME_REDACT", "NOR": "OUTCOME_RELEASE"})
        self.assertTrue(said.dry_run)
        self.assertIsNone(self.nor.receive(timeout=0.5))

    def test_the_originator_reads_why(self):
        _, report = publish(self.gbr, [(SECRET, canary()), (TEARLINE, canary())])
        said = self.gbr.ask("explain", pb.Explain(report=report))
        why = {d.recipient.decode(): [p.reason.decode() for p in d.portions] for d in said.decisions}
        self.assertEqual(why, {"KEN": ["classification", "release"], "NOR": ["release", "release"]})
        self.everything(self.nor)
        self.everything(self.ken)

    def test_what_is_not_mine_and_what_is_not_there_look_the_same(self):
        _, report = publish(self.gbr, [(SECRET, canary())])
        answers = []
        for wanted in (report, secrets.token_bytes(16)):
            with self.assertRaises(wire.Refused) as refused:
                self.ken.ask("explain", pb.Explain(report=wanted))
            answers.append((refused.exception.code, refused.exception.text))
        self.assertEqual(answers[0], answers[1])
        self.everything(self.nor)

    def test_exercise_traffic_stays_out_of_the_live_mailbox(self):
        with self.assertRaises(wire.Refused) as refused:
            publish(self.gbr, [(TEARLINE, canary())], mode="EXERCISE")
        self.assertEqual(refused.exception.code, "agreement-not-usable")

    def test_a_report_that_was_not_acknowledged_comes_again_and_one_that_was_does_not(self):
        bodies = [canary(), canary()]
        for body in bodies:
            publish(self.gbr, [(TEARLINE, body)])
        first = self.nor.receive()
        self.nor.ack(first)
        second = self.nor.receive()
        self.nor.close()
        again = self.client("nor")
        again.subscribe()
        got = again.receive()
        self.assertEqual((got.manifest.id, got.raw.attempt > second.raw.attempt), (second.manifest.id, True))
        again.ack(got)
        self.assertIsNone(again.receive(timeout=0.5))
        self.everything(self.ken)

    def test_a_partner_that_was_away_gets_later_what_was_released_to_it(self):
        self.ken.close()
        body = canary()
        publish(self.gbr, [(TEARLINE, body)])
        again = self.client("ken")
        again.subscribe()
        got = again.receive()
        self.assertEqual(got.contents, [body])
        again.ack(got)
        self.everything(self.nor)

    def test_a_large_report_arrives_whole(self):
        body = canary() + secrets.token_bytes(3 << 20)
        publish(self.gbr, [(TEARLINE, body), (SECRET, canary())])
        for client in (self.nor, self.ken):
            got = client.receive(timeout=20)
            self.assertEqual(got.contents[0], body)
            client.ack(got)


class Audit(rig.LabTest):
    def test_python_and_relto_verify_agree_that_the_bundle_is_good(self):
        gbr, nor, ken = (self.client(p) for p in ("gbr", "nor", "ken"))
        for c in (nor, ken):
            c.subscribe()
        ids = [publish(gbr, [(SECRET, canary()), (TEARLINE, canary())])[1] for _ in range(5)]
        for _ in ids:
            for c in (nor, ken):
                c.ack(c.receive())
        folder = os.path.join(self.lab.base, "bundle")
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("hub"))
        with open(os.path.join(folder, "log.vkey"), encoding="utf-8") as f:
            vkey = f.read().strip()
        self.assertEqual(vkey, gbr.agent.log_key)
        records = forge.Log(folder).records
        kinds = [r.kind for r in records]
        for kind, least in (("INTAKE", 5), ("DECISION", 10), ("DELIVERY", 10), ("ACK", 2), ("START", 1), ("POLICY", 1)):
            self.assertGreaterEqual(kinds.count(kind), least, kind)
        for report in ids:
            self.assertIn(report, [r.field(1, 2) for r in records if r.kind == "DELIVERY"])
        self.assertEqual(self.codes(folder, vkey), [0, 0])
        self.damaged(folder, vkey)

    def test_each_partys_own_bundle_and_what_its_clients_kept_agree(self):
        for _ in range(2):
            self.lab.relto("pub", "maritime.piracy", "-", "--label", "ATLAS RESTRICTED//REL TO ATLAS", "--label", "TLP:GREEN",
                           context="gbr", stdin=b"x")
        self.lab.relto("sub", "--count", "2", "--wait", "20s", context="nor")
        self.lab.stop()  # writes the last heads
        self.lab.start()
        for party in ("gbr", "nor", "ken"):
            folder = os.path.join(self.lab.base, "own-" + party)
            self.lab.relto("audit", "pull", folder, context=party + "-inspector")
            state = self.lab.path("home", "state", party)
            kept = [os.path.join(state, f) for f in os.listdir(state) if f.startswith("evidence")] \
                if os.path.isdir(state) else []
            evidence = [w for f in kept for w in ("--evidence", f)]
            got = subprocess.run([rig.program("relto-verify"), "verify", folder, "--party", party.upper(), "--strict",
                                  "--key", self.lab.agent("hub").log_key] + evidence, capture_output=True)
            said = got.stdout.decode()
            self.assertEqual(got.returncode, 0, said + got.stderr.decode())
            self.assertIn("the party's history is complete up to its first", said)
            self.assertEqual("2 lines of what clients kept" in said, party != "ken", said)

    def codes(self, folder, vkey):
        return [subprocess.run(v + [folder, "--key", vkey], capture_output=True).returncode for v in rig.verifiers()]

    def damaged(self, folder, vkey):
        path = os.path.join(folder, "record", "000000")
        with open(path, "r+b") as f:
            f.seek(os.path.getsize(path) // 2)
            byte = f.read(1)[0]
            f.seek(-1, 1)
            f.write(bytes([byte ^ 1]))
        self.assertIn(self.codes(folder, vkey), ([2, 2], [4, 4], [6, 6]))

    def test_each_session_extends_the_checkpoint_of_the_last(self):
        one = self.client("gbr")
        seen = one.memory.seen
        publish(one, [(TEARLINE, canary())])
        two = self.client("gbr", memory=one.memory)
        self.assertGreaterEqual(two.memory.seen.size, seen.size if seen else 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
