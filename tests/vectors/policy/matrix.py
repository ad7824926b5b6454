#!/usr/bin/python3
"""matrix.py - relto policy matrix: what it says of the sample policy is matrix.golden, word for word; what it says goes
does go with policy eval; what it says is highest cannot be raised, by no label of a small vocabulary and by none of
many of a large one; and reports picked at random go only where a row says so.

usage: matrix.py RELTO [--write]
"""
import csv
import io
import itertools
import json
import pathlib
import random
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

ROOT = HERE.parent.parent.parent
SAMPLE = ROOT / "tests/policy-sample"
GOLDEN = HERE / "matrix.golden"
AT = "2026-06-01T00:00:00Z"
ORDER = ["ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"]
FAULTS = []

SPIF = """<?xml version="1.0" encoding="UTF-8"?>
<spif:SPIF xmlns:spif="http://www.xmlspif.org/spif" schemaVersion="2.1" version="1" creationDate="20260101000000Z"
    originatorDN="CN=relto,O=relto" keyIdentifier="00" privilegeId="1.3.26.0.4774.5.24.1" rbacId="1.3.26.0.4774.5.24.1">
  <spif:securityPolicyId name="%s" id="2.25.%d"/>
  <spif:securityClassifications>%s
  </spif:securityClassifications>
  <spif:securityCategoryTagSets>%s
  </spif:securityCategoryTagSets>
</spif:SPIF>
"""


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
    text = "".join("$ %s\n%s\n" % (q, call(relto, "matrix", SAMPLE, *shlex.split(q))[0]) for q in questions)
    if write:
        GOLDEN.write_text(text)
    check(text == GOLDEN.read_text(), "matrix.golden differs: run with --write and read the difference")
    return len(questions)


def manual(relto):
    """What docs/policy.md shows of its own examples."""
    shown = re.findall(r"^```run matrix\n\$ relto policy (.*)\n((?:.*\n)*?)```$", doc.TEXT, re.M)
    check(shown, "docs/policy.md shows nothing")
    with tempfile.TemporaryDirectory() as folder:
        doc.write(pathlib.Path(folder))
        for words, want in shown:
            got = call(relto, *(folder if w == "DIR" else w for w in shlex.split(words)))[0]
            check(got == want, "docs/policy.md:", words, "says", got)


def errors(relto):
    for words, code, told in (
            ([], 64, "DIR is missing"), ([SAMPLE, "more"], 64, "what is 'more'?"), ([SAMPLE, "--bogus"], 64, "what is '--bogus'?"),
            ([SAMPLE, "--csv", "--json"], 64, "either --csv or --json"), ([SAMPLE, "--topic", "a..b"], 64, "joined by dots"),
            ([SAMPLE, "--topic"], 64, "--topic takes a value"), ([SAMPLE, "--from", "GBRR"], 66, "did you mean 'GBR'?"),
            ([SAMPLE, "--agreement", "atlsa"], 66, "did you mean 'atlas'?"), ([SAMPLE, "--at", "soon"], 64, "2026-01-31"),
            ([SAMPLE, *["--label", "TLP:RED"] * 5], 64, "at most 4"), ([SAMPLE, "--label", "TLP GRUEN"], 65, "TLP GRUEN"),
            ([SAMPLE, "--label", '{"vocabulary":"ATLAS","classification":"SECRETT"}', "--at", AT], 65, "did you mean 'SECRET'?"),
            (["/nonexistent"], 66, "/nonexistent")):
        out, err = call(relto, "matrix", *words, code=code)
        check(out == "" and told in err, words, "says", out, err)


# ---- what goes ----

def facts(sender, topic, agreement, labels, precedence, content, mode="live"):
    return json.dumps({
        "originator": sender, "topic": topic, "agreements": [agreement], "precedence": precedence, "mode": mode, "time": AT,
        "expires": None, "only_to": None, "not_to": [], "sources": [], "approvals": [],
        "portions": [{"labels": labels, "content_type": content}]})


def verdicts(relto, folder, lines):
    """For each line what each recipient gets."""
    out = call(relto, "eval", folder, "--jsonl", stdin="".join(x + "\n" for x in lines))[0]
    return [{d["recipient"]: d["portions"][0]["verdict"] for d in json.loads(x).get("decisions", [])} for x in out.splitlines()]


def label(vocabulary, classification, values):
    categories = {}
    for category, value in values:
        categories.setdefault(category, []).append(value)
    return {"vocabulary": vocabulary, "classification": classification, "categories": categories}


def matches(pattern, topic):
    p, t = pattern.split("."), topic.split(".")
    if p[-1] == ">":
        return len(t) >= len(p) and all(x in ("*", y) for x, y in zip(p[:-1], t))
    return len(p) == len(t) and all(x in ("*", y) for x, y in zip(p, t))


def witness(pattern, patterns):
    """A topic of the pattern that as few others as possible match: the narrower ones have rows of their own."""
    topics = [pattern.replace("*", "zulu").replace(">", end) for end in ("zulu", "zulu.zulu", "zulu.zulu.zulu")]
    return min(topics, key=lambda t: sum(matches(p, t) for p in patterns))


def content_of(name):
    return {"any": "text/plain", "other": "x-zulu/zulu"}.get(name, name.replace("/*", "/x-zulu"))


class Vocab:
    def __init__(self, path, releasability):
        text = path.read_text()
        self.name = re.search(r'<spif:securityPolicyId name="([^"]+)"', text).group(1)
        self.classes = re.findall(r'<spif:securityClassification name="([^"]+)"', text)  # the files list them by hierarchy
        self.values = [(s, v) for s, body in re.findall(r'(?s)<spif:securityCategoryTagSet name="([^"]+)"(.*?)</spif:securityCategoryTagSet>',
                                                       text) for v in re.findall(r'<spif:tagCategory name="([^"]+)"', body)]
        self.releasability = releasability


def rows_of(relto, folder, *more):
    rows = json.loads(call(relto, "matrix", folder, "--json", "--at", AT, *more)[0])
    beside = {}
    for r in rows:  # a marking that is read back as a label
        for text in (r["label"], r["beside"]):
            if text is not None and text not in beside:
                got = json.loads(call(relto, "explain", folder, "--from", r["from"], "--to", r["to"], "--topic", "x", "--label", text,
                                      "--agreement", r["agreement"], "--json", "--at", AT)[0])["labels"][0]
                beside[text] = {k: got[k] for k in ("vocabulary", "classification", "categories")}
    return rows, beside


def questions(row, vocab, labels, rng, whole):
    """Labels for one row, and whether each must go: True, False."""
    have = [(v["category"], v["value"]) for v in row["one_of"]]
    carry = [(v["category"], v["value"]) for v in row["may_carry"]]
    name, out = vocab.name, []
    if row["highest"]:
        check(row["highest"] == row["released"][-1], "not the highest:", row)
        base = [(k, v) for k, vs in labels[row["label"]]["categories"].items() for v in vs]
        out.append((labels[row["label"]], True))
        if row["needs_a_value"] and len(base) < 2:
            out += [(label(name, row["highest"], [v]), v in have) for v in vocab.values]
        if len(base) < 2:
            out += [(label(name, row["highest"], [*base, v]), v in carry) for v in vocab.values
                    if v not in base and v[0] not in [k for k, _ in base if k == vocab.releasability]]
    above = [c for c in vocab.classes if c not in row["released"]]
    for c in above:
        if whole:
            sets = itertools.chain.from_iterable(itertools.combinations(vocab.values, n) for n in range(3))
        else:
            sets = [(), *([v] for v in vocab.values), *(rng.sample(vocab.values, rng.randint(2, 4)) for _ in range(40) if len(vocab.values) > 4)]
        for values in sets:
            if whole and len(values) == 2 and vocab.releasability not in (None, values[0][0], values[1][0]):
                continue  # two values, one of them of the releasability category: what is tried
            out.append((label(name, c, values), False))
    return out


def judge_rows(relto, folder, vocabs, rng, whole):
    rows, labels = rows_of(relto, folder)
    lines, wants = [], []
    text = "".join(p.read_text() for p in sorted(folder.rglob("*.policy")))
    patterns = {p for list_ in re.findall(r"topics +\[ (.*?) \]|topic +(\S+)", text) for p in " ".join(list_).split()}
    for row in rows:
        if row["topic"] is None:
            continue
        vocab = next(v for v in vocabs if v.name == row["vocabulary"])
        for one, goes in questions(row, vocab, labels, rng, whole):
            for p in {row["precedence_from"], row["precedence_to"]}:
                both = [one] + ([labels[row["beside"]]] if row["beside"] else [])
                lines.append(facts(row["from"], witness(row["topic"], patterns), row["agreement"], both, p, content_of(row["content_type"]), row["mode"]))
                wants.append((row, goes))
    for line, (row, goes), got in zip(lines, wants, verdicts(relto, folder, lines)):
        check((got.get(row["to"]) == "release") == goes, "goes" if not goes else "does not go", line, "of", row)
    return rows, len(lines)


def at_random(relto, folder, rows, vocabs, rng, count):
    """Reports of one label that go are in a row, and one that is held is marked there."""
    lines, asked = [], []
    for _ in range(count):
        row, vocab = rng.choice([r for r in rows if r["topic"]]), rng.choice(vocabs)
        values = rng.sample(vocab.values, min(len(vocab.values), rng.choice((0, 1, 1, 1, 2))))
        one, p = label(vocab.name, rng.choice(vocab.classes), values), rng.choice(ORDER)
        topic = row["topic"].replace("*", rng.choice("ab")).replace(">", rng.choice(("a", "b.c")))
        content = rng.choice(("text/plain", "image/png", "application/json"))
        lines.append(facts(row["from"], topic, row["agreement"], [one], p, content, row["mode"]))
        asked.append((row, topic, content, p, one))
    gone = 0
    for (row, topic, content, p, one), got in zip(asked, verdicts(relto, folder, lines)):
        for to, verdict in got.items():
            if verdict == "withhold":
                continue
            fits = [r for r in rows if r["topic"] and (r["from"], r["to"], r["agreement"], r["vocabulary"]) ==
                    (row["from"], to, row["agreement"], one["vocabulary"]) and matches(r["topic"], topic)
                    and ORDER.index(r["precedence_from"]) <= ORDER.index(p) <= ORDER.index(r["precedence_to"])
                    and r["content_type"] in ("any", "other", content, content.split("/")[0] + "/*")]
            in_row = any(one["classification"] in r["released"] or verdict == "hold" and one["classification"] in r["held"] for r in fits)
            check(in_row, verdict, "without a row:", to, topic, p, content, one)
            gone += 1
    return gone


# ---- the policies ----

def sample(relto, rng):
    vocabs = [Vocab(ROOT / "policy/vocab/atlas.spif.xml", "Releasable To"), Vocab(ROOT / "policy/vocab/gbr-national.spif.xml", "Eyes Only"),
              Vocab(ROOT / "policy/vocab/tlp-2.0.spif.xml", None)]
    with tempfile.TemporaryDirectory() as other:
        copy = pathlib.Path(other) / "policy"
        shutil.copytree(SAMPLE, copy)
        (copy / "relto.policy").write_text(re.sub(r"suspend nordic-cti.*\n", "", (copy / "relto.policy").read_text()))
        rows, asked = judge_rows(relto, copy, vocabs, rng, False)
        gone = at_random(relto, copy, rows, vocabs, rng, 3000)
        check(gone > 50, "only", gone, "reports at random went")
    return asked


def small_policy(rng, top):
    """A lattice of three classifications, a permissive and a restrictive category of two values, three parties."""
    def tag(name, kind, values):
        return ('\n<spif:securityCategoryTagSet name="%s" id="2.25.1.%d"><spif:securityCategoryTag name="%s" tagType="%s">%s'
                "</spif:securityCategoryTag></spif:securityCategoryTagSet>") % (name, len(name), name, kind, "".join(
                    '<spif:tagCategory name="%s" lacv="%d"/>' % (v, i + 1) for i, v in enumerate(values)))

    def file(name, number, classes, tags):
        rows = "".join('\n<spif:securityClassification name="%s" lacv="%d" hierarchy="%d"/>' % (c, i + 1, i + 1) for i, c in enumerate(classes))
        (top / (name + ".xml")).write_text(SPIF % (name, number, rows, tags))
        return top / (name + ".xml")

    one = file("V", 1, ["LOW", "MID", "HIGH"], tag("Rel", "permissive", ["=A", "B"]) + tag("Own", "restrictive", ["X", "Y"]))
    two = file("W", 2, ["W1", "W2"], tag("Kind", "restrictive", ["Z"]))

    def some(names, least=0):
        return " ".join('"%s"' % n for n in rng.sample(names, rng.randint(least, len(names))))

    def rule(n):
        topic, prec = rng.choice(["", "topic a.>", "topic a.*", "topic *.b"]), rng.choice(["", "", "precedence at-least PRIORITY", "precedence at-most PRIORITY"])
        content, party = rng.choice(["", "", "content-type image/*"]), rng.choice(["", "", "to [ %s ]" % rng.choice("PQR"), "from [ P ]"])
        v = rng.choice(["V at-most %s" % rng.choice(["LOW", "MID", "HIGH"]), 'V has Rel "=A"', "V lacks Own X", "V has Own", "W at-most W2"])
        end = rng.choice(["release", "release", "release", "hold for-approval-of P within 1h", "withhold"])
        return "    rule r%d {\n        %s\n        label %s\n        %s\n    }\n" % (n, "\n        ".join([topic, prec, content, party]), v, end)

    members = "".join(
        "    member %s {\n        may [ originate receive ]\n        precedence at-most %s\n        clearance V [ %s ] {\n            Rel [ %s ]\n"
        "            Own [ %s ]\n        }\n        clearance W [ W1 W2 ] { Kind [ %s ] }\n    }\n" % (
            p, rng.choice(ORDER), some(["LOW", "MID", "HIGH"]) or "LOW", some(["=A", "B"]), some(["X", "Y"]), some(["Z"])) for p in "PQR")
    (top / "relto.policy").write_text(
        'vocabulary V {\n    spif "V.xml"\n    releasability Rel\n}\nvocabulary W { spif "W.xml" }\n' + "".join("party %s { name x }\n" % p for p in "PQR")
        + "agreement m {\n    version 1\n    valid from 2026-01-01 until 2026-12-31\n    state in-force\n    mode %s\n    topics [ a.> b.b ]\n%s%s%s}\n" % (
            rng.choice(["live", "exercise"]), members, "".join(map(rule, range(rng.randint(2, 6)))),
            rng.choice(["", "    unmarked-portions releasable-to members\n", "    unmarked-labels releasable-to members\n"])))
    return [Vocab(one, "Rel"), Vocab(two, None)]


def lattice(relto, rng, rounds):
    asked = gone = 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            top = pathlib.Path(folder)
            vocabs = small_policy(rng, top)
            rows, n = judge_rows(relto, top, vocabs, rng, True)
            asked += n
            if any(r["topic"] for r in rows):
                gone += at_random(relto, top, rows, vocabs, rng, 200)
                formulas(relto, top)
    check(gone > 50 * rounds // 10, "only", gone, "reports at random went")
    return asked


def formulas(relto, folder):
    """No field of the CSV begins as a spreadsheet's formula."""
    text = call(relto, "matrix", folder, "--csv", "--at", AT)[0]
    rows = list(csv.reader(io.StringIO(text)))
    check(all(len(r) == len(rows[0]) for r in rows), "ragged CSV")
    check(not any(f[:1] in ("=", "+", "-", "@", "\t", "\r") for r in rows for f in r if f), "a formula", text)


def guarded(relto):
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        for first in "=+-@":
            (top / "V.xml").write_text(SPIF % (first + "V", 1, '<spif:securityClassification name="%sC" lacv="1" hierarchy="1"/>' % first, ""))
            (top / "relto.policy").write_text(
                'vocabulary "%sV" { spif "V.xml" }\nparty P { name x }\nparty Q { name x }\nagreement m {\n version 1\n valid from 2026-01-01 until 2026-12-31\n'
                " state in-force\n mode live\n topics [ a ]\n unmarked-portions releasable-to members\n member P {\n  may [ originate ]\n"
                '  clearance "%sV" [ "%sC" ]\n }\n member Q {\n  may [ receive ]\n  clearance "%sV" [ "%sC" ]\n }\n rule r {\n  label "%sV" at-most "%sC"\n  release\n }\n}\n'
                % ((first,) * 7))
            formulas(relto, top)
            check('"\'%sC"' % first in call(relto, "matrix", top, "--csv", "--at", AT)[0], "no apostrophe before", first)


def limits(relto):
    """Topics of more than 256 patterns take --topic.  (What too many labels say is in tests/unit/policy/test_matrix.c.)"""
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        small_policy(random.Random(1), top)
        text = (top / "relto.policy").read_text()
        (top / "relto.policy").write_text(text.replace("topics [ a.> b.b ]", "topics [ %s ]" % " ".join("t%d" % i for i in range(257))))
        out, err = call(relto, "matrix", top, "--at", AT, code=65)
        check(out == "" and "agreement 'm'" in err and "--topic" in err, "65 topics:", out, err)
        call(relto, "matrix", top, "--at", AT, "--topic", "t3")


def main():
    relto, rng = sys.argv[1], random.Random(20261129)
    count = golden(relto, "--write" in sys.argv)
    errors(relto)
    manual(relto)
    guarded(relto)
    limits(relto)
    asked = sample(relto, rng)
    print("%d questions word for word; %d labels of the sample and %d of small policies judged" % (count, asked, lattice(relto, rng, 25)))
    print("\n".join(FAULTS[:20]))
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
