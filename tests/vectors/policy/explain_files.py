#!/usr/bin/python3
"""explain_files.py - explain proposes no change to a clearance that stands in a file: it is somebody else's word.

usage: explain_files.py RELTO
"""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
PARTY = """party %s {
    trust-domain  %s.example
    trust-bundle  "trust/%s-ca.pem"
    agent /desk { roles [ publish subscribe ] }
}
"""
POLICY = """hub HUB
vocabulary TLP {
    spif  "vocab/tlp-2.0.spif.xml"
}
""" + "".join(PARTY % (name, name.lower(), name.lower()) for name in ("GBR", "KEN", "HUB")) + """agreement tlp {
    version  1
    valid    from 2026-01-01 until 2026-12-31
    state    in-force
    mode     live
    topics   [ maritime.> ]
    unmarked-portions releasable-to members
    member GBR { may [ originate ] }
    member KEN {
        may        [ receive ]
        clearance  %s
    }
    rule all {
        label  TLP at-most RED
        release
    }
}
"""
CLEARANCE = """<ConfidentialityClearance xmlns="urn:nato:stanag:4774:confidentialityclearance:1:0"
    xmlns:slab="urn:nato:stanag:4774:confidentialitymetadatalabel:1:0">
  <slab:PolicyIdentifier>TLP</slab:PolicyIdentifier>
  <ClassificationList><slab:Classification>CLEAR</slab:Classification></ClassificationList>
</ConfidentialityClearance>
"""


def explained(relto, top, clearance):
    """What would release a TLP:GREEN to KEN, who has CLEAR."""
    (top / "relto.policy").write_text(POLICY % clearance)
    got = subprocess.run([relto, "policy", "explain", str(top), "--from", "GBR", "--to", "KEN", "--topic", "maritime.piracy",
                          "--label", "TLP:GREEN", "--at", "2026-06-01T00:00:00Z"], capture_output=True, check=False)
    said = got.stdout.decode()
    if "clearance  withhold  classification" not in said:
        raise SystemExit(said + got.stderr.decode())
    return said.partition("smallest first:\n")[2].splitlines()


def main():
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        (top / "vocab").symlink_to(ROOT / "policy/vocab")
        (top / "trust").symlink_to(ROOT / "tests/policy-sample/trust")
        (top / "ken.xml").write_text(CLEARANCE)
        typed = explained(sys.argv[1], top, "TLP [ CLEAR ]")
        filed = explained(sys.argv[1], top, 'TLP file "ken.xml"')
    print("typed:", *typed, "filed:", *filed, sep="\n  ")
    change = "GREEN in the clearance of KEN in TLP"
    return 0 if any(change in x for x in typed) and not any("in the clearance of" in x for x in filed) else 1


if __name__ == "__main__":
    sys.exit(main())
