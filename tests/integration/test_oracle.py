#!/usr/bin/python3
"""test_oracle.py - random reports through a real reltod, each judged again by the second evaluator (tests/model).

What the broker says to the originator, what each recipient gets, and every byte of its stream must be what the model
says.  RELTO_SEED picks the reports.
"""
import datetime
import os
import random
import secrets
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import model  # noqa: E402
import test_model  # noqa: E402
import wire  # noqa: E402
from wire import pb  # noqa: E402

REPORTS = 80
VERDICTS = {1: "release", 2: "hold", 3: "withhold"}
OUTCOMES = {1: "release", 2: "redact", 3: "hold", 4: "withhold"}
ATLAS_VALUES = ["ATLAS", "GBR", "NOR", "KEN", "INTERPOL"]
HANDLING = ["ORCON", "FININT", "HUMINT", "SIGINT", "LIMDIS", "no such"]


def lab_policy(lab):
    """The lab's policy (its files say the same) in the model's structures."""
    vocabularies = [test_model.read_spif(lab.path("policy", "vocab", n + ".spif.xml"))
                    for n in ("atlas", "tlp-2.0", "gbr-national")]
    vocabularies[0]["releasability"], vocabularies[2]["releasability"] = "Releasable To", "Eyes Only"
    spec = test_model.sample_spec()
    spec["vocabularies"] = vocabularies
    spec["agreements"][0]["equivalences"] = [{
        "from": "GBR-NATIONAL", "to": "ATLAS",
        "classes": [["OFFICIAL-SENSITIVE", "RESTRICTED"], ["SECRET", "SECRET"]],
        "values": [["Eyes Only", "UK", "Releasable To", "GBR"], ["Eyes Only", "UKNOR", "Releasable To", "NOR"]]}]
    return model.Policy(spec)


def random_label(r):
    kind = r.random()
    if kind < 0.25:
        return {"vocabulary": "TLP", "classification": r.choice(["CLEAR", "GREEN", "GREEN", "AMBER", "RED", "tlp"][:5]),
                "categories": {}}
    if kind < 0.35:
        return {"vocabulary": "GBR-NATIONAL", "classification": r.choice(["OFFICIAL-SENSITIVE", "SECRET", "OFFICIAL"]),
                "categories": {"Eyes Only": r.sample(["UK", "UKNOR"], r.randint(1, 2))}}
    categories = {}
    if r.random() < 0.92:
        categories["Releasable To"] = r.sample(ATLAS_VALUES, r.randint(1, 3))
    if r.random() < 0.25:
        categories["Handling"] = r.sample(HANDLING, 1)
    return {"vocabulary": "ATLAS", "categories": categories,
            "classification": r.choice(["UNCLASSIFIED", "RESTRICTED", "RESTRICTED", "SECRET", "SECRET", "TOP SECRET"])}


def random_labels(r):
    labels = [random_label(r) for _ in range(r.choice([1, 1, 2]))]
    return labels if len({l["vocabulary"] for l in labels}) == len(labels) else labels[:1]


class Oracle(rig.LabTest):
    def test_the_broker_does_what_the_model_says(self):
        seed = int(os.environ.get("RELTO_SEED", "0")) or secrets.randbits(32)
        print("seed %d" % seed)
        self.r, self.policy = random.Random(seed), lab_policy(self.lab)
        self.streams = {p: [] for p in ("GBR", "NOR", "KEN")}
        self.clients = {p: self.client(p.lower(), tap=self.streams[p]) for p in self.streams}
        for c in self.clients.values():
            c.subscribe(credit=1024)
        self.expected, self.bodies = {p: {} for p in self.clients}, {}
        for _ in range(REPORTS):
            self.one_report()
        for party, client in self.clients.items():
            self.check_party(party, client)

    def one_report(self):
        r, party = self.r, self.r.choice(["GBR", "GBR", "NOR"])
        client = self.clients[party]
        report = wire.Report(client.agent, r.choice(["maritime.piracy", "maritime.piracy.gulf", "cyber.indicators.ip"]),
                             [("atlas", client.terms["atlas"])], r.choice(["ROUTINE", "ROUTINE", "PRIORITY", "FLASH"]))
        facts = {"originator": party, "topic": report.manifest.topic.decode(), "agreements": ["atlas"], "mode": "live",
                 "precedence": pb.Precedence.Name(report.manifest.precedence), "expires": None, "only_to": None,
                 "not_to": [], "sources": [], "approvals": [], "portions": [],
                 "time": datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")}
        bodies = []
        for _ in range(r.choice([1, 2, 3, 5])):
            labels, body = random_labels(r), b"canary " + secrets.token_hex(16).encode()
            report.portion([(l["vocabulary"], l["classification"], l["categories"]) for l in labels], body)
            facts["portions"].append({"labels": labels, "content_type": "text/plain"})
            bodies.append(body)
        if r.random() < 0.15:
            facts["only_to"] = r.sample(["GBR", "NOR", "KEN"], r.randint(0, 2))
            report.routing.only_to.SetInParent()
            report.routing.only_to.name.extend(n.encode() for n in facts["only_to"])
        if r.random() < 0.1:
            facts["not_to"] = [r.choice(["GBR", "NOR", "KEN", "XXX"])]
            report.routing.not_to.extend(n.encode() for n in facts["not_to"])
        self.compare(client, report, facts, bodies)

    def compare(self, client, report, facts, bodies):
        want = model.decide(self.policy, facts)
        self.bodies[report.id] = bodies
        try:
            client.publish(report.seal())
        except wire.Refused as e:
            self.assertEqual(want, {"refused": e.code}, facts)
            return
        self.assertNotIn("refused", want, facts)
        said = client.ask("explain", pb.Explain(report=report.id))
        got = {d.recipient.decode(): (OUTCOMES[d.outcome], [
            (VERDICTS[p.verdict], p.reason.decode(), p.agreement.decode() or None, p.rule.decode() or None)
            for p in d.portions]) for d in said.decisions}
        self.assertEqual(got, {d["recipient"]: (d["outcome"], [
            (p["verdict"], p["reason"], p["agreement"], p["rule"]) for p in d["portions"]])
            for d in want["decisions"]}, facts)
        for d in want["decisions"]:
            if d["outcome"] in ("release", "redact"):
                self.expected[d["recipient"]][report.id] = [
                    b for b, p in zip(bodies, d["portions"]) if p["verdict"] == "release"]

    def check_party(self, party, client):
        got, end = {}, time.monotonic() + 20
        while len(got) < len(self.expected[party]) and time.monotonic() < end:
            d = client.receive(timeout=1)
            if d is not None:
                got[d.manifest.id] = d.contents
                client.ack(d)
        self.assertIsNone(client.receive(timeout=0.5))
        self.assertEqual(got, self.expected[party])
        stream = b"".join(self.streams[party])
        for report, bodies in self.bodies.items():
            allowed = self.expected[party].get(report, [])
            for body in bodies:
                if body not in allowed:
                    self.assertNotIn(body, stream, "%s got a withheld byte" % party)


if __name__ == "__main__":
    unittest.main(verbosity=2)
