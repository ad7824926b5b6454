#!/usr/bin/python3
"""doc_labels.py - the commands in docs/labels.md print what stands below them, and its XML is what the standard asks for.

usage: doc_labels.py RELTO
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
TEXT = (ROOT / "docs/labels.md").read_text()
NS = "{urn:nato:stanag:4774:confidentialitymetadatalabel:1:0}"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
URI = re.compile(r"urn:oid:[0-2](\.[0-9]+)+")


def console():
    """(command, what it prints), in the order of the page."""
    for block in re.findall(r"^```console\n(.*?)^```$", TEXT, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, printed = part.partition("\n")
            yield command, printed


def write(top):
    """The files of the page."""
    (top / "policy").symlink_to(ROOT / "policy")
    (top / "trust").symlink_to(ROOT / "tests/policy-sample/trust")
    for _, name, body in re.findall(r"^```(xml|policy) (\S+)\n(.*?)^```$", TEXT, re.M | re.S):
        (top / name).write_text(body)


def must(what, good):
    if not good:
        raise SystemExit("not as ADatP-4774 has it: %s" % what)


def check_label(text):
    """Against the schema of ADatP-4774 (App. 1, Annex A) and the rules of its text."""
    must("its own canonical form", ET.canonicalize(text) == text)
    label = ET.fromstring(text)
    must("root", label.tag == NS + "originatorConfidentialityLabel")
    must("date of review", set(label.attrib) <= {"ReviewDateTime"} and all(map(MOMENT.fullmatch, label.attrib.values())))
    must("children", [c.tag for c in label] == [NS + "ConfidentialityInformation", NS + "CreationDateTime"])
    must("date of creation", MOMENT.fullmatch(label[1].text) and not label[1].attrib)
    policy, class_, *categories = label[0]
    must("policy", policy.tag == NS + "PolicyIdentifier" and policy.text.strip() and set(policy.attrib) <= {"URI"})
    must("classification", class_.tag == NS + "Classification" and class_.text.strip() and not class_.attrib)
    for c in categories:
        must("category", c.tag == NS + "Category" and {"Type", "TagName"} <= set(c.attrib) <= {"Type", "TagName", "URI"})
        must("type", c.attrib["Type"] in ("RESTRICTIVE", "PERMISSIVE", "INFORMATIVE"))
        must("values", len(c) and all(v.tag == NS + "GenericValue" and v.text and not v.attrib for v in c))
    for x in [policy, *categories]:
        must("URI", "URI" not in x.attrib or URI.fullmatch(x.attrib["URI"]))


def main():
    relto = os.path.abspath(sys.argv[1])
    count = xml = 0
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        write(top)
        for command, printed in console():
            got = subprocess.run(["sh", "-c", re.sub(r"^relto ", '"$RELTO" ', command)], cwd=top, capture_output=True,
                                 env=dict(os.environ, RELTO=relto), check=False)
            said = (got.stdout + got.stderr).decode()
            if said != printed:
                raise SystemExit("$ %s\n%s--- but the page says\n%s" % (command, said, printed))
            if "--xml" in command:
                check_label(said.rstrip("\n"))
                xml += 1
            count += 1
    print("%d commands, %d labels as XML" % (count, xml))
    return 0 if count >= 5 and xml else 1


if __name__ == "__main__":
    sys.exit(main())
