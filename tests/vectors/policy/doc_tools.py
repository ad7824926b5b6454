#!/usr/bin/python3
"""doc_tools.py - what docs/policy.md says that fmt and the linter make of its examples is what they make of them.

usage: doc_tools.py RELTO
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
TEXT = (ROOT / "docs/policy.md").read_text()


def block(kind):
    return re.search(r"^```%s\n(.*?)^```$" % kind, TEXT, re.M | re.S).group(1)


def relto(*args):
    got = subprocess.run([sys.argv[1], "policy", *args], capture_output=True, check=False)
    return got.returncode, got.stderr.decode()


def warnings(top):
    """Of the policy of the page with the rules of ```warned in its agreement."""
    (top / "vocab").symlink_to(ROOT / "policy/vocab")
    (top / "trust").symlink_to(ROOT / "tests/policy-sample/trust")
    for name, body in re.findall(r"^```policy (\S+)\n(.*?)^```$", TEXT, re.M | re.S):
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_text(body)
    agreement = top / "agreements.d/atlas.policy"
    agreement.write_text(agreement.read_text().rstrip()[:-1] + block("warned") + "}\n")
    code, said = relto("check", "--at", "2026-06-01T00:00:00Z", str(top))
    return re.findall(r": warning: (.*)", said) if code == 0 else said


def laid_out(path):
    path.write_text(block("unformatted"))
    return path.read_text() if relto("fmt", str(path))[0] == 0 else None


def main():
    with tempfile.TemporaryDirectory() as folder:
        said, text = warnings(pathlib.Path(folder)), laid_out(pathlib.Path(folder) / "fragment")
    print(said, text, sep="\n")
    return 0 if said == block("warning").splitlines() and text == block("formatted") else 1


if __name__ == "__main__":
    sys.exit(main())
