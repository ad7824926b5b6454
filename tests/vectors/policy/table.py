#!/usr/bin/python3
"""table.py - the golden tables of the decision: what a change of its meaning changes shows as a diff of one line a case.

usage: table.py RELTO [--write]

Each table of tables/ is every combination of a few things that differ, judged by the policy of cases/ (run.py has the
base facts); a line is what differs, "->", and the answer as in *.cases, recipients parted by ";".  --write writes the
tables again: read their diff before it is committed.
"""
import difflib
import itertools
import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import run  # noqa: E402

FOLDER = HERE / "tables"
T0 = run.BASE["time"]
SOON, NOW, PAST = "2026-05-01T12:00:00.000001Z", T0, "2026-05-01T11:59:59.999999Z"


def one(text, **delta):
    return text, delta


def with_label(*parts):
    return "/".join(p for p in parts if p)


def labels():
    """One label, then one beside it; NOR sees up to SECRET, KEN up to RESTRICTED."""
    for c, rel, hand, tlp in itertools.product(
            ("UNCLASSIFIED", "RESTRICTED", "SECRET", "TOP SECRET"),
            ("", "Releasable To=ATLAS", "Releasable To=KEN", "Releasable To=NOR,USA", "Releasable To=USA"),
            ("", "Handling=FININT", "Handling=FININT,ORCON", "Handling=HUMINT"), ("", " + TLP/AMBER", " + TLP/RED")):
        if c != "UNCLASSIFIED" or "HUMINT" not in hand:  # its SPIF refuses that
            p = with_label("ATLAS", c, rel, hand) + tlp
            yield one(p, portions=[p])


def national():
    """A label that is mapped (no member has a clearance in its vocabulary)."""
    for c, eyes, hand, more in itertools.product(
            ("OFFICIAL", "OFFICIAL-SENSITIVE", "SECRET"),
            ("", "Eyes Only=UK", "Eyes Only=UKNOR", "Eyes Only=UKUS", "Eyes Only=UK,UKNOR"),
            ("", "Handling=INVESTIGATION"), ("", "Descriptor=LOCSEN", "Descriptor=PERSONAL")):
        p = with_label("GBR-NATIONAL", c, eyes, hand, more)
        yield one(p, portions=[p])


def rules():
    """Who sends, how urgently, what kind of content: the rules of 'main' that hold and withhold."""
    for who, urgent, c, more, kind in itertools.product(
            ("GBR", "NOR"), ("ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"), ("RESTRICTED", "SECRET"),
            ("", "/Handling=ORCON", "/Caveat=DRAFT"), ("text/plain", "image/png", "IMAGE/x; a=b")):
        p = "ATLAS/%s/Releasable To=ATLAS%s; %s" % (c, more, kind)
        yield one("%s %s %s" % (who, urgent, p), originator=who, precedence=urgent, portions=[p])


def audience():
    """only-to and not-to, for two portions that NOR may have and of which KEN may have the second."""
    p = ["ATLAS/SECRET/Releasable To=ATLAS", "ATLAS/RESTRICTED/Releasable To=ATLAS"]
    lists = ([], ["NOR"], ["KEN"], ["KEN", "NOR"], ["GBR"], ["USA"])
    for only, no in itertools.product((None,) + lists, lists):
        said = "only-to %s, not-to %s" % ("-" if only is None else "[%s]" % " ".join(only), "[%s]" % " ".join(no))
        yield one(said, only_to=only, not_to=no, portions=p)


def several():
    """Several agreements named: who wins, in which order, and those that cannot be used."""
    names = ("main", "second", "club", "asleep", "past", "sketch", "gone", "training", "nothing")
    for pair in list(itertools.permutations(names[:4], 2)) + [("main", n) for n in names[4:]] + [(n,) for n in names]:
        for c, topic in (("SECRET", "sea.piracy"), ("TOP SECRET", "sea.piracy"), ("SECRET", "sea.ice"),
                         ("SECRET", "air.x.plot")):
            p = "ATLAS/%s/Releasable To=ATLAS" % c
            yield one("%s %s %s" % (" ".join(pair), topic, c), agreements=list(pair), topic=topic, portions=[p])


def times():
    """The moment of the decision against validity and expiry."""
    for name, when in (("second", "2025-12-31T23:59:59.999999Z"), ("second", "2026-01-01T00:00:00Z"),
                       ("second", "2026-06-30T23:59:59.999999Z"), ("second", "2026-07-01T00:00:00Z")):
        yield one("%s at %s" % (name, when), agreements=[name], time=when)
    for end in (PAST, NOW, SOON):
        yield one("expires %s" % end, expires=end)


REVIEW = {"kind": "review", "agreement": "main", "rule": "urgent", "approver": "GBR"}
CONSENT = {"kind": "consent", "agreement": "main", "source": "s1", "approver": "USA"}
SIGNER = {"kind": "signer", "agreement": "main", "approver": "GBR"}
AT_NOR = {"recipient": "NOR", "portion": 0}
SOURCE = {"id": "s1", "originator": "USA", "agreement": "main", "onward_to": []}


def duties():
    """One obligation of each kind: when it was opened, and what was said to it."""
    raises = {"review": (REVIEW, {"precedence": "FLASH"}, ("2026-05-01T10:00:00Z", "2026-05-01T10:00:00.000001Z")),
              "consent": (CONSENT, {"sources": [SOURCE]}, ("2026-04-30T12:00:00Z", "2026-04-30T12:00:00.000001Z")),
              "signer": (SIGNER, {"signer": "revoked"}, ("2026-04-28T12:00:00Z", "2026-04-28T12:00:00.000001Z"))}
    said = {"nothing": [], "approved": [{}], "rejected": [{"decision": "reject"}],
            "approved and rejected": [{}, {"decision": "reject"}], "approved for KEN": [{"recipient": "KEN"}],
            "approved for portion 1": [{"portion": 1}], "approved by NOR": [{"approver": "NOR"}],
            "approved under second": [{"agreement": "second"}]}
    for kind, (what, delta, (missed, open_)) in raises.items():
        for opened, (words, answers) in itertools.product((None, missed, open_), said.items()):
            facts = dict(delta, approvals=[dict(what, decision="approve", **AT_NOR) | a for a in answers],
                         opened=[dict(what, time=opened, **AT_NOR)] if opened else None)
            yield one("%s, opened %s, %s" % (kind, opened or "now", words), **facts)


def together():
    """Two kinds of obligation, or an obligation beside what withholds: which reason is kept."""
    things = {"review": {"precedence": "FLASH"}, "consent": {"sources": [SOURCE]}, "signer": {"signer": "revoked"},
              "unknown source": {"sources": [dict(SOURCE, agreement=None)]},
              "onward": {"sources": [dict(SOURCE, agreement="second")]}, "audience": {"not_to": ["NOR"]},
              "expired": {"expires": NOW}, "classification": {"portions": ["ATLAS/TOP SECRET/Releasable To=ATLAS"]},
              "permissive": {"portions": ["ATLAS/SECRET/Releasable To=KEN"]},
              "forbidden": {"portions": ["ATLAS/SECRET/Releasable To=ATLAS; image/png"]},
              "no rule": {"portions": ["ATLAS/SECRET/Releasable To=ATLAS + TLP/AMBER"], "topic": "air.x.plot"},
              "rejected": {"precedence": "FLASH", "approvals": [dict(REVIEW, decision="reject", **AT_NOR)]},
              "timed out": {"precedence": "FLASH",
                            "opened": [dict(REVIEW, time="2026-04-01T00:00:00Z", **AT_NOR)]}}
    for x, y in itertools.combinations(things, 2):
        if not set(things[x]) & set(things[y]) - {"precedence"} and (x, y) != ("rejected", "timed out"):
            yield one("%s + %s" % (x, y), **things[x], **{k: v for k, v in things[y].items() if k not in things[x]})


def sources():
    """One source: whose it is, under which agreement it went to the publisher, who had it, who names it."""
    for who, under, had, via in itertools.product(
            ("GBR", "NOR", "USA"), ("main", "second", "club", "slow", "asleep", "past", "sketch", "gone", "nothing", None),
            ([], ["NOR"]), (None, "s0")):
        s = {"id": "s1", "originator": who, "agreement": under, "onward_to": had}
        said = "%s %s%s%s" % (who, under or "unknown", " had by NOR" if had else "", " via s0" if via else "")
        yield one(said, sources=[dict(s, via=via) if via else s])


def refusals():
    """Two faults in one report: the first in the order of the text is answered."""
    faults = {"malformed": {"topic": "a..b"}, "limit": {"topic": ".".join(["a"] * 17)}, "no-agreement": {"agreements": []},
              "not usable": {"agreements": ["nothing", "past"]}, "wrong mode": {"mode": "exercise"},
              "audience": {"only_to": ["XXX"]}, "audience, not-to": {"not_to": ["XXX"]},
              "unlabelled": {"portions": ["ATLAS/SECRET/Releasable To=ATLAS", ""]},
              "invalid label": {"portions": ["ATLAS/SECRET/Releasable To=XXX"]},
              "no portion": {"portions": []}, "not originate": {"originator": "KEN"},
              "too urgent": {"originator": "NOR", "precedence": "FLASH"}}
    for x in faults:
        yield one(x, **faults[x])
    for x, y in itertools.combinations(faults, 2):
        if not set(faults[x]) & set(faults[y]):
            yield one("%s + %s" % (x, y), **faults[x], **faults[y])


def later():
    """Decided again: which agreements released or held it before, and what has become of them."""
    names = ("main", "second", "asleep", "asleep-strict", "past", "nothing")
    for before in [c for n in (0, 1, 2) for c in itertools.combinations(names, n)]:
        for c in ("UNCLASSIFIED", "SECRET", "TOP SECRET"):
            yield one("%s %s" % ("+".join(before) or "none", c), agreements=list(names),
                      before=[{"recipient": "NOR", "portion": 0, "agreements": list(before)}], topic="sea.piracy",
                      portions=["ATLAS/%s/Releasable To=ATLAS" % c])


def outcomes():
    """Three portions for NOR: what the whole becomes."""
    kinds = {"released": "ATLAS/RESTRICTED/Releasable To=ATLAS", "held": "ATLAS/SECRET/Releasable To=ATLAS",
             "withheld": "ATLAS/TOP SECRET/Releasable To=ATLAS"}
    for picked in itertools.product(kinds, repeat=3):
        yield one(" ".join(picked), precedence="FLASH", not_to=["KEN"], portions=[kinds[k] for k in picked])


TABLES = (labels, national, rules, audience, several, times, duties, together, sources, refusals, later, outcomes)


def made(relto, table):
    rows = list(table())
    lines = "".join(json.dumps(run.facts_of(delta)) + "\n" for _, delta in rows)
    got = subprocess.run([relto, "policy", "eval", str(HERE / "cases"), "--jsonl"], input=lines.encode(),
                         capture_output=True, check=True)
    answers = got.stdout.decode().splitlines()
    assert len(answers) == len(rows), "%s: %d answers for %d rows" % (table.__name__, len(answers), len(rows))
    assert len({said for said, _ in rows}) == len(rows), table.__name__
    wide = max(len(said) for said, _ in rows)
    out = ["# %s\n" % table.__doc__.strip()]
    for (said, _), a in zip(rows, answers):
        out.append("%-*s -> %s\n" % (wide, said, " ; ".join(run.shown(json.loads(a)))))
    return out


def main():
    relto, write = sys.argv[1], "--write" in sys.argv[2:]
    total = wrong = 0
    for table in TABLES:
        path = FOLDER / (table.__name__ + ".table")
        now = made(relto, table)
        total += len(now) - 1
        if write:
            FOLDER.mkdir(exist_ok=True)
            path.write_text("".join(now))
        then = path.read_text().splitlines(keepends=True) if path.exists() else []
        diff = list(difflib.unified_diff(then, now, path.name, "what relto says now", n=0))
        wrong += sum(1 for d in diff[2:] if d[0] in "+-")
        sys.stdout.writelines(diff[:40])
    print("%d tables, %d rows, %d lines differ" % (len(TABLES), total, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
