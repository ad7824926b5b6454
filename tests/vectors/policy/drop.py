#!/usr/bin/python3
"""drop.py - no part of the sample policy is idle: without any one rule, or the equivalence, some row of sample.cases
gets another verdict.

usage: drop.py RELTO
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import run  # noqa: E402

SAMPLE = HERE.parent.parent / "policy-sample"
BLOCK = re.compile(r"^    (?:rule|equivalence) .*?^    }\n", re.M | re.S)
EXPECT = re.compile(r"^    expect [^\n]*\{\n.*?^    }\n|^    expect [^\n]*\n", re.M | re.S)


def verdicts(relto, folder, lines):
    got = subprocess.run([relto, "policy", "eval", str(folder), "--jsonl"], input=lines.encode(), capture_output=True,
                         check=False)
    if got.returncode != 0:
        sys.exit("%s: %s" % (folder, got.stderr.decode()))
    return [[[p["verdict"] for p in d["portions"]] for d in json.loads(x).get("decisions", [])]
            for x in got.stdout.decode().splitlines()]


def main():
    relto, idle, count = sys.argv[1], 0, 0
    rows = run.rows_of(HERE / "sample.cases")
    lines = "".join(json.dumps(run.facts_of(json.loads(r["facts"]))) + "\n" for r in rows)
    whole = verdicts(relto, SAMPLE, lines)
    for path in sorted((SAMPLE / "agreements.d").glob("*.policy")):
        text = EXPECT.sub("", path.read_text())
        for block in BLOCK.findall(text):
            with tempfile.TemporaryDirectory() as folder:
                copy = pathlib.Path(folder) / "policy"
                shutil.copytree(SAMPLE, copy)
                (copy / "agreements.d" / path.name).write_text(text.replace(block, ""))
                changed = sum(a != b for a, b in zip(whole, verdicts(relto, copy, lines)))
            name = block.strip().split("{")[0].strip()
            print("%s: without '%s' %d of %d rows differ" % (path.name, name, changed, len(rows)))
            count, idle = count + 1, idle + (changed == 0)
    print("%d parts, %d idle" % (count, idle))
    return 1 if idle or count < 9 else 0


if __name__ == "__main__":
    sys.exit(main())
