"""model.py - the second evaluator of the release decision (docs/design.md, sections 3 and 5).

Written from the text alone.  It works on plain Python structures (gen.py describes them), never on policy files,
so it shares neither code nor a parser with the C kernel.  Readings of places where the text leaves room are listed
in AMBIGUITIES.md; the code names them as (A1), (A2), ...
"""
import calendar
import functools
import re

PRECEDENCES = ("ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH")
DAY_US = 86400 * 1000000
SIGNER_WITHIN_S = 72 * 3600
CONSENT_WITHIN_S = 72 * 3600
FOR_EVER = 2 ** 64 - 1

# Every reason of a withheld portion, in the order in which the first that applies is kept.
WITHHOLD = ("audience", "expired", "invalid-label", "no-clearance", "no-equivalence", "classification", "restrictive",
            "permissive", "no-releasability", "no-rule", "forbidden", "unknown-source", "onward", "rejected",
            "timed-out")


@functools.lru_cache(None)
def fold(name):
    """The form in which names of vocabularies, classifications, categories and values compare."""
    name = re.sub("[ \t\r\n]+", " ", name).strip(" ")
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in name)


TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z\Z")


@functools.lru_cache(100000)
def time_us(text):
    y, mo, d, h, mi, s = (int(g) for g in TIME.match(text).groups()[:6])
    fraction = TIME.match(text).group(7) or ""
    return calendar.timegm((y, mo, d, h, mi, s)) * 1000000 + int(fraction.ljust(6, "0"))


@functools.lru_cache(None)
def date_us(text):
    y, m, d = (int(x) for x in text.split("-"))
    return calendar.timegm((y, m, d, 0, 0, 0)) * 1000000


def topic_matches(pattern, topic):
    p, t = pattern.split("."), topic.split(".")
    if p[-1] == ">":
        return len(t) >= len(p) and all(a in ("*", b) for a, b in zip(p[:-1], t))
    return len(p) == len(t) and all(a in ("*", b) for a, b in zip(p, t))


def content_matches(pattern, content_type):
    kind, _, sub = content_type.split(";")[0].strip(" \t").lower().partition("/")
    want_kind, _, want_sub = pattern.lower().partition("/")
    return kind == want_kind and want_sub in ("*", sub)


# ---- vocabularies ----

class Value:
    def __init__(self, spec, tag, category):
        self.name, self.lacv = spec["name"], spec["lacv"]
        self.tag, self.category = tag, category  # category: (folded set name, kind)
        self.kind = category[1]
        self.spec = spec


class Tag:
    def __init__(self, spec):
        self.low = spec["min"] or 0
        self.high = spec["max"]
        if spec["single"]:
            self.high = 1 if self.high is None else min(1, self.high)
        self.enumerated = spec["enumerated"]


class Classification:
    def __init__(self, spec):
        self.name, self.rank, self.obsolete, self.required = (
            fold(spec["name"]), spec["rank"], spec["obsolete"], spec["required"])


class Vocabulary:
    def __init__(self, spec):
        self.name = fold(spec["name"])
        self.releasability = spec["releasability"] and fold(spec["releasability"])
        self.classes = {fold(c["name"]): Classification(c) for c in spec["classes"]}
        self.sets, self.tags = {}, []
        for s in spec["sets"]:
            values = self.sets[fold(s["name"])] = {}
            for t in s["tags"]:
                tag = Tag(t)
                self.tags.append(tag)
                for v in t["values"]:
                    values[fold(v["name"])] = Value(v, tag, (fold(s["name"]), t["kind"]))

    def meant(self, ref):
        """The values that a reference of a constraint names."""
        out = [v for v in self.sets[fold(ref["set"])].values() if v.kind == ref["kind"]]
        if ref["lacv"] is None or ref["all"]:
            return out
        return [v for v in out if v.lacv == ref["lacv"] and v.tag.enumerated == ref["enumerated"]]


class Label:
    """A label whose every name is known to its vocabulary."""

    def __init__(self, vocabulary, classification, values):
        self.vocabulary, self.classification, self.values = vocabulary, classification, values

    def has(self, category, value):
        names = {v for v in self.values if v.category[0] == fold(category)}
        return any(value is None or fold(v.name) == fold(value) for v in names)

    def categories(self, kind):
        out = {}
        for v in self.values:
            if v.kind == kind:
                out.setdefault(v.category, []).append(v)
        return out.values()


def required_met(vocabulary, rule, values):
    """(A1) the references of a requiredCategory are expanded to values, then counted."""
    wanted = {v for ref in rule["refs"] for v in vocabulary.meant(ref)}
    held = len(wanted & values)
    return {"onlyOne": held == 1, "oneOrMore": held >= 1, "all": held == len(wanted)}[rule["op"]]


def spif_refuses(label, time):
    """Whether the SPIF of its vocabulary refuses the label of a report accepted at 'time' (A10)."""
    vocabulary, c, values = label.vocabulary, label.classification, label.values
    if c.obsolete or not all(required_met(vocabulary, r, values) for r in c.required):
        return True
    for v in values:
        s = v.spec
        if s["obsolete"] or (s["not_before"] and time < time_us(s["not_before"])) \
                or (s["not_after"] and time > time_us(s["not_after"])):
            return True
        if c.name in (fold(x) for x in s["excluded_classes"]):
            return True
        if s["required_class"] and fold(s["required_class"]) != c.name:
            return True
        if not all(required_met(vocabulary, r, values) for r in s["required"]):
            return True
        if any(other is not v and other in values for ref in s["excluded"] for other in vocabulary.meant(ref)):
            return True
    for tag in vocabulary.tags:
        n = sum(v.tag is tag for v in values)
        if n < tag.low or (tag.high is not None and n > tag.high):
            return True
    return False


# ---- agreements ----

class Clearance:
    def __init__(self, spec, vocabulary):
        if spec["up_to"] is not None:
            top = vocabulary.classes[fold(spec["up_to"])].rank
            self.classes = {n for n, c in vocabulary.classes.items() if c.rank <= top}
        else:
            self.classes = {fold(n) for n in spec["classes"]}
        self.values = {vocabulary.sets[fold(s)][fold(v)] for s, names in spec["categories"] for v in names}


class Equivalence:
    def __init__(self, spec, vocabularies):
        source, self.target = vocabularies[fold(spec["from"])], vocabularies[fold(spec["to"])]
        self.classes = {fold(a): self.target.classes[fold(b)] for a, b in spec["classes"]}
        self.values = {source.sets[fold(a)][fold(x)]: self.target.sets[fold(b)][fold(y)]
                       for a, x, b, y in spec["values"]}

    def map(self, label, time):
        """The label in the target vocabulary, or None."""
        c = self.classes.get(label.classification.name)
        if c is None:
            return None
        values = set()
        for v in label.values:
            image = self.values.get(v)
            if image is not None:
                values.add(image)
            elif v.kind != "informative":
                return None
        out = Label(self.target, c, values)
        return None if spif_refuses(out, time) else out


class Agreement:
    def __init__(self, spec, vocabularies, suspended):
        self.name, self.spec, self.suspended = spec["name"], spec, spec["name"] in suspended
        self.members = {m["party"]: m for m in spec["members"]}
        self.clearances = {m["party"]: {fold(c["vocabulary"]): Clearance(c, vocabularies[fold(c["vocabulary"])])
                                        for c in m["clearances"]} for m in spec["members"]}
        self.equivalences = {fold(e["from"]): Equivalence(e, vocabularies) for e in spec["equivalences"]}
        self.vocabularies = vocabularies
        onward = spec["onward"] or {"kind": "consent", "within": None}
        self.onward = onward["kind"]
        self.end_us = date_us(spec["until"]) + DAY_US
        self.consent_us = (onward["within"] or CONSENT_WITHIN_S) * 1000000

    def in_force(self, time):
        return (self.spec["state"] == "in-force"
                and date_us(self.spec["from"]) <= time < self.end_us)

    def usable(self, facts, but_suspended=False):
        m = self.members.get(facts["originator"])
        return (self.in_force(facts["time_us"]) and (but_suspended or not self.suspended)
                and m is not None and m["originate"]
                and any(topic_matches(p, facts["topic"]) for p in self.spec["topics"])
                and PRECEDENCES.index(facts["precedence"]) <= PRECEDENCES.index(m["at_most"] or "PRIORITY")
                and self.spec["mode"] == facts["mode"])

    def receives(self, party):
        return party in self.members and self.members[party]["receive"]


class Policy:
    def __init__(self, spec):
        self.vocabularies = {fold(v["name"]): Vocabulary(v) for v in spec["vocabularies"]}
        self.agreements = {a["name"]: Agreement(a, self.vocabularies, spec["suspended"]) for a in spec["agreements"]}


# ---- one question: agreement, recipient, portion ----

def label_condition(cond, label):
    if cond["op"] == "is":
        return label.classification.name == fold(cond["class"])
    if cond["op"] in ("at-most", "at-least"):
        bound = label.vocabulary.classes[fold(cond["class"])].rank
        return label.classification.rank <= bound if cond["op"] == "at-most" else label.classification.rank >= bound
    return label.has(cond["category"], cond["value"]) == (cond["op"] == "has")


def precedence_condition(op, bound, precedence):
    have, want = PRECEDENCES.index(precedence), PRECEDENCES.index(bound)
    return have <= want if op == "at-most" else have >= want


class Ask:
    """One agreement, one recipient, one portion, judged under 'facts'."""

    def __init__(self, policy, agreement, facts, recipient, number):
        self.policy, self.a, self.facts, self.r, self.number = policy, agreement, facts, recipient, number
        self.portion = facts["portions"][number]
        self.written = facts["labels"][number]  # Label, or None where the vocabulary does not know it
        self.mapped = []  # as mapped, in order; None: could not be
        self.why = set()  # reasons to withhold, of all checks
        self.label_reason = None
        self.open = {}  # (kind, subject, approver) -> how it stands: deadline, fresh, indirect
        self.rests_on = []  # ends of agreements that step 6 needs in force

    def withhold(self, reason):
        self.why.add(reason)

    # step 3
    def one_label(self, label):
        """(the label as mapped or None, the first reason of this label or None)"""
        if label is None:
            return None, "invalid-label"
        clearances = self.a.clearances[self.r]
        got, clearance = label, clearances.get(label.vocabulary.name)
        if clearance is None:
            e = self.a.equivalences.get(label.vocabulary.name)
            clearance = e and clearances.get(e.target.name)
            if clearance is None:
                return None, "no-clearance"
            got = e.map(label, self.facts["accepted_us"])
            if got is None:
                return None, "no-equivalence"
        if got.classification.name not in clearance.classes:
            return got, "classification"
        if any(v.kind == "restrictive" and v not in clearance.values for v in got.values):
            return got, "restrictive"
        if not all(any(v in clearance.values for v in values) for values in got.categories("permissive")):
            return got, "permissive"
        if not self.a.spec["unmarked_labels"] and (self.unmarked(label) or self.unmarked(got)):
            return got, "no-releasability"
        return got, None

    @staticmethod
    def unmarked(label):
        wanted = label.vocabulary.releasability
        return wanted is not None and (wanted, "permissive") not in {v.category for v in label.values}

    def check_labels(self):
        for label in self.written:
            got, reason = self.one_label(label)
            self.mapped.append(got)
            if reason and self.label_reason is None:
                self.label_reason = reason
        if self.label_reason is None and not self.a.spec["unmarked_portions"] \
                and not any(l is not None and l.vocabulary.releasability for l in self.mapped):
            self.label_reason = "no-releasability"
        if self.label_reason:
            self.withhold(self.label_reason)

    # rules
    def rule_matches(self, rule):
        f = self.facts
        if not all(c == "any" or f["originator"] in c for c in rule["from"]) \
                or not all(c == "any" or self.r in c for c in rule["to"]) \
                or not all(topic_matches(p, f["topic"]) for p in rule["topics"]) \
                or not all(precedence_condition(op, p, f["precedence"]) for op, p in rule["precedence"]) \
                or not all(content_matches(p, self.portion["content_type"]) for p in rule["content"]):
            return False
        as_mapped = [m or w for m, w in zip(self.mapped, self.written)]
        for cond in rule["labels"]:
            wanted = self.policy.vocabularies[fold(cond["vocabulary"])]
            if rule["action"] == "release":
                seen = [l for l in as_mapped if l is not None and l.vocabulary is wanted]
                if not seen or not all(label_condition(cond, l) for l in seen):
                    return False
            else:
                seen = [l for l in list(self.written) + self.mapped if l is not None and l.vocabulary is wanted]
                if not any(label_condition(cond, l) for l in seen):
                    return False
        return True

    def matching(self, action):
        return [r for r in self.a.spec["rules"] if r["action"] == action and self.rule_matches(r)]

    def check_coverage(self):
        """Step 4; gives the names of the rules that cover."""
        cover, names = self.matching("release"), set()
        for mapped, written in zip(self.mapped, self.written):
            label = mapped or written
            mine = label and [r["name"] for r in cover if any(
                fold(c["vocabulary"]) == label.vocabulary.name for c in r["labels"])]
            if not mine:
                self.withhold("no-rule")
            else:
                names.update(mine)
        return names

    # steps 6 and 7
    def check_sources(self):
        obligations = {}
        for s in self.facts["sources"]:
            if s["agreement"] is None:
                self.withhold("onward" if s.get("via") is not None else "unknown-source")
                continue
            if s["originator"] in (self.facts["originator"], self.r):
                continue
            under = self.policy.agreements.get(s["agreement"])
            if under is None or under.onward == "prohibited":
                self.withhold("onward")
            elif under.onward == "members":
                if not (under.in_force(self.facts["time_us"]) and self.r in s["onward_to"]):
                    self.withhold("onward")
                self.rests_on.append(under.end_us)
            else:
                key, hidden = ("consent", s["id"], s["originator"]), s.get("via") is not None
                within, indirect = obligations.get(key, (under.consent_us, True))
                obligations[key] = min(within, under.consent_us), indirect and hidden
        return obligations

    def check_obligations(self, obligations):
        """'obligations': (kind, subject, approver) -> (how long, in µs; whether on a source that the report hides)."""
        for what, (within, indirect) in obligations.items():
            said = {x["decision"] for x in self.facts["approvals"] if self.is_for(x, what)}
            if "reject" in said:
                self.withhold("rejected")
            elif "approve" not in said:
                before = [time_us(x["time"]) for x in self.facts["opened"] if self.is_for(x, what)]
                deadline = min(before + [self.facts["time_us"]] * (not before)) + within
                if self.facts["time_us"] >= deadline:
                    self.withhold("timed-out")
                self.open[what] = {"deadline": deadline, "fresh": not before, "indirect": indirect}

    def is_for(self, entry, what):
        kind, subject, approver = what
        return (entry["kind"] == kind and entry["agreement"] == self.a.name and entry["approver"] == approver
                and {"review": entry.get("rule"), "consent": entry.get("source")}.get(kind) == subject
                and entry["recipient"] == self.r and entry["portion"] == self.number)

    def judge(self):
        f = self.facts
        if (f["only_to"] is not None and self.r not in f["only_to"]) or self.r in f["not_to"]:
            self.withhold("audience")
        if f["expires"] is not None and time_us(f["expires"]) <= f["time_us"]:
            self.withhold("expired")
        self.check_labels()
        cover = self.check_coverage()
        forbidding = [r["name"] for r in self.matching("withhold")]
        if forbidding:
            self.withhold("forbidden")
        obligations = self.check_sources()
        for rule in self.matching("hold"):
            approver = {"originator": f["originator"], "recipient": self.r}.get(rule["approver"], rule["approver"])
            obligations[("review", rule["name"], approver)] = rule["within"] * 1000000, False
        if f["signer"] == "revoked":
            obligations[("signer", None, f["originator"])] = SIGNER_WITHIN_S * 1000000, False
        self.check_obligations(obligations)
        return self.answer(cover, forbidding)

    def answer(self, cover, forbidding):
        if self.why:
            reason = min(self.why, key=WITHHOLD.index)
            rule = least(forbidding) if reason == "forbidden" else None
            return self.verdict("withhold", reason, rule, {})
        if not self.open:
            return self.verdict("release", "release", least(cover), {})
        kinds = {kind for kind, _, _ in self.open}
        if "signer" in kinds:
            return self.verdict("hold", "signer-revoked", None, self.open)
        if "consent" in kinds:
            return self.verdict("hold", "consent", None, self.open)
        return self.verdict("hold", "review", least(s for _, s, _ in self.open), self.open)

    def verdict(self, verdict, reason, rule, open_ones):
        order = ("signer", "consent", "review")
        shown = []
        for kind, subject, approver in sorted(open_ones, key=lambda o: (order.index(o[0]), (o[1] or "").encode(),
                                                                          o[2].encode())):
            entry = {"kind": kind, "agreement": self.a.name, "approver": approver}
            if kind != "signer":
                entry["rule" if kind == "review" else "source"] = subject
            shown.append(dict(entry, **open_ones[kind, subject, approver]))
        if verdict != "withhold":
            self.facts["ends"] += self.rests_on
        return {"portion": self.number, "verdict": verdict, "agreement": self.a.name, "reason": reason, "rule": rule,
                "obligations": shown}


def least(names):
    return min(names, key=str.encode)


# ---- the whole report ----

RANK = {"release": 0, "hold": 1, "withhold": 2}


def resolve(policy, label):
    """A Label, or None where the vocabulary, or a name in it, is unknown or the form is wrong."""
    vocabulary = policy.vocabularies.get(fold(label["vocabulary"]))
    if vocabulary is None:
        return None
    classification = vocabulary.classes.get(fold(label["classification"]))
    names = [fold(n) for n in label["categories"]]
    if classification is None or len(set(names)) != len(names):
        return None
    values = set()
    for name, listed in label["categories"].items():
        known = vocabulary.sets.get(fold(name))
        if known is None or not listed or any(fold(v) not in known for v in listed):
            return None
        values.update(known[fold(v)] for v in listed)
    return Label(vocabulary, classification, values)


def over_limit(facts):
    topic = facts["topic"]
    return (len(topic.encode()) > 255 or len(topic.split(".")) > 16 or len(facts["agreements"]) > 8
            or len(facts["only_to"] or []) > 256 or len(facts["not_to"]) > 256 or len(facts["portions"]) > 256
            or len({s["id"] for s in facts["sources"] if s.get("via") is None}) > 32
            or len({s["id"] for s in facts["sources"]}) > 256
            or any(len(p["labels"]) > 4 for p in facts["portions"])
            or any(len(l["categories"]) > 32 or any(len(v) > 256 for v in l["categories"].values())
                   for p in facts["portions"] for l in p["labels"]))


def prepare(policy, given):
    facts = dict(given)
    facts["time_us"] = time_us(given["time"])
    facts["accepted_us"] = time_us(given.get("accepted", given["time"]))
    facts["signer"] = given.get("signer", "good")
    facts["backfill"] = given.get("backfill")
    facts["before"] = given.get("before") if facts["backfill"] is None else given.get("before") or []
    facts["opened"] = given.get("opened") or []
    facts["ends"] = []  # of all that the decision rests on, where it comes up
    facts["labels"] = [[resolve(policy, l) for l in p["labels"]] for p in given["portions"]]
    return facts


def refusal(facts, usable, named):
    if over_limit(facts):
        return "limit"
    if not named:
        return "no-agreement"
    if not usable:
        return "agreement-not-usable"
    members = {m for a in usable for m in a.members}
    if any(n not in members for n in list(facts["only_to"] or []) + facts["not_to"]):
        return "unknown-audience"
    if any(not p["labels"] for p in facts["portions"]):
        return "unlabelled"
    for labels in facts["labels"]:
        if any(l is None or spif_refuses(l, facts["accepted_us"]) for l in labels) \
                or len({l.vocabulary.name for l in labels}) != len(labels):
            return "invalid-label"
    return None


def outcome(verdicts):
    kinds = {v["verdict"] for v in verdicts}
    if kinds == {"release"}:
        return "release"
    if "hold" in kinds:
        return "hold"
    return "redact" if "release" in kinds else "withhold"


def nothing(number, verdict, reason):
    return {"portion": number, "verdict": verdict, "agreement": None, "reason": reason, "rule": None,
            "obligations": []}


def best(verdicts):
    """The most permissive; of equal ones the first, and 'verdicts' are in the order of the report."""
    return min(verdicts, key=lambda v: RANK[v["verdict"]])


def masked(facts, verdict, judged):
    """'verdict' with the bits of those of 'judged' (agreement, verdict) that release or hold."""
    named = facts["agreements"]
    return dict(verdict, mask=sum(1 << named.index(a.name) for a, v in judged if v["verdict"] != "withhold"))


def usable_of(policy, facts, named, later):
    """The agreements of these names that can be used, in their order."""
    return [policy.agreements[n] for n in named
            if n in policy.agreements and policy.agreements[n].usable(facts, but_suspended=later)]


def first_portion(policy, facts, usable, recipient, number):
    judged = [(a, Ask(policy, a, facts, recipient, number).judge()) for a in usable if a.receives(recipient)]
    return masked(facts, best([v for _, v in judged]), judged)


def backfills(facts, agreement):
    """Who was not judged when the report came gets it by three things: the report asks for it, the agreement had it then, it
    has it now."""
    return facts["backfill"]["asked"] and agreement.name in facts["backfill"]["agreements"] and agreement.spec["backfill"]


def backfill_under(policy, facts, named):
    """The agreements under which the first decision for its recipient is made: none, and there is none."""
    to = facts["backfill"]["recipient"]
    return [a for a in usable_of(policy, facts, named, True)
            if backfills(facts, a) and not a.suspended and a.receives(to) and to != facts["originator"]]


def later_portion(policy, facts, named, recipient, number):
    judged = [(a, Ask(policy, a, facts, recipient, number).judge()) for a in usable_of(policy, facts, named, True)
              if a.receives(recipient) and recipient != facts["originator"]
              and (facts["backfill"] is None or backfills(facts, a))]
    kept = {n for b in facts["before"] if b["recipient"] == recipient and b["portion"] == number
            for n in b["agreements"]}
    if not kept:
        return masked(facts, nothing(number, "withhold", "not-released-before"), [])
    judged = [(a, v) for a, v in judged if a.name in kept]
    if not judged:
        return masked(facts, nothing(number, "withhold", "agreement-ended"), [])
    live = [v for a, v in judged if not a.suspended]
    if live and best(live)["verdict"] != "withhold":
        return masked(facts, best(live), judged)
    if best([v for _, v in judged])["verdict"] != "withhold":
        return masked(facts, nothing(number, "hold", "suspended"), judged)
    return masked(facts, best([v for _, v in judged]), judged)  # (A2) suspended ones count in a tie of withholds


def good_until(facts, usable, decisions):
    """S5: the first moment at which something that the decision rests on ends (A19)."""
    ends = facts["ends"] + [a.end_us for a in usable]
    ends += [] if facts["expires"] is None else [time_us(facts["expires"])]
    ends += [o["deadline"] for d in decisions for p in d["portions"] for o in p["obligations"]]
    return min([t for t in ends if t > facts["time_us"]], default=FOR_EVER)


def decide_whole(policy, given):
    """The decision with all that is kept of it: masks, deadlines, and until when it is good."""
    facts = prepare(policy, given)
    later = facts["before"] is not None
    named = list(dict.fromkeys(facts["agreements"]))
    usable = usable_of(policy, facts, named, later)
    if facts["backfill"] is not None and not facts["before"]:
        under = backfill_under(policy, facts, named)
        recipients = {facts["backfill"]["recipient"]} if under else set()

        def portion(r, n):
            return first_portion(policy, facts, under, r, n)
    elif later:
        recipients = {b["recipient"] for b in facts["before"]}

        def portion(r, n):
            return later_portion(policy, facts, named, r, n)
    else:
        why = refusal(facts, usable, named)
        if why:
            return {"refused": why}
        recipients = {m for a in usable for m in a.members if a.receives(m) and m != facts["originator"]}

        def portion(r, n):
            return first_portion(policy, facts, usable, r, n)
    decisions = []
    for r in sorted(recipients, key=str.encode):
        portions = [portion(r, n) for n in range(len(facts["portions"]))]
        decisions.append({"recipient": r, "outcome": outcome(portions), "portions": portions})
    return {"decisions": decisions, "good_until": good_until(facts, usable, decisions)}


def shown(whole):
    """Of a whole decision what `relto policy eval` prints."""
    if "refused" in whole:
        return whole
    inner = ("deadline", "fresh", "indirect", "mask")

    def bare(thing):
        if isinstance(thing, list):
            return [bare(x) for x in thing]
        return {k: bare(v) for k, v in thing.items() if k not in inner} if isinstance(thing, dict) else thing
    return {"decisions": bare(whole["decisions"])}


def decide(policy, given):
    """What `relto policy eval --jsonl` must answer to these facts, as a Python structure."""
    return shown(decide_whole(policy, given))
