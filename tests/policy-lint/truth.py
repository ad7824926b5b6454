#!/usr/bin/python3
"""truth.py - what the linter says of rules is true: of the policies of tests/model/gen.py, without a rule that "never
matches" or "never changes" anything, every report that can be published is decided as with it.

usage: truth.py RELTO
"""
import copy
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "model"))
import gen  # noqa: E402
import model  # noqa: E402
import text  # noqa: E402

SEED = os.environ.get("RELTO_SEED", "lint")
POLICIES, REPORTS = 60, 150


def relto(*args, stdin=None):
    got = subprocess.run([sys.argv[1], "policy", *args], input=stdin, capture_output=True, check=False)
    if got.returncode != 0:
        sys.exit("%s: %s" % (args, got.stderr.decode()))
    return got.stdout.decode()


def trusted(folder):
    """`check` wants a hub and bundles to be named; it goes on without the files."""
    return json.loads(relto("check", "--json", "--at", "2020-01-01T00:00:00Z", folder))


def written(number, policy, folder):
    text.write_policy(random.Random("%s:%d:text" % (SEED, number)), policy, folder)
    return folder


def told(number, policy, folder):
    """(agreement, rule) of each warning; the rule stands in its line."""
    said = trusted(written(number, policy, folder))
    out = []
    for w in said["warnings"]:
        if w.get("name") in ("never-matches", "never-changes"):
            lines = pathlib.Path(folder, w["file"]).read_text().splitlines()[:w["line"]]
            agreement = [x.split()[1] for x in lines if x.startswith("agreement ")][-1]
            out.append((w["name"], agreement, lines[-1].split()[1].strip('"')))
    return out, len(said["undecided"])


def reports(r, policy):
    compiled = model.Policy(policy)
    out = []
    while len(out) < REPORTS:
        facts = gen.gen_facts(r, policy, compiled)
        if not facts.get("before") and "later" not in facts:
            out.append(json.dumps(facts))
    return "\n".join(out).encode() + b"\n"


def verdicts(answers):
    return [[(d["recipient"], [p["verdict"] for p in d["portions"]]) for d in json.loads(a).get("decisions", [])]
            for a in answers.splitlines()]


def without(policy, agreement, rule):
    out = copy.deepcopy(policy)
    a = next(a for a in out["agreements"] if a["name"] == agreement)
    a["rules"] = [x for x in a["rules"] if x["name"] != rule]
    return out


def main():
    count = wrong = released = undecided = 0
    for number in range(POLICIES):
        r = random.Random("%s:%d" % (SEED, number))
        policy = gen.gen_policy(r)
        with tempfile.TemporaryDirectory(prefix="relto-lint.") as top:
            warnings, open_ = told(number, policy, top + "/whole")
            undecided += open_
            if not warnings:
                continue
            lines = reports(r, policy)
            whole = verdicts(relto("eval", top + "/whole", "--jsonl", stdin=lines))
            released += sum(v == "release" for d in whole for _, p in d for v in p)
            for n, (name, agreement, rule) in enumerate(warnings):
                rest = written(number, without(policy, agreement, rule), "%s/%d" % (top, n))
                count += 1
                if verdicts(relto("eval", rest, "--jsonl", stdin=lines)) != whole:
                    print("seed %s, policy %d: %s, and yet: %s of %s" % (SEED, number, name, rule, agreement))
                    wrong += 1
    print("%d warnings of rules, %d wrong, %d undecided; %d portions released" % (count, wrong, undecided, released))
    return 1 if wrong or count < POLICIES // 2 or released < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
