#!/usr/bin/python3
"""diff.py - the C kernel against the second evaluator, on random policies and reports.

usage: diff.py [--decisions N] [--seed S] [--relto PATH] [--kernel PATH] [--save DIR] [--jobs N]
       diff.py --case DIR [--relto PATH]      one stored case (policy, facts.jsonl, expected.jsonl)

A decision is one portion judged for one recipient.  Each policy comes from the seed "S:number" alone, so one line of
output is enough to see a difference again:  diff.py --seed S --only NUMBER.  Differences are shrunk, element by
element, to a small policy folder with one line of facts, and kept in --save.
Exit: 0 no difference, 1 some, 2 could not run.
"""
import argparse
import collections
import copy
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import gen  # noqa: E402
import model  # noqa: E402
import text  # noqa: E402

LINES_PER_POLICY = 60
MALFORMED = {"refused": "malformed"}
KEPT_DIFFERENCES = 5


def run_relto(relto, folder, lines):
    """(answers as parsed lines, "") or (None, what went wrong)."""
    got = subprocess.run([relto, "policy", "eval", folder, "--jsonl"], input="".join(x + "\n" for x in lines).encode(),
                         capture_output=True, timeout=120)
    if got.returncode != 0:
        return None, "exit %d: %s" % (got.returncode, got.stderr.decode(errors="replace")[-2000:])
    answers = got.stdout.decode().splitlines()
    if len(answers) != len(lines):
        return None, "%d lines for %d; %s" % (len(answers), len(lines), got.stderr.decode(errors="replace")[-2000:])
    try:
        return [json.loads(a, object_pairs_hook=no_twins) for a in answers], ""
    except ValueError as e:
        return None, "bad JSON: %s" % e


def run_kernel(kernel, folder, lines):
    """The same of the test program 'kernel', which tells all of a decision and judges each member by itself too."""
    text.write_file(folder, "facts.jsonl", "".join(x + "\n" for x in lines))
    got = subprocess.run([kernel, folder], capture_output=True, timeout=120, check=False)
    if got.returncode != 0:
        return None, "kernel, exit %d: %s" % (got.returncode, got.stderr.decode(errors="replace")[-2000:])
    answers = got.stdout.decode().splitlines()
    if len(answers) != len(lines):
        return None, "kernel: %d lines for %d" % (len(answers), len(lines))
    return [json.loads(a, object_pairs_hook=no_twins) for a in answers], ""


def no_twins(pairs):
    if len({k for k, _ in pairs}) != len(pairs):
        raise ValueError("a key twice: %s" % [k for k, _ in pairs])
    return dict(pairs)


def lines_of(r, policy, compiled):
    """(line, facts or None) for one policy."""
    out = []
    for _ in range(LINES_PER_POLICY):
        facts = gen.gen_facts(r, policy, compiled)
        if gen.chance(r, 0.03):
            out.append((gen.malformed(r, facts), None))
        else:
            out.append((json.dumps(facts, ensure_ascii=gen.chance(r, 0.5)), facts))
    return out


def answer(compiled, facts):
    return MALFORMED if facts is None else model.decide_whole(compiled, facts)


class Tally:
    def __init__(self):
        self.decisions, self.lines, self.policies, self.reasons, self.differences = 0, 0, 0, collections.Counter(), []

    def count(self, expected):
        self.lines += 1
        if "refused" in expected:
            self.reasons["refused " + expected["refused"]] += 1
        for d in expected.get("decisions", []):
            self.decisions += len(d["portions"])
            self.reasons.update("%s %s" % (p["verdict"], p["reason"]) for p in d["portions"])


def differs(whole, told, eval_said):
    """Whether what the kernel told of a decision, or eval said of it, is not what the model says: (got, expected)."""
    if told is not None and told != whole:
        return told, whole
    return (eval_said, model.shown(whole)) if eval_said != model.shown(whole) else None


def one_policy(programs, seed, number, tally):
    relto, kernel = programs
    r = random.Random("%s:%d" % (seed, number))
    policy = gen.gen_policy(r)
    compiled = model.Policy(policy)
    asked = lines_of(r, policy, compiled)
    tally.policies += 1
    with tempfile.TemporaryDirectory(prefix="relto-model.") as folder:
        text.write_policy(random.Random("%s:%d:text" % (seed, number)), policy, folder)
        answers, trouble = run_relto(relto, folder, [line for line, _ in asked])
        told = [None] * len(asked)
        if kernel and answers is not None:
            told, trouble = run_kernel(kernel, folder, [line for line, _ in asked])
    if answers is None or told is None:
        tally.differences.append({"policy": policy, "line": None, "facts": None, "number": number, "trouble": trouble})
        return
    for (line, facts), whole, got in zip(asked, told, answers):
        expected = answer(compiled, facts)
        tally.count(expected)
        difference = differs(expected, whole, got)
        if difference:
            tally.differences.append({"policy": policy, "line": line, "facts": facts, "number": number,
                                      "got": difference[0], "expected": difference[1]})


def work(job):
    programs, seed, first, step, decisions = job
    tally, number = Tally(), first
    while tally.decisions < decisions and len(tally.differences) < 200:
        one_policy(programs, seed, number, tally)
        number += step
    return tally


# ---- shrinking ----

def kind_of(expected, got):
    """What sort of difference it is, so that shrinking does not wander to another one."""
    if "refused" in expected or "refused" in got:
        return expected.get("refused"), got.get("refused")
    for e, g in zip(expected["decisions"], got["decisions"]):
        for p, q in zip(e["portions"], g["portions"]):
            if p != q:
                return p["reason"], q["reason"], [k for k in p if p[k] != q.get(k)]
    return "outcome" if expected["decisions"] != got["decisions"] else "good_until"


class Shrinker:
    """Takes elements away while the kernel and the model still differ in the same way."""

    def __init__(self, programs, deadline):
        self.programs, self.deadline, self.kind = programs, deadline, None

    def differs(self, policy, facts):
        try:
            whole = model.decide_whole(model.Policy(policy), facts)
        except (KeyError, ValueError, AttributeError, IndexError, TypeError):
            return False  # what was taken away was needed
        with tempfile.TemporaryDirectory(prefix="relto-model.") as folder:
            text.write_policy(random.Random("shrunk"), policy, folder)
            answers, _ = run_relto(self.programs[0], folder, [json.dumps(facts)])
            told, _ = run_kernel(self.programs[1], folder, [json.dumps(facts)]) if self.programs[1] else ([None], "")
        if answers is None or told is None:
            return False
        difference = differs(whole, told[0], answers[0])
        return difference is not None and kind_of(difference[1], difference[0]) == self.kind

    def places(self, thing, path=()):
        """Paths of everything that can go: list elements, optional members, the longest lists first."""
        if isinstance(thing, list):
            for i in reversed(range(len(thing))):
                yield path + (i,)
            for i, x in enumerate(thing):
                yield from self.places(x, path + (i,))
        elif isinstance(thing, dict):
            for k, x in thing.items():
                if k in ("accepted", "opened", "before", "backfill", "signer", "via") or path[-1:] == ("categories",):
                    yield path + (k,)
                elif x is True or (x is not None and k in ("only_to", "expires", "releasability", "onward", "at_most",
                                                            "min", "max", "not_before", "not_after",
                                                            "required_class")):
                    yield path + (k, None)
                yield from self.places(x, path + (k,))

    @staticmethod
    def without(thing, path):
        out = copy.deepcopy(thing)
        at = out
        erase = path[-1] is None
        keys = path[:-1] if erase else path
        for k in keys[:-1]:
            at = at[k]
        if erase:
            at[keys[-1]] = False if at[keys[-1]] is True else None
        else:
            del at[keys[-1]]
        return out

    def shrink(self, policy, facts, kind):
        self.kind = kind
        both = {"policy": policy, "facts": facts}
        again = True
        while again:
            again = False
            for path in list(self.places(both)):
                if time.time() > self.deadline:
                    return both
                try:
                    less = self.without(both, path)
                except (KeyError, IndexError, TypeError):
                    continue
                if self.differs(less["policy"], less["facts"]):
                    both, again = less, True
        return both


def store_case(folder, policy, lines, expected, got):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    text.write_policy(random.Random("shrunk"), policy, os.path.join(folder, "policy"))
    text.write_file(folder, "policy.json", json.dumps(policy, indent=1, ensure_ascii=False) + "\n")
    text.write_file(folder, "facts.jsonl", "".join(x + "\n" for x in lines))
    text.write_file(folder, "expected.jsonl", "".join(json.dumps(x) + "\n" for x in expected))
    if got is not None:
        text.write_file(folder, "got.jsonl", "".join(json.dumps(x) + "\n" for x in got))


def first_difference(expected, got):
    if "refused" in expected or "refused" in got or len(expected["decisions"]) != len(got["decisions"]):
        return "expected %s, got %s" % (json.dumps(expected)[:200], json.dumps(got)[:200])
    for e, g in zip(expected["decisions"], got["decisions"]):
        for p, q in zip(e["portions"], g.get("portions", [])):
            if p != q:
                return "%s: expected %s, got %s" % (e["recipient"], json.dumps(p), json.dumps(q))
        if e != g:
            return "expected %s, got %s" % (json.dumps(e)[:300], json.dumps(g)[:300])
    return "good until: expected %s, got %s" % (expected.get("good_until"), got.get("good_until"))


def report(args, differences):
    os.makedirs(args.save, exist_ok=True)
    shrinker = Shrinker((args.relto, args.kernel), time.time() + args.shrink_seconds)
    seen = collections.Counter()
    for n, d in enumerate(differences):
        if len(seen) >= KEPT_DIFFERENCES:
            break
        kind = repr(kind_of(d["expected"], d["got"])) if d["line"] is not None else d["trouble"]
        seen[kind] += 1
        if seen[kind] > 1:
            continue
        folder = os.path.join(args.save, "%s-%d-%d" % (args.seed, d["number"], n))
        print("difference: seed %s, policy %d" % (args.seed, d["number"]))
        if d["line"] is None:
            store_case(folder, d["policy"], [], [], None)
            print("  %s\n  kept in %s" % (d["trouble"], folder))
            continue
        if d["facts"] is None:
            store_case(folder, d["policy"], [d["line"]], [d["expected"]], [d["got"]])
            print("  line %r: %s\n  kept in %s" % (d["line"][:300], first_difference(d["expected"], d["got"]), folder))
            continue
        small = shrinker.shrink(d["policy"], d["facts"], kind_of(d["expected"], d["got"]))
        expected = model.decide_whole(model.Policy(small["policy"]), small["facts"])
        line = json.dumps(small["facts"])
        store_case(folder, small["policy"], [line], [model.shown(expected)], None)
        answers, trouble = run_kernel(args.kernel, os.path.join(folder, "policy"), [line]) if args.kernel \
            else run_relto(args.relto, os.path.join(folder, "policy"), [line])
        if answers:
            text.write_file(folder, "got.jsonl", json.dumps(answers[0]) + "\n")
        print("  %s\n  kept in %s" % (first_difference(expected, answers[0]) if answers else trouble, folder))


def run_case(args):
    with open(os.path.join(args.case, "facts.jsonl"), encoding="utf-8") as f:
        lines = f.read().splitlines()
    with open(os.path.join(args.case, "expected.jsonl"), encoding="utf-8") as f:
        expected = [json.loads(x) for x in f]
    with open(os.path.join(args.case, "policy.json"), encoding="utf-8") as f:
        compiled = model.Policy(json.load(f))
    bad = 0
    answers, trouble = run_relto(args.relto, os.path.join(args.case, "policy"), lines)
    if answers is None:
        print("%s: %s" % (args.case, trouble))
        return 1
    for line, want, got in zip(lines, expected, answers):
        mine = model.decide(compiled, json.loads(line))
        for who, what in (("the model", mine), ("relto", got)):
            if what != want:
                bad += 1
                print("%s: %s says: %s" % (args.case, who, first_difference(want, what)))
    print("%s: %d lines, %d differences" % (os.path.basename(os.path.normpath(args.case)), len(lines), bad))
    return 1 if bad else 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--decisions", type=int, default=200000)
    p.add_argument("--seed", default=os.environ.get("RELTO_SEED", "1"))
    p.add_argument("--only", type=int)
    p.add_argument("--relto", default="relto")
    p.add_argument("--kernel", help="tests/model/kernel of the same build: also what eval does not print")
    p.add_argument("--save", default=os.path.join(tempfile.gettempdir(), "relto-model-differences"))
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--shrink-seconds", type=int, default=60)
    p.add_argument("--reasons", action="store_true", help="print how often each reason came up")
    p.add_argument("--case")
    args = p.parse_args()
    if shutil.which(args.relto) is None:
        print("no program %s" % args.relto)
        return 2
    args.relto = os.path.abspath(shutil.which(args.relto))
    if args.case:
        return run_case(args)
    began = time.time()
    if args.only is not None:
        tallies = [Tally()]
        one_policy((args.relto, args.kernel), args.seed, args.only, tallies[0])
    else:
        each = -(-args.decisions // args.jobs)
        with multiprocessing.Pool(args.jobs) as pool:
            tallies = pool.map(work, [((args.relto, args.kernel), args.seed, n, args.jobs, each) for n in range(args.jobs)])
    total = Tally()
    for t in tallies:
        total.decisions += t.decisions
        total.lines += t.lines
        total.policies += t.policies
        total.reasons.update(t.reasons)
        total.differences += t.differences
    if args.reasons:
        for what, n in total.reasons.most_common():
            print("%8d %s" % (n, what))
    print("seed %s: %d policies, %d reports, %d decisions, %d differences, %.0f s" % (
        args.seed, total.policies, total.lines, total.decisions, len(total.differences), time.time() - began))
    sys.stdout.flush()
    report(args, total.differences)
    return 1 if total.differences else 0


if __name__ == "__main__":
    sys.exit(main())
