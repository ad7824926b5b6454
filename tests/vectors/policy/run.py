#!/usr/bin/python3
"""run.py - the policy vectors: rows of facts and the decisions that they must have (docs/design.md, section 5).

usage: run.py RELTO CASES..

A .cases file:   policy FOLDER      the policy of the rows below, relative to the file
                 == CLAIM           a row begins
                 {..}               what differs from the base facts below, as JSON; a portion may be a string:
                                    "VOCABULARY/CLASS/Category=V,V/..", labels joined by " + ", "; type" at the end
                 -> RECIPIENT OUTCOME: VERDICT REASON AGREEMENT RULE | ..    one portion each, "-" for none;
                                    open obligations follow in brackets: [kind subject approver, ..]
                 -> refused REASON, or -> nobody
Written by hand from the text; never regenerated from our own output.
"""
import json
import pathlib
import subprocess
import sys

BASE = {"originator": "GBR", "topic": "sea.piracy", "agreements": ["main"], "precedence": "ROUTINE", "mode": "live",
        "time": "2026-05-01T12:00:00Z", "expires": None, "only_to": None, "not_to": [], "sources": [], "approvals": [],
        "portions": ["ATLAS/SECRET/Releasable To=ATLAS"]}


def label(text):
    parts = text.split("/")
    return {"vocabulary": parts[0], "classification": parts[1],
            "categories": {k: v.split(",") if v else [] for k, v in (p.split("=") for p in parts[2:])}}


def portion(p):
    if not isinstance(p, str):
        return p
    text, _, kind = p.partition("; ")
    return {"labels": [label(x) for x in text.split(" + ")] if text else [], "content_type": kind or "text/plain"}


def facts_of(delta):
    facts = dict(BASE)
    facts.update(delta)
    facts["portions"] = [portion(p) for p in facts["portions"]]
    return facts


def shown(answer):
    if "refused" in answer:
        return ["refused " + answer["refused"]]
    out = []
    for d in answer["decisions"]:
        rows = []
        for n, p in enumerate(d["portions"]):
            assert p["portion"] == n and (p["verdict"] == "hold" or not p["obligations"])
            row = " ".join([p["verdict"], p["reason"], p["agreement"] or "-", p["rule"] or "-"])
            open_ = ["%s %s %s" % (o["kind"], o.get("rule", o.get("source", "-")), o["approver"])
                     for o in p["obligations"]]
            assert all(o["agreement"] == p["agreement"] for o in p["obligations"])
            rows.append(row + (" [%s]" % ", ".join(open_) if open_ else ""))
        out.append("%s %s: %s" % (d["recipient"], d["outcome"], " | ".join(rows)))
    return out or ["nobody"]


def rows_of(path):
    folder, rows, body = None, [], ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if line.startswith("policy "):
            folder = path.parent / line[7:]
        elif line.startswith("== "):
            rows.append({"claim": line[3:], "line": number, "policy": folder, "facts": "", "want": []})
        elif line.startswith("-> "):
            rows[-1]["want"].append(line[3:])
        elif line and not line.startswith("#"):
            rows[-1]["facts"] += line
    return rows


def run(relto, path):
    rows, faults = rows_of(path), 0
    for folder in sorted({r["policy"] for r in rows}):
        mine = [r for r in rows if r["policy"] == folder]
        lines = "".join(json.dumps(facts_of(json.loads(r["facts"] or "{}"))) + "\n" for r in mine)
        got = subprocess.run([relto, "policy", "eval", str(folder), "--jsonl"], input=lines.encode(),
                             capture_output=True, check=False)
        answers = got.stdout.decode().splitlines()
        if got.returncode != 0 or len(answers) != len(mine):
            print("%s: exit %d\n%s" % (folder, got.returncode, got.stderr.decode()))
            return len(rows), len(rows)
        for r, a in zip(mine, answers):
            if shown(json.loads(a)) != r["want"]:
                faults += 1
                print("%s:%d: %s\n  want %s\n  got  %s" % (path, r["line"], r["claim"], "\n       ".join(r["want"]),
                                                            "\n       ".join(shown(json.loads(a)))))
    return len(rows), faults


def main():
    total, faults = 0, 0
    for name in sys.argv[2:]:
        n, f = run(sys.argv[1], pathlib.Path(name))
        total, faults = total + n, faults + f
    print("%d rows, %d wrong" % (total, faults))
    return 1 if faults or not total else 0


if __name__ == "__main__":
    sys.exit(main())
