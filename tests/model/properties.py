#!/usr/bin/python3
"""properties.py - what holds for every policy and report, tried on random ones (docs/assurance.md).

usage: properties.py --kernel PATH [--policies N] [--seed S]

Each property is an edit of a policy or of a report, and what the kernel must then say: the same, the same in another
order, or nothing more open.  Of two policies only reports that neither refuses are compared.
"""
import argparse
import collections
import copy
import json
import os
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gen  # noqa: E402
import model  # noqa: E402
import text  # noqa: E402

RANK = {"release": 0, "hold": 1, "withhold": 2}
REPORTS = 40


def ask(kernel, r, policy, reports):
    """Per report a list of (recipient, [portion..]), or None where it is refused."""
    with tempfile.TemporaryDirectory(prefix="relto-properties.") as folder:
        text.write_policy(r, policy, folder)
        text.write_file(folder, "facts.jsonl", "".join(json.dumps(f) + "\n" for f in reports))
        got = subprocess.run([kernel, folder], capture_output=True, check=False)
    if got.returncode != 0:
        raise RuntimeError(got.stderr.decode()[-1500:])
    answers = [json.loads(a) for a in got.stdout.decode().splitlines()]
    if len(answers) != len(reports):
        raise RuntimeError("%d answers for %d reports" % (len(answers), len(reports)))
    return [[(d["recipient"], d["portions"]) for d in a["decisions"]] if "decisions" in a else None for a in answers]


def no_wider(before, after):
    for (who, old), (also, new) in zip(before, after):
        if who != also or any(RANK[n["verdict"]] < RANK[o["verdict"]] for o, n in zip(old, new)):
            return False
    return len(before) == len(after)


# ---- edits of a policy ----

def one_more_rule(r, policy):
    for a in policy["agreements"]:
        rule = gen.gen_rule(r, "%s-more" % r.choice("0aZ"), r.choice(["withhold", "hold"]),
                            [m["party"] for m in a["members"]], policy["vocabularies"])
        a["rules"].append(rule)


def less_cleared(r, policy):
    ranks = {v["name"]: v["classes"] for v in policy["vocabularies"]}
    for a in policy["agreements"]:
        for m in a["members"]:
            for c in m["clearances"]:
                if c["up_to"] is not None:
                    top = next(x["rank"] for x in ranks[c["vocabulary"]] if x["name"] == c["up_to"])
                    c["classes"], c["up_to"] = [x["name"] for x in ranks[c["vocabulary"]] if x["rank"] <= top], None
                for names in [c["classes"]] + [names for _, names in c["categories"]]:
                    if names and r.random() < 0.4:
                        names.remove(r.choice(names))


def shuffle(r, thing, key=None):
    """Every list whose order says nothing, in another order.  (Classes of a SPIF are numbered, and so are its values.)"""
    if isinstance(thing, dict):
        return {k: v if k == "vocabularies" else shuffle(r, v, k) for k, v in thing.items()}
    if not isinstance(thing, list):
        return thing
    pairs = key in ("precedence", "categories", "values") or (key == "classes" and thing and isinstance(thing[0], list))
    out = [x if pairs else shuffle(r, x) for x in thing]
    r.shuffle(out)
    return out


# ---- edits of a report ----

def more_left_out(r, policy, f):
    members = sorted({m["party"] for a in policy["agreements"] if a["name"] in f["agreements"] for m in a["members"]})
    f["not_to"] = f["not_to"] + [x for x in members if r.random() < 0.3 and x not in f["not_to"]]


def raise_class(r, policy, f):
    label = a_label(r, policy, f)
    here = next(x["rank"] for x in label[1]["classes"] if model.fold(x["name"]) == model.fold(label[0]["classification"]))
    higher = [x["name"] for x in label[1]["classes"] if x["rank"] >= here]
    label[0]["classification"] = r.choice(higher)


def add_restrictive(r, policy, f):
    label, v = a_label(r, policy, f)
    names = [(s["name"], x["name"]) for s in v["sets"] for t in s["tags"] if t["kind"] == "restrictive" for x in t["values"]]
    if names:
        s, name = r.choice(names)
        key = next((k for k in label["categories"] if model.fold(k) == model.fold(s)), s)
        label["categories"].setdefault(key, []).append(name)


def add_label(r, policy, f):
    """To a portion that has a label of a vocabulary with releasability: without one it is for the originator alone."""
    marked = {model.fold(v["name"]) for v in policy["vocabularies"] if v["releasability"]}
    able = [p for p in f["portions"] if any(model.fold(l["vocabulary"]) in marked for l in p["labels"])]
    if not able:
        return
    p = r.choice(able)
    there = {model.fold(l["vocabulary"]) for l in p["labels"]}
    fresh = [v for v in policy["vocabularies"] if model.fold(v["name"]) not in there]
    if fresh and len(p["labels"]) < 4:
        p["labels"].insert(r.randint(0, len(p["labels"])), gen.gen_label(r, r.choice(fresh), None))


def less_releasable(r, policy, f):
    label, v = a_label(r, policy, f)
    permissive = {(model.fold(s["name"]), model.fold(x["name"])) for s in v["sets"] for t in s["tags"]
                  if t["kind"] == "permissive" for x in t["values"] if s["name"] == v["releasability"]}
    for s, names in list(label["categories"].items()):
        able = [x for x in names if (model.fold(s), model.fold(x)) in permissive]
        if able:
            names.remove(r.choice(able))
        if not names:
            del label["categories"][s]


def a_label(r, policy, f):
    label = r.choice(r.choice(f["portions"])["labels"])
    return label, next(v for v in policy["vocabularies"] if model.fold(v["name"]) == model.fold(label["vocabulary"]))


# ---- policies of the second kind: closed downwards, release rules at-most and lacks, nothing unmarked ----

def tame(policy, equivalences):
    """The policy without what the second kind leaves out (docs/assurance.md says which and why)."""
    restrictive = set()
    for v in policy["vocabularies"]:
        for c in v["classes"]:
            c.update(required=[], obsolete=False)
        for s in v["sets"]:
            for t in s["tags"]:
                t.update(min=None, max=None, single=False)
                for x in t["values"]:
                    x.update(obsolete=False, not_before=None, not_after=None, required_class=None, required=[],
                             excluded=[], excluded_classes=[])
            if all(t["kind"] == "restrictive" for t in s["tags"]):
                restrictive.add((v["name"], s["name"]))
    ranks = {v["name"]: v["classes"] for v in policy["vocabularies"]}
    for a in policy["agreements"]:
        a.update(unmarked_labels=False, unmarked_portions=False, equivalences=a["equivalences"] if equivalences else [])
        for m in a["members"]:
            for c in m["clearances"]:
                if c["up_to"] is None and c["classes"]:
                    top = max(x["rank"] for x in ranks[c["vocabulary"]] if x["name"] in c["classes"])
                    c["up_to"] = next(x["name"] for x in ranks[c["vocabulary"]] if x["rank"] == top)
                    c["classes"] = []
        for rule in a["rules"]:
            good = ("at-most", "lacks") if rule["action"] == "release" else ("at-least", "has")
            rule["labels"] = [c for c in rule["labels"] if c["op"] in good and (
                "class" in c or (c["vocabulary"], c["category"]) in restrictive)]


# ---- the run ----

class Tally:
    def __init__(self):
        self.tried, self.bad, self.changed = collections.Counter(), [], collections.Counter()

    def note(self, name, good, before, after, where):
        self.tried[name] += 1
        self.changed[name] += before != after
        if not good:
            self.bad.append("%s: %s\n  before %s\n  after  %s" % (name, where, json.dumps(before), json.dumps(after)))


def policies_edited(kernel, r, policy, reports, tally, where):
    base = ask(kernel, r, policy, reports)
    for name, edit in (("one more rule that withholds or holds only narrows", one_more_rule),
                       ("a smaller clearance only narrows", less_cleared)):
        other = copy.deepcopy(policy)
        edit(r, other)
        for f, x, y in zip(reports, base, ask(kernel, r, other, reports)):
            if x is not None and y is not None and f.get("before") is None and f.get("backfill") is None:
                tally.note(name, no_wider(x, y), x, y, where)
    for f, x, y in zip(reports, base, ask(kernel, r, shuffle(r, policy), reports)):
        tally.note("the order of files, statements, rules and lists changes nothing", x == y, x, y, where)


def reports_edited(kernel, r, policy, reports, tally, where, edits):
    first = [f for f in reports if f.get("before") is None and f.get("backfill") is None]
    base = ask(kernel, r, policy, first)
    for name, edit in edits:
        others = copy.deepcopy(first)
        for f, x in zip(others, base):
            if x is not None:
                edit(r, policy, f)
        for x, y in zip(base, ask(kernel, r, policy, others)):
            if x is not None and y is not None:
                tally.note(name, no_wider(x, y), x, y, where)


def portions_turned(kernel, r, policy, reports, tally, where):
    turned, orders = [], []
    for f in reports:
        order = list(range(len(f["portions"])))
        r.shuffle(order)
        orders.append(order)
        t = copy.deepcopy(f)
        t["portions"] = [f["portions"][i] for i in order]
        for entry in t["approvals"] + (t.get("opened") or []) + (t.get("before") or []):
            entry["portion"] = order.index(entry["portion"])
        turned.append(t)
    for order, x, y in zip(orders, ask(kernel, r, policy, reports), ask(kernel, r, policy, turned)):
        back = x if x is None else [(who, [dict(ps[i], portion=n) for n, i in enumerate(order)]) for who, ps in x]
        tally.note("the order of portions changes nothing", back == y, x, y, where)


def one_policy(kernel, seed, n, tally):
    r = random.Random("%s:%d" % (seed, n))
    where = "seed %s, policy %d" % (seed, n)
    policy = gen.gen_policy(r)
    compiled = model.Policy(policy)
    reports = [gen.gen_facts(r, policy, compiled) for _ in range(REPORTS)]
    policies_edited(kernel, r, policy, reports, tally, where)
    portions_turned(kernel, r, policy, reports, tally, where)
    reports_edited(kernel, r, policy, reports, tally, where,
                   [("a longer list of those left out only narrows", more_left_out)])
    for equivalences in (True, False):
        tamed = copy.deepcopy(policy)
        tame(tamed, equivalences)
        edits = [("one more restrictive value only narrows (second kind)", add_restrictive)]
        if not equivalences:
            edits += [("a higher classification only narrows (second kind, nothing mapped)", raise_class),
                      ("one more label only narrows (second kind, nothing mapped)", add_label),
                      ("less releasable only narrows (second kind, nothing mapped)", less_releasable)]
        reports_edited(kernel, r, tamed, reports, tally, where, edits)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kernel", required=True)
    p.add_argument("--policies", type=int, default=400 if os.environ.get("RELTO_CHECK_FULL") == "1" else 40)
    p.add_argument("--seed", default=os.environ.get("RELTO_SEED", "1"))
    args = p.parse_args()
    tally = Tally()
    for n in range(args.policies):
        one_policy(os.path.abspath(args.kernel), args.seed, n, tally)
    for name, count in tally.tried.items():
        print("%6d reports, %5d decided otherwise: %s" % (count, tally.changed[name], name))
    print("\n".join(x[:3000] for x in tally.bad[:3]))
    print("seed %s: %d policies, %d broken" % (args.seed, args.policies, len(tally.bad)))
    return 1 if tally.bad or not all(tally.tried.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
