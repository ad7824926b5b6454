#!/usr/bin/python3
"""doc.py - the examples of docs/policy.md load, and what they promise holds.

usage: doc.py RELTO
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent


TEXT = (ROOT / "docs/policy.md").read_text()


def write(top):
    """The policy of the examples, as a folder; how many there are."""
    (top / "vocab").symlink_to(ROOT / "policy/vocab")
    (top / "trust").symlink_to(ROOT / "tests/policy-sample/trust")
    examples = re.findall(r"^```policy (\S+)\n(.*?)^```$", TEXT, re.M | re.S)
    for name, body in examples:
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_text(body)
    return len(examples)


def main():
    with tempfile.TemporaryDirectory() as folder:
        examples = write(pathlib.Path(folder))
        got = subprocess.run([sys.argv[1], "policy", "check", "--at", "2026-06-01T00:00:00Z", folder],
                             capture_output=True, check=False)
    said = (got.stdout + got.stderr).decode()
    print(said)
    reasons = set(re.findall(r'^R\(\w+,\s*"([a-z-]+)"', (ROOT / "policy/rules.def").read_text(), re.M))
    missing = [r for r in sorted(reasons) if "`%s`" % r not in TEXT]
    print("%d examples; reasons not explained: %s" % (examples, ", ".join(missing) or "none"))
    return 1 if got.returncode or "warning" in said or missing or examples != 2 else 0


if __name__ == "__main__":
    sys.exit(main())
