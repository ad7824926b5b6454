#!/usr/bin/python3
"""groups.py - what 'clearance file' and 'groups-of' make of random files and membership lists, against a second reading.

Each case is a SPIF with lists (dates, obsolete, wrong lacv, doubles, strange attributes), a clearance in XML and an
agreement with dates.  What a member holds in the canonical export must be what stands in the files, read here with
another parser and with sets of names.

usage: groups.py RELTO [--cases N] [--seed S]
"""
import argparse
import datetime
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LISTS = "urn:nato:stanag:4774:spif:extensions:1:0"
CLEARANCE = "urn:nato:stanag:4774:confidentialityclearance:1:0"
LABEL = "urn:nato:stanag:4774:confidentialitymetadatalabel:1:0"
SPIF = "http://www.xmlspif.org/spif"
NAMES = ["GBR", "KEN", "NOR", "ATLAS", "HARBOUR", "Sea Watch"]
SETS = {"Releasable To": "permissive", "Context": "permissive", "Caveat": "restrictive"}
CLASSES = ["LOW", "MIDDLE", "HIGH"]
DAYS = [datetime.date(2026, 1, 1) + datetime.timedelta(days=30 * n) for n in range(14)]
PARTY = """party %s {
    trust-domain  %s.example
    trust-bundle  "trust/%s-ca.pem"
    agent /desk { roles [ publish subscribe ] }
}
"""


def spelt(r, name):
    """As somebody else would write it: names compare without case and with white space folded."""
    return r.choice([name, name, name.lower(), " " + name, name.replace(" ", "  ")])


def make_lists(r):
    out = []
    for group in r.sample(NAMES + ["Nobody"], r.randint(1, 5)) + (["atlas"] if r.random() < 0.1 else []):
        x = ET.Element("{%s}membership" % LISTS, {"{%s}name" % LISTS: spelt(r, group)})
        dates(r, x, 0.2)
        for _ in range(r.randint(0, 5)):
            name = r.choice(NAMES + ["WSM"])
            m = ET.SubElement(x, "{%s}member" % LISTS, {"{%s}name" % LISTS: spelt(r, name)})
            if r.random() < 0.6:
                right = NAMES.index(name) + 1 if name in NAMES and r.random() < 0.9 else 77
                m.set(r.choice(["lacv", "{%s}lacv" % LISTS]), "%0*d" % (r.choice([1, 3]), right))
            dates(r, m, 0.4)
        out.append(x)
    return out


def dates(r, x, chance):
    for name in ("notBefore", "notAfter"):
        if r.random() < chance:
            day = r.choice(DAYS).isoformat()
            x.set("{%s}%s" % (LISTS, name), r.choice([day, day + "T12:00:00Z", day.replace("-", "") + "000000Z", "soon"])
                  if r.random() < 0.3 else day)
    if r.random() < chance / 3:
        x.set("{%s}obsolete" % LISTS, r.choice(["true", "false", "1", "0"]))
    if r.random() < chance / 8:
        x.set("{%s}until" % LISTS, "2030-01-01")


def make_spif(r, lists):
    root = ET.Element("{%s}SPIF" % SPIF, {"schemaVersion": "2.1"})
    ET.SubElement(root, "{%s}securityPolicyId" % SPIF, {"name": "P", "id": "1.2"})
    classes = ET.SubElement(root, "{%s}securityClassifications" % SPIF)
    for n, name in enumerate(CLASSES):
        ET.SubElement(classes, "{%s}securityClassification" % SPIF, {"name": name, "lacv": str(n), "hierarchy": str(n)})
    sets = ET.SubElement(root, "{%s}securityCategoryTagSets" % SPIF)
    for set_, kind in SETS.items():
        tagset = ET.SubElement(sets, "{%s}securityCategoryTagSet" % SPIF, {"name": set_})
        tag = ET.SubElement(tagset, "{%s}securityCategoryTag" % SPIF, {"tagType": kind})
        for name in NAMES if set_ != "Context" else r.sample(NAMES, 4):
            ET.SubElement(tag, "{%s}tagCategory" % SPIF, {"name": name, "lacv": str(NAMES.index(name) + 1)})
    ET.SubElement(ET.SubElement(root, "{%s}extensions" % SPIF), "{%s}memberships" % LISTS).extend(lists)
    return root


def make_clearance(r):
    root = ET.Element("{%s}ConfidentialityClearance" % CLEARANCE)
    ET.SubElement(root, "{%s}PolicyIdentifier" % LABEL).text = "p"
    classes = ET.SubElement(root, "{%s}ClassificationList" % CLEARANCE)
    for name in r.sample(CLASSES, r.randint(1, 3)):
        ET.SubElement(classes, "{%s}Classification" % LABEL).text = spelt(r, name)
    for set_, kind in list(SETS.items()) + [("Else", "permissive")]:
        x = ET.SubElement(root, "{%s}Category" % LABEL, {"TagName": set_, "Type": kind.upper()})
        for name in r.sample(NAMES + ["WSM"], r.randint(0, 4)):
            ET.SubElement(x, "{%s}GenericValue" % LABEL).text = spelt(r, name)
    return root


# ---- the second reading ----

def fold(name):
    return re.sub("[ \t\r\n]+", " ", name.strip(" \t\r\n")).lower()


def attribute(x, name):
    return x.get("{%s}%s" % (LISTS, name), x.get(name))


def moment(text, late):
    """As a datetime; None if it is none."""
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y%m%d%H%M%SZ"):
        try:
            t = datetime.datetime.strptime(text, form)
        except ValueError:
            continue
        return t + datetime.timedelta(days=1, microseconds=-1) if late and form == "%Y-%m-%d" else t
    return None


def counts(x, begin, last):
    """Whether a list or member says what we understand, and holds from 'begin' to 'last', both included."""
    known = {"name", "lacv", "obsolete", "notBefore", "notAfter"}
    if {re.sub("^{.*}", "", a) for a in x.attrib} - known or attribute(x, "obsolete") in ("true", "1"):
        return False
    for name, good in (("notBefore", lambda t: t <= begin), ("notAfter", lambda t: t >= last)):
        text = attribute(x, name)
        t = moment(text, name == "notAfter") if text is not None else None
        if text is not None and (t is None or not good(t)):
            return False
    return True


def groups_of(spif, set_, value, begin, last):
    """The groups of a category that the lists give to whoever holds a value."""
    tagset = next(x for x in spif.iter("{%s}securityCategoryTagSet" % SPIF) if x.get("name") == set_)
    lacv = {fold(x.get("name")): x.get("lacv") for x in tagset.iter("{%s}tagCategory" % SPIF)}
    lists = list(spif.iter("{%s}membership" % LISTS))
    names = [fold(attribute(x, "name")) for x in lists]
    out = set()
    for name, x in zip(names, lists):
        if name not in lacv or names.count(name) > 1 or not counts(x, begin, last):
            continue
        for m in x:
            given = attribute(m, "lacv")
            if fold(attribute(m, "name")) == fold(value) and counts(m, begin, last) and (
                    given is None or int(given) == int(lacv[fold(value)])):
                out.add(name)
    return out


def expected(spif, clearance, asked, begin, last):
    """{category: set of names} and the classifications, as folded names."""
    known = {x.get("name"): {fold(v.get("name")) for v in x.iter("{%s}tagCategory" % SPIF)}
             for x in spif.iter("{%s}securityCategoryTagSet" % SPIF)}
    held = {x.get("TagName"): {fold(v.text) for v in x} & known[x.get("TagName")]
            for x in clearance.iter("{%s}Category" % LABEL) if x.get("TagName") in known}
    classes = {fold(x.text) for x in clearance.iter("{%s}Classification" % LABEL)}
    more = {set_: set().union(*[groups_of(spif, set_, v, begin, last) for s, v in asked if s == set_]) for set_ in held}
    return {k: v | more[k] for k, v in held.items() if v | more[k]}, classes


def exported(text):
    block = re.search(r"^    member KEN \{\n(.*?)^    \}$", text, re.M | re.S).group(1)
    head = re.search(r"clearance P \[(.*?)\]", block).group(1)
    held = {}
    for line in re.findall(r'^            (.*) \[(.*)\]$', block, re.M):
        held[line[0].strip('"')] = {fold(a or b) for a, b in re.findall(r'"([^"]*)"|(\S+)', line[1])}
    return held, {fold(x) for x in head.split()}


def write_policy(top, asked, first, until):
    statements = "".join('        groups-of P "%s" "%s"\n' % a for a in asked)
    (top / "relto.policy").write_text(
        "hub HUB\nvocabulary P {\n    spif \"p.xml\"\n}\n" +
        "".join(PARTY % (p, p.lower(), p.lower()) for p in ("GBR", "HUB", "KEN")) +
        "agreement a {\n    version 1\n    valid from %s until %s\n    state in-force\n    mode live\n    topics [ x ]\n"
        "    member KEN {\n        may [ receive ]\n        clearance file \"c.xml\"\n%s    }\n}\n" % (first, until, statements))


def run_case(relto, top, r):
    lists, first, until = make_lists(r), *sorted(r.sample(DAYS, 2))
    spif, clearance = make_spif(r, lists), make_clearance(r)
    ET.ElementTree(spif).write(top / "p.xml")
    ET.ElementTree(clearance).write(top / "c.xml")
    held, _ = expected(spif, clearance, [], None, None)
    may = [(s, v) for s in ("Releasable To", "Context") for v in NAMES if fold(v) in held.get(s, ())]
    asked = r.sample(may, r.randint(0, len(may)))
    write_policy(top, asked, first, until)
    got = subprocess.run([relto, "policy", "export", str(top)], capture_output=True, check=False)
    if got.returncode:
        return "exit %d: %s" % (got.returncode, got.stderr.decode())
    begin = datetime.datetime.combine(first, datetime.time())
    last = datetime.datetime.combine(until, datetime.time.max)
    wanted, have = expected(spif, clearance, asked, begin, last), exported(got.stdout.decode())
    return None if wanted == have else "asked %s\nwanted %s\nhave   %s" % (asked, wanted, have), wanted[0] != held


def main():
    p = argparse.ArgumentParser()
    p.add_argument("relto")
    p.add_argument("--cases", type=int, default=300)
    p.add_argument("--seed", default=os.environ.get("RELTO_SEED", "groups"))
    a = p.parse_args()
    grown = 0
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        (top / "trust").symlink_to(ROOT / "tests/policy-sample/trust")
        for n in range(a.cases):
            wrong, grew = run_case(a.relto, top, random.Random("%s:%d" % (a.seed, n)))
            grown += grew
            if wrong:
                print("seed %s, case %d\n%s" % (a.seed, n, wrong))
                print((top / "p.xml").read_text(), (top / "c.xml").read_text(), sep="\n")
                return 1
    print("%d cases; in %d of them a list added a group" % (a.cases, grown))
    return 0 if a.cases < 100 or grown > a.cases // 20 else 1


if __name__ == "__main__":
    sys.exit(main())
