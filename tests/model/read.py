"""read.py - a canonical policy export (docs/design.md, section 4) as the structures of gen.py, and its terms digests.

text.py writes policies; this reads them back: what the log keeps of a policy is its export, and a decision is judged
again by that and by nothing else.
"""
import hashlib
import re

import model

TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([\[\]{}])|([^\s"\[\]{}]+)')
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def tokens(line):
    """(text, whether it is a bracket) of each token."""
    for quoted, bracket, word in TOKEN.findall(line):
        yield (bracket, True) if bracket else (re.sub(r"\\(.)", r"\1", quoted) or word, False)


class Statement:
    """words[0] is its name; a list among the words is a Python list; 'block' are the statements within."""

    def __init__(self, line):
        self.line, self.words, self.block, into = line, [], [], None
        for text, bracket in tokens(line):
            if (text, bracket) == ("[", True):
                into = []
            elif (text, bracket) == ("]", True):
                self.words.append(into)
                into = None
            elif not bracket:
                (self.words if into is None else into).append(text)

    def all(self, name):
        return [s for s in self.block if s.words[0] == name]

    def one(self, name, default=None):
        return next((s.words[1:] for s in self.block if s.words[0] == name), default)

    def lines(self, but=(), level=0):
        """The text again, without the statements of the names in 'but'."""
        out = ["    " * level + self.line]
        for s in self.block:
            if s.words[0] not in but:
                out += s.lines((), level + 1)
        return out + ["    " * level + "}"] if self.line.endswith("{") else out


def parse(text):
    """The statements of an export."""
    top = Statement("{")
    stack = [top]
    for line in text.splitlines():
        line = line.strip()
        if line == "}":
            stack.pop()
            continue
        s = Statement(line)
        stack[-1].block.append(s)
        if line.endswith("{"):
            stack.append(s)
    if stack != [top]:
        raise ValueError("a block that is not closed")
    return top


def seconds(text):
    number, unit = re.match(r"(\d+)([a-z]+)\Z", text).groups()
    return int(number) * UNITS[unit]


def read_clearance(s):
    return {"vocabulary": s.words[1], "up_to": None, "classes": s.words[2],
            "categories": [[c.words[0], c.words[1]] for c in s.block]}


def read_member(s):
    may = s.one("may")[0]
    return {"party": s.words[1], "originate": "originate" in may, "receive": "receive" in may,
            "at_most": s.one("precedence")[1], "clearances": [read_clearance(c) for c in s.all("clearance")]}


def read_label(s):
    out = {"vocabulary": s.words[1], "op": s.words[2]}
    if s.words[2] in ("has", "lacks"):
        out.update(category=s.words[3], value=s.words[4] if len(s.words) > 4 else None)
    else:
        out["class"] = s.words[3]
    return out


def read_rule(s):
    out = {"name": s.words[1], "from": [c.words[1] for c in s.all("from")], "to": [c.words[1] for c in s.all("to")],
           "topics": [c.words[1] for c in s.all("topic")], "content": [c.words[1] for c in s.all("content-type")],
           "precedence": [c.words[1:] for c in s.all("precedence")], "labels": [read_label(c) for c in s.all("label")],
           "action": "hold", "approver": None, "within": None}
    held = s.one("hold")
    if held:
        out.update(approver=held[1], within=seconds(held[3]))
    else:
        out["action"] = "release" if s.one("release") is not None else "withhold"
    return out


def read_equivalence(s):
    return {"from": s.words[1], "to": s.words[3], "classes": [c.words[1:] for c in s.all("classification")],
            "values": [c.words[1:] for c in s.all("category")]}


def read_agreement(s):
    valid, onward = s.one("valid"), s.one("onward")
    return {"name": s.words[1], "from": valid[1], "until": valid[3], "state": s.one("state")[0], "mode": s.one("mode")[0],
            "version": int(s.one("version")[0]), "topics": s.one("topics")[0], "backfill": s.one("backfill") is not None,
            "require_cosign": s.one("require-cosign") is not None,
            "unmarked_labels": s.one("unmarked-labels") is not None,
            "unmarked_portions": s.one("unmarked-portions") is not None,
            "onward": {"kind": onward[0], "within": seconds(onward[2]) if len(onward) > 2 else None},
            "members": [read_member(m) for m in s.all("member")], "rules": [read_rule(r) for r in s.all("rule")],
            "equivalences": [read_equivalence(e) for e in s.all("equivalence")]}


def read_policy(text, spif):
    """The structure of gen.py; 'spif' gives a vocabulary's structure for the hex digest of its file."""
    top = parse(text)
    vocabularies = [dict(spif(v.one("spif")[1]), releasability=(v.one("releasability") or [None])[0])
                    for v in top.all("vocabulary")]
    return {"vocabularies": vocabularies, "parties": [p.words[1] for p in top.all("party")],
            "suspended": [s.words[1] for s in top.all("suspend")],
            "agreements": [read_agreement(a) for a in top.all("agreement")]}


# ---- terms ----

def named(a):
    """The vocabularies that an agreement's statement names, folded."""
    names = [c.words[1] for m in a.all("member") for c in m.all("clearance")]
    names += [w for e in a.all("equivalence") for w in (e.words[1], e.words[3])]
    names += [c.words[1] for r in a.all("rule") for c in r.all("label")]
    return {model.fold(n) for n in names}


def terms(text):
    """The text of each agreement's terms, by name."""
    top, out = parse(text), {}
    parties = {p.words[1]: p for p in top.all("party")}
    for a in top.all("agreement"):
        rests = ["vocabulary %s spif %s" % (v.line.split(" ", 1)[1][:-2], v.one("spif")[1])
                 + "".join(" " + s.line for s in v.all("releasability"))
                 for v in top.all("vocabulary") if model.fold(v.words[1]) in named(a)]
        for m in a.all("member"):
            party = parties[m.words[1]]
            rests += ["anchor %s %s %s" % (m.words[1], party.one("trust-domain")[0], anchor.words[1])
                      for anchor in party.all("anchor")]
        out[a.words[1]] = "".join(line + "\n" for line in a.lines(("state",)) + sorted(rests))
    return out


def terms_digests(text):
    return {name: hashlib.sha256(t.encode()).digest() for name, t in terms(text).items()}
