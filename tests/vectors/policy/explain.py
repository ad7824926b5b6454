#!/usr/bin/python3
"""explain.py - relto policy explain: what it says of the sample policy is explain.golden, word for word; its verdicts
and reasons are those of policy eval; each single change that it proposes gives a release when it is made, and each that
it says the policy's own promises forbid does so without them alone.

usage: explain.py RELTO [--write]
"""
import itertools
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import doc  # noqa: E402
import drop  # noqa: E402
import matrix  # noqa: E402

ROOT = HERE.parent.parent.parent
SAMPLE = ROOT / "tests/policy-sample"
GOLDEN = HERE / "explain.golden"
AT = "2026-06-01T00:00:00Z"
LABELS = ([{"vocabulary": "ATLAS", "classification": c, "categories": k}]
          for c in ("RESTRICTED", "SECRET", "TOP SECRET")
          for k in ({}, {"Releasable To": ["NOR"]}, {"Releasable To": ["ATLAS"], "Handling": ["FININT"]}))
OTHER = [[{"vocabulary": "TLP", "classification": "AMBER"}], [{"vocabulary": "TLP", "classification": "RED"}],
         [{"vocabulary": "GBR-NATIONAL", "classification": "SECRET", "categories": {"Eyes Only": ["UKNOR"]}}],
         [{"vocabulary": "GBR-NATIONAL", "classification": "OFFICIAL", "categories": {"Eyes Only": ["UK"]}}],
         [{"vocabulary": "ATLAS", "classification": "RESTRICTED", "categories": {"Releasable To": ["KEN"]}},
          {"vocabulary": "TLP", "classification": "AMBER"}]]
VARIANTS = {  # the sample, and the sample with something wrong in it
    "sample": [],
    "freed": [("relto.policy", r"suspend nordic-cti.*\n", "")],
    "draft": [("agreements.d/atlas.policy", r"state +in-force", "state draft"),
              ("agreements.d/atlas.policy", r"may +\[ receive \]", "may [receive]# so written\n")],
    "odd": [("agreements.d/atlas.policy", r"clearance  ATLAS \[ UNCLASSIFIED RESTRICTED \] \{\n.*\n.*\n *\}",
             'clearance  ATLAS [\n    UNCLASSIFIED # ]\n    "RESTRICTED"] { "Releasable To" ["KEN"] }'),
            ("agreements.d/atlas.policy", r"at-most SECRET", 'at-most "TOP SECRET"'),
            ("agreements.d/atlas.policy", r"        clearance  TLP \[ CLEAR GREEN \]\n", ""),
            ("agreements.d/atlas.policy", drop.EXPECT, "")],
}
MORE = [  # one at least for each kind of change
    ("sample", "GBR NOR maritime.piracy --precedence FLASH", "ATLAS SECRET//REL TO NOR"),
    ("sample", "GBR NOR maritime.piracy --mode exercise", "ATLAS SECRET//REL TO NOR"),
    ("sample", "NOR GBR cyber.sightings --content-type application/json --agreement nordic-cti", "TLP:AMBER"),
    ("freed", "NOR GBR news.sea --content-type application/json --agreement nordic-cti", "TLP:AMBER"),
    ("freed", "NOR GBR cyber.x --content-type application/json --precedence FLASH", "TLP:AMBER"),
    ("freed", "GBR NOR cyber.x --at 2025-12-31 --content-type application/json", "TLP:AMBER"),
    ("draft", "GBR NOR maritime.piracy", "ATLAS SECRET//REL TO NOR"),
    ("odd", "GBR KEN maritime.piracy", "ATLAS SECRET//REL TO KEN"),
    ("odd", "GBR KEN maritime.piracy", "ATLAS RESTRICTED//REL TO KEN + TLP:GREEN"),
    ("odd", "GBR KEN maritime.piracy", "ATLAS RESTRICTED//ORCON//REL TO KEN"),
    ("odd", "GBR NOR maritime.piracy", "ATLAS TOP SECRET//REL TO NOR"),
    ("odd", "GBR NOR maritime.piracy --precedence IMMEDIATE", "ATLAS SECRET//REL TO NOR"),
]
VOCABS = {v.name: v for v in (matrix.Vocab(p, None) for p in sorted((ROOT / "policy/vocab").glob("*.xml")))}
FAULTS = []


def check(good, *what):
    if not good:
        FAULTS.append(" ".join(map(str, what)))


def call(relto, *words, code=0, stdin=None):
    got = subprocess.run([relto, "policy", *map(str, words)], input=stdin, capture_output=True, text=True, check=False)
    if got.returncode != code:
        sys.exit("%s: exit %d, not %d: %s" % (words, got.returncode, code, got.stderr))
    return got.stdout, got.stderr


# ---- the words ----

def golden(relto, write):
    questions = re.findall(r"^\$ (.*)$", GOLDEN.read_text(), re.M)
    text = "".join("$ %s\n%s\n" % (q, call(relto, "explain", SAMPLE, "--at", AT, *shlex.split(q))[0]) for q in questions)
    if write:
        GOLDEN.write_text(text)
    check(text == GOLDEN.read_text(), "explain.golden differs: run with --write and read the difference")
    check("\033" not in text, "colours without a terminal")
    return len(questions)


def errors(relto):
    good = ["--from", "GBR", "--to", "NOR", "--topic", "x", "--label", "TLP:GREEN"]
    for words, code, told in (
            ([], 64, "DIR is missing"), ([SAMPLE], 64, "--from is missing"), ([SAMPLE, *good[:6]], 64, "--label is missing"),
            ([SAMPLE, *good, "more"], 64, "what is 'more'?"), ([SAMPLE, *good, "--bogus"], 64, "what is '--bogus'?"),
            ([SAMPLE, *good, "--at"], 64, "--at takes a value"), ([SAMPLE, *good, "--at", "soon"], 64, "2026-01-31T18:00:00Z"),
            ([SAMPLE, *good, "--precedence", "HIGH"], 64, "ROUTINE, PRIORITY, IMMEDIATE or FLASH"),
            ([SAMPLE, *good, "--topic", "a..b"], 64, "joined by dots"),
            ([SAMPLE, *good, "--label", json.dumps(matrix.label("ATLAS", "SECRET", [("Releasable To", str(i)) for i in range(257)]))], 65,
             "the report is refused: a portion has 4 labels of 32 categories of 256 values"),
            ([SAMPLE, *good, "--mode", "LIVE"], 64, "live or exercise"), ([SAMPLE, *good, "--to", "GBR"], 64, "originator"),
            ([SAMPLE, *good, "--to", "NRO"], 66, "there is no party 'NRO'; did you mean 'NOR'?"),
            ([SAMPLE, *good, "--agreement", "atlsa"], 66, "there is no agreement 'atlsa'; did you mean 'atlas'?"),
            ([SAMPLE, *good, "--label", "TLP GRUEN"], 65, "TLP GRUEN"), ([SAMPLE, *good, *["--label", "TLP:RED"] * 4], 64, "at most 4"),
            ([SAMPLE, *good, *["--agreement", "a"] * 65], 64, "at most 64"), (["/nonexistent", *good], 66, "/nonexistent")):
        out, err = call(relto, "explain", *words, code=code)
        check(out == "" and told in err, words, "says", out, err)
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "relto.policy").write_text("hub\n")
        check("relto.policy:1:1: error" in call(relto, "explain", folder, *good, code=65)[1], "no place of an error")


# ---- the changes ----

def facts(q, agreement, **more):
    f = {"originator": q["from"], "topic": q["topic"], "agreements": [agreement], "precedence": q["precedence"], "mode": q["mode"],
         "time": q["time"], "expires": None, "only_to": None, "not_to": [], "sources": [], "approvals": [],
         "portions": [{"labels": q["labels"], "content_type": q["content_type"]}]}
    f["portions"][0]["labels"] = more.pop("labels", q["labels"])
    f.update(more)
    for label in f["portions"][0]["labels"]:
        label.pop("marking", None)
    return json.dumps(f)


def verdict(relto, folder, q, line):
    got = json.loads(call(relto, "eval", folder, "--jsonl", stdin=line + "\n")[0])
    for d in got.get("decisions", []):
        if d["recipient"] == q["to"]:
            return d["portions"][0]["verdict"], d["portions"][0]["reason"]
    return "withhold", got.get("refused", "no-recipient")


def edited(text, edit):
    lines = text.splitlines(keepends=True)
    at = sum(map(len, lines[:edit["line"] - 1])) + edit["col"] - 1
    check(text[at:at + len(edit["remove"])] == edit["remove"], "the edit removes what is not there", edit)
    return text[:at] + edit["insert"] + text[at + len(edit["remove"]):]


def changed(relto, folder, q, agreement, change, forbidden):
    if "edit" not in change:
        line = facts(q, agreement, labels=change["labels"], precedence=change["precedence"], mode=change["mode"])
        check(verdict(relto, folder, q, line)[0] == "release", "no release:", change, q)
        return
    with tempfile.TemporaryDirectory() as other:
        copy = pathlib.Path(other) / "policy"
        shutil.copytree(folder, copy)
        path = copy / change["edit"]["file"]
        path.write_text(edited(path.read_text(), change["edit"]))
        if forbidden:
            check("the expect does not hold" in call(relto, "check", copy, code=65)[1], "loads all the same:", change)
            path.write_text(drop.EXPECT.sub("", path.read_text()))
        check(verdict(relto, copy, q, facts(q, agreement))[0] == "release", "no release:", change, q)


def canonical(labels):
    return json.dumps([(x["vocabulary"], x["classification"], sorted((k, sorted(v)) for k, v in x.get("categories", {}).items()))
                       for x in labels])


def relabelled(labels):
    """Every report with one value more or less, or another classification."""
    for i, one in enumerate(labels):
        vocab, have = VOCABS[one["vocabulary"]], [(k, v) for k, vs in one.get("categories", {}).items() for v in vs]
        for c in vocab.classes:
            if c != one["classification"]:
                yield [*labels[:i], matrix.label(vocab.name, c, have), *labels[i + 1:]]
        for value in vocab.values:
            values = [x for x in have if x != value] if value in have else [*have, value]
            yield [*labels[:i], matrix.label(vocab.name, one["classification"], values), *labels[i + 1:]]


def none_is_missing(relto, folder, q, a):
    """Whatever single change of a label releases is listed."""
    all_ = list(relabelled(q["labels"]))
    got = call(relto, "eval", folder, "--jsonl", stdin="".join(facts(q, a["agreement"], labels=x) + "\n" for x in all_))[0]
    listed = {canonical(c["labels"]) for c in a["changes"] if c["kind"].startswith("label")}
    for labels, line in zip(all_, got.splitlines()):
        to = [d for d in json.loads(line).get("decisions", []) if d["recipient"] == q["to"]]
        goes = bool(to) and to[0]["portions"][0]["verdict"] == "release"
        check(not goes or canonical(labels) in listed, "not listed:", labels, q)
    return sum(len(x) for x in all_)


def one(relto, folder, words):
    q = json.loads(call(relto, "explain", folder, "--json", *words)[0])
    kinds = []
    for a in q["agreements"]:
        check(verdict(relto, folder, q, facts(q, a["agreement"])) == (a["verdict"], a["reason"]), "not what eval says:", a, q)
        check(len(a["checks"]) == 10, "checks", a["checks"])
        strictest = max(["release", "hold", "withhold"].index(c["verdict"] or "release") for c in a["checks"])
        check(["release", "hold", "withhold"][strictest] == a["verdict"], "the checks do not give the verdict:", a)
        check(a["verdict"] != "release" or not a["changes"], "changes of a release:", a)
        check(a["verdict"] == "release" or none_is_missing(relto, folder, q, a), "no label was changed")
        for key in ("changes", "forbidden_by_expects"):
            for change in a[key]:
                kinds.append(change["kind"])
                changed(relto, folder, q, a["agreement"], change, key != "changes")
    return kinds


def changes(relto):
    labels, kinds = [*LABELS, *OTHER], []
    questions = list(itertools.product(("GBR", "KEN"), ("KEN", "NOR"), ("maritime.piracy", "cyber.indicators.x"), labels))
    for n, name in enumerate(VARIANTS):
        with tempfile.TemporaryDirectory() as other:
            copy = pathlib.Path(other) / "policy"
            shutil.copytree(SAMPLE, copy)
            for path, old, new in VARIANTS[name]:
                text, count = re.subn(old, new, (copy / path).read_text())
                check(count > 0, name, "changes nothing")
                (copy / path).write_text(text)
            call(relto, "eval", copy, "--jsonl", stdin="")
            for i, (sender, to, topic, label) in enumerate(questions):
                if sender == to or (i + n) % 7:
                    continue
                words = ["--from", sender, "--to", to, "--topic", topic, "--at", ("2025-06-01", AT)[i % 3 > 0],
                         "--precedence", ("FLASH", "ROUTINE")[i % 5 > 0]]
                kinds += one(relto, copy, words + [w for x in label for w in ("--label", json.dumps(x))])
            for variant, words, label in MORE:
                sender, to, topic, *words = words.split()
                if variant == name:
                    kinds += one(relto, copy, ["--from", sender, "--to", to, "--topic", topic, "--at", AT, *words]
                                 + [w for x in label.split(" + ") for w in ("--label", x)])
    return kinds


def manual(relto):
    """What docs/policy.md shows of its own examples."""
    text = (ROOT / "docs/policy.md").read_text()
    shown = re.findall(r"^```run explain\n\$ relto policy (.*)\n((?:.*\n)*?)```$", text, re.M)
    check(shown, "docs/policy.md shows nothing")
    with tempfile.TemporaryDirectory() as folder:
        doc.write(pathlib.Path(folder))
        for words, want in shown:
            got = call(relto, *(folder if w == "DIR" else w for w in shlex.split(words)))[0]
            check(got == want, "docs/policy.md:", words, "says", got)


def limits(relto):
    """256 changes are listed, more are counted; 100 changes of the policy are tried, and it says that there are more."""
    with tempfile.TemporaryDirectory() as other:
        copy = pathlib.Path(other) / "policy"
        shutil.copytree(SAMPLE, copy)
        spif, agreement = copy / "vocab/atlas.spif.xml", copy / "agreements.d/atlas.policy"
        for line, first in (('        <spif:tagCategory name="ORCON"', "H"), ('        <spif:tagCategory name="ATLAS"', "R")):
            more = "".join('        <spif:tagCategory name="%s%d" lacv="%d"/>\n' % (first, i, 5000 + i) for i in range(300))
            spif.write_text(spif.read_text().replace(line, more + line, 1))
        agreement.write_text(agreement.read_text().replace("[ NOR ATLAS ]", "[ NOR ATLAS %s ]" % " ".join("R%d" % i for i in range(300))))
        words = ["explain", copy, "--from", "GBR", "--to", "NOR", "--topic", "maritime.piracy", "--agreement", "atlas", "--at", AT, "--label"]
        label = {"vocabulary": "ATLAS", "classification": "SECRET", "categories": {}}
        text = call(relto, *words, json.dumps(label))[0]
        got = json.loads(call(relto, *words, json.dumps(label), "--json")[0])["agreements"][0]
        check(len(got["changes"]) == 256 and got["changes_left_out"] == 47 and "and 47 more" in text, "256", got["changes_left_out"])
        label["categories"] = {"Releasable To": ["NOR"], "Handling": ["H%d" % i for i in range(101)]}
        text = call(relto, *words, json.dumps(label))[0]
        check("not all changes of the policy were tried" in text, "100 loads:", text)
        check(not json.loads(call(relto, *words, json.dumps(label), "--json")[0])["agreements"][0]["all_tried"], "all tried")


def main():
    relto = sys.argv[1]
    count = golden(relto, "--write" in sys.argv)
    errors(relto)
    limits(relto)
    manual(relto)
    kinds = changes(relto)
    tokens = re.findall(r'^K\(\w+, "([a-z-]+)"\)', (ROOT / "policy/remedy.def").read_text(), re.M)
    print("%d questions word for word; %d changes made: %s" % (
        count, len(kinds), ", ".join("%s %d" % (t, kinds.count(t)) for t in tokens)))
    print("\n".join(FAULTS[:20]))
    return 1 if FAULTS or set(tokens) - set(kinds) else 0


if __name__ == "__main__":
    sys.exit(main())
