#!/usr/bin/python3
"""lattice.py - every label against every clearance of a small lattice: the kernel against the second evaluator.

usage: lattice.py --kernel PATH [--full]

Two vocabularies of three classifications and two categories each: V with Rel (permissive, X and Y) and Hand
(restrictive, H), W with Eyes (permissive, E) and Care (restrictive, R); Rel is V's releasability category.

  alone   every portion of one or two labels, in both orders, for a member of every clearance in V and W (three
          agreements, since one has no room for all), under rules that release, hold and withhold
  mapped  the same with W mapped into V, and V into W, for every clearance in the one that is mapped into
  pairs   three parties: every label of V for every two clearances of the two that receive

--full adds the same under "unmarked-labels" and "unmarked-portions"; without it, portions that differ only in X and Y,
which the rules of 'alone' treat alike, are judged once.
"""
import argparse
import itertools
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import json  # noqa: E402
import model  # noqa: E402
import text  # noqa: E402

CLASSES = ["LOW", "MID", "TOP"]
REASONS = list(model.WITHHOLD) + ["signer-revoked", "consent", "review", "release"]
LETTER = {reason: chr(ord("A") + i) for i, reason in enumerate(REASONS)}
SETS = {"V": (("Rel", "permissive", ["X", "Y"]), ("Hand", "restrictive", ["H"])),
        "W": (("Eyes", "permissive", ["E"]), ("Care", "restrictive", ["R"]))}
FACTS = {"originator": "AAA", "topic": "t", "precedence": "ROUTINE", "mode": "live", "time": "2026-06-01T00:00:00Z",
         "expires": None, "only_to": None, "not_to": [], "sources": [], "approvals": []}


def subsets(items):
    return [list(c) for n in range(len(items) + 1) for c in itertools.combinations(items, n)]


def vocabulary(name, releasability):
    def value(n, lacv):
        return {"name": n, "lacv": lacv, "obsolete": False, "not_before": None, "not_after": None,
                "required_class": None, "required": [], "excluded": [], "excluded_classes": []}
    return {"name": name, "releasability": releasability,
            "classes": [{"name": c, "lacv": i, "rank": i, "obsolete": False, "required": []}
                        for i, c in enumerate(CLASSES)],
            "sets": [{"name": s, "tags": [{"name": s, "kind": kind, "enumerated": False, "min": None, "max": None,
                                           "single": False, "values": [value(v, i) for i, v in enumerate(values)]}]}
                     for s, kind, values in SETS[name]]}


def labels(name):
    """Every label of the vocabulary."""
    picks = [[(s, chosen) for chosen in subsets(values)] for s, _, values in SETS[name]]
    return [{"vocabulary": name, "classification": c, "categories": {s: v for s, v in picked if v}}
            for c in CLASSES for picked in itertools.product(*picks)]


def clearances(name):
    """Every clearance in the vocabulary, and none."""
    picks = [[[s, chosen] for chosen in subsets(values)] for s, _, values in SETS[name]]
    return [None] + [{"vocabulary": name, "up_to": None, "classes": c, "categories": list(picked)}
                     for c in subsets(CLASSES) for picked in itertools.product(*picks)]


def portions():
    v, w = labels("V"), labels("W")
    return [[x] for x in v] + [[y] for y in w] + [both for x in v for y in w for both in ([x, y], [y, x])]


def rule(name, action, *conditions, to=()):
    return {"name": name, "from": [], "to": [list(to)] if to else [], "topics": [], "precedence": [], "content": [],
            "labels": list(conditions), "action": action, "approver": "AAA" if action == "hold" else None,
            "within": 60 if action == "hold" else None}


def at(op, name, classification):
    return {"vocabulary": name, "op": op, "class": classification}


def has(op, name, category, value=None):
    return {"vocabulary": name, "op": op, "category": category, "value": value}


RULES = {"V": [rule("v", "release", at("at-most", "V", "MID")),
               rule("v-top", "release", at("is", "V", "TOP"), has("lacks", "V", "Hand"))],
         "W": [rule("w", "release", at("at-least", "W", "LOW"))]}
LIMITS = [rule("both", "withhold", has("has", "W", "Care", "R"), at("at-least", "V", "MID")),
          rule("look", "hold", has("has", "V", "Rel"), at("is", "W", "MID"))]


def member(party, cleared, originate=False):
    return {"party": party, "originate": originate, "receive": not originate, "at_most": "FLASH",
            "clearances": [c for c in cleared if c]}


def agreement(name, members, rules, equivalences=(), unmarked=False):
    first = member("AAA", [c for c in (clearances("V")[-1], clearances("W")[-1])
                           if any(k and k["vocabulary"] == c["vocabulary"] for m in members for k in m["clearances"])],
                   originate=True)
    return {"name": name, "title": name, "version": 1, "from": "2026-01-01", "until": "2026-12-31",
            "state": "in-force", "mode": "live", "topics": ["t"], "unmarked_labels": unmarked,
            "unmarked_portions": unmarked, "backfill": False, "require_cosign": False, "onward": None, "members": [first] + members,
            "equivalences": list(equivalences), "rules": list(rules)}


def swapped(thing):
    """With X and Y in each other's place."""
    return json.loads(json.dumps(thing).replace('"X"', '"_"').replace('"Y"', '"X"').replace('"_"', '"Y"'))


def key(thing):
    return json.dumps(thing, sort_keys=True)


def once(label_list):
    """Of label lists that only X and Y tell apart, one: the other is judged for the swapped clearances."""
    out, seen = [], set()
    for ls in label_list:
        twin = swapped(ls)
        for l in twin:
            for s in l["categories"]:
                l["categories"][s] = sorted(l["categories"][s])
        if key(twin) not in seen:
            seen.add(key(ls))
            out.append(ls)
    return out


def in_agreements(name, cleared, rules, size, **more):
    """Agreements with a member for each of 'cleared', at most 'size' each."""
    parts = [cleared[i:i + size] for i in range(0, len(cleared), size)]
    return [agreement("%s%d" % (name, n), [member("P%04d" % i, c) for i, c in enumerate(part)], rules, **more)
            for n, part in enumerate(parts)]


W_TO_V = {"from": "W", "to": "V", "classes": [["LOW", "LOW"], ["TOP", "MID"]],
          "values": [["Eyes", "E", "Rel", "X"], ["Care", "R", "Hand", "H"]]}
V_TO_W = {"from": "V", "to": "W", "classes": [["LOW", "LOW"], ["MID", "MID"], ["TOP", "TOP"]],
          "values": [["Rel", "X", "Eyes", "E"], ["Hand", "H", "Care", "R"]]}


def part_alone(unmarked):
    cleared = list(itertools.product(clearances("V"), clearances("W")))
    return in_agreements("alone", cleared, RULES["V"] + RULES["W"] + LIMITS, 1000, unmarked=unmarked)


def part_mapped(unmarked):
    v = [(c,) for c in clearances("V")]
    w = [(c,) for c in clearances("W")]
    return (in_agreements("w-to-v", v, RULES["V"] + LIMITS, 1000, equivalences=[W_TO_V], unmarked=unmarked)
            + in_agreements("v-to-w", w, RULES["W"] + LIMITS, 1000, equivalences=[V_TO_W], unmarked=unmarked))


def part_pairs(unmarked):
    rules = RULES["V"] + [rule("not-b", "withhold", has("has", "V", "Hand"), to=["BBB"])]
    both = itertools.combinations_with_replacement([c for c in clearances("V") if c], 2)
    return [agreement("pair%04d" % n, [member("BBB", [x]), member("CCC", [y])], rules, unmarked=unmarked)
            for n, (x, y) in enumerate(both)]


def jobs(full):
    ps = portions() if full else once(portions())
    alone_v = [[l] for l in labels("V")]
    out = []
    for unmarked in ([False, True] if full else [False]):
        said = " unmarked" if unmarked else ""
        for n, a in enumerate(part_alone(unmarked)):
            out.append(("alone %d%s" % (n, said), [a], ps))
        out.append(("mapped" + said, part_mapped(unmarked), portions()))
        pairs = part_pairs(unmarked)
        for i in range(0, len(pairs), 700):
            out.append(("pairs %d%s" % (i, said), pairs[i:i + 700], alone_v))
    return out


def wanted(policy, facts, a):
    members = sorted((m for m in a.members if a.receives(m)), key=str.encode)
    asked = (model.Ask(policy, a, facts, r, n) for r in members for n in range(len(facts["portions"])))
    return "".join(LETTER[q.judge()["reason"]] for q in asked)


def run(job):
    """(name, verdicts, differences as lines)"""
    kernel, name, agreements, portion_list = job
    parties = sorted({m["party"] for a in agreements for m in a["members"]}) + ["HUB"]
    spec = {"vocabularies": [vocabulary("V", "Rel"), vocabulary("W", None)], "parties": parties, "suspended": [],
            "agreements": agreements}
    policy, lines, want = model.Policy(spec), [], []
    for a in agreements:
        for p in portion_list:
            given = dict(FACTS, agreements=[a["name"]], portions=[{"labels": p, "content_type": "text/plain"}])
            lines.append(json.dumps(given))
            want.append(wanted(policy, model.prepare(policy, given), policy.agreements[a["name"]]))
    with tempfile.TemporaryDirectory(prefix="relto-lattice.") as folder:
        text.write_policy(random.Random("lattice"), spec, folder)
        text.write_file(folder, "facts.jsonl", "".join(x + "\n" for x in lines))
        got = subprocess.run([kernel, "--brief", folder], capture_output=True, check=False)
    if got.returncode != 0:
        return name, 0, ["%s: exit %d: %s" % (name, got.returncode, got.stderr.decode()[-2000:])]
    answers = got.stdout.decode().splitlines()
    bad = ["%s: %s\n  want %s\n  got  %s" % (name, line, w, g) for line, w, g in zip(lines, want, answers) if w != g]
    if len(answers) != len(lines):
        bad.append("%s: %d answers for %d lines" % (name, len(answers), len(lines)))
    return name, sum(len(w) for w in want), bad, {c for w in want for c in w}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kernel", required=True)
    p.add_argument("--full", action="store_true", default=os.environ.get("RELTO_CHECK_FULL") == "1")
    p.add_argument("--jobs", type=int, default=2)
    args = p.parse_args()
    began = time.time()
    with multiprocessing.Pool(args.jobs) as pool:
        done = pool.map(run, [(os.path.abspath(args.kernel),) + j for j in jobs(args.full)], chunksize=1)
    bad = [line for d in done for line in d[2]]
    print("\n".join(line[:3000] for line in bad[:5]))
    seen = sorted({REASONS[ord(c) - ord("A")] for d in done if len(d) > 3 for c in d[3]}, key=REASONS.index)
    print("reasons: %s" % " ".join(seen))
    print("%d parts, %d verdicts%s, %d differences, %.0f s" % (
        len(done), sum(d[1] for d in done), "" if args.full else " (portions alike but for X and Y: once)",
        len(bad), time.time() - began))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
