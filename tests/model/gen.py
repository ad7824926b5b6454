"""gen.py - random vocabularies, policies and reports for the differential test.

A policy is a plain structure of dicts and lists (so it can be shrunk element by element and stored as JSON):

    {"vocabularies": [{"name", "releasability", "classes": [..], "sets": [..]}], "parties": [..], "suspended": [..],
     "agreements": [{"name", "from", "until", "state", "mode", "topics", "members", "equivalences", "rules", ..}]}

Everything is drawn from one random.Random, so a seed says it all.  The draws lean towards edges: times at the first
and last moment, classifications of equal hierarchy, sparse lists, deadlines hit exactly.
"""
import datetime
import json

import model

PARTIES = ["GBR", "NOR", "KEN", "DEU", "ita", "P_1", "Z-9", "HUB"]
CLASS_NAMES = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET", "TOP SECRET", "CLEAR", "GREEN", "AMBER",
               "AMBER+STRICT", "RED", "Très secret", "NO"]
SET_NAMES = ["Releasable To", "Handling", "Caveat", "Context", "Eyes Only", "Ønsker", "release"]
VALUE_NAMES = ["GBR", "NOR", "KEN", "ATLAS", "FININT", "ORCON", "UK", "UKNOR", "any", "Eyes of X", "ä", "Ä", "NO",
               "AMBER", "x-1", "4"]
VOCABULARY_NAMES = ["ATLAS", "TLP", "GBR-NATIONAL", "Nordic CTI", "V4"]
TOPICS = ["maritime.piracy", "maritime.piracy.gulf", "cyber.indicators.ip", "cyber", "cyber.indicators", "a-b.C_1"]
PATTERNS = ["maritime.>", "maritime.*", "cyber.indicators.*", ">", "*", "*.*", "cyber", "*.indicators.>",
            "maritime.piracy", "cyber.>"]
CONTENT = ["text/plain", "text/html", "Text/Plain; charset=utf-8", "application/stix+json;version=2.1",
           "application/octet-stream"]
CONTENT_PATTERNS = ["text/plain", "text/*", "TEXT/*", "application/*", "application/stix+json", "image/png"]
WITHIN = [1, 60, 90, 3600, 7200, 86400, 259200]
SOURCES = ["0197%04x-%04x-7000-8000-%012x" % (n, n * 7, n * 1234567) for n in range(1, 8)]


def chance(r, p):
    return r.random() < p


def some(r, items, least=0, most=None):
    items = list(items)
    most = len(items) if most is None else min(most, len(items))
    return r.sample(items, r.randint(min(least, most), most))


# ---- vocabularies ----

def gen_reference(r, sets, own=None, whole=True):
    """A reference to a value, or to all of one tag, of one of the sets."""
    s = r.choice(sets)
    t = r.choice(s["tags"])
    v = r.choice(t["values"])
    if v is own:
        return None
    ref = {"set": s["name"], "kind": t["kind"], "enumerated": t["enumerated"], "lacv": v["lacv"], "all": False}
    if whole and chance(r, 0.3):
        ref["all"] = chance(r, 0.5)
        if not ref["all"] or chance(r, 0.5):
            ref["lacv"] = None
    return ref


def gen_required(r, sets, own=None):
    refs = [ref for ref in (gen_reference(r, sets, own) for _ in range(r.randint(1, 3))) if ref]
    return {"op": r.choice(["onlyOne", "oneOrMore", "all"]), "refs": refs} if refs else None


def gen_tag(r, n, names, lacv, kind):
    values = []
    for name in names:
        values.append({"name": name, "lacv": lacv[0], "obsolete": chance(r, 0.06), "not_before": None,
                       "not_after": None, "required_class": None, "excluded_classes": [], "required": [],
                       "excluded": []})
        lacv[0] += r.randint(1, 3)
        if chance(r, 0.05):
            values[-1]["not_before"] = r.choice(["2026-06-01T00:00:00Z", "2026-06-02T12:00:00Z"])
        if chance(r, 0.05):
            values[-1]["not_after"] = r.choice(["2026-06-01T00:00:00Z", "2026-06-30T23:59:59Z"])
    tag = {"name": "tag %d" % n, "kind": kind, "enumerated": chance(r, 0.3) and kind != "informative",
           "min": None, "max": None, "single": chance(r, 0.08), "values": values}
    if chance(r, 0.07):
        tag["min"] = r.randint(0, 2) if not tag["single"] else r.randint(0, 1)
    if chance(r, 0.1):
        tag["max"] = max(tag["min"] or 0, r.randint(1, 3))
    return tag


def gen_vocabulary(r, name):
    ranks = sorted(r.randint(-1, 9) + 1 for _ in range(r.randint(1, 6)))
    if chance(r, 0.3) and len(ranks) > 1:
        ranks[1] = ranks[0]
    classes = [{"name": n, "lacv": i + 1, "rank": rank, "obsolete": chance(r, 0.05), "required": []}
               for i, (n, rank) in enumerate(zip(r.sample(CLASS_NAMES, len(ranks)), ranks))]
    r.shuffle(classes)
    sets = []
    for n in some(r, SET_NAMES, 0, 4):
        pool, tags = r.sample(VALUE_NAMES, r.randint(1, 8)), []
        lacvs = {k: [r.choice([1, 1, 30])] for k in ("permissive", "restrictive", "informative")}
        kinds = [r.choice(["permissive", "permissive", "restrictive", "restrictive", "informative"])
                 for _ in range(r.choice([1, 1, 1, 2, 3]))]
        for i, kind in enumerate(kinds):
            part = pool[i::len(kinds)]
            if part:
                tags.append(gen_tag(r, i, part, lacvs[kind], kind))
        sets.append({"name": n, "tags": tags})
    v = {"name": name, "releasability": None, "classes": classes, "sets": sets}
    open_sets = [s["name"] for s in sets if any(t["kind"] == "permissive" for t in s["tags"])]
    if open_sets and chance(r, 0.75):
        v["releasability"] = r.choice(open_sets)
    if sets:
        gen_constraints(r, v)
    return v


def gen_constraints(r, v):
    names = [c["name"] for c in v["classes"]]
    for c in v["classes"]:
        if chance(r, 0.06):
            rule = gen_required(r, v["sets"])
            c["required"] = [rule] if rule else []
    for s in v["sets"]:
        for t in s["tags"]:
            for value in t["values"]:
                if chance(r, 0.12):
                    value["excluded_classes"] = some(r, names, 1, 2)
                elif chance(r, 0.04):
                    value["required_class"] = r.choice(names)
                if chance(r, 0.05):
                    rule = gen_required(r, v["sets"], value)
                    value["required"] = [rule] if rule else []
                if chance(r, 0.06):
                    ref = gen_reference(r, v["sets"], value)
                    value["excluded"] = [ref] if ref else []


# ---- agreements ----

def gen_clearance(r, v):
    c = {"vocabulary": v["name"], "up_to": None, "classes": [], "categories": []}
    if chance(r, 0.5):
        by_rank = sorted(v["classes"], key=lambda x: x["rank"])
        c["up_to"] = r.choice(by_rank[len(by_rank) // 2:])["name"]
    else:
        c["classes"] = some(r, [x["name"] for x in v["classes"]], (len(v["classes"]) + 1) // 2)
    for s in v["sets"]:
        names = [x["name"] for t in s["tags"] for x in t["values"]]
        if chance(r, 0.93):
            c["categories"].append([s["name"], some(r, names, (len(names) + 1) // 2)])
    return c


def gen_equivalence(r, source, target):
    classes = {}
    by_rank = {}
    for c in target["classes"]:
        if not c["obsolete"]:
            by_rank.setdefault(c["rank"], []).append(c["name"])
    if not by_rank:
        return None
    images = sorted(by_rank)
    ranks = sorted({c["rank"] for c in source["classes"]})
    at = 0
    for rank in ranks:
        at = r.randint(at, len(images) - 1)
        for c in source["classes"]:
            if c["rank"] == rank and chance(r, 0.85):
                classes[c["name"]] = r.choice(by_rank[images[at]])
    if not classes:
        return None
    values, into = [], {}
    goals = [(s["name"], t["kind"], x) for s in target["sets"] for t in s["tags"] for x in t["values"]
             if not x["obsolete"]]
    allowed = {"restrictive": ("restrictive",), "permissive": ("permissive", "permissive", "restrictive"),
               "informative": ("informative",)}
    for s in source["sets"]:
        for t in s["tags"]:
            for x in t["values"]:
                kind = r.choice(allowed[t["kind"]])
                fit = [g for g in goals if g[1] == kind and (
                    kind != "permissive" or into.get(g[0], s["name"]) == s["name"])]
                if fit and chance(r, 0.85):
                    g = r.choice(fit)
                    if kind == "permissive":
                        into[g[0]] = s["name"]
                    values.append([s["name"], x["name"], g[0], g[2]["name"]])
    return {"from": source["name"], "to": target["name"], "classes": [[a, b] for a, b in classes.items()],
            "values": values}


def gen_label_condition(r, v, generous=False):
    ops = ["at-most", "at-least", "is"]
    if generous or not v["sets"] or chance(r, 0.5):
        names = [c["name"] for c in sorted(v["classes"], key=lambda c: c["rank"])]
        if generous and chance(r, 0.7):
            return {"vocabulary": v["name"], "op": "at-most", "class": names[-1]}
        return {"vocabulary": v["name"], "op": r.choice(ops), "class": r.choice(names)}
    s = r.choice(v["sets"])
    values = [x["name"] for t in s["tags"] for x in t["values"]]
    return {"vocabulary": v["name"], "op": r.choice(["has", "lacks"]), "category": s["name"],
            "value": r.choice(values) if chance(r, 0.7) else None}


def gen_rule(r, name, action, members, vocabularies, generous=False):
    rule = {"name": name, "from": [], "to": [], "topics": [], "labels": [], "precedence": [], "content": [],
            "action": action, "approver": None, "within": None}
    few = 0.12 if generous else 0.3
    for side in ("from", "to"):
        while chance(r, few):
            rule[side].append("any" if chance(r, 0.2) else some(r, members, 1))
    if chance(r, few):
        rule["topics"] = some(r, PATTERNS, 1, 2)
    if chance(r, few):
        rule["precedence"] = [[r.choice(["at-most", "at-least"]), r.choice(model.PRECEDENCES)]
                              for _ in range(r.randint(1, 2))]
    if chance(r, few):
        rule["content"] = some(r, CONTENT_PATTERNS, 1, 1 if generous else 2)
    if vocabularies:
        for _ in range(1 if generous else r.randint(0, 3)):
            rule["labels"].append(gen_label_condition(r, r.choice(vocabularies), generous))
    if action == "hold":
        rule["approver"] = r.choice(["originator", "recipient"] + members)
        rule["within"] = r.choice(WITHIN)
    return rule


def gen_rules(r, members, cleared, known):
    rules, number = [], 0
    for v in cleared:
        for _ in range(r.choice([0, 1, 1, 1, 1, 1, 2, 2, 2])):
            rules.append(gen_rule(r, "r%d" % number, "release", members, [v], generous=True))
            number += 1
    for action, most, vs in (("release", 1, cleared), ("hold", 3, known), ("withhold", 1, known)):
        for _ in range(r.randint(0, most)):
            rule = gen_rule(r, "r%d" % number, action, members, vs)
            if action != "release" and not any((rule["to"], rule["from"], rule["labels"], rule["topics"])):
                continue
            rules.append(rule)
            number += 1
    names = [x["name"] for x in rules] + ["Z", "a", "_x"[1:], "0"]
    for rule in rules:
        if chance(r, 0.3):
            fresh = "%s%s" % (r.choice(["z", "A", "a-", "B_"]), rule["name"])
            if fresh not in names:
                names.append(fresh)
                rule["name"] = fresh
    return rules


def gen_agreement(r, name, parties, vocabularies):
    members = some(r, parties, 2, 6)
    start = r.choice(["2026-01-01", "2026-06-01", "2026-06-02", "2025-01-01"])
    until = r.choice(["2026-06-01", "2026-06-02", "2028-12-31", "2028-12-31"])
    if until < start:
        until = start
    count = min(len(vocabularies), r.choice([1, 1, 2, 2, 3]))
    cleared = r.sample(vocabularies, count)
    a = {"name": name, "title": "Agreement %s" % name, "version": r.randint(1, 9), "from": start, "until": until,
         "state": r.choice(["in-force"] * 25 + ["draft", "terminated"]),
         "mode": r.choice(["live"] * 7 + ["exercise"]),
         "topics": some(r, PATTERNS, 1, 2) if chance(r, 0.5) else [">"],
         "unmarked_labels": chance(r, 0.15), "unmarked_portions": chance(r, 0.6), "backfill": chance(r, 0.5),
         "onward": r.choice([None, {"kind": "prohibited", "within": None}, {"kind": "members", "within": None},
                             {"kind": "consent", "within": None}, {"kind": "consent", "within": r.choice(WITHIN)}]),
         "members": [], "equivalences": [], "rules": []}
    a["require_cosign"] = a["version"] % 3 == 0  # no dice: the seeds that are kept stay what they were
    for party in members:
        m = {"party": party, "originate": chance(r, 0.7), "receive": chance(r, 0.85),
             "at_most": r.choice([None, "FLASH", "IMMEDIATE", "ROUTINE", "PRIORITY"]), "clearances": []}
        if not m["originate"]:
            m["receive"] = True
        for v in cleared:
            if chance(r, 0.9):
                m["clearances"].append(gen_clearance(r, v))
        a["members"].append(m)
    held = {c["vocabulary"] for m in a["members"] for c in m["clearances"]}
    cleared = [v for v in vocabularies if v["name"] in held]
    for source in vocabularies:
        if source["name"] not in held and cleared and chance(r, 0.7):
            e = gen_equivalence(r, source, r.choice(cleared))
            if e:
                a["equivalences"].append(e)
    a["rules"] = gen_rules(r, members, cleared, vocabularies)
    return a


def gen_policy(r):
    vocabularies = [gen_vocabulary(r, n) for n in r.sample(VOCABULARY_NAMES, r.randint(1, 4))]
    parties = PARTIES[:r.randint(4, 7)] + ["HUB"]
    names = ["atlas", "nordic-cti", "B", "a2", "zz_9"][:r.randint(1, 4)]
    return {"vocabularies": vocabularies, "parties": parties,
            "suspended": [n for n in names if chance(r, 0.1)],
            "agreements": [gen_agreement(r, n, parties, vocabularies) for n in names]}


# ---- reports ----

def stamp(us):
    whole = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)
    text = whole.strftime("%Y-%m-%dT%H:%M:%S")
    return text + (".%06d" % whole.microsecond).rstrip("0") + "Z" if whole.microsecond else text + "Z"


def gen_time(r, agreements):
    a = r.choice(agreements)
    first, end = model.date_us(a["from"]), model.date_us(a["until"]) + model.DAY_US
    how = r.random()
    if how < 0.12:
        return r.choice([first, end]) + r.choice([-1000000, 0, 0, 1000000])
    if how < 0.9:
        return r.choice([first, first, first + 43200 * 1000000, end - 1000000, (first + end) // 2])
    return model.time_us(r.choice(["2026-06-01T00:00:00Z", "2026-06-01T12:00:00Z", "2026-06-02T12:00:00Z",
                                   "2026-06-30T23:59:59Z", "2027-01-01T00:00:00Z"])) \
        + r.choice([0, 0, 0, 1000000, -1000000, 1, -1, 500000])


def spelt(r, name):
    """The name as another hand might write it; it still compares equal."""
    if not chance(r, 0.15):
        return name
    name = "".join(c.lower() if c.isascii() and chance(r, 0.5) else c.upper() if c.isascii() else c for c in name)
    name = name.replace(" ", r.choice([" ", "  ", "\t", "\r\n "]))
    return r.choice(["", " ", "\n"]) + name + r.choice(["", " ", "\t"])


def gen_label(r, v, wish):
    """A label of vocabulary 'v'; with 'wish' (a clearance) one that it is likely to clear."""
    classes = [c["name"] for c in v["classes"]]
    if wish:
        top = next((c["rank"] for c in v["classes"] if c["name"] == wish["up_to"]), None)
        classes = wish["classes"] or [c["name"] for c in v["classes"] if c["rank"] <= top]
    wished = {s: names for s, names in (wish["categories"] if wish else [])}
    categories = {}
    for s in v["sets"]:
        names = [x["name"] for t in s["tags"] for x in t["values"]]
        if wish and s["name"] in wished and chance(r, 0.9):
            names = wished[s["name"]]
        elif wish and s["name"] != v["releasability"]:
            continue
        if chance(r, 0.92 if s["name"] == v["releasability"] else 0.4):
            picked = some(r, names, 1, 3)
            if chance(r, 0.05):
                picked.append(picked[0])
            categories[s["name"]] = picked
    return {"vocabulary": v["name"], "classification": r.choice(classes), "categories": categories}


def accepted_label(r, policy, compiled, v, wish, time):
    """A label that its SPIF accepts, where a few tries find one."""
    label = gen_label(r, v, wish)
    for _ in range(9):
        got = model.resolve(compiled, label)
        if got is not None and not model.spif_refuses(got, time):
            break
        label = gen_label(r, v, wish if chance(r, 0.5) else None)
    return label


def respell(r, label):
    return {"vocabulary": spelt(r, label["vocabulary"]), "classification": spelt(r, label["classification"]),
            "categories": {spelt(r, n): [spelt(r, v) for v in values] for n, values in label["categories"].items()}}


def gen_portion(r, policy, compiled, agreement, time):
    by_name = {v["name"]: v for v in policy["vocabularies"]}
    labels = []
    member = r.choice(agreement["members"])
    sources = [e["from"] for e in agreement["equivalences"]]
    if member["clearances"] and chance(r, 0.9):
        for c in some(r, member["clearances"], 1, r.choice([1, 1, 2])):
            labels.append(accepted_label(r, policy, compiled, by_name[c["vocabulary"]], c, time))
        if sources and chance(r, 0.35):
            v = by_name[r.choice(sources)]
            made = accepted_label(r, policy, compiled, v, None, time)
            labels[r.randrange(len(labels))] = made
            if chance(r, 0.2):
                more = r.choice(sources)
                if more != v["name"]:
                    labels.append(accepted_label(r, policy, compiled, by_name[more], None, time))
    else:
        for v in some(r, policy["vocabularies"], 1, 2):
            labels.append(accepted_label(r, policy, compiled, v, None, time))
    return {"labels": [respell(r, l) for l in labels], "content_type": r.choice(CONTENT[:2] if chance(r, .5) else CONTENT)}


def gen_obligation(r, policy, agreement, facts):
    """One that could well be open, or nearly so."""
    holds = [x for x in agreement["rules"] if x["action"] == "hold"]
    kind = r.choice(["review"] * 3 * bool(holds) + ["consent"] * 2 * bool(facts["sources"]) + ["signer"])
    recipient = r.choice(agreement["members"])["party"]
    o = {"kind": kind, "agreement": agreement["name"], "approver": facts["originator"]}
    within = model.SIGNER_WITHIN_S
    if kind == "review":
        rule = r.choice(holds)
        o["rule"], within = rule["name"], rule["within"]
        o["approver"] = {"originator": facts["originator"], "recipient": recipient}.get(rule["approver"],
                                                                                         rule["approver"])
    elif kind == "consent":
        s = r.choice(facts["sources"])
        o["source"], o["approver"] = s["id"], s["originator"]
        under = [a for a in policy["agreements"] if a["name"] == s["agreement"]]
        within = (under and under[0]["onward"] and under[0]["onward"]["within"]) or model.CONSENT_WITHIN_S
    if chance(r, 0.08):
        o["approver"] = r.choice(policy["parties"])
    return o, recipient, within


def gen_sources(r, policy, facts):
    out, origin = [], {s: r.choice(policy["parties"]) for s in SOURCES}
    for _ in range(r.choice([1, 1, 2, 3])):
        s = r.choice(SOURCES)
        entry = {"id": s, "originator": origin[s],
                 "agreement": r.choice([a["name"] for a in policy["agreements"]] * 4 + [None, "no-such"]),
                 "onward_to": some(r, policy["parties"])}
        if chance(r, 0.3):
            entry["via"] = r.choice(SOURCES)
        out.append(entry)
    if chance(r, 0.3):
        out[0]["originator"] = facts["originator"]
    return out


def gen_facts(r, policy, compiled):
    agreements = policy["agreements"]
    main = r.choice(agreements)
    time = gen_time(r, [main])
    originators = [m["party"] for m in main["members"] if m["originate"]]
    named = [main["name"]] + some(r, [a["name"] for a in agreements if a is not main])
    if chance(r, 0.4):
        r.shuffle(named)
    topics = [t for t in TOPICS if any(model.topic_matches(p, t) for p in main["topics"])] or TOPICS
    originator = r.choice(originators) if originators and chance(r, 0.97) else r.choice(policy["parties"])
    limit = next((m["at_most"] or "PRIORITY" for m in main["members"] if m["party"] == originator), "PRIORITY")
    within = model.PRECEDENCES[:model.PRECEDENCES.index(limit) + 1]
    facts = {"originator": originator,
             "topic": r.choice(topics if chance(r, 0.97) else TOPICS), "agreements": named,
             "precedence": r.choice(within if chance(r, 0.95) else model.PRECEDENCES),
             "mode": main["mode"] if chance(r, 0.97) else "live", "time": stamp(time), "expires": None,
             "only_to": None, "not_to": [], "sources": [], "approvals": [],
             "portions": [gen_portion(r, policy, compiled, main, time) for _ in range(r.choice([1, 1, 2, 3, 3, 4, 6]))]}
    if chance(r, 0.12):
        facts["expires"] = stamp(time + r.choice([-1000000, 0, 1000000, 1000000]))
    if chance(r, 0.12):
        facts["only_to"] = some(r, [m["party"] for m in main["members"]])
    if chance(r, 0.08):
        facts["not_to"] = some(r, [m["party"] for m in main["members"]], 1, 2)
    if chance(r, 0.2):
        facts["sources"] = gen_sources(r, policy, facts)
    if chance(r, 0.3):
        facts["accepted"] = stamp(time - r.choice([0, 1000000, 3600 * 1000000]))
    if chance(r, 0.1):
        facts["signer"] = r.choice(["good", "revoked"])
    gen_history(r, policy, compiled, facts, time)
    gen_faults(r, policy, facts)
    return facts


def within_of(policy, obligation):
    """How long the obligation may stay open, in seconds."""
    by_name = {a["name"]: a for a in policy["agreements"]}
    if obligation["kind"] == "review":
        return next(x["within"] for x in by_name[obligation["agreement"]]["rules"] if x["name"] == obligation["rule"])
    return model.SIGNER_WITHIN_S if obligation["kind"] == "signer" else consent_of(by_name)


def consent_of(by_name):
    """Of some agreement with consent: which one is the source's matters to the model, not to the generator."""
    asked = [a["onward"]["within"] for a in by_name.values() if a["onward"] and a["onward"]["within"]]
    return asked[0] if asked else model.CONSENT_WITHIN_S


def gen_history(r, policy, compiled, facts, time):
    """Approvals, opened obligations, and the decision that this one follows."""
    named = [a for a in policy["agreements"] if a["name"] in facts["agreements"]]
    open_now = [(o, d["recipient"], p["portion"]) for d in model.decide(compiled, facts).get("decisions", [])
                for p in d["portions"] for o in p["obligations"]]
    events = [(o, recipient, portion, within_of(policy, o)) for o, recipient, portion in open_now if chance(r, 0.7)]
    if named and (events or facts["sources"]) and chance(r, 0.2):
        for _ in range(r.randint(1, 4)):
            o, recipient, within = gen_obligation(r, policy, r.choice(named), facts)
            events.append((o, recipient, r.randrange(len(facts["portions"])), within))
    later = chance(r, 0.25)
    if events and chance(r, 0.7):
        facts["opened"] = []
        for o, recipient, portion, within in events:
            where = {"recipient": recipient, "portion": portion}
            if chance(r, 0.5):
                facts["approvals"].append(dict(o, decision=r.choice(["approve", "approve", "reject"]), **where))
            if chance(r, 0.6):
                age = r.choice([within - 1, within, within, within + 1, 0, 2 * within]) * 1000000
                facts["opened"].append(dict(o, time=stamp(time - age), **where))
        r.shuffle(facts["approvals"])
        if not facts["opened"] or chance(r, 0.05):
            facts["opened"] = None
    if later and named:
        facts["before"] = gen_before(r, named, facts)
        if chance(r, 0.4):
            gen_backfill(r, named, facts)


def gen_backfill(r, named, facts):
    """For somebody who was not judged when the report came, or who was backfilled and is judged again."""
    who = [b["recipient"] for b in facts["before"]] or [m["party"] for a in named for m in a["members"]]
    if not who:
        return
    listed = some(r, dict.fromkeys(facts["agreements"]), 0 if chance(r, 0.1) else 1)
    facts["backfill"] = {"recipient": r.choice(who), "asked": chance(r, 0.85), "agreements": listed}
    if chance(r, 0.6):
        facts["before"] = None if chance(r, 0.5) else []
    else:
        facts["before"] = [b for b in facts["before"] if b["recipient"] == facts["backfill"]["recipient"]]


def gen_before(r, named, facts):
    receivers = sorted({m["party"] for a in named for m in a["members"]
                        if (chance(r, 0.05) if m["party"] == facts["originator"] else m["receive"] or chance(r, 0.1))})
    before = []
    for recipient in some(r, receivers, 1):
        usual = [a["name"] for a in named if any(m["party"] == recipient for m in a["members"])] or facts["agreements"]
        for n in range(len(facts["portions"])):
            if chance(r, 0.9):
                kept = some(r, usual if chance(r, 0.9) else dict.fromkeys(facts["agreements"]),
                            0 if chance(r, 0.05) else 1)
                before.append({"recipient": recipient, "portion": n, "agreements": kept})
    r.shuffle(before)
    return before


def gen_faults(r, policy, facts):
    """Now and then something that is refused or unknown."""
    what = r.random()
    later = facts.get("before") is not None or facts.get("backfill") is not None
    if what < 0.01:
        facts["agreements"] = []
        if later:
            facts.pop("before", None)
            facts.pop("backfill", None)
    elif what < 0.03:
        facts["agreements"].insert(r.randint(0, len(facts["agreements"])), "no-such")
    elif what < 0.04:
        facts["agreements"].append(r.choice(facts["agreements"]))
    elif what < 0.05 and not later:
        facts["not_to"] = facts["not_to"] + ["XXX"]
    elif what < 0.06 and not later:
        r.choice(facts["portions"])["labels"] = []
    elif what < 0.09:
        break_label(r, facts, names_only=later)
    elif what < 0.1 and not later:
        over(r, facts)


def break_label(r, facts, names_only):
    labels = r.choice(facts["portions"])["labels"]
    label = r.choice(labels)
    how = r.randrange(4 if names_only else 7)
    if how == 0:
        label["vocabulary"] = "NOWHERE"
    elif how == 1:
        label["classification"] = "Très Secret" if chance(r, 0.5) else "NONE"
    elif how == 2:
        label["categories"]["No Such Category"] = ["x"]
    elif how == 3 and label["categories"]:
        r.choice(list(label["categories"].values())).append("no such value")
    elif how == 4 and label["categories"]:
        label["categories"][r.choice(list(label["categories"]))] = []
    elif how == 5 and len(labels) < 4:
        labels.append(json.loads(json.dumps(label)))
    elif how == 6 and label["categories"]:
        name = r.choice(list(label["categories"]))
        if name.upper() not in label["categories"]:
            label["categories"][name.upper()] = list(label["categories"][name])


def over(r, facts):
    """At a limit, or one past it."""
    at_limit(facts, r.choice(LIMITS), r.randint(0, 1))


LIMITS = ("agreements", "tokens", "topic", "labels", "only_to", "not_to", "portions", "sources named", "sources in all",
          "categories", "values")


def at_limit(facts, what, more):
    """'facts' at the limit 'what', or 'more' past it; where it can be, nothing else is wrong with them."""
    label = facts["portions"][0]["labels"][0]
    if what == "agreements":
        facts["agreements"] = (facts["agreements"] * 9)[:8 + more]
    elif what == "tokens":
        facts["topic"] = ".".join(["t"] * (16 + more))
    elif what == "topic":
        facts["topic"] = ".".join(["a" * 100, "b" * 100, "c" * (53 + more)])
    elif what == "labels":
        facts["portions"][0]["labels"] = [label] * (4 + more)
    elif what == "only_to":
        facts["only_to"] = ["P%d" % n for n in range(256 + more)]
    elif what == "not_to":
        facts["not_to"] = [facts["originator"]] * (256 + more)
    elif what == "portions":
        facts["portions"] = (facts["portions"] * 257)[:256 + more]
    elif what == "sources named":
        facts["sources"] = twice_each(facts, 32 + more)
    elif what == "sources in all":
        facts["sources"] = twice_each(facts, 256 + more, via=SOURCES[0])
    elif what == "categories":
        label["categories"] = {"C%d" % n: ["x"] for n in range(32 + more)}
    elif what == "values":
        name, values = next(iter(label["categories"].items()), ("C", ["x"]))
        label["categories"][name] = ((values or ["x"]) * 257)[:256 + more]


def twice_each(facts, count, **more):
    """So many sources, each under two agreements: it is reports that are counted, not entries."""
    return [dict({"id": "%032x" % n, "originator": facts["originator"], "agreement": a, "onward_to": []}, **more)
            for n in range(count) for a in ("x", "y")]


def malformed(r, facts):
    """A line that is no object of facts."""
    f = json.loads(json.dumps(facts))
    how = r.randrange(12)
    if how == 0:
        return ""
    if how == 1:
        return "[]"
    if how == 2:
        return json.dumps(f)[:-1]
    if how == 3:
        del f[r.choice(["originator", "topic", "agreements", "precedence", "mode", "time", "expires", "only_to",
                        "not_to", "sources", "approvals", "portions"])]
    elif how == 4:
        f["surprise"] = 1
    elif how == 5:
        f["precedence"] = r.choice(["", "flash", 4, None])
    elif how == 6:
        f["time"] = r.choice(["2026-06-01", "2026-06-01T00:00:00", "2026-13-01T00:00:00Z", 5, None])
    elif how == 7:
        f["topic"] = r.choice(["", "a..b", "a.*", ">", "a b", ".a", "a.", "a.é"])
    elif how == 8:
        return json.dumps(f)[:-1] + ',"mode":"live"}'
    elif how == 9:
        f["portions"][0]["labels"] = [{"vocabulary": "ATLAS", "classification": "SECRET"}]
    elif how == 10:
        f["mode"] = r.choice(["LIVE", "", None])
    else:
        f["portions"][0]["extra"] = None
    return json.dumps(f)
