#!/usr/bin/python3
"""test_model.py - the second evaluator itself, held against facts that others published and against hand-made cases.

The NATO facts are those of ADatP-4774, Table 17 and Annex A (docs/design.md, section 3); the vocabulary and the labels
are read from the shared vectors, and the test is skipped, loudly, where they are missing.
"""
import glob
import hashlib
import json
import os
import sys
import unittest
import xml.etree.ElementTree as ET

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import gen  # noqa: E402
import model  # noqa: E402
import read  # noqa: E402

VECTORS = os.environ.get("RELTO_VECTORS", os.path.join(HERE, "..", "..", "..", "shared", "vectors"))
GOLDEN = os.path.join(HERE, "..", "vectors", "golden", "policy")
SPIF = "{http://www.xmlspif.org/spif}"
SLAB = "{urn:nato:stanag:4774:confidentialitymetadatalabel:1:0}"


def read_spif(path):
    """As much of a SPIF as v79 needs."""
    root = ET.parse(path).getroot()
    kinds = {"tagType7": "informative"}
    classes = [{"name": c.get("name"), "lacv": int(c.get("lacv")), "rank": int(c.get("hierarchy")), "required": [],
                "obsolete": c.get("obsolete") == "true"} for c in root.iter(SPIF + "securityClassification")]
    sets = []
    for s in root.iter(SPIF + "securityCategoryTagSet"):
        tags = []
        for t in s.iter(SPIF + "securityCategoryTag"):
            kind = t.get("enumType") if t.get("tagType") == "enumerated" else t.get("tagType")
            tags.append({"name": t.get("name"), "kind": kinds.get(kind, kind), "single": False, "min": None,
                         "max": None, "enumerated": t.get("tagType") == "enumerated", "values": [
                             {"name": v.get("name"), "lacv": int(v.get("lacv")), "not_before": None, "not_after": None,
                              "obsolete": v.get("obsolete") == "true", "required_class": None, "required": [],
                              "excluded": [], "excluded_classes": [x.text for x in v.iter(SPIF + "excludedClass")]}
                             for v in t.iter(SPIF + "tagCategory")]})
        sets.append({"name": s.get("name"), "tags": tags})
    return {"name": root.find(SPIF + "securityPolicyId").get("name"), "releasability": None, "classes": classes,
            "sets": sets}


def read_label(path):
    info = ET.parse(path).getroot().find(SLAB + "ConfidentialityInformation")
    return {"vocabulary": info.find(SLAB + "PolicyIdentifier").text,
            "classification": info.find(SLAB + "Classification").text,
            "categories": {c.get("TagName"): [v.text for v in c] for c in info.iter(SLAB + "Category")}}


def clearance(vocabulary, classes, **categories):
    return {"vocabulary": vocabulary, "up_to": None, "classes": classes,
            "categories": [[k.replace("_", " "), v] for k, v in categories.items()]}


def member(party, clearances, originate=True, receive=True, at_most="FLASH"):
    return {"party": party, "originate": originate, "receive": receive, "at_most": at_most, "clearances": clearances}


def rule(name, action, labels=(), **more):
    out = {"name": name, "from": [], "to": [], "topics": [], "labels": list(labels), "precedence": [], "content": [],
           "action": action, "approver": None, "within": None}
    out.update(more)
    return out


def at(op, vocabulary, classification):
    return {"vocabulary": vocabulary, "op": op, "class": classification}


def agreement(members, rules, **more):
    out = {"name": "atlas", "from": "2026-01-01", "until": "2028-12-31", "state": "in-force", "mode": "live",
           "topics": ["maritime.>", "cyber.indicators.*"], "unmarked_labels": False, "unmarked_portions": False,
           "onward": None, "members": members, "equivalences": [], "rules": rules}
    out.update(more)
    return out


@unittest.skipUnless(os.path.isdir(VECTORS), "NO SHARED VECTORS at %s: the NATO facts are not tested" % VECTORS)
class Nato(unittest.TestCase):
    def test_table_17_against_the_clearances_of_annex_a(self):
        up_to_secret = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"]
        members = [
            member("GBR", [clearance("NATO", up_to_secret + ["TOP SECRET"],
                                     Context=["NATO", "EAPC", "GEORGIA", "ISAF", "KFOR", "PFP", "RUSSIA", "UKRAINE",
                                              "Releasable"],
                                     Releasable_To=["NATO", "EAPC", "ISAF", "KFOR", "PFP", "GBR"],
                                     Only=["NATO", "GBR"],
                                     Additional_Sensitivity=["ATOMAL", "BOHEMIA", "CRYPTO"])]),
            member("NZL", [clearance("NATO", up_to_secret, Context=["ISAF", "Releasable"],
                                     Releasable_To=["NZL", "ISAF"], Only=["NZL"])]),
            member("WSM", [clearance("NATO", up_to_secret, Context=["Releasable"])])]
        spec = {"vocabularies": [read_spif(os.path.join(VECTORS, "spif", "nato-v79.spif.xml"))], "suspended": [],
                "agreements": [agreement(members, [], unmarked_portions=True)]}
        policy = model.Policy(spec)
        said = {}
        for n in (1, 2, 3):
            label = read_label(os.path.join(VECTORS, "spif", "nato-table17-%d.label.xml" % n))
            facts = {"time_us": 0, "portions": [{}], "labels": [[model.resolve(policy, label)]]}
            said[n] = [model.Ask(policy, policy.agreements["atlas"], facts, r, 0).one_label(facts["labels"][0][0])[1]
                       for r in ("GBR", "NZL", "WSM")]
        self.assertEqual([[r is None for r in said[n]] for n in (1, 2, 3)],
                         [[True, True, False], [True, False, False], [True, False, False]])


def tag(name, kind, values):
    return {"name": name, "tags": [{"name": name, "kind": kind, "single": False, "min": None, "max": None,
                                    "enumerated": False, "values": [
                                        {"name": v, "lacv": i, "not_before": None, "not_after": None,
                                         "obsolete": False, "required_class": None, "required": [], "excluded": [],
                                         "excluded_classes": []} for i, v in enumerate(values)]}]}


def ladder(*names):
    return [{"name": n, "lacv": i, "rank": i, "required": [], "obsolete": False} for i, n in enumerate(names)]


ATLAS = {"name": "ATLAS", "releasability": "Releasable To",
         "classes": ladder("UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET", "TOP SECRET"),
         "sets": [tag("Releasable To", "permissive", ["ATLAS", "GBR", "NOR", "KEN"]),
                  tag("Handling", "restrictive", ["ORCON", "FININT"])]}
TLP = {"name": "TLP", "releasability": None, "sets": [],
       "classes": ladder("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")}


def sample_spec():
    """The agreement of docs/design.md, section 4, but for its equivalence."""
    def wide(who):
        c = clearance("ATLAS", [], Releasable_To=[who, "ATLAS"], Handling=["ORCON", "FININT"])
        c["up_to"] = "SECRET"
        return member(who, [c, clearance("TLP", ["CLEAR", "GREEN", "AMBER"])])

    ken = member("KEN", [clearance("ATLAS", ["UNCLASSIFIED", "RESTRICTED"], Releasable_To=["KEN", "ATLAS"],
                                   Handling=["FININT"]), clearance("TLP", ["CLEAR", "GREEN"])], originate=False)
    rules = [rule("maritime", "release", [at("at-most", "ATLAS", "SECRET")], topics=["maritime.>"]),
             rule("cyber", "release", [at("at-most", "ATLAS", "RESTRICTED")], topics=["cyber.indicators.*"]),
             rule("tlp-amber", "release", [at("at-most", "TLP", "AMBER")]),
             rule("flash-review", "hold", [at("at-least", "ATLAS", "SECRET")], precedence=[["at-least", "IMMEDIATE"]],
                  approver="originator", within=7200),
             rule("never-finint-to-ken", "withhold", [{"vocabulary": "ATLAS", "op": "has", "category": "Handling",
                                                       "value": "FININT"}], to=[["KEN"]])]
    return {"vocabularies": [ATLAS, TLP], "suspended": [],
            "agreements": [agreement([wide("GBR"), wide("NOR"), ken], rules)]}


def sample(**more):
    return model.Policy(dict(sample_spec(), **more))


def atlas(classification, *releasable, handling=()):
    categories = {"Releasable To": list(releasable)} if releasable else {}
    if handling:
        categories["Handling"] = list(handling)
    return {"vocabulary": "ATLAS", "classification": classification, "categories": categories}


def tlp(colour):
    return {"vocabulary": "TLP", "classification": colour, "categories": {}}


def facts(*portions, **more):
    out = {"originator": "GBR", "topic": "maritime.piracy", "agreements": ["atlas"], "precedence": "ROUTINE",
           "mode": "live", "time": "2026-06-01T00:00:00Z", "expires": None, "only_to": None, "not_to": [],
           "sources": [], "approvals": [],
           "portions": [{"labels": list(labels), "content_type": "text/plain"} for labels in portions]}
    out.update(more)
    return out


def said(answer):
    return {d["recipient"]: (d["outcome"], [p["reason"] for p in d["portions"]]) for d in answer["decisions"]}


class Sample(unittest.TestCase):
    def test_its_expects_hold(self):
        policy = sample()
        got = said(model.decide(policy, facts([atlas("SECRET", "GBR", "NOR"), tlp("AMBER")])))
        self.assertEqual(got["NOR"], ("release", ["release"]))
        self.assertEqual(got["KEN"], ("withhold", ["classification"]))
        got = said(model.decide(policy, facts([atlas("SECRET", "ATLAS")])))
        self.assertEqual(got["KEN"], ("withhold", ["classification"]))
        got = said(model.decide(policy, facts([atlas("RESTRICTED", "ATLAS", handling=["FININT"]), tlp("GREEN")])))
        self.assertEqual(got["KEN"], ("withhold", ["forbidden"]))

    def test_a_tearline_is_redacted_down_to(self):
        got = said(model.decide(sample(), facts([atlas("SECRET", "GBR", "NOR")], [atlas("RESTRICTED", "ATLAS")])))
        self.assertEqual(got, {"KEN": ("redact", ["classification", "release"]),
                               "NOR": ("release", ["release", "release"])})

    def test_trap_1_a_label_without_releasability_is_for_the_originator_alone(self):
        got = said(model.decide(sample(), facts([atlas("UNCLASSIFIED")], [tlp("CLEAR")])))
        self.assertEqual(list(got.values()), [("withhold", ["no-releasability"] * 2)] * 2)

    def test_an_empty_list_of_recipients_is_nobody(self):
        got = said(model.decide(sample(), facts([atlas("UNCLASSIFIED", "ATLAS")], only_to=[])))
        self.assertEqual(list(got.values()), [("withhold", ["audience"])] * 2)

    def test_the_first_and_the_last_moment_of_an_agreement(self):
        portion = [atlas("UNCLASSIFIED", "ATLAS")]
        for time, refused in (("2025-12-31T23:59:59Z", True), ("2026-01-01T00:00:00Z", False),
                              ("2028-12-31T23:59:59Z", False), ("2029-01-01T00:00:00Z", True)):
            got = model.decide(sample(), facts(portion, time=time))
            self.assertEqual(got.get("refused"), "agreement-not-usable" if refused else None, time)

    def test_a_hold_is_approved_rejected_or_missed(self):
        what = {"kind": "review", "agreement": "atlas", "rule": "flash-review", "approver": "GBR"}
        where = {"recipient": "NOR", "portion": 0}
        flash = facts([atlas("SECRET", "NOR")], precedence="FLASH")
        got = model.decide(sample(), flash)["decisions"][1]
        self.assertEqual((got["outcome"], got["portions"][0]["obligations"]), ("hold", [what]))
        for decision, reason in (("approve", "release"), ("reject", "rejected")):
            got = said(model.decide(sample(), dict(flash, approvals=[dict(what, decision=decision, **where)])))
            self.assertEqual(got["NOR"][1], [reason])
        for opened, reason in (("2026-05-31T22:00:01Z", "review"), ("2026-05-31T22:00:00Z", "timed-out")):
            got = said(model.decide(sample(), dict(flash, opened=[dict(what, time=opened, **where)])))
            self.assertEqual(got["NOR"][1], [reason])

    def test_a_later_decision_only_narrows(self):
        before = [{"recipient": "NOR", "portion": 0, "agreements": ["atlas"]}]
        two = facts([atlas("RESTRICTED", "ATLAS")], [atlas("RESTRICTED", "ATLAS")], before=before)
        self.assertEqual(said(model.decide(sample(), two)), {"NOR": ("redact", ["release", "not-released-before"])})
        self.assertEqual(said(model.decide(sample(suspended=["atlas"]), two)),
                         {"NOR": ("hold", ["suspended", "not-released-before"])})
        self.assertEqual(said(model.decide(sample(), dict(two, time="2029-01-01T00:00:00Z"))),
                         {"NOR": ("withhold", ["agreement-ended", "not-released-before"])})

    def test_an_unknown_source_and_a_source_that_may_not_go_on(self):
        portion = [atlas("UNCLASSIFIED", "ATLAS")]
        source = {"id": "s", "originator": "KEN", "agreement": "atlas", "onward_to": []}
        for more, reason in (({"agreement": None}, "unknown-source"), ({"agreement": None, "via": "t"}, "onward"),
                             ({"agreement": "gone"}, "onward"), ({}, "consent"), ({"originator": "NOR"}, "release")):
            got = said(model.decide(sample(), facts(portion, sources=[dict(source, **more)])))
            self.assertEqual(got["NOR"][1], [reason], more)

    def test_names_compare_without_case_and_runs_of_white_space(self):
        odd = {"vocabulary": " atlas\t", "classification": "unclassified",
               "categories": {"RELEASABLE \n to": ["atlas", "ATLAS"]}}
        self.assertEqual(said(model.decide(sample(), facts([odd])))["NOR"], ("release", ["release"]))

    def test_refusals_in_their_order(self):
        good = [atlas("UNCLASSIFIED", "ATLAS")]
        for more, reason in (({"topic": ".".join(["a"] * 17), "agreements": []}, "limit"),
                             ({"agreements": []}, "no-agreement"), ({"agreements": ["x"]}, "agreement-not-usable"),
                             ({"not_to": ["HUB"]}, "unknown-audience"), ({"originator": "KEN"}, "agreement-not-usable")):
            self.assertEqual(model.decide(sample(), facts(good, [], **more)), {"refused": reason})
        self.assertEqual(model.decide(sample(), facts(good, [])), {"refused": "unlabelled"})
        for bad in (atlas("NONE", "ATLAS"), atlas("SECRET", "X"), dict(atlas("SECRET"), categories={"Handling": []}),
                    tlp("BLACK"), dict(tlp("RED"), vocabulary="X")):
            self.assertEqual(model.decide(sample(), facts(good, [bad])), {"refused": "invalid-label"}, json.dumps(bad))

    def test_each_limit_holds_at_it_and_one_past_it(self):
        for what in gen.LIMITS:
            for more in (0, 1):
                f = facts([atlas("UNCLASSIFIED", "ATLAS")])
                gen.at_limit(f, what, more)
                self.assertEqual(model.decide(sample(), f) == {"refused": "limit"}, more == 1, (what, more))


class Export(unittest.TestCase):
    """read.py, held against the golden export and terms."""

    def setUp(self):
        with open(os.path.join(GOLDEN, "export.txt"), encoding="utf-8") as f:
            self.text = f.read()

    def test_the_terms_are_those_that_were_pinned(self):
        for name, text in read.terms(self.text).items():
            with open(os.path.join(GOLDEN, name + ".terms"), encoding="utf-8") as f:
                self.assertEqual(text, f.read())

    def test_a_policy_that_was_read_back_decides_like_the_one_written_here(self):
        spifs = {}
        for path in glob.glob(os.path.join(GOLDEN, "in", "vocab", "*.xml")):
            with open(path, "rb") as f:
                spifs[hashlib.sha256(f.read()).hexdigest()] = path
        policy = model.Policy(read.read_policy(self.text, lambda digest: read_spif(spifs[digest])))
        for portion in ([atlas("SECRET", "GBR", "NOR"), tlp("AMBER")], [atlas("RESTRICTED", "ATLAS", handling=["FININT"])],
                        [atlas("RESTRICTED", "ATLAS"), tlp("GREEN")], [atlas("UNCLASSIFIED")], [tlp("RED")]):
            for precedence in model.PRECEDENCES:
                f = facts(portion, precedence=precedence)
                self.assertEqual(model.decide(policy, f), model.decide(sample(), f), f)


if __name__ == "__main__":
    unittest.main()
